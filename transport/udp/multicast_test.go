package udp_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/udp"
)

func groupOf(family header.EtherType) netip.Addr {
	if family == header.EtherTypeIPv6 {
		return addr("ff05::1:2:3")
	}
	return addr("239.1.2.3")
}

// routeGroups gives the hosts the route that Linux wants for IPv4 multicast that names no NIC.
func routeGroups(t *testing.T, n *testnet.Net) {
	for _, h := range []*testnet.Host{n.A, n.B} {
		require.NoError(t, h.AddRoute(stack.RouteEntry{Destination: netip.MustParsePrefix("224.0.0.0/4"), NIC: testnet.Ethernet}))
	}
}

// A group reaches all members, once each, and this stack's own if IP_MULTICAST_LOOP is on.
func TestMulticast(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		routeGroups(t, n)
		group := groupOf(family)
		loop, hops := tcpip.IP_MULTICAST_LOOP, tcpip.IP_RECVTTL
		if family == header.EtherTypeIPv6 {
			loop, hops = tcpip.IPV6_MULTICAST_LOOP, tcpip.IPV6_RECVHOPLIMIT
		}
		member := func(h *testnet.Host) *udp.Endpoint {
			e := open(t, h, family)
			set(t, e, tcpip.SO_REUSEADDR, 1)
			set(t, e, hops, 1)
			require.NoError(t, e.Bind(tcpip.FullAddress{Port: 7}))
			require.NoError(t, e.JoinGroup(group, testnet.Ethernet))
			return e
		}
		b1, b2, a1 := member(n.B), member(n.B), member(n.A)
		require.Equal(t, []tcpip.FullAddress{{NIC: testnet.Ethernet, Addr: group}}, b1.Groups())
		sender := open(t, n.A, family)
		send(t, sender, "all", to(group, 7))
		for _, e := range []*udp.Endpoint{b1, b2, a1} {
			b, r := read(t, e)
			require.Equal(t, "all", b)
			require.Equal(t, n.A.Addr(family), r.From.Addr)
			require.EqualValues(t, 1, r.Control.HopLimit, "multicast stays on the link by default")
			wantNothing(t, e)
		}
		set(t, sender, loop, 0)
		send(t, sender, "others", to(group, 7))
		read(t, b1)
		read(t, b2)
		wantNothing(t, a1)

		require.NoError(t, b1.LeaveGroup(group, testnet.Ethernet))
		require.Equal(t, tcpip.ErrAddrNotAvailable, b1.LeaveGroup(group, 0))
		require.True(t, n.B.NIC.InGroup(group), "b2 is still in")
		b2.Close()
		require.False(t, n.B.NIC.InGroup(group), "closing leaves")
		send(t, sender, "nobody", to(group, 7))
		wantNothing(t, b1)
	})
}

// ip(7): with IP_MULTICAST_ALL, the default, an endpoint hears every group that the stack is in; without,
// only its own.
func TestMulticastAll(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		routeGroups(t, n)
		all, other := tcpip.IP_MULTICAST_ALL, addr("239.7.7.7")
		if family == header.EtherTypeIPv6 {
			all, other = tcpip.IPV6_MULTICAST_ALL, addr("ff05::7")
		}
		group := groupOf(family)
		bystander, member := open(t, n.B, family), open(t, n.B, family)
		for _, e := range []*udp.Endpoint{bystander, member} {
			set(t, e, tcpip.SO_REUSEADDR, 1)
			require.NoError(t, e.Bind(tcpip.FullAddress{Port: 7}))
		}
		require.NoError(t, member.JoinGroup(group, testnet.Ethernet))
		sender := open(t, n.A, family)
		send(t, sender, "1", to(group, 7))
		read(t, member)
		read(t, bystander)
		set(t, bystander, all, 0)
		set(t, member, all, 0)
		send(t, sender, "2", to(group, 7))
		read(t, member)
		wantNothing(t, bystander)
		if family == header.EtherTypeIPv4 { // IPv6 does not look at the NIC, as on Linux
			require.NoError(t, bystander.JoinGroup(group, testnet.Loopback))
		}
		require.NoError(t, bystander.JoinGroup(other, testnet.Ethernet))
		send(t, sender, "2, again", to(group, 7))
		read(t, member)
		wantNothing(t, bystander)
		require.NoError(t, bystander.LeaveGroup(other, 0))
		member.Close()
		require.NoError(t, n.B.NIC.JoinGroup(group))
		send(t, sender, "3", to(group, 7))
		wantNothing(t, bystander)
		require.Equal(t, 1, n.B.Drops(tcpip.DropMulticastSource))
	})
}

// The rules of joining, as on Linux.
func TestJoin(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	e := open(t, n.A, header.EtherTypeIPv4)
	group := addr("224.5.6.7")
	require.Equal(t, tcpip.ErrNoDevice, e.JoinGroup(group, 0), "no route says which NIC")
	_, err := e.Write(nil, to(group, 7))
	require.Equal(t, tcpip.ErrNetUnreachable, err)
	routeGroups(t, n)
	require.Equal(t, tcpip.ErrInvalid, e.JoinGroup(n.A.V4, 0))
	require.Equal(t, tcpip.ErrNoDevice, e.JoinGroup(group, 77))
	require.Equal(t, tcpip.ErrAddressFamily, e.JoinGroup(addr("ff02::9"), testnet.Ethernet))
	require.NoError(t, e.JoinGroup(group, testnet.Ethernet))
	require.Equal(t, tcpip.ErrAddrInUse, e.JoinGroup(group, testnet.Ethernet))
	require.NoError(t, e.JoinGroup(group, testnet.Loopback), "another NIC")
	require.NoError(t, e.LeaveGroup(group, 0))
	require.NoError(t, e.LeaveGroup(group, 0))
	for i := range 20 {
		require.NoError(t, e.JoinGroup(addr(fmt.Sprintf("224.5.7.%d", i)), 0))
	}
	require.Equal(t, tcpip.ErrNoBuffers, e.JoinGroup(group, 0))

	six := open(t, n.A, header.EtherTypeIPv6)
	require.NoError(t, six.JoinGroup(group, 0), "IPv4 groups are open to endpoints for IPv6")
	for i := range 256 {
		require.NoError(t, six.JoinGroup(addr(fmt.Sprintf("ff05::%x", i+1)), testnet.Ethernet))
	}
	require.Equal(t, tcpip.ErrNoBuffers, six.JoinGroup(addr("ff05::ffff"), testnet.Ethernet))
	n.A.NIC.Remove()
	require.NoError(t, six.LeaveGroup(group, 0), "the NIC is gone, the membership was not")
}

// IP_MULTICAST_IF chooses the NIC, and the hop limit 0 keeps multicast in the host.
func TestMulticastNIC(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		routeGroups(t, n)
		group := groupOf(family)
		nic, ttl := tcpip.IP_MULTICAST_IF, tcpip.IP_MULTICAST_TTL
		if family == header.EtherTypeIPv6 {
			nic, ttl = tcpip.IPV6_MULTICAST_IF, tcpip.IPV6_MULTICAST_HOPS
		}
		here, there := bound(t, n.A, family, 7), bound(t, n.B, family, 7)
		require.NoError(t, here.JoinGroup(group, testnet.Ethernet))
		require.NoError(t, there.JoinGroup(group, testnet.Ethernet))
		sender := open(t, n.A, family)
		set(t, sender, nic, int(testnet.Loopback))
		if family == header.EtherTypeIPv6 { // which has no route to groups over lo
			_, err := sender.Write([]byte("x"), to(group, 7))
			require.Equal(t, tcpip.ErrNetUnreachable, err)
		} else {
			send(t, sender, "x", to(group, 7))
		}
		wantNothing(t, there)
		set(t, sender, nic, int(testnet.Ethernet))
		send(t, sender, "x", to(group, 7))
		read(t, there)
		read(t, here)
		set(t, sender, ttl, 0)
		send(t, sender, "x", to(group, 7))
		wantNothing(t, there)
		read(t, here)
	})
}

// Broadcast reaches every endpoint of the port on every host of the subnet, the sender's too.
func TestBroadcast(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	var all []*udp.Endpoint
	for _, h := range []*testnet.Host{n.A, n.B, n.B} {
		e := open(t, h, header.EtherTypeIPv4)
		set(t, e, tcpip.SO_REUSEADDR, 1)
		require.NoError(t, e.Bind(tcpip.FullAddress{Port: 7}))
		all = append(all, e)
	}
	toSubnet := open(t, n.B, header.EtherTypeIPv4)
	set(t, toSubnet, tcpip.SO_REUSEADDR, 1)
	require.NoError(t, toSubnet.Bind(at(addr("10.0.0.255"), 7)))
	toHost := open(t, n.B, header.EtherTypeIPv4)
	set(t, toHost, tcpip.SO_REUSEADDR, 1)
	require.NoError(t, toHost.Bind(at(n.B.V4, 7)))

	sender := open(t, n.A, header.EtherTypeIPv4)
	set(t, sender, tcpip.SO_BROADCAST, 1)
	for _, dst := range []string{"10.0.0.255", "255.255.255.255"} {
		o := to(addr(dst), 7)
		o.Control = tcpip.Control{Has: tcpip.HasPacketInfo, PacketInfo: tcpip.PacketInfo{NIC: testnet.Ethernet}}
		send(t, sender, dst, o)
		for _, e := range all {
			b, r := read(t, e)
			require.Equal(t, dst, b)
			require.Equal(t, n.A.V4, r.From.Addr)
		}
		wantNothing(t, toHost)
	}
	b, _ := read(t, toSubnet)
	require.Equal(t, "10.0.0.255", b)
	wantNothing(t, toSubnet)
	require.Zero(t, n.B.Drops(tcpip.DropNoPort))
	send(t, sender, "x", to(addr("10.0.0.255"), 8))
	require.Equal(t, 1, n.B.Drops(tcpip.DropNoPort))
	require.NoError(t, sender.LastError(), "and no ICMP")
}

// An endpoint bound to a group hears that group alone, and sends from an address of the host.
func TestBoundToGroup(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		routeGroups(t, n)
		group := groupOf(family)
		e := open(t, n.B, family)
		require.NoError(t, e.Bind(at(group, 7)))
		require.NoError(t, e.JoinGroup(group, testnet.Ethernet))
		sender := open(t, n.A, family)
		send(t, sender, "unicast", to(n.B.Addr(family), 7))
		send(t, sender, "group", to(group, 7))
		b, r := read(t, e)
		require.Equal(t, "group", b)
		send(t, e, "answer", tcpip.WriteOptions{To: r.From})
		_, r = read(t, sender)
		require.Equal(t, n.B.Addr(family), r.From.Addr)
	})
}
