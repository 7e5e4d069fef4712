package stack

// The bounds of everything in this package that can grow. Unit, reason and source stand beside each.
const (
	// frontRoom is the bytes of headers that fit in front of a payload: virtio-net 12, Ethernet with a
	// VLAN tag 18, IPv4 with options 60 or IPv6 with a fragment header 48, TCP with options 60, and spare.
	frontRoom = 192
	// FrontRoom is the headroom of a new packet in bytes.
	FrontRoom = frontRoom
	// cloneHeadroom is what a clone or a copy keeps free for a link's header.
	cloneHeadroom = 64
	// maxTransportHeader is the longest transport header in bytes, TCP's with options.
	maxTransportHeader = 60
	// maxKeptPieces is the longest list of pieces that a pooled packet keeps.
	maxKeptPieces = 32

	// maxHops is how many in-memory links a packet may cross: a layer-2 loop has no TTL.
	maxHops = 32

	// txQueuePackets and txQueueBytes bound a transmit queue: Linux's txqueuelen, and as many bytes as
	// two socket buffers of the default maximum.
	txQueuePackets = 1000
	txQueueBytes   = 8 << 20
	// txBatch is how many packets a link is given at once: enough to amortise its fixed cost, few enough
	// to stay in the cache.
	txBatch = 64
	// workPackets and workBytes are what one frame transmits before it schedules the rest.
	workPackets = 256
	workBytes   = 1 << 20

	// maxAddresses bounds the addresses of one NIC, Linux's net.ipv6.conf.*.max_addresses being 16.
	maxAddresses = 1024
	// maxNICs bounds the NICs of one stack.
	maxNICs = 4096
)
