package tcp

import (
	"container/heap"
	"sync"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// halfOpen is a connection of which a SYN has come and the ACK of our SYN-ACK has not: a small record
// in the demux, which the child endpoint replaces.
type halfOpen struct {
	listener *listener
	opts     *endpointOptions
	id       stack.FlowID
	route    *stack.Route
	nic      tcpip.NICID
	saved    []byte // TCP_SAVE_SYN: the headers of the SYN
	secret   []byte // TCP_MD5SIG: what is shared with the peer
	headers  *sentHeaders
	echo     []byte   // IPv4 options that answer the SYN's
	asked    *Request // whose answer this is; nil: a listener's

	mu      sync.Mutex // taken before the listener's and the table's
	request tcb.Request
	over    bool

	next, prev *halfOpen // in the listener's list, under its lock

	// In the table, under its lock.
	due   tcpip.Time
	order uint64 // of entry, so that equal deadlines keep it
	index int    // -1: not in it
}

// enter puts r into the listener's list, the demux and the table, unless the flow exists by now or
// nobody listens. r.mu is held.
func (r *halfOpen) enter() bool {
	l := r.listener
	t := l.proto
	if !r.place() {
		return false
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		r.over = true
		t.stack.Demux.Remove(r.id, r)
		return false
	}
	l.halfOpen++
	if r.prev = l.last; r.prev == nil {
		l.first = r
	} else {
		r.prev.next = r
	}
	l.last = r
	l.mu.Unlock()
	t.halfOpen.add(r)
	return true
}

// place puts r into the demux.
func (r *halfOpen) place() bool {
	if r.asked != nil {
		return r.listener.proto.stack.Demux.Replace(r.id, r.asked, r)
	}
	return r.listener.proto.stack.Demux.Insert(r.id, r) == tcpip.OK
}

// Shares says what the listener's options allow others, and with them the connection's.
func (r *halfOpen) Shares() (addr, port bool) { return r.opts.sock.ReuseAddr, r.opts.sock.ReusePort }

// leave takes r out of the listener's list and the table, not of the demux. r.mu is held.
func (r *halfOpen) leave() {
	r.over = true
	l := r.listener
	l.mu.Lock()
	l.halfOpen--
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
	r.prev, r.next = nil, nil
	l.mu.Unlock()
	l.proto.halfOpen.remove(r)
}

// cancel forgets r.
func (r *halfOpen) cancel() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(tcpip.ErrConnAborted)
}

// forget is cancel with r.mu held. why is for who has asked for the connection.
func (r *halfOpen) forget(why tcpip.Error) {
	if r.over {
		return
	}
	r.leave()
	r.listener.proto.stack.Demux.Remove(r.id, r)
	if r.asked != nil {
		r.asked.lost(why)
	}
}

// Deliver takes a segment for the half-open connection. No lock is held.
func (r *halfOpen) Deliver(w *stack.Work, p *stack.Packet) {
	t := r.listener.proto
	if !r.listener.e.passes(p) {
		return
	}
	if p.TTL < r.opts.sock.FewestHops(p.Dst.Is6()) {
		t.countDrop(tcpip.DropMinTTL)
		p.Drop(tcpip.DropMinTTL)
		return
	}
	r.mu.Lock()
	if r.over {
		r.mu.Unlock()
		t.redeliver(w, p)
		return
	}
	sc := t.getScratch()
	defer t.putScratch(sc)
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
	if r.request.Timestamps() && !s.Options.HasTimestamp {
		t.counters.TcpExt.TCPNoTimestamp.Inc()
	}
	verdict, d := r.request.Segment(p.At, &s, &sc.out)
	switch verdict {
	case tcb.VerdictReply:
		if s.Flags&sc.out.Flags&header.SYN != 0 { // it came again
			t.counters.Tcp.RetransSegs.Inc()
			t.counters.TcpExt.TCPSynRetrans.Inc()
		}
		r.reply(w, sc)
	case tcb.VerdictRefuse, tcb.VerdictRemove:
		if verdict == tcb.VerdictRefuse {
			r.reply(w, sc)
		}
		t.counters.TcpExt.EmbryonicRsts.Inc()
		t.counters.Tcp.AttemptFails.Inc()
		r.forget(tcpip.ErrConnReset)
	}
	var child *Endpoint
	alive := false
	if verdict == tcb.VerdictEstablish {
		child, alive, d = r.establish(w, &s, sc)
	}
	r.mu.Unlock()
	if child != nil {
		child.finish(w, alive)
	}
	releaseSegment(&s)
	if d != tcpip.DropNone {
		p.Drop(d)
		return
	}
	p.Release()
}

// establish makes the child, or puts it off while the accept queue is full: then the ACK is dropped and
// the SYN-ACK will be sent again, as on Linux. r.mu is held.
func (r *halfOpen) establish(w *stack.Work, s *tcb.Segment, sc *scratch) (e *Endpoint, alive bool, d tcpip.Drop) {
	l := r.listener
	t := l.proto
	if l.full() {
		t.counters.TcpExt.ListenOverflows.Inc()
		t.counters.TcpExt.ListenDrops.Inc()
		if t.config.Load().abortOnOverflow {
			if tcb.BuildReset(s, &sc.out) {
				r.reply(w, sc)
			}
			r.forget(tcpip.ErrConnAborted)
		}
		return nil, false, tcpip.DropAcceptQueue
	}
	return l.establish(w, &r.request, s, &birth{opts: r.opts, id: r.id, route: r.route, nic: r.nic, savedSyn: r.saved, echo: r.echo, replaces: r, asked: r.asked})
}

// reply sends sc.out along the route, found afresh if it has changed. r.mu is held.
func (r *halfOpen) reply(w *stack.Work, sc *scratch) {
	t := r.listener.proto
	sc.secret = r.secret
	if !r.route.Valid() {
		q := stack.RouteQuery{Destination: r.route.Remote, Source: r.route.Local, NIC: r.opts.sock.BoundNIC, AnySource: true} // Remote is a first hop, if there is one
		if a := r.route.Remote; q.NIC == 0 && a.Is6() && a.IsLinkLocalUnicast() {
			q.NIC = r.nic
		}
		route, err := t.stack.FindRoute(q)
		if err != tcpip.OK {
			return
		}
		r.route = route
	}
	switch now := t.stack.Now(); {
	case sc.out.Challenge && !t.challenges.allow(now),
		sc.out.Flags&header.RST != 0 && !t.resets.allow(now):
		return
	}
	t.replyHeaded(w, r.route, r.id, sc, r.opts, r.headers)
}

// DeliverError takes an ICMP error about our SYN-ACK: if its sequence is right and the peer cannot be
// reached, the connection will not come about.
func (r *halfOpen) DeliverError(_ *stack.Work, e *stack.ICMPError) {
	t := r.listener.proto
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.over:
		e.Drop(t.stack, tcpip.DropICMPNoFlow)
	case uint32(quotedSeq(e)) != r.request.ISS():
		e.Drop(t.stack, tcpip.DropICMPSequence)
	case endsRequest(e):
		t.counters.TcpExt.ListenDrops.Inc()
		t.counters.Tcp.AttemptFails.Inc()
		r.forget(e.Err)
	}
}

// endsRequest reports whether Linux forgets a half-open connection for such an error: on IPv4 where the way
// ends, but not where the host itself refuses.
func endsRequest(e *stack.ICMPError) bool {
	if e.Remote.Addr().Is6() {
		return e.Hard
	}
	switch e.Type {
	case uint8(header.ICMPv4Unreachable):
		return e.Code <= 1 // the network, the host
	case uint8(header.ICMPv4TimeExceeded), uint8(header.ICMPv4ParameterProblem):
		return true
	}
	return false
}

// expire runs r's deadline.
func (r *halfOpen) expire(w *stack.Work, now tcpip.Time, sc *scratch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return
	}
	t := r.listener.proto
	switch r.request.Advance(now, &sc.out) {
	case tcb.VerdictReply:
		t.counters.Tcp.RetransSegs.Inc()
		t.counters.TcpExt.TCPTimeouts.Inc()
		t.counters.TcpExt.TCPSynRetrans.Inc()
		r.reply(w, sc)
		t.halfOpen.add(r)
	case tcb.VerdictRemove:
		t.counters.Tcp.AttemptFails.Inc()
		r.forget(tcpip.ErrTimedOut)
	default:
		t.halfOpen.add(r)
	}
}

// halfOpens is the table of half-open connections of a stack by deadline, with the one timer that they
// share. Listeners bound it.
type halfOpens struct {
	proto *Protocol

	mu     sync.Mutex // a leaf
	heap   halfOpenHeap
	orders uint64
	timer  tcpip.Timer
	armed  tcpip.Time // zero: not set
	closed bool
}

func (t *halfOpens) init(p *Protocol) { t.proto = p }

// add enters r for its request's deadline. r.mu is held.
func (t *halfOpens) add(r *halfOpen) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r.due, r.index = r.request.Deadline(), -1
	if t.closed {
		return
	}
	t.orders++
	r.order = t.orders
	heap.Push(&t.heap, r)
	t.arm()
}

func (t *halfOpens) remove(r *halfOpen) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.index >= 0 && r.index < len(t.heap) && t.heap[r.index] == r {
		heap.Remove(&t.heap, r.index)
		t.shrink()
	}
}

// shrink gives the array back that a flood has made, once all of it is over. mu is held.
func (t *halfOpens) shrink() {
	if len(t.heap) == 0 && cap(t.heap) > keptHalfOpen {
		t.heap = nil
	}
}

// arm sees to it that the timer fires no later than the first deadline.
func (t *halfOpens) arm() {
	if len(t.heap) == 0 || t.armed != 0 && t.armed <= t.heap[0].due {
		return
	}
	t.armed = t.heap[0].due
	d := t.armed.Sub(t.proto.stack.Now())
	if t.timer == nil {
		t.timer = t.proto.clock.AfterFunc(d, t.expire)
		return
	}
	t.timer.Reset(d)
}

func (t *halfOpens) expire() {
	w := t.proto.stack.Begin()
	sc := t.proto.getScratch()
	now := t.proto.stack.Now()
	t.mu.Lock()
	t.armed = 0
	for len(t.heap) > 0 && t.heap[0].due <= now && !t.closed {
		r := heap.Pop(&t.heap).(*halfOpen)
		t.mu.Unlock()
		r.expire(w, now, sc)
		t.mu.Lock()
	}
	if !t.closed {
		t.arm()
	}
	t.shrink()
	t.mu.Unlock()
	t.proto.putScratch(sc)
	w.End()
}

// close stops the timer and forgets what is left.
func (t *halfOpens) close(*stack.Work) {
	t.mu.Lock()
	t.closed = true
	if t.timer != nil {
		t.timer.Stop()
	}
	left := t.heap
	t.heap = nil
	for _, r := range left {
		r.index = -1
	}
	t.mu.Unlock()
	for _, r := range left {
		r.cancel()
	}
}

// len returns the number of half-open connections.
func (t *halfOpens) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.heap)
}

type halfOpenHeap []*halfOpen

func (h halfOpenHeap) Len() int { return len(h) }

func (h halfOpenHeap) Less(i, j int) bool {
	if h[i].due != h[j].due {
		return h[i].due < h[j].due
	}
	return h[i].order < h[j].order
}

func (h halfOpenHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *halfOpenHeap) Push(x any) {
	r := x.(*halfOpen)
	r.index = len(*h)
	*h = append(*h, r)
}

func (h *halfOpenHeap) Pop() any {
	old := *h
	r := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	r.index = -1
	return r
}
