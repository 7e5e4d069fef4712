package stack

import (
	"sync"

	"github.com/seed963a8790/netstack/tcpip"
)

// txQueue keeps the packets of a NIC that wait for its link, in order. Packets are enqueued under their
// endpoint's lock and transmitted outside it, by one frame at a time.
type txQueue struct {
	nic   *NIC
	index int

	mu      sync.Mutex // a leaf; guards all below
	state   txState
	ready   bool // TxReady came while the queue was running
	closed  bool // the NIC was removed; nothing will start a stopped queue any more
	packets packetList
	bytes   int
	timer   tcpip.Timer // runs the continuation; made on first use
}

type txState uint8

const (
	txIdle      txState = iota // empty, or on the Work of the frame that filled it
	txRunning                  // a frame is transmitting
	txScheduled                // a continuation will transmit what is left, unless a frame comes first
	txStopped                  // the link has to call TxReady first
)

// enqueue takes p if there is room and reports whether it did. What it does not take stays the caller's. A
// closed queue drops p.
func (q *txQueue) enqueue(w *Work, p *Packet) bool {
	n := p.Len()
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		w.Drop(p, tcpip.DropLinkDown)
		return true
	}
	if limits := &q.nic.stack.limits; q.packets.n >= limits.QueuePackets || q.bytes+n > limits.QueueBytes {
		q.mu.Unlock()
		return false
	}
	q.packets.push(p)
	q.bytes += n
	state := q.state
	q.mu.Unlock()
	if state == txIdle || state == txScheduled {
		w.add(q)
	}
	return true
}

// len returns the packets that wait.
func (q *txQueue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.packets.n
}

// run transmits one batch and reports whether the frame should run the queue again.
func (q *txQueue) run(w *Work) (again bool) {
	q.mu.Lock()
	if q.state == txRunning || q.state == txStopped || q.packets.n == 0 {
		if q.state == txScheduled && q.packets.n == 0 {
			q.state = txIdle
		}
		q.mu.Unlock()
		return false
	}
	q.state = txRunning
	q.ready = false
	batch := w.batch[:0]
	for len(batch) < txBatch && q.packets.n > 0 && w.bytes < workBytes {
		p := q.packets.pop()
		q.bytes -= p.Len()
		w.bytes += p.Len()
		batch = append(batch, p)
	}
	q.mu.Unlock()

	w.packets += len(batch)
	rest := q.nic.transmit(w, q.index, batch)

	q.mu.Lock()
	if q.closed {
		q.state = txIdle
		q.mu.Unlock()
		for _, p := range rest {
			w.Drop(p, tcpip.DropLinkDown)
		}
		clear(batch)
		return false
	}
	for i := len(rest) - 1; i >= 0; i-- {
		q.packets.pushFront(rest[i])
		q.bytes += rest[i].Len()
	}
	switch {
	case len(rest) > 0 && !q.ready:
		q.state = txStopped
	case q.packets.n == 0:
		q.state = txIdle
		if e := &q.nic.stack.ending; e.draining.Load() {
			e.dry()
		}
	default:
		q.state, again = txIdle, true
	}
	q.mu.Unlock()
	clear(batch)
	return again
}

// schedule leaves what is queued to a continuation.
func (q *txQueue) schedule() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.state != txIdle || q.packets.n == 0 {
		return
	}
	q.state = txScheduled
	if q.timer == nil {
		q.timer = q.nic.stack.clock.AfterFunc(0, q.resume)
	} else {
		q.timer.Reset(0)
	}
}

func (q *txQueue) resume() {
	w := q.nic.stack.Begin()
	w.add(q)
	w.End()
}

// restart lets a stopped queue run again.
func (q *txQueue) restart(w *Work) {
	q.mu.Lock()
	q.ready = true
	stopped := q.state == txStopped
	if stopped {
		q.state = txIdle
	}
	q.mu.Unlock()
	if stopped {
		w.add(q)
	}
}

// drain drops everything that is queued.
func (q *txQueue) drain(w *Work, why tcpip.Drop) {
	q.mu.Lock()
	list := q.packets
	q.packets, q.bytes = packetList{}, 0
	if q.state == txScheduled {
		q.timer.Stop()
		q.state = txIdle // or schedule would rely on the continuation
	}
	q.mu.Unlock()
	for p := list.pop(); p != nil; p = list.pop() {
		w.Drop(p, why)
	}
}

// close drops everything that is queued, and what comes.
func (q *txQueue) close(w *Work, why tcpip.Drop) {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.drain(w, why)
}
