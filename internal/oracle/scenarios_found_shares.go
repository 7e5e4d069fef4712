package oracle

import (
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
)

// shareScenarios change SO_REUSEADDR and SO_REUSEPORT of a socket that has its port already, and let others ask for it.
func shareScenarios() (list []Scenario) {
	share := func(r *Run, s, what int) {
		r.Set(s, tcpip.SO_REUSEADDR, what&1)
		r.Set(s, tcpip.SO_REUSEPORT, what>>1)
	}
	for _, k := range sorts {
		states := []string{"bound", "connected"}
		switch {
		case streams(k):
			states = append(states, "bound-connected", "listening", "accepted", "accepted-alone", "timewait", "refused")
		case !udps(k):
			continue
		}
		for _, state := range states {
			for old := range 4 {
				for later := range 4 {
					list = append(list, Scenario{fmt.Sprintf("found/share-later/%s/%d-%d/%s", state, old, later, k.name), func(r *Run) {
						for fresh := range 4 {
							port := uint16(4000 + fresh)
							s := k.open(r)
							share(r, s, old)
							at := k.loopback(port)
							switch state {
							case "bound":
								r.Bind(s, at)
							case "bound-connected", "connected", "refused":
								if state != "connected" || !streams(k) {
									r.Bind(s, at)
								}
								if state != "refused" && streams(k) {
									l := k.open(r)
									r.Bind(l, k.loopback(port+1000))
									r.Listen(l, 5)
								}
								r.Connect(s, k.loopback(port+1000))
								r.Poll(s)
								if state == "connected" && streams(k) {
									at = r.Names(s)
								}
							case "listening":
								r.Bind(s, at)
								r.Listen(s, 5)
							default:
								l := s
								r.Bind(l, at)
								r.Listen(l, 5)
								c := k.open(r)
								r.Connect(c, at)
								s = r.Accept(l, 0)
								if state != "accepted" {
									r.Close(l)
								}
								if state == "timewait" {
									share(r, s, later)
									r.Close(s)
									r.Close(c)
								}
							}
							if state != "timewait" {
								share(r, s, later)
							}
							for _, second := range []int{fresh, 0, 1, 2} { // the first may change what others may do
								d := k.open(r)
								share(r, d, second)
								if r.Bind(d, at) == 0 && streams(k) {
									r.Listen(d, 5)
								}
								if second != fresh || udps(k) { // see newest
									r.Close(d)
								}
							}
						}
					}})
				}
			}
		}
	}
	for _, k := range sorts {
		if udps(k) {
			list = append(list, Scenario{"found/share-newest/" + k.name, func(r *Run) {
				s := k.open(r)
				share(r, s, 1)
				r.Bind(s, k.loopback(4000))
				d := k.open(r)
				share(r, d, 3)
				r.Bind(d, k.loopback(4000))
				n := k.open(r)
				share(r, n, 2)
				r.Bind(n, k.loopback(4000))
			}})
		}
	}
	return list
}
