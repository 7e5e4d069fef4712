package oracle

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/seed963a8790/netstack/internal/checksum"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// Ll is a struct sockaddr_ll.
func Ll(proto uint16, ifindex int, addr ...byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, linux.AF_PACKET)
	b = binary.BigEndian.AppendUint16(b, proto)
	b = binary.NativeEndian.AppendUint32(b, uint32(ifindex))
	b = append(b, 0, 0, 0, byte(len(addr)))
	return append(b, append(addr, make([]byte, max(0, 8-len(addr)))...)...)
}

// packetAddress renders a struct sockaddr_ll.
func packetAddress(b []byte) string {
	if len(b) < 12 {
		return fmt.Sprintf("packet %x", b)
	}
	s := fmt.Sprintf("packet %#x nic %d hw %d type %d addr[%d]", binary.BigEndian.Uint16(b[2:]), int32(binary.NativeEndian.Uint32(b[4:])),
		binary.NativeEndian.Uint16(b[8:]), b[10], b[11])
	if n := min(int(b[11]), len(b)-12); n > 0 {
		s += fmt.Sprintf(" %x", b[12:12+n])
	}
	if len(b) != 20 {
		s += fmt.Sprintf(" len %d", len(b))
	}
	return s
}

// The EtherTypes of packet sockets.
const (
	ethAll, ethIP, ethIP6, ethARP = 0x0003, 0x0800, 0x86dd, 0x0806
	nicLo, nicT0                  = 1, 2
)

// packetKind is a sort of packet socket.
type packetKind struct {
	name string
	typ  int
}

var packetKinds = []packetKind{{"packet-raw", linux.SOCK_RAW}, {"packet-dgram", linux.SOCK_DGRAM}}

// open makes a socket that hears of one protocol everywhere.
func (k packetKind) open(r *Run, proto uint16) int {
	return r.Socket(linux.AF_PACKET, k.typ, int(proto>>8|proto<<8))
}

// on makes a socket that hears of one protocol on one interface.
func (k packetKind) on(r *Run, proto uint16, ifindex int) int {
	s := k.open(r, 0)
	r.Bind(s, Ll(proto, ifindex))
	return s
}

// datagram4 is a UDP datagram from the peer to the host, or to another address.
func datagram4(to string, port uint16, payload string) []byte {
	u := binary.BigEndian.AppendUint16([]byte{0x13, 0x88}, port)
	u = binary.BigEndian.AppendUint16(u, uint16(8+len(payload)))
	u = append(append(u, 0, 0), payload...)
	return plain4(Peer4, to, 17, u)
}

func packetScenarios() (list []Scenario) {
	add := func(name string, f func(*Run, packetKind)) {
		for _, k := range packetKinds {
			list = append(list, Scenario{"packet/" + name + "/" + k.name, func(r *Run) { f(r, k) }})
		}
	}
	for _, typ := range []int{linux.SOCK_STREAM, linux.SOCK_DGRAM, linux.SOCK_RAW, 4, linux.SOCK_SEQPACKET, 10, 11} {
		list = append(list, Scenario{fmt.Sprintf("packet/socket/%d", typ), func(r *Run) {
			for _, proto := range []int{0, 0x300, 0x8, 1, 0xdd86, 0x1ffff, -1} {
				r.Socket(linux.AF_PACKET, typ, proto)
			}
		}})
	}
	add("names", func(r *Run, k packetKind) {
		for _, proto := range []uint16{0, ethAll, ethIP} {
			s := k.open(r, proto)
			r.Names(s)
			r.Bind(s, Ll(0, 0))
			r.Names(s)
			r.Bind(s, Ll(0, nicLo))
			r.Names(s)
			r.Bind(s, Ll(ethIP, nicT0))
			r.Names(s)
			r.Bind(s, Ll(ethIP, nicT0))
			r.Bind(s, Ll(0, 0))
			r.Names(s)
			r.Bind(s, Ll(0, 99))
			r.Names(s)
		}
	})
	add("bind", func(r *Run, k packetKind) {
		s := k.open(r, 0)
		for _, size := range []int{0, 1, 2, 12, 16, 18, 19} {
			r.Bind(s, Ll(ethIP, nicLo)[:size])
		}
		r.Bind(s, append(Ll(ethIP, nicLo), make([]byte, 8)...))
		r.Bind(s, Ll(ethIP, -1))
		r.Bind(s, In4("127.0.0.1", 4000))
		r.Bind(s, append(In4("127.0.0.1", 4000), make([]byte, 8)...))
		r.Bind(s, make([]byte, 20))
		r.Bind(s, make([]byte, 129))
		r.Bind(s, Ll(ethIP, nicLo, 1, 2, 3, 4, 5, 6))
		r.Names(s)
	})
	add("calls", func(r *Run, k packetKind) {
		s := k.on(r, ethIP, nicLo)
		r.Connect(s, Ll(ethIP, nicLo))
		r.Connect(s, Unspec())
		r.Listen(s, 1)
		r.Accept(s, 0)
		for how := range 4 {
			r.Shutdown(s, how)
		}
		for _, request := range []uint32{linux.FIONREAD, linux.SIOCOUTQ, linux.SIOCATMARK, 0x1234} {
			r.Ioctl(s, request)
		}
		r.Poll(s)
		r.Recv(s, 10, 0, 0)
		for _, f := range []int{linux.MSG_OOB, linux.MSG_PEEK, linux.MSG_WAITALL, linux.MSG_ERRQUEUE, linux.MSG_DONTWAIT, linux.MSG_NOSIGNAL, 0x10000, 0x40000000} {
			r.Recv(s, 10, 0, f)
		}
	})
	for _, proto := range []uint16{ethAll, ethIP, ethIP6, ethARP, 0} {
		add(fmt.Sprintf("lo/%#x", proto), func(r *Run, k packetKind) {
			s := k.on(r, proto, nicLo)
			u, v := sortOf("udp4").open(r), sortOf("udp4").open(r)
			r.Bind(v, In4("127.0.0.1", 4000))
			r.Bind(u, In4("127.0.0.1", 4001))
			r.Set(u, tcpip.SO_NO_CHECK, 1)
			r.Send(u, []byte("abc"), In4("127.0.0.1", 4000), nil, 0)
			r.Poll(s)
			r.Ioctl(s, linux.FIONREAD)
			for range 3 {
				r.Frame(s, 100, 0, 0)
			}
			r.Poll(s)
			r.Recv(v, 10, 0, 0)
		})
		add(fmt.Sprintf("t0/%#x", proto), func(r *Run, k packetKind) {
			s := k.on(r, proto, nicT0)
			u := sortOf("udp4").open(r)
			r.Bind(u, In4("0.0.0.0", 4000))
			r.Set(u, tcpip.SO_NO_CHECK, 1)
			r.Inject("udp", datagram4(Host4, 4000, "in"))
			r.Send(u, []byte("out"), In4(Peer4, 5000), nil, 0)
			r.Inject("udp to somebody else", datagram4("10.77.0.9", 4000, "else"))
			for range 4 {
				r.Frame(s, 100, 0, 0)
			}
			r.Recv(u, 10, 0, 0)
		})
	}
	add("anywhere", func(r *Run, k packetKind) {
		s := k.open(r, ethIP)
		u := sortOf("udp4").open(r)
		r.Bind(u, In4("0.0.0.0", 4000))
		r.Set(u, tcpip.SO_NO_CHECK, 1)
		r.Inject("udp", datagram4(Host4, 4000, "in"))
		r.Send(u, []byte("lo"), In4("127.0.0.1", 4000), nil, 0)
		for range 3 {
			r.Frame(s, 100, 0, 0)
		}
	})
	add("unbound", func(r *Run, k packetKind) {
		s := k.open(r, 0)
		r.Inject("udp", datagram4(Host4, 4000, "in"))
		r.Frame(s, 100, 0, 0)
	})
	add("rebound", func(r *Run, k packetKind) {
		s := k.on(r, ethIP, nicT0)
		r.Inject("udp", datagram4(Host4, 4000, "first"))
		r.Bind(s, Ll(ethIP, nicLo))
		r.Inject("udp", datagram4(Host4, 4000, "second"))
		r.Frame(s, 100, 0, 0)
		r.Frame(s, 100, 0, 0)
	})
	add("peek", func(r *Run, k packetKind) {
		s := k.on(r, ethIP, nicT0)
		r.Inject("udp", datagram4(Host4, 4000, "abcdefgh"))
		r.Frame(s, 100, 0, linux.MSG_PEEK)
		r.Frame(s, 10, 0, linux.MSG_PEEK)
		r.Frame(s, 10, 0, linux.MSG_PEEK|linux.MSG_TRUNC)
		r.Frame(s, 0, 0, linux.MSG_PEEK)
		r.Frame(s, 22, 0, linux.MSG_TRUNC)
		r.Frame(s, 22, 0, 0)
	})
	add("send/raw4", func(r *Run, k packetKind) {
		s := k.open(r, 0)
		p := plain4(Host4, Peer4, 99, []byte("payload"))
		r.Send(s, p, nil, nil, 0)
		r.Send(s, p, Ll(ethIP, nicT0), nil, 0)
		r.Packets()
		r.Send(s, p, Ll(0, nicT0), nil, 0)
		r.Packets()
		r.Send(s, p, Ll(ethIP, 99), nil, 0)
		r.Send(s, p, Ll(ethIP, 0), nil, 0)
		for _, size := range []int{0, 1, 2, 11, 12, 18, 19} {
			r.Send(s, p, Ll(ethIP, nicT0)[:size], nil, 0)
		}
		r.Send(s, p, In4(Peer4, 4), nil, 0)
		odd := Ll(ethIP, nicT0)
		binary.NativeEndian.PutUint16(odd, 2)
		r.Send(s, p, odd, nil, 0)
		r.Send(s, p, Ll(ethIP, nicT0, 1, 2, 3, 4, 5, 6), nil, 0)
		r.Send(s, p, Ll(ethIP, nicT0, 1, 2, 3, 4, 5, 6, 7, 8), nil, 0)
		r.Packets()
		r.Bind(s, Ll(0, nicT0))
		r.Send(s, p, nil, nil, 0)
		r.Send(s, p, nil, nil, linux.MSG_OOB)
		r.Send(s, p, nil, nil, linux.MSG_DONTROUTE)
		r.Send(s, p, nil, nil, linux.MSG_MORE)
		r.Send(s, nil, nil, nil, 0)
		r.Send(s, []byte{1}, nil, nil, 0)
		r.Packets()
	})
	add("send/sizes", func(r *Run, k packetKind) {
		s := k.on(r, ethIP, nicT0)
		for _, size := range []int{1500, 1501, 1504, 1505, 1514, 1518, 1519, 1600, 65536, 100000} {
			r.Send(s, plain4(Host4, Peer4, 99, make([]byte, size-20)), nil, nil, 0)
		}
		r.Say("%d packets", len(r.sockets.Sent()))
	})
	add("send/other-types", func(r *Run, k packetKind) {
		s := k.on(r, ethAll, nicT0)
		for _, proto := range []uint16{0, ethARP, 0x1234, ethIP6, 1} {
			r.Send(s, []byte("whatever it is"), Ll(proto, nicT0), nil, 0)
			r.Packets()
		}
		r.Frame(s, 100, 0, 0)
	})
	add("send/lo", func(r *Run, k packetKind) {
		s := k.on(r, ethIP, nicLo)
		u := sortOf("udp4").open(r)
		r.Bind(u, In4("127.0.0.1", 4000))
		d := plain4("127.0.0.1", "127.0.0.1", 17, []byte{0x13, 0x88, 0x0f, 0xa0, 0, 11, 0, 0, 'a', 'b', 'c'})
		if k.typ == linux.SOCK_RAW {
			r.Send(s, append([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0}, d...), nil, nil, 0)
			r.Send(s, make([]byte, 13), nil, nil, 0)
			r.Send(s, make([]byte, 14), nil, nil, 0)
			r.Send(s, append([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 8, 0}, d...), nil, nil, 0)
			r.Send(s, append([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 8, 6}, d...), nil, nil, 0)
			r.Send(s, append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 7, 8, 9, 10, 11, 12, 8, 0}, d...), nil, nil, 0)
		} else {
			r.Send(s, d, nil, nil, 0)
			r.Send(s, nil, nil, nil, 0)
			r.Send(s, d, Ll(ethIP, nicLo), nil, 0)
			r.Send(s, d, Ll(ethIP, nicLo, 1, 2, 3, 4, 5, 6), nil, 0)
			r.Send(s, d, Ll(0, nicLo, 1, 2, 3, 4, 5, 6), nil, 0)
			r.Send(s, d, Ll(ethARP, nicLo, 0, 0, 0, 0, 0, 0), nil, 0)
			r.Send(s, d, Ll(ethIP, nicLo, 0, 0, 0), nil, 0)
			r.Send(s, d, Ll(ethIP, nicLo, 0, 0, 0, 0, 0, 0), nil, 0)
		}
		r.Recv(u, 10, 0, 0)
		r.Recv(u, 10, 0, 0)
		for range 7 {
			r.Frame(s, 100, 0, 0)
		}
	})
	add("send/seen", func(r *Run, k packetKind) {
		s, o := k.on(r, ethAll, nicT0), k.on(r, ethAll, nicT0)
		r.Send(s, plain4(Host4, Peer4, 99, []byte("payload")), Ll(ethIP, nicT0), nil, 0)
		r.Frame(s, 100, 0, 0)
		r.Frame(o, 100, 0, 0)
		r.Packets()
	})
	add("multicast", func(r *Run, k packetKind) {
		s := k.on(r, ethAll, nicT0)
		i := k.on(r, ethIP, nicT0)
		u := sortOf("udp4").open(r)
		r.Set(u, tcpip.SO_NO_CHECK, 1)
		r.Bind(u, In4("0.0.0.0", 4000))
		r.Set(u, tcpip.SO_BROADCAST, 1)
		r.Send(u, []byte("bc"), In4("10.77.0.255", 4000), nil, 0)
		r.Frame(s, 100, 0, 0)
		r.Frame(s, 100, 0, 0)
		r.Frame(i, 100, 0, 0)
		r.Recv(u, 10, 0, 0)
	})
	add("filter", func(r *Run, k packetKind) {
		s := k.on(r, ethIP, nicT0)
		r.AttachFilter(s, ins(opLdB, skfNet+9), jump(opJEq, 17, 0, 1), ret(30), ret(0))
		r.Inject("udp", datagram4(Host4, 4000, "abcdefgh"))
		r.Inject("99", plain4(Peer4, Host4, 99, []byte("no")))
		r.Frame(s, 100, 0, linux.MSG_TRUNC)
		r.Frame(s, 100, 0, 0)
		r.GetFilter(s, 9)
		r.Statistics(s)
	})
	for _, f := range filterRuns {
		add("filter/lo/"+f.name, func(r *Run, k packetKind) {
			s := k.on(r, ethIP, nicLo)
			r.AttachFilter(s, f.code...)
			u := sortOf("udp4").open(r)
			r.Set(u, tcpip.SO_NO_CHECK, 1)
			r.Bind(u, In4("127.0.0.1", 4000))
			r.Send(u, []byte("abcdefgh"), In4("127.0.0.1", 4000), nil, 0)
			r.Frame(s, 100, 0, 0)
		})
		add("filter/t0/"+f.name, func(r *Run, k packetKind) {
			s := k.on(r, ethIP, nicT0)
			r.AttachFilter(s, f.code...)
			r.Inject("udp", datagram4(Host4, 4000, "abcdefgh"))
			r.Frame(s, 100, 0, 0)
		})
	}
	return list
}

// Frame is Recv on a packet socket. Identifications, checksums of headers and times are not shown.
func (r *Run) Frame(fd, size, room, flags int) Message {
	data, control := make([]byte, size), make([]byte, room)
	m, e := r.sockets.RecvMsg(fd, data, control, flags)
	if e != 0 {
		r.logf("recvmsg(%s, %d, %#x) = %s", r.file(fd), size, flags, errnoName(e))
		return m
	}
	s := fmt.Sprintf("recvmsg(%s, %d, %#x) = %d %s", r.file(fd), size, flags, m.N, frame(data[:min(max(m.N, 0), size)]))
	if len(m.Name) > 0 {
		s += " from " + r.address(m.Name)
	}
	if m.Flags&^linux.MSG_DONTWAIT != 0 {
		s += fmt.Sprintf(" flags %#x", m.Flags)
	}
	if len(m.Control) > 0 {
		s += " with " + r.control(m.Control)
	}
	r.log = append(r.log, s)
	return m
}

// frame renders a packet, or a frame, in full but for IPv4's identification and checksum.
func frame(b []byte) string {
	c := append([]byte(nil), b...)
	at := 0
	for _, link := range []int{14, 24, 26} { // behind virtio-net headers too
		if len(c) > link && c[0] != 0x45 && binary.BigEndian.Uint16(c[link-2:]) == ethIP {
			at = link
			break
		}
	}
	if len(c) > at && c[at] == 0x45 {
		for _, i := range []int{4, 5, 10, 11} {
			if at+i < len(c) {
				c[at+i] = 0
			}
		}
	}
	return fmt.Sprintf("%x", c)
}

// Statistics is PACKET_STATISTICS.
func (r *Run) Statistics(fd int) { r.GetOpt(fd, 263, 6, 8) }

// plain4 is an IPv4 packet without options.
func plain4(from, to string, proto byte, payload []byte) []byte {
	b := make([]byte, 20, 20+len(payload))
	b[0], b[8], b[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(payload)))
	copy(b[12:], netip.MustParseAddr(from).AsSlice())
	copy(b[16:], netip.MustParseAddr(to).AsSlice())
	binary.BigEndian.PutUint16(b[10:], checksum.Partial{}.Add(b).Checksum())
	return append(b, payload...)
}

// The stations of the device e0: ours, and one that frames come from.
var ethernetHost, ethernetPeer = tcpip.LinkAddr{2, 0, 0, 0, 0, 1}, tcpip.LinkAddr{2, 0, 0, 0, 0, 2}

const nicE0 = 3

// ether is a frame.
func ether(dst, src tcpip.LinkAddr, proto uint16, payload []byte) []byte {
	b := append(dst[:], src[:]...)
	return append(binary.BigEndian.AppendUint16(b, proto), payload...)
}

// Frames logs what has left through e0 since the last call, but for neighbour discovery and reports.
func (r *Run) Frames() {
	for _, b := range r.sockets.SentOther() {
		r.logf("sent %s", frame(b))
	}
}

// packetEthernetScenarios are those on a device with addresses.
func packetEthernetScenarios() (list []Scenario) {
	add := func(name string, f func(*Run, packetKind)) {
		for _, k := range packetKinds {
			list = append(list, Scenario{"packet/ethernet/" + name + "/" + k.name, func(r *Run) {
				r.sockets.AddEthernet()
				f(r, k)
			}})
		}
	}
	arrive := func(r *Run, what string, dst tcpip.LinkAddr, proto uint16, payload []byte) {
		r.logf("arrives: %s", what)
		r.sockets.InjectOther(ether(dst, ethernetPeer, proto, payload))
		r.sockets.Settle()
	}
	payload := plain4("10.78.0.9", Host4b, 1, []byte("no ICMP")) // which nobody answers
	for _, proto := range []uint16{ethAll, ethIP, 0x1234} {
		add(fmt.Sprintf("receive/%#x", proto), func(r *Run, k packetKind) {
			s := k.on(r, proto, nicE0)
			r.Names(s)
			arrive(r, "to us", ethernetHost, ethIP, payload)
			arrive(r, "to all", tcpip.BroadcastLinkAddr(), 0x1234, []byte("broadcast"))
			arrive(r, "to a group", tcpip.LinkAddr{1, 0, 0x5e, 0, 0, 1}, 0x1234, []byte("group"))
			arrive(r, "to another", tcpip.LinkAddr{2, 0, 0, 0, 0, 9}, ethIP, payload)
			for range 5 {
				r.Frame(s, 100, 0, 0)
			}
			r.Statistics(s)
		})
	}
	add("filter", func(r *Run, k packetKind) {
		s := k.on(r, ethAll, nicE0)
		r.AttachFilter(s, ins(opLdH, skfLink+12), jump(opJEq, 0x1234, 0, 2), ins(opLdW, skfAD+28), ins(opRetA, 0), ret(0))
		arrive(r, "to us", ethernetHost, 0x1234, []byte("kept in part"))
		arrive(r, "to us", ethernetHost, ethIP, payload)
		r.Frame(s, 100, 0, linux.MSG_TRUNC)
		r.Frame(s, 100, 0, 0)
	})
	add("auxdata", func(r *Run, k packetKind) {
		s := k.on(r, 0x1234, nicE0)
		r.SetOpt(s, solPacket, 8, Int(1))
		arrive(r, "to us", ethernetHost, 0x1234, []byte("hello"))
		r.Frame(s, 100, 100, 0)
	})
	add("send", func(r *Run, k packetKind) {
		s, o := k.on(r, 0, nicE0), k.on(r, ethAll, nicE0)
		if k.typ == linux.SOCK_RAW {
			r.Send(s, ether(ethernetPeer, ethernetHost, 0x1234, []byte("as written")), nil, nil, 0)
			r.Send(s, ether(ethernetPeer, tcpip.LinkAddr{2, 0, 0, 0, 0, 7}, 0x1234, []byte("from another")), Ll(0x1234, nicE0), nil, 0)
			r.Send(s, make([]byte, 13), nil, nil, 0)
			r.Send(s, make([]byte, 14), nil, nil, 0)
			r.Send(s, ether(ethernetPeer, ethernetHost, 0x1234, make([]byte, 1500)), nil, nil, 0)
			r.Send(s, ether(ethernetPeer, ethernetHost, 0x1234, make([]byte, 1501)), nil, nil, 0)
			r.Send(s, ether(ethernetPeer, ethernetHost, 0x8100, make([]byte, 1504)), nil, nil, 0)
			r.Send(s, ether(ethernetPeer, ethernetHost, 0x8100, make([]byte, 1505)), nil, nil, 0)
		} else {
			r.Send(s, []byte("to the peer"), Ll(0x1234, nicE0, ethernetPeer[:]...), nil, 0)
			r.Send(s, []byte("short address"), Ll(0x1234, nicE0, 2, 3), nil, 0)
			r.Send(s, []byte("to nobody"), Ll(0x1234, nicE0), nil, 0)
			r.Send(s, []byte("no name"), nil, nil, 0)
			r.Send(s, nil, Ll(0x1234, nicE0, ethernetPeer[:]...), nil, 0)
			r.Send(s, make([]byte, 1500), Ll(0x1234, nicE0, ethernetPeer[:]...), nil, 0)
			r.Send(s, make([]byte, 1501), Ll(0x1234, nicE0, ethernetPeer[:]...), nil, 0)
		}
		r.Frames()
		for range 7 {
			r.Frame(o, 60, 0, 0)
		}
	})
	add("send-as", func(r *Run, k packetKind) {
		if k.typ != linux.SOCK_RAW {
			return
		}
		s, o := k.on(r, 0, nicE0), k.on(r, ethAll, nicE0)
		r.Send(s, ether(ethernetPeer, ethernetHost, 0x1234, []byte("two types")), Ll(ethIP, nicE0), nil, 0)
		r.Frames()
		r.Frame(o, 60, 0, 0)
	})
	add("members", func(r *Run, k packetKind) {
		s := k.open(r, 0)
		for typ := range 5 {
			for _, alen := range []int{0, 5, 6, 7, 8} {
				r.SetOpt(s, solPacket, 1, packetMreq(nicE0, typ, alen, 1, 0, 0x5e, 0, 0, 9))
			}
		}
	})
	for v := range 3 {
		add(fmt.Sprintf("ring/%d", v), func(r *Run, k packetKind) {
			s := k.on(r, 0x1234, nicE0)
			g := r.Ring(s, rxRing, v)
			arrive(r, "to us", ethernetHost, 0x1234, []byte("hello"))
			r.sockets.Pass(60)
			r.Show(g)
		})
	}
	return list
}
