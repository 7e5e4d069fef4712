package linux

import (
	"bytes"
	"encoding/binary"
	"math"
	"net/netip"
	"time"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// other is an option whose value is no int, or that only tells something. get is given the length of the
// program's buffer; a nil get or set is ENOPROTOOPT or the way of ints.
type other struct {
	on  tcpip.EndpointKinds
	set func(*Socket, []byte) Errno
	get func(*Socket, int) ([]byte, Errno)

	small bool // an int of IPPROTO_IP, of which a small buffer gets a char
}

// others are these options.
var others = map[tcpip.OptionID]other{
	SO_TYPE:       {tcpip.KindIP, refuse, telling(func(s *Socket) int { return s.kind.typ }), false},
	SO_DOMAIN:     {tcpip.KindIP, refuse, telling(func(s *Socket) int { return s.kind.family }), false},
	SO_PROTOCOL:   {tcpip.KindIP, refuse, telling(func(s *Socket) int { return s.kind.proto }), false},
	SO_ERROR:      {tcpip.KindIP, refuse, telling(func(s *Socket) int { return int(errnoOf(s.ep.LastError())) }), false},
	SO_ACCEPTCONN: {tcpip.KindIP, refuse, telling(listening), false},
	SO_PEERNAME:   {tcpip.KindIP, refuse, (*Socket).peerName, false},

	SO_SNDBUFFORCE:  {tcpip.KindIP, force(tcpip.SO_SNDBUF), nil, false},
	SO_RCVBUFFORCE:  {tcpip.KindIP, force(tcpip.SO_RCVBUF), nil, false},
	SO_BINDTODEVICE: {tcpip.KindIP, (*Socket).bindToDevice, (*Socket).boundDevice, false},
	SO_RCVTIMEO:     {tcpip.KindIP, setTimeout(SO_RCVTIMEO), getTimeout(SO_RCVTIMEO), false},
	SO_SNDTIMEO:     {tcpip.KindIP, setTimeout(SO_SNDTIMEO), getTimeout(SO_SNDTIMEO), false},
	tcpip.SO_LINGER: {tcpip.KindIP, (*Socket).setLinger, (*Socket).linger, false},

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

	TCP_CONGESTION: {tcpip.KindTCP, (*Socket).setCongestion, (*Socket).congestion, false},
}

// refuse is for what can only be read; as at SOL_SOCKET a length is complained of first.
func refuse(_ *Socket, v []byte) Errno {
	if len(v) < 4 {
		return EINVAL
	}
	return ENOPROTOOPT
}

func telling(f func(*Socket) int) func(*Socket, int) ([]byte, Errno) {
	return func(s *Socket, _ int) ([]byte, Errno) {
		return binary.NativeEndian.AppendUint32(nil, uint32(f(s))), 0
	}
}

func constant(v int) func(*Socket, int) ([]byte, Errno) {
	return telling(func(*Socket) int { return v })
}

func listening(s *Socket) int {
	if e, ok := s.ep.(*tcp.Endpoint); ok && e.State() == tcp.StateListen {
		return 1
	}
	return 0
}

func (s *Socket) peerName(size int) ([]byte, Errno) {
	a := s.ep.RemoteAddress()
	if !a.Addr.IsValid() || a.Port == 0 {
		return nil, ENOTCONN
	}
	b := encode(s.kind.family, a)
	if len(b) < size {
		return nil, EINVAL
	}
	return b, 0
}

// force is SO_SNDBUFFORCE and SO_RCVBUFFORCE, which know no negative size.
func force(id tcpip.OptionID) func(*Socket, []byte) Errno {
	return func(s *Socket, v []byte) Errno {
		if len(v) < 4 {
			return EINVAL
		}
		return errnoOf(s.ep.SetOption(id, max(int(int32(binary.NativeEndian.Uint32(v))), 0)))
	}
}

// bindToDevice takes an interface's name; an empty one undoes it.
func (s *Socket) bindToDevice(v []byte) Errno {
	v = v[:min(len(v), nameSize-1)]
	if i := bytes.IndexByte(v, 0); i >= 0 {
		v = v[:i]
	}
	if len(v) == 0 {
		return errnoOf(s.ep.SetOption(tcpip.SO_BINDTOIFINDEX, 0))
	}
	for _, n := range s.sockets.stack.NICs() {
		if n.Name() == string(v) {
			return errnoOf(s.ep.SetOption(tcpip.SO_BINDTOIFINDEX, int(n.ID())))
		}
	}
	return ENODEV
}

func (s *Socket) boundDevice(size int) ([]byte, Errno) {
	id, err := s.ep.Option(tcpip.SO_BINDTOIFINDEX)
	switch {
	case err != nil:
		return nil, errnoOf(err)
	case id == 0:
		return nil, 0
	case size < nameSize:
		return nil, EINVAL
	}
	n := s.sockets.stack.NIC(tcpip.NICID(id))
	if n == nil {
		return nil, ENODEV
	}
	return append([]byte(n.Name()), 0), 0
}

// A timeout is a struct timeval. Zero means none; a negative one passes at once.
func setTimeout(id tcpip.OptionID) func(*Socket, []byte) Errno {
	return func(s *Socket, v []byte) Errno {
		if len(v) < 16 {
			return EINVAL
		}
		sec, usec := int64(binary.NativeEndian.Uint64(v)), int64(binary.NativeEndian.Uint64(v[8:]))
		if usec < 0 || usec >= 1e6 {
			return EDOM
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case sec < 0:
			s.store(id, 0)
		case sec == 0 && usec == 0 || sec >= math.MaxInt32:
			s.store(id, math.MaxInt)
		default:
			s.store(id, int(sec*1e6+usec))
		}
		return 0
	}
}

func getTimeout(id tcpip.OptionID) func(*Socket, int) ([]byte, Errno) {
	return func(s *Socket, _ int) ([]byte, Errno) {
		d, _ := s.timeout(id)
		b := binary.NativeEndian.AppendUint64(nil, uint64(d/time.Second))
		return binary.NativeEndian.AppendUint64(b, uint64(d%time.Second/time.Microsecond)), 0
	}
}

// ReceiveTimeout returns SO_RCVTIMEO and whether there is one; a receive that waits ends with EAGAIN then.
func (s *Socket) ReceiveTimeout() (time.Duration, bool) { return s.timeout(SO_RCVTIMEO) }

// SendTimeout returns SO_SNDTIMEO and whether there is one.
func (s *Socket) SendTimeout() (time.Duration, bool) { return s.timeout(SO_SNDTIMEO) }

func (s *Socket) timeout(id tcpip.OptionID) (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.stored[id]
	if !ok || v == math.MaxInt {
		return 0, false
	}
	return time.Duration(v) * time.Microsecond, true
}

// setLinger takes a struct linger: on or off, and seconds. Datagram sockets store it.
func (s *Socket) setLinger(v []byte) Errno {
	if len(v) < 8 {
		return EINVAL
	}
	on, sec := binary.NativeEndian.Uint32(v) != 0, int(int32(binary.NativeEndian.Uint32(v[4:])))
	if sec < 0 {
		sec = math.MaxInt32
	}
	s.mu.Lock()
	if on {
		s.store(tcpip.SO_LINGER, sec)
	} else if last, ok := s.stored[tcpip.SO_LINGER]; ok && last >= 0 {
		s.store(tcpip.SO_LINGER, -1-last)
	}
	s.mu.Unlock()
	if !s.stream() {
		return 0
	}
	if !on {
		sec = -1
	}
	return errnoOf(s.ep.SetOption(tcpip.SO_LINGER, sec))
}

// linger shows what was set; turned off, the seconds are still there.
func (s *Socket) linger(int) ([]byte, Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	on, sec := uint32(1), s.stored[tcpip.SO_LINGER]
	if _, ok := s.stored[tcpip.SO_LINGER]; !ok {
		on = 0
	} else if sec < 0 {
		on, sec = 0, -1-sec
	}
	return binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, on), uint32(sec)), 0
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

// nicOf returns the NIC that has an address.
func (s *Socket) nicOf(a netip.Addr) *stack.NIC {
	n, _, _ := s.sockets.stack.LocalAddress(a)
	return n
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

func (s *Socket) setCongestion(v []byte) Errno {
	if len(v) < 1 {
		return EINVAL
	}
	v = v[:min(len(v), congestionSize-1)]
	if i := bytes.IndexByte(v, 0); i >= 0 {
		v = v[:i]
	}
	if s.ep.(*tcp.Endpoint).SetCongestion(string(v)) != nil {
		return ENOENT
	}
	return 0
}

func (s *Socket) congestion(size int) ([]byte, Errno) {
	b := make([]byte, min(size, congestionSize))
	copy(b, s.ep.(*tcp.Endpoint).Congestion())
	return b, 0
}
