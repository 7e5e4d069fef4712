package oracle

import (
	"fmt"
	"time"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// reporting is how memberships are reported: once, as the kernel's settings have it.
var reporting = stack.GroupOptions{IGMPRobustness: tcpip.Set(1), MLDRobustness: tcpip.Set(1)}

// sysctls are the variables that ours has.
var sysctls = map[string]func(s *stack.Stack, v int){
	"ipv4/conf/t0/force_igmp_version": func(s *stack.Stack, v int) {
		o := s.NIC(t0).GroupOptions()
		o.IGMPVersion = tcpip.Set(v)
		s.NIC(t0).SetGroupOptions(o)
	},
	"ipv6/conf/t0/force_mld_version": func(s *stack.Stack, v int) {
		o := s.NIC(t0).GroupOptions()
		o.MLDVersion = tcpip.Set(v)
		s.NIC(t0).SetGroupOptions(o)
	},
	"ipv6/conf/all/forwarding": func(s *stack.Stack, v int) {
		for _, n := range s.NICs() {
			n.SetForwarding(v != 0)
		}
	},
	"ipv4/ip_forward": func(s *stack.Stack, v int) {
		for _, n := range s.NICs() {
			n.SetForwarding(v != 0)
		}
	},
	"ipv6/conf/e0/forwarding": func(s *stack.Stack, v int) { s.NIC(nicE0).SetForwarding(v != 0) },
	// The kernel's is shortened for all scenarios; ours is what this brings back.
	"ipv6/conf/t0/mldv2_unsolicited_report_interval": func(*stack.Stack, int) {},
}

func (o *ours) Sysctl(name string, value int) {
	set := sysctls[name]
	if set == nil {
		o.fail(fmt.Errorf("%s: no such variable", name))
		return
	}
	set(o.stack, value)
}

func (o *ours) Pass(milliseconds int) {
	o.clock.Settle()
	o.clock.Advance(time.Duration(milliseconds) * time.Millisecond)
}

func (o *ours) Up(name string, up bool) {
	for _, n := range o.stack.NICs() {
		if n.Name() == name {
			n.SetUp(up)
		}
	}
}

func (o *ours) Wait(milliseconds int) { o.Pass(milliseconds) }
