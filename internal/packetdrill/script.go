package packetdrill

import (
	"net/netip"
	"time"

	"github.com/seed963a8790/netstack/header"
)

// Script is a parsed script.
type Script struct {
	Name    string
	Options []Option // of the lines at its top, in order
	Init    []string // commands before the first event
	Events  []Event
	Cleanup []string // commands behind the last event, without a time
}

// Option is a line --name=value.
type Option struct {
	Name, Value string
	Line        int
}

// Event is one thing that happens. Exactly one of Packet, Call, Command and Code is there.
type Event struct {
	Line    int
	Time    Time
	Packet  *Packet
	Call    *Call
	Command string // for the shell
	Code    string // assertions
}

// TimeKind is how the time of an event is written.
type TimeKind uint8

// The kinds.
const (
	Absolute      TimeKind = iota // since the script began
	Relative                      // since the previous event
	AnyTime                       // *
	AbsoluteRange                 // a~b
	RelativeRange                 // +a~+b
)

// Time is when an event happens, or may.
type Time struct {
	Kind     TimeKind
	At       time.Duration
	Until    time.Duration // of ranges
	Blocking bool          // a...b: a call that returns at End
	End      time.Duration // as At
	untimed  bool          // while parsing: none was written
}

// Packet is one line with a packet.
type Packet struct {
	Inbound bool // < : injected; else > : expected
	IP      IPInfo
	Outer   []Encapsulation // outermost first

	SrcPort, DstPort uint16 // 0: the script's
	TCP              *TCP
	UDP              *UDP
	ICMP             *ICMP
}

// IPInfo is what a line says of the IP header. A nil field is not checked, and has its default when sent.
type IPInfo struct {
	TOS       *uint8
	ECN       *ECN
	FlowLabel *uint32
	TTL       *uint8
}

// ECN is what a line says of the ECN field.
type ECN uint8

// The values; ECT01 is either of the two, and only checked.
const (
	NoECN ECN = 0
	ECT1  ECN = 1
	ECT0  ECN = 2
	CE    ECN = 3
	ECT01 ECN = 4
	// ECNCapable is any but NoECN, and only checked.
	ECNCapable ECN = 5
)

// Encapsulation is an outer header.
type Encapsulation struct {
	Kind     string // ipv4, ipv6, gre, mpls
	Src, Dst netip.Addr
	Labels   []uint32 // of mpls
}

// TCP is a TCP segment.
type TCP struct {
	Flags      header.TCPFlags
	Accurate   *uint8 // the ACE count of RFC 9768, in place of AE, CWR and ECE
	Seq, End   uint32
	Length     int
	Ack        uint32
	HasAck     bool
	Window     *uint32 // nil: not written
	Urgent     uint16
	HasOptions bool // <...> is false: anything goes
	AnyOptions bool
	Options    []TCPOption
}

// TCPOption is one option. Which fields have a meaning depends on Kind.
type TCPOption struct {
	Kind   uint8
	Name   string // as written
	Value  uint32
	Blocks []SACKBlock
	Val    TimestampValue
	Ecr    TimestampValue
	Data   []byte
	Length int // of generic options: the length byte
}

// SACKBlock is a range of sequence numbers of the script.
type SACKBlock struct{ Left, Right uint32 }

// TimestampValue is a number or anything.
type TimestampValue struct {
	Any   bool
	Value uint32
}

// UDP is a datagram.
type UDP struct{ Length int }

// ICMP is a message about a packet, or an echo.
type ICMP struct {
	Type, Code string
	MTU        uint32
	HasMTU     bool
	ID, Seq    uint16
	About      *Packet // the packet that it quotes; nil: the last one sent
	Length     int     // of an echo's data
}

// Call is a system call.
type Call struct {
	Name   string
	Args   []Value
	Result Value
	Errno  string // "" if it succeeds
}

// ValueKind is the kind of a Value.
type ValueKind uint8

// The kinds.
const (
	Ellipsis ValueKind = iota // ...: whatever fits
	Number
	String
	Symbol // a name
	Expr   // List joined by the operators in Str, from the left
	Array  // [a, b]
	Struct
	FuncCall // htons(80)
	Star     // *: anything
)

// Value is an argument or result.
type Value struct {
	Kind   ValueKind
	Int    int64
	Str    string // String, Symbol and FuncCall: text or name; Expr: a character per operator, < for <<
	List   []Value
	Fields []Field // Struct
	Line   int
}

// Field is one field of a struct. Name may be empty; Size is that of name(size)=value, nil if there is none.
type Field struct {
	Name  string
	Size  *Value
	Value Value
}
