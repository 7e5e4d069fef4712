package stack

import (
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/tcpip"
)

// Arrive makes a packet that was sent look like one that was received, for a link in memory that passes
// it to the stack at its other end. What holds for the packet as such stays: its bytes, EtherType, Link,
// the checksum's state, SegSize, from which Segs and CE are counted, and the links it has crossed. What
// the sender's stack knew and decided goes. The packet still belongs to the sender's pools.
func (p *Packet) Arrive() {
	p.Segs, p.CE = 0, 0
	if p.SegSize > 0 {
		p.countSegments()
	}
	p.net, p.trans = -1, -1
	p.NIC, p.tapped, p.watched = nil, false, false
	p.Src, p.Dst, p.Local = netip.Addr{}, netip.Addr{}, netip.Addr{}
	p.Proto, p.TTL, p.TOS, p.At, p.FragMax, p.Hash = 0, 0, 0, 0, 0, 0
	p.Forwarded, p.Looped, p.Homed = false, false, false
}

// DropReceived drops a packet on its way up, before the NIC has it, for the stack above r: observers are
// told and that stack counts the reason. It takes p.
func DropReceived(r Receiver, p *Packet, d tcpip.Drop) {
	r.Dropped(p, d)
	r.Stack().dropped(p, d)
	p.Release()
}

// EtherTypeOf returns the type of a bare IP packet as its version field says, 0 if that is neither 4
// nor 6. Links without a header of their own use it.
func EtherTypeOf(b []byte) header.EtherType {
	if len(b) == 0 {
		return 0
	}
	switch b[0] >> 4 {
	case 4:
		return header.EtherTypeIPv4
	case 6:
		return header.EtherTypeIPv6
	}
	return 0
}

// PacketTypeOf says to whom a frame that has arrived at station was addressed.
func PacketTypeOf(dst, station tcpip.LinkAddr) PacketType {
	switch {
	case dst == station:
		return PacketHost
	case dst.IsBroadcast():
		return PacketBroadcast
	case dst.IsMulticast():
		return PacketMulticast
	}
	return PacketOtherHost
}

// Flat returns a copy of p whose bytes are its own and all in the front, or nil if memory is short. It
// borrows p; the copy has no owner to complete to.
func (p *Packet) Flat() *Packet {
	if p.Len()+cloneHeadroom > slab.Large {
		return nil
	}
	piece, ok := p.stack.Slabs.Get(cloneHeadroom + p.Len())
	if !ok {
		return nil
	}
	piece.Reserve(cloneHeadroom)
	p.CopyTo(piece.Extend(p.Len()))
	q := p.stack.NewPacketFrom(piece)
	q.inherit(p)
	q.Checksum, q.SegSize, q.Segs, q.CE = p.Checksum, p.SegSize, p.Segs, p.CE
	return q
}

// Framed returns a copy of p, which is about to leave, with the header that its link puts in front: 14 bytes for
// Ethernet and loopback, in which the addresses are not known yet. It is the zero Piece if memory is short. It borrows p.
func (p *Packet) Framed() slab.Piece {
	front := 0
	switch p.NIC.Info().Kind {
	case LinkLoopback, LinkEthernet:
		front = header.EthernetSize
	}
	n := min(front+p.Len(), slab.Large)
	c, ok := p.stack.Slabs.Get(n)
	if !ok {
		return slab.Piece{}
	}
	b := c.Extend(n)
	clear(b[:front])
	if front > 0 {
		b[12], b[13] = byte(p.EtherType>>8), byte(p.EtherType)
	}
	p.CopyTo(b[front:])
	if p.Checksum == ChecksumPartial && p.SegSize == 0 {
		FinishChecksum(b[front:])
	}
	return c
}
