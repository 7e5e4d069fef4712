package gonet_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/network/arp"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/network/ipv6"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
	"github.com/seed963a8790/netstack/transport/icmp"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

// The addresses of the hosts that newPair makes.
const (
	left4, right4 = "192.0.2.1", "192.0.2.2"
	left6, right6 = "2001:db8::1", "2001:db8::2"
)

// host is a stack with a loopback and what one opens sockets with.
type host struct {
	*stack.Stack
	gonet.Dialer
	gonet.ListenConfig
}

// newHost makes a host with a loopback, which is taken down, and looked over for leaks, at the end of
// the test.
func newHost(t testing.TB, clock tcpip.Clock) *host {
	t.Helper()
	s := stack.New(stack.Options{
		Networks:   []stack.NewNetwork{arp.New, ipv4.New, ipv6.New},
		Transports: []stack.NewTransport{tcp.New, udp.New, icmp.New4, icmp.New6},
		Clock:      clock,
	})
	disagree := testnet.WatchDrops(s)
	t.Cleanup(func() {
		s.Close()
		if clock, ok := s.Clock().(*tcpip.ManualClock); ok {
			clock.Settle()
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, s.Wait(ctx))
		// A frame of a goroutine that is still on its way out, or of the other host, may hold the last packet.
		for i := 0; i < 1000 && (s.LivePackets() != 0 || s.Slabs.Live() != 0); i++ {
			time.Sleep(time.Millisecond)
		}
		require.Zero(t, s.LivePackets(), "packets leaked")
		require.Zero(t, s.Slabs.Live(), "bytes of slabs leaked")
		require.Empty(t, disagree(), "drops that were counted and not shown")
	})
	_, err := s.AddNIC(loopback.New(loopback.Options{}), stack.NICOptions{
		Name: "lo", Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")},
	})
	require.NoError(t, err)
	return &host{s, gonet.Dialer{Stack: s}, gonet.ListenConfig{Stack: s}}
}

// newPair makes two hosts joined by a pipe.
func newPair(t testing.TB, clock tcpip.Clock) (left, right *host) {
	t.Helper()
	left, right = newHost(t, clock), newHost(t, clock)
	a, b := pipe.New(pipe.Options{})
	for _, h := range []struct {
		*host
		link   *pipe.Pipe
		v4, v6 string
	}{{left, a, left4, left6}, {right, b, right4, right6}} {
		_, err := h.AddNIC(h.link, stack.NICOptions{
			Name: "eth0", Addresses: []netip.Prefix{netip.MustParsePrefix(h.v4 + "/24"), netip.MustParsePrefix(h.v6 + "/64")},
		})
		require.NoError(t, err)
	}
	t.Cleanup(func() { // a connection that its user has closed may hold what the other host has sent behind a gap
		left.Close()
		right.Close()
	})
	return left, right
}

// connect returns the two ends of a TCP connection from one host to the other.
func connect(t testing.TB, from, to *host, address string) (client, server *gonet.TCPConn) {
	t.Helper()
	l, err := to.ListenTCP(context.Background(), "tcp", address)
	require.NoError(t, err)
	defer l.Close()
	c, err := from.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	server, err = l.AcceptTCP()
	require.NoError(t, err)
	client = c.(*gonet.TCPConn)
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	return client, server
}
