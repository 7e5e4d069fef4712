package ipv4

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Receive takes a packet off a NIC: it validates the header, asks the filter, and delivers, forwards or
// drops the packet.
func (ip *Protocol) Receive(w *stack.Work, nic *stack.NIC, p *stack.Packet) {
	c := &ip.stack.Counters().Ip
	c.InReceives.Inc()
	h, drop := parse(p)
	if drop != tcpip.DropNone {
		ip.malformed(p, drop)
		return
	}
	p.Src, p.Dst, p.Proto = h.Src(), h.Dst(), h.Protocol()
	p.TTL, p.TOS = h.TTL(), h.TOS()
	p.SetNetwork(h.HeaderLen())

	if drop := ip.martian(nic, p, h); drop != tcpip.DropNone {
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
	switch {
	case dst == stack.DestinationLocal:
		p.Local = p.Dst
	case dst == stack.DestinationBroadcast, dst == stack.DestinationMulticast:
		if p.Proto == header.ProtocolTCP { // RFC 9293 §3.9.2.3
			c.InAddrErrors.Inc()
			p.Drop(tcpip.DropMartianDestination)
			return
		}
		if dst == stack.DestinationMulticast && p.Proto != header.ProtocolIGMP && !nic.GroupAllows(p.Dst, p.Src) {
			p.Drop(tcpip.DropMulticastSource)
			return
		}
		p.Local = nic.LocalFor(p.Dst, p.Src)
	case dst != stack.DestinationOther || !nic.Forwarding():
		if !p.Dst.IsMulticast() {
			c.InAddrErrors.Inc()
		}
		p.Drop(tcpip.DropNotForUs)
		return
	}
	if h.HeaderLen() > header.IPv4Size {
		if drop := ip.checkOptions(w, p, h); drop != tcpip.DropNone {
			c.InHdrErrors.Inc()
			p.Drop(drop)
			return
		}
	}
	if dst == stack.DestinationOther {
		ip.forward(w, nic, p, h)
		return
	}
	if h.HeaderLen() > header.IPv4Size {
		ip.record(h, p.Local)
	}
	ip.deliver(w, p, h)
}

// parse validates the header and cuts padding off.
func parse(p *stack.Packet) (header.IPv4, tcpip.Drop) {
	if !p.Pull(header.IPv4Size) {
		return nil, tcpip.DropShort
	}
	b := p.Front()
	if n := int(b[0]&15) * 4; n > len(b) {
		if !p.Pull(n) {
			return nil, tcpip.DropShort
		}
		b = p.Front()
	}
	h, drop := header.ParseIPv4Header(b, p.Len())
	if drop != tcpip.DropNone {
		return nil, drop
	}
	if !h.ChecksumValid() {
		return nil, tcpip.DropBadChecksum
	}
	if n := int(h.TotalLength()); n < p.Len() {
		p.Truncate(n)
	}
	return h, tcpip.DropNone
}

// deliver hands a packet for us to its transport, which may be ICMP.
func (ip *Protocol) deliver(w *stack.Work, p *stack.Packet, h header.IPv4) {
	c := &ip.stack.Counters().Ip
	if h.IsFragment() {
		astray := p.Astray
		if p = ip.reassemble(w, p, h); p == nil {
			return
		}
		p.Astray = astray
	}
	raw := ip.stack.DeliverRaw(w, p)
	if p.Astray && p.Proto != header.ProtocolUDP {
		p.Drop(tcpip.DropNotForUs)
		return
	}
	switch p.Proto {
	case header.ProtocolICMPv4:
		c.InDelivers.Inc()
		ip.receiveICMP(w, p)
		return
	case header.ProtocolIGMP:
		c.InDelivers.Inc()
		ip.receiveIGMP(p)
		return
	}
	if ip.stack.DeliverTransport(w, p) {
		c.InDelivers.Inc()
		return
	}
	if raw {
		c.InDelivers.Inc()
		p.Release()
		return
	}
	if ip.stack.OfferUnknown(w, p) {
		c.InDelivers.Inc()
		return
	}
	c.InUnknownProtos.Inc()
	ip.SendError(w, p, stack.ICMPProtoUnreachable, 0)
	p.Drop(tcpip.DropUnknownType)
}

// malformed drops a packet whose header is wrong, and counts it.
func (ip *Protocol) malformed(p *stack.Packet, drop tcpip.Drop) {
	c := ip.stack.Counters()
	switch {
	case drop == tcpip.DropBadLength && int(header.IPv4(p.Front()).TotalLength()) > p.Len():
		c.IpExt.InTruncatedPkts.Inc()
	case drop == tcpip.DropBadChecksum:
		c.IpExt.InCsumErrors.Inc()
		fallthrough
	default:
		c.Ip.InHdrErrors.Inc()
	}
	p.Drop(drop)
}
