package header

import (
	"bytes"
	"encoding/binary"
	"iter"
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip"
)

// IPv4Options is a view of the options of one IPv4 header, all of them well-formed (RFC 791 §3.1).
type IPv4Options []byte

// IPv4Option is one option, from its type byte to its end. End of list and no-operation are none.
type IPv4Option []byte

// IPv4OptionType is an option's first byte: copied flag, class and number (IANA "IP Option Numbers").
type IPv4OptionType uint8

const (
	IPv4OptEnd               IPv4OptionType = 0
	IPv4OptNop               IPv4OptionType = 1
	IPv4OptRecordRoute       IPv4OptionType = 7
	IPv4OptTimestamp         IPv4OptionType = 68
	IPv4OptCIPSO             IPv4OptionType = 134 // FIPS 188
	IPv4OptLooseSourceRoute  IPv4OptionType = 131
	IPv4OptStrictSourceRoute IPv4OptionType = 137
	IPv4OptRouterAlert       IPv4OptionType = 148 // RFC 2113
)

// Copied reports whether the option stands in every fragment and not only in the first.
func (t IPv4OptionType) Copied() bool { return t&0x80 != 0 }

// IsSourceRoute reports whether t is one of the two source routes.
func (t IPv4OptionType) IsSourceRoute() bool {
	return t == IPv4OptLooseSourceRoute || t == IPv4OptStrictSourceRoute
}

// ParseIPv4Options returns the options b, which are those of IPv4.Options or what a user wants to have
// sent, cut at the end of list. If they are malformed, or one of those below stands there twice, the
// drop is DropBadOption, and pointer is the offending byte's offset in the header, as an ICMP
// parameter problem reports it.
func ParseIPv4Options(b []byte) (options IPv4Options, pointer uint8, drop tcpip.Drop) {
	if len(b) > IPv4MaxSize-IPv4Size {
		return nil, IPv4MaxSize, tcpip.DropBadOption
	}
	var seen struct{ recordRoute, timestamp, sourceRoute bool }
	once := func(flag *bool) bool { first := !*flag; *flag = true; return first }
	for at := 0; at < len(b); {
		kind := IPv4OptionType(b[at])
		if kind == IPv4OptEnd {
			b = b[:at]
			break
		}
		if kind == IPv4OptNop {
			at++
			continue
		}
		if at+2 > len(b) || b[at+1] < 2 || at+int(b[at+1]) > len(b) {
			return nil, uint8(IPv4Size + at), tcpip.DropBadOption
		}
		option := IPv4Option(b[at : at+int(b[at+1])])
		bad, first := -1, true
		switch kind {
		case IPv4OptRecordRoute:
			bad, first = option.checkRoute(), once(&seen.recordRoute)
		case IPv4OptLooseSourceRoute, IPv4OptStrictSourceRoute:
			bad, first = option.checkRoute(), once(&seen.sourceRoute)
		case IPv4OptTimestamp:
			bad, first = option.checkTimestamp(), once(&seen.timestamp)
		case IPv4OptCIPSO: // a label that nobody here can judge, as measured on Linux
			bad = 0
		case IPv4OptRouterAlert:
			if len(option) < 4 {
				bad = 1
			}
		}
		if !first {
			bad = 0
		}
		if bad >= 0 {
			return nil, uint8(IPv4Size + at + bad), tcpip.DropBadOption
		}
		at += len(option)
	}
	return IPv4Options(b), 0, tcpip.DropNone
}

// checkRoute returns the offset of what is wrong with a route option, or -1. A pointer beyond the end
// means that the route is full.
func (o IPv4Option) checkRoute() int {
	if len(o) < 3 {
		return 1
	}
	if p := int(o[2]); p < 4 || (p <= len(o) && p+3 > len(o)) {
		return 2
	}
	return -1
}

// The flags of a timestamp option.
const (
	ipv4StampOnly      = 0 // timestamps
	ipv4StampAddr      = 1 // each preceded by the address of who stamped
	ipv4StampSpecified = 3 // each preceded by the address of who is to stamp
)

func (o IPv4Option) checkTimestamp() int {
	if len(o) < 4 {
		return 1
	}
	p := int(o[2])
	if p < 5 {
		return 2
	}
	switch flag := o[3] & 15; {
	case p > len(o):
		if flag != ipv4StampSpecified && o[3]>>4 == 15 {
			return 3 // so many stations found no room that the count overflows
		}
	case flag == ipv4StampOnly && p+3 > len(o), (flag == ipv4StampAddr || flag == ipv4StampSpecified) && p+7 > len(o):
		return 2
	}
	return -1 // another flag asks for what nobody knows, and is let through, as on Linux
}

// All walks the options.
func (o IPv4Options) All() iter.Seq[IPv4Option] {
	return func(yield func(IPv4Option) bool) {
		for b := o; len(b) > 0; {
			n := 1
			if IPv4OptionType(b[0]) != IPv4OptNop {
				n = int(b[1])
				if !yield(IPv4Option(b[:n:n])) {
					return
				}
			}
			b = b[n:]
		}
	}
}

// Find returns the first option of the type, or nil.
func (o IPv4Options) Find(t IPv4OptionType) IPv4Option {
	for option := range o.All() {
		if option.Type() == t {
			return option
		}
	}
	return nil
}

// SourceRoute returns the source route, strict or loose, or nil.
func (o IPv4Options) SourceRoute() IPv4Option {
	for option := range o.All() {
		if option.Type().IsSourceRoute() {
			return option
		}
	}
	return nil
}

// KeepCopied overwrites with no-operations the options that stand in the first fragment only, so that
// what remains is right for the others (RFC 791 §3.2).
func (o IPv4Options) KeepCopied() {
	for option := range o.All() {
		if !option.Type().Copied() {
			for i := range option {
				option[i] = uint8(IPv4OptNop)
			}
		}
	}
}

// Type returns the option's type.
func (o IPv4Option) Type() IPv4OptionType { return IPv4OptionType(o[0]) }

// Value returns what follows type and length.
func (o IPv4Option) Value() []byte { return o[2:] }

// room reports whether n bytes are left from where the pointer points. Options of a length that is not
// a whole number of entries end with less room than an entry takes.
func (o IPv4Option) room(n int) bool { return int(o[2])-1+n <= len(o) }

// CleanOptions returns the options with nothing but zeroes behind the end of the list. It copies.
func (h IPv4) CleanOptions() []byte {
	b := bytes.Clone(h.Options())
	for at := 0; at < len(b); {
		switch IPv4OptionType(b[at]) {
		case IPv4OptEnd:
			clear(b[at:])
			return b
		case IPv4OptNop:
			at++
		default:
			if at+1 >= len(b) || b[at+1] < 2 {
				return b
			}
			at += int(b[at+1])
		}
	}
	return b
}

// Full reports whether a record route, source route or timestamp option is at its end.
func (o IPv4Option) Full() bool { return len(o) >= 3 && int(o[2]) > len(o) }

// NextHop returns the address to which a source route's pointer points, or the zero Addr if o is no
// source route or is at its end.
func (o IPv4Option) NextHop() netip.Addr {
	if !o.Type().IsSourceRoute() || !o.room(4) {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte(o[o[2]-1:]))
}

// Record writes a to where the pointer of a record route or source route option points, and moves the
// pointer on. It does nothing to another option, or at the end. The header's checksum is then stale.
func (o IPv4Option) Record(a netip.Addr) {
	if o.Type() != IPv4OptRecordRoute && !o.Type().IsSourceRoute() || !o.room(4) {
		return
	}
	putAddr4(o[o[2]-1:], a)
	o[2] += 4
}

// Stamp enters the time, in milliseconds since midnight UTC, into a timestamp option, on behalf of the
// station a; without room it counts the overflow. It does nothing to another option. The header's
// checksum is then stale.
func (o IPv4Option) Stamp(a netip.Addr, ms uint32) {
	if o.Type() != IPv4OptTimestamp {
		return
	}
	flag, size := o[3]&15, 8
	switch flag {
	case ipv4StampOnly:
		size = 4
	case ipv4StampAddr, ipv4StampSpecified:
	default:
		return
	}
	if !o.room(size) {
		if flag != ipv4StampSpecified && o[3]>>4 < 15 {
			o[3] += 1 << 4
		}
		return
	}
	at := o[o[2]-1:]
	if flag == ipv4StampSpecified && netip.AddrFrom4([4]byte(at)) != a {
		return
	}
	if flag != ipv4StampOnly {
		putAddr4(at, a)
		at = at[4:]
		o[2] += 4
	}
	binary.BigEndian.PutUint32(at, ms)
	o[2] += 4
}

// IPv4RouterAlert returns the router alert option (RFC 2113 §2.1).
func IPv4RouterAlert() []byte { return []byte{uint8(IPv4OptRouterAlert), 4, 0, 0} }
