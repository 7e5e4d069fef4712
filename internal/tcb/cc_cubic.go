package tcb

import (
	"math"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// cubic is the memory of CUBIC (RFC 9438), with the window in segments and in Linux's steps, and of its HyStart.
type cubic struct {
	epoch    tcpip.Time    // start of this congestion avoidance stage; zero if none has begun
	lastMax  int           // the window at the last congestion, after fast convergence
	origin   int           // W_max: where the function is flat
	k        time.Duration // when it is there
	minDelay time.Duration // the shortest round trip

	per      int // segments to acknowledge for one of growth
	lastCwnd int // what per was computed for, and when
	lastAt   tcpip.Time
	acks     int // acknowledged and not yet in renoCwnd
	renoCwnd int // W_est: what Reno would have (§4.3)

	hystart hystart
}

const (
	cubicC    = 0.4
	cubicBeta = 717 // of 1024

	// A segment of W_est takes cwnd*cubicRenoScale/8 acknowledged ones: 3(1-β)/(1+β) per window (§4.3).
	cubicRenoScale = 8 * (1024 + cubicBeta) / 3 / (1024 - cubicBeta)
	cubicHold      = time.Second / 32 // per is computed anew no more often, if the window is the same
	cubicFirst     = 20               // per is at most that as long as no congestion has shown the path's capacity
)

func cubicAvoid(t *TCB, now tcpip.Time, acked int) {
	c := &t.cc
	c.cubic.update(now, c.cwnd, acked)
	c.additive(c.cubic.per, acked)
}

// update computes how fast the window grows: along W_cubic or W_est, whichever is larger (§4.2–4.5).
func (q *cubic) update(now tcpip.Time, cwnd, acked int) {
	q.acks += acked
	if q.lastCwnd == cwnd && now.Sub(q.lastAt) <= cubicHold {
		return
	}
	if q.epoch == 0 || now != q.lastAt {
		q.lastCwnd, q.lastAt = cwnd, now
		q.aim(now, cwnd, acked)
	}
	for step := max(cwnd*cubicRenoScale/8, 1); q.acks > step; q.acks -= step {
		q.renoCwnd++
	}
	if ahead := q.renoCwnd - cwnd; ahead > 0 {
		q.per = min(q.per, cwnd/ahead)
	}
	q.per = max(q.per, 2) // half as much again per round trip at most
}

// aim sets per so that the window is where the function will be one round trip ahead.
func (q *cubic) aim(now tcpip.Time, cwnd, acked int) {
	if q.epoch == 0 {
		q.epoch, q.acks, q.renoCwnd = now, acked, cwnd
		if q.lastMax <= cwnd {
			q.k, q.origin = 0, cwnd
		} else {
			q.k = time.Duration(math.Cbrt(float64(q.lastMax-cwnd)/cubicC) * float64(time.Second))
			q.origin = q.lastMax
		}
	}
	d := (now.Sub(q.epoch) + q.minDelay - q.k).Seconds()
	target := q.origin + int(max(min(cubicC*d*d*d, 1<<30), -1<<30))
	if target > cwnd {
		q.per = cwnd / (target - cwnd)
	} else {
		q.per = 100 * cwnd // hardly any growth
	}
	if q.lastMax == 0 {
		q.per = min(q.per, cubicFirst)
	}
}

// cubicSsthresh is the multiplicative decrease with fast convergence (§4.6, §4.7).
func cubicSsthresh(t *TCB, _ tcpip.Time) int {
	q, cwnd := &t.cc.cubic, t.cc.cwnd
	q.epoch = 0
	if cwnd < q.lastMax {
		q.lastMax = cwnd * (1024 + cubicBeta) / (2 * 1024)
	} else {
		q.lastMax = cwnd
	}
	return max(cwnd*cubicBeta/1024, 2)
}

func cubicEvent(t *TCB, now tcpip.Time, e ccEvent) {
	q := &t.cc.cubic
	switch e {
	case eventEnterLoss:
		*q = cubic{}
		q.hystart.reset(t, now)
	case eventStart:
		// The pause does not count: the curve goes on where it was.
		if q.epoch != 0 && t.snd.lastData != 0 {
			q.epoch = min(q.epoch.Add(now.Sub(t.snd.lastData)), now)
		}
	}
}

func cubicSample(t *TCB, now tcpip.Time, rtt time.Duration) {
	q := &t.cc.cubic
	if q.epoch != 0 && now.Sub(q.epoch) < time.Second { // right after a recovery they say little
		return
	}
	if q.minDelay == 0 || rtt < q.minDelay {
		q.minDelay = rtt
	}
	if t.cc.plus != nil {
		renoSample(t, now, rtt)
		return
	}
	if !q.hystart.found && t.cc.slowStart() && t.cc.cwnd >= hystartLow {
		q.hystart.update(t, now, rtt, q.minDelay)
	}
}
