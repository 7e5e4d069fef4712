package tcb

import (
	"math"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// cubic is the memory of CUBIC (RFC 9438). Windows are in segments, times in seconds.
type cubic struct {
	epoch tcpip.Time // start of this congestion avoidance stage; zero if none has begun
	wMax  float64    // window at the last congestion, after fast convergence
	k     float64    // when the cubic function comes back to wMax
	wEst  float64    // what Reno would have (§4.3)
	alpha float64
	prior float64 // cwnd before the last congestion
}

const (
	cubicC    = 0.4
	cubicBeta = 0.7
	// cubicAlpha makes the Reno-friendly window as aggressive as Reno's (§4.3).
	cubicAlpha = 3 * (1 - cubicBeta) / (1 + cubicBeta)
)

// cubicAvoid follows W_cubic or the Reno-friendly window, whichever is larger (§4.2–4.5).
func cubicAvoid(c *cc, now tcpip.Time, acked int, srtt time.Duration) {
	q := &c.cubic
	mss := float64(c.mss)
	w := float64(c.cwnd) / mss
	if q.epoch == 0 {
		q.epoch = now
		q.alpha = cubicAlpha
		q.wEst = w
		if w < q.wMax {
			q.k = math.Cbrt((q.wMax - w) / cubicC)
		} else {
			q.k, q.wMax = 0, w
		}
	}
	elapsed := now.Sub(q.epoch).Seconds()
	at := func(s float64) float64 { d := s - q.k; return cubicC*d*d*d + q.wMax }

	if q.wEst += q.alpha * (float64(acked) / mss) / w; q.wEst >= q.prior {
		q.alpha = 1
	}
	if at(elapsed) < q.wEst {
		if q.wEst > w {
			c.cwnd = int(q.wEst * mss)
		}
		return
	}
	// Aim at where the function is one round trip ahead, at most half as much again (§4.2).
	target := min(max(at(elapsed+srtt.Seconds()), w), 1.5*w)
	if grow := target - w; grow > 0 {
		per := min(float64(c.cwnd)/grow, 1<<30) // bounded before it becomes an int
		c.additive(acked, max(int(per), 1))
	}
}

// cubicReact is the multiplicative decrease with fast convergence (§4.6, §4.7).
func cubicReact(c *cc, _ tcpip.Time) int {
	q := &c.cubic
	w := float64(c.cwnd) / float64(c.mss)
	q.epoch = 0
	q.prior = w
	if w < q.wMax {
		q.wMax = w * (1 + cubicBeta) / 2
	} else {
		q.wMax = w
	}
	return int(float64(c.cwnd) * cubicBeta)
}

func cubicReset(c *cc, _ tcpip.Time) { c.cubic = cubic{prior: c.cubic.prior, wMax: c.cubic.wMax} }
