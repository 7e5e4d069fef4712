package tcp

import (
	"context"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// told reports whether w was told of something since the last call.
func told(w *waiter.Waiter) bool {
	select {
	case <-w.C():
		return true
	default:
		return false
	}
}

// Whatever makes Readiness grow tells those who have registered: otherwise one who waits in poll waits for
// ever.
func TestReadinessIsTold(t *testing.T) {
	watch := func(e *Endpoint, mask waiter.Events) *waiter.Waiter {
		w := waiter.NewChannel(mask)
		e.Waiters().Register(w)
		require.Zero(t, e.Readiness(mask)&mask)
		return w
	}
	t.Run("shutdown of reading", func(t *testing.T) {
		h := newHosts(t, Options{}, Options{})
		c, _, _ := h.connected(0)
		w := watch(c, waiter.Readable)
		require.NoError(t, c.Shutdown(tcpip.ShutdownRead))
		require.NotZero(t, c.Readiness(waiter.Readable))
		require.True(t, told(w))
	})
	t.Run("shutdown of a listener", func(t *testing.T) {
		h := newHosts(t, Options{}, Options{})
		l := listenOn(t, h.b, 0, 81, 1)
		w := watch(l, waiter.Readable)
		require.NoError(t, l.Shutdown(tcpip.ShutdownRead))
		require.NotZero(t, l.Readiness(waiter.HangUp))
		require.True(t, told(w))
	})
	t.Run("SO_RCVLOWAT", func(t *testing.T) {
		h := newHosts(t, Options{}, Options{})
		c, s, _ := h.connected(0)
		require.NoError(t, c.SetOption(tcpip.SO_RCVLOWAT, 100))
		write(t, s, "ten bytes.")
		w := watch(c, waiter.Readable)
		told(w)
		require.NoError(t, c.SetOption(tcpip.SO_RCVLOWAT, 10))
		require.NotZero(t, c.Readiness(waiter.Readable))
		require.True(t, told(w))
	})
	t.Run("close", func(t *testing.T) {
		h := newHosts(t, Options{}, Options{})
		h.lose = func(traced) bool { return true }
		c := dial(t, h.a, 0, addrB[0], 82)
		w := watch(c, waiter.Writable)
		c.Close()
		require.NotZero(t, c.Readiness(waiter.Writable))
		require.True(t, told(w))
	})
	t.Run("close of the stack", func(t *testing.T) {
		h := newHosts(t, Options{}, Options{})
		h.lose = func(traced) bool { return true }
		c := dial(t, h.a, 0, addrB[0], 82)
		w := watch(c, waiter.Writable)
		h.a.Close()
		require.NotZero(t, c.Readiness(waiter.Writable))
		require.True(t, told(w))
	})
}

// Endpoints that are made while the stack is closed do not stay behind: Wait returns.
func TestNewEndpointWhileClosing(t *testing.T) {
	for range 100 {
		s := newStack(nil, Options{}, nil)
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				for {
					if _, err := s.NewEndpoint(header.ProtocolTCP, header.EtherTypeIPv4); err != nil {
						return
					}
				}
			})
		}
		runtime.Gosched()
		s.Close()
		all.Wait()
		require.Empty(t, s.Endpoints())
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		require.NoError(t, s.Wait(ctx))
		cancel()
	}
}

// A connection whose handshake ends while its stack does, and is accepted before the listener is closed, ends with the others:
// nobody would tell its user otherwise.
func TestAcceptedWhileClosing(t *testing.T) {
	for name, end := range map[string]func(*stack.Stack){
		"close": (*stack.Stack).Close,
		"shutdown": func(s *stack.Stack) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = s.Shutdown(ctx)
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWire(t, Options{})
			l := listenOn(t, x.s, 0, 80, 4)
			x.syn(1000)
			w := l.begin() // for which the end waits, once it has seen what endpoints there are
			over := make(chan struct{})
			go func() {
				defer close(over)
				end(x.s)
			}()
			for p := protocolOf(x.s); !p.closed.Load() && !p.drain.active.Load(); {
				runtime.Gosched()
			}
			time.Sleep(20 * time.Millisecond)
			x.send(1000, header.ACK, x.seq, x.ack, x.tsOpt(), "")
			child, err := l.Accept()
			l.end(w)
			<-over
			if err == nil {
				require.Equal(t, StateClosed, child.(*Endpoint).State())
			}
			require.Empty(t, x.s.Endpoints())
		})
	}
}

// A connection whose failure was told may be tried again; what it had received before does not leak.
func TestConnectAgainWithUnreadData(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	l := listenOn(t, h.b, 0, 80, 16)
	c := dial(t, h.a, 0, addrB[0], 80)
	s := accept(t, l)
	write(t, s, "unread")
	s.Abort()
	to := tcpip.FullAddress{Addr: addrB[0], Port: 80}
	require.Error(t, c.Connect(to))
	_ = c.Connect(to)
	c.Close()
	l.Close()
}

// A record of TIME-WAIT is found by packets from the moment it is in the demux, be it in the list or not.
func TestTimeWaitRecordWhileEntering(t *testing.T) {
	x := newWire(t, Options{})
	l := &protocolOf(x.s).timeWaits
	for i := range uint16(200) {
		id := stack.FlowID{
			Proto: header.ProtocolTCP, Local: netip.AddrPortFrom(addrA[0], 80), Remote: netip.AddrPortFrom(addrB[0], 1000+i),
		}
		r := &timeWait{list: l, id: id, sock: &l.proto.config.Load().initial.sock}
		require.Equal(t, tcpip.OK, x.s.Demux.Insert(id, r))
		var both sync.WaitGroup
		both.Go(func() { l.add(r) })
		x.send(1000+i, header.ACK, 1, 1, noOpt, "")
		both.Wait()
		x.drain()
		if i%2 == 0 {
			r.end()
		}
	}
	l.mu.Lock()
	require.Equal(t, 100, l.n)
	l.mu.Unlock()
}
