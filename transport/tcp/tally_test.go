package tcp

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Every tally of the machine has its counter, and it moves while the connection lives.
func TestTallies(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	for k, c := range protocolOf(h.a).tallies {
		require.NotNil(t, c, "tally %d", k)
	}
	c, s, _ := h.connected(0)
	x := &h.a.Counters().TcpExt
	h.lose = func(traced) bool { return true }
	write(t, c, "lost")
	h.clock.Advance(time.Second)
	require.NotZero(t, x.TCPTimeouts.Value())
	require.EqualValues(t, 4, c.Info().Unacked)
	h.lose = nil
	h.clock.Advance(time.Second)
	require.EqualValues(t, "lost", readAll(t, s, 10))
	write(t, c, "unread")
	h.clock.Advance(time.Second)
	s.Close()
	require.EqualValues(t, 1, h.b.Counters().TcpExt.TCPAbortOnClose.Value())
}

// What finds no way is counted in its own family.
func TestNoRoute(t *testing.T) {
	bothFamilies(t, func(t *testing.T, v6 int) {
		h := newHosts(t, Options{}, Options{})
		c, _, _ := h.connected(v6)
		for _, n := range h.a.NICs() {
			n.SetUp(false)
		}
		write(t, c, "nowhere")
		h.clock.Advance(time.Second)
		n := h.a.Counters()
		counted := [2]bool{n.Ip.OutNoRoutes.Value() > 0, n.Ip6.OutNoRoutes.Value() > 0}
		require.Equal(t, [2]bool{v6 == 0, v6 == 1}, counted)
		for _, n := range h.a.NICs() {
			n.SetUp(true)
		}
	})
}
