package tcb

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A deque does what a slice does.
func TestDeque(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var d deque[int]
	var want []int
	for i := range 200_000 {
		switch op := r.IntN(100); {
		case op < 30:
			d.pushBack(i)
			want = append(want, i)
		case op < 55:
			at := r.IntN(len(want) + 1)
			d.insert(at, i)
			want = slices.Insert(want, at, i)
		case op < 85 && len(want) > 0:
			if got := d.popFront(); got != want[0] {
				t.Fatalf("popFront %d, want %d", got, want[0])
			}
			want = want[1:]
		case op < 99 && len(want) > 0:
			if got := d.popBack(); got != want[len(want)-1] {
				t.Fatalf("popBack %d, want %d", got, want[len(want)-1])
			}
			want = want[:len(want)-1]
		case len(want) == 0:
			d.trim(0)
		}
		if d.len() != len(want) {
			t.Fatalf("%d elements, want %d", d.len(), len(want))
		}
		if n := len(want); n > 0 {
			if k := r.IntN(n); *d.at(k) != want[k] || *d.first() != want[0] || *d.last() != want[n-1] {
				t.Fatal("wrong element")
			}
		}
	}
}

// Insertion in front costs no more than behind: the array leaves room on both sides.
func TestDequeInFront(t *testing.T) {
	var d deque[int]
	for i := range 10_000 {
		d.pushBack(i)
		d.insert(0, -i)
	}
	if *d.first() != -9999 || *d.last() != 9999 || len(d.buf) > 1<<17 {
		t.Fatal(*d.first(), *d.last(), len(d.buf))
	}
}
