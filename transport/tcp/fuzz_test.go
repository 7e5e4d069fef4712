package tcp

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// FuzzReceive gives a stack with a listener, a half-open and an established connection any bytes as
// segments, with the checksum put right, in one piece or two. Nothing may panic, and nothing may stay behind.
func FuzzReceive(f *testing.F) {
	for _, flags := range []header.TCPFlags{header.SYN, header.ACK, header.FIN | header.ACK, header.RST, header.SYN | header.ACK, header.ACK | header.URG} {
		b := make([]byte, 40)
		fields := header.TCPFields{SrcPort: 1000, DstPort: 80, Seq: 5001, Ack: 1, Flags: flags, Window: 1000, Urgent: 3}
		fields.Encode(b, &header.TCPOptions{HasTimestamp: true, TSVal: 5})
		f.Add(b, uint8(1), uint8(36))
	}
	f.Fuzz(func(t *testing.T, seg []byte, fix, cut uint8) {
		if len(seg) > 2000 {
			return
		}
		x := newWire(t, Options{})
		l := listenOn(t, x.s, 0, 80, 4)
		x.syn(1000)
		x.send(1000, header.ACK, x.seq, x.ack, x.tsOpt(), "")
		e := accept(t, l)
		x.syn(1001)
		if fix&1 != 0 && len(seg) >= header.TCPSize { // hit something
			h := header.TCP(seg)
			h.SetDstPort(80)
			h.SetSeq(h.Seq()%64 + x.seq - 8)
			h.SetAck(h.Ack()%64 + x.ack - 8)
			h.SetChecksum(0)
			h.SetChecksum(header.TransportChecksum(header.ProtocolTCP, addrB[0], addrA[0], seg))
		}
		b := make([]byte, header.IPv4Size+len(seg))
		ip := header.IPv4Fields{TotalLength: uint16(len(b)), TTL: 64, Protocol: header.ProtocolTCP, Src: addrB[0], Dst: addrA[0]}
		ip.Encode(b)
		copy(b[header.IPv4Size:], seg)
		n := min(max(int(cut), header.IPv4Size), len(b))
		front, _ := x.s.Slabs.Get(slab.Medium)
		front.Reserve(64)
		front.Append(b[:n])
		p := x.s.NewPacketFrom(front)
		if n < len(b) {
			rest, _ := x.s.Slabs.Copy(b[n:])
			p.AppendData(rest)
		}
		p.EtherType = header.EtherTypeIPv4
		x.tap.up.Deliver(nil, []*stack.Packet{p})
		_, _ = e.Read(make([]byte, 100), tcpip.ReadOptions{})
		e.Close()
		require.LessOrEqual(t, len(x.tap.sent), 20)
	})
}
