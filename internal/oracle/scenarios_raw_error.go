package oracle

import (
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// rawErrorScenarios tell sockets of ICMP errors about what they, and others, have sent.
func rawErrorScenarios() (list []Scenario) {
	for _, k := range []sort{rawSort("raw4"), rawSort("raw6"), rawSort("raw-udp4"), rawSort("raw-udp6"), rawSort("raw-icmp4"), rawSort("raw-icmp6")} {
		for _, e := range icmpErrors(k) {
			for _, how := range []string{"plain", "connected", "recverr", "both", "header"} {
				if how == "header" && e.name != "port" && e.name != "hops" {
					continue
				}
				list = append(list, Scenario{"raw/error/" + e.name + "/" + how + "/" + k.name, func(r *Run) {
					s := k.open(r)
					payload := append([]byte{k.code(8, 128), 0}, udpBytes(4000, 4999, "payload")[2:]...)
					if how == "recverr" || how == "both" || how == "header" {
						r.Set(s, tcpip.IP_RECVERR, 1)
						r.Set(s, tcpip.IPV6_RECVERR, 1)
					}
					if how == "connected" || how == "both" {
						r.Connect(s, k.peer(0))
					}
					if how == "header" {
						r.Set(s, ipHdrincl, 1)
						r.Set(s, ipv6Hdrincl, 1)
						if k.v6() {
							payload = ip6(Host6, Peer6, byte(k.proto), payload)
						} else {
							payload = ip4(Host4, Peer4, byte(k.proto), payload)
						}
					}
					r.Send(s, payload, k.peer(0), nil, 0)
					sent := r.Packets()
					if len(sent) == 0 {
						return
					}
					r.Inject(e.name, k.icmpTo(e.typ, e.code, e.rest, quote(sent[0])))
					r.Poll(s)
					r.Recv(s, 100, 200, linux.MSG_ERRQUEUE)
					r.Get(s, linux.SO_ERROR)
					r.Recv(s, 2, 0, 0)
					r.Send(s, payload, k.peer(0), nil, 0)
					r.Packets()
				}})
			}
		}
	}
	for _, name := range []string{"raw-udp4", "raw-udp6"} {
		k := rawSort(name)
		udp := sortOf(k.pick("udp4", "udp6"))
		list = append(list, Scenario{"raw/error-elsewhere/" + name, func(r *Run) {
			all := []int{k.open(r), k.open(r), k.open(r), k.open(r)}
			for _, s := range all {
				r.Set(s, tcpip.IP_RECVERR, 1)
				r.Set(s, tcpip.IPV6_RECVERR, 1)
			}
			r.Connect(all[1], k.peer(0))
			r.Connect(all[2], k.at("10.77.0.9", "fd77::9", 0))
			r.Bind(all[3], k.loopback(0))
			u := udp.open(r)
			r.Send(u, []byte("payload"), udp.peer(4999), nil, 0)
			sent := r.Packets()
			r.Inject("unreachable", k.icmpTo(k.code(3, 1), k.code(3, 4), 0, quote(sent[0])))
			for _, s := range all {
				r.Poll(s)
				r.Recv(s, 0, 200, linux.MSG_ERRQUEUE)
			}
		}})
	}
	return list
}

type icmpError struct {
	name      string
	typ, code byte
	rest      uint32
}

// icmpErrors are the errors that there are in a family.
func icmpErrors(k sort) []icmpError {
	if k.v6() {
		return []icmpError{{"no-route", 1, 0, 0}, {"prohibited", 1, 1, 0}, {"scope", 1, 2, 0}, {"address", 1, 3, 0}, {"port", 1, 4, 0}, {"policy", 1, 5, 0},
			{"reject", 1, 6, 0}, {"unknown-code", 1, 99, 0}, {"too-big", 2, 0, 1300}, {"hops", 3, 0, 0}, {"reassembly", 3, 1, 0}, {"parameter", 4, 0, 6},
			{"next-header", 4, 1, 6}, {"option", 4, 2, 40}}
	}
	return []icmpError{{"net", 3, 0, 0}, {"host", 3, 1, 0}, {"protocol", 3, 2, 0}, {"port", 3, 3, 0}, {"too-big", 3, 4, 1300}, {"source-route", 3, 5, 0},
		{"isolated", 3, 8, 0}, {"prohibited", 3, 13, 0}, {"unknown-code", 3, 99, 0}, {"quench", 4, 0, 0}, {"redirect", 5, 1, 0x0a4d0009}, {"hops", 11, 0, 0},
		{"reassembly", 11, 1, 0}, {"parameter", 12, 0, 6 << 24}}
}
