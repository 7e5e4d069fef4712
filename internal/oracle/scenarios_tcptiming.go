package oracle

import (
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// tcpTimingScenarios show options of streams that say when something is sent, and how much is held.
func tcpTimingScenarios() (list []Scenario) {
	add := func(name string, k sort, do func(*Run)) {
		list = append(list, Scenario{"tcptiming/" + name + "/" + k.name, do})
	}
	for _, k := range sorts {
		if !streams(k) {
			continue
		}
		for _, low := range []int{0, 20000} { // the lower bound of timeouts, us; 0 leaves it at 200 ms
			add(map[int]string{0: "timeout/default", 20000: "timeout/RTO_MIN_US"}[low], k, func(r *Run) {
				s, p := k.dial(r, func(s int, _ *tcpPeer) {
					if low > 0 {
						r.Set(s, tcp.TCP_RTO_MIN_US, low)
					}
				})
				r.Send(s, []byte("lost"), nil, nil, 0)
				p.watch()
				r.sockets.Wait(110)
				r.Say("it went again within 110 ms: %v", len(r.sockets.Sent()) > 0)
			})
		}
		for _, most := range []int{0, 8000} { // how long an acknowledgement may wait, us
			add(map[int]string{0: "delayed/default", 8000: "delayed/DELACK_MAX_US"}[most], k, func(r *Run) {
				s, p := k.dial(r, nil)
				r.Set(s, tcp.TCP_QUICKACK, 0)
				if most > 0 {
					r.Set(s, tcp.TCP_DELACK_MAX_US, most)
				}
				p.Send(segment{data: "abc", flags: tcpPSH})
				r.sockets.Wait(20)
				p.Sent()
				r.sockets.Wait(100)
				p.Sent()
			})
		}
		add("QUICKACK", k, func(r *Run) { // 0 puts an acknowledgement off, 1 sends it
			s, p := k.dial(r, nil)
			r.Set(s, tcp.TCP_QUICKACK, 0)
			r.Get(s, tcp.TCP_QUICKACK)
			p.Send(segment{data: "abc", flags: tcpPSH})
			p.Sent()
			r.Set(s, tcp.TCP_QUICKACK, 1)
			r.Get(s, tcp.TCP_QUICKACK)
			p.Sent()
			p.Send(segment{data: "def", flags: tcpPSH})
			p.Sent()
		})
		add("TX_DELAY", k, func(r *Run) {
			s, p := k.dial(r, nil)
			r.Set(s, tcp.TCP_TX_DELAY, 50000)
			r.Get(s, tcp.TCP_TX_DELAY)
			r.Send(s, []byte("late"), nil, nil, 0)
			p.Sent()
			r.sockets.Wait(150)
			p.Sent()
		})
		add("SNDBUFFORCE", k, func(r *Run) { // beyond what SO_SNDBUF gives
			s, p := k.dial(r, func(_ int, p *tcpPeer) { p.window = 1000 })
			r.Set(s, linux.SO_SNDBUFFORCE, 3<<20)
			n, e := r.sockets.SendMsg(s, make([]byte, 2<<20), nil, nil, 0)
			r.Say("all of 2 MB is taken: %v, %s", n == 2<<20, errnoName(e))
			p.watch()
		})
	}
	for _, k := range sorts {
		if !udps(k) {
			continue
		}
		for _, force := range []bool{false, true} {
			add(map[bool]string{false: "receive-buffer/default", true: "receive-buffer/RCVBUFFORCE"}[force], k, func(r *Run) {
				s, c := k.open(r), k.open(r)
				if force {
					r.Set(s, linux.SO_RCVBUFFORCE, 2<<20)
				}
				r.Bind(s, k.loopback(4000))
				got := 0
				for range 20 {
					_, _ = r.sockets.SendMsg(c, make([]byte, 50000), k.loopback(4000), nil, 0)
					r.sockets.Settle()
				}
				for b := make([]byte, 60000); ; got++ {
					if _, e := r.sockets.RecvMsg(s, b, nil, 0); e != 0 {
						break
					}
				}
				r.Say("all of 20 datagrams of 50000 bytes are held: %v", got == 20)
			})
		}
	}
	return list
}
