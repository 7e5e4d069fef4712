package tunnel_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/linktest"
	"github.com/seed963a8790/netstack/link/tunnel"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/network/ipv6"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

func newHost(t testing.TB, o tunnel.Options) (*tunnel.Tunnel, *linktest.Host) {
	var h *linktest.Host
	linktest.NoLeaks(t, func() []*linktest.Host { return []*linktest.Host{h} })
	l := tunnel.New(o)
	h = linktest.NewHost(t, nil, l)
	return l, h
}

func buffers(n, size int) (bufs [][]byte, sizes []int) {
	for range n {
		bufs = append(bufs, make([]byte, size))
	}
	return bufs, make([]int, n)
}

// What the stack sends comes out in order, behind the offset, as many as there are or fit.
func TestRead(t *testing.T) {
	l, h := newHost(t, tunnel.Options{})
	var want [][]byte
	for i := range 10 {
		c := linktest.Spec{UDP: true, V6: i%2 == 1, Payload: linktest.Pattern(i*100, i)}
		want = append(want, c.Bytes())
		h.Send(c.Packet(h.Stack))
	}
	bufs, sizes := buffers(4, 2000)
	var got [][]byte
	for _, count := range []int{4, 4, 2} {
		n, err := l.ReadPackets(bufs, sizes, 16)
		require.NoError(t, err)
		require.Equal(t, count, n)
		for i := range n {
			got = append(got, append([]byte(nil), bufs[i][16:16+sizes[i]]...))
		}
	}
	require.Equal(t, want, got)
}

// Without a virtio-net header super-segments are cut and sums finished; with one they come whole, and go whole into
// another stack.
func TestSuperSegments(t *testing.T) {
	for _, vnet := range []bool{false, true} {
		for _, c := range []linktest.Spec{
			{Flags: header.ACK, Payload: linktest.Pattern(60000, 1), SegSize: 1200},
			{UDP: true, V6: true, Payload: linktest.Pattern(60000, 1), SegSize: 1200},
		} {
			l, h := newHost(t, tunnel.Options{VirtioNet: vnet})
			other, to := newHost(t, tunnel.Options{VirtioNet: vnet})
			h.Send(c.Packet(h.Stack))
			bufs, sizes := buffers(64, 1<<16+64)
			n, err := l.ReadPackets(bufs, sizes, 0)
			require.NoError(t, err)
			require.Equal(t, map[bool]int{true: 1, false: 50}[vnet], n)
			if !vnet {
				for i := range n {
					require.True(t, linktest.Valid(bufs[i][:sizes[i]]))
				}
			}
			wrote, err := other.WritePackets(bufs[:n], sizes, 0)
			require.NoError(t, err)
			require.Equal(t, n, wrote)
			total := 0
			for _, a := range to.Take() {
				total += max(a.Segs, 1)
			}
			require.Equal(t, 50, total)
		}
	}
}

// A small buffer costs its packet, and no more.
func TestShortBuffer(t *testing.T) {
	l, h := newHost(t, tunnel.Options{})
	for _, n := range []int{1000, 10} {
		h.Send((&linktest.Spec{UDP: true, Payload: linktest.Pattern(n, 1)}).Packet(h.Stack))
	}
	bufs, sizes := buffers(2, 100)
	n, err := l.ReadPackets(bufs, sizes, 10)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, 38, sizes[0])
	require.Equal(t, 1, h.Drops(tcpip.DropTooBig))
}

func TestArguments(t *testing.T) {
	l, _ := newHost(t, tunnel.Options{})
	bufs, sizes := buffers(2, 100)
	for _, err := range []error{
		second(l.ReadPackets(bufs, sizes, -1)), second(l.ReadPackets(bufs, sizes, 101)), second(l.ReadPackets(bufs, sizes[:1], 0)),
		second(l.WritePackets(bufs, sizes, -1)), second(l.WritePackets(bufs, nil, 101)), second(l.WritePackets(bufs, sizes[:1], 0)),
		second(l.WritePackets(bufs, []int{1, 101}, 0)), second(l.WritePackets(bufs, []int{-1, 1}, 0)), second(l.WritePackets(bufs, []int{91, 1}, 10)),
		l.SetMTU(67), l.SetMTU(65536),
	} {
		require.Equal(t, tcpip.ErrInvalid, err)
	}
	n, err := l.ReadPackets(nil, nil, 0)
	require.NoError(t, err)
	require.Zero(t, n)
	n, err = l.WritePackets(nil, nil, 0)
	require.NoError(t, err)
	require.Zero(t, n)
}

func second(_ int, err error) error { return err }

// What is written arrives whole, of every size, in pieces that are not much larger than what they hold.
func TestWrite(t *testing.T) {
	l, h := newHost(t, tunnel.Options{MTU: 65535})
	for _, n := range []int{0, 1, 1000, 1700, 1900, 9000, 40000, 65507} {
		c := linktest.Spec{UDP: true, Payload: linktest.Pattern(n, 1)}
		b := append(make([]byte, 7), c.Bytes()...)
		for _, sizes := range [][]int{nil, {len(b) - 7}} {
			wrote, err := l.WritePackets([][]byte{b}, sizes, 7)
			require.NoError(t, err)
			require.Equal(t, 1, wrote)
			got := h.Take()
			require.Len(t, got, 1)
			require.Equal(t, b[7:], got[0].Bytes)
			require.LessOrEqual(t, got[0].Cost, 2*n+8192)
		}
	}
	clear := make([]byte, 300)
	n, err := l.WritePackets([][]byte{{}, {0x10}, clear[:20]}, nil, 0)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.Equal(t, 3, h.Drops(tcpip.DropUnknownType))
}

// A reader that waits wakes when it is closed, and everything says so afterwards.
func TestClose(t *testing.T) {
	l := tunnel.New(tunnel.Options{})
	bufs, sizes := buffers(1, 2000)
	_, err := l.WritePackets(bufs, nil, 0)
	require.Equal(t, tcpip.ErrClosed, err, "not attached")
	h := linktest.NewHost(t, nil, l)
	require.Equal(t, tcpip.ErrExists, l.Attach(nil))
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			bufs, sizes := buffers(1, 2000)
			_, err := l.ReadPackets(bufs, sizes, 0)
			require.ErrorIs(t, err, net.ErrClosed)
		})
	}
	l.Close()
	l.Close()
	wg.Wait()
	require.NoError(t, l.Wait(context.Background()))
	h.Send((&linktest.Spec{UDP: true}).Packet(h.Stack))
	require.Equal(t, 1, h.Drops(tcpip.DropLinkDown))
	_, err = l.ReadPackets(bufs, sizes, 0)
	require.Equal(t, tcpip.ErrClosed, err)
	_, err = l.WritePackets(bufs, nil, 0)
	require.Equal(t, tcpip.ErrClosed, err)
	require.Equal(t, tcpip.ErrClosed, l.Attach(nil))
}

// A full queue stops the stack, and reading lets it go on: nothing is lost, and the order stays.
func TestBackpressure(t *testing.T) {
	l, h := newHost(t, tunnel.Options{Capacity: 8})
	const packets = 200
	for i := range packets {
		h.Send((&linktest.Spec{UDP: true, Payload: []byte{byte(i)}}).Packet(h.Stack))
	}
	bufs, sizes := buffers(3, 100)
	for i := 0; i < packets; {
		n, err := l.ReadPackets(bufs, sizes, 0)
		require.NoError(t, err)
		for j := range n {
			require.EqualValues(t, i, bufs[j][28])
			i++
		}
	}
}

// endpoint is a whole stack behind a tunnel.
func endpoint(t testing.TB, o tunnel.Options, address string) (*tunnel.Tunnel, *stack.Stack) {
	l := tunnel.New(o)
	s := stack.New(stack.Options{
		Networks: []stack.NewNetwork{ipv4.New, ipv6.New}, Transports: []stack.NewTransport{tcp.New, udp.New},
	})
	_, err := s.AddNIC(l, stack.NICOptions{Addresses: []netip.Prefix{netip.MustParsePrefix(address)}})
	require.NoError(t, err)
	return l, s
}

// carry takes packets from one tunnel to the other until one is closed.
func carry(from, to *tunnel.Tunnel) error {
	bufs, sizes := buffers(tunnel.BatchSize, 1<<16+64)
	for {
		n, err := from.ReadPackets(bufs, sizes, 4)
		if err != nil {
			return err
		}
		if _, err := to.WritePackets(bufs[:n], sizes, 4); err != nil {
			return err
		}
	}
}

// Two stacks through two tunnels: connections in both directions at once, then everything is closed in the middle.
func TestStacks(t *testing.T) {
	for name, o := range map[string]tunnel.Options{"plain": {}, "virtio": {VirtioNet: true}, "small": {Capacity: 4, MTU: 1280}} {
		t.Run(name, func(t *testing.T) {
			a, left := endpoint(t, o, "192.0.2.1/24")
			b, right := endpoint(t, o, "192.0.2.2/24")
			var pumps, wg sync.WaitGroup
			for _, p := range [][2]*tunnel.Tunnel{{a, b}, {b, a}} {
				pumps.Go(func() { require.ErrorIs(t, carry(p[0], p[1]), net.ErrClosed) })
			}
			l, err := (&gonet.ListenConfig{Stack: right}).Listen(context.Background(), "tcp", "192.0.2.2:80")
			require.NoError(t, err)
			wg.Go(func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					wg.Go(func() {
						io.Copy(c, c)
						c.Close()
					})
				}
			})
			const size = 1 << 20
			var clients sync.WaitGroup
			for i := range 3 {
				clients.Go(func() {
					c, err := (&gonet.Dialer{Stack: left}).Dial("tcp", "192.0.2.2:80")
					if !errors.Is(err, nil) {
						t.Error(err)
						return
					}
					want := linktest.Pattern(size, i)
					go func() {
						c.Write(want)
						c.(*gonet.TCPConn).CloseWrite()
					}()
					got, err := io.ReadAll(c)
					if err != nil || string(got) != string(want) {
						t.Errorf("%d bytes came back, %v", len(got), err)
					}
					c.Close()
				})
			}
			clients.Wait()
			require.NoError(t, a.SetMTU(1300))
			for _, s := range []*stack.Stack{left, right} {
				s.Close()
			}
			for _, s := range []*stack.Stack{left, right} {
				require.NoError(t, s.Wait(context.Background()))
			}
			l.Close()
			wg.Wait()
			pumps.Wait()
			for _, s := range []*stack.Stack{left, right} {
				require.Zero(t, s.LivePackets())
				require.Zero(t, s.Slabs.Live())
			}
		})
	}
}

// Whatever is written: nothing panics, nothing is kept, and what comes up is no longer than what went in.
func FuzzWrite(f *testing.F) {
	c := linktest.Spec{Flags: header.ACK, Payload: linktest.Pattern(100, 1)}
	f.Add(false, 0, c.Bytes())
	f.Add(true, 3, append(make([]byte, 13), c.Bytes()...))
	f.Fuzz(func(t *testing.T, vnet bool, offset int, b []byte) {
		l, s := endpoint(t, tunnel.Options{VirtioNet: vnet}, "192.0.2.1/24")
		n, err := l.WritePackets([][]byte{b}, nil, offset)
		if fits := offset >= 0 && offset <= len(b); fits != (err == nil) || fits != (n == 1) {
			t.Fatalf("offset %d of %d: %d, %v", offset, len(b), n, err)
		}
		s.Close()
		if err := s.Wait(context.Background()); err != nil || s.LivePackets() != 0 || s.Slabs.Live() != 0 {
			t.Fatal("something is left", err, s.LivePackets(), s.Slabs.Live())
		}
	})
}

// A batch costs no allocation, in either direction.
func TestNoAllocations(t *testing.T) {
	l, h := newHost(t, tunnel.Options{})
	h.CountOnly()
	c := linktest.Spec{UDP: true, Payload: linktest.Pattern(1000, 1)}
	b := [][]byte{c.Bytes(), c.Bytes()}
	bufs, sizes := buffers(2, 2000)
	linktest.NoAllocations(t, func() {
		if _, err := l.WritePackets(b, nil, 0); err != nil {
			t.Fatal(err)
		}
		h.Send(h.Stack.NewPacketCopy(b[0]))
		if _, err := l.ReadPackets(bufs, sizes, 0); err != nil {
			t.Fatal(err)
		}
	})
}
