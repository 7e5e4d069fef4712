package header

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip"
)

// Ethernet is a view of one Ethernet II frame, without preamble and check sequence.
type Ethernet []byte

// EthernetSize is the length of the header in bytes.
const EthernetSize = 14

// EtherType says what an Ethernet frame carries (IANA "IEEE 802 Numbers").
type EtherType uint16

const (
	EtherTypeIPv4 EtherType = 0x0800
	EtherTypeARP  EtherType = 0x0806
	EtherTypeVLAN EtherType = 0x8100
	EtherTypeIPv6 EtherType = 0x86dd

	// EtherTypeMin is the least EtherType; below it the field is the length of an IEEE 802.3 frame.
	EtherTypeMin EtherType = 0x0600
)

// String returns the type's name, or its number in hexadecimal.
func (t EtherType) String() string {
	switch t {
	case EtherTypeIPv4:
		return "IPv4"
	case EtherTypeARP:
		return "ARP"
	case EtherTypeVLAN:
		return "VLAN"
	case EtherTypeIPv6:
		return "IPv6"
	}
	return fmt.Sprintf("%#04x", uint16(t))
}

// ParseEthernet returns the frame b.
func ParseEthernet(b []byte) (Ethernet, tcpip.Drop) {
	if len(b) < EthernetSize {
		return nil, tcpip.DropShort
	}
	return Ethernet(b), tcpip.DropNone
}

func (h Ethernet) Dst() tcpip.LinkAddr { return tcpip.LinkAddr(h[0:6]) }
func (h Ethernet) Src() tcpip.LinkAddr { return tcpip.LinkAddr(h[6:12]) }
func (h Ethernet) Type() EtherType     { return EtherType(binary.BigEndian.Uint16(h[12:])) }
func (h Ethernet) Payload() []byte     { return h[EthernetSize:] } // with any padding

func (h Ethernet) SetDst(a tcpip.LinkAddr) { copy(h[0:6], a[:]) }
func (h Ethernet) SetSrc(a tcpip.LinkAddr) { copy(h[6:12], a[:]) }
func (h Ethernet) SetType(t EtherType)     { binary.BigEndian.PutUint16(h[12:], uint16(t)) }

// EthernetFields is what an Ethernet header says.
type EthernetFields struct {
	Dst, Src tcpip.LinkAddr
	Type     EtherType
}

// Encode writes the header to the first EthernetSize bytes of b.
func (f *EthernetFields) Encode(b []byte) Ethernet {
	h := Ethernet(b)
	h.SetDst(f.Dst)
	h.SetSrc(f.Src)
	h.SetType(f.Type)
	return h
}

// MulticastLinkAddr returns the Ethernet address that carries packets to group: 01-00-5e and 23 bits
// of an IPv4 group (RFC 1112 §6.4), 33-33 and 32 bits of an IPv6 one (RFC 2464 §7).
func MulticastLinkAddr(group netip.Addr) tcpip.LinkAddr {
	if group.Is4() {
		g := group.As4()
		return tcpip.LinkAddr{0x01, 0x00, 0x5e, g[1] & 0x7f, g[2], g[3]}
	}
	g := group.As16()
	return tcpip.LinkAddr{0x33, 0x33, g[12], g[13], g[14], g[15]}
}
