package oracle

import (
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

func checksumScenarios(k way) []Scenario {
	from := Peer4
	if !k.v4() {
		from = Peer6
	}
	return []Scenario{
		{"udp/checksum/send/" + k.name, func(r *Run) {
			c := k.open(r)
			r.Connect(c, k.peer(4000))
			for _, id := range []tcpip.OptionID{tcpip.SO_NO_CHECK, tcpip.UDP_NO_CHECK6_TX, tcpip.UDP_NO_CHECK6_RX} {
				r.Set(c, id, 1)
				r.Get(c, id)
				r.Send(c, []byte("x"), nil, nil, 0)
				r.Packets()
				r.Send(c, counted(2000), nil, nil, 0)
				r.Packets()
				r.Set(c, id, 0)
			}
			r.Send(c, []byte("x"), nil, nil, 0)
			r.Packets()
		}},
		{"udp/checksum/receive/" + k.name, func(r *Run) {
			s := k.open(r)
			r.Bind(s, k.any(4000))
			p := arriving{from: from, data: []byte("hello"), noChecksum: true}.packet()
			bad := arriving{from: from, data: []byte("hello")}.packet()
			bad[len(bad)-6]++
			for _, v := range []int{0, 1} {
				r.Set(s, tcpip.UDP_NO_CHECK6_RX, v)
				r.Set(s, tcpip.SO_NO_CHECK, v)
				r.Set(s, tcpip.UDP_NO_CHECK6_TX, v)
				r.Arrive("datagram without checksum", p)
				r.Recv(s, 100, 0, 0)
				r.Arrive("datagram with a bad checksum", bad)
				r.Recv(s, 100, 0, 0)
			}
		}},
		{"udp/checksum/receive-elsewhere/" + k.name, func(r *Run) {
			s := k.open(r)
			r.Set(s, tcpip.UDP_NO_CHECK6_RX, 1)
			r.Bind(s, k.any(4001))
			r.Arrive("datagram without checksum", arriving{from: from, data: []byte("hello"), noChecksum: true}.packet())
			r.Packets()
		}},
		{"udp/checksum/lo/" + k.name, func(r *Run) {
			c, s := k.couple(r)
			r.Set(c, tcpip.SO_NO_CHECK, 1)
			r.Set(c, tcpip.UDP_NO_CHECK6_TX, 1)
			r.Send(c, []byte("x"), k.lo(4000), nil, 0)
			r.Recv(s, 10, 0, 0)
			r.Set(s, tcpip.UDP_NO_CHECK6_RX, 1)
			r.Send(c, []byte("x"), k.lo(4000), nil, 0)
			r.Recv(s, 10, 0, 0)
			r.Send(c, counted(70000/2), k.lo(4000), nil, 0)
			r.Recv(s, 70000, 0, 0)
		}},
	}
}

func peekScenarios(k way) []Scenario {
	filled := func(f func(r *Run, s int)) func(*Run) {
		return func(r *Run) {
			c, s := k.couple(r)
			for _, d := range []string{"first one", "second", "", "the third of them", "last"} {
				r.Send(c, []byte(d), k.lo(4000), nil, 0)
			}
			f(r, s)
		}
	}
	peek := linux.MSG_PEEK
	list := []Scenario{
		{"udp/peek/plain/" + k.name, filled(func(r *Run, s int) {
			for range 3 {
				r.Recv(s, 4, 0, peek)
			}
			r.Recv(s, 4, 0, 0)
			r.Recv(s, 40, 0, peek)
			r.Recv(s, 0, 0, peek)
			r.Recv(s, 0, 0, peek|linux.MSG_TRUNC)
		})},
		{"udp/peek/empty/" + k.name, func(r *Run) {
			_, s := k.couple(r)
			r.Set(s, tcpip.SO_PEEK_OFF, 0)
			r.Recv(s, 4, 0, peek)
			r.Set(s, tcpip.SO_PEEK_OFF, 5)
			r.Recv(s, 4, 0, peek)
			r.Get(s, tcpip.SO_PEEK_OFF)
		}},
	}
	for _, off := range []int{0, 3, 8, 9, 10, 14, 15, 16, 40, -1, -2} {
		list = append(list, Scenario{fmt.Sprintf("udp/peek/offset%d/%s", off, k.name), filled(func(r *Run, s int) {
			r.Set(s, tcpip.SO_PEEK_OFF, off)
			for range 4 {
				r.Recv(s, 4, 0, peek)
				r.Get(s, tcpip.SO_PEEK_OFF)
			}
			r.Recv(s, 4, 0, peek|linux.MSG_TRUNC)
			r.Get(s, tcpip.SO_PEEK_OFF)
			r.Recv(s, 4, 0, 0)
			r.Get(s, tcpip.SO_PEEK_OFF)
			r.Recv(s, 30, 0, peek)
			r.Get(s, tcpip.SO_PEEK_OFF)
			for range 4 {
				r.Recv(s, 30, 0, peek)
			}
			r.Get(s, tcpip.SO_PEEK_OFF)
			for range 5 {
				r.Recv(s, 30, 0, 0)
				r.Get(s, tcpip.SO_PEEK_OFF)
			}
		})})
	}
	for _, flags := range []int{0, peek} {
		list = append(list, Scenario{fmt.Sprintf("udp/peek/flags%d/%s", flags, k.name), filled(func(r *Run, s int) {
			for _, more := range []int{0, linux.MSG_TRUNC, linux.MSG_WAITALL, linux.MSG_OOB, linux.MSG_CTRUNC, linux.MSG_NOSIGNAL} {
				r.Recv(s, 3, 0, flags|more)
			}
		})})
	}
	return list
}
