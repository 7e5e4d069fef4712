package gonet

import (
	"context"
	"net"
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// PingConn is a ping socket: a net.PacketConn and, connected, a net.Conn, whose datagrams are ICMP messages from their type
// on. Echo requests are written, of which the stack fills in identifier and checksum; the replies to them are read. All
// methods are safe for concurrent use.
type PingConn struct{ conn }

var (
	_ net.Conn       = (*PingConn)(nil)
	_ net.PacketConn = (*PingConn)(nil)
)

// NewPingConn returns a connection over ep, a ping endpoint, which it takes.
func NewPingConn(ep stack.Endpoint) *PingConn {
	c := &PingConn{}
	c.init(ep, "ping")
	return c
}

// DialPing opens a ping socket that speaks to remote alone; from local, unless that is zero. LocalAddr is not used.
func (d *Dialer) DialPing(ctx context.Context, local, remote netip.Addr) (*PingConn, error) {
	local, remote = local.Unmap(), remote.Unmap()
	c, err := d.dialPing(ctx, local, remote)
	if err != nil {
		e := &net.OpError{Op: "dial", Net: "ping", Addr: ipAddr(remote), Err: plain(err)}
		if local.IsValid() {
			e.Source = ipAddr(local)
		}
		return nil, e
	}
	return c, nil
}

func (d *Dialer) dialPing(ctx context.Context, local, remote netip.Addr) (*PingConn, error) {
	if d.Stack == nil {
		return nil, errNoStack
	}
	if !remote.IsValid() || local.IsValid() && local.Is4() != remote.Is4() {
		return nil, errNoSuitable
	}
	to, err := fullAddress(d.Stack, netip.AddrPortFrom(remote, 0))
	if err != nil {
		return nil, err
	}
	c, err := openPing(ctx, d.Stack, local, remote.Is6(), d.NIC, d.Control)
	if err != nil {
		return nil, err
	}
	if err := c.ep.Connect(to); err != nil {
		c.Close()
		return nil, err
	}
	c.local, c.remote = c.ep.LocalAddress(), to
	return c, nil
}

// ListenPing opens a ping socket at one of the stack's addresses, or, unspecified, at all of its family.
func (l *ListenConfig) ListenPing(ctx context.Context, local netip.Addr) (*PingConn, error) {
	local = local.Unmap()
	var c *PingConn
	var err error
	switch {
	case l.Stack == nil:
		err = errNoStack
	case !local.IsValid():
		err = errNoSuitable
	default:
		c, err = openPing(ctx, l.Stack, local, local.Is6(), l.NIC, l.Control)
	}
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "ping", Addr: ipAddr(local), Err: plain(err)}
	}
	c.showAny(local)
	return c, nil
}

// openPing makes a socket, bound to local where that is an address.
func openPing(ctx context.Context, s *stack.Stack, local netip.Addr, v6 bool, nic tcpip.NICID, control func(string, stack.Endpoint) error) (*PingConn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	proto, family := header.ProtocolICMPv4, header.EtherTypeIPv4
	if v6 {
		proto, family = header.ProtocolICMPv6, header.EtherTypeIPv6
	}
	var from tcpip.FullAddress
	if local.IsValid() && !local.IsUnspecified() {
		var err error
		if from, err = fullAddress(s, netip.AddrPortFrom(local, 0)); err != nil {
			return nil, err
		}
	}
	ep, err := s.NewEndpoint(proto, family)
	if err != nil {
		return nil, err
	}
	if nic != 0 {
		err = ep.SetOption(tcpip.SO_BINDTOIFINDEX, int(nic))
	}
	if err == nil && control != nil {
		err = control("ping", ep)
	}
	if err == nil {
		err = ep.Bind(from)
	}
	if err != nil {
		ep.Close()
		return nil, err
	}
	return NewPingConn(ep), nil
}

func ipAddr(a netip.Addr) *net.IPAddr { return &net.IPAddr{IP: a.AsSlice(), Zone: a.Zone()} }

// LocalAddr returns the local end, a *net.IPAddr.
func (c *PingConn) LocalAddr() net.Addr { return ipAddr(withZone(c.ep.Stack(), c.local)) }

// RemoteAddr returns the peer, a *net.IPAddr; nil where there is none.
func (c *PingConn) RemoteAddr() net.Addr {
	if !c.remote.Addr.IsValid() {
		return nil
	}
	return ipAddr(withZone(c.ep.Stack(), c.remote))
}

// Identifier returns the identifier of the socket's echo requests.
func (c *PingConn) Identifier() uint16 { return c.ep.LocalAddress().Port }

// receive takes one message into b, and waits if there is none. A connected socket leaves out what others say.
func (c *PingConn) receive(b []byte) (tcpip.Received, error) {
	c.in.turn.Lock()
	defer c.in.turn.Unlock()
	for {
		if err := c.check(&c.in); err != nil {
			return tcpip.Received{}, err
		}
		r, err := c.ep.Read(b, tcpip.ReadOptions{})
		switch {
		case isBlocked(err):
			c.wait(&c.in, waiter.Readable)
		case err == nil && c.remote.Addr.IsValid() && r.From.Addr != c.remote.Addr:
		default:
			return r, err
		}
	}
}

// Read takes one message into b; what does not fit is lost.
func (c *PingConn) Read(b []byte) (int, error) {
	n, _, err := c.ReadFromAddr(b)
	return n, err
}

// ReadFromAddr is Read that tells who sent it.
func (c *PingConn) ReadFromAddr(b []byte) (int, netip.Addr, error) {
	r, err := c.receive(b)
	if err != nil {
		return 0, netip.Addr{}, c.fail("read", err)
	}
	return r.Count, withZone(c.ep.Stack(), r.From), nil
}

// ReadFrom is ReadFromAddr with a *net.IPAddr.
func (c *PingConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, a, err := c.ReadFromAddr(b)
	if err != nil {
		return n, nil, err
	}
	return n, ipAddr(a), nil
}

// Write sends a message to the connected peer.
func (c *PingConn) Write(b []byte) (int, error) { return c.send(b, tcpip.WriteOptions{}) }

// WriteToAddr sends a message to somebody. On a connected socket it fails with net.ErrWriteToConnected.
func (c *PingConn) WriteToAddr(b []byte, to netip.Addr) (int, error) {
	if c.remote.Addr.IsValid() {
		return 0, c.fail("write", net.ErrWriteToConnected)
	}
	if !to.IsValid() {
		return 0, c.fail("write", tcpip.ErrDestinationRequired)
	}
	a, err := fullAddress(c.ep.Stack(), netip.AddrPortFrom(to.Unmap(), 0))
	if err != nil {
		return 0, c.fail("write", err)
	}
	return c.send(b, tcpip.WriteOptions{To: a})
}

// WriteTo is WriteToAddr with a net.Addr: a *net.IPAddr, or a *net.UDPAddr, whose port means nothing.
func (c *PingConn) WriteTo(b []byte, to net.Addr) (int, error) {
	var ip net.IP
	var zone string
	switch a := to.(type) {
	case *net.IPAddr:
		ip, zone = a.IP, a.Zone
	case *net.UDPAddr:
		ip, zone = a.IP, a.Zone
	}
	a, ok := netip.AddrFromSlice(ip)
	if !ok {
		return 0, c.fail("write", tcpip.ErrInvalid)
	}
	return c.WriteToAddr(b, a.Unmap().WithZone(zone))
}

func (c *PingConn) send(b []byte, o tcpip.WriteOptions) (int, error) {
	c.out.turn.Lock()
	defer c.out.turn.Unlock()
	for {
		if err := c.check(&c.out); err != nil {
			return 0, c.fail("write", err)
		}
		n, err := c.ep.Write(b, o)
		if isBlocked(err) {
			c.wait(&c.out, waiter.Writable)
			continue
		}
		return n, c.fail("write", err)
	}
}
