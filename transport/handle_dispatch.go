package transport

import (
	"runtime/debug"
	"sync"

	"github.com/seed963a8790/netstack/tcpip"
)

// Dispatcher calls a program's handler off the path of packets: in timers of the stack's clock that are due at once,
// which are goroutines on the system's clock and events on a manual one. There is none while nothing waits. Its queue is
// bounded by who fills it.
type Dispatcher[T any] struct {
	clock    tcpip.Clock
	handle   func(T)
	abandon  func(T)                       // undoes what a handler has left half done by a panic
	panicked func(value any, stack []byte) // nil: panics go on
	most     int                           // calls at once

	mu      sync.Mutex // a leaf
	queue   []T
	workers int // that run or are about to
	free    int // of them do not run the handler
	panics  uint64
	closed  bool
}

// Init makes d ready.
func (d *Dispatcher[T]) Init(clock tcpip.Clock, o *HandleOptions, handle, abandon func(T)) {
	d.clock, d.handle, d.abandon = clock, handle, abandon
	d.panicked, d.most = o.Panicked, max(o.Handlers.Or(defaultHandlers), 1)
}

// Add has the handler called with x, soon. It may be called with locks held.
func (d *Dispatcher[T]) Add(x T) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.queue = append(d.queue, x)
	d.start()
}

// start sees to it that somebody looks at the queue. mu is held.
func (d *Dispatcher[T]) start() {
	if len(d.queue) > 0 && d.free == 0 && d.workers < d.most {
		d.workers++
		d.free++
		d.clock.AfterFunc(0, d.work)
	}
}

// work calls the handler until the queue is empty.
func (d *Dispatcher[T]) work() {
	for {
		d.mu.Lock()
		if len(d.queue) == 0 {
			d.workers--
			d.free--
			d.queue = nil
			d.mu.Unlock()
			return
		}
		var none T
		x := d.queue[0]
		d.queue[0] = none
		d.queue = d.queue[1:]
		d.free--
		d.start() // this call may block
		d.mu.Unlock()
		d.call(x)
	}
}

// call calls the handler, and cleans up behind one that does not return.
func (d *Dispatcher[T]) call(x T) {
	returned := false
	defer func() {
		again := returned
		if !returned {
			d.abandon(x)
			if d.panicked != nil {
				if v := recover(); v != nil {
					again = true
					d.panicked(v, debug.Stack())
				}
			}
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if !returned {
			d.panics++
		}
		if again {
			d.free++
			return
		}
		d.workers-- // the goroutine ends
		d.start()
	}()
	d.handle(x)
	returned = true
}

// Waiting returns how many wait for their call, and how many calls have panicked.
func (d *Dispatcher[T]) Waiting() (n int, panics uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.queue), d.panics
}

// Close forgets what waits. Calls that run are not waited for.
func (d *Dispatcher[T]) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.queue = nil
}
