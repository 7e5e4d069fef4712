package gonet_test

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/network/ipv6"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

// A zone is the NIC's name in what is shown, its name or number in what is given.
func TestLinkLocal(t *testing.T) {
	left, right := newPair(t, nil)
	require.NoError(t, left.Stack.NIC(2).AddAddress(netip.MustParsePrefix("fe80::1/64")))
	require.NoError(t, right.Stack.NIC(2).AddAddress(netip.MustParsePrefix("fe80::2/64")))
	l, err := right.Listen(context.Background(), "tcp", "[fe80::2%eth0]:80")
	require.NoError(t, err)
	defer l.Close()
	require.Equal(t, "[fe80::2%eth0]:80", l.Addr().String())
	for _, zone := range []string{"eth0", "2"} {
		c, err := left.Dial("tcp", "[fe80::2%"+zone+"]:80")
		require.NoError(t, err)
		require.Equal(t, "[fe80::2%eth0]:80", c.RemoteAddr().String())
		require.Equal(t, "eth0", c.LocalAddr().(*net.TCPAddr).Zone)
		s, err := l.Accept()
		require.NoError(t, err)
		require.Equal(t, c.LocalAddr().String(), s.RemoteAddr().String())
		require.NoError(t, c.Close())
		require.NoError(t, s.Close())
	}

	server := listenUDP(t, right, "udp", "[fe80::2%eth0]:7")
	client := listenUDP(t, left, "udp", "[fe80::1%eth0]:0")
	_, err = client.WriteToUDP([]byte("x"), &net.UDPAddr{IP: net.ParseIP("fe80::2"), Port: 7, Zone: "eth0"})
	require.NoError(t, err)
	_, who, err := server.ReadFromUDP(make([]byte, 10))
	require.NoError(t, err)
	require.Equal(t, client.LocalAddr().String(), who.String())
	_, err = server.WriteToUDP([]byte("y"), who)
	require.NoError(t, err)
	_, from, err := client.ReadFromUDPAddrPort(make([]byte, 10))
	require.NoError(t, err)
	require.Equal(t, "[fe80::2%eth0]:7", from.String())
}

// A stack of one family gives what it has to a network that leaves the choice.
func TestOneFamily(t *testing.T) {
	for _, c := range []struct {
		network stack.NewNetwork
		prefix  string
		shown   string
		loop    string
	}{
		{ipv4.New, "127.0.0.1/8", "0.0.0.0", "127.0.0.1"},
		{ipv6.New, "::1/128", "::", "::1"},
	} {
		s := stack.New(stack.Options{Networks: []stack.NewNetwork{c.network}, Transports: []stack.NewTransport{tcp.New, udp.New}})
		defer s.Close()
		_, err := s.AddNIC(loopback.New(loopback.Options{}), stack.NICOptions{Addresses: []netip.Prefix{netip.MustParsePrefix(c.prefix)}})
		require.NoError(t, err)
		l, err := (&gonet.ListenConfig{Stack: s}).Listen(context.Background(), "tcp", ":80")
		require.NoError(t, err)
		require.Equal(t, net.JoinHostPort(c.shown, "80"), l.Addr().String())
		u, err := (&gonet.ListenConfig{Stack: s}).ListenPacket(context.Background(), "udp", ":80")
		require.NoError(t, err)
		require.Equal(t, net.JoinHostPort(c.shown, "80"), u.LocalAddr().String())
		conn, err := (&gonet.Dialer{Stack: s}).Dial("tcp", ":80")
		require.NoError(t, err, "an empty host is this stack")
		require.Equal(t, net.JoinHostPort(c.loop, "80"), conn.RemoteAddr().String())
	}
	s := stack.New(stack.Options{Networks: []stack.NewNetwork{ipv4.New}})
	defer s.Close()
	_, err := (&gonet.ListenConfig{Stack: s}).Listen(context.Background(), "tcp", ":80")
	require.ErrorIs(t, err, syscall.EPROTONOSUPPORT, "a stack without TCP")
}

func TestServiceNames(t *testing.T) {
	_, right := newPair(t, nil)
	l, err := right.Listen(context.Background(), "tcp", ":http")
	require.NoError(t, err)
	defer l.Close()
	require.Equal(t, 80, l.Addr().(*net.TCPAddr).Port)
}

func TestReusePort(t *testing.T) {
	_, right := newPair(t, nil)
	config := right.ListenConfig
	config.ReusePort = true
	a, err := config.Listen(context.Background(), "tcp", ":80")
	require.NoError(t, err)
	b, err := config.Listen(context.Background(), "tcp", ":80")
	require.NoError(t, err)
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
}

// Bound to a NIC, a dialer and a listener use no other.
func TestBoundToNIC(t *testing.T) {
	left, right := newPair(t, nil)
	config := right.ListenConfig
	config.NIC = 1 // the loopback
	l, err := config.Listen(context.Background(), "tcp", ":80")
	require.NoError(t, err)
	defer l.Close()
	_, err = left.Dial("tcp", right4+":80")
	require.ErrorIs(t, err, syscall.ECONNREFUSED)

	d := left.Dialer
	d.NIC = 1
	d.Timeout = tcpip.Set(20 * time.Millisecond)
	_, err = d.Dial("tcp", right4+":80")
	require.Error(t, err)
	d.NIC = 99
	_, err = d.Dial("tcp", right4+":80")
	require.ErrorIs(t, err, syscall.ENODEV)
}

func TestKeepAliveConfig(t *testing.T) {
	left, right := newPair(t, nil)
	l, err := right.Listen(context.Background(), "tcp", ":80")
	require.NoError(t, err)
	defer l.Close()
	d := left.Dialer
	d.KeepAliveConfig = net.KeepAliveConfig{Enable: true, Idle: 20 * time.Second}
	c, err := d.Dial("tcp", right4+":80")
	require.NoError(t, err)
	defer c.Close()
	for id, want := range map[tcpip.OptionID]int{tcpip.SO_KEEPALIVE: 1, tcp.TCP_KEEPIDLE: 20, tcp.TCP_KEEPINTVL: 15, tcp.TCP_KEEPCNT: 9} {
		v, err := c.(*gonet.TCPConn).Endpoint().Option(id)
		require.NoError(t, err)
		require.Equal(t, want, v)
	}
}

// Endpoints that were made elsewhere can be used, bound or not.
func TestOverEndpoints(t *testing.T) {
	left, right := newPair(t, nil)
	ep, err := left.NewEndpoint(header.ProtocolUDP, header.EtherTypeIPv4)
	require.NoError(t, err)
	c := gonet.NewUDPConn(ep)
	defer c.Close()
	require.Zero(t, c.LocalAddr().(*net.UDPAddr).Port)
	server := listenUDP(t, right, "udp", ":7")
	_, err = c.WriteTo([]byte("x"), &net.UDPAddr{IP: net.ParseIP(right4), Port: 7})
	require.NoError(t, err)
	require.NotZero(t, c.LocalAddr().(*net.UDPAddr).Port, "sending has bound it")
	_, _, err = server.ReadFrom(make([]byte, 10))
	require.NoError(t, err)
	require.Equal(t, ep, c.Endpoint())
	require.Zero(t, gonet.NewTCPConn(ep).Info(), "not TCP")

	listening, err := right.NewEndpoint(header.ProtocolTCP, header.EtherTypeIPv4)
	require.NoError(t, err)
	require.NoError(t, listening.Bind(tcpip.FullAddress{Port: 80}))
	require.NoError(t, listening.Listen(10))
	l := gonet.NewTCPListener(listening)
	defer l.Close()
	conn, err := left.Dial("tcp", right4+":80")
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.Equal(t, listening, l.Endpoint())
}

// Errors name the operation and both ends, as those of package net do.
func TestErrorText(t *testing.T) {
	left, right := newPair(t, nil)
	_, err := left.Dial("tcp4", right4+":81")
	require.EqualError(t, err, "dial tcp4 "+right4+":81: connection refused")
	client, _ := connect(t, left, right, right4+":0")
	local, remote := client.LocalAddr().String(), client.RemoteAddr().String()
	require.NoError(t, client.SetReadDeadline(time.Unix(1, 0)))
	_, err = client.Read(make([]byte, 1))
	require.EqualError(t, err, "read tcp "+local+"->"+remote+": i/o timeout")
	require.NoError(t, client.Close())
	_, err = client.Read(make([]byte, 1))
	require.EqualError(t, err, "read tcp "+local+"->"+remote+": use of closed network connection")
}
