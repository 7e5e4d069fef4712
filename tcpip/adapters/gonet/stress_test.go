package gonet_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/network/ipv6"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

// Connections that open, exchange what they like and close as they like, while the stacks beneath them
// are closed: what is read is what was written, every call returns, and nothing stays behind.
func TestStress(t *testing.T) {
	rounds := 50
	if testing.Short() {
		rounds = 8
	}
	begun := time.Now()
	var total stressed
	for i := range rounds {
		if time.Since(begun) > 40*time.Second {
			t.Logf("%d rounds on this machine", i)
			break
		}
		procs := 2 + i%2*2
		stress(t, procs, uint64(i), &total)
	}
	t.Logf("%d dials, %d of them connected; %d MB arrived; %d streams to their end",
		total.dials.Load(), total.connected.Load(), total.bytes.Load()>>20, total.ends.Load())
	require.NotZero(t, total.connected.Load())
	require.NotZero(t, total.ends.Load())
}

// stressed counts what was reached.
type stressed struct{ dials, connected, bytes, ends atomic.Int64 }

// stressHost makes a stack with a loopback and one end of a pipe.
func stressHost(t *testing.T, link *pipe.Pipe, v4, v6 string) *stack.Stack {
	s := stack.New(stack.Options{
		Networks:   []stack.NewNetwork{ipv4.New, ipv6.New},
		Transports: []stack.NewTransport{tcp.New, udp.New},
	})
	for _, n := range []struct {
		link stack.Link
		o    stack.NICOptions
	}{
		{loopback.New(loopback.Options{}), stack.NICOptions{Name: "lo", Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}}},
		{link, stack.NICOptions{Name: "eth0", Addresses: []netip.Prefix{netip.MustParsePrefix(v4 + "/24"), netip.MustParsePrefix(v6 + "/64")}}},
	} {
		_, err := s.AddNIC(n.link, n.o)
		require.NoError(t, err)
	}
	return s
}

func stress(t *testing.T, procs int, seed uint64, total *stressed) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
	before := runtime.NumGoroutine()
	rnd := rand.New(rand.NewPCG(seed, 0))
	a, b := pipe.New(pipe.Options{NoGSO: seed%5 == 3, NoChecksum: seed%7 == 4})
	left, right := stressHost(t, a, left4, left6), stressHost(t, b, right4, right6)

	var all sync.WaitGroup
	defer left.Close()
	defer right.Close()
	l, err := (&gonet.ListenConfig{Stack: right, Backlog: tcpip.Set([]int{4, 64, 4096}[seed%3])}).ListenTCP(context.Background(), "tcp", ":80")
	require.NoError(t, err)
	all.Go(func() {
		for n := uint64(0); ; n++ {
			c, err := l.AcceptTCP()
			if err != nil {
				l.Close()
				return
			}
			all.Go(func() { talk(c, rand.New(rand.NewPCG(seed, 1<<32+n)), total) })
		}
	})
	var stop atomic.Bool
	for i := range 64 {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, uint64(i)+1))
			for !stop.Load() {
				dialAndTalk(left, rnd, total)
			}
		})
	}

	time.Sleep(time.Duration(50+rnd.IntN(250)) * time.Millisecond)
	stop.Store(true)
	first, second := left, right
	if rnd.IntN(2) == 0 {
		first, second = right, left
	}
	first.Close()
	if rnd.IntN(2) == 0 {
		time.Sleep(time.Duration(rnd.IntN(20)) * time.Millisecond)
	}
	second.Close()
	quiet := make(chan struct{})
	go func() {
		all.Wait()
		close(quiet)
	}()
	select {
	case <-quiet:
	case <-time.After(20 * time.Second):
		buf := make([]byte, 1<<20)
		t.Fatalf("calls that do not return after Close, seed %d:\n%s", seed, buf[:runtime.Stack(buf, true)])
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, s := range []*stack.Stack{left, right} {
		if err := s.Wait(ctx); err != nil {
			for _, e := range s.Endpoints() {
				t.Logf("%s -> %s: %v", e.LocalAddress(), e.RemoteAddress(), e.(interface{ State() tcp.State }).State())
			}
			t.Fatalf("seed %d: %v", seed, err)
		}
		require.Empty(t, s.Endpoints(), "seed %d", seed)
	}
	// A frame that has told a waiter may still be on its way out.
	gone := func() bool {
		return left.LivePackets() == 0 && right.LivePackets() == 0 && left.Slabs.Live() == 0 && right.Slabs.Live() == 0 &&
			runtime.NumGoroutine() <= before
	}
	for end := time.Now().Add(5 * time.Second); !gone(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			buf := make([]byte, 1<<20)
			t.Fatalf("seed %d: left behind: packets %d and %d, slab bytes %d and %d, goroutines %d\n%s", seed, left.LivePackets(), right.LivePackets(),
				left.Slabs.Live(), right.Slabs.Live(), runtime.NumGoroutine()-before, buf[:runtime.Stack(buf, true)])
		}
	}
}

// dialAndTalk makes one connection, or gives the attempt up.
func dialAndTalk(s *stack.Stack, rnd *rand.Rand, total *stressed) {
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	switch rnd.IntN(4) {
	case 0:
		ctx, cancel = context.WithTimeout(ctx, time.Duration(rnd.IntN(3000))*time.Microsecond)
	case 1:
		ctx, cancel = context.WithCancel(ctx)
		if rnd.IntN(8) == 0 {
			go func() {
				runtime.Gosched()
				cancel()
			}()
		}
	}
	defer cancel()
	to := right4
	if rnd.IntN(2) == 0 {
		to = right6
	}
	total.dials.Add(1)
	d := gonet.Dialer{Stack: s}
	c, err := d.DialTCP(ctx, "tcp", netip.AddrPort{}, netip.AddrPortFrom(netip.MustParseAddr(to), 80))
	if err != nil {
		return
	}
	total.connected.Add(1)
	talk(c, rnd, total)
}

// talk sends some, reads some, and ends in one way or another.
func talk(c *gonet.TCPConn, rnd *rand.Rand, total *stressed) {
	size := rnd.IntN(1 << uint(1+rnd.IntN(19)))
	limit := int64(1 << 62)
	if rnd.IntN(4) == 0 {
		limit = rnd.Int64N(200 << 10)
	}
	how, chunk := rnd.IntN(8), 1+rnd.IntN(40000)
	if how == 6 {
		_ = c.SetDeadline(time.Now().Add(time.Duration(rnd.IntN(5000)) * time.Microsecond))
	}
	var both sync.WaitGroup
	both.Go(func() {
		b := make([]byte, chunk)
		for at := 0; at < size; {
			n := min(chunk, size-at)
			for i := range n {
				b[i] = stressByte(at + i)
			}
			n, err := c.Write(b[:n])
			at += n
			if err != nil {
				return
			}
		}
		switch how {
		case 0:
			_ = c.SetLinger(0)
			c.Close()
		case 1:
			c.Close()
		default:
			_ = c.CloseWrite()
		}
	})
	both.Go(func() {
		n, err := io.Copy(&stressReader{}, io.LimitReader(struct{ io.Reader }{c}, limit))
		total.bytes.Add(n)
		if err == nil && n < limit {
			total.ends.Add(1)
		}
		if how == 2 || limit < 1<<62 {
			c.Close() // while our writer may be at work
		}
	})
	if how == 3 {
		both.Go(func() {
			runtime.Gosched()
			c.Endpoint().(interface{ Abort() }).Abort()
		})
	}
	both.Wait()
	c.Close()
}

func stressByte(at int) byte { return byte(at ^ at>>8 ^ at>>16) }

// stressReader checks what it is written.
type stressReader struct{ at int }

func (r *stressReader) Write(b []byte) (int, error) {
	for i, c := range b {
		if c != stressByte(r.at+i) {
			panic(fmt.Sprintf("byte %d of a connection is %#x: %s", r.at+i, c, whence(b)))
		}
	}
	r.at += len(b)
	return len(b), nil
}

// whence says where in the stream b would be right, for the report.
func whence(b []byte) string {
search:
	for from := range 1 << 20 {
		for i, c := range b {
			if c != stressByte(from+i) {
				continue search
			}
		}
		return fmt.Sprintf("%d bytes, those from %d on", len(b), from)
	}
	return fmt.Sprintf("%d bytes, of no stream; they begin with % x", len(b), b[:min(len(b), 64)])
}
