package linux

import "github.com/seed963a8790/netstack/tcpip"

// The address families, socket types and protocols, and the flags of socket(2) and accept4(2).
const (
	AF_UNSPEC = 0
	AF_INET   = 2
	AF_INET6  = 10

	SOCK_STREAM    = 1
	SOCK_DGRAM     = 2
	SOCK_RAW       = 3
	SOCK_SEQPACKET = 5
	SOCK_NONBLOCK  = 0x800
	SOCK_CLOEXEC   = 0x80000
	sockTypeMask   = 0xf
	sockTypes      = 11 // SOCK_MAX

	IPPROTO_IP     = tcpip.IPPROTO_IP
	IPPROTO_ICMP   = 1
	IPPROTO_TCP    = tcpip.IPPROTO_TCP
	IPPROTO_UDP    = tcpip.IPPROTO_UDP
	IPPROTO_IPV6   = tcpip.IPPROTO_IPV6
	IPPROTO_ICMPV6 = 58
	SOL_SOCKET     = tcpip.SOL_SOCKET
	protocols      = 263 // IPPROTO_MAX
)

// The flags of send and receive calls.
const (
	MSG_OOB       = 0x1
	MSG_PEEK      = 0x2
	MSG_DONTROUTE = 0x4
	MSG_CTRUNC    = 0x8
	MSG_TRUNC     = 0x20
	MSG_DONTWAIT  = 0x40
	MSG_EOR       = 0x80
	MSG_WAITALL   = 0x100
	MSG_ERRQUEUE  = 0x2000
	MSG_NOSIGNAL  = 0x4000
	MSG_MORE      = 0x8000
)

// How shutdown(2) ends a connection.
const (
	SHUT_RD = iota
	SHUT_WR
	SHUT_RDWR
)

// The requests of ioctl(2).
const (
	FIONREAD   = 0x541b // SIOCINQ
	SIOCOUTQ   = 0x5411
	SIOCATMARK = 0x8905
)

// The bits of poll(2) that are no waiter.Events.
const (
	POLLRDNORM = 0x40
	POLLRDBAND = 0x80
	POLLWRNORM = 0x100
	POLLWRBAND = 0x200
)

// Options that only this package knows, beside those of the tables in tcpip and transport/tcp.
const (
	SO_TYPE         tcpip.OptionID = SOL_SOCKET<<16 | 3
	SO_ERROR        tcpip.OptionID = SOL_SOCKET<<16 | 4
	SO_DONTROUTE    tcpip.OptionID = SOL_SOCKET<<16 | 5
	SO_PRIORITY     tcpip.OptionID = SOL_SOCKET<<16 | 12
	SO_RCVTIMEO     tcpip.OptionID = SOL_SOCKET<<16 | 20
	SO_SNDTIMEO     tcpip.OptionID = SOL_SOCKET<<16 | 21
	SO_BINDTODEVICE tcpip.OptionID = SOL_SOCKET<<16 | 25
	SO_PEERNAME     tcpip.OptionID = SOL_SOCKET<<16 | 28
	SO_ACCEPTCONN   tcpip.OptionID = SOL_SOCKET<<16 | 30
	SO_SNDBUFFORCE  tcpip.OptionID = SOL_SOCKET<<16 | 32
	SO_RCVBUFFORCE  tcpip.OptionID = SOL_SOCKET<<16 | 33
	SO_MARK         tcpip.OptionID = SOL_SOCKET<<16 | 36
	SO_PROTOCOL     tcpip.OptionID = SOL_SOCKET<<16 | 38
	SO_DOMAIN       tcpip.OptionID = SOL_SOCKET<<16 | 39
	SO_BUSY_POLL    tcpip.OptionID = SOL_SOCKET<<16 | 46
	SO_INCOMING_CPU tcpip.OptionID = SOL_SOCKET<<16 | 49

	IP_HDRINCL         tcpip.OptionID = IPPROTO_IP<<16 | 3
	IP_ADD_MEMBERSHIP  tcpip.OptionID = IPPROTO_IP<<16 | 35
	IP_DROP_MEMBERSHIP tcpip.OptionID = IPPROTO_IP<<16 | 36

	IPV6_JOIN_GROUP  tcpip.OptionID = IPPROTO_IPV6<<16 | 20
	IPV6_LEAVE_GROUP tcpip.OptionID = IPPROTO_IPV6<<16 | 21
	IPV6_PKTINFO     tcpip.OptionID = IPPROTO_IPV6<<16 | 50
	IPV6_HOPLIMIT    tcpip.OptionID = IPPROTO_IPV6<<16 | 52

	TCP_CONGESTION tcpip.OptionID = IPPROTO_TCP<<16 | 13
)
