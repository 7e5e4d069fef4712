package oracle

import (
	"encoding/binary"
	"fmt"

	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// ring is a ring of a packet socket as a scenario sees it.
type ring struct {
	mem     []byte
	version int
	frame   int // bytes
	block   int
}

const (
	rxRing, txRing       = 5, 13
	packetVersion        = 10
	ringBlock, ringFrame = 4096, 2048
)

// Ring makes a ring of two blocks and maps it.
func (r *Run) Ring(fd, option, version int) *ring {
	r.SetOpt(fd, solPacket, packetVersion, Int(version))
	req := words(ringBlock, 2, ringFrame, 2*ringBlock/ringFrame)
	if version == 2 {
		req = append(req, words(0, 0, 0)...)
		if option == rxRing {
			binary.NativeEndian.PutUint32(req[16:], 20)
		}
	}
	r.SetOpt(fd, solPacket, option, req)
	mem, e := r.sockets.MapRing(fd, 2*ringBlock)
	r.logf("mmap(%s) = %s", r.file(fd), errnoName(e))
	if e != 0 {
		return nil
	}
	return &ring{mem, version, ringFrame, ringBlock}
}

// ringStatus are the bits of a status that are compared: not who stamped the time.
const ringStatus = 0x1fffffff

// Show logs what is in a ring.
func (r *Run) Show(g *ring) {
	if g == nil {
		return
	}
	r.sockets.Settle()
	if g.version == 2 {
		for at := 0; at < len(g.mem); at += g.block {
			r.block(g, at)
		}
		return
	}
	for at := 0; at < len(g.mem); at += g.frame {
		f := g.mem[at : at+g.frame]
		status := g.status(at) & ringStatus
		if status == 0 {
			continue
		}
		size, snap, mac, net := 4, 8, 12, 14
		if g.version == 0 {
			size, snap, mac, net = 8, 12, 16, 18
		}
		r.ringFrame(fmt.Sprintf("frame %d", at/g.frame), f, status, size, snap, mac, net, 32)
	}
}

// status is where in each version a frame's is.
func (g *ring) status(at int) uint32 {
	if g.version == 0 {
		return uint32(binary.NativeEndian.Uint64(g.mem[at:]))
	}
	return binary.NativeEndian.Uint32(g.mem[at:])
}

func (r *Run) ringFrame(what string, f []byte, status uint32, size, snap, mac, net, header int) {
	m, n := int(binary.NativeEndian.Uint16(f[mac:])), int(binary.NativeEndian.Uint32(f[snap:]))
	data := "beyond"
	if m+n <= len(f) {
		data = frame(f[m : m+n])
	}
	r.logf("%s: status %#x len %d snap %d mac %d net %d %s %s", what, status, binary.NativeEndian.Uint32(f[size:]), n, m,
		binary.NativeEndian.Uint16(f[net:]), packetAddress(f[header:header+20]), data)
}

// block logs a block of version 3 that was handed over.
func (r *Run) block(g *ring, at int) {
	h := g.mem[at : at+g.block]
	u32 := func(i int) uint32 { return binary.NativeEndian.Uint32(h[i:]) }
	if u32(8) == 0 {
		return
	}
	r.logf("block %d: version %d private at %d status %#x packets %d first %d len %d sequence %d", at/g.block, u32(0), u32(4), u32(8)&ringStatus,
		u32(12), u32(16), u32(20), binary.NativeEndian.Uint64(h[24:]))
	next := int(u32(16))
	for i := range int(min(u32(12), 100)) {
		f := h[next:]
		r.ringFrame(fmt.Sprintf("packet %d (next %d)", i, binary.NativeEndian.Uint32(f)), f, binary.NativeEndian.Uint32(f[20:])&ringStatus, 16, 12, 24, 26, 48)
		next += int(binary.NativeEndian.Uint32(f))
	}
}

// Give hands everything back.
func (r *Run) Give(g *ring) {
	if g == nil {
		return
	}
	r.logf("given back")
	step, at := g.frame, 0
	if g.version == 2 {
		step, at = g.block, 8
	}
	for ; at < len(g.mem); at += step {
		binary.NativeEndian.PutUint32(g.mem[at:], 0)
	}
}

func packetRingScenarios() (list []Scenario) {
	add := func(name string, f func(*Run, packetKind)) {
		for _, k := range packetKinds {
			list = append(list, Scenario{"packet/" + name + "/" + k.name, func(r *Run) { f(r, k) }})
		}
	}
	in := func(r *Run, payload string) { r.Inject("udp "+payload, datagram4(Host4, 4000, payload)) }
	for v := range 3 {
		for _, option := range []int{rxRing, txRing} {
			add(fmt.Sprintf("ring/shape/%d/%d", option, v), func(r *Run, k packetKind) {
				s := k.open(r, 0)
				r.SetOpt(s, solPacket, packetVersion, Int(v))
				tail := words(0, 0, 0)
				for _, w := range [][]byte{
					words(4096, 2, 2048, 3), words(4096, 2, 2048, 5), words(4095, 2, 2048, 4), words(0, 2, 2048, 4), words(-4096, 2, 2048, 4),
					words(4096, 0, 2048, 4), words(4096, 2, 0, 4), words(4096, 2, 48, 170), words(4096, 2, 52, 156), words(4096, 2, 56, 146),
					words(4096, 2, 64, 128), words(4096, 2, 68, 120), words(4096, 2, 72, 112), words(4096, 2, 80, 102), words(4096, 2, 8192, 1), words(4096, 2, 4096, 2),
				} {
					r.SetOpt(s, solPacket, option, append(w, tail...))
					r.SetOpt(s, solPacket, option, make([]byte, 28))
				}
				r.SetOpt(s, solPacket, option, append(words(4096, 2, 2048, 4), tail...))
				r.SetOpt(s, solPacket, option, append(words(4096, 2, 2048, 4), tail...))
				for _, o := range []int{8, 10, 12, 14, 15, 19, 20, 23, 24, 7} {
					r.SetOpt(s, solPacket, o, Int(0))
					r.GetOpt(s, solPacket, o, 4)
				}
				r.SetOpt(s, solPacket, option, make([]byte, 28))
				r.SetOpt(s, solPacket, 10, Int(1))
			})
		}
		add(fmt.Sprintf("ring/hdrlen/%d", v), func(r *Run, k packetKind) {
			s := k.open(r, 0)
			for _, size := range []int{4, 8, 3} {
				value := append(Int(v), 0xcc, 0xcc, 0xcc, 0xcc)[:size]
				n, e := r.sockets.GetSockOpt(s, solPacket, 11, value)
				r.logf("PACKET_HDRLEN(%d, %d) = %s %x", v, size, result(n, e), value)
			}
		})
		add(fmt.Sprintf("ring/receive/%d", v), func(r *Run, k packetKind) {
			s := k.on(r, ethIP, nicT0)
			g := r.Ring(s, rxRing, v)
			r.Poll(s)
			in(r, "first")
			r.sockets.Pass(60) // so that version 3 hands it over alone
			in(r, "second")
			r.sockets.Pass(60)
			r.Poll(s)
			r.Recv(s, 100, 0, 0)
			r.Show(g)
			r.Give(g)
			r.Poll(s)
			in(r, "third")
			r.sockets.Pass(60)
			r.Show(g)
			r.GetOpt(s, solPacket, 6, 12)
		})
		add(fmt.Sprintf("ring/lo/%d", v), func(r *Run, k packetKind) {
			s := k.on(r, ethAll, nicLo)
			r.SetOpt(s, solPacket, packetVersion, Int(v))
			r.SetOpt(s, solPacket, 12, Int(10))
			g := r.Ring(s, rxRing, v)
			u := sortOf("udp4").open(r)
			r.Bind(u, In4("127.0.0.1", 4000))
			r.Send(u, []byte("abc"), In4("127.0.0.1", 4000), nil, 0)
			r.sockets.Pass(60)
			r.Show(g)
		})
		add(fmt.Sprintf("ring/full/%d", v), func(r *Run, k packetKind) {
			s := k.on(r, ethIP, nicT0)
			g := r.Ring(s, rxRing, v)
			for range 8 {
				r.sockets.Inject(datagram4(Host4, 4000, string(make([]byte, 1300))))
			}
			r.sockets.Pass(60)
			r.Poll(s)
			r.GetOpt(s, solPacket, 6, 12)
			r.Give(g)
			in(r, "after")
			r.sockets.Pass(60)
			r.Show(g)
			r.GetOpt(s, solPacket, 6, 12)
		})
		add(fmt.Sprintf("ring/filter/%d", v), func(r *Run, k packetKind) {
			s := k.on(r, ethIP, nicT0)
			r.AttachFilter(s, ins(opLdB, skfNet+9), jump(opJEq, 17, 0, 1), ret(30), ret(0))
			g := r.Ring(s, rxRing, v)
			in(r, "abcdefgh")
			r.Inject("99", plain4(Peer4, Host4, 99, []byte("no")))
			r.sockets.Pass(60)
			r.Show(g)
			r.GetOpt(s, solPacket, 6, 12)
		})
		if v < 2 {
			add(fmt.Sprintf("ring/cut/%d", v), func(r *Run, k packetKind) {
				s := k.on(r, ethIP, nicT0)
				r.SetOpt(s, solPacket, packetVersion, Int(v))
				r.SetOpt(s, solPacket, 7, Int(1))
				r.SetOpt(s, solPacket, 12, Int(1900))
				g := r.Ring(s, rxRing, v)
				in(r, string(make([]byte, 300)))
				r.Show(g)
				m := r.sockets
				b := make([]byte, 2000)
				got, e := m.RecvMsg(s, b, nil, 0)
				r.logf("read %s", result(got.N, e))
				r.GetOpt(s, solPacket, 6, 12)
			})
		}
		add(fmt.Sprintf("ring/send/%d", v), func(r *Run, k packetKind) {
			s := k.on(r, 0, nicT0)
			g := r.Ring(s, txRing, v)
			if g == nil {
				return
			}
			r.Poll(s)
			p := plain4(Host4, Peer4, 99, []byte("from the ring"))
			put := func(i, size int) {
				f := g.mem[i*g.frame:]
				at, sizeAt, statusAt := 32, 4, 0
				switch v {
				case 0:
					sizeAt = 8
				case 2:
					at, sizeAt, statusAt = 48, 16, 20
				}
				copy(f[at:], p)
				binary.NativeEndian.PutUint32(f[sizeAt:], uint32(size))
				binary.NativeEndian.PutUint32(f[statusAt:], 1)
			}
			states := func() {
				for i := range 4 {
					at := i * g.frame
					if v == 2 {
						at += 20
					}
					r.logf("frame %d: %#x", i, binary.NativeEndian.Uint32(g.mem[at:])&ringStatus)
				}
			}
			r.Send(s, nil, nil, nil, 0)
			put(0, len(p))
			put(1, len(p))
			r.Send(s, nil, nil, nil, 0)
			r.Packets()
			states()
			put(2, 5000)
			put(3, len(p))
			r.Send(s, nil, nil, nil, 0)
			states()
			r.Packets()
			r.Send(s, nil, Ll(ethIP, 99), nil, 0)
			r.Send(s, []byte("ignored"), Ll(ethIP, nicT0), nil, 0)
			states()
			r.Packets()
		})
	}
	// What libpcap does before it captures on a device with TPACKET_V3, and then.
	add("libpcap", func(r *Run, k packetKind) {
		s := r.Socket(linux.AF_PACKET, k.typ, 0)
		r.SetOpt(s, solPacket, 8, Int(1))
		r.SetOpt(s, solPacket, 1, packetMreq(nicT0, 1, 0))
		r.SetOpt(s, solPacket, packetVersion, Int(2))
		r.SetOpt(s, solPacket, 12, Int(4))
		r.SetOpt(s, solPacket, rxRing, append(words(8192, 2, 8192, 2), words(20, 0, 0)...))
		mem, e := r.sockets.MapRing(s, 16384)
		r.logf("mmap = %s", errnoName(e))
		if e != 0 {
			return
		}
		g := &ring{mem, 2, 8192, 8192}
		r.AttachFilter(s, ret(0))
		r.Bind(s, Ll(ethAll, nicT0))
		r.Get(s, linux.SO_ERROR)
		in(r, "too early")
		r.AttachFilter(s, ins(opLdB, skfNet+9), jump(opJEq, 17, 0, 1), ret(262144), ret(0))
		in(r, "captured")
		r.Inject("99", plain4(Peer4, Host4, 99, []byte("no")))
		r.Await(s, 1)
		r.Show(g)
		r.Give(g)
		r.GetOpt(s, solPacket, 6, 12)
		r.Close(s)
	})
	return list
}
