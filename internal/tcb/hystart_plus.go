package tcb

import (
	"time"

	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// hystartPlus is HyStart++ (RFC 9406): the first slow start ends when round trips grow, by way of a conservative one (CSS)
// that finds out whether they grew by chance. A connection has it only with Conf.HyStartPlus.
type hystartPlus struct {
	end           seq.Number    // windowEnd: where this round ends
	last, current time.Duration // lastRoundMinRTT, currentRoundMinRTT; zero is infinity
	baseline      time.Duration // cssBaselineMinRtt
	samples       int           // rttSampleCount
	css           bool
	rounds        int // of CSS that have ended
	credit        int // segments acknowledged in CSS and not yet turned into window
	begun         bool
}

// The constants of §4.3.
const (
	plusMinThreshold = 4 * time.Millisecond  // MIN_RTT_THRESH
	plusMaxThreshold = 16 * time.Millisecond // MAX_RTT_THRESH
	plusDivisor      = 8                     // MIN_RTT_DIVISOR
	plusSamples      = 8                     // N_RTT_SAMPLE
	plusGrowth       = 4                     // CSS_GROWTH_DIVISOR
	plusRounds       = 5                     // CSS_ROUNDS
	plusBurst        = 8                     // L, segments, for senders that do not pace
)

// plusOf returns the state as long as HyStart++ has a say: in the first slow start (§4.3).
func plusOf(t *TCB) *hystartPlus {
	if t.cc.ssthresh != infiniteSsthresh {
		return nil
	}
	return t.cc.plus
}

// sample takes the round trip of an acknowledgement (§4.2).
func (h *hystartPlus) sample(t *TCB, rtt time.Duration) {
	if h.begun && h.end.LessEq(t.snd.una) {
		if h.css {
			if h.rounds++; h.rounds >= plusRounds {
				t.cc.ssthresh = t.cc.cwnd
				return
			}
		}
		h.begun, h.last, h.current, h.samples = false, h.current, 0, 0
	}
	if !h.begun {
		if h.end = t.snd.nxt; h.end == t.snd.una { // nothing is in flight: a round begins with what will be
			return
		}
		h.begun = true
	}
	if h.samples++; h.current == 0 || rtt < h.current {
		h.current = rtt
	}
	if h.samples < plusSamples {
		return
	}
	if h.css {
		if h.current < h.baseline { // it was chance: slow start goes on
			h.css, h.baseline = false, 0
		}
		return
	}
	if h.last == 0 {
		return
	}
	if h.current >= h.last+max(plusMinThreshold, min(h.last/plusDivisor, plusMaxThreshold)) {
		h.css, h.baseline, h.rounds, h.credit = true, h.current, 0, 0
		t.tally(TallyHystartDelay, 1)
	}
}

// growth returns by how much acked segments let the window grow (§4.2).
func (h *hystartPlus) growth(t *TCB, acked int) int {
	if !t.paced() {
		acked = min(acked, plusBurst)
	}
	if !h.css {
		return acked
	}
	h.credit += acked
	n := h.credit / plusGrowth
	h.credit %= plusGrowth
	return n
}

// slowStartGrow grows the window in slow start for acked segments up to the threshold, and returns those left over (RFC
// 5681 §3.1, RFC 9406).
func (t *TCB) slowStartGrow(acked int) int {
	if h := plusOf(t); h != nil {
		t.cc.cwnd += h.growth(t, acked)
		return 0
	}
	return t.cc.slowStartGrow(acked)
}

// renoSample is for HyStart++ alone.
func renoSample(t *TCB, _ tcpip.Time, rtt time.Duration) {
	if h := plusOf(t); h != nil {
		h.sample(t, rtt)
	}
}
