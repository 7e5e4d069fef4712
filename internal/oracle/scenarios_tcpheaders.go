package oracle

import (
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// streamHeaders are options and extension headers that streams send, each as an option of a socket.
var streamHeaders = []struct {
	name string
	v6   bool
	id   tcpip.OptionID
	b    []byte
}{
	{"record-route", false, linux.IP_OPTIONS, []byte{7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0}},
	{"timestamp", false, linux.IP_OPTIONS, []byte{68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
	{"alert", false, linux.IP_OPTIONS, []byte{148, 4, 0, 0}},
	{"unknown", false, linux.IP_OPTIONS, []byte{200, 3, 9}},
	{"most", false, linux.IP_OPTIONS, append([]byte{7, 39, 4}, make([]byte, 36)...)},
	{"loose-route", false, linux.IP_OPTIONS, []byte{131, 7, 4, 10, 77, 0, 3}},
	{"strict-route", false, linux.IP_OPTIONS, []byte{1, 137, 11, 4, 10, 77, 0, 3, 10, 77, 0, 4}},
	{"hop-by-hop", true, linux.IPV6_HOPOPTS, pad6(1)},
	{"options", true, linux.IPV6_DSTOPTS, pad6(2)},
	{"routing", true, linux.IPV6_RTHDR, segments(1, 1, "fd77::3", "fd77::4")},
	{"routing-options", true, linux.IPV6_RTHDRDSTOPTS, pad6(1)},
	{"long", true, linux.IPV6_DSTOPTS, pad6(100)},
	{"old", true, linux.IPV6_2292PKTOPTIONS, append(Cmsg(41, 54, pad6(1)), Cmsg(41, 59, pad6(1))...)},
	{"nothing-old", true, linux.IPV6_2292PKTOPTIONS, nil},
	{"info", true, linux.IPV6_PKTINFO, append(make([]byte, 16), Int(2)...)},
	{"info-lo", true, linux.IPV6_PKTINFO, append(make([]byte, 16), Int(1)...)},
}

// tcpHeaderScenarios are about IPv4 options and IPv6 extension headers of streams.
func tcpHeaderScenarios() (list []Scenario) {
	add := func(name string, do func(*Run)) { list = append(list, Scenario{"tcpheaders/" + name, do}) }
	for _, h := range streamHeaders {
		k := sortOf("tcp4")
		if h.v6 {
			k = sortOf("tcp6")
		}
		set := func(r *Run, s int) { r.SetOpt(s, h.id.Level(), h.id.Number(), h.b) }
		get := func(r *Run, s int) {
			b := make([]byte, 60)
			n, e := r.sockets.GetSockOpt(s, h.id.Level(), h.id.Number(), b)
			if e != 0 {
				n = 0
			}
			r.logf("%s(%s) = %s %x", h.name, r.file(s), errnoName(e), stampless(b[:n]))
		}
		look := func(r *Run, s int) {
			get(r, s)
			r.Get(s, tcp.TCP_MAXSEG)
			r.Info(s, "snd_mss", "advmss", "pmtu")
		}
		talk := func(r *Run, s int, p *tcpPeer) {
			look(r, s)
			r.Send(s, []byte("hello"), nil, nil, 0)
			p.Sent()
			p.Send(segment{})
			r.Send(s, make([]byte, 3500), nil, nil, 0)
			p.Sent()
			p.Send(segment{data: "answer"})
			r.sockets.Pass(60)
			p.Sent()
		}
		end := func(r *Run, s int, p *tcpPeer) { // the answer of TIME-WAIT, too
			r.Shutdown(s, 1)
			p.Sent()
			p.Send(segment{flags: tcpFIN})
			p.Sent()
			r.Close(s)
			p.Send(segment{flags: tcpFIN, seq: -1})
			p.Sent()
		}
		add("client/"+h.name, func(r *Run) {
			s, p := k.dial(r, func(s int, _ *tcpPeer) {
				set(r, s)
				get(r, s)
			})
			talk(r, s, p)
			end(r, s, p)
		})
		add("later/"+h.name, func(r *Run) {
			s, p := k.dial(r, nil)
			look(r, s)
			set(r, s)
			talk(r, s, p)
			end(r, s, p)
		})
		add("removed/"+h.name, func(r *Run) {
			s, p := k.dial(r, func(s int, _ *tcpPeer) { set(r, s) })
			r.SetOpt(s, h.id.Level(), h.id.Number(), nil)
			talk(r, s, p)
		})
		add("listener/"+h.name, func(r *Run) {
			_, s, p := k.call(r, func(l int, _ *tcpPeer) { set(r, l) })
			talk(r, s, p)
			end(r, s, p)
		})
		add("listener-later/"+h.name, func(r *Run) { // between SYN and the last ACK
			l, p := k.ring(r, nil)
			set(r, l)
			p.Send(segment{})
			r.Await(l, 1)
			s := r.Accept(l, 0)
			talk(r, s, p)
		})
		add("reset/"+h.name, func(r *Run) {
			s, p := k.dial(r, func(s int, _ *tcpPeer) { set(r, s) })
			p.Send(segment{data: "unread"})
			p.Sent()
			r.Close(s)
			p.Sent()
		})
		add("again/"+h.name, func(r *Run) { // a disconnected socket keeps them
			s, p := k.dial(r, func(s int, _ *tcpPeer) { set(r, s) })
			r.Connect(s, Unspec())
			p.Sent()
			get(r, s)
			r.Connect(s, k.peer(4001))
			r.Packets()
		})
		add("loopback/"+h.name, func(r *Run) {
			l := k.open(r)
			r.Bind(l, k.loopback(4000))
			r.Listen(l, 5)
			c := k.open(r)
			set(r, c)
			r.Connect(c, k.loopback(4000))
			r.Await(c, 4)
			s := r.Accept(l, 0)
			look(r, c)
			if s >= 0 {
				look(r, s)
				r.Send(s, []byte("hi"), nil, nil, 0)
				r.Recv(c, 10, 0, 0)
			}
		})
		if h.v6 {
			continue
		}
		add("arriving/"+h.name, func(r *Run) { // the SYN's are echoed, and the connection's
			l, p := k.ring(r, func(l int, p *tcpPeer) { p.ipOptions = padded4(h.b) })
			p.ipOptions = nil
			p.Send(segment{})
			p.Sent()
			r.Await(l, 1)
			if s := r.Accept(l, 0); s >= 0 {
				talk(r, s, p)
				end(r, s, p)
			}
		})
		add("arriving-later/"+h.name, func(r *Run) {
			_, s, p := k.call(r, nil)
			p.ipOptions = padded4(h.b)
			p.Send(segment{data: "more"})
			p.ipOptions = nil
			r.sockets.Pass(60)
			p.Sent()
			talk(r, s, p)
		})
		add("mapped/"+h.name, func(r *Run) {
			k6 := sortOf("tcp6")
			s := k6.open(r)
			set(r, s)
			get(r, s)
			r.Connect(s, In6("::ffff:"+Peer4, 4000))
			r.Packets()
			look(r, s)
		})
	}
	add("unopened", func(r *Run) {
		s := sortOf("tcp4").open(r)
		r.SetOpt(s, 0, 4, []byte{148, 4, 0, 0})
		r.Get(s, tcp.TCP_MAXSEG)
	})
	return list
}

var tcpHeaderDifferences = []difference{
	{"tcpheaders/later/[ls]*-route", "a source route that is set on a connection is followed", "deliberate: Linux sends it along, and the packets by the way that it has"},
	{"tcpheaders/removed/[ls]*-route", "a source route that was taken from a connection is not followed any more", "deliberate: as above"},
	{"tcpheaders/removed/hop-by-hop", "the MSS grows again with an extension header taken away", "deliberate: Linux keeps the room for what is not sent any more"},
	{"tcpheaders/removed/options", "the MSS grows again with an extension header taken away", "deliberate: as above"},
	{"tcpheaders/removed/rout*", "the MSS grows again with an extension header taken away", "deliberate: as above"},
	{"tcpheaders/removed/long", "the MSS grows again with an extension header taken away", "deliberate: as above"},
	{"tcpheaders/removed/old", "the MSS grows again with an extension header taken away", "deliberate: as above"},
	{"tcpheaders/loopback/routing-options", "IPV6_RTHDRDSTOPTS without IPV6_RTHDR changes nothing", "deliberate: on Linux a connection with it over lo does not come about"},
	{"tcpheaders/unopened", "TCP_MAXSEG of a socket without connection does not change with its IP_OPTIONS", "deliberate: Linux computes it from a path that is not known yet"},
}

// padded4 pads IPv4 options.
func padded4(b []byte) []byte { return append(append([]byte(nil), b...), make([]byte, -len(b)&3)...) }
