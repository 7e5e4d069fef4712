package tcb

import (
	"time"

	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// phase is what the sender thinks of the network; names and order are those of Linux's tcpi_ca_state.
type phase uint8

const (
	phaseOpen     phase = iota // all is well
	phaseDisorder              // something arrived out of order
	phaseCWR                   // the window is being reduced: congestion was reported
	phaseRecovery              // fast recovery (RFC 6675, RFC 6582)
	phaseLoss                  // a timeout happened
)

var phaseNames = [...]string{"open", "disorder", "cwr", "recovery", "loss"}

// What Conf.Recovery changes, with the bits of net.ipv4.tcp_recovery.
const (
	RecoveryStaticWindow = 2 // the reordering window does not grow
	RecoveryNoDupThresh  = 4 // segments that arrive behind a gap are no sign of loss but by time
)

// recovery is the state of loss recovery.
type recovery struct {
	phase phase
	frto  bool // a timeout may have been spurious (RFC 5682)
	// point is snd.nxt when the phase began: RecoveryPoint of RFC 6675, recover of RFC 6582. An acknowledgement of
	// it ends the phase.
	point seq.Number

	dupAcks int // without SACK: segments that have arrived behind a gap, as duplicate acknowledgements say

	// What it takes to find that a reduction was spurious (RFC 3522, RFC 3708): where it began, how many of its
	// retransmissions were not reported as duplicates (less than zero: none was sent), and when the first left.
	marked    bool
	marker    seq.Number
	undoLeft  int
	firstRexm tcpip.Time

	lossSince tcpip.Time    // since when a timeout is being repaired; zero: none is
	lost      time.Duration // how long earlier repairs have taken

	// Proportional rate reduction (RFC 9937), segments.
	prrDelivered, prrOut int
}

// sackedOut returns the segments that have arrived behind a gap.
func (t *TCB) sackedOut() int {
	if t.opt.sack {
		return t.board.sacked
	}
	return t.rec.dupAcks
}

// pipe estimates what is in the network, in segments (RFC 6675 §4). Without SACK every duplicate acknowledgement
// stands for a segment that has left.
func (t *TCB) pipe() int {
	b := &t.board
	return max(b.segs-t.sackedOut()-b.lost+b.resent, 0)
}

// lose takes r for lost.
func (t *TCB) lose(r *record) {
	if r.flags&recSacked != 0 || r.flags&(recLost|recResent) == recLost {
		return
	}
	t.count.lost += uint32(r.segs)
	if f := t.cc.algorithm.lost; f != nil {
		f(t, r)
	}
	if t.board.lose(r) {
		t.tally(TallyLostRetransmit, int(r.segs))
	}
}

// alert is what an acknowledgement that is not in the ordinary course does: the state machine of loss recovery.
// dups is how many duplicate acknowledgements it stands for, prior is snd.una before it. It reports whether there is
// something to send again.
func (t *TCB) alert(now tcpip.Time, a *acked, dups int, prior seq.Number) (resend rexmit) {
	r := &t.rec
	advanced, ece := a.flags&ackAdvanced != 0, a.flags&ackECE != 0
	if ece {
		t.cc.priorSsthresh = 0
	}
	if t.checkReneging(now, a) {
		return rexmitNone
	}
	if r.phase == phaseOpen {
		r.firstRexm = 0
	} else if !t.snd.una.Less(r.point) {
		switch r.phase {
		case phaseCWR:
			// Something above must be acknowledged before the window is right again.
			if t.snd.una != r.point {
				t.endReduction(now)
				r.phase = phaseOpen
			}
		case phaseRecovery:
			t.settleDupAcks()
			if t.undoRecovery(now) {
				return rexmitNone
			}
			t.endReduction(now)
		}
	}
	switch r.phase {
	case phaseRecovery:
		if !advanced {
			t.addDupAcks(dups, ece)
		} else if t.undoPartial(now, prior) {
			return rexmitNone
		}
		if t.undoDuplicates(now) {
			t.tryOpen(now, a)
		}
		t.findLost(now, a)
		if r.phase != phaseRecovery {
			if t.board.lost == 0 {
				return rexmitNone
			}
			t.enterRecovery(now, ece)
		}
	case phaseLoss:
		resend = t.repairLoss(now, a, dups)
		t.findLost(now, a)
		if r.phase != phaseOpen && a.flags&ackLostAgain == 0 {
			return resend
		}
		if t.lookForLoss(now, a, dups, ece) == rexmitLost {
			resend = rexmitLost
		}
		return resend
	default:
		return t.lookForLoss(now, a, dups, ece)
	}
	return rexmitLost
}

// lookForLoss enters recovery if something is lost.
func (t *TCB) lookForLoss(now tcpip.Time, a *acked, dups int, ece bool) rexmit {
	if !t.opt.sack {
		if a.flags&ackAdvanced != 0 {
			t.settleDupAcks()
		}
		t.addDupAcks(dups, ece)
	}
	if t.rec.phase <= phaseDisorder {
		t.undoDuplicates(now)
	}
	t.findLost(now, a)
	if t.board.lost == 0 {
		t.tryOpen(now, a)
		return rexmitNone
	}
	if t.rec.phase < phaseCWR && t.probeLost() {
		return rexmitLost
	}
	t.enterRecovery(now, ece)
	return rexmitLost
}

// rexmit says what is to be sent after an acknowledgement.
type rexmit uint8

const (
	rexmitNone rexmit = iota
	rexmitLost        // what is lost
	rexmitNew         // new data rather than what is lost (RFC 5682)
)

// findLost takes for lost what this acknowledgement shows to be.
func (t *TCB) findLost(now tcpip.Time, a *acked) {
	if t.board.segs == 0 {
		return
	}
	if !t.opt.sack {
		r := &t.rec
		if r.phase < phaseRecovery && r.dupAcks >= t.rack.reordering || r.phase == phaseRecovery && a.flags&ackAdvanced != 0 {
			t.count.lost += uint32(t.board.loseFirst(t.cc.mss))
		}
		return
	}
	before := t.board.resent
	if t.rackMarkLost(now) {
		a.flags &^= ackSetTimer
	}
	if t.board.resent < before {
		a.flags |= ackLostAgain
	}
}

// checkReneging notes that what we know to have been received was not acknowledged: the peer may have thrown it away
// (RFC 2018 §8). It is not waited for long.
func (t *TCB) checkReneging(now tcpip.Time, a *acked) bool {
	if a.flags&(ackReneged|ackAdvanced) != ackReneged|ackAdvanced {
		return false
	}
	t.setTimer(now, pendingRexmit, max(t.rtt.srtt/2, renegeWait))
	a.flags &^= ackSetTimer
	return true
}

const renegeWait = 10 * time.Millisecond

// addDupAcks counts duplicate acknowledgements of a peer without SACK.
func (t *TCB) addDupAcks(n int, ece bool) {
	if t.opt.sack || n == 0 {
		return
	}
	before := t.rec.dupAcks
	t.rec.dupAcks += n
	t.limitDupAcks(0)
	if d := t.rec.dupAcks - before; d > 0 {
		t.noteArrived(d, ece)
	}
}

// limitDupAcks keeps the count of duplicates below what is in flight behind a gap. More of them than that show
// reordering.
func (t *TCB) limitDupAcks(more int) {
	b := &t.board
	holes := min(max(b.lost, 1), b.segs)
	if t.rec.dupAcks+holes > b.segs {
		t.rec.dupAcks = b.segs - holes
		t.rack.reordering = min(b.segs+more, t.conf.MaxReordering)
		t.rack.seen++
		t.tally(TallyRenoReorder, 1)
	}
}

// coverDupAcks takes off what an acknowledgement of n segments covers of the duplicates: all but the one that was
// missing, which counts as delivered.
func (t *TCB) coverDupAcks(n int, ece bool) {
	if n > 0 {
		t.noteArrived(max(n-t.rec.dupAcks, 1), ece)
		t.rec.dupAcks = max(t.rec.dupAcks-(n-1), 0)
	}
	t.limitDupAcks(n)
}

func (t *TCB) settleDupAcks() { t.rec.dupAcks = 0 }

// keepOpen settles the phase where no reduction is under way.
func (t *TCB) keepOpen() {
	next := phaseOpen
	if t.sackedOut()+t.board.lost > 0 || t.anyResent() {
		next = phaseDisorder
	}
	if t.rec.phase != next {
		t.rec.phase = next
		t.rec.point = t.snd.nxt
	}
}

// tryOpen settles the phase after an acknowledgement that showed no loss.
func (t *TCB) tryOpen(now tcpip.Time, a *acked) {
	if !t.anyResent() {
		t.rec.firstRexm = 0
	}
	if a.flags&ackECE != 0 {
		t.enterCWR(now)
	}
	if t.rec.phase != phaseCWR {
		t.keepOpen()
	}
}

// anyResent reports whether a retransmission may be in flight.
func (t *TCB) anyResent() bool {
	b := &t.board
	return b.resent > 0 || b.recs.len() > 0 && b.recs.first().flags&recRetrans != 0
}

// enterRecovery begins fast recovery.
func (t *TCB) enterRecovery(now tcpip.Time, ece bool) {
	r := &t.rec
	t.count.fastRecoveries++
	if t.opt.sack {
		t.tally(TallySackRecovery, 1)
	} else {
		t.tally(TallyRenoRecovery, 1)
	}
	if !t.anyResent() {
		r.firstRexm = 0
	}
	t.cc.priorSsthresh = 0
	t.initUndo()
	if !t.inReduction() {
		if !ece {
			t.cc.priorSsthresh = t.currentSsthresh()
		}
		t.startReduction(now)
	}
	t.cc.event(t, now, eventEnterRecovery)
	r.phase = phaseRecovery
}

// enterCWR begins to reduce the window because congestion was reported (RFC 3168 §6.1.2).
func (t *TCB) enterCWR(now tcpip.Time) {
	t.cc.priorSsthresh = 0
	if t.rec.phase < phaseCWR {
		t.rec.marked = false
		t.startReduction(now)
		t.rec.phase = phaseCWR
	}
}

func (t *TCB) inReduction() bool { return t.rec.phase == phaseCWR || t.rec.phase == phaseRecovery }

// currentSsthresh is what the threshold is worth: a window that is in use counts for three quarters.
func (t *TCB) currentSsthresh() int {
	if t.inReduction() {
		return t.cc.ssthresh
	}
	return max(t.cc.ssthresh, t.cc.cwnd/2+t.cc.cwnd/4)
}

// startReduction prepares the reduction of the window to a new threshold.
func (t *TCB) startReduction(now tcpip.Time) {
	t.rec.point = t.snd.nxt
	t.tlp.out = false
	t.cc.credit = 0
	t.cc.prior = t.cc.cwnd
	t.rec.prrDelivered, t.rec.prrOut = 0, 0
	t.cc.ssthresh = t.cc.algorithm.ssthresh(t, now)
	t.due.cwr = t.opt.ecn
}

// reduceWindow sets the window during a reduction, so that sending follows what arrives and ends at the threshold
// (RFC 9937 §6: its bound is chosen by whether the acknowledgement shows progress without loss).
func (t *TCB) reduceWindow(delivered, lost int, flags ackFlags) {
	r, c := &t.rec, &t.cc
	if delivered <= 0 || c.prior == 0 {
		return
	}
	flight := t.pipe()
	r.prrDelivered += delivered
	var send int
	if delta := c.ssthresh - flight; delta < 0 {
		send = scaled(r.prrDelivered, c.ssthresh, c.prior) - r.prrOut
	} else {
		send = max(r.prrDelivered-r.prrOut, delivered)
		if flags&ackAdvanced != 0 && lost == 0 {
			send++
		}
		send = min(delta, send)
	}
	if r.prrOut == 0 { // the first retransmission goes out at once
		send = max(send, 1)
	}
	c.cwnd = max(flight+max(send, 0), 1)
}

// endReduction sets the window to the threshold, unless the reduction was undone.
func (t *TCB) endReduction(now tcpip.Time) {
	if t.cc.controls() {
		return
	}
	if t.cc.ssthresh < infiniteSsthresh && (t.rec.phase == phaseCWR || t.rec.marked) {
		t.cc.cwnd = t.cc.ssthresh
		t.cc.stamp = now
	}
}

// scaled returns n*by/of, rounded up; the product may exceed an int of 32 bits.
func scaled(n, by, of int) int { return int((int64(n)*int64(by) + int64(of) - 1) / int64(of)) }
