package stack

import (
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// RouteQuery asks for a route.
type RouteQuery struct {
	Destination netip.Addr
	Source      netip.Addr  // zero or unspecified: to be chosen
	NIC         tcpip.NICID // 0: any
	// AnySource: Source need not be ours (IP_TRANSPARENT, IP_FREEBIND, forwarding), and unspecified means
	// just that (duplicate address detection).
	AnySource bool
	DontRoute bool              // no way over a gateway
	Taste     tcpip.SourceTaste // which source to prefer
}

// Route is the way to one destination. It is immutable and may be kept and shared while Valid. Remote
// differs from what was asked for if that was the unspecified address, which means this host.
type Route struct {
	Net           InternetProtocol
	NIC           *NIC
	Local, Remote netip.Addr
	NextHop       netip.Addr
	Loopback      bool // Remote is ours
	Broadcast     bool
	Multicast     bool
	etherType     header.EtherType
	mtu           int
	generation    uint64
	stack         *Stack
	query         RouteQuery
	cached        *routeCached
}

// ByDevice reports whether r leads back to this host by a loopback NIC that was asked for.
func (r *Route) ByDevice() bool { return r.Loopback && r.query.NIC == r.NIC.id }

// routeCached is what a route learns while it is used.
type routeCached struct {
	neighbour atomic.Pointer[neighbour]
	pmtu      atomic.Uint64 // see Route.PathMTU
}

// FindRoute returns the way to q.Destination: the longest prefix, then the lowest metric, then the oldest
// row, of those whose NIC is up.
//
//   - Our own addresses, and the unspecified one, lead to the first loopback NIC.
//   - Multicast and limited broadcast leave through q.NIC, else the NIC of q.Source, else that of a
//     matching route. For IPv6 that is, without an explicit one, the first NIC with IPv6.
//   - With q.NIC an IPv4 destination that no route matches counts as on the link, as on Linux.
//
// Errors: ErrNetUnreachable without a way, ErrNoDevice if there is no NIC q.NIC, ErrAddrNotAvailable for a
// source that is not ours, or if there is none to choose, ErrInvalid for a loopback source to another
// host or a destination that is no address.
func (s *Stack) FindRoute(q RouteQuery) (*Route, tcpip.Error) {
	c := s.conf.Load()
	slot := c.slot(&q)
	if r := slot.Load(); r != nil && r.query == q && r.generation == c.generation {
		return r, tcpip.OK
	}
	r, err := c.findRoute(s, q)
	if err != tcpip.OK {
		return nil, err
	}
	slot.Store(r)
	return r, tcpip.OK
}

// routeSlots is a cache of the routes that were last found with one configuration: it keeps the
// forwarding path, which has nowhere to keep a route, from allocating.
type routeSlots [routeCacheSize]atomic.Pointer[Route]

func (c *config) slot(q *RouteQuery) *atomic.Pointer[Route] {
	slots := c.cache.Load()
	if slots == nil {
		c.cache.CompareAndSwap(nil, new(routeSlots))
		slots = c.cache.Load()
	}
	d, l := addr128From(q.Destination), addr128From(q.Source)
	const odd = 0x9e3779b97f4a7c15
	h := ((d.hi*odd^d.lo)*odd ^ l.hi ^ l.lo<<1 ^ uint64(q.NIC)<<1 ^ uint64(one(q.AnySource))) * odd
	return &slots[h>>32%routeCacheSize]
}

// nic returns the NIC with the given number, nil if there is none.
func (c *config) nic(id tcpip.NICID) *NIC {
	for _, n := range c.nics {
		if n.id == id {
			return n
		}
	}
	return nil
}

func (c *config) findRoute(s *Stack, q RouteQuery) (*Route, tcpip.Error) {
	dst := q.Destination
	if !dst.IsValid() || dst.Is4In6() || q.Source.IsValid() && q.Source.Is4() != dst.Is4() {
		return nil, tcpip.ErrInvalid
	}
	var bound *NIC
	if q.NIC != 0 {
		if bound = c.nic(q.NIC); bound == nil {
			return nil, tcpip.ErrNoDevice
		}
		if !bound.Up() {
			return nil, tcpip.ErrNetUnreachable
		}
	}
	f := &struct {
		Route
		routeCached
	}{}
	r := &f.Route
	*r = Route{Net: s.internetOf(dst), etherType: etherTypeOf(dst), generation: c.generation, stack: s, query: q, cached: &f.routeCached}
	if r.Net == nil {
		return nil, tcpip.ErrNetUnreachable
	}
	if dst.IsUnspecified() {
		if dst = q.Source; !dst.IsValid() || dst.IsUnspecified() {
			dst = loopbackAddr(q.Destination)
		}
	}
	r.Remote, r.NextHop = dst, dst
	preferred, found := c.direct(r, dst, bound)
	if !found {
		row := c.routes.family(dst).lookup(dst, bound)
		if q.DontRoute && row != nil && row.Gateway.IsValid() {
			row = c.routes.family(dst).lookupDirect(dst, bound)
		}
		switch {
		case dst.IsLoopback() && (bound == nil || dst.Is6()):
			return nil, tcpip.ErrNetUnreachable
		case row != nil:
			r.NIC, preferred = row.nic, row.Source
			r.mtu = row.MTU
			if row.Gateway.IsValid() {
				r.NextHop = row.Gateway
			}
		case bound != nil && dst.Is4():
			r.NIC = bound
		default:
			return nil, tcpip.ErrNetUnreachable
		}
	}
	if r.NIC == nil {
		return nil, tcpip.ErrNetUnreachable
	}
	if mtu := r.NIC.mtuTo(dst); r.mtu == 0 || r.mtu > mtu {
		r.mtu = mtu
	}
	return r, c.setSource(r, preferred)
}

// direct fills in r for a destination that needs no route, or whose NIC is known. It reports false if the
// table has to say. r.NIC stays nil if no NIC can carry it.
func (c *config) direct(r *Route, dst netip.Addr, bound *NIC) (preferred netip.Addr, found bool) {
	if dst.IsMulticast() || dst == limitedBroadcast {
		r.Multicast, r.Broadcast = dst.IsMulticast(), dst == limitedBroadcast
		r.NIC = bound
		if bound == nil {
			r.NIC, preferred = c.groupNIC(dst, r.query.Source)
		}
		if dst.Is6() && r.NIC != nil && r.NIC.Info().Kind == LinkLoopback { // which has no route to ff00::/8, as on Linux
			r.NIC = nil
		}
		return preferred, true
	}
	if l := c.addresses.find(dst, bound); l != nil && l.state.usable() && l.reachedFrom(bound, dst) {
		r.Loopback = true
		r.NIC = c.loopbackNIC()
		return l.addr, true
	}
	for _, l := range c.addresses.broadcasts[dst] {
		if (bound == nil || l.nic == bound) && l.nic.Up() {
			r.Broadcast, r.NIC = true, l.nic
			return l.addr, true
		}
	}
	if dst.Is6() && dst.IsLinkLocalUnicast() {
		if bound == nil && r.query.Source.IsLinkLocalUnicast() {
			if l := c.addresses.find(r.query.Source, nil); l != nil && l.nic.Up() {
				bound = l.nic
			}
		}
		if bound != nil && !r.query.AnySource && !c.hasLinkLocal(bound) { // and so no route to the link's addresses, as on Linux
			return netip.Addr{}, false
		}
		r.NIC = bound
		return netip.Addr{}, bound != nil
	}
	return netip.Addr{}, false
}

// reachedFrom reports whether l is ours for who is bound to a NIC (nil: to none). As on Linux, somebody bound
// to one NIC does not find the addresses of others inside the host.
func (l *localAddress) reachedFrom(bound *NIC, dst netip.Addr) bool {
	return bound == nil || l.nic == bound || bound.Info().Kind == LinkLoopback && dst.Is4()
}

// loopbackNIC returns the first loopback NIC that is up, nil if there is none.
func (c *config) loopbackNIC() *NIC {
	for _, n := range c.nics {
		if n.Info().Kind == LinkLoopback && n.Up() {
			return n
		}
	}
	return nil
}

// groupNIC returns the NIC for multicast and broadcast of somebody who named none, nil if there is none: that
// of the source, over IPv6 of a link-local one only, else a route's. IPv6 has a route to ff00::/8 on every NIC, as on Linux, which wins over
// shorter ones; IPv4 needs one, be it the default route.
func (c *config) groupNIC(dst, source netip.Addr) (n *NIC, preferred netip.Addr) {
	if source.IsValid() && !source.IsUnspecified() && (dst.Is4() || source.IsLinkLocalUnicast()) {
		if l := c.addresses.find(source, nil); l != nil && l.nic.Up() {
			return l.nic, netip.Addr{}
		}
	}
	row := c.routes.family(dst).lookup(dst, nil)
	if dst.Is6() && (row == nil || row.Destination.Bits() < 8) {
		for _, n := range c.nics {
			if n.Up() && n.Info().Kind != LinkLoopback && c.addresses.hasFamily(n, dst) {
				return n, netip.Addr{}
			}
		}
	}
	if row == nil {
		return nil, netip.Addr{}
	}
	return row.nic, row.Source
}

// hasLinkLocal reports whether n has a usable link-local address of IPv6.
func (c *config) hasLinkLocal(n *NIC) bool {
	return slices.ContainsFunc(c.addresses.byNIC[n], func(l *localAddress) bool {
		return l.addr.Is6() && l.addr.IsLinkLocalUnicast() && l.state.usable()
	})
}

// hasFamily reports whether n has a usable address of a's family.
func (t *addressTable) hasFamily(n *NIC, a netip.Addr) bool {
	return slices.ContainsFunc(t.byNIC[n], func(l *localAddress) bool { return l.addr.Is4() == a.Is4() && l.state.usable() })
}

// setSource fills in r.Local: the source asked for, else the preferred one, else the choice of RFC 6724.
// IPv4 without any address sends from 0.0.0.0, as Linux does.
func (c *config) setSource(r *Route, preferred netip.Addr) tcpip.Error {
	q := &r.query
	if q.Source.IsValid() && (!q.Source.IsUnspecified() || q.AnySource) {
		r.Local = q.Source
		l := c.addresses.find(q.Source, nil)
		switch {
		case q.Source.Is4() && q.Source.IsLoopback() && l != nil && !r.Loopback && r.NIC.Info().Kind != LinkLoopback:
			return tcpip.ErrInvalid
		case q.AnySource || r.NIC.Spoofing():
			return tcpip.OK
		case l == nil || !l.state.usable():
			return tcpip.ErrAddrNotAvailable
		}
		return tcpip.OK
	}
	if preferred.IsValid() {
		if l := c.addresses.find(preferred, nil); l != nil && l.state.usable() {
			r.Local = preferred
			return tcpip.OK
		}
	}
	r.Local = c.source(r.NIC, r.Remote, r.NextHop, q.Taste)
	switch {
	case r.Local.IsValid():
		return tcpip.OK
	case r.Remote.Is4():
		r.Local = netip.IPv4Unspecified()
		return tcpip.OK
	case q.AnySource:
		r.Local = netip.IPv6Unspecified()
		return tcpip.OK
	}
	return tcpip.ErrAddrNotAvailable
}

// loopbackAddr returns the loopback address of a's family.
func loopbackAddr(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

// Valid reports whether nothing has changed since the route was found.
func (r *Route) Valid() bool { return r.stack.conf.Load().generation == r.generation }

// MTU returns the bytes of the largest packet that the first link and the route's own MTU allow.
func (r *Route) MTU() int { return r.mtu }

// HopsTo returns the hop limit of IPv6 packets to a peer for which nobody has chosen one: what a router has told, where
// there is a way to the peer.
func (s *Stack) HopsTo(peer tcpip.FullAddress) uint8 {
	if peer.Addr.Is6() && !peer.Addr.IsMulticast() {
		if r, err := s.FindRoute(RouteQuery{Destination: peer.Addr, NIC: peer.NIC}); err == tcpip.OK {
			return r.DefaultTTL()
		}
	}
	return s.DefaultTTL()
}

// DefaultTTL returns the TTL or hop limit of packets along r for which nobody has chosen one.
func (r *Route) DefaultTTL() uint8 {
	if hops := r.NIC.hops6.Load(); hops != 0 && r.Remote.Is6() {
		return uint8(hops)
	}
	return r.stack.DefaultTTL()
}
