package oracle

import (
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// foundRare are what only one in thousands of random sequences has shown, and much of which Linux does by accident.
func foundRare() (list []Scenario) {
	add := func(name string, do func(*Run)) { list = append(list, Scenario{"found/" + name, do}) }
	udp4, udp6, tcp4, tcp6, raw4, raw6 := sortOf("udp4"), sortOf("udp6"), sortOf("tcp4"), sortOf("tcp6"), sortOf("raw4"), sortOf("raw6")
	for _, to := range []string{"192.0.2.9", Peer4} {
		add("connect-in-vain/"+to, func(r *Run) { // and then the second datagram goes astray
			s, d := udp4.open(r), udp4.open(r)
			r.Bind(d, In4("127.0.0.1", 4000))
			r.Connect(s, In4("127.0.0.1", 4000))
			r.Connect(s, In4(to, 4002))
			for _, b := range []string{"one", "two", "three"} {
				r.Send(s, []byte(b), nil, nil, 0)
				r.Recv(d, 10, 0, 0)
			}
			r.Packets()
		})
	}
	for _, k := range sorts {
		if raws(k) || streams(k) {
			continue
		}
		add("mtu-after-connect/"+k.name, func(r *Run) {
			s := k.open(r)
			r.Connect(s, k.loopback(4000))
			r.Connect(s, k.at(Peer4, "2001:db8::9", 4000))
			r.Get(s, tcpip.IP_MTU)
			r.Get(s, tcpip.IPV6_MTU)
		})
	}
	for _, k := range sorts {
		if !streams(k) {
			continue
		}
		for _, held := range []int{10, 1400} {
			for _, news := range []int{10, 600, 2000} {
				add(fmt.Sprintf("held-by-more/%d-%d/%s", held, news, k.name), func(r *Run) {
					_, c, s := k.pair(r)
					for range 2 {
						r.Send(s, make([]byte, held), nil, nil, linux.MSG_MORE)
						r.Send(c, make([]byte, news), nil, nil, 0)
						r.Recv(s, 3000, 0, 0)
						r.Recv(c, 3000, 0, 0)
					}
				})
			}
		}
		add("held-by-more/urgent/"+k.name, func(r *Run) {
			_, c, s := k.pair(r)
			for range 2 {
				r.Send(s, []byte("held"), nil, nil, linux.MSG_MORE)
				r.Send(c, []byte("u"), nil, nil, linux.MSG_OOB)
				r.Recv(c, 100, 0, 0)
			}
		})
		add("connect-from-many/any/"+k.name, func(r *Run) {
			s := k.open(r)
			r.Bind(s, k.at("224.0.0.99", "::ffff:224.0.0.99", 4000))
			r.Connect(s, k.at("0.0.0.0", "::ffff:0.0.0.0", 4001))
		})
		add("bind-in-use/"+k.name, func(r *Run) { // of one whose connection is over
			l, c, s := k.pair(r)
			r.Close(c)
			r.Send(s, []byte("x"), nil, nil, 0)
			r.Bind(s, k.loopback(4000))
			r.Names(s)
			_ = l
			t := k.open(r)
			r.Connect(t, k.loopback(4999))
			r.Bind(t, k.loopback(4000))
			r.Names(t)
		})
		add("inq-urgent/"+k.name, func(r *Run) {
			_, c, s := k.pair(r)
			r.Set(s, tcpip.Option(6, 36), 1)
			for _, room := range []int{0, 100} {
				r.Send(c, []byte("abc"), nil, nil, linux.MSG_OOB)
				r.Recv(s, 1, room, linux.MSG_OOB)
			}
		})
		add("peek-beyond/"+k.name, func(r *Run) {
			_, c, s := k.pair(r)
			r.Set(s, tcpip.SO_PEEK_OFF, 100)
			r.Recv(s, 0, 0, linux.MSG_PEEK)
			r.Send(c, []byte("abc"), nil, nil, 0)
			r.Recv(s, 0, 0, linux.MSG_PEEK)
			r.Recv(s, 0, 0, 0)
			r.Recv(s, 10, 0, linux.MSG_PEEK)
			r.Recv(s, 10, 0, 0)
		})
		add("shut-and-self/"+k.name, func(r *Run) {
			s := k.open(r)
			r.Bind(s, k.any(4000))
			r.Shutdown(s, 1)
			r.Connect(s, k.any(4000))
			r.Recv(s, 100, 0, 0)
		})
		for _, before := range []int{0, 1, 100} { // whether what is small is acknowledged at once
			add(fmt.Sprintf("small-behind/%d/%s", before, k.name), func(r *Run) {
				_, c, s := k.pair(r)
				r.Send(s, make([]byte, before), nil, nil, 0)
				r.Send(c, make([]byte, before), nil, nil, 0)
				r.Send(s, []byte("a"), nil, nil, 0)
				r.Send(s, make([]byte, 2000), nil, nil, linux.MSG_EOR)
				r.Send(s, make([]byte, 30), nil, nil, 0)
				r.Ioctl(c, linux.FIONREAD)
			})
		}
		for how := range 3 {
			add(fmt.Sprintf("shut-and-opened/self-%d/%s", how, k.name), func(r *Run) {
				s := k.open(r)
				r.Shutdown(s, how)
				r.Bind(s, k.loopback(4000))
				r.Connect(s, k.loopback(4000))
				r.Names(s)
				r.Poll(s)
				r.Send(s, []byte("abc"), nil, nil, 0)
				r.Recv(s, 100, 0, 0)
				r.Shutdown(s, 2)
				r.Names(s)
			})
			add(fmt.Sprintf("shut-and-opened/crossed-%d/%s", how, k.name), func(r *Run) { // by both sides
				p := k.tcpPeerOf(r, 4000)
				s := k.open(r)
				r.Shutdown(s, how)
				r.Connect(s, k.peer(4000))
				p.Sent()
				p.Send(segment{flags: tcpSYN, bare: true})
				p.Sent()
				p.Send(segment{})
				p.Sent()
				r.Names(s)
				r.Poll(s)
				r.Send(s, []byte("abc"), nil, nil, 0)
				p.Send(segment{data: "news"})
				r.Recv(s, 100, 0, 0)
				p.Sent()
			})
			add(fmt.Sprintf("shut-and-opened/plain-%d/%s", how, k.name), func(r *Run) {
				l, s := k.open(r), k.open(r)
				r.Bind(l, k.loopback(4000))
				r.Listen(l, 5)
				r.Shutdown(s, how)
				r.Connect(s, k.loopback(4000))
				c := r.Accept(l, 0)
				r.Names(s)
				r.Poll(s)
				r.Send(s, []byte("abc"), nil, nil, 0)
				r.Send(c, []byte("abc"), nil, nil, 0)
				r.Recv(s, 100, 0, 0)
				r.Poll(c)
			})
		}
		add("reply-and-more/"+k.name, func(r *Run) { // whether what is small goes at once
			_, c, s := k.pair(r)
			r.Send(c, []byte("abc"), nil, nil, 0)
			r.Send(s, []byte("abcdefghij"), nil, nil, 0)
			r.Send(c, []byte("a"), nil, nil, 0)
			r.Send(c, make([]byte, 1400), nil, nil, linux.MSG_EOR)
			r.Send(c, []byte("a"), nil, nil, linux.MSG_EOR)
			r.Recv(s, 3000, 0, 0)
		})
	}
	add("addrform-ended/tcp6", func(r *Run) {
		_, c, s := tcp6.pair(r)
		r.Set(s, tcpip.Option(41, 1), 2)
		r.Shutdown(c, 1)
		r.Set(s, tcpip.Option(41, 1), 2)
		r.Get(s, tcpip.Option(41, 1))
		r.Get(c, tcpip.Option(41, 1))
	})
	add("bind-mapped-after-six/tcp6", func(r *Run) {
		_, c, s := tcp6.pair(r)
		r.Send(s, []byte("a"), nil, nil, 0)
		r.Close(c)
		r.Bind(s, In6("::ffff:127.0.0.2", 4000))
	})
	add("corked-mapped/udp6", func(r *Run) {
		s := udp6.open(r)
		r.Bind(s, In6("::1", 4000))
		r.Send(s, []byte("a"), In6("::1", 4001), nil, linux.MSG_MORE)
		r.Send(s, []byte("b"), In6("::ffff:0.0.0.0", 4000), nil, 0)
	})
	add("from-loopback/raw4", func(r *Run) {
		s := raw4.open(r)
		r.Bind(s, In4("127.0.0.2", 0))
		r.Set(s, tcpip.IP_RECVERR, 1)
		r.Connect(s, In4("127.0.0.1", 0))
		r.Send(s, make([]byte, 100), nil, nil, 0)
		r.Get(s, linux.SO_ERROR)
		r.Send(s, []byte("0123456"), nil, nil, 0)
		r.Get(s, linux.SO_ERROR)
	})
	add("connect-twice/raw4", func(r *Run) {
		s := raw4.open(r)
		r.Connect(s, In4(Peer4, 0))
		r.Names(s)
		r.Connect(s, In4("127.0.0.1", 0))
		r.Names(s)
		r.Send(s, make([]byte, 100), nil, nil, 0)
		r.Get(s, linux.SO_ERROR)
	})
	add("connect-own/raw4", func(r *Run) {
		s := raw4.open(r)
		r.Connect(s, In4("127.0.0.2", 0))
		r.Names(s)
		r.Send(s, make([]byte, 100), nil, nil, 0)
		r.Get(s, linux.SO_ERROR)
		r.Send(s, []byte("abcde"), nil, nil, linux.MSG_MORE)
		r.Send(s, make([]byte, 100), nil, nil, 0)
		r.Get(s, linux.SO_ERROR)
	})
	add("connect-mapped/raw6", func(r *Run) {
		for _, at := range []string{"::", "::1", Host6} {
			s := raw6.open(r)
			r.Bind(s, In6(at, 0))
			r.Connect(s, In6("::ffff:127.0.0.1", 0))
			r.Names(s)
			r.Send(s, []byte("abc"), nil, nil, 0)
			r.Connect(s, In6("ff0e::99", 0))
			r.Connect(s, In6("::1", 0))
			r.Names(s)
		}
	})
	add("empty/raw4", func(r *Run) {
		s := raw4.open(r)
		for _, n := range []int{0, 1, 3, 4, 5} {
			r.Send(s, []byte("abcdefgh")[:n], In4("127.0.0.1", 0), nil, 0)
			r.Send(s, []byte("abcdefgh")[:n], In4("127.0.0.1", 0), nil, 0)
			r.Set(s, tcpip.IP_RECVORIGDSTADDR, 1)
			r.Set(s, tcpip.Option(0, 23), 1)
			r.Recv(s, 100, 100, 0)
			r.Recv(s, 1, 20, 0)
		}
	})
	add("transparent-loopback/udp4", func(r *Run) {
		s := udp4.open(r)
		r.Set(s, tcpip.IP_TRANSPARENT, 1)
		r.Bind(s, In4("127.0.0.1", 4000))
		r.Connect(s, In4("10.77.0.255", 4000))
		r.Send(s, []byte("abc"), In4(Peer4, 4000), nil, 0)
		r.Connect(s, In4(Peer4, 4000))
	})
	add("info-asked-late/ping4", func(r *Run) {
		s := sortOf("ping4").open(r)
		for _, to := range []string{"127.0.0.1", Host4} {
			r.Send(s, []byte{8, 0, 0, 0, 0, 0, 0, 1}, In4(to, 0), nil, 0)
			r.Set(s, tcpip.IP_PKTINFO, 1)
			r.Recv(s, 100, 100, 0)
			r.Set(s, tcpip.IP_PKTINFO, 0)
		}
	})
	for _, k := range []sort{udp4, sortOf("ping4"), raw4} {
		add("nowhere-by-device/"+k.name, func(r *Run) {
			s := k.open(r)
			r.Connect(s, In4("127.0.0.1", 4000))
			r.Set(s, tcpip.SO_BINDTOIFINDEX, 2)
			r.Send(s, []byte{8, 0, 0, 0, 0, 0, 0, 1}, In4("0.0.0.0", 4002), nil, 0)
			r.Packets()
		})
	}
	add("bind-beside-six/connected/udp4", func(r *Run) {
		s, d := udp6.open(r), udp4.open(r)
		r.Bind(s, In6("::", 4000))
		r.Connect(s, In6("::1", 4000))
		r.Bind(d, In4("0.0.0.0", 4000))
	})
	for _, connected := range []bool{false, true} {
		add(fmt.Sprintf("bind-beside-six/listener-%v/tcp4", connected), func(r *Run) {
			l := tcp6.open(r)
			r.Bind(l, In6("::1", 4000))
			r.Listen(l, 5)
			if connected {
				r.Connect(tcp6.open(r), In6("::1", 4000))
			}
			r.Bind(tcp4.open(r), In4("0.0.0.0", 4000))
		})
	}
	add("group-without-hops/udp4", func(r *Run) {
		s := udp4.open(r)
		r.Set(s, tcpip.IP_MULTICAST_TTL, 0)
		r.Set(s, tcpip.IP_MULTICAST_IF, 0)
		r.Connect(s, In4(Host4, 4000))
		r.Send(s, []byte("abc"), In4("224.0.0.99", 4000), nil, 0)
		r.Packets()
	})
	add("checksum-of-corked/udp4", func(r *Run) {
		d, s := udp4.open(r), udp4.open(r)
		r.Set(d, tcpip.Option(0, 23), 1)
		r.Bind(d, In4("127.0.0.1", 4000))
		r.Connect(s, In4("127.0.0.1", 4000))
		r.Send(s, []byte("abc"), nil, nil, linux.MSG_MORE)
		r.Send(s, []byte("abc"), nil, nil, 0)
		r.Recv(d, 10, 100, 0)
	})
	add("from-one-to-host/tcp6", func(r *Run) {
		s := tcp6.open(r)
		r.Bind(s, In6("::1", 4001))
		r.Connect(s, In6(Host6, 4000))
		r.Recv(s, 10, 0, 0)
	})
	add("least-buffer/udp6", func(r *Run) {
		d, s := udp6.open(r), udp6.open(r)
		r.Bind(d, In6("::", 4000))
		r.Connect(s, In6(Host6, 4000))
		r.Set(d, linux.SO_RCVBUFFORCE, 0)
		for range 4 {
			r.Send(s, []byte("abc"), nil, nil, 0)
		}
		for range 4 {
			r.Recv(d, 10, 0, 0)
		}
	})
	return list
}
