package oracle

import (
	"encoding/binary"
	"fmt"

	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// timerScenarios show options of TCP that steer its timers, by how often something is sent in some time.
func timerScenarios() (list []Scenario) {
	for _, k := range sorts {
		if !streams(k) {
			continue
		}
		for _, c := range []struct{ count, lasts int }{{1, 3000}, {2, 7000}} { // what they would last without the first four
			list = append(list, Scenario{fmt.Sprintf("timers/SYNCNT/%d/%s", c.count, k.name), func(r *Run) {
				s := k.open(r)
				r.Set(s, tcp.TCP_SYNCNT, c.count)
				r.Connect(s, k.peer(4000))
				r.sockets.Pass(c.lasts - 500)
				r.Packets()
				r.Poll(s)
				r.sockets.Pass(1000)
				r.Packets()
				r.Poll(s)
				r.Get(s, linux.SO_ERROR)
			}})
		}
		list = append(list,
			Scenario{"timers/SYN/" + k.name, func(r *Run) { // after 1, 2, 3, 4, 5 and 7 s
				s := k.open(r)
				r.Connect(s, k.peer(4000))
				for _, ms := range []int{2400, 2200, 3000} { // not where one is just due
					r.sockets.Pass(ms)
					r.Packets()
					r.Info(s)
				}
			}},
			Scenario{"timers/RTO_MAX_MS/" + k.name, func(r *Run) {
				s := k.open(r)
				r.Set(s, tcp.TCP_RTO_MAX_MS, 1000)
				r.Connect(s, k.peer(4000))
				r.sockets.Pass(2500) // a SYN each second
				r.Packets()
			}},
			Scenario{"timers/TIMESTAMP/" + k.name, func(r *Run) { // its clock goes on, and can only be set in repair
				s := k.open(r)
				read := func() uint32 {
					b := make([]byte, 4)
					_, _ = r.sockets.GetSockOpt(s, linux.TCP_TIMESTAMP.Level(), linux.TCP_TIMESTAMP.Number(), b)
					return binary.NativeEndian.Uint32(b)
				}
				before := read()
				r.sockets.Pass(50)
				passed := read() - before
				r.Say("TCP_TIMESTAMP moves on: %v", passed >= 40 && passed < 4000)
				r.Set(s, linux.TCP_TIMESTAMP, 1)
			}},
			Scenario{"timers/THIN_LINEAR_TIMEOUTS/" + k.name, func(r *Run) {
				s, p := k.dial(r, nil)
				r.Set(s, tcp.TCP_THIN_LINEAR_TIMEOUTS, 1)
				r.Send(s, []byte("thin"), nil, nil, 0)
				r.sockets.Pass(1300)
				p.Sent()
			}},
		)
	}
	return list
}

var timerDifferences = []difference{}
