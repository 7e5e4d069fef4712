package fault_test

import (
	"encoding/binary"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/linktest"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/link/fault"
	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// path is two hosts under a manual clock; the first one's link is faulty.
type path struct {
	a, b  *linktest.Host
	link  *fault.Fault
	clock *tcpip.ManualClock
}

func newPath(t testing.TB, o fault.Options) *path {
	x := &path{clock: tcpip.NewManualClock()}
	linktest.NoLeaks(t, func() []*linktest.Host { return []*linktest.Host{x.a, x.b} })
	la, lb := pipe.New(pipe.Options{})
	x.link = fault.New(la, o)
	x.a = linktest.NewHost(t, x.clock, x.link)
	x.b = linktest.NewHost(t, x.clock, lb)
	return x
}

// packet is numbered datagram i, distinct from a neighbour that it could be merged with.
func packet(i, size int) *linktest.Spec {
	b := linktest.Pattern(size, i)
	binary.BigEndian.PutUint32(b, uint32(i))
	return &linktest.Spec{UDP: true, Payload: b}
}

// numbers returns the numbers of the arrived datagrams.
func numbers(got []linktest.Arrival) []int {
	var n []int
	for _, g := range got {
		n = append(n, int(binary.BigEndian.Uint32(g.Bytes[28:])))
	}
	return n
}

func upTo(n int) []int {
	var s []int
	for i := range n {
		s = append(s, i)
	}
	return s
}

func TestPerfect(t *testing.T) {
	x := newPath(t, fault.Options{})
	info := x.link.Info()
	require.Zero(t, info.Offload)
	require.Zero(t, info.GSOMax)
	require.Equal(t, 1, info.Queues)
	for i := range 300 {
		x.a.Send(packet(i, 100).Packet(x.a.Stack))
	}
	require.Equal(t, upTo(300), numbers(x.b.Take()), "a perfect wire needs no timer")
	for i := range 300 {
		x.b.Send(packet(i, 100).Packet(x.b.Stack))
	}
	require.Equal(t, upTo(300), numbers(x.a.Take()))
	tx, rx := x.link.Stats()
	require.Equal(t, fault.Stats{Passed: 300}, tx)
	require.Equal(t, fault.Stats{Passed: 300}, rx)
}

func TestLoss(t *testing.T) {
	x := newPath(t, fault.Options{Seed: 1, Tx: fault.Faults{Loss: 0.1}, Rx: fault.Faults{Loss: 1}})
	for i := range 1000 {
		x.a.Send(packet(i, 50).Packet(x.a.Stack))
		x.b.Send(packet(i, 50).Packet(x.b.Stack))
	}
	tx, rx := x.link.Stats()
	require.InDelta(t, 100, int(tx.Lost), 40)
	require.EqualValues(t, 1000, rx.Lost)
	require.Len(t, x.b.Take(), 1000-int(tx.Lost))
	require.Empty(t, x.a.Take())
	require.Equal(t, int(tx.Lost+rx.Lost), x.a.Drops(tcpip.DropFault))
	require.Zero(t, x.b.Drops(tcpip.DropFault), "counted in the wrong stack")
}

func TestDelay(t *testing.T) {
	x := newPath(t, fault.Options{Tx: fault.Faults{Delay: 10 * time.Millisecond}, Rx: fault.Faults{Delay: 3 * time.Millisecond}})
	start := x.clock.Now()
	x.a.Send(packet(0, 50).Packet(x.a.Stack))
	x.clock.Advance(time.Millisecond)
	x.a.Send(packet(1, 50).Packet(x.a.Stack), packet(2, 50).Packet(x.a.Stack))
	require.Empty(t, x.b.Take())
	x.clock.Advance(time.Second)
	got := x.b.Take()
	require.Equal(t, upTo(3), numbers(got))
	require.Equal(t, 10*time.Millisecond, got[0].At.Sub(start))
	require.Equal(t, 11*time.Millisecond, got[2].At.Sub(start))

	start = x.clock.Now()
	x.b.Send(packet(3, 50).Packet(x.b.Stack))
	x.clock.Advance(time.Second)
	require.Equal(t, 3*time.Millisecond, x.a.Take()[0].At.Sub(start))
	require.False(t, x.clock.Step(), "a timer is set with nothing under way")
}

func TestJitterKeepsOrder(t *testing.T) {
	x := newPath(t, fault.Options{Seed: 3, Tx: fault.Faults{Delay: 10 * time.Millisecond, Jitter: 5 * time.Millisecond}})
	for i := range 200 {
		x.a.Send(packet(i, 50).Packet(x.a.Stack))
		x.clock.Advance(100 * time.Microsecond)
	}
	x.clock.Advance(time.Second)
	require.Equal(t, upTo(200), numbers(x.b.Take()))
}

func TestReorder(t *testing.T) {
	x := newPath(t, fault.Options{Seed: 4, Tx: fault.Faults{Reorder: 0.2, ReorderBy: time.Millisecond}})
	for i := range 200 {
		x.a.Send(packet(i, 50).Packet(x.a.Stack))
		x.clock.Advance(300 * time.Microsecond)
	}
	x.clock.Advance(time.Second)
	got := numbers(x.b.Take())
	require.NotEqual(t, upTo(200), got)
	tx, _ := x.link.Stats()
	require.InDelta(t, 40, int(tx.Reordered), 25)
	for i, n := range got {
		require.InDelta(t, i, n, 5, "overtaken by more than fit into a millisecond")
	}
	slices.Sort(got)
	require.Equal(t, upTo(200), got)
}

func TestDuplicate(t *testing.T) {
	x := newPath(t, fault.Options{Tx: fault.Faults{Duplicate: 1}, Rx: fault.Faults{Duplicate: 0.5}})
	x.a.Send(packet(0, 1000).Packet(x.a.Stack), packet(1, 50).Packet(x.a.Stack))
	got := x.b.Take()
	require.Equal(t, []int{0, 0, 1, 1}, numbers(got))
	require.Equal(t, got[0], got[1])
	for i := range 100 {
		x.b.Send(packet(i, 50).Packet(x.b.Stack))
	}
	_, rx := x.link.Stats()
	require.Len(t, x.a.Take(), 100+int(rx.Duplicated))
}

// A bit flips in a copy; the sender's payload, which it may have to send again, stays.
func TestCorrupt(t *testing.T) {
	x := newPath(t, fault.Options{Seed: 5, Tx: fault.Faults{Corrupt: 1}, Rx: fault.Faults{Corrupt: 1}})
	for _, dir := range [][2]*linktest.Host{{x.a, x.b}, {x.b, x.a}} {
		// A segment, since a flip in the version field leaves it out of the count below.
		c := linktest.Spec{Flags: header.ACK, Payload: linktest.Pattern(1000, 1), Partial: true, Pieces: 3}
		want := c
		want.Partial = false
		for range 50 {
			p := c.Packet(dir[0].Stack)
			mine := p.Data()[1].Share()
			before := slices.Clone(mine.Bytes())
			dir[0].Send(p)
			require.Equal(t, before, mine.Bytes())
			mine.Release()
		}
		got := dir[1].Take()
		require.Len(t, got, 50)
		for _, g := range got {
			flipped := 0
			for i, v := range want.Bytes() {
				for d := v ^ g.Bytes[i]; d != 0; d &= d - 1 {
					flipped++
				}
			}
			require.Equal(t, 1, flipped)
			require.Equal(t, stack.ChecksumUnverified, g.Checksum)
		}
	}
}

// One megabit per second carries 1000 bytes in 8 ms.
func TestRate(t *testing.T) {
	x := newPath(t, fault.Options{Tx: fault.Faults{Rate: 1e6, Queue: 10000, Delay: time.Millisecond}})
	start := x.clock.Now()
	for i := range 20 {
		x.a.Send(packet(i, 972).Packet(x.a.Stack))
	}
	x.clock.Advance(time.Second)
	got := x.b.Take()
	require.Equal(t, upTo(10), numbers(got))
	for i, g := range got {
		require.Equal(t, time.Duration(8*(i+1)+1)*time.Millisecond, g.At.Sub(start))
	}
	tx, _ := x.link.Stats()
	require.Equal(t, fault.Stats{Passed: 10, Overflowed: 10}, tx)
	require.Equal(t, 10, x.a.Drops(tcpip.DropFault))
}

// What the lower link delivers as one is harmed as the packets that it stands for.
func TestSuperSegmentsAreCut(t *testing.T) {
	x := newPath(t, fault.Options{Seed: 6, Rx: fault.Faults{Loss: 0.3}})
	c := linktest.Spec{UDP: true, Payload: linktest.Pattern(40000, 1), SegSize: 1000}
	x.b.Send(c.Packet(x.b.Stack))
	_, rx := x.link.Stats()
	require.EqualValues(t, 40, rx.Lost+rx.Passed)
	require.NotZero(t, rx.Lost)
	got := x.a.Take()
	require.Len(t, got, int(rx.Passed))
	for _, g := range got {
		require.True(t, linktest.Valid(g.Bytes))
		require.Equal(t, stack.ChecksumUnverified, g.Checksum)
	}
}

// The same seed does the same harm; another one another.
func TestRepeatable(t *testing.T) {
	run := func(seed uint64) (got []linktest.Arrival) {
		f := fault.Faults{
			Loss: 0.1, Duplicate: 0.1, Corrupt: 0.1, Reorder: 0.1, Delay: time.Millisecond, Jitter: time.Millisecond, Rate: 1e7,
		}
		x := newPath(t, fault.Options{Seed: seed, Tx: f, Rx: f})
		for i := range 200 {
			x.a.Send(packet(i, 100).Packet(x.a.Stack))
			x.b.Send(packet(i, 100).Packet(x.b.Stack))
			x.clock.Advance(50 * time.Microsecond)
		}
		x.clock.Advance(time.Second)
		return append(x.a.Take(), x.b.Take()...)
	}
	first := run(7)
	require.Equal(t, first, run(7))
	require.NotEqual(t, first, run(8))
}

// A lower link that stops loses nothing, and keeps the order.
func TestBackpressure(t *testing.T) {
	var h *linktest.Host
	linktest.NoLeaks(t, func() []*linktest.Host { return []*linktest.Host{h} })
	clock := tcpip.NewManualClock()
	low := channel.New(channel.Options{Capacity: 3})
	h = linktest.NewHost(t, clock, fault.New(low, fault.Options{Tx: fault.Faults{Delay: time.Millisecond}}))
	for i := range 500 {
		h.Send(packet(i, 20).Packet(h.Stack))
	}
	clock.Advance(time.Second)
	for i := range 500 {
		p := low.TryNext()
		require.NotNil(t, p, "packet %d", i)
		b := make([]byte, p.Len())
		p.CopyTo(b)
		p.Release()
		require.EqualValues(t, i, binary.BigEndian.Uint32(b[28:]))
	}
	require.Nil(t, low.TryNext())
}

func TestCloseWithPacketsUnderWay(t *testing.T) {
	x := newPath(t, fault.Options{Tx: fault.Faults{Delay: time.Second}, Rx: fault.Faults{Delay: time.Second}})
	x.a.Send(packet(0, 50).Packet(x.a.Stack))
	x.b.Send(packet(1, 50).Packet(x.b.Stack))
	x.a.NIC.Remove()
	require.Equal(t, 2, x.a.Drops(tcpip.DropLinkDown))
	require.ErrorIs(t, x.link.Attach(nil), tcpip.ErrClosed)
	x.clock.Advance(time.Minute)
	require.Empty(t, x.b.Take())
}

func TestCloseDuringTraffic(t *testing.T) {
	var a, b *linktest.Host
	linktest.NoLeaks(t, func() []*linktest.Host { return []*linktest.Host{a, b} })
	f := fault.Faults{
		Loss: 0.1, Duplicate: 0.1, Corrupt: 0.1, Reorder: 0.1, Delay: 50 * time.Microsecond, Jitter: 50 * time.Microsecond,
	}
	la, lb := pipe.New(pipe.Options{})
	a = linktest.NewHost(t, nil, fault.New(la, fault.Options{Tx: f, Rx: f}))
	b = linktest.NewHost(t, nil, lb)
	a.CountOnly()
	b.CountOnly()
	var wg sync.WaitGroup
	for _, h := range []*linktest.Host{a, b, a, b} {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c := linktest.Spec{Flags: header.ACK, Payload: linktest.Pattern(5000, 1), SegSize: 1000}
			for range 300 {
				w := h.Stack.Begin()
				if p := c.Packet(h.Stack); !h.NIC.Enqueue(w, p) {
					w.Drop(p, tcpip.DropQueueFull)
				}
				w.End()
			}
		}()
	}
	a.Await(100)
	b.Await(100)
	a.NIC.Remove()
	wg.Wait()
	for _, h := range []*linktest.Host{a, b} {
		h.Stack.Close()
		require.NoError(t, h.Stack.Wait(t.Context()))
	}
}
