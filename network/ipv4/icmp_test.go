package ipv4_test

import (
	"fmt"
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

// RFC 1122 §3.2.2.6.
func TestEcho(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	for _, n := range []int{0, 1, 56, 1472} {
		p := echo(peer, us, n)
		b.Inject(p)
		sent := b.Packets()
		require.Len(t, sent, 1)
		require.Equal(t, fmt.Sprintf("IP 10.0.0.1 > 10.0.0.2: ICMP echo reply, id 1, seq 2, length %d", 8+n), testnet.Dump(header.EtherTypeIPv4, sent[0]))
		require.Equal(t, p[header.IPv4Size+header.ICMPv4Size:], sent[0][header.IPv4Size+header.ICMPv4Size:])
	}
	c := &b.Wired.Counters().Icmp
	require.EqualValues(t, 4, c.InEchos.Value())
	require.EqualValues(t, 4, c.OutEchoReps.Value())
	p := echo(peer, us, 8)
	p[27]++
	b.dropped(tcpip.DropBadChecksum, func() { b.Inject(p) })
	require.EqualValues(t, 1, c.InCsumErrors.Value())
	b.dropped(tcpip.DropShort, func() {
		b.Inject(testnet.IPv4(header.IPv4Fields{Src: peer, Dst: us, Protocol: header.ProtocolICMPv4}, make([]byte, 7)))
	})
}

// Linux's icmp_echo_ignore_broadcasts is 1.
func TestEchoToMany(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	for _, dst := range []string{"10.0.0.255", "255.255.255.255", "224.0.0.1"} {
		b.dropped(tcpip.DropUnknownType, func() { b.Inject(echo(peer, addr(dst), 8)) })
		require.Empty(t, b.Sent())
	}
}

// An answer without a way back is dropped.
func TestEchoNoRoute(t *testing.T) {
	w := testnet.Wire(t, stack.Options{})
	p := w.Port(channel.Options{}, stack.NICOptions{}, "10.0.0.1/24")
	p.Inject(echo(far, us, 8))
	require.Equal(t, 1, w.Drops(tcpip.DropNoRoute))
	require.Empty(t, p.Sent())
}

// RFC 792: all times in milliseconds since midnight.
func TestTimestamp(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	b.Clock.Advance(90 * time.Second)
	b.Inject(testnet.IPv4(header.IPv4Fields{Src: peer, Dst: us, Protocol: header.ProtocolICMPv4},
		testnet.ICMPv4(header.ICMPv4Timestamp, 0, 0, []byte{0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0})))
	sent := b.Packets()
	require.Len(t, sent, 1)
	require.Equal(t, "IP 10.0.0.1 > 10.0.0.2: ICMP timestamp reply, length 20", testnet.Dump(header.EtherTypeIPv4, sent[0]))
	require.Equal(t, []byte{0, 0, 0, 7, 0, 1, 0x5f, 0x90, 0, 1, 0x5f, 0x90}, sent[0][28:])
}

func TestICMPNotOurs(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	for _, m := range []header.ICMPv4Type{header.ICMPv4EchoReply, 99} {
		b.dropped(tcpip.DropUnknownType, func() {
			b.Inject(testnet.IPv4(header.IPv4Fields{Src: peer, Dst: us, Protocol: header.ProtocolICMPv4}, testnet.ICMPv4(m, 0, 0, make([]byte, 28))))
		})
	}
	// A redirect is not followed; it is told to who sent the packet that it quotes, if that was ICMP.
	b.dropped(tcpip.DropUnknownType, func() {
		b.Inject(testnet.IPv4(header.IPv4Fields{Src: peer, Dst: us, Protocol: header.ProtocolICMPv4},
			testnet.ICMPv4(header.ICMPv4Redirect, 0, 0, datagram(us, far, 8))))
	})
	require.Empty(t, b.Sent())
	require.EqualValues(t, 1, b.Wired.Counters().Icmp.InRedirects.Value())
}

// An echo reply belongs to the transport.
func TestEchoReplyDelivered(t *testing.T) {
	icmp := testnet.NewSink(header.ProtocolICMPv4)
	w := testnet.Wire(t, stack.Options{}, icmp.New)
	p := w.Port(channel.Options{}, stack.NICOptions{}, "10.0.0.1/24")
	p.Inject(testnet.IPv4(header.IPv4Fields{Src: peer, Dst: us, Protocol: header.ProtocolICMPv4}, testnet.ICMPv4(header.ICMPv4EchoReply, 0, 7, nil)))
	require.Len(t, icmp.Take(), 1)
}

// What ICMP errors mean to programs, as icmp(7) and observation of Linux have it.
func TestReceiveErrors(t *testing.T) {
	for _, c := range []struct {
		icmp header.ICMPv4Type
		code header.ICMPv4Code
		rest uint32
		kind stack.ICMPErrorKind
		err  tcpip.Error
		hard bool
		mtu  int
	}{
		{3, 0, 0, stack.ICMPNetUnreachable, tcpip.ErrNetUnreachable, false, 0},
		{3, 1, 0, stack.ICMPHostUnreachable, tcpip.ErrHostUnreachable, false, 0},
		{3, 2, 0, stack.ICMPProtoUnreachable, tcpip.ErrNoProtocolOption, true, 0},
		{3, 3, 0, stack.ICMPPortUnreachable, tcpip.ErrConnRefused, true, 0},
		{3, 4, 1300, stack.ICMPTooBig, tcpip.ErrMessageSize, false, 1300},
		{3, 4, 0, stack.ICMPTooBig, tcpip.ErrMessageSize, false, 0},
		{3, 5, 0, stack.ICMPHostUnreachable, tcpip.ErrNotSupported, false, 0},
		{3, 7, 0, stack.ICMPHostUnreachable, tcpip.ErrHostDown, true, 0},
		{3, 13, 0, stack.ICMPProhibited, tcpip.ErrHostUnreachable, true, 0},
		{11, 0, 0, stack.ICMPHopLimit, tcpip.ErrHostUnreachable, false, 0},
		{12, 0, 20 << 24, stack.ICMPParameter, tcpip.ErrProtocol, true, 20}, // where the pointer points
	} {
		b := newBench(t, stack.Options{}, stack.NICOptions{})
		quoted := datagram(us, far, 64)
		b.Inject(testnet.IPv4(header.IPv4Fields{Src: peer, Dst: us, Protocol: header.ProtocolICMPv4},
			testnet.ICMPv4(c.icmp, c.code, c.rest, quoted[:28])))
		require.Len(t, b.udp.Errors, 1)
		e := b.udp.Errors[0]
		require.Equal(t, quoted[:28], e.QuotedPacket)
		e.QuotedPacket, e.Packet = nil, nil // borrowed
		require.Equal(t, stack.ICMPError{
			Kind: c.kind, Err: c.err, Hard: c.hard, Origin: tcpip.OriginICMP, Type: uint8(c.icmp), Code: uint8(c.code), MTU: c.mtu,
			Offender: peer, NIC: b.NIC, Hops: 64, Proto: udp,
			Local: netip.AddrPortFrom(us, 1000), Remote: netip.AddrPortFrom(far, 2000), Quoted: quoted[20:28],
		}, e)
	}
}

func TestReceiveBadErrors(t *testing.T) {
	quoted := func(f func(h header.IPv4)) []byte {
		h := header.IPv4(datagram(us, far, 64))
		f(h)
		return h[:28]
	}
	for _, c := range []struct {
		name string
		icmp header.ICMPv4Type
		code header.ICMPv4Code
		data []byte
		why  tcpip.Drop
	}{
		{"nothing quoted", 3, 3, nil, tcpip.DropShort},
		{"seven bytes of transport", 3, 3, quoted(func(header.IPv4) {})[:27], tcpip.DropShort},
		{"unknown code", 3, 16, quoted(func(header.IPv4) {}), tcpip.DropUnknownType},
		{"later fragment", 3, 3, quoted(func(h header.IPv4) { h.SetFragment(0, 8) }), tcpip.DropICMPNoFlow},
		{"to a group", 3, 3, quoted(func(h header.IPv4) { h.SetDst(addr("224.0.0.1")) }), tcpip.DropICMPNoFlow},
		{"to a broadcast", 3, 3, quoted(func(h header.IPv4) { h.SetDst(addr("10.0.0.255")) }), tcpip.DropICMPNoFlow},
		{"from a group", 3, 3, quoted(func(h header.IPv4) { h.SetSrc(addr("224.0.0.1")) }), tcpip.DropICMPNoFlow},
		{"no such transport", 3, 3, quoted(func(h header.IPv4) { h[9] = 132 }), tcpip.DropICMPNoFlow},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, stack.Options{}, stack.NICOptions{})
			b.dropped(c.why, func() {
				b.Inject(testnet.IPv4(header.IPv4Fields{Src: peer, Dst: us, Protocol: header.ProtocolICMPv4}, testnet.ICMPv4(c.icmp, c.code, 0, c.data)))
			})
			require.Empty(t, b.udp.Errors)
			require.Empty(t, b.Sent())
		})
	}
}

// refuse makes the sink for UDP answer with an error.
func (b *bench) refuse(kind stack.ICMPErrorKind, arg int) {
	b.udp.Hook = func(w *stack.Work, p *stack.Packet) {
		b.Wired.Internet(header.EtherTypeIPv4).SendError(w, p, kind, arg)
		p.Drop(tcpip.DropNoPort)
	}
}

// RFC 1812 §4.3.2: the form of errors.
func TestSendError(t *testing.T) {
	for _, c := range []struct {
		kind stack.ICMPErrorKind
		arg  int
		want string
	}{
		{stack.ICMPNetUnreachable, 0, "unreachable 0"},
		{stack.ICMPHostUnreachable, 0, "unreachable 1"},
		{stack.ICMPProtoUnreachable, 0, "unreachable 2"},
		{stack.ICMPPortUnreachable, 0, "unreachable 3"},
		{stack.ICMPTooBig, 1280, "unreachable 4, mtu 1280"},
		{stack.ICMPProhibited, 0, "unreachable 13"},
		{stack.ICMPHopLimit, 0, "time exceeded 0"},
		{stack.ICMPReassemblyTimeout, 0, "time exceeded 1"},
		{stack.ICMPParameter, 9, "parameter problem at 9"},
	} {
		b := newBench(t, stack.Options{}, stack.NICOptions{})
		b.refuse(c.kind, c.arg)
		p := datagram(peer, us, 1000)
		p[1] = 0x1f // low delay, CE
		header.IPv4(p).UpdateChecksum()
		b.Inject(p)
		sent := b.Packets()
		require.Len(t, sent, 1)
		require.Equal(t, "IP 10.0.0.1 > 10.0.0.2: tos 0xde, ICMP "+c.want+", length 556", testnet.Dump(header.EtherTypeIPv4, sent[0]))
		require.Equal(t, p[:548], sent[0][28:], "as much as fits into 576 bytes")
	}
}

// BEHAVIOUR F4, RFC 1122 §3.2.2: what is never answered.
func TestSendErrorNever(t *testing.T) {
	for _, c := range []struct {
		name string
		link stack.PacketType
		b    []byte
	}{
		{"broadcast", 0, datagram(peer, addr("10.0.0.255"), 8)},
		{"limited broadcast", 0, datagram(peer, addr("255.255.255.255"), 8)},
		{"multicast", 0, datagram(peer, addr("224.0.0.1"), 8)},
		{"link broadcast", stack.PacketBroadcast, datagram(peer, us, 8)},
		{"link multicast", stack.PacketMulticast, datagram(peer, us, 8)},
		{"no source", 0, datagram(addr("0.0.0.0"), addr("255.255.255.255"), 8)},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, stack.Options{}, stack.NICOptions{})
			b.refuse(stack.ICMPPortUnreachable, 0)
			b.dropped(tcpip.DropNoPort, func() {
				b.InjectFrame(header.EtherTypeIPv4, stack.LinkPart{Type: c.link}, c.b)
			})
			require.Empty(t, b.Sent())
		})
	}
}

// Errors are never answered by errors: a router drops them in silence.
func TestSendErrorAboutError(t *testing.T) {
	for kind, want := range map[header.ICMPv4Type]int{
		header.ICMPv4Echo: 1, header.ICMPv4EchoReply: 1, header.ICMPv4Unreachable: 0, header.ICMPv4TimeExceeded: 0,
		header.ICMPv4Redirect: 0, header.ICMPv4SourceQuench: 0, header.ICMPv4ParameterProblem: 0, 200: 0,
	} {
		b := newBench(t, stack.Options{}, stack.NICOptions{Forwarding: tcpip.Set(true)})
		b.Inject(testnet.IPv4(header.IPv4Fields{Src: peer, Dst: far, TTL: 1, Protocol: header.ProtocolICMPv4}, testnet.ICMPv4(kind, 0, 0, nil)))
		require.Len(t, b.Sent(), want, "%v", kind)
	}
}

// BEHAVIOUR F4: one host gets six errors and then one a second; all together no more than the bucket has.
func TestErrorLimits(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	b.refuse(stack.ICMPPortUnreachable, 0)
	for range 20 {
		b.Inject(datagram(peer, us, 8))
	}
	require.Len(t, b.Sent(), 6)
	c := &b.Wired.Counters().Icmp
	require.EqualValues(t, 14, c.OutRateLimitHost.Value())
	b.Clock.Advance(time.Second)
	for range 20 {
		b.Inject(datagram(peer, us, 8))
	}
	require.Len(t, b.Sent(), 1)
	b.Clock.Advance(time.Second)
	for i := range 1000 {
		b.Inject(datagram(netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}), us, 8))
	}
	n := len(b.Sent())
	require.Greater(t, n, 25)
	require.Less(t, n, 110)
	require.EqualValues(t, 1000-n, c.OutRateLimitGlobal.Value())
}

// A router tells of the first fragment that it cannot forward, and of no other.
func TestSendErrorAboutFragment(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{Forwarding: tcpip.Set(true)})
	h := header.IPv4(datagram(peer, far, 100))
	h.SetTTL(1)
	f := cut(h, 56)
	b.Inject(f[1])
	require.Empty(t, b.Sent())
	b.Inject(f[0])
	require.Equal(t, []string{"IP 10.0.0.1 > 10.0.0.2: tos 0xc0, ICMP time exceeded 0, length 84"}, b.Sent())
}

// Path MTU discovery is not limited, as on Linux.
func TestTooBigNotLimited(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	b.refuse(stack.ICMPTooBig, 1300)
	for range 100 {
		b.Inject(datagram(peer, us, 8))
	}
	require.Len(t, b.Sent(), 100)
}

// An error is recognised in pieces too.
func TestSendErrorAboutErrorInPieces(t *testing.T) {
	for kind, want := range map[header.ICMPv4Type]int{header.ICMPv4Echo: 1, header.ICMPv4Unreachable: 0} {
		b := newBench(t, stack.Options{}, stack.NICOptions{Forwarding: tcpip.Set(true)})
		p := testnet.IPv4(header.IPv4Fields{Src: peer, Dst: far, TTL: 1, Protocol: header.ProtocolICMPv4}, testnet.ICMPv4(kind, 0, 0, make([]byte, 50)))
		q := b.Stack().NewPacketCopy(p[:20])
		piece, _ := b.Stack().Slabs.Copy(p[20:])
		q.AppendData(piece)
		q.EtherType = header.EtherTypeIPv4
		b.InjectPacket(q)
		require.Len(t, b.Sent(), want, "%v", kind)
	}
}
