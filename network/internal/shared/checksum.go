package shared

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/checksum"
	"github.com/seed963a8790/netstack/stack"
)

// Sum returns the sum of everything behind p's network header, continued from init.
func Sum(p *stack.Packet, init checksum.Partial) checksum.Partial {
	init = init.Add(p.Transport())
	for _, d := range p.Data() {
		init = init.Add(d.Bytes())
	}
	return init
}

// TransportHeaderLen returns the length in bytes of the TCP or UDP header at the front of t, 0 for other
// protocols.
func TransportHeaderLen(proto header.Protocol, t []byte) int {
	switch {
	case proto == header.ProtocolTCP && len(t) >= header.TCPSize:
		return int(t[12]>>4) * 4
	case proto == header.ProtocolUDP:
		return header.UDPSize
	}
	return 0
}

// Flow returns the flow of p as its sender sees it; t begins with the transport header.
func Flow(p *stack.Packet, t []byte) stack.FlowID {
	var src, dst uint16
	if (p.Proto == header.ProtocolTCP || p.Proto == header.ProtocolUDP) && len(t) >= 4 {
		src, dst = binary.BigEndian.Uint16(t), binary.BigEndian.Uint16(t[2:])
	}
	return stack.FlowID{Proto: p.Proto, Local: netip.AddrPortFrom(p.Src, src), Remote: netip.AddrPortFrom(p.Dst, dst)}
}

// Turn makes a received packet one to be sent, whose front begins with the transport header.
func Turn(p *stack.Packet) {
	p.TrimFront(p.NetworkLen())
	p.Link, p.Hash, p.Looped = stack.LinkPart{}, 0, false
	p.Checksum = stack.ChecksumUnverified
	p.SegSize, p.Segs, p.CE = 0, 0, 0
}

// Peek returns the first bytes of p from its network header on, contiguous: as many as are at hand, or else
// as fit into b.
func Peek(p *stack.Packet, b []byte) []byte {
	front := p.Network()
	if len(front) >= len(b) || p.DataLen() == 0 {
		return front
	}
	n := copy(b, front)
	for _, d := range p.Data() {
		n += copy(b[n:], d.Bytes())
	}
	return b[:n]
}

// FinishChecksum completes the checksum of p, whose front begins with its TCP or UDP header, if that was left to the
// link.
func FinishChecksum(p *stack.Packet) {
	if p.Checksum != stack.ChecksumPartial {
		return
	}
	at := 16
	if p.Proto == header.ProtocolUDP {
		at = 6
	}
	sum := checksum.Partial{}.Add(p.Front())
	for _, d := range p.Data() {
		sum = sum.Add(d.Bytes())
	}
	v := sum.Checksum()
	if v == 0 && p.Proto == header.ProtocolUDP {
		v = header.UDPChecksumZero
	}
	binary.BigEndian.PutUint16(p.Front()[at:], v)
	p.Checksum = stack.ChecksumUnverified
}
