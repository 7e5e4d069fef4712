package oracle

import (
	"fmt"
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// ipOption names an option of IPPROTO_IP.
func ipOption(number int) tcpip.OptionID { return tcpip.Option(linux.IPPROTO_IP, number) }

// ipOptions are those of IPPROTO_IP that are in no table of ints.
var ipOptions = []option{
	{ipOption(4), "IP_OPTIONS", 0, 1}, {ipOption(5), "IP_ROUTER_ALERT", 0, 1}, {ipOption(9), "IP_PKTOPTIONS", 0, 1},
	{ipOption(16), "IP_IPSEC_POLICY", 0, 1}, {ipOption(17), "IP_XFRM_POLICY", 0, 1}, {ipOption(18), "IP_PASSSEC", 0, 1},
	{ipOption(22), "IP_NODEFRAG", 0, 1}, {ipOption(50), "IP_UNICAST_IF", 0, 1}, {ipOption(51), "IP_LOCAL_PORT_RANGE", 0, 1},
	{ipOption(52), "IP_PROTOCOL", 0, 1},
}

// ipScenarios show what options of IPPROTO_IP do.
func ipScenarios() (list []Scenario) {
	list = append(list, optionBytesScenarios()...)
	list = append(list, receivedOptionScenarios()...)
	list = append(list, ipControlScenarios()...)
	list = append(list, ipChoiceScenarios()...)
	list = append(list, ipv6Scenarios()...)
	return list
}

// The wire forms of IP options that scenarios set, send and receive. Who compiles them is the sender's host.
var ipOptionBytes = []struct {
	name string
	b    []byte
}{
	{"nop", []byte{1}}, {"end", []byte{0}}, {"nop4", []byte{1, 1, 1, 1}}, {"end-junk", []byte{0, 7, 7, 7}},
	{"rr", []byte{7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0}}, {"rr-full", []byte{7, 7, 8, 1, 2, 3, 4}}, {"rr-half", []byte{7, 11, 8, 9, 9, 9, 9, 0, 0, 0, 0}},
	{"rr-ptr3", []byte{7, 7, 3, 0, 0, 0, 0}}, {"rr-short", []byte{7, 2}}, {"rr-long", []byte{7, 20, 4, 0, 0, 0, 0}}, {"rr-39", append([]byte{7, 39, 4}, make([]byte, 36)...)},
	{"rr-odd", []byte{7, 9, 4, 0, 0, 0, 0, 0, 0}}, {"rr-two", []byte{7, 7, 4, 0, 0, 0, 0, 7, 7, 4, 0, 0, 0, 0}}, {"rr-ptr6", []byte{7, 7, 6, 0, 0, 0, 0}},
	{"ts", []byte{68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0}}, {"ts-addr", []byte{68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0}},
	{"ts-spec", []byte{68, 12, 5, 3, 10, 77, 0, 1, 0, 0, 0, 0}}, {"ts-spec-peer", []byte{68, 12, 5, 3, 10, 77, 0, 2, 0, 0, 0, 0}},
	{"ts-flag2", []byte{68, 12, 5, 2, 0, 0, 0, 0, 0, 0, 0, 0}}, {"ts-short", []byte{68, 3, 5}}, {"ts-ptr4", []byte{68, 8, 4, 0, 0, 0, 0, 0}},
	{"ts-full", []byte{68, 8, 9, 0, 1, 2, 3, 4}}, {"ts-overflow", []byte{68, 8, 9, 0xf0, 1, 2, 3, 4}}, {"ts-two", []byte{68, 8, 5, 0, 0, 0, 0, 0, 68, 8, 5, 0, 0, 0, 0, 0}},
	{"lsrr", []byte{131, 7, 4, 10, 77, 0, 3}}, {"lsrr2", []byte{131, 11, 4, 10, 77, 0, 3, 10, 77, 0, 4}}, {"ssrr", []byte{137, 7, 4, 10, 77, 0, 3}},
	{"ssrr2", []byte{137, 11, 4, 10, 77, 0, 3, 10, 77, 0, 4}}, {"lsrr-ptr8", []byte{131, 11, 8, 10, 77, 0, 3, 10, 77, 0, 4}}, {"lsrr-empty", []byte{131, 3, 4}},
	{"ssrr-far", []byte{137, 7, 4, 192, 0, 2, 9}}, {"lsrr-far", []byte{131, 7, 4, 192, 0, 2, 9}}, {"lsrr-self", []byte{131, 7, 4, 10, 77, 0, 1}},
	{"lsrr-ssrr", []byte{131, 7, 4, 10, 77, 0, 3, 137, 7, 4, 10, 77, 0, 4}}, {"lsrr-odd", []byte{131, 9, 4, 10, 77, 0, 3, 1, 2}}, {"ssrr-group", []byte{137, 7, 4, 224, 0, 0, 9}},
	{"ra", []byte{148, 4, 0, 0}}, {"ra-1", []byte{148, 4, 0, 1}}, {"ra-short", []byte{148, 3, 0}}, {"ra-long", []byte{148, 5, 0, 0, 0}}, {"ra-two", []byte{148, 4, 0, 0, 148, 4, 0, 0}},
	{"security", []byte{130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0}}, {"sid", []byte{136, 4, 1, 2}}, {"cipso", []byte{134, 6, 0, 0, 0, 1}}, {"unknown", []byte{200, 4, 1, 2}}, {"unknown-low", []byte{30, 4, 1, 2}},
	{"no-length", []byte{200}}, {"length0", []byte{200, 0, 0, 0}}, {"length1", []byte{200, 1, 0, 0}}, {"nop-length", []byte{1, 1, 7}}, {"many", []byte{1, 7, 7, 4, 0, 0, 0, 0, 68, 8, 5, 0, 0, 0, 0, 0, 148, 4, 0, 0, 1}},
	{"max", append([]byte{200, 40}, make([]byte, 38)...)}, {"too-long", append([]byte{200, 41}, make([]byte, 39)...)},
}

// optionBytesScenarios set IP_OPTIONS, look at what is kept, and send with it, whole and in fragments.
func optionBytesScenarios() (list []Scenario) {
	for _, o := range ipOptionBytes {
		for _, name := range []string{"udp4", "udp6", "ping4"} {
			k := sortOf(name)
			list = append(list, Scenario{"ip/options/set/" + o.name + "/" + name, func(r *Run) {
				s := k.open(r)
				r.SetOpt(s, 0, 4, o.b)
				for _, size := range []int{44, 40, 8, 3, 0} {
					r.GetOpt(s, 0, 4, size)
				}
				to, data := In4(Peer4, 4000), []byte("x")
				if k.v6() {
					to = In6("::ffff:"+Peer4, 4000)
				}
				if name == "ping4" {
					data = append([]byte{8, 0, 0, 0, 0, 0, 0, 1}, make([]byte, 8)...)
				}
				r.Send(s, data, to, nil, 0)
				r.Packets()
				r.Send(s, append(data, make([]byte, 2000)...), to, nil, 0)
				r.Packets()
				r.Connect(s, to)
				r.Send(s, data, nil, nil, 0)
				r.Packets()
				r.SetOpt(s, 0, 4, nil)
				r.Send(s, data, nil, nil, 0)
				r.Packets()
			}})
		}
		list = append(list, Scenario{"ip/options/echo/" + o.name, func(r *Run) {
			if len(o.b) > 40 {
				return
			}
			m := sealed(append([]byte{8, 0, 0, 0, 0, 1, 0, 1}, []byte("abc")...))
			r.Inject("echo request", arriving{proto: 1, options: o.b, data: m}.packet())
			r.Packets()
			r.Inject("to a closed port", arriving{options: o.b, data: []byte("x")}.packet())
			r.Packets()
		}})
		list = append(list, Scenario{"ip/options/control/" + o.name, func(r *Run) {
			s := sortOf("udp4").open(r)
			r.Send(s, []byte("x"), In4(Peer4, 4000), Cmsg(0, 7, o.b), 0)
			r.Packets()
			r.SetOpt(s, 0, 4, []byte{7, 7, 4, 0, 0, 0, 0})
			r.Send(s, []byte("x"), In4(Peer4, 4000), Cmsg(0, 7, o.b), 0)
			r.Packets()
			r.Send(s, []byte("x"), In4(Peer4, 4000), Cmsg(0, 6, o.b), 0)
			r.Packets()
		}})
	}
	for _, k := range []sort{sortOf("udp4"), sortOf("ping4")} {
		list = append(list,
			Scenario{"ip/options/loopback/" + k.name, func(r *Run) {
				s, c := k.open(r), k.open(r)
				r.Bind(s, k.loopback(4000))
				r.Set(s, ipOption(6), 1)
				r.Set(s, ipOption(7), 1)
				for _, o := range [][]byte{{7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0}, {148, 4, 0, 0}, {131, 7, 4, 127, 0, 0, 1}, {200, 4, 1, 2}} {
					r.SetOpt(c, 0, 4, o)
					r.Send(c, []byte{8, 0, 0, 0, 0, 0, 0, 1}, k.loopback(4000), nil, 0)
					r.Recv(s, 10, 300, 0)
					r.Recv(c, 10, 300, 0)
				}
			}},
			Scenario{"ip/options/group/" + k.name, func(r *Run) {
				s := k.open(r)
				for _, o := range [][]byte{{7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0}, {131, 7, 4, 10, 77, 0, 3}, {137, 7, 4, 10, 77, 0, 3}} {
					r.SetOpt(s, 0, 4, o)
					r.Send(s, []byte{8, 0, 0, 0, 0, 0, 0, 1}, In4("239.1.1.1", 4000), nil, 0)
					r.Packets()
					r.Send(s, []byte{8, 0, 0, 0, 0, 0, 0, 1}, In4("192.0.2.9", 4000), nil, 0)
					r.Packets()
				}
			}},
			Scenario{"ip/options/mtu/" + k.name, func(r *Run) {
				s := k.open(r)
				r.SetOpt(s, 0, 4, []byte{7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0})
				r.Set(s, tcpip.IP_MTU_DISCOVER, 2)
				r.Set(s, tcpip.IP_RECVERR, 1)
				r.Connect(s, k.peer(4000))
				r.Get(s, tcpip.IP_MTU)
				for _, n := range []int{1460, 1461, 1472, 1473} {
					data := make([]byte, n)
					data[0] = 8
					r.Send(s, data, nil, nil, 0)
					r.Packets()
					r.Recv(s, 0, 200, linux.MSG_ERRQUEUE)
				}
				r.Set(s, tcpip.IP_MTU_DISCOVER, 0)
				for _, n := range []int{65495, 65496, 65507, 65508} {
					data := make([]byte, n)
					data[0] = 8
					r.Send(s, data, nil, nil, 0)
				}
			}},
			Scenario{"ip/options/routed/" + k.name, func(r *Run) {
				r.Route("192.0.2.0/24", Peer4)
				s := k.open(r)
				for _, o := range [][]byte{{137, 7, 4, 10, 77, 0, 3}, {137, 7, 4, 192, 0, 2, 7}, {131, 7, 4, 192, 0, 2, 7}, {137, 7, 4, 10, 77, 0, 2}} {
					r.SetOpt(s, 0, 4, o)
					r.Send(s, []byte{8, 0, 0, 0, 0, 0, 0, 1}, In4("192.0.2.9", 4000), nil, 0)
					r.Packets()
				}
			}},
		)
	}
	return list
}

// receivedFlags are the options of IPPROTO_IP that make control messages.
var receivedFlags = []tcpip.OptionID{tcpip.IP_PKTINFO, tcpip.IP_RECVTTL, tcpip.IP_RECVTOS, ipOption(6), ipOption(7), ipOption(18),
	ipOption(20), ipOption(23), ipOption(25)}

// receivedOptionScenarios have packets with IP options arrive.
func receivedOptionScenarios() (list []Scenario) {
	for _, o := range ipOptionBytes {
		if len(o.b) > 40 {
			continue
		}
		list = append(list, Scenario{"ip/options/arrive/" + o.name, func(r *Run) {
			s := sortOf("udp4").open(r)
			r.Bind(s, In4("0.0.0.0", 4000))
			r.Inject("options "+o.name, arriving{options: o.b, data: []byte("a")}.packet())
			r.Packets()
			r.Recv(s, 10, 300, 0)
			r.Set(s, ipOption(6), 1)
			r.Inject("options "+o.name, arriving{options: o.b, data: []byte("b")}.packet())
			r.Recv(s, 10, 300, 0)
			r.Set(s, ipOption(6), 0)
			r.Set(s, ipOption(7), 1)
			r.Inject("options "+o.name, arriving{options: o.b, data: []byte("c")}.packet())
			m := r.Recv(s, 10, 300, 0)
			if m.Name != nil {
				r.Send(s, []byte("answer"), m.Name, m.Control, 0)
				r.Packets()
			}
		}})
	}
	for _, at := range []string{"udp4", "udp6"} {
		k := sortOf(at)
		list = append(list, Scenario{"ip/options/arrive-late/" + at, func(r *Run) {
			s := k.open(r)
			r.Bind(s, k.any(4000))
			p := arriving{options: []byte{148, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, 1}, data: []byte("a")}.packet()
			r.Arrive("router alert", p, p, p)
			for _, id := range receivedFlags {
				r.Set(s, id, 1)
			}
			for _, room := range []int{400, 100, 30} {
				r.Recv(s, 10, room, 0)
			}
		}})
	}
	return list
}

// ipControlScenarios show each control message, alone and with the others, and what becomes of it in little room.
func ipControlScenarios() (list []Scenario) {
	type packet struct {
		name string
		b    [][]byte
	}
	packets := []packet{
		{"plain", [][]byte{arriving{data: []byte("plain"), tos: 0x48, ttl: 9}.packet()}},
		{"odd", [][]byte{arriving{data: []byte("1234567"), tos: 3, ttl: 255}.packet()}},
		{"empty", [][]byte{arriving{}.packet()}},
		{"no-checksum", [][]byte{arriving{data: []byte("plain"), noChecksum: true}.packet()}},
		{"fragments", arriving{data: make([]byte, 100), tos: 0x48}.fragments(64)},
		{"fragments-3", arriving{data: make([]byte, 400), options: []byte{148, 4, 0, 0}}.fragments(160)},
		{"group", [][]byte{arriving{to: "224.0.0.1", data: []byte("group")}.packet()}},
		{"broadcast", [][]byte{arriving{to: "10.77.0.255", data: []byte("all")}.packet()}},
		{"limited", [][]byte{arriving{to: "255.255.255.255", data: []byte("all")}.packet()}},
		{"options", [][]byte{arriving{options: []byte{148, 4, 0, 0}, data: []byte("x")}.packet()}},
	}
	for _, k := range []sort{sortOf("udp4"), sortOf("udp6")} {
		for _, p := range packets {
			for _, id := range append([]tcpip.OptionID{0}, receivedFlags...) {
				list = append(list, Scenario{fmt.Sprintf("ip/control/%d/%s/%s", id.Number(), p.name, k.name), func(r *Run) {
					s := k.open(r)
					r.Bind(s, k.any(4000))
					for _, o := range receivedFlags {
						if id == 0 || o == id {
							r.Set(s, o, 1)
						}
					}
					if k.v6() && id == 0 {
						for _, o := range received6Flags {
							r.Set(s, o, 1)
						}
					}
					for _, room := range []int{500, 0, 12, 16, 17, 20, 24, 30, 40, 72, 120} {
						r.Arrive(p.name, p.b...)
						r.Recv(s, 500, room, 0)
					}
				}})
			}
		}
	}
	ping := sortOf("ping4")
	for _, id := range append([]tcpip.OptionID{0}, receivedFlags...) {
		list = append(list, Scenario{fmt.Sprintf("ip/control/%d/ping4", id.Number()), func(r *Run) {
			s := ping.open(r)
			r.Bind(s, In4("0.0.0.0", 4000))
			for _, o := range receivedFlags {
				if id == 0 || o == id {
					r.Set(s, o, 1)
				}
			}
			reply := echoReply4(4000, []byte("abc"))
			r.Inject("reply", arriving{proto: 1, data: reply}.packet())
			r.Recv(s, 100, 500, 0)
			r.Inject("reply", arriving{proto: 1, data: reply, options: []byte{148, 4, 0, 0}, ttl: 3}.packet())
			r.Recv(s, 100, 500, 0)
			r.Send(s, []byte{8, 0, 0, 0, 0, 0, 0, 1, 9}, In4("127.0.0.1", 0), nil, 0)
			r.Recv(s, 100, 500, 0)
		}})
	}
	return list
}

// echoReply4 is an ICMP echo reply.
func echoReply4(id uint16, data []byte) []byte {
	return sealed(append([]byte{0, 0, 0, 0, byte(id >> 8), byte(id), 0, 1}, data...))
}

// ipChoiceScenarios show which source, which port and which device.
func ipChoiceScenarios() (list []Scenario) {
	info := func(nic int, a string) []byte {
		ip := netip.MustParseAddr(a).As4()
		return Cmsg(0, 8, append(append(Int(nic), ip[:]...), 0, 0, 0, 0))
	}
	be := func(v uint32) []byte { return []byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)} }
	both := func(r *Run) { r.Packets(); r.PacketsOther() }
	tos := []string{Peer4, Peer4b, "192.0.2.9", "239.1.1.1", "255.255.255.255", "10.77.0.255", Host4, Host4b}
	for _, k := range []sort{sortOf("udp4"), sortOf("ping4"), sortOf("udp6")} {
		to := func(a string) []byte {
			if k.v6() {
				return In6("::ffff:"+a, 4000)
			}
			return In4(a, 4000)
		}
		echo := []byte{8, 0, 0, 0, 0, 0, 0, 1, 9}
		for _, a := range tos {
			if k.v6() && a == "239.1.1.1" {
				continue
			}
			list = append(list,
				Scenario{"ip/unicast-if/" + a + "/" + k.name, func(r *Run) {
					r.Device()
					s := k.open(r)
					r.Set(s, tcpip.SO_BROADCAST, 1)
					for _, n := range []uint32{1, 2, 3, 9, 0} {
						r.SetOpt(s, 0, 50, be(n))
						r.GetOpt(s, 0, 50, 4)
						r.Send(s, echo, to(a), nil, 0)
						both(r)
					}
					r.SetOpt(s, 0, 50, be(3))
					r.Connect(s, to(a))
					r.Names(s)
					r.Send(s, echo, nil, nil, 0)
					both(r)
				}},
				Scenario{"ip/dontroute/" + a + "/" + k.name, func(r *Run) {
					r.Device()
					r.Route("192.0.2.0/24", Peer4)
					s := k.open(r)
					r.Set(s, tcpip.SO_BROADCAST, 1)
					r.Send(s, echo, to(a), nil, 4)
					both(r)
					r.Set(s, linux.SO_DONTROUTE, 1)
					r.Send(s, echo, to(a), nil, 0)
					both(r)
					r.Connect(s, to(a))
					r.Names(s)
					r.Send(s, echo, nil, nil, 0)
					both(r)
					r.Set(s, linux.SO_DONTROUTE, 0)
					r.Send(s, echo, nil, nil, 4)
					both(r)
				}},
				Scenario{"ip/pktinfo/two/" + a + "/" + k.name, func(r *Run) {
					r.Device()
					s := k.open(r)
					r.Set(s, tcpip.SO_BROADCAST, 1)
					for _, n := range []int{0, 1, 2, 3, 9} {
						for _, src := range []string{"0.0.0.0", Host4, Host4b, "192.0.2.7"} {
							if n == 9 && src != Host4 {
								continue
							}
							r.Send(s, echo, to(a), info(n, src), 0)
							both(r)
						}
					}
				}},
				Scenario{"ip/bound-source/" + a + "/" + k.name, func(r *Run) {
					r.Device()
					for _, src := range []string{Host4, Host4b} {
						s := k.open(r)
						r.Set(s, tcpip.SO_BROADCAST, 1)
						if k.v6() {
							r.Bind(s, In6("::ffff:"+src, 4001))
						} else {
							r.Bind(s, In4(src, 4001))
						}
						r.Send(s, echo, to(a), nil, 0)
						both(r)
						r.Connect(s, to(a))
						r.Names(s)
						r.Send(s, echo, nil, info(3, "0.0.0.0"), 0)
						both(r)
						r.Close(s)
					}
				}},
			)
		}
	}
	for _, k := range []sort{sortOf("udp4"), sortOf("udp6")} {
		for _, dst := range []string{Host4, Host4b, "10.77.0.255", "10.78.0.255", "224.0.0.1", "255.255.255.255"} {
			for _, in := range []int{2, 3} {
				list = append(list, Scenario{fmt.Sprintf("ip/pktinfo/arrive-%d/%s/%s", in, dst, k.name), func(r *Run) {
					r.Device()
					s := k.open(r)
					r.Bind(s, k.any(4000))
					r.Set(s, tcpip.IP_PKTINFO, 1)
					r.Set(s, ipOption(20), 1)
					p := arriving{from: Peer4, to: dst, data: []byte("q")}
					if in == 3 {
						p.from = Peer4b
						r.InjectOther("query", p.packet())
					} else {
						r.Inject("query", p.packet())
					}
					m := r.Recv(s, 10, 300, 0)
					if m.Name != nil {
						r.Send(s, []byte("plain"), m.Name, nil, 0)
						both(r)
						r.Send(s, []byte("info"), m.Name, m.Control[:min(len(m.Control), 32)], 0)
						both(r)
					}
				}})
			}
		}
	}
	ranges := []struct{ low, high int }{{4000, 4000}, {4000, 4001}, {0, 4000}, {4001, 4000}, {65000, 0}, {1, 1}, {65535, 65535}, {100, 101}, {20000, 20000}, {60000, 60000}, {40000, 40000}, {40000, 40001}}
	for _, k := range sorts {
		for _, p := range ranges {
			list = append(list, Scenario{fmt.Sprintf("ip/port-range/%d-%d/%s", p.low, p.high, k.name), func(r *Run) {
				for _, port := range []uint16{uint16(p.low), uint16(p.high)} {
					if port != 0 && p.low == p.high {
						r.choice(In4("0.0.0.0", port))
					}
				}
				for range 3 {
					s := k.open(r)
					r.SetOpt(s, 0, 51, Int(p.low|p.high<<16))
					r.GetOpt(s, 0, 51, 4)
					r.Bind(s, k.loopback(0))
					r.Names(s)
				}
				c := k.open(r)
				r.SetOpt(c, 0, 51, Int(p.low|p.high<<16))
				r.Connect(c, k.peer(4000))
				r.Names(c)
			}})
		}
		list = append(list,
			Scenario{"ip/no-port/" + k.name, func(r *Run) {
				s := k.open(r)
				r.Set(s, ipOption(24), 1)
				r.Bind(s, k.loopback(0))
				r.Names(s)
				if k.proto == 0 {
					r.Get(s, ipOption(52))
				}
				r.Connect(s, k.loopback(4000))
				r.Names(s)
			}},
			Scenario{"ip/no-port/shared/" + k.name, func(r *Run) {
				if k.name[0] == 't' {
					for _, port := range []uint16{4000, 4001} {
						l := k.open(r)
						r.Bind(l, k.loopback(port))
						r.Listen(l, 4)
					}
				}
				r.choice(k.any(41000))
				for _, port := range []uint16{4000, 4001, 4000} {
					s := k.open(r)
					r.Set(s, ipOption(24), 1)
					r.SetOpt(s, 0, 51, word32(41000|41000<<16))
					r.Bind(s, k.loopback(0))
					r.Connect(s, k.loopback(port))
					r.Names(s)
				}
			}},
			Scenario{"ip/protocol/" + k.name, func(r *Run) {
				s := k.open(r)
				r.Get(s, ipOption(52))
				r.Bind(s, k.any(4000))
				r.Get(s, ipOption(52))
				r.GetOpt(s, 0, 52, 2)
			}},
		)
	}
	return list
}

var ipDifferences = []difference{
	{"ip/router-alert/fragments", "fragments that are to be forwarded are not put together for who asks for alerts", "deliberate: a router puts none together (RFC 1812 §5.2.6); what has alerts is short"},
	{"ip/options/[ae]*/rr-two", "an error about bad options carries none of them back", "deliberate: what was refused is not echoed (RFC 1122 §3.2.2 asks for a source route alone)"},
	{"ip/options/[ae]*/ts-two", "an error about bad options carries none of them back", "deliberate: as above"},
	{"ip/options/[ae]*/cipso", "an error about bad options carries none of them back", "deliberate: as above"},
	{"ip6/ext/unreachable/ping6", "a ping goes where its destination is", "deliberate: Linux uses the way of a routing header that it then does not send"},
	{"ip6/arrive/rt4-done/*", "a routing header of segments is like any other that is not known", "deliberate: RFC 8200 §4.4, and RFC 8754 is not here; Linux drops it in silence"},
	{"ip6/arrive/rt4/[no]*", "a routing header with segments is like any other that is not known", "deliberate: RFC 8200 §4.4, and RFC 8754 is not here; Linux drops it in silence"},
	{"ip6/arrive/jumbo/[no]*", "a jumbo payload is an unknown option", "deliberate: RFC 2675 is not here"},
	{"ip6/scope/bound/fe80::9/udp6", "a socket that is bound to a device sends by no other", "deliberate: what SO_BINDTODEVICE promises; Linux lets sin6_scope_id win"},
	{"ip6/scope/bound/ff02::99/udp6", "a socket that is bound to a device sends by no other", "deliberate: as above"},
	{"ip6/path-mtu/ping6", "the path MTU to the peer is the one that is known", "deliberate: Linux shows an older one until the socket sends"},
	{"ip6/anycast/*", "no anycast address can be joined", "deliberate: an anycast address is one of the host's (RFC 4291 §2.6), given by who runs the stack and not by a program"},
	{"ip6/addrform/mapped", "an IPv6 socket stays one", "deliberate: it is refused, as Linux refuses it for sockets without an IPv4 peer; RFC 3493 knows it no more"},
}
