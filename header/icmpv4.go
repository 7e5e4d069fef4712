package header

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed963a8790/netstack/internal/checksum"
	"github.com/seed963a8790/netstack/tcpip"
)

// ICMPv4 is a view of one ICMP message and what is at hand of its payload (RFC 792).
type ICMPv4 []byte

// ICMPv4Size is the length of the header in bytes: type, code, checksum and four bytes that depend on
// the type.
const ICMPv4Size = 8

// ICMPv4Type is the kind of a message (IANA "ICMP Parameters").
type ICMPv4Type uint8

const (
	ICMPv4EchoReply        ICMPv4Type = 0
	ICMPv4Unreachable      ICMPv4Type = 3
	ICMPv4SourceQuench     ICMPv4Type = 4 // deprecated (RFC 6633)
	ICMPv4Redirect         ICMPv4Type = 5
	ICMPv4Echo             ICMPv4Type = 8
	ICMPv4TimeExceeded     ICMPv4Type = 11
	ICMPv4ParameterProblem ICMPv4Type = 12
	ICMPv4Timestamp        ICMPv4Type = 13
	ICMPv4TimestampReply   ICMPv4Type = 14
)

var icmpv4TypeNames = [...]string{
	0: "echo reply", 3: "unreachable", 4: "source quench", 5: "redirect", 8: "echo", 11: "time exceeded",
	12: "parameter problem", 13: "timestamp", 14: "timestamp reply",
}

// String returns the type's name, or its number.
func (t ICMPv4Type) String() string { return nameOr(icmpv4TypeNames[:], uint8(t)) }

// IsError reports whether t reports an error about a packet that it quotes (RFC 1122 §3.2.2).
func (t ICMPv4Type) IsError() bool {
	switch t {
	case ICMPv4Unreachable, ICMPv4SourceQuench, ICMPv4Redirect, ICMPv4TimeExceeded, ICMPv4ParameterProblem:
		return true
	}
	return false
}

// ICMPv4Code refines a type.
type ICMPv4Code uint8

// Codes of ICMPv4Unreachable (RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1).
const (
	ICMPv4NetUnreachable      ICMPv4Code = 0
	ICMPv4HostUnreachable     ICMPv4Code = 1
	ICMPv4ProtocolUnreachable ICMPv4Code = 2
	ICMPv4PortUnreachable     ICMPv4Code = 3
	ICMPv4FragmentationNeeded ICMPv4Code = 4
	ICMPv4SourceRouteFailed   ICMPv4Code = 5
	ICMPv4NetUnknown          ICMPv4Code = 6
	ICMPv4HostUnknown         ICMPv4Code = 7
	ICMPv4HostIsolated        ICMPv4Code = 8
	ICMPv4NetProhibited       ICMPv4Code = 9
	ICMPv4HostProhibited      ICMPv4Code = 10
	ICMPv4NetTOS              ICMPv4Code = 11
	ICMPv4HostTOS             ICMPv4Code = 12
	ICMPv4AdminProhibited     ICMPv4Code = 13
	ICMPv4PrecedenceViolation ICMPv4Code = 14
	ICMPv4PrecedenceCutoff    ICMPv4Code = 15
)

// Codes of ICMPv4TimeExceeded, ICMPv4Redirect and ICMPv4ParameterProblem.
const (
	ICMPv4TTLExceeded        ICMPv4Code = 0
	ICMPv4ReassemblyExceeded ICMPv4Code = 1
	ICMPv4RedirectNet        ICMPv4Code = 0
	ICMPv4RedirectHost       ICMPv4Code = 1
	ICMPv4PointerIndicates   ICMPv4Code = 0
	ICMPv4MissingOption      ICMPv4Code = 1
)

// ParseICMPv4 returns the message b.
func ParseICMPv4(b []byte) (ICMPv4, tcpip.Drop) {
	if len(b) < ICMPv4Size {
		return nil, tcpip.DropShort
	}
	return ICMPv4(b), tcpip.DropNone
}

func (h ICMPv4) Type() ICMPv4Type { return ICMPv4Type(h[0]) }
func (h ICMPv4) Code() ICMPv4Code { return ICMPv4Code(h[1]) }
func (h ICMPv4) Checksum() uint16 { return binary.BigEndian.Uint16(h[2:]) }
func (h ICMPv4) Rest() uint32     { return binary.BigEndian.Uint32(h[4:]) } // what the fields below are parts of

func (h ICMPv4) ID() uint16          { return binary.BigEndian.Uint16(h[4:]) }   // echo
func (h ICMPv4) Sequence() uint16    { return binary.BigEndian.Uint16(h[6:]) }   // echo
func (h ICMPv4) NextHopMTU() uint16  { return binary.BigEndian.Uint16(h[6:]) }   // fragmentation needed, bytes (RFC 1191 §4)
func (h ICMPv4) Pointer() uint8      { return h[4] }                             // parameter problem
func (h ICMPv4) Gateway() netip.Addr { return netip.AddrFrom4([4]byte(h[4:8])) } // redirect
func (h ICMPv4) Payload() []byte     { return h[ICMPv4Size:] }                   // an error's is the packet it quotes
func (h ICMPv4) ChecksumValid() bool { return checksum.Sum(h) == 0xffff }        // of a whole message

func (h ICMPv4) SetType(t ICMPv4Type) { h[0] = uint8(t) }
func (h ICMPv4) SetCode(c ICMPv4Code) { h[1] = uint8(c) }
func (h ICMPv4) SetChecksum(v uint16) { binary.BigEndian.PutUint16(h[2:], v) }
func (h ICMPv4) SetID(v uint16)       { binary.BigEndian.PutUint16(h[4:], v) }
func (h ICMPv4) SetSequence(v uint16) { binary.BigEndian.PutUint16(h[6:], v) }

// UpdateChecksum computes the checksum of a whole message afresh.
func (h ICMPv4) UpdateChecksum() {
	h.SetChecksum(0)
	h.SetChecksum(^checksum.Sum(h))
}

// ICMPv4Fields is what an ICMP header says.
type ICMPv4Fields struct {
	Type     ICMPv4Type
	Code     ICMPv4Code
	Checksum uint16
	Rest     uint32 // see ICMPRestEcho and its siblings
}

// Encode writes the header to the first ICMPv4Size bytes of b and returns b as a view.
func (f *ICMPv4Fields) Encode(b []byte) ICMPv4 {
	h := ICMPv4(b)
	h[0], h[1] = uint8(f.Type), uint8(f.Code)
	h.SetChecksum(f.Checksum)
	binary.BigEndian.PutUint32(h[4:], f.Rest)
	return h
}

// ICMPRestEcho returns the Rest of an echo or its reply, for both families.
func ICMPRestEcho(id, sequence uint16) uint32 { return uint32(id)<<16 | uint32(sequence) }

// ICMPv4RestPointer returns the Rest of a parameter problem at the given byte of the header.
func ICMPv4RestPointer(pointer uint8) uint32 { return uint32(pointer) << 24 }

// ICMPv4RestGateway returns the Rest of a redirect to an IPv4 address.
func ICMPv4RestGateway(a netip.Addr) uint32 {
	v := a.As4()
	return binary.BigEndian.Uint32(v[:])
}
