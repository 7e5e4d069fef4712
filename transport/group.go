package transport

import (
	"net/netip"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// JoinGroup makes the NIC receive what is sent to group, and this endpoint take it, from everybody. nic 0 stands for
// the NIC of the route to the group. An endpoint leaves its groups when it is closed.
//
// Errors: ErrInvalid if group is none or link-local without a NIC, ErrAddressFamily, ErrNoDevice,
// ErrAddrInUse if the endpoint has joined it already, ErrNoBuffers beyond 20 groups of IPv4 (stack.GroupLimits) or
// 256 of IPv6, ErrClosed.
func (d *Datagram) JoinGroup(group netip.Addr, nic tcpip.NICID) error {
	return d.regroup(func(m *Memberships, at Joiner) tcpip.Error { return m.Join(at, group, nic) })
}

// LeaveGroup undoes JoinGroup, and what single sources were joined. nic 0 stands for any NIC that the group was joined on, the latest
// first.
//
// Errors: ErrAddrNotAvailable if the endpoint has not joined the group, ErrClosed.
func (d *Datagram) LeaveGroup(group netip.Addr, nic tcpip.NICID) error {
	return d.regroup(func(m *Memberships, _ Joiner) tcpip.Error { return m.Leave(group, nic) })
}

// ChangeSource joins, leaves, blocks or unblocks one source of a group. JoinSource joins the group for it if need be, LeaveSource
// of the last one leaves the group; the two are for groups joined so, BlockSource and UnblockSource for those that were
// joined as a whole. nic as for JoinGroup and LeaveGroup.
//
// Errors: those of JoinGroup, ErrInvalid if the endpoint has not joined the group or has joined it the other way,
// ErrAddrNotAvailable if the source stands in the list already, or does not, ErrNoBuffers beyond 10 sources of IPv4 or 64
// of IPv6 (stack.GroupLimits).
func (d *Datagram) ChangeSource(act SourceAct, group, source netip.Addr, nic tcpip.NICID) error {
	return d.regroup(func(m *Memberships, at Joiner) tcpip.Error { return m.ChangeSource(at, act, group, source, nic) })
}

// SetGroupFilter replaces the whole filter of a group that the endpoint has joined; the zero filter leaves it.
//
// Errors: ErrInvalid if the endpoint has not joined the group, ErrAddrNotAvailable if it is to leave it then, ErrNoDevice,
// ErrNoBuffers as for ChangeSource, ErrClosed.
func (d *Datagram) SetGroupFilter(group netip.Addr, nic tcpip.NICID, f tcpip.SourceFilter) error {
	return d.regroup(func(m *Memberships, at Joiner) tcpip.Error { return m.SetFilter(at, group, nic, f) })
}

// GroupFilter returns the filter of a group, its sources as they were given.
//
// Errors: ErrInvalid if group is none, ErrAddrNotAvailable if the endpoint has not joined it on that NIC.
func (d *Datagram) GroupFilter(group netip.Addr, nic tcpip.NICID) (tcpip.SourceFilter, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, err := d.groups.Filter(group, nic)
	return f, err.Err()
}

// Groups returns the groups that the endpoint has joined.
func (d *Datagram) Groups() []tcpip.FullAddress {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.groups.Groups()
}

// SetGroupSource sets the source of sent IPv4 multicast that has no other, as IP_MULTICAST_IF does when it is given an
// address. The zero and the unspecified Addr mean the route's.
func (d *Datagram) SetGroupSource(source netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if source = plain(source); source.IsUnspecified() {
		source = netip.Addr{}
	}
	d.groupSource = source
}

// regroup changes the memberships and tells the delivering side.
func (d *Datagram) regroup(change func(*Memberships, Joiner) tcpip.Error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return tcpip.ErrClosed
	}
	if err := change(&d.groups, Joiner{Stack: d.proto.stack, V6: d.v6}); err != tcpip.OK {
		return err
	}
	d.queue.mu.Lock()
	defer d.queue.mu.Unlock()
	d.queue.groups = d.groups
	return nil
}

// Joiner is who joins groups.
type Joiner struct {
	Stack *stack.Stack
	V6    bool // speaks IPv6
}
