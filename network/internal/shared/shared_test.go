package shared_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/network/internal/shared"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// packet makes a packet with a front and pieces of payload.
func packet(s *stack.Stack, front string, pieces ...string) *stack.Packet {
	p := s.NewPacket()
	copy(p.Prepend(len(front)), front)
	for _, b := range pieces {
		piece, _ := s.Slabs.Copy([]byte(b))
		p.AppendData(piece)
	}
	return p
}

func text(p *stack.Packet) string {
	b := make([]byte, p.Len())
	p.CopyTo(b)
	return string(b)
}

func TestPayload(t *testing.T) {
	for size := 1; size < 30; size++ {
		s := stack.New(stack.Options{Clock: tcpip.NewManualClock()})
		p := packet(s, "IPudp:", "the payload", " in ", "", "pieces")
		var scratch shared.Scratch
		b, ok := shared.TakePayload(p, 2, &scratch)
		require.True(t, ok)
		require.Equal(t, "IP", text(p))
		got := ""
		for b.Len() > 0 {
			q := s.NewPacket()
			n := min(size, b.Len())
			b.MoveTo(q, n)
			require.Equal(t, n, q.Len())
			got += text(q)
			q.Release()
			if len(got) > 20 {
				break
			}
		}
		require.Equal(t, "udp:the payload in pieces"[:len(got)], got)
		b.Release()
		p.Release()
		require.Zero(t, s.LivePackets())
		require.Zero(t, s.Slabs.Live())
	}
}

func TestPayloadNoMemory(t *testing.T) {
	s := stack.New(stack.Options{Clock: tcpip.NewManualClock(), MaxMemory: tcpip.Set[int64](1)})
	p := packet(s, "IPudp:")
	var scratch shared.Scratch
	_, ok := shared.TakePayload(p, 2, &scratch)
	require.False(t, ok)
	p.Release()
}

func TestFlow(t *testing.T) {
	s := stack.New(stack.Options{Clock: tcpip.NewManualClock()})
	p := s.NewPacket()
	defer p.Release()
	p.Src, p.Dst = netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	for _, c := range []struct {
		proto header.Protocol
		t     []byte
		want  string
	}{
		{header.ProtocolUDP, []byte{0, 7, 0, 9}, "10.0.0.1:7 10.0.0.2:9"},
		{header.ProtocolTCP, []byte{0, 7, 0, 9}, "10.0.0.1:7 10.0.0.2:9"},
		{header.ProtocolUDP, []byte{0, 7, 0}, "10.0.0.1:0 10.0.0.2:0"},
		{header.ProtocolICMPv4, []byte{8, 0, 1, 2}, "10.0.0.1:0 10.0.0.2:0"},
	} {
		p.Proto = c.proto
		f := shared.Flow(p, c.t)
		require.Equal(t, c.want, fmt.Sprint(f.Local, " ", f.Remote))
		require.Equal(t, c.proto, f.Proto)
	}
}

func ExampleTransportHeaderLen() {
	fmt.Println(shared.TransportHeaderLen(header.ProtocolUDP, nil))
	fmt.Println(shared.TransportHeaderLen(header.ProtocolTCP, append(make([]byte, 12), 8<<4, 0, 0, 0, 0, 0, 0, 0)))
	// Output:
	// 8
	// 32
}
