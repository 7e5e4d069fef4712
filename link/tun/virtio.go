package tun

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/checksum"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// describe returns the virtio-net header of a packet that is sent, whose network header the stack has
// marked or, without a mark, begins at offset network.
func describe(p *stack.Packet, network int) (header.VirtioNet, tcpip.Drop) {
	if p.SegSize == 0 && p.Checksum != stack.ChecksumPartial {
		if p.Checksum == stack.ChecksumVerified {
			return header.VirtioNet{Flags: header.VirtioDataValid}, tcpip.DropNone
		}
		return header.VirtioNet{}, tcpip.DropNone
	}
	h, d := p.Headers(network)
	if d != tcpip.DropNone {
		return header.VirtioNet{}, tcpip.DropBadOffload
	}
	v := header.VirtioNet{
		Flags:          header.VirtioNeedsChecksum,
		ChecksumStart:  uint16(h.Transport),
		ChecksumOffset: uint16(h.ChecksumAt() - h.Transport),
	}
	if p.SegSize > 0 {
		v.SegmentSize, v.HeaderLen = p.SegSize, uint16(h.Payload)
		v.GSO = kindOf(&h)
		if h.Protocol == header.ProtocolTCP && header.TCP(p.Front()[h.Transport:]).Flags()&header.CWR != 0 {
			v.GSO |= header.VirtioECN
		}
	}
	return v, tcpip.DropNone
}

// kindOf returns the kind of super-segment that a packet with these headers can be.
func kindOf(h *stack.Headers) header.VirtioGSO {
	switch {
	case h.Protocol == header.ProtocolUDP:
		return header.VirtioGSOUDPL4
	case h.V6:
		return header.VirtioGSOTCPv6
	}
	return header.VirtioGSOTCPv4
}

// apply gives p, which was received with the virtio-net header v, the state that v describes. Nothing in
// v is believed that the packet does not bear out.
func apply(v *header.VirtioNet, p *stack.Packet, network int) tcpip.Drop {
	super := v.GSO.Kind() != header.VirtioGSONone
	if v.Flags&header.VirtioNeedsChecksum == 0 {
		if super {
			return tcpip.DropBadOffload // Virtual I/O Device 1.2 §5.1.6.4.1
		}
		p.Checksum = stack.ChecksumUnverified
		if v.Flags&header.VirtioDataValid != 0 {
			p.Checksum = stack.ChecksumVerified
		}
		return tcpip.DropNone
	}
	h, d := p.Headers(network)
	ours := d == tcpip.DropNone && int(v.ChecksumStart) == h.Transport &&
		int(v.ChecksumStart)+int(v.ChecksumOffset) == h.ChecksumAt()
	if !super {
		if !ours {
			return finish(v, p)
		}
		p.Checksum = stack.ChecksumPartial
		return tcpip.DropNone
	}
	if !ours || v.GSO.Kind() != kindOf(&h) {
		return tcpip.DropBadOffload
	}
	size, payload := int(v.SegmentSize), p.Len()-h.Payload
	if h.Protocol == header.ProtocolUDP && payload > maxDatagrams*size ||
		h.Protocol == header.ProtocolTCP && payload > size && size < minSegment {
		return tcpip.DropBadOffload
	}
	p.SetSegmented(&h, size)
	p.Checksum = stack.ChecksumPartial
	return tcpip.DropNone
}

// finish computes the checksum of a packet of a protocol that the stack has no state for: SCTP's or a
// tunnel's inner one.
func finish(v *header.VirtioNet, p *stack.Packet) tcpip.Drop {
	start, field := int(v.ChecksumStart), int(v.ChecksumStart)+int(v.ChecksumOffset)
	if field+2 > p.Len() || len(p.Front()) < field+2 && !p.Pull(field+2) {
		return tcpip.DropBadOffload
	}
	f := p.Front()
	sum := checksum.Partial{}.Add(f[start:])
	for _, d := range p.Data() {
		sum = sum.Add(d.Bytes())
	}
	c := sum.Checksum()
	if c == 0 {
		c = 0xffff // the same number, and not "no checksum" where the protocol is UDP
	}
	binary.BigEndian.PutUint16(f[field:], c)
	p.Checksum = stack.ChecksumUnverified
	return tcpip.DropNone
}
