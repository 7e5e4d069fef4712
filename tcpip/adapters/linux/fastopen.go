package linux

import (
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// sendFast is sendmsg(2) with MSG_FASTOPEN on a socket that does not wait: it connects, and sends what of data goes
// with the SYN. A socket that waits goes on, where data was taken as well as after EINPROGRESS, when the handshake is
// over; Opening tells. The name is looked at only where a connection begins.
//
// Errors: EOPNOTSUPP where clients have no fast open, and for AF_UNSPEC; EINPROGRESS where the SYN carries no data;
// EALREADY, EISCONN, and those of Connect.
func (s *Socket) sendFast(data, name []byte, o tcpip.WriteOptions) (int, Errno) {
	e := s.ep.(*tcp.Endpoint)
	if !e.MayConnectWrite() || len(name) >= 2 && familyOf(name) == AF_UNSPEC {
		return 0, EOPNOTSUPP
	}
	var a tcpip.FullAddress
	err := EINVAL
	if len(name) >= 2 {
		a, err = s.peer(name)
	}
	opens := e.Opens()
	if opens && err != 0 || len(name) == 1 {
		return 0, err
	}
	if opens && a.Addr.Is6() {
		if err := s.connectFlow(name); err != 0 {
			return 0, err
		}
	}
	if a == (tcpip.FullAddress{}) {
		a.Addr = netip.IPv4Unspecified()
	}
	n, failed := e.ConnectWrite(a, data, o)
	return n, errnoOf(failed)
}

// Opening reports whether a stream's handshake is under way, which a send with MSG_FASTOPEN, or one on a socket with
// TCP_FASTOPEN_CONNECT, waits for on a socket that waits.
func (s *Socket) Opening() bool {
	e, ok := s.ep.(*tcp.Endpoint)
	return ok && e.State() == tcp.StateSynSent && !e.Deferred()
}
