package tcp

import (
	"bytes"
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// blocking is an endpoint with calls that wait, as an adapter makes them.
type blocking struct {
	e *Endpoint
}

// wait calls f until it says something other than ErrWouldBlock.
func (b blocking) wait(ev waiter.Events, f func() error) error {
	w := waiter.NewChannel(ev)
	b.e.Waiters().Register(w)
	defer b.e.Waiters().Unregister(w)
	for {
		err := f()
		if err != tcpip.ErrWouldBlock {
			return err
		}
		select {
		case <-w.C():
		case <-time.After(20 * time.Second):
			return tcpip.ErrDeadline
		}
	}
}

func (b blocking) Read(p []byte) (n int, err error) {
	err = b.wait(waiter.Readable|waiter.ReadHangUp, func() error {
		r, err := b.e.Read(p, tcpip.ReadOptions{})
		n = r.Count
		return err
	})
	return n, err
}

func (b blocking) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		err = b.wait(waiter.Writable, func() error {
			k, err := b.e.Write(p[n:], tcpip.WriteOptions{})
			n += k
			return err
		})
	}
	return n, err
}

func (b blocking) accept() (e blocking, err error) {
	err = b.wait(waiter.Readable, func() error {
		c, err := b.e.Accept()
		if err == nil {
			e.e = c.(*Endpoint)
		}
		return err
	})
	return e, err
}

func (b blocking) connect(to tcpip.FullAddress) error {
	if err := b.e.Connect(to); err != tcpip.ErrInProgress {
		return err
	}
	return b.wait(waiter.Writable, func() error {
		if b.e.Readiness(waiter.Writable)&(waiter.Writable|waiter.Error) == 0 {
			return tcpip.ErrWouldBlock
		}
		return b.e.LastError()
	})
}

// closeAndWait closes a stack and fails the test if anything stays behind.
func closeAndWait(t testing.TB, stacks ...*stack.Stack) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, s := range stacks {
		s.Close()
	}
	for _, s := range stacks {
		require.NoError(t, s.Wait(ctx))
	}
	for _, s := range stacks {
		require.Eventually(t, func() bool { return s.LivePackets() == 0 && s.Slabs.Live() == 0 }, 5*time.Second, time.Millisecond,
			"packets %d, slab bytes %d", s.LivePackets(), s.Slabs.Live())
		require.Empty(t, s.Endpoints())
	}
}

// Many connections at once on the system clock, with several goroutines on each end that write, read, close,
// abort and ask for everything else: what arrives is what was sent, and nothing is left.
func TestStress(t *testing.T) {
	systems := map[string]func() (client, server *stack.Stack, to tcpip.FullAddress){
		"loopback": func() (*stack.Stack, *stack.Stack, tcpip.FullAddress) {
			s := loopHost(t, tcpip.SystemClock(), Options{})
			return s, s, tcpip.FullAddress{Addr: loopbackOf(addrA[0]), Port: 80}
		},
		"pipe": func() (*stack.Stack, *stack.Stack, tcpip.FullAddress) {
			a, b := newStack(tcpip.SystemClock(), Options{}, nil), newStack(tcpip.SystemClock(), Options{}, nil)
			l, r := pipe.New(pipe.Options{MTU: 1500})
			addNIC(t, a, l, addrA[1])
			addNIC(t, b, r, addrB[1])
			return a, b, tcpip.FullAddress{Addr: addrB[1], Port: 80}
		},
	}
	for name, system := range systems {
		t.Run(name, func(t *testing.T) {
			client, server, to := system()
			v6 := 0
			if to.Addr.Is6() {
				v6 = 1
			}
			l := blocking{listenOn(t, server, v6, 80, 64)}
			var all sync.WaitGroup
			all.Go(func() {
				for {
					c, err := l.accept()
					if err != nil {
						return
					}
					all.Go(func() { echo(c) })
				}
			})
			var clients sync.WaitGroup
			for i := range 8 {
				clients.Go(func() {
					r := rand.New(rand.NewPCG(uint64(i), 1))
					for range 10 {
						c := blocking{endpointOf(t, client, v6)}
						if err := c.connect(to); err != nil {
							t.Error("connect:", err)
						} else {
							exchange(t, c, r)
						}
						c.e.Close()
					}
				})
			}
			clients.Wait()
			l.e.Shutdown(tcpip.ShutdownRead)
			l.e.Close()
			all.Wait()
			if client == server {
				closeAndWait(t, client)
			} else {
				closeAndWait(t, client, server)
			}
		})
	}
}

func echo(c blocking) {
	defer c.e.Close()
	b := make([]byte, 50000)
	for {
		n, err := c.Read(b)
		if err != nil || n == 0 {
			return
		}
		if _, err := c.Write(b[:n]); err != nil {
			return
		}
	}
}

func exchange(t *testing.T, c blocking, r *rand.Rand) {
	data := make([]byte, 1+r.IntN(300000))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	var busy sync.WaitGroup
	defer busy.Wait()
	busy.Go(func() {
		for rest := data; len(rest) > 0; {
			n := min(len(rest), 1+rand.IntN(40000))
			if _, err := c.Write(rest[:n]); err != nil {
				return
			}
			rest = rest[n:]
		}
		_ = c.e.Shutdown(tcpip.ShutdownWrite)
	})
	busy.Go(func() { // a meddler
		for range 50 {
			_ = c.e.Info()
			_ = c.e.SetOption(TCP_NODELAY, rand.IntN(2))
			_ = c.e.Readiness(waiter.All)
			_ = c.e.LocalAddress()
		}
	})
	if r.IntN(4) == 0 { // close in the middle
		time.Sleep(time.Duration(r.IntN(300)) * time.Microsecond)
		if r.IntN(2) == 0 {
			c.e.Abort()
		}
		return
	}
	got := make([]byte, 0, len(data))
	b := make([]byte, 70000)
	for {
		n, err := c.Read(b)
		if err != nil {
			t.Errorf("read after %d of %d: %v", len(got), len(data), err)
			return
		}
		if n == 0 {
			break
		}
		got = append(got, b[:n]...)
	}
	if !bytes.Equal(got, data) {
		t.Errorf("got %d bytes of %d, or other ones", len(got), len(data))
	}
}

// The lock alone: what is put off is fed exactly once, in order per sender, whatever interleaves.
func TestLockStress(t *testing.T) {
	s := loopHost(t, tcpip.SystemClock(), Options{})
	defer closeAndWait(t, s)
	const senders, each = 4, 3000
	var l lock
	var fed [senders]int
	process := func(p *stack.Packet) {
		if fed[p.TTL] != int(p.Hash) {
			t.Errorf("sender %d: packet %d, expected %d", p.TTL, p.Hash, fed[p.TTL])
		}
		fed[p.TTL]++
		p.Release()
	}
	finish := func() {
		for {
			backlog, _, left := l.leave()
			if left {
				return
			}
			for p := backlog.Pop(); p != nil; p = backlog.Pop() {
				process(p)
			}
		}
	}
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() {
			for n := range each {
				p := s.NewPacket()
				p.TTL, p.Hash = uint8(i), uint32(n)
				if l.tryEnter(1) {
					process(p)
					finish()
					continue
				}
				entered, queued := l.putOff(p, 1, 1<<30)
				if !queued {
					t.Error("refused")
				}
				if entered {
					finish()
				}
			}
		})
	}
	all.Go(func() {
		for range each {
			l.enter(s.Clock())
			finish()
		}
	})
	all.Wait()
	for i, n := range fed {
		require.Equal(t, each, n, "sender %d", i)
	}
}
