package linux

import (
	"sync"
	"sync/atomic"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// Sockets makes the sockets of one stack. It is safe for concurrent use.
type Sockets struct {
	numbers atomic.Uint64 // of the sockets that were asked for theirs (SO_COOKIE)
	netns   atomic.Uint64 // SO_NETNS_COOKIE; 0: not chosen yet

	stack      *stack.Stack
	options    Options
	files      register
	flowLabels flowLabels
}

// New returns what makes sockets of s, which may do everything (see Options).
func New(s *stack.Stack) *Sockets { return NewWith(s, Options{}) }

// kind is a kind of socket: a row of the table that socket(2) looks its arguments up in.
type kind struct {
	family, typ int
	proto       int // the protocol that 0 stands for, where wild is set
	wild        bool
	endpoint    tcpip.EndpointKinds
	net         header.EtherType
	transport   header.Protocol
}

// kinds are the kinds that exist here, beside raw (rawSocket) and packet (packetSocket) sockets.
var kinds = []kind{
	{AF_INET, SOCK_STREAM, IPPROTO_TCP, true, tcpip.KindTCP, header.EtherTypeIPv4, header.ProtocolTCP},
	{AF_INET, SOCK_DGRAM, IPPROTO_UDP, true, tcpip.KindUDP, header.EtherTypeIPv4, header.ProtocolUDP},
	{AF_INET, SOCK_DGRAM, IPPROTO_ICMP, false, tcpip.KindPing, header.EtherTypeIPv4, header.ProtocolICMPv4},
	{AF_INET6, SOCK_STREAM, IPPROTO_TCP, true, tcpip.KindTCP, header.EtherTypeIPv6, header.ProtocolTCP},
	{AF_INET6, SOCK_DGRAM, IPPROTO_UDP, true, tcpip.KindUDP, header.EtherTypeIPv6, header.ProtocolUDP},
	{AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6, false, tcpip.KindPing, header.EtherTypeIPv6, header.ProtocolICMPv6},
}

// Socket makes a socket. The flags in typ, SOCK_NONBLOCK and SOCK_CLOEXEC, are the caller's to honour.
//
// Errors: EAFNOSUPPORT for another family than AF_INET and AF_INET6, EINVAL for a type or protocol that
// cannot be, EPERM for a raw socket that is not allowed (Options), ESOCKTNOSUPPORT for a type and EPROTONOSUPPORT for a protocol that the family lacks.
func (n *Sockets) Socket(family, typ, proto int) (*Socket, Errno) {
	flags := typ &^ sockTypeMask
	typ &= sockTypeMask
	switch {
	case flags&^(SOCK_NONBLOCK|SOCK_CLOEXEC) != 0, typ >= sockTypes:
		return nil, EINVAL
	case family == AF_PACKET:
		return n.packetSocket(typ, proto)
	case family != AF_INET && family != AF_INET6:
		return nil, EAFNOSUPPORT
	case proto < 0 || proto >= protocols:
		return nil, EINVAL
	case typ == SOCK_RAW:
		return n.rawSocket(family, proto)
	}
	err := ESOCKTNOSUPPORT
	for i := range kinds {
		k := &kinds[i]
		if k.family != family || k.typ != typ {
			continue
		}
		if proto != k.proto && !(proto == 0 && k.wild) {
			err = EPROTONOSUPPORT
			continue
		}
		ep, err := n.stack.NewEndpoint(k.transport, k.net)
		if err != nil {
			return nil, errnoOf(err)
		}
		return newSocket(n, k, ep), 0
	}
	return nil, err
}

// Socket is one socket. It is safe for concurrent use; no method blocks.
type Socket struct {
	sockets *Sockets
	kind    *kind
	ep      stack.Endpoint

	mu      sync.Mutex
	stored  map[tcpip.OptionID]int // hints, and what only the runtime acts on
	mcast4  [4]byte                // IP_MULTICAST_IF, as getsockopt shows it
	mapped0 bool                   // bound to ::ffff:0.0.0.0
	only6   bool                   // bound to an address of IPv6, which implies IPV6_V6ONLY
	groups  *streamGroups          // of a stream
	number  uint64                 // SO_COOKIE; 0: not asked for yet
	hasRead atomic.Bool            // a datagram was read
	shutRd  atomic.Bool            // a datagram socket that is shut down for reading
	inode   uint64                 // as /proc shows it
	late    atomic.Uint32          // an errno that a RecvMMsg has left for the next call

	// Guarded by the lock of Sockets.flowLabels.
	flows    []*flowLabel // that it has taken, as often as it did
	peerFlow uint32       // sin6_flowinfo of the peer
}

func newSocket(n *Sockets, k *kind, ep stack.Endpoint) *Socket {
	s := &Socket{sockets: n, kind: k, ep: ep}
	n.files.add(s)
	if k.family == AF_INET6 { // which Linux makes with IP_MULTICAST_ALL off
		s.setInt(tcpip.IP_MULTICAST_ALL, 0)
	}
	if k.endpoint == tcpip.KindPing { // whose identifiers can always be shared
		s.setInt(tcpip.SO_REUSEADDR, 1)
	}
	return s
}

// Endpoint returns the endpoint below.
func (s *Socket) Endpoint() stack.Endpoint { return s.ep }

// Waiters is the queue that is told when Poll may have grown.
func (s *Socket) Waiters() *waiter.Queue { return s.ep.Waiters() }

// Poll returns the conditions of mask, and POLLERR and POLLHUP, that hold now, with the numbers of poll(2).
func (s *Socket) Poll(mask uint32) uint32 {
	ev := uint32(s.ep.Readiness(waiter.All))
	if ev&uint32(waiter.Readable) != 0 {
		ev |= POLLRDNORM
	}
	if ev&uint32(waiter.Writable) != 0 {
		ev |= POLLWRNORM
		if !s.stream() {
			ev |= POLLWRBAND
		}
	}
	if ev&uint32(waiter.Error) != 0 && !s.stream() && s.selectsErrors() {
		ev |= uint32(waiter.Priority)
	}
	if s.late.Load() != 0 {
		ev |= uint32(waiter.Error)
	}
	return ev & (mask | uint32(waiter.Always))
}

// Close gives the socket up. It does not wait for SO_LINGER.
func (s *Socket) Close() {
	s.leaveGroups()
	s.sockets.files.remove(s)
	s.leaveFlows()
	s.ep.Close()
}

func (s *Socket) stream() bool { return s.kind.endpoint == tcpip.KindTCP }
