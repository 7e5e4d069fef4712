package raw_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
	"github.com/seed963a8790/netstack/transport/raw"
	"github.com/seed963a8790/netstack/transport/udp"
	"github.com/seed963a8790/netstack/waiter"
)

// unassigned is a protocol that nobody here speaks (RFC 3692).
const unassigned = 253

func newNet(t testing.TB) *testnet.Net {
	return testnet.New(t, testnet.Options{Stack: stack.Options{Raw: raw.New}}, udp.New)
}

func both(t *testing.T, f func(t *testing.T, n *testnet.Net, family header.EtherType)) {
	t.Run("IPv4", func(t *testing.T) { f(t, newNet(t), header.EtherTypeIPv4) })
	t.Run("IPv6", func(t *testing.T) { f(t, newNet(t), header.EtherTypeIPv6) })
}

func open(t testing.TB, h *testnet.Host, number uint16, family header.EtherType) *raw.Endpoint {
	e, err := h.NewRawEndpoint(number, family)
	require.NoError(t, err)
	t.Cleanup(e.Close)
	return e.(*raw.Endpoint)
}

func to(a netip.Addr) tcpip.WriteOptions { return tcpip.WriteOptions{To: tcpip.FullAddress{Addr: a}} }

// payload reads a packet and returns what lies behind the network header.
func payload(t testing.TB, e *raw.Endpoint, family header.EtherType) []byte {
	b := make([]byte, 70000)
	r, err := e.Read(b, tcpip.ReadOptions{})
	require.NoError(t, err)
	require.Zero(t, r.From.Port)
	if family == header.EtherTypeIPv6 {
		return b[:r.Count]
	}
	h, drop := header.ParseIPv4(b[:r.Count])
	require.Equal(t, tcpip.DropNone, drop)
	require.True(t, h.ChecksumValid())
	return h.Payload()
}

func wantNothing(t testing.TB, e *raw.Endpoint) {
	_, err := e.Read(make([]byte, 10), tcpip.ReadOptions{})
	require.Equal(t, tcpip.ErrWouldBlock, err)
}

// Every size arrives whole, in fragments where needed, at each endpoint that wants it.
func TestCopies(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		from := open(t, n.A, unassigned, family)
		all := []*raw.Endpoint{open(t, n.B, unassigned, family), open(t, n.B, unassigned, family), open(t, n.B, unassigned, family)}
		require.NoError(t, all[1].Bind(tcpip.FullAddress{Addr: n.B.Addr(family)}))
		require.NoError(t, all[2].Connect(tcpip.FullAddress{Addr: n.A.Addr(family)}))
		other := open(t, n.B, unassigned+1, family)
		for _, size := range []int{0, 1, 100, 1480, 1481, 9000, 65000} {
			b := testnet.Pattern(size)
			_, err := from.Write(b, to(n.B.Addr(family)))
			require.NoError(t, err)
			for _, e := range all {
				require.Equal(t, b, payload(t, e, family)[:size:size])
			}
		}
		wantNothing(t, other)
		require.Zero(t, n.B.Drops(tcpip.DropUnknownType))
	})
}

// Whoever takes a packet keeps its sender from hearing that nobody is there; a full queue does not take it (measured).
func TestUnreachable(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		from := open(t, n.A, unassigned, family)
		require.NoError(t, from.SetOption(tcpip.IP_RECVERR, 1))
		if family == header.EtherTypeIPv6 {
			require.NoError(t, from.SetOption(tcpip.IPV6_RECVERR, 1))
		}
		send := func() { _, _ = from.Write(make([]byte, 1000), to(n.B.Addr(family))) }
		send()
		require.Equal(t, 1, n.B.Drops(tcpip.DropUnknownType))
		require.NotZero(t, from.Readiness(0)&waiter.Error)

		e := open(t, n.B, unassigned, family)
		require.NoError(t, e.SetOption(tcpip.SO_RCVBUF, 1))
		send()
		require.Equal(t, 1, n.B.Drops(tcpip.DropUnknownType), "taken")
		for range 20 {
			send()
		}
		full := n.B.Drops(tcpip.DropReceiveQueue)
		require.NotZero(t, full, "the queue is bounded")
		require.Equal(t, 1+full, n.B.Drops(tcpip.DropUnknownType))
	})
}

// Close and disconnecting end what was received.
func TestGone(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		from, e := open(t, n.A, unassigned, family), open(t, n.B, unassigned, family)
		require.Equal(t, tcpip.FullAddress{Port: unassigned}, e.LocalAddress())
		_, err := from.Write([]byte("x"), to(n.B.Addr(family)))
		require.NoError(t, err)
		payload(t, e, family)
		require.NoError(t, e.Connect(tcpip.FullAddress{}))
		require.Zero(t, e.LocalAddress())
		_, err = from.Write([]byte("x"), to(n.B.Addr(family)))
		require.NoError(t, err)
		wantNothing(t, e)
		e.Close()
		require.NoError(t, e.Wait(t.Context()))
		_, err = e.Write([]byte("x"), to(n.A.Addr(family)))
		require.Equal(t, tcpip.ErrClosed, err)
		require.Equal(t, tcpip.ErrClosed, e.Bind(tcpip.FullAddress{}))
		require.Equal(t, tcpip.ErrClosed, e.SetICMPFilter(transport.ICMPFilter{}))
	})
}

// RFC 3542 §3.2: a filter of ICMP messages, and only of those.
func TestICMPFilter(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		number, request, reply := uint16(header.ProtocolICMPv4), uint8(header.ICMPv4Echo), uint8(header.ICMPv4EchoReply)
		if family == header.EtherTypeIPv6 {
			number, request, reply = uint16(header.ProtocolICMPv6), uint8(header.ICMPv6Echo), uint8(header.ICMPv6EchoReply)
		}
		e := open(t, n.A, number, family)
		var f transport.ICMPFilter
		f[reply/32] |= 1 << (reply % 32)
		require.NoError(t, e.SetICMPFilter(f))
		got, err := e.ICMPFilter()
		require.NoError(t, err)
		require.Equal(t, f, got)
		require.True(t, got.Blocks(reply))
		require.False(t, got.Blocks(request))
		ping := []byte{request, 0, 0, 0, 0, 7, 0, 1}
		if family == header.EtherTypeIPv4 {
			h := header.ICMPv4(ping)
			h.UpdateChecksum()
		}
		_, err = e.Write(ping, to(n.B.Addr(family)))
		require.NoError(t, err)
		wantNothing(t, e)
		require.NoError(t, e.SetICMPFilter(transport.ICMPFilter{}))
		_, err = e.Write(ping, to(n.B.Addr(family)))
		require.NoError(t, err)
		require.Equal(t, reply, payload(t, e, family)[0])
		require.Equal(t, tcpip.ErrNoProtocolOption, open(t, n.A, unassigned, family).SetICMPFilter(f))
	})
}

// IP_HDRINCL: what is missing is filled in, and what cannot be is refused.
func TestHeaderIncluded(t *testing.T) {
	n := newNet(t)
	e := open(t, n.A, 255, header.EtherTypeIPv4)
	v, err := e.Option(tcpip.IP_HDRINCL)
	require.NoError(t, err)
	require.Equal(t, 1, v)
	in := open(t, n.B, unassigned, header.EtherTypeIPv4)
	b := testnet.IPv4(header.IPv4Fields{Protocol: unassigned, TTL: 9, Dst: n.B.V4, Src: netip.IPv4Unspecified()}, []byte("payload"))
	_, err = e.Write(b, to(n.B.V4))
	require.NoError(t, err)
	got := make([]byte, 100)
	r, err := in.Read(got, tcpip.ReadOptions{})
	require.NoError(t, err)
	h, drop := header.ParseIPv4(got[:r.Count])
	require.Equal(t, tcpip.DropNone, drop)
	require.Equal(t, n.A.V4, h.Src())
	require.NotZero(t, h.ID())
	require.EqualValues(t, 9, h.TTL())
	require.Equal(t, "payload", string(h.Payload()))
	for _, bad := range [][]byte{nil, b[:19], append([]byte{0x44}, b[1:]...), append([]byte{0x4f}, b[1:]...)} {
		_, err = e.Write(bad, to(n.B.V4))
		require.Equal(t, tcpip.ErrInvalid, err, "%x", bad)
	}
	_, err = e.Write(append(b, make([]byte, n.A.NIC.MTU())...), to(n.B.V4))
	require.Equal(t, tcpip.ErrMessageSize, err)
}

// IPV6_CHECKSUM: put in, and asked for (RFC 3542 §3.1).
func TestChecksum(t *testing.T) {
	n := newNet(t)
	e, in, plain := open(t, n.A, unassigned, header.EtherTypeIPv6), open(t, n.B, unassigned, header.EtherTypeIPv6), open(t, n.B, unassigned, header.EtherTypeIPv6)
	require.Equal(t, tcpip.ErrInvalid, e.SetOption(tcpip.IPV6_CHECKSUM, 3))
	require.NoError(t, in.SetOption(tcpip.IPV6_CHECKSUM, 2))
	send := func() error {
		_, err := e.Write(testnet.Pattern(5001), to(n.B.V6))
		return err
	}
	require.NoError(t, send())
	wantNothing(t, in)
	payload(t, plain, header.EtherTypeIPv6)
	require.NoError(t, e.SetOption(tcpip.IPV6_CHECKSUM, 2))
	require.NoError(t, send())
	b := payload(t, in, header.EtherTypeIPv6)
	sum := header.PseudoHeader(unassigned, n.A.V6, n.B.V6, len(b)).Add(b)
	require.Zero(t, sum.Checksum())
	require.NoError(t, e.SetOption(tcpip.IPV6_CHECKSUM, 6000))
	require.Equal(t, tcpip.ErrInvalid, send())
}

// A protocol has at most so many raw endpoints.
func TestBound(t *testing.T) {
	n := newNet(t)
	for i := range 1025 {
		e, err := n.A.NewRawEndpoint(unassigned, header.EtherTypeIPv4)
		if i == 1024 {
			require.Equal(t, tcpip.ErrNoBuffers, err)
			break
		}
		require.NoError(t, err)
		t.Cleanup(e.Close)
	}
	_, err := n.A.NewRawEndpoint(300, header.EtherTypeIPv4) // a number that no packet has
	require.NoError(t, err)
	n.A.Close()
	_, err = n.A.NewRawEndpoint(unassigned, header.EtherTypeIPv4)
	require.Equal(t, tcpip.ErrClosed, err)
}

// Without raw endpoints in its options a stack has none.
func TestAbsent(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	_, err := n.A.NewRawEndpoint(unassigned, header.EtherTypeIPv4)
	require.Equal(t, tcpip.ErrProtocolNotSupported, err)
}

// RFC 2113: a router's endpoint takes what has an alert, and nothing else of what is forwarded.
func TestRouterAlert(t *testing.T) {
	w := testnet.Wire(t, stack.Options{Raw: raw.New, Forwarding: tcpip.Set(true)})
	in := w.Port(channel.Options{}, stack.NICOptions{}, "10.0.0.1/24")
	out := w.Port(channel.Options{}, stack.NICOptions{}, "10.0.1.1/24")
	opened, err := w.NewRawEndpoint(unassigned, header.EtherTypeIPv4)
	require.NoError(t, err)
	t.Cleanup(opened.Close)
	e := opened.(*raw.Endpoint)
	f := header.IPv4Fields{Protocol: unassigned, TTL: 9, Src: netip.MustParseAddr("10.0.0.9"), Dst: netip.MustParseAddr("10.0.1.9"), Options: header.IPv4RouterAlert()}
	b := testnet.IPv4(f, []byte("payload"))
	in.Inject(b)
	require.Len(t, out.Packets(), 1, "nobody asked")
	wantNothing(t, e)
	require.Equal(t, tcpip.ErrNoBuffers, e.SetOption(tcpip.IP_ROUTER_ALERT, 0))
	require.NoError(t, e.SetOption(tcpip.IP_ROUTER_ALERT, 1))
	require.Equal(t, tcpip.ErrAddrInUse, e.SetOption(tcpip.IP_ROUTER_ALERT, 1))
	in.Inject(b)
	require.Empty(t, out.Packets())
	require.Equal(t, "payload", string(payload(t, e, header.EtherTypeIPv4)))
	f.Options = nil
	in.Inject(testnet.IPv4(f, []byte("payload")))
	require.Len(t, out.Packets(), 1)
	wantNothing(t, e)
}
