package packet

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/checksum"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// The sizes of a virtio-net header in bytes.
const (
	vnetSize     = header.VirtioNetSize
	vnetLongSize = header.VirtioNetLongSize
)

// describe returns the virtio-net header of p, which begins with link bytes of link header.
func describe(p *stack.Packet, link int) header.VirtioNet {
	var v header.VirtioNet
	if p.SegSize == 0 && p.Checksum != stack.ChecksumPartial {
		if p.Checksum == stack.ChecksumVerified {
			v.Flags = header.VirtioDataValid
		}
		return v
	}
	h, d := p.Headers(link)
	if d != tcpip.DropNone {
		return v // cut by the filter
	}
	v.Flags = header.VirtioNeedsChecksum
	v.ChecksumStart, v.ChecksumOffset = uint16(h.Transport), uint16(h.ChecksumAt()-h.Transport)
	if p.SegSize > 0 {
		v.SegmentSize, v.HeaderLen, v.GSO = p.SegSize, uint16(h.Payload), kindOf(&h)
	}
	return v
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

// settle gives p, which was written with the virtio-net header v and begins with its network header, link bytes
// behind what the user calls the start, the state that v describes.
//
// Errors: ErrInvalid if v does not fit p.
func settle(v *header.VirtioNet, p *stack.Packet, link int) tcpip.Error {
	super := v.GSO.Kind() != header.VirtioGSONone
	if v.Flags&header.VirtioNeedsChecksum == 0 {
		if super {
			return tcpip.ErrInvalid
		}
		return tcpip.OK
	}
	start, field := int(v.ChecksumStart)-link, int(v.ChecksumStart)+int(v.ChecksumOffset)-link
	if !super {
		return finish(p, start, field)
	}
	h, d := p.Headers(0)
	if d != tcpip.DropNone || start != h.Transport || field != h.ChecksumAt() || v.GSO.Kind() != kindOf(&h) {
		return tcpip.ErrInvalid
	}
	p.SetSegmented(&h, int(v.SegmentSize))
	p.Segs, p.CE = 0, 0 // of what is received
	p.Checksum = stack.ChecksumPartial
	return tcpip.OK
}

// finish computes a checksum over what begins at start, whose field holds what it begins with.
func finish(p *stack.Packet, start, field int) tcpip.Error {
	if start < 0 || field < start || field+2 > p.Len() || len(p.Front()) < field+2 && !p.Pull(field+2) {
		return tcpip.ErrInvalid
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
	return tcpip.OK
}
