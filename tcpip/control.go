package tcpip

import "net/netip"

// Control is what the kernel passes in control messages, of either family. Each field is there only
// if its bit is in Has. It is copied with every read and write, so what is rare lies behind a pointer.
type Control struct {
	Has        ControlFields
	SegmentBy  uint16 // UDP_SEGMENT, bytes
	HopLimit   uint8  // TTL
	Class      uint8  // TOS or traffic class
	PacketInfo PacketInfo
	Timestamp  Time // arrival, on the stack's clock; Clock.Wall converts it
	*ControlRare
}

// ControlRare are those fields of a Control that few ask for. It is there if one of them is, and is not
// changed once it has been passed on.
type ControlRare struct {
	Original netip.AddrPort
	Err      ErrorReport
	Mark     uint32         // of the packet
	Stamps   TimestampFlags // sending: those to be made of this packet
	StampID  uint32         // sending: the number to report with them
	Priority uint32
	Unread   int    // TCP_INQ: bytes that are left to read, at least 1 while the end of the stream is
	Drops    uint32 // datagrams that the receive queue had refused before this one
	IPControl
}

// Rare returns c's rare fields to be filled in, which are its alone from then on.
func (c *Control) Rare() *ControlRare {
	r := new(ControlRare)
	if c.ControlRare != nil {
		*r = *c.ControlRare
	}
	c.ControlRare = r
	return r
}

// ControlFields says which fields of a Control are there.
type ControlFields uint32

// The fields. From HasOriginal on they are those of ControlRare.
const (
	HasPacketInfo ControlFields = 1 << iota
	HasHopLimit
	HasClass
	HasSegmentBy
	HasTimestamp
	HasOriginal
	HasError
	HasDrops
	HasMark
	HasPriority
	HasTimestamping // Timestamp is for SO_TIMESTAMPING
	HasStamps
	HasStampID
	HasUnread
)

// TimestampFlags are the flags of SO_TIMESTAMPING that the stack knows, with Linux's numbers.
type TimestampFlags uint32

// The flags.
const (
	TimestampSent      TimestampFlags = 1 << 1 // when a link has taken the packet
	TimestampReceive   TimestampFlags = 1 << 3
	TimestampReport    TimestampFlags = 1 << 4 // tell the times that were taken
	TimestampNumber    TimestampFlags = 1 << 7 // number the packets
	TimestampScheduled TimestampFlags = 1 << 8 // when the packet reached the transmit queue
	TimestampAcked     TimestampFlags = 1 << 9
	TimestampSource    TimestampFlags = 1 << 10 // tell the packet's source
	TimestampOnly      TimestampFlags = 1 << 11 // do not show the packet
	TimestampStats     TimestampFlags = 1 << 12
	TimestampPHC       TimestampFlags = 1 << 15
	TimestampNumberTCP TimestampFlags = 1 << 16

	TimestampFlagsAll   TimestampFlags = 1<<19 - 1
	TimestampFlagsSends TimestampFlags = 1<<0 | TimestampSent | TimestampScheduled | TimestampAcked | 1<<18
)

// PacketInfo is struct in_pktinfo and struct in6_pktinfo in one.
type PacketInfo struct {
	NIC NICID // received: where it arrived; sending: the NIC to use, 0 for the route's
	// Local is ipi_spec_dst: received, the local address that the datagram was received on; sending,
	// the source address to use, zero for the route's.
	Local netip.Addr
	// Destination is ipi_addr, the destination in the header. It is not used when sending.
	Destination netip.Addr
}

// ErrorOrigin says where an entry of the error queue comes from (SO_EE_ORIGIN_*).
type ErrorOrigin uint8

// The origins, with Linux's numbers.
const (
	OriginNone         ErrorOrigin = 0
	OriginLocal        ErrorOrigin = 1
	OriginICMP         ErrorOrigin = 2
	OriginICMP6        ErrorOrigin = 3
	OriginTimestamping ErrorOrigin = 4 // no error: when a packet left
	OriginZeroCopy     ErrorOrigin = 5 // no error: what was sent is the program's again
)

// ErrorReport is one entry of the error queue (struct sock_extended_err).
type ErrorReport struct {
	Err      Error
	Origin   ErrorOrigin
	Type     uint8 // ICMP type and code
	Code     uint8
	Info     uint32     // the MTU of a "too big"; the kind of a time stamp; the first of a range of sends
	Data     uint32     // the number of a send; the last of a range; what RFC 4884 says of the quoted packet
	Offender netip.Addr // the node that sent the error
}
