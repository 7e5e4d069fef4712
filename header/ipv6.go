package header

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip"
)

// IPv6 is a view of one IPv6 packet, header and what is at hand of the payload (RFC 8200 §3).
// WalkExt finds the upper layer behind the extension headers.
type IPv6 []byte

const (
	IPv6Size = 40 // bytes, without extension headers

	// IPv6MinMTU is the size of a packet that every link carries (RFC 8200 §5).
	IPv6MinMTU = 1280
)

// ParseIPv6 returns the packet at the front of b, cut to its payload length. Jumbograms (RFC 2675)
// are not supported.
func ParseIPv6(b []byte) (IPv6, tcpip.Drop) { return ParseIPv6Header(b, len(b)) }

// ParseIPv6Header is ParseIPv6 for a packet in pieces: b holds the header and maybe some of the
// payload, size is the number of bytes in all the pieces. With size IPv6Size+MaxPacket it takes the
// truncated packet that an ICMP error quotes.
func ParseIPv6Header(b []byte, size int) (IPv6, tcpip.Drop) {
	if len(b) < IPv6Size {
		return nil, tcpip.DropShort
	}
	h := IPv6(b)
	if b[0]>>4 != 6 {
		return nil, tcpip.DropBadVersion
	}
	total := IPv6Size + int(h.PayloadLength())
	if total > size {
		return nil, tcpip.DropBadLength
	}
	n := min(total, len(b))
	return h[:n:n], tcpip.DropNone
}

func (h IPv6) TrafficClass() uint8   { return h[0]<<4 | h[1]>>4 }
func (h IPv6) FlowLabel() uint32     { return binary.BigEndian.Uint32(h) & 0xfffff }
func (h IPv6) PayloadLength() uint16 { return binary.BigEndian.Uint16(h[4:]) } // bytes, extension headers included
func (h IPv6) NextHeader() Protocol  { return Protocol(h[6]) }
func (h IPv6) HopLimit() uint8       { return h[7] }
func (h IPv6) Src() netip.Addr       { return netip.AddrFrom16([16]byte(h[8:24])) }
func (h IPv6) Dst() netip.Addr       { return netip.AddrFrom16([16]byte(h[24:40])) }
func (h IPv6) Payload() []byte       { return h[IPv6Size:] } // as much as is at hand, extension headers included

func (h IPv6) SetTrafficClass(v uint8)   { h[0], h[1] = h[0]&0xf0|v>>4, v<<4|h[1]&0x0f }
func (h IPv6) SetPayloadLength(v uint16) { binary.BigEndian.PutUint16(h[4:], v) }
func (h IPv6) SetNextHeader(p Protocol)  { h[6] = uint8(p) }
func (h IPv6) SetHopLimit(v uint8)       { h[7] = v }
func (h IPv6) SetSrc(a netip.Addr)       { putAddr16(h[8:], a) }
func (h IPv6) SetDst(a netip.Addr)       { putAddr16(h[24:], a) }

// IPv6Fields is what an IPv6 header says.
type IPv6Fields struct {
	FlowLabel     uint32 // 20 bits
	PayloadLength uint16 // bytes, extension headers included
	TrafficClass  uint8
	NextHeader    Protocol
	HopLimit      uint8
	Src, Dst      netip.Addr // IPv6, without zone
}

// Encode writes the header to the first IPv6Size bytes of b and returns b as a view.
func (f *IPv6Fields) Encode(b []byte) IPv6 {
	h := IPv6(b)
	binary.BigEndian.PutUint32(h, 6<<28|uint32(f.TrafficClass)<<20|f.FlowLabel&0xfffff)
	h.SetPayloadLength(f.PayloadLength)
	h[6], h[7] = uint8(f.NextHeader), f.HopLimit
	h.SetSrc(f.Src)
	h.SetDst(f.Dst)
	return h
}

// Decode fills f with what h says.
func (h IPv6) Decode(f *IPv6Fields) {
	*f = IPv6Fields{
		FlowLabel: h.FlowLabel(), PayloadLength: h.PayloadLength(), TrafficClass: h.TrafficClass(),
		NextHeader: h.NextHeader(), HopLimit: h.HopLimit(), Src: h.Src(), Dst: h.Dst(),
	}
}

// putAddr16 writes an IPv6 address to the first sixteen bytes of b.
func putAddr16(b []byte, a netip.Addr) {
	v := a.As16()
	copy(b[:16], v[:])
}
