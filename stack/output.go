package stack

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// Output sends p, whose front begins with the network header, to the route's next hop: it resolves the link
// address and enqueues, or leaves p with the neighbour that is being resolved. It takes p in every case. It may be
// called with the sender's endpoint locked.
//
// Errors: ErrNoBuffers if the transmit queue or the neighbour table is full.
func (r *Route) Output(w *Work, p *Packet) tcpip.Error {
	p.EtherType = r.etherType
	p.Link = LinkPart{}
	n := r.NIC
	if info := n.Info(); info.Kind == LinkEthernet {
		p.Link = LinkPart{Src: info.Address, Type: PacketOutgoing}
		switch {
		case r.Multicast:
			p.Link.Dst = header.MulticastLinkAddr(r.NextHop)
		case r.Broadcast:
			p.Link.Dst = tcpip.BroadcastLinkAddr()
		default:
			return r.resolve(w, p)
		}
	}
	return n.output(w, p)
}

// output enqueues p, or drops it if the queue is full.
func (n *NIC) output(w *Work, p *Packet) tcpip.Error {
	if !n.Enqueue(w, p) {
		w.Drop(p, tcpip.DropQueueFull)
		return tcpip.ErrNoBuffers
	}
	return tcpip.OK
}
