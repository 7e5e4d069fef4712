package mcast

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// FuzzMcast lets a few groups change, queries of all versions and reports arrive and time pass, as the bytes say. The
// invariants hold after each step; once strangers keep quiet and everything was left, nothing is left over.
func FuzzMcast(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, false, byte(0))
	f.Add([]byte("\x00\x11\x05\x33\x01\x22\x06\x00\x02\x01\x03\x01\x00\x00\x07"), true, byte(1))
	f.Fuzz(func(t *testing.T, script []byte, v6 bool, forced byte) {
		x := newTrace(t, Conf{V6: v6, Version: int(forced % 4), Room: 64 + int(forced)})
		x.m.conf.Random = func(limit time.Duration) time.Duration { return limit / time.Duration(1+len(script)%7) / 2 }
		next := func() (b byte) {
			if len(script) > 0 {
				b, script = script[0], script[1:]
			}
			return b
		}
		group := func(b byte) netip.Addr {
			if v6 {
				return netip.AddrFrom16([16]byte{0: 0xff, 1: b >> 4 & 3, 15: b & 7})
			}
			return netip.AddrFrom4([4]byte{224, 0, b >> 4 & 1, b & 7})
		}
		sources := func(bits byte) (list []netip.Addr) {
			for i := range byte(8) {
				if bits>>i&1 != 0 && v6 {
					list = append(list, netip.AddrFrom16([16]byte{0: 0x20, 15: i}))
				} else if bits>>i&1 != 0 {
					list = append(list, netip.AddrFrom4([4]byte{10, 0, 0, i}))
				}
			}
			return list
		}
		wanted := map[netip.Addr]bool{}
		for len(script) > 0 {
			switch next() % 8 {
			case 0, 1:
				g := group(next())
				m := tcpip.SourceFilter{Mode: tcpip.FilterMode(next() & 1), Sources: sources(next())}
				x.m.Change(x.now, g, m)
				wanted[g] = true
			case 2:
				x.m.Change(x.now, group(next()), tcpip.SourceFilter{})
			case 3, 4:
				q := header.MulticastQuery{Version: 1 + next()%3, MaxResponse: time.Duration(next()) * 100 * time.Millisecond,
					Robustness: next() & 7, Interval: time.Duration(next()) * time.Second}
				if v6 {
					q.Version = 1 + q.Version%2
				}
				g := ""
				if b := next(); b&1 != 0 {
					g = group(b).String()
				}
				list := ""
				if q.Version == 3 || v6 && q.Version == 2 {
					for _, s := range sources(next()) {
						list += s.String() + " "
					}
				}
				x.ask(q, g, list)
			case 5:
				x.m.Heard(x.now, group(next()))
			case 6:
				x.sleep(time.Duration(next()) * 50 * time.Millisecond)
			case 7:
				if next()&1 == 0 {
					x.m.Restart(x.now)
				} else {
					c := x.m.conf
					c.Version = int(next() % 4)
					x.m.Configure(c)
				}
			}
			check(t, &x.m)
			if next()&1 == 0 {
				x.run()
			}
		}
		x.run()
		for g := range wanted {
			x.m.Change(x.now, g, tcpip.SourceFilter{})
		}
		x.sleep(100 * time.Hour)
		require.Empty(t, x.m.groups)
		require.Empty(t, x.m.changed)
		require.Zero(t, x.m.Deadline())
		require.Equal(t, len(x.m.order), x.m.holes)
	})
}
