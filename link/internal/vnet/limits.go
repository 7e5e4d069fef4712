package vnet

const (
	// minSegment is the least payload in bytes of a TCP segment of a super-segment, Linux's
	// TCP_MIN_SND_MSS: less is an attempt to make us cut 64 KB into thousands of packets.
	minSegment = 48
	// maxDatagrams bounds the datagrams of a UDP super-segment, Linux's UDP_MAX_SEGMENTS.
	maxDatagrams = 128
)
