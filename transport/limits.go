package transport

import "time"

// The bounds of everything in this package that can grow. Unit, reason and source stand beside each. The
// receive queue, with the error queue in it, is bounded by SO_RCVBUF, what is sent and not yet taken by
// a link by SO_SNDBUF; both count slab bytes and the constants below.
const (
	// datagramCost is what one queued datagram is charged beside its slabs: its struct, rounded up, in
	// bytes. It bounds the number of empty datagrams.
	datagramCost = 256
	// packetCost is what one sent packet is charged beside its slabs: its struct, rounded up, in bytes.
	// A small datagram thus costs 768, as Linux's truesize has it.
	packetCost = 512

	// leastReceive is what a receive queue may hold, bytes charged, while the stack's memory is short (Linux's
	// net.ipv4.udp_rmem_min).
	leastReceive = 4096
	// zeroCopyMax bounds the completions of WriteZeroCopy that an endpoint owes or that wait to be read, entries: as many as
	// Linux's net.core.optmem_max of 128 KB holds, measured.
	zeroCopyMax = 157

	// maxPieces is the longest list of pieces that a pooled datagram keeps.
	maxPieces = 32
	// mediumUpTo is the size in bytes up to which a copy is spread over slabs of 2 KB: above it one of
	// 64 KB is filled to more than half.
	mediumUpTo = 32 << 10

	// maxWrite is the longest write in bytes, whatever the family: a length field has 16 bits.
	maxWrite = 65535
	// maxSegments is how many datagrams one write may be cut into (Linux's UDP_MAX_SEGMENTS).
	maxSegments = 128

	// maxSources4 and maxSources6 are how many sources of one group an endpoint may name, Linux's
	// net.ipv4.igmp_max_msf and net.ipv6.mld_max_msf.
	maxSources4 = 10
	maxSources6 = 64
	// maxGroups4 is how many IPv4 groups an endpoint may join, Linux's net.ipv4.igmp_max_memberships.
	maxGroups4 = 20
	// maxGroups6 is the same for IPv6, where Linux bounds the memory instead (net.core.optmem_max).
	maxGroups6 = 256

	// defaultHandlers is how many calls of a handler may run at once: enough that a few that block do not stop the others.
	defaultHandlers = 16
	// HeldTimeout is how long a packet waits for a program's answer: as long as a SYN or an idle UDP flow does.
	HeldTimeout = 30 * time.Second
	// heldBytes bounds the packets that wait for a program's answers, bytes of memory: 256 that fill an Ethernet frame take
	// a little less.
	heldBytes = 1 << 20

	// keptSources is for how many sources of flows a table is kept when all are gone, entries: what a flood has made goes
	// with it.
	keptSources = 64
	// maxRefusals bounds the refusals that wait to be told to a program, entries.
	maxRefusals = 64
)
