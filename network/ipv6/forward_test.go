package ipv6_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// router is a stack between fd00::1/64 and fd01::1/64, whose links have an MTU of 1500 and 1300.
type router struct {
	*testnet.Wired
	in, out *testnet.Port
}

var host = addr("fd01::2")

func newRouter(t testing.TB, o stack.Options) *router {
	o.Forwarding = tcpip.Set(true)
	r := &router{Wired: testnet.Wire(t, o)}
	r.in = r.Port(channel.Options{}, stack.NICOptions{}, "fd00::1/64")
	r.out = r.Port(channel.Options{MTU: 1300}, stack.NICOptions{}, "fd01::1/64")
	return r
}

func TestForward(t *testing.T) {
	f := &filter{}
	r := newRouter(t, stack.Options{Filter: f})
	p := datagram(peer, host, 100)
	r.in.Inject(p)
	sent := r.out.Packets()
	require.Len(t, sent, 1)
	require.Equal(t, "IP6 fd00::2 > fd01::2: hlim 63, UDP 1000 > 2000, length 108", testnet.Dump(header.EtherTypeIPv6, sent[0]))
	require.Equal(t, p[8:], sent[0][8:])
	require.Equal(t, 1, f.in)
	require.Equal(t, 1, f.out)
	require.EqualValues(t, 1, r.Counters().Ip6.OutForwDatagrams.Value())
	r.in.Inject(with(p, header.ProtocolHopByHop, byte(udp), 0, 5, 2, 0, 0, 1, 0))
	require.Len(t, r.out.Sent(), 1)
	for _, f := range cut(p, 40, 56) {
		r.in.Inject(f)
	}
	require.Equal(t, []string{"IP6 fd00::2 > fd01::2: hlim 63, frag 56@0+", "IP6 fd00::2 > fd01::2: hlim 63, frag 52@56"}, r.out.Sent())
	f.verdict[stack.Out] = stack.Discard
	r.in.Inject(p)
	require.Empty(t, r.out.Sent())
	require.Equal(t, 1, r.Drops(tcpip.DropFiltered))
}

func TestForwardNot(t *testing.T) {
	hops := func(n byte) []byte {
		p := datagram(peer, host, 8)
		p[7] = n
		return p
	}
	from := "IP6 fd00::1 > fd00::2: ICMP6 "
	for _, c := range []struct {
		name string
		b    []byte
		link stack.PacketType
		why  tcpip.Drop
		want []string
	}{
		{"hop limit", hops(1), 0, tcpip.DropHopLimit, []string{from + "time exceeded 0, length 64"}},
		{"hop limit 0", hops(0), 0, tcpip.DropHopLimit, []string{from + "time exceeded 0, length 64"}},
		{"no route", datagram(peer, far, 8), 0, tcpip.DropNoRoute, []string{from + "unreachable 0, length 64"}},
		{"too big", datagram(peer, host, 1253), 0, tcpip.DropTooBig, []string{from + "packet too big, mtu 1300, length 1240"}},
		{"link multicast", datagram(peer, host, 8), stack.PacketMulticast, tcpip.DropNotForUs, []string{}},
		{"from link-local", datagram(addr("fe80::2"), host, 8), 0, tcpip.DropNotForUs, []string{}},
		{"link-local", datagram(peer, addr("fe80::9"), 8), 0, tcpip.DropNotForUs, []string{}},
		{"from nobody", datagram(addr("::"), host, 8), 0, tcpip.DropNotForUs, []string{}},
		{"group", datagram(peer, addr("ff0e::9"), 8), 0, tcpip.DropNotForUs, []string{}},
		{"bad hop-by-hop option", with(datagram(peer, host, 8), header.ProtocolHopByHop, byte(udp), 0, 0x9e, 4, 0, 0, 0, 0), 0, tcpip.DropBadOption, []string{from + "parameter problem 2 at 42, length 72"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRouter(t, stack.Options{})
			r.in.InjectFrame(header.EtherTypeIPv6, stack.LinkPart{Type: c.link}, c.b)
			require.Equal(t, 1, r.Drops(c.why))
			require.Equal(t, c.want, r.in.Sent())
			require.Empty(t, r.out.Sent())
		})
	}
}

// What a router does not look at is not its business: destination options and routing headers.
func TestForwardBlind(t *testing.T) {
	r := newRouter(t, stack.Options{})
	r.in.Inject(with(datagram(peer, host, 8), header.ProtocolDestOptions, byte(udp), 0, 0x9e, 4, 0, 0, 0, 0))
	require.Len(t, r.out.Packets(), 1)
	require.Empty(t, r.in.Sent())
}

// BEHAVIOUR E5: the sender hears that the next hop does not answer.
func TestForwardNeighbourFailed(t *testing.T) {
	w := testnet.Wire(t, stack.Options{Forwarding: tcpip.Set(true)})
	in := w.Port(channel.Options{}, stack.NICOptions{}, "fd00::1/64")
	out := w.Port(channel.Options{Kind: stack.LinkEthernet}, stack.NICOptions{}, "fd01::1/64")
	in.Inject(datagram(peer, host, 8))
	w.Clock.Advance(time.Minute)
	require.Equal(t, []string{"IP6 fd00::1 > fd00::2: ICMP6 unreachable 3, length 64"}, in.Sent())
	require.Equal(t, 1, w.Drops(tcpip.DropNeighbourFailed))
	out.Sent()
}
