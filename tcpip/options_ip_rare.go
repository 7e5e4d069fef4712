package tcpip

import "math"

// ipRareRows are the rows of IPPROTO_IP whose values are in IPConf.
var ipRareRows = []OptionRow[SocketConf]{
	flag(IP_RECVOPTS, "IP_RECVOPTS", 0, KindDatagram, func(c *SocketConf) *bool { return &c.ReceiveOptions },
		"Report the options of received IPv4 packets."),
	flag(IP_RETOPTS, "IP_RETOPTS", 0, KindDatagram, func(c *SocketConf) *bool { return &c.ReturnOptions },
		"Report the options of received IPv4 packets as an answer has them."),
	flag(IP_RECVORIGDSTADDR, "IP_RECVORIGDSTADDR", 0, KindDatagram, func(c *SocketConf) *bool { return &c.ReceiveOriginal4 },
		"Report the destination in the headers of received IPv4 packets, with its port."),
	flag(IP_CHECKSUM, "IP_CHECKSUM", 0, KindDatagram, func(c *SocketConf) *bool { return &c.ReceiveSum },
		"Report the sum of the bytes of IPv4 packets whose checksum was verified here."),
	flag(IP_RECVFRAGSIZE, "IP_RECVFRAGSIZE", 0, KindDatagram, func(c *SocketConf) *bool { return &c.ReceiveFragment4 },
		"Report the size of the largest fragment that an IPv4 packet came in."),
	flag(IP_BIND_ADDRESS_NO_PORT, "IP_BIND_ADDRESS_NO_PORT", 0, KindIP, func(c *SocketConf) *bool { return &c.BindNoPort },
		"Let binding to an address leave the choice of a port to connecting, which knows the peer."),
	{ID: IP_UNICAST_IF, Name: "IP_UNICAST_IF", Unit: "NIC", Max: math.MaxInt32, On: KindIP,
		Get: func(c *SocketConf) int { return int(c.UnicastNIC4) }, Set: func(c *SocketConf, v int) { c.UnicastNIC4 = NICID(v) },
		Doc: "NIC for sent IPv4 unicast; 0 means the route's. Linux gives it in network byte order."},
	{ID: IP_LOCAL_PORT_RANGE, Name: "IP_LOCAL_PORT_RANGE", Min: math.MinInt32, Max: math.MaxInt32, On: KindIP,
		Get: func(c *SocketConf) int { return int(int32(c.PortRange)) }, Set: func(c *SocketConf, v int) { c.PortRange = int(uint32(v)) },
		Doc: "The lowest ephemeral port in the low 16 bits, the highest above; 0 means the stack's. Ports outside of the stack's range are not chosen."},
	flag(SO_DONTROUTE, "SO_DONTROUTE", 0, KindIP, func(c *SocketConf) *bool { return &c.DontRoute },
		"Send over IPv4 only where no gateway is needed. MSG_DONTROUTE is the same for one datagram."),
}
