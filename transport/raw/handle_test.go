package raw_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
	"github.com/seed963a8790/netstack/transport/raw"
	"github.com/seed963a8790/netstack/waiter"
)

// far is a host that neither A nor B is.
func far(family header.EtherType) netip.Addr {
	if family == header.EtherTypeIPv6 {
		return netip.MustParseAddr("2001:db8:ffff::7")
	}
	return netip.MustParseAddr("203.0.113.7")
}

// intercept makes B take every destination, and A send there what is for others.
func intercept(t *testing.T, n *testnet.Net, family header.EtherType, o transport.HandleOptions, f func(*raw.Flow)) *raw.Handler {
	n.B.NIC.SetPromiscuous(true)
	n.B.NIC.SetSpoofing(true)
	require.NoError(t, n.A.AddRoute(stack.RouteEntry{Destination: netip.PrefixFrom(far(family), 0).Masked(), Gateway: n.B.Addr(family)}))
	h, err := raw.Handle(n.B.Stack, o, f)
	require.NoError(t, err)
	return h
}

// A flow that is accepted: the first packet and those that follow are read, and what is written comes from the host that was
// meant; the endpoint closed, the next packet is a first one again.
func TestHandleAccept(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		var flows []*raw.Flow
		h := intercept(t, n, family, transport.HandleOptions{}, func(f *raw.Flow) { flows = append(flows, f) })
		a := open(t, n.A, unassigned, family)
		send := func(s string) {
			_, err := a.Write([]byte(s), to(far(family)))
			require.NoError(t, err)
			n.Clock.Settle()
		}
		send("first")
		require.Len(t, flows, 1)
		f := flows[0]
		require.Equal(t, [2]netip.Addr{n.A.Addr(family), far(family)}, [2]netip.Addr{f.Src, f.Dst})
		require.EqualValues(t, unassigned, f.Proto)
		require.Contains(t, string(f.Packet()), "first")
		send("absorbed")
		require.Len(t, flows, 1)
		require.Equal(t, 1, n.B.Drops(tcpip.DropPending))
		e, err := f.Accept()
		require.NoError(t, err)
		same, err := f.Accept()
		require.NoError(t, err)
		require.Same(t, e, same)
		f.Drop()
		f.Reject(transport.RejectProtocol)
		require.Nil(t, f.Packet())
		send("second")
		require.Equal(t, "first", string(payload(t, e, family)))
		require.Equal(t, "second", string(payload(t, e, family)))
		_, err = e.Write([]byte("answer"), tcpip.WriteOptions{})
		require.NoError(t, err)
		n.Clock.Settle()
		b := make([]byte, 100)
		r, err := a.Read(b, tcpip.ReadOptions{})
		require.NoError(t, err)
		require.Equal(t, far(family), r.From.Addr)
		e.Close()
		send("third")
		require.Len(t, flows, 2)
		st := h.Stats()
		require.EqualValues(t, []uint64{2, 1, 1, 1}, []uint64{st.Handled, st.Accepted, st.Absorbed, uint64(st.Open)})
	})
}

// What is decided about the first packet holds for those that follow, until they stop.
func TestHandleVerdicts(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		asked := 0
		decide := func(f *raw.Flow) { f.Reject(transport.RejectProtocol) }
		h := intercept(t, n, family, transport.HandleOptions{Timeout: tcpip.Set(10 * time.Second)}, func(f *raw.Flow) {
			asked++
			decide(f)
		})
		a := open(t, n.A, unassigned, family)
		sent := testnet.Capture(n.B.NIC)
		send := func() (answers int) {
			_, err := a.Write([]byte("x"), to(far(family)))
			require.NoError(t, err)
			n.Clock.Settle()
			return len(sent())
		}
		for range 3 {
			require.Equal(t, 1, send())
			n.Clock.Advance(5 * time.Second)
		}
		require.Equal(t, 1, asked)
		n.Clock.Advance(5 * time.Second)
		require.Zero(t, h.Stats().Open)
		decide = (*raw.Flow).Drop
		for range 3 {
			require.Zero(t, send())
			n.Clock.Advance(5 * time.Second)
		}
		require.Equal(t, 2, asked)
		n.Clock.Advance(5 * time.Second)
		decide = func(*raw.Flow) {} // never
		require.Zero(t, send())
		n.Clock.Advance(10 * time.Second)
		st := h.Stats()
		require.Equal(t, transport.HandleStats{Handled: 3, Rejected: 1, Dropped: 1, Expired: 3}, st)
		require.Zero(t, n.B.LivePackets())

		// A raw endpoint comes first; without a handler, the protocol is unreachable.
		b := open(t, n.B, unassigned, family)
		require.Zero(t, send())
		require.NotZero(t, b.Readiness(waiter.Readable)&waiter.Readable)
		b.Close()
		h.Close()
		require.Equal(t, 1, send())
		require.Equal(t, 3, asked)
	})
}

// The bounds, and the errors of Handle and Accept.
func TestHandleBounds(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		var flows []*raw.Flow
		h := intercept(t, n, family, transport.HandleOptions{Max: tcpip.Set(2), MaxPerSource: tcpip.Set(2)}, func(f *raw.Flow) { flows = append(flows, f) })
		for i := range 4 {
			_, err := open(t, n.A, unassigned-uint16(i), family).Write([]byte("x"), to(far(family)))
			require.NoError(t, err)
		}
		n.Clock.Settle()
		require.Len(t, flows, 2)
		require.EqualValues(t, 2, h.Stats().RefusedTotal)
		require.Equal(t, 2, n.B.Drops(tcpip.DropHandlerLimit))
		_, err := raw.Handle(n.B.Stack, transport.HandleOptions{}, func(*raw.Flow) {})
		require.Equal(t, tcpip.ErrExists, err)
		n.B.NIC.SetSpoofing(false)
		_, err = flows[0].Accept()
		require.Error(t, err)
		flows[0].Drop()
		_, err = flows[0].Accept()
		require.Equal(t, tcpip.ErrConnAborted, err)
		n.B.Close()
		_, err = flows[1].Accept()
		require.Error(t, err)
		require.Zero(t, n.B.LivePackets())
		_, err = raw.Handle(n.B.Stack, transport.HandleOptions{}, func(*raw.Flow) {})
		require.Equal(t, tcpip.ErrClosed, err)
		_, err = raw.Handle(stack.New(stack.Options{}), transport.HandleOptions{}, func(*raw.Flow) {})
		require.Equal(t, tcpip.ErrProtocolNotSupported, err)
	})
}

// Whatever arrives, in whatever order it is answered: the bounds hold, and all memory comes back.
func FuzzHandle(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 64, 129, 200, 7})
	f.Fuzz(func(t *testing.T, steps []byte) {
		n := newNet(t)
		var flows []*raw.Flow
		h := intercept(t, n, header.EtherTypeIPv4, transport.HandleOptions{Max: tcpip.Set(5), MaxPerSource: tcpip.Set(5)}, func(f *raw.Flow) { flows = append(flows, f) })
		for _, s := range steps[:min(len(steps), 100)] {
			switch which := int(s >> 3); s & 7 {
			case 0, 1, 2, 3:
				n.B.Inject(testnet.IPv4(header.IPv4Fields{Protocol: header.Protocol(150 + which%8), Src: n.A.V4, Dst: far(header.EtherTypeIPv4)}, make([]byte, which*40)))
			case 4, 5, 6:
				if len(flows) == 0 {
					break
				}
				f := flows[which%len(flows)]
				switch s & 7 {
				case 4:
					f.Drop()
				case 5:
					f.Reject(transport.Rejection(which))
				case 6:
					if e, err := f.Accept(); err == nil {
						e.Close()
					}
				}
			case 7:
				n.Clock.Advance(time.Duration(which) * time.Second)
			}
			n.Clock.Settle()
			if st := h.Stats(); st.Open > 5 || st.Handled < st.Accepted+st.Rejected+st.Dropped {
				t.Fatalf("%+v", st)
			}
		}
	})
}
