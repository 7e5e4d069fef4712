package oracle

import (
	"encoding/binary"
	"fmt"

	"github.com/seed963a8790/netstack/internal/bpf"
)

const packetFanout = 18

// Fanout is PACKET_FANOUT.
func (r *Run) Fanout(fd, id, typ int) int {
	e := r.SetOpt(fd, solPacket, packetFanout, Int(id|typ<<16))
	r.GetOpt(fd, solPacket, packetFanout, 4)
	return e
}

func packetFanoutScenarios() (list []Scenario) {
	add := func(name string, f func(*Run, packetKind)) {
		for _, k := range packetKinds {
			list = append(list, Scenario{"packet/" + name + "/" + k.name, func(r *Run) { f(r, k) }})
		}
	}
	group := func(r *Run, k packetKind, n, typ int) (all []int) {
		for range n {
			s := k.on(r, ethIP, nicT0)
			r.Fanout(s, 7, typ)
			all = append(all, s)
		}
		return all
	}
	for _, typ := range []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 255, 0x1000, 0x1001, 0x1003, 0x2000, 0x4000, 0x8000, 0xf00} {
		if typ == 0x2000 || typ == 0x8000 {
			continue // a number that the kernel chooses; reassembly
		}
		add(fmt.Sprintf("fanout/join/%#x", typ), func(r *Run, k packetKind) {
			s := k.on(r, ethIP, nicLo)
			r.Fanout(s, 7, typ)
			r.Fanout(s, 7, typ)
			r.Bind(s, Ll(ethIP, nicLo))
			r.Names(s)
			o := k.on(r, ethIP, nicLo)
			r.Fanout(o, 7, typ)
			other := k.on(r, ethIP, nicT0)
			r.Fanout(other, 7, typ)
			all := k.on(r, ethAll, nicLo)
			r.Fanout(all, 7, typ)
			r.GetOpt(o, solPacket, 21, 24)
			r.GetOpt(o, solPacket, 21, 8)
			r.Close(s)
			r.Close(o)
			r.Fanout(other, 7, typ)
		})
	}
	add("fanout/refused", func(r *Run, k packetKind) {
		s := k.open(r, 0)
		r.Fanout(s, 7, 0)
		r.Bind(s, Ll(ethIP, nicLo))
		r.SetOpt(s, solPacket, packetFanout, words(7, 3))
		r.GetOpt(s, solPacket, packetFanout, 4)
		o := k.on(r, ethIP, nicLo)
		r.Fanout(o, 7, 1)
		r.SetOpt(o, solPacket, packetFanout, words(7, 4))
		r.SetOpt(o, solPacket, packetFanout, words(7, 3))
		u := k.on(r, ethIP, nicLo)
		r.SetOpt(u, solPacket, packetFanout, words(8, 65537))
		r.SetOpt(u, solPacket, packetFanout, words(8, 65536))
		v := k.on(r, ethIP, nicLo)
		r.SetOpt(v, solPacket, packetFanout, words(9, 1))
		w := k.on(r, ethIP, nicLo)
		r.SetOpt(w, solPacket, packetFanout, words(9))
		for _, size := range []int{0, 3, 5, 7, 12} {
			r.SetOpt(w, solPacket, packetFanout, make([]byte, size))
		}
	})
	add("fanout/round-robin", func(r *Run, k packetKind) {
		all := group(r, k, 3, 1)
		for i := range 6 {
			r.Inject("udp", datagram4(Host4, 4000, fmt.Sprint("n", i)))
		}
		for _, s := range all {
			for r.Frame(s, 100, 0, 0).N > 0 {
			}
		}
	})
	add("fanout/hash", func(r *Run, k packetKind) {
		all := group(r, k, 4, 0)
		for range 6 {
			r.sockets.Inject(datagram4(Host4, 4000, "one flow"))
		}
		r.sockets.Settle()
		var counts []int
		for _, s := range all {
			v := make([]byte, 8)
			r.sockets.GetSockOpt(s, solPacket, 6, v)
			counts = append(counts, int(binary.NativeEndian.Uint32(v)))
		}
		whole := 0
		for _, n := range counts {
			if n == 6 {
				whole++
			}
		}
		r.Say("%d member has all", whole)
	})
	add("fanout/rollover", func(r *Run, k packetKind) {
		all := group(r, k, 2, 3)
		for _, s := range all {
			r.SetOpt(s, 1, 8, Int(0)) // SO_RCVBUF: as little as may be
		}
		for range 8 {
			r.sockets.Inject(datagram4(Host4, 4000, "in"))
		}
		r.sockets.Settle()
		total := 0
		for _, s := range all {
			n := 0
			for r.sockets.Poll(s, 1) != 0 {
				if _, e := r.sockets.RecvMsg(s, make([]byte, 100), nil, 0); e != 0 {
					break
				}
				n++
			}
			if n > 0 {
				total++
			}
		}
		r.Say("%d members have some", total)
	})
	add("fanout/program", func(r *Run, k packetKind) {
		all := group(r, k, 3, 6)
		set := func(code ...bpf.Instruction) {
			e := r.sockets.AttachFilter(all[0], -22, bpf.Encode(nil, code))
			r.logf("PACKET_FANOUT_DATA %s = %s", program(code), errnoName(e))
		}
		r.Inject("udp", datagram4(Host4, 4000, "before"))
		set(ret(2))
		r.Inject("udp", datagram4(Host4, 4000, "to the third"))
		set(ret(4))
		r.Inject("udp", datagram4(Host4, 4000, "to the second"))
		set(ins(0xff, 0))
		set()
		set(ins(opLdB, skfNet+9), ins(opRetA, 0)) // 17 % 3
		r.Inject("udp", datagram4(Host4, 4000, "by protocol"))
		for _, size := range []int{0, 4, 8, 17, 24} {
			r.SetOpt(all[1], solPacket, 22, make([]byte, size))
		}
		for _, s := range all {
			for r.Frame(s, 100, 0, 0).N > 0 {
			}
		}
	})
	add("fanout/leave", func(r *Run, k packetKind) {
		all := group(r, k, 2, 1)
		r.Close(all[0])
		for range 2 {
			r.Inject("udp", datagram4(Host4, 4000, "in"))
		}
		for range 3 {
			r.Frame(all[1], 100, 0, 0)
		}
	})
	add("fanout/ignore-outgoing", func(r *Run, k packetKind) {
		var all []int
		for range 2 {
			s := k.on(r, ethAll, nicLo)
			r.Fanout(s, 7, 0x4001)
			all = append(all, s)
		}
		u := sortOf("udp4").open(r)
		r.Bind(u, In4("127.0.0.1", 4000))
		r.sockets.SendMsg(u, []byte("abc"), In4("127.0.0.1", 4000), nil, 0)
		r.sockets.Settle()
		n := 0
		for _, s := range all {
			v := make([]byte, 8)
			r.sockets.GetSockOpt(s, solPacket, 6, v)
			n += int(binary.NativeEndian.Uint32(v))
		}
		r.Say("%d packets", n)
	})
	return list
}
