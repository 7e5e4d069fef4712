package tcp

import (
	"sync"

	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// timeWait is a connection in TIME-WAIT: what is left of an endpoint in the demux.
type timeWait struct {
	list   *timeWaits
	id     stack.FlowID
	secret []byte            // TCP_MD5SIG
	sock   *tcpip.SocketConf // of the endpoint's options
	nic    tcpip.NICID
	label  uint32 // the flow label; 0: the stack's

	mu     sync.Mutex // taken before list.mu
	record tcb.TimeWait
	over   bool

	// In the list, under its lock.
	due        tcpip.Time
	prev, next *timeWait
}

// timeWaits is the table of connections in TIME-WAIT, in the order in which they expire, with the one
// timer that they share.
type timeWaits struct {
	proto *Protocol

	mu          sync.Mutex // a leaf
	first, last *timeWait
	n           int
	timer       tcpip.Timer
	armed       bool
	closed      bool
}

func (l *timeWaits) init(t *Protocol) { l.proto = t }

// enterTimeWait puts a record in e's place.
func (e *Endpoint) enterTimeWait() {
	t := e.proto
	if !e.entered {
		return
	}
	r := &timeWait{list: &t.timeWaits, id: e.id, sock: &e.opts.sock, nic: e.routeNIC(), secret: e.secret(), record: e.tcb.TimeWait()}
	if e.seldom != nil {
		r.label = e.seldom.label
	}
	if !t.stack.Demux.Replace(e.id, e, r) {
		return
	}
	e.entered = false
	t.counters.TcpExt.TW.Inc()
	t.timeWaits.add(r)
}

func (l *timeWaits) add(r *timeWait) {
	r.mu.Lock() // packets may have found r by now
	l.mu.Lock()
	if r.over || l.closed || l.proto.config.Load().timeWaitMax <= 0 {
		l.mu.Unlock()
		r.mu.Unlock()
		r.forget()
		return
	}
	var oldest *timeWait
	if l.n >= l.proto.config.Load().timeWaitMax {
		oldest = l.first
	}
	r.due = max(r.record.Deadline(), 1) // 0: not in the list
	l.push(r)
	l.arm()
	l.mu.Unlock()
	r.mu.Unlock()
	if oldest != nil {
		oldest.end()
	}
}

// push puts r where its deadline belongs, nearly always the end.
func (l *timeWaits) push(r *timeWait) {
	at := l.last
	for at != nil && at.due > r.due {
		at = at.prev
	}
	r.prev = at
	if at == nil {
		r.next, l.first = l.first, r
	} else {
		r.next, at.next = at.next, r
	}
	if r.next == nil {
		l.last = r
	} else {
		r.next.prev = r
	}
	l.n++
}

// remove takes r out if it is in.
func (l *timeWaits) remove(r *timeWait) {
	if r.due == 0 {
		return
	}
	if r.prev == nil {
		l.first = r.next
	} else {
		r.prev.next = r.next
	}
	if r.next == nil {
		l.last = r.prev
	} else {
		r.next.prev = r.prev
	}
	r.prev, r.next, r.due = nil, nil, 0
	l.n--
}

// arm sets the timer for the first deadline, unless it is set.
func (l *timeWaits) arm() {
	if l.first == nil || l.armed {
		return
	}
	l.armed = true
	d := l.first.due.Sub(l.proto.stack.Now())
	if l.timer == nil {
		l.timer = l.proto.clock.AfterFunc(d, l.expire)
		return
	}
	l.timer.Reset(d)
}

// expire forgets what is due.
func (l *timeWaits) expire() {
	now := l.proto.stack.Now()
	l.mu.Lock()
	l.armed = false
	for l.first != nil && l.first.due <= now && !l.closed {
		r := l.first
		l.remove(r)
		l.mu.Unlock()
		r.forget()
		l.mu.Lock()
	}
	if !l.closed {
		l.arm()
	}
	l.mu.Unlock()
}

// end takes r out of the list and the demux.
func (r *timeWait) end() {
	r.list.mu.Lock()
	r.list.remove(r)
	r.list.mu.Unlock()
	r.forget()
}

// forget takes r out of the demux.
func (r *timeWait) forget() {
	r.mu.Lock()
	over := r.over
	r.over = true
	r.mu.Unlock()
	if !over {
		r.list.proto.stack.Demux.Remove(r.id, r)
	}
}

// Deliver takes a segment for the old connection, or a SYN for a new one.
func (r *timeWait) Deliver(w *stack.Work, p *stack.Packet) {
	t := r.list.proto
	sc := t.getScratch()
	defer t.putScratch(sc)
	r.mu.Lock()
	if r.over {
		r.mu.Unlock()
		t.redeliver(w, p)
		return
	}
	var s tcb.Segment
	decode(p, &s)
	if s.Options.MD5 != nil || r.secret != nil {
		if d := t.checkMD5(p, &s, r.secret); d != tcpip.DropNone {
			r.mu.Unlock()
			releaseSegment(&s)
			p.Drop(d)
			return
		}
	}
	sc.secret = r.secret
	before := r.record.Deadline()
	verdict, d := r.record.Segment(max(p.At, 1), &s, &sc.out)
	iss := r.record.NextISS()
	var l *listener
	h := t.handler.Load()
	if verdict == tcb.VerdictNew {
		if l, _ = t.stack.Demux.FindClaim(r.id, p.NIC, t.stack.FlowHash(r.id)).(*listener); l == nil && (h == nil || !h.wants(p)) { // nobody wants it
			r.record.Ack(max(p.At, 1), &sc.out)
			verdict, d = tcb.VerdictReply, tcpip.DropTimeWait
		}
	}
	if due := r.record.Deadline(); due != before {
		r.list.mu.Lock()
		if r.due != 0 {
			r.list.remove(r)
			r.due = due
			r.list.push(r)
		}
		r.list.mu.Unlock()
	}
	r.mu.Unlock()
	switch verdict {
	case tcb.VerdictRemove:
		r.end()
		p.Release()
		return
	case tcb.VerdictNew:
		r.end()
		if l != nil {
			l.deliver(w, p, tcpip.Set(iss))
		} else if !h.take(w, p, r.id, tcpip.Set(iss)) {
			t.redeliver(w, p)
		}
		return
	case tcb.VerdictReply:
		if route, err := t.routeBack(p, r.id, r.nic); err == tcpip.OK {
			sc.send = stack.SendOptions{FlowLabel: r.label} // not without one, as measured
			t.replyWith(w, route, r.id, sc, r.sock)
		}
	}
	p.Drop(d)
}

// DeliverError ignores errors about a connection that is over.
func (r *timeWait) DeliverError(_ *stack.Work, e *stack.ICMPError) {
	e.Drop(r.list.proto.stack, tcpip.DropICMPNoFlow)
}

// crowded reports whether so many are in TIME-WAIT that free ports are rare.
func (l *timeWaits) crowded() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n >= timeWaitCrowd
}

// reuse gives the place of id, if it is in TIME-WAIT and may go, to e, and returns the sequence number
// that e must begin with (net.ipv4.tcp_tw_reuse, RFC 6191).
func (l *timeWaits) reuse(id stack.FlowID, e *Endpoint) (iss uint32, ok bool) {
	r, _ := l.proto.stack.Demux.Lookup(id).(*timeWait)
	c := l.proto.config.Load()
	if r == nil || c.timeWaitReuse == ReuseOff || c.timeWaitReuse == ReuseLoopback && !id.Local.Addr().IsLoopback() && id.Local.Addr() != id.Remote.Addr() {
		return 0, false
	}
	now := e.lock.now
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over || !r.record.Timestamps() || now.Sub(r.record.Deadline())+tcb.TimeWaitLength < c.timeWaitReuseDelay {
		return 0, false
	}
	if !l.proto.stack.Demux.Replace(id, r, e) {
		return 0, false
	}
	r.over = true
	l.mu.Lock()
	l.remove(r)
	l.mu.Unlock()
	return r.record.NextISS(), true
}

// reuseAny looks among the oldest for one between the addresses of id and to its port, gives its place
// to e and completes id with its port.
func (l *timeWaits) reuseAny(id *stack.FlowID, e *Endpoint) (iss uint32, ok bool) {
	var found [timeWaitScan]stack.FlowID
	n, now := 0, e.lock.now
	l.mu.Lock()
	for r, steps := l.first, 0; r != nil && n < len(found) && steps < timeWaitSteps; r, steps = r.next, steps+1 {
		if now.Sub(r.due)+tcb.TimeWaitLength < l.proto.config.Load().timeWaitReuseDelay {
			break // and so are all behind it
		}
		if r.id.Remote == id.Remote && r.id.Local.Addr() == id.Local.Addr() {
			found[n] = r.id
			n++
		}
	}
	l.mu.Unlock()
	for _, f := range found[:n] {
		if iss, ok = l.reuse(f, e); ok {
			id.Local = f.Local
			return iss, true
		}
	}
	return 0, false
}

// close forgets everything and stops the timer.
func (l *timeWaits) close() {
	l.mu.Lock()
	l.closed = true
	if l.timer != nil {
		l.timer.Stop()
	}
	for l.first != nil {
		r := l.first
		l.remove(r)
		l.mu.Unlock()
		r.forget()
		l.mu.Lock()
	}
	l.mu.Unlock()
}
