package frag

import "time"

// The bounds, beyond which fragments are dropped, and the times. Memory counts slab bytes.
const (
	// DefaultMemory is the bound of everything kept, bytes (Linux's ipfrag_high_thresh).
	DefaultMemory = 4 << 20
	// SourceShare says which part of it one source may have: a quarter, room for eight of the largest
	// datagrams on an Ethernet at a time.
	SourceShare = 4
	// DefaultTimeout4 and DefaultTimeout6 are how long a datagram has to become complete (RFC 1122 §3.3.2
	// allows 60 s, and Linux's ipfrag_time is 30; RFC 8200 §4.5).
	DefaultTimeout4 = 30 * time.Second
	DefaultTimeout6 = 60 * time.Second

	// maxFragments is how many fragments a datagram may come in: a little more than the largest over a
	// link with the smallest MTU of IPv4, 68 bytes.
	maxFragments = 1500
	// overhead is what a datagram costs besides its slabs, bytes.
	overhead = 512
	// maxKept is how many datagrams' memory is kept for reuse.
	maxKept = 64
	// maxKeptSpans is the longest list of fragments that is kept for reuse.
	maxKeptSpans = 64

	// maxLength is what a length field can say, bytes.
	maxLength = 65535
)
