package oracle

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// timerScenarios show options of TCP that steer its timers, by how often something is sent in some time.
func timerScenarios() (list []Scenario) {
	for _, k := range sorts {
		if !streams(k) {
			continue
		}
		list = append(list,
			Scenario{"timers/SYNCNT/" + k.name, func(r *Run) {
				s := k.open(r)
				r.Set(s, tcp.TCP_SYNCNT, 1)
				r.Connect(s, k.peer(4000))
				r.sockets.Pass(3400) // 1 s, and 2 s to give it up
				r.Packets()
				r.Poll(s)
				r.Get(s, linux.SO_ERROR)
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

var timerDifferences = []difference{
	{"timers/SYNCNT/*", "one SYN fewer is sent", "gap: Linux counts the retransmissions at intervals of a second apart (tcp_syn_linear_timeouts)"},
}
