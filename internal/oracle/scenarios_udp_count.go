package oracle

import (
	"encoding/binary"
	"strings"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// Counted logs those of the counters of IP and UDP that are not 0.
func (r *Run) Counted(k way) {
	var names, values, said []string
	if !k.v4() {
		for line := range strings.Lines(r.sockets.ProcNet("snmp6")) {
			if f := strings.Fields(line); len(f) == 2 {
				names, values = append(names, f[0]), append(values, f[1])
			}
		}
	} else {
		lines := strings.Split(r.sockets.ProcNet("snmp"), "\n")
		for i := 0; i+1 < len(lines); i += 2 {
			head, tail := strings.Fields(lines[i]), strings.Fields(lines[i+1])
			for j := 1; j < len(head) && j < len(tail); j++ {
				names, values = append(names, strings.TrimSuffix(head[0], ":")+head[j]), append(values, tail[j])
			}
		}
	}
	for i, n := range names {
		if counted4[n] && values[i] != "0" {
			said = append(said, n+" "+values[i])
		}
	}
	r.Say("counted %s", strings.Join(said, ", "))
}

// counted4 are the counters that a datagram socket's doings move.
var counted4 = map[string]bool{
	"IpOutNoRoutes": true, "IpFragFails": true, "UdpInDatagrams": true, "UdpNoPorts": true, "UdpInErrors": true, "UdpOutDatagrams": true,
	"UdpRcvbufErrors": true, "UdpSndbufErrors": true, "UdpInCsumErrors": true,
	"Ip6OutNoRoutes": true, "Ip6FragFails": true, "Udp6InDatagrams": true, "Udp6NoPorts": true, "Udp6InErrors": true, "Udp6OutDatagrams": true,
	"Udp6RcvbufErrors": true, "Udp6SndbufErrors": true, "Udp6InCsumErrors": true,
}

// countScenarios look at the counters after what moves them, and at SIOCGSTAMP.
func countScenarios() (list []Scenario) {
	for _, k := range ways {
		from := Peer4
		if !k.v4() {
			from = Peer6
		}
		list = append(list,
			Scenario{"udp/count/no-route/" + k.name, func(r *Run) {
				c := k.open(r)
				r.Send(c, []byte("x"), k.at("192.0.2.9", "2001:db8::9", 4000), nil, 0)
				r.Connect(c, k.at("192.0.2.9", "2001:db8::9", 4000))
				r.Send(c, []byte("x"), k.peer(4000), nil, 0)
				r.Counted(k)
			}},
			Scenario{"udp/count/delivery/" + k.name, func(r *Run) {
				c, s := k.couple(r)
				r.Send(c, []byte("x"), k.lo(4000), nil, 0)
				r.Send(c, []byte("y"), k.lo(4000), nil, 0)
				r.Recv(s, 10, 0, linux.MSG_PEEK)
				r.Recv(s, 10, 0, 0)
				r.Send(c, []byte("x"), k.lo(4001), nil, 0)
				r.Counted(k)
			}},
			Scenario{"udp/count/checksum/" + k.name, func(r *Run) {
				s := k.open(r)
				r.Bind(s, k.any(4000))
				bad := arriving{from: from, data: []byte("hello")}.packet()
				bad[len(bad)-6]++
				r.Arrive("a bad checksum", bad)
				r.Recv(s, 10, 0, 0)
				r.Arrive("a bad checksum for nobody", func() []byte {
					b := arriving{from: from, dport: 4001, data: []byte("hello")}.packet()
					b[len(b)-6]++
					return b
				}())
				r.Arrive("no checksum", arriving{from: from, data: []byte("hello"), noChecksum: true}.packet())
				r.Recv(s, 10, 0, 0)
				r.Counted(k)
			}},
			Scenario{"udp/count/sends/" + k.name, func(r *Run) {
				c := k.open(r)
				r.Connect(c, k.peer(4000))
				r.Send(c, counted(100), nil, nil, more)
				r.Send(c, counted(100), nil, nil, 0)
				r.Send(c, counted(4000), nil, segmentBy(1000), 0)
				r.Send(c, counted(4000), nil, nil, 0)
				r.Send(c, counted(70000), nil, nil, 0)
				r.Set(c, k.discover(), 2)
				r.Send(c, counted(4000), nil, nil, 0)
				r.Counted(k)
			}},
			Scenario{"udp/count/joined/" + k.name, func(r *Run) {
				c, s := k.couple(r)
				r.Send(c, counted(2500), k.lo(4000), segmentBy(1000), 0)
				for range 3 {
					r.Recv(s, 5000, 0, 0)
				}
				r.Set(s, tcpip.UDP_GRO, 1)
				r.Send(c, counted(2500), k.lo(4000), segmentBy(1000), 0)
				r.Recv(s, 5000, 0, 0)
				r.Counted(k)
			}},
			Scenario{"socket/stamp/ioctl/" + k.name, func(r *Run) {
				c, s := k.couple(r)
				stamp := func() {
					for _, request := range []uint32{0x8906, 0x8907, 0x80108906, 0x80108907} {
						b := make([]byte, 16)
						e := r.sockets.IoctlBytes(s, request, b)
						r.Say("ioctl %#x: errno %d, a time %v, below a second %v", request, e,
							binary.NativeEndian.Uint64(b) != 0, binary.NativeEndian.Uint64(b[8:]) < 1e9)
					}
				}
				stamp()
				r.Send(c, []byte("x"), k.lo(4000), nil, 0)
				stamp()
				r.Recv(s, 10, 100, 0)
				stamp()
				r.Get(s, tcpip.SO_TIMESTAMP)
				r.Set(s, tcpip.SO_TIMESTAMP, 1)
				r.Send(c, []byte("x"), k.lo(4000), nil, 0)
				r.Recv(s, 10, 100, 0)
				stamp()
			}},
		)
	}
	return list
}
