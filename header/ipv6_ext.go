package header

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/tcpip"
)

// IPv6Chain is what a walk over a packet's extension headers found. Offsets count bytes from the start
// of the IPv6 header.
type IPv6Chain struct {
	Protocol Protocol // of the upper layer; ProtocolNoNext if there is none
	Offset   int      // of the upper layer's first byte; in a later fragment, of its data

	Fragment    IPv6Fragment // zero if there is no fragment header
	Routing     IPv6Routing  // the last; zero if there is no routing header
	RouterAlert IPv6Alert    // zero if there is no router alert option

	// Problem is what an ICMPv6 parameter problem is to say about a dropped packet.
	Problem IPv6Problem
}

// IPv6Fragment is a packet's fragment header (RFC 8200 §4.5).
type IPv6Fragment struct {
	At     int      // offset of the fragment header, so never 0 if there is one; what follows it is the data
	NextAt int      // offset of the byte that says ProtocolFragment
	Next   Protocol // of the first header in the data
	Offset int      // of the data in the datagram, bytes
	More   bool     // the M flag
	ID     uint32
}

// IPv6FragmentSize is the length of a fragment header in bytes.
const IPv6FragmentSize = 8

// Present reports whether there is a fragment header.
func (f *IPv6Fragment) Present() bool { return f.At != 0 }

// Atomic reports whether the fragment is the whole datagram, and is so treated alone (RFC 6946).
func (f *IPv6Fragment) Atomic() bool { return f.Offset == 0 && !f.More }

// DataAt returns the offset of the fragment's data.
func (f *IPv6Fragment) DataAt() int { return f.At + IPv6FragmentSize }

// Encode writes the fragment header to the first IPv6FragmentSize bytes of b.
func (f *IPv6Fragment) Encode(b []byte) {
	b[0], b[1] = uint8(f.Next), 0
	v := uint16(f.Offset) &^ 7
	if f.More {
		v |= 1
	}
	binary.BigEndian.PutUint16(b[2:], v)
	binary.BigEndian.PutUint32(b[4:], f.ID)
}

// IPv6Routing is a packet's routing header (RFC 8200 §4.4).
type IPv6Routing struct {
	At           int // offset of the header, so never 0 if there is one
	Type         uint8
	SegmentsLeft uint8
}

// IPv6Alert is a router alert option (RFC 2711).
type IPv6Alert struct {
	Present bool
	Value   uint16 // 0: multicast listener discovery
}

// IPv6Problem is a parameter problem to be reported (RFC 4443 §3.4).
type IPv6Problem struct {
	Report  IPv6Report
	Code    ICMPv6Code
	Pointer uint32 // offset of the offending byte
}

// IPv6Report says when a problem is to be reported.
type IPv6Report uint8

const (
	ReportNever   IPv6Report = iota // silently drop
	ReportUnicast                   // unless the destination is a group (RFC 4443 §2.4 e.3)
	ReportAlways                    // whatever the destination (its exception 2)
)

const (
	// IPv6MaxExtHeaders bounds a chain of extension headers. RFC 8200 §4.1 recommends an order in which
	// there are at most seven; a longer chain is an attack.
	IPv6MaxExtHeaders = 8
	// IPv6MaxOptions bounds the options in one header, padding aside (RFC 8504 §5.3; Linux's
	// max_dst_opts_number and max_hbh_opts_number).
	IPv6MaxOptions = 8
	// IPv6MaxPadding bounds consecutive padding in bytes: no alignment asks for more (RFC 8504 §5.3).
	IPv6MaxPadding = 7
)

// Types of IPv6 options (IANA "Destination Options and Hop-by-Hop Options").
const (
	ipv6OptPad1        = 0
	ipv6OptPadN        = 1
	ipv6OptRouterAlert = 5
)

// WalkExt fills c by walking h's extension headers as the packet's destination does. If it returns
// DropNone, c.Protocol at c.Offset is what remains to be handled, c.Offset <= len(h), and every option
// was one to be skipped or known. Otherwise c.Problem says what to report.
//
// At a fragment header the walk goes on only through a first fragment, whose data must hold the whole
// chain and the upper layer's header (RFC 7112 §5, else DropFragmentTiny); options behind it wait for
// the reassembled packet, which WalkExtFrom takes. A later fragment ends the walk: Protocol is then
// that of its fragment header.
//
// Headers may come in any order and number (RFC 8200 §4.1), but for hop-by-hop options, which come first, and
// the fragment header, which comes once.
func (h IPv6) WalkExt(c *IPv6Chain) tcpip.Drop {
	*c = IPv6Chain{Protocol: h.NextHeader(), Offset: IPv6Size}
	if !c.Protocol.isExtension() {
		return tcpip.DropNone
	}
	return h.walk(c, ipv6NextHeaderAt)
}

// WalkExtFrom is WalkExt from a header in the middle: next begins at offset, and the byte at nextAt
// says so. c must be that of the packet's earlier walk; its Fragment stays.
func (h IPv6) WalkExtFrom(c *IPv6Chain, next Protocol, offset, nextAt int) tcpip.Drop {
	*c = IPv6Chain{Protocol: next, Offset: offset, Fragment: c.Fragment, RouterAlert: c.RouterAlert}
	if offset > len(h) {
		return tcpip.DropShort
	}
	return h.walk(c, nextAt)
}

// WalkHopByHop fills c by looking at the hop-by-hop options only, as a router does (RFC 8200 §4). It
// leaves c at the header behind them.
func (h IPv6) WalkHopByHop(c *IPv6Chain) tcpip.Drop {
	*c = IPv6Chain{Protocol: h.NextHeader(), Offset: IPv6Size}
	if c.Protocol != ProtocolHopByHop {
		return tcpip.DropNone
	}
	return h.step(c, ipv6NextHeaderAt, checkOptions)
}

const ipv6NextHeaderAt = 6 // offset of the Next Header field of the IPv6 header

// isExtension reports whether p is an extension header that the walk goes through.
func (p Protocol) isExtension() bool {
	switch p {
	case ProtocolHopByHop, ProtocolRouting, ProtocolFragment, ProtocolDestOptions:
		return true
	}
	return false
}

func (h IPv6) walk(c *IPv6Chain, nextAt int) tcpip.Drop {
	options := checkOptions
	for n := 0; c.Protocol.isExtension(); n++ {
		if n == IPv6MaxExtHeaders {
			return tcpip.DropHeaderChain
		}
		switch c.Protocol {
		case ProtocolHopByHop:
			if nextAt != ipv6NextHeaderAt {
				return c.problem(tcpip.DropBadExtHeader, ReportUnicast, ICMPv6UnknownNextHeader, nextAt)
			}
		case ProtocolFragment:
			if c.Fragment.Present() {
				return c.problem(tcpip.DropBadExtHeader, ReportUnicast, ICMPv6UnknownNextHeader, nextAt)
			}
			if drop := h.fragment(c, nextAt); drop != tcpip.DropNone {
				return drop
			}
			if c.Fragment.Offset != 0 {
				return tcpip.DropNone
			}
			if c.Fragment.More {
				options = skipOptions
			}
			nextAt = c.Fragment.At
			continue
		}
		at := c.Offset
		if drop := h.step(c, nextAt, options); drop != tcpip.DropNone {
			return c.truncated(drop)
		}
		nextAt = at
	}
	if c.Fragment.More && c.Offset+minUpperLayer(c.Protocol) > len(h) {
		return c.truncated(tcpip.DropShort)
	}
	return tcpip.DropNone
}

// minUpperLayer returns what must be in a first fragment of an upper layer's header, in bytes. Nothing
// is asked of a protocol that is not ours.
func minUpperLayer(p Protocol) int {
	switch p {
	case ProtocolTCP:
		return TCPSize
	case ProtocolUDP:
		return UDPSize
	case ProtocolICMPv6:
		return ICMPv6Size
	}
	return 0
}

// truncated turns DropShort behind a fragment header into what RFC 7112 §5 says of it.
func (c *IPv6Chain) truncated(drop tcpip.Drop) tcpip.Drop {
	if drop == tcpip.DropShort && c.Fragment.More {
		return c.problem(tcpip.DropFragmentTiny, ReportUnicast, ICMPv6IncompleteChain, 0)
	}
	return drop
}

func (c *IPv6Chain) problem(drop tcpip.Drop, report IPv6Report, code ICMPv6Code, pointer int) tcpip.Drop {
	if report == ReportNever {
		return drop
	}
	c.Problem = IPv6Problem{report, code, uint32(pointer)}
	return drop
}

// fragment takes the fragment header at c.Offset.
func (h IPv6) fragment(c *IPv6Chain, nextAt int) tcpip.Drop {
	if len(h)-c.Offset < IPv6FragmentSize {
		return tcpip.DropShort
	}
	b := h[c.Offset:]
	v := binary.BigEndian.Uint16(b[2:])
	c.Fragment = IPv6Fragment{
		At: c.Offset, NextAt: nextAt, Next: Protocol(b[0]), Offset: int(v &^ 7), More: v&1 != 0,
		ID: binary.BigEndian.Uint32(b[4:]),
	}
	c.Protocol = c.Fragment.Next
	c.Offset += IPv6FragmentSize
	return tcpip.DropNone
}

// optionMode says whether options are looked at.
type optionMode uint8

const (
	checkOptions optionMode = iota
	skipOptions
)

// step takes the extension header at c.Offset, other than a fragment header, and leaves c at the next.
func (h IPv6) step(c *IPv6Chain, nextAt int, mode optionMode) tcpip.Drop {
	b := h[c.Offset:]
	if len(b) < 8 {
		return tcpip.DropShort
	}
	size := 8 + int(b[1])*8
	if size > len(b) {
		return tcpip.DropShort
	}
	switch c.Protocol {
	case ProtocolHopByHop, ProtocolDestOptions:
		if mode == checkOptions {
			if drop := c.options(b[:size]); drop != tcpip.DropNone {
				return drop
			}
		}
	case ProtocolRouting:
		c.Routing = IPv6Routing{At: c.Offset, Type: b[2], SegmentsLeft: b[3]}
		if mode == checkOptions && c.Routing.SegmentsLeft != 0 {
			// No routing type is ours. With segments left it is a problem, and else it is skipped
			// (RFC 8200 §4.4), type 0 as any other (RFC 5095 §3).
			drop := tcpip.DropBadExtHeader
			if c.Routing.Type == 0 {
				drop = tcpip.DropRoutingHeader
			}
			return c.problem(drop, ReportUnicast, ICMPv6ErroneousField, c.Offset+2)
		}
	}
	c.Protocol = Protocol(b[0])
	c.Offset += size
	return tcpip.DropNone
}

// options looks at the options of the header b, which begins at c.Offset (RFC 8200 §4.2).
func (c *IPv6Chain) options(b []byte) tcpip.Drop {
	count, padding := 0, 0
	for at := 2; at < len(b); {
		kind := b[at]
		if kind == ipv6OptPad1 {
			if padding++; padding > IPv6MaxPadding {
				return tcpip.DropBadOption
			}
			at++
			continue
		}
		if at+2 > len(b) || at+2+int(b[at+1]) > len(b) {
			return tcpip.DropBadOption
		}
		value := b[at+2 : at+2+int(b[at+1])]
		if kind == ipv6OptPadN {
			if padding += 2 + len(value); padding > IPv6MaxPadding {
				return tcpip.DropBadOption
			}
			for _, v := range value {
				if v != 0 {
					return tcpip.DropBadOption
				}
			}
			at += 2 + len(value)
			continue
		}
		padding = 0
		if count++; count > IPv6MaxOptions {
			return tcpip.DropHeaderChain
		}
		if kind == ipv6OptRouterAlert && c.Protocol == ProtocolHopByHop {
			if len(value) != 2 {
				return tcpip.DropBadOption
			}
			c.RouterAlert = IPv6Alert{true, binary.BigEndian.Uint16(value)}
		} else if report := unknownOption[kind>>6]; report != skipOption {
			return c.problem(tcpip.DropBadOption, report, ICMPv6UnknownOption, c.Offset+at)
		}
		at += 2 + len(value)
	}
	return tcpip.DropNone
}

// skipOption stands beside the reports for an unknown option that does no harm.
const skipOption = ReportAlways + 1

// unknownOption says what to do with an unknown option by the top two bits of its type (RFC 8200 §4.2).
var unknownOption = [4]IPv6Report{skipOption, ReportNever, ReportAlways, ReportUnicast}

// IPv6RouterAlertSize is the length in bytes of the hop-by-hop header that EncodeIPv6RouterAlert writes.
const IPv6RouterAlertSize = 8

// EncodeIPv6RouterAlert writes to the front of b a hop-by-hop header with a router alert for multicast
// listener discovery (RFC 2711, RFC 3810 §5), followed by next.
func EncodeIPv6RouterAlert(b []byte, next Protocol) {
	copy(b[:IPv6RouterAlertSize], []byte{uint8(next), 0, ipv6OptRouterAlert, 2, 0, 0, ipv6OptPadN, 0})
}
