package oracle

import (
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// segmentScenarios cut one write into many datagrams (UDP_SEGMENT).
func segmentScenarios(k way) []Scenario {
	wired := func(f func(r *Run, c int)) func(*Run) {
		return func(r *Run) {
			c := k.open(r)
			r.Connect(c, k.peer(4000))
			f(r, c)
		}
	}
	return []Scenario{
		{"udp/segment/wire/" + k.name, wired(func(r *Run, c int) {
			r.Set(c, tcpip.UDP_SEGMENT, 1000)
			for _, n := range []int{0, 1, 999, 1000, 1001, 2000, 2500, 10000} {
				r.Send(c, counted(n), nil, nil, 0)
				r.Packets()
			}
		})},
		{"udp/segment/control/" + k.name, wired(func(r *Run, c int) {
			for _, control := range [][]byte{segmentBy(1000), segmentBy(0), segmentBy(65535), segmentBy(1), Cmsg(17, 103, Int(1000)),
				Cmsg(17, 103, []byte{1}), Cmsg(17, 103, nil), Cmsg(17, 104, Int(1)), Cmsg(17, 1, Int(1)), Cmsg(17, 99, Int(1)),
				append(segmentBy(2), segmentBy(7)...)} {
				r.Send(c, counted(20), nil, control, 0)
				r.Packets()
			}
			r.Set(c, tcpip.UDP_SEGMENT, 10)
			for _, control := range [][]byte{segmentBy(7), segmentBy(0)} {
				r.Send(c, counted(20), nil, control, 0)
				r.Packets()
			}
		})},
		{"udp/segment/limits/" + k.name, wired(func(r *Run, c int) {
			for _, n := range []int{63, 64, 65, 127, 128, 129} {
				r.Send(c, counted(n*10), nil, segmentBy(10), 0)
				r.Say("%d packets", len(r.sockets.Sent()))
			}
			for _, n := range []int{1500 - k.headers(), 1501 - k.headers(), 9000} {
				r.Send(c, counted(20000), nil, segmentBy(n), 0)
				r.Packets()
				r.Send(c, counted(n), nil, segmentBy(n), 0)
				r.Packets()
				r.Send(c, counted(100), nil, segmentBy(n), 0)
				r.Packets()
			}
			for _, n := range []int{65507, 65508, 65527, 65528, 65535, 65536} {
				r.Send(c, counted(n), nil, segmentBy(1400), 0)
				r.Say("%d packets", len(r.sockets.Sent()))
			}
		})},
		{"udp/segment/errors/" + k.name, wired(func(r *Run, c int) {
			r.Set(c, k.recverr(), 1)
			r.Send(c, counted(3000), nil, segmentBy(1480), 0)
			r.Recv(c, 0, 200, linux.MSG_ERRQUEUE)
			r.Send(c, counted(2000), nil, segmentBy(1), 0)
			r.Recv(c, 0, 200, linux.MSG_ERRQUEUE)
			r.Set(c, tcpip.SO_NO_CHECK, 1)
			r.Set(c, tcpip.UDP_NO_CHECK6_TX, 1)
			for _, n := range []int{10, 100, 2000} {
				r.Send(c, counted(n), nil, segmentBy(100), 0)
				r.Packets()
			}
		})},
		{"udp/segment/dont-fragment/" + k.name, wired(func(r *Run, c int) {
			for v := range 6 {
				r.Set(c, k.discover(), v)
				r.Send(c, counted(3000), nil, segmentBy(1400), 0)
				r.Packets()
			}
		})},
		{"udp/segment/lo/" + k.name, func(r *Run) {
			c, s := k.couple(r)
			r.Set(c, tcpip.UDP_SEGMENT, 1000)
			r.Send(c, counted(2500), k.lo(4000), nil, 0)
			r.Poll(s)
			r.Ioctl(s, linux.FIONREAD)
			for range 4 {
				r.Recv(s, 5000, 100, 0)
			}
			r.Send(c, counted(1000), k.lo(4000), nil, 0)
			r.Recv(s, 5000, 100, 0)
			r.Recv(s, 5000, 100, 0)
		}},
		{"udp/segment/over-mtu/" + k.name, func(r *Run) {
			c, s := k.couple(r)
			r.Send(c, counted(60000), k.lo(4000), segmentBy(20000), 0)
			for range 4 {
				r.Recv(s, 65535, 100, 0)
			}
		}},
		{"udp/segment/refused/" + k.name, func(r *Run) {
			c := k.open(r)
			r.Set(c, k.recverr(), 1)
			r.Send(c, counted(25), k.lo(4999), segmentBy(10), 0)
			for range 4 {
				r.Recv(c, 100, 300, linux.MSG_ERRQUEUE)
			}
		}},
		{"udp/segment/classes/" + k.name, wired(func(r *Run, c int) {
			r.Set(c, k.class(), 0x48)
			tos := Cmsg(0, 1, Int(0x44))
			if !k.v4() {
				tos = Cmsg(41, 67, Int(0x44))
			}
			r.Send(c, counted(2000), nil, segmentBy(1000), 0)
			r.Packets()
			r.Send(c, counted(2000), nil, append(segmentBy(1000), tos...), 0)
			r.Packets()
		})},
		{"udp/segment/group/" + k.name, func(r *Run) {
			c := k.open(r)
			r.Send(c, counted(2000), k.at("239.1.1.1", "ff0e::99", 4000), segmentBy(1000), 0)
			r.Packets()
			r.Set(c, tcpip.SO_BROADCAST, 1)
			if k.v4() {
				r.Send(c, counted(2000), k.at("10.77.0.255", "", 4000), segmentBy(1000), 0)
				r.Packets()
			}
		}},
	}
}

func groScenarios(k way) []Scenario {
	ready := func(f func(r *Run, c, s int)) func(*Run) {
		return func(r *Run) {
			c, s := k.couple(r)
			r.Set(s, tcpip.UDP_GRO, 1)
			f(r, c, s)
		}
	}
	return []Scenario{
		{"udp/gro/whole/" + k.name, ready(func(r *Run, c, s int) {
			for _, n := range []int{2500, 2000, 1000, 1, 0} {
				r.Send(c, counted(n), k.lo(4000), segmentBy(1000), 0)
			}
			r.Send(c, counted(500), k.lo(4000), nil, 0)
			r.Poll(s)
			r.Ioctl(s, linux.FIONREAD)
			for range 7 {
				r.Recv(s, 5000, 100, 0)
			}
		})},
		{"udp/gro/room/" + k.name, ready(func(r *Run, c, s int) {
			for range 5 {
				r.Send(c, counted(2500), k.lo(4000), segmentBy(1000), 0)
			}
			for _, room := range []int{0, 10, 16, 18, 20} {
				r.Recv(s, 5000, room, 0)
			}
		})},
		{"udp/gro/short/" + k.name, ready(func(r *Run, c, s int) {
			for range 2 {
				r.Send(c, counted(2500), k.lo(4000), segmentBy(1000), 0)
			}
			r.Recv(s, 1200, 100, linux.MSG_PEEK)
			r.Recv(s, 1200, 100, linux.MSG_PEEK|linux.MSG_TRUNC)
			r.Recv(s, 1200, 100, linux.MSG_TRUNC)
			r.Recv(s, 800, 100, 0)
			r.Recv(s, 5000, 100, 0)
		})},
		{"udp/gro/switched/" + k.name, ready(func(r *Run, c, s int) {
			r.Send(c, counted(2500), k.lo(4000), segmentBy(1000), 0)
			r.Set(s, tcpip.UDP_GRO, 0)
			r.Send(c, counted(2500), k.lo(4000), segmentBy(1000), 0)
			r.Set(s, tcpip.UDP_GRO, 1)
			for range 5 {
				r.Recv(s, 5000, 100, 0)
			}
		})},
		{"udp/gro/off-before-reading/" + k.name, ready(func(r *Run, c, s int) {
			r.Send(c, counted(2500), k.lo(4000), segmentBy(1000), 0)
			r.Set(s, tcpip.UDP_GRO, 0)
			r.Recv(s, 5000, 100, 0)
			r.Recv(s, 5000, 100, 0)
		})},
		{"udp/gro/all-control/" + k.name, ready(func(r *Run, c, s int) {
			for _, id := range append([]tcpip.OptionID{tcpip.SO_TIMESTAMP}, received...) {
				r.Set(s, id, 1)
			}
			r.Send(c, counted(2500), k.lo(4000), segmentBy(1000), 0)
			r.Recv(s, 5000, 300, 0)
		})},
		{"udp/gro/wire/" + k.name, func(r *Run) {
			s := k.open(r)
			r.Set(s, tcpip.UDP_GRO, 1)
			r.Bind(s, k.any(4000))
			from := Peer4
			if !k.v4() {
				from = Peer6
			}
			p := arriving{from: from, data: counted(100)}.packet()
			r.Arrive("datagram", p, p, p)
			for range 4 {
				r.Recv(s, 1000, 100, 0)
			}
		}},
		{"udp/gro/reuseport/" + k.name, func(r *Run) {
			a, b := k.open(r), k.open(r)
			for _, s := range []int{a, b} {
				r.Set(s, tcpip.SO_REUSEPORT, 1)
			}
			r.Bind(a, k.lo(4000))
			r.Set(a, tcpip.UDP_GRO, 1)
			c := k.open(r)
			r.Send(c, counted(2500), k.lo(4000), segmentBy(1000), 0)
			r.Recv(a, 5000, 100, 0)
			r.Recv(b, 5000, 100, 0)
		}},
		{"udp/gro/connected/" + k.name, ready(func(r *Run, c, s int) {
			r.Bind(c, k.lo(4001))
			r.Connect(s, k.lo(4001))
			r.Connect(c, k.lo(4000))
			r.Send(c, counted(700), nil, segmentBy(100), 0)
			r.Send(s, counted(700), nil, segmentBy(100), 0)
			r.Recv(s, 1000, 100, 0)
			r.Recv(c, 1000, 100, 0)
			r.Recv(c, 1000, 100, 0)
		})},
	}
}
