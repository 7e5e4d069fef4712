package mcast

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// trace drives a machine with a clock of its own. Random times are half of their limits.
type trace struct {
	t    testing.TB
	m    Machine
	now  tcpip.Time
	said []string // since the last want
}

func newTrace(t testing.TB, c Conf) *trace {
	if c.Room == 0 {
		c.Room = 1476
	}
	c.Random = func(limit time.Duration) time.Duration {
		require.Positive(t, limit)
		return limit / 2
	}
	x := &trace{t: t, now: 1000}
	x.m.Init(c)
	return x
}

func igmp(t testing.TB) *trace { return newTrace(t, Conf{}) }
func mld(t testing.TB) *trace  { return newTrace(t, Conf{V6: true}) }

// groups and sources of both families.
func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func addrs(list string) (all []netip.Addr) {
	for _, s := range strings.Fields(list) {
		all = append(all, addr(s))
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return all
}

func including(sources string) tcpip.SourceFilter {
	return tcpip.SourceFilter{Mode: tcpip.FilterInclude, Sources: addrs(sources)}
}

func excluding(sources string) tcpip.SourceFilter {
	return tcpip.SourceFilter{Mode: tcpip.FilterExclude, Sources: addrs(sources)}
}

// set changes what the interface wants; everybody is EXCLUDE without sources, nobody has left.
func (x *trace) set(group string, f tcpip.SourceFilter) {
	x.m.Change(x.now, addr(group), f)
	x.run()
}

func (x *trace) join(group string)  { x.set(group, excluding("")) }
func (x *trace) leave(group string) { x.set(group, tcpip.SourceFilter{}) }

// query makes a query arrive: general without a group.
func (x *trace) query(version uint8, response time.Duration, group, sources string) {
	q := header.MulticastQuery{Version: version, MaxResponse: response, Robustness: 2, Interval: 125 * time.Second}
	x.ask(q, group, sources)
}

// ask makes a query arrive that went over the wire, as its sources are a view of that.
func (x *trace) ask(q header.MulticastQuery, group, sources string) {
	q.Group = netip.IPv4Unspecified()
	if x.m.conf.V6 {
		q.Group = netip.IPv6Unspecified()
	}
	if group != "" {
		q.Group = addr(group)
	}
	if x.m.conf.V6 {
		icmp, _ := header.ParseICMPv6(header.AppendMLDQuery(nil, &q, addrs(sources)))
		h, drop := header.ParseMLD(icmp)
		require.Equal(x.t, tcpip.DropNone, drop)
		q, _ = h.Query()
	} else {
		h, drop := header.ParseIGMP(header.AppendIGMPQuery(nil, &q, addrs(sources)))
		require.Equal(x.t, tcpip.DropNone, drop)
		q, _ = h.Query()
	}
	x.m.Query(x.now, &q)
	x.run()
}

// run does what is due now.
func (x *trace) run() {
	check(x.t, &x.m)
	for d := x.m.Deadline(); d != 0 && d <= x.now; d = x.m.Deadline() {
		x.m.Advance(x.now)
		check(x.t, &x.m)
		require.True(x.t, x.m.Deadline() == 0 || x.m.Deadline() > x.now || len(x.m.out) > 0, "a deadline that does not move")
	}
	var m Message
	for x.m.Poll(&m) {
		x.said = append(x.said, render(&m))
	}
}

// sleep lets time pass.
func (x *trace) sleep(d time.Duration) {
	steps := 0
	for end := x.now.Add(d); ; steps++ {
		require.Less(x.t, steps, 10_000, "a machine that does not come to rest")
		next := x.m.Deadline()
		if next == 0 || next > end {
			x.now = end
			return
		}
		x.now = max(x.now, next)
		x.run()
	}
}

// want compares what was said since the last time, in order; nothing without lines.
func (x *trace) want(lines ...string) {
	x.t.Helper()
	require.Equal(x.t, lines, x.said)
	x.said = nil
}

func render(m *Message) string {
	switch m.Kind {
	case ReportV1:
		return fmt.Sprint("v1 report ", m.Group)
	case ReportV2:
		return fmt.Sprint("report ", m.Group)
	case Leave:
		return fmt.Sprint("leave ", m.Group)
	}
	var s []string
	for _, r := range m.Records {
		s = append(s, strings.TrimSpace(fmt.Sprint(r.Type, " ", r.Group, " ", strings.Trim(fmt.Sprint(r.Sources), "[]"))))
	}
	return strings.Join(s, ", ")
}

// check verifies what always holds.
func check(t testing.TB, m *Machine) {
	must := func(holds bool, what string, g *group) {
		if !holds {
			require.Fail(t, what, "%+v", g)
		}
	}
	pending := map[*group]bool{}
	for _, g := range m.changed {
		must(!pending[g], "told of twice", g)
		pending[g] = true
	}
	n, earliest := 0, tcpip.Time(0)
	for i, g := range m.order {
		if g == nil {
			continue
		}
		n++
		must(g.index == i && m.groups[g.addr] == g, "lost", g)
		must(g.pending || !g.filter.None(), "nobody wants it and nothing is to be told of it", g)
		must(g.pending == pending[g], "pending or not", g)
		must(g.pending == (g.mode > 0 || len(g.sources) > 0), "pending without a cause", g)
		must(g.mode == 0 || len(g.sources) == 0, "a mode and sources", g)
		must(slices.IsSortedFunc(g.asked, netip.Addr.Compare) && len(g.asked) <= maxSources, "sources asked about", g)
		must(slices.IsSortedFunc(g.sources, func(a, b change) int { return a.addr.Compare(b.addr) }), "changed sources", g)
		must(g.at == 0 || !g.filter.None(), "a report of what nobody wants", g)
		earliest = tcpip.Earliest(earliest, g.at)
	}
	must(len(m.groups) == n && len(m.order)-n == m.holes && n <= maxGroups && len(m.leaves) <= maxGroups, "the table", nil)
	must(earliest == 0 || m.groupAt != 0 && m.groupAt <= earliest, "a report that nobody would send", nil)
	must(len(m.changed) == 0 && len(m.leaves) == 0 || m.changeAt != 0, "a change that nobody would tell", nil)
	must(1 <= m.robustness && m.robustness <= maxRobustness, "robustness", nil)
}
