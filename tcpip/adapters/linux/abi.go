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
	MSG_OOB        = 0x1
	MSG_PEEK       = 0x2
	MSG_DONTROUTE  = 0x4
	MSG_CTRUNC     = 0x8
	MSG_PROBE      = 0x10
	MSG_TRUNC      = 0x20
	MSG_DONTWAIT   = 0x40
	MSG_EOR        = 0x80
	MSG_WAITALL    = 0x100
	MSG_ERRQUEUE   = 0x2000
	MSG_NOSIGNAL   = 0x4000
	MSG_MORE       = 0x8000
	MSG_WAITFORONE = 0x10000
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

	SIOCOUTQNSD = 0x894b
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
	scmRights       tcpip.OptionID = SOL_SOCKET<<16 | 1
	scmCredentials  tcpip.OptionID = SOL_SOCKET<<16 | 2
	SO_DONTROUTE    tcpip.OptionID = SOL_SOCKET<<16 | 5
	SO_RCVTIMEO     tcpip.OptionID = SOL_SOCKET<<16 | 20
	SO_SNDTIMEO     tcpip.OptionID = SOL_SOCKET<<16 | 21
	SO_BINDTODEVICE tcpip.OptionID = SOL_SOCKET<<16 | 25
	SO_PEERNAME     tcpip.OptionID = SOL_SOCKET<<16 | 28
	SO_ACCEPTCONN   tcpip.OptionID = SOL_SOCKET<<16 | 30
	SO_SNDBUFFORCE  tcpip.OptionID = SOL_SOCKET<<16 | 32
	SO_RCVBUFFORCE  tcpip.OptionID = SOL_SOCKET<<16 | 33
	SO_PROTOCOL     tcpip.OptionID = SOL_SOCKET<<16 | 38
	SO_DOMAIN       tcpip.OptionID = SOL_SOCKET<<16 | 39
	SO_BUSY_POLL    tcpip.OptionID = SOL_SOCKET<<16 | 46
	SO_INCOMING_CPU tcpip.OptionID = SOL_SOCKET<<16 | 49

	IPV6_PKTINFO  tcpip.OptionID = IPPROTO_IPV6<<16 | 50
	IPV6_HOPLIMIT tcpip.OptionID = IPPROTO_IPV6<<16 | 52

	TCP_INFO           tcpip.OptionID = IPPROTO_TCP<<16 | 11
	TCP_CONGESTION     tcpip.OptionID = IPPROTO_TCP<<16 | 13
	TCP_MD5SIG         tcpip.OptionID = IPPROTO_TCP<<16 | 14
	TCP_MD5SIG_EXT     tcpip.OptionID = IPPROTO_TCP<<16 | 32
	TCP_REPAIR         tcpip.OptionID = IPPROTO_TCP<<16 | 19
	TCP_REPAIR_QUEUE   tcpip.OptionID = IPPROTO_TCP<<16 | 20
	TCP_QUEUE_SEQ      tcpip.OptionID = IPPROTO_TCP<<16 | 21
	TCP_REPAIR_OPTIONS tcpip.OptionID = IPPROTO_TCP<<16 | 22
	TCP_TIMESTAMP      tcpip.OptionID = IPPROTO_TCP<<16 | 24
	TCP_CC_INFO        tcpip.OptionID = IPPROTO_TCP<<16 | 26
	TCP_SAVED_SYN      tcpip.OptionID = IPPROTO_TCP<<16 | 28
	TCP_REPAIR_WINDOW  tcpip.OptionID = IPPROTO_TCP<<16 | 29
	TCP_ULP            tcpip.OptionID = IPPROTO_TCP<<16 | 31
	TCP_AO_REPAIR      tcpip.OptionID = IPPROTO_TCP<<16 | 42
	TCP_IS_MPTCP       tcpip.OptionID = IPPROTO_TCP<<16 | 43
)
