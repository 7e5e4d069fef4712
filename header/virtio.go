package header

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/tcpip"
)

// VirtioNet is the header that Linux's TUN puts before a packet with IFF_VNET_HDR, decoded (Virtual
// I/O Device 1.2 §5.1.6; struct virtio_net_hdr). It is untrusted: it is well-formed, but whether it
// fits its packet is for the link to check. Lengths and offsets are in bytes from the packet's start.
type VirtioNet struct {
	Flags          VirtioFlags
	GSO            VirtioGSO
	HeaderLen      uint16 // of all the headers, with GSO; a hint that may be 0 or wrong
	SegmentSize    uint16 // payload per wire segment, with GSO
	ChecksumStart  uint16 // with VirtioNeedsChecksum: the sum covers what is from here to the end,
	ChecksumOffset uint16 // and its complement goes to ChecksumStart + ChecksumOffset
	NumBuffers     uint16 // in the long form only
}

const (
	VirtioNetSize     = 10 // bytes, the form that TUN has by default
	VirtioNetLongSize = 12 // bytes, with NumBuffers (struct virtio_net_hdr_v1)
)

// VirtioFlags say what is known about the packet's checksum.
type VirtioFlags uint8

const (
	VirtioNeedsChecksum VirtioFlags = 1 // only the pseudo-header was summed
	VirtioDataValid     VirtioFlags = 2 // the checksum was verified
)

// VirtioGSO is the kind of a super-segment, with VirtioECN or'ed to it if it begins with a CWR.
type VirtioGSO uint8

const (
	VirtioGSONone  VirtioGSO = 0
	VirtioGSOTCPv4 VirtioGSO = 1
	VirtioGSOUDP   VirtioGSO = 3 // to be cut into IP fragments
	VirtioGSOTCPv6 VirtioGSO = 4
	VirtioGSOUDPL4 VirtioGSO = 5 // to be cut into datagrams
	VirtioECN      VirtioGSO = 0x80
)

// Kind returns g without VirtioECN.
func (g VirtioGSO) Kind() VirtioGSO { return g &^ VirtioECN }

// ParseVirtioNet decodes the header at the front of b, whose size is VirtioNetSize or
// VirtioNetLongSize, in the machine's byte order. An unknown GSO type, or a super-segment without a
// segment size, is DropBadOffload. Unknown flags are cleared.
func ParseVirtioNet(b []byte, size int) (VirtioNet, tcpip.Drop) {
	if len(b) < size || size < VirtioNetSize {
		return VirtioNet{}, tcpip.DropShort
	}
	v := VirtioNet{
		Flags:          VirtioFlags(b[0]) & (VirtioNeedsChecksum | VirtioDataValid),
		GSO:            VirtioGSO(b[1]),
		HeaderLen:      binary.NativeEndian.Uint16(b[2:]),
		SegmentSize:    binary.NativeEndian.Uint16(b[4:]),
		ChecksumStart:  binary.NativeEndian.Uint16(b[6:]),
		ChecksumOffset: binary.NativeEndian.Uint16(b[8:]),
	}
	if size >= VirtioNetLongSize {
		v.NumBuffers = binary.NativeEndian.Uint16(b[10:])
	}
	switch v.GSO.Kind() {
	case VirtioGSONone:
		return v, tcpip.DropNone
	case VirtioGSOTCPv4, VirtioGSOTCPv6, VirtioGSOUDP, VirtioGSOUDPL4:
		if v.SegmentSize != 0 {
			return v, tcpip.DropNone
		}
	}
	return VirtioNet{}, tcpip.DropBadOffload
}

// Encode writes the header to the first size bytes of b; size is VirtioNetSize or VirtioNetLongSize.
func (v *VirtioNet) Encode(b []byte, size int) {
	b = b[:size]
	b[0], b[1] = uint8(v.Flags), uint8(v.GSO)
	binary.NativeEndian.PutUint16(b[2:], v.HeaderLen)
	binary.NativeEndian.PutUint16(b[4:], v.SegmentSize)
	binary.NativeEndian.PutUint16(b[6:], v.ChecksumStart)
	binary.NativeEndian.PutUint16(b[8:], v.ChecksumOffset)
	if size >= VirtioNetLongSize {
		binary.NativeEndian.PutUint16(b[10:], v.NumBuffers)
	}
}
