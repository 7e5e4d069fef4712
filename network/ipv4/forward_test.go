package ipv4_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// router is a stack between 10.0.0.1/24 and 10.1.0.1/24, whose links have an MTU of 1500 and 1000.
type router struct {
	*testnet.Wired
	in, out *testnet.Port
}

var host = addr("10.1.0.2")

func newRouter(t testing.TB, o stack.Options) *router {
	o.Forwarding = tcpip.Set(true)
	r := &router{Wired: testnet.Wire(t, o)}
	r.in = r.Port(channel.Options{}, stack.NICOptions{}, "10.0.0.1/24")
	r.out = r.Port(channel.Options{MTU: 1000}, stack.NICOptions{}, "10.1.0.1/24")
	return r
}

// RFC 1812 §5.
func TestForward(t *testing.T) {
	f := &filter{}
	r := newRouter(t, stack.Options{Filter: f})
	p := datagram(peer, host, 100)
	r.in.Inject(p)
	sent := r.out.Packets()
	require.Len(t, sent, 1)
	require.Equal(t, "IP 10.0.0.2 > 10.1.0.2: ttl 63, UDP 1000 > 2000, length 108", testnet.Dump(header.EtherTypeIPv4, sent[0]))
	require.Equal(t, p[12:], sent[0][12:])
	require.Equal(t, 1, f.in)
	require.Equal(t, 1, f.out)
	require.EqualValues(t, 1, r.Counters().Ip.ForwDatagrams.Value())
	require.Zero(t, r.Counters().Ip.InDelivers.Value())
	f.verdict[stack.Out] = stack.Discard
	r.in.Inject(p)
	require.Empty(t, r.out.Sent())
	require.Equal(t, 1, r.Drops(tcpip.DropFiltered))
}

func TestForwardNot(t *testing.T) {
	for _, c := range []struct {
		name string
		b    []byte
		link stack.PacketType
		why  tcpip.Drop
		want []string
	}{
		{"TTL", datagramTTL(peer, host, 1), 0, tcpip.DropHopLimit, []string{"IP 10.0.0.1 > 10.0.0.2: tos 0xc0, ICMP time exceeded 0, length 44"}},
		{"TTL 0", datagramTTL(peer, host, 0), 0, tcpip.DropHopLimit, []string{"IP 10.0.0.1 > 10.0.0.2: tos 0xc0, ICMP time exceeded 0, length 44"}},
		{"no route", datagram(peer, far, 8), 0, tcpip.DropNoRoute, []string{"IP 10.0.0.1 > 10.0.0.2: tos 0xc0, ICMP unreachable 0, length 44"}},
		{"link broadcast", datagram(peer, host, 8), stack.PacketBroadcast, tcpip.DropNotForUs, []string{}},
		{"link-local", datagram(peer, addr("169.254.1.1"), 8), 0, tcpip.DropNotForUs, []string{}},
		{"from link-local", datagram(addr("169.254.1.1"), host, 8), 0, tcpip.DropNotForUs, []string{}},
		{"from nobody", datagram(addr("0.0.0.0"), addr("10.1.0.2"), 8), 0, tcpip.DropMartianSource, []string{}},
		{"group", datagram(peer, addr("224.1.1.1"), 8), 0, tcpip.DropNotForUs, []string{}},
		{"loopback", datagram(peer, addr("127.0.0.1"), 8), 0, tcpip.DropMartianDestination, []string{}},
		{"source route", testnet.IPv4(header.IPv4Fields{Src: peer, Dst: host, Protocol: udp, Options: []byte{131, 7, 4, 10, 0, 0, 9}}, make([]byte, 8)), 0, tcpip.DropBadOption, []string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRouter(t, stack.Options{})
			r.in.InjectFrame(header.EtherTypeIPv4, stack.LinkPart{Type: c.link}, c.b)
			require.Equal(t, 1, r.Drops(c.why))
			require.Equal(t, c.want, r.in.Sent())
			require.Empty(t, r.out.Sent())
		})
	}
}

func datagramTTL(src, dst netip.Addr, ttl uint8) []byte {
	h := header.IPv4(datagram(src, dst, 8))
	h.SetTTL(ttl)
	h[:20].UpdateChecksum()
	return h
}

// The broadcast address of another NIC's network is answered by nobody, and goes nowhere (RFC 2644).
func TestForwardDirectedBroadcast(t *testing.T) {
	r := newRouter(t, stack.Options{})
	r.in.Inject(echo(peer, addr("10.1.0.255"), 8))
	require.Empty(t, r.in.Sent())
	require.Empty(t, r.out.Sent())
}

func TestForwardMTU(t *testing.T) {
	r := newRouter(t, stack.Options{})
	p := datagram(peer, host, 1400)
	r.in.Inject(p)
	require.Equal(t, []string{
		"IP 10.0.0.2 > 10.1.0.2: ttl 63, frag 976@0+", "IP 10.0.0.2 > 10.1.0.2: ttl 63, frag 432@976",
	}, r.out.Sent())
	h := header.IPv4(p)
	h.SetFragment(header.IPv4DontFragment, 0)
	h[:20].UpdateChecksum()
	r.in.Inject(p)
	require.Empty(t, r.out.Sent())
	require.Equal(t, []string{"IP 10.0.0.1 > 10.0.0.2: tos 0xc0, ICMP unreachable 4, mtu 1000, length 556"}, r.in.Sent())
	require.Equal(t, 1, r.Drops(tcpip.DropTooBig))
	require.EqualValues(t, 1, r.Counters().Ip.FragFails.Value())
}

// A fragment is cut again without being put together first.
func TestForwardFragments(t *testing.T) {
	r := newRouter(t, stack.Options{})
	for _, f := range cut(datagram(peer, host, 2900), 1480) {
		r.in.Inject(f)
	}
	require.Equal(t, []string{
		"IP 10.0.0.2 > 10.1.0.2: ttl 63, frag 976@0+", "IP 10.0.0.2 > 10.1.0.2: ttl 63, frag 504@976+",
		"IP 10.0.0.2 > 10.1.0.2: ttl 63, frag 976@1480+", "IP 10.0.0.2 > 10.1.0.2: ttl 63, frag 452@2456",
	}, r.out.Sent())
}

// super returns a TCP super-segment of n bytes that stands for segments of size bytes.
func super(s *stack.Stack, n, size int, df bool) *stack.Packet {
	f := header.IPv4Fields{Src: peer, Dst: host, Protocol: header.ProtocolTCP, ID: 5}
	if df {
		f.Flags = header.IPv4DontFragment
	}
	t := append(make([]byte, header.TCPSize), testnet.Pattern(n)...)
	(&header.TCPFields{SrcPort: 1, DstPort: 2, Flags: header.ACK}).Encode(t, nil)
	header.TCP(t).SetChecksum(header.PseudoHeader(header.ProtocolTCP, peer, host, len(t)).Fold())
	p := s.NewPacketCopy(testnet.IPv4(f, t))
	p.EtherType, p.SegSize, p.Checksum = header.EtherTypeIPv4, uint16(size), stack.ChecksumPartial
	return p
}

// "Too big" looks at the segments, not at the super-segment, which stays whole where the link takes it.
func TestForwardSuperSegment(t *testing.T) {
	w := testnet.Wire(t, stack.Options{Forwarding: tcpip.Set(true)})
	in := w.Port(channel.Options{}, stack.NICOptions{}, "10.0.0.1/24")
	out := w.Port(channel.Options{MTU: 1000, Offload: stack.OffloadTSO4 | stack.OffloadChecksum, GSOMax: 65535}, stack.NICOptions{}, "10.1.0.1/24")
	in.InjectPacket(super(w.Stack, 9600, 960, true))
	p := out.Next()
	require.NotNil(t, p)
	require.Equal(t, 9640, p.Len())
	require.EqualValues(t, 960, p.SegSize)
	require.True(t, p.Forwarded)
	p.Release()
	in.InjectPacket(super(w.Stack, 9610, 961, true))
	require.Nil(t, out.Next())
	require.Equal(t, []string{"IP 10.0.0.1 > 10.0.0.2: tos 0xc0, ICMP unreachable 4, mtu 1000, length 556"}, in.Sent())
	in.InjectPacket(super(w.Stack, 2000, 1200, false)) // must be cut, and cut again
	require.Equal(t, []string{
		"IP 10.0.0.2 > 10.1.0.2: ttl 63, frag 976@0+", "IP 10.0.0.2 > 10.1.0.2: ttl 63, frag 244@976",
		"IP 10.0.0.2 > 10.1.0.2: ttl 63, TCP 1 > 2, length 820",
	}, out.Sent())
}

func TestForwardRecordRoute(t *testing.T) {
	r := newRouter(t, stack.Options{})
	r.in.Inject(testnet.IPv4(header.IPv4Fields{Src: peer, Dst: host, Protocol: udp, Options: []byte{7, 7, 4, 0, 0, 0, 0}}, make([]byte, 8)))
	require.Equal(t, []string{"IP 10.0.0.2 > 10.1.0.2: ttl 63, options 0707080a01000100, UDP 0 > 0, length 8"}, r.out.Sent())
}

// BEHAVIOUR E5: the sender hears that the next hop does not answer.
func TestForwardNeighbourFailed(t *testing.T) {
	w := testnet.Wire(t, stack.Options{Forwarding: tcpip.Set(true)})
	in := w.Port(channel.Options{}, stack.NICOptions{}, "10.0.0.1/24")
	out := w.Port(channel.Options{Kind: stack.LinkEthernet}, stack.NICOptions{}, "10.1.0.1/24")
	in.Inject(datagram(peer, host, 8))
	w.Clock.Advance(time.Minute)
	require.Equal(t, []string{"IP 10.0.0.1 > 10.0.0.2: tos 0xc0, ICMP unreachable 1, length 44"}, in.Sent())
	require.Equal(t, 1, w.Drops(tcpip.DropNeighbourFailed))
	out.Sent()
}
