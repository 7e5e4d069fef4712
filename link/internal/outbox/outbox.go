// Package outbox is what links have in common whose other end is a program: a bounded queue of what the stack has sent and
// nobody has read, and the program's way into the stack.
package outbox

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/seed963a8790/netstack/internal/gate"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Outbox is safe for concurrent use, once Init was called.
type Outbox struct {
	receiver atomic.Pointer[stack.Receiver]
	gate     *gate.Gate // of the calls into the receiver
	tell     func()

	mu      sync.Mutex
	ready   sync.Cond // there is a packet in ring, or shut
	ring    []*stack.Packet
	head, n int
	stopped bool // Transmit did not take everything
	shut    bool
}

// Init makes o ready, with room for so many packets. tell, if not nil, is called whenever there may be a packet to take; it
// must not block.
func (o *Outbox) Init(capacity int, tell func()) {
	o.gate, o.tell, o.ring = gate.New(), tell, make([]*stack.Packet, capacity)
	o.ready.L = &o.mu
}

// Attach connects the link with r.
//
// Errors: ErrClosed after Close, ErrExists if the link is attached.
func (o *Outbox) Attach(r stack.Receiver) error {
	if o.gate.Closed() {
		return tcpip.ErrClosed
	}
	if !o.receiver.CompareAndSwap(nil, &r) {
		return tcpip.ErrExists
	}
	return nil
}

// Stack returns the stack that the link is attached to, nil if it is not.
func (o *Outbox) Stack() *stack.Stack {
	if r := o.receiver.Load(); r != nil {
		return (*r).Stack()
	}
	return nil
}

// Enter returns the stack's side for calls into it, and Leave is to follow. ok is false after Close and while the link is not
// attached.
func (o *Outbox) Enter() (r stack.Receiver, ok bool) {
	p := o.receiver.Load()
	if p == nil || !o.gate.Enter() {
		return nil, false
	}
	return *p, true
}

// Leave ends what Enter has begun.
func (o *Outbox) Leave() { o.gate.Leave() }

// Transmit queues as much of the batch as there is room for.
func (o *Outbox) Transmit(_ *stack.Work, _ int, batch []*stack.Packet) int {
	o.mu.Lock()
	if o.shut {
		o.mu.Unlock()
		for _, p := range batch {
			p.Drop(tcpip.DropLinkDown)
		}
		return len(batch)
	}
	n := min(len(batch), len(o.ring)-o.n)
	for i, p := range batch[:n] {
		o.ring[(o.head+o.n+i)%len(o.ring)] = p
	}
	o.n += n
	o.stopped = n < len(batch)
	if n > 0 {
		o.signal()
	}
	o.mu.Unlock()
	return n
}

// signal tells one who waits, and the program. mu is held.
func (o *Outbox) signal() {
	o.ready.Signal()
	if o.tell != nil {
		o.tell()
	}
}

// Take takes up to len(batch) of the oldest packets and returns their number. Where the queue was full, the stack sends again
// in this call.
func (o *Outbox) Take(batch []*stack.Packet) int {
	o.mu.Lock()
	return o.take(batch)
}

// Wait is Take that waits for a packet. It takes none if the link is closed.
func (o *Outbox) Wait(batch []*stack.Packet) int {
	o.mu.Lock()
	for o.n == 0 && !o.shut {
		o.ready.Wait()
	}
	return o.take(batch)
}

// take is Take with mu held, which it gives up.
func (o *Outbox) take(batch []*stack.Packet) int {
	n := min(len(batch), o.n)
	for i := range n {
		batch[i] = o.ring[o.head]
		o.ring[o.head] = nil
		o.head = (o.head + 1) % len(o.ring)
	}
	o.n -= n
	if n > 0 && o.n > 0 {
		o.signal() // somebody else
	}
	resume := o.stopped && o.n <= len(o.ring)/2 // not for each packet: to resume is a frame
	if resume {
		o.stopped = false
	}
	o.mu.Unlock()
	if resume {
		if r, ok := o.Enter(); ok {
			r.TxReady(nil, 0)
			o.Leave()
		}
	}
	return n
}

// Len returns how many packets wait to be taken.
func (o *Outbox) Len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.n
}

// Close keeps everybody out and drops what waits to be taken. It reports false if that was done before.
func (o *Outbox) Close() bool {
	if !o.gate.Close() {
		return false
	}
	o.mu.Lock()
	o.shut = true
	ring, head, n := o.ring, o.head, o.n
	o.ring, o.n = nil, 0
	o.ready.Broadcast()
	o.mu.Unlock()
	for i := range n {
		ring[(head+i)%len(ring)].Drop(tcpip.DropLinkDown)
	}
	return true
}

// Ended returns when the link is closed and the last call into the stack has ended, or with ctx's error.
func (o *Outbox) Ended(ctx context.Context) error { return o.gate.Wait(ctx) }
