package oracle

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/seed963a8790/netstack/internal/checksum"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// rawSorts are raw sockets of several protocols; the first two are among sorts, too.
var rawSorts = []sort{
	{"raw4", linux.AF_INET, linux.SOCK_RAW, 253},
	{"raw6", linux.AF_INET6, linux.SOCK_RAW, 253},
	{"raw-icmp4", linux.AF_INET, linux.SOCK_RAW, linux.IPPROTO_ICMP},
	{"raw-icmp6", linux.AF_INET6, linux.SOCK_RAW, linux.IPPROTO_ICMPV6},
	{"raw-udp4", linux.AF_INET, linux.SOCK_RAW, linux.IPPROTO_UDP},
	{"raw-udp6", linux.AF_INET6, linux.SOCK_RAW, linux.IPPROTO_UDP},
	{"raw-header4", linux.AF_INET, linux.SOCK_RAW, 255},
	{"raw-header6", linux.AF_INET6, linux.SOCK_RAW, 255},
}

func raws(k sort) bool { return k.typ == linux.SOCK_RAW }

func rawSort(name string) sort {
	for _, k := range rawSorts {
		if k.name == name {
			return k
		}
	}
	panic("oracle: no raw sort is named " + name)
}

const (
	ipHdrincl    tcpip.OptionID = linux.IPPROTO_IP<<16 | 3
	icmpFilter   tcpip.OptionID = 255<<16 | 1
	icmp6Filter  tcpip.OptionID = linux.IPPROTO_ICMPV6<<16 | 1
	ipv6Checksum tcpip.OptionID = linux.IPPROTO_IPV6<<16 | 7
	ipv6Hdrincl  tcpip.OptionID = linux.IPPROTO_IPV6<<16 | 36
	rawChecksum  tcpip.OptionID = 255<<16 | 7
)

// ip4 and ip6 are packets; an IPv4 one has its checksum.
func ip4(from, to string, proto byte, payload []byte) []byte {
	b := make([]byte, 20, 20+len(payload))
	b[0], b[8], b[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(payload)))
	copy(b[12:], netip.MustParseAddr(from).AsSlice())
	copy(b[16:], netip.MustParseAddr(to).AsSlice())
	return sum4(append(b, payload...))
}

// sum4 makes the header's checksum right.
func sum4(b []byte) []byte {
	b[10], b[11] = 0, 0
	binary.BigEndian.PutUint16(b[10:], checksum.Partial{}.Add(b[:int(b[0]&15)*4]).Checksum())
	return b
}

func ip6(from, to string, proto byte, payload []byte) []byte {
	b := make([]byte, 40, 40+len(payload))
	b[0], b[6], b[7] = 0x60, proto, 64
	binary.BigEndian.PutUint16(b[4:], uint16(len(payload)))
	copy(b[8:], netip.MustParseAddr(from).AsSlice())
	copy(b[24:], netip.MustParseAddr(to).AsSlice())
	return append(b, payload...)
}

// packet is a packet of the sort's protocol from the peer to the host.
func (k sort) packet(payload []byte) []byte { return k.from(Peer4, Peer6, payload) }

func (k sort) from(v4, v6 string, payload []byte) []byte {
	if k.v6() {
		return ip6(v6, Host6, byte(k.proto), payload)
	}
	return ip4(v4, Host4, byte(k.proto), payload)
}

// icmpTo is an ICMP message of type t and code c from the peer, with the rest of its header and a payload.
func (k sort) icmpTo(t, c byte, rest uint32, payload []byte) []byte {
	m := append(binary.BigEndian.AppendUint32([]byte{t, c, 0, 0}, rest), payload...)
	if k.v6() {
		return icmp6("fd77::2", m)
	}
	return icmp4("10.77.0.2", m)
}

// quote is what an ICMP error quotes of a packet.
func quote(b []byte) []byte {
	if b[0]>>4 == 4 {
		return b[:min(len(b), 28)]
	}
	return b[:min(len(b), 1200)]
}

func udpBytes(from, to uint16, payload string) []byte {
	b := binary.BigEndian.AppendUint16(nil, from)
	b = binary.BigEndian.AppendUint16(b, to)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	return append(append(b, 0, 0), payload...)
}

// Bytes logs what has left in full, but for an identification that the kernel chose.
func (r *Run) Bytes() {
	sent := r.sockets.Sent()
	for _, b := range sent {
		b = append([]byte(nil), b...)
		if b[0]>>4 == 6 && len(b) > 48 && b[6] == 44 {
			clear(b[44:48])
		}
		if b[0]>>4 == 6 && b[6] == 0 {
			continue
		}
		if b[0]>>4 == 6 {
			b[1], b[2], b[3] = b[1]&0xf0, 0, 0
		}
		what := ""
		if b[0]>>4 == 4 && len(b) >= 20 {
			what = " id 0"
			if n := int(b[0]&15) * 4; n >= 20 && n <= len(b) && (checksum.Partial{}.Add(b[:n]).Checksum() != 0) {
				what += " checksum wrong"
			}
			if id := binary.BigEndian.Uint16(b[4:]); id == 0x1234 {
				what = " id 0x1234" + what[5:]
			} else if id != 0 && b[6]&0x40 == 0 { // with DF it means nothing (RFC 6864 §4.1)
				what = " id other" + what[5:]
			}
			b[4], b[5], b[10], b[11] = 0, 0, 0, 0
		}
		if len(b) > 128 {
			r.logf("sent %d bytes: %x...%s", len(b), b[:64], what)
		} else {
			r.logf("sent %x%s", b, what)
		}
	}
	if len(sent) == 0 {
		r.logf("sent no bytes")
	}
}

func rawScenarios() (list []Scenario) {
	for _, f := range []func() []Scenario{rawSocketScenarios, rawReceiveScenarios, rawMatchScenarios, rawICMPScenarios, rawHeaderScenarios,
		rawChecksumScenarios, rawSendScenarios, rawErrorScenarios, rawMTUScenarios, rawFilterScenarios} {
		list = append(list, f()...)
	}
	return list
}

// rawSocketScenarios make sockets, and show their names.
func rawSocketScenarios() (list []Scenario) {
	for _, family := range []int{linux.AF_INET, linux.AF_INET6} {
		list = append(list, Scenario{fmt.Sprint("raw/socket/", family), func(r *Run) {
			for _, proto := range []int{0, 1, 2, 4, 6, 17, 41, 47, 50, 58, 89, 103, 132, 253, 254, 255, 256, 261, 262, 263, 1000, -1} {
				s := r.Socket(family, linux.SOCK_RAW, proto)
				if s >= 0 {
					r.Names(s)
					r.Poll(s)
					r.Get(s, linux.SO_PROTOCOL)
					r.Get(s, linux.SO_TYPE)
					r.Get(s, ipHdrincl)
					r.Get(s, ipv6Hdrincl)
					r.Get(s, ipv6Checksum)
				}
			}
		}})
	}
	for _, k := range rawSorts {
		list = append(list, Scenario{"raw/names/" + k.name, func(r *Run) {
			s := k.open(r)
			r.Names(s)
			r.Bind(s, k.loopback(4000))
			r.Names(s)
			r.Bind(s, k.loopback(0))
			r.Names(s)
			r.Bind(s, k.any(7))
			r.Names(s)
			r.Connect(s, k.loopback(0))
			r.Names(s)
			r.Bind(s, k.loopback(0))
			r.Connect(s, k.loopback(4000))
			r.Names(s)
			r.PeerName(s, 16)
			r.PeerName(s, 28)
			r.Connect(s, k.peer(9))
			r.Names(s)
			r.Connect(s, Unspec())
			r.Names(s)
			r.Bind(s, k.loopback(4000))
			r.Names(s)
			r.Connect(s, Unspec())
			r.Names(s)
		}}, Scenario{"raw/binds/" + k.name, func(r *Run) {
			for _, b := range [][]byte{k.foreign(0), k.at("224.0.0.5", "ff02::5", 0), k.at("239.1.2.3", "ff0e::5", 0), k.at("10.77.0.255", "ff01::1", 0), k.at("255.255.255.255", "fe80::1", 0),
				k.at("127.9.9.9", "::ffff:127.0.0.1", 0), k.at(Host4, Host6, 0), k.at("0.0.0.0", "::ffff:0.0.0.0", 0)} {
				s := k.open(r)
				r.Bind(s, b)
				r.Names(s)
				r.Connect(s, k.peer(0))
				r.Names(s)
			}
			s := k.open(r)
			for _, n := range []int{0, 1, 2, 15, 16, 23, 24, 27, 28} {
				if b := k.loopback(4200); n <= len(b) {
					r.Bind(s, b[:n])
				}
			}
			r.Bind(s, append(k.loopback(0), make([]byte, 10)...))
			r.Bind(s, Unspec())
			r.Bind(s, In4("127.0.0.1", 0))
			r.Bind(s, In4("0.0.0.0", 0))
			r.Bind(s, In6("::1", 0))
			r.Bind(s, append([]byte{0, 0}, k.loopback(0)[2:]...))
			r.Names(s)
			f := k.open(r)
			r.Set(f, tcpip.IP_FREEBIND, 1)
			r.Bind(f, k.foreign(0))
			r.Names(f)
			d := k.open(r)
			r.SetOpt(d, 1, 25, []byte("t0"))
			r.Bind(d, k.loopback(0))
			r.Names(d)
		}}, Scenario{"raw/connects/" + k.name, func(r *Run) {
			s := k.open(r)
			for _, b := range [][]byte{k.foreign(0), k.at("224.0.0.5", "ff02::5", 0), k.at("239.1.2.3", "ff0e::5", 0), k.at("10.77.0.255", "ff01::1", 0), k.at("255.255.255.255", "fe80::1", 0),
				k.at("127.9.9.9", "::ffff:127.0.0.1", 0), k.at(Host4, Host6, 0), k.any(0), k.at("0.0.0.0", "::ffff:0.0.0.0", 0), k.peer(0), k.peer(5)} {
				r.Connect(s, b)
				r.Names(s)
			}
			for _, n := range []int{0, 1, 2, 15, 16, 23, 24, 27, 28} {
				if b := k.peer(4200); n <= len(b) {
					r.Connect(s, b[:n])
				}
			}
			r.Connect(s, In4("127.0.0.1", 0))
			r.Connect(s, In6("::1", 0))
			r.Names(s)
			r.Connect(s, Unspec()[:2])
			r.Names(s)
		}}, Scenario{"raw/disconnected-receives/" + k.name, func(r *Run) {
			s := k.open(r)
			r.Inject("one", k.packet(udpBytes(1, 2, "payload")))
			r.Poll(s)
			r.Recv(s, 100, 100, 0)
			r.Connect(s, k.peer(0))
			r.Inject("two", k.packet(udpBytes(1, 2, "payload")))
			r.Recv(s, 100, 100, 0)
			r.Connect(s, Unspec())
			r.Names(s)
			r.Inject("three", k.packet(udpBytes(1, 2, "payload")))
			r.Recv(s, 100, 100, 0)
			r.Send(s, []byte("12345678"), k.peer(0), nil, 0)
			r.Packets()
			r.Bind(s, k.at(Host4, Host6, 0))
			r.Names(s)
			r.Inject("four", k.packet(udpBytes(1, 2, "payload")))
			r.Recv(s, 100, 100, 0)
			r.Connect(s, k.peer(0))
			r.Inject("five", k.packet(udpBytes(1, 2, "payload")))
			r.Recv(s, 100, 100, 0)
			r.Names(s)
		}}, Scenario{"raw/shutdown/" + k.name, func(r *Run) {
			s := k.open(r)
			r.Shutdown(s, linux.SHUT_RD)
			r.Inject("one", k.packet(udpBytes(1, 2, "payload")))
			r.Poll(s)
			r.Recv(s, 100, 0, 0)
			r.Recv(s, 100, 0, 0)
			r.Connect(s, k.peer(0))
			r.Shutdown(s, linux.SHUT_WR)
			r.Poll(s)
			r.Send(s, []byte("12345678"), nil, nil, 0)
			r.Packets()
			r.Shutdown(s, linux.SHUT_RDWR)
			r.Poll(s)
			r.Inject("two", k.packet(udpBytes(1, 2, "payload")))
			r.Recv(s, 100, 0, 0)
			r.Recv(s, 100, 0, 0)
		}})
	}
	return list
}

// rawReceiveScenarios show what arrives, in which form, and where else.
func rawReceiveScenarios() (list []Scenario) {
	for _, k := range rawSorts {
		list = append(list, Scenario{"raw/receive/" + k.name, func(r *Run) {
			s, o := k.open(r), k.open(r)
			r.Bind(s, k.loopback(0))
			r.Bind(o, k.at(Host4, Host6, 0))
			w := k.open(r)
			r.Inject("to the host", k.packet(udpBytes(4000, 4999, "payload")))
			for _, fd := range []int{s, o, w} {
				r.Poll(fd)
				r.Ioctl(fd, linux.FIONREAD)
				r.Recv(fd, 8, 100, linux.MSG_PEEK)
				r.Recv(fd, 8, 100, linux.MSG_PEEK|linux.MSG_TRUNC)
				r.Recv(fd, 100, 100, 0)
				r.Recv(fd, 100, 100, 0)
			}
			r.Packets()
		}}, Scenario{"raw/control/" + k.name, func(r *Run) {
			s := k.open(r)
			for _, id := range append([]tcpip.OptionID{tcpip.SO_TIMESTAMP}, received...) {
				r.Set(s, id, 1)
			}
			for _, room := range []int{300, 20, 0} {
				b := k.packet(udpBytes(4000, 4999, "payload"))
				if k.v6() {
					b[0], b[1], b[7] = 0x64, 0x80, 9
				} else {
					b[1], b[8] = 0x48, 9
					sum4(b)
				}
				r.Inject("marked", b)
				r.Recv(s, 100, room, 0)
			}
			r.Packets()
		}}, Scenario{"raw/loop/" + k.name, func(r *Run) {
			s, c := k.open(r), k.open(r)
			r.Bind(s, k.loopback(0))
			payload := append([]byte{200, 0, 0, 0, 0, 0, 0, 0}, "payload"...)
			if k.proto == 255 {
				payload = ip4("127.0.0.1", "127.0.0.1", 255, payload)
				if k.v6() {
					payload = ip6("::1", "::1", 255, payload[20:])
				}
			}
			r.Send(c, payload, k.loopback(0), nil, 0)
			r.Recv(s, 100, 100, 0)
			r.Recv(c, 100, 100, 0)
			r.Ioctl(c, linux.SIOCOUTQ)
		}})
	}
	for _, name := range []string{"raw4", "raw6"} {
		k := rawSort(name)
		host := k.at(Host4, Host6, 0)
		list = append(list, Scenario{"raw/unreachable/" + name, func(r *Run) {
			r.Inject("nobody", k.packet([]byte("payload")))
			r.Packets()
			s := k.open(r)
			r.Bind(s, k.loopback(0))
			r.Inject("another address", k.packet([]byte("payload")))
			r.Packets()
		}}, Scenario{"raw/unreachable-taken/" + name, func(r *Run) {
			s := k.open(r)
			r.Inject("taken", k.packet([]byte("payload")))
			r.Packets()
			r.Connect(s, k.peer(0))
			r.Inject("taken", k.packet([]byte("payload")))
			r.Packets()
		}}, Scenario{"raw/unreachable-connected/" + name, func(r *Run) {
			s := k.open(r)
			r.Connect(s, k.at("10.77.0.9", "fd77::9", 0))
			r.Inject("another peer", k.packet([]byte("payload")))
			r.Packets()
			r.Recv(s, 100, 0, 0)
		}}, Scenario{"raw/unreachable-full/" + name, func(r *Run) {
			s := k.open(r)
			r.Set(s, tcpip.SO_RCVBUF, 1)
			r.Inject("one", k.packet(make([]byte, 900)))
			for range 9 {
				r.sockets.Inject(k.packet(make([]byte, 900)))
			}
			r.Recv(s, 200, 0, 0)
		}}, Scenario{"raw/unreachable-closed/" + name, func(r *Run) {
			s := k.open(r)
			r.Close(s)
			r.Inject("gone", k.packet([]byte("payload")))
			r.Packets()
		}}, Scenario{"raw/empty/" + name, func(r *Run) {
			s := k.open(r)
			r.Inject("nothing", k.packet(nil))
			r.Poll(s)
			r.Ioctl(s, linux.FIONREAD)
			r.Recv(s, 100, 0, 0)
			r.Recv(s, 100, 0, 0)
		}}, Scenario{"raw/fragments/" + name, func(r *Run) {
			s := k.open(r)
			data := make([]byte, 3000)
			for i := range data {
				data[i] = byte(i)
			}
			for _, at := range []int{0, 1480, 2960} {
				part := data[at:min(at+1480, len(data))]
				more := at+1480 < len(data)
				var b []byte
				if k.v6() {
					h := []byte{253, 0, byte(at >> 8), byte(at), 0, 0, 0, 9}
					if more {
						h[3] |= 1
					}
					b = ip6(Peer6, Host6, 44, append(h, part...))
				} else {
					b = ip4(Peer4, Host4, 253, part)
					binary.BigEndian.PutUint16(b[6:], uint16(at/8))
					if more {
						b[6] |= 0x20
					}
					b[5] = 9
					sum4(b)
				}
				r.Recv(s, 100, 0, 0)
				r.Inject(fmt.Sprint("fragment at ", at), b)
			}
			r.Ioctl(s, linux.FIONREAD)
			m := r.Recv(s, 4000, 0, linux.MSG_PEEK)
			_ = m
			r.Recv(s, 28, 0, linux.MSG_TRUNC)
		}}, Scenario{"raw/many/" + name, func(r *Run) {
			var all []int
			for range 5 {
				all = append(all, k.open(r))
			}
			r.Connect(all[1], k.peer(0))
			r.Bind(all[2], host)
			r.SetOpt(all[3], 1, 25, []byte("t0"))
			r.SetOpt(all[4], 1, 25, []byte("lo"))
			r.Inject("one", k.packet([]byte("payload")))
			for _, s := range all {
				r.Recv(s, 100, 0, 0)
			}
			r.Send(all[0], []byte("to ourselves"), k.loopback(0), nil, 0)
			for _, s := range all {
				r.Recv(s, 100, 0, 0)
			}
		}})
		list = append(list, Scenario{"raw/extension-headers/" + name, func(r *Run) {
			s := k.open(r)
			if k.v6() {
				h, _ := rawSort("raw6"), 0
				h.proto = 60
				o := h.open(r)
				r.Inject("destination options", ip6(Peer6, Host6, 60, append([]byte{253, 0, 1, 4, 0, 0, 0, 0}, "payload"...)))
				r.Recv(s, 100, 0, 0)
				r.Recv(o, 100, 0, 0)
			} else {
				b := append(ip4(Peer4, Host4, 253, nil), 1, 1, 1, 0)
				b = append(b, "payload"...)
				b[0] = 0x46
				binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
				r.Inject("options", sum4(b))
				r.Recv(s, 100, 0, 0)
			}
			r.Packets()
		}})
	}
	for _, name := range []string{"raw-udp4", "raw-udp6"} {
		k := rawSort(name)
		udp := sortOf("udp4")
		if k.v6() {
			udp = sortOf("udp6")
		}
		d := udpBytes(4000, 4999, "payload")
		list = append(list, Scenario{"raw/udp-copies/" + name, func(r *Run) {
			u := udp.open(r)
			r.Bind(u, udp.any(4999))
			s := k.open(r)
			c := udp.open(r)
			r.Bind(c, udp.loopback(4000))
			r.Send(c, []byte("payload"), udp.loopback(4999), nil, 0)
			r.Recv(u, 100, 0, 0)
			r.Recv(s, 100, 0, 0)
			r.Recv(s, 100, 0, 0)
		}}, Scenario{"raw/udp-closed/" + name, func(r *Run) {
			s := k.open(r)
			if k.v6() {
				d[6], d[7] = 0, 0
				binary.BigEndian.PutUint16(d[6:], checksum.Partial{}.Add(ip6(Peer6, Host6, 0, nil)[8:40]).AddUint16(17).AddUint16(uint16(len(d))).Add(d).Checksum())
			}
			r.Inject("closed", k.packet(d))
			r.Packets()
			r.Recv(s, 100, 0, 0)
		}}, Scenario{"raw/udp-bad/" + name, func(r *Run) {
			s := k.open(r)
			r.Inject("short", k.packet([]byte("1234")))
			r.Recv(s, 100, 0, 0)
			bad := append([]byte(nil), d...)
			bad[6] = 1
			r.Inject("checksum", k.packet(bad))
			r.Recv(s, 100, 0, 0)
			r.Packets()
		}})
	}
	for _, v6 := range []bool{false, true} {
		name := map[bool]string{false: "raw4", true: "raw6"}[v6]
		k := rawSort(name)
		k.proto = 6
		list = append(list, Scenario{"raw/tcp/" + name, func(r *Run) {
			s := k.open(r)
			syn := []byte{0x0f, 0xa0, 0x13, 0x87, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 1, 0, 0, 0, 0, 0}
			pseudo := checksum.Partial{}.Add(k.packet(nil)[12:20])
			if v6 {
				pseudo = checksum.Partial{}.Add(k.packet(nil)[8:40])
			}
			binary.BigEndian.PutUint16(syn[16:], pseudo.AddUint16(6).AddUint16(uint16(len(syn))).Add(syn).Checksum())
			r.Inject("SYN", k.packet(syn))
			r.Recv(s, 100, 0, 0)
			r.Packets()
			r.Send(s, syn, k.peer(0), nil, 0)
			r.Bytes()
		}})
	}
	return list
}
