package tcpip

import "math"

// socketRows are the rows of SOL_SOCKET.
var socketRows = []OptionRow[SocketConf]{
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
}
