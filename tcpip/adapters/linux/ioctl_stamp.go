package linux

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/tcpip"
)

// The requests for the time of the datagram that was read last: as a struct timeval or timespec, and the same under
// other numbers.
const (
	SIOCGSTAMP       = 0x8906
	SIOCGSTAMPNS     = 0x8907
	SIOCGSTAMP_NEW   = 0x80108906
	SIOCGSTAMPNS_NEW = 0x80108907
)

// stampRequests are these, and whether they are about nanoseconds.
var stampRequests = map[uint32]bool{SIOCGSTAMP: false, SIOCGSTAMPNS: true, SIOCGSTAMP_NEW: false, SIOCGSTAMPNS_NEW: true}

// arrivalKeeper is an endpoint that remembers when the datagram that was read last had arrived, from the first
// question on.
type arrivalKeeper interface {
	LastArrival() (tcpip.Time, bool)
}

// lastStamp answers one. Of a datagram that was read before the first question Linux does not know the time, and says
// the present one.
//
// Errors: ENOENT if nothing was read yet, EFAULT for too short an argument.
func (s *Socket) lastStamp(nano bool, arg []byte) Errno {
	if len(arg) < 16 {
		return EFAULT
	}
	var at tcpip.Time
	known := false
	if k, ok := s.ep.(arrivalKeeper); ok {
		at, known = k.LastArrival()
	}
	switch {
	case known:
	case s.hasRead.Load():
		at = s.sockets.stack.Now()
	default:
		return ENOENT
	}
	t := s.sockets.stack.Clock().Wall(at)
	part := t.Nanosecond()
	if !nano {
		part /= 1000
	}
	binary.NativeEndian.PutUint64(arg, uint64(t.Unix()))
	binary.NativeEndian.PutUint64(arg[8:], uint64(part))
	return 0
}
