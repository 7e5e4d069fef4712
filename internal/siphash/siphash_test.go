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
