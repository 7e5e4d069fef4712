package linux

import (
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// Received is what RecvMsg found.
type Received struct {
	N       int    // what recvmsg(2) returns: bytes put into the buffer, or the whole length with MSG_TRUNC
	Name    []byte // who sent it; nil for TCP
	Control int    // bytes of control messages put into their buffer
	Flags   int    // msg_flags
}

// pingHeader is the length of an echo request's header, which a ping socket's user writes, bytes.
const pingHeader = 8

// SendMsg is sendmsg(2) with the data gathered. name is empty where the socket is connected. A runtime
// raises SIGPIPE for EPIPE on TCP unless the flags have MSG_NOSIGNAL.
func (s *Socket) SendMsg(data, name, control []byte, flags int) (int, Errno) {
	if len(control) > maxControl {
		return 0, ENOBUFS
	}
	name = name[:min(len(name), maxName)] // as sendmsg(2) does
	if err := s.takeLate(); err != 0 {
		return 0, err
	}
	if e := s.packet(); e != nil {
		return s.sendPacket(e, data, name, control, flags)
	}
	var o tcpip.WriteOptions
	if flags&MSG_MORE != 0 {
		o.Flags |= tcpip.WriteMore
	}
	if flags&MSG_OOB != 0 {
		o.Flags |= tcpip.WriteUrgent
	}
	if flags&MSG_ZEROCOPY != 0 {
		o.Flags |= tcpip.WriteZeroCopy
	}
	if flags&MSG_EOR != 0 {
		o.Flags |= tcpip.WriteEndOfRecord
	}
	if flags&MSG_DONTROUTE != 0 {
		o.Flags |= tcpip.WriteDontRoute
	}
	if s.stream() { // which takes no notice of a name
		if err := s.parseStream(control, &o.Control); err != 0 {
			if _, over := s.ep.Write(nil, o); over != nil { // which is complained of first
				return 0, errnoOf(over)
			}
			return 0, err
		}
		if ofDevice(control) {
			return 0, EINVAL
		}
		if flags&MSG_FASTOPEN != 0 {
			return s.sendFast(data, name, o)
		}
		n, err := s.ep.Write(data, o)
		return n, errnoOf(err)
	}
	s.autobind()
	switch {
	case len(data) > 0xffff && (s.kind.family == AF_INET || s.kind.endpoint == tcpip.KindPing):
		return 0, EMSGSIZE
	case s.kind.endpoint == tcpip.KindPing && len(data) < pingHeader:
		return 0, EINVAL
	case flags&MSG_OOB != 0 && (s.kind.family == AF_INET || s.raw() || s.kind.endpoint == tcpip.KindPing):
		return 0, EOPNOTSUPP
	case s.kind.endpoint == tcpip.KindPing && !s.echo(data):
		return 0, EINVAL
	}
	urgent := flags&MSG_OOB != 0
	o.Flags &^= tcpip.WriteEndOfRecord | tcpip.WriteUrgent
	if flags&MSG_PROBE != 0 {
		o.Flags |= tcpip.WriteProbe
	}
	if c, ok := s.ep.(corker); ok && !s.raw() {
		if corked, v6 := c.Corked(); corked {
			if urgent && !v6 {
				return 0, EOPNOTSUPP
			}
			return s.sendMore(data, name, o, v6, urgent)
		}
	}
	if err := s.addressed(&o, name); err != 0 {
		named4 := s.kind.endpoint == tcpip.KindUDP && len(name) >= 2 && familyOf(name) == AF_INET
		if four := o.To.Addr.Is4() || named4 || len(name) == 0 && s.ep.RemoteAddress().Addr.Is4(); err == EINVAL && urgent && four {
			err = EOPNOTSUPP // which IPv4 looks at before the port
		} else if err == EINVAL && four && len(data) > 0xffff && !s.raw() {
			err = EMSGSIZE // and before that at the length
		}
		if err == ENETUNREACH && familyOf(name) == AF_UNSPEC { // the way is looked for last
			if e := s.parseControl(control, netip.IPv6Unspecified(), &o.Control); e != 0 {
				return 0, e
			}
			info := o.Control.PacketInfo
			at := s.nicOf(info.Local)
			free := s.flag(tcpip.IP_FREEBIND) || s.flag(tcpip.IP_TRANSPARENT)
			foreign := info.Local.IsValid() && !info.Local.IsUnspecified() && (info.Local.Unmap().Is4() || at == nil)
			switch {
			case info.NIC != 0 && s.sockets.stack.NIC(info.NIC) == nil:
				return 0, ENODEV
			case foreign && !free:
				return 0, EINVAL
			case info.NIC == 0:
			case info.Local == netip.IPv6Loopback() && at != nil && at.ID() != info.NIC && !free: // which is of one device only
				return 0, EINVAL
			}
		}
		return 0, err
	}
	to := o.To.Addr
	if !to.IsValid() {
		to = s.ep.RemoteAddress().Addr
	}
	if !to.IsValid() {
		if s.kind.family == AF_INET6 {
			to = netip.IPv6Unspecified()
		} else {
			to = netip.IPv4Unspecified()
		}
	}
	if len(data) > 0xffff && to.Is4() && s.kind.endpoint == tcpip.KindUDP {
		return 0, EMSGSIZE
	}
	if urgent && to.Is4() {
		return 0, EOPNOTSUPP
	}
	if o.To == (tcpip.FullAddress{}) && s.ep.RemoteAddress() == (tcpip.FullAddress{}) {
		return 0, EDESTADDRREQ
	}
	if err := s.parseControl(control, to, &o.Control); err != 0 {
		return 0, err
	}
	if to.Is6() {
		if err := s.labelled(&o.Control, s.flowOf(name)); err != 0 {
			return 0, err
		}
	}
	n, err := s.ep.Write(data, o)
	return n, errnoOf(err)
}

// echo reports whether a message of a ping socket is one that may be sent.
func (s *Socket) echo(data []byte) bool {
	echo, extended := byte(header.ICMPv4Echo), byte(42) // RFC 8335 §2
	if s.kind.family == AF_INET6 {
		echo, extended = byte(header.ICMPv6Echo), 160
	}
	return (data[0] == echo || data[0] == extended) && data[1] == 0
}

// corker is an endpoint that makes one datagram of several writes.
type corker interface{ Corked() (corked, v6 bool) }

// sendMore adds to the datagram that is being made. Linux then looks at no control message, and on an IPv6 socket
// alone at the name: it must not mean IPv4 if the datagram is one of IPv6.
func (s *Socket) sendMore(data, name []byte, o tcpip.WriteOptions, v6, urgent bool) (int, Errno) {
	if s.kind.family == AF_INET6 && len(name) > 0 && (len(name) < 2 || familyOf(name) != AF_UNSPEC) {
		if len(name) < 2 {
			return 0, EINVAL
		}
		a, err := s.peer(name)
		switch {
		case err != 0:
			return 0, err
		case a.Addr.Is4() && s.onlySix():
			return 0, ENETUNREACH
		case a.Addr.Is4() && v6 && len(data) > 0xffff:
			return 0, EMSGSIZE
		case a.Addr.Is4() && v6 && urgent:
			return 0, EOPNOTSUPP
		case a.Addr.Is4() && v6:
			return 0, EINVAL
		}
	}
	n, err := s.ep.Write(data, o)
	return n, errnoOf(err)
}

// loopback4 is what :: means to a socket bound to an IPv4 address.
var loopback4 = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// addressed decodes the destination of a datagram. AF_UNSPEC stands for AF_INET on an IPv4 socket, and
// for no address on an IPv6 one.
func (s *Socket) addressed(o *tcpip.WriteOptions, name []byte) Errno {
	if len(name) == 0 {
		// A mapped peer without a port is no peer.
		if r := s.ep.RemoteAddress(); r.Port == 0 && r.Addr.Is4() && s.kind.family == AF_INET6 && s.kind.endpoint == tcpip.KindUDP {
			return EINVAL
		}
		return 0
	}
	if len(name) < 2 {
		return EINVAL
	}
	var err Errno
	switch {
	case s.kind.family == AF_INET6 && s.raw():
		return s.addressedRaw6(o, name)
	case s.kind.family == AF_INET6 && s.kind.endpoint == tcpip.KindPing:
		switch {
		case len(name) < sizeofSockaddrIn6:
			return EINVAL
		case familyOf(name) != AF_INET6:
			return EAFNOSUPPORT
		}
		o.To = decode6(name)
	case familyOf(name) != AF_UNSPEC:
		o.To, err = s.peer(name)
		if err == EAFNOSUPPORT && s.kind.family == AF_INET6 && familyOf(name) == AF_INET {
			return ENETUNREACH // with IPV6_V6ONLY
		}
		if only, _ := s.getInt(tcpip.IPV6_V6ONLY); err == 0 && o.To.Addr.Is4() && s.kind.family == AF_INET6 && only != 0 {
			return ENETUNREACH
		}
		if o.To.Addr == netip.IPv6Unspecified() && s.ep.LocalAddress().Addr.Is4() {
			o.To.Addr = loopback4
		}
	case s.kind.family == AF_INET6:
		if s.ep.RemoteAddress().Addr.Is4() {
			return ENETUNREACH // the mapped address is then taken for one of IPv6
		}
		return 0
	case s.kind.endpoint == tcpip.KindPing:
		return EAFNOSUPPORT
	case len(name) < sizeofSockaddrIn:
		return EINVAL
	default:
		o.To = decode4(name)
	}
	if err == 0 && o.To.Port == 0 && s.kind.endpoint == tcpip.KindUDP {
		return EINVAL
	}
	return err
}

// RecvMsg is recvmsg(2) into one buffer. After shutdown for reading a datagram socket without data
// gives EAGAIN with MSG_DONTWAIT and 0 bytes without, as on Linux.
//
// Errors: EAGAIN, ENOTCONN, and a pending error of the socket.
func (s *Socket) RecvMsg(data, control []byte, flags int) (Received, Errno) {
	if flags&MSG_ERRQUEUE == 0 {
		if err := s.takeLate(); err != 0 {
			return Received{}, err
		}
	}
	if e := s.packet(); e != nil {
		return s.receivePacket(e, data, control, flags)
	}
	var o tcpip.ReadOptions
	if flags&MSG_PEEK != 0 {
		o.Flags |= tcpip.ReadPeek
	}
	if flags&MSG_ERRQUEUE != 0 {
		o.Flags |= tcpip.ReadError
	}
	w := controlWriter{b: control}
	if s.stream() {
		return s.receiveStream(data, &w, flags, o)
	}
	if flags&MSG_TRUNC != 0 {
		o.Flags |= tcpip.ReadWhole
	}
	if flags&MSG_OOB != 0 && (s.kind.endpoint == tcpip.KindPing || s.raw()) {
		return Received{}, EOPNOTSUPP
	}
	r, err := s.ep.Read(data, o)
	if err != nil {
		return Received{}, errnoOf(err)
	}
	if !r.From.Addr.IsValid() && flags&MSG_ERRQUEUE == 0 {
		if flags&MSG_DONTWAIT != 0 {
			return Received{}, EAGAIN
		}
		return Received{}, 0
	}
	if r.Control.Has&tcpip.HasPathMTU != 0 {
		w.pathMTU(&r)
		return Received{Name: encode(AF_INET6, r.From), Control: w.used, Flags: w.flags}, 0
	}
	out := Received{N: r.Count}
	if r.From.Addr.IsValid() {
		out.Name = encode(s.kind.family, r.From)
	}
	if flags&MSG_ERRQUEUE != 0 {
		out.Flags = MSG_ERRQUEUE
		w.received(s, &r)
		w.report(s, &r)
	} else {
		if !s.hasRead.Load() {
			s.hasRead.Store(true)
		}
		w.received(s, &r)
	}
	if len(data) <= r.Total-r.Skipped && len(data) < r.Total { // as measured
		out.Flags |= MSG_TRUNC
	}
	if flags&MSG_TRUNC != 0 && flags&MSG_ERRQUEUE == 0 && s.kind.endpoint != tcpip.KindPing {
		out.N = r.Total
	}
	out.Flags |= w.flags
	out.Control = w.used
	return out, 0
}

func (s *Socket) receiveStream(data []byte, w *controlWriter, flags int, o tcpip.ReadOptions) (Received, Errno) {
	if flags&MSG_OOB != 0 {
		o.Flags |= tcpip.ReadUrgent
	}
	if flags&MSG_TRUNC != 0 {
		o.Flags |= tcpip.ReadDiscard
	}
	r, err := s.ep.Read(data, o)
	if err != nil {
		return Received{}, errnoOf(err)
	}
	out := Received{N: r.Count}
	if r.Control.Has&(tcpip.HasTimestamp|tcpip.HasTimestamping) != 0 && flags&MSG_OOB == 0 {
		w.timestamps(s, &r.Control)
	}
	if r.Control.Has&tcpip.HasError != 0 {
		w.report(s, &r)
		out.Flags = MSG_ERRQUEUE
		if r.From.Addr.IsValid() {
			out.Name = encode(s.kind.family, r.From)
		}
		if r.Total > r.Count {
			out.Flags |= MSG_TRUNC
		}
	}
	if r.Control.Has&tcpip.HasUnread != 0 {
		w.int(tcp.TCP_INQ, r.Control.Unread)
	}
	if flags&MSG_OOB != 0 && r.Total > 0 {
		out.Flags |= MSG_OOB
		if r.Count == 0 {
			out.Flags |= MSG_TRUNC
		}
	}
	out.Flags |= w.flags
	out.Control = w.used
	return out, 0
}
