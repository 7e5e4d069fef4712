package linux

import (
	"net/netip"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// Bind is bind(2).
//
// Errors: EINVAL for an address that is too short or a socket that is bound already, EAFNOSUPPORT,
// EADDRNOTAVAIL, EADDRINUSE.
func (s *Socket) Bind(name []byte) Errno {
	if len(name) > maxName {
		return EINVAL
	}
	if e := s.packet(); e != nil {
		return bindPacket(e, name)
	}
	var a tcpip.FullAddress
	mapped0 := false
	if s.kind.family == AF_INET {
		if len(name) < sizeofSockaddrIn {
			return EINVAL
		}
		a = decode4(name)
		// AF_UNSPEC passes for AF_INET with the wildcard address, for the sake of old programs.
		if f := familyOf(name); !s.raw() && f != AF_INET && !(f == AF_UNSPEC && a.Addr.IsUnspecified()) {
			return EAFNOSUPPORT
		}
	} else {
		if len(name) < minSockaddrIn6 || s.kind.endpoint == tcpip.KindPing && len(name) < sizeofSockaddrIn6 {
			return EINVAL
		}
		if familyOf(name) != AF_INET6 {
			if s.raw() {
				return EINVAL
			}
			return EAFNOSUPPORT
		}
		a = decode6(name)
		if s.raw() && a.Addr.Is4() {
			return EADDRNOTAVAIL
		}
		mapped0 = a.Addr.Is4() && a.Addr.IsUnspecified()
		if s.stream() && a.Addr.Is6() && a.Addr.IsMulticast() || a.Addr.Is4() && s.onlySix() {
			return EINVAL
		}
	}
	if err := errnoOf(s.ep.Bind(a)); err != 0 {
		// A socket that is bound says so last, but for IPv6 of TCP and UDP.
		if err == EINVAL && !s.raw() && (s.kind.family == AF_INET || s.kind.endpoint == tcpip.KindPing) && !s.mayBind(a.Addr) {
			return EADDRNOTAVAIL
		}
		return err
	}
	s.mu.Lock()
	s.mapped0, s.only6 = mapped0, a.Addr.Is6() && !a.Addr.IsUnspecified()
	s.mu.Unlock()
	return 0
}

// onlySix reports whether the socket was bound to an address of IPv6, which keeps it from IPv4 for good.
func (s *Socket) onlySix() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.only6
}

// broadcast is the limited broadcast address.
var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// mayBind reports whether a is an address that sockets can be bound to.
func (s *Socket) mayBind(a netip.Addr) bool {
	many := a.IsMulticast() || a == broadcast || s.sockets.stack.DirectedBroadcast(a)
	if s.kind.endpoint == tcpip.KindPing && (many || s.kind.family == AF_INET6 && (a.Is4() || a.IsLinkLocalUnicast())) {
		return s.kind.family == AF_INET6 // which is refused for another reason
	}
	if n, err := s.ep.Option(tcpip.SO_BINDTOIFINDEX); err == nil && n != 0 && a == netip.IPv6Loopback() && s.nicOf(a) != nil {
		return s.nicOf(a).ID() == tcpip.NICID(n) || s.flag(tcpip.IP_FREEBIND) || s.flag(tcpip.IP_TRANSPARENT) // which is of one device only
	}
	return many || a.IsUnspecified() || s.nicOf(a) != nil || s.flag(tcpip.IP_FREEBIND) || s.flag(tcpip.IP_TRANSPARENT)
}

// Connect is connect(2) on a socket that does not wait: TCP answers EINPROGRESS. AF_UNSPEC disconnects. An address
// is looked at when TCP would begin a connection with it, not when it tells of one.
//
// Errors: EINVAL for an address that is too short, EAFNOSUPPORT, and those of the endpoint.
func (s *Socket) Connect(name []byte) Errno {
	if s.packet() != nil {
		return EOPNOTSUPP
	}
	switch {
	case len(name) > maxName || len(name) < 2:
		return EINVAL
	case familyOf(name) == AF_UNSPEC:
		return errnoOf(s.ep.Connect(tcpip.FullAddress{}))
	}
	a, err := s.peer(name)
	if e, ok := s.ep.(*tcp.Endpoint); ok {
		opens := e.Opens()
		if err != 0 && opens {
			return err
		}
		if opens && a.Addr.Is6() {
			if err := s.connectFlow(name); err != 0 {
				return err
			}
		}
		if a == (tcpip.FullAddress{}) { // which would disconnect
			a.Addr = netip.IPv4Unspecified()
		}
		return errnoOf(e.Connect(a))
	}
	s.autobind()
	if err != 0 {
		return err
	}
	if a.Addr.Is4() && s.kind.family == AF_INET6 && s.kind.endpoint == tcpip.KindPing {
		return ENETUNREACH // as if IPV6_V6ONLY were set
	}
	if a.Addr.Is6() && (a.Addr.IsLinkLocalMulticast() || a.Addr.IsInterfaceLocalMulticast()) && a.NIC == 0 {
		if !s.flag(tcpip.SO_BINDTOIFINDEX) && !s.flag(tcpip.IPV6_MULTICAST_IF) {
			return EINVAL
		}
	}
	if a.Addr.Is6() {
		if err := s.connectFlow(name); err != 0 {
			return err
		}
	}
	return errnoOf(s.ep.Connect(a))
}

// autobind gives a datagram socket a port, which Linux does before it looks at an address.
func (s *Socket) autobind() {
	if !s.raw() && s.ep.LocalAddress().Port == 0 {
		_ = s.ep.Bind(tcpip.FullAddress{}) // the call that follows finds out
	}
}

// peer decodes the address that a connect or a send names.
func (s *Socket) peer(name []byte) (a tcpip.FullAddress, err Errno) {
	if s.kind.family == AF_INET {
		switch {
		case len(name) < sizeofSockaddrIn:
			return a, EINVAL
		case familyOf(name) != AF_INET:
			return a, EAFNOSUPPORT
		}
		return decode4(name), 0
	}
	switch family := familyOf(name); {
	case family != AF_INET6 && (s.kind.endpoint == tcpip.KindPing || s.raw()) && len(name) >= 2:
		return a, EAFNOSUPPORT
	case family == AF_INET && !s.stream() && s.kind.endpoint == tcpip.KindUDP:
		if only, _ := s.getInt(tcpip.IPV6_V6ONLY); only != 0 {
			return a, EAFNOSUPPORT
		}
		if len(name) < sizeofSockaddrIn {
			return a, EINVAL
		}
		return decode4(name), 0
	case len(name) < minSockaddrIn6:
		return a, EINVAL
	case family != AF_INET6:
		return a, EAFNOSUPPORT
	}
	return decode6(name), 0
}

// Listen is listen(2).
func (s *Socket) Listen(backlog int) Errno { return errnoOf(s.ep.Listen(backlog)) }

// Accept4 is accept4(2): the connection and its peer's name. The flags are the caller's to honour.
//
// Errors: EAGAIN, EINVAL on a socket that does not listen or for other flags, EOPNOTSUPP.
func (s *Socket) Accept4(flags int) (*Socket, []byte, Errno) {
	if flags&^(SOCK_NONBLOCK|SOCK_CLOEXEC) != 0 {
		return nil, nil, EINVAL
	}
	ep, err := s.ep.Accept()
	if err != nil {
		return nil, nil, errnoOf(err)
	}
	c := newSocket(s.sockets, s.kind, ep.(stack.Endpoint))
	s.mu.Lock()
	for id, v := range s.stored {
		c.store(id, v)
	}
	c.only6 = s.only6
	s.mu.Unlock()
	return c, encode(c.kind.family, ep.RemoteAddress()), 0
}

// Adopt makes a socket of a TCP connection that no listen(2) of these sockets has brought about, such as one that
// tcp.Handle has taken over. The endpoint is the socket's from then on.
func (n *Sockets) Adopt(e *tcp.Endpoint) *Socket {
	family := AF_INET
	if e.RemoteAddress().Addr.Is6() {
		family = AF_INET6
	}
	for i := range kinds {
		if k := &kinds[i]; k.family == family && k.endpoint == tcpip.KindTCP {
			return newSocket(n, k, e)
		}
	}
	return nil // there is a row for either family
}

// Shutdown is shutdown(2).
//
// Errors: EINVAL for another how, ENOTCONN.
func (s *Socket) Shutdown(how int) Errno {
	if s.packet() != nil {
		return EOPNOTSUPP
	}
	if how < SHUT_RD || how > SHUT_RDWR {
		return EINVAL
	}
	err := errnoOf(s.ep.Shutdown(tcpip.Shutdown(how + 1)))
	if !s.stream() && how != SHUT_WR {
		s.shutRd.Store(true)
	}
	return err
}

// GetSockName is getsockname(2).
func (s *Socket) GetSockName() ([]byte, Errno) {
	if e := s.packet(); e != nil {
		return packetName(e), 0
	}
	a := s.ep.LocalAddress()
	s.mu.Lock()
	if s.mapped0 && !a.Addr.IsValid() {
		a.Addr = netip.IPv4Unspecified()
	}
	s.mu.Unlock()
	return encode(s.kind.family, a), 0
}

// GetPeerName is getpeername(2).
//
// Errors: ENOTCONN.
func (s *Socket) GetPeerName() ([]byte, Errno) {
	if s.packet() != nil {
		return nil, EOPNOTSUPP
	}
	a := s.ep.RemoteAddress()
	if !a.Addr.IsValid() || a.Port == 0 || s.stream() && !s.connected() {
		return nil, ENOTCONN
	}
	b := encode(s.kind.family, a)
	s.tellFlow(b)
	return b, 0
}

// connected reports whether a TCP socket is past its handshake and not over.
func (s *Socket) connected() bool {
	e, ok := s.ep.(*tcp.Endpoint)
	if !ok {
		return false
	}
	switch e.State() {
	case tcp.StateClosed, tcp.StateListen, tcp.StateSynSent:
		return false
	}
	return true
}

// established reports whether a TCP socket is in that very state.
func (s *Socket) established() bool {
	e, ok := s.ep.(*tcp.Endpoint)
	return ok && e.State() == tcp.StateEstablished
}
