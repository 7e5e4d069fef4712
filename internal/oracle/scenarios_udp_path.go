package oracle

import (
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// udpPathScenarios are the matrix of path MTU discovery for IPv4 on IPv6 sockets and for IPV6_DONTFRAG, and what a
// socket bound to a device sends and receives.
func udpPathScenarios() (list []Scenario) {
	for _, k := range ways {
		list = append(list, deviceScenarios(k)...)
		list = append(list, txTimeScenarios(k)...)
		if !k.sort.v6() {
			continue
		}
		for v := range 6 {
			for _, connected := range []bool{false, true} {
				for _, dont := range []int{0, 1} {
					if !k.mapped && dont == 0 {
						continue // see pmtu
					}
					name := fmt.Sprintf("udp/path/mode%d/connected-%v/dontfrag%d/%s", v, connected, dont, k.name)
					list = append(list, Scenario{name, func(r *Run) { pathMTU(r, k, v, dont, connected) }})
				}
			}
		}
	}
	return list
}

func pathMTU(r *Run, k way, mode, dont int, connected bool) {
	s := k.open(r)
	r.Set(s, k.discover(), mode)
	r.Set(s, tcpip.IPV6_DONTFRAG, dont)
	r.Set(s, k.recverr(), 1)
	to := k.peer(4000)
	if connected {
		r.Connect(s, to)
		to = nil
	}
	send := func(size int) [][]byte {
		r.Send(s, make([]byte, size-k.headers()), to, nil, 0)
		sent := r.Packets()
		r.Recv(s, 0, 200, linux.MSG_ERRQUEUE)
		return sent
	}
	r.Get(s, tcpip.IP_MTU)
	r.Get(s, tcpip.IPV6_MTU)
	for _, size := range []int{1300, 1500, 1501, 3000} {
		send(size)
	}
	about := send(1400)
	if len(about) == 0 {
		return
	}
	r.Inject("too big, 1300", tooBig(about[0], 1300))
	r.Poll(s)
	r.Recv(s, 0, 200, linux.MSG_ERRQUEUE)
	r.Get(s, linux.SO_ERROR)
	r.Get(s, tcpip.IP_MTU)
	r.Get(s, tcpip.IPV6_MTU)
	for _, size := range []int{1300, 1301, 1400, 1500, 1501, 3000} {
		send(size)
	}
	r.Get(s, linux.SO_ERROR)
	r.Poll(s)
}

// deviceScenarios bind sockets to lo or t0.
func deviceScenarios(k way) []Scenario {
	from := Peer4
	host := k.at(Host4, Host6, 4000)
	if !k.v4() {
		from = Peer6
	}
	device := func(r *Run, s int, name string) { r.SetOpt(s, 1, linux.SO_BINDTODEVICE.Number(), []byte(name)) }
	list := []Scenario{
		{"socket/device/ports/" + k.name, func(r *Run) {
			a, b, c := k.open(r), k.open(r), k.open(r)
			device(r, a, "lo")
			device(r, b, "t0")
			r.Bind(a, k.any(4000))
			r.Bind(b, k.any(4000))
			r.Bind(c, k.any(4000))
			d := k.open(r)
			r.Send(d, []byte("inside"), k.lo(4000), nil, 0)
			r.Send(d, []byte("to t0's address"), host, nil, 0)
			r.Arrive("datagram", arriving{from: from, data: []byte("outside")}.packet())
			for range 3 {
				r.Recv(a, 100, 0, 0)
				r.Recv(b, 100, 0, 0)
			}
			device(r, a, "")
			r.Arrive("datagram", arriving{from: from, data: []byte("outside")}.packet())
			r.Recv(a, 100, 0, 0)
			r.Recv(b, 100, 0, 0)
		}},
		{"socket/device/later/" + k.name, func(r *Run) {
			s := k.open(r)
			r.Bind(s, k.any(4000))
			for _, name := range []string{"lo", "t0", ""} {
				device(r, s, name)
				r.Names(s)
				r.Arrive("datagram", arriving{from: from, data: []byte("x")}.packet())
				r.Recv(s, 100, 0, 0)
			}
		}},
		{"socket/device/index/" + k.name, func(r *Run) {
			s := k.open(r)
			for _, v := range []int{2, 1, 99, -1, 0} {
				r.Set(s, tcpip.SO_BINDTOIFINDEX, v)
				r.Get(s, tcpip.SO_BINDTOIFINDEX)
				r.GetOpt(s, 1, linux.SO_BINDTODEVICE.Number(), 16)
			}
		}},
	}
	for _, name := range []string{"lo", "t0"} {
		for _, connect := range []bool{false, true} {
			list = append(list, Scenario{fmt.Sprintf("socket/device/send-%s/connect-%v/%s", name, connect, k.name), func(r *Run) {
				for _, to := range [][]byte{k.lo(4000), host, k.peer(4000), k.at("192.0.2.9", "2001:db8::9", 4000)} {
					s := k.open(r)
					device(r, s, name)
					if connect {
						r.Connect(s, to)
						r.Names(s)
						to = nil
					}
					r.Send(s, []byte("x"), to, nil, 0)
					r.Packets()
					r.Close(s)
				}
			}})
		}
	}
	return list
}

func txTimeScenarios(k way) []Scenario {
	when := append(Int(1), Int(2)...)
	return []Scenario{{"socket/txtime/" + k.name, func(r *Run) {
		c, s := k.couple(r)
		at := Cmsg(1, linux.SO_TXTIME.Number(), when)
		r.Send(c, []byte("x"), k.lo(4000), at, 0)
		for _, v := range [][2]int{{0, 0}, {1, 0}, {11, 0}, {1, 1}, {1, 2}, {1, 3}, {1, 4}, {7, 0}, {99, 0}, {-1, 0}} {
			r.SetOpt(c, 1, linux.SO_TXTIME.Number(), append(Int(v[0]), Int(v[1])...))
			r.GetOpt(c, 1, linux.SO_TXTIME.Number(), 8)
		}
		r.Send(c, []byte("y"), k.lo(4000), at, 0)
		r.Send(c, []byte("z"), k.lo(4000), Cmsg(1, linux.SO_TXTIME.Number(), Int(1)), 0)
		r.Send(c, []byte("!"), k.lo(4000), nil, 0)
		for range 4 {
			r.Recv(s, 10, 0, 0)
		}
	}}}
}
