package oracle

import (
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// foundLast are more of foundScenarios: sums that are told, what may be cut, and what a stream shows that is over.
func foundLast() (list []Scenario) {
	add := func(name string, do func(*Run)) { list = append(list, Scenario{"found/" + name, do}) }
	udp4 := sortOf("udp4")
	for _, size := range []int{0, 1, 67, 68, 69, 76, 77, 500, 2000} {
		for _, how := range []string{"corked", "arrives", "whole"} {
			add(fmt.Sprintf("sum-told/%s-%d/udp4", how, size), func(r *Run) { // where it was looked at before it was copied
				for _, flags := range []int{0, linux.MSG_PEEK, linux.MSG_TRUNC} {
					for _, room := range []int{3000, size, size - 1, 1} {
						d, c := udp4.open(r), udp4.open(r)
						r.Set(d, tcpip.Option(0, 23), 1)
						r.Bind(d, udp4.any(4000))
						switch how {
						case "corked":
							r.Send(c, nil, udp4.loopback(4000), nil, linux.MSG_MORE)
							r.Send(c, counted(size), udp4.loopback(4000), nil, 0)
						case "arrives":
							r.Inject("datagram", arriving{data: counted(min(size, 1400))}.packet())
						case "whole":
							r.Send(c, counted(size), udp4.loopback(4000), nil, 0)
						}
						r.Recv(d, max(room, 0), 100, flags)
						r.Recv(d, 3000, 100, 0)
						r.Close(d)
					}
				}
			})
		}
	}
	for _, from := range []string{"192.0.2.9", Peer4, Host4} {
		for nic := range 3 {
			add(fmt.Sprintf("to-nowhere-from-nobody/%s-%d/udp4", from, nic), func(r *Run) {
				d, s := udp4.open(r), udp4.open(r)
				r.Bind(d, udp4.any(4002))
				r.Set(s, tcpip.IP_TRANSPARENT, 1)
				r.Send(s, []byte("abc"), In4("0.0.0.0", 4002), pktinfo(udp4, from, "::", nic), 0)
				r.Recv(d, 10, 0, 0)
				r.Packets()
			})
		}
	}
	add("short-and-urgent/udp6", func(r *Run) {
		s := sortOf("udp6").open(r)
		for n := range 17 {
			r.Send(s, []byte("abc"), In4(Peer4, 4000)[:n], nil, linux.MSG_OOB)
		}
	})
	add("bound-again-freely/ping6", func(r *Run) {
		s := sortOf("ping6").open(r)
		r.Connect(s, In6("::1", 0))
		r.Set(s, tcpip.SO_BINDTOIFINDEX, 2)
		r.Set(s, tcpip.IP_FREEBIND, 1)
		r.Bind(s, In6("::1", 4002))
	})
	for _, proto := range []int{17, 58, 103, 253, 255} {
		for _, to := range []string{Peer6, "ff0e::99"} {
			add(fmt.Sprintf("uncut/%d/%s/raw6", proto, to), func(r *Run) { // an option that few protocols have
				s := r.Socket(10, 3, proto)
				r.Set(s, tcpip.IPV6_DONTFRAG, 1)
				r.Set(s, tcpip.IPV6_RECVERR, 1)
				r.Send(s, make([]byte, 2000), In6(to, 0), nil, 0)
				r.Packets()
				r.Recv(s, 100, 200, linux.MSG_ERRQUEUE)
				r.Send(s, make([]byte, 2000), In6(to, 0), Cmsg(41, 62, Int(0)), 0)
				r.Packets()
				r.Set(s, tcpip.IPV6_DONTFRAG, 0)
				r.Send(s, make([]byte, 2000), In6(to, 0), Cmsg(41, 62, Int(1)), 0)
				r.Packets()
				r.Recv(s, 100, 200, linux.MSG_ERRQUEUE)
			})
		}
	}
	for _, k := range sorts {
		if k.v6() && !streams(k) {
			for _, nic := range []int{1, 2, 9} {
				for _, to := range []string{"::", "::1", Host6, Peer6, "ff0e::99"} {
					add(fmt.Sprintf("lasting-info/%d-%s/%s", nic, to, k.name), func(r *Run) {
						for _, connected := range []bool{false, true} {
							s := k.open(r)
							if connected {
								r.Connect(s, In6(to, 4001))
							}
							r.SetOpt(s, 41, 50, append(make([]byte, 16), Int(nic)...))
							data := []byte{128, 0, 0, 0, 0, 0, 0, 1}
							if connected {
								r.Send(s, data, nil, nil, 0)
							}
							r.Send(s, data, In6(to, 4001), nil, 0)
							r.Packets()
						}
					})
				}
			}
		}
		if streams(k) {
			for _, at := range []struct{ v4, v6 string }{{"127.0.0.2", "::ffff:127.0.0.2"}, {Host4, Host6}, {"127.0.0.1", "::1"}, {"0.0.0.0", "::ffff:0.0.0.0"}, {Host4, "::ffff:" + Host4}} {
				for _, to := range []struct{ v4, v6 string }{{"0.0.0.0", "::"}, {"0.0.0.0", "::ffff:0.0.0.0"}} {
					add(fmt.Sprintf("connect-any-from/%s-%s/%s", at.v6, to.v6, k.name), func(r *Run) {
						for _, port := range []uint16{4000, 4001} {
							s := k.open(r)
							r.Bind(s, k.at(at.v4, at.v6, 4000))
							r.Connect(s, k.at(to.v4, to.v6, port))
							r.Names(s)
							r.Poll(s)
							r.Close(s)
						}
					})
				}
				add("accepted-and-apart/"+at.v6+"/"+k.name, func(r *Run) {
					l, c := k.open(r), k.open(r)
					r.Bind(l, k.at(at.v4, at.v6, 4000))
					r.Listen(l, 5)
					r.Connect(c, k.at(at.v4, at.v6, 4000))
					s := r.Accept(l, 0)
					r.Connect(s, Unspec())
					r.Names(s)
					r.Connect(s, k.at("127.0.0.1", "::ffff:127.0.0.1", 4001))
					r.Names(s)
					r.Connect(s, Unspec())
					r.Connect(s, k.at(Host4, Host6, 4001))
					r.Names(s)
				})
			}
			for _, low := range []int{1000, 40000, 70000, 200000, 1 << 20, -1} {
				add(fmt.Sprintf("low-water-first/%d/%s", low, k.name), func(r *Run) {
					s := k.open(r)
					r.Set(s, tcpip.SO_RCVLOWAT, low)
					r.Get(s, tcpip.SO_RCVLOWAT)
					r.Get(s, tcpip.SO_RCVBUF)
					r.Connect(s, k.peer(4002))
					r.Packets()
					r.Get(s, tcpip.SO_RCVBUF)
				})
			}
		}
		add("class-forgets/"+k.name, func(r *Run) { // of the class that was set, not of what it comes to
			s := k.open(r)
			if streams(k) {
				_, s, _ = k.pair(r)
			} else {
				r.Connect(s, k.loopback(4000))
			}
			for _, v := range []int{0, 1, 2, 3, 4, 7, 256, 260, 1 << 20, -1} {
				r.Set(s, tcpip.IP_TOS, v)
				mtus(r, s)
				r.Set(s, tcpip.IPV6_TCLASS, v)
				mtus(r, s)
				r.Send(s, []byte{8, 0, 0, 0, 0, 0, 0, 1}, nil, nil, 0)
			}
		})
		if !streams(k) {
			continue
		}
		for _, low := range []int{1000, 32769, 32770, 131076, 131077, 1 << 20} {
			add(fmt.Sprintf("unsent-of-old/%d/%s", low, k.name), func(r *Run) { // which is not to be counted on
				_, c, _ := k.pair(r)
				r.Connect(c, Unspec())
				r.Get(c, linux.SO_ERROR)
				r.Poll(c)
				r.Set(c, tcpip.Option(6, 25), low)
				r.Poll(c)
				r.Shutdown(c, 2)
				r.Poll(c)
			})
		}
	}
	return list
}
