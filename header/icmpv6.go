package header

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip"
)

// ICMPv6 is a view of one ICMPv6 message and what is at hand of its payload (RFC 4443 §2.1). The
// messages of neighbour discovery and of multicast listener discovery are entered through it.
type ICMPv6 []byte

// ICMPv6Size is the length of the header in bytes: type, code, checksum and four bytes that depend on
// the type. Every defined message has them.
const ICMPv6Size = 8

// ICMPv6Type is the kind of a message (IANA "ICMPv6 Parameters").
type ICMPv6Type uint8

const (
	ICMPv6Unreachable      ICMPv6Type = 1
	ICMPv6PacketTooBig     ICMPv6Type = 2
	ICMPv6TimeExceeded     ICMPv6Type = 3
	ICMPv6ParameterProblem ICMPv6Type = 4
	ICMPv6Echo             ICMPv6Type = 128
	ICMPv6EchoReply        ICMPv6Type = 129
	ICMPv6MLDQuery         ICMPv6Type = 130 // RFC 2710, RFC 3810
	ICMPv6MLDv1Report      ICMPv6Type = 131 // RFC 2710
	ICMPv6MLDv1Done        ICMPv6Type = 132 // RFC 2710
	ICMPv6RouterSolicit    ICMPv6Type = 133 // RFC 4861, and so on to 137
	ICMPv6RouterAdvert     ICMPv6Type = 134
	ICMPv6NeighborSolicit  ICMPv6Type = 135
	ICMPv6NeighborAdvert   ICMPv6Type = 136
	ICMPv6Redirect         ICMPv6Type = 137
	ICMPv6MLDv2Report      ICMPv6Type = 143 // RFC 3810
)

var icmpv6TypeNames = [...]string{
	1: "unreachable", 2: "packet too big", 3: "time exceeded", 4: "parameter problem", 128: "echo", 129: "echo reply",
	130: "MLD query", 131: "MLDv1 report", 132: "MLDv1 done", 133: "router solicitation", 134: "router advertisement",
	135: "neighbor solicitation", 136: "neighbor advertisement", 137: "redirect", 143: "MLDv2 report",
}

// String returns the type's name, or its number.
func (t ICMPv6Type) String() string { return nameOr(icmpv6TypeNames[:], uint8(t)) }

// IsError reports whether t reports an error about a packet that it quotes (RFC 4443 §2.1). A redirect
// is not one, but no error may be sent about it either (RFC 4443 §2.4 e.2).
func (t ICMPv6Type) IsError() bool { return t < 128 }

// IsNDP reports whether t belongs to neighbour discovery (RFC 4861 §4).
func (t ICMPv6Type) IsNDP() bool { return ICMPv6RouterSolicit <= t && t <= ICMPv6Redirect }

// ICMPv6Code refines a type.
type ICMPv6Code uint8

// Codes of ICMPv6Unreachable (RFC 4443 §3.1).
const (
	ICMPv6NoRoute            ICMPv6Code = 0
	ICMPv6AdminProhibited    ICMPv6Code = 1
	ICMPv6BeyondScope        ICMPv6Code = 2
	ICMPv6AddressUnreachable ICMPv6Code = 3
	ICMPv6PortUnreachable    ICMPv6Code = 4
	ICMPv6SourcePolicy       ICMPv6Code = 5
	ICMPv6RejectRoute        ICMPv6Code = 6
)

// Codes of ICMPv6TimeExceeded (RFC 4443 §3.3).
const (
	ICMPv6HopLimitExceeded   ICMPv6Code = 0
	ICMPv6ReassemblyExceeded ICMPv6Code = 1
)

// Codes of ICMPv6ParameterProblem (RFC 4443 §3.4, RFC 7112 §5).
const (
	ICMPv6ErroneousField    ICMPv6Code = 0
	ICMPv6UnknownNextHeader ICMPv6Code = 1
	ICMPv6UnknownOption     ICMPv6Code = 2
	ICMPv6IncompleteChain   ICMPv6Code = 3
)

// ParseICMPv6 returns the message b.
func ParseICMPv6(b []byte) (ICMPv6, tcpip.Drop) {
	if len(b) < ICMPv6Size {
		return nil, tcpip.DropShort
	}
	return ICMPv6(b), tcpip.DropNone
}

func (h ICMPv6) Type() ICMPv6Type { return ICMPv6Type(h[0]) }
func (h ICMPv6) Code() ICMPv6Code { return ICMPv6Code(h[1]) }
func (h ICMPv6) Checksum() uint16 { return binary.BigEndian.Uint16(h[2:]) }
func (h ICMPv6) Rest() uint32     { return binary.BigEndian.Uint32(h[4:]) } // what the fields below are parts of

func (h ICMPv6) ID() uint16       { return binary.BigEndian.Uint16(h[4:]) } // echo
func (h ICMPv6) Sequence() uint16 { return binary.BigEndian.Uint16(h[6:]) } // echo
func (h ICMPv6) MTU() uint32      { return binary.BigEndian.Uint32(h[4:]) } // packet too big, bytes
func (h ICMPv6) Pointer() uint32  { return binary.BigEndian.Uint32(h[4:]) } // parameter problem
func (h ICMPv6) Payload() []byte  { return h[ICMPv6Size:] }                 // an error's is the packet it quotes

// ChecksumValid reports whether the message, which must be whole, adds up.
func (h ICMPv6) ChecksumValid(src, dst netip.Addr) bool {
	return TransportChecksum(ProtocolICMPv6, src, dst, h) == 0
}

func (h ICMPv6) SetType(t ICMPv6Type) { h[0] = uint8(t) }
func (h ICMPv6) SetCode(c ICMPv6Code) { h[1] = uint8(c) }
func (h ICMPv6) SetChecksum(v uint16) { binary.BigEndian.PutUint16(h[2:], v) }
func (h ICMPv6) SetID(v uint16)       { binary.BigEndian.PutUint16(h[4:], v) }
func (h ICMPv6) SetSequence(v uint16) { binary.BigEndian.PutUint16(h[6:], v) }

// UpdateChecksum computes the checksum of a whole message afresh.
func (h ICMPv6) UpdateChecksum(src, dst netip.Addr) {
	h.SetChecksum(0)
	h.SetChecksum(TransportChecksum(ProtocolICMPv6, src, dst, h))
}

// ICMPv6Fields is what an ICMPv6 header says.
type ICMPv6Fields struct {
	Type     ICMPv6Type
	Code     ICMPv6Code
	Checksum uint16
	Rest     uint32 // the MTU, the pointer, or ICMPRestEcho
}

// Encode writes the header to the first ICMPv6Size bytes of b and returns b as a view.
func (f *ICMPv6Fields) Encode(b []byte) ICMPv6 {
	h := ICMPv6(b)
	h[0], h[1] = uint8(f.Type), uint8(f.Code)
	h.SetChecksum(f.Checksum)
	binary.BigEndian.PutUint32(h[4:], f.Rest)
	return h
}
