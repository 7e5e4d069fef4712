package loopback_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/linktest"
	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

func host(t testing.TB) (h *linktest.Host) {
	linktest.NoLeaks(t, func() []*linktest.Host { return []*linktest.Host{h} })
	h = linktest.NewHost(t, nil, loopback.New(loopback.Options{}))
	return h
}

func TestEverythingComesBack(t *testing.T) {
	h := host(t)
	require.Equal(t, 65536, h.NIC.MTU())
	c := linktest.Spec{Flags: header.ACK, Payload: linktest.Pattern(65000, 1), SegSize: 1000}
	small := linktest.Spec{V6: true, UDP: true, Payload: []byte("small"), Partial: true}
	h.Send(c.Packet(h.Stack), small.Packet(h.Stack))
	got := h.Take()
	require.Len(t, got, 2)
	require.Equal(t, c.Bytes(), got[0].Bytes)
	require.Equal(t, 65, got[0].Segs)
	require.Equal(t, small.Bytes(), got[1].Bytes)
	require.Equal(t, stack.ChecksumPartial, got[1].Checksum)
	require.Equal(t, header.EtherTypeIPv6, got[1].Type)
}

func TestClosed(t *testing.T) {
	l := loopback.New(loopback.Options{})
	h := linktest.NewHost(t, nil, l)
	require.ErrorIs(t, l.Attach(nil), tcpip.ErrExists)
	l.Close()
	l.Close()
	require.ErrorIs(t, l.Attach(nil), tcpip.ErrClosed)
	c := linktest.Spec{Payload: []byte("lost")}
	h.Send(c.Packet(h.Stack))
	require.Equal(t, 1, h.Drops(tcpip.DropLinkDown))
	require.Empty(t, h.Take())
}

func TestNoAllocations(t *testing.T) {
	h := host(t)
	h.CountOnly()
	linktest.NoAllocations(t, func() {
		w := h.Stack.Begin()
		for range 16 {
			p := h.Stack.NewPacket()
			p.Prepend(40)[0] = 0x45
			p.EtherType = header.EtherTypeIPv4
			h.NIC.Enqueue(w, p)
		}
		w.End()
	})
}
