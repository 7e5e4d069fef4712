package tcb

import (
	"container/heap"
	"testing"
	"time"

	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/tcpip"
)

// sharing is two bulk transfers through one link with a queue of one bandwidth-delay product that drops at its tail.
type sharing struct {
	rate int // bits per second
	rtt  time.Duration
	cc   [2]Congestion
}

// run returns the shares of the rate that the flows had in the second half of length.
func (s sharing) run(length time.Duration) (share [2]float64) {
	var flows [2]*direct
	now := traceNow
	for k := range flows {
		d := &direct{now: now}
		for i := range d.conf {
			d.conf[i] = DefaultConf()
			d.conf[i].Congestion = s.cc[k]
			d.conf[i].SendBufferMax, d.conf[i].ReceiveBufferMax = 64<<20, 64<<20
			d.tcb[i].Init(now, &d.conf[i], pathPlain, Identity{ISS: uint32(1000*i + 77*k)})
		}
		d.tcb[0].Connect(now)
		d.tcb[1].Connect(now)
		flows[k] = d
	}
	var w wire
	bytesPerSecond := s.rate / 8
	queue := int(float64(bytesPerSecond) * s.rtt.Seconds())
	free := now
	middle, end := now.Add(length/2), now.Add(length)
	var got [2]int
	for now < end {
		for k, d := range flows {
			d.now = now
			d.write(0, 1<<20)
			if n := d.tcb[1].ReadableLen(); n > 0 {
				if d.tcb[1].Consume(now, n); now >= middle {
					got[k] += n
				}
			}
			for i := range d.tcb {
				for d.tcb[i].Poll(now, &d.out) {
					d.take()
					at := now
					if i == 0 { // towards the receiver there is the queue
						size := d.seg.Len + 52
						if backlog := int(max(free.Sub(now), 0).Seconds() * float64(bytesPerSecond)); backlog+size > queue {
							releaseAll(d.seg.Data)
							continue
						}
						free = max(free, now).Add(time.Duration(size) * time.Second / time.Duration(bytesPerSecond))
						at = free
					}
					f := &flying{at: at.Add(s.rtt / 2), to: 2*k + 1 - i, seg: d.seg}
					f.seg.Data = append([]slab.Piece(nil), d.seg.Data...)
					w.n++
					f.n = w.n
					heap.Push(&w, f)
				}
			}
		}
		next := end
		for _, d := range flows {
			next = tcpip.Earliest(next, tcpip.Earliest(d.tcb[0].Deadline(), d.tcb[1].Deadline()))
		}
		if w.Len() > 0 {
			next = tcpip.Earliest(next, w.q[0].at)
		}
		now = max(now, next)
		for w.Len() > 0 && w.q[0].at <= now {
			f := heap.Pop(&w).(*flying)
			flows[f.to/2].tcb[f.to%2].Segment(now, &f.seg)
		}
		for _, d := range flows {
			for i := range d.tcb {
				d.tcb[i].Advance(now)
			}
		}
	}
	for k := range got {
		share[k] = float64(got[k]) * 8 / (length / 2).Seconds() / float64(s.rate)
	}
	return share
}

// A CUBIC flow beside BBR keeps a fifth of the line, and BBR is not driven out.
func TestBBRBesideCubic(t *testing.T) {
	for _, s := range []sharing{
		{50e6, 40 * time.Millisecond, [2]Congestion{BBR, Cubic}},
		{50e6, 10 * time.Millisecond, [2]Congestion{BBR, Cubic}},
	} {
		got := s.run(60 * time.Second)
		t.Logf("%d Mbit/s %v: BBR %.3f, CUBIC %.3f", s.rate/1e6, s.rtt, got[0], got[1])
		if got[1] < 0.2 || got[0] < 0.05 || got[0]+got[1] < 0.85 {
			t.Errorf("%v", got)
		}
	}
}
