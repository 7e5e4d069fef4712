package behaviour

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// interceptor is a victim whose NIC takes every destination, and what its handler has been asked.
type interceptor struct {
	*victim
	handler *tcp.Handler
	asked   []*tcp.Request
}

func intercepting(t testing.TB, o transport.HandleOptions) *interceptor {
	i := &interceptor{victim: newVictim(t, stack.Options{}, channel.Options{}, stack.NICOptions{Promiscuous: true, Spoofing: true})}
	var err error
	i.handler, err = tcp.Handle(i.Stack, o, func(r *tcp.Request) { i.asked = append(i.asked, r) })
	require.NoError(t, err)
	return i
}

// next returns the request that has come since the last call.
func (i *interceptor) next() *tcp.Request {
	i.t.Helper()
	i.Clock.Settle()
	require.Len(i.t, i.asked, 1)
	r := i.asked[0]
	i.asked = nil
	return r
}

// opening sends a SYN to a host behind the victim, and returns its sender and the request.
func (i *interceptor) opening(m family, ts bool) (*remote, *tcp.Request) {
	i.t.Helper()
	r := &remote{
		victim: i.victim, from: netip.AddrPortFrom(m.peer, 4000), to: netip.AddrPortFrom(m.far, 80), seq: 1000,
		mss: 1460, sack: true, ts: ts, tsVal: 5000, window: 60000,
	}
	r.syn()
	return r, i.next()
}

// answered accepts the request and takes the SYN-ACK.
func (i *interceptor) answered(r *remote, q *tcp.Request) sent {
	i.t.Helper()
	require.Empty(i.t, i.segments(), "before the answer")
	require.NoError(i.t, q.Answer(tcp.AcceptOptions{}))
	all := i.segments()
	require.Len(i.t, all, 1)
	require.Equal(i.t, header.SYN|header.ACK, all[0].Flags)
	require.Equal(i.t, r.from.Addr(), all[0].dst)
	r.seq++
	r.ack, r.tsEcr = all[0].Seq+1, all[0].o.TSVal
	return all[0]
}

// taken returns the connection.
func (i *interceptor) taken(q *tcp.Request) *tcp.Endpoint {
	i.t.Helper()
	e, err := q.Endpoint()
	require.NoError(i.t, err)
	i.t.Cleanup(e.Abort)
	return e
}

// A1, A2: the final ACK of a connection with timestamps lacks them, alone, with data or with a FIN, late or twice, through
// the handler.
func TestA2Intercepted(t *testing.T) {
	data := []byte("hello")
	forFamilies(t, func(t *testing.T, m family) {
		for _, c := range []struct {
			name string
			send func(r *remote)
			read string
			end  bool
		}{
			{"bare", func(r *remote) { r.send(header.ACK, r.seq, r.ack, nil) }, "", false},
			{"with data", func(r *remote) { r.send(header.ACK|header.PSH, r.seq, r.ack, data) }, "hello", false},
			{"with FIN", func(r *remote) { r.send(header.ACK|header.FIN, r.seq, r.ack, nil) }, "", true},
			{"with data and FIN", func(r *remote) { r.send(header.ACK|header.FIN, r.seq, r.ack, data) }, "hello", true},
			{"data before the bare ACK", func(r *remote) {
				r.send(header.ACK, r.seq, r.ack, data)
				r.send(header.ACK, r.seq, r.ack, nil)
			}, "hello", false},
			{"reordered", func(r *remote) {
				r.send(header.ACK, r.seq+2, r.ack, data[2:])
				r.send(header.ACK, r.seq, r.ack, data[:2])
				r.send(header.ACK, r.seq, r.ack, nil)
			}, "hello", false},
		} {
			for _, early := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%v", c.name, early), func(t *testing.T) {
					i := intercepting(t, transport.HandleOptions{})
					r, q := i.opening(m, true)
					require.Equal(t, r.from, q.Src)
					require.Equal(t, r.to, q.Dst)
					require.True(t, q.Options.HasTimestamp)
					if early {
						require.NoError(t, q.Answer(tcp.AcceptOptions{AtOnce: true}))
						i.taken(q)
						s := i.segments()[0]
						r.seq++
						r.ack, r.tsEcr = s.Seq+1, s.o.TSVal
					} else {
						i.answered(r, q)
						_, err := q.Endpoint()
						require.Equal(t, tcpip.ErrWouldBlock, err)
					}
					r.ts = false // for every segment from now on
					c.send(r)
					e := i.taken(q)
					var b [16]byte
					if c.read != "" {
						n, err := e.Read(b[:], tcpip.ReadOptions{})
						require.NoError(t, err)
						require.Equal(t, c.read, string(b[:n.Count]))
					}
					_, err := e.Read(b[:], tcpip.ReadOptions{})
					if c.end {
						require.NoError(t, err) // the end
					} else {
						require.Equal(t, tcpip.ErrWouldBlock, err)
					}
					require.Equal(t, r.to.Addr(), e.LocalAddress().Addr)
					i.segments()
					// A3: ours still carry the option, with the last value that was seen.
					_, err = e.Write([]byte("x"), tcpip.WriteOptions{})
					require.NoError(t, err)
					s := i.segments()
					require.Len(t, s, 1)
					require.True(t, s[0].o.HasTimestamp)
					require.EqualValues(t, 5000, s[0].o.TSEcr)
					for range 30 {
						i.Clock.Advance(time.Second)
						for _, s := range i.segments() {
							require.Zero(t, s.Flags&header.SYN, "the SYN-ACK came again")
						}
					}
					require.NotZero(t, i.Counters().TcpExt.TCPNoTimestamp.Value()) // A9
				})
			}
		}
	})
}

// A4, A6: without the option data, FIN, keep-alive probes and RST are processed; with a stale one a segment is not.
func TestA4Intercepted(t *testing.T) {
	forFamilies(t, func(t *testing.T, m family) {
		i := intercepting(t, transport.HandleOptions{})
		r, q := i.opening(m, true)
		i.answered(r, q)
		r.ts = false
		r.send(header.ACK, r.seq, r.ack, nil)
		e := i.taken(q)
		r.send(header.ACK|header.PSH, r.seq, r.ack, []byte("abc"))
		r.seq += 3
		var b [16]byte
		n, err := e.Read(b[:], tcpip.ReadOptions{})
		require.NoError(t, err)
		require.Equal(t, "abc", string(b[:n.Count]))
		i.segments()
		for _, old := range [][]byte{nil, []byte("c")} {
			i.Clock.Advance(time.Second)
			i.segments()
			r.send(header.ACK, r.seq-1, r.ack, old)
			s := i.segments()
			require.Len(t, s, 1, "an answer to a keep-alive probe")
			require.Equal(t, r.seq, s[0].Ack)
		}
		i.Clock.Advance(time.Second)
		i.segments()
		r.ts, r.tsVal = true, 4000
		i.dropped(1, tcpip.DropPAWS, func() { r.send(header.ACK, r.seq, r.ack, []byte("old")) })
		require.Len(t, i.segments(), 1)
		r.ts = false
		r.send(header.ACK|header.FIN, r.seq, r.ack, nil)
		_, err = e.Read(b[:], tcpip.ReadOptions{})
		require.NoError(t, err)
		r.seq++
		r.send(header.RST, r.seq, r.ack, nil)
		require.ErrorIs(t, e.LastError(), tcpip.ErrPipe) // as of a RST behind a FIN
	})
}

// A5, A7: a TSecr that we never sent is no sample of the round trip, and as on Linux it does not end a handshake.
func TestA7Intercepted(t *testing.T) {
	forFamilies(t, func(t *testing.T, m family) {
		i := intercepting(t, transport.HandleOptions{})
		r, q := i.opening(m, true)
		echo := i.answered(r, q).o.TSVal
		i.Clock.Advance(50 * time.Millisecond)
		r.tsEcr = 1 // long ago
		r.send(header.ACK, r.seq, r.ack, nil)
		_, err := q.Endpoint()
		require.ErrorIs(t, err, tcpip.ErrWouldBlock)
		r.tsEcr = echo
		r.send(header.ACK, r.seq, r.ack, nil)
		e := i.taken(q)
		require.InDelta(t, 50*time.Millisecond, e.Info().RTT, float64(time.Millisecond))
	})
}

// A8: whatever becomes of the final ACK, nothing of a flow stays behind, and the next one succeeds.
func TestA8Intercepted(t *testing.T) {
	const n = 10000
	forFamilies(t, func(t *testing.T, m family) {
		for _, c := range []struct {
			name string
			do   func(i *interceptor, r *remote, q *tcp.Request)
		}{
			{"never", func(i *interceptor, r *remote, q *tcp.Request) { _ = q.Answer(tcp.AcceptOptions{}) }},
			{"invalid", func(i *interceptor, r *remote, q *tcp.Request) {
				_ = q.Answer(tcp.AcceptOptions{})
				s := i.segments()
				r.send(header.ACK, r.seq+1, s[0].Seq+99, nil)
			}},
			{"no answer", func(i *interceptor, r *remote, q *tcp.Request) {}},
			{"dropped", func(i *interceptor, r *remote, q *tcp.Request) { q.Drop() }},
		} {
			t.Run(c.name, func(t *testing.T) {
				i := intercepting(t, transport.HandleOptions{Max: tcpip.Set(n), MaxPerSource: tcpip.Set(n)})
				before := held()
				for k := range n {
					r := &remote{victim: i.victim, from: netip.AddrPortFrom(m.host(k), 4000), to: netip.AddrPortFrom(m.far, 80), seq: 1000, mss: 1460, ts: true, tsVal: 1, window: 999}
					r.syn()
					c.do(i, r, i.next())
					i.nic.Packets()
				}
				s := i.handler.Stats()
				require.EqualValues(t, n, s.Handled)
				if c.name != "dropped" {
					require.Equal(t, n, s.Open)
					require.Less(t, held()-before, n*1500, "bytes while they are half open")
				}
				for range 130 {
					i.Clock.Advance(time.Second)
					i.nic.Packets()
				}
				require.Zero(t, i.handler.Stats().Open)
				require.Zero(t, i.Clock.Next(), "a timer is left")
				require.Less(t, held()-before, 1<<20, "bytes afterwards")
				r, q := i.opening(m, true)
				i.answered(r, q)
				r.send(header.ACK, r.seq, r.ack, nil)
				i.taken(q)
			})
		}
	})
}

// held returns the bytes in use.
func held() int {
	var s runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&s)
	return int(s.HeapAlloc)
}

// A10: timestamps that were not negotiated are ignored. A11: a SYN with ECE and CWR is a good one. A12: a final ACK with a
// wrong number gets a RST and keeps the slot for the right one.
func TestA12Intercepted(t *testing.T) {
	forFamilies(t, func(t *testing.T, m family) {
		i := intercepting(t, transport.HandleOptions{})
		r := &remote{victim: i.victim, from: netip.AddrPortFrom(m.peer, 4000), to: netip.AddrPortFrom(m.far, 80), seq: 1000, window: 999}
		i.inject(segment(r.from, r.to, header.TCPFields{Seq: r.seq, Flags: header.SYN | header.ECE | header.CWR, Window: 999}, header.TCPOptions{}, nil))
		q := i.next()
		s := func() sent {
			require.NoError(t, q.Answer(tcp.AcceptOptions{}))
			all := i.segments()
			require.Len(t, all, 1)
			require.Equal(t, header.SYN|header.ACK|header.ECE, all[0].Flags)
			require.False(t, all[0].o.HasTimestamp)
			return all[0]
		}()
		r.seq++
		for _, wrong := range []seq.Number{s.Seq, s.Seq + 2, s.Seq - 77} {
			r.send(header.ACK, r.seq, wrong, nil)
			out := i.segments()
			require.Len(t, out, 1)
			require.Equal(t, header.RST, out[0].Flags)
			require.Equal(t, wrong, out[0].Seq)
		}
		r.ts, r.tsVal = true, 99
		r.send(header.ACK, r.seq, s.Seq+1, []byte("in"))
		e := i.taken(q)
		var b [4]byte
		n, err := e.Read(b[:], tcpip.ReadOptions{})
		require.NoError(t, err)
		require.Equal(t, 2, n.Count)
		for _, s := range i.segments() {
			require.False(t, s.o.HasTimestamp)
		}
	})
}

func (i *interceptor) inject(b []byte) { i.nic.Inject(b) }
