package seq

import (
	"math/rand/v2"
	"testing"
)

const top = Number(1<<32 - 1)

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		a, b                             Number
		less, lessEq, greater, greaterEq bool
		sub                              int
	}{
		{0, 0, false, true, false, true, 0},
		{0, 1, true, true, false, false, -1},
		{1, 0, false, false, true, true, 1},
		{top, 0, true, true, false, false, -1},
		{0, top, false, false, true, true, 1},
		{top - 9, 10, true, true, false, false, -20},
		{0, 1<<31 - 1, true, true, false, false, -(1<<31 - 1)},
		{1 << 31, 1, false, false, true, true, 1<<31 - 1},
		{1 << 31, 0, true, true, false, false, -1 << 31}, // half way round: before, from both sides
		{0, 1 << 31, true, true, false, false, -1 << 31},
	} {
		if c.a.Less(c.b) != c.less || c.a.LessEq(c.b) != c.lessEq || c.a.Greater(c.b) != c.greater || c.a.GreaterEq(c.b) != c.greaterEq {
			t.Errorf("%d against %d: less %v, lessEq %v, greater %v, greaterEq %v", c.a, c.b,
				c.a.Less(c.b), c.a.LessEq(c.b), c.a.Greater(c.b), c.a.GreaterEq(c.b))
		}
		if got := c.a.Sub(c.b); got != c.sub {
			t.Errorf("%d.Sub(%d) = %d, want %d", c.a, c.b, got, c.sub)
		}
		if got := c.b.Add(c.sub); got != c.a {
			t.Errorf("%d.Add(%d) = %d, want %d", c.b, c.sub, got, c.a)
		}
	}
}

func TestInRange(t *testing.T) {
	for _, c := range []struct {
		a, start, end Number
		want          bool
	}{
		{5, 5, 10, true},
		{9, 5, 10, true},
		{10, 5, 10, false},
		{4, 5, 10, false},
		{5, 5, 5, false}, // empty
		{top, top - 1, 1, true},
		{0, top - 1, 1, true},
		{1, top - 1, 1, false},
		{top, 0, top, false},
		{top - 1, 0, top, true},
	} {
		if got := c.a.InRange(c.start, c.end); got != c.want {
			t.Errorf("%d.InRange(%d, %d) = %v", c.a, c.start, c.end, got)
		}
	}
}

func TestInWindow(t *testing.T) {
	for _, c := range []struct {
		a, start Number
		size     int
		want     bool
	}{
		{5, 5, 1, true},
		{6, 5, 1, false},
		{4, 5, 1, false},
		{5, 5, 0, false},
		{5, 5, -1, false},
		{0, top, 2, true},
		{1, top, 2, false},
		{1<<30 - 1, 0, 1 << 30, true},
		{1 << 30, 0, 1 << 30, false},
	} {
		if got := c.a.InWindow(c.start, c.size); got != c.want {
			t.Errorf("%d.InWindow(%d, %d) = %v", c.a, c.start, c.size, got)
		}
	}
}

func TestMaxMin(t *testing.T) {
	for _, c := range []struct{ a, b, max, min Number }{
		{1, 2, 2, 1},
		{2, 1, 2, 1},
		{7, 7, 7, 7},
		{top, 3, 3, top},
		{3, top, 3, top},
	} {
		if got := Max(c.a, c.b); got != c.max {
			t.Errorf("Max(%d, %d) = %d", c.a, c.b, got)
		}
		if got := Min(c.a, c.b); got != c.min {
			t.Errorf("Min(%d, %d) = %d", c.a, c.b, got)
		}
	}
}

// Where everything lies within 2^30 of a common origin, the arithmetic is that of the integers.
func TestAgainstIntegers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		origin := Number(r.Uint32())
		a, b, c := int(r.Uint32N(1<<30)), int(r.Uint32N(1<<30)), int(r.Uint32N(1<<30))
		na, nb, nc := origin.Add(a), origin.Add(b), origin.Add(c)
		if na.Less(nb) != (a < b) || na.LessEq(nb) != (a <= b) || na.Sub(nb) != a-b {
			t.Fatalf("origin %d, a %d, b %d", origin, a, b)
		}
		if b <= c && na.InRange(nb, nc) != (b <= a && a < c) {
			t.Fatalf("origin %d: %d in [%d, %d)", origin, a, b, c)
		}
		if na.InWindow(nb, c) != (b <= a && a < b+c) {
			t.Fatalf("origin %d: %d in [%d, +%d)", origin, a, b, c)
		}
	}
}
