package slaac_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/slaac"
	"github.com/seed963a8790/netstack/tcpip"
)

const start = tcpip.Time(1 << 40)

var (
	router1 = netip.MustParseAddr("fe80::1")
	router2 = netip.MustParseAddr("fe80::2")
	prefix  = netip.MustParsePrefix("2001:db8:1::/64")
	mac     = tcpip.LinkAddr{2, 0, 0, 0, 0, 7}
)

// linkLocal and global are what Hardware makes of mac.
const (
	linkLocal = "fe80::ff:fe00:7/64"
	global    = "2001:db8:1::ff:fe00:7/64"
)

// host is a machine with a clock, whose actions are traced.
type host struct {
	slaac.Host
	t   *testing.T
	now tcpip.Time
}

func newHost(t *testing.T, change func(*slaac.Conf)) *host {
	c := slaac.Conf{LinkLocal: true, Routers: true, Addresses: true, Generation: slaac.Hardware, Link: mac, Name: "eth0", Solicitations: -1, MTU: 1500}
	if change != nil {
		change(&c)
	}
	h := &host{t: t, now: start}
	h.Start(h.now, c)
	return h
}

// want compares the actions since the last call.
func (h *host) want(lines ...string) {
	h.t.Helper()
	require.Equal(h.t, strings.Join(lines, "\n"), strings.Join(h.trace(), "\n"))
}

func (h *host) trace() (lines []string) {
	for a := (slaac.Action{}); h.Poll(&a); {
		lines = append(lines, render(&a))
	}
	return lines
}

func render(a *slaac.Action) string {
	via := ""
	if a.Router.IsValid() {
		via = " via " + a.Router.String()
	}
	if a.Preference != 0 {
		via += fmt.Sprint(" pref ", a.Preference)
	}
	switch a.Kind {
	case slaac.Solicit:
		return "solicit"
	case slaac.AddAddress:
		if a.Temporary {
			return "add temporary"
		}
		return "add " + a.Prefix.String()
	case slaac.SetDeprecated:
		return fmt.Sprint("deprecated ", a.Deprecated, " ", a.Prefix)
	case slaac.RemoveAddress:
		return "remove " + a.Prefix.String()
	case slaac.AddRoute:
		return "route " + a.Prefix.String() + via
	case slaac.RemoveRoute:
		return "unroute " + a.Prefix.String() + via
	case slaac.SetMTU:
		return fmt.Sprint("mtu ", a.Value)
	case slaac.SetHopLimit:
		return fmt.Sprint("hops ", a.Value)
	case slaac.SetReachable:
		return fmt.Sprint("reachable ", a.Duration)
	case slaac.SetRetrans:
		return fmt.Sprint("retrans ", a.Duration)
	case slaac.NewServers:
		return "servers"
	}
	return "?"
}

// sleep runs every deadline until d has passed.
func (h *host) sleep(d time.Duration) {
	end := h.now.Add(d)
	for n := 0; ; n++ {
		require.Less(h.t, n, 10000, "the machine does not come to rest")
		at := h.Deadline()
		if at == 0 || at > end {
			break
		}
		h.now = max(h.now, at)
		h.Advance(h.now)
	}
	h.now = end
	h.Advance(h.now)
}

// up takes the link-local address through detection.
func (h *host) up() {
	h.t.Helper()
	h.want("add " + linkLocal)
	h.Detected(h.now, netip.MustParsePrefix(linkLocal).Addr(), true)
}

func (h *host) hear(a slaac.Advertisement) { h.Advertised(h.now, &a) }

func info(valid, preferred time.Duration) []header.NDPPrefixInfo {
	return []header.NDPPrefixInfo{{Prefix: prefix, OnLink: true, Autonomous: true, Valid: valid, Preferred: preferred}}
}

// RFC 4861 §6.3.7, RFC 7559 §2: within a second, after four, eight, ... up to an hour, each ten per cent off at
// most, until a router answers.
func TestSolicitations(t *testing.T) {
	h := newHost(t, nil)
	require.Zero(t, h.Deadline(), "there is no address to ask from")
	h.up()
	h.want()
	var waits []time.Duration
	for last := h.now; len(waits) < 14; last = h.now {
		require.NotZero(t, h.Deadline())
		h.now = h.Deadline()
		h.Advance(h.now)
		h.want("solicit")
		waits = append(waits, h.now.Sub(last))
	}
	require.Less(t, waits[0], time.Second)
	ideal := 4 * time.Second
	for i, d := range waits[1:] {
		require.InDelta(t, ideal, d, float64(ideal/10), "wait %d", i)
		ideal = min(2*ideal, time.Hour)
	}
	h.hear(slaac.Advertisement{Router: router1})
	require.NotZero(t, h.Deadline(), "one that is no default router does not end it")
	h.hear(slaac.Advertisement{Router: router1, Lifetime: time.Hour})
	h.want("route ::/0 via fe80::1")
	h.sleep(59 * time.Minute)
	h.want()
}

func TestSolicitationsBounded(t *testing.T) {
	h := newHost(t, func(c *slaac.Conf) { c.Solicitations = 3 })
	h.up()
	h.sleep(24 * time.Hour)
	h.want("solicit", "solicit", "solicit")
	require.Zero(t, h.Deadline())
	h = newHost(t, func(c *slaac.Conf) { c.Solicitations = 0 })
	h.up()
	require.Zero(t, h.Deadline())
}

// RFC 4861 §6.3.4, §6.3.5: routers and prefixes come, are renewed, and go.
func TestRouterLifetimes(t *testing.T) {
	h := newHost(t, func(c *slaac.Conf) { c.Addresses, c.Solicitations = false, 0 })
	h.up()
	a := slaac.Advertisement{Router: router1, Lifetime: 10 * time.Second, Prefixes: info(30*time.Second, 20*time.Second),
		HopLimit: 30, Reachable: time.Minute, Retrans: 2 * time.Second, MTU: 1400}
	h.hear(a)
	h.want("hops 30", "reachable 1m0s", "retrans 2s", "mtu 1400", "route ::/0 via fe80::1", "route 2001:db8:1::/64")
	h.sleep(9 * time.Second)
	h.hear(slaac.Advertisement{Router: router1, Lifetime: 10 * time.Second, MTU: 1400})
	h.sleep(9 * time.Second)
	h.want()
	h.sleep(time.Second)
	h.want("unroute ::/0 via fe80::1")
	h.sleep(11 * time.Second)
	h.want("unroute 2001:db8:1::/64")
	require.Zero(t, h.Deadline())

	h.hear(a)
	h.trace()
	h.hear(slaac.Advertisement{Router: router1, Prefixes: info(0, 0)}) // taken back
	h.want("unroute ::/0 via fe80::1", "unroute 2001:db8:1::/64")
	for _, mtu := range []int{1279, 1501, 0} {
		h.hear(slaac.Advertisement{Router: router1, MTU: mtu})
	}
	h.want()
	h.Stop()
	h.want("remove "+linkLocal, "mtu 0", "hops 0", "reachable 0s", "retrans 0s")
	h.hear(a)
	h.want()
}

// RFC 4191 §3.1: preferences and more-specific routes.
func TestPreferences(t *testing.T) {
	h := newHost(t, func(c *slaac.Conf) { c.Solicitations = 0 })
	h.up()
	h.hear(slaac.Advertisement{Router: router1, Lifetime: time.Minute, Preference: header.NDPPreferenceLow})
	h.hear(slaac.Advertisement{Router: router2, Lifetime: time.Minute, Preference: header.NDPPreferenceReserved})
	h.want("route ::/0 via fe80::1 pref -1", "route ::/0 via fe80::2")
	h.hear(slaac.Advertisement{Router: router1, Lifetime: time.Minute, Preference: header.NDPPreferenceHigh})
	h.want("unroute ::/0 via fe80::1 pref -1", "route ::/0 via fe80::1 pref 1")

	far := netip.MustParsePrefix("2001:db8:2::/48")
	offer := func(p netip.Prefix, pref header.NDPPreference, d time.Duration) slaac.Advertisement {
		return slaac.Advertisement{Router: router2, Lifetime: time.Minute, Routes: []header.NDPRouteInfo{{Prefix: p, Preference: pref, Lifetime: d}}}
	}
	h.hear(offer(far, 1, time.Hour))
	h.want("route 2001:db8:2::/48 via fe80::2 pref 1")
	h.hear(offer(far, 0, time.Hour))
	h.want("unroute 2001:db8:2::/48 via fe80::2 pref 1", "route 2001:db8:2::/48 via fe80::2")
	h.hear(offer(far, 0, 0))
	h.want("unroute 2001:db8:2::/48 via fe80::2")
	// A route to everywhere says what the router is as a default router.
	h.hear(offer(netip.MustParsePrefix("::/0"), -1, time.Minute))
	h.want("unroute ::/0 via fe80::2", "route ::/0 via fe80::2 pref -1")
	h.hear(slaac.Advertisement{Router: router2, Lifetime: time.Minute, Routes: []header.NDPRouteInfo{{Prefix: netip.MustParsePrefix("::/0")}}})
	require.Contains(t, h.trace(), "unroute ::/0 via fe80::2")
}

// RFC 4861 §6.3.6: a router that does not answer comes behind those that do, and the failed ones take turns.
func TestRouterReachability(t *testing.T) {
	h := newHost(t, func(c *slaac.Conf) { c.Solicitations = 0 })
	h.up()
	h.hear(slaac.Advertisement{Router: router1, Lifetime: time.Hour})
	h.hear(slaac.Advertisement{Router: router2, Lifetime: time.Hour})
	h.trace()
	h.Reachable(router1, true)
	h.want()
	h.Reachable(router1, false)
	h.want("unroute ::/0 via fe80::1", "route ::/0 via fe80::1 pref -4")
	h.hear(slaac.Advertisement{Router: router1, Lifetime: time.Hour})
	h.want() // an advertisement alone proves nothing
	h.Reachable(router2, false)
	h.want("unroute ::/0 via fe80::2", "route ::/0 via fe80::2 pref -4")
	h.Reachable(router1, false)
	h.want("unroute ::/0 via fe80::1 pref -4", "route ::/0 via fe80::1 pref -4") // to the end of the queue
	h.Reachable(router1, true)
	h.want("unroute ::/0 via fe80::1 pref -4", "route ::/0 via fe80::1")
	h.Reachable(netip.MustParseAddr("fe80::99"), false)
	h.want()
}

// RFC 4862 §5.5.3, §5.5.4: an address is made once, deprecated, preferred again and removed.
func TestAddressLifetimes(t *testing.T) {
	h := newHost(t, func(c *slaac.Conf) { c.Solicitations = 0 })
	h.up()
	h.hear(slaac.Advertisement{Router: router1, Prefixes: info(3*time.Hour, time.Hour)})
	h.want("route 2001:db8:1::/64", "add "+global)
	require.Equal(t, start, h.Deadline().Add(-3*time.Hour), "nothing happens to a tentative address but its end")
	h.Detected(h.now, netip.MustParsePrefix(global).Addr(), true)
	h.sleep(time.Hour)
	h.want("deprecated true " + global)
	h.hear(slaac.Advertisement{Router: router1, Prefixes: info(3*time.Hour, 10*time.Minute)})
	h.want("deprecated false " + global)
	list := h.Addresses(h.now)
	require.Len(t, list, 2)
	require.Equal(t, slaac.Address{Prefix: netip.MustParsePrefix(global), Preferred: 10 * time.Minute, Valid: 3 * time.Hour}, list[1])
	require.Equal(t, header.NDPForever, list[0].Valid)
	h.sleep(3 * time.Hour)
	h.want("deprecated true "+global, "unroute 2001:db8:1::/64", "remove "+global)
}

// RFC 4862 §5.5.3 e: nobody can take an address away in less than two hours.
func TestTwoHours(t *testing.T) {
	valid := func(h *host) time.Duration { return h.Addresses(h.now)[1].Valid }
	h := newHost(t, func(c *slaac.Conf) { c.Solicitations = 0 })
	h.up()
	tell := func(d time.Duration) {
		h.hear(slaac.Advertisement{Router: router1, Prefixes: info(d, 0)})
	}
	tell(header.NDPForever)
	require.Equal(t, header.NDPForever, valid(h))
	tell(time.Second)
	require.Equal(t, 2*time.Hour, valid(h))
	tell(3 * time.Hour)
	require.Equal(t, 3*time.Hour, valid(h))
	tell(0)
	require.Equal(t, 2*time.Hour, valid(h))
	h.sleep(time.Hour)
	tell(time.Second)
	require.Equal(t, time.Hour, valid(h), "one hour is left, and stays")
	tell(90 * time.Minute)
	require.Equal(t, 90*time.Minute, valid(h), "longer is always taken")
}

// RFC 4862 §5.5.3: what makes no address.
func TestNoAddress(t *testing.T) {
	h := newHost(t, func(c *slaac.Conf) { c.Solicitations = 0 })
	h.up()
	for what, p := range map[string]header.NDPPrefixInfo{
		"not autonomous":      {Prefix: prefix, Valid: time.Hour, Preferred: time.Hour},
		"preferred too long":  {Prefix: prefix, Autonomous: true, Valid: time.Hour, Preferred: 2 * time.Hour},
		"not valid":           {Prefix: prefix, Autonomous: true},
		"another length":      {Prefix: netip.MustParsePrefix("2001:db8::/56"), Autonomous: true, Valid: time.Hour},
		"link-local prefix":   {Prefix: netip.MustParsePrefix("fe80::/64"), OnLink: true, Autonomous: true, Valid: time.Hour},
		"prefix of multicast": {Prefix: netip.MustParsePrefix("ff02::/64"), OnLink: true, Autonomous: true, Valid: time.Hour},
	} {
		h.hear(slaac.Advertisement{Router: router1, Prefixes: []header.NDPPrefixInfo{p}})
		require.Empty(t, h.trace(), what)
	}
}

// RFC 7217 §5, §6: the identifier depends on prefix, link and secret, and a duplicate leads to another, a few times.
func TestStable(t *testing.T) {
	made := func(change func(*slaac.Conf)) string {
		h := newHost(t, func(c *slaac.Conf) {
			c.Generation = slaac.Stable
			if change != nil {
				change(c)
			}
		})
		return h.trace()[0]
	}
	first := made(nil)
	require.Equal(t, first, made(nil))
	require.NotEqual(t, first, made(func(c *slaac.Conf) { c.Name = "eth1" }))
	require.NotEqual(t, first, made(func(c *slaac.Conf) { c.Secret[31] = 1 }))
	require.Equal(t, first, made(func(c *slaac.Conf) { c.Link = tcpip.LinkAddr{2, 1, 1, 1, 1, 1}; c.Seed[0] = 1 }))

	h := newHost(t, func(c *slaac.Conf) { c.Generation = slaac.Stable })
	seen := map[string]bool{}
	for tries := 0; ; tries++ {
		lines := h.trace()
		last := lines[len(lines)-1]
		if !strings.HasPrefix(last, "add ") {
			require.Equal(t, 4, tries)
			require.True(t, strings.HasPrefix(last, "remove "))
			break
		}
		require.False(t, seen[last])
		seen[last] = true
		h.Detected(h.now, netip.MustParsePrefix(strings.TrimPrefix(last, "add ")).Addr(), false)
	}
	h.sleep(time.Hour)
	h.want()
}

// With hardware identifiers a duplicate is the end: there is no other (RFC 4862 §5.4.5).
func TestHardwareDuplicate(t *testing.T) {
	h := newHost(t, nil)
	h.want("add " + linkLocal)
	h.Detected(h.now, netip.MustParsePrefix(linkLocal).Addr(), false)
	h.want("remove " + linkLocal)
	h.sleep(time.Hour)
	h.want()
	h.hear(slaac.Advertisement{Router: router1, Prefixes: info(time.Hour, time.Hour)})
	h.want("route 2001:db8:1::/64", "add "+global)
}

// RFC 8981 §3.4, §3.5: a temporary address lives for a day at most and has its successor before it is deprecated.
func TestTemporary(t *testing.T) {
	h := newHost(t, func(c *slaac.Conf) { c.Temporary, c.Solicitations = true, 0 })
	h.up()
	week := slaac.Advertisement{Router: router1, Prefixes: info(7*24*time.Hour, 7*24*time.Hour)}
	h.hear(week)
	h.want("route 2001:db8:1::/64", "add "+global, "add temporary")
	temporary := func() (list []slaac.Address) {
		for _, a := range h.Addresses(h.now) {
			if a.Temporary {
				list = append(list, a)
			}
		}
		return list
	}
	first := temporary()[0]
	require.NotEqual(t, netip.MustParsePrefix(global), first.Prefix)
	require.Equal(t, slaac.TemporaryValid, first.Valid)
	require.LessOrEqual(t, first.Preferred, slaac.TemporaryPreferred)
	require.Greater(t, first.Preferred, slaac.TemporaryPreferred*6/10-time.Second)
	h.Detected(h.now, first.Prefix.Addr(), true)

	h.sleep(first.Preferred - 6*time.Second)
	h.hear(week) // renews the public address, not this one beyond its age
	h.want()
	h.sleep(time.Second)
	h.want("add temporary")
	second := temporary()[1]
	require.NotEqual(t, first.Prefix, second.Prefix)
	h.Detected(h.now, second.Prefix.Addr(), true)
	h.sleep(5 * time.Second)
	h.want("deprecated true " + first.Prefix.String())
	h.sleep(slaac.TemporaryValid - first.Preferred)
	require.Contains(t, h.trace(), "remove "+first.Prefix.String())

	// Too short a life is not begun.
	h = newHost(t, func(c *slaac.Conf) { c.Temporary, c.Solicitations = true, 0 })
	h.up()
	h.hear(slaac.Advertisement{Router: router1, Prefixes: info(time.Hour, 5*time.Second)})
	h.want("route 2001:db8:1::/64", "add "+global)
}

// RFC 8106 §5.3.1, §6.1.
func TestServers(t *testing.T) {
	h := newHost(t, func(c *slaac.Conf) { c.Solicitations = 0 })
	h.up()
	server := func(n int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", n)) }
	tell := func(n int, d time.Duration) {
		h.hear(slaac.Advertisement{Router: router1, Servers: []slaac.Server{{Addr: server(n), Lifetime: d}}})
	}
	tell(1, time.Minute)
	tell(2, time.Hour)
	h.want("servers", "servers")
	require.Equal(t, []netip.Addr{server(1), server(2)}, h.Servers())
	tell(1, 2*time.Minute)
	h.want()
	h.sleep(2 * time.Minute)
	h.want("servers")
	require.Equal(t, []netip.Addr{server(2)}, h.Servers())
	tell(2, 0)
	h.want("servers")
	require.Empty(t, h.Servers())

	for n := range slaac.MaxServers {
		tell(n, time.Duration(n+10)*time.Minute)
	}
	tell(99, time.Minute) // would be the first to go
	require.NotContains(t, h.Servers(), server(99))
	tell(99, time.Hour)
	require.Contains(t, h.Servers(), server(99))
	require.NotContains(t, h.Servers(), server(0))
	require.Len(t, h.Servers(), slaac.MaxServers)
}

// RFC 4861 §8.3: a redirect holds for a while, and the newest for a destination counts.
func TestRedirects(t *testing.T) {
	h := newHost(t, func(c *slaac.Conf) { c.Solicitations = 0 })
	h.up()
	far := netip.MustParseAddr("2001:db8:9::9")
	h.Redirected(h.now, far, router2)
	h.want("route 2001:db8:9::9/128 via fe80::2")
	h.sleep(time.Minute)
	h.Redirected(h.now, far, netip.Addr{})
	h.want("unroute 2001:db8:9::9/128 via fe80::2", "route 2001:db8:9::9/128")
	h.sleep(10 * time.Minute)
	h.want("unroute 2001:db8:9::9/128")
}

// Whatever routers say, what is kept has a bound.
func TestBounds(t *testing.T) {
	h := newHost(t, func(c *slaac.Conf) { c.Solicitations = 0 })
	h.up()
	routes := map[string]int{}
	count := func() {
		for _, l := range h.trace() {
			if f := strings.Fields(l); f[0] == "route" || f[0] == "add" {
				routes[f[0]]++
			} else if f[0] == "unroute" {
				routes["route"]--
			}
		}
	}
	for i := range 200 {
		b := [16]byte{0x20, 1, 0xd, 0xb8, 0, byte(i)}
		p := netip.PrefixFrom(netip.AddrFrom16(b), 64)
		b[15] = 1
		r := netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 15: byte(i + 3)})
		h.hear(slaac.Advertisement{Router: r, Lifetime: time.Hour,
			Prefixes: []header.NDPPrefixInfo{{Prefix: p, OnLink: true, Autonomous: true, Valid: time.Hour, Preferred: time.Hour}},
			Routes:   []header.NDPRouteInfo{{Prefix: p, Lifetime: time.Hour}}})
		h.Redirected(h.now, netip.AddrFrom16(b), r)
		count()
	}
	require.Equal(t, slaac.MaxRouters+slaac.MaxPrefixes+slaac.MaxRoutes+slaac.MaxRedirects, routes["route"])
	require.Equal(t, slaac.MaxAddresses-1, routes["add"])
	h.Stop()
	count()
	require.Zero(t, routes["route"])
}

func Example() {
	var h slaac.Host
	h.Start(start, slaac.Conf{LinkLocal: true, Generation: slaac.Hardware, Link: mac})
	for a := (slaac.Action{}); h.Poll(&a); {
		fmt.Println(a.Kind == slaac.AddAddress, a.Prefix)
	}
	// Output: true fe80::ff:fe00:7/64
}
