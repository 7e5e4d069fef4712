package behaviour

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Fragments.
func TestF7(t *testing.T) {
	const port = 7
	// setup gives a stack with an open port, a datagram of 1600 bytes to it and what looks whether one has come.
	setup := func(t *testing.T, m family) (v *victim, b []byte, came func() bool) {
		v = plain(t)
		e := v.bound(header.ProtocolUDP, m.v6, port)
		came = func() bool {
			buf := make([]byte, 70000)
			r, err := e.Read(buf, tcpip.ReadOptions{})
			require.True(t, err == nil || err == tcpip.ErrWouldBlock)
			if err == nil {
				require.Equal(t, testnet.Pattern(r.Count), buf[:r.Count])
			}
			return err == nil
		}
		return v, datagram(netip.AddrPortFrom(m.peer, 9), netip.AddrPortFrom(m.us, port), 1592), came
	}
	forFamilies(t, func(t *testing.T, m family) {
		t.Run("overlap", func(t *testing.T) {
			type part struct{ from, to int }
			for name, parts := range map[string][2]part{
				"the end of one":                {{0, 800}, {792, 1600}},
				"the beginning of one":          {{800, 1600}, {0, 808}},
				"within one":                    {{0, 800}, {400, 408}},
				"around one":                    {{400, 408}, {0, 800}},
				"from the same place, shorter":  {{400, 800}, {400, 600}},
				"from the same place, longer":   {{400, 800}, {400, 1000}},
				"to the same place":             {{400, 800}, {600, 800}},
				"the headers":                   {{0, 400}, {8, 400}},
				"the end, told a second time":   {{1200, 1600}, {1400, 1600}},
				"the last, by one that is last": {{800, 1600}, {1592, 1600}},
			} {
				t.Run(name, func(t *testing.T) {
					v, b, came := setup(t, m)
					inject := func(p part) { v.nic.Inject(piece(b, 9, p.from, p.to-p.from, p.to < 1600)) }
					inject(parts[0])
					v.dropped(2, tcpip.DropFragmentOverlap, func() { inject(parts[1]) }) // and the one before
					for _, f := range cut(b, 9, 400) {                                   // nothing saves it now
						v.dropped(1, tcpip.DropFragmentOverlap, func() { v.nic.Inject(f) })
					}
					require.False(t, came())
					for _, f := range cut(b, 10, 400) { // the next is not its fault
						v.nic.Inject(f)
					}
					require.True(t, came())
					v.Clock.Advance(61 * time.Second)
					for _, f := range cut(b, 9, 400) {
						v.nic.Inject(f)
					}
					require.True(t, came())
				})
			}
			v, b, came := setup(t, m) // the same again is no overlap
			f := cut(b, 9, 400)
			v.nic.Inject(f[0])
			v.dropped(1, tcpip.DropOldData, func() { v.nic.Inject(f[0]) })
			for _, q := range f[1:] {
				v.nic.Inject(q)
			}
			require.True(t, came())
		})
		t.Run("contradictions", func(t *testing.T) {
			type part struct {
				from, n int
				more    bool
			}
			for name, parts := range map[string][2]part{
				"beyond the end":     {{80, 80, false}, {160, 80, true}},
				"two ends":           {{80, 80, false}, {240, 80, false}},
				"an end before data": {{80, 80, true}, {8, 8, false}},
				"an uneven middle":   {{80, 80, true}, {160, 81, true}},
			} {
				v, b, came := setup(t, m)
				inject := func(p part) { v.nic.Inject(fragment(b, 9, p.from, p.more, make([]byte, p.n))) }
				inject(parts[0])
				before := v.Drops(tcpip.DropFragmentBad)
				inject(parts[1])
				require.Greater(t, v.Drops(tcpip.DropFragmentBad), before, name)
				for _, f := range cut(b, 9, 400) {
					v.nic.Inject(f)
				}
				require.False(t, came(), name)
			}
		})
		t.Run("over 65,535", func(t *testing.T) {
			v, b, came := setup(t, m)
			v.dropped(2, tcpip.DropFragmentBad, func() {
				v.nic.Inject(fragment(b, 9, 65528, false, make([]byte, 16)))
				v.nic.Inject(fragment(b, 10, 65528, true, make([]byte, 1400)))
			})
			// 65,535 bytes themselves are well.
			most := 65535 - header.UDPSize
			if !m.v6 {
				most -= header.IPv4Size
			}
			for _, f := range cut(datagram(netip.AddrPortFrom(m.peer, 9), netip.AddrPortFrom(m.us, port), most), 11, 1400) {
				v.nic.Inject(f)
			}
			require.True(t, came())
			v.nic.Packets()
		})
		t.Run("bounds", func(t *testing.T) {
			v, b, came := setup(t, m)
			whole := cut(b, 9, 800)
			v.nic.Inject(whole[0])
			peak := func(n int, source func(i int) netip.Addr) (most int64) {
				for i := range n {
					q := datagram(netip.AddrPortFrom(source(i), 9), netip.AddrPortFrom(m.us, port), 1400)
					v.nic.Inject(piece(q, uint32(1000+i), 0, 1400, true))
					most = max(most, v.Slabs.Live())
				}
				return most
			}
			limit := int64(4 << 20)
			most := peak(4000, func(int) netip.Addr { return m.other })
			require.Less(t, most, limit/4+64<<10, "one source may have a quarter")
			require.Greater(t, most, limit/8)
			require.NotZero(t, v.Drops(tcpip.DropFragmentLimit))
			v.nic.Inject(whole[1])
			require.True(t, came(), "another source's datagram was pushed out")
			most = peak(8000, m.host)
			require.Less(t, most, limit+64<<10)
			require.Greater(t, most, limit/2)
			v.nic.Packets()
			v.Clock.Advance(61 * time.Second)
			v.nic.Packets()
			require.Zero(t, v.Slabs.Live())
			require.Zero(t, v.LivePackets())
		})
	})
	t.Run("IPv4 tiny", func(t *testing.T) { // RFC 1858 §3, RFC 3128
		m := families[0]
		v, _, _ := setup(t, m)
		v.listening(false, 80, 4)
		syn := segment(netip.AddrPortFrom(m.peer, 9), netip.AddrPortFrom(m.us, 80), header.TCPFields{Seq: 1, Flags: header.SYN, Window: 999}, header.TCPOptions{HasMSS: true, MSS: 1460}, nil)
		v.dropped(1, tcpip.DropFragmentTiny, func() { v.nic.Inject(piece(syn, 9, 0, 8, true)) })
		v.dropped(1, tcpip.DropFragmentTiny, func() { v.nic.Inject(piece(syn, 9, 0, 16, true)) })
		v.dropped(1, tcpip.DropFragmentTiny, func() { v.nic.Inject(piece(syn, 10, 8, 16, false)) })
		require.Empty(t, v.nic.Sent())
		v.nic.Inject(syn)
		require.Len(t, v.nic.Sent(), 1)
	})
	m := families[1]
	t.Run("IPv6 header chain", func(t *testing.T) { // RFC 7112 §5
		options := func(next header.Protocol) []byte { return []byte{byte(next), 0, 1, 4, 0, 0, 0, 0} }
		u := testnet.UDP(netip.AddrPortFrom(m.peer, 9), netip.AddrPortFrom(m.us, port), testnet.Pattern(100))
		for name, c := range map[string]struct {
			next header.Protocol
			part []byte
			good bool
		}{
			"whole":             {header.ProtocolDestOptions, append(options(header.ProtocolUDP), u[:16]...), true},
			"only UDP's header": {header.ProtocolUDP, u[:8], true},
			"no upper layer":    {header.ProtocolDestOptions, options(header.ProtocolUDP), false},
			"half a header":     {header.ProtocolTCP, make([]byte, 8), false},
			"options cut":       {header.ProtocolDestOptions, []byte{byte(header.ProtocolUDP), 1, 1, 4, 0, 0, 0, 0}, false},
		} {
			t.Run(name, func(t *testing.T) {
				v, _, _ := setup(t, m)
				f := fragment(packet(m.peer, m.us, c.next, nil), 9, 0, true, c.part)
				if c.good {
					v.dropped(0, 0, func() { v.nic.Inject(f) })
					require.Empty(t, v.nic.Sent())
					return
				}
				v.dropped(1, tcpip.DropFragmentTiny, func() { v.nic.Inject(f) })
				require.Contains(t, v.nic.Sent()[0], "ICMP6 parameter problem 3")
			})
		}
	})
	t.Run("IPv6 atomic", func(t *testing.T) { // RFC 6946 §4: by itself, beside what has its identification
		v, b, came := setup(t, m)
		f := cut(b, 9, 800)
		v.nic.Inject(f[0])
		v.nic.Inject(piece(b, 9, 0, 1600, false))
		require.True(t, came())
		v.nic.Inject(f[1])
		require.True(t, came())
		require.Zero(t, v.Drops(tcpip.DropFragmentOverlap))
	})
	t.Run("none is forwarded together", func(t *testing.T) { // a router keeps nothing of what is not for it
		forFamilies(t, func(t *testing.T, m family) {
			v, _, _ := setup(t, m)
			v.nic.SetForwarding(true)
			for _, f := range cut(datagram(netip.AddrPortFrom(m.peer, 9), netip.AddrPortFrom(m.far, port), 3000), 9, 1000) {
				v.nic.InjectFrame(m.ether, stack.LinkPart{}, f)
				require.Len(t, v.nic.Packets(), 1)
			}
			require.Zero(t, v.Slabs.Live())
		})
	})
}
