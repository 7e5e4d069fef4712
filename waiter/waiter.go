// Package waiter tells users of endpoints when these become ready.
//
// Readiness is level-triggered and belongs to the endpoint, which is asked for it; a Queue only says
// that asking again may be worth while. Events may be spurious, they are never lost for a user who
// registers first and checks afterwards:
//
//	w := waiter.NewChannel(waiter.Readable)
//	q.Register(w)
//	defer q.Unregister(w)
//	for ep.Readiness(waiter.Readable) == 0 {
//		<-w.C()
//	}
package waiter

import "sync"

// Events is a set of conditions of an endpoint. The values are those of Linux's poll(2).
type Events uint32

// The conditions.
const (
	Readable   Events = 0x0001 // POLLIN: data, an end of stream or a connection to accept is there
	Priority   Events = 0x0002 // POLLPRI: urgent data is there
	Writable   Events = 0x0004 // POLLOUT: there is room to send
	Error      Events = 0x0008 // POLLERR: an error, or an entry on the error queue, is there
	HangUp     Events = 0x0010 // POLLHUP: both directions are closed
	ReadHangUp Events = 0x2000 // POLLRDHUP: the peer has closed its direction

	All = Readable | Priority | Writable | Error | HangUp | ReadHangUp
)

// Always are the conditions that a waiter is told of whatever it asked for, as in poll(2).
const Always = Error | HangUp

// Waiter is one registration's worth of interest. It may be in one Queue at a time.
type Waiter struct {
	mask       Events
	c          chan struct{}
	f          func(Events)
	next, prev *Waiter
	queue      *Queue
	pending    Events  // a function waiter's events that wait in the Runner
	run        *Waiter // next in the Runner's list
}

// NewChannel returns a Waiter that signals a channel of capacity one.
func NewChannel(mask Events) *Waiter { return &Waiter{mask: mask, c: make(chan struct{}, 1)} }

// NewFunc returns a Waiter that calls f with the conditions that may have come true. f runs with no
// lock of the stack held and one at a time per stack; it may call anything in the stack,
// unregister its own Waiter included, and must not block. It may run once more after Unregister
// has returned.
func NewFunc(mask Events, f func(Events)) *Waiter { return &Waiter{mask: mask, f: f} }

// C returns the channel of a Waiter made by NewChannel. A signal stays in it until it is received.
func (w *Waiter) C() <-chan struct{} { return w.c }

// Signal puts a signal into the channel, as an event would: for a reason to look up that is the
// user's own, such as a deadline. It is for Waiters made by NewChannel.
func (w *Waiter) Signal() {
	select {
	case w.c <- struct{}{}:
	default:
	}
}

// Queue is the list of waiters of one endpoint. Its zero value is ready to use. It is safe for
// concurrent use.
type Queue struct {
	mu    sync.Mutex
	first *Waiter
	mask  Events // union of the waiters' masks: never too small
}

// Register adds w, which must not be in a queue.
func (q *Queue) Register(w *Waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.queue != nil {
		panic("waiter: registered twice")
	}
	w.queue = q
	w.prev, w.next = nil, q.first
	if q.first != nil {
		q.first.prev = w
	}
	q.first = w
	q.mask |= w.mask | Always
}

// Unregister removes w. Removing one that is not there does nothing.
func (q *Queue) Unregister(w *Waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.queue != q {
		return
	}
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		q.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	}
	w.queue, w.prev, w.next = nil, nil, nil
	q.mask = 0
	for v := q.first; v != nil; v = v.next {
		q.mask |= v.mask | Always
	}
}

// Runner runs the function waiters of one stack, one at a time. Its zero value is ready to use.
type Runner struct {
	mu          sync.Mutex
	first, last *Waiter
	running     bool
}

// Notify tells the waiters of q that ev may have come true: channels are signalled at once,
// functions run before Notify returns, unless another frame is running functions; then they run
// there. The caller holds no lock.
func (r *Runner) Notify(q *Queue, ev Events) {
	q.mu.Lock()
	if q.mask&ev == 0 {
		q.mu.Unlock()
		return
	}
	functions := false
	for w := q.first; w != nil; w = w.next {
		hit := ev & (w.mask | Always)
		if hit == 0 {
			continue
		}
		if w.f == nil {
			w.Signal()
			continue
		}
		functions = true
		r.add(w, hit)
	}
	q.mu.Unlock()
	if functions {
		r.drain()
	}
}

func (r *Runner) add(w *Waiter, ev Events) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w.pending != 0 {
		w.pending |= ev
		return
	}
	w.pending = ev
	if r.last == nil {
		r.first = w
	} else {
		r.last.run = w
	}
	r.last = w
}

func (r *Runner) drain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running {
		return
	}
	r.running = true
	defer func() { r.running = false }()
	for r.first != nil {
		w := r.first
		r.first = w.run
		if r.first == nil {
			r.last = nil
		}
		ev := w.pending
		w.pending, w.run = 0, nil
		r.call(w.f, ev)
	}
}

// call runs f without the lock and takes it back even if f panics.
func (r *Runner) call(f func(Events), ev Events) {
	r.mu.Unlock()
	defer r.mu.Lock()
	f(ev)
}
