package ipv6_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

var (
	us       = addr("fd00::1")
	peer     = addr("fd00::2")
	far      = addr("2001:db8::9")
	local    = addr("fe80::1")
	allNodes = addr("ff02::1")
)

const (
	udp  = header.ProtocolUDP
	icmp = header.ProtocolICMPv6
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// bench is a stack with one NIC, fd00::1/64 and fe80::1/64, a default route and a sink for UDP.
type bench struct {
	*testnet.Wired
	*testnet.Port
	udp *testnet.Sink
	t   *testing.T
}

func newBench(t *testing.T, o stack.Options, n stack.NICOptions) *bench {
	b := &bench{udp: testnet.NewSink(udp), t: t}
	b.Wired = testnet.Wire(t, o, b.udp.New)
	b.Port = b.Wired.Port(channel.Options{}, n, "fd00::1/64", "fe80::1/64")
	require.NoError(t, b.AddRoute(stack.RouteEntry{Destination: netip.MustParsePrefix("::/0"), Gateway: addr("fd00::ff")}))
	return b
}

func (b *bench) Stack() *stack.Stack { return b.Wired.Stack }

// dropped checks that exactly one more packet was dropped, for the reason d, and nothing was delivered.
func (b *bench) dropped(d tcpip.Drop, f func()) {
	b.t.Helper()
	var before [tcpip.NumDrops]uint64
	c := b.Wired.Counters()
	for i := range before {
		before[i] = c.Drops[i].Value()
	}
	f()
	before[d]++
	for i := range before {
		require.Equal(b.t, before[i], c.Drops[i].Value(), "drops for %v", tcpip.Drop(i))
	}
	require.Empty(b.t, b.udp.Take())
}

// datagram is a UDP packet with the given addresses.
func datagram(src, dst netip.Addr, n int) []byte {
	return testnet.IPv6(header.IPv6Fields{Src: src, Dst: dst, NextHeader: udp},
		testnet.UDP(netip.AddrPortFrom(src, 1000), netip.AddrPortFrom(dst, 2000), testnet.Pattern(n)))
}

func echo(src, dst netip.Addr, n int) []byte {
	return testnet.IPv6(header.IPv6Fields{Src: src, Dst: dst, NextHeader: icmp},
		testnet.ICMPv6(src, dst, header.ICMPv6Echo, 0, header.ICMPRestEcho(1, 2), testnet.Pattern(n)))
}

// with puts extension headers between the header and the payload of p; chain begins with the protocol of the first
// header, and the last header says what follows.
func with(p []byte, first header.Protocol, headers ...byte) []byte {
	q := header.IPv6(slices.Concat(p[:header.IPv6Size], headers, p[header.IPv6Size:]))
	q.SetNextHeader(first)
	q.SetPayloadLength(uint16(len(q) - header.IPv6Size))
	return q
}

func TestReceive(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	p := datagram(peer, us, 100)
	b.Inject(append(p, make([]byte, 18)...)) // padded by the link
	got := b.udp.Take()
	require.Len(t, got, 1)
	require.Equal(t, testnet.Arrival{
		Src: peer, Dst: us, Local: us, TTL: 64, NIC: b.ID(), Data: p[header.IPv6Size:],
	}, got[0])
	c := &b.Wired.Counters().Ip6
	require.EqualValues(t, 1, c.InReceives.Value())
	require.EqualValues(t, 1, c.InDelivers.Value())
}

func TestReceiveMalformed(t *testing.T) {
	p := datagram(peer, us, 100)
	for name, c := range map[string]struct {
		b   []byte
		why tcpip.Drop
	}{
		"no header":      {p[:39], tcpip.DropShort},
		"version":        {append([]byte{0x40}, p[1:]...), tcpip.DropBadVersion},
		"payload length": {p[:100], tcpip.DropBadLength},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, stack.Options{}, stack.NICOptions{})
			b.dropped(c.why, func() { b.InjectFrame(header.EtherTypeIPv6, stack.LinkPart{}, c.b) })
			c := &b.Wired.Counters().Ip6
			require.EqualValues(t, 1, c.InHdrErrors.Value()+c.InTruncatedPkts.Value())
			require.Empty(t, b.Sent())
		})
	}
}

// BEHAVIOUR F6.
func TestMartians(t *testing.T) {
	for _, c := range []struct {
		src, dst string
		why      tcpip.Drop
	}{
		{"fd00::2", "fd00::1", tcpip.DropNone},
		{"fe80::2", "fe80::1", tcpip.DropNone},
		{"::", "ff02::1", tcpip.DropNone},
		{"ff02::1", "fd00::1", tcpip.DropMartianSource},
		{"::1", "fd00::1", tcpip.DropMartianSource},
		{"::ffff:10.0.0.1", "fd00::1", tcpip.DropMartianSource},
		{"fd00::1", "fd00::1", tcpip.DropOwnSource},
		{"fe80::1", "fd00::1", tcpip.DropOwnSource},
		{"fd00::2", "::1", tcpip.DropMartianDestination},
		{"fd00::2", "::", tcpip.DropMartianDestination},
		{"fd00::2", "::ffff:10.0.0.1", tcpip.DropMartianDestination},
		{"fd00::2", "ff00::1", tcpip.DropMartianDestination},
		{"fd00::2", "ff01::1", tcpip.DropMartianDestination},
		{"fd00::2", "fd00::3", tcpip.DropNotForUs},
		{"fd00::2", "ff02::1", tcpip.DropNone},
		{"fd00::2", "ff02::99", tcpip.DropNotForUs},
	} {
		b := newBench(t, stack.Options{}, stack.NICOptions{})
		p := datagram(addr(c.src), addr(c.dst), 8)
		if c.why == tcpip.DropNone {
			b.Inject(p)
			require.Len(t, b.udp.Take(), 1, "%s > %s", c.src, c.dst)
			continue
		}
		b.dropped(c.why, func() { b.Inject(p) })
		n, want := &b.Wired.Counters().Ip6, [2]uint64{1, 0} // as Linux counts: what is martian has a bad header
		if c.why == tcpip.DropNotForUs {
			want = [2]uint64{0, 1}
		}
		if c.why == tcpip.DropNotForUs && addr(c.dst).IsMulticast() {
			want = [2]uint64{}
		}
		require.Equal(t, want, [2]uint64{n.InHdrErrors.Value(), n.InAddrErrors.Value()}, "%s > %s", c.src, c.dst)
		require.Empty(t, b.Sent())
	}
}

func TestTCPToGroup(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	b.dropped(tcpip.DropMartianDestination, func() {
		b.Inject(testnet.IPv6(header.IPv6Fields{Src: peer, Dst: allNodes, NextHeader: header.ProtocolTCP}, make([]byte, 20)))
	})
}

func TestReversePath(t *testing.T) {
	for _, c := range []struct {
		mode stack.ReversePath
		src  string
		why  tcpip.Drop
	}{
		{stack.ReversePathOff, "fd01::2", tcpip.DropNone},
		{stack.ReversePathLoose, "fd01::2", tcpip.DropNone},
		{stack.ReversePathStrict, "fd01::2", tcpip.DropReversePath},
		{stack.ReversePathStrict, "fd00::2", tcpip.DropNone},
		{stack.ReversePathStrict, "fe80::2", tcpip.DropNone},
		{stack.ReversePathLoose, "fd02::2", tcpip.DropReversePath},
	} {
		b := &bench{udp: testnet.NewSink(udp), t: t}
		b.Wired = testnet.Wire(t, stack.Options{}, b.udp.New)
		b.Port = b.Wired.Port(channel.Options{}, stack.NICOptions{ReversePath: c.mode}, "fd00::1/64")
		b.Wired.Port(channel.Options{}, stack.NICOptions{}, "fd01::1/64")
		p := datagram(addr(c.src), us, 8)
		if c.why == tcpip.DropNone {
			b.Inject(p)
			require.Len(t, b.udp.Take(), 1)
			continue
		}
		b.dropped(c.why, func() { b.Inject(p) })
	}
}

type filter struct {
	in, out int
	verdict [2]stack.Verdict
}

func (f *filter) Filter(dir stack.Direction, _ *stack.NIC, p *stack.Packet) stack.Verdict {
	if dir == stack.In {
		f.in++
	} else {
		f.out++
	}
	return f.verdict[dir]
}

func TestFilter(t *testing.T) {
	f := &filter{}
	b := newBench(t, stack.Options{Filter: f}, stack.NICOptions{})
	b.Inject(echo(peer, us, 8))
	require.Equal(t, []string{"IP6 fd00::1 > fd00::2: ICMP6 echo reply, id 1, seq 2, length 16"}, b.Sent())
	require.Equal(t, 1, f.in)
	require.Equal(t, 1, f.out)
	f.verdict[stack.Out] = stack.Discard
	b.dropped(tcpip.DropFiltered, func() { b.Inject(echo(peer, us, 8)) })
	f.verdict[stack.In] = stack.Discard
	b.dropped(tcpip.DropFiltered, func() { b.Inject(echo(peer, us, 8)) })
	require.Empty(t, b.Sent())
}

// RFC 8200 §4, BEHAVIOUR F8.
func TestExtensionHeaders(t *testing.T) {
	const (
		hbh, routing, fragment, dst = header.ProtocolHopByHop, header.ProtocolRouting, header.ProtocolFragment, header.ProtocolDestOptions
	)
	u := byte(udp)
	for _, c := range []struct {
		name    string
		first   header.Protocol
		headers []byte
		why     tcpip.Drop
		want    string // the error's end
	}{
		{"padding", hbh, []byte{u, 0, 1, 4, 0, 0, 0, 0}, 0, ""},
		{"router alert", hbh, []byte{u, 0, 5, 2, 0, 0, 1, 0}, 0, ""},
		{"both kinds", hbh, []byte{60, 0, 1, 4, 0, 0, 0, 0, u, 0, 1, 4, 0, 0, 0, 0}, 0, ""},
		{"unknown option to be skipped", dst, []byte{u, 0, 0x1e, 4, 0, 0, 0, 0}, 0, ""},
		{"routing without segments left", routing, []byte{u, 0, 0, 0, 0, 0, 0, 0}, 0, ""},
		{"atomic fragment", fragment, []byte{u, 0, 0, 0, 0, 0, 0, 7}, 0, ""},
		{"unknown option to be dropped", dst, []byte{u, 0, 0x5e, 4, 0, 0, 0, 0}, tcpip.DropBadOption, ""},
		{"unknown option to be reported", dst, []byte{u, 0, 0x9e, 4, 0, 0, 0, 0}, tcpip.DropBadOption, "parameter problem 2 at 42"},
		{"unknown option to be reported to unicast", dst, []byte{u, 0, 0xde, 4, 0, 0, 0, 0}, tcpip.DropBadOption, "parameter problem 2 at 42"},
		{"type 0 routing", routing, []byte{u, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, tcpip.DropRoutingHeader, "parameter problem 0 at 42"},
		{"unknown routing", routing, []byte{u, 0, 9, 1, 0, 0, 0, 0}, tcpip.DropBadExtHeader, "parameter problem 0 at 42"},
		{"hop-by-hop not first", dst, []byte{0, 0, 1, 4, 0, 0, 0, 0, u, 0, 1, 4, 0, 0, 0, 0}, tcpip.DropBadExtHeader, "parameter problem 1 at 40"},
		{"unknown next header", dst, []byte{132, 0, 1, 4, 0, 0, 0, 0}, tcpip.DropUnknownType, "parameter problem 1 at 40"},
		{"unknown next header behind two", hbh, []byte{44, 0, 1, 4, 0, 0, 0, 0, 132, 0, 0, 0, 0, 0, 0, 0}, tcpip.DropUnknownType, "parameter problem 1 at 48"},
		{"no next header", dst, []byte{59, 0, 1, 4, 0, 0, 0, 0}, tcpip.DropUnknownType, ""},
		{"nine options", dst, []byte{u, 2, 0x1e, 0, 0x1e, 0, 0x1e, 0, 0x1e, 0, 0x1e, 0, 0x1e, 0, 0x1e, 0, 0x1e, 0, 0x1e, 0, 1, 2, 0, 0}, tcpip.DropHeaderChain, ""},
		{"beyond the packet", dst, []byte{u, 100, 1, 4, 0, 0, 0, 0}, tcpip.DropShort, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, stack.Options{}, stack.NICOptions{})
			p := with(datagram(peer, us, 16), c.first, c.headers...)
			if c.why == tcpip.DropNone {
				b.Inject(p)
				got := b.udp.Take()
				require.Len(t, got, 1)
				require.Equal(t, datagram(peer, us, 16)[header.IPv6Size:], got[0].Data)
				return
			}
			b.dropped(c.why, func() { b.Inject(p) })
			want := []string{}
			if c.want != "" {
				want = append(want, "IP6 fd00::1 > fd00::2: ICMP6 "+c.want+", length "+itoa(8+len(p)))
			}
			require.Equal(t, want, b.Sent())
		})
	}
}

func itoa(n int) string {
	if n >= 10 {
		return itoa(n/10) + string(rune('0'+n%10))
	}
	return string(rune('0' + n))
}

// RFC 4443 §2.4 e.3: to a group, only the option that asks for it is reported.
func TestProblemToGroup(t *testing.T) {
	for option, want := range map[byte]int{0x9e: 1, 0xde: 0} {
		b := newBench(t, stack.Options{}, stack.NICOptions{})
		b.Inject(with(datagram(peer, allNodes, 16), header.ProtocolDestOptions, byte(udp), 0, option, 4, 0, 0, 0, 0))
		require.Len(t, b.Sent(), want)
	}
}

func TestUnknownProtocol(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	p := testnet.IPv6(header.IPv6Fields{Src: peer, Dst: us, NextHeader: header.ProtocolSCTP}, make([]byte, 12))
	b.dropped(tcpip.DropUnknownType, func() { b.Inject(p) })
	require.Equal(t, []string{"IP6 fd00::1 > fd00::2: ICMP6 parameter problem 1 at 6, length 60"}, b.Sent())
	require.EqualValues(t, 1, b.Wired.Counters().Ip6.InUnknownProtos.Value())
}

// A header chain in pieces is pulled together.
func TestReceiveInPieces(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	p := with(datagram(peer, us, 40), header.ProtocolHopByHop, byte(udp), 0, 1, 4, 0, 0, 0, 0)
	q := b.Stack().NewPacketCopy(p[:11])
	for _, part := range [][]byte{p[11:44], p[44:51], p[51:]} {
		piece, ok := b.Stack().Slabs.Copy(part)
		require.True(t, ok)
		q.AppendData(piece)
	}
	q.EtherType = header.EtherTypeIPv6
	b.InjectPacket(q)
	require.Len(t, b.udp.Take(), 1)
}

// A link-local address is ours on its own link only.
func TestOwnSource(t *testing.T) {
	w := testnet.Wire(t, stack.Options{})
	w.Port(channel.Options{}, stack.NICOptions{}, "fd00::1/64", "fe80::1/64")
	p := w.Port(channel.Options{}, stack.NICOptions{StrictHost: true}, "fd01::1/64", "fe80::5/64")
	p.Inject(echo(addr("fe80::1"), addr("fe80::5"), 8))
	require.Len(t, p.Sent(), 1)
	p.Inject(echo(addr("fe80::5"), addr("fe80::5"), 8))
	p.Inject(echo(us, addr("fd01::1"), 8))
	require.Equal(t, 2, w.Drops(tcpip.DropOwnSource))
}
