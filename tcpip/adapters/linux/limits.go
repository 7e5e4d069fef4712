package linux

import "time"

// The bounds of everything in this package that can grow. Unit, reason and source stand beside each.
const (
	// maxName is the longest socket address in bytes that a call takes (struct sockaddr_storage).
	maxName = 128
	// maxControl is the most bytes of control messages that one sendmsg takes (net.core.optmem_max).
	maxControl = 131072
	// maxMTU4 is the largest MTU that IPv4 shows, bytes: lo has more.
	maxMTU4 = 65535
	// maxFlowLabels is how many flow labels sockets can have taken, all together (FL_MAX_SIZE), and
	// maxSocketFlowLabels how many one of them, counting how often.
	maxFlowLabels       = 4096
	maxSocketFlowLabels = 1024
	// flowLinger is the least time for which a label is kept from others when it was given back (FL_MIN_LINGER).
	flowLinger = 6 * time.Second
	// nameSize is the size of an interface's name with its NUL, bytes (IFNAMSIZ).
	nameSize = 16
	// congestionSize is that of a congestion control algorithm's (TCP_CA_NAME_MAX).
	congestionSize = 16
	// maxMessages is how many messages one sendmmsg or recvmmsg looks at (UIO_MAXIOV).
	maxMessages = 1024
	// loopbackMTU is what Linux shows for lo, bytes.
	loopbackMTU = 65536
	// igmpMaxMSF and mldMaxMSF are how many sources a filter may have where the stack does not say, Linux's
	// net.ipv4.igmp_max_msf and net.ipv6.mld_max_msf.
	igmpMaxMSF = 10
	mldMaxMSF  = 64
)
