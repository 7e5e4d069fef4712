package sniffer_test

import (
	"bytes"
	"fmt"

	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/link/sniffer"
	"github.com/seed963a8790/netstack/stack"
)

// What crosses the loopback goes to a capture, here in memory; a file does as well.
func Example() {
	var capture bytes.Buffer
	l := sniffer.New(loopback.New(loopback.Options{}), &capture, sniffer.Options{Name: "lo"})
	s := stack.New(stack.Options{})
	defer s.Close()
	if _, err := s.AddNIC(l, stack.NICOptions{Name: "lo"}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%x %v\n", capture.Bytes()[:4], l.Err())
	// Output: 0a0d0d0a <nil>
}
