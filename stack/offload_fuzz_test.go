package stack_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/linktest"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// split reads packets from b: a length and that many bytes each.
func split(s *stack.Stack, b []byte) (packets []*stack.Packet, bytes [][]byte) {
	for len(b) > 2 && len(packets) < 64 {
		n := min(int(binary.BigEndian.Uint16(b)), len(b)-2)
		if p := s.NewPacketCopy(b[2 : 2+n]); p != nil {
			p.EtherType = stack.EtherTypeOf(b[2 : 2+n])
			packets = append(packets, p)
			bytes = append(bytes, b[2:2+n])
		}
		b = b[2+n:]
	}
	return packets, bytes
}

func pack(packets ...[]byte) []byte {
	var b []byte
	for _, p := range packets {
		b = binary.BigEndian.AppendUint16(b, uint16(len(p)))
		b = append(b, p...)
	}
	return b
}

// FuzzMerge: whatever arrives, merging and cutting again loses and changes nothing.
func FuzzMerge(f *testing.F) {
	one := linktest.Spec{Flags: header.ACK, Payload: linktest.Pattern(40, 1)}
	two := one
	two.Seq, two.ID, two.Flags = 40, 1, header.ACK|header.PSH
	f.Add(pack(one.Bytes(), two.Bytes()))
	one.V6, two.V6 = true, true
	f.Add(pack(one.Bytes(), two.Bytes(), one.Bytes()))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, _ := bench(t, channel.Options{})
		packets, want := split(h.Stack, b)
		var got [][]byte
		for _, p := range stack.Merge(packets) {
			out, d := p.Cut(nil)
			require.Equal(t, tcpip.DropNone, d)
			got = append(got, contents(out)...)
		}
		require.ElementsMatch(t, want, got)
	})
}

// FuzzCut: whatever a device claims to be a super-segment is cut or refused.
func FuzzCut(f *testing.F) {
	for _, c := range []linktest.Spec{
		{Flags: header.ACK, Payload: linktest.Pattern(300, 1), SegSize: 100},
		{V6: true, Flags: header.ACK, Payload: linktest.Pattern(300, 1), SegSize: 100},
		{UDP: true, Payload: linktest.Pattern(300, 1), SegSize: 100},
	} {
		f.Add(c.Bytes(), uint16(100), uint16(60))
	}
	f.Fuzz(func(t *testing.T, b []byte, size, front uint16) {
		h, _ := bench(t, channel.Options{})
		p := h.Stack.NewPacketCopy(b)
		if p == nil {
			return
		}
		p.SplitFront(min(int(front), len(b)))
		p.SegSize, p.Checksum = size, stack.ChecksumPartial
		if size == 0 {
			p.Checksum = stack.ChecksumPartial
		}
		out, d := p.Cut(nil)
		if d != tcpip.DropNone {
			require.Empty(t, out)
			p.Release()
			return
		}
		for i, q := range out {
			require.Zero(t, q.SegSize)
			if len(out) > 1 && i < len(out)-1 {
				require.Less(t, q.Len(), len(b))
			}
			q.Release()
		}
	})
}
