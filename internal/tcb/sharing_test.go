package tcb

import (
	"testing"
	"time"
)

// A flow of CUBIC beside one of BBR keeps a fifth of the link in the mean, in the second half of the time, whoever came
// first, and BBR is not driven out; the queue has a bandwidth-delay product.
func TestBBRBesideCubic(t *testing.T) {
	for _, p := range []struct {
		rate   int
		rtt    time.Duration
		sample bool // in every run of the tests
	}{
		{10e6, 40 * time.Millisecond, true}, {50e6, 40 * time.Millisecond, true},
		{10e6, 100 * time.Millisecond, false}, {50e6, 10 * time.Millisecond, false}, {100e6, 20 * time.Millisecond, false},
	} {
		if !p.sample && !*goodputAll {
			continue
		}
		var mean float64
		for cubic, flows := range [][]Congestion{{Cubic, BBR}, {BBR, Cubic}} {
			for _, apart := range []time.Duration{time.Second, 1500 * time.Millisecond} {
				b := bottleneck{rate: p.rate, rtt: p.rtt, sack: true, beside: flows, apart: apart}
				n := b.together(2, 2*time.Minute, time.Minute)
				sum := float64(n[0] + n[1])
				share, used := float64(n[cubic])/sum, sum*8/60/float64(p.rate)
				mean += share / 4
				t.Logf("%d Mbit/s, %v, CUBIC as flow %d: %.3f, of %.3f of the rate", p.rate/1e6, p.rtt, cubic+1, share, used)
				if share < 0.15 || share > 0.95 || used < 0.85 {
					t.Errorf("%d Mbit/s, %v: CUBIC has %.3f of %.3f of the rate", p.rate/1e6, p.rtt, share, used)
				}
			}
		}
		if mean < 0.2 {
			t.Errorf("%d Mbit/s, %v: CUBIC has %.3f in the mean", p.rate/1e6, p.rtt, mean)
		}
	}
}
