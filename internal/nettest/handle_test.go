package nettest

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/net/nettest"

	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
	"github.com/seed963a8790/netstack/transport"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// taken makes connections to a host that is not there, which a program has taken over.
func taken(t *testing.T, address string, o tcp.AcceptOptions) nettest.MakePipe {
	return func() (c1, c2 net.Conn, stop func(), err error) {
		n, err := overPipe(pipe.Options{})()
		if err != nil {
			return nil, nil, nil, err
		}
		nic := n.to.NICs()[0]
		nic.SetPromiscuous(true)
		nic.SetSpoofing(true)
		for all, gateway := range map[string]string{"0.0.0.0/0": "192.0.2.2", "::/0": "2001:db8::2"} {
			if err := n.from.AddRoute(stack.RouteEntry{Destination: netip.MustParsePrefix(all), Gateway: netip.MustParseAddr(gateway)}); err != nil {
				return nil, nil, nil, err
			}
		}
		conns := make(chan net.Conn, 1)
		h, err := gonet.HandleTCP(n.to, transport.HandleOptions{}, func(r *gonet.TCPRequest) {
			c, err := r.Accept(context.Background(), o)
			if err != nil {
				t.Error(err)
			}
			conns <- c
		})
		if err != nil {
			return nil, nil, nil, err
		}
		if c1, err = (&gonet.Dialer{Stack: n.from}).Dial("tcp", address); err != nil {
			return nil, nil, nil, err
		}
		c2 = <-conns
		return c1, c2, func() {
			h.Close()
			_ = c1.Close()
			_ = c2.Close()
			if err := n.close(); err != nil {
				t.Error(err)
			}
		}, nil
	}
}

func TestHandledConn(t *testing.T) {
	for _, c := range []struct {
		name, address string
		o             tcp.AcceptOptions
	}{
		{"IPv4", "203.0.113.7:80", tcp.AcceptOptions{}},
		{"IPv6", "[2001:db8:ffff::7]:80", tcp.AcceptOptions{}},
		{"AtOnce", "203.0.113.7:80", tcp.AcceptOptions{AtOnce: true}},
	} {
		t.Run(c.name, func(t *testing.T) { nettest.TestConn(t, taken(t, c.address, c.o)) })
	}
}

// joined makes pairs of connections that gonet.Join has made one: whatever kind the two in the middle are of, the ends see a
// connection as any other.
func joined(t *testing.T, middle func(n network) (net.Listener, func() (net.Conn, error), error)) nettest.MakePipe {
	return func() (c1, c2 net.Conn, stop func(), err error) {
		n, err := overPipe(pipe.Options{})()
		if err != nil {
			return nil, nil, nil, err
		}
		front, err := (&gonet.ListenConfig{Stack: n.to}).Listen(context.Background(), "tcp", "192.0.2.2:1")
		if err != nil {
			return nil, nil, nil, err
		}
		back, dial, err := middle(n)
		if err != nil {
			return nil, nil, nil, err
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			a, err := front.Accept()
			if err != nil {
				return
			}
			b, err := dial()
			if err != nil {
				a.Close()
				return
			}
			gonet.Join(a, b)
		}()
		if c1, err = (&gonet.Dialer{Stack: n.from}).Dial("tcp", "192.0.2.2:1"); err != nil {
			return nil, nil, nil, err
		}
		if c2, err = back.Accept(); err != nil {
			return nil, nil, nil, err
		}
		return c1, c2, func() {
			front.Close()
			back.Close()
			_ = c1.Close()
			_ = c2.Close()
			<-done
			if err := n.close(); err != nil {
				t.Error(err)
			}
		}, nil
	}
}

func TestJoined(t *testing.T) {
	t.Run("ours", func(t *testing.T) {
		nettest.TestConn(t, joined(t, func(n network) (net.Listener, func() (net.Conn, error), error) {
			l, err := (&gonet.ListenConfig{Stack: n.from}).Listen(context.Background(), "tcp", "192.0.2.1:2")
			return l, func() (net.Conn, error) { return (&gonet.Dialer{Stack: n.to}).Dial("tcp", "192.0.2.1:2") }, err
		}))
	})
	t.Run("kernel", func(t *testing.T) {
		nettest.TestConn(t, joined(t, func(network) (net.Listener, func() (net.Conn, error), error) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return nil, nil, err
			}
			return l, func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) }, nil
		}))
	})
}
