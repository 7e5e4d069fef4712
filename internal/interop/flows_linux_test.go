package interop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/tun"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
	"github.com/seed963a8790/netstack/transport"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// takeover joins a stack that speaks for every host with a namespace whose default route leads to it.
func takeover(t *testing.T) (*namespace, *stack.Stack) {
	ns, s := newNamespace(t), newStack(t)
	nic := ns.attach(s, tun.Options{}, nil)
	nic.SetPromiscuous(true)
	nic.SetSpoofing(true)
	ns.ip("-n", ns.name, "route", "add", "198.18.0.0/15", "dev", "t0")
	ns.ip("-n", ns.name, "-6", "route", "add", "fd99::/64", "dev", "t0")
	return ns, s
}

// kernelFlow opens a kernel's socket to the i-th host of 198.18.0.0/15, in the namespace of this thread.
func kernelFlow(i int, flags int) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|flags, 0)
	if err != nil {
		return -1, err
	}
	// A signal of the runtime's restarts a connect that has no timeout of its own: it is the number of SYNs that ends it.
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_SYNCNT, 3)
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10})
	err = unix.Connect(fd, &unix.SockaddrInet4{Port: 1 + i%60000, Addr: [4]byte{198, 18, byte(i >> 8), byte(i)}})
	if err != nil && !errors.Is(err, unix.EINPROGRESS) {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// question sends a few bytes over a flow, ends it, and reads the echo to its end.
func question(i int) error {
	fd, err := kernelFlow(i, 0)
	if err != nil {
		return fmt.Errorf("connect %d: %w", i, err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte("question")); err != nil {
		return fmt.Errorf("write %d: %w", i, err)
	}
	_ = unix.Shutdown(fd, unix.SHUT_WR)
	var b [64]byte
	got := 0
	for {
		n, err := unix.Read(fd, b[got:])
		if errors.Is(err, unix.EINTR) { // a read with a timeout is not restarted
			continue
		}
		if err != nil {
			return fmt.Errorf("read %d: %w", i, err)
		}
		if n == 0 {
			break
		}
		got += n
	}
	if string(b[:got]) != "question" {
		return fmt.Errorf("read %d: %q", i, b[:got])
	}
	return nil
}

// held returns what the process holds at rest.
func held() (bytes, goroutines int) {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc), runtime.NumGoroutine()
}

// flowCount is how many flows the tests below open, after a tenth to get going.
func flowCount() int {
	if testing.Short() {
		return 1000
	}
	return 10000
}

// atRest waits until ended says that all is over, and checks that the process holds what it did before.
func atRest(t *testing.T, bytes, goroutines int, ended func() bool) {
	t.Helper()
	require.Eventually(t, ended, 30*time.Second, 10*time.Millisecond)
	after, running := held()
	for i := 0; i < 200 && (running > goroutines || after-bytes > 2<<20); i++ {
		after, running = held()
	}
	require.LessOrEqual(t, running, goroutines)
	require.Less(t, after-bytes, 2<<20)
	t.Logf("%d bytes and %d goroutines, after %d and %d", after, running, bytes, goroutines)
}

// Ten thousand flows of the kernel's, opened through HandleTCP and closed, leave memory and goroutines where they were.
func TestFlowsLeaveNothing(t *testing.T) {
	ns, s := takeover(t)
	h, err := gonet.HandleTCP(s, transport.HandleOptions{}, func(r *gonet.TCPRequest) {
		c, err := r.Accept(context.Background(), tcp.AcceptOptions{})
		if err != nil {
			return
		}
		go func() {
			_, _ = io.Copy(c, c)
			c.Close()
		}()
	})
	require.NoError(t, err)
	defer h.Close()
	run := func(n int) {
		require.NoError(t, ns.inside(func() error {
			for i := range n {
				if err := question(i); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	n := flowCount()
	run(n / 10)
	bytes, goroutines := held()
	run(n)
	atRest(t, bytes, goroutines, func() bool { return h.Stats().Open == 0 && len(s.Endpoints()) == 0 })
	require.EqualValues(t, n+n/10, h.Stats().Accepted)
}

// Ten thousand SYNs of sockets that are gone before anybody answers: those that are still pending when their time is over,
// those that the handler gives up, and those that it accepts too late. Nothing of them stays either.
func TestHalfOpenFlowsLeaveNothing(t *testing.T) {
	ns, s := takeover(t)
	var late sync.WaitGroup
	var asked atomic.Int64
	h, err := gonet.HandleTCP(s, transport.HandleOptions{Timeout: tcpip.Set(300 * time.Millisecond)}, func(r *gonet.TCPRequest) {
		switch asked.Add(1) % 3 {
		case 0: // never answered
		case 1:
			late.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
				defer cancel()
				if c, err := r.Accept(ctx, tcp.AcceptOptions{}); err == nil {
					c.Close()
				}
			})
		case 2:
			r.Drop()
		}
	})
	require.NoError(t, err)
	defer h.Close()
	run := func(n int) {
		require.NoError(t, ns.inside(func() error {
			for i := 0; i < n; {
				var open []int
				for len(open) < 200 && i < n {
					fd, err := kernelFlow(i, unix.SOCK_NONBLOCK)
					if err != nil {
						return err
					}
					open = append(open, fd)
					i++
				}
				for _, fd := range open {
					unix.Close(fd)
				}
				time.Sleep(20 * time.Millisecond)
			}
			return nil
		}))
	}
	over := func() bool { return h.Stats().Open == 0 && len(s.Endpoints()) == 0 }
	n := flowCount()
	run(n / 10)
	late.Wait()
	require.Eventually(t, over, 30*time.Second, 10*time.Millisecond)
	bytes, goroutines := held()
	run(n)
	late.Wait()
	atRest(t, bytes, goroutines, over)
	require.Greater(t, asked.Load(), int64(n)/2)
}

// Ten thousand clients that never send the final ACK (BEHAVIOUR A8): SYNs from hosts that are not there, whose SYN-ACKs
// nobody answers, not even by a RST. What they take meanwhile is bounded, and once the SYN-ACKs have been repeated for
// nothing, none of it is left.
func TestClientsThatNeverAnswer(t *testing.T) {
	ns, s := takeover(t)
	require.NoError(t, s.AddRoute(stack.RouteEntry{Destination: netip.MustParsePrefix("10.128.0.0/9"), NIC: s.NICs()[1].ID()}))
	require.NoError(t, s.Transport(header.ProtocolTCP).(*tcp.Protocol).Configure(tcp.Options{SynAckRetries: tcpip.Set(2)}))
	var waiting sync.WaitGroup
	var timedOut, asked atomic.Int64
	n := flowCount()
	o := transport.HandleOptions{Max: tcpip.Set(2 * n), MaxPerSource: tcpip.Set(n)}
	h, err := gonet.HandleTCP(s, o, func(r *gonet.TCPRequest) {
		if asked.Add(1)%50 != 0 {
			_ = r.Answer(tcp.AcceptOptions{})
		} else {
			waiting.Go(func() {
				c, err := r.Accept(context.Background(), tcp.AcceptOptions{})
				switch {
				case err == nil:
					c.Close()
				case errors.Is(err, unix.ETIMEDOUT):
					timedOut.Add(1)
				default:
					t.Error(err)
				}
			})
		}
	})
	require.NoError(t, err)
	defer h.Close()
	sent := 0
	run := func(n int) { // until so many have come through: a queue that is full loses some
		until := h.Stats().Handled + uint64(n)
		require.NoError(t, ns.inside(func() error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			for ; h.Stats().Handled < until; sent++ {
				i := sent
				src := netip.AddrFrom4([4]byte{10, 128 | byte(i>>16)&127, byte(i >> 8), byte(i)})
				to := unix.SockaddrInet4{Addr: [4]byte{198, 18, byte(i >> 8), byte(i)}}
				if err := unix.Sendto(fd, syn(src, netip.AddrFrom4(to.Addr)), 0, &to); err != nil {
					return err
				}
				if i%100 == 99 {
					time.Sleep(time.Millisecond)
				}
			}
			return nil
		}))
	}
	over := func() bool { return h.Stats().Open == 0 && len(s.Endpoints()) == 0 }
	run(n / 10)
	require.Eventually(t, over, 30*time.Second, 10*time.Millisecond)
	waiting.Wait()
	bytes, goroutines := held()
	run(n)
	require.Zero(t, h.Stats().Accepted)
	require.Greater(t, h.Stats().Open, n/2, "half-open at a time")
	atRest(t, bytes, goroutines, over)
	waiting.Wait()
	require.NotZero(t, timedOut.Load())
	require.NoError(t, ns.inside(func() error { // and the next one gets through
		fd, err := kernelFlow(7, 0)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}))
}

// syn is a packet that opens a connection.
func syn(src, dst netip.Addr) []byte {
	o := header.TCPOptions{HasMSS: true, MSS: 1460, SACKPermitted: true, HasTimestamp: true, TSVal: 1, HasWindowScale: true, WindowScale: 7}
	b := make([]byte, header.TCPSize+o.Size())
	f := header.TCPFields{SrcPort: 4000, DstPort: 80, Seq: 1000, Flags: header.SYN, Window: 64240}
	f.Encode(b, &o).SetChecksum(header.TransportChecksum(header.ProtocolTCP, src, dst, b))
	return testnet.IPv4(header.IPv4Fields{Protocol: header.ProtocolTCP, Src: src, Dst: dst}, b)
}

// The stack ends in the middle of flows, requests that nobody has answered and calls that wait for a handshake: Close,
// CloseSilently and Shutdown, with the kernel still sending. newStack looks for what is left.
func TestEndInTheMiddleOfFlows(t *testing.T) {
	for name, end := range map[string]func(*stack.Stack){
		"close":          (*stack.Stack).Close,
		"close silently": (*stack.Stack).CloseSilently,
		"shutdown": func(s *stack.Stack) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = s.Shutdown(ctx)
		},
	} {
		t.Run(name, func(t *testing.T) {
			ns, s := takeover(t)
			var handlers sync.WaitGroup
			var asked atomic.Int64
			h, err := gonet.HandleTCP(s, transport.HandleOptions{}, func(r *gonet.TCPRequest) {
				if asked.Add(1)%4 == 0 {
					return // pending until the end
				}
				handlers.Go(func() {
					c, err := r.Accept(context.Background(), tcp.AcceptOptions{})
					if err != nil {
						return
					}
					_, _ = io.Copy(c, c)
					c.Close()
				})
			})
			require.NoError(t, err)
			defer h.Close()
			var clients sync.WaitGroup
			var stop atomic.Bool
			for k := range 3 {
				clients.Go(func() {
					_ = ns.inside(func() error {
						var open []int
						for i := 0; !stop.Load() && len(open) < 300; i++ {
							fd, err := kernelFlow(k<<14+i, unix.SOCK_NONBLOCK)
							if err != nil {
								break // the device is gone
							}
							open = append(open, fd)
							for _, fd := range open[max(0, len(open)-20):] {
								_, _ = unix.Write(fd, make([]byte, 1000))
							}
							time.Sleep(100 * time.Microsecond)
						}
						for _, fd := range open {
							unix.Close(fd)
						}
						return nil
					})
				})
			}
			for asked.Load() < 200 {
				time.Sleep(time.Millisecond)
			}
			end(s)
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			require.NoError(t, s.Wait(ctx))
			handlers.Wait()
			stop.Store(true)
			clients.Wait()
			require.Empty(t, s.Endpoints())
		})
	}
}
