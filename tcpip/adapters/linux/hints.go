package linux

import (
	"math"
	"slices"

	"github.com/seed963a8790/netstack/tcpip"
)

// hint is an option that is stored, and of which a program can observe no more on this kind of socket: on
// Linux it steers what the stack does not have, or nothing.
type hint struct {
	id        tcpip.OptionID
	name      string
	on        tcpip.EndpointKinds
	min, max  int
	flag      bool
	byDefault int
}

var hints = slices.Concat(ipHints, []hint{
	{id: SO_DEBUG, name: "SO_DEBUG", on: tcpip.KindAny, flag: true},
	{id: SO_WIFI_STATUS, name: "SO_WIFI_STATUS", on: tcpip.KindAny, flag: true},
	{id: SO_NOFCS, name: "SO_NOFCS", on: tcpip.KindAny, flag: true},
	{id: SO_SELECT_ERR_QUEUE, name: "SO_SELECT_ERR_QUEUE", on: tcpip.KindAny, flag: true},
	{id: SO_PREFER_BUSY_POLL, name: "SO_PREFER_BUSY_POLL", on: tcpip.KindAny, flag: true},
	{id: tcpip.SO_KEEPALIVE, name: "SO_KEEPALIVE", on: tcpip.KindPacket, flag: true},
	{id: tcpip.SO_OOBINLINE, name: "SO_OOBINLINE", on: tcpip.KindPacket, flag: true},
	{id: tcpip.SO_NO_CHECK, name: "SO_NO_CHECK", on: tcpip.KindPacket, flag: true},
	{id: SO_BUSY_POLL, name: "SO_BUSY_POLL", on: tcpip.KindPacket, max: math.MaxInt32},
	{id: SO_DONTROUTE, name: "SO_DONTROUTE", on: tcpip.KindPacket, flag: true},
	{id: tcpip.SO_KEEPALIVE, name: "SO_KEEPALIVE", on: tcpip.KindDatagram, flag: true},
	{id: tcpip.SO_OOBINLINE, name: "SO_OOBINLINE", on: tcpip.KindDatagram, flag: true},
	{id: tcpip.SO_NO_CHECK, name: "SO_NO_CHECK", on: tcpip.KindTCP | tcpip.KindPing | tcpip.KindRaw, flag: true},
	{id: SO_BUSY_POLL, name: "SO_BUSY_POLL", on: tcpip.KindIP, max: math.MaxInt32},
	{id: tcpip.IP_PKTINFO, name: "IP_PKTINFO", on: tcpip.KindTCP, flag: true},
	{id: tcpip.IP_RECVTTL, name: "IP_RECVTTL", on: tcpip.KindTCP, flag: true},
	{id: tcpip.IP_RECVTOS, name: "IP_RECVTOS", on: tcpip.KindTCP, flag: true},
	{id: tcpip.IP_MULTICAST_LOOP, name: "IP_MULTICAST_LOOP", on: tcpip.KindTCP, flag: true, byDefault: 1},
	{id: tcpip.IP_MULTICAST_ALL, name: "IP_MULTICAST_ALL", on: tcpip.KindTCP, flag: true, byDefault: 1},
	{id: tcpip.IP_MINTTL, name: "IP_MINTTL", on: tcpip.KindDatagram, max: 255},
	{id: tcpip.IPV6_V6ONLY, name: "IPV6_V6ONLY", on: tcpip.KindPing, flag: true, byDefault: 1},
	{id: tcpip.IPV6_RECVPKTINFO, name: "IPV6_RECVPKTINFO", on: tcpip.KindTCP, flag: true},
	{id: tcpip.IPV6_RECVHOPLIMIT, name: "IPV6_RECVHOPLIMIT", on: tcpip.KindTCP, flag: true},
	{id: tcpip.IPV6_RECVTCLASS, name: "IPV6_RECVTCLASS", on: tcpip.KindTCP, flag: true},
	{id: tcpip.IPV6_DONTFRAG, name: "IPV6_DONTFRAG", on: tcpip.KindTCP, flag: true},
	{id: tcpip.IPV6_MULTICAST_ALL, name: "IPV6_MULTICAST_ALL", on: tcpip.KindTCP, flag: true, byDefault: 1},
	{id: tcpip.IPV6_MULTICAST_LOOP, name: "IPV6_MULTICAST_LOOP", on: tcpip.KindTCP, flag: true, byDefault: 1},
})

func findHint(id tcpip.OptionID, on tcpip.EndpointKinds) *hint {
	for i := range hints {
		if hints[i].id == id && hints[i].on&on != 0 {
			return &hints[i]
		}
	}
	return nil
}

func (s *Socket) setHint(h *hint, v int) Errno {
	switch {
	case h.id == tcpip.IPV6_V6ONLY && s.ep.LocalAddress().Port != 0:
		return EINVAL
	case strict[h.id] && v != 0 && v != 1:
		return EINVAL
	case h.flag && v != 0:
		v = 1
	case !h.flag && (v < h.min || v > h.max):
		return EINVAL
	}
	s.mu.Lock()
	s.store(h.id, v)
	s.mu.Unlock()
	return 0
}

// store keeps a value in the socket. The lock is held, or nobody else has the socket.
func (s *Socket) store(id tcpip.OptionID, v int) {
	if s.stored == nil {
		s.stored = map[tcpip.OptionID]int{}
	}
	s.stored[id] = v
}
