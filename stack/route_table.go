package stack

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"

	"github.com/seed963a8790/netstack/tcpip"
)

// RouteEntry is one row of the routing table.
type RouteEntry struct {
	Destination netip.Prefix
	Gateway     netip.Addr  // zero: on the link
	NIC         tcpip.NICID // 0 in AddRoute: where the gateway is
	Source      netip.Addr  // preferred source; zero: chosen by RFC 6724
	Metric      uint32      // the lowest wins among equal prefixes
	Preference  int8        // the highest wins among equal metrics (RFC 4191 §2.1)
	MTU         int         // bytes; 0: the NIC's
	Origin      RouteOrigin
}

// RouteOrigin is where a route comes from. It has no say in the choice of routes.
type RouteOrigin uint8

// The origins.
const (
	RouteConfigured RouteOrigin = iota
	RouteAdvertised             // by a router, for as long as it says
	RouteLasting                // by a router, without end
	RouteRedirected             // by a router that knows a better first hop to one destination
)

// routeRow is a RouteEntry in the table. It is never changed, only replaced.
type routeRow struct {
	RouteEntry
	nic       *NIC
	connected bool   // came with an address and goes with it
	order     uint64 // of its addition; the earliest wins among equals
}

// routeTable is an immutable routing table; the methods that change it build another.
type routeTable struct {
	v4, v6 routeIndex
	count  int // rows that were added by AddRoute
}

// routeIndex has the rows of one family, the longest prefixes first, then by prefix, metric, preference and
// order.
type routeIndex struct {
	rows []*routeRow
	runs []routeRun
}

// routeRun is the part of routeIndex.rows with prefixes of one length.
type routeRun struct{ bits, from, to int }

func compareRows(a, b *routeRow) int {
	return cmp.Or(
		cmp.Compare(b.Destination.Bits(), a.Destination.Bits()),
		a.Destination.Addr().Compare(b.Destination.Addr()),
		cmp.Compare(a.Metric, b.Metric),
		cmp.Compare(b.Preference, a.Preference),
		cmp.Compare(a.order, b.order),
	)
}

func (t *routeTable) family(a netip.Addr) *routeIndex {
	if a.Is4() {
		return &t.v4
	}
	return &t.v6
}

// insert puts r where it belongs.
func (x *routeIndex) insert(r *routeRow) {
	i, _ := slices.BinarySearchFunc(x.rows, r, compareRows)
	x.set(slices.Insert(slices.Clone(x.rows), i, r))
}

// remove takes out what match says and returns how many rows that were.
func (x *routeIndex) remove(match func(*routeRow) bool) int {
	if !slices.ContainsFunc(x.rows, match) {
		return 0
	}
	n := len(x.rows)
	x.set(slices.DeleteFunc(slices.Clone(x.rows), match))
	return n - len(x.rows)
}

func (x *routeIndex) set(rows []*routeRow) {
	x.rows, x.runs = rows, nil
	for i, r := range rows {
		if n := len(x.runs); n == 0 || x.runs[n-1].bits != r.Destination.Bits() {
			x.runs = append(x.runs, routeRun{bits: r.Destination.Bits(), from: i})
		}
		x.runs[len(x.runs)-1].to = i + 1
	}
}

// lookup returns the best row for dst whose NIC is up, and is n unless that is nil: the longest prefix,
// then the lowest metric, the highest preference, the oldest. It takes a binary search per prefix length in use.
func (x *routeIndex) lookup(dst netip.Addr, n *NIC) *routeRow {
	for _, run := range x.runs {
		p, err := dst.Prefix(run.bits)
		if err != nil {
			return nil
		}
		key, low, high := p.Addr(), run.from, run.to
		for low < high {
			if mid := int(uint(low+high) / 2); x.rows[mid].Destination.Addr().Less(key) {
				low = mid + 1
			} else {
				high = mid
			}
		}
		for ; low < run.to && x.rows[low].Destination.Addr() == key; low++ {
			if r := x.rows[low]; (n == nil || r.nic == n) && r.nic.Up() {
				return r
			}
		}
	}
	return nil
}

// lookupDirect is lookup among the rows without a gateway.
func (x *routeIndex) lookupDirect(dst netip.Addr, n *NIC) *routeRow {
	for _, r := range x.rows {
		if !r.Gateway.IsValid() && r.Destination.Contains(dst) && (n == nil || r.nic == n) && r.nic.Up() {
			return r
		}
	}
	return nil
}

func (t *routeTable) removeBoth(match func(*routeRow) bool) {
	t.v4.remove(match)
	t.v6.remove(match)
	t.count = 0
	for _, x := range []*routeIndex{&t.v4, &t.v6} {
		for _, r := range x.rows {
			t.count += one(!r.connected)
		}
	}
}

func (t *routeTable) forget(n *NIC) { t.removeBoth(func(r *routeRow) bool { return r.nic == n }) }

// forgetSource removes the routes that prefer a source that the stack has lost, as Linux does.
func (t *routeTable) forgetSource(a netip.Addr) {
	t.removeBoth(func(r *routeRow) bool { return r.Source == a && !r.connected })
}

// connect makes the route to a prefix of n's agree with n's addresses: the oldest address in the prefix
// that wants the route has it, and is its source on IPv4.
func (c *config) connect(n *NIC, prefix netip.Prefix) {
	x := c.routes.family(prefix.Addr())
	x.remove(func(r *routeRow) bool { return r.connected && r.nic == n && r.Destination == prefix })
	for _, l := range c.addresses.byNIC[n] {
		if l.prefix == prefix && l.route {
			r := &routeRow{RouteEntry{Destination: prefix, NIC: n.id}, n, true, l.order}
			if l.addr.Is4() {
				r.Source = l.addr
			}
			x.insert(r)
			return
		}
	}
}

// AddRoute adds a row. Among rows with one destination and metric the oldest wins.
//
// Errors: ErrInvalid for addresses of mixed families, a gateway that is no station or is ours, a source
// that is not ours (ErrAddrNotAvailable), ErrNoDevice if there is no such NIC, ErrNetUnreachable (IPv6:
// ErrHostUnreachable) if the gateway is not on one of the NIC's links, ErrExists, ErrTooMany.
func (s *Stack) AddRoute(e RouteEntry) error {
	dst := e.Destination.Addr()
	if !e.Destination.IsValid() || dst.Is4In6() || e.MTU < 0 || !sameFamily(dst, e.Gateway) || !sameFamily(dst, e.Source) {
		return tcpip.ErrInvalid
	}
	e.Destination = e.Destination.Masked()
	if !e.Gateway.IsValid() && e.NIC == 0 {
		return tcpip.ErrNoDevice
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.change(func(c *config) error {
		r := &routeRow{RouteEntry: e}
		if e.NIC != 0 {
			if r.nic = c.nic(e.NIC); r.nic == nil {
				return tcpip.ErrNoDevice
			}
		}
		if e.Gateway.IsValid() {
			if err := c.checkGateway(r); err != nil {
				return err
			}
		}
		if e.Source.IsValid() && c.addresses.find(e.Source, nil) == nil {
			return tcpip.ErrAddrNotAvailable
		}
		x := c.routes.family(dst)
		for _, o := range x.rows {
			if o.RouteEntry == r.RouteEntry {
				return tcpip.ErrExists
			}
		}
		if c.routes.count >= s.limits.Routes {
			return tcpip.ErrTooMany
		}
		c.order++
		r.order = c.order
		c.routes.count++
		x.insert(r)
		return nil
	})
}

func sameFamily(a, b netip.Addr) bool { return !b.IsValid() || a.Is4() == b.Is4() && !b.Is4In6() }

// checkGateway refuses a gateway that r's NIC cannot reach directly, and finds the NIC if r has none.
func (c *config) checkGateway(r *routeRow) error {
	g := r.Gateway
	if g.IsUnspecified() || g.IsMulticast() || g == limitedBroadcast || c.addresses.find(g, nil) != nil {
		return tcpip.ErrInvalid
	}
	if g.Is6() && g.IsLinkLocalUnicast() && r.nic != nil {
		return nil
	}
	x := c.routes.family(g)
	for _, o := range x.rows { // the longest prefixes first
		if !o.Gateway.IsValid() && o.Destination.Contains(g) && (r.nic == nil || r.nic == o.nic) {
			r.nic, r.NIC = o.nic, o.nic.id
			return nil
		}
	}
	if g.Is6() {
		return tcpip.ErrHostUnreachable
	}
	return tcpip.ErrNetUnreachable
}

// RemoveRoute removes the first row with e's destination that agrees with e in every other field that is
// not zero. That may be the route to an address's own network, which then does not come back.
//
// Errors: ErrNotFound.
func (s *Stack) RemoveRoute(e RouteEntry) error {
	e.Destination = e.Destination.Masked()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.change(func(c *config) error {
		x := c.routes.family(e.Destination.Addr())
		i := slices.IndexFunc(x.rows, func(r *routeRow) bool { return r.agrees(&e) })
		if i < 0 {
			return tcpip.ErrNotFound
		}
		r := x.rows[i]
		if r.connected {
			c.addresses.dropPrefixRoute(r.nic, r.Destination)
		} else {
			c.routes.count--
		}
		x.remove(func(o *routeRow) bool { return o == r })
		return nil
	})
}

func (r *routeRow) agrees(e *RouteEntry) bool {
	return r.Destination == e.Destination && (!e.Gateway.IsValid() || r.Gateway == e.Gateway) &&
		(e.NIC == 0 || r.NIC == e.NIC) && (!e.Source.IsValid() || r.Source == e.Source) &&
		(e.Metric == 0 || r.Metric == e.Metric) && (e.MTU == 0 || r.MTU == e.MTU)
}

// Routes returns the rows, IPv4 first, in the order in which they are tried: the longest prefixes first.
// They are those of one time, whatever changes meanwhile.
func (s *Stack) Routes() iter.Seq[RouteEntry] {
	return func(yield func(RouteEntry) bool) {
		t := &s.conf.Load().routes
		for _, x := range []*routeIndex{&t.v4, &t.v6} {
			for _, r := range x.rows {
				if !yield(r.RouteEntry) {
					return
				}
			}
		}
	}
}
