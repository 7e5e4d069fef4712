package icmp_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
	"github.com/seed963a8790/netstack/transport/icmp"
	"github.com/seed963a8790/netstack/waiter"
)

// Ping: an echo request is written whole, its reply is read whole.
func Example() {
	s := stack.New(stack.Options{
		Networks:   []stack.NewNetwork{ipv4.New},
		Transports: []stack.NewTransport{icmp.New4},
	})
	defer s.Close()
	if _, err := s.AddNIC(loopback.New(loopback.Options{}), stack.NICOptions{
		Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")},
	}); err != nil {
		fmt.Println(err)
		return
	}
	ping, err := s.NewEndpoint(header.ProtocolICMPv4, header.EtherTypeIPv4)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ping.Close()
	readable := waiter.NewChannel(waiter.Readable)
	ping.Waiters().Register(readable)

	b := make([]byte, header.ICMPv4Size, 100)
	b[0] = uint8(header.ICMPv4Echo)
	binary.BigEndian.PutUint16(b[6:], 1) // the sequence number
	b = append(b, "are you there?"...)
	if _, err := ping.Write(b, tcpip.WriteOptions{To: tcpip.FullAddress{Addr: netip.MustParseAddr("127.0.0.1")}}); err != nil {
		fmt.Println(err)
		return
	}
	<-readable.C()
	r, _ := ping.Read(b, tcpip.ReadOptions{})
	reply := header.ICMPv4(b[:r.Count])
	fmt.Printf("%v %d from %v: %q\n", reply.Type(), reply.Sequence(), r.From.Addr, reply.Payload())
	// Output: echo reply 1 from 127.0.0.1: "are you there?"
}

// A program answers for hosts behind it: those of 203.0.113.0/24 are there, others are unreachable.
func ExampleHandleEcho() {
	clock := tcpip.NewManualClock()
	host := func(l stack.Link, address string) *stack.Stack {
		s := stack.New(stack.Options{Clock: clock, Networks: []stack.NewNetwork{ipv4.New}, Transports: []stack.NewTransport{icmp.New4}})
		if _, err := s.AddNIC(l, stack.NICOptions{
			Promiscuous: true, Addresses: []netip.Prefix{netip.MustParsePrefix(address)},
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

	there := netip.MustParsePrefix("203.0.113.0/24")
	h, err := icmp.HandleEcho(gateway, transport.HandleOptions{}, func(r *icmp.EchoRequest) {
		fmt.Printf("%v asks for %v: %q\n", r.Src, r.Dst, r.Data())
		if there.Contains(r.Dst) {
			r.Reply()
		} else {
			r.Reject(transport.RejectHost)
		}
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Close()

	for _, to := range []string{"203.0.113.7", "198.51.100.7"} {
		ping, _ := client.NewEndpoint(header.ProtocolICMPv4, header.EtherTypeIPv4)
		_ = ping.SetOption(tcpip.IP_RECVERR, 1)
		_, _ = ping.Write([]byte{uint8(header.ICMPv4Echo), 0, 0, 0, 0, 0, 0, 1, 'h', 'i'}, tcpip.WriteOptions{To: tcpip.FullAddress{Addr: netip.MustParseAddr(to)}})
		clock.Settle()
		_, err := ping.Read(make([]byte, 100), tcpip.ReadOptions{})
		fmt.Println(to, err)
		ping.Close()
	}
	// Output:
	// 192.0.2.1 asks for 203.0.113.7: "hi"
	// 203.0.113.7 <nil>
	// 192.0.2.1 asks for 198.51.100.7: "hi"
	// 198.51.100.7 no route to host
}
