package tcp

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// Handshake, data both ways, close from one side and then the other, TIME-WAIT.
func TestConnection(t *testing.T) {
	bothFamilies(t, func(t *testing.T, v6 int) {
		h := newHosts(t, Options{}, Options{})
		c, s, l := h.connected(v6)
		require.Equal(t, StateEstablished, c.State())
		require.Equal(t, StateEstablished, s.State())
		require.Equal(t, c.LocalAddress().AddrPort(), s.RemoteAddress().AddrPort())
		require.Equal(t, tcpip.FullAddress{Addr: addrB[v6], Port: 80}, s.LocalAddress())
		require.Zero(t, s.Readiness(waiter.Readable))

		write(t, c, "hello")
		require.Equal(t, waiter.Readable, s.Readiness(waiter.Readable))
		require.Equal(t, "hello", string(readAll(t, s, 100)))
		write(t, s, "world")
		require.Equal(t, "world", string(readAll(t, c, 100)))

		c.Close()
		require.Equal(t, StateCloseWait, s.State())
		require.NotZero(t, s.Readiness(waiter.ReadHangUp))
		require.Empty(t, readAll(t, s, 100)) // the end of the stream, no error
		s.Close()
		require.NoError(t, s.Wait(t.Context()))
		require.NoError(t, c.Wait(t.Context()))
		require.Equal(t, 1, protocolOf(h.a).timeWaits.n)
		h.clock.Advance(61 * time.Second)
		require.Zero(t, protocolOf(h.a).timeWaits.n)
		l.Close()
		require.Empty(t, h.a.Endpoints())
		require.Empty(t, h.b.Endpoints())
	})
}

// A megabyte each way, in writes of an odd size.
func TestBulk(t *testing.T) {
	bothFamilies(t, func(t *testing.T, v6 int) {
		h := newHosts(t, Options{}, Options{})
		c, s, _ := h.connected(v6)
		data := make([]byte, 1<<20)
		for i := range data {
			data[i] = byte(i*7 + i>>8)
		}
		for _, d := range [][2]*Endpoint{{c, s}, {s, c}} {
			sent, got := 0, make([]byte, 0, len(data))
			for len(got) < len(data) {
				if sent < len(data) {
					n, err := d[0].Write(data[sent:min(len(data), sent+30011)], tcpip.WriteOptions{})
					if err != nil {
						require.ErrorIs(t, err, tcpip.ErrWouldBlock)
					}
					sent += n
				}
				b := readAll(t, d[1], 20000)
				if got = append(got, b...); len(b) == 0 && !h.clock.Step() {
					t.Fatal("stuck at", len(got), "of", sent)
				}
			}
			require.True(t, bytes.Equal(data, got))
		}
		i := c.Info()
		require.Zero(t, i.TotalRetransmits)
		require.Equal(t, 1448-20*v6, i.SendMSS)
	})
}

// RFC 9293 §3.10.7.1: a closed port answers with RST, and connect says ECONNREFUSED.
func TestRefused(t *testing.T) {
	bothFamilies(t, func(t *testing.T, v6 int) {
		h := newHosts(t, Options{}, Options{})
		c := dial(t, h.a, v6, addrB[v6], 81)
		require.NotZero(t, c.Readiness(waiter.All)&waiter.Error)
		require.Equal(t, header.RST|header.ACK, h.trace[1].h.Flags)
		require.ErrorIs(t, c.LastError(), tcpip.ErrConnRefused)
		require.NoError(t, c.LastError())
		require.EqualValues(t, 1, h.b.Counters().Tcp.OutRsts.Value())
		require.EqualValues(t, 1, h.b.Counters().Drops[tcpip.DropNoPort].Value())
	})
}

// connect(2) on a non-blocking socket, called over and over.
func TestConnectAgain(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	l := listenOn(t, h.b, 0, 80, 4)
	h.lose = func(v traced) bool { return true }
	c := endpointOf(t, h.a, 0)
	to := tcpip.FullAddress{Addr: addrB[0], Port: 80}
	require.ErrorIs(t, c.Connect(to), tcpip.ErrInProgress)
	require.ErrorIs(t, c.Connect(to), tcpip.ErrAlreadyInProgress)
	_, err := c.Write([]byte("x"), tcpip.WriteOptions{})
	require.ErrorIs(t, err, tcpip.ErrWouldBlock)
	h.lose = nil
	h.clock.Advance(time.Second)
	require.NoError(t, c.Connect(to))
	require.ErrorIs(t, c.Connect(to), tcpip.ErrAlreadyConnected)
	accept(t, l)

	r := endpointOf(t, h.a, 0)
	to.Port = 81
	require.ErrorIs(t, r.Connect(to), tcpip.ErrInProgress)
	require.ErrorIs(t, r.Connect(to), tcpip.ErrConnRefused)
	require.ErrorIs(t, r.Connect(to), tcpip.ErrInProgress)
}

// Ten SYNs are sent again, the first five after a second each, the others after 2, 4, ...; then connect has timed out.
func TestConnectTimeout(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	h.lose = func(v traced) bool { return true }
	c := dial(t, h.a, 0, addrB[0], 80)
	h.clock.Advance(130 * time.Second)
	require.Len(t, h.trace, 11)
	require.NoError(t, c.LastError())
	h.clock.Advance(2 * time.Second)
	require.Len(t, h.trace, 11)
	require.ErrorIs(t, c.LastError(), tcpip.ErrTimedOut)
}

// RFC 9293 §3.6.1: one direction closes, the other goes on.
func TestHalfClose(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	c, s, _ := h.connected(0)
	write(t, c, "request")
	require.NoError(t, c.Shutdown(tcpip.ShutdownWrite))
	require.Equal(t, StateFinWait1, c.State(), "the acknowledgement of a FIN waits for the other")
	h.clock.Advance(50 * time.Millisecond)
	require.Equal(t, StateFinWait2, c.State())
	require.Equal(t, "request", string(readAll(t, s, 100)))
	require.Empty(t, readAll(t, s, 100))
	_, err := c.Write([]byte("x"), tcpip.WriteOptions{})
	require.ErrorIs(t, err, tcpip.ErrPipe)
	write(t, s, "answer")
	require.Equal(t, "answer", string(readAll(t, c, 100)))
	s.Close()
	require.Empty(t, readAll(t, c, 100))
	require.Equal(t, StateClosed, c.State()) // a record stands in TIME-WAIT for it
	require.NotZero(t, c.Readiness(0)&waiter.HangUp)
	c.Close()
	require.NoError(t, c.Wait(t.Context()))
}

// Unread data makes Close a reset; the peer reads what it has and then ECONNRESET, once.
func TestCloseUnread(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	c, s, _ := h.connected(0)
	write(t, c, "unread")
	write(t, s, "last words")
	s.Close()
	require.Equal(t, header.RST|header.ACK, h.trace[len(h.trace)-1].h.Flags)
	require.NoError(t, s.Wait(t.Context()))
	require.Equal(t, "last words", string(readAll(t, c, 100)))
	_, err := c.Read(make([]byte, 1), tcpip.ReadOptions{})
	require.ErrorIs(t, err, tcpip.ErrConnReset)
	require.Empty(t, readAll(t, c, 100))
	_, err = c.Write([]byte("x"), tcpip.WriteOptions{})
	require.ErrorIs(t, err, tcpip.ErrPipe)
}

// RFC 9293 §3.5 Figure 7, through two shells: both ends connect to each other.
func TestSimultaneousOpen(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	a, b := endpointOf(t, h.a, 0), endpointOf(t, h.b, 0)
	require.NoError(t, a.Bind(tcpip.FullAddress{Port: 1000}))
	require.NoError(t, b.Bind(tcpip.FullAddress{Port: 2000}))
	h.lose = func(v traced) bool { return true } // the first SYN of each crosses the other's
	require.ErrorIs(t, a.Connect(tcpip.FullAddress{Addr: addrB[0], Port: 2000}), tcpip.ErrInProgress)
	require.ErrorIs(t, b.Connect(tcpip.FullAddress{Addr: addrA[0], Port: 1000}), tcpip.ErrInProgress)
	h.lose = nil
	h.clock.Advance(3 * time.Second)
	require.Equal(t, StateEstablished, a.State())
	require.Equal(t, StateEstablished, b.State())
	write(t, a, "ping")
	require.Equal(t, "ping", string(readAll(t, b, 10)))
	write(t, b, "pong")
	require.Equal(t, "pong", string(readAll(t, a, 10)))
}

// A socket that connects to itself is a simultaneous open with itself.
func TestSelfConnect(t *testing.T) {
	clock := tcpip.NewManualClock()
	s := loopHost(t, clock, Options{})
	e := endpointOf(t, s, 0)
	lo := tcpip.FullAddress{Addr: loopbackOf(addrA[0]), Port: 4321}
	require.NoError(t, e.Bind(lo))
	require.ErrorIs(t, e.Connect(lo), tcpip.ErrInProgress)
	clock.Advance(3 * time.Second)
	require.Equal(t, StateEstablished, e.State())
	write(t, e, "echo")
	require.Equal(t, "echo", string(readAll(t, e, 10)))
	e.Abort()
	require.NoError(t, e.Wait(t.Context()))
	s.Close()
	require.Zero(t, s.LivePackets())
	require.Zero(t, s.Slabs.Live())
}

// A SYN that proves to be newer takes the place of a connection in TIME-WAIT (RFC 6191). Shows MAY-2.
func TestTimeWaitReuse(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	l := listenOn(t, h.b, 0, 80, 16)
	connect := func() (c, s *Endpoint) {
		c = endpointOf(t, h.a, 0)
		require.NoError(t, c.SetOption(tcpip.SO_REUSEADDR, 1))
		require.NoError(t, c.Bind(tcpip.FullAddress{Port: 5555}))
		require.ErrorIs(t, c.Connect(tcpip.FullAddress{Addr: addrB[0], Port: 80}), tcpip.ErrInProgress)
		require.Equal(t, StateEstablished, c.State())
		return c, accept(t, l)
	}
	c, s := connect()
	s.Close() // the server's side waits
	c.Close()
	require.Equal(t, 1, protocolOf(h.b).timeWaits.n)
	h.clock.Advance(10 * time.Millisecond)
	c, s = connect()
	require.Zero(t, protocolOf(h.b).timeWaits.n)
	c.Close() // the client's side waits, and gives way after a second
	s.Close()
	require.Equal(t, 1, protocolOf(h.a).timeWaits.n)
	e := endpointOf(t, h.a, 0)
	require.NoError(t, e.SetOption(tcpip.SO_REUSEADDR, 1))
	require.NoError(t, e.Bind(tcpip.FullAddress{Port: 5555}))
	require.ErrorIs(t, e.Connect(tcpip.FullAddress{Addr: addrB[0], Port: 80}), tcpip.ErrAddrNotAvailable)
	e.Close()
	h.clock.Advance(1100 * time.Millisecond)
	connect()
	require.Zero(t, protocolOf(h.a).timeWaits.n)
}

// Close in the middle of everything leaves nothing; newHosts checks it.
func TestStackCloseInTheMiddle(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	c, s, _ := h.connected(0)
	write(t, c, "some data that nobody reads")
	h.lose = func(v traced) bool { return v.fromA }
	n, err := s.Write(make([]byte, 100000), tcpip.WriteOptions{})
	require.NoError(t, err)
	require.NotZero(t, n)
	dial(t, h.a, 0, addrB[0], 80)
	h.close()
	require.Equal(t, StateClosed, c.State())
	_, err = h.a.NewEndpoint(header.ProtocolTCP, header.EtherTypeIPv4)
	require.ErrorIs(t, err, tcpip.ErrClosed)
}
