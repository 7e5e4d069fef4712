package oracle

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed963a8790/netstack/tcpip"
)

// effects names for each option a scenario that shows what it does, or that shows that there is nothing to it but
// what is told; several where one name stands for options of several levels. TestOptionsAreProven in tcpip/adapters/linux wants one for every option but hints and what is refused.
var effects = map[string]string{
	"ICMP6_FILTER":              "raw/icmp/filter/request/raw-icmp6",
	"ICMP_FILTER":               "raw/icmp/filter/request/raw-icmp4",
	"IPV6_2292DSTOPTS":          "ip6/arrive/dst/old",
	"IPV6_2292HOPLIMIT":         "ip6/control/8/plain",
	"IPV6_2292HOPOPTS":          "ip6/arrive/hop/old",
	"IPV6_2292PKTINFO":          "ip6/control/2/plain",
	"IPV6_2292PKTOPTIONS":       "ip6/ext/pktoptions/udp6 streaminfo/t0/tcp6",
	"IPV6_2292RTHDR":            "ip6/arrive/rt253-done/old",
	"IPV6_ADDRFORM":             "ip6/addrform/mapped",
	"IPV6_ADDR_PREFERENCES":     "router/temporary",
	"IPV6_AUTOFLOWLABEL":        "ip6/flow/auto",
	"IPV6_CHECKSUM (SOL_RAW)":   "raw/checksum/values/raw6",
	"IPV6_HDRINCL (SOL_RAW)":    "found/header-by-raw-level/raw6",
	"IPV6_CHECKSUM":             "raw/checksum/send2/raw6",
	"IPV6_DONTFRAG":             "wire/41-62-1/udp6",
	"IPV6_DSTOPTS":              "ip6/ext/all/udp6",
	"IPV6_FLOWINFO":             "ip6/control/11/plain",
	"IPV6_FLOWINFO_SEND":        "ip6/flow/choose",
	"IPV6_FLOWLABEL_MGR":        "ip6/flow/create",
	"IPV6_FREEBIND":             "ip6/freebind/41-78/udp6",
	"IPV6_HDRINCL":              "raw/header6/good/raw6",
	"IPV6_HOPOPTS":              "ip6/ext/set/54/pad/udp6",
	"IPV6_JOIN_ANYCAST":         "ip6/anycast/udp6",
	"IPV6_JOIN_GROUP":           "multicast/delivery/bound/new6/udp6",
	"IPV6_LEAVE_ANYCAST":        "ip6/anycast/udp6",
	"IPV6_LEAVE_GROUP":          "multicast/delivery/none/new6/udp6",
	"IPV6_MINHOPCOUNT":          "tcpeffect/MINTTL/tcp6",
	"IPV6_MTU":                  "ip6/mtu/1400/udp6",
	"IPV6_MTU_DISCOVER":         "pmtu/mode2/connected-true/recverr0/udp6",
	"IPV6_MULTICAST_ALL":        "multicast/delivery/all/new6/udp6",
	"IPV6_MULTICAST_HOPS":       "wire/41-18-9/udp6 streaminfo/t0/tcp6",
	"IPV6_MULTICAST_IF":         "wire/41-17-2/udp6",
	"IPV6_MULTICAST_LOOP":       "multicast/delivery/loop/new6/udp6",
	"IPV6_PATHMTU":              "ip6/path-mtu/udp6",
	"IPV6_PKTINFO":              "ip6/pktinfo/sticky/fd77::2/udp6",
	"IPV6_RECVDSTOPTS":          "ip6/arrive/dst/new",
	"IPV6_RECVERR":              "datagram/error-queue/udp6",
	"IPV6_RECVERR_RFC4884":      "socket/errors/extensions/udp6",
	"IPV6_RECVFRAGSIZE":         "ip6/control/77/plain",
	"IPV6_RECVHOPLIMIT":         "datagram/control/41-51/udp6",
	"IPV6_RECVHOPOPTS":          "ip6/arrive/hop/new",
	"IPV6_RECVORIGDSTADDR":      "ip6/control/74/plain",
	"IPV6_RECVPATHMTU":          "ip6/path-mtu/udp6",
	"IPV6_RECVPKTINFO":          "datagram/control/41-49/udp6",
	"IPV6_RECVRTHDR":            "ip6/arrive/rt253-done/new",
	"IPV6_RECVTCLASS":           "datagram/control/41-66/udp6",
	"IPV6_ROUTER_ALERT":         "ip6/router-alert/arrive/0",
	"IPV6_RTHDR":                "ip6/ext/all/udp6",
	"IPV6_RTHDRDSTOPTS":         "ip6/ext/set/55/pad/udp6",
	"IPV6_TCLASS":               "wire/41-67-72/udp6",
	"IPV6_TRANSPARENT":          "ip6/freebind/41-75/udp6",
	"IPV6_UNICAST_HOPS":         "wire/41-16-7/udp6",
	"IPV6_UNICAST_IF":           "ip6/unicast-if/fd77::2/udp6",
	"IPV6_V6ONLY":               "stream/dual/only1/::/::ffff:127.0.0.1",
	"IP_ADD_MEMBERSHIP":         "multicast/delivery/bound/old4/udp4",
	"IP_ADD_SOURCE_MEMBERSHIP":  "multicast/delivery/two/old4/udp4",
	"IP_BIND_ADDRESS_NO_PORT":   "ip/no-port/udp4",
	"IP_BLOCK_SOURCE":           "multicast/delivery/all/old4/udp4",
	"IP_CHECKSUM":               "ip/control/23/plain/udp4",
	"IP_DROP_MEMBERSHIP":        "multicast/delivery/none/old4/udp4",
	"IP_DROP_SOURCE_MEMBERSHIP": "multicast/delivery/filters/old4/udp4",
	"IP_FREEBIND":               "wire/0-15-1/udp4",
	"IP_HDRINCL":                "raw/header4-sizes/raw4",
	"IP_LOCAL_PORT_RANGE":       "ip/port-range/4000-4001/udp4",
	"IP_MINTTL":                 "tcpeffect/MINTTL/tcp4",
	"IP_MSFILTER":               "multicast/delivery/filters/old4/udp4",
	"IP_MTU":                    "pmtu/mode2/connected-true/recverr0/udp4",
	"IP_MTU_DISCOVER":           "pmtu/mode2/connected-true/recverr0/udp4",
	"IP_MULTICAST_ALL":          "multicast/delivery/all/old4/udp4",
	"IP_MULTICAST_IF":           "wire/0-32-0/udp4",
	"IP_MULTICAST_LOOP":         "multicast/delivery/loop/old4/udp4",
	"IP_MULTICAST_TTL":          "wire/0-33-9/udp4",
	"IP_NODEFRAG":               "option/IP_NODEFRAG/udp4/values",
	"IP_OPTIONS":                "ip/options/set/nop/udp4",
	"IP_PASSSEC":                "ip/control/18/plain/udp4",
	"IP_PKTINFO":                "ip/pktinfo/arrive-2/10.77.0.1/udp4",
	"IP_PKTOPTIONS":             "streaminfo/t0/tcp4",
	"IP_PROTOCOL":               "ip/protocol/udp4",
	"IP_RECVERR":                "datagram/error-queue/udp4",
	"IP_RECVERR_RFC4884":        "socket/errors/extensions/udp4",
	"IP_RECVFRAGSIZE":           "ip/control/25/plain/udp4",
	"IP_RECVOPTS":               "ip/options/arrive/rr",
	"IP_RECVORIGDSTADDR":        "ip/control/20/plain/udp4",
	"IP_RECVTOS":                "datagram/control/0-13/udp4",
	"IP_RECVTTL":                "datagram/control/0-12/udp4",
	"IP_RETOPTS":                "ip/options/arrive/rr",
	"IP_ROUTER_ALERT":           "ip/router-alert/arrive option/IP_ROUTER_ALERT/udp4/values",
	"IP_TOS":                    "wire/0-1-72/udp4",
	"IP_TRANSPARENT":            "wire/0-19-1/udp4",
	"IP_TTL":                    "wire/0-2-7/udp4",
	"IP_UNBLOCK_SOURCE":         "multicast/delivery/loop/old4/udp4",
	"IP_UNICAST_IF":             "ip/unicast-if/10.77.0.2/udp4",
	"MCAST_BLOCK_SOURCE":        "multicast/delivery/all/new4/udp4 multicast/delivery/all/new6/udp6",
	"MCAST_JOIN_GROUP":          "multicast/delivery/bound/new4/udp4 multicast/odd/families/udp6",
	"MCAST_JOIN_SOURCE_GROUP":   "multicast/delivery/two/new4/udp4 multicast/delivery/two/new6/udp6",
	"MCAST_LEAVE_GROUP":         "multicast/delivery/none/new4/udp4 multicast/odd/families/udp6",
	"MCAST_LEAVE_SOURCE_GROUP":  "multicast/delivery/filters/new4/udp4 multicast/delivery/filters/new6/udp6",
	"MCAST_MSFILTER":            "multicast/delivery/filters/new4/udp4 multicast/delivery/filters/new6/udp6",
	"MCAST_UNBLOCK_SOURCE":      "multicast/delivery/loop/new4/udp4 multicast/delivery/loop/new6/udp6",
	"PACKET_ADD_MEMBERSHIP":     "packet/membership/packet-raw",
	"PACKET_AUXDATA":            "packet/auxdata/packet-raw",
	"PACKET_COPY_THRESH":        "packet/ring/cut/0/packet-raw",
	"PACKET_DROP_MEMBERSHIP":    "packet/membership/packet-raw",
	"PACKET_FANOUT":             "packet/fanout/round-robin/packet-raw",
	"PACKET_FANOUT_DATA":        "packet/fanout/program/packet-raw",
	"PACKET_HDRLEN":             "packet/ring/hdrlen/0/packet-raw",
	"PACKET_IGNORE_OUTGOING":    "packet/ignore-outgoing/packet-raw",
	"PACKET_LOSS":               "packet/ring/shape/5/0/packet-raw",
	"PACKET_ORIGDEV":            "packet/option/9/values/packet-raw",
	"PACKET_QDISC_BYPASS":       "packet/option/20/values/packet-raw",
	"PACKET_RESERVE":            "packet/libpcap/packet-raw",
	"PACKET_ROLLOVER_STATS":     "packet/fanout/join/0x1000/packet-raw",
	"PACKET_RX_RING":            "packet/ring/receive/0/packet-raw",
	"PACKET_STATISTICS":         "packet/statistics/packet-raw",
	"PACKET_TIMESTAMP":          "packet/option/17/values/packet-raw",
	"PACKET_TX_HAS_OFF":         "packet/ring/shape/5/0/packet-raw",
	"PACKET_TX_RING":            "packet/ring/send/0/packet-raw",
	"PACKET_VERSION":            "packet/ring/send/1/packet-raw",
	"PACKET_VNET_HDR":           "packet/vnet/packet-raw",
	"PACKET_VNET_HDR_SZ":        "packet/vnet/packet-raw",
	"SO_ACCEPTCONN":             "state/listening/look/tcp4",
	"SO_ATTACH_BPF":             "bpf/calls/udp4",
	"SO_ATTACH_FILTER":          "bpf/run/len/udp4",
	"SO_ATTACH_REUSEPORT_CBPF":  "bpf/reuseport/chooses/udp4",
	"SO_ATTACH_REUSEPORT_EBPF":  "bpf/calls/udp4",
	"SO_BINDTODEVICE":           "datagram/device/udp4",
	"SO_BINDTOIFINDEX":          "found/arrival/host/bound2/tcp4",
	"SO_BPF_EXTENSIONS":         "socket/option/SO_BPF_EXTENSIONS/tcp4",
	"SO_BROADCAST":              "wire/1-6-1/udp4",
	"SO_COOKIE":                 "socket/cookie/udp4",
	"SO_DETACH_FILTER":          "bpf/calls/udp4",
	"SO_DETACH_REUSEPORT_BPF":   "bpf/reuseport/calls/udp4",
	"SO_DOMAIN":                 "state/new/look/tcp4",
	"SO_DONTROUTE":              "ip/dontroute/10.77.0.2/udp4",
	"SO_ERROR":                  "datagram/refused/udp4",
	"SO_KEEPALIVE":              "tcpeffect/KEEPALIVE/tcp4",
	"SO_INCOMING_CPU":           "streaminfo/processor/tcp4",
	"SO_LINGER":                 "tcp/close/idle/linger0/ack-fin/tcp4",
	"SO_LOCK_FILTER":            "bpf/calls/udp4",
	"SO_MARK":                   "socket/tag/options/udp4",
	"SO_MAX_PACING_RATE":        "tcpopt/MAX_PACING_RATE/data/tcp4",
	"SO_MEMINFO":                "socket/queue/meminfo/udp4",
	"SO_NETNS_COOKIE":           "socket/cookie/udp4",
	"SO_NO_CHECK":               "udp/checksum/send/udp4",
	"SO_OOBINLINE":              "stream/urgent-inline/tcp4",
	"SO_PEEK_OFF":               "tcp/flags/peek-off/2/tcp4",
	"SO_PEERNAME":               "state/connected/look/tcp4",
	"SO_PRIORITY":               "socket/tag/options/udp4",
	"SO_PROTOCOL":               "state/new/look/tcp4",
	"SO_RCVBUF":                 "tcp/option/after-connect/rcvbuf/tcp4",
	"SO_RCVBUFFORCE":            "tcptiming/receive-buffer/RCVBUFFORCE/udp4",
	"SO_RCVLOWAT":               "stream/low-water/tcp4",
	"SO_RCVMARK":                "socket/tag/wire/udp4",
	"SO_RCVPRIORITY":            "socket/tag/wire/udp4",
	"SO_RCVTIMEO":               "stream/inherit/tcp4",
	"SO_RCVTIMEO_NEW":           "socket/option/SO_RCVTIMEO_NEW/tcp4",
	"SO_RESERVE_MEM":            "socket/option/SO_RESERVE_MEM/tcp4",
	"SO_REUSEADDR":              "datagram/in-use/udp4",
	"SO_REUSEPORT":              "bpf/reuseport/chooses/udp4",
	"SO_RXQ_OVFL":               "socket/queue/overflow/udp4",
	"SO_SNDBUF":                 "raw/send/sndbuf/raw4",
	"SO_SNDBUFFORCE":            "tcptiming/SNDBUFFORCE/tcp4",
	"SO_SNDLOWAT":               "socket/option/SO_SNDLOWAT/tcp4",
	"SO_SNDTIMEO":               "packet/option/SO_SNDTIMEO/values/packet-raw",
	"SO_SNDTIMEO_NEW":           "socket/option/SO_SNDTIMEO_NEW/tcp4",
	"SO_TIMESTAMP":              "tcpstamp/received/timestamp/tcp4",
	"SO_TIMESTAMPING":           "tcpstamp/sent/0x892/tcp4",
	"SO_TIMESTAMPING_NEW":       "socket/stamp/room/65/udp4",
	"SO_TIMESTAMPNS":            "tcpstamp/received/timestampns/tcp4",
	"SO_TIMESTAMPNS_NEW":        "socket/stamp/room/64/udp4",
	"SO_TIMESTAMP_NEW":          "socket/stamp/room/63/udp4",
	"SO_TYPE":                   "state/new/look/tcp4",
	"SO_ZEROCOPY":               "zerocopy/send/tcp4",
	"TCP_CC_INFO":               "tcpopt/effect/CC_INFO/tcp4",
	"TCP_CONGESTION":            "tcpopt/effect/CC_INFO/tcp4",
	"TCP_CORK":                  "tcpeffect/CORK/tcp4",
	"TCP_DEFER_ACCEPT":          "tcpeffect/DEFER_ACCEPT/tcp4",
	"TCP_DELACK_MAX_US":         "tcptiming/delayed/DELACK_MAX_US/tcp4",
	"TCP_FASTOPEN":              "tcpopt/FASTOPEN/listening/tcp4",
	"TCP_FASTOPEN_CONNECT":      "fastopen/connect/tcp4",
	"TCP_FASTOPEN_KEY":          "fastopen/key/tcp4",
	"TCP_FASTOPEN_NO_COOKIE":    "fastopen/nocookie/tcp4",
	"TCP_INFO":                  "tcpeffect/INFO-loss/tcp4",
	"TCP_INQ":                   "tcpopt/effect/INQ/tcp4",
	"TCP_IS_MPTCP":              "tcpopt/IS_MPTCP/connected/tcp4",
	"TCP_KEEPCNT":               "tcpeffect/KEEPALIVE/tcp4",
	"TCP_KEEPIDLE":              "tcpeffect/KEEPALIVE/tcp4",
	"TCP_KEEPINTVL":             "tcpeffect/KEEPALIVE/tcp4",
	"TCP_LINGER2":               "tcp/close/linger2-negative/tcp4",
	"TCP_MAXSEG":                "tcpeffect/MAXSEG/tcp4",
	"TCP_MD5SIG":                "md5/pair/both/tcp4",
	"TCP_MD5SIG_EXT":            "md5/pair/prefix/tcp4",
	"TCP_NODELAY":               "tcpeffect/NODELAY/tcp4",
	"TCP_NOTSENT_LOWAT":         "tcpeffect/NOTSENT_LOWAT/tcp4",
	"TCP_QUEUE_SEQ":             "tcpopt/QUEUE_SEQ/connected/tcp4",
	"TCP_QUICKACK":              "tcptiming/QUICKACK/tcp4",
	"TCP_REPAIR":                "tcpopt/REPAIR/connected/tcp4",
	"TCP_REPAIR_OPTIONS":        "tcpopt/REPAIR_OPTIONS/connected/tcp4",
	"TCP_REPAIR_QUEUE":          "tcpopt/REPAIR_QUEUE/connected/tcp4",
	"TCP_REPAIR_WINDOW":         "tcpopt/REPAIR_WINDOW/connected/tcp4",
	"TCP_RTO_MAX_MS":            "timers/RTO_MAX_MS/tcp4",
	"TCP_RTO_MIN_US":            "tcptiming/timeout/RTO_MIN_US/tcp4",
	"TCP_SAVED_SYN":             "tcpopt/effect/SAVED_SYN/tcp4",
	"TCP_SAVE_SYN":              "tcpopt/effect/SAVED_SYN/tcp4",
	"TCP_SYNCNT":                "timers/SYNCNT/2/tcp4",
	"TCP_THIN_LINEAR_TIMEOUTS":  "timers/THIN_LINEAR_TIMEOUTS/tcp4",
	"TCP_TIMESTAMP":             "timers/TIMESTAMP/tcp4",
	"TCP_ULP":                   "tcpopt/effect/ULP/tcp4",
	"TCP_USER_TIMEOUT":          "tcpeffect/USER_TIMEOUT/tcp4",
	"TCP_WINDOW_CLAMP":          "tcpeffect/WINDOW_CLAMP/tcp4",
	"UDP_CORK":                  "udp/cork/option/udp4",
	"UDP_ENCAP":                 "socket/option/UDP_ENCAP/udp4",
	"UDP_GRO":                   "udp/gro/whole/udp4",
	"UDP_NO_CHECK6_RX":          "udp/checksum/receive/udp6",
	"UDP_NO_CHECK6_TX":          "udp/checksum/send/udp6",
	"UDP_SEGMENT":               "udp/segment/wire/udp4",
}

// Index finds scenarios for options. It is not safe for concurrent use.
type Index struct {
	scenarios map[string]Scenario
	asks      map[string]string   // the first scenario with an option's name in its own
	logs      map[string][]string // ours
}

// NewIndex returns an index of all scenarios.
func NewIndex() *Index {
	x := &Index{map[string]Scenario{}, map[string]string{}, map[string][]string{}}
	for _, s := range Scenarios() {
		x.scenarios[s.Name] = s
		parts := strings.Split(s.Name, "/")
		for _, p := range parts[1:] {
			if parts[0] == "tcpopt" {
				p = "TCP_" + p
			}
			if x.asks[p] == "" {
				x.asks[p] = s.Name
			}
		}
	}
	return x
}

// Asks returns a scenario that asks for an option's default, values or lengths, "" if there is none.
func (x *Index) Asks(option string) string { return x.asks[option] }

// Shows returns a scenario that shows an option's effect. The error says what is wrong with the proof.
func (x *Index) Shows(id tcpip.OptionID, option string) (string, error) {
	if effects[option] == "" {
		return "", errors.New("no scenario is named that shows its effect: do so in internal/oracle/effects.go")
	}
	for name := range strings.FieldsSeq(effects[option]) {
		used, err := x.uses(name, id, option)
		if err != nil || used {
			return name, err
		}
	}
	return "", fmt.Errorf("%s has nothing to do with it", effects[option])
}

// uses reports whether a scenario sets or asks for an option.
func (x *Index) uses(scenario string, id tcpip.OptionID, option string) (bool, error) {
	s, ok := x.scenarios[scenario]
	if !ok {
		return false, fmt.Errorf("there is no scenario %s", scenario)
	}
	log, ok := x.logs[scenario]
	if !ok {
		var failed error
		o, err := newOurs(func(err error) { failed = errors.Join(failed, err) })
		if err != nil {
			return false, err
		}
		if log = Perform(s, o); failed != nil {
			return false, failed
		}
		x.logs[scenario] = log
	}
	return slices.ContainsFunc(log, func(line string) bool { return speaksOf(line, id, option) }), nil
}

// speaksOf reports whether a line of a log is a call with an option.
func speaksOf(line string, id tcpip.OptionID, option string) bool {
	call, number := fmt.Sprintf(", %d, %d, ", id.Level(), id.Number()), id.Number()
	switch {
	case strings.Contains(line, "etsockopt("):
		return strings.Contains(line, call)
	case strings.HasPrefix(line, "attach("):
		return strings.Contains(line, fmt.Sprintf(", %d, ", number))
	case strings.HasPrefix(line, "flowlabel("):
		return option == "IPV6_FLOWLABEL_MGR"
	}
	return strings.HasPrefix(line, fmt.Sprintf("MD5 key %d ", number)) || strings.Contains(line, option)
}

// Deliberate returns the rows of the table of differences that are meant: the pattern of the scenarios' names, what is
// different, and why; and those that are not, which are gaps.
func Deliberate() (meant, gaps [][3]string) {
	for _, d := range differences {
		if why, ok := strings.CutPrefix(d.Why, "deliberate: "); ok {
			meant = append(meant, [3]string{d.Name, d.What, why})
		} else {
			gaps = append(gaps, [3]string{d.Name, d.What, strings.TrimPrefix(d.Why, "gap: ")})
		}
	}
	return meant, gaps
}
