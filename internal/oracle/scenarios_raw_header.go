package oracle

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// atHome is a packet with loopback addresses in the place of the host's and the peer's.
func atHome(b []byte) []byte {
	b = append([]byte(nil), b...)
	host, peer, home, at, n := netip.MustParseAddr(Host4), netip.MustParseAddr(Peer4), netip.MustParseAddr("127.0.0.1"), 12, 4
	if len(b) >= 40 && b[0]>>4 == 6 && b[6] == 253 {
		host, peer, home, at, n = netip.MustParseAddr(Host6), netip.MustParseAddr(Peer6), netip.IPv6Loopback(), 8, 16
	}
	for i := at; i+n <= min(len(b), at+2*n); i += n {
		if a, _ := netip.AddrFromSlice(b[i : i+n]); a == host || a == peer {
			copy(b[i:], home.AsSlice())
		}
	}
	return b
}

// rawHeaderScenarios send packets whose network header is the program's.
func rawHeaderScenarios() (list []Scenario) {
	good4 := func(payload string) []byte {
		b := ip4(Host4, Peer4, 253, []byte(payload))
		b[8], b[1] = 9, 0x48
		binary.BigEndian.PutUint16(b[4:], 0x1234)
		return sum4(b)
	}
	changed := func(f func(b []byte)) []byte {
		b := good4("payload")
		f(b)
		return b
	}
	options := append(good4(""), 1, 1, 1, 0, 'd', 'a', 't', 'a')
	options[0] = 0x46
	for _, c := range []struct {
		name   string
		packet []byte
	}{
		{"good", good4("payload")}, {"no-id", changed(func(b []byte) { b[4], b[5] = 0, 0 })},
		{"no-source", changed(func(b []byte) { clear(b[12:16]) })},
		{"no-checksum", changed(func(b []byte) { b[10], b[11] = 0, 0 })},
		{"wrong-length", changed(func(b []byte) { b[2], b[3] = 9, 9 })},
		{"short-length", changed(func(b []byte) { b[2], b[3] = 0, 21 })},
		{"foreign-source", changed(func(b []byte) { copy(b[12:], []byte{192, 0, 2, 9}) })},
		{"other-destination", changed(func(b []byte) { copy(b[16:], []byte{10, 77, 0, 9}) })},
		{"unroutable-destination", changed(func(b []byte) { copy(b[16:], []byte{192, 0, 2, 9}) })},
		{"group-destination", changed(func(b []byte) { copy(b[16:], []byte{239, 1, 1, 1}) })},
		{"header-16", changed(func(b []byte) { b[0] = 0x44 })}, {"header-beyond", changed(func(b []byte) { b[0] = 0x4f })},
		{"header-0", changed(func(b []byte) { b[0] = 0x40 })},
		{"version-6", changed(func(b []byte) { b[0] = 0x65 })}, {"version-0", changed(func(b []byte) { b[0] = 5 })},
		{"ttl-0", changed(func(b []byte) { b[8] = 0 })}, {"df", changed(func(b []byte) { b[6] = 0x40 })},
		{"df-no-id", changed(func(b []byte) { b[6], b[4], b[5] = 0x40, 0, 0 })},
		{"fragment", changed(func(b []byte) { b[6], b[7] = 0x20, 3 })}, {"reserved-flag", changed(func(b []byte) { b[6] = 0x80 })},
		{"icmp", changed(func(b []byte) { b[9] = 1 })}, {"proto-0", changed(func(b []byte) { b[9] = 0 })},
		{"only-header", good4("")}, {"short", good4("")[:19]}, {"empty", nil},
		{"options", options},
	} {
		for _, name := range []string{"raw4", "raw-header4", "raw-icmp4"} {
			k := rawSort(name)
			list = append(list, Scenario{"raw/header4/" + c.name + "/" + name, func(r *Run) {
				s := k.open(r)
				r.Set(s, ipHdrincl, 1)
				r.Set(s, tcpip.IP_TTL, 77)
				r.Set(s, tcpip.IP_TOS, 0x10)
				r.sendWhole(k, s, c.packet)
			}})
		}
	}
	list = append(list, Scenario{"raw/header4-misrouted", func(r *Run) {
		s := rawSort("raw4").open(r)
		r.Set(s, ipHdrincl, 1)
		r.Send(s, good4("payload"), In4("127.0.0.1", 0), nil, 0)
		r.Recv(s, 100, 0, 0)
	}})
	for _, name := range []string{"raw4", "raw-header4"} {
		k := rawSort(name)
		list = append(list, Scenario{"raw/header4-sizes/" + name, func(r *Run) {
			s := k.open(r)
			r.Set(s, ipHdrincl, 1)
			r.Set(s, tcpip.IP_RECVERR, 1)
			for _, n := range []int{1480, 1500, 1501, 3000, 65535, 65536} {
				for _, df := range []byte{0, 0x40} {
					b := good4("")
					b[6] = df
					b = append(b, make([]byte, n-20)...)
					r.Send(s, b, k.peer(0), nil, 0)
					r.Packets()
					r.Recv(s, 10, 200, linux.MSG_ERRQUEUE)
					if n > 1500 {
						r.Send(s, atHome(b), k.loopback(0), nil, 0)
						r.Recv(s, 10, 0, linux.MSG_TRUNC)
					}
				}
			}
		}}, Scenario{"raw/header4-told/" + name, func(r *Run) {
			for _, df := range []byte{0, 0x40} {
				s := k.open(r)
				r.Set(s, ipHdrincl, 1)
				r.Set(s, tcpip.IP_RECVERR, 1)
				b := append(good4(""), make([]byte, 1380)...)
				b[6] = df
				r.Send(s, b, k.peer(0), nil, 0)
				sent := r.Packets()
				if len(sent) > 0 {
					r.Inject("too big", tooBig(sent[0], 1300))
				}
				r.Recv(s, 100, 200, linux.MSG_ERRQUEUE)
				r.Get(s, linux.SO_ERROR)
				r.Send(s, b, k.peer(0), nil, 0)
				r.Packets()
				r.Recv(s, 100, 200, linux.MSG_ERRQUEUE)
				r.Get(s, linux.SO_ERROR)
			}
		}}, Scenario{"raw/header4-off/" + name, func(r *Run) {
			s := k.open(r)
			for _, v := range []int{1, 0, 2, -1, 0} {
				r.Set(s, ipHdrincl, v)
				r.Get(s, ipHdrincl)
			}
			for _, n := range []int{0, 1, 2, 3, 4, 8} {
				b := make([]byte, n)
				if n > 0 {
					b[0] = 1
				}
				r.SetOpt(s, 0, 3, b)
				r.GetOpt(s, 0, 3, n)
			}
			r.Set(s, ipHdrincl, 0)
			r.Send(s, good4("payload"), k.peer(0), nil, 0)
			r.Bytes()
			r.Inject("some", k.packet([]byte("payload")))
			r.Recv(s, 100, 0, 0)
		}}, Scenario{"raw/header4-broadcast/" + name, func(r *Run) {
			s := k.open(r)
			r.Set(s, ipHdrincl, 1)
			r.Send(s, good4("x"), k.at("10.77.0.255", "::", 0), nil, 0)
			r.Send(s, good4("x"), k.at("255.255.255.255", "::", 0), nil, 0)
			r.Send(s, good4("x"), k.at("239.1.1.1", "::", 0), nil, 0)
			r.Set(s, tcpip.SO_BROADCAST, 1)
			r.Send(s, good4("x"), k.at("10.77.0.255", "::", 0), nil, 0)
			r.Send(s, good4("x"), k.foreign(0), nil, 0)
			r.Bytes()
			r.Send(s, good4("x"), k.peer(0), Cmsg(0, 2, Int(3)), 0)
			r.Send(s, good4("x"), k.peer(0), Cmsg(0, 7, []byte{1, 1, 1, 0}), 0)
			r.Bytes()
		}})
	}
	good6 := func(payload string) []byte {
		b := ip6(Host6, Peer6, 253, []byte(payload))
		b[7] = 9
		return b
	}
	changed6 := func(f func(b []byte)) []byte {
		b := good6("payload")
		f(b)
		return b
	}
	for _, c := range []struct {
		name   string
		packet []byte
	}{
		{"good", good6("payload")}, {"no-source", changed6(func(b []byte) { clear(b[8:24]) })},
		{"foreign-source", changed6(func(b []byte) { b[8] = 0x20 })}, {"wrong-length", changed6(func(b []byte) { b[4] = 9 })},
		{"other-destination", changed6(func(b []byte) { b[39] = 9 })}, {"version-4", changed6(func(b []byte) { b[0] = 0x40 })},
		{"class", changed6(func(b []byte) { b[0], b[1] = 0x64, 0x80 })},
		{"hops-0", changed6(func(b []byte) { b[7] = 0 })}, {"only-header", good6("")}, {"short", good6("")[:39]}, {"empty", nil},
	} {
		for _, name := range []string{"raw6", "raw-header6", "raw-icmp6"} {
			k := rawSort(name)
			list = append(list, Scenario{"raw/header6/" + c.name + "/" + name, func(r *Run) {
				s := k.open(r)
				if name != "raw-header6" {
					r.Set(s, ipv6Hdrincl, 1)
				}
				r.Set(s, tcpip.IPV6_UNICAST_HOPS, 77)
				r.sendWhole(k, s, c.packet)
			}})
		}
	}
	list = append(list, Scenario{"raw/header6-misrouted", func(r *Run) {
		s := rawSort("raw6").open(r)
		r.Set(s, ipv6Hdrincl, 1)
		r.Send(s, good6("payload"), In6("::1", 0), nil, 0)
		r.Recv(s, 100, 0, 0)
	}})
	for _, name := range []string{"raw6", "raw-header6"} {
		k := rawSort(name)
		list = append(list, Scenario{"raw/header6-sizes/" + name, func(r *Run) {
			s := k.open(r)
			r.Set(s, ipv6Hdrincl, 1)
			r.Set(s, tcpip.IPV6_RECVERR, 1)
			for _, n := range []int{1500, 1501, 3000, 65535, 65575} {
				b := append(good6(""), make([]byte, n-40)...)
				binary.BigEndian.PutUint16(b[4:], uint16(n-40))
				r.Send(s, b, k.peer(0), nil, 0)
				r.Packets()
				r.Recv(s, 10, 200, linux.MSG_ERRQUEUE)
			}
			b := append(good6(""), make([]byte, 1360)...)
			binary.BigEndian.PutUint16(b[4:], 1360)
			r.Send(s, b, k.peer(0), nil, 0)
			sent := r.Packets()
			if len(sent) > 0 {
				r.Inject("too big", tooBig(sent[0], 1300))
			}
			r.Recv(s, 100, 200, linux.MSG_ERRQUEUE)
			r.Send(s, b, k.peer(0), nil, 0)
			r.Packets()
			r.Recv(s, 100, 200, linux.MSG_ERRQUEUE)
			r.Get(s, linux.SO_ERROR)
		}}, Scenario{"raw/header6-off/" + name, func(r *Run) {
			s := k.open(r)
			for _, v := range []int{1, 0, 2, -1, 0} {
				r.Set(s, ipv6Hdrincl, v)
				r.Get(s, ipv6Hdrincl)
			}
			for _, n := range []int{0, 1, 2, 3, 4, 8} {
				b := make([]byte, n)
				if n > 0 {
					b[0] = 1
				}
				r.SetOpt(s, 41, 36, b)
				r.GetOpt(s, 41, 36, n)
			}
			r.Set(s, ipv6Hdrincl, 0)
			r.Send(s, good6("payload"), k.peer(0), nil, 0)
			r.Bytes()
			r.Set(s, ipHdrincl, 1)
			r.Get(s, ipHdrincl)
		}})
	}
	for _, name := range []string{"udp4", "udp6", "tcp4", "tcp6", "ping4", "ping6"} {
		k := sortOf(name)
		list = append(list, Scenario{"raw/options-elsewhere/" + name, func(r *Run) {
			s := k.open(r)
			for _, id := range []tcpip.OptionID{ipHdrincl, ipv6Hdrincl, ipv6Checksum, rawChecksum, icmpFilter, icmp6Filter} {
				r.Set(s, id, 1)
				r.Get(s, id)
				r.SetOpt(s, id.Level(), id.Number(), make([]byte, 32))
			}
		}})
	}
	return list
}

// sendWhole sends a packet that has its own header to the peer, to this host, and once more when connected.
func (r *Run) sendWhole(k sort, s int, packet []byte) {
	r.Send(s, packet, k.peer(0), nil, 0)
	r.Bytes()
	r.Send(s, atHome(packet), k.loopback(0), nil, 0)
	r.Recv(s, 100, 0, 0)
	r.Connect(s, k.peer(0))
	r.Send(s, packet, nil, nil, 0)
	r.Bytes()
}
