package header

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed963a8790/netstack/internal/checksum"
	"github.com/seed963a8790/netstack/tcpip"
)

// IPv4 is a view of one IPv4 packet, header and what is at hand of the payload (RFC 791 §3.1).
type IPv4 []byte

const (
	IPv4Size    = 20 // bytes, without options
	IPv4MaxSize = 60 // bytes, with options

	// IPv4MinMTU is the size of a packet that every link carries (RFC 791 §3.1).
	IPv4MinMTU = 68
	// MaxPacket is what a total length field can say: the most that a super-segment holds.
	MaxPacket = 65535
)

// IPv4Flags are the flags of an IPv4 header, with the values they have in its seventh byte.
type IPv4Flags uint8

const (
	IPv4MoreFragments IPv4Flags = 0x20
	IPv4DontFragment  IPv4Flags = 0x40
)

// ParseIPv4 returns the packet at the front of b, cut to its total length. It does not look at the
// checksum, which the link may have verified, nor into the options.
func ParseIPv4(b []byte) (IPv4, tcpip.Drop) { return ParseIPv4Header(b, len(b)) }

// ParseIPv4Header is ParseIPv4 for a packet in pieces: b holds the header and maybe some of the
// payload, size is the number of bytes in all the pieces. With size MaxPacket it takes the truncated
// packet that an ICMP error quotes.
func ParseIPv4Header(b []byte, size int) (IPv4, tcpip.Drop) {
	if len(b) < IPv4Size {
		return nil, tcpip.DropShort
	}
	h := IPv4(b)
	if b[0]>>4 != 4 {
		return nil, tcpip.DropBadVersion
	}
	header, total := h.HeaderLen(), int(h.TotalLength())
	if header < IPv4Size || total < header || total > size {
		return nil, tcpip.DropBadLength
	}
	if len(b) < header {
		return nil, tcpip.DropShort
	}
	n := min(total, len(b))
	return h[:n:n], tcpip.DropNone
}

func (h IPv4) HeaderLen() int      { return int(h[0]&15) * 4 } // bytes, options included
func (h IPv4) TOS() uint8          { return h[1] }
func (h IPv4) TotalLength() uint16 { return binary.BigEndian.Uint16(h[2:]) } // bytes, header included
func (h IPv4) ID() uint16          { return binary.BigEndian.Uint16(h[4:]) }
func (h IPv4) Flags() IPv4Flags    { return IPv4Flags(h[6]) & (IPv4MoreFragments | IPv4DontFragment) }
func (h IPv4) FragmentOffset() int { return int(binary.BigEndian.Uint16(h[6:])&0x1fff) * 8 } // bytes
func (h IPv4) TTL() uint8          { return h[8] }
func (h IPv4) Protocol() Protocol  { return Protocol(h[9]) }
func (h IPv4) Checksum() uint16    { return binary.BigEndian.Uint16(h[10:]) }
func (h IPv4) Src() netip.Addr     { return netip.AddrFrom4([4]byte(h[12:16])) }
func (h IPv4) Dst() netip.Addr     { return netip.AddrFrom4([4]byte(h[16:20])) }
func (h IPv4) Header() []byte      { return h[:h.HeaderLen()] }
func (h IPv4) Options() []byte     { return h[IPv4Size:h.HeaderLen()] } // unparsed
func (h IPv4) Payload() []byte     { return h[h.HeaderLen():] }         // as much as is at hand

// PayloadLength returns the length of the whole payload in bytes, at hand or not.
func (h IPv4) PayloadLength() int { return int(h.TotalLength()) - h.HeaderLen() }

// IsFragment reports whether the packet is a fragment of a larger one.
func (h IPv4) IsFragment() bool { return binary.BigEndian.Uint16(h[6:])&0x3fff != 0 }

// ChecksumValid reports whether the header adds up.
func (h IPv4) ChecksumValid() bool { return checksum.Sum(h.Header()) == 0xffff }

func (h IPv4) SetTOS(v uint8)          { h[1] = v }
func (h IPv4) SetTotalLength(v uint16) { binary.BigEndian.PutUint16(h[2:], v) }
func (h IPv4) SetID(v uint16)          { binary.BigEndian.PutUint16(h[4:], v) }
func (h IPv4) SetTTL(v uint8)          { h[8] = v }
func (h IPv4) SetChecksum(v uint16)    { binary.BigEndian.PutUint16(h[10:], v) }
func (h IPv4) SetSrc(a netip.Addr)     { putAddr4(h[12:], a) }
func (h IPv4) SetDst(a netip.Addr)     { putAddr4(h[16:], a) }

// SetFragment sets the flags and the fragment offset, a multiple of 8 bytes.
func (h IPv4) SetFragment(f IPv4Flags, offset int) {
	binary.BigEndian.PutUint16(h[6:], uint16(f)<<8|uint16(offset/8))
}

// UpdateChecksum computes the header's checksum afresh.
func (h IPv4) UpdateChecksum() {
	h.SetChecksum(0)
	h.SetChecksum(^checksum.Sum(h.Header()))
}

// DecrementTTL takes one from the TTL, which must not be 0, and mends the checksum (RFC 1624).
func (h IPv4) DecrementTTL() {
	was := binary.BigEndian.Uint16(h[8:])
	h[8]--
	h.SetChecksum(checksum.Update(h.Checksum(), was, binary.BigEndian.Uint16(h[8:])))
}

// IPv4Fields is what an IPv4 header says.
type IPv4Fields struct {
	TotalLength    uint16 // bytes, header included
	ID             uint16
	FragmentOffset uint16 // bytes, a multiple of 8
	TOS            uint8
	Flags          IPv4Flags
	TTL            uint8
	Protocol       Protocol
	Src, Dst       netip.Addr // IPv4
	Options        []byte     // at most 40 bytes; borrowed
}

// Size returns the header's length in bytes: that of the options is rounded up to a multiple of 4.
func (f *IPv4Fields) Size() int { return IPv4Size + (len(f.Options)+3)&^3 }

// Encode writes the header with its checksum to the first Size bytes of b and returns b as a view.
func (f *IPv4Fields) Encode(b []byte) IPv4 {
	n := f.Size()
	h := IPv4(b)
	h[0] = 4<<4 | uint8(n/4)
	h[1] = f.TOS
	h.SetTotalLength(f.TotalLength)
	h.SetID(f.ID)
	h.SetFragment(f.Flags, int(f.FragmentOffset))
	h[8], h[9] = f.TTL, uint8(f.Protocol)
	h.SetSrc(f.Src)
	h.SetDst(f.Dst)
	clear(h[IPv4Size+copy(h[IPv4Size:n], f.Options) : n]) // pads with end of list
	h.UpdateChecksum()
	return h
}

// Decode fills f with what h says. The options alias h.
func (h IPv4) Decode(f *IPv4Fields) {
	*f = IPv4Fields{
		TotalLength: h.TotalLength(), ID: h.ID(), FragmentOffset: uint16(h.FragmentOffset()), TOS: h.TOS(),
		Flags: h.Flags(), TTL: h.TTL(), Protocol: h.Protocol(), Src: h.Src(), Dst: h.Dst(), Options: h.Options(),
	}
}

// putAddr4 writes an IPv4 address to the first four bytes of b.
func putAddr4(b []byte, a netip.Addr) {
	v := a.As4()
	copy(b[:4], v[:])
}
