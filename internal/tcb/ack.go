package tcb

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// window returns the window that s announces, in bytes.
func (s *Segment) window(t *TCB) int {
	if s.Flags&header.SYN != 0 {
		return int(s.Window)
	}
	return int(s.Window) << t.snd.scale
}

// acknowledge is the fifth step of RFC 9293 §3.10.7.4, with RFC 5961 §5.
func (t *TCB) acknowledge(now tcpip.Time, s *Segment) tcpip.Drop {
	if t.state == StateSynRcvd && !s.Ack.InRange(t.snd.una+1, t.snd.nxt+1) {
		t.due.answer(s) // RFC 9293 §3.10.7.4: <SEQ=SEG.ACK><CTL=RST>
		return tcpip.DropBadAck
	}
	switch {
	case t.snd.nxt.Less(s.Ack): // acknowledges what was never sent
		t.challenge(now)
		return tcpip.DropBadAck
	case s.Ack.Less(t.snd.una.Add(-max(t.snd.maxWnd, 1))):
		t.challenge(now)
		return tcpip.DropBadAck
	case s.Ack.Less(t.snd.una): // an old one: its data is good, and so may its SACK blocks be
		var a acked
		t.takeSACK(s, &a)
		if a.delivered > 0 {
			t.noteDelivered(now, s, &a)
			t.recover(now, &a, false)
		}
		return tcpip.DropNone
	}
	t.snd.probes = 0
	if s.Len == 0 || s.Ack != t.snd.una { // what holds back holds no longer than until there is news of what was sent
		t.snd.more = false
	}
	t.soft = tcpip.OK

	advanced := s.Ack != t.snd.una
	windowMoved := t.updateWindow(now, s)
	dup := !advanced && !windowMoved && s.Len == 0 && s.Flags&header.FIN == 0 && t.flight() > 0
	var a acked
	if advanced {
		t.advanceUna(now, s, &a)
		if t.state == StateClosed || t.state == StateTimeWait {
			t.count.delivered += uint32(a.arrived)
			return tcpip.DropNone
		}
	}
	t.takeSACK(s, &a)
	if advanced {
		t.measure(s.At, a.sample(), s)
		t.settleDupAcks(&a)
	} else if a.sacked > 0 && !a.retrans {
		t.measure(s.At, a.sample(), s)
	}
	if dup && !t.opt.sack {
		t.newDupAcks(s.Wire)
		a.delivered += t.cc.mss
	}
	if advanced || dup || a.delivered > 0 {
		t.noteDelivered(now, s, &a)
		t.recover(now, &a, advanced)
	}
	if advanced {
		t.rearmRexmit(now)
		t.noteWritable()
	}
	return tcpip.DropNone
}

// noteDelivered counts what the acknowledgement s says to have arrived.
func (t *TCB) noteDelivered(now tcpip.Time, s *Segment, a *acked) {
	t.count.delivered += uint32(a.arrived)
	if s.Flags&header.ECE != 0 {
		t.count.deliveredMarked += uint32(a.arrived)
	}
	if a.late {
		t.count.reorders++
	}
	if t.search.probing {
		t.judgeProbe()
	}
	t.takeRate(now, a.delivered)
}

// sample returns when the segment was sent that gives the RTT sample; zero is none.
func (a *acked) sample() tcpip.Time {
	if a.retrans {
		return 0
	}
	return a.first
}

// advanceUna takes what is now acknowledged off the queues.
func (t *TCB) advanceUna(now tcpip.Time, s *Segment, a *acked) {
	una := s.Ack
	handshake := t.snd.una == t.snd.iss
	t.count.bytesAcked += uint64(una.Sub(t.snd.una))
	if handshake {
		t.count.bytesAcked-- // our SYN-ACK
	}
	t.snd.una = una
	t.snd.retries = 0
	t.rtt.backoffs = 0
	t.board.ack(una, a)
	t.sendQ.ack(una)
	if t.sendQ.chunks.len() == 0 {
		t.armTrim(now)
	}
	if t.snd.urgent && t.snd.up.LessEq(una) {
		t.snd.urgent = false
	}
	if handshake && t.state != StateSynSent {
		t.opened(now)
	}
	if t.snd.fin && una == t.sendQ.end+1 {
		t.step(now, &onFinAcked)
	}
}

// rearmRexmit restarts or stops the retransmission timer after progress (RFC 6298 §5.2, §5.3).
func (t *TCB) rearmRexmit(now tcpip.Time) {
	t.deadline[timerRexmit] = 0
	if t.flight() > 0 {
		t.deadline[timerRexmit] = now.Add(t.rtt.rto)
		if r := t.board.recs.first(); r.flags&recSacked != 0 {
			// What we know to be received is not acknowledged: the peer has reneged. Do not wait long.
			t.deadline[timerRexmit] = now.Add(max(t.rtt.srtt/2, delAckMin/4))
		}
	}
}

// updateWindow is the window update of the fifth step. It reports whether the window changed.
func (t *TCB) updateWindow(now tcpip.Time, s *Segment) bool {
	w := s.window(t)
	newer := t.snd.una.Less(s.Ack) || t.snd.wl1.Less(s.Seq) || t.snd.wl1 == s.Seq && (w > t.snd.wnd || w == 0)
	if !newer {
		return false
	}
	t.snd.wl1, t.snd.wl2 = s.Seq, s.Ack
	if w == t.snd.wnd {
		return false
	}
	if w == 0 {
		t.count.zeroWindow++
	}
	t.snd.wnd = w
	if w > t.snd.maxWnd {
		t.snd.maxWnd = w
		t.cc.setMSS(t.mss())
	}
	if w > 0 {
		t.rtt.backoffs = 0
		t.deadline[timerPersist] = 0
	}
	return true
}

// takeSACK marks what the SACK blocks of s say. Blocks that lie outside of what is in flight are
// ignored (RFC 2018 §5; RFC 5961's spirit).
func (t *TCB) takeSACK(s *Segment, a *acked) {
	if !t.opt.sack || s.Options.NumSACK == 0 {
		return
	}
	for i, b := range s.Options.Blocks() {
		switch {
		case !b.Start.Less(b.End), t.snd.nxt.Less(b.End):
			t.count.badSACK++
		case b.End.LessEq(seq.Max(s.Ack, t.snd.una)): // RFC 2883: a duplicate arrived
			if i == 0 {
				t.count.dsackIn++
				t.tally(TallyDSACKRecv, 1)
			}
		default:
			t.board.sack(seq.Max(b.Start, t.snd.una), b.End, t.cc.mss, a)
		}
	}
}
