package stack_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/linktest"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

var stackAddr = netip.MustParseAddr("192.0.2.9")

// What belongs to the packet crosses; what the sender's stack made of it does not.
func TestArrive(t *testing.T) {
	h, _ := bench(t, channel.Options{})
	c := linktest.Spec{Flags: header.ACK, Payload: linktest.Pattern(950, 1), SegSize: 100, TOS: 3}
	p := c.Packet(h.Stack)
	defer p.Release()
	p.NIC, p.Hash, p.TTL, p.TOS, p.At, p.FragMax = h.NIC, 7, 64, 3, 5, 6
	p.Src, p.Dst, p.Local = stackAddr, stackAddr, stackAddr
	p.Link = stack.LinkPart{Src: tcpip.LinkAddr{2}, Dst: tcpip.LinkAddr{4}}
	p.Arrive()
	require.Nil(t, p.NIC)
	require.False(t, p.HasTransport())
	require.False(t, p.Src.IsValid() || p.Dst.IsValid() || p.Local.IsValid())
	require.Zero(t, p.Hash+uint32(p.TTL)+uint32(p.TOS)+uint32(p.FragMax)+uint32(p.Proto))
	require.True(t, p.At.IsZero())
	require.Equal(t, header.EtherTypeIPv4, p.EtherType)
	require.Equal(t, stack.LinkPart{Src: tcpip.LinkAddr{2}, Dst: tcpip.LinkAddr{4}}, p.Link)
	require.Equal(t, stack.ChecksumPartial, p.Checksum)
	require.EqualValues(t, []uint16{100, 10, 10}, []uint16{p.SegSize, p.Segs, p.CE})

	// A super-segment that is none arrives as an ordinary packet.
	c.Payload = c.Payload[:100]
	q := c.Packet(h.Stack)
	defer q.Release()
	q.Arrive()
	require.Zero(t, q.SegSize+q.Segs+q.CE)
}

// A flat copy says the same in one piece and shares nothing.
func TestFlat(t *testing.T) {
	h, _ := bench(t, channel.Options{})
	c := linktest.Spec{V6: true, Flags: header.ACK, Payload: linktest.Pattern(5000, 1), Pieces: 3, SegSize: 1000}
	p := c.Packet(h.Stack)
	defer p.Release()
	q := p.Flat()
	defer q.Release()
	require.Equal(t, c.Bytes(), q.Front())
	require.Empty(t, q.Data())
	require.Equal(t, header.IPv6Size, q.NetworkLen())
	require.Equal(t, p.TransportLen(), q.TransportLen())
	require.EqualValues(t, 1000, q.SegSize)
	clear(q.Front())
	b := make([]byte, p.Len())
	p.CopyTo(b)
	require.Equal(t, c.Bytes(), b)
	h.Stack.Slabs.SetLimit(1)
	require.Nil(t, p.Flat(), "memory came from nowhere")
	h.Stack.Slabs.SetLimit(0)
}

func TestPacketTypeOf(t *testing.T) {
	station := tcpip.LinkAddr{2, 0, 0, 0, 0, 1}
	for dst, want := range map[tcpip.LinkAddr]stack.PacketType{
		station:                   stack.PacketHost,
		tcpip.BroadcastLinkAddr(): stack.PacketBroadcast,
		{1, 0, 0x5e, 0, 0, 1}:     stack.PacketMulticast,
		{2, 0, 0, 0, 0, 2}:        stack.PacketOtherHost,
	} {
		require.Equal(t, want, stack.PacketTypeOf(dst, station))
	}
}
