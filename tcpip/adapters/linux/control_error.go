package linux

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/tcpip"
)

// report writes an entry of the error queue: a struct sock_extended_err and the offender's address, in the form of
// the socket's family.
func (w *controlWriter) report(s *Socket, r *tcpip.Received) {
	e := &r.Control.Err
	b := binary.NativeEndian.AppendUint32(nil, uint32(e.Err.Errno()))
	b = append(b, byte(e.Origin), e.Type, e.Code, 0)
	b = binary.NativeEndian.AppendUint32(b, e.Info)
	b = binary.NativeEndian.AppendUint32(b, e.Data)
	id, size := tcpip.IP_RECVERR, sizeofSockaddrIn
	if s.kind.family == AF_INET6 {
		id, size = tcpip.IPV6_RECVERR, sizeofSockaddrIn6
	}
	if e.Offender.IsValid() {
		b = append(b, encode(s.kind.family, tcpip.FullAddress{Addr: e.Offender})...)
	} else {
		b = append(b, make([]byte, size)...)
	}
	w.bytes(id, b)
}
