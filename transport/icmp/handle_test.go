package icmp_test

import (
	"bytes"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
	"github.com/seed963a8790/netstack/transport/icmp"
	"github.com/seed963a8790/netstack/waiter"
)

// far is a host of a family that neither A nor B is.
func (s *stand) far() netip.Addr {
	if s.v6() {
		return netip.MustParseAddr("2001:db8:ffff::7")
	}
	return netip.MustParseAddr("203.0.113.7")
}

// intercept makes B take every destination, and A send there what is for others.
func (s *stand) intercept(o transport.HandleOptions, f func(*icmp.EchoRequest)) *icmp.EchoHandler {
	s.B.NIC.SetPromiscuous(true)
	require.NoError(s.t, s.A.AddRoute(stack.RouteEntry{Destination: netip.PrefixFrom(s.far(), 0).Masked(), Gateway: s.B.Addr(s.family)}))
	h, err := icmp.HandleEcho(s.B.Stack, o, f)
	require.NoError(s.t, err)
	return h
}

// ping sends a request to the far host.
func (s *stand) ping(e *icmp.Endpoint, sequence uint16, data string) {
	s.t.Helper()
	_, err := e.Write(s.message(sequence, data), tcpip.WriteOptions{To: tcpip.FullAddress{Addr: s.far()}})
	require.NoError(s.t, err)
	s.Clock.Settle()
}

// reply reads a reply and returns its data.
func (s *stand) read(e *icmp.Endpoint) string {
	s.t.Helper()
	b := make([]byte, 1<<16)
	r, err := e.Read(b, tcpip.ReadOptions{})
	require.NoError(s.t, err)
	require.Equal(s.t, s.far(), r.From.Addr)
	require.Equal(s.t, s.reply, b[0])
	return string(b[8:r.Count])
}

func TestHandleEcho(t *testing.T) {
	both(t, func(t *testing.T, s *stand) {
		var asked []*icmp.EchoRequest
		h := s.intercept(transport.HandleOptions{}, func(r *icmp.EchoRequest) { asked = append(asked, r) })
		e := s.open()
		long := string(bytes.Repeat([]byte("long"), 3000)) // in fragments
		for i, data := range []string{"", "ping", long} {
			s.ping(e, uint16(i), data)
			require.Zero(t, e.Readiness(waiter.Readable), "before the answer")
			require.Len(t, asked, 1)
			r := asked[0]
			asked = nil
			require.Equal(t, s.A.Addr(s.family), r.Src)
			require.Equal(t, s.far(), r.Dst)
			require.Equal(t, e.LocalAddress().Port, r.ID)
			require.EqualValues(t, i, r.Sequence)
			require.EqualValues(t, 64, r.TTL)
			require.Equal(t, testnet.Ethernet, r.NIC)
			require.Equal(t, data, string(r.Data()))
			require.Equal(t, 1, h.Stats().Open)
			r.Reply()
			r.Reply()
			r.Reject(transport.RejectHost)
			r.Drop()
			s.Clock.Settle()
			require.Nil(t, r.Data())
			require.Equal(t, data, s.read(e))
			require.Zero(t, e.Readiness(waiter.Readable|waiter.Error))
		}
		st := h.Stats()
		require.EqualValues(t, 3, st.Handled)
		require.EqualValues(t, 3, st.Accepted)
		require.Zero(t, st.Open+int(st.Rejected+st.Dropped+st.Expired))

		// The stack's own address is nobody else's affair.
		_, err := e.Write(s.message(9, "own"), s.to(s.B))
		require.NoError(t, err)
		s.Clock.Settle()
		require.Empty(t, asked)
		require.NotZero(t, e.Readiness(waiter.Readable))
		_, _ = e.Read(nil, tcpip.ReadOptions{})

		h.Close()
		h.Close()
		s.ping(e, 10, "closed")
		require.Equal(t, "closed", s.read(e), "the stack answers again")
	})
}

// A refusal reaches who asked, as the error that the ICMP message means; what is dropped or too late does not.
func TestHandleEchoRefusals(t *testing.T) {
	both(t, func(t *testing.T, s *stand) {
		answers := []func(*icmp.EchoRequest){
			func(r *icmp.EchoRequest) { r.Reject(transport.RejectHost) },
			func(r *icmp.EchoRequest) { r.Drop(); r.Reply() },
			func(r *icmp.EchoRequest) {},
			func(r *icmp.EchoRequest) { panic("handler") },
		}
		panics := 0
		h := s.intercept(transport.HandleOptions{Timeout: tcpip.Set(time.Second), Panicked: func(any, []byte) { panics++ }},
			func(r *icmp.EchoRequest) { answers[r.Sequence](r) })
		e := s.open()
		require.NoError(t, e.SetOption(map[bool]tcpip.OptionID{false: tcpip.IP_RECVERR, true: tcpip.IPV6_RECVERR}[s.v6()], 1))
		s.ping(e, 0, "")
		require.Equal(t, tcpip.ErrHostUnreachable, e.LastError())
		for i := range 3 {
			s.ping(e, uint16(i+1), "")
			require.Zero(t, e.Readiness(waiter.Readable)&waiter.Readable)
		}
		require.Equal(t, 1, h.Stats().Open)
		s.Clock.Advance(time.Second)
		st := h.Stats()
		require.Equal(t, transport.HandleStats{Handled: 4, Rejected: 1, Dropped: 2, Expired: 1, Panics: 1}, st)
		require.Equal(t, 1, panics)
		require.Equal(t, 4, s.B.Drops(tcpip.DropDeclined))
		require.Zero(t, s.B.LivePackets())
	})
}

// What waits is bounded in number, per source and in bytes.
func TestHandleEchoBounds(t *testing.T) {
	both(t, func(t *testing.T, s *stand) {
		var told []transport.Refusal
		h := s.intercept(transport.HandleOptions{Max: tcpip.Set(3), MaxPerSource: tcpip.Set(2), Refused: func(r transport.Refusal) { told = append(told, r) }},
			func(*icmp.EchoRequest) {})
		e := s.open()
		for i := range 4 {
			s.ping(e, uint16(i), "")
		}
		st := h.Stats()
		require.Equal(t, 2, st.Open)
		require.EqualValues(t, 2, st.RefusedSource)
		require.Equal(t, 2, s.B.Drops(tcpip.DropHandlerLimit))
		require.Len(t, told, 2)
		require.Equal(t, s.A.Addr(s.family), told[0].Src.Addr())
		_, err := icmp.HandleEcho(s.B.Stack, transport.HandleOptions{}, func(*icmp.EchoRequest) {})
		require.Equal(t, tcpip.ErrExists, err)
		h.Close()
		require.Zero(t, h.Stats().Open)
		require.Zero(t, s.B.LivePackets())

		h, err = icmp.HandleEcho(s.B.Stack, transport.HandleOptions{Max: tcpip.Set(1000), MaxPerSource: tcpip.Set(1000)}, func(*icmp.EchoRequest) {})
		require.NoError(t, err)
		large := string(make([]byte, 60000))
		for i := range 20 {
			s.ping(e, uint16(i), large)
		}
		require.Equal(t, uint64(20), h.Stats().Handled+h.Stats().Absorbed)
		require.NotZero(t, h.Stats().Absorbed)
		require.LessOrEqual(t, s.B.Slabs.Live(), int64(1<<20))
	})
}

// Answers from other goroutines, while the handler and the stack are closed.
func TestHandleEchoClose(t *testing.T) {
	n := testnet.New(t, testnet.Options{System: true}, icmp.New4, icmp.New6)
	n.B.NIC.SetPromiscuous(true)
	require.NoError(t, n.A.AddRoute(stack.RouteEntry{Destination: netip.MustParsePrefix("0.0.0.0/0"), Gateway: n.B.V4}))
	var wg sync.WaitGroup
	h, err := icmp.HandleEcho(n.B.Stack, transport.HandleOptions{}, func(r *icmp.EchoRequest) {
		for _, f := range []func(){r.Reply, r.Drop, func() { r.Data() }, func() { r.Reject(transport.RejectPort) }} {
			wg.Go(f)
		}
	})
	require.NoError(t, err)
	e := n.A.Endpoint(t, header.ProtocolICMPv4, header.EtherTypeIPv4)
	for i := range 200 {
		if i == 100 {
			wg.Go(h.Close)
			wg.Go(n.B.Close)
		}
		_, _ = e.Write([]byte{8, 0, 0, 0, 0, 0, 0, byte(i), 1, 2, 3}, tcpip.WriteOptions{To: tcpip.FullAddress{Addr: netip.MustParseAddr("203.0.113.7")}})
	}
	wg.Wait()
	_, err = icmp.HandleEcho(n.B.Stack, transport.HandleOptions{}, func(*icmp.EchoRequest) {})
	require.Equal(t, tcpip.ErrClosed, err)
	_, err = icmp.HandleEcho(stack.New(stack.Options{}), transport.HandleOptions{}, func(*icmp.EchoRequest) {})
	require.Equal(t, tcpip.ErrProtocolNotSupported, err)
}

// Whatever claims to be an echo request: it is answered at most once, and all memory comes back.
func FuzzHandleEcho(f *testing.F) {
	f.Add(false, byte(0), []byte{8, 0, 0xf7, 0xff, 0, 0, 0, 0})
	f.Add(true, byte(1), []byte{128, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, v6 bool, how byte, b []byte) {
		s := &stand{Net: newNet(t), t: t, family: header.EtherTypeIPv4}
		if v6 {
			s.family = header.EtherTypeIPv6
		}
		var kept *icmp.EchoRequest
		h := s.intercept(transport.HandleOptions{}, func(r *icmp.EchoRequest) {
			_ = r.Data()
			switch how % 4 {
			case 0:
				r.Reply()
			case 1:
				r.Reject(transport.Rejection(how / 4))
			case 2:
				r.Drop()
			case 3:
				kept = r
			}
		})
		src := s.A.Addr(s.family)
		if v6 {
			s.B.Inject(testnet.IPv6(header.IPv6Fields{NextHeader: header.ProtocolICMPv6, Src: src, Dst: s.far()}, b))
		} else {
			s.B.Inject(testnet.IPv4(header.IPv4Fields{Protocol: header.ProtocolICMPv4, Src: src, Dst: s.far()}, b))
		}
		s.Clock.Settle()
		if kept == nil && h.Stats().Open != 0 {
			t.Fatal("a request is held that nobody has")
		}
	})
}
