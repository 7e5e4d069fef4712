package oracle

import (
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// foundScenarios are what random sequences of calls have found (generate.go), each in its least form.
func foundScenarios() (list []Scenario) {
	list = append(list, arrivalScenarios()...)
	list = append(list, foundBinds()...)
	list = append(list, foundSends()...)
	list = append(list, foundStreams()...)
	list = append(list, foundLately()...)
	list = append(list, foundInfo()...)
	list = append(list, foundRare()...)
	list = append(list, foundSince()...)
	list = append(list, foundMore()...)
	list = append(list, foundPorts()...)
	list = append(list, foundAgain()...)
	list = append(list, foundLast()...)
	list = append(list, alertScenarios()...)
	return append(list, foundOptions()...)
}

// foundBinds bind to what is no host's address, and bind again.
func foundBinds() (list []Scenario) {
	for _, k := range sorts {
		for _, a := range []struct{ name, v4, v6 string }{
			{"group", "224.0.0.99", "ff0e::99"}, {"broadcast", "255.255.255.255", "ff02::1"}, {"network", "10.77.0.255", "ff01::1"},
			{"mapped-foreign", "192.0.2.9", "::ffff:10.77.0.2"},
		} {
			list = append(list,
				Scenario{"found/bind/" + a.name + "/" + k.name, func(r *Run) {
					s := k.open(r)
					r.Bind(s, k.at(a.v4, a.v6, 4000))
					r.Names(s)
				}},
				Scenario{"found/bind-again/" + a.name + "/" + k.name, func(r *Run) {
					s := k.open(r)
					r.Bind(s, k.loopback(4000))
					r.Bind(s, k.at(a.v4, a.v6, 4001))
					r.Names(s)
				}})
		}
	}
	return list
}

// foundSends are about which complaint comes first, and about addresses that mean another family or this host.
func foundSends() (list []Scenario) {
	udp6 := sortOf("udp6")
	for _, k := range sorts {
		switch {
		case pings(k):
			list = append(list,
				Scenario{"found/echo-first/" + k.name, func(r *Run) {
					s := k.open(r)
					for _, m := range [][]byte{{99, 0, 0, 0, 0, 0, 0, 1}, {8, 1, 0, 0, 0, 0, 0, 1}, {128, 0, 0, 0, 0, 0, 0, 1}} {
						r.Send(s, m, nil, nil, 0)
						r.Send(s, m, k.foreign(0), nil, 0)
					}
				}},
				Scenario{"found/tags/" + k.name, func(r *Run) {
					s := k.open(r)
					r.Set(s, tcpip.Option(linux.SOL_SOCKET, 75), 1) // SO_RCVMARK
					r.Set(s, tcpip.Option(linux.SOL_SOCKET, 82), 1) // SO_RCVPRIORITY
					r.Send(s, []byte{echoType(k), 0, 0, 0, 0, 0, 0, 1}, k.loopback(0), nil, 0)
					r.Recv(s, 100, 100, 0)
				}},
				Scenario{"found/peek-offset/" + k.name, func(r *Run) {
					s := k.open(r)
					r.Set(s, tcpip.SO_PEEK_OFF, 0)
					r.Get(s, tcpip.SO_PEEK_OFF)
				}},
				Scenario{"found/too-long/" + k.name, func(r *Run) {
					r.Send(k.open(r), append([]byte{echoType(k), 0}, make([]byte, 65540)...), k.at("127.0.0.1", "::ffff:127.0.0.1", 0), nil, 0)
				}})
		case udps(k):
			list = append(list,
				Scenario{"found/unspec-unconnected/" + k.name, func(r *Run) {
					s := k.open(r)
					r.Send(s, []byte("x"), k.loopback(4999), nil, 0)
					r.Connect(s, Unspec())
					r.Names(s)
					r.Bind(s, k.loopback(4000))
				}},
				Scenario{"found/error-before-pipe/" + k.name, func(r *Run) {
					c := k.open(r)
					r.Connect(c, k.loopback(4999))
					r.Send(c, []byte("x"), nil, nil, 0)
					r.Shutdown(c, linux.SHUT_RDWR)
					r.Send(c, []byte("x"), nil, nil, 0)
					r.Send(c, []byte("x"), nil, nil, 0)
				}},
				Scenario{"found/to-any/" + k.name, func(r *Run) {
					s := k.open(r)
					r.Bind(s, k.at(Host4, Host6, 4000))
					r.Send(s, []byte("x"), k.any(4000), nil, 0)
					r.Recv(s, 10, 0, 0)
					r.Send(s, []byte("y"), k.any(4000), Cmsg(0, 8, make([]byte, 12)), 0)
					r.Recv(s, 10, 0, 0)
					r.Connect(s, k.any(4000))
					r.Names(s)
				}})
		}
	}
	for _, to := range []string{"::1", Host6, "2001:db8::9", "ff02::99", "::"} {
		list = append(list,
			Scenario{"found/from-mapped/" + to, func(r *Run) {
				s := udp6.open(r)
				r.Connect(s, In6("::ffff:127.0.0.1", 4000))
				r.Send(s, []byte("x"), In6(to, 4000), nil, 0)
				r.Connect(s, In6(to, 4000))
			}},
			Scenario{"found/bound-mapped/" + to, func(r *Run) {
				s := udp6.open(r)
				r.Bind(s, In6("::ffff:127.0.0.1", 4000))
				r.Send(s, []byte("x"), In6(to, 4000), nil, 0)
				r.Recv(s, 10, 0, 0)
				r.Connect(s, In6(to, 4000))
			}})
	}
	for _, flags := range []int{0, linux.MSG_OOB} {
		for _, port := range []uint16{0, 4001} {
			list = append(list, Scenario{fmt.Sprintf("found/only6-first/%d-%d", flags, port), func(r *Run) {
				s := udp6.open(r)
				r.Bind(s, In6("::1", 4000))
				r.Send(s, []byte("x"), In6("::ffff:127.0.0.1", port), nil, flags)
			}})
		}
	}
	for _, to := range []string{"::ffff:127.0.0.1", "::ffff:10.77.0.2", "::ffff:0.0.0.0", "::"} {
		list = append(list, Scenario{"found/ping-mapped/" + to, func(r *Run) {
			s := sortOf("ping6").open(r)
			r.Connect(s, In6(to, 0))
			r.Send(s, []byte{128, 0, 0, 0, 0, 0, 0, 1}, In6(to, 0), nil, 0)
		}})
	}
	return append(list,
		Scenario{"found/send-family/udp6", func(r *Run) {
			s := udp6.open(r)
			r.Bind(s, In6(Host6, 4000))
			r.Send(s, []byte("x"), In4("127.0.0.1", 4001), nil, 0)
			r.Connect(s, In4("127.0.0.1", 4001))
			t := udp6.open(r)
			r.Set(t, tcpip.IPV6_V6ONLY, 1)
			r.Send(t, []byte("x"), In4("127.0.0.1", 4001), nil, 0)
		}},
		Scenario{"found/unspec/udp6", func(r *Run) {
			s := udp6.open(r)
			r.Connect(s, In6("::ffff:127.0.0.1", 4000))
			r.Send(s, []byte("x"), Unspec(), nil, 0)
			r.Connect(s, In6("::1", 4000))
		}},
		Scenario{"found/port0/udp6", func(r *Run) {
			for _, to := range []string{"::ffff:127.0.0.1", "::1"} {
				s := udp6.open(r)
				r.Connect(s, In6(to, 0))
				r.Send(s, []byte("x"), nil, nil, 0)
			}
		}},
		Scenario{"found/port0-urgent/udp6", func(r *Run) {
			for _, to := range []string{"::ffff:127.0.0.1", "::1"} {
				s := udp6.open(r)
				r.Send(s, []byte("x"), In6(to, 0), nil, linux.MSG_OOB)
				r.Connect(s, In6(to, 0))
				r.Send(s, []byte("x"), nil, nil, linux.MSG_OOB)
			}
		}},
		Scenario{"found/interface-local/udp6", func(r *Run) {
			s := udp6.open(r)
			r.Set(s, tcpip.IPV6_MULTICAST_IF, 2)
			r.Send(s, []byte("x"), In6("ff01::1", 4000), nil, 0)
			r.Packets()
		}},
		Scenario{"found/group-by-device/udp6", func(r *Run) {
			for _, nic := range []int{1, 2} {
				for _, to := range []string{"ff01::1", "ff02::99"} {
					s := udp6.open(r)
					r.Set(s, tcpip.IPV6_MULTICAST_IF, nic)
					r.Connect(s, In6(to, 4000))
				}
			}
		}},
		Scenario{"found/any-by-device/udp4", func(r *Run) {
			for _, nic := range []int{0, 1, 2} {
				s, d := sortOf("udp4").open(r), sortOf("udp4").open(r)
				r.Bind(s, In4("0.0.0.0", uint16(4000+nic)))
				r.Send(d, []byte("x"), In4("0.0.0.0", uint16(4000+nic)), Cmsg(0, 8, append(Int(nic), make([]byte, 8)...)), 0)
				r.Packets()
				r.Recv(s, 10, 0, 0)
				b := sortOf("udp4").open(r)
				r.Set(b, tcpip.SO_BINDTOIFINDEX, nic)
				r.Send(b, []byte("y"), In4("0.0.0.0", uint16(4000+nic)), nil, 0)
				r.Packets()
				r.Recv(s, 10, 0, 0)
			}
		}},
		Scenario{"found/more-urgent/udp6", func(r *Run) {
			for _, to := range []string{"::ffff:127.0.0.1", "::1"} {
				s := udp6.open(r)
				r.Connect(s, In6(to, 4000))
				r.Send(s, []byte("a"), nil, nil, linux.MSG_MORE)
				r.Send(s, []byte("b"), nil, nil, linux.MSG_OOB)
			}
		}},
		Scenario{"found/group-scope/udp6", func(r *Run) {
			s := udp6.open(r)
			r.Set(s, tcpip.SO_BINDTOIFINDEX, 2)
			r.Connect(s, In6("ff02::99", 4000))
			r.Names(s)
		}},
		Scenario{"found/six-to-four/udp6", func(r *Run) {
			s := udp6.open(r)
			r.Connect(s, In6("::1", 4000))
			r.Connect(s, In6("::ffff:127.0.0.1", 4999))
			r.Send(s, []byte("x"), nil, nil, 0)
			r.Poll(s)
		}},
	)
}

// echoType is the type of an echo request.
func echoType(k sort) byte {
	if k.v6() {
		return 128
	}
	return 8
}

func foundStreams() (list []Scenario) {
	for _, k := range sorts {
		if !streams(k) {
			continue
		}
		list = append(list,
			Scenario{"found/peek-discard/" + k.name, func(r *Run) {
				_, c, s := k.pair(r)
				r.Send(c, []byte("hello"), nil, nil, 0)
				r.Await(s, 1)
				r.Recv(s, 3, 0, linux.MSG_PEEK|linux.MSG_TRUNC)
				r.Recv(s, 3, 0, linux.MSG_TRUNC)
				r.Recv(s, 3, 0, 0)
			}},
			Scenario{"found/pipe-before-control/" + k.name, func(r *Run) {
				_, c, s := k.pair(r)
				r.SetOpt(c, linux.SOL_SOCKET, 13, append(Int(1), Int(0)...))
				r.Close(c)
				r.Get(s, linux.SO_ERROR)
				r.Send(s, []byte("x"), nil, Cmsg(1, 99, Int(1)), 0)
				n := k.open(r)
				r.Send(n, []byte("x"), nil, Cmsg(1, 99, Int(1)), 0)
			}},
			Scenario{"found/more-held/" + k.name, func(r *Run) {
				_, c, s := k.pair(r)
				r.Send(c, []byte("one"), nil, nil, 0)
				r.Await(s, 1)
				r.Recv(s, 10, 0, 0)
				r.Send(s, []byte("held"), nil, nil, linux.MSG_MORE)
				r.Send(c, []byte("two"), nil, nil, 0) // news of nothing that s has sent
				r.Poll(c)
			}},
			Scenario{"found/defer-client/" + k.name, func(r *Run) {
				l, c := k.open(r), k.open(r)
				r.Bind(l, k.loopback(4000))
				r.Listen(l, 5)
				r.Set(c, tcpip.Option(6, 9), 1)
				r.Connect(c, k.loopback(4000))
				r.Accept(l, 0)
			}},
			Scenario{"found/no-quick-client/" + k.name, func(r *Run) {
				l, c := k.open(r), k.open(r)
				r.Bind(l, k.loopback(4000))
				r.Listen(l, 5)
				r.Set(c, tcpip.Option(6, 12), 0)
				r.Connect(c, k.loopback(4000))
				r.Accept(l, 0)
			}},
			Scenario{"found/device-of-connection/" + k.name, func(r *Run) {
				_, c, s := k.pair(r)
				r.Set(c, tcpip.SO_BINDTOIFINDEX, 2)
				r.Send(s, []byte("x"), nil, nil, 0)
				r.Recv(c, 10, 0, 0)
			}},
			Scenario{"found/connect-from-many/" + k.name, func(r *Run) {
				s := k.open(r)
				r.Bind(s, k.at("224.0.0.99", "::ffff:224.0.0.99", 4000))
				r.Connect(s, k.at("127.0.0.1", "::ffff:127.0.0.1", 4001))
			}},
			Scenario{"found/connect-family/" + k.name, func(r *Run) {
				for _, a := range [][2]string{{"::ffff:127.0.0.1", "::1"}, {"::1", "::ffff:127.0.0.1"}, {"::1", "::ffff:0.0.0.0"}, {"::ffff:127.0.0.1", "::"},
					{"::ffff:127.0.0.1", "2001:db8::9"}} {
					s := k.open(r)
					r.Bind(s, k.at("127.0.0.1", a[0], 0))
					r.Connect(s, k.at("127.0.0.1", a[1], 4001))
				}
			}},
			Scenario{"found/accepted-multicast/" + k.name, func(r *Run) {
				_, _, s := k.pair(r)
				r.Get(s, tcpip.IP_MULTICAST_TTL)
				r.Get(s, tcpip.IPV6_MULTICAST_HOPS)
				r.Get(s, tcpip.IPV6_MULTICAST_IF)
			}},
		)
	}
	return append(list, Scenario{"found/mtu-mapped/tcp6", func(r *Run) {
		s := sortOf("tcp6").open(r)
		r.Connect(s, In6("::ffff:127.0.0.1", 4000))
		r.Get(s, tcpip.IPV6_MTU)
		r.Get(s, tcpip.IP_MTU)
	}})
}

func foundOptions() (list []Scenario) {
	for _, k := range sorts {
		list = append(list,
			Scenario{"found/hdrincl/" + k.name, func(r *Run) {
				s := k.open(r)
				r.Get(s, tcpip.IP_HDRINCL)
				r.GetOpt(s, 0, 3, 1)
				r.Set(s, tcpip.IP_HDRINCL, 1)
			}},
			Scenario{"found/rfc4884/" + k.name, func(r *Run) {
				s := k.open(r)
				for _, v := range []int{1, 0, 2, -1} {
					r.Set(s, tcpip.IP_RECVERR_RFC4884, v)
					r.Set(s, tcpip.IPV6_RECVERR_RFC4884, v)
				}
			}})
		if datagrams(k) {
			list = append(list, Scenario{"found/mtu-elsewhere/" + k.name, func(r *Run) {
				s := k.open(r)
				r.Connect(s, k.loopback(4000))
				r.Set(s, tcpip.SO_BINDTOIFINDEX, 2)
				r.Get(s, tcpip.IP_MTU)
				r.Get(s, tcpip.IPV6_MTU)
			}})
		}
	}
	return list
}

// arrivalScenarios show which interface a packet to one's own address has come in by.
func arrivalScenarios() (list []Scenario) {
	for _, k := range sorts {
		if pings(k) {
			continue
		}
		for _, at := range []struct {
			name string
			to   func(uint16) []byte
		}{{"lo", k.loopback}, {"host", func(p uint16) []byte { return k.at(Host4, Host6, p) }}} {
			for _, nic := range []int{0, 1, 2} {
				if streams(k) {
					list = append(list, Scenario{fmt.Sprintf("found/arrival/%s/bound%d/%s", at.name, nic, k.name), func(r *Run) {
						l := k.open(r)
						r.Set(l, tcpip.SO_BINDTOIFINDEX, nic)
						r.Bind(l, k.any(4000))
						r.Listen(l, 5)
						c := k.open(r)
						r.Connect(c, at.to(4000))
						r.Poll(c)
						r.Accept(l, 0)
					}})
					continue
				}
				for _, connected := range []bool{false, true} {
					list = append(list, Scenario{fmt.Sprintf("found/arrival/%s/bound%d/connected-%v/%s", at.name, nic, connected, k.name), func(r *Run) {
						s, c := k.open(r), k.open(r)
						r.Set(s, tcpip.SO_BINDTOIFINDEX, nic)
						r.Set(s, tcpip.IP_PKTINFO, 1)
						if k.v6() {
							r.Set(s, tcpip.IPV6_RECVPKTINFO, 1)
						}
						r.Bind(s, k.any(4000))
						if connected {
							r.Connect(c, at.to(4000))
							r.Send(c, []byte("x"), nil, nil, 0)
						} else {
							r.Send(c, []byte("x"), at.to(4000), nil, 0)
						}
						r.Recv(s, 10, 200, linux.MSG_PEEK)
						r.Recv(s, 10, 200, 0)
						r.Get(c, linux.SO_ERROR)
					}})
				}
			}
		}
	}
	return list
}

var foundDifferences = []difference{
	{"found/error-about-group/udp6", "an ICMP error about what went to a group is passed over", "deliberate: none may be sent (RFC 4443 §2.4(e))"},
	{"found/six-to-four/udp6", "a socket that turns from an IPv6 peer to an IPv4 one hears its errors", "deliberate: on Linux it keeps its IPv6 address and is deaf to them"},
	{"found/connect-from-many/*", "a stream that is bound to a group cannot connect", "deliberate: a group is no source (RFC 1122 §3.2.1.3)"},
	{"found/connect-from-many/any/*", "a stream that is bound to a group cannot connect", "deliberate: a group is no source (RFC 1122 §3.2.1.3)"},
	{"found/connect-in-vain/*", "after a connect that failed all datagrams go to the peer as before", "deliberate: on Linux all but the first go to the address that was refused, by the way to the old one"},
	{"found/held-by-more/1400-*/*", "what MSG_MORE holds waits for news of what was sent", "deliberate: on Linux also any data ends the wait that needs new memory of its accounts"},
	{"found/bind-beside-six/connected/*", "a socket that is connected over IPv6 is in nobody's way over IPv4", "deliberate: it receives nothing there; Linux refuses the port"},
	{"found/group-without-hops/*", "what has a TTL of 0 does not leave the host", "deliberate: RFC 1122 §3.2.1.7; Linux sends it where no socket of the host has joined the group"},
	{"found/from-one-to-host/*", "who is refused a connection from ::1 to another address of the host hears of it", "deliberate: on Linux the reset finds no way back, since it looks on the address's device"},
	{"found/corked-elsewhere/*/udp4", "what is sent without a name goes to the peer, whatever was corked for another before", "deliberate: on Linux a connected socket that has corked a datagram for another address goes on sending there"},
	{"found/corked-anew/device/raw4", "what a raw socket has corked goes by the way of its last write", "deliberate: on Linux by the device of the first, and so from 127.0.0.1 to the network (RFC 1122 §3.2.1.3)"},
	{"found/corked-and-connected/10.77.0.2-1*[01].1/udp4", "what has been corked goes by the way to the address that it has then", "deliberate: as in found/corked-anew/device"},
	{"found/bind-beside-child/tcp4", "a connection over IPv6 keeps IPv4 sockets from a port only while its listener does", "deliberate: as in found/bind-beside-six/connected"},
	{"found/ping-mapped/ping6", "an IPv6 ping socket has nothing to do with IPv4, whatever IPV6_V6ONLY says", "deliberate: on Linux it then connects, and can neither send nor receive"},
	{"found/four-to-six/tcp6", "a stream that has tried an IPv4 peer can connect to one of IPv6", "deliberate: on Linux it then hears no answer"},
	{"found/corked-six-to-four/udp6", "what has been corked for an IPv6 address goes there, though the socket has turned to IPv4", "deliberate: on Linux it leaves for an address that is made of both"},
	{"found/deaf-after-disconnect/udp6", "a socket that was connected receives from everybody again", "deliberate: on Linux it hears only what goes to the address that it had"},
	{"found/small-behind/1*/*", "segments inside the host are charged as if they had come from outside", "deliberate: on Linux they cost less, and leave a window that is acknowledged sooner"},
	{"found/share-newest/udp4", "whether a port may be shared is asked of all who have it", "deliberate: on Linux the newest of those who do not allow it by SO_REUSEADDR answers for all"},
	{"found/least-buffer/*", "the least receive buffer holds a datagram more", "deliberate: buffers count the memory that they take here"},
}
