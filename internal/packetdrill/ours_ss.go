package packetdrill

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// socketStates are the states of TCP by their numbers in /proc/net/tcp, as ss(8) writes them, and as its filters do.
var socketStates = []struct{ shown, filter string }{
	1: {"ESTAB", "established"}, 2: {"SYN-SENT", "syn-sent"}, 3: {"SYN-RECV", "syn-recv"}, 4: {"FIN-WAIT-1", "fin-wait-1"},
	5: {"FIN-WAIT-2", "fin-wait-2"}, 6: {"TIME-WAIT", "time-wait"}, 7: {"UNCONN", "closed"}, 8: {"CLOSE-WAIT", "close-wait"},
	9: {"LAST-ACK", "last-ack"}, 10: {"LISTEN", "listening"}, 11: {"CLOSING", "closing"},
}

// ss is ss(8) for TCP, with -t, -n, -a, -l, -i, -m, -o, -e, -p and -H, "state NAME", and "sport" and "dport" with "=".
func (o *Ours) ss(_ *shell, args []string, _ string, out *strings.Builder) int {
	var flags string
	var words []string
	for _, a := range args[1:] {
		if strings.HasPrefix(a, "-") {
			flags += strings.TrimPrefix(a, "-")
		} else {
			words = append(words, strings.Fields(a)...)
		}
	}
	if strings.Trim(flags, "tnalimoepH46O") != "" {
		panic(skipped(strings.Join(args, " ") + " has no meaning here"))
	}
	state, ports := "", map[string]uint16{}
	for i := 0; i < len(words); i++ {
		switch w := words[i]; {
		case w == "state" && i+1 < len(words):
			i++
			state = words[i]
		case (w == "sport" || w == "dport") && i+2 < len(words) && strings.Contains("== eq", words[i+1]):
			i += 2
			ports[w], _ = port(strings.TrimPrefix(words[i], ":"))
		case w == "(" || w == ")" || w == "and":
		default:
			panic(skipped(strings.Join(args, " ") + " has no meaning here"))
		}
	}
	o.build()
	if !strings.Contains(flags, "H") {
		out.WriteString("State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n")
	}
	for _, file := range []string{"tcp", "tcp6"} {
		b, _ := o.sockets.ProcNet(file)
		for _, line := range linesOf(string(b))[1:] {
			o.ssLine(strings.Fields(line), flags, state, ports, out)
		}
	}
	return 0
}

// ssLine shows a socket of which /proc/net/tcp says f, if it is asked for.
func (o *Ours) ssLine(f []string, flags, state string, ports map[string]uint16, out *strings.Builder) {
	if len(f) < 5 {
		return
	}
	local, remote := procAddress(f[1]), procAddress(f[2])
	number, _ := strconv.ParseUint(f[3], 16, 8)
	if number == 0 || int(number) >= len(socketStates) {
		return
	}
	s := socketStates[number]
	listens := s.filter == "listening"
	switch {
	case state != "" && state != s.filter && !(state == "connected" && !listens), state == "" && strings.Contains(flags, "l") != listens && !strings.Contains(flags, "a"):
		return
	case ports["sport"] != 0 && ports["sport"] != local.Port(), ports["dport"] != 0 && ports["dport"] != remote.Port():
		return
	}
	sent, received, _ := strings.Cut(f[4], ":")
	tx, _ := strconv.ParseUint(sent, 16, 32)
	rx, _ := strconv.ParseUint(received, 16, 32)
	if state == "" {
		out.WriteString(s.shown + " ")
	}
	fmt.Fprintf(out, "%d %d %v %v\n", rx, tx, local, remote)
	if !strings.ContainsAny(flags, "im") {
		return
	}
	for _, fd := range o.descriptors() {
		name, errno := o.GetSockName(fd)
		peer, peerErrno := o.GetPeerName(fd)
		if errno == 0 && sockAddress(name) == local && (listens || peerErrno == 0 && sockAddress(peer) == remote) {
			out.WriteString("\t" + o.ssDetails(fd, flags) + "\n")
			return
		}
	}
}

// descriptors are those of the script's sockets, in order.
func (o *Ours) descriptors() (list []int) {
	for fd, f := range o.files {
		if f.socket != nil {
			list = append(list, fd)
		}
	}
	slices.Sort(list)
	return list
}

// ssFields are values of TCP_INFO as ss writes them: a name with % for the value, in units of scale.
var ssFields = []struct {
	text, field string
	scale       float64
	always      bool
}{
	{"mss:%", "snd_mss", 1, true}, {"pmtu:%", "pmtu", 1, true}, {"rcvmss:%", "rcv_mss", 1, true}, {"advmss:%", "advmss", 1, true}, {"cwnd:%", "snd_cwnd", 1, true},
	{"bytes_sent:%", "bytes_sent", 1, false}, {"bytes_retrans:%", "bytes_retrans", 1, false}, {"bytes_acked:%", "bytes_acked", 1, false},
	{"bytes_received:%", "bytes_received", 1, false}, {"segs_out:%", "segs_out", 1, false}, {"segs_in:%", "segs_in", 1, false},
	{"data_segs_out:%", "data_segs_out", 1, false}, {"data_segs_in:%", "data_segs_in", 1, false}, {"lastsnd:%", "last_data_sent", 1, false},
	{"lastrcv:%", "last_data_recv", 1, false}, {"lastack:%", "last_ack_recv", 1, false}, {"pacing_rate %bps", "pacing_rate", 1. / 8, false},
	{"delivery_rate %bps", "delivery_rate", 1. / 8, false}, {"delivered:%", "delivered", 1, false}, {"busy:%ms", "busy_time", 1000, false},
	{"unacked:%", "unacked", 1, false}, {"lost:%", "lost", 1, false}, {"sacked:%", "sacked", 1, false}, {"dsack_dups:%", "dsack_dups", 1, false},
	{"reord_seen:%", "reord_seen", 1, false}, {"rcv_rtt:%", "rcv_rtt", 1000, false}, {"rcv_space:%", "rcv_space", 1, false}, {"rcv_ssthresh:%", "rcv_ssthresh", 1, false},
	{"notsent:%", "notsent_bytes", 1, false}, {"minrtt:%", "min_rtt", 1000, false}, {"snd_wnd:%", "snd_wnd", 1, false},
}

// ssDetails is the second line of a socket.
func (o *Ours) ssDetails(fd int, flags string) string {
	var list []string
	b := make([]byte, 512)
	if strings.Contains(flags, "m") {
		n, _ := o.GetSockOpt(fd, 1, int(symbols["SO_MEMINFO"]), b)
		var v [9]any
		for i := range v {
			v[i] = 0
			if 4*i+4 <= n {
				v[i] = binary.NativeEndian.Uint32(b[4*i:])
			}
		}
		list = append(list, fmt.Sprintf("skmem:(r%d,rb%d,t%d,tb%d,f%d,w%d,o%d,bl%d,d%d)", v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8]))
	}
	if !strings.Contains(flags, "i") {
		return strings.Join(list, " ")
	}
	n, _ := o.GetSockOpt(fd, 6, int(symbols["TCP_CONGESTION"]), b[:16])
	congestion := strings.TrimRight(string(b[:n]), "\x00")
	n, _ = o.GetSockOpt(fd, 6, int(symbols["TCP_INFO"]), b)
	info := b[:n]
	get := func(name string) float64 { v, _ := tcpInfoField(info, "tcpi_"+name); return float64(v) }
	for i, name := range []string{"ts", "sack", "", "ecn", "ecnseen"} {
		if int(get("options"))>>i&1 != 0 && name != "" {
			list = append(list, name)
		}
	}
	list = append(list, congestion)
	if int(get("options"))&4 != 0 {
		list = append(list, fmt.Sprintf("wscale:%v,%v", get("snd_wscale"), get("rcv_wscale")))
	}
	list = append(list, "rto:"+shortest(get("rto")/1000))
	if get("backoff") > 0 {
		list = append(list, "backoff:"+shortest(get("backoff")))
	}
	list = append(list, fmt.Sprintf("rtt:%s/%s", shortest(get("rtt")/1000), shortest(get("rttvar")/1000)))
	if get("ato") > 0 {
		list = append(list, "ato:"+shortest(get("ato")/1000))
	}
	for _, f := range ssFields {
		if v := get(f.field); v != 0 || f.always {
			list = append(list, strings.Replace(f.text, "%", shortest(v/f.scale), 1))
		}
		if f.field == "snd_cwnd" && get("snd_ssthresh") < 0xffff {
			list = append(list, "ssthresh:"+shortest(get("snd_ssthresh")))
		}
		if f.field == "unacked" && get("retrans")+get("total_retrans") > 0 {
			list = append(list, fmt.Sprintf("retrans:%v/%v", get("retrans"), get("total_retrans")))
		}
	}
	return strings.Join(list, " ")
}

// shortest writes a number with three places behind the point at most, and none that are not needed.
func shortest(v float64) string {
	s := strconv.FormatFloat(v, 'f', 3, 64)
	return strings.TrimRight(strings.TrimRight(s, "0"), ".")
}

// procAddress reads an address of /proc/net/tcp: words of 32 bits in the machine's order, and the port.
func procAddress(s string) (a netip.AddrPort) {
	host, p, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	number, portErr := strconv.ParseUint(p, 16, 16)
	if err != nil || portErr != nil || len(b)%4 != 0 {
		return a
	}
	for i := 0; i < len(b); i += 4 {
		binary.BigEndian.PutUint32(b[i:], binary.NativeEndian.Uint32(b[i:]))
	}
	addr, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(addr.Unmap(), uint16(number))
}

// sockAddress reads a struct sockaddr of IP.
func sockAddress(b []byte) (a netip.AddrPort) {
	switch {
	case len(b) >= 8 && b[0] == afINET:
		a = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), binary.BigEndian.Uint16(b[2:]))
	case len(b) >= 24 && b[0] == afINET6:
		a = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])).Unmap(), binary.BigEndian.Uint16(b[2:]))
	}
	return a
}
