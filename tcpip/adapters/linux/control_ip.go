package linux

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// received4 writes what is said of the headers of an IPv4 datagram, behind its TOS.
func (w *controlWriter) received4(s *Socket, c *tcpip.Control) {
	if c.Has&tcpip.HasNetwork != 0 {
		h := header.IPv4(c.Network)
		if s.flag(tcpip.IP_RECVOPTS) {
			w.bytes(tcpip.IP_RECVOPTS, h.CleanOptions())
		}
		if s.flag(tcpip.IP_RETOPTS) {
			if echo, ok := header.EchoIPv4Options(h); ok {
				w.bytes(tcpip.IP_RETOPTS, echo)
			} else {
				w.flags |= MSG_CTRUNC
			}
		}
	}
	if c.Has&tcpip.HasOriginal != 0 {
		w.bytes(tcpip.IP_RECVORIGDSTADDR, encode(AF_INET, tcpip.FullAddress{Addr: c.Original.Addr(), Port: c.Original.Port()}))
	}
	if c.Has&tcpip.HasSum != 0 {
		w.int(tcpip.IP_CHECKSUM, int(c.Sum))
	}
	if c.Has&tcpip.HasFragment != 0 {
		w.int(tcpip.IP_RECVFRAGSIZE, c.Fragment)
	}
}

// received6 writes what is said of the headers of an IPv6 datagram, behind its traffic class.
func (w *controlWriter) received6(s *Socket, r *tcpip.Received) {
	c := &r.Control
	if c.Has&tcpip.HasFlowInfo != 0 {
		w.bytes(tcpip.IPV6_FLOWINFO, binary.BigEndian.AppendUint32(nil, c.FlowInfo))
	}
	var list []header.IPv6ExtHeader
	if c.Has&tcpip.HasNetwork != 0 {
		list = header.IPv6ExtHeaders(c.Network)
	}
	w.extensions(s, list)
	w.oldInfo(s, c)
	w.oldExtensions(s, list)
	if c.Has&tcpip.HasOriginal != 0 {
		a := tcpip.FullAddress{Addr: c.Original.Addr(), Port: c.Original.Port()}
		if scoped(a.Addr) {
			a.NIC = r.From.NIC
		}
		w.bytes(tcpip.IPV6_RECVORIGDSTADDR, encode(AF_INET6, a))
	}
	if c.Has&tcpip.HasFragment != 0 {
		w.int(tcpip.IPV6_RECVFRAGSIZE, c.Fragment)
	}
}

// The messages with extension headers by RFC 3542, and the options that ask for them.
var newExtensions = map[header.Protocol]struct{ flag, message tcpip.OptionID }{
	header.ProtocolRouting:     {tcpip.IPV6_RECVRTHDR, IPV6_RTHDR},
	header.ProtocolDestOptions: {tcpip.IPV6_RECVDSTOPTS, IPV6_DSTOPTS},
}

// extensions writes the extension headers by RFC 3542: the hop-by-hop options, then others as they came.
func (w *controlWriter) extensions(s *Socket, list []header.IPv6ExtHeader) {
	for _, h := range list {
		if h.Protocol == header.ProtocolHopByHop && s.flag(tcpip.IPV6_RECVHOPOPTS) {
			w.bytes(IPV6_HOPOPTS, h.Bytes)
		}
	}
	for _, h := range list {
		if m, ok := newExtensions[h.Protocol]; ok && s.flag(m.flag) {
			w.bytes(m.message, h.Bytes)
		}
	}
}

// oldInfo writes packet info and hop limit by RFC 2292.
func (w *controlWriter) oldInfo(s *Socket, c *tcpip.Control) {
	if c.Has&tcpip.HasPacketInfo != 0 && s.flag(tcpip.IPV6_2292PKTINFO) {
		ip := c.PacketInfo.Destination.As16()
		w.bytes(tcpip.IPV6_2292PKTINFO, binary.NativeEndian.AppendUint32(ip[:], uint32(c.PacketInfo.NIC)))
	}
	if c.Has&tcpip.HasHopLimit != 0 && s.flag(tcpip.IPV6_2292HOPLIMIT) {
		w.int(tcpip.IPV6_2292HOPLIMIT, int(c.HopLimit))
	}
}

// oldExtensions writes the extension headers by RFC 2292: hop-by-hop options, destination options in front of a
// routing header, that, and those behind. Of several of a kind it is the last.
func (w *controlWriter) oldExtensions(s *Socket, list []header.IPv6ExtHeader) {
	var hop, before, routing, options []byte
	for _, h := range list {
		switch h.Protocol {
		case header.ProtocolHopByHop:
			hop = h.Bytes
		case header.ProtocolRouting:
			before, routing, options = options, h.Bytes, nil
		case header.ProtocolDestOptions:
			options = h.Bytes
		}
	}
	for _, m := range []struct {
		id tcpip.OptionID
		b  []byte
	}{{tcpip.IPV6_2292HOPOPTS, hop}, {tcpip.IPV6_2292DSTOPTS, before}, {tcpip.IPV6_2292RTHDR, routing}, {tcpip.IPV6_2292DSTOPTS, options}} {
		if m.b != nil && s.flag(m.id) {
			w.bytes(m.id, m.b)
		}
	}
}

// pathMTU writes that a datagram was too large: a struct ip6_mtuinfo.
func (w *controlWriter) pathMTU(r *tcpip.Received) {
	w.bytes(IPV6_PATHMTU, binary.NativeEndian.AppendUint32(encode(AF_INET6, r.From), uint32(r.Control.PathMTU)))
}

// parseControl6 reads control messages that are about IPv6.
func (s *Socket) parseControl6(b []byte, c *tcpip.Control) Errno {
	return eachControl(b, func(level, typ int, data []byte) Errno {
		switch {
		case level == SOL_SOCKET:
			return parseSocket(s, typ, data, c)
		case level != IPPROTO_IPV6:
		case typ < 0 || !parseMessage(tcpip.Option(level, typ), data, c):
			return EINVAL
		}
		return 0
	})
}

// parseHeaders reads a message about the headers of what is sent, and reports false for one that is malformed or
// unknown.
func parseHeaders(id tcpip.OptionID, m []byte, c *tcpip.Control) bool {
	switch id {
	case tcpip.IP_RETOPTS:
		c.Has |= tcpip.HasOptions
		c.Rare().Options = m
		_, ok := header.CompileIPv4Options(m)
		return ok
	case tcpip.IPV6_2292PKTINFO:
		return parseMessage(IPV6_PKTINFO, m, c)
	case tcpip.IPV6_2292HOPLIMIT:
		return parseMessage(IPV6_HOPLIMIT, m, c)
	case tcpip.IPV6_FLOWINFO:
		if len(m) < 4 {
			return false
		}
		c.Has |= tcpip.HasFlowInfo
		c.Rare().FlowInfo = binary.BigEndian.Uint32(m)
		return true
	case tcpip.IPV6_DONTFRAG:
		if len(m) != 4 || binary.NativeEndian.Uint32(m) > 1 {
			return false
		}
		c.Has |= tcpip.HasDontFragment
		c.Rare().DontFragment = binary.NativeEndian.Uint32(m) != 0
		return true
	}
	return parseExtension(id, m, c)
}

// parseExtension reads a message with an extension header. As on Linux no routing header can be given in one, since
// that with segments belongs to a socket.
func parseExtension(id tcpip.OptionID, m []byte, c *tcpip.Control) bool {
	h, ok := header.CutIPv6Extension(m)
	if !ok {
		return false
	}
	rare := c.Rare()
	switch id {
	case IPV6_HOPOPTS, tcpip.IPV6_2292HOPOPTS:
		if rare.HopOpts != nil {
			return false
		}
		rare.HopOpts = h
	case IPV6_RTHDRDSTOPTS:
		rare.RoutingOpts = h
	case IPV6_DSTOPTS, tcpip.IPV6_2292DSTOPTS:
		if id == tcpip.IPV6_2292DSTOPTS && rare.DestOpts != nil {
			return false
		}
		rare.DestOpts = h
	default:
		return false
	}
	c.Has |= tcpip.HasExtensions
	return true
}
