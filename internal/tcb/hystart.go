package tcb

import (
	"time"

	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// hystart ends slow start before it loses segments: when the acknowledgements of a round trip, sent in one train, span
// half of the shortest round trip, or when round trips grow. It is Linux's.
type hystart struct {
	found bool
	count uint8      // samples of this round, up to hystartSamples
	end   seq.Number // of this round
	began tcpip.Time
	last  tcpip.Time // acknowledgement of the train
	rtt   time.Duration
}

const (
	hystartLow      = 16 // segments of window below which slow start goes on anyway
	hystartGap      = 2 * time.Millisecond
	hystartSamples  = 8
	hystartDelayMin = 4 * time.Millisecond
	hystartDelayMax = 16 * time.Millisecond
)

func (h *hystart) reset(t *TCB, now tcpip.Time) {
	*h = hystart{end: t.snd.nxt, began: now, last: now}
}

func (h *hystart) update(t *TCB, now tcpip.Time, rtt, shortest time.Duration) {
	if h.end.Less(t.snd.una) || h.began == 0 {
		h.reset(t, now)
	}
	if now.Sub(h.last) <= hystartGap {
		h.last = now
		threshold := shortest + t.burstTime()
		if t.conf.MaxPacingRate == 0 { // pacing spreads what is sent over the round trip
			threshold /= 2
		}
		if now.Sub(h.began) > threshold {
			h.leave(t, TallyHystartTrain)
			return
		}
	}
	if h.rtt == 0 || rtt < h.rtt {
		h.rtt = rtt
	}
	if h.count < hystartSamples {
		h.count++
	} else if h.rtt > shortest+min(max(shortest/8, hystartDelayMin), hystartDelayMax) {
		h.leave(t, TallyHystartDelay)
	}
}

func (h *hystart) leave(t *TCB, why Tally) {
	h.found = true
	t.cc.ssthresh = t.cc.cwnd
	t.tally(why, 1)
}

// burstTime is how long four large super-segments take at the pacing rate, at most a millisecond: so late may an
// acknowledgement be without meaning anything.
func (t *TCB) burstTime() time.Duration {
	rate := t.pacingRate()
	if rate <= 0 {
		return 0
	}
	return min(time.Duration(4*65536*int64(time.Second)/rate), time.Millisecond)
}
