package behaviour

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// The path-MTU cache.
func TestB9(t *testing.T) {
	forFamilies(t, func(t *testing.T, m family) {
		mtu, headers := tcpip.IP_MTU, 28
		if m.v6 {
			mtu, headers = tcpip.IPV6_MTU, 48
		}
		far, other := netip.AddrPortFrom(m.far, 53), netip.AddrPortFrom(m.host(1), 53)
		setup := func(t *testing.T) (*victim, func(testing.TB) socket) {
			v := plain(t)
			return v, v.sockets(m.v6, linux.SOCK_DGRAM)
		}
		// learn has v believe that packets to a must not be larger than n.
		learn := func(v *victim, s socket, a netip.AddrPort, n int) {
			v.t.Helper()
			require.Zero(v.t, s.sent(a, nil, 1500-headers))
			out := v.nic.Packets()
			require.Len(v.t, out, 1)
			require.Len(v.t, out[0], 1500)
			v.nic.Inject(tooBig(m, out[0], n))
		}
		t.Run("is per destination and shared by its flows", func(t *testing.T) {
			v, open := setup(t)
			first, second, third := open(t), open(t), open(t)
			first.connect(far)
			second.connect(netip.AddrPortFrom(m.far, 54))
			third.connect(other)
			learn(v, first, netip.AddrPort{}, 1400)
			require.Equal(t, []int{1400, 1400, 1500}, []int{first.get(mtu), second.get(mtu), third.get(mtu)})
			require.Equal(t, linux.EMSGSIZE, first.sent(netip.AddrPort{}, nil, 1500-headers), "it is told of")
			require.Zero(t, second.sent(netip.AddrPort{}, nil, 1500-headers))
			out := v.nic.Packets()
			require.Greater(t, len(out), 1, "another flow to the destination knows it, too")
			for _, b := range out {
				require.LessOrEqual(t, len(b), 1400)
			}
			require.Zero(t, third.sent(netip.AddrPort{}, nil, 1500-headers))
			require.Len(t, v.nic.Packets(), 1)
			// A connection goes by it from its first segment on.
			e := v.endpoint(header.ProtocolTCP, m.v6)
			_ = e.Connect(tcpip.FullAddress{Addr: m.far, Port: 80})
			syn := v.segments()
			require.Len(t, syn, 1)
			v.nic.Inject(segment(netip.AddrPortFrom(m.far, 80), netip.AddrPortFrom(m.us, syn[0].SrcPort),
				header.TCPFields{Seq: 1, Ack: syn[0].Seq + 1, Flags: header.SYN | header.ACK, Window: 60000},
				header.TCPOptions{HasMSS: true, MSS: 1460}, nil))
			_, err := e.Write(testnet.Pattern(3000), tcpip.WriteOptions{})
			require.NoError(t, err)
			whole := v.segments()
			require.NotEmpty(t, whole)
			for _, s := range whole {
				require.LessOrEqual(t, len(s.ip), 1400)
			}
		})
		t.Run("expires and is probed again", func(t *testing.T) {
			v, open := setup(t)
			s := open(t)
			s.connect(far)
			learn(v, s, netip.AddrPort{}, 1400)
			v.Clock.Advance(10*time.Minute - time.Second)
			require.Equal(t, 1400, s.get(mtu))
			require.Equal(t, linux.EMSGSIZE, s.sent(netip.AddrPort{}, nil, 1), "it is told of")
			v.Clock.Advance(2 * time.Second)
			require.Equal(t, 1500, s.get(mtu))
			learn(v, s, netip.AddrPort{}, 1300) // which sees a whole packet leave
			require.Equal(t, 1300, s.get(mtu))
		})
		t.Run("a later report does not make it larger, nor last shorter", func(t *testing.T) {
			v, open := setup(t)
			s := open(t)
			s.connect(far)
			require.Zero(t, s.sent(netip.AddrPort{}, nil, 1500-headers))
			whole := v.nic.Packets()[0]
			v.nic.Inject(tooBig(m, whole, 1300))
			v.nic.Inject(tooBig(m, whole, 1400))
			require.Equal(t, 1300, s.get(mtu))
		})
		t.Run("is bounded", func(t *testing.T) {
			v, open := setup(t)
			s := open(t)
			const n, most = 9000, 8192
			for i := range n {
				learn(v, s, netip.AddrPortFrom(m.host(i), 53), 1400)
			}
			known := 0
			for i := range n {
				r, err := v.FindRoute(stack.RouteQuery{Destination: m.host(i)})
				require.Equal(t, tcpip.OK, err)
				if now, _ := r.PathMTU(); now == 1400 {
					known++
				}
			}
			require.Equal(t, most, known)
		})
	})
}

// The same for datagrams: neither a report nor an option makes fragments for less than what IPv6 guarantees.
func TestB11Datagrams(t *testing.T) {
	m := families[1]
	v := plain(t)
	s := v.sockets(true, linux.SOCK_DGRAM)(t)
	s.connect(netip.AddrPortFrom(m.far, 53))
	require.Equal(t, linux.EINVAL, s.SetSockOpt(linux.IPPROTO_IPV6, tcpip.IPV6_MTU.Number(), word(1279)))
	require.Zero(t, s.sent(netip.AddrPort{}, nil, 1400))
	whole := v.nic.Packets()
	require.Len(t, whole, 1)
	v.nic.Inject(tooBig(m, whole[0], 1279))
	require.Equal(t, 1500, s.get(tcpip.IPV6_MTU), "nothing is learnt")
	require.Equal(t, linux.EMSGSIZE, s.sent(netip.AddrPort{}, nil, 1), "and yet, as on Linux, it is told of")
	v.nic.Inject(tooBig(m, whole[0], 1280))
	require.Equal(t, linux.EMSGSIZE, s.sent(netip.AddrPort{}, nil, 1), "it is told of")
	require.Zero(t, s.sent(netip.AddrPort{}, nil, 1232))
	require.Len(t, v.nic.Packets(), 1, "what fits is whole")
	require.Zero(t, s.sent(netip.AddrPort{}, nil, 3000))
	out := v.nic.Packets()
	require.Len(t, out, 3)
	for _, b := range out[:2] {
		require.Len(t, b, 1280)
	}
}
