package oracle

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// way is a sort of UDP socket and the family of what it sends: an IPv6 socket sends IPv4 to mapped addresses.
type way struct {
	name   string
	sort   sort
	mapped bool
}

var ways = []way{{"udp4", sortOf("udp4"), false}, {"udp6", sortOf("udp6"), false}, {"mapped", sortOf("udp6"), true}}

// v4 reports whether IPv4 packets are sent.
func (k way) v4() bool             { return !k.sort.v6() || k.mapped }
func (k way) open(r *Run) int      { return k.sort.open(r) }
func (k way) lo(p uint16) []byte   { return k.at("127.0.0.1", "::1", p) }
func (k way) peer(p uint16) []byte { return k.at(Peer4, Peer6, p) }
func (k way) any(p uint16) []byte  { return k.at("0.0.0.0", "::", p) }

func (k way) at(v4, v6 string, port uint16) []byte {
	switch {
	case k.mapped:
		return In6("::ffff:"+v4, port)
	case k.sort.v6():
		return In6(v6, port)
	}
	return In4(v4, port)
}

// pick returns what is of the family of the packets.
func (k way) pick(v4, v6 string) string {
	if k.v4() {
		return v4
	}
	return v6
}

// headers is the length of the network and UDP headers of what is sent.
func (k way) headers() int {
	if k.v4() {
		return 28
	}
	return 48
}

// couple is a client and a server on port 4000 of lo.
func (k way) couple(r *Run) (c, s int) {
	s = k.open(r)
	r.Bind(s, k.lo(4000))
	return k.open(r), s
}

// class sets the option that decides the TOS or the traffic class.
func (k way) class() tcpip.OptionID {
	if k.v4() {
		return tcpip.IP_TOS
	}
	return tcpip.IPV6_TCLASS
}

func (k way) recverr() tcpip.OptionID {
	if k.v4() {
		return tcpip.IP_RECVERR
	}
	return tcpip.IPV6_RECVERR
}

func (k way) discover() tcpip.OptionID {
	if k.v4() {
		return tcpip.IP_MTU_DISCOVER
	}
	return tcpip.IPV6_MTU_DISCOVER
}

func (k way) mtu() tcpip.OptionID {
	if k.v4() {
		return tcpip.IP_MTU
	}
	return tcpip.IPV6_MTU
}

// Payloads logs the UDP payload of packets that are not fragments, as far as it is short.
func (r *Run) Payloads() {
	for _, p := range r.Packets() {
		at := 28
		if p[0]>>4 == 6 {
			at = 48
		}
		if len(p) >= at {
			r.Say("carries %s", text(p[at:]))
		}
	}
}

// counted is n bytes that differ.
func counted(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7 >> 3)
	}
	return b
}

// Short is a 16-bit number as a control message's data.
func Short(v int) []byte { return binary.NativeEndian.AppendUint16(nil, uint16(v)) }

// segmentBy is the control message UDP_SEGMENT.
func segmentBy(v int) []byte { return Cmsg(17, 103, Short(v)) }

const more = linux.MSG_MORE

// udpLevelScenarios are about options of IPPROTO_UDP.
func udpLevelScenarios() (list []Scenario) {
	for _, k := range ways {
		list = append(list, corkScenarios(k)...)
		list = append(list, corkPMTUScenarios(k)...)
		list = append(list, segmentScenarios(k)...)
		list = append(list, groScenarios(k)...)
		list = append(list, checksumScenarios(k)...)
		list = append(list, peekScenarios(k)...)
	}
	return list
}

func corkScenarios(k way) []Scenario {
	connected := func(f func(r *Run, c, s int)) func(*Run) {
		return func(r *Run) {
			c, s := k.couple(r)
			r.Connect(c, k.lo(4000))
			f(r, c, s)
		}
	}
	wired := func(f func(r *Run, c int)) func(*Run) {
		return func(r *Run) {
			c := k.open(r)
			r.Connect(c, k.peer(4000))
			f(r, c)
		}
	}
	return []Scenario{
		{"udp/cork/option/" + k.name, connected(func(r *Run, c, s int) {
			r.Set(c, tcpip.UDP_CORK, 1)
			r.Send(c, []byte("one "), nil, nil, 0)
			r.Send(c, []byte("two "), nil, nil, 0)
			r.Recv(s, 20, 0, 0)
			r.Poll(c)
			r.Get(c, tcpip.UDP_CORK)
			r.Send(c, []byte("three"), nil, nil, 0)
			r.Set(c, tcpip.UDP_CORK, 0)
			r.Recv(s, 20, 0, 0)
			r.Send(c, []byte("four"), nil, nil, 0)
			r.Recv(s, 20, 0, 0)
		})},
		{"udp/cork/more-then-option/" + k.name, connected(func(r *Run, c, s int) {
			r.Send(c, []byte("one "), nil, nil, more)
			r.Set(c, tcpip.UDP_CORK, 1)
			r.Send(c, []byte("two "), nil, nil, 0)
			r.Recv(s, 20, 0, 0)
			r.Set(c, tcpip.UDP_CORK, 1)
			r.Recv(s, 20, 0, 0)
			r.Set(c, tcpip.UDP_CORK, 0)
			r.Recv(s, 20, 0, 0)
		})},
		{"udp/cork/more-then-uncork/" + k.name, connected(func(r *Run, c, s int) {
			r.Send(c, []byte("one "), nil, nil, more)
			r.Set(c, tcpip.UDP_CORK, 0)
			r.Recv(s, 20, 0, 0)
			r.Send(c, []byte("two "), nil, nil, 0)
			r.Recv(s, 20, 0, 0)
		})},
		{"udp/cork/empty/" + k.name, connected(func(r *Run, c, s int) {
			r.Set(c, tcpip.UDP_CORK, 1)
			r.Set(c, tcpip.UDP_CORK, 0)
			r.Recv(s, 20, 0, 0)
			r.Send(c, nil, nil, nil, more)
			r.Recv(s, 20, 0, 0)
			r.Send(c, nil, nil, nil, 0)
			r.Recv(s, 20, 0, 0)
			r.Recv(s, 20, 0, 0)
			r.Send(c, nil, nil, nil, more)
			r.Set(c, tcpip.UDP_CORK, 0)
			r.Recv(s, 20, 0, 0)
			r.Send(c, nil, nil, nil, more)
			r.Send(c, []byte("x"), nil, nil, 0)
			r.Recv(s, 20, 0, 0)
		})},
		{"udp/cork/elsewhere/" + k.name, func(r *Run) {
			c, s := k.couple(r)
			t := k.open(r)
			r.Bind(t, k.lo(4001))
			r.Send(c, []byte("one "), k.lo(4000), nil, more)
			r.Send(c, []byte("two "), k.lo(4001), nil, more)
			r.Send(c, []byte("three"), nil, nil, 0)
			r.Recv(s, 20, 0, 0)
			r.Recv(t, 20, 0, 0)
			r.Names(c)
		}},
		{"udp/cork/bad-address/" + k.name, func(r *Run) {
			c, s := k.couple(r)
			r.Send(c, []byte("one "), k.lo(4000), nil, more)
			r.Send(c, []byte("two "), k.lo(0), nil, more)
			r.Send(c, []byte("three "), k.lo(4000)[:8], nil, more)
			r.Send(c, []byte("four "), Unspec(), nil, more)
			r.Send(c, []byte("five"), k.sort.foreign(7), nil, 0)
			r.Recv(s, 50, 0, 0)
			r.Recv(s, 50, 0, 0)
		}},
		{"udp/cork/other-family/" + k.name, func(r *Run) {
			c, s := k.couple(r)
			o := sortOf("udp4").open(r)
			r.Bind(o, In4("127.0.0.1", 4005))
			r.Send(c, []byte("one "), k.lo(4000), nil, more)
			if k.sort.v6() {
				r.Send(c, []byte("two "), In6("::ffff:127.0.0.1", 4005), nil, more)
				r.Send(c, []byte("three "), In6("::1", 4000), nil, more)
			}
			r.Send(c, []byte("four "), In4("127.0.0.1", 4005), nil, more)
			r.Send(c, []byte("five "), nil, nil, 0)
			r.Recv(s, 50, 0, 0)
			r.Recv(o, 50, 0, 0)
		}},
		{"udp/cork/reconnect/" + k.name, connected(func(r *Run, c, s int) {
			t := k.open(r)
			r.Bind(t, k.lo(4001))
			r.Send(c, []byte("one "), nil, nil, more)
			r.Connect(c, k.lo(4001))
			r.Send(c, []byte("two "), nil, nil, 0)
			r.Recv(s, 20, 0, 0)
			r.Recv(t, 20, 0, 0)
			r.Send(c, []byte("one "), nil, nil, more)
			r.Connect(c, Unspec())
			r.Send(c, []byte("two "), nil, nil, 0)
			r.Recv(s, 20, 0, 0)
			r.Recv(t, 20, 0, 0)
		})},
		{"udp/cork/control/" + k.name, wired(func(r *Run, c int) {
			first, second := Cmsg(0, 1, Int(0x40)), Cmsg(0, 2, Int(9))
			if !k.v4() {
				first, second = Cmsg(41, 67, Int(0x40)), Cmsg(41, 52, Int(9))
			}
			r.Send(c, []byte("one "), nil, first, more)
			r.Send(c, []byte("two "), nil, second, more)
			r.Send(c, []byte("three "), nil, Cmsg(0, 99, Int(1)), more)
			r.Send(c, []byte("four "), nil, Cmsg(41, 99, Int(1)), 0)
			r.Payloads()
			r.Send(c, []byte("five"), nil, nil, 0)
			r.Payloads()
		})},
		{"udp/cork/options-between/" + k.name, wired(func(r *Run, c int) {
			r.Send(c, []byte("one "), nil, nil, more)
			r.Set(c, k.class(), 0x40)
			r.Set(c, tcpip.IP_TTL, 9)
			if k.sort.v6() {
				r.Set(c, tcpip.IPV6_UNICAST_HOPS, 9)
			}
			r.Set(c, tcpip.SO_NO_CHECK, 1)
			r.Set(c, tcpip.UDP_SEGMENT, 4)
			r.Send(c, []byte("two "), nil, nil, 0)
			r.Payloads()
			r.Set(c, tcpip.SO_NO_CHECK, 0)
			r.Send(c, []byte("three"), nil, nil, 0)
			r.Payloads()
		})},
		{"udp/cork/fragments/" + k.name, wired(func(r *Run, c int) {
			for range 5 {
				r.Send(c, counted(701), nil, nil, more)
			}
			r.Packets()
			r.Send(c, counted(701), nil, nil, 0)
			r.Packets()
		})},
		{"udp/cork/many/" + k.name, connected(func(r *Run, c, s int) {
			r.Set(c, tcpip.UDP_CORK, 1)
			for i := range 40 {
				r.Send(c, counted(i*40), nil, nil, 0)
			}
			r.Set(c, tcpip.UDP_CORK, 0)
			r.Recv(s, 70000, 0, 0)
		})},
		{"udp/cork/most/" + k.name, connected(func(r *Run, c, s int) {
			for _, last := range []int{25507, 25508, 25527, 25528} {
				r.Send(c, counted(40000), nil, nil, more)
				r.Send(c, counted(last), nil, nil, 0)
				r.Recv(s, 70000, 0, 0)
				r.Send(c, []byte("x"), nil, nil, 0)
				r.Recv(s, 70000, 0, 0)
			}
		})},
		{"udp/cork/too-large/" + k.name, connected(func(r *Run, c, s int) {
			r.Set(c, k.recverr(), 1)
			r.Set(c, tcpip.UDP_CORK, 1)
			r.Send(c, counted(40000), nil, nil, 0)
			r.Send(c, counted(65536), nil, nil, 0)
			r.Send(c, counted(40000), nil, nil, 0)
			r.Recv(c, 10, 300, linux.MSG_ERRQUEUE)
			r.Set(c, tcpip.UDP_CORK, 0)
			r.Recv(s, 70000, 0, 0)
			r.Send(c, []byte("after"), nil, nil, 0)
			r.Recv(s, 70000, 0, 0)
		})},
		{"udp/cork/refused/" + k.name, func(r *Run) {
			c := k.open(r)
			r.Connect(c, k.lo(4999))
			r.Send(c, []byte("x"), nil, nil, 0)
			r.Send(c, []byte("one "), nil, nil, more)
			r.Send(c, []byte("two "), nil, nil, more)
			r.Set(c, tcpip.UDP_CORK, 0)
			r.Get(c, linux.SO_ERROR)
			s := k.open(r)
			r.Bind(s, k.lo(4999))
			r.Send(c, []byte("one "), nil, nil, more)
			r.Send(c, []byte("two "), nil, nil, 0)
			r.Recv(s, 20, 0, 0)
		}},
		{"udp/cork/shutdown/" + k.name, connected(func(r *Run, c, s int) {
			r.Send(c, []byte("one "), nil, nil, more)
			r.Shutdown(c, linux.SHUT_WR)
			r.Send(c, []byte("two "), nil, nil, 0)
			r.Set(c, tcpip.UDP_CORK, 0)
			r.Recv(s, 20, 0, 0)
		})},
		{"udp/cork/close/" + k.name, connected(func(r *Run, c, s int) {
			r.Send(c, []byte("one "), nil, nil, more)
			r.Close(c)
			r.Recv(s, 20, 0, 0)
		})},
		{"udp/cork/flags/" + k.name, connected(func(r *Run, c, s int) {
			for _, flags := range []int{linux.MSG_OOB, linux.MSG_EOR, linux.MSG_DONTWAIT, linux.MSG_NOSIGNAL} {
				r.Send(c, []byte("one "), nil, nil, more|flags)
				r.Send(c, []byte("two "), nil, nil, flags)
				r.Recv(s, 20, 0, 0)
				r.Send(c, []byte("three "), nil, nil, 0)
				r.Recv(s, 20, 0, 0)
			}
		})},
		{"udp/cork/segment/" + k.name, wired(func(r *Run, c int) {
			r.Set(c, tcpip.UDP_SEGMENT, 6)
			r.Send(c, []byte("one "), nil, nil, more)
			r.Send(c, []byte("two "), nil, nil, more)
			r.Send(c, []byte("three "), nil, nil, 0)
			r.Payloads()
			r.Set(c, tcpip.UDP_SEGMENT, 0)
			r.Send(c, []byte("one "), nil, segmentBy(5), more)
			r.Send(c, []byte("two "), nil, nil, more)
			r.Send(c, []byte("three "), nil, segmentBy(3), 0)
			r.Payloads()
			r.Send(c, []byte("one "), nil, nil, more)
			r.Send(c, []byte("two "), nil, segmentBy(3), 0)
			r.Payloads()
		})},
		{"udp/cork/segment-large/" + k.name, wired(func(r *Run, c int) {
			r.Set(c, tcpip.UDP_SEGMENT, 1000)
			for range 3 {
				r.Send(c, counted(1700), nil, nil, more)
			}
			r.Send(c, counted(1), nil, nil, 0)
			r.Packets()
		})},
		{"udp/cork/dont-fragment/" + k.name, wired(func(r *Run, c int) {
			r.Set(c, k.discover(), 2)
			r.Set(c, k.recverr(), 1)
			for _, last := range []int{500, 501} {
				r.Send(c, counted(1000-k.headers()), nil, nil, more)
				r.Send(c, counted(last), nil, nil, 0)
				r.Packets()
				r.Recv(c, 10, 300, linux.MSG_ERRQUEUE)
			}
			r.Send(c, []byte("x"), nil, nil, 0)
			r.Payloads()
		})},
	}
}

// corkPMTUScenarios build datagrams below and above the path MTU of two sends, in every mode.
func corkPMTUScenarios(k way) (list []Scenario) {
	for v := range 6 {
		for _, segment := range []int{0, 1272, 1273} {
			list = append(list, Scenario{fmt.Sprintf("udp/cork-pmtu/mode%d/segment%d/%s", v, segment, k.name), func(r *Run) {
				s := k.open(r)
				r.Set(s, k.discover(), v)
				r.Set(s, k.recverr(), 1)
				r.Set(s, tcpip.UDP_SEGMENT, segment)
				r.Connect(s, k.peer(4000))
				send := func(first, second int) [][]byte {
					r.Send(s, counted(first), nil, nil, more)
					r.Send(s, counted(second-first-k.headers()), nil, nil, 0)
					sent := r.Packets()
					r.Recv(s, 0, 200, linux.MSG_ERRQUEUE)
					return sent
				}
				if about := send(600, 1300); len(about) > 0 {
					r.Inject("too big, 1300", tooBig(about[0], 1300))
				}
				r.Recv(s, 0, 200, linux.MSG_ERRQUEUE)
				r.Get(s, linux.SO_ERROR)
				for _, size := range []int{1300, 1301, 1500, 1501, 3000} {
					send(600, size)
				}
				r.Get(s, linux.SO_ERROR)
			}})
		}
	}
	return list
}

var udpDifferences = []difference{}

// isZero reports whether b has zeroes only.
func isZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }
