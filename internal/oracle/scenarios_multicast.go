package oracle

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// The numbers of the options of groups and sources. Those from mcastJoinGroup on are the same at both levels.
const (
	ipAddMembership    = 35
	ipDropMembership   = 36
	ipUnblockSource    = 37
	ipBlockSource      = 38
	ipAddSource        = 39
	ipDropSource       = 40
	ipMsfilter         = 41
	mcastJoinGroup     = 42
	mcastBlockSource   = 43
	mcastUnblockSource = 44
	mcastLeaveGroup    = 45
	mcastJoinSource    = 46
	mcastLeaveSource   = 47
	mcastMsfilter      = 48
	ipv6JoinGroup      = 20
	ipv6LeaveGroup     = 21

	exclude, include = 0, 1 // MCAST_EXCLUDE, MCAST_INCLUDE
)

// The interfaces.
const lo, t0, t1 = 1, 2, 3

func bytes4(addrs ...string) (b []byte) {
	for _, a := range addrs {
		b = append(b, netip.MustParseAddr(a).AsSlice()...)
	}
	return b
}

// mreq is a struct ip_mreq or ip_mreqn, if an index is given; source a struct ip_mreq_source.
func mreq(group, addr string, index ...int) []byte {
	b := bytes4(group, addr)
	for _, i := range index {
		b = append(b, Int(i)...)
	}
	return b
}

func mreqSource(group, addr, source string) []byte { return bytes4(group, addr, source) }

// mreq6 is a struct ipv6_mreq.
func mreq6(group string, index int) []byte { return append(bytes4(group), Int(index)...) }

// msfilter is a struct ip_msfilter.
func msfilter(group, addr string, mode int, sources ...string) []byte {
	b := append(bytes4(group, addr), Int(mode)...)
	return append(append(b, Int(len(sources))...), bytes4(sources...)...)
}

// storage is a struct sockaddr_storage.
func storage(addr string) []byte {
	a := netip.MustParseAddr(addr)
	if a.Is4() {
		return append(In4(addr, 0), make([]byte, 112)...)
	}
	return append(In6(addr, 0), make([]byte, 100)...)
}

// groupReq is a struct group_req, with a source a struct group_source_req, and groupFilter a struct
// group_filter.
func groupReq(index int, group string, source ...string) []byte {
	b := append(Int(index), 0, 0, 0, 0)
	b = append(b, storage(group)...)
	for _, s := range source {
		b = append(b, storage(s)...)
	}
	return b
}

func groupFilter(index int, group string, mode int, sources ...string) []byte {
	b := append(groupReq(index, group), Int(mode)...)
	b = append(b, Int(len(sources))...)
	for _, s := range sources {
		b = append(b, storage(s)...)
	}
	return b
}

// Filter asks for the filter of a group with getsockopt(2), in a buffer that begins with the question.
func (r *Run) Filter(fd, level, number int, question []byte, size int) {
	value := make([]byte, size)
	copy(value, question)
	n, e := r.sockets.GetSockOpt(fd, level, number, value)
	if e != 0 {
		r.logf("getsockopt(%s, %d, %d, %d) = %s", r.file(fd), level, number, size, errnoName(e))
		return
	}
	value = value[:min(max(n, 0), size)]
	head, each, at := 16, 4, 0
	if number == mcastMsfilter {
		head, each, at = 144, 128, 4
		if level == linux.IPPROTO_IPV6 {
			at = 8
		}
	}
	if len(value) < head {
		r.logf("getsockopt(%s, %d, %d, %d) = [%d]", r.file(fd), level, number, size, n)
		return
	}
	mode, count := binary.NativeEndian.Uint32(value[head-8:]), binary.NativeEndian.Uint32(value[head-4:])
	var list []string
	for b := value[head:]; len(b) >= each; b = b[each:] {
		width := 4
		if at == 8 {
			width = 16
		}
		a, _ := netip.AddrFromSlice(b[at : at+width])
		list = append(list, a.String())
	}
	r.logf("getsockopt(%s, %d, %d, %d) = [%d] mode %d, %d sources %v", r.file(fd), level, number, size, n, mode, count, list)
}

// face is a way to say groups and sources to sockets: one of the three APIs, on a sort of sockets.
type face struct {
	name  string
	sort  sort
	level int
	v6    bool // groups of IPv6
	old   bool // struct ip_mreq_source and struct ip_msfilter
}

var faces = []face{
	{"old4", sort{}, linux.IPPROTO_IP, false, true},
	{"new4", sort{}, linux.IPPROTO_IP, false, false},
	{"new6", sort{}, linux.IPPROTO_IPV6, true, false},
}

// facesOf returns the faces that sorts have.
func facesOf(names ...string) (list []face) {
	for _, name := range names {
		for _, f := range faces {
			if f.sort = sortOf(name); f.sort.v6() || !f.v6 {
				f.name += "/" + name
				list = append(list, f)
			}
		}
	}
	return list
}

func (f face) pick(v4, v6 string) string {
	if f.v6 {
		return v6
	}
	return v4
}

func (f face) group() string { return f.pick("239.1.2.3", "ff05::1:3") }
func (f face) other() string { return f.pick("239.1.2.4", "ff05::1:4") }
func (f face) source(i int) string {
	return f.pick(fmt.Sprint("10.77.0.", 10+i), fmt.Sprint("fd77::", 10+i))
}

// addr is the address of an interface for the old API.
func (f face) addr(index int) string {
	if a, ok := map[int]string{0: "0.0.0.0", lo: "127.0.0.1", t0: Host4, t1: Host4b}[index]; ok {
		return a
	}
	return "192.0.2.9"
}

// tell is setsockopt(2) with what the value says instead of its bytes in the log.
func (r *Run) tell(fd, level, number int, value []byte, says ...any) int {
	e := r.sockets.SetSockOpt(fd, level, number, value)
	r.sockets.Settle()
	r.logf("setsockopt(%s, %d, %d, %s) = %s", r.file(fd), level, number, strings.TrimSpace(fmt.Sprintln(says...)), errnoName(e))
	return e
}

func (f face) join(r *Run, s, index int, group string) int {
	switch {
	case f.old:
		return r.tell(s, f.level, ipAddMembership, mreq(group, f.addr(index)), index, group)
	case f.v6:
		return r.tell(s, f.level, ipv6JoinGroup, mreq6(group, index), index, group)
	}
	return r.tell(s, f.level, mcastJoinGroup, groupReq(index, group), index, group)
}

func (f face) leave(r *Run, s, index int, group string) {
	switch {
	case f.old:
		r.tell(s, f.level, ipDropMembership, mreq(group, f.addr(index)), index, group)
	case f.v6:
		r.tell(s, f.level, ipv6LeaveGroup, mreq6(group, index), index, group)
	default:
		r.tell(s, f.level, mcastLeaveGroup, groupReq(index, group), index, group)
	}
}

// act is one of the four acts on a source, with the numbers of MCAST_*.
func (f face) act(r *Run, s, number, index int, group, source string) int {
	if f.old {
		old := map[int]int{mcastBlockSource: ipBlockSource, mcastUnblockSource: ipUnblockSource, mcastJoinSource: ipAddSource, mcastLeaveSource: ipDropSource}
		return r.tell(s, f.level, old[number], mreqSource(group, f.addr(index), source), index, group, source)
	}
	return r.tell(s, f.level, number, groupReq(index, group, source), index, group, source)
}

func (f face) set(r *Run, s, index int, group string, mode int, sources ...string) {
	r.tell(s, f.level, f.filterOption(), f.filterValue(index, group, mode, sources...), index, group, mode, sources)
}

// get asks with room for n sources.
func (f face) get(r *Run, s, index int, group string, n int) {
	if f.old {
		r.Filter(s, f.level, ipMsfilter, msfilter(group, f.addr(index), 0, slices.Repeat([]string{"0.0.0.0"}, n)...), 16+4*n)
		return
	}
	r.Filter(s, f.level, mcastMsfilter, groupFilter(index, group, 0, slices.Repeat([]string{f.pick("0.0.0.0", "::")}, n)...), 144+128*n)
}

// multicastScenarios are about groups and sources.
func multicastScenarios() []Scenario {
	return slices.Concat(multicastLengths(), multicastActs(), multicastDelivery(), reportScenarios())
}

// multicastLengths give every option too little and too much.
func multicastLengths() (list []Scenario) {
	for _, o := range []struct {
		name          string
		level, number int
		value         []byte
	}{
		{"IP_ADD_MEMBERSHIP", 0, ipAddMembership, mreq("239.1.2.3", "0.0.0.0", t0)},
		{"IP_DROP_MEMBERSHIP", 0, ipDropMembership, mreq("239.1.2.3", "0.0.0.0", t0)},
		{"IP_UNBLOCK_SOURCE", 0, ipUnblockSource, mreqSource("239.1.2.3", Host4, Peer4)},
		{"IP_BLOCK_SOURCE", 0, ipBlockSource, mreqSource("239.1.2.3", Host4, Peer4)},
		{"IP_ADD_SOURCE_MEMBERSHIP", 0, ipAddSource, mreqSource("239.1.2.3", Host4, Peer4)},
		{"IP_DROP_SOURCE_MEMBERSHIP", 0, ipDropSource, mreqSource("239.1.2.3", Host4, Peer4)},
		{"IP_MSFILTER", 0, ipMsfilter, msfilter("239.1.2.3", Host4, include, Peer4)},
		{"MCAST_JOIN_GROUP", 0, mcastJoinGroup, groupReq(t0, "239.1.2.3")},
		{"MCAST_LEAVE_GROUP", 0, mcastLeaveGroup, groupReq(t0, "239.1.2.3")},
		{"MCAST_BLOCK_SOURCE", 0, mcastBlockSource, groupReq(t0, "239.1.2.3", Peer4)},
		{"MCAST_UNBLOCK_SOURCE", 0, mcastUnblockSource, groupReq(t0, "239.1.2.3", Peer4)},
		{"MCAST_JOIN_SOURCE_GROUP", 0, mcastJoinSource, groupReq(t0, "239.1.2.3", Peer4)},
		{"MCAST_LEAVE_SOURCE_GROUP", 0, mcastLeaveSource, groupReq(t0, "239.1.2.3", Peer4)},
		{"MCAST_MSFILTER", 0, mcastMsfilter, groupFilter(t0, "239.1.2.3", include, Peer4)},
		{"IPV6_JOIN_GROUP", 41, ipv6JoinGroup, mreq6("ff05::1:3", t0)},
		{"IPV6_LEAVE_GROUP", 41, ipv6LeaveGroup, mreq6("ff05::1:3", t0)},
		{"MCAST_JOIN_GROUP", 41, mcastJoinGroup, groupReq(t0, "ff05::1:3")},
		{"MCAST_LEAVE_GROUP", 41, mcastLeaveGroup, groupReq(t0, "ff05::1:3")},
		{"MCAST_BLOCK_SOURCE", 41, mcastBlockSource, groupReq(t0, "ff05::1:3", Peer6)},
		{"MCAST_UNBLOCK_SOURCE", 41, mcastUnblockSource, groupReq(t0, "ff05::1:3", Peer6)},
		{"MCAST_JOIN_SOURCE_GROUP", 41, mcastJoinSource, groupReq(t0, "ff05::1:3", Peer6)},
		{"MCAST_LEAVE_SOURCE_GROUP", 41, mcastLeaveSource, groupReq(t0, "ff05::1:3", Peer6)},
		{"MCAST_MSFILTER", 41, mcastMsfilter, groupFilter(t0, "ff05::1:3", include, Peer6)},
	} {
		for _, name := range []string{"udp4", "udp6", "tcp4", "tcp6", "ping4", "ping6"} {
			k := sortOf(name)
			if o.level == linux.IPPROTO_IPV6 && !k.v6() {
				continue
			}
			list = append(list, Scenario{fmt.Sprintf("multicast/length/%s-%d/%s", o.name, o.level, name), func(r *Run) {
				for _, joined := range []bool{false, true} {
					s := k.open(r)
					if joined && o.level == 0 {
						r.tell(s, 0, ipAddMembership, mreq("239.1.2.3", "0.0.0.0", t0), "239.1.2.3", "0.0.0.0", t0)
					} else if joined {
						r.tell(s, 41, ipv6JoinGroup, mreq6("ff05::1:3", t0), "ff05::1:3", t0)
					}
					n := len(o.value)
					for _, size := range []int{0, 1, 3, 4, 7, 8, 11, 12, 15, 16, 20, n - 1, n, n + 1, n + 200} {
						b := make([]byte, size)
						copy(b, o.value)
						r.tell(s, o.level, o.number, b, size)
					}
					for _, size := range []int{0, 1, 4, n - 1, n, n + 8} {
						b := make([]byte, size)
						copy(b, o.value)
						r.Filter(s, o.level, o.number, b, size)
					}
				}
			}})
		}
	}
	return list
}

// multicastActs join and leave, block and unblock, in states in which that is right and wrong.
func multicastActs() (list []Scenario) {
	add := func(name string, f face, do func(r *Run, f face, s int)) {
		list = append(list, Scenario{"multicast/" + name + "/" + f.name, func(r *Run) { do(r, f, f.sort.open(r)) }})
	}
	for _, f := range facesOf("udp4", "udp6", "tcp4", "tcp6", "ping4", "ping6") {
		add("join", f, func(r *Run, f face, s int) {
			f.leave(r, s, t0, f.group())
			f.join(r, s, t0, f.group())
			f.join(r, s, t0, f.group())
			f.join(r, s, lo, f.group())
			f.join(r, s, t0, f.other())
			f.get(r, s, t0, f.group(), 2)
			f.leave(r, s, 0, f.group())
			f.leave(r, s, t0, f.group())
			f.leave(r, s, lo, f.group())
			f.leave(r, s, lo, f.group())
			f.get(r, s, t0, f.group(), 2)
			f.join(r, s, 0, f.group())
			f.join(r, s, 9, f.group())
			f.join(r, s, -1, f.group())
			f.leave(r, s, 9, f.other())
			f.leave(r, s, t0, f.other())
		})
		add("not-a-group", f, func(r *Run, f face, s int) {
			for _, a := range []string{f.pick("10.77.0.9", "fd77::9"), f.pick("0.0.0.0", "::"), f.pick("255.255.255.255", "::ffff:239.1.2.3")} {
				f.join(r, s, t0, a)
				f.leave(r, s, t0, a)
				f.act(r, s, mcastJoinSource, t0, a, f.source(0))
				f.act(r, s, mcastBlockSource, t0, a, f.source(0))
				f.set(r, s, t0, a, include, f.source(0))
				f.get(r, s, t0, a, 1)
			}
		})
		add("block", f, func(r *Run, f face, s int) {
			f.act(r, s, mcastBlockSource, t0, f.group(), f.source(0))
			f.act(r, s, mcastUnblockSource, t0, f.group(), f.source(0))
			f.join(r, s, t0, f.group())
			f.act(r, s, mcastUnblockSource, t0, f.group(), f.source(0))
			f.act(r, s, mcastBlockSource, t0, f.group(), f.source(2))
			f.act(r, s, mcastBlockSource, t0, f.group(), f.source(2))
			f.act(r, s, mcastBlockSource, t0, f.group(), f.source(0))
			f.act(r, s, mcastBlockSource, t0, f.group(), f.source(1))
			f.act(r, s, mcastUnblockSource, t0, f.group(), f.source(7))
			f.get(r, s, t0, f.group(), 5)
			f.get(r, s, t0, f.group(), 3)
			f.get(r, s, t0, f.group(), 2)
			f.get(r, s, t0, f.group(), 0)
			f.act(r, s, mcastJoinSource, t0, f.group(), f.source(0))
			f.act(r, s, mcastLeaveSource, t0, f.group(), f.source(0))
			f.act(r, s, mcastUnblockSource, t0, f.group(), f.source(2))
			f.act(r, s, mcastUnblockSource, t0, f.group(), f.source(1))
			f.act(r, s, mcastUnblockSource, t0, f.group(), f.source(0))
			f.get(r, s, t0, f.group(), 5)
			f.act(r, s, mcastUnblockSource, t0, f.group(), f.source(0))
			f.act(r, s, mcastJoinSource, t0, f.group(), f.source(0))
			f.get(r, s, t0, f.group(), 5)
			f.leave(r, s, t0, f.group())
			f.get(r, s, t0, f.group(), 5)
		})
		add("join-source", f, func(r *Run, f face, s int) {
			f.act(r, s, mcastLeaveSource, t0, f.group(), f.source(0))
			f.act(r, s, mcastJoinSource, t0, f.group(), f.source(1))
			f.act(r, s, mcastJoinSource, t0, f.group(), f.source(1))
			f.act(r, s, mcastJoinSource, t0, f.group(), f.source(0))
			f.act(r, s, mcastJoinSource, lo, f.group(), f.source(0))
			f.get(r, s, t0, f.group(), 5)
			f.act(r, s, mcastBlockSource, t0, f.group(), f.source(0))
			f.act(r, s, mcastUnblockSource, t0, f.group(), f.source(0))
			f.join(r, s, t0, f.group())
			f.get(r, s, t0, f.group(), 5)
			f.act(r, s, mcastLeaveSource, t0, f.group(), f.source(5))
			f.act(r, s, mcastLeaveSource, t0, f.group(), f.source(1))
			f.get(r, s, t0, f.group(), 5)
			f.act(r, s, mcastLeaveSource, t0, f.group(), f.source(0))
			f.get(r, s, t0, f.group(), 5)
			f.act(r, s, mcastLeaveSource, t0, f.group(), f.source(0))
			f.leave(r, s, t0, f.group())
			f.leave(r, s, lo, f.group())
			f.act(r, s, mcastJoinSource, t0, f.group(), f.source(0))
			f.leave(r, s, t0, f.group())
			f.get(r, s, t0, f.group(), 5)
			f.act(r, s, mcastJoinSource, 0, f.group(), f.source(0))
			f.act(r, s, mcastJoinSource, 9, f.group(), f.source(0))
			f.act(r, s, mcastLeaveSource, 9, f.group(), f.source(0))
		})
		add("filter", f, func(r *Run, f face, s int) {
			f.set(r, s, t0, f.group(), include, f.source(0))
			f.set(r, s, t0, f.group(), include)
			f.join(r, s, t0, f.group())
			f.set(r, s, t0, f.group(), include, f.source(2), f.source(0), f.source(1))
			f.get(r, s, t0, f.group(), 5)
			f.set(r, s, t0, f.group(), exclude, f.source(4), f.source(4))
			f.get(r, s, t0, f.group(), 5)
			f.act(r, s, mcastUnblockSource, t0, f.group(), f.source(4))
			f.get(r, s, t0, f.group(), 5)
			f.set(r, s, t0, f.group(), exclude)
			f.get(r, s, t0, f.group(), 5)
			f.set(r, s, t0, f.group(), 2, f.source(0))
			f.set(r, s, t0, f.group(), -1)
			f.set(r, s, lo, f.group(), include, f.source(0))
			f.set(r, s, 9, f.group(), include, f.source(0))
			f.set(r, s, 0, f.group(), include, f.source(0))
			f.get(r, s, lo, f.group(), 5)
			f.get(r, s, 9, f.group(), 5)
			f.get(r, s, 0, f.group(), 5)
			f.get(r, s, t0, f.other(), 5)
			f.set(r, s, t0, f.group(), include)
			f.get(r, s, t0, f.group(), 5)
			f.leave(r, s, t0, f.group())
		})
		add("close", f, func(r *Run, f face, s int) {
			f.join(r, s, t0, f.group())
			f.act(r, s, mcastBlockSource, t0, f.group(), f.source(0))
			r.Close(s)
			s = f.sort.open(r)
			f.join(r, s, t0, f.group())
			f.get(r, s, t0, f.group(), 5)
		})
	}
	for _, f := range facesOf("udp4", "udp6", "tcp4", "ping6") {
		add("limits", f, func(r *Run, f face, s int) {
			n := 0
			for i := range 70 {
				if e := r.sockets.SetSockOpt(s, f.level, f.joinOption(), f.joinValue(t0, i)); e != 0 {
					r.logf("joining group %d is %s", i, errnoName(e))
					break
				}
				n++
			}
			r.logf("joined %d", n)
			d := f.sort.open(r)
			f.join(r, d, t0, f.group())
			for i := range 70 {
				if e := f.quietly(r, d, mcastBlockSource, t0, f.group(), f.source(i)); e != 0 {
					r.logf("blocking source %d is %s", i, errnoName(e))
					break
				}
			}
			f.get(r, d, t0, f.group(), 1)
			for _, n := range []int{10, 11, 64, 65, 300} {
				var sources []string
				for i := range n {
					sources = append(sources, f.pick(fmt.Sprintf("10.78.%d.%d", i/250, i%250), fmt.Sprintf("fd77::%x", 256+i)))
				}
				e := r.sockets.SetSockOpt(d, f.level, f.filterOption(), f.filterValue(t0, f.group(), include, sources...))
				r.logf("a filter of %d is %s", n, errnoName(e))
			}
			f.get(r, d, t0, f.group(), 1)
		})
	}
	return append(list, multicastOddities()...)
}

func (f face) joinOption() int {
	if f.v6 {
		return ipv6JoinGroup
	}
	if f.old {
		return ipAddMembership
	}
	return mcastJoinGroup
}

func (f face) joinValue(index, i int) []byte {
	switch {
	case f.v6:
		return mreq6(fmt.Sprintf("ff05::2:%x", i), index)
	case f.old:
		return mreq(fmt.Sprint("239.2.2.", i), f.addr(index))
	}
	return groupReq(index, fmt.Sprint("239.2.2.", i))
}

// quietly is act without a line in the log.
func (f face) quietly(r *Run, s, number, index int, group, source string) int {
	n := len(r.log)
	e := f.act(r, s, number, index, group, source)
	r.log = r.log[:n]
	return e
}

func (f face) filterOption() int {
	if f.old {
		return ipMsfilter
	}
	return mcastMsfilter
}

func (f face) filterValue(index int, group string, mode int, sources ...string) []byte {
	if f.old {
		return msfilter(group, f.addr(index), mode, sources...)
	}
	return groupFilter(index, group, mode, sources...)
}

var multicastDifferences = []difference{
	{"multicast/odd/asked-address/udp4", "an address that names no interface finds no membership", "deliberate: Linux remembers the address that stood beside an index, although it is nobody's"},
	{"multicast/odd/asked-address/ping4", "an address that names no interface finds no membership", "deliberate: as above"},
}
