package fault

import "time"

const (
	// DefaultQueue is the bytes that wait for a limited rate: about a router's thousand packets.
	DefaultQueue = 1 << 20
	// DefaultReorderBy is how long a reordered packet is held back: a few packets at 100 Mbit/s.
	DefaultReorderBy = 500 * time.Microsecond
	// maxHeld bounds the packets of one direction that are under way: one second at 1 Gbit/s.
	maxHeld = 1 << 17
)
