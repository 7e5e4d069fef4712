package ipv6_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/network/ipv6"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

var (
	gateway   = addr("fe80::ff")
	other     = addr("fe80::fe")
	routerMAC = tcpip.LinkAddr{2, 0, 0, 0, 0, 0xff}
	secondMAC = tcpip.LinkAddr{2, 0, 0, 0, 0, 0xfe}
	learnt    = netip.MustParsePrefix("2001:db8:1::/64")
	own       = netip.MustParseAddr("fe80::ff:fe00:1") // of ourMAC
	global    = netip.MustParseAddr("2001:db8:1::ff:fe00:1")
)

// newHost is a station on an Ethernet without an address of its own.
func newHost(t *testing.T, o ipv6.DiscoveryOptions) (*bench, *ipv6.Discovery) {
	b := &bench{udp: testnet.NewSink(udp), t: t}
	b.Wired = testnet.Wire(t, stack.Options{}, b.udp.New)
	b.Port = b.Wired.Port(channel.Options{Kind: stack.LinkEthernet, Address: ourMAC}, stack.NICOptions{DAD: tcpip.Set(1)})
	d, err := ipv6.Discover(b.NIC, o)
	require.NoError(t, err)
	return b, d
}

// ra builds an advertisement, with options that f appends.
func ra(from tcpip.LinkAddr, lifetime time.Duration, f func(m []byte) []byte) []byte {
	m := header.AppendNDPRA(nil, &header.NDPRAFields{CurHopLimit: 31, RouterLifetime: lifetime, OtherConfig: true})
	m = header.AppendNDPLinkAddr(m, header.NDPSourceLinkAddr, from)
	if f != nil {
		m = f(m)
	}
	return m
}

func prefixInfo(valid, preferred time.Duration) func([]byte) []byte {
	return func(m []byte) []byte {
		return header.AppendNDPPrefix(m, &header.NDPPrefixInfo{Prefix: learnt, OnLink: true, Autonomous: true, Valid: valid, Preferred: preferred})
	}
}

// learntRoutes are the rows that routers have made.
func (b *bench) learntRoutes() (list []string) {
	for e := range b.Wired.Routes() {
		if e.Origin != stack.RouteConfigured {
			s := e.Destination.String()
			if e.Gateway.IsValid() {
				s += " via " + e.Gateway.String()
			}
			list = append(list, s)
		}
	}
	return list
}

func hardware() ipv6.DiscoveryOptions { return ipv6.DiscoveryOptions{Generation: ipv6.Hardware} }

// From nothing to an address and a way out: RFC 4862 §5.3, RFC 4861 §6.3.
func TestDiscovery(t *testing.T) {
	b, d := newHost(t, hardware())
	require.Equal(t, stack.AddressTentative, b.addressState(own))
	require.False(t, slices.ContainsFunc(b.Sent(), func(l string) bool { return strings.Contains(l, "router solicitation") }))
	b.Clock.Advance(3 * time.Second)
	require.Equal(t, stack.AddressPreferred, b.addressState(own))
	solicitations := slices.DeleteFunc(b.Sent(), func(l string) bool { return !strings.Contains(l, "router solicitation") })
	require.Len(t, solicitations, 1)
	require.Contains(t, solicitations[0], "33:33:00:00:00:02 IP6 fe80::ff:fe00:1 > ff02::2: hlim 255")

	changed := waiter.NewChannel(waiter.Readable)
	d.Waiters().Register(changed)
	b.ndp(gateway, allNodes, ra(routerMAC, time.Hour, func(m []byte) []byte {
		m = prefixInfo(2*time.Hour, time.Hour)(m)
		m = header.AppendNDPMTU(m, 1400)
		m = header.AppendNDPRoute(m, &header.NDPRouteInfo{Prefix: netip.MustParsePrefix("2001:db8:7::/48"), Lifetime: time.Hour})
		return header.AppendNDPRDNSS(m, time.Hour, []netip.Addr{addr("2001:db8::53"), addr("2001:db8::54")})
	}))
	require.Len(t, changed.C(), 1)
	require.Equal(t, ipv6.Advertised{DNS: []netip.Addr{addr("2001:db8::53"), addr("2001:db8::54")}, Other: true}, d.Advertised())
	require.Equal(t, []string{"2001:db8:1::/64", "2001:db8:7::/48 via fe80::ff", "::/0 via fe80::ff"}, b.learntRoutes())
	require.Equal(t, "02:00:00:00:00:ff STALE", b.state(gateway))
	require.Equal(t, stack.AddressTentative, b.addressState(global))
	b.Clock.Advance(2 * time.Second)
	require.Equal(t, stack.AddressPreferred, b.addressState(global))

	r, err := b.FindRoute(stack.RouteQuery{Destination: far})
	require.Equal(t, tcpip.OK, err)
	require.Equal(t, []any{gateway, global, 1400, uint8(31)}, []any{r.NextHop, r.Local, r.MTU(), r.DefaultTTL()})

	b.Clock.Advance(time.Hour)
	require.Equal(t, stack.AddressDeprecated, b.addressState(global))
	require.Empty(t, d.Advertised().DNS)
	require.Equal(t, []string{"2001:db8:1::/64"}, b.learntRoutes())
	b.Clock.Advance(time.Hour)
	_, ok := b.AddressState(global)
	require.False(t, ok)
	require.Empty(t, b.learntRoutes())
}

// What is stopped leaves no trace, and the link's coming and going is the same.
func TestDiscoveryStops(t *testing.T) {
	for name, stop := range map[string]func(b *bench, d *ipv6.Discovery){
		"stop": func(_ *bench, d *ipv6.Discovery) { d.Stop() },
		"down": func(b *bench, _ *ipv6.Discovery) { b.NIC.SetUp(false) },
	} {
		t.Run(name, func(t *testing.T) {
			b, d := newHost(t, hardware())
			b.Clock.Advance(3 * time.Second)
			b.ndp(gateway, allNodes, ra(routerMAC, time.Hour, prefixInfo(2*time.Hour, time.Hour)))
			b.Clock.Advance(2 * time.Second)
			require.Len(t, b.NIC.Addresses(), 2)
			stop(b, d)
			require.Empty(t, b.NIC.Addresses())
			require.Empty(t, b.learntRoutes())
			b.Sent()
			b.NIC.SetUp(true)
			require.NoError(t, b.NIC.AddAddressWith(netip.MustParsePrefix("2001:db8:77::1/64"), stack.AddressOptions{NoDAD: true}))
			r, err := b.FindRoute(stack.RouteQuery{Destination: addr("2001:db8:77::2")})
			require.Equal(t, tcpip.OK, err)
			require.EqualValues(t, 64, r.DefaultTTL(), "the router's word is forgotten")
			b.Clock.Advance(3 * time.Second)
			asked := slices.ContainsFunc(b.Sent(), func(l string) bool { return strings.Contains(l, "router solicitation") })
			require.Equal(t, name == "down", asked)
		})
	}
}

// Discovery heeds link-local routers with hop limit 255, and on a NIC that forwards only when told to.
func TestAdvertisementsRefused(t *testing.T) {
	b, _ := newHost(t, hardware())
	b.Clock.Advance(3 * time.Second)
	good := func() []byte { return ra(routerMAC, time.Hour, nil) }
	b.dropped(tcpip.DropNDPInvalid, func() { b.ndp(addr("2001:db8::ff"), allNodes, good()) })
	b.dropped(tcpip.DropNDPInvalid, func() { b.ndp(gateway, allNodes, ra(tcpip.LinkAddr{1}, time.Hour, nil)) })
	b.dropped(tcpip.DropShort, func() { b.ndp(gateway, allNodes, good()[:15]) })
	b.dropped(tcpip.DropBadHopLimit, func() {
		m := good()
		header.ICMPv6(m).UpdateChecksum(gateway, allNodes)
		b.Inject(testnet.IPv6(header.IPv6Fields{Src: gateway, Dst: allNodes, HopLimit: 254, NextHeader: icmp}, m))
	})
	b.NIC.SetForwarding(true)
	b.dropped(tcpip.DropUnknownType, func() { b.ndp(gateway, allNodes, good()) })
	require.Empty(t, b.learntRoutes())
	b.NIC.SetForwarding(false)
	b.ndp(gateway, allNodes, good())
	require.Equal(t, []string{"::/0 via fe80::ff"}, b.learntRoutes())
	_, err := ipv6.Discover(b.NIC, hardware())
	require.Equal(t, tcpip.ErrExists, err)
}

// RFC 4861 §6.3.6: a dead router is left for one that answers.
func TestDeadRouter(t *testing.T) {
	b, _ := newHost(t, hardware())
	b.Clock.Advance(3 * time.Second)
	b.ndp(gateway, allNodes, ra(routerMAC, time.Hour, prefixInfo(2*time.Hour, time.Hour)))
	b.ndp(other, allNodes, ra(secondMAC, time.Hour, nil))
	b.Clock.Advance(2 * time.Second)
	hop := func() netip.Addr {
		r, err := b.FindRoute(stack.RouteQuery{Destination: far})
		require.Equal(t, tcpip.OK, err)
		return r.NextHop
	}
	require.Equal(t, gateway, hop())
	b.send(far, 8, stack.SendOptions{Proto: udp})
	b.Clock.Advance(20 * time.Second) // DELAY, three probes without an answer
	require.Equal(t, other, hop())
	b.ndp(gateway, own, na(gateway, header.NDPSolicited|header.NDPOverride|header.NDPRouter, routerMAC))
	require.Equal(t, other, hop(), "it was not being asked")
}

// RFC 4861 §8.1, BEHAVIOUR F9: a redirect counts if it comes from the first hop in use.
func TestRedirect(t *testing.T) {
	b, _ := newHost(t, hardware())
	b.Clock.Advance(3 * time.Second)
	b.ndp(gateway, allNodes, ra(routerMAC, time.Hour, prefixInfo(2*time.Hour, time.Hour)))
	b.Clock.Advance(2 * time.Second)
	hop := func() netip.Addr {
		r, err := b.FindRoute(stack.RouteQuery{Destination: far})
		require.Equal(t, tcpip.OK, err)
		return r.NextHop
	}
	redirect := func(target netip.Addr) []byte { return header.AppendNDPRedirect(nil, target, far) }
	b.dropped(tcpip.DropNDPInvalid, func() { b.ndp(other, global, redirect(other)) })
	require.Equal(t, gateway, hop())
	b.ndp(gateway, global, header.AppendNDPLinkAddr(redirect(other), header.NDPTargetLinkAddr, secondMAC))
	require.Equal(t, other, hop())
	require.Equal(t, "02:00:00:00:00:fe STALE", b.state(other))
	b.dropped(tcpip.DropNDPInvalid, func() { b.ndp(gateway, global, redirect(gateway)) })
	b.ndp(other, global, redirect(far)) // a neighbour after all
	require.Equal(t, far, hop())
	b.Clock.Advance(11 * time.Minute)
	require.Equal(t, gateway, hop())
}

// Temporary addresses are told apart and renewed; stable ones come again with the same secret.
func TestTemporaryAddresses(t *testing.T) {
	made := func(secret byte) (list []stack.Address) {
		b, _ := newHost(t, ipv6.DiscoveryOptions{Temporary: true, Secret: tcpip.Set([32]byte{secret})})
		b.Clock.Advance(3 * time.Second)
		b.ndp(gateway, allNodes, ra(routerMAC, time.Hour, prefixInfo(24*time.Hour, 24*time.Hour)))
		b.Clock.Advance(2 * time.Second)
		return b.NIC.Addresses()
	}
	first, again, another := made(1), made(1), made(2)
	require.Len(t, first, 3)
	require.Equal(t, first[:2], again[:2])
	require.NotEqual(t, first[1], another[1])
	require.False(t, first[1].Temporary)
	require.True(t, first[2].Temporary)
}

// A duplicate of a stable address leads to another one, and one of a temporary address too.
func TestDiscoveryDuplicate(t *testing.T) {
	b, _ := newHost(t, ipv6.DiscoveryOptions{Secret: tcpip.Set([32]byte{})})
	first := b.NIC.Addresses()[0].Prefix.Addr()
	b.Clock.Advance(500 * time.Millisecond)
	b.ndp(first, allNodes, na(first, header.NDPOverride, routerMAC)) // from who has it
	second := b.NIC.Addresses()
	require.Len(t, second, 1)
	require.NotEqual(t, first, second[0].Prefix.Addr())
	b.Clock.Advance(3 * time.Second)
	require.Equal(t, stack.AddressPreferred, b.addressState(second[0].Prefix.Addr()))
}

// A NIC with a link-local address of its own discovers from that.
func TestDiscoveryConfigured(t *testing.T) {
	b := newEthernet(t, stack.NICOptions{DAD: tcpip.Set(0)})
	_, err := ipv6.Discover(b.NIC, ipv6.DiscoveryOptions{NoLinkLocal: true, NoAddresses: true})
	require.NoError(t, err)
	b.Clock.Advance(time.Second)
	require.Equal(t, 1, len(slices.DeleteFunc(b.Sent(), func(l string) bool { return !strings.Contains(l, "fe80::1 > ff02::2") })))
	b.ndp(gateway, allNodes, ra(routerMAC, time.Hour, prefixInfo(time.Hour, time.Hour)))
	require.Len(t, b.NIC.Addresses(), 2)
	require.Equal(t, []string{"2001:db8:1::/64", "::/0 via fe80::ff"}, b.learntRoutes())
}

// A flood of advertisements ends in bounds, and stopping forgets them all.
func TestAdvertisementFlood(t *testing.T) {
	b, d := newHost(t, hardware())
	b.Clock.Advance(3 * time.Second)
	for i := range 1000 {
		from := netip.MustParseAddr(fmt.Sprintf("fe80::1:%x", i+1))
		b.ndp(from, allNodes, ra(routerMAC, time.Hour, func(m []byte) []byte {
			p := netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 6: byte(i >> 8), 7: byte(i)}), 64)
			return header.AppendNDPPrefix(m, &header.NDPPrefixInfo{Prefix: p, OnLink: true, Autonomous: true, Valid: time.Hour, Preferred: time.Hour})
		}))
	}
	require.LessOrEqual(t, len(b.NIC.Addresses()), 16)
	require.LessOrEqual(t, len(b.learntRoutes()), 64)
	d.Stop()
	require.Empty(t, b.learntRoutes())
	require.Empty(t, b.NIC.Addresses())
}
