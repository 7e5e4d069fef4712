package oracle

import (
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// pingErrorQueueScenarios do with ping sockets what those of UDP do: errors, time stamps, marks, flags.
func pingErrorQueueScenarios() (list []Scenario) {
	for _, k := range sorts {
		if k.typ != linux.SOCK_DGRAM || k.proto == 0 {
			continue
		}
		list = append(list, pingErrorScenarios(k)...)
		list = append(list, pingSendScenarios(k)...)
	}
	return list
}

// echo is an echo request with n bytes of data.
func (k sort) echo(n int) []byte {
	b := append([]byte{8, 0, 0, 0, 0, 0, 0, 1}, counted(n)...)
	if k.v6() {
		b[0] = 128
	}
	return b
}

func (k sort) recverr() tcpip.OptionID {
	if k.v6() {
		return tcpip.IPV6_RECVERR
	}
	return tcpip.IP_RECVERR
}

// ReportOf is Recv of the error queue that leaves out what a quoted echo request has in its checksum and identifier.
func (r *Run) ReportOf(fd int) {
	data, control := make([]byte, 2000), make([]byte, 500)
	m, e := r.sockets.RecvMsg(fd, data, control, linux.MSG_ERRQUEUE)
	if e != 0 {
		r.Say("report: %s", errnoName(e))
		return
	}
	name := "nobody"
	if len(m.Name) > 0 {
		name = r.address(m.Name)
	}
	r.Say("report: %d bytes of type %d from %s flags %#x with %s", m.N, data[0], name, m.Flags, r.control(m.Control))
}

func pingErrorScenarios(k sort) (list []Scenario) {
	other, icmp := "10.77.0.99", icmp4
	kinds := [][2]byte{{3, 0}, {3, 1}, {3, 2}, {3, 3}, {3, 4}, {3, 13}, {4, 0}, {11, 0}, {11, 1}, {12, 0}}
	if k.v6() {
		other, icmp = "fd77::99", icmp6
		kinds = [][2]byte{{1, 0}, {1, 1}, {1, 3}, {1, 4}, {2, 0}, {3, 0}, {3, 1}, {4, 0}, {4, 1}, {100, 0}}
	}
	for _, t := range kinds {
		for _, connected := range []bool{false, true} {
			list = append(list, Scenario{fmt.Sprintf("ping/errors/icmp%d-%d/connected-%v/%s", t[0], t[1], connected, k.name), func(r *Run) {
				for _, queue := range []int{0, 1} {
					s := k.open(r)
					r.Set(s, k.recverr(), queue)
					for _, id := range received {
						r.Set(s, id, 1)
					}
					to := k.peer(0)
					if connected {
						r.Connect(s, to)
						to = nil
					}
					r.Send(s, k.echo(30), to, nil, 0)
					about := r.Packets()
					if len(about) == 0 {
						return
					}
					word := []byte{5, 0, 5, 20} // an MTU of 1300 over IPv4
					if t == [2]byte{2, 0} {
						word = []byte{0, 0, 5, 20}
					}
					m := append(append([]byte{t[0], t[1], 0, 0}, word...), about[0]...)
					r.Inject("error", icmp(other, m))
					r.Poll(s)
					r.ReportOf(s)
					r.Get(s, linux.SO_ERROR)
					r.ReportOf(s)
					r.Poll(s)
					r.Close(s)
				}
			}})
		}
	}
	return list
}

func pingSendScenarios(k sort) []Scenario {
	discover, class := tcpip.IP_MTU_DISCOVER, Cmsg(0, 1, Int(0x40))
	if k.v6() {
		discover, class = tcpip.IPV6_MTU_DISCOVER, Cmsg(41, 67, Int(0x40))
	}
	return []Scenario{
		{"ping/stamps/" + k.name, func(r *Run) {
			s := k.open(r)
			for _, flags := range []int{stampSent | stampScheduled | stampTell | stampNumber, stampSent | stampTell | stampOnly | stampNumber, stampSent | stampTell} {
				r.Set(s, tcpip.SO_TIMESTAMPING, flags)
				r.Send(s, k.echo(20), k.peer(0), nil, 0)
				r.Packets()
				for range 3 {
					r.ReportOf(s)
				}
			}
		}},
		{"ping/flags/" + k.name, func(r *Run) {
			s := k.open(r)
			for _, flags := range []int{linux.MSG_MORE, linux.MSG_OOB, linux.MSG_EOR, linux.MSG_ZEROCOPY, linux.MSG_DONTWAIT} {
				r.Send(s, k.echo(20), k.peer(0), nil, flags)
				r.Packets()
			}
		}},
		{"ping/control/" + k.name, func(r *Run) {
			s := k.open(r)
			for _, m := range [][]byte{class, Cmsg(1, 36, Int(9)), Cmsg(1, 12, Int(3)), segmentBy(10), Cmsg(1, 37, Int(stampSent)), Cmsg(1, 99, Int(1)),
				Cmsg(17, 99, Int(1)), Cmsg(1, 36, []byte{1})} {
				r.Send(s, k.echo(20), k.peer(0), m, 0)
				r.Packets()
			}
		}},
		{"ping/too-long/" + k.name, func(r *Run) {
			s := k.open(r)
			r.Set(s, k.recverr(), 1)
			for mode := range 6 {
				r.Set(s, discover, mode)
				for _, n := range []int{1452, 1472, 1473, 3000} {
					r.Send(s, k.echo(n), k.peer(0), nil, 0)
					r.Packets()
					r.ReportOf(s)
				}
			}
			for _, n := range []int{65499, 65500, 65507, 65519, 65520, 65528} {
				r.Send(s, k.echo(n), k.loopback(0), nil, 0)
			}
		}},
		{"ping/answer/" + k.name, func(r *Run) {
			s := k.open(r)
			for _, id := range append([]tcpip.OptionID{linux.SO_TIMESTAMPNS, tcpip.SO_RCVMARK, tcpip.SO_RCVPRIORITY}, received...) {
				r.Set(s, id, 1)
			}
			r.Set(s, tcpip.SO_MARK, 7)
			r.Set(s, tcpip.SO_PRIORITY, 5)
			r.Bind(s, k.any(77))
			r.Send(s, k.echo(20), k.loopback(0), nil, 0)
			r.Poll(s)
			m := make([]byte, 500)
			v, e := r.sockets.RecvMsg(s, make([]byte, 100), m, 0)
			r.Say("%d bytes, errno %d, %s", v.N, e, r.control(v.Control))
		}},
	}
}
