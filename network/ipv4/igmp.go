package ipv4

import (
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/checksum"
	"github.com/seed963a8790/netstack/internal/mcast"
	"github.com/seed963a8790/netstack/network/internal/shared"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

var _ stack.GroupWatcher = (*Protocol)(nil)

// Where messages go (RFC 3376 §4.2.14, RFC 2236 §9), and the option that all of them carry (RFC 2113).
var (
	allRouters    = netip.AddrFrom4([4]byte{224, 0, 0, 2})
	igmpv3Routers = netip.AddrFrom4([4]byte{224, 0, 0, 22})
	routerAlert   = [4]byte{byte(header.IPv4OptRouterAlert), 4}
)

// igmpPrecedence is the TOS of messages: internetwork control (RFC 3376 §4).
const igmpPrecedence = 0xc0

// GroupChanged has a group reported (stack.GroupWatcher).
func (ip *Protocol) GroupChanged(nic *stack.NIC, group netip.Addr) { ip.igmp.Changed(nic, group) }

// GroupsConfigured takes over a NIC's options (stack.GroupWatcher).
func (ip *Protocol) GroupsConfigured(nic *stack.NIC) { ip.igmp.Configured(nic) }

func (ip *Protocol) initIGMP() {
	ip.igmp.Init(ip.stack, shared.MembershipFamily{Headers: header.IPv4Size + len(routerAlert), Send: ip.sendIGMP})
}

// sendIGMP sends a message to routers, or, in old versions, to the group that it is about.
func (ip *Protocol) sendIGMP(w *stack.Work, nic *stack.NIC, m *mcast.Message) {
	c := ip.stack.Counters()
	dst := m.Group
	var b []byte
	switch m.Kind {
	case mcast.ReportV1:
		b = header.AppendIGMP(nil, header.IGMPv1Report, m.Group)
	case mcast.ReportV2:
		b = header.AppendIGMP(nil, header.IGMPv2Report, m.Group)
	case mcast.Leave:
		dst = allRouters
		b = header.AppendIGMP(nil, header.IGMPv2Leave, m.Group)
	default:
		dst = igmpv3Routers
		b = header.AppendIGMPv3Report(nil, m.Records)
	}
	r, err := ip.stack.FindRoute(stack.RouteQuery{Destination: dst, NIC: nic.ID()})
	if err != tcpip.OK {
		c.Ip.OutNoRoutes.Inc()
		return
	}
	p := ip.stack.NewPacketCopy(b)
	if p == nil {
		c.Ip.OutDiscards.Inc()
		return
	}
	p.SetTransport()
	if m.Kind == mcast.Leave {
		c.Igmp.OutLeaves.Inc()
	} else {
		c.Igmp.OutReports.Inc()
	}
	ip.Send(w, r, p, &stack.SendOptions{
		Proto: header.ProtocolIGMP, TTL: 1, TOS: igmpPrecedence, DF: true, Options: routerAlert[:], NoLoop: true,
	})
}

// receiveIGMP handles a message. As Linux does, it hears queries from every source and with every TTL. It takes p.
func (ip *Protocol) receiveIGMP(p *stack.Packet) {
	c := &ip.stack.Counters().Igmp
	c.InMsgs.Inc()
	drop := ip.handleIGMP(p)
	switch drop {
	case tcpip.DropNone:
		p.Release()
		return
	case tcpip.DropBadChecksum:
		c.InCsumErrors.Inc()
		c.InErrors.Inc()
	case tcpip.DropUnknownType:
	default:
		c.InErrors.Inc()
	}
	p.Drop(drop)
}

func (ip *Protocol) handleIGMP(p *stack.Packet) tcpip.Drop {
	c := &ip.stack.Counters().Igmp
	if p.Checksum == stack.ChecksumUnverified && shared.Sum(p, checksum.Partial{}).Checksum() != 0 {
		return tcpip.DropBadChecksum
	}
	if p.Len() > maxIGMP || !p.Pull(p.Len()) {
		return tcpip.DropTooBig
	}
	h, drop := header.ParseIGMP(p.Transport())
	if drop != tcpip.DropNone {
		return drop
	}
	switch h.Type() {
	case header.IGMPQuery:
		c.InQueries.Inc()
		q, _ := h.Query()
		ip.igmp.Query(p.NIC, &q)
		return tcpip.DropNone
	case header.IGMPv1Report, header.IGMPv2Report:
		c.InReports.Inc()
		// Routers do not hear what was not sent to all (RFC 2236 §3 takes it that they do).
		if t := p.Link.Type; !p.Looped && (t == stack.PacketMulticast || t == stack.PacketBroadcast) {
			ip.igmp.Heard(p.NIC, h.Group())
		}
		return tcpip.DropNone
	case header.IGMPv3Report, header.IGMPv2Leave: // for routers
		return tcpip.DropNone
	}
	return tcpip.DropUnknownType
}
