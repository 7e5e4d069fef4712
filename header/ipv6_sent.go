package header

import (
	"encoding/binary"
	"net/netip"
)

// IPv6Sent are the extension headers of packets that a program sends, each found to be good by
// CheckIPv6Extension or CheckIPv6Routing, or empty. The byte that names what follows a header is put in by Encode.
type IPv6Sent struct {
	HopByHop       []byte
	RoutingOptions []byte // destination options in front of Routing, without which they are not sent
	Routing        []byte
	Options        []byte // destination options
}

// CheckIPv6Extension returns the header at the front of b as far as its own length goes. It reports false for one
// that is no whole number of eight bytes, is cut short, or is longer than any can be (RFC 8200 §4.3). Its
// options are the program's affair, as on Linux.
func CheckIPv6Extension(b []byte) ([]byte, bool) {
	if len(b)%8 != 0 || len(b) > 8*255 {
		return nil, false
	}
	return CutIPv6Extension(b)
}

// CutIPv6Extension is CheckIPv6Extension for a header that bytes of any number may follow.
func CutIPv6Extension(b []byte) ([]byte, bool) {
	if len(b) < 8 {
		return nil, false
	}
	n := 8 + 8*int(b[1])
	if n > len(b) {
		return nil, false
	}
	return b[:n:n], true
}

// routingSegments is the type of the routing header with segments (RFC 8754 §2).
const routingSegments = 4

// CheckIPv6Routing is CheckIPv6Extension for a routing header. Of the types only that with segments can be sent:
// type 0 is deprecated (RFC 5095 §3), and others belong to protocols that are not here.
func CheckIPv6Routing(b []byte) ([]byte, bool) {
	b, ok := CheckIPv6Extension(b)
	if !ok || b[2] != routingSegments {
		return nil, false
	}
	last, left := int(b[4]), int(b[3])
	at := 8 + 16*(last+1)
	if at > len(b) || left > last {
		return nil, false
	}
	for at < len(b) { // the objects behind the segments (RFC 8754 §2.1)
		if b[at] == 0 {
			at++
			continue
		}
		if at+2 > len(b) {
			return nil, false
		}
		at += 2 + int(b[at+1])
	}
	return b, at == len(b)
}

// FirstHop returns where the routing header sends a packet first, the zero Addr if there is none.
func (s *IPv6Sent) FirstHop() netip.Addr {
	if s.Routing == nil {
		return netip.Addr{}
	}
	return netip.AddrFrom16([16]byte(s.Routing[8+16*int(s.Routing[3]):]))
}

// Before returns the bytes of those headers that are in every fragment of a packet. Destination options without
// a routing header are too, as on Linux.
func (s *IPv6Sent) Before() int {
	n := len(s.HopByHop)
	if s.Routing == nil {
		return n + len(s.Options)
	}
	return n + len(s.RoutingOptions) + len(s.Routing)
}

// Len returns the bytes of all headers.
func (s *IPv6Sent) Len() int {
	if s.Routing == nil {
		return s.Before()
	}
	return s.Before() + len(s.Options)
}

// Encode writes the headers of a packet to dst to the first Len bytes of b, with next behind them, and returns
// what the IPv6 header is to name.
func (s *IPv6Sent) Encode(b []byte, next Protocol, dst netip.Addr) Protocol {
	first := next
	at := &first // where the next header is to be named
	put := func(h []byte, p Protocol) {
		if len(h) == 0 {
			return
		}
		*at = p
		copy(b, h)
		at = (*Protocol)(&b[0])
		*at = next
		b = b[len(h):]
	}
	put(s.HopByHop, ProtocolHopByHop)
	if s.Routing != nil {
		put(s.RoutingOptions, ProtocolDestOptions)
		header := b
		put(s.Routing, ProtocolRouting)
		copy(header[8:24], dst.AsSlice()) // the last segment stands first
	}
	put(s.Options, ProtocolDestOptions)
	return first
}

// IPv6ExtHeader is an extension header of a received packet.
type IPv6ExtHeader struct {
	Protocol Protocol
	Bytes    []byte
}

// IPv6ExtHeaders returns the extension headers of h, which have been walked before, in their order and as far as
// the fragment header, which is left out.
func IPv6ExtHeaders(h []byte) (list []IPv6ExtHeader) {
	if len(h) < IPv6Size {
		return nil
	}
	next, b := Protocol(h[ipv6NextHeaderAt]), h[IPv6Size:]
	for len(list) < IPv6MaxExtHeaders && next.isExtension() && len(b) >= 8 {
		n := 8 + 8*int(b[1])
		if next == ProtocolFragment {
			n = IPv6FragmentSize
		}
		if n > len(b) {
			break
		}
		if next != ProtocolFragment {
			list = append(list, IPv6ExtHeader{next, b[:n:n]})
		}
		next, b = Protocol(b[0]), b[n:]
	}
	return list
}

// FlowInfo returns the traffic class and the flow label of an IPv6 header, as sin6_flowinfo has them.
func (h IPv6) FlowInfo() uint32 { return binary.BigEndian.Uint32(h) & 0x0fffffff }
