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
		Set: func(c *SocketConf, v int) { c.SendBuffer = doubled(v, c.buffers().SendMin, c.buffers().SendMax) },
		Doc: "Limit of the send queue in slab bytes. What is set is doubled, as on Linux, and brought into range."},
	{ID: SO_RCVBUF, Name: "SO_RCVBUF", Unit: "bytes", Min: math.MinInt32, Max: math.MaxInt32, Default: DefaultDatagramBuffer / 2, On: KindAny,
		Get: func(c *SocketConf) int { return c.ReceiveBuffer },
		Set: func(c *SocketConf, v int) {
			c.ReceiveBuffer = doubled(v, c.buffers().ReceiveMin, c.buffers().ReceiveMax)
		},
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
	{ID: SO_PRIORITY, Name: "SO_PRIORITY", Min: math.MinInt32, Max: math.MaxInt32, On: KindAny,
		Get: func(c *SocketConf) int { return c.Priority }, Set: func(c *SocketConf, v int) { c.Priority = v },
		Doc: "Priority of sent packets, which a receiver inside the stack can see. IP_TOS sets it too."},
	{ID: SO_MARK, Name: "SO_MARK", Min: math.MinInt32, Max: math.MaxInt32, On: KindAny,
		Get: func(c *SocketConf) int { return c.Mark }, Set: func(c *SocketConf, v int) { c.Mark = v },
		Doc: "Mark of sent packets, which filters and a receiver inside the stack can see."},
	{ID: SO_TIMESTAMPING, Name: "SO_TIMESTAMPING", Unit: "flags", Max: int(TimestampFlagsAll), On: KindTCP | KindDatagram,
		Get: func(c *SocketConf) int { return int(c.Timestamping) }, Set: func(c *SocketConf, v int) { c.Timestamping = TimestampFlags(v) },
		Doc: "Report when packets arrive, reach the transmit queue and leave, by the stack's clock: a set of TimestampFlags."},
	flag(SO_RXQ_OVFL, "SO_RXQ_OVFL", 0, KindAny, func(c *SocketConf) *bool { return &c.ReceiveDrops },
		"Report with what is received how much the full receive queue had refused by then."),
	flag(SO_RCVMARK, "SO_RCVMARK", 0, KindAny, func(c *SocketConf) *bool { return &c.ReceiveMark },
		"Report the mark of received packets."),
	flag(SO_RCVPRIORITY, "SO_RCVPRIORITY", 0, KindAny, func(c *SocketConf) *bool { return &c.ReceivePriority },
		"Report the priority of received packets."),
	{ID: SO_PEEK_OFF, Name: "SO_PEEK_OFF", Unit: "bytes", Min: math.MinInt32, Max: math.MaxInt32, Default: -1, On: KindUDP | KindTCP,
		Get: func(c *SocketConf) int { return c.PeekOffset }, Set: func(c *SocketConf, v int) { c.PeekOffset = v },
		Doc: "Where the next peek begins, counted from the first unread byte of the queue; below 0, where a read would. Peeking moves it on, reading back."},
	flag(SO_ZEROCOPY, "SO_ZEROCOPY", 0, KindTCP|KindUDP, func(c *SocketConf) *bool { return &c.ZeroCopy },
		"Let writes ask to be told on the error queue when what they sent is the program's again. It is copied at once."),
	{ID: SO_BINDTOIFINDEX, Name: "SO_BINDTOIFINDEX", Unit: "NIC", Min: 0, Max: math.MaxInt32, On: KindAny,
		Get: func(c *SocketConf) int { return int(c.BoundNIC) },
		Set: func(c *SocketConf, v int) { c.BoundNIC = NICID(v) },
		Doc: "Send and receive through one NIC only; 0 means any."},
}
