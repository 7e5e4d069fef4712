package ipv6

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// deliverExtensions shows p to the raw receivers of its extension headers, which end at offset end: each sees what
// lies behind the network header and the extension headers before its own. As on Linux, hop-by-hop options have none.
func (ip *Protocol) deliverExtensions(w *stack.Work, p *stack.Packet, end int) {
	b := p.Network()
	proto, at := header.IPv6(b).NextHeader(), header.IPv6Size
	for at+8 <= min(end, len(b)) {
		size := 8
		if proto != header.ProtocolFragment {
			size += int(b[at+1]) * 8
		}
		if proto != header.ProtocolHopByHop {
			p.Proto = proto
			p.SetNetwork(at)
			ip.stack.DeliverRaw(w, p)
		}
		proto, at = header.Protocol(b[at]), at+size
	}
}

// sendIncluded sends p along r, whose front begins with its sender's header, as it is. What is larger than the path
// MTU is refused, and its sender told by ICMP too.
func (ip *Protocol) sendIncluded(w *stack.Work, r *stack.Route, p *stack.Packet, o *stack.SendOptions) tcpip.Error {
	c := &ip.stack.Counters().Ip6
	h := header.IPv6(p.Front())
	p.Src, p.Dst, p.Proto, p.TTL, p.TOS = h.Src(), h.Dst(), h.NextHeader(), h.HopLimit(), h.TrafficClass()
	p.Astray = r.Loopback && p.Dst != r.Remote
	p.SetNetwork(header.IPv6Size)
	if ip.stack.Filtered(stack.Out, r.NIC, p) {
		c.OutDiscards.Inc()
		w.Drop(p, tcpip.DropFiltered)
		return tcpip.ErrPermission
	}
	if mtu, _ := r.PathMTU(); p.Len() > mtu {
		c.FragFails.Inc()
		ip.SendError(w, p, stack.ICMPTooBig, mtu)
		w.Drop(p, tcpip.DropTooBig)
		return tcpip.ErrMessageSize
	}
	if r.Multicast && !o.NoLoop && r.NIC.Classify(r.Remote) == stack.DestinationMulticast {
		if q := p.Clone(ip.stack); q != nil {
			w.Loop(r.NIC, q)
		}
	}
	return r.Output(w, p)
}
