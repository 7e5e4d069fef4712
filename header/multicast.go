package header

import (
	"encoding/binary"
	"iter"
	"net/netip"
	"time"
)

// MulticastQuery is a query of IGMP or MLD, decoded.
type MulticastQuery struct {
	Version     uint8         // 1, 2 or 3 of IGMP; 1 or 2 of MLD
	Group       netip.Addr    // unspecified in a general query
	MaxResponse time.Duration // answers are spread over this time; IGMPv1's 10 s are filled in

	// The newest versions only.
	Suppress   bool          // routers are not to refresh their timers
	Robustness uint8         // the querier's robustness variable, 0 if above 7
	Interval   time.Duration // between general queries
	Sources    AddrList      // asked about, of Group
}

// General reports whether the query asks about all groups.
func (q *MulticastQuery) General() bool { return q.Group.IsUnspecified() }

// GroupRecord is one record of an IGMPv3 or MLDv2 report (RFC 3376 §4.2.4, RFC 3810 §5.2.4).
type GroupRecord struct {
	Type    GroupRecordType
	Group   netip.Addr
	Sources AddrList
}

// GroupRecordType is the kind of a record (RFC 3376 §4.2.12, RFC 3810 §5.2.12).
type GroupRecordType uint8

const (
	ModeIsInclude       GroupRecordType = 1
	ModeIsExclude       GroupRecordType = 2
	ChangeToIncludeMode GroupRecordType = 3
	ChangeToExcludeMode GroupRecordType = 4
	AllowNewSources     GroupRecordType = 5
	BlockOldSources     GroupRecordType = 6
)

var groupRecordNames = [...]string{1: "IS_IN", 2: "IS_EX", 3: "TO_IN", 4: "TO_EX", 5: "ALLOW", 6: "BLOCK"}

// String returns the type as the RFCs abbreviate it.
func (t GroupRecordType) String() string { return nameOr(groupRecordNames[:], uint8(t)) }

// GroupRecords is a view of the records of one report, all of them well-formed.
type GroupRecords struct {
	b    []byte
	size int // of an address: 4 or 16
}

// parseGroupRecords returns the first n records in b, with addresses of size bytes. It reports false if
// they are not all there.
func parseGroupRecords(b []byte, n, size int) (GroupRecords, bool) {
	end := 0
	for range n {
		if len(b)-end < 4+size {
			return GroupRecords{}, false
		}
		end += groupRecordLen(b[end:], size)
		if end > len(b) {
			return GroupRecords{}, false
		}
	}
	return GroupRecords{b[:end], size}, true
}

// groupRecordLen returns the length of the record at the front of b: head, group, sources and
// auxiliary data.
func groupRecordLen(b []byte, size int) int {
	return 4 + size + size*int(binary.BigEndian.Uint16(b[2:])) + 4*int(b[1])
}

// All walks the records.
func (r GroupRecords) All() iter.Seq[GroupRecord] {
	return func(yield func(GroupRecord) bool) {
		for b := r.b; len(b) > 0; b = b[groupRecordLen(b, r.size):] {
			sources := 4 + r.size
			n := int(binary.BigEndian.Uint16(b[2:])) * r.size
			record := GroupRecord{
				Type:    GroupRecordType(b[0]),
				Group:   addrFrom(b[4:sources]),
				Sources: AddrList{b[sources : sources+n], r.size},
			}
			if !yield(record) {
				return
			}
		}
	}
}

// AddrList is a view of addresses, one behind the other.
type AddrList struct {
	b    []byte
	size int // of an address: 4 or 16; 0 in the zero AddrList, which is empty
}

// Len returns how many addresses there are.
func (l AddrList) Len() int {
	if l.size == 0 {
		return 0
	}
	return len(l.b) / l.size
}

// All walks the addresses.
func (l AddrList) All() iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for b := l.b; len(b) > 0; b = b[l.size:] {
			if !yield(addrFrom(b[:l.size])) {
				return
			}
		}
	}
}

// addrFrom returns the address of 4 or 16 bytes in b.
func addrFrom(b []byte) netip.Addr {
	if len(b) == 4 {
		return netip.AddrFrom4([4]byte(b))
	}
	return netip.AddrFrom16([16]byte(b))
}

// GroupRecordFields is what a record to be sent says.
type GroupRecordFields struct {
	Type    GroupRecordType
	Group   netip.Addr
	Sources []netip.Addr
}

// Size returns the record's length in bytes.
func (f *GroupRecordFields) Size() int {
	n := f.Group.BitLen() / 8
	return 4 + n + n*len(f.Sources)
}

// append appends the record without auxiliary data.
func (f *GroupRecordFields) append(b []byte) []byte {
	b = append(b, uint8(f.Type), 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(f.Sources)))
	b = appendAddr(b, f.Group)
	for _, s := range f.Sources {
		b = appendAddr(b, s)
	}
	return b
}

func appendAddr(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		v := a.As4()
		return append(b, v[:]...)
	}
	return appendAddr16(b, a)
}

// The codes for times: a number up to a limit, and above it a float of an exponent of three bits over
// mantissa bits with a hidden one (RFC 3376 §4.1.1, RFC 3810 §5.1.3).

// floatDecode returns the number behind code, whose mantissa has the given number of bits.
func floatDecode(code uint16, mantissa int) uint32 {
	if code>>(mantissa+3) == 0 {
		return uint32(code)
	}
	hidden := uint16(1) << mantissa
	return uint32(code&(hidden-1)|hidden) << (code>>mantissa&7 + 3)
}

// floatEncode returns the code of the largest number up to v that has one.
func floatEncode(v uint32, mantissa int) uint16 {
	limit := uint32(1) << (mantissa + 3)
	if v < limit {
		return uint16(v)
	}
	exp := 0
	for v>>(exp+3) >= 2<<mantissa {
		if exp == 7 {
			return uint16(2*limit - 1)
		}
		exp++
	}
	return uint16(limit) | uint16(exp)<<mantissa | uint16(v>>(exp+3))&(1<<mantissa-1)
}
