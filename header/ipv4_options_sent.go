package header

import (
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip"
)

// IPv4Sent are the options of packets that a program sends, found to be good. Its zero value is none.
type IPv4Sent struct {
	b     [IPv4MaxSize - IPv4Size]byte
	size  uint8 // a multiple of 4
	route uint8 // where a source route stands in b, counted from 1; 0: there is none
	// Strict says that the first hop must be a neighbour, as a strict source route has it.
	Strict bool
}

// CompileIPv4Options returns the options that a program gives as b: padded, and without what lies behind the end
// of the list. It reports false for what is malformed, and, as measured on Linux, for a source route that
// is not at its beginning or ends in part of an address. An option that means nothing here is sent as it is.
func CompileIPv4Options(b []byte) (s IPv4Sent, ok bool) {
	if len(b) > len(s.b) {
		return s, false
	}
	options, _, drop := ParseIPv4Options(b)
	if drop != tcpip.DropNone {
		return s, false
	}
	copy(s.b[:], options)
	s.size = uint8(len(b)+3) &^ 3
	for at := 0; at < len(options); {
		kind, n := IPv4OptionType(options[at]), 1
		if kind != IPv4OptNop {
			n = int(options[at+1])
		}
		if kind.IsSourceRoute() {
			if n < 7 || (n-3)%4 != 0 || options[at+2] != 4 {
				return IPv4Sent{}, false
			}
			s.route, s.Strict = uint8(at+1), kind == IPv4OptStrictSourceRoute
		}
		at += n
	}
	return s, true
}

// Len returns the bytes that the options take in a header.
func (s *IPv4Sent) Len() int { return int(s.size) }

// Bytes returns the options as the program gave them, padded. They alias s.
func (s *IPv4Sent) Bytes() []byte { return s.b[:s.size] }

// FirstHop returns where a source route goes first, the zero Addr if there is none.
func (s *IPv4Sent) FirstHop() netip.Addr {
	if s.route == 0 {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte(s.b[s.route+2:]))
}

// To returns the options of a packet to dst. The first hop of a source route is where the packet is addressed
// to; the others move up, and dst becomes the last (RFC 791 §3.1).
func (s *IPv4Sent) To(dst netip.Addr) IPv4Sent {
	to := *s
	if s.route != 0 && dst.Is4() {
		o := to.b[s.route-1:]
		o = o[3:o[1]]
		copy(o, o[4:])
		putAddr4(o[len(o)-4:], dst)
	}
	return to
}

// EchoIPv4Options returns the options of an answer to a packet with the options of h, which have been
// validated, padded: those in which the way is recorded (RFC 1122 §3.2.2.6), in Linux's order. It copies. As on
// Linux it reports false, and there can be no answer, if a recorded route now ends in part of an address.
func EchoIPv4Options(h IPv4) (b []byte, ok bool) {
	options, _, drop := ParseIPv4Options(h.Options())
	if drop != tcpip.DropNone {
		return nil, false
	}
	for _, kind := range []IPv4OptionType{IPv4OptRecordRoute, IPv4OptTimestamp} {
		b = append(b, options.Find(kind)...)
	}
	for len(b)%4 != 0 {
		b = append(b, uint8(IPv4OptEnd))
	}
	return b, true
}
