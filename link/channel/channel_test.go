package channel_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/linktest"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

func host(t testing.TB, o channel.Options) (h *linktest.Host, l *channel.Channel) {
	linktest.NoLeaks(t, func() []*linktest.Host { return []*linktest.Host{h} })
	l = channel.New(o)
	h = linktest.NewHost(t, tcpip.NewManualClock(), l)
	return h, l
}

func TestInject(t *testing.T) {
	h, l := host(t, channel.Options{})
	four := linktest.Spec{Payload: []byte("four"), Flags: header.ACK}
	six := linktest.Spec{V6: true, UDP: true, Payload: []byte("six")}
	require.NoError(t, l.Inject(four.Bytes()))
	require.NoError(t, l.Inject(six.Bytes()))
	got := h.Take()
	require.Len(t, got, 2)
	require.Equal(t, four.Bytes(), got[0].Bytes)
	require.Equal(t, header.EtherTypeIPv4, got[0].Type)
	require.Equal(t, six.Bytes(), got[1].Bytes)
	require.Equal(t, header.EtherTypeIPv6, got[1].Type)

	require.NoError(t, l.Inject([]byte{0x10}))
	require.NoError(t, l.Inject(nil))
	require.Equal(t, 2, h.Drops(tcpip.DropUnknownType))
	require.ErrorIs(t, l.Inject(make([]byte, 70000)), tcpip.ErrMessageSize)
}

func TestRead(t *testing.T) {
	h, l := host(t, channel.Options{})
	c := linktest.Spec{V6: true, Payload: linktest.Pattern(1000, 1), Pieces: 3, Partial: true}
	h.Send(c.Packet(h.Stack))
	<-l.C()
	b := make([]byte, 2000)
	n, err := l.Read(t.Context(), b)
	require.NoError(t, err)
	require.True(t, linktest.Valid(b[:n]), "the checksum was left unfinished")

	h.Send(c.Packet(h.Stack))
	n, err = l.Read(t.Context(), b[:100])
	require.NoError(t, err)
	require.Equal(t, 100, n)
	require.Nil(t, l.TryNext())

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = l.Next(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

// What does not fit stays in the NIC's queue, in order, until there is room.
func TestBackpressure(t *testing.T) {
	h, l := host(t, channel.Options{Capacity: 4})
	for i := range 20 {
		c := linktest.Spec{Seq: uint32(i)}
		h.Send(c.Packet(h.Stack))
	}
	require.Equal(t, 4, l.Len())
	for i := range 20 {
		p := l.TryNext()
		require.NotNil(t, p, "packet %d", i)
		require.EqualValues(t, i, header.TCP(p.Transport()).Seq())
		p.Release()
		require.LessOrEqual(t, l.Len(), 4)
	}
	require.Nil(t, l.TryNext())
}

func TestSuperSegments(t *testing.T) {
	h, l := host(t, channel.Options{Offload: stack.OffloadChecksum | stack.OffloadTSO4, GSOMax: 65535})
	c := linktest.Spec{Payload: linktest.Pattern(40000, 1), SegSize: 1000, Flags: header.ACK}
	h.Send(c.Packet(h.Stack))
	require.Equal(t, 1, l.Len())
	p := l.TryNext()
	p.Arrive()
	require.NoError(t, l.InjectPackets([]*stack.Packet{p}))
	got := h.Take()
	require.Len(t, got, 1)
	require.Equal(t, 40, got[0].Segs)

	c.V6 = true
	h.Send(c.Packet(h.Stack))
	require.Equal(t, 40, l.Len())
}

func TestClose(t *testing.T) {
	h, l := host(t, channel.Options{})
	c := linktest.Spec{}
	h.Send(c.Packet(h.Stack), c.Packet(h.Stack))
	done := make(chan error)
	l.TryNext().Release()
	l.TryNext().Release()
	go func() {
		p, err := l.Next(context.Background())
		if err == nil {
			p.Release()
		}
		done <- err
	}()
	h.Send(c.Packet(h.Stack))
	require.NoError(t, <-done)
	h.Send(c.Packet(h.Stack))
	l.Close()
	l.Close()
	_, err := l.Next(t.Context())
	require.ErrorIs(t, err, tcpip.ErrClosed)
	require.ErrorIs(t, l.Inject(c.Bytes()), tcpip.ErrClosed)
	require.Equal(t, 1, h.Drops(tcpip.DropLinkDown))
	h.Send(c.Packet(h.Stack))
	require.Equal(t, 2, h.Drops(tcpip.DropLinkDown))
}

func TestCloseDuringTraffic(t *testing.T) {
	var h *linktest.Host
	linktest.NoLeaks(t, func() []*linktest.Host { return []*linktest.Host{h} })
	l := channel.New(channel.Options{Capacity: 8})
	h = linktest.NewHost(t, nil, l)
	h.CountOnly()
	c := linktest.Spec{Payload: []byte("x")}
	var wg sync.WaitGroup
	for range 2 {
		wg.Add(3)
		go func() {
			defer wg.Done()
			for l.Inject(c.Bytes()) == nil {
			}
		}()
		go func() {
			defer wg.Done()
			for {
				p, err := l.Next(context.Background())
				if err != nil {
					return
				}
				p.Release()
			}
		}()
		go func() {
			defer wg.Done()
			for h.NIC.Up() {
				w := h.Stack.Begin()
				if p := c.Packet(h.Stack); !h.NIC.Enqueue(w, p) {
					w.Drop(p, tcpip.DropQueueFull)
				}
				w.End()
			}
		}()
	}
	h.Await(200)
	h.NIC.Remove()
	wg.Wait()
}
