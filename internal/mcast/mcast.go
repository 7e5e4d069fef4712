// Package mcast is the host's side of multicast group membership, for one interface and one family: IGMP of
// versions 1 (RFC 1112), 2 (RFC 2236) and 3 (RFC 3376), MLD of versions 1 (RFC 2710) and 2 (RFC 3810). A Machine is
// told which groups the interface wants and which queries and reports arrive, and says what to send; Members
// merges the wishes of sockets into what the interface wants. Both are synchronous and know nothing of packets.
//
// The versions of both families are counted as those of IGMP: MLDv1 is like IGMPv2, MLDv2 like IGMPv3. Where the
// RFCs leave room, a Machine does what Linux does.
package mcast

import (
	"net/netip"
	"slices"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// Conf configures a Machine.
type Conf struct {
	V6 bool // MLD
	// Version is one that is forced, with the protocol's own number; 0: none. As on Linux a forced IGMPv2 still
	// gives way to an IGMPv1 querier, IGMPv3 to both, and MLDv2 to none.
	Version    int
	Robustness int // until a querier says otherwise; 0: DefaultRobustness
	// QuietLinkLocal keeps the groups 224.0.0.0/24 from being reported (Linux's igmp_link_local_mcast_reports).
	QuietLinkLocal bool
	// Room is the bytes that a message may have.
	Room int
	// Random returns a random time below a limit, which is positive.
	Random func(limit time.Duration) time.Duration
}

// Version is a version of IGMP, or the one of MLD that is like it.
type Version uint8

// The versions.
const (
	V1 Version = 1 + iota // IGMPv1
	V2                    // IGMPv2, MLDv1
	V3                    // IGMPv3, MLDv2
)

// Kind is a kind of message.
type Kind uint8

// The kinds.
const (
	ReportV1 Kind = iota // IGMPv1's report of one group
	ReportV2             // the one of IGMPv2 and MLDv1
	Leave                // and their leave and done
	Records              // a report of IGMPv3 and MLDv2
)

// Message is what a Machine has to say.
type Message struct {
	Kind    Kind
	Group   netip.Addr                 // but for Records
	Records []header.GroupRecordFields // belong to the receiver of the message
}

// Machine is one interface's membership in the groups of one family. The zero Machine has to be initialised.
type Machine struct {
	conf       Conf
	robustness int
	interval   time.Duration // between general queries
	response   time.Duration // that a general query gives
	oldest     tcpip.Time    // until when an IGMPv1 querier is taken to be there
	older      tcpip.Time    // an IGMPv2 or MLDv1 querier

	groups map[netip.Addr]*group
	order  []*group // in the order of their joining; nil where one has gone
	holes  int

	generalAt tcpip.Time // when a general query is answered; zero: none waits
	changeAt  tcpip.Time // when changes are told
	changed   []*group   // with changes to tell, in the order in which they came
	leaves    []netip.Addr
	groupAt   tcpip.Time // not later than the earliest group.at

	out []Message
}

// group is a group that the interface wants, or has wanted and not told yet that it does not.
type group struct {
	addr   netip.Addr
	filter tcpip.SourceFilter // sources ascending
	index  int                // in order

	// A change that is being told (V3).
	pending bool     // in changed
	mode    int      // how often the new mode is still to be told
	sources []change // and which sources are new or old; ascending; none while mode is positive

	// A report that waits: an answer, or in V1 and V2 a repetition of the first.
	at    tcpip.Time
	whole bool         // V3: the answer is about all sources
	asked []netip.Addr // otherwise those that the query named and that are wanted; ascending
	left  int          // V1, V2: how often membership is still to be told unasked
	told  bool         // V2: the last report on the link was ours
}

// change is a source that was added or removed, and how often that is still to be told.
type change struct {
	addr netip.Addr
	left int
}

// Init makes m ready.
func (m *Machine) Init(c Conf) {
	*m = Machine{conf: c, interval: defaultInterval, response: defaultResponse, groups: map[netip.Addr]*group{}}
	m.robustness = c.Robustness
	if m.robustness == 0 {
		m.robustness = DefaultRobustness
	}
}

// Configure changes the settings; what is under way goes on.
func (m *Machine) Configure(c Conf) {
	if c.Robustness != m.conf.Robustness {
		m.robustness = max(c.Robustness, 1)
	}
	m.conf = c
}

// Version returns the version that is spoken now.
func (m *Machine) Version(now tcpip.Time) Version {
	forced := Version(m.conf.Version)
	if m.conf.V6 {
		switch {
		case forced == 2:
			return V3
		case forced == 1, now < m.older:
			return V2
		}
		return V3
	}
	switch {
	case forced == V1, now < m.oldest:
		return V1
	case forced == V2, now < m.older:
		return V2
	}
	return V3
}

var (
	allHosts = netip.AddrFrom4([4]byte{224, 0, 0, 1})
	allNodes = netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 15: 1})
)

// reportable says whether routers are told of a group (RFC 3376 §5, RFC 3810 §6).
func (m *Machine) reportable(g netip.Addr) bool {
	switch {
	case g == allHosts, g == allNodes, g.Is6() != m.conf.V6, !g.IsMulticast():
		return false
	case m.conf.V6:
		return g.As16()[1]&15 > 1
	}
	return !m.conf.QuietLinkLocal || !g.IsLinkLocalMulticast()
}

// Change tells what the interface now wants of a group; the zero filter means that it has left. The sources must be
// ascending and not change afterwards.
func (m *Machine) Change(now tcpip.Time, addr netip.Addr, f tcpip.SourceFilter) {
	g := m.groups[addr]
	if g == nil {
		if f.None() || !m.reportable(addr) {
			return
		}
		g = m.enter(addr)
	}
	old := g.filter
	g.filter = f
	if m.Version(now) == V3 {
		m.note(now, g, &old)
		return
	}
	switch {
	case old.None() && !f.None():
		g.left = m.robustness
		m.schedule(g, now)
	case f.None():
		if g.told && m.Version(now) == V2 {
			m.leave(now, addr)
		}
		m.settle(g)
	}
}

// enter adds a group. If there is no room, the oldest that was left is forgotten.
func (m *Machine) enter(addr netip.Addr) *group {
	if len(m.groups) >= maxGroups {
		m.shed()
	}
	if m.holes > 32 && m.holes > len(m.order)/2 {
		m.order = slices.DeleteFunc(m.order, func(g *group) bool { return g == nil })
		for i, g := range m.order {
			g.index = i
		}
		m.holes = 0
	}
	g := &group{addr: addr, index: len(m.order)}
	m.groups[addr] = g
	m.order = append(m.order, g)
	return g
}

func (m *Machine) shed() {
	for i, g := range m.changed {
		if g.filter.None() {
			m.changed = slices.Delete(m.changed, i, i+1)
			g.pending = false
			m.remove(g)
			return
		}
	}
}

// settle removes a group that is neither wanted nor has anything to be told.
func (m *Machine) settle(g *group) {
	if g.filter.None() {
		g.at, g.asked, g.whole, g.left, g.told = 0, nil, false, 0, false
		if !g.pending {
			m.remove(g)
		}
	}
}

func (m *Machine) remove(g *group) {
	delete(m.groups, g.addr)
	m.order[g.index] = nil
	m.holes++
}

// leave queues a leave message.
func (m *Machine) leave(now tcpip.Time, addr netip.Addr) {
	if len(m.leaves) >= maxGroups {
		m.leaves = m.leaves[1:]
	}
	m.leaves = append(m.leaves, addr)
	m.changeAt = tcpip.Earliest(m.changeAt, now)
}

// Restart tells everything anew, as after joining: the link is up again, or there is an address to report from.
func (m *Machine) Restart(now tcpip.Time) {
	for _, g := range m.order {
		if g == nil || g.filter.None() {
			continue
		}
		if m.Version(now) == V3 {
			g.mode, g.sources = 0, nil
			m.note(now, g, &tcpip.SourceFilter{})
		} else {
			g.left = m.robustness
			m.schedule(g, now)
		}
	}
}

// Deadline returns when Advance is next needed; zero means never. It may be early.
func (m *Machine) Deadline() tcpip.Time {
	return tcpip.Earliest(m.generalAt, tcpip.Earliest(m.changeAt, m.groupAt))
}

// Poll returns the next message to send, until it reports false.
func (m *Machine) Poll(out *Message) bool {
	if len(m.out) == 0 {
		return false
	}
	*out = m.out[0]
	m.out[0] = Message{}
	if m.out = m.out[1:]; len(m.out) == 0 {
		m.out = nil
	}
	return true
}

// schedule makes a group's report go out at a time, or before.
func (m *Machine) schedule(g *group, at tcpip.Time) {
	g.at = tcpip.Earliest(g.at, at)
	m.groupAt = tcpip.Earliest(m.groupAt, at)
}
