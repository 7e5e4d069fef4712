package oracle

import (
	"fmt"
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// datagramScenarios exchange datagrams over lo.
func datagramScenarios() (list []Scenario) {
	for _, k := range sorts {
		if udps(k) {
			list = append(list, udpScenarios(k)...)
		}
	}
	for _, at := range []string{"::", "::1", "::ffff:127.0.0.1", "::ffff:0.0.0.0"} {
		for _, only := range []int{0, 1} {
			for _, from := range []string{"::1", "::ffff:127.0.0.1", "127.0.0.1"} {
				list = append(list, Scenario{fmt.Sprintf("datagram/dual/only%d/%s/%s", only, at, from), func(r *Run) {
					k := sortOf("udp6")
					s := k.open(r)
					r.Set(s, tcpip.IPV6_V6ONLY, only)
					for _, id := range received {
						r.Set(s, id, 1)
					}
					r.Bind(s, In6(at, 4000))
					r.Names(s)
					c := k.open(r)
					to := In6(from, 4000)
					if netip.MustParseAddr(from).Is4() {
						c = sortOf("udp4").open(r)
						to = In4(from, 4000)
					}
					r.Send(c, []byte("hello"), to, nil, 0)
					m := r.Recv(s, 100, 500, 0)
					if m.Name != nil {
						r.Send(s, []byte("answer"), m.Name, nil, 0)
					}
					r.Recv(c, 100, 0, 0)
				}})
			}
		}
	}
	return list
}

// received are the options that make control messages.
var received = []tcpip.OptionID{tcpip.IP_PKTINFO, tcpip.IP_RECVTTL, tcpip.IP_RECVTOS,
	tcpip.IPV6_RECVPKTINFO, tcpip.IPV6_RECVHOPLIMIT, tcpip.IPV6_RECVTCLASS}

func udpScenarios(k sort) []Scenario {
	couple := func(r *Run) (c, s int) {
		s = k.open(r)
		r.Bind(s, k.loopback(4000))
		return k.open(r), s
	}
	list := []Scenario{
		{"datagram/basic/" + k.name, func(r *Run) {
			c, s := couple(r)
			r.Poll(s)
			r.Send(c, []byte("one"), k.loopback(4000), nil, 0)
			r.Send(c, []byte("two"), k.loopback(4000), nil, 0)
			r.Send(c, nil, k.loopback(4000), nil, 0)
			r.Poll(s)
			r.Ioctl(s, linux.FIONREAD)
			for range 4 {
				r.Recv(s, 10, 0, 0)
			}
			r.Names(c)
		}},
		{"datagram/truncated/" + k.name, func(r *Run) {
			c, s := couple(r)
			for range 5 {
				r.Send(c, []byte("0123456789"), k.loopback(4000), nil, 0)
			}
			r.Recv(s, 4, 0, 0)
			r.Recv(s, 4, 0, linux.MSG_TRUNC)
			r.Recv(s, 4, 0, linux.MSG_PEEK|linux.MSG_TRUNC)
			r.Recv(s, 0, 0, linux.MSG_TRUNC)
			r.Recv(s, 0, 0, 0)
			r.Recv(s, 20, 0, linux.MSG_TRUNC)
		}},
		{"datagram/sizes/" + k.name, func(r *Run) {
			c, s := couple(r)
			for _, n := range []int{65507, 65508, 65527, 65528, 65535, 65536, 70000} {
				r.Send(c, make([]byte, n), k.loopback(4000), nil, 0)
				r.Recv(s, 70000, 0, 0)
			}
		}},
		{"datagram/refused/" + k.name, func(r *Run) {
			c := k.open(r)
			r.Connect(c, k.loopback(4999))
			r.Send(c, []byte("x"), nil, nil, 0)
			r.Poll(c)
			r.Recv(c, 10, 0, 0)
			r.Recv(c, 10, 0, 0)
			r.Send(c, []byte("x"), nil, nil, 0)
			r.Send(c, []byte("x"), nil, nil, 0)
			r.Get(c, linux.SO_ERROR)
			r.Send(c, []byte("x"), nil, nil, 0)
			r.Get(c, linux.SO_ERROR)
			r.Poll(c)
		}},
		{"datagram/refused-unconnected/" + k.name, func(r *Run) {
			c := k.open(r)
			r.Send(c, []byte("x"), k.loopback(4999), nil, 0)
			r.Poll(c)
			r.Recv(c, 10, 0, 0)
		}},
		{"datagram/error-queue/" + k.name, func(r *Run) {
			c := k.open(r)
			r.Set(c, tcpip.IP_RECVERR, 1)
			r.Set(c, tcpip.IPV6_RECVERR, 1)
			r.Send(c, []byte("hello"), k.loopback(4999), nil, 0)
			r.Poll(c)
			r.Recv(c, 3, 200, linux.MSG_ERRQUEUE)
			r.Recv(c, 10, 200, linux.MSG_ERRQUEUE)
			r.Poll(c)
			r.Send(c, []byte("hello"), k.loopback(4999), nil, 0)
			r.Recv(c, 10, 0, 0)
			r.Recv(c, 10, 20, linux.MSG_ERRQUEUE)
			r.Poll(c)
		}},
		{"datagram/error-queue-off/" + k.name, func(r *Run) {
			c := k.open(r)
			r.Set(c, tcpip.IP_RECVERR, 1)
			r.Set(c, tcpip.IPV6_RECVERR, 1)
			r.Send(c, []byte("hello"), k.loopback(4999), nil, 0)
			r.Set(c, tcpip.IP_RECVERR, 0)
			r.Set(c, tcpip.IPV6_RECVERR, 0)
			r.Poll(c)
			r.Recv(c, 10, 200, linux.MSG_ERRQUEUE)
			r.Get(c, linux.SO_ERROR)
		}},
		{"datagram/connected-filter/" + k.name, func(r *Run) {
			c, s := couple(r)
			r.Connect(s, k.loopback(4001))
			r.Send(c, []byte("no"), k.loopback(4000), nil, 0)
			r.Recv(s, 10, 0, 0)
			r.Bind(c, k.loopback(4001))
			d := k.open(r)
			r.Bind(d, k.loopback(4001))
			r.Send(d, []byte("yes"), k.loopback(4000), nil, 0)
			r.Recv(s, 10, 0, 0)
		}},
		{"datagram/shutdown/" + k.name, func(r *Run) {
			c, s := couple(r)
			r.Connect(c, k.loopback(4000))
			r.Shutdown(c, linux.SHUT_WR)
			r.Send(c, []byte("x"), nil, nil, 0)
			r.Send(c, []byte("x"), k.loopback(4000), nil, 0)
			r.Recv(s, 10, 0, 0)
			r.Shutdown(c, linux.SHUT_RD)
			r.Recv(c, 10, 0, 0)
			r.Poll(c)
		}},
		{"datagram/in-use/" + k.name, func(r *Run) {
			a, b, c, d := k.open(r), k.open(r), k.open(r), k.open(r)
			r.Bind(a, k.loopback(4000))
			r.Bind(b, k.loopback(4000))
			r.Bind(b, k.any(4000))
			r.Set(c, tcpip.SO_REUSEADDR, 1)
			r.Bind(c, k.loopback(4000))
			r.Set(a, tcpip.SO_REUSEADDR, 1)
			r.Bind(c, k.loopback(4000))
			r.Set(d, tcpip.SO_REUSEPORT, 1)
			r.Bind(d, k.loopback(4000))
		}},
		{"datagram/flags/" + k.name, func(r *Run) {
			c, s := couple(r)
			r.Connect(c, k.loopback(4000))
			for _, flags := range []int{linux.MSG_OOB, linux.MSG_DONTWAIT, linux.MSG_NOSIGNAL, linux.MSG_EOR, linux.MSG_ERRQUEUE, linux.MSG_TRUNC} {
				r.Send(c, []byte("f"), nil, nil, flags)
				r.Recv(s, 10, 0, 0)
			}
			r.Recv(s, 10, 0, linux.MSG_OOB)
		}},
		{"datagram/more/" + k.name, func(r *Run) {
			c, s := couple(r)
			r.Connect(c, k.loopback(4000))
			r.Send(c, []byte("one "), nil, nil, linux.MSG_MORE)
			r.Recv(s, 20, 0, 0)
			r.Send(c, []byte("two"), nil, nil, 0)
			r.Recv(s, 20, 0, 0)
		}},
		{"datagram/reconnect/" + k.name, func(r *Run) {
			c := k.open(r)
			r.Connect(c, k.loopback(4000))
			r.Names(c)
			r.Connect(c, k.loopback(4001))
			r.Names(c)
			r.Connect(c, k.peer(4001))
			r.Names(c)
			r.Connect(c, Unspec())
			r.Names(c)
			r.Connect(c, k.peer(4001))
			r.Names(c)
		}},
		{"datagram/device/" + k.name, func(r *Run) {
			c, s := couple(r)
			for _, name := range []string{"lo", "t0", "nosuch", "", "lo\x00junk", "averyveryverylongname"} {
				r.SetOpt(c, 1, 25, []byte(name))
				r.GetOpt(c, 1, 25, 16)
				r.GetOpt(c, 1, 25, 15)
				r.GetOpt(c, 1, 25, 0)
				r.Send(c, []byte("x"), k.loopback(4000), nil, 0)
				r.Recv(s, 10, 0, 0)
			}
		}},
	}
	for _, id := range append([]tcpip.OptionID{tcpip.SO_TIMESTAMP}, received...) {
		list = append(list, Scenario{fmt.Sprintf("datagram/control/%d-%d/%s", id.Level(), id.Number(), k.name), func(r *Run) {
			c, s := couple(r)
			r.Set(s, id, 1)
			r.Set(c, tcpip.IP_TOS, 0x48)
			r.Set(c, tcpip.IPV6_TCLASS, 0x48)
			for range 5 {
				r.Send(c, []byte("x"), k.loopback(4000), nil, 0)
			}
			for _, room := range []int{200, 0, 10, 16, 18} {
				r.Recv(s, 10, room, 0)
			}
		}})
	}
	list = append(list, Scenario{"datagram/control/all/" + k.name, func(r *Run) {
		c, s := couple(r)
		for _, id := range append([]tcpip.OptionID{tcpip.SO_TIMESTAMP}, received...) {
			r.Set(s, id, 1)
		}
		for range 4 {
			r.Send(c, []byte("x"), k.loopback(4000), nil, 0)
		}
		for _, room := range []int{300, 50, 60, 100} {
			r.Recv(s, 10, room, 0)
		}
	}})
	return append(list, sendControlScenarios(k)...)
}

// sendControlScenarios send with control messages, well and badly formed, and show what arrives.
func sendControlScenarios(k sort) (list []Scenario) {
	info4 := func(nic int, a string) []byte {
		ip := netip.MustParseAddr(a).As4()
		return append(append(Int(nic), ip[:]...), 0, 0, 0, 0)
	}
	info6 := func(nic int, a string) []byte {
		ip := netip.MustParseAddr(a).As16()
		return append(ip[:], Int(nic)...)
	}
	for _, c := range []struct {
		name    string
		control []byte
	}{
		{"ttl", Cmsg(0, 2, Int(7))}, {"ttl-0", Cmsg(0, 2, Int(0))}, {"ttl-256", Cmsg(0, 2, Int(256))}, {"ttl-byte", Cmsg(0, 2, []byte{7})},
		{"tos", Cmsg(0, 1, Int(0x44))}, {"tos-byte", Cmsg(0, 1, []byte{0x44})}, {"tos-256", Cmsg(0, 1, Int(256))},
		{"tos-short", Cmsg(0, 1, []byte{1, 2})},
		{"info4", Cmsg(0, 8, info4(0, "127.0.0.2"))}, {"info4-nic", Cmsg(0, 8, info4(1, "0.0.0.0"))},
		{"info4-host", Cmsg(0, 8, info4(0, Host4))}, {"info4-other-nic", Cmsg(0, 8, info4(2, "0.0.0.0"))},
		{"info4-foreign", Cmsg(0, 8, info4(0, "192.0.2.9"))}, {"info4-no-nic", Cmsg(0, 8, info4(9, "0.0.0.0"))},
		{"info4-group", Cmsg(0, 8, info4(0, "224.0.0.9"))},
		{"info4-short", Cmsg(0, 8, make([]byte, 11))}, {"info4-long", Cmsg(0, 8, make([]byte, 13))},
		{"info6", Cmsg(41, 50, info6(0, "::1"))}, {"info6-nic", Cmsg(41, 50, info6(1, "::"))}, {"info6-host", Cmsg(41, 50, info6(0, Host6))},
		{"info6-other-nic", Cmsg(41, 50, info6(2, "::"))}, {"info6-foreign", Cmsg(41, 50, info6(0, "2001:db8::9"))},
		{"info6-no-nic", Cmsg(41, 50, info6(9, "::"))}, {"info6-mapped", Cmsg(41, 50, info6(0, "::ffff:127.0.0.2"))},
		{"info6-short", Cmsg(41, 50, make([]byte, 19))}, {"info6-long", Cmsg(41, 50, make([]byte, 21))},
		{"hops", Cmsg(41, 52, Int(7))}, {"hops-0", Cmsg(41, 52, Int(0))}, {"hops-default", Cmsg(41, 52, Int(-1))},
		{"hops-256", Cmsg(41, 52, Int(256))}, {"hops-short", Cmsg(41, 52, []byte{1, 0})},
		{"class", Cmsg(41, 67, Int(0x44))}, {"class-default", Cmsg(41, 67, Int(-1))}, {"class-256", Cmsg(41, 67, Int(256))},
		{"unknown-ip", Cmsg(0, 99, Int(1))}, {"unknown-ip6", Cmsg(41, 99, Int(1))}, {"unknown-level", Cmsg(99, 1, Int(1))},
		{"unknown-socket", Cmsg(1, 99, Int(1))}, {"too-short", Cmsg(0, 2, Int(7))[:12]}, {"bad-length", append(Int(5), make([]byte, 20)...)},
		{"length-beyond", append(append(Int(100), make([]byte, 4)...), make([]byte, 16)...)},
		{"two", append(Cmsg(0, 2, Int(9)), Cmsg(0, 1, Int(0x40))...)}, {"two-6", append(Cmsg(41, 52, Int(9)), Cmsg(41, 67, Int(0x40))...)},
	} {
		list = append(list, Scenario{"datagram/send-control/" + c.name + "/" + k.name, func(r *Run) {
			s := k.open(r)
			for _, id := range received {
				r.Set(s, id, 1)
			}
			r.Bind(s, k.any(4000))
			d := k.open(r)
			r.Send(d, []byte("x"), k.loopback(4000), c.control, 0)
			r.Recv(s, 10, 300, 0)
			if k.v6() {
				r.Send(d, []byte("x"), In6("::ffff:127.0.0.1", 4000), c.control, 0)
				r.Recv(s, 10, 300, 0)
			}
		}})
	}
	return list
}
