package transport

import (
	"net/netip"
	"slices"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// membership is one group that an endpoint has joined, on one NIC.
type membership struct {
	group netip.Addr
	nic   *stack.NIC
}

// JoinGroup makes the NIC receive what is sent to group, and this endpoint take it. nic 0 stands for the
// NIC of the route to the group. An endpoint leaves its groups when it is closed.
//
// Errors: ErrInvalid if group is none or link-local without a NIC, ErrAddressFamily, ErrNoDevice,
// ErrAddrInUse if the endpoint has joined it already, ErrNoBuffers beyond 20 groups of IPv4 or 256 of IPv6,
// ErrClosed.
func (d *Datagram) JoinGroup(group netip.Addr, nic tcpip.NICID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	m, err := d.membership(group, nic)
	if err != tcpip.OK {
		return err
	}
	if slices.Contains(d.groups, m) {
		return tcpip.ErrAddrInUse
	}
	n := 0
	for _, o := range d.groups {
		if o.group.Is4() == m.group.Is4() {
			n++
		}
	}
	if m.group.Is4() && n >= maxGroups4 || n >= maxGroups6 {
		return tcpip.ErrNoBuffers
	}
	if err := m.nic.JoinGroup(m.group); err != nil {
		return err
	}
	d.setGroups(append(slices.Clip(d.groups), m))
	return nil
}

// LeaveGroup undoes JoinGroup. nic 0 stands for any NIC that the group was joined on.
//
// Errors: ErrAddrNotAvailable if the endpoint has not joined the group, ErrClosed.
func (d *Datagram) LeaveGroup(group netip.Addr, nic tcpip.NICID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return tcpip.ErrClosed
	}
	group = plain(group)
	i := slices.IndexFunc(d.groups, func(m membership) bool { return m.group == group && (nic == 0 || m.nic.ID() == nic) })
	if i < 0 {
		return tcpip.ErrAddrNotAvailable
	}
	m := d.groups[i]
	d.setGroups(slices.Delete(slices.Clone(d.groups), i, i+1))
	_ = m.nic.LeaveGroup(m.group) // the NIC may be gone
	return nil
}

// Groups returns the groups that the endpoint has joined.
func (d *Datagram) Groups() []tcpip.FullAddress {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []tcpip.FullAddress
	for _, m := range d.groups {
		list = append(list, tcpip.FullAddress{NIC: m.nic.ID(), Addr: m.group})
	}
	return list
}

// setGroups replaces the list, which is never changed in place: delivery reads it too.
func (d *Datagram) setGroups(groups []membership) {
	d.groups = groups
	d.queue.mu.Lock()
	defer d.queue.mu.Unlock()
	d.queue.groups = groups
}

// membership finds out what a join means.
func (d *Datagram) membership(group netip.Addr, nic tcpip.NICID) (m membership, err tcpip.Error) {
	if d.closed {
		return m, tcpip.ErrClosed
	}
	m.group = plain(group)
	if !m.group.IsMulticast() {
		return m, tcpip.ErrInvalid
	}
	if m.group.Is6() && !d.v6 {
		return m, tcpip.ErrAddressFamily
	}
	if nic == 0 {
		nic = d.conf.BoundNIC
	}
	if nic != 0 {
		m.nic = d.proto.stack.NIC(nic)
	} else if r, err := d.proto.stack.FindRoute(stack.RouteQuery{Destination: m.group}); err == tcpip.OK {
		m.nic = r.NIC
	}
	if m.nic == nil {
		return m, tcpip.ErrNoDevice
	}
	return m, tcpip.OK
}
