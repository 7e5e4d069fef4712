package tcpip

import "math"

// SocketConf holds the options that endpoints of every kind share. It is a plain value: an endpoint
// keeps one under its lock, and an accepted endpoint starts with a copy of its listener's.
type SocketConf struct {
	ReuseAddr, ReusePort, Broadcast bool
	NoChecksum                      bool // UDP over IPv4: send no checksum
	SendBuffer, ReceiveBuffer       int  // bytes as getsockopt shows them, twice what was set
	ReceiveLowWater                 int  // bytes
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

	ReceiveTimestamp                                          bool
	ReceivePacketInfo4, ReceiveTTL, ReceiveTOS, ReceiveError4 bool
	ReceivePacketInfo6, ReceiveHops, ReceiveClass             bool
	ReceiveError6                                             bool
}

// The ranges of Linux's buffer options: SOCK_MIN_SNDBUF, SOCK_MIN_RCVBUF and the largest that
// net.core.wmem_max usually lets a program ask for, after doubling.
const (
	MinSendBuffer         = 4608
	MinReceiveBuffer      = 2304
	MaxBuffer             = 8 << 20
	DefaultDatagramBuffer = 212992
)

// DefaultSocketConf returns the options of a new endpoint.
func DefaultSocketConf() SocketConf { return defaultSocketConf }

var defaultSocketConf = func() (c SocketConf) {
	Defaults(SocketOptions, &c)
	return c
}()

// doubled is what Linux makes of a size: it takes a negative one for a very large one.
func doubled(v, low int) int {
	if v < 0 {
		return MaxBuffer
	}
	return max(min(v, MaxBuffer/2)*2, low)
}

// SocketOptions declares the options of SocketConf.
var SocketOptions = []OptionRow[SocketConf]{
	flag(SO_REUSEADDR, "SO_REUSEADDR", 0, KindAny, func(c *SocketConf) *bool { return &c.ReuseAddr },
		"Let several endpoints bind one address, as socket(7) has it."),
	flag(SO_REUSEPORT, "SO_REUSEPORT", 0, KindIP, func(c *SocketConf) *bool { return &c.ReusePort },
		"Let several endpoints bind one address and share what arrives among them."),
	flag(SO_BROADCAST, "SO_BROADCAST", 0, KindAny, func(c *SocketConf) *bool { return &c.Broadcast },
		"Allow sending to broadcast addresses."),
	flag(SO_NO_CHECK, "SO_NO_CHECK", 0, KindUDP, func(c *SocketConf) *bool { return &c.NoChecksum },
		"Send UDP over IPv4 without a checksum (RFC 768)."),
	flag(SO_TIMESTAMP, "SO_TIMESTAMP", 0, KindAny, func(c *SocketConf) *bool { return &c.ReceiveTimestamp },
		"Report the time of arrival in Control.Timestamp."),
	{ID: SO_SNDBUF, Name: "SO_SNDBUF", Unit: "bytes", Min: math.MinInt32, Max: math.MaxInt32, Default: DefaultDatagramBuffer / 2, On: KindAny,
		Get: func(c *SocketConf) int { return c.SendBuffer },
		Set: func(c *SocketConf, v int) { c.SendBuffer = doubled(v, MinSendBuffer) },
		Doc: "Limit of the send queue in slab bytes. What is set is doubled, as on Linux, and brought into range."},
	{ID: SO_RCVBUF, Name: "SO_RCVBUF", Unit: "bytes", Min: math.MinInt32, Max: math.MaxInt32, Default: DefaultDatagramBuffer / 2, On: KindAny,
		Get: func(c *SocketConf) int { return c.ReceiveBuffer },
		Set: func(c *SocketConf, v int) { c.ReceiveBuffer = doubled(v, MinReceiveBuffer) },
		Doc: "Limit of the receive queue in slab bytes. What is set is doubled, as on Linux, and brought into range."},
	{ID: SO_RCVLOWAT, Name: "SO_RCVLOWAT", Unit: "bytes", Min: math.MinInt32, Max: math.MaxInt32, Default: 1, On: KindAny,
		Get: func(c *SocketConf) int { return c.ReceiveLowWater },
		Set: func(c *SocketConf, v int) {
			switch {
			case v < 0:
				v = math.MaxInt32
			case v == 0:
				v = 1
			}
			c.ReceiveLowWater = v
		},
		Doc: "How much must be there for a stream to be readable."},
	{ID: SO_BINDTOIFINDEX, Name: "SO_BINDTOIFINDEX", Unit: "NIC", Min: 0, Max: math.MaxInt32, On: KindIP,
		Get: func(c *SocketConf) int { return int(c.BoundNIC) },
		Set: func(c *SocketConf, v int) { c.BoundNIC = NICID(v) },
		Doc: "Send and receive through one NIC only; 0 means any."},

	{ID: IP_TOS, Name: "IP_TOS", Min: math.MinInt32, Max: math.MaxInt32, On: KindIP,
		Get: func(c *SocketConf) int { return int(c.TOS) }, Set: func(c *SocketConf, v int) { c.TOS = int16(uint8(v)) },
		Doc: "DSCP and ECN bits of sent IPv4 packets. As on Linux the low eight bits of any number count."},
	{ID: IP_TTL, Name: "IP_TTL", Unit: "hops", Min: -1, Max: 255, Except: Set(Range{0, 0}), Default: -1, On: KindIP,
		Get: func(c *SocketConf) int { return int(c.TTL) }, Set: func(c *SocketConf, v int) { c.TTL = int16(v) },
		Doc: "TTL of sent unicast packets; -1 means the stack's default."},
	ttl(IP_MULTICAST_TTL, "IP_MULTICAST_TTL", 1, KindDatagram, func(c *SocketConf) *int16 { return &c.MulticastTTL },
		"TTL of sent multicast packets; -1 means 1."),
	flag(IP_PKTINFO, "IP_PKTINFO", 0, KindDatagram, func(c *SocketConf) *bool { return &c.ReceivePacketInfo4 },
		"Report Control.PacketInfo of received IPv4 packets."),
	flag(IP_RECVTTL, "IP_RECVTTL", 0, KindDatagram, func(c *SocketConf) *bool { return &c.ReceiveTTL },
		"Report the TTL of received IPv4 packets."),
	flag(IP_RECVTOS, "IP_RECVTOS", 0, KindDatagram, func(c *SocketConf) *bool { return &c.ReceiveTOS },
		"Report the TOS byte of received IPv4 packets."),
	flag(IP_RECVERR, "IP_RECVERR", 0, KindIP, func(c *SocketConf) *bool { return &c.ReceiveError4 },
		"Keep an error queue for IPv4 and report every ICMP error."),
	mode(IP_MTU_DISCOVER, "IP_MTU_DISCOVER", func(c *SocketConf) *PMTUMode { return &c.PMTU4 }),
	flag(IP_FREEBIND, "IP_FREEBIND", 0, KindIP, func(c *SocketConf) *bool { return &c.FreeBind },
		"Allow binding to and sending from addresses that the stack does not have."),
	flag(IP_TRANSPARENT, "IP_TRANSPARENT", 0, KindIP, func(c *SocketConf) *bool { return &c.Transparent },
		"As IP_FREEBIND, for transparent proxies."),
	{ID: IP_MINTTL, Name: "IP_MINTTL", Max: 255, On: KindTCP,
		Get: func(c *SocketConf) int { return int(c.MinTTL) }, Set: func(c *SocketConf, v int) { c.MinTTL = uint8(v) },
		Doc: "Drop received packets with a lower TTL (RFC 5082)."},
	{ID: IP_MULTICAST_IF, Name: "IP_MULTICAST_IF", Unit: "NIC", Max: math.MaxInt32, On: KindDatagram,
		Get: func(c *SocketConf) int { return int(c.MulticastNIC4) }, Set: func(c *SocketConf, v int) { c.MulticastNIC4 = NICID(v) },
		Doc: "NIC for sent IPv4 multicast; 0 means the route's."},
	flag(IP_MULTICAST_LOOP, "IP_MULTICAST_LOOP", 1, KindDatagram, func(c *SocketConf) *bool { return &c.MulticastLoop4 },
		"Deliver sent IPv4 multicast to this stack's own members too."),
	flag(IP_MULTICAST_ALL, "IP_MULTICAST_ALL", 1, KindDatagram, func(c *SocketConf) *bool { return &c.MulticastAll },
		"Receive from every group that the stack has joined, not only the endpoint's own."),

	flag(IPV6_V6ONLY, "IPV6_V6ONLY", 0, KindIP, func(c *SocketConf) *bool { return &c.V6Only },
		"Keep IPv4 off an IPv6 endpoint."),
	{ID: IPV6_TCLASS, Name: "IPV6_TCLASS", Min: -1, Max: 255, On: KindIP,
		Get: func(c *SocketConf) int { return int(c.TrafficClass) }, Set: func(c *SocketConf, v int) { c.TrafficClass = int16(max(v, 0)) },
		Doc: "Traffic class of sent IPv6 packets; -1 means 0."},
	ttl(IPV6_UNICAST_HOPS, "IPV6_UNICAST_HOPS", -1, KindIP, func(c *SocketConf) *int16 { return &c.Hops },
		"Hop limit of sent unicast packets; -1 means the stack's default."),
	ttl(IPV6_MULTICAST_HOPS, "IPV6_MULTICAST_HOPS", 1, KindDatagram, func(c *SocketConf) *int16 { return &c.MulticastHops },
		"Hop limit of sent multicast packets; -1 means 1."),
	{ID: IPV6_MULTICAST_IF, Name: "IPV6_MULTICAST_IF", Unit: "NIC", Max: math.MaxInt32, On: KindDatagram,
		Get: func(c *SocketConf) int { return int(c.MulticastNIC6) }, Set: func(c *SocketConf, v int) { c.MulticastNIC6 = NICID(v) },
		Doc: "NIC for sent IPv6 multicast; 0 means the route's."},
	flag(IPV6_MULTICAST_ALL, "IPV6_MULTICAST_ALL", 1, KindDatagram, func(c *SocketConf) *bool { return &c.MulticastAll6 },
		"Receive from every group that the stack has joined, not only the endpoint's own."),
	flag(IPV6_MULTICAST_LOOP, "IPV6_MULTICAST_LOOP", 1, KindDatagram, func(c *SocketConf) *bool { return &c.MulticastLoop6 },
		"Deliver sent IPv6 multicast to this stack's own members too."),
	mode(IPV6_MTU_DISCOVER, "IPV6_MTU_DISCOVER", func(c *SocketConf) *PMTUMode { return &c.PMTU6 }),
	flag(IPV6_DONTFRAG, "IPV6_DONTFRAG", 0, KindDatagram, func(c *SocketConf) *bool { return &c.DontFragment6 },
		"Refuse with ErrMessageSize what would need fragmentation."),
	flag(IPV6_RECVERR, "IPV6_RECVERR", 0, KindIP, func(c *SocketConf) *bool { return &c.ReceiveError6 },
		"Keep an error queue for IPv6 and report every ICMP error."),
	flag(IPV6_RECVPKTINFO, "IPV6_RECVPKTINFO", 0, KindDatagram, func(c *SocketConf) *bool { return &c.ReceivePacketInfo6 },
		"Report Control.PacketInfo of received IPv6 packets."),
	flag(IPV6_RECVHOPLIMIT, "IPV6_RECVHOPLIMIT", 0, KindDatagram, func(c *SocketConf) *bool { return &c.ReceiveHops },
		"Report the hop limit of received IPv6 packets."),
	flag(IPV6_RECVTCLASS, "IPV6_RECVTCLASS", 0, KindDatagram, func(c *SocketConf) *bool { return &c.ReceiveClass },
		"Report the traffic class of received IPv6 packets."),
}

func flag(id OptionID, name string, byDefault int, on EndpointKinds, field func(*SocketConf) *bool, doc string) OptionRow[SocketConf] {
	return OptionRow[SocketConf]{ID: id, Name: name, Unit: "bool", Max: 1, Default: byDefault, On: on, Doc: doc,
		Get: func(c *SocketConf) int {
			if *field(c) {
				return 1
			}
			return 0
		},
		Set: func(c *SocketConf, v int) { *field(c) = v != 0 },
	}
}

func ttl(id OptionID, name string, byDefault int, on EndpointKinds, field func(*SocketConf) *int16, doc string) OptionRow[SocketConf] {
	return OptionRow[SocketConf]{ID: id, Name: name, Unit: "hops", Min: -1, Max: 255, Default: byDefault, On: on, Doc: doc,
		Get: func(c *SocketConf) int { return int(*field(c)) },
		Set: func(c *SocketConf, v int) {
			if v == -1 {
				v = byDefault
			}
			*field(c) = int16(v)
		},
	}
}

func mode(id OptionID, name string, field func(*SocketConf) *PMTUMode) OptionRow[SocketConf] {
	return OptionRow[SocketConf]{ID: id, Name: name, Min: int(PMTUDont), Max: int(PMTUOmit), Default: int(PMTUWant), On: KindIP,
		Doc: "How path MTUs are used and learnt: a PMTUMode.",
		Get: func(c *SocketConf) int { return int(*field(c)) },
		Set: func(c *SocketConf, v int) { *field(c) = PMTUMode(v) },
	}
}
