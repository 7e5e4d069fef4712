package tunnel_test

import (
	"fmt"
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/link/tunnel"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/stack"
)

// A tunnel's code reads what the stack sends, and would encrypt it; what it has decrypted it writes. Buffers have room for
// its own header in front of the packet.
func Example() {
	s := stack.New(stack.Options{Networks: []stack.NewNetwork{ipv4.New}})
	defer s.Close()
	link := tunnel.New(tunnel.Options{MTU: 1420})
	if _, err := s.AddNIC(link, stack.NICOptions{
		Name: "wg0", Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")},
	}); err != nil {
		fmt.Println(err)
		return
	}
	const room = 16 // for the tunnel's header

	// An echo request has come out of the tunnel.
	request := make([]byte, room+header.IPv4Size+header.ICMPv4Size)
	ip := header.IPv4(request[room:])
	icmp := header.ICMPv4(request[room+header.IPv4Size:])
	icmp.SetType(header.ICMPv4Echo)
	icmp.UpdateChecksum()
	(&header.IPv4Fields{
		TotalLength: uint16(len(ip)), TTL: 64, Protocol: header.ProtocolICMPv4,
		Src: netip.MustParseAddr("10.0.0.2"), Dst: netip.MustParseAddr("10.0.0.1"),
	}).Encode(ip)
	if _, err := link.WritePackets([][]byte{request}, nil, room); err != nil {
		fmt.Println(err)
		return
	}

	bufs := make([][]byte, tunnel.BatchSize)
	for i := range bufs {
		bufs[i] = make([]byte, room+link.MTU())
	}
	sizes := make([]int, len(bufs))
	n, err := link.ReadPackets(bufs, sizes, room)
	if err != nil {
		fmt.Println(err)
		return
	}
	reply := header.IPv4(bufs[0][room : room+sizes[0]])
	fmt.Println(n, reply.Src(), reply.Dst(), header.ICMPv4(reply.Payload()).Type())
	// Output: 1 10.0.0.1 10.0.0.2 echo reply
}
