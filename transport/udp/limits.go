package udp

import "time"

// The bounds of what a Handler keeps. Unit, reason and source stand beside each.
const (
	// flowsMax bounds the flows of a Handler, entries: a quarter of the ports that a client has.
	flowsMax = 16384
	// keptCones is for how many full cones the table is kept when there are none, entries.
	keptCones = 64
	// flowTimeout is how long a flow may be idle: what connection tracking gives a flow that has had no answer, and what
	// RFC 4787 REQ-5 calls too short for one that has; those whose protocols are quieter set another.
	flowTimeout = 30 * time.Second
	// pendingMax is how many datagrams of a flow wait for its answer, and pendingBytes their payload.
	pendingMax   = 16
	pendingBytes = 64 << 10
	// quotedBytes is how much of a flow's first datagram an ICMP error quotes behind the IP header, bytes (RFC 1812
	// §4.3.2.3 lets it be more, RFC 792 asks for 8).
	quotedBytes = 64
	// maxPayload is the largest datagram's payload over IPv4, bytes.
	maxPayload = 65507
)
