package tcb

import (
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// acked is what one acknowledgement says about the scoreboard.
type acked struct {
	flags ackFlags
	segs  int // segments acknowledged cumulatively

	first, last         tcpip.Time // sends of what is acknowledged cumulatively and was sent once: earliest, latest
	sackFirst, sackLast tcpip.Time // and of what is sacked
	low                 seq.Number // lowest of what arrived late, if flags has ackLate
	holes               seq.Number // lowest of what was acknowledged cumulatively and sent once, if first is set
	sackRTT, rtt        time.Duration
	timed, measured     bool // measure has been called, and there was a sample

	rate rateSample

	tcb *TCB
	now tcpip.Time
}

// ackFlags say what kind of acknowledgement it is.
type ackFlags uint16

const (
	ackData          ackFlags = 1 << iota // data is newly acknowledged
	ackSyn                                // so is our SYN
	ackAdvanced                           // snd.una moved
	ackCarries                            // the segment carries data or moves the window
	ackSacked                             // something is newly sacked
	ackDuplicates                         // a duplicate is reported (RFC 2883)
	ackDuplicateTail                      // and it is the tail loss probe
	ackECE                                // congestion is reported (RFC 3168)
	ackRetrans                            // covers what was sent more than once
	ackOriginal                           // something arrived that was sent once, before point
	ackLate                               // something arrived after others sent behind it
	ackReneged                            // the first segment left was sacked
	ackLostAgain                          // a retransmission was found lost
	ackSetTimer                           // the retransmission timer starts anew

	ackNew    = ackData | ackSyn
	ackNotDup = ackCarries | ackNew
	ackAlert  = ackSacked | ackECE | ackDuplicates
)

// take counts r as acknowledged cumulatively. high is the end of the phase of recovery.
func (a *acked) take(r *record, high seq.Number) {
	t := a.tcb
	a.segs += int(r.segs)
	if r.flags&recRetrans != 0 {
		a.flags |= ackRetrans
	} else if r.flags&recSacked == 0 {
		if a.first == 0 {
			a.first, a.holes = r.sent, r.seq
			if r.flags&recCut != 0 { // which Linux takes for a hole, since it still counts from its front
				a.holes--
			}
		}
		a.last = r.sent
		if r.end.LessEq(high) {
			a.flags |= ackOriginal
		}
	}
	if r.flags&recSacked == 0 && t.opt.sack {
		t.noteArrived(int(r.segs), a.flags&ackECE != 0)
		if r.flags&recRetrans == 0 || !t.spurious(r) {
			t.rackAdvance(a.now, r.flags&recRetrans != 0, r.end, r.sent)
		}
	}
	a.rate.take(t, r)
	a.flags |= ackData
	if r.seq == t.snd.iss {
		a.flags |= ackSyn
		if r.len() == 1 {
			a.flags &^= ackData
		}
		t.rec.firstRexm = 0
	}
}

// arrive counts r as newly sacked.
func (a *acked) arrive(r *record) {
	t := a.tcb
	t.noteArrived(int(r.segs), a.flags&ackECE != 0)
	t.rackAdvance(a.now, r.flags&recRetrans != 0, r.end, r.sent)
	a.rate.take(t, r)
}

// late notes that what begins at n arrived after others that were sent behind it.
func (a *acked) late(n seq.Number) {
	if a.flags&ackLate == 0 || n.Less(a.low) {
		a.low = n
	}
	a.flags |= ackLate
}

// spurious reports whether the last acknowledgement is older than the retransmission of r, by its timestamp.
func (t *TCB) spurious(r *record) bool {
	return t.opt.timestamps && t.rcv.echo.ok && int32(t.rcv.echo.val-tsClock(r.sent, t.id.TSOffset)) < 0
}

// noteArrived counts segments that the peer has.
func (t *TCB) noteArrived(n int, ece bool) {
	t.count.delivered += uint32(n)
	if ece && t.acc == nil { // or else they were counted one by one
		t.count.deliveredMarked += uint32(n)
	}
}

// window returns the window that s announces, in bytes: up to 30 bits of them (RFC 9293 §3.1, MUST-1, REC-1).
func (s *Segment) window(t *TCB) int {
	if s.Flags&header.SYN != 0 {
		return int(s.Window)
	}
	return int(s.Window) << t.snd.scale
}

// oldestAck returns how far behind the newest an acknowledgement may be, bytes: by the largest window (RFC 5961 §5.2),
// and on Linux by what was ever acknowledged.
func (t *TCB) oldestAck() int { return int(min(uint64(t.snd.maxWnd), t.count.bytesAcked)) }

// predicted reports whether s is what Linux expects next, but for its old acknowledgement: it takes data and timestamp of
// such though it does not believe the acknowledgement; of data once there was some before.
func (t *TCB) predicted(s *Segment) bool {
	return t.state == StateEstablished && s.Flags&^header.PSH == header.ACK && s.Seq == t.rcv.nxt && s.Ack.Less(t.snd.una) &&
		t.ooo.parts.len() == 0 && s.window(t) == t.snd.wnd && !t.rcv.first && (s.Len == 0 || t.count.bytesIn > 0)
}

// acknowledge is the fifth step of RFC 9293 §3.10.7.4, with RFC 5961 §5 (MAY-12).
func (t *TCB) acknowledge(now tcpip.Time, s *Segment) tcpip.Drop {
	if t.state == StateSynRcvd && !s.Ack.InRange(t.snd.una+1, t.snd.nxt+1) {
		t.due.answer(s) // RFC 9293 §3.10.7.4: <SEQ=SEG.ACK><CTL=RST>
		return tcpip.DropBadAck
	}
	if t.snd.nxt.Less(s.Ack) || s.Ack.Less(t.snd.una.Add(-t.oldestAck())) { // never sent, or too old
		t.challenge(now)
		if t.predicted(s) {
			if s.Len == 0 { // news of a kind, which what is held back waits for
				t.snd.more = false
			}
			return tcpip.DropNone
		}
		return tcpip.DropBadAck
	}
	a := acked{tcb: t, now: s.At}
	before, lost := t.count.delivered, t.count.lost
	t.rcv.echo = echo{s.Options.TSEcr, t.opt.timestamps && s.Options.HasTimestamp && s.Options.TSEcr != 0}
	if t.reported(s) {
		a.flags |= ackECE
	}
	if s.Ack.Less(t.snd.una) { // an old one: its data is good, and so may its SACK blocks be
		if t.opt.sack && s.Options.NumSACK > 0 {
			t.takeSACK(s, t.snd.una, &a)
			t.count.delivered = before // Linux does not count what such reports
			t.mayResend(t.alert(now, &a, 0, t.snd.una))
		}
		return tcpip.DropNone
	}
	t.snd.probes = 0
	if s.Len == 0 || s.Ack != t.snd.una || t.rcv.first || s.Flags&header.URG != 0 { // what holds back holds no longer than until there is news of what was sent
		t.snd.more = false
	}
	t.rcv.first = false
	t.soft = tcpip.OK
	if t.snd.una.Less(s.Ack) {
		a.flags |= ackAdvanced
	}
	if s.Len > 0 || s.Flags&header.FIN != 0 {
		a.flags |= ackCarries
	}
	if t.updateWindow(now, s) {
		a.flags |= ackCarries
	}
	prior, outstanding := t.snd.una, t.board.segs > 0
	high := t.highestSacked()
	t.snd.una = s.Ack
	t.takeSACK(s, prior, &a)
	if a.flags&ackAdvanced != 0 {
		t.advanceUna(now, s, &a, prior)
		if t.state == StateClosed || t.state == StateTimeWait {
			if !t.opt.sack {
				t.noteArrived(a.segs, false)
			}
			return tcpip.DropNone
		}
	}
	if outstanding {
		t.judgeAck(now, s, &a, prior, high, before, lost)
	} else {
		if a.flags&ackDuplicates != 0 {
			t.alert(now, &a, 0, prior)
		}
		t.judgeTail(now, s.Ack, &a)
		if t.unsent() > 0 {
			t.answeredProbe(now)
		}
	}
	if a.flags&ackAdvanced != 0 {
		t.noteWritable()
		t.due.news = true
	}
	return tcpip.DropNone
}

// answeredProbe is what an acknowledgement means for the probes of the window, with nothing in flight: they end if what
// is to be sent next fits, and else go on a while later, as often backed off as before.
func (t *TCB) answeredProbe(now tcpip.Time) {
	switch {
	case t.nextGathered() <= t.windowRoom():
		t.rtt.backoffs, t.snd.closed, t.deadline[timerPersist] = 0, 0, 0
	case t.deadline[timerPersist] != 0:
		t.deadline[timerPersist] = now.Add(t.persistWait(now))
	}
}

// judgeAck is what an acknowledgement means for recovery and congestion control, if anything was in flight.
func (t *TCB) judgeAck(now tcpip.Time, s *Segment, a *acked, prior, high seq.Number, before, lost uint32) {
	if t.board.recs.len() > 0 && t.board.recs.first().flags&recSacked != 0 {
		a.flags |= ackReneged
	}
	measured := t.measure(s.At, a, s)
	if a.flags&ackNew != 0 {
		a.flags |= ackSetTimer
		if t.search.probing {
			t.judgeProbe()
		}
		if !t.opt.sack {
			t.coverDupAcks(a.segs, a.flags&ackECE != 0)
			if a.flags&ackRetrans != 0 { // which of them arrived is not known
				a.flags &^= ackOriginal
			}
		} else if a.first != 0 && a.holes.Less(high) {
			t.sawReordering(a.holes, TallySACKReorder)
		}
	} else if measured && a.sackRTT > 0 && t.board.segs > 0 && a.sackRTT > s.At.Sub(t.board.recs.first().sent) {
		a.flags |= ackSetTimer // sent after the first segment was sent last, and arrived
	}
	if a.rtt >= 0 && t.cc.algorithm.sample != nil && (measured || a.flags&(ackNew|ackSacked) != 0) {
		t.cc.algorithm.sample(t, s.At, max(a.rtt, time.Microsecond))
	}
	if f := t.cc.algorithm.acked; f != nil {
		f(t, a.flags, t.snd.una.Sub(prior))
	}
	t.updateReorderWindow(&a.rate)
	t.judgeTail(now, s.Ack, a)
	resend := rexmitNone
	if a.flags&ackNotDup == 0 || a.flags&ackAlert != 0 || t.rec.phase != phaseOpen {
		dups := 0
		if a.flags&(ackAdvanced|ackNotDup|ackDuplicates) == 0 {
			dups = max(s.Wire, 1)
			t.count.dupAcksIn += uint32(dups)
		}
		resend = t.alert(now, a, dups, prior)
	}
	handshake := a.flags&ackNew == ackSyn && t.fast != nil && t.fast.child // no probe follows that, as on Linux
	if a.flags&ackSetTimer != 0 && (handshake || !t.scheduleProbe(now, true)) {
		t.rearmRexmit(now)
	}
	t.afterAck(now, a, before, lost, resend)
}

// afterAck lets congestion control see what an acknowledgement has changed, and says what may be sent.
func (t *TCB) afterAck(now tcpip.Time, a *acked, before, lost uint32, resend rexmit) {
	delivered := int(t.count.delivered - before)
	newlyLost := int(t.count.lost - lost)
	a.rate.rtt = a.rtt
	t.takeRate(a.now, &a.rate, delivered, newlyLost)
	t.controlCongestion(now, a, delivered, newlyLost)
	t.updatePace()
	t.mayResend(resend)
}

// mayResend says what is to be sent after an acknowledgement.
func (t *TCB) mayResend(what rexmit) {
	t.due.repair = t.due.repair || what != rexmitNone
	t.due.newFirst = what == rexmitNew
}

// advanceUna takes what is now acknowledged off the queues.
func (t *TCB) advanceUna(now tcpip.Time, s *Segment, a *acked, prior seq.Number) {
	una := t.snd.una
	handshake := prior == t.snd.iss
	t.count.bytesAcked += uint64(una.Sub(prior))
	if handshake && !t.opt.crossed {
		t.count.bytesAcked-- // our SYN-ACK
	}
	t.snd.retries = 0
	t.board.ack(una, t.rec.point, a)
	t.sendQ.ack(una)
	t.pushes.forget(una)
	if t.sendQ.chunks.len() == 0 {
		t.armTrim(now)
	}
	if t.snd.urgent && t.snd.up.LessEq(una) {
		t.snd.urgent = false
	}
	if handshake && t.state != StateSynSent {
		t.measure(s.At, a, s)
		t.opened(now)
	}
	if t.snd.fin && una == t.sendQ.end+1 {
		t.step(now, &onFinAcked)
	}
}

// updateWindow is the window update of the fifth step. It reports whether s is newer than what said the window last, and
// so no duplicate acknowledgement, whatever it says: as on Linux.
func (t *TCB) updateWindow(now tcpip.Time, s *Segment) bool {
	w := s.window(t)
	newer := t.snd.una.Less(s.Ack) || t.snd.wl1.Less(s.Seq) || t.snd.wl1 == s.Seq && (w > t.snd.wnd || w == 0)
	if !newer {
		return false
	}
	t.snd.wl1, t.snd.wl2 = s.Seq, s.Ack
	if w > t.snd.maxWnd { // also where it is what the SYN said
		t.snd.maxWnd = w
		t.cc.setMSS(t.mss())
	}
	if w == t.snd.wnd {
		return true
	}
	if w == 0 {
		t.count.zeroWindow++
	}
	t.snd.wnd = w
	if t.unsent() > 0 { // it may have waited for the window alone
		t.restartAfterIdle(now)
	}
	return true
}

// takeSACK marks what the SACK blocks of s say. Blocks that lie outside of what is in flight are
// ignored (RFC 2018 §5; RFC 5961's spirit). prior is snd.una before s.
func (t *TCB) takeSACK(s *Segment, prior seq.Number, a *acked) {
	if !t.opt.sack || s.Options.NumSACK == 0 {
		return
	}
	var good [4]header.SACKBlock
	n := 0
	blocks := s.Options.Blocks()
	duplicate := t.reportsDuplicate(s, blocks, prior, a)
	for i, b := range blocks {
		dup := duplicate && i == 0
		switch {
		case !t.plausibleSACK(b, dup):
			if !dup {
				t.count.badSACK++
			}
		case b.End.LessEq(prior): // nothing of it is in flight
		default:
			if dup {
				t.duplicateInFlight(b, a)
			}
			// In the order of the stream, so that blocks of one acknowledgement do not look like reordering.
			at := n
			for ; at > 0 && b.Start.Less(good[at-1].Start); at-- {
				good[at] = good[at-1]
			}
			good[at] = b
			n++
		}
	}
	for _, b := range good[:n] {
		t.board.sack(seq.Max(b.Start, t.snd.una), b.End, t.rec.point, a)
	}
	if a.flags&ackLate != 0 && (t.rec.phase != phaseLoss || t.rec.marked) {
		t.sawReordering(a.low, TallySACKReorder)
	}
}

// reportsDuplicate reports whether the first block is about a duplicate (RFC 2883 §4): of what is acknowledged, or of
// what lies in the second block. As many retransmissions were in vain.
func (t *TCB) reportsDuplicate(s *Segment, blocks []header.SACKBlock, prior seq.Number, a *acked) bool {
	b := blocks[0]
	switch {
	case b.Start.Less(s.Ack):
		t.count.dsackIn++
		t.tally(TallyDSACKRecv, 1)
	case len(blocks) > 1 && b.End.LessEq(blocks[1].End) && blocks[1].Start.LessEq(b.Start):
		t.count.dsackIn++
		t.tally(TallyDSACKOfoRecv, 1)
	default:
		return false
	}
	n := b.End.Sub(b.Start)
	if n <= 0 || n > t.snd.maxWnd {
		return false
	}
	segs := 1
	if n > t.cc.mss {
		segs = (n + t.cc.mss - 1) / t.cc.mss
	} else if t.tlp.out && t.tlp.end == b.End {
		a.flags |= ackDuplicateTail
	}
	t.count.dsackSegs += uint32(segs)
	if t.count.dsackSegs > t.count.retrans { // not of our making
		return false
	}
	if t.rack.seen > 0 && a.flags&ackDuplicateTail == 0 {
		t.rack.duplicates = true
	}
	a.flags |= ackDuplicates
	t.noteArrived(segs, a.flags&ackECE != 0)
	if r := &t.rec; r.marked && r.undoLeft > 0 && b.End.LessEq(prior) && r.marker.Less(b.End) {
		r.undoLeft = max(r.undoLeft-segs, 0)
	}
	return true
}

// duplicateInFlight notes a duplicate of what is not acknowledged yet. What has arrived is one record with its neighbours:
// the whole segments of it count that the duplicate covers.
func (t *TCB) duplicateInFlight(b header.SACKBlock, a *acked) {
	for i := t.board.find(b.Start); i < t.board.recs.len(); i++ {
		r := t.board.at(i)
		if !r.seq.Less(b.End) {
			return
		}
		if r.flags&recRetrans == 0 {
			continue
		}
		from, to, segs, mss := r.seq, r.end, int(r.segs), max(int(r.mss), 1)
		if r.flags&recSacked != 0 {
			if n := b.Start.Sub(from); n > 0 {
				from = from.Add((n + mss - 1) / mss * mss)
			}
			if b.End.Less(to) {
				to = from.Add(b.End.Sub(from) / mss * mss)
			}
			if from != r.seq || to != r.end {
				segs = to.Sub(from) / mss
			}
		}
		if segs <= 0 || b.End.Less(to) {
			continue
		}
		if u := &t.rec; u.marked && u.undoLeft > 0 && u.marker.Less(to) {
			u.undoLeft = max(u.undoLeft-segs, 0)
		}
		if r.flags&recSacked != 0 {
			a.late(from)
			if r.flags&recResent != 0 && segs == int(r.segs) {
				t.board.mark(r, 0, recResent)
			}
		}
	}
}

// plausibleSACK reports whether b can be meant as it is.
func (t *TCB) plausibleSACK(b header.SACKBlock, duplicate bool) bool {
	switch r := &t.rec; {
	case t.snd.nxt.Less(b.End), !b.Start.Less(b.End), !b.Start.Less(t.snd.nxt):
		return false
	case t.snd.una.Less(b.Start):
		return true
	case !duplicate || !r.marked:
		return false
	case t.snd.una.Less(b.End):
		return false
	case !b.Start.Less(r.marker):
		return true
	case b.End.LessEq(r.marker):
		return false
	default:
		return !b.Start.Less(b.End.Add(-t.snd.maxWnd))
	}
}
