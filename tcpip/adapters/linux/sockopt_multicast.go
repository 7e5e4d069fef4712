package linux

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip"
)

// multicastOthers are those of multicast, of both families.
var multicastOthers = map[tcpip.OptionID]other{
	tcpip.IP_MULTICAST_IF: {on: tcpip.KindIP, set: (*Socket).setMulticastIF, get: func(s *Socket, _ int) ([]byte, Errno) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return bytes.Clone(s.mcast4[:]), 0
	}, name: "IP_MULTICAST_IF", form: "struct in_addr, ip_mreq or ip_mreqn", byDefault: "0.0.0.0",
		doc: "Interface for sent IPv4 multicast, by its address or its index; none means the route's. Streams refuse it."},
	// Of multicast a stream tells the defaults or, as on Linux, of the packet that it began with.
	tcpip.IP_MULTICAST_TTL: {on: tcpip.KindTCP, set: func(*Socket, []byte) Errno { return EINVAL }, get: streamTTL, small: true,
		name: "IP_MULTICAST_TTL", form: "int (hops)", byDefault: "1", doc: "A stream that was accepted shows the TTL of its handshake. Read only there."},
	tcpip.IPV6_MULTICAST_HOPS: {on: tcpip.KindTCP, set: func(*Socket, []byte) Errno { return ENOPROTOOPT }, get: streamHops,
		name: "IPV6_MULTICAST_HOPS", form: "int (hops)", byDefault: "1", doc: "A stream that was accepted shows the hop limit of its handshake. Read only there."},
	tcpip.IPV6_MULTICAST_IF: {on: tcpip.KindTCP, set: func(*Socket, []byte) Errno { return ENOPROTOOPT }, get: streamIF,
		name: "IPV6_MULTICAST_IF", form: "int (NIC)", byDefault: "0", doc: "A stream that was accepted shows the NIC of its handshake. Read only there."},
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
	if e, ok := s.ep.(interface{ SetGroupSource(netip.Addr) }); ok {
		e.SetGroupSource(addr)
	}
	s.mu.Lock()
	s.mcast4 = addr.As4()
	s.mu.Unlock()
	return 0
}
