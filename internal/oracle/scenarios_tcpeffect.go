package oracle

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// sackOption is a SACK option with one block, in offsets from what the peer has acknowledged.
func (p *tcpPeer) sackOption(from, to int) []byte {
	b := []byte{1, 1, 5, 10}
	b = binary.BigEndian.AppendUint32(b, p.ack+uint32(from))
	return binary.BigEndian.AppendUint32(b, p.ack+uint32(to))
}

// unwind sets what the peer acknowledges back by n bytes.
func (p *tcpPeer) unwind(n int) { p.ack -= uint32(n) }

// watch takes note of what the host has sent, and does not log it: how often it has sent it again depends on the time,
// and the kernel probes a lost tail.
func (p *tcpPeer) watch() {
	for _, b := range p.r.sockets.Sent() {
		p.look(b)
	}
}

// tcpEffectWireScenarios show TCP's options in segments over t0, to a peer that is told what to send.
func tcpEffectWireScenarios() (list []Scenario) {
	for _, k := range sorts {
		if !streams(k) {
			continue
		}
		full := 1448 // payload of a full segment
		tos, ttl, fewest := tcpip.IP_TOS, tcpip.IP_TTL, tcpip.IP_MINTTL
		if k.v6() {
			full = 1428
			tos, ttl, fewest = tcpip.IPV6_TCLASS, tcpip.IPV6_UNICAST_HOPS, tcpip.Option(41, 73)
		}
		list = append(list,
			Scenario{"tcpeffect/MAXSEG/" + k.name, func(r *Run) {
				s, p := k.dial(r, func(s int, _ *tcpPeer) { r.Set(s, tcp.TCP_MAXSEG, 500) })
				r.Get(s, tcp.TCP_MAXSEG)
				r.Send(s, make([]byte, 1200), nil, nil, 0)
				p.Sent()
				p.Send(segment{})
				r.Set(s, tcp.TCP_MAXSEG, 300)
				r.Send(s, make([]byte, 600), nil, nil, 0)
				p.Sent()
			}},
			Scenario{"tcpeffect/MAXSEG-listener/" + k.name, func(r *Run) {
				_, s, p := k.call(r, func(l int, _ *tcpPeer) { r.Set(l, tcp.TCP_MAXSEG, 500) })
				r.Get(s, tcp.TCP_MAXSEG)
				r.Send(s, make([]byte, 1200), nil, nil, 0)
				p.Sent()
			}},
			Scenario{"tcpeffect/WINDOW_CLAMP/" + k.name, func(r *Run) {
				s, p := k.dial(r, func(s int, _ *tcpPeer) { r.Set(s, tcp.TCP_WINDOW_CLAMP, 5000) })
				r.Get(s, tcp.TCP_WINDOW_CLAMP)
				p.Send(segment{data: "abc", flags: tcpPSH})
				r.sockets.Pass(60)
				p.Sent()
			}},
			Scenario{"tcpeffect/NODELAY/" + k.name, func(r *Run) {
				s, p := k.dial(r, nil)
				for _, v := range []int{0, 1} {
					r.Set(s, tcp.TCP_NODELAY, v)
					for range 3 {
						r.Send(s, []byte("ab"), nil, nil, 0)
						p.Sent()
					}
					p.Send(segment{})
					p.Sent()
				}
			}},
			Scenario{"tcpeffect/CORK/" + k.name, func(r *Run) {
				s, p := k.dial(r, nil)
				r.Set(s, tcp.TCP_CORK, 1)
				r.Send(s, []byte("ab"), nil, nil, 0)
				p.Sent()
				r.Send(s, make([]byte, 2000), nil, nil, 0)
				p.Sent()
				r.Set(s, tcp.TCP_CORK, 0)
				p.Sent()
				r.Set(s, tcp.TCP_CORK, 1)
				r.Send(s, []byte("late"), nil, nil, 0)
				p.Send(segment{})
				r.sockets.Pass(300)
				p.Sent()
			}},
			Scenario{"tcpeffect/TOS/" + k.name, func(r *Run) {
				s, p := k.dial(r, func(s int, _ *tcpPeer) {
					r.Set(s, tos, 0x2b)
					r.Set(s, ttl, 7)
				})
				r.Get(s, tos)
				r.Send(s, []byte("ab"), nil, nil, 0)
				p.Sent()
				r.Set(s, tos, 0x10)
				r.Set(s, ttl, 9)
				p.Send(segment{})
				r.Send(s, []byte("cd"), nil, nil, 0)
				p.Sent()
			}},
			Scenario{"tcpeffect/TOS-listener/" + k.name, func(r *Run) { // the SYN-ACK's, too
				_, s, p := k.call(r, func(l int, _ *tcpPeer) {
					r.Set(l, tos, 0x28)
					r.Set(l, ttl, 7)
				})
				r.Get(s, tos)
				r.Get(s, ttl)
				r.Send(s, []byte("ab"), nil, nil, 0)
				p.Sent()
			}},
			Scenario{"tcpeffect/MINTTL/" + k.name, func(r *Run) { // the peer's segments have 64
				_, s, p := k.call(r, nil)
				r.Set(s, fewest, 64)
				p.Send(segment{data: "near"})
				r.Recv(s, 10, 0, 0)
				r.Set(s, fewest, 65)
				p.Send(segment{data: "far"})
				r.Recv(s, 10, 0, 0)
				r.Set(s, fewest, 0)
				p.Send(segment{seq: -3, data: "far"})
				r.Recv(s, 10, 0, 0)
			}},
			Scenario{"tcpeffect/NOTSENT_LOWAT/" + k.name, func(r *Run) {
				s, p := k.dial(r, func(s int, p *tcpPeer) {
					r.SetOpt(s, 1, 7, Int(1<<18))
					p.window = 1000
				})
				r.Set(s, tcp.TCP_NOTSENT_LOWAT, 4000)
				r.Poll(s)
				for range 5 {
					r.Send(s, make([]byte, 900), nil, nil, 0)
					p.watch()
					r.Poll(s)
				}
				r.sockets.Pass(20)
				r.Info(s, "notsent_bytes", "snd_wnd", "rwnd_limited")
				p.Send(segment{win: 8000}) // it takes all
				p.watch()
				r.Poll(s)
				r.Info(s, "snd_wnd")
			}},
			Scenario{"tcpeffect/INFO-loss/" + k.name, func(r *Run) { // the second of five segments is lost
				s, p := k.dial(r, func(_ int, p *tcpPeer) { p.far = 100 }) // reordering is waited for a quarter of it
				r.Send(s, make([]byte, 5*full), nil, nil, 0)
				p.Sent()
				r.sockets.Wait(p.far)
				r.Info(s, "ca_state", "unacked", "sacked", "lost", "retrans", "snd_cwnd", "bytes_acked", "bytes_sent", "data_segs_out", "notsent_bytes")
				p.unwind(4 * full)
				p.Send(segment{})
				p.Send(segment{options: p.sackOption(full, 2*full)})
				r.Info(s, "ca_state", "unacked", "sacked", "lost", "retrans", "delivered", "bytes_acked")
				p.Send(segment{options: p.sackOption(full, 4*full)})
				p.Sent()
				r.Info(s, "ca_state", "unacked", "sacked", "lost", "retrans", "delivered", "total_retrans", "bytes_retrans", "dsack_dups", "reord_seen")
				p.Send(segment{})
				r.Info(s, "ca_state", "unacked", "sacked", "lost", "retrans", "delivered", "total_retrans", "bytes_acked", "data_segs_out")
			}},
			Scenario{"tcpeffect/INFO-timeout/" + k.name, func(r *Run) {
				s, p := k.dial(r, nil)
				r.Send(s, []byte("hello"), nil, nil, 0)
				p.Sent()
				r.sockets.Wait(500) // after the first timeout, that a probe has put off, and before the second, had there been none
				r.Info(s, "ca_state", "unacked", "lost", "retrans", "snd_cwnd", "rto")
				p.watch()
				p.Send(segment{})
				r.Info(s, "ca_state", "retransmits", "backoff", "unacked", "lost", "retrans", "bytes_acked")
			}},
			Scenario{"tcpeffect/INFO-received/" + k.name, func(r *Run) { // one segment overtakes another
				s, p := k.dial(r, nil)
				p.Send(segment{data: "early", seq: 4})
				p.Sent()
				r.Info(s, "rcv_ooopack", "bytes_received", "data_segs_in", "segs_in")
				p.Send(segment{data: "late"})
				p.Sent()
				r.Info(s, "rcv_ooopack", "bytes_received", "data_segs_in", "segs_in")
				r.Recv(s, 20, 0, 0)
			}},
			Scenario{"tcpeffect/DEFER_ACCEPT/" + k.name, func(r *Run) {
				l, p := k.ring(r, func(l int, _ *tcpPeer) { r.Set(l, tcp.TCP_DEFER_ACCEPT, 5) })
				p.Send(segment{})
				p.Sent()
				r.Poll(l)
				r.Accept(l, 0)
				p.Send(segment{data: "now"})
				p.Sent()
				r.Poll(l)
				s := r.Accept(l, 0)
				r.Recv(s, 10, 0, 0)
			}},
			Scenario{"tcpeffect/USER_TIMEOUT/" + k.name, func(r *Run) {
				s, p := k.dial(r, nil)
				r.Set(s, tcp.TCP_USER_TIMEOUT, 500)
				r.Send(s, []byte("x"), nil, nil, 0)
				p.Sent()
				r.sockets.Pass(1500)
				r.Poll(s)
				r.Get(s, linux.SO_ERROR)
				r.Recv(s, 1, 0, 0)
			}},
			Scenario{"tcpeffect/KEEPALIVE/" + k.name, func(r *Run) {
				s, p := k.dial(r, nil)
				r.Set(s, tcp.TCP_KEEPIDLE, 1)
				r.Set(s, tcp.TCP_KEEPINTVL, 1)
				r.Set(s, tcp.TCP_KEEPCNT, 1)
				r.Set(s, tcpip.SO_KEEPALIVE, 1)
				r.sockets.Pass(1300)
				p.Sent()
				r.sockets.Pass(1200)
				p.Sent()
				r.Poll(s)
				r.Get(s, linux.SO_ERROR)
			}},
			Scenario{"tcpeffect/too-big/" + k.name, func(r *Run) { // BEHAVIOUR B10
				s, p := k.dial(r, nil)
				r.Send(s, make([]byte, 3000), nil, nil, 0)
				p.Sent()
				p.unwind(3000)
				about := p.last
				binary.BigEndian.PutUint32(about[len(about)-len(transportBytes(about))+4:], p.ack)
				r.Inject("too big, 1300", tooBig(about, 1300))
				p.Sent()
				r.Info(s, "snd_mss", "pmtu", "unacked")
				r.Get(s, tcp.TCP_MAXSEG)
			}},
		)
	}
	return list
}

func transportBytes(b []byte) []byte {
	_, t := transportOf(b)
	return t
}
