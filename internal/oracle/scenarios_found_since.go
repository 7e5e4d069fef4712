package oracle

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/seed963a8790/netstack/internal/checksum"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// foundSince are still more of foundScenarios: what sequences of many seeds have shown one at a time.
func foundSince() (list []Scenario) {
	add := func(name string, do func(*Run)) { list = append(list, Scenario{"found/" + name, do}) }
	udp4, udp6 := sortOf("udp4"), sortOf("udp6")
	add("label-with-nothing/udp6", func(r *Run) { // what lies behind the request is looked at first
		s := udp6.open(r)
		for _, n := range []int{32, 33, 40, 48, 264} {
			r.SetOpt(s, 41, 32, make([]byte, n))
		}
		for _, n := range []int{32, 48} {
			b := make([]byte, n)
			b[18], b[19] = 3, 7
			r.SetOpt(s, 41, 32, b)
		}
	})
	for _, name := range []string{"raw4", "raw6"} {
		k := sortOf(name)
		more := func(about string, then func(r *Run, s int)) {
			add("corked-anew/"+about+"/"+name, func(r *Run) { // each write looks for its way
				s := k.open(r)
				r.Send(s, []byte("abc"), k.peer(0), nil, linux.MSG_MORE)
				then(r, s)
				r.Packets()
				r.Send(s, []byte("def"), k.peer(0), nil, 0)
				r.Packets()
			})
		}
		more("nobody", func(r *Run, s int) { r.Send(s, []byte("x"), nil, nil, 0) })
		more("another", func(r *Run, s int) { r.Send(s, []byte("x"), k.at("10.77.0.9", "fd77::9", 0), nil, 0) })
		more("nowhere", func(r *Run, s int) { r.Send(s, []byte("x"), k.foreign(0), nil, 0) })
		more("family", func(r *Run, s int) { r.Send(s, []byte("x"), k.at("10.77.0.9", "::ffff:10.77.0.9", 0), nil, 0) })
		more("broadcast", func(r *Run, s int) { r.Send(s, []byte("x"), k.at("10.77.0.255", "ff02::9", 0), nil, 0) })
		more("hops", func(r *Run, s int) {
			r.Send(s, []byte("x"), k.peer(0), append(Cmsg(0, 2, Int(9)), Cmsg(41, 52, Int(9))...)[:24], linux.MSG_MORE)
			r.Send(s, []byte("x"), k.peer(0), Cmsg(41, 52, Int(9)), 0)
		})
		more("bad-hops", func(r *Run, s int) {
			r.Send(s, []byte("x"), k.peer(0), Cmsg(0, 2, Int(0)), 0)
			r.Send(s, []byte("x"), k.peer(0), Cmsg(41, 52, Int(999)), 0)
		})
		more("source", func(r *Run, s int) {
			r.Send(s, []byte("x"), k.peer(0), pktinfo(k, "192.0.2.9", "2001:db8::9", 0), 0)
			r.Send(s, []byte("x"), k.peer(0), pktinfo(k, Host4, Host6, 9), 0)
			r.Send(s, []byte("x"), k.peer(0), pktinfo(k, "127.0.0.1", "::1", 0), 0)
		})
		more("long", func(r *Run, s int) { r.Send(s, make([]byte, 65536), k.peer(0), nil, 0) })
		more("shut", func(r *Run, s int) {
			r.Shutdown(s, 2)
			r.Send(s, []byte("x"), k.peer(0), nil, 0)
		})
		more("header", func(r *Run, s int) {
			r.Set(s, ipHdrincl, 1)
			r.Set(s, ipv6Hdrincl, 1)
			r.Send(s, []byte("x"), k.peer(0), nil, 0)
			r.Set(s, ipHdrincl, 0)
			r.Set(s, ipv6Hdrincl, 0)
		})
		for _, how := range []int{0, 1, 2} {
			add(fmt.Sprintf("header-shut/%d/%s", how, name), func(r *Run) {
				s := k.open(r)
				r.Set(s, ipHdrincl, 1)
				r.Set(s, ipv6Hdrincl, 1)
				r.Connect(s, k.peer(0))
				r.Shutdown(s, how)
				packet := ip4(Host4, Peer4, byte(k.proto), []byte("abc"))
				if k.v6() {
					packet = ip6(Host6, Peer6, byte(k.proto), []byte("abc"))
				}
				r.Send(s, packet, nil, nil, 0)
				r.Send(s, make([]byte, 2000), nil, nil, 0)
				r.Packets()
			})
		}
		for _, nic := range []int{1, 2} {
			for _, size := range []int{100, 1473} {
				add(fmt.Sprintf("to-itself/%d-%d/%s", nic, size, name), func(r *Run) {
					s := k.open(r)
					r.Connect(s, k.at(Host4, Host6, 0))
					r.Set(s, tcpip.SO_BINDTOIFINDEX, nic)
					for range 2 {
						r.Send(s, make([]byte, size), nil, nil, 0)
						r.Get(s, linux.SO_ERROR)
						r.Recv(s, 10, 0, 0)
					}
				})
			}
		}
	}
	add("header-by-raw-level/raw6", func(r *Run) {
		s := sortOf("raw6").open(r)
		for _, n := range []int{0, 1, 3, 4, 16} {
			r.SetOpt(s, 255, 36, make([]byte, n))
			r.SetOpt(s, 255, 36, append(Int(1), make([]byte, 16)...)[:n])
			r.GetOpt(s, 255, 36, n)
			r.Get(s, ipv6Hdrincl)
		}
	})
	for _, k := range sorts {
		for _, id := range []tcpip.OptionID{tcpip.IP_TRANSPARENT, tcpip.IP_FREEBIND, tcpip.IPV6_TRANSPARENT, tcpip.IPV6_FREEBIND} {
			add(fmt.Sprintf("bind-freely/%d-%d/%s", id.Level(), id.Number(), k.name), func(r *Run) {
				for _, a := range []struct{ v4, v6 string }{{"224.0.0.99", "ff0e::99"}, {"255.255.255.255", "ff02::99"},
					{"10.77.0.255", "::ffff:10.77.0.255"}, {"192.0.2.9", "2001:db8::9"}, {"240.0.0.1", "::ffff:192.0.2.9"}} {
					s := k.open(r)
					r.Set(s, id, 1)
					r.Bind(s, k.at(a.v4, a.v6, 4000))
					r.Names(s)
				}
			})
		}
		for _, nic := range []int{1, 2} {
			add(fmt.Sprintf("bind-again/device-%d/%s", nic, k.name), func(r *Run) {
				s := k.open(r)
				r.Bind(s, k.any(4000))
				r.Set(s, tcpip.SO_BINDTOIFINDEX, nic)
				for _, a := range []struct{ v4, v6 string }{{"127.0.0.1", "::1"}, {Host4, Host6}, {"192.0.2.9", "2001:db8::9"}} {
					r.Bind(s, k.at(a.v4, a.v6, 4001))
				}
			})
			add(fmt.Sprintf("clock-of-device/%d/%s", nic, k.name), func(r *Run) {
				s := k.open(r)
				for _, flags := range []int{1 << 15, 1<<15 | 16, 1<<15 | 1<<12, 1<<15 | 1<<7} {
					r.Set(s, tcpip.SO_TIMESTAMPING, flags)
					r.Set(s, tcpip.SO_BINDTOIFINDEX, nic)
					r.Set(s, tcpip.SO_TIMESTAMPING, flags)
					r.SetOpt(s, 1, 37, append(Int(flags), Int(0)...))
					r.Set(s, tcpip.SO_BINDTOIFINDEX, 0)
					r.Get(s, tcpip.SO_TIMESTAMPING)
				}
			})
			if udps(k) || raws(k) {
				for _, own := range []struct{ v4, v6 string }{{"127.0.0.1", "::1"}, {Host4, Host6}, {Host4, "::ffff:" + Host4}} {
					add(fmt.Sprintf("refused-by-itself/%d/%s/%s", nic, own.v6, k.name), func(r *Run) {
						s := k.open(r)
						r.Connect(s, k.at(own.v4, own.v6, 4000))
						r.Set(s, tcpip.SO_BINDTOIFINDEX, nic)
						for range 2 {
							r.Send(s, []byte("abc"), nil, nil, 0)
							r.Poll(s)
						}
					})
				}
			}
		}
		if streams(k) {
			for _, afar := range []struct {
				name         string
				outer, inner byte
			}{{"both", 64, 64}, {"complaint", 64, 255}, {"packet", 255, 64}, {"neither", 255, 255}} {
				for _, kind := range []string{"exceeded", "unreachable", "big"} {
					add("complaint-from-afar/"+afar.name+"/"+kind+"/"+k.name, func(r *Run) {
						s := k.open(r)
						r.Set(s, tcpip.IPV6_MINHOPCOUNT, 210)
						r.Set(s, tcpip.IP_MINTTL, 210)
						r.Connect(s, k.peer(4002))
						sent := r.Packets()
						if len(sent) == 0 {
							return
						}
						about := bytes.Clone(sent[0])
						hops := 8
						if k.v6() {
							hops = 7
						}
						about[hops] = afar.inner
						var complaint []byte
						switch kind {
						case "exceeded":
							complaint = icmpAbout(about, 11, 3, 0)
						case "unreachable":
							complaint = icmpAbout(about, 3, 1, byte(3+k.family/linux.AF_INET6))
						case "big":
							complaint = tooBig(about, 1300)
						}
						complaint[hops] = afar.outer
						if !k.v6() {
							complaint[10], complaint[11] = 0, 0
							binary.BigEndian.PutUint16(complaint[10:], checksum.Partial{}.Add(complaint[:20]).Checksum())
						}
						r.Inject(kind, complaint)
						r.Poll(s)
						r.Shutdown(s, 2)
						r.Get(s, tcpip.IP_MTU)
						r.Get(s, tcpip.IPV6_MTU)
					})
				}
			}
		}
	}
	for _, data := range []string{"", "x"} {
		for _, to := range []uint16{4000, 4002} {
			for _, at := range []string{"127.0.0.1", Host4} {
				if to == 4000 && at == "127.0.0.1" {
					continue // which is the peer
				}
				add(fmt.Sprintf("corked-elsewhere/%s-%d-%d/udp4", at, to, len(data)), func(r *Run) {
					s, c := udp4.open(r), udp4.open(r)
					r.Bind(s, In4("127.0.0.1", 4000))
					r.Connect(c, In4("127.0.0.1", 4000))
					r.Send(c, []byte("abc"), In4(at, to), nil, linux.MSG_MORE)
					r.Send(c, []byte("a"), nil, nil, 0)
					r.Recv(s, 100, 0, 0)
					r.Get(c, linux.SO_ERROR)
					for range 2 {
						r.Send(c, []byte(data), nil, nil, 0)
						r.Recv(s, 100, 0, 0)
					}
				})
			}
		}
	}
	list = append(list, foundDevices()...)
	for _, size := range []int{8, 1481} {
		for _, member := range []bool{false, true} {
			for _, to := range []string{"ff0e::99", "ff02::99"} {
				add(fmt.Sprintf("group-without-hops/%d-%v-%s/ping6", size, member, to), func(r *Run) {
					s := sortOf("ping6").open(r)
					r.Set(s, tcpip.IPV6_MULTICAST_IF, 2)
					if member {
						d := udp6.open(r)
						r.SetOpt(d, 41, 20, append(In6(to, 0)[8:24], Int(2)...))
						r.Packets()
					}
					r.Send(s, append([]byte{128, 0, 0, 0, 0, 0, 0, 1}, make([]byte, size-8)...), In6(to, 4000), Cmsg(41, 52, Int(0)), 0)
					r.Packets()
					r.Set(s, tcpip.IPV6_MULTICAST_HOPS, 0)
					r.Send(s, append([]byte{128, 0, 0, 0, 0, 0, 0, 1}, make([]byte, size-8)...), In6(to, 4000), nil, 0)
					r.Packets()
				})
			}
		}
	}
	return list
}

// foundDevices let a host talk to itself by the device of an address and by others.
func foundDevices() (list []Scenario) {
	for _, k := range sorts {
		if pings(k) {
			continue
		}
		for _, to := range []struct{ v4, v6 string }{{"127.0.0.1", "::1"}, {Host4, Host6}} {
			for from := range 3 {
				for at := range 3 {
					list = append(list, Scenario{fmt.Sprintf("found/by-device/%s/%d-%d/%s", to.v4, from, at, k.name), func(r *Run) {
						d, s := k.open(r), k.open(r)
						r.Set(d, tcpip.SO_BINDTOIFINDEX, at)
						r.Bind(d, k.at(to.v4, to.v6, 4000))
						r.Set(s, tcpip.SO_BINDTOIFINDEX, from)
						if streams(k) {
							r.Listen(d, 5)
							r.Connect(s, k.at(to.v4, to.v6, 4000))
							r.Poll(s)
							c := r.Accept(d, 0)
							r.Get(c, tcpip.SO_BINDTOIFINDEX)
							r.Send(s, []byte("abc"), nil, nil, 0)
							r.Recv(c, 10, 0, 0)
							return
						}
						r.Set(d, tcpip.IP_PKTINFO, 1)
						r.Set(d, tcpip.IPV6_RECVPKTINFO, 1)
						r.Set(s, tcpip.IP_RECVERR, 1)
						r.Set(s, tcpip.IPV6_RECVERR, 1)
						for _, port := range []uint16{4000, 4001} { // which raw sockets take no notice of
							if k.v6() && raws(k) {
								port = 0
							}
							r.Send(s, []byte("abc"), k.at(to.v4, to.v6, port), nil, 0)
							r.Recv(d, 100, 100, 0)
							r.Recv(s, 100, 200, linux.MSG_ERRQUEUE)
						}
						r.Packets()
					}})
				}
			}
		}
	}
	return list
}
