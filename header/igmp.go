package header

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/seed963a8790/netstack/internal/checksum"
	"github.com/seed963a8790/netstack/tcpip"
)

// IGMP is a view of one IGMP message of any version (RFC 1112 appendix I, RFC 2236, RFC 3376).
type IGMP []byte

// IGMPType is the kind of a message.
type IGMPType uint8

const (
	IGMPQuery    IGMPType = 0x11
	IGMPv1Report IGMPType = 0x12
	IGMPv2Report IGMPType = 0x16
	IGMPv2Leave  IGMPType = 0x17
	IGMPv3Report IGMPType = 0x22
)

// Lengths in bytes: of the old messages and of a report without records, and of a new query without
// sources.
const (
	IGMPSize        = 8
	IGMPv3QuerySize = 12
)

// igmpMantissa is the number of mantissa bits of Max Resp Code and QQIC (RFC 3376 §4.1.1, §4.1.7).
const igmpMantissa = 4

// igmpTick is the unit of Max Resp Code.
const igmpTick = 100 * time.Millisecond

// igmpv1MaxResponse is what IGMPv1 queries mean, which do not say it (RFC 3376 §7.2.1).
const igmpv1MaxResponse = 10 * time.Second

// ParseIGMP returns the message b. Data behind what the message's counts say is allowed and summed
// (RFC 3376 §4.1.10, §4.2.11). Unknown types pass: the caller drops them.
func ParseIGMP(b []byte) (IGMP, tcpip.Drop) {
	if len(b) < IGMPSize {
		return nil, tcpip.DropShort
	}
	h := IGMP(b)
	switch h.Type() {
	case IGMPQuery:
		if len(b) == IGMPSize {
			break // IGMPv1 or v2 (RFC 3376 §7.1)
		}
		if len(b) < IGMPv3QuerySize || IGMPv3QuerySize+4*int(binary.BigEndian.Uint16(b[10:])) > len(b) {
			return nil, tcpip.DropBadLength
		}
	case IGMPv3Report:
		if _, ok := h.records(); !ok {
			return nil, tcpip.DropBadLength
		}
	}
	return h, tcpip.DropNone
}

func (h IGMP) Type() IGMPType      { return IGMPType(h[0]) }
func (h IGMP) Checksum() uint16    { return binary.BigEndian.Uint16(h[2:]) }
func (h IGMP) Group() netip.Addr   { return netip.AddrFrom4([4]byte(h[4:8])) } // not of an IGMPv3 report
func (h IGMP) ChecksumValid() bool { return checksum.Sum(h) == 0xffff }

// Query returns the message as a query, if it is one.
func (h IGMP) Query() (MulticastQuery, bool) {
	if h.Type() != IGMPQuery {
		return MulticastQuery{}, false
	}
	q := MulticastQuery{Version: 2, Group: h.Group(), MaxResponse: time.Duration(h[1]) * igmpTick}
	if len(h) == IGMPSize {
		if h[1] == 0 {
			q.Version, q.MaxResponse = 1, igmpv1MaxResponse
		}
		return q, true
	}
	n := int(binary.BigEndian.Uint16(h[10:])) * 4
	q.Version = 3
	q.MaxResponse = time.Duration(floatDecode(uint16(h[1]), igmpMantissa)) * igmpTick
	q.Suppress, q.Robustness = h[8]&8 != 0, h[8]&7
	q.Interval = time.Duration(floatDecode(uint16(h[9]), igmpMantissa)) * time.Second
	q.Sources = AddrList{h[IGMPv3QuerySize : IGMPv3QuerySize+n], 4}
	return q, true
}

// Records returns the records of an IGMPv3 report; another message has none.
func (h IGMP) Records() GroupRecords {
	if h.Type() != IGMPv3Report {
		return GroupRecords{}
	}
	r, _ := h.records()
	return r
}

func (h IGMP) records() (GroupRecords, bool) {
	return parseGroupRecords(h[IGMPSize:], int(binary.BigEndian.Uint16(h[6:])), 4)
}

// AppendIGMP appends a report or leave message of version 1 or 2 about group, with its checksum.
func AppendIGMP(b []byte, t IGMPType, group netip.Addr) []byte {
	start := len(b)
	b = appendAddr(append(b, uint8(t), 0, 0, 0), group)
	return igmpFinish(b, start)
}

// AppendIGMPv3Report appends a report of version 3, with its checksum.
func AppendIGMPv3Report(b []byte, records []GroupRecordFields) []byte {
	start := len(b)
	b = append(b, uint8(IGMPv3Report), 0, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(records)))
	for i := range records {
		b = records[i].append(b)
	}
	return igmpFinish(b, start)
}

// AppendIGMPQuery appends a query of q.Version about q.Group and, in version 3, sources, with its
// checksum. q.Sources is not looked at.
func AppendIGMPQuery(b []byte, q *MulticastQuery, sources []netip.Addr) []byte {
	start := len(b)
	ticks := uint32(q.MaxResponse / igmpTick)
	code := uint8(min(ticks, 255))
	switch q.Version {
	case 1:
		code = 0
	case 3:
		code = uint8(floatEncode(ticks, igmpMantissa))
	}
	b = appendAddr(append(b, uint8(IGMPQuery), code, 0, 0), q.Group)
	if q.Version == 3 {
		b = q.appendTail(b, sources)
	}
	return igmpFinish(b, start)
}

// appendTail appends what the newest versions of both protocols have behind the group.
func (q *MulticastQuery) appendTail(b []byte, sources []netip.Addr) []byte {
	flags := min(q.Robustness, 8) & 7 // 0 stands for more than 7
	if q.Suppress {
		flags |= 8
	}
	b = append(b, flags, uint8(floatEncode(uint32(q.Interval/time.Second), igmpMantissa)))
	b = binary.BigEndian.AppendUint16(b, uint16(len(sources)))
	for _, s := range sources {
		b = appendAddr(b, s)
	}
	return b
}

// igmpFinish puts the checksum into the message at b[start:].
func igmpFinish(b []byte, start int) []byte {
	binary.BigEndian.PutUint16(b[start+2:], ^checksum.Sum(b[start:]))
	return b
}
