package slaac

import (
	"slices"

	"github.com/seed963a8790/netstack/tcpip"
	"net/netip"
)

// dnsServer is a server with the end of its lifetime.
type dnsServer struct {
	addr  netip.Addr
	until tcpip.Time
}

// resolve takes in the DNS servers of an advertisement (RFC 8106 §5.3.1). When there are too many, the one that
// expires first makes room (§6.1).
func (h *Host) resolve(now tcpip.Time, servers []Server) {
	changed := false
	for _, s := range servers {
		n := dnsServer{s.Addr, until(now, s.Lifetime)}
		i := slices.IndexFunc(h.servers, func(o dnsServer) bool { return o.addr == n.addr })
		switch {
		case i < 0 && n.until <= now:
		case i < 0:
			if len(h.servers) >= MaxServers {
				first := 0
				for j := range h.servers {
					if h.servers[j].until < h.servers[first].until {
						first = j
					}
				}
				if h.servers[first].until > n.until {
					continue
				}
				h.servers = slices.Delete(h.servers, first, first+1)
			}
			h.servers = append(h.servers, n)
			changed = true
		case n.until <= now:
			h.servers = slices.Delete(h.servers, i, i+1)
			changed = true
		default:
			h.servers[i] = n
		}
	}
	if changed {
		h.do(Action{Kind: NewServers})
	}
}

func (h *Host) advanceServers(now tcpip.Time) {
	n := len(h.servers)
	h.servers = slices.DeleteFunc(h.servers, func(s dnsServer) bool { return s.until <= now })
	if len(h.servers) != n {
		h.do(Action{Kind: NewServers})
	}
}

// Servers returns the DNS servers that hold, in the order in which they were heard of.
func (h *Host) Servers() []netip.Addr {
	var list []netip.Addr
	for _, s := range h.servers {
		list = append(list, s.addr)
	}
	return list
}
