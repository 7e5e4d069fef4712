package udp_test

import (
	"fmt"
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/udp"
	"github.com/seed963a8790/netstack/waiter"
)

// A server that waits for a datagram and answers from the address that it was sent to.
func Example() {
	s := stack.New(stack.Options{
		Networks:   []stack.NewNetwork{ipv4.New},
		Transports: []stack.NewTransport{udp.New},
	})
	defer s.Close()
	if _, err := s.AddNIC(loopback.New(loopback.Options{}), stack.NICOptions{
		Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")},
	}); err != nil {
		fmt.Println(err)
		return
	}

	server, err := s.NewEndpoint(header.ProtocolUDP, header.EtherTypeIPv4)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	_ = server.SetOption(tcpip.IP_PKTINFO, 1)
	if err := server.Bind(tcpip.FullAddress{Port: 7}); err != nil {
		fmt.Println(err)
		return
	}
	readable := waiter.NewChannel(waiter.Readable)
	server.Waiters().Register(readable)

	client, _ := s.NewEndpoint(header.ProtocolUDP, header.EtherTypeIPv4)
	defer client.Close()
	_ = client.Connect(tcpip.FullAddress{Addr: netip.MustParseAddr("127.0.0.5"), Port: 7})
	_, _ = client.Write([]byte("anybody there?"), tcpip.WriteOptions{})

	<-readable.C()
	b := make([]byte, 1500)
	r, _ := server.Read(b, tcpip.ReadOptions{})
	fmt.Printf("%q for %v\n", b[:r.Count], r.Control.PacketInfo.Destination)
	_, _ = server.Write([]byte("yes"), tcpip.WriteOptions{To: r.From, Control: r.Control})

	r, _ = client.Read(b, tcpip.ReadOptions{})
	fmt.Printf("%q from %v\n", b[:r.Count], r.From.AddrPort())
	// Output:
	// "anybody there?" for 127.0.0.5
	// "yes" from 127.0.0.5:7
}
