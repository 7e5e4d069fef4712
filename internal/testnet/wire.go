package testnet

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/network/arp"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/network/ipv6"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Wired is a stack whose NICs end in the hands of the test, under a manual clock.
type Wired struct {
	*stack.Stack
	Clock *tcpip.ManualClock
	t     testing.TB
}

// Port is a NIC of a Wired, and the wire at it.
type Port struct {
	*stack.NIC
	wired *Wired
	wire  *channel.Channel
	batch [1]*stack.Packet
}

// Wire makes a stack with a loopback NIC and the given transports; without a Random in o, its randomness is
// always the same. When the test ends it is closed, and the test fails if it has kept a packet or a slab.
func Wire(t testing.TB, o stack.Options, transports ...stack.NewTransport) *Wired {
	w := &Wired{Clock: tcpip.NewManualClock(), t: t}
	o.Clock = w.Clock
	if o.Random == nil {
		o.Random = rand.NewChaCha8([32]byte{1})
	}
	if o.Networks == nil {
		o.Networks = []stack.NewNetwork{arp.New, ipv4.New, ipv6.New}
	}
	o.Transports = transports
	w.Stack = stack.New(o)
	_, err := w.AddNIC(loopback.New(loopback.Options{}), stack.NICOptions{
		ID: Loopback, Name: "lo",
		Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")},
	})
	require.NoError(t, err)
	disagree := WatchDrops(w.Stack)
	t.Cleanup(func() {
		closeAll(t, w.Clock, w.Stack)
		require.Empty(t, disagree(), "drops that were counted and not shown")
	})
	return w
}

// Port adds a NIC with the given addresses. Without a DAD in o, detection is off. Groups are not reported: who wants
// that calls SetGroupOptions.
func (w *Wired) Port(l channel.Options, o stack.NICOptions, addresses ...string) *Port {
	w.t.Helper()
	if l.Kind == stack.LinkEthernet && l.Address.IsZero() {
		l.Address = tcpip.LinkAddr{2, 0, 0, 0, 0, byte(len(w.NICs()))}
	}
	if !o.DAD.IsSet() {
		o.DAD = tcpip.Set(0)
	}
	o.Groups.Silent = true
	for _, a := range addresses {
		o.Addresses = append(o.Addresses, netip.MustParsePrefix(a))
	}
	p := &Port{wired: w, wire: channel.New(l)}
	var err error
	p.NIC, err = w.AddNIC(p.wire, o)
	require.NoError(w.t, err)
	return p
}

// Drops returns how many packets the stack has dropped for a reason.
func (w *Wired) Drops(d tcpip.Drop) int { return int(w.Counters().Drops[d].Value()) }

// Inject makes the NIC receive an IP packet.
func (p *Port) Inject(b []byte) { p.InjectFrame(stack.EtherTypeOf(b), stack.LinkPart{}, b) }

// InjectFrame makes the NIC receive what a frame carried.
func (p *Port) InjectFrame(t header.EtherType, link stack.LinkPart, b []byte) {
	q := p.wired.NewPacketCopy(b)
	q.EtherType, q.Link = t, link
	p.InjectPacket(q)
}

// Next returns the next packet that was sent, for the test to release, nil if there is none.
func (p *Port) Next() *stack.Packet { return p.wire.TryNext() }

// Packets returns the bytes of the packets that were sent since the last call.
func (p *Port) Packets() (sent [][]byte) {
	for q := p.wire.TryNext(); q != nil; q = p.wire.TryNext() {
		b := make([]byte, q.Len())
		q.CopyTo(b)
		sent = append(sent, b)
		q.Release()
	}
	return sent
}

// Sent returns the packets that were sent since the last call, as Dump shows them, behind the address that
// their frames go to where they have one.
func (p *Port) Sent() []string {
	sent := []string{}
	for q := p.wire.TryNext(); q != nil; q = p.wire.TryNext() {
		b := make([]byte, q.Len())
		q.CopyTo(b)
		line := Dump(q.EtherType, b)
		if !q.Link.Dst.IsZero() {
			line = q.Link.Dst.String() + " " + line
		}
		sent = append(sent, line)
		q.Release()
	}
	return sent
}

// InjectPacket makes the NIC receive q, which it takes.
func (p *Port) InjectPacket(q *stack.Packet) {
	p.batch[0] = q
	require.NoError(p.wired.t, p.wire.InjectPackets(p.batch[:]))
}
