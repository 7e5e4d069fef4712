package gonet_test

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/network/arp"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/network/ipv6"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
	"github.com/seed963a8790/netstack/transport/icmp"
	"github.com/seed963a8790/netstack/transport/raw"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

// complete are the options of a stack with every protocol.
func complete() stack.Options {
	return stack.Options{
		Networks:   []stack.NewNetwork{arp.New, ipv4.New, ipv6.New},
		Transports: []stack.NewTransport{tcp.New, udp.New, icmp.New4, icmp.New6},
		Raw:        raw.New,
	}
}

// heap returns the bytes in use.
func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools kept
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// A stack with every protocol that does nothing costs at most 64 KB and no goroutine, a loopback included; and when it is closed, nothing.
func TestEmptyStack(t *testing.T) {
	const n, limit = 1000, 64 << 10
	measure := func(add func(s *stack.Stack)) (each int) {
		all := make([]*stack.Stack, 0, n)
		goroutines, before := runtime.NumGoroutine(), heap()
		for range n {
			s := stack.New(complete())
			add(s)
			all = append(all, s)
		}
		each = (heap() - before) / n
		require.LessOrEqual(t, runtime.NumGoroutine(), goroutines)
		for _, s := range all {
			s.Close()
			require.NoError(t, s.Wait(context.Background()))
		}
		clear(all)
		left := (heap() - before) / n
		require.Less(t, left, 1<<10, "bytes of each were kept after Close")
		return each
	}
	none := func(*stack.Stack) {}
	lo := func(s *stack.Stack) {
		_, err := s.AddNIC(loopback.New(loopback.Options{}), stack.NICOptions{Addresses: []netip.Prefix{
			netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128"),
		}})
		require.NoError(t, err)
	}
	measure(none) // what the process makes once
	empty, with := measure(none), measure(lo)
	t.Logf("an empty stack: %d bytes, with a loopback: %d", empty, with)
	require.LessOrEqual(t, empty, limit)
	require.LessOrEqual(t, with, limit)
}

// A thousand stacks in one process: each speaks TCP and UDP with its neighbour, all at the same time.
func TestThousandStacks(t *testing.T) {
	pairs := 500
	if testing.Short() || raceEnabled {
		pairs = 50
	}
	all := make([]*stack.Stack, 2*pairs)
	for i := range pairs {
		a, b := pipe.New(pipe.Options{Queues: 1})
		for k, l := range []stack.Link{a, b} {
			s := stack.New(complete())
			_, err := s.AddNIC(l, stack.NICOptions{Addresses: []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.0.0.%d/24", 1+k))}})
			require.NoError(t, err)
			all[2*i+k] = s
		}
	}
	var wg sync.WaitGroup
	for i := range pairs {
		client, server := gonet.Dialer{Stack: all[2*i]}, gonet.ListenConfig{Stack: all[2*i+1]}
		l, err := server.Listen(context.Background(), "tcp", "10.0.0.2:80")
		require.NoError(t, err)
		u, err := server.ListenPacket(context.Background(), "udp", "10.0.0.2:53")
		require.NoError(t, err)
		wg.Go(func() {
			defer l.Close()
			c, err := l.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.Copy(c, c)
			c.Close()
		})
		wg.Go(func() {
			defer u.Close()
			b := make([]byte, 100)
			if n, from, err := u.ReadFrom(b); err == nil {
				_, _ = u.WriteTo(b[:n], from)
			}
		})
		wg.Go(func() {
			text := fmt.Sprintf("pair %d", i)
			for _, network := range []string{"tcp", "udp"} {
				c, err := client.Dial(network, map[string]string{"tcp": "10.0.0.2:80", "udp": "10.0.0.2:53"}[network])
				if err != nil {
					t.Error(err)
					return
				}
				_, err = io.WriteString(c, text)
				b := make([]byte, len(text))
				if err == nil {
					_, err = io.ReadFull(c, b)
				}
				c.Close()
				if err != nil || string(b) != text {
					t.Errorf("%s: %q, %v", network, b, err)
				}
			}
		})
	}
	wg.Wait()
	for _, s := range all {
		s.Close()
	}
	for _, s := range all {
		require.NoError(t, s.Wait(context.Background()))
		for i := 0; i < 1000 && s.LivePackets() != 0; i++ { // a frame on its way out
			time.Sleep(time.Millisecond)
		}
		require.Zero(t, s.LivePackets())
		require.Zero(t, s.Slabs.Live())
	}
}
