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
	list = append(list, tcpFlowScenarios()...)
	list = append(list, ipv6MTUScenarios()...)
	return list
}

// echo6 is an echo request of IPv6 with n bytes behind its header.
func echo6(n int) []byte { return append([]byte{128, 0, 0, 0, 0, 0, 0, 1}, make([]byte, n)...) }

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
	for _, a := range []string{"fe80::9", "ff02::99", "ff05::99"} {
		for _, k := range []sort{sortOf("udp6"), sortOf("ping6")} {
			list = append(list, Scenario{"ip6/scope/" + a + "/" + k.name, func(r *Run) { // which only some know of before a message's IPV6_PKTINFO
				r.Device()
				s := k.open(r)
				send := func(name, control []byte) {
					r.Send(s, echo6(1), name, control, 0)
					both(r)
				}
				send(In6(a, 4000), nil)
				for _, n := range []int{1, 2, 3, 9} {
					send(withScope(In6(a, 4000), n), nil)
					send(withScope(In6(a, 4000), n), Cmsg(41, 50, info(3, "::")))
				}
				for _, o := range []tcpip.OptionID{tcpip.IPV6_UNICAST_IF, tcpip.IPV6_MULTICAST_IF} {
					n := 3
					if o == tcpip.IPV6_UNICAST_IF {
						n = 3 << 24
					}
					r.Set(s, o, n)
					send(In6(a, 4000), nil)
					send(In6(a, 4000), Cmsg(41, 50, info(2, "::")))
					send(In6(a, 4000), Cmsg(41, 50, info(9, Host6)))
					r.Set(s, o, 0)
				}
				r.SetOpt(s, 1, 25, []byte("t1\x00"))
				send(In6(a, 4000), nil)
				send(In6(a, 4000), Cmsg(41, 50, info(3, "::")))
				send(In6(a, 4000), Cmsg(41, 50, info(2, "::")))
			}}, Scenario{"ip6/scope/bound/" + a + "/" + k.name, func(r *Run) {
				r.Device()
				s := k.open(r)
				r.SetOpt(s, 1, 25, []byte("t1\x00"))
				for n := range 4 {
					r.Send(s, echo6(1), withScope(In6(a, 4000), n), nil, 0)
					both(r)
				}
			}})
		}
	}
	for _, what := range []string{"addrform/mapped", "addrform/v6"} {
		list = append(list, Scenario{"ip6/" + what, func(r *Run) {
			sort := k
			at := "::ffff:127.0.0.1"
			if what == "addrform/v6" {
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

// withScope gives a sockaddr_in6 an interface.
func withScope(name []byte, nic int) []byte {
	binary.NativeEndian.PutUint32(name[24:], uint32(nic))
	return name
}
