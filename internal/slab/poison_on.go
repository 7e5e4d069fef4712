//go:build race || slabdebug

package slab

// poison makes the use of released bytes visible, as wrong data and, under the race detector, as a
// race with the next owner.
func poison(b []byte) {
	for i := range b {
		b[i] = 0xdb
	}
}
