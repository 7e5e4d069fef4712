package linux

import (
	"bytes"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// tcpOthers are those of IPPROTO_TCP.
var tcpOthers = map[tcpip.OptionID]other{
	TCP_CONGESTION: {tcpip.KindTCP, (*Socket).setCongestion, (*Socket).congestion, false},
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
