package tcp

import (
	"time"

	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// cookieLife is how long after the last cookie was sent an ACK may bring one back. At other times no ACK
// is looked at, so that cookies cannot be guessed where none are in use.
const cookieLife = 2 * time.Minute

func tupleOf(id stack.FlowID) tcb.Tuple {
	lh, ll := words(id.Local.Addr())
	rh, rl := words(id.Remote.Addr())
	return tcb.Tuple{lh, ll, rh, rl, uint64(id.Local.Port())<<16 | uint64(id.Remote.Port())}
}

// sendCookie answers the SYN s without keeping anything.
func (l *listener) sendCookie(w *stack.Work, p *stack.Packet, s *tcb.Segment, o *endpointOptions, r *stack.Route, id stack.FlowID, sc *scratch, h *sentHeaders) {
	t := l.proto
	_, mtu := r.PMTUPolicy(pmtuMode(&o.sock, r.Remote))
	offset := t.identity(id, p.At, o.conf.Timestamps).TSOffset
	t.cookies.SynAck(p.At, s, &o.conf.Conf, signedPath(pathOf(r, mtu), sc.secret), tupleOf(id), offset, &sc.out)
	t.cookieSent.Store(int64(p.At))
	t.counters.TcpExt.SyncookiesSent.Inc()
	t.replyHeaded(w, r, id, sc, o, h)
}

// lateAck takes an ACK to a listener: it may bring a cookie back, and otherwise gets a RST.
func (l *listener) lateAck(w *stack.Work, p *stack.Packet, o *endpointOptions) {
	t := l.proto
	id := flowOf(p)
	sent := tcpip.Time(t.cookieSent.Load())
	if sent == 0 || p.At.Sub(sent) > cookieLife || t.config.Load().cookies == CookiesOff {
		t.answerReset(w, p, id, tcpip.DropBadAck)
		return
	}
	route, err := t.routeBack(p, id, o.sock.BoundNIC)
	if err != tcpip.OK {
		p.Drop(tcpip.DropNoRoute)
		return
	}
	sc := t.getScratch()
	defer t.putScratch(sc)
	var s tcb.Segment
	decode(p, &s)
	sc.secret = o.md5.find(id.Remote.Addr())
	if s.Options.MD5 != nil || sc.secret != nil {
		if d := t.checkMD5(p, &s, sc.secret); d != tcpip.DropNone {
			releaseSegment(&s)
			p.Drop(d)
			return
		}
	}
	_, mtu := route.PMTUPolicy(pmtuMode(&o.sock, route.Remote))
	offset := t.identity(id, p.At, o.conf.Timestamps).TSOffset
	q, d := t.cookies.Request(p.At, &s, &o.conf.Conf, signedPath(pathOf(route, mtu), sc.secret), tupleOf(id), offset)
	if d != tcpip.DropNone {
		releaseSegment(&s)
		t.counters.TcpExt.SyncookiesFailed.Inc()
		if tcb.BuildReset(&s, &sc.out) && t.resets.allow(p.At) {
			t.reply(w, route, id, sc, &o.sock)
		}
		p.Drop(d)
		return
	}
	t.counters.TcpExt.SyncookiesRecv.Inc()
	if l.full() {
		releaseSegment(&s)
		t.counters.TcpExt.ListenOverflows.Inc()
		t.counters.TcpExt.ListenDrops.Inc()
		p.Drop(tcpip.DropAcceptQueue)
		return
	}
	verdict, d := q.Segment(p.At, &s, &sc.out)
	switch verdict {
	case tcb.VerdictEstablish:
		e, alive, why := l.establish(w, &q, &s, &birth{opts: o, id: id, route: route, nic: p.NIC.ID(), echo: echoOf(p)})
		e.finish(w, alive)
		d = why
	case tcb.VerdictReply:
		t.reply(w, route, id, sc, &o.sock)
	}
	releaseSegment(&s)
	if d != tcpip.DropNone {
		p.Drop(d)
		return
	}
	p.Release()
}
