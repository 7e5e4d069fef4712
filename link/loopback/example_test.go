package loopback_test

import (
	"fmt"

	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/stack"
)

func Example() {
	s := stack.New(stack.Options{})
	defer s.Close()
	lo, err := s.AddNIC(loopback.New(loopback.Options{}), stack.NICOptions{Name: "lo"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(lo.Name(), lo.MTU(), lo.Info().Offload&stack.OffloadTSO4 != 0)
	// Output: lo 65536 true
}
