package raw_test

import (
	"testing"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/icmp"
	"github.com/seed963a8790/netstack/transport/raw"
	"github.com/seed963a8790/netstack/transport/udp"
)

// FuzzReceive gives raw endpoints of several protocols whatever may come, and sends it back with its header. Nothing
// panics, and no memory is kept.
func FuzzReceive(f *testing.F) {
	n := testnet.New(f, testnet.Options{}, udp.New)
	for _, proto := range []header.Protocol{unassigned, header.ProtocolICMPv4, header.ProtocolUDP} {
		f.Add(testnet.IPv4(header.IPv4Fields{Protocol: proto, Src: n.B.V4, Dst: n.A.V4}, []byte("\x08\x00payload")), uint8(0))
	}
	for _, proto := range []header.Protocol{unassigned, header.ProtocolICMPv6, header.ProtocolUDP} {
		f.Add(testnet.IPv6(header.IPv6Fields{NextHeader: proto, Src: n.B.V6, Dst: n.A.V6}, []byte("\x80\x00payload")), uint8(2))
	}
	f.Add(testnet.IPv6(header.IPv6Fields{NextHeader: header.ProtocolDestOptions, Src: n.B.V6, Dst: n.A.V6}, []byte{unassigned, 0, 1, 4, 0, 0, 0, 0, 'x'}), uint8(4))
	about := testnet.IPv4(header.IPv4Fields{Protocol: unassigned, Src: n.A.V4, Dst: n.B.V4}, []byte("12345678"))
	f.Add(testnet.ICMPError(about, n.B.V4, 3, 4, 1300), uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, offset uint8) {
		n := testnet.New(t, testnet.Options{Stack: stack.Options{Raw: raw.New}}, udp.New, icmp.New4, icmp.New6)
		var all []*raw.Endpoint
		for _, number := range []uint16{unassigned, uint16(header.ProtocolUDP), uint16(header.ProtocolICMPv4), uint16(header.ProtocolICMPv6), 60, 255} {
			for _, family := range []header.EtherType{header.EtherTypeIPv4, header.EtherTypeIPv6} {
				e := open(t, n.A, number, family)
				_ = e.SetOption(tcpip.IPV6_CHECKSUM, int(offset)&^1)
				_ = e.SetOption(tcpip.IP_RECVERR, 1)
				_ = e.SetOption(tcpip.IPV6_RECVERR, 1)
				all = append(all, e)
			}
		}
		if len(b) > 0 && len(b) < 65536 {
			n.A.Inject(b)
		}
		for _, e := range all {
			_, _ = e.Read(make([]byte, 100), tcpip.ReadOptions{Flags: tcpip.ReadPeek})
			for _, h := range []*testnet.Host{n.B, n.A} {
				_, _ = e.Write(b, to(h.V4))
				_, _ = e.Write(b, to(h.V6))
			}
		}
	})
}
