package linux

import "github.com/seed963a8790/netstack/tcpip"

// ipHints are those of IPPROTO_IP and IPPROTO_IPV6 that few set. Those of streams are about control messages, which
// streams have none of.
var ipHints = []hint{
	{id: tcpip.IP_RECVOPTS, name: "IP_RECVOPTS", on: tcpip.KindTCP, flag: true},
	{id: tcpip.IP_RETOPTS, name: "IP_RETOPTS", on: tcpip.KindTCP, flag: true},
	{id: tcpip.IP_RECVORIGDSTADDR, name: "IP_RECVORIGDSTADDR", on: tcpip.KindTCP, flag: true},
	{id: tcpip.IP_CHECKSUM, name: "IP_CHECKSUM", on: tcpip.KindTCP, flag: true},
	{id: IP_PASSSEC, name: "IP_PASSSEC", on: tcpip.KindIP, flag: true},
	{id: tcpip.IPV6_2292PKTINFO, name: "IPV6_2292PKTINFO", on: tcpip.KindTCP, flag: true},
	{id: tcpip.IPV6_2292HOPLIMIT, name: "IPV6_2292HOPLIMIT", on: tcpip.KindTCP, flag: true},
	{id: tcpip.IPV6_2292HOPOPTS, name: "IPV6_2292HOPOPTS", on: tcpip.KindTCP, flag: true},
	{id: tcpip.IPV6_2292RTHDR, name: "IPV6_2292RTHDR", on: tcpip.KindTCP, flag: true},
	{id: tcpip.IPV6_2292DSTOPTS, name: "IPV6_2292DSTOPTS", on: tcpip.KindTCP, flag: true},
	{id: tcpip.IPV6_RECVHOPOPTS, name: "IPV6_RECVHOPOPTS", on: tcpip.KindTCP, flag: true},
	{id: tcpip.IPV6_RECVRTHDR, name: "IPV6_RECVRTHDR", on: tcpip.KindTCP, flag: true},
	{id: tcpip.IPV6_RECVDSTOPTS, name: "IPV6_RECVDSTOPTS", on: tcpip.KindTCP, flag: true},
	{id: tcpip.IPV6_FLOWINFO, name: "IPV6_FLOWINFO", on: tcpip.KindTCP, flag: true},
	{id: tcpip.IPV6_RECVORIGDSTADDR, name: "IPV6_RECVORIGDSTADDR", on: tcpip.KindTCP, flag: true},
	{id: tcpip.IPV6_RECVFRAGSIZE, name: "IPV6_RECVFRAGSIZE", on: tcpip.KindTCP, flag: true},
	{id: tcpip.IPV6_RECVPATHMTU, name: "IPV6_RECVPATHMTU", on: tcpip.KindTCP, flag: true},
	{id: IPV6_ALERT_ISOLATE, name: "IPV6_ROUTER_ALERT_ISOLATE", on: notRaw | tcpip.KindRaw, flag: true},
	{id: ipNoDefrag, name: "IP_NODEFRAG", on: tcpip.KindRaw, flag: true},
	{id: tcpip.IPV6_MINHOPCOUNT, name: "IPV6_MINHOPCOUNT", on: tcpip.KindDatagram, max: 255},
}
