package oracle

import (
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// wayScenarios are about what makes a socket forget its way, and with it the path MTU, and what makes it look for it
// again.
func wayScenarios() (list []Scenario) {
	for _, k := range sorts {
		connected := func(r *Run) int {
			if streams(k) {
				_, c, _ := k.pair(r)
				return c
			}
			s := k.open(r)
			r.Connect(s, k.loopback(4000))
			return s
		}
		payload := []byte{8, 0, 0, 0, 0, 0, 0, 1}
		if k.v6() {
			payload[0] = 128
		}
		for _, o := range options() {
			if o.id.Level() == linux.IPPROTO_IPV6 && !k.v6() || avoided[o.name] != "" {
				continue
			}
			list = append(list, Scenario{"way/forgotten/" + o.name + "/" + k.name, func(r *Run) {
				s := connected(r)
				mtus(r, s)
				for _, v := range []int{0, 1, 2, 1000} {
					if o.name == "SO_BINDTOIFINDEX" && v > 1 { // see option/SO_BINDTOIFINDEX
						continue
					}
					r.Set(s, o.id, v)
					mtus(r, s)
					r.Send(s, payload, nil, nil, 0)
					mtus(r, s)
				}
			}})
		}
		for _, c := range []struct {
			name string
			do   func(r *Run, s int)
		}{
			{"class", func(r *Run, s int) {
				r.Set(s, tcpip.IP_TOS, 8)
				r.Set(s, tcpip.IPV6_TCLASS, 8)
			}},
			{"options", func(r *Run, s int) { r.SetOpt(s, 0, 4, []byte{1, 1, 1, 0}) }},
			{"extension", func(r *Run, s int) { r.SetOpt(s, 41, 59, []byte{0, 0, 1, 4, 0, 0, 0, 0}) }},
			{"sticky-info", func(r *Run, s int) { r.SetOpt(s, 41, 50, make([]byte, 20)) }},
			{"device", func(r *Run, s int) { r.SetOpt(s, 1, 25, []byte("lo\x00")) }},
			{"nowhere", func(r *Run, s int) { r.Connect(s, k.foreign(4000)) }},
			{"broadcast", func(r *Run, s int) { r.Connect(s, k.at("255.255.255.255", "ff02::1", 4000)) }},
			{"port-0", func(r *Run, s int) { r.Connect(s, k.loopback(0)) }},
			{"family", func(r *Run, s int) {
				r.Connect(s, []byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
			}},
			{"again", func(r *Run, s int) { r.Connect(s, k.loopback(4000)) }},
			{"shutdown", func(r *Run, s int) { r.Shutdown(s, 2) }},
		} {
			for _, by := range []struct {
				name string
				do   func(r *Run, s int)
			}{
				{"send", func(r *Run, s int) { r.Send(s, payload, nil, nil, 0) }},
				{"named", func(r *Run, s int) { r.Send(s, payload, k.loopback(4000), nil, 0) }},
				{"elsewhere", func(r *Run, s int) { r.Send(s, payload, k.at("127.0.0.2", Host6, 4000), nil, 0) }},
				{"more", func(r *Run, s int) {
					r.Send(s, payload, nil, nil, linux.MSG_MORE)
					mtus(r, s)
					r.Send(s, payload, nil, nil, 0)
				}},
				{"control", func(r *Run, s int) {
					if k.v6() {
						r.Send(s, payload, nil, Cmsg(41, 67, Int(8)), 0)
					} else {
						r.Send(s, payload, nil, Cmsg(0, 1, Int(8)), 0)
					}
				}},
				{"info", func(r *Run, s int) { r.Send(s, payload, nil, pktinfo(k, "0.0.0.0", "::", 1), 0) }},
				{"probe", func(r *Run, s int) { r.Send(s, payload, nil, nil, 0x10) }},
				{"dontroute", func(r *Run, s int) { r.Send(s, payload, nil, nil, linux.MSG_DONTROUTE) }},
				{"long", func(r *Run, s int) { r.Send(s, make([]byte, 65536), nil, nil, 0) }},
				{"read", func(r *Run, s int) { r.Recv(s, 100, 0, 0) }},
			} {
				list = append(list, Scenario{"way/found/" + c.name + "-" + by.name + "/" + k.name, func(r *Run) {
					s := connected(r)
					mtus(r, s)
					c.do(r, s)
					mtus(r, s)
					by.do(r, s)
					mtus(r, s)
				}})
			}
		}
	}
	return list
}

// homeScenarios send to others by the loopback device.
func homeScenarios() (list []Scenario) {
	add := func(name string, do func(*Run)) { list = append(list, Scenario{"way/home/" + name, do}) }
	for _, k := range sorts {
		payload := []byte{8, 0, 0, 0, 0, 0, 0, 1}
		if k.v6() {
			payload[0] = 128
		}
		for _, to := range []struct{ v4, v6 string }{{Peer4, Peer6}, {"192.0.2.9", "2001:db8::9"}, {"10.77.0.255", "ff02::99"}, {"224.0.0.99", "ff0e::99"},
			{"240.0.0.1", "::ffff:10.77.0.2"}, {"10.77.0.0", "fe80::9"}} {
			for _, at := range []int{0, 1, 2} { // the device of who receives
				for _, from := range []struct{ v4, v6 string }{{"0.0.0.0", "::"}, {"127.0.0.1", "::1"}, {Host4, Host6}} {
					add(fmt.Sprintf("%s/%d/%s/%s", to.v4, at, from.v4, k.name), func(r *Run) {
						d, s := k.open(r), k.open(r)
						r.Set(d, tcpip.SO_BINDTOIFINDEX, at)
						r.Set(d, tcpip.IP_PKTINFO, 1)
						r.Set(d, tcpip.IPV6_RECVPKTINFO, 1)
						r.Bind(d, k.any(4000))
						if from.v4 != "0.0.0.0" {
							r.Bind(s, k.at(from.v4, from.v6, 4001))
						}
						r.Set(s, tcpip.SO_BINDTOIFINDEX, 1)
						r.Set(s, tcpip.IP_RECVERR, 1)
						r.Set(s, tcpip.IPV6_RECVERR, 1)
						if streams(k) {
							r.Listen(d, 5)
							r.Connect(s, k.at(to.v4, to.v6, 4000))
							r.Poll(s)
							r.Names(s)
							c := r.Accept(d, 0)
							r.Names(c)
							r.Send(s, []byte("abc"), nil, nil, 0)
							r.Recv(c, 10, 0, 0)
							r.Send(c, []byte("def"), nil, nil, 0)
							r.Recv(s, 10, 0, 0)
							r.Packets()
							return
						}
						for _, port := range []uint16{4000, 4002} {
							r.Send(s, payload, k.at(to.v4, to.v6, port), nil, 0)
							r.Recv(d, 100, 100, 0)
							r.Recv(s, 100, 200, linux.MSG_ERRQUEUE)
						}
						r.Connect(s, k.at(to.v4, to.v6, 4000))
						r.Names(s)
						r.Send(s, payload, nil, nil, 0)
						m := r.Recv(d, 100, 100, 0)
						if len(m.Name) > 0 && udps(k) {
							r.Send(d, []byte("back"), m.Name, nil, 0)
							r.Recv(s, 100, 0, 0)
						}
						r.Packets()
					})
				}
			}
		}
	}
	return list
}
