package tcp

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip"
)

// streamByte is the byte at a place of every stream of TestFirstBytes, different from its neighbours near and far.
func streamByte(at int) byte { return byte(at ^ at>>8 ^ at>>16) }

// Connections through small accept queues, half open or by cookies, with losses, sides that abort in the middle, and peers
// that have not heard of it: whoever is given a connection reads its stream from the first byte on.
func TestFirstBytes(t *testing.T) {
	accepted, aborted, overflows, cookies := 0, 0, uint64(0), uint64(0)
	for seed := range uint64(120) {
		r := rand.New(rand.NewPCG(seed, 11))
		h := newHosts(t, Options{}, Options{Cookies: tcpip.Set(CookieMode(1 + seed%2))})
		rate := 4 + r.IntN(20)
		h.lose = func(traced) bool { return r.IntN(rate) == 0 }
		l := listenOn(t, h.b, 0, 80, r.IntN(2))
		type end struct {
			e         *Endpoint
			sent, got int
		}
		var ends []*end
		for range 3 {
			ends = append(ends, &end{e: dial(t, h.a, 0, addrB[0], 80)})
		}
		chunk := []int{100, 1448, 14480}[r.IntN(3)] // equal on both sides
		b := make([]byte, 1<<17)
		for range 200 {
			if r.IntN(4) == 0 {
				if e, err := l.Accept(); err == nil {
					ends, accepted = append(ends, &end{e: e.(*Endpoint)}), accepted+1
				}
			}
			x := ends[r.IntN(len(ends))]
			switch r.IntN(16) {
			case 0:
				aborted++
				x.e.Abort()
				x.e = endpointOf(t, h.a, 0)
				require.ErrorIs(t, x.e.Connect(tcpip.FullAddress{Addr: addrB[0], Port: 80}), tcpip.ErrInProgress)
				x.sent, x.got = 0, 0
			case 1, 2, 3, 4, 5:
				for i := range chunk {
					b[i] = streamByte(x.sent + i)
				}
				n, _ := x.e.Write(b[:chunk], tcpip.WriteOptions{})
				x.sent += n
			case 6, 7, 8, 9, 10:
				n, _ := x.e.Read(b, tcpip.ReadOptions{})
				for i, c := range b[:n.Count] {
					if c != streamByte(x.got+i) {
						t.Fatalf("seed %d: byte %d of a stream is %#x of %d", seed, x.got+i, c, n.Count)
					}
				}
				x.got += n.Count
			default:
				h.clock.Advance(time.Duration(r.IntN(int(300 * time.Millisecond))))
			}
		}
		overflows += h.b.Counters().TcpExt.ListenOverflows.Value()
		cookies += h.b.Counters().TcpExt.SyncookiesRecv.Value()
		for _, x := range ends {
			x.e.Abort()
		}
		l.Close()
		h.close()
	}
	for what, n := range map[string]uint64{"accepted": uint64(accepted), "aborted": uint64(aborted), "overflows": overflows, "cookies": cookies} {
		require.NotZero(t, n, what)
		t.Logf("%s: %d", what, n)
	}
}
