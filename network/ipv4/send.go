package ipv4

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/network/internal/shared"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Send puts a header in front of p and sends it along r (stack.InternetProtocol). Packets for a group or
// a broadcast address that this stack receives itself are given back to it, unless o says otherwise.
func (ip *Protocol) Send(w *stack.Work, r *stack.Route, p *stack.Packet, o *stack.SendOptions) tcpip.Error {
	c := &ip.stack.Counters().Ip
	c.OutRequests.Inc()
	p.NIC, p.EtherType = r.NIC, header.EtherTypeIPv4
	if o.HeaderIncluded {
		return ip.sendIncluded(w, r, p, o)
	}
	p.Src, p.Dst, p.Proto, p.TOS, p.ByDevice = r.Local, r.Remote, o.Proto, o.TOS, r.ByDevice()
	if p.TTL = o.TTL; p.TTL == 0 && !o.HostOnly {
		p.TTL = r.DefaultTTL()
	}
	if p.Hash == 0 {
		p.Hash = ip.stack.FlowHash(shared.Flow(p, p.Front()))
	}
	if o.Summed && p.SegSize == 0 {
		shared.FinishChecksum(p)
	}
	f := header.IPv4Fields{TOS: p.TOS, TTL: p.TTL, Protocol: p.Proto, Src: p.Src, Dst: p.Dst, Options: o.Options}
	size := f.Size()
	total := size + p.Len()
	mtu := r.MTU()
	if o.MTU != 0 {
		mtu = min(mtu, o.MTU)
	}
	wire, segments := total, 1
	if p.SegSize > 0 {
		headers := shared.TransportHeaderLen(p.Proto, p.Front())
		wire = min(total, size+headers+int(p.SegSize))
		segments = max(1, (p.Len()-headers+int(p.SegSize)-1)/int(p.SegSize))
	}
	cut := wire > mtu
	if total > header.MaxPacket || cut && (o.DF || p.SegSize > 0) {
		c.FragFails.Inc()
		w.Drop(p, tcpip.DropTooBig)
		return tcpip.ErrMessageSize
	}
	if o.DF {
		f.Flags = header.IPv4DontFragment // atomic: the identification means nothing (RFC 6864 §4.1)
	} else {
		f.ID = ip.ids.next(p.Src, p.Dst, p.Proto, segments)
	}
	f.TotalLength = uint16(total)
	f.Encode(p.Prepend(size))
	p.SetNetwork(size)
	if len(o.Options) > 0 {
		ip.recordSent(header.IPv4(p.Front()[:size]), p.Src)
	}

	if ip.stack.Filtered(stack.Out, r.NIC, p) {
		c.OutDiscards.Inc()
		w.Drop(p, tcpip.DropFiltered)
		return tcpip.ErrPermission
	}
	if (r.Multicast || r.Broadcast) && !o.NoLoop {
		ip.loop(w, r, p)
	}
	if o.HostOnly {
		w.Drop(p, tcpip.DropHopLimit)
		return tcpip.OK
	}
	if o.Built != nil {
		o.Built(w, p)
	}
	if cut {
		return ip.fragment(w, r, p, mtu)
	}
	return r.Output(w, p)
}

// loop gives a copy of a packet for many to this stack, if it is one of them. What goes out through a loopback NIC comes
// back by itself.
func (ip *Protocol) loop(w *stack.Work, r *stack.Route, p *stack.Packet) {
	if r.NIC.Info().Kind == stack.LinkLoopback && p.TTL != 0 {
		return
	}
	switch r.NIC.Classify(p.Dst) {
	case stack.DestinationMulticast, stack.DestinationBroadcast:
	default:
		return
	}
	if q := p.Clone(ip.stack); q != nil {
		w.Loop(r.NIC, q)
	}
}
