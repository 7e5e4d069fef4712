//go:build race || slabdebug

package slab

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const raceEnabled = true

// With -race, bytes that were released do not look like data any more.
func TestPoison(t *testing.T) {
	var pool Pool
	p, _ := pool.Copy([]byte("secret"))
	stale := p.Bytes()
	p.Release()
	for _, b := range stale {
		require.EqualValues(t, 0xdb, b)
	}
}
