package oracle

import (
	"encoding/binary"
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
)

// tcpFlowScenarios show flow labels of connections.
func tcpFlowScenarios() (list []Scenario) {
	const (
		get, put        = 0, 1
		create, reflect = 1, 4
		none, any       = 0, 255
	)
	k := sortOf("tcp6")
	auto := ipv6Option(70)
	talk := func(r *Run, s int, p *tcpPeer) {
		r.Send(s, []byte("hello"), nil, nil, 0)
		p.Sent()
		p.Send(segment{data: "world"})
		r.Await(s, 1)
		p.Sent()
		r.Recv(s, 10, 0, 0)
		r.Close(s)
		p.Sent()
		p.Send(segment{flags: tcpFIN})
		p.Sent()
		p.Send(segment{seq: -1, flags: tcpFIN}) // again, to TIME-WAIT
		p.Sent()
	}
	labelled := func(p *tcpPeer, label uint32, s segment) {
		what, b := p.build(s)
		binary.BigEndian.PutUint32(b, binary.BigEndian.Uint32(b)|label)
		p.r.Inject(what, b)
	}
	dial := func(name string, before func(r *Run, s int) []byte) {
		list = append(list, Scenario{"ip6/flow/tcp/" + name, func(r *Run) {
			p := k.tcpPeerOf(r, 4000)
			s := k.open(r)
			r.Connect(s, before(r, s))
			p.Sent()
			p.Send(segment{flags: tcpSYN})
			p.Sent()
			r.PeerName(s, 28)
			r.Set(s, tcpip.IPV6_FLOWINFO_SEND, 1)
			r.PeerName(s, 28)
			talk(r, s, p)
		}})
	}
	dial("auto", func(*Run, int) []byte { return k.peer(4000) })
	dial("off", func(r *Run, s int) []byte {
		r.Set(s, auto, 0)
		return k.peer(4000)
	})
	for _, flow := range []uint32{0, 0x12345, 0x4800000, 0x4812345} {
		name := fmt.Sprintf("%#x", flow)
		dial("send-off/"+name, func(r *Run, s int) []byte { return In6Flow(Peer6, 4000, flow) })
		dial("unmanaged/"+name, func(r *Run, s int) []byte {
			r.Set(s, tcpip.IPV6_FLOWINFO_SEND, 1)
			return In6Flow(Peer6, 4000, flow)
		})
		dial("managed/"+name, func(r *Run, s int) []byte {
			r.Set(s, tcpip.IPV6_FLOWINFO_SEND, 1)
			r.flowLabel(s, flowLabel(Peer6, 0x12345, get, any, create, 0, 0))
			return In6Flow(Peer6, 4000, flow)
		})
		dial("managed-no-auto/"+name, func(r *Run, s int) []byte {
			r.Set(s, tcpip.IPV6_FLOWINFO_SEND, 1)
			r.Set(s, tcpip.IPV6_TCLASS, 0x20)
			r.Set(s, auto, 0)
			r.flowLabel(s, flowLabel(Peer6, 0x12345, get, any, create, 0, 0))
			return In6Flow(Peer6, 4000, flow)
		})
	}
	list = append(list,
		Scenario{"ip6/flow/tcp/off-later", func(r *Run) {
			s, p := k.dial(r, nil)
			r.Set(s, auto, 0)
			talk(r, s, p)
		}},
		Scenario{"ip6/flow/tcp/put-later", func(r *Run) {
			p := k.tcpPeerOf(r, 4000)
			s := k.open(r)
			r.Set(s, tcpip.IPV6_FLOWINFO_SEND, 1)
			r.flowLabel(s, flowLabel(Peer6, 0x12345, get, any, create, 0, 0))
			r.Connect(s, In6Flow(Peer6, 4000, 0x12345))
			p.Sent()
			p.Send(segment{flags: tcpSYN})
			p.Sent()
			r.flowLabel(s, flowLabel(Peer6, 0x12345, put, any, 0, 0, 0))
			r.PeerName(s, 28)
			r.Set(s, tcpip.IPV6_FLOWINFO_SEND, 0)
			talk(r, s, p)
		}},
		Scenario{"ip6/flow/tcp/connect-twice", func(r *Run) {
			p := k.tcpPeerOf(r, 4000)
			s := k.open(r)
			r.Set(s, tcpip.IPV6_FLOWINFO_SEND, 1)
			r.flowLabel(s, flowLabel(Peer6, 0x12345, get, any, create, 0, 0))
			r.Connect(s, In6Flow(Peer6, 4000, 0x12345))
			p.Sent()
			r.Connect(s, In6Flow(Peer6, 4000, 0x12346))
			p.Send(segment{flags: tcpRST})
			p.Sent()
			r.Connect(s, k.peer(4000))
			r.Connect(s, k.peer(4000))
			p.Sent()
		}},
		Scenario{"ip6/flow/tcp/refused", func(r *Run) {
			p := k.tcpPeerOf(r, 5000)
			p.host = 4000
			labelled(p, 0x23456, segment{flags: tcpSYN, bare: true})
			p.Sent()
		}},
		Scenario{"ip6/flow/tcp/inherit", func(r *Run) {
			_, s, p := k.call(r, func(l int, p *tcpPeer) {
				r.Set(l, tcpip.IPV6_FLOWINFO_SEND, 1)
				r.Set(l, auto, 0)
			})
			r.Get(s, tcpip.IPV6_FLOWINFO_SEND)
			r.Get(s, auto)
			r.PeerName(s, 28)
			talk(r, s, p)
		}},
		Scenario{"ip6/flow/tcp/accepted", func(r *Run) {
			l := k.open(r)
			p := k.tcpPeerOf(r, 5000)
			p.host = 4000
			r.labels[0x23456] = true
			r.Bind(l, k.any(4000))
			r.Listen(l, 5)
			labelled(p, 0x23456, segment{flags: tcpSYN, bare: true})
			p.Sent()
			labelled(p, 0x23456, segment{})
			r.Await(l, 1)
			s := r.Accept(l, 0)
			r.PeerName(s, 28)
			talk(r, s, p)
		}},
		Scenario{"ip6/flow/tcp/reflect", func(r *Run) {
			l := k.open(r)
			p := k.tcpPeerOf(r, 5000)
			p.host = 4000
			r.labels[0x23456] = true
			r.flowLabel(l, flowLabel("::", 0, get, none, reflect, 0, 0))
			r.flowLabel(l, flowLabel("::", 0, get, none, reflect|create, 0, 0))
			r.Bind(l, k.any(4000))
			r.Listen(l, 5)
			labelled(p, 0x23456, segment{flags: tcpSYN, bare: true})
			p.Sent()
			labelled(p, 0x23456, segment{})
			r.Await(l, 1)
			s := r.Accept(l, 0)
			r.Set(s, tcpip.IPV6_FLOWINFO_SEND, 1)
			r.PeerName(s, 28)
			r.flowLabel(s, flowLabel("::", 0, put, none, reflect, 0, 0))
			r.flowLabel(s, flowLabel("::", 0, put, none, reflect, 0, 0))
			talk(r, s, p)
		}},
	)
	return list
}
