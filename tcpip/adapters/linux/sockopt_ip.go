package linux

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
)

// Options of IPPROTO_IP that only this package knows.
const (
	IP_OPTIONS      tcpip.OptionID = IPPROTO_IP<<16 | 4
	IP_PKTOPTIONS   tcpip.OptionID = IPPROTO_IP<<16 | 9
	IP_IPSEC_POLICY tcpip.OptionID = IPPROTO_IP<<16 | 16
	IP_XFRM_POLICY  tcpip.OptionID = IPPROTO_IP<<16 | 17
	IP_PASSSEC      tcpip.OptionID = IPPROTO_IP<<16 | 18
	IP_PROTOCOL     tcpip.OptionID = IPPROTO_IP<<16 | 52
)

// headed is an endpoint of whose network headers more can be said than a Control has.
type headed interface {
	SetIPOptions(b []byte) error
	IPOptions() []byte
	SetExtension(kind transport.ExtensionKind, b []byte) error
	Extension(kind transport.ExtensionKind) []byte
	SetSendNIC(nic tcpip.NICID) error
	labeller
}

// labeller is an endpoint whose IPv6 packets have a flow label.
type labeller interface{ SetFlowLabel(label uint32) error }

const notRaw = tcpip.KindTCP | tcpip.KindUDP | tcpip.KindPing

// ipOthers are those of IPPROTO_IP.
var ipOthers = map[tcpip.OptionID]other{
	IP_OPTIONS: {on: tcpip.KindIP, set: (*Socket).setIPOptions, get: (*Socket).ipOptions,
		name: "IP_OPTIONS", form: "bytes", byDefault: "none",
		doc: "The options of sent IPv4 packets: recorded and source routes, timestamps, router alert, any other as it is. An accepted stream answers with those of its SYN."},
	IP_PKTOPTIONS: {on: tcpip.KindTCP, set: refuseAny, get: (*Socket).packetOptions,
		name: "IP_PKTOPTIONS", form: "control messages",
		doc: "What IP_PKTINFO, IP_RECVTTL and IP_RECVTOS would tell of a connection's packets. Read only."},
	IP_IPSEC_POLICY: {on: tcpip.KindIP, set: policy(EOPNOTSUPP, EOPNOTSUPP),
		name: "IP_IPSEC_POLICY", form: "struct sadb_x_policy", doc: "Refused: there is no IPsec."},
	IP_XFRM_POLICY: {on: tcpip.KindIP, set: policy(EINVAL, EOPNOTSUPP),
		name: "IP_XFRM_POLICY", form: "struct xfrm_userpolicy_info", doc: "Refused: there is no IPsec."},
	tcpip.IP_UNICAST_IF: {on: tcpip.KindIP, set: setUnicastIF(tcpip.IP_UNICAST_IF), get: unicastIF(tcpip.IP_UNICAST_IF), small: true,
		name: "IP_UNICAST_IF", form: "int (interface, in network byte order)", byDefault: "0",
		doc: "Interface for sent IPv4 unicast; 0 for the route's."},
	tcpip.IP_LOCAL_PORT_RANGE: {on: tcpip.KindIP, set: exactly(tcpip.IP_LOCAL_PORT_RANGE), get: intOf(tcpip.IP_LOCAL_PORT_RANGE), small: true,
		name: "IP_LOCAL_PORT_RANGE", form: "u32", byDefault: "0",
		doc: "Lowest (low half) and highest ephemeral port, as far as they are in the stack's range."},
	IP_PROTOCOL: {on: tcpip.KindIP, set: refuseAny, get: telling(localNumber), small: true,
		name: "IP_PROTOCOL", form: "int", byDefault: "0",
		doc: "The local port; of a raw socket the protocol. Read only."},
	tcpip.IP_RECVFRAGSIZE: {on: tcpip.KindTCP, set: func(*Socket, []byte) Errno { return EINVAL }, get: constant(0), small: true,
		name: "IP_RECVFRAGSIZE", form: "bool", byDefault: "0", doc: "Streams have no fragments. Read only."},
	ipRouterAlert: {on: notRaw, set: func(*Socket, []byte) Errno { return EINVAL }, get: constant(0), small: true,
		name: "IP_ROUTER_ALERT", form: "int", byDefault: "0", doc: "For raw sockets only."},
	ipNoDefrag: {on: notRaw, set: refuseAny, get: constant(0), small: true,
		name: "IP_NODEFRAG", form: "bool", byDefault: "0", doc: "For raw sockets only."},
}

const (
	ipRouterAlert tcpip.OptionID = IPPROTO_IP<<16 | 5
	ipNoDefrag    tcpip.OptionID = IPPROTO_IP<<16 | 22
)

func refuseAny(*Socket, []byte) Errno { return ENOPROTOOPT }

// policy refuses a policy of IPsec; the errors are those of IPv4 and IPv6 sockets.
func policy(v4, v6 Errno) func(*Socket, []byte) Errno {
	return func(s *Socket, v []byte) Errno {
		switch {
		case len(v) == 0 || len(v) > 4096:
			return EMSGSIZE
		case s.kind.family == AF_INET6:
			return v6
		}
		return v4
	}
}

// intOf tells an option whose value is an int.
func intOf(id tcpip.OptionID) func(*Socket, int) ([]byte, Errno) {
	return func(s *Socket, _ int) ([]byte, Errno) {
		v, err := s.getInt(id)
		return binary.NativeEndian.AppendUint32(nil, uint32(v)), err
	}
}

// exactly sets an option that takes an int and no other length.
func exactly(id tcpip.OptionID) func(*Socket, []byte) Errno {
	return func(s *Socket, v []byte) Errno {
		if len(v) != 4 {
			return EINVAL
		}
		return s.setInt(id, int(int32(binary.NativeEndian.Uint32(v))))
	}
}

// setUnicastIF takes an interface in network byte order.
func setUnicastIF(id tcpip.OptionID) func(*Socket, []byte) Errno {
	return func(s *Socket, v []byte) Errno {
		if len(v) != 4 {
			return EINVAL
		}
		return s.setInt(id, int(int32(binary.BigEndian.Uint32(v))))
	}
}

func unicastIF(id tcpip.OptionID) func(*Socket, int) ([]byte, Errno) {
	return func(s *Socket, _ int) ([]byte, Errno) {
		v, err := s.getInt(id)
		return binary.BigEndian.AppendUint32(nil, uint32(v)), err
	}
}

func localNumber(s *Socket) int { return int(s.ep.LocalAddress().Port) }

func (s *Socket) setIPOptions(v []byte) Errno { return errnoOf(s.ep.(headed).SetIPOptions(v)) }

func (s *Socket) ipOptions(int) ([]byte, Errno) { return s.ep.(headed).IPOptions(), 0 }

// flag4 reports whether an option is on, a hint included.
func (s *Socket) flag4(id tcpip.OptionID) bool {
	v, err := s.getInt(id)
	return err == 0 && v != 0
}
