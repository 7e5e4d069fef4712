package tcpip

import "math"

// ipRows are the rows of IPPROTO_IP.
var ipRows = []OptionRow[SocketConf]{
	{ID: IP_TOS, Name: "IP_TOS", Min: math.MinInt32, Max: math.MaxInt32, On: KindIP,
		Get: func(c *SocketConf) int { return int(c.TOS) }, Set: setTOS,
		Doc: "DSCP and ECN bits of sent IPv4 packets. As on Linux the low eight bits of any number count, and a new value sets SO_PRIORITY."},
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
	flag(IP_RECVERR_RFC4884, "IP_RECVERR_RFC4884", 0, KindIP, func(c *SocketConf) *bool { return &c.ReceiveExtensions4 },
		"Report where the extensions of an ICMP error begin in what it quotes (RFC 4884)."),
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
}

// setTOS sets the TOS and, where that changes it, the priority that Linux gives to the four bits of RFC 1349.
func setTOS(c *SocketConf, v int) {
	tos := int16(uint8(v))
	if tos == c.TOS {
		return
	}
	c.TOS, c.Priority = tos, PriorityOf(uint8(tos))
}

// PriorityOf returns the priority of packets with a TOS byte, which goes by the four bits of RFC 1349.
func PriorityOf(tos uint8) int {
	return [...]int{0, 0, 0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 4, 4, 4, 4}[tos>>1&15]
}
