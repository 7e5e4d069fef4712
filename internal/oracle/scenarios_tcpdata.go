package oracle

import (
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// tcpData moves data, in order and not.
var tcpData = []wireScenario{
	{"send", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		r.Send(s, []byte("hello"), nil, nil, 0)
		r.Ioctl(s, linux.SIOCOUTQ)
		p.Sent()
		p.Send(segment{})
		r.Send(s, some(3000), nil, nil, 0)
		p.Sent()
		r.Ioctl(s, linux.SIOCOUTQ)
		r.Ioctl(s, linux.SIOCOUTQNSD)
		p.Send(segment{})
		p.Sent()
		r.Ioctl(s, linux.SIOCOUTQ)
	}},
	{"receive", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		p.Send(segment{flags: tcpPSH, data: "hello"})
		p.Sent()
		r.Poll(s)
		r.Recv(s, 10, 0, 0)
		p.Send(segment{flags: tcpPSH, data: string(some(1000))})
		p.Sent()
		r.Ioctl(s, linux.FIONREAD)
	}},
	{"out-of-order", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		p.Send(segment{flags: tcpPSH, seq: 5, data: "world"})
		p.Sent()
		r.Poll(s)
		r.Ioctl(s, linux.FIONREAD)
		p.Send(segment{flags: tcpPSH, seq: 15, data: "again"})
		p.Sent()
		p.Send(segment{flags: tcpPSH, data: "hello"})
		p.Sent()
		p.seq += 5
		p.Send(segment{flags: tcpPSH, data: "fills"})
		p.Sent()
		r.Recv(s, 30, 0, 0)
	}},
	{"duplicate", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		p.Send(segment{flags: tcpPSH, data: "hello"})
		p.Sent()
		p.Send(segment{flags: tcpPSH, seq: -5, data: "hello"})
		p.Sent()
		p.Send(segment{flags: tcpPSH, seq: -3, data: "llo!"})
		p.Sent()
		r.Recv(s, 30, 0, 0)
	}},
	{"keep-alive-probes", func(r *Run, k sort) {
		_, p := k.dial(r, nil)
		p.Send(segment{seq: -1})
		p.Sent()
		r.sockets.Wait(510)
		p.Send(segment{seq: -1, data: "x"})
		p.Sent()
	}},
	{"beyond-window", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		p.Send(segment{flags: tcpPSH, seq: 200000, data: "far"})
		p.Sent()
		r.Poll(s)
	}},
	{"ack-of-unsent", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		p.Send(segment{ack: 100, flags: tcpPSH, data: "hello"})
		p.Sent()
		r.Poll(s)
	}},
	{"ack-old", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		r.Send(s, some(100), nil, nil, 0)
		p.Sent()
		p.Send(segment{})
		p.Send(segment{ack: -50, flags: tcpPSH, data: "hello"})
		p.Sent()
		r.Recv(s, 10, 0, 0)
	}},
	{"reset", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		p.Send(segment{flags: tcpPSH, data: "left"})
		p.Sent()
		p.Send(segment{flags: tcpRST})
		p.Sent()
		tcpLook(r, s)
		r.Send(s, []byte("x"), nil, nil, 0)
		r.Recv(s, 10, 0, 0)
		r.Recv(s, 10, 0, 0)
		tcpLook(r, s)
	}},
	{"reset-in-window", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		p.Send(segment{flags: tcpRST, seq: 10})
		p.Sent()
		r.Poll(s)
		p.Send(segment{flags: tcpRST, seq: -10})
		p.Sent()
		p.Send(segment{flags: tcpRST, bare: true})
		p.Sent()
		r.Poll(s)
	}},
	{"syn-in-established", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		p.Send(segment{flags: tcpSYN, bare: true, seq: 10})
		p.Sent()
		r.Poll(s)
	}},
	{"no-ack-flag", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		p.Send(segment{bare: true, flags: tcpPSH, data: "x", seq: 0})
		p.Sent()
		r.Poll(s)
	}},
	{"small-window", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		p.Send(segment{win: 50})
		r.Send(s, some(2000), nil, nil, 0)
		p.Sent()
		p.Send(segment{win: 50})
		p.Sent()
		p.Send(segment{})
		p.Sent()
		r.Ioctl(s, linux.SIOCOUTQ)
	}},
	{"zero-window", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		p.Send(segment{win: -1})
		r.Send(s, []byte("wait"), nil, nil, 0)
		p.Sent()
		r.Ioctl(s, linux.SIOCOUTQ)
		r.Ioctl(s, linux.SIOCOUTQNSD)
		p.Send(segment{})
		p.Sent()
	}},
	{"more", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		r.Send(s, []byte("a"), nil, nil, linux.MSG_MORE)
		p.Sent()
		r.Send(s, []byte("b"), nil, nil, linux.MSG_MORE)
		p.Sent()
		r.Send(s, []byte("c"), nil, nil, 0)
		p.Sent()
		p.Send(segment{})
		r.Send(s, some(500), nil, nil, linux.MSG_MORE)
		p.Sent()
		r.sockets.Wait(260)
		p.Sent()
	}},
	{"end-of-record", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		r.Set(s, tcpip.Option(6, 3), 1)
		r.Send(s, []byte("a"), nil, nil, linux.MSG_EOR)
		r.Send(s, []byte("b"), nil, nil, linux.MSG_EOR)
		p.Sent()
		r.Set(s, tcpip.Option(6, 3), 0)
		p.Sent()
	}},
	{"nagle", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		for _, b := range []string{"a", "b", "c"} {
			r.Send(s, []byte(b), nil, nil, 0)
			p.Sent()
		}
		p.Send(segment{ack: 0})
		p.Sent()
	}},
	{"nodelay", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		r.Set(s, tcpip.Option(6, 1), 1)
		for _, b := range []string{"a", "b", "c"} {
			r.Send(s, []byte(b), nil, nil, 0)
			p.Sent()
		}
	}},
	{"cork", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		r.Set(s, tcpip.Option(6, 3), 1)
		r.Send(s, []byte("head"), nil, nil, 0)
		p.Sent()
		r.Send(s, some(1600), nil, nil, 0)
		p.Sent()
		r.Set(s, tcpip.Option(6, 3), 0)
		p.Sent()
	}},
	{"urgent", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		r.Send(s, []byte("abc"), nil, nil, linux.MSG_OOB)
		p.Sent()
		p.Send(segment{})
		r.Send(s, []byte("d"), nil, nil, 0)
		p.Sent()
		p.Send(segment{})
		r.Send(s, some(2000), nil, nil, linux.MSG_OOB)
		p.Sent()
	}},
	{"window-update", func(r *Run, k sort) {
		s, p := k.dial(r, func(s int, p *tcpPeer) { r.Set(s, tcpip.SO_RCVBUF, 2304) })
		p.Send(segment{flags: tcpPSH, data: string(some(1000))})
		p.Sent()
		r.Recv(s, 2000, 0, 0)
	}},
	{"peer-silent-resend", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		r.Send(s, []byte("hello"), nil, nil, 0)
		p.Sent()
		r.sockets.Wait(500)
		p.r.Say("and %d bytes are still there", len(transportData(p.Resent())))
		r.Ioctl(s, linux.SIOCOUTQ)
		p.Send(segment{})
		r.Ioctl(s, linux.SIOCOUTQ)
	}},
	{"resend-syn", func(r *Run, k sort) {
		p := k.tcpPeerOf(r, 4000)
		s := k.open(r)
		r.Connect(s, k.peer(4000))
		p.Sent()
		r.sockets.Wait(1100)
		p.Sent()
		p.Send(segment{flags: tcpSYN})
		p.Sent()
		r.Poll(s)
	}},
	{"resend-syn-ack", func(r *Run, k sort) {
		l, p := k.ring(r, nil)
		r.sockets.Wait(1100)
		p.Sent()
		p.Send(segment{})
		r.Poll(l)
	}},
	{"keep-alive", func(r *Run, k sort) {
		s, p := k.dial(r, func(s int, _ *tcpPeer) {
			r.Set(s, tcpip.SO_KEEPALIVE, 1)
			r.Set(s, tcpip.Option(6, 4), 1)
			r.Set(s, tcpip.Option(6, 5), 1)
			r.Set(s, tcpip.Option(6, 6), 1)
		})
		r.sockets.Wait(1100)
		p.Sent()
		p.Send(segment{})
		r.sockets.Wait(1100)
		p.Sent()
		r.sockets.Wait(1000)
		p.Sent()
		tcpLook(r, s)
		r.Recv(s, 10, 0, 0)
	}},
	{"low-water", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		r.Set(s, tcpip.SO_RCVLOWAT, 8)
		p.Send(segment{flags: tcpPSH, data: "hello"})
		r.Poll(s)
		r.Recv(s, 10, 0, linux.MSG_PEEK)
		p.Send(segment{flags: tcpPSH, data: "you"})
		r.Poll(s)
		r.Recv(s, 2, 0, 0)
		r.Poll(s)
		p.Send(segment{flags: tcpFIN})
		r.Poll(s)
	}},
	{"low-water-urgent", func(r *Run, k sort) {
		s, p := k.dial(r, nil)
		p.Send(segment{flags: tcpPSH | tcpURG, urg: 1, data: "!"})
		r.Poll(s)
		p.Send(segment{flags: tcpPSH, data: "a"})
		r.Poll(s)
		r.Recv(s, 10, 0, 0)
		r.Poll(s)
	}},
}
