package packetdrill

import (
	"math"
	"strconv"
	"strings"

	"github.com/seed963a8790/netstack/tcpip"
)

// The numbers of socket options that settings stand for.
const (
	afINET, afINET6                  = 2, 10
	levelIP, levelIPv6               = 0, 41
	ipMTUDiscover, ipFreebind, ipTTL = 10, 15, 2
	ipv6V6Only, ipv6Hops             = 26, 16
	ipv6AutoFlowLabel                = 70
)

// socketsHave makes apply from an option of sockets. of gives its value, and false where sockets have their own.
func socketsHave(family, level, number int, of func(v int64) (value int, ok bool)) func(*oursConf, []int64) {
	return func(c *oursConf, v []int64) {
		if value, ok := of(v[0]); ok {
			c.sockets = append(c.sockets, socketDefault{family, level, number, value})
		}
	}
}

// whenSet gives an option a value where the setting is not 0, and asIs its own value.
func whenSet(value int) func(int64) (int, bool) {
	return func(v int64) (int, bool) { return value, v != 0 }
}

func asIs(v int64) (int, bool) { return int(v), true }

// otherSettings are those beside net.ipv4.tcp_, and all that change nothing here.
func otherSettings() []setting {
	forward := func(c *oursConf, v []int64) { c.forwarding = c.forwarding || v[0] != 0 }
	list := []setting{
		// What Linux has no setting for.
		{name: "netstack.tcp_hystart_plus", value: "0", of: bit, apply: flagOf(func(c *oursConf) *tcpip.Opt[bool] { return &c.tcp.HyStartPlus })},
		{name: "net.ipv4.ip_default_ttl", value: "64", of: span{1, 255}, apply: func(c *oursConf, v []int64) {
			c.stack.TTL = tcpip.Set(uint8(v[0]))
			c.sockets = append(c.sockets, socketDefault{afINET, levelIP, ipTTL, int(v[0])}) // if the stack is there already
		}},
		{name: "net.ipv4.ip_forward", value: "0", of: signed, apply: forward},
		{name: "net.ipv4.conf.*.forwarding", value: "0", of: signed, apply: forward},
		{name: "net.ipv6.conf.*.forwarding", value: "0", of: signed, apply: forward},
		{name: "net.ipv6.conf.*.disable_ipv6", value: "0", of: signed, apply: func(c *oursConf, v []int64) { c.down6 = v[0] != 0 }},
		{name: "net.ipv6.conf.*.hop_limit", value: "64", of: span{1, 255}, apply: socketsHave(afINET6, levelIPv6, ipv6Hops, asIs)},
		{name: "net.ipv4.ip_local_port_range", value: "32768 60999", of: span{1, 65535}, check: orderedPorts, apply: func(c *oursConf, v []int64) {
			c.ports = [2]int64{v[0], v[1]}
		}},
		{name: "net.ipv4.ip_no_pmtu_disc", value: "0", of: octet, apply: socketsHave(afINET, levelIP, ipMTUDiscover, whenSet(0))},
		{name: "net.ipv4.ip_nonlocal_bind", value: "0", of: octet, apply: socketsHave(afINET, levelIP, ipFreebind, whenSet(1))},
		{name: "net.ipv6.ip_nonlocal_bind", value: "0", of: octet, apply: socketsHave(afINET6, levelIP, ipFreebind, whenSet(1))},
		{name: "net.ipv6.bindv6only", value: "0", of: octet, apply: socketsHave(afINET6, levelIPv6, ipv6V6Only, whenSet(1))},
		{name: "net.ipv6.auto_flowlabels", value: "1", of: span{0, 3}, apply: socketsHave(afINET6, levelIPv6, ipv6AutoFlowLabel, func(v int64) (int, bool) {
			return int(v & 1), v != 1
		})},
		{name: "net.core.somaxconn", value: "4096", of: natural, apply: countOf(0, aTable, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.MaxBacklog })},
		{name: "net.core.rmem_max", value: "4194304", of: span{2304, math.MaxInt32}, apply: countOfDouble(func(c *oursConf) *tcpip.Opt[int] { return &c.stack.Buffers.Receive.Max })},
		{name: "net.core.wmem_max", value: "4194304", of: span{4608, math.MaxInt32}, apply: countOfDouble(func(c *oursConf) *tcpip.Opt[int] { return &c.stack.Buffers.Send.Max })},
		{name: "net.core.rmem_default", value: "212992", of: span{2304, math.MaxInt32}, apply: countOf(2304, 8<<20, func(c *oursConf) *tcpip.Opt[int] { return &c.stack.Buffers.Receive.Default })},
		{name: "net.core.wmem_default", value: "212992", of: span{4608, math.MaxInt32}, apply: countOf(4608, 8<<20, func(c *oursConf) *tcpip.Opt[int] { return &c.stack.Buffers.Send.Default })},
		{name: "net.core.default_qdisc", value: "pfifo_fast", also: "pfifo|fq_codel|noqueue|fq"}, // the TUN device's is another
	}
	for _, group := range []struct {
		of    span
		inert bool
		list  string // NAME=VALUE
	}{
		// What has a meaning, and is here as Linux has it by default.
		{of: octet, list: "net.ipv4.fwmark_reflect=0 net.ipv6.flowlabel_consistency=1 net.ipv6.flowlabel_state_ranges=0 net.ipv6.fwmark_reflect=0 " +
			"net.ipv6.icmp.echo_ignore_all=0 net.ipv6.icmp.echo_ignore_anycast=0 net.ipv6.icmp.echo_ignore_multicast=0"},
		{of: span{0, 7}, list: "net.ipv6.flowlabel_reflect=0"},
		{of: bit, list: "net.ipv4.tcp_plb_enabled=0 net.ipv4.tcp_migrate_req=0 net.ipv4.ip_autobind_reuse=0 net.ipv4.icmp_echo_ignore_all=0 net.ipv4.icmp_echo_ignore_broadcasts=1 " +
			"net.ipv4.icmp_errors_use_inbound_ifaddr=0"},
		{of: span{88, math.MaxInt32}, list: "net.ipv4.route.min_pmtu=552"},
		{of: seconds, list: "net.ipv4.route.mtu_expires=600 net.ipv6.route.mtu_expires=600 net.ipv4.ipfrag_time=30 net.ipv6.ip6frag_time=60"},
		{of: signed, list: "net.ipv4.route.min_adv_mss=256 net.ipv6.route.min_adv_mss=1220"},
		{of: signed, list: "module.tcp_cubic.parameters.hystart=1 module.tcp_cubic.parameters.hystart_detect=3 " +
			"module.tcp_cubic.parameters.hystart_low_window=16 module.tcp_cubic.parameters.hystart_ack_delta_us=2000 " +
			"module.tcp_cubic.parameters.fast_convergence=1 module.tcp_cubic.parameters.beta=717 module.tcp_cubic.parameters.initial_ssthresh=0 " +
			"module.tcp_cubic.parameters.bic_scale=41 module.tcp_cubic.parameters.tcp_friendliness=1"},

		// What no script can tell: how the kernel spreads its work, keeps its tables and finds interfaces; what concerns
		// devices with link addresses; marks that only a filter gives to packets.
		{inert: true, of: bit, list: "net.ipv4.tcp_autocorking=1 net.ipv4.tcp_backlog_ack_defer=1 net.ipv4.tcp_l3mdev_accept=0 " +
			"net.ipv4.tcp_no_ssthresh_metrics_save=1 net.ipv4.udp_l3mdev_accept=0 net.ipv4.raw_l3mdev_accept=1 net.ipv4.ip_forward_update_priority=1 " +
			"net.ipv4.icmp_echo_enable_probe=0 net.ipv4.icmp_ignore_bogus_error_responses=1 net.core.txrehash=1 net.core.tstamp_allow_data=1 " +
			"net.ipv4.fib_multipath_use_neigh=0 net.ipv6.icmp.error_anycast_as_unicast=0 net.ipv4.nexthop_compat_mode=1 " +
			"net.ipv6.conf.*.force_forwarding=0 net.ipv6.conf.*.ndisc_evict_nocarrier=1"},
		{inert: true, of: octet, list: "net.ipv4.tcp_early_demux=1 net.ipv4.tcp_fack=0 net.ipv4.tcp_fwmark_accept=0 net.ipv4.tcp_no_metrics_save=0 " +
			"net.ipv4.tcp_plb_suspend_rto_sec=60 net.ipv4.tcp_tso_rtt_log=9 net.ipv4.ip_dynaddr=0 net.ipv4.ip_early_demux=1 net.ipv4.ip_forward_use_pmtu=0 " +
			"net.ipv4.udp_early_demux=1 net.ipv4.igmp_link_local_mcast_reports=1 net.ipv6.anycast_src_echo_reply=0 net.ipv6.conf.*.ndisc_tclass=0"},
		{inert: true, of: span{0, 31}, list: "net.ipv4.tcp_plb_idle_rehash_rounds=3 net.ipv4.tcp_plb_rehash_rounds=12"},
		{inert: true, of: span{0, 256}, list: "net.ipv4.tcp_plb_cong_thresh=128"},
		{inert: true, of: span{-31, 31}, list: "net.ipv4.tcp_adv_win_scale=1"},
		{inert: true, of: wide, list: "net.ipv4.tcp_comp_sack_slack_ns=100000"},
		{inert: true, of: span{0, 1 << 24}, list: "net.ipv4.tcp_child_ehash_entries=0"},
		{inert: true, of: span{0, 1 << 16}, list: "net.ipv4.udp_child_hash_entries=0"},
		{inert: true, of: signed, list: "net.ipv4.tcp_limit_output_bytes=4194304 net.ipv4.icmp_ratemask=6168 net.ipv4.igmp_max_memberships=20 " +
			"net.ipv4.igmp_max_msf=10 net.ipv6.max_dst_opts_length=2147483647 net.ipv6.max_dst_opts_number=8 net.ipv6.max_hbh_length=2147483647 " +
			"net.ipv6.max_hbh_opts_number=8 net.ipv6.xfrm6_gc_thresh=32768 net.ipv4.xfrm4_gc_thresh=32768 net.ipv6.route.gc_elasticity=9 " +
			"net.ipv6.route.gc_thresh=1024 net.ipv6.route.max_size=2147483647 net.ipv6.idgen_retries=3 net.ipv6.seg6_flowlabel=0 " +
			conf4 + conf6},
		{inert: true, of: seconds, list: "net.ipv6.route.gc_interval=30 net.ipv6.route.gc_min_interval=0 net.ipv6.route.gc_timeout=60 " +
			"net.ipv6.conf.*.router_solicitation_delay=1 net.ipv6.conf.*.router_solicitation_interval=4"},
		{inert: true, of: span{-1, math.MaxInt32}, list: "net.ipv6.conf.*.router_solicitations=-1"},
		{inert: true, of: natural, list: "net.ipv4.icmp_ratelimit=1000 net.ipv6.icmp.ratelimit=1000 net.ipv4.icmp_msgs_per_sec=10000 " +
			"net.ipv4.icmp_msgs_burst=10000 net.ipv4.ipfrag_max_dist=64 net.core.optmem_max=131072 net.core.netdev_max_backlog=1000 net.core.netdev_budget=300 " +
			"net.core.netdev_budget_usecs=8000 net.core.dev_weight=64 net.core.busy_poll=0 net.core.busy_read=0 net.core.netdev_tstamp_prequeue=1 " +
			"net.core.high_order_alloc_disable=0 net.core.gro_normal_batch=8 net.core.rps_sock_flow_entries=0 net.core.skb_defer_max=64 " +
			"net.core.max_skb_frags=17 net.core.message_cost=5 net.core.message_burst=10 net.ipv4.tcp_low_latency=0 net.ipv4.tcp_max_ssthresh=0"},
		{inert: true, of: positive, list: "net.ipv4.udp_rmem_min=4096 net.ipv4.udp_wmem_min=4096 net.ipv4.igmp_qrv=2"},
		{inert: true, of: span{0, 32768}, list: "net.ipv4.ip_unprivileged_port_start=1024"},
		{inert: true, of: span{3145728, math.MaxInt64}, list: "net.ipv4.ipfrag_high_thresh=4194304 net.ipv6.ip6frag_high_thresh=4194304"},
		{inert: true, of: span{0, 4194304}, list: "net.ipv4.ipfrag_low_thresh=3145728 net.ipv6.ip6frag_low_thresh=3145728"},
		{inert: true, of: signed, list: "net.ipv4.route.flush=0 net.ipv6.route.flush=0 net.ipv4.tcp_ehash_entries=16384"},
		{inert: true, list: "net.ipv4.tcp_available_ulp="},
		{list: "net.ipv4.ip_local_reserved_ports="},
	} {
		for pair := range strings.FieldsSeq(group.list) {
			name, value, _ := strings.Cut(pair, "=")
			list = append(list, setting{name: name, value: value, of: group.of, inert: group.inert})
		}
	}
	return append(list,
		setting{name: "net.ipv4.tcp_mem", value: "43902 58538 87804", of: wide, inert: true},
		setting{name: "net.ipv4.udp_mem", value: "87804 117076 175608", of: wide, inert: true},
		setting{name: "net.ipv4.ping_group_range", value: "1\t0", inert: true},
		setting{name: "net.ipv4.tcp_allowed_congestion_control", value: "reno cubic bbr dctcp", inert: true},
		setting{name: "net.ipv4.tcp_available_congestion_control", value: "reno cubic bbr dctcp", inert: true},
		setting{name: "net.ipv6.icmp.ratemask", value: "0-1,3-127", inert: true},
		setting{name: "kernel.printk", value: "4 4 1 7", inert: true})
}

// conf4 and conf6 are settings of interfaces that a device without link addresses has no use for.
const (
	conf4 = "net.ipv4.conf.*.accept_local=0 net.ipv4.conf.*.accept_redirects=1 net.ipv4.conf.*.accept_source_route=1 net.ipv4.conf.*.arp_accept=0 " +
		"net.ipv4.conf.*.arp_announce=0 net.ipv4.conf.*.arp_filter=0 net.ipv4.conf.*.arp_ignore=0 net.ipv4.conf.*.arp_notify=0 " +
		"net.ipv4.conf.*.bc_forwarding=0 net.ipv4.conf.*.disable_policy=0 net.ipv4.conf.*.disable_xfrm=0 net.ipv4.conf.*.drop_gratuitous_arp=0 " +
		"net.ipv4.conf.*.ignore_routes_with_linkdown=0 net.ipv4.conf.*.log_martians=0 net.ipv4.conf.*.promote_secondaries=0 net.ipv4.conf.*.proxy_arp=0 " +
		"net.ipv4.conf.*.route_localnet=0 net.ipv4.conf.*.rp_filter=0 net.ipv4.conf.*.secure_redirects=1 net.ipv4.conf.*.send_redirects=1 " +
		"net.ipv4.conf.*.shared_media=1 net.ipv4.conf.*.src_valid_mark=0 "
	conf6 = "net.ipv6.conf.*.accept_dad=1 net.ipv6.conf.*.accept_ra=1 net.ipv6.conf.*.accept_ra_defrtr=1 net.ipv6.conf.*.accept_ra_pinfo=1 " +
		"net.ipv6.conf.*.accept_redirects=1 net.ipv6.conf.*.accept_source_route=0 net.ipv6.conf.*.autoconf=1 net.ipv6.conf.*.dad_transmits=1 " +
		"net.ipv6.conf.*.keep_addr_on_down=0 net.ipv6.conf.*.max_addresses=16 net.ipv6.conf.*.optimistic_dad=0 net.ipv6.conf.*.proxy_ndp=0 " +
		"net.ipv6.conf.*.seg6_enabled=0 net.ipv6.conf.*.use_tempaddr=0 net.ipv6.conf.*.use_optimistic=0 net.ipv6.conf.*.enhanced_dad=1"
)

// orderedPorts refuses a range of ports that is empty, or begins among those of the system.
func orderedPorts(v string) bool {
	first, last, _ := strings.Cut(v, "\t")
	low, _ := strconv.Atoi(first)
	high, _ := strconv.Atoi(last)
	return 1024 <= low && low <= high
}

// countOfDouble makes apply of the largest buffer that a program may ask for, of which Linux makes twice as much.
func countOfDouble(f func(c *oursConf) *tcpip.Opt[int]) func(*oursConf, []int64) {
	return func(c *oursConf, v []int64) { *f(c) = tcpip.Set(int(min(2*v[0], aBuffer))) }
}
