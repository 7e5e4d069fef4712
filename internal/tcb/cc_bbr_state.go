package tcb

import (
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// bbrAcks says what the acknowledgements that come in tell about a probe for bandwidth (ack_phase).
type bbrAcks uint8

const (
	bbrAcksInit      bbrAcks = iota
	bbrAcksRefilling         // they are of before the probe
	bbrAcksStarting          // the probe has begun
	bbrAcksFeedback          // they are of the probe
	bbrAcksStopping          // it is over, and some are still of it
)

// checkStartup is CheckStartupDone: no more bandwidth is to be found, or too much is lost.
func (b *bbr) checkStartup(t *TCB, now tcpip.Time, rs *rateSample) {
	if b.state == bbrStartup && !b.full.reached && b.lossRoundStart && t.rec.phase == phaseRecovery && rs.known &&
		(b.lossRanges >= bbrStartupLosses || !t.opt.sack) && b.tooManyLost(t, rs.lostSince, rs.sentFlight) { // CheckStartupHighLoss
		b.full.reached, b.undo.left = true, true
		b.inflightHi = max(b.product(t, b.highest(), bbrUnit), b.inflightNow)
	}
	if b.lossRoundStart {
		b.lossRanges = 0
	}
	if b.state == bbrStartup && b.full.reached {
		b.state, b.drainRounds = bbrDrain, 0
	}
}

// checkDrain is CheckDrainDone: the queue of STARTUP has gone, or should have.
func (b *bbr) checkDrain(t *TCB, now tcpip.Time) {
	if b.state != bbrDrain {
		return
	}
	if b.roundStart {
		b.drainRounds++
	}
	if t.pipe() <= b.inflight(t, bbrUnit) || b.drainRounds > bbrDrainRounds {
		b.startDown(t, now)
	}
}

// updateCycle is UpdateProbeBWCyclePhase.
func (b *bbr) updateCycle(t *TCB, now tcpip.Time, rs *rateSample) {
	if !b.full.reached {
		return
	}
	if b.stop {
		if b.stop = false; b.state == bbrUp {
			b.startDown(t, now)
		}
		return
	}
	if b.adaptUpper(t, rs) {
		return
	}
	switch b.state {
	case bbrDown:
		if b.timeToProbe(t, now) {
			return
		}
		if n := t.pipe(); n <= b.headroom() && n <= b.inflight(t, bbrUnit) { // IsTimeToCruise
			b.state = bbrCruise
		}
	case bbrCruise:
		b.timeToProbe(t, now)
	case bbrRefill:
		if b.roundStart {
			b.probing = true
			b.startUp(t)
		}
	case bbrUp:
		if b.timeToGoDown(t, rs) {
			b.wasTooHigh = false
			b.startDown(t, now)
		}
	}
}

// timeToProbe is IsTimeToProbeBW: after two to three seconds, and no later than a Reno flow would have grown by as
// much.
func (b *bbr) timeToProbe(t *TCB, now tcpip.Time) bool {
	if now.Sub(b.cycleAt) <= b.wait && b.roundsSince < min(b.target(t), bbrRenoRounds) {
		return false
	}
	b.startRefill(t)
	return true
}

// timeToGoDown is IsTimeToGoDown: there is no more bandwidth, and not because of inflightHi. After a probe that lost
// too much, the next one goes no farther than there (Precautionary Bandwidth Probing): what was in flight when the
// acknowledgement came is what counts.
func (b *bbr) timeToGoDown(t *TCB, rs *rateSample) bool {
	if b.wasTooHigh && t.pipe()+rs.acked >= b.inflightHi {
		b.careful = true
		return true
	}
	if t.cc.limited && t.cc.cwnd >= b.inflightHi {
		b.resetFull()
		b.full.bw = b.sample
		return false
	}
	return b.full.now
}

// startDown is StartProbeBW_DOWN: the queue that the probe has made drains.
func (b *bbr) startDown(t *TCB, now tcpip.Time) {
	// ResetCongestionSignals
	b.lossInRound, b.bwNow, b.inflightNow = false, 0, 0
	b.raiseEvery = infiniteSsthresh
	b.roundsSince = b.random(2) // PickProbeWait
	b.wait = bbrProbeWait + time.Duration(b.random(1000))*time.Millisecond
	b.cycleAt = now
	b.acks = bbrAcksStopping
	b.startRound(t)
	b.state = bbrDown
}

// startRefill is StartProbeBW_REFILL: for a round the pipe is filled, without a queue.
func (b *bbr) startRefill(t *TCB) {
	b.resetLower()
	b.raiseRounds, b.raiseAcked = 0, 0
	b.careful = false
	b.acks = bbrAcksRefilling
	b.startRound(t)
	b.state = bbrRefill
}

// startUp is StartProbeBW_UP: more is sent than the path is known to take.
func (b *bbr) startUp(t *TCB) {
	b.acks = bbrAcksStarting
	b.startRound(t)
	b.resetFull()
	b.full.bw = b.sample
	b.state = bbrUp
	b.raiseSlope(t)
}

// resetLower is ResetShortTermModel.
func (b *bbr) resetLower() { b.bwLo, b.inflightLo = infiniteBandwidth, infiniteSsthresh }

// updateMinRTT is UpdateMinRTT and CheckProbeRTT.
func (b *bbr) updateMinRTT(t *TCB, now tcpip.Time, rs *rateSample) {
	expired := now.Sub(b.probeRTTAt) > bbrProbeRTTEvery
	if rs.rtt > 0 && (b.probeRTT == 0 || rs.rtt < b.probeRTT || expired) {
		b.probeRTT, b.probeRTTAt = rs.rtt, now
	}
	if b.probeRTT > 0 && (b.minRTT == 0 || b.probeRTT < b.minRTT || now.Sub(b.minRTTAt) > bbrMinRTTLength) {
		b.minRTT, b.minRTTAt = b.probeRTT, b.probeRTTAt
	}
	if b.state != bbrProbeRTT && expired && !b.idleRestart {
		b.saveCwnd(t)
		b.state, b.probeRTTDone, b.acks = bbrProbeRTT, 0, bbrAcksStopping
		b.startRound(t)
	}
	if b.state == bbrProbeRTT {
		b.handleProbeRTT(t, now)
	}
	if rs.delivered > 0 {
		b.idleRestart = false
	}
}

// handleProbeRTT is HandleProbeRTT: for 200 ms and a round, so little is in flight that there is no queue. What is
// measured meanwhile says nothing about bandwidth.
func (b *bbr) handleProbeRTT(t *TCB, now tcpip.Time) {
	t.rate.limited = max(t.count.delivered+uint32(t.pipe()), 1)
	if b.probeRTTDone == 0 {
		if t.pipe() <= b.probeRTTCwnd(t) {
			b.probeRTTDone, b.probeRTTRound = now.Add(bbrProbeRTTTime), false
			b.startRound(t)
		}
		return
	}
	b.probeRTTRound = b.probeRTTRound || b.roundStart
	if b.probeRTTRound {
		b.checkProbeRTTDone(t, now)
	}
}

// checkProbeRTTDone is CheckProbeRTTDone and ExitProbeRTT.
func (b *bbr) checkProbeRTTDone(t *TCB, now tcpip.Time) {
	if b.probeRTTDone == 0 || now <= b.probeRTTDone {
		return
	}
	b.probeRTTAt = now
	b.restoreCwnd(t)
	b.resetLower()
	if b.full.reached {
		b.startDown(t, now)
		b.state = bbrCruise
	} else {
		b.state = bbrStartup
	}
}
