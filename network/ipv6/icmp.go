package ipv6

import (
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/checksum"
	"github.com/seed963a8790/netstack/network/internal/shared"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// receiveICMP handles an ICMPv6 message to us. What is not the network layer's goes to the transport
// ICMPv6. c is nil if there were no extension headers.
func (ip *Protocol) receiveICMP(w *stack.Work, p *stack.Packet, c *header.IPv6Chain) {
	n := &ip.stack.Counters().Icmp6
	n.InMsgs.Inc()
	if !p.Pull(p.NetworkLen() + header.ICMPv6Size) {
		n.InErrors.Inc()
		p.Drop(tcpip.DropShort)
		return
	}
	if p.Checksum == stack.ChecksumUnverified {
		pseudo := header.PseudoHeader(header.ProtocolICMPv6, p.Src, p.Dst, p.TransportLen())
		if shared.Sum(p, pseudo).Checksum() != 0 {
			n.InErrors.Inc()
			n.InCsumErrors.Inc()
			p.Drop(tcpip.DropBadChecksum)
			return
		}
	}
	t := header.ICMPv6(p.Transport()).Type()
	ip.stack.Counters().Icmp6InType[t].Inc()
	switch {
	case t.IsNDP():
		ip.receiveNDP(w, p, c)
		return
	case isMLD(t):
		ip.receiveMLD(p, c)
		return
	case !p.Local.IsValid(): // to a tentative address
		p.Drop(tcpip.DropDuplicateAddr)
		return
	}
	switch t {
	case header.ICMPv6Echo:
		n.InEchos.Inc()
		if p.Local != p.Dst || !ip.stack.OfferEcho(w, p) {
			ip.AnswerEcho(w, p)
		}
		return
	case header.ICMPv6EchoReply:
		n.InEchoReplies.Inc()
	case header.ICMPv6Unreachable:
		n.InDestUnreachs.Inc()
		ip.receiveError(w, p)
		return
	case header.ICMPv6PacketTooBig:
		n.InPktTooBigs.Inc()
		ip.receiveError(w, p)
		return
	case header.ICMPv6TimeExceeded:
		n.InTimeExcds.Inc()
		ip.receiveError(w, p)
		return
	case header.ICMPv6ParameterProblem:
		n.InParmProblems.Inc()
		ip.receiveError(w, p)
		return
	}
	if t.IsError() { // an unknown one (RFC 4443 §2.4 a)
		ip.receiveError(w, p)
		return
	}
	if !ip.stack.DeliverTransport(w, p) {
		p.Drop(tcpip.DropUnknownType)
	}
}

// AnswerEcho turns an echo request into its reply, in place (RFC 4443 §4.2). A request to a group is answered
// from a unicast address.
func (ip *Protocol) AnswerEcho(w *stack.Work, p *stack.Packet) {
	q := stack.RouteQuery{Destination: p.Src, Source: p.Local, AnySource: true}
	if p.Dst.IsMulticast() {
		q.Source, q.AnySource = netip.Addr{}, false
	}
	if p.Src.IsLinkLocalUnicast() {
		q.NIC = p.NIC.ID()
	}
	r, err := ip.stack.FindRoute(q)
	if err != tcpip.OK || r.Multicast {
		ip.stack.Counters().Ip6.OutNoRoutes.Inc()
		p.Drop(tcpip.DropNoRoute)
		return
	}
	h := header.ICMPv6(p.Transport())
	h.SetType(header.ICMPv6EchoReply)
	sum := checksum.Update(h.Checksum(), uint16(header.ICMPv6Echo)<<8, uint16(header.ICMPv6EchoReply)<<8)
	// The pseudo-header's addresses change places, but for a group's, which gives way to ours.
	sum = checksum.UpdateAddr(sum, p.Dst, r.Local)
	h.SetChecksum(checksum.UpdateAddr(sum, p.Src, r.Remote))
	mtu, _ := r.PathMTU()
	o := stack.SendOptions{Proto: header.ProtocolICMPv6, TOS: p.TOS, MTU: mtu}
	shared.Turn(p)
	n := &ip.stack.Counters().Icmp6
	n.OutMsgs.Inc()
	ip.stack.Counters().Icmp6OutType[header.ICMPv6EchoReply].Inc()
	n.OutEchoReplies.Inc()
	ip.Send(w, r, p, &o)
}

// meaning is what an error means to the program whose packet it quotes: the kind, the error, and whether it
// is a hard one, as Linux has them (ipv6(7)).
type meaning struct {
	kind stack.ICMPErrorKind
	err  tcpip.Error
	hard bool
}

var unreachable = [...]meaning{
	header.ICMPv6NoRoute:            {stack.ICMPNetUnreachable, tcpip.ErrNetUnreachable, false},
	header.ICMPv6AdminProhibited:    {stack.ICMPProhibited, tcpip.ErrAccess, true},
	header.ICMPv6BeyondScope:        {stack.ICMPHostUnreachable, tcpip.ErrHostUnreachable, false},
	header.ICMPv6AddressUnreachable: {stack.ICMPHostUnreachable, tcpip.ErrHostUnreachable, false},
	header.ICMPv6PortUnreachable:    {stack.ICMPPortUnreachable, tcpip.ErrConnRefused, true},
	header.ICMPv6SourcePolicy:       {stack.ICMPProhibited, tcpip.ErrAccess, true},
	header.ICMPv6RejectRoute:        {stack.ICMPProhibited, tcpip.ErrAccess, true},
}

var problems = [...]stack.ICMPErrorKind{
	header.ICMPv6ErroneousField:    stack.ICMPParameter,
	header.ICMPv6UnknownNextHeader: stack.ICMPParameterHeader,
	header.ICMPv6UnknownOption:     stack.ICMPParameterOption,
	header.ICMPv6IncompleteChain:   stack.ICMPParameter,
}

// meaningOf looks an error up; ok is false if it means nothing to programs.
func meaningOf(t header.ICMPv6Type, c header.ICMPv6Code) (m meaning, ok bool) {
	switch {
	case t == header.ICMPv6Unreachable && int(c) < len(unreachable):
		return unreachable[c], true
	case t == header.ICMPv6Unreachable: // as measured on Linux
		return meaning{stack.ICMPHostUnreachable, tcpip.ErrProtocol, true}, true
	case t == header.ICMPv6PacketTooBig:
		return meaning{stack.ICMPTooBig, tcpip.ErrMessageSize, false}, true
	case t == header.ICMPv6TimeExceeded && c == header.ICMPv6ReassemblyExceeded:
		return meaning{stack.ICMPReassemblyTimeout, tcpip.ErrHostUnreachable, false}, true
	case t == header.ICMPv6TimeExceeded:
		return meaning{stack.ICMPHopLimit, tcpip.ErrHostUnreachable, false}, true
	case t == header.ICMPv6ParameterProblem && int(c) < len(problems):
		return meaning{problems[c], tcpip.ErrProtocol, true}, true
	case t.IsError() && t > header.ICMPv6ParameterProblem:
		return meaning{stack.ICMPParameter, tcpip.ErrProtocol, false}, true
	}
	return meaning{}, false
}

// receiveError hands an error to the transport of the packet that it quotes, which decides whether it
// believes it (RFC 5927): nothing is learnt here, the path MTU neither. It takes p.
func (ip *Protocol) receiveError(w *stack.Work, p *stack.Packet) {
	p.Pull(min(p.Len(), header.IPv6MinMTU))
	p.Home()
	h := header.ICMPv6(p.Transport())
	q, drop := header.ParseQuotedIPv6(h.Payload())
	m, ok := meaningOf(h.Type(), h.Code())
	switch {
	case drop != tcpip.DropNone:
	case !ok:
		drop = tcpip.DropUnknownType
	case q.Dst.IsMulticast() && m.kind != stack.ICMPTooBig && m.kind != stack.ICMPParameterOption,
		q.Src.IsMulticast() || q.Src.IsUnspecified() || q.Src.Is4In6() || q.Dst.Is4In6():
		drop = tcpip.DropICMPNoFlow
	case m.kind == stack.ICMPTooBig && h.MTU() < header.IPv6MinMTU && q.Protocol == header.ProtocolTCP:
		// BEHAVIOUR B8. Programs that send datagrams are told, as on Linux, though nothing is learnt.
		drop = tcpip.DropICMPBadMTU
	}
	if drop != tcpip.DropNone {
		ip.stack.Counters().Icmp6.InErrors.Inc()
		p.Drop(drop)
		return
	}
	e := stack.ICMPError{
		Kind: m.kind, Err: m.err, Hard: m.hard, Origin: tcpip.OriginICMP6, Type: uint8(h.Type()), Code: uint8(h.Code()),
		Offender: p.Src, NIC: p.NIC, Hops: p.TTL, Proto: q.Protocol,
		Local: netip.AddrPortFrom(q.Src, q.SrcPort), Remote: netip.AddrPortFrom(q.Dst, q.DstPort), Quoted: q.Transport, QuotedPacket: h.Payload(), Packet: p,
	}
	if m.kind == stack.ICMPTooBig {
		e.MTU = int(min(h.MTU(), 1<<30))
	}
	switch m.kind {
	case stack.ICMPParameter, stack.ICMPParameterHeader, stack.ICMPParameterOption:
		e.MTU = int(min(h.MTU(), 1<<30)) // the pointer
	}
	ip.stack.DeliverError(w, &e)
	p.Release()
}
