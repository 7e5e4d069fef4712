package behaviour

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// opening connects from one address to another and returns the SYN.
func (v *victim) opening(from, to netip.AddrPort) sent {
	v.t.Helper()
	e := v.endpoint(header.ProtocolTCP, to.Addr().Is6()).(*tcp.Endpoint)
	require.NoError(v.t, e.Bind(tcpip.FullAddress{Addr: from.Addr(), Port: from.Port()}))
	require.Equal(v.t, tcpip.ErrInProgress, e.Connect(tcpip.FullAddress{Addr: to.Addr(), Port: to.Port()}))
	syn := v.segments()
	require.Len(v.t, syn, 1)
	require.Equal(v.t, header.SYN, syn[0].Flags)
	e.Abort()
	v.segments()
	return syn[0]
}

// answered sends a SYN to port 80, where somebody has to listen, and returns the SYN-ACK.
func (v *victim) answered(from, to netip.AddrPort) sent {
	v.t.Helper()
	o := header.TCPOptions{HasTimestamp: true, TSVal: 1}
	v.nic.Inject(segment(from, to, header.TCPFields{Seq: 1, Flags: header.SYN, Window: 1000}, o, nil))
	got := v.segments()
	require.Len(v.t, got, 1)
	require.Equal(v.t, header.SYN|header.ACK, got[0].Flags)
	v.nic.Inject(segment(from, to, header.TCPFields{Seq: 2, Flags: header.RST}, o, nil))
	require.Empty(v.t, v.segments())
	return got[0]
}

// seedVictim is a plain victim with a certain randomness, that listens on port 80.
func seedVictim(t testing.TB, seed byte) *victim {
	v := newVictim(t, seeded(seed), channel.Options{}, stack.NICOptions{})
	v.listening(true, 80, 16)
	return v
}

// Initial sequence numbers are a clock of 4 µs and a keyed hash of the tuple (RFC 6528 §3), timestamps a clock of
// a millisecond and another.
func TestF1(t *testing.T) {
	forFamilies(t, func(t *testing.T, m family) {
		tuples := [][2]netip.AddrPort{{netip.AddrPortFrom(m.us, 3000), netip.AddrPortFrom(m.peer, 80)}}
		for i := range uint16(64) {
			tuples = append(tuples,
				[2]netip.AddrPort{netip.AddrPortFrom(m.us, 3001+i), netip.AddrPortFrom(m.peer, 80)},
				[2]netip.AddrPort{netip.AddrPortFrom(m.us, 3000), netip.AddrPortFrom(m.peer, 81+i)},
				[2]netip.AddrPort{netip.AddrPortFrom(m.us, 3000), netip.AddrPortFrom(m.host(int(i)), 80)})
		}
		// numbers returns what a stack sends for each tuple, all at the same time.
		numbers := func(v *victim) (iss, ts []uint32) {
			for _, p := range tuples {
				syn := v.opening(p[0], p[1])
				require.True(t, syn.o.HasTimestamp)
				iss, ts = append(iss, uint32(syn.Seq)), append(ts, syn.o.TSVal)
			}
			return iss, ts
		}
		a, again, b := seedVictim(t, 1), seedVictim(t, 1), seedVictim(t, 2)
		iss, ts := numbers(a)
		for name, of := range map[string][]uint32{"initial sequence numbers": iss, "timestamps": ts} {
			distinct, high := map[uint32]bool{}, map[byte]bool{}
			for _, n := range of {
				distinct[n], high[byte(n>>24)] = true, true
			}
			require.Len(t, distinct, len(tuples), name)
			require.Greater(t, len(high), 100, "%s of %d tuples share their upper bits", name, len(tuples))
		}

		// The same randomness gives the same numbers, another gives others, and not by a constant distance.
		sameISS, sameTS := numbers(again)
		require.Equal(t, iss, sameISS)
		require.Equal(t, ts, sameTS)
		otherISS, otherTS := numbers(b)
		distances := map[uint32]bool{}
		for i := range iss {
			distances[otherISS[i]-iss[i]] = true
			distances[otherTS[i]-ts[i]] = true
		}
		require.Len(t, distances, 2*len(iss))

		// For one tuple both clocks run on, exactly; also over the place where the numbers wrap.
		for _, d := range []time.Duration{4 * time.Microsecond, time.Millisecond, 90 * time.Second, 5 * time.Hour} {
			a.Clock.Advance(d)
			laterISS, laterTS := numbers(a)
			for i := range iss {
				require.Equal(t, uint32(d/(4*time.Microsecond)), laterISS[i]-iss[i])
				require.InDelta(t, float64(d/time.Millisecond), float64(laterTS[i]-ts[i]), 1)
			}
			iss, ts = laterISS, laterTS
		}

		// Passive opens draw from the same: the tuple decides, as seen from us, not who calls.
		twin := newVictim(t, seeded(1), channel.Options{}, stack.NICOptions{})
		twin.Clock.Advance(a.Clock.Now().Sub(twin.Clock.Now()))
		first := a.answered(netip.AddrPortFrom(m.peer, 80), netip.AddrPortFrom(m.us, 80))
		call := twin.opening(netip.AddrPortFrom(m.us, 80), netip.AddrPortFrom(m.peer, 80))
		require.Equal(t, call.Seq, first.Seq)
		require.Equal(t, call.o.TSVal, first.o.TSVal)
		second := a.answered(netip.AddrPortFrom(m.other, 80), netip.AddrPortFrom(m.us, 80))
		require.NotEqual(t, first.Seq, second.Seq)
		require.NotEqual(t, first.o.TSVal, second.o.TSVal)
		a.Clock.Advance(8 * time.Millisecond)
		later := a.answered(netip.AddrPortFrom(m.peer, 80), netip.AddrPortFrom(m.us, 80))
		require.EqualValues(t, 2000, later.Seq-first.Seq)
		require.EqualValues(t, 8, later.o.TSVal-first.o.TSVal)
	})
	t.Run("keys", func(t *testing.T) {
		keys := func() (all [][2]uint64) {
			s := stack.New(stack.Options{}) // no source given: crypto/rand
			defer s.Close()
			k := s.Keys()
			return [][2]uint64{k.Flow, k.ISN, k.Timestamp, k.Port, k.Cookie, k.ID, k.PathMTU}
		}
		seen := map[uint64]bool{0: true}
		for range 4 {
			for _, k := range keys() {
				require.False(t, seen[k[0]] || seen[k[1]], "a key is not random")
				seen[k[0]], seen[k[1]] = true, true
			}
		}
	})
}

// TCP's ports come in sequence for one destination, from a start that is secret (RFC 6056 §3.3.4); UDP's are
// uniformly random (RFC 6056 §3.3.1).
func TestF2(t *testing.T) {
	forFamilies(t, func(t *testing.T, m family) {
		t.Run("TCP", func(t *testing.T) {
			const dests, rounds = 32, 12
			first, last := uint16(0), uint16(0)
			// walk connects to every destination in turn, some times, and returns the ports by destination.
			walk := func(v *victim) (ports [dests][rounds]uint16) {
				first, last = v.PortRange()
				for round := range rounds {
					for d := range dests {
						e := v.endpoint(header.ProtocolTCP, m.v6)
						require.Equal(t, tcpip.ErrInProgress, e.Connect(tcpip.FullAddress{Addr: m.host(d), Port: 443}))
						ports[d][round] = e.LocalAddress().Port
					}
				}
				return ports
			}
			ports := walk(seedVictim(t, 1))
			span := last - first + 1
			sequences, starts := 0, map[uint16]bool{}
			for _, p := range ports {
				starts[p[0]/512] = true
				inOrder := true
				for i := range p {
					require.GreaterOrEqual(t, p[i], first)
					require.LessOrEqual(t, p[i], last)
					if i > 0 && (p[i]-first)%span != (p[i-1]-first+1)%span {
						inOrder = false
					}
				}
				if inOrder {
					sequences++
				}
			}
			// A counter is shared where two destinations meet in the table of 1024: seldom.
			require.GreaterOrEqual(t, sequences, dests-2, "a flow to one destination moves the ports of another")
			require.Greater(t, len(starts), 20, "the starts lie close to each other")
			require.Equal(t, ports, walk(seedVictim(t, 1)))
			other := walk(seedVictim(t, 2))
			distances := map[uint16]bool{}
			for d := range ports {
				distances[other[d][0]-ports[d][0]] = true
			}
			require.Greater(t, len(distances), dests-3, "the starts depend on no secret")
		})
		t.Run("UDP", func(t *testing.T) {
			const draws, cells = 8192, 64
			v := plain(t)
			draw := func(bind bool) uint16 {
				e, err := v.NewEndpoint(header.ProtocolUDP, m.ether)
				require.NoError(t, err)
				defer e.Close()
				if bind {
					require.NoError(t, e.Bind(tcpip.FullAddress{}))
				} else {
					require.NoError(t, e.Connect(tcpip.FullAddress{Addr: m.peer, Port: 53}))
				}
				return e.LocalAddress().Port
			}
			for _, bind := range []bool{true, false} {
				first, last := v.PortRange()
				span := int(last) - int(first) + 1
				var count [cells]int
				before, near := uint16(0), 0
				for range draws {
					p := draw(bind)
					require.GreaterOrEqual(t, p, first)
					require.LessOrEqual(t, p, last)
					count[(int(p)-int(first))*cells/span]++
					if d := int(p) - int(before); -64 < d && d < 64 {
						near++
					}
					before = p
				}
				chi := 0.0
				for _, n := range count {
					chi += float64((n-draws/cells)*(n-draws/cells)) / (draws / cells)
				}
				require.Less(t, chi, 115.0, "not uniform (63 degrees of freedom, p = 0.0001)")
				require.Greater(t, chi, 25.0, "too even to be random")
				require.Less(t, near, draws*3*128/span, "a port lies near the one before")
			}
		})
	})
}

// idsOf returns the identification, IPv4's or that of the IPv6 fragment header, of every packet that left.
func (v *victim) idsOf() (ids []uint32) {
	for _, b := range v.nic.Packets() {
		if b[0]>>4 == 4 {
			ids = append(ids, uint32(header.IPv4(b).ID()))
			continue
		}
		require.Equal(v.t, header.ProtocolFragment, header.IPv6(b).NextHeader())
		ids = append(ids, binary.BigEndian.Uint32(b[header.IPv6Size+4:]))
	}
	return ids
}

// IPv4 identification (RFC 6864), IPv6 fragment identification (RFC 7739) and flow labels (RFC 6437).
func TestF3(t *testing.T) {
	sender := func(v *victim, v6 bool, mode tcpip.PMTUMode) func(to netip.Addr, n int) {
		e := v.endpoint(header.ProtocolUDP, v6)
		o := tcpip.IP_MTU_DISCOVER
		if v6 {
			o = tcpip.IPV6_MTU_DISCOVER
		}
		require.NoError(t, e.SetOption(o, int(mode)))
		return func(to netip.Addr, n int) {
			_, err := e.Write(make([]byte, n), tcpip.WriteOptions{To: tcpip.FullAddress{Addr: to, Port: 9}})
			require.NoError(t, err)
		}
	}
	t.Run("IPv4 identification", func(t *testing.T) {
		m := families[0]
		series := func(seed byte) (ids []uint32) {
			v := seedVictim(t, seed)
			send := sender(v, false, tcpip.PMTUDont)
			for i := range 4000 {
				send(m.peer, 8)
				if i%64 == 0 {
					ids = append(ids, v.idsOf()...)
					v.Clock.Advance(time.Millisecond)
				}
			}
			return append(ids, v.idsOf()...)
		}
		ids := series(1)
		seen := map[uint32]bool{}
		for _, id := range ids {
			require.False(t, seen[id], "used twice within a datagram's life (RFC 6864 §4.3)")
			seen[id] = true
		}
		require.Equal(t, ids, series(1))
		require.NotEqual(t, ids[0], series(2)[0])

		v := seedVictim(t, 1)
		send := sender(v, false, tcpip.PMTUDont)
		starts := map[uint32]bool{}
		for i := range 64 { // each destination has a sequence of its own
			send(m.host(i), 8)
			got := v.idsOf()
			starts[got[0]>>8] = true
		}
		require.Greater(t, len(starts), 40)
		before := series(1)[0]
		v = seedVictim(t, 1)
		send = sender(v, false, tcpip.PMTUDont)
		for range 500 {
			send(m.other, 8)
		}
		v.idsOf()
		send(m.peer, 8)
		require.InDelta(t, before, v.idsOf()[0], 256, "what goes to one destination can be counted at another")

		send(m.peer, 4000) // fragments share theirs; the next datagram has another
		send(m.peer, 4000)
		ids = v.idsOf()
		require.Len(t, ids, 6)
		require.Equal(t, ids[0], ids[2])
		require.Equal(t, ids[3], ids[5])
		require.NotEqual(t, ids[0], ids[3])

		whole := sender(v, false, tcpip.PMTUDo) // atomic datagrams need none, and tell nothing
		whole(m.peer, 8)
		whole(m.peer, 8)
		require.Equal(t, []uint32{0, 0}, v.idsOf())
	})
	t.Run("IPv6 fragment identification", func(t *testing.T) {
		m := families[1]
		series := func(seed byte) (ids []uint32) {
			v := seedVictim(t, seed)
			send := sender(v, true, tcpip.PMTUDont)
			for range 500 {
				send(m.peer, 2000)
				got := v.idsOf()
				require.Len(t, got, 2)
				require.Equal(t, got[0], got[1])
				ids = append(ids, got[0])
			}
			return ids
		}
		ids := series(1)
		steps, seen := map[uint32]bool{}, map[uint32]bool{}
		for i, id := range ids {
			require.False(t, seen[id])
			seen[id] = true
			if i > 0 {
				steps[id-ids[i-1]] = true
			}
		}
		require.Greater(t, len(steps), 495, "predictable (RFC 7739 §5)")
		require.NotEqual(t, ids[0], series(2)[0])
	})
	t.Run("flow labels", func(t *testing.T) {
		m := families[1]
		labels := func(seed byte) (all []uint32) {
			v := newVictim(t, seeded(seed), channel.Options{}, stack.NICOptions{})
			for i := range 64 {
				e := v.endpoint(header.ProtocolUDP, true)
				require.NoError(t, e.Bind(tcpip.FullAddress{Port: 5000 + uint16(i)}))
				require.NoError(t, e.Connect(tcpip.FullAddress{Addr: m.peer, Port: 9}))
				label := uint32(0)
				for range 3 {
					_, err := e.Write([]byte("x"), tcpip.WriteOptions{})
					require.NoError(t, err)
					got := binary.BigEndian.Uint32(v.nic.Packets()[0]) & 0xfffff
					require.NotZero(t, got)
					require.True(t, label == 0 || label == got, "the label of a flow changes")
					label = got
				}
				all = append(all, label)
			}
			c := v.connected(m, 1440, true, true) // one for all segments of a connection
			c.write(5000)
			label := uint32(0)
			for _, s := range v.segments() {
				got := binary.BigEndian.Uint32(s.ip) & 0xfffff
				require.True(t, label == 0 || label == got)
				label = got
			}
			return append(all, label)
		}
		all, other := labels(1), labels(2)
		distinct, distances := map[uint32]bool{}, map[uint32]bool{}
		for i := range all {
			require.NotZero(t, all[i])
			distinct[all[i]] = true
			distances[other[i]-all[i]] = true
		}
		require.Greater(t, len(distinct), 62, "flows share their label")
		require.Greater(t, len(distances), 62, "labels depend on no secret")
	})
}
