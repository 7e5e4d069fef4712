package ipv6_test

import (
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

// piece is a fragment of p, whose headers from byte at on are cut: n bytes from byte from.
func piece(p []byte, at, from, n int, more bool) []byte {
	h := header.IPv6(p)
	next := h.NextHeader()
	nextAt := 6
	if at > header.IPv6Size {
		next, nextAt = header.Protocol(p[header.IPv6Size]), header.IPv6Size
	}
	f := header.IPv6Fragment{Next: next, Offset: from, More: more, ID: 77}
	b := make([]byte, header.IPv6FragmentSize)
	f.Encode(b)
	q := header.IPv6(slices.Concat(p[:at], b, p[at+from:at+from+n]))
	q[nextAt] = byte(header.ProtocolFragment)
	q.SetPayloadLength(uint16(len(q) - header.IPv6Size))
	return q
}

// cut returns p, whose headers from byte at on are cut, in fragments of n bytes.
func cut(p []byte, at, n int) (fragments [][]byte) {
	for from := 0; from < len(p)-at; from += n {
		m := min(n, len(p)-at-from)
		fragments = append(fragments, piece(p, at, from, m, at+from+m < len(p)))
	}
	return fragments
}

func TestReassembly(t *testing.T) {
	p := datagram(peer, us, 3000)
	for name, order := range map[string][]int{"in order": {0, 1, 2}, "reversed": {2, 1, 0}, "mixed": {1, 2, 0}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, stack.Options{}, stack.NICOptions{})
			fragments := cut(p, header.IPv6Size, 1448)
			for _, i := range order {
				b.Inject(fragments[i])
			}
			got := b.udp.Take()
			require.Len(t, got, 1)
			require.Equal(t, p[header.IPv6Size:], got[0].Data)
			require.EqualValues(t, 1496, got[0].FragMax)
		})
	}
}

// Headers in front of the fragment header belong to each fragment, those behind it to the datagram.
func TestReassemblyWithHeaders(t *testing.T) {
	p := with(datagram(peer, us, 3000), header.ProtocolHopByHop, 60, 0, 1, 4, 0, 0, 0, 0, byte(udp), 0, 1, 4, 0, 0, 0, 0)
	for _, at := range []int{40, 48} {
		b := newBench(t, stack.Options{}, stack.NICOptions{})
		if at == 40 {
			p = with(datagram(peer, us, 3000), header.ProtocolDestOptions, byte(udp), 0, 1, 4, 0, 0, 0, 0)
		}
		for _, f := range cut(p, at, 1200) {
			b.Inject(f)
		}
		got := b.udp.Take()
		require.Len(t, got, 1)
		require.Equal(t, datagram(peer, us, 3000)[header.IPv6Size:], got[0].Data)
		p = with(datagram(peer, us, 3000), header.ProtocolHopByHop, 60, 0, 1, 4, 0, 0, 0, 0, byte(udp), 0, 1, 4, 0, 0, 0, 0)
	}
}

func TestReassemblyExtremes(t *testing.T) {
	for _, c := range []struct{ size, mtu int }{{65527, 1448}, {65527, 48}, {9000, 8}, {65000, 64000}} {
		b := newBench(t, stack.Options{}, stack.NICOptions{})
		p := datagram(peer, us, c.size)
		for _, f := range cut(p, header.IPv6Size, c.mtu) {
			b.Inject(f)
		}
		got := b.udp.Take()
		require.Len(t, got, 1, "%+v", c)
		require.Equal(t, p[header.IPv6Size:], got[0].Data)
	}
}

// BEHAVIOUR F7.
func TestBadFragments(t *testing.T) {
	p := datagram(peer, us, 3000)
	f := cut(p, 40, 1448)
	long := with(datagram(peer, us, 100), header.ProtocolDestOptions, byte(udp), 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	bad := with(datagram(peer, us, 100), header.ProtocolDestOptions, byte(udp), 0, 0x9e, 4, 0, 0, 0, 0)
	for _, c := range []struct {
		name    string
		before  [][]byte
		b       []byte
		why     tcpip.Drop
		dropped int
		want    string
	}{
		{"not in eights", nil, piece(p, 40, 0, 1447, true), tcpip.DropFragmentBad, 1, "parameter problem 0 at 4"},
		{"beyond 65535", nil, func() []byte { b := piece(p, 40, 0, 16, false); b[42], b[43] = 0xff, 0xf8; return b }(), tcpip.DropFragmentBad, 1, ""},
		{"empty", nil, piece(p, 40, 1448, 0, true), tcpip.DropFragmentBad, 1, ""},
		{"behind the end", [][]byte{f[0], f[2]}, piece(datagram(peer, us, 4000), 40, 2904, 160, true), tcpip.DropFragmentBad, 3, ""},
		{"overlap", [][]byte{f[0]}, piece(p, 40, 1440, 800, true), tcpip.DropFragmentOverlap, 2, ""},
		{"inside another", [][]byte{f[0]}, piece(p, 40, 0, 800, true), tcpip.DropFragmentOverlap, 2, ""},
		{"duplicate", [][]byte{f[0]}, f[0], tcpip.DropOldData, 1, ""},
		{"chain not in the first", nil, piece(long, 40, 0, 16, true), tcpip.DropFragmentTiny, 1, "parameter problem 3 at 0"},
		{"bad option in the datagram", cut(bad, 40, 64)[:1], cut(bad, 40, 64)[1], tcpip.DropBadOption, 1, "parameter problem 2 at 42"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, stack.Options{}, stack.NICOptions{})
			for _, f := range c.before {
				b.Inject(f)
			}
			b.Inject(c.b)
			require.Equal(t, c.dropped, b.Drops(c.why))
			sent := b.Sent()
			if c.want == "" {
				require.Empty(t, sent)
			} else {
				require.Len(t, sent, 1)
				require.Contains(t, sent[0], "ICMP6 "+c.want+",")
			}
			if c.why == tcpip.DropFragmentOverlap { // it stays dead (RFC 5722 §4)
				for _, f := range cut(p, 40, 1448) {
					b.Inject(f)
				}
				require.Empty(t, b.udp.Take())
				b.Clock.Advance(60 * time.Second)
				for _, f := range cut(p, 40, 1448) {
					b.Inject(f)
				}
				require.Len(t, b.udp.Take(), 1, "its time is over")
			}
		})
	}
}

// A fragment in a fragment is nobody's honest work.
func TestNestedFragments(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	inner := with(datagram(peer, us, 100), header.ProtocolFragment, byte(udp), 0, 0, 0, 0, 0, 0, 7)
	f := cut(inner, 40, 64)
	b.Inject(f[0])
	require.Equal(t, 1, b.Drops(tcpip.DropBadExtHeader))
	b.Inject(f[1])
	require.Empty(t, b.udp.Take())
}

// RFC 6946: an atomic fragment has nothing to do with others of its name.
func TestAtomicFragment(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	f := cut(datagram(peer, us, 3000), 40, 1448)
	b.Inject(f[0])
	b.Inject(piece(datagram(peer, us, 8), 40, 0, 16, false))
	require.Len(t, b.udp.Take(), 1)
	b.Inject(f[1])
	b.Inject(f[2])
	require.Len(t, b.udp.Take(), 1)
}

// RFC 8200 §4.5.
func TestReassemblyTimeout(t *testing.T) {
	p := datagram(peer, us, 3000)
	f := cut(p, 40, 1448)
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	b.Inject(f[0])
	b.Inject(f[2])
	b.Clock.Advance(60*time.Second - 1)
	require.Empty(t, b.Sent())
	b.Clock.Advance(1)
	require.Equal(t, []string{"IP6 fd00::1 > fd00::2: ICMP6 time exceeded 1, length 1240"}, b.Sent())
	require.Equal(t, 2, b.Drops(tcpip.DropFragmentTimeout))
	b.Inject(f[1]) // too late, and not the first
	b.Clock.Advance(60 * time.Second)
	require.Empty(t, b.Sent())
	require.Equal(t, 3, b.Drops(tcpip.DropFragmentTimeout))
	require.Zero(t, b.Clock.Next(), "an idle stack has no timer")
}

// send sends n bytes of UDP payload from b to dst.
func (b *bench) send(dst netip.Addr, n int, o stack.SendOptions) tcpip.Error {
	r, err := b.FindRoute(stack.RouteQuery{Destination: dst, NIC: b.ID()})
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
	require.Equal(t, tcpip.OK, b.send(far, 4000, stack.SendOptions{TOS: 4}))
	lines := []string{}
	var data []byte
	for _, p := range b.Packets() {
		lines = append(lines, testnet.Dump(header.EtherTypeIPv6, p))
		data = append(data, p[48:]...)
		require.LessOrEqual(t, len(p), 1500)
	}
	require.Equal(t, []string{
		"IP6 fd00::1 > 2001:db8::9: class 0x4, frag 1448@0+",
		"IP6 fd00::1 > 2001:db8::9: class 0x4, frag 1448@1448+",
		"IP6 fd00::1 > 2001:db8::9: class 0x4, frag 1112@2896",
	}, lines)
	require.Equal(t, testnet.UDP(netip.AddrPortFrom(us, 1000), netip.AddrPortFrom(far, 2000), testnet.Pattern(4000)), data)
	c := &b.Wired.Counters().Ip6
	require.EqualValues(t, 1, c.FragOKs.Value())
	require.EqualValues(t, 3, c.FragCreates.Value())
}

func TestSendTooBig(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	require.Equal(t, tcpip.OK, b.send(far, 1452, stack.SendOptions{DF: true}))
	require.Equal(t, []string{"IP6 fd00::1 > 2001:db8::9: UDP 1000 > 2000, length 1460"}, b.Sent())
	b.dropped(tcpip.DropTooBig, func() {
		require.Equal(t, tcpip.ErrMessageSize, b.send(far, 1453, stack.SendOptions{DF: true}))
	})
	require.Equal(t, tcpip.OK, b.send(far, 1300, stack.SendOptions{MTU: 1000})) // BEHAVIOUR B11: not below 1280
	require.Equal(t, []string{"IP6 fd00::1 > 2001:db8::9: frag 1232@0+", "IP6 fd00::1 > 2001:db8::9: frag 76@1232"}, b.Sent())
}

// BEHAVIOUR F3, RFC 7739: identifications cannot be told.
func TestIdentification(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	seen := map[uint32]bool{}
	for range 100 {
		require.Equal(t, tcpip.OK, b.send(far, 2000, stack.SendOptions{}))
		var c header.IPv6Chain
		header.IPv6(b.Packets()[0]).WalkExt(&c)
		seen[c.Fragment.ID>>16] = true
	}
	require.Greater(t, len(seen), 95)
}

// 65,527 bytes of ping, there and back.
func TestBigPing(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	p := echo(peer, us, 65527)
	for _, f := range cut(p, 40, 1448) {
		b.Inject(f)
	}
	sent := b.Packets()
	require.Len(t, sent, 46)
	sink := testnet.NewSink(icmp)
	w := testnet.Wire(t, stack.Options{}, sink.New)
	port := w.Port(channel.Options{}, stack.NICOptions{}, "fd00::2/64")
	for _, f := range sent {
		port.Inject(f)
	}
	got := sink.Take()
	require.Len(t, got, 1)
	require.Equal(t, p[48:], got[0].Data[8:])
	require.Equal(t, byte(header.ICMPv6EchoReply), got[0].Data[0])
}

// Headers in front of the fragment header that are longer than a packet's own room.
func TestReassemblyLongHeaders(t *testing.T) {
	options := make([]byte, 256)
	options[0], options[1], options[2], options[3] = byte(udp), 31, 0x1e, 252
	p := with(datagram(peer, us, 3000), header.ProtocolHopByHop, options...)
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	for _, f := range cut(p, 40+256, 1200) {
		b.Inject(f)
	}
	got := b.udp.Take()
	require.Len(t, got, 1)
	require.Equal(t, datagram(peer, us, 3000)[header.IPv6Size:], got[0].Data)
}

// What waits when the stack is closed is given back; the harness looks for it.
func TestCloseWithFragments(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	b.Inject(cut(datagram(peer, us, 3000), 40, 1448)[1])
	b.Wired.Close()
	require.Equal(t, 1, b.Drops(tcpip.DropFragmentTimeout))
}

// Where the queue is full in the middle of a datagram, the rest of it is given up.
func TestFragmentQueueFull(t *testing.T) {
	b := &bench{Wired: testnet.Wire(t, stack.Options{}), t: t}
	b.Port = b.Wired.Port(channel.Options{Capacity: 1}, stack.NICOptions{}, "fd00::1/64")
	refused := 0
	for range 30 {
		if err := b.send(peer, 65000, stack.SendOptions{}); err != tcpip.OK {
			require.Equal(t, tcpip.ErrNoBuffers, err)
			refused++
		}
	}
	require.Equal(t, 8, refused)
	require.Equal(t, 8, b.Drops(tcpip.DropQueueFull))
}

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
		whole = append(whole, f[48:]...)
	}
	require.Equal(t, testnet.UDP(netip.AddrPortFrom(us, 1000), netip.AddrPortFrom(far, 2000), data), whole)
}
