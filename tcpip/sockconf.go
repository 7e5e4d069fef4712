package tcpip

import "slices"

// SocketConf holds the options that endpoints of every kind share. It is a plain value: an endpoint
// keeps one under its lock, and an accepted endpoint starts with a copy of its listener's.
type SocketConf struct {
	ReuseAddr, ReusePort, Broadcast bool
	NoChecksum                      bool // UDP over IPv4: send no checksum
	NoChecksum6, AcceptNoChecksum6  bool // UDP over IPv6: send none, receive without
	Cork, Join                      bool
	SegmentBy                       uint16       // bytes; 0: whole
	SendBuffer, ReceiveBuffer       int          // bytes as getsockopt shows them, twice what was set
	ReceiveLowWater                 int          // bytes
	Buffers                         *BufferRange // what SO_SNDBUF and SO_RCVBUF can set; nil: Linux's
	PeekOffset                      int          // bytes; -1: none. Peeking moves the endpoint's own on
	BoundNIC                        NICID

	TOS, TTL, MulticastTTL            int16 // TTL -1: the stack's default
	TrafficClass, Hops, MulticastHops int16 // Hops -1: the stack's default
	MinTTL                            uint8
	MulticastNIC4, MulticastNIC6      NICID
	MulticastLoop4, MulticastLoop6    bool
	MulticastAll, MulticastAll6       bool
	FreeBind, Transparent             bool
	V6Only                            bool
	PMTU4, PMTU6                      PMTUMode
	DontFragment6                     bool

	Mark, Priority                             int
	Timestamping                               TimestampFlags
	ReceiveExtensions4, ReceiveExtensions6     bool // RFC 4884, of ICMP errors
	ZeroCopy                                   bool // writes may ask for a completion
	ReceiveDrops, ReceiveMark, ReceivePriority bool

	ReceiveTimestamp                                          bool
	ReceivePacketInfo4, ReceiveTTL, ReceiveTOS, ReceiveError4 bool
	ReceivePacketInfo6, ReceiveHops, ReceiveClass             bool
	ReceiveError6                                             bool

	IPConf
	RawConf
}

// The ranges of Linux's buffer options: SOCK_MIN_SNDBUF, SOCK_MIN_RCVBUF and the largest that
// net.core.wmem_max usually lets a program ask for, after doubling.
const (
	MinSendBuffer         = 4608
	MinReceiveBuffer      = 2304
	MaxBuffer             = 8 << 20
	DefaultDatagramBuffer = 212992
)

// BufferRange bounds what SO_SNDBUF and SO_RCVBUF can set, in bytes as getsockopt shows them. It is shared and never
// changed.
type BufferRange struct{ SendMin, SendMax, ReceiveMin, ReceiveMax int }

var linuxBuffers = BufferRange{MinSendBuffer, MaxBuffer, MinReceiveBuffer, MaxBuffer}

func (c *SocketConf) buffers() *BufferRange {
	if c.Buffers != nil {
		return c.Buffers
	}
	return &linuxBuffers
}

// DefaultSocketConf returns the options of a new endpoint.
func DefaultSocketConf() SocketConf { return defaultSocketConf }

var defaultSocketConf = func() (c SocketConf) {
	Defaults(SocketOptions, &c)
	return c
}()

// doubled is what Linux makes of a size: it takes a negative one for a very large one.
func doubled(v, low, high int) int {
	if v < 0 {
		return high
	}
	return max(min(v, high/2)*2, low)
}

// SocketOptions declares the options of SocketConf.
var SocketOptions = slices.Concat(rawRows, socketRows, udpRows, ipRows, ipv6Rows, ipRareRows, ipv6RareRows)
