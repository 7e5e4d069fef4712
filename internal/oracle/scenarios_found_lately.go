package oracle

import (
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip"
)

// foundLately are more of foundScenarios.
func foundLately() (list []Scenario) {
	add := func(name string, do func(*Run)) { list = append(list, Scenario{"found/" + name, do}) }
	info4 := func(nic int, from string) []byte {
		return Cmsg(0, 8, append(append(Int(nic), netip.MustParseAddr(from).AsSlice()...), 0, 0, 0, 0))
	}
	for _, name := range []string{"udp4", "ping4", "raw4"} {
		k := sortOf(name)
		data := []byte("abc")
		if pings(k) {
			data = []byte{8, 0, 0, 0, 0, 0, 0, 1}
		}
		for _, from := range []string{"0.0.0.0", "127.0.0.2", Host4} {
			add("to-nowhere/"+from+"/"+name, func(r *Run) { // an interface does not matter to what stays on the host
				s := k.open(r)
				for _, nic := range []int{0, 1, 2} {
					r.Send(s, data, In4("0.0.0.0", 4002), info4(nic, from), 0)
					r.Packets()
				}
			})
		}
	}
	add("error-about-group/udp6", func(r *Run) {
		s := sortOf("udp6").open(r)
		r.Set(s, tcpip.IPV6_RECVERR, 1)
		r.Send(s, []byte("abc"), In6("ff02::99", 4000), nil, 0)
		sent := r.Packets()
		if len(sent) > 0 {
			r.Inject("unreachable", icmpAbout(sent[0], 3, 1, 4))
		}
		r.Get(s, tcpip.Option(1, 4))
	})
	for _, k := range sorts {
		if !streams(k) {
			continue
		}
		for _, client := range []bool{true, false} {
			side := map[bool]string{true: "client", false: "server"}[client]
			add("held-by-more/"+side+"/"+k.name, func(r *Run) { // until there is news; a client's first segment is
				_, c, s := k.pair(r)
				from, to := c, s
				if !client {
					from, to = s, c
				}
				for range 2 {
					r.Send(from, []byte("held"), nil, nil, 0x8000)
					r.Recv(to, 100, 0, 0)
					r.Send(to, []byte("news"), nil, nil, 0)
					r.Recv(to, 100, 0, 0)
					r.Recv(from, 100, 0, 0)
				}
			})
		}
		add("bind-in-vain/refused/"+k.name, func(r *Run) {
			s := k.open(r)
			r.Connect(s, k.loopback(4000))
			r.Names(s)
			r.Bind(s, k.foreign(4001))
			r.Names(s)
		})
		add("bind-in-vain/ended/"+k.name, func(r *Run) {
			l, c, s := k.pair(r)
			r.Close(s)
			r.Close(l)
			r.Close(s)
			r.Shutdown(c, 2)
			r.Names(c)
			r.Bind(c, k.foreign(4001))
			r.Names(c)
		})
		add("listen-again/"+k.name, func(r *Run) {
			l, _, _ := k.pair(r)
			r.Shutdown(l, 2)
			r.Names(l)
			r.Listen(l, 3)
		})
	}
	add("mapped-any/udp6", func(r *Run) {
		s := sortOf("udp6").open(r)
		r.Bind(s, In6("::ffff:0.0.0.0", 4001))
		r.Connect(s, In6("::", 4002))
		r.Names(s)
	})
	for _, to := range []string{"::1", "ff02::99", "::", Peer6} {
		for _, from := range []string{"::ffff:0.0.0.0", "::ffff:127.0.0.1"} {
			add("mapped-bound/"+from+"/"+to+"/tcp6", func(r *Run) {
				s := sortOf("tcp6").open(r)
				r.Bind(s, In6(from, 4001))
				r.Connect(s, In6(to, 4002))
			})
		}
	}
	return list
}
