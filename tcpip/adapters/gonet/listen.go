package gonet

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/waiter"
)

// defaultBacklog is the backlog of a listener, in connections: Linux's net.core.somaxconn.
const defaultBacklog = 4096

// ListenConfig opens listeners and sockets on a stack, in the way of net.ListenConfig. Only Stack is
// needed. It is safe for concurrent use.
type ListenConfig struct {
	Stack *stack.Stack

	// NIC is the only one to receive from (SO_BINDTOIFINDEX); 0 is any.
	NIC tcpip.NICID
	// Backlog bounds the connections that wait to be accepted and, separately, those that are half
	// open; unset means 4096.
	Backlog tcpip.Opt[int]
	// KeepAliveConfig is set on accepted connections. Unlike in package net, its zero value is off.
	KeepAliveConfig net.KeepAliveConfig
	// ReusePort lets several sockets share an address and what arrives there (SO_REUSEPORT).
	ReusePort bool
	// FastOpen bounds the connections that may begin with data in the SYN, and wait for the end of their handshake
	// (TCP_FASTOPEN, RFC 7413); 0 is none. The stack must have tcp.FastOpenServer.
	FastOpen int
	// Control, if not nil, is called with the new endpoint before it is bound, to set options; accepted
	// connections inherit those.
	Control func(network string, ep stack.Endpoint) error
}

// Listen listens for connections at an address "host:port" of the network "tcp", "tcp4" or "tcp6". An
// empty or unspecified host is every address, with "tcp" of both families; port 0 is one that is free.
// ctx bounds the opening only.
func (l *ListenConfig) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	t, err := l.ListenTCP(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// ListenTCP is Listen with the listener's own type.
func (l *ListenConfig) ListenTCP(ctx context.Context, network, address string) (*TCPListener, error) {
	ep, any, err := l.open(ctx, header.ProtocolTCP, network, address)
	if err != nil {
		return nil, err
	}
	t := NewTCPListener(ep)
	t.conn.showAny(any)
	return t, nil
}

// ListenPacket opens a socket at an address of the network "udp", "udp4" or "udp6".
func (l *ListenConfig) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	u, err := l.ListenUDP(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return u, nil
}

// ListenUDP is ListenPacket with the socket's own type.
func (l *ListenConfig) ListenUDP(ctx context.Context, network, address string) (*UDPConn, error) {
	ep, any, err := l.open(ctx, header.ProtocolUDP, network, address)
	if err != nil {
		return nil, err
	}
	c := NewUDPConn(ep)
	c.showAny(any)
	return c, nil
}

// open makes a bound endpoint. any is how its address is shown where it is every address.
func (l *ListenConfig) open(ctx context.Context, proto header.Protocol, name, address string) (_ stack.Endpoint, any netip.Addr, _ error) {
	var local tcpip.FullAddress
	n, err := parseNetwork(name)
	switch {
	case l.Stack == nil:
		err = errNoStack
	case err == nil && n.proto != proto:
		err = net.UnknownNetworkError(name)
	case err == nil:
		local, err = l.resolve(ctx, n, address)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, any, &net.OpError{Op: "listen", Net: name, Err: plain(err)}
	}
	every := !local.Addr.IsValid() || local.Addr.IsUnspecified()
	netProto := header.EtherTypeIPv6
	any = netip.IPv6Unspecified()
	if !n.v6 || local.Addr.Is4() && !(every && n.v4 && n.v6) || every && n.v4 && l.Stack.Internet(header.EtherTypeIPv6) == nil {
		netProto, any = header.EtherTypeIPv4, netip.IPv4Unspecified()
	}
	if every {
		local.Addr = netip.Addr{}
	}
	ep, err := l.bind(n, netProto, local)
	if err != nil {
		e := &net.OpError{Op: "listen", Net: name, Err: plain(err)}
		_, e.Addr = (&conn{network: n.name, remote: local}).describe(l.Stack)
		return nil, any, e
	}
	return ep, any, nil
}

func (l *ListenConfig) resolve(ctx context.Context, n network, address string) (tcpip.FullAddress, error) {
	ap, err := parseAddress(ctx, n, address)
	if err != nil {
		return tcpip.FullAddress{}, err
	}
	return fullAddress(l.Stack, ap)
}

func (l *ListenConfig) bind(n network, netProto header.EtherType, local tcpip.FullAddress) (stack.Endpoint, error) {
	ep, err := l.Stack.NewEndpoint(n.proto, netProto)
	if err != nil {
		return nil, err
	}
	if err = l.configure(ep, n, netProto); err == nil {
		err = ep.Bind(local)
	}
	if err == nil && n.proto == header.ProtocolTCP {
		err = ep.Listen(l.Backlog.Or(defaultBacklog))
	}
	if err != nil {
		ep.Close()
		return nil, err
	}
	return ep, nil
}

func (l *ListenConfig) configure(ep stack.Endpoint, n network, netProto header.EtherType) error {
	stream := n.proto == header.ProtocolTCP
	for _, o := range [...]struct {
		wanted bool
		id     tcpip.OptionID
		v      int
	}{
		{netProto == header.EtherTypeIPv6, tcpip.IPV6_V6ONLY, number(!n.v4)},
		{stream, tcpip.SO_REUSEADDR, 1},
		{!stream, tcpip.SO_BROADCAST, 1},
		{l.ReusePort, tcpip.SO_REUSEPORT, 1},
		{l.NIC != 0, tcpip.SO_BINDTOIFINDEX, int(l.NIC)},
	} {
		if !o.wanted {
			continue
		}
		if err := ep.SetOption(o.id, o.v); err != nil {
			return err
		}
	}
	if stream {
		if err := setStreamDefaults(ep, l.KeepAliveConfig); err != nil {
			return err
		}
		if l.FastOpen != 0 {
			if err := ep.SetOption(tcp.TCP_FASTOPEN, l.FastOpen); err != nil {
				return err
			}
		}
	}
	if l.Control != nil {
		return l.Control(n.name, ep)
	}
	return nil
}

// TCPListener is a net.Listener over a listening TCP endpoint, with the methods of *net.TCPListener. All
// are safe for concurrent use.
type TCPListener struct{ conn conn }

var _ net.Listener = (*TCPListener)(nil)

// NewTCPListener returns a listener over ep, a TCP endpoint that listens, which it takes.
func NewTCPListener(ep stack.Endpoint) *TCPListener {
	l := &TCPListener{}
	l.conn.init(ep, "tcp")
	l.conn.remote = tcpip.FullAddress{}
	return l
}

// Accept waits for the next connection and returns it, a *TCPConn.
func (l *TCPListener) Accept() (net.Conn, error) {
	c, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	return c, nil
}

// AcceptTCP is Accept with the connection's own type.
func (l *TCPListener) AcceptTCP() (*TCPConn, error) {
	ep, err := l.accept()
	if err != nil {
		return nil, l.conn.fail("accept", err)
	}
	return NewTCPConn(ep), nil
}

func (l *TCPListener) accept() (stack.Endpoint, error) {
	c := &l.conn
	c.in.turn.Lock()
	defer c.in.turn.Unlock()
	for {
		if err := c.check(&c.in); err != nil {
			return nil, err
		}
		ep, err := c.ep.Accept()
		switch {
		case isBlocked(err):
			c.wait(&c.in, waiter.Readable)
		case err == tcpip.ErrConnAborted: // it was reset while it waited: not the caller's concern
		case err != nil:
			return nil, err
		default:
			return ep.(stack.Endpoint), nil // every transport's endpoints are
		}
	}
}

// Addr returns the listener's address, a *net.TCPAddr.
func (l *TCPListener) Addr() net.Addr { return l.conn.LocalAddr() }

// Close stops listening and resets what nobody has accepted. A blocked Accept returns net.ErrClosed.
func (l *TCPListener) Close() error { return l.conn.Close() }

// SetDeadline makes Accept fail with os.ErrDeadlineExceeded from t on; the zero time means never.
func (l *TCPListener) SetDeadline(t time.Time) error { return l.conn.setDeadlines(t, &l.conn.in) }

// Endpoint returns the endpoint below, for the options that have no method here. It remains l's.
func (l *TCPListener) Endpoint() stack.Endpoint { return l.conn.ep }
