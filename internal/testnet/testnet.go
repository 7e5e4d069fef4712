// Package testnet is support for the tests of endpoints: two hosts joined by a pipe, each with a loopback
// NIC, or one host alone.
package testnet

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/network/arp"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/network/ipv6"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// The numbers of a host's NICs.
const (
	Loopback tcpip.NICID = 1
	Ethernet tcpip.NICID = 2 // the pipe, whatever its kind
)

// Options change a Net. The zero value is a pipe of bare IP packets with all offloads, under a manual clock.
type Options struct {
	System bool // run on the system's clock
	Pipe   pipe.Options
	Stack  stack.Options // but for Clock, Random, Networks and Transports
}

// Host is a stack with its addresses.
type Host struct {
	*stack.Stack
	NIC    *stack.NIC // the pipe's; nil on a host alone
	V4, V6 netip.Addr
	wire   wire
}

// wire is a link that remembers its receiver, to inject packets.
type wire struct {
	stack.Link
	up stack.Receiver
}

func (l *wire) Attach(r stack.Receiver) error {
	l.up = r
	return l.Link.Attach(r)
}

// Net is two hosts: A is 10.0.0.1 and fd00::1, B 10.0.0.2 and fd00::2.
type Net struct {
	Clock *tcpip.ManualClock // nil on the system's clock
	A, B  *Host
}

// New joins two hosts with the given transports. When the test ends, both are closed, and it fails if they
// have kept a packet or a slab.
func New(t testing.TB, o Options, transports ...stack.NewTransport) *Net {
	n := &Net{}
	clock := tcpip.SystemClock()
	if !o.System {
		n.Clock = tcpip.NewManualClock()
		clock = n.Clock
	}
	n.A = newHost(t, o, clock, 1, transports)
	n.B = newHost(t, o, clock, 2, transports)
	a, b := pipe.New(o.Pipe)
	for i, h := range []*Host{n.A, n.B} {
		var err error
		h.wire.Link = []stack.Link{a, b}[i]
		h.NIC, err = h.AddNIC(&h.wire, stack.NICOptions{
			ID: Ethernet, Name: "eth0", DAD: tcpip.Set(0), Groups: stack.GroupOptions{Silent: true},
			Addresses: []netip.Prefix{netip.PrefixFrom(h.V4, 24), netip.PrefixFrom(h.V6, 64)},
		})
		require.NoError(t, err)
	}
	t.Cleanup(func() { closeAll(t, n.Clock, n.A.Stack, n.B.Stack) })
	return n
}

func newHost(t testing.TB, o Options, clock tcpip.Clock, i byte, transports []stack.NewTransport) *Host {
	so := o.Stack
	so.Clock = clock
	so.Random = rand.NewChaCha8([32]byte{i})
	so.Networks = []stack.NewNetwork{arp.New, ipv4.New, ipv6.New}
	so.Transports = transports
	h := &Host{Stack: stack.New(so), V4: netip.AddrFrom4([4]byte{10, 0, 0, i}), V6: netip.AddrFrom16([16]byte{0: 0xfd, 15: i})}
	_, err := h.AddNIC(loopback.New(loopback.Options{}), stack.NICOptions{
		ID: Loopback, Name: "lo",
		Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")},
	})
	require.NoError(t, err)
	return h
}

// closeAll closes stacks and looks for what they have not given back. Packets of one may be in another, so
// all are closed first.
func closeAll(t testing.TB, clock *tcpip.ManualClock, stacks ...*stack.Stack) {
	for _, s := range stacks {
		s.Close()
	}
	if clock != nil {
		clock.Settle()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for _, s := range stacks {
		require.NoError(t, s.Wait(ctx), "a stack did not come to its end")
	}
	for _, s := range stacks {
		require.Zero(t, s.LivePackets(), "packets were kept")
		require.Zero(t, s.Slabs.Live(), "slab bytes were kept")
	}
}

// Addr returns the host's address of a family.
func (h *Host) Addr(family header.EtherType) netip.Addr {
	if family == header.EtherTypeIPv6 {
		return h.V6
	}
	return h.V4
}

// Endpoint makes an endpoint, which is closed when the test ends.
func (h *Host) Endpoint(t testing.TB, proto header.Protocol, family header.EtherType) stack.Endpoint {
	t.Helper()
	e, err := h.NewEndpoint(proto, family)
	require.NoError(t, err)
	t.Cleanup(e.Close)
	return e
}

// Drops returns how many packets the host has dropped for a reason.
func (h *Host) Drops(d tcpip.Drop) int { return int(h.Counters().Drops[d].Value()) }

// Capture records the packets that leave through a NIC, from the network header on. The function that it
// returns gives what was recorded since its last call. It is for tests under a manual clock.
func Capture(n *stack.NIC) func() [][]byte {
	var sent [][]byte
	n.AddTap(func(ev stack.TapEvent, p *stack.Packet, _ tcpip.Drop) {
		if ev == stack.TapOut {
			b := make([]byte, p.Len())
			p.CopyTo(b)
			sent = append(sent, b)
		}
	})
	return func() [][]byte {
		got := sent
		sent = nil
		return got
	}
}

// Inject makes the host's NIC receive a packet of bare IP, as if it had come from the link.
func (h *Host) Inject(b []byte) {
	h.InjectPacket(h.NewPacketCopy(b))
}

// InjectPacket is Inject for a packet, which it takes.
func (h *Host) InjectPacket(p *stack.Packet) {
	p.EtherType = stack.EtherTypeOf(p.Front())
	h.wire.up.Deliver(nil, []*stack.Packet{p})
}
