package linux

import (
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// unreader is an endpoint that says how much a read would return.
type unreader interface{ Unread() int }

// unsender is an endpoint that says how much it has yet to get rid of.
type unsender interface{ Unsent() int }

// Ioctl is ioctl(2) for the requests whose result is an int: FIONREAD, SIOCOUTQ and, for TCP, SIOCOUTQNSD and
// SIOCATMARK.
//
// Errors: EINVAL on a listening socket, ENOTTY for another request.
func (s *Socket) Ioctl(request uint32) (int, Errno) {
	e, stream := s.ep.(*tcp.Endpoint)
	if stream && (request == FIONREAD || request == SIOCOUTQ || request == SIOCOUTQNSD) {
		switch e.State() {
		case tcp.StateListen:
			return 0, EINVAL
		case tcp.StateSynSent, tcp.StateSynRcvd: // the SYN does not count
			return 0, 0
		}
	}
	if s.kind.endpoint == tcpip.KindPing {
		return 0, ENOTTY
	}
	switch request {
	case FIONREAD:
		if u, ok := s.ep.(unreader); ok {
			return u.Unread(), 0
		}
	case SIOCOUTQ:
		if u, ok := s.ep.(unsender); ok {
			return u.Unsent(), 0
		}
	case SIOCOUTQNSD:
		if stream {
			return e.NotSent(), 0
		}
	case SIOCATMARK:
		if stream {
			if e.AtMark() {
				return 1, 0
			}
			return 0, 0
		}
	}
	return 0, ENOTTY
}
