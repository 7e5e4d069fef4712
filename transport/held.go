package transport

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Holder keeps packets that a program is asked about, each until its answer or its deadline, and no more of them, in number,
// per source and in bytes, than it may. It is the part that handlers of single packets share.
type Holder struct {
	stack *stack.Stack
	limit time.Duration
	quota *Quota
	count *HandleCounts

	mu     sync.Mutex  // before quota's
	all    Chain[Held] // in the order of their deadlines
	bytes  int         // their cost
	alarm  Alarm
	closed bool
}

// Held is one packet of a Holder. The zero value holds none.
type Held struct {
	holder *Holder
	id     stack.FlowID
	packet *stack.Packet // nil once it is answered
	cost   int
	due    tcpip.Time
	link   Link[Held]
}

// HoldFor makes h keep packets for of.
func HoldFor[T any](of *Handling[T], s *stack.Stack, h *Holder) {
	h.stack, h.limit, h.quota, h.count = s, of.Limit, &of.Quota, &of.HandleCounts
}

// Keep takes p into d, which id identifies, and reports whether there was room; else it has dropped p.
func (h *Holder) Keep(d *Held, p *stack.Packet, id stack.FlowID) bool {
	if !h.quota.Take(id, p.NIC.ID()) {
		p.Drop(tcpip.DropHandlerLimit)
		return false
	}
	p.Compact()
	cost := p.Cost()
	h.mu.Lock()
	drop := tcpip.DropNone
	switch {
	case h.closed:
		drop = tcpip.DropEndpointClosed
	case h.bytes+cost > heldBytes:
		drop = tcpip.DropHandlerLimit
	}
	if drop != tcpip.DropNone {
		h.quota.Give(id)
		h.mu.Unlock()
		h.count.Absorbed.Add(1)
		p.Drop(drop)
		return false
	}
	*d = Held{holder: h, id: id, packet: p, cost: cost, due: p.At.Add(h.limit)}
	h.all.Push(d, &d.link)
	h.bytes += cost
	h.arm()
	h.mu.Unlock()
	h.count.Handled.Add(1)
	return true
}

// take takes d's packet out. mu is held.
func (h *Holder) take(d *Held) *stack.Packet {
	p := d.packet
	if p == nil {
		return nil
	}
	d.packet = nil
	h.all.Remove(&d.link)
	h.bytes -= d.cost
	h.quota.Give(d.id)
	if h.all.First() == nil { // an idle handler has no timer
		h.alarm.Stop()
	}
	return p
}

// arm sets the alarm for the first deadline. mu is held.
func (h *Holder) arm() {
	if d := h.all.First(); d != nil {
		h.alarm.Set(h.stack, d.due, h.expire)
	}
}

// expire drops what has waited too long.
func (h *Holder) expire() {
	now := h.stack.Now()
	var late stack.PacketList
	h.mu.Lock()
	h.alarm.Rang()
	for d := h.all.First(); d != nil && d.due <= now; d = h.all.First() {
		late.Push(h.take(d))
	}
	if !h.closed {
		h.arm()
	}
	h.mu.Unlock()
	h.count.Expired.Add(uint64(late.Len()))
	decline(&late)
}

// Close drops everything, and what comes later.
func (h *Holder) Close() {
	var all stack.PacketList
	h.mu.Lock()
	h.closed = true
	h.alarm.Stop()
	for d := h.all.First(); d != nil; d = h.all.First() {
		all.Push(h.take(d))
	}
	h.mu.Unlock()
	h.count.Dropped.Add(uint64(all.Len()))
	decline(&all)
}

// Accept takes the packet out for the caller to make something of; nil if it was answered before.
func (d *Held) Accept() *stack.Packet { return d.end(&d.holder.count.Accepted) }

// Reject answers the packet with an ICMP error, if it was not answered before.
func (d *Held) Reject(r Rejection) {
	p := d.end(&d.holder.count.Rejected)
	if p == nil {
		return
	}
	s := d.holder.stack
	w := s.Begin()
	r.Answer(w, s, p)
	p.Drop(tcpip.DropDeclined)
	w.End()
}

// Drop drops the packet, if it was not answered before.
func (d *Held) Drop() {
	if p := d.end(&d.holder.count.Dropped); p != nil {
		p.Drop(tcpip.DropDeclined)
	}
}

// end takes the packet out and counts that.
func (d *Held) end(counter *atomic.Uint64) *stack.Packet {
	d.holder.mu.Lock()
	p := d.holder.take(d)
	d.holder.mu.Unlock()
	if p != nil {
		counter.Add(1)
	}
	return p
}

// Copy returns a copy of the packet from skip bytes behind its transport header's beginning on (or, if skip is negative,
// from its network header on), nil once it is answered.
func (d *Held) Copy(skip int) []byte {
	d.holder.mu.Lock()
	defer d.holder.mu.Unlock()
	p := d.packet
	if p == nil {
		return nil
	}
	front := p.Network()
	if skip >= 0 {
		front = p.Transport()[skip:]
	}
	b := make([]byte, 0, len(front)+p.DataLen())
	b = append(b, front...)
	for _, piece := range p.Data() {
		b = append(b, piece.Bytes()...)
	}
	return b
}

// decline drops what nobody wanted.
func decline(l *stack.PacketList) {
	for p := l.Pop(); p != nil; p = l.Pop() {
		p.Drop(tcpip.DropDeclined)
	}
}
