package udp

import (
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
)

// Receive validates a datagram and gives it to the endpoint that it is for, or, sent to a group or as a
// broadcast, to all of them. It takes p.
func (u *protocol) Receive(w *stack.Work, p *stack.Packet) {
	v6 := p.Dst.Is6()
	m := mibOf(u.stack.Counters(), v6)
	if drop := validate(p); drop != tcpip.DropNone {
		if drop == tcpip.DropBadChecksum {
			m.InCsumErrors.Inc()
		}
		m.InErrors.Inc()
		p.Drop(drop)
		return
	}
	id := stack.FlowID{
		Proto:  header.ProtocolUDP,
		Local:  netip.AddrPortFrom(p.Dst, header.UDP(p.Transport()).DstPort()),
		Remote: sender(p),
	}
	if u.toMany(p) {
		u.spread(w, p, id)
		return
	}
	hash := p.Hash
	if hash == 0 {
		hash = u.stack.FlowHash(id)
	}
	if r := u.stack.Demux.FindFor(id, p, hash); r != nil {
		if v6 && !checksummed(p) && !acceptsNone(r) {
			u.refuse(p)
			return
		}
		r.Deliver(w, p)
		return
	}
	if v6 && !checksummed(p) {
		u.refuse(p)
		return
	}
	if h := u.handler.Load(); h != nil && h.take(w, p, id) {
		return
	}
	m.NoPorts.Inc()
	if ip := u.stack.Internet(p.EtherType); ip != nil {
		ip.SendError(w, p, stack.ICMPPortUnreachable, 0) // RFC 1122 §4.1.3.1, RFC 4443 §3.1
	}
	p.Drop(tcpip.DropNoPort)
}

// checksummed reports whether a datagram carries a checksum.
func checksummed(p *stack.Packet) bool {
	return p.Checksum == stack.ChecksumPartial || header.UDP(p.Transport()).Checksum() != 0
}

// acceptsNone reports whether a receiver takes IPv6 datagrams without a checksum (RFC 6935).
func acceptsNone(r stack.Receiving) bool {
	e, ok := r.(*Endpoint)
	return ok && e.AcceptsNoChecksum()
}

// refuse drops an IPv6 datagram that lacks a checksum (RFC 8200 §8.1).
func (u *protocol) refuse(p *stack.Packet) {
	m := mibOf(u.stack.Counters(), true)
	m.InCsumErrors.Inc()
	m.InErrors.Inc()
	p.Drop(tcpip.DropBadChecksum)
}

// sender returns where a datagram comes from.
func sender(p *stack.Packet) netip.AddrPort {
	return netip.AddrPortFrom(p.Src, header.UDP(p.Transport()).SrcPort())
}

// validate checks form and checksum, and cuts what the IP packet has beyond the datagram.
func validate(p *stack.Packet) tcpip.Drop {
	before, ok := transport.Front(p, header.UDPSize)
	if !ok {
		return tcpip.DropShort
	}
	size := p.TransportLen()
	h, drop := header.ParseUDPHeader(p.Transport(), size)
	if drop != tcpip.DropNone {
		return drop
	}
	length := int(h.Length())
	if length < size {
		p.Truncate(before + length)
	}
	switch {
	case p.Checksum != stack.ChecksumUnverified:
	case h.Checksum() == 0: // over IPv6 the receiver decides
	default:
		sum := header.PseudoHeader(header.ProtocolUDP, p.Src, p.Dst, length).Add(p.Transport())
		for _, d := range p.Data() {
			sum = sum.Add(d.Bytes())
		}
		if sum.Checksum() != 0 {
			return tcpip.DropBadChecksum
		}
	}
	return tcpip.DropNone
}

// toMany reports whether a datagram is for everybody who listens: sent to a group or as a broadcast.
func (u *protocol) toMany(p *stack.Packet) bool {
	switch {
	case p.Dst.IsMulticast():
		return true
	case p.Dst == p.Local || p.Dst.Is6() || p.NIC == nil:
		return false
	}
	return p.NIC.Classify(p.Dst) == stack.DestinationBroadcast
}

// spread gives a copy of p, which shares its payload, to each endpoint that matches and wants it. It
// takes p.
func (u *protocol) spread(w *stack.Work, p *stack.Packet, id stack.FlowID) {
	var few [8]*Endpoint
	all := few[:0]
	why := tcpip.DropNoPort
	multicast := p.Dst.IsMulticast()
	u.stack.Demux.Each(id, p.NIC, func(b *stack.Binding) {
		e, ok := b.Receiver.(*Endpoint)
		switch {
		case !ok:
		case p.Dst.Is6() && !checksummed(p) && !e.AcceptsNoChecksum():
			why = tcpip.DropBadChecksum
		case multicast && !e.Wants(p.Dst, p.Src, p.NIC.ID()):
			why = tcpip.DropMulticastSource
		default:
			all = append(all, e)
		}
	})
	if len(all) == 0 {
		p.Drop(why)
		return
	}
	last := len(all) - 1
	for _, e := range all[:last] {
		if c := p.Clone(u.stack); c != nil {
			e.Deliver(w, c)
		} else {
			u.stack.Miss(p, tcpip.DropNoMemory)
		}
	}
	all[last].Deliver(w, p)
}

// ReceiveError tells the endpoint that sent the quoted datagram. One that quotes no flow of ours is
// ignored (RFC 5927).
func (u *protocol) ReceiveError(w *stack.Work, e *stack.ICMPError) {
	id := stack.FlowID{Proto: header.ProtocolUDP, Local: e.Local, Remote: e.Remote}
	r := u.stack.Demux.Find(id, e.NIC, u.stack.FlowHash(id))
	if r == nil {
		e.Unknown(u.stack)
		return
	}
	r.DeliverError(w, e)
}
