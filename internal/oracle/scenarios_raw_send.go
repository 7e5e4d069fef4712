package oracle

import (
	"fmt"
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// rawChecksumScenarios are about IPV6_CHECKSUM.
func rawChecksumScenarios() (list []Scenario) {
	for _, name := range []string{"raw6", "raw-icmp6", "raw-udp6", "raw-header6"} {
		k := rawSort(name)
		list = append(list, Scenario{"raw/checksum/values/" + name, func(r *Run) {
			s := k.open(r)
			for _, id := range []tcpip.OptionID{ipv6Checksum, rawChecksum} {
				for _, v := range []int{-1, 0, 2, 1, 3, -2, -3, 6, 40, 65535, 1 << 20, 1<<31 - 1, -1 << 31} {
					r.Set(s, id, v)
					r.Get(s, ipv6Checksum)
					r.Get(s, rawChecksum)
				}
				for _, n := range []int{0, 1, 2, 3, 4, 8} {
					r.SetOpt(s, id.Level(), id.Number(), append([]byte{4}, make([]byte, 8)...)[:n])
					r.GetOpt(s, id.Level(), id.Number(), n)
				}
			}
		}})
		for _, offset := range []int{-1, 0, 2, 6, 100} {
			list = append(list, Scenario{fmt.Sprintf("raw/checksum/send%d/%s", offset, name), func(r *Run) {
				s, o := k.open(r), k.open(r)
				r.Bind(o, k.loopback(0))
				r.Set(s, ipv6Checksum, offset)
				for _, n := range []int{0, 1, 2, 3, 7, 8, 9, 100, 101, 102} {
					b := make([]byte, n)
					for i := range b {
						b[i] = byte(200 + i)
					}
					r.Send(s, b, k.peer(0), nil, 0)
					r.Bytes()
					r.Send(s, b, k.loopback(0), nil, 0)
					r.Recv(o, 200, 0, 0)
				}
				b := make([]byte, 3000)
				b[0] = 200
				r.Send(s, b, k.loopback(0), nil, 0)
				r.Recv(o, 10, 0, 0)
				r.Send(s, b, k.peer(0), nil, 0)
				r.Packets()
			}}, Scenario{fmt.Sprintf("raw/checksum/receive%d/%s", offset, name), func(r *Run) {
				s, o := k.open(r), k.open(r)
				r.Set(o, ipv6Checksum, offset)
				for _, n := range []int{0, 1, 7, 8, 100, 102} {
					b := make([]byte, n)
					for i := range b {
						b[i] = byte(200 + i)
					}
					r.Inject("unsummed", k.packet(b))
					r.Recv(s, 200, 0, 0)
					r.Recv(o, 200, 0, 0)
				}
			}})
		}
	}
	return list
}

// rawSendScenarios send to all kinds of addresses, in all sizes, with all flags.
func rawSendScenarios() (list []Scenario) {
	for _, k := range rawSorts {
		payload := []byte("12345678")
		if k.proto == 255 && !k.v6() {
			payload = ip4(Host4, Peer4, 254, payload)
		}
		if k.proto == 255 && k.v6() {
			payload = ip6(Host6, Peer6, 254, payload)
		}
		list = append(list, Scenario{"raw/send/to/" + k.name, func(r *Run) {
			s := k.open(r)
			for _, to := range [][]byte{nil, k.peer(0), k.peer(9), k.peer(uint16(k.proto)), k.peer(300), k.foreign(0), k.any(0), k.loopback(0), k.at(Host4, Host6, 0),
				k.at("10.77.0.255", "ff02::5", 0), k.at("255.255.255.255", "fe80::2", 0), k.at("239.1.1.1", "ff0e::5", 0), k.at("10.77.0.2", "::ffff:10.77.0.2", 0),
				In4(Peer4, 0), In6(Peer6, 0), Unspec(), k.peer(0)[:2], k.peer(0)[:15], k.peer(0)[:16], append(k.peer(0), make([]byte, 200)...),
				append([]byte{0, 0}, k.peer(0)[2:]...)} {
				r.Send(s, payload, to, nil, 0)
				r.Packets()
			}
			r.Connect(s, k.peer(0))
			r.Send(s, payload, nil, nil, 0)
			r.Send(s, payload, k.at("10.77.0.9", "fd77::9", 0), nil, 0)
			r.Send(s, payload, Unspec(), nil, 0)
			r.Packets()
			r.Names(s)
		}}, Scenario{"raw/send/flags/" + k.name, func(r *Run) {
			s := k.open(r)
			r.Connect(s, k.peer(0))
			for _, flags := range []int{linux.MSG_OOB, linux.MSG_DONTWAIT, linux.MSG_DONTROUTE, linux.MSG_NOSIGNAL, linux.MSG_EOR, linux.MSG_ERRQUEUE, linux.MSG_TRUNC, linux.MSG_CTRUNC, 0x10, 0x800} {
				r.Send(s, payload, nil, nil, flags)
				r.Packets()
			}
			r.Inject("some", k.packet(udpBytes(1, 2, "payload")))
			r.Recv(s, 10, 0, linux.MSG_OOB)
			r.Recv(s, 10, 0, linux.MSG_ERRQUEUE)
			r.Recv(s, 10, 0, linux.MSG_WAITALL)
		}}, Scenario{"raw/send/sources/" + k.name, func(r *Run) {
			s := k.open(r)
			r.Bind(s, k.loopback(0))
			r.Send(s, payload, k.peer(0), nil, 0)
			r.Bind(s, k.at(Host4, Host6, 0))
			r.Send(s, payload, k.peer(0), nil, 0)
			r.Send(s, payload, k.loopback(0), nil, 0)
			r.Send(s, payload, k.any(0), nil, 0)
			r.Bind(s, k.at("239.1.1.1", "ff0e::99", 0))
			r.Send(s, payload, k.peer(0), nil, 0)
			r.Packets()
			d := k.open(r)
			r.SetOpt(d, 1, 25, []byte("t0"))
			r.Send(d, payload, k.peer(0), nil, 0)
			r.Send(d, payload, k.foreign(0), nil, 0)
			r.Send(d, payload, k.loopback(0), nil, 0)
			r.Send(d, payload, k.at("239.1.1.1", "ff02::99", 0), nil, 0)
			r.Packets()
		}})
	}
	for _, name := range []string{"raw4", "raw6"} {
		k := rawSort(name)
		list = append(list, Scenario{"raw/send/sizes/" + name, func(r *Run) {
			s, c := k.open(r), k.open(r)
			r.Bind(s, k.loopback(0))
			for _, n := range []int{0, 1, 2, 65495, 65514, 65515, 65516, 65527, 65528, 65535, 65536, 70000} {
				r.Send(c, make([]byte, n), k.loopback(0), nil, 0)
				r.Recv(s, 20, 0, linux.MSG_TRUNC)
			}
		}}, Scenario{"raw/send/truncated/" + name, func(r *Run) {
			s, c := k.open(r), k.open(r)
			r.Bind(s, k.loopback(0))
			for range 5 {
				r.Send(c, []byte("0123456789"), k.loopback(0), nil, 0)
			}
			r.Recv(s, 24, 0, 0)
			r.Recv(s, 4, 0, linux.MSG_TRUNC)
			r.Recv(s, 4, 0, linux.MSG_PEEK|linux.MSG_TRUNC)
			r.Recv(s, 0, 0, linux.MSG_TRUNC)
			r.Recv(s, 0, 0, 0)
			r.Recv(s, 40, 0, linux.MSG_TRUNC)
		}}, Scenario{"raw/send/options/" + name, func(r *Run) {
			s := k.open(r)
			for _, o := range []struct {
				id tcpip.OptionID
				v  int
			}{{tcpip.IP_TOS, 0x48}, {tcpip.IP_TTL, 7}, {tcpip.IP_TTL, -1}, {tcpip.IP_MULTICAST_TTL, 9}, {tcpip.IPV6_TCLASS, 0x48}, {tcpip.IPV6_UNICAST_HOPS, 7},
				{tcpip.IPV6_UNICAST_HOPS, 0}, {tcpip.IPV6_MULTICAST_HOPS, 9}, {tcpip.SO_BROADCAST, 1}, {tcpip.IP_MULTICAST_IF, 2}, {tcpip.IPV6_MULTICAST_IF, 2}} {
				r.Set(s, o.id, o.v)
				for _, to := range [][]byte{k.peer(0), k.at("10.77.0.255", "ff02::99", 0), k.at("239.1.1.1", "ff0e::99", 0)} {
					r.Send(s, []byte("x"), to, nil, 0)
					r.Packets()
				}
			}
		}}, Scenario{"raw/send/sndbuf/" + name, func(r *Run) {
			s := k.open(r)
			r.Set(s, tcpip.SO_SNDBUF, 1)
			r.Send(s, make([]byte, 100), k.peer(0), nil, 0)
			r.Ioctl(s, linux.SIOCOUTQ)
			r.Poll(s)
			r.Packets()
		}}, Scenario{"raw/ioctl/" + name, func(r *Run) {
			s := k.open(r)
			for _, request := range []uint32{linux.FIONREAD, linux.SIOCOUTQ, linux.SIOCATMARK, 0x12345} {
				r.Ioctl(s, request)
			}
			r.Inject("some", k.packet([]byte("payload")))
			r.Inject("some", k.packet([]byte("more payload")))
			r.Ioctl(s, linux.FIONREAD)
			r.Recv(s, 10, 0, 0)
			r.Ioctl(s, linux.FIONREAD)
			r.Poll(s)
			r.Recv(s, 10, 0, 0)
			r.Poll(s)
		}})
		for _, c := range sendControls() {
			list = append(list, Scenario{"raw/send-control/" + c.name + "/" + name, func(r *Run) {
				s := k.open(r)
				for _, id := range received {
					r.Set(s, id, 1)
				}
				r.Bind(s, k.loopback(0))
				d := k.open(r)
				r.Send(d, []byte("x"), k.loopback(0), c.control, 0)
				r.Recv(s, 100, 300, 0)
				r.Send(d, []byte("x"), k.peer(0), c.control, 0)
				r.Packets()
			}})
		}
	}
	return list
}

type sendControl struct {
	name    string
	control []byte
}

// sendControls are control messages for sending, well and badly formed.
func sendControls() []sendControl {
	info4 := func(nic int, a string) []byte {
		ip := netip.MustParseAddr(a).As4()
		return append(append(Int(nic), ip[:]...), 0, 0, 0, 0)
	}
	info6 := func(nic int, a string) []byte {
		ip := netip.MustParseAddr(a).As16()
		return append(ip[:], Int(nic)...)
	}
	return []sendControl{
		{"ttl", Cmsg(0, 2, Int(7))}, {"ttl-0", Cmsg(0, 2, Int(0))}, {"ttl-256", Cmsg(0, 2, Int(256))},
		{"tos", Cmsg(0, 1, Int(0x44))}, {"tos-byte", Cmsg(0, 1, []byte{0x44})}, {"tos-256", Cmsg(0, 1, Int(256))},
		{"info4", Cmsg(0, 8, info4(0, "127.0.0.2"))}, {"info4-nic", Cmsg(0, 8, info4(1, "0.0.0.0"))},
		{"info4-host", Cmsg(0, 8, info4(0, Host4))}, {"info4-foreign", Cmsg(0, 8, info4(0, "192.0.2.9"))},
		{"info4-no-nic", Cmsg(0, 8, info4(9, "0.0.0.0"))}, {"info4-group", Cmsg(0, 8, info4(0, "224.0.0.9"))},
		{"info4-short", Cmsg(0, 8, make([]byte, 11))},
		{"info6", Cmsg(41, 50, info6(0, "::1"))}, {"info6-nic", Cmsg(41, 50, info6(1, "::"))}, {"info6-host", Cmsg(41, 50, info6(0, Host6))},
		{"info6-foreign", Cmsg(41, 50, info6(0, "2001:db8::9"))}, {"info6-no-nic", Cmsg(41, 50, info6(9, "::"))},
		{"hops", Cmsg(41, 52, Int(7))}, {"hops-default", Cmsg(41, 52, Int(-1))}, {"hops-256", Cmsg(41, 52, Int(256))},
		{"class", Cmsg(41, 67, Int(0x44))}, {"class-default", Cmsg(41, 67, Int(-1))},
		{"unknown-ip", Cmsg(0, 99, Int(1))}, {"unknown-ip6", Cmsg(41, 99, Int(1))}, {"unknown-level", Cmsg(99, 1, Int(1))},
		{"bad-length", append(Int(5), make([]byte, 20)...)},
		{"two", append(Cmsg(0, 2, Int(9)), Cmsg(0, 1, Int(0x40))...)}, {"two-6", append(Cmsg(41, 52, Int(9)), Cmsg(41, 67, Int(0x40))...)},
	}
}
