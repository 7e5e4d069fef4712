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

// Dialer connects from a stack, in the way of net.Dialer. Only Stack is needed. It is safe for
// concurrent use.
type Dialer struct {
	Stack *stack.Stack

	// LocalAddr is the address to connect from, a *net.TCPAddr or *net.UDPAddr; nil leaves it to the
	// routes.
	LocalAddr net.Addr
	// NIC is the only one to use (SO_BINDTOIFINDEX); 0 is any.
	NIC tcpip.NICID
	// Timeout bounds the attempt, on the stack's clock; unset, TCP itself gives up after its retries.
	Timeout tcpip.Opt[time.Duration]
	// KeepAliveConfig is set on TCP connections. Unlike in package net, its zero value is off.
	KeepAliveConfig net.KeepAliveConfig
	// FastOpen lets the first Write go with the SYN (TCP_FASTOPEN_CONNECT, RFC 7413) where a cookie of the peer is
	// known: Dial then returns at once, errors of the attempt are those of Write and Read, and who reads before writing
	// waits for ever. The data may reach the peer's user twice.
	FastOpen bool
	// Control, if not nil, is called with each new endpoint before it is bound and connected, to set
	// options.
	Control func(network string, ep stack.Endpoint) error
}

// Dial is DialContext with context.Background().
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialContext connects to an address "host:port" of the network "tcp", "tcp4", "tcp6", "udp", "udp4" or
// "udp6". The host is an IP address, with a zone that names a NIC where it needs one; empty it is this
// stack. When ctx ends before the connection stands, the attempt is given up with ctx's error.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	n, err := parseNetwork(network)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	remote, err := parseAddress(ctx, n, address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	local, err := toAddrPort(d.LocalAddr)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	if n.proto == header.ProtocolUDP {
		c, err := d.DialUDP(ctx, network, local, remote)
		if err != nil {
			return nil, err
		}
		return c, nil
	}
	c, err := d.DialTCP(ctx, network, local, remote)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// DialTCP connects to remote. If local is not zero it is used instead of LocalAddr.
func (d *Dialer) DialTCP(ctx context.Context, network string, local, remote netip.AddrPort) (*TCPConn, error) {
	ep, err := d.dial(ctx, network, header.ProtocolTCP, local, remote)
	if err != nil {
		return nil, err
	}
	return NewTCPConn(ep), nil
}

// DialUDP connects a socket to remote, which sends nothing. If local is not zero it is used instead of
// LocalAddr.
func (d *Dialer) DialUDP(ctx context.Context, network string, local, remote netip.AddrPort) (*UDPConn, error) {
	ep, err := d.dial(ctx, network, header.ProtocolUDP, local, remote)
	if err != nil {
		return nil, err
	}
	return NewUDPConn(ep), nil
}

// attempt is one dial under way.
type attempt struct {
	*Dialer
	net           network
	local, remote tcpip.FullAddress
	ep            stack.Endpoint
}

func (d *Dialer) dial(ctx context.Context, network string, proto header.Protocol, local, remote netip.AddrPort) (stack.Endpoint, error) {
	a := attempt{Dialer: d}
	err := a.prepare(network, proto, local, remote)
	if err == nil {
		err = a.run(ctx)
	}
	if err == nil {
		return a.ep, nil
	}
	if a.ep != nil {
		a.ep.Close()
	}
	e := &net.OpError{Op: "dial", Net: network, Err: plain(err)}
	if d.Stack != nil {
		c := conn{network: a.net.name, local: a.local, remote: a.remote}
		e.Source, e.Addr = c.describe(d.Stack)
	}
	return nil, e
}

// describe returns both ends as addresses, nil where there is none.
func (c *conn) describe(s *stack.Stack) (local, remote net.Addr) {
	of := func(a tcpip.FullAddress) net.Addr {
		switch {
		case a == (tcpip.FullAddress{}):
			return nil
		case c.network == "udp":
			return udpAddr(s, a)
		}
		return tcpAddr(s, a)
	}
	return of(c.local), of(c.remote)
}

// prepare sorts the addresses out.
func (a *attempt) prepare(network string, proto header.Protocol, local, remote netip.AddrPort) (err error) {
	if a.Stack == nil {
		return errNoStack
	}
	if a.net, err = parseNetwork(network); err != nil {
		return err
	}
	if a.net.proto != proto {
		return net.UnknownNetworkError(network)
	}
	if !local.Addr().IsValid() && local.Port() == 0 && a.LocalAddr != nil {
		if local, err = toAddrPort(a.LocalAddr); err != nil {
			return err
		}
	}
	if a.local, err = fullAddress(a.Stack, local); err != nil {
		return err
	}
	if a.remote, err = fullAddress(a.Stack, remote); err != nil {
		return err
	}
	if !a.remote.Addr.IsValid() || a.remote.Addr.IsUnspecified() { // this stack, as on Linux
		v4 := a.net.v4 && !a.local.Addr.Is6() && !a.remote.Addr.Is6() && a.Stack.Internet(header.EtherTypeIPv4) != nil
		a.remote.Addr = netip.IPv6Loopback()
		if v4 {
			a.remote.Addr = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
	}
	if a.local.Addr.IsValid() && a.local.Addr.IsUnspecified() {
		a.local.Addr = netip.Addr{}
	}
	if !a.net.has(a.remote.Addr) || a.local.Addr.IsValid() && a.local.Addr.Is4() != a.remote.Addr.Is4() {
		return errNoSuitable
	}
	return nil
}

// run makes the endpoint and connects it.
func (a *attempt) run(ctx context.Context) (err error) {
	if err = ctx.Err(); err != nil {
		return err
	}
	netProto := header.EtherTypeIPv6
	if a.remote.Addr.Is4() {
		netProto = header.EtherTypeIPv4
	}
	if a.ep, err = a.Stack.NewEndpoint(a.net.proto, netProto); err != nil {
		return err
	}
	if err = a.configure(); err != nil {
		return err
	}
	if a.local.Addr.IsValid() || a.local.Port != 0 {
		if err = a.ep.Bind(a.local); err != nil {
			return err
		}
	}
	if a.remote == (tcpip.FullAddress{}) { // which would disconnect
		a.remote.Addr = netip.IPv6Unspecified()
	}
	err = a.ep.Connect(a.remote)
	if err == tcpip.ErrInProgress {
		err = a.await(ctx)
	}
	return err
}

func (a *attempt) configure() error {
	if a.NIC != 0 {
		if err := a.ep.SetOption(tcpip.SO_BINDTOIFINDEX, int(a.NIC)); err != nil {
			return err
		}
	}
	if a.net.proto == header.ProtocolTCP {
		if err := setStreamDefaults(a.ep, a.KeepAliveConfig); err != nil {
			return err
		}
		if a.FastOpen {
			if err := a.ep.SetOption(tcp.TCP_FASTOPEN_CONNECT, 1); err != nil {
				return err
			}
		}
	} else if err := a.ep.SetOption(tcpip.SO_BROADCAST, 1); err != nil {
		return err
	}
	if a.Control != nil {
		return a.Control(a.net.name, a.ep)
	}
	return nil
}

// setStreamDefaults gives a connection, or a listener for those that it accepts, what package net
// gives them.
func setStreamDefaults(ep tcpip.Endpoint, k net.KeepAliveConfig) error {
	if err := ep.SetOption(tcp.TCP_NODELAY, 1); err != nil {
		return err
	}
	if !k.Enable {
		return nil
	}
	return setKeepAlive(ep, k)
}

// await waits for the outcome of Connect.
func (a *attempt) await(ctx context.Context) error {
	if a.ep.Readiness(waiter.Writable) == 0 {
		if err := a.wait(ctx); err != nil {
			return err
		}
	}
	if err := a.ep.LastError(); err != nil {
		return err
	}
	if a.ep.Readiness(waiter.Writable)&waiter.HangUp != 0 { // closed under us
		return tcpip.ErrConnAborted
	}
	return nil
}

// wait waits until the endpoint is writable, which it is when the attempt has failed, too.
func (a *attempt) wait(ctx context.Context) error {
	w := waiter.NewChannel(waiter.Writable)
	a.ep.Waiters().Register(w)
	defer a.ep.Waiters().Unregister(w)
	defer context.AfterFunc(ctx, w.Signal)()
	clock := a.Stack.Clock()
	end := tcpip.Time(0)
	if d, ok := a.Timeout.Get(); ok {
		d = min(d, farthest)
		end = clock.Now().Add(d)
		defer clock.AfterFunc(d, w.Signal).Stop()
	}
	for a.ep.Readiness(waiter.Writable) == 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if end != 0 && clock.Now() >= end {
			return timeoutError{}
		}
		<-w.C()
	}
	return nil
}
