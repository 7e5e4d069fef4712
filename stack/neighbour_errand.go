package stack

import (
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/nud"
	"github.com/seed963a8790/netstack/tcpip"
)

// do runs an errand: it asks, and drops what has to be dropped, telling the senders if the neighbour did not
// answer. No lock of the table is held.
func (t *neighbourTable) do(w *Work, e *errand) {
	switch e.action {
	case nud.SolicitAll:
		t.solicit(w, e.addr, e.source, tcpip.LinkAddr{})
	case nud.SolicitOne:
		t.solicit(w, e.addr, e.source, e.link)
	case nud.Resolved, nud.GiveUp:
		if p, ok := t.nic.stack.Network(t.etherType).(NeighbourWatcher); ok {
			p.NeighbourReachable(w, t.nic, e.addr, e.action == nud.Resolved)
		}
	}
	for p := e.packets.pop(); p != nil; p = e.packets.pop() {
		if e.reason == tcpip.DropNeighbourFailed {
			t.report(w, p)
		}
		w.Drop(p, e.reason)
	}
}

// solicit asks for target's link address. The source is that of a packet that waits, if it is ours, as
// with Linux's arp_announce 0 and RFC 4861 §7.2.2.
func (t *neighbourTable) solicit(w *Work, target, source netip.Addr, to tcpip.LinkAddr) {
	s := t.nic.stack
	c := s.conf.Load()
	if l := c.addresses.on(t.nic, source); l == nil || !l.state.usable() {
		source = c.source(t.nic, target, netip.Addr{}, 0)
	}
	for _, r := range s.resolvers {
		if r.Resolves() == t.etherType {
			r.Solicit(w, t.nic, target, source, to)
			return
		}
	}
}

// report tells the sender of p that its neighbour did not answer (BEHAVIOUR E5). As on Linux, our own
// senders hear of it as if we had sent ourselves an ICMP error. It borrows p.
func (t *neighbourTable) report(w *Work, p *Packet) {
	s := t.nic.stack
	if p.Forwarded {
		if ip := s.Internet(t.etherType); ip != nil {
			ip.SendError(w, p, ICMPHostUnreachable, 0)
		}
		return
	}
	e := ICMPError{
		Kind: ICMPHostUnreachable, Err: tcpip.ErrHostUnreachable, NIC: t.nic,
		Origin: tcpip.OriginICMP, Type: uint8(header.ICMPv4Unreachable), Code: uint8(header.ICMPv4HostUnreachable),
	}
	parse := header.ParseQuotedIPv4
	if t.etherType == header.EtherTypeIPv6 {
		parse = header.ParseQuotedIPv6
		e.Origin, e.Type, e.Code = tcpip.OriginICMP6, uint8(header.ICMPv6Unreachable), uint8(header.ICMPv6AddressUnreachable)
	}
	q, drop := parse(p.Front())
	if drop != tcpip.DropNone {
		return // a later fragment, or the like: nobody is waiting to hear of it
	}
	e.Proto, e.Quoted, e.Offender = q.Protocol, q.Transport, q.Src
	e.Local, e.Remote = netip.AddrPortFrom(q.Src, q.SrcPort), netip.AddrPortFrom(q.Dst, q.DstPort)
	s.DeliverError(w, &e)
}
