// Package vnet reads virtio-net headers for the links that receive packets with them.
package vnet

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Apply gives p, which was received with the virtio-net header v, the state that v describes. Nothing in
// v is believed that the packet does not bear out.
func Apply(v *header.VirtioNet, p *stack.Packet, network int) tcpip.Drop {
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
			p.Checksum = stack.ChecksumUnverified
			return p.ChecksumFrom(int(v.ChecksumStart), int(v.ChecksumStart)+int(v.ChecksumOffset))
		}
		p.Checksum = stack.ChecksumPartial
		return tcpip.DropNone
	}
	if !ours || v.GSO.Kind() != h.VirtioGSO() {
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
