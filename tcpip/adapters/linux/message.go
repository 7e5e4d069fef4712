package linux

import (
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip"
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
	switch {
	case len(name) > maxName:
		return 0, EINVAL
	case len(control) > maxControl:
		return 0, ENOBUFS
	}
	var o tcpip.WriteOptions
	if flags&MSG_MORE != 0 {
		o.Flags |= tcpip.WriteMore
	}
	if flags&MSG_OOB != 0 {
		o.Flags |= tcpip.WriteUrgent
	}
	if flags&MSG_EOR != 0 {
		o.Flags |= tcpip.WriteEndOfRecord
	}
	if s.stream() { // which takes no notice of a name
		n, err := s.ep.Write(data, o)
		return n, errnoOf(err)
	}
	s.autobind()
	switch {
	case len(data) > 0xffff && s.kind.family == AF_INET:
		return 0, EMSGSIZE
	case s.kind.endpoint == tcpip.KindPing && len(data) < pingHeader:
		return 0, EINVAL
	case flags&MSG_OOB != 0 && s.kind.family == AF_INET:
		return 0, EOPNOTSUPP
	}
	o.Flags &^= tcpip.WriteEndOfRecord | tcpip.WriteUrgent
	if err := s.addressed(&o, name); err != 0 {
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
	if o.To == (tcpip.FullAddress{}) && s.ep.RemoteAddress() == (tcpip.FullAddress{}) {
		return 0, EDESTADDRREQ
	}
	if err := s.parseControl(control, to, &o.Control); err != 0 {
		return 0, err
	}
	n, err := s.ep.Write(data, o)
	return n, errnoOf(err)
}

// addressed decodes the destination of a datagram. AF_UNSPEC stands for AF_INET on an IPv4 socket, and
// for no address on an IPv6 one.
func (s *Socket) addressed(o *tcpip.WriteOptions, name []byte) Errno {
	if len(name) == 0 {
		return 0
	}
	if len(name) < 2 {
		return EINVAL
	}
	var err Errno
	switch {
	case familyOf(name) != AF_UNSPEC:
		o.To, err = s.peer(name)
	case s.kind.family == AF_INET6:
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
	if flags&MSG_OOB != 0 && s.kind.endpoint == tcpip.KindPing {
		return Received{}, EOPNOTSUPP
	}
	r, err := s.ep.Read(data, o)
	if err != nil {
		return Received{}, errnoOf(err)
	}
	if !r.From.Addr.IsValid() {
		if flags&MSG_DONTWAIT != 0 {
			return Received{}, EAGAIN
		}
		return Received{}, 0
	}
	out := Received{N: r.Count, Name: encode(s.kind.family, r.From)}
	if flags&MSG_ERRQUEUE != 0 {
		out.Flags = MSG_ERRQUEUE
		w.report(s, &r)
	} else {
		w.received(s, &r)
	}
	if r.Total > r.Count {
		out.Flags |= MSG_TRUNC
		if flags&MSG_TRUNC != 0 && flags&MSG_ERRQUEUE == 0 {
			out.N = r.Total
		}
	}
	out.Flags |= w.flags
	out.Control = w.used
	return out, 0
}

func (s *Socket) receiveStream(data []byte, w *controlWriter, flags int, o tcpip.ReadOptions) (Received, Errno) {
	if flags&MSG_OOB != 0 {
		o.Flags |= tcpip.ReadUrgent
	}
	if flags&MSG_TRUNC != 0 && flags&MSG_PEEK == 0 {
		data = make([]byte, len(data)) // taken and thrown away
	}
	r, err := s.ep.Read(data, o)
	if err != nil {
		if flags&MSG_OOB != 0 && err == tcpip.ErrNotConnected && listening(s) == 0 {
			err = tcpip.ErrInvalid
		}
		return Received{}, errnoOf(err)
	}
	out := Received{N: r.Count}
	if r.Control.Has&tcpip.HasError != 0 {
		w.report(s, &r)
		out.Flags = MSG_ERRQUEUE
	}
	if flags&MSG_OOB != 0 {
		out.Flags |= MSG_OOB
	}
	out.Flags |= w.flags
	out.Control = w.used
	return out, 0
}
