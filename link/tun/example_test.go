package tun_test

import (
	"fmt"
	"net/netip"

	"github.com/seed963a8790/netstack/link/tun"
	"github.com/seed963a8790/netstack/stack"
)

// A device whose kernel end has 10.0.0.1, and a stack at its other end with 10.0.0.2. It needs
// CAP_NET_ADMIN, so it is not run as a test.
func Example() {
	d, err := tun.Open(tun.Options{Name: "demo%d", Queues: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	s := stack.New(stack.Options{}) // with network and transport protocols
	defer s.Close()
	if _, err := s.AddNIC(d, stack.NICOptions{Name: d.Name(), Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}}); err != nil {
		fmt.Println(err)
		return
	}
	if err := d.AddHostAddress(netip.MustParsePrefix("10.0.0.1/24")); err != nil {
		fmt.Println(err)
		return
	}
	if err := d.SetUp(true); err != nil {
		fmt.Println(err)
	}
}
