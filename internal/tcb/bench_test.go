package tcb

import (
	"testing"

	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/tcpip"
)

// direct is two machines joined without a wire: what one sends the other receives in the same breath.
type direct struct {
	conf [2]Conf
	tcb  [2]TCB
	now  tcpip.Time
	pool slab.Pool
	out  Out
	seg  Segment
	segs int
}

func newDirect(tb testing.TB, p Path, edit ...func(*Conf)) *direct {
	d := &direct{now: traceNow}
	for i := range d.conf {
		d.conf[i] = DefaultConf()
		for _, e := range edit {
			e(&d.conf[i])
		}
		d.tcb[i].Init(d.now, &d.conf[i], p, Identity{ISS: uint32(1000 * i), TSOffset: uint32(i)})
	}
	d.tcb[0].Connect(d.now)
	d.tcb[0].Poll(d.now, &d.out)
	var r Request
	d.take()
	r.Init(d.now, &d.seg, &d.conf[1], p, Identity{ISS: 77})
	r.SynAck(d.now, &d.out)
	d.take()
	d.tcb[0].Segment(d.now, &d.seg)
	d.tcb[0].Poll(d.now, &d.out)
	d.take()
	if v, _ := r.Segment(d.now, &d.seg, &d.out); v != VerdictEstablish {
		tb.Fatal(v)
	}
	r.Establish(d.now, &d.seg, &d.tcb[1], &d.conf[1])
	if d.tcb[0].State() != StateEstablished || d.tcb[1].State() != StateEstablished {
		tb.Fatal("not established")
	}
	return d
}

// take makes the segment out of what was just built.
func (d *direct) take() {
	o, s := &d.out, &d.seg
	data := append(s.Data[:0], o.Data...)
	*s = Segment{Seq: o.Seq, Ack: o.Ack, Flags: o.Flags, Window: o.Window, Options: o.Options, Data: data, Len: o.Len, Wire: segments(o.Len, max(o.SegSize, 1)), ECT: o.ECT}
}

// pump carries segments both ways until nobody has anything to say, a reader emptying its queue after
// each round.
func (d *direct) pump() (read int) {
	for busy := true; busy; {
		busy = false
		d.now += 1000
		for i := range d.tcb {
			for d.tcb[i].Poll(d.now, &d.out) {
				busy = true
				d.segs++
				d.take()
				d.tcb[1-i].Segment(d.now, &d.seg)
			}
			if n := d.tcb[1-i].ReadableLen(); n > 0 {
				read += n
				d.tcb[1-i].Consume(d.now, n)
			}
			if t := d.tcb[i].Deadline(); t != 0 && t <= d.now {
				d.tcb[i].Advance(d.now)
			}
		}
	}
	return read
}

func (d *direct) write(from, n int) {
	t := &d.tcb[from]
	for n > 0 && t.Room() > 0 {
		k := min(n, t.Room(), 65536)
		p, _ := d.pool.Get(k)
		p.Extend(k)
		t.Write(d.now, p)
		n -= k
	}
}

var (
	pathSuper = Path{MTU: 1500, NetHeader: 20, AdvMSS: 1460, MaxSegment: 65535, SameHost: true}
	pathLoop  = Path{MTU: 65536, NetHeader: 20, AdvMSS: 65496, MaxSegment: 65535, SameHost: true}
	pathPlain = Path{MTU: 1500, NetHeader: 20, AdvMSS: 1460}
)

// In the steady state nothing is allocated per segment, neither in bulk nor in request and response.
func TestNoAllocation(t *testing.T) {
	for name, p := range map[string]Path{"super-segments": pathSuper, "loop": pathLoop, "plain": pathPlain} {
		d := newDirect(t, p)
		work := func() {
			d.write(0, 256<<10)
			d.pump()
			d.write(0, 64)
			d.pump()
			d.write(1, 64)
			d.pump()
		}
		for range 100 {
			work()
		}
		d.segs = 0
		if n := testing.AllocsPerRun(200, work); n > 0.1 {
			t.Errorf("%s: %v allocations per run", name, n)
		}
		if d.segs == 0 {
			t.Error("nothing was sent")
		}
	}
}

func BenchmarkBulk(b *testing.B) {
	for name, p := range map[string]Path{"super": pathSuper, "loop": pathLoop, "plain": pathPlain} {
		b.Run(name, func(b *testing.B) {
			d := newDirect(b, p)
			b.SetBytes(256 << 10)
			b.ReportAllocs()
			got := 0
			for b.Loop() {
				d.write(0, 256<<10)
				got += d.pump()
			}
			b.ReportMetric(float64(d.segs)/float64(b.N), "segs/op")
			b.ReportMetric(float64(got)/float64(b.N), "B/op-read")
		})
	}
}

// BenchmarkRoundTrip is 64 bytes there and back.
func BenchmarkRoundTrip(b *testing.B) {
	d := newDirect(b, pathSuper, func(c *Conf) { c.NoDelay = true })
	b.ReportAllocs()
	for b.Loop() {
		d.write(0, 64)
		d.pump()
		d.write(1, 64)
		d.pump()
	}
	b.ReportMetric(float64(d.segs)/float64(b.N), "segs/op")
}

// BenchmarkSACK is the worst input for the scoreboard: every second segment of a large window is
// reported, one at a time, from the front, the back and the middle.
func BenchmarkSACK(b *testing.B) {
	for b.Loop() {
		var board scoreboard
		const n, mss = 4096, 1000
		board.push(record{seq: 0, end: n * mss, segs: n, mss: mss, sent: 1})
		a := acked{tcb: new(TCB)}
		for i := range n / 2 {
			at := uint32(i*7919%(n/2)) * 2 * mss
			board.sack(seq.Number(at), seq.Number(at+mss), 0, &a)
		}
	}
}
