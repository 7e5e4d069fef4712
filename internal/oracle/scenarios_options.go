package oracle

import (
	"fmt"
	"slices"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// option is what the scenarios need to know of an option whose value is an int.
type option struct {
	id       tcpip.OptionID
	name     string
	min, max int
}

// options are those of the tables, but for our own, and those that the adapter adds.
func options() (list []option) {
	seen := map[tcpip.OptionID]bool{}
	add := func(id tcpip.OptionID, name string, min, max int) {
		if !seen[id] && id != tcp.TCP_TIMESTAMP_MODE {
			seen[id] = true
			list = append(list, option{id, name, min, max})
		}
	}
	for i := range tcpip.SocketOptions {
		o := &tcpip.SocketOptions[i]
		add(o.ID, o.Name, o.Min, o.Max)
	}
	for i := range tcp.EndpointOptions {
		o := &tcp.EndpointOptions[i]
		add(o.ID, o.Name, o.Min, o.Max)
	}
	for _, o := range []option{
		{linux.SO_TYPE, "SO_TYPE", 0, 9}, {linux.SO_ERROR, "SO_ERROR", 0, 9}, {linux.SO_DOMAIN, "SO_DOMAIN", 0, 9},
		{linux.SO_PROTOCOL, "SO_PROTOCOL", 0, 9}, {linux.SO_ACCEPTCONN, "SO_ACCEPTCONN", 0, 1},
		{linux.SO_PEERNAME, "SO_PEERNAME", 0, 9}, {tcpip.SO_PRIORITY, "SO_PRIORITY", 0, 6}, {tcpip.SO_MARK, "SO_MARK", 0, 99},
		{linux.SO_SNDBUFFORCE, "SO_SNDBUFFORCE", 0, 100000}, {linux.SO_RCVBUFFORCE, "SO_RCVBUFFORCE", 0, 100000},
		{linux.SO_BUSY_POLL, "SO_BUSY_POLL", 0, 1000}, {linux.SO_DONTROUTE, "SO_DONTROUTE", 0, 1},
		{linux.SO_RCVTIMEO, "SO_RCVTIMEO", 0, 1}, {linux.SO_SNDTIMEO, "SO_SNDTIMEO", 0, 1},
		{linux.SO_BINDTODEVICE, "SO_BINDTODEVICE", 0, 0},
		{linux.IP_ADD_MEMBERSHIP, "IP_ADD_MEMBERSHIP", 0, 1}, {linux.IP_DROP_MEMBERSHIP, "IP_DROP_MEMBERSHIP", 0, 1},
		{linux.IPV6_JOIN_GROUP, "IPV6_JOIN_GROUP", 0, 1}, {linux.IPV6_LEAVE_GROUP, "IPV6_LEAVE_GROUP", 0, 1},
		{tcpip.IP_MTU, "IP_MTU", 0, 1500}, {tcpip.IPV6_MTU, "IPV6_MTU", 1280, 1500},
	} {
		add(o.id, o.name, o.min, o.max)
	}
	for _, o := range slices.Concat(ipOptions, ipv6Options) {
		add(o.id, o.name, o.min, o.max)
	}
	return list
}

// optionScenarios ask for every option on every sort of socket: what it is at first and how much of it a
// short or long buffer gets, what of every value comes back, and which lengths it takes.
func optionScenarios() (list []Scenario) {
	for _, o := range options() {
		for _, k := range sorts {
			if o.id.Level() == linux.IPPROTO_IPV6 && !k.v6() {
				continue // see level/41
			}
			base := "option/" + o.name + "/" + k.name
			level, number := o.id.Level(), o.id.Number()
			list = append(list,
				Scenario{base + "/default", func(r *Run) {
					s := k.open(r)
					for _, size := range []int{4, 0, 1, 2, 3, 5, 8, 16, 28} {
						r.GetOpt(s, level, number, size)
					}
				}},
				Scenario{base + "/values", func(r *Run) {
					s := k.open(r)
					for _, v := range values(o) {
						r.Set(s, o.id, v)
						r.Get(s, o.id)
					}
				}},
				Scenario{base + "/lengths", func(r *Run) {
					s := k.open(r)
					for _, v := range []byte{1, 0} {
						for _, size := range []int{4, 3, 2, 1, 0, 5, 8, 12, 16, 20} {
							b := make([]byte, size)
							if size > 0 {
								b[0] = v
							}
							r.SetOpt(s, level, number, b)
							r.Get(s, o.id)
						}
					}
				}},
			)
		}
	}
	return list
}

// values are the ends of the range, what lies beyond them and between.
func values(o option) (list []int) {
	seen := map[int32]bool{}
	for _, v := range []int{1, 0, o.min, o.max, o.min - 1, o.max + 1, (o.min + o.max) / 2, -1, 2, 255, 256, 1 << 20, 1<<31 - 1, -1 << 31} {
		if int(int32(v)) == v && !seen[int32(v)] {
			seen[int32(v)] = true
			list = append(list, v)
		}
	}
	return list
}

// levelScenarios ask for options that nobody has, at levels of others and of nobody.
func levelScenarios() (list []Scenario) {
	for _, k := range sorts {
		for _, level := range []int{0, 1, 6, 17, 41, 58, 132, 255, 263, 300, -1} {
			list = append(list, Scenario{fmt.Sprintf("level/%d/%s", level, k.name), func(r *Run) {
				s := k.open(r)
				for _, number := range []int{9999, 65537, -1} {
					for _, size := range []int{4, 0, 2} {
						r.SetOpt(s, level, number, make([]byte, size))
						r.GetOpt(s, level, number, size)
					}
				}
			}})
		}
	}
	return list
}

// congestionScenarios choose algorithms by name; which one is the default is the administrator's affair.
func congestionScenarios() (list []Scenario) {
	level, number := linux.TCP_CONGESTION.Level(), linux.TCP_CONGESTION.Number()
	for _, name := range []string{"reno", "cubic", "reno\x00", "reno\x00cubic", "nosuch", "", "\x00", "Reno", "averyveryverylongname"} {
		for _, k := range sorts {
			list = append(list, Scenario{fmt.Sprintf("option/TCP_CONGESTION/%s/%q", k.name, name), func(r *Run) {
				s := k.open(r)
				r.SetOpt(s, level, number, []byte("reno"))
				r.SetOpt(s, level, number, []byte(name))
				for _, size := range []int{16, 4, 0, 20} {
					r.GetOpt(s, level, number, size)
				}
			}})
		}
	}
	return list
}
