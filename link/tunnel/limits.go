package tunnel

import "github.com/seed963a8790/netstack/header"

const (
	// BatchSize is how many packets a call may well be given to read or write: what Linux's recvmmsg users ask for, and
	// two super-segments of 64 KB cut into Ethernet frames.
	BatchSize = 128
	// DefaultMTU is the MTU in bytes: what WireGuard leaves of Ethernet's.
	DefaultMTU = 1420
	// DefaultCapacity is how many packets wait to be read: half of what a transmit queue holds.
	DefaultCapacity = 512
	// maxCapacity bounds Options.Capacity, in packets: a few seconds at a million packets per second.
	maxCapacity = 1 << 22

	// gsoMax is the bytes of the largest super-segment: what a length field can say.
	gsoMax = header.MaxPacket
	// flat is the longest packet, in bytes, that is copied into one slab of 2 KB with room for headers in front; of longer
	// ones only the headers are.
	flat = 1800
	// headers is how much of a longer packet is kept in front: those of IPv6 and TCP, with extensions, bytes.
	headers = 256
)
