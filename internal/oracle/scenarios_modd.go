package oracle

import (
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// multicastOddities are single questions.
func multicastOddities() (list []Scenario) {
	add := func(name string, do func(r *Run)) { list = append(list, Scenario{"multicast/odd/" + name, do}) }
	for _, name := range []string{"udp4", "udp6", "tcp4", "ping4"} {
		k := sortOf(name)
		add("mreqn/"+name, func(r *Run) {
			s := k.open(r)
			r.tell(s, 0, ipAddMembership, mreq("239.1.2.3", "192.0.2.9"), "239.1.2.3", "192.0.2.9")
			r.tell(s, 0, ipAddMembership, mreq("239.1.2.3", "192.0.2.9", t0), "239.1.2.3", "192.0.2.9", t0)
			r.tell(s, 0, ipAddMembership, mreq("239.1.2.3", Host4, lo), "239.1.2.3", Host4, lo)
			r.tell(s, 0, ipAddMembership, mreq("239.1.2.3", Host4, 0), "239.1.2.3", Host4, 0)
			r.tell(s, 0, ipDropMembership, mreq("239.1.2.3", "0.0.0.0", 9), "239.1.2.3", "0.0.0.0", 9)
			r.tell(s, 0, ipDropMembership, mreq("239.1.2.3", "0.0.0.0", t0), "239.1.2.3", "0.0.0.0", t0)
			r.tell(s, 0, ipDropMembership, mreq("239.1.2.3", "192.0.2.9"), "239.1.2.3", "192.0.2.9")
			r.tell(s, 0, ipDropMembership, mreq("239.1.2.3", Host4), "239.1.2.3", Host4)
			r.tell(s, 0, ipDropMembership, mreq("239.1.2.3", "0.0.0.0"), "239.1.2.3", "0.0.0.0")
			r.tell(s, 0, ipDropMembership, mreq("239.1.2.3", "0.0.0.0", t0), "239.1.2.3", "0.0.0.0", t0)
			r.tell(s, 0, ipDropMembership, mreq("239.1.2.3", "0.0.0.0", lo), "239.1.2.3", "0.0.0.0", lo)
			r.tell(s, 0, ipAddMembership, mreq("239.1.2.3", "10.77.0.255"), "239.1.2.3", "10.77.0.255")
			r.tell(s, 0, ipAddMembership, mreq("239.1.2.3", "127.0.0.9"), "239.1.2.3", "127.0.0.9")
			r.tell(s, 0, ipDropMembership, mreq("239.1.2.3", "127.0.0.1"), "239.1.2.3", "127.0.0.1")
			r.tell(s, 0, ipDropMembership, mreq("239.1.2.3", "127.0.0.9"), "239.1.2.3", "127.0.0.9")
		})
		add("multicast-if/"+name, func(r *Run) {
			s := k.open(r)
			for _, v := range [][]byte{bytes4(Host4), bytes4("192.0.2.9"), bytes4("0.0.0.0"), mreq("239.1.2.3", Host4), mreq("0.0.0.0", "127.0.0.1"),
				mreq("0.0.0.0", "0.0.0.0", t0), mreq("0.0.0.0", "192.0.2.9", t0), mreq("0.0.0.0", "0.0.0.0", 9), mreq("0.0.0.0", "192.0.2.9", 0),
				mreq("0.0.0.0", Host4, lo), mreq("0.0.0.0", "0.0.0.0", 0), mreq("0.0.0.0", "0.0.0.0", -1), bytes4("127.0.0.9"), bytes4("10.77.0.255")} {
				r.SetOpt(s, 0, 32, v)
				for _, size := range []int{4, 8, 12, 2} {
					r.GetOpt(s, 0, 32, size)
				}
				if k.typ == linux.SOCK_DGRAM && k.proto == 0 {
					r.Send(s, []byte("x"), k.at("239.1.1.1", "::ffff:239.1.1.1", 4000), nil, 0)
					r.Packets()
				}
			}
			r.SetOpt(s, 1, 25, []byte("t0"))
			r.tell(s, 0, 32, mreq("0.0.0.0", "0.0.0.0", lo), "0.0.0.0", "0.0.0.0", lo)
			r.tell(s, 0, 32, mreq("0.0.0.0", "0.0.0.0", t0), "0.0.0.0", "0.0.0.0", t0)
			r.SetOpt(s, 0, 32, bytes4("127.0.0.1"))
		})
	}
	for _, name := range []string{"udp6", "tcp6", "ping6"} {
		k := sortOf(name)
		add("multicast-if6/"+name, func(r *Run) {
			s := k.open(r)
			for _, v := range []int{t0, lo, 0, 9, -1, t0} {
				r.Set(s, tcpip.IPV6_MULTICAST_IF, v)
				r.Get(s, tcpip.IPV6_MULTICAST_IF)
				if k.typ == linux.SOCK_DGRAM && k.proto == 0 {
					r.Send(s, []byte("x"), In6("ff02::99", 4000), nil, 0)
					r.Packets()
				}
			}
			r.SetOpt(s, 1, 25, []byte("t0"))
			r.Set(s, tcpip.IPV6_MULTICAST_IF, lo)
			r.Set(s, tcpip.IPV6_MULTICAST_IF, t0)
			r.Set(s, tcpip.IPV6_MULTICAST_IF, 0)
			r.Get(s, tcpip.IPV6_MULTICAST_IF)
		})
		add("families/"+name, func(r *Run) {
			s := k.open(r)
			r.tell(s, 41, mcastJoinGroup, groupReq(t0, "239.1.2.3"), t0, "239.1.2.3")
			r.tell(s, 0, mcastJoinGroup, groupReq(t0, "ff05::1:3"), t0, "ff05::1:3")
			r.tell(s, 41, mcastLeaveGroup, groupReq(t0, "239.1.2.3"), t0, "239.1.2.3")
			r.tell(s, 0, mcastLeaveGroup, groupReq(t0, "ff05::1:3"), t0, "ff05::1:3")
			r.tell(s, 41, mcastJoinSource, groupReq(t0, "ff05::1:3", "10.77.0.9"), t0, "ff05::1:3", "10.77.0.9")
			r.tell(s, 41, mcastJoinSource, groupReq(t0, "239.1.2.3", "fd77::9"), t0, "239.1.2.3", "fd77::9")
			r.tell(s, 0, mcastJoinSource, groupReq(t0, "239.1.2.3", "fd77::9"), t0, "239.1.2.3", "fd77::9")
			r.tell(s, 0, mcastJoinSource, groupReq(t0, "ff05::1:3", "10.77.0.9"), t0, "ff05::1:3", "10.77.0.9")
			r.tell(s, 41, mcastJoinSource, groupReq(t0, "ff05::1:3", "::ffff:10.77.0.9"), t0, "ff05::1:3", "::ffff:10.77.0.9")
			r.tell(s, 41, mcastLeaveSource, groupReq(t0, "ff05::1:3", "10.77.0.9"), t0, "ff05::1:3", "10.77.0.9")
			r.tell(s, 41, mcastJoinGroup, groupReq(t0, "ff05::1:3"), t0, "ff05::1:3")
			r.tell(s, 41, mcastBlockSource, groupReq(t0, "ff05::1:3", "10.77.0.9"), t0, "ff05::1:3", "10.77.0.9")
			r.tell(s, 41, mcastMsfilter, groupFilter(t0, "ff05::1:3", exclude, "10.77.0.9"), t0, "ff05::1:3", exclude, "10.77.0.9")
			r.tell(s, 41, mcastMsfilter, groupFilter(t0, "239.1.2.3", exclude, "10.77.0.9"), t0, "239.1.2.3", exclude, "10.77.0.9")
			r.tell(s, 0, mcastMsfilter, groupFilter(t0, "ff05::1:3", exclude, "fd77::9"), t0, "ff05::1:3", exclude, "fd77::9")
			r.tell(s, 0, mcastJoinGroup, groupReq(t0, "239.1.2.3"), t0, "239.1.2.3")
			r.tell(s, 0, mcastMsfilter, groupFilter(t0, "239.1.2.3", exclude, "10.77.0.9", "fd77::9"), t0, "239.1.2.3", exclude, "10.77.0.9", "fd77::9")
			r.Filter(s, 41, mcastMsfilter, groupFilter(t0, "239.1.2.3", 0), 400)
			r.Filter(s, 0, mcastMsfilter, groupFilter(t0, "ff05::1:3", 0), 400)
			r.tell(s, 41, ipv6JoinGroup, mreq6("::ffff:239.1.2.3", t0), "::ffff:239.1.2.3", t0)
			r.tell(s, 41, ipv6JoinGroup, mreq6("ff02::1", t0), "ff02::1", t0)
			r.tell(s, 41, ipv6JoinGroup, mreq6("ff01::5", t0), "ff01::5", t0)
			r.tell(s, 41, ipv6JoinGroup, mreq6("ff00::5", t0), "ff00::5", t0)
			r.tell(s, 41, ipv6JoinGroup, mreq6("ff02::5", 0), "ff02::5", 0)
			r.tell(s, 41, ipv6LeaveGroup, mreq6("ff02::5", t0), "ff02::5", t0)
		})
		add("bound6/"+name, func(r *Run) {
			s := k.open(r)
			r.SetOpt(s, 1, 25, []byte("lo"))
			r.tell(s, 41, mcastJoinGroup, groupReq(0, "ff05::1:3"), 0, "ff05::1:3")
			r.tell(s, 41, mcastLeaveGroup, groupReq(t0, "ff05::1:3"), t0, "ff05::1:3")
			r.tell(s, 41, mcastLeaveGroup, groupReq(lo, "ff05::1:3"), lo, "ff05::1:3")
		})
		add("mixed-api/"+name, func(r *Run) {
			s := k.open(r)
			r.tell(s, 41, ipv6JoinGroup, mreq6("ff05::1:3", t0), "ff05::1:3", t0)
			r.tell(s, 41, mcastJoinGroup, groupReq(t0, "ff05::1:3"), t0, "ff05::1:3")
			r.tell(s, 41, mcastJoinGroup, groupReq(0, "ff05::1:3"), 0, "ff05::1:3")
			r.tell(s, 41, mcastJoinGroup, groupReq(lo, "ff05::1:3"), lo, "ff05::1:3")
			r.tell(s, 41, mcastBlockSource, groupReq(0, "ff05::1:3", "fd77::9"), 0, "ff05::1:3", "fd77::9")
			for _, i := range []int{0, lo, t0} {
				r.Filter(s, 41, mcastMsfilter, groupFilter(i, "ff05::1:3", 0, "::"), 144+128)
			}
			r.tell(s, 41, mcastLeaveGroup, groupReq(0, "ff05::1:3"), 0, "ff05::1:3")
			r.tell(s, 41, ipv6LeaveGroup, mreq6("ff05::1:3", lo), "ff05::1:3", lo)
			r.tell(s, 41, ipv6LeaveGroup, mreq6("ff05::1:3", t0), "ff05::1:3", t0)
		})
	}
	for _, name := range []string{"udp4", "ping4", "tcp4"} {
		k := sortOf(name)
		add("mixed-api4/"+name, func(r *Run) {
			s := k.open(r)
			r.tell(s, 0, ipAddMembership, mreq("239.1.2.3", Host4), "239.1.2.3", Host4)
			r.tell(s, 0, mcastJoinGroup, groupReq(t0, "239.1.2.3"), t0, "239.1.2.3")
			r.tell(s, 0, ipAddMembership, mreq("239.1.2.3", "0.0.0.0", t0), "239.1.2.3", "0.0.0.0", t0)
			r.tell(s, 0, mcastJoinGroup, groupReq(lo, "239.1.2.3"), lo, "239.1.2.3")
			r.tell(s, 0, mcastBlockSource, groupReq(0, "239.1.2.3", "10.77.0.9"), 0, "239.1.2.3", "10.77.0.9")
			r.tell(s, 0, ipBlockSource, mreqSource("239.1.2.3", Host4, "10.77.0.8"), "239.1.2.3", Host4, "10.77.0.8")
			r.tell(s, 0, ipBlockSource, mreqSource("239.1.2.3", "0.0.0.0", "10.77.0.8"), "239.1.2.3", "0.0.0.0", "10.77.0.8")
			r.tell(s, 0, ipBlockSource, mreqSource("239.1.2.3", "192.0.2.9", "10.77.0.8"), "239.1.2.3", "192.0.2.9", "10.77.0.8")
			for _, i := range []int{0, lo, t0} {
				r.Filter(s, 0, mcastMsfilter, groupFilter(i, "239.1.2.3", 0, "0.0.0.0"), 144+128)
			}
			for _, a := range []string{"0.0.0.0", "127.0.0.1", Host4, "192.0.2.9"} {
				r.Filter(s, 0, ipMsfilter, msfilter("239.1.2.3", a, 0, "0.0.0.0"), 20)
			}
			r.tell(s, 0, mcastLeaveGroup, groupReq(0, "239.1.2.3"), 0, "239.1.2.3")
			r.tell(s, 0, mcastLeaveGroup, groupReq(lo, "239.1.2.3"), lo, "239.1.2.3")
			r.tell(s, 0, ipDropMembership, mreq("239.1.2.3", Host4), "239.1.2.3", Host4)
		})
		add("empty-filter/"+name, func(r *Run) {
			s := k.open(r)
			f := face{"", k, 0, false, false}
			f.join(r, s, t0, f.group())
			f.set(r, s, t0, f.group(), exclude)
			f.act(r, s, mcastJoinSource, t0, f.group(), f.source(0))
			f.get(r, s, t0, f.group(), 2)
			f.act(r, s, mcastBlockSource, t0, f.group(), f.source(1))
			f.act(r, s, mcastLeaveSource, t0, f.group(), f.source(0))
			f.join(r, s, t0, f.group())
			f.act(r, s, mcastBlockSource, t0, f.group(), f.source(1))
			f.act(r, s, mcastUnblockSource, t0, f.group(), f.source(1))
			f.set(r, s, t0, f.group(), exclude)
			f.act(r, s, mcastJoinSource, t0, f.group(), f.source(0))
			f.get(r, s, t0, f.group(), 2)
		})
		add("asked-address/"+name, func(r *Run) {
			s := k.open(r)
			r.tell(s, 0, ipAddMembership, mreq("239.1.2.3", "192.0.2.9", t0), "239.1.2.3", "192.0.2.9", t0)
			r.tell(s, 0, ipDropMembership, mreq("239.1.2.3", "192.0.2.9"), "239.1.2.3", "192.0.2.9")
		})
		add("routed/"+name, func(r *Run) {
			r.Route("224.0.0.0/4", Peer4)
			s := k.open(r)
			r.tell(s, 0, ipAddMembership, mreq("239.1.2.3", "0.0.0.0"), "239.1.2.3", "0.0.0.0")
			r.tell(s, 0, ipDropMembership, mreq("239.1.2.3", "127.0.0.1"), "239.1.2.3", "127.0.0.1")
			r.tell(s, 0, ipDropMembership, mreq("239.1.2.3", "0.0.0.0"), "239.1.2.3", "0.0.0.0")
			r.tell(s, 0, ipAddMembership, mreq("239.1.2.3", "127.0.0.1"), "239.1.2.3", "127.0.0.1")
			r.tell(s, 0, ipDropMembership, mreq("239.1.2.3", "0.0.0.0"), "239.1.2.3", "0.0.0.0")
			r.tell(s, 0, ipDropMembership, mreq("239.1.2.3", "127.0.0.9"), "239.1.2.3", "127.0.0.9")
			r.tell(s, 0, ipDropMembership, mreq("239.1.2.3", "127.0.0.1"), "239.1.2.3", "127.0.0.1")
			r.tell(s, 0, ipAddSource, mreqSource("239.1.2.3", "0.0.0.0", Peer4), "239.1.2.3", "0.0.0.0", Peer4)
			r.Filter(s, 0, ipMsfilter, msfilter("239.1.2.3", Host4, 0, "0.0.0.0"), 20)
			r.Filter(s, 0, ipMsfilter, msfilter("239.1.2.3", "0.0.0.0", 0, "0.0.0.0"), 20)
			r.Filter(s, 0, mcastMsfilter, groupFilter(0, "239.1.2.3", 0, "0.0.0.0"), 144+128)
			r.SetOpt(s, 1, 25, []byte("lo"))
			r.tell(s, 0, ipAddMembership, mreq("239.1.2.4", "0.0.0.0"), "239.1.2.4", "0.0.0.0")
			r.tell(s, 0, ipDropMembership, mreq("239.1.2.4", Host4), "239.1.2.4", Host4)
		})
	}
	return list
}
