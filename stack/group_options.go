package stack

import (
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip"
)

// GroupOptions say how a NIC reports its groups to routers, with IGMP and MLD. The zero value is what Linux does.
type GroupOptions struct {
	// Silent keeps all reports back. Loopback NICs send none in any case.
	Silent bool
	// IGMPVersion and MLDVersion force a version (force_igmp_version, force_mld_version); unset or 0: the newest
	// that the querier speaks.
	IGMPVersion, MLDVersion tcpip.Opt[int]
	// IGMPRobustness and MLDRobustness are how often a change is told until a querier says (igmp_qrv, mld_qrv);
	// unset: twice.
	IGMPRobustness, MLDRobustness tcpip.Opt[int]
	// LinkLocalReports reports the groups 224.0.0.0/24, but for 224.0.0.1 (igmp_link_local_mcast_reports); unset: yes.
	LinkLocalReports tcpip.Opt[bool]
}

// GroupLimits bound what one endpoint may join, as Linux's settings do.
type GroupLimits struct {
	Memberships tcpip.Opt[int] // groups of IPv4 (igmp_max_memberships); unset: 20
	Sources4    tcpip.Opt[int] // of one IPv4 group (igmp_max_msf); unset: 10
	Sources6    tcpip.Opt[int] // of one IPv6 group (mld_max_msf); unset: 64
}

// GroupWatcher is a network protocol that reports the groups of NICs.
type GroupWatcher interface {
	// GroupChanged tells that NIC.GroupFilter of a group has changed. It may be called with an endpoint locked, and
	// sends nothing itself.
	GroupChanged(nic *NIC, group netip.Addr)
	// GroupsConfigured tells that NIC.GroupOptions has changed. No lock is held.
	GroupsConfigured(nic *NIC)
}

// GroupOptions returns how the NIC reports its groups.
func (n *NIC) GroupOptions() GroupOptions {
	if o := n.groupOptions.Load(); o != nil {
		return *o
	}
	return n.options.Groups
}

// SetGroupOptions changes it. What is being reported goes on.
func (n *NIC) SetGroupOptions(o GroupOptions) {
	n.groupOptions.Store(&o)
	for _, p := range n.stack.networks {
		if w, ok := p.(GroupWatcher); ok {
			w.GroupsConfigured(n)
		}
	}
}

// GroupLimits returns what bounds the groups of endpoints.
func (s *Stack) GroupLimits() *GroupLimits { return &s.options.Groups }
