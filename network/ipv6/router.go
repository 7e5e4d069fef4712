package ipv6

import (
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/slaac"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

var allRouters = netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 15: 2})

// solicitRouters asks the routers on the link to advertise themselves (RFC 4861 §6.3.7).
func (ip *Protocol) solicitRouters(w *stack.Work, nic *stack.NIC) {
	source := nic.PrimaryAddress(true, true)
	if !source.IsValid() || !nic.Up() {
		return
	}
	ethernet := nic.Info().Kind == stack.LinkEthernet
	size, to := header.NDPRSSize, tcpip.LinkAddr{}
	if ethernet {
		size += linkAddrOption
		to = header.MulticastLinkAddr(allRouters)
	}
	p, b := ip.newNDP(size)
	if b = header.AppendNDPRS(b); ethernet {
		header.AppendNDPLinkAddr(b, header.NDPSourceLinkAddr, nic.Info().Address)
	}
	ip.stack.Counters().Icmp6.OutRouterSolicits.Inc()
	ip.sendNDP(w, nic, p, source, allRouters, to)
}

// routerAdvertisement learns from a router (RFC 4861 §6.1.2, §6.3.4).
func (ip *Protocol) routerAdvertisement(w *stack.Work, p *stack.Packet, m header.ICMPv6) tcpip.Drop {
	h, drop := header.ParseNDPRA(m)
	if drop != tcpip.DropNone {
		return drop
	}
	link, hasLink := h.Options().LinkAddr(header.NDPSourceLinkAddr)
	if !p.Src.IsLinkLocalUnicast() || hasLink && !link.IsUnicast() {
		return tcpip.DropNDPInvalid
	}
	d := ip.discover.of(p.NIC)
	if d == nil || !d.heeds() {
		return tcpip.DropUnknownType
	}
	a := slaac.Advertisement{
		Router: p.Src, Lifetime: h.RouterLifetime(), Preference: h.Preference(),
		HopLimit: h.CurHopLimit(), Reachable: h.ReachableTime(), Retrans: h.RetransTimer(),
	}
	for o := range h.Options().All() {
		if mtu, ok := o.MTU(); ok {
			a.MTU = int(min(mtu, 1<<30))
		} else if prefix, ok := o.PrefixInfo(); ok {
			a.Prefixes = append(a.Prefixes, prefix)
		} else if r, ok := o.RouteInfo(); ok {
			a.Routes = append(a.Routes, r)
		} else if lifetime, servers, ok := o.RDNSS(); ok {
			for s := range servers.All() {
				a.Servers = append(a.Servers, slaac.Server{Addr: s, Lifetime: lifetime})
			}
		}
	}
	if hasLink {
		p.NIC.NeighbourHeard(w, stack.NeighbourAdvert{Addr: p.Src, Link: link, Override: true, Unsolicited: true})
	}
	d.mu.Lock()
	d.managed, d.other = h.Managed(), h.OtherConfig()
	d.host.Advertised(ip.stack.Now(), &a)
	d.run(w)
	return tcpip.DropNone
}

// redirect takes a better first hop for a destination from the present one alone (RFC 4861 §8.1, BEHAVIOUR F9).
func (ip *Protocol) redirect(w *stack.Work, p *stack.Packet, m header.ICMPv6) tcpip.Drop {
	h, drop := header.ParseNDPRedirect(m)
	if drop != tcpip.DropNone {
		return drop
	}
	d := ip.discover.of(p.NIC)
	if d == nil || !d.heeds() {
		return tcpip.DropUnknownType
	}
	if !p.Src.IsLinkLocalUnicast() {
		return tcpip.DropNDPInvalid
	}
	r, err := ip.stack.FindRoute(stack.RouteQuery{Destination: h.Dst(), NIC: p.NIC.ID()})
	if err != tcpip.OK || r.NextHop != p.Src || r.Loopback {
		return tcpip.DropNDPInvalid
	}
	router := h.Target()
	if router == h.Dst() {
		router = netip.Addr{}
	}
	if link, ok := h.Options().LinkAddr(header.NDPTargetLinkAddr); ok && link.IsUnicast() {
		p.NIC.NeighbourHeard(w, stack.NeighbourAdvert{Addr: h.Target(), Link: link, Override: true, Unsolicited: true})
	}
	d.mu.Lock()
	d.host.Redirected(ip.stack.Now(), h.Dst(), router)
	d.run(w)
	return tcpip.DropNone
}
