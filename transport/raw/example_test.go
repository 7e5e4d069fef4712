package raw_test

import (
	"fmt"
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/raw"
	"github.com/seed963a8790/netstack/waiter"
)

// A protocol of one's own, number 253: what is written is the payload, what is read begins with the IPv4 header.
func Example() {
	s := stack.New(stack.Options{Networks: []stack.NewNetwork{ipv4.New}, Raw: raw.New})
	defer s.Close()
	if _, err := s.AddNIC(loopback.New(loopback.Options{}), stack.NICOptions{
		Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")},
	}); err != nil {
		fmt.Println(err)
		return
	}
	e, err := s.NewRawEndpoint(253, header.EtherTypeIPv4)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer e.Close()
	readable := waiter.NewChannel(waiter.Readable)
	e.Waiters().Register(readable)

	if _, err := e.Write([]byte("hello"), tcpip.WriteOptions{To: tcpip.FullAddress{Addr: netip.MustParseAddr("127.0.0.1")}}); err != nil {
		fmt.Println(err)
		return
	}
	<-readable.C()
	b := make([]byte, 100)
	r, _ := e.Read(b, tcpip.ReadOptions{})
	packet, _ := header.ParseIPv4(b[:r.Count])
	fmt.Printf("protocol %d from %v: %q\n", packet.Protocol(), r.From.Addr, packet.Payload())
	// Output: protocol 253 from 127.0.0.1: "hello"
}
