package behaviour

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// B9: the path MTU is a destination's, shared by the flows to it, bounded in number, and forgotten after ten minutes,
// so that the path is tried afresh.
func TestB9(t *testing.T) {
	forFamilies(t, func(t *testing.T, m family) {
		v := plain(t)
		open := func(to netip.Addr) stack.Endpoint {
			e := v.endpoint(header.ProtocolUDP, m.v6)
			require.NoError(t, e.Connect(tcpip.FullAddress{Addr: to, Port: 9}))
			return e
		}
		mtu := func(e stack.Endpoint) int {
			id := tcpip.IP_MTU
			if m.v6 {
				id = tcpip.IPV6_MTU
			}
			n, err := e.Option(id)
			require.NoError(t, err)
			return n
		}
		tooBig := func(e stack.Endpoint, size int) {
			v.nic.Packets()
			_, err := e.Write(make([]byte, 1400), tcpip.WriteOptions{})
			require.NoError(t, err)
			sent := v.nic.Packets()
			require.NotEmpty(t, sent)
			v.nic.Inject(testnet.TooBig(sent[0], m.peer, size))
		}
		first, second, other := open(m.far), open(m.far), open(m.peer)
		require.Equal(t, []int{1500, 1500, 1500}, []int{mtu(first), mtu(second), mtu(other)})
		tooBig(first, 1300)
		require.Equal(t, []int{1300, 1300, 1500}, []int{mtu(first), mtu(second), mtu(other)}, "a destination's, not a socket's or a link's")
		require.Equal(t, 1300, mtu(open(m.far)), "and of sockets to come")
		v.Clock.Advance(9 * time.Minute)
		require.Equal(t, 1300, mtu(first))
		v.Clock.Advance(time.Minute + time.Second)
		require.Equal(t, 1500, mtu(first))
		v.nic.Packets()
		require.Equal(t, tcpip.ErrMessageSize, first.LastError(), "of the one that was too big")
		_, err := first.Write(make([]byte, 1400), tcpip.WriteOptions{})
		require.NoError(t, err)
		require.Len(t, v.nic.Packets(), 1, "whole again: the path is probed by use")

		// However many destinations are told of, few are remembered, and those rightly.
		remembered := 0
		for i := range 20000 {
			to := netip.AddrFrom4([4]byte{192, 1, byte(i >> 8), byte(i)})
			if m.v6 {
				to = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 14: byte(i >> 8), 15: byte(i)})
			}
			v.LearnPathMTU(to, 1400)
		}
		for i := range 20000 {
			to := netip.AddrFrom4([4]byte{192, 1, byte(i >> 8), byte(i)})
			if m.v6 {
				to = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 14: byte(i >> 8), 15: byte(i)})
			}
			r, err := v.FindRoute(stack.RouteQuery{Destination: to})
			require.Equal(t, tcpip.OK, err)
			if mtu, _ := r.PathMTU(); mtu != 1500 {
				require.Equal(t, 1400, mtu)
				remembered++
			}
		}
		require.Equal(t, 8192, remembered)
	})
}

// B12: what the table lacks is ENOPROTOOPT, a value out of range EINVAL, and a daemon that falls back on those starts.
func TestB12(t *testing.T) {
	v := newVictim(t, stack.Options{}, channel.Options{}, stack.NICOptions{})
	sockets := linux.New(v.Stack)
	for _, family := range []int{linux.AF_INET, linux.AF_INET6} {
		level, number := linux.IPPROTO_IP, tcpip.IP_MTU_DISCOVER.Number()
		if family == linux.AF_INET6 {
			level, number = linux.IPPROTO_IPV6, tcpip.IPV6_MTU_DISCOVER.Number()
		}
		for _, typ := range []int{linux.SOCK_DGRAM, linux.SOCK_STREAM} {
			s, errno := sockets.Socket(family, typ, 0)
			require.Zero(t, errno)
			set := func(level, number int, v uint32) linux.Errno {
				return s.SetSockOpt(level, number, binary.NativeEndian.AppendUint32(nil, v))
			}
			require.Equal(t, linux.ENOPROTOOPT, set(level, 9999, 1))
			require.Equal(t, linux.EINVAL, set(level, number, 6))
			require.Equal(t, linux.EINVAL, set(level, number, ^uint32(0)))
			require.Equal(t, linux.EINVAL, s.SetSockOpt(linux.SOL_SOCKET, tcpip.SO_RCVBUF.Number(), []byte{1}), "too short")
			// Unbound: OMIT, and only if that is EINVAL, DONT; anything else ends it.
			errno = set(level, number, uint32(tcpip.PMTUOmit))
			if errno == linux.EINVAL {
				errno = set(level, number, uint32(tcpip.PMTUDont))
			}
			require.Zero(t, errno)
			s.Close()
		}
	}
	require.True(t, errors.Is(tcpip.ErrNoProtocolOption, syscall.ENOPROTOOPT))
}
