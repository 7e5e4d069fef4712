package stack

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// testLink is a link that keeps what it is given, as far as it has room.
type testLink struct {
	info    LinkInfo
	up      Receiver
	sent    []*Packet
	room    int // packets that Transmit still takes; -1: any number
	batches []int
	onSent  func(w *Work, p *Packet) // in place of keeping it
}

func newTestLink(kind LinkKind) *testLink {
	return &testLink{info: LinkInfo{Kind: kind, Up: true, MTU: 1500, Address: tcpip.LinkAddr{2, 0, 0, 0, 0, 1}}, room: -1}
}

func (l *testLink) Info() LinkInfo             { return l.info }
func (l *testLink) Attach(r Receiver) error    { l.up = r; return nil }
func (l *testLink) Wait(context.Context) error { return nil }
func (l *testLink) Close()                     { l.release() }

func (l *testLink) Transmit(w *Work, _ int, batch []*Packet) int {
	n := len(batch)
	if l.room >= 0 {
		n = min(n, l.room)
		l.room -= n
	}
	l.batches = append(l.batches, n)
	for _, p := range batch[:n] {
		if l.onSent != nil {
			l.onSent(w, p)
		} else {
			l.sent = append(l.sent, p)
		}
	}
	return n
}

func (l *testLink) release() {
	for _, p := range l.sent {
		p.Release()
	}
	l.sent = nil
}

// take returns the bytes of what was sent, as strings, with the link destination in front where there is one.
func (l *testLink) take() []string {
	var list []string
	for _, p := range l.sent {
		b := make([]byte, p.Len())
		p.CopyTo(b)
		s := string(b)
		if !p.Link.Dst.IsZero() {
			s = p.Link.Dst.String() + " " + s
		}
		list = append(list, s)
	}
	l.release()
	return list
}

// testIP is a network protocol and resolver that keeps a log.
type testIP struct {
	s    *Stack
	e    header.EtherType
	log  []string
	deaf bool // does not log solicitations
	// receive takes packets in place of the transports.
	receive func(w *Work, n *NIC, p *Packet)
}

func (t *testIP) EtherType() header.EtherType                           { return t.e }
func (t *testIP) Resolves() header.EtherType                            { return t.e }
func (t *testIP) Close()                                                {}
func (t *testIP) Send(*Work, *Route, *Packet, *SendOptions) tcpip.Error { panic("not here") }
func (t *testIP) HeaderLen() int                                        { return 20 }
func (t *testIP) note(format string, a ...any)                          { t.log = append(t.log, fmt.Sprintf(format, a...)) }
func (t *testIP) AddressAdded(_ *Work, n *NIC, a netip.Addr)            { t.note("added %s %s", n.Name(), a) }
func (t *testIP) AddressRemoved(_ *Work, n *NIC, a netip.Addr)          { t.note("removed %s %s", n.Name(), a) }
func (t *testIP) LinkUp(*Work, *NIC, bool)                              {}
func (t *testIP) SendError(_ *Work, p *Packet, k ICMPErrorKind, mtu int) {
	t.note("error %d %s", k, p.Front())
}
func (t *testIP) AnswerEcho(_ *Work, p *Packet) { p.Release() }
func (t *testIP) take() []string                { l := t.log; t.log = nil; return l }
func (t *testIP) Receive(w *Work, n *NIC, p *Packet) {
	if t.receive != nil {
		t.receive(w, n, p)
		return
	}
	if !t.s.DeliverTransport(w, p) {
		p.Drop(tcpip.DropUnknownType)
	}
}

func (t *testIP) Solicit(_ *Work, n *NIC, target, source netip.Addr, to tcpip.LinkAddr) {
	if t.deaf {
		return
	}
	if to.IsZero() {
		t.note("who-has %s tell %s", target, source)
		return
	}
	t.note("who-has %s tell %s to %s", target, source, to)
}

// testTransport keeps the errors that it hears of.
type testTransport struct {
	errors []string
	got    int
}

func (t *testTransport) Number() header.Protocol { return header.ProtocolUDP }
func (t *testTransport) NewEndpoint(header.EtherType) (Endpoint, error) {
	return nil, tcpip.ErrNotSupported
}
func (t *testTransport) Close(*Work)                {}
func (t *testTransport) Receive(_ *Work, p *Packet) { t.got++; p.Release() }
func (t *testTransport) ReceiveError(_ *Work, e *ICMPError) {
	t.errors = append(t.errors, fmt.Sprintf("%s %d:%d/%d %s>%s by %s", e.Err, e.Origin, e.Type, e.Code, e.Local, e.Remote, e.Offender))
}

// fixture is a stack under the manual clock with both families and test protocols.
type fixture struct {
	*Stack
	t        testing.TB
	clock    *tcpip.ManualClock
	ip4, ip6 *testIP
	udp      *testTransport
}

func newFixture(t testing.TB) *fixture {
	f := &fixture{t: t, clock: tcpip.NewManualClock(), udp: &testTransport{}}
	f.ip4, f.ip6 = &testIP{e: header.EtherTypeIPv4}, &testIP{e: header.EtherTypeIPv6}
	f.Stack = New(Options{
		Clock:  f.clock,
		Random: bytes.NewReader(bytes.Repeat([]byte("a source of chance"), 100)),
		Networks: []NewNetwork{
			func(s *Stack) NetworkProtocol { f.ip4.s = s; return f.ip4 },
			func(s *Stack) NetworkProtocol { f.ip6.s = s; return f.ip6 },
		},
		Transports: []NewTransport{func(*Stack) TransportProtocol { return f.udp }},
	})
	t.Cleanup(func() {
		f.Close()
		f.clock.Settle()
		require.NoError(t, f.Wait(context.Background()))
		require.Zero(t, f.LivePackets(), "packets leaked")
		require.Zero(t, f.Slabs.Live(), "slabs leaked")
	})
	return f
}

// nic adds a NIC with addresses.
func (f *fixture) nic(kind LinkKind, addresses ...string) (*NIC, *testLink) {
	l := newTestLink(kind)
	o := NICOptions{DAD: tcpip.Set(0)}
	for _, a := range addresses {
		o.Addresses = append(o.Addresses, netip.MustParsePrefix(a))
	}
	n, err := f.AddNIC(l, o)
	require.NoError(f.t, err)
	return n, l
}

func (f *fixture) route(dst string, change ...func(*RouteEntry)) {
	e := RouteEntry{Destination: netip.MustParsePrefix(dst)}
	for _, c := range change {
		c(&e)
	}
	require.NoError(f.t, f.AddRoute(e), dst)
}

func via(gateway string) func(*RouteEntry) {
	return func(e *RouteEntry) { e.Gateway = netip.MustParseAddr(gateway) }
}

func dev(n *NIC) func(*RouteEntry)          { return func(e *RouteEntry) { e.NIC = n.ID() } }
func metric(m uint32) func(*RouteEntry)     { return func(e *RouteEntry) { e.Metric = m } }
func preferring(a string) func(*RouteEntry) { return func(e *RouteEntry) { e.Source = addr(a) } }

// addr parses an address; "" is the zero Addr.
func addr(s string) netip.Addr {
	if s == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(s)
}

// message returns a packet whose front is b.
func (f *fixture) message(b string) *Packet {
	p := f.NewPacketCopy([]byte(b))
	p.SetNetwork(0)
	return p
}

// noAllocations fails the test if f, with its pools filled, allocates.
func noAllocations(t *testing.T, f func()) {
	t.Helper()
	if raceEnabled {
		t.Skip("the race detector empties pools at random")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties the pools
	for range 100 {
		f()
	}
	require.Zero(t, testing.AllocsPerRun(200, f))
}
