// Package leak finds goroutines that the tests of a package have left behind. Its TestMain is
//
//	func TestMain(m *testing.M) { leak.Main(m) }
package leak

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// patience is how long goroutines on their way out are waited for: a test's last frame may outlive it by a moment.
const patience = 10 * time.Second

// Main runs the tests and exits: as they say, or with 1 if they have passed and left goroutines behind, whose stacks are
// then printed.
func Main(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if left := wait(patience); len(left) > 0 {
			fmt.Fprintf(os.Stderr, "leak: %d goroutines were left behind:\n\n%s\n", len(left), strings.Join(left, "\n\n"))
			code = 1
		}
	}
	os.Exit(code)
}

// wait returns the stacks of the goroutines that are there beside the caller's and those of the runtime, once none is
// left or after d.
func wait(d time.Duration) []string {
	for end := time.Now().Add(d); ; time.Sleep(5 * time.Millisecond) {
		left := others()
		if len(left) == 0 || time.Now().After(end) {
			return left
		}
	}
}

// native are functions of the standard library whose goroutines stay as long as the process.
var native = []string{"os/signal.signal_recv", "os/signal.loop", "runtime.ensureSigM", "runtime.handleEvent"}

// others returns the stacks of the goroutines beside the caller's, which comes first.
func others() (left []string) {
	b := make([]byte, 64<<10)
	for {
		n := runtime.Stack(b, true)
		if n < len(b) {
			b = b[:n]
			break
		}
		b = make([]byte, 2*len(b))
	}
next:
	for _, g := range strings.Split(strings.TrimSpace(string(b)), "\n\n")[1:] {
		for _, f := range native {
			if strings.Contains(g, f) {
				continue next
			}
		}
		left = append(left, g)
	}
	return left
}
