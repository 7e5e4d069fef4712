package ipv4_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/linktest"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

func TestSend(t *testing.T) {
	b := newBench(t, stack.Options{TTL: tcpip.Set[uint8](70)}, stack.NICOptions{})
	require.Equal(t, tcpip.OK, b.send(far, 10, stack.SendOptions{}))
	require.Equal(t, tcpip.OK, b.send(far, 10, stack.SendOptions{TTL: 3, TOS: 0x10, DF: true}))
	require.Equal(t, []string{
		"IP 10.0.0.1 > 192.0.2.9: ttl 70, UDP 1000 > 2000, length 18",
		"IP 10.0.0.1 > 192.0.2.9: ttl 3, tos 0x10, DF, UDP 1000 > 2000, length 18",
	}, b.Sent())
	require.Equal(t, 20, b.Wired.Internet(header.EtherTypeIPv4).HeaderLen())
}

// A sender in the group hears itself, unless it does not want to.
func TestMulticastLoop(t *testing.T) {
	for _, c := range []struct {
		dst  string
		o    stack.SendOptions
		want int
	}{
		{"224.1.2.3", stack.SendOptions{}, 1},
		{"224.1.2.3", stack.SendOptions{NoLoop: true}, 0},
		{"224.1.2.4", stack.SendOptions{}, 0},
		{"255.255.255.255", stack.SendOptions{}, 1},
		{"10.0.0.255", stack.SendOptions{}, 1},
		{"10.0.0.2", stack.SendOptions{}, 0},
	} {
		b := newBench(t, stack.Options{}, stack.NICOptions{})
		require.NoError(t, b.JoinGroup(addr("224.1.2.3")))
		require.Equal(t, tcpip.OK, b.send(addr(c.dst), 3000, c.o))
		got := b.udp.Take()
		require.Len(t, got, c.want, c.dst)
		for _, g := range got {
			require.True(t, g.Looped)
			require.Equal(t, us, g.Src)
			require.Equal(t, us, g.Local)
			require.Len(t, g.Data, 3008)
		}
		require.Len(t, b.Sent(), 3)
		require.Zero(t, b.Drops(tcpip.DropOwnSource))
	}
}

// Nobody but Work.Loop can make a packet with our own source be received.
func TestOwnSourceNotLooped(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	b.dropped(tcpip.DropOwnSource, func() { b.Inject(datagram(us, addr("10.0.0.255"), 8)) })
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
	t.Run("forward", func(t *testing.T) {
		r := newRouter(t, stack.Options{})
		p := datagram(peer, host, 900)
		linktest.NoAllocations(t, func() { exchange(r.in, r.out, p) })
	})
	t.Run("forward in fragments", func(t *testing.T) {
		r := newRouter(t, stack.Options{})
		p := datagram(peer, host, 1400)
		linktest.NoAllocations(t, func() { exchange(r.in, r.out, p) })
	})
	t.Run("reassemble", func(t *testing.T) {
		b := newBench(t, stack.Options{}, stack.NICOptions{})
		b.udp.Hook = func(_ *stack.Work, p *stack.Packet) { p.Release() }
		fragments := cut(datagram(peer, us, 9000), 1480)
		linktest.NoAllocations(t, func() {
			for _, f := range fragments {
				b.Inject(f)
			}
		})
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
	for _, c := range cut(datagram(peer, us, 100), 40) {
		f.Add(c, byte(3))
	}
	f.Add(testnet.IPv4(header.IPv4Fields{Src: peer, Dst: us, Protocol: header.ProtocolICMPv4},
		testnet.ICMPv4(3, 4, 1300, datagram(us, far, 8))), byte(0))
	f.Add(testnet.IPv4(header.IPv4Fields{Src: peer, Dst: us, Protocol: udp, Options: []byte{7, 7, 4, 0, 0, 0, 0, 68, 8, 5, 0, 0, 0, 0, 0}}, make([]byte, 8)), byte(0))
	f.Fuzz(func(t *testing.T, b []byte, how byte) {
		sink := testnet.NewSink(udp)
		w := testnet.Wire(t, stack.Options{Forwarding: tcpip.Set(true), Networks: []stack.NewNetwork{ipv4.New}}, sink.New)
		in := w.Port(channel.Options{}, stack.NICOptions{}, "10.0.0.1/24")
		w.Port(channel.Options{MTU: 100}, stack.NICOptions{}, "10.1.0.1/24")
		if len(b) > 2000 {
			return
		}
		if len(b) >= header.IPv4Size && how&1 == 0 { // make it pass the first door
			h := header.IPv4(b)
			h[0] = 4<<4 | max(5, b[0]&15)
			if h.HeaderLen() <= len(b) {
				h.SetTotalLength(uint16(len(b)))
				h.UpdateChecksum()
			}
		}
		delivered := 0
		for range 2 {
			in.InjectFrame(header.EtherTypeIPv4, stack.LinkPart{Type: stack.PacketType(how >> 4 & 3)}, b)
			delivered += len(sink.Take()) + len(sink.Errors)
		}
		w.Clock.Advance(1e9 * 100)
		c := w.Counters()
		var dropped uint64
		for i := range c.Drops {
			dropped += c.Drops[i].Value()
		}
		if c.Ip.ForwDatagrams.Value() == 0 && c.Icmp.InMsgs.Value() == 0 {
			require.EqualValues(t, 2, dropped+uint64(delivered), "each packet has one end")
		}
	})
}

func Example() {
	s := stack.New(stack.Options{Networks: []stack.NewNetwork{ipv4.New}})
	defer s.Close()
	link := channel.New(channel.Options{})
	_, _ = s.AddNIC(link, stack.NICOptions{Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	_ = link.Inject(echo(peer, us, 8))
	answer := link.TryNext()
	b := make([]byte, answer.Len())
	answer.CopyTo(b)
	answer.Release()
	fmt.Println(testnet.Dump(header.EtherTypeIPv4, b))
	// Output: IP 10.0.0.1 > 10.0.0.2: ICMP echo reply, id 1, seq 2, length 16
}
