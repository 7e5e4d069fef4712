package udp_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/udp"
	"github.com/seed963a8790/netstack/waiter"
)

// ip puts a network header in front of what claims to be UDP.
func ip(from, to netip.Addr, b []byte) []byte {
	if from.Is6() {
		return testnet.IPv6(header.IPv6Fields{NextHeader: header.ProtocolUDP, Src: from, Dst: to}, b)
	}
	return testnet.IPv4(header.IPv4Fields{Protocol: header.ProtocolUDP, Src: from, Dst: to}, b)
}

// Every way in which a datagram can be wrong has its reason, counted once.
func TestDrops(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		server := bound(t, n.B, family, 7)
		counters := &n.B.Counters().Udp
		if family == header.EtherTypeIPv6 {
			counters = (*struct {
				InDatagrams, NoPorts, InErrors, OutDatagrams, RcvbufErrors, SndbufErrors, InCsumErrors stack.Counter
			})(&n.B.Counters().Udp6)
		}
		from, to := netip.AddrPortFrom(n.A.Addr(family), 99), netip.AddrPortFrom(n.B.Addr(family), 7)
		good := func() header.UDP { return testnet.UDP(from, to, []byte("hello")) }
		change := func(f func(h header.UDP)) []byte {
			h := good()
			f(h)
			return h
		}
		for _, c := range []struct {
			what string
			b    []byte
			want tcpip.Drop
		}{
			{"no header", good()[:7], tcpip.DropShort},
			{"nothing", nil, tcpip.DropShort},
			{"cut", good()[:12], tcpip.DropBadLength},
			{"length 0", change(func(h header.UDP) { h.SetLength(0) }), tcpip.DropBadLength},
			{"length 7", change(func(h header.UDP) { h.SetLength(7) }), tcpip.DropBadLength},
			{"length too long", change(func(h header.UDP) { h.SetLength(14) }), tcpip.DropBadLength},
			{"flipped", change(func(h header.UDP) { h[9] ^= 1 }), tcpip.DropBadChecksum},
			{"sum flipped", change(func(h header.UDP) { h[7] ^= 1 }), tcpip.DropBadChecksum},
		} {
			before, errors := n.B.Drops(c.want), counters.InErrors.Value()
			n.B.Inject(ip(from.Addr(), to.Addr(), c.b))
			require.Equal(t, before+1, n.B.Drops(c.want), c.what)
			require.Equal(t, errors+1, counters.InErrors.Value(), c.what)
			wantNothing(t, server)
		}
		require.EqualValues(t, 2, counters.InCsumErrors.Value())

		// RFC 768: no checksum; not with IPv6 (RFC 8200 §8.1).
		n.B.Inject(ip(from.Addr(), to.Addr(), change(func(h header.UDP) { h.SetChecksum(0) })))
		if family == header.EtherTypeIPv4 {
			read(t, server)
		} else {
			require.Equal(t, 3, n.B.Drops(tcpip.DropBadChecksum))
		}
		// What follows the datagram in the IP packet is not its.
		n.B.Inject(ip(from.Addr(), to.Addr(), append(good(), "trailer"...)))
		b, _ := read(t, server)
		require.Equal(t, "hello", b)
		require.Zero(t, n.B.LivePackets())
	})
}

// A packet in many pieces, its header spread over them, is as good as another.
func TestPieces(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	server := bound(t, n.B, header.EtherTypeIPv4, 7)
	b := packet(netip.AddrPortFrom(n.A.V4, 99), netip.AddrPortFrom(n.B.V4, 7), []byte("hello, world"))
	for cut := header.IPv4Size; cut < len(b); cut++ {
		p := n.B.NewPacketCopy(b[:cut])
		for _, c := range b[cut:] {
			piece, _ := n.B.Slabs.Copy([]byte{c})
			p.AppendData(piece)
		}
		n.B.InjectPacket(p)
		got, _ := read(t, server)
		require.Equal(t, "hello, world", got)
	}
	require.Zero(t, n.B.Slabs.Live())
}

// Memory that is short is an error for who sends and a counted drop for who receives, and nothing leaks.
func TestNoMemory(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	server, client := bound(t, n.B, header.EtherTypeIPv4, 7), open(t, n.A, header.EtherTypeIPv4)
	n.A.Slabs.SetLimit(1)
	_, err := client.Write([]byte("x"), to(n.B.V4, 7))
	require.Equal(t, tcpip.ErrNoBuffers, err)
	require.EqualValues(t, 1, n.A.Counters().Udp.SndbufErrors.Value())
	_, err = client.Write(nil, to(n.B.V4, 7))
	require.NoError(t, err, "an empty one needs none")
	read(t, server)
	n.A.Slabs.SetLimit(0)
	require.Zero(t, n.A.LivePackets())
}

// Whatever comes as UDP ends in the queue or in exactly one counted drop, and all of it is given back.
func FuzzReceive(f *testing.F) {
	n := testnet.New(f, testnet.Options{}, udp.New)
	server := bound(f, n.B, header.EtherTypeIPv6, 7)
	for _, h := range []struct{ from, to netip.Addr }{{n.A.V4, n.B.V4}, {n.A.V6, n.B.V6}} {
		for _, port := range []uint16{7, 8} {
			b := testnet.UDP(netip.AddrPortFrom(h.from, 99), netip.AddrPortFrom(h.to, port), []byte("hello"))
			f.Add(b, h.from.Is6(), uint16(0), uint8(0))
			f.Add(b, h.from.Is6(), uint16(2), uint8(stack.ChecksumPartial))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, v6 bool, seg uint16, sum uint8) {
		if len(b) > 60000 {
			return
		}
		from, to := n.A.V4, n.B.V4
		if v6 {
			from, to = n.A.V6, n.B.V6
		}
		drops := func() (sum uint64) {
			for d := range n.B.Counters().Drops {
				sum += n.B.Counters().Drops[d].Value()
			}
			return sum
		}
		before := drops()
		p := n.B.NewPacketCopy(ip(from, to, b))
		p.SegSize, p.Checksum = seg, stack.Checksum(sum%3)
		n.B.InjectPacket(p)
		dropped, got := drops()-before, 0
		for server.Readiness(waiter.Readable) != 0 {
			_, err := server.Read(nil, tcpip.ReadOptions{})
			require.NoError(t, err)
			got++
		}
		if seg == 0 {
			require.EqualValues(t, 1, int(dropped)+got)
		} else {
			require.NotZero(t, int(dropped)+got)
			require.LessOrEqual(t, dropped, uint64(1))
		}
		require.Zero(t, n.B.LivePackets())
		require.Zero(t, n.B.Slabs.Live())
	})
}
