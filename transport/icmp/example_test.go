package icmp_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
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
