package oracle

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// pad6 makes an extension header of n times eight bytes, of padding.
func pad6(n int) []byte {
	b := make([]byte, 8*n)
	b[1] = byte(n - 1)
	return b
}

// routing makes a routing header of a type, with addresses.
func routing(typ, left byte, via ...string) []byte {
	b := []byte{0, byte(2 * len(via)), typ, left, 0, 0, 0, 0}
	for _, a := range via {
		b = append(b, netip.MustParseAddr(a).AsSlice()...)
	}
	return b
}

func segments(left, last byte, via ...string) []byte {
	b := routing(4, left, via...)
	b[4] = last
	return b
}

// extensionBytes are what programs give for extension headers.
var extensionBytes = []struct {
	name string
	b    []byte
}{
	{"pad", pad6(1)}, {"pad2", pad6(2)}, {"next", []byte{59, 0, 1, 4, 0, 0, 0, 0}}, {"short", make([]byte, 7)}, {"long", make([]byte, 12)},
	{"length-1", append(pad6(1), make([]byte, 8)...)}, {"length+1", []byte{0, 1, 1, 4, 0, 0, 0, 0}},
	{"alert", []byte{0, 0, 5, 2, 0, 0, 1, 0}}, {"unknown", []byte{0, 0, 30, 4, 1, 2, 3, 4}}, {"unknown-c", []byte{0, 0, 0xc1, 4, 1, 2, 3, 4}},
	{"home", append([]byte{0, 2, 1, 2, 0, 0, 201, 16}, netip.MustParseAddr("fd77::1").AsSlice()...)},
	{"big", pad6(32)}, {"huge", pad6(200)}, {"max", pad6(255)}, {"over", pad6(256)},
	{"rt0", routing(0, 1, "fd77::3")}, {"rt0-none", routing(0, 0)}, {"rt1", routing(1, 1, "fd77::3")}, {"rt2", routing(2, 1, "fd77::3")}, {"rt2-0", routing(2, 0, "fd77::3")},
	{"rt2-two", routing(2, 1, "fd77::3", "fd77::4")}, {"rt3", routing(3, 1, "fd77::3")}, {"rt4", segments(0, 0, "fd77::3")}, {"rt4-left", segments(1, 1, "fd77::3", "fd77::4")},
	{"rt4-far", segments(1, 1, "fd77::3", "2001:db8::9")}, {"rt4-left2", segments(2, 1, "fd77::3", "fd77::4")}, {"rt253", routing(253, 1, "fd77::3")},
}

// extensionScenarios send with extension headers, sticky and in control messages.
func extensionScenarios() (list []Scenario) {
	for _, o := range extensionBytes {
		for _, number := range []int{54, 55, 57, 59} {
			for _, name := range []string{"udp6", "ping6"} {
				k := sortOf(name)
				list = append(list, Scenario{fmt.Sprintf("ip6/ext/set/%d/%s/%s", number, o.name, name), func(r *Run) {
					s := k.open(r)
					r.SetOpt(s, 41, number, o.b)
					for _, size := range []int{300, len(o.b), 8, 3, 0} {
						r.GetOpt(s, 41, number, size)
					}
					r.Send(s, echo6(0), k.peer(4000), nil, 0)
					r.Packets()
					r.Connect(s, k.peer(4000))
					r.Send(s, echo6(3), nil, nil, 0)
					r.Packets()
					r.Send(s, echo6(2000), nil, nil, 0)
					r.Packets()
					r.SetOpt(s, 41, number, nil)
					r.Send(s, echo6(0), nil, nil, 0)
					r.Packets()
				}})
			}
		}
		for _, number := range []int{54, 55, 57, 59, 3, 4, 5} {
			list = append(list, Scenario{fmt.Sprintf("ip6/ext/control/%d/%s", number, o.name), func(r *Run) {
				s := sortOf("udp6").open(r)
				r.Send(s, []byte("x"), In6(Peer6, 4000), Cmsg(41, number, o.b), 0)
				r.Packets()
				r.SetOpt(s, 41, 59, pad6(1))
				r.Send(s, []byte("x"), In6(Peer6, 4000), Cmsg(41, number, o.b), 0)
				r.Packets()
				r.Send(s, []byte("x"), In6("::ffff:"+Peer4, 4000), Cmsg(41, number, o.b), 0)
				r.Packets()
			}})
		}
	}
	srh := segments(1, 1, "fd77::3", "fd77::4")
	for _, k := range []sort{sortOf("udp6"), sortOf("ping6")} {
		list = append(list,
			Scenario{"ip6/ext/all/" + k.name, func(r *Run) {
				s := k.open(r)
				r.SetOpt(s, 41, 54, pad6(1))
				r.SetOpt(s, 41, 55, pad6(1))
				r.SetOpt(s, 41, 59, pad6(2))
				r.Send(s, echo6(0), k.peer(4000), nil, 0)
				r.Packets()
				r.SetOpt(s, 41, 57, srh)
				r.Send(s, echo6(0), k.peer(4000), nil, 0)
				r.Packets()
				r.Send(s, echo6(3000), k.peer(4000), nil, 0)
				r.Packets()
				all := slices.Concat(Cmsg(41, 59, pad6(1)), Cmsg(41, 57, routing(2, 1, "fd77::9")), Cmsg(41, 54, []byte{0, 0, 5, 2, 0, 0, 1, 0}))
				r.Send(s, echo6(0), k.peer(4000), all, 0)
				r.Packets()
				r.Send(s, echo6(0), k.peer(4000), slices.Concat(Cmsg(41, 4, pad6(1)), Cmsg(41, 5, srh), Cmsg(41, 4, pad6(2))), 0)
				r.Packets()
			}},
			Scenario{"ip6/ext/pktoptions/" + k.name, func(r *Run) {
				s := k.open(r)
				for _, b := range [][]byte{Cmsg(41, 3, pad6(1)), Cmsg(41, 4, pad6(2)), Cmsg(41, 54, pad6(1)), Cmsg(41, 5, srh), Cmsg(0, 2, Int(7)),
					Cmsg(41, 8, Int(9)), Cmsg(41, 52, Int(9)), Cmsg(41, 67, Int(9)), Cmsg(41, 2, append(netip.MustParseAddr(Host6).AsSlice(), 2, 0, 0, 0)), make([]byte, 12), make([]byte, 16), Cmsg(41, 3, make([]byte, 7)), nil} {
					r.SetOpt(s, 41, 6, b)
					for _, number := range []int{54, 55, 57, 59} {
						r.GetOpt(s, 41, number, 64)
					}
					r.Send(s, echo6(0), k.peer(4000), nil, 0)
					r.Packets()
				}
			}},
			Scenario{"ip6/ext/mtu/" + k.name, func(r *Run) {
				s := k.open(r)
				r.SetOpt(s, 41, 54, pad6(1))
				r.SetOpt(s, 41, 59, pad6(2))
				r.Set(s, tcpip.IPV6_MTU_DISCOVER, 2)
				r.Set(s, tcpip.IPV6_RECVERR, 1)
				r.Connect(s, k.peer(4000))
				for _, n := range []int{1388, 1396, 1397, 1404, 1405, 1412, 1413, 1416, 1428, 1429, 1436, 1437, 1444, 1445} {
					r.Send(s, echo6(n-8), nil, nil, 0)
					r.Packets()
					r.Recv(s, 0, 200, linux.MSG_ERRQUEUE)
				}
				r.Set(s, tcpip.IPV6_MTU_DISCOVER, 0)
				for _, n := range []int{65463, 65464, 65471, 65472, 65479, 65480, 65487, 65488, 65495, 65496, 65527, 65528} {
					r.Send(s, echo6(n-8), nil, nil, 0)
				}
			}},
			Scenario{"ip6/ext/unreachable/" + k.name, func(r *Run) {
				s := k.open(r)
				r.SetOpt(s, 41, 57, segments(1, 1, "fd77::3", "2001:db8::9"))
				r.Send(s, echo6(0), k.peer(4000), nil, 0)
				r.Packets()
				r.SetOpt(s, 41, 57, srh)
				r.Send(s, echo6(0), k.foreign(4000), nil, 0)
				r.Packets()
				r.Connect(s, k.foreign(4000))
				r.Names(s)
				r.Send(s, echo6(0), nil, nil, 0)
				r.Packets()
			}},
			Scenario{"ip6/ext/connected/" + k.name, func(r *Run) {
				s := k.open(r)
				r.Connect(s, k.peer(4000))
				for _, number := range []int{54, 59} {
					r.SetOpt(s, 41, number, pad6(1))
					r.Send(s, echo6(0), nil, nil, 0)
					r.Packets()
				}
				r.Send(s, echo6(0), nil, Cmsg(41, 54, []byte{0, 0, 5, 2, 0, 0, 1, 0}), 0)
				r.Packets()
				r.Send(s, echo6(0), In6("fd77::5", 4000), nil, 0)
				r.Packets()
			}},
			Scenario{"ip6/ext/dualstack/" + k.name, func(r *Run) {
				s := k.open(r)
				r.SetOpt(s, 41, 54, pad6(1))
				r.SetOpt(s, 41, 59, pad6(1))
				r.Send(s, echo6(0), In6("::ffff:"+Peer4, 4000), nil, 0)
				r.Packets()
			}},
			Scenario{"ip6/ext/group/" + k.name, func(r *Run) {
				s := k.open(r)
				r.SetOpt(s, 41, 54, []byte{0, 0, 5, 2, 0, 0, 1, 0})
				r.Send(s, echo6(0), In6("ff0e::99", 4000), nil, 0)
				r.Packets()
				r.Send(s, echo6(0), In6("::1", 4000), nil, 0)
				r.Packets()
			}},
		)
	}
	for _, f := range []struct {
		name string
		flow uint32
	}{{"labelled", 0x12345}, {"plain", 0}} {
		list = append(list, Scenario{"ip6/flow/echo/" + f.name, func(r *Run) {
			m := append([]byte{128, 0, 0, 0, 0, 1, 0, 1}, []byte("abc")...)
			r.Inject("echo request", arriving{from: Peer6, proto: 58, flow: f.flow, tos: 0x48, data: icmp6(Peer6, m)[40:]}.packet())
			r.Packets()
		}})
	}
	return list
}

// arrivingExtensionScenarios have extension headers arrive.
func arrivingExtensionScenarios() (list []Scenario) {
	hop, dst := extension{0, pad6(1)[1:]}, extension{60, []byte{1, 0x1e, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}
	alert := extension{0, []byte{0, 5, 2, 0, 0, 1, 0}}
	rt := func(b []byte) extension { return extension{43, b[1:]} }
	chains := []struct {
		name string
		ext  []extension
	}{
		{"none", nil}, {"hop", []extension{hop}}, {"alert", []extension{alert}}, {"dst", []extension{dst}}, {"hop-dst", []extension{hop, dst}}, {"dst-dst", []extension{dst, {60, pad6(1)[1:]}}},
		{"rt0-done", []extension{rt(routing(0, 0, "fd77::3"))}}, {"rt0", []extension{rt(routing(0, 1, "fd77::3"))}}, {"rt2", []extension{rt(routing(2, 1, "fd77::1"))}}, {"rt2-done", []extension{rt(routing(2, 0, "fd77::1"))}},
		{"rt4-done", []extension{rt(segments(0, 0, "fd77::1"))}}, {"rt4", []extension{rt(segments(1, 1, "fd77::1", "fd77::3"))}}, {"rt253-done", []extension{rt(routing(253, 0, "fd77::3"))}}, {"rt253", []extension{rt(routing(253, 1, "fd77::3"))}},
		{"hop-dst-rt-dst", []extension{hop, dst, rt(routing(253, 0, "fd77::3")), {60, pad6(1)[1:]}}}, {"dst-hop", []extension{dst, hop}}, {"rt-rt", []extension{rt(routing(253, 0)), rt(routing(253, 0))}},
		{"unknown-skip", []extension{{60, []byte{0, 30, 4, 1, 2, 3, 4}}}}, {"unknown-drop", []extension{{60, []byte{0, 0x41, 4, 1, 2, 3, 4}}}}, {"unknown-icmp", []extension{{60, []byte{0, 0x81, 4, 1, 2, 3, 4}}}},
		{"hop-unknown", []extension{{0, []byte{0, 0xc1, 4, 1, 2, 3, 4}}}}, {"jumbo", []extension{{0, []byte{0, 194, 4, 0, 1, 0, 0}}}}, {"home", []extension{{60, append([]byte{2, 1, 2, 0, 0, 201, 16}, netip.MustParseAddr("fd77::8").AsSlice()...)}}},
		{"ah", []extension{{51, append([]byte{4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1}, make([]byte, 12)...)}}},
	}
	for _, c := range chains {
		for _, old := range []bool{false, true} {
			flags, gen := received6Flags, "new"
			if old {
				flags, gen = old6Flags, "old"
			}
			list = append(list, Scenario{"ip6/arrive/" + c.name + "/" + gen, func(r *Run) {
				s := sortOf("udp6").open(r)
				r.Bind(s, In6("::", 4000))
				for _, id := range flags {
					r.Set(s, id, 1)
				}
				p := arriving{from: Peer6, ext: c.ext, data: []byte("a")}.packet()
				r.Inject(c.name, p)
				r.Packets()
				r.Recv(s, 10, 500, 0)
				for _, room := range []int{16, 20, 24, 40, 48, 60} {
					r.Inject(c.name, p)
					r.Recv(s, 10, room, 0)
				}
				for _, f := range (arriving{from: Peer6, ext: c.ext, data: make([]byte, 40)}).fragments(24) {
					r.Inject("fragment", f)
				}
				r.Recv(s, 100, 500, 0)
			}})
		}
		list = append(list, Scenario{"ip6/arrive/" + c.name + "/ping", func(r *Run) {
			s := sortOf("ping6").open(r)
			r.Bind(s, In6("::", 4000))
			for _, id := range slices.Concat(received6Flags, old6Flags) {
				r.Set(s, id, 1)
			}
			p := arriving{from: Peer6, ext: c.ext, proto: 58, data: echoReply6(4000, []byte("abc"))}.packet()
			r.Inject(c.name, p)
			r.Recv(s, 20, 500, 0)
		}})
	}
	list = append(list, Scenario{"ip6/arrive/late", func(r *Run) {
		s := sortOf("udp6").open(r)
		r.Bind(s, In6("::", 4000))
		p := arriving{from: Peer6, ext: []extension{hop, dst}, data: []byte("a"), flow: 0x12345}.packet()
		r.Arrive("headers", p, p, p)
		for _, id := range received6Flags {
			r.Set(s, id, 1)
		}
		r.Recv(s, 10, 500, 0)
		for _, id := range old6Flags {
			r.Set(s, id, 1)
		}
		r.Recv(s, 10, 500, 0)
		for _, id := range received6Flags {
			r.Set(s, id, 0)
		}
		r.Recv(s, 10, 500, 0)
	}})
	return list
}
