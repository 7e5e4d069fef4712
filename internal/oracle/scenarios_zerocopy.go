package oracle

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// runs renders a list with what follows itself counted.
type runs struct {
	last  string
	count int
	text  []string
}

func (l *runs) add(what string) {
	if what != l.last {
		l.flush()
	}
	l.last = what
	l.count++
}

func (l *runs) flush() {
	if l.count > 0 {
		l.text = append(l.text, fmt.Sprintf("%s x%d", l.last, l.count))
	}
	l.count = 0
}

func (l *runs) String() string {
	l.flush()
	return strings.Join(l.text, ", ")
}

// sendZero sends with MSG_ZEROCOPY many times and says how that went, after is done after each.
func (r *Run) sendZero(s, times int, data, to []byte, after func()) {
	var l runs
	for range times {
		_, e := r.sockets.SendMsg(s, data, to, nil, linux.MSG_ZEROCOPY)
		r.sockets.Settle()
		l.add(errnoName(e))
		if after != nil {
			after()
		}
	}
	r.Say("sends: %s", l.String())
}

// drainErrors empties the error queue and says how much was in it, by origin, what came first, and about how many writes
// the completions were.
func (r *Run) drainErrors(s, most int) {
	var first []byte
	var told uint32
	origins := map[byte]int{}
	for range most {
		m, e := r.sockets.RecvMsg(s, make([]byte, 100), make([]byte, 500), linux.MSG_ERRQUEUE)
		if e != 0 {
			break
		}
		for b := m.Control; len(b) >= 16; {
			n := int(binary.NativeEndian.Uint64(b))
			level, typ := binary.NativeEndian.Uint32(b[8:]), binary.NativeEndian.Uint32(b[12:])
			if n >= 32 && (level == 0 && typ == 11 || level == 41 && typ == 25) {
				if origins[b[20]]++; len(first) < 6 {
					first = append(first, b[20])
				}
				if b[20] == 5 {
					told += binary.NativeEndian.Uint32(b[28:]) - binary.NativeEndian.Uint32(b[24:]) + 1
				}
			}
			b = b[min(max((n+7)&^7, 16), len(b)):]
		}
	}
	r.Say("entries by origin %v, first of %v, about %d writes", origins, first, told)
}

// zeroCopyFloodScenarios are about the room that completions of MSG_ZEROCOPY need.
func zeroCopyFloodScenarios() (list []Scenario) {
	for _, k := range sorts {
		if !udps(k) {
			continue
		}
		for _, room := range []int{-1, 0, 10000} {
			for _, size := range []int{3, 1400, 20000} {
				list = append(list, Scenario{fmt.Sprintf("zerocopy/flood/refused/%d-%d/%s", room, size, k.name), func(r *Run) {
					s := k.open(r)
					if room >= 0 {
						r.Set(s, tcpip.SO_RCVBUF, room)
					}
					r.Set(s, tcpip.IP_RECVERR, 1)
					r.Set(s, tcpip.IPV6_RECVERR, 1)
					r.Set(s, tcpip.SO_ZEROCOPY, 1)
					r.Connect(s, k.loopback(4000))
					for range 2 {
						r.sendZero(s, 400, counted(size), nil, func() { r.sockets.GetSockOpt(s, 1, 4, make([]byte, 4)) })
						r.drainErrors(s, 3)
						r.sendZero(s, 3, counted(size), nil, nil)
						r.drainErrors(s, 1000)
					}
				}})
			}
			list = append(list, Scenario{fmt.Sprintf("zerocopy/flood/full/%d/%s", room, k.name), func(r *Run) {
				s := k.open(r)
				if room >= 0 {
					r.Set(s, tcpip.SO_RCVBUF, room)
				}
				r.Bind(s, k.loopback(4000))
				r.Set(s, tcpip.SO_ZEROCOPY, 1)
				for range 300 { // to itself, until no more is taken
					r.sockets.SendMsg(s, counted(1000), k.loopback(4000), nil, 0)
				}
				r.sendZero(s, 3, counted(1000), k.loopback(4000), nil)
				r.drainErrors(s, 10)
				r.sendZero(s, 3, counted(1000), k.peer(4000), nil)
				r.drainErrors(s, 10)
			}})
		}
		for _, read := range []bool{false, true} {
			list = append(list, Scenario{fmt.Sprintf("zerocopy/flood/joined/%v/%s", read, k.name), func(r *Run) {
				s := k.open(r)
				r.Set(s, tcpip.SO_ZEROCOPY, 1)
				r.sendZero(s, 500, counted(100), k.peer(4000), func() {
					if read {
						r.sockets.RecvMsg(s, nil, make([]byte, 200), linux.MSG_ERRQUEUE)
					}
				})
				r.drainErrors(s, 10)
			}})
		}
		list = append(list, Scenario{"zerocopy/flood/corked/" + k.name, func(r *Run) { // each write of a datagram
			s := k.open(r)
			r.Set(s, tcpip.SO_ZEROCOPY, 1)
			r.Set(s, tcpip.UDP_CORK, 1)
			r.sendZero(s, 400, counted(100), k.peer(4000), nil)
			r.Set(s, tcpip.UDP_CORK, 0)
			r.drainErrors(s, 10)
		}})
	}
	for _, k := range sorts {
		if !streams(k) {
			continue
		}
		for _, room := range []int{-1, 0} {
			list = append(list, Scenario{fmt.Sprintf("zerocopy/flood/stamped/%d/%s", room, k.name), func(r *Run) {
				_, s, c := k.pair(r)
				if room >= 0 {
					r.Set(s, tcpip.SO_RCVBUF, room)
				}
				r.Set(s, tcpip.SO_ZEROCOPY, 1)
				r.Set(s, tcpip.SO_TIMESTAMPING, 2|stampTell|stampOnly)
				for range 2 {
					r.sendZero(s, 400, counted(3), nil, func() { r.sockets.RecvMsg(c, make([]byte, 100), nil, 0) })
					r.drainErrors(s, 1000)
				}
			}})
		}
		list = append(list, Scenario{"zerocopy/flood/unacknowledged/" + k.name, func(r *Run) {
			s, p := k.dial(r, nil)
			r.Set(s, tcpip.SO_ZEROCOPY, 1)
			r.sendZero(s, 15, counted(3), nil, nil)
			p.Sent()
			r.drainErrors(s, 10)
		}})
	}
	return list
}
