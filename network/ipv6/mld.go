package ipv6

import (
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/mcast"
	"github.com/seed963a8790/netstack/network/internal/shared"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

var _ stack.GroupWatcher = (*Protocol)(nil)

// Where messages go (RFC 3810 §5.2.14, RFC 2710 §8), and the hop-by-hop header that all of them carry: a router
// alert of multicast listener discovery (RFC 2711) and padding.
var (
	mldRouters   = netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 15: 2})
	mldv2Routers = netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 15: 0x16})
	mldOptions   = [8]byte{byte(header.ProtocolICMPv6), 0, 5, 2, 0, 0, 1, 0}
)

// mldHopLimit is the hop limit of every message, which keeps it on the link (RFC 3810 §5).
const mldHopLimit = 1

// GroupChanged has a group reported (stack.GroupWatcher).
func (ip *Protocol) GroupChanged(nic *stack.NIC, group netip.Addr) { ip.mld.Changed(nic, group) }

// GroupsConfigured takes over a NIC's options (stack.GroupWatcher).
func (ip *Protocol) GroupsConfigured(nic *stack.NIC) { ip.mld.Configured(nic) }

func (ip *Protocol) initMLD() {
	ip.mld.Init(ip.stack, shared.MembershipFamily{V6: true, Headers: header.IPv6Size + len(mldOptions), Send: ip.sendMLD})
}

// reportFrom reports all groups anew when a NIC has got its first link-local address: what was sent from none,
// routers may have dropped (RFC 3810 §5.2.13).
func (ip *Protocol) reportFrom(nic *stack.NIC, a netip.Addr) {
	if a.IsLinkLocalUnicast() && nic.PrimaryAddress(true, true) == a {
		ip.mld.Restart(nic)
	}
}

// sendMLD sends a message to routers, or, in version 1, to the group that it is about; from the NIC's link-local
// address, or from none while there is none (RFC 3810 §5.2.13).
func (ip *Protocol) sendMLD(w *stack.Work, nic *stack.NIC, m *mcast.Message) {
	c := ip.stack.Counters()
	src, dst, counter := nic.PrimaryAddress(true, true), m.Group, &c.Icmp6.OutGroupMembResponses
	if !src.IsValid() {
		src = netip.IPv6Unspecified()
	}
	b := append(make([]byte, 0, 128), mldOptions[:]...)
	switch m.Kind {
	case mcast.ReportV1, mcast.ReportV2:
		b = header.AppendMLDv1(b, header.ICMPv6MLDv1Report, m.Group)
	case mcast.Leave:
		dst, counter = mldRouters, &c.Icmp6.OutGroupMembReductions
		b = header.AppendMLDv1(b, header.ICMPv6MLDv1Done, m.Group)
	default:
		dst, counter = mldv2Routers, &c.Icmp6.OutMLDv2Reports
		b = header.AppendMLDv2Report(b, m.Records)
	}
	header.ICMPv6(b[len(mldOptions):]).UpdateChecksum(src, dst)
	p := ip.stack.NewPacketCopy(b)
	if p == nil {
		c.Ip6.OutDiscards.Inc()
		return
	}
	c.Ip6.OutRequests.Inc()
	c.Icmp6.OutMsgs.Inc()
	counter.Inc()
	f := header.IPv6Fields{PayloadLength: uint16(len(b)), NextHeader: header.ProtocolHopByHop, HopLimit: mldHopLimit, Src: src, Dst: dst}
	f.Encode(p.Prepend(header.IPv6Size))
	p.SetNetwork(header.IPv6Size)
	p.NIC, p.EtherType, p.Proto = nic, header.EtherTypeIPv6, header.ProtocolHopByHop
	p.Src, p.Dst, p.TTL = src, dst, mldHopLimit
	if info := nic.Info(); info.Kind == stack.LinkEthernet {
		p.Link = stack.LinkPart{Src: info.Address, Dst: header.MulticastLinkAddr(dst), Type: stack.PacketOutgoing}
	}
	if ip.stack.Filtered(stack.Out, nic, p) {
		c.Ip6.OutDiscards.Inc()
		w.Drop(p, tcpip.DropFiltered)
		return
	}
	if !nic.Enqueue(w, p) {
		w.Drop(p, tcpip.DropQueueFull)
	}
}

// isMLD reports whether a message, whose type lies in the front, is of multicast listener discovery.
func isMLD(t header.ICMPv6Type) bool {
	switch t {
	case header.ICMPv6MLDQuery, header.ICMPv6MLDv1Report, header.ICMPv6MLDv1Done, header.ICMPv6MLDv2Report:
		return true
	}
	return false
}

// aboutGroups reports whether p is of multicast listener discovery, which the filters of groups do not concern.
func (ip *Protocol) aboutGroups(p *stack.Packet) bool {
	return p.Proto == header.ProtocolICMPv6 && p.Pull(p.NetworkLen()+header.ICMPv6Size) && isMLD(header.ICMPv6(p.Transport()).Type())
}

// receiveMLD handles a message whose checksum is good. It takes p.
func (ip *Protocol) receiveMLD(p *stack.Packet, c *header.IPv6Chain) {
	if drop := ip.handleMLD(p, c); drop != tcpip.DropNone {
		ip.stack.Counters().Icmp6.InErrors.Inc()
		p.Drop(drop)
		return
	}
	p.Release()
}

func (ip *Protocol) handleMLD(p *stack.Packet, c *header.IPv6Chain) tcpip.Drop {
	n := &ip.stack.Counters().Icmp6
	if p.Len() > maxMLD || !p.Pull(p.Len()) {
		return tcpip.DropTooBig
	}
	h, drop := header.ParseMLD(header.ICMPv6(p.Transport()))
	if drop != tcpip.DropNone {
		return drop
	}
	switch h.Type() {
	case header.ICMPv6MLDQuery:
		n.InGroupMembQueries.Inc()
		// RFC 3810 §6.2: from this link, and marked as what routers have to look at.
		switch {
		case p.TTL != mldHopLimit:
			return tcpip.DropBadHopLimit
		case c == nil || !c.RouterAlert.Present || c.RouterAlert.Value != 0 || !p.Src.IsLinkLocalUnicast():
			return tcpip.DropGroupInvalid
		}
		q, _ := h.Query()
		ip.mld.Query(p.NIC, &q)
	case header.ICMPv6MLDv1Report:
		n.InGroupMembResponses.Inc()
		if !p.Src.IsLinkLocalUnicast() && !p.Src.IsUnspecified() { // RFC 2710 §4
			return tcpip.DropGroupInvalid
		}
		// Routers do not hear what was not sent to all.
		if t := p.Link.Type; !p.Looped && (t == stack.PacketMulticast || t == stack.PacketBroadcast) {
			ip.mld.Heard(p.NIC, h.Group())
		}
	case header.ICMPv6MLDv1Done:
		n.InGroupMembReductions.Inc()
	case header.ICMPv6MLDv2Report:
		n.InMLDv2Reports.Inc()
	}
	return tcpip.DropNone
}
