package header_test

import (
	"fmt"
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// A SYN is built in place, and then taken apart as its receiver does.
func Example() {
	src, dst := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	options := header.TCPOptions{HasMSS: true, MSS: 1460, SACKPermitted: true, HasWindowScale: true, WindowScale: 7}

	packet := make([]byte, header.IPv4Size+header.TCPSize+options.Size())
	segment := packet[header.IPv4Size:]
	syn := header.TCPFields{SrcPort: 54321, DstPort: 80, Seq: 100, Flags: header.SYN, Window: 65535}
	syn.Encode(segment, &options).SetChecksum(header.TransportChecksum(header.ProtocolTCP, src, dst, segment))
	ip := header.IPv4Fields{TotalLength: uint16(len(packet)), TTL: 64, Protocol: header.ProtocolTCP, Src: src, Dst: dst}
	ip.Encode(packet)

	h, drop := header.ParseIPv4(packet)
	if drop != tcpip.DropNone || !h.ChecksumValid() {
		fmt.Println("dropped:", drop)
		return
	}
	tcp, drop := header.ParseTCP(h.Payload())
	if drop != tcpip.DropNone || !tcp.ChecksumValid(h.Src(), h.Dst()) {
		fmt.Println("dropped:", drop)
		return
	}
	var got header.TCPOptions
	header.DecodeTCPOptions(tcp.Options(), &got)
	fmt.Printf("%v:%d > %v:%d %v seq=%d mss=%d wscale=%d\n",
		h.Src(), tcp.SrcPort(), h.Dst(), tcp.DstPort(), tcp.Flags(), tcp.Seq(), got.MSS, got.WindowScale)

	_, drop = header.ParseTCP(h.Payload()[:19])
	fmt.Println("cut short:", drop)
	// Output:
	// 192.0.2.1:54321 > 192.0.2.2:80 SYN seq=100 mss=1460 wscale=7
	// cut short: short
}
