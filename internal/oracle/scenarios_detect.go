package oracle

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"

	"github.com/seed963a8790/netstack/tcpip"
)

// solicits returns the target of a neighbour solicitation and its whole message, nil for any other frame.
func solicits(b []byte) (target string, message []byte) {
	if len(b) < 78 || b[12] != 0x86 || b[13] != 0xdd || b[20] != 58 || b[54] != 135 {
		return "", nil
	}
	return netip.AddrFrom16([16]byte(b[62:78])).String(), b[54:]
}

// Discovered logs the neighbour discovery that e0 has sent: who asks or tells whom, of what, with which options. It returns
// the last question. What is told unasked is left out if it is not asked for: Linux does so if net.ipv6.conf.*.ndisc_notify is set.
func (r *Run) Discovered(unasked bool) (probe []byte) {
	for _, b := range r.sockets.SentOther() {
		if len(b) < 78 || b[12] != 0x86 || b[13] != 0xdd || b[20] != 58 || b[54] != 135 && b[54] != 136 {
			continue
		}
		if b[54] == 136 && !unasked {
			continue
		}
		var options []string
		for o := b[78:]; len(o) >= 8 && o[1] != 0; o = o[min(8*int(o[1]), len(o)):] {
			if o[0] == 14 { // a nonce
				options = append(options, fmt.Sprint("nonce of ", 8*int(o[1])-2))
				continue
			}
			options = append(options, fmt.Sprintf("%x", o[:min(8*int(o[1]), len(o))]))
		}
		r.logf("sent to station %x: %v > %v hops %d, type %d flags %#x of %v, options %s", b[:6], netip.AddrFrom16([16]byte(b[22:38])),
			netip.AddrFrom16([16]byte(b[38:54])), b[21], b[54], b[58], netip.AddrFrom16([16]byte(b[62:78])), strings.Join(options, ", "))
		if b[54] == 135 {
			probe = bytes.Clone(b)
		}
	}
	return probe
}

// Probe waits for the first solicitation of e0.
func (r *Run) Probe() (probe []byte) {
	for range 60 {
		r.sockets.Pass(25)
		if probe = r.Discovered(false); probe != nil {
			break
		}
	}
	return probe
}

// detectScenarios are about duplicate addresses and about what neighbours ask.
func detectScenarios() (list []Scenario) {
	const made, prefix = "2001:db8:5::ff:fe00:1", "2001:db8:5::/64"
	group := tcpip.LinkAddr{0x33, 0x33, 0xff, 0, 0, 1}
	add := func(name string, do func(r *Run)) {
		list = append(list, Scenario{"router/detect/" + name, func(r *Run) {
			r.sockets.Autoconfigure(false, true)
			r.Addresses()
			do(r)
		}})
	}
	advertise := func(r *Run) []byte {
		r.sockets.SentOther()
		r.logf("arrives: a prefix")
		r.sockets.InjectOther(advert{lifetime: 1800, options: [][]byte{prefixInfo(prefix, onLink|autonomous, 7200, 3600)}}.frame())
		r.sockets.Settle()
		return r.Probe()
	}
	target := func(a string) []byte { return netip.MustParseAddr(a).AsSlice() }
	later := func(r *Run) {
		r.sockets.Pass(1200)
		r.Discovered(false)
		r.Addresses()
	}
	add("unique", func(r *Run) {
		advertise(r)
		r.Addresses()
		later(r)
	})
	add("told", func(r *Run) {
		advertise(r)
		m := append(append([]byte{136, 0, 0, 0, 0x20, 0, 0, 0}, target(made)...), 2, 1, 2, 0, 0, 0, 0, 9)
		r.Neighbourly("an advertisement of it", neighbourly(made, "ff02::1", stationB, everybody, 255, m))
		r.Addresses()
		later(r)
	})
	add("told-again", func(r *Run) {
		advertise(r)
		m := append(append([]byte{136, 0, 0, 0, 0x20, 0, 0, 0}, target(made)...), 2, 1, 2, 0, 0, 0, 0, 9)
		r.Neighbourly("an advertisement of it", neighbourly(made, "ff02::1", stationB, everybody, 255, m))
		r.Advertise("the prefix again", advert{lifetime: 1800, options: [][]byte{prefixInfo(prefix, onLink|autonomous, 7200, 3600)}})
		r.Addresses()
	})
	for _, c := range []struct {
		name string
		more []byte
	}{{"asked", nil}, {"asked-nonce", []byte{14, 1, 1, 2, 3, 4, 5, 6}}} {
		add(c.name, func(r *Run) {
			advertise(r)
			m := append(append([]byte{135, 0, 0, 0, 0, 0, 0, 0}, target(made)...), c.more...)
			r.Neighbourly("another's question", neighbourly("::", "ff02::1:ff00:1", stationB, group, 255, m))
			r.Addresses()
			later(r)
		})
	}
	add("echo", func(r *Run) {
		probe := advertise(r)
		if _, m := solicits(probe); m != nil {
			r.Neighbourly("its own question, come back", neighbourly("::", "ff02::1:ff00:1", stationB, group, 255, bytes.Clone(m)))
		}
		r.Addresses()
		later(r)
	})
	add("bad-hops", func(r *Run) {
		advertise(r)
		m := append([]byte{136, 0, 0, 0, 0x20, 0, 0, 0}, target(made)...)
		r.Neighbourly("an advertisement from afar", neighbourly(made, "ff02::1", stationB, everybody, 254, m))
		later(r)
	})
	add("defended", func(r *Run) {
		advertise(r)
		later(r)
		m := append(append([]byte{135, 0, 0, 0, 0, 0, 0, 0}, target(made)...), 14, 1, 1, 2, 3, 4, 5, 6)
		r.Neighbourly("another's question", neighbourly("::", "ff02::1:ff00:1", stationB, group, 255, m))
		r.Discovered(true)
		r.Addresses()
	})
	add("neighbour", func(r *Run) {
		advertise(r)
		later(r)
		link := []byte{1, 1, stationB[0], stationB[1], stationB[2], stationB[3], stationB[4], stationB[5]}
		for _, q := range []struct {
			what, from, to, of string
			dst                tcpip.LinkAddr
			more               []byte
		}{
			{"a question", routerB, "ff02::1:ff00:1", made, group, link},
			{"a question of another", routerB, "ff02::1:ff00:1", "2001:db8:5::ff:fe00:2", group, link},
			{"a question of the link-local address", routerB, "ff02::1:ff00:1", "fe80::ff:fe00:1", group, link},
			{"a question of a group", routerB, "ff02::1:ff00:1", "ff02::1", group, link},
		} {
			m := append(append([]byte{135, 0, 0, 0, 0, 0, 0, 0}, target(q.of)...), q.more...)
			r.Neighbourly(q.what, neighbourly(q.from, q.to, stationB, q.dst, 255, m))
			r.Discovered(true)
		}
	})
	add("alone", func(r *Run) { // to the host, not to a group
		advertise(r)
		later(r)
		for _, more := range [][]byte{{1, 1, stationB[0], stationB[1], stationB[2], stationB[3], stationB[4], stationB[5]}, nil} {
			m := append(append([]byte{135, 0, 0, 0, 0, 0, 0, 0}, target(made)...), more...)
			r.Neighbourly("a question", neighbourly(routerB, made, stationB, ethernetHost, 255, m))
			r.Discovered(true)
		}
	})
	return list
}
