package tcb

import (
	"time"

	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// bbr is BBR version 3 (draft-ietf-ccwg-bbr-06): a model of the path, its bandwidth and its shortest round trip, says how
// fast is sent and how much is in flight. Names in comments are the draft's, volumes are segments and bandwidths bytes
// per second. ECN is not looked at. Otherwise than in the draft, losses that may be chance do not count where there is no queue
// (tooManyLost), and in a queue a probe ends with the first (tooHigh). A connection has one only while it uses it.
type bbr struct {
	state bbrState
	acks  bbrAcks

	// Rounds (UpdateRound), as counts of delivered segments.
	roundEnd       uint32 // next_round_delivered
	roundStart     bool
	roundsSince    int // rounds_since_bw_probe
	lossRoundEnd   uint32
	lossRoundStart bool
	lossInRound    bool
	lossMark, came uint32 // t.count.lost and delivered when the round of losses began
	lossRanges     int    // that were lost in this round, apart from each other
	lossEnd        seq.Number

	// The model.
	sample      int64          // RS.delivery_rate; zero: there is none
	maxBw       [2]int64       // MaxBwFilter: of the last and of this cycle of PROBE_BW
	bwLo, bwNow int64          // bw_shortterm, bw_latest
	inflightHi  int            // inflight_longterm: what did not lose too much
	inflightLo  int            // inflight_shortterm: what other flows seem to leave
	inflightNow int            // inflight_latest
	full        bbrFull        // whether more bandwidth can be found
	minRTT      time.Duration  // zero: not known
	minRTTAt    tcpip.Time     // when it was measured
	probeRTT    time.Duration  // probe_rtt_min_delay
	probeRTTAt  tcpip.Time     // probe_rtt_min_stamp
	extra       bbrAggregation // by how much acknowledgements come in bursts
	undo        bbrUndo        // as it was before the losses of this round

	// Probing for bandwidth.
	cycleAt     tcpip.Time // when this phase began
	wait        time.Duration
	raiseEvery  int // probe_up_cnt: segments acknowledged for one more of inflightHi
	raiseAcked  int
	raiseRounds int
	probing     bool // is_bw_probe_sample: losses tell about a probe
	stop        bool // losses have ended a probe, and the phase is to follow
	wasTooHigh  bool // prev_probe_too_high: the last probe ended by losses
	careful     bool // prev_probe_precautionary: it ended where the one before had been too much
	drainRounds int  // since DRAIN began

	probeRTTDone  tcpip.Time // probe_rtt_done_stamp
	probeRTTRound bool       // a round has passed since
	idleRestart   bool

	prior int   // prior_cwnd
	phase phase // of recovery, at the last acknowledgement
	rate  int64 // pacing_rate
	seed  uint32
}

// bbrFull estimates whether the bandwidth still grows (full_bw).
type bbrFull struct {
	bw      int64
	count   int
	now     bool // full_bw_now
	reached bool // full_bw_reached: once, at the end of STARTUP
}

type bbrState uint8

const (
	bbrStartup bbrState = iota
	bbrDrain
	bbrDown
	bbrCruise
	bbrRefill
	bbrUp
	bbrProbeRTT
)

// bbrGains are the pacing and cwnd gains of the states, in 1/256.
var bbrGains = [...]struct{ pacing, cwnd int }{
	bbrStartup:  {710, 512}, // 2.77, 2
	bbrDrain:    {128, 512}, // 0.5
	bbrDown:     {230, 512}, // 0.9
	bbrCruise:   {256, 512},
	bbrRefill:   {256, 512},
	bbrUp:       {320, 576}, // 1.25, 2.25
	bbrProbeRTT: {256, 128},
}

const bbrUnit = 256

// cycles reports whether s is a phase of PROBE_BW.
func (s bbrState) cycles() bool { return s >= bbrDown && s <= bbrUp }

// probes is IsProbingBW: losses are expected, and say nothing about other flows.
func (s bbrState) probes() bool { return s == bbrStartup || s == bbrRefill || s == bbrUp }

const (
	bbrMinPipe       = 4   // MinPipeCwnd
	bbrLossOf        = 50  // one of so many lost is too much: LossThresh, 2 %
	bbrChance        = 1   // losses that do not count
	bbrQueueOf       = 4   // by one of so many parts of the shortest round trip a queue makes them longer
	bbrBeta          = 179 // of 256: 0.7
	bbrHeadroom      = 15  // percent of inflightHi: Headroom
	bbrMargin        = 99  // percent of the bandwidth that is sent at: PacingMarginPercent
	bbrStartupLosses = 6   // StartupFullLossCnt
	bbrStartupRounds = 3
	bbrDrainRounds   = 3
	bbrRenoRounds    = 63 // rounds between two probes at most

	bbrMinRTTLength  = 10 * time.Second // MinRTTFilterLen
	bbrProbeRTTEvery = 5 * time.Second
	bbrProbeRTTTime  = 200 * time.Millisecond
	bbrProbeWait     = 2 * time.Second // and up to one more, by chance
)

// bbrOf returns the state of a connection that BBR controls, which begins with the first acknowledgement.
func bbrOf(t *TCB, now tcpip.Time) *bbr {
	if b := t.cc.bbr; b != nil {
		return b
	}
	b := &bbr{
		bwLo: infiniteBandwidth, inflightHi: infiniteSsthresh, inflightLo: infiniteSsthresh, raiseEvery: infiniteSsthresh,
		minRTT: t.rtt.min, minRTTAt: now, probeRTT: t.rtt.min, probeRTTAt: now, cycleAt: now,
		prior: t.cc.cwnd, phase: t.rec.phase, seed: t.id.ISS | 1, rate: bbrNominal(t),
	}
	b.extra.since = now
	b.lossMark, b.came = t.count.lost, t.count.delivered
	b.roundEnd, b.lossRoundEnd = t.count.delivered, t.count.delivered
	t.cc.bbr, t.cc.ssthresh = b, infiniteSsthresh
	return b
}

const infiniteBandwidth = int64(1) << 62

// bbrNominal is the rate of STARTUP for the window at hand (InitPacingRate).
func bbrNominal(t *TCB) int64 {
	rtt := t.rtt.srtt
	if rtt <= 0 {
		rtt = time.Millisecond
	}
	return max(perSecond(t.cc.cwnd*t.cc.mss, rtt)*int64(bbrGains[bbrStartup].pacing)/bbrUnit, 1)
}

// perSecond returns what n bytes in d are in a second.
func perSecond(n int, d time.Duration) int64 {
	us := max(d.Microseconds(), 1)
	return int64(n) * 1_000_000 / us
}

// bbrControl is UpdateOnACK.
func bbrControl(t *TCB, now tcpip.Time, rs rateSample) {
	b := t.cc.bbr
	if b == nil {
		b = bbrOf(t, now)
		b.roundEnd, b.lossRoundEnd = rs.priorDelivered, rs.priorDelivered // what it covers is the first round
	}
	b.sample = 0
	if rs.known && rs.interval > 0 && rs.delivered > 0 {
		b.sample = perSecond(rs.delivered*t.cc.mss, rs.interval)
	}
	if rs.lost > 0 {
		b.noteLoss(t)
	}
	b.updateLatest(t, &rs)
	b.updateCongestion(t, &rs)
	b.updateAggregation(t, now, &rs)
	b.checkFull(&rs)
	b.checkStartup(t, now, &rs)
	b.checkDrain(t, now)
	b.updateCycle(t, now, &rs)
	b.updateMinRTT(t, now, &rs)
	b.advanceLatest(&rs)
	b.setRate(bbrGains[b.state].pacing)
	b.setCwnd(t, &rs)
}

// bandwidth is BBR.bw.
func (b *bbr) bandwidth() int64 { return min(b.highest(), b.bwLo) }

func (b *bbr) highest() int64 { return max(b.maxBw[0], b.maxBw[1]) }

// product returns gain times the bandwidth-delay product of bw, segments (BDPMultiple).
func (b *bbr) product(t *TCB, bw int64, gain int) int {
	if b.minRTT <= 0 || bw == 0 {
		return t.initialWindow() * gain / bbrUnit
	}
	bytes := bw / 1000 * b.minRTT.Microseconds() / 1000
	return int((bytes*int64(gain)/bbrUnit + int64(t.cc.mss) - 1) / int64(max(t.cc.mss, 1)))
}

// quantize allows for super-segments and delayed acknowledgements (QuantizationBudget).
func (b *bbr) quantize(t *TCB, n int) int {
	n = max(n, 3*t.segmentLimit(t.cc.mss)/max(t.cc.mss, 1), bbrMinPipe)
	if b.state == bbrUp {
		n += 2
	}
	return n
}

// inflight is Inflight with the highest bandwidth.
func (b *bbr) inflight(t *TCB, gain int) int {
	return b.quantize(t, b.product(t, b.highest(), gain))
}

// setRate is SetPacingRateWithGain.
func (b *bbr) setRate(gain int) {
	rate := b.bandwidth() / bbrUnit * int64(gain) / 100 * bbrMargin
	if rate > 0 && (b.full.reached || rate > b.rate) {
		b.rate = rate
	}
}

// setCwnd is SetCwnd. At the end of a recovery the window is what it was before.
func (b *bbr) setCwnd(t *TCB, rs *rateSample) {
	c := &t.cc
	if b.phase >= phaseRecovery && t.rec.phase < phaseRecovery {
		b.restoreCwnd(t)
	}
	b.phase = t.rec.phase
	target := b.quantize(t, b.product(t, b.bandwidth(), bbrGains[b.state].cwnd)+b.extra.most())
	if b.full.reached {
		c.cwnd = min(c.cwnd+rs.acked, target)
	} else if c.cwnd < target || int(t.count.delivered) < t.initialWindow() {
		c.cwnd += rs.acked
	}
	c.cwnd = max(c.cwnd, bbrMinPipe)
	if b.state == bbrProbeRTT {
		c.cwnd = min(c.cwnd, b.probeRTTCwnd(t))
	}
	// BoundCwndForModel
	limit := infiniteSsthresh
	switch {
	case b.state == bbrProbeRTT || b.state == bbrCruise:
		limit = b.headroom()
	case b.state.cycles():
		limit = b.inflightHi
	}
	c.cwnd = min(c.cwnd, max(min(limit, b.inflightLo), bbrMinPipe))
}

// headroom is InflightWithHeadroom: some of what would fit is left to others.
func (b *bbr) headroom() int {
	if b.inflightHi == infiniteSsthresh {
		return infiniteSsthresh
	}
	return max(b.inflightHi-max(b.inflightHi/100*bbrHeadroom+b.inflightHi%100*bbrHeadroom/100, 1), bbrMinPipe)
}

func (b *bbr) probeRTTCwnd(t *TCB) int {
	return max(b.product(t, b.bandwidth(), bbrGains[bbrProbeRTT].cwnd), bbrMinPipe)
}

// saveCwnd is SaveCwnd.
func (b *bbr) saveCwnd(t *TCB) {
	if b.phase < phaseRecovery && b.state != bbrProbeRTT {
		b.prior = t.cc.cwnd
	} else {
		b.prior = max(b.prior, t.cc.cwnd)
	}
}

func (b *bbr) restoreCwnd(t *TCB) { t.cc.cwnd = max(t.cc.cwnd, b.prior) }

// random returns a number below n, the same in every run (RFC 6528's ISS is where it begins).
func (b *bbr) random(n int) int {
	b.seed ^= b.seed << 13
	b.seed ^= b.seed >> 17
	b.seed ^= b.seed << 5
	return int(b.seed>>1) % n
}

// bbrSsthresh remembers the window when a recovery begins; there is no threshold.
func bbrSsthresh(t *TCB, now tcpip.Time) int {
	bbrOf(t, now).saveCwnd(t)
	return infiniteSsthresh
}

// bbrPacing returns the pacing rate.
func bbrPacing(t *TCB) int64 {
	if b := t.cc.bbr; b != nil {
		return b.rate
	}
	return bbrNominal(t)
}

// bbrEvent is HandleRestartFromIdle.
func bbrEvent(t *TCB, now tcpip.Time, e ccEvent) {
	b := t.cc.bbr
	if b == nil || e != eventStart || t.rate.limited == 0 {
		return
	}
	b.idleRestart, b.extra.since = true, now
	if b.state.cycles() {
		b.setRate(bbrUnit)
	} else if b.state == bbrProbeRTT {
		b.checkProbeRTTDone(t, now)
	}
}

// BBRInfo is what BBR says of itself.
type BBRInfo struct {
	Bandwidth              int64 // bytes per second
	MinRTT                 time.Duration
	PacingGain, WindowGain int // in 1/256
}

// BBR returns what BBR says of itself, and whether it is in use.
func (t *TCB) BBR() (i BBRInfo, ok bool) {
	if t.cc.algorithm != &algorithms[BBR] {
		return i, false
	}
	gains := bbrGains[bbrStartup]
	if b := t.cc.bbr; b != nil {
		gains = bbrGains[b.state]
		i.Bandwidth, i.MinRTT = b.bandwidth(), b.minRTT
	}
	i.PacingGain, i.WindowGain = gains.pacing, gains.cwnd
	return i, true
}
