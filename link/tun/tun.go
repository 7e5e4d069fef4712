// Package tun is a link over a TUN or TAP device of Linux: the kernel at the other end sees an ordinary
// network interface. Super-segments cross whole in both directions, with the virtio-net header.
//
// On other systems Open and FromFD return tcpip.ErrNotSupported.
package tun

// Options configure a Device. The zero value is a TUN device with a name of the kernel's choice, one
// queue, and every offload that the kernel has.
type Options struct {
	// Name of the interface, which may hold one %d for a number of the kernel's choice; "": "tun%d" or
	// "tap%d". An interface that exists and has no user is taken over. FromFD ignores it.
	Name string
	// TAP makes the device carry Ethernet frames; put link/ethernet above it. FromFD ignores it.
	TAP bool
	// Queues is the number of descriptors, each with a reader of its own, over which the kernel spreads
	// flows; 0: 1. FromFD ignores it.
	Queues int
	// NoOffload makes the device carry packets as on a wire, without virtio-net header.
	NoOffload bool
	// MTU is set on the interface, in bytes; 0 leaves what it has. It needs CAP_NET_ADMIN.
	MTU int
}
