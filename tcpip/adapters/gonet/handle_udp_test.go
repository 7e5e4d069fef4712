package gonet_test

import (
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
	"github.com/seed963a8790/netstack/transport"
	"github.com/seed963a8790/netstack/transport/udp"
)

func handleUDP(t testing.TB, h *host, o udp.HandleOptions, f func(*gonet.UDPFlow)) *udp.Handler {
	t.Helper()
	l, err := gonet.HandleUDP(h.Stack, o, f)
	require.NoError(t, err)
	t.Cleanup(l.Close)
	return l
}

// exchange writes and reads one datagram.
func exchange(t testing.TB, c net.Conn, ask string) string {
	t.Helper()
	_, err := c.Write([]byte(ask))
	require.NoError(t, err)
	var b [100]byte
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := c.Read(b[:])
	require.NoError(t, err)
	return string(b[:n])
}

// The answer comes from whom the client has asked (BEHAVIOUR C1).
func TestHandleUDP(t *testing.T) {
	left, right := newGateway(t, nil)
	h := handleUDP(t, right, udp.HandleOptions{}, func(f *gonet.UDPFlow) {
		c, err := f.Accept(udp.AcceptOptions{})
		if err != nil {
			t.Error(err)
			return
		}
		again, err := f.Accept(udp.AcceptOptions{})
		if err != nil || again != c {
			t.Error("another connection", err)
		}
		f.Reject(transport.RejectPort) // too late
		go func() {
			defer c.Close()
			var b [100]byte
			for {
				n, from, err := c.ReadFrom(b[:])
				if err != nil {
					return
				}
				if from.String() != f.Src.String() || c.LocalAddr().String() != f.Dst.String() {
					t.Error(from, c.LocalAddr())
				}
				if b[0] == 'q' {
					return
				}
				c.WriteTo(append([]byte("re: "), b[:n]...), from)
			}
		}()
	})
	for _, a := range far {
		c, err := left.Dial("udp", a)
		require.NoError(t, err)
		for range 3 {
			require.Equal(t, "re: hello", exchange(t, c, "hello"))
		}
		_, err = c.Write([]byte("q"))
		require.NoError(t, err)
		require.Eventually(t, func() bool { return h.Stats().Open == 0 }, 10*time.Second, time.Millisecond)
		require.Equal(t, "re: again", exchange(t, c, "again"), "another flow")
		c.Write([]byte("q"))
		require.Eventually(t, func() bool { return h.Stats().Open == 0 }, 10*time.Second, time.Millisecond)
		c.Close()
	}
	s := h.Stats()
	require.EqualValues(t, 4, s.Handled)
	require.EqualValues(t, 4, s.Accepted)
	require.Zero(t, s.Rejected)
}

// A full cone is one flow for all that a client sends, and anybody may answer.
func TestHandleUDPFullCone(t *testing.T) {
	left, right := newGateway(t, nil)
	var flows atomic.Int64
	h := handleUDP(t, right, udp.HandleOptions{Mapping: udp.FullCone}, func(f *gonet.UDPFlow) {
		flows.Add(1)
		c, err := f.Accept(udp.AcceptOptions{})
		if err != nil {
			t.Error(err)
			return
		}
		go func() {
			defer c.Close()
			var b [100]byte
			for {
				n, to, err := c.ReadFromUDPAddrPort(b[:])
				if err != nil {
					return
				}
				if b[0] == 's' { // a stranger speaks up
					to = netip.AddrPortFrom(to.Addr().Next(), 99)
				}
				if _, err := c.WriteToUDPAddrPort(b[:n], to); err != nil {
					t.Error(err)
				}
			}
		}()
	})
	for _, bind := range []string{left4 + ":5000", "[" + left6 + "]:5000"} {
		c, err := left.ListenUDP(t.Context(), "udp", bind)
		require.NoError(t, err)
		to := []string{"203.0.113.7:53", "198.51.100.1:123"}
		stranger := "203.0.113.8:99"
		if bind[0] == '[' {
			to = []string{"[2001:db8:ffff::7]:53", "[2001:db8:eeee::1]:123"}
			stranger = "[2001:db8:ffff::8]:99"
		}
		var b [100]byte
		ask := func(what, to, from string) {
			_, err := c.WriteToUDPAddrPort([]byte(what), netip.MustParseAddrPort(to))
			require.NoError(t, err)
			c.SetReadDeadline(time.Now().Add(10 * time.Second))
			n, who, err := c.ReadFromUDPAddrPort(b[:])
			require.NoError(t, err)
			require.Equal(t, what, string(b[:n]))
			require.Equal(t, from, who.String())
		}
		ask("one", to[0], to[0])
		ask("two", to[1], to[1])
		ask("stranger", to[0], stranger)
		c.Close()
	}
	require.EqualValues(t, 2, flows.Load())
	require.Equal(t, 2, h.Stats().Open)
	h.Close()
	require.Zero(t, h.Stats().Open)
}

func TestHandleUDPReject(t *testing.T) {
	left, right := newGateway(t, nil)
	h := handleUDP(t, right, udp.HandleOptions{}, func(f *gonet.UDPFlow) {
		f.Reject(transport.RejectPort)
		f.Drop()
		if _, err := f.Accept(udp.AcceptOptions{}); err == nil {
			t.Error("accepted")
		}
	})
	for _, a := range far {
		c, err := left.Dial("udp", a)
		require.NoError(t, err)
		_, err = c.Write([]byte("x"))
		require.NoError(t, err)
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		_, err = c.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		c.Close()
	}
	require.EqualValues(t, 2, h.Stats().Rejected)
	require.EqualValues(t, 2, right.Counters().Drops[tcpip.DropDeclined].Value())
}

// What arrives before the answer is kept, up to a bound; the answer may come late.
func TestHandleUDPLate(t *testing.T) {
	left, right := newGateway(t, nil)
	asked := make(chan *gonet.UDPFlow, 1)
	h := handleUDP(t, right, udp.HandleOptions{}, func(f *gonet.UDPFlow) { asked <- f })
	c, err := left.Dial("udp", far[0])
	require.NoError(t, err)
	defer c.Close()
	for i := range 40 {
		_, err = c.Write([]byte{byte(i)})
		require.NoError(t, err)
	}
	f := <-asked
	require.Eventually(t, func() bool { return h.Stats().Absorbed == 24 }, 10*time.Second, time.Millisecond)
	require.EqualValues(t, 24, right.Counters().Drops[tcpip.DropPending].Value())
	s, err := f.Accept(udp.AcceptOptions{})
	require.NoError(t, err)
	var b [10]byte
	for i := range 16 {
		n, err := s.Read(b[:])
		require.NoError(t, err)
		require.Equal(t, []byte{byte(i)}, b[:n])
	}
	// WriteFrom on a symmetric flow: from and to whomever.
	o, err := left.ListenUDP(t.Context(), "udp", left4+":777")
	require.NoError(t, err)
	defer o.Close()
	_, err = s.WriteFrom([]byte("hi"), netip.MustParseAddrPort("198.51.100.9:9"), netip.MustParseAddrPort(left4+":777"))
	require.NoError(t, err)
	n, who, err := o.ReadFromUDPAddrPort(b[:])
	require.NoError(t, err)
	require.Equal(t, "hi", string(b[:n]))
	require.Equal(t, "198.51.100.9:9", who.String())
	_, err = s.WriteTo([]byte("x"), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(left4+":778")))
	require.ErrorIs(t, err, net.ErrWriteToConnected)
	_, err = s.WriteFrom([]byte("x"), netip.MustParseAddrPort("[::1]:1"), netip.MustParseAddrPort(left4+":778"))
	require.Error(t, err)
	s.Close()
	_, err = s.WriteFrom([]byte("x"), f.Dst, f.Src)
	require.ErrorIs(t, err, net.ErrClosed)
	require.Zero(t, h.Stats().Open)
}

// A handler that blocks is in nobody's way as long as others are free, and nothing of what waits for it is lost that fits.
func TestHandleUDPBlocks(t *testing.T) {
	left, right := newGateway(t, nil)
	gate := make(chan struct{})
	h := handleUDP(t, right, udp.HandleOptions{HandleOptions: transport.HandleOptions{Handlers: tcpip.Set(2)}}, func(f *gonet.UDPFlow) {
		if f.Dst.Port() == 80 {
			<-gate
		}
		c, err := f.Accept(udp.AcceptOptions{})
		if err != nil {
			t.Error(err)
			return
		}
		go func() {
			defer c.Close()
			var b [100]byte
			for n, err := c.Read(b[:]); err == nil; n, err = c.Read(b[:]) {
				_, _ = c.Write(b[:n])
			}
		}()
	})
	blocked, err := left.Dial("udp", far[0])
	require.NoError(t, err)
	defer blocked.Close()
	for _, b := range []string{"one", "two"} {
		_, err = blocked.Write([]byte(b))
		require.NoError(t, err)
	}
	free, err := left.Dial("udp", "203.0.113.7:81")
	require.NoError(t, err)
	defer free.Close()
	require.Equal(t, "past it", exchange(t, free, "past it"))
	close(gate)
	var b [100]byte
	for _, want := range []string{"one", "two"} {
		n, err := blocked.Read(b[:])
		require.NoError(t, err)
		require.Equal(t, want, string(b[:n]))
	}
	h.Close()
}

// An idle flow ends, answered or not; bounds keep others out; everything comes back.
func TestHandleUDPIdle(t *testing.T) {
	for _, accept := range []bool{false, true} {
		left, right := newGateway(t, nil)
		refused := make(chan transport.Refusal, 100)
		var conn atomic.Pointer[gonet.FlowConn]
		h := handleUDP(t, right, udp.HandleOptions{HandleOptions: transport.HandleOptions{
			Max: tcpip.Set(5), MaxPerSource: tcpip.Set(5), Timeout: tcpip.Set(50 * time.Millisecond),
			Refused: func(r transport.Refusal) { refused <- r },
		}}, func(f *gonet.UDPFlow) {
			if accept {
				c, err := f.Accept(udp.AcceptOptions{})
				if err != nil {
					t.Error(err)
				}
				conn.Store(c)
			}
		})
		for range 7 {
			c, err := left.Dial("udp", far[0])
			require.NoError(t, err)
			_, err = c.Write([]byte("x"))
			require.NoError(t, err)
			c.Close()
		}
		require.False(t, (<-refused).Source)
		require.Eventually(t, func() bool { return h.Stats().Open == 0 }, 10*time.Second, time.Millisecond)
		require.GreaterOrEqual(t, h.Stats().Expired, uint64(5))
		if accept {
			c := conn.Load()
			_, err := c.Write([]byte("late"))
			require.ErrorIs(t, err, net.ErrClosed)
		}
	}
}

// Close of the stack in the middle of everything, and handlers that panic.
func TestHandleUDPClose(t *testing.T) {
	left, right := newGateway(t, nil)
	var panics atomic.Int64
	h := handleUDP(t, right, udp.HandleOptions{HandleOptions: transport.HandleOptions{
		Panicked: func(any, []byte) { panics.Add(1) },
	}}, func(f *gonet.UDPFlow) {
		switch f.Src.Port() % 4 {
		case 0:
			panic("handler")
		case 1:
			return
		}
		c, err := f.Accept(udp.AcceptOptions{})
		if err != nil {
			return
		}
		go func() {
			var b [10]byte
			for {
				if _, err := c.Read(b[:]); err != nil {
					return // by Close
				}
				c.Write(b[:1])
			}
		}()
	})
	before := runtime.NumGoroutine()
	for range 200 {
		c, err := left.Dial("udp", far[0])
		require.NoError(t, err)
		c.Write([]byte("x"))
		c.Close()
	}
	require.Eventually(t, func() bool { return panics.Load() > 0 }, 10*time.Second, time.Millisecond)
	right.Close()
	require.Zero(t, h.Stats().Open)
	for i := 0; runtime.NumGoroutine() > before && i < 1000; i++ {
		time.Sleep(time.Millisecond)
	}
	require.LessOrEqual(t, runtime.NumGoroutine(), before)
}
