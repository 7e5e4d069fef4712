package tcb

import (
	"time"

	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// tlp is the tail loss probe (RFC 8985 §7): where acknowledgements stop before the last segment, that or a new one is
// sent soon, so that SACK can show what is missing before the timeout does.
type tlp struct {
	out     bool       // a probe is out, and the fate of it not known
	retrans bool       // it repeated the last segment
	end     seq.Number // snd.nxt when it was sent
}

// pending says what the retransmission timer is set for.
type pending uint8

const (
	pendingRexmit  pending = iota // RFC 6298
	pendingProbe                  // RFC 8985 §7.2
	pendingReorder                // RFC 8985 §6.2
)

// scheduleProbe sets the timer for a probe in place of the retransmission timeout, if there is a case for one: two
// round trips after the last transmission or acknowledgement, but no later than the timeout. fresh says that the
// timeout starts now. It reports whether it did.
func (t *TCB) scheduleProbe(now tcpip.Time, fresh bool) bool {
	if t.conf.EarlyRetransmit != 3 && t.conf.EarlyRetransmit != 4 || t.board.segs == 0 || !t.opt.sack || !synchronized.has(t.state) ||
		t.rec.phase != phaseOpen && t.rec.phase != phaseCWR {
		return false
	}
	wait := initialRTO
	if t.rtt.srtt > 0 {
		wait = 2 * t.rtt.srtt
		if t.board.segs == 1 { // its acknowledgement may be delayed
			wait += t.conf.RTOMin
		} else {
			wait += timeoutMin
		}
	}
	rto := t.rtt.rto
	if !fresh {
		rto = t.untilTimeout(now)
	}
	if rto > 0 {
		wait = min(wait, rto)
	}
	t.setTimer(now, pendingProbe, wait)
	return true
}

// probeTimeout asks for the probe.
func (t *TCB) probeTimeout(now tcpip.Time) {
	t.rearmRexmit(now)
	if !t.tlp.out {
		t.due.probeTail = true
	}
}

// sendTail sends the probe: one new segment if there is one and the peer's window takes it, whatever the congestion
// window says, or else the last one again.
func (t *TCB) sendTail(now tcpip.Time, out *Out) bool {
	if !t.due.probeTail {
		return false
	}
	if t.board.segs == 0 || t.tlp.out {
		t.due.probeTail = false
		return false
	}
	if t.snd.nxt.Less(t.end()) && maySend.has(t.state) {
		t.header(now, out)
		if n := min(t.unsent(), out.SegSize); max(n, 1) <= t.windowRoom() {
			t.sendRange(now, out, n)
			if n < out.SegSize {
				t.snd.small = t.snd.nxt
			}
			t.due.probeTail = false
			t.tlp = tlp{out: true, end: t.snd.nxt}
			t.setTimer(now, pendingRexmit, t.rtt.rto)
			out.Tallies.add(TallyLossProbes)
			return true
		}
	}
	b := &t.board
	i := b.recs.len() - 1
	r := b.at(i)
	if n := (int(r.segs) - 1) * int(r.mss); n > 0 && n < r.len() {
		b.split(i, r.seq.Add(n))
		i++
		r = b.at(i)
	}
	t.header(now, out)
	if r.flags&recSacked != 0 || r.len() > out.SegSize+1 || t.snd.una.Add(t.snd.wnd).Less(r.end) && r.seq != t.snd.una {
		t.due.probeTail = false
		return false
	}
	t.save(out, undoResent, *r)
	t.due.probeTail = false
	t.tlp = tlp{out: true, retrans: true, end: t.snd.nxt}
	t.fill(out, r.seq, r.len())
	t.restamp(i, now, recRetrans)
	out.Retransmit = true
	out.Tallies.add(TallyLossProbes)
	t.noteResent(now, out, 1)
	t.setTimer(now, pendingRexmit, t.rtt.rto)
	return true
}

// judgeTail learns from an acknowledgement what became of the probe (RFC 8985 §7.4).
func (t *TCB) judgeTail(now tcpip.Time, ack seq.Number, a *acked) {
	p := &t.tlp
	if !p.out || ack.Less(p.end) {
		return
	}
	switch {
	case !p.retrans: // it was new, and has arrived
		p.out = false
	case a.flags&ackDuplicateTail != 0: // both arrived: nothing was lost
		p.out = false
	case p.end.Less(ack): // the probe has repaired a loss, which counts as one
		t.startReduction(now)
		t.rec.phase = phaseCWR
		t.endReduction(now)
		t.keepOpen()
		t.tally(TallyLossProbeRecovery, 1)
	case a.flags&(ackAdvanced|ackNotDup|ackSacked) == 0: // a bare duplicate: both arrived
		p.out = false
	}
}

// setTimer sets the retransmission timer for what is next.
func (t *TCB) setTimer(now tcpip.Time, what pending, in time.Duration) {
	t.pending = what
	t.deadline[timerRexmit] = now.Add(in)
}

// untilTimeout returns how far off the retransmission timeout of the first segment is.
func (t *TCB) untilTimeout(now tcpip.Time) time.Duration {
	return t.rtt.rto - now.Sub(t.board.recs.first().sent)
}

// rearmRexmit sets the retransmission timer, or stops it (RFC 6298 §5.2, §5.3). Where another use of the timer was
// pending, the timeout goes on from when the first segment was sent.
func (t *TCB) rearmRexmit(now tcpip.Time) {
	if t.board.segs == 0 {
		t.deadline[timerRexmit], t.pending = 0, pendingRexmit
		return
	}
	rto := t.rtt.rto
	if t.pending != pendingRexmit {
		rto = max(t.untilTimeout(now), 1)
	}
	t.setTimer(now, pendingRexmit, rto)
}
