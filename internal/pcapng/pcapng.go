// Package pcapng writes and reads packet captures in the PCAP Next Generation format
// (draft-ietf-opsawg-pcapng): section header, interface description and enhanced packet blocks, with
// nanosecond timestamps, directions and comments. It does no I/O: blocks are appended to a slice.
package pcapng

import (
	"encoding/binary"
	"time"
)

// LinkType says how the packets of an interface begin (the registry of LINKTYPE_ values).
type LinkType uint16

// The types.
const (
	LinkTypeEthernet LinkType = 1
	LinkTypeRaw      LinkType = 101 // an IPv4 or an IPv6 header
)

// Direction says which way a packet went; the values are those of the epb_flags option.
type Direction uint8

// The directions.
const (
	DirectionUnknown Direction = 0
	Inbound          Direction = 1
	Outbound         Direction = 2
)

// Interface is what an interface description block says.
type Interface struct {
	LinkType LinkType
	SnapLen  int    // bytes of a packet that are kept at most; 0: all
	Name     string // "": none
}

// Packet is what an enhanced packet block says.
type Packet struct {
	Interface int // index of the interface description in the section
	Time      time.Time
	Direction Direction
	Comment   string // "": none
	Len       int    // bytes of the packet as it was
	Data      []byte // what was kept of it
}

// Block types and option codes.
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockPacket    = 6

	byteOrderMagic = 0x1a2b3c4d

	optEnd       = 0
	optComment   = 1
	optApp       = 4 // section
	optName      = 2 // interface
	optTSResol   = 9 // interface
	optFlags     = 2 // packet
	resolutionNs = 9 // ten to the minus nine seconds
)

// PacketHead is the bytes of a packet block in front of the data.
const PacketHead = 28

// blockTail is the bytes of the length at a block's end.
const blockTail = 4

// AppendSection appends a section header block; app is the program's name, "" for none. Blocks are
// little-endian on every machine, so that a capture of a repeatable run is the same everywhere.
func AppendSection(b []byte, app string) []byte {
	b, at := begin(b, blockSection)
	b = binary.LittleEndian.AppendUint32(b, byteOrderMagic)
	b = binary.LittleEndian.AppendUint16(b, 1) // version 1.0
	b = binary.LittleEndian.AppendUint16(b, 0)
	b = binary.LittleEndian.AppendUint64(b, ^uint64(0)) // length unknown
	if app != "" {
		b = appendOption(b, optApp, app)
		b = appendEnd(b)
	}
	return end(b, at)
}

// AppendInterface appends an interface description block.
func AppendInterface(b []byte, i *Interface) []byte {
	b, at := begin(b, blockInterface)
	b = binary.LittleEndian.AppendUint16(b, uint16(i.LinkType))
	b = binary.LittleEndian.AppendUint16(b, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(i.SnapLen))
	if i.Name != "" {
		b = appendOption(b, optName, i.Name)
	}
	b = binary.LittleEndian.AppendUint16(b, optTSResol)
	b = binary.LittleEndian.AppendUint16(b, 1)
	b = append(b, resolutionNs, 0, 0, 0)
	b = appendEnd(b)
	return end(b, at)
}

// AppendPacket appends an enhanced packet block.
func AppendPacket(b []byte, p *Packet) []byte {
	b, at := BeginPacket(b, p)
	b = append(b, p.Data...)
	return EndPacket(b, at, p.Len, p.Direction, p.Comment)
}

// BeginPacket appends the front of a packet block, up to the data, which the caller appends itself
// before EndPacket; at says where the block begins. It does not use p.Len and p.Data.
func BeginPacket(b []byte, p *Packet) (_ []byte, at int) {
	b, at = begin(b, blockPacket)
	b = binary.LittleEndian.AppendUint32(b, uint32(p.Interface))
	ns := uint64(p.Time.UnixNano())
	b = binary.LittleEndian.AppendUint32(b, uint32(ns>>32))
	b = binary.LittleEndian.AppendUint32(b, uint32(ns))
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	return b, at
}

// EndPacket completes the block that began at at, of a packet that was n bytes long.
func EndPacket(b []byte, at, n int, dir Direction, comment string) []byte {
	captured := len(b) - at - PacketHead
	binary.LittleEndian.PutUint32(b[at+20:], uint32(captured))
	binary.LittleEndian.PutUint32(b[at+24:], uint32(n))
	b = pad(b, captured)
	if comment != "" {
		b = appendOption(b, optComment, comment)
	}
	if dir != DirectionUnknown {
		b = binary.LittleEndian.AppendUint16(b, optFlags)
		b = binary.LittleEndian.AppendUint16(b, 4)
		b = binary.LittleEndian.AppendUint32(b, uint32(dir))
	}
	if comment != "" || dir != DirectionUnknown {
		b = appendEnd(b)
	}
	return end(b, at)
}

func begin(b []byte, kind uint32) (_ []byte, at int) {
	at = len(b)
	b = binary.LittleEndian.AppendUint32(b, kind)
	return append(b, 0, 0, 0, 0), at
}

// end writes the block's length at both of its ends.
func end(b []byte, at int) []byte {
	n := uint32(len(b) - at + blockTail)
	binary.LittleEndian.PutUint32(b[at+4:], n)
	return binary.LittleEndian.AppendUint32(b, n)
}

// pad fills what n bytes lack to a multiple of four.
func pad(b []byte, n int) []byte { return append(b, "\x00\x00\x00"[:-n&3]...) }

func appendOption(b []byte, code uint16, v string) []byte {
	v = v[:min(len(v), maxOption)]
	b = binary.LittleEndian.AppendUint16(b, code)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(v)))
	return pad(append(b, v...), len(v))
}

func appendEnd(b []byte) []byte { return append(b, optEnd, 0, 0, 0) }
