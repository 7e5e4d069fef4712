package linktest

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// Namespace moves the test's goroutine, and the thread that it is bound to from then on, into a new network
// namespace, which goes with them. Sockets and devices that the goroutine opens belong to it; subtests do
// not. The test is skipped without the rights to do so.
func Namespace(t testing.TB) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, for a network namespace")
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skip("there is no /dev/net/tun")
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("no network namespace: %v", err)
	}
}
