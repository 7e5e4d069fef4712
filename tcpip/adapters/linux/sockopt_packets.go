package linux

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// Streams have no control messages of the network's headers. What they would say of the packet that a connection began
// with can be asked for: IP_PKTOPTIONS, IPV6_2292PKTOPTIONS, and the options of multicast, which are of no other use.

// began returns the packet that the connection of a stream began with; of one that was not accepted it is what Linux
// shows then.
func (s *Socket) began() tcp.Beginning {
	if e, ok := s.ep.(*tcp.Endpoint); ok {
		if b := e.Began(); b.NIC != 0 {
			return b
		}
	}
	return tcp.Beginning{V4: s.kind.family == AF_INET, TTL: 1}
}

// began4 is began for the options of IPv4, which know nothing of IPv6.
func (s *Socket) began4() tcp.Beginning {
	if b := s.began(); b.V4 {
		return b
	}
	return tcp.Beginning{TTL: 1}
}

func streamTTL(s *Socket, _ int) ([]byte, Errno) { return word32(int(s.began4().TTL)), 0 }

func streamHops(s *Socket, _ int) ([]byte, Errno) { return word32(int(s.began().TTL)), 0 }

func streamIF(s *Socket, _ int) ([]byte, Errno) { return word32(int(s.began().NIC)), 0 }

func word32(v int) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(v)) }

// localOfSix is the IPv4 address of sockets that are bound to one of IPv6.
var localOfSix = netip.AddrFrom4([4]byte{127, 0, 0, 6})

// packetOptions is IP_PKTOPTIONS.
func (s *Socket) packetOptions(size int) ([]byte, Errno) {
	w, b := controlWriter{b: make([]byte, size)}, s.began4()
	if s.flag4(tcpip.IP_PKTINFO) {
		local := s.ep.LocalAddress().Addr
		if local.Is6() && !local.IsUnspecified() {
			local = localOfSix
		}
		w.packetInfo4(tcpip.PacketInfo{NIC: b.NIC, Local: local, Destination: local})
	}
	if s.flag4(tcpip.IP_RECVTTL) {
		w.int(tcpip.IP_TTL, int(b.TTL))
	}
	if s.flag4(tcpip.IP_RECVTOS) {
		w.int(tcpip.IP_TOS, int(b.Class))
	}
	return w.b[:w.used], 0
}

// oldPacketOptions is IPV6_2292PKTOPTIONS. Where a connection has begun with IPv6, a program is shown its own address
// and port.
func (s *Socket) oldPacketOptions(size int) ([]byte, Errno) {
	if !s.stream() {
		return nil, ENOPROTOOPT
	}
	w, b := controlWriter{b: make([]byte, size)}, s.began()
	info := tcpip.PacketInfo{NIC: b.NIC, Destination: netip.IPv6Unspecified()}
	six := b.NIC != 0 && !b.V4
	local := s.ep.LocalAddress()
	switch {
	case six:
		info.Destination = local.Addr
	case b.NIC != 0:
		info.Destination = netip.AddrFrom16(s.ep.RemoteAddress().Addr.As16())
		b.Class = 0
	}
	hops, class := int(b.TTL), int(b.Class)
	if s.flag4(tcpip.IPV6_RECVPKTINFO) {
		w.packetInfo6(info)
	}
	if s.flag4(tcpip.IPV6_RECVHOPLIMIT) {
		w.int(IPV6_HOPLIMIT, hops)
	}
	if s.flag4(tcpip.IPV6_RECVTCLASS) {
		w.int(tcpip.IPV6_TCLASS, class)
	}
	if s.flag4(tcpip.IPV6_2292PKTINFO) {
		ip := info.Destination.As16()
		w.bytes(tcpip.IPV6_2292PKTINFO, binary.NativeEndian.AppendUint32(ip[:], uint32(info.NIC)))
	}
	if s.flag4(tcpip.IPV6_2292HOPLIMIT) {
		w.int(tcpip.IPV6_2292HOPLIMIT, hops)
	}
	if flow := uint32(class) << 20; s.flag4(tcpip.IPV6_FLOWINFO) && (!six || flow != 0) {
		w.bytes(tcpip.IPV6_FLOWINFO, binary.BigEndian.AppendUint32(nil, flow))
	}
	if six && s.flag4(tcpip.IPV6_RECVORIGDSTADDR) {
		w.bytes(tcpip.IPV6_RECVORIGDSTADDR, encode(AF_INET6, local))
	}
	return w.b[:w.used], 0
}
