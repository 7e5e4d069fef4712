package wgnet

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
)

// PingAddr is a host as ping sees it: a net.Addr without a port.
type PingAddr struct{ addr netip.Addr }

// PingAddrFromAddr returns addr as a PingAddr.
func PingAddrFromAddr(addr netip.Addr) *PingAddr { return &PingAddr{addr.Unmap()} }

// Addr returns the address.
func (a PingAddr) Addr() netip.Addr { return a.addr }

// Network returns "ping4" or "ping6".
func (a PingAddr) Network() string {
	switch {
	case a.addr.Is4():
		return "ping4"
	case a.addr.Is6():
		return "ping6"
	}
	return "ping"
}

// String returns the address as text.
func (a PingAddr) String() string { return a.addr.String() }

// PingConn is a ping socket, a net.Conn and a net.PacketConn with *PingAddrs. Whole ICMP messages are written and read:
// echo requests, of which the stack fills in identifier and checksum, and their replies. Deadlines are those of the embedded
// connection.
type PingConn struct {
	*gonet.PingConn
	local, remote netip.Addr
}

var (
	_ net.Conn       = (*PingConn)(nil)
	_ net.PacketConn = (*PingConn)(nil)
)

var errNotPingAddr = errors.New("not a *PingAddr")

// DialPingAddr opens a ping socket that speaks to raddr, from laddr if that is valid.
func (n *Net) DialPingAddr(laddr, raddr netip.Addr) (*PingConn, error) {
	return n.dialPing(context.Background(), laddr, raddr)
}

func (n *Net) dialPing(ctx context.Context, laddr, raddr netip.Addr) (*PingConn, error) {
	if !raddr.IsValid() {
		return n.ListenPingAddr(laddr)
	}
	c, err := n.dialer().DialPing(ctx, laddr, raddr)
	if err != nil {
		return nil, err
	}
	return &PingConn{c, laddr.Unmap(), raddr.Unmap()}, nil
}

// ListenPingAddr opens a ping socket at laddr that speaks to anybody.
func (n *Net) ListenPingAddr(laddr netip.Addr) (*PingConn, error) {
	c, err := (&gonet.ListenConfig{Stack: n.stack}).ListenPing(context.Background(), laddr)
	if err != nil {
		return nil, err
	}
	return &PingConn{c, laddr.Unmap(), netip.Addr{}}, nil
}

// DialPing is DialPingAddr with *PingAddrs, either of which may be nil.
func (n *Net) DialPing(laddr, raddr *PingAddr) (*PingConn, error) {
	return n.DialPingAddr(laddr.value(), raddr.value())
}

// ListenPing is ListenPingAddr with a *PingAddr.
func (n *Net) ListenPing(laddr *PingAddr) (*PingConn, error) { return n.ListenPingAddr(laddr.value()) }

func (a *PingAddr) value() netip.Addr {
	if a == nil {
		return netip.Addr{}
	}
	return a.addr
}

// LocalAddr returns the address that the socket was opened at, or else the one that the routes have given it, a *PingAddr.
func (c *PingConn) LocalAddr() net.Addr {
	if !c.local.IsValid() {
		if a, ok := c.PingConn.LocalAddr().(*net.IPAddr); ok {
			ip, _ := netip.AddrFromSlice(a.IP)
			return PingAddrFromAddr(ip.WithZone(a.Zone))
		}
	}
	return PingAddrFromAddr(c.local)
}

// RemoteAddr returns the peer, a *PingAddr; that of a socket without one is not valid.
func (c *PingConn) RemoteAddr() net.Addr { return PingAddrFromAddr(c.remote) }

// ReadFrom waits for a message, and returns with it who has sent it, a *PingAddr.
func (c *PingConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromAddr(p)
	if err != nil {
		return n, nil, err
	}
	return n, PingAddrFromAddr(from), nil
}

// WriteTo sends a message to addr, which must be a *PingAddr or PingAddr. The peer of a connected socket is the only one it takes.
func (c *PingConn) WriteTo(p []byte, addr net.Addr) (int, error) {
	var to netip.Addr
	switch a := addr.(type) {
	case *PingAddr:
		to = a.value()
	case PingAddr:
		to = a.addr
	default:
		return 0, &net.OpError{Op: "write", Net: "ping", Addr: addr, Err: errNotPingAddr}
	}
	if c.remote.IsValid() && to.Unmap() == c.remote {
		return c.Write(p)
	}
	return c.WriteToAddr(p, to)
}
