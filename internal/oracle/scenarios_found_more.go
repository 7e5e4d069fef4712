package oracle

import (
	"bytes"
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// foundMore are found like foundSince: about control messages, error queues, and what a socket keeps of its ways.
func foundMore() (list []Scenario) {
	add := func(name string, do func(*Run)) { list = append(list, Scenario{"found/" + name, do}) }
	udp4, tcp4, tcp6, raw4, raw6 := sortOf("udp4"), sortOf("tcp4"), sortOf("tcp6"), sortOf("raw4"), sortOf("raw6")
	for _, k := range []sort{tcp4, tcp6} {
		for _, low := range []int{1, 2000, 100000, 1 << 20, -1} {
			add(fmt.Sprintf("low-water-makes-room/%d/%s", low, k.name), func(r *Run) {
				_, s, c := k.pair(r)
				r.Send(c, []byte("abcdefghij"), nil, nil, 0)
				r.Set(s, tcpip.SO_RCVLOWAT, low)
				r.Get(s, tcpip.SO_RCVLOWAT)
				r.Send(s, []byte("abcde"), nil, nil, 0)
				r.Send(c, bytes.Repeat([]byte("a"), 600), nil, nil, 0)
				r.Poll(s)
				r.Recv(s, 1, 0, 0)
				r.Send(c, bytes.Repeat([]byte("a"), 100), nil, nil, 0)
				r.Recv(s, 3000, 0, 0)
			})
		}
	}
	for _, k := range sorts {
		data := []byte("abc")
		if pings(k) {
			data = []byte{echoType(k), 0, 0, 0, 0, 0, 0, 1}
		}
		add("message-of-devices/"+k.name, func(r *Run) { // a number of memory that is a device's, which is of no use without one
			s := k.open(r)
			if streams(k) {
				_, s, _ = k.pair(r)
			}
			for _, v := range []int{0, 1, 64} {
				for _, n := range []int{4, 0, 3, 8} {
					r.Send(s, data, k.loopback(4000), Cmsg(1, 79, append(Int(v), 0, 0, 0, 0)[:n]), 0)
				}
			}
		})
		add("message-of-devices-first/"+k.name, func(r *Run) { // of which a socket complains that is not connected
			s := k.open(r)
			r.Send(s, data, nil, Cmsg(1, 79, Int(64)), 0)
			r.Send(s, data, nil, append(Cmsg(1, 79, Int(64)), Cmsg(1, 79, Int(0))...), 0)
			r.Send(s, data, nil, append(Cmsg(1, 79, Int(64)), Cmsg(1, 36, []byte{1})...), 0)
		})
		add("message-of-protocol/"+k.name, func(r *Run) {
			s := k.open(r)
			if streams(k) {
				_, s, _ = k.pair(r)
			}
			for _, v := range []int{-1, 0, 1, 52, 255, 256} {
				r.Send(s, data, k.loopback(4000), Cmsg(0, 52, Int(v)), 0)
			}
			for _, n := range []int{0, 1, 3, 5, 8} {
				r.Send(s, data, k.loopback(4000), Cmsg(0, 52, make([]byte, n)), 0)
			}
		})
		if streams(k) {
			continue
		}
		add("error-and-tags/"+k.name, func(r *Run) {
			s := k.open(r)
			for _, id := range []tcpip.OptionID{tcpip.SO_RCVMARK, tcpip.SO_RCVPRIORITY, tcpip.SO_RXQ_OVFL, tcpip.SO_TIMESTAMP, tcpip.IP_RECVERR,
				tcpip.IPV6_RECVERR, tcpip.IP_PKTINFO, tcpip.IPV6_RECVPKTINFO, tcpip.IP_RECVTTL, tcpip.IP_RECVTOS, tcpip.IPV6_RECVHOPLIMIT, tcpip.IPV6_RECVTCLASS} {
				r.Set(s, id, 1)
			}
			r.Set(s, tcpip.IP_MTU_DISCOVER, 2)
			r.Set(s, tcpip.IPV6_MTU_DISCOVER, 2)
			r.Send(s, data, k.loopback(4000), nil, 0)
			r.Recv(s, 100, 400, linux.MSG_ERRQUEUE)
			r.Send(s, append(data, make([]byte, 2000)...), k.peer(0), nil, 0)
			r.Send(s, append(data, make([]byte, 2000)...), k.peer(4000), nil, 0)
			r.Recv(s, 100, 400, linux.MSG_ERRQUEUE)
		})
	}
	for _, k := range []sort{tcp4, tcp6} {
		for _, at := range []struct{ v4, v6 string }{{"127.0.0.1", "::1"}, {Host4, Host6}} {
			for _, flags := range []int{1000, 1000 &^ 0x200, 1000 | 2, 0x210, 0x210 | 1<<7} {
				add(fmt.Sprintf("times-of-data/%#x-%s/%s", flags, at.v4, k.name), func(r *Run) {
					l, c := k.open(r), k.open(r)
					r.Bind(l, k.at(at.v4, at.v6, 4000))
					r.Listen(l, 5)
					r.Connect(c, k.at(at.v4, at.v6, 4000))
					s := r.Accept(l, 0)
					r.Set(s, tcpip.SO_TIMESTAMPING, flags)
					r.Send(s, []byte("abcdefghijklmnopqrstuvwxyzabcd"), nil, nil, 0)
					for range 4 {
						r.Recv(s, 3000, 300, linux.MSG_ERRQUEUE)
					}
				})
			}
		}
		add("mtu-after-bind/refused/"+k.name, func(r *Run) {
			s := k.open(r)
			r.Connect(s, k.loopback(4000))
			mtus(r, s)
			r.Bind(s, k.loopback(4000))
			mtus(r, s)
			r.Connect(s, Unspec())
			mtus(r, s)
		})
		add("mtu-after-bind/mapped/"+k.name, func(r *Run) {
			s := k.open(r)
			r.Connect(s, k.at("127.0.0.1", "::ffff:127.0.0.1", 4000))
			mtus(r, s)
			r.Bind(s, k.any(4000))
			mtus(r, s)
		})
		add("mtu-after-bind/ended/"+k.name, func(r *Run) {
			_, c, s := k.pair(r)
			r.Shutdown(s, 1)
			r.Close(c)
			mtus(r, s)
			r.Bind(s, k.at(Host4, Host6, 4000))
			mtus(r, s)
		})
		for _, low := range []int{1, 1000, 3000, 100000} {
			add(fmt.Sprintf("little-unsent/%d/%s", low, k.name), func(r *Run) {
				_, c, s := k.pair(r)
				r.Set(c, tcpip.Option(6, 25), low)
				r.Send(c, make([]byte, 2000), nil, nil, 0)
				r.Send(s, []byte("answer"), nil, nil, 0)
				for range 5 {
					r.Send(c, make([]byte, 1400), nil, nil, 0)
					r.Poll(c)
					r.Ioctl(c, linux.SIOCOUTQNSD)
				}
			})
		}
	}
	add("four-to-six/tcp6", func(r *Run) {
		l := tcp6.open(r)
		r.Bind(l, In6("::1", 4000))
		r.Listen(l, 5)
		s := tcp6.open(r)
		r.Connect(s, In6("::ffff:10.77.0.2", 4001))
		r.Shutdown(s, 2)
		r.Connect(s, In6("::1", 4000))
		r.Poll(s)
		r.Accept(l, 0)
		r.Send(s, []byte("abc"), nil, nil, 0)
	})
	for _, bound := range []string{"", "127.0.0.1", Host4} {
		for _, at := range []int{0, 1, 2} {
			for _, how := range []string{"send", "connect"} {
				add(fmt.Sprintf("to-any-by-device/%s-%d-%s/udp4", bound, at, how), func(r *Run) {
					d, s := udp4.open(r), udp4.open(r)
					r.Set(d, tcpip.SO_BINDTOIFINDEX, at)
					r.Set(d, tcpip.IP_PKTINFO, 1)
					r.Bind(d, In4("0.0.0.0", 4000))
					if bound != "" {
						r.Bind(s, In4(bound, 4001))
					}
					if how == "send" {
						r.Send(s, []byte("abc"), In4("0.0.0.0", 4000), nil, 0)
					} else {
						r.Connect(s, In4("0.0.0.0", 4000))
						r.Send(s, []byte("abc"), nil, nil, 0)
						r.Send(s, []byte("abc"), nil, nil, 0)
					}
					r.Recv(d, 10, 100, 0)
					r.Recv(d, 10, 100, 0)
				})
			}
		}
	}
	for _, from := range []string{"192.0.2.9", "127.0.0.1", Host4} {
		for nic := range 4 {
			add(fmt.Sprintf("header-and-info/%s-%d/raw4", from, nic), func(r *Run) {
				s := raw4.open(r)
				r.Set(s, ipHdrincl, 1)
				r.Send(s, []byte("abcde"), raw4.peer(0), pktinfo(raw4, from, "::", nic), 0)
				r.Send(s, ip4(Host4, Peer4, 253, []byte("abc")), raw4.peer(0), pktinfo(raw4, from, "::", nic), 0)
				r.Packets()
			})
		}
	}
	add("long-and-mapped/raw6", func(r *Run) {
		s := raw6.open(r)
		r.Send(s, make([]byte, 65536), In6("::ffff:127.0.0.2", 0), nil, 0)
		r.Connect(s, In6("::ffff:127.0.0.2", 4000))
		r.Send(s, make([]byte, 65536), nil, nil, 0)
	})
	add("corked-anew/device/raw4", func(r *Run) {
		s := raw4.open(r)
		for _, to := range []string{"127.0.0.1", Host4} {
			r.Send(s, []byte("abc"), In4(to, 0), nil, linux.MSG_MORE)
			r.Send(s, []byte("def"), raw4.peer(0), nil, 0)
			r.Packets()
			r.Send(s, []byte("abc"), raw4.peer(0), nil, linux.MSG_MORE)
			r.Send(s, []byte("def"), In4(to, 0), nil, 0)
			r.Recv(s, 100, 0, 0)
			r.Packets()
		}
	})
	add("corked-other-family/udp6", func(r *Run) {
		s := sortOf("udp6").open(r)
		for _, n := range []int{1, 65536} {
			r.Send(s, []byte("abcde"), In6(Host6, 4000), nil, linux.MSG_MORE)
			r.Send(s, make([]byte, n), In4(Peer4, 4000), nil, 0)
			r.Send(s, make([]byte, n), In6("::ffff:10.77.0.2", 4000), nil, 0)
		}
	})
	add("mapped-without-hops/raw6", func(r *Run) {
		s := raw6.open(r)
		r.Send(s, make([]byte, 100), In6("::ffff:127.0.0.1", 0), Cmsg(41, 52, Int(0)), 0)
		r.Send(s, make([]byte, 100), In6("::1", 0), Cmsg(41, 52, Int(0)), 0)
	})
	for _, bound := range []string{"::ffff:127.0.0.1", "::ffff:10.77.0.1", Host6, "::"} {
		for nic := range 3 {
			add(fmt.Sprintf("from-other-family/%s-%d/udp6", bound, nic), func(r *Run) {
				s := sortOf("udp6").open(r)
				r.Bind(s, In6(bound, 4000))
				for _, to := range []string{Host6, Peer6, "::1", "2001:db8::9"} {
					r.Send(s, []byte("abc"), In6(to, 4001), pktinfo(sortOf("udp6"), "", "::", nic), 0)
				}
				r.Packets()
			})
		}
	}
	for _, nic := range []int{1, 2, 9, -77} {
		add(fmt.Sprintf("lasting-info/%d/udp6", nic), func(r *Run) {
			s, c := sortOf("udp6").open(r), sortOf("udp6").open(r)
			r.Connect(c, In6(Peer6, 4000))
			for _, s := range []int{s, c} {
				r.SetOpt(s, 41, 50, append(make([]byte, 16), Int(nic)...))
				r.Send(s, []byte("abc"), In6(Peer6, 4000), nil, 0)
				r.Packets()
			}
			r.Send(c, []byte("abc"), nil, nil, 0)
			r.Packets()
		})
	}
	for _, to := range []string{"ff01::1", "ff02::1", "::1"} {
		add("times-of-nothing/"+to+"/udp6", func(r *Run) {
			s := sortOf("udp6").open(r)
			r.Bind(s, In6(Host6, 4000))
			r.Set(s, tcpip.SO_TIMESTAMPING, 256|2)
			r.Send(s, []byte("abcde"), In6(to, 4000), nil, 0)
			r.Poll(s)
			r.Recv(s, 100, 200, linux.MSG_ERRQUEUE)
			r.Recv(s, 100, 200, linux.MSG_ERRQUEUE)
		})
	}
	for _, header := range []string{"\x45", "\x46", "\x44", "\x0f", "\x65"} {
		add(fmt.Sprintf("header-of/%x/raw4", header), func(r *Run) {
			s := raw4.open(r)
			r.Set(s, ipHdrincl, 1)
			for _, n := range []int{19, 20, 22, 24, 60} {
				p := make([]byte, n)
				copy(p, ip4(Host4, Peer4, 253, nil))
				p[0] = header[0]
				r.Send(s, p, raw4.peer(0), nil, 0)
			}
			r.Shutdown(s, 1)
			for _, n := range []int{19, 20, 22, 24} {
				p := make([]byte, n)
				p[0] = header[0]
				r.Send(s, p, raw4.peer(0), nil, 0)
			}
		})
	}
	add("bind-beside-child/tcp4", func(r *Run) {
		l := tcp6.open(r)
		r.Bind(l, In6("::", 4000))
		r.Listen(l, 5)
		r.Connect(tcp6.open(r), In6(Host6, 4000))
		r.Accept(l, 0)
		r.Close(l)
		r.Bind(tcp4.open(r), In4("0.0.0.0", 4000))
	})
	for _, name := range []string{"udp6", "ping6"} {
		k := sortOf(name)
		add("mapped-source/"+name, func(r *Run) {
			s := k.open(r)
			r.Set(s, tcpip.IP_FREEBIND, 1)
			r.Connect(s, In6("::1", 4002))
			r.Shutdown(s, 2)
			r.Send(s, []byte{128, 0, 0, 0, 0, 0, 0, 1}, nil, pktinfo(k, "", "::ffff:127.0.0.2", 0), 0)
			r.Send(s, []byte{128, 0, 0, 0, 0, 0, 0, 1}, nil, pktinfo(k, "", "::ffff:127.0.0.2", 2), 0)
		})
	}
	add("ping-mapped/ping6", func(r *Run) {
		s := sortOf("ping6").open(r)
		r.Set(s, tcpip.IPV6_V6ONLY, 0)
		r.Connect(s, In6("::ffff:127.0.0.1", 4001))
		r.Send(s, []byte{128, 0, 0, 0, 0, 0, 0, 1}, nil, nil, 0)
		r.Send(s, []byte{8, 0, 0, 0, 0, 0, 0, 1}, nil, nil, 0)
		r.Recv(s, 100, 0, 0)
	})
	add("unspec-and-messages/udp6", func(r *Run) {
		s := sortOf("udp6").open(r)
		r.Connect(s, In6("::ffff:127.0.0.1", 4000))
		for nic := range 4 {
			r.Send(s, []byte("abc"), Unspec(), pktinfo(sortOf("udp6"), "", "::1", nic), 0)
		}
		for n := range 5 {
			r.Send(s, []byte("abc"), Unspec(), Cmsg(41, 67, make([]byte, n)), 0)
		}
	})
	add("long-to-no-port/udp6", func(r *Run) {
		s := sortOf("udp6").open(r)
		for _, to := range []string{"::ffff:127.0.0.1", "::1"} {
			for _, n := range []int{1, 65536} {
				r.Send(s, make([]byte, n), In6(to, 0), nil, 0)
			}
		}
	})
	add("only-six-again/tcp6", func(r *Run) {
		_, c, s := tcp6.pair(r)
		r.Send(s, []byte("abc"), nil, nil, 0)
		r.Close(c)
		r.Get(s, tcpip.IPV6_V6ONLY)
		r.Set(s, tcpip.IPV6_V6ONLY, 0)
		r.Get(s, tcpip.IPV6_V6ONLY)
		r.Connect(s, In6("::ffff:127.0.0.1", 4000))
	})
	add("misrouted/udp4", func(r *Run) {
		d, s := udp4.open(r), udp4.open(r)
		r.Bind(d, In4("0.0.0.0", 4000))
		r.Send(s, []byte("abc"), udp4.peer(4000), pktinfo(udp4, "127.0.0.1", "::", 1), 0)
		r.Recv(d, 10, 0, 0)
	})
	return list
}

// mtus looks at both families' path MTU.
func mtus(r *Run, s int) {
	r.Get(s, tcpip.IP_MTU)
	r.Get(s, tcpip.IPV6_MTU)
}
