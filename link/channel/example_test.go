package channel_test

import (
	"context"
	"fmt"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/stack"
)

// A tunnel takes from the channel what the stack sends, and injects what comes out of the tunnel.
func Example() {
	s := stack.New(stack.Options{})
	defer s.Close()
	l := channel.New(channel.Options{MTU: 1420})
	nic, err := s.AddNIC(l, stack.NICOptions{Name: "wg0"})
	if err != nil {
		fmt.Println(err)
		return
	}

	// Something in the stack sends.
	w := s.Begin()
	p := s.NewPacket()
	p.Prepend(header.IPv4Size)[0] = 4<<4 | header.IPv4Size/4
	p.EtherType = header.EtherTypeIPv4
	nic.Enqueue(w, p)
	w.End()

	buf := make([]byte, l.Info().MTU)
	n, err := l.Read(context.Background(), buf)
	fmt.Println(n, err)
	// Output: 20 <nil>
}
