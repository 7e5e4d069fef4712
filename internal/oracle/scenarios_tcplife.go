package oracle

import (
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// tcpLook shows everything that tells in which state a socket is.
func tcpLook(r *Run, s int) {
	r.Poll(s)
	r.Names(s)
	r.Get(s, linux.SO_ACCEPTCONN)
	for _, request := range []uint32{linux.FIONREAD, linux.SIOCOUTQ, linux.SIOCOUTQNSD, linux.SIOCATMARK} {
		r.Ioctl(s, request)
	}
}

// lifeSteps are calls of which two in a row are tried on sockets whose connection is over or never was.
var lifeSteps = []struct {
	name string
	do   func(r *Run, k sort, s int)
}{
	{"bind", func(r *Run, k sort, s int) { r.Bind(s, k.loopback(4200)) }},
	{"bind0", func(r *Run, k sort, s int) { r.Bind(s, k.any(0)) }},
	{"refused", func(r *Run, k sort, s int) { r.Connect(s, k.loopback(4998)) }},
	{"accepted", func(r *Run, k sort, s int) { r.Connect(s, k.loopback(4500)); r.Await(s, 4) }},
	{"unspec", func(r *Run, k sort, s int) { r.Connect(s, Unspec()) }},
	{"listen", func(r *Run, k sort, s int) { r.Listen(s, 3) }},
	{"shut-rd", func(r *Run, k sort, s int) { r.Shutdown(s, linux.SHUT_RD) }},
	{"shut-wr", func(r *Run, k sort, s int) { r.Shutdown(s, linux.SHUT_WR) }},
	{"error", func(r *Run, k sort, s int) { r.Get(s, linux.SO_ERROR) }},
}

// tcpLifeScenarios follow sockets past the end of their connections.
func tcpLifeScenarios() (list []Scenario) {
	for _, k := range tcpSorts() {
		for _, a := range lifeSteps {
			for _, b := range lifeSteps {
				for _, c := range lifeSteps {
					if k.v6() && a.name != "refused" || c.name != "bind" && c.name != "refused" && c.name != "accepted" && c.name != "unspec" {
						continue // the families differ in names, not in this
					}
					list = append(list, Scenario{fmt.Sprintf("tcp/life/%s/%s/%s/%s", a.name, b.name, c.name, k.name), func(r *Run) {
						l := k.open(r)
						r.Bind(l, k.loopback(4500))
						r.Listen(l, 5)
						s := k.open(r)
						for _, step := range []func(*Run, sort, int){a.do, b.do, c.do} {
							step(r, k, s)
							r.Poll(s)
							r.Names(s)
						}
						r.Send(s, []byte("x"), nil, nil, 0)
						r.Recv(s, 10, 0, 0)
						r.Poll(s)
					}})
				}
			}
		}
		for _, st := range states {
			if !st.on(k) {
				continue
			}
			list = append(list, disconnectScenarios(st, k)...)
		}
	}
	return list
}

// disconnectScenarios connect to AF_UNSPEC in a state, and use the socket again.
func disconnectScenarios(st state, k sort) []Scenario {
	name := func(what string) string { return fmt.Sprintf("tcp/disconnect/%s/%s/%s", st.name, what, k.name) }
	undo := func(r *Run) int {
		s := st.make(r, k)
		r.Say("disconnect")
		r.Connect(s, Unspec())
		return s
	}
	return []Scenario{
		{name("look"), func(r *Run) {
			s := undo(r)
			tcpLook(r, s)
			r.Recv(s, 10, 0, 0)
			r.Get(s, linux.SO_ERROR)
			r.Send(s, []byte("x"), nil, nil, 0)
			r.Recv(s, 10, 0, 0)
			r.Poll(s)
			r.PeerName(s, 16)
			r.Get(s, tcpip.IP_MTU)
		}},
		{name("short"), func(r *Run) {
			s := st.make(r, k)
			for _, n := range []int{1, 2, 15} {
				r.Connect(s, Unspec()[:n])
				r.Poll(s)
			}
		}},
		{name("connect"), func(r *Run) {
			s := undo(r)
			l := k.open(r)
			r.Bind(l, k.loopback(4500))
			r.Listen(l, 5)
			r.Connect(s, k.loopback(4500))
			r.Await(s, 4)
			r.Connect(s, k.loopback(4500))
			r.Names(s)
			c := r.Accept(l, 0)
			r.Send(s, []byte("again"), nil, nil, 0)
			r.Recv(c, 10, 0, 0)
			r.Connect(s, Unspec())
			r.Await(c, 0x10)
			tcpLook(r, c)
			r.Recv(c, 10, 0, 0)
		}},
		{name("bind-listen"), func(r *Run) {
			s := undo(r)
			r.Bind(s, k.loopback(4600))
			r.Names(s)
			r.Listen(s, 5)
			c := k.open(r)
			r.Connect(c, k.loopback(4600))
			r.Poll(c)
			r.Poll(s)
			r.Accept(s, 0)
		}},
		{name("others"), func(r *Run) { // what the other sockets of the state see
			s := undo(r)
			if s == r.filed("s0") { // there are no others
				return
			}
			l, c := r.filed("s0"), r.filed("s1")
			tcpLook(r, l)
			r.Accept(l, 0)
			if c == s || st.name == "peer-closed" || st.name == "reset" {
				return
			}
			tcpLook(r, c)
			r.Recv(c, 10, 0, 0)
			r.Send(c, []byte("y"), nil, nil, 0)
			r.Get(c, linux.SO_ERROR)
		}},
	}
}

var tcpLifeDifferences = []difference{}

// filed returns the file with a name.
func (r *Run) filed(name string) int {
	for fd, n := range r.names {
		if n == name {
			return fd
		}
	}
	return -1
}
