package packet

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// The sizes of a virtio-net header in bytes.
const (
	vnetSize     = header.VirtioNetSize
	vnetLongSize = header.VirtioNetLongSize
)

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
		if p.ChecksumFrom(start, field) != tcpip.DropNone {
			return tcpip.ErrInvalid
		}
		return tcpip.OK
	}
	h, d := p.Headers(0)
	if d != tcpip.DropNone || start != h.Transport || field != h.ChecksumAt() || v.GSO.Kind() != h.VirtioGSO() {
		return tcpip.ErrInvalid
	}
	p.SetSegmented(&h, int(v.SegmentSize))
	p.Segs, p.CE = 0, 0 // of what is received
	p.Checksum = stack.ChecksumPartial
	return tcpip.OK
}
