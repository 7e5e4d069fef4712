package tcpip

import "math"

// The options of raw endpoints.
const (
	IP_HDRINCL      OptionID = IPPROTO_IP<<16 | 3
	IP_ROUTER_ALERT OptionID = IPPROTO_IP<<16 | 5
	IPV6_CHECKSUM   OptionID = IPPROTO_IPV6<<16 | 7
	IPV6_HDRINCL    OptionID = IPPROTO_IPV6<<16 | 36
)

// RawConf holds the options that only raw endpoints have.
type RawConf struct {
	HeaderIncluded4, HeaderIncluded6 bool
	RouterAlert                      bool
	ChecksumOffset                   int // bytes behind the network header; -1: none
}

// rawRows are the rows of raw endpoints.
var rawRows = []OptionRow[SocketConf]{
	flag(IP_HDRINCL, "IP_HDRINCL", 0, KindRaw, func(c *SocketConf) *bool { return &c.HeaderIncluded4 },
		"What is written begins with the IPv4 header. Length and checksum are filled in, and identification and source where "+
			"they are 0. An endpoint of protocol 255 begins with it set."),
	flag(IPV6_HDRINCL, "IPV6_HDRINCL", 0, KindRaw, func(c *SocketConf) *bool { return &c.HeaderIncluded6 },
		"What is written begins with the IPv6 header, which is sent as it is. An endpoint of protocol 255 begins with it set."),
	flag(IP_ROUTER_ALERT, "IP_ROUTER_ALERT", 0, KindRaw, func(c *SocketConf) *bool { return &c.RouterAlert },
		"Take packets of the protocol that were to be forwarded and have a router alert (RFC 2113)."),
	{ID: IPV6_CHECKSUM, Name: "IPV6_CHECKSUM", Unit: "bytes", Min: math.MinInt32, Max: math.MaxInt32, Default: -1, On: KindRaw,
		Get: func(c *SocketConf) int { return c.ChecksumOffset }, Set: func(c *SocketConf, v int) { c.ChecksumOffset = max(v, -1) },
		Doc: "Where in a sent packet the Internet checksum is put, an even offset; a received one must then have a right one. " +
			"Negative means none. An endpoint of ICMPv6 begins with 2 (RFC 3542 §3.1)."},
}
