package stack

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/checksum"
	"github.com/seed963a8790/netstack/tcpip"
)

// VirtioNet returns the virtio-net header that describes the packet's checksum and segments to a device or a
// program. Its network header begins at offset network of the front, unless the stack has marked another place.
//
// Errors: DropBadOffload if the headers of a packet with a partial checksum or segments cannot be found.
func (p *Packet) VirtioNet(network int) (header.VirtioNet, tcpip.Drop) {
	if p.SegSize == 0 && p.Checksum != ChecksumPartial {
		if p.Checksum == ChecksumVerified {
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
		v.SegmentSize, v.HeaderLen, v.GSO = p.SegSize, uint16(h.Payload), h.VirtioGSO()
		if h.Protocol == header.ProtocolTCP && header.TCP(p.Front()[h.Transport:]).Flags()&header.CWR != 0 {
			v.GSO |= header.VirtioECN
		}
	}
	return v, tcpip.DropNone
}

// VirtioGSO returns the kind of super-segment that a packet with these headers can be.
func (h *Headers) VirtioGSO() header.VirtioGSO {
	switch {
	case h.Protocol == header.ProtocolUDP:
		return header.VirtioGSOUDPL4
	case h.V6:
		return header.VirtioGSOTCPv6
	}
	return header.VirtioGSOTCPv4
}

// ChecksumFrom computes the checksum over what begins at start and puts it at field, which holds what the sum is to
// begin with: for a protocol that the stack has no state for, as a virtio-net header describes it.
//
// Errors: DropBadOffload if the field is not in the packet or lies before start, or memory is short.
func (p *Packet) ChecksumFrom(start, field int) tcpip.Drop {
	if start < 0 || field < start || field+2 > p.Len() || len(p.Front()) < field+2 && !p.Pull(field+2) {
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
	return tcpip.DropNone
}
