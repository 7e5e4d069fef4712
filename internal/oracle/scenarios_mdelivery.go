package oracle

import (
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// all and loop are the options of a face.
func (f face) allOption() tcpip.OptionID {
	if f.v6 {
		return tcpip.IPV6_MULTICAST_ALL
	}
	return tcpip.IP_MULTICAST_ALL
}

func (f face) loopOption() tcpip.OptionID {
	if f.v6 {
		return tcpip.IPV6_MULTICAST_LOOP
	}
	return tcpip.IP_MULTICAST_LOOP
}

// open is a socket bound to port 4000 that others may be bound to.
func (f face) open(r *Run) int {
	s := f.sort.open(r)
	r.Set(s, tcpip.SO_REUSEADDR, 1)
	r.Bind(s, f.sort.any(4000))
	return s
}

// arrive makes a datagram from each of the sources arrive for a group, and shows who gets which.
func (f face) arrive(r *Run, group string, files ...int) {
	for i := range 4 {
		r.Arrive(fmt.Sprintf("from %s to %s", f.source(i), group),
			arriving{from: f.source(i), to: group, ttl: 1, data: fmt.Append(nil, "from ", i)}.packet())
	}
	f.drain(r, files...)
}

func (f face) drain(r *Run, files ...int) {
	for _, s := range files {
		for r.Recv(s, 100, 0, 0).Name != nil {
		}
	}
}

// multicastDelivery shows what filters let through.
func multicastDelivery() (list []Scenario) {
	add := func(name string, f face, do func(r *Run, f face)) {
		list = append(list, Scenario{"multicast/delivery/" + name + "/" + f.name, func(r *Run) { do(r, f) }})
	}
	for _, f := range facesOf("udp4", "udp6") {
		add("none", f, func(r *Run, f face) {
			s := f.open(r)
			f.arrive(r, f.group(), s)
			f.join(r, s, lo, f.group())
			f.arrive(r, f.group(), s)
			f.join(r, s, t0, f.group())
			f.arrive(r, f.group(), s)
			f.arrive(r, f.other(), s)
			f.leave(r, s, t0, f.group())
			f.arrive(r, f.group(), s)
		})
		add("filters", f, func(r *Run, f face) {
			s := f.open(r)
			f.act(r, s, mcastJoinSource, t0, f.group(), f.source(1))
			f.arrive(r, f.group(), s)
			f.act(r, s, mcastJoinSource, t0, f.group(), f.source(2))
			f.arrive(r, f.group(), s)
			f.act(r, s, mcastLeaveSource, t0, f.group(), f.source(1))
			f.arrive(r, f.group(), s)
			f.act(r, s, mcastLeaveSource, t0, f.group(), f.source(2))
			f.arrive(r, f.group(), s)
			f.join(r, s, t0, f.group())
			f.act(r, s, mcastBlockSource, t0, f.group(), f.source(1))
			f.arrive(r, f.group(), s)
			f.set(r, s, t0, f.group(), exclude, f.source(2), f.source(3))
			f.arrive(r, f.group(), s)
			f.set(r, s, t0, f.group(), include, f.source(2), f.source(3))
			f.arrive(r, f.group(), s)
		})
		add("two", f, func(r *Run, f face) {
			a, b, c := f.open(r), f.open(r), f.open(r)
			f.act(r, a, mcastJoinSource, t0, f.group(), f.source(1))
			f.arrive(r, f.group(), a, b, c)
			f.join(r, b, t0, f.group())
			f.act(r, b, mcastBlockSource, t0, f.group(), f.source(2))
			f.arrive(r, f.group(), a, b, c)
			f.act(r, b, mcastBlockSource, t0, f.group(), f.source(1))
			f.arrive(r, f.group(), a, b, c)
			f.leave(r, a, t0, f.group())
			f.arrive(r, f.group(), a, b, c)
			f.join(r, c, t0, f.group())
			f.act(r, c, mcastBlockSource, t0, f.group(), f.source(2))
			f.arrive(r, f.group(), a, b, c)
			r.Close(b)
			f.arrive(r, f.group(), a, c)
			r.Close(c)
			f.arrive(r, f.group(), a)
		})
		add("all", f, func(r *Run, f face) {
			member, other, elsewhere := f.open(r), f.open(r), f.open(r)
			f.join(r, member, t0, f.group())
			f.join(r, elsewhere, lo, f.group())
			for _, v := range []int{1, 0} {
				for _, s := range []int{member, other, elsewhere} {
					r.Set(s, f.allOption(), v)
				}
				f.arrive(r, f.group(), member, other, elsewhere)
			}
			f.act(r, elsewhere, mcastBlockSource, lo, f.group(), f.source(1))
			f.arrive(r, f.group(), member, other, elsewhere)
		})
		add("device", f, func(r *Run, f face) {
			a, b := f.open(r), f.open(r)
			r.SetOpt(a, 1, 25, []byte("lo"))
			r.SetOpt(b, 1, 25, []byte("t0"))
			f.join(r, a, t0, f.group())
			f.arrive(r, f.group(), a, b)
			f.join(r, b, 0, f.group())
			f.join(r, a, 0, f.group())
			f.arrive(r, f.group(), a, b)
		})
		add("bound", f, func(r *Run, f face) {
			s := f.sort.open(r)
			r.Set(s, tcpip.SO_REUSEADDR, 1)
			r.Bind(s, f.sort.at("239.1.2.3", f.pick("::ffff:239.1.2.3", "ff05::1:3"), 4000))
			f.join(r, s, t0, f.group())
			f.join(r, s, t0, f.other())
			f.arrive(r, f.group(), s)
			f.arrive(r, f.other(), s)
		})
		add("connected", f, func(r *Run, f face) {
			s := f.open(r)
			f.join(r, s, t0, f.group())
			r.Connect(s, f.sort.at("10.77.0.11", f.pick("::ffff:10.77.0.11", "fd77::11"), 5000))
			f.arrive(r, f.group(), s)
		})
		add("loop", f, func(r *Run, f face) {
			s, d := f.open(r), f.sort.open(r)
			to := f.sort.at("239.1.2.3", f.pick("::ffff:239.1.2.3", "ff05::1:3"), 4000)
			f.join(r, s, t0, f.group())
			own := f.pick(Host4, Host6)
			steps := []func(){
				func() {},
				func() { r.Set(d, f.loopOption(), 0) },
				func() { r.Set(d, f.loopOption(), 1) },
				func() { r.Set(s, f.loopOption(), 0) },
				func() { f.act(r, s, mcastBlockSource, t0, f.group(), own) },
				func() { f.act(r, s, mcastUnblockSource, t0, f.group(), own) },
				func() { f.leave(r, s, t0, f.group()) },
				func() { f.act(r, s, mcastJoinSource, t0, f.group(), own) },
				func() { f.act(r, s, mcastLeaveSource, t0, f.group(), own) },
			}
			r.SetOpt(d, 0, 32, bytes4(Host4))
			if f.sort.v6() {
				r.Set(d, tcpip.IPV6_MULTICAST_IF, t0)
			}
			for i, step := range steps {
				step()
				r.Send(d, fmt.Append(nil, i), to, nil, 0)
				r.Packets()
				f.drain(r, s)
			}
		})
		add("lo", f, func(r *Run, f face) {
			s, d := f.open(r), f.sort.open(r)
			to := f.sort.at("239.1.2.3", f.pick("::ffff:239.1.2.3", "ff05::1:3"), 4000)
			f.join(r, s, lo, f.group())
			r.SetOpt(d, 0, 32, bytes4("127.0.0.1"))
			if f.sort.v6() {
				r.Set(d, tcpip.IPV6_MULTICAST_IF, lo)
			}
			for _, v := range []int{1, 0} {
				r.Set(d, f.loopOption(), v)
				r.Send(d, []byte("x"), to, nil, 0)
				r.Packets()
				f.drain(r, s)
			}
			own := f.pick("127.0.0.1", "::1")
			f.act(r, s, mcastBlockSource, lo, f.group(), own)
			r.Send(d, []byte("y"), to, nil, 0)
			f.drain(r, s)
			f.set(r, s, lo, f.group(), include, own)
			r.Send(d, []byte("z"), to, nil, 0)
			f.drain(r, s)
			f.leave(r, s, lo, f.group())
			r.Send(d, []byte("z"), to, nil, 0)
			f.drain(r, s)
		})
		add("info", f, func(r *Run, f face) {
			s := f.open(r)
			r.Set(s, tcpip.IP_PKTINFO, 1)
			r.Set(s, tcpip.IPV6_RECVPKTINFO, 1)
			f.join(r, s, t0, f.group())
			r.Arrive("to the group", arriving{from: f.source(0), to: f.group(), ttl: 1, data: []byte("x")}.packet())
			r.Recv(s, 10, 200, 0)
		})
		add("streams", f, func(r *Run, f face) { // a stream's membership is the host's, too
			s := f.open(r)
			k := sortOf("tcp4")
			if f.sort.v6() {
				k = sortOf("tcp6")
			}
			d := k.open(r)
			f.act(r, d, mcastJoinSource, t0, f.group(), f.source(1))
			f.arrive(r, f.group(), s)
			r.Set(s, f.allOption(), 1)
			f.arrive(r, f.group(), s)
			r.SetOpt(d, f.level, mcastJoinGroup, groupReq(t0, f.group()))
			f.arrive(r, f.group(), s)
			r.Close(d)
			f.arrive(r, f.group(), s)
		})
		add("other-device", f, func(r *Run, f face) {
			r.Device()
			s := f.open(r)
			f.join(r, s, t0, f.group())
			r.InjectOther("to the group", arriving{from: f.pick(Peer4b, Peer6b), to: f.group(), ttl: 1, data: []byte("x")}.packet())
			f.drain(r, s)
			f.join(r, s, t1, f.group())
			f.act(r, s, mcastBlockSource, t0, f.group(), f.pick(Peer4b, Peer6b))
			r.InjectOther("to the group", arriving{from: f.pick(Peer4b, Peer6b), to: f.group(), ttl: 1, data: []byte("x")}.packet())
			r.Arrive("to the group", arriving{from: f.pick(Peer4b, Peer6b), to: f.group(), ttl: 1, data: []byte("x")}.packet())
			f.drain(r, s)
		})
	}
	for _, name := range []string{"udp4", "udp6"} {
		k := sortOf(name)
		list = append(list, Scenario{"multicast/delivery/scopes/" + name, func(r *Run) {
			s := k.open(r)
			r.Bind(s, k.any(4000))
			from := k.at4("10.77.0.9", "fd77::9")
			for _, to := range [][2]string{{"224.0.0.1", "ff02::1"}, {"224.0.0.2", "ff02::2"}, {"224.0.0.9", "ff01::1"}, {"239.255.0.1", "ff0e::9"},
				{"239.255.0.1", "ff01::9"}, {"239.255.0.1", "ff00::9"}, {"239.255.0.1", "ff02::9"}} {
				group := k.at4(to[0], to[1])
				for range 2 {
					r.Arrive("to "+group, arriving{from: from, to: group, ttl: 1, data: []byte(group)}.packet())
					r.Recv(s, 20, 0, 0)
					if k.v6() {
						r.SetOpt(s, linux.IPPROTO_IPV6, ipv6JoinGroup, mreq6(group, t0))
					} else {
						r.SetOpt(s, linux.IPPROTO_IP, ipAddMembership, mreq(group, Host4))
					}
				}
			}
		}})
	}
	return list
}

func (k sort) at4(v4, v6 string) string {
	if k.v6() {
		return v6
	}
	return v4
}
