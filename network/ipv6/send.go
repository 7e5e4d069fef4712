package ipv6

import (
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/network/internal/shared"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Send puts a header in front of p and sends it along r (stack.InternetProtocol). Packets for a group that
// this stack receives itself are given back to it, unless o says otherwise.
func (ip *Protocol) Send(w *stack.Work, r *stack.Route, p *stack.Packet, o *stack.SendOptions) tcpip.Error {
	c := &ip.stack.Counters().Ip6
	c.OutRequests.Inc()
	p.NIC, p.EtherType = r.NIC, header.EtherTypeIPv6
	if o.HeaderIncluded {
		return ip.sendIncluded(w, r, p, o)
	}
	p.Src, p.Dst, p.Proto, p.TOS = r.Local, r.Remote, o.Proto, o.TOS
	if p.TTL = o.TTL; p.TTL == 0 && !o.NoHops {
		p.TTL = r.DefaultTTL()
	}
	if p.Hash == 0 {
		p.Hash = ip.stack.FlowHash(shared.Flow(p, p.Front()))
	}
	next, headers, extensions := p.Proto, header.IPv6Size, 0
	if o.Extensions != nil {
		next, extensions = extend(p, o.Final, o.Extensions), o.Extensions.Len()
		headers += o.Extensions.Before()
	}
	payload := p.Len()
	mtu := r.MTU()
	if o.MTU != 0 {
		mtu = min(mtu, o.MTU)
	}
	mtu = max(mtu, header.IPv6MinMTU)
	wire := header.IPv6Size + payload
	if p.SegSize > 0 {
		wire = min(wire, header.IPv6Size+extensions+shared.TransportHeaderLen(p.Proto, p.Front()[extensions:])+int(p.SegSize))
	}
	cut := wire > mtu
	if payload > header.MaxPacket || cut && (o.DF || p.SegSize > 0) {
		c.FragFails.Inc()
		w.Drop(p, tcpip.DropTooBig)
		return tcpip.ErrMessageSize
	}
	f := header.IPv6Fields{
		TrafficClass: p.TOS, FlowLabel: o.FlowLabel, PayloadLength: uint16(payload), NextHeader: next,
		HopLimit: p.TTL, Src: p.Src, Dst: p.Dst,
	}
	if f.FlowLabel == 0 && !o.NoFlowLabel {
		f.FlowLabel = flowLabel(p.Hash)
	}
	f.Encode(p.Prepend(header.IPv6Size))
	p.SetNetwork(header.IPv6Size + extensions)

	if ip.stack.Filtered(stack.Out, r.NIC, p) {
		c.OutDiscards.Inc()
		w.Drop(p, tcpip.DropFiltered)
		return tcpip.ErrPermission
	}
	member := r.Multicast && !o.NoLoop && r.NIC.Classify(p.Dst) == stack.DestinationMulticast
	if member {
		if q := p.Clone(ip.stack); q != nil {
			w.Loop(r.NIC, q)
		}
	}
	// As on Linux a hop limit of 0 keeps a packet on a host that has just given it to its own members.
	if member && p.TTL == 0 || p.Dst.IsInterfaceLocalMulticast() && r.NIC.Info().Kind != stack.LinkLoopback { // RFC 4291 §2.7
		w.Drop(p, tcpip.DropHopLimit)
		return tcpip.OK
	}
	if o.Built != nil {
		o.Built(w, p)
	}
	if cut {
		return ip.fragment(w, r, p, headers, mtu)
	}
	return r.Output(w, p)
}

// extend puts extension headers in front of p, whose checksum is finished first: who cuts or carries packets need
// not know them. It returns what the IPv6 header is to name.
func extend(p *stack.Packet, final netip.Addr, x *header.IPv6Sent) header.Protocol {
	if p.SegSize == 0 {
		shared.FinishChecksum(p)
	}
	return x.Encode(p.Prepend(x.Len()), p.Proto, final)
}

// flowLabel makes a label from the keyed hash of a flow (RFC 6437 §3). It mixes the hash once more, since
// other uses of the hash shall not be visible on the wire. The lower half of the labels is left to programs, as with
// net.ipv6.flowlabel_state_ranges, and so a label is never 0, which means none.
func flowLabel(hash uint32) uint32 { return hash*0x9e3779b1>>13 | 1<<19 }
