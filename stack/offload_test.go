package stack_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/linktest"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// bench is a stack over a link without offloads, with its leak checks.
func bench(t testing.TB, o channel.Options) (h *linktest.Host, l *channel.Channel) {
	linktest.NoLeaks(t, func() []*linktest.Host { return []*linktest.Host{h} })
	l = channel.New(o)
	h = linktest.NewHost(t, tcpip.NewManualClock(), l)
	return h, l
}

// contents returns the bytes of packets and releases them.
func contents(packets []*stack.Packet) [][]byte {
	var out [][]byte
	for _, p := range packets {
		b := make([]byte, p.Len())
		p.CopyTo(b)
		out = append(out, b)
		p.Release()
	}
	return out
}

func cut(t testing.TB, p *stack.Packet) [][]byte {
	packets, d := p.Cut(nil)
	require.Equal(t, tcpip.DropNone, d)
	for _, q := range packets {
		require.Zero(t, q.SegSize)
		require.NotEqual(t, stack.ChecksumPartial, q.Checksum)
	}
	return contents(packets)
}

func network(b []byte) int {
	if b[0]>>4 == 6 {
		return header.IPv6Size
	}
	return header.IPv4Size
}

// Every segment of a cut super-segment says what RFC 9293 and RFC 3168 want it to say.
func TestCutTCP(t *testing.T) {
	h, _ := bench(t, channel.Options{})
	options := header.TCPOptions{HasTimestamp: true, TSVal: 11, TSEcr: 22}
	for _, v6 := range []bool{false, true} {
		for _, pieces := range []int{1, 3, 7} {
			for _, flat := range []bool{false, true} {
				t.Run(fmt.Sprintf("v6=%v,pieces=%d,flat=%v", v6, pieces, flat), func(t *testing.T) {
					c := linktest.Spec{
						V6: v6, Seq: 0xfffffff0, Flags: header.ACK | header.PSH | header.FIN | header.CWR | header.ECE,
						Window: 4711, Options: options, ID: 0xfffe, TOS: 2, TTL: 33,
						Payload: linktest.Pattern(3501, 1), Pieces: pieces, Flat: flat, SegSize: 999,
					}
					got := cut(t, c.Packet(h.Stack))
					require.Len(t, got, 4)
					var payload []byte
					for i, b := range got {
						require.True(t, linktest.Valid(b), "segment %d: lengths or checksums are wrong", i)
						one := c
						one.SegSize, one.Seq, one.ID = 0, c.Seq+uint32(i*999), c.ID+uint16(i)
						one.Payload = c.Payload[i*999 : min((i+1)*999, len(c.Payload))]
						if i > 0 {
							one.Flags &^= header.CWR
						}
						if i < 3 {
							one.Flags &^= header.PSH | header.FIN
						}
						require.Equal(t, one.Bytes(), b, "segment %d", i)
						payload = append(payload, header.TCP(b[network(b):]).Payload()...)
					}
					require.Equal(t, c.Payload, payload)
				})
			}
		}
	}
}

// The urgent pointer counts from the segment's own sequence number; segments behind it have none.
func TestCutUrgent(t *testing.T) {
	h, _ := bench(t, channel.Options{})
	c := linktest.Spec{Flags: header.ACK | header.URG, Payload: linktest.Pattern(300, 1), SegSize: 100}
	p := c.Packet(h.Stack)
	header.TCP(p.Transport()).SetUrgent(150)
	for i, b := range cut(t, p) {
		seg := header.TCP(b[network(b):])
		require.Equal(t, i < 2, seg.Flags()&header.URG != 0)
		require.EqualValues(t, []int{150, 50, 0}[i], seg.Urgent())
		require.True(t, linktest.Valid(b))
	}
}

func TestCutUDP(t *testing.T) {
	h, _ := bench(t, channel.Options{})
	for _, v6 := range []bool{false, true} {
		c := linktest.Spec{V6: v6, UDP: true, ID: 9, Payload: linktest.Pattern(2500, 1), Pieces: 3, SegSize: 1000}
		got := cut(t, c.Packet(h.Stack))
		require.Len(t, got, 3)
		for i, b := range got {
			one := c
			one.SegSize, one.ID, one.Payload = 0, c.ID+uint16(i), c.Payload[i*1000:min((i+1)*1000, 2500)]
			require.Equal(t, one.Bytes(), b)
		}
	}
}

// What cannot be fragmented may have no identification at all (RFC 6864 §4.1); a cut does not invent one.
func TestCutKeepsIDZero(t *testing.T) {
	h, _ := bench(t, channel.Options{})
	c := linktest.Spec{DF: true, Flags: header.ACK, Payload: linktest.Pattern(300, 1), SegSize: 100}
	for _, b := range cut(t, c.Packet(h.Stack)) {
		require.Zero(t, header.IPv4(b).ID())
	}
}

// A super-segment that holds no more than one segment is that segment.
func TestCutOne(t *testing.T) {
	h, _ := bench(t, channel.Options{})
	c := linktest.Spec{Flags: header.ACK | header.PSH | header.CWR, Payload: linktest.Pattern(100, 1), SegSize: 100}
	one := c
	one.SegSize = 0
	require.Equal(t, [][]byte{one.Bytes()}, cut(t, c.Packet(h.Stack)))
}

func TestFinishChecksums(t *testing.T) {
	h, _ := bench(t, channel.Options{})
	for _, v6 := range []bool{false, true} {
		for _, udp := range []bool{false, true} {
			for n := range 40 {
				c := linktest.Spec{V6: v6, UDP: udp, Payload: linktest.Pattern(n, n), Pieces: 5, Partial: true}
				want := c
				want.Partial = false
				require.Equal(t, [][]byte{want.Bytes()}, cut(t, c.Packet(h.Stack)))
				b := c.Bytes()
				require.True(t, stack.FinishChecksum(b))
				require.Equal(t, want.Bytes(), b)
			}
		}
	}
	// A sum of zero is sent as all ones: zero would mean that there is none.
	c := linktest.Spec{UDP: true, Payload: []byte{0, 0}}
	b := c.Bytes()
	sum := binary.BigEndian.Uint16(b[26:])
	c.Payload = []byte{byte(sum >> 8), byte(sum)}
	c.Partial = true
	require.EqualValues(t, 0xffff, binary.BigEndian.Uint16(cut(t, c.Packet(h.Stack))[0][26:]))
}

// A packet that lies about its form is dropped, with its owner told, and the others go on.
func TestCutImpossible(t *testing.T) {
	h, l := bench(t, channel.Options{})
	c := linktest.Spec{Flags: header.ACK, Payload: linktest.Pattern(300, 1), SegSize: 100}
	bad := c.Packet(h.Stack)
	bad.Network()[9] = 132 // SCTP
	var o owner
	bad.SetOwner(&o, 5)
	h.Send(c.Packet(h.Stack), bad, c.Packet(h.Stack))
	require.Equal(t, 6, l.Len())
	require.Equal(t, 1, h.Drops(tcpip.DropBadOffload))
	require.EqualValues(t, 5, o)
}

type owner int

func (o *owner) Completed(_ *stack.Work, charge int) { *o += owner(charge) }

// What a link declares decides what it gets.
func TestFit(t *testing.T) {
	const sum, tso4, tso6, uso = stack.OffloadChecksum, stack.OffloadTSO4, stack.OffloadTSO6, stack.OffloadUSO
	tcp4 := linktest.Spec{Flags: header.ACK, Payload: linktest.Pattern(2000, 1), SegSize: 500}
	tcp6, udp4 := tcp4, tcp4
	tcp6.V6, udp4.UDP = true, true
	one := linktest.Spec{Payload: []byte("x"), Partial: true}
	for _, row := range []struct {
		name    string
		offload stack.Offload
		max     int
		packets int  // of the 4 that are sent
		partial bool // checksums are left
	}{
		{"nothing", 0, 0, 4*3 + 1, false},
		{"checksum", sum, 0, 4*3 + 1, true},
		{"tso4", sum | tso4, 65535, 4*2 + 2, true},
		{"tso6", sum | tso6, 65535, 4*2 + 2, true},
		{"uso", sum | uso, 65535, 4*2 + 2, true},
		{"all", sum | tso4 | tso6 | uso, 65535, 4, true},
		{"all, up to 2050 bytes", sum | tso4 | tso6 | uso, 2050, 4 + 3, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			h, l := bench(t, channel.Options{Offload: row.offload, GSOMax: row.max})
			h.Send(tcp4.Packet(h.Stack), tcp6.Packet(h.Stack), udp4.Packet(h.Stack), one.Packet(h.Stack))
			require.Equal(t, row.packets, l.Len())
			for p := l.TryNext(); p != nil; p = l.TryNext() {
				require.Equal(t, row.partial, p.Checksum == stack.ChecksumPartial)
				got, d := p.Cut(nil)
				require.Equal(t, tcpip.DropNone, d)
				for _, b := range contents(got) {
					require.True(t, linktest.Valid(b))
				}
			}
		})
	}
}

// A link that takes part of a cut batch gets the rest later, in order, and the owner hears once all is out.
func TestFitThenRefused(t *testing.T) {
	h, l := bench(t, channel.Options{Capacity: 3})
	c := linktest.Spec{Flags: header.ACK, Payload: linktest.Pattern(2000, 1), SegSize: 100}
	p := c.Packet(h.Stack)
	var o owner
	p.SetOwner(&o, 7)
	taps := 0
	h.NIC.AddTap(func(ev stack.TapEvent, _ *stack.Packet, _ tcpip.Drop) {
		if ev == stack.TapOut {
			taps++
		}
	})
	h.Send(p)
	for i := range 20 {
		require.Equal(t, i+l.Len() == 20, o == 7, "at segment %d", i)
		q := l.TryNext()
		require.NotNil(t, q)
		require.EqualValues(t, i*100, header.TCP(q.Transport()).Seq())
		q.Release()
	}
	require.EqualValues(t, 7, o)
	require.Equal(t, 1, taps)
	require.EqualValues(t, 20, h.NIC.Counters().TxPackets.Value())
}

// batches is a channel that notes the longest batch.
type batches struct {
	*channel.Channel
	longest int
}

func (b *batches) Transmit(w *stack.Work, queue int, batch []*stack.Packet) int {
	b.longest = max(b.longest, len(batch))
	return b.Channel.Transmit(w, queue, batch)
}

// However many segments a batch stands for, few are under way at once, and none is lost or moved.
func TestFitIsBounded(t *testing.T) {
	var h *linktest.Host
	linktest.NoLeaks(t, func() []*linktest.Host { return []*linktest.Host{h} })
	l := &batches{Channel: channel.New(channel.Options{Capacity: 10000})}
	h = linktest.NewHost(t, tcpip.NewManualClock(), l)
	var all []*stack.Packet
	for i := range 8 {
		c := linktest.Spec{Flags: header.ACK, Seq: uint32(i * 48000), Payload: linktest.Pattern(48000, i), SegSize: 48}
		all = append(all, c.Packet(h.Stack))
	}
	h.Send(all...)
	require.Less(t, l.longest, 1000+64)
	require.Equal(t, 8000, l.Len())
	for i := range 8000 {
		p := l.TryNext()
		require.EqualValues(t, i*48, header.TCP(p.Transport()).Seq())
		p.Release()
	}
}

// stream returns n packets of 100 bytes that follow each other.
func stream(s *stack.Stack, n int, change func(i int, c *linktest.Spec)) []*stack.Packet {
	var out []*stack.Packet
	for i := range n {
		c := linktest.Spec{
			Flags: header.ACK, Seq: uint32(i * 100), ID: uint16(i), Window: 100, Payload: linktest.Pattern(100, i), Flat: i%2 == 0,
			Options: header.TCPOptions{HasTimestamp: true, TSVal: 1, TSEcr: 2},
		}
		if change != nil {
			change(i, &c)
		}
		p := c.Packet(s)
		if c.SegSize == 0 && !c.Partial {
			p.Checksum = stack.ChecksumUnverified
		}
		p.Arrive()
		out = append(out, p)
	}
	return out
}

func TestMerge(t *testing.T) {
	h, _ := bench(t, channel.Options{})
	for _, v6 := range []bool{false, true} {
		got := stack.Merge(stream(h.Stack, 5, func(i int, c *linktest.Spec) {
			c.V6, c.TOS = v6, 3
			if i == 4 {
				c.Flags |= header.PSH
				c.Payload = c.Payload[:33]
			}
		}))
		require.Len(t, got, 1)
		p := got[0]
		require.EqualValues(t, 100, p.SegSize)
		require.EqualValues(t, 5, p.Segs)
		require.EqualValues(t, 5, p.CE)
		require.Equal(t, stack.ChecksumPartial, p.Checksum)
		b := contents(got)[0]
		require.Equal(t, header.ACK|header.PSH, header.TCP(b[network(b):]).Flags())
		require.True(t, stack.FinishChecksum(b))
		require.True(t, linktest.Valid(b))
	}
}

// One difference at the third of five segments, and what comes of it.
func TestMergeRules(t *testing.T) {
	for name, row := range map[string]struct {
		change func(c *linktest.Spec)
		want   []int // wire segments of each packet
	}{
		"nothing":         {func(*linktest.Spec) {}, []int{5}},
		"push":            {func(c *linktest.Spec) { c.Flags |= header.PSH }, []int{3, 2}},
		"shorter":         {func(c *linktest.Spec) { c.Payload = c.Payload[:99] }, []int{3, 2}},
		"longer":          {func(c *linktest.Spec) { c.Payload = append(c.Payload, 1) }, []int{2, 1, 2}},
		"fin":             {func(c *linktest.Spec) { c.Flags |= header.FIN }, []int{2, 1, 2}},
		"ece":             {func(c *linktest.Spec) { c.Flags |= header.ECE }, []int{2, 1, 2}},
		"cwr":             {func(c *linktest.Spec) { c.Flags |= header.CWR }, []int{2, 1, 2}},
		"urgent":          {func(c *linktest.Spec) { c.Flags |= header.URG }, []int{2, 1, 2}},
		"no ack":          {func(c *linktest.Spec) { c.Flags = 0 }, []int{2, 1, 2}},
		"pure ack":        {func(c *linktest.Spec) { c.Payload = nil }, []int{2, 1, 2}},
		"gap":             {func(c *linktest.Spec) { c.Seq++ }, []int{2, 1, 2}},
		"again":           {func(c *linktest.Spec) { c.Seq -= 100 }, []int{2, 1, 2}},
		"window":          {func(c *linktest.Spec) { c.Window++ }, []int{2, 1, 2}},
		"timestamp":       {func(c *linktest.Spec) { c.Options.TSVal++ }, []int{2, 1, 2}},
		"options":         {func(c *linktest.Spec) { c.Options.HasTimestamp = false }, []int{2, 1, 2}},
		"ecn":             {func(c *linktest.Spec) { c.TOS = 3 }, []int{2, 1, 2}},
		"ttl":             {func(c *linktest.Spec) { c.TTL = 9 }, []int{2, 1, 2}},
		"id":              {func(c *linktest.Spec) { c.ID += 7 }, []int{2, 1, 2}},
		"df":              {func(c *linktest.Spec) { c.DF = true }, []int{2, 1, 2}},
		"another flow":    {func(c *linktest.Spec) { c.Port = 5 }, []int{2, 1, 2}},
		"another family":  {func(c *linktest.Spec) { c.V6 = true }, []int{2, 1, 2}},
		"udp":             {func(c *linktest.Spec) { c.UDP = true }, []int{2, 1, 2}},
		"a super-segment": {func(c *linktest.Spec) { c.SegSize = 50 }, []int{2, 2, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			h, _ := bench(t, channel.Options{})
			got := stack.Merge(stream(h.Stack, 5, func(i int, c *linktest.Spec) {
				if i == 2 {
					row.change(c)
				}
			}))
			var segs []int
			for _, p := range got {
				segs = append(segs, max(int(p.Segs), 1))
				p.Release()
			}
			require.Equal(t, row.want, segs)
		})
	}
}

// Checksums are verified where packets are merged, and what fails goes up alone, to be counted there.
func TestMergeVerifies(t *testing.T) {
	for _, which := range []int{0, 1, 3} {
		for _, at := range []int{8, 10, 60} { // TTL, header checksum, payload
			h, _ := bench(t, channel.Options{})
			batch := stream(h.Stack, 5, func(_ int, c *linktest.Spec) { c.Flat = true })
			batch[which].Front()[at] ^= 0x10
			bad := batch[which]
			got := stack.Merge(batch)
			require.Contains(t, got, bad)
			require.Zero(t, bad.SegSize)
			require.NotEqual(t, stack.ChecksumPartial, bad.Checksum)
			if at == 60 {
				require.Equal(t, stack.ChecksumUnverified, bad.Checksum)
			}
			segs := 0
			for _, p := range got {
				segs += max(int(p.Segs), 1)
				p.Release()
			}
			require.Equal(t, 5, segs)
		}
	}
}

// More flows than places, interleaved: nothing is lost and every flow keeps its order.
func TestMergeManyFlows(t *testing.T) {
	h, _ := bench(t, channel.Options{})
	const flows, each = stack.MergeFlows + 3, 6
	batch := stream(h.Stack, flows*each, func(i int, c *linktest.Spec) {
		c.Port, c.Seq, c.ID = uint16(1+i%flows), uint32(i/flows*100), uint16(i/flows)
	})
	next := map[uint16]uint32{}
	for _, p := range stack.Merge(batch) {
		got, d := p.Cut(nil)
		require.Equal(t, tcpip.DropNone, d)
		for _, b := range contents(got) {
			seg := header.TCP(b[network(b):])
			require.EqualValues(t, next[seg.SrcPort()], seg.Seq())
			next[seg.SrcPort()] += 100
		}
	}
	require.Len(t, next, flows)
	for _, n := range next {
		require.EqualValues(t, each*100, n)
	}
	got := stack.Merge(stream(h.Stack, 2*stack.MergeSegments, func(_ int, c *linktest.Spec) { c.Flat = true }))
	require.Len(t, got, 2)
	contents(got)
	got = stack.Merge(stream(h.Stack, 60, func(i int, c *linktest.Spec) {
		c.Seq, c.Payload = uint32(i*1400), linktest.Pattern(1400, i)
	}))
	require.Len(t, got, 2)
	require.LessOrEqual(t, got[0].Len(), header.MaxPacket)
	contents(got)
}

// Cutting what was merged is the identity, for streams with random sizes, options, faults and disorder.
func TestMergeCutIdentity(t *testing.T) {
	h, _ := bench(t, channel.Options{})
	merged := 0
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		var batch []*stack.Packet
		want := map[uint16][][]byte{}
		type flow struct {
			linktest.Spec
			size int
		}
		flows := make([]flow, 1+r.IntN(12))
		for i := range flows {
			f := &flows[i]
			f.size = 1 + r.IntN(1460)
			f.Spec = linktest.Spec{
				V6: r.IntN(2) == 0, Port: uint16(i + 1), Seq: r.Uint32(), Flags: header.ACK, DF: r.IntN(2) == 0,
				ID: uint16(r.IntN(3)) * 0x7fff, Window: 1, TOS: uint8(r.IntN(4)),
			}
			if r.IntN(2) == 0 {
				f.Options = header.TCPOptions{HasTimestamp: true, TSVal: 5}
			}
		}
		for range 1 + r.IntN(100) {
			f := &flows[r.IntN(len(flows))]
			c := f.Spec
			n := f.size
			switch r.IntN(30) {
			case 0:
				n = r.IntN(1460)
			case 1:
				c.Flags |= header.TCPFlags(1 << r.IntN(9))
			case 2:
				c.Window++
			case 3:
				c.Seq += uint32(r.IntN(3))
			case 4:
				c.ID += uint16(r.IntN(3))
			case 5:
				c.TOS ^= uint8(r.IntN(4))
			case 6:
				c.Options.TSVal++
			case 7:
				c.UDP = true
			}
			c.Payload = linktest.Pattern(n, r.Int())
			c.Flat, c.Pieces = r.IntN(2) == 0, 1+r.IntN(3)
			want[c.Port] = append(want[c.Port], c.Bytes())
			p := c.Packet(h.Stack)
			p.Arrive()
			batch = append(batch, p)
			f.Seq += uint32(n)
			if f.ID != 0 || !f.DF {
				f.ID++
			}
		}
		got := map[uint16][][]byte{}
		for _, p := range stack.Merge(batch) {
			if p.Segs > 1 {
				merged++
			}
			segs := max(int(p.Segs), 1)
			wire := cut(t, p)
			require.Len(t, wire, segs)
			for _, b := range wire {
				port := binary.BigEndian.Uint16(b[network(b):])
				got[port] = append(got[port], b)
			}
		}
		require.Equal(t, want, got, "seed %d", seed)
	}
	require.Greater(t, merged, 1000, "hardly anything was merged")
}

// A super-segment that crosses a link with IPv6 extension headers is cut behind them.
func TestCutBehindExtensionHeaders(t *testing.T) {
	h, _ := bench(t, channel.Options{})
	c := linktest.Spec{V6: true, Flags: header.ACK, Payload: linktest.Pattern(250, 1), SegSize: 100}
	b := c.Bytes()
	with := bytes.Clone(b[:40])
	with[6] = uint8(header.ProtocolDestOptions)
	with = append(with, uint8(header.ProtocolTCP), 0, 1, 4, 0, 0, 0, 0)
	with = append(with, b[40:]...)
	header.IPv6(with).SetPayloadLength(uint16(len(with) - 40))
	p := h.Stack.NewPacketCopy(with)
	p.EtherType, p.SegSize, p.Checksum = header.EtherTypeIPv6, 100, stack.ChecksumPartial
	got := cut(t, p)
	require.Len(t, got, 3)
	for i, b := range got {
		ip, d := header.ParseIPv6(b)
		require.Equal(t, tcpip.DropNone, d)
		require.Equal(t, with[40:48], b[40:48])
		require.Zero(t, header.TransportChecksum(header.ProtocolTCP, ip.Src(), ip.Dst(), b[48:]))
		require.EqualValues(t, i*100, header.TCP(b[48:]).Seq())
	}
}
