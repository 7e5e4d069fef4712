package linux

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip"
)

// struct cmsghdr is a size_t length, which includes the header, an int level and an int type; what
// follows, and the next header, are aligned to a size_t.
const (
	wordSize = 8
	cmsgSize = wordSize + 8
)

func aligned(n int) int { return (n + wordSize - 1) &^ (wordSize - 1) }

// controlWriter lays control messages out in a program's buffer, as put_cmsg does: the first that does
// not fit is cut and MSG_CTRUNC set.
type controlWriter struct {
	b     []byte
	used  int
	flags int
}

// add returns the room for a message of n bytes of data, which may be cut, nil if there is none.
func (w *controlWriter) add(id tcpip.OptionID, n int) []byte {
	left := len(w.b) - w.used
	if left < cmsgSize {
		w.flags |= MSG_CTRUNC
		return nil
	}
	size := cmsgSize + n
	if size > left {
		w.flags |= MSG_CTRUNC
		size = left
	}
	m := w.b[w.used:]
	binary.NativeEndian.PutUint64(m, uint64(size))
	binary.NativeEndian.PutUint32(m[8:], uint32(id.Level()))
	binary.NativeEndian.PutUint32(m[12:], uint32(id.Number()))
	data := m[cmsgSize:size]
	w.used += min(aligned(cmsgSize+n), left)
	clear(m[cmsgSize:min(aligned(size), left)])
	return data
}

func (w *controlWriter) bytes(id tcpip.OptionID, data []byte) { copy(w.add(id, len(data)), data) }

func (w *controlWriter) int(id tcpip.OptionID, v int) {
	w.bytes(id, binary.NativeEndian.AppendUint32(nil, uint32(v)))
}

// received writes what an endpoint says of a datagram, in Linux's order.
func (w *controlWriter) received(s *Socket, r *tcpip.Received) {
	c := &r.Control
	v4 := r.From.Addr.Is4()
	w.receivedSocket(s, r)
	if c.Has&tcpip.HasPacketInfo != 0 {
		if s.kind.family == AF_INET6 && s.flag(tcpip.IPV6_RECVPKTINFO) {
			w.packetInfo6(c.PacketInfo)
		}
		if v4 && (s.kind.family == AF_INET || s.flag(tcpip.IP_PKTINFO)) {
			if s.kind.endpoint == tcpip.KindPing { // which does not say, as measured
				c.PacketInfo.Local = netip.Addr{}
			}
			w.packetInfo4(c.PacketInfo)
		}
	}
	hops, class := tcpip.IP_TTL, tcpip.IP_TOS
	if !v4 {
		hops, class = IPV6_HOPLIMIT, tcpip.IPV6_TCLASS
	}
	if c.Has&tcpip.HasHopLimit != 0 && (v4 || s.flag(tcpip.IPV6_RECVHOPLIMIT)) {
		w.int(hops, int(c.HopLimit))
	}
	if c.Has&tcpip.HasClass != 0 {
		if v4 {
			w.bytes(class, []byte{c.Class})
		} else {
			w.int(class, int(c.Class))
		}
	}
	if v4 {
		w.received4(s, c)
	} else {
		w.received6(s, r)
	}
}

func (s *Socket) flag(id tcpip.OptionID) bool {
	v, err := s.ep.Option(id)
	return err == nil && v != 0
}

func (w *controlWriter) packetInfo4(p tcpip.PacketInfo) {
	b := binary.NativeEndian.AppendUint32(nil, uint32(p.NIC))
	b = append4(b, p.Local)
	w.bytes(tcpip.IP_PKTINFO, append4(b, p.Destination))
}

func append4(b []byte, a netip.Addr) []byte {
	var ip [4]byte
	if a.Is4() {
		ip = a.As4()
	}
	return append(b, ip[:]...)
}

func (w *controlWriter) packetInfo6(p tcpip.PacketInfo) {
	ip := p.Destination.As16()
	w.bytes(IPV6_PKTINFO, binary.NativeEndian.AppendUint32(ip[:], uint32(p.NIC)))
}

// parseControl reads the control messages of a send. As in the kernel those of other levels are passed
// over, and what is unknown at these is EINVAL.
func (s *Socket) parseControl(b []byte, to netip.Addr, c *tcpip.Control) Errno {
	own := IPPROTO_IP
	if to.Is6() || s.raw() && s.kind.family == AF_INET6 {
		own = IPPROTO_IPV6
	}
	udp := s.kind.endpoint == tcpip.KindUDP
	if udp { // whose own messages are looked at first
		if err := eachControl(b, func(level, typ int, data []byte) Errno {
			if level != IPPROTO_UDP {
				return 0
			}
			return parseUDP(typ, data, c)
		}); err != 0 {
			return err
		}
	}
	return eachControl(b, func(level, typ int, data []byte) Errno {
		switch {
		case level == SOL_SOCKET:
			return parseSocket(s, typ, data, c)
		case s.kind.family == AF_INET6 && own == IPPROTO_IP && level == IPPROTO_IPV6 && tcpip.Option(level, typ) == IPV6_PKTINFO:
			if len(data) != 20 || !netip.AddrFrom16([16]byte(data)).Is4In6() || !parseMessage(IPV6_PKTINFO, data, c) {
				return EINVAL
			}
		case level != own:
		case typ < 0 || !parseMessage(tcpip.Option(level, typ), data, c):
			return EINVAL
		}
		return 0
	})
}

// eachControl calls f for every control message until it fails.
func eachControl(b []byte, f func(level, typ int, data []byte) Errno) Errno {
	for len(b) >= cmsgSize {
		n := binary.NativeEndian.Uint64(b)
		if n < cmsgSize || n > uint64(len(b)) {
			return EINVAL
		}
		level, typ := int(int32(binary.NativeEndian.Uint32(b[8:]))), int(int32(binary.NativeEndian.Uint32(b[12:])))
		if err := f(level, typ, b[cmsgSize:n]); err != 0 {
			return err
		}
		b = b[min(aligned(int(n)), len(b)):]
	}
	return 0
}

// parseMessage reads one message, and reports false for one that is malformed or unknown.
func parseMessage(id tcpip.OptionID, m []byte, c *tcpip.Control) bool {
	word := func() int { return int(int32(binary.NativeEndian.Uint32(m))) }
	switch id {
	case tcpip.IP_PKTINFO:
		if len(m) != 12 {
			return false
		}
		c.Has |= tcpip.HasPacketInfo
		c.PacketInfo = tcpip.PacketInfo{NIC: tcpip.NICID(word()), Local: specified(netip.AddrFrom4([4]byte(m[4:])))}
	case IPV6_PKTINFO:
		if len(m) < 20 {
			return false
		}
		c.Has |= tcpip.HasPacketInfo
		nic := tcpip.NICID(binary.NativeEndian.Uint32(m[16:]))
		c.PacketInfo = tcpip.PacketInfo{NIC: nic, Local: specified(netip.AddrFrom16([16]byte(m)).Unmap())}
	case tcpip.IP_TTL:
		if len(m) != 4 || word() < 1 || word() > 255 {
			return false
		}
		c.Has |= tcpip.HasHopLimit
		c.HopLimit = uint8(word())
	case IP_PROTOCOL: // which Linux looks for a way with alone
		return len(m) == 4 && word() >= 1 && word() <= 255
	case tcpip.IP_TOS:
		v := 0
		switch len(m) {
		case 1:
			v = int(m[0])
		case 4:
			v = word()
		default:
			return false
		}
		if v < 0 || v > 255 {
			return false
		}
		c.Has = c.Has&^tcpip.HasPriority | tcpip.HasClass // which decides on the priority, too
		c.Class = uint8(v)
	case IPV6_HOPLIMIT, tcpip.IPV6_TCLASS:
		if len(m) != 4 || word() < -1 || word() > 255 {
			return false
		}
		switch {
		case word() < 0 && id == tcpip.IPV6_TCLASS:
			c.Has |= tcpip.HasClass
			c.Class = 0xff // as measured
		case word() < 0:
		case id == tcpip.IPV6_TCLASS:
			c.Has |= tcpip.HasClass
			c.Class = uint8(word())
		default:
			c.Has |= tcpip.HasHopLimit
			c.HopLimit = uint8(word())
		}
	default:
		return parseHeaders(id, m, c)
	}
	return true
}

// specified turns the unspecified address, which chooses nothing, into the zero Addr.
func specified(a netip.Addr) netip.Addr {
	if a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}
