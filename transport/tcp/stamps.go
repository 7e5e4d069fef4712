package tcp

import (
	"net/netip"

	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
	"github.com/seed963a8790/netstack/waiter"
)

// report is an entry of the error queue.
type report struct {
	tcpip.ErrorReport
	at tcpip.Time // of a time stamp; zero: this is none

	to     netip.AddrPort // who was to be reached, if an ICMP error tells of that
	quoted []byte         // of the packet: from the transport header on, or what a time stamp shows of it
}

// stamps are the time stamps and completions that a connection owes its user. Few connections have one.
type stamps struct {
	base     seq.Number // where the numbers of time stamps begin
	sends    []sendWish // writes whose time stamps are due, in order
	zeros    []sendWish // writes with WriteZeroCopy that the peer has not got yet, in order
	nextZero uint32
	arrivals []arrival // of what has been received and not been read
}

// sendWish is a write of which the user wants to be told.
type sendWish struct {
	end    seq.Number           // after its last byte
	flags  tcpip.TimestampFlags // those that are still due
	number uint32
	// payload is that of the segment with the last byte, if it is to be shown when the peer has got it. Wishes of one
	// segment share it.
	payload []byte
	// joined: when it came, the write before it was not sent, so that one completion tells of both.
	joined bool
}

// arrival says when the bytes up to end have come.
type arrival struct {
	end seq.Number
	at  tcpip.Time
}

// What a time stamp is of (SCM_TSTAMP_*), and that a write of WriteZeroCopy was copied (SO_EE_CODE_ZEROCOPY_COPIED).
const (
	stampSent      = 0
	stampScheduled = 1
	stampAcked     = 2
	codeCopied     = 1
)

const stampsOfSends = tcpip.TimestampScheduled | tcpip.TimestampSent | tcpip.TimestampAcked

// checkTimestamping refuses flags of SO_TIMESTAMPING as Linux does, and the clock of a network card.
func (e *Endpoint) checkTimestamping(v int) tcpip.Error {
	f := tcpip.TimestampFlags(v)
	switch {
	case v < 0 || f&^tcpip.TimestampFlagsAll != 0,
		f&tcpip.TimestampNumberTCP != 0 && f&tcpip.TimestampNumber == 0,
		f&tcpip.TimestampStats != 0 && f&tcpip.TimestampOnly == 0:
		return tcpip.ErrInvalid
	}
	numbered := f&tcpip.TimestampNumber != 0 && e.opts.sock.Timestamping&tcpip.TimestampNumber == 0
	switch {
	case numbered && !e.running:
		return tcpip.ErrInvalid
	case f&tcpip.TimestampPHC != 0 && e.opts.sock.BoundNIC != 0: // which has no clock of that number
		return tcpip.ErrInvalid
	case f&tcpip.TimestampPHC != 0:
		return tcpip.ErrNotSupported
	case !numbered:
		return tcpip.OK
	}
	base := e.tcb.Una()
	if f&tcpip.TimestampNumberTCP != 0 {
		base = e.tcb.Written()
	}
	e.stamping().base = base
	return tcpip.OK
}

// stamping returns e's stamps, made on first use.
func (e *Endpoint) stamping() *stamps {
	s := e.rarely()
	if s.stamps == nil {
		s.stamps = new(stamps)
	}
	return s.stamps
}

// wrote notes what the user wants to be told of the write that has just been queued.
func (e *Endpoint) wrote(o *tcpip.WriteOptions) {
	end := e.tcb.Written()
	flags := e.opts.sock.Timestamping
	if o.Control.Has&tcpip.HasStamps != 0 {
		flags = flags&^tcpip.TimestampFlagsSends | o.Control.Stamps
	}
	if due := flags & stampsOfSends; due != 0 {
		s := e.stamping()
		number := uint32(0)
		if flags&tcpip.TimestampNumber != 0 {
			number = uint32(end.Sub(s.base) - 1)
		}
		if len(s.sends) < stampsMax {
			s.sends = append(s.sends, sendWish{end: end, flags: due, number: number})
		}
	}
	if e.opts.sock.ZeroCopy && o.Flags&tcpip.WriteZeroCopy != 0 {
		s := e.stamping()
		sent := end.Add(-e.tcb.NotSent())
		n := len(s.zeros)
		s.zeros = append(s.zeros, sendWish{end: end, number: s.nextZero, joined: n > 0 && sent.Less(s.zeros[n-1].end)})
		s.nextZero++
	}
}

// mayZeroCopy reports whether there is room for another completion. Those of writes that are not sent yet join.
func (e *Endpoint) mayZeroCopy() bool {
	if e.seldom == nil || e.seldom.stamps == nil {
		return true
	}
	held := 0
	for i := range e.seldom.stamps.zeros {
		if !e.seldom.stamps.zeros[i].joined {
			held++
		}
	}
	for i := range e.seldom.reports {
		if e.seldom.reports[i].Origin == tcpip.OriginZeroCopy {
			held++
		}
	}
	return held < zeroCopyMax
}

// stamped tells that the segment out, which has not been sent before, has come to the transmit queue, and has its packet
// p, which o sends, followed from there if a time stamp is to tell when it has left. Unless the user wants the times
// alone, the packet is shown with them: with all headers, but where the peer has got it, when it is its payload.
func (e *Endpoint) stamped(w *stack.Work, out *tcb.Out, p *stack.Packet, charge int, o *stack.SendOptions) {
	end := out.Seq.Add(out.Len)
	whole := e.opts.sock.Timestamping&tcpip.TimestampOnly == 0
	var payload []byte
	for i := range e.seldom.stamps.sends {
		wish := &e.seldom.stamps.sends[i]
		if end.Less(wish.end) {
			return
		}
		if whole && wish.flags&tcpip.TimestampAcked != 0 && wish.payload == nil {
			if payload == nil {
				payload = make([]byte, 0, out.Len)
				for _, piece := range p.Data() {
					payload = append(payload, piece.Bytes()...)
				}
			}
			wish.payload = payload
		}
		due := wish.flags & (tcpip.TimestampScheduled | tcpip.TimestampSent)
		if wish.flags &^= due; due == 0 {
			continue
		}
		r := &errand{e: e, number: wish.number}
		if due&tcpip.TimestampSent != 0 {
			p.SetOwner(r, charge)
		}
		if !whole {
			if due&tcpip.TimestampScheduled != 0 {
				e.stamp(w, stampScheduled, r.number, nil)
			}
			continue
		}
		o.Built = func(w *stack.Work, p *stack.Packet) {
			frame := p.Framed()
			r.frame = append([]byte(nil), frame.Bytes()...)
			frame.Release()
			if due&tcpip.TimestampScheduled != 0 {
				e.stamp(w, stampScheduled, r.number, r.frame)
			}
		}
	}
}

// errand follows a packet whose departure is to be told: it owns the packet in the endpoint's place.
type errand struct {
	e      *Endpoint
	number uint32
	frame  []byte // the packet, if it is to be shown
}

// Completed tells that the packet has left. No lock is held.
func (r *errand) Completed(w *stack.Work, charge int) {
	e := r.e
	e.lock.enter(e.proto.clock)
	if !e.closed {
		e.stamp(w, stampSent, r.number, r.frame)
	}
	e.unlock(w)
	e.Completed(w, charge)
}

// stamp puts the present time on the error queue, with what is shown of the packet.
func (e *Endpoint) stamp(w *stack.Work, kind, number uint32, shown []byte) {
	r := report{
		ErrorReport: tcpip.ErrorReport{Err: tcpip.ErrNoMessage, Origin: tcpip.OriginTimestamping, Info: kind, Data: number},
		at:          e.lock.now, quoted: shown,
	}
	if kind != stampAcked && shown != nil && (e.v6 || e.opts.sock.Timestamping&tcpip.TimestampSource != 0) {
		r.Offender = e.id.Local.Addr()
	}
	e.addReport(w, r)
}

// addReport puts an entry on the error queue, unless that is full. Completions of writes that follow each other
// become one entry.
func (e *Endpoint) addReport(w *stack.Work, r report) {
	q := &e.rarely().reports
	if n := len(*q); n > 0 && r.Origin == tcpip.OriginZeroCopy {
		if last := &(*q)[n-1]; last.Origin == tcpip.OriginZeroCopy && last.Data+1 == r.Info {
			last.Data = r.Data
			return
		}
	}
	if e.queueReport(r) {
		w.Wake(e.proto.stack, &e.waiters, waiter.Error)
	}
}

// queueReport puts an entry on the error queue. All but completions share the receive buffer, as on Linux, and are lost
// where that is full: it reports false.
func (e *Endpoint) queueReport(r report) bool {
	s := e.rarely()
	if cost := r.cost(); cost > 0 {
		if s.reported+cost >= e.tcb.ReceiveLimit() {
			return false
		}
		s.reported += cost
	}
	s.reports = append(s.reports, r)
	return true
}

// cost is what an entry is charged against the receive buffer, bytes.
func (r *report) cost() int {
	if r.Origin == tcpip.OriginZeroCopy {
		return 0
	}
	return transport.ReportCost(len(r.quoted))
}

// tellAcked tells of the writes that the peer has got, all of them once the connection is over.
func (e *Endpoint) tellAcked(w *stack.Work) {
	s := e.seldom.stamps
	una := e.tcb.Una()
	for len(s.sends) > 0 && (s.sends[0].end.LessEq(una) || !e.running) {
		if s.sends[0].flags&tcpip.TimestampAcked != 0 && e.running {
			e.stamp(w, stampAcked, s.sends[0].number, s.sends[0].payload)
		}
		s.sends = s.sends[1:]
	}
	for len(s.zeros) > 0 && (s.zeros[0].end.LessEq(una) || !e.running) {
		n := s.zeros[0].number
		e.addReport(w, report{ErrorReport: tcpip.ErrorReport{Origin: tcpip.OriginZeroCopy, Code: codeCopied, Info: n, Data: n}})
		s.zeros = s.zeros[1:]
	}
}

// notesArrivals reports whether e's user wants to know when data came.
func (c *endpointOptions) notesArrivals() bool {
	return c.sock.ReceiveTimestamp || c.sock.Timestamping&(tcpip.TimestampReceive|tcpip.TimestampReport) == tcpip.TimestampReceive|tcpip.TimestampReport
}

// arrived notes when the bytes up to rcv.nxt, from has been, came.
func (e *Endpoint) arrived(has seq.Number, at tcpip.Time) {
	nxt := e.tcb.Received()
	if nxt == has {
		return
	}
	s := e.stamping()
	if n := len(s.arrivals); n == arrivalsMax {
		s.arrivals[n-1] = arrival{nxt, at}
		return
	}
	s.arrivals = append(s.arrivals, arrival{nxt, at})
}

// tellArrival says when the last byte that r, a read from start on, has taken arrived. What lies before it is forgotten
// but by a peek.
func (e *Endpoint) tellArrival(r *tcpip.Received, start seq.Number, flags tcpip.ReadFlags) {
	if e.seldom == nil || e.seldom.stamps == nil {
		return
	}
	s := e.seldom.stamps
	end, last := start.Add(r.Count), start.Add(max(r.Count-1, 0))
	i := 0
	for i < len(s.arrivals) && s.arrivals[i].end.LessEq(last) {
		i++
	}
	if i == len(s.arrivals) {
		return // it came before anybody asked
	}
	r.Control.Timestamp = s.arrivals[i].at
	if e.opts.sock.ReceiveTimestamp {
		r.Control.Has |= tcpip.HasTimestamp
	}
	if f := tcpip.TimestampReceive | tcpip.TimestampReport; e.opts.sock.Timestamping&f == f {
		r.Control.Has |= tcpip.HasTimestamping
	}
	if flags&tcpip.ReadPeek == 0 {
		s.arrivals = s.arrivals[i:]
		if len(s.arrivals) == 1 && s.arrivals[0].end == end {
			s.arrivals = nil
		}
	}
}
