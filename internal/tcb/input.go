package tcb

import (
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// Segment takes an arriving segment. The pieces of s.Data are the machine's from here on. The result
// says why the segment, or its data, was of no use.
func (t *TCB) Segment(now tcpip.Time, s *Segment) tcpip.Drop {
	s.Wire = max(s.Wire, 1)
	if s.At == 0 || s.At > now {
		s.At = now
	}
	t.count.segsIn += uint32(s.Wire)
	if s.Len > 0 {
		t.count.dataIn += uint32(s.Wire)
	}
	t.due.deferred = false
	d := t.segment(now, s)
	releaseAll(s.Data)
	s.Data = s.Data[:0]
	return d
}

// segment is RFC 9293 §3.10.7.4, in its order.
func (t *TCB) segment(now tcpip.Time, s *Segment) tcpip.Drop {
	switch t.state {
	case StateClosed:
		return tcpip.DropEndpointClosed
	case StateSynSent:
		return t.synSent(now, s)
	case StateTimeWait:
		return t.timeWait(now, s)
	case StateFinWait2:
		if t.closed && t.conf.Linger2 <= TimeWaitLength {
			return t.orphan(now, s)
		}
	}
	t.simultaneousSyn(s)
	if t.fast != nil && t.synAgain(now, s) {
		return tcpip.DropNone
	}

	if s.Flags&(header.ACK|header.RST|header.SYN) == 0 { // before all else, as on Linux: it gets no answer
		return tcpip.DropNoAck
	}
	// First, the timestamp (RFC 7323 §5.3 R1) and the sequence number.
	if d := t.checkTimestamp(now, s); d != tcpip.DropNone {
		return d
	}
	if d := t.checkSequence(now, s); d != tcpip.DropNone {
		return d
	}
	// Second, RST; third, security, which nobody uses; fourth, SYN.
	if s.Flags&header.RST != 0 {
		return t.handleReset(now, s)
	}
	if s.Flags&header.SYN != 0 { // RFC 5961 §4
		if t.FastChild() { // not yet a connection to Linux, but no reason to end it either
			t.due.answer(s)
			return tcpip.DropSynInWindow
		}
		t.challenge(now)
		t.answeredAgain(s)
		return tcpip.DropSynInWindow
	}
	// Fifth, ACK.
	if s.Flags&header.ACK == 0 {
		return tcpip.DropNoAck
	}
	una := t.snd.una
	overtaken := s.Ack.Less(una) && !t.predicted(s)
	if d := t.acknowledge(now, s); d != tcpip.DropNone {
		return d
	}
	if t.state == StateClosed {
		return tcpip.DropNone
	}
	t.rcv.last = now
	if !overtaken {
		t.updateTimestamp(now, s)
	}
	t.takeECN(now, s, t.snd.una != una)
	if t.state == StateTimeWait {
		return tcpip.DropNone
	}
	// Sixth, URG; seventh, data; eighth, FIN.
	if s.Flags&header.URG != 0 {
		t.announceUrgent(s)
	}
	if s.Len > 0 || s.Flags&header.FIN != 0 {
		return t.receive(now, s)
	}
	return tcpip.DropNone
}

// end returns the sequence number after s, SYN and FIN counted.
func (s *Segment) end() seq.Number {
	n := s.Seq.Add(s.Len)
	if s.Flags&header.SYN != 0 {
		n++
	}
	if s.Flags&header.FIN != 0 {
		n++
	}
	return n
}

// InvalidInterval is Linux's tcp_invalid_ratelimit: one answer to what is invalid in so much time.
const InvalidInterval = 500 * time.Millisecond

// challenge asks for a challenge ACK (RFC 5961 §7), within this connection's budget.
func (t *TCB) challenge(now tcpip.Time) {
	if t.spendInvalid(now) {
		t.due.challenge = true
	}
}

// spendInvalid reports whether a segment that is not ours to accept may be answered now.
func (t *TCB) spendInvalid(now tcpip.Time) bool {
	if t.due.invalidAt != 0 && now.Sub(t.due.invalidAt) < t.conf.InvalidInterval {
		return false
	}
	t.due.invalidAt = now
	return true
}

// pawsAge is how long TS.Recent stays valid in silence (RFC 7323 §5.5).
const pawsAge = 24 * 24 * time.Hour

// pawsWindow is by how much a timestamp may lie before TS.Recent, as on Linux: processors of one host may disagree by a
// tick.
const pawsWindow = 1

// checkTimestamp is PAWS. A segment without the option is taken as it is, unless the user wants
// RFC 7323 §3.2 to the letter.
func (t *TCB) checkTimestamp(now tcpip.Time, s *Segment) tcpip.Drop {
	if !t.opt.timestamps || s.Flags&header.RST != 0 {
		return tcpip.DropNone
	}
	if !s.Options.HasTimestamp {
		t.count.noTimestamp += uint32(s.Wire)
		if t.opt.strict {
			return tcpip.DropNoTimestamp
		}
		return tcpip.DropNone
	}
	if int32(s.Options.TSVal-t.rcv.tsRecent) >= -pawsWindow || t.rcv.tsRecentAt == 0 || now.Sub(t.rcv.tsRecentAt) > pawsAge {
		return tcpip.DropNone
	}
	// A pure acknowledgement that was overtaken by others does no harm; as on Linux, it counts if it
	// is a plain duplicate, not older than one timeout.
	if s.Len == 0 && s.Flags&(header.SYN|header.FIN) == 0 && s.Seq == t.rcv.nxt && s.Ack == t.snd.una &&
		s.window(t) == t.snd.wnd && int32(t.rcv.tsRecent-s.Options.TSVal) <= int32(t.rtt.rto/time.Millisecond) {
		return tcpip.DropNone
	}
	if s.Flags&header.SYN != 0 {
		t.challenge(now)
		return tcpip.DropSynInWindow
	}
	t.count.paws += uint32(s.Wire)
	if s.end() == s.Seq && s.Seq.Less(t.rcv.nxt) { // an acknowledgement that others have overtaken, however late
		return tcpip.DropPAWS
	}
	t.answerOutside(now, s)
	return tcpip.DropPAWS
}

// answerOutside answers a segment that is not taken, or not in time: at once if it has data, which may be a
// retransmission.
func (t *TCB) answerOutside(now tcpip.Time, s *Segment) {
	data := s.end() != s.Seq
	if data && s.Seq.Less(t.rcv.nxt) {
		t.enterQuickAck(maxQuicks)
		t.noteDuplicate(s.Seq, seq.Min(s.end(), t.rcv.nxt))
	}
	if data || t.spendInvalid(now) {
		t.ackNow()
	}
}

// updateTimestamp is RFC 7323 §4.3 (2).
func (t *TCB) updateTimestamp(now tcpip.Time, s *Segment) {
	if !t.opt.timestamps || !s.Options.HasTimestamp || t.rcv.acked.Less(s.Seq) {
		return
	}
	if int32(s.Options.TSVal-t.rcv.tsRecent) >= 0 || t.rcv.tsRecentAt == 0 || now.Sub(t.rcv.tsRecentAt) > pawsAge {
		t.rcv.tsRecent, t.rcv.tsRecentAt = s.Options.TSVal, now
	}
}

// checkSequence is the first check of RFC 9293 §3.10.7.4. What ends before the last acknowledgement
// or begins after the window is answered with an ACK, unless it is a RST.
func (t *TCB) checkSequence(now tcpip.Time, s *Segment) tcpip.Drop {
	d := tcpip.DropNone
	switch {
	case s.end().Less(t.rcv.acked):
		d = tcpip.DropOldData
	case t.rcv.adv.Less(s.Seq), s.Wire == 1 && t.rcv.adv.Less(s.Seq.Add(s.Len)) && t.recvQ.n > 0 && t.rcv.nxt.Less(t.rcv.adv): // Linux bears an excess if nothing waits
		d = tcpip.DropWindow
	default:
		return d
	}
	switch {
	case s.Flags&header.RST != 0:
		if t.resetAtFin(s) {
			return tcpip.DropNone
		}
		return tcpip.DropBadReset
	case s.Flags&header.SYN != 0:
		t.challenge(now)
		t.answeredAgain(s)
		return tcpip.DropSynInWindow
	}
	t.answerOutside(now, s)
	return d
}

// handleReset is the second step, with RFC 5961 §3: only a RST that hits rcv.nxt is believed, or as on Linux the end of
// all that has come: its sender had nothing further.
// It may have data, and the window may be closed (RFC 9293
// §3.5.3, SHLD-2; §3.4, MUST-66).
func (t *TCB) handleReset(now tcpip.Time, s *Segment) tcpip.Drop {
	exact := s.Seq == t.rcv.nxt || t.resetAtFin(s) || t.ooo.endsAt(s.Seq)
	if !exact {
		t.challenge(now)
		return tcpip.DropBadReset
	}
	t.fail(now, resetError(t.state))
	return tcpip.DropNone
}

// resetAtFin reports whether s is a RST in the place of the FIN that has come: its sender has forgotten that it sent it.
func (t *TCB) resetAtFin(s *Segment) bool { return peerDone.has(t.state) && s.Seq == t.rcv.nxt-1 }

// resetError returns what a RST means to the user of a connection in state s: never what a FIN means (RFC 9293 §3.6,
// MUST-12).
func resetError(s State) tcpip.Error {
	switch s {
	case StateSynSent:
		return tcpip.ErrConnRefused
	case StateCloseWait:
		return tcpip.ErrPipe
	}
	return tcpip.ErrConnReset
}

// timeWait answers a segment in TIME-WAIT, in a TCB that the shell has not replaced by a record.
func (t *TCB) timeWait(now tcpip.Time, s *Segment) tcpip.Drop {
	if s.Flags&header.RST != 0 {
		if s.Seq == t.rcv.nxt && !t.conf.RFC1337 {
			t.deadline[timerWait] = now
		}
		return tcpip.DropTimeWait
	}
	if s.Flags&header.FIN != 0 {
		t.deadline[timerWait] = now.Add(TimeWaitLength)
	}
	if s.Len > 0 || s.Flags&(header.FIN|header.SYN) != 0 || s.Seq != t.rcv.nxt {
		if t.spendInvalid(now) {
			t.ackNow()
		}
	}
	return tcpip.DropTimeWait
}

// BuildReset fills out with the RST that answers a segment to no connection (RFC 9293 §3.10.7.1) and
// reports false if none may be sent.
func BuildReset(s *Segment, out *Out) bool {
	if s.Flags&header.RST != 0 {
		return false
	}
	out.clear()
	out.Flags = header.RST
	if s.Flags&header.ACK != 0 {
		out.Seq = s.Ack
	} else {
		out.Flags |= header.ACK
		out.Ack = s.end()
	}
	return true
}

func (o *Out) clear() {
	o.Seq, o.Ack, o.Flags, o.Window, o.Urgent = 0, 0, 0, 0, 0
	o.Options = header.TCPOptions{}
	o.Data, o.Len, o.SegSize = o.Data[:0], 0, 0
	o.ECT, o.Retransmit, o.Probe, o.Challenge, o.Tallies = false, false, false, false, 0
}
