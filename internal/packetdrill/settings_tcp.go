package packetdrill

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// flagOf, countOf and timeOf make apply from the field of an option. Linux takes numbers that make no sense; what is
// beyond low and high counts as that.
func flagOf(f func(c *oursConf) *tcpip.Opt[bool]) func(*oursConf, []int64) {
	return func(c *oursConf, v []int64) { *f(c) = tcpip.Set(v[0] != 0) }
}

func countOf(low, high int64, f func(c *oursConf) *tcpip.Opt[int]) func(*oursConf, []int64) {
	return func(c *oursConf, v []int64) { *f(c) = tcpip.Set(int(min(max(v[0], low), high))) }
}

func timeOf(unit, low, high time.Duration, f func(c *oursConf) *tcpip.Opt[time.Duration]) func(*oursConf, []int64) {
	return func(c *oursConf, v []int64) {
		n := min(v[0], int64(math.MaxInt64/unit)) // beyond it the product would not be a time
		*f(c) = tcpip.Set(min(max(time.Duration(n)*unit, low), high))
	}
}

const (
	aYear   = 365 * 24 * time.Hour
	aTable  = 1 << 24 // entries
	aBuffer = 1 << 30 // bytes
)

// tcpSettings are those of net.ipv4.tcp_ that change the stack.
func tcpSettings() []setting {
	type options = func(c *oursConf) *tcpip.Opt[bool]
	type counts = func(c *oursConf) *tcpip.Opt[int]
	type times = func(c *oursConf) *tcpip.Opt[time.Duration]
	flag := func(name, value string, of span, f options) setting {
		return setting{name: name, value: value, of: of, apply: flagOf(f)}
	}
	count := func(name, value string, of span, low, high int64, f counts) setting {
		return setting{name: name, value: value, of: of, apply: countOf(low, high, f)}
	}
	length := func(name, value string, of span, unit, low, high time.Duration, f times) setting {
		return setting{name: name, value: value, of: of, apply: timeOf(unit, low, high, f)}
	}
	list := []setting{
		{name: "timestamps", value: "1", of: octet, apply: func(c *oursConf, v []int64) {
			modes := []tcpip.TimestampMode{tcpip.TimestampsOff, tcpip.TimestampsOn, tcpip.TimestampsNoOffset}
			c.tcp.Timestamps = tcpip.Set(modes[min(v[0], 2)])
		}},
		flag("sack", "1", octet, func(c *oursConf) *tcpip.Opt[bool] { return &c.tcp.SACK }),
		flag("window_scaling", "1", octet, func(c *oursConf) *tcpip.Opt[bool] { return &c.tcp.Scaling }),
		{name: "ecn", value: "2", of: span{0, int64(tcp.ECNAccurateAccept)}, apply: func(c *oursConf, v []int64) { c.tcp.ECN = tcpip.Set(tcp.ECNMode(v[0])) }},
		{name: "ecn_fallback", value: "1", of: bit, apply: func(c *oursConf, v []int64) { c.tcp.ECNInsist = tcpip.Set(v[0] == 0) }},
		{name: "ecn_option", value: "2", of: span{0, 3}, apply: func(c *oursConf, v []int64) { c.tcp.ECNOption = tcpip.Set(tcp.ECNReports(v[0])) }},
		count("ecn_option_beacon", "3", span{0, 3}, 0, 3, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.ECNBeacon }),
		{name: "congestion_control", value: "cubic", check: knownCongestion, words: func(c *oursConf, v string) { c.tcp.Congestion = tcpip.Set(congestions[v]) }},
		{name: "rmem", value: "4096 131072 6291456", of: positive, apply: func(c *oursConf, v []int64) {
			first, most := bufferSizes(v)
			c.tcp.ReceiveBufferMin, c.tcp.ReceiveBuffer, c.tcp.ReceiveBufferMax = tcpip.Set(min(int(v[0]), aBuffer)), tcpip.Set(first), tcpip.Set(most)
		}},
		{name: "wmem", value: "4096 16384 4194304", of: positive, apply: func(c *oursConf, v []int64) {
			first, most := bufferSizes(v)
			c.tcp.SendBufferMin, c.tcp.SendBuffer, c.tcp.SendBufferMax = tcpip.Set(min(int(v[0]), aBuffer)), tcpip.Set(first), tcpip.Set(most)
		}},
		flag("dsack", "1", octet, func(c *oursConf) *tcpip.Opt[bool] { return &c.tcp.DSACK }),
		flag("rfc1337", "0", octet, func(c *oursConf) *tcpip.Opt[bool] { return &c.tcp.RFC1337 }),
		count("syn_linear_timeouts", "4", span{0, 127}, 0, 127, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.SynLinear }),
		count("syn_retries", "6", span{1, 127}, 1, 127, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.SynRetries }),
		count("synack_retries", "5", octet, 0, 255, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.SynAckRetries }),
		count("retries1", "3", octet, 0, 255, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.BlackHoleRetries }),
		count("retries2", "15", octet, 0, 255, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.Retries }),
		count("orphan_retries", "0", octet, 0, 255, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.OrphanRetries }),
		length("fin_timeout", "60", seconds, time.Second, 0, aYear, func(c *oursConf) *tcpip.Opt[time.Duration] { return &c.tcp.FinTimeout }),
		length("keepalive_time", "7200", seconds, time.Second, time.Millisecond, aYear, func(c *oursConf) *tcpip.Opt[time.Duration] { return &c.tcp.KeepIdle }),
		length("keepalive_intvl", "75", seconds, time.Second, time.Millisecond, aYear, func(c *oursConf) *tcpip.Opt[time.Duration] { return &c.tcp.KeepInterval }),
		count("keepalive_probes", "9", octet, 1, 127, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.KeepCount }),
		length("rto_min_us", "200000", positive, time.Microsecond, time.Millisecond, 2*time.Minute, func(c *oursConf) *tcpip.Opt[time.Duration] { return &c.tcp.RTOMin }),
		length("rto_max_ms", "120000", span{1000, 120000}, time.Millisecond, time.Second, 2*time.Minute, func(c *oursConf) *tcpip.Opt[time.Duration] { return &c.tcp.RTOMax }),
		{name: "notsent_lowat", value: "4294967295", of: unsigned, apply: func(c *oursConf, v []int64) {
			if v[0] > 0 && v[0] <= math.MaxInt32 {
				c.tcp.NotSentLow = tcpip.Set(int(v[0]))
			}
		}},
		flag("thin_linear_timeouts", "0", octet, func(c *oursConf) *tcpip.Opt[bool] { return &c.tcp.ThinLinear }),
		{name: "mtu_probing", value: "0", always: true, of: octet, apply: func(c *oursConf, v []int64) { c.tcp.MTUProbing = tcpip.Set(tcp.MTUProbing(min(v[0], 2))) }},
		count("base_mss", "1024", signed, 1, 65535, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.BaseMSS }),
		count("min_snd_mss", "48", span{48, 65535}, 48, 65535, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.MinMSS }),
		count("mtu_probe_floor", "48", span{48, 65535}, 48, 65535, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.ProbeFloor }),
		count("probe_threshold", "8", signed, 0, 65535, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.ProbeThreshold }),
		length("probe_interval", "600", span{0, 17179869}, time.Second, 0, aYear, func(c *oursConf) *tcpip.Opt[time.Duration] { return &c.tcp.ProbeInterval }),
		count("max_syn_backlog", "4096", signed, 1, aTable, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.SynBacklog }),
		{name: "syncookies", value: "1", of: octet, apply: func(c *oursConf, v []int64) { c.tcp.Cookies = tcpip.Set(tcp.CookieMode(min(v[0], 2))) }},
		{name: "fastopen", value: "1", of: signed, apply: func(c *oursConf, v []int64) { c.tcp.FastOpen = tcpip.Set(tcp.FastOpenMode(v[0])) }},
		{name: "fastopen_key", value: "00000000-00000000-00000000-00000000", check: func(v string) bool { _, ok := fastOpenKeys(v); return ok }, words: func(c *oursConf, v string) {
			k, _ := fastOpenKeys(v)
			c.tcp.FastOpenKeys = tcpip.Set(k)
		}},
		length("fastopen_blackhole_timeout_sec", "0", natural, time.Second, 0, aYear, func(c *oursConf) *tcpip.Opt[time.Duration] { return &c.tcp.FastOpenBlackhole }),
		flag("abort_on_overflow", "0", octet, func(c *oursConf) *tcpip.Opt[bool] { return &c.tcp.AbortOnOverflow }),
		count("max_tw_buckets", "65536", signed, 0, aTable, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.TimeWaitMax }),
		{name: "tw_reuse", value: "2", always: true, of: span{0, 2}, apply: func(c *oursConf, v []int64) { c.tcp.TimeWaitReuse = tcpip.Set(tcp.ReuseMode(v[0])) }},
		length("tw_reuse_delay", "1000", span{1, 60000}, time.Millisecond, time.Millisecond, time.Minute, func(c *oursConf) *tcpip.Opt[time.Duration] { return &c.tcp.TimeWaitReuseDelay }),
		count("max_orphans", "16384", signed, 0, aTable, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.OrphanMax }),
		count("recovery", "1", octet, 0, 7, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.Recovery }),
		count("early_retrans", "3", span{0, 4}, 0, 4, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.EarlyRetransmit }),
		{name: "reordering", value: "3", of: positive, under: "net.ipv4.tcp_max_reordering", apply: countOf(1, 1<<16, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.Reordering })},
		count("max_reordering", "300", positive, 1, 1<<16, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.MaxReordering }),
		flag("frto", "2", octet, func(c *oursConf) *tcpip.Opt[bool] { return &c.tcp.FRTO }),
		flag("slow_start_after_idle", "1", octet, func(c *oursConf) *tcpip.Opt[bool] { return &c.tcp.SlowStartAfterIdle }),
		count("comp_sack_nr", "44", octet, 0, 255, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.CompressSACK }),
		length("comp_sack_delay_ns", "1000000", wide, time.Nanosecond, 0, time.Second, func(c *oursConf) *tcpip.Opt[time.Duration] { return &c.tcp.SACKDelay }),
		count("min_tso_segs", "2", span{1, 255}, 1, 255, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.MinSegments }),
		count("tso_win_divisor", "3", octet, 0, 255, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.WinDivisor }),
		flag("retrans_collapse", "1", octet, func(c *oursConf) *tcpip.Opt[bool] { return &c.tcp.Collapse }),
		length("invalid_ratelimit", "500", natural, time.Millisecond, 0, aYear, func(c *oursConf) *tcpip.Opt[time.Duration] { return &c.tcp.InvalidInterval }),
		count("challenge_ack_limit", "2147483647", signed, 0, 1<<30, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.ChallengeRate }),
		flag("shrink_window", "0", bit, func(c *oursConf) *tcpip.Opt[bool] { return &c.tcp.ShrinkWindow }),
		flag("workaround_signed_windows", "0", octet, func(c *oursConf) *tcpip.Opt[bool] { return &c.tcp.SignedWindow }),
		flag("moderate_rcvbuf", "1", octet, func(c *oursConf) *tcpip.Opt[bool] { return &c.tcp.ModerateReceive }),
		flag("stdurg", "0", octet, func(c *oursConf) *tcpip.Opt[bool] { return &c.tcp.UrgentLast }),
		flag("reflect_tos", "0", bit, func(c *oursConf) *tcpip.Opt[bool] { return &c.tcp.ReflectTOS }),
		count("app_win", "31", span{0, 31}, 0, 31, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.AppWindow }),
		count("pingpong_thresh", "1", span{1, 255}, 1, 255, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.PingPong }),
		count("pacing_ss_ratio", "200", span{0, 1000}, 0, 1000, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.PaceSlowStart }),
		count("pacing_ca_ratio", "120", span{0, 1000}, 0, 1000, func(c *oursConf) *tcpip.Opt[int] { return &c.tcp.PaceAvoidance }),
		length("min_rtt_wlen", "300", span{0, 86400}, time.Second, 0, aYear, func(c *oursConf) *tcpip.Opt[time.Duration] { return &c.tcp.MinRTTWindow }),
	}
	for i := range list {
		list[i].name = "net.ipv4.tcp_" + list[i].name
	}
	return list
}

// bufferSizes are where tuning begins and ends: not below where it begins.
func bufferSizes(v []int64) (first, most int) {
	first = int(min(v[1], aBuffer))
	return first, max(first, int(min(v[2], aBuffer)))
}

// congestions are the algorithms by their names.
var congestions = map[string]tcp.Congestion{"cubic": tcp.Cubic, "reno": tcp.Reno, "bbr": tcp.BBR, "dctcp": tcp.DCTCP}

func knownCongestion(v string) bool { _, ok := congestions[v]; return ok }

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
