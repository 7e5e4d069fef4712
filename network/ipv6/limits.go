package ipv6

const (
	// maxHeaders is how many bytes of a packet may be extension headers; a chain that ends behind them
	// is dropped. A first fragment has to hold the whole chain (RFC 7112), so none is longer than an MTU.
	maxHeaders = 2048
)
