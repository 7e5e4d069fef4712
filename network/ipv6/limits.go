package ipv6

const (
	// maxMLD is how long a packet with a message of multicast listener discovery may be: it is copied into one piece.
	// A query of an Ethernet's MTU names 89 sources.
	maxMLD = 16384
	// maxHeaders is how many bytes of a packet may be extension headers; a chain that ends behind them
	// is dropped. A first fragment has to hold the whole chain (RFC 7112), so none is longer than an MTU.
	maxHeaders = 2048
	// maxPeek is how many bytes of a packet in pieces are searched for an ICMPv6 error that must not be
	// answered.
	maxPeek = 512
)
