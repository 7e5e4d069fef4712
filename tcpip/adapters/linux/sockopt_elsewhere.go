package linux

import "github.com/seed963a8790/netstack/tcpip"

// elsewhereOthers are options of one kind of sockets that others can be asked for.
var elsewhereOthers = map[tcpip.OptionID]other{
	tcpip.IP_HDRINCL: {on: tcpip.KindTCP | tcpip.KindUDP | tcpip.KindPing, get: constant(0), small: true,
		set:  func(*Socket, []byte) Errno { return ENOPROTOOPT },
		name: "IP_HDRINCL", form: "bool", byDefault: "0", hint: true, doc: "Of raw sockets; others can read it."},
}
