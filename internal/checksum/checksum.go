// Package checksum computes the Internet checksum: the sixteen-bit ones' complement sum of RFC 1071,
// over data in any number of pieces of any length, with pseudo-headers and incremental updates.
package checksum

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Partial is a sum on its way: what was added so far, and whether the next byte is the second of a
// sixteen-bit word. It is a value; the zero Partial is the sum of nothing. It stays exact over 2^48
// additions.
//
//	sum := checksum.Pseudo(src, dst, protocol, length).Add(header).Add(piece1).Add(piece2).Checksum()
type Partial struct {
	sum uint64 // of sixteen-bit words, not folded
	odd bool   // an odd number of bytes was added
}

// Add returns p continued over b, however many bytes were added before.
func (p Partial) Add(b []byte) Partial {
	s := Sum(b)
	if p.odd {
		s = bits.ReverseBytes16(s) // b's first byte is the low half of a word (RFC 1071 §2 B)
	}
	return Partial{p.sum + uint64(s), p.odd != (len(b)&1 != 0)}
}

// AddSum returns p continued over n bytes whose sum is known to be s.
func (p Partial) AddSum(s uint16, n int) Partial {
	if p.odd {
		s = bits.ReverseBytes16(s)
	}
	return Partial{p.sum + uint64(s), p.odd != (n&1 != 0)}
}

// AddUint16 returns p plus one word of a header. The word counts as aligned even after an odd number
// of bytes.
func (p Partial) AddUint16(v uint16) Partial { return Partial{p.sum + uint64(v), p.odd} }

// AddUint32 returns p plus two words of a header, aligned.
func (p Partial) AddUint32(v uint32) Partial {
	return Partial{p.sum + uint64(v>>16) + uint64(v&0xffff), p.odd}
}

// AddAddr returns p plus an address, aligned.
func (p Partial) AddAddr(a netip.Addr) Partial {
	if a.Is4() {
		b := a.As4()
		return p.AddUint32(binary.BigEndian.Uint32(b[:]))
	}
	b := a.As16()
	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	return p.AddUint32(uint32(hi >> 32)).AddUint32(uint32(hi)).AddUint32(uint32(lo >> 32)).AddUint32(uint32(lo))
}

// Fold returns the sum in sixteen bits, not complemented. It is 0 only if every byte added was 0.
func (p Partial) Fold() uint16 { return fold(p.sum) }

// Checksum returns what a checksum field holds: the complement of the sum. Data that includes a right
// checksum has the Checksum 0.
func (p Partial) Checksum() uint16 { return ^fold(p.sum) }

// Pseudo returns the sum of the pseudo-header for length bytes of protocol, of RFC 9293 §3.1 for IPv4
// addresses and of RFC 8200 §8.1 for IPv6 ones. Both addresses are of one family.
func Pseudo(src, dst netip.Addr, protocol uint8, length int) Partial {
	return Partial{}.AddAddr(src).AddAddr(dst).AddUint16(uint16(protocol)).AddUint32(uint32(length))
}

// Sum returns the ones' complement sum of b's big-endian words, not complemented; a last odd byte is
// the high half of a word. It is 0 only if every byte is 0.
func Sum(b []byte) uint16 {
	if len(b) < vectorMin {
		return bits.ReverseBytes16(fold(sumGeneric(b)))
	}
	return bits.ReverseBytes16(fold(sumVector(b)))
}

// Combine returns the sum of two adjoining pieces, of which the first is firstLen bytes long.
func Combine(first uint16, firstLen int, second uint16) uint16 {
	if firstLen&1 != 0 {
		second = bits.ReverseBytes16(second)
	}
	return fold(uint64(first) + uint64(second))
}

// Update returns the checksum field of a header in which the word was becomes is, given the field's
// old value (RFC 1624 §3, equation 3).
func Update(field, was, is uint16) uint16 {
	return ^fold(uint64(^field) + uint64(^was) + uint64(is))
}

// Update32 is Update for two words.
func Update32(field uint16, was, is uint32) uint16 {
	s := uint64(^field) + uint64(^was>>16) + uint64(^was&0xffff) + uint64(is>>16) + uint64(is&0xffff)
	return ^fold(s)
}

// UpdateAddr is Update for an address, aligned; both are of one family.
func UpdateAddr(field uint16, was, is netip.Addr) uint16 {
	p := Partial{sum: uint64(^field)}.AddAddr(is)
	return p.AddUint16(^Partial{}.AddAddr(was).Fold()).Checksum()
}

// fold brings a sum into sixteen bits by end-around carries. Only zero folds to zero.
func fold(s uint64) uint16 {
	s = s>>32 + s&0xffffffff // 33 bits
	s = s>>16 + s&0xffff     // 18 bits
	s = s>>16 + s&0xffff     // 17 bits
	s = s>>16 + s&0xffff
	return uint16(s)
}

// sumGeneric returns the sum of b's little-endian words, not folded. Ones' complement addition does
// not care for the order of bytes (RFC 1071 §2 B) nor for the width of the words it is done in, so
// it runs over 64-bit words, and the result is swapped once.
func sumGeneric(b []byte) uint64 {
	var s, c uint64
	for len(b) >= 64 {
		w := b[:64:64]
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[0:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[8:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[16:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[24:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[32:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[40:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[48:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[56:]), c)
		b = b[64:]
	}
	for len(b) >= 8 {
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b), c)
		b = b[8:]
	}
	var tail uint64
	if len(b) >= 4 {
		tail = uint64(binary.LittleEndian.Uint32(b))
		b = b[4:]
	}
	if len(b) >= 2 {
		tail += uint64(binary.LittleEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		tail += uint64(b[0])
	}
	s, c = bits.Add64(s, tail, c)
	return s>>32 + s&0xffffffff + c
}
