package oracle

import "net/netip"

// foundInfo are about control messages that choose a source and an interface, good ones and bad ones, and about which
// complaint comes first: that about the message, about the name, or about the way there.
func foundInfo() (list []Scenario) {
	info6 := func(nic int, from string) []byte {
		ip := netip.MustParseAddr(from).As16()
		return Cmsg(41, 50, append(ip[:], Int(nic)...))
	}
	info4 := func(nic int, from string) []byte {
		return Cmsg(0, 8, append(append(Int(nic), netip.MustParseAddr(from).AsSlice()...), 0, 0, 0, 0))
	}
	for _, k := range sorts {
		if streams(k) {
			continue
		}
		data := []byte("abc")
		if pings(k) {
			data = []byte{echoType(k), 0, 0, 0, 0, 0, 0, 1}
		}
		info, to := info4, []string{"127.0.0.1", "0.0.0.0", Host4, Peer4, "192.0.2.9", "224.0.0.99", "10.77.0.255", "255.255.255.255"}
		from := []string{"0.0.0.0", "127.0.0.1", "127.0.0.2", Host4, "192.0.2.9", "224.0.0.99"}
		bad := []struct {
			name string
			b    []byte
		}{{"hops", Cmsg(0, 2, Int(256))}, {"tos", Cmsg(0, 1, Int(256))}, {"short", Cmsg(0, 8, Int(1))}, {"unknown", Cmsg(0, 99, Int(1))}, {"socket", Cmsg(1, 99, Int(1))}}
		if k.v6() {
			info, to = info6, []string{"::1", "::", Host6, Peer6, "2001:db8::9", "ff02::99", "ff01::1", "fe80::9", "::ffff:127.0.0.1", "::ffff:10.77.0.2", "::ffff:0.0.0.0"}
			from = []string{"::", "::1", Host6, "2001:db8::9", "::ffff:127.0.0.2", "fe80::8", "ff02::99"}
			bad[0].b, bad[1].b, bad[2].b, bad[3].b = Cmsg(41, 52, Int(256)), Cmsg(41, 67, Int(256)), Cmsg(41, 50, Int(1)), Cmsg(41, 99, Int(1))
		}
		for _, dst := range to {
			name := k.at(dst, dst, 4002)
			if raws(k) {
				name = k.at(dst, dst, 0)
			}
			for _, src := range from {
				list = append(list, Scenario{"found/packet-info/" + dst + "/" + src + "/" + k.name, func(r *Run) {
					for nic := range 4 {
						s := k.open(r)
						r.Send(s, data, name, info(nic, src), 0)
						r.Packets()
						r.Connect(s, name)
						r.Send(s, data, nil, info(nic, src), 0)
						r.Packets()
						r.Send(s, data, k.loopback(4001), info(nic, src), 0)
						r.Packets()
						r.Close(s)
					}
				}})
			}
			for _, m := range bad {
				list = append(list, Scenario{"found/control-first/" + m.name + "/" + dst + "/" + k.name, func(r *Run) {
					s := k.open(r)
					r.Send(s, data, name, m.b, 0)
					r.Send(s, data, name[:8], m.b, 0)
					r.Send(s, data, nil, m.b, 0)
					r.Connect(s, name)
					r.Send(s, data, nil, m.b, 0)
					r.Send(s, data, k.loopback(4001), m.b, 0)
					r.Packets()
				}})
			}
		}
	}
	return list
}
