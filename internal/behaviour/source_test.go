package behaviour

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// dockerHost is the host of the story: the container asks the address of eth0, and its packets come by docker0.
type dockerHost struct {
	*victim
	v6                      bool
	eth, docker             *testnet.Port
	ethAddr, dockerAddr     netip.Addr
	container               netip.AddrPort
	receive, freeBind, open tcpip.OptionID
}

func newDockerHost(t testing.TB, v6 bool) *dockerHost {
	h := &dockerHost{
		victim: plain(t), v6: v6,
		ethAddr: addr("172.16.13.13"), dockerAddr: addr("172.17.0.1"), container: at("172.17.0.3:4000"),
		receive: tcpip.IP_PKTINFO, freeBind: tcpip.IP_FREEBIND, open: tcpip.IP_TRANSPARENT,
	}
	if v6 {
		h.ethAddr, h.dockerAddr, h.container = addr("fd16::13"), addr("fd17::1"), at("[fd17::3]:4000")
		h.receive, h.freeBind, h.open = tcpip.IPV6_RECVPKTINFO, tcpip.IPV6_FREEBIND, tcpip.IPV6_TRANSPARENT
	}
	h.eth = h.Port(channel.Options{}, stack.NICOptions{Name: "eth0"}, "172.16.13.13/24", "fd16::13/64", "fe80::13/64")
	h.docker = h.Port(channel.Options{}, stack.NICOptions{Name: "docker0"}, "172.17.0.1/16", "fd17::1/64", "fe80::17/64")
	return h
}

// both runs f for a host of each family.
func both(t *testing.T, f func(t *testing.T, h *dockerHost)) {
	for _, m := range families {
		t.Run(m.name, func(t *testing.T) { f(t, newDockerHost(t, m.v6)) })
	}
}

// server is a socket on port 53 of every address that asks for packet information.
func (h *dockerHost) server(t testing.TB) socket {
	s := h.sockets(h.v6, linux.SOCK_DGRAM)(t)
	s.set(h.receive, 1)
	if h.v6 {
		s.bind(at("[::]:53"))
	} else {
		s.bind(at("0.0.0.0:53"))
	}
	return s
}

// The wildcard socket of the story.
func TestC1(t *testing.T) {
	both(t, func(t *testing.T, h *dockerHost) {
		s := h.server(t)
		h.docker.Inject(datagram(h.container, netip.AddrPortFrom(h.ethAddr, 53), 4))
		from, i := s.arrival()
		require.Equal(t, h.container, from)
		require.Equal(t, h.ethAddr, i.dest)

		require.Zero(t, s.sent(from, nil, 4))
		require.Equal(t, []netip.Addr{h.dockerAddr}, sources(h.docker.Packets()), "the story: the route says so, as on Linux")

		i.nic = 0
		if !h.v6 {
			i.local = i.dest // what dnsmasq does
		}
		require.Zero(t, s.sent(from, i.message(), 4))
		require.Equal(t, []netip.Addr{h.ethAddr}, sources(h.docker.Packets()))
	})
}

// What packet information says, and does.
func TestC3(t *testing.T) {
	both(t, func(t *testing.T, h *dockerHost) {
		s := h.server(t)
		arrives := func(dst netip.Addr, link stack.LinkPart) info {
			b := datagram(h.container, netip.AddrPortFrom(dst, 53), 4)
			h.docker.InjectFrame(stack.EtherTypeOf(b), link, b)
			_, i := s.arrival()
			return i
		}
		unicast := arrives(h.ethAddr, stack.LinkPart{})
		require.Equal(t, info{h.docker.ID(), unicast.local, h.ethAddr}, unicast)
		require.Equal(t, h.ethAddr, unicast.local, "which is ours, on another NIC")

		group, level, join := addr("239.1.2.3"), linux.IPPROTO_IP, 35 // IP_ADD_MEMBERSHIP
		member := append(group.AsSlice(), 0, 0, 0, 0)
		if h.v6 {
			group, level, join = addr("ff15::3"), linux.IPPROTO_IPV6, 20 // IPV6_JOIN_GROUP
			member = group.AsSlice()
		}
		require.Zero(t, s.SetSockOpt(level, join, append(member, word(int(h.docker.ID()))...)))
		h.docker.Packets()
		i := arrives(group, stack.LinkPart{Type: stack.PacketMulticast})
		require.Equal(t, group, i.dest)
		require.Equal(t, h.docker.ID(), i.nic)
		if !h.v6 {
			require.Equal(t, h.dockerAddr, i.local)
			i = arrives(addr("172.17.255.255"), stack.LinkPart{Type: stack.PacketBroadcast})
			require.Equal(t, info{h.docker.ID(), h.dockerAddr, addr("172.17.255.255")}, i)
		}

		// The source, and the NIC.
		reply := func(i info) linux.Errno { return s.sent(h.container, i.message(), 4) }
		none := netip.IPv4Unspecified()
		if h.v6 {
			none = netip.IPv6Unspecified()
		}
		require.Zero(t, reply(info{local: h.ethAddr}))
		require.Equal(t, []netip.Addr{h.ethAddr}, sources(h.docker.Packets()))
		require.Zero(t, reply(info{local: h.dockerAddr}))
		require.Equal(t, []netip.Addr{h.dockerAddr}, sources(h.docker.Packets()))
		require.Equal(t, linux.ENODEV, reply(info{nic: 99, local: none}))
		e := reply(info{nic: h.eth.ID(), local: none})
		require.Empty(t, h.docker.Packets(), "another NIC was asked for")
		if h.v6 {
			require.Equal(t, linux.ENETUNREACH, e, "no route there")
		} else {
			require.Zero(t, e)
			require.Equal(t, []netip.Addr{h.ethAddr}, sources(h.eth.Packets()), "as if all were on that link, as on Linux")
		}
	})
}

// A source that is not ours.
func TestC4(t *testing.T) {
	both(t, func(t *testing.T, h *dockerHost) {
		foreign, gives := addr("172.16.13.99"), linux.ENETUNREACH
		if h.v6 {
			foreign, gives = addr("fd16::99"), linux.EINVAL
		}
		t.Run("refused", func(t *testing.T) {
			s := h.server(t)
			require.Equal(t, gives, s.sent(h.container, info{local: foreign}.message(), 4))
			require.Empty(t, h.docker.Packets())
			require.Equal(t, linux.EADDRNOTAVAIL, h.sockets(h.v6, linux.SOCK_DGRAM)(t).Bind(name(netip.AddrPortFrom(foreign, 0))))
		})
		for _, id := range []tcpip.OptionID{h.freeBind, h.open} {
			t.Run(tcpip.FindOption(tcpip.SocketOptions, id, tcpip.KindUDP).Name, func(t *testing.T) {
				s := h.sockets(h.v6, linux.SOCK_DGRAM)(t)
				s.set(id, 1)
				s.bind(netip.AddrPortFrom(foreign, 0))
				if e := s.sent(h.container, nil, 4); e == 0 {
					require.Equal(t, []netip.Addr{foreign}, sources(h.docker.Packets()))
				} else { // IP_FREEBIND binds, and sends when the address comes
					require.Equal(t, tcpip.IP_FREEBIND, id)
					require.Equal(t, linux.ENETUNREACH, e)
					require.Empty(t, h.docker.Packets())
				}
			})
		}
		t.Run("taken away", func(t *testing.T) {
			s := h.server(t)
			bound := h.sockets(h.v6, linux.SOCK_DGRAM)(t)
			bound.bind(netip.AddrPortFrom(h.ethAddr, 54))
			connected := h.sockets(h.v6, linux.SOCK_DGRAM)(t)
			connected.bind(netip.AddrPortFrom(h.ethAddr, 55))
			connected.connect(h.container)
			for _, e := range []linux.Errno{s.sent(h.container, info{local: h.ethAddr}.message(), 4), bound.sent(h.container, nil, 4), connected.sent(netip.AddrPort{}, nil, 4)} {
				require.Zero(t, e)
			}
			require.Len(t, h.docker.Packets(), 3)
			require.NoError(t, h.eth.RemoveAddress(h.ethAddr))
			require.Equal(t, gives, s.sent(h.container, info{local: h.ethAddr}.message(), 4))
			require.NotZero(t, bound.sent(h.container, nil, 4))
			require.NotZero(t, connected.sent(netip.AddrPort{}, nil, 4))
			require.Empty(t, h.docker.Packets(), "nor from another source")
		})
	})
}

// Which source is chosen.
func TestC8(t *testing.T) {
	v := plain(t)
	one := v.Port(channel.Options{}, stack.NICOptions{}, "192.0.2.1/24", "192.0.2.2/24", "2001:db8:1::1/64", "2001:db8:1::2/64", "fd01::1/64", "fe80::1/64")
	two := v.Port(channel.Options{}, stack.NICOptions{}, "198.51.100.1/24", "2001:db8:2::1/64", "fe80::2/64")
	for _, e := range []stack.RouteEntry{
		{Destination: prefix("203.0.113.0/24"), Gateway: addr("192.0.2.254"), Source: addr("192.0.2.2")},
		{Destination: prefix("203.0.113.128/25"), Gateway: addr("192.0.2.254"), Source: addr("198.51.100.1")},
		{Destination: prefix("233.252.0.0/24"), Gateway: addr("192.0.2.254")},
		{Destination: prefix("2001:db8:9::/48"), Gateway: addr("fe80::fe"), NIC: one.ID(), Source: addr("2001:db8:1::2")},
		{Destination: prefix("2001:db8:a::/48"), Gateway: addr("fe80::fe"), NIC: one.ID()},
		{Destination: prefix("2001:db8:1:8000::/49"), Gateway: addr("fe80::fe"), NIC: two.ID()},
	} {
		require.NoError(t, v.AddRoute(e))
	}
	require.NoError(t, one.AddAddressWith(prefix("2001:db8:a::1/64"), stack.AddressOptions{Deprecated: true}))
	for _, c := range []struct {
		why, to, from string
		nic           *testnet.Port
	}{
		{"the route's", "203.0.113.1", "192.0.2.2", one},
		{"the route's, though another NIC's", "203.0.113.129", "198.51.100.1", one},
		{"the NIC's first", "233.252.0.1", "192.0.2.1", one},
		{"on the link", "198.51.100.9", "198.51.100.1", two},
		{"the route's", "2001:db8:9::1", "2001:db8:1::2", one},
		{"rule 3: not the deprecated one, though its prefix is longer", "2001:db8:a::9", "2001:db8:1::1", one},
		{"rule 5: the outgoing NIC's, though another's prefix is longer", "2001:db8:1:8000::1", "2001:db8:2::1", two},
		{"rule 6: the same label", "fd01::9", "fd01::1", one},
	} {
		t.Run(c.to+", "+c.why, func(t *testing.T) {
			s := v.sockets(addr(c.to).Is6(), linux.SOCK_DGRAM)(t)
			peer := netip.AddrPortFrom(addr(c.to), 53)
			require.Zero(t, s.sent(peer, nil, 4))
			require.Equal(t, []netip.Addr{addr(c.from)}, sources(c.nic.Packets()))
			s.connect(peer)
			local, e := s.GetSockName()
			require.Zero(t, e)
			require.Equal(t, addr(c.from), named(local).Addr(), "and connect says so")
		})
	}
	for p, from := range map[*testnet.Port]string{one: "fe80::1", two: "fe80::2"} { // rule 2: the scope
		to := name(at("[fe80::9]:53"))
		copy(to[24:], word(int(p.ID())))
		_, e := v.sockets(true, linux.SOCK_DGRAM)(t).SendMsg(nil, to, nil, 0)
		require.Zero(t, e)
		require.Equal(t, []netip.Addr{addr(from)}, sources(p.Packets()))
	}
}

// The local address of an accepted connection, through a wildcard socket of Linux, on two NICs.
func TestC10Sockets(t *testing.T) {
	both(t, func(t *testing.T, h *dockerHost) {
		open := h.sockets(h.v6, linux.SOCK_STREAM)
		l := open(t)
		if h.v6 {
			l.bind(at("[::]:80"))
		} else {
			l.bind(at("0.0.0.0:80"))
		}
		require.Zero(t, l.Listen(5))
		for _, to := range []netip.AddrPort{netip.AddrPortFrom(h.ethAddr, 80), netip.AddrPortFrom(h.dockerAddr, 80)} {
			take := func() (all []sent) {
				for _, b := range h.docker.Packets() {
					s, ok := parse(b)
					require.True(t, ok)
					require.Equal(t, to.Addr(), sources([][]byte{b})[0])
					all = append(all, s)
				}
				return all
			}
			h.docker.Inject(segment(h.container, to, header.TCPFields{Seq: 1000, Flags: header.SYN, Window: 60000}, header.TCPOptions{}, nil))
			answer := take()
			require.Len(t, answer, 1)
			h.docker.Inject(segment(h.container, to, header.TCPFields{Seq: 1001, Ack: answer[0].Seq + 1, Flags: header.ACK, Window: 60000}, header.TCPOptions{}, nil))
			s, peer, e := l.Accept4(0)
			require.Zero(t, e)
			t.Cleanup(s.Close)
			require.Equal(t, h.container, named(peer))
			local, e := s.GetSockName()
			require.Zero(t, e)
			require.Equal(t, to, named(local))
			require.Zero(t, socket{s, t}.sent(netip.AddrPort{}, nil, 10))
			require.Len(t, take(), 1)
		}
	})
}
