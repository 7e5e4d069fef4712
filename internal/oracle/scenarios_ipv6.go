package oracle

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// ipv6Option names an option of IPPROTO_IPV6.
func ipv6Option(number int) tcpip.OptionID { return tcpip.Option(linux.IPPROTO_IPV6, number) }

// received6Flags are the options of IPPROTO_IPV6 that make control messages.
var received6Flags = []tcpip.OptionID{tcpip.IPV6_RECVPKTINFO, tcpip.IPV6_RECVHOPLIMIT, tcpip.IPV6_RECVTCLASS, ipv6Option(53), ipv6Option(56),
	ipv6Option(58), ipv6Option(11), ipv6Option(74), ipv6Option(77)}

// old6Flags are those of RFC 2292.
var old6Flags = []tcpip.OptionID{ipv6Option(2), ipv6Option(3), ipv6Option(4), ipv6Option(5), ipv6Option(8)}

// ipv6Options are those of IPPROTO_IPV6 that are in no table of ints.
var ipv6Options = []option{
	{ipv6Option(1), "IPV6_ADDRFORM", 0, 10}, {ipv6Option(6), "IPV6_2292PKTOPTIONS", 0, 1}, {ipv6Option(7), "IPV6_CHECKSUM", 0, 1},
	{ipv6Option(9), "IPV6_NEXTHOP", 0, 1}, {ipv6Option(10), "IPV6_AUTHHDR", 0, 1}, {ipv6Option(22), "IPV6_ROUTER_ALERT", 0, 1},
	{ipv6Option(27), "IPV6_JOIN_ANYCAST", 0, 1}, {ipv6Option(28), "IPV6_LEAVE_ANYCAST", 0, 1}, {ipv6Option(30), "IPV6_ROUTER_ALERT_ISOLATE", 0, 1},
	{ipv6Option(32), "IPV6_FLOWLABEL_MGR", 0, 1}, {ipv6Option(34), "IPV6_IPSEC_POLICY", 0, 1}, {ipv6Option(35), "IPV6_XFRM_POLICY", 0, 1},
	{ipv6Option(36), "IPV6_HDRINCL", 0, 1}, {ipv6Option(50), "IPV6_PKTINFO", 0, 1}, {ipv6Option(52), "IPV6_HOPLIMIT", 0, 1},
	{ipv6Option(54), "IPV6_HOPOPTS", 0, 1}, {ipv6Option(55), "IPV6_RTHDRDSTOPTS", 0, 1}, {ipv6Option(57), "IPV6_RTHDR", 0, 1},
	{ipv6Option(59), "IPV6_DSTOPTS", 0, 1}, {ipv6Option(61), "IPV6_PATHMTU", 0, 1}, {ipv6Option(63), "IPV6_USE_MIN_MTU", 0, 1},
}

// ipv6Scenarios show what options of IPPROTO_IPV6 do.
func ipv6Scenarios() (list []Scenario) {
	list = append(list, extensionScenarios()...)
	list = append(list, arrivingExtensionScenarios()...)
	list = append(list, ipv6ControlScenarios()...)
	list = append(list, ipv6ChoiceScenarios()...)
	list = append(list, flowScenarios()...)
	list = append(list, ipv6MTUScenarios()...)
	return list
}

// echo6 is an echo request of IPv6 with n bytes behind its header.
func echo6(n int) []byte { return append([]byte{128, 0, 0, 0, 0, 0, 0, 1}, make([]byte, n)...) }

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

// echoReply6 is an ICMPv6 echo reply from the peer to the host.
func echoReply6(id uint16, data []byte) []byte {
	m := append([]byte{129, 0, 0, 0, byte(id >> 8), byte(id), 0, 1}, data...)
	return icmp6(Peer6, m)[40:]
}

// ipv6ControlScenarios show each control message alone and with little room.
func ipv6ControlScenarios() (list []Scenario) {
	packets := []struct {
		name string
		b    [][]byte
	}{
		{"plain", [][]byte{arriving{from: Peer6, data: []byte("plain"), tos: 0x48, ttl: 9, flow: 0x54321}.packet()}},
		{"fragments", arriving{from: Peer6, data: make([]byte, 100), tos: 0x48, flow: 0x54321}.fragments(64)},
		{"group", [][]byte{arriving{from: Peer6, to: "ff02::1", data: []byte("group")}.packet()}},
		{"link-local", [][]byte{arriving{from: "fe80::2", to: "ff02::1", data: []byte("group")}.packet()}},
	}
	k := sortOf("udp6")
	for _, p := range packets {
		for _, id := range append([]tcpip.OptionID{0}, slices.Concat(received6Flags, old6Flags)...) {
			list = append(list, Scenario{fmt.Sprintf("ip6/control/%d/%s", id.Number(), p.name), func(r *Run) {
				s := k.open(r)
				r.Bind(s, k.any(4000))
				for _, o := range slices.Concat(received6Flags, old6Flags) {
					if id == 0 || o == id {
						r.Set(s, o, 1)
					}
				}
				for _, room := range []int{500, 0, 16, 17, 20, 24, 30, 36, 40, 44, 72, 120} {
					r.Arrive(p.name, p.b...)
					r.Recv(s, 500, room, 0)
				}
			}})
		}
	}
	// What a send takes.
	info := func(nic int, a string) []byte { return append(netip.MustParseAddr(a).AsSlice(), Int(nic)...) }
	for _, c := range []struct {
		name    string
		control []byte
	}{
		{"old-info", Cmsg(41, 2, info(0, Host6))}, {"old-info-foreign", Cmsg(41, 2, info(0, "2001:db8::9"))}, {"old-info-short", Cmsg(41, 2, make([]byte, 19))},
		{"old-hops", Cmsg(41, 8, Int(7))}, {"old-hops-256", Cmsg(41, 8, Int(256))}, {"old-hops-short", Cmsg(41, 8, []byte{7})},
		{"flowinfo", Cmsg(41, 11, []byte{0, 1, 0x23, 0x45})}, {"flowinfo-class", Cmsg(41, 11, []byte{4, 0x80, 0, 0})}, {"flowinfo-short", Cmsg(41, 11, []byte{1, 2, 3})},
		{"dontfrag", Cmsg(41, 62, Int(1))}, {"dontfrag-0", Cmsg(41, 62, Int(0))}, {"dontfrag-2", Cmsg(41, 62, Int(2))}, {"dontfrag-short", Cmsg(41, 62, []byte{1})},
		{"pathmtu", Cmsg(41, 61, make([]byte, 32))}, {"nexthop", Cmsg(41, 9, In6(Peer6, 0))}, {"hoplimit-0", Cmsg(41, 52, Int(0))}, {"use-min-mtu", Cmsg(41, 63, Int(1))},
		{"recv", Cmsg(41, 49, Int(1))}, {"addr-pref", Cmsg(41, 72, Int(1))}, {"mtu", Cmsg(41, 24, Int(1280))},
	} {
		for _, k := range []sort{sortOf("udp6"), sortOf("ping6")} {
			list = append(list, Scenario{"ip6/send-control/" + c.name + "/" + k.name, func(r *Run) {
				s := k.open(r)
				r.labels[0x12345] = true
				for _, n := range []int{0, 2000} {
					r.Send(s, echo6(n), k.peer(4000), c.control, 0)
					r.Packets()
					r.Send(s, echo6(n), In6("::ffff:"+Peer4, 4000), c.control, 0)
					r.Packets()
				}
				r.Set(s, tcpip.IPV6_DONTFRAG, 1)
				r.Send(s, echo6(2000), k.peer(4000), c.control, 0)
				r.Packets()
			}})
		}
	}
	return list
}

// ipv6ChoiceScenarios show which source, which device and which way.
func ipv6ChoiceScenarios() (list []Scenario) {
	info := func(nic int, a string) []byte { return append(netip.MustParseAddr(a).AsSlice(), Int(nic)...) }
	be := func(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }
	both := func(r *Run) { r.Packets(); r.PacketsOther() }
	for _, k := range []sort{sortOf("udp6"), sortOf("ping6")} {
		for _, a := range []string{Peer6, Peer6b, "2001:db8::9", "ff0e::99", "ff02::99", Host6, Host6b, "fe80::9"} {
			list = append(list,
				Scenario{"ip6/unicast-if/" + a + "/" + k.name, func(r *Run) {
					r.Device()
					s := k.open(r)
					for _, n := range []uint32{1, 2, 3, 9, 0} {
						r.SetOpt(s, 41, 76, be(n))
						r.GetOpt(s, 41, 76, 4)
						r.Send(s, echo6(1), In6(a, 4000), nil, 0)
						both(r)
					}
					r.SetOpt(s, 41, 76, be(3))
					r.Connect(s, In6(a, 4000))
					r.Names(s)
					r.Send(s, echo6(1), nil, nil, 0)
					both(r)
				}},
				Scenario{"ip6/dontroute/" + a + "/" + k.name, func(r *Run) {
					r.Device()
					r.Route("2001:db8::/32", Peer6)
					s := k.open(r)
					r.Send(s, echo6(1), In6(a, 4000), nil, 4)
					both(r)
					r.Set(s, linux.SO_DONTROUTE, 1)
					r.Send(s, echo6(1), In6(a, 4000), nil, 0)
					both(r)
					r.Connect(s, In6(a, 4000))
					r.Names(s)
					r.Send(s, echo6(1), nil, nil, 4)
					both(r)
				}},
				Scenario{"ip6/pktinfo/two/" + a + "/" + k.name, func(r *Run) {
					r.Device()
					s := k.open(r)
					for _, n := range []int{0, 1, 2, 3, 9} {
						for _, src := range []string{"::", Host6, Host6b, "2001:db8::7", "::ffff:" + Host4} {
							if n == 9 && src != Host6 {
								continue
							}
							r.Send(s, echo6(1), In6(a, 4000), Cmsg(41, 50, info(n, src)), 0)
							both(r)
						}
					}
				}},
				Scenario{"ip6/pktinfo/sticky/" + a + "/" + k.name, func(r *Run) {
					r.Device()
					s := k.open(r)
					for _, n := range []int{0, 2, 3, 9} {
						for _, src := range []string{"::", Host6, Host6b, "2001:db8::7"} {
							r.SetOpt(s, 41, 50, info(n, src))
							r.Send(s, echo6(1), In6(a, 4000), nil, 0)
							both(r)
						}
					}
					r.SetOpt(s, 41, 50, info(3, Host6b))
					r.Send(s, echo6(1), In6(a, 4000), Cmsg(41, 50, info(2, Host6)), 0)
					both(r)
					r.Connect(s, In6(a, 4000))
					r.Names(s)
					r.Send(s, echo6(1), nil, nil, 0)
					both(r)
				}},
				Scenario{"ip6/bound-source/" + a + "/" + k.name, func(r *Run) {
					r.Device()
					for _, src := range []string{Host6, Host6b} {
						s := k.open(r)
						r.Bind(s, In6(src, 4001))
						r.Send(s, echo6(1), In6(a, 4000), nil, 0)
						both(r)
						r.Connect(s, In6(a, 4000))
						r.Names(s)
						r.Send(s, echo6(1), nil, Cmsg(41, 50, info(3, "::")), 0)
						both(r)
						r.Close(s)
					}
				}},
			)
		}
		for _, o := range []tcpip.OptionID{0, ipv6Option(75), ipv6Option(78), tcpip.IP_FREEBIND, tcpip.IP_TRANSPARENT} {
			list = append(list, Scenario{fmt.Sprintf("ip6/freebind/%d-%d/%s", o.Level(), o.Number(), k.name), func(r *Run) {
				s := k.open(r)
				if o != 0 {
					r.Set(s, o, 1)
				}
				for _, id := range []tcpip.OptionID{ipv6Option(75), ipv6Option(78), tcpip.IP_FREEBIND, tcpip.IP_TRANSPARENT} {
					r.Get(s, id)
				}
				r.Send(s, echo6(1), k.peer(4000), Cmsg(41, 50, info(0, "2001:db8::7")), 0)
				r.Packets()
				r.Bind(s, In6("2001:db8::7", 4001))
				r.Names(s)
				r.Send(s, echo6(1), k.peer(4000), nil, 0)
				r.Packets()
				r.Connect(s, k.peer(4000))
				r.Send(s, echo6(1), nil, nil, 0)
				r.Packets()
			}})
		}
		list = append(list, Scenario{"ip6/anycast/" + k.name, func(r *Run) {
			s := k.open(r)
			for _, a := range []string{"fd77::", "fd77::77", "fd99::", "ff02::9", Host6, "::1", "fe80::77"} {
				for _, nic := range []int{0, 2, 9} {
					r.SetOpt(s, 41, 27, info(nic, a))
					r.SetOpt(s, 41, 27, info(nic, a))
					r.SetOpt(s, 41, 28, info(nic, a))
					r.SetOpt(s, 41, 28, info(nic, a))
				}
			}
		}})
	}
	k := sortOf("udp6")
	for _, dst := range []string{Host6, Host6b, "ff02::1"} {
		for _, in := range []int{2, 3} {
			list = append(list, Scenario{fmt.Sprintf("ip6/pktinfo/arrive-%d/%s", in, dst), func(r *Run) {
				r.Device()
				s := k.open(r)
				r.Bind(s, k.any(4000))
				r.Set(s, tcpip.IPV6_RECVPKTINFO, 1)
				p := arriving{from: Peer6, to: dst, data: []byte("q")}
				if in == 3 {
					p.from = Peer6b
					r.InjectOther("query", p.packet())
				} else {
					r.Inject("query", p.packet())
				}
				m := r.Recv(s, 10, 300, 0)
				if m.Name != nil {
					r.Send(s, []byte("plain"), m.Name, nil, 0)
					both(r)
					r.Send(s, []byte("info"), m.Name, m.Control, 0)
					both(r)
				}
			}})
		}
	}
	list = append(list, Scenario{"ip6/preferences/values", func(r *Run) {
		s := k.open(r)
		for _, v := range []int{1, 0, 2, 0x400, 1, 4, 0, 0x404, 0x100, 4, 0x101, 3, 0x102, 0x103, 8, 0x800, 0x808, 5, 0x406, 0x10, 0x1000, 0x501, 0x502, 0x900, 0x405, 1, 8} {
			r.Set(s, ipv6Option(72), v)
			r.Get(s, ipv6Option(72))
		}
	}})
	for _, what := range []string{"addrform", "addrform-v6", "addrform-udp"} {
		list = append(list, Scenario{"ip6/" + what, func(r *Run) {
			sort := k
			at := "::ffff:127.0.0.1"
			if what == "addrform-v6" {
				at = "::1"
			}
			l := sort.open(r)
			r.Bind(l, In6(at, 4000))
			s := sort.open(r)
			r.Set(s, ipv6Option(1), linux.AF_INET)
			r.Bind(s, In6(at, 4001))
			r.Set(s, ipv6Option(1), linux.AF_INET)
			r.Connect(s, In6(at, 4000))
			r.Get(s, ipv6Option(1))
			r.Set(s, ipv6Option(1), linux.AF_INET6)
			r.Set(s, ipv6Option(1), linux.AF_INET)
			r.Get(s, linux.SO_DOMAIN)
			r.Names(s)
			r.Get(s, tcpip.IPV6_V6ONLY)
			r.Get(s, ipv6Option(1))
			r.Set(s, ipv6Option(1), linux.AF_INET)
			r.Send(s, []byte("x"), nil, nil, 0)
			m := r.Recv(l, 10, 100, 0)
			if m.Name != nil {
				r.Send(l, []byte("y"), m.Name, nil, 0)
			}
			r.Recv(s, 10, 100, 0)
			r.Connect(s, In4("127.0.0.1", 4002))
			r.Names(s)
		}})
	}
	return list
}

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
