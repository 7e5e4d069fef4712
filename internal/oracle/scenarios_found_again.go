package oracle

import (
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// foundAgain are more of foundScenarios: what is corked and goes elsewhere, and which complaint comes first.
func foundAgain() (list []Scenario) {
	add := func(name string, do func(*Run)) { list = append(list, Scenario{"found/" + name, do}) }
	udp4, udp6, raw4, raw6 := sortOf("udp4"), sortOf("udp6"), sortOf("raw4"), sortOf("raw6")
	for _, from := range []string{"127.0.0.1", Host4, Peer4} {
		for _, to := range []string{"127.0.0.1", Host4, Peer4} {
			add(fmt.Sprintf("corked-and-connected/%s-%s/udp4", from, to), func(r *Run) { // by the device that was chosen first
				d, s := udp4.open(r), udp4.open(r)
				r.Bind(d, In4("0.0.0.0", 4002))
				r.Send(s, []byte("abc"), In4(from, 4000), nil, linux.MSG_MORE)
				r.Connect(s, In4(to, 4002))
				r.Send(s, []byte("def"), nil, nil, 0)
				r.Recv(d, 100, 100, 0)
				r.Packets()
			})
			if from == Peer4 && to != Peer4 { // see corked-anew/device
				continue
			}
			add(fmt.Sprintf("corked-and-sent/%s-%s/raw4", from, to), func(r *Run) {
				d, s := raw4.open(r), raw4.open(r)
				r.Send(s, []byte("abc"), In4(from, 0), nil, linux.MSG_MORE)
				r.Send(s, []byte("def"), In4(to, 0), nil, 0)
				r.Recv(d, 100, 100, 0)
				r.Packets()
			})
		}
	}
	for _, at := range []string{"", "::1", Host6} {
		for _, to := range []string{"::ffff:127.0.0.1", "::ffff:127.0.0.2", "::ffff:10.77.0.1", "::ffff:10.77.0.2", "::ffff:192.0.2.9"} {
			add("mapped-from-six/"+at+"-"+to+"/raw6", func(r *Run) {
				s := raw6.open(r)
				if at != "" {
					r.Bind(s, In6(at, 4000))
				}
				for range 2 {
					r.Connect(s, In6(to, 4000))
					r.Names(s)
					r.Connect(s, In6("::1", 4002))
					r.Names(s)
				}
			})
		}
	}
	add("corked-six-to-four/udp6", func(r *Run) {
		s := udp6.open(r)
		r.Bind(s, In6("::", 4000))
		r.Send(s, []byte("abc"), In6(Peer6, 4002), nil, linux.MSG_MORE)
		r.Connect(s, In6("::ffff:127.0.0.2", 4000))
		r.Send(s, []byte("def"), nil, nil, 0)
		r.Packets()
	})
	add("corked-six-and-urgent/udp6", func(r *Run) {
		s := udp6.open(r)
		for _, n := range []int{1, 65536} {
			r.Send(s, []byte("abc"), In6(Host6, 4000), nil, linux.MSG_MORE)
			r.Send(s, make([]byte, n), In6("::ffff:10.77.0.2", 4000), nil, linux.MSG_OOB)
			r.Send(s, make([]byte, n), In4(Peer4, 4000), nil, linux.MSG_OOB)
			r.Send(s, make([]byte, n), In6("::ffff:10.77.0.2", 4000), nil, 0)
		}
	})
	for _, k := range sorts {
		if pings(k) {
			add("complaint-to-another/"+k.name, func(r *Run) { // address than that which has sent
				s := k.open(r)
				r.Connect(s, k.at(Host4, "::1", 0))
				r.Connect(s, k.peer(4002))
				r.Names(s)
				r.Send(s, append([]byte{echoType(k), 0, 0, 0, 0, 0, 0, 0}, make([]byte, 100)...), nil, nil, 0)
				sent := r.Packets()
				if len(sent) > 0 {
					r.Inject("unreachable", icmpAbout(sent[0], 3, 1, 3))
				}
				r.Get(s, linux.SO_ERROR)
			})
		}
		if streams(k) {
			continue
		}
		data := []byte{8, 0, 0, 0, 0, 0, 0, 1}
		if k.v6() {
			data[0] = 128
		}
		add("probe/"+k.name, func(r *Run) {
			s := k.open(r)
			for _, to := range [][]byte{k.peer(4000), k.loopback(4000), k.foreign(4000)} {
				r.Send(s, data, to, nil, 0x10)
				r.Packets()
			}
			r.Connect(s, k.peer(4000))
			r.Send(s, data, nil, nil, 0x10)
			r.Send(s, append(data, make([]byte, 70000)...), nil, nil, 0x10)
			r.Shutdown(s, 2)
			r.Send(s, data, nil, nil, 0x10)
			r.Packets()
		})
		for _, nic := range []int{0, 1, 2} {
			add(fmt.Sprintf("info-of-nobody/%d/%s", nic, k.name), func(r *Run) {
				s := k.open(r)
				r.Set(s, tcpip.SO_BINDTOIFINDEX, nic)
				for _, of := range []int{1, 2, 3, -1} {
					r.Send(s, data, k.peer(4000), pktinfo(k, "0.0.0.0", "::", of), 0)
					r.Send(s, data, k.loopback(4000), pktinfo(k, "127.0.0.1", "::1", of), 0)
				}
				if k.v6() {
					r.SetOpt(s, 41, 50, append(make([]byte, 16), Int(2)...))
					for _, of := range []int{1, 2, 3} {
						r.Send(s, data, k.peer(4000), pktinfo(k, "0.0.0.0", "::", of), 0)
					}
				}
				r.Packets()
			})
		}
		for _, to := range []struct{ v4, v6 string }{{Peer4, Peer6}, {Peer4, "::ffff:" + Peer4}} {
			add("long-and-message/"+to.v6+"/"+k.name, func(r *Run) {
				s := k.open(r)
				for _, n := range []int{8, 65536} {
					for _, c := range [][]byte{Cmsg(17, 15, Int(7)), Cmsg(0, 1, Int(-1)), Cmsg(41, 67, Int(999)), Cmsg(1, 99, Int(1))} {
						r.Send(s, append(data, make([]byte, n-8)...), k.at(to.v4, to.v6, 4000), c, 0)
						r.Send(s, append(data, make([]byte, n-8)...), k.at(to.v4, to.v6, 4000), c, linux.MSG_OOB)
					}
				}
				r.Packets()
			})
		}
	}
	return list
}
