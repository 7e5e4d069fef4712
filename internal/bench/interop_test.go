package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	gchannel "gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/link/fault"
	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/stack"
)

// wires are the links over which streams are moved both ways.
var wires = []struct {
	name   string
	faults fault.Faults
}{
	{"clean", fault.Faults{}},
	{"loss", fault.Faults{Loss: 0.01}},
	{"reordering", fault.Faults{Reorder: 0.02, ReorderBy: time.Millisecond}},
	{"duplication", fault.Faults{Duplicate: 0.02}},
	{"all", fault.Faults{Loss: 0.005, Duplicate: 0.01, Reorder: 0.01, Delay: time.Millisecond, Jitter: time.Millisecond}},
}

// streamSize is what moves each way over each wire, in bytes.
func streamSize() int64 {
	if testing.Short() {
		return 4 << 20
	}
	return 64 << 20
}

// Our stack against gVisor's, as client and as server.
func TestAgainstGvisor(t *testing.T) {
	t.Parallel()
	for _, w := range wires {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel() // most of the time is waiting
			a, b := joinGvisor(t, w.faults)
			t.Run("we connect", func(t *testing.T) { bothWays(t, b, a) })
			t.Run("it connects", func(t *testing.T) { bothWays(t, a, b) })
		})
	}
}

// Two of our stacks.
func TestAgainstOurselves(t *testing.T) {
	t.Parallel()
	for _, w := range wires {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			x, y := pipe.New(pipe.Options{})
			a, err := oursStack(fault.New(x, fault.Options{Seed: 1, Tx: w.faults, Rx: w.faults}), netip.MustParsePrefix("10.0.0.1/24"))
			if err != nil {
				t.Fatal(err)
			}
			b, err := oursStack(y, netip.MustParsePrefix("10.0.0.2/24"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { a.Close(); b.Close() })
			addrA, addrB := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
			bothWays(t, &oursEnv{server: b, local: addrB}, &oursEnv{client: a, to: addrB})
			bothWays(t, &oursEnv{server: a, local: addrA}, &oursEnv{client: b, to: addrA})
		})
	}
}

// bothWays moves a stream in each direction of one connection at the same time. Neither side ends its direction before
// both are through: gVisor reports no SACK blocks once it has sent a FIN, and without them every loss waits for a timeout,
// with us as with Linux.
func bothWays(t *testing.T, server, client env) {
	t.Helper()
	l, err := server.Listen(bulkPort)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	errs := make(chan error, 2)
	side := func(c net.Conn, err error) {
		if err != nil {
			errs <- err
			return
		}
		defer c.Close()
		sent := make(chan error, 1)
		go func() { sent <- sendPattern(c, streamSize()) }()
		if err := receivePattern(c, streamSize()); err != nil {
			errs <- err
			return
		}
		if err := <-sent; err != nil {
			errs <- err
			return
		}
		errs <- endStream(c)
	}
	go func() { side(l.Accept()) }()
	go func() { side(client.Dial(bulkPort)) }()
	timeout := time.After(4 * time.Minute)
	for range 2 {
		select {
		case err := <-errs:
			if err != nil {
				t.Fatal(err)
			}
		case <-timeout:
			t.Fatal("the transfer hangs")
		}
	}
}

// pattern is what streams are made of, again and again. Its length has no small divisor, so that bytes that were moved
// are noticed.
var pattern = func() []byte {
	b := make([]byte, 1<<20+7)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b)
	return b
}()

// patternAt returns the stream's bytes from at on, n of them at most.
func patternAt(at int64, n int) []byte {
	from := int(at % int64(len(pattern)))
	return pattern[from:min(from+n, len(pattern))]
}

func sendPattern(c net.Conn, n int64) error {
	for at := int64(0); at < n; {
		k, err := c.Write(patternAt(at, int(min(n-at, 64<<10))))
		if err != nil {
			return fmt.Errorf("write at %d: %w", at, err)
		}
		at += int64(k)
	}
	return nil
}

// endStream ends c's direction and waits for the end of the other.
func endStream(c net.Conn) error {
	h, ok := c.(interface{ CloseWrite() error })
	if !ok {
		return errors.New("no CloseWrite")
	}
	if err := h.CloseWrite(); err != nil {
		return err
	}
	if n, err := c.Read(make([]byte, 1)); err != io.EOF {
		return fmt.Errorf("after the stream came %d bytes and %v", n, err)
	}
	return nil
}

func receivePattern(c net.Conn, n int64) error {
	b, at := make([]byte, 64<<10), int64(0)
	for at < n {
		k, err := c.Read(b)
		for got := b[:k]; len(got) > 0; {
			want := patternAt(at, len(got))
			if !bytes.Equal(got[:len(want)], want) {
				return fmt.Errorf("a byte between %d and %d is wrong", at, at+int64(len(want)))
			}
			at += int64(len(want))
			got = got[len(want):]
		}
		if err != nil {
			return fmt.Errorf("read at %d: %w", at, err)
		}
	}
	if at != n {
		return fmt.Errorf("got %d bytes of %d", at, n)
	}
	return nil
}

// joinGvisor returns one of our stacks (10.0.0.1) and one of gVisor's (10.0.0.2), joined by a wire of 1500 bytes.
func joinGvisor(t *testing.T, f fault.Faults) (us, them env) {
	t.Helper()
	ch := channel.New(channel.Options{MTU: 1500, Capacity: 4096})
	var link stack.Link = fault.New(ch, fault.Options{Seed: 1, Tx: f, Rx: f})
	s, err := oursStack(link, netip.MustParsePrefix("10.0.0.1/24"))
	if err != nil {
		t.Fatal(err)
	}
	far := gchannel.New(4096, 1500, "")
	g, err := gvisorStack(far, [4]byte{10, 0, 0, 2})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{}, 2)
	go func() {
		defer func() { done <- struct{}{} }()
		b := make([]byte, 2048)
		for {
			n, err := ch.Read(ctx, b)
			if err != nil {
				return
			}
			p := gstack.NewPacketBuffer(gstack.PacketBufferOptions{Payload: buffer.MakeWithData(bytes.Clone(b[:n]))})
			far.InjectInbound(ipv4.ProtocolNumber, p)
			p.DecRef()
		}
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		for {
			p := far.ReadContext(ctx)
			if p == nil {
				return
			}
			v := p.ToView()
			err := ch.Inject(v.AsSlice())
			v.Release()
			p.DecRef()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		<-done
		s.Close()
		g.Destroy()
	})
	return &oursEnv{client: s, server: s, local: netip.MustParseAddr("10.0.0.1"), to: netip.MustParseAddr("10.0.0.2")},
		&splitGvisor{gvisorEnv{g, g, [4]byte{10, 0, 0, 1}}, [4]byte{10, 0, 0, 2}}
}

// splitGvisor listens at one address and dials another.
type splitGvisor struct {
	gvisorEnv
	local [4]byte
}

func (e *splitGvisor) Listen(port int) (net.Listener, error) {
	at := e.gvisorEnv
	at.to = e.local
	return at.Listen(port)
}
