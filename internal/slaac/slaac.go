package slaac

import (
	"net/netip"
	"slices"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// Conf is what the owner decides. It is constant while the machine runs.
type Conf struct {
	LinkLocal     bool // make a link-local address
	Routers       bool // solicit, and heed advertisements: routers, prefixes and what else they say
	Addresses     bool // make addresses from prefixes that allow it
	Temporary     bool // and temporary ones beside them
	Generation    Generation
	Link          tcpip.LinkAddr // for Hardware
	Name          string         // of the link, for Stable: what stays the same when the machine is made again
	Secret        [32]byte       // for Stable
	Seed          [32]byte       // of what is random
	Solicitations int            // at most; negative: until a router answers
	MTU           int            // bytes of the largest packet; an advertised MTU above it is ignored
}

// Advertisement is a router advertisement whose message has been checked.
type Advertisement struct {
	Router     netip.Addr // who sent it: a link-local address
	Lifetime   time.Duration
	Preference header.NDPPreference
	HopLimit   uint8         // 0: not said
	Reachable  time.Duration // 0: not said
	Retrans    time.Duration // 0: not said
	MTU        int           // 0: not said
	Prefixes   []header.NDPPrefixInfo
	Routes     []header.NDPRouteInfo
	Servers    []Server // Until is the lifetime
}

// Server is a recursive DNS server (RFC 8106).
type Server struct {
	Addr     netip.Addr
	Lifetime time.Duration
}

// ActionKind is what an Action asks for.
type ActionKind uint8

// The kinds.
const (
	Solicit       ActionKind = iota // send a router solicitation
	AddAddress                      // Prefix is address and length; detect duplicates, and say so by Detected
	SetDeprecated                   // of an address: Deprecated says what
	RemoveAddress
	AddRoute    // to Prefix by way of Router, or on the link if Router is zero
	RemoveRoute // as it was added
	SetHopLimit // this and the next three: 0 means what it was before
	SetReachable
	SetRetrans
	SetMTU
	NewServers // Servers has changed
)

// Action is one thing to be done. Which fields have a meaning depends on Kind.
type Action struct {
	Kind       ActionKind
	Prefix     netip.Prefix
	Router     netip.Addr
	Preference header.NDPPreference
	Temporary  bool
	Deprecated bool
	Lasting    bool          // of a route: its router has said that it has no end
	Redirected bool          // of a route: from a redirect
	Value      int           // hop limit, MTU in bytes
	Duration   time.Duration // reachable and retransmission times
}

// Host is the machine. The zero Host does nothing until Start.
type Host struct {
	conf    Conf
	random  random
	running bool
	actions []Action // to be polled

	linkLocal netip.Addr // in use
	solicit   solicitation
	routers   []router
	prefixes  []onLink
	routes    []moreSpecific
	redirects []moreSpecific // to single addresses
	addresses []address
	servers   []dnsServer
	mtu       int
	said      map[ActionKind]bool // of SetHopLimit, SetReachable and SetRetrans: to be undone
}

// Start begins on a link that has come up. What was learnt before is forgotten, without actions: use Stop for those.
func (h *Host) Start(now tcpip.Time, c Conf) {
	*h = Host{conf: c, random: random{seed: c.Seed}, running: true, actions: h.actions}
	if c.LinkLocal {
		h.propose(now, linkLocalPrefix, forever, forever)
	}
}

// Stop ends on a link that has gone: actions follow that undo everything.
func (h *Host) Stop() {
	for _, a := range h.addresses {
		if a.state != abandoned {
			h.do(Action{Kind: RemoveAddress, Prefix: a.prefixed()})
		}
	}
	for _, r := range h.routers {
		h.do(r.route(RemoveRoute))
	}
	for _, p := range h.prefixes {
		h.do(p.route(RemoveRoute))
	}
	for _, r := range h.routes {
		h.do(r.route(RemoveRoute))
	}
	for _, r := range h.redirects {
		h.do(r.route(RemoveRoute))
	}
	if h.mtu != 0 {
		h.do(Action{Kind: SetMTU})
	}
	for _, k := range []ActionKind{SetHopLimit, SetReachable, SetRetrans} {
		if h.said[k] {
			h.do(Action{Kind: k})
		}
	}
	if len(h.servers) > 0 {
		h.do(Action{Kind: NewServers})
	}
	*h = Host{actions: h.actions}
}

// Running reports whether the machine is between Start and Stop.
func (h *Host) Running() bool { return h.running }

// Poll returns the next thing to be done, in order. Call it until it reports false, after any other method.
func (h *Host) Poll(a *Action) bool {
	if len(h.actions) == 0 {
		return false
	}
	*a = h.actions[0]
	h.actions = slices.Delete(h.actions, 0, 1)
	return true
}

func (h *Host) do(a Action) { h.actions = append(h.actions, a) }

// say does what Stop is to undo.
func (h *Host) say(a Action) {
	if h.said == nil {
		h.said = map[ActionKind]bool{}
	}
	h.said[a.Kind] = true
	h.do(a)
}

// forever is a deadline that never passes; 0 is none.
const forever = tcpip.Time(1<<63 - 1)

// until returns when a lifetime ends.
func until(now tcpip.Time, d time.Duration) tcpip.Time {
	if d == header.NDPForever || int64(d) > int64(forever)-int64(now) {
		return forever
	}
	return now.Add(d)
}

// Deadline returns when Advance is next needed; zero means never.
func (h *Host) Deadline() (next tcpip.Time) {
	soonest := func(t tcpip.Time) {
		if t != forever {
			next = tcpip.Earliest(next, t)
		}
	}
	soonest(h.solicit.at)
	for i := range h.routers {
		soonest(h.routers[i].until)
	}
	for i := range h.prefixes {
		soonest(h.prefixes[i].until)
	}
	for i := range h.routes {
		soonest(h.routes[i].until)
	}
	for i := range h.redirects {
		soonest(h.redirects[i].until)
	}
	for i := range h.addresses {
		soonest(h.addresses[i].deadline())
	}
	for i := range h.servers {
		soonest(h.servers[i].until)
	}
	return next
}

// Advance runs what is due.
func (h *Host) Advance(now tcpip.Time) {
	if !h.running {
		return
	}
	h.advanceSolicitation(now)
	h.advanceRouters(now)
	h.advanceAddresses(now)
	h.advanceServers(now)
}

// Advertised takes an advertisement in (RFC 4861 §6.3.4, RFC 4862 §5.5.3).
func (h *Host) Advertised(now tcpip.Time, a *Advertisement) {
	if !h.running || !h.conf.Routers {
		return
	}
	h.Advance(now)
	if a.HopLimit != 0 {
		h.say(Action{Kind: SetHopLimit, Value: int(a.HopLimit)})
	}
	if a.Reachable != 0 {
		h.say(Action{Kind: SetReachable, Duration: a.Reachable})
	}
	if a.Retrans != 0 {
		h.say(Action{Kind: SetRetrans, Duration: a.Retrans})
	}
	if a.MTU >= header.IPv6MinMTU && a.MTU <= h.conf.MTU && a.MTU != h.mtu {
		h.mtu = a.MTU
		h.do(Action{Kind: SetMTU, Value: a.MTU})
	}
	h.router(now, a)
	for i := range a.Prefixes {
		h.prefix(now, &a.Prefixes[i])
	}
	for i := range a.Routes {
		h.route(now, a.Router, &a.Routes[i])
	}
	h.resolve(now, a.Servers)
}
