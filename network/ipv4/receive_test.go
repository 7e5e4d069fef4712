package ipv4_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

var (
	us   = netip.MustParseAddr("10.0.0.1")
	peer = netip.MustParseAddr("10.0.0.2")
	far  = netip.MustParseAddr("192.0.2.9")
)

const udp = header.ProtocolUDP

// bench is a stack with one NIC, 10.0.0.1/24, a default route and a sink for UDP.
type bench struct {
	*testnet.Wired
	*testnet.Port
	udp *testnet.Sink
	t   *testing.T
}

func newBench(t *testing.T, o stack.Options, n stack.NICOptions) *bench {
	b := &bench{udp: testnet.NewSink(udp), t: t}
	b.Wired = testnet.Wire(t, o, b.udp.New)
	b.Port = b.Wired.Port(channel.Options{}, n, "10.0.0.1/24")
	require.NoError(t, b.AddRoute(stack.RouteEntry{Destination: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("10.0.0.254")}))
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
	return testnet.IPv4(header.IPv4Fields{Src: src, Dst: dst, Protocol: udp},
		testnet.UDP(netip.AddrPortFrom(src, 1000), netip.AddrPortFrom(dst, 2000), testnet.Pattern(n)))
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestReceive(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	p := datagram(peer, us, 100)
	b.Inject(append(p, make([]byte, 18)...)) // padded by the link
	got := b.udp.Take()
	require.Len(t, got, 1)
	require.Equal(t, testnet.Arrival{
		Src: peer, Dst: us, Local: us, TTL: 64, NIC: b.ID(), Data: p[header.IPv4Size:],
	}, got[0])
	c := &b.Wired.Counters().Ip
	require.EqualValues(t, 1, c.InReceives.Value())
	require.EqualValues(t, 1, c.InDelivers.Value())
}

// RFC 1122 §3.2.1: what is malformed is dropped in silence.
func TestReceiveMalformed(t *testing.T) {
	change := func(f func(h header.IPv4)) []byte {
		h := header.IPv4(datagram(peer, us, 100))
		f(h)
		return h
	}
	for _, c := range []struct {
		name string
		b    []byte
		why  tcpip.Drop
	}{
		{"no header", change(func(h header.IPv4) {})[:19], tcpip.DropShort},
		{"version", change(func(h header.IPv4) { h[0] = 5<<4 | 5 }), tcpip.DropBadVersion},
		{"header length", change(func(h header.IPv4) { h[0] = 4<<4 | 4; h[10]++ }), tcpip.DropBadLength},
		{"header beyond the packet", change(func(h header.IPv4) { h[0] = 4<<4 | 15 })[:40], tcpip.DropShort},
		{"total length beyond the packet", change(func(h header.IPv4) { h.SetTotalLength(200); h[:20].UpdateChecksum() }), tcpip.DropBadLength},
		{"total length below the header's", change(func(h header.IPv4) { h.SetTotalLength(19); h[:20].UpdateChecksum() }), tcpip.DropBadLength},
		{"checksum", change(func(h header.IPv4) { h[8]++ }), tcpip.DropBadChecksum},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, stack.Options{}, stack.NICOptions{})
			b.dropped(c.why, func() { b.InjectFrame(header.EtherTypeIPv4, stack.LinkPart{}, c.b) })
			c := b.Wired.Counters()
			require.EqualValues(t, 1, c.Ip.InHdrErrors.Value()+c.IpExt.InTruncatedPkts.Value())
			require.Empty(t, b.Sent())
		})
	}
}

// BEHAVIOUR F6, RFC 1812 §5.3.7. Shows MUST-63.
func TestMartians(t *testing.T) {
	for _, c := range []struct {
		src, dst string
		why      tcpip.Drop
	}{
		{"10.0.0.2", "10.0.0.1", tcpip.DropNone},
		{"0.0.0.0", "255.255.255.255", tcpip.DropNone}, // DHCP
		{"0.0.0.0", "10.0.0.1", tcpip.DropMartianSource},
		{"0.1.2.3", "255.255.255.255", tcpip.DropMartianSource},
		{"127.0.0.1", "10.0.0.1", tcpip.DropMartianSource},
		{"127.8.8.8", "10.0.0.1", tcpip.DropMartianSource},
		{"224.0.0.1", "10.0.0.1", tcpip.DropMartianSource},
		{"240.0.0.1", "10.0.0.1", tcpip.DropMartianSource},
		{"255.255.255.255", "10.0.0.1", tcpip.DropMartianSource},
		{"10.0.0.255", "10.0.0.1", tcpip.DropMartianSource},
		{"10.0.0.1", "10.0.0.1", tcpip.DropOwnSource},
		{"10.0.0.2", "127.0.0.1", tcpip.DropMartianDestination},
		{"10.0.0.2", "0.0.0.0", tcpip.DropMartianDestination},
		{"10.0.0.2", "0.1.1.1", tcpip.DropMartianDestination},
		{"10.0.0.2", "240.0.0.1", tcpip.DropMartianDestination},
		{"10.0.0.2", "10.0.0.3", tcpip.DropNotForUs},
		{"10.0.0.2", "224.0.0.1", tcpip.DropNone}, // every host is in it
		{"10.0.0.2", "224.0.0.99", tcpip.DropNotForUs},
		{"10.0.0.2", "10.0.0.255", tcpip.DropNone},
	} {
		b := newBench(t, stack.Options{}, stack.NICOptions{})
		p := datagram(addr(c.src), addr(c.dst), 8)
		if c.why == tcpip.DropNone {
			b.Inject(p)
			got := b.udp.Take()
			require.Len(t, got, 1, "%s > %s", c.src, c.dst)
			require.Equal(t, us, got[0].Local)
			continue
		}
		b.dropped(c.why, func() { b.Inject(p) })
		wrong := 0 // as Linux counts: neither what is martian nor what is for a group
		if c.why == tcpip.DropNotForUs && !addr(c.dst).IsMulticast() {
			wrong = 1
		}
		require.EqualValues(t, wrong, b.Wired.Counters().Ip.InAddrErrors.Value())
		require.Empty(t, b.Sent())
	}
}

// Shows MUST-57.
func TestTCPToGroup(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	for _, dst := range []string{"224.0.0.1", "10.0.0.255", "255.255.255.255"} {
		p := testnet.IPv4(header.IPv4Fields{Src: peer, Dst: addr(dst), Protocol: header.ProtocolTCP}, make([]byte, 20))
		b.dropped(tcpip.DropMartianDestination, func() { b.Inject(p) })
	}
}

// RFC 3704.
func TestReversePath(t *testing.T) {
	for _, c := range []struct {
		mode stack.ReversePath
		src  string
		why  tcpip.Drop
	}{
		{stack.ReversePathOff, "10.1.0.2", tcpip.DropNone},
		{stack.ReversePathLoose, "10.1.0.2", tcpip.DropNone},
		{stack.ReversePathStrict, "10.1.0.2", tcpip.DropReversePath},
		{stack.ReversePathStrict, "10.0.0.2", tcpip.DropNone},
		{stack.ReversePathLoose, "10.2.0.2", tcpip.DropReversePath},
	} {
		udp := testnet.NewSink(udp)
		w := testnet.Wire(t, stack.Options{}, udp.New)
		b := &bench{Wired: w, udp: udp, t: t}
		b.Port = w.Port(channel.Options{}, stack.NICOptions{ReversePath: c.mode}, "10.0.0.1/24")
		w.Port(channel.Options{}, stack.NICOptions{}, "10.1.0.1/24")
		p := datagram(addr(c.src), us, 8)
		if c.why == tcpip.DropNone {
			b.Inject(p)
			require.Len(t, b.udp.Take(), 1)
			continue
		}
		b.dropped(c.why, func() { b.Inject(p) })
	}
}

// BEHAVIOUR C0: an address is ours on every NIC, unless the NIC is strict.
func TestWeakHost(t *testing.T) {
	sink := testnet.NewSink(udp)
	w := testnet.Wire(t, stack.Options{}, sink.New)
	w.Port(channel.Options{}, stack.NICOptions{}, "10.0.0.1/24")
	docker := w.Port(channel.Options{}, stack.NICOptions{}, "172.17.0.1/16")
	docker.Inject(datagram(addr("172.17.0.3"), us, 8))
	got := sink.Take()
	require.Len(t, got, 1)
	require.Equal(t, us, got[0].Local)
	docker.SetStrictHost(true)
	docker.Inject(datagram(addr("172.17.0.3"), us, 8))
	require.Empty(t, sink.Take())
	require.Equal(t, 1, w.Drops(tcpip.DropNotForUs))
}

// Our own address is no source on a strict NIC either.
func TestOwnSourceStrict(t *testing.T) {
	w := testnet.Wire(t, stack.Options{})
	w.Port(channel.Options{}, stack.NICOptions{}, "10.0.0.1/24")
	p := w.Port(channel.Options{}, stack.NICOptions{StrictHost: true}, "10.1.0.1/24")
	p.Inject(datagram(us, addr("10.1.0.1"), 8))
	p.SetPromiscuous(true)
	p.Inject(datagram(us, addr("10.1.0.1"), 8))
	require.Equal(t, 2, w.Drops(tcpip.DropOwnSource))
}

func TestPromiscuous(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{Promiscuous: true})
	b.Inject(datagram(peer, far, 8))
	got := b.udp.Take()
	require.Len(t, got, 1)
	require.Equal(t, far, got[0].Local)
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
	require.Equal(t, []string{"IP 10.0.0.1 > 10.0.0.2: ICMP echo reply, id 1, seq 2, length 16"}, b.Sent())
	require.Equal(t, 1, f.in)
	require.Equal(t, 1, f.out)
	f.verdict[stack.Out] = stack.Discard
	b.dropped(tcpip.DropFiltered, func() { b.Inject(echo(peer, us, 8)) })
	f.verdict[stack.In] = stack.Discard
	b.dropped(tcpip.DropFiltered, func() { b.Inject(echo(peer, us, 8)) })
	require.Empty(t, b.Sent())
}

func TestUnknownProtocol(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	p := testnet.IPv4(header.IPv4Fields{Src: peer, Dst: us, Protocol: header.ProtocolSCTP}, make([]byte, 12))
	b.dropped(tcpip.DropUnknownType, func() { b.Inject(p) })
	require.Equal(t, []string{"IP 10.0.0.1 > 10.0.0.2: tos 0xc0, ICMP unreachable 2, length 40"}, b.Sent())
	require.EqualValues(t, 1, b.Wired.Counters().Ip.InUnknownProtos.Value())
}

// RFC 1122 §3.2.1.8; Linux's accept_source_route is 0. Shows MUST-50.
func TestOptions(t *testing.T) {
	packet := func(options ...byte) []byte {
		return testnet.IPv4(header.IPv4Fields{Src: peer, Dst: us, Protocol: udp, Options: options}, make([]byte, 16))
	}
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	b.Inject(packet(1, 1, 1, 1))
	require.Len(t, b.udp.Take(), 1)
	b.Inject(packet(148, 4, 0, 0)) // router alert
	require.Len(t, b.udp.Take(), 1)
	b.dropped(tcpip.DropBadOption, func() { b.Inject(packet(131, 7, 4, 10, 0, 0, 9)) }) // source route
	require.Empty(t, b.Sent())
	b.dropped(tcpip.DropBadOption, func() { b.Inject(packet(1, 1, 7, 9)) }) // beyond the header
	require.Equal(t, []string{"IP 10.0.0.1 > 10.0.0.2: tos 0xc0, ICMP parameter problem at 22, length 48"}, b.Sent())
}

// RFC 791 §3.1: ping -R and ping -T. Shows MAY-10, MAY-11.
func TestRecordRoute(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	p := testnet.IPv4(header.IPv4Fields{
		Src: peer, Dst: us, Protocol: header.ProtocolICMPv4, Options: []byte{7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0},
	}, testnet.ICMPv4(header.ICMPv4Echo, 0, header.ICMPRestEcho(1, 2), nil))
	b.Inject(p)
	require.Equal(t, []string{"IP 10.0.0.1 > 10.0.0.2: options 070b0c0a0000010a00000100, ICMP echo reply, id 1, seq 2, length 8"}, b.Sent())
	p = testnet.IPv4(header.IPv4Fields{
		Src: peer, Dst: us, Protocol: header.ProtocolICMPv4, Options: []byte{68, 8, 5, 0, 0, 0, 0, 0},
	}, testnet.ICMPv4(header.ICMPv4Echo, 0, header.ICMPRestEcho(1, 2), nil))
	b.Clock.Advance(1e9 * 3)
	b.Inject(p)
	require.Equal(t, []string{"IP 10.0.0.1 > 10.0.0.2: options 4408090000000bb8, ICMP echo reply, id 1, seq 2, length 8"}, b.Sent())
}

// Every IP-layer length can be in pieces: the header is pulled together.
func TestReceiveInPieces(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	p := datagram(peer, us, 40)
	q := b.Stack().NewPacketCopy(p[:7])
	for _, part := range [][]byte{p[7:21], p[21:]} {
		piece, ok := b.Stack().Slabs.Copy(part)
		require.True(t, ok)
		q.AppendData(piece)
	}
	q.EtherType = header.EtherTypeIPv4
	b.InjectPacket(q)
	got := b.udp.Take()
	require.Len(t, got, 1)
	require.Equal(t, p[header.IPv4Size:], got[0].Data)
}

func echo(src, dst netip.Addr, n int) []byte {
	return testnet.IPv4(header.IPv4Fields{Src: src, Dst: dst, Protocol: header.ProtocolICMPv4},
		testnet.ICMPv4(header.ICMPv4Echo, 0, header.ICMPRestEcho(1, 2), testnet.Pattern(n)))
}
