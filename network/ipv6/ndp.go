package ipv6

import (
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/dad"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

var allNodes = netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 15: 1})

// receiveNDP handles a message of neighbour discovery, whose checksum is right. c is nil if there were no
// extension headers. It takes p.
func (ip *Protocol) receiveNDP(w *stack.Work, p *stack.Packet, c *header.IPv6Chain) {
	switch drop := ip.ndp(w, p, c); drop {
	case tcpip.DropNone:
		p.Release()
	default:
		p.Drop(drop)
	}
}

func (ip *Protocol) ndp(w *stack.Work, p *stack.Packet, c *header.IPv6Chain) tcpip.Drop {
	m := header.ICMPv6(p.Transport())
	n := &ip.stack.Counters().Icmp6
	switch m.Type() { // whatever is wrong with it, as Linux counts
	case header.ICMPv6NeighborSolicit:
		n.InNeighborSolicits.Inc()
	case header.ICMPv6NeighborAdvert:
		n.InNeighborAdvertisements.Inc()
	case header.ICMPv6RouterSolicit:
		n.InRouterSolicits.Inc()
	case header.ICMPv6RouterAdvert:
		n.InRouterAdvertisements.Inc()
	case header.ICMPv6Redirect:
		n.InRedirects.Inc()
	}
	switch {
	case p.TTL != header.NDPHopLimit: // from beyond the link (RFC 4861 §6.1, §7.1)
		return tcpip.DropBadHopLimit
	case c != nil && c.Fragment.Present(): // RFC 6980 §5
		return tcpip.DropNDPInvalid
	case !p.Pull(p.Len()): // messages are as long as a packet at most
		return tcpip.DropNoMemory
	}
	m = header.ICMPv6(p.Transport())
	switch m.Type() {
	case header.ICMPv6NeighborSolicit:
		return ip.solicitation(w, p, m)
	case header.ICMPv6NeighborAdvert:
		return ip.advertisement(w, p, m)
	case header.ICMPv6RouterAdvert:
		return ip.routerAdvertisement(w, p, m)
	case header.ICMPv6Redirect:
		return ip.redirect(w, p, m)
	}
	return tcpip.DropUnknownType // we are no router that answers solicitations
}

// solicitation answers a neighbour solicitation (RFC 4861 §7.2.3).
func (ip *Protocol) solicitation(w *stack.Work, p *stack.Packet, m header.ICMPv6) tcpip.Drop {
	h, drop := header.ParseNDPNS(m)
	if drop != tcpip.DropNone {
		return drop
	}
	nic, target := p.NIC, h.Target()
	from, hasFrom := h.Options().LinkAddr(header.NDPSourceLinkAddr)
	probe := p.Src.IsUnspecified()
	if probe && (p.Dst != header.SolicitedNode(target) || hasFrom) || hasFrom && !from.IsUnicast() {
		return tcpip.DropNDPInvalid
	}
	st, ours := nic.AddressState(target)
	switch {
	case !ours:
		return tcpip.DropNotForUs
	case st == stack.AddressDuplicated:
		return tcpip.DropDuplicateAddr
	case st == stack.AddressTentative:
		if probe { // somebody else wants it too, unless it is our own probe
			nonce, _ := h.Options().Find(header.NDPNonce).Nonce()
			ip.dad.solicited(w, nic, target, nonce)
		}
		return tcpip.DropDuplicateAddr
	case probe:
		ip.advertise(w, nic, target, allNodes, header.MulticastLinkAddr(allNodes), header.NDPOverride)
		return tcpip.DropNone
	case hasFrom:
		nic.NeighbourHeard(w, stack.NeighbourAdvert{Addr: p.Src, Link: from, Override: true, Unsolicited: true})
	case p.Dst.IsMulticast(): // who asks a group has to say where to answer (RFC 4861 §4.3)
		return tcpip.DropNDPInvalid
	}
	ip.advertise(w, nic, target, p.Src, from, header.NDPSolicited|header.NDPOverride)
	return tcpip.DropNone
}

// advertisement learns from a neighbour advertisement (RFC 4861 §7.2.5).
func (ip *Protocol) advertisement(w *stack.Work, p *stack.Packet, m header.ICMPv6) tcpip.Drop {
	h, drop := header.ParseNDPNA(m)
	if drop != tcpip.DropNone {
		return drop
	}
	nic, target, flags := p.NIC, h.Target(), h.Flags()
	link, hasLink := h.Options().LinkAddr(header.NDPTargetLinkAddr)
	if flags&header.NDPSolicited != 0 && p.Dst.IsMulticast() || hasLink && !link.IsUnicast() {
		return tcpip.DropNDPInvalid
	}
	if st, ours := nic.AddressState(target); ours {
		if st == stack.AddressTentative {
			ip.dad.advertised(w, nic, target)
		}
		return tcpip.DropDuplicateAddr
	}
	nic.NeighbourHeard(w, stack.NeighbourAdvert{
		Addr: target, Link: link,
		Solicited: flags&header.NDPSolicited != 0, Override: flags&header.NDPOverride != 0, Router: flags&header.NDPRouter != 0,
	})
	return tcpip.DropNone
}

// Solicit asks for target's link address (stack.LinkResolver, RFC 4861 §7.2.2): the station to, or the
// group that target's owner is in.
func (ip *Protocol) Solicit(w *stack.Work, nic *stack.NIC, target, source netip.Addr, to tcpip.LinkAddr) {
	if st, ok := nic.AddressState(source); !ok || st > stack.AddressDeprecated {
		if source = nic.PrimaryAddress(true, true); !source.IsValid() {
			source = nic.PrimaryAddress(true, false)
		}
	}
	if !source.IsValid() {
		return // without an address there is no way to ask: an unspecified source means another thing
	}
	dst := target
	if to.IsZero() {
		dst = header.SolicitedNode(target)
		to = header.MulticastLinkAddr(dst)
	}
	p, b := ip.newNDP(header.NDPNSSize + linkAddrOption)
	header.AppendNDPLinkAddr(header.AppendNDPNS(b, target), header.NDPSourceLinkAddr, nic.Info().Address)
	ip.stack.Counters().Icmp6.OutNeighborSolicits.Inc()
	ip.sendNDP(w, nic, p, source, dst, to)
}

// probe sends a probe of duplicate address detection (RFC 4862 §5.4.2, RFC 7527 §4.1).
func (ip *Protocol) probe(w *stack.Work, nic *stack.NIC, target netip.Addr, nonce dad.Nonce) {
	dst := header.SolicitedNode(target)
	p, b := ip.newNDP(header.NDPNSSize + nonceOption)
	header.AppendNDPNonce(header.AppendNDPNS(b, target), nonce)
	ip.stack.Counters().Icmp6.OutNeighborSolicits.Inc()
	ip.sendNDP(w, nic, p, netip.IPv6Unspecified(), dst, header.MulticastLinkAddr(dst))
}

// announce tells everybody on the link where a is (RFC 4861 §7.2.6).
func (ip *Protocol) announce(w *stack.Work, nic *stack.NIC, a netip.Addr) {
	if nic.Info().Kind == stack.LinkEthernet && nic.Up() {
		ip.advertise(w, nic, a, allNodes, header.MulticastLinkAddr(allNodes), header.NDPOverride)
	}
}

// advertise sends a neighbour advertisement for target (RFC 4861 §7.2.4). If to is zero, dst's link
// address is looked up.
func (ip *Protocol) advertise(w *stack.Work, nic *stack.NIC, target, dst netip.Addr, to tcpip.LinkAddr, flags header.NDPNAFlags) {
	if nic.Forwarding() {
		flags |= header.NDPRouter
	}
	p, b := ip.newNDP(header.NDPNASize + linkAddrOption)
	header.AppendNDPLinkAddr(header.AppendNDPNA(b, target, flags), header.NDPTargetLinkAddr, nic.Info().Address)
	ip.stack.Counters().Icmp6.OutNeighborAdvertisements.Inc()
	ip.sendNDP(w, nic, p, target, dst, to)
}

// Lengths of options, bytes.
const (
	linkAddrOption = 8
	nonceOption    = 8
)

// newNDP returns a packet with a message of n bytes, and the message emptied for appending to.
func (ip *Protocol) newNDP(n int) (*stack.Packet, []byte) {
	p := ip.stack.NewPacket()
	return p, p.Prepend(n)[:0]
}

// sendNDP finishes a message and sends it to a link address, or if that is zero along a route.
func (ip *Protocol) sendNDP(w *stack.Work, nic *stack.NIC, p *stack.Packet, src, dst netip.Addr, to tcpip.LinkAddr) {
	c := ip.stack.Counters()
	c.Icmp6.OutMsgs.Inc()
	m := header.ICMPv6(p.Front())
	c.Icmp6OutType[m.Type()].Inc()
	m.UpdateChecksum(src, dst)
	if to.IsZero() {
		r, err := ip.stack.FindRoute(stack.RouteQuery{Destination: dst, Source: src, NIC: nic.ID()})
		if err != tcpip.OK {
			c.Ip6.OutNoRoutes.Inc()
			w.Drop(p, tcpip.DropNoRoute)
			return
		}
		ip.Send(w, r, p, &stack.SendOptions{Proto: header.ProtocolICMPv6, TTL: header.NDPHopLimit, NoFlowLabel: true})
		return
	}
	c.Ip6.OutRequests.Inc()
	f := header.IPv6Fields{
		PayloadLength: uint16(len(m)), NextHeader: header.ProtocolICMPv6, HopLimit: header.NDPHopLimit, Src: src, Dst: dst,
	}
	f.Encode(p.Prepend(header.IPv6Size))
	p.SetNetwork(header.IPv6Size)
	p.NIC, p.EtherType, p.Proto = nic, header.EtherTypeIPv6, header.ProtocolICMPv6
	p.Src, p.Dst, p.TTL = src, dst, header.NDPHopLimit
	p.Link = stack.LinkPart{Src: nic.Info().Address, Dst: to, Type: stack.PacketOutgoing}
	if ip.stack.Filtered(stack.Out, nic, p) {
		c.Ip6.OutDiscards.Inc()
		w.Drop(p, tcpip.DropFiltered)
		return
	}
	if !nic.Enqueue(w, p) {
		w.Drop(p, tcpip.DropQueueFull)
	}
}
