package header

import (
	"encoding/binary"
	"net/netip"
	"strings"

	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// TCP is a view of one TCP segment, header and what is at hand of the data (RFC 9293 §3.1).
type TCP []byte

const (
	TCPSize        = 20 // bytes, without options
	TCPMaxSize     = 60 // bytes, with options
	TCPOptionSpace = TCPMaxSize - TCPSize
)

// TCPFlags are a segment's control bits, with the values they have in its 13th and 14th byte.
type TCPFlags uint16

const (
	FIN TCPFlags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE // RFC 3168 §6.1
	CWR // RFC 3168 §6.1
	AE  // accurate ECN; once the ECN nonce
)

// tcpFlagOrder is the order in which flags are printed.
var tcpFlagOrder = [...]struct {
	flag TCPFlags
	name string
}{{SYN, "SYN"}, {FIN, "FIN"}, {RST, "RST"}, {PSH, "PSH"}, {ACK, "ACK"}, {URG, "URG"}, {ECE, "ECE"}, {CWR, "CWR"}, {AE, "AE"}}

// String returns the flags joined by bars, as in "SYN|ACK", or "none".
func (f TCPFlags) String() string {
	var names [len(tcpFlagOrder)]string
	n := 0
	for _, o := range tcpFlagOrder {
		if f&o.flag != 0 {
			names[n] = o.name
			n++
		}
	}
	if n == 0 {
		return "none"
	}
	return strings.Join(names[:n], "|")
}

// ParseTCPFlags is the inverse of String. It reports false at a name that it does not know.
func ParseTCPFlags(s string) (TCPFlags, bool) {
	var f TCPFlags
	if s == "none" {
		return 0, true
	}
	for name := range strings.SplitSeq(s, "|") {
		was := f
		for _, o := range tcpFlagOrder {
			if o.name == name {
				f |= o.flag
			}
		}
		if f == was {
			return 0, false
		}
	}
	return f, true
}

// ParseTCP returns the segment b. The header must be at hand; data may be in other pieces, since
// nothing in the header says how much there is.
func ParseTCP(b []byte) (TCP, tcpip.Drop) {
	if len(b) < TCPSize {
		return nil, tcpip.DropShort
	}
	h := TCP(b)
	n := h.HeaderLen()
	if n < TCPSize {
		return nil, tcpip.DropBadLength
	}
	if n > len(b) {
		return nil, tcpip.DropShort
	}
	return h, tcpip.DropNone
}

func (h TCP) SrcPort() uint16  { return binary.BigEndian.Uint16(h[0:]) }
func (h TCP) DstPort() uint16  { return binary.BigEndian.Uint16(h[2:]) }
func (h TCP) Seq() seq.Number  { return seq.Number(binary.BigEndian.Uint32(h[4:])) }
func (h TCP) Ack() seq.Number  { return seq.Number(binary.BigEndian.Uint32(h[8:])) }
func (h TCP) HeaderLen() int   { return int(h[12]>>4) * 4 } // bytes, options included
func (h TCP) Flags() TCPFlags  { return TCPFlags(binary.BigEndian.Uint16(h[12:]) & 0x1ff) }
func (h TCP) Window() uint16   { return binary.BigEndian.Uint16(h[14:]) } // not scaled; unsigned (RFC 9293 §3.1, MUST-1)
func (h TCP) Checksum() uint16 { return binary.BigEndian.Uint16(h[16:]) }
func (h TCP) Urgent() uint16   { return binary.BigEndian.Uint16(h[18:]) } // octets from Seq
func (h TCP) Header() []byte   { return h[:h.HeaderLen()] }
func (h TCP) Options() []byte  { return h[TCPSize:h.HeaderLen()] } // see DecodeTCPOptions
func (h TCP) Payload() []byte  { return h[h.HeaderLen():] }        // as much as is at hand

// ChecksumValid reports whether the segment, which must be whole, adds up.
func (h TCP) ChecksumValid(src, dst netip.Addr) bool {
	return TransportChecksum(ProtocolTCP, src, dst, h) == 0
}

func (h TCP) SetSrcPort(v uint16)  { binary.BigEndian.PutUint16(h[0:], v) }
func (h TCP) SetDstPort(v uint16)  { binary.BigEndian.PutUint16(h[2:], v) }
func (h TCP) SetSeq(v seq.Number)  { binary.BigEndian.PutUint32(h[4:], uint32(v)) }
func (h TCP) SetAck(v seq.Number)  { binary.BigEndian.PutUint32(h[8:], uint32(v)) }
func (h TCP) SetWindow(v uint16)   { binary.BigEndian.PutUint16(h[14:], v) }
func (h TCP) SetChecksum(v uint16) { binary.BigEndian.PutUint16(h[16:], v) }
func (h TCP) SetUrgent(v uint16)   { binary.BigEndian.PutUint16(h[18:], v) }

// SetFlags sets the control bits and leaves the header length alone.
func (h TCP) SetFlags(f TCPFlags) { h[12], h[13] = h[12]&^1|uint8(f>>8)&1, uint8(f) }

// TCPFields is what a TCP header says, without its options.
type TCPFields struct {
	SrcPort, DstPort uint16
	Seq, Ack         seq.Number
	Flags            TCPFlags
	Window           uint16 // not scaled
	Checksum         uint16
	Urgent           uint16 // octets from Seq
}

// Encode writes the header with options, which may be nil for none, to the front of b, and returns b
// as a view. Its HeaderLen is TCPSize + options.Size().
func (f *TCPFields) Encode(b []byte, options *TCPOptions) TCP {
	h := TCP(b)
	n := TCPSize
	if options != nil {
		n += options.Encode(h[TCPSize:])
	}
	h.SetSrcPort(f.SrcPort)
	h.SetDstPort(f.DstPort)
	h.SetSeq(f.Seq)
	h.SetAck(f.Ack)
	binary.BigEndian.PutUint16(h[12:], uint16(n/4)<<12|uint16(f.Flags)&0x1ff)
	h.SetWindow(f.Window)
	h.SetChecksum(f.Checksum)
	h.SetUrgent(f.Urgent)
	return h
}

// Decode fills f with what h says.
func (h TCP) Decode(f *TCPFields) {
	*f = TCPFields{
		SrcPort: h.SrcPort(), DstPort: h.DstPort(), Seq: h.Seq(), Ack: h.Ack(), Flags: h.Flags(),
		Window: h.Window(), Checksum: h.Checksum(), Urgent: h.Urgent(),
	}
}
