package tcp

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip"
)

// Through a filter that loses one packet in twenty, either way, a megabyte arrives whole, and both ends
// close properly, whatever was lost of the handshake and the close.
func TestLoss(t *testing.T) {
	resent := uint64(0)
	for seed := range uint64(20) {
		h := newHosts(t, Options{}, Options{})
		r := rand.New(rand.NewPCG(seed, 7))
		h.lose = func(traced) bool { return r.IntN(20) == 0 }
		l := listenOn(t, h.b, int(seed%2), 80, 4)
		c := dial(t, h.a, int(seed%2), addrB[seed%2], 80)
		var s *Endpoint
		data := make([]byte, 1<<20)
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		sent, got, over := 0, make([]byte, 0, len(data)), false
		end := h.clock.Now().Add(10 * time.Minute)
		for !over && h.clock.Now() < end {
			if sent < len(data) {
				n, err := c.Write(data[sent:min(len(data), sent+1+r.IntN(60000))], tcpip.WriteOptions{})
				if err != nil {
					require.ErrorIs(t, err, tcpip.ErrWouldBlock)
				}
				if sent += n; sent == len(data) {
					require.NoError(t, c.Shutdown(tcpip.ShutdownWrite))
				}
			}
			if s == nil {
				if a, err := l.Accept(); err == nil {
					s = a.(*Endpoint)
				}
			} else {
				b := make([]byte, 1+r.IntN(100000))
				n, err := s.Read(b, tcpip.ReadOptions{})
				got = append(got, b[:n.Count]...)
				over = err == nil && n.Count == 0
			}
			if r.IntN(2) == 0 {
				h.clock.Advance(time.Duration(r.IntN(int(20 * time.Millisecond))))
			}
		}
		require.True(t, over, "seed %d: %d bytes", seed, len(got))
		require.Equal(t, data, got)
		c.Close()
		s.Close()
		h.clock.Advance(10 * time.Minute)
		l.Close()
		require.Empty(t, h.a.Endpoints())
		require.Empty(t, h.b.Endpoints())
		resent += h.a.Counters().Tcp.RetransSegs.Value()
		h.close()
	}
	require.NotZero(t, resent)
}
