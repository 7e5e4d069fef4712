package shared

import "time"

const (
	// ICMPRate and ICMPBurst bound the ICMP errors of a protocol, per second and in one go (Linux's
	// icmp_msgs_per_sec and icmp_msgs_burst).
	ICMPRate  = 1000
	ICMPBurst = 50
	// ICMPHostInterval is the time after which a host may be sent one more error (Linux's icmp_ratelimit).
	ICMPHostInterval = time.Second

	// scratchPieces is how many pieces of a payload are handled without allocating: those of 64 KB in
	// 2 KB slabs, and some more.
	scratchPieces = 40
	// transportRoom is how much of a reassembled datagram's payload is put behind its header: the longest
	// header of TCP, bytes.
	transportRoom = 60
)
