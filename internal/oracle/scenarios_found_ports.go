package oracle

import (
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
)

// foundPorts bind to a port that a connection, or what is left of one, still has.
func foundPorts() (list []Scenario) {
	for _, k := range sorts {
		if !streams(k) {
			continue
		}
		for _, state := range []string{"alive", "alone", "timewait", "listener"} {
			for old := range 4 { // SO_REUSEADDR, SO_REUSEPORT
				for fresh := range 4 {
					list = append(list, Scenario{fmt.Sprintf("found/bind-over/%s-%d-%d/%s", state, old, fresh, k.name), func(r *Run) {
						l := k.open(r)
						r.Set(l, tcpip.SO_REUSEADDR, old&1)
						r.Set(l, tcpip.SO_REUSEPORT, old>>1)
						r.Bind(l, k.loopback(4000))
						r.Listen(l, 5)
						c := k.open(r)
						r.Connect(c, k.loopback(4000))
						s := r.Accept(l, 0)
						switch state {
						case "alone":
							r.Close(l)
						case "timewait":
							r.Close(s)
							r.Close(c)
							r.Close(l)
						case "listener":
							r.Close(s)
							r.Close(c)
						}
						for _, at := range [][]byte{k.loopback(4000), k.any(4000), k.at(Host4, Host6, 4000)} {
							d := k.open(r)
							r.Set(d, tcpip.SO_REUSEADDR, fresh&1)
							r.Set(d, tcpip.SO_REUSEPORT, fresh>>1)
							r.Bind(d, at)
							r.Listen(d, 5)
							r.Close(d)
						}
					}})
				}
			}
		}
	}
	return list
}

// alertScenarios ask for packets that are to be forwarded and have a router alert.
func alertScenarios() (list []Scenario) {
	for _, proto := range []int{58, 253, 255} {
		list = append(list, Scenario{fmt.Sprintf("ip6/router-alert/values/%d", proto), func(r *Run) {
			s := r.Socket(10, 3, proto)
			for _, v := range []int{-1, 0, 0, 1, -1, -2, 35, 65536, -1, 1 << 30} {
				r.Set(s, ipv6Option(22), v)
			}
			r.SetOpt(s, 41, 22, make([]byte, 3))
			r.SetOpt(s, 41, 22, make([]byte, 8))
			r.Get(s, ipv6Option(22))
		}})
	}
	list = append(list, Scenario{"ip/router-alert/arrive", func(r *Run) {
		r.Sysctl("ipv4/ip_forward", 1)
		s, other, off := r.Socket(2, 3, 253), r.Socket(2, 3, 254), r.Socket(2, 3, 253)
		bound := r.Socket(2, 3, 253)
		for _, fd := range []int{s, other, bound} {
			r.Set(fd, tcpip.IP_ROUTER_ALERT, 1)
			r.Get(fd, tcpip.IP_ROUTER_ALERT)
		}
		r.Set(bound, tcpip.SO_BINDTOIFINDEX, 1)
		hear := func() {
			for _, fd := range []int{s, other, off, bound} {
				r.Recv(fd, 100, 0, 0)
			}
		}
		for _, to := range []string{"10.77.0.99", Host4} {
			for _, options := range [][]byte{nil, {0x94, 4, 0, 0}, {0x94, 4, 0, 1}} {
				r.Inject(fmt.Sprint("options ", options, " to ", to), arriving{from: Peer4, to: to, proto: 253, options: options, data: []byte("abc")}.packet())
				hear()
			}
		}
		r.Set(s, tcpip.IP_ROUTER_ALERT, 0)
		r.Inject("to another, when nobody asks", arriving{from: Peer4, to: "10.77.0.99", proto: 253, options: []byte{0x94, 4, 0, 0}, data: []byte("abc")}.packet())
		hear()
	}})
	list = append(list, Scenario{"ip/router-alert/fragments", func(r *Run) {
		r.Sysctl("ipv4/ip_forward", 1)
		s := r.Socket(2, 3, 253)
		r.Set(s, tcpip.IP_ROUTER_ALERT, 1)
		for _, p := range (arriving{from: Peer4, to: "10.77.0.99", proto: 253, options: []byte{0x94, 4, 0, 0}, data: make([]byte, 32)}).fragments(16) {
			r.Inject("a fragment", p)
			r.Recv(s, 100, 0, 0)
		}
	}})
	for _, v := range []int{0, 1, 35} {
		list = append(list, Scenario{fmt.Sprintf("ip6/router-alert/arrive/%d", v), func(r *Run) {
			r.Sysctl("ipv6/conf/all/forwarding", 1)
			s, d := r.Socket(10, 3, 255), r.Socket(10, 3, 255)
			r.Set(s, ipv6Option(30), 1) // not what arrives in other namespaces
			r.Set(d, ipv6Option(30), 1)
			r.Set(s, ipv6Option(22), v)
			r.Set(d, ipv6Option(22), v)
			r.Set(d, tcpip.SO_BINDTOIFINDEX, 1)
			for _, to := range []string{"fd77::99", Host6} {
				for _, alert := range []byte{0, 1, 35} {
					r.Inject(fmt.Sprint("alert ", alert, " to ", to), arriving{from: Peer6, to: to, ext: []extension{{0, []byte{0, 5, 2, 0, alert, 1, 0}}}, data: []byte("abc")}.packet())
					r.Recv(s, 200, 0, 0)
					r.Recv(d, 200, 0, 0)
				}
			}
		}})
	}
	return list
}
