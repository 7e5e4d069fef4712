package pipe_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/linktest"
	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

func hosts(t testing.TB, o pipe.Options) (a, b *linktest.Host) {
	linktest.NoLeaks(t, func() []*linktest.Host { return []*linktest.Host{a, b} })
	la, lb := pipe.New(o)
	return linktest.NewHost(t, nil, la), linktest.NewHost(t, nil, lb)
}

func TestSuperSegmentCrossesWhole(t *testing.T) {
	a, b := hosts(t, pipe.Options{})
	for _, v6 := range []bool{false, true} {
		for _, udp := range []bool{false, true} {
			c := linktest.Spec{V6: v6, UDP: udp, Flags: header.ACK, Payload: linktest.Pattern(60000, 1), SegSize: 1400, TOS: 3}
			p := c.Packet(a.Stack)
			data := &p.Data()[0].Bytes()[0]
			b.Drop = func(q *stack.Packet) tcpip.Drop {
				require.Same(t, data, &q.Data()[0].Bytes()[0], "the payload was copied")
				require.False(t, q.HasTransport(), "the sender's knowledge crossed")
				return tcpip.DropNone
			}
			a.Send(p)
			got := b.Take()
			require.Len(t, got, 1)
			require.Equal(t, c.Bytes(), got[0].Bytes)
			require.Equal(t, stack.ChecksumPartial, got[0].Checksum)
			require.Equal(t, 1400, got[0].SegSize)
			require.Equal(t, 43, got[0].Segs)
			require.Equal(t, 43, got[0].CE)
		}
	}
}

// Without an offload, real packets cross: small enough, and with finished checksums.
func TestOffloadsOff(t *testing.T) {
	for name, o := range map[string]pipe.Options{"no-gso": {NoGSO: true}, "no-checksum": {NoChecksum: true}} {
		t.Run(name, func(t *testing.T) {
			a, b := hosts(t, o)
			c := linktest.Spec{UDP: true, Payload: linktest.Pattern(5001, 1), SegSize: 1000}
			a.Send(c.Packet(a.Stack))
			got := b.Take()
			require.Len(t, got, 6)
			for i, g := range got {
				require.Zero(t, g.SegSize)
				require.LessOrEqual(t, len(g.Bytes), 1500)
				require.Equal(t, o.NoChecksum, linktest.Valid(g.Bytes), "packet %d", i)
				require.Equal(t, o.NoChecksum, g.Checksum == stack.ChecksumUnverified)
			}
			c = linktest.Spec{Payload: []byte("one"), Partial: true, Flags: header.ACK}
			a.Send(c.Packet(a.Stack))
			got = b.Take()
			require.Len(t, got, 1)
			require.Equal(t, o.NoChecksum, linktest.Valid(got[0].Bytes))
		})
	}
}

// Over a wire TCP's segments are real ones, and the receiver puts them together again.
func TestMergedOnReceipt(t *testing.T) {
	a, b := hosts(t, pipe.Options{NoChecksum: true})
	c := linktest.Spec{Flags: header.ACK | header.PSH, Payload: linktest.Pattern(40*1400, 1), SegSize: 1400, ID: 1}
	a.Send(c.Packet(a.Stack))
	got := b.Take()
	require.Len(t, got, 1)
	require.Equal(t, 40, got[0].Segs)
	require.Equal(t, c.Bytes(), got[0].Bytes)
}

func TestTooBig(t *testing.T) {
	a, b := hosts(t, pipe.Options{MTU: 1000})
	c := linktest.Spec{Payload: linktest.Pattern(961, 1)}
	a.Send(c.Packet(a.Stack))
	c.Payload = c.Payload[:960]
	a.Send(c.Packet(a.Stack))
	require.Len(t, b.Take(), 1)
	require.Equal(t, 1, a.Drops(tcpip.DropTooBig))
}

func TestEthernetKind(t *testing.T) {
	x, y := tcpip.LinkAddr{2, 0, 0, 0, 0, 0xa}, tcpip.LinkAddr{2, 0, 0, 0, 0, 0xb}
	a, b := hosts(t, pipe.Options{Kind: stack.LinkEthernet, Addresses: [2]tcpip.LinkAddr{x, y}})
	c := linktest.Spec{Payload: []byte("hello")}
	for _, row := range []struct {
		dst  tcpip.LinkAddr
		kind stack.PacketType
	}{
		{y, stack.PacketHost},
		{tcpip.BroadcastLinkAddr(), stack.PacketBroadcast},
		{tcpip.LinkAddr{1, 0, 0x5e, 0, 0, 1}, stack.PacketMulticast},
	} {
		p := c.Packet(a.Stack)
		p.Link.Dst = row.dst
		a.Send(p)
		got := b.Take()
		require.Len(t, got, 1)
		require.Equal(t, stack.LinkPart{Src: x, Dst: row.dst, Type: row.kind}, got[0].Link)
	}
	p := c.Packet(a.Stack)
	p.Link.Dst = x
	a.Send(p)
	require.Empty(t, b.Take())
	require.Equal(t, 1, b.Drops(tcpip.DropOtherHost))
}

func TestPeerCloses(t *testing.T) {
	a, b := hosts(t, pipe.Options{})
	require.True(t, a.NIC.Up())
	b.NIC.Remove()
	require.False(t, a.NIC.Up())
	c := linktest.Spec{Payload: []byte("lost")}
	a.Send(c.Packet(a.Stack))
	require.Equal(t, 1, a.Drops(tcpip.DropLinkDown))
}

func TestAttach(t *testing.T) {
	la, lb := pipe.New(pipe.Options{})
	linktest.NewHost(t, nil, la)
	s := stack.New(stack.Options{})
	defer s.Close()
	_, err := s.AddNIC(la, stack.NICOptions{})
	require.ErrorIs(t, err, tcpip.ErrExists)
	lb.Close()
	_, err = s.AddNIC(lb, stack.NICOptions{})
	require.ErrorIs(t, err, tcpip.ErrClosed)
	require.NoError(t, lb.Wait(t.Context()))
}

// Both ends send while one closes. Every packet arrives or is counted.
func TestCloseDuringTraffic(t *testing.T) {
	a, b := hosts(t, pipe.Options{})
	a.CountOnly()
	b.CountOnly()
	c := linktest.Spec{Payload: linktest.Pattern(1000, 1)}
	const n = 500
	var done sync.WaitGroup
	for _, h := range []*linktest.Host{a, b} {
		for range 2 {
			done.Add(1)
			go func() {
				defer done.Done()
				for range n {
					w := h.Stack.Begin()
					p := c.Packet(h.Stack)
					if !h.NIC.Enqueue(w, p) {
						w.Drop(p, tcpip.DropQueueFull)
					}
					w.End()
				}
			}()
		}
	}
	done.Add(1)
	go func() {
		defer done.Done()
		b.Await(n / 4)
		b.NIC.Remove()
	}()
	done.Wait()
	all := 0
	for _, h := range []*linktest.Host{a, b} {
		h.Stack.Close()
		require.NoError(t, h.Stack.Wait(t.Context()))
		all += h.Count() + h.Drops(tcpip.DropLinkDown) + h.Drops(tcpip.DropQueueFull)
	}
	require.Equal(t, 4*n, all)
}

func TestNoAllocations(t *testing.T) {
	a, b := hosts(t, pipe.Options{})
	b.CountOnly()
	c := linktest.Spec{Flags: header.ACK, Payload: linktest.Pattern(60000, 1), SegSize: 1400}
	model := c.Packet(a.Stack)
	defer model.Release()
	send := func() {
		w := a.Stack.Begin()
		for range 16 {
			p := a.Stack.NewPacket()
			copy(p.Prepend(40), model.Front())
			p.SetNetwork(20)
			p.AppendData(model.Data()[0].Share())
			p.EtherType, p.SegSize, p.Checksum = model.EtherType, model.SegSize, model.Checksum
			a.NIC.Enqueue(w, p)
		}
		w.End()
	}
	linktest.NoAllocations(t, send)
}
