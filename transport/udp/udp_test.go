package udp_test

import (
	"context"
	"errors"
	"net/netip"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/udp"
	"github.com/seed963a8790/netstack/waiter"
)

var families = []header.EtherType{header.EtherTypeIPv4, header.EtherTypeIPv6}

// both runs a test once per family over a pair of hosts under the manual clock.
func both(t *testing.T, f func(t *testing.T, n *testnet.Net, family header.EtherType)) {
	for _, family := range families {
		t.Run(name(family), func(t *testing.T) { f(t, testnet.New(t, testnet.Options{}, udp.New), family) })
	}
}

func name(family header.EtherType) string {
	if family == header.EtherTypeIPv6 {
		return "IPv6"
	}
	return "IPv4"
}

func open(t testing.TB, h *testnet.Host, family header.EtherType) *udp.Endpoint {
	t.Helper()
	return h.Endpoint(t, header.ProtocolUDP, family).(*udp.Endpoint)
}

// bound opens an endpoint bound to a port of every address.
func bound(t testing.TB, h *testnet.Host, family header.EtherType, port uint16) *udp.Endpoint {
	t.Helper()
	e := open(t, h, family)
	require.NoError(t, e.Bind(tcpip.FullAddress{Port: port}))
	return e
}

func at(a netip.Addr, port uint16) tcpip.FullAddress { return tcpip.FullAddress{Addr: a, Port: port} }

func to(a netip.Addr, port uint16) tcpip.WriteOptions {
	return tcpip.WriteOptions{To: at(a, port)}
}

func send(t testing.TB, e *udp.Endpoint, b string, o tcpip.WriteOptions) {
	t.Helper()
	n, err := e.Write([]byte(b), o)
	require.NoError(t, err)
	require.Equal(t, len(b), n)
}

// read takes one datagram, which must be there.
func read(t testing.TB, e *udp.Endpoint) (string, tcpip.Received) {
	t.Helper()
	b := make([]byte, 65536)
	r, err := e.Read(b, tcpip.ReadOptions{})
	require.NoError(t, err)
	return string(b[:r.Count]), r
}

func wantNothing(t testing.TB, e *udp.Endpoint) {
	t.Helper()
	_, err := e.Read(make([]byte, 10), tcpip.ReadOptions{})
	require.Equal(t, tcpip.ErrWouldBlock, err)
}

func set(t testing.TB, e *udp.Endpoint, id tcpip.OptionID, v int) {
	t.Helper()
	require.NoError(t, e.SetOption(id, v))
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestEcho(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		server, client := bound(t, n.B, family, 7), open(t, n.A, family)
		send(t, client, "hello", to(n.B.Addr(family), 7))
		b, r := read(t, server)
		require.Equal(t, "hello", b)
		require.Equal(t, n.A.Addr(family), r.From.Addr)
		require.Equal(t, testnet.Ethernet, r.From.NIC)
		require.Equal(t, client.LocalAddress().Port, r.From.Port)

		send(t, server, "hello, you", tcpip.WriteOptions{To: r.From})
		b, r = read(t, client)
		require.Equal(t, "hello, you", b)
		require.Equal(t, at(n.B.Addr(family), 7).AddrPort(), r.From.AddrPort())
		wantNothing(t, client)
		wantNothing(t, server)
	})
}

// Every size up to the largest arrives whole, in fragments where needed; one byte more does not leave.
func TestSizes(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		most := 65507
		if family == header.EtherTypeIPv6 {
			most = 65527
		}
		server, client := bound(t, n.B, family, 7), open(t, n.A, family)
		for _, size := range []int{0, 1, 2, 247, 248, 1452, 1453, 1472, 1473, 2048, 2049, 9000, 32768, 32769, most} {
			b := make([]byte, size)
			for i := range b {
				b[i] = byte(i ^ i>>8)
			}
			send(t, client, string(b), to(n.B.Addr(family), 7))
			got, r := read(t, server)
			require.Equal(t, string(b), got)
			require.Equal(t, size, r.Total)
		}
		for _, size := range []int{most + 1, 65535, 65536, 1 << 20} {
			_, err := client.Write(make([]byte, size), to(n.B.Addr(family), 7))
			require.Equal(t, tcpip.ErrMessageSize, err, "%d bytes", size)
		}
	})
}

// recvmsg(2): what does not fit is lost, but counted; MSG_PEEK leaves the datagram.
func TestTruncateAndPeek(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	server, client := bound(t, n.B, header.EtherTypeIPv4, 7), open(t, n.A, header.EtherTypeIPv4)
	send(t, client, "first one", to(n.B.V4, 7))
	send(t, client, "second", to(n.B.V4, 7))
	b := make([]byte, 5)
	for range 2 {
		r, err := server.Read(b, tcpip.ReadOptions{Flags: tcpip.ReadPeek})
		require.NoError(t, err)
		require.Equal(t, "first", string(b))
		require.Equal(t, 5, r.Count)
		require.Equal(t, 9, r.Total)
	}
	require.Zero(t, n.B.Counters().Udp.InDatagrams.Value(), "peeking delivers nothing")
	r, err := server.Read(nil, tcpip.ReadOptions{})
	require.NoError(t, err)
	require.Equal(t, 0, r.Count)
	require.Equal(t, 9, r.Total)
	got, _ := read(t, server)
	require.Equal(t, "second", got)
	require.EqualValues(t, 2, n.B.Counters().Udp.InDatagrams.Value())
	require.EqualValues(t, 2, n.A.Counters().Udp.OutDatagrams.Value())
}

// An endpoint for IPv6 speaks both, unless told to keep to its own.
func TestDualStack(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	server := bound(t, n.B, header.EtherTypeIPv6, 7)
	for _, h := range []netip.Addr{n.B.V4, n.B.V6, netip.AddrFrom16(n.B.V4.As16())} {
		client := open(t, n.A, header.EtherTypeIPv6)
		send(t, client, "x", to(h, 7))
		_, r := read(t, server)
		require.False(t, r.From.Addr.Is4In6())
		require.Equal(t, h.Unmap().Is4(), r.From.Addr.Is4())
		send(t, server, "y", tcpip.WriteOptions{To: r.From})
		read(t, client)
	}
	only := open(t, n.B, header.EtherTypeIPv6)
	set(t, only, tcpip.IPV6_V6ONLY, 1)
	require.NoError(t, only.Bind(tcpip.FullAddress{Port: 8}))
	require.Equal(t, tcpip.ErrInvalid, only.SetOption(tcpip.IPV6_V6ONLY, 0), "too late")
	four := bound(t, n.B, header.EtherTypeIPv4, 8) // no conflict
	client := open(t, n.A, header.EtherTypeIPv6)
	send(t, client, "4", to(n.B.V4, 8))
	send(t, client, "6", to(n.B.V6, 8))
	b, _ := read(t, four)
	require.Equal(t, "4", b)
	b, _ = read(t, only)
	require.Equal(t, "6", b)
	_, err := only.Write(nil, to(n.A.V4, 8))
	require.Equal(t, tcpip.ErrNetUnreachable, err)
	require.Equal(t, tcpip.ErrNetUnreachable, only.Connect(at(n.A.V4, 8)))
}

// The errors of Bind, Connect and Write are Linux's, as measured.
func TestErrors(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	four := func() *udp.Endpoint { return open(t, n.A, header.EtherTypeIPv4) }
	six := func() *udp.Endpoint { return open(t, n.A, header.EtherTypeIPv6) }
	boundTo := func(e *udp.Endpoint, a string) *udp.Endpoint {
		require.NoError(t, e.Bind(at(addr(a), 0)))
		return e
	}
	write := func(e *udp.Endpoint, a string, port uint16) error {
		_, err := e.Write([]byte("x"), to(addr(a), port))
		return err
	}
	_, noDestination := four().Write([]byte("x"), tcpip.WriteOptions{})
	_, urgent := four().Write([]byte("x"), tcpip.WriteOptions{To: at(n.B.V4, 9), Flags: tcpip.WriteUrgent})
	v6only := six()
	set(t, v6only, tcpip.IPV6_V6ONLY, 1)
	broadcaster := four()
	set(t, broadcaster, tcpip.SO_BROADCAST, 1)
	again := boundTo(four(), "10.0.0.1")
	free := four()
	set(t, free, tcpip.IP_FREEBIND, 1)
	device := four()
	set(t, device, tcpip.SO_BINDTOIFINDEX, 77)

	for what, c := range map[string]struct{ got, want error }{
		"no destination":               {noDestination, tcpip.ErrDestinationRequired},
		"urgent":                       {urgent, tcpip.ErrNotSupported},
		"port 0":                       {write(four(), "10.0.0.2", 0), tcpip.ErrInvalid},
		"no route":                     {write(four(), "8.8.8.8", 9), tcpip.ErrNetUnreachable},
		"no route, IPv6":               {write(six(), "2001::1", 9), tcpip.ErrNetUnreachable},
		"wrong family":                 {write(four(), "fd00::2", 9), tcpip.ErrAddressFamily},
		"broadcast":                    {write(four(), "10.0.0.255", 9), tcpip.ErrAccess},
		"broadcast allowed":            {write(broadcaster, "10.0.0.255", 9), nil},
		"connect to broadcast":         {four().Connect(at(addr("10.0.0.255"), 9)), tcpip.ErrAccess},
		"connect without route":        {four().Connect(at(addr("8.8.8.8"), 9)), tcpip.ErrNetUnreachable},
		"connect to another family":    {four().Connect(at(n.B.V6, 9)), tcpip.ErrAddressFamily},
		"connect, link-local, no NIC":  {six().Connect(at(addr("fe80::2"), 9)), tcpip.ErrInvalid},
		"v6only to IPv4":               {write(v6only, "10.0.0.2", 9), tcpip.ErrNetUnreachable},
		"v6only binds IPv4":            {v6only.Bind(at(n.A.V4, 0)), tcpip.ErrInvalid},
		"bound to IPv6, sends IPv4":    {write(boundTo(six(), "fd00::1"), "10.0.0.2", 9), tcpip.ErrNetUnreachable},
		"bound to IPv6, connects IPv4": {boundTo(six(), "fd00::1").Connect(at(n.B.V4, 9)), tcpip.ErrNetUnreachable},
		"bound to IPv4, sends IPv6":    {write(boundTo(six(), "10.0.0.1"), "fd00::2", 9), tcpip.ErrAddressFamily},
		"bound to IPv4, connects IPv6": {boundTo(six(), "10.0.0.1").Connect(at(n.B.V6, 9)), tcpip.ErrAddressFamily},
		"bound to 0.0.0.0, sends IPv6": {write(boundTo(six(), "0.0.0.0"), "fd00::2", 9), tcpip.ErrAddressFamily},
		"bind foreign":                 {four().Bind(at(addr("10.9.9.9"), 0)), tcpip.ErrAddrNotAvailable},
		"bind foreign, IPv6":           {six().Bind(at(addr("fd99::1"), 0)), tcpip.ErrAddrNotAvailable},
		"bind another family":          {four().Bind(at(n.A.V6, 0)), tcpip.ErrAddressFamily},
		"bind twice":                   {again.Bind(at(n.A.V4, 1)), tcpip.ErrInvalid},
		"bind group":                   {four().Bind(at(addr("224.1.1.1"), 0)), nil},
		"bind subnet broadcast":        {four().Bind(at(addr("10.0.0.255"), 0)), nil},
		"bind broadcast":               {four().Bind(at(addr("255.255.255.255"), 0)), nil},
		"bind link-local group":        {six().Bind(at(addr("ff02::1"), 0)), tcpip.ErrInvalid},
		"bind site-local group":        {six().Bind(at(addr("ff05::1"), 0)), nil},
		"free bind":                    {free.Bind(at(addr("10.9.9.9"), 0)), nil},
		"free bind does not send":      {write(free, "10.0.0.2", 9), tcpip.ErrNetUnreachable},
		"bind to no NIC":               {four().Bind(tcpip.FullAddress{NIC: 9, Port: 1}), tcpip.ErrNoDevice},
		"bound to a NIC that is none":  {write(device, "10.0.0.2", 9), tcpip.ErrNoDevice},
		"listen":                       {four().Listen(1), tcpip.ErrNotSupported},
	} {
		require.Equal(t, c.want, c.got, what)
	}
}

// What Connect chooses, disconnecting gives up; what Bind was asked for stays (measured).
func TestConnect(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	disconnect := func(e *udp.Endpoint) { require.NoError(t, e.Connect(tcpip.FullAddress{})) }
	peer := at(n.B.V4, 9)

	e := open(t, n.A, header.EtherTypeIPv4)
	require.NoError(t, e.Connect(peer))
	require.Equal(t, n.A.V4, e.LocalAddress().Addr)
	require.NotZero(t, e.LocalAddress().Port)
	require.Equal(t, peer, e.RemoteAddress())
	disconnect(e)
	require.Zero(t, e.LocalAddress())
	require.Zero(t, e.RemoteAddress())
	_, err := e.Write(nil, tcpip.WriteOptions{})
	require.Equal(t, tcpip.ErrDestinationRequired, err)
	disconnect(e)
	require.NoError(t, e.Connect(peer), "and again")
	require.NoError(t, e.Connect(at(addr("127.0.0.1"), 9)), "elsewhere")
	require.Equal(t, n.A.V4, e.LocalAddress().Addr, "the first source stays, as on Linux")

	e = bound(t, n.A, header.EtherTypeIPv4, 7777)
	require.NoError(t, e.Connect(peer))
	require.Equal(t, at(n.A.V4, 7777), e.LocalAddress())
	disconnect(e)
	require.Equal(t, tcpip.FullAddress{Port: 7777}, e.LocalAddress())
	require.NoError(t, e.Connect(at(addr("127.0.0.1"), 9)))
	require.Equal(t, at(addr("127.0.0.1"), 7777), e.LocalAddress(), "the first source is forgotten")

	e = open(t, n.A, header.EtherTypeIPv4)
	require.NoError(t, e.Bind(at(n.A.V4, 7778)))
	require.NoError(t, e.Connect(peer))
	disconnect(e)
	require.Equal(t, at(n.A.V4, 7778), e.LocalAddress())

	e = open(t, n.A, header.EtherTypeIPv4)
	require.NoError(t, e.Bind(at(n.A.V4, 0)))
	require.NoError(t, e.Connect(peer))
	disconnect(e)
	require.Equal(t, at(n.A.V4, 0), e.LocalAddress(), "the port was nobody's choice")
	send(t, e, "x", to(n.B.V4, 9))
	require.Equal(t, n.A.V4, e.LocalAddress().Addr)
	require.NotZero(t, e.LocalAddress().Port)

	// The unspecified address is this host.
	for _, family := range families {
		e = open(t, n.A, family)
		server := bound(t, n.A, family, 99)
		require.NoError(t, e.Connect(tcpip.FullAddress{Port: 99}))
		require.True(t, e.LocalAddress().Addr.IsLoopback())
		require.True(t, e.RemoteAddress().Addr.IsLoopback())
		send(t, e, "x", tcpip.WriteOptions{})
		read(t, server)
		server.Close()
	}

	// A connected endpoint may write to others.
	other := bound(t, n.B, header.EtherTypeIPv4, 10)
	e = open(t, n.A, header.EtherTypeIPv4)
	require.NoError(t, e.Connect(peer))
	send(t, e, "x", to(n.B.V4, 10))
	read(t, other)
}

// shutdown(2), as measured on Linux.
func TestShutdown(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	e := open(t, n.A, header.EtherTypeIPv4)
	require.Equal(t, tcpip.ErrInvalid, e.Shutdown(0))
	require.Equal(t, tcpip.ErrNotConnected, e.Shutdown(tcpip.ShutdownWrite))
	_, err := e.Write([]byte("x"), to(n.B.V4, 9))
	require.Equal(t, tcpip.ErrPipe, err)

	server := bound(t, n.B, header.EtherTypeIPv4, 7)
	e = open(t, n.A, header.EtherTypeIPv4)
	require.NoError(t, e.Connect(at(n.B.V4, 7)))
	send(t, e, "x", tcpip.WriteOptions{})
	_, r := read(t, server)
	require.NoError(t, e.Shutdown(tcpip.ShutdownRead))
	require.Equal(t, waiter.Readable|waiter.ReadHangUp|waiter.Writable, e.Readiness(waiter.All))
	end, err := e.Read(nil, tcpip.ReadOptions{})
	require.NoError(t, err)
	require.Zero(t, end, "the end: nothing, from nobody")
	send(t, server, "late", tcpip.WriteOptions{To: r.From})
	b, _ := read(t, e)
	require.Equal(t, "late", b)
	require.NoError(t, e.Shutdown(tcpip.ShutdownWrite))
	require.NotZero(t, e.Readiness(0)&waiter.HangUp)
}

func TestClose(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	server, client := bound(t, n.B, header.EtherTypeIPv4, 7), open(t, n.A, header.EtherTypeIPv4)
	send(t, client, "unread", to(n.B.V4, 7))
	woken := waiter.NewChannel(waiter.Readable)
	server.Waiters().Register(woken)
	server.Close()
	server.Close()
	requireSignal(t, woken)
	require.NoError(t, server.Wait(t.Context()))
	_, err := server.Read(nil, tcpip.ReadOptions{})
	require.ErrorIs(t, err, tcpip.ErrClosed)
	_, err = server.Write(nil, to(n.A.V4, 7))
	require.Equal(t, tcpip.ErrClosed, err)
	require.Equal(t, tcpip.ErrClosed, server.Bind(tcpip.FullAddress{}))
	require.Equal(t, tcpip.ErrClosed, server.Connect(at(n.A.V4, 1)))
	require.Equal(t, tcpip.ErrClosed, server.Shutdown(tcpip.ShutdownRead))
	require.Equal(t, tcpip.ErrClosed, server.SetOption(tcpip.SO_BROADCAST, 1))
	require.Equal(t, tcpip.ErrClosed, server.JoinGroup(addr("224.1.1.1"), 0))
	bound(t, n.B, header.EtherTypeIPv4, 7) // the port is free
}

// A callback may close the endpoint that it is called for.
func TestCloseInCallback(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	server, client := bound(t, n.B, header.EtherTypeIPv4, 7), open(t, n.A, header.EtherTypeIPv4)
	calls := 0
	server.Waiters().Register(waiter.NewFunc(waiter.Readable, func(waiter.Events) {
		calls++
		server.Close()
	}))
	send(t, client, "x", to(n.B.V4, 7))
	require.NotZero(t, calls)
	require.NoError(t, server.Wait(t.Context()))
}

// RFC 1122 §4.1.3.1: nobody there is told by ICMP, and a connected sender hears of it.
func TestPortUnreachable(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		client := open(t, n.A, family)
		require.NoError(t, client.Connect(at(n.B.Addr(family), 9)))
		events := waiter.NewChannel(0)
		client.Waiters().Register(events)
		send(t, client, "x", tcpip.WriteOptions{})
		require.Equal(t, 1, n.B.Drops(tcpip.DropNoPort))
		requireSignal(t, events)
		require.Equal(t, waiter.Error|waiter.Writable, client.Readiness(waiter.All))
		_, err := client.Write([]byte("x"), tcpip.WriteOptions{})
		require.Equal(t, tcpip.ErrConnRefused, err)
		require.True(t, errors.Is(err, syscall.ECONNREFUSED))
		wantNothing(t, client)
		send(t, client, "x", tcpip.WriteOptions{})
		require.Equal(t, tcpip.ErrConnRefused, client.LastError())
		require.NoError(t, client.LastError())

		stranger := open(t, n.A, family) // unconnected: hears nothing
		send(t, stranger, "x", to(n.B.Addr(family), 9))
		require.NoError(t, stranger.LastError())
	})
}

func TestStackInterfaces(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	e := open(t, n.A, header.EtherTypeIPv4)
	require.Same(t, n.A.Stack, e.Stack())
	_, err := e.Accept()
	require.Equal(t, tcpip.ErrNotSupported, err)
	var _ stack.Endpoint = e
	n.A.Close()
	_, err = n.A.NewEndpoint(header.ProtocolUDP, header.EtherTypeIPv4)
	require.ErrorIs(t, err, tcpip.ErrClosed)
	_, err = e.Write(nil, to(n.B.V4, 1))
	require.Equal(t, tcpip.ErrClosed, err)
}

func requireSignal(t testing.TB, w *waiter.Waiter) {
	t.Helper()
	select {
	case <-w.C():
	default:
		require.Fail(t, "the waiter was not told")
	}
}

// contextDone returns a context that is over.
func contextDone(t testing.TB) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx, cancel
}

// packet returns an IP packet with a datagram.
func packet(from, to netip.AddrPort, payload []byte) []byte {
	b := testnet.UDP(from, to, payload)
	if from.Addr().Is6() {
		return testnet.IPv6(header.IPv6Fields{NextHeader: header.ProtocolUDP, Src: from.Addr(), Dst: to.Addr()}, b)
	}
	return testnet.IPv4(header.IPv4Fields{Protocol: header.ProtocolUDP, Src: from.Addr(), Dst: to.Addr()}, b)
}
