package tcpip

// Drop says why a packet was discarded. There is one name per reason; every place that discards a
// packet returns or counts exactly one. DropNone means that the packet was not dropped.
type Drop uint8

// The reasons. The comment says what the packet had wrong, or what the stack lacked.
const (
	DropNone Drop = iota

	// Form.
	DropShort         // ends before its header does
	DropBadLength     // a length field contradicts the bytes that are there
	DropBadVersion    // IP version field does not match the protocol
	DropBadChecksum   // a checksum does not add up
	DropBadOption     // an option is malformed or forbidden here
	DropBadHeader     // a header field has a value that may not occur
	DropBadExtHeader  // an IPv6 extension header is malformed, repeated or out of place
	DropHeaderChain   // too many extension headers or options
	DropRoutingHeader // a type 0 routing header (RFC 5095)
	DropUnknownType   // a message type or protocol that nobody here handles
	DropBadHopLimit   // neighbour discovery with a hop limit other than 255 (RFC 4861)
	DropBadOffload    // a virtio-net header that contradicts its packet
	DropTooBig        // larger than the link or the path carries, and not to be fragmented

	// Addresses.
	DropMartianSource      // a source address that no packet may have (RFC 1812 §5.3.7)
	DropMartianDestination // a destination that may not arrive here
	DropNotForUs           // to an address that is not ours, with forwarding off
	DropOtherHost          // the link frame was addressed to another station
	DropReversePath        // the source is not reached through the arriving NIC (RFC 3704)
	DropOwnSource          // our own address as source, coming off the wire

	// Fragments.
	DropFragmentOverlap // overlaps an earlier fragment (RFC 5722)
	DropFragmentLimit   // the reassembly table or its share per source is full
	DropFragmentTimeout // the datagram was not completed in time
	DropFragmentTiny    // a first fragment too small for its headers (RFC 1858, RFC 7112)
	DropFragmentBad     // ends over 65,535 bytes, or contradicts the datagram's length

	// Forwarding and sending.
	DropNoRoute         // no route to the destination
	DropNeighbourFailed // the next hop did not answer
	DropNeighbourQueue  // the neighbour's queue of waiting packets is full
	DropHopLimit        // the TTL or hop limit ran out
	DropLoop            // crossed 32 links inside one process
	DropQueueFull       // a transmit queue is full
	DropLinkDown        // the NIC or its link is down
	DropLinkError       // the link could not send it
	DropFiltered        // a filter said so
	DropRateLimited     // a rate limit was reached

	// Delivery.
	DropNoPort          // nobody listens at that port
	DropBacklog         // the endpoint's backlog is full
	DropReceiveQueue    // the endpoint's receive queue is full
	DropEndpointClosed  // the endpoint is closed
	DropMinTTL          // below the endpoint's IP_MINTTL
	DropNoMemory        // the stack's byte budget is spent
	DropMulticastSource // a group or source that the endpoint did not ask for
	DropPending         // its flow waits for a program's answer
	DropHandlerLimit    // more flows than their handler may be asked about at once
	DropDeclined        // a program's handler did not want it

	// TCP.
	DropPAWS        // an old timestamp (RFC 7323 §5)
	DropWindow      // outside the receive window (RFC 9293 §3.10.7.4)
	DropOldData     // every byte was received before
	DropBadAck      // acknowledges what was never sent, or is too old (RFC 5961 §5)
	DropBadReset    // a RST whose sequence is not exactly the expected one (RFC 5961 §3)
	DropSynInWindow // a SYN on a synchronised connection (RFC 5961 §4)
	DropNoAck       // lacks the ACK flag where one is required
	DropNoTimestamp // lacks a negotiated timestamp, in strict mode (RFC 7323 §3.2)
	DropBadFlags    // a combination of flags that means nothing
	DropAcceptQueue // the accept queue is full
	DropSynQueue    // the table of half-open connections is full
	DropBadCookie   // a SYN cookie that we did not issue
	DropTimeWait    // belongs to a connection in TIME-WAIT
	DropAfterClose  // data after the user has closed
	DropOutOfOrder  // no room in the out-of-order queue
	DropZeroWindow  // data into a closed window

	DropMD5Missing    // lacks the signature that was agreed upon with the peer (RFC 2385)
	DropMD5Unexpected // is signed, although nothing was agreed upon with the peer
	DropMD5Wrong      // its signature is wrong

	// ICMP.
	DropICMPNoFlow    // quotes a packet of no flow of ours (RFC 5927)
	DropICMPSequence  // quotes a TCP sequence that is not in flight (RFC 5927)
	DropICMPBadMTU    // a path MTU that cannot be
	DropNDPInvalid    // a neighbour discovery message that fails its checks
	DropARPInvalid    // an ARP message that fails its checks
	DropGroupInvalid  // an MLD message that fails its checks
	DropDuplicateAddr // uses an address under duplicate address detection

	// Faults put in on purpose by link/fault.
	DropFault

	NumDrops // not a reason: their number
)

var dropNames = [NumDrops]string{
	DropNone: "none",

	DropShort: "short", DropBadLength: "bad-length", DropBadVersion: "bad-version", DropBadChecksum: "bad-checksum",
	DropBadOption: "bad-option", DropBadHeader: "bad-header", DropBadExtHeader: "bad-extension-header",
	DropHeaderChain: "header-chain", DropRoutingHeader: "routing-header", DropUnknownType: "unknown-type",
	DropBadHopLimit: "bad-hop-limit", DropBadOffload: "bad-offload", DropTooBig: "too-big",

	DropMartianSource: "martian-source", DropMartianDestination: "martian-destination", DropNotForUs: "not-for-us",
	DropOtherHost: "other-host", DropReversePath: "reverse-path", DropOwnSource: "own-source",

	DropFragmentOverlap: "fragment-overlap", DropFragmentLimit: "fragment-limit", DropFragmentTimeout: "fragment-timeout",
	DropFragmentTiny: "fragment-tiny", DropFragmentBad: "fragment-bad",

	DropNoRoute: "no-route", DropNeighbourFailed: "neighbour-failed", DropNeighbourQueue: "neighbour-queue",
	DropHopLimit: "hop-limit", DropLoop: "loop", DropQueueFull: "queue-full", DropLinkDown: "link-down",
	DropLinkError: "link-error", DropFiltered: "filtered", DropRateLimited: "rate-limited",

	DropNoPort: "no-port", DropBacklog: "backlog", DropReceiveQueue: "receive-queue",
	DropEndpointClosed: "endpoint-closed", DropMinTTL: "min-ttl", DropNoMemory: "no-memory",
	DropMulticastSource: "multicast-source", DropPending: "pending", DropHandlerLimit: "handler-limit", DropDeclined: "declined",

	DropPAWS: "paws", DropWindow: "window", DropOldData: "old-data", DropBadAck: "bad-ack", DropBadReset: "bad-reset",
	DropSynInWindow: "syn-in-window", DropNoAck: "no-ack", DropNoTimestamp: "no-timestamp", DropBadFlags: "bad-flags",
	DropAcceptQueue: "accept-queue", DropSynQueue: "syn-queue", DropBadCookie: "bad-cookie", DropTimeWait: "time-wait",
	DropAfterClose: "after-close", DropOutOfOrder: "out-of-order", DropZeroWindow: "zero-window",
	DropMD5Missing: "md5-missing", DropMD5Unexpected: "md5-unexpected", DropMD5Wrong: "md5-wrong",

	DropICMPNoFlow: "icmp-no-flow", DropICMPSequence: "icmp-sequence", DropICMPBadMTU: "icmp-bad-mtu",
	DropNDPInvalid: "ndp-invalid", DropARPInvalid: "arp-invalid", DropGroupInvalid: "group-invalid", DropDuplicateAddr: "duplicate-address",

	DropFault: "fault",
}

// String returns the reason's name, in lower case with hyphens.
func (d Drop) String() string {
	if d < NumDrops {
		return dropNames[d]
	}
	return "unknown"
}
