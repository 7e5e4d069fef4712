package tcpip

import "math"

// ipv6Rows are the rows of IPPROTO_IPV6.
var ipv6Rows = []OptionRow[SocketConf]{
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
	flag(IPV6_RECVERR_RFC4884, "IPV6_RECVERR_RFC4884", 0, KindIP, func(c *SocketConf) *bool { return &c.ReceiveExtensions6 },
		"Report where the extensions of an ICMPv6 error begin in what it quotes (RFC 4884)."),
	flag(IPV6_RECVERR, "IPV6_RECVERR", 0, KindIP, func(c *SocketConf) *bool { return &c.ReceiveError6 },
		"Keep an error queue for IPv6 and report every ICMP error."),
	flag(IPV6_RECVPKTINFO, "IPV6_RECVPKTINFO", 0, KindDatagram, func(c *SocketConf) *bool { return &c.ReceivePacketInfo6 },
		"Report Control.PacketInfo of received IPv6 packets."),
	flag(IPV6_RECVHOPLIMIT, "IPV6_RECVHOPLIMIT", 0, KindDatagram, func(c *SocketConf) *bool { return &c.ReceiveHops },
		"Report the hop limit of received IPv6 packets."),
	flag(IPV6_RECVTCLASS, "IPV6_RECVTCLASS", 0, KindDatagram, func(c *SocketConf) *bool { return &c.ReceiveClass },
		"Report the traffic class of received IPv6 packets."),
}
