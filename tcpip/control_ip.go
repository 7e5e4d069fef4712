package tcpip

// IPControl is the part of ControlRare that is about the headers of IPv4 and IPv6. The bytes are borrowed when
// sending; received, they are the reader's.
type IPControl struct {
	// Network is the network header of a received packet that had options or extension headers, with them.
	Network  []byte
	FlowInfo uint32 // traffic class and flow label; sending, the label alone
	Fragment int    // bytes of the largest fragment that a received packet came in
	Sum      uint32 // of the bytes received, as Linux has it: of words in the machine's order, folded to 32 bits
	PathMTU  int    // of the way to Received.From, bytes: nothing else was received

	Options []byte // sending: IPv4 options
	// Sending: IPv6 extension headers, each with a place for the byte that names what follows.
	HopOpts, RoutingOpts, Routing, DestOpts []byte
	DontFragment                            bool // sending, IPv6
}

// The fields of IPControl. Fields that are there without a bit are nil or zero otherwise. They count down, so that
// they do not meet those that count up.
const (
	HasOptions      ControlFields = 1 << (31 - iota) // Options, when sending
	HasExtensions                                    // one of the four headers, when sending: those of the endpoint are not sent then
	HasDontFragment                                  // when sending
	HasFlowInfo
	HasNetwork
	HasFragment
	HasSum
	HasPathMTU
)
