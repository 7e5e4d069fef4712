package oracle

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// flowLabel is a struct in6_flowlabel_req.
func flowLabel(dst string, label uint32, action, share byte, flags, expires, linger uint16, options ...byte) []byte {
	b := netip.MustParseAddr(dst).AsSlice()
	b = binary.BigEndian.AppendUint32(b, label)
	b = append(b, action, share)
	b = binary.NativeEndian.AppendUint16(b, flags)
	b = binary.NativeEndian.AppendUint16(b, expires)
	b = binary.NativeEndian.AppendUint16(b, linger)
	b = append(b, 0, 0, 0, 0)
	return append(b, options...)
}

// flowLabel is IPV6_FLOWLABEL_MGR; a label that the host chooses is not logged.
func (r *Run) flowLabel(fd int, request []byte) {
	asked := slices.Clone(request)
	e := r.sockets.SetSockOpt(fd, linux.IPPROTO_IPV6, 32, request)
	s := ""
	if len(request) >= 20 {
		label := binary.BigEndian.Uint32(request[16:])
		if label != binary.BigEndian.Uint32(asked[16:]) {
			s = " and gives a label"
		} else {
			r.labels[label] = true
		}
	}
	r.logf("flowlabel(%s, %x) = %s%s", r.file(fd), asked, errnoName(e), s)
}

// In6Flow is In6 with sin6_flowinfo.
func In6Flow(addr string, port uint16, flow uint32) []byte {
	b := In6(addr, port)
	binary.BigEndian.PutUint32(b[4:], flow)
	return b
}

// flowScenarios show flow labels and traffic classes.
func flowScenarios() (list []Scenario) {
	const (
		get, put, renew        = 0, 1, 2
		create, excl, reflect  = 1, 2, 4
		none, alone, proc, any = 0, 1, 2, 255
	)
	k := sortOf("udp6")
	set := (*Run).flowLabel
	send := func(r *Run, s int, name []byte) {
		r.Send(s, []byte("x"), name, nil, 0)
		r.Packets()
	}
	list = append(list,
		Scenario{"ip6/flow/auto", func(r *Run) {
			for _, k := range []sort{sortOf("udp6"), sortOf("ping6")} {
				s := k.open(r)
				r.Send(s, echo6(0), k.peer(4000), nil, 0)
				r.Packets()
				r.Send(s, echo6(0), k.peer(4000), nil, 0)
				r.Packets()
				r.Send(s, echo6(0), k.peer(4001), nil, 0)
				r.Packets()
				r.Set(s, ipv6Option(70), 0)
				r.Send(s, echo6(0), k.peer(4000), nil, 0)
				r.Packets()
				r.Set(s, ipv6Option(70), 1)
				r.Connect(s, k.peer(4000))
				r.Send(s, echo6(0), nil, nil, 0)
				r.Packets()
				r.Send(s, echo6(2000), nil, nil, 0)
				r.Packets()
			}
		}},
		Scenario{"ip6/flow/unmanaged", func(r *Run) {
			s := k.open(r)
			send(r, s, In6Flow(Peer6, 4000, 0x12345))
			send(r, s, In6Flow(Peer6, 4000, 0x4800000))
			r.Set(s, ipv6Option(33), 1)
			send(r, s, In6Flow(Peer6, 4000, 0x12345))
			send(r, s, In6Flow(Peer6, 4000, 0x82345))
			send(r, s, In6Flow(Peer6, 4000, 0x4800000))
			send(r, s, In6Flow(Peer6, 4000, 0xf4800000))
			r.Connect(s, In6Flow(Peer6, 4000, 0x12345))
			r.Connect(s, In6Flow(Peer6, 4000, 0x4800000))
			r.Names(s)
			send(r, s, nil)
			r.Set(s, tcpip.IPV6_TCLASS, 0x20)
			send(r, s, nil)
			send(r, s, In6Flow(Peer6, 4000, 0x4800000))
			send(r, s, In6Flow(Peer6, 4000, 0))
		}},
		Scenario{"ip6/flow/create", func(r *Run) {
			s := k.open(r)
			r.Set(s, ipv6Option(33), 1)
			set(r, s, flowLabel(Peer6, 0x12345, get, alone, create, 0, 0))
			send(r, s, In6Flow(Peer6, 4000, 0x12345))
			send(r, s, In6Flow("fd77::9", 4000, 0x12345))
			r.Connect(s, In6Flow(Peer6, 4000, 0x12345))
			r.Names(s)
			send(r, s, nil)
			r.Set(s, ipv6Option(70), 0)
			send(r, s, nil)
			set(r, s, flowLabel(Peer6, 0x12345, put, 0, 0, 0, 0))
			set(r, s, flowLabel(Peer6, 0x12345, put, 0, 0, 0, 0))
			send(r, s, nil)
			send(r, s, In6Flow(Peer6, 4000, 0x12345))
			d := k.open(r)
			set(r, d, flowLabel(Peer6, 0x12345, get, alone, 0, 0, 0))
			set(r, d, flowLabel(Peer6, 0x12345, get, alone, create, 0, 0))
		}},
		Scenario{"ip6/flow/errors", func(r *Run) {
			s := k.open(r)
			for _, b := range [][]byte{
				flowLabel(Peer6, 0x11111, 3, alone, create, 0, 0), flowLabel(Peer6, 0x11111, get, alone, 0, 0, 0), flowLabel(Peer6, 0x11111, get, none, create, 0, 0),
				flowLabel(Peer6, 0x11111, get, any, create, 0, 0), flowLabel(Peer6, 0x11111, get, 7, create, 0, 0), flowLabel("ff02::1", 0x11112, get, alone, create, 0, 0),
				flowLabel("::", 0x11113, get, alone, create, 0, 0), flowLabel("::ffff:1.2.3.4", 0x11114, get, alone, create, 0, 0), flowLabel("::", 0x11115, get, any, create, 0, 0),
				flowLabel(Peer6, 0x111111, get, alone, create, 0, 0), flowLabel(Peer6, 0xf0011111, get, alone, create, 0, 0), flowLabel(Peer6, 0x811111, get, alone, create, 0, 0), flowLabel(Peer6, 0x91111, get, alone, create, 0, 0),
				flowLabel(Peer6, 0x11116, get, alone, create, 0, 61), flowLabel(Peer6, 0x11117, get, alone, create, 400, 0), flowLabel(Peer6, 0x11118, get, alone, create, 0, 60), flowLabel(Peer6, 0x11119, get, alone, create, 3600, 0),
				flowLabel(Peer6, 0x22222, renew, alone, create, 0, 0), flowLabel(Peer6, 0x22222, put, alone, create, 0, 0), flowLabel(Peer6, 0, get, alone, create, 0, 0)[:31],
				flowLabel(Peer6, 0, put, alone, 0, 0, 0), flowLabel(Peer6, 0, get, alone, 8, 0, 0), flowLabel(Peer6, 0, get, alone, reflect, 0, 0),
			} {
				set(r, s, b)
			}
		}},
		Scenario{"ip6/flow/share", func(r *Run) {
			a, b, c := k.open(r), k.open(r), k.open(r)
			r.Set(a, ipv6Option(33), 1)
			r.Set(b, ipv6Option(33), 1)
			for i, share := range []byte{alone, proc, 3, any} {
				label := uint32(0x30000 + i)
				set(r, a, flowLabel(Peer6, label, get, share, create, 0, 0))
				set(r, a, flowLabel(Peer6, label, get, share, create|excl, 0, 0))
				set(r, a, flowLabel(Peer6, label, get, share, 0, 0, 0))
				set(r, b, flowLabel(Peer6, label, get, share, 0, 0, 0))
				set(r, b, flowLabel(Peer6, label, get, share, create, 0, 0))
				set(r, b, flowLabel("fd77::9", label, get, share, create, 0, 0))
				set(r, c, flowLabel(Peer6, label, get, proc, create, 0, 0))
				send(r, a, In6Flow(Peer6, 4000, label))
				send(r, b, In6Flow(Peer6, 4000, label))
				send(r, c, In6Flow(Peer6, 4000, label))
				set(r, a, flowLabel(Peer6, label, put, share, 0, 0, 0))
				set(r, b, flowLabel(Peer6, label, renew, share, 0, 20, 10))
				set(r, c, flowLabel(Peer6, label, renew, share, create, 20, 10))
				send(r, b, In6Flow(Peer6, 4000, label))
			}
		}},
		Scenario{"ip6/flow/choose", func(r *Run) {
			s := k.open(r)
			r.Set(s, ipv6Option(33), 1)
			set(r, s, flowLabel(Peer6, 0, get, alone, create, 0, 0))
			set(r, s, flowLabel(Peer6, 0, get, alone, create, 0, 0))
			set(r, s, flowLabel(Peer6, 0, get, alone, 0, 0, 0))
			set(r, s, flowLabel(Peer6, 0, put, alone, 0, 0, 0))
		}},
		Scenario{"ip6/flow/options", func(r *Run) {
			s := k.open(r)
			r.Set(s, ipv6Option(33), 1)
			set(r, s, flowLabel(Peer6, 0x40001, get, alone, create, 0, 0, Cmsg(41, 54, pad6(1))...))
			set(r, s, flowLabel(Peer6, 0x40002, get, alone, create, 0, 0, Cmsg(41, 59, pad6(1))...))
			set(r, s, flowLabel(Peer6, 0x40003, get, alone, create, 0, 0, Cmsg(41, 52, Int(7))...))
			set(r, s, flowLabel(Peer6, 0x40004, get, alone, create, 0, 0, Cmsg(41, 99, Int(7))...))
			set(r, s, flowLabel(Peer6, 0x40005, get, alone, create, 0, 0, 1, 2, 3))
			r.SetOpt(s, 41, 59, pad6(2))
			for i := range uint32(5) {
				send(r, s, In6Flow(Peer6, 4000, 0x40001+i))
			}
		}},
		Scenario{"ip6/flow/get", func(r *Run) {
			s := k.open(r)
			set(r, s, flowLabel(Peer6, 0x50001, get, proc, create, 30, 12))
			r.GetOpt(s, 41, 32, 32)
			r.GetOpt(s, 41, 32, 40)
			r.GetOpt(s, 41, 32, 31)
		}},
		Scenario{"ip6/flow/many", func(r *Run) {
			s := k.open(r)
			for i := range uint32(40) {
				set(r, s, flowLabel(Peer6, 0x60001+i, get, any, create, 0, 0))
			}
		}},
		Scenario{"ip6/flow/received", func(r *Run) {
			s := k.open(r)
			r.Bind(s, k.any(4000))
			r.Set(s, ipv6Option(33), 1)
			r.Set(s, ipv6Option(11), 1)
			r.Inject("labelled", arriving{from: Peer6, flow: 0x12345, tos: 0x48, data: []byte("a")}.packet())
			m := r.Recv(s, 10, 100, 0)
			if m.Name != nil {
				r.logf("name %x", m.Name)
			}
			r.Inject("not labelled", arriving{from: Peer6, data: []byte("a")}.packet())
			m = r.Recv(s, 10, 100, 0)
			if m.Name != nil {
				r.logf("name %x", m.Name)
			}
		}},
	)
	for _, c := range []struct {
		name    string
		control []byte
	}{{"class", Cmsg(41, 67, Int(0x44))}, {"class-default", Cmsg(41, 67, Int(-1))}, {"flow", Cmsg(41, 11, []byte{0, 1, 0x23, 0x45})}, {"flow-class", Cmsg(41, 11, []byte{4, 0x80, 0, 0})}, {"both", append(Cmsg(41, 11, []byte{4, 0x80, 0, 0}), Cmsg(41, 67, Int(0x44))...)}} {
		list = append(list, Scenario{"ip6/flow/control/" + c.name, func(r *Run) {
			s := k.open(r)
			r.labels[0x12345] = true
			r.Set(s, tcpip.IPV6_TCLASS, 0x20)
			for _, on := range []int{0, 1} {
				r.Set(s, ipv6Option(33), on)
				set(r, s, flowLabel(Peer6, 0x12345, get, alone, create, 0, 0))
				r.Send(s, []byte("x"), In6Flow(Peer6, 4000, 0), c.control, 0)
				r.Packets()
				r.Send(s, []byte("x"), In6Flow(Peer6, 4000, 0x4000000), c.control, 0)
				r.Packets()
			}
		}})
	}
	return list
}

// ipv6MTUScenarios show IPV6_MTU, IPV6_RECVPATHMTU and IPV6_PATHMTU.
func ipv6MTUScenarios() (list []Scenario) {
	for _, k := range []sort{sortOf("udp6"), sortOf("ping6")} {
		for _, v := range []int{1280, 1281, 1400, 1499, 1500, 1501, 9000, 0} {
			list = append(list, Scenario{fmt.Sprintf("ip6/mtu/%d/%s", v, k.name), func(r *Run) {
				s := k.open(r)
				r.Set(s, tcpip.IPV6_MTU, v)
				r.Get(s, tcpip.IPV6_MTU)
				r.Send(s, echo6(3000), k.peer(4000), nil, 0)
				r.Packets()
				r.Connect(s, k.peer(4000))
				r.Get(s, tcpip.IPV6_MTU)
				r.GetOpt(s, 41, 61, 32)
				for _, mode := range []int{0, 1, 2, 3, 4, 5} {
					r.Set(s, tcpip.IPV6_MTU_DISCOVER, mode)
					for _, n := range []int{1220, 1340, 1440, 1500} {
						r.Send(s, echo6(n), nil, nil, 0)
						r.Packets()
					}
				}
			}})
		}
		list = append(list,
			Scenario{"ip6/path-mtu/" + k.name, func(r *Run) {
				s := k.open(r)
				r.Set(s, ipv6Option(60), 1)
				r.GetOpt(s, 41, 61, 32)
				r.Connect(s, k.peer(4000))
				for _, n := range []int{32, 31, 40} {
					r.GetOpt(s, 41, 61, n)
				}
				r.Set(s, tcpip.IPV6_DONTFRAG, 1)
				r.Send(s, echo6(2000), nil, nil, 0)
				r.Poll(s)
				r.Recv(s, 10, 100, 0)
				r.Recv(s, 10, 100, linux.MSG_ERRQUEUE)
				r.Send(s, echo6(1400), nil, nil, 0)
				about := r.Packets()
				if len(about) > 0 {
					r.Inject("too big, 1300", tooBig(about[0], 1300))
				}
				r.Poll(s)
				r.Recv(s, 10, 100, 0)
				r.Recv(s, 10, 100, 0)
				r.GetOpt(s, 41, 61, 32)
				r.Get(s, linux.SO_ERROR)
			}},
			Scenario{"ip6/path-mtu/both/" + k.name, func(r *Run) {
				s := k.open(r)
				r.Set(s, ipv6Option(60), 1)
				r.Set(s, tcpip.IPV6_RECVERR, 1)
				for range 2 {
					r.Send(s, echo6(1400), k.peer(4000), nil, 0)
					about := r.Packets()
					if len(about) > 0 {
						r.Inject("too big, 1300", tooBig(about[0], 1300))
					}
					r.Poll(s)
					r.Recv(s, 10, 100, 0)
					r.Recv(s, 10, 20, 0)
					r.Recv(s, 10, 200, linux.MSG_ERRQUEUE)
				}
				r.Set(s, tcpip.IPV6_DONTFRAG, 1)
				r.Send(s, echo6(2000), k.peer(4000), nil, 0)
				r.Poll(s)
				r.Recv(s, 10, 30, 0)
				r.Recv(s, 10, 200, linux.MSG_ERRQUEUE)
			}},
			Scenario{"ip6/path-mtu/peek/" + k.name, func(r *Run) {
				s := k.open(r)
				r.Bind(s, k.any(4000))
				r.Set(s, ipv6Option(60), 1)
				r.Set(s, tcpip.IPV6_DONTFRAG, 1)
				r.Send(s, echo6(2000), k.peer(4000), nil, 0)
				r.Send(s, echo6(3000), k.at("", "fd77::3", 4000), nil, 0)
				r.Inject("data", arriving{from: Peer6, data: []byte("a")}.packet())
				r.Recv(s, 10, 100, linux.MSG_PEEK)
				r.Recv(s, 10, 100, 0)
				r.Recv(s, 10, 100, 0)
				r.Send(s, echo6(2000), k.peer(4000), nil, 0)
				r.Set(s, ipv6Option(60), 0)
				r.Recv(s, 10, 100, 0)
			}},
		)
	}
	return list
}
