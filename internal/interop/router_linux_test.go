package interop

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/link/tun"
	"github.com/seed963a8790/netstack/network/ipv6"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

const radvd = `interface t0 {
	AdvSendAdvert on;
	MinRtrAdvInterval 3;
	MaxRtrAdvInterval 4;
	AdvLinkMTU 1400;
	AdvDefaultPreference high;
	prefix 2001:db8:5::/64 { AdvOnLink on; AdvAutonomous on; };
	route 2001:db8:6::/48 { AdvRoutePreference low; };
	RDNSS 2001:db8:5::53 { };
};
`

// A router daemon of the kernel's side configures our stack, and the kernel then reaches it by the address that it
// has made for itself.
func TestRouterAdvertisements(t *testing.T) {
	daemon, err := exec.LookPath("radvd")
	if err != nil {
		t.Skip("needs radvd")
	}
	ns := newNamespace(t)
	s := newStack(t)
	nic := ns.attach(s, tun.Options{TAP: true}, nil)
	ns.ip("-n", ns.name, "addr", "add", "2001:db8:5::1/64", "dev", "t0", "nodad")
	ns.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")

	config := filepath.Join(t.TempDir(), "radvd.conf")
	require.NoError(t, os.WriteFile(config, []byte(radvd), 0o644))
	ctx, cancel := context.WithCancel(context.Background())
	cmd := ns.command(ctx, daemon, "-n", "-C", config, "-p", filepath.Join(t.TempDir(), "pid"), "-m", "stderr", "-u", "root")
	var log strings.Builder
	cmd.Stderr = &log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // killed
		if t.Failed() {
			t.Log(log.String())
		}
	})

	d, err := ipv6.Discover(nic, ipv6.DiscoveryOptions{Generation: ipv6.Hardware})
	require.NoError(t, err)
	var made netip.Addr
	changed := waiter.NewChannel(waiter.Readable)
	d.Waiters().Register(changed)
	defer d.Waiters().Unregister(changed)
	end := time.After(30 * time.Second)
	for !made.IsValid() {
		for _, a := range nic.Addresses() {
			if netip.MustParsePrefix("2001:db8:5::/64").Contains(a.Prefix.Addr()) && a.State == stack.AddressPreferred {
				made = a.Prefix.Addr()
			}
		}
		select {
		case <-changed.C():
		case <-time.After(100 * time.Millisecond):
		case <-end:
			require.FailNow(t, "no address was made", "%v", nic.Addresses())
		}
	}
	require.Equal(t, []netip.Addr{netip.MustParseAddr("2001:db8:5::53")}, d.Advertised().DNS)
	route := func(to string) *stack.Route {
		r, err := s.FindRoute(stack.RouteQuery{Destination: netip.MustParseAddr(to)})
		require.Equal(t, tcpip.OK, err)
		return r
	}
	for _, to := range []string{"2001:db8:99::1", "2001:db8:6::1"} {
		r := route(to)
		require.True(t, r.NextHop.IsLinkLocalUnicast(), to)
		require.Equal(t, []any{made, 1400, uint8(64)}, []any{r.Local, r.MTU(), r.DefaultTTL()}, to)
	}
	require.Equal(t, "2001:db8:5::7", route("2001:db8:5::7").NextHop.String())
	out := ns.run("ping", "-c", "3", "-i", "0.02", "-W", "5", "-s", "3000", made.String())
	require.Contains(t, out, " 0% packet loss")
	serve(t, s)
	ns.download("["+made.String()+"]", 8<<20)
}
