package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	gtcpip "gvisor.dev/gvisor/pkg/tcpip"
	ggonet "gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	gtcp "gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	gwaiter "gvisor.dev/gvisor/pkg/waiter"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
	"github.com/seed963a8790/netstack/transport"
	"github.com/seed963a8790/netstack/transport/tcp"
)

var flowScenarios = []scenario{
	{id: "flows-idle", unit: "B/flow", lower: true, run: idleFlows},
	{id: "flows-busy", unit: "B/flow", lower: true, run: busyFlows},
}

const (
	idleFlowCount = 10000
	busyFlowCount = 1000
	upstreamPort  = 5003
)

// proxied is two stacks: that of clients and servers, and a proxy that takes every connection over and joins it with one of
// its own to a server. A flow is thus four ends and what joins them.
type proxied struct {
	env
	dial   func() (net.Conn, error)
	listen func() (net.Listener, error)
}

func newProxied(p peer) (*proxied, error) {
	switch p {
	case ours, gvisor:
	default:
		return nil, errNotHere
	}
	e, err := newEnv(p, shapePipe)
	if err != nil {
		return nil, err
	}
	if p == ours {
		return oursProxied(e.(*oursEnv))
	}
	return gvisorProxied(e.(*gvisorEnv))
}

// far is where the clients want to go: nobody has that address.
const far = "203.0.113.7"

func oursProxied(e *oursEnv) (*proxied, error) {
	nic := e.server.NICs()[0]
	nic.SetPromiscuous(true)
	nic.SetSpoofing(true)
	if err := e.client.AddRoute(stack.RouteEntry{Destination: netip.MustParsePrefix("0.0.0.0/0"), Gateway: e.to}); err != nil {
		return nil, err
	}
	o := transport.HandleOptions{MaxPerSource: tcpip.Set(4096)}
	_, err := gonet.HandleTCP(e.server, o, func(r *gonet.TCPRequest) {
		go func() {
			up, err := (&gonet.Dialer{Stack: e.server}).Dial("tcp4", fmt.Sprintf("10.0.0.1:%d", upstreamPort))
			if err != nil {
				r.Reject(transport.RejectReset)
				return
			}
			down, err := r.Accept(context.Background(), tcp.AcceptOptions{})
			if err != nil {
				up.Close()
				return
			}
			gonet.Join(down, up)
		}()
	})
	return &proxied{
		env: e,
		dial: func() (net.Conn, error) {
			return (&gonet.Dialer{Stack: e.client}).Dial("tcp4", fmt.Sprintf("%s:%d", far, bulkPort))
		},
		listen: func() (net.Listener, error) {
			l := gonet.ListenConfig{Stack: e.client}
			return l.Listen(context.Background(), "tcp4", fmt.Sprintf("10.0.0.1:%d", upstreamPort))
		},
	}, err
}

func gvisorProxied(e *gvisorEnv) (*proxied, error) {
	e.server.SetPromiscuousMode(1, true)
	e.server.SetSpoofing(1, true)
	upstream := gtcpip.FullAddress{NIC: 1, Addr: gtcpip.AddrFrom4([4]byte{10, 0, 0, 1}), Port: upstreamPort}
	f := gtcp.NewForwarder(e.server, 0, 4096, func(r *gtcp.ForwarderRequest) {
		up, err := ggonet.DialContextTCP(context.Background(), e.server, upstream, ipv4.ProtocolNumber)
		if err != nil {
			r.Complete(true)
			return
		}
		var q gwaiter.Queue
		ep, gerr := r.CreateEndpoint(&q)
		r.Complete(gerr != nil)
		if gerr != nil {
			up.Close()
			return
		}
		down := ggonet.NewTCPConn(&q, ep)
		go func() {
			var other sync.WaitGroup
			other.Go(func() { io.Copy(down, up); down.CloseWrite() })
			io.Copy(up, down)
			up.CloseWrite()
			other.Wait()
			down.Close()
			up.Close()
		}()
	})
	e.server.SetTransportProtocolHandler(gtcp.ProtocolNumber, f.HandlePacket)
	to := gtcpip.FullAddress{NIC: 1, Addr: gtcpip.AddrFrom4(netip.MustParseAddr(far).As4()), Port: bulkPort}
	return &proxied{
		env: e,
		dial: func() (net.Conn, error) {
			c, err := ggonet.DialContextTCP(context.Background(), e.client, to, ipv4.ProtocolNumber)
			if err != nil {
				return nil, fmt.Errorf("gvisor dial: %w", err)
			}
			return c, nil
		},
		listen: func() (net.Listener, error) { return ggonet.ListenTCP(e.client, upstream, ipv4.ProtocolNumber) },
	}, nil
}

// flows makes connections that go through the proxy, each of which has carried a few bytes each way. It returns the clients', the
// servers', and what closes them.
func (p *proxied) flows(count int) (clients, servers []net.Conn, stop func(), err error) {
	l, err := p.listen()
	if err != nil {
		return nil, nil, nil, err
	}
	stop = func() {
		for _, c := range append(clients, servers...) {
			if t, ok := c.(interface{ SetLinger(int) error }); ok {
				_ = t.SetLinger(0)
			}
			c.Close()
		}
		l.Close()
	}
	msg := make([]byte, rrBytes)
	for i := range count {
		c, err := p.dial()
		if err != nil {
			return nil, nil, stop, fmt.Errorf("flow %d: %w", i, err)
		}
		clients = append(clients, c)
		s, err := l.Accept()
		if err != nil {
			return nil, nil, stop, fmt.Errorf("flow %d: %w", i, err)
		}
		servers = append(servers, s)
		for _, way := range [][2]net.Conn{{c, s}, {s, c}} {
			if _, err := way[0].Write(msg); err != nil {
				return nil, nil, stop, err
			}
			if _, err := io.ReadFull(way[1], msg); err != nil {
				return nil, nil, stop, err
			}
		}
	}
	return clients, servers, stop, nil
}

// idleFlows returns the memory that each of 10,000 idle flows takes.
func idleFlows(p peer, _ time.Duration) (float64, error) {
	e, err := newProxied(p)
	if err != nil {
		return 0, err
	}
	defer e.Close()
	before, _ := footprint(p)
	_, _, stop, err := e.flows(idleFlowCount)
	if stop != nil {
		defer stop()
	}
	if err != nil {
		return 0, err
	}
	after, _ := footprint(p)
	return (after - before) / idleFlowCount, nil
}

// busyFlows has 1,000 flows send as fast as they can, and returns the memory that each takes meanwhile, bytes.
func busyFlows(p peer, length time.Duration) (float64, error) {
	e, err := newProxied(p)
	if err != nil {
		return 0, err
	}
	defer e.Close()
	before, _ := footprint(p)
	clients, servers, stop, err := e.flows(busyFlowCount)
	if err != nil {
		if stop != nil {
			stop()
		}
		return 0, err
	}
	var running sync.WaitGroup
	data := make([]byte, 64<<10)
	for i := range clients {
		running.Go(func() {
			for {
				if _, err := clients[i].Write(data); err != nil {
					return
				}
			}
		})
		running.Go(func() {
			_, _ = io.Copy(io.Discard, struct{ io.Reader }{servers[i]}) // by Read, on either stack
		})
	}
	time.Sleep(length) // until windows are open
	during, _ := footprint(p)
	stop()
	running.Wait()
	return (during - before) / busyFlowCount, nil
}
