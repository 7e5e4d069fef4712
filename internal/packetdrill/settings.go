package packetdrill

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// oursConf is what the settings of a script say of the stack.
type oursConf struct {
	tcp   tcp.Options
	stack stack.Options
	ports [2]int64 // the ephemeral ones; 0: the stack's
	skip  string   // why the stack cannot be as the settings say; ""
}

// setting is one of Linux's settings. One with an apply changes the stack; one with hint may have any value and no
// script can tell; any other has a meaning, and may only be what this stack does anyway.
type setting struct {
	name  string
	value string // as a new namespace of Linux has it
	hint  bool
	also  string // other values that the stack behaves by as well, with bars between them
	apply func(c *oursConf, v []int64)
	words func(c *oursConf, v string) // apply for what is no list of numbers
}

// flagOf, countOf and the rest make apply from the field of an option.
func flagOf(f func(c *oursConf) *tcpip.Opt[bool]) func(*oursConf, []int64) {
	return func(c *oursConf, v []int64) { *f(c) = tcpip.Set(v[0] != 0) }
}

func countOf(f func(c *oursConf) *tcpip.Opt[int]) func(*oursConf, []int64) {
	return func(c *oursConf, v []int64) { *f(c) = tcpip.Set(int(v[0])) }
}

func timeOf(unit time.Duration, f func(c *oursConf) *tcpip.Opt[time.Duration]) func(*oursConf, []int64) {
	return func(c *oursConf, v []int64) { *f(c) = tcpip.Set(time.Duration(v[0]) * unit) }
}

// settings returns the table.
func settings() []setting {
	return append(tcpSettings(), otherSettings()...)
}

func tcpSettings() []setting {
	list := []setting{
		{name: "timestamps", value: "1", apply: func(c *oursConf, v []int64) {
			modes := []tcpip.TimestampMode{tcpip.TimestampsOff, tcpip.TimestampsOn, tcpip.TimestampsNoOffset}
			if v[0] >= int64(len(modes)) {
				c.skip = "net.ipv4.tcp_timestamps"
				return
			}
			c.tcp.Timestamps = tcpip.Set(modes[v[0]])
		}},
		{name: "sack", value: "1", apply: flagOf(func(c *oursConf) *tcpip.Opt[bool] { return &c.tcp.SACK })},
		{name: "window_scaling", value: "1", apply: flagOf(func(c *oursConf) *tcpip.Opt[bool] { return &c.tcp.Scaling })},
		{name: "ecn", value: "2", apply: func(c *oursConf, v []int64) {
			if c.tcp.ECN = tcpip.Set(tcp.ECNMode(v[0])); v[0] > int64(tcp.ECNAccurateAccept) {
				c.skip = "net.ipv4.tcp_ecn"
			}
		}},
		{name: "ecn_fallback", value: "1", apply: func(c *oursConf, v []int64) { c.tcp.ECNInsist = tcpip.Set(v[0] == 0) }},
		{name: "ecn_option", value: "2", apply: func(c *oursConf, v []int64) { c.tcp.ECNOption = tcpip.Set(v[0] > 0) }},
		{name: "congestion_control", value: "cubic", words: func(c *oursConf, v string) {
			switch v {
			case "cubic":
			case "reno":
				c.tcp.Congestion = tcpip.Set(tcp.Reno)
			case "bbr":
				c.tcp.Congestion = tcpip.Set(tcp.BBR)
			case "dctcp":
				c.tcp.Congestion = tcpip.Set(tcp.DCTCP)
			default:
				c.skip = "net.ipv4.tcp_congestion_control"
			}
		}},
		{name: "rmem", value: "4096 131072 6291456", apply: func(c *oursConf, v []int64) {
			if len(v) == 3 {
				c.tcp.ReceiveBufferMin, c.tcp.ReceiveBuffer, c.tcp.ReceiveBufferMax = tcpip.Set(int(v[0])), tcpip.Set(int(v[1])), tcpip.Set(int(v[2]))
			}
		}},
		{name: "wmem", value: "4096 16384 4194304", apply: func(c *oursConf, v []int64) {
			if len(v) == 3 {
				c.tcp.SendBufferMin, c.tcp.SendBuffer, c.tcp.SendBufferMax = tcpip.Set(int(v[0])), tcpip.Set(int(v[1])), tcpip.Set(int(v[2]))
			}
		}},
		{name: "dsack", value: "1", apply: flagOf(func(c *oursConf) *tcpip.Opt[bool] { return &c.tcp.DSACK })},
		{name: "rfc1337", value: "0", apply: flagOf(func(c *oursConf) *tcpip.Opt[bool] { return &c.tcp.RFC1337 })},
		{name: "syn_linear_timeouts", value: "4", apply: countOf(func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.SynLinear })},
		{name: "syn_retries", value: "6", apply: countOf(func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.SynRetries })},
		{name: "synack_retries", value: "5", apply: countOf(func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.SynAckRetries })},
		{name: "retries2", value: "15", apply: countOf(func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.Retries })},
		{name: "fin_timeout", value: "60", apply: timeOf(time.Second, func(c *oursConf) *tcpip.Opt[time.Duration] { return &c.tcp.FinTimeout })},
		{name: "keepalive_time", value: "7200", apply: timeOf(time.Second, func(c *oursConf) *tcpip.Opt[time.Duration] { return &c.tcp.KeepIdle })},
		{name: "keepalive_intvl", value: "75", apply: timeOf(time.Second, func(c *oursConf) *tcpip.Opt[time.Duration] { return &c.tcp.KeepInterval })},
		{name: "keepalive_probes", value: "9", apply: countOf(func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.KeepCount })},
		{name: "rto_min_us", value: "200000", apply: timeOf(time.Microsecond, func(c *oursConf) *tcpip.Opt[time.Duration] { return &c.tcp.RTOMin })},
		{name: "rto_max_ms", value: "120000", apply: timeOf(time.Millisecond, func(c *oursConf) *tcpip.Opt[time.Duration] { return &c.tcp.RTOMax })},
		{name: "notsent_lowat", value: "4294967295", apply: func(c *oursConf, v []int64) {
			if v[0] > 0 && v[0] <= math.MaxInt32 {
				c.tcp.NotSentLow = tcpip.Set(int(v[0]))
			}
		}},
		{name: "thin_linear_timeouts", value: "0", apply: flagOf(func(c *oursConf) *tcpip.Opt[bool] { return &c.tcp.ThinLinear })},
		{name: "mtu_probing", value: "0", apply: func(c *oursConf, v []int64) { c.tcp.MTUProbing = tcpip.Set(tcp.MTUProbing(min(v[0], 2))) }},
		{name: "base_mss", value: "1024", apply: countOf(func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.BaseMSS })},
		{name: "min_snd_mss", value: "48", apply: countOf(func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.MinMSS })},
		{name: "max_syn_backlog", value: "4096", apply: countOf(func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.SynBacklog })},
		{name: "syncookies", value: "1", apply: func(c *oursConf, v []int64) { c.tcp.Cookies = tcpip.Set(tcp.CookieMode(min(v[0], 2))) }},
		{name: "fastopen", value: "1", apply: func(c *oursConf, v []int64) { c.tcp.FastOpen = tcpip.Set(tcp.FastOpenMode(v[0])) }},
		{name: "fastopen_key", value: "00000000-00000000-00000000-00000000", words: func(c *oursConf, v string) {
			if k, ok := fastOpenKeys(v); ok {
				c.tcp.FastOpenKeys = tcpip.Set(k)
			}
		}},
		{name: "fastopen_blackhole_timeout_sec", value: "0",
			apply: timeOf(time.Second, func(c *oursConf) *tcpip.Opt[time.Duration] { return &c.tcp.FastOpenBlackhole })},
		{name: "abort_on_overflow", value: "0", apply: flagOf(func(c *oursConf) *tcpip.Opt[bool] { return &c.tcp.AbortOnOverflow })},
		{name: "max_tw_buckets", value: "65536", apply: countOf(func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.TimeWaitMax })},
		{name: "tw_reuse", value: "2", apply: flagOf(func(c *oursConf) *tcpip.Opt[bool] { return &c.tcp.TimeWaitReuse })},
		{name: "max_orphans", value: "16384", apply: countOf(func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.OrphanMax })},
		{name: "recovery", value: "1", apply: countOf(func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.Recovery })},
		{name: "early_retrans", value: "3", apply: countOf(func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.EarlyRetransmit })},
		{name: "reordering", value: "3", apply: countOf(func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.Reordering })},
		{name: "max_reordering", value: "300", apply: countOf(func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.MaxReordering })},
		{name: "frto", value: "2", apply: flagOf(func(c *oursConf) *tcpip.Opt[bool] { return &c.tcp.FRTO })},
		{name: "slow_start_after_idle", value: "1", apply: flagOf(func(c *oursConf) *tcpip.Opt[bool] { return &c.tcp.SlowStartAfterIdle })},
		{name: "comp_sack_nr", value: "44", apply: countOf(func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.CompressSACK })},
		{name: "comp_sack_delay_ns", value: "1000000",
			apply: timeOf(time.Nanosecond, func(c *oursConf) *tcpip.Opt[time.Duration] { return &c.tcp.SACKDelay })},
		{name: "min_tso_segs", value: "2", apply: countOf(func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.MinSegments })},
		{name: "tso_win_divisor", value: "3", apply: countOf(func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.WinDivisor })},
		{name: "retrans_collapse", value: "1", apply: flagOf(func(c *oursConf) *tcpip.Opt[bool] { return &c.tcp.Collapse })},
		{name: "invalid_ratelimit", value: "500",
			apply: timeOf(time.Millisecond, func(c *oursConf) *tcpip.Opt[time.Duration] { return &c.tcp.InvalidInterval })},
		{name: "challenge_ack_limit", value: "2147483647", apply: countOf(func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.ChallengeRate })},
	}
	for i := range list {
		list[i].name = "net.ipv4.tcp_" + list[i].name
	}
	for name, value := range map[string]string{ // what this stack does as Linux does by default
		"app_win": "31", "moderate_rcvbuf": "1", "orphan_retries": "0", "stdurg": "0",
		"shrink_window":   "0",
		"pingpong_thresh": "1", "reflect_tos": "0",
		"probe_interval": "600", "probe_threshold": "8", "mtu_probe_floor": "48", "min_rtt_wlen": "300",
		"workaround_signed_windows": "0",
		"ecn_option_beacon":         "3", "plb_enabled": "0",
		"tw_reuse_delay": "1000",
	} {
		list = append(list, setting{name: "net.ipv4.tcp_" + name, value: value})
	}
	for name, value := range map[string]string{ // what no script can tell
		"autocorking": "1", "retries1": "3", "l3mdev_accept": "0", "fwmark_accept": "0", "migrate_req": "0", "pacing_ss_ratio": "200",
		"pacing_ca_ratio": "120", "mem": "43902 58538 87804", "no_metrics_save": "0", "no_ssthresh_metrics_save": "1", "fack": "0",
		"limit_output_bytes": "4194304", "early_demux": "1", "low_latency": "0", "child_ehash_entries": "0", "ehash_entries": "16384",
		"backlog_ack_defer": "1", "tso_rtt_log": "9", "allowed_congestion_control": "reno cubic bbr dctcp", "available_congestion_control": "reno cubic bbr dctcp",
		"plb_idle_rehash_rounds": "3", "plb_rehash_rounds": "12", "plb_suspend_rto_sec": "60", "plb_cong_thresh": "128",
		"available_ulp": "", "max_ssthresh": "0", "adv_win_scale": "1", "comp_sack_slack_ns": "100000",
	} {
		list = append(list, setting{name: "net.ipv4.tcp_" + name, value: value, hint: true})
	}
	return list
}

// fastOpenKeys reads one key or two as sysctl writes them: four numbers in hexadecimal each, which are kept as the
// machine keeps them.
func fastOpenKeys(s string) (k tcp.FastOpenKeys, ok bool) {
	var keys [2]tcp.FastOpenKey
	list := strings.Split(s, ",")
	for i, key := range list {
		words := strings.Split(key, "-")
		if i >= len(keys) || len(words) != 4 {
			return k, false
		}
		for j, w := range words {
			n, err := strconv.ParseUint(w, 16, 32)
			if err != nil {
				return k, false
			}
			binary.NativeEndian.PutUint32(keys[i][4*j:], uint32(n))
		}
	}
	if k.Primary = keys[0]; len(list) == 2 {
		k.Backup = tcpip.Set(keys[1])
	}
	return k, true
}

func otherSettings() []setting {
	list := []setting{
		// What Linux has no setting for.
		{name: "netstack.tcp_hystart_plus", value: "0", apply: flagOf(func(c *oursConf) *tcpip.Opt[bool] { return &c.tcp.HyStartPlus })},
		{name: "net.ipv4.ip_default_ttl", value: "64", apply: func(c *oursConf, v []int64) { c.stack.TTL = tcpip.Set(uint8(v[0])) }},
		{name: "net.ipv4.ip_forward", value: "0", apply: flagOf(func(c *oursConf) *tcpip.Opt[bool] { return &c.stack.Forwarding })},
		{name: "net.ipv4.ip_local_port_range", value: "32768 60999", apply: func(c *oursConf, v []int64) {
			if len(v) == 2 {
				c.ports = [2]int64{v[0], v[1]}
			}
		}},
		{name: "net.core.default_qdisc", value: "pfifo_fast", also: "pfifo|fq_codel|noqueue|fq"}, // the TUN device's is another
	}
	for name, value := range map[string]string{
		"net.ipv4.ip_no_pmtu_disc": "0", "net.ipv4.ip_nonlocal_bind": "0", "net.ipv4.ip_unprivileged_port_start": "1024",
		"net.ipv4.ip_forward_use_pmtu": "0", "net.ipv4.fwmark_reflect": "0", "net.ipv4.route.min_pmtu": "552", "net.ipv4.route.mtu_expires": "600",
		"net.ipv4.route.min_adv_mss": "256", "net.ipv4.conf.all.rp_filter": "0", "net.ipv4.conf.default.rp_filter": "0", "net.ipv4.conf.tun0.rp_filter": "0",
		"net.ipv4.conf.all.forwarding": "0", "net.ipv6.conf.all.forwarding": "0", "net.ipv6.conf.all.disable_ipv6": "0",
		"net.ipv6.conf.default.disable_ipv6": "0", "net.ipv6.conf.lo.disable_ipv6": "0", "net.ipv6.conf.tun0.disable_ipv6": "0",
		"net.ipv6.bindv6only": "0", "net.ipv6.flowlabel_consistency": "1", "net.ipv6.auto_flowlabels": "1", "net.ipv6.flowlabel_reflect": "0",
		"net.ipv6.flowlabel_state_ranges": "0", "net.ipv6.fwmark_reflect": "0", "net.core.somaxconn": "4096",
		"net.core.rmem_max": "212992", "net.core.wmem_max": "212992", "net.ipv4.ip_autobind_reuse": "0",
		"module.tcp_cubic.parameters.hystart": "1", "module.tcp_cubic.parameters.hystart_detect": "3", "module.tcp_cubic.parameters.hystart_low_window": "16",
		"module.tcp_cubic.parameters.hystart_ack_delta_us": "2000", "module.tcp_cubic.parameters.fast_convergence": "1", "module.tcp_cubic.parameters.beta": "717",
		"module.tcp_cubic.parameters.initial_ssthresh": "0", "module.tcp_cubic.parameters.bic_scale": "41", "module.tcp_cubic.parameters.tcp_friendliness": "1",
	} {
		list = append(list, setting{name: name, value: value})
	}
	for name, value := range map[string]string{
		"net.core.rmem_default": "212992", "net.core.wmem_default": "212992", "net.core.optmem_max": "131072", "net.core.netdev_max_backlog": "1000",
		"net.core.netdev_budget": "300", "net.core.netdev_budget_usecs": "8000", "net.core.dev_weight": "64", "net.core.busy_poll": "0",
		"net.core.busy_read": "0", "net.core.txrehash": "1", "net.core.tstamp_allow_data": "1", "net.core.netdev_tstamp_prequeue": "1",
		"net.core.high_order_alloc_disable": "0", "net.core.gro_normal_batch": "8", "net.core.rps_sock_flow_entries": "0",
		"net.core.skb_defer_max": "64", "net.core.max_skb_frags": "17", "net.core.message_cost": "5", "net.core.message_burst": "10",
		"net.ipv4.ip_early_demux": "1", "net.ipv4.udp_early_demux": "1", "net.ipv4.udp_mem": "87804 117076 175608", "net.ipv4.udp_rmem_min": "4096",
		"net.ipv4.udp_wmem_min": "4096", "net.ipv4.icmp_ratelimit": "1000", "net.ipv4.icmp_ratemask": "6168", "net.ipv4.icmp_msgs_per_sec": "10000",
		"net.ipv4.icmp_msgs_burst": "10000", "net.ipv4.ip_dynaddr": "0", "net.ipv4.route.flush": "0", "net.ipv6.route.flush": "0",
		"net.ipv4.ip_local_reserved_ports": "", "net.ipv4.conf.all.accept_local": "0", "net.ipv4.conf.all.log_martians": "0",
		"net.ipv4.conf.all.send_redirects": "1", "net.ipv4.conf.default.send_redirects": "1", "net.ipv4.conf.all.accept_redirects": "1",
		"net.ipv6.conf.all.accept_dad": "0", "net.ipv6.conf.default.accept_dad": "1", "net.ipv6.conf.tun0.accept_dad": "1",
		"net.ipv6.conf.all.accept_ra": "1", "net.ipv6.conf.default.accept_ra": "1", "net.ipv6.conf.tun0.accept_ra": "1",
		"net.ipv6.conf.default.router_solicitations": "-1", "net.ipv6.conf.all.router_solicitations": "-1", "net.ipv6.conf.tun0.router_solicitations": "-1",
		"net.ipv6.conf.default.optimistic_dad": "0", "net.ipv6.conf.all.optimistic_dad": "0", "net.ipv6.icmp.ratelimit": "1000",
		"net.ipv6.route.mtu_expires": "600", "net.ipv6.xfrm6_gc_thresh": "32768", "kernel.printk": "4 4 1 7",
	} {
		list = append(list, setting{name: name, value: value, hint: true})
	}
	return list
}

// settingValues are the settings of a stack in the making.
type settingValues struct {
	rows   map[string]setting
	values map[string]string // what is not as the table says
}

func (s *settingValues) init() {
	s.rows, s.values = map[string]setting{}, map[string]string{}
	for _, row := range settings() {
		s.rows[row.name] = row
	}
}

// get returns a setting as Linux shows it.
func (s *settingValues) get(name string) (string, error) {
	if v, ok := s.values[name]; ok {
		return v, nil
	}
	if row, ok := s.rows[name]; ok {
		return row.value, nil
	}
	return "", skipped("the setting " + name + " has no meaning here")
}

// set takes a setting. changed says that the stack has to follow.
func (s *settingValues) set(name, value string) (changed bool, err error) {
	row, ok := s.rows[name]
	if !ok && strings.HasPrefix(name, "net.ipv4.tcp_") { // of another Linux: scripts pass without it
		s.values[name] = value
		return false, nil
	}
	if !ok {
		return false, skipped("the setting " + name + " has no meaning here")
	}
	value = strings.Join(strings.Fields(value), "\t")
	if row.words != nil || row.hint {
		s.values[name] = value
		return row.words != nil, nil
	}
	list := strings.Fields(value)
	numbers, err := parseNumbers(list)
	if row.apply == nil {
		old, _ := parseNumbers(strings.Fields(row.value))
		same := strings.Join(strings.Fields(row.value), "\t") == value || err == nil && len(old) > 0 && fmt.Sprint(old) == fmt.Sprint(numbers)
		for other := range strings.SplitSeq(row.also, "|") {
			same = same || row.also != "" && other == value
		}
		if !same {
			return false, skipped("the setting " + name + " has no meaning here but as " + row.value)
		}
		s.values[name] = value
		return false, nil
	}
	if err != nil || len(numbers) == 0 || numbers[0] < 0 {
		return false, fmt.Errorf("%s: invalid argument", name)
	}
	if old := strings.Fields(row.value); len(numbers) < len(old) { // those that are not given stay
		have, _ := s.get(name)
		rest, _ := parseNumbers(strings.Fields(have))
		numbers = append(numbers, rest[len(numbers):]...)
	}
	var text []string
	for _, n := range numbers {
		text = append(text, strconv.FormatInt(n, 10))
	}
	s.values[name] = strings.Join(text, "\t")
	return true, nil
}

func parseNumbers(list []string) (numbers []int64, err error) {
	for _, v := range list {
		n, err := strconv.ParseInt(v, 0, 64)
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

// conf computes what all settings say together.
func (s *settingValues) conf() (c oursConf) {
	for name, row := range s.rows {
		value, ok := s.values[name]
		if !ok && name != "net.ipv4.tcp_mtu_probing" { // which alone is not as Linux has it by default
			continue
		}
		if !ok {
			value = row.value
		}
		switch {
		case row.words != nil:
			row.words(&c, value)
		case row.apply != nil:
			numbers, err := parseNumbers(strings.Fields(value))
			if err == nil && len(numbers) > 0 {
				row.apply(&c, numbers)
			}
		}
	}
	return c
}
