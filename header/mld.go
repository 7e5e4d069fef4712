package header

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// MLD is a view of one message of multicast listener discovery of either version, a whole ICMPv6
// message (RFC 2710, RFC 3810).
type MLD []byte

// Lengths in bytes: of a message of version 1, of a query of version 2 without sources, and of a report
// of version 2 without records.
const (
	MLDv1Size       = 24
	MLDv2QuerySize  = 28
	MLDv2ReportSize = 8
)

// mldMantissa is the number of mantissa bits of Maximum Response Code (RFC 3810 §5.1.3).
const mldMantissa = 12

// ParseMLD returns m as a message of multicast listener discovery. Of other types it is
// DropUnknownType. That the hop limit is 1 and the source link-local, the caller checks.
func ParseMLD(m ICMPv6) (MLD, tcpip.Drop) {
	h := MLD(m)
	switch m.Type() {
	case ICMPv6MLDQuery:
		if len(m) == MLDv1Size {
			break // version 1 (RFC 3810 §8.1)
		}
		if len(m) < MLDv2QuerySize || MLDv2QuerySize+16*int(binary.BigEndian.Uint16(m[26:])) > len(m) {
			return nil, tcpip.DropBadLength
		}
	case ICMPv6MLDv1Report, ICMPv6MLDv1Done:
		if len(m) < MLDv1Size {
			return nil, tcpip.DropBadLength
		}
	case ICMPv6MLDv2Report:
		if _, ok := h.records(); !ok {
			return nil, tcpip.DropBadLength
		}
	default:
		return nil, tcpip.DropUnknownType
	}
	return h, tcpip.DropNone
}

func (h MLD) Type() ICMPv6Type { return ICMPv6Type(h[0]) }

// Group returns the group that a message is about, or the zero Addr for a report of version 2.
func (h MLD) Group() netip.Addr {
	if h.Type() == ICMPv6MLDv2Report {
		return netip.Addr{}
	}
	return netip.AddrFrom16([16]byte(h[8:24]))
}

// Query returns the message as a query, if it is one.
func (h MLD) Query() (MulticastQuery, bool) {
	if h.Type() != ICMPv6MLDQuery {
		return MulticastQuery{}, false
	}
	code := binary.BigEndian.Uint16(h[4:])
	q := MulticastQuery{Version: 1, Group: h.Group(), MaxResponse: time.Duration(code) * time.Millisecond}
	if len(h) == MLDv1Size {
		return q, true
	}
	n := int(binary.BigEndian.Uint16(h[26:])) * 16
	q.Version = 2
	q.MaxResponse = time.Duration(floatDecode(code, mldMantissa)) * time.Millisecond
	q.Suppress, q.Robustness = h[24]&8 != 0, h[24]&7
	q.Interval = time.Duration(floatDecode(uint16(h[25]), igmpMantissa)) * time.Second
	q.Sources = AddrList{h[MLDv2QuerySize : MLDv2QuerySize+n], 16}
	return q, true
}

// Records returns the records of a report of version 2; another message has none.
func (h MLD) Records() GroupRecords {
	if h.Type() != ICMPv6MLDv2Report {
		return GroupRecords{}
	}
	r, _ := h.records()
	return r
}

func (h MLD) records() (GroupRecords, bool) {
	return parseGroupRecords(h[MLDv2ReportSize:], int(binary.BigEndian.Uint16(h[6:])), 16)
}

// The functions below append a message with the checksum 0; ICMPv6.UpdateChecksum comes after.

// AppendMLDv1 appends a report or done message about group.
func AppendMLDv1(b []byte, t ICMPv6Type, group netip.Addr) []byte {
	return appendAddr16(append(b, uint8(t), 0, 0, 0, 0, 0, 0, 0), group)
}

// AppendMLDv2Report appends a report of version 2.
func AppendMLDv2Report(b []byte, records []GroupRecordFields) []byte {
	b = append(b, uint8(ICMPv6MLDv2Report), 0, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(records)))
	for i := range records {
		b = records[i].append(b)
	}
	return b
}

// AppendMLDQuery appends a query of q.Version about q.Group and, in version 2, sources. q.Sources is not
// looked at.
func AppendMLDQuery(b []byte, q *MulticastQuery, sources []netip.Addr) []byte {
	ms := uint32(q.MaxResponse / time.Millisecond)
	code := uint16(min(ms, 65535))
	if q.Version == 2 {
		code = floatEncode(ms, mldMantissa)
	}
	b = append(b, uint8(ICMPv6MLDQuery), 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, code)
	b = appendAddr16(append(b, 0, 0), q.Group)
	if q.Version == 2 {
		b = q.appendTail(b, sources)
	}
	return b
}
