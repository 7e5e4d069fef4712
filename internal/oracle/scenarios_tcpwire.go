package oracle

import (
	"strings"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// tcpSorts are the sorts of stream sockets.
func tcpSorts() (list []sort) {
	for _, k := range sorts {
		if streams(k) {
			list = append(list, k)
		}
	}
	return list
}

// some is payload that is not shown.
func some(n int) []byte { return []byte(strings.Repeat("abcdefghij", n/10+1)[:n]) }

// wireScenario is one for each sort of stream socket.
type wireScenario struct {
	name string
	do   func(r *Run, k sort)
}

func perTCP(prefix string, table []wireScenario) (list []Scenario) {
	for _, k := range tcpSorts() {
		for _, w := range table {
			list = append(list, Scenario{prefix + w.name + "/" + k.name, func(r *Run) { w.do(r, k) }})
		}
	}
	return list
}

// tcpWireScenarios speak with a scripted peer over t0, and compare every packet.
func tcpWireScenarios() (list []Scenario) {
	list = perTCP("tcp/open/", tcpOpens)
	list = append(list, perTCP("tcp/data/", tcpData)...)
	list = append(list, tcpOptionsOnWire()...)
	return list
}

// tcpOptionsOnWire sets options before or after the connection and shows what leaves.
func tcpOptionsOnWire() (list []Scenario) {
	for _, k := range tcpSorts() {
		for _, o := range []struct {
			id   tcpip.OptionID
			v    int
			name string
		}{
			{tcpip.IP_TOS, 0x48, "tos"}, {tcpip.IP_TOS, 0xff, "tos-ecn"}, {tcpip.IP_TTL, 7, "ttl"}, {tcpip.SO_PRIORITY, 5, "priority"},
			{tcpip.IPV6_TCLASS, 0x48, "tclass"}, {tcpip.IPV6_UNICAST_HOPS, 9, "hops"},
			{tcpip.Option(6, 2), 500, "maxseg"}, {tcpip.Option(6, 2), 88, "maxseg-least"}, {tcpip.Option(6, 2), 9000, "maxseg-large"},
			{tcpip.SO_RCVBUF, 5000, "rcvbuf"}, {tcpip.SO_RCVBUF, 500000, "rcvbuf-large"}, {tcpip.Option(6, 10), 3000, "clamp"},
			{tcpip.IP_MTU_DISCOVER, 0, "pmtu-dont"}, {tcpip.IP_MTU_DISCOVER, 2, "pmtu-do"}, {tcpip.IPV6_MTU_DISCOVER, 0, "pmtu6-dont"},
			{tcpip.SO_BINDTOIFINDEX, 2, "bound"}, {tcpip.SO_BINDTOIFINDEX, 1, "bound-elsewhere"},
		} {
			if o.id.Level() == linux.IPPROTO_IPV6 && !k.v6() {
				continue
			}
			list = append(list,
				Scenario{"tcp/option/before-connect/" + o.name + "/" + k.name, func(r *Run) {
					p := k.tcpPeerOf(r, 4000)
					s := k.open(r)
					r.Set(s, o.id, o.v)
					if r.Connect(s, k.peer(4000)) != 115 {
						return
					}
					if p.Sent() == nil {
						return
					}
					p.Send(segment{flags: tcpSYN})
					p.Sent()
					r.Get(s, tcpip.Option(6, 2))
					r.Send(s, some(700), nil, nil, 0)
					p.Sent()
				}},
				Scenario{"tcp/option/after-connect/" + o.name + "/" + k.name, func(r *Run) {
					s, p := k.dial(r, nil)
					r.Set(s, o.id, o.v)
					r.Get(s, o.id)
					r.Send(s, some(700), nil, nil, 0)
					p.Sent()
				}},
				Scenario{"tcp/option/listener/" + o.name + "/" + k.name, func(r *Run) {
					l, p := k.ring(r, func(l int, _ *tcpPeer) { r.Set(l, o.id, o.v) })
					if p.last == nil {
						return
					}
					p.Send(segment{})
					s := r.Accept(l, 0)
					r.Get(s, o.id)
					r.Send(s, some(700), nil, nil, 0)
					p.Sent()
				}},
				Scenario{"tcp/option/after-syn/" + o.name + "/" + k.name, func(r *Run) {
					if o.name == "clamp" { // what is shown of it afterwards follows the buffer
						return
					}
					l, p := k.ring(r, nil)
					r.Set(l, o.id, o.v)
					p.Send(segment{})
					s := r.Accept(l, 0)
					r.Get(s, o.id)
					r.Send(s, some(700), nil, nil, 0)
					p.Sent()
				}},
				Scenario{"tcp/option/before-accept/" + o.name + "/" + k.name, func(r *Run) {
					if o.name == "clamp" {
						return
					}
					l, p := k.ring(r, nil)
					p.Send(segment{})
					r.Set(l, o.id, o.v)
					s := r.Accept(l, 0)
					r.Get(s, o.id)
					r.Send(s, some(700), nil, nil, 0)
					p.Sent()
				}},
			)
		}
	}
	return list
}

var tcpWireDifferences = []difference{}
