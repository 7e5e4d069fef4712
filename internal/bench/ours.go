package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

// oursEnv is our stack, or two of them.
type oursEnv struct {
	client, server *stack.Stack
	local, to      netip.Addr // of the server, and as the client sees it
}

func newOurs(s shape) (env, error) {
	switch s {
	case shapeLoop:
		a := netip.MustParseAddr("127.0.0.1")
		st, err := oursStack(loopback.New(loopback.Options{}), netip.PrefixFrom(a, 8))
		if err != nil {
			return nil, err
		}
		return &oursEnv{st, st, a, a}, nil
	case shapePipe, shape1500:
		x, y := pipe.New(pipe.Options{MTU: 1500, NoGSO: s == shape1500, NoChecksum: s == shape1500})
		a, err := oursStack(x, netip.MustParsePrefix("10.0.0.1/24"))
		if err != nil {
			return nil, err
		}
		b, err := oursStack(y, netip.MustParsePrefix("10.0.0.2/24"))
		if err != nil {
			return nil, err
		}
		to := netip.MustParseAddr("10.0.0.2")
		return &oursEnv{a, b, to, to}, nil
	}
	return nil, errNotHere
}

func oursStack(link stack.Link, addr netip.Prefix) (*stack.Stack, error) {
	s := stack.New(stack.Options{
		Networks:   []stack.NewNetwork{ipv4.New},
		Transports: []stack.NewTransport{tcp.New, udp.New},
	})
	_, err := s.AddNIC(link, stack.NICOptions{Addresses: []netip.Prefix{addr}})
	return s, err
}

func (e *oursEnv) Listen(port int) (net.Listener, error) {
	l := gonet.ListenConfig{Stack: e.server, Backlog: tcpip.Set(1024)}
	return l.Listen(context.Background(), "tcp4", fmt.Sprintf("%s:%d", e.local, port))
}

func (e *oursEnv) Dial(port int) (net.Conn, error) {
	d := gonet.Dialer{Stack: e.client}
	return d.Dial("tcp4", fmt.Sprintf("%s:%d", e.to, port))
}

func (e *oursEnv) ListenUDP(port int) (net.PacketConn, error) {
	l := gonet.ListenConfig{Stack: e.server}
	return l.ListenPacket(context.Background(), "udp4", fmt.Sprintf("%s:%d", e.local, port))
}

func (e *oursEnv) DialUDP(port int) (net.Conn, error) {
	d := gonet.Dialer{Stack: e.client}
	return d.Dial("udp4", fmt.Sprintf("%s:%d", e.to, port))
}

func (e *oursEnv) Close() {
	e.client.Close()
	e.server.Close()
}
