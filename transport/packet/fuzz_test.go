package packet_test

import (
	"context"
	"net/netip"
	"testing"

	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/network/ipv6"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/packet"
)

// FuzzPacket runs a program of calls and arrivals on one endpoint, whose ring a user garbles meanwhile. Nothing panics, no
// read gives more than arrived, and all memory comes back.
func FuzzPacket(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, []byte{0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1})
	f.Add([]byte{2, 2, 5, 0, 0, 6, 0, 0, 0, 7, 8, 0, 9, 1}, []byte{0x60, 0, 0, 0})
	f.Add([]byte{18, 5, 0, 16, 6, 0, 9, 5, 1, 2}, []byte("garbage"))
	f.Fuzz(func(t *testing.T, program, data []byte) {
		if len(data) > 1500 || len(program) > 200 {
			return
		}
		clock := tcpip.NewManualClock()
		s := stack.New(stack.Options{Clock: clock, Networks: []stack.NewNetwork{ipv4.New, ipv6.New}})
		link := channel.New(channel.Options{MTU: 1500})
		if _, err := s.AddNIC(link, stack.NICOptions{ID: 1, DAD: tcpip.Set(0), Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}}); err != nil {
			t.Fatal(err)
		}
		e, err := packet.New(s, packet.Mode(len(program)%2), packet.All)
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 2000)
		for i, op := range program {
			arg := int(op >> 4)
			switch op & 15 {
			case 0:
				_ = link.Inject(data[:len(data)*(arg+1)/16])
			case 1:
				r, err := e.ReadFrame(buf, tcpip.ReadOptions{Flags: tcpip.ReadFlags(arg & 1)})
				if err == nil && (r.Count > r.Total || r.Total > r.Size+12) {
					t.Fatalf("read %+v", r)
				}
			case 2:
				_ = e.SetOption(packet.PACKET_VERSION, arg%3)
			case 3:
				_, _ = e.WriteFrame(data, &packet.Address{NIC: 1})
			case 4:
				_ = e.SetOption(packet.PACKET_VNET_HDR_SZ, []int{0, 10, 12}[arg%3])
			case 5:
				_ = e.SetRing(packet.Direction(arg&1), packet.RingSize{BlockSize: 4096, Blocks: uint32(1 + arg>>2), FrameSize: 1024,
					Frames: 4 * uint32(1+arg>>2), Private: 0}, nil)
			case 6:
				mem := e.Ring(packet.Direction(arg & 1))
				for j := range mem {
					mem[j] = append(data, 1)[j%(len(data)+1)] ^ byte(i)
				}
			case 7:
				_ = e.SetRing(packet.Direction(arg&1), packet.RingSize{}, nil)
			case 8:
				clear(e.Ring(packet.Receive))
			case 9:
				clock.Step()
			case 10:
				_ = e.SetOption(packet.PACKET_RESERVE, arg*4000)
			case 11:
				_ = e.SocketFilter().Attach(data[:len(data)/8*8])
			case 12:
				_ = e.SetOption(packet.PACKET_COPY_THRESH, arg)
			case 13:
				_ = e.SetOption(packet.PACKET_TX_HAS_OFF, arg&1)
			case 14:
				_ = e.JoinFanout(packet.Fanout{Kind: packet.FanoutKind(arg)})
			case 15:
				e.Statistics()
				e.Readiness(0xff)
			}
		}
		e.Close()
		for p := link.TryNext(); p != nil; p = link.TryNext() {
			p.Release()
		}
		s.Close()
		clock.Settle()
		if err := s.Wait(context.Background()); err != nil {
			t.Fatal(err)
		}
		if s.LivePackets() != 0 || s.Slabs.Live() != 0 {
			t.Fatalf("%d packets and %d bytes were kept", s.LivePackets(), s.Slabs.Live())
		}
	})
}
