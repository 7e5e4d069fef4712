package linux

import (
	"bytes"
	"encoding/binary"
	"math"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// socketOthers are those of SOL_SOCKET.
var socketOthers = map[tcpip.OptionID]other{
	SO_TYPE: {on: tcpip.KindAny, set: refuse, get: telling(func(s *Socket) int { return s.kind.typ }),
		name: "SO_TYPE", form: "int",
		doc: "Type of the socket: SOCK_STREAM, SOCK_DGRAM, SOCK_RAW. Read only."},
	SO_DOMAIN: {on: tcpip.KindAny, set: refuse, get: telling(func(s *Socket) int { return s.kind.family }),
		name: "SO_DOMAIN", form: "int",
		doc: "Address family of the socket. Read only."},
	SO_PROTOCOL: {on: tcpip.KindAny, set: refuse, get: telling(func(s *Socket) int { return s.kind.proto }),
		name: "SO_PROTOCOL", form: "int",
		doc: "Protocol of the socket. Read only."},
	SO_ERROR: {on: tcpip.KindAny, set: refuse, get: telling(func(s *Socket) int { return int(s.takeError()) }),
		name: "SO_ERROR", form: "int (errno)", byDefault: "0",
		doc: "The pending error, which reading clears. Read only."},
	SO_ACCEPTCONN: {on: tcpip.KindAny, set: refuse, get: telling(listening),
		name: "SO_ACCEPTCONN", form: "bool", byDefault: "0",
		doc: "Whether the socket listens. Read only."},
	SO_PEERNAME: {on: tcpip.KindAny, set: refuse, get: (*Socket).peerName,
		name: "SO_PEERNAME", form: "struct sockaddr",
		doc: "Address of the peer, in a buffer no longer than it. Read only."},
	SO_SNDBUFFORCE: {on: tcpip.KindAny, set: force(tcpip.SO_SNDBUF),
		name: "SO_SNDBUFFORCE", form: "int (bytes)",
		doc: "SO_SNDBUF without the limit of net.core.wmem_max. Write only."},
	SO_RCVBUFFORCE: {on: tcpip.KindAny, set: force(tcpip.SO_RCVBUF),
		name: "SO_RCVBUFFORCE", form: "int (bytes)",
		doc: "SO_RCVBUF without the limit of net.core.rmem_max. Write only."},
	SO_BINDTODEVICE: {on: tcpip.KindAny, set: (*Socket).bindToDevice, get: (*Socket).boundDevice,
		name: "SO_BINDTODEVICE", form: "string",
		doc: "Name of the only interface to send and receive through; empty for any."},
	SO_RCVTIMEO: {on: tcpip.KindAny, set: setTimeout(SO_RCVTIMEO), get: getTimeout(SO_RCVTIMEO),
		name: "SO_RCVTIMEO", form: "struct timeval", byDefault: "0 0",
		doc: "How long a receive waits; the waiting is the runtime's (Socket.ReceiveTimeout). 0 is for ever."},
	SO_RCVTIMEO_NEW: {on: tcpip.KindAny, set: setTimeout(SO_RCVTIMEO), get: getTimeout(SO_RCVTIMEO),
		name: "SO_RCVTIMEO_NEW", form: "struct timeval", byDefault: "0 0", doc: "SO_RCVTIMEO under another number."},
	SO_SNDTIMEO_NEW: {on: tcpip.KindAny, set: setTimeout(SO_SNDTIMEO), get: getTimeout(SO_SNDTIMEO),
		name: "SO_SNDTIMEO_NEW", form: "struct timeval", byDefault: "0 0", doc: "SO_SNDTIMEO under another number."},
	SO_SNDTIMEO: {on: tcpip.KindAny, set: setTimeout(SO_SNDTIMEO), get: getTimeout(SO_SNDTIMEO),
		name: "SO_SNDTIMEO", form: "struct timeval", byDefault: "0 0",
		doc: "How long a send waits; the waiting is the runtime's (Socket.SendTimeout). 0 is for ever."},
	tcpip.SO_LINGER: {on: tcpip.KindAny, set: (*Socket).setLinger, get: (*Socket).linger,
		name: "SO_LINGER", form: "struct linger", byDefault: "0 0",
		doc: "What close does with unsent data. On and 0 seconds resets the connection. Datagram sockets store it."},
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
	s.tellFlow(b)
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
		err := errnoOf(s.ep.SetOption(id, max(int(int32(binary.NativeEndian.Uint32(v))), 0)))
		if err == 0 {
			s.lockBuffer(id)
		}
		return err
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
