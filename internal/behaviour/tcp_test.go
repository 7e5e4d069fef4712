package behaviour

import (
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
	"github.com/seed963a8790/netstack/transport/tcp"
)

// sending is a connection over which n bytes are to go, and the first window of them, which has left.
func sending(t *testing.T, m family, n int, sack, ts bool) (*remote, []sent) {
	c := plain(t).connected(m, 1460, sack, ts)
	require.NoError(t, c.ep.SetOption(tcpip.SO_SNDBUF, 4<<20))
	c.write(n)
	return c, c.segments()
}

// TCP.
func TestF10(t *testing.T) {
	forFamilies(t, func(t *testing.T, m family) {
		t.Run("challenge ACKs of a connection", func(t *testing.T) {
			c := plain(t).connected(m, 1460, true, false)
			provocations := map[string]func(){
				"RST in the window":     func() { c.send(header.RST, c.seq+1, 0, nil) },
				"SYN":                   func() { c.send(header.SYN, c.seq+100, 0, nil) },
				"SYN, old":              func() { c.send(header.SYN, c.seq-100, 0, nil) },
				"ACK of unsent data":    func() { c.send(header.ACK, c.seq, c.ack+1, nil) },
				"with data":             func() { c.send(header.ACK, c.seq, c.ack+1, []byte("evil")) },
				"ACK of what never was": func() { c.send(header.ACK, c.seq, c.ack.Add(-100000), nil) },
				"out of the window":     func() { c.send(header.ACK, c.seq.Add(1000000), c.ack, nil) },
			}
			for name, provoke := range provocations {
				c.Clock.Advance(time.Second)
				require.Empty(t, c.segments())
				for range 100 {
					provoke()
				}
				got := c.segments()
				require.Len(t, got, 1, name)
				require.Equal(t, header.ACK, got[0].Flags)
				require.Equal(t, c.ack, got[0].Seq)
				require.Equal(t, c.seq, got[0].Ack, name)
			}
			// One budget for all.
			c.Clock.Advance(time.Second)
			for range 100 {
				for _, provoke := range provocations {
					provoke()
				}
			}
			require.Len(t, c.segments(), 1)
			require.Equal(t, tcp.StateEstablished, c.ep.State())
			_, err := c.ep.Read(make([]byte, 9), tcpip.ReadOptions{})
			require.Equal(t, tcpip.ErrWouldBlock, err, "data was taken before its ACK was checked (RFC 5961 §5)")
			c.send(header.RST, c.seq, 0, nil) // only the exact number ends it
			require.Equal(t, tcp.StateClosed, c.ep.State())
		})
		t.Run("challenge ACKs of all", func(t *testing.T) { // by chance, so that nobody can count them
			counts := map[int]bool{}
			for seed := range byte(12) {
				v := &victim{Wired: testnet.Wire(t, seeded(seed), tcp.NewWith(tcp.Options{ChallengeRate: tcpip.Set(40)})), t: t}
				v.nic = v.Port(channel.Options{}, stack.NICOptions{}, "10.0.0.1/24", "fd00::1/64")
				v.listening(m.v6, 80, 200)
				var all []*remote
				for i := range uint16(100) {
					r := &remote{victim: v, from: netip.AddrPortFrom(m.peer, 4000+i), to: netip.AddrPortFrom(m.us, 80), seq: 1000, window: 9999}
					r.syn()
					r.seq++
					r.ack = v.segments()[0].Seq + 1
					r.send(header.ACK, r.seq, r.ack, nil)
					all = append(all, r)
				}
				n := 0
				for _, r := range all {
					r.send(header.RST, r.seq+1, 0, nil)
					n += len(v.segments())
				}
				require.GreaterOrEqual(t, n, 20)
				require.LessOrEqual(t, n, 60)
				require.EqualValues(t, n, v.Counters().TcpExt.TCPChallengeACK.Value())
				counts[n] = true
			}
			require.Greater(t, len(counts), 6)
		})
		t.Run("RSTs", func(t *testing.T) { // limited too, to nobody's segments and to wrong ACKs of half-open connections
			v := &victim{Wired: testnet.Wire(t, seeded(1), tcp.NewWith(tcp.Options{ResetRate: tcpip.Set(20)})), t: t}
			v.nic = v.Port(channel.Options{}, stack.NICOptions{}, "10.0.0.1/24", "fd00::1/64")
			l := v.listening(m.v6, 80, 16)
			r := &remote{victim: v, from: netip.AddrPortFrom(m.peer, 4000), to: netip.AddrPortFrom(m.us, 80), seq: 1000, window: 9999}
			r.syn()
			r.seq++
			r.ack = v.segments()[0].Seq + 1
			for _, port := range []uint16{80, 81} {
				r.to = netip.AddrPortFrom(m.us, port)
				for i := range 200 {
					r.send(header.ACK, r.seq, r.ack.Add(100+i), nil)
				}
				n := len(v.segments())
				require.GreaterOrEqual(t, n, 10)
				require.LessOrEqual(t, n, 30)
				v.Clock.Advance(time.Second)
				v.segments()
			}
			r.to = netip.AddrPortFrom(m.us, 80)
			r.send(header.ACK, r.seq, r.ack, nil) // the slot was kept for the right one
			e, err := l.Accept()
			require.NoError(t, err)
			e.Close()
			v.segments()
		})
		t.Run("MSS of a SYN", func(t *testing.T) {
			small := func(t *testing.T, v *victim, ep *tcp.Endpoint, ack func(seq.Number)) {
				require.NoError(t, ep.SetOption(tcpip.SO_SNDBUF, 1<<20))
				_, err := ep.Write(testnet.Pattern(5000), tcpip.WriteOptions{})
				require.NoError(t, err)
				n := 0
				for n < 5000 {
					out := v.segments()
					require.NotEmpty(t, out)
					for _, s := range out {
						n += len(s.data)
						if n < 5000 {
							require.GreaterOrEqual(t, len(s.data)+s.o.Size(), 48)
						}
					}
					last := out[len(out)-1]
					ack(last.Seq.Add(len(last.data)))
				}
			}
			for _, mss := range []uint16{1, 8, 12, 47} {
				for _, ts := range []bool{false, true} {
					c := plain(t).connected(m, mss, true, ts)
					small(t, c.victim, c.ep, func(a seq.Number) { c.send(header.ACK, c.seq, a, nil) })

					v := plain(t) // and where we call
					e := v.endpoint(header.ProtocolTCP, m.v6).(*tcp.Endpoint)
					require.NoError(t, e.SetOption(tcp.TCP_NODELAY, 1))
					require.Equal(t, tcpip.ErrInProgress, e.Connect(tcpip.FullAddress{Addr: m.peer, Port: 99}))
					syn := v.segments()[0]
					r := &remote{victim: v, from: netip.AddrPortFrom(m.peer, 99), to: netip.AddrPortFrom(m.us, syn.SrcPort), ts: ts, tsVal: 7, tsEcr: syn.o.TSVal, window: 50000}
					o := header.TCPOptions{HasMSS: true, MSS: mss, HasTimestamp: ts, TSVal: 7, TSEcr: syn.o.TSVal}
					v.nic.Inject(segment(r.from, r.to, header.TCPFields{Seq: 100, Ack: syn.Seq + 1, Flags: header.SYN | header.ACK, Window: 50000}, o, nil))
					require.Len(t, v.segments(), 1)
					small(t, v, e, func(a seq.Number) { r.send(header.ACK, 101, a, nil) })
				}
			}
		})
		t.Run("MSS of a too big", func(t *testing.T) {
			c, out := sending(t, m, 100000, true, true)
			for _, mtu := range []int{0, 1, 68, 100, 551} {
				c.nic.Inject(tooBig(m, out[0].ip, mtu))
				for _, s := range c.segments() {
					require.GreaterOrEqual(t, len(s.data)+s.o.Size(), 48)
				}
				require.GreaterOrEqual(t, c.ep.Info().SendMSS, 500, "an MTU of %d was believed", mtu)
			}
		})
		t.Run("SACK validated", func(t *testing.T) {
			c, out := sending(t, m, 100000, true, true)
			require.Len(t, out, 10)
			una, mss := out[0].Seq, len(out[0].data)
			nxt := una.Add(10 * mss)
			c.Clock.Advance(time.Millisecond) // super-segments may be waiting
			out = append(out, c.segments()...)
			for _, s := range out {
				nxt = seq.Max(nxt, s.Seq.Add(len(s.data)))
			}
			cwnd := c.ep.Info().Cwnd
			for _, b := range []header.SACKBlock{
				{Start: nxt.Add(-mss), End: nxt + 1},               // ends beyond what was sent
				{Start: nxt, End: nxt.Add(1 << 30)},                // lies there
				{Start: una.Add(2 * mss), End: una.Add(mss)},       // backwards
				{Start: una.Add(mss), End: una.Add(mss)},           // empty
				{Start: una.Add(-5 * mss), End: una},               // acknowledged
				{Start: una.Add(-1 << 30), End: una.Add(-1)},       // old
				{Start: una.Add(mss + 1), End: una.Add(2*mss - 1)}, // a part of a segment
				{Start: una.Add(mss), End: una.Add(mss + 1)},       // a crumb
			} {
				for range 10 {
					c.send(header.ACK, c.seq, una, nil, b)
				}
				i := c.ep.Info()
				require.Zero(t, i.Sacked)
				require.Zero(t, i.Lost)
				require.Equal(t, cwnd, i.Cwnd)
				for _, s := range c.segments() {
					require.True(t, nxt.LessEq(s.Seq), "sent again for nothing")
					nxt = seq.Max(nxt, s.Seq.Add(len(s.data)))
				}
			}
			require.NotZero(t, c.ep.Info().BadSACKs)
			c.send(header.ACK, c.seq, una, nil, header.SACKBlock{Start: una.Add(mss + 1), End: una.Add(4*mss - 1)})
			require.NotZero(t, c.ep.Info().Sacked)
			require.LessOrEqual(t, c.ep.Info().Sacked, 2, "only whole segments count")
		})
		t.Run("reneging", func(t *testing.T) {
			c, out := sending(t, m, 14000, true, true)
			require.Len(t, out, 10)
			una, end := out[0].Seq, out[0].Seq.Add(14000)
			c.send(header.ACK, c.seq, una, nil, header.SACKBlock{Start: una.Add(len(out[0].data)), End: end})
			require.NotZero(t, c.ep.Info().Sacked)
			// The peer throws all of it away. Whatever it says from now on, it gets the data again.
			next := una
			for range 40 {
				c.Clock.Advance(time.Second)
				for _, s := range c.segments() {
					if s.Seq.LessEq(next) && next.Less(s.Seq.Add(len(s.data))) {
						next = s.Seq.Add(len(s.data))
						c.tsVal++
						c.tsEcr = s.o.TSVal
						c.send(header.ACK, c.seq, next, nil)
					}
				}
			}
			require.Equal(t, end, next, "what was reneged on never came again")
			require.NotZero(t, c.ep.Info().Reneged)
			require.Zero(t, c.ep.Unsent())
		})
		t.Run("ACK of unsent data", func(t *testing.T) {
			c, out := sending(t, m, 14000, true, true)
			before := c.ep.Info()
			end := out[0].Seq.Add(14000)
			for _, ahead := range []int{1, 1000, 1 << 30} {
				c.Clock.Advance(time.Millisecond)
				c.send(header.ACK, c.seq, end.Add(ahead), []byte("evil"))
			}
			sent := c.segments()
			require.Empty(t, sent[0].data) // a challenge, and no other but a tail loss probe
			require.LessOrEqual(t, len(sent), 2)
			i := c.ep.Info()
			require.Equal(t, before.Cwnd, i.Cwnd)
			require.Equal(t, before.Unacked, i.Unacked)
			require.Zero(t, i.BytesReceived)
			require.EqualValues(t, 3, c.Drops(tcpip.DropBadAck))
		})
		t.Run("ACK splitting", func(t *testing.T) {
			grown := func(step int) int {
				c, out := sending(t, m, 200000, true, true)
				una, before := out[0].Seq, c.ep.Info().Cwnd
				c.Clock.Advance(10 * time.Millisecond)
				for n := step; n <= 8*1448; n += step {
					c.send(header.ACK, c.seq, una.Add(n), nil)
				}
				c.segments()
				return c.ep.Info().Cwnd - before
			}
			honest := grown(2 * 1448)
			require.Greater(t, honest, 0)
			require.LessOrEqual(t, honest, 8)
			for _, step := range []int{1448, 724, 181, 8, 1} {
				require.LessOrEqual(t, grown(step), honest+1, "with an ACK for each %d bytes", step)
			}
		})
		t.Run("duplicate ACKs", func(t *testing.T) { // with SACK they say nothing
			c, out := sending(t, m, 400000, true, false)
			for range 5000 {
				c.send(header.ACK, c.seq, out[0].Seq, nil)
			}
			require.Empty(t, c.segments())
			require.Equal(t, "open", c.ep.Info().Phase)
		})
		t.Run("optimistic ACKs", func(t *testing.T) { // ahead of what arrives, they gain no more than honest ones
			c, out := sending(t, m, 400000, true, true)
			last := out[len(out)-1]
			before := c.ep.Info().Cwnd
			acked := last.Seq.Add(len(last.data)).Sub(out[0].Seq) / len(last.data)
			for range 1000 { // the same, and beyond
				c.send(header.ACK, c.seq, last.Seq.Add(len(last.data)), nil)
				c.send(header.ACK, c.seq, last.Seq.Add(len(last.data)+1<<20), nil)
			}
			require.LessOrEqual(t, c.ep.Info().Cwnd, before+acked)
		})
	})
}
