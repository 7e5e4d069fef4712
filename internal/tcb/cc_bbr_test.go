package tcb

import (
	"slices"
	"testing"
	"time"

	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// On a line of 100 Mbit/s and 50 ms the phases follow each other as draft-ietf-ccwg-bbr has them, the model finds
// bandwidth and round trip, and each phase has its rate and window.
func TestBBRPhases(t *testing.T) {
	var seen []bbrState
	var entered tcpip.Time
	const bdp = 100e6 / 8 * 0.05 / 1448
	b := bottleneck{rate: 100e6, rtt: 50 * time.Millisecond, cc: BBR, sack: true}
	b.watch = func(now tcpip.Time, x *TCB) {
		m := x.cc.bbr
		if m == nil {
			return
		}
		if len(seen) == 0 || seen[len(seen)-1] != m.state {
			if n := len(seen); n > 0 && seen[n-1] == bbrProbeRTT && now.Sub(entered) < bbrProbeRTTTime {
				t.Errorf("PROBE_RTT took %v", now.Sub(entered))
			}
			seen, entered = append(seen, m.state), now
		}
		if !m.full.reached {
			return
		}
		bw, rate := float64(m.bandwidth()), float64(m.rate)
		if m.state.cycles() && (bw < 11e6 || bw > 12.6e6) {
			t.Fatalf("in state %d the bandwidth is taken for %v", m.state, bw)
		}
		if gain := float64(bbrGains[m.state].pacing) / bbrUnit; m.state.cycles() && now.Sub(entered) > time.Second && (rate < 0.98*gain*bw || rate > gain*bw) {
			t.Fatalf("in state %d the rate is %v of %v", m.state, rate, bw)
		}
		if m.state == bbrProbeRTT && now.Sub(entered) > 100*time.Millisecond && float64(x.cc.cwnd) > 0.55*bdp {
			t.Fatalf("the window in PROBE_RTT is %d", x.cc.cwnd)
		}
		if m.state == bbrCruise && now.Sub(entered) > time.Second && (m.minRTT < 50*time.Millisecond || m.minRTT > 52*time.Millisecond) {
			t.Fatalf("the round trip is taken for %v", m.minRTT)
		}
	}
	b.run(1, 20*time.Second)
	// DOWN after DRAIN lasts no longer than the acknowledgement that began it.
	if want := []bbrState{bbrStartup, bbrDrain, bbrCruise, bbrRefill, bbrUp, bbrDown}; len(seen) < len(want) || !slices.Equal(seen[:len(want)], want) {
		t.Errorf("phases %v", seen)
	}
	if n := len(slices.DeleteFunc(slices.Clone(seen), func(s bbrState) bool { return s != bbrProbeRTT })); n < 2 || n > 4 {
		t.Errorf("PROBE_RTT %d times in 20 s", n)
	}
}

// bbrConnection is an established connection that has gone through STARTUP, with a model of 1 MB/s and 100 ms.
func bbrConnection(t *testing.T) (*trace, *bbr) {
	x := established(t, func(c *Conf) { c.Congestion, c.SendBuffer = BBR, tcpip.Set(1<<22) })
	x.tcb.cc.cwnd = 100
	b := bbrOf(&x.tcb, x.now)
	b.full.reached, b.state = true, bbrCruise
	b.maxBw, b.minRTT, b.probeRTT, b.minRTTAt, b.probeRTTAt = [2]int64{0, 1_000_000}, 100*time.Millisecond, 100*time.Millisecond, x.now, x.now
	b.inflightHi, b.wait = 200, time.Hour
	return x, b
}

// AdaptLowerBoundsFromCongestion: losses in a round outside of a probe reduce what is sent by three tenths, no lower
// than what was delivered; in a probe they do not.
func TestBBRLowerBounds(t *testing.T) {
	x, b := bbrConnection(t)
	round := func(sample int64, lost int) {
		x.now = x.now.Add(100 * time.Millisecond)
		x.tcb.count.lost += uint32(lost)
		x.tcb.count.delivered += 100
		rs := rateSample{known: true, priorDelivered: x.tcb.count.delivered, delivered: 100, interval: time.Duration(100_000 * 1_000_000_000 / sample), acked: 100, lost: lost, sentFlight: 100, lostSince: lost, rtt: -1}
		bbrControl(&x.tcb, x.now, rs)
	}
	round(1_000_000, 0)
	if b.bwLo != infiniteBandwidth || b.inflightLo != infiniteSsthresh {
		t.Fatal(b.bwLo, b.inflightLo)
	}
	round(500_000, 1) // within the threshold
	if b.bwLo != infiniteBandwidth {
		t.Fatal(b.bwLo)
	}
	b.bwNow, b.inflightNow = 0, 0
	round(500_000, 20)
	if b.bwLo < 690_000 || b.bwLo > 700_000 {
		t.Fatal(b.bwLo)
	}
	if b.rate > 700_000 || x.tcb.cc.cwnd > 200 {
		t.Fatal(b.rate, x.tcb.cc.cwnd)
	}
	b.startRefill(&x.tcb)
	if b.bandwidth() != 1_000_000 {
		t.Fatal(b.bandwidth())
	}
	round(500_000, 20)
	if b.bwLo != infiniteBandwidth {
		t.Fatal(b.bwLo)
	}
	b.state = bbrCruise
	round(500_000, 0)
	x.tcb.rtt.srtt = 130 * time.Millisecond // there is a queue, and any loss may mean another flow
	round(500_000, 1)
	if b.bwLo != 1_000_000/256*bbrBeta {
		t.Fatal(b.bwLo)
	}
}

// HandleLostPacket: losses in a probe set inflight_longterm to what was in flight where they passed two percent, and
// end the probe with the next acknowledgement. HandleSpuriousLossDetection takes it back.
func TestBBRTooHigh(t *testing.T) {
	x, b := bbrConnection(t)
	b.startRefill(&x.tcb)
	b.startUp(&x.tcb)
	b.probing = true
	x.tcb.cc.cwnd = 150
	x.tcb.count.lost = 10
	bbrLost(&x.tcb, &record{segs: 1, flight: 150})
	if b.inflightHi < 130 || b.inflightHi >= 150 {
		t.Fatal(b.inflightHi)
	}
	if b.state != bbrUp || b.probing {
		t.Fatal(b.state)
	}
	hi := b.inflightHi
	bbrLost(&x.tcb, &record{segs: 1, flight: 20}) // once for each probe
	if b.inflightHi != hi {
		t.Fatal(b.inflightHi)
	}
	bbrControl(&x.tcb, x.now, rateSample{rtt: -1})
	if b.state != bbrDown {
		t.Fatal(b.state)
	}
	if got := bbrRestore(&x.tcb, x.now); b.inflightHi != 200 || b.state != bbrRefill || got < 100 {
		t.Fatal(b.inflightHi, b.state, got)
	}
}

// Where round trips say that there is a queue, and more is in flight than the path holds with a quarter, one loss is too
// much; without a queue, or with less in flight, it is none of the probe's.
func TestBBRLossInQueue(t *testing.T) {
	for _, c := range []struct {
		srtt   time.Duration
		flight uint16
		hi     int
	}{
		{130 * time.Millisecond, 130, 130}, // the path holds 100
		{130 * time.Millisecond, 120, 200},
		{110 * time.Millisecond, 130, 200},
	} {
		x, b := bbrConnection(t)
		b.startRefill(&x.tcb)
		b.startUp(&x.tcb)
		b.probing, x.tcb.rtt.srtt, x.tcb.count.lost = true, c.srtt, 1
		bbrLost(&x.tcb, &record{segs: 1, flight: c.flight})
		if b.inflightHi != c.hi {
			t.Errorf("%v: inflightHi is %d", c, b.inflightHi)
		}
	}
}

// "Exiting Startup Based on Packet Loss": a round of fast recovery in which more than two of a hundred were lost, at six
// places at least. If it was none, STARTUP goes on. Without SACK any loss in recovery is enough.
func TestBBRStartupLoss(t *testing.T) {
	for _, c := range []struct {
		ranges, lost int
		phase        phase
		sack, ends   bool
	}{
		{6, 10, phaseRecovery, true, true},
		{5, 10, phaseRecovery, true, false},
		{6, 5, phaseRecovery, true, false}, // two of a hundred, and what may be by chance
		{6, 10, phaseOpen, true, false},
		{1, 1, phaseRecovery, false, true},
		{0, 0, phaseRecovery, false, false},
	} {
		x, b := bbrConnection(t)
		b.state, b.full.reached, b.inflightHi = bbrStartup, false, infiniteSsthresh
		x.tcb.rtt.srtt, x.tcb.rec.phase, x.tcb.opt.sack = b.minRTT, c.phase, c.sack
		ack := func(lost, since int, prior uint32) {
			bbrControl(&x.tcb, x.now, rateSample{known: true, priorDelivered: prior, delivered: 110, interval: 100 * time.Millisecond,
				limited: true, lost: lost, sentFlight: 100, lostSince: since, rtt: -1})
		}
		before := x.tcb.count.delivered
		x.tcb.count.delivered += 100
		b.lossRoundEnd = x.tcb.count.delivered
		for n := range c.ranges {
			at := seq.Number(3000*n + 1)
			bbrLost(&x.tcb, &record{seq: at, end: at + 1000, segs: 1})
			bbrLost(&x.tcb, &record{seq: at + 1000, end: at + 2000, segs: 1}) // of the same range
			b.lossRoundEnd = x.tcb.count.delivered
			ack(1, 0, before)
		}
		if b.state != bbrStartup {
			t.Fatalf("%v: within the round", c)
		}
		ack(0, c.lost, x.tcb.count.delivered)
		if ends := b.state != bbrStartup; ends != c.ends {
			t.Errorf("%v: STARTUP ends: %v", c, ends)
		}
		if !c.ends {
			continue
		}
		if b.inflightHi != 110 {
			t.Errorf("%v: inflightHi is %d", c, b.inflightHi)
		}
		bbrRestore(&x.tcb, x.now)
		if b.state != bbrStartup || b.full.reached || b.inflightHi != infiniteSsthresh {
			t.Errorf("%v: not as before: %d, %v, %d", c, b.state, b.full.reached, b.inflightHi)
		}
	}
}

// "Accelerating to Probe for Bandwidth": where inflight_longterm is what limits, it grows by 1, 2, 4, 8 segments in one
// round after the other, and a plateau is no end of the probe.
func TestBBRRaise(t *testing.T) {
	x, b := bbrConnection(t)
	b.inflightHi, x.tcb.cc.cwnd = 100, 100
	b.startRefill(&x.tcb)
	b.startUp(&x.tcb)
	for n, want := range []int{101, 103, 107, 115} {
		for left := x.tcb.cc.cwnd; left > 0; left-- {
			prior := b.roundEnd - 1
			if left == 1 {
				prior = b.roundEnd // the round is over
			}
			x.tcb.count.delivered++
			x.tcb.cc.limited = true
			bbrControl(&x.tcb, x.now, rateSample{known: true, priorDelivered: prior, delivered: 100, interval: 100 * time.Millisecond,
				acked: 1, sentFlight: 90, rtt: 100 * time.Millisecond})
		}
		if b.inflightHi != want || b.state != bbrUp {
			t.Fatalf("round %d: %d, in state %d", n, b.inflightHi, b.state)
		}
	}
}

// "Precautionary Bandwidth Probing": after a probe that lost too much, the next one ends where inflight_longterm is reached.
// If a round passes without such losses, another follows at once, and goes on.
func TestBBRPrecaution(t *testing.T) {
	x, b := bbrConnection(t)
	ack := func() {
		x.now = x.now.Add(100 * time.Millisecond)
		x.tcb.count.delivered += 50
		bbrControl(&x.tcb, x.now, rateSample{known: true, priorDelivered: x.tcb.count.delivered, delivered: 50, interval: 100 * time.Millisecond,
			acked: 50, sentFlight: 50, rtt: 100 * time.Millisecond})
	}
	b.wasTooHigh, b.inflightHi = true, 60
	b.startRefill(&x.tcb)
	ack()
	if b.state != bbrUp {
		t.Fatal(b.state)
	}
	if ack(); b.state != bbrUp { // not there yet
		t.Fatal(b.state)
	}
	b.inflightHi = 50
	if ack(); b.state != bbrDown || !b.careful || b.wasTooHigh {
		t.Fatal(b.state, b.careful, b.wasTooHigh)
	}
	b.wait = time.Hour
	if ack(); b.state != bbrRefill {
		t.Fatal(b.state)
	}
	ack()
	if ack(); b.state != bbrUp {
		t.Fatal(b.state)
	}
}

// "CheckDrainDone": DRAIN ends after three rounds even if there is still a queue.
func TestBBRDrainEnds(t *testing.T) {
	x, b := bbrConnection(t)
	x.write(40_000)
	b.state, b.maxBw = bbrDrain, [2]int64{0, 1000}
	for n := range 5 {
		if want := bbrDrain; n < 4 && b.state != want || n == 4 && b.state == want {
			t.Fatal(n, b.state)
		}
		x.tcb.count.delivered += 50
		bbrControl(&x.tcb, x.now, rateSample{known: true, limited: true, priorDelivered: x.tcb.count.delivered, rtt: -1})
	}
	x.sent = nil
}

// Headroom is fifteen hundredths of inflight_longterm, and one segment at least.
func TestBBRHeadroom(t *testing.T) {
	for hi, want := range map[int]int{200: 170, 1000: 850, 5: 4, 4: 4, 1_000_000_000: 850_000_000, infiniteSsthresh: infiniteSsthresh} {
		if b := (bbr{inflightHi: hi}); b.headroom() != want {
			t.Errorf("of %d: %d", hi, b.headroom())
		}
	}
}

// A timeout leaves one segment more than is in flight, and the window comes back when it is repaired.
func TestBBRTimeout(t *testing.T) {
	x, b := bbrConnection(t)
	b.rate = 1 << 30
	x.write(20_000)
	x.sent = nil
	x.sleep(time.Second)
	if x.tcb.rec.phase != phaseLoss || x.tcb.cc.cwnd != 1 {
		t.Fatal(x.tcb.rec.phase, x.tcb.cc.cwnd)
	}
	x.recv("ACK seq=300 ack=1100")
	x.sleep(10 * time.Millisecond)
	x.recv("ACK seq=300 ack=20100")
	if x.tcb.rec.phase != phaseOpen || x.tcb.cc.cwnd < 100 {
		t.Fatal(x.tcb.rec.phase, x.tcb.cc.cwnd)
	}
	x.sent = nil
}

// HandleRestartFromIdle: after a pause sending begins at the bandwidth of the model, not above it.
func TestBBRRestart(t *testing.T) {
	x, b := bbrConnection(t)
	x.write(1000)
	x.recv("ACK seq=300 ack=1100")
	b.rate, b.state, b.maxBw = 5_000_000, bbrCruise, [2]int64{0, 1_000_000}
	x.sleep(3 * time.Second)
	cwnd := x.tcb.cc.cwnd
	x.write(1000)
	if b.rate > 1_000_000 || b.rate < 950_000 || x.tcb.cc.cwnd != cwnd || !b.idleRestart {
		t.Fatal(b.rate, x.tcb.cc.cwnd, b.idleRestart)
	}
	x.sent = nil
}

// SO_MAX_PACING_RATE bounds the rate; without a bound pacing goes on.
func TestBBRMaxRate(t *testing.T) {
	x, b := bbrConnection(t)
	b.rate = 1_000_000
	x.set(func(c *Conf) { c.MaxPacingRate = 300_000 })
	if got := x.tcb.pacingRate(); got != 300_000 {
		t.Fatal(got)
	}
	x.set(func(c *Conf) { c.MaxPacingRate = 0 })
	if got := x.tcb.pacingRate(); got != 1_000_000 || !x.tcb.paced() {
		t.Fatal(got)
	}
}

// What TCP_CC_INFO tells, and the end of BBR when another algorithm is chosen.
func TestBBRInfo(t *testing.T) {
	x, _ := bbrConnection(t)
	i, ok := x.tcb.BBR()
	if want := (BBRInfo{1_000_000, 100 * time.Millisecond, 256, 512}); !ok || i != want {
		t.Fatal(i, ok)
	}
	x.set(func(c *Conf) { c.Congestion = Reno })
	if _, ok := x.tcb.BBR(); ok || x.tcb.cc.bbr != nil || x.tcb.paced() {
		t.Fatal("BBR is still there")
	}
}

// lineShare is nine tenths of what a line carries of payload, of which there are 1448 bytes in 1500.
const lineShare = 0.9 * 1448 / 1500

// One loss in a hundred leaves nine tenths of the line.
func TestBBRGoodput(t *testing.T) {
	for _, c := range []struct {
		bottleneck
		least float64
	}{
		{bottleneck{rate: 100e6, rtt: 10 * time.Millisecond, loss: 0.01}, lineShare},
		{bottleneck{rate: 100e6, rtt: 50 * time.Millisecond, loss: 0.01}, lineShare},
		{bottleneck{rate: 10e6, rtt: 50 * time.Millisecond, loss: 0.01}, lineShare},
		{bottleneck{rate: 10e6, rtt: 10 * time.Millisecond, loss: 0.01}, lineShare},
		{bottleneck{rate: 10e6, rtt: 200 * time.Millisecond, loss: 0.01}, 0.80}, // of 20 s, its start is two
		{bottleneck{rate: 100e6, rtt: 50 * time.Millisecond}, lineShare},
	} {
		c.cc, c.sack = BBR, true
		g := c.run(1, 20*time.Second)
		t.Logf("%d Mbit/s %v loss %v: %v", c.rate/1e6, c.rtt, c.loss, g)
		if g.share < c.least {
			t.Errorf("less than %v", c.least)
		}
	}
}
