package stack

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/seed963a8790/netstack/internal/mcast"
	"github.com/seed963a8790/netstack/tcpip"
)

// groups are the multicast groups that a NIC has joined, and from whom it wants to hear in them.
type groups struct {
	limit    int
	mu       sync.RWMutex // a leaf
	joined   map[netip.Addr]*mcast.Members
	filtered atomic.Int32 // how many of them do not let everybody through
}

// The groups of all hosts, which every NIC is in (RFC 1112 §4, RFC 4291 §2.8).
var allHosts = [...]netip.Addr{
	netip.AddrFrom4([4]byte{224, 0, 0, 1}),
	netip.AddrFrom16([16]byte{0: 0xff, 1: 1, 15: 1}),
	netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 15: 1}),
}

// JoinGroup makes the NIC receive what is sent to g, from everybody. Joins are counted: each needs its LeaveGroup.
//
// Errors: ErrInvalid if g is no group, ErrTooMany.
func (n *NIC) JoinGroup(g netip.Addr) error {
	return n.ChangeGroup(g, tcpip.SourceFilter{}, tcpip.SourceFilter{Mode: tcpip.FilterExclude})
}

// LeaveGroup undoes one JoinGroup.
//
// Errors: ErrAddrNotAvailable if the NIC has not joined g.
func (n *NIC) LeaveGroup(g netip.Addr) error {
	return n.ChangeGroup(g, tcpip.SourceFilter{Mode: tcpip.FilterExclude}, tcpip.SourceFilter{})
}

// ChangeGroup replaces what one member of g wants to hear: old is what it wanted before, the zero filter if it joins,
// and next what it wants now, the zero filter if it leaves. The NIC receives what any member wants (RFC 3376 §3.2).
//
// Errors: ErrInvalid if g is no group, ErrAddrNotAvailable if old is no member's, ErrTooMany, ErrNoBuffers for too many sources.
func (n *NIC) ChangeGroup(g netip.Addr, old, next tcpip.SourceFilter) error {
	if err := n.groups.change(g, &old, &next); err != tcpip.OK {
		return err
	}
	if w, ok := n.stack.internetOf(g).(GroupWatcher); ok {
		w.GroupChanged(n, g)
	}
	return nil
}

func (x *groups) change(g netip.Addr, old, next *tcpip.SourceFilter) tcpip.Error {
	if !g.IsMulticast() {
		return tcpip.ErrInvalid
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	m := x.joined[g]
	switch {
	case !old.None() && (m == nil || !m.Has(old)):
		return tcpip.ErrAddrNotAvailable
	case m == nil && next.None():
		return tcpip.OK
	case m == nil && len(x.joined) >= x.limit:
		return tcpip.ErrTooMany
	case m == nil:
		m = &mcast.Members{}
	}
	was := !m.Empty() && !m.Everybody()
	if !m.Change(old, next) {
		return tcpip.ErrNoBuffers
	}
	if is := !m.Empty() && !m.Everybody(); is != was {
		x.filtered.Add(int32(one(is) - one(was)))
	}
	if m.Empty() {
		delete(x.joined, g)
		return tcpip.OK
	}
	if x.joined == nil {
		x.joined = make(map[netip.Addr]*mcast.Members)
	}
	x.joined[g] = m
	return tcpip.OK
}

// InGroup reports whether the NIC receives what is sent to g, at least from somebody. It is always in the groups of
// all hosts.
func (n *NIC) InGroup(g netip.Addr) bool {
	if slices.Contains(allHosts[:], g) {
		return true
	}
	n.groups.mu.RLock()
	defer n.groups.mu.RUnlock()
	return n.groups.joined[g] != nil
}

// GroupAllows reports whether any member of g, a group that the NIC is in, wants to hear src. It costs nothing while
// no filter is set.
func (n *NIC) GroupAllows(g, src netip.Addr) bool {
	if n.groups.filtered.Load() == 0 || src.IsUnspecified() || slices.Contains(allHosts[:], g) {
		return true
	}
	n.groups.mu.RLock()
	defer n.groups.mu.RUnlock()
	m := n.groups.joined[g]
	return m == nil || m.Allows(src)
}

// GroupFilter returns from whom the NIC wants to hear in g, its sources ascending; the zero filter if it has not
// joined g.
func (n *NIC) GroupFilter(g netip.Addr) tcpip.SourceFilter {
	n.groups.mu.RLock()
	defer n.groups.mu.RUnlock()
	if m := n.groups.joined[g]; m != nil {
		return m.Filter()
	}
	return tcpip.SourceFilter{}
}

// Groups returns the groups that the NIC has joined, in the order of their addresses, without those of all hosts.
func (n *NIC) Groups() []netip.Addr {
	n.groups.mu.RLock()
	defer n.groups.mu.RUnlock()
	return slices.SortedFunc(maps.Keys(n.groups.joined), netip.Addr.Compare)
}
