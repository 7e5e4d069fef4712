package oracle

import (
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// reuseportScenarios are those of programs that choose among sockets with SO_REUSEPORT.
func reuseportScenarios() (list []Scenario) {
	for _, name := range []string{"udp4", "udp6", "tcp4", "tcp6"} {
		k := sortOf(name)
		list = append(list, Scenario{"bpf/reuseport/calls/" + name, func(r *Run) {
			detach := func(fd int) { r.SetOpt(fd, 1, linux.SO_DETACH_REUSEPORT_BPF.Number(), Int(0)) }
			s := k.open(r)
			r.AttachReuseport(s, ret(0))
			detach(s)
			r.SetOpt(s, 1, linux.SO_DETACH_REUSEPORT_BPF.Number(), nil)
			r.Bind(s, k.loopback(4000))
			r.AttachReuseport(s, ret(0))
			r.Set(s, tcpip.SO_REUSEPORT, 1)
			r.AttachReuseport(s, ret(0))
			detach(s)
			o := k.open(r)
			r.Set(o, tcpip.SO_REUSEPORT, 1)
			detach(o)
			r.Bind(o, k.loopback(4001))
			if k.typ == linux.SOCK_STREAM {
				r.Listen(o, 5)
			}
			detach(o)
			r.AttachReuseport(o, ins(0xff, 0))
			r.AttachReuseport(o)
			r.AttachReuseport(o, ret(0))
			r.AttachReuseport(o, ret(1))
			r.GetFilter(o, 0)
			for _, size := range []int{0, 8, 15, 17} {
				r.SetOpt(o, 1, linux.SO_ATTACH_REUSEPORT_CBPF.Number(), make([]byte, size))
			}
			r.GetOpt(o, 1, linux.SO_ATTACH_REUSEPORT_CBPF.Number(), 16)
			r.Set(o, linux.SO_LOCK_FILTER, 1)
			r.AttachReuseport(o, ret(0))
			detach(o)
			detach(o)
		}})
	}
	for _, name := range []string{"udp4", "udp6"} {
		k := sortOf(name)
		group := func(r *Run, n int) (all []int) {
			for range n {
				s := k.open(r)
				r.Set(s, tcpip.SO_REUSEPORT, 1)
				r.Bind(s, k.loopback(4000))
				all = append(all, s)
			}
			return all
		}
		show := func(r *Run, all []int) {
			for _, s := range all {
				for r.Recv(s, 100, 0, 0).N > 0 {
				}
			}
		}
		list = append(list, Scenario{"bpf/reuseport/chooses/" + name, func(r *Run) {
			all := group(r, 3)
			r.AttachReuseport(all[0], ins(opLdB, 0), ins(0x14, '0'), ins(opRetA, 0)) // the first byte less '0'
			c := k.open(r)
			for _, text := range []string{"0 a", "1 b", "2 c", "1 d"} {
				r.Send(c, []byte(text), k.loopback(4000), nil, 0)
			}
			show(r, all)
			r.AttachReuseport(all[2], ret(1))
			r.Send(c, []byte("0 e"), k.loopback(4000), nil, 0)
			show(r, all)
			r.Close(all[0])
			r.Send(c, []byte("0 f"), k.loopback(4000), nil, 0)
			show(r, all[1:])
		}}, Scenario{"bpf/reuseport/net/" + name, func(r *Run) {
			all := group(r, 2)
			r.AttachReuseport(all[1], ins(opLdB, skfNet), ins(opAnd, 0xf0), jump(opJEq, 0x40, 0, 1), ret(1), ret(0))
			c := k.open(r)
			r.Send(c, []byte("x"), k.loopback(4000), nil, 0)
			show(r, all)
		}}, Scenario{"bpf/reuseport/early/" + name, func(r *Run) {
			a := k.open(r)
			r.Set(a, tcpip.SO_REUSEPORT, 1)
			r.AttachReuseport(a, ret(0))
			r.Bind(a, k.loopback(4000))
			all := append([]int{a}, group(r, 2)...)
			c := k.open(r)
			for i := range 4 {
				r.Send(c, []byte(fmt.Sprint(i)), k.loopback(4000), nil, 0)
			}
			show(r, all)
		}}, Scenario{"bpf/reuseport/beyond/" + name, func(r *Run) {
			all := group(r, 2)
			r.AttachReuseport(all[0], ret(7))
			c := k.open(r)
			r.sockets.SendMsg(c, []byte("x"), k.loopback(4000), nil, 0)
			r.sockets.Settle()
			n := 0
			for _, s := range all {
				if r.sockets.Poll(s, 1) != 0 {
					n++
				}
			}
			r.Say("%d has it", n)
		}})
	}
	for _, name := range []string{"tcp4", "tcp6"} {
		k := sortOf(name)
		list = append(list, Scenario{"bpf/reuseport/listeners/" + name, func(r *Run) {
			var all []int
			for range 3 {
				s := k.open(r)
				r.Set(s, tcpip.SO_REUSEPORT, 1)
				r.Bind(s, k.loopback(4000))
				r.Listen(s, 5)
				all = append(all, s)
			}
			r.AttachReuseport(all[0], ret(2))
			c := k.open(r)
			r.Connect(c, k.loopback(4000))
			r.Await(all[2], 1)
			for _, s := range all {
				r.Accept(s, 0)
			}
		}})
	}
	return list
}
