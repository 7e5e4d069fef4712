package tcpip

// udpRows are the rows of IPPROTO_UDP.
var udpRows = []OptionRow[SocketConf]{
	flag(UDP_CORK, "UDP_CORK", 0, KindUDP, func(c *SocketConf) *bool { return &c.Cork },
		"Collect what is written into one datagram, which leaves when the option is turned off."),
	flag(UDP_NO_CHECK6_TX, "UDP_NO_CHECK6_TX", 0, KindUDP, func(c *SocketConf) *bool { return &c.NoChecksum6 },
		"Send UDP over IPv6 without a checksum (RFC 6935), for tunnels."),
	flag(UDP_NO_CHECK6_RX, "UDP_NO_CHECK6_RX", 0, KindUDP, func(c *SocketConf) *bool { return &c.AcceptNoChecksum6 },
		"Receive UDP over IPv6 that has no checksum (RFC 6935), for tunnels."),
	{ID: UDP_SEGMENT, Name: "UDP_SEGMENT", Unit: "bytes", Max: 65535, On: KindUDP,
		Get: func(c *SocketConf) int { return int(c.SegmentBy) }, Set: func(c *SocketConf, v int) { c.SegmentBy = uint16(v) },
		Doc: "Send what is written as datagrams of this payload, the last of which may be shorter; 0 means one datagram."},
	flag(UDP_GRO, "UDP_GRO", 0, KindUDP, func(c *SocketConf) *bool { return &c.Join },
		"Receive datagrams that arrived joined in one read, with their size in Received.SegmentBy."),
}
