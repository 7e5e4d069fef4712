package mcast

import (
	"net/netip"
	"slices"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// Query tells of a query that has arrived (RFC 3376 §5.2, RFC 3810 §6.2). It borrows q.
func (m *Machine) Query(now tcpip.Time, q *header.MulticastQuery) {
	v := Version(q.Version)
	if m.conf.V6 {
		v++
	}
	group, response := q.Group, max(q.MaxResponse, shortestResponse)
	switch {
	case v == V3:
	case m.conf.V6 && m.conf.Version == 2: // MLDv2 is forced: a querier of MLDv1 is not heard
		return
	default:
		m.hearOld(now, v)
	}
	spoken := m.Version(now)
	if spoken == V1 { // whose queries name no group and no time
		group, response = netip.Addr{}, defaultResponse
	}
	general := !group.IsValid() || group.IsUnspecified()
	if spoken == V3 {
		m.learn(q)
		if general {
			if q.Sources.Len() == 0 {
				m.generalAt = tcpip.Earliest(m.generalAt, m.soon(now, response))
			}
			return
		}
	}
	if general {
		for _, g := range m.order {
			if g != nil && !g.filter.None() {
				m.schedule(g, m.soon(now, response))
			}
		}
		return
	}
	g := m.groups[group]
	if g == nil || g.filter.None() || spoken == V3 && !g.ask(q) {
		return
	}
	m.schedule(g, m.soon(now, response))
}

// soon is a random time within the given one.
func (m *Machine) soon(now tcpip.Time, within time.Duration) tcpip.Time {
	return now.Add(max(m.conf.Random(within), 1))
}

// hearOld notes that a querier of an older version is there, whose version is then spoken for a time (RFC 3376
// §7.2.1, RFC 3810 §8.2.1).
func (m *Machine) hearOld(now tcpip.Time, v Version) {
	was := m.Version(now)
	until := now.Add(time.Duration(m.robustness)*m.interval + m.response)
	if v == V1 {
		m.oldest = until
	} else {
		m.older = until
	}
	if was != V3 || m.Version(now) == V3 {
		return
	}
	m.forgetChanges()
	m.generalAt = 0
	for _, g := range m.order {
		if g != nil {
			g.at, g.asked, g.whole = 0, nil, false
		}
	}
}

// learn takes over what the querier says of itself (RFC 3376 §4.1.6, §4.1.7).
func (m *Machine) learn(q *header.MulticastQuery) {
	m.response = q.MaxResponse
	if m.interval = q.Interval; m.interval == 0 {
		m.interval = defaultInterval
	}
	if m.robustness = int(q.Robustness); m.robustness == 0 {
		if m.robustness = m.conf.Robustness; m.robustness == 0 {
			m.robustness = DefaultRobustness
		}
	}
}

// ask adds a query about g to what waits to be answered, and reports whether there is an answer. As on Linux who
// excludes answers a query of sources with all that it excludes, unless that is every source asked about.
func (g *group) ask(q *header.MulticastQuery) bool {
	if q.Sources.Len() == 0 || g.filter.Mode == tcpip.FilterExclude {
		all := q.Sources.Len() > 0
		for a := range q.Sources.All() {
			if all = has(g.filter.Sources, a); !all {
				break
			}
		}
		if all {
			return false
		}
		g.whole, g.asked = true, nil
		return true
	}
	var wanted []netip.Addr
	for a := range q.Sources.All() {
		if has(g.filter.Sources, a) {
			wanted = append(wanted, a)
		}
	}
	if len(wanted) == 0 {
		return false
	}
	if !g.whole {
		g.asked = append(g.asked, wanted...)
		slices.SortFunc(g.asked, netip.Addr.Compare)
		g.asked = slices.Compact(g.asked)
	}
	return true
}

// Heard tells that another listener has reported a group in an old version: it need not be said twice (RFC 2236
// §3, RFC 2710 §4).
func (m *Machine) Heard(now tcpip.Time, addr netip.Addr) {
	if g := m.groups[addr]; g != nil && m.Version(now) != V3 {
		g.at, g.left, g.told = 0, 0, false
	}
}

// Advance runs every deadline that has passed; Poll then has what to send.
func (m *Machine) Advance(now tcpip.Time) {
	if m.Version(now) != V3 {
		m.generalAt = 0
		m.forgetChanges() // of a version that was given up since
	}
	if m.generalAt != 0 && m.generalAt <= now {
		m.generalAt = 0
		var b batch
		b.init(m)
		for _, g := range slices.Backward(m.order) { // as Linux lists them
			if g != nil && !g.filter.None() {
				b.state(g, g.filter.Sources)
			}
		}
		b.flush()
	}
	if m.changeAt != 0 && m.changeAt <= now {
		m.tellChanges(now)
	}
	if m.groupAt != 0 && m.groupAt <= now {
		m.groupAt = 0
		spoken := m.Version(now)
		for _, g := range m.order {
			if g == nil || g.at == 0 {
				continue
			}
			if g.at <= now {
				m.answer(now, g, spoken)
			}
			m.groupAt = tcpip.Earliest(m.groupAt, g.at)
		}
	}
}

// answer sends the report of a group that was due.
func (m *Machine) answer(now tcpip.Time, g *group, spoken Version) {
	whole, asked := g.whole, g.asked
	g.at, g.whole, g.asked = 0, false, nil
	if spoken == V3 {
		g.left = 0
		sources := g.filter.Sources
		if !whole && g.filter.Mode == tcpip.FilterInclude && asked != nil {
			sources = slices.DeleteFunc(asked, func(a netip.Addr) bool { return !has(g.filter.Sources, a) })
		}
		var b batch
		b.init(m)
		b.state(g, sources)
		b.flush()
		return
	}
	kind := ReportV2
	if spoken == V1 {
		kind = ReportV1
	}
	g.told = true
	m.out = append(m.out, Message{Kind: kind, Group: g.addr})
	if g.left--; g.left > 0 {
		m.schedule(g, m.soon(now, oldRepeat))
	}
	g.left = max(g.left, 0)
}

// state adds the record of what a group's filter is, with those of its sources that matter.
func (b *batch) state(g *group, sources []netip.Addr) {
	t := header.ModeIsInclude
	if g.filter.Mode == tcpip.FilterExclude {
		t = header.ModeIsExclude
	} else if len(sources) == 0 {
		return
	}
	b.add(t, g.addr, sources)
}
