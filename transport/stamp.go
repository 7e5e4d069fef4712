package transport

import (
	"net/netip"

	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// tag is what a packet carries beside its bytes, as far as it stays inside the process.
type tag struct{ mark, priority uint32 }

// tagFor returns the tag of a datagram: the options', unless o says otherwise. A TOS that o gives decides on the
// priority.
func (d *Datagram) tagFor(c *tcpip.Control, v6 bool) tag {
	t := tag{uint32(d.conf.Mark), uint32(d.conf.Priority)}
	if c.Has&tcpip.HasMark != 0 {
		t.mark = c.Mark
	}
	switch {
	case c.Has&tcpip.HasPriority != 0:
		t.priority = c.Priority
	case c.Has&tcpip.HasClass != 0 && !v6:
		t.priority = uint32(tcpip.PriorityOf(c.Class))
	}
	return t
}

// wish is what a program wants to be told of a packet on its way out, through the error queue.
type wish struct {
	flags  tcpip.TimestampFlags // of SO_TIMESTAMPING; of those for sending, this packet's
	number uint32               // to tell the packets by
	zero   bool                 // tell when the bytes are the program's again, of the writes from first to last
	first  uint32
	last   uint32
}

const stampsOfPackets = tcpip.TimestampScheduled | tcpip.TimestampSent

// wishFor returns what is to be told of a packet, nil for nothing, which costs nothing. It is ErrNoBuffers if too many
// completions wait to be told or read.
func (d *Datagram) wishFor(o *tcpip.WriteOptions) (*wish, tcpip.Error) {
	flags := d.conf.Timestamping
	if o.Control.Has&tcpip.HasStamps != 0 {
		flags = flags&^tcpip.TimestampFlagsSends | o.Control.Stamps
	}
	zero := d.conf.ZeroCopy && o.Flags&tcpip.WriteZeroCopy != 0
	if flags&stampsOfPackets == 0 && !zero {
		return nil, tcpip.OK
	}
	if zero && !d.queue.holdZero() {
		return nil, tcpip.ErrNoBuffers
	}
	m := &wish{flags: flags}
	if flags&stampsOfPackets != 0 && flags&tcpip.TimestampNumber != 0 {
		if o.Control.Has&tcpip.HasStampID != 0 {
			m.number = o.Control.StampID
		} else {
			m.number = d.nextStamp
			d.nextStamp++
		}
	}
	if zero {
		m.zeroCopied(d)
	}
	return m, tcpip.OK
}

// zeroCopied adds a write to those that the packet's end is told of.
func (m *wish) zeroCopied(d *Datagram) {
	if !m.zero {
		m.zero, m.first = true, d.nextZero
	}
	m.last = d.nextZero
	d.nextZero++
}

// errand follows a packet that something is to be told of: it owns the packet in the endpoint's place.
type errand struct {
	*wish
	datagram *Datagram
	copy     slab.Piece // the packet, if it is to be shown
	source   netip.Addr
	leaves   bool // it has come to the transmit queue
	refused  bool // it has not left
}

// built sees the packet before it leaves: it makes the copy and tells that the packet has come to the transmit queue.
func (e *errand) built(w *stack.Work, p *stack.Packet) {
	e.source, e.leaves = p.Src, true
	if e.flags&tcpip.TimestampOnly == 0 {
		e.copy = p.Framed()
	}
	if e.flags&tcpip.TimestampScheduled != 0 {
		e.stamp(w, stampScheduled)
	}
	if e.flags&tcpip.TimestampSent == 0 {
		e.copy.Release()
		e.copy = slab.Piece{}
	}
}

// Linux's numbers for what a time stamp is of (SCM_TSTAMP_*).
const (
	stampSent      = 0
	stampScheduled = 1
)

// stamp puts the present time on the error queue.
func (e *errand) stamp(w *stack.Work, kind uint32) {
	d := e.datagram
	entry := d.proto.newDatagram()
	entry.at = d.proto.stack.Now()
	entry.stamped = true
	entry.report = &tcpip.ErrorReport{Err: tcpip.ErrNoMessage, Origin: tcpip.OriginTimestamping, Info: kind, Data: e.number}
	if !e.copy.IsZero() && (d.v6 || e.flags&tcpip.TimestampSource != 0) {
		entry.report.Offender = e.source
	}
	if !e.copy.IsZero() {
		entry.pieces = append(entry.pieces, e.copy.Share())
		entry.size = e.copy.Len()
	}
	d.enqueueReport(entry, e.source.Is6())
	w.Wake(d.proto.stack, &d.waiters, waiter.Error)
}

// Completed tells that the packet has left, and gives its room back.
func (e *errand) Completed(w *stack.Work, charge int) {
	d := e.datagram
	if e.flags&tcpip.TimestampSent != 0 {
		if e.leaves && !e.refused {
			e.stamp(w, stampSent)
		}
		e.copy.Release()
	}
	e.tellZero(w, d)
	d.Completed(w, charge)
}

// tellZero tells that the writes are done with, if the program wants to know.
func (m *wish) tellZero(w *stack.Work, d *Datagram) {
	if m != nil && m.zero && d.queue.zeroCopied(d.proto, m.first, m.last) {
		w.Wake(d.proto.stack, &d.waiters, waiter.Error)
	}
}

// codeCopied says that the bytes were copied after all (SO_EE_CODE_ZEROCOPY_COPIED).
const codeCopied = 1

// holdZero reserves room for a completion, and reports false if there is none.
func (q *queue) holdZero() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.zeros >= zeroCopyMax {
		return false
	}
	q.zeros++
	return true
}

// zeroCopied tells that the writes from first to last are done with. Neighbours become one entry. Whether the receive
// buffer is full is no matter: holdZero has made room.
func (q *queue) zeroCopied(p *Protocol, first, last uint32) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	if t := q.errors.tail; t != nil && t.report.Origin == tcpip.OriginZeroCopy && t.report.Data+1 == first {
		r := *t.report
		r.Data = last
		t.report = &r
		q.zeros--
		return true
	}
	e := p.newDatagram()
	e.report = &tcpip.ErrorReport{Origin: tcpip.OriginZeroCopy, Code: codeCopied, Info: first, Data: last}
	q.errors.push(e)
	return true
}
