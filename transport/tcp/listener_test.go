package tcp

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// The accept queue takes one more than its backlog. The final ACK of the next is dropped and the record
// kept: the connection comes once there is room. SYNs are dropped meanwhile.
func TestAcceptQueueOverflow(t *testing.T) {
	x := newWire(t, Options{})
	l := listenOn(t, x.s, 0, 80, 1)
	var last []seq.Number
	for i := range 3 {
		x.syn(uint16(1000 + i))
		last = append(last, x.ack)
		if i == 0 { // or else the third would get a cookie
			x.send(1000, header.ACK, x.seq, last[0], noOpt, "")
		}
	}
	for i := 1; i < 3; i++ {
		x.send(uint16(1000+i), header.ACK, x.seq, last[i], noOpt, "")
	}
	c := &x.s.Counters().TcpExt
	require.EqualValues(t, 1, c.ListenOverflows.Value())
	require.Equal(t, 1, protocolOf(x.s).halfOpen.len())
	x.send(2000, header.SYN, 1, 0, x.synOpt(), "")
	x.none()
	require.EqualValues(t, 2, x.s.Counters().Drops[tcpip.DropAcceptQueue].Value())
	accept(t, l).Abort()
	x.drain()
	x.clock.Advance(time.Second) // our SYN-ACK again, answered again
	require.Equal(t, header.SYN|header.ACK, x.only().h.Flags)
	x.send(1002, header.ACK, x.seq, last[2], noOpt, "")
	for range 2 {
		accept(t, l).Abort()
	}
	_, err := l.Accept()
	require.ErrorIs(t, err, tcpip.ErrWouldBlock)
	x.drain()
}

// net.ipv4.tcp_abort_on_overflow.
func TestAbortOnOverflow(t *testing.T) {
	x := newWire(t, Options{AbortOnOverflow: tcpip.Set(true)})
	l := listenOn(t, x.s, 0, 80, 1)
	x.syn(1000)
	x.send(1000, header.ACK, x.seq, x.ack, noOpt, "")
	x.syn(1001)
	second := x.ack
	x.syn(1002)
	x.send(1001, header.ACK, x.seq, second, noOpt, "")
	x.send(1002, header.ACK, x.seq, x.ack, noOpt, "")
	require.Equal(t, header.RST, x.only().h.Flags)
	require.Zero(t, protocolOf(x.s).halfOpen.len())
	accept(t, l).Abort()
	accept(t, l).Abort()
	x.drain()
}

// A flood of SYNs that nobody completes: memory stays flat, and a legitimate client connects by a cookie,
// with all its options.
func TestSynFlood(t *testing.T) {
	x := newWire(t, Options{})
	l := listenOn(t, x.s, 0, 80, 128)
	for i := range 20000 {
		x.send(uint16(1024+i), header.SYN, seq.Number(i), 0, x.synOpt(), "")
		if i%64 == 0 {
			x.drain()
		}
	}
	x.drain()
	require.Equal(t, 129, protocolOf(x.s).halfOpen.len())
	require.Zero(t, x.s.Slabs.Live())
	require.EqualValues(t, 20000-129, x.s.Counters().TcpExt.SyncookiesSent.Value())

	v := x.syn(60000)
	x.ecr = v.o.TSVal
	x.send(60000, header.ACK, x.seq, x.ack, x.tsOpt(), "GET /")
	s := accept(t, l)
	require.Equal(t, "GET /", string(readAll(t, s, 10)))
	i := s.Info()
	require.Equal(t, InfoTimestamps|InfoSACK|InfoScaling, i.Options)
	require.EqualValues(t, 7, i.SendScale)
	require.Equal(t, 1448, i.SendMSS)
	require.EqualValues(t, 1, x.s.Counters().TcpExt.SyncookiesRecv.Value())
	s.Abort()
	x.drain()
}

// A guessed cookie gets a RST, and so does any ACK while no cookies are in use.
func TestBadCookie(t *testing.T) {
	x := newWire(t, Options{Cookies: tcpip.Set(CookiesAlways)})
	l := listenOn(t, x.s, 0, 80, 4)
	x.send(1000, header.ACK, 5001, 4711, noOpt, "")
	require.Equal(t, header.RST, x.only().h.Flags)
	require.EqualValues(t, 1, x.s.Counters().Drops[tcpip.DropBadAck].Value())
	x.syn(1000)
	x.send(1000, header.ACK, x.seq, x.ack+100, noOpt, "")
	require.Equal(t, header.RST, x.only().h.Flags)
	require.EqualValues(t, 1, x.s.Counters().Drops[tcpip.DropBadCookie].Value())
	x.clock.Advance(5 * time.Minute)
	x.send(1000, header.ACK, x.seq, x.ack, noOpt, "") // too late: none are in use any more
	require.Equal(t, header.RST, x.only().h.Flags)
	require.EqualValues(t, 2, x.s.Counters().Drops[tcpip.DropBadAck].Value())
	_, err := l.Accept()
	require.ErrorIs(t, err, tcpip.ErrWouldBlock)
}

// A connection that was born of a cookie and is gone does not come back where the peer, which does not know yet, sends on
// after as many bytes as it was sent: its stream would begin in the middle.
func TestCookieOfTheDead(t *testing.T) {
	x := newWire(t, Options{Cookies: tcpip.Set(CookiesAlways)})
	l := listenOn(t, x.s, 0, 80, 4)
	x.syn(1000)
	x.send(1000, header.ACK, x.seq, x.ack, noOpt, "hello")
	s := accept(t, l)
	write(t, s, "world")
	x.drain()
	s.Abort()
	require.Equal(t, header.RST, x.only().h.Flags&header.RST)
	x.send(1000, header.ACK, x.seq+5, x.ack+5, noOpt, "more")
	require.Equal(t, header.RST, x.only().h.Flags)
	require.EqualValues(t, 1, x.s.Counters().Drops[tcpip.DropBadCookie].Value())
	_, err := l.Accept()
	require.ErrorIs(t, err, tcpip.ErrWouldBlock)
}

// What a listener does with segments that are no SYN (RFC 9293 §3.10.7.2).
func TestListenerIgnores(t *testing.T) {
	x := newWire(t, Options{})
	listenOn(t, x.s, 0, 80, 4)
	for _, c := range []struct {
		f    header.TCPFlags
		drop tcpip.Drop
	}{{header.RST, tcpip.DropBadReset}, {0, tcpip.DropNoAck}, {header.FIN, tcpip.DropNoAck}, {header.SYN | header.FIN, tcpip.DropBadFlags}} {
		before := x.s.Counters().Drops[c.drop].Value()
		x.send(1000, c.f, 1, 0, noOpt, "")
		x.none()
		require.Equal(t, before+1, x.s.Counters().Drops[c.drop].Value(), c.f)
	}
	x.send(1000, header.SYN|header.ACK, 1, 99, noOpt, "")
	require.Equal(t, header.RST, x.only().h.Flags)
}

// RST and SYN in SYN-RECEIVED (RFC 5961 as far as it applies). Shows MUST-11.
func TestHalfOpenReset(t *testing.T) {
	x := newWire(t, Options{})
	listenOn(t, x.s, 0, 80, 4)
	x.syn(1000)
	x.send(1000, header.RST, x.seq+5, 0, noOpt, "")
	require.Equal(t, 1, protocolOf(x.s).halfOpen.len())
	x.drain()
	x.send(1000, header.RST, x.seq, 0, noOpt, "")
	require.Zero(t, protocolOf(x.s).halfOpen.len())
	require.EqualValues(t, 1, x.s.Counters().TcpExt.EmbryonicRsts.Value())
	x.syn(1000)
	x.clock.Advance(time.Second / 2)
	x.send(1000, header.SYN, x.seq-1, 0, x.synOpt(), "") // the SYN again: the answer again
	require.Equal(t, x.ack-1, x.only().h.Seq)
}

// Closing a listener resets what nobody accepted and forgets what is half open.
func TestListenerClose(t *testing.T) {
	x := newWire(t, Options{})
	l := listenOn(t, x.s, 0, 80, 4)
	x.syn(1000)
	x.send(1000, header.ACK, x.seq, x.ack, noOpt, "")
	x.syn(1001)
	l.Close()
	v := x.only()
	require.Equal(t, header.RST|header.ACK, v.h.Flags)
	require.EqualValues(t, 1000, v.h.DstPort)
	require.Zero(t, protocolOf(x.s).halfOpen.len())
	x.send(1001, header.ACK, x.seq, x.ack, noOpt, "")
	require.Equal(t, header.RST, x.only().h.Flags)
	require.Empty(t, x.s.Endpoints())
}

// A listener that is shut down for reading is an unconnected socket again.
func TestListenerShutdown(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	l := listenOn(t, h.b, 0, 80, 4)
	require.NoError(t, l.Shutdown(tcpip.ShutdownRead))
	_, err := l.Accept()
	require.ErrorIs(t, err, tcpip.ErrInvalid)
	c := dial(t, h.a, 0, addrB[0], 80)
	require.ErrorIs(t, c.LastError(), tcpip.ErrConnRefused)
	require.NoError(t, l.Listen(4))
	dial(t, h.a, 0, addrB[0], 80)
	accept(t, l)
}

// Accepted connections begin with the listener's options.
func TestInheritance(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	l := listenOn(t, h.b, 0, 80, 4)
	options := map[tcpip.OptionID]int{
		TCP_NODELAY: 1, tcpip.SO_KEEPALIVE: 1, TCP_KEEPIDLE: 33, TCP_USER_TIMEOUT: 4444, tcpip.IP_TTL: 9,
		tcpip.IP_TOS: 0x10, tcpip.IP_MTU_DISCOVER: int(tcpip.PMTUProbe), tcpip.SO_LINGER: 5,
	}
	for id, v := range options {
		require.NoError(t, l.SetOption(id, v))
	}
	require.NoError(t, l.SetCongestion("reno"))
	dial(t, h.a, 0, addrB[0], 80)
	s := accept(t, l)
	for id, want := range options {
		v, err := s.Option(id)
		require.NoError(t, err)
		require.Equal(t, want, v, id)
	}
	require.Equal(t, "reno", s.Congestion())
	require.Equal(t, "reno", s.Info().Congestion)
}

// Two listeners of one port share its connections.
func TestReusePort(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	var l [2]*Endpoint
	for i := range l {
		l[i] = endpointOf(t, h.b, 0)
		require.NoError(t, l[i].SetOption(tcpip.SO_REUSEPORT, 1))
		require.NoError(t, l[i].Bind(tcpip.FullAddress{Port: 80}))
		require.NoError(t, l[i].Listen(100))
	}
	for range 64 {
		dial(t, h.a, 0, addrB[0], 80)
	}
	var got [2]int
	for i := range l {
		for l[i].Readiness(waiter.Readable) != 0 {
			accept(t, l[i])
			got[i]++
		}
	}
	require.Equal(t, 64, got[0]+got[1])
	require.Greater(t, got[0], 10)
	require.Greater(t, got[1], 10)
	third := endpointOf(t, h.b, 0)
	require.ErrorIs(t, third.Bind(tcpip.FullAddress{Port: 80}), tcpip.ErrAddrInUse)
}

// A listener for IPv6 takes IPv4 too, unless it is told not to.
func TestDualStack(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	l := listenOn(t, h.b, 1, 80, 4)
	dial(t, h.a, 0, addrB[0], 80)
	s := accept(t, l)
	require.Equal(t, addrA[0], s.RemoteAddress().Addr)
	require.Equal(t, addrB[0], s.LocalAddress().Addr)

	only := endpointOf(t, h.b, 1)
	require.NoError(t, only.SetOption(tcpip.IPV6_V6ONLY, 1))
	require.NoError(t, only.Bind(tcpip.FullAddress{Port: 81}))
	require.ErrorIs(t, only.SetOption(tcpip.IPV6_V6ONLY, 0), tcpip.ErrInvalid)
	require.NoError(t, only.Listen(4))
	c := dial(t, h.a, 0, addrB[0], 81)
	require.ErrorIs(t, c.LastError(), tcpip.ErrConnRefused)
	dial(t, h.a, 1, addrB[1], 81)
	accept(t, only)
}

// TCP_DEFER_ACCEPT: a connection is accepted when its data comes, or after the time has run out.
func TestDeferAccept(t *testing.T) {
	x := newWire(t, Options{})
	l := listenOn(t, x.s, 0, 80, 4)
	require.NoError(t, l.SetOption(TCP_DEFER_ACCEPT, 3))
	v, err := l.Option(TCP_DEFER_ACCEPT)
	require.NoError(t, err)
	require.Equal(t, 3, v)
	x.syn(1000)
	x.send(1000, header.ACK, x.seq, x.ack, noOpt, "")
	require.Zero(t, l.Readiness(waiter.Readable))
	x.send(1000, header.ACK, x.seq, x.ack, noOpt, "data")
	accept(t, l).Abort()
	x.drain()
}
