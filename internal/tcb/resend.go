package tcb

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// sendLost sends the first record again that is taken for lost, if the window takes it. As on Linux that is done when an
// acknowledgement or a timer says so, and then for all that the window takes: not with whatever is written.
func (t *TCB) sendLost(now tcpip.Time, out *Out) bool {
	i, ok := t.board.next()
	if !ok {
		t.due.rexmit, t.due.repair = false, false
		return false
	}
	if (t.due.newFirst || !t.due.repair) && !t.due.rexmit {
		return false
	}
	r := t.board.at(i)
	if t.snd.una == t.snd.iss { // our SYN, and until it is acknowledged nothing behind it
		if !t.due.rexmit || r.seq != t.snd.iss {
			return false
		}
		t.save(out, undoResent, *r)
		t.repair(i, now)
		t.due.rexmit = false
		out.Retransmit = true
		t.count.retrans++
		t.buildSyn(now, out)
		return true
	}
	if t.paced() && !t.due.rexmit && t.holdForPace(now) {
		return false
	}
	room := t.cc.cwnd - t.pipe()
	if t.due.rexmit {
		room = max(room, 1)
	}
	if room <= 0 {
		t.due.repair = false
		return false
	}
	t.header(now, out)
	t.collapse(i, out.SegSize)
	r = t.board.at(i) // the records may have moved
	n, ok := t.resendable(r, room, out.SegSize)
	if !ok {
		t.due.repair = false
		return false
	}
	t.save(out, undoResent, *r)
	switch {
	case t.rec.phase == phaseRecovery:
		out.Tallies.add(TallyFastRetrans)
	case t.rec.phase == phaseLoss && !t.due.rexmit:
		out.Tallies.add(TallySlowStartRetrans)
	}
	n = t.fill(out, r.seq, n)
	if n < r.len() {
		t.board.split(i, r.seq.Add(n))
	} else if r.flags&recPush != 0 {
		out.Flags |= header.PSH
	}
	segs := t.recut(i, out.SegSize)
	t.repair(i, now)
	t.due.rexmit = false
	if t.inReduction() {
		t.rec.prrOut += segs
	}
	if out.Seq == t.snd.una && t.pending != pendingReorder || t.deadline[timerRexmit] == 0 {
		t.setTimer(now, pendingRexmit, t.rexmitWait(now))
	}
	out.Retransmit = true
	t.noteResent(now, out, segs)
	return true
}

// resendable returns how much of r may be sent again with room segments of congestion window: whole segments where it
// is not all. A peer that has taken its window back gets the first segment at most. (RFC 9293 §3.8.6, SHLD-16, MAY-7)
func (t *TCB) resendable(r *record, room, mss int) (n int, ok bool) {
	fin := 0
	if t.snd.fin && r.end == t.sendQ.end+1 {
		fin = 1
	}
	wnd := t.snd.una.Add(t.snd.wnd).Sub(r.seq)
	if wnd <= 0 {
		if r.seq != t.snd.una {
			return 0, false
		}
		wnd = mss
	}
	data := r.len() - fin
	n = min(data, t.segmentLimit(mss), room*mss)
	if n > wnd {
		n = wnd
		if wnd > mss {
			n -= n % mss
		}
	}
	if n == data {
		n += fin
	}
	return n, n > 0
}

// collapse joins to the i-th record, which is less than a segment, those behind it that fit into one with it.
func (t *TCB) collapse(i, mss int) {
	b := &t.board
	if !t.conf.Collapse {
		return
	}
	for i+1 < b.recs.len() {
		l, r := b.at(i), b.at(i+1)
		data := seq.Min(r.end, t.sendQ.end).Sub(l.seq) // without the FIN, which joins what is no full segment
		if l.segs > 1 || r.segs > 1 || r.flags&recSacked != 0 || l.len() >= mss || data > mss ||
			t.sendQ.endsAt(l.end) || t.snd.una.Add(t.snd.wnd).Less(r.end) {
			return
		}
		b.tally(l, -1)
		b.tally(r, -1)
		l.end = r.end
		l.flags |= r.flags & (recRetrans | recPush)
		b.tally(l, +1)
		b.recs.remove(i + 1)
	}
}

// recut brings the number of segments of the i-th record up to date: it is sent again in those of mss bytes.
func (t *TCB) recut(i, mss int) int {
	r := t.board.at(i)
	if n := segments(r.len(), mss); int(r.segs) < n && r.len() > mss+1 {
		t.board.tally(r, -1)
		r.segs = uint16(n)
		t.board.tally(r, +1)
		r.mss = uint16(mss)
	}
	return int(r.segs)
}

// repair notes that the i-th record, which was lost, is sent again.
func (t *TCB) repair(i int, now tcpip.Time) {
	t.restamp(i, now, recResent|recRetrans)
	u := &t.rec
	if u.firstRexm == 0 {
		u.firstRexm = now
	}
	u.undoLeft = max(u.undoLeft, 0) + int(t.board.at(i).segs)
}

// restamp notes that the i-th record is sent again, and with what flags.
func (t *TCB) restamp(i int, now tcpip.Time, flags recordFlags) {
	r := t.board.at(i)
	t.search.probing = false // whatever becomes of it proves nothing now
	tx, limited := t.stampRate(now)
	r.tx, r.flight = tx, t.flightWith(int(r.segs))
	r.flags = r.flags&^recLimited | limited
	t.board.resendAt(i, now, flags)
}

// noteResent counts a retransmission of segs segments.
func (t *TCB) noteResent(now tcpip.Time, out *Out, segs int) {
	if t.paced() {
		t.pace(now, out)
	}
	t.snd.lastData = now
	t.count.retrans += uint32(segs)
	t.count.bytesRetrans += uint64(out.Len)
	if out.Len > 0 {
		t.count.dataRetrans += uint32(segs)
	}
	t.count.segsOut += uint32(segs)
	t.acknowledged(out)
}
