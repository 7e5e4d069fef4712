package tcpip

import (
	"net/netip"
	"strconv"
)

// NICID names a NIC of a stack. NICs are numbered from 1 in the order in which they are added, as
// Linux numbers interfaces; 0 means "any" or "not said".
type NICID int32

// FullAddress is one end of a conversation: where a socket is bound, whom it talks to, who sent a
// datagram. Addr is never an IPv4-mapped IPv6 address inside the stack and carries no zone: the NIC
// field says what a zone would. The zero Addr stands for "any address of the family".
type FullAddress struct {
	NIC  NICID
	Addr netip.Addr
	Port uint16
}

// AddrFrom returns the FullAddress of ap, with an IPv4-mapped address unmapped. A numeric zone
// becomes the NIC; a zone of another form is the caller's to resolve.
func AddrFrom(ap netip.AddrPort) FullAddress {
	a := FullAddress{Addr: ap.Addr().Unmap(), Port: ap.Port()}
	if z := a.Addr.Zone(); z != "" {
		if n, err := strconv.ParseInt(z, 10, 32); err == nil && n > 0 {
			a.NIC = NICID(n)
		}
		a.Addr = a.Addr.WithZone("")
	}
	return a
}

// AddrPort returns the address and port.
func (a FullAddress) AddrPort() netip.AddrPort { return netip.AddrPortFrom(a.Addr, a.Port) }

// String returns the address in the form host:port, followed by the NIC where one is set.
func (a FullAddress) String() string {
	s := a.AddrPort().String()
	if a.NIC != 0 {
		s += "@" + strconv.Itoa(int(a.NIC))
	}
	return s
}
