package interop

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

var kernelRecord = flag.Bool("kernel.record", false, "TestKernelGoodput measures the kernel's CUBIC anew (minutes)")

// What is measured, which internal/tcb compares its own goodput with.
const (
	kernelSeeds = 5
	sideBySide  = 50e6 // bits per second, that are measured at once
	tooLate     = 0.2  // of the packets, by more than a millisecond
)

// kernelLength is how long a cell lasts: ten seconds, or a hundred round trips.
func kernelLength(rtt time.Duration) time.Duration { return max(10*time.Second, 100*rtt) }

// The goodput of the kernel's CUBIC goes to the table that internal/tcb's TestGoodputLikeTheKernel reads. Seeds of slow
// paths run side by side, and of those where losses leave little of the rate. What the
// emulator cannot keep up with says nothing about the kernel, and is not a line of the table but a remark; a gigabit at
// 200 ms is not tried.
func TestKernelGoodput(t *testing.T) {
	if !*kernelRecord {
		t.Skip("only with -kernel.record")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root, for network namespaces")
	}
	// A thread that carries packets must not wait for a processor of Go's.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8 * kernelSeeds))
	var u unix.Utsname
	require.NoError(t, unix.Uname(&u))
	var out strings.Builder
	fmt.Fprintf(&out, "# Linux %s, CUBIC, from the SYN on; a queue of one bandwidth-delay product, losses of data only\n", unix.ByteSliceToString(u.Release[:]))
	fmt.Fprintf(&out, "# Mbit/s\tRTT ms\tloss %%\tseconds\tgoodput, of the rate, by seed\n")
	for _, rate := range []int{10e6, 100e6, 1e9} {
		for _, rtt := range []time.Duration{10 * time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond} {
			if rate == 1e9 && rtt == 200*time.Millisecond {
				continue
			}
			for _, loss := range []float64{0, 0.001, 0.01, 0.05} {
				length := kernelLength(rtt)
				var share, late [kernelSeeds]float64 // of the rate, and of the packets
				var failed [kernelSeeds]error
				var all sync.WaitGroup
				atOnce := kernelSeeds
				if loss == 0 {
					atOnce = max(int(sideBySide)/rate, 1)
				}
				slots := make(chan struct{}, atOnce)
				for i := range share {
					slots <- struct{}{}
					all.Go(func() {
						defer func() { <-slots }()
						e := newEmulator(rate, rtt, loss, uint64(i+1))
						n, err := e.transfer(1, nil, length, 0)
						if failed[i] = err; err != nil {
							return
						}
						share[i] = float64(n[0]) * 8 / length.Seconds() / float64(rate)
						late[i] = float64(e.late) / float64(max(e.carried, 1))
					})
				}
				all.Wait()
				if (late[0]+late[1]+late[2]+late[3]+late[4])/kernelSeeds > tooLate {
					fmt.Fprint(&out, "# not kept up with: ")
				}
				fmt.Fprintf(&out, "%d\t%d\t%g\t%g", rate/1e6, rtt.Milliseconds(), 100*loss, length.Seconds())
				for i := range share {
					require.NoError(t, failed[i])
					fmt.Fprintf(&out, "\t%.4f", share[i])
				}
				fmt.Fprintf(&out, "\n# late by more than a millisecond, of its packets: %.4f\n", late)
				t.Logf("%d Mbit/s, %v, %g: %.4f, late %.4f", rate/1e6, rtt, loss, share, late)
			}
		}
	}
	require.NoError(t, os.WriteFile(filepath.Join("..", "tcb", "testdata", "goodput", "kernel.tsv"), []byte(out.String()), 0o644))
}

// Two flows of the kernel's CUBIC at 50 Mbit/s and 40 ms, of which the last minute of two counts: how far each is from
// its half. internal/tcb's TestFairness compares its own with it.
func TestKernelFairness(t *testing.T) {
	if !*kernelRecord {
		t.Skip("only with -kernel.record")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root, for network namespaces")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(16))
	n, err := newEmulator(50e6, 40*time.Millisecond, 0, 1).transfer(2, nil, 2*time.Minute, time.Minute)
	require.NoError(t, err)
	first := float64(n[0]) / float64(n[0]+n[1])
	t.Logf("%d and %d bytes: %.1f %% for the first", n[0], n[1], 100*first)
	var u unix.Utsname
	require.NoError(t, unix.Uname(&u))
	text := fmt.Sprintf("# Linux %s: the first flow's share of two at 50 Mbit/s and 40 ms, in the last of two minutes, %%\n%.1f\n",
		unix.ByteSliceToString(u.Release[:]), 100*first)
	require.NoError(t, os.WriteFile(filepath.Join("..", "tcb", "testdata", "goodput", "fairness.tsv"), []byte(text), 0o644))
}
