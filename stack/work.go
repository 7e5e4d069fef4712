package stack

import (
	"github.com/seed963a8790/netstack/internal/growstack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// Work is what a frame has yet to do outside all locks: transmit queues to run, owners to tell of
// completion, waiters to tell of events. Every outermost frame (a user's call, a link's delivery, a
// timer, a continuation) begins one and ends it; inner code only adds to it. A Work belongs to its frame
// and is not safe for concurrent use.
type Work struct {
	stack   *Stack
	queues  []*txQueue // to run, in this order
	next    int        // the first of queues that has not been run
	wakes   []wake
	dones   []completion
	loops   packetList       // to be received by their own NICs
	sent    []sent           // of the batch
	cut     []*Packet        // the batch as the link can carry it
	batch   [txBatch]*Packet // what is being transmitted
	packets int              // transmitted so far, against workPackets
	bytes   int
}

type wake struct {
	stack  *Stack
	queue  *waiter.Queue
	events waiter.Events
}

type completion struct {
	owner  Owner
	charge int
}

// sent is what a frame must know of a packet that it has given away.
type sent struct {
	completion
	bytes int
}

// Begin starts an outermost frame.
func (s *Stack) Begin() *Work {
	growstack.Ensure()
	w, _ := s.works.Get().(*Work)
	if w == nil {
		w = &Work{stack: s}
	}
	return w
}

// Wake adds waiters to tell, once the frame's packets are on their way.
func (w *Work) Wake(s *Stack, q *waiter.Queue, ev waiter.Events) {
	if ev == 0 {
		return
	}
	for i := len(w.wakes) - 1; i >= 0 && i >= len(w.wakes)-wakeLookback; i-- {
		if w.wakes[i].queue == q {
			w.wakes[i].events |= ev
			return
		}
	}
	w.wakes = append(w.wakes, wake{s, q, ev})
}

// wakeLookback is how far Wake looks for the same queue: joining entries is worth a few comparisons.
const wakeLookback = 4

// End runs the queues, tells owners and waiters, and ends the frame. The caller holds no lock.
func (w *Work) End() {
	for {
		w.run()
		if w.loop() {
			continue
		}
		if len(w.dones) > 0 {
			w.complete()
			continue
		}
		if len(w.wakes) == 0 {
			break
		}
		for i := range w.wakes {
			k := w.wakes[i]
			w.wakes[i] = wake{}
			k.stack.runner.Notify(k.queue, k.events)
		}
		w.wakes = w.wakes[:0]
	}
	w.packets, w.bytes = 0, 0
	w.stack.works.Put(w)
}

// run gives every queue its turn until all are dry or the budget is spent.
func (w *Work) run() {
	for w.next < len(w.queues) {
		q := w.queues[w.next]
		w.queues[w.next] = nil
		w.next++
		if w.packets >= workPackets || w.bytes >= workBytes {
			q.schedule()
			continue
		}
		if q.run(w) {
			w.queues = append(w.queues, q)
		}
		w.complete()
		if w.next > 64 {
			w.queues = append(w.queues[:0], w.queues[w.next:]...)
			w.next = 0
		}
	}
	w.queues, w.next = w.queues[:0], 0
}

// complete tells owners. They may add queues and wakes.
func (w *Work) complete() {
	for i := 0; i < len(w.dones); i++ {
		d := w.dones[i]
		w.dones[i] = completion{}
		d.owner.Completed(w, d.charge)
	}
	w.dones = w.dones[:0]
}

// done notes that a packet has left its transmit queue, for its owner to hear of.
func (w *Work) done(d completion) {
	if d.owner == nil {
		return
	}
	for i := len(w.dones) - 1; i >= 0 && i >= len(w.dones)-wakeLookback; i-- {
		if w.dones[i].owner == d.owner {
			w.dones[i].charge += d.charge
			return
		}
	}
	w.dones = append(w.dones, d)
}

// Drop discards a packet of ours on its way out, for the given reason: its owner hears of the
// completion, as if it had been sent, and Packet.Drop does the rest.
func (w *Work) Drop(p *Packet, d tcpip.Drop) {
	w.done(completion{p.owner, p.charge})
	p.owner, p.charge = nil, 0
	p.Drop(d)
}

// add puts a queue that has packets on the list.
func (w *Work) add(q *txQueue) {
	for i := len(w.queues) - 1; i >= w.next && i >= len(w.queues)-wakeLookback; i-- {
		if w.queues[i] == q {
			return
		}
	}
	w.queues = append(w.queues, q)
}
