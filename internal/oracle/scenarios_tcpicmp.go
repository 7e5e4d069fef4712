package oracle

import (
	"encoding/binary"
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// icmpCase is an ICMP error about a segment.
type icmpCase struct {
	typ, code byte
	info      uint32
}

func icmpCases(k sort) []icmpCase {
	if k.v6() {
		return []icmpCase{{1, 0, 0}, {1, 1, 0}, {1, 2, 0}, {1, 3, 0}, {1, 4, 0}, {1, 5, 0}, {1, 6, 0}, {2, 0, 1300}, {3, 0, 0}, {3, 1, 0}, {4, 0, 6}, {4, 1, 40}, {100, 0, 0}}
	}
	return []icmpCase{{3, 0, 0}, {3, 1, 0}, {3, 2, 0}, {3, 3, 0}, {3, 4, 1300}, {3, 5, 0}, {3, 6, 0}, {3, 7, 0}, {3, 8, 0}, {3, 9, 0}, {3, 10, 0}, {3, 11, 0}, {3, 12, 0},
		{3, 13, 0}, {3, 14, 0}, {3, 15, 0}, {3, 16, 0}, {4, 0, 0}, {11, 0, 0}, {11, 1, 0}, {12, 0, 20 << 24}, {5, 1, 0x0a4d0009}}
}

func (c icmpCase) about(b []byte) []byte {
	return icmpReport(b, "10.77.0.9", "fd77::9", c.typ, c.code, c.info)
}

func (k sort) recvErr() tcpip.OptionID {
	if k.v6() {
		return tcpip.IPV6_RECVERR
	}
	return tcpip.IP_RECVERR
}

// afterICMP shows what has come of an ICMP error.
func afterICMP(r *Run, k sort, s int) {
	r.Poll(s)
	r.Recv(s, 0, 200, linux.MSG_ERRQUEUE)
	r.Recv(s, 0, 200, linux.MSG_ERRQUEUE)
	r.Poll(s)
	r.Recv(s, 10, 0, 0)
	r.Get(s, linux.SO_ERROR)
	r.Send(s, []byte("x"), nil, nil, 0)
	r.Get(s, linux.SO_ERROR)
	r.Names(s)
}

// tcpICMPScenarios bring ICMP errors to connections in every state.
func tcpICMPScenarios() (list []Scenario) {
	for _, k := range tcpSorts() {
		for _, c := range icmpCases(k) {
			for _, queue := range []int{0, 1} {
				name := func(what string) string {
					return fmt.Sprintf("tcp/icmp/%s/%d-%d/recverr%d/%s", what, c.typ, c.code, queue, k.name)
				}
				list = append(list,
					Scenario{name("connecting"), func(r *Run) {
						p := k.tcpPeerOf(r, 4000)
						s := k.open(r)
						r.Set(s, k.recvErr(), queue)
						r.Connect(s, k.peer(4000))
						p.Sent()
						r.Inject("an ICMP error", c.about(p.last))
						afterICMP(r, k, s)
						p.Sent()
						r.Connect(s, k.peer(4000))
						p.Sent()
					}},
					Scenario{name("in-flight"), func(r *Run) {
						s, p := k.dial(r, func(s int, _ *tcpPeer) { r.Set(s, k.recvErr(), queue) })
						r.Send(s, []byte("hello"), nil, nil, 0)
						p.Sent()
						r.Inject("an ICMP error", c.about(p.last))
						afterICMP(r, k, s)
						p.Resent()
					}},
				)
			}
			list = append(list,
				Scenario{fmt.Sprintf("tcp/icmp/half-open/%d-%d/%s", c.typ, c.code, k.name), func(r *Run) {
					l, p := k.ring(r, func(l int, _ *tcpPeer) { r.Set(l, k.recvErr(), 1) })
					r.Inject("an ICMP error", c.about(p.last))
					r.Poll(l)
					r.Recv(l, 10, 200, linux.MSG_ERRQUEUE)
					p.Sent()
					p.Send(segment{})
					p.Sent()
					r.Poll(l)
				}},
				Scenario{fmt.Sprintf("tcp/icmp/idle/%d-%d/%s", c.typ, c.code, k.name), func(r *Run) {
					s, p := k.dial(r, func(s int, _ *tcpPeer) { r.Set(s, k.recvErr(), 1) })
					r.Inject("an ICMP error", c.about(p.last))
					afterICMP(r, k, s)
				}},
			)
		}
		list = append(list, perICMP(k)...)
		list = append(list, tcpPMTU(k)...)
	}
	return list
}

// perICMP are errors that are wrong in themselves or come at another time.
func perICMP(k sort) (list []Scenario) {
	host := icmpCase{3, 1, 0}
	if k.v6() {
		host = icmpCase{1, 3, 0}
	}
	name := func(s string) string { return "tcp/icmp/" + s + "/" + k.name }
	for _, off := range []int{-1, 1, 4, 5, 6, 100000} {
		list = append(list, Scenario{fmt.Sprintf("%s/%d", name("sequence"), off), func(r *Run) {
			s, p := k.dial(r, func(s int, _ *tcpPeer) { r.Set(s, k.recvErr(), 1) })
			r.Send(s, []byte("hello"), nil, nil, 0)
			p.Sent()
			b := append([]byte(nil), p.last...)
			_, t := transportOf(b)
			binary.BigEndian.PutUint32(t[4:], binary.BigEndian.Uint32(t[4:])+uint32(off))
			r.Inject("an ICMP error", host.about(b))
			afterICMP(r, k, s)
		}})
	}
	list = append(list,
		Scenario{name("other-port"), func(r *Run) {
			s, p := k.dial(r, func(s int, _ *tcpPeer) { r.Set(s, k.recvErr(), 1) })
			r.Send(s, []byte("hello"), nil, nil, 0)
			p.Sent()
			b := append([]byte(nil), p.last...)
			_, t := transportOf(b)
			binary.BigEndian.PutUint16(t[2:], 4001)
			r.Inject("an ICMP error", host.about(b))
			afterICMP(r, k, s)
		}},
		Scenario{name("soft-then-ack"), func(r *Run) {
			s, p := k.dial(r, nil)
			r.Send(s, []byte("hello"), nil, nil, 0)
			p.Sent()
			r.Inject("an ICMP error", host.about(p.last))
			p.Send(segment{})
			r.Get(s, linux.SO_ERROR)
			r.Poll(s)
		}},
		Scenario{name("many"), func(r *Run) {
			s, p := k.dial(r, func(s int, _ *tcpPeer) { r.Set(s, k.recvErr(), 1) })
			r.Send(s, []byte("hello"), nil, nil, 0)
			p.Sent()
			for range 3 {
				r.Inject("an ICMP error", host.about(p.last))
			}
			for range 4 {
				r.Recv(s, 0, 200, linux.MSG_ERRQUEUE)
				r.Poll(s)
			}
		}},
		Scenario{name("small-buffers"), func(r *Run) {
			s, p := k.dial(r, func(s int, _ *tcpPeer) { r.Set(s, k.recvErr(), 1) })
			r.Send(s, []byte("hello"), nil, nil, 0)
			p.Sent()
			for _, room := range []int{0, 16, 20, 40, 64} {
				r.Inject("an ICMP error", host.about(p.last))
				r.Recv(s, 3, room, linux.MSG_ERRQUEUE)
			}
		}},
		Scenario{name("listener-unset-accepted"), func(r *Run) {
			_, s, p := k.call(r, func(l int, _ *tcpPeer) { r.Set(l, k.recvErr(), 1) })
			r.Get(s, k.recvErr())
			r.Send(s, []byte("hello"), nil, nil, 0)
			p.Sent()
			r.Inject("an ICMP error", host.about(p.last))
			afterICMP(r, k, s)
		}},
		Scenario{name("turned-off"), func(r *Run) {
			s, p := k.dial(r, func(s int, _ *tcpPeer) { r.Set(s, k.recvErr(), 1) })
			r.Send(s, []byte("hello"), nil, nil, 0)
			p.Sent()
			r.Inject("an ICMP error", host.about(p.last))
			r.Set(s, k.recvErr(), 0)
			r.Poll(s)
			r.Recv(s, 0, 200, linux.MSG_ERRQUEUE)
			r.Get(s, linux.SO_ERROR)
		}},
		Scenario{name("orphan"), func(r *Run) {
			s, p := k.dial(r, nil)
			r.Send(s, []byte("hello"), nil, nil, 0)
			r.Close(s)
			p.Sent()
			r.Inject("an ICMP error", host.about(p.last))
			p.Send(segment{flags: tcpFIN})
			p.Sent()
		}},
	)
	return list
}

// tcpPMTU sends below, at and above MTUs in every mode of MTU_DISCOVER, before and after a "too big" (BEHAVIOUR B10).
func tcpPMTU(k sort) (list []Scenario) {
	mode, mtu, headers := tcpip.IP_MTU_DISCOVER, tcpip.IP_MTU, 52
	if k.v6() {
		mode, mtu, headers = tcpip.IPV6_MTU_DISCOVER, tcpip.IPV6_MTU, 72
	}
	maxSegment := tcpip.Option(6, 2)
	told := func(r *Run, s int, p *tcpPeer, size int) {
		r.Inject(fmt.Sprint("too big, ", size), tooBig(p.last, size))
	}
	for v := range 6 {
		for _, how := range []string{"connect", "listen", "after"} {
			list = append(list, Scenario{fmt.Sprintf("tcp/pmtu/mode%d/%s/%s", v, how, k.name), func(r *Run) {
				var s int
				var p *tcpPeer
				switch how {
				case "connect":
					s, p = k.dial(r, func(s int, _ *tcpPeer) { r.Set(s, mode, v) })
				case "listen":
					_, s, p = k.call(r, func(l int, _ *tcpPeer) { r.Set(l, mode, v) })
				case "after":
					s, p = k.dial(r, nil)
					r.Set(s, mode, v)
				}
				r.Get(s, mtu)
				r.Get(s, maxSegment)
				for _, size := range []int{1300 - headers, 1500 - headers, 1600} {
					r.Send(s, some(size), nil, nil, 0)
					p.Sent()
					p.Send(segment{})
				}
				r.Send(s, some(1400-headers), nil, nil, 0)
				p.Sent()
				told(r, s, p, 1300)
				p.Sent()
				r.Get(s, mtu)
				r.Get(s, maxSegment)
				r.Get(s, linux.SO_ERROR)
				r.Poll(s)
				p.Send(segment{})
				for _, size := range []int{1300 - headers, 1500 - headers, 1600} {
					r.Send(s, some(size), nil, nil, 0)
					p.Sent()
					p.Send(segment{})
				}
				n := k.open(r) // another connection knows it
				r.Connect(n, k.peer(4001))
				r.Packets()
				r.Get(n, mtu)
			}})
		}
	}
	for _, size := range []int{0, 67, 68, 200, 551, 552, 576, 1279, 1280, 1499, 1500, 9000} {
		list = append(list, Scenario{fmt.Sprintf("tcp/pmtu/told%d/%s", size, k.name), func(r *Run) {
			s, p := k.dial(r, func(s int, _ *tcpPeer) { r.Set(s, k.recvErr(), 1) })
			r.Send(s, some(1500-headers), nil, nil, 0)
			p.Sent()
			told(r, s, p, size)
			p.Sent()
			r.Get(s, mtu)
			r.Get(s, maxSegment)
			r.Recv(s, 0, 200, linux.MSG_ERRQUEUE)
			r.Poll(s)
			r.Get(s, linux.SO_ERROR)
		}})
	}
	list = append(list,
		Scenario{"tcp/pmtu/several-in-flight/" + k.name, func(r *Run) {
			s, p := k.dial(r, func(s int, _ *tcpPeer) { r.Set(s, tcpip.Option(6, 1), 1) })
			r.Send(s, some(1400), nil, nil, 0)
			r.Send(s, some(1400), nil, nil, 0)
			sent := p.Sent()
			r.Inject("too big, 1300", tooBig(sent[0], 1300))
			p.Sent()
			r.Get(s, maxSegment)
			p.Send(segment{})
			p.Sent()
			r.Send(s, some(2000), nil, nil, 0)
			p.Sent()
		}},
		Scenario{"tcp/pmtu/twice/" + k.name, func(r *Run) {
			s, p := k.dial(r, nil)
			r.Send(s, some(1400), nil, nil, 0)
			p.Sent()
			told(r, s, p, 1400)
			p.Sent()
			told(r, s, p, 1300)
			p.Sent()
			told(r, s, p, 1400)
			p.Sent()
			r.Get(s, mtu)
			r.Get(s, maxSegment)
		}},
		Scenario{"tcp/pmtu/while-connecting/" + k.name, func(r *Run) {
			p := k.tcpPeerOf(r, 4000)
			s := k.open(r)
			r.Connect(s, k.peer(4000))
			p.Sent()
			told(r, s, p, 1300)
			p.Sent()
			r.Poll(s)
			p.Send(segment{flags: tcpSYN})
			p.Sent()
			r.Get(s, mtu)
			r.Get(s, maxSegment)
			r.Send(s, some(1400), nil, nil, 0)
			p.Sent()
		}},
		Scenario{"tcp/pmtu/wrong-sequence/" + k.name, func(r *Run) {
			s, p := k.dial(r, nil)
			r.Send(s, some(1400), nil, nil, 0)
			p.Sent()
			b := append([]byte(nil), p.last...)
			_, t := transportOf(b)
			binary.BigEndian.PutUint32(t[4:], binary.BigEndian.Uint32(t[4:])+100000)
			r.Inject("too big, 1300", tooBig(b, 1300))
			p.Sent()
			r.Get(s, mtu)
			r.Get(s, maxSegment)
		}},
	)
	return list
}

var tcpICMPDifferences = []difference{}
