package packet

// The bounds of this package. Unit, reason and source stand beside each.
const (
	// maxWrite is the longest packet that is sent, bytes: a super-segment with its link header.
	maxWrite = 65535 + 14
	// vlanSize is what a frame on Ethernet may be longer than the MTU if it has a VLAN tag, bytes (VLAN_HLEN).
	vlanSize = 4
	// maxMemberships bounds the different memberships of one endpoint.
	maxMemberships = 256
	// maxRing bounds the memory of one ring in bytes; libpcap asks for 2 MB, and Linux gives what there is.
	maxRing = 256 << 20
	// pageSize is what the blocks of a ring are a multiple of, bytes.
	pageSize = 4096
	// maxReserve bounds PACKET_RESERVE, bytes.
	maxReserve = 1<<31 - 1
	// defaultFanout bounds the endpoints of a fanout group where the first did not say, maxFanout what it may say (Linux's
	// PACKET_FANOUT_MAX). The groups' numbers have 16 bits, which bounds those.
	defaultFanout = 256
	maxFanout     = 1 << 16
)
