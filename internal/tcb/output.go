package tcb

import (
	"math"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// Poll builds the next segment to send. It is the only place where sending is decided: what is to be
// sent again comes first, then new data, probes, and acknowledgements that nothing else carries.
func (t *TCB) Poll(now tcpip.Time, out *Out) bool {
	out.undo.kind = undoNothing
	out.clear()
	if t.due.reset != resetNone {
		return t.sendReset(now, out)
	}
	switch t.state {
	case StateClosed:
		return false
	case StateSynSent, StateSynRcvd:
		if t.snd.nxt == t.snd.iss {
			return t.sendSyn(now, out)
		}
	}
	if t.due.crossed && t.snd.una == t.snd.iss {
		t.sendCrossed(now, out)
		return true
	}
	if t.fast != nil && t.fast.again && t.sendSynAgain(now, out) {
		return true
	}
	if t.due.earlier && t.cc.dctcp != nil {
		t.sendEarlier(now, out)
		return true
	}
	if t.due.third && t.end() != t.snd.nxt { // it goes ahead of data, on an ACK of its own (RFC 9768 §3.2.2.1)
		if t.due.ack = true; t.sendAck(now, out) {
			return true
		}
	}
	if t.due.challenge && !t.due.ack && t.sendAck(now, out) { // which nothing else stands for
		return true
	}
	if t.due.probeTail && t.sendTail(now, out) || t.sendLost(now, out) || t.search.on && t.sendMTUProbe(now, out) || t.sendNew(now, out) {
		return true
	}
	if t.due.newFirst && t.snd.nxt.LessEq(t.rec.point) { // there was nothing new: the timeout is repaired as always
		t.due.newFirst, t.rec.frto = false, false
		if t.sendLost(now, out) {
			return true
		}
	}
	if t.due.news { // what is unsent has become less
		t.due.news = false
		t.tellWritable()
	}
	if t.sendProbe(now, out) || t.sendAck(now, out) {
		return true
	}
	t.watch(now)
	return false
}

func (t *TCB) sendReset(now tcpip.Time, out *Out) bool {
	t.save(out, undoState, record{})
	out.Flags = header.RST
	switch t.due.reset {
	case resetAnswer:
		out.Seq = t.due.resetSeq
	case resetNoAck:
		out.Flags |= header.ACK
		out.Ack = t.due.resetSeq
	default:
		out.Flags |= header.ACK
		out.Seq, out.Ack = t.snd.nxt, t.rcv.nxt
		out.Window = t.announce() // as on Linux, like the options
		t.timestamp(now, &out.Options)
		t.sackBlocks(&out.Options, header.TCPOptionSpace-t.optionSize())
	}
	if t.due.reset == resetConnection { // the other kind is no segment of the connection, as Linux counts
		t.count.segsOut++
	}
	t.markAll(out)
	t.due.reset = resetNone
	return true
}

func (t *TCB) sendSyn(now tcpip.Time, out *Out) bool {
	t.save(out, undoNew, record{})
	t.snd.nxt++
	data := 0
	if t.fast != nil && t.fast.limit > 0 {
		if data = t.fastData(out); data > 0 {
			t.snd.nxt = t.snd.nxt.Add(data)
			t.count.dataOut++
			t.count.bytesOut += uint64(data)
		}
	}
	r := record{seq: t.snd.iss, end: t.snd.iss + 1, sent: now, segs: 1, mss: uint16(t.mss())} // it tells nothing of the rate, as on Linux
	t.board.push(r)
	if data > 0 { // a record of its own: the SYN may come again without it (RFC 7413 §4.2.2)
		r.seq, r.end = r.end, t.snd.nxt
		t.board.push(r)
	}
	t.setTimer(now, pendingRexmit, t.rexmitWait(now))
	t.buildSyn(now, out)
	if data > 0 {
		out.SegSize = data
	}
	return true
}

// sendCrossed answers a SYN that has crossed ours: what is on its way already, with the acknowledgement that it lacked. As
// on Linux that is no retransmission, and the timer stays; but the round trip is that of the answer.
func (t *TCB) sendCrossed(now tcpip.Time, out *Out) {
	r := t.board.at(0)
	t.save(out, undoResent, *r)
	t.due.crossed = false
	t.restamp(0, now, 0)
	t.buildSyn(now, out)
}

// buildSyn fills out with our SYN or SYN-ACK, which always says an MSS (RFC 9293 §3.7.1, MUST-14, SHLD-5, MAY-3).
func (t *TCB) buildSyn(now tcpip.Time, out *Out) {
	out.Seq = t.snd.iss
	out.Flags = header.SYN
	o := &out.Options
	if f := t.fast; f != nil && f.option && !out.Retransmit {
		f.cookie.Put(o)
	}
	o.HasMSS, o.MSS = true, uint16(advMSS(t.path, t.conf))
	offer, scale := t.opt, t.rcv.scale
	if t.opt.crossed {
		t.offer(&offer)
		scale = chooseScale(t.conf)
	}
	o.SACKPermitted = offer.sack
	o.HasWindowScale, o.WindowScale = offer.scaling, scale
	if offer.timestamps {
		o.HasTimestamp, o.TSVal, o.TSEcr = true, tsClock(now, t.id.TSOffset), t.rcv.tsRecent
	}
	if t.rcv.known {
		out.Flags |= header.ACK
		out.Ack = t.rcv.nxt
		t.acknowledged(out)
		if t.fast != nil && t.fast.child {
			out.Ack = t.fast.answered
		}
		if t.acc != nil && t.snd.retries > 0 && t.FastChild() {
			t.acc.mute = true // as in a Request
		}
		switch {
		case t.acc != nil && t.snd.retries > accurateRetries:
			t.acc.plain = true
		case t.acc != nil:
			out.Flags = putACE(out.Flags, t.acc.syn)
			if !out.Retransmit && t.conf.ECNOption != ReportNever {
				o.AccECN = fullReport(&t.ecn.bytes, true)
			}
		case t.opt.ecn:
			out.Flags |= header.ECE
		}
		t.markAll(out)
	} else if f := t.askECN(); f != 0 {
		out.Flags |= f
		t.markAll(out)
	}
	out.Window = uint16(min(t.tun.synWindow, math.MaxUint16)) // never scaled in a SYN
	out.SegSize = t.mss()
	if t.fast == nil || !t.fast.child { // else it is the listener's, as Linux counts
		t.count.segsOut++
	}
}

// sendNew sends data, and the FIN, for the first time.
func (t *TCB) sendNew(now tcpip.Time, out *Out) bool {
	if !maySend.has(t.state) && !t.FastChild() || t.snd.una == t.snd.iss && !t.FastChild() || t.end() == t.snd.nxt {
		return false
	}
	if t.paced() && t.holdForPace(now) {
		return false
	}
	t.header(now, out)
	n, small := t.sendable(now, out.SegSize)
	if n < 0 {
		return false
	}
	t.sendRange(now, out, n)
	if small {
		t.snd.small = t.snd.nxt
	}
	return true
}

// sendRange sends the next n bytes, and the FIN if they are the last and the window takes it.
func (t *TCB) sendRange(now tcpip.Time, out *Out, n int) {
	from := t.snd.nxt
	t.save(out, undoNew, record{})
	want := n
	if t.snd.fin && n == t.unsent() && (t.windowRoom() > n || n > out.SegSize) { // as on Linux, a super-segment's FIN may be outside
		want++
	}
	want = t.fill(out, from, want)
	t.snd.nxt = from.Add(want)
	t.sentNew(now, out, segments(out.Len, out.SegSize))
}

// sentNew notes that out, of segs segments on the wire, is sent up to snd.nxt.
func (t *TCB) sentNew(now tcpip.Time, out *Out, segs int) {
	from := out.Seq
	t.markNew(out)
	first := t.board.segs == 0
	if first && out.Len > 0 && t.snd.lastData != 0 {
		t.cc.event(t, now, eventStart)
	}
	tx, limited := t.stampRate(now)
	if from.Add(out.Len) == t.sendQ.end && out.Flags&header.PSH != 0 {
		limited |= recPush
	}
	t.board.push(record{seq: from, end: t.snd.nxt, sent: now, segs: uint16(segs), mss: uint16(out.SegSize), tx: tx, flags: limited, flight: t.flightWith(segs)})
	if first {
		t.setTimer(now, pendingRexmit, t.rtt.rto)
	} else if t.pending == pendingProbe {
		t.rearmRexmit(now)
	}
	t.scheduleProbe(now, false)
	t.deadline[timerPersist], t.snd.closed = 0, 0
	t.deadline[timerCork] = 0
	t.due.uncork = false
	t.due.probe = probeNone
	if t.inReduction() {
		t.rec.prrOut += segs
	}
	t.due.sent = true
	if out.Len > 0 {
		if t.rcv.lastData != 0 && now.Sub(t.rcv.lastData) < t.due.ato {
			t.due.answers = min(t.due.answers+1, 255) // acknowledgements can ride on such
			t.due.pingPong = t.due.pingPong || int(t.due.answers) >= t.conf.PingPong
		}
		t.snd.lastData = now
	}
	if out.Len > 0 {
		t.count.dataOut += uint32(segs)
	}
	t.count.segsOut += uint32(segs)
	t.count.bytesOut += uint64(out.Len)
	if t.paced() {
		t.pace(now, out)
	}
	t.acknowledged(out)
}

// windowRoom returns how much the peer's window takes beyond snd.nxt: less than nothing, if the peer has taken it back
// (RFC 9293 §3.8.6, MUST-34).
func (t *TCB) windowRoom() int { return t.snd.una.Add(t.snd.wnd).Sub(t.snd.nxt) }

// sendable returns how many bytes of new data may be sent now, -1 for none: 0 is a bare FIN. It sets
// the timers that a negative answer needs. small says that the last segment will not be full.
// Nothing goes beyond the window (RFC 9293 §3.8.6, SHLD-15), and as much as may goes in full segments (§3.9.1.2, SHLD-28).
func (t *TCB) sendable(now tcpip.Time, mss int) (n int, small bool) {
	unsent, last := t.unsent(), true
	wnd, room := t.windowRoom(), t.cc.cwnd-t.pipe()
	if room <= 0 {
		t.due.limited = true
		return -1, false
	}
	if unsent == 0 { // only the FIN is left
		if wnd < 1 {
			t.waitForWindow(now)
			return -1, false
		}
		return 0, false
	}
	if record := t.sendQ.record(t.snd.nxt); record < unsent { // the first record goes out whatever follows
		unsent, last = record, false
	}
	limit := t.segmentLimit(mss)
	n = min(unsent, limit)
	if n > wnd { // whole segments only: silly window avoidance (RFC 9293 §3.8.6.2.1, MUST-38)
		if n = max(wnd, 0); n < mss {
			t.waitForWindow(now)
			return -1, false
		}
	}
	if unsent < mss && last && t.hold(now) {
		return -1, false
	}
	if unsent > mss && t.wait(now, wnd, room*mss, t.superLimit(mss), last) {
		return -1, false
	}
	// Half of the window at most, so that two super-segments are on their way.
	most := min(room, max(t.cc.cwnd/2, 1)) * mss
	if n%mss != 0 && n <= most && n > mss { // a rest goes along, unless it has to wait
		if n < unsent && t.heldByNagle() || n == unsent && last && t.hold(now) {
			n -= n % mss
		}
	}
	n = min(n, most)
	return n, n%mss != 0
}

// wait reports whether a super-segment that the windows have cut short had better wait for the next acknowledgement, which
// will let it grow: if one is about to come, and what may be sent is less than a third of the window. The windows have room
// for wnd and cwnd bytes, the largest super-segment has limit, and last says that nothing of another record follows. The
// conditions are Linux's, and so is that they are looked at with each acknowledgement and each write alone: a timer does
// not end the wait.
func (t *TCB) wait(now tcpip.Time, wnd, cwnd, limit int, last bool) bool {
	room := min(wnd, cwnd)
	if t.flight() == 0 || t.rec.phase >= phaseRecovery || room >= limit {
		return false
	}
	next := t.nextGathered()
	tail := last && t.sendQ.gather.LessEq(t.snd.nxt)
	enough := dupThresh * t.cc.mss
	if d := t.conf.WinDivisor; d > 0 {
		enough = min(t.cc.bytes(), t.snd.wnd) / d
	}
	if !t.due.deferred {
		t.due.deferred = (tail || room < next) && room < enough && now.Sub(t.snd.lastData) < time.Millisecond &&
			t.board.recs.first().sent.Add(t.rtt.srtt).Sub(now) <= min(t.rtt.srtt/2, time.Millisecond)
	}
	switch {
	case !t.due.deferred:
		return false
	case cwnd < wnd && cwnd <= next:
		t.due.limited = true
		return true
	}
	return room <= next || !t.snd.fin && last
}

// hold reports whether the last segment, which is not full, must wait for more data: because of cork,
// or of Nagle's algorithm with Minshall's change, which looks only at segments that were not full
// themselves (RFC 9293 §3.7.4, SHLD-7). No wait is for ever (§3.9.1.2, MUST-60).
func (t *TCB) hold(now tcpip.Time) bool {
	switch {
	case t.snd.fin || t.snd.urgent || t.due.uncork:
		return false
	case t.conf.Cork || t.snd.more:
		if t.deadline[timerCork] == 0 && t.flight() == 0 {
			t.deadline[timerCork] = now.Add(t.rtt.persist(t.conf))
		}
		return true
	}
	return t.heldByNagle()
}

// heldByNagle reports whether a segment that is not full has to wait for the acknowledgement of one before it.
// TCP_NODELAY turns that off (RFC 9293 §3.7.4, MUST-17).
func (t *TCB) heldByNagle() bool {
	return t.conf.Cork || t.snd.more || !t.conf.NoDelay && t.snd.una.Less(t.snd.small) && t.flight() > 0
}

func (t *TCB) waitForWindow(now tcpip.Time) {
	if t.flight() == 0 {
		t.armPersist(now)
	}
}

// segmentLimit returns the payload of the largest segment to build: whole wire segments of mss.
func (t *TCB) segmentLimit(mss int) int {
	if t.snd.urgent { // the urgent pointer counts from one header only
		return mss
	}
	return t.superLimit(mss)
}

// superLimit returns the payload of the largest super-segment.
func (t *TCB) superLimit(mss int) int {
	n := max(t.path.MaxSegment-t.path.MaxSegment%mss, mss)
	if n > mss {
		n = min(n, t.sized(mss), max(t.halfWindow(mss), 2*mss)) // Linux fills a buffer from the next, so two at least
	}
	return n
}

// sized returns the payload of the super-segments of a connection, by its rate: what it sends in a millisecond, and on
// a near path as much as may be, but two segments always. So a slow connection does not send in bursts; the numbers
// are Linux's.
func (t *TCB) sized(mss int) int {
	const largest = 65536
	n := int(min(t.pacingRate()>>10, largest))
	if !t.paced() {
		if r := t.rtt.min / (512 * time.Microsecond); r < 32 {
			n = min(n+largest>>r, largest)
		}
	}
	return max(n-n%mss, max(t.conf.MinSegments, 1)*mss)
}

func segments(n, mss int) int { return max((n+mss-1)/mss, 1) }

// sendProbe sends what makes a silent peer speak: what part of a segment its window takes, or a
// segment that lies before it and has no data (RFC 9293 §3.8.6.1, §3.8.4, SHLD-12).
func (t *TCB) sendProbe(now tcpip.Time, out *Out) bool {
	kind := t.due.probe
	if kind == probeNone {
		return false
	}
	t.header(now, out)
	if n := min(t.unsent(), t.windowRoom(), out.SegSize); kind == probeWindow && n > 0 {
		t.sendRange(now, out, n)
		out.Flags |= header.PSH
		t.board.at(t.board.recs.len() - 1).flags |= recPush
		t.snd.small = t.snd.nxt
		t.due.sent = false // which says nothing of the congestion window's use
		t.rtt.backoffs = 0
		t.setTimer(now, pendingRexmit, t.rtt.rto)
		return true
	}
	if kind == probeWindow {
		out.Tallies.add(TallyWinProbe)
	} else {
		out.Tallies.add(TallyKeepAlive)
	}
	t.save(out, undoState, record{})
	t.due.probe = probeNone
	t.snd.probes++
	t.count.probesOut++
	out.Seq = t.snd.una - 1
	t.count.segsOut++
	t.acknowledged(out)
	return true
}

// acceptable returns the sequence number of what carries no data: that of the next byte, or where a peer that has taken
// its window back would not accept that, the end of the window. As on Linux; less than its scale does not count.
func (t *TCB) acceptable() seq.Number {
	end := t.snd.una.Add(t.snd.wnd)
	over := t.snd.nxt.Sub(end)
	if over <= 0 || !synchronized.has(t.state) || t.opt.scaling && over < 1<<t.rcv.scale {
		return t.snd.nxt
	}
	return end
}

// sendAck sends a segment that is nothing but an acknowledgement.
func (t *TCB) sendAck(now tcpip.Time, out *Out) bool {
	if !t.due.ack && !t.due.challenge || !t.rcv.known {
		return false
	}
	t.header(now, out)
	t.save(out, undoState, record{})
	out.Seq = t.acceptable()
	if p, ok := t.urgentPointer(out.Seq); ok {
		out.Flags |= header.URG
		out.Urgent = p
	}
	if out.Challenge = t.due.challenge && !t.due.ack; out.Challenge {
		t.count.challenges++
	}
	t.count.segsOut++
	more := t.due.dup > 0
	dup := t.due.dup
	t.acknowledged(out)
	if more {
		t.due.ack, t.due.dup = true, dup-1
	}
	return true
}

// header fills in what every segment after the SYN carries. It changes nothing but out.
// No MSS option is among it (RFC 9293 §3.2, MUST-65).
func (t *TCB) header(now tcpip.Time, out *Out) {
	out.clear()
	out.Flags = header.ACK
	switch a := t.acc; {
	case a != nil && t.due.third:
		out.Flags = putACE(out.Flags, a.syn)
	case a != nil:
		out.Flags = putACE(out.Flags, uint8(a.in&aceMask))
	case t.ecn.echo:
		out.Flags |= header.ECE
	}
	t.markAll(out)
	out.Ack = t.rcv.nxt
	t.timestamp(now, &out.Options)
	room := header.TCPOptionSpace - t.optionSize()
	out.SegSize = t.baseMSS() - t.optionSize()
	if t.acc != nil {
		n := t.reportBytes(now, &out.Options, room)
		room, out.SegSize = room-n, out.SegSize-n
	}
	if t.acc == nil || !t.due.third && !t.acc.ofACKs {
		t.sackBlocks(&out.Options, room)
	}
	if n := int(out.Options.NumSACK); n > 0 {
		out.SegSize = max(out.SegSize-sackBase-n*sackSize, minMSS/2)
	}
}

// fill puts n sequence numbers from from on into out, the FIN among them if they reach that far, and
// returns how many there was room for. The last of what is queued has PSH (RFC 9293 §3.9.1.2, MUST-61).
func (t *TCB) fill(out *Out, from seq.Number, n int) int {
	out.Seq = from
	data := min(n, t.sendQ.end.Sub(from))
	if data > 0 {
		out.Data, out.Len = t.sendQ.take(out.Data, from, data, out.SegSize)
		if out.Len < data { // too many pieces: whole segments
			if out.Len > out.SegSize {
				out.Len -= out.Len % out.SegSize
				cutPieces(&out.Data, out.Len)
				for len(out.Data) > 0 && out.Data[len(out.Data)-1].IsZero() {
					out.Data = out.Data[:len(out.Data)-1]
				}
			}
			n = out.Len
		}
	}
	if n > out.Len {
		out.Flags |= header.FIN
	}
	if out.Len > out.SegSize { // whoever puts it together again on the way shall not wait for more
		out.Flags |= header.PSH
	}
	if end := from.Add(out.Len); out.Len > 0 && (end == t.sendQ.end && !t.snd.unpushed || t.sendQ.pushesAt(end) || t.pushes.has(end)) {
		out.Flags |= header.PSH
	}
	if p, ok := t.urgentPointer(from); ok {
		out.Flags |= header.URG
		out.Urgent = p
	}
	return n
}

func (t *TCB) timestamp(now tcpip.Time, o *header.TCPOptions) {
	if t.opt.timestamps {
		o.HasTimestamp = true
		o.TSVal = tsClock(now, t.id.TSOffset)
		o.TSEcr = t.rcv.tsRecent
	}
}

// acknowledged completes a segment with the window, and notes that it acknowledges all that has been
// received.
func (t *TCB) acknowledged(out *Out) {
	before := t.rcv.adv.Sub(t.rcv.acked)
	out.Window = t.announce()
	t.tallyAck(out, before)
	if a := t.acc; a != nil {
		a.untold, a.ofACKs, a.didACKs = 0, false, a.ofACKs
		if out.Options.AccECN.Has {
			a.changed = t.changedCounters()
			a.told, a.owed = t.ecn.bytes, false
		}
	}
	t.rcv.acked = t.rcv.nxt
	t.ooo.dup = header.SACKBlock{}
	if t.rcv.ended { // what is left was of the end's acknowledgement
		t.ooo.n = 0
	}
	d := &t.due
	if (d.ack || d.delayed) && d.quick > 0 {
		d.quick--
	}
	d.ack, d.delayed, d.challenge, d.third = false, false, false, false
	d.dup, d.pushed, d.compressed = 0, 0, 0
	t.deadline[timerDelAck], t.deadline[timerSACK] = 0, 0
}
