package oracle

import (
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip"
)

// rawMatchScenarios send to addresses that a socket matches, or does not.
func rawMatchScenarios() (list []Scenario) {
	for _, name := range []string{"raw4", "raw6"} {
		k := rawSort(name)
		to := func(v4, v6 string) []byte {
			if k.v6() {
				return ip6(Peer6, v6, 253, []byte("payload"))
			}
			return ip4(Peer4, v4, 253, []byte("payload"))
		}
		for _, c := range []struct {
			name string
			make func(*Run, int)
		}{
			{"wildcard", func(*Run, int) {}},
			{"host", func(r *Run, s int) { r.Bind(s, k.at(Host4, Host6, 0)) }},
			{"group", func(r *Run, s int) { r.Bind(s, k.at("224.0.0.1", "ff0e::1", 0)) }},
			{"joined", func(r *Run, s int) { k.join(r, s) }},
			{"joined-bound", func(r *Run, s int) { k.join(r, s); r.Bind(s, k.at("239.1.1.1", "ff0e::99", 0)) }},
			{"joined-elsewhere", func(r *Run, s int) { o := k.open(r); k.join(r, o) }},
			{"joined-elsewhere-own", func(r *Run, s int) {
				o := k.open(r)
				k.join(r, o)
				r.Set(s, tcpip.IP_MULTICAST_ALL, 0)
				r.Set(s, tcpip.IPV6_MULTICAST_ALL, 0)
			}},
			{"broadcast", func(r *Run, s int) { r.Bind(s, k.at("10.77.0.255", "::", 0)) }},
			{"connected", func(r *Run, s int) { r.Connect(s, k.peer(0)) }},
			{"connected-other", func(r *Run, s int) { r.Connect(s, k.at("10.77.0.9", "fd77::9", 0)) }},
			{"device", func(r *Run, s int) { r.SetOpt(s, 1, 25, []byte("t0")) }},
			{"other-device", func(r *Run, s int) { r.SetOpt(s, 1, 25, []byte("lo")) }},
		} {
			list = append(list, Scenario{"raw/match/" + c.name + "/" + name, func(r *Run) {
				s := k.open(r)
				c.make(r, s)
				for _, d := range []struct{ v4, v6 string }{{Host4, Host6}, {"224.0.0.1", "ff02::1"}, {"239.1.1.1", "ff0e::99"}, {"239.9.9.9", "ff0e::9"},
					{"10.77.0.255", "ff01::1"}, {"255.255.255.255", "ff0e::1"}, {"10.77.0.99", "fd77::99"}, {"127.0.0.1", "::1"}} {
					r.Inject(k.pick(d.v4, d.v6), to(d.v4, d.v6))
					r.Recv(s, 100, 0, 0)
				}
			}})
		}
	}
	return list
}

func (k sort) pick(v4, v6 string) string {
	if k.v6() {
		return v6
	}
	return v4
}

// join joins a group on t0.
func (k sort) join(r *Run, s int) {
	if k.v6() {
		a := netip.MustParseAddr("ff0e::99").As16()
		r.SetOpt(s, 41, 20, append(a[:], Int(2)...))
		return
	}
	r.SetOpt(s, 0, 35, append([]byte{239, 1, 1, 1, 0, 0, 0, 0}, Int(2)...))
}
