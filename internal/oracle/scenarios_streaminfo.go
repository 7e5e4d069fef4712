package oracle

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// PacketOptions asks for what a stream's control messages would say, by either level.
func (r *Run) PacketOptions(fd int) {
	for _, o := range [][2]int{{linux.IPPROTO_IP, 9}, {linux.IPPROTO_IPV6, 6}} {
		for _, size := range []int{20, 40, 300} {
			value := make([]byte, size)
			n, e := r.sockets.GetSockOpt(fd, o[0], o[1], value)
			if e != 0 {
				r.logf("getsockopt(%s, %d, %d, %d) = %s", r.file(fd), o[0], o[1], size, errnoName(e))
				break
			}
			r.logf("getsockopt(%s, %d, %d, %d) = [%d] %s", r.file(fd), o[0], o[1], size, n, r.control(value[:min(n, size)]))
		}
	}
}

// headerFlags ask for control messages about headers.
var headerFlags = []tcpip.OptionID{
	tcpip.IP_PKTINFO, tcpip.IP_RECVTTL, tcpip.IP_RECVTOS, tcpip.IPV6_RECVPKTINFO, tcpip.IPV6_RECVHOPLIMIT, tcpip.IPV6_RECVTCLASS,
	tcpip.IPV6_2292PKTINFO, tcpip.IPV6_2292HOPLIMIT,
}

var streamInfoDifferences = []difference{
	{"streaminfo/later/*", "IPV6_2292PKTOPTIONS tells of the packet that the connection began with", "deliberate: with data Linux shows the peer's address for the host's own, and forgets the port"},
}

// inherited are options that a listener gets in scenarios about what an accepted socket has of them.
var inherited = []tcpip.OptionID{
	tcpip.SO_MARK, tcpip.SO_PRIORITY, tcpip.SO_KEEPALIVE, tcpip.SO_OOBINLINE, tcpip.SO_BROADCAST, linux.SO_DONTROUTE, tcpip.SO_NO_CHECK,
	tcpip.SO_RCVLOWAT, tcpip.SO_PEEK_OFF, tcpip.SO_RXQ_OVFL, tcpip.SO_TIMESTAMP, tcpip.SO_TIMESTAMPING, tcpip.SO_ZEROCOPY, tcpip.SO_RCVMARK,
	tcpip.SO_RCVPRIORITY, linux.SO_BUSY_POLL, linux.SO_LOCK_FILTER, tcpip.IP_TOS, tcpip.IP_TTL, tcpip.IP_PKTINFO, tcpip.IP_RECVTTL,
	tcpip.IP_RECVERR, tcpip.IP_MTU_DISCOVER, tcpip.IP_FREEBIND, tcpip.IP_TRANSPARENT, tcpip.IP_BIND_ADDRESS_NO_PORT,
	tcpip.IP_LOCAL_PORT_RANGE, tcpip.IP_UNICAST_IF, tcpip.IP_MULTICAST_ALL, tcpip.IP_MULTICAST_LOOP, tcpip.IP_MULTICAST_TTL,
	tcpip.IP_RECVERR_RFC4884, linux.IP_PASSSEC, tcpip.IPV6_UNICAST_HOPS, tcpip.IPV6_MULTICAST_HOPS, tcpip.IPV6_MULTICAST_LOOP,
	tcpip.IPV6_MULTICAST_ALL, tcpip.IPV6_RECVPKTINFO, tcpip.IPV6_RECVERR, tcpip.IPV6_MTU_DISCOVER, tcpip.IPV6_DONTFRAG, tcpip.IPV6_TCLASS,
	tcpip.IPV6_AUTOFLOWLABEL, tcpip.IPV6_ADDR_PREFERENCES, tcpip.IPV6_UNICAST_IF, tcpip.IPV6_FLOWINFO_SEND, tcpip.IPV6_RECVERR_RFC4884,
	tcpip.IPV6_RECVTCLASS, tcpip.IPV6_FREEBIND, tcpip.IPV6_TRANSPARENT,
}

// otherThanDefault is a value for an option that is not its default.
func otherThanDefault(id tcpip.OptionID) int {
	switch id {
	case tcpip.IP_TTL, tcpip.IPV6_UNICAST_HOPS, tcpip.IP_MULTICAST_TTL, tcpip.IPV6_MULTICAST_HOPS:
		return 9
	case tcpip.IP_LOCAL_PORT_RANGE:
		low, high := 40000, 50000 // no constant: an int of 32 bits takes it as well
		return high<<16 | low
	case tcpip.IPV6_MULTICAST_LOOP, tcpip.IPV6_MULTICAST_ALL, tcpip.IP_MULTICAST_ALL, tcpip.IP_MULTICAST_LOOP, tcpip.IPV6_AUTOFLOWLABEL,
		tcpip.IP_MTU_DISCOVER, tcpip.IPV6_MTU_DISCOVER:
		return 0
	case tcpip.IP_TOS, tcpip.IPV6_TCLASS:
		return 0x10
	case tcpip.IPV6_ADDR_PREFERENCES:
		return 2
	}
	return 1
}

// streamInfoScenarios are about what a connection tells of how it began, and of what it has of its listener.
func streamInfoScenarios() (list []Scenario) {
	add := func(name string, k sort, do func(*Run)) {
		list = append(list, Scenario{"streaminfo/" + name + "/" + k.name, do})
	}
	ask := func(r *Run, fd int) {
		for _, id := range headerFlags {
			r.Set(fd, id, 1)
		}
	}
	multicast := []tcpip.OptionID{tcpip.IP_MULTICAST_TTL, tcpip.IP_MULTICAST_IF, tcpip.IPV6_MULTICAST_HOPS, tcpip.IPV6_MULTICAST_IF}
	for _, k := range sorts {
		if !streams(k) {
			continue
		}
		add("lo", k, func(r *Run) {
			s := k.open(r)
			ask(r, s)
			r.PacketOptions(s)
			l, c, a := k.pair(r)
			for _, s := range []int{l, c, a} {
				r.PacketOptions(s)
				ask(r, s)
				r.PacketOptions(s)
				for _, id := range multicast {
					r.Get(s, id)
				}
			}
		})
		add("each", k, func(r *Run) {
			_, _, a := k.pair(r)
			for _, id := range headerFlags {
				r.Set(a, id, 1)
				r.PacketOptions(a)
				r.Set(a, id, 0)
			}
		})
		add("t0", k, func(r *Run) {
			_, a, p := k.call(r, func(l int, _ *tcpPeer) {
				ask(r, l)
				r.Set(l, tcpip.IPV6_FLOWINFO, 1)
				r.Set(l, tcpip.IPV6_RECVORIGDSTADDR, 1)
			})
			r.PacketOptions(a)
			for _, id := range multicast {
				r.Get(a, id)
			}
			p.Send(segment{data: "abc", flags: tcpPSH})
			r.Recv(a, 10, 300, 0)
			if !k.v6() { // see streaminfo/later
				r.PacketOptions(a)
			}
		})
		add("dialled", k, func(r *Run) {
			s, p := k.dial(r, func(s int, _ *tcpPeer) { ask(r, s) })
			if !k.v6() {
				r.PacketOptions(s)
			}
			p.Send(segment{data: "abc", flags: tcpPSH})
			r.Recv(s, 10, 300, 0)
		})
		if k.v6() {
			add("later", k, func(r *Run) {
				_, a, p := k.call(r, func(l int, _ *tcpPeer) { ask(r, l) })
				p.Send(segment{data: "abc", flags: tcpPSH})
				r.Recv(a, 10, 300, 0)
				r.PacketOptions(a)
			})
			add("mapped", k, func(r *Run) {
				l, c := k.open(r), k.open(r)
				r.Bind(l, k.any(4000))
				r.Listen(l, 5)
				ask(r, l)
				r.PacketOptions(l)
				r.Connect(c, In6("::ffff:127.0.0.1", 4000))
				r.Await(l, 1)
				a := r.Accept(l, 0)
				r.PacketOptions(a)
				for _, id := range multicast {
					r.Get(a, id)
				}
			})
		}
		add("inherited", k, func(r *Run) {
			l := k.open(r)
			for _, id := range inherited {
				r.Set(l, id, otherThanDefault(id))
			}
			r.Bind(l, k.loopback(4000))
			r.Listen(l, 5)
			c := k.open(r)
			r.Connect(c, k.loopback(4000))
			r.Await(l, 1)
			a := r.Accept(l, 0)
			for _, id := range inherited {
				r.Get(a, id)
			}
		})
		add("rehash", k, func(r *Run) {
			for _, v := range []int{-1, 0, 1} {
				l := k.open(r)
				r.Set(l, linux.SO_TXREHASH, v)
				r.Bind(l, k.loopback(4000))
				r.Listen(l, 5)
				r.Get(l, linux.SO_TXREHASH)
				c := k.open(r)
				r.Connect(c, k.loopback(4000))
				r.Get(c, linux.SO_TXREHASH)
				a := r.Accept(l, 0)
				r.Get(a, linux.SO_TXREHASH)
				r.Close(a)
				r.Close(c)
				r.Close(l)
			}
		})
		add("processor", k, func(r *Run) {
			s := k.open(r)
			r.Get(s, linux.SO_INCOMING_CPU)
			l, c, a := k.pair(r)
			r.Processor(l)
			r.Processor(c)
			r.Processor(a)
			r.Set(a, linux.SO_INCOMING_CPU, 77)
			r.Get(a, linux.SO_INCOMING_CPU)
		})
	}
	for _, k := range sorts {
		if udps(k) {
			add("processor", k, func(r *Run) {
				c, s := k.open(r), k.open(r)
				r.Bind(s, k.loopback(4000))
				r.Bind(c, k.loopback(4001))
				r.Send(c, []byte("x"), k.loopback(4000), nil, 0)
				r.Processor(s)
				r.Connect(s, k.loopback(4001))
				r.Send(c, []byte("x"), k.loopback(4000), nil, 0)
				r.Processor(s)
				r.Processor(c)
			})
		}
		add("no-such-device", k, func(r *Run) {
			for _, late := range []bool{false, true} {
				s := k.open(r)
				if !late {
					r.Set(s, tcpip.SO_BINDTOIFINDEX, 77)
				}
				r.Bind(s, k.loopback(4000))
				r.Set(s, tcpip.SO_BINDTOIFINDEX, 77)
				r.Get(s, tcpip.SO_BINDTOIFINDEX)
				r.GetOpt(s, 1, linux.SO_BINDTODEVICE.Number(), 16)
				if !streams(k) {
					r.Send(s, []byte{8, 0, 0, 0, 0, 0, 0, 0, 1}, k.loopback(4001), nil, 0)
				}
				r.Connect(s, k.loopback(4001))
				r.Close(s)
			}
			if streams(k) {
				_, c, a := k.pair(r)
				r.Set(a, tcpip.SO_BINDTOIFINDEX, 77)
				r.Send(c, []byte("x"), nil, nil, 0)
				r.Recv(a, 10, 0, 0)
				r.Poll(c)
			}
		})
		add("drivers", k, func(r *Run) { askDrivers(r, k.open(r)) })
	}
	for _, k := range packetKinds {
		list = append(list, Scenario{"streaminfo/drivers/" + k.name, func(r *Run) { askDrivers(r, k.open(r, ethAll)) }},
			Scenario{"streaminfo/ethernet/" + k.name, func(r *Run) {
				r.sockets.AddEthernet()
				s := k.open(r, ethAll)
				for _, q := range interfaceQuestions {
					r.Ifreq(s, q, "e0", nil)
				}
				r.InterfaceList(s, 400)
				for _, f := range []string{"route", "arp", "igmp"} {
					r.ProcNet(f, same)
				}
			}})
	}
	return list
}

// Processor logs whether SO_INCOMING_CPU names one.
func (r *Run) Processor(fd int) {
	b := make([]byte, 4)
	_, e := r.sockets.GetSockOpt(fd, linux.SOL_SOCKET, linux.SO_INCOMING_CPU.Number(), b)
	r.logf("SO_INCOMING_CPU(%s) = %s, one %v", r.file(fd), errnoName(e), int32(binary.NativeEndian.Uint32(b)) >= 0)
}

var interfaceQuestions = []uint32{
	linux.SIOCGIFINDEX, linux.SIOCGIFFLAGS, linux.SIOCGIFMTU, linux.SIOCGIFHWADDR, linux.SIOCGIFADDR, linux.SIOCGIFNETMASK, linux.SIOCGIFBRDADDR,
	linux.SIOCGIFDSTADDR, linux.SIOCGIFMETRIC, linux.SIOCGIFTXQLEN, linux.SIOCGIFMAP, linux.SIOCGIFSLAVE,
}

// askDrivers asks for what the driver of a device knows.
func askDrivers(r *Run, s int) {
	for _, q := range []uint32{linux.SIOCGMIIPHY, linux.SIOCGMIIREG, linux.SIOCGHWTSTAMP, linux.SIOCGIFSLAVE} {
		for _, n := range []string{"lo", "t0", "nosuch", "lo:1", ""} {
			r.Ifreq(s, q, n, nil)
		}
	}
}
