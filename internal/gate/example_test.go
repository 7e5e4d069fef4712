package gate_test

import (
	"context"
	"fmt"

	"github.com/seed963a8790/netstack/internal/gate"
)

func Example() {
	g := gate.New()
	fmt.Println(g.Enter()) // a call begins
	g.Close()
	fmt.Println(g.Enter()) // too late
	go g.Leave()           // the first call ends
	fmt.Println(g.Wait(context.Background()))
	// Output:
	// true
	// false
	// <nil>
}
