package ipv6

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Receive takes a packet off a NIC: it validates the header, asks the filter, and delivers, forwards or
// drops the packet.
func (ip *Protocol) Receive(w *stack.Work, nic *stack.NIC, p *stack.Packet) {
	c := &ip.stack.Counters().Ip6
	c.InReceives.Inc()
	h, drop := parse(p)
	if drop != tcpip.DropNone {
		if drop == tcpip.DropBadLength {
			c.InTruncatedPkts.Inc()
		} else {
			c.InHdrErrors.Inc()
		}
		p.Drop(drop)
		return
	}
	p.Src, p.Dst, p.Proto = h.Src(), h.Dst(), h.NextHeader()
	p.TTL, p.TOS = h.HopLimit(), h.TrafficClass()
	p.SetNetwork(header.IPv6Size)

	if drop := ip.martian(nic, p); drop != tcpip.DropNone {
		c.InHdrErrors.Inc()
		p.Drop(drop)
		return
	}
	if ip.stack.Filtered(stack.In, nic, p) {
		c.InDiscards.Inc()
		p.Drop(tcpip.DropFiltered)
		return
	}
	dst := nic.Classify(p.Dst)
	if p.StaysHome(dst) {
		dst = stack.DestinationLocal
	}
	switch dst {
	case stack.DestinationLocal:
		p.Local = p.Dst
		ip.local(w, p, h)
	case stack.DestinationMulticast:
		p.Local = nic.LocalFor(p.Dst, p.Src)
		ip.local(w, p, h)
	case stack.DestinationTentative:
		if p.Proto != header.ProtocolICMPv6 { // only neighbour discovery may reach it (RFC 4862 §5.4)
			c.InAddrErrors.Inc()
			p.Drop(tcpip.DropDuplicateAddr)
			return
		}
		ip.local(w, p, h)
	case stack.DestinationOther:
		if nic.Forwarding() {
			ip.forward(w, nic, p, h)
			return
		}
		c.InAddrErrors.Inc()
		p.Drop(tcpip.DropNotForUs)
	default:
		if !p.Dst.IsMulticast() {
			c.InAddrErrors.Inc()
		}
		p.Drop(tcpip.DropNotForUs)
	}
}

// parse validates the header and cuts padding off.
func parse(p *stack.Packet) (header.IPv6, tcpip.Drop) {
	if !p.Pull(header.IPv6Size) {
		return nil, tcpip.DropShort
	}
	h, drop := header.ParseIPv6Header(p.Front(), p.Len())
	if drop != tcpip.DropNone {
		return nil, drop
	}
	if n := header.IPv6Size + int(h.PayloadLength()); n < p.Len() {
		p.Truncate(n)
	}
	return h, tcpip.DropNone
}

// local takes a packet for us through its extension headers and, if it is a fragment, reassembly.
func (ip *Protocol) local(w *stack.Work, p *stack.Packet, h header.IPv6) {
	if p.Proto == header.ProtocolTCP || p.Proto == header.ProtocolUDP { // nothing to walk
		ip.deliver(w, p, nil)
		return
	}
	var c header.IPv6Chain
	if !ip.walk(w, p, &c) {
		return
	}
	if c.Fragment.Present() && !c.Fragment.Atomic() {
		astray := p.Astray
		if p = ip.reassemble(w, p, &c); p == nil {
			return
		}
		p.Astray = astray
	}
	if c.Offset > header.IPv6Size {
		ip.deliverExtensions(w, p, c.Offset)
	}
	p.Proto = c.Protocol
	p.SetNetwork(c.Offset)
	ip.deliver(w, p, &c)
}

// walk fills c by walking p's extension headers, and drops p and returns false if one is not good.
func (ip *Protocol) walk(w *stack.Work, p *stack.Packet, c *header.IPv6Chain) bool {
	p.Pull(min(p.Len(), maxHeaders))
	drop := header.IPv6(p.Front()[:min(len(p.Front()), maxHeaders)]).WalkExt(c) // the same for a packet in one piece
	if drop == tcpip.DropNone {
		return true
	}
	ip.badHeaders(w, p, c, drop)
	return false
}

// badHeaders reports and drops a packet whose extension headers are not good.
func (ip *Protocol) badHeaders(w *stack.Work, p *stack.Packet, c *header.IPv6Chain, drop tcpip.Drop) {
	ip.stack.Counters().Ip6.InHdrErrors.Inc()
	ip.sendProblem(w, p, c.Problem)
	p.Drop(drop)
}

// deliver hands a packet for us to its transport, which may be ICMPv6. c is nil if there are no extension
// headers.
func (ip *Protocol) deliver(w *stack.Work, p *stack.Packet, c *header.IPv6Chain) {
	n := &ip.stack.Counters().Ip6
	if p.Dst.IsMulticast() && !p.NIC.GroupAllows(p.Dst, p.Src) && !ip.aboutGroups(p) {
		p.Drop(tcpip.DropMulticastSource)
		return
	}
	raw := ip.stack.DeliverRaw(w, p)
	if p.Astray && (p.Proto == header.ProtocolTCP || p.Proto == header.ProtocolICMPv6) {
		p.Drop(tcpip.DropNotForUs)
		return
	}
	switch p.Proto {
	case header.ProtocolICMPv6:
		n.InDelivers.Inc()
		ip.receiveICMP(w, p, c)
		return
	case header.ProtocolTCP:
		if p.Dst.IsMulticast() { // RFC 9293 §3.9.2.3
			n.InAddrErrors.Inc()
			p.Drop(tcpip.DropMartianDestination)
			return
		}
	case header.ProtocolNoNext:
		p.Drop(tcpip.DropUnknownType)
		return
	}
	if ip.stack.DeliverTransport(w, p) {
		n.InDelivers.Inc()
		return
	}
	if raw {
		n.InDelivers.Inc()
		p.Release()
		return
	}
	if ip.stack.OfferUnknown(w, p) {
		n.InDelivers.Inc()
		return
	}
	n.InUnknownProtos.Inc()
	ip.SendError(w, p, stack.ICMPParameterHeader, nextHeaderAt(p))
	p.Drop(tcpip.DropUnknownType)
}
