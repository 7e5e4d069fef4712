package ipv6_test

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

// RFC 4443 §4.2.
func TestEcho(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	for _, n := range []int{0, 1, 56, 1452} {
		p := echo(peer, us, n)
		b.Inject(p)
		sent := b.Packets()
		require.Len(t, sent, 1)
		require.Equal(t, fmt.Sprintf("IP6 fd00::1 > fd00::2: ICMP6 echo reply, id 1, seq 2, length %d", 8+n), testnet.Dump(header.EtherTypeIPv6, sent[0]))
		require.Equal(t, p[48:], sent[0][48:])
	}
	b.Inject(echo(addr("fe80::2"), allNodes, 8))
	require.Equal(t, []string{"IP6 fe80::1 > fe80::2: ICMP6 echo reply, id 1, seq 2, length 16"}, b.Sent())
	p := echo(peer, us, 8)
	p[47]++
	b.dropped(tcpip.DropBadChecksum, func() { b.Inject(p) })
	b.dropped(tcpip.DropShort, func() {
		b.Inject(testnet.IPv6(header.IPv6Fields{Src: peer, Dst: us, NextHeader: icmp}, make([]byte, 7)))
	})
}

func TestEchoNoRoute(t *testing.T) {
	w := testnet.Wire(t, stack.Options{})
	p := w.Port(channel.Options{}, stack.NICOptions{}, "fd00::1/64")
	p.Inject(echo(far, us, 8))
	require.Equal(t, 1, w.Drops(tcpip.DropNoRoute))
	require.Empty(t, p.Sent())
}

// message is an ICMPv6 message from the peer to us.
func message(t header.ICMPv6Type, code header.ICMPv6Code, rest uint32, data []byte) []byte {
	return testnet.IPv6(header.IPv6Fields{Src: peer, Dst: us, NextHeader: icmp}, testnet.ICMPv6(peer, us, t, code, rest, data))
}

func TestICMPNotOurs(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	for _, m := range []header.ICMPv6Type{header.ICMPv6EchoReply, 200} {
		b.dropped(tcpip.DropUnknownType, func() { b.Inject(message(m, 0, 0, make([]byte, 28))) })
	}
	require.Empty(t, b.Sent())
}

func TestEchoReplyDelivered(t *testing.T) {
	sink := testnet.NewSink(icmp)
	w := testnet.Wire(t, stack.Options{}, sink.New)
	p := w.Port(channel.Options{}, stack.NICOptions{}, "fd00::1/64")
	p.Inject(message(header.ICMPv6EchoReply, 0, 7, nil))
	require.Len(t, sink.Take(), 1)
}

// What ICMPv6 errors mean to programs, as observation of Linux has it.
func TestReceiveErrors(t *testing.T) {
	for _, c := range []struct {
		icmp header.ICMPv6Type
		code header.ICMPv6Code
		rest uint32
		kind stack.ICMPErrorKind
		err  tcpip.Error
		hard bool
		mtu  int
	}{
		{1, 0, 0, stack.ICMPNetUnreachable, tcpip.ErrNetUnreachable, false, 0},
		{1, 1, 0, stack.ICMPProhibited, tcpip.ErrAccess, true, 0},
		{1, 2, 0, stack.ICMPHostUnreachable, tcpip.ErrHostUnreachable, false, 0},
		{1, 3, 0, stack.ICMPHostUnreachable, tcpip.ErrHostUnreachable, false, 0},
		{1, 4, 0, stack.ICMPPortUnreachable, tcpip.ErrConnRefused, true, 0},
		{1, 6, 0, stack.ICMPProhibited, tcpip.ErrAccess, true, 0},
		{2, 0, 1300, stack.ICMPTooBig, tcpip.ErrMessageSize, false, 1300},
		{3, 0, 0, stack.ICMPHopLimit, tcpip.ErrHostUnreachable, false, 0},
		{3, 1, 0, stack.ICMPReassemblyTimeout, tcpip.ErrHostUnreachable, false, 0},
		{4, 1, 6, stack.ICMPParameterHeader, tcpip.ErrProtocol, true, 6},
	} {
		b := newBench(t, stack.Options{}, stack.NICOptions{})
		quoted := datagram(us, far, 64)
		b.Inject(message(c.icmp, c.code, c.rest, quoted))
		require.Len(t, b.udp.Errors, 1)
		e := b.udp.Errors[0]
		require.Equal(t, quoted, e.QuotedPacket)
		e.QuotedPacket, e.Packet = nil, nil // borrowed
		require.Equal(t, stack.ICMPError{
			Kind: c.kind, Err: c.err, Hard: c.hard, Origin: tcpip.OriginICMP6, Type: uint8(c.icmp), Code: uint8(c.code), MTU: c.mtu,
			Offender: peer, NIC: b.NIC, Hops: 64, Proto: udp,
			Local: netip.AddrPortFrom(us, 1000), Remote: netip.AddrPortFrom(far, 2000), Quoted: quoted[40:],
		}, e)
	}
}

func TestReceiveBadErrors(t *testing.T) {
	good := datagram(us, far, 64)
	for _, c := range []struct {
		name string
		icmp header.ICMPv6Type
		code header.ICMPv6Code
		rest uint32
		data []byte
		why  tcpip.Drop
	}{
		{"nothing quoted", 1, 4, 0, nil, tcpip.DropShort},
		{"seven bytes of transport", 1, 4, 0, good[:47], tcpip.DropShort},
		{"unknown code", 4, 99, 0, good, tcpip.DropUnknownType},
		{"later fragment", 1, 4, 0, with(good, header.ProtocolFragment, 17, 0, 0, 8, 0, 0, 0, 1), tcpip.DropICMPNoFlow},
		{"from a group", 1, 4, 0, datagram(allNodes, far, 8), tcpip.DropICMPNoFlow},
		{"to a group", 1, 4, 0, datagram(us, allNodes, 8), tcpip.DropICMPNoFlow},
		{"MTU below 1280 for TCP", 2, 0, 1279, testnet.IPv6(header.IPv6Fields{Src: us, Dst: far, NextHeader: header.ProtocolTCP}, make([]byte, 20)), tcpip.DropICMPBadMTU},
		{"no such transport", 1, 4, 0, testnet.IPv6(header.IPv6Fields{Src: us, Dst: far, NextHeader: header.ProtocolSCTP}, make([]byte, 8)), tcpip.DropICMPNoFlow},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, stack.Options{}, stack.NICOptions{})
			b.dropped(c.why, func() { b.Inject(message(c.icmp, c.code, c.rest, c.data)) })
			require.Empty(t, b.udp.Errors)
			require.Empty(t, b.Sent())
		})
	}
}

// refuse makes the sink for UDP answer with an error.
func (b *bench) refuse(kind stack.ICMPErrorKind, arg int) {
	b.udp.Hook = func(w *stack.Work, p *stack.Packet) {
		b.Wired.Internet(header.EtherTypeIPv6).SendError(w, p, kind, arg)
		p.Drop(tcpip.DropNoPort)
	}
}

// RFC 4443 §3.
func TestSendError(t *testing.T) {
	for _, c := range []struct {
		kind stack.ICMPErrorKind
		arg  int
		want string
	}{
		{stack.ICMPNetUnreachable, 0, "unreachable 0"},
		{stack.ICMPHostUnreachable, 0, "unreachable 3"},
		{stack.ICMPProtoUnreachable, 6, "parameter problem 1 at 6"},
		{stack.ICMPPortUnreachable, 0, "unreachable 4"},
		{stack.ICMPProhibited, 0, "unreachable 1"},
		{stack.ICMPTooBig, 1400, "packet too big, mtu 1400"},
		{stack.ICMPHopLimit, 0, "time exceeded 0"},
		{stack.ICMPReassemblyTimeout, 0, "time exceeded 1"},
		{stack.ICMPParameter, 9, "parameter problem 0 at 9"},
		{stack.ICMPParameterOption, 9, "parameter problem 2 at 9"},
		{stack.ICMPParameterHeader, 9, "parameter problem 1 at 9"},
	} {
		b := newBench(t, stack.Options{}, stack.NICOptions{})
		b.refuse(c.kind, c.arg)
		p := datagram(peer, us, 1400)
		b.Inject(p)
		sent := b.Packets()
		require.Len(t, sent, 1)
		require.Equal(t, "IP6 fd00::1 > fd00::2: ICMP6 "+c.want+", length 1240", testnet.Dump(header.EtherTypeIPv6, sent[0]))
		require.Equal(t, p[:1232], sent[0][48:], "as much as fits into 1280 bytes")
	}
}

// BEHAVIOUR F4, RFC 4443 §2.4 e.
func TestSendErrorNever(t *testing.T) {
	for _, c := range []struct {
		name string
		link stack.PacketType
		b    []byte
	}{
		{"multicast", 0, datagram(peer, allNodes, 8)},
		{"link multicast", stack.PacketMulticast, datagram(peer, us, 8)},
		{"link broadcast", stack.PacketBroadcast, datagram(peer, us, 8)},
		{"no source", 0, datagram(addr("::"), us, 8)},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, stack.Options{}, stack.NICOptions{})
			b.refuse(stack.ICMPPortUnreachable, 0)
			b.dropped(tcpip.DropNoPort, func() {
				b.InjectFrame(header.EtherTypeIPv6, stack.LinkPart{Type: c.link}, c.b)
			})
			require.Empty(t, b.Sent())
		})
	}
}

func TestSendErrorAboutError(t *testing.T) {
	for kind, want := range map[header.ICMPv6Type]int{
		header.ICMPv6Echo: 1, header.ICMPv6EchoReply: 1, header.ICMPv6Unreachable: 0, header.ICMPv6PacketTooBig: 0,
		header.ICMPv6TimeExceeded: 0, header.ICMPv6ParameterProblem: 0, 100: 0, header.ICMPv6Redirect: 0,
	} {
		b := newBench(t, stack.Options{}, stack.NICOptions{Forwarding: tcpip.Set(true)})
		p := testnet.IPv6(header.IPv6Fields{Src: peer, Dst: far, HopLimit: 1, NextHeader: icmp}, testnet.ICMPv6(peer, far, kind, 0, 0, nil))
		b.Inject(p)
		require.Len(t, b.Sent(), want, "%v", kind)
		b.Inject(with(p, header.ProtocolDestOptions, byte(icmp), 0, 1, 4, 0, 0, 0, 0))
		require.Len(t, b.Sent(), want, "%v behind options", kind)
		b.Inject(with(p, header.ProtocolFragment, byte(icmp), 0, 0, 8, 0, 0, 0, 1))
		require.Empty(t, b.Sent(), "a later fragment")
	}
}

// BEHAVIOUR F4.
func TestErrorLimits(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	b.refuse(stack.ICMPPortUnreachable, 0)
	for range 20 {
		b.Inject(datagram(peer, us, 8))
	}
	require.Len(t, b.Sent(), 6)
	require.EqualValues(t, 14, b.Wired.Counters().Icmp6.OutRateLimitHost.Value())
	b.Clock.Advance(time.Second)
	for range 20 {
		b.Inject(datagram(peer, us, 8))
	}
	require.Len(t, b.Sent(), 1)
}

// An error is recognised in pieces too.
func TestSendErrorAboutErrorInPieces(t *testing.T) {
	for kind, want := range map[header.ICMPv6Type]int{header.ICMPv6Echo: 1, header.ICMPv6Unreachable: 0} {
		b := newBench(t, stack.Options{}, stack.NICOptions{Forwarding: tcpip.Set(true)})
		p := testnet.IPv6(header.IPv6Fields{Src: peer, Dst: far, HopLimit: 1, NextHeader: icmp}, testnet.ICMPv6(peer, far, kind, 0, 0, make([]byte, 50)))
		q := b.Stack().NewPacketCopy(p[:40])
		for _, part := range [][]byte{p[40:44], p[44:]} {
			piece, _ := b.Stack().Slabs.Copy(part)
			q.AppendData(piece)
		}
		q.EtherType = header.EtherTypeIPv6
		b.InjectPacket(q)
		require.Len(t, b.Sent(), want, "%v", kind)
	}
}
