package peer

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const ms = time.Millisecond

// trace tells a peer of segments and returns the ACKs that come of them, up to a time.
func trace(p *Peer, until time.Duration, sent map[time.Duration][]Segment) string {
	var list []string
	for now := time.Duration(0); now <= until; now += ms {
		for _, s := range sent[now] {
			p.Sent(now, s)
		}
		for {
			a, ok := p.Due(now)
			if !ok {
				break
			}
			s := fmt.Sprintf("%d: %d win %d", now/ms, a.Ack, a.Window)
			for _, b := range a.Blocks {
				s += fmt.Sprintf(" %d:%d", b.Left, b.Right)
			}
			if a.Echo {
				s += " E"
			}
			list = append(list, s)
		}
	}
	return strings.Join(list, "; ")
}

// segs are the n-th segments of 100 bytes, the first being 0.
func segs(n ...uint32) (list []Segment) {
	for _, n := range n {
		list = append(list, Segment{Seq: 1 + 100*n, End: 101 + 100*n})
	}
	return list
}

// What a receiver says of what arrives.
func TestPeer(t *testing.T) {
	plan := Plan{RTT: 20 * ms, SACK: true, DSACK: true, Window: 1000, MSS: 100}
	with := func(f func(p *Plan)) Plan {
		p := plan
		f(&p)
		return p
	}
	marked := segs(0)
	marked[0].ECT, marked[0].CE = true, true
	reduced := segs(2)
	reduced[0].CWR = true
	for _, test := range []struct {
		name string
		plan Plan
		sent map[time.Duration][]Segment
		want string
	}{
		{"in order", plan, map[time.Duration][]Segment{0: segs(0, 1)}, "20: 101 win 1000; 20: 201 win 1000"},
		{"the newest block first", plan, map[time.Duration][]Segment{0: segs(2, 6, 4, 3)},
			"20: 1 win 1000 201:301; 20: 1 win 1000 601:701 201:301; 20: 1 win 1000 401:501 601:701 201:301; 20: 1 win 1000 201:501 601:701"},
		{"a gap is filled", plan, map[time.Duration][]Segment{0: segs(1, 3, 0)}, "20: 1 win 1000 101:201; 20: 1 win 1000 301:401 101:201; 20: 201 win 1000 301:401"},
		{"duplicates", plan, map[time.Duration][]Segment{0: segs(0, 0, 2, 2)},
			"20: 101 win 1000; 20: 101 win 1000 1:101; 20: 101 win 1000 201:301; 20: 101 win 1000 201:301 201:301"},
		{"without SACK", with(func(p *Plan) { p.SACK = false }), map[time.Duration][]Segment{0: segs(1, 0)}, "20: 1 win 1000; 20: 201 win 1000"},
		{"the second is acknowledged", with(func(p *Plan) { p.Every, p.Delay = 2, 40*ms }), map[time.Duration][]Segment{0: segs(0, 1, 2)},
			"20: 201 win 1000; 60: 301 win 1000"},
		{"together", with(func(p *Plan) { p.Batch = 50 * ms }), map[time.Duration][]Segment{0: segs(0), 20 * ms: segs(1)}, "50: 101 win 1000; 50: 201 win 1000"},
		{"the last of them", with(func(p *Plan) { p.Batch, p.Thin = 50*ms, true }), map[time.Duration][]Segment{0: segs(0), 20 * ms: segs(1)}, "50: 201 win 1000"},
		{"a slow reader", with(func(p *Plan) { p.Window, p.Read, p.ReadMax = 300, 30*ms, 200 }), map[time.Duration][]Segment{0: segs(0, 1, 2, 3)},
			"20: 101 win 200; 20: 201 win 100; 20: 301 win 0; 20: 301 win 0; 50: 301 win 200"},
		{"a probe of the window", with(func(p *Plan) { p.Window, p.Read, p.ReadMax = 100, time.Second, 1 }), map[time.Duration][]Segment{
			0: segs(0), 20 * ms: {{Seq: 100, End: 100}, {Seq: 101, End: 101}}}, "20: 101 win 0; 40: 101 win 0"},
		{"congestion until it is answered", plan, map[time.Duration][]Segment{0: marked, 10 * ms: segs(1), 20 * ms: reduced}, "20: 101 win 1000 E; 30: 201 win 1000 E; 40: 301 win 1000"},
		{"reneging", with(func(p *Plan) { p.Renege = 15 * ms }), map[time.Duration][]Segment{0: segs(1), 10 * ms: segs(2)}, "20: 1 win 1000 101:201; 30: 1 win 1000 201:301"},
		{"halves", with(func(p *Plan) { p.Split = 1 }), map[time.Duration][]Segment{0: segs(0)}, "20: 51 win 1000; 20: 101 win 1000"},
		{"all is lost", with(func(p *Plan) { p.Loss = 1 }), map[time.Duration][]Segment{0: segs(0, 1)}, ""},
		{"until the path is calm", with(func(p *Plan) { p.Loss, p.Calm = 1, 5*ms }), map[time.Duration][]Segment{0: segs(0), 6 * ms: segs(1)}, "26: 1 win 1000 101:201"},
		{"all is marked", with(func(p *Plan) { p.Mark = 1 }), map[time.Duration][]Segment{0: {{Seq: 1, End: 101, ECT: true}, {Seq: 101, End: 201}}}, "20: 101 win 1000 E; 20: 201 win 1000 E"},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, trace(New(test.plan, 1), 200*ms, test.sent))
		})
	}
}

// Whatever a path does, a peer never acknowledges less than before, nor what was not sent, takes no window back by more
// than its scale hides, and reports only what came.
func TestPeerKeepsItsWord(t *testing.T) {
	moved := 0
	for seed := range uint64(100) {
		d := rand.New(rand.NewPCG(seed, 9))
		p := New(Plan{
			RTT: 20 * ms, Loss: .1 * d.Float64(), Reorder: d.Float64(), Duplicate: d.Float64() / 2, Burst: d.IntN(4), AckLoss: d.Float64() / 2,
			Every: d.IntN(4), Delay: 30 * ms, Split: d.Float64() / 2, SACK: true, DSACK: seed%2 == 0, Window: uint32(200 + d.IntN(4000)), Scale: uint8(d.IntN(4)),
			Read: time.Duration(d.IntN(30)) * ms, ReadMax: uint32(1 + d.IntN(500)), MSS: 100,
		}, seed)
		var next, ack, edge uint32 = 1, 1, 0
		for now := time.Duration(0); now < time.Second; now += ms {
			if d.IntN(4) == 0 {
				from := next
				if from > 300 && d.IntN(4) == 0 {
					from -= uint32(d.IntN(3)) * 100
				}
				s := Segment{Seq: from, End: from + uint32(d.IntN(150))}
				p.Sent(now, s)
				next = max(next, s.End)
			}
			for {
				a, ok := p.Due(now)
				if !ok {
					break
				}
				require.GreaterOrEqual(t, a.Ack, ack)
				require.LessOrEqual(t, a.Ack, next)
				require.Greater(t, a.Ack+(a.Window+1)<<p.plan.Scale, edge, "seed %d", seed)
				ack, edge = a.Ack, a.Ack+a.Window<<p.plan.Scale
				require.LessOrEqual(t, len(a.Blocks), 4)
				for i, b := range a.Blocks {
					require.Less(t, b.Left, b.Right)
					require.LessOrEqual(t, b.Right, next)
					require.True(t, b.Left > a.Ack || i == 0 && p.plan.DSACK, "%v of %d", a.Blocks, a.Ack)
				}
			}
		}
		if ack > 1 {
			moved++
		}
	}
	require.Greater(t, moved, 60)
}
