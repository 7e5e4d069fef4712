package transport

import (
	"net/netip"
	"slices"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Memberships are the groups that one endpoint has joined, and what it wants to hear in them. The zero value is ready
// to use. The list is never changed in place, so that a copy can be read without the lock of the original.
type Memberships struct {
	list []membership // in the order of their joining
}

// membership is one group that an endpoint has joined, on one NIC.
type membership struct {
	group  netip.Addr
	nic    *stack.NIC
	filter tcpip.SourceFilter // the sources as they were given, perhaps twice
	// listed says that sources were named: then even an empty list keeps its mode, as on Linux.
	listed bool
}

// SourceAct is what ChangeSource does.
type SourceAct uint8

// The acts.
const (
	JoinSource SourceAct = iota
	LeaveSource
	BlockSource
	UnblockSource
)

// sourceActs says in which mode a group must have been joined for an act, and whether the act adds to the list.
var sourceActs = [...]struct {
	mode tcpip.FilterMode
	adds bool
}{
	JoinSource:    {tcpip.FilterInclude, true},
	LeaveSource:   {tcpip.FilterInclude, false},
	BlockSource:   {tcpip.FilterExclude, true},
	UnblockSource: {tcpip.FilterExclude, false},
}

// Join joins a group from everybody.
func (x *Memberships) Join(at Joiner, group netip.Addr, nic tcpip.NICID) tcpip.Error {
	return x.join(at, group, nic, membership{filter: tcpip.SourceFilter{Mode: tcpip.FilterExclude}})
}

// join adds m, but for its group and its NIC. It has no sources if its mode is FilterInclude; the NIC hears of it then
// when the first comes.
func (x *Memberships) join(at Joiner, group netip.Addr, nic tcpip.NICID, m membership) tcpip.Error {
	m.group = plain(group)
	switch {
	case !m.group.IsMulticast():
		return tcpip.ErrInvalid
	case m.group.Is6() && !at.V6:
		return tcpip.ErrAddressFamily
	}
	if m.nic = at.nic(m.group, nic); m.nic == nil {
		return tcpip.ErrNoDevice
	}
	if slices.ContainsFunc(x.list, func(o membership) bool { return o.group == m.group && (o.nic == m.nic || nic == 0 && m.group.Is6()) }) {
		return tcpip.ErrAddrInUse
	}
	n, limit := 0, maxGroups6
	if m.group.Is4() {
		limit = at.Stack.GroupLimits().Memberships.Or(maxGroups4)
	}
	for i := range x.list {
		if x.list[i].group.Is4() == m.group.Is4() {
			n++
		}
	}
	if n >= limit {
		return tcpip.ErrNoBuffers
	}
	if err := m.tell(&tcpip.SourceFilter{}, &m.filter); err != tcpip.OK {
		return err
	}
	x.list = append(slices.Clip(x.list), m)
	return tcpip.OK
}

// nic returns the NIC that a group is meant on, nil if there is none. As on Linux it does not matter which NIC the
// endpoint is bound to.
func (at Joiner) nic(group netip.Addr, nic tcpip.NICID) *stack.NIC {
	if nic != 0 {
		return at.Stack.NIC(nic)
	}
	if r, err := at.Stack.FindRoute(stack.RouteQuery{Destination: group}); err == tcpip.OK {
		return r.NIC
	}
	return nil
}

// tell changes what the NIC wants to hear for this member.
func (m *membership) tell(old, next *tcpip.SourceFilter) tcpip.Error {
	switch err := m.nic.ChangeGroup(m.group, *old, *next); err {
	case nil:
		return tcpip.OK
	case tcpip.ErrTooMany:
		return tcpip.ErrNoBuffers
	default:
		return err.(tcpip.Error)
	}
}

// find returns the place of a group that was joined on a NIC, on any if that is 0: the latest then; -1 if there is none.
func (x *Memberships) find(group netip.Addr, nic tcpip.NICID) int {
	for i, m := range slices.Backward(x.list) {
		if m.group == group && (nic == 0 || m.nic.ID() == nic) {
			return i
		}
	}
	return -1
}

// Leave leaves a group.
func (x *Memberships) Leave(group netip.Addr, nic tcpip.NICID) tcpip.Error {
	i := x.find(plain(group), nic)
	if i < 0 {
		return tcpip.ErrAddrNotAvailable
	}
	x.leave(i)
	return tcpip.OK
}

func (x *Memberships) leave(i int) {
	m := x.list[i]
	x.list = slices.Delete(slices.Clone(x.list), i, i+1)
	m.tell(&m.filter, &tcpip.SourceFilter{})
}

// LeaveAll leaves every group.
func (x *Memberships) LeaveAll() {
	for i := range x.list {
		m := &x.list[i]
		m.tell(&m.filter, &tcpip.SourceFilter{})
	}
	x.list = nil
}

// ChangeSource is Datagram.ChangeSource.
func (x *Memberships) ChangeSource(at Joiner, act SourceAct, group, source netip.Addr, nic tcpip.NICID) tcpip.Error {
	group, a := plain(group), sourceActs[act]
	if group.Is4() {
		source = source.Unmap()
	}
	switch {
	case !group.IsMulticast() || source.Is4() != group.Is4():
		return tcpip.ErrInvalid
	case nic != 0 && at.Stack.NIC(nic) == nil:
		return tcpip.ErrNoDevice
	}
	if act == JoinSource {
		if err := x.join(at, group, nic, membership{}); err != tcpip.OK && err != tcpip.ErrAddrInUse {
			return err
		}
	}
	i := x.find(group, nic)
	if i < 0 || x.list[i].filter.Mode != a.mode && (x.list[i].listed || len(x.list[i].filter.Sources) > 0) {
		return tcpip.ErrInvalid
	}
	sources := x.list[i].filter.Sources
	n := slices.Index(sources, source)
	switch {
	case a.adds && len(sources) >= at.maxSources(group):
		return tcpip.ErrNoBuffers
	case a.adds != (n < 0):
		return tcpip.ErrAddrNotAvailable
	case a.adds:
		sources = append(slices.Clip(sources), source)
	default:
		sources = slices.Delete(slices.Clone(sources), n, n+1)
	}
	return x.set(i, tcpip.SourceFilter{Mode: a.mode, Sources: sources}, true)
}

func (at Joiner) maxSources(group netip.Addr) int {
	if group.Is4() {
		return at.Stack.GroupLimits().Sources4.Or(maxSources4)
	}
	return at.Stack.GroupLimits().Sources6.Or(maxSources6)
}

// set replaces the filter of the i-th group.
func (x *Memberships) set(i int, f tcpip.SourceFilter, listed bool) tcpip.Error {
	if f.None() {
		x.leave(i)
		return tcpip.OK
	}
	m := x.list[i]
	if err := m.tell(&m.filter, &f); err != tcpip.OK {
		return err
	}
	m.filter, m.listed = f, listed
	x.list = slices.Clone(x.list)
	x.list[i] = m
	return tcpip.OK
}

// SetFilter is Datagram.SetGroupFilter.
func (x *Memberships) SetFilter(at Joiner, group netip.Addr, nic tcpip.NICID, f tcpip.SourceFilter) tcpip.Error {
	group = plain(group)
	if !group.IsMulticast() || f.Mode > tcpip.FilterExclude {
		return tcpip.ErrInvalid
	}
	if at.nic(group, nic) == nil {
		return tcpip.ErrNoDevice
	}
	if len(f.Sources) > at.maxSources(group) {
		return tcpip.ErrNoBuffers
	}
	i := x.find(group, nic)
	switch {
	case i < 0 && f.None():
		return tcpip.ErrAddrNotAvailable
	case i < 0:
		return tcpip.ErrInvalid
	}
	f.Sources = slices.Clone(f.Sources)
	return x.set(i, f, len(f.Sources) > 0)
}

// Filter is Datagram.GroupFilter.
func (x *Memberships) Filter(group netip.Addr, nic tcpip.NICID) (tcpip.SourceFilter, tcpip.Error) {
	group = plain(group)
	if !group.IsMulticast() {
		return tcpip.SourceFilter{}, tcpip.ErrInvalid
	}
	i := x.find(group, nic)
	if i < 0 {
		return tcpip.SourceFilter{}, tcpip.ErrAddrNotAvailable
	}
	return x.list[i].filter, tcpip.OK
}

// Groups returns the groups with the NICs that they were joined on.
func (x *Memberships) Groups() (list []tcpip.FullAddress) {
	for _, m := range x.list {
		list = append(list, tcpip.FullAddress{NIC: m.nic.ID(), Addr: m.group})
	}
	return list
}

// wants reports whether what a source has sent to a group and arrived on a NIC is for this member. known is false if the
// group was not joined there. As on Linux IPv6 does not look at the NIC.
func (x *Memberships) wants(group, source netip.Addr, nic tcpip.NICID) (wanted, known bool) {
	if group.Is6() {
		nic = 0
	}
	i := x.find(group, nic)
	if i < 0 {
		return false, false
	}
	return x.list[i].filter.Allows(source), true
}
