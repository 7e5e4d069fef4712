package slaac

import (
	"net/netip"
	"slices"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// solicitation is the search for routers (RFC 4861 §6.3.7, RFC 7559).
type solicitation struct {
	at   tcpip.Time // of the next; 0: none
	sent int
	wait time.Duration // the last, before randomisation
}

// search begins soliciting, once a link-local address is there to do it from.
func (h *Host) search(now tcpip.Time) {
	if h.conf.Routers && h.conf.Solicitations != 0 && h.solicit == (solicitation{}) {
		h.solicit.at = now.Add(time.Duration(h.random.below(int64(MaxSolicitationDelay))))
	}
}

// found ends the search: a default router has answered.
func (h *Host) found() {
	h.solicit.at = 0
	h.solicit.sent = max(h.solicit.sent, 1) // so that it does not begin
}

func (h *Host) advanceSolicitation(now tcpip.Time) {
	s := &h.solicit
	if s.at == 0 || now < s.at {
		return
	}
	if h.conf.Solicitations >= 0 && s.sent >= h.conf.Solicitations {
		s.at = 0
		return
	}
	h.do(Action{Kind: Solicit})
	s.sent++
	if s.wait == 0 {
		s.wait = SolicitationInterval
	} else {
		s.wait = min(2*s.wait, MaxSolicitationTime)
	}
	tenth := int64(s.wait / 10) // RFC 3315 §14: ten per cent either way
	s.at = now.Add(s.wait + time.Duration(h.random.below(2*tenth+1)-tenth))
}

// router is a default router.
type router struct {
	addr       netip.Addr
	preference header.NDPPreference
	failed     bool // did not answer when it was last asked for its link address
	until      tcpip.Time
}

var anywhere = netip.PrefixFrom(netip.IPv6Unspecified(), 0)

// failedPreference puts a router behind those that answer (RFC 4861 §6.3.6, RFC 4191 §3.2).
const failedPreference = 4

func (r *router) rank() header.NDPPreference {
	if r.failed {
		return r.preference - failedPreference
	}
	return r.preference
}

func (r *router) route(k ActionKind) Action {
	return Action{Kind: k, Prefix: anywhere, Router: r.addr, Preference: r.rank(), Lasting: r.until == forever}
}

// router takes in what an advertisement says of its sender.
func (h *Host) router(now tcpip.Time, a *Advertisement) {
	if a.Lifetime > 0 {
		h.found()
	}
	preference := a.Preference
	if preference == header.NDPPreferenceReserved {
		preference = header.NDPPreferenceMedium // RFC 4191 §2.2
	}
	h.setRouter(now, router{addr: a.Router, preference: preference, until: until(now, a.Lifetime)})
}

func (h *Host) setRouter(now tcpip.Time, r router) {
	i := slices.IndexFunc(h.routers, func(o router) bool { return o.addr == r.addr })
	switch {
	case i < 0 && (r.until <= now || len(h.routers) >= MaxRouters):
	case i < 0:
		h.routers = append(h.routers, r)
		h.do(r.route(AddRoute))
	case r.until <= now:
		h.do(h.routers[i].route(RemoveRoute))
		h.routers = slices.Delete(h.routers, i, i+1)
	default:
		old := h.routers[i]
		r.failed = old.failed
		h.routers[i] = r
		if old.route(AddRoute) != r.route(AddRoute) {
			h.do(old.route(RemoveRoute))
			h.do(r.route(AddRoute))
		}
	}
}

// Reachable tells whether a neighbour has answered when it was last asked for its link address. A default router
// that has not comes after those that have; its routes are tried again when all have failed, in turn.
func (h *Host) Reachable(addr netip.Addr, ok bool) {
	i := slices.IndexFunc(h.routers, func(o router) bool { return o.addr == addr })
	if i < 0 || ok && !h.routers[i].failed {
		return
	}
	r := &h.routers[i]
	h.do(r.route(RemoveRoute))
	r.failed = !ok
	h.do(r.route(AddRoute)) // behind its equals
}

// ForgetRouters forgets the default routers. Prefixes and more-specific routes stay until their end, as on Linux.
func (h *Host) ForgetRouters() {
	for i := range h.routers {
		h.do(h.routers[i].route(RemoveRoute))
	}
	h.routers = nil
}

// onLink is a prefix whose addresses are neighbours.
type onLink struct {
	prefix netip.Prefix
	until  tcpip.Time
}

func (p *onLink) route(k ActionKind) Action {
	return Action{Kind: k, Prefix: p.prefix, Lasting: p.until == forever}
}

// prefix takes in a prefix information option: as a neighbourhood (RFC 4861 §6.3.4) and for addresses.
func (h *Host) prefix(now tcpip.Time, p *header.NDPPrefixInfo) {
	if p.Prefix.Addr().IsLinkLocalUnicast() || p.Prefix.Addr().IsMulticast() || p.Preferred > p.Valid { // as Linux does
		return
	}
	if p.OnLink {
		h.setPrefix(now, onLink{p.Prefix, until(now, p.Valid)})
	}
	if p.Autonomous && h.conf.Addresses {
		h.configure(now, p)
	}
}

func (h *Host) setPrefix(now tcpip.Time, p onLink) {
	i := slices.IndexFunc(h.prefixes, func(o onLink) bool { return o.prefix == p.prefix })
	switch {
	case i < 0 && (p.until <= now || len(h.prefixes) >= MaxPrefixes):
	case i < 0:
		h.prefixes = append(h.prefixes, p)
		h.do(p.route(AddRoute))
	case p.until <= now:
		h.do(h.prefixes[i].route(RemoveRoute))
		h.prefixes = slices.Delete(h.prefixes, i, i+1)
	default:
		if old := h.prefixes[i]; old.route(AddRoute) != p.route(AddRoute) {
			h.do(old.route(RemoveRoute))
			h.do(p.route(AddRoute))
		}
		h.prefixes[i] = p
	}
}

// moreSpecific is a route that a router offers (RFC 4191 §2.3).
type moreSpecific struct {
	prefix     netip.Prefix
	router     netip.Addr
	preference header.NDPPreference
	until      tcpip.Time
	redirected bool
}

func (r *moreSpecific) route(k ActionKind) Action {
	return Action{Kind: k, Prefix: r.prefix, Router: r.router, Preference: r.preference, Lasting: r.until == forever, Redirected: r.redirected}
}

// route takes in a route information option. One to everywhere is what the router says of itself as a default
// router, and has precedence over the message's own fields (RFC 4191 §3.1).
func (h *Host) route(now tcpip.Time, from netip.Addr, o *header.NDPRouteInfo) {
	r := moreSpecific{prefix: o.Prefix, router: from, preference: o.Preference, until: until(now, o.Lifetime)}
	if r.prefix.Addr().IsLinkLocalUnicast() || r.prefix.Addr().IsMulticast() {
		return
	}
	if r.prefix.Bits() == 0 {
		h.setRouter(now, router{addr: from, preference: r.preference, until: r.until})
		return
	}
	i := slices.IndexFunc(h.routes, func(m moreSpecific) bool { return m.prefix == r.prefix && m.router == r.router })
	switch {
	case i < 0 && (r.until <= now || len(h.routes) >= MaxRoutes):
	case i < 0:
		h.routes = append(h.routes, r)
		h.do(r.route(AddRoute))
	case r.until <= now:
		h.do(h.routes[i].route(RemoveRoute))
		h.routes = slices.Delete(h.routes, i, i+1)
	default:
		if old := h.routes[i]; old.route(AddRoute) != r.route(AddRoute) {
			h.do(old.route(RemoveRoute))
			h.do(r.route(AddRoute))
		}
		h.routes[i] = r
	}
}

// Redirected takes in a redirect that the owner has checked: it came from the first hop to dst. Packets to dst go by
// way of router from now on, or to dst itself if router is zero (RFC 4861 §8.3).
func (h *Host) Redirected(now tcpip.Time, dst, router netip.Addr) {
	if !h.running || !h.conf.Routers {
		return
	}
	r := moreSpecific{prefix: netip.PrefixFrom(dst, 128), router: router, until: now.Add(redirectTime), redirected: true}
	i := slices.IndexFunc(h.redirects, func(m moreSpecific) bool { return m.prefix == r.prefix })
	if i < 0 && len(h.redirects) >= MaxRedirects {
		i = 0 // the oldest makes room
	}
	if i >= 0 {
		h.do(h.redirects[i].route(RemoveRoute))
		h.redirects = slices.Delete(h.redirects, i, i+1)
	}
	h.redirects = append(h.redirects, r)
	h.do(r.route(AddRoute))
}

// advanceRouters forgets what has expired.
func (h *Host) advanceRouters(now tcpip.Time) {
	expire := func(t tcpip.Time, a Action) bool {
		if t > now {
			return false
		}
		h.do(a)
		return true
	}
	h.routers = slices.DeleteFunc(h.routers, func(r router) bool { return expire(r.until, r.route(RemoveRoute)) })
	h.prefixes = slices.DeleteFunc(h.prefixes, func(p onLink) bool {
		return expire(p.until, p.route(RemoveRoute))
	})
	h.routes = slices.DeleteFunc(h.routes, func(r moreSpecific) bool { return expire(r.until, r.route(RemoveRoute)) })
	h.redirects = slices.DeleteFunc(h.redirects, func(r moreSpecific) bool { return expire(r.until, r.route(RemoveRoute)) })
}
