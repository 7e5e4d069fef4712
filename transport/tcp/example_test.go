package tcp_test

import (
	"fmt"
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// A connection of a stack with itself, without waiting: on a manual clock everything has happened when
// a call returns. Programs use tcpip/adapters/gonet instead.
func Example() {
	s := stack.New(stack.Options{
		Networks:   []stack.NewNetwork{ipv4.New},
		Transports: []stack.NewTransport{tcp.New},
		Clock:      tcpip.NewManualClock(),
	})
	defer s.Close()
	here := netip.MustParseAddr("127.0.0.1")
	if _, err := s.AddNIC(loopback.New(loopback.Options{}), stack.NICOptions{Addresses: []netip.Prefix{netip.PrefixFrom(here, 8)}}); err != nil {
		fmt.Println(err)
		return
	}

	server, _ := s.NewEndpoint(header.ProtocolTCP, header.EtherTypeIPv4)
	_ = server.Bind(tcpip.FullAddress{Port: 7})
	_ = server.Listen(16)

	client, _ := s.NewEndpoint(header.ProtocolTCP, header.EtherTypeIPv4)
	fmt.Println(client.Connect(tcpip.FullAddress{Addr: here, Port: 7}))
	conn, err := server.Accept()
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = client.Write([]byte("hello"), tcpip.WriteOptions{})
	b := make([]byte, 100)
	r, _ := conn.Read(b, tcpip.ReadOptions{})
	fmt.Printf("%s, by %s\n", b[:r.Count], conn.(*tcp.Endpoint).Info().Congestion)
	client.Close()
	r, err = conn.Read(b, tcpip.ReadOptions{})
	fmt.Println(r.Count, err)
	conn.Close()
	// Output:
	// operation now in progress
	// hello, by cubic
	// 0 <nil>
}
