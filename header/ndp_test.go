package header

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip"
)

var (
	ndpHost   = netip.MustParseAddr("2001:db8::10")
	ndpRouter = netip.MustParseAddr("fe80::1")
)

func TestParseNDP(t *testing.T) {
	const target, group = "20010db8000000000000000000000010", "ff020000000000000000000000000001"
	for _, c := range []struct {
		name, bytes string
		drop        tcpip.Drop
	}{
		{"RS", "8500000000000000", tcpip.DropNone},
		{"RS with code 1", "8501000000000000", tcpip.DropNDPInvalid},
		{"RS with an option", "8500000000000000 0101020304050607", tcpip.DropNone},
		{"RS with an option of length 0", "8500000000000000 0100020304050607", tcpip.DropNDPInvalid},
		{"RS with an option that is too long", "8500000000000000 0102020304050607", tcpip.DropNDPInvalid},
		{"RS with trailing bytes", "8500000000000000 00", tcpip.DropNDPInvalid},
		{"RA", "8600000040c0070800000001 00000002", tcpip.DropNone},
		{"short RA", "8600000040c0070800000001 000000", tcpip.DropShort},
		{"NS", "8700000000000000" + target, tcpip.DropNone},
		{"NS for a group", "8700000000000000" + group, tcpip.DropNDPInvalid},
		{"short NS", "8700000000000000" + target[2:], tcpip.DropShort},
		{"NA", "8800000060000000" + target, tcpip.DropNone},
		{"NA for a group", "8800000060000000" + group, tcpip.DropNDPInvalid},
		{"redirect to a neighbour", "8900000000000000" + target + target, tcpip.DropNone},
		{"redirect to a router", "8900000000000000" + "fe800000000000000000000000000001" + target, tcpip.DropNone},
		{"redirect to nowhere", "8900000000000000" + "fec00000000000000000000000000001" + target, tcpip.DropNDPInvalid},
		{"redirect of a group", "8900000000000000" + group + group, tcpip.DropNDPInvalid},
	} {
		m, drop := ParseICMPv6(unhex(t, c.bytes))
		require.Equal(t, tcpip.DropNone, drop, c.name)
		switch m.Type() {
		case ICMPv6RouterSolicit:
			_, drop = ParseNDPRS(m)
		case ICMPv6RouterAdvert:
			_, drop = ParseNDPRA(m)
		case ICMPv6NeighborSolicit:
			_, drop = ParseNDPNS(m)
		case ICMPv6NeighborAdvert:
			_, drop = ParseNDPNA(m)
		case ICMPv6Redirect:
			_, drop = ParseNDPRedirect(m)
		}
		require.Equal(t, c.drop, drop, c.name)
	}
	_, drop := ParseNDPNS(ICMPv6(AppendNDPNA(nil, ndpHost, 0)))
	require.Equal(t, tcpip.DropNDPInvalid, drop)
}

func TestNDPMessages(t *testing.T) {
	fields := NDPRAFields{CurHopLimit: 64, Managed: true, Preference: NDPPreferenceHigh, RouterLifetime: 1800 * time.Second, ReachableTime: 30 * time.Second, RetransTimer: time.Second}
	ra, drop := ParseNDPRA(ICMPv6(AppendNDPRA(nil, &fields)))
	require.Equal(t, tcpip.DropNone, drop)
	require.Equal(t, fields, NDPRAFields{ra.CurHopLimit(), ra.Managed(), ra.OtherConfig(), ra.Preference(), ra.RouterLifetime(), ra.ReachableTime(), ra.RetransTimer()})
	for bits, want := range []NDPPreference{NDPPreferenceMedium, NDPPreferenceHigh, NDPPreferenceReserved, NDPPreferenceLow} {
		require.Equal(t, want, ndpPreference(uint8(bits)<<3|0xe7))
	}

	na, drop := ParseNDPNA(ICMPv6(AppendNDPLinkAddr(AppendNDPNA(nil, ndpHost, NDPSolicited|NDPOverride), NDPTargetLinkAddr, tcpip.LinkAddr{2, 0, 0, 0, 0, 1})))
	require.Equal(t, tcpip.DropNone, drop)
	require.Equal(t, NDPSolicited|NDPOverride, na.Flags())
	require.Equal(t, ndpHost, na.Target())
	a, ok := na.Options().LinkAddr(NDPTargetLinkAddr)
	require.True(t, ok)
	require.Equal(t, "02:00:00:00:00:01", a.String())
	_, ok = na.Options().LinkAddr(NDPSourceLinkAddr)
	require.False(t, ok)

	redirect, drop := ParseNDPRedirect(ICMPv6(AppendNDPRedirected(AppendNDPRedirect(nil, ndpRouter, ndpHost), make([]byte, 50))))
	require.Equal(t, tcpip.DropNone, drop)
	require.Equal(t, ndpRouter, redirect.Target())
	require.Equal(t, ndpHost, redirect.Dst())
	quoted, ok := redirect.Options().Find(NDPRedirected).Redirected()
	require.True(t, ok)
	require.Len(t, quoted, 48)
	require.Equal(t, "ff02::1:ff00:10", SolicitedNode(ndpHost).String())
}

func TestNDPOptions(t *testing.T) {
	prefix := NDPPrefixInfo{netip.MustParsePrefix("2001:db8::/64"), true, true, NDPForever, 600 * time.Second}
	route := NDPRouteInfo{netip.MustParsePrefix("2001:db8:5::/48"), NDPPreferenceLow, 90 * time.Second}
	b := AppendNDPRS(nil)
	b = AppendNDPPrefix(b, &prefix)
	b = AppendNDPRoute(b, &route)
	b = AppendNDPMTU(b, 1492)
	b = AppendNDPNonce(b, [6]byte{1, 2, 3, 4, 5, 6})
	b = AppendNDPRDNSS(b, NDPForever, []netip.Addr{ndpHost, ndpRouter})
	rs, drop := ParseNDPRS(ICMPv6(b))
	require.Equal(t, tcpip.DropNone, drop)

	gotPrefix, ok := rs.Options().Find(NDPPrefix).PrefixInfo()
	require.True(t, ok)
	require.Equal(t, prefix, gotPrefix)
	gotRoute, ok := rs.Options().Find(NDPRoute).RouteInfo()
	require.True(t, ok)
	require.Equal(t, route, gotRoute)
	mtu, ok := rs.Options().Find(NDPMTU).MTU()
	require.True(t, ok)
	require.Equal(t, uint32(1492), mtu)
	nonce, ok := rs.Options().Find(NDPNonce).Nonce()
	require.True(t, ok)
	require.Equal(t, []byte{1, 2, 3, 4, 5, 6}, nonce)
	lifetime, servers, ok := rs.Options().Find(NDPRDNSS).RDNSS()
	require.True(t, ok)
	require.Equal(t, NDPForever, lifetime)
	var got []netip.Addr
	for s := range servers.All() {
		got = append(got, s)
	}
	require.Equal(t, []netip.Addr{ndpHost, ndpRouter}, got)

	for _, c := range []struct{ name, bytes string }{
		{"link address of 16 bytes", "0102 000000000000 0000000000000000"},
		{"prefix of 8 bytes", "0301 4000 00000000"},
		{"prefix of 129 bits", "0304 81c0 00000000 00000000 00000000 20010db8000000000000000000000000"},
		{"MTU of 16 bytes", "0502 0000 00000000 0000000000000000"},
		{"DNS servers without any", "1901 0000 00000000"},
		{"DNS servers, one and a half", "1904 0000 00000000" + "000000000000000000000000000000000000000000000000"},
		{"route with more bits than bytes", "1802 4100 00000000 0000000000000000"},
		{"route of 32 bytes", "1804 4000 00000000" + "000000000000000000000000000000000000000000000000"},
		{"route of a reserved preference", "1801 0010 00000000"},
		{"unknown", "fe01 0000 00000000"},
	} {
		rs, drop := ParseNDPRS(ICMPv6(append(AppendNDPRS(nil), unhex(t, c.bytes)...)))
		require.Equal(t, tcpip.DropNone, drop, c.name)
		for o := range rs.Options().All() {
			_, ok1 := o.LinkAddr()
			_, ok2 := o.MTU()
			_, ok3 := o.PrefixInfo()
			_, ok4 := o.RouteInfo()
			_, _, ok5 := o.RDNSS()
			require.False(t, ok1 || ok2 || ok3 || ok4 || ok5, c.name)
		}
	}
	route2, ok := NDPOption(unhex(t, "1802 2800 00000001 20010db8ff000000")).RouteInfo()
	require.True(t, ok)
	require.Equal(t, NDPRouteInfo{netip.MustParsePrefix("2001:db8:ff00::/40"), 0, time.Second}, route2)
	var none NDPOption
	require.Zero(t, none.Kind())
	require.Nil(t, none.Value())
	_, ok = none.PrefixInfo()
	require.False(t, ok)
}
