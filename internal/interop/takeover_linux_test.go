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

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
	"github.com/seed963a8790/netstack/transport"
	"github.com/seed963a8790/netstack/transport/icmp"
	"github.com/seed963a8790/netstack/transport/raw"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

// strangers are hosts that are not there, whom a program speaks for.
var strangers = []netip.Addr{netip.MustParseAddr("198.18.0.9"), netip.MustParseAddr("fd99::9")}

// address makes a sockaddr.
func address(a netip.Addr, port int) unix.Sockaddr {
	if a.Is4() {
		return &unix.SockaddrInet4{Port: port, Addr: a.As4()}
	}
	return &unix.SockaddrInet6{Port: port, Addr: a.As16()}
}

// socket opens a socket of the kernel's, in the namespace of this thread, that waits for at most d.
func socket(a netip.Addr, kind, proto int, d time.Duration) (int, error) {
	family := unix.AF_INET
	if a.Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, proto)
	if err != nil {
		return -1, err
	}
	tv := unix.NsecToTimeval(int64(d))
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv)
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv)
	return fd, nil
}

// dial connects to a port of a stranger's.
func dial(a netip.Addr, port int, d time.Duration) (int, error) {
	fd, err := socket(a, unix.SOCK_STREAM, 0, d)
	if err != nil {
		return -1, err
	}
	if err := unix.Connect(fd, address(a, port)); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// readAll reads a socket to its end.
func readAll(fd int) (string, error) {
	var all []byte
	b := make([]byte, 4096)
	for {
		n, err := unix.Read(fd, b)
		if err != nil || n <= 0 {
			return string(all), err
		}
		all = append(all, b[:n]...)
	}
}

// The kernel's programs see of each answer what they would see of a host's, or of a router on the way.
func TestKernelSeesAnswers(t *testing.T) {
	ns, s := takeover(t)
	answers := []struct {
		name   string
		do     func(r *gonet.TCPRequest)
		v4, v6 error // of connect
	}{
		{"reset", func(r *gonet.TCPRequest) { r.Reject(transport.RejectReset) }, unix.ECONNREFUSED, unix.ECONNREFUSED},
		{"port", func(r *gonet.TCPRequest) { r.Reject(transport.RejectPort) }, unix.ECONNREFUSED, unix.ECONNREFUSED},
		{"host", func(r *gonet.TCPRequest) { r.Reject(transport.RejectHost) }, unix.EHOSTUNREACH, unix.EHOSTUNREACH},
		{"net", func(r *gonet.TCPRequest) { r.Reject(transport.RejectNet) }, unix.ENETUNREACH, unix.ENETUNREACH},
		{"prohibited", func(r *gonet.TCPRequest) { r.Reject(transport.RejectProhibited) }, unix.EHOSTUNREACH, unix.EACCES},
		{"twice", func(r *gonet.TCPRequest) {
			r.Reject(transport.RejectReset)
			r.Reject(transport.RejectHost)
			r.Drop()
		}, unix.ECONNREFUSED, unix.ECONNREFUSED},
		{"later", func(r *gonet.TCPRequest) {
			go func() {
				time.Sleep(20 * time.Millisecond)
				r.Reject(transport.RejectReset)
			}()
		}, unix.ECONNREFUSED, unix.ECONNREFUSED},
		{"drop", func(r *gonet.TCPRequest) { r.Drop(); r.Reject(transport.RejectReset) }, unix.EINPROGRESS, unix.EINPROGRESS},
		{"never", func(r *gonet.TCPRequest) {}, unix.EINPROGRESS, unix.EINPROGRESS},
		{"panic", func(r *gonet.TCPRequest) { panic("handler") }, unix.EINPROGRESS, unix.EINPROGRESS},
		{"exit", func(r *gonet.TCPRequest) { runtime.Goexit() }, unix.EINPROGRESS, unix.EINPROGRESS},
	}
	h, err := gonet.HandleTCP(s, transport.HandleOptions{Panicked: func(any, []byte) {}}, func(r *gonet.TCPRequest) {
		answers[r.Dst.Port()-1].do(r)
	})
	require.NoError(t, err)
	defer h.Close()
	for i, c := range answers {
		for k, a := range strangers {
			err := ns.inside(func() error {
				wait := 10 * time.Second
				if c.v4 == unix.EINPROGRESS {
					wait = 200 * time.Millisecond
				}
				fd, err := dial(a, 1+i, wait)
				if err == nil {
					unix.Close(fd)
				}
				return err
			})
			require.Equal(t, []error{c.v4, c.v6}[k], err, "%s, %s", c.name, a)
		}
	}
	require.EqualValues(t, 2*len(answers), h.Stats().Handled)
	require.EqualValues(t, 4, h.Stats().Panics)
}

// A SYN that waits for its answer is sent again, and absorbed; then the connection comes about, once, whoever asks for it
// how often. Handlers that block stand in nobody's way.
func TestKernelWaits(t *testing.T) {
	ns, s := takeover(t)
	gate := make(chan struct{})
	var asked atomic.Int64
	h, err := gonet.HandleTCP(s, transport.HandleOptions{}, func(r *gonet.TCPRequest) {
		switch r.Dst.Port() {
		case 1:
			<-gate
			r.Drop()
			return
		case 2:
			asked.Add(1)
			time.Sleep(1300 * time.Millisecond) // the kernel's first timeout is one second
		}
		go func() {
			c, err := r.Accept(context.Background(), tcp.AcceptOptions{AtOnce: r.Dst.Port() == 3})
			again, err2 := r.Accept(context.Background(), tcp.AcceptOptions{})
			if err != nil || err2 != nil || again != c {
				t.Error(err, err2)
				return
			}
			_, _ = io.WriteString(c, "banner ")
			_, _ = io.Copy(c, c)
			c.Close()
		}()
	})
	require.NoError(t, err)
	defer h.Close()
	defer close(gate)
	require.NoError(t, ns.inside(func() error {
		for _, a := range strangers {
			if fd, err := dial(a, 1, 50*time.Millisecond); err != unix.EINPROGRESS {
				return fmt.Errorf("blocked: %d, %w", fd, err)
			}
			for _, port := range []int{2, 3, 4} {
				fd, err := dial(a, port, 10*time.Second)
				if err != nil {
					return fmt.Errorf("port %d: %w", port, err)
				}
				_, _ = unix.Write(fd, []byte("question"))
				_ = unix.Shutdown(fd, unix.SHUT_WR)
				got, err := readAll(fd)
				unix.Close(fd)
				if err != nil || got != "banner question" {
					return fmt.Errorf("port %d: %q, %w", port, got, err)
				}
			}
		}
		return nil
	}))
	require.EqualValues(t, 2, asked.Load())
	require.GreaterOrEqual(t, h.Stats().Absorbed, uint64(2))
}

// Datagrams: the answer comes from whom the kernel's program has asked; a full cone brings it those of anybody; a
// refusal is the port's.
func TestKernelDatagrams(t *testing.T) {
	for _, m := range []udp.Mapping{udp.Symmetric, udp.FullCone} {
		t.Run(map[udp.Mapping]string{udp.Symmetric: "symmetric", udp.FullCone: "full cone"}[m], func(t *testing.T) { kernelDatagrams(t, m) })
	}
}

func kernelDatagrams(t *testing.T, m udp.Mapping) {
	ns, s := takeover(t)
	var flows atomic.Int64
	h, err := gonet.HandleUDP(s, udp.HandleOptions{Mapping: m}, func(f *gonet.UDPFlow) {
		flows.Add(1)
		if f.Dst.Port() == 9 {
			f.Reject(transport.RejectPort)
			return
		}
		c, err := f.Accept(udp.AcceptOptions{})
		if err != nil {
			t.Error(err)
			return
		}
		go func() {
			defer c.Close()
			b := make([]byte, 1<<16)
			for {
				n, from, err := c.ReadFrom(b)
				if err != nil || string(b[:n]) == "end" {
					return
				}
				_, _ = c.WriteTo(b[:n], from)
				third := netip.AddrPortFrom(f.Dst.Addr().Next(), 99)
				if n, err := c.WriteFrom([]byte("third"), third, f.Src); err != nil {
					t.Error(n, err)
				}
			}
		}()
	})
	require.NoError(t, err)
	for _, a := range strangers {
		flows.Store(0)
		require.NoError(t, ns.inside(func() error {
			fd, err := socket(a, unix.SOCK_DGRAM, 0, 10*time.Second)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			b := make([]byte, 1<<16)
			for _, size := range []int{1, 1400, 20000} { // the last in fragments
				for _, port := range []int{53, 54} {
					if err := unix.Sendto(fd, make([]byte, size), 0, address(a, port)); err != nil {
						return err
					}
					for _, want := range []struct {
						n, port int
						from    netip.Addr
					}{{size, port, a}, {5, 99, a.Next()}} {
						n, from, err := unix.Recvfrom(fd, b, 0)
						if err != nil || n != want.n || fmt.Sprint(from) != fmt.Sprint(address(want.from, want.port)) {
							return fmt.Errorf("%d bytes of %v, %w; wanted %+v", n, from, err, want)
						}
					}
				}
			}
			ends := []int{53, 54}
			if m == udp.FullCone { // one flow, and a second end would begin another
				ends = ends[:1]
			}
			for _, port := range ends {
				_ = unix.Sendto(fd, []byte("end"), 0, address(a, port))
			}
			return nil
		}))
		require.EqualValues(t, map[udp.Mapping]int{udp.Symmetric: 2, udp.FullCone: 1}[m], min(flows.Load(), 2), "flows")
		if m == udp.FullCone {
			continue
		}
		err := ns.inside(func() error {
			fd, err := socket(a, unix.SOCK_DGRAM, 0, 10*time.Second)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			if err := unix.Connect(fd, address(a, 9)); err != nil {
				return err
			}
			_, _ = unix.Write(fd, []byte("x"))
			_, err = unix.Read(fd, make([]byte, 1))
			return err
		})
		require.Equal(t, unix.ECONNREFUSED, err)
	}
	h.Close()
	require.Zero(t, h.Stats().Open)
}

// ping(8) through a program: replies that come later, after the program's own ping has been answered, none, and errors.
func TestKernelPings(t *testing.T) {
	ns, s := takeover(t)
	var mu sync.Mutex
	what := "reply"
	h, err := icmp.HandleEcho(s, transport.HandleOptions{}, func(r *icmp.EchoRequest) {
		mu.Lock()
		defer mu.Unlock()
		switch what {
		case "reply":
			r.Reply()
		case "forward":
			go func() {
				c, err := (&gonet.Dialer{Stack: s}).DialPing(context.Background(), netip.Addr{}, netip.MustParseAddr("127.0.0.1"))
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				_, err = c.Write(append([]byte{8, 0, 0, 0, 0, 0, byte(r.Sequence >> 8), byte(r.Sequence)}, r.Data()...))
				n, err2 := c.Read(make([]byte, 1<<16))
				if err != nil || err2 != nil || n != 8+len(r.Data()) {
					t.Error(n, err, err2)
				}
				r.Reply()
			}()
		case "reject":
			r.Reject(transport.RejectHost)
		}
	})
	require.NoError(t, err)
	defer h.Close()
	for _, c := range []struct {
		what string
		says string
	}{
		{"reply", " 0% packet loss"}, {"forward", " 0% packet loss"}, {"nothing", "100% packet loss"}, {"reject", "3 errors, 100% packet loss"},
	} {
		for _, a := range strangers {
			mu.Lock()
			what = c.what
			mu.Unlock()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			out, _ := ns.command(ctx, "ping", "-n", "-c", "3", "-i", "0.02", "-W", "1", "-s", "4000", a.String()).CombinedOutput()
			cancel()
			require.Contains(t, string(out), c.says, "%s, %s", c.what, a)
		}
	}
}

// Of every other protocol the first packet is shown to a program, whose verdict holds for those that follow.
func TestKernelOtherProtocols(t *testing.T) {
	const gre, sctp = 47, 132
	ns, s := takeover(t)
	var asked atomic.Int64
	h, err := raw.Handle(s, transport.HandleOptions{}, func(f *raw.Flow) {
		asked.Add(1)
		if f.Proto == gre {
			f.Reject(transport.RejectProhibited)
			return
		}
		e, err := f.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		_, err = e.Write([]byte("answer"), tcpip.WriteOptions{})
		if err != nil {
			t.Error(err)
		}
		e.Close()
	})
	require.NoError(t, err)
	defer h.Close()
	for k, a := range strangers {
		asked.Store(0)
		err := ns.inside(func() error {
			fd, err := socket(a, unix.SOCK_RAW, gre, 10*time.Second)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			level, option := unix.IPPROTO_IP, unix.IP_RECVERR
			if k == 1 {
				level, option = unix.IPPROTO_IPV6, unix.IPV6_RECVERR
			}
			if err := errors.Join(unix.SetsockoptInt(fd, level, option, 1), unix.Connect(fd, address(a, 0))); err != nil {
				return err
			}
			for range 3 {
				if _, err = unix.Write(fd, []byte("a packet")); err != nil {
					return err
				}
				time.Sleep(20 * time.Millisecond)
			}
			_, err = unix.Read(fd, make([]byte, 1))
			return err
		})
		require.Equal(t, []error{unix.EHOSTUNREACH, unix.EACCES}[k], err)
		require.EqualValues(t, 1, asked.Load())
		require.NoError(t, ns.inside(func() error {
			fd, err := socket(a, unix.SOCK_RAW, sctp, 10*time.Second)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			if err := unix.Sendto(fd, []byte("packet"), 0, address(a, 0)); err != nil {
				return err
			}
			b := make([]byte, 100)
			n, from, err := unix.Recvfrom(fd, b, 0)
			if err != nil || string(b[max(n-6, 0):n]) != "answer" || fmt.Sprint(from) != fmt.Sprint(address(a, 0)) {
				return fmt.Errorf("%q of %v, %w", b[:max(n, 0)], from, err)
			}
			return nil
		}))
	}
}
