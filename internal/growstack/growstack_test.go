package growstack

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

//go:noinline
func deep(n int) byte {
	var room [512]byte
	room[n%len(room)] = byte(n)
	if n == 0 {
		return room[0]
	}
	return deep(n-1) + room[n%len(room)]
}

// moved reports whether the stack of a new goroutine is moved by a call that needs 3 KiB of it.
func moved(ensure bool) bool {
	told := make(chan bool)
	go func() {
		var x byte
		if ensure {
			Ensure()
		}
		before := uintptr(unsafe.Pointer(&x))
		x += deep(5)
		told <- uintptr(unsafe.Pointer(&x)) != before
	}()
	return <-told
}

func TestEnsure(t *testing.T) {
	require.True(t, moved(false), "or the package is not needed")
	require.False(t, moved(true))
}
