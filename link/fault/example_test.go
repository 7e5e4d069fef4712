package fault_test

import (
	"fmt"
	"time"

	"github.com/seed963a8790/netstack/link/fault"
	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/stack"
)

// A long, thin line that loses one packet in a hundred on the way out, the same ones in every run.
func Example() {
	lower, _ := pipe.New(pipe.Options{})
	line := fault.Faults{Rate: 10_000_000, Queue: 64 << 10, Delay: 25 * time.Millisecond}
	lossy := line
	lossy.Loss = 0.01
	l := fault.New(lower, fault.Options{Seed: 1, Tx: lossy, Rx: line})
	s := stack.New(stack.Options{})
	defer s.Close()
	nic, err := s.AddNIC(l, stack.NICOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(nic.Info().Offload&stack.OffloadTSO4 != 0)
	// Output: false
}
