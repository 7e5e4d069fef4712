package tcb

import (
	"math"
	"testing"
	"time"
)

func newCC(alg Congestion, segments int) *cc {
	c := &cc{}
	c.init(alg, 1000, segments)
	c.limited = true
	return c
}

// RFC 5681 §3.1: doubling per round trip in slow start, one segment in congestion avoidance.
func TestRenoGrowth(t *testing.T) {
	c := newCC(Reno, 10)
	c.onAck(traceNow, 10_000, time.Millisecond)
	if c.cwnd != 20_000 {
		t.Error(c.cwnd)
	}
	c.ssthresh = 25_000
	c.onAck(traceNow, 10_000, time.Millisecond) // half of it in slow start
	if c.cwnd != 25_000 {
		t.Error(c.cwnd)
	}
	for range 4 {
		c.onAck(traceNow, 5_000, time.Millisecond)
	}
	if c.cwnd != 26_000 {
		t.Error(c.cwnd)
	}
	c.onCongestion(traceNow)
	if c.ssthresh != 13_000 {
		t.Error(c.ssthresh)
	}
}

// A window that is not used does not grow (RFC 7661).
func TestUnusedWindow(t *testing.T) {
	c := newCC(Reno, 10)
	c.limited, c.maxFlight = false, 4000
	c.onAck(traceNow, 4000, time.Millisecond)
	if c.cwnd != 10_000 {
		t.Error(c.cwnd)
	}
	c.maxFlight = 6000 // more than half: slow start goes on
	c.onAck(traceNow, 4000, time.Millisecond)
	if c.cwnd != 14_000 {
		t.Error(c.cwnd)
	}
}

// RFC 9438 §4.2: after a reduction the window follows the cubic function: back at wMax after K
// seconds, flat there, and beyond it afterwards.
func TestCubicFunction(t *testing.T) {
	const rtt = 100 * time.Millisecond
	c := newCC(Cubic, 1000)
	c.ssthresh = c.cwnd
	now := traceNow
	c.onCongestion(now)
	c.cwnd = c.ssthresh
	if c.cwnd != 700_000 {
		t.Fatal(c.cwnd)
	}
	k := math.Cbrt(1000 * (1 - cubicBeta) / cubicC)
	at := func(s float64) float64 { return cubicC*math.Pow(s-k, 3) + 1000 }
	start := now
	for now.Sub(start) < 14*time.Second {
		now = now.Add(rtt / 10)
		c.onAck(now, c.cwnd/10, rtt)
		s := now.Sub(start).Seconds()
		if s > 1 {
			if got, want := float64(c.cwnd)/1000, at(s+rtt.Seconds()); math.Abs(got-want) > 0.03*want {
				t.Fatalf("after %.1f s: %v segments, W_cubic is %v", s, got, want)
			}
		}
	}
}

// §4.3: where the cubic function is slower than Reno would be, Reno's window counts.
func TestCubicRenoFriendly(t *testing.T) {
	const rtt = time.Millisecond
	c := newCC(Cubic, 20)
	c.ssthresh = c.cwnd
	c.onCongestion(traceNow)
	c.cwnd = c.ssthresh
	now := traceNow
	for range 10 { // round trips, each of them adds alpha segments
		now = now.Add(rtt)
		c.onAck(now, c.cwnd, rtt)
	}
	if got, want := float64(c.cwnd)/1000, 14+10*cubicAlpha; math.Abs(got-want) > 0.5 {
		t.Errorf("%v segments, want %v", got, want)
	}
}

// §4.7: a flow that has not come back to where it was gives way.
func TestCubicFastConvergence(t *testing.T) {
	c := newCC(Cubic, 100)
	c.onCongestion(traceNow)
	c.cwnd = 80_000
	c.onCongestion(traceNow)
	if got := c.cubic.wMax; math.Abs(got-80*(1+cubicBeta)/2) > 0.01 {
		t.Error(got)
	}
}

// At the plateau the target is hardly above the window: the growth is hardly anything, not a jump.
func TestCubicPlateau(t *testing.T) {
	c := newCC(Cubic, 100)
	c.ssthresh = c.cwnd
	c.cubic = cubic{epoch: traceNow, wMax: 100 + 1e-12, alpha: 1}
	c.onAck(traceNow, 1000, 0)
	if c.cwnd > 101_000 {
		t.Error(c.cwnd)
	}
}
