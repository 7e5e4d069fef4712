package linux

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
)

// Options of IPPROTO_IPV6 that only this package knows.
const (
	IPV6_ADDRFORM       tcpip.OptionID = IPPROTO_IPV6<<16 | 1
	IPV6_2292PKTOPTIONS tcpip.OptionID = IPPROTO_IPV6<<16 | 6
	IPV6_ROUTER_ALERT   tcpip.OptionID = IPPROTO_IPV6<<16 | 22
	IPV6_JOIN_ANYCAST   tcpip.OptionID = IPPROTO_IPV6<<16 | 27
	IPV6_LEAVE_ANYCAST  tcpip.OptionID = IPPROTO_IPV6<<16 | 28
	IPV6_ALERT_ISOLATE  tcpip.OptionID = IPPROTO_IPV6<<16 | 30
	IPV6_FLOWLABEL_MGR  tcpip.OptionID = IPPROTO_IPV6<<16 | 32
	IPV6_IPSEC_POLICY   tcpip.OptionID = IPPROTO_IPV6<<16 | 34
	IPV6_XFRM_POLICY    tcpip.OptionID = IPPROTO_IPV6<<16 | 35
	IPV6_HOPOPTS        tcpip.OptionID = IPPROTO_IPV6<<16 | 54
	IPV6_RTHDRDSTOPTS   tcpip.OptionID = IPPROTO_IPV6<<16 | 55
	IPV6_RTHDR          tcpip.OptionID = IPPROTO_IPV6<<16 | 57
	IPV6_DSTOPTS        tcpip.OptionID = IPPROTO_IPV6<<16 | 59
	IPV6_PATHMTU        tcpip.OptionID = IPPROTO_IPV6<<16 | 61
)

// ipv6Others are those of IPPROTO_IPV6.
var ipv6Others = map[tcpip.OptionID]other{
	IPV6_ADDRFORM: {on: tcpip.KindIP, set: (*Socket).setAddressForm, get: (*Socket).addressForm,
		name: "IPV6_ADDRFORM", form: "int (family)",
		doc: "The family of a connected socket. Making one of IPv6 that is connected to an IPv4 address one of IPv4 is refused."},
	IPV6_2292PKTOPTIONS: {on: tcpip.KindIP, set: (*Socket).setPacketOptions, get: (*Socket).oldPacketOptions,
		name: "IPV6_2292PKTOPTIONS", form: "control messages", doc: "The extension headers of sent packets, all at once (RFC 2292)."},
	IPV6_ROUTER_ALERT: {on: notRaw | tcpip.KindRaw, set: (*Socket).setRouterAlert, get: telling((*Socket).hasRouterAlert),
		name: "IPV6_ROUTER_ALERT", form: "int", byDefault: "0",
		doc: "On raw sockets of IPPROTO_RAW: receive what is to be forwarded and has a router alert of that value (RFC 2711)."},
	IPV6_IPSEC_POLICY: {on: tcpip.KindIP, set: policy(EOPNOTSUPP, EOPNOTSUPP),
		name: "IPV6_IPSEC_POLICY", form: "struct sadb_x_policy", doc: "Refused: there is no IPsec."},
	IPV6_XFRM_POLICY: {on: tcpip.KindIP, set: policy(EINVAL, EINVAL),
		name: "IPV6_XFRM_POLICY", form: "struct xfrm_userpolicy_info", doc: "Refused: there is no IPsec."},
	IPV6_PKTINFO: {on: tcpip.KindIP, set: (*Socket).setPacketInfo,
		name: "IPV6_PKTINFO", form: "struct in6_pktinfo",
		doc: "Interface for what is sent. Its address counts for nothing, as measured, and on streams neither does the interface. Write only; as a control message it chooses both."},
	IPV6_HOPOPTS:      extensionOption("IPV6_HOPOPTS", transport.ExtensionHopByHop, "Hop-by-hop options of sent packets."),
	IPV6_RTHDRDSTOPTS: extensionOption("IPV6_RTHDRDSTOPTS", transport.ExtensionRoutingOptions, "Destination options of sent packets in front of IPV6_RTHDR, without which they are not sent."),
	IPV6_RTHDR:        extensionOption("IPV6_RTHDR", transport.ExtensionRouting, "Routing header of sent packets; one with segments (RFC 8754)."),
	IPV6_DSTOPTS:      extensionOption("IPV6_DSTOPTS", transport.ExtensionOptions, "Destination options of sent packets."),
	IPV6_PATHMTU: {on: tcpip.KindIP, set: refuseAny, get: (*Socket).pathMTU,
		name: "IPV6_PATHMTU", form: "struct ip6_mtuinfo", doc: "The path MTU to the peer. Read only."},
	tcpip.IPV6_UNICAST_IF: {on: tcpip.KindIP, set: setUnicastIF(tcpip.IPV6_UNICAST_IF), get: unicastIF(tcpip.IPV6_UNICAST_IF),
		name: "IPV6_UNICAST_IF", form: "int (interface, in network byte order)", byDefault: "0",
		doc: "Interface for sent IPv6 unicast; 0 for the route's."},
	tcpip.IPV6_MTU: {on: tcpip.KindTCP, set: (*Socket).setStreamMTU, get: intOf(tcpip.IPV6_MTU),
		name: "IPV6_MTU", form: "int (bytes)", doc: "The path MTU to the peer. Setting it is about datagrams."},
	IPV6_JOIN_ANYCAST: {on: tcpip.KindIP, set: (*Socket).joinAnycast,
		name: "IPV6_JOIN_ANYCAST", form: "struct ipv6_mreq", doc: "Refused as an address of no network here: there are no anycast addresses."},
	IPV6_LEAVE_ANYCAST: {on: tcpip.KindIP, set: leaveAnycast,
		name: "IPV6_LEAVE_ANYCAST", form: "struct ipv6_mreq", doc: "ENOENT: nothing can be joined."},
	IPV6_FLOWLABEL_MGR: {on: tcpip.KindIP, set: (*Socket).manageFlowLabel, get: func(*Socket, int) ([]byte, Errno) { return nil, EINVAL },
		name: "IPV6_FLOWLABEL_MGR", form: "struct in6_flowlabel_req",
		doc: "Takes, renews and gives back flow labels. A label of 0 asks for one, which is written to the request."},
}

// setStreamMTU takes the size of fragments, which streams do not have.
func (s *Socket) setStreamMTU(v []byte) Errno {
	if len(v) < 4 {
		return EINVAL
	}
	if n := int32(binary.NativeEndian.Uint32(v)); n != 0 && n < 1280 {
		return EINVAL
	}
	return 0
}

// extensionOption is the option that sets an extension header.
func extensionOption(name string, kind transport.ExtensionKind, doc string) other {
	return other{on: tcpip.KindIP, name: name, form: "bytes", byDefault: "none", doc: doc,
		set: func(s *Socket, v []byte) Errno { return errnoOf(s.ep.(headed).SetExtension(kind, v)) },
		get: func(s *Socket, _ int) ([]byte, Errno) { return s.ep.(headed).Extension(kind), 0 },
	}
}

// setPacketInfo takes a struct in6_pktinfo.
func (s *Socket) setPacketInfo(v []byte) Errno {
	if len(v) < 20 {
		return EINVAL
	}
	return errnoOf(s.ep.(headed).SetSendNIC(tcpip.NICID(binary.NativeEndian.Uint32(v[16:]))))
}

// setPacketOptions takes control messages: the extension headers in them become those of the socket.
func (s *Socket) setPacketOptions(v []byte) Errno {
	var c tcpip.Control
	if err := s.parseControl6(v, &c); err != 0 {
		return err
	}
	if c.ControlRare == nil {
		c.Rare()
	}
	h := s.ep.(headed)
	for kind, b := range [][]byte{c.HopOpts, c.RoutingOpts, c.Routing, c.DestOpts} {
		if err := h.SetExtension(transport.ExtensionKind(kind), b); err != nil {
			return errnoOf(err)
		}
	}
	return 0
}

// pathMTU is a struct ip6_mtuinfo without an address.
func (s *Socket) pathMTU(size int) ([]byte, Errno) {
	if size < sizeofSockaddrIn6+4 {
		return nil, EINVAL
	}
	mtu, err := s.getInt(tcpip.IPV6_MTU)
	return binary.NativeEndian.AppendUint32(make([]byte, sizeofSockaddrIn6), uint32(mtu)), err
}

func (s *Socket) addressForm(int) ([]byte, Errno) {
	if !s.stream() && s.kind.endpoint != tcpip.KindUDP {
		return nil, ENOPROTOOPT
	}
	if !s.ep.RemoteAddress().Addr.IsValid() || s.stream() && !s.established() {
		return nil, ENOTCONN
	}
	return binary.NativeEndian.AppendUint32(nil, uint32(s.kind.family)), 0
}

// setAddressForm is about making a socket of IPv6 one of IPv4.
func (s *Socket) setAddressForm(v []byte) Errno {
	switch {
	case len(v) < 4 || binary.NativeEndian.Uint32(v) != AF_INET:
		return EINVAL
	case !s.stream() && s.kind.endpoint != tcpip.KindUDP:
		return ENOPROTOOPT
	case !s.ep.RemoteAddress().Addr.IsValid() || s.stream() && !s.established():
		return ENOTCONN
	}
	return EADDRNOTAVAIL
}

// hasRouterAlert returns 1 if the socket receives router alerts.
func (s *Socket) hasRouterAlert() int {
	e, ok := s.ep.(interface{ RouterAlert() bool })
	return one(ok && e.RouterAlert())
}

// setRouterAlert takes the value of router alerts, negative for none.
func (s *Socket) setRouterAlert(v []byte) Errno {
	if len(v) < 4 {
		return EINVAL
	}
	e, ok := s.ep.(interface{ SetRouterAlert(int) error })
	if !ok {
		return ENOPROTOOPT
	}
	return errnoOf(e.SetRouterAlert(int(int32(binary.NativeEndian.Uint32(v)))))
}

// joinAnycast takes a struct ipv6_mreq.
func (s *Socket) joinAnycast(v []byte) Errno {
	if len(v) < 20 {
		return EINVAL
	}
	a, nic := netip.AddrFrom16([16]byte(v)), tcpip.NICID(int32(binary.NativeEndian.Uint32(v[16:])))
	switch {
	case a.IsMulticast() || s.nicOf(a) != nil:
		return EINVAL
	case nic != 0 && s.sockets.stack.NIC(nic) == nil:
		return ENODEV
	}
	return EADDRNOTAVAIL
}

// leaveAnycast takes a struct ipv6_mreq.
func leaveAnycast(_ *Socket, v []byte) Errno {
	if len(v) < 20 {
		return EINVAL
	}
	return ENOENT
}
