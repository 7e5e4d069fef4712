package linux

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
)

// Options of groups and sources.
const (
	IP_ADD_MEMBERSHIP         tcpip.OptionID = IPPROTO_IP<<16 | 35
	IP_DROP_MEMBERSHIP        tcpip.OptionID = IPPROTO_IP<<16 | 36
	IP_UNBLOCK_SOURCE         tcpip.OptionID = IPPROTO_IP<<16 | 37
	IP_BLOCK_SOURCE           tcpip.OptionID = IPPROTO_IP<<16 | 38
	IP_ADD_SOURCE_MEMBERSHIP  tcpip.OptionID = IPPROTO_IP<<16 | 39
	IP_DROP_SOURCE_MEMBERSHIP tcpip.OptionID = IPPROTO_IP<<16 | 40
	IP_MSFILTER               tcpip.OptionID = IPPROTO_IP<<16 | 41
	IPV6_JOIN_GROUP           tcpip.OptionID = IPPROTO_IPV6<<16 | 20
	IPV6_LEAVE_GROUP          tcpip.OptionID = IPPROTO_IPV6<<16 | 21

	// Those of both levels, at IPPROTO_IP.
	MCAST_JOIN_GROUP         tcpip.OptionID = 42
	MCAST_BLOCK_SOURCE       tcpip.OptionID = 43
	MCAST_UNBLOCK_SOURCE     tcpip.OptionID = 44
	MCAST_LEAVE_GROUP        tcpip.OptionID = 45
	MCAST_JOIN_SOURCE_GROUP  tcpip.OptionID = 46
	MCAST_LEAVE_SOURCE_GROUP tcpip.OptionID = 47
	MCAST_MSFILTER           tcpip.OptionID = 48

	atIPv6 tcpip.OptionID = IPPROTO_IPV6 << 16 // added to one of these, it is that of IPPROTO_IPV6
)

// Lengths of structures in bytes: of those with a list, without it.
const (
	sizeofMreq        = 8
	sizeofMreqn       = 12
	sizeofMreqSource  = 12
	sizeofMsfilter    = 16
	sizeofMreq6       = 20
	sizeofStorage     = 128
	sizeofGroupReq    = 8 + sizeofStorage
	sizeofGroupSource = 8 + 2*sizeofStorage
	sizeofGroupFilter = 16 + sizeofStorage
)

// groupOthers4 are those of IPPROTO_IP.
var groupOthers4 = map[tcpip.OptionID]other{
	IP_ADD_MEMBERSHIP: {on: tcpip.KindIP, set: membership4((*Socket).join4),
		name: "IP_ADD_MEMBERSHIP", form: "struct ip_mreq or ip_mreqn", doc: "Join an IPv4 group on an interface. Streams refuse it."},
	IP_DROP_MEMBERSHIP: {on: tcpip.KindIP, set: membership4((*Socket).leave4),
		name: "IP_DROP_MEMBERSHIP", form: "struct ip_mreq or ip_mreqn", doc: "Leave an IPv4 group. Streams refuse it."},
	IP_ADD_SOURCE_MEMBERSHIP: {on: tcpip.KindIP, set: oldSource(transport.JoinSource),
		name: "IP_ADD_SOURCE_MEMBERSHIP", form: "struct ip_mreq_source", doc: "Hear one source of an IPv4 group (IGMPv3)."},
	IP_DROP_SOURCE_MEMBERSHIP: {on: tcpip.KindIP, set: oldSource(transport.LeaveSource),
		name: "IP_DROP_SOURCE_MEMBERSHIP", form: "struct ip_mreq_source", doc: "Undo IP_ADD_SOURCE_MEMBERSHIP; the last one leaves the group."},
	IP_BLOCK_SOURCE: {on: tcpip.KindIP, set: oldSource(transport.BlockSource),
		name: "IP_BLOCK_SOURCE", form: "struct ip_mreq_source", doc: "Do not hear one source of a group that was joined."},
	IP_UNBLOCK_SOURCE: {on: tcpip.KindIP, set: oldSource(transport.UnblockSource),
		name: "IP_UNBLOCK_SOURCE", form: "struct ip_mreq_source", doc: "Undo IP_BLOCK_SOURCE."},
	IP_MSFILTER: {on: tcpip.KindIP, set: (*Socket).setMsfilter, ask: (*Socket).msfilter,
		name: "IP_MSFILTER", form: "struct ip_msfilter", doc: "The whole source filter of an IPv4 group; reading it asks about the group in the buffer."},
	MCAST_JOIN_GROUP: {on: tcpip.KindIP, set: membership(AF_INET, (*Socket).join4),
		name: "MCAST_JOIN_GROUP", form: "struct group_req", doc: "Join an IPv4 group on an interface."},
	MCAST_LEAVE_GROUP: {on: tcpip.KindIP, set: membership(AF_INET, (*Socket).leave4),
		name: "MCAST_LEAVE_GROUP", form: "struct group_req", doc: "Leave an IPv4 group."},
	MCAST_JOIN_SOURCE_GROUP: {on: tcpip.KindIP, set: source(AF_INET, transport.JoinSource),
		name: "MCAST_JOIN_SOURCE_GROUP", form: "struct group_source_req", doc: "Hear one source of an IPv4 group (IGMPv3)."},
	MCAST_LEAVE_SOURCE_GROUP: {on: tcpip.KindIP, set: source(AF_INET, transport.LeaveSource),
		name: "MCAST_LEAVE_SOURCE_GROUP", form: "struct group_source_req", doc: "Undo MCAST_JOIN_SOURCE_GROUP; the last one leaves the group."},
	MCAST_BLOCK_SOURCE: {on: tcpip.KindIP, set: source(AF_INET, transport.BlockSource),
		name: "MCAST_BLOCK_SOURCE", form: "struct group_source_req", doc: "Do not hear one source of a group that was joined."},
	MCAST_UNBLOCK_SOURCE: {on: tcpip.KindIP, set: source(AF_INET, transport.UnblockSource),
		name: "MCAST_UNBLOCK_SOURCE", form: "struct group_source_req", doc: "Undo MCAST_BLOCK_SOURCE."},
	MCAST_MSFILTER: {on: tcpip.KindIP, set: (*Socket).setGroupFilter4, ask: (*Socket).groupFilter4,
		name: "MCAST_MSFILTER", form: "struct group_filter", doc: "The whole source filter of an IPv4 group; reading it asks about the group in the buffer."},
}

// groupOthers6 are those of IPPROTO_IPV6.
var groupOthers6 = map[tcpip.OptionID]other{
	IPV6_JOIN_GROUP: {on: tcpip.KindIP, set: membership6((*Socket).join6),
		name: "IPV6_JOIN_GROUP", form: "struct ipv6_mreq", doc: "Join an IPv6 group on an interface. Streams refuse it."},
	IPV6_LEAVE_GROUP: {on: tcpip.KindIP, set: membership6((*Socket).leave6),
		name: "IPV6_LEAVE_GROUP", form: "struct ipv6_mreq", doc: "Leave an IPv6 group. Streams refuse it."},
	atIPv6 + MCAST_JOIN_GROUP: {on: tcpip.KindIP, set: membership(AF_INET6, (*Socket).join6),
		name: "MCAST_JOIN_GROUP", form: "struct group_req", doc: "Join an IPv6 group on an interface."},
	atIPv6 + MCAST_LEAVE_GROUP: {on: tcpip.KindIP, set: membership(AF_INET6, (*Socket).leave6),
		name: "MCAST_LEAVE_GROUP", form: "struct group_req", doc: "Leave an IPv6 group."},
	atIPv6 + MCAST_JOIN_SOURCE_GROUP: {on: tcpip.KindIP, set: source(AF_INET6, transport.JoinSource),
		name: "MCAST_JOIN_SOURCE_GROUP", form: "struct group_source_req", doc: "Hear one source of an IPv6 group (MLDv2)."},
	atIPv6 + MCAST_LEAVE_SOURCE_GROUP: {on: tcpip.KindIP, set: source(AF_INET6, transport.LeaveSource),
		name: "MCAST_LEAVE_SOURCE_GROUP", form: "struct group_source_req", doc: "Undo MCAST_JOIN_SOURCE_GROUP; the last one leaves the group."},
	atIPv6 + MCAST_BLOCK_SOURCE: {on: tcpip.KindIP, set: source(AF_INET6, transport.BlockSource),
		name: "MCAST_BLOCK_SOURCE", form: "struct group_source_req", doc: "Do not hear one source of a group that was joined."},
	atIPv6 + MCAST_UNBLOCK_SOURCE: {on: tcpip.KindIP, set: source(AF_INET6, transport.UnblockSource),
		name: "MCAST_UNBLOCK_SOURCE", form: "struct group_source_req", doc: "Undo MCAST_BLOCK_SOURCE."},
	atIPv6 + MCAST_MSFILTER: {on: tcpip.KindIP, set: (*Socket).setGroupFilter6, ask: (*Socket).groupFilter6,
		name: "MCAST_MSFILTER", form: "struct group_filter", doc: "The whole source filter of an IPv6 group; reading it asks about the group in the buffer."},
}

// index reads an interface's index.
func index(b []byte) tcpip.NICID { return tcpip.NICID(int32(binary.NativeEndian.Uint32(b))) }

// membership4 takes a struct ip_mreq or ip_mreqn. Streams refuse it, whatever its length.
func membership4(do func(*Socket, groupAt) Errno) func(*Socket, []byte) Errno {
	return func(s *Socket, v []byte) Errno {
		switch {
		case s.stream():
			return EPROTO
		case len(v) < sizeofMreq:
			return EINVAL
		}
		a := groupAt{group: netip.AddrFrom4([4]byte(v)), addr: netip.AddrFrom4([4]byte(v[4:]))}
		if len(v) >= sizeofMreqn {
			a.nic = index(v[8:])
		}
		return do(s, a)
	}
}

// membership6 takes a struct ipv6_mreq.
func membership6(do func(*Socket, groupAt) Errno) func(*Socket, []byte) Errno {
	return func(s *Socket, v []byte) Errno {
		switch {
		case len(v) < sizeofMreq6:
			return EINVAL
		case s.stream():
			return EPROTO
		}
		return do(s, groupAt{group: netip.AddrFrom16([16]byte(v)), nic: index(v[16:])})
	}
}

// oldSource takes a struct ip_mreq_source.
func oldSource(act transport.SourceAct) func(*Socket, []byte) Errno {
	return func(s *Socket, v []byte) Errno {
		if len(v) != sizeofMreqSource {
			return EINVAL
		}
		a := groupAt{group: netip.AddrFrom4([4]byte(v)), addr: netip.AddrFrom4([4]byte(v[4:]))}
		return s.source4(act, a, netip.AddrFrom4([4]byte(v[8:])))
	}
}

// inStorage reads the address in a struct sockaddr_storage, the zero Addr if it is of another family.
func inStorage(b []byte, family int) netip.Addr {
	switch {
	case familyOf(b) != family:
		return netip.Addr{}
	case family == AF_INET:
		return netip.AddrFrom4([4]byte(b[4:]))
	}
	return netip.AddrFrom16([16]byte(b[8:]))
}

// membership takes a struct group_req with a group of the given family.
func membership(family int, do func(*Socket, groupAt) Errno) func(*Socket, []byte) Errno {
	return func(s *Socket, v []byte) Errno {
		if len(v) < sizeofGroupReq {
			return EINVAL
		}
		a := groupAt{group: inStorage(v[8:], family), nic: index(v)}
		switch {
		case a.group.IsValid():
			return do(s, a)
		case family == AF_INET:
			return EINVAL
		}
		return EADDRNOTAVAIL
	}
}

// source takes a struct group_source_req. IPv4 is strict about its length.
func source(family int, act transport.SourceAct) func(*Socket, []byte) Errno {
	return func(s *Socket, v []byte) Errno {
		if len(v) < sizeofGroupSource || family == AF_INET && len(v) != sizeofGroupSource {
			return EINVAL
		}
		a, from := groupAt{group: inStorage(v[8:], family), nic: index(v)}, inStorage(v[8+sizeofStorage:], family)
		switch {
		case !a.group.IsValid() || !from.IsValid():
			return EADDRNOTAVAIL
		case family == AF_INET:
			return s.source4(act, a, from)
		}
		return s.source6(act, a, from)
	}
}

// setMsfilter takes a struct ip_msfilter.
func (s *Socket) setMsfilter(v []byte) Errno {
	if len(v) < sizeofMsfilter {
		return EINVAL
	}
	list, err := s.list(v, sizeofMsfilter, 4, s.sockets.stack.GroupLimits().Sources4.Or(igmpMaxMSF))
	if err != 0 {
		return err
	}
	f := tcpip.SourceFilter{Mode: modeOf(v[8:])}
	for ; len(list) > 0; list = list[4:] {
		f.Sources = append(f.Sources, netip.AddrFrom4([4]byte(list)))
	}
	return s.filter4(groupAt{group: netip.AddrFrom4([4]byte(v)), addr: netip.AddrFrom4([4]byte(v[4:]))}, f)
}

// list returns the list behind a head that ends with the number of its items, which have a width each.
func (s *Socket) list(v []byte, head, width, limit int) ([]byte, Errno) {
	n := binary.NativeEndian.Uint32(v[head-4:])
	switch {
	case n > uint32(max(limit, 0)):
		return nil, ENOBUFS
	case head+int(n)*width > len(v):
		return nil, EINVAL
	}
	return v[head : head+int(n)*width], 0
}

// msfilter answers a struct ip_msfilter.
func (s *Socket) msfilter(v []byte) (int, Errno) {
	if len(v) < sizeofMsfilter {
		return 0, EINVAL
	}
	a := groupAt{group: netip.AddrFrom4([4]byte(v)), addr: netip.AddrFrom4([4]byte(v[4:]))}
	if !a.group.IsMulticast() {
		return 0, EINVAL
	}
	if a.nic = s.resolve4(a); a.nic == 0 {
		return 0, ENODEV
	}
	return s.tell(a, v, 8, 4, func(b []byte, source netip.Addr) { copy(b, source.AsSlice()) })
}

// setGroupFilter4 and setGroupFilter6 take a struct group_filter.
func (s *Socket) setGroupFilter4(v []byte) Errno {
	if len(v) < sizeofGroupFilter {
		return EINVAL
	}
	list, err := s.list(v, sizeofGroupFilter, sizeofStorage, s.sockets.stack.GroupLimits().Sources4.Or(igmpMaxMSF))
	if err != 0 {
		return err
	}
	a, f := groupAt{group: inStorage(v[8:], AF_INET), nic: index(v)}, tcpip.SourceFilter{Mode: modeOf(v[8+sizeofStorage:])}
	if !a.group.IsValid() {
		return EADDRNOTAVAIL
	}
	for ; len(list) > 0; list = list[sizeofStorage:] {
		from := inStorage(list, AF_INET)
		if !from.IsValid() {
			return EADDRNOTAVAIL
		}
		f.Sources = append(f.Sources, from)
	}
	return s.filter4(a, f)
}

func (s *Socket) setGroupFilter6(v []byte) Errno {
	if len(v) < sizeofGroupFilter {
		return EINVAL
	}
	list, err := s.list(v, sizeofGroupFilter, sizeofStorage, s.sockets.stack.GroupLimits().Sources6.Or(mldMaxMSF))
	if err != 0 {
		return err
	}
	f := tcpip.SourceFilter{Mode: modeOf(v[8+sizeofStorage:])}
	for ; len(list) > 0; list = list[sizeofStorage:] {
		f.Sources = append(f.Sources, netip.AddrFrom16([16]byte(list[8:]))) // as on Linux, whatever its family
	}
	return s.filter6(groupAt{group: netip.AddrFrom16([16]byte(v[16:])), nic: index(v)}, f)
}

// groupFilter4 and groupFilter6 answer a struct group_filter; no interface is none that a group was joined on.
func (s *Socket) groupFilter4(v []byte) (int, Errno) { return s.groupFilter(v, AF_INET) }

func (s *Socket) groupFilter6(v []byte) (int, Errno) { return s.groupFilter(v, AF_INET6) }

func (s *Socket) groupFilter(v []byte, family int) (int, Errno) {
	if len(v) < sizeofGroupFilter {
		return 0, EINVAL
	}
	a := groupAt{group: inStorage(v[8:], family), nic: index(v)}
	switch {
	case !a.group.IsValid() && family == AF_INET6:
		return 0, EADDRNOTAVAIL
	case !a.group.IsMulticast() || a.group.Is4In6():
		return 0, EINVAL
	case a.nic == 0:
		return 0, EADDRNOTAVAIL
	}
	return s.tell(a, v, 8+sizeofStorage, sizeofStorage, func(b []byte, source netip.Addr) {
		binary.NativeEndian.PutUint16(b, uint16(family))
		at := 4
		if family == AF_INET6 {
			at = 8
		}
		copy(b[at:], source.AsSlice())
	})
}
