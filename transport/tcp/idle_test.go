package tcp

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip"
)

// What 4,000 idle connections cost, both ends here and demux, register and all included: less than 3 KB an
// end, and not one goroutine.
func TestIdleMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector has its own memory")
	}
	clock := tcpip.NewManualClock()
	s := loopHost(t, clock, Options{})
	defer s.Close()
	l := listenOn(t, s, 0, 80, 4)
	goroutines := runtime.NumGoroutine()
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	const n = 4000
	for range n {
		c := dial(t, s, 0, loopbackOf(addrA[0]), 80)
		e := accept(t, l)
		write(t, c, "hello")
		require.Equal(t, "hello", string(readAll(t, e, 10)))
	}
	clock.Advance(5 * time.Second)
	per := (heap() - before) / (2 * n)
	t.Logf("%d bytes per endpoint", per)
	require.Less(t, per, int64(3000))
	require.LessOrEqual(t, runtime.NumGoroutine(), goroutines) // one of an earlier test may have ended
	require.Len(t, s.Endpoints(), 2*n+1)
}
