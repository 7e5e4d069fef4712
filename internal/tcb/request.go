package tcb

import (
	"math"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// Verdict says what becomes of a Request or a TimeWait after a segment or a deadline.
type Verdict uint8

// The verdicts.
const (
	VerdictDrop      Verdict = iota // keep the record, send nothing
	VerdictReply                    // keep the record, send Out
	VerdictEstablish                // Request: call Establish with this segment
	VerdictRemove                   // forget the record
	VerdictRefuse                   // Request: send Out, and forget the record
	VerdictNew                      // TimeWait: forget it and treat the segment as a SYN to a listener
)

// Request is a half-open connection: what must be remembered of a SYN until the ACK of our SYN-ACK
// comes. It borrows a Conf, which nobody changes while requests use it: a listener publishes a fresh
// one instead. A Request may be copied. That there is no TCB yet
// tells a passive opening from an active one (RFC 9293 §3.5, MUST-11).
type Request struct {
	conf *Conf
	path Path
	id   Identity

	born, sent, deadline, invalidAt tcpip.Time

	irs      seq.Number
	tsRecent uint32
	tsSent   [2]uint32 // the timestamps of the first SYN-ACK and of the last
	window   uint32    // which our SYN-ACK announces, as far as its field goes
	peerWnd  uint16    // announced in the SYN
	mss      uint16

	sendScale, receiveScale        uint8
	retries                        uint8 // timeouts
	resent                         uint8 // SYN-ACKs sent again, those that a SYN has asked for among them
	timestamps, sack, scaling, ecn bool
	accurate                       bool  // with ecn: RFC 9768
	mark                           uint8 // of the SYN's IP header
	option                         bool  // the option of RFC 9768 goes with the next SYN-ACK
	plain                          bool  // a SYN or SYN-ACK without ECN's flags has passed: packets are not to be marked (RFC 9768 §3.1.5)
	acked                          bool  // the ACK came, but deferred: only data will do (TCP_DEFER_ACCEPT)
	third                          uint8 // and its ACE field, with 8 added (RFC 9768 §3.2.2.1)
}

// Init makes r the answer to the SYN s. Its deadline starts with SynAck.
func (r *Request) Init(now tcpip.Time, s *Segment, c *Conf, p Path, id Identity) {
	o := &s.Options
	*r = Request{
		conf: c, path: p, id: id, born: now,
		irs: s.Seq, peerWnd: s.Window,
		timestamps: c.Timestamps != tcpip.TimestampsOff && o.HasTimestamp,
		sack:       c.SACK && o.SACKPermitted,
		scaling:    c.Scaling && o.HasWindowScale,
		ecn:        c.acceptsECN(s),
	}
	if ace := getACE(s.Flags); c.ECN.acceptsAccurate() && ace != aceNothing && ace != aceClassic {
		r.ecn, r.accurate, r.mark, r.option = true, true, s.Mark&3, c.ECNOption != ReportNever
	}
	if p.Options > 0 && r.sack { // no room for both beside the signature, as Linux sees it
		r.timestamps = false
	}
	r.mss = uint16(p.defaultMSS())
	if o.HasMSS {
		r.mss = uint16(c.limitMSS(int(o.MSS)))
	}
	options := 0
	if r.timestamps {
		r.tsRecent, options = o.TSVal, timestampSize
	}
	r.window = uint32(synWindow(c, p, options))
	if r.scaling {
		r.sendScale, r.receiveScale = min(o.WindowScale, header.MaxWindowScale), chooseScale(c)
	}
}

func (r *Request) iss() seq.Number { return seq.Number(r.id.ISS) }

// SynAck fills out with the SYN-ACK and sets the deadline of its retransmission.
func (r *Request) SynAck(now tcpip.Time, out *Out) {
	if r.sent == 0 {
		r.sent = now
	}
	r.startTimer(now)
	r.fillSynAck(now, out)
}

// startTimer sets the deadline of the next retransmission, which backs off with timeouts alone.
func (r *Request) startTimer(now tcpip.Time) {
	r.deadline = now.Add(min(initialRTO<<r.retries, r.conf.RTOMax))
}

// fillSynAck is SynAck without the deadline. The MSS is always said (RFC 9293 §3.7.1, MUST-14, SHLD-5, MAY-3).
func (r *Request) fillSynAck(now tcpip.Time, out *Out) {
	without := r.accurate && r.retries > accurateRetries // a middlebox may drop what has ECN's flags (RFC 9768 §3.2.3.2.2)
	r.plain = r.plain || without
	r.fill(now, out)
	out.Flags |= header.SYN
	switch {
	case without:
	case r.accurate:
		out.Flags = putACE(out.Flags, aceOfMark[r.mark])
		if r.option { // once (§3.2.3.2.2)
			r.option, out.Options.AccECN = false, fullReport(&MarkBytes{}, true)
		}
	case r.ecn && !r.accurate:
		out.Flags |= header.ECE
	}
	out.Seq = r.iss()
	out.Window = uint16(min(r.window, math.MaxUint16))
	o := &out.Options
	if r.tsSent[1] = o.TSVal; r.resent == 0 {
		r.tsSent[0] = o.TSVal
	}
	o.HasMSS, o.MSS = true, uint16(advMSS(r.path, r.conf))
	o.SACKPermitted = r.sack
	o.HasWindowScale, o.WindowScale = r.scaling, r.receiveScale
}

// fill makes out a bare ACK.
func (r *Request) fill(now tcpip.Time, out *Out) {
	out.clear()
	out.Flags = header.ACK
	out.ECT = r.ecn && r.conf.marks() && !r.plain
	out.Seq, out.Ack = r.iss()+1, r.irs+1
	out.Window = uint16(min(r.window>>r.receiveScale, math.MaxUint16))
	if r.timestamps {
		out.Options.HasTimestamp = true
		out.Options.TSVal = tsClock(now, r.id.TSOffset)
		out.Options.TSEcr = r.tsRecent
	}
}

// Deadline returns when Advance is next needed.
func (r *Request) Deadline() tcpip.Time { return r.deadline }

// Advance is called at the deadline: it sends the SYN-ACK again (VerdictReply), waits on, or gives up
// (VerdictRemove).
func (r *Request) Advance(now tcpip.Time, out *Out) Verdict {
	if now < r.deadline {
		return VerdictDrop
	}
	deferred := r.acked && int(r.retries) < r.conf.DeferAccept
	if int(r.retries) >= r.conf.SynAckRetries && !deferred {
		return VerdictRemove
	}
	r.retries++
	if r.acked && int(r.retries) < r.conf.DeferAccept {
		r.deadline = now.Add(min(initialRTO<<min(r.retries, 16), r.conf.RTOMax))
		return VerdictDrop
	}
	r.resent++
	r.SynAck(now, out)
	return VerdictReply
}

// Segment takes a segment that belongs to the half-open connection: RFC 9293 §3.10.7.4 in
// SYN-RECEIVED. Its data is only taken by Establish.
func (r *Request) Segment(now tcpip.Time, s *Segment, out *Out) (Verdict, tcpip.Drop) {
	nxt := r.irs + 1
	old, foreign := false, false // by its timestamp before the SYN, and in answer to none of our SYN-ACKs
	if r.timestamps && s.Flags&header.RST == 0 {
		switch {
		case s.Options.HasTimestamp:
			old = int32(s.Options.TSVal-r.tsRecent) < 0
			foreign = r.sent != 0 && s.Options.TSEcr != 0 && s.Options.TSEcr-r.tsSent[0] > r.tsSent[1]-r.tsSent[0]
		case r.conf.Timestamps == tcpip.TimestampsStrict && s.Flags&header.SYN == 0:
			return VerdictDrop, tcpip.DropNoTimestamp
		}
	}
	if s.Flags&(header.SYN|header.ACK|header.RST) == header.SYN && s.Seq == r.irs && !old {
		// The SYN again: our answer was lost, and the next is a retransmission.
		if r.contradicts(s) {
			BuildReset(s, out)
			return VerdictRefuse, tcpip.DropSynInWindow
		}
		if !r.mayAnswer(now) {
			return VerdictDrop, tcpip.DropRateLimited
		}
		r.resent++
		r.fillSynAck(now, out)
		r.startTimer(now)
		return VerdictReply, tcpip.DropNone
	}
	if s.Flags&(header.ACK|header.RST) == header.ACK && s.Ack != r.iss()+1 {
		BuildReset(s, out) // and the slot stays for the right one
		return VerdictReply, tcpip.DropBadAck
	}
	switch {
	case old || foreign:
		return r.challenge(now, s, out, tcpip.DropPAWS)
	case s.Seq != nxt && s.end().LessEq(nxt) || nxt.Add(int(r.window)).Less(s.Seq):
		return r.challenge(now, s, out, tcpip.DropWindow)
	case s.Flags&header.RST != 0 && s.Seq == nxt: // RFC 5961 §3
		return VerdictRemove, tcpip.DropNone
	case s.Flags&header.RST != 0: // seldom, whatever comes with it
		s.Flags &^= header.RST | header.FIN
		s.Len = 0
		return r.challenge(now, s, out, tcpip.DropBadReset)
	case s.Flags&header.SYN != 0: // not RFC 5961's challenge, but back to LISTEN, and as on Linux with a word to the peer
		BuildReset(s, out)
		return VerdictRefuse, tcpip.DropSynInWindow
	case s.Flags&header.ACK == 0:
		return VerdictDrop, tcpip.DropNoAck
	}
	if s.end() == nxt && int(r.retries) < r.conf.DeferAccept {
		if !r.acked && s.Options.NumSACK == 0 {
			r.third = getACE(s.Flags) | thirdKnown
		}
		r.acked = true
		return VerdictDrop, tcpip.DropNone
	}
	return VerdictEstablish, tcpip.DropNone
}

// contradicts takes from a SYN that comes again what it says of ECN. It reports whether one asks for accurate feedback and
// one for ECN without: neither side could know what the other has agreed to (RFC 9768 §3.1.5).
func (r *Request) contradicts(s *Segment) bool {
	ace := getACE(s.Flags)
	switch {
	case r.accurate:
		r.mark = s.Mark & 3
		r.plain = r.plain || ace == aceNothing
		return ace == aceClassic
	case r.ecn && r.conf.ECN.acceptsAccurate():
		return ace != aceNothing && ace != aceClassic
	}
	return false
}

// challenge answers an unacceptable segment with an ACK, unless it is a RST or too many were. Data is always answered, as
// on Linux.
func (r *Request) challenge(now tcpip.Time, s *Segment, out *Out, why tcpip.Drop) (Verdict, tcpip.Drop) {
	data := s.end() != s.Seq && s.Flags&header.SYN == 0
	if s.Flags&header.RST != 0 || !data && !r.mayAnswer(now) {
		return VerdictDrop, why
	}
	r.fill(now, out)
	out.Challenge = true
	return VerdictReply, why
}

func (r *Request) mayAnswer(now tcpip.Time) bool {
	if r.invalidAt != 0 && now.Sub(r.invalidAt) < r.conf.InvalidInterval {
		return false
	}
	r.invalidAt = now
	return true
}

// Deferred reports whether the handshake is complete and the connection waits for data
// (TCP_DEFER_ACCEPT).
func (r *Request) Deferred() bool { return r.acked }

// Establish makes t the connection that the segment s completes, which Segment has said it does, and
// feeds s to it. c is the new connection's own Conf.
func (r *Request) Establish(now tcpip.Time, s *Segment, t *TCB, c *Conf) tcpip.Drop {
	r.open(now, t, c)
	t.snd.nxt = r.iss() + 1
	t.snd.maxWnd = s.window(t) // the SYN's is not scaled, and says little
	t.guessPeerSegments()
	syn := record{seq: t.snd.iss, end: t.snd.nxt, sent: r.sent, segs: 1, mss: uint16(t.mss())}
	if r.resent > 0 || r.sent == 0 { // sent again, or by a cookie that does not know when
		syn.flags = recRetrans
	}
	t.count.retrans, t.count.timeouts, t.snd.synAckTimeouts = uint32(r.resent), uint32(r.retries), r.retries
	if r.retries > 0 {
		t.count.timeoutSeries, t.rec.lost = 1, now.Sub(r.sent)
	}
	t.board.push(syn)
	if r.sent == 0 && r.timestamps { // the only word on the round trip, which what the cookie hides in it makes longer
		if age := time.Duration(tsClock(now, r.id.TSOffset)-s.Options.TSEcr) * time.Millisecond; age >= 0 && age < cookieAge*cookieStep {
			t.rtt.noteMin(max(age, time.Millisecond), c.MinRTTWindow, now)
			t.rtt.sample(max(age, time.Millisecond), c, t.snd.una, t.snd.nxt)
		}
	}
	t.deadline[timerRexmit] = now.Add(time.Second)
	t.count.segsIn++ // the SYN
	t.step(now, &onPassive)
	marked := false
	if t.acc != nil && r.third != 0 {
		t.acc.third = false
		marked = t.acc.takeThird(r.third &^ thirdKnown)
	}
	d := t.Segment(now, s)
	if marked {
		t.handshakeMarked(now)
	}
	return d
}

// thirdKnown is added to the ACE field of a deferred ACK.
const thirdKnown = aceMask + 1

// open makes t what the SYN has agreed upon.
func (r *Request) open(now tcpip.Time, t *TCB, c *Conf) {
	t.Init(now, c, r.path, r.id)
	t.born, t.stands = r.born, now
	t.sendQ.end = r.iss() + 1
	t.snd.wnd, t.snd.maxWnd, t.snd.scale = int(r.peerWnd), int(r.peerWnd), r.sendScale
	t.snd.wl1, t.snd.wl2 = r.irs, t.snd.iss
	t.rcv.irs, t.rcv.known, t.rcv.scale = r.irs, true, r.receiveScale
	t.rcv.nxt = r.irs + 1
	t.rcv.acked = t.rcv.nxt
	t.rcv.adv = t.rcv.nxt.Add(int(r.window))
	t.tun.synWindow, t.tun.space, t.tun.earned = int(r.window), int(r.window), int(r.window)
	t.tun.unclaimed = true
	t.opt = negotiated{
		timestamps: r.timestamps, strict: c.Timestamps == tcpip.TimestampsStrict,
		sack: r.sack, scaling: r.scaling, ecn: r.ecn, peerMSS: int(r.mss), advMSS: uint16(advMSS(r.path, c)),
	}
	if r.accurate {
		t.acc = newAccurate(r.mark, r.conf.marks() && !r.plain)
		t.acc.third, t.acc.mute, t.acc.plain = true, r.retries > 0, r.plain
	}
	if r.timestamps {
		t.rcv.tsRecent, t.rcv.tsRecentAt = r.tsRecent, r.born
	}
	t.guessPeerSegments()
	t.cc.init(c.Congestion, t.mss(), t.initialWindow())
}
