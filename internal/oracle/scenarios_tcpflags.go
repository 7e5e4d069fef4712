package oracle

import (
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// tcpFlagScenarios try the flags of send and receive calls, and urgent data.
func tcpFlagScenarios() (list []Scenario) {
	list = perTCP("tcp/urgent/", tcpUrgents)
	for _, k := range tcpSorts() {
		for _, flags := range []int{0, linux.MSG_PEEK, linux.MSG_TRUNC, linux.MSG_PEEK | linux.MSG_TRUNC, linux.MSG_WAITALL, linux.MSG_WAITALL | linux.MSG_PEEK,
			linux.MSG_DONTWAIT | linux.MSG_WAITALL, linux.MSG_OOB, linux.MSG_OOB | linux.MSG_PEEK, linux.MSG_OOB | linux.MSG_TRUNC, linux.MSG_ERRQUEUE,
			linux.MSG_CTRUNC, linux.MSG_NOSIGNAL, linux.MSG_OOB | linux.MSG_ERRQUEUE} {
			list = append(list, Scenario{fmt.Sprintf("tcp/flags/receive/%#x/%s", flags, k.name), func(r *Run) {
				_, c, s := k.pair(r)
				for _, size := range []int{0, 3} {
					r.Recv(s, size, 0, flags|linux.MSG_DONTWAIT)
				}
				r.Send(c, []byte("abcdefgh"), nil, nil, 0)
				r.Await(s, 1)
				for _, size := range []int{0, 1, 3, 10} {
					r.Recv(s, size, 64, flags|linux.MSG_DONTWAIT)
				}
				r.Send(c, []byte("ij!"), nil, nil, linux.MSG_OOB)
				r.Await(s, 1)
				for _, size := range []int{0, 10, 10} {
					r.Recv(s, size, 64, flags|linux.MSG_DONTWAIT)
				}
				r.Shutdown(c, linux.SHUT_WR)
				r.Await(s, 0x2000)
				for _, size := range []int{0, 10, 10} {
					r.Recv(s, size, 0, flags|linux.MSG_DONTWAIT)
				}
				tcpLook(r, s)
			}})
		}
		for _, flags := range []int{linux.MSG_OOB, linux.MSG_DONTROUTE, linux.MSG_EOR, linux.MSG_MORE, linux.MSG_PEEK, linux.MSG_WAITALL,
			linux.MSG_ERRQUEUE, linux.MSG_CTRUNC, linux.MSG_TRUNC, 0x800, 0x200} {
			list = append(list, Scenario{fmt.Sprintf("tcp/flags/send/%#x/%s", flags, k.name), func(r *Run) {
				s, p := k.dial(r, nil)
				r.Send(s, nil, nil, nil, flags)
				r.Send(s, []byte("abc"), nil, nil, flags)
				p.Sent()
				r.Send(s, []byte("abc"), k.peer(99), nil, flags)
				p.Send(segment{})
				p.Sent()
			}})
		}
		for _, at := range []int{-1, 0, 2, 5, 100} {
			list = append(list, Scenario{fmt.Sprintf("tcp/flags/peek-off/%d/%s", at, k.name), func(r *Run) {
				_, c, s := k.pair(r)
				peekOff := tcpip.Option(1, 42)
				r.Set(s, peekOff, at)
				r.Get(s, peekOff)
				r.Recv(s, 3, 0, linux.MSG_PEEK)
				r.Send(c, []byte("abcdefgh"), nil, nil, 0)
				r.Await(s, 1)
				for range 3 {
					r.Recv(s, 3, 0, linux.MSG_PEEK)
					r.Get(s, peekOff)
				}
				r.Recv(s, 4, 0, 0)
				r.Get(s, peekOff)
				r.Recv(s, 3, 0, linux.MSG_PEEK)
				r.Recv(s, 10, 0, 0)
				r.Get(s, peekOff)
				r.Send(c, []byte("again"), nil, nil, 0)
				r.Recv(s, 3, 0, linux.MSG_PEEK)
				r.Recv(s, 3, 0, linux.MSG_PEEK|linux.MSG_TRUNC)
				r.Recv(s, 3, 0, linux.MSG_PEEK)
				r.Shutdown(c, linux.SHUT_WR)
				r.Recv(s, 30, 0, linux.MSG_PEEK)
				r.Set(s, peekOff, -1)
				r.Recv(s, 30, 0, linux.MSG_PEEK)
			}})
		}
		for _, low := range []int{0, 1, 3, 8, 9, 100000, -1} {
			list = append(list, Scenario{fmt.Sprintf("tcp/flags/low-water/%d/%s", low, k.name), func(r *Run) {
				_, c, s := k.pair(r)
				r.Set(s, tcpip.SO_RCVLOWAT, low)
				r.Get(s, tcpip.SO_RCVLOWAT)
				r.Send(c, []byte("abcdefgh"), nil, nil, 0)
				r.Poll(s)
				r.Recv(s, 2, 0, 0)
				r.Poll(s)
				r.Recv(s, 10, 0, linux.MSG_WAITALL|linux.MSG_DONTWAIT)
				r.Send(c, some(9000), nil, nil, 0)
				r.Poll(s)
				r.Set(s, tcpip.SO_RCVLOWAT, 20000)
				r.Poll(s)
				r.Shutdown(c, linux.SHUT_WR)
				r.Poll(s)
			}})
		}
	}
	return list
}

// tcpUrgents are orders of urgent data, most from a scripted peer.
var tcpUrgents = []wireScenario{
	{"several", func(r *Run, k sort) {
		_, c, s := k.pair(r)
		for _, b := range []string{"a", "b", "c"} {
			r.Send(c, []byte(b), nil, nil, linux.MSG_OOB)
			r.Await(s, 2)
			tcpLook(r, s)
		}
		r.Recv(s, 1, 0, linux.MSG_OOB)
		r.Recv(s, 10, 0, 0)
		r.Recv(s, 10, 0, 0)
		tcpLook(r, s)
	}},
	{"several-read", func(r *Run, k sort) {
		_, c, s := k.pair(r)
		for _, b := range []string{"1a", "2b", "3c"} {
			r.Send(c, []byte(b), nil, nil, linux.MSG_OOB)
			r.Await(s, 2)
			r.Recv(s, 1, 0, linux.MSG_OOB)
			tcpLook(r, s)
		}
		r.Recv(s, 10, 0, 0)
		r.Recv(s, 10, 0, 0)
		tcpLook(r, s)
	}},
	{"skipped", func(r *Run, k sort) {
		_, c, s := k.pair(r)
		r.Send(c, []byte("ab!"), nil, nil, linux.MSG_OOB)
		r.Send(c, []byte("cd"), nil, nil, 0)
		r.Await(s, 2)
		r.Recv(s, 10, 0, linux.MSG_PEEK)
		r.Recv(s, 10, 0, 0)
		tcpLook(r, s)
		r.Recv(s, 10, 0, linux.MSG_PEEK)
		r.Recv(s, 10, 0, 0)
		r.Recv(s, 1, 0, linux.MSG_OOB)
		tcpLook(r, s)
	}},
	{"eaten-by-empty-read", func(r *Run, k sort) {
		_, c, s := k.pair(r)
		r.Send(c, []byte("!"), nil, nil, linux.MSG_OOB)
		r.Await(s, 2)
		tcpLook(r, s)
		r.Recv(s, 10, 0, linux.MSG_PEEK)
		r.Recv(s, 10, 0, 0)
		r.Recv(s, 1, 0, linux.MSG_OOB)
		tcpLook(r, s)
	}},
	{"inline-on-then-off", func(r *Run, k sort) {
		_, c, s := k.pair(r)
		r.Set(s, tcpip.SO_OOBINLINE, 1)
		r.Send(c, []byte("ab!cd")[:3], nil, nil, linux.MSG_OOB)
		r.Send(c, []byte("cd"), nil, nil, 0)
		r.Await(s, 2)
		tcpLook(r, s)
		r.Recv(s, 1, 0, linux.MSG_OOB)
		r.Set(s, tcpip.SO_OOBINLINE, 0)
		tcpLook(r, s)
		r.Recv(s, 1, 0, linux.MSG_OOB)
		r.Recv(s, 10, 0, 0)
		r.Recv(s, 10, 0, 0)
		tcpLook(r, s)
	}},
	{"inline-off-then-on", func(r *Run, k sort) {
		_, c, s := k.pair(r)
		r.Send(c, []byte("ab!"), nil, nil, linux.MSG_OOB)
		r.Send(c, []byte("cd"), nil, nil, 0)
		r.Await(s, 2)
		r.Recv(s, 10, 0, 0)
		r.Set(s, tcpip.SO_OOBINLINE, 1)
		tcpLook(r, s)
		r.Recv(s, 10, 0, 0)
		tcpLook(r, s)
	}},
	{"then-fin", func(r *Run, k sort) {
		_, c, s := k.pair(r)
		r.Send(c, []byte("a!"), nil, nil, linux.MSG_OOB)
		r.Shutdown(c, linux.SHUT_WR)
		r.Await(s, 0x2000)
		tcpLook(r, s)
		r.Recv(s, 10, 0, 0)
		tcpLook(r, s)
		r.Recv(s, 1, 0, linux.MSG_OOB)
		r.Recv(s, 10, 0, 0)
		tcpLook(r, s)
	}},
	{"then-reset", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		p.Send(segment{flags: tcpPSH | tcpURG, urg: 2, data: "a!"}, segment{flags: tcpRST})
		tcpLook(r, s)
		r.Recv(s, 1, 0, linux.MSG_OOB)
		r.Recv(s, 10, 0, 0)
		r.Recv(s, 1, 0, linux.MSG_OOB)
		r.Recv(s, 10, 0, 0)
	}},
	{"then-close", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		p.Send(segment{flags: tcpPSH | tcpURG, urg: 1, data: "!"})
		p.Sent()
		r.Recv(s, 1, 0, linux.MSG_OOB)
		r.Close(s)
		p.Sent()
	}},
	{"announced", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		p.Send(segment{flags: tcpURG, urg: 5})
		tcpLook(r, s)
		r.Recv(s, 1, 0, linux.MSG_OOB)
		p.Send(segment{flags: tcpPSH | tcpURG, urg: 5, data: "abc"})
		tcpLook(r, s)
		r.Recv(s, 10, 0, 0)
		r.Recv(s, 1, 0, linux.MSG_OOB)
		p.Send(segment{flags: tcpPSH, data: "d!e"})
		tcpLook(r, s)
		r.Recv(s, 10, 0, 0)
		r.Recv(s, 1, 0, linux.MSG_OOB)
		r.Recv(s, 10, 0, 0)
	}},
	{"announced-then-fin", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		p.Send(segment{flags: tcpURG, urg: 5}, segment{flags: tcpFIN})
		tcpLook(r, s)
		r.Recv(s, 1, 0, linux.MSG_OOB)
		r.Recv(s, 10, 0, 0)
	}},
	{"pointer-zero", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		p.Send(segment{flags: tcpPSH | tcpURG, urg: 0, data: "abc"})
		tcpLook(r, s)
		r.Recv(s, 1, 0, linux.MSG_OOB)
		r.Recv(s, 10, 0, 0)
	}},
	{"pointer-old", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		p.Send(segment{flags: tcpPSH, data: "abc"})
		p.Send(segment{flags: tcpPSH | tcpURG, urg: 2, seq: -3, data: "abc"})
		tcpLook(r, s)
		p.Send(segment{flags: tcpPSH | tcpURG, urg: 4, seq: -3, data: "abcd"})
		tcpLook(r, s)
	}},
	{"pointer-middle", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		p.Send(segment{flags: tcpPSH | tcpURG, urg: 2, data: "abc"})
		tcpLook(r, s)
		for _, size := range []int{10, 10, 10} {
			r.Recv(s, size, 0, 0)
		}
		r.Recv(s, 1, 0, linux.MSG_OOB)
	}},
	{"superseded-at-mark", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		p.Send(segment{flags: tcpPSH | tcpURG, urg: 1, data: "a"})
		tcpLook(r, s)
		p.Send(segment{flags: tcpPSH | tcpURG, urg: 1, data: "b"})
		tcpLook(r, s)
		r.Recv(s, 1, 0, linux.MSG_OOB)
		r.Recv(s, 10, 0, 0)
		tcpLook(r, s)
	}},
	{"in-close-wait", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		p.Send(segment{flags: tcpFIN})
		p.Send(segment{flags: tcpURG, urg: 1})
		tcpLook(r, s)
	}},
	{"shut-read", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		p.Send(segment{flags: tcpURG, urg: 5})
		r.Shutdown(s, linux.SHUT_RD)
		r.Recv(s, 1, 0, linux.MSG_OOB)
		tcpLook(r, s)
	}},
}

var tcpFlagDifferences = []difference{}
