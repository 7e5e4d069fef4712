package oracle

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// rawICMPScenarios are about raw sockets of ICMP, and their filters.
func rawICMPScenarios() (list []Scenario) {
	for _, name := range []string{"raw4", "raw6", "raw-udp4", "raw-header6"} {
		k := rawSort(name)
		list = append(list, Scenario{"raw/icmp/filter-elsewhere/" + name, func(r *Run) {
			s := k.open(r)
			for _, id := range []tcpip.OptionID{icmpFilter, icmp6Filter, tcpip.Option(255, 2), tcpip.Option(58, 7), rawChecksum} {
				for _, n := range []int{4, 2, 0, 32} {
					r.SetOpt(s, id.Level(), id.Number(), make([]byte, n))
					r.GetOpt(s, id.Level(), id.Number(), n)
				}
			}
		}})
	}
	for _, name := range []string{"raw-icmp4", "raw-icmp6"} {
		k := rawSort(name)
		ping := sortOf(k.pick("ping4", "ping6"))
		filter := icmpFilter
		request, reply := byte(8), byte(0)
		if k.v6() {
			filter = icmp6Filter
			request, reply = 128, 129
		}
		echo := func(t byte) []byte { return []byte{t, 0, 0, 0, 0, 77, 0, 1, 'e', 'c', 'h', 'o'} }
		types := []struct {
			name string
			t    byte
			rest uint32
		}{{"reply", reply, 77 << 16}, {"request", request, 77 << 16}, {"unknown", k.code(40, 200), 0}, {"timestamp", k.code(13, 127), 0},
			{"redirect", k.code(5, 137), 0}, {"quench", k.code(4, 160), 0}, {"advertisement", k.code(9, 134), 0}}
		list = append(list, Scenario{"raw/icmp/echo/" + name, func(r *Run) {
			s := k.open(r)
			p := ping.open(r)
			r.Bind(p, ping.loopback(77))
			r.Send(p, echo(request), ping.loopback(0), nil, 0)
			for range 3 {
				r.Recv(s, 100, 0, 0)
			}
			r.Recv(p, 100, 0, 0)
			r.Send(s, echo(request), k.loopback(0), nil, 0)
			for range 3 {
				r.Recv(s, 100, 0, 0)
			}
			r.Recv(p, 100, 0, 0)
			r.Send(s, echo(request), k.peer(0), nil, 0)
			r.Bytes()
		}}, Scenario{"raw/icmp/checksum/" + name, func(r *Run) {
			s := k.open(r)
			b := k.icmpTo(request, 0, 77<<16, []byte("echo"))
			b[len(b)-1]++
			r.Inject("wrong checksum", b)
			r.Recv(s, 100, 0, 0)
			b = k.icmpTo(request, 0, 77<<16, nil)
			r.Inject("short", k.packet(b[len(b)-8:len(b)-4]))
			r.Recv(s, 100, 0, 0)
			r.Inject("empty", k.packet(nil))
			r.Recv(s, 100, 0, 0)
			r.Packets()
		}}, Scenario{"raw/icmp/filter-values/" + name, func(r *Run) {
			s := k.open(r)
			for _, size := range []int{32, 40, 4, 3, 1, 0} {
				r.GetOpt(s, filter.Level(), filter.Number(), size)
			}
			for _, size := range []int{32, 4, 3, 8, 1, 0, 40} {
				b := make([]byte, size)
				for i := range b {
					b[i] = byte(i + 1)
				}
				r.SetOpt(s, filter.Level(), filter.Number(), b)
				r.GetOpt(s, filter.Level(), filter.Number(), 32)
			}
			for _, id := range []tcpip.OptionID{icmpFilter, icmp6Filter, tcpip.Option(58, 1), tcpip.Option(255, 1), tcpip.Option(255, 2), tcpip.Option(58, 7), tcpip.Option(255, 7)} {
				r.Get(s, id)
				r.Set(s, id, 1)
			}
		}})
		for _, m := range types {
			list = append(list, Scenario{"raw/icmp/filter/" + m.name + "/" + name, func(r *Run) {
				s := k.open(r)
				b := k.icmpTo(m.t, 0, m.rest, []byte("something more to read"))
				r.Inject("unfiltered", b)
				r.Recv(s, 100, 0, 0)
				only := make([]byte, 32)
				if k.v6() {
					only[m.t/8] = 1 << (m.t % 8)
					binary.NativeEndian.PutUint32(only[m.t/32*4:], 1<<(m.t%32))
				} else {
					only = binary.NativeEndian.AppendUint32(nil, 1<<m.t)
				}
				r.SetOpt(s, filter.Level(), filter.Number(), only)
				r.Inject("filtered", b)
				r.Recv(s, 100, 0, 0)
				r.Inject("another", k.icmpTo(reply, 0, 77<<16, []byte("echo")))
				r.Recv(s, 100, 0, 0)
				r.Packets()
			}})
		}
		list = append(list, Scenario{"raw/icmp/unreachable-seen/" + name, func(r *Run) {
			s := k.open(r)
			u := sortOf(k.pick("udp4", "udp6")).open(r)
			r.Send(u, []byte("x"), k.loopback(4999), nil, 0)
			r.Recv(s, 2, 0, linux.MSG_TRUNC)
			r.Recv(s, 2, 0, linux.MSG_TRUNC)
			r.Get(s, linux.SO_ERROR)
		}}, Scenario{"raw/icmp/bound/" + name, func(r *Run) {
			s := k.open(r)
			r.Bind(s, k.loopback(0))
			r.Inject("to the host", k.icmpTo(reply, 0, 0, nil))
			r.Recv(s, 100, 0, 0)
			r.Connect(s, k.loopback(0))
			r.Send(s, echo(request), nil, nil, 0)
			r.Recv(s, 100, 0, 0)
			r.Recv(s, 100, 0, 0)
		}})
	}
	return list
}

func (k sort) code(v4, v6 byte) byte {
	if k.v6() {
		return v6
	}
	return v4
}

// rawFilterScenarios ask BPF programs about what arrives: they see what the socket's reader does.
func rawFilterScenarios() (list []Scenario) {
	for _, name := range []string{"raw4", "raw6"} {
		k := rawSort(name)
		for _, f := range filterRuns {
			list = append(list, Scenario{"raw/filter/" + f.name + "/" + name, func(r *Run) {
				s := k.open(r)
				r.AttachFilter(s, f.code...)
				r.Inject("some", k.packet(udpBytes(4000, 4000, "abcdefghijklmnop")))
				r.Recv(s, 100, 0, linux.MSG_TRUNC)
				r.Packets()
			}})
		}
	}
	return list
}
