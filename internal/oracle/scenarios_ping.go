package oracle

import (
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// pingSorts are the kinds of ping sockets.
var pingSorts = []sort{sortOf("ping4"), sortOf("ping6")}

// echoRequest is an echo request with an identifier, which ping sockets replace, and a payload of n bytes.
func (k sort) echoRequest(id uint16, n int) []byte {
	b := []byte{k.code(8, 128), 0, 0, 0, byte(id >> 8), byte(id), 0, 1}
	for i := range n {
		b = append(b, byte('a'+i%26))
	}
	return b
}

// reply is an echo reply of the peer.
func (k sort) reply(id uint16, payload string) []byte {
	return k.icmpTo(k.code(0, 129), 0, uint32(id)<<16|1, []byte(payload))
}

func pingScenarios() (list []Scenario) {
	for _, f := range []func(sort) []Scenario{pingIDScenarios, pingSendingScenarios, pingICMPScenarios, pingMTUScenarios, toolScenarios} {
		for _, k := range pingSorts {
			list = append(list, f(k)...)
		}
	}
	return list
}

// pingIDScenarios bind and share identifiers.
func pingIDScenarios(k sort) []Scenario {
	return []Scenario{
		{"echo/bind/" + k.name, func(r *Run) {
			s := k.open(r)
			r.Names(s)
			r.Bind(s, k.any(77))
			r.Names(s)
			r.Bind(s, k.any(78))
			e := k.open(r)
			r.Bind(e, k.loopback(0))
			r.Names(e)
			f := k.open(r)
			r.Bind(f, k.foreign(1))
			r.Set(f, tcpip.IP_FREEBIND, 1)
			r.Bind(f, k.foreign(1))
			r.Names(f)
			for _, a := range [][]byte{k.at("224.0.0.5", "ff02::5", 9), k.at("239.1.1.1", "ff0e::5", 9), k.at("10.77.0.255", "fe80::1", 9),
				k.at("255.255.255.255", "ff01::1", 9), k.at("127.1.2.3", "::ffff:127.0.0.1", 9), k.at("0.0.0.0", "::ffff:0.0.0.0", 9)} {
				g := k.open(r)
				r.Bind(g, a)
				r.Names(g)
			}
		}},
		{"echo/share/" + k.name, func(r *Run) {
			a, b, c := k.open(r), k.open(r), k.open(r)
			r.Bind(a, k.any(77))
			r.Bind(b, k.any(77))
			r.Bind(c, k.at(Host4, Host6, 77))
			for range 2 {
				r.Inject("reply", k.reply(77, "payload"))
				for _, s := range []int{a, b, c} {
					r.Recv(s, 100, 0, 0)
				}
			}
			r.Close(a)
			r.Inject("reply", k.reply(77, "payload"))
			r.Recv(b, 100, 0, 0)
			r.Recv(c, 100, 0, 0)
			r.Inject("another's", k.reply(78, "payload"))
			r.Recv(b, 100, 0, 0)
			r.Recv(c, 100, 0, 0)
		}},
		{"echo/share-refused/" + k.name, func(r *Run) {
			a, b := k.open(r), k.open(r)
			r.Set(a, tcpip.SO_REUSEADDR, 0)
			r.Bind(a, k.any(77))
			r.Bind(b, k.any(77))
			r.Set(b, tcpip.SO_REUSEADDR, 0)
			r.Bind(b, k.any(77))
			r.Names(b)
		}},
		{"echo/connected/" + k.name, func(r *Run) {
			s := k.open(r)
			r.Bind(s, k.any(77))
			r.Connect(s, k.at("10.77.0.9", "fd77::9", 0))
			r.Names(s)
			r.Inject("reply of another", k.reply(77, "payload"))
			r.Recv(s, 100, 0, 0)
			r.Connect(s, k.peer(9))
			r.Names(s)
			r.Inject("reply", k.reply(77, "payload"))
			r.Recv(s, 100, 0, 0)
			r.Connect(s, Unspec())
			r.Names(s)
			r.Inject("reply", k.reply(77, "payload"))
			r.Recv(s, 100, 0, 0)
		}},
		{"echo/receive/" + k.name, func(r *Run) {
			s := k.open(r)
			for _, id := range append([]tcpip.OptionID{tcpip.SO_TIMESTAMP}, received...) {
				r.Set(s, id, 1)
			}
			r.Bind(s, k.any(77))
			for _, t := range []byte{k.code(0, 129), k.code(8, 128), k.code(13, 127), k.code(14, 200), k.code(3, 1)} {
				r.Inject(fmt.Sprint("type ", t), k.icmpTo(t, 0, 77<<16|1, []byte("payload of some length, more than 20 bytes")))
				r.Poll(s)
				r.Recv(s, 100, 300, 0)
			}
			r.Inject("code 1", k.icmpTo(k.code(0, 129), 1, 77<<16, []byte("payload")))
			r.Recv(s, 100, 0, 0)
			r.Inject("short", k.icmpTo(k.code(0, 129), 0, 77<<16, nil))
			r.Recv(s, 4, 0, linux.MSG_TRUNC)
			bad := k.reply(77, "payload")
			bad[len(bad)-1]++
			r.Inject("checksum", bad)
			r.Recv(s, 100, 0, 0)
			r.Ioctl(s, linux.FIONREAD)
			r.Ioctl(s, linux.SIOCOUTQ)
		}},
		{"echo/device/" + k.name, func(r *Run) {
			s := k.open(r)
			r.SetOpt(s, 1, 25, []byte("lo"))
			r.Bind(s, k.any(77))
			r.Inject("reply", k.reply(77, "payload"))
			r.Recv(s, 100, 0, 0)
			r.SetOpt(s, 1, 25, []byte("t0"))
			r.Inject("reply", k.reply(77, "payload"))
			r.Recv(s, 100, 0, 0)
			r.Send(s, k.echoRequest(1, 8), k.peer(0), nil, 0)
			r.Packets()
			r.Send(s, k.echoRequest(1, 8), k.foreign(0), nil, 0)
			r.Packets()
		}},
	}
}

// pingSendingScenarios send what may be sent, and what may not.
func pingSendingScenarios(k sort) (list []Scenario) {
	list = []Scenario{
		{"echo/types/" + k.name, func(r *Run) {
			s := k.open(r)
			r.Bind(s, k.any(77))
			for _, t := range []byte{0, 3, 8, 11, 13, 15, 17, 42, 43, 127, 128, 129, 133, 135, 139, 160, 161, 255} {
				for _, c := range []byte{0, 1} {
					b := k.echoRequest(5, 8)
					b[0], b[1] = t, c
					r.Send(s, b, k.peer(0), nil, 0)
					r.Bytes()
				}
			}
		}},
		{"echo/lengths/" + k.name, func(r *Run) {
			s := k.open(r)
			r.Bind(s, k.any(77))
			for _, n := range []int{0, 1, 4, 7, 8, 9, 16} {
				r.Send(s, k.echoRequest(5, 30)[:n], k.peer(0), nil, 0)
				r.Bytes()
			}
		}},
		{"echo/to/" + k.name, func(r *Run) {
			s := k.open(r)
			for _, to := range [][]byte{nil, k.peer(0), k.peer(9), k.foreign(0), k.any(0), k.at(Host4, Host6, 0), k.at("10.77.0.255", "ff02::5", 0),
				k.at("255.255.255.255", "fe80::2", 0), k.at("239.1.1.1", "ff0e::5", 0), k.at("10.77.0.2", "::ffff:10.77.0.2", 0), In4(Peer4, 0), In6(Peer6, 0),
				Unspec(), k.peer(0)[:2], k.peer(0)[:15], k.peer(0)[:16]} {
				r.Send(s, k.echoRequest(5, 8), to, nil, 0)
				r.Packets()
			}
			r.Set(s, tcpip.SO_BROADCAST, 1)
			r.Send(s, k.echoRequest(5, 8), k.at("10.77.0.255", "ff02::5", 0), nil, 0)
			r.Packets()
		}},
		{"echo/flags/" + k.name, func(r *Run) {
			s := k.open(r)
			r.Connect(s, k.peer(0))
			for _, flags := range []int{linux.MSG_OOB, linux.MSG_DONTWAIT, linux.MSG_DONTROUTE, linux.MSG_NOSIGNAL, linux.MSG_EOR, linux.MSG_TRUNC} {
				r.Send(s, k.echoRequest(5, 8), nil, nil, flags)
				r.Packets()
			}
			r.Recv(s, 10, 0, linux.MSG_OOB)
			r.Shutdown(s, linux.SHUT_WR)
			r.Send(s, k.echoRequest(5, 8), nil, nil, 0)
			r.Packets()
		}},
		{"echo/options/" + k.name, func(r *Run) {
			s := k.open(r)
			r.Bind(s, k.any(77))
			for _, o := range []struct {
				id tcpip.OptionID
				v  int
			}{{tcpip.IP_TOS, 0x48}, {tcpip.IP_TTL, 7}, {tcpip.IP_TTL, -1}, {tcpip.IP_MULTICAST_TTL, 9}, {tcpip.IPV6_TCLASS, 0x48}, {tcpip.IPV6_UNICAST_HOPS, 7},
				{tcpip.IPV6_MULTICAST_HOPS, 9}, {tcpip.SO_BROADCAST, 1}, {tcpip.IPV6_MULTICAST_IF, 2}} {
				r.Set(s, o.id, o.v)
				for _, to := range [][]byte{k.peer(0), k.at("10.77.0.255", "ff02::99", 0), k.at("239.1.1.1", "ff0e::99", 0)} {
					r.Send(s, k.echoRequest(5, 8), to, nil, 0)
					r.Packets()
				}
			}
		}},
		{"echo/sizes/" + k.name, func(r *Run) {
			s := k.open(r)
			for _, n := range []int{65487, 65499, 65500, 65507, 65508, 65519, 65520, 65527, 65528, 70000} {
				r.Send(s, k.echoRequest(5, n-8), k.loopback(0), nil, 0)
				r.Recv(s, 1, 0, linux.MSG_TRUNC)
			}
		}},
		{"echo/loop/" + k.name, func(r *Run) {
			s := k.open(r)
			for _, id := range received {
				r.Set(s, id, 1)
			}
			r.Bind(s, k.any(77))
			r.Send(s, k.echoRequest(5, 8), k.loopback(0), nil, 0)
			r.Recv(s, 100, 200, 0)
			r.Send(s, k.echoRequest(5, 8), k.at(Host4, Host6, 0), nil, 0)
			r.Recv(s, 100, 200, 0)
		}},
	}
	for _, c := range sendControls() {
		list = append(list, Scenario{"echo/send-control/" + c.name + "/" + k.name, func(r *Run) {
			s := k.open(r)
			for _, id := range received {
				r.Set(s, id, 1)
			}
			r.Send(s, k.echoRequest(5, 8), k.loopback(0), c.control, 0)
			r.Recv(s, 1, 300, 0)
			r.Send(s, k.echoRequest(5, 8), k.peer(0), c.control, 0)
			r.Packets()
		}})
	}
	return list
}

// pingICMPScenarios tell of ICMP errors about echo requests.
func pingICMPScenarios(k sort) (list []Scenario) {
	for _, e := range icmpErrors(k) {
		for _, how := range []string{"plain", "connected", "recverr", "both"} {
			list = append(list, Scenario{"echo/error/" + e.name + "/" + how + "/" + k.name, func(r *Run) {
				s := k.open(r)
				r.Bind(s, k.any(77))
				if how == "recverr" || how == "both" {
					r.Set(s, tcpip.IP_RECVERR, 1)
					r.Set(s, tcpip.IPV6_RECVERR, 1)
				}
				if how == "connected" || how == "both" {
					r.Connect(s, k.peer(0))
				}
				r.Send(s, k.echoRequest(5, 8), k.peer(0), nil, 0)
				sent := r.Packets()
				r.Inject(e.name, k.icmpTo(e.typ, e.code, e.rest, quote(sent[0])))
				r.Poll(s)
				r.Recv(s, 100, 200, linux.MSG_ERRQUEUE)
				r.Get(s, linux.SO_ERROR)
				r.Recv(s, 10, 0, 0)
				r.Send(s, k.echoRequest(5, 8), k.peer(0), nil, 0)
				r.Packets()
			}})
		}
	}
	return append(list, Scenario{"echo/error-pending/" + k.name, func(r *Run) {
		s := k.open(r)
		r.Bind(s, k.any(77))
		r.Connect(s, k.peer(0))
		r.Send(s, k.echoRequest(5, 8), nil, nil, 0)
		sent := r.Packets()
		unreachable := k.icmpTo(k.code(3, 1), k.code(3, 4), 0, quote(sent[0]))
		r.Inject("unreachable", unreachable)
		r.Send(s, k.echoRequest(5, 8), nil, nil, 0)
		r.Packets()
		r.Send(s, k.echoRequest(5, 8), nil, nil, 0)
		r.Packets()
		r.Inject("unreachable", unreachable)
		r.Recv(s, 10, 0, 0)
		r.Recv(s, 10, 0, 0)
	}})
}

// pingMTUScenarios are those of path MTUs.
func pingMTUScenarios(k sort) (list []Scenario) {
	for v := range 6 {
		for _, connected := range []bool{false, true} {
			for _, queue := range []int{0, 1} {
				list = append(list, mtuScenario(k, v, connected, queue, fmt.Sprintf("echo/pmtu/mode%d/connected-%v/recverr%d/%s", v, connected, queue, k.name)))
			}
		}
	}
	return list
}

// mtuScenario sends echo requests, or for a raw socket anything, below, at and above MTUs, before and after an ICMP
// error has told of one of 1300.
func mtuScenario(k sort, mode int, connected bool, queue int, name string) Scenario {
	discover, mtu, recverr, headers := tcpip.IP_MTU_DISCOVER, tcpip.IP_MTU, tcpip.IP_RECVERR, 20
	if k.v6() {
		discover, mtu, recverr, headers = tcpip.IPV6_MTU_DISCOVER, tcpip.IPV6_MTU, tcpip.IPV6_RECVERR, 40
	}
	return Scenario{name, func(r *Run) {
		s := k.open(r)
		if !raws(k) {
			r.Bind(s, k.any(77))
		}
		r.Set(s, discover, mode)
		r.Set(s, recverr, queue)
		to := k.peer(0)
		if connected {
			r.Connect(s, to)
			to = nil
		}
		send := func(size int) [][]byte {
			r.Send(s, k.echoRequest(5, size-headers-8), to, nil, 0)
			sent := r.Packets()
			r.Recv(s, 0, 200, linux.MSG_ERRQUEUE)
			return sent
		}
		r.aroundTooBig(s, mtu, send)
	}}
}

// toolScenarios are the calls of ping, traceroute -I and tracepath.
func toolScenarios(k sort) []Scenario {
	raw := rawSort(k.pick("raw-icmp4", "raw-icmp6"))
	udp := sortOf(k.pick("udp4", "udp6"))
	recverr, discover, hops := tcpip.IP_RECVERR, tcpip.IP_MTU_DISCOVER, tcpip.IP_TTL
	recvhops := tcpip.IP_RECVTTL
	if k.v6() {
		recverr, discover, hops = tcpip.IPV6_RECVERR, tcpip.IPV6_MTU_DISCOVER, tcpip.IPV6_UNICAST_HOPS
		recvhops = tcpip.IPV6_RECVHOPLIMIT
	}
	router := func(n int, about []byte) []byte { // the n-th router's time exceeded
		m := append([]byte{k.code(11, 3), 0, 0, 0, 0, 0, 0, 0}, quote(about)...)
		if k.v6() {
			return icmp6(fmt.Sprintf("fd77::a:%d", n), m)
		}
		return icmp4(fmt.Sprintf("10.99.%d.1", n), m)
	}
	return []Scenario{
		{"tool/ping/" + k.name, func(r *Run) {
			s := k.open(r)
			r.Set(s, recverr, 1)
			r.Set(s, recvhops, 1)
			r.Set(s, tcpip.SO_TIMESTAMP, 1)
			r.Set(s, tcpip.SO_SNDBUF, 324)
			r.Set(s, tcpip.SO_RCVBUF, 65536)
			r.Connect(s, k.peer(0))
			name := r.Names(s)
			id := uint16(name[2])<<8 | uint16(name[3])
			for range 3 {
				r.Send(s, k.echoRequest(0, 48), nil, nil, 0)
				r.Packets()
				r.Inject("reply", k.reply(id, "payload"))
				r.Poll(s)
				r.Recv(s, 0, 200, 0)
			}
			r.Recv(s, 192, 200, 0)
			r.Recv(s, 192, 200, linux.MSG_ERRQUEUE)
		}},
		{"tool/ping-raw/" + k.name, func(r *Run) {
			s := raw.open(r)
			if k.v6() {
				filter := make([]byte, 32)
				for i := range filter {
					filter[i] = 0xff
				}
				filter[16] = 0xfd // all but the echo reply
				r.SetOpt(s, 58, 1, filter)
				r.Set(s, ipv6Checksum, 2)
			} else {
				r.SetOpt(s, 255, 1, Int(^(1<<0 | 1<<3 | 1<<4 | 1<<5 | 1<<11 | 1<<12)))
			}
			r.Set(s, recverr, 1)
			r.Set(s, recvhops, 1)
			for range 2 {
				r.Send(s, k.echoRequest(4711, 48), k.peer(0), nil, 0)
				r.Packets()
				r.Inject("reply", k.reply(4711, "payload"))
				r.Recv(s, 192, 200, 0)
			}
			r.Send(s, k.echoRequest(4711, 48), k.peer(0), nil, 0)
			sent := r.Packets()
			r.Inject("time exceeded", router(1, sent[0]))
			r.Poll(s)
			r.Recv(s, 8, 200, linux.MSG_ERRQUEUE)
			r.Recv(s, 192, 200, 0)
		}},
		{"tool/traceroute-icmp/" + k.name, func(r *Run) {
			s := raw.open(r)
			r.Set(s, recverr, 1)
			r.Set(s, tcpip.SO_TIMESTAMP, 1)
			r.Set(s, recvhops, 1)
			r.Connect(s, k.peer(0))
			for n := 1; n <= 4; n++ {
				r.Set(s, hops, n)
				r.Send(s, k.echoRequest(4711, 32), nil, nil, 0)
				sent := r.Packets()
				if n == 4 {
					r.Inject("reply", k.reply(4711, "payload"))
				} else {
					r.Inject("time exceeded", router(n, sent[0]))
				}
				r.Poll(s)
				r.Recv(s, 8, 200, linux.MSG_ERRQUEUE)
				r.Recv(s, 8, 200, 0)
				r.Recv(s, 8, 200, 0)
			}
		}},
		{"tool/traceroute-dgram/" + k.name, func(r *Run) {
			s := k.open(r)
			r.Set(s, recverr, 1)
			for n := 1; n <= 3; n++ {
				r.Set(s, hops, n)
				r.Send(s, k.echoRequest(0, 32), k.peer(0), nil, 0)
				sent := r.Packets()
				r.Inject("time exceeded", router(n, sent[0]))
				r.Poll(s)
				r.Recv(s, 0, 200, linux.MSG_ERRQUEUE)
				r.Poll(s)
			}
		}},
		{"tool/tracepath/" + k.name, func(r *Run) {
			s := udp.open(r)
			r.Set(s, discover, 3)
			r.Set(s, recverr, 1)
			r.Set(s, recvhops, 1)
			r.Connect(s, udp.peer(44444))
			headers := 28
			if k.v6() {
				headers = 48
			}
			r.Set(s, hops, 1)
			r.Send(s, make([]byte, 65535-headers), nil, nil, 0)
			r.Recv(s, 0, 200, linux.MSG_ERRQUEUE)
			mtu := 1500
			for n := 1; n <= 5; n++ {
				r.Set(s, hops, n)
				r.Send(s, make([]byte, mtu-headers), nil, nil, 0)
				sent := r.Packets()
				switch n {
				case 2:
					mtu = 1400
					r.Inject("too big", tooBig(sent[0], mtu))
				case 5:
					r.Inject("unreachable", k.icmpTo(k.code(3, 1), k.code(3, 4), 0, quote(sent[0])))
				default:
					r.Inject("time exceeded", router(n, sent[0]))
				}
				r.Poll(s)
				r.Recv(s, 0, 200, linux.MSG_ERRQUEUE)
				r.Get(s, linux.SO_ERROR)
			}
		}},
	}
}

var pingDifferences = []difference{
	{"echo/pmtu/mode[0-3]/connected-true/recverr?/ping6", "IPV6_MTU shows a learnt path MTU at once",
		"deliberate: Linux shows it from the next packet on, and sends by it all the same"},
}
