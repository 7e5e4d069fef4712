package vnet

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/linktest"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

func host(t testing.TB) (h *linktest.Host) {
	linktest.NoLeaks(t, func() []*linktest.Host { return []*linktest.Host{h} })
	h = linktest.NewHost(t, tcpip.NewManualClock(), channel.New(channel.Options{}))
	return h
}

// What describe says of a packet, Apply believes.
func TestDescribeApply(t *testing.T) {
	h := host(t)
	for _, network := range []int{0, header.EthernetSize} {
		for _, v6 := range []bool{false, true} {
			for _, c := range []linktest.Spec{
				{Flags: header.ACK, Payload: linktest.Pattern(5000, 1), SegSize: 1000, TOS: 3},
				{Flags: header.ACK | header.CWR, Payload: linktest.Pattern(5000, 1), SegSize: 1000},
				{UDP: true, Payload: linktest.Pattern(5000, 1), SegSize: 1000},
				{Payload: []byte("x"), Partial: true},
				{UDP: true, Partial: true},
				{Payload: []byte("x")},
			} {
				c.V6 = v6
				p := c.Packet(h.Stack)
				if network > 0 {
					p.Prepend(network)
				}
				v, d := p.VirtioNet(network)
				require.Equal(t, tcpip.DropNone, d)
				require.Equal(t, c.SegSize > 0, v.GSO != header.VirtioGSONone)
				require.Equal(t, c.Flags&header.CWR != 0, v.GSO&header.VirtioECN != 0)
				require.Equal(t, p.Checksum == stack.ChecksumPartial, v.Flags == header.VirtioNeedsChecksum)

				b := make([]byte, p.Len())
				p.CopyTo(b)
				q := h.Stack.NewPacketCopy(b)
				require.Equal(t, tcpip.DropNone, Apply(&v, q, network))
				require.Equal(t, p.Checksum, q.Checksum)
				require.Equal(t, p.SegSize, q.SegSize)
				if c.SegSize > 0 {
					require.EqualValues(t, 5, q.Segs)
					require.EqualValues(t, map[bool]int{true: 5}[c.TOS == 3], q.CE)
				}
				p.Release()
				q.Release()
			}
		}
	}
}

func TestDataValid(t *testing.T) {
	h := host(t)
	c := linktest.Spec{Payload: []byte("x")}
	p := c.Packet(h.Stack)
	defer p.Release()
	p.Checksum = stack.ChecksumVerified
	v, _ := p.VirtioNet(0)
	require.Equal(t, header.VirtioNet{Flags: header.VirtioDataValid}, v)
	p.Checksum = stack.ChecksumUnverified
	require.Equal(t, tcpip.DropNone, Apply(&v, p, 0))
	require.Equal(t, stack.ChecksumVerified, p.Checksum)
}

// A header that contradicts its packet is refused; a checksum of another kind is computed at once.
func TestHostile(t *testing.T) {
	const needs, ok, bad = header.VirtioNeedsChecksum, tcpip.DropNone, tcpip.DropBadOffload
	const tcp4, tcp6, udp = header.VirtioGSOTCPv4, header.VirtioGSOTCPv6, header.VirtioGSOUDPL4
	h := host(t)
	for name, row := range map[string]struct {
		v    header.VirtioNet
		c    linktest.Spec
		drop tcpip.Drop
		sum  stack.Checksum
	}{
		"good":                   {header.VirtioNet{Flags: needs, GSO: tcp4, SegmentSize: 100, ChecksumStart: 20, ChecksumOffset: 16}, linktest.Spec{}, ok, stack.ChecksumPartial},
		"no checksum":            {header.VirtioNet{GSO: tcp4, SegmentSize: 100}, linktest.Spec{}, bad, 0},
		"wrong family":           {header.VirtioNet{Flags: needs, GSO: tcp6, SegmentSize: 100, ChecksumStart: 20, ChecksumOffset: 16}, linktest.Spec{}, bad, 0},
		"wrong protocol":         {header.VirtioNet{Flags: needs, GSO: udp, SegmentSize: 100, ChecksumStart: 20, ChecksumOffset: 16}, linktest.Spec{}, bad, 0},
		"fragmentation":          {header.VirtioNet{Flags: needs, GSO: header.VirtioGSOUDP, SegmentSize: 100, ChecksumStart: 20, ChecksumOffset: 6}, linktest.Spec{UDP: true}, bad, 0},
		"start elsewhere":        {header.VirtioNet{Flags: needs, GSO: tcp4, SegmentSize: 100, ChecksumStart: 24, ChecksumOffset: 16}, linktest.Spec{}, bad, 0},
		"field elsewhere":        {header.VirtioNet{Flags: needs, GSO: tcp4, SegmentSize: 100, ChecksumStart: 20, ChecksumOffset: 6}, linktest.Spec{}, bad, 0},
		"tiny segments":          {header.VirtioNet{Flags: needs, GSO: tcp4, SegmentSize: 1, ChecksumStart: 20, ChecksumOffset: 16}, linktest.Spec{}, bad, 0},
		"too many datagrams":     {header.VirtioNet{Flags: needs, GSO: udp, SegmentSize: 7, ChecksumStart: 20, ChecksumOffset: 6}, linktest.Spec{UDP: true}, bad, 0},
		"not so many":            {header.VirtioNet{Flags: needs, GSO: udp, SegmentSize: 8, ChecksumStart: 20, ChecksumOffset: 6}, linktest.Spec{UDP: true}, ok, stack.ChecksumPartial},
		"another field":          {header.VirtioNet{Flags: needs, ChecksumStart: 30, ChecksumOffset: 40}, linktest.Spec{}, ok, stack.ChecksumUnverified},
		"field beyond":           {header.VirtioNet{Flags: needs, ChecksumStart: 1000, ChecksumOffset: 39}, linktest.Spec{}, bad, 0},
		"field at the end":       {header.VirtioNet{Flags: needs, ChecksumStart: 1000, ChecksumOffset: 38}, linktest.Spec{}, ok, stack.ChecksumUnverified},
		"far beyond":             {header.VirtioNet{Flags: needs, ChecksumStart: 65535, ChecksumOffset: 65535}, linktest.Spec{}, bad, 0},
		"one segment":            {header.VirtioNet{Flags: needs, GSO: tcp4, SegmentSize: 1000, ChecksumStart: 20, ChecksumOffset: 16}, linktest.Spec{}, ok, stack.ChecksumPartial},
		"header length is a lie": {header.VirtioNet{Flags: needs, GSO: tcp4, HeaderLen: 9999, SegmentSize: 100, ChecksumStart: 20, ChecksumOffset: 16}, linktest.Spec{}, ok, stack.ChecksumPartial},
	} {
		t.Run(name, func(t *testing.T) {
			row.c.Payload = linktest.Pattern(1000, 1)
			p := row.c.Packet(h.Stack)
			defer p.Release()
			require.Equal(t, row.drop, Apply(&row.v, p, 0))
			if row.drop == ok {
				require.Equal(t, row.sum, p.Checksum)
			}
		})
	}
}

// What ChecksumFrom writes is the checksum of the bytes behind start.
func TestChecksumFrom(t *testing.T) {
	h := host(t)
	c := linktest.Spec{V6: true, UDP: true, Payload: linktest.Pattern(333, 1), Pieces: 4, Partial: true}
	want := c
	want.Partial = false
	p := c.Packet(h.Stack)
	defer p.Release()
	require.Equal(t, tcpip.DropNone, p.ChecksumFrom(40, 46))
	b := make([]byte, p.Len())
	p.CopyTo(b)
	require.Equal(t, want.Bytes(), b)
}

// FuzzApply: no header makes us believe, write or cut anything outside the packet.
func FuzzApply(f *testing.F) {
	for _, c := range []linktest.Spec{
		{Flags: header.ACK, Payload: linktest.Pattern(300, 1), SegSize: 100},
		{V6: true, UDP: true, Payload: linktest.Pattern(300, 1), SegSize: 100},
	} {
		b := make([]byte, header.VirtioNetSize)
		v := header.VirtioNet{Flags: 1, GSO: header.VirtioGSOTCPv4, SegmentSize: 100, ChecksumStart: 20, ChecksumOffset: 16}
		if c.V6 {
			v.GSO, v.ChecksumStart, v.ChecksumOffset = header.VirtioGSOUDPL4, 40, 6
		}
		v.Encode(b, len(b))
		f.Add(append(b, c.Bytes()...), uint16(60))
	}
	f.Fuzz(func(t *testing.T, b []byte, front uint16) {
		v, d := header.ParseVirtioNet(b, header.VirtioNetSize)
		if d != tcpip.DropNone {
			return
		}
		h := host(t)
		p := h.Stack.NewPacketCopy(b[header.VirtioNetSize:])
		if p == nil {
			return
		}
		n := p.Len()
		p.SplitFront(min(int(front), n))
		if Apply(&v, p, 0) != tcpip.DropNone {
			p.Release()
			return
		}
		require.Equal(t, n, p.Len())
		out, d := p.Cut(nil)
		if d != tcpip.DropNone {
			p.Release()
			return
		}
		require.LessOrEqual(t, len(out), n/minSegment+maxDatagrams)
		for _, q := range out {
			q.Release()
		}
	})
}
