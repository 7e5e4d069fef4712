// Package growstack makes a goroutine's stack large enough for a frame of packets before there is much on it to move.
//
// A goroutine begins with 2 KiB and its stack doubles by being copied. One goroutine for each connection is how Go
// programs are written, so its first call would have the stack moved in the deepest place, where that costs most.
package growstack

// depth is what a frame may need of its goroutine's stack, bytes: from a write down through one protocol stack and up
// through the other to the answer it is some 3 KiB.
const depth = 4 << 10

// Ensure makes sure of the room. It costs a comparison where there is enough. It belongs into the outermost call: what
// lies on the stack by then is copied.
func Ensure() { ensure(false) }

// ensure is compared by what it might use, so it need not use it.
//
//go:noinline
func ensure(use bool) {
	if use {
		var room [depth]byte
		touch(&room)
	}
}

//go:noinline
func touch(room *[depth]byte) { room[0]++ }
