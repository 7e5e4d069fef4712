package tcb

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// ecn is explicit congestion notification (RFC 3168 §6.1; RFC 9293 §3.8.2, SHLD-8), once it is negotiated.
type ecn struct {
	echo bool // a mark has arrived, and the peer has not yet said that it slowed down
	seen bool // a packet marked as ECN-capable has come

	marked uint32    // packets with the CE mark that have come
	bytes  MarkBytes // payload of marked packets that has come, on every connection, as on Linux
}

// ecnSetup is how a SYN asks for ECN; its answer has ECE alone.
const ecnSetup = header.ECE | header.CWR

// accurateRetries is how often a SYN that asks for accurate feedback asks again (RFC 9768 §3.1.4.1).
const accurateRetries = 1

// askECN returns the flags with which our SYN asks for ECN. An old middlebox may drop what does, so that a SYN that is
// sent again does not (RFC 3168 §6.1.1.1).
func (t *TCB) askECN() header.TCPFlags {
	switch {
	case !t.opt.ecn:
	case t.conf.ECN.accurate() && (t.snd.retries <= accurateRetries || t.conf.ECNInsist):
		return aceFlags
	case t.snd.retries == 0 || t.conf.ECNInsist:
		return ecnSetup
	}
	return 0
}

// takeECN reads what s says about congestion on the way to us. What it says of the way to the peer is recovery's matter.
func (t *TCB) takeECN(now tcpip.Time, s *Segment, advanced bool) {
	if s.Mark != notECT {
		t.ecn.marked += uint32(s.CE)
		t.ecn.bytes.add(s)
	}
	if s.Len > 0 { // on what has no data a mark means nothing (§6.1.4)
		t.ecn.seen = t.ecn.seen || s.ECT
	}
	if !t.opt.ecn {
		return
	}
	if t.acc != nil {
		t.takeAccurate(now, s, advanced)
		return
	}
	e := &t.ecn
	marks := t.cc.dctcp != nil
	if s.Flags&header.CWR != 0 {
		e.echo = e.echo && marks
		if s.Len > 0 { // a sender that has slowed down may have no more to send until it hears of us
			t.ackNow()
		}
	}
	if s.CE > 0 && s.Len > 0 {
		if !e.echo && !marks {
			t.enterQuickAck(2)
		}
		e.echo = e.echo || !marks
	}
	if marks {
		t.takeMark(s)
	}
}

// reported reports whether s says that packets of ours were marked.
func (t *TCB) reported(s *Segment) bool {
	if a := t.acc; a != nil { // of what acknowledges nothing new the field may be an old one
		return t.snd.una.Less(s.Ack) && !a.third && !a.bare && uint32(getACE(s.Flags)) != a.out&aceMask
	}
	return t.opt.ecn && s.Flags&(header.ECE|header.SYN) == header.ECE
}

// markAll makes a segment ECN-capable whatever it carries, if the algorithm wants that (RFC 8257 §3.6, as Linux does it).
func (t *TCB) markAll(out *Out) {
	if a := t.cc.algorithm; a != nil && a.marks && t.opt.ecn && (t.acc == nil || t.acc.mayMark()) {
		out.ECT = true
	}
}

// markNew makes a segment of new data ECN-capable, and says in the first after a reduction that there was one.
// Retransmissions and bare ACKs are never marked (RFC 3168 §6.1.4, §6.1.5).
func (t *TCB) markNew(out *Out) {
	if !t.opt.ecn || out.Len == 0 {
		return
	}
	if t.acc != nil {
		out.ECT, t.due.cwr = t.acc.mayMark(), false
		return
	}
	out.ECT = true
	if t.due.cwr {
		out.Flags |= header.CWR
		t.due.cwr = false
	}
}
