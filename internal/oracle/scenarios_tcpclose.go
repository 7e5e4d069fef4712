package oracle

import (
	"fmt"

	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

func linger(r *Run, s, seconds int) {
	r.SetOpt(s, linux.SOL_SOCKET, 13, append(Int(1), Int(seconds)...))
}

// hostEnds are how the host ends its side.
var hostEnds = []struct {
	name string
	do   func(r *Run, s int)
}{
	{"close", func(r *Run, s int) { r.Close(s) }},
	{"shut-wr", func(r *Run, s int) { r.Shutdown(s, linux.SHUT_WR) }},
	{"shut-rd", func(r *Run, s int) { r.Shutdown(s, linux.SHUT_RD) }},
	{"shut-rdwr", func(r *Run, s int) { r.Shutdown(s, linux.SHUT_RDWR) }},
	{"shut-close", func(r *Run, s int) { r.Shutdown(s, linux.SHUT_WR); r.Close(s) }},
	{"linger0", func(r *Run, s int) { linger(r, s, 0); r.Close(s) }},
	{"unspec", func(r *Run, s int) { r.Connect(s, Unspec()) }},
}

// peerEnds are what the peer does about it, after it has acknowledged what it got or not.
var peerEnds = []struct {
	name string
	do   func(p *tcpPeer)
}{
	{"ack-fin", func(p *tcpPeer) { p.Send(segment{}); p.Sent(); p.Send(segment{flags: tcpFIN}) }},
	{"fin", func(p *tcpPeer) { p.Send(segment{flags: tcpFIN}) }},
	{"fin-crossing", func(p *tcpPeer) { p.Send(segment{flags: tcpFIN, ack: -1}); p.Sent(); p.Send(segment{}) }},
	{"ack-data", func(p *tcpPeer) { p.Send(segment{flags: tcpPSH, data: "late"}) }},
	{"data-fin", func(p *tcpPeer) { p.Send(segment{flags: tcpPSH | tcpFIN, data: "late"}) }},
	{"reset", func(p *tcpPeer) { p.Send(segment{flags: tcpRST}) }},
	{"fin-reset", func(p *tcpPeer) { p.Send(segment{flags: tcpFIN}); p.Sent(); p.Send(segment{flags: tcpRST}) }},
	{"fin-again", func(p *tcpPeer) {
		p.Send(segment{flags: tcpFIN})
		p.Sent()
		p.Send(segment{flags: tcpFIN, seq: -1})
	}},
	{"syn-again", func(p *tcpPeer) {
		p.Send(segment{flags: tcpFIN})
		p.Sent()
		p.Send(segment{flags: tcpSYN, bare: true, seq: 100000})
	}},
}

// before is what has happened on a connection before its end.
var before = []struct {
	name string
	do   func(r *Run, s int, p *tcpPeer)
}{
	{"idle", func(r *Run, s int, p *tcpPeer) {}},
	{"unread", func(r *Run, s int, p *tcpPeer) { p.Send(segment{flags: tcpPSH, data: "unread"}); p.Sent() }},
	{"in-flight", func(r *Run, s int, p *tcpPeer) { r.Send(s, []byte("flying"), nil, nil, 0); p.Sent() }},
	{"exchanged", func(r *Run, s int, p *tcpPeer) {
		p.Send(segment{flags: tcpPSH, data: "ask"})
		p.Sent()
		r.Recv(s, 10, 0, 0)
		r.Send(s, []byte("answer"), nil, nil, 0)
		p.Sent()
		p.Send(segment{})
	}},
	{"peer-fin", func(r *Run, s int, p *tcpPeer) { p.Send(segment{flags: tcpFIN}); r.sockets.Wait(60); p.Sent() }},
	{"closed-window", func(r *Run, s int, p *tcpPeer) {
		p.window = 0
		p.Send(segment{})
		r.Send(s, []byte("wait"), nil, nil, 0)
		p.Sent()
	}},
}

// tcpCloseScenarios end connections over t0 in all these orders.
func tcpCloseScenarios() (list []Scenario) {
	for _, k := range tcpSorts() {
		for _, b := range before {
			for _, h := range hostEnds {
				for _, e := range peerEnds {
					if k.v6() && b.name != "idle" {
						continue
					}
					name := fmt.Sprintf("tcp/close/%s/%s/%s/%s", b.name, h.name, e.name, k.name)
					list = append(list, Scenario{name, func(r *Run) {
						s, p := k.dial(r, nil)
						b.do(r, s, p)
						h.do(r, s)
						p.Sent()
						e.do(p)
						r.sockets.Wait(60)
						p.Sent()
						if _, open := r.names[s]; !open || h.name == "close" || h.name == "linger0" || h.name == "shut-close" {
							return
						}
						tcpLook(r, s)
						r.Recv(s, 10, 0, 0)
						r.Recv(s, 10, 0, 0)
						r.Send(s, []byte("x"), nil, nil, 0)
						r.Get(s, linux.SO_ERROR)
						r.Close(s)
						p.Sent()
					}})
				}
			}
		}
		list = append(list, perClose(k)...)
	}
	return list
}

// perClose are orders that the table does not have.
func perClose(k sort) []Scenario {
	name := func(s string) string { return "tcp/close/" + s + "/" + k.name }
	return []Scenario{
		{name("linger2-negative"), func(r *Run) {
			s, p := k.dial(r, nil)
			r.SetOpt(s, 6, 8, Int(-1))
			r.Close(s)
			p.Sent()
			p.Send(segment{})
			p.Sent()
		}},
		{name("linger5"), func(r *Run) {
			s, p := k.dial(r, nil)
			r.Send(s, []byte("flying"), nil, nil, 0)
			p.Sent()
			p.Send(segment{})
			r.Shutdown(s, linux.SHUT_WR)
			p.Sent()
			p.Send(segment{})
			linger(r, s, 5)
			r.Close(s)
			p.Sent()
			p.Send(segment{flags: tcpFIN})
			p.Sent()
		}},
		{name("data-to-orphan"), func(r *Run) {
			s, p := k.dial(r, nil)
			r.Close(s)
			p.Sent()
			p.Send(segment{})
			p.Send(segment{flags: tcpPSH, data: "nobody reads"})
			p.Sent()
			p.Send(segment{flags: tcpPSH, data: "nobody at all"})
			p.Sent()
		}},
		{name("queue-then-close"), func(r *Run) {
			s, p := k.dial(r, nil)
			r.Send(s, some(4000), nil, nil, 0)
			r.Close(s)
			p.Sent()
			p.Send(segment{})
			p.Sent()
		}},
		{name("corked-then-shut"), func(r *Run) {
			s, p := k.dial(r, nil)
			r.SetOpt(s, 6, 3, Int(1))
			r.Send(s, []byte("corked"), nil, nil, 0)
			p.Sent()
			r.Shutdown(s, linux.SHUT_WR)
			p.Sent()
		}},
		{name("time-wait-segments"), func(r *Run) {
			s, p := k.dial(r, nil)
			r.Close(s)
			p.Sent()
			p.Send(segment{flags: tcpFIN})
			p.Sent()
			p.Send(segment{})
			p.Sent()
			p.Send(segment{flags: tcpPSH, data: "old"})
			p.Sent()
			p.Send(segment{flags: tcpRST})
			p.Sent()
			p.Send(segment{flags: tcpFIN, seq: -4})
			p.Sent()
		}},
		{name("rebind-in-time-wait"), func(r *Run) {
			p := k.tcpPeerOf(r, 4000)
			s := k.open(r)
			r.SetOpt(s, 1, 2, Int(1))
			r.Bind(s, k.any(4700))
			r.Connect(s, k.peer(4000))
			p.Sent()
			p.Send(segment{flags: tcpSYN})
			p.Sent()
			r.Close(s)
			p.Sent()
			p.Send(segment{flags: tcpFIN})
			p.Sent()
			for _, reuse := range []int{0, 1} {
				b := k.open(r)
				r.SetOpt(b, 1, 2, Int(reuse))
				r.Bind(b, k.any(4700))
			}
		}},
	}
}

var tcpCloseDifferences = []difference{}
