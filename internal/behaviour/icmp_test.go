package behaviour

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// refused sends a datagram to a closed port of ours and returns how many errors that brought.
func (v *victim) refused(m family, from netip.Addr) int {
	v.nic.Inject(datagram(netip.AddrPortFrom(from, 9), netip.AddrPortFrom(m.us, 7777), 8))
	return len(v.nic.Packets())
}

// What ICMP errors are sent about, to whom and how often.
func TestF4(t *testing.T) {
	forFamilies(t, func(t *testing.T, m family) {
		t.Run("limit per host", func(t *testing.T) {
			v := plain(t)
			burst := func(from netip.Addr) (n int) {
				for range 50 {
					n += v.refused(m, from)
				}
				return n
			}
			require.Equal(t, 6, burst(m.peer))
			require.Equal(t, 6, burst(m.other), "one host's share is not another's")
			for range 5 {
				v.Clock.Advance(time.Second)
				require.Equal(t, 1, burst(m.peer))
			}
			v.Clock.Advance(time.Hour)
			require.Equal(t, 6, burst(m.peer), "no more than the burst is saved")
		})
		t.Run("limit of all", func(t *testing.T) { // SAD DNS: what is left of it cannot be counted
			counts := map[int]bool{}
			for seed := range byte(16) {
				v := newVictim(t, seeded(seed), channel.Options{}, stack.NICOptions{})
				n := 0
				for i := range 400 {
					n += v.refused(m, m.host(i))
				}
				require.Greater(t, n, 25)
				require.Less(t, n, 100)
				counts[n] = true
			}
			require.Greater(t, len(counts), 8, "the bucket holds what an attacker can count")
			v := plain(t)
			n, i := 0, 0
			for range 1000 { // 4 s
				for range 12 {
					n += v.refused(m, m.host(i))
					i++
				}
				v.Clock.Advance(4 * time.Millisecond)
			}
			require.InDelta(t, 4000, n, 250, "1000 a second")
		})
	})
	t.Run("never", func(t *testing.T) {
		never := func(name string, f family, link stack.PacketType, b []byte) {
			t.Run(f.name+" "+name, func(t *testing.T) {
				v := plain(t)
				v.nic.SetForwarding(true)
				v.nic.InjectFrame(f.ether, stack.LinkPart{Type: link}, b)
				require.Empty(t, v.nic.Sent())
			})
		}
		expired := func(b []byte) []byte { // for others, and at the end of its way
			if b[0]>>4 == 6 {
				b[7] = 1
				return b
			}
			header.IPv4(b).SetTTL(1)
			header.IPv4(b)[:20].UpdateChecksum()
			return b
		}
		four, six := families[0], families[1]
		for _, m := range families {
			from := netip.AddrPortFrom(m.peer, 9)
			closed := func(dst netip.Addr) []byte { return datagram(from, netip.AddrPortFrom(dst, 7777), 8) }
			never("link broadcast", m, stack.PacketBroadcast, closed(m.us))
			never("link multicast", m, stack.PacketMulticast, closed(m.us))
			group, quoted := addr("224.0.0.1"), datagram(at("10.0.0.9:1"), at("10.0.0.8:2"), 8)
			if m.v6 {
				group, quoted = addr("ff02::1"), datagram(at("[fd00::9]:1"), at("[fd00::8]:2"), 8)
			}
			never("group", m, 0, closed(group))
			whole := datagram(from, netip.AddrPortFrom(m.far, 9), 100)
			never("later fragment", m, 0, expired(piece(whole, 7, 56, 40, false)))
			types := []uint8{3, 4, 5, 11, 12}
			if m.v6 {
				types = []uint8{1, 2, 3, 4, 127, 137}
			}
			for _, typ := range types {
				b := body(testnet.ICMPError(quoted, m.peer, typ, 0, 0))
				proto := header.ProtocolICMPv4
				if m.v6 {
					proto = header.ProtocolICMPv6
					header.ICMPv6(b).UpdateChecksum(m.peer, m.far)
				}
				never("about ICMP "+string(rune('0'+typ/100))+string(rune('0'+typ/10%10))+string(rune('0'+typ%10)), m, 0, expired(packet(m.peer, m.far, proto, b)))
			}
			// The others that are alike in all but that are answered.
			v := plain(t)
			v.nic.SetForwarding(true)
			v.nic.Inject(closed(m.us))
			v.nic.Inject(expired(piece(whole, 7, 0, 56, true)))
			v.nic.Inject(expired(ping(m.peer, m.far, 8)))
			require.Len(t, v.nic.Sent(), 3)
		}
		never("broadcast", four, 0, datagram(at("10.0.0.2:9"), at("10.0.0.255:7777"), 8))
		never("limited broadcast", four, 0, datagram(at("10.0.0.2:9"), at("255.255.255.255:7777"), 8))
		for _, src := range []string{"0.0.0.0", "10.0.0.255", "255.255.255.255", "224.0.0.1", "127.0.0.1", "240.0.0.1", "0.1.2.3"} {
			never("to "+src, four, 0, datagram(netip.AddrPortFrom(addr(src), 9), at("10.0.0.1:7777"), 8))
		}
		for _, src := range []string{"::", "ff02::1", "::1"} {
			never("to "+src, six, 0, datagram(netip.AddrPortFrom(addr(src), 9), at("[fd00::1]:7777"), 8))
		}
	})
}

// tooBig and unreachable are errors about a packet of ours.
func tooBig(m family, quoted []byte, mtu int) []byte { return testnet.TooBig(quoted, m.other, mtu) }

func unreachable(m family, quoted []byte) []byte {
	if m.v6 {
		return testnet.ICMPError(quoted, m.other, uint8(header.ICMPv6Unreachable), uint8(header.ICMPv6PortUnreachable), 0)
	}
	return testnet.ICMPError(quoted, m.other, uint8(header.ICMPv4Unreachable), uint8(header.ICMPv4PortUnreachable), 0)
}

// ICMP errors are believed if they quote what is under way (RFC 5927).
func TestF5(t *testing.T) {
	forFamilies(t, func(t *testing.T, m family) {
		t.Run("TCP", func(t *testing.T) {
			v := plain(t)
			c := v.connected(m, 1460, true, true)
			c.write(1000)
			c.write(1000)
			out := v.segments()
			require.Len(t, out, 2)
			mss := c.ep.Info().SendMSS
			una, nxt := out[0].Seq, out[1].Seq.Add(1000)
			forge := func(change func(h header.TCP)) []byte {
				q := append([]byte(nil), out[0].ip...)
				change(header.TCP(body(q)))
				return q
			}
			numbered := func(s seq.Number) []byte { return forge(func(h header.TCP) { h.SetSeq(s) }) }
			for name, q := range map[string][]byte{
				"our port":   forge(func(h header.TCP) { h.SetSrcPort(81) }),
				"their port": forge(func(h header.TCP) { h.SetDstPort(4001) }),
				"as a datagram": packet(m.us, m.peer, header.ProtocolUDP,
					testnet.UDP(netip.AddrPortFrom(m.us, 80), netip.AddrPortFrom(m.peer, 4000), []byte("x"))),
			} {
				v.dropped(2, tcpip.DropICMPNoFlow, func() {
					v.nic.Inject(tooBig(m, q, 1300))
					v.nic.Inject(unreachable(m, q))
				})
				require.Equal(t, mss, c.ep.Info().SendMSS, name)
			}
			for _, s := range []seq.Number{una - 1, una.Add(-100000), nxt + 1, nxt.Add(100000), una ^ 1<<31} {
				v.dropped(2, tcpip.DropICMPSequence, func() {
					v.nic.Inject(tooBig(m, numbered(s), 1300))
					v.nic.Inject(unreachable(m, numbered(s)))
				})
				require.Equal(t, mss, c.ep.Info().SendMSS)
			}
			route, err := v.FindRoute(stack.RouteQuery{Destination: m.peer})
			require.Equal(t, tcpip.OK, err)
			mtu, _ := route.PathMTU()
			require.Equal(t, 1500, mtu, "the path MTU was learnt from a forgery")
			for _, s := range []seq.Number{una, una + 1999, nxt} {
				v.dropped(0, 0, func() { v.nic.Inject(unreachable(m, numbered(s))) })
			}
			require.Equal(t, "ESTABLISHED", c.ep.State().String(), "no ICMP error ends a connection (RFC 5927 §5)")
			v.dropped(0, 0, func() { v.nic.Inject(tooBig(m, numbered(una), 1300)) })
			require.Equal(t, mss-200, c.ep.Info().SendMSS)
			mtu, _ = route.PathMTU()
			require.Equal(t, 1300, mtu)
			c.ep.Abort()
			v.dropped(1, tcpip.DropICMPNoFlow, func() { v.nic.Inject(tooBig(m, numbered(una), 1280)) })
		})
		t.Run("connecting", func(t *testing.T) { // a SYN that was refused by nobody
			v := plain(t)
			e := v.endpoint(header.ProtocolTCP, m.v6)
			require.Equal(t, tcpip.ErrInProgress, e.Connect(tcpip.FullAddress{Addr: m.peer, Port: 80}))
			q := v.segments()[0].ip
			forged := append([]byte(nil), q...)
			h := header.TCP(body(forged))
			h.SetSeq(h.Seq() + 2)
			v.dropped(1, tcpip.DropICMPSequence, func() { v.nic.Inject(unreachable(m, forged)) })
			require.NoError(t, e.LastError())
			v.nic.Inject(unreachable(m, q))
			require.Equal(t, tcpip.ErrConnRefused, e.LastError())
		})
		t.Run("UDP", func(t *testing.T) {
			v := plain(t)
			e := v.bound(header.ProtocolUDP, m.v6, 5000)
			require.NoError(t, e.Connect(tcpip.FullAddress{Addr: m.peer, Port: 53}))
			quote := func(from, to uint16, dst netip.Addr) []byte {
				return datagram(netip.AddrPortFrom(m.us, from), netip.AddrPortFrom(dst, to), 8)
			}
			for _, q := range [][]byte{quote(5001, 53, m.peer), quote(5000, 54, m.peer), quote(5000, 53, m.other)} {
				v.dropped(2, tcpip.DropICMPNoFlow, func() {
					v.nic.Inject(tooBig(m, q, 1300))
					v.nic.Inject(unreachable(m, q))
				})
			}
			require.NoError(t, e.LastError())
			v.nic.Inject(unreachable(m, quote(5000, 53, m.peer)))
			require.Equal(t, tcpip.ErrConnRefused, e.LastError())
			e.Close()
			v.dropped(1, tcpip.DropICMPNoFlow, func() { v.nic.Inject(unreachable(m, quote(5000, 53, m.peer))) })
		})
		t.Run("ping", func(t *testing.T) {
			v := plain(t)
			proto := header.ProtocolICMPv4
			if m.v6 {
				proto = header.ProtocolICMPv6
			}
			e := v.bound(proto, m.v6, 2)
			require.NoError(t, e.Connect(tcpip.FullAddress{Addr: m.peer}))
			q := ping(m.us, m.peer, 8) // has the identifier 1
			v.dropped(1, tcpip.DropICMPNoFlow, func() { v.nic.Inject(unreachable(m, q)) })
			require.NoError(t, e.LastError())
			binary.BigEndian.PutUint16(body(q)[4:], 2)
			v.dropped(0, 0, func() { v.nic.Inject(unreachable(m, q)) })
			require.Equal(t, tcpip.ErrConnRefused, e.LastError())
		})
		t.Run("path MTUs", func(t *testing.T) { // bounded, and evicted at random
			survivors := func(seed byte) (left []int) {
				v := newVictim(t, seeded(seed), channel.Options{}, stack.NICOptions{})
				const n, kept = 10000, 8192
				for i := range n {
					mtu, lower := v.LearnPathMTU(m.host(i), 1400)
					require.Equal(t, 1400, mtu)
					require.True(t, lower)
				}
				count := 0
				for i := range n {
					r, err := v.FindRoute(stack.RouteQuery{Destination: m.host(i)})
					require.Equal(t, tcpip.OK, err)
					if mtu, _ := r.PathMTU(); mtu == 1400 {
						count++
						if i < 2000 {
							left = append(left, i)
						}
					}
				}
				require.Equal(t, kept, count)
				return left
			}
			left := survivors(1)
			require.Greater(t, len(left), 1400, "the oldest go first: an attacker chooses whose")
			require.Less(t, len(left), 1800, "the oldest stay")
			require.NotEqual(t, left, survivors(2))
		})
	})
}
