package linux

// The bounds of everything in this package that can grow. Unit, reason and source stand beside each.
const (
	// maxName is the longest socket address in bytes that a call takes (struct sockaddr_storage).
	maxName = 128
	// maxControl is the most bytes of control messages that one sendmsg takes (net.core.optmem_max).
	maxControl = 131072
	// maxMTU4 is the largest MTU that IPv4 shows, bytes: lo has more.
	maxMTU4 = 65535
	// nameSize is the size of an interface's name with its NUL, bytes (IFNAMSIZ).
	nameSize = 16
	// congestionSize is that of a congestion control algorithm's (TCP_CA_NAME_MAX).
	congestionSize = 16
)
