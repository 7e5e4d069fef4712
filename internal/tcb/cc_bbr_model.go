package tcb

import (
	"math"

	"github.com/seed963a8790/netstack/tcpip"
)

// What acknowledgements and losses mean to the model of the path.

// bbrUndo is the model before the losses of a round (SaveStateUponLoss).
type bbrUndo struct {
	state                  bbrState
	left                   bool // the losses have ended that state
	bwLo                   int64
	inflightHi, inflightLo int
}

// bbrAggregation follows how much more than the bandwidth explains is acknowledged in bursts, in the last rounds
// (UpdateACKAggregation). The window allows for it.
type bbrAggregation struct {
	since     tcpip.Time
	delivered int
	slots     [2]int // the most of the last rounds before, and of these
	rounds    int
}

// bbrExtraRounds is half of ExtraAckedFilterLen; during STARTUP it is one round.
const bbrExtraRounds = 5

func (x *bbrAggregation) most() int { return max(x.slots[0], x.slots[1]) }

// after reports whether delivered segments have come as far as mark.
func after(delivered, mark uint32) bool { return int32(delivered-mark) >= 0 }

// updateLatest is UpdateLatestDeliverySignals.
func (b *bbr) updateLatest(t *TCB, rs *rateSample) {
	b.lossRoundStart = false
	b.bwNow = max(b.bwNow, b.sample)
	b.inflightNow = max(b.inflightNow, rs.delivered)
	if rs.known && after(rs.priorDelivered, b.lossRoundEnd) {
		b.lossRoundEnd, b.lossRoundStart = t.count.delivered, true
	}
}

// advanceLatest is AdvanceLatestDeliverySignals.
func (b *bbr) advanceLatest(rs *rateSample) {
	if b.lossRoundStart {
		b.bwNow, b.inflightNow = b.sample, rs.delivered
	}
}

// updateCongestion is UpdateCongestionSignals, with UpdateRound and UpdateMaxBw.
func (b *bbr) updateCongestion(t *TCB, rs *rateSample) {
	if b.roundStart = rs.known && after(rs.priorDelivered, b.roundEnd); b.roundStart {
		b.startRound(t)
		b.roundsSince++
	}
	if b.sample > 0 && (b.sample >= b.highest() || !rs.limited) {
		b.maxBw[1] = max(b.maxBw[1], b.sample)
	}
	if !b.lossRoundStart {
		return
	}
	lost, came := int(t.count.lost-b.lossMark), int(t.count.delivered-b.came)
	b.lossMark, b.came = t.count.lost, t.count.delivered
	if b.lossInRound && !b.state.probes() && (b.queued(t) || b.tooManyLost(t, lost, came)) { // AdaptLowerBoundsFromCongestion
		if b.bwLo == infiniteBandwidth {
			b.bwLo = b.highest()
		}
		if b.inflightLo == infiniteSsthresh {
			b.inflightLo = t.cc.cwnd
		}
		b.bwLo = max(b.bwNow, b.bwLo/256*bbrBeta)
		b.inflightLo = max(b.inflightNow, b.inflightLo*bbrBeta/256)
	}
	b.lossInRound = false
}

func (b *bbr) startRound(t *TCB) { b.roundEnd = t.count.delivered }

// updateAggregation is UpdateACKAggregation.
func (b *bbr) updateAggregation(t *TCB, now tcpip.Time, rs *rateSample) {
	x := &b.extra
	length := 1
	if b.full.reached {
		length = bbrExtraRounds
	}
	if b.roundStart {
		if x.rounds++; x.rounds >= length {
			x.rounds, x.slots = 0, [2]int{x.slots[1], 0}
		}
	}
	us := min(now.Sub(x.since).Microseconds(), 10_000_000)
	expected := int(b.bandwidth() / 1000 * us / 1000 / int64(max(t.cc.mss, 1)))
	if x.delivered <= expected {
		x.delivered, x.since, expected = 0, now, 0
	}
	x.delivered += rs.acked
	x.slots[1] = max(x.slots[1], min(x.delivered-expected, t.cc.cwnd))
}

// checkFull is CheckFullBWReached.
func (b *bbr) checkFull(rs *rateSample) {
	f := &b.full
	if f.now || !b.roundStart || rs.limited {
		return
	}
	if b.sample >= f.bw+f.bw/4 {
		b.resetFull()
		f.bw = b.sample
		return
	}
	f.count++
	if f.now = f.count >= bbrStartupRounds; f.now {
		f.reached = true
	}
}

// resetFull is ResetFullBW.
func (b *bbr) resetFull() { b.full = bbrFull{reached: b.full.reached} }

// noteLoss is NoteLoss.
func (b *bbr) noteLoss(t *TCB) {
	if b.lossInRound {
		return
	}
	b.lossRoundEnd, b.lossInRound = t.count.delivered, true
	b.undo = bbrUndo{b.state, false, b.bwLo, b.inflightHi, b.inflightLo}
}

// bbrLost is HandleLostPacket: t.count has r among the lost.
func bbrLost(t *TCB, r *record) {
	b := t.cc.bbr
	if b == nil {
		return
	}
	b.noteLoss(t)
	if r.seq != b.lossEnd {
		b.lossRanges++
	}
	b.lossEnd = r.end
	flight, lost, n := int(r.flight), int(t.count.lost-r.tx.lost), int(r.segs)
	if !b.probing || !b.tooHigh(t, lost, flight) {
		return
	}
	// InflightAtLoss: how much had been in flight where the losses passed the threshold, or with r if they have not.
	prefix := min(((flight-n)-bbrLossOf*(lost-n))/(bbrLossOf-1), n)
	b.inflightTooHigh(t, max(flight-n+prefix, 0), r.flags&recLimited != 0)
}

// inflightTooHigh is HandleInflightTooHigh; the change of phase is left to the next acknowledgement.
func (b *bbr) inflightTooHigh(t *TCB, flight int, limited bool) {
	b.probing, b.wasTooHigh = false, true
	if !limited {
		b.inflightHi = max(flight, b.target(t)*bbrBeta/256)
	}
	b.stop = b.state == bbrUp
	b.undo.left = b.undo.left || b.stop
}

// target is TargetInflight.
func (b *bbr) target(t *TCB) int { return min(b.product(t, b.bandwidth(), bbrUnit), t.cc.cwnd) }

// tooManyLost reports whether more than LossThresh of flight was lost. The draft looks at the share alone, so that losses by
// chance of half as many would now and then count; one is passed over here, and two standard deviations, unless round trips
// say that there is a queue. Without SACK no more than one loss in a round trip is seen.
func (b *bbr) tooManyLost(t *TCB, lost, flight int) bool {
	if !t.opt.sack {
		return lost > 0
	}
	if !b.queued(t) {
		lost -= bbrChance + int(2*math.Sqrt(float64(flight)/bbrLossOf))
	}
	return lost*bbrLossOf > flight
}

// tooHigh is IsInflightTooHigh. The draft lets two of a hundred be lost even where a queue overflows that another flow
// shares: one of CUBIC slows down each time that it loses anything, and this one never. Where a quarter more is in flight
// than the path holds and round trips say that it waits in a queue, any loss is too much here, so that at a hundred
// milliseconds and above CUBIC keeps a fifth of the link and not a tenth or less.
func (b *bbr) tooHigh(t *TCB, lost, flight int) bool {
	if lost > 0 && b.queued(t) && flight > b.product(t, b.highest(), bbrUnit+bbrUnit/bbrQueueOf) {
		return true
	}
	return b.tooManyLost(t, lost, flight)
}

// queued reports whether round trips say that there is a queue.
func (b *bbr) queued(t *TCB) bool { return t.rtt.srtt >= b.minRTT+b.minRTT/bbrQueueOf }

// adaptUpper is AdaptLongTermModel, and reports whether the next phase has begun.
func (b *bbr) adaptUpper(t *TCB, rs *rateSample) bool {
	if b.roundStart {
		switch b.acks {
		case bbrAcksStarting:
			b.acks = bbrAcksFeedback
		case bbrAcksStopping:
			b.probing, b.acks = false, bbrAcksInit
			if b.state.cycles() && !rs.limited && b.maxBw[1] > 0 { // AdvanceMaxBwFilter
				b.maxBw = [2]int64{b.maxBw[1], 0}
			}
			if b.state.cycles() && b.careful && !b.wasTooHigh {
				b.startRefill(t)
				return true
			}
		}
	}
	if !rs.known || b.inflightHi == infiniteSsthresh || b.tooHigh(t, rs.lostSince, rs.sentFlight) {
		return false
	}
	b.inflightHi = max(b.inflightHi, rs.sentFlight)
	if b.state == bbrUp {
		b.raiseInflightHi(t, rs)
	}
	return false
}

// raiseInflightHi is ProbeInflightLongtermUpward: faster from round to round.
func (b *bbr) raiseInflightHi(t *TCB, rs *rateSample) {
	if !t.cc.limited || t.cc.cwnd < b.inflightHi {
		return
	}
	b.raiseAcked += rs.acked
	n := b.raiseAcked / b.raiseEvery
	b.raiseAcked -= n * b.raiseEvery
	b.inflightHi = min(b.inflightHi+n, infiniteSsthresh-1)
	if b.roundStart {
		b.raiseSlope(t)
	}
}

func (b *bbr) raiseSlope(t *TCB) {
	b.raiseEvery = max(t.cc.cwnd>>b.raiseRounds, 1)
	b.raiseRounds = min(b.raiseRounds+1, 30)
}

// bbrRestore is HandleSpuriousLossDetection: what losses had changed that were none is as it was.
func bbrRestore(t *TCB, now tcpip.Time) int {
	b := bbrOf(t, now)
	u := &b.undo
	b.lossInRound = false
	b.resetFull()
	if u.bwLo > 0 {
		b.bwLo = max(b.bwLo, u.bwLo)
		b.inflightHi, b.inflightLo = max(b.inflightHi, u.inflightHi), max(b.inflightLo, u.inflightLo)
	}
	if u.left && b.state != u.state {
		b.full.reached = b.full.reached && u.state != bbrStartup
		switch {
		case b.state == bbrProbeRTT:
		case u.state == bbrStartup:
			b.state = bbrStartup
		case u.state == bbrUp:
			b.startRefill(t)
		}
	}
	u.left, b.stop = false, false
	return max(t.cc.cwnd, b.prior)
}
