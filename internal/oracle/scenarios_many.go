package oracle

import (
	"bytes"
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// manyScenarios send and receive many messages in one call.
func manyScenarios() (list []Scenario) {
	outgoing := func(to []byte, sizes ...int) (m []linux.Outgoing) {
		for i, n := range sizes {
			m = append(m, linux.Outgoing{Data: bytes.Repeat([]byte{byte('a' + i)}, n), Name: to})
		}
		return m
	}
	for _, k := range sorts {
		if udps(k) {
			list = append(list,
				Scenario{"many/all/" + k.name, func(r *Run) {
					c, s := k.open(r), k.open(r)
					r.Bind(s, k.loopback(4000))
					r.SendMany(c, outgoing(k.loopback(4000), 3, 0, 5), 0)
					r.RecvMany(s, 5, 10, 0, 0)
					r.RecvMany(s, 5, 10, 0, 0)
					r.SendMany(c, nil, 0)
					r.RecvMany(s, 0, 10, 0, 0)
				}},
				Scenario{"many/wait-for-one/" + k.name, func(r *Run) {
					c, s := k.open(r), k.open(r)
					r.Bind(s, k.loopback(4000))
					r.SendMany(c, outgoing(k.loopback(4000), 3, 4, 5), 0)
					r.RecvMany(s, 2, 4, 0, linux.MSG_WAITFORONE)
					r.RecvMany(s, 2, 4, 0, linux.MSG_WAITFORONE|linux.MSG_TRUNC)
					r.RecvMany(s, 2, 4, 0, linux.MSG_WAITFORONE)
				}},
				Scenario{"many/first-fails/" + k.name, func(r *Run) {
					c := k.open(r)
					r.SendMany(c, outgoing(k.loopback(0), 3, 4), 0)
					r.SendMany(c, outgoing(k.foreign(9), 3, 4), 0)
					r.SendMany(c, outgoing(nil, 3, 4), 0)
				}},
				Scenario{"many/second-fails/" + k.name, func(r *Run) {
					c, s := k.open(r), k.open(r)
					r.Bind(s, k.loopback(4000))
					m := outgoing(k.loopback(4000), 3, 70000, 5)
					r.SendMany(c, m, 0)
					r.Get(c, linux.SO_ERROR)
					r.RecvMany(s, 5, 10, 0, 0)
					m[1] = outgoing(k.foreign(9), 3)[0]
					r.SendMany(c, m, 0)
					r.Get(c, linux.SO_ERROR)
					r.Poll(c)
				}},
				Scenario{"many/pending-error/" + k.name, func(r *Run) {
					c := k.open(r)
					r.Connect(c, k.loopback(4999))
					r.Send(c, []byte("x"), nil, nil, 0)
					r.SendMany(c, outgoing(nil, 1, 2, 3), 0)
					r.Get(c, linux.SO_ERROR)
					r.Send(c, []byte("x"), nil, nil, 0)
					r.RecvMany(c, 3, 10, 0, 0)
					r.RecvMany(c, 3, 10, 0, 0)
					r.Send(c, []byte("x"), nil, nil, 0)
					r.RecvMany(c, 3, 10, 0, linux.MSG_ERRQUEUE)
					r.Poll(c)
				}},
				// The error comes with data in front of it.
				Scenario{"many/error-behind/" + k.name, func(r *Run) {
					c, s := k.open(r), k.open(r)
					r.Bind(s, k.loopback(4000))
					r.Bind(c, k.loopback(4001))
					r.Connect(c, k.loopback(4000))
					r.Send(s, []byte("one"), k.loopback(4001), nil, 0)
					r.Send(s, []byte("two"), k.loopback(4001), nil, 0)
					r.Close(s)
					r.Send(c, []byte("x"), nil, nil, 0)
					r.RecvMany(c, 5, 10, 0, 0)
					r.RecvMany(c, 5, 10, 0, 0)
					r.RecvMany(c, 5, 10, 0, 0)
					r.Poll(c)
				}},
				Scenario{"many/control/" + k.name, func(r *Run) {
					c, s := k.open(r), k.open(r)
					r.Bind(s, k.loopback(4000))
					r.Set(s, tcpip.IP_RECVTTL, 1)
					r.Set(s, tcpip.IPV6_RECVHOPLIMIT, 1)
					m := outgoing(k.loopback(4000), 1, 2, 3)
					m[1].Control = Cmsg(0, 2, Int(7))
					if k.v6() {
						m[1].Control = Cmsg(41, 52, Int(7))
					}
					r.SendMany(c, m, 0)
					r.RecvMany(s, 3, 10, 100, 0)
				}},
			)
			continue
		}
		if !streams(k) {
			continue
		}
		list = append(list,
			Scenario{"many/stream/" + k.name, func(r *Run) {
				_, c, s := k.pair(r)
				r.SendMany(c, outgoing(nil, 3, 4, 5), 0)
				r.RecvMany(s, 2, 4, 0, 0)
				r.RecvMany(s, 5, 4, 0, 0)
				r.SendMany(c, outgoing(nil, 3), linux.MSG_OOB)
				r.RecvMany(s, 5, 4, 0, 0)
				r.RecvMany(s, 5, 4, 0, linux.MSG_OOB)
			}},
			Scenario{"many/stream-end/" + k.name, func(r *Run) {
				_, c, s := k.pair(r)
				r.SendMany(c, outgoing(nil, 3), 0)
				r.Shutdown(c, linux.SHUT_WR)
				r.RecvMany(s, 3, 4, 0, 0)
				r.Shutdown(s, linux.SHUT_WR)
				r.SendMany(s, outgoing(nil, 3, 4), 0)
			}},
			Scenario{"many/stream-reset/" + k.name, func(r *Run) {
				_, c, s := k.pair(r)
				r.SetOpt(c, linux.SOL_SOCKET, 13, append(Int(1), Int(0)...))
				r.Close(c)
				r.RecvMany(s, 3, 4, 0, 0)
				r.RecvMany(s, 3, 4, 0, 0)
				r.SendMany(s, outgoing(nil, 3, 4), 0)
			}},
			Scenario{"many/stream-new/" + k.name, func(r *Run) {
				s := k.open(r)
				r.RecvMany(s, 3, 4, 0, 0)
				r.SendMany(s, outgoing(nil, 3, 4), 0)
			}},
		)
	}
	return append(list, interfaceScenarios()...)
}

// interfaceScenarios ask ioctl(2) about interfaces.
func interfaceScenarios() (list []Scenario) {
	for _, k := range sorts {
		list = append(list,
			Scenario{"ioctl/interface/" + k.name, func(r *Run) {
				s := k.open(r)
				for _, request := range []uint32{linux.SIOCGIFINDEX, linux.SIOCGIFFLAGS, linux.SIOCGIFMTU, linux.SIOCGIFMETRIC,
					linux.SIOCGIFTXQLEN, linux.SIOCGIFHWADDR, linux.SIOCGIFMAP} {
					for _, name := range []string{"lo", "t0", "nosuch", "", "lo:1", "averyveryverylong"} {
						r.Ifreq(s, request, name, nil)
					}
				}
			}},
			Scenario{"ioctl/address/" + k.name, func(r *Run) {
				s := k.open(r)
				for _, request := range []uint32{linux.SIOCGIFADDR, linux.SIOCGIFNETMASK, linux.SIOCGIFBRDADDR, linux.SIOCGIFDSTADDR} {
					for _, name := range []string{"lo", "t0", "nosuch", "", "lo:1"} {
						r.Ifreq(s, request, name, nil)
						r.Ifreq(s, request, name, In4("9.9.9.9", 9))
					}
				}
			}},
			Scenario{"ioctl/name/" + k.name, func(r *Run) {
				s := k.open(r)
				for _, index := range []int{1, 2, 3, 0, -1} {
					r.Ifreq(s, linux.SIOCGIFNAME, "", word(index))
				}
			}},
			Scenario{"ioctl/list/" + k.name, func(r *Run) {
				s := k.open(r)
				for _, size := range []int{-1, 400, 80, 79, 40, 39, 0} {
					r.InterfaceList(s, size)
				}
			}},
			Scenario{fmt.Sprintf("ioctl/unknown/%s", k.name), func(r *Run) {
				s := k.open(r)
				for _, request := range []uint32{0x89ff, 0x1234, 0} {
					r.Ifreq(s, request, "lo", nil)
				}
			}},
		)
	}
	return list
}
