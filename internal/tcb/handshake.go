package tcb

import (
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// Connect starts the active open (RFC 9293 §3.10.1).
func (t *TCB) Connect(now tcpip.Time) tcpip.Error {
	if t.state != StateClosed || t.err != tcpip.OK {
		return tcpip.ErrInvalid
	}
	t.sendQ.end = t.snd.iss + 1
	t.cc.init(t.conf.Congestion, t.mss(), t.initialWindow())
	t.born = now
	t.rcv.scale = chooseScale(t.conf)
	t.offer(&t.opt)
	t.opt.strict = t.conf.Timestamps == tcpip.TimestampsStrict
	t.opt.advMSS = uint16(advMSS(t.path, t.conf))
	if m := t.conf.MaxSegment; m != 0 { // of a peer that does not say
		t.opt.peerMSS = m
	}
	t.step(now, &onConnect)
	return tcpip.OK
}

// offer sets in o what our SYN offers.
func (t *TCB) offer(o *negotiated) {
	o.timestamps = t.conf.Timestamps != tcpip.TimestampsOff && t.path.Options == 0 // a signature leaves no room, as Linux sees it
	o.sack, o.scaling, o.ecn = t.conf.SACK, t.conf.Scaling, t.conf.asksECN()
}

// hurriedSyn is after how long the SYN goes out again when it has met a peer that is still in an old connection, as
// on Linux.
const hurriedSyn = 8 * time.Millisecond

// synSent is RFC 9293 §3.10.7.3.
func (t *TCB) synSent(now tcpip.Time, s *Segment) tcpip.Drop {
	hasAck := s.Flags&header.ACK != 0
	if hasAck && !s.Ack.InRange(t.snd.iss+1, t.snd.nxt+1) {
		t.due.answer(s)
		if t.snd.retries == 0 { // the peer remembers an old connection: it will have forgotten it by then
			t.deadline[timerRexmit] = now.Add(hurriedSyn)
		}
		return tcpip.DropBadAck
	}
	if s.Flags&header.RST != 0 {
		if !hasAck {
			return tcpip.DropBadReset
		}
		t.fail(now, tcpip.ErrConnRefused)
		return tcpip.DropNone
	}
	if s.Flags&header.SYN == 0 {
		return tcpip.DropBadFlags
	}
	t.learnSyn(now, s)
	flags := s.Flags
	s.Seq++
	s.Flags &^= header.SYN
	t.snd.wnd, t.snd.maxWnd = int(s.Window), int(s.Window) // never scaled in a SYN
	t.snd.wl1, t.snd.wl2 = t.rcv.irs, s.Ack
	t.rcv.last = now
	t.guessPeerSegments()
	t.cc.setMSS(t.mss())
	if !hasAck {
		// Simultaneous open (RFC 9293 §3.5 Figure 7, MUST-10): our SYN goes out again, now with an ACK, and as on Linux with
		// all that it offered.
		t.opt.crossed = true
		t.step(now, &onSynRcvd)
		t.due.crossed = true
		return tcpip.DropNone // data with a SYN is not taken, as on Linux
	}
	a := acked{tcb: t, now: s.At}
	t.rcv.echo = echo{s.Options.TSEcr, t.opt.timestamps && s.Options.TSEcr != 0}
	t.snd.una = s.Ack
	t.board.ack(s.Ack, t.snd.iss, &a)
	t.sendQ.ack(s.Ack)
	t.count.bytesAcked += uint64(s.Ack.Sub(t.snd.iss)) // our SYN, and data that went with it
	if !t.opt.sack {
		t.noteArrived(a.segs, false)
	}
	t.measure(s.At, &a, s)
	t.takeRate(s.At, &a.rate, a.segs, 0)
	again := t.fast != nil && t.fastAnswered(s)
	t.opened(now)
	if t.acc != nil && getACE(flags) == aceOfMark[markCE] {
		t.handshakeMarked(now)
	}
	t.rcv.first = t.opt.scaling
	t.rearmRexmit(now)
	switch {
	case again:
	case t.due.pingPong || t.conf.DeferAccept > 0: // the user wants data to carry it, as Linux sees it
		t.enterQuickAck(maxQuicks)
		t.due.delayed = true
		t.deadline[timerDelAck] = now.Add(min(delAckMax, t.conf.DelAckMax))
	default:
		t.ackNow()
	}
	if t.fast != nil && t.fast.option && (s.Len > 0 || s.Flags&header.FIN != 0) {
		if s.Len > 0 { // counted twice, and as if ours had been taken, as on Linux
			t.fast.accepted = true
			t.count.dataIn++
		}
		return t.receive(now, s)
	}
	return tcpip.DropNone // data with a SYN-ACK is not taken but with fast open, as on Linux: it comes again
}

// learnSyn takes the peer's number and options from its SYN (RFC 9293 §3.7.1, MUST-14).
func (t *TCB) learnSyn(now tcpip.Time, s *Segment) {
	t.rcv.irs = s.Seq
	t.rcv.known = true
	t.rcv.nxt = s.Seq + 1
	t.rcv.acked = t.rcv.nxt
	t.rcv.adv = t.rcv.nxt.Add(t.tun.synWindow)
	o := &s.Options
	if o.HasMSS {
		t.opt.peerMSS = t.conf.limitMSS(int(o.MSS))
	}
	if t.opt.scaling = t.opt.scaling && o.HasWindowScale; t.opt.scaling {
		t.snd.scale = min(o.WindowScale, header.MaxWindowScale)
	} else {
		t.snd.scale, t.rcv.scale = 0, 0
	}
	t.opt.sack = t.opt.sack && o.SACKPermitted
	switch {
	case t.opt.ecn && t.conf.ECN.accurate() && s.Flags&header.ACK != 0:
		t.answeredAccurate(s)
	case t.opt.ecn && t.conf.ECN.accurate():
		t.crossedAccurate(s)
	case s.Flags&header.ACK == 0: // it crosses ours, and both ask for it
		t.opt.ecn = t.opt.ecn && s.Flags&ecnSetup == ecnSetup
	default:
		t.opt.ecn = t.opt.ecn && s.Flags&ecnSetup == header.ECE
	}
	if t.opt.timestamps = t.opt.timestamps && o.HasTimestamp; t.opt.timestamps {
		t.rcv.tsRecent, t.rcv.tsRecentAt = o.TSVal, now
	}
}

// opened is called once, when our SYN has been acknowledged.
func (t *TCB) opened(now tcpip.Time) {
	window := t.initialWindow()
	if t.count.retrans > 1 && t.count.timeouts > 0 {
		window = 1 // RFC 5681 §3.1, as Linux reads it
	}
	t.initCongestion(window)
	if t.rtt.srtt == 0 {
		t.rtt.rto = fallbackRTO
	}
	if t.opt.crossed { // Linux counts the SYN-ACK beside the SYN
		t.count.delivered++
	}
	if t.rec.lossSince != 0 {
		t.rec.lost += now.Sub(t.rec.lossSince)
	}
	t.rec = recovery{lost: t.rec.lost}
	t.snd.retries, t.cc.stamp = 0, now
	if t.stands == 0 {
		t.stands = now
	}
	t.updatePace()
	if t.fast == nil || !t.fast.child {
		t.tun.opened(t, now)
	}
	t.step(now, &onSynAcked)
	if t.fast != nil && t.fast.ending {
		t.finishWriting(now)
	}
	t.armKeepAlive(now)
	if t.conf.Probing == ProbingAlways {
		t.startSearch(now)
		t.search.held = true
	}
	t.events |= EventConnected | EventWritable
}

func (t *TCB) initialWindow() int { return max(t.conf.InitialWindow, 1) }

// simultaneousSyn takes the SYN off the SYN-ACK that crossed our own in a simultaneous open, so that
// the rest of it counts.
func (t *TCB) simultaneousSyn(s *Segment) {
	if t.snd.una == t.snd.iss && s.Flags&(header.SYN|header.RST) == header.SYN && s.Flags&header.ACK != 0 &&
		s.Seq == t.rcv.irs && s.Ack == t.snd.iss+1 {
		s.Seq++
		s.Flags &^= header.SYN
		if s.Flags &^= aceFlags; t.acc != nil { // a SYN's say nothing of marks (RFC 3168 §6.1.1, RFC 9768 §3.2.2)
			s.Flags = putACE(s.Flags, uint8(t.acc.out&aceMask))
		}
		if t.board.recs.len() > 0 { // what it answers is our SYN, not the SYN-ACK
			t.board.recs.first().sent = t.born
		}
		t.noteDuplicate(t.rcv.irs, t.rcv.irs+1) // as Linux sees it
		t.ackNow()
	}
}
