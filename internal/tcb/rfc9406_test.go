package tcb

import (
	"testing"
	"time"

	"github.com/seed963a8790/netstack/internal/seq"
)

// plusRound lets n acknowledgements with a round trip come in, which make up a round.
func plusRound(x *TCB, n int, rtt time.Duration) {
	x.snd.una = x.snd.nxt
	x.snd.nxt += seq.Number(n * 1000)
	for range n {
		x.cc.algorithm.sample(x, traceNow, rtt)
		x.raise(traceNow, 1)
	}
}

func newPlus(alg Congestion, segments int) *TCB {
	x := newCC(alg, segments)
	x.cc.plus = &hystartPlus{}
	x.snd.una, x.snd.nxt = 1, 1001
	return x
}

// RFC 9406 §4.2: when the shortest round trip of a round exceeds that of the round before by the threshold, the window
// grows a quarter as fast, and after five rounds slow start is over.
func TestHystartPlus(t *testing.T) {
	for _, alg := range []Congestion{Cubic, Reno} {
		x := newPlus(alg, 10)
		plusRound(x, 10, 100*time.Millisecond)
		plusRound(x, 20, 111*time.Millisecond) // an eighth would be 12.5 ms
		if x.cc.cwnd != 40 || x.cc.plus.css {
			t.Fatal(x.cc.cwnd)
		}
		plusRound(x, 40, 125*time.Millisecond) // 13.9 ms: found with the eighth sample
		if !x.cc.plus.css || x.cc.cwnd != 40+7+33/4 {
			t.Fatal(x.cc.cwnd)
		}
		for i := range plusRounds - 1 {
			plusRound(x, 20, 126*time.Millisecond)
			if x.cc.ssthresh != infiniteSsthresh {
				t.Fatal(i)
			}
		}
		cwnd := x.cc.cwnd
		plusRound(x, 1, 126*time.Millisecond)
		if x.cc.ssthresh != cwnd || plusOf(x) != nil {
			t.Fatal(x.cc.ssthresh, cwnd)
		}
	}
}

// §4.2: round trips that fall below what CSS began with show that there was no queue: slow start goes on.
func TestHystartPlusResumes(t *testing.T) {
	x := newPlus(Cubic, 10)
	plusRound(x, 10, 40*time.Millisecond)
	plusRound(x, 20, 46*time.Millisecond)
	if !x.cc.plus.css {
		t.Fatal("no CSS")
	}
	plusRound(x, 20, 45*time.Millisecond)
	if x.cc.plus.css || x.cc.ssthresh != infiniteSsthresh {
		t.Fatal("CSS goes on")
	}
}

// §4.3: fewer than eight samples say nothing, and an acknowledgement of many segments counts for eight.
func TestHystartPlusLimits(t *testing.T) {
	x := newPlus(Reno, 10)
	plusRound(x, 10, 40*time.Millisecond)
	plusRound(x, 7, 80*time.Millisecond)
	if x.cc.plus.css {
		t.Fatal("CSS after seven samples")
	}
	cwnd := x.cc.cwnd
	x.raise(traceNow, 20)
	if x.cc.cwnd != cwnd+plusBurst {
		t.Fatal(x.cc.cwnd)
	}
}

// Conf.HyStartPlus takes effect when the connection opens, and only then is there any state.
func TestHystartPlusOption(t *testing.T) {
	if x := established(t); x.tcb.cc.plus != nil {
		t.Fatal("on by default")
	}
	if x := established(t, func(c *Conf) { c.HyStartPlus = true }); x.tcb.cc.plus == nil {
		t.Fatal("off")
	}
}
