package ipv4_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// cut returns p in fragments of n bytes of data, in order.
func cut(p []byte, n int) (fragments [][]byte) {
	h := header.IPv4(p)
	size := h.HeaderLen()
	for at := size; at < len(p); at += n {
		end := min(at+n, len(p))
		f := header.IPv4(slices.Concat(p[:size], p[at:end]))
		f.SetTotalLength(uint16(len(f)))
		flags := header.IPv4Flags(0)
		if end < len(p) {
			flags = header.IPv4MoreFragments
		}
		f.SetFragment(flags, at-size)
		f.SetID(77)
		f[:size].UpdateChecksum()
		fragments = append(fragments, f)
	}
	return fragments
}

func TestReassembly(t *testing.T) {
	p := datagram(peer, us, 3000)
	for name, order := range map[string][]int{"in order": {0, 1, 2}, "reversed": {2, 1, 0}, "mixed": {1, 2, 0}, "last first": {2, 0, 1}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, stack.Options{}, stack.NICOptions{})
			fragments := cut(p, 1480)
			for _, i := range order {
				b.Inject(fragments[i])
			}
			got := b.udp.Take()
			require.Len(t, got, 1)
			require.Equal(t, p[header.IPv4Size:], got[0].Data)
			require.EqualValues(t, 1500, got[0].FragMax)
			c := &b.Wired.Counters().Ip
			require.EqualValues(t, 3, c.ReasmReqds.Value())
			require.EqualValues(t, 1, c.ReasmOKs.Value())
			require.EqualValues(t, 1, c.InDelivers.Value())
		})
	}
}

// The smallest fragments that there can be, and the largest datagram.
func TestReassemblyExtremes(t *testing.T) {
	for _, c := range []struct{ size, mtu int }{{65507, 1480}, {65507, 48}, {9000, 8}, {65507, 65480}} {
		b := newBench(t, stack.Options{}, stack.NICOptions{})
		p := datagram(peer, us, c.size)
		for _, f := range cut(p, c.mtu) {
			b.Inject(f)
		}
		got := b.udp.Take()
		require.Len(t, got, 1, "%+v", c)
		require.Equal(t, p[header.IPv4Size:], got[0].Data)
	}
}

// BEHAVIOUR F7.
func TestBadFragments(t *testing.T) {
	p := datagram(peer, us, 3000)
	change := func(i int, f func(h header.IPv4)) []byte {
		h := header.IPv4(cut(p, 1480)[i])
		f(h)
		h[:20].UpdateChecksum()
		return h
	}
	tcp := testnet.IPv4(header.IPv4Fields{Src: peer, Dst: us, Protocol: header.ProtocolTCP}, make([]byte, 64))
	f := cut(p, 1480)
	for _, c := range []struct {
		name    string
		before  [][]byte
		b       []byte
		why     tcpip.Drop
		dropped int // together with those before
	}{
		{"not in eights", nil, change(0, func(h header.IPv4) { h.SetTotalLength(1499) }), tcpip.DropFragmentBad, 1},
		{"empty", nil, change(1, func(h header.IPv4) { h.SetTotalLength(20) }), tcpip.DropFragmentBad, 1},
		{"beyond 65535", nil, change(2, func(h header.IPv4) { h.SetFragment(0, 65528) }), tcpip.DropFragmentBad, 1},
		{"beyond 65535 with its header", nil, change(2, func(h header.IPv4) { h.SetTotalLength(28); h.SetFragment(0, 65512) }), tcpip.DropFragmentBad, 1},
		{"behind the end", [][]byte{f[0], f[2]}, change(1, func(h header.IPv4) { h.SetFragment(header.IPv4MoreFragments, 2960) }), tcpip.DropFragmentBad, 3},
		{"another end", [][]byte{f[0], f[2]}, change(1, func(h header.IPv4) { h.SetFragment(0, 1480) }), tcpip.DropFragmentBad, 3},
		{"an end before the data", [][]byte{f[1]}, change(2, func(h header.IPv4) { h.SetFragment(0, 8) }), tcpip.DropFragmentBad, 2},
		{"ECN of another datagram", [][]byte{f[1]}, change(0, func(h header.IPv4) { h.SetTOS(2) }), tcpip.DropFragmentBad, 2},
		{"overlap behind", [][]byte{f[0]}, change(1, func(h header.IPv4) { h.SetFragment(header.IPv4MoreFragments, 1472) }), tcpip.DropFragmentOverlap, 2},
		{"overlap before", [][]byte{f[1]}, change(0, func(h header.IPv4) { h.SetFragment(header.IPv4MoreFragments, 8) }), tcpip.DropFragmentOverlap, 2},
		{"overlap of all", [][]byte{f[1]}, change(1, func(h header.IPv4) { h.SetTotalLength(1420) }), tcpip.DropFragmentOverlap, 2},
		{"inside another", [][]byte{f[0], f[1]}, change(1, func(h header.IPv4) { h.SetTotalLength(820); h.SetFragment(header.IPv4MoreFragments, 1600) }), tcpip.DropFragmentOverlap, 3},
		{"tiny TCP", nil, cut(tcp, 16)[0], tcpip.DropFragmentTiny, 1},
		{"second TCP fragment over the flags", nil, cut(tcp, 8)[1], tcpip.DropFragmentTiny, 1},
		{"duplicate", [][]byte{f[0]}, f[0], tcpip.DropOldData, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, stack.Options{}, stack.NICOptions{})
			for _, f := range c.before {
				b.Inject(f)
			}
			b.Inject(c.b)
			require.Equal(t, c.dropped, b.Drops(c.why))
			if c.why == tcpip.DropFragmentOverlap { // it stays dead (RFC 5722 §4)
				for i, f := range cut(p, 1480) {
					b.Inject(f)
					require.Equal(t, c.dropped+i+1, b.Drops(c.why))
				}
				require.Empty(t, b.udp.Take())
				b.Clock.Advance(30 * time.Second)
				require.Zero(t, b.Drops(tcpip.DropFragmentTimeout), "none is counted twice")
				for _, f := range cut(p, 1480) {
					b.Inject(f)
				}
				require.Len(t, b.udp.Take(), 1, "its time is over")
			}
			require.Empty(t, b.Sent())
		})
	}
}

// RFC 3168 §5.3.
func TestReassemblyECN(t *testing.T) {
	for _, c := range []struct {
		ecn  [3]uint8
		want uint8
	}{{[3]uint8{2, 2, 2}, 2}, {[3]uint8{2, 3, 2}, 3}, {[3]uint8{3, 1, 1}, 3}, {[3]uint8{0, 0, 0}, 0}} {
		b := newBench(t, stack.Options{}, stack.NICOptions{})
		for i, f := range cut(datagram(peer, us, 3000), 1480) {
			f[1] = c.ecn[i]
			header.IPv4(f[:20]).UpdateChecksum()
			b.Inject(f)
		}
		got := b.udp.Take()
		require.Len(t, got, 1)
		require.Equal(t, c.want, got[0].TOS)
	}
}

// RFC 1122 §3.3.2: who sent the first fragment hears of the others.
func TestReassemblyTimeout(t *testing.T) {
	p := datagram(peer, us, 3000)
	f := cut(p, 1480)
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	b.Inject(f[0])
	b.Inject(f[2])
	b.Clock.Advance(30*time.Second - 1)
	require.Empty(t, b.Sent())
	b.Clock.Advance(1)
	sent := b.Packets()
	require.Len(t, sent, 1)
	require.Equal(t, "IP 10.0.0.1 > 10.0.0.2: tos 0xc0, ICMP time exceeded 1, length 556", testnet.Dump(header.EtherTypeIPv4, sent[0]))
	require.Equal(t, f[0][:548], sent[0][28:])
	require.Equal(t, 2, b.Drops(tcpip.DropFragmentTimeout))
	require.EqualValues(t, 1, b.Wired.Counters().Ip.ReasmTimeout.Value())
	b.Inject(f[1]) // too late, and not the first
	b.Clock.Advance(30 * time.Second)
	require.Empty(t, b.Sent())
	require.Equal(t, 3, b.Drops(tcpip.DropFragmentTimeout))
	require.Zero(t, b.Clock.Next(), "an idle stack has no timer")
}

// BEHAVIOUR F11: a flood of fragments takes no more memory than it may, and those of others get through.
func TestFragmentFlood(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	for i := range 20_000 {
		h := header.IPv4(cut(datagram(peer, us, 1600), 1480)[0])
		h.SetID(uint16(i))
		h.SetSrc(netip.AddrFrom4([4]byte{10, 9, byte(i % 16), 1}))
		h[:20].UpdateChecksum()
		b.Inject(h)
		if i%5000 == 0 {
			p := datagram(peer, us, 3000)
			for _, f := range cut(p, 1480) {
				b.Inject(f)
			}
			require.Len(t, b.udp.Take(), 1)
		}
	}
	require.LessOrEqual(t, b.Wired.Slabs.Live(), int64(4<<20))
	lost := b.Drops(tcpip.DropFragmentLimit)
	require.Greater(t, lost, 15_000)
	b.Clock.Advance(31 * time.Second)
	require.Equal(t, 20_000, lost+b.Drops(tcpip.DropFragmentTimeout), "each is counted once")
}

// send sends n bytes of UDP payload from b to dst.
func (b *bench) send(dst netip.Addr, n int, o stack.SendOptions) tcpip.Error {
	r, err := b.FindRoute(stack.RouteQuery{Destination: dst})
	require.Equal(b.t, tcpip.OK, err)
	p := b.Stack().NewPacket()
	datagram := testnet.UDP(netip.AddrPortFrom(r.Local, 1000), netip.AddrPortFrom(dst, 2000), testnet.Pattern(n))
	copy(p.Prepend(header.UDPSize), datagram)
	for rest := datagram[header.UDPSize:]; len(rest) > 0; {
		piece, ok := b.Stack().Slabs.Get(min(len(rest), slab.Large))
		require.True(b.t, ok)
		rest = rest[piece.Append(rest):]
		p.AppendData(piece)
	}
	o.Proto = udp
	w := b.Stack().Begin()
	defer w.End()
	return r.Net.Send(w, r, p, &o)
}

func TestFragment(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	require.Equal(t, tcpip.OK, b.send(far, 4000, stack.SendOptions{}))
	sent := b.Packets()
	lines := []string{}
	var data []byte
	for _, p := range sent {
		lines = append(lines, testnet.Dump(header.EtherTypeIPv4, p))
		data = append(data, p[20:]...)
		require.Equal(t, header.IPv4(p).ID(), header.IPv4(sent[0]).ID())
	}
	require.Equal(t, []string{
		"IP 10.0.0.1 > 192.0.2.9: frag 1480@0+",
		"IP 10.0.0.1 > 192.0.2.9: frag 1480@1480+",
		"IP 10.0.0.1 > 192.0.2.9: frag 1048@2960",
	}, lines)
	require.Equal(t, testnet.UDP(netip.AddrPortFrom(us, 1000), netip.AddrPortFrom(far, 2000), testnet.Pattern(4000)), data)
	c := &b.Wired.Counters().Ip
	require.EqualValues(t, 1, c.FragOKs.Value())
	require.EqualValues(t, 3, c.FragCreates.Value())
	require.EqualValues(t, 1, c.OutRequests.Value())
}

func TestSendTooBig(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	require.Equal(t, tcpip.OK, b.send(far, 1472, stack.SendOptions{DF: true}))
	require.Equal(t, []string{"IP 10.0.0.1 > 192.0.2.9: DF, UDP 1000 > 2000, length 1480"}, b.Sent())
	b.dropped(tcpip.DropTooBig, func() {
		require.Equal(t, tcpip.ErrMessageSize, b.send(far, 1473, stack.SendOptions{DF: true}))
	})
	b.dropped(tcpip.DropTooBig, func() {
		require.Equal(t, tcpip.ErrMessageSize, b.send(far, 1273, stack.SendOptions{DF: true, MTU: 1300}))
	})
	require.Equal(t, tcpip.OK, b.send(far, 1273, stack.SendOptions{MTU: 1300}))
	require.Equal(t, []string{"IP 10.0.0.1 > 192.0.2.9: frag 1280@0+", "IP 10.0.0.1 > 192.0.2.9: frag 1@1280"}, b.Sent())
	b.dropped(tcpip.DropTooBig, func() { // more than a total length can say
		require.Equal(t, tcpip.ErrMessageSize, b.send(far, 65508, stack.SendOptions{}))
	})
}

// RFC 791 §3.1: some options stand in the first fragment only.
func TestFragmentOptions(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	require.Equal(t, tcpip.OK, b.send(far, 2000, stack.SendOptions{Options: []byte{7, 3, 4, 0, 148, 4, 0, 0}}))
	require.Equal(t, []string{
		"IP 10.0.0.1 > 192.0.2.9: options 0703040094040000, frag 1472@0+",
		"IP 10.0.0.1 > 192.0.2.9: options 0101010094040000, frag 536@1472",
	}, b.Sent())
}

// A partial checksum is finished before the datagram is cut.
func TestFragmentPartialChecksum(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	r, err := b.FindRoute(stack.RouteQuery{Destination: far})
	require.Equal(t, tcpip.OK, err)
	p := b.Stack().NewPacket()
	h := header.UDP(p.Prepend(header.UDPSize))
	data := testnet.Pattern(3001)
	(&header.UDPFields{SrcPort: 1000, DstPort: 2000, Length: 3009}).Encode(h)
	h.SetChecksum(header.PseudoHeader(udp, us, far, 3009).Fold())
	piece, _ := b.Stack().Slabs.Copy(data)
	p.AppendData(piece)
	p.Checksum = stack.ChecksumPartial
	w := b.Stack().Begin()
	require.Equal(t, tcpip.OK, r.Net.Send(w, r, p, &stack.SendOptions{Proto: udp}))
	w.End()
	var whole []byte
	for _, f := range b.Packets() {
		whole = append(whole, f[20:]...)
	}
	require.Equal(t, testnet.UDP(netip.AddrPortFrom(us, 1000), netip.AddrPortFrom(far, 2000), data), whole)
}

// 65,507 bytes of ping, there and back, over 45 fragments each way.
func TestBigPing(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	p := echo(peer, us, 65507)
	for _, f := range cut(p, 1480) {
		b.Inject(f)
	}
	sent := b.Packets()
	require.Len(t, sent, 45)
	icmp := testnet.NewSink(header.ProtocolICMPv4)
	w := testnet.Wire(t, stack.Options{}, icmp.New)
	port := w.Port(channel.Options{}, stack.NICOptions{}, "10.0.0.2/24")
	for _, f := range sent {
		port.Inject(f)
	}
	got := icmp.Take()
	require.Len(t, got, 1)
	require.Equal(t, p[28:], got[0].Data[8:])
	require.Equal(t, byte(header.ICMPv4EchoReply), got[0].Data[0])
}

// BEHAVIOUR F3, RFC 6864 §4.3: identifications do not repeat, and one destination's say nothing of another's.
func TestIdentification(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	ids := func(dst string, n int) (ids []uint16) {
		for range n {
			require.Equal(t, tcpip.OK, b.send(addr(dst), 8, stack.SendOptions{}))
		}
		for _, p := range b.Packets() {
			ids = append(ids, header.IPv4(p).ID())
		}
		return ids
	}
	seen := map[uint16]bool{}
	for range 100 {
		for _, id := range ids("192.0.2.9", 20) {
			require.False(t, seen[id])
			seen[id] = true
		}
	}
	first := map[uint16]bool{}
	for i := range 100 {
		first[ids(fmt.Sprintf("192.0.2.%d", i+10), 1)[0]] = true
	}
	require.Greater(t, len(first), 95)
	before := ids("192.0.2.9", 1)[0]
	steps := map[uint16]bool{}
	for range 20 {
		b.Clock.Advance(time.Second)
		now := ids("192.0.2.9", 1)[0]
		steps[now-before] = true
		before = now
	}
	require.Greater(t, len(steps), 10, "time makes it jump")
	require.Equal(t, tcpip.OK, b.send(far, 8, stack.SendOptions{DF: true}))
	require.Zero(t, header.IPv4(b.Packets()[0]).ID(), "an atomic datagram needs none")
}

// What waits when the stack is closed is given back; the harness looks for it.
func TestCloseWithFragments(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	b.Inject(cut(datagram(peer, us, 3000), 1480)[1])
	b.Wired.Close()
	require.Equal(t, 1, b.Drops(tcpip.DropFragmentTimeout))
}

// Where the queue is full in the middle of a datagram, the rest of it is given up.
func TestFragmentQueueFull(t *testing.T) {
	b := &bench{Wired: testnet.Wire(t, stack.Options{}), t: t}
	b.Port = b.Wired.Port(channel.Options{Capacity: 1}, stack.NICOptions{}, "10.0.0.1/24")
	refused := 0
	for range 30 {
		if err := b.send(peer, 65507, stack.SendOptions{}); err != tcpip.OK {
			require.Equal(t, tcpip.ErrNoBuffers, err)
			refused++
		}
	}
	require.Equal(t, 8, refused)
	require.EqualValues(t, 8, b.Wired.Counters().Ip.FragFails.Value())
	require.Equal(t, 8, b.Drops(tcpip.DropQueueFull), "one fragment each: the others were never made")
}

// A datagram that is too long only because its first fragment has the longest header.
func TestReassemblyTooLong(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	f := cut(datagram(peer, us, 65507), 32760)
	first := header.IPv4(testnet.IPv4(header.IPv4Fields{
		Src: peer, Dst: us, Protocol: udp, ID: 77, Flags: header.IPv4MoreFragments, Options: []byte{1, 1, 1, 1},
	}, f[0][20:]))
	b.Inject(first)
	for _, f := range f[1:] {
		b.Inject(f)
	}
	require.Empty(t, b.udp.Take())
	require.Equal(t, 1, b.Drops(tcpip.DropFragmentBad))
}

// Without memory fragments are dropped, and nothing else happens.
func TestFragmentNoMemory(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	f := cut(datagram(peer, us, 3000), 1480)
	q := b.Stack().NewPacketCopy(f[0])
	q.EtherType = header.EtherTypeIPv4
	b.Stack().Slabs.SetLimit(1)
	b.InjectPacket(q)
	require.Equal(t, 1, b.Drops(tcpip.DropNoMemory))
	b.Stack().Slabs.SetLimit(0)
}
