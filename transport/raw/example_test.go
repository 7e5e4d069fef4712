package raw_test

import (
	"fmt"
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
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

// A program is asked about GRE (protocol 47) to a host behind it, and reads what is sent there.
func ExampleHandle() {
	clock := tcpip.NewManualClock()
	host := func(l stack.Link, address string) *stack.Stack {
		s := stack.New(stack.Options{Clock: clock, Networks: []stack.NewNetwork{ipv4.New}, Raw: raw.New})
		if _, err := s.AddNIC(l, stack.NICOptions{
			Promiscuous: true, Spoofing: true, Addresses: []netip.Prefix{netip.MustParsePrefix(address)},
		}); err != nil {
			fmt.Println(err)
		}
		return s
	}
	l, r := pipe.New(pipe.Options{})
	client, gateway := host(l, "192.0.2.1/24"), host(r, "192.0.2.2/24")
	defer client.Close()
	defer gateway.Close()
	_ = client.AddRoute(stack.RouteEntry{Destination: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("192.0.2.2")})

	h, err := raw.Handle(gateway, transport.HandleOptions{}, func(f *raw.Flow) {
		if f.Proto != 47 {
			f.Reject(transport.RejectProtocol)
			return
		}
		e, err := f.Accept()
		if err != nil {
			fmt.Println(err)
			return
		}
		defer e.Close()
		b := make([]byte, 100)
		n, err := e.Read(b, tcpip.ReadOptions{})
		fmt.Printf("%v to %v: %q %v\n", f.Src, f.Dst, b[header.IPv4Size:n.Count], err)
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Close()
	e, _ := client.NewRawEndpoint(47, header.EtherTypeIPv4)
	_, err = e.Write([]byte("encapsulated"), tcpip.WriteOptions{To: tcpip.FullAddress{Addr: netip.MustParseAddr("203.0.113.7")}})
	clock.Settle()
	fmt.Println(err)
	// Output:
	// 192.0.2.1 to 203.0.113.7: "encapsulated" <nil>
	// <nil>
}
