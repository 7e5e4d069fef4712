package stack

import (
	"github.com/seed963a8790/netstack/tcpip"
)

// receiver is the NIC as its link sees it.
type receiver NIC

func (r *receiver) Stack() *Stack { return r.stack }

func (r *receiver) Deliver(w *Work, batch []*Packet) {
	n := (*NIC)(r)
	if w == nil {
		w = n.stack.Begin()
		defer w.End()
	}
	if !n.Up() {
		for _, p := range batch {
			p.NIC = n
			p.Drop(tcpip.DropLinkDown)
		}
		return
	}
	if n.info.Load().Offload&OffloadReceive == 0 && len(batch) > 1 {
		batch = merge(batch)
	}
	now := n.stack.Now()
	bytes := 0
	for _, p := range batch {
		bytes += p.Len()
	}
	n.counters.RxPackets.Add(uint64(len(batch)))
	n.counters.RxBytes.Add(uint64(bytes))
	for _, p := range batch {
		n.receive(w, now, p)
	}
}

func (n *NIC) receive(w *Work, now tcpip.Time, p *Packet) {
	p.NIC = n
	p.At = now
	if p.hops++; p.hops > maxHops {
		p.Drop(tcpip.DropLoop)
		return
	}
	if p.Mark|p.Priority != 0 && n.info.Load().Kind != LinkLoopback {
		p.Mark, p.Priority = 0, 0 // another stack's
	}
	n.tap(TapIn, p, tcpip.DropNone)
	if list := n.stack.watches.Load(); list != nil && !p.Looped {
		n.watched(w, *list, p, p.Link.Type)
	}
	if p.Link.Type == PacketOtherHost && !n.promiscuous.Load() {
		p.Drop(tcpip.DropOtherHost)
		return
	}
	proto := n.stack.Network(p.EtherType)
	if proto == nil {
		p.Drop(tcpip.DropUnknownType)
		return
	}
	proto.Receive(w, n, p)
}

func (r *receiver) TxReady(w *Work, queue int) {
	if w == nil {
		w = r.stack.Begin()
		defer w.End()
	}
	if queue < len(r.queues) {
		r.queues[queue].restart(w)
	}
}

func (r *receiver) LinkChanged(w *Work) {
	if w == nil {
		w = r.stack.Begin()
		defer w.End()
	}
	for info := r.link.Info(); ; {
		stored := info
		r.info.Store(&stored)
		if info = r.link.Info(); info == stored { // or a later call's might be overwritten
			break
		}
	}
	(*NIC)(r).changed(w)
}

func (r *receiver) Dropped(p *Packet, d tcpip.Drop) {
	if r.observer != nil {
		r.observer.ObserveDrop(p, d)
	}
	(*NIC)(r).tap(TapDrop, p, d)
}

// transmit gives a batch to the link and returns what has to wait. What the link cannot carry is cut
// first, about a batch's worth of wire packets at a time, so that few are under way at once.
func (n *NIC) transmit(w *Work, queue int, batch []*Packet) (rest []*Packet) {
	if taps := n.taps.Load(); taps != nil {
		for _, p := range batch {
			if !p.tapped {
				p.tapped = true
				n.tap(TapOut, p, tcpip.DropNone)
			}
		}
	}
	for len(batch) > 0 {
		ready, behind := n.fit(w, batch)
		if list := n.stack.watches.Load(); list != nil {
			n.watchTransmit(w, *list, ready)
		}
		taken := n.give(w, queue, ready)
		if taken == len(ready) {
			batch = behind
			continue
		}
		if len(behind) == 0 {
			return ready[taken:]
		}
		w.cut = append(append(w.cut[:0], ready[taken:]...), behind...)
		return w.cut
	}
	return nil
}

// give hands packets to the link and returns how many it has taken. Owners hear of those once the link
// has returned; the others have theirs still.
func (n *NIC) give(w *Work, queue int, batch []*Packet) (taken int) {
	if len(batch) == 0 {
		return 0
	}
	w.sent = w.sent[:0]
	for _, p := range batch {
		w.sent = append(w.sent, sent{completion{p.owner, p.charge}, p.Len()})
		p.owner, p.charge = nil, 0
	}
	taken = n.link.Transmit(w, queue, batch)
	bytes := 0
	for _, s := range w.sent[:taken] {
		bytes += s.bytes
		w.done(s.completion)
	}
	n.counters.TxPackets.Add(uint64(taken))
	n.counters.TxBytes.Add(uint64(bytes))
	for i, p := range batch[taken:] {
		p.owner, p.charge = w.sent[taken+i].owner, w.sent[taken+i].charge
	}
	clear(w.sent)
	return taken
}

// Home makes the NIC of a packet that has come over loopback that which has its destination: to sockets the packet
// has come in by that one, as on Linux.
func (p *Packet) Home() {
	if p.ByDevice || p.NIC.Info().Kind != LinkLoopback || p.Dst.IsLoopback() || p.Dst.IsMulticast() {
		return
	}
	if n, _, ok := p.stack.LocalAddress(p.Dst); ok && n != p.NIC {
		p.NIC, p.Homed = n, true
	}
}

// StaysHome makes a received packet, whose destination means as, one that is Astray, if it is.
func (p *Packet) StaysHome(as Destination) bool {
	astray := p.NIC.Info().Kind == LinkLoopback && !p.Written
	p.Astray = astray && (as == DestinationOther || as == DestinationForeignGroup && p.Astray)
	return p.Astray
}

// Inside reports whether a received packet has come from this host.
func (p *Packet) Inside() bool { return p.Homed || p.NIC.Info().Kind == LinkLoopback }

// DeliverTransport hands p, addressed to us and with its network header validated, to its transport
// protocol. It reports false if the stack has no such protocol; p is then the caller's still.
func (s *Stack) DeliverTransport(w *Work, p *Packet) bool {
	p.Home()
	t := s.transports[p.Proto]
	if t == nil {
		return false
	}
	t.Receive(w, p)
	return true
}

// OfferEcho offers p, an echo request, to the transport of its protocol and reports whether that took it.
func (s *Stack) OfferEcho(w *Work, p *Packet) bool {
	t, ok := s.transports[p.Proto].(EchoTaker)
	return ok && t.TakeEcho(w, p)
}

// DeliverError hands an ICMP error to the transport protocol of the packet it quotes. It borrows e.
func (s *Stack) DeliverError(w *Work, e *ICMPError) {
	taken := s.deliverRawError(w, e)
	if t := s.transports[e.Proto]; t != nil {
		t.ReceiveError(w, e)
		return
	}
	if !taken {
		e.Drop(s, tcpip.DropICMPNoFlow)
	}
}

// Filtered asks the filter about p and reports whether it must go. It borrows p.
func (s *Stack) Filtered(dir Direction, nic *NIC, p *Packet) bool {
	return s.filter != nil && s.filter.Filter(dir, nic, p) == Discard
}
