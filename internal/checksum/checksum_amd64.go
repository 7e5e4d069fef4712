package checksum

import "golang.org/x/sys/cpu"

// vectorMin is the length in bytes from which sumVector is the faster one, as measured.
const vectorMin = 256

// vectorBlock is what one turn of the loop takes, in bytes.
const vectorBlock = 128

var hasAVX2 = cpu.X86.HasAVX2

// sumBlocks returns the sum of the little-endian words of n bytes at b, not folded. n is a positive
// multiple of vectorBlock. It needs AVX2.
//
//go:noescape
func sumBlocks(b *byte, n int) uint64

func sumVector(b []byte) uint64 {
	if !hasAVX2 {
		return sumGeneric(b)
	}
	n := len(b) &^ (vectorBlock - 1)
	return sumBlocks(&b[0], n) + sumGeneric(b[n:])
}
