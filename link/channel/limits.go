package channel

import "github.com/seed963a8790/netstack/header"

const (
	// DefaultMTU is the MTU in bytes, Ethernet's.
	DefaultMTU = 1500
	// DefaultCapacity is how many packets wait to be read: half of what a transmit queue holds.
	DefaultCapacity = 512
	// maxCapacity bounds Options.Capacity, in packets: a few seconds at a million packets per second.
	maxCapacity = 1 << 22
	// maxInject is the longest packet in bytes: what a length field can say, and a link's header.
	maxInject = header.MaxPacket + 40
)
