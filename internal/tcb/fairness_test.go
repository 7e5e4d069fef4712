package tcb

import (
	"cmp"
	"container/heap"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/tcpip"
)

// together has several bulk transfers share the link, begun b.apart of one another, and returns the bytes of each after skip.
func (b bottleneck) together(flows int, length, skip time.Duration) []int {
	const ends = 2
	all := make([]*direct, flows)
	for f := range all {
		d := &direct{now: traceNow}
		for i := range d.conf {
			d.conf[i] = DefaultConf()
			d.conf[i].Congestion, d.conf[i].SACK = b.cc, b.sack
			if b.beside != nil {
				d.conf[i].Congestion = b.beside[f]
			}
			d.tcb[i].Init(d.now, &d.conf[i], pathPlain, Identity{ISS: uint32(1000*i + 77*f)})
		}
		all[f] = d
	}
	var w wire
	var free [ends]tcpip.Time
	perSecond := b.rate / 8
	queue := cmp.Or(b.queue, int(float64(perSecond)*b.rtt.Seconds()))
	got := make([]int, flows)
	now, end := traceNow, traceNow.Add(length)
	for begun := 0; now < end; {
		start := traceNow.Add(time.Duration(begun) * cmp.Or(b.apart, time.Second))
		if begun < flows && now >= start {
			all[begun].tcb[0].Connect(now)
			all[begun].tcb[1].Connect(now)
			begun++
			start = start.Add(cmp.Or(b.apart, time.Second))
		}
		next := tcpip.Time(0)
		for f, d := range all[:begun] {
			d.now = now
			for i := range d.tcb {
				t := &d.tcb[i]
				if i == 0 {
					d.write(0, 1<<20)
				} else if n := t.ReadableLen(); n > 0 {
					if now >= traceNow.Add(skip) {
						got[f] += n
					}
					t.Consume(now, n)
				}
				for t.Poll(now, &d.out) {
					d.take()
					size := d.seg.Len + goodputOverhead
					backlog := int(max(free[i].Sub(now), 0).Seconds() * float64(perSecond))
					if backlog+size > queue {
						releaseAll(d.seg.Data)
						continue
					}
					if b.admit != nil {
						b.admit(now, &d.seg, backlog)
					}
					free[i] = max(free[i], now).Add(time.Duration(size) * time.Second / time.Duration(perSecond))
					g := &flying{at: free[i].Add(b.rtt / 2), to: ends*f + 1 - i, seg: d.seg}
					g.seg.Data = append([]slab.Piece(nil), d.seg.Data...)
					w.n++
					g.n = w.n
					heap.Push(&w, g)
				}
				next = tcpip.Earliest(next, t.Deadline())
			}
		}
		if w.Len() > 0 {
			next = tcpip.Earliest(next, w.q[0].at)
		}
		if begun < flows {
			next = tcpip.Earliest(next, start)
		}
		now = max(now, next)
		for w.Len() > 0 && w.q[0].at <= now {
			g := heap.Pop(&w).(*flying)
			all[g.to/ends].tcb[g.to%ends].Segment(now, &g.seg)
		}
		for _, d := range all[:begun] {
			for i := range d.tcb {
				d.tcb[i].Advance(now)
				if b.admit != nil { // an open from both sides does not agree upon it
					d.tcb[i].opt.ecn = d.tcb[i].state == StateEstablished
				}
			}
		}
	}
	return got
}

// fairnessSlack is how much farther from its half a flow may be than the kernel's were, in hundredths of the link.
const fairnessSlack = 5

// Two flows of CUBIC at 50 Mbit/s and 40 ms with a queue of one bandwidth-delay product share the link, in the last of
// two minutes, about as well as the kernel's do (testdata/goodput/fairness.tsv, from internal/interop).
func TestFairness(t *testing.T) {
	if !*goodputAll {
		t.Skip("only with -goodput.all")
	}
	text, err := os.ReadFile(filepath.Join("testdata", "goodput", "fairness.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	_, number, _ := strings.Cut(string(text), "\n")
	kernel, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil {
		t.Fatal(err)
	}
	b := bottleneck{rate: 50e6, rtt: 40 * time.Millisecond, cc: Cubic, sack: true}
	n := b.together(2, 2*time.Minute, time.Minute)
	sum := float64(n[0] + n[1])
	first := 100 * float64(n[0]) / sum
	t.Logf("%.1f %% and %.1f %%, of %.3f of the rate; the kernel's %.1f %%", first, 100-first, sum*8/60/50e6, kernel)
	if math.Abs(first-50) > math.Abs(kernel-50)+fairnessSlack {
		t.Errorf("%.1f %% for the first flow", first)
	}
	if sum*8/60/50e6 < 0.9 {
		t.Errorf("together they use %.3f of the link", sum*8/60/50e6)
	}
}
