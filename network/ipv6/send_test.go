package ipv6_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/linktest"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/network/ipv6"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

func TestSend(t *testing.T) {
	b := newBench(t, stack.Options{TTL: tcpip.Set[uint8](70)}, stack.NICOptions{})
	require.Equal(t, tcpip.OK, b.send(far, 10, stack.SendOptions{}))
	require.Equal(t, tcpip.OK, b.send(far, 10, stack.SendOptions{TTL: 3, TOS: 0x10}))
	require.Equal(t, []string{
		"IP6 fd00::1 > 2001:db8::9: hlim 70, UDP 1000 > 2000, length 18",
		"IP6 fd00::1 > 2001:db8::9: hlim 3, class 0x10, UDP 1000 > 2000, length 18",
	}, b.Sent())
	require.Equal(t, 40, b.Wired.Internet(header.EtherTypeIPv6).HeaderLen())
}

// RFC 6437 §3: one flow, one label, which cannot be guessed.
func TestFlowLabel(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	labels := map[uint32]bool{}
	label := func(dst string, o stack.SendOptions) uint32 {
		require.Equal(t, tcpip.OK, b.send(addr(dst), 4, o))
		return header.IPv6(b.Packets()[0]).FlowLabel()
	}
	for i := range 50 {
		dst := fmt.Sprintf("2001:db8::%d", i+1)
		l := label(dst, stack.SendOptions{})
		require.NotZero(t, l)
		require.Equal(t, l, label(dst, stack.SendOptions{}))
		labels[l] = true
	}
	require.Greater(t, len(labels), 48)
	require.EqualValues(t, 0x12345, label("2001:db8::1", stack.SendOptions{FlowLabel: 0x12345}))
}

func TestMulticastLoop(t *testing.T) {
	for _, c := range []struct {
		dst  string
		o    stack.SendOptions
		want int
	}{
		{"ff02::abcd", stack.SendOptions{}, 1},
		{"ff02::abcd", stack.SendOptions{NoLoop: true}, 0},
		{"ff02::abce", stack.SendOptions{}, 0},
		{"fd00::2", stack.SendOptions{}, 0},
	} {
		b := newBench(t, stack.Options{}, stack.NICOptions{})
		require.NoError(t, b.JoinGroup(addr("ff02::abcd")))
		require.Equal(t, tcpip.OK, b.send(addr(c.dst), 3000, c.o))
		got := b.udp.Take()
		require.Len(t, got, c.want, c.dst)
		for _, g := range got {
			require.True(t, g.Looped)
			require.Len(t, g.Data, 3008)
		}
		require.Len(t, b.Sent(), 3)
		require.Zero(t, b.Drops(tcpip.DropOwnSource))
	}
}

func TestNoAllocations(t *testing.T) {
	t.Run("echo", func(t *testing.T) {
		b := newBench(t, stack.Options{}, stack.NICOptions{})
		p := echo(peer, us, 56)
		linktest.NoAllocations(t, func() { exchange(b.Port, b.Port, p) })
	})
	t.Run("receive", func(t *testing.T) {
		b := newBench(t, stack.Options{}, stack.NICOptions{})
		b.udp.Hook = func(_ *stack.Work, p *stack.Packet) { p.Release() }
		p := datagram(peer, us, 1000)
		linktest.NoAllocations(t, func() { b.Inject(p) })
	})
	t.Run("receive with headers", func(t *testing.T) {
		b := newBench(t, stack.Options{}, stack.NICOptions{})
		b.udp.Hook = func(_ *stack.Work, p *stack.Packet) { p.Release() }
		p := with(datagram(peer, us, 1000), header.ProtocolDestOptions, byte(udp), 0, 1, 4, 0, 0, 0, 0)
		linktest.NoAllocations(t, func() { b.Inject(p) })
	})
	t.Run("forward", func(t *testing.T) {
		r := newRouter(t, stack.Options{})
		p := datagram(peer, host, 900)
		linktest.NoAllocations(t, func() { exchange(r.in, r.out, p) })
	})
	t.Run("reassemble", func(t *testing.T) {
		b := newBench(t, stack.Options{}, stack.NICOptions{})
		b.udp.Hook = func(_ *stack.Work, p *stack.Packet) { p.Release() }
		fragments := cut(datagram(peer, us, 9000), 40, 1448)
		linktest.NoAllocations(t, func() {
			for _, f := range fragments {
				b.Inject(f)
			}
		})
	})
	t.Run("big ping", func(t *testing.T) {
		b := newBench(t, stack.Options{}, stack.NICOptions{})
		fragments := cut(echo(peer, us, 9000), 40, 1448)
		linktest.NoAllocations(t, func() {
			for _, f := range fragments {
				exchange(b.Port, b.Port, f)
			}
		})
	})
	t.Run("solicitation", func(t *testing.T) {
		b := newEthernet(t, stack.NICOptions{})
		m := header.ICMPv6(ns(us, peerMAC))
		m.UpdateChecksum(peer, usGroup)
		p := testnet.IPv6(header.IPv6Fields{Src: peer, Dst: usGroup, HopLimit: 255, NextHeader: icmp}, m)
		linktest.NoAllocations(t, func() { exchange(b.Port, b.Port, p) })
	})
	t.Run("send", func(t *testing.T) {
		b := newBench(t, stack.Options{}, stack.NICOptions{})
		r, _ := b.FindRoute(stack.RouteQuery{Destination: far})
		o := stack.SendOptions{Proto: udp}
		linktest.NoAllocations(t, func() {
			p := b.Stack().NewPacket()
			clear(p.Prepend(header.UDPSize))
			w := b.Stack().Begin()
			r.Net.Send(w, r, p, &o)
			w.End()
			b.Next().Release()
		})
	})
}

// exchange puts p in and releases what comes out.
func exchange(in, out *testnet.Port, p []byte) {
	in.Inject(p)
	for q := out.Next(); q != nil; q = out.Next() {
		q.Release()
	}
}

func BenchmarkForward(b *testing.B) {
	r := newRouter(b, stack.Options{})
	p := datagram(peer, host, 900)
	b.ReportAllocs()
	for b.Loop() {
		exchange(r.in, r.out, p)
	}
}

// FuzzReceive feeds anything to a host that forwards: nothing panics or leaks, and time passes.
func FuzzReceive(f *testing.F) {
	f.Add(echo(peer, us, 20), byte(0))
	f.Add(datagram(peer, us, 20), byte(1))
	f.Add(datagram(peer, host, 20), byte(2))
	for _, c := range cut(datagram(peer, us, 100), 40, 40) {
		f.Add(c, byte(3))
	}
	for _, m := range [][]byte{ns(us, peerMAC), na(peer, 0xe0, peerMAC), header.AppendNDPNonce(ns(us, noMAC), [6]byte{})} {
		f.Add(testnet.IPv6(header.IPv6Fields{Src: peer, Dst: usGroup, HopLimit: 255, NextHeader: icmp}, m), byte(0))
	}
	f.Add(message(2, 0, 1300, datagram(us, far, 8)), byte(0))
	f.Add(with(datagram(peer, us, 8), 0, 60, 0, 1, 4, 0, 0, 0, 0, byte(udp), 0, 0x9e, 4, 0, 0, 0, 0), byte(0))
	f.Fuzz(func(t *testing.T, b []byte, how byte) {
		if len(b) > 2000 {
			return
		}
		sink := testnet.NewSink(udp)
		w := testnet.Wire(t, stack.Options{Forwarding: tcpip.Set(true), Networks: []stack.NewNetwork{ipv6.New}}, sink.New)
		in := w.Port(channel.Options{Kind: stack.LinkEthernet, Address: ourMAC}, stack.NICOptions{DAD: tcpip.Set(int(how & 1))}, "fd00::1/64")
		w.Port(channel.Options{}, stack.NICOptions{}, "fd01::1/64")
		if len(b) >= header.IPv6Size && how&2 == 0 { // make it pass the first door
			h := header.IPv6(b)
			h[0] = 6<<4 | h[0]&15
			h.SetPayloadLength(uint16(len(b) - header.IPv6Size))
			var c header.IPv6Chain
			if h.WalkExt(&c) == tcpip.DropNone && c.Protocol == icmp && len(h)-c.Offset >= header.ICMPv6Size {
				header.ICMPv6(h[c.Offset:]).UpdateChecksum(h.Src(), h.Dst())
			}
		}
		for range 2 {
			in.InjectFrame(header.EtherTypeIPv6, stack.LinkPart{Type: stack.PacketType(how >> 4 & 3)}, b)
			sink.Take()
		}
		w.Clock.Advance(1e9 * 100)
	})
}

func Example() {
	s := stack.New(stack.Options{Networks: []stack.NewNetwork{ipv6.New}})
	defer s.Close()
	link := channel.New(channel.Options{})
	_, _ = s.AddNIC(link, stack.NICOptions{Addresses: []netip.Prefix{netip.MustParsePrefix("fd00::1/64")}})
	_ = link.Inject(echo(peer, us, 8))
	answer := link.TryNext()
	b := make([]byte, answer.Len())
	answer.CopyTo(b)
	answer.Release()
	fmt.Println(testnet.Dump(header.EtherTypeIPv6, b))
	// Output: IP6 fd00::1 > fd00::2: ICMP6 echo reply, id 1, seq 2, length 16
}
