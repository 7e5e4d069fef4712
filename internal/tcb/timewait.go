package tcb

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// TimeWait is a connection that is over but for the last ACK, which may have to be sent again, and
// old segments, which must not reach a new connection (RFC 9293 §3.6.1). It may be copied.
type TimeWait struct {
	sndNxt, rcvNxt seq.Number
	rcvWnd         int32  // bytes
	window         uint16 // as it goes on the wire
	timestamps     bool
	tsRecent       uint32
	tsOffset       uint32
	tsRecentAt     tcpip.Time
	deadline       tcpip.Time
	invalidAt      tcpip.Time
	robust         bool // no RST ends it (RFC 1337)
	lavish         bool // there is no interval between its answers
}

// TimeWait returns the record of a TCB in TIME-WAIT, which it replaces.
func (t *TCB) TimeWait() TimeWait {
	wnd := max(t.rcv.adv.Sub(t.rcv.nxt), 0)
	return TimeWait{
		sndNxt: t.snd.nxt, rcvNxt: t.rcv.nxt, rcvWnd: int32(wnd), window: uint16(min(wnd>>t.rcv.scale, 65535)),
		timestamps: t.opt.timestamps, tsRecent: t.rcv.tsRecent, tsRecentAt: t.rcv.tsRecentAt, tsOffset: t.id.TSOffset,
		deadline: t.deadline[timerWait], robust: t.conf.RFC1337, lavish: t.conf.InvalidInterval == 0,
	}
}

// orphan takes a segment in FIN-WAIT-2 where the user has closed. As on Linux, which keeps no more of such a connection than
// of one in TIME-WAIT, it only waits for a FIN with nothing before it, and what else is new gets a RST.
func (t *TCB) orphan(now tcpip.Time, s *Segment) tcpip.Drop {
	r := &t.rcv
	hasTS := t.opt.timestamps && s.Options.HasTimestamp
	old := hasTS && int32(s.Options.TSVal-r.tsRecent) < 0 && now.Sub(r.tsRecentAt) <= pawsAge
	end := s.end()
	inside := s.Seq == r.nxt || r.nxt.Less(end) && s.Seq.Less(r.adv) || s.Seq == r.adv && end == s.Seq
	switch {
	case old || !inside:
		if s.Len > 0 && s.Flags&header.SYN == 0 || s.Flags&(header.FIN|header.SYN) == header.FIN || t.spendInvalid(now) {
			t.ackNow()
		}
		return tcpip.DropWindow
	case s.Flags&header.RST != 0:
		t.step(now, &onTerminate)
		return tcpip.DropNone
	case s.Flags&header.SYN != 0 && !s.Seq.Less(r.nxt):
	case s.Flags&header.ACK == 0 || end.LessEq(r.nxt) || end == s.Seq:
		return tcpip.DropOldData
	case s.Flags&header.FIN != 0 && end == r.nxt+1:
		if hasTS {
			r.tsRecent, r.tsRecentAt = s.Options.TSVal, now
		}
		r.nxt, r.adv, r.ended = end, r.adv+1, true // the window stays
		t.ackNow()
		t.events |= EventPeerFin | EventReadable
		t.step(now, &onFinRcvd)
		return tcpip.DropNone
	}
	t.due.answer(s)
	t.fail(now, tcpip.ErrConnReset)
	return tcpip.DropAfterClose
}

// Deadline returns when the record may be forgotten.
func (w *TimeWait) Deadline() tcpip.Time { return w.deadline }

// NextISS returns an initial sequence number for a connection that takes the place of this one: above
// all that was sent (RFC 6191, RFC 9293 §3.6.1).
func (w *TimeWait) NextISS() uint32 { return uint32(w.sndNxt) + 65535 + 2 }

// Segment takes a segment that belongs to the old connection. A RST ends TIME-WAIT, as RFC 9293 has it, unless the
// stack is told to do as RFC 1337 says. A SYN that is newer by its number or timestamp begins a new connection (RFC 9293
// §3.6.1, MAY-2, SHLD-4).
func (w *TimeWait) Segment(now tcpip.Time, s *Segment, out *Out) (Verdict, tcpip.Drop) {
	releaseAll(s.Data)
	s.Data = s.Data[:0]
	hasTS := w.timestamps && s.Options.HasTimestamp
	old := hasTS && int32(s.Options.TSVal-w.tsRecent) < 0 && now.Sub(w.tsRecentAt) <= pawsAge
	switch {
	case s.Flags&header.RST != 0 && s.Seq == w.rcvNxt && !old && !w.robust:
		return VerdictRemove, tcpip.DropNone
	case s.Flags&header.RST != 0:
		return VerdictDrop, tcpip.DropTimeWait
	case s.Flags&(header.SYN|header.ACK) == header.SYN && !old:
		// A new connection, if its number or timestamp proves that it is newer (RFC 9293 §3.6.1,
		// RFC 6191 §2).
		if w.rcvNxt.Less(s.Seq) || hasTS && int32(s.Options.TSVal-w.tsRecent) > 0 {
			return VerdictNew, tcpip.DropNone
		}
	case s.Seq == w.rcvNxt && s.end() == s.Seq && !old: // a bare ACK
		w.deadline = now.Add(TimeWaitLength)
		if hasTS {
			w.tsRecent, w.tsRecentAt = s.Options.TSVal, now
		}
		return VerdictDrop, tcpip.DropTimeWait
	}
	if s.Flags&header.ACK != 0 {
		w.deadline = now.Add(TimeWaitLength)
	}
	if s.end() == s.Seq || s.Flags&header.SYN != 0 { // data is always answered, and does not count
		if w.invalidAt != 0 && now.Sub(w.invalidAt) < InvalidInterval && !w.lavish {
			return VerdictDrop, tcpip.DropTimeWait
		}
		w.invalidAt = now
	}
	w.Ack(now, out)
	return VerdictReply, tcpip.DropTimeWait
}

// Ack fills out with the acknowledgement of all that the peer has sent.
func (w *TimeWait) Ack(now tcpip.Time, out *Out) {
	out.clear()
	out.Flags = header.ACK
	out.Seq, out.Ack, out.Window = w.sndNxt, w.rcvNxt, w.window
	if w.timestamps {
		out.Options.HasTimestamp = true
		out.Options.TSVal, out.Options.TSEcr = tsClock(now, w.tsOffset), w.tsRecent
	}
}
