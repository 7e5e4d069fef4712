package linux

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// multicastOthers are those of multicast, of both families.
var multicastOthers = map[tcpip.OptionID]other{
	tcpip.IP_MULTICAST_IF: {tcpip.KindIP, (*Socket).setMulticastIF, func(s *Socket, _ int) ([]byte, Errno) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return bytes.Clone(s.mcast4[:]), 0
	}, false},
	// Of multicast a stream only tells the defaults.
	tcpip.IP_MULTICAST_TTL:    {tcpip.KindTCP, func(*Socket, []byte) Errno { return EINVAL }, constant(1), true},
	tcpip.IPV6_MULTICAST_HOPS: {tcpip.KindTCP, func(*Socket, []byte) Errno { return ENOPROTOOPT }, constant(1), false},
	tcpip.IPV6_MULTICAST_IF:   {tcpip.KindTCP, func(*Socket, []byte) Errno { return ENOPROTOOPT }, constant(0), false},
	IP_ADD_MEMBERSHIP:         {tcpip.KindIP, membership4(false), nil, false},
	IP_DROP_MEMBERSHIP:        {tcpip.KindIP, membership4(true), nil, false},
	IPV6_JOIN_GROUP:           {tcpip.KindIP, membership6(false), nil, false},
	IPV6_LEAVE_GROUP:          {tcpip.KindIP, membership6(true), nil, false},
}

// setMulticastIF takes a struct in_addr, ip_mreq or ip_mreqn.
func (s *Socket) setMulticastIF(v []byte) Errno {
	if s.stream() || len(v) < 4 {
		return EINVAL
	}
	var addr netip.Addr
	nic := tcpip.NICID(0)
	switch {
	case len(v) >= 12:
		addr, nic = netip.AddrFrom4([4]byte(v[4:])), tcpip.NICID(binary.NativeEndian.Uint32(v[8:]))
	case len(v) >= 8:
		addr = netip.AddrFrom4([4]byte(v[4:]))
	default:
		addr = netip.AddrFrom4([4]byte(v))
	}
	if nic == 0 && !addr.IsUnspecified() {
		n := s.nicOf(addr)
		if n == nil {
			return EADDRNOTAVAIL
		}
		nic = n.ID()
	}
	if err := errnoOf(s.ep.SetOption(tcpip.IP_MULTICAST_IF, int(nic))); err != 0 {
		return err
	}
	s.mu.Lock()
	s.mcast4 = addr.As4()
	s.mu.Unlock()
	return 0
}

// grouper is an endpoint that can join groups.
type grouper interface {
	JoinGroup(group netip.Addr, nic tcpip.NICID) error
	LeaveGroup(group netip.Addr, nic tcpip.NICID) error
}

// membership4 takes a struct ip_mreq or ip_mreqn.
func membership4(leave bool) func(*Socket, []byte) Errno {
	return func(s *Socket, v []byte) Errno {
		g, ok := s.ep.(grouper)
		switch {
		case !ok:
			return EPROTO
		case len(v) < 8:
			return EINVAL
		}
		nic := tcpip.NICID(0)
		if len(v) >= 12 {
			nic = tcpip.NICID(binary.NativeEndian.Uint32(v[8:]))
		}
		if a := netip.AddrFrom4([4]byte(v[4:])); nic == 0 && !a.IsUnspecified() {
			n := s.nicOf(a)
			if n == nil {
				return ENODEV
			}
			nic = n.ID()
		}
		group := netip.AddrFrom4([4]byte(v))
		if _, err := s.sockets.stack.FindRoute(stack.RouteQuery{Destination: group}); nic == 0 && leave && err != tcpip.OK {
			return ENODEV
		}
		if leave {
			return errnoOf(g.LeaveGroup(group, nic))
		}
		return errnoOf(g.JoinGroup(group, nic))
	}
}

// membership6 takes a struct ipv6_mreq.
func membership6(leave bool) func(*Socket, []byte) Errno {
	return func(s *Socket, v []byte) Errno {
		if len(v) < 20 {
			return EINVAL
		}
		g, ok := s.ep.(grouper)
		if !ok {
			return EPROTO
		}
		group, nic := netip.AddrFrom16([16]byte(v)), tcpip.NICID(int32(binary.NativeEndian.Uint32(v[16:])))
		switch {
		case !group.IsMulticast() || group.Is4In6():
			return EINVAL
		case leave:
			return errnoOf(g.LeaveGroup(group, nic))
		}
		return errnoOf(g.JoinGroup(group, nic))
	}
}
