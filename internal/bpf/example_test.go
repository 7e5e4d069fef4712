package bpf_test

import (
	"fmt"

	"github.com/seed963a8790/netstack/internal/bpf"
)

// A filter keeps the first 64 bytes of UDP packets over IPv4 and drops all others.
func Example() {
	p, err := bpf.New([]bpf.Instruction{
		{Code: 0x30, K: 9},                         // ldb [9]
		{Code: 0x15, IfTrue: 0, IfFalse: 1, K: 17}, // jeq #17, keep, drop
		{Code: 0x06, K: 64},                        // keep: ret #64
		{Code: 0x06, K: 0},                         // drop: ret #0
	})
	fmt.Println(err, p.Len())
	udp := []byte{0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 7, 0, 7, 0, 8, 0, 0}
	fmt.Println(p.Run(&bpf.View{Front: udp}))
	udp[9] = 6
	fmt.Println(p.Run(&bpf.View{Front: udp}))
	// Output:
	// success 4
	// 64
	// 0
}
