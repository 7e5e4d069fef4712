package siphash

import "testing"

// The vectors of the SipHash paper's reference: key 00..0f, input 00..n-1, for n = 0, 8, 16.
func TestVectors(t *testing.T) {
	key := [2]uint64{0x0706050403020100, 0x0f0e0d0c0b0a0908}
	words := []uint64{0x0706050403020100, 0x0f0e0d0c0b0a0908}
	for n, want := range []uint64{0x726fdb47dd0e0e31, 0x93f5f5799a932462, 0x3f2acc7f57c29bdb} {
		if got := Sum(key, words[:n]...); got != want {
			t.Errorf("%d words: %#x, want %#x", n, got, want)
		}
	}
}

// The vector of the reference for no input, and for more the round as Sum has it.
func TestSum13(t *testing.T) {
	key := [2]uint64{0x0706050403020100, 0x0f0e0d0c0b0a0908}
	if got := Sum13(key); got != 0xabac0158050fc4dc {
		t.Errorf("no words: %#x", got)
	}
	words := []uint64{1, 1 << 63, 3, 0xffffffffffffffff, 5, 6}
	for n := range words {
		s := state{key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573}
		for _, m := range append(words[:n:n], uint64(n*8)<<56) {
			s.d ^= m
			s.round()
			s.a ^= m
		}
		s.c ^= 0xff
		s.round()
		s.round()
		s.round()
		if got, want := Sum13(key, words[:n]...), s.a^s.b^s.c^s.d; got != want {
			t.Errorf("%d words: %#x, want %#x", n, got, want)
		}
	}
}

func BenchmarkSum13(b *testing.B) {
	for b.Loop() {
		Sum13([2]uint64{1, 2}, 1, 2, 3, 4, 5)
	}
}
