package tcb

import (
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// A reduction of the window is undone when it turns out that nothing had been lost: the acknowledgement of what was sent
// again echoes a timestamp from before (the Eifel detection, RFC 3522), or every retransmission was reported as a
// duplicate (RFC 3708), or data arrived that was never sent again (RFC 5682).

// initUndo remembers what is needed to find out.
func (t *TCB) initUndo() {
	r := &t.rec
	r.marked, r.marker = true, t.snd.una
	r.undoLeft = t.board.resent // their duplicates may be reported later
	if t.tlp.out && t.tlp.retrans {
		r.undoLeft++
	}
	if r.undoLeft == 0 {
		r.undoLeft = -1
	}
}

// mayUndo reports whether nothing was lost.
func (t *TCB) mayUndo() bool {
	return t.rec.marked && (t.rec.undoLeft == 0 || t.wasDelayed())
}

// wasDelayed reports whether the acknowledgement echoes a timestamp of before the first retransmission.
func (t *TCB) wasDelayed() bool {
	r := &t.rec
	return r.firstRexm != 0 && t.opt.timestamps && t.rcv.echo.ok && int32(t.rcv.echo.val-tsClock(r.firstRexm, t.id.TSOffset)) < 0
}

// undoReduction brings window and threshold back; unlose says that nothing counts as lost any more.
func (t *TCB) undoReduction(now tcpip.Time, unlose bool) {
	c := &t.cc
	if unlose {
		t.board.unlose()
	}
	if c.priorSsthresh != 0 {
		c.cwnd = c.algorithm.restore(t, now)
		if c.priorSsthresh > c.ssthresh {
			c.ssthresh = c.priorSsthresh
			t.due.cwr = false
		}
	}
	c.stamp = now
	t.rec.marked = false
	t.rack.advanced = true // to look anew
}

// undoRecovery is called when all that was in flight when recovery began is acknowledged. It reports whether the phase
// stays: without SACK, later duplicates could be taken for those of another loss (RFC 6582 §4).
func (t *TCB) undoRecovery(now tcpip.Time) (stay bool) {
	if t.mayUndo() {
		if t.rec.phase == phaseLoss {
			t.tally(TallyLossUndo, 1)
		} else {
			t.tally(TallyFullUndo, 1)
		}
		t.undoReduction(now, false)
	} else if t.rack.persist > 0 {
		t.rack.persist--
	}
	if t.staysForReno() {
		return true
	}
	t.setOpen(now)
	return false
}

// staysForReno reports whether the phase must last until something above its end is acknowledged.
func (t *TCB) staysForReno() bool {
	if t.snd.una != t.rec.point || t.opt.sack {
		return false
	}
	if !t.anyResent() {
		t.rec.firstRexm = 0
	}
	return true
}

func (t *TCB) setOpen(now tcpip.Time) {
	t.rec.phase = phaseOpen
	t.endLossTime(now)
}

// undoPartial is called for an acknowledgement of a part of what recovery repairs: if it shows that a segment was only
// late, the reduction is undone; what this acknowledgement shows to be lost all the same begins another recovery. It
// reports whether retransmissions are in flight, so that nothing more is to be sent again before there is news of them.
func (t *TCB) undoPartial(now tcpip.Time, prior seq.Number) bool {
	if !t.rec.marked || !t.wasDelayed() {
		return false
	}
	t.sawReordering(prior, TallyTSReorder)
	// What is still in flight of the retransmissions is waited for.
	if t.board.resent > 0 {
		return true
	}
	if !t.anyResent() {
		t.rec.firstRexm = 0
	}
	t.tally(TallyPartialUndo, 1)
	t.undoReduction(now, true)
	t.keepOpen()
	return false
}

// undoDuplicates undoes if every retransmission was reported as a duplicate.
func (t *TCB) undoDuplicates(now tcpip.Time) bool {
	if !t.rec.marked || t.rec.undoLeft != 0 {
		return false
	}
	t.rack.persist = min(rackPersist, t.rack.persist+1)
	t.tally(TallyDSACKUndo, 1)
	t.undoReduction(now, false)
	return true
}

// undoLoss undoes what a timeout has done. spurious says that F-RTO knows it was.
func (t *TCB) undoLoss(now tcpip.Time, spurious bool) bool {
	if !spurious && !t.mayUndo() {
		return false
	}
	t.undoReduction(now, true)
	t.tally(TallyLossUndo, 1)
	if spurious {
		t.tally(TallySpuriousRTOs, 1)
	}
	t.snd.retries = 0
	if t.staysForReno() {
		return true
	}
	if spurious || t.opt.sack {
		t.setOpen(now)
	}
	return true
}

// highestSacked returns the end of the highest segment that has arrived behind a gap.
func (t *TCB) highestSacked() seq.Number {
	if t.board.sacked == 0 {
		return t.snd.una
	}
	return t.board.highSacked
}
