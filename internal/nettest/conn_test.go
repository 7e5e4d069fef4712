package nettest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/network/ipv6"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// network is one or two hosts.
type network struct {
	from, to *stack.Stack
}

func newHost() *stack.Stack {
	return stack.New(stack.Options{
		Networks:   []stack.NewNetwork{ipv4.New, ipv6.New},
		Transports: []stack.NewTransport{tcp.New},
	})
}

func add(s *stack.Stack, l stack.Link, prefixes ...string) error {
	o := stack.NICOptions{}
	for _, p := range prefixes {
		o.Addresses = append(o.Addresses, netip.MustParsePrefix(p))
	}
	_, err := s.AddNIC(l, o)
	return err
}

func overLoopback() (network, error) {
	h := newHost()
	return network{h, h}, add(h, loopback.New(loopback.Options{}), "127.0.0.1/8", "::1/128")
}

// overPipe joins two hosts, which share no address of the loopback.
func overPipe(o pipe.Options) func() (network, error) {
	return func() (network, error) {
		a, b := pipe.New(o)
		n := network{newHost(), newHost()}
		if err := add(n.from, a, "192.0.2.1/24", "2001:db8::1/64"); err != nil {
			return n, err
		}
		return n, add(n.to, b, "192.0.2.2/24", "2001:db8::2/64")
	}
}

func (n network) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, s := range []*stack.Stack{n.from, n.to} {
		s.Close()
	}
	for _, s := range []*stack.Stack{n.from, n.to} {
		if err := s.Wait(ctx); err != nil {
			return err
		}
		packets, bytes := s.LivePackets(), s.Slabs.Live()
		for i := 0; i < 1000 && (packets != 0 || bytes != 0); i++ { // a frame on its way out may hold the last packet
			time.Sleep(time.Millisecond)
			packets, bytes = s.LivePackets(), s.Slabs.Live()
		}
		if packets != 0 || bytes != 0 {
			return fmt.Errorf("leaked %d packets, %d bytes of slabs", packets, bytes)
		}
	}
	return nil
}

// makePipe connects the two hosts at an address of the second.
func makePipe(t *testing.T, hosts func() (network, error), address string) nettest.MakePipe {
	return func() (c1, c2 net.Conn, stop func(), err error) {
		n, err := hosts()
		if err != nil {
			return nil, nil, nil, err
		}
		l, err := (&gonet.ListenConfig{Stack: n.to}).Listen(context.Background(), "tcp", address)
		if err != nil {
			return nil, nil, nil, err
		}
		defer l.Close()
		if c1, err = (&gonet.Dialer{Stack: n.from}).Dial("tcp", l.Addr().String()); err != nil {
			return nil, nil, nil, err
		}
		if c2, err = l.Accept(); err != nil {
			return nil, nil, nil, err
		}
		return c1, c2, func() {
			_ = c1.Close()
			_ = c2.Close()
			if err := n.close(); err != nil {
				t.Error(err)
			}
		}, nil
	}
}

func TestConn(t *testing.T) {
	for _, c := range []struct {
		name    string
		hosts   func() (network, error)
		address string
	}{
		{"loopback4", overLoopback, "127.0.0.1:0"},
		{"loopback6", overLoopback, "[::1]:0"},
		{"pipe4", overPipe(pipe.Options{}), "192.0.2.2:0"},
		{"pipe6", overPipe(pipe.Options{}), "[2001:db8::2]:0"},
		{"wire4", overPipe(pipe.Options{NoGSO: true, NoChecksum: true}), "192.0.2.2:0"},
	} {
		t.Run(c.name, func(t *testing.T) { nettest.TestConn(t, makePipe(t, c.hosts, c.address)) })
	}
}
