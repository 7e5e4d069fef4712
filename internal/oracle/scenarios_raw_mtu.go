package oracle

import (
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// rawMTUScenarios are the matrix of path MTUs, and what becomes of a pending error.
func rawMTUScenarios() (list []Scenario) {
	for _, name := range []string{"raw4", "raw6"} {
		k := rawSort(name)
		for v := range 6 {
			for _, connected := range []bool{false, true} {
				for _, queue := range []int{0, 1} {
					list = append(list, mtuScenario(k, v, connected, queue, fmt.Sprintf("raw/pmtu/mode%d/connected-%v/recverr%d/%s", v, connected, queue, k.name)))
				}
			}
		}
		for _, bad := range []int{0, 68, 551, 552, 1279, 1280, 1499, 1500, 1501, 9000} {
			list = append(list, Scenario{fmt.Sprintf("raw/pmtu/told%d/%s", bad, k.name), func(r *Run) {
				s := k.open(r)
				r.Connect(s, k.peer(0))
				r.Send(s, make([]byte, 1400), nil, nil, 0)
				about := r.Packets()
				r.Inject(fmt.Sprint("too big, ", bad), tooBig(about[0], bad))
				r.Get(s, linux.SO_ERROR)
				r.Get(s, tcpip.IP_MTU)
				r.Get(s, tcpip.IPV6_MTU)
				r.Send(s, make([]byte, 1400), nil, nil, 0)
				r.Packets()
			}})
		}
		list = append(list, Scenario{"raw/error-pending/" + name, func(r *Run) {
			for _, included := range []int{0, 1} {
				s := k.open(r)
				payload := []byte("payload")
				r.Connect(s, k.peer(0))
				r.Send(s, payload, nil, nil, 0)
				sent := r.Packets()
				unreachable := k.icmpTo(k.code(3, 1), k.code(3, 4), 0, quote(sent[0]))
				r.Set(s, ipHdrincl, included)
				r.Set(s, ipv6Hdrincl, included)
				if included == 1 {
					payload = k.packet([]byte("payload"))
				}
				r.Inject("unreachable", unreachable)
				r.Poll(s)
				r.Send(s, payload[:0], nil, nil, 0)
				r.Send(s, payload, nil, nil, 0)
				r.Send(s, payload, nil, nil, 0)
				r.Packets()
				r.Inject("unreachable", unreachable)
				r.Recv(s, 10, 0, 0)
				r.Recv(s, 10, 0, 0)
			}
		}})
	}
	for _, name := range []string{"raw-icmp4", "raw-icmp6"} {
		k := rawSort(name)
		list = append(list, Scenario{"raw/icmp/short/" + name, func(r *Run) {
			s := k.open(r)
			for n := range 5 {
				r.Send(s, make([]byte, n), k.peer(0), nil, 0)
				r.Packets()
			}
			r.Send(s, nil, k.foreign(0), nil, 0)
			r.Send(s, nil, nil, nil, 0)
		}})
	}
	for _, name := range []string{"raw4", "raw6"} {
		k := rawSort(name)
		list = append(list, Scenario{"raw/more/" + name, func(r *Run) {
			s := k.open(r)
			r.Connect(s, k.peer(0))
			r.Send(s, []byte("one "), nil, nil, linux.MSG_MORE)
			r.Packets()
			r.Send(s, []byte("two "), nil, nil, linux.MSG_MORE)
			r.Send(s, []byte("three"), nil, nil, 0)
			r.Bytes()
			r.Send(s, make([]byte, 1000), nil, nil, linux.MSG_MORE)
			r.Send(s, make([]byte, 1000), nil, nil, 0)
			r.Packets()
		}})
	}
	return list
}
