package mcast

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

const (
	second  = time.Second
	g1, g2  = "239.1.1.1", "239.1.1.2"
	a, b, c = "10.0.0.1", "10.0.0.2", "10.0.0.3"
)

// RFC 3376 §5.1: the table of what is said when the interface's state changes.
func TestRFC3376StateChange(t *testing.T) {
	for _, s := range []struct {
		old, next tcpip.SourceFilter
		want      []string
	}{
		{including(a + " " + b), including(b + " " + c), []string{"ALLOW 239.1.1.1 10.0.0.3, BLOCK 239.1.1.1 10.0.0.1"}},
		{excluding(a + " " + b), excluding(b + " " + c), []string{"ALLOW 239.1.1.1 10.0.0.1, BLOCK 239.1.1.1 10.0.0.3"}},
		{including(a), excluding(b), []string{"TO_EX 239.1.1.1 10.0.0.2"}},
		{excluding(a), including(b), []string{"TO_IN 239.1.1.1 10.0.0.2"}},
		{tcpip.SourceFilter{}, excluding(""), []string{"TO_EX 239.1.1.1"}},
		{tcpip.SourceFilter{}, including(a), []string{"ALLOW 239.1.1.1 10.0.0.1"}},
		{excluding(""), tcpip.SourceFilter{}, []string{"TO_IN 239.1.1.1"}},
		{including(a), tcpip.SourceFilter{}, []string{"BLOCK 239.1.1.1 10.0.0.1"}},
		{including(a), including(a), nil},
	} {
		x := igmp(t)
		x.set(g1, s.old)
		x.sleep(5 * second)
		x.said = nil
		x.set(g1, s.next)
		x.want(s.want...)
		x.sleep(5 * second) // robustness: once again, within a second
		x.want(s.want...)
		x.sleep(time.Hour)
		x.want()
		require.Zero(t, x.m.Deadline())
	}
}

// RFC 3376 §5.1: a change while another is still being told is merged with it and told anew.
func TestRFC3376MergedChanges(t *testing.T) {
	x := igmp(t)
	x.set(g1, including(a))
	x.want("ALLOW 239.1.1.1 10.0.0.1")
	x.set(g1, including(a+" "+b))
	x.want("ALLOW 239.1.1.1 10.0.0.1 10.0.0.2")
	x.sleep(second)
	x.want("ALLOW 239.1.1.1 10.0.0.2")
	x.set(g1, including(b))
	x.set(g1, including(a+" "+b)) // taken back before it was told twice
	x.want("BLOCK 239.1.1.1 10.0.0.1", "ALLOW 239.1.1.1 10.0.0.1")
	x.set(g1, excluding(c)) // the mode says it all
	x.want("TO_EX 239.1.1.1 10.0.0.3")
	x.set(g1, excluding(b+" "+c))
	x.want("TO_EX 239.1.1.1 10.0.0.2 10.0.0.3")
	x.sleep(second)
	x.want("TO_EX 239.1.1.1 10.0.0.2 10.0.0.3")
	x.set(g1, excluding(c))
	x.want("ALLOW 239.1.1.1 10.0.0.2")
	x.leave(g1)
	x.want("TO_IN 239.1.1.1")
	x.join(g1) // before the leave was told again
	x.want("TO_EX 239.1.1.1")
	x.sleep(time.Minute)
	x.want("TO_EX 239.1.1.1")
}

// RFC 3376 §5.1: changes of several groups share a report.
func TestRFC3376SeveralGroups(t *testing.T) {
	x := igmp(t)
	x.m.Change(x.now, addr(g1), excluding(""))
	x.m.Change(x.now, addr(g2), including(a))
	x.run()
	x.want("TO_EX 239.1.1.1, ALLOW 239.1.1.2 10.0.0.1")
}

// RFC 3376 §5: the all-systems group is never reported, of 224.0.0.0/24 the rest as Linux is set.
func TestRFC3376NotReported(t *testing.T) {
	for _, quiet := range []bool{false, true} {
		x := newTrace(t, Conf{QuietLinkLocal: quiet})
		for _, g := range []string{"224.0.0.1", "224.0.0.9", "10.0.0.1", "ff02::9"} {
			x.join(g)
		}
		if quiet {
			x.want()
		} else {
			x.want("TO_EX 224.0.0.9")
		}
	}
}

// RFC 3376 §5.2: general queries, answered once within the time given.
func TestRFC3376GeneralQuery(t *testing.T) {
	x := igmp(t)
	x.query(3, 10*second, "", "")
	x.sleep(time.Minute)
	x.want()
	x.join(g1)
	x.set(g2, including(a))
	x.sleep(time.Minute)
	x.said = nil
	x.query(3, 10*second, "", "")
	x.want()
	x.query(3, 10*second, "", "") // rule 1: one is already waiting
	x.sleep(5*second - 1)
	x.want()
	x.sleep(1)
	x.want("IS_IN 239.1.1.2 10.0.0.1, IS_EX 239.1.1.1")
	x.sleep(time.Minute)
	x.want()
	x.query(3, 10*second, "", a) // makes no sense (RFC 3376 §4.1.11)
	x.sleep(time.Minute)
	x.want()
	x.query(3, 10*second, "", "")
	x.query(3, 2*second, "", "") // sooner
	x.sleep(second)
	x.want("IS_IN 239.1.1.2 10.0.0.1, IS_EX 239.1.1.1")
}

// RFC 3376 §5.2: queries of one group and of sources, and the rules by which those that wait are merged.
func TestRFC3376SpecificQueries(t *testing.T) {
	x := igmp(t)
	x.set(g1, including(a+" "+b))
	x.set(g2, excluding(a+" "+b))
	x.sleep(time.Minute)
	x.said = nil
	for _, s := range []struct {
		name   string
		ask    func()
		answer []string
	}{
		{"a group", func() { x.query(3, second, g1, "") }, []string{"IS_IN 239.1.1.1 10.0.0.1 10.0.0.2"}},
		{"a group excluded from", func() { x.query(3, second, g2, "") }, []string{"IS_EX 239.1.1.2 10.0.0.1 10.0.0.2"}},
		{"a group that is not ours", func() { x.query(3, second, "239.9.9.9", "") }, nil},
		{"a source", func() { x.query(3, second, g1, b+" "+c) }, []string{"IS_IN 239.1.1.1 10.0.0.2"}},
		{"a source that is not ours", func() { x.query(3, second, g1, c) }, nil},
		{"excluded sources", func() { x.query(3, second, g2, a+" "+b) }, nil},
		{"a source that is not excluded", func() { x.query(3, second, g2, a+" "+c) }, []string{"IS_EX 239.1.1.2 10.0.0.1 10.0.0.2"}},
		{"two sources, one after the other", func() { x.query(3, second, g1, a); x.query(3, second, g1, b) }, []string{"IS_IN 239.1.1.1 10.0.0.1 10.0.0.2"}},
		{"a source, then the group", func() { x.query(3, second, g1, a); x.query(3, second, g1, "") }, []string{"IS_IN 239.1.1.1 10.0.0.1 10.0.0.2"}},
		{"the group, then a source", func() { x.query(3, second, g1, ""); x.query(3, second, g1, a) }, []string{"IS_IN 239.1.1.1 10.0.0.1 10.0.0.2"}},
	} {
		s.ask()
		require.Empty(t, x.said, s.name)
		x.sleep(time.Minute)
		require.Equal(t, s.answer, x.said, s.name)
		x.said = nil
	}
	x.query(3, 10*second, g1, a)
	x.set(g1, including(b)) // the source asked about has gone
	x.said = nil
	x.sleep(time.Minute)
	x.want("BLOCK 239.1.1.1 10.0.0.1")
	x.query(3, 10*second, g1, "")
	x.leave(g1)
	x.said = nil
	x.sleep(time.Minute)
	x.want("BLOCK 239.1.1.1 10.0.0.2")
}

// RFC 3376 §4.1.6, §4.1.7: the querier says how robust to be.
func TestRFC3376Robustness(t *testing.T) {
	x := igmp(t)
	x.ask(header.MulticastQuery{Version: 3, MaxResponse: second, Robustness: 4, Interval: 20 * second}, "", "")
	x.sleep(second)
	x.join(g1)
	x.sleep(time.Minute)
	x.want("TO_EX 239.1.1.1", "TO_EX 239.1.1.1", "TO_EX 239.1.1.1", "TO_EX 239.1.1.1")
	x.ask(header.MulticastQuery{Version: 3, MaxResponse: second}, "", "") // 0: the default
	x.said = nil
	x.leave(g1)
	x.sleep(time.Minute)
	x.want("TO_IN 239.1.1.1", "TO_IN 239.1.1.1")
}

// RFC 3376 §4.2.16: reports are split where the MTU asks for it; of what is excluded only so much is told.
func TestRFC3376Split(t *testing.T) {
	var many []string
	for i := range 10 {
		many = append(many, fmt.Sprint("10.0.1.", i))
	}
	x := newTrace(t, Conf{Room: 8 + 8 + 8*4, Robustness: 1}) // a record with eight sources
	x.set(g1, including(strings.Join(many, " ")))
	first, rest := strings.Join(many[:8], " "), strings.Join(many[8:], " ")
	x.want("ALLOW 239.1.1.1 "+first, "ALLOW 239.1.1.1 "+rest)
	x.query(3, second, "", "")
	x.sleep(second)
	x.want("IS_IN 239.1.1.1 "+first, "IS_IN 239.1.1.1 "+rest)
	x.set(g1, excluding(strings.Join(many, " ")))
	x.want("TO_EX 239.1.1.1 " + first)
	x.m.Change(x.now, addr(g1), tcpip.SourceFilter{})
	for i := range 5 {
		x.m.Change(x.now, addr(fmt.Sprint("239.2.0.", i)), excluding(""))
	}
	x.m.Change(x.now, addr("239.2.0.5"), including(a+" "+b)) // begins where the last record ends
	x.run()
	x.want("TO_IN 239.1.1.1, TO_EX 239.2.0.0, TO_EX 239.2.0.1, TO_EX 239.2.0.2, TO_EX 239.2.0.3",
		"TO_EX 239.2.0.4, ALLOW 239.2.0.5 10.0.0.1 10.0.0.2")
}

// RFC 3376 §7.2.1: an older querier makes the host speak its version, for as long as it is there.
func TestRFC3376OlderQuerier(t *testing.T) {
	x := igmp(t)
	x.join(g1)
	x.want("TO_EX 239.1.1.1")
	x.query(3, 10*second, g1, "")
	x.query(2, 10*second, "", "") // what was waiting and being told is forgotten
	x.want()
	require.Equal(t, V2, x.m.Version(x.now))
	x.sleep(time.Minute)
	x.want("report 239.1.1.1")
	x.set(g1, excluding(a)) // cannot be said
	x.want()
	x.query(3, 10*second, "", "") // is answered as the old one
	x.sleep(10 * second)
	x.want("report 239.1.1.1")
	x.sleep(2*125*second + 10*second - 70*second - 1)
	require.Equal(t, V2, x.m.Version(x.now))
	x.sleep(1)
	require.Equal(t, V3, x.m.Version(x.now))
	x.query(3, 10*second, "", "")
	x.sleep(10 * second)
	x.want("IS_EX 239.1.1.1 10.0.0.1")

	x.query(1, 0, "", "")
	require.Equal(t, V1, x.m.Version(x.now))
	x.query(2, second, g1, "") // asks all, and with the old time
	x.sleep(4 * second)
	x.want()
	x.sleep(time.Minute)
	x.want("v1 report 239.1.1.1")
	x.leave(g1)
	x.want() // version 1 has no leave
}

// Linux's force_igmp_version: 1 is final, 2 gives way to 1, 3 to both.
func TestForcedVersions(t *testing.T) {
	for forced, want := range map[int][3]Version{0: {V3, V2, V1}, 1: {V1, V1, V1}, 2: {V2, V2, V1}, 3: {V3, V2, V1}} {
		x := newTrace(t, Conf{Version: forced})
		for i, version := range []uint8{3, 2, 1} {
			x.query(version, second, "", "")
			require.Equal(t, want[i], x.m.Version(x.now), "forced %d, querier %d", forced, version)
		}
	}
	for forced, want := range map[int][2]Version{0: {V3, V2}, 1: {V2, V2}, 2: {V3, V3}} {
		x := newTrace(t, Conf{V6: true, Version: forced})
		for i, version := range []uint8{2, 1} {
			x.query(version, second, "", "")
			require.Equal(t, want[i], x.m.Version(x.now), "MLD forced %d, querier %d", forced, version)
		}
	}
	x := igmp(t)
	x.join(g1)
	x.want("TO_EX 239.1.1.1")
	conf := x.m.conf
	conf.Version = 2
	x.m.Configure(conf) // what was being told cannot be any more
	x.sleep(time.Minute)
	x.want()
	x.leave(g1) // not the last to report in this version
	x.want()
}

// Restart says everything anew, in every version.
func TestRestart(t *testing.T) {
	x := igmp(t)
	x.join(g1)
	x.set(g2, including(a))
	x.sleep(time.Minute)
	x.said = nil
	x.m.Restart(x.now)
	x.run()
	x.want("TO_EX 239.1.1.1, ALLOW 239.1.1.2 10.0.0.1")
	x.query(2, second, "", "")
	x.sleep(time.Minute)
	x.said = nil
	x.m.Restart(x.now)
	x.run()
	x.want("report 239.1.1.1", "report 239.1.1.2")
}

// BEHAVIOUR F12: what strangers ask for costs as much as it has groups to name, and no query makes a host answer more than
// every few milliseconds.
func TestQueriesAreBounded(t *testing.T) {
	x := newTrace(t, Conf{Robustness: 1})
	for i := range 200 {
		x.m.Change(x.now, netip.AddrFrom4([4]byte{239, 3, 0, byte(i)}), including(a))
	}
	x.run()
	x.said = nil
	for i := range 5000 { // in 100 ms, each to be answered at once
		x.query(3, 0, "", "")
		x.query(3, 0, fmt.Sprint("239.3.0.", i%200), a)
		x.sleep(20 * time.Microsecond)
	}
	// Half of 10 ms is the random time here: 20 times each group, and all groups in two messages.
	require.LessOrEqual(t, len(x.said), 20*200+20*2)
	require.Greater(t, len(x.said), 1000)
	x.sleep(time.Minute)
	require.Zero(t, x.m.Deadline())
}

// Joining and leaving for ever leaves nothing behind.
func TestTableIsBounded(t *testing.T) {
	x := igmp(t)
	for i := range 3 * maxGroups {
		g := netip.AddrFrom4([4]byte{239, byte(i >> 16), byte(i >> 8), byte(i)})
		x.m.Change(x.now, g, excluding(""))
		x.m.Change(x.now, g, tcpip.SourceFilter{})
		if i%1000 == 0 {
			check(t, &x.m)
		}
	}
	require.LessOrEqual(t, len(x.m.groups), maxGroups)
	x.sleep(time.Minute)
	require.Empty(t, x.m.groups)
	require.Zero(t, x.m.Deadline())
}
