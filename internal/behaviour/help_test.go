package behaviour

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/icmp"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

func addr(s string) netip.Addr       { return netip.MustParseAddr(s) }
func at(s string) netip.AddrPort     { return netip.MustParseAddrPort(s) }
func prefix(s string) netip.Prefix   { return netip.MustParsePrefix(s) }
func seeded(seed byte) stack.Options { return stack.Options{Random: rand.NewChaCha8([32]byte{seed})} }

// A family's addresses: ours, a neighbour's, another's and one beyond the router.
type family struct {
	name                 string
	v6                   bool
	us, peer, other, far netip.Addr
	ether                header.EtherType
}

var families = []family{
	{"IPv4", false, addr("10.0.0.1"), addr("10.0.0.2"), addr("10.0.0.3"), addr("192.0.2.9"), header.EtherTypeIPv4},
	{"IPv6", true, addr("fd00::1"), addr("fd00::2"), addr("fd00::3"), addr("2001:db8::9"), header.EtherTypeIPv6},
}

// forFamilies runs f for IPv4 and IPv6.
func forFamilies(t *testing.T, f func(t *testing.T, f family)) {
	for _, m := range families {
		t.Run(m.name, func(t *testing.T) { f(t, m) })
	}
}

// victim is a stack with all transports and one NIC, 10.0.0.1/24 and fd00::1/64, with default routes through
// the neighbours number 254.
type victim struct {
	*testnet.Wired
	nic *testnet.Port
	t   testing.TB

	scale uint8 // the window scale that remotes offer; 0: none
}

func newVictim(t testing.TB, o stack.Options, l channel.Options, n stack.NICOptions) *victim {
	v := &victim{Wired: testnet.Wire(t, o, tcp.New, udp.New, icmp.New4, icmp.New6), t: t}
	v.nic = v.Port(l, n, "10.0.0.1/24", "fd00::1/64", "fe80::1/64")
	require.NoError(t, v.AddRoute(stack.RouteEntry{Destination: prefix("0.0.0.0/0"), Gateway: addr("10.0.0.254")}))
	require.NoError(t, v.AddRoute(stack.RouteEntry{Destination: prefix("::/0"), Gateway: addr("fd00::fe")}))
	v.nic.Packets()
	return v
}

// plain is a victim on a link without addresses.
func plain(t testing.TB) *victim {
	return newVictim(t, stack.Options{}, channel.Options{}, stack.NICOptions{})
}

var (
	ourMAC   = tcpip.LinkAddr{2, 0, 0, 0, 0, 1}
	peerMAC  = tcpip.LinkAddr{2, 0, 0, 0, 0, 2}
	otherMAC = tcpip.LinkAddr{2, 0, 0, 0, 0, 3}
)

// ethernet is a victim on Ethernet, its announcements taken.
func ethernet(t testing.TB) *victim {
	return newVictim(t, stack.Options{}, channel.Options{Kind: stack.LinkEthernet, Address: ourMAC}, stack.NICOptions{})
}

// endpoint makes an endpoint that is closed when the test ends.
func (v *victim) endpoint(proto header.Protocol, v6 bool) stack.Endpoint {
	v.t.Helper()
	e, err := v.NewEndpoint(proto, etherType(v6))
	require.NoError(v.t, err)
	v.t.Cleanup(e.Close)
	return e
}

func etherType(v6 bool) header.EtherType {
	if v6 {
		return header.EtherTypeIPv6
	}
	return header.EtherTypeIPv4
}

// bound makes an endpoint bound to a port of every address.
func (v *victim) bound(proto header.Protocol, v6 bool, port uint16) stack.Endpoint {
	v.t.Helper()
	e := v.endpoint(proto, v6)
	require.NoError(v.t, e.Bind(tcpip.FullAddress{Port: port}))
	return e
}

// listening makes a TCP endpoint that listens.
func (v *victim) listening(v6 bool, port uint16, backlog int) stack.Endpoint {
	v.t.Helper()
	e := v.bound(header.ProtocolTCP, v6, port)
	require.NoError(v.t, e.Listen(backlog))
	return e
}

// dropped checks that f makes exactly n packets be dropped for the reason d, and none for another.
func (v *victim) dropped(n int, d tcpip.Drop, f func()) {
	v.t.Helper()
	var before [tcpip.NumDrops]uint64
	c := v.Counters()
	for i := range before {
		before[i] = c.Drops[i].Value()
	}
	f()
	before[d] += uint64(n)
	for i := range before {
		require.Equal(v.t, before[i], c.Drops[i].Value(), "drops for %v", tcpip.Drop(i))
	}
}

// packet puts an IP header in front of a payload.
func packet(src, dst netip.Addr, proto header.Protocol, payload []byte) []byte {
	if src.Is6() {
		return testnet.IPv6(header.IPv6Fields{Src: src, Dst: dst, NextHeader: proto}, payload)
	}
	return testnet.IPv4(header.IPv4Fields{Src: src, Dst: dst, Protocol: proto}, payload)
}

// datagram is a UDP packet with n bytes.
func datagram(src, dst netip.AddrPort, n int) []byte {
	return packet(src.Addr(), dst.Addr(), header.ProtocolUDP, testnet.UDP(src, dst, testnet.Pattern(n)))
}

// ping is an echo request with n bytes.
func ping(src, dst netip.Addr, n int) []byte {
	rest := header.ICMPRestEcho(1, 2)
	if src.Is6() {
		return packet(src, dst, header.ProtocolICMPv6, testnet.ICMPv6(src, dst, header.ICMPv6Echo, 0, rest, testnet.Pattern(n)))
	}
	return packet(src, dst, header.ProtocolICMPv4, testnet.ICMPv4(header.ICMPv4Echo, 0, rest, testnet.Pattern(n)))
}

// segment is a TCP packet.
func segment(src, dst netip.AddrPort, f header.TCPFields, o header.TCPOptions, data []byte) []byte {
	f.SrcPort, f.DstPort = src.Port(), dst.Port()
	b := make([]byte, header.TCPSize+o.Size(), header.TCPSize+o.Size()+len(data))
	h := f.Encode(b, &o)
	b = append(b, data...)
	h.SetChecksum(header.TransportChecksum(header.ProtocolTCP, src.Addr(), dst.Addr(), b))
	return packet(src.Addr(), dst.Addr(), header.ProtocolTCP, b)
}

// sent is a TCP segment that the stack sent.
type sent struct {
	header.TCPFields
	o    header.TCPOptions
	data []byte
	ip   []byte
	dst  netip.Addr
}

// String keeps failures short.
func (s sent) String() string {
	return fmt.Sprintf("%v seq=%d ack=%d len=%d", s.Flags, s.Seq, s.Ack, len(s.data))
}

// parse takes a packet apart and reports false if it is not TCP.
func parse(b []byte) (s sent, ok bool) {
	var t []byte
	switch b[0] >> 4 {
	case 4:
		h := header.IPv4(b)
		if h.Protocol() != header.ProtocolTCP {
			return s, false
		}
		t, s.dst = h.Payload(), h.Dst()
	case 6:
		h := header.IPv6(b)
		if h.NextHeader() != header.ProtocolTCP {
			return s, false
		}
		t, s.dst = b[header.IPv6Size:], h.Dst()
	}
	h, drop := header.ParseTCP(t)
	if drop != tcpip.DropNone {
		return s, false
	}
	h.Decode(&s.TCPFields)
	header.DecodeTCPOptions(h.Options(), &s.o)
	s.data, s.ip = h.Payload(), b
	return s, true
}

// segments returns the TCP segments that left since the last call.
func (v *victim) segments() (all []sent) {
	for _, b := range v.nic.Packets() {
		if s, ok := parse(b); ok {
			all = append(all, s)
		}
	}
	return all
}

// remote is a TCP peer of a victim whose every segment the test writes itself.
type remote struct {
	*victim
	ep       *tcp.Endpoint
	from, to netip.AddrPort // of its segments
	seq, ack seq.Number     // its next number, and the next that it expects of us
	ts       bool
	tsVal    uint32
	tsEcr    uint32
	link     stack.LinkPart
	mss      uint16
	sack     bool
	window   uint16
}

// connected lets a remote connect to a listener of v's. It offers an MSS, SACK and timestamps as asked for.
func (v *victim) connected(m family, mss uint16, sack, ts bool) *remote {
	v.t.Helper()
	l := v.listening(m.v6, 80, 16)
	r := &remote{
		victim: v, from: netip.AddrPortFrom(m.peer, 4000), to: netip.AddrPortFrom(m.us, 80), seq: 1000,
		mss: mss, sack: sack, ts: ts, tsVal: 5000, window: 60000,
	}
	v.segments()
	r.syn()
	answer := v.segments()
	require.Len(v.t, answer, 1)
	require.Equal(v.t, header.SYN|header.ACK, answer[0].Flags)
	r.seq++
	r.ack, r.tsEcr = answer[0].Seq+1, answer[0].o.TSVal
	r.send(header.ACK, r.seq, r.ack, nil)
	e, err := l.Accept()
	require.NoError(v.t, err)
	r.ep = e.(*tcp.Endpoint)
	require.NoError(v.t, r.ep.SetOption(tcp.TCP_NODELAY, 1))
	v.t.Cleanup(r.ep.Close)
	return r
}

func (r *remote) syn() {
	o := header.TCPOptions{HasMSS: r.mss != 0, MSS: r.mss, SACKPermitted: r.sack, HasTimestamp: r.ts, TSVal: r.tsVal}
	o.HasWindowScale, o.WindowScale = r.scale != 0, r.scale
	r.inject(segment(r.from, r.to, header.TCPFields{Seq: r.seq, Flags: header.SYN, Window: r.window}, o, nil))
}

// send sends a segment with the timestamps that are due and the given SACK blocks.
func (r *remote) send(flags header.TCPFlags, s, a seq.Number, data []byte, blocks ...header.SACKBlock) {
	o := header.TCPOptions{HasTimestamp: r.ts, TSVal: r.tsVal, TSEcr: r.tsEcr, NumSACK: uint8(len(blocks))}
	copy(o.SACK[:], blocks)
	r.inject(segment(r.from, r.to, header.TCPFields{Seq: s, Ack: a, Flags: flags, Window: r.window}, o, data))
}

func (r *remote) inject(b []byte) { r.nic.InjectFrame(stack.EtherTypeOf(b), r.link, b) }

// write hands n bytes to the endpoint.
func (r *remote) write(n int) {
	r.t.Helper()
	took, err := r.ep.Write(testnet.Pattern(n), tcpip.WriteOptions{})
	require.NoError(r.t, err)
	require.Equal(r.t, n, took)
}

// cut returns an IP packet in fragments of at most n bytes of payload each.
func cut(b []byte, id uint32, n int) (fragments [][]byte) {
	for from, all := 0, len(body(b)); from < all; from += n {
		fragments = append(fragments, piece(b, id, from, min(n, all-from), from+n < all))
	}
	return fragments
}

// body is what lies behind the IP header.
func body(b []byte) []byte {
	if b[0]>>4 == 6 {
		return b[header.IPv6Size:]
	}
	return b[header.IPv4Size:]
}

// piece is a fragment of an IP packet: n bytes of its payload from a byte on.
func piece(b []byte, id uint32, from, n int, more bool) []byte {
	return fragment(b, id, from, more, body(b)[from:from+n])
}

// fragment puts a part under the header of an IP packet.
func fragment(b []byte, id uint32, from int, more bool, part []byte) []byte {
	if b[0]>>4 == 6 {
		h := header.IPv6(b)
		x := make([]byte, header.IPv6FragmentSize)
		(&header.IPv6Fragment{Next: h.NextHeader(), Offset: from, More: more, ID: id}).Encode(x)
		return packet(h.Src(), h.Dst(), header.ProtocolFragment, append(x, part...))
	}
	h := header.IPv4(b)
	f := header.IPv4Fields{Src: h.Src(), Dst: h.Dst(), Protocol: h.Protocol(), ID: uint16(id), FragmentOffset: uint16(from)}
	if more {
		f.Flags = header.IPv4MoreFragments
	}
	return testnet.IPv4(f, part)
}

// host returns the i-th address of a crowd in the far network of the family.
func (m family) host(i int) netip.Addr {
	if !m.v6 {
		b := [4]byte{198, 18}
		binary.BigEndian.PutUint16(b[2:], uint16(i+1))
		return netip.AddrFrom4(b)
	}
	b := m.far.As16()
	binary.BigEndian.PutUint32(b[8:], uint32(i+1))
	return netip.AddrFrom16(b)
}
