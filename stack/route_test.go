package stack

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip"
)

// describe writes a route as ip-route(8) would.
func describe(r *Route, err tcpip.Error) string {
	if err != tcpip.OK {
		return err.Error()
	}
	s := fmt.Sprintf("%s via %s src %s mtu %d", r.NIC.Name(), r.NextHop, r.Local, r.MTU())
	for _, f := range []struct {
		on   bool
		name string
	}{{r.Loopback, " loopback"}, {r.Broadcast, " broadcast"}, {r.Multicast, " multicast"}} {
		if f.on {
			s += f.name
		}
	}
	return s
}

// The rows were compared with what "ip route get" says in a namespace with the same NICs and routes.
func TestFindRoute(t *testing.T) {
	f := newFixture(t)
	f.nic(LinkLoopback, "127.0.0.1/8", "::1/128") // nic1
	two, _ := f.nic(LinkEthernet, "10.0.0.1/24", "2001:db8::1/64", "fe80::1/64")
	three, _ := f.nic(LinkEthernet, "10.0.1.1/24", "10.0.1.2/24", "fe80::1/64", "2001:db8:1::1/64")
	four, _ := f.nic(LinkEthernet) // no addresses
	f.route("0.0.0.0/0", via("10.0.0.254"))
	f.route("0.0.0.0/0", via("10.0.1.254"), metric(10))
	f.route("192.168.0.0/16", via("10.0.1.254"), preferring("10.0.1.2"))
	f.route("192.168.7.0/24", dev(two), func(e *RouteEntry) { e.MTU = 1400 })
	f.route("172.16.0.0/12", dev(four))
	f.route("::/0", via("fe80::99"), dev(three))
	f.route("2001:db8:7::/48", via("2001:db8::99"))

	for _, c := range []struct {
		dst, src string
		nic      tcpip.NICID
		want     string
	}{
		{"10.0.0.7", "", 0, "nic2 via 10.0.0.7 src 10.0.0.1 mtu 1500"},
		{"10.0.1.7", "", 0, "nic3 via 10.0.1.7 src 10.0.1.1 mtu 1500"},
		{"10.0.1.7", "10.0.0.1", 0, "nic3 via 10.0.1.7 src 10.0.0.1 mtu 1500"},
		{"10.0.1.7", "10.0.0.9", 0, "cannot assign requested address"},
		{"10.0.1.7", "127.0.0.1", 0, "invalid argument"},
		{"8.8.8.8", "", 0, "nic2 via 10.0.0.254 src 10.0.0.1 mtu 1500"},
		{"8.8.8.8", "", 3, "nic3 via 10.0.1.254 src 10.0.1.1 mtu 1500"},
		{"8.8.8.8", "", 4, "nic4 via 8.8.8.8 src 10.0.0.1 mtu 1500"},
		{"8.8.8.8", "", 9, "no such device"},
		{"192.168.9.9", "", 0, "nic3 via 10.0.1.254 src 10.0.1.2 mtu 1500"},
		{"192.168.7.9", "", 0, "nic2 via 192.168.7.9 src 10.0.0.1 mtu 1400"},
		{"172.20.0.1", "", 0, "nic4 via 172.20.0.1 src 10.0.0.1 mtu 1500"},

		// Our own.
		{"10.0.0.1", "", 0, "nic1 via 10.0.0.1 src 10.0.0.1 mtu 1500 loopback"},
		{"10.0.0.1", "10.0.1.1", 0, "nic1 via 10.0.0.1 src 10.0.1.1 mtu 1500 loopback"},
		{"127.0.0.1", "", 0, "nic1 via 127.0.0.1 src 127.0.0.1 mtu 1500 loopback"},
		{"127.9.9.9", "", 0, "nic1 via 127.9.9.9 src 127.0.0.1 mtu 1500 loopback"},
		{"0.0.0.0", "", 0, "nic1 via 127.0.0.1 src 127.0.0.1 mtu 1500 loopback"},
		{"::", "", 0, "nic1 via ::1 src ::1 mtu 1500 loopback"},
		{"2001:db8::1", "", 0, "nic1 via 2001:db8::1 src 2001:db8::1 mtu 1500 loopback"},
		{"fe80::1", "", 3, "nic1 via fe80::1 src fe80::1 mtu 1500 loopback"},
		{"10.0.0.1", "", 3, "nic3 via 10.0.1.254 src 10.0.1.1 mtu 1500"}, // bound elsewhere: to the wire

		// Broadcast and multicast.
		{"255.255.255.255", "", 0, "nic2 via 255.255.255.255 src 10.0.0.1 mtu 1500 broadcast"},
		{"255.255.255.255", "10.0.1.1", 0, "nic3 via 255.255.255.255 src 10.0.1.1 mtu 1500 broadcast"},
		{"255.255.255.255", "", 4, "nic4 via 255.255.255.255 src 10.0.0.1 mtu 1500 broadcast"},
		{"10.0.1.255", "", 0, "nic3 via 10.0.1.255 src 10.0.1.1 mtu 1500 broadcast"},
		{"224.1.2.3", "", 0, "nic2 via 224.1.2.3 src 10.0.0.1 mtu 1500 multicast"},
		{"224.1.2.3", "", 3, "nic3 via 224.1.2.3 src 10.0.1.1 mtu 1500 multicast"},
		{"224.1.2.3", "10.0.1.2", 0, "nic3 via 224.1.2.3 src 10.0.1.2 mtu 1500 multicast"},
		{"ff02::1", "", 0, "nic2 via ff02::1 src fe80::1 mtu 1500 multicast"},
		{"ff0e::1", "", 0, "nic2 via ff0e::1 src 2001:db8::1 mtu 1500 multicast"},
		{"ff02::1", "2001:db8:1::1", 0, "nic2 via ff02::1 src 2001:db8:1::1 mtu 1500 multicast"},
		{"ff02::1", "", 2, "nic2 via ff02::1 src fe80::1 mtu 1500 multicast"},
		{"ff0e::1", "", 2, "nic2 via ff0e::1 src 2001:db8::1 mtu 1500 multicast"},

		// IPv6.
		{"2001:db8::7", "", 0, "nic2 via 2001:db8::7 src 2001:db8::1 mtu 1500"},
		{"2001:4860::7", "", 0, "nic3 via fe80::99 src 2001:db8:1::1 mtu 1500"},
		{"2001:db8:7::7", "", 0, "nic2 via 2001:db8::99 src 2001:db8::1 mtu 1500"},
		{"fe80::7", "", 0, "nic2 via fe80::7 src fe80::1 mtu 1500"},
		{"fe80::7", "", 3, "nic3 via fe80::7 src fe80::1 mtu 1500"},
		{"::1", "2001:db8::1", 0, "nic1 via ::1 src 2001:db8::1 mtu 1500 loopback"},
	} {
		q := RouteQuery{Destination: addr(c.dst), Source: addr(c.src), NIC: c.nic}
		require.Equal(t, c.want, describe(f.FindRoute(q)), "%s from %q on %d", c.dst, c.src, c.nic)
		require.Equal(t, c.want, describe(f.FindRoute(q)), "%s from the cache", c.dst)
	}

	f.route("ff02::/16", dev(three))
	require.Equal(t, "nic3 via ff02::1 src fe80::1 mtu 1500 multicast", find1(f.Stack, "ff02::1"))
	for range 2 {
		require.NoError(t, f.RemoveRoute(RouteEntry{Destination: netip.MustParsePrefix("0.0.0.0/0")}))
	}
	for _, dst := range []string{"255.255.255.255", "224.1.2.3", "9.9.9.9"} {
		require.Equal(t, "network is unreachable", find1(f.Stack, dst))
	}

	_, err := f.FindRoute(RouteQuery{})
	require.Equal(t, tcpip.ErrInvalid, err)
	_, err = f.FindRoute(RouteQuery{Destination: addr("10.0.0.7"), Source: addr("::1")})
	require.Equal(t, tcpip.ErrInvalid, err)
	r, err := f.FindRoute(RouteQuery{Destination: addr("10.0.0.7"), Source: addr("1.2.3.4"), AnySource: true})
	require.Equal(t, "nic2 via 10.0.0.7 src 1.2.3.4 mtu 1500", describe(r, err))
	two.SetSpoofing(true)
	r, err = f.FindRoute(RouteQuery{Destination: addr("10.0.0.7"), Source: addr("1.2.3.4")})
	require.Equal(t, "nic2 via 10.0.0.7 src 1.2.3.4 mtu 1500", describe(r, err))
	two.SetSpoofing(false)
	_, err = f.FindRoute(RouteQuery{Destination: addr("10.0.0.7"), Source: addr("1.2.3.4")})
	require.Equal(t, tcpip.ErrAddrNotAvailable, err)
}

// Routes stop being valid when anything that they depend on changes, and follow the change.
func TestRouteValid(t *testing.T) {
	f := newFixture(t)
	one, l1 := f.nic(LinkEthernet, "10.0.0.1/24")
	two, _ := f.nic(LinkEthernet, "10.0.1.1/24")
	f.route("0.0.0.0/0", via("10.0.0.254"))
	f.route("0.0.0.0/0", via("10.0.1.254"), metric(1))
	q := RouteQuery{Destination: addr("8.8.8.8")}
	find := func(want string) *Route {
		t.Helper()
		r, err := f.FindRoute(q)
		require.Equal(t, want, describe(r, err))
		return r
	}
	r := find("nic1 via 10.0.0.254 src 10.0.0.1 mtu 1500")
	require.True(t, r.Valid())
	for _, step := range []struct {
		name string
		do   func()
		want string
	}{
		{"an MTU", func() { require.NoError(t, one.SetMTU(1300)) }, "nic1 via 10.0.0.254 src 10.0.0.1 mtu 1300"},
		{"NIC down", func() { one.SetUp(false) }, "nic2 via 10.0.1.254 src 10.0.1.1 mtu 1500"},
		{"NIC up", func() { one.SetUp(true) }, "nic1 via 10.0.0.254 src 10.0.0.1 mtu 1300"},
		{"link down", func() { l1.info.Up = false; l1.up.LinkChanged(nil) }, "nic2 via 10.0.1.254 src 10.0.1.1 mtu 1500"},
		{"link up", func() { l1.info.Up = true; l1.up.LinkChanged(nil) }, "nic1 via 10.0.0.254 src 10.0.0.1 mtu 1300"},
		{"an address", func() { require.NoError(t, one.AddAddress(netip.MustParsePrefix("8.8.0.1/16"))) }, "nic1 via 8.8.8.8 src 8.8.0.1 mtu 1300"},
		{"its loss", func() { require.NoError(t, one.RemoveAddress(addr("8.8.0.1"))) }, "nic1 via 10.0.0.254 src 10.0.0.1 mtu 1300"},
		{"a route", func() { f.route("8.0.0.0/8", dev(two)) }, "nic2 via 8.8.8.8 src 10.0.1.1 mtu 1500"},
		{"its loss", func() { require.NoError(t, f.RemoveRoute(RouteEntry{Destination: netip.MustParsePrefix("8.0.0.0/8")})) }, "nic1 via 10.0.0.254 src 10.0.0.1 mtu 1300"},
		{"NIC gone", func() { one.Remove() }, "nic2 via 10.0.1.254 src 10.0.1.1 mtu 1500"},
		{"NIC gone", func() { two.Remove() }, "network is unreachable"},
	} {
		step.do()
		require.False(t, r.Valid(), step.name)
		if got, err := f.FindRoute(q); err == tcpip.OK {
			require.True(t, got.Valid(), step.name)
			r = got
		}
		find(step.want)
	}
}

func find1(s *Stack, dst string) string {
	return describe(s.FindRoute(RouteQuery{Destination: addr(dst)}))
}

func TestAddRoute(t *testing.T) {
	f := newFixture(t)
	n, _ := f.nic(LinkEthernet, "10.0.0.1/24", "2001:db8::1/64")
	m, _ := f.nic(LinkEthernet)
	for _, c := range []struct {
		dst    string
		change []func(*RouteEntry)
		want   error
	}{
		{"20.0.0.0/8", nil, tcpip.ErrNoDevice},
		{"20.0.0.0/8", []func(*RouteEntry){func(e *RouteEntry) { e.NIC = 7 }}, tcpip.ErrNoDevice},
		{"20.0.0.0/8", []func(*RouteEntry){via("10.0.9.1")}, tcpip.ErrNetUnreachable},
		{"20.0.0.0/8", []func(*RouteEntry){via("10.0.0.9"), dev(m)}, tcpip.ErrNetUnreachable},
		{"20.0.0.0/8", []func(*RouteEntry){via("10.0.0.1")}, tcpip.ErrInvalid},
		{"20.0.0.0/8", []func(*RouteEntry){via("224.0.0.1")}, tcpip.ErrInvalid},
		{"20.0.0.0/8", []func(*RouteEntry){via("fe80::1"), dev(n)}, tcpip.ErrInvalid},
		{"20.0.0.0/8", []func(*RouteEntry){dev(n), preferring("1.1.1.1")}, tcpip.ErrAddrNotAvailable},
		{"2001:db8:9::/48", []func(*RouteEntry){via("2001:db8:5::1")}, tcpip.ErrHostUnreachable},
		{"20.0.0.0/8", []func(*RouteEntry){via("10.0.0.9")}, nil},
		{"20.0.0.0/8", []func(*RouteEntry){via("10.0.0.9")}, tcpip.ErrExists},
		{"20.0.0.0/8", []func(*RouteEntry){via("10.0.0.9"), metric(1)}, nil},
		{"20.1.2.3/8", []func(*RouteEntry){via("10.0.0.8")}, nil}, // masked, and younger than the first
	} {
		e := RouteEntry{Destination: netip.MustParsePrefix(c.dst)}
		for _, change := range c.change {
			change(&e)
		}
		require.Equal(t, c.want, f.AddRoute(e), "%v", e)
	}
	require.Equal(t, "nic1 via 10.0.0.9 src 10.0.0.1 mtu 1500", find1(f.Stack, "20.1.1.1"))
	require.NoError(t, f.RemoveRoute(RouteEntry{Destination: netip.MustParsePrefix("20.0.0.0/8"), Gateway: addr("10.0.0.9")}))
	require.Equal(t, "nic1 via 10.0.0.8 src 10.0.0.1 mtu 1500", find1(f.Stack, "20.1.1.1"))
	require.NoError(t, f.RemoveRoute(RouteEntry{Destination: netip.MustParsePrefix("20.0.0.0/8")}))
	require.NoError(t, f.RemoveRoute(RouteEntry{Destination: netip.MustParsePrefix("20.0.0.0/8")}))
	require.Equal(t, tcpip.ErrNotFound, f.RemoveRoute(RouteEntry{Destination: netip.MustParsePrefix("20.0.0.0/8")}))
	require.Equal(t, "network is unreachable", find1(f.Stack, "20.1.1.1"))
}

// The route to an address's network comes and goes with the addresses in it.
func TestConnectedRoutes(t *testing.T) {
	f := newFixture(t)
	n, _ := f.nic(LinkEthernet)
	add := func(p string, o AddressOptions) { require.NoError(t, n.AddAddressWith(netip.MustParsePrefix(p), o)) }
	lines := func() (list []string) {
		for r := range f.Routes() {
			list = append(list, fmt.Sprintf("%s src %s", r.Destination, r.Source))
		}
		return list
	}
	add("10.0.0.1/24", AddressOptions{})
	add("10.0.0.2/24", AddressOptions{})
	add("10.1.0.1/24", AddressOptions{NoPrefixRoute: true})
	add("10.2.0.1/32", AddressOptions{})
	add("2001:db8::1/64", AddressOptions{})
	require.Equal(t, []string{"10.0.0.0/24 src 10.0.0.1", "2001:db8::/64 src invalid IP"}, lines())
	require.NoError(t, n.RemoveAddress(addr("10.0.0.1")))
	require.Equal(t, []string{"10.0.0.0/24 src 10.0.0.2", "2001:db8::/64 src invalid IP"}, lines())
	f.route("20.0.0.0/8", dev(n), preferring("10.0.0.2"))
	require.NoError(t, n.RemoveAddress(addr("10.0.0.2")))
	require.Equal(t, []string{"2001:db8::/64 src invalid IP"}, lines(), "routes that prefer a lost source go with it")
	require.NoError(t, f.RemoveRoute(RouteEntry{Destination: netip.MustParsePrefix("2001:db8::/64")}))
	add("2001:db8::2/64", AddressOptions{NoPrefixRoute: true})
	require.Empty(t, lines())
}

// The index finds what a search of the whole list does.
func TestRouteLookupAgainstList(t *testing.T) {
	f := newFixture(t)
	var nics []*NIC
	for range 3 {
		n, _ := f.nic(LinkEthernet)
		nics = append(nics, n)
	}
	var list []RouteEntry
	r := f.random
	for range 600 {
		bits := r.IntN(33)
		b := [4]byte{10, byte(r.IntN(4)), byte(r.IntN(4)), byte(r.IntN(256))}
		e := RouteEntry{Destination: netip.PrefixFrom(netip.AddrFrom4(b), bits).Masked(), NIC: nics[r.IntN(3)].ID(), Metric: uint32(r.IntN(3))}
		if f.AddRoute(e) == nil {
			list = append(list, e)
		}
		if r.IntN(3) == 0 {
			i := r.IntN(len(list))
			require.NoError(t, f.RemoveRoute(list[i]))
			for j := range list { // the first that agrees in what is not zero
				if list[j].Destination == list[i].Destination && list[j].NIC == list[i].NIC && (list[i].Metric == 0 || list[j].Metric == list[i].Metric) {
					if k := firstOf(list, list[i]); k >= 0 {
						list = append(list[:k], list[k+1:]...)
					}
					break
				}
			}
		}
		nics[2].up.Store(r.IntN(2) == 0) // without the fuss
		dst := netip.AddrFrom4([4]byte{10, byte(r.IntN(4)), byte(r.IntN(4)), byte(r.IntN(256))})
		var want *RouteEntry
		for i := range list {
			e := &list[i]
			if !e.Destination.Contains(dst) || !f.NIC(e.NIC).Up() {
				continue
			}
			if want == nil || e.Destination.Bits() > want.Destination.Bits() ||
				e.Destination.Bits() == want.Destination.Bits() && e.Metric < want.Metric {
				want = e
			}
		}
		row := f.conf.Load().routes.v4.lookup(dst, nil)
		if want == nil {
			require.Nil(t, row)
			continue
		}
		require.Equal(t, *want, row.RouteEntry)
	}
}

// firstOf returns the entry that RemoveRoute takes for e: the first in the order of the table.
func firstOf(list []RouteEntry, e RouteEntry) int {
	best := -1
	for i, o := range list {
		if o.Destination == e.Destination && o.NIC == e.NIC && (e.Metric == 0 || o.Metric == e.Metric) &&
			(best < 0 || o.Metric < list[best].Metric) {
			best = i
		}
	}
	return best
}

func TestFindRouteAllocations(t *testing.T) {
	f := newFixture(t)
	f.nic(LinkEthernet, "10.0.0.1/24")
	q := RouteQuery{Destination: addr("10.0.0.7")}
	r, _ := f.FindRoute(q)
	f.LearnPathMTU(addr("10.0.0.7"), 1300)
	noAllocations(t, func() {
		if again, _ := f.FindRoute(q); again != r || !r.Valid() {
			t.Fatal("not the same route")
		}
		if mtu, _ := r.PathMTU(); mtu != 1300 {
			t.Fatal("wrong MTU")
		}
		r.PMTUPolicy(tcpip.PMTUWant)
	})
}

func BenchmarkFindRoute(b *testing.B) {
	f := newFixture(b)
	n, _ := f.nic(LinkEthernet, "10.0.0.1/24", "2001:db8::1/64")
	f.route("0.0.0.0/0", via("10.0.0.254"))
	for i := range 1000 {
		f.route(fmt.Sprintf("20.%d.%d.0/24", i/250, i%250), dev(n))
	}
	b.Run("cached", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f.FindRoute(RouteQuery{Destination: netip.AddrFrom4([4]byte{8, 8, 8, 8})})
		}
	})
	b.Run("uncached", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			f.FindRoute(RouteQuery{Destination: netip.AddrFrom4([4]byte{20, byte(i >> 16), byte(i >> 8), byte(i)})})
		}
	})
}
