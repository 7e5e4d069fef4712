package stack

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip"
)

func (f *fixture) to(dst string) *Route {
	r, err := f.FindRoute(RouteQuery{Destination: addr(dst)})
	require.Equal(f.t, tcpip.OK, err, dst)
	return r
}

// believed writes what a route believes.
func believed(r *Route) string {
	mtu, locked := r.PathMTU()
	if locked {
		return fmt.Sprint(mtu, " locked")
	}
	return fmt.Sprint(mtu)
}

// BEHAVIOUR B8.
func TestLearnPathMTU(t *testing.T) {
	f := newFixture(t)
	f.nic(LinkLoopback, "127.0.0.1/8")
	f.nic(LinkEthernet, "10.0.0.1/24", "2001:db8::1/64")
	for i, c := range []struct {
		dst  string
		mtu  int
		want string
		news bool
	}{
		{"10.0.0.2", 1300, "1300", true},
		{"10.0.0.2", 1300, "1300", false},
		{"10.0.0.2", 1400, "1300", false}, // never grows
		{"10.0.0.2", 1200, "1200", true},
		{"10.0.0.3", 1500, "1500", false},
		{"10.0.0.3", 9000, "1500", false},
		{"10.0.0.4", 552, "552", true},
		{"10.0.0.5", 551, "552 locked", true},
		{"10.0.0.5", 0, "552 locked", false},
		{"10.0.0.6", 0, "552 locked", true},
		{"10.0.0.7", 552, "552", true},
		{"10.0.0.7", 68, "552 locked", true},
		{"127.0.0.1", 600, "1500", false},
		{"2001:db8::2", 1300, "1300", true},
		{"2001:db8::2", 1279, "1300", false},
		{"2001:db8::3", 1279, "1500", false},
		{"2001:db8::3", 0, "1500", false},
		{"2001:db8::3", 1280, "1280", true},
	} {
		r := f.to(c.dst)
		_, news := f.LearnPathMTU(addr(c.dst), c.mtu)
		require.Equal(t, c.want, believed(r), "%d: %s %d", i, c.dst, c.mtu)
		require.Equal(t, c.news, news, "%d: %s %d", i, c.dst, c.mtu)
	}
	got, news := f.LearnPathMTU(addr("99.0.0.1"), 1300)
	require.Zero(t, got)
	require.False(t, news)
}

// BEHAVIOUR B9: shared by the flows to a destination, forgotten after ten minutes.
func TestPathMTUExpires(t *testing.T) {
	f := newFixture(t)
	n, _ := f.nic(LinkEthernet, "10.0.0.1/24")
	r := f.to("10.0.0.2")
	f.LearnPathMTU(addr("10.0.0.2"), 1300)
	f.clock.Advance(5 * time.Minute)
	f.LearnPathMTU(addr("10.0.0.3"), 1301)
	require.NoError(t, n.SetMTU(1400)) // the route changes, what was learnt stays
	require.Equal(t, "1300", believed(f.to("10.0.0.2")))
	f.clock.Advance(5*time.Minute - 1)
	require.Equal(t, "1300", believed(r))
	f.clock.Advance(1)
	require.Equal(t, "1500", believed(r))
	require.Equal(t, "1301", believed(f.to("10.0.0.3")))
	f.LearnPathMTU(addr("10.0.0.3"), 1301) // heard again: another ten minutes
	f.clock.Advance(9 * time.Minute)
	require.Equal(t, "1301", believed(f.to("10.0.0.3")))
	f.clock.Advance(time.Minute)
	require.Equal(t, "1400", believed(f.to("10.0.0.3")))
	require.Zero(t, f.clock.Next(), "an empty cache has no timer")
	require.NoError(t, n.SetMTU(1200))
	f.LearnPathMTU(addr("10.0.0.2"), 1300)
	require.Equal(t, "1200", believed(f.to("10.0.0.2")), "never more than the route")
}

func TestPathMTUBounded(t *testing.T) {
	f := newFixture(t)
	f.nic(LinkEthernet, "10.0.0.1/8")
	for i := range 2 * maxPathMTUs {
		f.LearnPathMTU(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 1300)
	}
	require.Len(t, f.pmtu.index, maxPathMTUs)
	require.Len(t, f.pmtu.all, maxPathMTUs)
	old := 0
	for i := range maxPathMTUs {
		if f.pmtu.index[netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})] != nil {
			old++
		}
	}
	// Evicted at random, n insertions leave 1/e of what was there.
	require.InDelta(t, 0.368, float64(old)/maxPathMTUs, 0.05)
	f.clock.Advance(pathMTULifetime)
	require.Empty(t, f.pmtu.all)
}

// BEHAVIOUR B2–B7.
func TestPMTUPolicy(t *testing.T) {
	f := newFixture(t)
	f.nic(LinkEthernet, "10.0.0.1/24")
	f.LearnPathMTU(addr("10.0.0.2"), 1300)
	f.LearnPathMTU(addr("10.0.0.3"), 100)
	type policy struct {
		df  bool
		mtu int
	}
	for mode, want := range map[tcpip.PMTUMode][3]policy{ // nothing learnt, 1300 learnt, locked
		tcpip.PMTUDont:      {{false, 1500}, {false, 1300}, {false, 552}},
		tcpip.PMTUWant:      {{true, 1500}, {true, 1300}, {false, 552}},
		tcpip.PMTUDo:        {{true, 1500}, {true, 1300}, {true, 552}},
		tcpip.PMTUProbe:     {{true, 1500}, {true, 1500}, {true, 1500}},
		tcpip.PMTUInterface: {{false, 1500}, {false, 1500}, {false, 1500}},
		tcpip.PMTUOmit:      {{false, 1500}, {false, 1500}, {false, 1500}},
	} {
		for i, dst := range []string{"10.0.0.9", "10.0.0.2", "10.0.0.3"} {
			df, mtu := f.to(dst).PMTUPolicy(mode)
			require.Equal(t, want[i], policy{df, mtu}, "mode %d to %s", mode, dst)
		}
	}
}
