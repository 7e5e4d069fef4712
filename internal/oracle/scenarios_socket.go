package oracle

import (
	"encoding/binary"
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// socketOptions are those of SOL_SOCKET that the generic scenarios do not know.
var socketOptions = []option{
	{linux.SO_DEBUG, "SO_DEBUG", 0, 1}, {linux.SO_BSDCOMPAT, "SO_BSDCOMPAT", 0, 1}, {linux.SO_PASSCRED, "SO_PASSCRED", 0, 1},
	{linux.SO_PEERCRED, "SO_PEERCRED", 0, 1}, {linux.SO_SNDLOWAT, "SO_SNDLOWAT", 0, 1}, {linux.SO_PASSSEC, "SO_PASSSEC", 0, 1},
	{linux.SO_TIMESTAMPNS, "SO_TIMESTAMPNS", 0, 1}, {linux.SO_WIFI_STATUS, "SO_WIFI_STATUS", 0, 1}, {linux.SO_NOFCS, "SO_NOFCS", 0, 1},
	{linux.SO_SELECT_ERR_QUEUE, "SO_SELECT_ERR_QUEUE", 0, 1}, {linux.SO_BPF_EXTENSIONS, "SO_BPF_EXTENSIONS", 0, 1},
	{linux.SO_INCOMING_CPU, "SO_INCOMING_CPU", -1, 4}, {linux.SO_CNX_ADVICE, "SO_CNX_ADVICE", 0, 1}, {linux.SO_MEMINFO, "SO_MEMINFO", 0, 1},
	{linux.SO_INCOMING_NAPI_ID, "SO_INCOMING_NAPI_ID", 0, 1}, {linux.SO_PEERGROUPS, "SO_PEERGROUPS", 0, 1}, {linux.SO_TXTIME, "SO_TXTIME", 0, 15},
	{linux.SO_TIMESTAMP_NEW, "SO_TIMESTAMP_NEW", 0, 1}, {linux.SO_TIMESTAMPNS_NEW, "SO_TIMESTAMPNS_NEW", 0, 1},
	{linux.SO_TIMESTAMPING_NEW, "SO_TIMESTAMPING_NEW", 0, 1<<19 - 1}, {linux.SO_RCVTIMEO_NEW, "SO_RCVTIMEO_NEW", 0, 1},
	{linux.SO_SNDTIMEO_NEW, "SO_SNDTIMEO_NEW", 0, 1}, {linux.SO_PREFER_BUSY_POLL, "SO_PREFER_BUSY_POLL", 0, 1},
	{linux.SO_BUSY_POLL_BUDGET, "SO_BUSY_POLL_BUDGET", 0, 65535}, {linux.SO_BUF_LOCK, "SO_BUF_LOCK", 0, 3},
	{linux.SO_RESERVE_MEM, "SO_RESERVE_MEM", 0, 0}, {linux.SO_TXREHASH, "SO_TXREHASH", -1, 1}, {linux.SO_PASSPIDFD, "SO_PASSPIDFD", 0, 1},
	{linux.SO_PEERPIDFD, "SO_PEERPIDFD", 0, 1}, {linux.SO_DEVMEM_LINEAR, "SO_DEVMEM_LINEAR", 0, 1}, {linux.SO_DEVMEM_DMABUF, "SO_DEVMEM_DMABUF", 0, 1},
	{linux.SO_DEVMEM_DONTNEED, "SO_DEVMEM_DONTNEED", 0, 1}, {linux.SO_PASSRIGHTS, "SO_PASSRIGHTS", 0, 1},
	{tcpip.Option(1, 31), "SO_PEERSEC", 0, 1}, {tcpip.Option(1, 54), "SCM_TIMESTAMPING_OPT_STATS", 0, 1},
	{tcpip.Option(1, 58), "SCM_TIMESTAMPING_PKTINFO", 0, 1}, {tcpip.Option(1, 81), "SCM_TS_OPT_ID", 0, 1}, {tcpip.Option(1, 84), "SO_INQ", 0, 1},
	{tcpip.Option(17, 100), "UDP_ENCAP", 0, 1}, {tcpip.Option(17, 10), "UDPLITE_SEND_CSCOV", 0, 1}, {tcpip.Option(17, 11), "UDPLITE_RECV_CSCOV", 0, 1},
}

// socketScenarios are about SOL_SOCKET on sockets of every sort, but most of them datagram sockets.
func socketScenarios() (list []Scenario) {
	for _, o := range socketOptions {
		for _, k := range sorts {
			if k.typ == linux.SOCK_RAW && o.id != linux.SO_TXTIME && o.id != linux.SO_MEMINFO {
				continue
			}
			level, number := o.id.Level(), o.id.Number()
			list = append(list, Scenario{"socket/option/" + o.name + "/" + k.name, func(r *Run) {
				s := k.open(r)
				for _, size := range []int{4, 0, 2, 5, 8, 12, 16, 40} {
					r.GetOpt(s, level, number, size)
				}
				for _, v := range []int{1, 0, o.min, o.max, o.min - 1, o.max + 1, 2, -1, -2, 255, 1 << 20} {
					r.Set(s, o.id, v)
					r.GetOpt(s, level, number, 16)
				}
				for _, size := range []int{4, 3, 0, 5, 8, 12, 16, 20} {
					b := make([]byte, size)
					if size > 0 {
						b[0] = 1
					}
					r.SetOpt(s, level, number, b)
					r.GetOpt(s, level, number, 16)
				}
			}})
		}
	}
	for _, k := range ways {
		list = append(list, stampScenarios(k)...)
		list = append(list, tagScenarios(k)...)
		list = append(list, zeroCopyScenarios(k)...)
		list = append(list, errorQueueScenarios(k)...)
		list = append(list, queueScenarios(k)...)
	}
	for _, k := range sorts {
		list = append(list, cookieScenarios(k)...)
	}
	return list
}

// The flags of SO_TIMESTAMPING.
const (
	stampSent, stampArrived, stampTell, stampNumber, stampScheduled, stampSource, stampOnly = 2, 8, 0x10, 0x80, 0x100, 0x400, 0x800
)

func stampScenarios(k way) (list []Scenario) {
	forms := []tcpip.OptionID{tcpip.SO_TIMESTAMP, linux.SO_TIMESTAMPNS, linux.SO_TIMESTAMP_NEW, linux.SO_TIMESTAMPNS_NEW,
		tcpip.SO_TIMESTAMPING, linux.SO_TIMESTAMPING_NEW}
	show := func(r *Run, s int) {
		for _, id := range forms {
			r.Get(s, id)
		}
	}
	for _, first := range forms {
		for _, second := range forms {
			list = append(list, Scenario{fmt.Sprintf("socket/stamp/forms/%d-%d/%s", first.Number(), second.Number(), k.name), func(r *Run) {
				c, s := k.couple(r)
				for _, id := range []tcpip.OptionID{first, second} {
					v := 1
					if id == tcpip.SO_TIMESTAMPING || id == linux.SO_TIMESTAMPING_NEW {
						v = stampArrived | stampTell
					}
					r.Set(s, id, v)
					show(r, s)
					r.Send(c, []byte("x"), k.lo(4000), nil, 0)
					for _, room := range []int{500} {
						r.Recv(s, 10, room, 0)
					}
				}
				r.Set(s, second, 0)
				show(r, s)
				r.Send(c, []byte("x"), k.lo(4000), nil, 0)
				r.Recv(s, 10, 500, 0)
			}})
		}
	}
	for _, id := range forms {
		list = append(list, Scenario{fmt.Sprintf("socket/stamp/room/%d/%s", id.Number(), k.name), func(r *Run) {
			c, s := k.couple(r)
			r.Set(s, id, stampArrived|stampTell)
			for range 5 {
				r.Send(c, []byte("x"), k.lo(4000), nil, 0)
			}
			for _, room := range []int{0, 15, 16, 24, 40} {
				r.Recv(s, 10, room, 0)
			}
		}})
	}
	for _, flags := range []int{stampSent | stampTell, stampScheduled | stampTell, stampSent | stampScheduled | stampTell | stampNumber | stampOnly, stampSent | stampScheduled | stampTell | stampNumber,
		stampSent | stampScheduled | stampTell | stampNumber | stampSource, stampSent | stampScheduled, stampSent | stampTell | stampOnly, stampArrived | stampTell, stampArrived, stampTell, 0x200 | stampTell | stampNumber,
		stampSent | stampTell | stampSource | stampOnly, stampSent | stampArrived | stampTell | stampNumber | stampOnly | 0x2000, stampSent | stampTell | 0x4000 | stampNumber} {
		for _, wire := range []bool{false, true} {
			list = append(list, Scenario{fmt.Sprintf("socket/stamp/flags%#x/wire-%v/%s", flags, wire, k.name), func(r *Run) {
				c, s := k.couple(r)
				to := k.lo(4000)
				if wire {
					to = k.peer(4000)
				}
				if flags != stampTell { // of which Linux tells whenever some other socket in the machine has asked
					r.Set(s, tcpip.SO_TIMESTAMPING, flags)
				}
				r.Set(c, tcpip.SO_TIMESTAMPING, flags)
				r.Send(c, []byte("hello"), to, nil, 0)
				r.Poll(c)
				r.Send(c, []byte("again"), to, nil, 0)
				r.Recv(c, 100, 500, linux.MSG_ERRQUEUE|linux.MSG_PEEK)
				r.Recv(c, 1, 500, linux.MSG_ERRQUEUE)
				for range 4 {
					r.Recv(c, 100, 500, linux.MSG_ERRQUEUE)
				}
				if flags&stampTell == 0 || flags&stampArrived != 0 {
					r.Recv(s, 100, 500, 0)
				}
				r.Get(c, linux.SO_ERROR)
				r.Poll(c)
			}})
		}
	}
	stamps := Cmsg(1, 37, Int(stampSent))
	return append(list,
		Scenario{"socket/stamp/control/" + k.name, func(r *Run) {
			c, s := k.couple(r)
			for _, flags := range []int{stampTell | stampNumber | stampOnly, stampTell | stampOnly} {
				r.Set(c, tcpip.SO_TIMESTAMPING, flags)
				for _, m := range [][]byte{stamps, Cmsg(1, 65, Int(stampSent)), Cmsg(1, 37, Int(stampScheduled)), Cmsg(1, 37, Int(stampNumber)),
					Cmsg(1, 37, Int(stampTell)), Cmsg(1, 37, Int(0)), Cmsg(1, 37, []byte{2, 0}), Cmsg(1, 81, Int(77)),
					append(Cmsg(1, 37, Int(stampSent)), Cmsg(1, 81, Int(77))...), Cmsg(1, 81, Int(77)[:2]), stamps} {
					r.Send(c, []byte("hello"), k.lo(4000), m, 0)
					r.Recv(c, 100, 500, linux.MSG_ERRQUEUE)
					r.Recv(c, 100, 500, linux.MSG_ERRQUEUE)
					r.Recv(s, 100, 500, 0)
				}
			}
		}},
		Scenario{"socket/stamp/datagrams/" + k.name, func(r *Run) {
			c := k.open(r)
			r.Set(c, tcpip.SO_TIMESTAMPING, stampSent|stampScheduled|stampTell|stampNumber|stampOnly)
			r.Send(c, counted(4000), k.peer(4000), nil, 0)
			r.Send(c, counted(4000), k.peer(4000), segmentBy(1000), 0)
			r.Send(c, counted(40), k.peer(4000), nil, more)
			r.Send(c, counted(40), k.peer(4000), nil, 0)
			r.Send(c, nil, k.peer(4000), nil, 0)
			for range 9 {
				r.Recv(c, 100, 500, linux.MSG_ERRQUEUE)
			}
		}},
		Scenario{"socket/stamp/renumber/" + k.name, func(r *Run) {
			c := k.open(r)
			for _, flags := range []int{stampSent | stampTell | stampOnly | stampNumber, stampSent | stampTell | stampOnly | stampNumber, stampSent | stampTell | stampOnly, stampSent | stampTell | stampOnly | stampNumber} {
				r.Set(c, tcpip.SO_TIMESTAMPING, flags)
				for range 2 {
					r.Send(c, []byte("x"), k.peer(4000), nil, 0)
					r.Recv(c, 100, 500, linux.MSG_ERRQUEUE)
				}
			}
			r.Send(c, counted(70000), k.peer(4000), nil, 0)
			r.Send(c, []byte("x"), k.peer(4000), nil, 0)
			r.Recv(c, 100, 500, linux.MSG_ERRQUEUE)
		}},
		Scenario{"socket/stamp/both/" + k.name, func(r *Run) {
			c, s := k.couple(r)
			r.Set(s, linux.SO_TIMESTAMPNS, 1)
			r.Set(s, tcpip.SO_TIMESTAMPING, stampArrived|stampTell)
			r.Set(c, tcpip.SO_TIMESTAMP, 1)
			r.Set(c, tcpip.SO_TIMESTAMPING, stampSent|stampTell|stampOnly)
			for range 2 {
				r.Send(c, []byte("x"), k.lo(4000), nil, 0)
			}
			r.Recv(c, 100, 500, linux.MSG_ERRQUEUE)
			r.Recv(s, 100, 500, 0)
			r.Recv(s, 100, 90, 0)
		}},
		Scenario{"socket/stamp/poll/" + k.name, func(r *Run) {
			c := k.open(r)
			r.Set(c, tcpip.SO_TIMESTAMPING, stampSent|stampTell|stampOnly)
			r.Set(c, linux.SO_SELECT_ERR_QUEUE, 1)
			r.Poll(c)
			r.Send(c, []byte("x"), k.peer(4000), nil, 0)
			r.Poll(c)
			r.Recv(c, 100, 500, 0)
			r.Recv(c, 100, 500, linux.MSG_ERRQUEUE)
			r.Poll(c)
		}},
	)
}

func tagScenarios(k way) []Scenario {
	return []Scenario{
		{"socket/tag/options/" + k.name, func(r *Run) {
			c, s := k.couple(r)
			r.Set(s, tcpip.SO_RCVMARK, 1)
			r.Set(s, tcpip.SO_RCVPRIORITY, 1)
			for _, v := range []int{0, 7, -1, 1 << 30} {
				r.Set(c, tcpip.SO_MARK, v)
				r.Set(c, tcpip.SO_PRIORITY, v)
				r.Send(c, []byte("x"), k.lo(4000), nil, 0)
				r.Recv(s, 100, 500, 0)
			}
		}},
		{"socket/tag/control/" + k.name, func(r *Run) {
			c, s := k.couple(r)
			r.Set(s, tcpip.SO_RCVMARK, 1)
			r.Set(s, tcpip.SO_RCVPRIORITY, 1)
			r.Set(c, tcpip.SO_MARK, 7)
			r.Set(c, tcpip.SO_PRIORITY, 5)
			tos := append(Cmsg(0, 1, Int(0x10)), Cmsg(41, 67, Int(0x10))...)
			for _, m := range [][]byte{Cmsg(1, 36, Int(9)), Cmsg(1, 12, Int(3)), Cmsg(1, 12, Int(30)), Cmsg(1, 12, Int(-1)), Cmsg(1, 36, []byte{1}),
				Cmsg(1, 12, []byte{1}), Cmsg(1, 36, make([]byte, 8)), Cmsg(1, 1, Int(0)), Cmsg(1, 2, make([]byte, 12)), Cmsg(1, 29, Int(0)), tos,
				append(append([]byte(nil), tos...), Cmsg(1, 12, Int(3))...), append(Cmsg(1, 12, Int(3)), tos...), nil} {
				r.Send(c, []byte("x"), k.lo(4000), m, 0)
				r.Recv(s, 100, 500, 0)
			}
		}},
		{"socket/tag/datagrams/" + k.name, func(r *Run) {
			c, s := k.couple(r)
			r.Set(s, tcpip.SO_RCVMARK, 1)
			r.Set(s, tcpip.SO_RCVPRIORITY, 1)
			r.Set(c, tcpip.SO_MARK, 7)
			r.Set(c, tcpip.SO_PRIORITY, 5)
			r.Send(c, counted(60000), k.lo(4000), nil, 0)
			r.Recv(s, 70000, 500, 0)
			r.Send(c, counted(2000), k.lo(4000), segmentBy(1000), 0)
			r.Recv(s, 70000, 500, 0)
			r.Recv(s, 70000, 500, 0)
			r.Send(c, []byte("one "), k.lo(4000), nil, more)
			r.Set(c, tcpip.SO_MARK, 8)
			r.Set(c, tcpip.SO_PRIORITY, 6)
			r.Send(c, []byte("two"), k.lo(4000), Cmsg(1, 36, Int(9)), 0)
			r.Recv(s, 70000, 500, 0)
		}},
		{"socket/tag/wire/" + k.name, func(r *Run) {
			s := k.open(r)
			r.Set(s, tcpip.SO_RCVMARK, 1)
			r.Set(s, tcpip.SO_RCVPRIORITY, 1)
			r.Bind(s, k.any(4000))
			from := Peer4
			if !k.v4() {
				from = Peer6
			}
			r.Arrive("datagram", arriving{from: from, tos: 0x10, data: []byte("x")}.packet())
			r.Recv(s, 100, 500, 0)
		}},
		{"socket/tag/priority-of-tos/" + k.name, func(r *Run) {
			c := k.open(r)
			r.Set(c, tcpip.SO_PRIORITY, 5)
			for v := 0; v < 256; v += 5 {
				r.Set(c, k.class(), v)
				r.Get(c, tcpip.SO_PRIORITY)
			}
		}},
	}
}

func zeroCopyScenarios(k way) (list []Scenario) {
	for _, wire := range []bool{false, true} {
		to := k.lo(4000)
		if wire {
			to = k.peer(4000)
		}
		list = append(list, Scenario{fmt.Sprintf("socket/zerocopy/sends/wire-%v/%s", wire, k.name), func(r *Run) {
			c, s := k.couple(r)
			zero := linux.MSG_ZEROCOPY
			r.Send(c, []byte("hello"), to, nil, zero)
			r.Recv(c, 100, 500, linux.MSG_ERRQUEUE)
			r.Set(c, tcpip.SO_ZEROCOPY, 1)
			r.Send(c, counted(5), to, nil, zero)
			r.Poll(c)
			r.Recv(c, 100, 500, linux.MSG_ERRQUEUE)
			for range 3 {
				r.Send(c, counted(5), to, nil, zero)
			}
			r.Send(c, counted(5), to, nil, 0)
			r.Send(c, nil, to, nil, zero)
			r.Send(c, counted(5000), to, nil, zero)
			r.Send(c, counted(5000), to, segmentBy(1000), zero)
			r.Send(c, counted(70000), to, nil, zero)
			r.Send(c, counted(5), to, nil, zero|more)
			r.Send(c, counted(5), to, nil, zero)
			r.Recv(c, 100, 500, linux.MSG_ERRQUEUE|linux.MSG_PEEK)
			r.Recv(c, 100, 500, linux.MSG_ERRQUEUE)
			r.Recv(c, 100, 500, linux.MSG_ERRQUEUE)
			r.Send(c, counted(5), to, nil, zero)
			r.Set(c, tcpip.SO_ZEROCOPY, 0)
			r.Send(c, counted(5), to, nil, zero)
			r.Recv(c, 100, 20, linux.MSG_ERRQUEUE)
			r.Recv(c, 100, 500, linux.MSG_ERRQUEUE)
			r.Get(c, linux.SO_ERROR)
			for range 12 {
				r.Recv(s, 70000, 0, 0)
			}
		}}, Scenario{fmt.Sprintf("socket/zerocopy/stamps/wire-%v/%s", wire, k.name), func(r *Run) {
			c := k.open(r)
			r.Set(c, tcpip.SO_ZEROCOPY, 1)
			r.Set(c, tcpip.SO_TIMESTAMPING, stampSent|stampTell|stampOnly|stampNumber)
			for range 2 {
				r.Send(c, counted(5), to, nil, linux.MSG_ZEROCOPY)
			}
			kinds := map[byte]int{}
			for range 5 {
				control := make([]byte, 500)
				m, e := r.sockets.RecvMsg(c, nil, control, linux.MSG_ERRQUEUE)
				if e == 0 && len(m.Control) > 40 {
					kinds[4]++
				} else if e == 0 {
					kinds[5]++
				}
			}
			r.Say("stamps %d, completions %d", kinds[4], min(kinds[5], 1))
		}})
	}
	return list
}

// errorQueueScenarios look at what ICMP errors leave, with everything that can be asked for beside.
func errorQueueScenarios(k way) (list []Scenario) {
	hops, from := []tcpip.OptionID{tcpip.IP_TTL}, Peer4
	if k.sort.v6() {
		hops = append(hops, tcpip.IPV6_UNICAST_HOPS)
	}
	if !k.v4() {
		from = Peer6
	}
	other := map[bool]string{true: "10.77.0.99", false: "fd77::99"}[k.v4()]
	icmp := icmp6
	kinds := [][2]byte{{1, 0}, {1, 1}, {1, 3}, {1, 4}, {1, 5}, {1, 6}, {1, 7}, {3, 0}, {3, 1}, {4, 0}, {4, 1}, {4, 2}, {100, 0}}
	if k.v4() {
		icmp = icmp4
		kinds = [][2]byte{{3, 0}, {3, 1}, {3, 2}, {3, 3}, {3, 5}, {3, 6}, {3, 7}, {3, 8}, {3, 9}, {3, 10}, {3, 11}, {3, 12}, {3, 13}, {3, 14}, {3, 15}, {3, 16},
			{4, 0}, {5, 0}, {11, 0}, {11, 1}, {12, 0}, {12, 1}, {12, 2}}
	}
	for _, t := range kinds {
		for _, connected := range []bool{false, true} {
			list = append(list, Scenario{fmt.Sprintf("socket/errors/icmp%d-%d/connected-%v/%s", t[0], t[1], connected, k.name), func(r *Run) {
				for _, queue := range []int{0, 1} {
					s := k.open(r)
					r.Set(s, k.recverr(), queue)
					for _, id := range append([]tcpip.OptionID{tcpip.IP_RECVERR_RFC4884, tcpip.IPV6_RECVERR_RFC4884}, received...) {
						r.Set(s, id, 1)
					}
					to := k.peer(4000)
					if connected {
						r.Connect(s, to)
						to = nil
					}
					r.Send(s, []byte("hello"), to, nil, 0)
					about := r.Packets()
					if len(about) == 0 {
						return
					}
					m := append([]byte{t[0], t[1], 0, 0, 5, 0, 0, 7}, about[0]...)
					r.Inject("error", icmp(other, m))
					r.Poll(s)
					r.Recv(s, 100, 500, 0)
					r.Recv(s, 100, 500, linux.MSG_ERRQUEUE)
					r.Get(s, linux.SO_ERROR)
					r.Close(s)
				}
			}})
		}
	}
	list = append(list,
		Scenario{"socket/errors/extensions/" + k.name, func(r *Run) {
			s := k.open(r)
			r.Set(s, k.recverr(), 1)
			r.Connect(s, k.peer(4000))
			r.Send(s, counted(300), nil, nil, 0)
			about := r.Packets()
			if len(about) == 0 {
				return
			}
			object := []byte{0x20, 0, 0, 0, 0, 8, 1, 1, 1, 2, 3, 4}
			for _, on := range []int{0, 1} {
				r.Set(s, tcpip.IP_RECVERR_RFC4884, on)
				r.Set(s, tcpip.IPV6_RECVERR_RFC4884, on)
				for _, size := range []int{128, 120, 136, 16, 0} {
					for _, bad := range []int{0, 1, 2} {
						ext := append([]byte(nil), object...)
						switch bad {
						case 1:
							ext[0] = 0x10
						case 2:
							ext[5] = 9
						}
						m := []byte{11, 0, 0, 0, 0, byte(size / 4), 0, 0}
						if !k.v4() {
							m = []byte{3, 0, 0, 0, byte(size / 8), 0, 0, 0}
						}
						m = append(append(m, about[0][:max(size, 64)]...), ext...)
						r.Inject(fmt.Sprint("time exceeded, ", size, " bytes, bad ", bad), icmp(other, m))
						r.Recv(s, 400, 500, linux.MSG_ERRQUEUE)
					}
				}
			}
		}},
		Scenario{"socket/errors/order/" + k.name, func(r *Run) {
			s := k.open(r)
			r.Set(s, k.recverr(), 1)
			r.Set(s, k.discover(), 2)
			r.Set(s, tcpip.SO_TIMESTAMPING, stampSent|stampTell|stampOnly|stampNumber)
			r.Connect(s, k.peer(4000))
			r.Send(s, []byte("one"), nil, nil, 0)
			about := r.Packets()
			r.Send(s, counted(2000), nil, nil, 0)
			m := append([]byte{3, 1, 0, 0, 0, 0, 0, 0}, about[0]...)
			if !k.v4() {
				m[0], m[1] = 1, 3
			}
			r.Inject("unreachable", icmp(other, m))
			r.Send(s, []byte("two"), nil, nil, 0)
			r.Send(s, []byte("three"), nil, nil, 0)
			for range 6 {
				r.Poll(s)
				r.Recv(s, 100, 500, linux.MSG_ERRQUEUE)
				r.Get(s, linux.SO_ERROR)
			}
		}},
		Scenario{"socket/errors/room/" + k.name, func(r *Run) {
			s := k.open(r)
			r.Set(s, k.recverr(), 1)
			r.Set(s, tcpip.IP_RECVTTL, 1)
			r.Set(s, tcpip.IPV6_RECVHOPLIMIT, 1)
			r.Connect(s, k.peer(4000))
			r.Send(s, []byte("hello"), nil, nil, 0)
			about := r.Packets()
			m := append([]byte{11, 0, 0, 0, 0, 0, 0, 0}, about[0]...)
			if !k.v4() {
				m[0] = 3
			}
			for _, room := range []int{0, 10, 16, 24, 48, 80} {
				r.Inject("time exceeded", icmp(other, append([]byte(nil), m...)))
				r.Recv(s, 2, room, linux.MSG_ERRQUEUE)
			}
		}},
		Scenario{"socket/errors/tracepath/" + k.name, func(r *Run) {
			s := k.open(r)
			r.Set(s, k.recverr(), 1)
			r.Set(s, k.discover(), 3)
			r.Set(s, tcpip.IP_RECVTTL, 1)
			r.Set(s, tcpip.IPV6_RECVHOPLIMIT, 1)
			r.Connect(s, k.peer(44444))
			for ttl := 1; ttl <= 3; ttl++ {
				for _, id := range hops {
					r.Set(s, id, ttl)
				}
				r.Send(s, counted(1400), nil, nil, 0)
				about := r.Packets()
				m := []byte{11, 0, 0, 0, 0, 0, 0, 0}
				if !k.v4() {
					m[0] = 3
				}
				if ttl == 3 {
					m[0], m[1] = 3, 3
					if !k.v4() {
						m[0], m[1] = 1, 4
					}
				}
				r.Inject("answer", icmp(other, append(m, about[0][:64]...)))
				r.Poll(s)
				r.Recv(s, 2000, 500, linux.MSG_ERRQUEUE)
				r.Recv(s, 2000, 500, linux.MSG_ERRQUEUE)
				r.Get(s, linux.SO_ERROR)
			}
			r.Get(s, k.mtu())
			r.Send(s, counted(2000), nil, nil, 0)
			r.Recv(s, 2000, 500, linux.MSG_ERRQUEUE)
		}},
	)
	_ = from
	return list
}

// queueScenarios are about the receive queue and its bounds.
func queueScenarios(k way) []Scenario {
	return []Scenario{
		{"socket/queue/overflow/" + k.name, func(r *Run) {
			c, s := k.couple(r)
			r.Set(s, tcpip.SO_RXQ_OVFL, 1)
			r.Send(c, []byte("x"), k.lo(4000), nil, 0)
			r.Recv(s, 10, 100, 0)
			r.Set(s, tcpip.SO_RCVBUF, 0)
			for range 20 {
				r.Send(c, counted(1000), k.lo(4000), nil, 0)
			}
			n := 0
			for m, e := r.sockets.RecvMsg(s, make([]byte, 1000), make([]byte, 100), 0); e == 0; m, e = r.sockets.RecvMsg(s, make([]byte, 1000), make([]byte, 100), 0) {
				n++
				r.Say("read %d with %d bytes of control", m.N, len(m.Control))
				if n > 20 {
					break
				}
			}
			r.Send(c, []byte("y"), k.lo(4000), nil, 0)
			_, e := r.sockets.RecvMsg(s, make([]byte, 1000), make([]byte, 0), 0)
			r.Say("errno %d", e)
			r.Send(c, []byte("z"), k.lo(4000), nil, 0)
			control := make([]byte, 100)
			m, _ := r.sockets.RecvMsg(s, make([]byte, 1000), control, 0)
			if len(m.Control) >= 20 {
				r.Say("and all the rest lost: %v", int(binary.NativeEndian.Uint32(m.Control[16:])) == 20-n)
			}
		}},
		{"socket/queue/low-water/" + k.name, func(r *Run) {
			c, s := k.couple(r)
			r.Set(s, tcpip.SO_RCVLOWAT, 100)
			r.Send(c, []byte("x"), k.lo(4000), nil, 0)
			r.Poll(s)
			r.Recv(s, 10, 0, 0)
		}},
		{"socket/queue/meminfo/" + k.name, func(r *Run) {
			c, s := k.couple(r)
			r.Set(s, tcpip.SO_RCVBUF, 5000)
			r.Set(s, tcpip.SO_SNDBUF, 6000)
			r.GetOpt(s, 1, linux.SO_MEMINFO.Number(), 36)
			r.Send(c, counted(100), k.lo(4000), nil, 0)
			b := make([]byte, 36)
			_, e := r.sockets.GetSockOpt(s, 1, linux.SO_MEMINFO.Number(), b)
			r.Say("errno %d, something queued %v", e, binary.NativeEndian.Uint32(b) > 0)
			r.Recv(s, 100, 0, 0)
			b = make([]byte, 36)
			_, e = r.sockets.GetSockOpt(s, 1, linux.SO_MEMINFO.Number(), b)
			r.Say("errno %d, %x and %x", e, b[:16], b[20:]) // the fifth is the kernel's accounting
		}},
	}
}

func cookieScenarios(k sort) []Scenario {
	read := func(r *Run, fd int, id tcpip.OptionID) uint64 {
		b := make([]byte, 8)
		n, e := r.sockets.GetSockOpt(fd, id.Level(), id.Number(), b)
		r.Say("%d bytes, errno %d", n, e)
		return binary.NativeEndian.Uint64(b)
	}
	return []Scenario{{"socket/cookie/" + k.name, func(r *Run) {
		a, b := k.open(r), k.open(r)
		for _, id := range []tcpip.OptionID{linux.SO_COOKIE, linux.SO_NETNS_COOKIE} {
			x, y, z := read(r, a, id), read(r, b, id), read(r, a, id)
			r.Say("zero %v, the other's %v, the same again %v", x == 0, x == y, x == z)
			for _, size := range []int{0, 4, 7} {
				_, e := r.sockets.GetSockOpt(a, id.Level(), id.Number(), make([]byte, size))
				r.Say("room %d: errno %d", size, e)
			}
			_, e := r.sockets.GetSockOpt(a, id.Level(), id.Number(), make([]byte, 20))
			r.Say("room 20: errno %d", e)
			r.SetOpt(a, id.Level(), id.Number(), make([]byte, 8))
			r.SetOpt(a, id.Level(), id.Number(), nil)
		}
	}}}
}

var socketDifferences = []difference{
	{"socket/option/UDP_ENCAP/udp?", "only UDP_ENCAP 0 is taken", "deliberate: there is no IPsec or L2TP below that datagrams could be handed to"},
}
