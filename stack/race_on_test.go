//go:build race

package stack

// raceEnabled: the race detector empties pools at random, so that allocations cannot be counted.
const raceEnabled = true
