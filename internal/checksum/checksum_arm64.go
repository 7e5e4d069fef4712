package checksum

// vectorMin is the length in bytes from which sumVector is used.
const vectorMin = 256

// vectorBlock is what one turn of the loop takes, in bytes.
const vectorBlock = 64

// sumBlocks returns the sum of the little-endian words of n bytes at b, not folded. n is a positive
// multiple of vectorBlock. Every arm64 processor has the instructions it needs.
//
//go:noescape
func sumBlocks(b *byte, n int) uint64

func sumVector(b []byte) uint64 {
	n := len(b) &^ (vectorBlock - 1)
	return sumBlocks(&b[0], n) + sumGeneric(b[n:])
}
