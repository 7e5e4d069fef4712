package behaviour

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/internal/simnet"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/fault"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// siege is a client that sends to a server over a segment on which an attacker sits, too.
type siege struct {
	t        *testing.T
	n        *simnet.Net
	r        *rand.Rand
	client   *simnet.Host
	server   *simnet.Host
	attacker *station
	to       tcpip.LinkAddr // the server's
	m        family         // us is the server, peer the client
	port     uint16         // the client's
	live     bool           // the flow is established
	expected seq.Number     // the server's last ACK of it
	sent     int            // of the attacker's frames
}

func newSiege(t *testing.T, m family) *siege {
	s := &siege{t: t, n: simnet.New(7), r: rand.New(rand.NewPCG(1, 2)), m: m}
	s.client, s.server = s.n.Host("client"), s.n.Host("server")
	h := new(hub)
	near, far := h.station(2), h.station(1)
	s.attacker = h.station(66)
	s.to = far.addr
	far.carry = func(p *stack.Packet) bool {
		b := make([]byte, p.Len())
		p.CopyTo(b)
		if p.EtherType != header.EtherTypeARP {
			if seg, ok := parse(b); ok && seg.DstPort == s.port && seg.dst == m.peer {
				s.expected = seg.Ack
			}
		}
		return true
	}
	wire := fault.Faults{Delay: 10 * time.Millisecond, Rate: 1e9, Queue: 4 << 20} // ample: the window is what limits the flow
	_, err := s.client.AddNIC(fault.New(near, fault.Options{Seed: 1, Tx: wire, Rx: wire}), stack.NICOptions{
		DAD: tcpip.Set(0), Addresses: []netip.Prefix{prefix("10.0.0.2/8"), prefix("fd00::2/64")},
	})
	require.NoError(t, err)
	nic, err := s.server.AddNIC(far, stack.NICOptions{
		DAD: tcpip.Set(0), Addresses: []netip.Prefix{prefix("10.0.0.1/8"), prefix("fd00::1/64")},
	})
	require.NoError(t, err)
	// Answers to the crowd beyond leave through a router, which is the attacker.
	for _, gateway := range []netip.Addr{addr("10.0.0.254"), addr("fd00::fe")} {
		dst := prefix("0.0.0.0/0")
		if gateway.Is6() {
			dst = prefix("::/0")
		}
		require.NoError(t, nic.AddNeighbour(gateway, s.attacker.addr))
		require.NoError(t, s.server.AddRoute(stack.RouteEntry{Destination: dst, Gateway: gateway}))
	}
	s.n.Run(time.Second)
	return s
}

// crowd, service and flow are ends: the i-th of a crowd beyond the link, the server's and the client's.
func (s *siege) crowd(i int) netip.AddrPort {
	return netip.AddrPortFrom(s.m.host(i%60000), uint16(1024+i%50000))
}
func (s *siege) service() netip.AddrPort { return netip.AddrPortFrom(s.m.us, 80) }
func (s *siege) flow() netip.AddrPort    { return netip.AddrPortFrom(s.m.peer, s.port) }
func (s *siege) number() seq.Number      { return seq.Number(s.r.Uint32()) }

// flowOr is the client's end once the flow is there, and before one of the crowd's: against who knows a tuple before it
// is used, and sends SYNs from it all the time, there is no help.
func (s *siege) flowOr(i int) netip.AddrPort {
	if s.live {
		return s.flow()
	}
	return s.crowd(i)
}

// inWindow is a number that the server expects before long, and not next; before the flow is there, any.
func (s *siege) inWindow() seq.Number {
	if !s.live {
		return s.number()
	}
	return s.expected.Add(1 + s.r.IntN(64))
}

// floods are what the attacker sends, the i-th of a kind, towards the server.
var floods = []struct {
	name  string
	frame func(s *siege, i int) []byte
}{
	{"SYN", func(s *siege, i int) []byte {
		o := header.TCPOptions{HasMSS: true, MSS: 1460, SACKPermitted: true, HasTimestamp: true, TSVal: 1}
		return segment(s.crowd(i), s.service(), header.TCPFields{Seq: s.number(), Flags: header.SYN, Window: 999}, o, nil)
	}},
	{"SYN of the flow", func(s *siege, i int) []byte {
		return segment(s.flowOr(i), s.service(), header.TCPFields{Seq: s.number(), Flags: header.SYN, Window: 999}, header.TCPOptions{}, nil)
	}},
	{"ACK", func(s *siege, i int) []byte {
		return segment(s.crowd(i), s.service(), header.TCPFields{Seq: s.number(), Ack: s.number(), Flags: header.ACK, Window: 999}, header.TCPOptions{}, nil)
	}},
	{"ACK of the flow", func(s *siege, i int) []byte {
		return segment(s.flow(), s.service(), header.TCPFields{Seq: s.number(), Ack: s.number(), Flags: header.ACK, Window: 999}, header.TCPOptions{}, nil)
	}},
	{"data of the flow", func(s *siege, i int) []byte { // out of the window, or with an ACK that is wrong
		return segment(s.flow(), s.service(), header.TCPFields{Seq: s.number(), Ack: s.number(), Flags: header.ACK, Window: 999}, header.TCPOptions{}, make([]byte, 100))
	}},
	{"RST", func(s *siege, i int) []byte {
		return segment(s.crowd(i), s.service(), header.TCPFields{Seq: s.number(), Flags: header.RST}, header.TCPOptions{}, nil)
	}},
	{"RST of the flow", func(s *siege, i int) []byte {
		return segment(s.flow(), s.service(), header.TCPFields{Seq: s.number(), Flags: header.RST}, header.TCPOptions{}, nil)
	}},
	{"RST in the window", func(s *siege, i int) []byte { // RFC 5961 §3
		return segment(s.flow(), s.service(), header.TCPFields{Seq: s.inWindow(), Flags: header.RST}, header.TCPOptions{}, nil)
	}},
	{"SYN in the window", func(s *siege, i int) []byte {
		return segment(s.flowOr(i), s.service(), header.TCPFields{Seq: s.inWindow(), Flags: header.SYN, Window: 999}, header.TCPOptions{}, nil)
	}},
	{"ACK to a closed port", func(s *siege, i int) []byte {
		return segment(s.crowd(i), netip.AddrPortFrom(s.m.us, uint16(i)|1<<15), header.TCPFields{Seq: 1, Ack: 1, Flags: header.ACK}, header.TCPOptions{}, nil)
	}},
	{"ping", func(s *siege, i int) []byte { return ping(s.m.host(i%60000), s.m.us, 1000) }},
	{"ICMP errors about the flow", func(s *siege, i int) []byte {
		q := segment(s.service(), s.flow(), header.TCPFields{Seq: s.number(), Ack: s.number(), Flags: header.ACK}, header.TCPOptions{}, nil)
		if i%2 == 0 {
			return tooBig(s.m, q, 1280)
		}
		return unreachable(s.m, q)
	}},
	{"UDP to closed ports", func(s *siege, i int) []byte {
		return datagram(s.crowd(i), netip.AddrPortFrom(s.m.us, uint16(i)|1<<15), 100)
	}},
	{"first fragments", func(s *siege, i int) []byte {
		return piece(datagram(s.crowd(i), netip.AddrPortFrom(s.m.us, 9), 1400), uint32(i), 0, 1400, true)
	}},
	{"later fragments", func(s *siege, i int) []byte {
		return piece(datagram(s.crowd(i), netip.AddrPortFrom(s.m.us, 9), 1400), uint32(i), 8, 1384, true)
	}},
	{"fragments from the client", func(s *siege, i int) []byte {
		return piece(datagram(s.flow(), netip.AddrPortFrom(s.m.us, 9), 1400), uint32(i), 0, 1400, true)
	}},
	{"solicitations", func(s *siege, i int) []byte { return s.asks(i) }},
	{"announcements", func(s *siege, i int) []byte {
		who := s.neighbour(i)
		if !s.m.v6 {
			f := header.ARPFields{Op: header.ARPReply, SenderAddr: who, SenderLinkAddr: s.attacker.addr, TargetAddr: who}
			return f.Encode(make([]byte, header.ARPSize))
		}
		return ndpPacket(who, addr("ff02::1"), advertise(who, header.NDPOverride, s.attacker.addr))
	}},
}

// neighbour is the i-th of a crowd on the link, the client not among it.
func (s *siege) neighbour(i int) netip.Addr {
	b := s.m.us.AsSlice()
	b[len(b)-3], b[len(b)-2], b[len(b)-1] = byte(1+i>>16), byte(i>>8), byte(i)
	a, _ := netip.AddrFromSlice(b)
	return a
}

// asks is the question of a crowd on the link for the server's link address.
func (s *siege) asks(i int) []byte {
	who := s.neighbour(i)
	if !s.m.v6 {
		f := header.ARPFields{Op: header.ARPRequest, SenderAddr: who, SenderLinkAddr: s.attacker.addr, TargetAddr: s.m.us}
		return f.Encode(make([]byte, header.ARPSize))
	}
	return ndpPacket(who, header.SolicitedNode(s.m.us), solicit(s.m.us, s.attacker.addr))
}

func ndpPacket(src, dst netip.Addr, m []byte) []byte {
	header.ICMPv6(m).UpdateChecksum(src, dst)
	return testnet.IPv6(header.IPv6Fields{Src: src, Dst: dst, HopLimit: 255, NextHeader: header.ProtocolICMPv6}, m)
}

// strike sends one frame of a flood.
func (s *siege) strike(frame func(*siege, int) []byte) {
	b := frame(s, s.sent)
	s.sent++
	e := stack.EtherTypeOf(b)
	if len(b) == header.ARPSize {
		e = header.EtherTypeARP
	}
	s.attacker.inject(s.t, e, s.attacker.addr, s.to, b)
}

const (
	flowBytes  = 1 << 19
	floodBurst = 5 // frames every millisecond
)

// outcome is what a siege comes to.
type outcome struct {
	took    time.Duration // of the flow, from Connect to the last byte
	slabs   int64         // the most bytes and packets that the server held
	packets int64
	growth  int64 // of the heap while the flood went on, bytes
	err     error // what was not given back
}

// endure runs the flow while a flood lasts, if there is one.
func endure(t *testing.T, m family, frame func(*siege, int) []byte) (o outcome) {
	s := newSiege(t, m)
	l, err := s.server.NewEndpoint(header.ProtocolTCP, header.EtherTypeIPv6)
	require.NoError(t, err)
	require.NoError(t, l.Bind(tcpip.FullAddress{Port: 80}))
	require.NoError(t, l.SetOption(tcpip.SO_RCVBUF, 64<<10))
	require.NoError(t, l.Listen(128))
	flooding := frame != nil
	var tick func()
	tick = func() {
		for range floodBurst {
			s.strike(frame)
		}
		o.slabs, o.packets = max(o.slabs, s.server.Slabs.Live()), max(o.packets, s.server.LivePackets())
		if flooding {
			s.n.Clock.AfterFunc(time.Millisecond, tick)
		}
	}
	s.port = 40000
	if flooding {
		s.n.Clock.AfterFunc(0, tick)
		s.n.Run(700 * time.Millisecond) // all tables that can be are full now
	}
	c, err := s.client.NewEndpoint(header.ProtocolTCP, m.ether)
	require.NoError(t, err)
	require.NoError(t, c.Bind(tcpip.FullAddress{Port: s.port}))
	start, end := s.n.Clock.Now(), tcpip.Time(0)
	require.Equal(t, tcpip.ErrInProgress, c.Connect(tcpip.FullAddress{Addr: m.us, Port: 80}))
	from := s.n.Use(c, simnet.Plan{Send: flowBytes, Closing: simnet.CloseAfterEOF})
	var to *simnet.User
	l.Waiters().Register(waiter.NewFunc(waiter.Readable, func(waiter.Events) {
		if ep, err := l.Accept(); err == nil {
			if to != nil {
				t.Error("a second connection was accepted")
				return
			}
			s.live = true
			to = s.n.Use(ep.(stack.Endpoint), simnet.Plan{Closing: simnet.CloseAfterEOF})
		}
	}))
	require.True(t, s.n.RunUntil(func() bool {
		if end == 0 && to != nil && to.Received == flowBytes {
			end = s.n.Clock.Now()
		}
		return end != 0 && from.Finished() && to.Finished()
	}, time.Minute), "the flow did not end: %+v", to)
	require.NoError(t, from.Bad)
	require.NoError(t, to.Bad)
	require.NoError(t, from.Err)
	require.NoError(t, to.Err)
	o.took = end.Sub(start)
	if flooding {
		more := func(n int) int64 {
			for range n {
				s.strike(frame)
				if s.sent%64 == 0 {
					s.n.Run(time.Millisecond)
				}
			}
			s.n.Run(50 * time.Millisecond) // nothing is left on the wire
			return heap()
		}
		before := more(2000)
		o.growth = more(8000) - before
	}
	flooding = false
	l.Close()
	s.n.Run(10 * time.Minute)
	if live := s.server.Slabs.Live(); live != 0 {
		o.err = fmt.Errorf("%d bytes of slabs are left after the flood", live)
	} else if p := s.server.LivePackets(); p != 0 {
		o.err = fmt.Errorf("%d packets are left after the flood", p)
	} else {
		o.err = s.n.Close()
	}
	return o
}

// heap returns the bytes that are in use, garbage apart.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what pools keep is dropped in two steps
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Floods: memory stays flat, and a legitimate flow keeps nine tenths of its rate.
func TestF11(t *testing.T) {
	forFamilies(t, func(t *testing.T, m family) {
		quiet := endure(t, m, nil)
		require.NoError(t, quiet.err)
		t.Logf("%d bytes in %v", flowBytes, quiet.took)
		for _, f := range floods {
			t.Run(f.name, func(t *testing.T) {
				o := endure(t, m, f.frame)
				require.NoError(t, o.err)
				t.Logf("%v, at most %d packets and %d KB, grown by %d KB", o.took, o.packets, o.slabs>>10, o.growth>>10)
				require.LessOrEqual(t, o.took, quiet.took*10/9)
				require.Less(t, o.slabs, int64(4<<20+512<<10))
				require.Less(t, o.packets, int64(2000))
				require.Less(t, o.growth, int64(256<<10), "the longer the flood, the more is kept")
			})
		}
	})
}
