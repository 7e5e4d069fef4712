package behaviour

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// headers returns the bytes of IP and TCP in front of a full segment without options.
func (m family) headers() int {
	if m.v6 {
		return 60
	}
	return 40
}

// TCP and the path MTU.
func TestB10(t *testing.T) {
	forFamilies(t, func(t *testing.T, m family) {
		t.Run("a PTB lowers the MSS and resends at once", func(t *testing.T) {
			c, first := sending(t, m, 20000, true, false)
			require.NotEmpty(t, first)
			require.Len(t, first[0].data, 1500-m.headers())
			c.nic.Inject(tooBig(m, first[0].ip, 1300))
			again := c.segments()
			require.NotEmpty(t, again, "nothing was sent again at once")
			require.Equal(t, first[0].Seq, again[0].Seq)
			for _, s := range again {
				require.LessOrEqual(t, len(s.ip), 1300)
			}
		})
		t.Run("a black hole is found by probing", func(t *testing.T) {
			const takes = 1290 // bytes of the largest packet that the path lets through, and it sends no errors
			c, out := sending(t, m, 100_000, true, false)
			start := c.Clock.Now()
			got := c.ack
			for c.Clock.Now().Sub(start) < 20*time.Second && got.Sub(c.ack) < 50_000 {
				progress := false
				for _, s := range out {
					if len(s.ip) > takes || len(s.data) == 0 || got.Less(s.Seq) {
						continue
					}
					if end := s.Seq.Add(len(s.data)); got.Less(end) {
						got, progress = end, true
					}
				}
				if progress {
					c.send(header.ACK, c.seq, got, nil)
					out = c.segments()
					continue
				}
				c.Clock.Step()
				out = c.segments()
			}
			require.GreaterOrEqual(t, got.Sub(c.ack), 50_000, "the connection is stuck")
			require.LessOrEqual(t, c.ep.Info().Timeouts, uint32(6)) // as on Linux the fifth finds it
			require.LessOrEqual(t, c.ep.Info().SendMSS+m.headers(), takes)
		})
	})
	t.Run("off", func(t *testing.T) { // as on Linux, where tcp_mtu_probing is 0
		v := &victim{Wired: testnet.Wire(t, seeded(1), tcp.NewWith(tcp.Options{MTUProbing: tcpip.Set(tcp.ProbingOff)})), t: t}
		v.nic = v.Port(channel.Options{}, stack.NICOptions{}, "10.0.0.1/24", "fd00::1/64")
		c := v.connected(families[0], 1460, true, false)
		c.write(1460)
		for range 8 {
			out := c.segments()
			require.NotEmpty(t, out)
			require.Len(t, out[0].ip, 1500)
			c.Clock.Advance(2 * time.Minute)
		}
	})
}

// IPv6 guarantees 1280 bytes, and nothing smaller is sent for the path's sake.
func TestB11(t *testing.T) {
	m := families[1]
	c, first := sending(t, m, 20000, true, false)
	c.dropped(1, tcpip.DropICMPBadMTU, func() { c.nic.Inject(tooBig(m, first[0].ip, 1279)) })
	require.Empty(t, c.segments())
	for range 12 { // timeout upon timeout
		c.Clock.Advance(10 * time.Second)
		if out := c.segments(); len(out) > 0 {
			require.GreaterOrEqual(t, len(out[0].ip), 1280)
		}
	}
	require.Equal(t, 1280-m.headers(), c.ep.Info().SendMSS)
}
