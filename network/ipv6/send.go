package ipv6

import (
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
	p.Src, p.Dst, p.Proto, p.TOS = r.Local, r.Remote, o.Proto, o.TOS
	if p.TTL = o.TTL; p.TTL == 0 && !o.HostOnly {
		p.TTL = r.DefaultTTL()
	}
	if p.Hash == 0 {
		p.Hash = ip.stack.FlowHash(shared.Flow(p, p.Front()))
	}
	payload := p.Len()
	mtu := r.MTU()
	if o.MTU != 0 {
		mtu = min(mtu, o.MTU)
	}
	mtu = max(mtu, header.IPv6MinMTU)
	wire := header.IPv6Size + payload
	if p.SegSize > 0 {
		wire = min(wire, header.IPv6Size+shared.TransportHeaderLen(p.Proto, p.Front())+int(p.SegSize))
	}
	cut := wire > mtu
	if payload > header.MaxPacket || cut && (o.DF || p.SegSize > 0) {
		c.FragFails.Inc()
		w.Drop(p, tcpip.DropTooBig)
		return tcpip.ErrMessageSize
	}
	f := header.IPv6Fields{
		TrafficClass: p.TOS, FlowLabel: o.FlowLabel, PayloadLength: uint16(payload), NextHeader: p.Proto,
		HopLimit: p.TTL, Src: p.Src, Dst: p.Dst,
	}
	if f.FlowLabel == 0 && (p.Proto == header.ProtocolTCP || p.Proto == header.ProtocolUDP) {
		f.FlowLabel = flowLabel(p.Hash)
	}
	f.Encode(p.Prepend(header.IPv6Size))
	p.SetNetwork(header.IPv6Size)

	if ip.stack.Filtered(stack.Out, r.NIC, p) {
		c.OutDiscards.Inc()
		w.Drop(p, tcpip.DropFiltered)
		return tcpip.ErrPermission
	}
	if r.Multicast && !o.NoLoop && r.NIC.Classify(p.Dst) == stack.DestinationMulticast {
		if q := p.Clone(ip.stack); q != nil {
			w.Loop(r.NIC, q)
		}
	}
	if o.HostOnly {
		w.Drop(p, tcpip.DropHopLimit)
		return tcpip.OK
	}
	if cut {
		return ip.fragment(w, r, p, mtu)
	}
	return r.Output(w, p)
}

// flowLabel makes a label from the keyed hash of a flow (RFC 6437 §3). It mixes the hash once more, since
// other uses of the hash shall not be visible on the wire, and never is 0, which means no label.
func flowLabel(hash uint32) uint32 { return max(hash*0x9e3779b1>>12, 1) }
