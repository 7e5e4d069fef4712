package oracle

import (
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// tcpOpens are handshakes, from both sides, that go as they should and that do not.
var tcpOpens = []wireScenario{
	{"connect", func(r *Run, k sort) {
		s, _ := k.dial(r, nil)
		tcpLook(r, s)
		r.Get(s, tcpip.Option(6, 2))
	}},
	{"accept", func(r *Run, k sort) {
		_, s, _ := k.call(r, nil)
		tcpLook(r, s)
		r.Get(s, tcpip.Option(6, 2))
	}},
	{"connect-without-timestamps", func(r *Run, k sort) {
		s, p := k.dial(r, func(_ int, p *tcpPeer) { p.noTS = true })
		r.Send(s, []byte("hello"), nil, nil, 0)
		p.Sent()
	}},
	{"accept-without-timestamps", func(r *Run, k sort) {
		_, s, p := k.call(r, func(_ int, p *tcpPeer) { p.noTS = true })
		r.Send(s, []byte("hello"), nil, nil, 0)
		p.Sent()
	}},
	{"connect-small-mss", func(r *Run, k sort) {
		s, p := k.dial(r, func(_ int, p *tcpPeer) { p.mss = 300 })
		r.Get(s, tcpip.Option(6, 2))
		r.Send(s, some(1000), nil, nil, 0)
		p.Sent()
	}},
	{"connect-tiny-mss", func(r *Run, k sort) {
		s, p := k.dial(r, func(_ int, p *tcpPeer) { p.mss = 1 })
		r.Get(s, tcpip.Option(6, 2))
		r.Send(s, some(100), nil, nil, 0)
		p.Sent()
	}},
	{"refused", func(r *Run, k sort) {
		p := k.tcpPeerOf(r, 4000)
		s := k.open(r)
		r.Connect(s, k.peer(4000))
		p.Sent()
		p.Send(segment{flags: tcpRST})
		r.Poll(s)
		r.Connect(s, k.peer(4000))
		r.Connect(s, k.peer(4000))
		p.Sent()
	}},
	{"reset-without-ack", func(r *Run, k sort) {
		p := k.tcpPeerOf(r, 4000)
		s := k.open(r)
		r.Connect(s, k.peer(4000))
		p.Sent()
		p.Send(segment{flags: tcpRST, bare: true})
		r.Poll(s)
		p.Sent()
	}},
	{"reset-of-another", func(r *Run, k sort) {
		p := k.tcpPeerOf(r, 4000)
		s := k.open(r)
		r.Connect(s, k.peer(4000))
		p.Sent()
		p.Send(segment{flags: tcpRST, ack: 5})
		r.Poll(s)
		r.sockets.Wait(30)
		p.Sent()
	}},
	{"wrong-ack", func(r *Run, k sort) {
		p := k.tcpPeerOf(r, 4000)
		s := k.open(r)
		r.Connect(s, k.peer(4000))
		p.Sent()
		p.Send(segment{flags: tcpSYN, ack: 7, seq: 1})
		r.sockets.Wait(30)
		p.Sent()
		r.Poll(s)
		p.Send(segment{flags: tcpSYN})
		p.Sent()
		r.Poll(s)
	}},
	{"ack-alone", func(r *Run, k sort) {
		p := k.tcpPeerOf(r, 4000)
		s := k.open(r)
		r.Connect(s, k.peer(4000))
		p.Sent()
		p.Send(segment{})
		p.Sent()
		r.Poll(s)
	}},
	{"simultaneous", func(r *Run, k sort) {
		p := k.tcpPeerOf(r, 4000)
		s := k.open(r)
		r.Connect(s, k.peer(4000))
		p.Sent()
		p.Send(segment{flags: tcpSYN, bare: true})
		p.Sent()
		tcpLook(r, s)
		r.Connect(s, k.peer(4000))
		p.Send(segment{flags: tcpSYN, seq: -1})
		p.Sent()
		tcpLook(r, s)
		r.Connect(s, k.peer(4000))
	}},
	{"syn-ack-with-data", func(r *Run, k sort) {
		p := k.tcpPeerOf(r, 4000)
		s := k.open(r)
		r.Connect(s, k.peer(4000))
		p.Sent()
		p.Send(segment{flags: tcpSYN, data: "early"})
		p.Sent()
		r.Poll(s)
		r.Recv(s, 10, 0, 0)
	}},
	{"syn-ack-with-fin", func(r *Run, k sort) {
		p := k.tcpPeerOf(r, 4000)
		s := k.open(r)
		r.Connect(s, k.peer(4000))
		p.Sent()
		p.Send(segment{flags: tcpSYN | tcpFIN})
		p.Sent()
		r.Poll(s)
	}},
	{"syn-ack-again", func(r *Run, k sort) {
		_, p := k.dial(r, nil)
		p.Send(segment{flags: tcpSYN, seq: -1})
		p.Sent()
	}},
	{"called-off", func(r *Run, k sort) {
		p := k.tcpPeerOf(r, 4000)
		s := k.open(r)
		r.Connect(s, k.peer(4000))
		p.Sent()
		r.Close(s)
		p.Sent()
		p.Send(segment{flags: tcpSYN})
		p.Sent()
	}},
	{"shut-while-connecting", func(r *Run, k sort) {
		p := k.tcpPeerOf(r, 4000)
		s := k.open(r)
		r.Connect(s, k.peer(4000))
		p.Sent()
		r.Shutdown(s, linux.SHUT_WR)
		p.Sent()
		p.Send(segment{flags: tcpSYN})
		p.Sent()
		r.Poll(s)
	}},
	{"port0", func(r *Run, k sort) {
		s := k.open(r)
		r.Connect(s, k.peer(0))
		r.Packets()
		r.Names(s)
	}},
	{"syn-to-nobody", func(r *Run, k sort) {
		p := k.tcpPeerOf(r, 5000)
		p.host = 4000
		p.Send(segment{flags: tcpSYN, bare: true})
		p.Sent()
		p.Send(segment{flags: tcpFIN, seq: 1, ack: 9})
		p.Sent()
		p.Send(segment{flags: tcpRST, seq: 1})
		p.Sent()
		p.Send(segment{flags: tcpFIN | tcpURG | tcpPSH, bare: true, seq: 1, data: "xmas"})
		p.Sent()
		p.Send(segment{bare: true, seq: 1})
		p.Sent()
	}},
	{"listener-gets-others", func(r *Run, k sort) {
		p := k.tcpPeerOf(r, 5000)
		p.host = 4000
		l := k.open(r)
		r.Bind(l, k.any(4000))
		r.Listen(l, 5)
		p.Send(segment{ack: 77, seq: 1})
		p.Sent()
		p.Send(segment{flags: tcpFIN, bare: true, seq: 1})
		p.Sent()
		p.Send(segment{flags: tcpSYN | tcpFIN, bare: true, seq: 1})
		p.Sent()
		p.Send(segment{flags: tcpSYN, ack: 5, seq: 1})
		p.Sent()
		p.Send(segment{flags: tcpRST, seq: 1})
		p.Sent()
		p.Send(segment{bare: true, seq: 1})
		p.Sent()
		r.Poll(l)
	}},
	{"syn-with-data", func(r *Run, k sort) {
		p := k.tcpPeerOf(r, 5000)
		p.host = 4000
		l := k.open(r)
		r.Bind(l, k.any(4000))
		r.Listen(l, 5)
		p.Send(segment{flags: tcpSYN, bare: true, data: "early"})
		p.Sent()
	}},
	{"half-open", func(r *Run, k sort) {
		l, p := k.ring(r, nil)
		p.Send(segment{flags: tcpSYN, bare: true, seq: -1})
		p.Sent()
		p.Send(segment{ack: 100})
		p.Sent()
		p.Send(segment{seq: 100000})
		p.Sent()
		r.Poll(l)
		p.Send(segment{flags: tcpPSH, data: "hello"})
		p.Sent()
		r.Poll(l)
		s := r.Accept(l, 0)
		r.Recv(s, 10, 0, 0)
	}},
	{"half-open-reset", func(r *Run, k sort) {
		l, p := k.ring(r, nil)
		p.Send(segment{flags: tcpRST, seq: 5})
		p.Sent()
		p.Send(segment{flags: tcpRST})
		p.Sent()
		p.Send(segment{})
		p.Sent()
		r.Poll(l)
	}},
	{"half-open-fin", func(r *Run, k sort) {
		l, p := k.ring(r, nil)
		p.Send(segment{flags: tcpFIN})
		r.sockets.Wait(60)
		p.Sent()
		r.Poll(l)
		s := r.Accept(l, 0)
		tcpLook(r, s)
		r.Recv(s, 10, 0, 0)
	}},
	{"half-open-closed", func(r *Run, k sort) {
		l, p := k.ring(r, nil)
		r.Close(l)
		p.Sent()
		p.Send(segment{})
		p.Sent()
	}},
	{"half-open-unlistened", func(r *Run, k sort) {
		l, p := k.ring(r, nil)
		r.Shutdown(l, linux.SHUT_RD)
		p.Sent()
		p.Send(segment{})
		p.Sent()
	}},
	{"unaccepted-closed", func(r *Run, k sort) {
		l, p := k.ring(r, nil)
		p.Send(segment{})
		r.Poll(l)
		r.Close(l)
		p.Sent()
	}},
	{"unaccepted-reset", func(r *Run, k sort) {
		l, p := k.ring(r, nil)
		p.Send(segment{}, segment{flags: tcpRST})
		r.Poll(l)
		s := r.Accept(l, 0)
		tcpLook(r, s)
		r.Recv(s, 10, 0, 0)
		r.Get(s, linux.SO_ERROR)
	}},
	{"unaccepted-data-fin", func(r *Run, k sort) {
		l, p := k.ring(r, nil)
		p.Send(segment{}, segment{flags: tcpPSH, data: "abc"}, segment{flags: tcpFIN})
		r.Poll(l)
		s := r.Accept(l, 0)
		tcpLook(r, s)
		r.Recv(s, 10, 0, 0)
		r.Recv(s, 10, 0, 0)
	}},
	{"disconnect-established", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		r.Send(s, some(100), nil, nil, 0)
		p.Sent()
		r.Connect(s, Unspec())
		p.Sent()
		r.Poll(s)
		p.Send(segment{})
		p.Sent()
	}},
	{"disconnect-connecting", func(r *Run, k sort) {
		p := k.tcpPeerOf(r, 4000)
		s := k.open(r)
		r.Connect(s, k.peer(4000))
		p.Sent()
		r.Connect(s, Unspec())
		p.Sent()
		r.Poll(s)
		r.Connect(s, k.peer(4000))
		p.Sent()
	}},
}
