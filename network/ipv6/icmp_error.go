package ipv6

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/network/internal/shared"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// sentAs is how the kinds of errors are sent.
var sentAs = [...]struct {
	icmp header.ICMPv6Type
	code header.ICMPv6Code
}{
	stack.ICMPNetUnreachable:    {header.ICMPv6Unreachable, header.ICMPv6NoRoute},
	stack.ICMPHostUnreachable:   {header.ICMPv6Unreachable, header.ICMPv6AddressUnreachable},
	stack.ICMPProtoUnreachable:  {header.ICMPv6ParameterProblem, header.ICMPv6UnknownNextHeader},
	stack.ICMPPortUnreachable:   {header.ICMPv6Unreachable, header.ICMPv6PortUnreachable},
	stack.ICMPProhibited:        {header.ICMPv6Unreachable, header.ICMPv6AdminProhibited},
	stack.ICMPTooBig:            {header.ICMPv6PacketTooBig, 0},
	stack.ICMPHopLimit:          {header.ICMPv6TimeExceeded, header.ICMPv6HopLimitExceeded},
	stack.ICMPReassemblyTimeout: {header.ICMPv6TimeExceeded, header.ICMPv6ReassemblyExceeded},
	stack.ICMPParameter:         {header.ICMPv6ParameterProblem, header.ICMPv6ErroneousField},
	stack.ICMPParameterOption:   {header.ICMPv6ParameterProblem, header.ICMPv6UnknownOption},
	stack.ICMPParameterHeader:   {header.ICMPv6ParameterProblem, header.ICMPv6UnknownNextHeader},
}

// errorHeadroom is what a link's header and ours take in front of an error.
const errorHeadroom = 96

// SendError answers p with an ICMPv6 error, if RFC 4443 §2.4 allows it and the limits do
// (stack.InternetProtocol). The error comes from the address of ours that p was for, if it was for us.
func (ip *Protocol) SendError(w *stack.Work, p *stack.Packet, e stack.ICMPErrorKind, mtu int) {
	if int(e) < len(sentAs) {
		row := sentAs[e]
		ip.sendError(w, p, row.icmp, row.code, uint32(max(mtu, 0)), false)
	}
}

// sendProblem answers p with what the walk over its headers has found.
func (ip *Protocol) sendProblem(w *stack.Work, p *stack.Packet, e header.IPv6Problem) {
	if e.Report != header.ReportNever {
		ip.sendError(w, p, header.ICMPv6ParameterProblem, e.Code, e.Pointer, e.Report == header.ReportAlways)
	}
}

// sendError sends an error. toGroups allows it for a packet that went to a group.
func (ip *Protocol) sendError(w *stack.Work, p *stack.Packet, t header.ICMPv6Type, code header.ICMPv6Code, rest uint32, toGroups bool) {
	toGroups = toGroups || t == header.ICMPv6PacketTooBig // RFC 4443 §2.4 e.3
	if !mayAnswer(p, toGroups) {
		return
	}
	c := &ip.stack.Counters().Icmp6
	// Linux limits everything but what path MTU discovery needs, and nothing inside the host.
	if t != header.ICMPv6PacketTooBig && !p.Inside() &&
		!ip.limiter.Allow(p.Src, &c.OutRateLimitHost, &c.OutRateLimitHost) {
		return
	}
	q := stack.RouteQuery{Destination: p.Src}
	if p.Local.IsValid() && p.Local == p.Dst && !p.Astray {
		q.Source, q.AnySource = p.Local, true
	}
	if p.Src.IsLinkLocalUnicast() {
		q.NIC = p.NIC.ID()
	}
	r, err := ip.stack.FindRoute(q)
	if err != tcpip.OK || r.Multicast {
		return
	}
	m := ip.quote(p, header.IPv6MinMTU-header.IPv6Size-header.ICMPv6Size)
	if m == nil {
		return
	}
	switch t {
	case header.ICMPv6Unreachable:
		c.OutDestUnreachs.Inc()
	case header.ICMPv6PacketTooBig:
		c.OutPktTooBigs.Inc()
	case header.ICMPv6TimeExceeded:
		c.OutTimeExcds.Inc()
	case header.ICMPv6ParameterProblem:
		c.OutParmProblems.Inc()
	}
	c.OutMsgs.Inc()
	ip.stack.Counters().Icmp6OutType[t].Inc()
	f := header.ICMPv6Fields{Type: t, Code: code, Rest: rest}
	f.Encode(m.Prepend(header.ICMPv6Size))
	header.ICMPv6(m.Front()).UpdateChecksum(r.Local, r.Remote)
	ip.Send(w, r, m, &stack.SendOptions{Proto: header.ProtocolICMPv6})
}

// quote returns a packet with the first n bytes of p from its network header on, nil if memory is short.
func (ip *Protocol) quote(p *stack.Packet, n int) *stack.Packet {
	n = min(n, p.NetworkLen()+p.TransportLen())
	b, ok := ip.stack.Slabs.Get(errorHeadroom + n)
	if !ok {
		return nil
	}
	b.Reserve(errorHeadroom)
	front := p.Network()
	b.Append(front[:min(n, len(front))])
	for _, d := range p.Data() {
		b.Append(d.Bytes()[:min(n-b.Len(), d.Len())])
	}
	return ip.stack.NewPacketFrom(b)
}

// mayAnswer reports whether an error about p may be sent at all: not about an error or a redirect, not
// about what was sent to many, unless toGroups, not about a later fragment, not to a source that is no
// node (RFC 4443 §2.4 e; BEHAVIOUR F4).
func mayAnswer(p *stack.Packet, toGroups bool) bool {
	if !p.HasTransport() || p.Looped || p.Link.Type == stack.PacketBroadcast {
		return false
	}
	if (p.Dst.IsMulticast() || p.Link.Type == stack.PacketMulticast) && !toGroups {
		return false
	}
	if !answerable(p) {
		return false
	}
	var b [maxPeek]byte
	peek := shared.Peek(p, b[:])
	q, drop := header.ParseQuotedIPv6(peek)
	switch {
	case drop == tcpip.DropICMPNoFlow: // a later fragment
		return false
	case drop == tcpip.DropShort: // an error may be hidden behind more headers than we look at
		return len(peek) == p.NetworkLen()+p.TransportLen()
	case drop != tcpip.DropNone: // nothing behind the headers that could be an error
		return true
	case q.Protocol == header.ProtocolICMPv6:
		t := header.ICMPv6Type(q.Transport[0])
		return !t.IsError() && t != header.ICMPv6Redirect
	}
	return true
}

// answerable reports whether p's source is the address of one node.
func answerable(p *stack.Packet) bool {
	return !p.Src.IsUnspecified() && !p.Src.IsMulticast() && (!p.Src.IsLoopback() || p.Inside())
}

// nextHeaderAt returns the offset of the byte that names the protocol of p's transport header.
func nextHeaderAt(p *stack.Packet) int {
	b := p.Network()
	at, next, end := 6, header.IPv6Size, p.NetworkLen()
	for proto := header.Protocol(b[at]); next < end; proto = header.Protocol(b[at]) {
		size := 8
		if proto != header.ProtocolFragment {
			size += int(b[next+1]) * 8
		}
		at, next = next, next+size
	}
	return at
}
