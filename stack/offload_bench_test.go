package stack_test

import (
	"testing"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/linktest"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/stack"
)

// superSegments makes packets of 64 KB like TCP's, without copying the payload.
type superSegments struct {
	s     *stack.Stack
	model *stack.Packet
	batch []*stack.Packet
	cut   []*stack.Packet
}

func newSuperSegments(s *stack.Stack) *superSegments {
	c := linktest.Spec{
		Flags: header.ACK, DF: true, ID: 1, Options: header.TCPOptions{HasTimestamp: true},
		Payload: linktest.Pattern(45*1448, 1), SegSize: 1448,
	}
	return &superSegments{s: s, model: c.Packet(s)}
}

func (g *superSegments) next() *stack.Packet {
	p := g.s.NewPacket()
	copy(p.Prepend(len(g.model.Front())), g.model.Front())
	p.SetNetwork(header.IPv4Size)
	p.EtherType, p.SegSize, p.Checksum = g.model.EtherType, g.model.SegSize, g.model.Checksum
	for _, d := range g.model.Data() {
		p.AppendData(d.Share())
	}
	return p
}

// roundTrip cuts a super-segment and merges it again.
func (g *superSegments) roundTrip() {
	g.cut, _ = g.next().Cut(g.cut[:0])
	for _, p := range g.cut {
		p.Arrive()
	}
	out := stack.Merge(g.cut)
	if len(out) != 1 || out[0].Segs != 45 {
		panic("not merged")
	}
	out[0].Release()
}

func (g *superSegments) fit(n *stack.NIC, w *stack.Work) {
	g.batch = append(g.batch[:0], g.next())
	ready, _ := stack.Fit(n, w, g.batch)
	for _, p := range ready {
		p.Release()
	}
}

func TestOffloadNoAllocations(t *testing.T) {
	h, _ := bench(t, channel.Options{})
	g := newSuperSegments(h.Stack)
	defer g.model.Release()
	w := h.Stack.Begin()
	linktest.NoAllocations(t, func() { g.fit(h.NIC, w) })
	linktest.NoAllocations(t, g.roundTrip)
	w.End()
}

// The figures are per super-segment of 45 wire segments.
func BenchmarkFit(b *testing.B) {
	h, _ := bench(b, channel.Options{})
	g := newSuperSegments(h.Stack)
	defer g.model.Release()
	w := h.Stack.Begin()
	b.SetBytes(45 * 1448)
	for b.Loop() {
		g.fit(h.NIC, w)
	}
	w.End()
}

func BenchmarkCutMerge(b *testing.B) {
	h, _ := bench(b, channel.Options{})
	g := newSuperSegments(h.Stack)
	defer g.model.Release()
	b.SetBytes(45 * 1448)
	for b.Loop() {
		g.roundTrip()
	}
}

// A batch of super-segments crosses a pipe that carries real packets, and is merged again.
func BenchmarkWirePipe(b *testing.B) {
	la, lb := pipe.New(pipe.Options{NoChecksum: true})
	x, y := linktest.NewHost(b, nil, la), linktest.NewHost(b, nil, lb)
	y.CountOnly()
	g := newSuperSegments(x.Stack)
	defer g.model.Release()
	const batch = 15
	b.SetBytes(batch * 45 * 1448)
	for b.Loop() {
		w := x.Stack.Begin()
		for range batch {
			x.NIC.Enqueue(w, g.next())
		}
		w.End()
	}
}
