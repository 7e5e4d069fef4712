package gonet_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
	"github.com/seed963a8790/netstack/transport"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// newGateway is a pair whose right host has the left one's default route, takes every destination and sends from any
// source.
func newGateway(t testing.TB, clock tcpip.Clock) (left, right *host) {
	t.Helper()
	left, right = newPair(t, clock)
	nic := right.NICs()[1]
	nic.SetPromiscuous(true)
	nic.SetSpoofing(true)
	for _, r := range [][2]string{{"0.0.0.0/0", right4}, {"::/0", right6}} {
		require.NoError(t, left.AddRoute(stack.RouteEntry{Destination: netip.MustParsePrefix(r[0]), Gateway: netip.MustParseAddr(r[1])}))
	}
	return left, right
}

// far are addresses that neither host has.
var far = []string{"203.0.113.7:80", "[2001:db8:ffff::7]:80"}

func handleTCP(t testing.TB, h *host, o transport.HandleOptions, f func(*gonet.TCPRequest)) *tcp.Handler {
	t.Helper()
	l, err := gonet.HandleTCP(h.Stack, o, f)
	require.NoError(t, err)
	t.Cleanup(l.Close)
	return l
}

func TestHandleTCP(t *testing.T) {
	left, right := newGateway(t, nil)
	handleTCP(t, right, transport.HandleOptions{}, func(r *gonet.TCPRequest) {
		go func() {
			c, err := r.Accept(context.Background(), tcp.AcceptOptions{})
			if err != nil {
				return
			}
			defer c.Close()
			io.Copy(c, c)
		}()
	})
	for _, a := range far {
		c, err := left.Dial("tcp", a)
		require.NoError(t, err)
		require.Equal(t, a, c.RemoteAddr().String())
		want := bytes.Repeat([]byte("interception"), 20000)
		go func() {
			c.Write(want)
			c.(*gonet.TCPConn).CloseWrite()
		}()
		got, err := io.ReadAll(c)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got))
		c.Close()
	}
}

// The answers that are none: what the caller of Dial sees of each.
func TestHandleTCPRefusals(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(r *gonet.TCPRequest)
		want error
	}{
		{"reset", func(r *gonet.TCPRequest) { r.Reject(transport.RejectReset) }, syscall.ECONNREFUSED},
		{"twice", func(r *gonet.TCPRequest) { r.Reject(transport.RejectReset); r.Reject(transport.RejectHost); r.Drop() }, syscall.ECONNREFUSED},
		{"port", func(r *gonet.TCPRequest) { r.Reject(transport.RejectPort) }, syscall.ECONNREFUSED},
		{"host", func(r *gonet.TCPRequest) { r.Reject(transport.RejectHost) }, syscall.EHOSTUNREACH},
		{"net", func(r *gonet.TCPRequest) { r.Reject(transport.RejectNet) }, syscall.ENETUNREACH},
		{"prohibited", func(r *gonet.TCPRequest) { r.Reject(transport.RejectProhibited) }, nil},
		{"drop", func(r *gonet.TCPRequest) { r.Drop(); r.Reject(transport.RejectReset) }, context.DeadlineExceeded},
		{"nothing", func(r *gonet.TCPRequest) {}, context.DeadlineExceeded},
	} {
		t.Run(c.name, func(t *testing.T) {
			left, right := newGateway(t, nil)
			l := handleTCP(t, right, transport.HandleOptions{}, c.do)
			for _, a := range far {
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				if c.want == context.DeadlineExceeded {
					cancel()
					ctx, cancel = context.WithTimeout(context.Background(), 100*time.Millisecond)
				}
				_, err := left.DialContext(ctx, "tcp", a)
				cancel()
				require.Error(t, err)
				if c.want != nil {
					require.ErrorIs(t, err, c.want)
				}
			}
			s := l.Stats()
			require.EqualValues(t, 2, s.Handled)
			switch c.name {
			case "nothing":
				require.Equal(t, 2, s.Open)
			case "drop":
				require.EqualValues(t, 2, s.Dropped)
				require.Zero(t, s.Rejected)
			default:
				require.EqualValues(t, 2, s.Rejected)
				require.Zero(t, s.Open)
			}
		})
	}
}

// Accept is the same however often it is called, and Reject and Drop do nothing to a connection.
func TestHandleTCPTwice(t *testing.T) {
	for _, atOnce := range []bool{false, true} {
		left, right := newGateway(t, nil)
		var conns [4]net.Conn
		done := make(chan struct{})
		handleTCP(t, right, transport.HandleOptions{}, func(r *gonet.TCPRequest) {
			var wg sync.WaitGroup
			for i := range conns {
				wg.Add(1)
				go func() {
					defer wg.Done()
					conns[i], _ = r.Accept(context.Background(), tcp.AcceptOptions{AtOnce: atOnce})
				}()
			}
			wg.Wait()
			r.Reject(transport.RejectReset)
			r.Drop()
			close(done)
		})
		c, err := left.Dial("tcp", far[0])
		require.NoError(t, err)
		<-done
		for _, other := range conns {
			require.NotNil(t, other)
			require.Same(t, conns[0], other)
		}
		_, err = conns[0].Write([]byte("x"))
		require.NoError(t, err)
		var b [1]byte
		_, err = io.ReadFull(c, b[:])
		require.NoError(t, err)
		require.NoError(t, conns[0].Close())
		c.Close()
	}
}

// Options are set before the SYN-ACK leaves, and a bad one leaves the request as it was.
func TestHandleTCPOptions(t *testing.T) {
	left, right := newGateway(t, nil)
	seen := make(chan error, 2)
	handleTCP(t, right, transport.HandleOptions{}, func(r *gonet.TCPRequest) {
		_, err := r.Accept(context.Background(), tcp.AcceptOptions{Set: []tcp.SetOption{{ID: tcp.TCP_MAXSEG, Value: 1 << 30}}})
		seen <- err
		c, err := r.AcceptTCP(context.Background(), tcp.AcceptOptions{Set: []tcp.SetOption{{ID: tcp.TCP_MAXSEG, Value: 600}}})
		seen <- err
		if err == nil {
			c.Close()
		}
	})
	c, err := left.Dial("tcp", far[0])
	require.NoError(t, err)
	defer c.Close()
	require.ErrorIs(t, <-seen, syscall.EINVAL)
	require.NoError(t, <-seen)
	require.LessOrEqual(t, c.(*gonet.TCPConn).Info().SendMSS, 600)
}

// Without leave to send from any source nothing is accepted for an address that is not ours.
func TestHandleTCPSpoofing(t *testing.T) {
	left, right := newGateway(t, nil)
	right.NICs()[1].SetSpoofing(false)
	seen := make(chan error, 1)
	handleTCP(t, right, transport.HandleOptions{}, func(r *gonet.TCPRequest) {
		_, err := r.Accept(context.Background(), tcp.AcceptOptions{})
		seen <- err
		r.Reject(transport.RejectReset)
	})
	_, err := left.Dial("tcp", far[0])
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.ErrorIs(t, <-seen, tcpip.ErrAddrNotAvailable)
}

// Handlers that block do not keep others waiting, while there are fewer of them than Handlers; what waits too long is
// dropped.
func TestHandleTCPBlocks(t *testing.T) {
	left, right := newGateway(t, nil)
	gate := make(chan struct{})
	l := handleTCP(t, right, transport.HandleOptions{Handlers: tcpip.Set(3), Timeout: tcpip.Set(300 * time.Millisecond)}, func(r *gonet.TCPRequest) {
		if r.Dst.Port() == 80 {
			<-gate
		}
		r.Reject(transport.RejectReset)
	})
	dial := func(a string) error {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		_, err := left.DialContext(ctx, "tcp", a)
		return err
	}
	for range 2 {
		require.ErrorIs(t, dial("203.0.113.7:80"), context.DeadlineExceeded)
	}
	require.Eventually(t, func() bool { return errors.Is(dial("203.0.113.7:81"), syscall.ECONNREFUSED) }, 10*time.Second, time.Millisecond)
	require.ErrorIs(t, dial("203.0.113.7:80"), context.DeadlineExceeded)
	require.ErrorIs(t, dial("203.0.113.7:81"), context.DeadlineExceeded, "all are blocked")
	require.Eventually(t, func() bool { return l.Stats().Open == 0 }, 10*time.Second, time.Millisecond)
	require.EqualValues(t, 4, l.Stats().Expired)
	close(gate)
	require.Eventually(t, func() bool { return errors.Is(dial("203.0.113.7:81"), syscall.ECONNREFUSED) }, 10*time.Second, time.Millisecond)
}

// A handler that panics, or ends its goroutine, costs one request.
func TestHandleTCPPanics(t *testing.T) {
	left, right := newGateway(t, nil)
	var value atomic.Value
	l := handleTCP(t, right, transport.HandleOptions{
		Handlers: tcpip.Set(1),
		Panicked: func(v any, stack []byte) { value.Store(v) },
	}, func(r *gonet.TCPRequest) {
		switch r.Dst.Port() {
		case 1:
			panic("handler")
		case 2:
			runtime.Goexit()
		}
		r.Reject(transport.RejectReset)
	})
	for _, a := range []string{"203.0.113.7:1", "203.0.113.7:2"} {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		_, err := left.DialContext(ctx, "tcp", a)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	_, err := left.Dial("tcp", "203.0.113.7:3")
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.Equal(t, "handler", value.Load())
	s := l.Stats()
	require.EqualValues(t, 2, s.Panics)
	require.EqualValues(t, 2, s.Dropped)
	require.Zero(t, s.Open)
}

// The bounds: what they keep out is counted and told of.
func TestHandleTCPBounds(t *testing.T) {
	left, right := newGateway(t, nil)
	var told atomic.Int64
	var last atomic.Value
	l := handleTCP(t, right, transport.HandleOptions{
		Max: tcpip.Set(10), MaxPerSource: tcpip.Set(4),
		Refused: func(r transport.Refusal) {
			told.Add(1 + int64(r.Missed))
			last.Store(r)
		},
	}, func(*gonet.TCPRequest) {})
	for range 6 {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		_, err := left.DialContext(ctx, "tcp", far[0])
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	require.Eventually(t, func() bool { return told.Load() == 2 }, 10*time.Second, time.Millisecond)
	s := l.Stats()
	require.Equal(t, 4, s.Open)
	require.EqualValues(t, 2, s.RefusedSource)
	require.True(t, last.Load().(transport.Refusal).Source)
	require.EqualValues(t, 2, right.Counters().Drops[tcpip.DropHandlerLimit].Value())
}

// An Accept that is called off, while the peer is silent or has given up.
func TestHandleTCPCancelled(t *testing.T) {
	left, right := newGateway(t, nil)
	requests := make(chan *gonet.TCPRequest, 1)
	l := handleTCP(t, right, transport.HandleOptions{}, func(r *gonet.TCPRequest) { requests <- r })
	dialling := func() *gonet.TCPRequest {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		_, err := left.DialContext(ctx, "tcp", far[0])
		require.ErrorIs(t, err, context.DeadlineExceeded)
		return <-requests
	}
	// The peer has gone: it answers the SYN-ACK with a RST.
	_, err := dialling().Accept(context.Background(), tcp.AcceptOptions{})
	require.ErrorIs(t, err, syscall.ECONNRESET)

	left.NICs()[1].SetUp(false) // it hears nothing
	left.NICs()[1].SetUp(true)
	r := dialling()
	right.NICs()[1].SetUp(false)
	for range 2 {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		_, err = r.Accept(ctx, tcp.AcceptOptions{})
		cancel()
		require.Error(t, err)
	}
	right.NICs()[1].SetUp(true)

	for _, end := range []func(*gonet.TCPRequest){
		func(r *gonet.TCPRequest) { r.Drop() },
		func(r *gonet.TCPRequest) { r.Reject(transport.RejectHost) },
		func(*gonet.TCPRequest) { l.Close() },
	} {
		r := dialling()
		left.NICs()[1].SetUp(false)
		result := make(chan error)
		go func() {
			_, err := r.Accept(context.Background(), tcp.AcceptOptions{})
			result <- err
		}()
		time.Sleep(5 * time.Millisecond) // or not: either order is right
		end(r)
		require.ErrorIs(t, <-result, tcpip.ErrConnAborted)
		left.NICs()[1].SetUp(true)
	}
	require.Zero(t, l.Stats().Open)
	_, err = left.Dial("tcp", far[0])
	require.ErrorIs(t, err, syscall.ECONNREFUSED, "nobody handles any more")
}

// Close in the middle of everything, with many at work.
func TestHandleTCPClose(t *testing.T) {
	for _, whole := range []bool{false, true} {
		left, right := newGateway(t, nil)
		var handlers sync.WaitGroup
		t.Cleanup(func() { // before the stacks are looked over
			right.Close()
			handlers.Wait()
		})
		l := handleTCP(t, right, transport.HandleOptions{}, func(r *gonet.TCPRequest) {
			handlers.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				c, err := r.Accept(ctx, tcp.AcceptOptions{AtOnce: r.Src.Port()%2 == 0})
				if err == nil {
					io.Copy(c, c)
					c.Close()
				}
			})
		})
		var wg sync.WaitGroup
		stop := make(chan struct{})
		var opened atomic.Int64
		for range 8 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for {
					select {
					case <-stop:
						return
					default:
					}
					ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
					c, err := left.DialContext(ctx, "tcp", far[0])
					cancel()
					if err == nil {
						opened.Add(1)
						c.SetDeadline(time.Now().Add(50 * time.Millisecond))
						c.Write([]byte("hello"))
						io.ReadFull(c, make([]byte, 5))
						c.Close()
					}
				}
			}()
		}
		for opened.Load() < 50 {
			runtime.Gosched()
		}
		if whole {
			right.Close()
		}
		l.Close()
		close(stop)
		wg.Wait()
		require.Zero(t, l.Stats().Open)
	}
}

// 10,000 flows opened and closed leave memory and goroutines where they were.
func TestHandleTCPMany(t *testing.T) {
	left, right := newGateway(t, nil)
	l := handleTCP(t, right, transport.HandleOptions{}, func(r *gonet.TCPRequest) {
		go func() {
			c, err := r.Accept(context.Background(), tcp.AcceptOptions{})
			if err != nil {
				return
			}
			io.Copy(c, c)
			c.Close()
		}()
	})
	left.Transport(header.ProtocolTCP).(*tcp.Protocol).Configure(tcp.Options{TimeWaitMax: tcpip.Set(16)}) // what waits there is the client's
	run := func(n int) {
		var wg sync.WaitGroup
		for k := range 10 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for i := range n / 10 {
					a := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(k), byte(i)}), uint16(1+i))
					c, err := left.Dial("tcp", a.String())
					if err != nil {
						t.Error(err)
						return
					}
					c.Write([]byte("hello"))
					c.(*gonet.TCPConn).CloseWrite()
					io.ReadAll(c)
					c.Close()
				}
			}()
		}
		wg.Wait()
	}
	use := func() (bytes, goroutines int) {
		var m runtime.MemStats
		for range 3 {
			runtime.GC()
			time.Sleep(10 * time.Millisecond)
		}
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc), runtime.NumGoroutine()
	}
	n := 10000
	if testing.Short() {
		n = 1000
	}
	run(1000)
	bytes, goroutines := use()
	run(n)
	after, running := use()
	for i := 0; i < 200 && running > goroutines; i++ {
		after, running = use()
	}
	require.LessOrEqual(t, running, goroutines)
	require.Less(t, after-bytes, 2<<20)
	require.Zero(t, l.Stats().Open)
	require.EqualValues(t, 1000+n, l.Stats().Accepted)
}

// Join carries both directions, their ends and their errors.
func TestJoin(t *testing.T) {
	left, right := newGateway(t, nil)
	server, err := right.Listen(context.Background(), "tcp", "127.0.0.1:7")
	require.NoError(t, err)
	defer server.Close()
	type result struct {
		ab, ba int64
		err    error
	}
	results := make(chan result, 1)
	handleTCP(t, right, transport.HandleOptions{}, func(r *gonet.TCPRequest) {
		go func() {
			up, err := right.Dial("tcp", "127.0.0.1:7")
			if err != nil {
				r.Reject(transport.RejectHost)
				return
			}
			c, err := r.Accept(context.Background(), tcp.AcceptOptions{})
			if err != nil {
				up.Close()
				return
			}
			ab, ba, err := gonet.Join(c, up)
			results <- result{ab, ba, err}
		}()
	})
	t.Run("half close", func(t *testing.T) {
		c, err := left.Dial("tcp", far[0])
		require.NoError(t, err)
		s, err := server.Accept()
		require.NoError(t, err)
		c.Write([]byte("question"))
		require.NoError(t, c.(*gonet.TCPConn).CloseWrite())
		q, err := io.ReadAll(s)
		require.NoError(t, err)
		require.Equal(t, "question", string(q))
		s.Write([]byte("the answer"))
		s.Close()
		a, err := io.ReadAll(c)
		require.NoError(t, err)
		require.Equal(t, "the answer", string(a))
		c.Close()
		require.Equal(t, result{8, 10, nil}, <-results)
	})
	t.Run("error", func(t *testing.T) {
		c, err := left.Dial("tcp", far[0])
		require.NoError(t, err)
		s, err := server.Accept()
		require.NoError(t, err)
		s.(*gonet.TCPConn).SetLinger(0)
		s.Close()
		_, err = io.ReadAll(c)
		require.ErrorIs(t, err, syscall.ECONNRESET)
		c.Close()
		require.ErrorIs(t, (<-results).err, syscall.ECONNRESET)
	})
	t.Run("without halves", func(t *testing.T) {
		a, b := net.Pipe()
		x, y := net.Pipe()
		done := make(chan error, 1)
		go func() {
			_, _, err := gonet.Join(b, x)
			done <- err
		}()
		go a.Write([]byte("hello"))
		var buf [5]byte
		_, err := io.ReadFull(y, buf[:])
		require.NoError(t, err)
		a.Close()
		_, err = y.Read(buf[:])
		require.Equal(t, io.EOF, err)
		require.NoError(t, <-done)
	})
}
