package tun

const (
	// maxQueues bounds the descriptors of a device, the kernel's MAX_TAP_QUEUES.
	maxQueues = 256
	// readBatch is how many packets are read before they are handed up: enough to merge and to
	// acknowledge at once, few enough to stay in the cache.
	readBatch = 64
	// headroom is the bytes kept free in front of a received packet for the headers of a link that it is
	// forwarded to, and for the virtio-net header while it is read.
	headroom = 96
	// inlineMax is the longest packet in bytes that goes into the packet's own array: a bare ACK with
	// all the options it can have over IPv4, or with timestamps over IPv6.
	inlineMax = 80
)
