package transport

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// entry is one of a list.
type entry struct {
	n    int
	link Link[entry]
}

// A list keeps the order in which entries came, whichever leave; one that is not in it cannot.
func TestChain(t *testing.T) {
	var c Chain[entry]
	var want []*entry
	all := make([]*entry, 20)
	for i := range all {
		all[i] = &entry{n: i}
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 10000 {
		e := all[rnd.IntN(len(all))]
		if i := slices.Index(want, e); i >= 0 {
			require.True(t, c.Remove(&e.link))
			want = slices.Delete(want, i, i+1)
		} else {
			require.False(t, c.Remove(&e.link))
			c.Push(e, &e.link)
			want = append(want, e)
		}
		require.True(t, slices.Equal(want, c.All()))
		if first := c.First(); len(want) == 0 {
			require.Nil(t, first)
		} else {
			require.Same(t, want[0], first)
		}
	}
}
