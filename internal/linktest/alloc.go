package linktest

import (
	"runtime/debug"
	"testing"
)

// NoAllocations fails the test if f, which has run often enough to fill the pools, allocates. It skips
// itself under the race detector, which empties pools on purpose.
func NoAllocations(t *testing.T, f func()) {
	t.Helper()
	if raceEnabled {
		t.Skip("the race detector empties pools at random")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties the pools
	for range 100 {
		f()
	}
	if n := testing.AllocsPerRun(200, f); n != 0 {
		t.Errorf("%v allocations per run", n)
	}
}
