// Package siphash is SipHash-2-4 (Aumasson, Bernstein 2012) over 64-bit words: a keyed hash for
// numbers that an outsider must not be able to foretell, such as initial sequence numbers.
package siphash

import "math/bits"

// Sum returns the hash of words under key. It is that of the words' bytes, little-endian.
func Sum(key [2]uint64, words ...uint64) uint64 {
	s := state{key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573}
	for _, w := range words {
		s.word(w)
	}
	s.word(uint64(len(words)*8) << 56)
	s.c ^= 0xff
	for range 4 {
		s.round()
	}
	return s.a ^ s.b ^ s.c ^ s.d
}

type state struct{ a, b, c, d uint64 }

func (s *state) word(w uint64) {
	s.d ^= w
	s.round()
	s.round()
	s.a ^= w
}

func (s *state) round() {
	a, b, c, d := s.a+s.b, s.b, s.c+s.d, s.d
	b = bits.RotateLeft64(b, 13) ^ a
	d = bits.RotateLeft64(d, 16) ^ c
	a = bits.RotateLeft64(a, 32) + d
	c += b
	s.a, s.d = a, bits.RotateLeft64(d, 21)^a
	s.b, s.c = bits.RotateLeft64(b, 17)^c, bits.RotateLeft64(c, 32)
}

// Sum13 is Sum with fewer rounds, SipHash-1-3: enough for a hash table whose hashes nobody sees. The round is
// written out, which halves its time.
func Sum13(key [2]uint64, words ...uint64) uint64 {
	a, b := key[0]^0x736f6d6570736575, key[1]^0x646f72616e646f6d
	c, d := key[0]^0x6c7967656e657261, key[1]^0x7465646279746573
	for i := 0; i <= len(words)+3; i++ {
		var m uint64
		switch {
		case i < len(words):
			m = words[i]
		case i == len(words):
			m = uint64(i*8) << 56
		case i == len(words)+1:
			c ^= 0xff
		}
		d ^= m
		a += b
		c += d
		b = bits.RotateLeft64(b, 13) ^ a
		d = bits.RotateLeft64(d, 16) ^ c
		a = bits.RotateLeft64(a, 32) + d
		c += b
		d = bits.RotateLeft64(d, 21) ^ a
		b = bits.RotateLeft64(b, 17) ^ c
		c = bits.RotateLeft64(c, 32)
		a ^= m
	}
	return a ^ b ^ c ^ d
}
