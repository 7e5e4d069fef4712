package gonet

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// LocalAddr returns the local end, a *net.TCPAddr or *net.UDPAddr.
func (c *conn) LocalAddr() net.Addr {
	if c.local.Port == 0 { // not bound when it came here; sending has bound it
		return c.netAddr(c.ep.LocalAddress())
	}
	return c.netAddr(c.local)
}

// RemoteAddr returns the peer, a *net.TCPAddr or *net.UDPAddr; nil where there is none.
func (c *conn) RemoteAddr() net.Addr {
	if c.remote.Port == 0 {
		return nil
	}
	return c.netAddr(c.remote)
}

// showAny makes LocalAddr show any for every address.
func (c *conn) showAny(any netip.Addr) {
	if !c.local.Addr.IsValid() {
		c.local.Addr = any
	}
}

func (c *conn) netAddr(a tcpip.FullAddress) net.Addr {
	switch c.network {
	case "udp":
		return udpAddr(c.ep.Stack(), a)
	case "ping":
		return ipAddr(withZone(c.ep.Stack(), a))
	}
	return tcpAddr(c.ep.Stack(), a)
}

func tcpAddr(s *stack.Stack, a tcpip.FullAddress) *net.TCPAddr {
	ip := withZone(s, a)
	return &net.TCPAddr{IP: ip.AsSlice(), Port: int(a.Port), Zone: ip.Zone()}
}

func udpAddr(s *stack.Stack, a tcpip.FullAddress) *net.UDPAddr {
	ip := withZone(s, a)
	return &net.UDPAddr{IP: ip.AsSlice(), Port: int(a.Port), Zone: ip.Zone()}
}

func addrPort(s *stack.Stack, a tcpip.FullAddress) netip.AddrPort {
	return netip.AddrPortFrom(withZone(s, a), a.Port)
}

// withZone returns the address with the NIC's name as the zone, where the address has no meaning
// without it. Any address is shown as the unspecified one of IPv6, as package net shows it.
func withZone(s *stack.Stack, a tcpip.FullAddress) netip.Addr {
	switch {
	case !a.Addr.IsValid():
		return netip.IPv6Unspecified()
	case a.NIC == 0 || !a.Addr.Is6() || !(a.Addr.IsLinkLocalUnicast() || a.Addr.IsLinkLocalMulticast()):
		return a.Addr
	}
	if nic := s.NIC(a.NIC); nic != nil {
		return a.Addr.WithZone(nic.Name())
	}
	return a.Addr.WithZone(strconv.Itoa(int(a.NIC)))
}

// fullAddress is the other way round: a zone is a NIC's name or number.
func fullAddress(s *stack.Stack, ap netip.AddrPort) (tcpip.FullAddress, error) {
	a := tcpip.AddrFrom(ap)
	zone := ap.Addr().Zone()
	if zone == "" || a.NIC != 0 {
		return a, nil
	}
	for _, nic := range s.NICs() {
		if nic.Name() == zone {
			a.NIC = nic.ID()
			return a, nil
		}
	}
	return a, &net.AddrError{Err: "no such zone", Addr: ap.String()}
}

// network is a network's name taken apart.
type network struct {
	proto  header.Protocol
	name   string // "tcp" or "udp"
	v4, v6 bool
}

func parseNetwork(s string) (network, error) {
	n := network{v4: !strings.HasSuffix(s, "6"), v6: !strings.HasSuffix(s, "4")}
	switch s {
	case "tcp", "tcp4", "tcp6":
		n.proto, n.name = header.ProtocolTCP, "tcp"
	case "udp", "udp4", "udp6":
		n.proto, n.name = header.ProtocolUDP, "udp"
	default:
		return n, net.UnknownNetworkError(s)
	}
	return n, nil
}

// has reports whether the network has addresses of a's family.
func (n network) has(a netip.Addr) bool {
	if a.Unmap().Is4() {
		return n.v4
	}
	return n.v6
}

// parseAddress reads "host:port". The host is an IP address, with a zone that names a NIC where it
// needs one, or empty; the port a number or a service's name. An empty host gives the zero Addr.
func parseAddress(ctx context.Context, n network, address string) (netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port := 0
	if service != "" {
		if port, err = net.DefaultResolver.LookupPort(ctx, n.name, service); err != nil {
			return netip.AddrPort{}, err
		}
	}
	if host == "" {
		return netip.AddrPortFrom(netip.Addr{}, uint16(port)), nil
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrPort{}, &net.AddrError{Err: errNotLiteral.Error(), Addr: host}
	}
	if !n.has(a) {
		return netip.AddrPort{}, &net.AddrError{Err: errNoSuitable.Error(), Addr: host}
	}
	return netip.AddrPortFrom(a, uint16(port)), nil
}

// toAddrPort takes a net.Addr of any kind apart; nil gives the zero AddrPort.
func toAddrPort(a net.Addr) (netip.AddrPort, error) {
	switch a := a.(type) {
	case nil:
		return netip.AddrPort{}, nil
	case *net.TCPAddr:
		if a == nil {
			return netip.AddrPort{}, nil
		}
		return fromIP(a.AddrPort(), a.IP, a.Port), nil
	case *net.UDPAddr:
		if a == nil {
			return netip.AddrPort{}, nil
		}
		return fromIP(a.AddrPort(), a.IP, a.Port), nil
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}, &net.AddrError{Err: "unexpected address type", Addr: a.String()}
	}
	return ap, nil
}

// fromIP mends AddrPort of an address without IP, which is as good as invalid but for its port.
func fromIP(ap netip.AddrPort, ip net.IP, port int) netip.AddrPort {
	if len(ip) == 0 {
		return netip.AddrPortFrom(netip.Addr{}, uint16(port))
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
