package interop

import (
	"flag"
	"math"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
	"github.com/seed963a8790/netstack/transport/tcp"
)

var kernelFairness = flag.Duration("kernel.fairness", 0, "how long TestFairnessWithTheKernel lets two flows share a path, twice; 2m is what counts")

// fairnessSlack is how much farther from its half a flow of ours may be than the kernel's own were, in hundredths.
const fairnessSlack = 5

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
// of the time neither is much farther from its half than two flows of the kernel's are, measured just before.
func TestFairnessWithTheKernel(t *testing.T) {
	length := *kernelFairness
	if length == 0 {
		t.Skip("only with -kernel.fairness")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root, for network namespaces")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(16)) // a thread that carries packets must not wait for a processor of Go's
	share := func(flows int, ours bool) float64 {
		e := newEmulator(50e6, 40*time.Millisecond, 0, 1)
		var dial func() (net.Conn, error)
		if ours {
			dial = e.withOurs(t)
		}
		n, err := e.transfer(flows, dial, length, length/2)
		require.NoError(t, err)
		first := 100 * float64(n[0]) / float64(n[0]+n[1])
		t.Logf("%.1f %% and %.1f %%, of %.3f of the rate; %.4f of the packets were late", first, 100-first,
			float64(n[0]+n[1])*8/(length/2).Seconds()/float64(e.rate), float64(e.late)/float64(max(e.carried, 1)))
		return first
	}
	kernel := share(2, false)
	mixed := share(1, true)
	require.LessOrEqual(t, math.Abs(mixed-50), math.Abs(kernel-50)+fairnessSlack, "the kernel's first flow has %.1f %%, beside ours %.1f %%", kernel, mixed)
}
