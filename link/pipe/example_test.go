package pipe_test

import (
	"fmt"

	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/stack"
)

// Two stacks in one process, joined without copying.
func Example() {
	left, right := pipe.New(pipe.Options{MTU: 9000})
	a, b := stack.New(stack.Options{}), stack.New(stack.Options{})
	defer a.Close()
	defer b.Close()
	nic, err := a.AddNIC(left, stack.NICOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := b.AddNIC(right, stack.NICOptions{}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(nic.MTU(), nic.Up())
	b.Close()
	fmt.Println(nic.Up())
	// Output:
	// 9000 true
	// false
}
