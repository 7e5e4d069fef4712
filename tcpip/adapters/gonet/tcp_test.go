package gonet_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// forEachWay runs a test over IPv4 and IPv6, over loopback and a pipe.
func forEachWay(t *testing.T, f func(t *testing.T, from, to *host, address string)) {
	for name, way := range map[string]struct {
		pair    bool
		address string
	}{
		"loopback4": {false, "127.0.0.1:0"},
		"loopback6": {false, "[::1]:0"},
		"pipe4":     {true, right4 + ":0"},
		"pipe6":     {true, "[" + right6 + "]:0"},
	} {
		t.Run(name, func(t *testing.T) {
			if way.pair {
				from, to := newPair(t, nil)
				f(t, from, to, way.address)
				return
			}
			h := newHost(t, nil)
			f(t, h, h, way.address)
		})
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// Bytes go both ways at once, in order and whole, and then both ends see the end of the stream.
func TestTCPBothWays(t *testing.T) {
	forEachWay(t, func(t *testing.T, from, to *host, address string) {
		client, server := connect(t, from, to, address)
		want := noise(3 << 20)
		var wg sync.WaitGroup
		for _, c := range []*gonet.TCPConn{client, server} {
			wg.Go(func() {
				n, err := c.Write(want)
				if err != nil || n != len(want) {
					t.Errorf("Write: %d, %v", n, err)
				}
				if err := c.CloseWrite(); err != nil {
					t.Error(err)
				}
			})
			wg.Go(func() {
				got, err := io.ReadAll(c)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("read %d bytes, %v; equal: %v", len(got), err, bytes.Equal(got, want))
				}
			})
		}
		wg.Wait()
	})
}

func TestTCPAddresses(t *testing.T) {
	forEachWay(t, func(t *testing.T, from, to *host, address string) {
		client, server := connect(t, from, to, address)
		require.Equal(t, client.LocalAddr().String(), server.RemoteAddr().String())
		require.Equal(t, client.RemoteAddr().String(), server.LocalAddr().String())
		require.Equal(t, "tcp", client.LocalAddr().Network())
		require.IsType(t, (*net.TCPAddr)(nil), client.RemoteAddr())
		local := client.LocalAddr().String()
		require.NoError(t, client.Close())
		require.Equal(t, local, client.LocalAddr().String(), "addresses outlive the connection")
	})
}

func TestTCPHalfClose(t *testing.T) {
	left, right := newPair(t, nil)
	client, server := connect(t, left, right, right4+":0")

	_, err := client.Write([]byte("question"))
	require.NoError(t, err)
	require.NoError(t, client.CloseWrite())
	_, err = client.Write([]byte("x"))
	require.ErrorIs(t, err, syscall.EPIPE)

	got, err := io.ReadAll(server)
	require.NoError(t, err)
	require.Equal(t, "question", string(got))
	_, err = server.Write([]byte("answer")) // the other direction is still open
	require.NoError(t, err)
	require.NoError(t, server.Close())
	got, err = io.ReadAll(client)
	require.NoError(t, err)
	require.Equal(t, "answer", string(got))
}

func TestTCPCloseReadUnblocks(t *testing.T) {
	left, right := newPair(t, nil)
	client, _ := connect(t, left, right, right4+":0")
	result := make(chan error)
	go func() {
		_, err := client.Read(make([]byte, 1))
		result <- err
	}()
	require.NoError(t, client.CloseRead())
	require.Equal(t, io.EOF, <-result)
	_, err := client.Write([]byte("still possible"))
	require.NoError(t, err)
}

// A call that is blocked returns net.ErrClosed when the connection is closed, and so does every later one.
func TestTCPCloseUnblocks(t *testing.T) {
	left, right := newPair(t, nil)
	client, _ := connect(t, left, right, right4+":0")
	results := make(chan error)
	for range 3 { // two of them queue behind the first
		go func() {
			_, err := client.Read(make([]byte, 1))
			results <- err
		}()
		go func() {
			_, err := client.Write(make([]byte, 64<<20))
			results <- err
		}()
	}
	time.Sleep(10 * time.Millisecond) // let some of them block; either way the outcome is the same
	require.NoError(t, client.Close())
	for range 6 {
		require.ErrorIs(t, <-results, net.ErrClosed)
	}
	for name, f := range map[string]func() error{
		"read":     func() error { _, err := client.Read(make([]byte, 1)); return err },
		"write":    func() error { _, err := client.Write([]byte("x")); return err },
		"close":    client.Close,
		"half":     client.CloseWrite,
		"deadline": func() error { return client.SetDeadline(time.Time{}) },
		"option":   func() error { return client.SetNoDelay(true) },
	} {
		err := f()
		require.ErrorIs(t, err, net.ErrClosed, name)
		var op *net.OpError
		require.ErrorAs(t, err, &op, name)
		require.Contains(t, err.Error(), "use of closed network connection", "programs look for these words")
	}
}

func TestTCPReset(t *testing.T) {
	left, right := newPair(t, nil)
	client, server := connect(t, left, right, right4+":0")
	result := make(chan error)
	go func() {
		_, err := client.Read(make([]byte, 1))
		result <- err
	}()
	require.NoError(t, server.SetLinger(0))
	require.NoError(t, server.Close())
	err := <-result
	require.ErrorIs(t, err, syscall.ECONNRESET)
	require.ErrorIs(t, err, tcpip.ErrConnReset)
	var errno syscall.Errno
	require.ErrorAs(t, err, &errno)
	require.Equal(t, syscall.ECONNRESET, errno)
	require.False(t, errors.Is(err, net.ErrClosed))
	_, err = client.Write([]byte("x"))
	require.ErrorIs(t, err, syscall.EPIPE)
}

func TestDialRefused(t *testing.T) {
	left, _ := newPair(t, nil)
	for _, address := range []string{right4 + ":9", "[" + right6 + "]:9", "127.0.0.1:9", "[::1]:9", ":9"} {
		_, err := left.Dial("tcp", address)
		require.ErrorIs(t, err, syscall.ECONNREFUSED, address)
		var op *net.OpError
		require.ErrorAs(t, err, &op)
		require.Equal(t, "dial", op.Op)
		require.False(t, op.Timeout())
	}
}

// No address at all is this host, and port 0 nobody's.
func TestDialNobody(t *testing.T) {
	h := newHost(t, nil)
	_, err := h.DialTCP(context.Background(), "tcp", netip.AddrPort{}, netip.AddrPort{})
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

func TestDialBadAddress(t *testing.T) {
	left, _ := newPair(t, nil)
	for _, c := range []struct{ network, address string }{
		{"tcp", "192.0.2.2"},
		{"tcp", "example.com:80"},
		{"tcp4", "[2001:db8::2]:80"},
		{"tcp6", "192.0.2.2:80"},
		{"tcp", "192.0.2.2:70000"},
		{"tcp", "192.0.2.2:nosuchservice"},
		{"tcp", "[fe80::1%nosuchnic]:80"},
		{"sctp", "192.0.2.2:80"},
		{"unix", "/tmp/x"},
		{"tcp", "[ff02::1%eth0]:80"},
	} {
		_, err := left.Dial(c.network, c.address)
		var op *net.OpError
		require.ErrorAs(t, err, &op, "%s %s", c.network, c.address)
		require.False(t, op.Timeout())
	}
	_, err := left.Dial("tcp", "198.51.100.1:80")
	require.ErrorIs(t, err, syscall.ENETUNREACH)
	_, err = (&gonet.Dialer{}).Dial("tcp", "192.0.2.2:80")
	require.Error(t, err)
}

// Nobody answers: the attempt ends when the context or the Timeout does.
func TestDialGivesUp(t *testing.T) {
	left, _ := newPair(t, nil)
	const silent = "192.0.2.77:80"

	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(10*time.Millisecond, cancel)
	_, err := left.DialContext(ctx, "tcp", silent)
	require.ErrorIs(t, err, context.Canceled)
	_, err = left.DialContext(ctx, "tcp", silent)
	require.ErrorIs(t, err, context.Canceled, "ended before the attempt began")

	ctx, cancel = context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err = left.DialContext(ctx, "tcp", silent)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout())

	d := left.Dialer
	d.Timeout = tcpip.Set(10 * time.Millisecond)
	_, err = d.Dial("tcp", silent)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout())
}

func TestDialFromLocalAddress(t *testing.T) {
	left, right := newPair(t, nil)
	require.NoError(t, left.Stack.NIC(2).AddAddress(netip.MustParsePrefix("192.0.2.10/24")))
	l, err := right.ListenTCP(context.Background(), "tcp", right4+":0")
	require.NoError(t, err)
	defer l.Close()

	d := left.Dialer
	d.LocalAddr = &net.TCPAddr{IP: net.ParseIP("192.0.2.10"), Port: 4000}
	c, err := d.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, "192.0.2.10:4000", c.LocalAddr().String())
	s, err := l.Accept()
	require.NoError(t, err)
	defer s.Close()
	require.Equal(t, "192.0.2.10:4000", s.RemoteAddr().String())

	d.LocalAddr = &net.TCPAddr{IP: net.ParseIP("192.0.2.99")}
	_, err = d.Dial("tcp", l.Addr().String())
	require.ErrorIs(t, err, syscall.EADDRNOTAVAIL)
	d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(left6)}
	_, err = d.Dial("tcp", l.Addr().String())
	require.Error(t, err, "of the other family")

	c2, err := left.DialTCP(context.Background(), "tcp4", netip.AddrPort{}, l.Addr().(*net.TCPAddr).AddrPort())
	require.NoError(t, err)
	require.NoError(t, c2.Close())
}

func TestListenAddresses(t *testing.T) {
	left, right := newPair(t, nil)
	for _, c := range []struct {
		network, address, shown string
		v4, v6                  bool
	}{
		{"tcp", ":0", "[::]", true, true},
		{"tcp", "0.0.0.0:0", "[::]", true, true},
		{"tcp", "[::]:0", "[::]", true, true},
		{"tcp4", ":0", "0.0.0.0", true, false},
		{"tcp6", ":0", "[::]", false, true},
		{"tcp", right4 + ":0", right4, true, false},
		{"tcp", "[" + right6 + "]:0", "[" + right6 + "]", false, true},
	} {
		l, err := right.Listen(context.Background(), c.network, c.address)
		require.NoError(t, err, c.address)
		host, port, err := net.SplitHostPort(l.Addr().String())
		require.NoError(t, err)
		require.Equal(t, c.shown, bracket(host))
		require.NotEqual(t, "0", port)
		for address, want := range map[string]bool{right4: c.v4, right6: c.v6} {
			d, err := left.Dial("tcp", net.JoinHostPort(address, port))
			require.Equal(t, want, err == nil, "%s %s, dialing %s: %v", c.network, c.address, address, err)
			if err == nil {
				s, err := l.Accept()
				require.NoError(t, err)
				require.Equal(t, d.LocalAddr().String(), s.RemoteAddr().String(), "never an IPv4-mapped address")
				s.Close()
				d.Close()
			}
		}
		require.NoError(t, l.Close())
	}
}

func bracket(host string) string {
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		return "[" + host + "]"
	}
	return host
}

func TestListenInUse(t *testing.T) {
	_, right := newPair(t, nil)
	l, err := right.Listen(context.Background(), "tcp", ":8080")
	require.NoError(t, err)
	_, err = right.Listen(context.Background(), "tcp", right4+":8080")
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.Contains(t, err.Error(), "listen tcp "+right4+":8080")
	require.NoError(t, l.Close())
	l, err = right.Listen(context.Background(), "tcp", ":8080")
	require.NoError(t, err, "free again")
	require.NoError(t, l.Close())
	_, err = right.Listen(context.Background(), "tcp", left4+":0")
	require.ErrorIs(t, err, syscall.EADDRNOTAVAIL)
	_, err = right.Listen(context.Background(), "udp", ":0")
	require.Error(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = right.Listen(ctx, "tcp", ":0")
	require.ErrorIs(t, err, context.Canceled)
}

func TestListenerCloseAndDeadline(t *testing.T) {
	_, right := newPair(t, nil)
	l, err := right.ListenTCP(context.Background(), "tcp", ":0")
	require.NoError(t, err)
	require.NoError(t, l.SetDeadline(time.Now().Add(-time.Second)))
	_, err = l.Accept()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, l.SetDeadline(time.Now().Add(5*time.Millisecond)))
	_, err = l.Accept()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, l.SetDeadline(time.Time{}))
	results := make(chan error)
	for range 2 {
		go func() {
			_, err := l.Accept()
			results <- err
		}()
	}
	require.NoError(t, l.Close())
	require.ErrorIs(t, <-results, net.ErrClosed)
	require.ErrorIs(t, <-results, net.ErrClosed)
	require.ErrorIs(t, l.Close(), net.ErrClosed)
}

func TestBacklogAndControl(t *testing.T) {
	left, right := newPair(t, nil)
	config := right.ListenConfig
	config.Backlog = tcpip.Set(1)
	config.Control = func(network string, ep stack.Endpoint) error {
		require.Equal(t, "tcp", network)
		return ep.SetOption(tcp.TCP_KEEPIDLE, 77)
	}
	l, err := config.ListenTCP(context.Background(), "tcp", ":0")
	require.NoError(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	c, err := left.Dial("tcp", net.JoinHostPort(right4, port))
	require.NoError(t, err)
	defer c.Close()
	s, err := l.AcceptTCP()
	require.NoError(t, err)
	defer s.Close()
	idle, err := s.Endpoint().Option(tcp.TCP_KEEPIDLE)
	require.NoError(t, err)
	require.Equal(t, 77, idle, "accepted connections inherit what Control has set")

	wanted := errors.New("no")
	config.Control = func(string, stack.Endpoint) error { return wanted }
	_, err = config.Listen(context.Background(), "tcp", ":0")
	require.ErrorIs(t, err, wanted)
	d := left.Dialer
	d.Control = func(string, stack.Endpoint) error { return wanted }
	_, err = d.Dial("tcp", net.JoinHostPort(right4, port))
	require.ErrorIs(t, err, wanted)
}

func TestTCPOptions(t *testing.T) {
	left, right := newPair(t, nil)
	client, _ := connect(t, left, right, right4+":0")
	get := func(id tcpip.OptionID) int {
		v, err := client.Endpoint().Option(id)
		require.NoError(t, err)
		return v
	}
	require.Equal(t, 1, get(tcp.TCP_NODELAY), "as in package net")
	require.NoError(t, client.SetNoDelay(false))
	require.Equal(t, 0, get(tcp.TCP_NODELAY))

	require.Equal(t, 0, get(tcpip.SO_KEEPALIVE))
	require.NoError(t, client.SetKeepAlive(true))
	require.Equal(t, 1, get(tcpip.SO_KEEPALIVE))
	require.NoError(t, client.SetKeepAlivePeriod(1500*time.Millisecond))
	require.Equal(t, 2, get(tcp.TCP_KEEPIDLE), "rounded up")
	require.NoError(t, client.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: -1, Interval: 3 * time.Second}))
	require.Equal(t, 2, get(tcp.TCP_KEEPIDLE), "negative leaves it")
	require.Equal(t, 3, get(tcp.TCP_KEEPINTVL))
	require.Equal(t, 9, get(tcp.TCP_KEEPCNT), "zero is the default")

	require.NoError(t, client.SetReadBuffer(50000))
	require.Equal(t, 100000, get(tcpip.SO_RCVBUF))
	require.NoError(t, client.SetWriteBuffer(50000))
	require.Equal(t, 100000, get(tcpip.SO_SNDBUF))
	require.NoError(t, client.SetLinger(-5))
	require.NoError(t, client.SetLinger(5))
	require.Equal(t, 5, get(tcpip.SO_LINGER))
	require.NoError(t, client.SetLinger(-1))

	require.Equal(t, tcp.StateEstablished, client.Info().State)
}

// io.Copy uses ReadFrom and WriteTo; neither may call the other's for ever.
func TestTCPCopy(t *testing.T) {
	left, right := newPair(t, nil)
	a, b := connect(t, left, right, right4+":0")
	c, d := connect(t, left, right, "["+right6+"]:0")
	want := noise(1 << 20)
	var wg sync.WaitGroup
	wg.Go(func() {
		n, err := a.ReadFrom(bytes.NewReader(want))
		if n != int64(len(want)) || err != nil {
			t.Errorf("ReadFrom: %d, %v", n, err)
		}
		a.Close()
	})
	wg.Go(func() {
		n, err := io.Copy(c, b)
		if n != int64(len(want)) || err != nil {
			t.Errorf("Copy: %d, %v", n, err)
		}
		c.Close()
	})
	var got bytes.Buffer
	n, err := d.WriteTo(&got)
	require.NoError(t, err)
	require.Equal(t, int64(len(want)), n)
	require.True(t, bytes.Equal(want, got.Bytes()))
	wg.Wait()

	_, err = a.ReadFrom(bytes.NewReader(want))
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = d.ReadFrom(iotestErr{})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

type iotestErr struct{}

func (iotestErr) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// One Write stays together, whoever writes at the same time.
func TestTCPConcurrentWrites(t *testing.T) {
	left, right := newPair(t, nil)
	client, server := connect(t, left, right, right4+":0")
	const writers, size = 8, 300 << 10
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			if _, err := client.Write(bytes.Repeat([]byte{byte(i)}, size)); err != nil {
				t.Error(err)
			}
		})
	}
	seen := map[byte]bool{}
	for range writers {
		b := make([]byte, size)
		_, err := io.ReadFull(server, b)
		require.NoError(t, err)
		require.Equal(t, bytes.Repeat(b[:1], size), b)
		require.False(t, seen[b[0]])
		seen[b[0]] = true
	}
	wg.Wait()
}

func TestTCPReadWriteNothing(t *testing.T) {
	left, right := newPair(t, nil)
	client, _ := connect(t, left, right, right4+":0")
	n, err := client.Read(nil)
	require.Zero(t, n)
	require.NoError(t, err)
	n, err = client.Write(nil)
	require.Zero(t, n)
	require.NoError(t, err)
}
