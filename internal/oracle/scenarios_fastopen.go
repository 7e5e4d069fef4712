package oracle

import (
	"fmt"

	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// fastOpenScenarios are about TCP Fast Open as far as two sockets of one host see it, with net.ipv4.tcp_fastopen as it
// is by default: for clients. What is on the wire is the packet scripts' to show.
func fastOpenScenarios() (list []Scenario) {
	for _, k := range sorts {
		if !streams(k) {
			continue
		}
		add := func(name string, run func(r *Run)) {
			list = append(list, Scenario{"fastopen/" + name + "/" + k.name, run})
		}
		for _, st := range tcpStates {
			add("send/"+st.name, func(r *Run) {
				s := st.make(r, k)
				r.Send(s, []byte("abc"), k.loopback(4000), nil, linux.MSG_FASTOPEN)
				r.Send(s, []byte("abc"), k.loopback(4000), nil, linux.MSG_FASTOPEN)
				r.GetOpt(s, 1, 4, 4)
			})
		}
		for i, name := range [][]byte{nil, {2}, {0, 0}, make([]byte, 28), k.loopback(4000)[:8], k.loopback(0)} {
			add(fmt.Sprintf("name/%d", i), func(r *Run) {
				s := k.open(r)
				r.Send(s, []byte("abc"), name, nil, linux.MSG_FASTOPEN)
				r.GetOpt(s, 1, 4, 4)
				r.Poll(s)
			})
		}
		add("refused", func(r *Run) {
			s := k.open(r)
			r.Send(s, []byte("abc"), k.loopback(4001), nil, linux.MSG_FASTOPEN)
			r.Await(s, 8)
			r.Send(s, []byte("abc"), nil, nil, 0)
		})
		add("nocookie", func(r *Run) { fastPair(r, k, false) })
		add("connect", func(r *Run) { fastPair(r, k, true) })
		add("connect/unwritten", func(r *Run) {
			s := k.open(r)
			r.Set(s, tcp.TCP_FASTOPEN_NO_COOKIE, 1)
			r.Set(s, tcp.TCP_FASTOPEN_CONNECT, 1)
			r.Connect(s, k.loopback(4000)) // where nobody is
			r.Poll(s)
			r.Names(s)
			r.Recv(s, 10, 0, linux.MSG_DONTWAIT)
			r.Connect(s, k.loopback(4000))
			r.SetOpt(s, 6, 30, Int(0))
			r.Shutdown(s, linux.SHUT_WR)
			r.Poll(s)
			r.Send(s, []byte("abc"), nil, nil, 0)
		})
		add("connect/bound", func(r *Run) {
			s := k.open(r)
			r.Set(s, tcp.TCP_FASTOPEN_CONNECT, 1)
			r.Bind(s, k.loopback(4000))
			r.Listen(s, 1)
			r.SetOpt(s, 6, 30, Int(1))
			r.SetOpt(s, 6, 30, Int(0))
			r.SetOpt(s, 6, 34, Int(1))
			r.SetOpt(s, 6, 23, Int(5))
			r.GetOpt(s, 6, 23, 4)
		})
		add("key", func(r *Run) {
			s := k.open(r)
			for _, n := range []int{0, 4, 15, 16, 17, 31, 32, 33} {
				b := make([]byte, n)
				for i := range b {
					b[i] = byte(i + 1)
				}
				r.SetOpt(s, 6, 33, b)
				r.GetOpt(s, 6, 33, 40)
				r.GetOpt(s, 6, 33, 20)
				r.GetOpt(s, 6, 33, 3)
			}
		})
		add("key/made", func(r *Run) { // chance, of which the length is known
			l := k.open(r)
			look := func(s int) {
				n, e := r.sockets.GetSockOpt(s, 6, 33, make([]byte, 40))
				r.logf("key of %s: %d, %s", r.file(s), n, errnoName(e))
			}
			look(l)
			r.SetOpt(l, 6, 23, Int(3))
			look(l)
			r.Bind(l, k.loopback(4000))
			r.Listen(l, 5)
			look(l)
			look(k.open(r))
		})
		add("key/inherited", func(r *Run) {
			l := k.open(r)
			r.SetOpt(l, 6, 33, []byte("0123456789abcdef"))
			r.SetOpt(l, 6, 23, Int(3))
			r.SetOpt(l, 6, 34, Int(1))
			r.Bind(l, k.loopback(4000))
			r.Listen(l, 5)
			c := k.open(r)
			r.Connect(c, k.loopback(4000))
			r.Await(l, 1)
			s := r.Accept(l, 0)
			r.GetOpt(s, 6, 33, 40)
			r.GetOpt(s, 6, 23, 4)
			r.GetOpt(s, 6, 34, 4)
		})
	}
	return list
}

// fastPair sends with the SYN to a listener that has no fast open, so that the data goes again.
func fastPair(r *Run, k sort, connect bool) {
	l := k.open(r)
	r.Bind(l, k.loopback(4000))
	r.Listen(l, 5)
	c := k.open(r)
	r.Set(c, tcp.TCP_FASTOPEN_NO_COOKIE, 1)
	if connect {
		r.Set(c, tcp.TCP_FASTOPEN_CONNECT, 1)
		r.Connect(c, k.loopback(4000))
		r.Poll(c)
		r.Connect(c, k.loopback(4000))
		r.Send(c, []byte("abc"), nil, nil, 0)
	} else {
		r.Send(c, []byte("abc"), k.loopback(4000), nil, linux.MSG_FASTOPEN)
	}
	r.Await(l, 1)
	s := r.Accept(l, 0)
	r.Await(s, 1)
	r.Recv(s, 10, 0, 0)
	r.Connect(c, k.loopback(4000))
	r.Send(c, []byte("def"), k.loopback(4000), nil, linux.MSG_FASTOPEN)
	r.Poll(c)
}
