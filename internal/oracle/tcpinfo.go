package oracle

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// infoField is a member of struct tcp_info: its place, and whether it is a time or a rate, of which the log says
// only whether there is one: clocks differ.
type infoField struct {
	name     string
	at, size int
	measured bool
}

// infoFields are all members, in the order of Linux 6.18.
var infoFields = []infoField{
	{"state", 0, 1, false}, {"ca_state", 1, 1, false}, {"retransmits", 2, 1, false}, {"probes", 3, 1, false}, {"backoff", 4, 1, false},
	{"options", 5, 1, false}, {"wscales", 6, 1, false}, {"app_limited", 7, 1, false}, {"rto", 8, 4, true}, {"ato", 12, 4, true},
	{"snd_mss", 16, 4, false}, {"rcv_mss", 20, 4, false}, {"unacked", 24, 4, false}, {"sacked", 28, 4, false}, {"lost", 32, 4, false},
	{"retrans", 36, 4, false}, {"fackets", 40, 4, false}, {"last_data_sent", 44, 4, true}, {"last_ack_sent", 48, 4, false},
	{"last_data_recv", 52, 4, true}, {"last_ack_recv", 56, 4, true}, {"pmtu", 60, 4, false}, {"rcv_ssthresh", 64, 4, false},
	{"rtt", 68, 4, true}, {"rttvar", 72, 4, true}, {"snd_ssthresh", 76, 4, false}, {"snd_cwnd", 80, 4, false}, {"advmss", 84, 4, false},
	{"reordering", 88, 4, false}, {"rcv_rtt", 92, 4, true}, {"rcv_space", 96, 4, false}, {"total_retrans", 100, 4, false},
	{"pacing_rate", 104, 8, true}, {"max_pacing_rate", 112, 8, false}, {"bytes_acked", 120, 8, false}, {"bytes_received", 128, 8, false},
	{"segs_out", 136, 4, false}, {"segs_in", 140, 4, false}, {"notsent_bytes", 144, 4, false}, {"min_rtt", 148, 4, true},
	{"data_segs_in", 152, 4, false}, {"data_segs_out", 156, 4, false}, {"delivery_rate", 160, 8, true}, {"busy_time", 168, 8, true},
	{"rwnd_limited", 176, 8, true}, {"sndbuf_limited", 184, 8, true}, {"delivered", 192, 4, false}, {"delivered_ce", 196, 4, false},
	{"bytes_sent", 200, 8, false}, {"bytes_retrans", 208, 8, false}, {"dsack_dups", 216, 4, false}, {"reord_seen", 220, 4, false},
	{"rcv_ooopack", 224, 4, false}, {"snd_wnd", 228, 4, false}, {"rcv_wnd", 232, 4, false}, {"rehash", 236, 4, false},
	{"total_rto", 240, 2, false}, {"total_rto_recoveries", 242, 2, false}, {"total_rto_time", 244, 4, true},
	{"received_ce", 248, 4, false}, {"delivered_e1_bytes", 252, 4, false}, {"delivered_e0_bytes", 256, 4, false},
	{"delivered_ce_bytes", 260, 4, false}, {"received_e1_bytes", 264, 4, false}, {"received_e0_bytes", 268, 4, false},
	{"received_ce_bytes", 272, 4, false}, {"accecn_fail_mode", 276, 2, false}, {"accecn_opt_seen", 278, 2, false},
}

// infoSize is the length of struct tcp_info.
const infoSize = 280

// Info is TCP_INFO: the named members, or all but those whose value depends on clocks and buffers.
func (r *Run) Info(fd int, names ...string) {
	b := make([]byte, infoSize)
	n, e := r.sockets.GetSockOpt(fd, 6, linux.TCP_INFO.Number(), b)
	if e != 0 {
		r.logf("TCP_INFO(%s) = %s", r.file(fd), errnoName(e))
		return
	}
	var s []string
	for _, f := range infoFields {
		if len(names) > 0 && !contains(names, f.name) || len(names) == 0 && machineDependent[f.name] {
			continue
		}
		v := uint64(0)
		switch f.size {
		case 1:
			v = uint64(b[f.at])
		case 2:
			v = uint64(binary.NativeEndian.Uint16(b[f.at:]))
		case 4:
			v = uint64(binary.NativeEndian.Uint32(b[f.at:]))
		case 8:
			v = binary.NativeEndian.Uint64(b[f.at:])
		}
		switch {
		case v == 0 && len(names) == 0:
			continue
		case f.measured && v > 0:
			s = append(s, f.name+" some")
		default:
			s = append(s, fmt.Sprintf("%s %d", f.name, v))
		}
	}
	r.logf("TCP_INFO(%s) [%d] %s", r.file(fd), n, strings.Join(s, ", "))
}

// machineDependent are members whose value, or whether they have one, depends on how fast the machine is and how
// its buffers are laid out.
var machineDependent = map[string]bool{
	"ato": true, "last_data_sent": true, "last_data_recv": true, "last_ack_recv": true, "rcv_rtt": true, "busy_time": true,
	"rwnd_limited": true, "sndbuf_limited": true, "delivery_rate": true, "min_rtt": true, "rtt": true, "rttvar": true,
	"rcv_ssthresh": true, "rcv_space": true, "rcv_mss": true, "rehash": true, "total_rto_time": true,
	"snd_mss": true, "snd_wnd": true, "rcv_wnd": true, "pacing_rate": true, "app_limited": true,
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
