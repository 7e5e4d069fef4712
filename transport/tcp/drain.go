package tcp

import (
	"sync/atomic"

	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// drain is the end of a stack that waits for the peers (Stack.Shutdown).
type drain struct {
	active atomic.Bool  // no connections begin any more
	left   atomic.Int64 // endpoints whose peers have not acknowledged everything, and Drain itself
	done   func()       // when there is none; set before active
}

// Drain closes listeners and handlers, calls attempts to connect off, and sends FIN behind what connections have to
// send. done is called once every FIN is acknowledged, or its connection over for another reason.
func (t *Protocol) Drain(w *stack.Work, done func()) {
	t.drain.done = done
	t.drain.left.Store(1)
	t.drain.active.Store(true)
	if h := t.handler.Load(); h != nil {
		h.close()
	}
	for _, other := range t.stack.Endpoints() {
		if e, ok := other.(*Endpoint); ok {
			e.lock.enter(t.clock)
			e.drainAndUnlock(w)
		}
	}
	t.drain.leave()
}

func (d *drain) leave() {
	if d.left.Add(-1) == 0 {
		d.done()
	}
}

// drainAndUnlock ends e's part and gives up the lock.
func (e *Endpoint) drainAndUnlock(w *stack.Work) {
	var queue []*Endpoint
	switch {
	case e.closed: // and sends what it has already
	case e.listener.Load() != nil:
		queue = e.close(w)
	case e.running:
		_, _ = e.shutdown(w, tcpip.ShutdownWrite)
		w.Wake(e.proto.stack, &e.waiters, waiter.All)
	}
	e.draining = true
	e.proto.drain.left.Add(1)
	e.unlock(w)
	abandonAll(w, queue)
}

// checkDrained looks whether e's peer has acknowledged everything. The lock is held.
func (e *Endpoint) checkDrained() {
	if !e.running || e.tcb.State() == tcb.StateFinWait2 {
		e.draining = false
		e.proto.drain.leave()
	}
}

var _ stack.Drainer = (*Protocol)(nil)
