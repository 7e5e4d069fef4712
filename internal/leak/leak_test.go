package leak

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { Main(m) }

// A goroutine that stays is found by its stack, one that ends is waited for.
func TestLeft(t *testing.T) {
	before := len(others())
	stop := make(chan struct{})
	go lingering(stop)
	left := wait(20 * time.Millisecond)
	require.Len(t, left, before+1)
	require.Contains(t, left[len(left)-1], "leak.lingering")
	time.AfterFunc(20*time.Millisecond, func() { close(stop) })
	for len(others()) > before {
		time.Sleep(time.Millisecond)
	}
}

func lingering(stop chan struct{}) { <-stop }
