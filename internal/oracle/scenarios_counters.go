package oracle

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// tally is what the counters of /proc/net say, in their order.
type tally struct {
	names  []string
	values map[string]int64
}

// tally reads the counters of snmp, snmp6 and netstat.
func (r *Run) tally() (t tally) {
	t.values = map[string]int64{}
	add := func(name, value string) {
		v, err := strconv.ParseInt(value, 10, 64)
		if _, again := t.values[name]; err != nil || again {
			return
		}
		t.names = append(t.names, name)
		t.values[name] = v
	}
	for _, file := range []string{"snmp", "netstat"} {
		lines := strings.Split(r.sockets.ProcNet(file), "\n")
		for i := 0; i+1 < len(lines); i += 2 {
			head, tail := strings.Fields(lines[i]), strings.Fields(lines[i+1])
			for j := 1; j < len(head) && j < len(tail); j++ {
				add(strings.TrimSuffix(head[0], ":")+head[j], tail[j])
			}
		}
	}
	for line := range strings.Lines(r.sockets.ProcNet("snmp6")) {
		if f := strings.Fields(line); len(f) == 2 {
			add(f[0], f[1])
		}
	}
	return t
}

// countedHere are the counters that the stack counts; the others are 0 in its texts.
var countedHere = func() map[string]bool {
	names := map[string]bool{
		"IpOutTransmits": true, "Ip6OutTransmits": true, "TcpCurrEstab": true, "IcmpInSrcQuenchs": true, "IcmpInAddrMasks": true,
	}
	for name := range new(stack.Counters).All() {
		names[name] = true
	}
	return names
}()

// Moved logs which counters do has moved, of those that the stack counts.
func (r *Run) Moved(do func()) {
	r.sockets.Pass(50) // what the interface says of itself is gone then
	before := r.tally()
	do()
	r.sockets.Settle()
	var said []string
	after := r.tally()
	for _, n := range after.names {
		if d := after.values[n] - before.values[n]; d != 0 && n != "TcpExtDelayedACKs" && (countedHere[n] || strings.Contains(n, "Type") || strings.HasPrefix(n, "IcmpMsg")) {
			said = append(said, fmt.Sprintf("%s %+d", n, d))
		}
	}
	r.Say("moved %s", strings.Join(said, ", "))
}

func counterScenarios() (list []Scenario) {
	add := func(name string, k sort, do func(*Run)) {
		list = append(list, Scenario{"procnet/moved/" + name + "/" + k.name, func(r *Run) { r.Moved(func() { do(r) }) }})
	}
	for _, k := range sorts {
		if !streams(k) {
			continue
		}
		add("pair", k, func(r *Run) { k.pair(r) })
		add("data", k, func(r *Run) {
			_, c, s := k.pair(r)
			r.Send(c, []byte("hello"), nil, nil, 0)
			r.Recv(s, 10, 0, 0)
			r.Send(s, []byte("hello"), nil, nil, 0)
			r.Recv(c, 10, 0, 0)
		})
		add("closed", k, func(r *Run) {
			_, c, s := k.pair(r)
			r.Close(c)
			r.sockets.Wait(60) // for the acknowledgement of its end
			r.Close(s)
		})
		add("close-unread", k, func(r *Run) {
			_, c, s := k.pair(r)
			r.Send(c, []byte("hello"), nil, nil, 0)
			r.Close(s)
		})
		add("linger0", k, func(r *Run) {
			_, c, _ := k.pair(r)
			r.SetOpt(c, 1, 13, append(Int(1), Int(0)...))
			r.Close(c)
		})
		add("refused", k, func(r *Run) {
			c := k.open(r)
			r.Connect(c, k.loopback(4999))
		})
		add("disconnect", k, func(r *Run) {
			_, c, _ := k.pair(r)
			r.Connect(c, Unspec())
		})
		add("overflow", k, func(r *Run) {
			l := k.open(r)
			r.Bind(l, k.loopback(4000))
			r.Listen(l, 0)
			for range 3 {
				r.Connect(k.open(r), k.loopback(4000))
			}
		})
		add("no-answer", k, func(r *Run) {
			r.Connect(k.open(r), k.peer(4000))
			r.sockets.Wait(2500)
		})
		add("reset-by-peer", k, func(r *Run) {
			_, p := k.dial(r, nil)
			p.Send(segment{flags: tcpRST})
		})
		add("refused-by-peer", k, func(r *Run) {
			p := k.tcpPeerOf(r, 4000)
			r.Connect(k.open(r), k.peer(4000))
			p.Sent()
			p.Send(segment{flags: tcpRST})
		})
		add("accepted", k, func(r *Run) { k.call(r, nil) })
		add("ring", k, func(r *Run) {
			k.ring(r, nil)
			r.sockets.Wait(1500)
		})
		add("ring-reset", k, func(r *Run) {
			_, p := k.ring(r, nil)
			p.Send(segment{flags: tcpRST})
		})
		add("ring-wrong", k, func(r *Run) {
			_, p := k.ring(r, nil)
			p.Send(segment{ack: 77})
		})
		add("syn-again", k, func(r *Run) {
			_, p := k.ring(r, nil)
			p.Send(segment{flags: tcpSYN, bare: true, seq: -1})
		})
		add("received", k, func(r *Run) {
			s, p := k.dial(r, nil)
			for range 3 {
				p.Send(segment{data: "abc", flags: tcpPSH})
			}
			r.Recv(s, 100, 0, 0)
		})
		add("twice", k, func(r *Run) {
			s, p := k.dial(r, nil)
			p.Send(segment{data: "abc", flags: tcpPSH})
			p.Send(segment{data: "abc", flags: tcpPSH, seq: -3})
			r.Recv(s, 100, 0, 0)
		})
		add("out-of-order", k, func(r *Run) {
			s, p := k.dial(r, nil)
			p.Send(segment{data: "def", flags: tcpPSH, seq: 3})
			p.Send(segment{data: "def", flags: tcpPSH, seq: 3})
			p.Send(segment{data: "ghi", flags: tcpPSH, seq: 6})
			p.Send(segment{data: "abc", flags: tcpPSH})
			r.Recv(s, 100, 0, 0)
		})
		add("beyond", k, func(r *Run) {
			_, p := k.dial(r, nil)
			p.Send(segment{data: "abc", seq: 1 << 24})
		})
		add("old-stamp", k, func(r *Run) {
			_, p := k.dial(r, nil)
			p.tsval -= 1000
			p.Send(segment{data: "abc"})
		})
		add("bad-reset", k, func(r *Run) {
			_, p := k.dial(r, nil)
			p.Send(segment{flags: tcpRST, seq: 100})
		})
		add("syn-in-window", k, func(r *Run) {
			_, p := k.dial(r, nil)
			p.Send(segment{flags: tcpSYN, seq: 10})
		})
		add("ack-of-unsent", k, func(r *Run) {
			_, p := k.dial(r, nil)
			p.Send(segment{ack: 1000})
		})
		add("bad-checksum", k, func(r *Run) {
			_, p := k.dial(r, nil)
			_, b := p.build(segment{data: "abc"})
			b[len(b)-1] ^= 1
			r.Inject("a bad checksum", b)
		})
		add("nobody", k, func(r *Run) {
			p := k.tcpPeerOf(r, 5000)
			p.host = 4444
			p.Send(segment{flags: tcpSYN, bare: true})
			p.Send(segment{data: "abc"})
		})
		add("sent", k, func(r *Run) {
			s, p := k.dial(r, nil)
			for range 3 {
				r.Send(s, []byte("abc"), nil, nil, 0)
				p.Sent()
				p.Send(segment{})
			}
		})
		add("lost", k, func(r *Run) {
			s, p := k.dial(r, nil)
			r.Send(s, []byte("abc"), nil, nil, 0)
			p.Sent()
			r.sockets.Wait(1000)
		})
		add("zero-window", k, func(r *Run) {
			s, p := k.dial(r, nil)
			p.Send(segment{win: -1})
			r.Send(s, []byte("abc"), nil, nil, 0)
			r.sockets.Wait(500)
		})
		add("keepalive", k, func(r *Run) {
			s, p := k.dial(r, nil)
			r.Set(s, tcpip.SO_KEEPALIVE, 1)
			r.Set(s, tcp.TCP_KEEPIDLE, 1)
			r.sockets.Wait(1500)
			p.Sent()
			p.Send(segment{})
		})
		add("min-ttl", k, func(r *Run) {
			s, p := k.dial(r, nil)
			r.Set(s, tcpip.IP_MINTTL, 100)
			r.Set(s, tcpip.IPV6_MINHOPCOUNT, 100)
			p.Send(segment{data: "abc"})
		})
		add("defer", k, func(r *Run) {
			_, p := k.ring(r, func(l int, _ *tcpPeer) { r.Set(l, tcp.TCP_DEFER_ACCEPT, 5) })
			p.Send(segment{})
			p.Send(segment{data: "abc", flags: tcpPSH})
		})
		add("peer-closes", k, func(r *Run) {
			s, p := k.dial(r, nil)
			p.Send(segment{flags: tcpFIN})
			r.sockets.Wait(60) // and its acknowledgement has been sent
			r.Close(s)
			p.Sent()
			p.Send(segment{})
		})
		add("host-closes", k, func(r *Run) {
			s, p := k.dial(r, nil)
			r.Close(s)
			p.Sent()
			p.Send(segment{})
			p.Send(segment{flags: tcpFIN})
			p.Sent()
			p.Send(segment{flags: tcpFIN, seq: -1})
			p.tsval -= 1000
			p.Send(segment{flags: tcpFIN, seq: -1})
		})
		add("data-after-shut", k, func(r *Run) {
			s, p := k.dial(r, nil)
			r.Close(s)
			p.Sent()
			p.Send(segment{data: "abc"})
		})
		add("unreachable", k, func(r *Run) {
			s, p := k.dial(r, nil)
			r.Send(s, []byte("abc"), nil, nil, 0)
			about := p.Sent()
			r.Inject("unreachable", icmpReport(about[0], Peer4, Peer6, map[bool]byte{false: 3, true: 1}[k.v6()], 1, 0))
			b := append([]byte(nil), about[0]...)
			b[len(b)-len(transportData(b))-32+4] ^= 0x40 // of the sequence number
			r.Inject("unreachable, out of window", icmpReport(b, Peer4, Peer6, map[bool]byte{false: 3, true: 1}[k.v6()], 1, 0))
		})
	}
	for _, k := range ways[:2] {
		from, to := Peer4, Host4
		icmp := icmp4
		_ = to
		if !k.v4() {
			from, to, icmp = Peer6, Host6, icmp6
		}
		add := func(name string, do func(*Run)) {
			list = append(list, Scenario{"procnet/moved/" + name + "/" + k.name, func(r *Run) { r.Moved(func() { do(r) }) }})
		}
		add("datagrams", func(r *Run) {
			c, s := k.couple(r)
			r.Send(c, counted(100), k.lo(4000), nil, 0)
			r.Recv(s, 1000, 0, 0)
		})
		add("fragments-sent", func(r *Run) {
			c := k.open(r)
			r.Send(c, counted(4000), k.peer(4000), nil, 0)
			r.Send(c, counted(4000), k.peer(4000), segmentBy(1000), 0)
			r.Set(c, k.discover(), 2)
			r.Send(c, counted(4000), k.peer(4000), nil, 0)
		})
		add("fragments", func(r *Run) {
			s := k.open(r)
			r.Bind(s, k.any(4000))
			r.Arrive("fragments", arriving{from: from, data: counted(3000)}.fragments(1000)...)
			r.Recv(s, 5000, 0, 0)
			r.Arrive("a fragment", arriving{from: from, data: counted(3000)}.fragments(1000)[0])
		})
		add("overlap", func(r *Run) {
			s := k.open(r)
			r.Bind(s, k.any(4000))
			f, g := arriving{from: from, data: counted(3000)}.fragments(1000), arriving{from: from, data: counted(3000)}.fragments(1008)
			r.Arrive("overlapping fragments", f[0], g[1], f[2], g[2])
			r.Recv(s, 5000, 0, 0)
		})
		add("unknown-protocol", func(r *Run) {
			r.Arrive("protocol 200", arriving{from: from, proto: 200, data: counted(10)}.packet())
		})
		add("port-unreachable", func(r *Run) {
			r.Arrive("to no port", arriving{from: from, dport: 4444, data: counted(10)}.packet())
		})
		add("hop-limit-0", func(r *Run) {
			b := arriving{from: from, data: counted(10)}.packet()
			if k.v4() {
				b[8] = 0
				copy(b[10:], igmpSummed(append([]byte{b[0], b[1], 0, 0}, append(append([]byte(nil), b[4:10]...), append([]byte{b[2], b[3]}, b[12:20]...)...)...))[2:4])
			} else {
				b[7] = 0
			}
			r.Arrive("with no hops left", b)
		})
		add("for-another", func(r *Run) {
			r.Arrive("to another host", arriving{from: from, to: k.pick("10.77.0.99", "fd77::99"), data: counted(10)}.packet())
		})
		if k.v4() { // over IPv6 Linux tells that it has no route
			add("for-others-far", func(r *Run) {
				r.Arrive("to another network", arriving{from: from, to: "192.0.2.1", data: counted(10)}.packet())
			})
		}
		add("martian", func(r *Run) {
			r.Arrive("from loopback", arriving{from: k.pick("127.0.0.1", "::1"), data: counted(10)}.packet())
			r.Arrive("from a group", arriving{from: k.pick("239.1.1.1", "ff05::1"), data: counted(10)}.packet())
			r.Arrive("to loopback", arriving{from: from, to: k.pick("127.0.0.1", "::1"), data: counted(10)}.packet())
		})
		add("cut", func(r *Run) {
			b := arriving{from: from, data: counted(100)}.packet()
			r.Arrive("cut short", b[:len(b)-10])
			r.Arrive("cut in the header", b[:12])
			r.Arrive("with bytes behind", append(b, 1, 2, 3))
		})
		add("group", func(r *Run) {
			g := k.pick("224.0.0.1", "ff02::1")
			s := k.open(r)
			r.Bind(s, k.any(4000))
			r.Arrive("to all", arriving{from: k.pick(from, "fe80::9"), to: g, data: counted(100)}.packet())
			r.Recv(s, 1000, 0, 0)
			r.Arrive("to all, to no port", arriving{from: k.pick(from, "fe80::9"), to: g, dport: 4444, data: counted(100)}.packet())
			r.Arrive("to a group of others", arriving{from: k.pick(from, "fe80::9"), to: k.pick("239.9.9.9", "ff05::9"), data: counted(100)}.packet())
			r.Send(s, counted(50), k.at("239.1.1.1", "ff05::1:1", 4000), nil, 0)
		})
		if k.v4() {
			add("broadcast", func(r *Run) {
				s := k.open(r)
				r.Bind(s, k.any(4000))
				r.Set(s, tcpip.SO_BROADCAST, 1)
				r.Arrive("to all", arriving{from: from, to: "255.255.255.255", data: counted(100)}.packet())
				r.Recv(s, 1000, 0, 0)
				r.Send(s, counted(50), k.at("255.255.255.255", "", 4000), nil, 0)
			})
			add("bad-header", func(r *Run) {
				b := arriving{from: from, data: counted(100)}.packet()
				b[10] ^= 1
				r.Arrive("with a bad checksum", b)
				b = arriving{from: from, data: counted(100)}.packet()
				b[0] = 0x44
				r.Arrive("with a short header", b)
				b = arriving{from: from, data: counted(100), options: []byte{7, 99, 4, 0}}.packet()
				r.Arrive("with bad options", b)
			})
			add("mask", func(r *Run) {
				r.Arrive("a mask request", icmp4(from, []byte{17, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0}))
			})
		} else {
			add("extensions", func(r *Run) {
				r.Arrive("with an unknown option", arriving{from: from, data: counted(10), ext: []extension{{0, []byte{0, 0xc7, 4, 0, 0, 0, 0}}}}.packet())
				r.Arrive("with a routing header", arriving{from: from, data: counted(10), ext: []extension{{43, []byte{0, 0, 1, 0, 0, 0, 0}}}}.packet())
			})
			add("neighbours", func(r *Run) {
				r.Arrive("a bad advertisement", icmp6(from, []byte{134, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}))
				r.Arrive("a solicitation", icmp6(from, []byte{133, 0, 0, 0, 0, 0, 0, 0}))
			})
		}
		add("icmp", func(r *Run) {
			echo := byte(8)
			if !k.v4() {
				echo = 128
			}
			r.Arrive("an echo request", icmp(from, []byte{echo, 0, 0, 0, 0, 1, 0, 1, 1, 2, 3}))
			r.Arrive("an answer", icmp(from, []byte{map[bool]byte{true: 0, false: 129}[k.v4()], 0, 0, 0, 0, 1, 0, 1, 1, 2, 3}))
			b := icmp(from, []byte{echo, 0, 0, 0, 0, 1, 0, 1, 1, 2, 3})
			b[len(b)-1] ^= 1
			r.Arrive("a bad checksum", b)
			r.Arrive("an unknown type", icmp(from, []byte{77, 0, 0, 0, 0, 1, 0, 1, 1, 2, 3}))
			r.Arrive("a short one", icmp(from, []byte{echo, 0, 0, 0}))
		})
		add("icmp-errors", func(r *Run) {
			s := k.open(r)
			r.Connect(s, k.peer(4000))
			r.Send(s, counted(100), nil, nil, 0)
			about := r.Packets()
			for _, t := range [][2]byte{{3, 1}, {3, 3}, {3, 4}, {11, 0}, {12, 0}, {1, 0}, {2, 0}, {3, 0}, {4, 0}} {
				r.Inject(fmt.Sprint("error ", t), icmpReport(about[0], Peer4, Peer6, t[0], t[1], 1400))
			}
			r.Inject("about nothing", icmpReport(arriving{from: to, to: from, sport: 99}.packet(), Peer4, Peer6, 3, 3, 0))
			r.Inject("cut", icmp(from, []byte{3, 3, 0, 0, 0, 0, 0, 0, 0x45, 0, 0, 0}))
		})
		add("overflow", func(r *Run) {
			c, s := k.couple(r)
			r.Set(s, tcpip.SO_RCVBUF, 0)
			for range 3 {
				r.Send(c, counted(3000), k.lo(4000), nil, 0)
			}
			r.Recv(s, 10000, 0, 0)
		})
		add("no-route", func(r *Run) {
			r.Send(k.open(r), []byte("x"), k.at("192.0.2.9", "2001:db8::9", 4000), nil, 0)
		})
	}
	for _, name := range []string{"ping4", "ping6", "raw4", "raw6"} {
		k := sortOf(name)
		add("sent", k, func(r *Run) {
			s := k.open(r)
			m := []byte{8, 0, 0, 0, 0, 1, 0, 1, 1, 2, 3}
			if k.v6() {
				m[0] = 128
			}
			r.Send(s, m, k.peer(0), nil, 0)
			r.Send(s, m, k.loopback(0), nil, 0)
			r.Recv(s, 100, 0, 0)
		})
	}
	return list
}
