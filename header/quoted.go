package header

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// Quoted is what an ICMP error says about the packet that caused it, which it quotes in part
// (RFC 792, RFC 1812 §4.3.2.3, RFC 4443 §3). Src is who sent the packet: ourselves, if the error is ours.
type Quoted struct {
	Src, Dst netip.Addr
	Protocol Protocol // of the upper layer
	// SrcPort and DstPort are those of TCP or UDP. An echo has its identifier as SrcPort.
	SrcPort, DstPort uint16
	Seq              seq.Number // with TCP
	Transport        []byte     // what is quoted of the upper layer, from its first byte; at least 8 bytes
}

// quotedMin is what must be quoted of the upper layer, in bytes (RFC 792).
const quotedMin = 8

// ParseQuotedIPv4 returns what b, the payload of an ICMP error, quotes. A packet that was a later
// fragment names no flow: DropICMPNoFlow.
func ParseQuotedIPv4(b []byte) (Quoted, tcpip.Drop) {
	h, drop := ParseIPv4Header(b, MaxPacket)
	if drop != tcpip.DropNone {
		return Quoted{}, drop
	}
	if h.FragmentOffset() != 0 {
		return Quoted{}, tcpip.DropICMPNoFlow
	}
	return quoted(Quoted{Src: h.Src(), Dst: h.Dst(), Protocol: h.Protocol(), Transport: h.Payload()})
}

// ParseQuotedIPv6 is ParseQuotedIPv4 for the payload of an ICMPv6 error. Extension headers are walked
// through without looking at their options, which were somebody else's to judge.
func ParseQuotedIPv6(b []byte) (Quoted, tcpip.Drop) {
	h, drop := ParseIPv6Header(b, IPv6Size+MaxPacket)
	if drop != tcpip.DropNone {
		return Quoted{}, drop
	}
	c := IPv6Chain{Protocol: h.NextHeader(), Offset: IPv6Size}
	for n := 0; c.Protocol.isExtension(); n++ {
		if n == IPv6MaxExtHeaders {
			return Quoted{}, tcpip.DropHeaderChain
		}
		if c.Protocol == ProtocolFragment {
			drop = h.fragment(&c, 0)
		} else {
			drop = h.step(&c, 0, skipOptions)
		}
		if drop != tcpip.DropNone {
			return Quoted{}, drop
		}
		if c.Fragment.Offset != 0 {
			return Quoted{}, tcpip.DropICMPNoFlow
		}
	}
	return quoted(Quoted{Src: h.Src(), Dst: h.Dst(), Protocol: c.Protocol, Transport: h[c.Offset:]})
}

func quoted(q Quoted) (Quoted, tcpip.Drop) {
	t := q.Transport
	if len(t) < quotedMin {
		return Quoted{}, tcpip.DropShort
	}
	switch q.Protocol {
	case ProtocolTCP:
		q.Seq = seq.Number(binary.BigEndian.Uint32(t[4:]))
		fallthrough
	case ProtocolUDP:
		q.SrcPort, q.DstPort = binary.BigEndian.Uint16(t), binary.BigEndian.Uint16(t[2:])
	case ProtocolICMPv4:
		if ICMPv4Type(t[0]) == ICMPv4Echo {
			q.SrcPort = binary.BigEndian.Uint16(t[4:])
		}
	case ProtocolICMPv6:
		if ICMPv6Type(t[0]) == ICMPv6Echo {
			q.SrcPort = binary.BigEndian.Uint16(t[4:])
		}
	}
	return q, tcpip.DropNone
}
