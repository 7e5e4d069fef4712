package behaviour

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// hub is an Ethernet segment in memory with any number of stations, for one goroutine.
type hub struct{ stations []*station }

// station is a stack.Link: a place at a hub.
type station struct {
	hub    *hub
	addr   tcpip.LinkAddr
	mtu    int
	up     stack.Receiver
	closed bool
	deaf   bool // what it sends and receives is lost, and nobody is told
	// carry, if set, decides whether a frame that the station sends is carried.
	carry func(p *stack.Packet) bool
}

var _ stack.Link = (*station)(nil)

// station adds one whose address ends in n.
func (h *hub) station(n byte) *station {
	s := &station{hub: h, addr: tcpip.LinkAddr{2, 0, 0, 0, 1, n}, mtu: 1500}
	h.stations = append(h.stations, s)
	return s
}

// Info describes the link.
func (s *station) Info() stack.LinkInfo {
	return stack.LinkInfo{Kind: stack.LinkEthernet, Up: true, MTU: s.mtu, Address: s.addr}
}

// Attach connects the link with r.
func (s *station) Attach(r stack.Receiver) error {
	s.up = r
	return nil
}

// Transmit gives each frame to the stations that it is for.
func (s *station) Transmit(w *stack.Work, _ int, batch []*stack.Packet) int {
	for _, p := range batch {
		if s.closed || s.deaf || s.carry != nil && !s.carry(p) {
			p.Drop(tcpip.DropFault)
			continue
		}
		p.Link.Src = s.addr
		for _, to := range s.hub.stations {
			if to == s || to.closed || to.deaf || to.up == nil {
				continue
			}
			if p.Link.Dst != to.addr && p.Link.Dst.IsUnicast() {
				continue
			}
			if q := p.Clone(to.up.Stack()); q != nil {
				q.Link, q.EtherType, q.Checksum = p.Link, p.EtherType, stack.ChecksumUnverified
				q.Arrive()
				q.Link.Type = stack.PacketTypeOf(p.Link.Dst, to.addr)
				to.up.Deliver(w, []*stack.Packet{q})
			}
		}
		p.Release()
	}
	return len(batch)
}

// Close detaches the link.
func (s *station) Close() { s.closed = true }

// Wait returns at once.
func (s *station) Wait(context.Context) error { return nil }

// inject puts a frame onto the hub as if the station had sent it, whatever source the frame claims.
func (s *station) inject(t testing.TB, e header.EtherType, src, dst tcpip.LinkAddr, b []byte) {
	for _, to := range s.hub.stations {
		if to == s || to.closed || to.deaf || dst != to.addr && dst.IsUnicast() {
			continue
		}
		require.NotNil(t, to.up)
		q := to.up.Stack().NewPacketCopy(b)
		q.EtherType, q.Link = e, stack.LinkPart{Src: src, Dst: dst, Type: stack.PacketTypeOf(dst, to.addr)}
		to.up.Deliver(nil, []*stack.Packet{q})
	}
}
