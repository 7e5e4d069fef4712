package interop

import (
	"flag"
	"math"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
	"github.com/seed963a8790/netstack/transport/tcp"
)

var kernelFairness = flag.Duration("kernel.fairness", 0, "how long TestFairnessWithTheKernel lets pairs of flows share a path; 2m is what counts")

const (
	fairnessPairs = 3 // of each kind
	fairnessSlack = 5 // how much farther from its half a flow of ours may be than the kernel's own, in hundredths
)

// withOurs adds a host of this stack to the emulator, and returns what makes a connection of it to side 1.
func (e *emulator) withOurs(t *testing.T) func() (net.Conn, error) {
	s := stack.New(stack.Options{Networks: []stack.NewNetwork{ipv4.New}, Transports: []stack.NewTransport{tcp.New}})
	t.Cleanup(s.Close)
	e.ours = channel.New(channel.Options{MTU: 1500, Capacity: 20000})
	nic, err := s.AddNIC(e.ours, stack.NICOptions{Name: "path", Addresses: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4(oursAddress), 24)}})
	require.NoError(t, err)
	require.NoError(t, s.AddRoute(stack.RouteEntry{Destination: netip.MustParsePrefix("10.79.0.0/24"), NIC: nic.ID()}))
	return func() (net.Conn, error) {
		d := gonet.Dialer{Stack: s}
		return d.DialTCP(t.Context(), "tcp4", netip.AddrPort{}, netip.AddrPortFrom(netip.AddrFrom4(emulatorAddress[1]), 80))
	}
}

// Our CUBIC beside the kernel's at 50 Mbit/s and 40 ms, with a queue of one bandwidth-delay product: in the second half
// of the time neither is much farther from its half than two flows of the kernel's are. Whom a queue that drops at its
// tail favours, and for how long, is chance: a pair alone says little, so several of each kind are asked, one of
// each at once, and what counts is how far they are from their halves in the mean.
func TestFairnessWithTheKernel(t *testing.T) {
	length := *kernelFairness
	if length == 0 {
		t.Skip("only with -kernel.fairness")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root, for network namespaces")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(32)) // a thread that carries packets must not wait for a processor of Go's
	type pair struct {
		first, rate, late float64 // shares
		err               error
	}
	var kernel, mixed [fairnessPairs]pair
	var all sync.WaitGroup
	run := func(p *pair, seed uint64, flows int, ours bool) {
		e := newEmulator(50e6, 40*time.Millisecond, 0, seed)
		var dial func() (net.Conn, error)
		if ours {
			dial = e.withOurs(t)
		}
		all.Go(func() {
			n, err := e.transfer(flows, dial, length, length/2)
			if p.err = err; err == nil {
				p.first = float64(n[0]) / float64(n[0]+n[1])
				p.rate = float64(n[0]+n[1]) * 8 / (length / 2).Seconds() / float64(e.rate)
				p.late = float64(e.late) / float64(max(e.carried, 1))
			}
		})
	}
	for i := range fairnessPairs {
		run(&kernel[i], uint64(i+1), 2, false)
		run(&mixed[i], uint64(i+1), 1, true)
		all.Wait()
	}
	mean := func(what string, pairs []pair) (distance float64) {
		for _, p := range pairs {
			require.NoError(t, p.err)
			t.Logf("%s: %.1f %% and %.1f %%, of %.3f of the rate; %.4f of the packets were late", what, 100*p.first, 100-100*p.first, p.rate, p.late)
			distance += 100 * math.Abs(p.first-.5) / fairnessPairs
		}
		return distance
	}
	k, m := mean("kernel, kernel", kernel[:]), mean("kernel, ours", mixed[:])
	t.Logf("%.1f from the half in the mean, with ours %.1f", k, m)
	require.LessOrEqual(t, m, k+fairnessSlack)
}
