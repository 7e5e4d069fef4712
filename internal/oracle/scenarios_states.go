package oracle

import (
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// state is a way to bring a socket somewhere: every call is then tried on it.
type state struct {
	name string
	on   func(sort) bool
	make func(*Run, sort) int
}

func streams(k sort) bool   { return k.typ == linux.SOCK_STREAM }
func datagrams(k sort) bool { return k.typ == linux.SOCK_DGRAM }
func every(sort) bool       { return true }
func pings(k sort) bool     { return datagrams(k) && k.proto != 0 }
func udps(k sort) bool      { return datagrams(k) && k.proto == 0 }

var states = []state{
	{"new", every, func(r *Run, k sort) int { return k.open(r) }},
	{"bound", every, func(r *Run, k sort) int {
		s := k.open(r)
		r.Bind(s, k.loopback(4100))
		return s
	}},
	{"wildcard", every, func(r *Run, k sort) int {
		s := k.open(r)
		r.Bind(s, k.any(4100))
		return s
	}},
	{"listening", streams, func(r *Run, k sort) int {
		s := k.open(r)
		r.Bind(s, k.loopback(4100))
		r.Listen(s, 5)
		return s
	}},
	{"listening-unbound", streams, func(r *Run, k sort) int {
		s := k.open(r)
		r.Listen(s, 5)
		return s
	}},
	{"refused", streams, func(r *Run, k sort) int {
		s := k.open(r)
		r.Connect(s, k.loopback(4999))
		return s
	}},
	{"connecting", streams, func(r *Run, k sort) int {
		s := k.open(r)
		r.Connect(s, k.peer(4999))
		return s
	}},
	{"connected", every, func(r *Run, k sort) int {
		if streams(k) {
			_, s, _ := k.pair(r)
			return s
		}
		s := k.open(r)
		r.Connect(s, k.loopback(4000))
		return s
	}},
	{"accepted", streams, func(r *Run, k sort) int {
		_, _, s := k.pair(r)
		return s
	}},
	{"with-data", streams, func(r *Run, k sort) int {
		_, c, s := k.pair(r)
		r.Send(c, []byte("hello"), nil, nil, 0)
		r.Await(s, 1)
		return s
	}},
	{"shut-read", every, shutState(linux.SHUT_RD)},
	{"shut-write", every, shutState(linux.SHUT_WR)},
	{"shut-both", every, shutState(linux.SHUT_RDWR)},
	{"peer-shut", streams, func(r *Run, k sort) int {
		_, c, s := k.pair(r)
		r.Shutdown(c, linux.SHUT_WR)
		r.Await(s, 0x2000)
		return s
	}},
	{"peer-closed", streams, func(r *Run, k sort) int {
		_, c, s := k.pair(r)
		r.Close(c)
		r.Await(s, 0x2000)
		return s
	}},
	{"reset", streams, func(r *Run, k sort) int {
		_, c, s := k.pair(r)
		r.SetOpt(c, linux.SOL_SOCKET, 13, append(Int(1), Int(0)...))
		r.Close(c)
		r.Await(s, 0x10)
		return s
	}},
	{"unlistened", streams, func(r *Run, k sort) int {
		s := k.open(r)
		r.Bind(s, k.loopback(4100))
		r.Listen(s, 5)
		r.Shutdown(s, linux.SHUT_RD)
		return s
	}},
	{"disconnected", datagrams, func(r *Run, k sort) int {
		s := k.open(r)
		r.Bind(s, k.any(4100))
		r.Connect(s, k.loopback(4000))
		r.Names(s)
		r.Connect(s, Unspec())
		return s
	}},
	{"disconnected-unbound", datagrams, func(r *Run, k sort) int {
		s := k.open(r)
		r.Connect(s, k.loopback(4000))
		r.Connect(s, Unspec())
		return s
	}},
}

func shutState(how int) func(*Run, sort) int {
	return func(r *Run, k sort) int {
		s := -1
		if streams(k) {
			_, s, _ = k.pair(r)
		} else {
			s = k.open(r)
			r.Connect(s, k.loopback(4000))
		}
		r.Shutdown(s, how)
		return s
	}
}

// act is a call, with what shows what came of it.
type act struct {
	name string
	on   func(sort) bool
	do   func(*Run, sort, int)
}

var acts = []act{
	{"look", every, func(r *Run, k sort, s int) {
		r.Names(s)
		r.Poll(s)
		r.Get(s, linux.SO_ERROR)
		r.Get(s, linux.SO_ACCEPTCONN)
		r.Get(s, linux.SO_DOMAIN)
		r.Get(s, linux.SO_TYPE)
		r.Get(s, linux.SO_PROTOCOL)
		r.PeerName(s, 16)
		r.PeerName(s, 28)
	}},
	{"bind", every, func(r *Run, k sort, s int) { r.Bind(s, k.loopback(4200)); r.Names(s) }},
	{"bind-foreign", every, func(r *Run, k sort, s int) { r.Bind(s, k.foreign(4200)); r.Names(s) }},
	{"bind-short", every, func(r *Run, k sort, s int) {
		for _, n := range []int{0, 1, 2, 15, 16, 23, 24, 27} {
			b := k.loopback(4200)
			if n < len(b) {
				r.Bind(s, b[:n])
			}
		}
		r.Bind(s, append(k.loopback(4200), make([]byte, 128)...))
	}},
	{"bind-family", every, func(r *Run, k sort, s int) {
		r.Bind(s, Unspec())
		r.Bind(s, In4("127.0.0.1", 4201))
		r.Bind(s, In6("::1", 4202))
		r.Names(s)
	}},
	{"connect", every, func(r *Run, k sort, s int) {
		r.Connect(s, k.loopback(4998))
		r.Poll(s)
		r.Connect(s, k.loopback(4998))
		r.Connect(s, k.loopback(4998))
		r.Names(s)
	}},
	{"connect-port0", every, func(r *Run, k sort, s int) { r.Connect(s, k.loopback(0)); r.Poll(s); r.Names(s) }},
	{"connect-any", every, func(r *Run, k sort, s int) { r.Connect(s, k.any(4998)); r.Poll(s); r.Names(s) }},
	{"connect-group", every, func(r *Run, k sort, s int) { r.Connect(s, k.at("224.0.0.99", "ff0e::99", 4998)); r.Names(s) }},
	{"connect-broadcast", every, func(r *Run, k sort, s int) { r.Connect(s, k.at("255.255.255.255", "ff02::1", 4998)); r.Names(s) }},
	{"connect-unreachable", every, func(r *Run, k sort, s int) { r.Connect(s, k.foreign(4998)); r.Names(s) }},
	{"connect-short", every, func(r *Run, k sort, s int) {
		for _, n := range []int{0, 1, 2, 15, 16, 23} {
			b := k.loopback(4200)
			if n < len(b) {
				r.Connect(s, b[:n])
			}
		}
	}},
	{"connect-family", every, func(r *Run, k sort, s int) {
		if k.v6() {
			r.Connect(s, In4("127.0.0.1", 4201))
		} else {
			r.Connect(s, In6("::1", 4202))
		}
		r.Names(s)
	}},
	{"listen", every, func(r *Run, k sort, s int) { r.Listen(s, 3); r.Listen(s, 0); r.Listen(s, -1); r.Names(s); r.Poll(s) }},
	{"accept", every, func(r *Run, k sort, s int) { r.Accept(s, 0); r.Accept(s, 1); r.Poll(s) }},
	{"send", every, func(r *Run, k sort, s int) {
		r.Send(s, []byte("data"), nil, nil, 0)
		r.Poll(s)
		r.Send(s, nil, nil, nil, 0)
		r.Send(s, []byte("data"), nil, nil, linux.MSG_DONTWAIT|linux.MSG_NOSIGNAL)
		r.Ioctl(s, linux.SIOCOUTQ)
	}},
	{"send-to", every, func(r *Run, k sort, s int) {
		r.Send(s, []byte("data"), k.loopback(4997), nil, 0)
		r.Send(s, []byte("data"), k.loopback(0), nil, 0)
		r.Send(s, []byte("data"), k.foreign(4997), nil, 0)
		r.Send(s, []byte("data"), k.loopback(4997)[:10], nil, 0)
		r.Send(s, []byte("data"), k.loopback(4997)[:1], nil, 0)
		r.Names(s)
	}},
	{"send-oob", every, func(r *Run, k sort, s int) { r.Send(s, []byte("!"), nil, nil, linux.MSG_OOB); r.Poll(s) }},
	{"receive", every, func(r *Run, k sort, s int) {
		r.Recv(s, 10, 0, linux.MSG_PEEK)
		r.Recv(s, 2, 0, 0)
		r.Recv(s, 10, 0, 0)
		r.Recv(s, 10, 0, 0)
		r.Poll(s)
	}},
	{"receive-nothing", every, func(r *Run, k sort, s int) { r.Recv(s, 0, 0, 0); r.Recv(s, 0, 0, linux.MSG_PEEK) }},
	{"receive-oob", every, func(r *Run, k sort, s int) { r.Recv(s, 1, 0, linux.MSG_OOB); r.Poll(s) }},
	{"receive-errors", every, func(r *Run, k sort, s int) { r.Recv(s, 10, 100, linux.MSG_ERRQUEUE); r.Poll(s) }},
	{"ioctl", every, func(r *Run, k sort, s int) {
		for _, request := range []uint32{linux.FIONREAD, linux.SIOCOUTQ, linux.SIOCATMARK, 0x12345} {
			r.Ioctl(s, request)
		}
	}},
	{"shutdown", every, func(r *Run, k sort, s int) {
		for _, how := range []int{-1, 3, linux.SHUT_RD, linux.SHUT_WR, linux.SHUT_RDWR, linux.SHUT_WR} {
			r.Shutdown(s, how)
			r.Poll(s)
		}
		r.Recv(s, 10, 0, 0)
		r.Send(s, []byte("x"), nil, nil, 0)
		r.Names(s)
	}},
	{"options", every, func(r *Run, k sort, s int) {
		r.Get(s, tcpip.IP_MTU)
		r.Get(s, tcpip.IPV6_MTU)
		for _, id := range []tcpip.OptionID{tcpip.IP_TTL, tcpip.IP_TOS, tcpip.IP_MTU_DISCOVER, tcpip.SO_REUSEADDR, tcpip.SO_REUSEPORT,
			tcpip.IPV6_V6ONLY, tcpip.IPV6_TCLASS, tcpip.IPV6_UNICAST_HOPS, tcpip.IP_FREEBIND, tcpip.Option(6, 1), tcpip.Option(6, 2),
			tcpip.Option(6, 10)} {
			r.Set(s, id, 1)
			if id != tcpip.Option(6, 2) {
				r.Get(s, id)
			}
		}
	}},
}

// stateScenarios try every call in every state.
func stateScenarios() (list []Scenario) {
	for _, st := range states {
		for _, a := range acts {
			for _, k := range sorts {
				if st.on(k) && a.on(k) {
					list = append(list, Scenario{fmt.Sprintf("state/%s/%s/%s", st.name, a.name, k.name), func(r *Run) {
						s := st.make(r, k)
						r.Say("%s", a.name)
						a.do(r, k, s)
					}})
				}
			}
		}
	}
	for _, k := range sorts {
		if raws(k) && k.v6() { // which has no IP_TOS
			continue
		}
		list = append(list, Scenario{"mtu-after-tos/" + k.name, func(r *Run) {
			s := -1
			if streams(k) {
				_, s, _ = k.pair(r)
			} else {
				s = k.open(r)
				r.Connect(s, k.loopback(4000))
			}
			r.Get(s, tcpip.IP_MTU)
			r.Set(s, tcpip.IP_TOS, 8)
			r.Get(s, tcpip.IP_MTU)
		}})
	}
	return list
}
