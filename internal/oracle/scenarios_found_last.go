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
