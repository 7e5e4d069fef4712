package ethernet_test

import (
	"fmt"

	"github.com/seed963a8790/netstack/link/ethernet"
	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// A NIC with an Ethernet address, on a pipe that carries frames of up to 1514 bytes.
func Example() {
	lower, _ := pipe.New(pipe.Options{MTU: 1514})
	mac, _ := tcpip.ParseLinkAddr("02:00:5e:10:00:01")
	s := stack.New(stack.Options{})
	defer s.Close()
	nic, err := s.AddNIC(ethernet.New(lower, ethernet.Options{Address: mac}), stack.NICOptions{Name: "eth0"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(nic.Name(), nic.Info().Address, nic.MTU())
	// Output: eth0 02:00:5e:10:00:01 1500
}
