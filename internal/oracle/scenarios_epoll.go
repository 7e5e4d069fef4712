package oracle

import (
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// The conditions of epoll(7), all of them and those that matter most.
const (
	epollIn   = 0x1
	epollPri  = 0x2
	epollOut  = 0x4
	epollRead = epollIn | epollPri | 0x2000
	epollAll  = epollRead | epollOut
)

// epollScenarios watch sockets with epoll(7): what is reported, and above all when it is reported again.
func epollScenarios() (list []Scenario) {
	for _, k := range sorts {
		if streams(k) {
			list = append(list, epollStreams(k)...)
		}
		if udps(k) {
			list = append(list, epollDatagrams(k)...)
		}
	}
	return list
}

// watched is a scenario on the server end s of a connection, which an epoll file watches with the events.
func watched(k sort, name string, events uint32, do func(r *Run, e, c, s int)) Scenario {
	return Scenario{"epoll/" + name + "/" + k.name, func(r *Run) {
		_, c, s := k.pair(r)
		e := r.Epoll()
		r.Watch(e, linux.EPOLL_CTL_ADD, s, events)
		r.Events(e, 5)
		do(r, e, c, s)
	}}
}

func epollStreams(k sort) []Scenario {
	hello := []byte("hello")
	return []Scenario{
		watched(k, "edge-in", linux.EPOLLET|epollRead, func(r *Run, e, c, s int) {
			for range 2 { // each datum is an edge, though the last was not read
				r.Send(c, hello, nil, nil, 0)
				r.Events(e, 5)
				r.Events(e, 5)
			}
			r.Recv(s, 3, 0, 0)
			r.Events(e, 5)
			r.Recv(s, 100, 0, 0)
			r.Events(e, 5)
			r.Send(c, hello, nil, nil, 0)
			r.Events(e, 5)
		}),
		watched(k, "level-in", epollRead, func(r *Run, e, c, s int) {
			r.Send(c, hello, nil, nil, 0)
			r.Events(e, 5)
			r.Events(e, 5)
			r.Recv(s, 3, 0, 0)
			r.Events(e, 5)
			r.Recv(s, 100, 0, 0)
			r.Events(e, 5)
		}),
		watched(k, "oneshot", linux.EPOLLONESHOT|epollIn, func(r *Run, e, c, s int) {
			r.Send(c, hello, nil, nil, 0)
			r.Events(e, 5)
			r.Send(c, hello, nil, nil, 0)
			r.Events(e, 5)
			r.Watch(e, linux.EPOLL_CTL_MOD, s, linux.EPOLLONESHOT|epollIn)
			r.Events(e, 5)
			r.Events(e, 5)
			r.Recv(s, 100, 0, 0)
			r.Watch(e, linux.EPOLL_CTL_MOD, s, linux.EPOLLONESHOT|epollIn|linux.EPOLLET)
			r.Events(e, 5)
			r.Send(c, hello, nil, nil, 0)
			r.Events(e, 5)
			r.Shutdown(c, linux.SHUT_RDWR)
			r.Events(e, 5)
		}),
		watched(k, "edge-all", linux.EPOLLET|epollAll, func(r *Run, e, c, s int) {
			r.Events(e, 5)
			r.Send(c, hello, nil, nil, 0)
			r.Events(e, 5)
			r.Send(s, hello, nil, nil, 0)
			r.Events(e, 5)
			r.Recv(c, 100, 0, 0)
			r.Events(e, 5)
		}),
		watched(k, "edge-shut-write", linux.EPOLLET|epollRead, func(r *Run, e, c, s int) {
			r.Shutdown(c, linux.SHUT_WR)
			r.Events(e, 5)
			r.Events(e, 5)
			r.Recv(s, 10, 0, 0)
			r.Events(e, 5)
			r.Shutdown(s, linux.SHUT_WR)
			r.Events(e, 5)
			r.Events(e, 5)
		}),
		watched(k, "edge-shut-read", linux.EPOLLET|epollRead, func(r *Run, e, c, s int) {
			r.Shutdown(s, linux.SHUT_RD)
			r.Events(e, 5)
			r.Events(e, 5)
			r.Send(c, hello, nil, nil, 0)
			r.Events(e, 5)
		}),
		watched(k, "edge-close", linux.EPOLLET|epollAll, func(r *Run, e, c, s int) {
			r.Send(c, hello, nil, nil, 0)
			r.Close(c)
			r.Events(e, 5)
			r.Events(e, 5)
			r.Send(s, hello, nil, nil, 0)
			r.Events(e, 5)
			r.Events(e, 5)
			r.Get(s, linux.SO_ERROR)
			r.Events(e, 5)
		}),
		watched(k, "edge-reset", linux.EPOLLET|epollAll, func(r *Run, e, c, s int) {
			r.SetOpt(c, linux.SOL_SOCKET, 13, append(Int(1), Int(0)...))
			r.Close(c)
			r.Events(e, 5)
			r.Events(e, 5)
			r.Recv(s, 10, 0, 0)
			r.Events(e, 5)
		}),
		watched(k, "edge-urgent", linux.EPOLLET|epollRead, func(r *Run, e, c, s int) {
			r.Send(c, []byte("!"), nil, nil, linux.MSG_OOB)
			r.Events(e, 5)
			r.Events(e, 5)
			r.Send(c, hello, nil, nil, 0)
			r.Events(e, 5)
			r.Recv(s, 1, 0, linux.MSG_OOB)
			r.Events(e, 5)
		}),
		watched(k, "edge-priority", linux.EPOLLET|epollPri, func(r *Run, e, c, s int) {
			r.Send(c, hello, nil, nil, 0)
			r.Events(e, 5)
			r.Send(c, []byte("!"), nil, nil, linux.MSG_OOB)
			r.Events(e, 5)
			r.Events(e, 5)
			r.Send(c, []byte("!"), nil, nil, linux.MSG_OOB)
			r.Events(e, 5)
		}),
		watched(k, "edge-low-water", linux.EPOLLET|epollRead, func(r *Run, e, c, s int) {
			r.Set(s, tcpip.SO_RCVLOWAT, 8)
			r.Events(e, 5)
			r.Send(c, hello, nil, nil, 0)
			r.Events(e, 5)
			r.Send(c, hello, nil, nil, 0)
			r.Events(e, 5)
			r.Set(s, tcpip.SO_RCVLOWAT, 20)
			r.Events(e, 5)
			r.Set(s, tcpip.SO_RCVLOWAT, 1)
			r.Events(e, 5)
		}),
		watched(k, "edge-modify", linux.EPOLLET|epollRead, func(r *Run, e, c, s int) {
			r.Watch(e, linux.EPOLL_CTL_MOD, s, linux.EPOLLET|epollAll)
			r.Events(e, 5)
			r.Events(e, 5)
			r.Watch(e, linux.EPOLL_CTL_MOD, s, linux.EPOLLET|epollAll)
			r.Events(e, 5)
			r.Watch(e, linux.EPOLL_CTL_DEL, s, 0)
			r.Send(c, hello, nil, nil, 0)
			r.Events(e, 5)
			r.Watch(e, linux.EPOLL_CTL_DEL, s, 0)
			r.Watch(e, linux.EPOLL_CTL_MOD, s, epollAll)
			r.Watch(e, linux.EPOLL_CTL_ADD, s, linux.EPOLLET|epollAll)
			r.Watch(e, linux.EPOLL_CTL_ADD, s, linux.EPOLLET|epollAll)
			r.Events(e, 5)
			r.Events(e, 5)
			r.Close(s)
			r.Events(e, 5)
		}),
		{"epoll/edge-listen/" + k.name, func(r *Run) {
			l := k.open(r)
			r.Bind(l, k.loopback(4000))
			r.Listen(l, 5)
			e := r.Epoll()
			r.Watch(e, linux.EPOLL_CTL_ADD, l, linux.EPOLLET|epollAll)
			r.Events(e, 5)
			for range 2 {
				c := k.open(r)
				r.Connect(c, k.loopback(4000))
				r.Events(e, 5)
				r.Events(e, 5)
			}
			r.Accept(l, 0)
			r.Events(e, 5)
			r.Shutdown(l, linux.SHUT_RD)
			r.Events(e, 5)
		}},
		{"epoll/edge-connect/" + k.name, func(r *Run) {
			l := k.open(r)
			r.Bind(l, k.loopback(4000))
			r.Listen(l, 5)
			c, e := k.open(r), r.Epoll()
			r.Watch(e, linux.EPOLL_CTL_ADD, c, linux.EPOLLET|epollAll)
			r.Events(e, 5)
			r.Connect(c, k.loopback(4000))
			r.Events(e, 5)
			r.Events(e, 5)
		}},
		{"epoll/edge-refused/" + k.name, func(r *Run) {
			c, e := k.open(r), r.Epoll()
			r.Watch(e, linux.EPOLL_CTL_ADD, c, linux.EPOLLET|epollAll)
			r.Events(e, 5)
			r.Connect(c, k.loopback(4999))
			r.Events(e, 5)
			r.Events(e, 5)
			r.Get(c, linux.SO_ERROR)
			r.Events(e, 5)
		}},
		// Room comes back in one edge when enough of it is free.
		watched(k, "edge-out", linux.EPOLLET|epollOut, func(r *Run, e, c, s int) {
			r.Events(e, 5)
			full := false
			for range 4000 {
				if _, errno := r.sockets.SendMsg(s, make([]byte, 4096), nil, nil, 0); errno != 0 {
					r.Say("full: %s", errnoName(errno))
					full = true
					break
				}
			}
			r.Say("%v", full)
			r.sockets.Settle()
			r.Events(e, 5)
			r.Recv(c, 1, 0, 0)
			r.Events(e, 5)
			for range 4000 {
				m, errno := r.sockets.RecvMsg(c, make([]byte, 65536), nil, 0)
				if errno != 0 || m.N == 0 {
					break
				}
				r.sockets.Settle()
			}
			r.Events(e, 5)
			r.Events(e, 5)
		}),
		// Several sockets come in the order in which something happened to them.
		{"epoll/order/" + k.name, func(r *Run) {
			l := k.open(r)
			r.Bind(l, k.loopback(4000))
			r.Listen(l, 5)
			e := r.Epoll()
			var c, s [3]int
			for i := range c {
				c[i] = k.open(r)
				r.Connect(c[i], k.loopback(4000))
				s[i] = r.Accept(l, 0)
				r.Watch(e, linux.EPOLL_CTL_ADD, s[i], epollIn)
			}
			for _, i := range []int{2, 0, 1} {
				r.Send(c[i], hello, nil, nil, 0)
			}
			for range 5 {
				r.Events(e, 2)
			}
			r.Recv(s[0], 10, 0, 0)
			r.Events(e, 5)
			r.Events(e, 5)
		}},
	}
}

func epollDatagrams(k sort) []Scenario {
	return []Scenario{
		{"epoll/edge-in/" + k.name, func(r *Run) {
			c, s, e := k.open(r), k.open(r), r.Epoll()
			r.Bind(s, k.loopback(4000))
			r.Watch(e, linux.EPOLL_CTL_ADD, s, linux.EPOLLET|epollAll)
			r.Events(e, 5)
			for range 2 {
				r.Send(c, []byte("x"), k.loopback(4000), nil, 0)
				r.Events(e, 5)
				r.Events(e, 5)
			}
			r.Send(c, nil, k.loopback(4000), nil, 0)
			r.Events(e, 5)
			r.Recv(s, 10, 0, 0)
			r.Events(e, 5)
		}},
		{"epoll/edge-error/" + k.name, func(r *Run) {
			c, e := k.open(r), r.Epoll()
			r.Connect(c, k.loopback(4999))
			r.Watch(e, linux.EPOLL_CTL_ADD, c, linux.EPOLLET|epollRead)
			r.Events(e, 5)
			r.Send(c, []byte("x"), nil, nil, 0)
			r.Events(e, 5)
			r.Events(e, 5)
			r.Get(c, linux.SO_ERROR)
			r.Events(e, 5)
			r.Send(c, []byte("x"), nil, nil, 0)
			r.Events(e, 5)
		}},
		{"epoll/edge-error-queue/" + k.name, func(r *Run) {
			c, e := k.open(r), r.Epoll()
			r.Set(c, tcpip.IP_RECVERR, 1)
			r.Set(c, tcpip.IPV6_RECVERR, 1)
			r.Watch(e, linux.EPOLL_CTL_ADD, c, linux.EPOLLET|epollRead)
			r.Events(e, 5)
			for range 2 {
				r.Send(c, []byte("x"), k.loopback(4999), nil, 0)
				r.Events(e, 5)
				r.Events(e, 5)
			}
			r.Recv(c, 10, 100, linux.MSG_ERRQUEUE)
			r.Events(e, 5)
		}},
		{"epoll/edge-shutdown/" + k.name, func(r *Run) {
			c, e := k.open(r), r.Epoll()
			r.Connect(c, k.loopback(4999))
			r.Watch(e, linux.EPOLL_CTL_ADD, c, linux.EPOLLET|epollRead)
			r.Events(e, 5)
			r.Shutdown(c, linux.SHUT_RD)
			r.Events(e, 5)
			r.Shutdown(c, linux.SHUT_WR)
			r.Events(e, 5)
			r.Events(e, 5)
		}},
	}
}
