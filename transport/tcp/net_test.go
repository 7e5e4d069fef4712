package tcp

import (
	"context"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/network/ipv6"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// The addresses of the two hosts, by family.
var (
	addrA = [2]netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")}
	addrB = [2]netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd00::2")}
)

type counting struct{ n byte }

func (c *counting) Read(b []byte) (int, error) {
	for i := range b {
		c.n++
		b[i] = c.n
	}
	return len(b), nil
}

// hosts are two stacks joined by a pipe, under one manual clock, and what passed between them.
type hosts struct {
	t     *testing.T
	clock *tcpip.ManualClock
	a, b  *stack.Stack
	trace []traced
	lose  func(traced) bool // drops what it says, by direction
}

type traced struct {
	fromA bool
	h     header.TCPFields
	o     header.TCPOptions
	n     int
}

func newStack(clock tcpip.Clock, o Options, f stack.Filter) *stack.Stack {
	return stack.New(stack.Options{
		Networks: []stack.NewNetwork{ipv4.New, ipv6.New}, Transports: []stack.NewTransport{NewWith(o)},
		Clock: clock, Random: &counting{}, Filter: f,
	})
}

func addNIC(t testing.TB, s *stack.Stack, l stack.Link, addrs ...netip.Addr) *stack.NIC {
	o := stack.NICOptions{DAD: tcpip.Set(0)}
	for _, a := range addrs {
		bits := 24
		if a.Is6() {
			bits = 64
		}
		if a.IsLoopback() && a.Is4() {
			bits = 8
		}
		if a.IsLoopback() && a.Is6() {
			bits = 128
		}
		o.Addresses = append(o.Addresses, netip.PrefixFrom(a, bits))
	}
	n, err := s.AddNIC(l, o)
	require.NoError(t, err)
	return n
}

// filterFunc sees what goes out.
type filterFunc func(p *stack.Packet) stack.Verdict

func (f filterFunc) Filter(d stack.Direction, _ *stack.NIC, p *stack.Packet) stack.Verdict {
	if d == stack.Out {
		return f(p)
	}
	return stack.Accept
}

func newHosts(t *testing.T, oa, ob Options) *hosts {
	h := &hosts{t: t, clock: tcpip.NewManualClock()}
	watch := func(fromA bool) filterFunc {
		return func(p *stack.Packet) stack.Verdict {
			if !p.HasTransport() || p.Proto != header.ProtocolTCP {
				return stack.Accept
			}
			v := traced{fromA: fromA, n: p.TransportLen()}
			v2 := header.TCP(p.Transport())
			v2.Decode(&v.h)
			header.DecodeTCPOptions(v2.Options(), &v.o)
			v.n -= v2.HeaderLen()
			if len(h.trace) < 10000 {
				h.trace = append(h.trace, v)
			}
			if h.lose != nil && h.lose(v) {
				return stack.Discard
			}
			return stack.Accept
		}
	}
	h.a = newStack(h.clock, oa, watch(true))
	h.b = newStack(h.clock, ob, watch(false))
	l, r := pipe.New(pipe.Options{MTU: 1500})
	addNIC(t, h.a, l, addrA[0], addrA[1])
	addNIC(t, h.b, r, addrB[0], addrB[1])
	t.Cleanup(func() { h.close() })
	return h
}

// close closes both stacks and checks that nothing is left.
func (h *hosts) close() {
	h.lose = nil
	h.a.Close()
	h.b.Close()
	h.clock.Settle()
	for _, s := range []*stack.Stack{h.a, h.b} {
		require.Zero(h.t, s.LivePackets(), "packets left")
		require.Zero(h.t, s.Slabs.Live(), "slab bytes left")
		require.Empty(h.t, s.Endpoints(), "endpoints left")
		require.Zero(h.t, protocolOf(s).halfOpen.len())
		require.Zero(h.t, protocolOf(s).timeWaits.n)
	}
}

func protocolOf(s *stack.Stack) *Protocol { return s.Transport(header.ProtocolTCP).(*Protocol) }

func etherType(v6 int) header.EtherType {
	return [...]header.EtherType{header.EtherTypeIPv4, header.EtherTypeIPv6}[v6]
}

func endpointOf(t testing.TB, s *stack.Stack, v6 int) *Endpoint {
	e, err := s.NewEndpoint(header.ProtocolTCP, etherType(v6))
	require.NoError(t, err)
	return e.(*Endpoint)
}

func listenOn(t testing.TB, s *stack.Stack, v6 int, port uint16, backlog int) *Endpoint {
	e := endpointOf(t, s, v6)
	require.NoError(t, e.Bind(tcpip.FullAddress{Port: port}))
	require.NoError(t, e.Listen(backlog))
	return e
}

func dial(t testing.TB, s *stack.Stack, v6 int, to netip.Addr, port uint16) *Endpoint {
	e := endpointOf(t, s, v6)
	require.ErrorIs(t, e.Connect(tcpip.FullAddress{Addr: to, Port: port}), tcpip.ErrInProgress)
	return e
}

func accept(t testing.TB, l *Endpoint) *Endpoint {
	e, err := l.Accept()
	require.NoError(t, err)
	return e.(*Endpoint)
}

// connected returns the two ends of a connection, and the listener.
func (h *hosts) connected(v6 int) (c, s, l *Endpoint) {
	l = listenOn(h.t, h.b, v6, 80, 16)
	c = dial(h.t, h.a, v6, addrB[v6], 80)
	require.NoError(h.t, c.LastError())
	return c, accept(h.t, l), l
}

func readAll(t testing.TB, e *Endpoint, max int) []byte {
	b := make([]byte, max)
	r, err := e.Read(b, tcpip.ReadOptions{})
	if err == tcpip.ErrWouldBlock {
		return nil
	}
	require.NoError(t, err)
	return b[:r.Count]
}

func write(t testing.TB, e *Endpoint, s string) {
	n, err := e.Write([]byte(s), tcpip.WriteOptions{})
	require.NoError(t, err)
	require.Equal(t, len(s), n)
}

func bothFamilies(t *testing.T, f func(t *testing.T, v6 int)) {
	t.Run("IPv4", func(t *testing.T) { f(t, 0) })
	t.Run("IPv6", func(t *testing.T) { f(t, 1) })
}

// loopHost is one stack with a loopback NIC.
func loopHost(t testing.TB, clock tcpip.Clock, o Options) *stack.Stack {
	s := newStack(clock, o, nil)
	addNIC(t, s, loopback.New(loopback.Options{}), netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback())
	return s
}

// wire is a stack whose peer is the test itself: it sees every segment and makes any.
type wire struct {
	t     *testing.T
	clock *tcpip.ManualClock
	s     *stack.Stack
	tap   *tapLink
	seq   seq.Number // of the next segment of ours
	ack   seq.Number
	ts    uint32
	ecr   uint32
}

// tapLink keeps what is transmitted and lets the test deliver.
type tapLink struct {
	up   stack.Receiver
	sent []*stack.Packet
	mtu  int
}

func (l *tapLink) Info() stack.LinkInfo {
	return stack.LinkInfo{Kind: stack.LinkIP, Up: true, MTU: l.mtu, Offload: stack.OffloadChecksum | stack.OffloadReceive}
}
func (l *tapLink) Attach(r stack.Receiver) error { l.up = r; return nil }
func (l *tapLink) Transmit(_ *stack.Work, _ int, batch []*stack.Packet) int {
	l.sent = append(l.sent, batch...)
	return len(batch)
}
func (l *tapLink) Close()                     {}
func (l *tapLink) Wait(context.Context) error { return nil }

func newWire(t *testing.T, o Options) *wire {
	x := &wire{t: t, clock: tcpip.NewManualClock(), tap: &tapLink{mtu: 1500}, ts: 1000}
	x.s = newStack(x.clock, o, nil)
	addNIC(t, x.s, x.tap, addrA[0], addrA[1])
	t.Cleanup(func() {
		x.s.Close()
		x.clock.Settle()
		x.drain()
		require.Zero(t, x.s.LivePackets())
		require.Zero(t, x.s.Slabs.Live())
		require.Empty(t, x.s.Endpoints())
	})
	return x
}

func (x *wire) drain() []traced {
	var all []traced
	for _, p := range x.tap.sent {
		b := make([]byte, p.Len())
		p.CopyTo(b)
		p.Release()
		ip := header.IPv4(b)
		if ip.Protocol() != header.ProtocolTCP {
			continue
		}
		h := header.TCP(b[ip.HeaderLen():])
		v := traced{n: len(h.Payload())}
		h.Decode(&v.h)
		header.DecodeTCPOptions(h.Options(), &v.o)
		all = append(all, v)
	}
	x.tap.sent = nil
	return all
}

// only returns the one segment that was sent.
func (x *wire) only() traced {
	x.t.Helper()
	all := x.drain()
	require.Len(x.t, all, 1)
	return all[0]
}

func (x *wire) none() {
	x.t.Helper()
	require.Empty(x.t, x.drain())
}

// send delivers a segment from port sport of host B to port 80.
func (x *wire) send(sport uint16, f header.TCPFlags, s, a seq.Number, o header.TCPOptions, data string) {
	x.sendFrom(addrB[0], sport, f, s, a, o, data)
}

func (x *wire) sendFrom(src netip.Addr, sport uint16, f header.TCPFlags, s, a seq.Number, o header.TCPOptions, data string) {
	x.t.Helper()
	x.sendBetween(src, addrA[0], sport, f, s, a, o, data)
}

func (x *wire) sendBetween(src, dst netip.Addr, sport uint16, f header.TCPFlags, s, a seq.Number, o header.TCPOptions, data string) {
	x.t.Helper()
	n := header.TCPSize + o.Size()
	b := make([]byte, header.IPv4Size+n+len(data))
	ip := header.IPv4Fields{TotalLength: uint16(len(b)), TTL: 64, Protocol: header.ProtocolTCP, Src: src, Dst: dst}
	ip.Encode(b)
	fields := header.TCPFields{SrcPort: sport, DstPort: 80, Seq: s, Ack: a, Flags: f, Window: 65535}
	seg := fields.Encode(b[header.IPv4Size:], &o)
	copy(b[header.IPv4Size+n:], data)
	seg.SetChecksum(header.TransportChecksum(header.ProtocolTCP, src, dst, b[header.IPv4Size:]))
	p := x.s.NewPacketCopy(b)
	p.EtherType = header.EtherTypeIPv4
	x.tap.up.Deliver(nil, []*stack.Packet{p})
}

func (x *wire) tsOpt() header.TCPOptions {
	x.ts++
	return header.TCPOptions{HasTimestamp: true, TSVal: x.ts, TSEcr: x.ecr}
}

func (x *wire) synOpt() header.TCPOptions {
	o := x.tsOpt()
	o.HasMSS, o.MSS, o.SACKPermitted, o.HasWindowScale, o.WindowScale = true, 1460, true, true, 7
	return o
}

// syn sends a SYN with all options and takes the SYN-ACK.
func (x *wire) syn(sport uint16) traced {
	x.t.Helper()
	x.seq = 5000
	x.send(sport, header.SYN, x.seq, 0, x.synOpt(), "")
	v := x.only()
	require.Equal(x.t, header.SYN|header.ACK, v.h.Flags)
	require.Equal(x.t, x.seq+1, v.h.Ack)
	x.seq++
	x.ack = v.h.Seq + 1
	x.ecr = v.o.TSVal
	return v
}
