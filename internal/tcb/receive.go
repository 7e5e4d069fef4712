package tcb

import (
	"cmp"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/tcpip"
)

// receive is the seventh and eighth step of RFC 9293 §3.10.7.4: data and FIN.
func (t *TCB) receive(now tcpip.Time, s *Segment) tcpip.Drop {
	if !mayReceive.has(t.state) && t.state != StateSynRcvd {
		if s.Seq.Less(t.rcv.nxt) && t.rcv.nxt.Less(s.Seq.Add(s.Len)) { // more data than there was before the end
			t.due.answer(s)
			t.fail(now, resetError(t.state))
			return tcpip.DropOldData
		}
		if s.Seq.Less(t.rcv.nxt) { // our answer to the FIN was lost; what lies behind it never was, and gets none
			t.noteDuplicate(s.Seq, seq.Min(s.end(), t.rcv.nxt))
			t.ackNow()
		}
		return tcpip.DropOldData
	}
	if (t.closed || t.deaf && t.snd.fin) && s.end() != s.Seq && t.rcv.nxt.Less(s.Seq.Add(s.Len)) { // nobody will read it (RFC 9293 §3.6.1, SHLD-3)
		t.due.answer(s)
		t.fail(now, tcpip.ErrConnReset)
		return tcpip.DropAfterClose
	}
	wire, larger := s.Wire, t.trackPeerSegments(s)
	t.noteReceiverRTT(s)
	frame, cost := s.Len, 0
	if larger {
		cost = chargeAll(s.Data)
	}
	if d := t.trimToWindow(s); d != tcpip.DropNone {
		t.ackNow()
		return d
	}
	if cost > 0 {
		t.tun.learn(t, min(max(256*frame/cost, 1), 256))
	}
	fin := s.Flags&header.FIN != 0
	if s.Seq != t.rcv.nxt {
		return t.receiveEarly(now, s)
	}
	if fin && endsFirst.has(t.state) {
		t.due.pingPong = true // the user is about to end the other direction
	}
	if s.Len > 0 {
		if !t.admit(s) {
			t.ackNow()
			return tcpip.DropReceiveQueue
		}
		for i := range s.Data {
			t.deliver(s.Data[i])
			s.Data[i] = slab.Piece{}
		}
		t.timeData(now)
		t.earnWindow(s)
		t.scheduleAck(now, wire)
	}
	if fin {
		t.rcv.fin, t.rcv.hasFin = s.Seq.Add(s.Len), true
	}
	if t.ooo.parts.len() > 0 || t.ooo.n > 0 {
		t.fillGap()
		t.ackNow() // RFC 5681 §4.2: at once when a gap is filled
	}
	t.finish(now)
	return tcpip.DropNone
}

// receiveEarly keeps a segment that begins behind a gap, and says so at once (RFC 5681 §4.2; RFC 9293 §3.10.7.4, MAY-13).
func (t *TCB) receiveEarly(now tcpip.Time, s *Segment) tcpip.Drop {
	t.count.outOfOrder += uint32(s.Wire)
	t.tally(TallyOFOQueue, s.Wire)
	t.ackEarly(now, s.Wire)
	if s.Flags&header.FIN != 0 {
		t.rcv.fin, t.rcv.hasFin = s.Seq.Add(s.Len), true
	}
	if s.Len == 0 {
		if s.Flags&header.FIN != 0 {
			t.ooo.report(header.SACKBlock{Start: s.Seq, End: s.end()})
		}
		return tcpip.DropNone
	}
	if t.held()+chargeAll(s.Data) > t.tun.bound(t.conf) {
		return tcpip.DropOutOfOrder
	}
	crowded := t.ooo.crowds(header.SACKBlock{Start: s.Seq, End: s.end()})
	if crowded && t.due.compressed > 1 {
		t.ackNow()
	} else {
		t.ooo.rotate()
	}
	for i := range s.Data {
		s.Data[i] = t.recvQ.pack(s.Data[i])
	}
	t.ooo.add(s)
	if !t.tun.unclaimed {
		t.growReceive(2 * t.tun.space)
	}
	if t.opt.sack { // else a window that moves would hide a duplicate acknowledgement
		t.earnWindow(s)
	}
	return tcpip.DropNone
}

// ackEarly sees to the acknowledgement of a segment of wire ones that begins behind a gap: at once (RFC 5681 §4.2) for
// the first of a gap, which are what loss recovery needs. With SACK the next ones wait a moment for one another, as on
// Linux.
func (t *TCB) ackEarly(now tcpip.Time, wire int) {
	d, r := &t.due, &t.rcv
	if r.gap != r.nxt {
		r.gap, r.early = r.nxt, 0
	}
	if !t.opt.sack || d.quick > 0 && !d.pingPong || r.early < dupThresh || int(d.compressed) >= t.conf.CompressSACK {
		r.early = min(r.early+1, dupThresh)
		t.dupAck(wire)
		return
	}
	d.compressed++
	if t.deadline[timerSACK] == 0 {
		rtt := t.tun.rtt
		if t.rtt.srtt > 0 && t.rtt.srtt < rtt {
			rtt = t.rtt.srtt
		}
		t.deadline[timerSACK] = now.Add(max(min(t.conf.SACKDelay, rtt/20), sackDelayMin))
	}
}

// sackDelayMin is how long acknowledgements of what lies behind a gap wait at least, where they wait.
const sackDelayMin = 50 * time.Microsecond

// trimToWindow cuts s down to what lies in the window. It reports why nothing is left.
func (t *TCB) trimToWindow(s *Segment) tcpip.Drop {
	if old := t.rcv.nxt.Sub(s.Seq); old > 0 {
		t.noteDuplicate(s.Seq, seq.Min(s.end(), t.rcv.nxt))
		if old > s.Len || old == s.Len && s.Flags&header.FIN == 0 {
			t.enterQuickAck(maxQuicks)
			return tcpip.DropOldData
		}
		trimPieces(&s.Data, old)
		s.Seq, s.Len = t.rcv.nxt, s.Len-old
	}
	over := s.Seq.Add(s.Len).Sub(t.rcv.adv)
	if over <= 0 {
		return tcpip.DropNone
	}
	if s.Wire == 1 && over < s.Len && t.recvQ.n == 0 { // more than there was window for, and nothing that waits: taken, as on Linux
		if s.Seq == t.rcv.nxt {
			t.rcv.adv = t.rcv.adv.Add(over)
		}
		return tcpip.DropNone
	}
	s.Flags &^= header.FIN
	if over >= s.Len {
		if t.rcv.adv == t.rcv.nxt {
			t.count.zeroWindow++
			return tcpip.DropZeroWindow
		}
		return tcpip.DropWindow
	}
	cutPieces(&s.Data, s.Len-over)
	s.Len -= over
	return tcpip.DropNone
}

// trimPieces drops the first n bytes, cutPieces all but the first n.
func trimPieces(pieces *[]slab.Piece, n int) {
	p := *pieces
	for i := range p {
		k := min(n, p[i].Len())
		if n -= k; k == p[i].Len() {
			p[i].Release()
			continue
		}
		p[i].TrimFront(k)
		break
	}
}

func cutPieces(pieces *[]slab.Piece, n int) {
	p := *pieces
	for i := range p {
		k := min(n, p[i].Len())
		if n -= k; k == 0 {
			p[i].Release()
			continue
		}
		p[i].Truncate(k)
	}
}

// deliver gives the user the next piece of the stream.
func (t *TCB) deliver(p slab.Piece) {
	n := p.Len()
	if n == 0 {
		p.Release()
		return
	}
	t.rcv.nxt = t.rcv.nxt.Add(n)
	t.count.bytesIn += uint64(n)
	t.events |= EventReadable
	if t.rcv.urgent.state != urgentNone && t.deliverUrgent(p, t.rcv.nxt.Add(-n)) {
		return
	}
	t.recvQ.push(p)
}

// endsFirst are the states in which the peer is the first to end its direction. Then the acknowledgement is
// delayed, as on Linux: mostly our own FIN, or an answer, carries it.
var endsFirst = states(StateSynRcvd, StateEstablished)

// endsLast reports whether the peer's FIN, with all before it there, answers ours. Its acknowledgement is then Linux's of
// the moment before it looks at what was behind a gap, and still reports that.
func (t *TCB) endsLast() bool {
	return t.rcv.hasFin && t.rcv.nxt == t.rcv.fin && states(StateFinWait1, StateFinWait2).has(t.state)
}

// finish is the eighth step: the FIN, once all before it is there.
func (t *TCB) finish(now tcpip.Time) {
	if !t.rcv.hasFin || t.rcv.nxt != t.rcv.fin {
		return
	}
	last := t.endsLast()
	t.rcv.hasFin, t.rcv.ended = false, true
	t.rcv.nxt++
	t.ooo.clear(last) // bytes beyond the end never were
	if endsFirst.has(t.state) {
		t.delayAck(now)
	} else {
		t.ackNow()
	}
	t.events |= EventPeerFin | EventReadable
	t.step(now, &onFinRcvd)
}

// duty is what output owes: the acknowledgements, probes and answers that Poll will build.
type duty struct {
	ack       bool // at once
	delayed   bool // within the delayed acknowledgement's time
	challenge bool
	rexmit    bool // one retransmission, whatever the window
	repair    bool // what is lost is sent again, as far as the window takes it
	newFirst  bool // new data before that (RFC 5682)
	probeTail bool // a tail loss probe (RFC 8985 §7)
	sent      bool // new data was sent since the window's use was looked at
	news      bool // an acknowledgement has come, and what it lets go has not been sent
	limited   bool // and the window would not take more
	uncork    bool
	deferred  bool // a super-segment waits for the next acknowledgement or write
	cwr       bool // say that the window was reduced (RFC 3168)
	crossed   bool // answer a SYN that has crossed ours
	third     bool // say how the SYN-ACK was marked (RFC 9768)
	earlier   bool // acknowledge what came before the marks changed (RFC 8257)
	probe     probe
	reset     resetKind
	pingPong  bool  // answers follow requests: an ACK rides on the answer
	answers   uint8 // how many have followed
	pushed    int8  // how many of the segments that wait for an ACK were pushed
	resetSeq  seq.Number

	compressed int16 // segments behind a gap whose acknowledgement waits for more of them
	quick      int16 // that many acknowledgements are not delayed
	ato        time.Duration
	invalidAt  tcpip.Time
	dup        int // further duplicate acknowledgements, for a peer without SACK
}

type probe uint8

const (
	probeNone probe = iota
	probeWindow
	probeKeepAlive
)

type resetKind uint8

const (
	resetNone resetKind = iota
	resetConnection
	resetAnswer // <SEQ=SEG.ACK><CTL=RST>, to a segment that cannot be meant for us
	resetNoAck  // <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>, to one that acknowledges nothing
)

// answer asks for the RST that a segment gets which cannot be meant for us (RFC 9293 §3.10.7.1).
func (d *duty) answer(s *Segment) {
	switch {
	case s.Flags&header.RST != 0:
	case s.Flags&header.ACK != 0:
		d.reset, d.resetSeq = resetAnswer, s.Ack
	default:
		d.reset, d.resetSeq = resetNoAck, s.end()
	}
}

func (t *TCB) ackNow() { t.due.ack = true }

// dupAck asks for n duplicate acknowledgements. With SACK one says it all.
func (t *TCB) dupAck(n int) {
	if t.due.ack && !t.opt.sack {
		t.due.dup = min(t.due.dup+n, 16)
	} else if !t.opt.sack {
		t.due.dup = min(t.due.dup+n-1, 16)
	}
	t.due.ack = true
}

// The times of delayed acknowledgement are Linux's.
const (
	delAckTick = 500 * time.Microsecond // before any data: until the timer's next tick
	delAckMin  = 40 * time.Millisecond
	delAckMax  = 200 * time.Millisecond
	maxQuicks  = 16
)

// hurryAcks makes as many acknowledgements immediate as tell of half of the window, most at most.
func (t *TCB) hurryAcks(most int) {
	t.due.quick = max(t.due.quick, int16(min(cmp.Or(t.lastWindow()/(2*max(t.rcv.mss, 1)), 2), most)))
}

// enterQuickAck makes the next acknowledgements immediate, whatever answers there may be to carry them.
func (t *TCB) enterQuickAck(most int) {
	t.hurryAcks(most)
	t.due.pingPong, t.due.answers = false, 0
	t.due.ato = delAckMin
}

// timeData adapts the delay of acknowledgements to the pace of the data that arrives.
func (t *TCB) timeData(now tcpip.Time) {
	d := &t.due
	since := now.Sub(t.rcv.lastData)
	switch {
	case t.rcv.lastData == 0: // the first data: the peer is in slow start
		t.hurryAcks(maxQuicks)
		d.ato = delAckMin
	case since <= delAckMin/2:
		d.ato = d.ato/2 + delAckMin/2
	case since < d.ato:
		d.ato = min(d.ato/2+since, t.rtt.rto)
	case since > t.rtt.rto: // the peer has probably restarted from a small window
		t.hurryAcks(maxQuicks)
	}
	t.rcv.lastData = now
}

// scheduleAck decides when in-order data of wire segments is acknowledged (RFC 9293 §3.8.6.3, SHLD-18,
// SHLD-19): of two full segments at once, unless the user leaves them unread, though they are as many bytes as he waits
// for, and so the window shrinks.
func (t *TCB) scheduleAck(now tcpip.Time, wire int) {
	full := t.rcv.nxt.Sub(t.rcv.acked) > t.rcv.mss
	if full && (t.recvQ.n < t.conf.ReceiveLow || t.chooseWindow() >= t.lastWindow()) || wire > 1 || t.due.quick > 0 && !t.due.pingPong {
		t.ackNow()
		return
	}
	t.delayAck(now)
}

// delayAck sees to it that an acknowledgement is sent in a while, and where one was due soon, at once.
func (t *TCB) delayAck(now tcpip.Time) {
	wait := t.ackDelay()
	at := now.Add(wait)
	if due := t.deadline[timerDelAck]; due != 0 {
		if due <= now.Add(wait/4) {
			t.ackNow()
			return
		}
		at = min(at, due)
	}
	t.due.delayed = true
	t.deadline[timerDelAck] = at
}

// ackDelay returns how long an acknowledgement may wait: 200 ms at most (RFC 9293 §3.8.6.3, MUST-40).
func (t *TCB) ackDelay() time.Duration { return min(t.wantedAckDelay(), t.conf.DelAckMax) }

func (t *TCB) wantedAckDelay() time.Duration {
	switch {
	case t.due.ato == 0:
		return delAckTick
	case t.due.ato <= delAckMin:
		return delAckMin
	}
	limit := 500 * time.Millisecond // RFC 9293 §3.8.6.3
	if t.due.pingPong || t.due.pushed > 0 {
		limit = delAckMax
	}
	if t.rtt.srtt > 0 {
		limit = min(limit, max(t.rtt.srtt, delAckMin))
	}
	return min(t.due.ato, limit)
}

func (t *TCB) delAckTimeout(tcpip.Time) {
	if !t.due.delayed {
		return
	}
	if t.due.pingPong { // no answer came for it to ride on
		t.due.pingPong, t.due.answers = false, 0
		t.due.ato = delAckMin
	} else {
		t.due.ato = min(max(2*t.due.ato, delAckMin), t.rtt.rto)
	}
	t.tally(TallyDelayedACKs, 1)
	t.ackNow()
}

// segmentOptions returns the size of the options that the peer's segments are sure to have.
func (t *TCB) segmentOptions() int {
	if t.opt.timestamps {
		return timestampSize
	}
	return 0
}

// askedFor returns the payload of the largest segment that the peer should send.
func (t *TCB) askedFor() int { return int(t.opt.advMSS) - t.segmentOptions() }

// leastReceiveMSS is the least estimate of what the peer sends, bytes: Linux's TCP_MIN_MSS.
const leastReceiveMSS = 88

// guessPeerSegments starts low: only what has arrived proves that the peer sends as much.
func (t *TCB) guessPeerSegments() {
	t.rcv.mss = max(min(t.mss(), t.askedFor(), defaultMSS, t.tun.synWindow/2), leastReceiveMSS)
}

// trackPeerSegments learns how large the peer's segments are, and reports whether s is larger than all before. Two alike
// that follow each other count where they are smaller, too, unless the peer had nothing further to send.
func (t *TCB) trackPeerSegments(s *Segment) (larger bool) {
	r := &t.rcv
	n := s.Len
	if s.Wire > 1 {
		n = (s.Len + s.Wire - 1) / s.Wire
	}
	last := r.lastSize
	r.lastSize = 0
	if n >= r.mss {
		if s.Flags&header.PSH != 0 {
			t.due.pushed = max(t.due.pushed, 1)
		}
		larger = n > r.mss
		r.mss = min(n, t.askedFor()) // no more than we have asked for
		return larger
	}
	if whole := n + t.segmentOptions(); whole >= defaultMSS || whole >= leastReceiveMSS && s.Flags&(header.PSH|header.FIN|header.URG) == 0 {
		if r.lastSize = uint16(n); r.lastSize == last {
			r.mss = n
			return false
		}
	}
	t.due.pushed = min(t.due.pushed+1, 2)
	return false
}
