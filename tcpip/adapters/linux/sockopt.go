package linux

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/packet"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// SetSockOpt is setsockopt(2). Options whose value is an int come from the tables of tcpip and
// transport/tcp; hints and the few with another form are tables of this package.
//
// Errors: ENOPROTOOPT for an option or level that the socket lacks, EINVAL for a length or a value out of
// range, and what Linux gives for the single option.
func (s *Socket) SetSockOpt(level, number int, value []byte) Errno {
	if !s.speaks(level) {
		return ENOPROTOOPT
	}
	if err := s.rawLevel(level, len(value)); err != 0 {
		return err
	}
	id, ok := optionID(level, number)
	if ok && !s.permitted(id, value) {
		return EPERM
	}
	if o := others[id]; ok && o.on&s.kind.endpoint != 0 && o.set != nil {
		return o.set(s, value)
	}
	min := leastLength[level]
	if level == IPPROTO_IP || level == IPPROTO_IPV6 {
		if !ok || !s.has(id) {
			return ENOPROTOOPT
		}
		min = leastLengthOf(id)
	}
	v := 0
	switch {
	case len(value) < min:
		return EINVAL
	case len(value) >= 4:
		v = int(int32(binary.NativeEndian.Uint32(value)))
	case len(value) >= 1 && level == IPPROTO_IP:
		v = int(value[0])
	}
	if !ok {
		return ENOPROTOOPT
	}
	return s.setInt(id, v)
}

// setInt sets an option whose value is an int.
func (s *Socket) setInt(id tcpip.OptionID, v int) Errno {
	if h := findHint(id, s.kind.endpoint); h != nil {
		return s.setHint(h, v)
	}
	if strict[id] && v != 0 && v != 1 {
		return EINVAL
	}
	err := errnoOf(s.ep.SetOption(id, v))
	if err == 0 && id == tcpip.IPV6_V6ONLY { // whatever it was bound to before
		s.mu.Lock()
		s.only6 = false
		s.mu.Unlock()
	}
	if err == 0 {
		s.lockBuffer(id)
	}
	return err
}

// strict are the flags that take 0 and 1 only.
var strict = map[tcpip.OptionID]bool{
	tcpip.IP_MULTICAST_ALL: true, tcpip.IPV6_MULTICAST_LOOP: true, tcpip.SO_ZEROCOPY: true,
	tcpip.IP_RECVERR_RFC4884: true, tcpip.IPV6_RECVERR_RFC4884: true,
}

// optionID returns the OptionID of a level and a number, if these can be one.
func optionID(level, number int) (tcpip.OptionID, bool) {
	if level < 0 || level > 0x7fff || number < 0 || number > 0xffff {
		return 0, false
	}
	return tcpip.Option(level, number), true
}

// speaks reports whether the socket has options of a level.
func (s *Socket) speaks(level int) bool {
	switch level {
	case SOL_SOCKET:
		return true
	case packet.SOL_PACKET:
		return s.packet() != nil
	case IPPROTO_IP:
		return s.packet() == nil && (!s.raw() || s.kind.family == AF_INET)
	case SOL_RAW:
		return s.raw()
	case IPPROTO_ICMPV6:
		return s.raw() && s.kind.family == AF_INET6
	case IPPROTO_IPV6:
		return s.kind.family == AF_INET6
	case IPPROTO_TCP:
		return s.kind.endpoint == tcpip.KindTCP
	case IPPROTO_UDP:
		return s.kind.endpoint == tcpip.KindUDP
	}
	return false
}

// has reports whether the socket has an option whose value is an int.
func (s *Socket) has(id tcpip.OptionID) bool {
	k := s.kind.endpoint
	return findHint(id, k) != nil || tcpip.FindOption(tcpip.SocketOptions, id, k) != nil ||
		k == tcpip.KindTCP && tcpip.FindOption(tcp.EndpointOptions, id, k) != nil
}

// leastLength is the least optlen of each level in bytes. IPPROTO_IP takes a char for an int, and for most
// options nothing for 0.
var leastLength = map[int]int{SOL_SOCKET: 4, IPPROTO_TCP: 4, IPPROTO_UDP: 4}

// nonEmpty are the options of IPPROTO_IP that want at least a char.
var nonEmpty = map[tcpip.OptionID]bool{
	tcpip.IP_TTL: true, tcpip.IP_MULTICAST_TTL: true, tcpip.IP_MULTICAST_LOOP: true, tcpip.IP_MULTICAST_ALL: true,
	tcpip.IP_FREEBIND: true, tcpip.IP_TRANSPARENT: true, tcpip.IP_MINTTL: true,
}

func leastLengthOf(id tcpip.OptionID) int {
	switch {
	case id == tcpip.IPV6_DONTFRAG || id == tcpip.IPV6_AUTOFLOWLABEL || id == tcpip.IPV6_RECVFRAGSIZE:
		return 0
	case id.Level() == IPPROTO_IPV6:
		return 4
	case nonEmpty[id]:
		return 1
	}
	return 0
}

// GetSockOpt is getsockopt(2): it writes at most len(value) bytes and returns how many.
//
// Errors: ENOPROTOOPT for an option that the socket lacks, EOPNOTSUPP for a level that it lacks where Linux
// says so, EINVAL for a length, and what Linux gives for the single option.
func (s *Socket) GetSockOpt(level, number int, value []byte) (int, Errno) {
	if !s.speaks(level) {
		if s.kind.family == AF_INET {
			return 0, EOPNOTSUPP
		}
		return 0, ENOPROTOOPT
	}
	if err := s.rawLevel(level, sizeofInt); err != 0 {
		return 0, err
	}
	id, ok := optionID(level, number)
	if !ok {
		return 0, ENOPROTOOPT
	}
	if id == packet.PACKET_HDRLEN && s.packet() != nil {
		return headerLen(value)
	}
	if o := others[id]; o.on&s.kind.endpoint != 0 {
		if o.ask != nil {
			return o.ask(s, value)
		}
		if o.get == nil {
			return 0, ENOPROTOOPT
		}
		b, err := o.get(s, len(value))
		if err != 0 {
			return 0, err
		}
		if !o.small || len(b) != 4 {
			return copy(value, b), 0
		}
		return putInt(level, value, int(int32(binary.NativeEndian.Uint32(b)))), 0
	}
	v, err := s.getInt(id)
	if err != 0 {
		return 0, err
	}
	return putInt(level, value, v), 0
}

// putInt writes v into a program's buffer; at IPPROTO_IP a buffer too small for an int gets a char.
func putInt(level int, value []byte, v int) int {
	if level == IPPROTO_IP && len(value) > 0 && len(value) < 4 && v >= 0 && v <= 255 {
		value[0] = byte(v)
		return 1
	}
	return copy(value, binary.NativeEndian.AppendUint32(nil, uint32(v)))
}

func (s *Socket) getInt(id tcpip.OptionID) (int, Errno) {
	if h := findHint(id, s.kind.endpoint); h != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if v, ok := s.stored[id]; ok {
			return v, 0
		}
		return h.byDefault, 0
	}
	if id == tcpip.IPV6_V6ONLY {
		if s.onlySix() {
			return 1, 0
		}
	}
	v, err := s.ep.Option(id)
	mtu := id == tcpip.IP_MTU || id == tcpip.IPV6_MTU
	if err != nil {
		if mtu && (err == tcpip.ErrNetUnreachable || err == tcpip.ErrInvalid) { // no way to the peer any more
			return 0, ENOTCONN
		}
		return 0, errnoOf(err)
	}
	if mtu && s.ep.RemoteAddress().Addr.Is4() {
		v = min(v, maxMTU4)
	}
	if v < 0 && (id == tcpip.IP_TTL || id == tcpip.IPV6_UNICAST_HOPS) {
		v = int(s.sockets.stack.DefaultTTL())
	}
	return v, 0
}
