package linux

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/tcpip"
)

// The options of IPPROTO_UDP that the table of tcpip lacks.
const (
	UDP_ENCAP           tcpip.OptionID = IPPROTO_UDP<<16 | 100
	UDPLITE_SEND_CSCOV  tcpip.OptionID = IPPROTO_UDP<<16 | 10
	UDPLITE_RECV_CSCOV  tcpip.OptionID = IPPROTO_UDP<<16 | 11
	udpEncapsulationOff                = 0
)

// udpOthers are those that are refused, as far as they would do something, and say that they are off.
var udpOthers = map[tcpip.OptionID]other{
	UDP_ENCAP: {on: tcpip.KindUDP, set: setEncapsulation, get: constant(udpEncapsulationOff),
		name: "UDP_ENCAP", form: "int", byDefault: "0", doc: "0 is taken. ENOPROTOOPT for everything else: there is no IPsec, L2TP or GTP to hand datagrams to."},
	UDPLITE_SEND_CSCOV: {on: tcpip.KindUDP, set: refuse, get: constant(0),
		name: "UDPLITE_SEND_CSCOV", form: "int (bytes)", byDefault: "0", hint: true, doc: "Of UDP-Lite alone. Read only."},
	UDPLITE_RECV_CSCOV: {on: tcpip.KindUDP, set: refuse, get: constant(0),
		name: "UDPLITE_RECV_CSCOV", form: "int (bytes)", byDefault: "0", hint: true, doc: "Of UDP-Lite alone. Read only."},
}

func setEncapsulation(_ *Socket, v []byte) Errno {
	switch {
	case len(v) < 4:
		return EINVAL
	case binary.NativeEndian.Uint32(v) != udpEncapsulationOff:
		return ENOPROTOOPT
	}
	return 0
}
