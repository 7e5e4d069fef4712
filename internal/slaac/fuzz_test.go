package slaac_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/slaac"
	"github.com/seed963a8790/netstack/tcpip"
)

// FuzzHost feeds a machine with whatever routers, neighbours and the clock may do. What it adds it removes once, and
// after Stop nothing is left; the time always has an end.
func FuzzHost(f *testing.F) {
	f.Add([]byte{0x07, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
	f.Add([]byte{0xff, 0x10, 0x20, 0x33, 0x41, 0x52, 0x63, 0x74, 0x85, 0x96, 0xa7, 0xb8, 0xc9, 0xda, 0xeb, 0xfc})
	f.Fuzz(func(t *testing.T, b []byte) {
		next := func() (v byte) {
			if len(b) > 0 {
				v, b = b[0], b[1:]
			}
			return v
		}
		flags := next()
		var h slaac.Host
		now := tcpip.Time(1 << 40)
		conf := slaac.Conf{
			LinkLocal: flags&1 != 0, Routers: flags&2 != 0, Addresses: flags&4 != 0, Temporary: flags&8 != 0,
			Generation: slaac.Generation(flags >> 4 & 1), Link: mac, Name: "n", Solicitations: int(flags>>5) - 1, MTU: 1500,
		}
		h.Start(now, conf)
		addresses, routes := map[netip.Prefix]bool{}, map[string]bool{}
		var last netip.Addr
		drain := func() {
			for a := (slaac.Action{}); h.Poll(&a); {
				key := a.Prefix.String() + a.Router.String()
				switch a.Kind {
				case slaac.AddAddress:
					require.False(t, addresses[a.Prefix])
					addresses[a.Prefix] = true
					last = a.Prefix.Addr()
				case slaac.RemoveAddress:
					require.True(t, addresses[a.Prefix])
					delete(addresses, a.Prefix)
				case slaac.AddRoute:
					require.False(t, routes[key])
					routes[key] = true
				case slaac.RemoveRoute:
					require.True(t, routes[key])
					delete(routes, key)
				case slaac.SetDeprecated:
					require.True(t, addresses[a.Prefix])
				}
			}
			require.LessOrEqual(t, len(addresses), slaac.MaxAddresses)
			require.LessOrEqual(t, len(routes), slaac.MaxRouters+slaac.MaxPrefixes+slaac.MaxRoutes+slaac.MaxRedirects)
		}
		life := func() time.Duration {
			v := next()
			if v == 255 {
				return header.NDPForever
			}
			return time.Duration(v) * 8 * time.Minute
		}
		for len(b) > 0 {
			router := netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 15: next() % 20})
			p := netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 7: next() % 40}), 64)
			switch next() % 6 {
			case 0, 1:
				v := next()
				h.Advertised(now, &slaac.Advertisement{
					Router: router, Lifetime: life(), Preference: header.NDPPreference(int8(v%4) - 2), HopLimit: v, MTU: int(v) * 10,
					Prefixes: []header.NDPPrefixInfo{{Prefix: p, OnLink: v&1 != 0, Autonomous: v&2 != 0, Valid: life(), Preferred: life()}},
					Routes:   []header.NDPRouteInfo{{Prefix: netip.PrefixFrom(p.Addr(), int(v%65)).Masked(), Lifetime: life()}},
					Servers:  []slaac.Server{{Addr: router, Lifetime: life()}},
				})
			case 2:
				h.Detected(now, last, next()&1 != 0)
			case 3:
				h.Reachable(router, next()&1 != 0)
			case 4:
				h.Redirected(now, p.Addr(), router)
			case 5:
				end := now.Add(life())
				if d := h.Deadline(); next()&1 != 0 && d != 0 {
					end = d
				}
				for n := 0; h.Deadline() != 0 && h.Deadline() <= end && end != 0; n++ {
					require.Less(t, n, 100000)
					now = max(now, h.Deadline())
					h.Advance(now)
					drain()
				}
			}
			drain()
			if d := h.Deadline(); d != 0 {
				require.Greater(t, d, tcpip.Time(0))
			}
		}
		h.Stop()
		drain()
		require.Empty(t, addresses)
		require.Empty(t, routes)
		require.Zero(t, h.Deadline())
	})
}
