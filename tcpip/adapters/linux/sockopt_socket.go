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
	SO_TYPE:         {tcpip.KindIP, refuse, telling(func(s *Socket) int { return s.kind.typ }), false},
	SO_DOMAIN:       {tcpip.KindIP, refuse, telling(func(s *Socket) int { return s.kind.family }), false},
	SO_PROTOCOL:     {tcpip.KindIP, refuse, telling(func(s *Socket) int { return s.kind.proto }), false},
	SO_ERROR:        {tcpip.KindIP, refuse, telling(func(s *Socket) int { return int(errnoOf(s.ep.LastError())) }), false},
	SO_ACCEPTCONN:   {tcpip.KindIP, refuse, telling(listening), false},
	SO_PEERNAME:     {tcpip.KindIP, refuse, (*Socket).peerName, false},
	SO_SNDBUFFORCE:  {tcpip.KindIP, force(tcpip.SO_SNDBUF), nil, false},
	SO_RCVBUFFORCE:  {tcpip.KindIP, force(tcpip.SO_RCVBUF), nil, false},
	SO_BINDTODEVICE: {tcpip.KindIP, (*Socket).bindToDevice, (*Socket).boundDevice, false},
	SO_RCVTIMEO:     {tcpip.KindIP, setTimeout(SO_RCVTIMEO), getTimeout(SO_RCVTIMEO), false},
	SO_SNDTIMEO:     {tcpip.KindIP, setTimeout(SO_SNDTIMEO), getTimeout(SO_SNDTIMEO), false},
	tcpip.SO_LINGER: {tcpip.KindIP, (*Socket).setLinger, (*Socket).linger, false},
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
