package header

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip"
)

// UDP is a view of one UDP datagram, header and what is at hand of the payload (RFC 768).
type UDP []byte

// UDPSize is the length of the header in bytes.
const UDPSize = 8

// UDPChecksumZero is sent where the checksum is computed to be 0, which means that there is none
// (RFC 768). The two are the same number in ones' complement.
const UDPChecksumZero = 0xffff

// ParseUDP returns the datagram at the front of b, cut to its length field.
func ParseUDP(b []byte) (UDP, tcpip.Drop) { return ParseUDPHeader(b, len(b)) }

// ParseUDPHeader is ParseUDP for a datagram in pieces: b holds the header and maybe some of the
// payload, size is the number of bytes in all the pieces.
func ParseUDPHeader(b []byte, size int) (UDP, tcpip.Drop) {
	if len(b) < UDPSize {
		return nil, tcpip.DropShort
	}
	length := int(UDP(b).Length())
	if length < UDPSize || length > size {
		return nil, tcpip.DropBadLength
	}
	n := min(length, len(b))
	return UDP(b[:n:n]), tcpip.DropNone
}

func (h UDP) SrcPort() uint16  { return binary.BigEndian.Uint16(h[0:]) }
func (h UDP) DstPort() uint16  { return binary.BigEndian.Uint16(h[2:]) }
func (h UDP) Length() uint16   { return binary.BigEndian.Uint16(h[4:]) } // bytes, header included
func (h UDP) Checksum() uint16 { return binary.BigEndian.Uint16(h[6:]) } // 0: none
func (h UDP) Payload() []byte  { return h[UDPSize:] }                    // as much as is at hand

// ChecksumValid reports whether the datagram, which must be whole, adds up. A datagram without a
// checksum does; IPv6 does not allow that (RFC 8200 §8.1), which is for the caller to say.
func (h UDP) ChecksumValid(src, dst netip.Addr) bool {
	return h.Checksum() == 0 || TransportChecksum(ProtocolUDP, src, dst, h) == 0
}

func (h UDP) SetSrcPort(v uint16)  { binary.BigEndian.PutUint16(h[0:], v) }
func (h UDP) SetDstPort(v uint16)  { binary.BigEndian.PutUint16(h[2:], v) }
func (h UDP) SetLength(v uint16)   { binary.BigEndian.PutUint16(h[4:], v) }
func (h UDP) SetChecksum(v uint16) { binary.BigEndian.PutUint16(h[6:], v) }

// UDPFields is what a UDP header says.
type UDPFields struct {
	SrcPort, DstPort uint16
	Length           uint16 // bytes, header included
	Checksum         uint16
}

// Encode writes the header to the first UDPSize bytes of b and returns b as a view.
func (f *UDPFields) Encode(b []byte) UDP {
	h := UDP(b)
	_ = h[UDPSize-1]
	h.SetSrcPort(f.SrcPort)
	h.SetDstPort(f.DstPort)
	h.SetLength(f.Length)
	h.SetChecksum(f.Checksum)
	return h
}
