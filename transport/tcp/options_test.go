package tcp

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// Every row: its default, its bounds, and what is set comes back.
func TestOptionTable(t *testing.T) {
	x := newWire(t, Options{})
	seen := map[tcpip.OptionID]bool{}
	for _, row := range EndpointOptions {
		require.False(t, seen[row.ID], row.Name)
		seen[row.ID] = true
		require.NotEmpty(t, row.Doc, row.Name)
		e := endpointOf(t, x.s, 1)
		v, err := e.Option(row.ID)
		require.NoError(t, err, row.Name)
		want := row.Default
		if row.ID == TCP_MAXSEG {
			want = defaultMSS // what there is before a connection
		}
		require.Equal(t, want, v, row.Name)
		for _, v := range []int{row.Min, row.Max, max(row.Min, 1)} {
			if except, ok := row.Except.Get(); ok && except.Has(v) {
				require.ErrorIs(t, e.SetOption(row.ID, v), tcpip.ErrInvalid, "%s %d", row.Name, v)
				continue
			}
			require.NoError(t, e.SetOption(row.ID, v), "%s %d", row.Name, v)
		}
		if row.Unit != "bool" {
			for _, v := range []int{row.Min - 1, row.Max + 1} {
				if row.Min <= v && v <= row.Max {
					continue // a 32-bit int has no number beyond
				}
				require.ErrorIs(t, e.SetOption(row.ID, v), tcpip.ErrInvalid, row.Name)
			}
		}
		got := 1
		switch row.ID {
		case TCP_MAXSEG:
			require.NoError(t, e.SetOption(row.ID, 1000))
			got = 1000
			require.ErrorIs(t, e.SetOption(row.ID, 87), tcpip.ErrInvalid)
		case TCP_WINDOW_CLAMP:
			got = minWindowClamp
		case TCP_RTO_MAX_MS:
			got = row.Min
		case TCP_RTO_MIN_US, TCP_DELACK_MAX_US: // rounded up
			got = 8000
		}
		v, err = e.Option(row.ID)
		require.NoError(t, err)
		require.Equal(t, got, v, row.Name)
		e.Close()
	}
}

// What TCP lacks is refused with Linux's error.
func TestOptionErrors(t *testing.T) {
	x := newWire(t, Options{})
	e := endpointOf(t, x.s, 0)
	for id, get := range map[tcpip.OptionID]tcpip.Error{ // as measured on Linux
		tcpip.Option(tcpip.IPPROTO_TCP, 9999): tcpip.ErrNoProtocolOption,
		tcpip.IP_PKTINFO:                      tcpip.ErrNoProtocolOption,
		tcpip.IPV6_V6ONLY:                     tcpip.ErrNotSupported,
		tcpip.IPV6_MTU:                        tcpip.ErrNotSupported,
	} {
		require.Equal(t, tcpip.ErrNoProtocolOption, e.SetOption(id, 1))
		_, err := e.Option(id)
		require.Equal(t, get, err)
	}
	_, err := e.Option(tcpip.IP_MTU)
	require.ErrorIs(t, err, tcpip.ErrNotConnected)
	require.NoError(t, e.SetOption(tcpip.SO_BINDTOIFINDEX, 99)) // which a device may yet get
	require.NoError(t, e.SetOption(tcpip.SO_BINDTOIFINDEX, 0))
	v, err := e.Option(tcpip.SO_BINDTOIFINDEX)
	require.NoError(t, err)
	require.Zero(t, v)
	require.ErrorIs(t, e.SetCongestion("vegas"), tcpip.ErrNotFound)
	require.Equal(t, "cubic", e.Congestion())
	e.Close()
	require.ErrorIs(t, e.SetOption(TCP_NODELAY, 1), tcpip.ErrClosed)
}

// What one endpoint sets is no other's, also where they share what they have set.
func TestOptionsAreOfOneEndpoint(t *testing.T) {
	x := newWire(t, Options{})
	first, second, third := endpointOf(t, x.s, 0), endpointOf(t, x.s, 0), endpointOf(t, x.s, 0)
	set := func(e *Endpoint, id tcpip.OptionID, v int) { require.NoError(t, e.SetOption(id, v)) }
	set(first, TCP_NODELAY, 1)
	set(second, TCP_NODELAY, 2)
	set(second, tcpip.SO_TIMESTAMP, 1)
	set(second, TCP_NODELAY, 0)
	set(third, tcpip.SO_KEEPALIVE, 1)
	for e, want := range map[*Endpoint][3]int{first: {1, 0, 0}, second: {0, 1, 0}, third: {0, 0, 1}} {
		for i, id := range []tcpip.OptionID{TCP_NODELAY, tcpip.SO_TIMESTAMP, tcpip.SO_KEEPALIVE} {
			v, err := e.Option(id)
			require.NoError(t, err)
			require.Equal(t, want[i], v)
		}
		e.Close()
	}
}

// The options of IP, as measured on a SOCK_STREAM socket of Linux: a TTL of 0 is refused and -1 means and shows the
// default; the ECN bits are not the user's.
func TestOptionsOfIP(t *testing.T) {
	x := newWire(t, Options{})
	e := endpointOf(t, x.s, 1)
	defer e.Close()
	for _, c := range []struct {
		id       tcpip.OptionID
		set, get int
		err      tcpip.Error
	}{
		{tcpip.IP_TTL, 0, 64, tcpip.ErrInvalid},
		{tcpip.IP_TTL, 256, 64, tcpip.ErrInvalid},
		{tcpip.IP_TTL, 1, 1, tcpip.OK},
		{tcpip.IP_TTL, -1, 64, tcpip.OK},
		{tcpip.IPV6_UNICAST_HOPS, 0, 0, tcpip.OK},
		{tcpip.IPV6_UNICAST_HOPS, -1, 64, tcpip.OK},
		{tcpip.IP_TOS, 255, 252, tcpip.OK},
		{tcpip.IP_TOS, 257, 0, tcpip.OK},
		{tcpip.IPV6_TCLASS, 255, 252, tcpip.OK},
		{tcpip.IPV6_TCLASS, -1, 0, tcpip.OK},
	} {
		require.Equal(t, c.err.Err(), e.SetOption(c.id, c.set), "%v = %d", c.id, c.set)
		v, err := e.Option(c.id)
		require.NoError(t, err)
		require.Equal(t, c.get, v, "%v = %d", c.id, c.set)
	}
}

// TCP_DEFER_ACCEPT counts in retransmissions, and rounds up as Linux does.
func TestDeferRounding(t *testing.T) {
	for _, c := range [][2]int{{0, 0}, {1, 1}, {2, 3}, {3, 3}, {4, 7}, {10, 15}, {100, 127}} {
		require.Equal(t, c[1], retransToSeconds(secondsToRetrans(c[0])), c[0])
	}
}

// poll(2) of a TCP socket in each stage of its life.
func TestReadiness(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	e := endpointOf(t, h.a, 0)
	require.Equal(t, waiter.Writable|waiter.HangUp, e.Readiness(waiter.All))
	h.lose = func(traced) bool { return true }
	_ = e.Connect(tcpip.FullAddress{Addr: addrB[0], Port: 80})
	require.Zero(t, e.Readiness(waiter.All))
	h.lose = nil
	e.Close()

	c, s, l := h.connected(0)
	require.Zero(t, l.Readiness(waiter.All))
	require.Equal(t, waiter.Writable, c.Readiness(waiter.All))
	write(t, s, "abc")
	require.Equal(t, waiter.Writable|waiter.Readable, c.Readiness(waiter.All))
	require.NoError(t, c.SetOption(tcpip.SO_RCVLOWAT, 10))
	require.Equal(t, waiter.Writable, c.Readiness(waiter.All))
	require.NoError(t, c.Shutdown(tcpip.ShutdownRead))
	require.Equal(t, waiter.Writable|waiter.Readable|waiter.ReadHangUp, c.Readiness(waiter.All))
	require.NoError(t, s.Shutdown(tcpip.ShutdownWrite))
	require.NoError(t, c.Shutdown(tcpip.ShutdownWrite))
	require.Equal(t, waiter.Writable|waiter.Readable|waiter.ReadHangUp|waiter.HangUp, c.Readiness(waiter.All))
}

// A full send buffer is not writable until a third of it is free.
func TestWritable(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	c, s, _ := h.connected(0)
	require.NoError(t, c.SetOption(tcpip.SO_SNDBUF, 20000))
	require.NoError(t, s.SetOption(tcpip.SO_RCVBUF, 20000))
	for {
		if _, err := c.Write(make([]byte, 5000), tcpip.WriteOptions{}); err != nil {
			require.ErrorIs(t, err, tcpip.ErrWouldBlock)
			break
		}
	}
	require.Zero(t, c.Readiness(waiter.Writable))
	w := waiter.NewChannel(waiter.Writable)
	c.Waiters().Register(w)
	defer c.Waiters().Unregister(w)
	for range 100 {
		readAll(t, s, 100000)
		h.clock.Advance(50 * time.Millisecond)
	}
	require.NotZero(t, c.Readiness(waiter.Writable))
	require.Len(t, w.C(), 1)
}

// tcp(7): one urgent byte, out of line. Shows MUST-30, MUST-32, MUST-33.
func TestUrgent(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	c, s, _ := h.connected(0)
	_, err := s.Read(make([]byte, 1), tcpip.ReadOptions{Flags: tcpip.ReadUrgent})
	require.ErrorIs(t, err, tcpip.ErrInvalid)
	_, err = c.Write([]byte("abcX"), tcpip.WriteOptions{Flags: tcpip.WriteUrgent})
	require.NoError(t, err)
	write(t, c, "def")
	h.clock.Advance(time.Second)
	require.NotZero(t, s.Readiness(waiter.Priority)&waiter.Priority)
	b := make([]byte, 10)
	r, err := s.Read(b, tcpip.ReadOptions{Flags: tcpip.ReadUrgent})
	require.NoError(t, err)
	require.Equal(t, "X", string(b[:r.Count]))
	require.Equal(t, "abc", string(readAll(t, s, 10))) // a read ends at the mark
	require.True(t, s.AtMark())
	require.Equal(t, "def", string(readAll(t, s, 10)))
	require.False(t, s.AtMark())
}

// Peeking leaves the data where it is.
func TestPeek(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	c, s, _ := h.connected(0)
	write(t, c, "look")
	b := make([]byte, 10)
	for range 2 {
		r, err := s.Read(b, tcpip.ReadOptions{Flags: tcpip.ReadPeek})
		require.NoError(t, err)
		require.Equal(t, "look", string(b[:r.Count]))
	}
	require.Equal(t, 4, s.Unread())
	require.Equal(t, "look", string(readAll(t, s, 10)))
	require.Zero(t, s.Unread())
}

// SO_LINGER with zero makes Close a reset.
func TestLingerZero(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	c, s, _ := h.connected(0)
	require.NoError(t, c.SetOption(tcpip.SO_LINGER, 0))
	c.Close()
	require.Equal(t, header.RST|header.ACK, h.trace[len(h.trace)-1].h.Flags)
	_, err := s.Read(make([]byte, 1), tcpip.ReadOptions{})
	require.ErrorIs(t, err, tcpip.ErrConnReset)
	require.Zero(t, protocolOf(h.a).timeWaits.n)
}

// A closed endpoint whose peer never answers is given up after a while; beyond the bound of orphans
// Close is a reset.
func TestOrphans(t *testing.T) {
	h := newHosts(t, Options{OrphanMax: tcpip.Set(1)}, Options{})
	l := listenOn(t, h.b, 0, 80, 16)
	var c [2]*Endpoint
	for i := range c {
		c[i] = dial(t, h.a, 0, addrB[0], 80)
		accept(t, l)
	}
	h.lose = func(traced) bool { return true }
	c[0].Close()
	c[1].Close()
	require.EqualValues(t, 1, protocolOf(h.a).orphans.Load())
	require.EqualValues(t, 1, h.a.Counters().TcpExt.TCPAbortOnMemory.Value())
	require.NoError(t, c[1].Wait(t.Context()))
	h.clock.Advance(20 * time.Minute)
	require.Zero(t, protocolOf(h.a).orphans.Load())
	require.Empty(t, h.a.Endpoints())
}

// Beyond the bound of TIME-WAIT the oldest goes first; with a bound of zero none is kept.
func TestTimeWaitBound(t *testing.T) {
	for _, bound := range []int{0, 3} {
		h := newHosts(t, Options{TimeWaitMax: tcpip.Set(bound)}, Options{})
		l := listenOn(t, h.b, 0, 80, 16)
		for range 5 {
			c := dial(t, h.a, 0, addrB[0], 80)
			s := accept(t, l)
			c.Close()
			s.Close()
		}
		require.Equal(t, bound, protocolOf(h.a).timeWaits.n)
		h.clock.Advance(61 * time.Second)
		require.Zero(t, protocolOf(h.a).timeWaits.n)
		h.close()
	}
}

// When the ports run out, a connect takes one from TIME-WAIT (net.ipv4.tcp_tw_reuse).
func TestTimeWaitReuseAny(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	require.NoError(t, h.a.SetPortRange(40000, 40003))
	l := listenOn(t, h.b, 0, 80, 16)
	turn := func() error {
		c := endpointOf(t, h.a, 0)
		defer c.Close()
		if err := c.Connect(tcpip.FullAddress{Addr: addrB[0], Port: 80}); err != tcpip.ErrInProgress {
			return err
		}
		require.Equal(t, StateEstablished, c.State())
		s := accept(t, l)
		c.Close()
		s.Close()
		return nil
	}
	for range 4 {
		require.NoError(t, turn())
	}
	require.ErrorIs(t, turn(), tcpip.ErrAddrNotAvailable)
	h.clock.Advance(1100 * time.Millisecond)
	for range 4 {
		require.NoError(t, turn())
	}
	require.Equal(t, 4, protocolOf(h.a).timeWaits.n)
}

// In TIME-WAIT the peer's FIN, sent again, is acknowledged again, and a RST does no harm (RFC 1337).
func TestTimeWaitAnswers(t *testing.T) {
	x := newWire(t, Options{RFC1337: tcpip.Set(true)})
	l := listenOn(t, x.s, 0, 80, 4)
	x.syn(1000)
	x.send(1000, header.ACK, x.seq, x.ack, x.tsOpt(), "")
	accept(t, l).Close()
	x.only()
	x.ack++
	x.send(1000, header.ACK|header.FIN, x.seq, x.ack, x.tsOpt(), "")
	require.Equal(t, x.seq+1, x.only().h.Ack)
	require.Equal(t, 1, protocolOf(x.s).timeWaits.n)
	x.clock.Advance(30 * time.Second)
	x.send(1000, header.ACK|header.FIN, x.seq, x.ack, x.tsOpt(), "")
	require.Equal(t, x.seq+1, x.only().h.Ack)
	x.send(1000, header.RST, x.seq+1, 0, x.tsOpt(), "")
	require.Equal(t, 1, protocolOf(x.s).timeWaits.n)
	x.clock.Advance(31 * time.Second) // the time began anew
	require.Equal(t, 1, protocolOf(x.s).timeWaits.n)
	x.clock.Advance(30 * time.Second)
	require.Zero(t, protocolOf(x.s).timeWaits.n)
}

func TestBindErrors(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	e := endpointOf(t, h.a, 0)
	require.ErrorIs(t, e.Bind(tcpip.FullAddress{Addr: addrA[1]}), tcpip.ErrAddressFamily)
	require.ErrorIs(t, e.Bind(tcpip.FullAddress{Addr: addrB[0]}), tcpip.ErrAddrNotAvailable)
	require.NoError(t, e.Bind(tcpip.FullAddress{Addr: addrA[0]}))
	require.ErrorIs(t, e.Bind(tcpip.FullAddress{Addr: addrA[0]}), tcpip.ErrInvalid)
	port := e.LocalAddress().Port
	require.NotZero(t, port)
	f := endpointOf(t, h.a, 0)
	require.ErrorIs(t, f.Bind(tcpip.FullAddress{Port: port}), tcpip.ErrAddrInUse)
	require.ErrorIs(t, f.Connect(tcpip.FullAddress{Addr: addrB[1], Port: 1}), tcpip.ErrAddressFamily)
	_, err := f.Accept()
	require.ErrorIs(t, err, tcpip.ErrInvalid)
	_, err = f.Write([]byte("x"), tcpip.WriteOptions{})
	require.ErrorIs(t, err, tcpip.ErrPipe)
	_, err = f.Read(make([]byte, 1), tcpip.ReadOptions{})
	require.ErrorIs(t, err, tcpip.ErrNotConnected)
	require.ErrorIs(t, f.Shutdown(tcpip.ShutdownWrite), tcpip.ErrNotConnected)
	f.Close()
	require.ErrorIs(t, f.Connect(tcpip.FullAddress{Addr: addrB[0], Port: 1}), tcpip.ErrClosed)
	_, err = f.Read(nil, tcpip.ReadOptions{})
	require.ErrorIs(t, err, tcpip.ErrClosed)
}
