// Package header has the wire formats of the stack: Ethernet, ARP, IPv4, IPv6, ICMP, neighbour
// discovery, IGMP, MLD, UDP, TCP, and the virtio-net header of Linux's TUN devices.
//
// A header is a view: a []byte type that aliases the packet's bytes and owns nothing. Bytes off the
// wire become a view only through its Parse function, which checks every length once and returns the
// reason if they are not good; after that no accessor can panic, and none allocates. Parse functions
// check form, not checksums and not policy. What hot paths need together, and what needs a walk
// (options, extension headers), is decoded once into a plain value.
//
// Headers are written from a Fields value by Encode, in place. Encode panics if the buffer is too
// small, which is a bug of the caller's.
//
// A packet need not be in one piece. The Parse...Header functions take the bytes at hand, which must
// hold the header, and the size of the packet in all its pieces; the view then holds as much of the
// payload as was at hand.
package header

import (
	"net/netip"
	"strconv"

	"github.com/seed963a8790/netstack/internal/checksum"
)

// Protocol is an IP protocol number, or an IPv6 next header value (IANA "Protocol Numbers").
type Protocol uint8

const (
	ProtocolHopByHop    Protocol = 0 // IPv6 hop-by-hop options (RFC 8200 §4.3)
	ProtocolICMPv4      Protocol = 1
	ProtocolIGMP        Protocol = 2
	ProtocolIPv4        Protocol = 4 // encapsulation
	ProtocolTCP         Protocol = 6
	ProtocolUDP         Protocol = 17
	ProtocolIPv6        Protocol = 41 // encapsulation
	ProtocolRouting     Protocol = 43 // RFC 8200 §4.4
	ProtocolFragment    Protocol = 44 // RFC 8200 §4.5
	ProtocolGRE         Protocol = 47
	ProtocolESP         Protocol = 50
	ProtocolAH          Protocol = 51
	ProtocolICMPv6      Protocol = 58
	ProtocolNoNext      Protocol = 59 // RFC 8200 §4.7
	ProtocolDestOptions Protocol = 60 // RFC 8200 §4.6
	ProtocolSCTP        Protocol = 132
	ProtocolUDPLite     Protocol = 136
	ProtocolRaw         Protocol = 255 // reserved; never on the wire
)

var protocolNames = [...]string{
	ProtocolHopByHop: "HOPOPT", ProtocolICMPv4: "ICMP", ProtocolIGMP: "IGMP", ProtocolIPv4: "IPv4", ProtocolTCP: "TCP",
	ProtocolUDP: "UDP", ProtocolIPv6: "IPv6", ProtocolRouting: "IPv6-Route", ProtocolFragment: "IPv6-Frag",
	ProtocolGRE: "GRE", ProtocolESP: "ESP", ProtocolAH: "AH", ProtocolICMPv6: "IPv6-ICMP",
	ProtocolNoNext: "IPv6-NoNxt", ProtocolDestOptions: "IPv6-Opts", ProtocolSCTP: "SCTP",
	ProtocolUDPLite: "UDPLite", ProtocolRaw: "raw",
}

// String returns the protocol's IANA keyword, or its number.
func (p Protocol) String() string {
	return nameOr(protocolNames[:], uint8(p))
}

// PseudoHeader returns the sum of the pseudo-header for length bytes of p, to be continued over them
// (RFC 9293 §3.1, RFC 8200 §8.1).
func PseudoHeader(p Protocol, src, dst netip.Addr, length int) checksum.Partial {
	return checksum.Pseudo(src, dst, uint8(p), length)
}

// TransportChecksum returns the checksum over the pseudo-header and b, whose checksum field must be
// zero. If the field is in place and right, the result is 0. UDP sends a 0 as UDPChecksumZero.
func TransportChecksum(p Protocol, src, dst netip.Addr, b []byte) uint16 {
	return PseudoHeader(p, src, dst, len(b)).Add(b).Checksum()
}

// nameOr returns names[i], or i in decimal if there is none.
func nameOr(names []string, i uint8) string {
	if int(i) < len(names) && names[i] != "" {
		return names[i]
	}
	return strconv.Itoa(int(i))
}
