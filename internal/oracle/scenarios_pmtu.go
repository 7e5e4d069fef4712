package oracle

import (
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// pmtuScenarios send over t0 below, at and above MTUs, in every mode of MTU_DISCOVER, before and after an
// ICMP error has told of a path MTU of 1300 (BEHAVIOUR B2-B7).
func pmtuScenarios() (list []Scenario) {
	for _, k := range sorts {
		if !udps(k) {
			continue
		}
		headers := 28
		mode, mtu, recverr := tcpip.IP_MTU_DISCOVER, tcpip.IP_MTU, tcpip.IP_RECVERR
		if k.v6() {
			headers = 48
			mode, mtu, recverr = tcpip.IPV6_MTU_DISCOVER, tcpip.IPV6_MTU, tcpip.IPV6_RECVERR
		}
		for v := range 6 {
			for _, connected := range []bool{false, true} {
				for _, queue := range []int{0, 1} {
					name := fmt.Sprintf("pmtu/mode%d/connected-%v/recverr%d/%s", v, connected, queue, k.name)
					list = append(list, Scenario{name, func(r *Run) {
						s := k.open(r)
						r.Set(s, mode, v)
						r.Set(s, recverr, queue)
						to := k.peer(4000)
						if connected {
							r.Connect(s, to)
							to = nil
						}
						send := func(size int) [][]byte {
							r.Send(s, make([]byte, size-headers), to, nil, 0)
							sent := r.Packets()
							r.Recv(s, 0, 200, linux.MSG_ERRQUEUE)
							return sent
						}
						r.aroundTooBig(s, mtu, send)
					}})
				}
			}
		}
		for _, bad := range []int{0, 67, 68, 551, 552, 1279, 1280, 1499, 1500, 1501, 9000} {
			list = append(list, Scenario{fmt.Sprintf("pmtu/told%d/%s", bad, k.name), func(r *Run) {
				s := k.open(r)
				r.Connect(s, k.peer(4000))
				r.Send(s, make([]byte, 1400), nil, nil, 0)
				about := r.Packets()
				r.Inject(fmt.Sprint("too big, ", bad), tooBig(about[0], bad))
				r.Get(s, linux.SO_ERROR)
				r.Get(s, mtu)
				r.Send(s, make([]byte, 1400), nil, nil, 0)
				r.Packets()
			}})
		}
	}
	return list
}

// wireScenarios show the effect of options on what leaves.
func wireScenarios() (list []Scenario) {
	for _, k := range sorts {
		if !udps(k) {
			continue
		}
		for _, o := range []struct {
			id tcpip.OptionID
			v  int
		}{
			{tcpip.IP_TOS, 0x48}, {tcpip.IP_TOS, 0xff}, {tcpip.IP_TTL, 7}, {tcpip.IP_TTL, -1}, {tcpip.IP_MULTICAST_TTL, 9},
			{tcpip.IPV6_TCLASS, 0x48}, {tcpip.IPV6_UNICAST_HOPS, 7}, {tcpip.IPV6_MULTICAST_HOPS, 9}, {tcpip.IPV6_DONTFRAG, 1},
			{tcpip.SO_BROADCAST, 1}, {tcpip.SO_BINDTOIFINDEX, 2}, {tcpip.SO_BINDTOIFINDEX, 1}, {tcpip.IP_MULTICAST_IF, 0},
			{tcpip.IPV6_MULTICAST_IF, 2}, {tcpip.IP_FREEBIND, 1}, {tcpip.IP_TRANSPARENT, 1},
		} {
			if o.id.Level() == linux.IPPROTO_IPV6 && !k.v6() {
				continue
			}
			list = append(list, Scenario{fmt.Sprintf("wire/%d-%d-%d/%s", o.id.Level(), o.id.Number(), o.v, k.name), func(r *Run) {
				s := k.open(r)
				r.Set(s, o.id, o.v)
				for _, to := range [][]byte{k.peer(4000), k.at("10.77.0.255", "ff02::99", 4000), k.at("239.1.1.1", "ff0e::99", 4000), k.foreign(4000)} {
					r.Send(s, []byte("x"), to, nil, 0)
					r.Packets()
				}
				r.Send(s, make([]byte, 2000), k.peer(4000), nil, 0)
				r.Packets()
				r.Bind(s, k.foreign(4001))
				f := k.open(r)
				r.Set(f, o.id, o.v)
				r.Bind(f, k.foreign(4001))
				r.Send(f, []byte("y"), k.peer(4000), nil, 0)
				r.Packets()
			}})
		}
	}
	return list
}

// aroundTooBig sends packets below, at and above the MTU, has a router tell of one of 1300, sends such packets again,
// and asks on the way what the socket knows. send makes a packet of a size and returns what has left.
func (r *Run) aroundTooBig(s int, mtu tcpip.OptionID, send func(size int) [][]byte) {
	r.Get(s, mtu)
	for _, size := range []int{1300, 1500, 1501, 3000} {
		send(size)
	}
	about := send(1400)
	r.Inject("too big, 1300", tooBig(about[0], 1300))
	r.Poll(s)
	r.Recv(s, 0, 200, linux.MSG_ERRQUEUE)
	r.Get(s, linux.SO_ERROR)
	r.Get(s, mtu)
	for _, size := range []int{1300, 1301, 1400, 1500, 1501, 3000} {
		send(size)
	}
	r.Get(s, linux.SO_ERROR)
	r.Poll(s)
}
