package tcp

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// The tests of BEHAVIOUR.md A: a peer that negotiates timestamps and then sends none.

var noOpt header.TCPOptions

// A1: SYN and SYN-ACK with timestamps, the final ACK without.
func TestA1(t *testing.T) {
	x := newWire(t, Options{})
	l := listenOn(t, x.s, 0, 80, 4)
	v := x.syn(1000)
	require.True(t, v.o.HasTimestamp)
	x.send(1000, header.ACK, x.seq, x.ack, noOpt, "")
	s := accept(t, l)
	require.Equal(t, StateEstablished, s.State())
	x.clock.Advance(10 * time.Second)
	x.none() // no SYN-ACK is sent again
	require.Zero(t, protocolOf(x.s).halfOpen.len())
	s.Abort()
	x.drain()
}

// A2: the same with data, with FIN, with data before the bare ACK, reordered, and with cookies.
func TestA2(t *testing.T) {
	t.Run("data", func(t *testing.T) {
		x := newWire(t, Options{})
		l := listenOn(t, x.s, 0, 80, 4)
		x.syn(1000)
		x.send(1000, header.ACK|header.PSH, x.seq, x.ack, noOpt, "data")
		s := accept(t, l)
		require.Equal(t, "data", string(readAll(t, s, 10)))
		require.Equal(t, x.seq+4, x.only().h.Ack)
		s.Abort()
		x.drain()
	})
	t.Run("FIN", func(t *testing.T) {
		x := newWire(t, Options{})
		l := listenOn(t, x.s, 0, 80, 4)
		x.syn(1000)
		x.send(1000, header.ACK|header.FIN, x.seq, x.ack, noOpt, "")
		s := accept(t, l)
		require.Equal(t, StateCloseWait, s.State())
		x.clock.Advance(time.Millisecond)
		require.Equal(t, x.seq+1, x.only().h.Ack)
		require.NotZero(t, s.Readiness(waiter.ReadHangUp))
		s.Abort()
		x.drain()
	})
	t.Run("reordered", func(t *testing.T) {
		x := newWire(t, Options{})
		l := listenOn(t, x.s, 0, 80, 4)
		x.syn(1000)
		x.send(1000, header.ACK, x.seq+4, x.ack, noOpt, "late")
		x.send(1000, header.ACK, x.seq, x.ack, noOpt, "earl")
		x.send(1000, header.ACK, x.seq, x.ack, noOpt, "")
		s := accept(t, l)
		require.Equal(t, "earllate", string(readAll(t, s, 10)))
		s.Abort()
		x.drain()
	})
	t.Run("cookie", func(t *testing.T) {
		x := newWire(t, Options{Cookies: tcpip.Set(CookiesAlways)})
		l := listenOn(t, x.s, 0, 80, 4)
		x.syn(1000)
		require.Zero(t, protocolOf(x.s).halfOpen.len())
		x.send(1000, header.ACK, x.seq, x.ack, noOpt, "data")
		s := accept(t, l)
		require.Equal(t, "data", string(readAll(t, s, 10)))
		require.Zero(t, s.Info().Options) // A3: only the option could have carried them
		require.False(t, x.only().o.HasTimestamp)
		s.Abort()
		x.drain()
	})
}

// A3: our segments still carry TSval, and TSecr is the last TS seen.
func TestA3(t *testing.T) {
	x := newWire(t, Options{})
	l := listenOn(t, x.s, 0, 80, 4)
	x.syn(1000)
	last := x.ts
	x.send(1000, header.ACK, x.seq, x.ack, noOpt, "")
	s := accept(t, l)
	write(t, s, "hi")
	v := x.only()
	require.True(t, v.o.HasTimestamp)
	require.Equal(t, last, v.o.TSEcr)
	x.ack += 2
	x.send(1000, header.ACK, x.seq, x.ack, x.tsOpt(), "")
	last = x.ts
	x.send(1000, header.ACK, x.seq, x.ack, noOpt, "no timestamp")
	x.clock.Advance(time.Second)
	v = x.only()
	require.Equal(t, last, v.o.TSEcr)
	s.Abort()
	x.drain()
}

// A4: data, ACK, keep-alive probes, FIN and RST without the option are processed in every later state.
func TestA4(t *testing.T) {
	x := newWire(t, Options{})
	l := listenOn(t, x.s, 0, 80, 4)
	x.syn(1000)
	x.send(1000, header.ACK, x.seq, x.ack, noOpt, "")
	s := accept(t, l)
	x.send(1000, header.ACK, x.seq, x.ack, noOpt, "abc")
	require.Equal(t, "abc", string(readAll(t, s, 10)))
	x.seq += 3
	require.Equal(t, x.seq, x.only().h.Ack)
	x.send(1000, header.ACK, x.seq-1, x.ack, noOpt, "") // a keep-alive probe
	require.Equal(t, x.seq, x.only().h.Ack)
	x.clock.Advance(time.Second)
	x.send(1000, header.ACK, x.seq-1, x.ack, noOpt, "c") // and one with an old byte
	require.Equal(t, x.seq, x.only().h.Ack)
	write(t, s, "xyz")
	x.only()
	x.ack += 3
	x.send(1000, header.ACK, x.seq, x.ack, noOpt, "")
	require.Zero(t, s.Unsent())
	x.send(1000, header.ACK|header.FIN, x.seq, x.ack, noOpt, "")
	x.seq++
	require.Equal(t, StateCloseWait, s.State())
	x.drain()
	x.send(1000, header.RST, x.seq, 0, noOpt, "")
	require.Equal(t, StateClosed, s.State())
	s.Close()
}

// A5: the RTO keeps its floor whatever such ACKs seem to measure, and a TSecr of zero measures nothing.
func TestA5(t *testing.T) {
	x := newWire(t, Options{})
	l := listenOn(t, x.s, 0, 80, 4)
	x.syn(1000)
	x.send(1000, header.ACK, x.seq, x.ack, noOpt, "")
	s := accept(t, l)
	for range 5 {
		write(t, s, "x")
		x.only()
		x.clock.Advance(10 * time.Millisecond)
		x.ack++
		x.send(1000, header.ACK, x.seq, x.ack, noOpt, "")
	}
	require.GreaterOrEqual(t, s.Info().RTO, 200*time.Millisecond)
	before := s.Info().RTT
	write(t, s, "y")
	x.only()
	x.clock.Advance(300 * time.Millisecond) // it is sent again: Karn
	x.drain()
	x.ack++
	o := x.tsOpt()
	o.TSEcr = 0
	x.send(1000, header.ACK, x.seq, x.ack, o, "")
	require.Equal(t, before, s.Info().RTT)
	s.Abort()
	x.drain()
}

// A6: a stale TSval is rejected with an ACK, a RST is exempt, and ts_recent expires after 24 days.
func TestA6(t *testing.T) {
	x := newWire(t, Options{})
	l := listenOn(t, x.s, 0, 80, 4)
	x.syn(1000)
	x.send(1000, header.ACK, x.seq, x.ack, x.tsOpt(), "")
	s := accept(t, l)
	old := x.tsOpt()
	old.TSVal -= 500
	x.send(1000, header.ACK, x.seq, x.ack, old, "stale")
	require.Equal(t, x.seq, x.only().h.Ack)
	require.Empty(t, readAll(t, s, 10))
	require.EqualValues(t, 1, x.s.Counters().Drops[tcpip.DropPAWS].Value())
	require.EqualValues(t, 1, x.s.Counters().TcpExt.PAWSEstab.Value())
	x.clock.Advance(25 * 24 * time.Hour)
	x.drain()
	x.send(1000, header.ACK, x.seq, x.ack, old, "fresh")
	require.Equal(t, "fresh", string(readAll(t, s, 10)))
	x.seq += 5
	x.drain()
	old.TSVal -= 500
	x.send(1000, header.RST, x.seq, 0, old, "")
	require.Equal(t, StateClosed, s.State())
	s.Close()
}

// A7: a TSecr that we never sent yields no RTT sample.
func TestA7(t *testing.T) {
	x := newWire(t, Options{})
	l := listenOn(t, x.s, 0, 80, 4)
	x.syn(1000)
	x.send(1000, header.ACK, x.seq, x.ack, x.tsOpt(), "")
	s := accept(t, l)
	before := s.Info().RTT
	write(t, s, "x")
	x.only()
	x.clock.Advance(300 * time.Millisecond) // sent again, so that only the timestamp could be measured
	x.drain()
	x.ack++
	o := x.tsOpt()
	o.TSEcr = x.ecr - 1000000
	x.send(1000, header.ACK, x.seq, x.ack, o, "")
	require.Equal(t, before, s.Info().RTT)
	s.Abort()
	x.drain()
}

// A8: 10,000 handshakes whose final ACK never comes, or is invalid, leave nothing behind, and the next
// connection succeeds.
func TestA8(t *testing.T) {
	const n = 10000
	x := newWire(t, Options{SynBacklog: tcpip.Set(20000), ResetRate: tcpip.Set(1 << 30)})
	l := listenOn(t, x.s, 0, 80, 4)
	l.listener.Load().backlog = 20000 // beyond somaxconn, for the test's sake
	for i := range n {
		port := uint16(1024 + i)
		x.send(port, header.SYN, 7, 0, x.synOpt(), "")
		if i%2 == 0 {
			x.send(port, header.ACK, 8, 12345, noOpt, "")
		}
	}
	require.Equal(t, n, protocolOf(x.s).halfOpen.len())
	x.drain()
	x.clock.Advance(64 * time.Second)
	x.drain()
	require.Zero(t, protocolOf(x.s).halfOpen.len())
	require.Zero(t, l.listener.Load().halfOpen)
	require.Zero(t, x.s.Slabs.Live())
	require.Zero(t, x.s.LivePackets())
	require.Len(t, x.s.Endpoints(), 1)
	require.EqualValues(t, 5*n, x.s.Counters().Tcp.RetransSegs.Value())
	x.syn(1000)
	x.send(1000, header.ACK, x.seq, x.ack, noOpt, "")
	accept(t, l).Abort()
	x.drain()
}

// A9: a counter; a strict mode, off by default; the three values of net.ipv4.tcp_timestamps; an endpoint's
// own mode, inherited by accepted sockets.
func TestA9(t *testing.T) {
	t.Run("counter", func(t *testing.T) {
		x := newWire(t, Options{})
		l := listenOn(t, x.s, 0, 80, 4)
		x.syn(1000)
		x.send(1000, header.ACK, x.seq, x.ack, noOpt, "")
		x.send(1000, header.ACK, x.seq, x.ack, noOpt, "x")
		require.EqualValues(t, 2, x.s.Counters().TcpExt.TCPNoTimestamp.Value())
		accept(t, l).Abort()
		x.drain()
	})
	t.Run("strict", func(t *testing.T) {
		x := newWire(t, Options{})
		l := endpointOf(t, x.s, 0)
		require.NoError(t, l.SetOption(TCP_TIMESTAMP_MODE, int(tcpip.TimestampsStrict)))
		require.NoError(t, l.Bind(tcpip.FullAddress{Port: 80}))
		require.NoError(t, l.Listen(4))
		x.syn(1000)
		x.send(1000, header.ACK, x.seq, x.ack, noOpt, "")
		require.Zero(t, l.Readiness(waiter.Readable))
		x.send(1000, header.ACK, x.seq, x.ack, x.tsOpt(), "")
		s := accept(t, l)
		mode, err := s.Option(TCP_TIMESTAMP_MODE)
		require.NoError(t, err)
		require.Equal(t, int(tcpip.TimestampsStrict), mode)
		x.drain()
		x.send(1000, header.ACK, x.seq, x.ack, noOpt, "data")
		require.Empty(t, readAll(t, s, 10))
		require.EqualValues(t, 2, x.s.Counters().Drops[tcpip.DropNoTimestamp].Value())
		s.Abort()
		x.drain()
	})
	t.Run("modes", func(t *testing.T) {
		offset := func(mode tcpip.TimestampMode) (has bool, offset uint32) {
			x := newWire(t, Options{Timestamps: tcpip.Set(mode)})
			listenOn(t, x.s, 0, 80, 4)
			v := x.syn(1000)
			return v.o.HasTimestamp, v.o.TSVal - uint32(x.clock.Now()/1e6)
		}
		has, _ := offset(tcpip.TimestampsOff)
		require.False(t, has)
		has, off := offset(tcpip.TimestampsOn)
		require.True(t, has)
		require.NotZero(t, off)
		has, off = offset(tcpip.TimestampsNoOffset)
		require.True(t, has)
		require.Zero(t, off)
	})
	t.Run("own", func(t *testing.T) {
		h := newHosts(t, Options{}, Options{})
		listenOn(t, h.b, 0, 80, 4)
		c := endpointOf(t, h.a, 0)
		require.NoError(t, c.SetOption(TCP_TIMESTAMP_MODE, int(tcpip.TimestampsOff)))
		require.ErrorIs(t, c.Connect(tcpip.FullAddress{Addr: addrB[0], Port: 80}), tcpip.ErrInProgress)
		require.False(t, h.trace[0].o.HasTimestamp)
		require.ErrorIs(t, c.SetOption(TCP_TIMESTAMP_MODE, 4), tcpip.ErrInvalid)
		require.NoError(t, c.SetOption(TCP_TIMESTAMP_MODE, -1))
	})
}

// A10: a TS option that was not negotiated is ignored.
func TestA10(t *testing.T) {
	x := newWire(t, Options{Timestamps: tcpip.Set(tcpip.TimestampsOff)})
	l := listenOn(t, x.s, 0, 80, 4)
	x.syn(1000)
	x.send(1000, header.ACK, x.seq, x.ack, x.tsOpt(), "")
	s := accept(t, l)
	o := x.tsOpt()
	o.TSVal -= 100000
	x.send(1000, header.ACK, x.seq, x.ack, o, "data")
	require.Equal(t, "data", string(readAll(t, s, 10)))
	require.False(t, x.only().o.HasTimestamp)
	s.Abort()
	x.drain()
}

// A11: a SYN with ECE and CWR is a good SYN.
func TestA11(t *testing.T) {
	x := newWire(t, Options{})
	l := listenOn(t, x.s, 0, 80, 4)
	x.send(1000, header.SYN|header.ECE|header.CWR, 5000, 0, x.synOpt(), "")
	v := x.only()
	require.Equal(t, header.SYN|header.ACK, v.h.Flags&(header.SYN|header.ACK|header.RST))
	x.send(1000, header.ACK, 5001, v.h.Seq+1, noOpt, "")
	accept(t, l).Abort()
	x.drain()
}

// A12: a final ACK with a wrong number gets a RST and keeps the slot for the right one.
func TestA12(t *testing.T) {
	x := newWire(t, Options{})
	l := listenOn(t, x.s, 0, 80, 4)
	x.syn(1000)
	x.send(1000, header.ACK, x.seq, x.ack+77, noOpt, "")
	v := x.only()
	require.Equal(t, header.RST, v.h.Flags)
	require.Equal(t, x.ack+77, v.h.Seq)
	require.Equal(t, 1, protocolOf(x.s).halfOpen.len())
	x.send(1000, header.ACK, x.seq, x.ack, noOpt, "")
	accept(t, l).Abort()
	x.drain()
}
