package stack_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/linktest"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// inline returns a packet that lies in its front, which is no slab.
func inline(s *stack.Stack, b []byte) *stack.Packet {
	p := s.NewPacket()
	copy(p.Prepend(len(b)), b)
	return p
}

// content returns p's bytes.
func content(p *stack.Packet) []byte {
	b := make([]byte, p.Len())
	p.CopyTo(b)
	return b
}

// Where the front is cut, no byte is lost: what lies in a slab needs no memory, and what does not stays where it
// is if there is none.
func TestSplitFrontKeepsBytes(t *testing.T) {
	h, _ := bench(t, channel.Options{})
	want := linktest.Pattern(100, 1)
	for _, memory := range []struct {
		limit int64
		ok    bool
	}{{0, true}, {1, false}} {
		p, q := inline(h.Stack, want), h.Stack.NewPacketCopy(want)
		h.Stack.Slabs.SetLimit(memory.limit)
		require.Equal(t, memory.ok, p.SplitFront(40))
		require.True(t, p.SplitFront(len(p.Front())), "nothing to move takes no memory")
		require.True(t, q.SplitFront(40))
		h.Stack.Slabs.SetLimit(0)
		if memory.ok {
			require.Len(t, p.Front(), 40)
			require.Equal(t, 60, p.DataLen())
		} else {
			require.Len(t, p.Front(), 100)
			require.Zero(t, p.DataLen())
		}
		require.Equal(t, 60, q.DataLen())
		require.Equal(t, want, content(p))
		require.Equal(t, want, content(q))
		p.Release()
		q.Release()
	}
}

// Without memory, packets that lie in their front are neither cut nor merged, and stay whole.
func TestOffloadWithoutMemory(t *testing.T) {
	h, _ := bench(t, channel.Options{})
	var batch []*stack.Packet
	var want [][]byte
	for i := range 3 {
		c := linktest.Spec{Flags: header.ACK, Seq: uint32(50 * i), ID: uint16(i), Payload: linktest.Pattern(50, i)}
		want = append(want, c.Bytes())
		batch = append(batch, inline(h.Stack, c.Bytes()))
	}
	c := linktest.Spec{Flags: header.ACK, Payload: linktest.Pattern(100, 1), SegSize: 50}
	super := c.Packet(h.Stack)
	flat := inline(h.Stack, content(super))
	flat.EtherType, flat.SegSize, flat.Checksum = super.EtherType, super.SegSize, super.Checksum
	super.Release()
	whole := content(flat)

	h.Stack.Slabs.SetLimit(1)
	merged := stack.Merge(batch)
	got, d := flat.Cut(nil)
	h.Stack.Slabs.SetLimit(0)

	require.Empty(t, got)
	require.Equal(t, tcpip.DropNoMemory, d)
	require.Equal(t, whole, content(flat))
	flat.Release()
	require.Len(t, merged, 3)
	for i, p := range merged {
		require.Zero(t, p.SegSize)
		require.Equal(t, want[i], content(p))
		p.Release()
	}
}
