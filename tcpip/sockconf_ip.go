package tcpip

import "math/bits"

// IPConf is the part of SocketConf that few endpoints change.
type IPConf struct {
	DontRoute      bool // send to neighbours only
	BindNoPort     bool // Bind with an address alone leaves the port to Connect
	PortRange      int  // of ephemeral ports: the lowest in the low 16 bits, the highest above; 0: the stack's
	UnicastNIC4    NICID
	UnicastNIC6    NICID
	MTU6           int // bytes of the largest packet sent over IPv6; 0: the path's
	FlowInfoSend   bool
	AutoFlowLabel  bool
	MinHops        uint8
	SourceTaste    SourceTaste
	ReceivePathMTU bool // tell of a "too big" over IPv6 when reading

	// What is told of received packets.
	ReceiveOptions, ReturnOptions      bool // IPv4 options: as they came; as an answer has them
	ReceiveOriginal4, ReceiveOriginal6 bool
	ReceiveSum                         bool
	ReceiveFragment4, ReceiveFragment6 bool
	ReceiveFlowInfo                    bool

	// IPv6 extension headers, by RFC 3542 and by RFC 2292, and what else that one has.
	ReceiveHopOpts, ReceiveRouting, ReceiveDestOpts bool
	OldHopOpts, OldRouting, OldDestOpts             bool
	OldPacketInfo, OldHopLimit                      bool
}

// FewestHops returns the lowest TTL or hop limit that a received packet may have (IP_MINTTL, IPV6_MINHOPCOUNT).
func (c *SocketConf) FewestHops(v6 bool) uint8 {
	if v6 {
		return c.MinHops
	}
	return c.MinTTL
}

// TurnsPath reports whether setting an option to v, which had the value in was and has that in now, makes Linux forget the
// way to the peer, and its path MTU with it, until something is sent: whether it could lead elsewhere is not looked at.
func TurnsPath(id OptionID, v int, was, now *SocketConf) bool {
	switch id {
	case SO_DONTROUTE, SO_BINDTOIFINDEX:
		return true
	case SO_MARK:
		return was.Mark != now.Mark
	case IP_TOS:
		return int(was.TOS) != v
	case IPV6_TCLASS:
		return was.TrafficClass != now.TrafficClass
	}
	return false
}

// SourceTaste says which of several source addresses an endpoint prefers (RFC 5014). Zero is the stack's default.
type SourceTaste uint8

// The tastes.
const (
	TasteTemporary SourceTaste = 1 << iota // a temporary address before others
	TastePublic                            // others before a temporary address
	TasteCareOf                            // a care-of address before a home address (RFC 6275); there are none here
)

// The numbers of IPV6_ADDR_PREFERENCES.
const (
	preferTemporary = 0x1
	preferPublic    = 0x2
	preferCareOf    = 0x4
	preferDefault   = 0x100
	preferHome      = 0x400
	preferCGA       = 0x8
	preferNoCGA     = 0x800
)

// CheckPortRange is ErrInvalid for a value of IP_LOCAL_PORT_RANGE whose lowest port is above its highest.
func CheckPortRange(v int) Error {
	if low, high := uint16(v), uint16(v>>16); low != 0 && high != 0 && low > high {
		return ErrInvalid
	}
	return OK
}

// CheckPreferences is ErrInvalid for a value of IPV6_ADDR_PREFERENCES that gives more than one answer to a question.
// What is unknown is passed over, and what is not answered goes back to its default, as measured.
func CheckPreferences(v int) Error {
	for _, question := range []int{preferTemporary | preferPublic | preferDefault, preferCareOf | preferHome, preferCGA | preferNoCGA} {
		if bits.OnesCount(uint(v&question)) > 1 {
			return ErrInvalid
		}
	}
	return OK
}

// addrPreferences is what the option shows: what is preferred, or that the default holds.
func addrPreferences(t SourceTaste) (v int) {
	switch {
	case t&TasteTemporary != 0:
		v = preferTemporary
	case t&TastePublic != 0:
		v = preferPublic
	default:
		v = preferDefault
	}
	if t&TasteCareOf != 0 {
		return v | preferCareOf
	}
	return v | preferHome
}
