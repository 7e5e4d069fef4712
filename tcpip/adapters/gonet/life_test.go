package gonet_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/fault"
	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
	"github.com/seed963a8790/netstack/transport"
	"github.com/seed963a8790/netstack/transport/icmp"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

// newBadPair is newPair, on the system's clock, over a path that loses, duplicates and reorders.
func newBadPair(t testing.TB) (left, right *host) {
	left, right = newHost(t, nil), newHost(t, nil)
	a, b := pipe.New(pipe.Options{NoChecksum: true})
	bad := fault.Faults{Loss: 0.03, Duplicate: 0.01, Reorder: 0.01, Delay: 20 * time.Millisecond}
	for _, h := range []struct {
		*host
		link   stack.Link
		v4, v6 string
	}{{left, fault.New(a, fault.Options{Seed: 1, Tx: bad}), left4, left6}, {right, fault.New(b, fault.Options{Seed: 2, Tx: bad}), right4, right6}} {
		_, err := h.AddNIC(h.link, stack.NICOptions{
			Name: "eth0", Addresses: []netip.Prefix{netip.MustParsePrefix(h.v4 + "/24"), netip.MustParsePrefix(h.v6 + "/64")},
		})
		require.NoError(t, err)
	}
	return left, right
}

// A whole TCP exchange in a bubble of testing/synctest: SYNs, losses, timeouts, a closed window that is probed, an idle
// hour with keep-alives, both ends, TIME-WAIT; and after Close nothing is left, which the bubble's end demands.
func TestExchangeInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left, right := newBadPair(t)
		began := time.Now()
		client, server := connect(t, left, right, right4+":80")
		require.NoError(t, client.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 10 * time.Minute, Interval: time.Minute, Count: 5}))
		sent := testnet.Pattern(2 << 20)
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := client.Write(sent)
			require.NoError(t, err)
		})
		time.Sleep(10 * time.Minute) // nobody reads: the window closes
		got := make([]byte, len(sent))
		_, err := io.ReadFull(server, got)
		require.NoError(t, err)
		require.True(t, bytes.Equal(sent, got))
		wg.Wait()
		time.Sleep(time.Hour)
		require.NoError(t, client.CloseWrite())
		_, err = server.Read(got)
		require.Equal(t, io.EOF, err)
		_, err = server.Write([]byte("bye"))
		require.NoError(t, err)
		require.NoError(t, server.Close())
		last, err := io.ReadAll(client)
		require.NoError(t, err)
		require.Equal(t, "bye", string(last))
		require.Greater(t, time.Since(began), 70*time.Minute)

		c := left.Snapshot().Counters
		require.NotZero(t, c.Tcp.RetransSegs)
		require.NotZero(t, c.TcpExt.TCPWinProbe)
		require.NotZero(t, c.TcpExt.TCPKeepAlive)
		time.Sleep(2 * time.Minute) // TIME-WAIT
		require.Zero(t, len(left.Endpoints())+len(right.Endpoints())-1, "the client's, which is still open, is over")
	})
}

// Handlers in a bubble, on the standard clock: requests that wait and expire, connections that are joined, flows that fall
// idle, pings that are answered late; and after Close nothing is left.
func TestHandlersInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left, right := newGateway(t, nil)
		l, err := left.ListenTCP(context.Background(), "tcp", left4+":80")
		require.NoError(t, err)
		go func() {
			for c, err := l.AcceptTCP(); err == nil; c, err = l.AcceptTCP() {
				go func() {
					_, _ = io.Copy(c, c)
					c.Close()
				}()
			}
		}()
		requests := handleTCP(t, right, transport.HandleOptions{}, func(r *gonet.TCPRequest) {
			if r.Dst.Port() != 80 {
				return
			}
			go func() {
				time.Sleep(10 * time.Second)
				up, err := right.Dial("tcp", left4+":80")
				if err != nil {
					t.Error(err)
					return
				}
				down, err := r.Accept(context.Background(), tcp.AcceptOptions{})
				if err != nil {
					t.Error(err)
					up.Close()
					return
				}
				_, _, _ = gonet.Join(down, up)
			}()
		})
		flows := handleUDP(t, right, udp.HandleOptions{}, func(f *gonet.UDPFlow) {
			c, err := f.Accept(udp.AcceptOptions{})
			if err != nil {
				t.Error(err)
				return
			}
			go func() {
				b := make([]byte, 100)
				for n, err := c.Read(b); err == nil; n, err = c.Read(b) {
					_, _ = c.Write(b[:n])
				}
			}()
		})
		pings, err := icmp.HandleEcho(right.Stack, transport.HandleOptions{}, func(r *icmp.EchoRequest) {
			time.Sleep(5 * time.Second)
			r.Reply()
		})
		require.NoError(t, err)
		defer pings.Close()

		began := time.Now()
		c, err := left.Dial("tcp", far[0])
		require.NoError(t, err)
		require.GreaterOrEqual(t, time.Since(began), 10*time.Second)
		require.NotZero(t, requests.Stats().Absorbed, "the SYN was sent again meanwhile")
		_, err = io.WriteString(c, "through two connections")
		require.NoError(t, err)
		require.NoError(t, c.(*gonet.TCPConn).CloseWrite())
		got, err := io.ReadAll(c)
		require.NoError(t, err)
		require.Equal(t, "through two connections", string(got))
		c.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		_, err = left.DialContext(ctx, "tcp", "203.0.113.7:81")
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 1, requests.Stats().Open)

		u, err := left.Dial("udp", far[0])
		require.NoError(t, err)
		defer u.Close()
		require.Equal(t, "datagram", exchange(t, u, "datagram"))
		require.Equal(t, 1, flows.Stats().Open)
		p, err := left.DialPing(context.Background(), netip.Addr{}, netip.MustParseAddr("203.0.113.7"))
		require.NoError(t, err)
		defer p.Close()
		_, err = p.Write(request(false, "late"))
		require.NoError(t, err)
		n, err := p.Read(make([]byte, 100))
		require.NoError(t, err)
		require.Equal(t, 12, n)

		time.Sleep(time.Minute)
		require.Zero(t, requests.Stats().Open+flows.Stats().Open+pings.Stats().Open)
		require.EqualValues(t, 1, requests.Stats().Expired)
		require.EqualValues(t, 1, flows.Stats().Expired)
		require.NoError(t, l.Close())
	})
}

// Shutdown lets connections finish: what was written arrives whole, then the end, and nobody new is served.
func TestShutdownFinishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left, right := newBadPair(t)
		l, err := right.Listen(context.Background(), "tcp", right4+":81")
		require.NoError(t, err)
		var clients, servers []*gonet.TCPConn
		for range 10 {
			c, s := connect(t, left, right, right4+":80")
			clients, servers = append(clients, c), append(servers, s)
		}
		sent := testnet.Pattern(64 << 10)
		for i, s := range servers {
			_, err := s.Write(sent)
			require.NoError(t, err)
			if i%2 == 0 {
				require.NoError(t, s.Close()) // sends on without an owner
			}
		}
		ended := make(chan error, 2)
		for range 2 { // the second waits like the first
			go func() { ended <- right.Shutdown(context.Background()) }()
		}
		_, err = l.Accept()
		require.ErrorIs(t, err, net.ErrClosed)
		synctest.Wait()
		_, err = right.NewEndpoint(header.ProtocolTCP, header.EtherTypeIPv4)
		require.ErrorIs(t, err, tcpip.ErrClosed)
		_, err = servers[1].Write(sent)
		require.ErrorIs(t, err, syscall.EPIPE)
		_, err = clients[1].Write([]byte("still read"))
		require.NoError(t, err)
		b := make([]byte, 100)
		n, err := servers[1].Read(b)
		require.NoError(t, err)
		require.Equal(t, "still read", string(b[:n]))
		for _, c := range clients {
			got, err := io.ReadAll(c)
			require.NoError(t, err)
			require.True(t, bytes.Equal(sent, got))
		}
		require.NoError(t, <-ended)
		require.NoError(t, <-ended)
		require.Empty(t, right.Endpoints())
		require.Empty(t, right.NICs())
		require.NotZero(t, right.Snapshot().Counters.Tcp.OutRsts, "whoever has not ended its half was told")
		require.NoError(t, right.Shutdown(context.Background()), "again")
	})
}

// Who does not read keeps Shutdown waiting, until its context ends; then it is cut off.
func TestShutdownInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left, right := newPair(t, tcpip.SystemClock())
		client, server := connect(t, left, right, right4+":80")
		require.NoError(t, server.SetWriteDeadline(time.Now().Add(time.Second)))
		_, err := server.Write(make([]byte, 32<<20))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, right.Shutdown(ctx), context.DeadlineExceeded)
		require.GreaterOrEqual(t, time.Since(began), 20*time.Minute)
		_, err = io.Copy(io.Discard, client)
		require.ErrorIs(t, err, syscall.ECONNRESET)
		require.NoError(t, right.Wait(context.Background()))
	})
}

// An idle stack is over at once, and Close ends a Shutdown that waits.
func TestShutdownAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left, right := newPair(t, tcpip.SystemClock())
		_, server := connect(t, left, right, right4+":80")
		require.NoError(t, server.SetWriteDeadline(time.Now().Add(time.Second)))
		_, err := server.Write(make([]byte, 32<<20))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		ended := make(chan error)
		go func() { ended <- right.Shutdown(context.Background()) }()
		time.Sleep(time.Hour)
		select {
		case <-ended:
			t.Error("Shutdown did not wait")
		default:
		}
		right.Close()
		require.NoError(t, <-ended)

		began := time.Now()
		require.NoError(t, newHost(t, nil).Shutdown(context.Background()))
		require.Zero(t, time.Since(began))
	})
}

// The two ways to close at once: the peer is told, or nobody is.
func TestCloseLoudAndSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, silent := range []bool{false, true} {
			left, right := newPair(t, tcpip.SystemClock())
			client, _ := connect(t, left, right, right4+":80")
			_, _ = connect(t, left, right, "["+right6+"]:80")
			before := left.NICs()[1].Counters().RxPackets.Value()
			if silent {
				right.CloseSilently()
			} else {
				right.Close()
			}
			require.NoError(t, right.Wait(context.Background()))
			require.NoError(t, client.SetReadDeadline(time.Now().Add(time.Hour)))
			_, err := client.Read(make([]byte, 1))
			if silent {
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, before, left.NICs()[1].Counters().RxPackets.Value())
			} else {
				require.ErrorIs(t, err, syscall.ECONNRESET)
			}
		}
	})
}

// The end of a stack in the middle of everything: traffic over both families, endpoints that come and go, NICs and
// addresses and routes that change, in all the ways at once. newHost looks for what is left.
func TestEndUnderTraffic(t *testing.T) {
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	for round := range rounds {
		left, right := newPair(t, nil)
		l, err := right.Listen(context.Background(), "tcp", ":80")
		require.NoError(t, err)
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				wg.Go(func() {
					defer c.Close()
					_, _ = io.Copy(c, c)
				})
			}
		})
		stop := make(chan struct{})
		during := func(f func()) {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						f()
					}
				}
			})
		}
		for i := range 4 {
			to := []string{right4 + ":80", "[" + right6 + "]:80"}[i%2]
			during(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
				defer cancel()
				c, err := left.DialContext(ctx, "tcp", to)
				if err != nil {
					return
				}
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(50 * time.Millisecond))
				for {
					if _, err := c.Write(make([]byte, 20000)); err != nil {
						return
					}
					if _, err := io.ReadFull(c, make([]byte, 20000)); err != nil {
						return
					}
				}
			})
		}
		during(func() {
			c, err := left.Dial("udp", right4+":9")
			if err == nil {
				_, _ = c.Write([]byte("hello"))
				c.Close()
			}
		})
		during(func() { // the other end changes its shape
			for _, n := range right.NICs() {
				a := netip.MustParsePrefix("192.0.2.77/24")
				_ = n.AddAddress(a)
				_ = right.AddRoute(stack.RouteEntry{Destination: netip.MustParsePrefix("198.51.100.0/24"), Gateway: netip.MustParseAddr(left4)})
				_ = n.SetMTU(1400)
				_ = right.RemoveRoute(stack.RouteEntry{Destination: netip.MustParsePrefix("198.51.100.0/24")})
				_ = n.RemoveAddress(a.Addr())
				_ = n.SetMTU(0)
			}
		})
		during(func() {
			a, _ := pipe.New(pipe.Options{})
			if n, err := right.AddNIC(a, stack.NICOptions{Name: "more"}); err == nil {
				n.Remove()
			}
			if u, err := right.Subscribe(stack.AllEvents, stack.SubscribeOptions{}); err == nil {
				u.TryNext()
				u.Close()
			}
			_ = right.Snapshot()
		})
		time.Sleep(time.Duration(20+rand.IntN(100)) * time.Millisecond)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		var ends sync.WaitGroup
		for i, end := range []func(){right.Close, right.CloseSilently, func() { _ = right.Shutdown(ctx) }, func() { _ = right.Wait(ctx) }} {
			if i == round%3 || round%2 == 1 {
				ends.Go(end)
			}
		}
		ends.Wait()
		cancel()
		require.NoError(t, right.Wait(context.Background()))
		close(stop)
		wg.Wait()
	}
}

// Shutdown of both ends at once under traffic: each lets the other finish, or is cut off by it.
func TestShutdownBothUnderTraffic(t *testing.T) {
	left, right := newPair(t, nil)
	var wg sync.WaitGroup
	var conns [][]*gonet.TCPConn
	for range 5 {
		client, server := connect(t, left, right, right4+":80")
		conns = append(conns, []*gonet.TCPConn{client, server})
	}
	for _, pair := range conns {
		for _, c := range pair {
			require.NoError(t, c.SetWriteBuffer(64<<10))
			wg.Go(func() {
				for {
					if _, err := c.Write(make([]byte, 5000)); err != nil {
						if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, syscall.ECONNABORTED) {
							t.Error(err)
						}
						return
					}
				}
			})
			wg.Go(func() { _, _ = io.Copy(io.Discard, c) })
		}
	}
	time.Sleep(50 * time.Millisecond)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, h := range []*host{left, right} {
		wg.Go(func() { _ = h.Shutdown(ctx) })
	}
	wg.Wait()
}
