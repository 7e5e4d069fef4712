package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
	"github.com/seed963a8790/netstack/transport"
	"github.com/seed963a8790/netstack/transport/icmp"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

// rule leads one port to another.
type rule struct {
	network  string // tcp or udp
	from, to netip.AddrPort
}

func parseRule(s string, all *[]rule) error {
	network, rest, _ := strings.Cut(s, ":")
	from, to, _ := strings.Cut(rest, "=")
	a, err1 := netip.ParseAddrPort(from)
	b, err2 := netip.ParseAddrPort(to)
	if network != "tcp" && network != "udp" {
		return net.UnknownNetworkError(network)
	}
	*all = append(*all, rule{network, a, b})
	return errors.Join(err1, err2)
}

// idle is how long a flow of datagrams may be silent.
const idle = 2 * time.Minute

// forward carries connections in both directions until ctx ends or the stack is closed.
func forward(ctx context.Context, s *stack.Stack, o *options) error {
	limits := transport.HandleOptions{MaxPerSource: tcpip.Set(1 << 20)} // there is one guest
	if _, err := gonet.HandleTCP(s, limits, func(r *gonet.TCPRequest) {
		go func() {
			up, err := o.connect(ctx, s, "tcp", r.Dst)
			if err != nil {
				r.Reject(transport.RejectReset)
				return
			}
			down, err := r.Accept(ctx, tcp.AcceptOptions{})
			if err != nil {
				up.Close()
				return
			}
			gonet.Join(down, up)
		}()
	}); err != nil {
		return err
	}
	limits.Timeout = tcpip.Set(idle)
	if _, err := gonet.HandleUDP(s, udp.HandleOptions{HandleOptions: limits}, func(r *gonet.UDPFlow) {
		up, err := o.connect(ctx, s, "udp", r.Dst) // sends nothing, and so does not block
		if err != nil {
			r.Reject(transport.RejectPort)
			return
		}
		down, err := r.Accept(udp.AcceptOptions{})
		if err != nil {
			up.Close()
			return
		}
		go gonet.JoinPackets(down, up)
	}); err != nil {
		return err
	}
	// The host's pings take privileges: refused. Those to the gateway the stack answers.
	if _, err := icmp.HandleEcho(s, limits, func(r *icmp.EchoRequest) { r.Reject(transport.RejectProhibited) }); err != nil {
		return err
	}
	for _, r := range o.in {
		if err := listen(ctx, &gonet.Dialer{Stack: s}, r); err != nil {
			return err
		}
	}
	return nil
}

// connect makes the host's side of a connection of the guest's. The gateway's own ports lead where the rules say.
func (o *options) connect(ctx context.Context, s *stack.Stack, network string, to netip.AddrPort) (net.Conn, error) {
	for _, r := range o.out {
		if r.network == network && r.from == to {
			return o.dial(ctx, network, r.to.String())
		}
	}
	if _, _, ours := s.LocalAddress(to.Addr()); ours {
		return nil, tcpip.ErrConnRefused
	}
	return o.dial(ctx, network, to.String())
}

// listen lets the host's programs reach a port of the guest's.
func listen(ctx context.Context, d *gonet.Dialer, r rule) error {
	dial := func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, r.network, r.to.String()) }
	if r.network == "udp" {
		u, err := net.ListenPacket("udp", r.from.String())
		if err == nil {
			go gonet.RelayPackets(ctx, u, gonet.RelayOptions{Idle: tcpip.Set(idle)}, dial)
		}
		return err
	}
	l, err := net.Listen("tcp", r.from.String())
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { l.Close() })
	go func() {
		for {
			up, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				down, err := dial(ctx)
				if err != nil {
					up.(*net.TCPConn).SetLinger(0) // it was accepted too early
					up.Close()
					return
				}
				gonet.Join(up, down)
			}()
		}
	}()
	return nil
}
