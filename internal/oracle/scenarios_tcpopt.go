package oracle

import (
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// tcpOption names an option of IPPROTO_TCP by its number.
type tcpOption struct {
	name   string
	number int
}

// optionsOfTCP are all that Linux 6.18 has but TCP_INFO, which has scenarios of its own.
var optionsOfTCP = []tcpOption{
	{"NODELAY", 1}, {"MAXSEG", 2}, {"CORK", 3}, {"KEEPIDLE", 4}, {"KEEPINTVL", 5}, {"KEEPCNT", 6}, {"SYNCNT", 7}, {"LINGER2", 8},
	{"DEFER_ACCEPT", 9}, {"WINDOW_CLAMP", 10}, {"QUICKACK", 12}, {"CONGESTION", 13}, {"MD5SIG", 14}, {"unused15", 15},
	{"THIN_LINEAR_TIMEOUTS", 16}, {"THIN_DUPACK", 17}, {"USER_TIMEOUT", 18}, {"REPAIR", 19}, {"REPAIR_QUEUE", 20}, {"QUEUE_SEQ", 21},
	{"REPAIR_OPTIONS", 22}, {"FASTOPEN", 23}, {"NOTSENT_LOWAT", 25}, {"CC_INFO", 26}, {"SAVE_SYN", 27},
	{"SAVED_SYN", 28}, {"REPAIR_WINDOW", 29}, {"FASTOPEN_CONNECT", 30}, {"ULP", 31}, {"MD5SIG_EXT", 32}, {"FASTOPEN_KEY", 33},
	{"FASTOPEN_NO_COOKIE", 34}, {"ZEROCOPY_RECEIVE", 35}, {"INQ", 36}, {"TX_DELAY", 37}, {"AO_ADD_KEY", 38}, {"AO_DEL_KEY", 39},
	{"AO_INFO", 40}, {"AO_GET_KEYS", 41}, {"AO_REPAIR", 42}, {"IS_MPTCP", 43}, {"RTO_MAX_MS", 44}, {"RTO_MIN_US", 45},
	{"DELACK_MAX_US", 46}, {"unused47", 47},
}

// tcpStates bring a socket into a state; they return the one to ask.
var tcpStates = []struct {
	name string
	make func(r *Run, k sort) int
}{
	{"closed", func(r *Run, k sort) int { return k.open(r) }},
	{"listening", func(r *Run, k sort) int {
		l, _, _ := k.pair(r)
		return l
	}},
	{"connected", func(r *Run, k sort) int {
		_, c, _ := k.pair(r)
		return c
	}},
	{"accepted", func(r *Run, k sort) int {
		_, _, s := k.pair(r)
		return s
	}},
	{"connecting", func(r *Run, k sort) int {
		c := k.open(r)
		r.Connect(c, k.peer(4000))
		return c
	}},
	{"finished", func(r *Run, k sort) int {
		_, c, s := k.pair(r)
		r.Shutdown(s, linux.SHUT_WR)
		r.sockets.Pass(100)
		r.Shutdown(c, linux.SHUT_WR)
		r.Await(c, 0x10)
		return s
	}},
	{"reset", func(r *Run, k sort) int {
		_, c, s := k.pair(r)
		r.SetOpt(s, 1, 13, append(Int(1), Int(0)...))
		r.Close(s)
		r.Await(c, 0x10)
		return c
	}},
}

// tcpoptScenarios ask for TCP's options in every state of a socket, for what is inherited, and for effects.
func tcpoptScenarios() (list []Scenario) {
	for _, k := range sorts {
		if !streams(k) {
			continue
		}
		for _, o := range optionsOfTCP {
			list = append(list, tcpOptionScenarios(o, k)...)
		}
		list = append(list, tcpInheritScenarios(k)...)
		list = append(list, tcpInfoScenarios(k)...)
		list = append(list, tcpEffectScenarios(k)...)
	}
	return list
}

func tcpOptionScenarios(o tcpOption, k sort) (list []Scenario) {
	if o.number == 13 {
		return nil // see option/TCP_CONGESTION
	}
	for _, st := range tcpStates {
		list = append(list, Scenario{fmt.Sprintf("tcpopt/%s/%s/%s", o.name, st.name, k.name), func(r *Run) {
			s := st.make(r, k)
			for _, size := range []int{4, 0, 2, 16} {
				r.GetOpt(s, 6, o.number, size)
			}
			for _, v := range []int{1, 0, 2, 1000, -1, 5000, 100000, 1 << 30} {
				r.SetOpt(s, 6, o.number, Int(v))
				r.GetOpt(s, 6, o.number, 4)
			}
			for _, size := range []int{0, 1, 3, 8, 16} {
				r.SetOpt(s, 6, o.number, make([]byte, size))
			}
			r.GetOpt(s, 6, o.number, 4)
		}})
	}
	return list
}

// tcpInheritScenarios set options on a listener before, and after, a connection begins, and look at what is accepted.
func tcpInheritScenarios(k sort) []Scenario {
	values := []struct {
		id tcpip.OptionID
		v  int
	}{
		{tcp.TCP_NODELAY, 1}, {tcp.TCP_MAXSEG, 500}, {tcp.TCP_CORK, 1}, {tcp.TCP_KEEPIDLE, 77}, {tcp.TCP_KEEPINTVL, 7}, {tcp.TCP_KEEPCNT, 3},
		{tcp.TCP_SYNCNT, 2}, {tcp.TCP_LINGER2, 17}, {tcp.TCP_DEFER_ACCEPT, 0}, {tcp.TCP_WINDOW_CLAMP, 20000}, {tcp.TCP_QUICKACK, 1},
		{tcp.TCP_USER_TIMEOUT, 12345}, {tcp.TCP_THIN_LINEAR_TIMEOUTS, 1}, {tcp.TCP_NOTSENT_LOWAT, 3000}, {tcp.TCP_SAVE_SYN, 1},
		{tcp.TCP_INQ, 1}, {tcp.TCP_TX_DELAY, 10}, {tcp.TCP_RTO_MAX_MS, 2000}, {tcp.TCP_RTO_MIN_US, 8000}, {tcp.TCP_DELACK_MAX_US, 8000},
		{tcp.SO_MAX_PACING_RATE, 1 << 20},
	}
	return []Scenario{
		{"tcpopt/inherit/" + k.name, func(r *Run) {
			l := k.open(r)
			for _, o := range values {
				r.Set(l, o.id, o.v)
			}
			r.Bind(l, k.loopback(4000))
			r.Listen(l, 5)
			c := k.open(r)
			r.Connect(c, k.loopback(4000))
			r.Await(l, 1)
			s := r.Accept(l, 0)
			for _, o := range values {
				r.Get(s, o.id)
			}
		}},
		{"tcpopt/inherit-late/" + k.name, func(r *Run) { // what is set between the handshake and accept
			l := k.open(r)
			r.Bind(l, k.loopback(4000))
			r.Listen(l, 5)
			c := k.open(r)
			r.Connect(c, k.loopback(4000))
			r.Await(l, 1)
			for _, o := range values {
				r.Set(l, o.id, o.v)
			}
			s := r.Accept(l, 0)
			for _, o := range values {
				r.Get(s, o.id)
			}
		}},
	}
}

// tcpInfoScenarios look at TCP_INFO.
func tcpInfoScenarios(k sort) (list []Scenario) {
	for _, st := range tcpStates {
		list = append(list, Scenario{"tcpopt/INFO/" + st.name + "/" + k.name, func(r *Run) {
			s := st.make(r, k)
			r.Info(s)
			r.Info(s, "snd_mss", "snd_wnd", "rcv_wnd", "rcv_mss", "rcv_space")
			for _, size := range []int{0, 1, 4, 8, 104, 192, 279, 280, 281, 400} {
				n, e := r.sockets.GetSockOpt(s, 6, 11, make([]byte, size))
				r.logf("%d of %d", n, size)
				r.logf("%s", errnoName(e))
			}
			r.SetOpt(s, 6, 11, Int(1))
		}})
	}
	return append(list,
		Scenario{"tcpopt/INFO/data/" + k.name, func(r *Run) {
			_, c, s := k.pair(r)
			for i := range 3 {
				r.Send(c, make([]byte, 100*(i+1)), nil, nil, 0)
				r.Await(s, 1)
				r.Recv(s, 1000, 0, 0)
			}
			r.Send(s, make([]byte, 50), nil, nil, 0)
			r.Await(c, 1)
			r.Info(c)
			r.Info(s)
			r.Info(c, "rto", "rtt", "min_rtt", "delivery_rate", "pacing_rate")
			r.Shutdown(c, linux.SHUT_WR)
			r.Await(s, 0x2000)
			r.sockets.Pass(300)
			r.Info(c)
			r.Info(s)
			r.Shutdown(s, linux.SHUT_WR)
			r.sockets.Settle()
			r.Info(s, "state", "bytes_acked", "bytes_received", "bytes_sent", "delivered", "segs_in", "segs_out")
		}},
		Scenario{"tcpopt/INFO/backlog/" + k.name, func(r *Run) {
			l := k.open(r)
			r.Bind(l, k.loopback(4000))
			r.Listen(l, 7)
			r.Info(l, "state", "unacked", "sacked")
			for range 3 {
				r.Connect(k.open(r), k.loopback(4000))
			}
			r.Await(l, 1)
			r.Info(l, "state", "unacked", "sacked")
			r.Accept(l, 0)
			r.Info(l, "state", "unacked", "sacked")
			r.Listen(l, 3)
			r.Info(l, "state", "unacked", "sacked")
		}},
	)
}

// tcpEffectScenarios show what options do.
func tcpEffectScenarios(k sort) []Scenario {
	return []Scenario{
		{"tcpopt/effect/INQ/" + k.name, func(r *Run) {
			_, c, s := k.pair(r)
			r.Set(s, tcp.TCP_INQ, 1)
			r.Recv(s, 4, 100, 0)
			r.Send(c, []byte("abcdefghij"), nil, nil, 0)
			r.Await(s, 1)
			r.Recv(s, 4, 100, linux.MSG_PEEK)
			r.Recv(s, 4, 100, 0)
			r.Recv(s, 2, 20, 0)
			r.Recv(s, 2, 16, 0)
			r.Recv(s, 1, 8, 0)
			r.Shutdown(c, linux.SHUT_WR)
			r.Await(s, 0x2000)
			r.Recv(s, 0, 100, 0)
			r.Recv(s, 10, 100, 0)
			r.Recv(s, 10, 100, 0)
			r.Set(s, tcp.TCP_INQ, 0)
			r.Recv(s, 10, 100, 0)
		}},
		{"tcpopt/effect/INQ-late/" + k.name, func(r *Run) { // the end is there before it is asked for
			_, c, s := k.pair(r)
			r.Set(s, tcp.TCP_INQ, 1)
			r.Send(c, []byte("abcdef"), nil, nil, 0)
			r.Shutdown(c, linux.SHUT_WR)
			r.Await(s, 0x2000)
			r.Recv(s, 4, 100, 0)
			r.Recv(s, 2, 100, 0)
			r.Recv(s, 2, 100, 0)
		}},
		{"tcpopt/effect/SAVED_SYN/" + k.name, func(r *Run) { savedSyn(r, k, 1) }},
		{"tcpopt/effect/SAVED_SYN-link/" + k.name, func(r *Run) { savedSyn(r, k, 2) }},
		{"tcpopt/effect/SAVED_SYN-off/" + k.name, func(r *Run) { savedSyn(r, k, 0) }},
		{"tcpopt/effect/NOTSENT_LOWAT/" + k.name, func(r *Run) {
			for _, low := range []int{1, 2, 4000, 100000} {
				c := k.open(r)
				r.SetOpt(c, 1, 7, Int(1<<20))
				r.Set(c, tcp.TCP_NOTSENT_LOWAT, low)
				r.Connect(c, k.peer(4000)) // nobody answers: nothing is sent
				r.Poll(c)
			}
			_, c, s := k.pair(r)
			r.SetOpt(s, 1, 8, Int(4000))
			r.Set(c, tcp.TCP_NOTSENT_LOWAT, 1<<16)
			r.Poll(c)
		}},
		{"tcpopt/effect/ULP/" + k.name, func(r *Run) {
			_, c, _ := k.pair(r)
			for _, name := range []string{"tls", "nosuch", "", "tls\x00", "averyveryverylongname"} {
				r.SetOpt(c, 6, 31, []byte(name))
			}
			r.GetOpt(c, 6, 31, 16)
		}},
		{"tcpopt/effect/CC_INFO/" + k.name, func(r *Run) {
			_, c, _ := k.pair(r)
			for _, name := range []string{"reno", "cubic"} {
				r.SetOpt(c, 6, 13, []byte(name))
				r.GetOpt(c, 6, 26, 40)
				r.GetOpt(c, 6, 13, 16)
			}
		}},
		{"tcpopt/MAX_PACING_RATE/values/" + k.name, func(r *Run) {
			s := k.open(r)
			for _, v := range [][]byte{Int(1000), Int(-1), Int(0), append(Int(1000), Int(0)...), append(Int(-1), Int(-1)...), append(Int(1000), Int(1)...), {1, 0, 0, 0, 0}, {1, 1}, nil} {
				r.SetOpt(s, 1, 47, v)
				for _, size := range []int{8, 4, 0, 16, 6} {
					r.GetOpt(s, 1, 47, size)
				}
				r.Info(s, "max_pacing_rate")
			}
		}},
		{"tcpopt/MAX_PACING_RATE/data/" + k.name, func(r *Run) {
			_, c, s := k.pair(r)
			r.Set(c, tcp.SO_MAX_PACING_RATE, 100000)
			r.Get(c, tcp.SO_MAX_PACING_RATE)
			for range 5 {
				r.Send(c, make([]byte, 1000), nil, nil, 0)
			}
			r.sockets.Pass(100)
			r.Recv(s, 10000, 0, 0)
			r.Info(c, "max_pacing_rate", "unacked", "notsent_bytes", "bytes_acked")
			r.Set(c, tcp.SO_MAX_PACING_RATE, -1)
			r.Info(c, "max_pacing_rate")
		}},
	}
}

// savedSyn shows the form of what TCP_SAVED_SYN gives: its length, and what in it is no number of a connection's own.
func savedSyn(r *Run, k sort, mode int) {
	l := k.open(r)
	r.Set(l, tcp.TCP_SAVE_SYN, mode)
	r.Bind(l, k.loopback(4000))
	r.Listen(l, 5)
	c := k.open(r)
	r.Connect(c, k.loopback(4000))
	r.Await(l, 1)
	s := r.Accept(l, 0)
	r.GetOpt(l, 6, 28, 200)
	r.GetOpt(c, 6, 28, 200)
	r.GetOpt(s, 6, 28, 10)
	b := make([]byte, 200)
	n, e := r.sockets.GetSockOpt(s, 6, 28, b)
	r.logf("saved %d, %s", n, errnoName(e))
	if n > 0 {
		at := n - 60
		if k.v6() {
			at = n - 80
		}
		r.logf("link %x", b[:at])
		if k.v6() {
			r.logf("IPv6 %d %x, TCP %d flags %#x", b[at]>>4, b[at+6:at+40], b[at+52]>>4, b[at+53])
		} else {
			r.logf("IPv4 %#x %x, TCP %d flags %#x", b[at], b[at+12:at+20], b[at+32]>>4, b[at+33])
		}
	}
	r.GetOpt(s, 6, 28, 200)
}

var tcpoptDifferences = []difference{
	{"tcpopt/ZEROCOPY_RECEIVE/*/*", "the option is refused with ENOPROTOOPT", "deliberate: no memory is shared with programs, which then read"},
	{"tcpopt/REPAIR/[acfr]*/tcp?", "the option is refused with EPERM", "deliberate: as to a program without CAP_NET_ADMIN; state is saved and restored through the stack instead"},
}
