package oracle

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"slices"

	"github.com/seed963a8790/netstack/internal/checksum"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// The calls that sequences are made of.

func (g *generator) bind(n int, a name, port uint16) {
	g.step(func(p *player) { p.r.Bind(p.fds[n], a.b) }, "r.Bind(s%d, %s)", n, a.text)
	if g.slots[n].role == fresh {
		g.slots[n].role, g.slots[n].port = bound, port
	}
}

func (g *generator) bindAnywhere(n int) {
	a := g.place(g.slots[n].sort)
	port := uint16(0)
	if len(a.b) >= 4 {
		port = binary.BigEndian.Uint16(a.b[2:])
	}
	g.bind(n, a, port)
}

func (g *generator) connect(n int, a name) {
	// What Linux does to a socket that turns from an IPv6 peer to an IPv4 one is not ours: see foundDifferences.
	if k := g.slots[n].sort; k.v6() && udps(k) && len(a.b) >= 2 {
		four := len(a.b) < 24 || netip.AddrFrom16([16]byte(a.b[8:24])).Is4In6()
		if g.slots[n].six && four {
			return
		}
		g.slots[n].six = !four
	}
	// And neither is what it does to a stream that has tried an IPv4 peer: see four-to-six.
	if k := g.slots[n].sort; k.v6() && streams(k) && len(a.b) >= 24 {
		four := netip.AddrFrom16([16]byte(a.b[8:24])).Is4In6()
		if g.slots[n].four && !four {
			return
		}
		g.slots[n].four = four
	}
	g.step(func(p *player) { p.r.Connect(p.fds[n], a.b) }, "r.Connect(s%d, %s)", n, a.text)
	if g.slots[n].role == fresh || g.slots[n].role == bound {
		g.slots[n].role = client
	}
}

func (g *generator) listen(n, backlog int) {
	g.step(func(p *player) { p.r.Listen(p.fds[n], backlog) }, "r.Listen(s%d, %d)", n, backlog)
	if streams(g.slots[n].sort) {
		g.slots[n].role = listener
	}
}

func (g *generator) accept(n int) int {
	if len(g.slots) == maxSlots {
		return -1
	}
	s := len(g.slots)
	g.slots = append(g.slots, slot{role: server, sort: g.slots[n].sort, to: -1})
	g.step(func(p *player) { p.fds[s] = p.r.Accept(p.fds[n], 0) }, "s%d := r.Accept(s%d, 0)", s, n)
	return s
}

// payload is what is sent: on a ping socket an echo request.
func (g *generator) payload(k sort) name {
	size := pick(g, 1, 1, 3, 5, 10, 30, 100, 0, 600, 1400, 1473, 2000)
	if g.chance(1) {
		size = pick(g, 3000, 9000, 65507, 65508, 65536)
	}
	if streams(k) {
		size = min(size, 2000)
	}
	b := make([]byte, size)
	for i := range b {
		b[i] = byte('a' + i%26)
	}
	if k.proto == linux.IPPROTO_ICMP || k.proto == linux.IPPROTO_ICMPV6 {
		typ := byte(8)
		if k.v6() {
			typ = 128
		}
		if g.chance(5) {
			typ = byte(g.IntN(256))
		}
		b = append([]byte{typ, 0, 0, 0, 0, 0, 0, byte(g.IntN(3))}, b...)
		if g.chance(3) {
			b = b[:g.IntN(8)]
		}
		return name{fmt.Sprintf("echo(%d, %d)", typ, len(b)), b}
	}
	if size <= 30 {
		return name{fmt.Sprintf("[]byte(%q)", b), b}
	}
	return name{fmt.Sprintf("letters(%d)", size), b}
}

var sendFlags = []int{linux.MSG_DONTWAIT, linux.MSG_NOSIGNAL, linux.MSG_MORE, linux.MSG_OOB, linux.MSG_EOR, linux.MSG_DONTROUTE,
	linux.MSG_TRUNC, linux.MSG_ERRQUEUE}

func (g *generator) sendFlags() int {
	if g.chance(80) {
		return 0
	}
	return pick(g, sendFlags...)
}

// send sends to a, which may be nil, without ado.
func (g *generator) send(n int, a name) {
	data, flags := g.payload(g.slots[n].sort), g.sendFlags()
	g.step(func(p *player) { p.r.Send(p.fds[n], data.b, a.b, nil, flags) }, "r.Send(s%d, %s, %s, nil, %#x)", n, data.text, a.text, flags)
	g.release(n, flags)
}

// release ends what a stream holds after MSG_MORE: whether what comes in ends it is Linux's accounts' affair, see
// held-by-more.
func (g *generator) release(n, flags int) {
	if flags == linux.MSG_MORE && streams(g.slots[n].sort) {
		g.step(func(p *player) { p.r.Send(p.fds[n], []byte("."), nil, nil, 0) }, "r.Send(s%d, []byte(\".\"), nil, nil, 0)", n)
	}
}

// sendAnywhere sends with a name and control messages.
func (g *generator) sendAnywhere(n int) {
	data, flags, a, c := g.payload(g.slots[n].sort), g.sendFlags(), name{"nil", nil}, name{"nil", nil}
	if g.chance(60) {
		a = g.place(g.slots[n].sort)
	}
	if g.chance(40) {
		c = g.control(g.slots[n].sort)
	}
	g.step(func(p *player) { p.r.Send(p.fds[n], data.b, a.b, c.b, flags) }, "r.Send(s%d, %s, %s, %s, %#x)", n, data.text, a.text, c.text, flags)
	g.release(n, flags)
}

// control is a control message for a send, mostly a good one.
func (g *generator) control(k sort) name {
	v := pick(g, 0, 1, 7, 64, 255, 256, -1)
	info := func(a string) []byte {
		ip := netip.MustParseAddr(a)
		if ip.Is4() {
			b := ip.As4()
			return append(append(Int(g.IntN(4)), b[:]...), 0, 0, 0, 0)
		}
		b := ip.As16()
		return append(b[:], Int(g.IntN(4))...)
	}
	level, typ, data := 0, 0, []byte(nil)
	v6 := k.v6() && !g.chance(30)
	switch n := g.IntN(7); {
	case n < 2 && v6:
		level, typ, data = 41, 50, info(pick(g, "::", "::1", Host6, "2001:db8::9", "::ffff:127.0.0.2"))
	case n < 2:
		level, typ, data = 0, 8, info(pick(g, "0.0.0.0", "127.0.0.1", "127.0.0.2", Host4, "192.0.2.9"))
	case n < 4 && v6:
		level, typ, data = 41, 52, Int(v)
	case n < 4:
		level, typ, data = 0, 2, Int(v)
	case n < 6 && v6:
		level, typ, data = 41, 67, Int(v)
	case n < 6:
		level, typ, data = 0, 1, Int(v)
	default:
		level, typ, data = pick(g, 0, 1, 17, 41, 99), g.IntN(100), Int(v)
	}
	if g.chance(5) {
		data = data[:g.IntN(len(data))]
	}
	return name{fmt.Sprintf("Cmsg(%d, %d, []byte(%q))", level, typ, data), Cmsg(level, typ, data)}
}

func (g *generator) receive(n int) {
	size, room, flags := pick(g, 3000, 3000, 3000, 10, 3, 1, 0), pick(g, 0, 0, 300, 300, 20), 0
	if g.chance(30) {
		flags = pick(g, linux.MSG_PEEK, linux.MSG_TRUNC, linux.MSG_PEEK|linux.MSG_TRUNC, linux.MSG_DONTWAIT,
			linux.MSG_DONTWAIT, linux.MSG_WAITALL|linux.MSG_DONTWAIT, linux.MSG_OOB)
	}
	g.step(func(p *player) { p.r.Recv(p.fds[n], size, room, flags) }, "r.Recv(s%d, %d, %d, %#x)", n, size, room, flags)
}

// errors reads the error queue or the pending error.
func (g *generator) errors(n int) {
	if g.chance(50) {
		g.step(func(p *player) { p.r.Get(p.fds[n], linux.SO_ERROR) }, "r.Get(s%d, linux.SO_ERROR)", n)
		return
	}
	g.step(func(p *player) { p.r.Recv(p.fds[n], 3000, 300, linux.MSG_ERRQUEUE) }, "r.Recv(s%d, 3000, 300, linux.MSG_ERRQUEUE)", n)
}

// avoided are options whose value says something about time, chance or the machine, and those that differ on
// purpose.
var avoided = map[string]string{
	"TCP_INFO": "times", "SO_COOKIE": "chance", "SO_INCOMING_CPU": "the machine", "SO_INCOMING_NAPI_ID": "the machine",
	"SO_PEERNAME": "a port, in part", "IP_PROTOCOL": "what was in memory",
	"IPV6_FLOWINFO": "a label made up", "IPV6_FLOWINFO_SEND": "a label made up", "TCP_TIMESTAMP": "times", "SO_MEMINFO": "Linux's memory", "TCP_CC_INFO": "times", "SO_NETNS_COOKIE": "chance", "TCP_SAVED_SYN": "chance",
	"TCP_FASTOPEN": "has its scenarios", "TCP_FASTOPEN_CONNECT": "has its scenarios", "TCP_FASTOPEN_KEY": "has its scenarios",
	"TCP_FASTOPEN_NO_COOKIE": "has its scenarios", "TCP_ZEROCOPY_RECEIVE": "on purpose", "TCP_REPAIR": "on purpose",
	"SO_ATTACH_FILTER": "a pointer", "SO_ATTACH_REUSEPORT_CBPF": "a pointer", "SO_ATTACH_BPF": "a pointer", "SO_ATTACH_REUSEPORT_EBPF": "a file", "SO_GET_FILTER": "a pointer",
}

// usual are the values of options of which others differ on purpose, or mean a machine of another size.
var usual = map[string][]int{
	"SO_BINDTOIFINDEX": {0, 1, 2}, "TCP_NOTSENT_LOWAT": {1000, 1 << 20}, "SO_MAX_PACING_RATE": {-1},
	"SO_SNDBUF": {65536, 100000, 131072}, "SO_RCVBUF": {65536, 100000, 131072},
	"SO_SNDBUFFORCE": {65536, 100000, 131072}, "SO_RCVBUFFORCE": {65536, 100000, 131072},
}

// tuned are options of a stream that tell how large Linux has made its buffers and segments by now.
var tuned = map[string]bool{"SO_SNDBUF": true, "SO_RCVBUF": true, "TCP_MAXSEG": true, "TCP_WINDOW_CLAMP": true,
	// And what an accepted stream has of the packet that began it, but can do nothing with.
	"IP_MULTICAST_TTL": true, "IPV6_MULTICAST_HOPS": true, "IPV6_MULTICAST_IF": true,
	// And what would keep a peer waiting for the end of its handshake, or a connection from its device: see foundDifferences and tcpHeaderDifferences.
	"IPV6_RTHDRDSTOPTS": true,
	"TCP_DEFER_ACCEPT":  true, "TCP_QUICKACK": true, "SO_BINDTOIFINDEX": true, "SO_BINDTODEVICE": true,
}

// anOption is one of a socket's, sometimes one of another's.
func (g *generator) anOption(k sort, all []option) option {
	for {
		o := pick(g, all...)
		level := o.id.Level()
		own := level == linux.SOL_SOCKET || level == linux.IPPROTO_IP || level == linux.IPPROTO_IPV6 && k.v6() ||
			level == linux.IPPROTO_TCP && streams(k) || level == linux.IPPROTO_UDP && udps(k)
		if avoided[o.name] == "" && (own || g.chance(5)) && !(streams(k) && tuned[o.name]) {
			return o
		}
	}
}

// anyOption is anOption among those of other forms than an int too.
func (g *generator) anyOption(k sort) option {
	all := options()
	for _, o := range linux.OptionTable() {
		all = append(all, option{id: o.ID, name: o.Name})
	}
	return g.anOption(k, all)
}

// option sets an option to a value that it may have, and mostly reads it back.
func (g *generator) option(n int) {
	o := g.anOption(g.slots[n].sort, options())
	v, low, high := 1, max(o.min, math.MinInt32), min(o.max, math.MaxInt32)
	switch m := g.IntN(10); {
	case m < 2:
		v = 0
	case m < 6 && low <= high:
		v = low + g.IntN(high-low+1)
		if g.chance(70) {
			v = min(v, max(low, 0)+1000)
		}
	case m < 8:
		v = pick(g, values(o)...)
	}
	if list := usual[o.name]; list != nil {
		v = pick(g, list...)
	}
	g.step(func(p *player) { p.r.Set(p.fds[n], o.id, v) }, "r.Set(s%d, %s, %d) // %s", n, idText(o.id), v, o.name)
	if g.chance(40) {
		g.step(func(p *player) { p.r.Get(p.fds[n], o.id) }, "r.Get(s%d, %s) // %s", n, idText(o.id), o.name)
	}
}

func idText(id tcpip.OptionID) string {
	return fmt.Sprintf("tcpip.Option(%d, %d)", id.Level(), id.Number())
}

func (g *generator) getOption(n int) {
	o, size := g.anyOption(g.slots[n].sort), 4
	if g.chance(15) {
		size = pick(g, 0, 1, 2, 3, 5, 8, 12, 16, 28, 64)
	}
	level, number := o.id.Level(), o.id.Number()
	g.step(func(p *player) { p.r.GetOpt(p.fds[n], level, number, size) }, "r.GetOpt(s%d, %d, %d, %d) // %s", n, level, number, size, o.name)
}

// wildOption sets an option with any value of any length.
func (g *generator) wildOption(n int) {
	o := g.anyOption(g.slots[n].sort)
	b := make([]byte, pick(g, 0, 1, 2, 3, 4, 5, 8, 8, 12, 16, 20, 28, 36, 136, 264))
	switch g.IntN(3) {
	case 0:
		for i := range b {
			b[i] = byte(g.IntN(256))
		}
	case 1:
		for i := 0; i < len(b); i += 4 {
			b[i] = byte(g.IntN(4))
		}
	}
	if o.id == tcpip.SO_BINDTOIFINDEX && len(b) >= 4 {
		copy(b, Int(g.IntN(3)))
	}
	if o.name == "SO_MAX_PACING_RATE" && len(b) >= 4 { // at less than some GB/s it shows how much time passes between calls
		b[3] |= 0x40
	}
	level, number := o.id.Level(), o.id.Number()
	if g.chance(5) {
		level, number = pick(g, 0, 1, 6, 17, 41, 58, 255), g.IntN(100)
		if id := tcpip.Option(level, number); slices.ContainsFunc(unasked, func(u tcpip.OptionID) bool { return u == id }) {
			number = 999
		}
	}
	g.step(func(p *player) { p.r.SetOpt(p.fds[n], level, number, b) }, "r.SetOpt(s%d, %d, %d, []byte(%q)) // %s", n, level, number, b, o.name)
}

// unasked are options by number that are pointers, or beyond what sockets are here: netfilter's, and so on.
var unasked = []tcpip.OptionID{tcpip.Option(linux.SOL_SOCKET, 26), tcpip.Option(linux.SOL_SOCKET, 50), tcpip.Option(linux.SOL_SOCKET, 51),
	tcpip.Option(linux.SOL_SOCKET, 52), tcpip.Option(linux.SOL_SOCKET, 68), tcpip.Option(linux.IPPROTO_IP, 16), tcpip.Option(linux.IPPROTO_IP, 17),
	tcpip.Option(linux.IPPROTO_IP, 64), tcpip.Option(linux.IPPROTO_IP, 65), tcpip.Option(linux.IPPROTO_IP, 96), tcpip.Option(linux.IPPROTO_IP, 97),
	tcpip.Option(linux.IPPROTO_IPV6, 64), tcpip.Option(linux.IPPROTO_IPV6, 65), tcpip.Option(linux.IPPROTO_TCP, 19), tcpip.Option(linux.IPPROTO_TCP, 35)}

// many sends or receives several messages in one call.
func (g *generator) many(n int) {
	k, count := g.slots[n].sort, 1+g.IntN(3)
	if g.chance(50) {
		g.step(func(p *player) { p.r.RecvMany(p.fds[n], count, 3000, 300, 0) }, "r.RecvMany(s%d, %d, 3000, 300, 0)", n, count)
		return
	}
	data, a := g.payload(k), name{"nil", nil}
	if g.chance(40) {
		a = g.place(k)
	}
	g.step(func(p *player) {
		m := make([]linux.Outgoing, count)
		for i := range m {
			m[i] = linux.Outgoing{Data: data.b, Name: a.b}
		}
		p.r.SendMany(p.fds[n], m, 0)
	}, "r.SendMany(s%d, %d times {%s, %s}, 0)", n, count, data.text, a.text)
}

func (g *generator) poll(n int) {
	g.step(func(p *player) { p.r.Poll(p.fds[n]) }, "r.Poll(s%d)", n)
}

func (g *generator) names(n int) {
	g.step(func(p *player) { p.r.Names(p.fds[n]) }, "r.Names(s%d)", n)
}

func (g *generator) ioctl(n int) {
	request := pick(g, uint32(linux.FIONREAD), linux.SIOCATMARK)
	if pings(g.slots[n].sort) {
		request = pick(g, uint32(linux.FIONREAD), linux.SIOCOUTQ, linux.SIOCATMARK)
	}
	g.step(func(p *player) { p.r.Ioctl(p.fds[n], request) }, "r.Ioctl(s%d, %#x)", n, request)
}

func (g *generator) shutdown(n int) {
	how := g.IntN(3)
	g.step(func(p *player) { p.r.Shutdown(p.fds[n], how) }, "r.Shutdown(s%d, %d)", n, how)
}

func (g *generator) close(n int) {
	g.step(func(p *player) { p.r.Close(p.fds[n]); p.fds[n] = -1 }, "r.Close(s%d)", n)
	g.slots[n].role = closed
}

func (g *generator) packets() {
	g.step(func(p *player) {
		if sent := p.r.Packets(); len(sent) > 0 {
			p.sent = sent
		}
	}, "sent = r.Packets()")
}

// arrive lets a UDP datagram come in.
func (g *generator) arrive() {
	from, to, v6 := g.port(), g.port(), g.chance(50)
	size := pick(g, 0, 1, 20, 1400)
	what := fmt.Sprintf("udp(%d, %d, v6 %v, %d bytes)", from, to, v6, size)
	b := udpPacket(from, to, v6, make([]byte, size))
	g.step(func(p *player) { p.r.Inject(what, b) }, "r.Inject(%q, udpPacket(%d, %d, %v, make([]byte, %d)))", what, from, to, v6, size)
}

// complain answers what has left with an ICMP error.
func (g *generator) complain() {
	mtu, code, which := pick(g, 0, 552, 1280, 1300, 1499, 1500), g.IntN(16), g.IntN(4)
	g.step(func(p *player) {
		if len(p.sent) == 0 {
			return
		}
		about := p.sent[len(p.sent)-1]
		switch {
		case len(about) < 48:
		case which == 0:
			p.r.Inject(fmt.Sprint("too big, ", mtu), tooBig(about, mtu))
		case which == 1:
			p.r.Inject("time exceeded", icmpAbout(about, 11, 3, 0))
		default:
			p.r.Inject(fmt.Sprint("unreachable, ", code), icmpAbout(about, 3, 1, byte(code)))
		}
	}, "complain(%d, %d, %d) // about the last packet sent: MTU, code, kind", mtu, code, which)
}

// icmpAbout is an ICMP error about a packet, by its types in the two families.
func icmpAbout(about []byte, typ4, typ6, code byte) []byte {
	if about[0]>>4 == 4 {
		return icmp4(Peer4, append([]byte{typ4, code, 0, 0, 0, 0, 0, 0}, about[:min(len(about), 548)]...))
	}
	return icmp6(Peer6, append([]byte{typ6, code, 0, 0, 0, 0, 0, 0}, about[:min(len(about), 1200)]...))
}

// udpPacket is a datagram from the peer to the host.
func udpPacket(from, to uint16, v6 bool, data []byte) []byte {
	src, dst := netip.MustParseAddr(Peer4).AsSlice(), netip.MustParseAddr(Host4).AsSlice()
	if v6 {
		src, dst = netip.MustParseAddr(Peer6).AsSlice(), netip.MustParseAddr(Host6).AsSlice()
	}
	u := binary.BigEndian.AppendUint16(nil, from)
	u = binary.BigEndian.AppendUint16(u, to)
	u = binary.BigEndian.AppendUint16(u, uint16(8+len(data)))
	u = append(append(u, 0, 0), data...)
	pseudo := append(append(append([]byte(nil), src...), dst...), 0, 17, byte(len(u)>>8), byte(len(u)))
	binary.BigEndian.PutUint16(u[6:], checksum.Partial{}.Add(pseudo).Add(u).Checksum())
	if v6 {
		b := []byte{0x60, 0, 0, 0, byte(len(u) >> 8), byte(len(u)), 17, 64}
		return append(append(append(b, src...), dst...), u...)
	}
	b := []byte{0x45, 0, 0, 0, 0, 1, 0, 0, 64, 17, 0, 0}
	b = append(append(b, src...), dst...)
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(u)))
	binary.BigEndian.PutUint16(b[10:], checksum.Partial{}.Add(b).Checksum())
	return append(b, u...)
}
