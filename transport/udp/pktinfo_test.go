package udp_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/udp"
)

// docker is the stage of BEHAVIOUR C: a host with eth0 172.16.13.13 and docker0 172.17.0.1, and a container
// 172.17.0.3 behind docker0.
type docker struct {
	host, container *testnet.Host
	server          *udp.Endpoint // on 0.0.0.0:53 of the host
}

const eth0 tcpip.NICID = 3

var (
	eth0Addr      = addr("172.16.13.13")
	docker0Addr   = addr("172.17.0.1")
	containerAddr = addr("172.17.0.3")
)

func newDocker(t *testing.T) docker {
	n := testnet.New(t, testnet.Options{}, udp.New)
	d := docker{host: n.A, container: n.B}
	give := func(nic *stack.NIC, a netip.Addr, bits int) {
		require.NoError(t, nic.AddAddress(netip.PrefixFrom(a, bits)))
	}
	give(d.host.NIC, docker0Addr, 16)
	give(d.container.NIC, containerAddr, 16)
	end, _ := pipe.New(pipe.Options{})
	nic, err := d.host.AddNIC(end, stack.NICOptions{ID: eth0, Name: "eth0-outside"})
	require.NoError(t, err)
	give(nic, eth0Addr, 24)
	require.NoError(t, d.container.AddRoute(stack.RouteEntry{
		Destination: netip.MustParsePrefix("0.0.0.0/0"), Gateway: docker0Addr, NIC: testnet.Ethernet, Source: containerAddr,
	}))
	d.server = bound(t, d.host, header.EtherTypeIPv4, 53)
	set(t, d.server, tcpip.IP_PKTINFO, 1)
	return d
}

// C1: a plain answer leaves from the route's address and is lost on the connected client; the packet info
// received, sent back, answers from the address that was asked.
func TestC1(t *testing.T) {
	d := newDocker(t)
	client := open(t, d.container, header.EtherTypeIPv4)
	require.NoError(t, client.Connect(at(eth0Addr, 53)))
	require.Equal(t, containerAddr, client.LocalAddress().Addr)
	send(t, client, "who?", tcpip.WriteOptions{})
	_, r := read(t, d.server)
	require.Equal(t, containerAddr, r.From.Addr)
	require.Equal(t, tcpip.PacketInfo{NIC: testnet.Ethernet, Local: eth0Addr, Destination: eth0Addr}, r.Control.PacketInfo)

	send(t, d.server, "plain", tcpip.WriteOptions{To: r.From})
	wantNothing(t, client)
	require.Equal(t, 1, d.container.Drops(tcpip.DropNoPort))

	send(t, d.server, "with info", tcpip.WriteOptions{To: r.From, Control: r.Control})
	b, from := read(t, client)
	require.Equal(t, "with info", b)
	require.Equal(t, eth0Addr, from.From.Addr)
}

// C2: a connected endpoint takes only its peer's 4-tuple; the sender of another datagram gets ICMP port
// unreachable.
func TestC2(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		e := bound(t, n.A, family, 7)
		require.NoError(t, e.Connect(at(n.B.Addr(family), 9)))
		peer, other := bound(t, n.B, family, 9), bound(t, n.B, family, 10)
		require.NoError(t, other.Connect(at(n.A.Addr(family), 7)))
		send(t, peer, "mine", to(n.A.Addr(family), 7))
		send(t, other, "not mine", tcpip.WriteOptions{})
		b, _ := read(t, e)
		require.Equal(t, "mine", b)
		wantNothing(t, e)
		require.Equal(t, tcpip.ErrConnRefused, other.LastError())
	})
}

// C3: packet info of both families; of multicast and broadcast it has the group and a unicast address.
func TestC3(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	routeGroups(t, n)
	group4, group6 := addr("224.1.2.3"), addr("ff05::7")
	client := open(t, n.A, header.EtherTypeIPv6)
	set(t, client, tcpip.SO_BROADCAST, 1)
	info := func(local, destination netip.Addr) tcpip.PacketInfo {
		return tcpip.PacketInfo{NIC: testnet.Ethernet, Local: local, Destination: destination}
	}
	check := func(e *udp.Endpoint, dst netip.Addr, want tcpip.PacketInfo) {
		t.Helper()
		send(t, client, "x", to(dst, 7))
		_, r := read(t, e)
		require.Equal(t, tcpip.HasPacketInfo, r.Control.Has)
		require.Equal(t, want, r.Control.PacketInfo)
	}
	v4 := bound(t, n.B, header.EtherTypeIPv4, 7)
	require.NoError(t, v4.JoinGroup(group4, testnet.Ethernet))
	set(t, v4, tcpip.IP_PKTINFO, 1)
	check(v4, n.B.V4, info(n.B.V4, n.B.V4))
	check(v4, group4, info(n.B.V4, group4))
	check(v4, addr("10.0.0.255"), info(n.B.V4, addr("10.0.0.255")))
	v4.Close()

	v6 := bound(t, n.B, header.EtherTypeIPv6, 7)
	require.NoError(t, v6.JoinGroup(group6, testnet.Ethernet))
	require.NoError(t, v6.JoinGroup(group4, testnet.Ethernet))
	set(t, v6, tcpip.IPV6_RECVPKTINFO, 1)
	check(v6, n.B.V6, info(n.B.V6, n.B.V6))
	check(v6, group6, info(n.B.V6, group6))
	check(v6, n.B.V4, info(n.B.V4, n.B.V4)) // on Linux as IPV6_PKTINFO with mapped addresses
	check(v6, group4, info(n.B.V4, group4))
	set(t, v6, tcpip.IPV6_RECVPKTINFO, 0)
	set(t, v6, tcpip.IP_PKTINFO, 1)
	check(v6, n.B.V4, info(n.B.V4, n.B.V4))
	send(t, client, "x", to(n.B.V6, 7))
	_, r := read(t, v6)
	require.Zero(t, r.Control.Has, "nobody asked for IPv6's")

	// Sending: Local chooses the source, NIC the way.
	second4, second6 := addr("10.0.0.77"), addr("fd00::77")
	require.NoError(t, n.A.NIC.AddAddress(netip.PrefixFrom(second4, 24)))
	require.NoError(t, n.A.NIC.AddAddress(netip.PrefixFrom(second6, 64)))
	for _, source := range []netip.Addr{second4, n.A.V4, second6, n.A.V6} {
		dst := n.B.V4
		if source.Is6() {
			dst = n.B.V6
		}
		o := to(dst, 7)
		o.Control = tcpip.Control{Has: tcpip.HasPacketInfo, PacketInfo: tcpip.PacketInfo{Local: source}}
		send(t, client, "x", o)
		_, r := read(t, v6)
		require.Equal(t, source, r.From.Addr)
	}
	o := to(n.B.V4, 7)
	o.Control = tcpip.Control{Has: tcpip.HasPacketInfo, PacketInfo: tcpip.PacketInfo{NIC: 77}}
	_, err := client.Write(nil, o)
	require.Equal(t, tcpip.ErrNoDevice, err)
	o = to(group4, 7)
	o.Control = tcpip.Control{Has: tcpip.HasPacketInfo, PacketInfo: tcpip.PacketInfo{NIC: testnet.Loopback}}
	send(t, client, "x", o)
	wantNothing(t, v6)
}

// C4: a source that is not ours is refused as on Linux; IP_TRANSPARENT, and IP_FREEBIND for IPv6, allow
// it. An address removed in between is an error, never silently another source.
func TestC4(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	from := func(dst, source netip.Addr) tcpip.WriteOptions {
		o := to(dst, 7)
		o.Control = tcpip.Control{Has: tcpip.HasPacketInfo, PacketInfo: tcpip.PacketInfo{Local: source}}
		return o
	}
	foreign4, foreign6 := addr("10.9.9.9"), addr("fd99::9")
	for _, c := range []struct {
		dst, source netip.Addr
		option      tcpip.OptionID
		want        error
	}{
		{n.B.V4, foreign4, 0, tcpip.ErrNetUnreachable},
		{n.B.V4, foreign4, tcpip.IP_FREEBIND, tcpip.ErrNetUnreachable},
		{n.B.V4, foreign4, tcpip.IP_TRANSPARENT, nil},
		{n.B.V6, foreign6, 0, tcpip.ErrInvalid},
		{n.B.V6, foreign6, tcpip.IP_FREEBIND, nil},
		{n.B.V6, foreign6, tcpip.IP_TRANSPARENT, nil},
		{n.B.V4, addr("224.1.1.1"), 0, tcpip.ErrInvalid},
		{n.B.V4, addr("255.255.255.255"), 0, tcpip.ErrInvalid},
		{n.B.V6, addr("ff02::1"), 0, tcpip.ErrInvalid},
		{n.B.V6, n.A.V4, 0, tcpip.ErrInvalid},
	} {
		e := open(t, n.A, header.EtherTypeIPv6)
		if c.option != 0 {
			set(t, e, c.option, 1)
		}
		sent := testnet.Capture(n.A.NIC)
		_, err := e.Write([]byte("x"), from(c.dst, c.source))
		require.Equal(t, c.want, err, "%v from %v with %v", c.dst, c.source, c.option)
		if c.want == nil && c.source.Is4() {
			require.Equal(t, c.source, header.IPv4(sent()[0]).Src())
		}
	}

	for _, p := range []netip.Prefix{netip.MustParsePrefix("10.0.0.5/24"), netip.MustParsePrefix("fd00::5/64")} {
		dst, family := n.B.V4, header.EtherTypeIPv4
		if p.Addr().Is6() {
			dst, family = n.B.V6, header.EtherTypeIPv6
		}
		require.NoError(t, n.A.NIC.AddAddress(p))
		bound, connected := open(t, n.A, family), open(t, n.A, family)
		require.NoError(t, bound.Bind(at(p.Addr(), 0)))
		require.NoError(t, connected.Bind(at(p.Addr(), 0)))
		require.NoError(t, connected.Connect(at(dst, 7)))
		send(t, connected, "x", tcpip.WriteOptions{}) // the route is kept
		_ = connected.LastError()
		require.NoError(t, n.A.NIC.RemoveAddress(p.Addr()))
		_, err := bound.Write([]byte("x"), to(dst, 7))
		require.Equal(t, tcpip.ErrNetUnreachable, err)
		_, err = connected.Write([]byte("x"), tcpip.WriteOptions{})
		require.Equal(t, tcpip.ErrNetUnreachable, err)
		_, err = open(t, n.A, family).Write([]byte("x"), from(dst, p.Addr()))
		require.Error(t, err)
	}
}

// C8: the source is the route's preferred one, else the NIC's choice.
func TestC8(t *testing.T) {
	d := newDocker(t)
	preferred := addr("172.17.0.200")
	require.NoError(t, d.host.NIC.AddAddress(netip.PrefixFrom(preferred, 16)))
	require.NoError(t, d.host.AddRoute(stack.RouteEntry{
		Destination: netip.MustParsePrefix("172.17.0.3/32"), NIC: testnet.Ethernet, Source: preferred,
	}))
	require.NoError(t, d.host.AddRoute(stack.RouteEntry{
		Destination: netip.MustParsePrefix("203.0.113.0/24"), NIC: testnet.Ethernet, Source: eth0Addr,
	}))
	for dst, want := range map[string]netip.Addr{
		"172.17.0.3":    preferred,
		"172.17.0.4":    docker0Addr,
		"10.0.0.2":      addr("10.0.0.1"),
		"203.0.113.9":   eth0Addr,
		"172.16.13.100": eth0Addr,
		"127.0.0.9":     addr("127.0.0.1"),
	} {
		e := open(t, d.host, header.EtherTypeIPv4)
		require.NoError(t, e.Connect(at(addr(dst), 9)))
		require.Equal(t, want, e.LocalAddress().Addr, dst)
	}
}

// What else arrives with a datagram, and what a write can override.
func TestControl(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		server, client := bound(t, n.B, family, 7), open(t, n.A, family)
		hops, class, sendHops, sendClass := tcpip.IP_RECVTTL, tcpip.IP_RECVTOS, tcpip.IP_TTL, tcpip.IP_TOS
		if family == header.EtherTypeIPv6 {
			hops, class = tcpip.IPV6_RECVHOPLIMIT, tcpip.IPV6_RECVTCLASS
			sendHops, sendClass = tcpip.IPV6_UNICAST_HOPS, tcpip.IPV6_TCLASS
		}
		for _, id := range []tcpip.OptionID{hops, class, tcpip.SO_TIMESTAMP} {
			set(t, server, id, 1)
		}
		all := tcpip.HasHopLimit | tcpip.HasClass | tcpip.HasTimestamp
		send(t, client, "x", to(n.B.Addr(family), 7))
		_, r := read(t, server)
		require.Equal(t, tcpip.Control{Has: all, HopLimit: 64, Timestamp: n.Clock.Now()}, r.Control)

		set(t, client, sendHops, 7)
		set(t, client, sendClass, 0x28)
		send(t, client, "x", to(n.B.Addr(family), 7))
		_, r = read(t, server)
		require.Equal(t, tcpip.Control{Has: all, HopLimit: 7, Class: 0x28, Timestamp: n.Clock.Now()}, r.Control)

		o := to(n.B.Addr(family), 7)
		o.Control = tcpip.Control{Has: tcpip.HasHopLimit | tcpip.HasClass, HopLimit: 255, Class: 0xb8}
		send(t, client, "x", o)
		_, r = read(t, server)
		require.Equal(t, tcpip.Control{Has: all, HopLimit: 255, Class: 0xb8, Timestamp: n.Clock.Now()}, r.Control)
		if family == header.EtherTypeIPv4 {
			o.Control.HopLimit = 0
			_, err := client.Write(nil, o)
			require.Equal(t, tcpip.ErrInvalid, err)
		}
	})
}
