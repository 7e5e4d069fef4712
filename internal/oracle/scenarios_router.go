package oracle

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/seed963a8790/netstack/internal/checksum"
	"github.com/seed963a8790/netstack/tcpip"
)

// The routers on the link of e0.
const (
	routerA, routerB = "fe80::a", "fe80::b"
)

var (
	stationA = tcpip.LinkAddr{2, 0, 0, 0, 0, 0xa}
	stationB = tcpip.LinkAddr{2, 0, 0, 0, 0, 0xb}
)

// advert is a router advertisement.
type advert struct {
	from     string // "": routerA
	hops     byte   // 0: 255
	limit    byte   // the hop limit that it tells
	flags    byte
	lifetime int // s
	options  [][]byte
}

// neighbourly is an ICMPv6 message in a frame.
func neighbourly(from, to string, station, dst tcpip.LinkAddr, hops byte, m []byte) []byte {
	src, d := netip.MustParseAddr(from), netip.MustParseAddr(to)
	b := make([]byte, 40)
	b[0], b[6], b[7] = 0x60, 58, hops
	binary.BigEndian.PutUint16(b[4:], uint16(len(m)))
	copy(b[8:], src.AsSlice())
	copy(b[24:], d.AsSlice())
	m[2], m[3] = 0, 0
	pseudo := append(append([]byte(nil), b[8:40]...), 0, 0, byte(len(m)>>8), byte(len(m)), 0, 0, 0, 58)
	binary.BigEndian.PutUint16(m[2:], checksum.Partial{}.Add(pseudo).Add(m).Checksum())
	return ether(dst, station, 0x86dd, append(b, m...))
}

var everybody = tcpip.LinkAddr{0x33, 0x33, 0, 0, 0, 1}

func (a advert) frame() []byte {
	station, from := stationA, a.from
	if from == "" {
		from = routerA
	}
	if from == routerB {
		station = stationB
	}
	hops := a.hops
	if hops == 0 {
		hops = 255
	}
	m := []byte{134, 0, 0, 0, a.limit, a.flags, byte(a.lifetime >> 8), byte(a.lifetime), 0, 0, 0, 0, 0, 0, 0, 0}
	m = append(m, 1, 1, station[0], station[1], station[2], station[3], station[4], station[5])
	for _, o := range a.options {
		m = append(m, o...)
	}
	return neighbourly(from, "ff02::1", station, everybody, hops, m)
}

// The flags of a prefix.
const (
	onLink, autonomous = 0x80, 0x40
)

// prefixInfo, linkMTU and routeInfo are options of an advertisement.
func prefixInfo(prefix string, flags byte, valid, preferred uint32) []byte {
	p := netip.MustParsePrefix(prefix)
	b := []byte{3, 4, byte(p.Bits()), flags}
	b = binary.BigEndian.AppendUint32(b, valid)
	b = binary.BigEndian.AppendUint32(b, preferred)
	return append(append(b, 0, 0, 0, 0), p.Addr().AsSlice()...)
}

func linkMTU(mtu uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{5, 1, 0, 0}, mtu)
}

func routeInfo(prefix string, preference byte, lifetime uint32) []byte {
	p := netip.MustParsePrefix(prefix)
	b := []byte{24, 3, byte(p.Bits()), preference << 3}
	return append(binary.BigEndian.AppendUint32(b, lifetime), p.Addr().AsSlice()...)
}

// Advertise makes an advertisement arrive on e0.
func (r *Run) Advertise(what string, a advert) { r.Neighbourly(what, a.frame()) }

// Neighbourly makes a frame arrive on e0, and logs it by a name.
func (r *Run) Neighbourly(what string, b []byte) {
	r.logf("arrives: %s", what)
	r.sockets.InjectOther(b)
	r.sockets.Settle()
	r.sockets.Pass(25) // the kernel takes a moment to make an address
}

// Hosted logs the addresses of e0 and the routes by it.
func (r *Run) Hosted() {
	r.Addresses()
	r.Ways()
}

// Addresses logs those of e0.
func (r *Run) Addresses() {
	r.ProcNet("if_inet6", func(line string) string {
		if !strings.Contains(line, " e0") {
			return ""
		}
		if f := strings.Fields(line); len(f) == 6 && f[4][1]&1 != 0 { // a temporary one
			return "TEMPORARY " + line[:16] + " " + strings.Join(f[1:], " ")
		}
		return line
	})
}

// Ways logs the routes by e0, but for those to temporary addresses and groups.
func (r *Run) Ways() {
	r.ProcNet("ipv6_route", func(line string) string {
		if !strings.Contains(line, " e0") || strings.HasPrefix(line, "ff0") || strings.Contains(line, " 00300001 ") {
			return ""
		}
		if f := strings.Fields(line); len(f) == 10 && f[1] == "80" && f[0][16:] != "00000000000000ff" && !strings.HasSuffix(f[0], "fffe000001") && f[8] == "80200001" {
			return ""
		}
		return normalRoute6(line)
	})
}

// Goes shows from where, to whom and how a datagram to an address leaves.
func (r *Run) Goes(to string) {
	k := sortOf("udp6")
	s := k.open(r)
	r.sockets.SentOther()
	if r.Connect(s, In6(to, 4000)) == 0 {
		name, _ := r.sockets.GetSockName(s)
		if len(name) >= 24 {
			a := netip.AddrFrom16([16]byte(name[8:24])).String()
			if !strings.HasSuffix(a, "ff:fe00:1") && !strings.HasSuffix(a, "::1") {
				a = "TEMPORARY"
			}
			r.Say("from %s", a)
		}
		r.Get(s, tcpip.IPV6_MTU)
		r.Get(s, tcpip.IPV6_UNICAST_HOPS)
		r.Send(s, []byte("x"), nil, nil, 0)
		for _, b := range r.sockets.SentOther() {
			if len(b) > 54 && b[12] == 0x86 && b[20] == 17 {
				r.Say("sent to station %x hops %d", b[:6], b[21])
			} else if len(b) > 54 && b[20] == 58 && b[54] == 135 {
				r.Say("asks for %v", netip.AddrFrom16([16]byte(b[62:78])))
			}
		}
	}
	r.Close(s)
}

var routerDifferences = []difference{
	{"router/route/::/0", "a default router of a route option is shown like any other", "deliberate: RFC 4191 §3.1 takes it for one; Linux flags it RTF_ROUTEINFO"},
	{"router/odd/prefix-long", "an option of a length that it cannot have is passed over", "deliberate: RFC 4861 §4.6.2 knows one length of a prefix; Linux takes its beginning for one"},
	{"router/odd/station-multicast", "a router whose link address is a group's is not heeded", "deliberate: no station has such an address"},
	{"router/detect/told-again", "an address that another has is not tried again", "deliberate: it would fail again; a stable identifier goes on to the next (RFC 7217 §6)"},
	{"router/detect/echo", "a question for a duplicate that comes back is asked again", "deliberate: RFC 7527 §4.2"},
	{"router/detect/alone", "an answer to a question for one host has its link address, too", "deliberate: RFC 4861 §7.2.4 permits both; who asks may have forgotten it"},
	{"router/odd/from-us", "an advertisement from an address of the host's is dropped", "deliberate: it is forged"},
}

// routerScenarios show what routers make of a host: its addresses, its routes, and how packets leave.
func routerScenarios() (list []Scenario) {
	add := func(name string, temporary bool, do func(*Run)) {
		list = append(list, Scenario{"router/" + name, func(r *Run) {
			r.sockets.Autoconfigure(temporary, false)
			r.Hosted()
			do(r)
		}})
	}
	const net, far = "2001:db8:5::/64", "2001:db8:99::1"
	pio := prefixInfo(net, onLink|autonomous, 7200, 3600)
	add("all", false, func(r *Run) {
		r.Advertise("a router with a prefix", advert{lifetime: 1800, limit: 33, options: [][]byte{pio, linkMTU(1400)}})
		r.Hosted()
		r.Goes(far)
		r.Goes("2001:db8:5::9")
		r.Goes(routerA)
		r.Advertise("the same again", advert{lifetime: 1800, limit: 33, options: [][]byte{pio, linkMTU(1400)}})
		r.Hosted()
		r.Advertise("no router any more", advert{lifetime: 0})
		r.Hosted()
		r.Goes(far)
		r.Advertise("a prefix that is over", advert{lifetime: 0, options: [][]byte{prefixInfo(net, onLink|autonomous, 0, 0)}})
		r.sockets.Pass(1500)
		r.Hosted()
	})
	for _, c := range []struct {
		name  string
		flags byte
	}{{"on-link", onLink}, {"autonomous", autonomous}, {"neither", 0}, {"router-address", 0x20 | onLink | autonomous}} {
		add("flags/"+c.name, false, func(r *Run) {
			r.Advertise("a prefix", advert{lifetime: 1800, options: [][]byte{prefixInfo(net, c.flags, 7200, 3600)}})
			r.Hosted()
			r.Goes("2001:db8:5::9")
		})
	}
	for _, p := range []string{"2001:db8:5::/63", "2001:db8:5::/65", "2001:db8:5::/128", "::/0", "fe80::/64", "ff0e::/64", "2001:db8:5:0:1::/64", "fd00::/8", "2002:c000:201::/64"} {
		add("prefix/"+p, false, func(r *Run) {
			r.Advertise("a prefix", advert{lifetime: 1800, options: [][]byte{prefixInfo(p, onLink|autonomous, 7200, 3600)}})
			r.Hosted()
		})
	}
	for _, c := range [][2]uint32{{7200, 7201}, {0, 0}, {1, 0}, {7200, 0}, {1<<32 - 1, 1<<32 - 1}, {1<<32 - 1, 100}, {3, 1}, {1, 1}} {
		add(fmt.Sprintf("lifetime/%d-%d", c[0], c[1]), false, func(r *Run) {
			r.Advertise("a prefix", advert{lifetime: 1800, options: [][]byte{prefixInfo(net, onLink|autonomous, c[0], c[1])}})
			r.Hosted()
			r.Goes(far)
			r.sockets.Pass(2500)
			r.Addresses()
			r.sockets.Pass(2500)
			r.Addresses()
		})
	}
	add("shorten", false, func(r *Run) { // to no less than two hours
		r.Advertise("a prefix for long", advert{lifetime: 1800, options: [][]byte{prefixInfo(net, onLink|autonomous, 86400, 86400)}})
		r.Advertise("a prefix for a second", advert{lifetime: 1800, options: [][]byte{prefixInfo(net, onLink|autonomous, 1, 1)}})
		r.Hosted()
		r.sockets.Pass(3000)
		r.Addresses()
		r.Advertise("the prefix again", advert{lifetime: 1800, options: [][]byte{prefixInfo(net, onLink|autonomous, 86400, 100)}})
		r.Hosted()
		r.Advertise("a prefix that is over", advert{lifetime: 1800, options: [][]byte{prefixInfo(net, onLink|autonomous, 0, 0)}})
		r.sockets.Pass(1500)
		r.Hosted()
		r.Advertise("not on the link", advert{lifetime: 1800, options: [][]byte{prefixInfo(net, autonomous, 86400, 100)}})
		r.Hosted()
	})
	add("deprecated", false, func(r *Run) {
		r.Advertise("a prefix", advert{lifetime: 1800, options: [][]byte{pio, prefixInfo("2001:db8:6::/64", onLink|autonomous, 7200, 0)}})
		r.Hosted()
		r.Goes("2001:db8:6::9")
		r.Goes(far)
	})
	add("router-expires", false, func(r *Run) {
		r.Advertise("a router for a second", advert{lifetime: 1, options: [][]byte{pio}})
		r.Hosted()
		r.Goes(far)
		r.sockets.Pass(2500)
		r.Goes(far)
	})
	for _, c := range [][2]byte{{0, 0x18}, {0x08, 0x18}, {0x08, 0}, {0x10, 0x18}, {0x18, 0x08}, {0x18, 0x10}, {0, 0x10}, {0, 0}} {
		add(fmt.Sprintf("preference/%#x-%#x", c[0], c[1]), false, func(r *Run) {
			r.Advertise("one router", advert{lifetime: 1800, flags: c[0], options: [][]byte{pio}})
			r.Advertise("another", advert{from: routerB, lifetime: 1800, flags: c[1]})
			r.Hosted()
			if c[0] != c[1] {
				r.Goes(far)
			}
			r.Advertise("another is no more", advert{from: routerB})
			r.Hosted()
			r.Goes(far)
		})
	}
	add("preference/changes", false, func(r *Run) {
		r.Advertise("one router", advert{lifetime: 1800, options: [][]byte{pio}})
		r.Advertise("another", advert{from: routerB, lifetime: 1800, flags: 8})
		r.Goes(far)
		r.Advertise("another", advert{from: routerB, lifetime: 1800, flags: 0x18})
		r.Goes(far)
		r.Hosted()
	})
	for _, p := range []string{"2001:db8:6::/48", "2001:db8:6::1/128", "::/0", "ff00::/8", "2001:db8:6::/7"} {
		add("route/"+p, false, func(r *Run) {
			r.Advertise("a router", advert{lifetime: 1800, options: [][]byte{pio}})
			r.Advertise("another with a route", advert{from: routerB, options: [][]byte{routeInfo(p, 0, 1800)}})
			r.Hosted()
			r.Goes("2001:db8:6::1")
			r.Goes(far)
			r.Advertise("without it", advert{from: routerB, options: [][]byte{routeInfo(p, 0, 0)}})
			r.Hosted()
		})
	}
	for _, c := range [][2]byte{{0, 1}, {1, 3}, {0, 2}, {2, 0}, {3, 2}} {
		add(fmt.Sprintf("route-preference/%d-%d", c[0], c[1]), false, func(r *Run) {
			r.Advertise("a router", advert{lifetime: 1800, options: [][]byte{pio, routeInfo("2001:db8:6::/48", c[0], 1800)}})
			r.Advertise("another", advert{from: routerB, options: [][]byte{routeInfo("2001:db8:6::/48", c[1], 1800)}})
			r.Hosted()
			r.Goes("2001:db8:6::1")
		})
	}
	add("route-short", false, func(r *Run) {
		short := []byte{24, 2, 48, 0, 0, 0, 7, 8, 0x20, 1, 0xd, 0xb8, 0, 6, 0, 0}
		r.Advertise("a router with routes", advert{lifetime: 0, options: [][]byte{pio, short}})
		r.Hosted()
	})
	for _, mtu := range []uint32{0, 68, 1279, 1280, 1281, 1500, 1501, 9000, 1 << 31} {
		add(fmt.Sprint("mtu/", mtu), false, func(r *Run) {
			r.Advertise("a prefix", advert{lifetime: 1800, options: [][]byte{pio}})
			r.Advertise("an MTU", advert{lifetime: 1800, options: [][]byte{linkMTU(mtu)}})
			r.Goes(far)
			r.Advertise("nothing", advert{lifetime: 1800})
			r.Goes(far)
			r.Ifreq(sortOf("udp4").open(r), 0x8921, "e0", nil)
		})
	}
	add("hop-limit", false, func(r *Run) {
		for _, limit := range []byte{33, 0, 255, 1, 100} {
			r.Advertise(fmt.Sprint("a hop limit of ", limit), advert{lifetime: 1800, limit: limit, options: [][]byte{pio}})
			r.Goes(far)
		}
	})
	for _, c := range []struct {
		name string
		a    advert
		do   func(b []byte) []byte
	}{
		{"good", advert{}, nil},
		{"hops", advert{hops: 254}, nil},
		{"global", advert{from: "2001:db8:5::a"}, nil},
		{"checksum", advert{}, func(b []byte) []byte { b[56] ^= 1; return b }},
		{"code", advert{}, func(b []byte) []byte {
			b[55] = 1
			return neighbourly(routerA, "ff02::1", stationA, everybody, 255, b[54:])
		}},
		{"short", advert{}, func(b []byte) []byte { return neighbourly(routerA, "ff02::1", stationA, everybody, 255, b[54:66]) }},
		{"option-0", advert{options: [][]byte{{9, 0, 0, 0, 0, 0, 0, 0}}}, nil},
		{"option-long", advert{options: [][]byte{{9, 7, 0, 0, 0, 0, 0, 0}}}, nil},
		{"option-unknown", advert{options: [][]byte{{9, 1, 0, 0, 0, 0, 0, 0}}}, nil},
		{"prefix-short", advert{options: [][]byte{{3, 3, 64, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}}, nil},
		{"prefix-long", advert{options: [][]byte{append(prefixInfo("2001:db8:7::/64", onLink|autonomous, 7200, 3600), 0, 0, 0, 0, 0, 0, 0, 0), nil}}, func(b []byte) []byte {
			b[54+16+8+32+1] = 5
			return neighbourly(routerA, "ff02::1", stationA, everybody, 255, b[54:])
		}},
		{"station-multicast", advert{}, func(b []byte) []byte {
			b[54+18] = 3
			return neighbourly(routerA, "ff02::1", stationA, everybody, 255, b[54:])
		}},
		{"own-station", advert{}, func(b []byte) []byte {
			copy(b[54+18:], ethernetHost[:])
			return neighbourly(routerA, "ff02::1", stationA, everybody, 255, b[54:])
		}},
		{"to-us", advert{}, func(b []byte) []byte {
			return neighbourly(routerA, "fe80::ff:fe00:1", stationA, ethernetHost, 255, b[54:])
		}},
		{"from-us", advert{from: "fe80::ff:fe00:1"}, nil},
	} {
		add("odd/"+c.name, false, func(r *Run) {
			a := c.a
			a.lifetime, a.options = 1800, append([][]byte{pio}, a.options...)
			b := a.frame()
			if c.do != nil {
				b = c.do(b)
			}
			r.Neighbourly("an advertisement", b)
			r.Hosted()
		})
	}
	add("forwarding", false, func(r *Run) {
		r.sockets.Sysctl("ipv6/conf/e0/forwarding", 1)
		r.Advertise("a router", advert{lifetime: 1800, options: [][]byte{pio}})
		r.Hosted()
		r.sockets.Sysctl("ipv6/conf/e0/forwarding", 0)
		r.Advertise("a router", advert{lifetime: 1800, options: [][]byte{pio}})
		r.Hosted()
		r.sockets.Sysctl("ipv6/conf/e0/forwarding", 1)
		r.Hosted()
	})
	add("redirect", false, func(r *Run) {
		r.Advertise("a router", advert{lifetime: 1800, options: [][]byte{pio}})
		r.Goes(far)
		redirect := func(what, from string, station tcpip.LinkAddr, target, dst string, hops byte) {
			m := append([]byte{137, 0, 0, 0, 0, 0, 0, 0}, netip.MustParseAddr(target).AsSlice()...)
			m = append(m, netip.MustParseAddr(dst).AsSlice()...)
			m = append(m, 2, 1, stationB[0], stationB[1], stationB[2], stationB[3], stationB[4], stationB[5])
			r.Neighbourly(what, neighbourly(from, "fe80::ff:fe00:1", station, ethernetHost, hops, m))
			r.Goes(dst)
		}
		redirect("a redirect by another", routerB, stationB, routerB, far, 255)
		redirect("a redirect from afar", routerA, stationA, routerB, far, 254)
		redirect("a redirect to a global address", routerA, stationA, "2001:db8:5::b", far, 255)
		redirect("a redirect of a group", routerA, stationA, routerB, "ff0e::1", 255)
		redirect("a redirect", routerA, stationA, routerB, far, 255)
		redirect("a redirect to the link", routerA, stationA, "2001:db8:98::1", "2001:db8:98::1", 255)
		r.Goes(far)
		r.Hosted()
	})
	add("many-prefixes", false, func(r *Run) {
		for i := range 20 {
			r.Advertise("a prefix", advert{lifetime: 1800, options: [][]byte{prefixInfo(fmt.Sprintf("2001:db8:%x::/64", 16+i), onLink|autonomous, 7200, 3600)}})
		}
		r.Hosted()
	})
	add("many-routers", false, func(r *Run) {
		for i := range 16 {
			r.Advertise("a router", advert{from: fmt.Sprintf("fe80::%x", 0x100+i), lifetime: 1800})
		}
		r.Hosted()
	})
	add("down", false, func(r *Run) {
		r.Advertise("a router", advert{lifetime: 1800, options: [][]byte{pio, linkMTU(1400)}})
		r.sockets.Up("e0", false)
		r.Hosted()
		r.sockets.Up("e0", true)
		r.sockets.Pass(50)
		r.Hosted()
		r.Goes(far)
	})
	add("temporary", true, func(r *Run) {
		r.Advertise("a router", advert{lifetime: 1800, options: [][]byte{pio}})
		r.Hosted()
		r.Goes(far)
		r.Advertise("a router", advert{lifetime: 1800, options: [][]byte{pio}})
		r.Hosted()
		k := sortOf("udp6")
		for _, v := range []int{1, 2, 0x100, 4, 0x400, 0x800, 0x20, 0x402, 0x204} {
			s := k.open(r)
			r.Set(s, tcpip.IPV6_ADDR_PREFERENCES, v)
			r.Get(s, tcpip.IPV6_ADDR_PREFERENCES)
			if r.Connect(s, In6(far, 4000)) == 0 {
				name, _ := r.sockets.GetSockName(s)
				r.Say("public %v", len(name) > 24 && name[19] == 0xff)
			}
		}
		for _, m := range []int{1, 2} { // the same for a stream
			s := sortOf("tcp6").open(r)
			r.Set(s, tcpip.IPV6_ADDR_PREFERENCES, m)
			r.Connect(s, In6(far, 4000))
			name, _ := r.sockets.GetSockName(s)
			r.Say("public %v", len(name) > 24 && name[19] == 0xff)
		}
		r.Advertise("a prefix that is over", advert{lifetime: 1800, options: [][]byte{prefixInfo(net, onLink|autonomous, 7200, 0)}})
		r.sockets.Pass(1500)
		r.Addresses()
	})
	add("temporary-short", true, func(r *Run) {
		r.Advertise("a router", advert{lifetime: 1800, options: [][]byte{prefixInfo(net, onLink|autonomous, 4, 2)}})
		r.Hosted()
		r.sockets.Pass(3000)
		r.Addresses()
		r.sockets.Pass(3000)
		r.Addresses()
	})
	return list
}
