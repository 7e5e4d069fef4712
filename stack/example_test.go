package stack_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/udp"
)

// A stack with two NICs and a default route sends itself a datagram over loopback.
func Example() {
	s := stack.New(stack.Options{
		Networks:   []stack.NewNetwork{ipv4.New},
		Transports: []stack.NewTransport{udp.New},
		Clock:      tcpip.NewManualClock(), // all in this goroutine; leave it out otherwise
	})
	defer func() {
		s.Close()
		_ = s.Wait(context.Background())
	}()
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	_, err := s.AddNIC(loopback.New(loopback.Options{}), stack.NICOptions{
		Name: "lo", Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")},
	})
	must(err)
	_, err = s.AddNIC(channel.New(channel.Options{}), stack.NICOptions{
		Name: "tun0", Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")},
	})
	must(err)
	must(s.AddRoute(stack.RouteEntry{Destination: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("10.0.0.254")}))

	for _, dst := range []string{"10.0.0.7", "192.0.2.1", "10.0.0.1"} {
		r, _ := s.FindRoute(stack.RouteQuery{Destination: netip.MustParseAddr(dst)})
		fmt.Println(dst, "via", r.NextHop, "dev", r.NIC.Name(), "src", r.Local)
	}

	server, err := s.NewEndpoint(header.ProtocolUDP, header.EtherTypeIPv4)
	must(err)
	must(server.Bind(tcpip.FullAddress{Port: 7}))
	client, err := s.NewEndpoint(header.ProtocolUDP, header.EtherTypeIPv4)
	must(err)
	_, err = client.Write([]byte("hello"), tcpip.WriteOptions{To: tcpip.FullAddress{Addr: netip.MustParseAddr("10.0.0.1"), Port: 7}})
	must(err)
	b := make([]byte, 100)
	got, err := server.Read(b, tcpip.ReadOptions{})
	must(err)
	fmt.Printf("%s from %s\n", b[:got.Count], got.From.Addr)
	client.Close()
	server.Close()
	// Output:
	// 10.0.0.7 via 10.0.0.7 dev tun0 src 10.0.0.1
	// 192.0.2.1 via 10.0.0.254 dev tun0 src 10.0.0.1
	// 10.0.0.1 via 10.0.0.1 dev lo src 10.0.0.1
	// hello from 10.0.0.1
}

// Changes of a stack are told in the order in which they happen.
func ExampleStack_Subscribe() {
	s := stack.New(stack.Options{Networks: []stack.NewNetwork{ipv4.New}})
	defer s.Close()
	events, err := s.Subscribe(stack.EventAddressAdded|stack.EventAddressRemoved|stack.EventRouteAdded, stack.SubscribeOptions{})
	if err != nil {
		panic(err)
	}
	nic, err := s.AddNIC(channel.New(channel.Options{}), stack.NICOptions{Name: "tun0"})
	if err != nil {
		panic(err)
	}
	if err := nic.AddAddress(netip.MustParsePrefix("10.0.0.1/24")); err != nil {
		panic(err)
	}
	events.Close() // or range until the stack is closed
	for e := range events.All(context.Background()) {
		fmt.Println(e)
	}
	// Output:
	// address added nic=tun0 address=10.0.0.1/24 state=preferred
	// route added destination=10.0.0.0/24 nic=1 metric=0
}

// Options from a file or a user are checked; what is wrong with them has a name.
func ExampleMake() {
	_, err := stack.Make(stack.Options{
		TTL:    tcpip.Set[uint8](0),
		Limits: stack.Limits{Routes: tcpip.Set(-1)},
	})
	fmt.Println(err)
	// Output:
	// stack: Limits.Routes is -1, which lies outside 0 to 1073741824: invalid argument
	// stack: Options.TTL is 0, which lies outside 1 to 255: invalid argument
}

// A snapshot is a plain value.
func ExampleStack_Snapshot() {
	s := stack.New(stack.Options{})
	defer s.Close()
	before := s.Snapshot()
	s.Counters().Tcp.ActiveOpens.Inc()
	after := s.Snapshot()
	fmt.Println(after.Counters.Tcp.ActiveOpens-before.Counters.Tcp.ActiveOpens, len(after.NICs))
	// Output: 1 0
}
