package ipv6

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/network/internal/shared"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// forward sends a received packet on towards its destination, as a router does: it looks at hop-by-hop
// options and at nothing behind them, and never fragments (RFC 8200 §4, §5). It takes p.
func (ip *Protocol) forward(w *stack.Work, nic *stack.NIC, p *stack.Packet, h header.IPv6) {
	c := &ip.stack.Counters().Ip6
	if p.Link.Type != stack.PacketHost || p.Src.IsUnspecified() ||
		p.Src.IsLinkLocalUnicast() || p.Dst.IsLinkLocalUnicast() || p.Src.IsLoopback() || p.Dst.IsLoopback() {
		c.InAddrErrors.Inc()
		p.Drop(tcpip.DropNotForUs) // RFC 4291 §2.5
		return
	}
	if p.Proto == header.ProtocolHopByHop {
		p.Pull(min(p.Len(), maxHeaders))
		h = header.IPv6(p.Front())
		var chain header.IPv6Chain
		if drop := h.WalkHopByHop(&chain); drop != tcpip.DropNone {
			ip.badHeaders(w, p, &chain, drop)
			return
		}
		p.Proto = chain.Protocol
		p.SetNetwork(chain.Offset)
		if chain.RouterAlert.Present && ip.stack.DeliverAlert(w, p, chain.RouterAlert.Value) {
			p.Release()
			return
		}
	}
	if h.HopLimit() <= 1 {
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
	case r.Loopback || r.Multicast: // another NIC's own address
		c.InAddrErrors.Inc()
		p.Drop(tcpip.DropNotForUs)
		return
	}
	if p.SegSize > 0 && p.Pull(min(p.Len(), p.NetworkLen()+header.TCPMaxSize)) {
		h = header.IPv6(p.Front())
	}
	if mtu := max(r.MTU(), header.IPv6MinMTU); p.WireLen(shared.TransportHeaderLen(p.Proto, p.Transport())) > mtu {
		c.FragFails.Inc()
		ip.SendError(w, p, stack.ICMPTooBig, mtu)
		p.Drop(tcpip.DropTooBig)
		return
	}
	p.TTL--
	h.SetHopLimit(p.TTL)
	p.Forwarded = true
	p.SetOwner(nil, 0)
	if p.Hash == 0 {
		p.Hash = ip.stack.FlowHash(shared.Flow(p, p.Transport()))
	}
	p.NIC = r.NIC
	if ip.stack.Filtered(stack.Out, r.NIC, p) {
		c.OutDiscards.Inc()
		p.Drop(tcpip.DropFiltered)
		return
	}
	c.OutForwDatagrams.Inc()
	r.Output(w, p)
}
