package linux

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip"
)

// Sizes of socket addresses in bytes.
const (
	sizeofSockaddrIn  = 16
	sizeofSockaddrIn6 = 28
	minSockaddrIn6    = 24 // without sin6_scope_id (RFC 2133)
)

// familyOf returns sa_family of a socket address at least two bytes long.
func familyOf(b []byte) int { return int(binary.NativeEndian.Uint16(b)) }

// decode4 reads a struct sockaddr_in.
func decode4(b []byte) tcpip.FullAddress {
	return tcpip.FullAddress{Addr: netip.AddrFrom4([4]byte(b[4:])), Port: binary.BigEndian.Uint16(b[2:])}
}

// decode6 reads a struct sockaddr_in6, with or without its scope; an IPv4-mapped address is unmapped.
func decode6(b []byte) tcpip.FullAddress {
	a := tcpip.FullAddress{Addr: netip.AddrFrom16([16]byte(b[8:])).Unmap(), Port: binary.BigEndian.Uint16(b[2:])}
	if len(b) >= sizeofSockaddrIn6 && scoped(a.Addr) {
		a.NIC = tcpip.NICID(binary.NativeEndian.Uint32(b[24:]))
	}
	return a
}

// scoped reports whether a means something different on each link, so that sin6_scope_id counts.
func scoped(a netip.Addr) bool {
	return a.Is6() && (a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast() || a.IsInterfaceLocalMulticast())
}

// encode returns a as a socket of the family shows it: IPv4 on an IPv6 socket is mapped. The zero Addr is
// the family's unspecified one.
func encode(family int, a tcpip.FullAddress) []byte {
	if family == AF_INET {
		b := make([]byte, sizeofSockaddrIn)
		binary.NativeEndian.PutUint16(b, AF_INET)
		binary.BigEndian.PutUint16(b[2:], a.Port)
		if a.Addr.Is4() {
			ip := a.Addr.As4()
			copy(b[4:], ip[:])
		}
		return b
	}
	b := make([]byte, sizeofSockaddrIn6)
	binary.NativeEndian.PutUint16(b, AF_INET6)
	binary.BigEndian.PutUint16(b[2:], a.Port)
	if a.Addr.IsValid() {
		ip := a.Addr.As16()
		copy(b[8:], ip[:])
	}
	if scoped(a.Addr) {
		binary.NativeEndian.PutUint32(b[24:], uint32(a.NIC))
	}
	return b
}
