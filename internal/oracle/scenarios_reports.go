package oracle

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/seed963a8790/netstack/header"
)

// How long to wait for reports, ms: of a change, and of an answer to a query with the shortest response time.
const (
	changeTime = 60
	answerTime = 260
)

// query is a query of the newest version, or of an older one, about a group or all.
func (f face) query(version uint8, group string, sources ...string) arriving {
	q := header.MulticastQuery{Version: version, MaxResponse: 100 * time.Millisecond, Robustness: 1, Interval: 10 * time.Second}
	if group != "" {
		q.Group = netip.MustParseAddr(group)
	}
	if f.v6 {
		q.Version--
		return mldQuery(q, sources...)
	}
	return igmpQuery(q, sources...)
}

// hear makes the report of another listener arrive: one of version 2 of IGMP or 1 of MLD.
func (f face) hear(r *Run, group string) {
	g := netip.MustParseAddr(group)
	if f.v6 {
		r.Arrive("report of "+group, mldMessage("fe80::9", group, header.AppendMLDv1(nil, header.ICMPv6MLDv1Report, g)).packet())
		return
	}
	r.Arrive("report of "+group, arriving{from: "10.77.0.9", to: group, ttl: 1, proto: 2, options: []byte{0x94, 4, 0, 0},
		data: header.AppendIGMP(nil, header.IGMPv2Report, g)}.packet())
}

// version forces a version: 3, 2 and 1 as IGMP counts.
func (f face) version(r *Run, v int) {
	if f.v6 {
		r.Sysctl("ipv6/conf/t0/force_mld_version", v-1)
		return
	}
	r.Sysctl("ipv4/conf/t0/force_igmp_version", v)
}

// reportScenarios show the messages of IGMP and MLD.
func reportScenarios() (list []Scenario) {
	add := func(name string, f face, do func(r *Run, f face, s int)) {
		list = append(list, Scenario{"multicast/report/" + name + "/" + f.name, func(r *Run) {
			r.Reports(changeTime)
			do(r, f, f.sort.open(r))
		}})
	}
	faces := []face{{"igmp", sortOf("udp4"), 0, false, false}, {"mld", sortOf("udp6"), 41, true, false}}
	for _, f := range faces {
		add("join", f, func(r *Run, f face, s int) {
			f.join(r, s, t0, f.group())
			r.Reports(changeTime)
			f.join(r, s, t0, f.other())
			r.Reports(changeTime)
			d := f.sort.open(r)
			f.join(r, d, t0, f.group())
			r.Reports(changeTime)
			f.leave(r, s, t0, f.group())
			r.Reports(changeTime)
			r.Close(d)
			r.Reports(changeTime)
			r.Close(s)
			r.Reports(changeTime)
		})
		add("sources", f, func(r *Run, f face, s int) {
			f.act(r, s, mcastJoinSource, t0, f.group(), f.source(0))
			r.Reports(changeTime)
			f.act(r, s, mcastJoinSource, t0, f.group(), f.source(1))
			r.Reports(changeTime)
			f.act(r, s, mcastLeaveSource, t0, f.group(), f.source(0))
			r.Reports(changeTime)
			f.set(r, s, t0, f.group(), include, f.source(2), f.source(3))
			r.Reports(changeTime)
			f.set(r, s, t0, f.group(), exclude, f.source(2))
			r.Reports(changeTime)
			f.act(r, s, mcastBlockSource, t0, f.group(), f.source(4))
			r.Reports(changeTime)
			f.act(r, s, mcastUnblockSource, t0, f.group(), f.source(2))
			r.Reports(changeTime)
			f.set(r, s, t0, f.group(), exclude, f.source(0), f.source(1))
			r.Reports(changeTime)
			f.set(r, s, t0, f.group(), include, f.source(0))
			r.Reports(changeTime)
			f.leave(r, s, t0, f.group())
			r.Reports(changeTime)
		})
		add("merged", f, func(r *Run, f face, s int) {
			d := f.sort.open(r)
			f.act(r, s, mcastJoinSource, t0, f.group(), f.source(0))
			r.Reports(changeTime)
			f.act(r, d, mcastJoinSource, t0, f.group(), f.source(1))
			r.Reports(changeTime)
			f.act(r, d, mcastJoinSource, t0, f.group(), f.source(0))
			r.Reports(changeTime)
			f.set(r, d, t0, f.group(), exclude, f.source(0), f.source(2))
			r.Reports(changeTime)
			f.set(r, s, t0, f.group(), exclude, f.source(2), f.source(3))
			r.Reports(changeTime)
			f.act(r, s, mcastUnblockSource, t0, f.group(), f.source(2))
			r.Reports(changeTime)
			r.Close(d)
			r.Reports(changeTime)
			f.set(r, s, t0, f.group(), include, f.source(5))
			r.Reports(changeTime)
			r.Close(s)
			r.Reports(changeTime)
		})
		add("query", f, func(r *Run, f face, s int) {
			d := f.sort.open(r)
			f.join(r, s, t0, f.group())
			f.act(r, d, mcastJoinSource, t0, f.other(), f.source(0))
			f.act(r, d, mcastJoinSource, t0, f.other(), f.source(1))
			r.forget(changeTime)
			r.Arrive("general query", f.query(3, "").packet())
			r.Reports(answerTime)
			r.Arrive("group query", f.query(3, f.group()).packet())
			r.Reports(answerTime)
			r.Arrive("group query", f.query(3, f.other()).packet())
			r.Reports(answerTime)
			f.act(r, s, mcastBlockSource, t0, f.group(), f.source(1))
			r.Reports(changeTime)
			r.Arrive("general query", f.query(3, "").packet())
			r.Reports(answerTime)
		})
		add("query-sources", f, func(r *Run, f face, s int) {
			d := f.sort.open(r)
			f.set2(r, s, f.group(), exclude, f.source(0), f.source(1))
			r.Reports(changeTime)
			f.set2(r, d, f.other(), include, f.source(0), f.source(1))
			r.Reports(changeTime)
			for _, g := range []string{f.group(), f.other()} {
				for _, sources := range [][]int{{0}, {0, 1}, {2}, {1, 2}, {0, 1, 2}} {
					var list []string
					for _, i := range sources {
						list = append(list, f.source(i))
					}
					r.Arrive(fmt.Sprint("query of ", g, " ", list), f.query(3, g, list...).packet())
					r.Reports(answerTime)
				}
			}
			r.Arrive("general query with a source", f.query(3, "", f.source(0)).packet())
			r.Reports(answerTime)
		})
		add("query-merged", f, func(r *Run, f face, s int) {
			f.set2(r, s, f.group(), include, f.source(0), f.source(1), f.source(2))
			r.Reports(changeTime)
			r.Arrive("query of one source", f.query(3, f.group(), f.source(0)).packet())
			r.Arrive("query of another", f.query(3, f.group(), f.source(2)).packet())
			r.Reports(answerTime)
			r.Arrive("query of one source", f.query(3, f.group(), f.source(0)).packet())
			r.Arrive("query of the group", f.query(3, f.group()).packet())
			r.Reports(answerTime)
			f.set2(r, s, f.group(), exclude, f.source(0), f.source(1))
			r.Reports(changeTime)
			r.Arrive("query of an excluded source", f.query(3, f.group(), f.source(0)).packet())
			r.Arrive("query of another", f.query(3, f.group(), f.source(5)).packet())
			r.Reports(answerTime)
		})
		add("query-nobody", f, func(r *Run, f face, s int) {
			r.Arrive("group query", f.query(3, f.group()).packet())
			r.Reports(answerTime)
			r.Arrive("general query", f.query(3, "").packet())
			r.Reports(answerTime)
			f.join(r, s, lo, f.group())
			r.Reports(changeTime)
			r.Arrive("general query", f.query(3, "").packet())
			r.Reports(answerTime)
		})
		add("query-odd", f, func(r *Run, f face, s int) {
			f.join(r, s, t0, f.group())
			r.Reports(changeTime)
			for _, c := range []struct {
				name string
				do   func(a *arriving)
			}{
				{"ttl 2", func(a *arriving) { a.ttl = 2 }},
				{"no router alert", func(a *arriving) { a.options, a.ext = nil, nil }},
				{"to the host", func(a *arriving) { a.to = f.pick(Host4, Host6) }},
				{"to another group", func(a *arriving) { a.to = f.pick("224.0.0.22", "ff02::16") }},
				{"to the group", func(a *arriving) { a.to = f.group() }},
				{"from nobody", func(a *arriving) { a.from = f.pick("0.0.0.0", "::") }},
				{"from far away", func(a *arriving) { a.from = f.pick("192.0.2.9", "fd77::2") }},
				{"bad checksum", func(a *arriving) { a.data[3] ^= 1 }},
				{"trailing bytes", func(a *arriving) { a.data = append(a.data, 0, 0, 0, 0) }},
				{"cut", func(a *arriving) { a.data = a.data[:len(a.data)-1] }},
				{"cut to 10 or 26", func(a *arriving) { a.data = a.data[:len(a.data)-2] }},
				{"good", func(a *arriving) {}},
			} {
				a := f.query(3, "")
				c.do(&a)
				if f.v6 && c.name != "bad checksum" {
					a.data = mldMessage(a.from, a.to, a.data).data
				} else if !f.v6 && c.name != "bad checksum" {
					a.data = igmpSummed(a.data)
				}
				r.Arrive("query "+c.name, a.packet())
				r.Reports(answerTime)
			}
		})
		add("old-querier", f, func(r *Run, f face, s int) {
			f.join(r, s, t0, f.group())
			r.Reports(changeTime)
			r.Arrive("old query", f.query(2, "").packet())
			r.Reports(answerTime)
			f.act(r, s, mcastBlockSource, t0, f.group(), f.source(0))
			r.Reports(changeTime)
			r.Arrive("new query", f.query(3, "").packet())
			r.Reports(answerTime)
			r.Arrive("old query of the group", f.query(2, f.group()).packet())
			r.Reports(answerTime)
			r.Arrive("old query of another", f.query(2, f.other()).packet())
			r.Reports(answerTime)
			f.join(r, s, t0, f.other())
			r.Reports(changeTime)
			f.leave(r, s, t0, f.other())
			r.Reports(changeTime)
			f.hear(r, f.group())
			f.leave(r, s, t0, f.group())
			r.Reports(changeTime)
		})
		for v := 1; v <= 3; v++ {
			if f.v6 && v == 1 {
				continue
			}
			add(fmt.Sprint("forced", v), f, func(r *Run, f face, s int) {
				f.version(r, v)
				f.join(r, s, t0, f.group())
				r.Reports(changeTime)
				f.act(r, s, mcastBlockSource, t0, f.group(), f.source(0))
				r.Reports(changeTime)
				d := f.sort.open(r)
				f.act(r, d, mcastJoinSource, t0, f.other(), f.source(0))
				r.Reports(changeTime)
				for q := uint8(3); q >= 2 && v >= 2; q-- { // the answers of version 1 take up to 10 s
					r.Arrive(fmt.Sprint("query of version ", q), f.query(q, "").packet())
					r.Reports(answerTime)
				}
				r.Close(d)
				r.Reports(changeTime)
				f.leave(r, s, t0, f.group())
				r.Reports(changeTime)
			})
		}
		if !f.v6 {
			add("oldest-querier", f, func(r *Run, f face, s int) {
				r.Arrive("query of version 1", f.query(1, "").packet())
				f.join(r, s, t0, f.group())
				r.Reports(changeTime)
				f.leave(r, s, t0, f.group())
				r.Reports(changeTime)
				f.act(r, s, mcastJoinSource, t0, f.other(), f.source(0))
				r.Reports(changeTime)
			})
		}
		add("scopes", f, func(r *Run, f face, s int) {
			groups := []string{"224.0.0.1", "224.0.0.2", "224.0.0.9", "224.0.0.251", "224.0.1.1", "232.1.1.1"}
			if f.v6 {
				groups = []string{"ff02::1", "ff02::2", "ff02::fb", "ff01::9", "ff00::9", "ff0e::1", "ff02::1:ff00:9"}
			}
			for _, g := range groups {
				f.join(r, s, t0, g)
				r.Reports(changeTime)
			}
			r.Arrive("general query", f.query(3, "").packet())
			r.Reports(answerTime)
			for _, g := range groups {
				f.leave(r, s, t0, g)
				r.Reports(changeTime)
			}
		})
		add("suppressed", f, func(r *Run, f face, s int) {
			f.version(r, 2)
			f.join(r, s, t0, f.group())
			r.Reports(changeTime)
			r.Arrive("old query", f.query(2, "").packet())
			f.hear(r, f.group())
			r.Reports(answerTime)
			f.leave(r, s, t0, f.group())
			r.Reports(changeTime)
		})
		add("again", f, func(r *Run, f face, s int) { // with the robustness of 2
			r.Sysctl("ipv6/conf/t0/mldv2_unsolicited_report_interval", 1000)
			q := header.MulticastQuery{Version: 3, MaxResponse: 100 * time.Millisecond, Robustness: 2, Interval: 10 * time.Second}
			if f.v6 {
				q.Version = 2
				r.Arrive("query with robustness 2", mldQuery(q).packet())
			} else {
				r.Arrive("query with robustness 2", igmpQuery(q).packet())
			}
			r.Reports(answerTime)
			f.join(r, s, t0, f.group())
			r.EveryReport(1300)
			f.leave(r, s, t0, f.group())
			r.EveryReport(1300)
		})
		add("down", f, func(r *Run, f face, s int) {
			f.join(r, s, t0, f.group())
			r.Reports(changeTime)
			r.Up("t0", false)
			r.Up("t0", true)
			r.Reports(changeTime)
			f.leave(r, s, t0, f.group())
			r.Reports(changeTime)
		})
		add("split", f, func(r *Run, f face, s int) { // more records than fit in a packet
			for i := range 220 {
				if i%20 == 0 {
					s = f.sort.open(r)
				}
				r.sockets.SetSockOpt(s, f.level, f.joinOption(), f.joinValue(t0, i))
			}
			r.forget(4 * changeTime)
			r.Arrive("general query", f.query(3, "").packet())
			r.Reports(answerTime)
		})
		add("split-sources", f, func(r *Run, f face, s int) { // more sources than fit in a packet
			for i := range 450 {
				if i%10 == 0 {
					s = f.sort.open(r)
				}
				g := f.group()
				r.sockets.SetSockOpt(s, f.level, mcastJoinSource, groupReq(t0, g, f.pick(fmt.Sprintf("10.78.%d.%d", i/200, 1+i%200), fmt.Sprintf("fd77::%x", 256+i))))
			}
			r.forget(4 * changeTime)
			r.Arrive("general query", f.query(3, "").packet())
			r.Reports(answerTime)
			f.join(r, f.sort.open(r), t0, f.group())
			r.Reports(changeTime)
		})
	}
	return list
}

// set2 joins if need be, and sets a filter.
func (f face) set2(r *Run, s int, group string, mode int, sources ...string) {
	f.join(r, s, t0, group)
	r.forget(changeTime) // the kernel takes a moment, in which it gathers changes
	f.set(r, s, t0, group, mode, sources...)
}

// igmpSummed puts the checksum into a message.
func igmpSummed(b []byte) []byte {
	b[2], b[3] = 0, 0
	sum := uint32(0)
	for i, v := range b {
		sum += uint32(v) << (8 * (1 - i&1))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	b[2], b[3] = ^byte(sum>>8), ^byte(sum)
	return b
}
