package tcb

import (
	"math"
	"testing"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// newCC is a connection that has nothing but a window in full use.
func newCC(alg Congestion, segments int) *TCB {
	c := DefaultConf()
	t := &TCB{conf: &c}
	t.cc.init(alg, 1000, segments)
	t.cc.limited = true
	return t
}

// RFC 5681 §3.1: doubling per round trip in slow start, one segment in congestion avoidance. Shows MUST-19.
func TestRenoGrowth(t *testing.T) {
	x := newCC(Reno, 10)
	c := &x.cc
	x.raise(traceNow, 10)
	if c.cwnd != 20 {
		t.Error(c.cwnd)
	}
	c.ssthresh = 25
	x.raise(traceNow, 10) // half of it in slow start
	if c.cwnd != 25 {
		t.Error(c.cwnd)
	}
	for range 4 {
		x.raise(traceNow, 5)
	}
	if c.cwnd != 26 {
		t.Error(c.cwnd)
	}
	if got := c.algorithm.ssthresh(x, traceNow); got != 13 {
		t.Error(got)
	}
}

// A window that is not used does not grow (RFC 7661).
func TestUnusedWindow(t *testing.T) {
	x := newCC(Reno, 10)
	x.cc.limited, x.cc.maxOut = false, 4
	x.raise(traceNow, 4)
	if x.cc.cwnd != 10 {
		t.Error(x.cc.cwnd)
	}
	x.cc.maxOut = 6 // more than half: slow start goes on
	x.raise(traceNow, 4)
	if x.cc.cwnd != 14 {
		t.Error(x.cc.cwnd)
	}
}

// reduce is what congestion does to the window in the end.
func (t *TCB) reduce(now tcpip.Time) {
	t.cc.ssthresh = t.cc.algorithm.ssthresh(t, now)
	t.cc.cwnd = t.cc.ssthresh
}

// RFC 9438 §4.2: after a reduction the window follows the cubic function: back at wMax after K
// seconds, flat there, and beyond it afterwards. Shows MAY-18.
func TestCubicFunction(t *testing.T) {
	const rtt = 100 * time.Millisecond
	x := newCC(Cubic, 1000)
	x.cc.cubic.minDelay = rtt
	now := traceNow
	x.reduce(now)
	if x.cc.cwnd != 700 {
		t.Fatal(x.cc.cwnd)
	}
	k := math.Cbrt(1000 * 0.3 / cubicC)
	at := func(s float64) float64 { return cubicC*math.Pow(s-k, 3) + 1000 }
	start := now
	for now.Sub(start) < 14*time.Second {
		now = now.Add(rtt / 10)
		x.raise(now, x.cc.cwnd/10)
		s := now.Sub(start).Seconds()
		if s > 1 {
			if got, want := float64(x.cc.cwnd), at(s+rtt.Seconds()); math.Abs(got-want) > 0.03*want {
				t.Fatalf("after %.1f s: %v segments, W_cubic is %v", s, got, want)
			}
		}
	}
}

// §4.3: where the cubic function is slower than Reno would be, Reno's window counts.
func TestCubicRenoFriendly(t *testing.T) {
	const rtt = 40 * time.Millisecond
	x := newCC(Cubic, 20)
	x.reduce(traceNow)
	now := traceNow
	const rounds = 20
	for range rounds { // round trips, each of them adds alpha segments
		now = now.Add(rtt)
		for range x.cc.cwnd {
			x.raise(now, 1)
		}
	}
	if got, want := float64(x.cc.cwnd), 14+rounds*3*0.3/1.7; math.Abs(got-want) > 2 {
		t.Errorf("%v segments, want %v", got, want)
	}
}

// §4.7: a flow that has not come back to where it was gives way.
func TestCubicFastConvergence(t *testing.T) {
	x := newCC(Cubic, 100)
	x.reduce(traceNow)
	x.cc.cwnd = 80
	x.reduce(traceNow)
	if got := x.cc.cubic.lastMax; got != 80*(1024+cubicBeta)/2048 {
		t.Error(got)
	}
}

// HyStart: round trips that grow end slow start before anything is lost.
func TestHystartDelay(t *testing.T) {
	x := newCC(Cubic, 20)
	now := traceNow
	x.snd.nxt, x.snd.una = 1000, 1
	for i := range 40 {
		now = now.Add(5 * time.Millisecond)
		rtt := 100 * time.Millisecond
		if i >= 20 {
			x.snd.una, x.snd.nxt = 1001, 2000 // the next round
			rtt = 115 * time.Millisecond
		}
		x.cc.algorithm.sample(x, now, rtt)
		if done := i >= 20+hystartSamples; done != (x.cc.ssthresh == 20) {
			t.Fatalf("after %d samples the threshold is %d", i, x.cc.ssthresh)
		}
	}
}

// HyStart: a train of acknowledgements that lasts half a round trip means that the path is full.
func TestHystartTrain(t *testing.T) {
	x := newCC(Cubic, 20)
	now := traceNow
	x.snd.nxt, x.snd.una = 1000, 1
	x.cc.cubic.minDelay = 20 * time.Millisecond
	x.rtt.srtt = 20 * time.Millisecond
	for i := range 30 {
		x.cc.algorithm.sample(x, now, 20*time.Millisecond)
		if x.cc.ssthresh == 20 {
			if i < 20 {
				t.Fatalf("after %d acknowledgements", i)
			}
			return
		}
		now = now.Add(500 * time.Microsecond)
	}
	t.Error("slow start goes on")
}
