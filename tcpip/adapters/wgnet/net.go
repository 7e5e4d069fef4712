package wgnet

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
)

func (n *Net) dialer() *gonet.Dialer { return &gonet.Dialer{Stack: n.stack} }

// addrPort returns what a *net.TCPAddr or *net.UDPAddr says; of nil or one without an IP, only a port is left.
func addrPort(ip net.IP, port int, zone string) netip.AddrPort {
	a, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(a.Unmap().WithZone(zone), uint16(port))
}

func tcpAddrPort(a *net.TCPAddr) netip.AddrPort {
	if a == nil {
		return netip.AddrPort{}
	}
	return addrPort(a.IP, a.Port, a.Zone)
}

func udpAddrPort(a *net.UDPAddr) netip.AddrPort {
	if a == nil {
		return netip.AddrPort{}
	}
	return addrPort(a.IP, a.Port, a.Zone)
}

// DialContextTCPAddrPort connects to addr.
func (n *Net) DialContextTCPAddrPort(ctx context.Context, addr netip.AddrPort) (*gonet.TCPConn, error) {
	return n.dialer().DialTCP(ctx, "tcp", netip.AddrPort{}, addr)
}

// DialContextTCP is DialContextTCPAddrPort with a *net.TCPAddr.
func (n *Net) DialContextTCP(ctx context.Context, addr *net.TCPAddr) (*gonet.TCPConn, error) {
	return n.DialContextTCPAddrPort(ctx, tcpAddrPort(addr))
}

// DialTCPAddrPort is DialContextTCPAddrPort without a context.
func (n *Net) DialTCPAddrPort(addr netip.AddrPort) (*gonet.TCPConn, error) {
	return n.DialContextTCPAddrPort(context.Background(), addr)
}

// DialTCP is DialContextTCP without a context.
func (n *Net) DialTCP(addr *net.TCPAddr) (*gonet.TCPConn, error) {
	return n.DialContextTCP(context.Background(), addr)
}

// ListenTCPAddrPort listens for connections. Without an address it listens at every one; port 0 is one that is free.
func (n *Net) ListenTCPAddrPort(addr netip.AddrPort) (*gonet.TCPListener, error) {
	return (&gonet.ListenConfig{Stack: n.stack}).ListenTCP(context.Background(), "tcp", hostPort(addr))
}

// ListenTCP is ListenTCPAddrPort with a *net.TCPAddr.
func (n *Net) ListenTCP(addr *net.TCPAddr) (*gonet.TCPListener, error) {
	return n.ListenTCPAddrPort(tcpAddrPort(addr))
}

// hostPort writes an address, valid or not, as package net takes it.
func hostPort(a netip.AddrPort) string {
	if a.Addr().IsValid() {
		return a.String()
	}
	return netip.AddrPortFrom(netip.IPv6Unspecified(), a.Port()).String()[len("[::]"):]
}

// DialUDPAddrPort opens a socket at laddr that speaks to raddr alone; without raddr, to anybody.
func (n *Net) DialUDPAddrPort(laddr, raddr netip.AddrPort) (*gonet.UDPConn, error) {
	if !raddr.IsValid() && raddr.Port() == 0 {
		return (&gonet.ListenConfig{Stack: n.stack}).ListenUDP(context.Background(), "udp", hostPort(laddr))
	}
	return n.dialer().DialUDP(context.Background(), "udp", laddr, raddr)
}

// DialUDP is DialUDPAddrPort with *net.UDPAddrs, either of which may be nil.
func (n *Net) DialUDP(laddr, raddr *net.UDPAddr) (*gonet.UDPConn, error) {
	return n.DialUDPAddrPort(udpAddrPort(laddr), udpAddrPort(raddr))
}

// ListenUDPAddrPort opens a socket at laddr.
func (n *Net) ListenUDPAddrPort(laddr netip.AddrPort) (*gonet.UDPConn, error) {
	return n.DialUDPAddrPort(laddr, netip.AddrPort{})
}

// ListenUDP is ListenUDPAddrPort with a *net.UDPAddr.
func (n *Net) ListenUDP(laddr *net.UDPAddr) (*gonet.UDPConn, error) {
	return n.ListenUDPAddrPort(udpAddrPort(laddr))
}

// Dial is DialContext without a context.
func (n *Net) Dial(network, address string) (net.Conn, error) {
	return n.DialContext(context.Background(), network, address)
}

// DialContext connects to an address of the network "tcp", "udp" or "ping", each of which may end in "4" or "6". A
// name is looked up with LookupContextHost, and its addresses are tried one after another, each for its part of the time that
// ctx leaves.
func (n *Net) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) { return nil, &net.OpError{Op: "dial", Net: network, Err: err} }
	k, ok := kinds[network]
	if !ok {
		return fail(net.UnknownNetworkError(network))
	}
	host, port := address, 0
	if k.name != "ping" {
		var service string
		var err error
		if host, service, err = net.SplitHostPort(address); err != nil {
			return fail(err)
		}
		if port, err = net.DefaultResolver.LookupPort(ctx, k.name, service); err != nil {
			return fail(err)
		}
	}
	names, err := n.LookupContextHost(ctx, host)
	if err != nil {
		return fail(err)
	}
	var all []netip.Addr
	for _, s := range names {
		if a, err := netip.ParseAddr(s); err == nil && (k.v4 && a.Is4() || k.v6 && a.Is6()) {
			all = append(all, a)
		}
	}
	var first error
	for i, a := range all {
		c, err := n.dialPart(ctx, len(all)-i, k, netip.AddrPortFrom(a, uint16(port)))
		if err == nil {
			return c, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	if first == nil {
		return fail(errNoSuitable)
	}
	return nil, first
}

// kind is a network's name taken apart.
type kind struct {
	name   string
	v4, v6 bool
}

var kinds = map[string]kind{
	"tcp": {"tcp", true, true}, "tcp4": {"tcp", true, false}, "tcp6": {"tcp", false, true},
	"udp": {"udp", true, true}, "udp4": {"udp", true, false}, "udp6": {"udp", false, true},
	"ping": {"ping", true, true}, "ping4": {"ping", true, false}, "ping6": {"ping", false, true},
}

var errNoSuitable = errors.New("no address of the network's family")

// dialPart connects to one of several addresses that are left to try, within its share of the time.
func (n *Net) dialPart(ctx context.Context, left int, k kind, to netip.AddrPort) (net.Conn, error) {
	if at, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		part := max(time.Until(at)/time.Duration(left), leastPart)
		ctx, cancel = context.WithTimeout(ctx, part)
		defer cancel()
	}
	switch k.name {
	case "tcp":
		return some(n.DialContextTCPAddrPort(ctx, to))
	case "udp":
		return some(n.DialUDPAddrPort(netip.AddrPort{}, to))
	}
	return some(n.dialPing(ctx, netip.Addr{}, to.Addr()))
}

// leastPart is the least time that an address is given, unless less is left.
const leastPart = 2 * time.Second

// some makes a net.Conn of a connection's own type: a nil pointer is none.
func some[C net.Conn](c C, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	return c, nil
}
