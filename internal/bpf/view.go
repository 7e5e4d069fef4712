package bpf

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/internal/slab"
)

// View is a packet as a filter sees it: the bytes of Link, Front and Data in this order, of which the filter's
// offset 0 is at Start. It borrows them.
type View struct {
	Link  []byte // the link's header, where it has one that is not in Front
	Front []byte
	Data  []slab.Piece

	// Start and Network are positions from the first byte of Link: of the filter's offset 0, and of the
	// network header. A packet on the way to a socket begins before its offset 0; only loads with SKF_NET_OFF
	// and SKF_LL_OFF reach there.
	Start, Network int

	Info
}

// Info is what ancillary loads tell of a packet beside its bytes.
type Info struct {
	Protocol  uint16 // EtherType
	Type      uint8  // sll_pkttype
	NIC       uint32 // ifindex
	Hardware  uint16 // ARPHRD_*
	Mark      uint32
	Queue     uint16
	Hash      uint32
	Random    uint32
	VLAN      uint16
	HasVLAN   bool
	VLANProto uint16
}

// Len returns the bytes from offset 0 to the end.
func (v *View) Len() int { return v.total() - v.Start }

func (v *View) total() int {
	n := len(v.Link) + len(v.Front)
	for i := range v.Data {
		n += v.Data[i].Len()
	}
	return n
}

// load reads size bytes, 1, 2 or 4, at a position. Most are in the front.
func (v *View) load(at int, size int) (uint32, bool) {
	if at < 0 || at > maxPosition {
		return 0, false
	}
	if i := at - len(v.Link); i >= 0 && i+size <= len(v.Front) {
		b := v.Front[i:]
		switch size {
		case 4:
			return binary.BigEndian.Uint32(b), true
		case 2:
			return uint32(binary.BigEndian.Uint16(b)), true
		}
		return uint32(b[0]), true
	}
	x := uint32(0)
	for i := range size {
		b, ok := v.at(at + i)
		if !ok {
			return 0, false
		}
		x = x<<8 | uint32(b)
	}
	return x, true
}

// at returns the byte at a position.
func (v *View) at(i int) (byte, bool) {
	if i < len(v.Link) {
		return v.Link[i], true
	}
	if i -= len(v.Link); i < len(v.Front) {
		return v.Front[i], true
	}
	i -= len(v.Front)
	for j := range v.Data {
		if n := v.Data[j].Len(); i >= n {
			i -= n
			continue
		}
		return v.Data[j].Bytes()[i], true
	}
	return 0, false
}

// The offsets that are none: as signed numbers they are negative (SKF_NET_OFF, SKF_LL_OFF, SKF_AD_OFF).
const (
	ancillary   = 0xfffff000
	fromNetwork = 0xfff00000
	fromLink    = 0xffe00000
)

// offset reads size bytes at an offset of the filter's.
func (v *View) offset(k uint32, size int) (uint32, bool) {
	switch {
	case k < 1<<31:
		return v.load(v.Start+int(k), size)
	case k >= fromNetwork:
		return v.load(v.Network+int(k-fromNetwork), size)
	case k >= fromLink:
		return v.load(int(k-fromLink), size)
	}
	return 0, false
}
