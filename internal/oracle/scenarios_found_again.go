package oracle

import (
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// foundAgain are more of foundScenarios: what is corked and goes elsewhere, and which complaint comes first.
func foundAgain() (list []Scenario) {
	add := func(name string, do func(*Run)) { list = append(list, Scenario{"found/" + name, do}) }
	udp4, udp6, raw4, raw6 := sortOf("udp4"), sortOf("udp6"), sortOf("raw4"), sortOf("raw6")
	for _, from := range []string{"127.0.0.1", Host4, Peer4} {
		for _, to := range []string{"127.0.0.1", Host4, Peer4} {
			add(fmt.Sprintf("corked-and-connected/%s-%s/udp4", from, to), func(r *Run) { // by the device that was chosen first
				d, s := udp4.open(r), udp4.open(r)
				r.Bind(d, In4("0.0.0.0", 4002))
				r.Send(s, []byte("abc"), In4(from, 4000), nil, linux.MSG_MORE)
				r.Connect(s, In4(to, 4002))
				r.Send(s, []byte("def"), nil, nil, 0)
				r.Recv(d, 100, 100, 0)
				r.Packets()
			})
			if from == Peer4 && to != Peer4 { // see corked-anew/device
				continue
			}
			add(fmt.Sprintf("corked-and-sent/%s-%s/raw4", from, to), func(r *Run) {
				d, s := raw4.open(r), raw4.open(r)
				r.Send(s, []byte("abc"), In4(from, 0), nil, linux.MSG_MORE)
				r.Send(s, []byte("def"), In4(to, 0), nil, 0)
				r.Recv(d, 100, 100, 0)
				r.Packets()
			})
		}
	}
	for _, at := range []string{"", "::1", Host6} {
		for _, to := range []string{"::ffff:127.0.0.1", "::ffff:127.0.0.2", "::ffff:10.77.0.1", "::ffff:10.77.0.2", "::ffff:192.0.2.9"} {
			add("mapped-from-six/"+at+"-"+to+"/raw6", func(r *Run) {
				s := raw6.open(r)
				if at != "" {
					r.Bind(s, In6(at, 4000))
				}
				for range 2 {
					r.Connect(s, In6(to, 4000))
					r.Names(s)
					r.Connect(s, In6("::1", 4002))
					r.Names(s)
				}
			})
		}
	}
	for _, k := range sorts {
		for _, nic := range []int{9, -1} {
			add(fmt.Sprintf("device-of-nobody/%d/%s", nic, k.name), func(r *Run) {
				s := k.open(r)
				r.Set(s, tcpip.SO_BINDTOIFINDEX, nic)
				r.Get(s, tcpip.SO_BINDTOIFINDEX)
				r.Bind(s, k.loopback(4000))
				if streams(k) {
					r.Listen(s, 5)
					c := k.open(r)
					r.Connect(c, k.loopback(4000))
					r.Poll(c)
					d := k.open(r)
					r.Set(d, tcpip.SO_BINDTOIFINDEX, nic)
					r.Connect(d, k.loopback(4001))
					r.Connect(d, k.peer(4001))
					r.Poll(d)
				} else {
					r.Send(s, []byte{8, 0, 0, 0, 0, 0, 0, 1}, k.loopback(4001), nil, 0)
					r.Connect(s, k.peer(4001))
				}
				r.Set(s, tcpip.SO_BINDTOIFINDEX, 0)
				r.Names(s)
				for _, at := range []struct{ v4, v6 string }{{Host4, Host6}, {"0.0.0.0", "::ffff:127.0.0.1"}, {"224.0.0.99", "::ffff:0.0.0.0"},
					{"192.0.2.9", "2001:db8::9"}, {"255.255.255.255", "ff02::9"}, {"0.0.0.0", "::"}} {
					b := k.open(r)
					r.Set(b, tcpip.SO_BINDTOIFINDEX, nic)
					r.Bind(b, k.at(at.v4, at.v6, 4010))
				}
			})
		}
		if !streams(k) {
			for nic := range 3 {
				for _, connected := range []bool{false, true} {
					add(fmt.Sprintf("device-and-disconnect/%d-%v/%s", nic, connected, k.name), func(r *Run) {
						s, c := k.open(r), k.open(r)
						r.Set(s, tcpip.SO_BINDTOIFINDEX, nic)
						r.Bind(s, k.any(4000))
						if connected {
							r.Connect(s, k.loopback(4001))
							r.Names(s)
						}
						r.Connect(s, Unspec())
						r.Get(s, tcpip.SO_BINDTOIFINDEX)
						r.Names(s)
						data := []byte{8, 0, 0, 0, 0, 0, 0, 1}
						if k.v6() {
							data[0] = 128
						}
						r.Send(c, data, k.loopback(4000), nil, 0)
						r.Recv(s, 100, 0, 0)
						if !connected { // see deaf-after-disconnect
							r.Send(c, data, k.at(Host4, Host6, 4000), nil, 0)
							r.Recv(s, 100, 0, 0)
						}
						r.Send(s, data, k.peer(4000), nil, 0)
						r.Packets()
					})
				}
			}
			add("deaf-after-disconnect/"+k.name, func(r *Run) {
				s, c := k.open(r), k.open(r)
				r.Bind(s, k.any(4000))
				r.Connect(s, k.loopback(4001))
				r.Connect(s, Unspec())
				r.Send(c, []byte{128, 0, 0, 0, 0, 0, 0, 1}, k.at(Host4, Host6, 4000), nil, 0)
				r.Recv(s, 100, 0, 0)
			})
			for _, at := range []string{"ff0e::99", "ff02::99", "::1", Host6} {
				if !k.v6() {
					continue
				}
				add("only-six/"+at+"/"+k.name, func(r *Run) {
					s := k.open(r)
					r.Bind(s, In6(at, 4001))
					r.Connect(s, In6("::ffff:127.0.0.2", 0))
					r.Connect(s, In6("::ffff:127.0.0.2", 4000))
					r.Send(s, []byte{128, 0, 0, 0, 0, 0, 0, 1}, In6("::ffff:127.0.0.2", 4000), nil, 0)
					r.Connect(s, Unspec())
					r.Connect(s, In6("::ffff:127.0.0.2", 4000))
				})
			}
			if k.v6() {
				for _, from := range []string{"::ffff:127.0.0.2", "::ffff:10.77.0.2", "2001:db8::9", "::1"} {
					for nic := range 4 {
						for _, free := range []int{0, 1} {
							add(fmt.Sprintf("info-of-four/%s-%d-%d/%s", from, nic, free, k.name), func(r *Run) {
								s := k.open(r)
								r.Set(s, tcpip.IPV6_FREEBIND, free)
								data := []byte{128, 0, 0, 0, 0, 0, 0, 1}
								for _, to := range [][]byte{In6("::1", 4002), In6(Peer6, 4002), In6("2001:db8::1", 4002), Unspec(), In6("::ffff:127.0.0.1", 4000)} {
									r.Send(s, data, to, pktinfo(k, "", from, nic), 0)
								}
								if udps(k) {
									r.Connect(s, In6("::ffff:127.0.0.1", 4000))
									r.Send(s, data, Unspec(), pktinfo(k, "", from, nic), 0)
								}
							})
						}
					}
				}
			}
		}
		if streams(k) {
			add("device-of-nobody/connected/"+k.name, func(r *Run) {
				_, c, s := k.pair(r)
				r.Set(c, tcpip.SO_BINDTOIFINDEX, 9)
				r.Send(c, []byte("abc"), nil, nil, 0)
				r.Recv(s, 10, 0, 0)
				r.Poll(c)
				r.Set(c, tcpip.SO_BINDTOIFINDEX, 0)
				r.Send(c, []byte("def"), nil, nil, 0)
				r.Await(s, 1)
				r.Recv(s, 10, 0, 0)
			})
		}
	}
	add("corked-six-to-four/udp6", func(r *Run) {
		s := udp6.open(r)
		r.Bind(s, In6("::", 4000))
		r.Send(s, []byte("abc"), In6(Peer6, 4002), nil, linux.MSG_MORE)
		r.Connect(s, In6("::ffff:127.0.0.2", 4000))
		r.Send(s, []byte("def"), nil, nil, 0)
		r.Packets()
	})
	add("corked-six-and-urgent/udp6", func(r *Run) {
		s := udp6.open(r)
		for _, n := range []int{1, 65536} {
			r.Send(s, []byte("abc"), In6(Host6, 4000), nil, linux.MSG_MORE)
			r.Send(s, make([]byte, n), In6("::ffff:10.77.0.2", 4000), nil, linux.MSG_OOB)
			r.Send(s, make([]byte, n), In4(Peer4, 4000), nil, linux.MSG_OOB)
			r.Send(s, make([]byte, n), In6("::ffff:10.77.0.2", 4000), nil, 0)
		}
	})
	for _, k := range sorts {
		if pings(k) {
			add("complaint-to-another/"+k.name, func(r *Run) { // address than that which has sent
				s := k.open(r)
				r.Connect(s, k.at(Host4, "::1", 0))
				r.Connect(s, k.peer(4002))
				r.Names(s)
				r.Send(s, append([]byte{echoType(k), 0, 0, 0, 0, 0, 0, 0}, make([]byte, 100)...), nil, nil, 0)
				sent := r.Packets()
				if len(sent) > 0 {
					r.Inject("unreachable", icmpAbout(sent[0], 3, 1, 3))
				}
				r.Get(s, linux.SO_ERROR)
			})
		}
		if streams(k) {
			continue
		}
		data := []byte{8, 0, 0, 0, 0, 0, 0, 1}
		if k.v6() {
			data[0] = 128
		}
		add("probe/"+k.name, func(r *Run) {
			s := k.open(r)
			for _, to := range [][]byte{k.peer(4000), k.loopback(4000), k.foreign(4000)} {
				r.Send(s, data, to, nil, 0x10)
				r.Packets()
			}
			r.Connect(s, k.peer(4000))
			r.Send(s, data, nil, nil, 0x10)
			r.Send(s, append(data, make([]byte, 70000)...), nil, nil, 0x10)
			r.Shutdown(s, 2)
			r.Send(s, data, nil, nil, 0x10)
			r.Packets()
		})
		for _, nic := range []int{0, 1, 2} {
			add(fmt.Sprintf("info-of-nobody/%d/%s", nic, k.name), func(r *Run) {
				s := k.open(r)
				r.Set(s, tcpip.SO_BINDTOIFINDEX, nic)
				for _, of := range []int{1, 2, 3, -1} {
					r.Send(s, data, k.peer(4000), pktinfo(k, "0.0.0.0", "::", of), 0)
					r.Send(s, data, k.loopback(4000), pktinfo(k, "127.0.0.1", "::1", of), 0)
				}
				if k.v6() {
					r.SetOpt(s, 41, 50, append(make([]byte, 16), Int(2)...))
					for _, of := range []int{1, 2, 3} {
						r.Send(s, data, k.peer(4000), pktinfo(k, "0.0.0.0", "::", of), 0)
					}
				}
				r.Packets()
			})
		}
		for _, to := range []struct{ v4, v6 string }{{Peer4, Peer6}, {Peer4, "::ffff:" + Peer4}} {
			add("long-and-message/"+to.v6+"/"+k.name, func(r *Run) {
				s := k.open(r)
				for _, n := range []int{8, 65536} {
					for _, c := range [][]byte{Cmsg(17, 15, Int(7)), Cmsg(0, 1, Int(-1)), Cmsg(41, 67, Int(999)), Cmsg(1, 99, Int(1))} {
						r.Send(s, append(data, make([]byte, n-8)...), k.at(to.v4, to.v6, 4000), c, 0)
						r.Send(s, append(data, make([]byte, n-8)...), k.at(to.v4, to.v6, 4000), c, linux.MSG_OOB)
					}
				}
				r.Packets()
			})
		}
	}
	return list
}
