package ipv4

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/network/internal/shared"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// forward sends a received packet on towards its destination, as a router does (RFC 1812 §5). Its header
// has been validated. It takes p.
func (ip *Protocol) forward(w *stack.Work, nic *stack.NIC, p *stack.Packet, h header.IPv4) {
	c := &ip.stack.Counters().Ip
	src, dst := number(h[12:]), number(h[16:])
	if p.Link.Type != stack.PacketHost || src == anyAddr || isLinkLocal(src) || isLinkLocal(dst) {
		c.InAddrErrors.Inc()
		p.Drop(tcpip.DropNotForUs) // RFC 3927 §7; RFC 1812 §5.3.4
		return
	}
	if h.HeaderLen() > header.IPv4Size && ip.alert(w, p, h) {
		return
	}
	if h.TTL() <= 1 {
		c.InHdrErrors.Inc()
		ip.SendError(w, p, stack.ICMPHopLimit, 0)
		p.Drop(tcpip.DropHopLimit)
		return
	}
	r, err := ip.stack.FindRoute(stack.RouteQuery{Destination: p.Dst, AnySource: true})
	switch {
	case err != tcpip.OK:
		c.OutNoRoutes.Inc()
		ip.SendError(w, p, stack.ICMPNetUnreachable, 0)
		p.Drop(tcpip.DropNoRoute)
		return
	case r.Loopback || r.Broadcast || r.Multicast: // another NIC's own address or broadcast (RFC 2644)
		c.InAddrErrors.Inc()
		p.Drop(tcpip.DropNotForUs)
		return
	}
	if p.SegSize > 0 && p.Pull(min(p.Len(), h.HeaderLen()+header.TCPMaxSize)) {
		h = header.IPv4(p.Front())
	}
	mtu := r.MTU()
	cut := p.WireLen(shared.TransportHeaderLen(p.Proto, p.Transport())) > mtu
	if cut && h.Flags()&header.IPv4DontFragment != 0 {
		c.FragFails.Inc()
		ip.SendError(w, p, stack.ICMPTooBig, mtu)
		p.Drop(tcpip.DropTooBig)
		return
	}
	h.DecrementTTL()
	p.TTL--
	if h.HeaderLen() > header.IPv4Size {
		ip.record(h, r.NIC.PrimaryAddress(false, false))
	}
	p.Forwarded = true
	p.SetOwner(nil, 0)
	if p.Hash == 0 {
		p.Hash = ip.stack.FlowHash(ip.forwardedFlow(p, h))
	}
	p.NIC = r.NIC
	if ip.stack.Filtered(stack.Out, r.NIC, p) {
		c.OutDiscards.Inc()
		p.Drop(tcpip.DropFiltered)
		return
	}
	c.ForwDatagrams.Inc()
	if !cut {
		r.Output(w, p)
		return
	}
	if p.SegSize == 0 {
		ip.fragment(w, r, p, mtu)
		return
	}
	segments, drop := p.Cut(nil)
	if drop != tcpip.DropNone {
		p.Drop(drop)
		return
	}
	for _, q := range segments {
		ip.fragment(w, r, q, mtu)
	}
}

// forwardedFlow returns the flow of p. All the fragments of a datagram are of one, so they have no ports.
func (ip *Protocol) forwardedFlow(p *stack.Packet, h header.IPv4) stack.FlowID {
	if h.IsFragment() {
		return shared.Flow(p, nil)
	}
	return shared.Flow(p, p.Transport())
}
