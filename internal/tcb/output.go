package tcb

import (
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// Poll builds the next segment to send. It is the only place where sending is decided: what is to be
// sent again comes first, then new data, probes, and acknowledgements that nothing else carries.
func (t *TCB) Poll(now tcpip.Time, out *Out) bool {
	t.undo.kind = undoNothing
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
	if t.fast != nil && t.fast.again && t.sendSynAgain(now, out) {
		return true
	}
	if t.sendLost(now, out) || t.search.on && t.sendMTUProbe(now, out) || t.sendNew(now, out) || t.sendProbe(now, out) || t.sendAck(now, out) {
		return true
	}
	t.watch(now)
	return false
}

func (t *TCB) sendReset(now tcpip.Time, out *Out) bool {
	t.save(undoState, record{})
	out.Flags = header.RST
	if t.due.reset == resetAnswer {
		out.Seq = t.due.resetSeq
	} else {
		out.Flags |= header.ACK
		out.Seq, out.Ack = t.snd.nxt, t.rcv.nxt
		t.timestamp(now, &out.Options)
	}
	t.due.reset = resetNone
	t.count.segsOut++
	return true
}

func (t *TCB) sendSyn(now tcpip.Time, out *Out) bool {
	t.save(undoNew, record{})
	t.snd.nxt++
	t.deadline[timerRexmit] = now.Add(t.rtt.rto)
	data := 0
	if t.fast != nil && t.fast.limit > 0 {
		if data = t.fastData(out); data > 0 {
			t.snd.nxt = t.snd.nxt.Add(data)
			t.count.dataOut++
			t.count.bytesOut += uint64(data)
		}
	}
	t.board.push(record{seq: t.snd.iss, end: t.snd.nxt, sent: now, segs: 1})
	t.buildSyn(now, out)
	if data > 0 {
		out.SegSize = data
	}
	return true
}

// buildSyn fills out with our SYN or SYN-ACK.
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
	} else if t.opt.ecn && (t.snd.retries == 0 || t.conf.ECNInsist) { // an old middlebox may drop what asks for ECN
		out.Flags |= ecnSetup
	}
	out.Window = uint16(t.tun.synWindow) // never scaled in a SYN
	out.SegSize = t.mss()
	t.count.segsOut++
}

// sendLost sends the first record again that is taken for lost, if the window takes it.
func (t *TCB) sendLost(now tcpip.Time, out *Out) bool {
	i, ok := t.board.next()
	if !ok {
		t.due.rexmit = false
		return false
	}
	r := t.board.at(i)
	if t.snd.una == t.snd.iss { // our SYN, and until it is acknowledged nothing behind it
		if !t.due.rexmit || r.seq != t.snd.iss {
			return false
		}
		if r.len() > 1 { // without the data that went with it (RFC 7413 §4.1.3)
			t.board.split(i, t.snd.iss+1)
			r = t.board.at(i)
		}
		t.save(undoResent, *r)
		t.board.resendAt(i, now)
		t.due.rexmit = false
		out.Retransmit = true
		t.count.retrans++
		t.buildSyn(now, out)
		return true
	}
	if t.conf.MaxPacingRate > 0 && !t.due.rexmit && t.holdForPace(now) {
		return false
	}
	t.header(now, out)
	mss := out.SegSize
	room := t.cc.cwnd - t.pipe()
	if t.due.rexmit {
		room = max(room, mss)
	}
	// A peer that has taken its window back gets the first segment at most.
	if wnd := t.snd.una.Add(t.snd.wnd).Sub(r.seq); r.seq != t.snd.una && wnd < min(r.len(), mss) {
		return false
	} else if r.seq == t.snd.una {
		room = min(room, max(wnd, mss))
	} else {
		room = min(room, wnd)
	}
	n := min(r.len(), t.segmentLimit(mss))
	if n > room {
		if room < mss {
			return false
		}
		n = room - room%mss
	}
	t.save(undoResent, *r)
	switch {
	case t.rec.phase == phaseRecovery:
		out.Tallies.add(TallyFastRetrans)
	case t.rec.phase == phaseLoss && !t.due.rexmit:
		out.Tallies.add(TallySlowStartRetrans)
	}
	n = t.fill(out, r.seq, n)
	if n < r.len() {
		t.board.split(i, r.seq.Add(n))
	}
	t.board.resendAt(i, now)
	t.due.rexmit = false
	t.rec.prrOut += n
	if out.Seq == t.snd.una || t.deadline[timerRexmit] == 0 {
		t.deadline[timerRexmit] = now.Add(t.rtt.rto)
	}
	out.Retransmit = true
	if t.conf.MaxPacingRate > 0 {
		t.pace(now, out)
	}
	segs := segments(out.Len, mss)
	t.count.retrans += uint32(segs)
	t.count.bytesRetrans += uint64(out.Len)
	if out.Len > 0 {
		t.count.dataRetrans += uint32(segs)
	}
	t.count.segsOut += uint32(segs)
	t.acknowledged(out)
	return true
}

// sendNew sends data, and the FIN, for the first time.
func (t *TCB) sendNew(now tcpip.Time, out *Out) bool {
	if !maySend.has(t.state) && !t.FastChild() || t.snd.una == t.snd.iss && !t.FastChild() || t.end() == t.snd.nxt {
		return false
	}
	if t.conf.MaxPacingRate > 0 && t.holdForPace(now) {
		return false
	}
	t.restartAfterIdle(now)
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
	t.save(undoNew, record{})
	want := n
	if t.snd.fin && n == t.unsent() && t.windowRoom() > n {
		want++
	}
	want = t.fill(out, from, want)
	t.snd.nxt = from.Add(want)
	t.sentNew(now, out, segments(out.Len, out.SegSize))
}

// sentNew notes that out, of segs segments on the wire, is sent up to snd.nxt.
func (t *TCB) sentNew(now tcpip.Time, out *Out, segs int) {
	from, want := out.Seq, t.snd.nxt.Sub(out.Seq)
	t.markNew(out)
	t.board.push(record{seq: from, end: t.snd.nxt, sent: now, segs: uint16(segs)})
	if t.deadline[timerRexmit] == 0 {
		t.deadline[timerRexmit] = now.Add(t.rtt.rto)
	}
	t.deadline[timerPersist] = 0
	t.deadline[timerCork] = 0
	t.due.uncork = false
	t.due.probe = probeNone
	t.rec.prrOut += want
	t.noteUse(t.pipe()+t.cc.mss > t.cc.cwnd)
	if out.Len > 0 {
		if t.rcv.lastData != 0 && now.Sub(t.rcv.lastData) < t.due.ato {
			t.due.pingPong = true // an answer: acknowledgements can ride on such
		}
		t.snd.lastData = now
	}
	if out.Len > 0 {
		t.count.dataOut += uint32(segs)
		t.rate.begin(now, t.snd.nxt)
	}
	t.count.segsOut += uint32(segs)
	t.count.bytesOut += uint64(out.Len)
	if t.conf.MaxPacingRate > 0 {
		t.pace(now, out)
	}
	t.acknowledged(out)
}

// windowRoom returns how much the peer's window takes beyond snd.nxt.
func (t *TCB) windowRoom() int { return t.snd.una.Add(t.snd.wnd).Sub(t.snd.nxt) }

// sendable returns how many bytes of new data may be sent now, -1 for none: 0 is a bare FIN. It sets
// the timers that a negative answer needs. small says that the last segment will not be full.
func (t *TCB) sendable(now tcpip.Time, mss int) (n int, small bool) {
	unsent, last := t.unsent(), true
	wnd := t.windowRoom()
	if unsent == 0 { // only the FIN is left; it need not fit the congestion window
		if wnd < 1 {
			t.waitForWindow(now)
			return -1, false
		}
		return 0, false
	}
	if record := t.sendQ.record(t.snd.nxt); record < unsent { // the first record goes out whatever follows
		unsent, last = record, false
	}
	n = min(unsent, t.segmentLimit(mss))
	if n > wnd { // whole segments only: silly window avoidance (RFC 9293 §3.8.6.2.1)
		if n = max(wnd, 0); n < mss {
			t.waitForWindow(now)
			return -1, false
		}
		n -= n % mss
	}
	if last && n == unsent && n%mss != 0 && t.hold(now) {
		if n -= n % mss; n == 0 {
			return -1, false
		}
	}
	room := t.cc.cwnd - t.pipe()
	if t.flight() == 0 {
		room = max(room, mss)
	}
	if n > room {
		t.noteUse(true)
		if n = max(room, 0); n < mss {
			return -1, false
		}
		n -= n % mss
	}
	if n < min(unsent, t.segmentLimit(mss)) && t.wait(now, n) {
		return -1, false
	}
	return n, n%mss != 0
}

// wait reports whether a super-segment that the windows have cut short had better wait for the next
// acknowledgement, which will let it grow: if one is about to come, and what may be sent is less than
// a third of the window. The conditions are Linux's.
func (t *TCB) wait(now tcpip.Time, n int) bool {
	if t.flight() == 0 || t.rec.phase >= phaseRecovery || t.snd.fin || t.snd.urgent {
		return false
	}
	return n < min(t.cc.cwnd, t.snd.wnd)/3 &&
		now.Sub(t.snd.lastData) < time.Millisecond &&
		now.Sub(t.board.recs.first().sent) >= t.rtt.srtt/2
}

// hold reports whether the last segment, which is not full, must wait for more data: because of cork,
// or of Nagle's algorithm with Minshall's change, which looks only at segments that were not full
// themselves (RFC 9293 §3.7.4).
func (t *TCB) hold(now tcpip.Time) bool {
	switch {
	case t.snd.fin || t.snd.urgent || t.due.uncork:
		return false
	case t.conf.Cork || t.snd.more:
		if t.deadline[timerCork] == 0 {
			t.deadline[timerCork] = now.Add(corkTime)
		}
		return true
	}
	return !t.conf.NoDelay && t.snd.una.Less(t.snd.small) && t.flight() > 0
}

func (t *TCB) noteUse(limited bool) { t.cc.noteUse(t.snd.una, t.snd.nxt, t.flight(), limited) }

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
	n := max(t.path.MaxSegment-t.path.MaxSegment%mss, mss)
	if t.conf.MaxPacingRate > 0 {
		n = min(n, t.pacedLimit(mss))
	}
	return n
}

func segments(n, mss int) int { return max((n+mss-1)/mss, 1) }

// restartAfterIdle shrinks the window of a sender that has been silent (RFC 5681 §4.1).
func (t *TCB) restartAfterIdle(now tcpip.Time) {
	if t.flight() > 0 || t.snd.lastData == 0 {
		return
	}
	if idle := now.Sub(t.snd.lastData); idle > t.rtt.rto {
		t.cc.onIdle(now, idle, t.rtt.rto, t.initialWindow())
		t.snd.lastData = now
	}
}

// sendProbe sends what makes a silent peer speak: what part of a segment its window takes, or a
// segment that lies before it (RFC 9293 §3.8.6.1, §3.8.4).
func (t *TCB) sendProbe(now tcpip.Time, out *Out) bool {
	kind := t.due.probe
	if kind == probeNone {
		return false
	}
	t.header(now, out)
	if kind == probeWindow {
		out.Tallies.add(TallyWinProbe)
	} else {
		out.Tallies.add(TallyKeepAlive)
	}
	if n := min(t.unsent(), t.windowRoom(), out.SegSize); kind == probeWindow && n > 0 {
		t.sendRange(now, out, n)
		t.snd.small = t.snd.nxt
		return true
	}
	t.save(undoState, record{})
	t.due.probe = probeNone
	t.snd.probes++
	t.count.probesOut++
	out.Seq = t.snd.una - 1
	t.count.segsOut++
	t.acknowledged(out)
	return true
}

// sendAck sends a segment that is nothing but an acknowledgement.
func (t *TCB) sendAck(now tcpip.Time, out *Out) bool {
	if !t.due.ack && !t.due.challenge || !t.rcv.known {
		return false
	}
	t.header(now, out)
	t.save(undoState, record{})
	out.Seq = t.snd.nxt
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
func (t *TCB) header(now tcpip.Time, out *Out) {
	out.clear()
	out.Flags = header.ACK
	if t.ecn.echo {
		out.Flags |= header.ECE
	}
	out.Ack = t.rcv.nxt
	t.timestamp(now, &out.Options)
	t.sackBlocks(&out.Options, header.TCPOptionSpace-t.optionSize())
	out.SegSize = t.baseMSS() - t.optionSize()
	if n := int(out.Options.NumSACK); n > 0 {
		out.SegSize = max(out.SegSize-sackBase-n*sackSize, minMSS/2)
	}
}

// fill puts n sequence numbers from from on into out, the FIN among them if they reach that far, and
// returns how many there was room for.
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
	if end := from.Add(out.Len); out.Len > 0 && (end == t.sendQ.end && !t.snd.unpushed || t.sendQ.endsAt(end)) {
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
	t.rcv.acked = t.rcv.nxt
	t.ooo.dup = header.SACKBlock{}
	d := &t.due
	if (d.ack || d.delayed) && d.quick > 0 {
		d.quick--
	}
	d.ack, d.delayed, d.challenge = false, false, false
	d.dup, d.pushed = 0, 0
	t.deadline[timerDelAck] = 0
}
