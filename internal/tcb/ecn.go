package tcb

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// ecn is explicit congestion notification (RFC 3168 §6.1), once it is negotiated.
type ecn struct {
	echo bool // a mark has arrived, and the peer has not yet said that it slowed down
	seen bool // a packet marked as ECN-capable has come
}

// ecnSetup is how a SYN asks for ECN; its answer has ECE alone.
const ecnSetup = header.ECE | header.CWR

// asksECN reports whether the SYN s asks for ECN. One that is marked as ECN-capable itself does not: no sender of
// RFC 3168's does that (§6.1.1), and Linux takes it for a mistake on the way.
func (s *Segment) asksECN() bool { return s.Flags&ecnSetup == ecnSetup && !s.ECT }

// takeECN reads what s says about congestion on the way to us. What it says of the way to the peer is recovery's matter.
func (t *TCB) takeECN(now tcpip.Time, s *Segment) {
	if !t.opt.ecn {
		return
	}
	e := &t.ecn
	if s.Flags&header.CWR != 0 {
		e.echo = false
		if s.Len > 0 { // a sender that has slowed down may have no more to send until it hears of us
			t.ackNow()
		}
	}
	if s.Len > 0 { // on what has no data a mark means nothing (§6.1.4)
		e.seen = e.seen || s.ECT
	}
	if s.CE > 0 && s.Len > 0 {
		if !e.echo {
			t.enterQuickAck(2)
		}
		e.echo = true
		t.count.marked += uint32(s.CE)
	}
}

// markNew makes a segment of new data ECN-capable, and says in the first after a reduction that there
// was one. Retransmissions and bare ACKs are never marked (§6.1.4, §6.1.5).
func (t *TCB) markNew(out *Out) {
	if !t.opt.ecn || out.Len == 0 {
		return
	}
	out.ECT = true
	if t.due.cwr {
		out.Flags |= header.CWR
		t.due.cwr = false
	}
}
