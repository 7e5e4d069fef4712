package ipv4

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/checksum"
	"github.com/seed963a8790/netstack/network/internal/shared"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// lastKnownType is the last of the types that are no error to Linux.
const lastKnownType = 18

// receiveICMP handles an ICMP message to us (RFC 1122 §3.2.2). What is not the network layer's goes to the
// transport ICMP.
func (ip *Protocol) receiveICMP(w *stack.Work, p *stack.Packet) {
	c := &ip.stack.Counters().Icmp
	c.InMsgs.Inc()
	if !p.Pull(p.NetworkLen() + header.ICMPv4Size) {
		c.InErrors.Inc()
		p.Drop(tcpip.DropShort)
		return
	}
	if p.Checksum == stack.ChecksumUnverified && shared.Sum(p, checksum.Partial{}).Checksum() != 0 {
		c.InErrors.Inc()
		c.InCsumErrors.Inc()
		p.Drop(tcpip.DropBadChecksum)
		return
	}
	t := header.ICMPv4(p.Transport()).Type()
	ip.stack.Counters().IcmpMsgInType[t].Inc()
	switch t {
	case header.ICMPv4Echo:
		c.InEchos.Inc()
		if p.Local != p.Dst || !ip.stack.OfferEcho(w, p) {
			ip.AnswerEcho(w, p)
		}
		return
	case header.ICMPv4Timestamp:
		ip.timestamp(w, p)
		return
	case header.ICMPv4Unreachable:
		c.InDestUnreachs.Inc()
		ip.receiveError(w, p)
		return
	case header.ICMPv4TimeExceeded:
		c.InTimeExcds.Inc()
		ip.receiveError(w, p)
		return
	case header.ICMPv4ParameterProblem:
		c.InParmProbs.Inc()
		ip.receiveError(w, p)
		return
	case header.ICMPv4Redirect: // routes are configured, not learnt
		c.InRedirects.Inc()
		ip.receiveError(w, p)
		return
	case header.ICMPv4SourceQuench: // RFC 6633 §3: TCP does not hear of it (RFC 9293 §3.9.2.2, MUST-55)
		ip.receiveError(w, p)
		return
	case header.ICMPv4EchoReply:
		c.InEchoReps.Inc()
	}
	if t > lastKnownType {
		c.InErrors.Inc()
	}
	if !ip.stack.DeliverTransport(w, p) {
		p.Drop(tcpip.DropUnknownType)
	}
}

// AnswerEcho turns an echo request into its reply, in place (RFC 1122 §3.2.2.6). Requests to a group or a
// broadcast address are not answered, as by Linux's default.
func (ip *Protocol) AnswerEcho(w *stack.Work, p *stack.Packet) {
	if p.Local != p.Dst {
		p.Drop(tcpip.DropUnknownType)
		return
	}
	h := header.ICMPv4(p.Transport())
	h.SetType(header.ICMPv4EchoReply)
	h.SetChecksum(checksum.Update(h.Checksum(), uint16(header.ICMPv4Echo)<<8, uint16(header.ICMPv4EchoReply)<<8))
	ip.reply(w, p, &ip.stack.Counters().Icmp.OutEchoReps)
}

// timestamp turns a timestamp request into its reply, in place (RFC 1122 §3.2.2.8).
func (ip *Protocol) timestamp(w *stack.Work, p *stack.Packet) {
	const size = header.ICMPv4Size + 12 // with the times of originating, receiving and transmitting
	if p.Local != p.Dst || p.TransportLen() < size || !p.Pull(p.NetworkLen()+size) {
		p.Drop(tcpip.DropUnknownType)
		return
	}
	p.Truncate(p.NetworkLen() + size)
	h := header.ICMPv4(p.Transport())
	h.SetType(header.ICMPv4TimestampReply)
	now := ip.milliseconds()
	for _, at := range []int{12, 16} {
		h[at], h[at+1], h[at+2], h[at+3] = byte(now>>24), byte(now>>16), byte(now>>8), byte(now)
	}
	h.UpdateChecksum()
	ip.reply(w, p, nil)
}

// reply sends back to its source what a request has been turned into, with the options that recorded the
// way. It takes p.
func (ip *Protocol) reply(w *stack.Work, p *stack.Packet, counter *stack.Counter) {
	n := ip.stack.Counters()
	r, err := ip.stack.FindRoute(stack.RouteQuery{Destination: p.Src, Source: p.Local, AnySource: true})
	if err != tcpip.OK || r.Broadcast || r.Multicast {
		n.Ip.OutNoRoutes.Inc()
		p.Drop(tcpip.DropNoRoute)
		return
	}
	mtu, _ := r.PathMTU()
	o := stack.SendOptions{Proto: header.ProtocolICMPv4, TOS: p.TOS, MTU: mtu}
	if p.NetworkLen() > header.IPv4Size {
		var ok bool
		if o.Options, ok = header.EchoIPv4Options(header.IPv4(p.Network())); !ok {
			p.Drop(tcpip.DropBadOption)
			return
		}
	}
	shared.Turn(p)
	n.Icmp.OutMsgs.Inc()
	n.IcmpMsgOutType[p.Transport()[0]].Inc()
	if counter != nil {
		counter.Inc()
	}
	ip.Send(w, r, p, &o)
}

// meaning is what an error means to the program whose packet it quotes: the kind, the error, and whether it
// is a hard one, as Linux has them (icmp(7), ip(7)).
type meaning struct {
	kind stack.ICMPErrorKind
	err  tcpip.Error
	hard bool
}

var unreachable = [...]meaning{
	header.ICMPv4NetUnreachable:      {stack.ICMPNetUnreachable, tcpip.ErrNetUnreachable, false},
	header.ICMPv4HostUnreachable:     {stack.ICMPHostUnreachable, tcpip.ErrHostUnreachable, false},
	header.ICMPv4ProtocolUnreachable: {stack.ICMPProtoUnreachable, tcpip.ErrNoProtocolOption, true},
	header.ICMPv4PortUnreachable:     {stack.ICMPPortUnreachable, tcpip.ErrConnRefused, true},
	header.ICMPv4FragmentationNeeded: {stack.ICMPTooBig, tcpip.ErrMessageSize, false},
	header.ICMPv4SourceRouteFailed:   {stack.ICMPHostUnreachable, tcpip.ErrNotSupported, false},
	header.ICMPv4NetUnknown:          {stack.ICMPNetUnreachable, tcpip.ErrNetUnreachable, true},
	header.ICMPv4HostUnknown:         {stack.ICMPHostUnreachable, tcpip.ErrHostDown, true},
	header.ICMPv4HostIsolated:        {stack.ICMPHostUnreachable, tcpip.ErrNoNetwork, true},
	header.ICMPv4NetProhibited:       {stack.ICMPProhibited, tcpip.ErrNetUnreachable, true},
	header.ICMPv4HostProhibited:      {stack.ICMPProhibited, tcpip.ErrHostUnreachable, true},
	header.ICMPv4NetTOS:              {stack.ICMPNetUnreachable, tcpip.ErrNetUnreachable, false},
	header.ICMPv4HostTOS:             {stack.ICMPHostUnreachable, tcpip.ErrHostUnreachable, false},
	header.ICMPv4AdminProhibited:     {stack.ICMPProhibited, tcpip.ErrHostUnreachable, true},
	header.ICMPv4PrecedenceViolation: {stack.ICMPProhibited, tcpip.ErrHostUnreachable, true},
	header.ICMPv4PrecedenceCutoff:    {stack.ICMPProhibited, tcpip.ErrHostUnreachable, true},
}

// meaningOf looks an error up; ok is false if it means nothing to programs.
func meaningOf(t header.ICMPv4Type, c header.ICMPv4Code) (m meaning, ok bool) {
	switch {
	case t == header.ICMPv4Unreachable && int(c) < len(unreachable):
		return unreachable[c], true
	case t == header.ICMPv4TimeExceeded && c == header.ICMPv4ReassemblyExceeded: // as measured on Linux
		return meaning{}, false
	case t == header.ICMPv4TimeExceeded:
		return meaning{stack.ICMPHopLimit, tcpip.ErrHostUnreachable, false}, true
	case t == header.ICMPv4Redirect, t == header.ICMPv4SourceQuench:
		return meaning{stack.ICMPNotice, tcpip.ErrRemoteIO, false}, true
	case t == header.ICMPv4ParameterProblem:
		return meaning{stack.ICMPParameter, tcpip.ErrProtocol, true}, true
	}
	return meaning{}, false
}

// maxQuote is how much of an error's quotation is looked at: an IPv4 and a TCP header with options, bytes.
const maxQuote = 128

// receiveError hands an error to the transport of the packet that it quotes, which decides whether it
// believes it (RFC 5927): nothing is learnt here, the path MTU neither. It takes p.
func (ip *Protocol) receiveError(w *stack.Work, p *stack.Packet) {
	c := &ip.stack.Counters().Icmp
	p.Pull(min(p.Len(), p.NetworkLen()+header.ICMPv4Size+maxQuote))
	h := header.ICMPv4(p.Transport())
	q, drop := header.ParseQuotedIPv4(h.Payload())
	m, ok := meaningOf(h.Type(), h.Code())
	switch {
	case drop != tcpip.DropNone:
	case !ok, m.kind == stack.ICMPNotice && q.Protocol != header.ProtocolICMPv4:
		drop = tcpip.DropUnknownType
	case q.Dst.IsMulticast() || p.NIC.Classify(q.Dst) == stack.DestinationBroadcast || !q.Src.IsGlobalUnicast() && !q.Src.IsLoopback() && !q.Src.IsLinkLocalUnicast():
		drop = tcpip.DropICMPNoFlow // RFC 1122 §3.2.2: such packets cause no errors
	}
	if drop != tcpip.DropNone {
		if m.kind != stack.ICMPNotice { // which is no error where nobody asks
			c.InErrors.Inc()
		}
		p.Drop(drop)
		return
	}
	e := stack.ICMPError{
		Kind: m.kind, Err: m.err, Hard: m.hard, Origin: tcpip.OriginICMP, Type: uint8(h.Type()), Code: uint8(h.Code()),
		Offender: p.Src, NIC: p.NIC, Hops: header.IPv4(h.Payload()).TTL(), Proto: q.Protocol,
		Local: netip.AddrPortFrom(q.Src, q.SrcPort), Remote: netip.AddrPortFrom(q.Dst, q.DstPort), Quoted: q.Transport, QuotedPacket: h.Payload(), Packet: p,
	}
	if m.kind == stack.ICMPTooBig {
		e.MTU = int(h.NextHopMTU())
	}
	switch {
	case m.kind == stack.ICMPParameter:
		e.MTU = int(h.Pointer())
	case m.kind == stack.ICMPNotice && h.Type() == header.ICMPv4Redirect:
		e.MTU = int(binary.BigEndian.Uint32(h[4:])) // the gateway
	}
	ip.stack.DeliverError(w, &e)
	p.Release()
}
