package mcast

import (
	"net/netip"
	"slices"

	"github.com/seed963a8790/netstack/tcpip"
)

// Members merges what the members of one group on one interface want to hear (RFC 3376 §3.2, RFC 3810 §4.2). The
// zero Members has none.
type Members struct {
	exclude int      // members in EXCLUDE mode
	sources []counts // ascending
}

// counts is in how many filters of each mode a source stands.
type counts struct {
	addr     netip.Addr
	included int
	excluded int
}

// Change replaces the filter of one member; a member without a filter comes or goes. It reports false, and
// changes nothing, if there would be too many sources.
func (m *Members) Change(old, next *tcpip.SourceFilter) bool {
	m.apply(old, -1)
	m.apply(next, 1)
	if len(m.sources) > maxSources {
		m.apply(next, -1)
		m.apply(old, 1)
		return false
	}
	return true
}

// apply counts a filter in or out. A source that stands in it twice counts once.
func (m *Members) apply(f *tcpip.SourceFilter, n int) {
	if f.Mode == tcpip.FilterExclude {
		m.exclude += n
	}
	for i, a := range f.Sources {
		if slices.Contains(f.Sources[:i], a) {
			continue
		}
		at, found := m.find(a)
		if !found {
			m.sources = slices.Insert(m.sources, at, counts{addr: a})
		}
		c := &m.sources[at]
		if f.Mode == tcpip.FilterExclude {
			c.excluded += n
		} else {
			c.included += n
		}
		if c.included == 0 && c.excluded == 0 {
			m.sources = slices.Delete(m.sources, at, at+1)
		}
	}
}

func (m *Members) find(a netip.Addr) (at int, found bool) {
	return slices.BinarySearchFunc(m.sources, a, func(c counts, a netip.Addr) int { return c.addr.Compare(a) })
}

// Has reports whether f can be the filter of a member.
func (m *Members) Has(f *tcpip.SourceFilter) bool {
	if f.Mode == tcpip.FilterExclude && m.exclude == 0 {
		return false
	}
	return !slices.ContainsFunc(f.Sources, func(a netip.Addr) bool {
		at, found := m.find(a)
		return !found || f.Mode == tcpip.FilterExclude && m.sources[at].excluded == 0 || f.Mode == tcpip.FilterInclude && m.sources[at].included == 0
	})
}

// Empty reports whether there is no member.
func (m *Members) Empty() bool { return m.exclude == 0 && len(m.sources) == 0 }

// Everybody reports whether every source is let through.
func (m *Members) Everybody() bool {
	return m.exclude > 0 && !slices.ContainsFunc(m.sources, m.stops)
}

// stops reports whether, in EXCLUDE mode, a source is one that nobody wants.
func (m *Members) stops(c counts) bool { return c.excluded == m.exclude && c.included == 0 }

// Allows reports whether any member wants to hear a source.
func (m *Members) Allows(a netip.Addr) bool {
	at, found := m.find(a)
	if m.exclude == 0 {
		return found
	}
	return !found || !m.stops(m.sources[at])
}

// Filter returns the merged filter, its sources in ascending order.
func (m *Members) Filter() tcpip.SourceFilter {
	var f tcpip.SourceFilter
	if m.exclude > 0 {
		f.Mode = tcpip.FilterExclude
	}
	for _, c := range m.sources {
		if m.exclude == 0 || m.stops(c) {
			f.Sources = append(f.Sources, c.addr)
		}
	}
	return f
}
