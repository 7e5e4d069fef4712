// Package seq is the arithmetic of TCP sequence numbers, modulo 2^32 (RFC 9293 §3.4).
//
// Two numbers can be compared while they lie less than 2^31 apart, which TCP's largest window (2^30)
// guarantees. At a distance of exactly 2^31 each is Less than the other.
package seq

// Number is a sequence number.
type Number uint32

// Less reports whether a comes before b.
func (a Number) Less(b Number) bool { return int32(a-b) < 0 }

// LessEq reports whether a comes before b or is b.
func (a Number) LessEq(b Number) bool { return int32(a-b) <= 0 }

// Greater reports whether a comes after b.
func (a Number) Greater(b Number) bool { return int32(a-b) > 0 }

// GreaterEq reports whether a comes after b or is b.
func (a Number) GreaterEq(b Number) bool { return int32(a-b) >= 0 }

// Add returns the number n octets after a, or before it if n is negative.
func (a Number) Add(n int) Number { return a + Number(n) }

// Sub returns the octets from b to a: negative if a comes before b.
func (a Number) Sub(b Number) int { return int(int32(a - b)) }

// InRange reports whether a lies in the half-open range [start, end). The range may be empty, and as
// long as 2^32-1.
func (a Number) InRange(start, end Number) bool { return a-start < end-start }

// InWindow reports whether a is one of the size octets from start. A size below one holds nothing.
func (a Number) InWindow(start Number, size int) bool { return int64(a-start) < int64(size) }

// Max returns the later of a and b.
func Max(a, b Number) Number {
	if a.Less(b) {
		return b
	}
	return a
}

// Min returns the earlier of a and b.
func Min(a, b Number) Number {
	if b.Less(a) {
		return b
	}
	return a
}
