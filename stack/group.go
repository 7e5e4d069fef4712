package stack

import (
	"maps"
	"net/netip"
	"slices"
	"sync"

	"github.com/seed963a8790/netstack/tcpip"
)

// groups are the multicast groups that a NIC has joined.
type groups struct {
	mu     sync.RWMutex // a leaf
	joined map[netip.Addr]int
}

// The groups of all hosts, which every NIC is in (RFC 1112 §4, RFC 4291 §2.8).
var allHosts = [...]netip.Addr{
	netip.AddrFrom4([4]byte{224, 0, 0, 1}),
	netip.AddrFrom16([16]byte{0: 0xff, 1: 1, 15: 1}),
	netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 15: 1}),
}

// JoinGroup makes the NIC receive what is sent to g. Joins are counted: each needs its LeaveGroup.
//
// Errors: ErrInvalid if g is no group, ErrTooMany.
func (n *NIC) JoinGroup(g netip.Addr) error {
	if !g.IsMulticast() {
		return tcpip.ErrInvalid
	}
	n.groups.mu.Lock()
	defer n.groups.mu.Unlock()
	if n.groups.joined == nil {
		n.groups.joined = make(map[netip.Addr]int)
	}
	if n.groups.joined[g] == 0 && len(n.groups.joined) >= maxGroups {
		return tcpip.ErrTooMany
	}
	n.groups.joined[g]++
	return nil
}

// LeaveGroup undoes one JoinGroup.
//
// Errors: ErrAddrNotAvailable if the NIC has not joined g.
func (n *NIC) LeaveGroup(g netip.Addr) error {
	n.groups.mu.Lock()
	defer n.groups.mu.Unlock()
	switch n.groups.joined[g] {
	case 0:
		return tcpip.ErrAddrNotAvailable
	case 1:
		delete(n.groups.joined, g)
	default:
		n.groups.joined[g]--
	}
	return nil
}

// InGroup reports whether the NIC receives what is sent to g. It is always in the groups of all hosts.
func (n *NIC) InGroup(g netip.Addr) bool {
	if slices.Contains(allHosts[:], g) {
		return true
	}
	n.groups.mu.RLock()
	defer n.groups.mu.RUnlock()
	return n.groups.joined[g] > 0
}

// Groups returns the groups that the NIC has joined, in the order of their addresses, without those of all hosts.
func (n *NIC) Groups() []netip.Addr {
	n.groups.mu.RLock()
	defer n.groups.mu.RUnlock()
	return slices.SortedFunc(maps.Keys(n.groups.joined), netip.Addr.Compare)
}
