package mcast

import (
	"net/netip"
	"slices"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// note records the change of a group's filter from old, to be told at once and as often again as robustness asks
// (RFC 3376 §5.1, RFC 3810 §6.1). A new mode is told with all sources, and so replaces what was to be told of single ones.
func (m *Machine) note(now tcpip.Time, g *group, old *tcpip.SourceFilter) {
	switch {
	case old.Mode != g.filter.Mode:
		g.mode, g.sources = m.robustness, nil
	case slices.Equal(old.Sources, g.filter.Sources):
		m.settle(g)
		return
	case g.mode > 0:
		g.mode = m.robustness
	default:
		g.sources = merge(g.sources, difference(old.Sources, g.filter.Sources), m.robustness)
	}
	if !g.pending {
		g.pending = true
		m.changed = append(m.changed, g)
	}
	m.changeAt = tcpip.Earliest(m.changeAt, now)
	m.settle(g)
}

// difference returns what stands in one of two ascending lists and not in both, ascending.
func difference(a, b []netip.Addr) (d []netip.Addr) {
	for len(a) > 0 && len(b) > 0 {
		switch c := a[0].Compare(b[0]); {
		case c == 0:
			a, b = a[1:], b[1:]
		case c < 0:
			d, a = append(d, a[0]), a[1:]
		default:
			d, b = append(d, b[0]), b[1:]
		}
	}
	return append(append(d, a...), b...)
}

// merge returns the ascending list of both, where what is in add is to be told n times.
func merge(list []change, add []netip.Addr, n int) []change {
	merged := make([]change, 0, len(list)+len(add))
	for _, a := range add {
		for len(list) > 0 && list[0].addr.Less(a) {
			merged, list = append(merged, list[0]), list[1:]
		}
		if len(list) > 0 && list[0].addr == a {
			list = list[1:]
		}
		merged = append(merged, change{a, n})
	}
	return append(merged, list...)
}

// has reports whether a stands in an ascending list.
func has(list []netip.Addr, a netip.Addr) bool {
	_, found := slices.BinarySearchFunc(list, a, netip.Addr.Compare)
	return found
}

// tellChanges tells once of every change and says when again.
func (m *Machine) tellChanges(now tcpip.Time) {
	m.changeAt = 0
	for _, a := range m.leaves {
		m.out = append(m.out, Message{Kind: Leave, Group: a})
	}
	m.leaves = nil
	var b batch
	b.init(m)
	kept := m.changed[:0]
	for _, g := range m.changed {
		b.change(g)
		if g.mode > 0 || len(g.sources) > 0 {
			kept = append(kept, g)
			continue
		}
		g.pending = false
		m.settle(g)
	}
	clear(m.changed[len(kept):])
	m.changed = kept
	b.flush()
	if len(kept) > 0 {
		m.changeAt = now.Add(max(m.conf.Random(newRepeat), 1))
	}
}

// change adds what is to be told of a group.
func (b *batch) change(g *group) {
	if g.mode > 0 {
		g.mode--
		t := header.ChangeToIncludeMode
		if g.filter.Mode == tcpip.FilterExclude {
			t = header.ChangeToExcludeMode
		}
		b.add(t, g.addr, g.filter.Sources)
		return
	}
	var allow, block []netip.Addr
	kept := g.sources[:0]
	for _, c := range g.sources {
		if has(g.filter.Sources, c.addr) == (g.filter.Mode == tcpip.FilterInclude) {
			allow = append(allow, c.addr)
		} else {
			block = append(block, c.addr)
		}
		if c.left--; c.left > 0 {
			kept = append(kept, c)
		}
	}
	g.sources = kept
	if len(allow) > 0 {
		b.add(header.AllowNewSources, g.addr, allow)
	}
	if len(block) > 0 {
		b.add(header.BlockOldSources, g.addr, block)
	}
}

// forgetChanges drops what was to be told: the version changes (RFC 3376 §7.2.1, RFC 3810 §8.2.1).
func (m *Machine) forgetChanges() {
	for _, g := range m.changed {
		g.pending, g.mode, g.sources = false, 0, nil
		m.settle(g)
	}
	m.changed = nil
	if len(m.leaves) == 0 {
		m.changeAt = 0
	}
}
