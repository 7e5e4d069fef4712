package linux

import (
	"encoding/binary"
	"net/netip"
	"sync"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
)

// grouper is who joins groups: a datagram endpoint, or what stands for one on a stream.
type grouper interface {
	JoinGroup(group netip.Addr, nic tcpip.NICID) error
	LeaveGroup(group netip.Addr, nic tcpip.NICID) error
	ChangeSource(act transport.SourceAct, group, source netip.Addr, nic tcpip.NICID) error
	SetGroupFilter(group netip.Addr, nic tcpip.NICID, f tcpip.SourceFilter) error
	GroupFilter(group netip.Addr, nic tcpip.NICID) (tcpip.SourceFilter, error)
}

// streamGroups are the groups of a stream. It receives nothing of them, but on Linux it can join some all the same,
// and so has the host receive them.
type streamGroups struct {
	at transport.Joiner

	mu     sync.Mutex
	m      transport.Memberships
	closed bool
}

func (g *streamGroups) change(f func() tcpip.Error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return tcpip.ErrClosed
	}
	return f().Err()
}

func (g *streamGroups) JoinGroup(group netip.Addr, nic tcpip.NICID) error {
	return g.change(func() tcpip.Error { return g.m.Join(g.at, group, nic) })
}

func (g *streamGroups) LeaveGroup(group netip.Addr, nic tcpip.NICID) error {
	return g.change(func() tcpip.Error { return g.m.Leave(group, nic) })
}

func (g *streamGroups) ChangeSource(act transport.SourceAct, group, source netip.Addr, nic tcpip.NICID) error {
	return g.change(func() tcpip.Error { return g.m.ChangeSource(g.at, act, group, source, nic) })
}

func (g *streamGroups) SetGroupFilter(group netip.Addr, nic tcpip.NICID, f tcpip.SourceFilter) error {
	return g.change(func() tcpip.Error { return g.m.SetFilter(g.at, group, nic, f) })
}

func (g *streamGroups) GroupFilter(group netip.Addr, nic tcpip.NICID) (f tcpip.SourceFilter, err error) {
	err = g.change(func() (e tcpip.Error) {
		f, e = g.m.Filter(group, nic)
		return e
	})
	return f, err
}

// grouper returns who joins groups for the socket.
func (s *Socket) grouper() grouper {
	if g, ok := s.ep.(grouper); ok {
		return g
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.groups == nil {
		s.groups = &streamGroups{at: transport.Joiner{Stack: s.sockets.stack, V6: s.kind.family == AF_INET6}}
	}
	return s.groups
}

// leaveGroups leaves the groups of a stream; a datagram endpoint does so itself.
func (s *Socket) leaveGroups() {
	s.mu.Lock()
	g := s.groups
	s.mu.Unlock()
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.m.LeaveAll()
}

// groupAt is a group, and where.
type groupAt struct {
	group netip.Addr
	addr  netip.Addr // of the interface; the zero Addr where the structure has none
	nic   tcpip.NICID
}

// resolve4 finds the interface of an IPv4 group: by its index, its address or the route; 0 if there is none.
func (s *Socket) resolve4(a groupAt) tcpip.NICID {
	n := s.sockets.stack
	switch {
	case a.nic != 0:
		if n.NIC(a.nic) != nil {
			return a.nic
		}
		return 0
	case a.addr.IsValid() && !a.addr.IsUnspecified():
		if m := s.nicOf(a.addr); m != nil {
			return m.ID()
		}
		return 0
	}
	if r, err := n.FindRoute(stack.RouteQuery{Destination: a.group}); err == tcpip.OK {
		return r.NIC.ID()
	}
	return 0
}

// join4 and leave4 are those of IPv4, in Linux's order of complaints.
func (s *Socket) join4(a groupAt) Errno {
	if !a.group.IsMulticast() {
		return EINVAL
	}
	nic := s.resolve4(a)
	if nic == 0 {
		return ENODEV
	}
	return errnoOf(s.grouper().JoinGroup(a.group, nic))
}

func (s *Socket) leave4(a groupAt) Errno {
	nic := s.resolve4(a)
	switch {
	case nic != 0:
		return errnoOf(s.grouper().LeaveGroup(a.group, nic))
	case a.nic == 0 && !(a.addr.IsValid() && !a.addr.IsUnspecified()):
		return ENODEV
	}
	return EADDRNOTAVAIL
}

func (s *Socket) source4(act transport.SourceAct, a groupAt, source netip.Addr) Errno {
	if !a.group.IsMulticast() {
		return EINVAL
	}
	nic := s.resolve4(a)
	if nic == 0 {
		return ENODEV
	}
	return errnoOf(s.grouper().ChangeSource(act, a.group, source, nic))
}

func (s *Socket) filter4(a groupAt, f tcpip.SourceFilter) Errno {
	if !a.group.IsMulticast() || f.Mode > tcpip.FilterExclude {
		return EINVAL
	}
	nic := s.resolve4(a)
	if nic == 0 {
		return ENODEV
	}
	return errnoOf(s.grouper().SetGroupFilter(a.group, nic, f))
}

// join6 and leave6 are those of IPv6.
func (s *Socket) join6(a groupAt) Errno {
	if !a.group.IsMulticast() || a.group.Is4In6() {
		return EINVAL
	}
	return errnoOf(s.grouper().JoinGroup(a.group, a.nic))
}

func (s *Socket) leave6(a groupAt) Errno {
	if !a.group.IsMulticast() || a.group.Is4In6() {
		return EINVAL
	}
	return errnoOf(s.grouper().LeaveGroup(a.group, a.nic))
}

func (s *Socket) source6(act transport.SourceAct, a groupAt, source netip.Addr) Errno {
	if !a.group.IsMulticast() || a.group.Is4In6() {
		return EINVAL
	}
	return errnoOf(s.grouper().ChangeSource(act, a.group, source, a.nic))
}

// filter6 wants the interface that the group was joined on; only leaving does without.
func (s *Socket) filter6(a groupAt, f tcpip.SourceFilter) Errno {
	switch {
	case !a.group.IsMulticast() || a.group.Is4In6() || f.Mode > tcpip.FilterExclude:
		return EINVAL
	case a.nic == 0 && f.None():
		return errnoOf(s.grouper().LeaveGroup(a.group, 0))
	case a.nic == 0:
		return EINVAL
	}
	return errnoOf(s.grouper().SetGroupFilter(a.group, a.nic, f))
}

// tell answers what the filter of a group is: mode, number and sources go to value from its at-th byte on, each source by
// put, and as many as its number field has asked for. It returns the whole length, which may be beyond value's.
func (s *Socket) tell(a groupAt, value []byte, at, width int, put func([]byte, netip.Addr)) (int, Errno) {
	f, err := s.grouper().GroupFilter(a.group, a.nic)
	if err != nil {
		return 0, errnoOf(err)
	}
	asked := binary.NativeEndian.Uint32(value[at+4:])
	mode := uint32(mcastInclude)
	if f.Mode == tcpip.FilterExclude {
		mode = mcastExclude
	}
	binary.NativeEndian.PutUint32(value[at:], mode)
	binary.NativeEndian.PutUint32(value[at+4:], uint32(len(f.Sources)))
	at += 8
	n := min(uint32(len(f.Sources)), asked)
	for i, source := range f.Sources[:n] {
		if at := at + i*width; at+width <= len(value) {
			clear(value[at : at+width])
			put(value[at:], source)
		}
	}
	return at + int(n)*width, 0
}

// The modes of struct ip_msfilter and struct group_filter.
const (
	mcastExclude = 0
	mcastInclude = 1
)

// modeOf reads a mode; one that there is not is beyond tcpip.FilterExclude.
func modeOf(b []byte) tcpip.FilterMode {
	switch binary.NativeEndian.Uint32(b) {
	case mcastExclude:
		return tcpip.FilterExclude
	case mcastInclude:
		return tcpip.FilterInclude
	}
	return tcpip.FilterExclude + 1
}
