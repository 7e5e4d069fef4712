package stack

import "time"

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
	maxKeptPieces = 64
	// mergeSegments is how many segments are joined at most: what the list of pieces holds, and more
	// than the 45 of an Ethernet that fill a packet.
	mergeSegments = 64
	// mergeFlows is how many flows of a batch are merged at the same time, as in Linux's GRO.
	mergeFlows = 8

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
	// maxRawReceivers bounds the raw receivers of one IP protocol: each is shown every packet of it.
	maxRawReceivers = 1024
	// maxGroups bounds the multicast groups of one NIC.
	maxGroups = 4096
	// maxRoutes bounds the routes added to one stack; those of addresses come on top.
	maxRoutes = 16384
	// maxPathMTUs bounds the destinations with a learnt path MTU.
	maxPathMTUs = 8192
	// maxNeighbours bounds the neighbours of one NIC and family (Linux's gc_thresh3), maxUnresolved those
	// among them that are not resolved: a scan of a large subnet leaves room for the rest (RFC 6583).
	maxNeighbours = 1024
	maxUnresolved = 512
	// neighboursKept is up to how many neighbours are kept however old (Linux's gc_thresh1), and
	// neighbourStaleTime how long one beyond that must have been unused (Linux's gc_stale_time).
	neighboursKept     = 128
	neighbourStaleTime = 60 * time.Second
	// neighbourQueueBytes bounds the memory of packets that wait for one neighbour, Linux's
	// unres_qlen_bytes.
	neighbourQueueBytes = 212992
	// demuxShards is the number of parts of each demux table, each with its lock for changes.
	demuxShards = 64
	// flowBucketsMin is the number of chains that a part of a demux table has at least.
	flowBucketsMin = 8
	// claimsScanned is up to how many claims on one port are compared one by one.
	claimsScanned = 32
	// portTries is how often a random port is tried before all are, in order.
	portTries = 64
	// portCounters is the size of the table of RFC 6056 §3.3.4.
	portCounters = 1024
	// copiedFront is how much of a packet's front a watcher's copy does not share: IPv4 and TCP headers with all
	// options, which is what may still be changed on the packet's way.
	copiedFront = 128
	// maxWatches bounds the packet sockets of one stack: every packet is compared with each.
	maxWatches = 1024
	// maxSubscriptions bounds the subscriptions of events of one stack: a change goes to each. eventQueue is how many
	// events wait for one that has not said: a burst of as many addresses as a NIC may have.
	maxSubscriptions = 64
	eventQueue       = 1024
	// maxEndpoints bounds the endpoints of one stack: Linux's fs.nr_open, the most descriptors of a process. Each takes
	// memory of its own beside its buffers.
	maxEndpoints = 1 << 20
	// routeCacheSize is how many routes a stack keeps at hand for who has nowhere to keep them.
	routeCacheSize = 256
)

// What a router may make of the times of neighbour discovery (RFC 4861 §6.2.1 has the upper bound of the first).
const (
	minReachable = time.Second
	maxReachable = time.Hour
	minRetrans   = 100 * time.Millisecond
	maxRetrans   = time.Minute
)
