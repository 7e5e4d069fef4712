package oracle

import (
	"encoding/binary"
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

const solPacket = 263

// words are ints as an option's value.
func words(v ...int) (b []byte) {
	for _, x := range v {
		b = append(b, Int(x)...)
	}
	return b
}

// packetMreq is a struct packet_mreq.
func packetMreq(ifindex, typ, alen int, addr ...byte) []byte {
	b := Int(ifindex)
	b = binary.NativeEndian.AppendUint16(b, uint16(typ))
	b = binary.NativeEndian.AppendUint16(b, uint16(alen))
	return append(b, append(addr, make([]byte, max(0, 8-len(addr)))...)...)
}

// packetOptionScenarios ask for the options of SOL_PACKET, and what some of SOL_SOCKET do on packet sockets.
func packetOptionScenarios() (list []Scenario) {
	add := func(name string, f func(*Run, packetKind)) {
		for _, k := range packetKinds {
			list = append(list, Scenario{"packet/" + name + "/" + k.name, func(r *Run) { f(r, k) }})
		}
	}
	for option := range 26 {
		add(fmt.Sprintf("option/%d/default", option), func(r *Run, k packetKind) {
			s := k.open(r, 0)
			for _, size := range []int{4, 0, 1, 2, 3, 5, 8, 12, 16, 24, 32} {
				r.GetOpt(s, solPacket, option, size)
			}
		})
		add(fmt.Sprintf("option/%d/values", option), func(r *Run, k packetKind) {
			s := k.on(r, 0, nicLo)
			for _, v := range []int{1, 0, 2, 3, -1, 4, 10, 12, 16, 255, 256, 65536, 1 << 20, 1<<31 - 1, -1 << 31, 7} {
				r.SetOpt(s, solPacket, option, Int(v))
				r.GetOpt(s, solPacket, option, 4)
			}
		})
		add(fmt.Sprintf("option/%d/lengths", option), func(r *Run, k packetKind) {
			s := k.open(r, 0)
			for _, v := range []byte{1, 0} {
				for _, size := range []int{4, 3, 2, 1, 0, 5, 8, 12, 15, 16, 17, 20, 28, 32, 48} {
					b := make([]byte, size)
					if size > 0 {
						b[0] = v
					}
					r.SetOpt(s, solPacket, option, b)
					r.GetOpt(s, solPacket, option, 4)
				}
			}
		})
	}
	for _, level := range []int{0, 6, 17, 41, 255, 300} {
		add(fmt.Sprintf("level/%d", level), func(r *Run, k packetKind) {
			s := k.open(r, 0)
			for _, number := range []int{1, 2, 9999, -1} {
				for _, size := range []int{4, 0} {
					r.SetOpt(s, level, number, make([]byte, size))
					r.GetOpt(s, level, number, size)
				}
			}
		})
	}
	for _, o := range options() {
		if o.id.Level() != linux.SOL_SOCKET {
			continue
		}
		k := packetKinds[0]
		list = append(list, Scenario{"packet/option/" + o.name + "/values/" + k.name, func(r *Run) {
			s := k.open(r, 0)
			r.Get(s, o.id)
			for _, v := range values(o) {
				r.Set(s, o.id, v)
				r.Get(s, o.id)
			}
			for _, size := range []int{0, 1, 3, 5, 8, 16, 20} {
				r.GetOpt(s, o.id.Level(), o.id.Number(), size)
				r.SetOpt(s, o.id.Level(), o.id.Number(), make([]byte, size))
			}
		}})
	}
	add("device", func(r *Run, k packetKind) {
		s := k.open(r, ethIP)
		r.SetOpt(s, 1, linux.SO_BINDTODEVICE.Number(), []byte("lo\x00"))
		r.Names(s)
		r.Inject("udp", datagram4(Host4, 4000, "in"))
		r.Frame(s, 100, 0, 0)
		r.GetOpt(s, 1, linux.SO_BINDTODEVICE.Number(), 16)
		r.Get(s, tcpip.SO_BINDTOIFINDEX)
	})
	add("statistics", func(r *Run, k packetKind) {
		s := k.on(r, ethIP, nicT0)
		r.Statistics(s)
		r.Set(s, tcpip.SO_RCVBUF, 0)
		for range 9 {
			r.sockets.Inject(datagram4(Host4, 4000, "in"))
		}
		r.sockets.Settle()
		r.GetOpt(s, solPacket, 6, 4)
		for _, size := range []int{8, 8, 12, 4} {
			r.GetOpt(s, solPacket, 6, size)
		}
		n := 0
		for r.Frame(s, 100, 0, 0).N > 0 && n < 20 {
			n++
		}
		r.Inject("udp", datagram4(Host4, 4000, "in"))
		r.SetOpt(s, solPacket, 10, Int(2))
		r.GetOpt(s, solPacket, 6, 12)
		r.GetOpt(s, solPacket, 6, 16)
	})
	add("auxdata", func(r *Run, k packetKind) {
		s := k.on(r, ethAll, nicLo)
		r.SetOpt(s, solPacket, 8, Int(1))
		v := sortOf("udp4").open(r)
		r.Bind(v, In4("127.0.0.1", 4000))
		r.Send(v, []byte("abc"), In4("127.0.0.1", 4000), nil, 0)
		r.Frame(s, 30, 100, 0)
		r.Frame(s, 100, 100, 0)
		t := k.on(r, ethAll, nicT0)
		r.SetOpt(t, solPacket, 8, Int(1))
		r.Inject("udp", datagram4(Host4, 4000, "in"))
		r.Set(v, tcpip.SO_NO_CHECK, 0)
		u := sortOf("udp4").open(r)
		r.Bind(u, In4("0.0.0.0", 4001))
		r.Send(u, []byte("out"), In4(Peer4, 5000), nil, 0)
		r.Frame(t, 100, 30, 0)
		r.Frame(t, 100, 100, 0)
	})
	add("auxdata/filter", func(r *Run, k packetKind) {
		s := k.on(r, ethIP, nicT0)
		r.SetOpt(s, solPacket, 8, Int(1))
		r.AttachFilter(s, ret(25))
		r.Inject("udp", datagram4(Host4, 4000, "abcdefgh"))
		r.Frame(s, 10, 100, linux.MSG_TRUNC)
	})
	add("vnet", func(r *Run, k packetKind) {
		s := k.on(r, ethAll, nicLo)
		r.SetOpt(s, solPacket, 15, Int(1))
		r.SetOpt(s, solPacket, 24, Int(12))
		r.GetOpt(s, solPacket, 15, 4)
		r.SetOpt(s, solPacket, 24, Int(10))
		v := sortOf("udp4").open(r)
		r.Bind(v, In4("127.0.0.1", 4000))
		r.Send(v, []byte("abc"), In4("127.0.0.1", 4000), nil, 0)
		r.Frame(s, 5, 0, linux.MSG_PEEK)
		r.Frame(s, 9, 0, linux.MSG_PEEK|linux.MSG_TRUNC)
		r.Frame(s, 40, 0, linux.MSG_TRUNC)
		r.Frame(s, 100, 0, 0)
	})
	add("ignore-outgoing", func(r *Run, k packetKind) {
		s := k.on(r, ethAll, nicLo)
		r.SetOpt(s, solPacket, 23, Int(1))
		u := sortOf("udp4").open(r)
		r.Set(u, tcpip.SO_NO_CHECK, 1)
		r.Bind(u, In4("127.0.0.1", 4000))
		r.Send(u, []byte("abc"), In4("127.0.0.1", 4000), nil, 0)
		r.Frame(s, 100, 0, 0)
		r.Frame(s, 100, 0, 0)
	})
	add("timestamp", func(r *Run, k packetKind) {
		s := k.on(r, ethIP, nicT0)
		r.Inject("udp", datagram4(Host4, 4000, "in"))
		r.Set(s, tcpip.SO_TIMESTAMP, 1)
		r.Frame(s, 100, 100, 0)
		r.Inject("udp", datagram4(Host4, 4000, "in"))
		r.Frame(s, 100, 100, 0)
	})
	add("drops", func(r *Run, k packetKind) {
		s := k.on(r, ethIP, nicT0)
		r.SetOpt(s, 1, 40, Int(1))
		r.Inject("udp", datagram4(Host4, 4000, "in"))
		r.Frame(s, 100, 100, 0)
	})
	add("membership", func(r *Run, k packetKind) {
		s := k.open(r, 0)
		const join, leave = 1, 2
		for _, size := range []int{0, 8, 15, 16, 20, 24} {
			r.SetOpt(s, solPacket, join, append(packetMreq(nicLo, 1, 0), make([]byte, 24)...)[:size])
			r.SetOpt(s, solPacket, leave, append(packetMreq(nicLo, 1, 0), make([]byte, 24)...)[:size])
		}
		for typ := range 6 {
			for _, n := range []int{nicLo, nicT0, 9, 0} {
				for _, alen := range []int{0, 6, 8, 9} {
					r.SetOpt(s, solPacket, join, packetMreq(n, typ, alen, 1, 0, 0x5e, 0, 0, 1))
					r.SetOpt(s, solPacket, leave, packetMreq(n, typ, alen, 1, 0, 0x5e, 0, 0, 1))
				}
			}
		}
		r.SetOpt(s, solPacket, join, packetMreq(nicLo, 1, 0))
		r.SetOpt(s, solPacket, join, packetMreq(nicLo, 1, 0))
		r.SetOpt(s, solPacket, leave, packetMreq(nicLo, 2, 0))
		r.SetOpt(s, solPacket, leave, packetMreq(nicLo, 1, 0))
		r.SetOpt(s, solPacket, leave, packetMreq(nicLo, 1, 0))
		r.SetOpt(s, solPacket, leave, packetMreq(nicLo, 1, 0))
	})
	add("down", func(r *Run, k packetKind) {
		s := k.on(r, ethIP, nicT0)
		a := k.open(r, ethIP)
		r.Up("t0", false)
		r.Poll(s)
		r.Get(s, linux.SO_ERROR)
		r.Poll(a)
		r.Recv(s, 10, 0, 0)
		r.Send(s, plain4(Host4, Peer4, 99, []byte("x")), nil, nil, 0)
		r.Names(s)
		d := k.open(r, 0)
		r.Bind(d, Ll(ethIP, nicT0))
		r.Poll(d)
		r.Recv(d, 10, 0, 0)
		r.Names(d)
		r.Up("t0", true)
		r.Inject("udp", datagram4(Host4, 4000, "in"))
		r.Frame(s, 100, 0, 0)
		r.Frame(d, 100, 0, 0)
		r.Frame(a, 100, 0, 0)
	})
	return list
}

var packetDifferences = []difference{
	{"packet/socket/10", "SOCK_PACKET is refused", "deliberate: packet(7) calls it obsolete since Linux 2.2"},
	{"packet/ethernet/send-as/packet-raw", "what is sent is shown with the type that its header has", "deliberate: Linux shows that of the name, which need not be true"},
	{"packet/option/SO_TIMESTAMPING/values/*", "SO_TIMESTAMPING is refused", "deliberate: what packet sockets send is not stamped, and SO_TIMESTAMP and rings tell of what they receive"},
}
