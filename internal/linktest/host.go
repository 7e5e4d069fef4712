// Package linktest is support for the tests of links: hosts whose network layer only records what
// arrives, and packets to send them.
package linktest

import (
	"context"
	"math"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Arrival is what a Host remembers of a packet.
type Arrival struct {
	Bytes    []byte
	Type     header.EtherType
	Link     stack.LinkPart
	Checksum stack.Checksum
	SegSize  int
	Segs     int
	CE       int
	At       tcpip.Time
	Cost     int // bytes of the slabs behind the front
}

// Host is a stack with one NIC over a link.
type Host struct {
	Stack *stack.Stack
	NIC   *stack.NIC

	// Drop, if set before packets arrive, is asked whether to drop an arriving packet, and why.
	Drop func(*stack.Packet) tcpip.Drop

	t     testing.TB
	count bool
	mu    sync.Mutex
	cond  sync.Cond
	got   []Arrival
	n     int
}

// NewHost attaches link to a new stack with the given clock, nil meaning the system's. The test fails at
// its end if anything of the stack is left.
func NewHost(t testing.TB, clock tcpip.Clock, link stack.Link) *Host {
	h := &Host{t: t}
	h.cond.L = &h.mu
	protocol := func(e header.EtherType) stack.NewNetwork {
		return func(*stack.Stack) stack.NetworkProtocol { return &recorder{h, e} }
	}
	h.Stack = stack.New(stack.Options{
		Clock:    clock,
		Networks: []stack.NewNetwork{protocol(header.EtherTypeIPv4), protocol(header.EtherTypeIPv6)},
	})
	var err error
	h.NIC, err = h.Stack.AddNIC(link, stack.NICOptions{})
	require.NoError(t, err)
	t.Cleanup(h.close)
	return h
}

// CountOnly makes the host count arriving packets without remembering them.
func (h *Host) CountOnly() { h.count = true }

// close ends the stack. Packets and slabs are counted when all hosts of the test are closed, since a
// pipe carries one host's into another.
func (h *Host) close() {
	h.Stack.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	require.NoError(h.t, h.Stack.Wait(ctx))
}

// NoLeaks fails the test, once its hosts are closed, if any packet or slab of theirs is left. It is
// called before the hosts are made, with a function that returns them.
func NoLeaks(t testing.TB, hosts func() []*Host) {
	t.Cleanup(func() {
		for _, h := range hosts() {
			require.Zero(t, h.Stack.LivePackets(), "packets leaked")
			require.Zero(t, h.Stack.Slabs.Live(), "slab bytes leaked")
		}
	})
}

// Send enqueues packets in one frame. It fails the test if the transmit queue refuses one.
func (h *Host) Send(packets ...*stack.Packet) {
	w := h.Stack.Begin()
	for _, p := range packets {
		if !h.NIC.Enqueue(w, p) {
			p.Release()
			h.t.Error("the transmit queue is full")
		}
	}
	w.End()
}

// Take returns what has arrived since the last call.
func (h *Host) Take() []Arrival {
	h.mu.Lock()
	defer h.mu.Unlock()
	got := h.got
	h.got = nil
	return got
}

// Await waits for n packets in all, counted from the beginning, for at most ten seconds.
func (h *Host) Await(n int) {
	h.t.Helper()
	stop := time.AfterFunc(10*time.Second, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.n = math.MinInt32
		h.cond.Broadcast()
	})
	defer stop.Stop()
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.n < n {
		if h.n < 0 {
			h.t.Fatalf("waited in vain for %d packets", n)
		}
		h.cond.Wait()
	}
}

// Count returns how many packets have arrived since the beginning.
func (h *Host) Count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n
}

// Drops returns how many packets the stack has dropped for a reason.
func (h *Host) Drops(d tcpip.Drop) int { return int(h.Stack.Counters().Drops[d].Value()) }

type recorder struct {
	h    *Host
	kind header.EtherType
}

func (r *recorder) EtherType() header.EtherType { return r.kind }
func (r *recorder) Close()                      {}

func (r *recorder) Receive(_ *stack.Work, _ *stack.NIC, p *stack.Packet) {
	h := r.h
	h.mu.Lock()
	h.n++
	h.cond.Broadcast()
	if !h.count {
		b := make([]byte, p.Len())
		p.CopyTo(b)
		cost := 0
		for _, d := range p.Data() {
			cost += d.Cost()
		}
		h.got = append(h.got, Arrival{
			Bytes: b, Type: p.EtherType, Link: p.Link, Checksum: p.Checksum,
			SegSize: int(p.SegSize), Segs: int(p.Segs), CE: int(p.CE), At: p.At, Cost: cost,
		})
	}
	h.mu.Unlock()
	if h.Drop != nil {
		if d := h.Drop(p); d != tcpip.DropNone {
			p.Drop(d)
			return
		}
	}
	p.Release()
}

// Addresses of the two hosts of a test.
var (
	addr4 = [2]netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}
	addr6 = [2]netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")}
)
