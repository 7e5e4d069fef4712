package tcp

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// RFC 9293 §3.4.1: the initial number of a flow follows a clock of 4 µs; those of other flows, and of other stacks, are
// elsewhere. Shows MUST-8, SHLD-1, MUST-9.
func TestInitialSequence(t *testing.T) {
	clock := tcpip.NewManualClock()
	a, b := newStack(clock, Options{}, nil), newStack(clock, Options{}, nil)
	other := stack.New(stack.Options{Transports: []stack.NewTransport{NewWith(Options{})}, Clock: clock, Random: &counting{n: 77}})
	for _, s := range []*stack.Stack{a, b, other} {
		defer s.Close()
	}
	id := stack.FlowID{Proto: header.ProtocolTCP, Local: netip.AddrPortFrom(addrA[0], 1000), Remote: netip.AddrPortFrom(addrB[0], 80)}
	at := func(s *stack.Stack, id stack.FlowID, now time.Duration) uint32 {
		return protocolOf(s).identity(id, tcpip.Time(now), tcpip.TimestampsOn).ISS
	}
	first := at(a, id, time.Second)
	require.Equal(t, first, at(b, id, time.Second)) // the same key, from the same randomness
	require.Equal(t, first+250000, at(a, id, 2*time.Second))
	flows := map[uint32]bool{first: true, at(other, id, time.Second): true}
	for _, change := range []func(*stack.FlowID){
		func(f *stack.FlowID) { f.Local = netip.AddrPortFrom(addrA[0], 1001) },
		func(f *stack.FlowID) { f.Remote = netip.AddrPortFrom(addrB[0], 81) },
		func(f *stack.FlowID) { f.Local = netip.AddrPortFrom(addrB[0], 1000) },
		func(f *stack.FlowID) { f.Remote = netip.AddrPortFrom(addrA[0], 80) },
	} {
		f := id
		change(&f)
		flows[at(a, f, time.Second)] = true
	}
	require.Len(t, flows, 6)
}

// bareTap is a link that leaves checksums to the stack.
type bareTap struct{ *tapLink }

func (l bareTap) Info() stack.LinkInfo {
	return stack.LinkInfo{Kind: stack.LinkIP, Up: true, MTU: l.mtu}
}

// Every segment leaves with its checksum. Shows MUST-2.
func TestChecksumOnTheWire(t *testing.T) {
	bothFamilies(t, func(t *testing.T, v6 int) {
		tap := bareTap{&tapLink{mtu: 1500}}
		s := newStack(tcpip.NewManualClock(), Options{}, nil)
		defer s.Close()
		addNIC(t, s, tap, addrA[0], addrA[1])
		dial(t, s, v6, addrB[v6], 80)
		seen := 0
		for _, p := range tap.sent {
			if p.Proto == header.ProtocolTCP {
				b := make([]byte, p.Len())
				p.CopyTo(b)
				h, d := header.ParseTCP(b[len(b)-p.TransportLen():])
				require.Equal(t, tcpip.DropNone, d)
				require.True(t, h.ChecksumValid(addrA[v6], addrB[v6]))
				seen++
			}
			p.Release()
		}
		require.Equal(t, 1, seen)
	})
}

// RFC 9293 §3.9.1.1: a port can be listened on while a connection from it is being opened, and that goes on. Shows
// MUST-41, MUST-42.
func TestListenWhileOpening(t *testing.T) {
	x := newWire(t, Options{})
	c := endpointOf(t, x.s, 0)
	require.NoError(t, c.SetOption(tcpip.SO_REUSEADDR, 1))
	require.NoError(t, c.Bind(tcpip.FullAddress{Port: 80}))
	require.ErrorIs(t, c.Connect(tcpip.FullAddress{Addr: addrB[0], Port: 1000}), tcpip.ErrInProgress)
	syn := x.only()
	require.Equal(t, StateSynSent, c.State())
	l := endpointOf(t, x.s, 0)
	require.NoError(t, l.SetOption(tcpip.SO_REUSEADDR, 1))
	require.NoError(t, l.Bind(tcpip.FullAddress{Port: 80}))
	require.NoError(t, l.Listen(4))
	require.Equal(t, StateSynSent, c.State())
	x.send(1000, header.SYN|header.ACK, 7000, syn.h.Seq+1, noOpt, "")
	require.Equal(t, StateEstablished, c.State())
	x.drain()
	x.syn(1001)
	x.send(1001, header.ACK, x.seq, x.ack, noOpt, "")
	require.Equal(t, StateEstablished, accept(t, l).State())
}

// RFC 9293 §3.9.1.1: there is no connection to an address of many. Shows MUST-46.
func TestConnectToMany(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	for _, to := range []string{"224.0.0.1", "255.255.255.255", "10.0.0.255", "ff02::1"} {
		a := netip.MustParseAddr(to)
		v6 := 0
		if a.Is6() {
			v6 = 1
		}
		e := endpointOf(t, h.a, v6)
		require.ErrorIs(t, e.Connect(tcpip.FullAddress{Addr: a, Port: 80}), tcpip.ErrNetUnreachable, to)
		require.Equal(t, StateClosed, e.State(), to)
	}
	require.Empty(t, h.trace)
}

// RFC 9293 §3.9.2.3: a SYN from no host, or to many, is dropped in silence. Shows MUST-57, MUST-63.
func TestSynOfMany(t *testing.T) {
	x := newWire(t, Options{})
	listenOn(t, x.s, 0, 80, 4)
	drops := func() (n uint64) {
		c := x.s.Counters()
		return c.Drops[tcpip.DropMartianSource].Value() + c.Drops[tcpip.DropMartianDestination].Value()
	}
	for i, from := range []string{"224.0.0.1", "255.255.255.255", "10.0.0.255", "127.0.0.1", "0.1.2.3"} {
		x.sendFrom(netip.MustParseAddr(from), 1000, header.SYN, 1, 0, noOpt, "")
		x.none()
		require.EqualValues(t, i+1, drops(), from)
	}
	before := drops()
	for i, to := range []string{"224.0.0.1", "255.255.255.255", "10.0.0.255"} {
		x.sendBetween(addrB[0], netip.MustParseAddr(to), 1000, header.SYN, 1, 0, noOpt, "")
		x.none()
		require.EqualValues(t, before+uint64(i)+1, drops(), to)
	}
	require.Zero(t, protocolOf(x.s).halfOpen.len())
}

// RFC 9293 §3.9.1.1: a connection has the address that it is bound to, or else the one that leads to its peer, and keeps
// it. Shows MUST-43, MUST-44, MUST-45.
func TestLocalAddress(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	second := netip.MustParseAddr("10.0.0.3")
	nic := h.a.NICs()[0]
	require.NoError(t, nic.AddAddress(netip.PrefixFrom(second, 24)))
	l := listenOn(t, h.b, 0, 80, 4)
	chosen := dial(t, h.a, 0, addrB[0], 80)
	require.Equal(t, addrA[0], chosen.LocalAddress().Addr)
	require.Equal(t, addrA[0], accept(t, l).RemoteAddress().Addr)
	bound := endpointOf(t, h.a, 0)
	require.NoError(t, bound.Bind(tcpip.FullAddress{Addr: second}))
	require.ErrorIs(t, bound.Connect(tcpip.FullAddress{Addr: addrB[0], Port: 80}), tcpip.ErrInProgress)
	s := accept(t, l)
	require.Equal(t, second, s.RemoteAddress().Addr)
	require.NoError(t, nic.AddAddress(netip.MustParsePrefix("10.0.0.4/32"))) // routes are looked up afresh
	write(t, bound, "x")
	require.Equal(t, "x", string(readAll(t, s, 10)))
	require.Equal(t, second, bound.LocalAddress().Addr)
}

// RFC 9293 §3.9.2.1: a connection is opened along a source route. Shows MUST-51, MUST-52.
func TestOpenAlongRoute(t *testing.T) {
	x := newWire(t, Options{})
	hop := netip.MustParseAddr("10.0.0.9")
	c := endpointOf(t, x.s, 0)
	require.NoError(t, c.SetIPOptions([]byte{131, 7, 4, 10, 0, 0, 9, 0}))
	require.ErrorIs(t, c.Connect(tcpip.FullAddress{Addr: addrB[0], Port: 80}), tcpip.ErrInProgress)
	require.Len(t, x.tap.sent, 1)
	p := x.tap.sent[0]
	b := make([]byte, p.Len())
	p.CopyTo(b)
	ip := header.IPv4(b)
	require.Equal(t, hop, ip.Dst())
	require.Equal(t, []byte{131, 7, 4, 10, 0, 0, 2, 0}, []byte(ip.Options()))
	c.Abort()
	x.drain()
}

// RFC 9293 §3.10.7.4: what has gathered is taken as a whole, and one ACK answers it. Shows MUST-58, MUST-59.
func TestOneAckForAll(t *testing.T) {
	x := newWire(t, Options{})
	l := listenOn(t, x.s, 0, 80, 4)
	x.syn(1000)
	x.send(1000, header.ACK, x.seq, x.ack, noOpt, "")
	e := accept(t, l)
	w := e.begin()
	for i := range 5 {
		x.send(1000, header.ACK, x.seq.Add(3*i), x.ack, noOpt, "abc")
	}
	x.none()
	e.end(w)
	require.Equal(t, x.seq.Add(15), x.only().h.Ack)
	require.Len(t, readAll(t, e, 100), 15)
}
