package tcb

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/tcpip"
)

// bottleneck is one bulk transfer through a link of a rate, with a queue of one bandwidth-delay
// product that drops at its tail, and random loss.
type bottleneck struct {
	rate int // bits per second
	rtt  time.Duration
	loss float64
	cc   Congestion
	sack bool

	reorder float64                // share of the data that comes late, by up to a quarter of rtt
	window  int                    // bytes that the receiver takes, so that the queue does not overflow; 0 is as many as it can
	watch   func(tcpip.Time, *TCB) // sees the sender after each step; nil: nobody

	// Of flows that share the link.
	beside []Congestion                    // the algorithm of each; nil: cc
	apart  time.Duration                   // they begin; 0 is a second
	queue  int                             // bytes; 0 is a bandwidth-delay product
	admit  func(tcpip.Time, *Segment, int) // sees and marks what joins so many bytes that wait; nil: nobody
}

type goodput struct {
	share    float64 // of the rate
	late     float64 // and in the last third of the time
	info     Info
	received int
	dropped  int // data segments, by the queue and by chance
}

// spurious returns the share of what was sent that the receiver had already.
func (g goodput) spurious() float64 {
	return float64(max(int(g.info.TotalRetransmits)-g.dropped, 0)) / float64(g.info.DataSegmentsOut)
}

func (b bottleneck) run(seed uint64, length time.Duration) goodput {
	r := rand.New(rand.NewPCG(seed, 5))
	d := &direct{now: traceNow}
	for i := range d.conf {
		d.conf[i] = DefaultConf()
		d.conf[i].Congestion, d.conf[i].SACK = b.cc, b.sack
		d.conf[i].SendBufferMax, d.conf[i].ReceiveBufferMax = goodputBuffer, goodputBuffer
		d.conf[i].WindowClamp = b.window
		d.tcb[i].Init(d.now, &d.conf[i], pathPlain, Identity{ISS: uint32(1000 * i)})
	}
	d.tcb[0].Connect(d.now)
	d.tcb[1].Connect(d.now)
	var w wire
	bytesPerSecond := b.rate / 8
	queue := int(float64(bytesPerSecond) * b.rtt.Seconds())
	free := [2]tcpip.Time{d.now, d.now}
	end := d.now.Add(length)
	got, early, dropped := 0, 0, 0
	for d.now < end {
		if d.now < end.Add(-length/3) {
			early = got
		}
		for i := range d.tcb {
			t := &d.tcb[i]
			if i == 0 {
				d.write(0, 1<<20)
			} else if n := t.ReadableLen(); n > 0 {
				got += n
				t.Consume(d.now, n)
			}
			for t.Poll(d.now, &d.out) {
				d.take()
				size := d.seg.Len + goodputOverhead
				backlog := int(max(free[i].Sub(d.now), 0).Seconds() * float64(bytesPerSecond))
				if backlog+size > max(queue, 20000) || d.seg.Len > 0 && r.Float64() < b.loss {
					releaseAll(d.seg.Data)
					dropped += min(d.seg.Len, 1)
					continue
				}
				free[i] = max(free[i], d.now).Add(time.Duration(size) * time.Second / time.Duration(bytesPerSecond))
				f := &flying{at: free[i].Add(b.rtt / 2), to: 1 - i, seg: d.seg}
				if b.reorder > 0 && d.seg.Len > 0 && r.Float64() < b.reorder {
					f.at = f.at.Add(time.Duration(r.Int64N(int64(b.rtt / 4))))
				}
				f.seg.Data = append([]slab.Piece(nil), d.seg.Data...)
				w.n++
				f.n = w.n
				heap.Push(&w, f)
			}
		}
		next := tcpip.Earliest(d.tcb[0].Deadline(), d.tcb[1].Deadline())
		if w.Len() > 0 {
			next = tcpip.Earliest(next, w.q[0].at)
		}
		d.now = max(d.now, next)
		for w.Len() > 0 && w.q[0].at <= d.now {
			f := heap.Pop(&w).(*flying)
			d.tcb[f.to].Segment(d.now, &f.seg)
		}
		for i := range d.tcb {
			d.tcb[i].Advance(d.now)
		}
		if b.watch != nil {
			b.watch(d.now, &d.tcb[0])
		}
	}
	whole := length.Seconds() * float64(b.rate) / 8
	return goodput{share: float64(got) / whole, late: float64(got-early) / whole * 3, info: d.tcb[0].Info(d.now), received: got,
		dropped: dropped}
}

const goodputBuffer = 256 << 20 // bytes, more than any of the paths needs

func (g goodput) String() string {
	i := g.info
	return fmt.Sprintf("%.3f of the rate, %d timeouts, %d recoveries, %d retransmitted of %d, cwnd %d, rtt %v", g.share, i.Timeouts, i.FastRecoveries,
		i.TotalRetransmits, i.DataSegmentsOut, i.Cwnd, i.RTT)
}

// The floors are what the algorithms must reach; a change that loses a tenth is seen.
func TestGoodput(t *testing.T) {
	for _, c := range []struct {
		bottleneck
		least float64
	}{
		{bottleneck{rate: 100e6, rtt: 50 * time.Millisecond, loss: 0, cc: Cubic, sack: true}, 0.85},
		{bottleneck{rate: 100e6, rtt: 50 * time.Millisecond, loss: 0, cc: Reno, sack: true}, 0.80},
		{bottleneck{rate: 10e6, rtt: 50 * time.Millisecond, loss: 0, cc: Cubic, sack: true}, 0.90},
		{bottleneck{rate: 100e6, rtt: 10 * time.Millisecond, loss: 0.001, cc: Cubic, sack: true}, 0.4},
		{bottleneck{rate: 100e6, rtt: 50 * time.Millisecond, loss: 0.001, cc: Cubic, sack: true}, 0.1},
		{bottleneck{rate: 10e6, rtt: 50 * time.Millisecond, loss: 0.01, cc: Cubic, sack: true}, 0.2},
		{bottleneck{rate: 10e6, rtt: 50 * time.Millisecond, loss: 0.01, cc: Cubic, sack: false}, 0.15},
		{bottleneck{rate: 10e6, rtt: 50 * time.Millisecond, loss: 0.05, cc: Cubic, sack: true}, 0.05},
	} {
		g := c.run(1, 20*time.Second)
		t.Logf("%d Mbit/s %v loss %v sack %v %v: %v", c.rate/1e6, c.rtt, c.loss, c.sack, c.cc, g)
		if g.share < c.least {
			t.Errorf("less than %v", c.least)
		}
	}
}
