package packet_test

import (
	"fmt"
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/packet"
	"github.com/seed963a8790/netstack/transport/udp"
)

// An endpoint for all packets of a loopback sees a datagram leave and arrive.
func Example() {
	s := stack.New(stack.Options{Networks: []stack.NewNetwork{ipv4.New}, Transports: []stack.NewTransport{udp.New}})
	defer s.Close()
	if _, err := s.AddNIC(loopback.New(loopback.Options{}), stack.NICOptions{
		Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")},
	}); err != nil {
		fmt.Println(err)
		return
	}
	e, err := packet.New(s, packet.Cooked, packet.All)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer e.Close()

	server, _ := s.NewEndpoint(header.ProtocolUDP, header.EtherTypeIPv4)
	defer server.Close()
	_ = server.Bind(tcpip.FullAddress{Port: 7})
	_, _ = server.Write([]byte("hello"), tcpip.WriteOptions{To: tcpip.FullAddress{Addr: netip.MustParseAddr("127.0.0.1"), Port: 7}})

	b := make([]byte, 1500)
	for {
		f, err := e.ReadFrame(b, tcpip.ReadOptions{})
		if err != nil {
			break
		}
		fmt.Printf("%v, %d bytes, outgoing %v: %s\n", f.From.EtherType, f.Size, f.From.Type == stack.PacketOutgoing, b[28:f.Count])
	}
	// Output:
	// IPv4, 33 bytes, outgoing true: hello
	// IPv4, 33 bytes, outgoing false: hello
}
