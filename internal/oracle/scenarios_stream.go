package oracle

import (
	"fmt"
	"strings"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// ending is one step in the end of a connection.
type ending struct {
	name string
	do   func(r *Run, c, s int)
}

var endings = []ending{
	{"c-shut-wr", func(r *Run, c, s int) { r.Shutdown(c, linux.SHUT_WR) }},
	{"s-shut-wr", func(r *Run, c, s int) { r.Shutdown(s, linux.SHUT_WR) }},
	{"c-shut-rd", func(r *Run, c, s int) { r.Shutdown(c, linux.SHUT_RD) }},
	{"c-shut-rdwr", func(r *Run, c, s int) { r.Shutdown(c, linux.SHUT_RDWR) }},
	{"c-send", func(r *Run, c, s int) { r.Send(c, []byte("abc"), nil, nil, 0) }},
	{"s-send", func(r *Run, c, s int) { r.Send(s, []byte("xyz"), nil, nil, 0) }},
}

// streamScenarios end connections in every order of two steps, and move bytes with flags.
func streamScenarios() (list []Scenario) {
	for _, k := range sorts {
		if !streams(k) {
			continue
		}
		for _, a := range endings {
			for _, b := range endings {
				list = append(list, Scenario{"stream/" + strings.Join([]string{a.name, b.name, k.name}, "/"), func(r *Run) {
					_, c, s := k.pair(r)
					for _, e := range []ending{a, b} {
						e.do(r, c, s)
						r.Poll(c)
						r.Poll(s)
					}
					for _, fd := range []int{c, s} {
						r.Recv(fd, 10, 0, 0)
						r.Recv(fd, 10, 0, 0)
						r.Poll(fd)
						r.Names(fd)
					}
					r.Send(c, []byte("late"), nil, nil, 0)
					r.Poll(c)
					r.Poll(s)
					r.Close(s)
					r.Poll(c)
					r.Recv(c, 10, 0, 0)
					r.Send(c, []byte("later"), nil, nil, 0)
					r.Poll(c)
				}})
			}
		}
		list = append(list,
			Scenario{"stream/flags/" + k.name, func(r *Run) {
				_, c, s := k.pair(r)
				r.Send(c, []byte("abcdefgh"), nil, nil, 0)
				r.Await(s, 1)
				r.Ioctl(s, linux.FIONREAD)
				r.Recv(s, 3, 0, linux.MSG_PEEK)
				r.Recv(s, 3, 0, linux.MSG_TRUNC)
				r.Recv(s, 2, 0, linux.MSG_DONTWAIT)
				r.Recv(s, 10, 0, linux.MSG_WAITALL|linux.MSG_DONTWAIT)
				r.Recv(s, 10, 0, 0)
				r.Ioctl(s, linux.FIONREAD)
				r.Ioctl(c, linux.SIOCOUTQ)
			}},
			Scenario{"stream/urgent/" + k.name, func(r *Run) {
				_, c, s := k.pair(r)
				r.Send(c, []byte("abc"), nil, nil, linux.MSG_OOB)
				r.Await(s, 2)
				r.Ioctl(s, linux.SIOCATMARK)
				r.Recv(s, 10, 0, 0)
				r.Ioctl(s, linux.SIOCATMARK)
				r.Recv(s, 1, 0, linux.MSG_OOB|linux.MSG_PEEK)
				r.Recv(s, 1, 0, linux.MSG_OOB)
				r.Poll(s)
				r.Recv(s, 1, 0, linux.MSG_OOB)
				r.Recv(s, 10, 0, 0)
			}},
			Scenario{"stream/urgent-inline/" + k.name, func(r *Run) {
				_, c, s := k.pair(r)
				r.Set(s, tcpip.SO_OOBINLINE, 1)
				r.Send(c, []byte("abc"), nil, nil, linux.MSG_OOB)
				r.Send(c, []byte("def"), nil, nil, 0)
				r.Await(s, 2)
				r.Recv(s, 10, 0, 0)
				r.Ioctl(s, linux.SIOCATMARK)
				r.Recv(s, 1, 0, linux.MSG_OOB)
				r.Recv(s, 10, 0, 0)
				r.Poll(s)
			}},
			Scenario{"stream/low-water/" + k.name, func(r *Run) {
				_, c, s := k.pair(r)
				r.Set(s, tcpip.SO_RCVLOWAT, 5)
				r.Send(c, []byte("abc"), nil, nil, 0)
				r.Poll(s)
				r.Send(c, []byte("de"), nil, nil, 0)
				r.Await(s, 1)
				r.Recv(s, 10, 0, 0)
			}},
			Scenario{"stream/inherit/" + k.name, func(r *Run) {
				l := k.open(r)
				inherited := []tcpip.OptionID{tcpip.Option(6, 1), tcpip.SO_KEEPALIVE, tcpip.Option(6, 4), tcpip.Option(6, 5), tcpip.Option(6, 6),
					tcpip.IP_TTL, tcpip.IP_TOS, tcpip.SO_REUSEADDR, tcpip.Option(6, 18), tcpip.SO_MARK,
					tcpip.IPV6_TCLASS, tcpip.IPV6_UNICAST_HOPS, tcpip.IP_MTU_DISCOVER, tcpip.IP_RECVERR, tcpip.SO_OOBINLINE, tcpip.Option(6, 8)}
				for _, id := range inherited {
					r.Set(l, id, 4)
				}
				r.SetOpt(l, 1, 13, append(Int(1), Int(7)...))
				r.SetOpt(l, 1, 20, append([]byte{7: 0}, make([]byte, 8)...))
				r.Bind(l, k.loopback(4000))
				r.Listen(l, 5)
				c := k.open(r)
				r.Connect(c, k.loopback(4000))
				r.Await(l, 1)
				s := r.Accept(l, 0)
				for _, id := range inherited {
					r.Get(s, id)
				}
				r.GetOpt(s, 1, 13, 8)
				r.GetOpt(s, 1, 20, 16)
				r.Names(s)
			}},
			Scenario{"stream/priority-of-tos/" + k.name, func(r *Run) {
				s := k.open(r)
				r.Set(s, tcpip.SO_PRIORITY, 4)
				r.Set(s, tcpip.IP_TOS, 8)
				r.Get(s, tcpip.SO_PRIORITY)
				for _, tos := range []int{8, 0, 2, 4, 6, 0x10, 0x12, 0x14, 0x16, 0x18, 0x1a, 0x1c, 0x1e, 0x20, 0x28, 0xb8, 0xff, 3, 1} {
					r.Set(s, tcpip.IP_TOS, tos)
					r.Get(s, tcpip.SO_PRIORITY)
				}
			}},
			Scenario{"stream/backlog/" + k.name, func(r *Run) {
				l := k.open(r)
				r.Bind(l, k.loopback(4000))
				r.Listen(l, 0)
				for range 2 {
					c := k.open(r)
					r.Connect(c, k.loopback(4000))
					r.Poll(c)
				}
				r.Poll(l)
				r.Accept(l, 0)
				r.Accept(l, 0)
				r.Poll(l)
			}},
			Scenario{"stream/in-use/" + k.name, func(r *Run) {
				for _, reuse := range []int{0, 1} {
					a, b := k.open(r), k.open(r)
					r.Set(a, tcpip.SO_REUSEADDR, reuse)
					r.Set(b, tcpip.SO_REUSEADDR, reuse)
					port := uint16(4300 + reuse)
					r.Bind(a, k.loopback(port))
					r.Bind(b, k.loopback(port))
					r.Listen(a, 1)
					r.Listen(b, 1)
					c := k.open(r)
					r.Bind(c, k.any(port))
				}
			}},
			Scenario{"stream/reuse-port/" + k.name, func(r *Run) {
				a, b, c := k.open(r), k.open(r), k.open(r)
				r.Set(a, tcpip.SO_REUSEPORT, 1)
				r.Set(b, tcpip.SO_REUSEPORT, 1)
				for _, s := range []int{a, b, c} {
					r.Bind(s, k.loopback(4300))
					r.Listen(s, 1)
				}
			}},
			Scenario{"stream/close-unread/" + k.name, func(r *Run) {
				_, c, s := k.pair(r)
				r.Send(c, []byte("unread"), nil, nil, 0)
				r.Await(s, 1)
				r.Close(s)
				r.Await(c, 0x10)
				r.Get(c, linux.SO_ERROR)
				r.Recv(c, 10, 0, 0)
				r.Send(c, []byte("x"), nil, nil, 0)
				r.Names(c)
			}},
			Scenario{"stream/self/" + k.name, func(r *Run) {
				s := k.open(r)
				r.Bind(s, k.loopback(4400))
				r.Connect(s, k.loopback(4400))
				r.Await(s, 4)
				r.Send(s, []byte("me"), nil, nil, 0)
				r.Recv(s, 10, 0, 0)
				r.Names(s)
			}},
		)
	}
	for _, to := range []string{"::ffff:127.0.0.1", "::1"} {
		for _, only := range []int{0, 1} {
			for _, at := range []string{"::", "::ffff:127.0.0.1", "::ffff:0.0.0.0", "::1"} {
				list = append(list, Scenario{fmt.Sprintf("stream/dual/only%d/%s/%s", only, at, to), func(r *Run) {
					k := sortOf("tcp6")
					l := k.open(r)
					r.Set(l, tcpip.IPV6_V6ONLY, only)
					r.Bind(l, In6(at, 4000))
					r.Names(l)
					r.Listen(l, 5)
					c := k.open(r)
					r.Connect(c, In6(to, 4000))
					r.Poll(c)
					r.Names(c)
					s := r.Accept(l, 0)
					if s >= 0 {
						r.Names(s)
						r.Get(s, tcpip.IP_TTL)
						r.Set(s, tcpip.IPV6_V6ONLY, 1)
					}
				}})
			}
		}
	}
	return list
}

var streamDifferences = []difference{}
