package transport

import "github.com/seed963a8790/netstack/tcpip"

// segmentBy returns the payload of the datagrams that a write is to be cut into, bytes, 0 for one.
func (d *Datagram) segmentBy(c *tcpip.Control) int {
	if c.Has&tcpip.HasSegmentBy != 0 {
		return int(c.SegmentBy)
	}
	return int(d.conf.SegmentBy)
}

// segments says whether size bytes may leave as datagrams of segment bytes each, as measured on Linux: they must
// fit the MTU, have checksums, and not be too many.
func (d *Datagram) segments(b *budget, size, segment int) tcpip.Error {
	switch {
	case !b.whole(d.wire(min(size, segment))):
		return tcpip.ErrMessageSize
	case size > segment*maxSegments, d.noChecksum(b.limit > maxWrite):
		return tcpip.ErrInvalid
	}
	return tcpip.OK
}

// noChecksum reports whether packets of a family are sent without a checksum.
func (d *Datagram) noChecksum(v6 bool) bool {
	if v6 {
		return d.conf.NoChecksum6
	}
	return d.conf.NoChecksum
}
