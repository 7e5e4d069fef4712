package udp_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
	"github.com/seed963a8790/netstack/transport/udp"
)

// Two endpoints with different filters each hear what they asked for, and the NIC what either did (RFC 3376 §3.2).
func TestSourceFilters(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		routeGroups(t, n)
		group := groupOf(family)
		sources := []netip.Addr{n.A.Addr(family), addr("10.0.0.77")}
		if family == header.EtherTypeIPv6 {
			sources[1] = addr("fd00::77")
		}
		require.NoError(t, n.A.NIC.AddAddress(netip.PrefixFrom(sources[1], 24)))
		from := func(i int) {
			o := to(group, 7)
			o.Control = tcpip.Control{Has: tcpip.HasPacketInfo, PacketInfo: tcpip.PacketInfo{NIC: testnet.Ethernet, Local: sources[i]}}
			send(t, open(t, n.A, family), "x", o)
		}
		member := func() *udp.Endpoint {
			e := open(t, n.B, family)
			set(t, e, tcpip.SO_REUSEADDR, 1)
			require.NoError(t, e.Bind(tcpip.FullAddress{Port: 7}))
			return e
		}
		one, other := member(), member()
		require.NoError(t, one.ChangeSource(transport.JoinSource, group, sources[0], testnet.Ethernet))
		from(1)
		wantNothing(t, one)
		require.Equal(t, 1, n.B.Drops(tcpip.DropMulticastSource), "nobody wants it")
		from(0)
		read(t, one)
		read(t, other) // which has not joined, and hears what the host receives

		require.NoError(t, other.JoinGroup(group, testnet.Ethernet))
		require.NoError(t, other.ChangeSource(transport.BlockSource, group, sources[0], testnet.Ethernet))
		from(0)
		read(t, one)
		wantNothing(t, other)
		from(1)
		wantNothing(t, one)
		read(t, other)

		require.NoError(t, one.SetGroupFilter(group, 0, tcpip.SourceFilter{Sources: sources[1:]}))
		f, err := one.GroupFilter(group, testnet.Ethernet)
		require.NoError(t, err)
		require.Equal(t, tcpip.SourceFilter{Sources: sources[1:]}, f)
		require.Equal(t, tcpip.FilterExclude, n.B.NIC.GroupFilter(group).Mode)
		from(0)
		wantNothing(t, one)
		wantNothing(t, other)
		other.Close()
		require.Equal(t, f, n.B.NIC.GroupFilter(group))
		require.NoError(t, one.ChangeSource(transport.LeaveSource, group, sources[1], 0))
		require.False(t, n.B.NIC.InGroup(group), "the last source leaves the group")
		require.Empty(t, one.Groups())
	})
}

// The stack says how many groups and sources an endpoint may have.
func TestGroupLimits(t *testing.T) {
	limits := stack.GroupLimits{Memberships: tcpip.Set(1), Sources4: tcpip.Set(0), Sources6: tcpip.Set(2)}
	n := testnet.New(t, testnet.Options{Stack: stack.Options{Groups: limits}}, udp.New)
	e := open(t, n.A, header.EtherTypeIPv6)
	require.NoError(t, e.JoinGroup(addr("239.1.1.1"), testnet.Ethernet))
	require.Equal(t, tcpip.ErrNoBuffers, e.JoinGroup(addr("239.1.1.2"), testnet.Ethernet))
	require.Equal(t, tcpip.ErrNoBuffers, e.ChangeSource(transport.BlockSource, addr("239.1.1.1"), addr("10.0.0.9"), 0))
	group := addr("ff05::1")
	for i, s := range []string{"fd00::1", "fd00::2"} {
		require.NoError(t, e.ChangeSource(transport.JoinSource, group, addr(s), testnet.Ethernet), i)
	}
	require.Equal(t, tcpip.ErrNoBuffers, e.ChangeSource(transport.JoinSource, group, addr("fd00::3"), testnet.Ethernet))
	require.Equal(t, tcpip.ErrInvalid, e.ChangeSource(transport.JoinSource, group, addr("10.0.0.1"), testnet.Ethernet), "another family")
	require.Equal(t, tcpip.ErrInvalid, e.ChangeSource(transport.BlockSource, group, addr("fd00::1"), testnet.Ethernet), "the other mode")
	require.Equal(t, tcpip.ErrInvalid, e.SetGroupFilter(group, 0, tcpip.SourceFilter{Mode: 7}))
	e.Close()
	require.Equal(t, tcpip.ErrClosed, e.SetGroupFilter(group, 0, tcpip.SourceFilter{}))
	require.Empty(t, n.A.NIC.Groups())
}
