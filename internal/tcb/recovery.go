package tcb

import (
	"time"

	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// phase is what the sender thinks of the network; the names are Linux's.
type phase uint8

const (
	phaseOpen     phase = iota // all is well
	phaseDisorder              // something arrived out of order
	phaseRecovery              // fast recovery (RFC 6675, RFC 6582)
	phaseLoss                  // a timeout happened
)

var phaseNames = [...]string{"open", "disorder", "recovery", "loss"}

// recovery is the state of loss recovery.
type recovery struct {
	phase phase
	// point is snd.nxt when recovery began: RecoveryPoint of RFC 6675, recover of RFC 6582. once says
	// that there has been one.
	point seq.Number
	once  bool

	dupAcks int // duplicate acknowledgements in a row, where there is no SACK

	lossSince tcpip.Time    // since when a timeout is being repaired; zero: none is
	lost      time.Duration // how long earlier repairs have taken

	// Proportional rate reduction (RFC 6937), bytes.
	prrFlight, prrDelivered, prrOut int
}

// pipe estimates what is in the network, in bytes (RFC 6675 §4). Without SACK every duplicate
// acknowledgement stands for a segment that has left.
func (t *TCB) pipe() int {
	b := &t.board
	n := t.flight() - b.sacked - b.lost + b.resent
	if !t.opt.sack && t.rec.dupAcks > 0 {
		n -= t.rec.dupAcks * t.cc.mss
	}
	return max(n, 0)
}

// newDupAcks counts n duplicate acknowledgements, never more than there are segments behind the one
// that is missing.
func (t *TCB) newDupAcks(n int) {
	t.count.dupAcksIn += uint32(n)
	t.rec.dupAcks = min(t.rec.dupAcks+n, max(0, (t.flight()-1)/t.cc.mss))
}

// settleDupAcks takes off what an acknowledgement covers of the segments that duplicates have stood
// for: all but the one that was missing. They were counted as delivered then.
func (t *TCB) settleDupAcks(a *acked) {
	covered := min(t.rec.dupAcks, max(a.segs-1, 0))
	a.delivered = max(a.delivered-covered*t.cc.mss, 0)
	t.rec.dupAcks -= covered
	if t.rec.phase != phaseRecovery {
		t.rec.dupAcks = 0
	}
}

// recover moves loss recovery on after an acknowledgement: advanced says that snd.una moved.
func (t *TCB) recover(now tcpip.Time, a *acked, advanced bool) {
	r := &t.rec
	left := advanced && t.leaveRecovery(now)
	lost := t.findLost(advanced)
	switch r.phase {
	case phaseOpen, phaseDisorder:
		if lost && !t.probeLost() {
			t.enterRecovery(now)
			break
		}
		r.phase = phaseOpen
		if t.board.sacked > 0 || r.dupAcks > 0 {
			r.phase = phaseDisorder
		}
		if advanced && !left {
			t.cc.onAck(now, a.delivered, t.rtt.srtt)
		}
	case phaseLoss:
		if advanced {
			t.cc.onAck(now, a.delivered, t.rtt.srtt)
		}
	}
	if r.phase == phaseRecovery {
		t.reduce(a.delivered)
	}
}

// findLost marks what this acknowledgement shows to be lost, and reports whether there was anything.
func (t *TCB) findLost(advanced bool) bool {
	if t.opt.sack {
		return t.board.judge()
	}
	switch {
	case t.rec.phase == phaseRecovery && advanced: // a partial acknowledgement (RFC 6582 §3.2 step 3)
		t.board.loseFirst(t.cc.mss)
	case t.rec.phase < phaseRecovery && t.rec.dupAcks >= dupThresh:
		// Not again for what was already recovered (RFC 6582 §3.2 step 2).
		if t.rec.once && t.snd.una.LessEq(t.rec.point) {
			return false
		}
		t.board.loseFirst(t.cc.mss)
		return true
	}
	return false
}

// leaveRecovery ends fast recovery or the repair of a timeout, if everything that was in flight when
// it began is acknowledged. It reports whether it ended fast recovery.
func (t *TCB) leaveRecovery(now tcpip.Time) bool {
	r := &t.rec
	if r.phase < phaseRecovery || t.snd.una.Less(r.point) {
		return false
	}
	fast := r.phase == phaseRecovery
	if r.lossSince != 0 {
		r.lost += now.Sub(r.lossSince)
		r.lossSince = 0
	}
	if fast {
		t.cc.cwnd = t.cc.ssthresh
	}
	r.phase = phaseOpen
	return fast
}

func (t *TCB) enterRecovery(now tcpip.Time) {
	t.rec.phase = phaseRecovery
	t.rec.point, t.rec.once = t.snd.nxt, true
	t.rec.prrFlight, t.rec.prrDelivered, t.rec.prrOut = t.flight(), 0, 0
	t.cc.onCongestion(now)
	t.count.fastRecoveries++
	if t.opt.sack {
		t.tally(TallySackRecovery, 1)
	} else {
		t.tally(TallyRenoRecovery, 1)
	}
	t.due.rexmit = true // the first goes out at once, whatever the window says
}

// enterLoss is what a retransmission timeout does (RFC 5681 §3.1, RFC 6675 §5.1).
func (t *TCB) enterLoss(now tcpip.Time) {
	if b := &t.board; b.recs.len() > 0 && b.recs.first().flags&recSacked != 0 {
		b.renege()
		t.count.reneged++
		t.tally(TallySACKReneging, 1)
	}
	// One reduction per window: not for what a reduction already stands for, but again where the
	// repair itself was lost after it had made progress.
	if t.rec.phase < phaseRecovery || t.rec.point.LessEq(t.snd.una) || t.rec.phase == phaseLoss && t.snd.retries == 0 {
		t.cc.onCongestion(now)
	}
	t.rec.phase = phaseLoss
	t.rec.point, t.rec.once = t.snd.nxt, true
	t.rec.dupAcks = 0
	t.cc.cwnd = t.cc.mss
	t.cc.limited = true
	t.cc.algorithm.reset(&t.cc, now)
	t.board.loseAll()
}

// reduce sets cwnd during recovery, so that sending follows what arrives and ends at ssthresh
// (RFC 6937 §3).
func (t *TCB) reduce(delivered int) {
	r, c := &t.rec, &t.cc
	r.prrDelivered += delivered
	pipe := t.pipe()
	var send int
	if pipe > c.ssthresh {
		send = scaled(r.prrDelivered, c.ssthresh, max(r.prrFlight, 1)) - r.prrOut
	} else {
		send = min(c.ssthresh-pipe, max(r.prrDelivered-r.prrOut, delivered)+c.mss)
	}
	c.cwnd = pipe + max(send, 0)
}

// scaled returns n*by/of, rounded up; the product may exceed an int of 32 bits.
func scaled(n, by, of int) int { return int((int64(n)*int64(by) + int64(of) - 1) / int64(of)) }
