package tcp

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip"
)

// SO_MAX_PACING_RATE in virtual time: what arrives in every window of time is at most the rate and a burst of two
// segments, and the rate is reached.
func TestMaxPacingRate(t *testing.T) {
	bothFamilies(t, func(t *testing.T, v6 int) {
		h := newHosts(t, Options{}, Options{})
		c, s, _ := h.connected(v6)
		const rate = 1_000_000 // bytes per second
		require.NoError(t, c.SetOption(SO_MAX_PACING_RATE, rate))
		require.NoError(t, c.SetOption(tcpip.SO_SNDBUF, 1<<20))
		n, err := c.Write(make([]byte, 300_000), tcpip.WriteOptions{})
		require.NoError(t, err)
		start, got := h.clock.Now(), 0
		for got < n {
			h.clock.Advance(10 * time.Millisecond)
			got += len(readAll(t, s, 1<<20))
			limit := int(float64(rate)*h.clock.Now().Sub(start).Seconds()) + 3000 + 10*1448
			require.LessOrEqual(t, got, limit)
			require.GreaterOrEqual(t, got, min(n, limit*9/10-20000))
		}
		require.EqualValues(t, rate, c.Info().MaxPacingRate)
		require.NoError(t, c.SetOption(SO_MAX_PACING_RATE, -1))
		_, err = c.Write(make([]byte, 20_000), tcpip.WriteOptions{})
		require.NoError(t, err)
		h.clock.Settle()
		require.Equal(t, 20_000, len(readAll(t, s, 1<<20)), "without a limit nothing waits")
	})
}
