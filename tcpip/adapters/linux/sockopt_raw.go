package linux

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
)

// The levels and options that only raw sockets have.
const (
	SOL_RAW     = 255
	IPPROTO_RAW = 255 // the protocol of sockets that send with headers of their own

	ICMP_FILTER  tcpip.OptionID = SOL_RAW<<16 | 1
	RAW_CHECKSUM tcpip.OptionID = SOL_RAW<<16 | 7  // IPV6_CHECKSUM at the level of raw sockets
	RAW_HDRINCL  tcpip.OptionID = SOL_RAW<<16 | 36 // IPV6_HDRINCL there
	ICMP6_FILTER tcpip.OptionID = IPPROTO_ICMPV6<<16 | 1
)

// rawOthers are those of raw sockets.
var rawOthers = map[tcpip.OptionID]other{
	ICMP_FILTER: {
		on: tcpip.KindRaw, set: setICMPFilter(AF_INET, 4), get: getICMPFilter(AF_INET, 4),
		name: "ICMP_FILTER", form: "struct icmp_filter", byDefault: "0", doc: "The types of ICMP messages below 32 that are not received, a bit for each.",
	},
	ICMP6_FILTER: {
		on: tcpip.KindRaw, set: setICMPFilter(AF_INET6, 32), get: getICMPFilter(AF_INET6, 32),
		name: "ICMP6_FILTER", form: "struct icmp6_filter", byDefault: "0", doc: "The types of ICMPv6 messages that are not received, a bit for each (RFC 3542 §3.2).",
	},
	tcpip.IP_HDRINCL: { // who is not raw can only ask
		on: tcpip.KindTCP | tcpip.KindUDP | tcpip.KindPing, set: func(*Socket, []byte) Errno { return ENOPROTOOPT }, get: constant(0), small: true,
		name: "IP_HDRINCL", form: "bool", byDefault: "0", doc: "Always 0.",
	},
	tcpip.IPV6_V6ONLY: { // a raw socket is bound from the beginning, and then it is too late
		on: tcpip.KindRaw, set: func(*Socket, []byte) Errno { return EINVAL }, get: constant(0),
		name: "IPV6_V6ONLY", form: "bool", byDefault: "0", doc: "Can only be read; a raw socket of IPv6 has nothing to do with IPv4.",
	},
	RAW_CHECKSUM: {
		on: tcpip.KindRaw, set: (*Socket).setRawChecksum, get: (*Socket).rawChecksum,
		name: "IPV6_CHECKSUM (SOL_RAW)", form: "int", byDefault: "-1", doc: "As IPV6_CHECKSUM, but on ICMPv6 sockets it can be changed.",
	},
	RAW_HDRINCL: {
		on: tcpip.KindRaw, set: (*Socket).setRawHeader, get: (*Socket).rawHeader,
		name: "IPV6_HDRINCL (SOL_RAW)", form: "bool", byDefault: "0", doc: "As IPV6_HDRINCL.",
	},
	tcpip.IPV6_CHECKSUM: {
		on: tcpip.KindRaw, set: func(s *Socket, v []byte) Errno {
			if s.kind.proto == IPPROTO_ICMPV6 { // fixed, RFC 3542 §3.1
				return EINVAL
			}
			return s.setRawChecksum(v)
		}, get: (*Socket).rawChecksum,
		name: "IPV6_CHECKSUM", form: "int", byDefault: "-1",
		doc: "The even offset at which the checksum of what is sent is put, and of what is received is asked for; 2 on ICMPv6 sockets.",
	},
}

// rawSocket is Socket for SOCK_RAW: every protocol but 0 has one.
func (n *Sockets) rawSocket(family, proto int) (*Socket, Errno) {
	switch {
	case proto == 0:
		return nil, EPROTONOSUPPORT
	case !n.may(netRaw):
		return nil, EPERM
	}
	k := &kind{family: family, typ: SOCK_RAW, proto: proto, endpoint: tcpip.KindRaw, net: header.EtherTypeIPv4}
	if family == AF_INET6 {
		k.net = header.EtherTypeIPv6
	}
	ep, err := n.stack.NewRawEndpoint(uint16(proto), k.net)
	if err != nil {
		return nil, errnoOf(err)
	}
	return newSocket(n, k, ep), 0
}

// raw reports whether the socket is one of type SOCK_RAW.
func (s *Socket) raw() bool { return s.kind.endpoint == tcpip.KindRaw }

// addressedRaw6 decodes the destination that a raw IPv6 socket is given: the family may be left out, and the port is a
// protocol, which must be the socket's unless that is IPPROTO_RAW.
func (s *Socket) addressedRaw6(o *tcpip.WriteOptions, name []byte) Errno {
	if len(name) < minSockaddrIn6 {
		return EINVAL
	}
	if f := familyOf(name); f != AF_UNSPEC && f != AF_INET6 {
		return EAFNOSUPPORT
	}
	o.To = decode6(name)
	if p := int(o.To.Port); p != 0 && (p > 255 || p != s.kind.proto && s.kind.proto != IPPROTO_RAW) {
		return EINVAL
	}
	if !o.To.Addr.IsValid() || o.To == (tcpip.FullAddress{}) {
		o.To.Addr = netip.IPv6Unspecified()
	}
	return 0
}

const sizeofInt = 4

// rawLevel refuses a level as a whole, as Linux does on raw sockets of IPv6: ICMPv6's is for those of that protocol,
// and SOL_RAW has ints only. size is the length of what is set, bytes.
func (s *Socket) rawLevel(level, size int) Errno {
	switch {
	case !s.raw() || s.kind.family != AF_INET6:
	case level == IPPROTO_ICMPV6 && s.kind.proto != IPPROTO_ICMPV6:
		return EOPNOTSUPP
	case level == SOL_RAW && size < sizeofInt:
		return EINVAL
	}
	return 0
}

// icmpFilterer is an endpoint that can keep ICMP messages out.
type icmpFilterer interface {
	stack.Endpoint
	SetICMPFilter(transport.ICMPFilter) error
	ICMPFilter() (transport.ICMPFilter, error)
}

// icmp returns the endpoint as an icmpFilterer, if it is a raw one of a family's ICMP.
func (s *Socket) icmp(family int) (icmpFilterer, bool) {
	own := map[int]int{AF_INET: IPPROTO_ICMP, AF_INET6: IPPROTO_ICMPV6}[family]
	if s.kind.family != family || s.kind.proto != own {
		return nil, false
	}
	e, ok := s.ep.(icmpFilterer)
	return e, ok
}

// noFilter is the error for a filter that the socket lacks.
func (s *Socket) noFilter(family int) Errno {
	if s.kind.family == family {
		return EOPNOTSUPP
	}
	return ENOPROTOOPT
}

// setICMPFilter takes as much of a filter as is given; the rest stays.
func setICMPFilter(family, size int) func(*Socket, []byte) Errno {
	return func(s *Socket, v []byte) Errno {
		e, ok := s.icmp(family)
		if !ok {
			return s.noFilter(family)
		}
		f, err := e.ICMPFilter()
		if err != nil {
			return errnoOf(err)
		}
		b := filterBytes(&f)
		copy(b, v[:min(len(v), size)])
		for i := range f {
			f[i] = binary.NativeEndian.Uint32(b[4*i:])
		}
		return errnoOf(e.SetICMPFilter(f))
	}
}

func getICMPFilter(family, size int) func(*Socket, int) ([]byte, Errno) {
	return func(s *Socket, _ int) ([]byte, Errno) {
		e, ok := s.icmp(family)
		if !ok {
			return nil, s.noFilter(family)
		}
		f, err := e.ICMPFilter()
		return filterBytes(&f)[:size], errnoOf(err)
	}
}

func filterBytes(f *transport.ICMPFilter) (b []byte) {
	for _, w := range f {
		b = binary.NativeEndian.AppendUint32(b, w)
	}
	return b
}

func (s *Socket) setRawChecksum(v []byte) Errno {
	switch {
	case s.kind.family != AF_INET6:
		return ENOPROTOOPT
	case len(v) < 4:
		return EINVAL
	}
	return errnoOf(s.ep.SetOption(tcpip.IPV6_CHECKSUM, int(int32(binary.NativeEndian.Uint32(v)))))
}

func (s *Socket) rawChecksum(int) ([]byte, Errno) {
	if s.kind.family != AF_INET6 {
		return nil, ENOPROTOOPT
	}
	v, err := s.ep.Option(tcpip.IPV6_CHECKSUM)
	return binary.NativeEndian.AppendUint32(nil, uint32(v)), errnoOf(err)
}

func (s *Socket) setRawHeader(v []byte) Errno {
	switch {
	case s.kind.family != AF_INET6:
		return ENOPROTOOPT
	case len(v) < 4:
		return EINVAL
	}
	return errnoOf(s.ep.SetOption(tcpip.IPV6_HDRINCL, one(binary.NativeEndian.Uint32(v) != 0)))
}

func (s *Socket) rawHeader(int) ([]byte, Errno) {
	if s.kind.family != AF_INET6 {
		return nil, ENOPROTOOPT
	}
	v, err := s.ep.Option(tcpip.IPV6_HDRINCL)
	return binary.NativeEndian.AppendUint32(nil, uint32(v)), errnoOf(err)
}
