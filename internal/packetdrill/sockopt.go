package packetdrill

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// sockaddr encodes a socket address, or makes one of host and port if the script leaves it open.
func (r *Run) sockaddr(fd int, v *Value, host netip.Addr, port uint16) []byte {
	family := int64(r.family(fd))
	addr := host
	if v.Kind == Struct {
		for _, name := range []string{"sa_family", "sin_family", "sin6_family"} {
			family = v.fieldNumber(name, -1, family)
		}
		if len(v.Fields) > 0 && v.Fields[0].Name == "" {
			family = v.fieldNumber("", 0, family)
		}
		if r.mode.v6 && family == symbols["AF_INET"] {
			family = int64(r.family(fd))
		}
		for _, name := range []string{"sin_port", "sin6_port"} {
			if f := v.field(name, 1); f != nil && !f.any() {
				n := uint16(f.number())
				port = n<<8 | n>>8
			}
		}
		for _, name := range []string{"sin_addr", "sin6_addr"} {
			if f := v.field(name, 2); f != nil && !f.any() {
				addr = r.mapAddress(f.address(family == symbols["AF_INET6"]), host)
			}
		}
	}
	switch family {
	case symbols["AF_INET"]:
		if addr.Is6() {
			addr = netip.IPv4Unspecified()
		}
		b := binary.BigEndian.AppendUint16(binary.NativeEndian.AppendUint16(nil, 2), port)
		ip := addr.Unmap().As4()
		return append(append(b, ip[:]...), make([]byte, 8)...)
	case symbols["AF_INET6"]:
		b := binary.BigEndian.AppendUint16(binary.NativeEndian.AppendUint16(nil, 10), port)
		ip := addr.As16() // IPv4 is mapped
		return append(append(append(b, 0, 0, 0, 0), ip[:]...), 0, 0, 0, 0)
	}
	return append(binary.NativeEndian.AppendUint16(nil, uint16(family)), make([]byte, 14)...)
}

// mapAddress gives an IPv4 address of a script that is played over IPv6 its counterpart: host where there is none.
func (r *Run) mapAddress(a, host netip.Addr) netip.Addr {
	if !r.mode.v6 || r.mode.mapped || !a.Is4() {
		return a
	}
	switch a {
	case netip.IPv4Unspecified():
		return netip.IPv6Unspecified()
	case r.conf.Setup.V4.Local:
		return r.conf.Setup.V6.Local
	case r.conf.Setup.V4.Remote:
		return r.conf.Setup.V6.Remote
	case netip.AddrFrom4([4]byte{127, 0, 0, 1}):
		return netip.IPv6Loopback()
	}
	return host
}

func word(b []byte, v int64) []byte { return binary.NativeEndian.AppendUint32(b, uint32(v)) }

func long(b []byte, v int64) []byte { return binary.NativeEndian.AppendUint64(b, uint64(v)) }

// optionBytes encodes the value of an option.
func (r *Run) optionBytes(fd int, level, number int64, v *Value) []byte {
	switch v.Kind {
	case String:
		return []byte(v.Str)
	case Array:
		return v.integers(4)
	case Struct:
	case Ellipsis:
		return make([]byte, 4)
	default:
		return word(nil, v.number())
	}
	switch {
	case level == 1 && number == symbols["SO_LINGER"]:
		return word(word(nil, first(v, "onoff", "l_onoff", 0)), first(v, "linger", "l_linger", 1))
	case level == 1 && (number == symbols["SO_RCVTIMEO"] || number == symbols["SO_SNDTIMEO"]):
		return long(long(nil, v.fieldNumber("tv_sec", 0, 0)), v.fieldNumber("tv_usec", 1, 0))
	case level == 6 && (number == symbols["TCP_MD5SIG"] || number == symbols["TCP_MD5SIG_EXT"]):
		return r.md5sig(fd, v)
	case level == 0:
		return r.membership(v)
	}
	var b []byte
	for i := range v.Fields {
		b = append(b, v.Fields[i].Value.integers(4)...)
	}
	return b
}

func first(v *Value, a, b string, position int) int64 {
	if v.field(b, -1) != nil {
		return v.fieldNumber(b, -1, 0)
	}
	return v.fieldNumber(a, position, 0)
}

// membership encodes struct ip_mreqn and the like.
func (r *Run) membership(v *Value) []byte {
	var b []byte
	for i := range v.Fields {
		f := &v.Fields[i].Value
		if f.Kind == FuncCall && strings.HasPrefix(f.Str, "inet") {
			b = append(b, f.address(false).AsSlice()...)
			continue
		}
		b = append(b, f.integers(4)...)
	}
	return b
}

// md5sig encodes struct tcp_md5sig.
func (r *Run) md5sig(fd int, v *Value) []byte {
	addr := &Value{Kind: Ellipsis}
	if f := v.field("tcpm_addr", 0); f != nil {
		addr = f
	}
	b := make([]byte, 128)
	copy(b, r.sockaddr(fd, addr, r.remote(), 0))
	key := ""
	if f := v.field("tcpm_key", 5); f != nil {
		key = f.Str
	}
	if key != "" {
		r.secret.key = []byte(key)
	}
	b = append(b, byte(v.fieldNumber("tcpm_flags", 1, 0)), byte(v.fieldNumber("tcpm_prefixlen", 2, 0)))
	b = binary.NativeEndian.AppendUint16(b, uint16(v.fieldNumber("tcpm_keylen", 3, int64(len(key)))))
	b = word(b, v.fieldNumber("tcpm_ifindex", 4, 0))
	return append(append(b, key...), make([]byte, max(80-len(key), 0))...)
}

func callSetsockopt(r *Run, c *Call) caller {
	fd := r.fd(c.arg(0))
	level, number := c.number(1, 0), c.number(2, 0)
	if c.arg(3).null() {
		nowhere := r.buffer(c.arg(3), c.number(4, 0))
		return status(func(g Guest) int { return g.SetSockOpt(fd, int(level), int(number), nowhere) })
	}
	value := r.optionBytes(fd, level, number, c.arg(3))
	if a := c.arg(4); !a.any() && a.Kind == Number {
		if n := int(a.number()); n >= 0 && n <= len(value) {
			value = value[:n]
		} else if n > len(value) && n < 4096 {
			value = append(value, make([]byte, n-len(value))...)
		}
	}
	return status(func(g Guest) int { return g.SetSockOpt(fd, int(level), int(number), value) })
}

func callGetsockopt(r *Run, c *Call) caller {
	fd := r.fd(c.arg(0))
	level, number := c.number(1, 0), c.number(2, 0)
	size := 256
	if a := c.arg(4); a.Kind == Array || a.Kind == Number {
		size = int(a.number())
	}
	value := make([]byte, max(min(size, 4096), 0))
	got := 0
	k := status(func(g Guest) int {
		var errno int
		got, errno = g.GetSockOpt(fd, int(level), int(number), value)
		return errno
	})
	k.compare = func() { compareOption(c.arg(3), value[:got], level, number) }
	return k
}

// compareOption compares what getsockopt gives.
func compareOption(want *Value, got []byte, level, number int64) {
	at := func(i int) int64 {
		if len(got) < 4*i+4 {
			scriptFail("the option has %d bytes", len(got))
		}
		return int64(int32(binary.NativeEndian.Uint32(got[4*i:])))
	}
	switch want.Kind {
	case Array:
		for i := range want.List {
			if w := &want.List[i]; !w.any() {
				if n := w.number(); int32(at(i)) != int32(n) {
					scriptFail("the option is %d, not %d", at(i), n)
				}
			}
		}
	case String:
		if s := string(bytes.TrimRight(got, "\x00")); s != want.Str {
			scriptFail("the option is %q, not %q", s, want.Str)
		}
	case Struct:
		if level == 1 && number == symbols["SO_LINGER"] {
			if on, sec := first(want, "onoff", "l_onoff", 0), first(want, "linger", "l_linger", 1); at(0) != on || at(1) != sec {
				scriptFail("linger is {%d, %d}, not {%d, %d}", at(0), at(1), on, sec)
			}
			return
		}
		for i := range want.Fields {
			f := &want.Fields[i]
			if f.Value.any() {
				continue
			}
			have, ok := tcpInfoField(got, f.Name)
			if !ok {
				have = at(i)
			}
			if n := f.Value.number(); have != n {
				scriptFail("%s is %d, not %d", f.Name, have, n)
			}
		}
	}
}

// infoField is a field of struct tcp_info: where, and how many bytes; bits below a byte have a shift and mask.
type infoField struct {
	at, size    int
	shift, mask uint8
}

// tcpInfo is struct tcp_info as of the uapi headers of Linux 6.18.
var tcpInfo = map[string]infoField{
	"state": {0, 1, 0, 0}, "ca_state": {1, 1, 0, 0}, "retransmits": {2, 1, 0, 0}, "probes": {3, 1, 0, 0}, "backoff": {4, 1, 0, 0},
	"options": {5, 1, 0, 0}, "snd_wscale": {6, 1, 0, 15}, "rcv_wscale": {6, 1, 4, 15}, "delivery_rate_app_limited": {7, 1, 0, 1},
	"fastopen_client_fail": {7, 1, 1, 3}, "rto": {8, 4, 0, 0}, "ato": {12, 4, 0, 0}, "snd_mss": {16, 4, 0, 0}, "rcv_mss": {20, 4, 0, 0},
	"unacked": {24, 4, 0, 0}, "sacked": {28, 4, 0, 0}, "lost": {32, 4, 0, 0}, "retrans": {36, 4, 0, 0}, "fackets": {40, 4, 0, 0},
	"last_data_sent": {44, 4, 0, 0}, "last_ack_sent": {48, 4, 0, 0}, "last_data_recv": {52, 4, 0, 0}, "last_ack_recv": {56, 4, 0, 0},
	"pmtu": {60, 4, 0, 0}, "rcv_ssthresh": {64, 4, 0, 0}, "rtt": {68, 4, 0, 0}, "rttvar": {72, 4, 0, 0}, "snd_ssthresh": {76, 4, 0, 0},
	"snd_cwnd": {80, 4, 0, 0}, "advmss": {84, 4, 0, 0}, "reordering": {88, 4, 0, 0}, "rcv_rtt": {92, 4, 0, 0}, "rcv_space": {96, 4, 0, 0},
	"total_retrans": {100, 4, 0, 0}, "pacing_rate": {104, 8, 0, 0}, "max_pacing_rate": {112, 8, 0, 0}, "bytes_acked": {120, 8, 0, 0},
	"bytes_received": {128, 8, 0, 0}, "segs_out": {136, 4, 0, 0}, "segs_in": {140, 4, 0, 0}, "notsent_bytes": {144, 4, 0, 0},
	"min_rtt": {148, 4, 0, 0}, "data_segs_in": {152, 4, 0, 0}, "data_segs_out": {156, 4, 0, 0}, "delivery_rate": {160, 8, 0, 0},
	"busy_time": {168, 8, 0, 0}, "rwnd_limited": {176, 8, 0, 0}, "sndbuf_limited": {184, 8, 0, 0}, "delivered": {192, 4, 0, 0},
	"delivered_ce": {196, 4, 0, 0}, "bytes_sent": {200, 8, 0, 0}, "bytes_retrans": {208, 8, 0, 0}, "dsack_dups": {216, 4, 0, 0},
	"reord_seen": {220, 4, 0, 0}, "rcv_ooopack": {224, 4, 0, 0}, "snd_wnd": {228, 4, 0, 0}, "rcv_wnd": {232, 4, 0, 0},
	"rehash": {236, 4, 0, 0}, "total_rto": {240, 2, 0, 0}, "total_rto_recoveries": {242, 2, 0, 0}, "total_rto_time": {244, 4, 0, 0},
	"received_ce": {248, 4, 0, 0}, "delivered_e1_bytes": {252, 4, 0, 0}, "delivered_e0_bytes": {256, 4, 0, 0}, "delivered_ce_bytes": {260, 4, 0, 0},
	"received_e1_bytes": {264, 4, 0, 0}, "received_e0_bytes": {268, 4, 0, 0}, "received_ce_bytes": {272, 4, 0, 0},
	"accecn_fail_mode": {276, 2, 0, 0}, "accecn_opt_seen": {278, 2, 0, 0},
}

// tcpInfoField reads tcpi_NAME from the bytes of TCP_INFO.
func tcpInfoField(b []byte, name string) (int64, bool) {
	name, ok := strings.CutPrefix(name, "tcpi_")
	if !ok {
		return 0, false
	}
	f, ok := tcpInfo[name]
	if !ok || len(b) < f.at+f.size {
		return 0, false
	}
	switch f.size {
	case 1:
		v := b[f.at] >> f.shift
		if f.mask != 0 {
			v &= f.mask
		}
		return int64(v), true
	case 2:
		return int64(binary.NativeEndian.Uint16(b[f.at:])), true
	case 4:
		return int64(binary.NativeEndian.Uint32(b[f.at:])), true
	}
	return int64(binary.NativeEndian.Uint64(b[f.at:])), true
}

// cmsg is a control message taken apart.
type cmsg struct {
	level, typ int64
	data       []byte
}

func splitControl(b []byte) (list []cmsg) {
	for len(b) >= 16 {
		n := int(binary.NativeEndian.Uint64(b))
		if n < 16 || n > len(b) {
			return list
		}
		list = append(list, cmsg{int64(int32(binary.NativeEndian.Uint32(b[8:]))), int64(int32(binary.NativeEndian.Uint32(b[12:]))), b[16:n]})
		b = b[min((n+7)&^7, len(b)):]
	}
	return list
}

// compareControl compares control messages that were received.
func (r *Run) compareControl(want *Value, b []byte) {
	got := splitControl(b)
	if len(got) != len(want.List) {
		scriptFail("%d control messages, not %d: %s", len(got), len(want.List), controlText(got))
	}
	for i := range want.List {
		s := &want.List[i]
		if s.any() {
			continue
		}
		g := &got[i]
		if level, typ := s.fieldNumber("cmsg_level", 0, g.level), s.fieldNumber("cmsg_type", 1, g.typ); level != g.level || typ != g.typ {
			scriptFail("the control message is %d/%d, not %d/%d", g.level, g.typ, level, typ)
		}
		if f := s.field("cmsg_data", 2); f != nil && !f.any() {
			r.compareData(f, g)
		}
	}
}

func controlText(list []cmsg) string {
	var parts []string
	for _, c := range list {
		parts = append(parts, fmt.Sprintf("%d/%d %x", c.level, c.typ, c.data))
	}
	return strings.Join(parts, ", ")
}

// compareData compares the data of one: a struct by its known form, or integers.
func (r *Run) compareData(want *Value, g *cmsg) {
	at := func(i, size int) int64 {
		if len(g.data) < i+size {
			scriptFail("the control message has %d bytes", len(g.data))
		}
		switch size {
		case 1:
			return int64(g.data[i])
		case 4:
			return int64(int32(binary.NativeEndian.Uint32(g.data[i:])))
		}
		return int64(binary.NativeEndian.Uint64(g.data[i:]))
	}
	check := func(name string, position int, have int64) {
		if f := want.field(name, position); f != nil && !f.any() && f.number() != have {
			scriptFail("%s is %d, not %d", name, have, f.number())
		}
	}
	switch {
	case want.Kind != Struct && len(g.data) == 1:
		check2(want, at(0, 1))
	case want.Kind != Struct:
		check2(want, at(0, 4))
	case want.field("ee_errno", -1) != nil || want.field("ee_origin", -1) != nil || want.field("ee_info", -1) != nil:
		check("ee_errno", -1, at(0, 4))
		check("ee_origin", -1, at(4, 1))
		check("ee_type", -1, at(5, 1))
		check("ee_code", -1, at(6, 1))
		check("ee_info", -1, at(8, 4))
		check("ee_data", -1, at(12, 4))
	case want.field("scm_sec", 0) != nil:
		r.compareStamp(want, at(0, 8), at(8, 8))
	default:
		for i := range want.Fields {
			if f := &want.Fields[i].Value; !f.any() {
				check2(f, at(4*i, 4))
			}
		}
	}
}

func check2(want *Value, have int64) {
	if want.number() != have {
		scriptFail("the control message says %d, not %d", have, want.number())
	}
}

// compareStamp compares a time with the script's, which counts from its beginning, within the tolerance.
func (r *Run) compareStamp(want *Value, sec, nsec int64) {
	have := sec*1e9 + nsec - r.epoch()
	w := want.fieldNumber("scm_sec", 0, 0)*1e9 + want.fieldNumber("scm_nsec", 1, 0)
	if d := have - w; d > r.tolerance(0).Nanoseconds() || -d > r.tolerance(0).Nanoseconds() {
		scriptFail("the timestamp is %d ns, not %d", have, w)
	}
}
