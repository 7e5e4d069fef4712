package tcp

import (
	"sync"
	"sync/atomic"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// listener is what SYNs find in the demux in place of the listening endpoint, whose lock they never
// take: everything here is under a leaf lock, or is an immutable snapshot.
type listener struct {
	e     *Endpoint
	proto *Protocol
	opts  atomic.Pointer[endpointOptions]
	ready atomic.Int32 // connections in queue, for Readiness

	fixedAddr bool // the user has chosen the address, also of what is accepted

	mu        sync.Mutex // a leaf
	closed    bool
	backlog   int
	queue     []*Endpoint // to be accepted, oldest first
	halfOpen  int
	fast      int          // connections that began with fast open and are still in their handshake, or were reset of late
	fastReset []tcpip.Time // until when those count
	first     *halfOpen
	last      *halfOpen
}

// Listen makes the endpoint accept connections, binding it to an ephemeral port if it is not bound. backlog
// bounds the connections that wait to be accepted and, separately, those that are half open; it is
// brought into range. Listening again changes the backlog.
//
// Errors: ErrInvalid on an endpoint that was connected, ErrAddrInUse.
// Connections that exist are not touched, those of the same port included (RFC 9293
// §3.9.1.1, MUST-41, MUST-42).
func (e *Endpoint) Listen(backlog int) error {
	w := e.begin()
	err := e.listen(backlog)
	e.end(w)
	return err.Err()
}

func (e *Endpoint) listen(backlog int) tcpip.Error {
	if most := e.proto.config.Load().maxBacklog; backlog < 0 || backlog > most {
		backlog = most
	}
	if e.closed || e.proto.drain.active.Load() {
		return tcpip.ErrClosed
	}
	if l := e.listener.Load(); l != nil {
		l.mu.Lock()
		l.backlog = backlog
		l.mu.Unlock()
		return tcpip.OK
	}
	if e.phase != phaseUnconnected || e.running {
		return tcpip.ErrInvalid
	}
	if e.binding == nil {
		b, err := e.bindingOf(e.unplaced())
		if err == tcpip.OK {
			err = e.place(b)
		}
		if err != tcpip.OK {
			return err
		}
	}
	l := &listener{e: e, proto: e.proto, backlog: backlog, fixedAddr: e.fixedAddr || e.v6 && !e.binding.V6}
	if m := FastOpenServer | FastOpenAllListeners; e.proto.fastOpen.mode()&m == m && e.opts.conf.fastOpen == 0 {
		o := *e.opts
		o.conf.fastOpen = backlog
		e.configure(&o)
		e.proto.fastOpen.ensureKeys()
	}
	l.opts.Store(e.opts)
	err := e.proto.stack.Demux.Rebind(e.binding, func(b *stack.Binding) { b.Listening, b.Receiver = true, l })
	if err != tcpip.OK {
		return err
	}
	e.listener.Store(l)
	e.phase = phaseListening
	return tcpip.OK
}

// unlisten ends listening and returns the connections that nobody has accepted, which the caller
// abandons once it has given up the lock. Half-open ones are forgotten without a word, as on Linux.
func (e *Endpoint) unlisten() []*Endpoint {
	l := e.listener.Load()
	e.listener.Store(nil)
	e.phase = phaseUnconnected
	e.proto.stack.Demux.Rebind(e.binding, func(b *stack.Binding) { b.Listening, b.Receiver = false, e })
	l.mu.Lock()
	l.closed = true
	queue := l.queue
	l.queue = nil
	l.ready.Store(0)
	var pending []*halfOpen
	for r := l.first; r != nil; r = r.next {
		pending = append(pending, r)
	}
	l.mu.Unlock()
	for _, r := range pending {
		r.cancel()
	}
	e.releasePort()
	return queue
}

// Accept returns the oldest connection that waits.
//
// Errors: ErrWouldBlock if there is none, ErrInvalid if the endpoint does not listen, ErrClosed after Close.
func (e *Endpoint) Accept() (tcpip.Endpoint, error) {
	l := e.listener.Load()
	if l == nil {
		w := e.begin()
		err := tcpip.ErrInvalid
		if e.closed {
			err = tcpip.ErrClosed
		}
		e.end(w)
		return nil, err
	}
	c := l.pop()
	if c == nil {
		return nil, tcpip.ErrWouldBlock
	}
	c.claimed.Store(true) // its lock is often held now, by what brings the first data
	return c, nil
}

// pop takes the oldest connection from the accept queue; nil: there is none.
func (l *listener) pop() *Endpoint {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		return nil
	}
	c := l.queue[0]
	if c.fast != nil {
		c.fast.accepted = true
	}
	l.queue[0] = nil
	if l.queue = l.queue[1:]; len(l.queue) == 0 {
		l.queue = nil
	}
	l.ready.Add(-1)
	return c
}

// push adds a connection to the accept queue. It reports false if nobody listens any more, or the stack is coming to
// its end: Close and Drain may have looked at the register before c was in it.
func (l *listener) push(c *Endpoint) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.proto.closed.Load() || l.proto.drain.active.Load() {
		return false
	}
	l.queue = append(l.queue, c)
	l.ready.Add(1)
	return true
}

// hand gives a connection to who has asked for it, or else to the accept queue. It reports false if nobody wants it.
func (l *listener) hand(c *Endpoint, to *Request) bool {
	if to != nil {
		c.tcb.Accepted()
		return to.arrived(c)
	}
	return l.push(c)
}

// full reports whether the accept queue takes no more: as on Linux, it takes one more than its backlog. So it does
// where the stack has all the endpoints that it may.
func (l *listener) full() bool {
	if l.proto.stack.Full() {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue) > l.backlog
}

// waiting returns the length of the accept queue and its bound.
func (l *listener) waiting() (n, backlog int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue), l.backlog
}

// admission is what a listener does with a SYN.
type admission uint8

const (
	admit         admission = iota
	admitCookie             // answer without keeping anything
	admitNoAccept           // drop: the accept queue is full
	admitNoSyn              // drop: too many are half open
	admitNoMemory           // drop: memory is short
	admitClosed             // nobody listens any more
)

// admission decides about a new SYN. As many and one more may be half open as the backlog says, as measured.
func (l *listener) admission() admission {
	c := l.proto.config.Load()
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return admitClosed
	case len(l.queue) > l.backlog:
		return admitNoAccept
	case l.proto.stack.Slabs.Short():
		return admitNoMemory
	case c.cookies == CookiesAlways:
		return admitCookie
	case l.halfOpen <= l.backlog && l.halfOpen < c.synBacklog:
		return admit
	case c.cookies == CookiesOff:
		return admitNoSyn
	}
	return admitCookie
}

// Deliver takes a segment that belongs to no connection. No lock is held, and none but leaves is taken.
func (l *listener) Deliver(w *stack.Work, p *stack.Packet) { l.deliver(w, p, tcpip.Opt[uint32]{}) }

// deliver is Deliver; iss is the sequence number to begin with where the connection follows one in
// TIME-WAIT.
func (l *listener) deliver(w *stack.Work, p *stack.Packet, iss tcpip.Opt[uint32]) {
	if !l.e.passes(p) {
		return
	}
	o := l.opts.Load()
	if p.TTL < o.sock.FewestHops(p.Dst.Is6()) {
		p.Drop(tcpip.DropMinTTL)
		return
	}
	switch f := header.TCP(p.Transport()).Flags(); {
	case f&header.RST != 0:
		p.Drop(tcpip.DropBadReset)
	case f&header.ACK != 0:
		l.lateAck(w, p, o)
	case f&header.SYN == 0:
		p.Drop(tcpip.DropNoAck)
	case f&header.FIN != 0:
		p.Drop(tcpip.DropBadFlags)
	case p.NIC.Classify(p.Dst) == stack.DestinationBroadcast:
		p.Drop(tcpip.DropMartianDestination)
	default:
		l.syn(w, p, o, iss)
	}
}

// syn begins a connection.
func (l *listener) syn(w *stack.Work, p *stack.Packet, o *endpointOptions, iss tcpip.Opt[uint32]) {
	t := l.proto
	if t.config.Load().reflectTOS {
		o = o.reflecting(p)
	}
	c := &t.counters.TcpExt
	what := l.admission()
	if what == admitCookie && iss.IsSet() {
		what = admit // it replaces a record
	}
	switch what {
	case admitClosed:
		t.redeliver(w, p)
		return
	case admitNoAccept:
		c.ListenOverflows.Inc()
		c.ListenDrops.Inc()
		p.Drop(tcpip.DropAcceptQueue)
		return
	case admitNoSyn:
		c.TCPReqQFullDrop.Inc()
		c.ListenDrops.Inc()
		p.Drop(tcpip.DropSynQueue)
		return
	case admitNoMemory:
		c.ListenDrops.Inc()
		p.Drop(tcpip.DropNoMemory)
		return
	}
	id := flowOf(p)
	echo := echoOf(p)
	headers := o.headers.answering(echo)
	route, err := t.routeBackBy(headers, p, id, o.sock.BoundNIC)
	if err != tcpip.OK {
		p.Drop(tcpip.DropNoRoute)
		return
	}
	sc := t.getScratch()
	defer t.putScratch(sc)
	var s tcb.Segment
	decode(p, &s)
	secret := o.md5.find(id.Remote.Addr())
	if s.Options.MD5 != nil || secret != nil {
		if d := t.checkMD5(p, &s, secret); d != tcpip.DropNone {
			releaseSegment(&s)
			p.Drop(d)
			return
		}
	}
	sc.secret = secret
	if what == admitCookie {
		releaseSegment(&s)
		c.TCPReqQFullDoCookies.Inc()
		l.sendCookie(w, p, &s, o, route, id, sc, headers)
		p.Release()
		return
	}
	r := &halfOpen{listener: l, opts: o, id: id, route: route, nic: p.NIC.ID(), secret: secret, headers: headers, echo: echo}
	if o.conf.saveSyn != 0 {
		r.saved = headersOf(p, o.conf.saveSyn)
	}
	identity := t.identity(id, p.At, o.conf.Timestamps)
	identity.ISS = iss.Or(identity.ISS)
	_, mtu := policy(route, &o.sock)
	child, cookie := l.answerFast(p, &s, o, id)
	if child {
		var q tcb.Request
		q.Init(p.At, &s, &o.conf.Conf, signedPath(pathOf(route, mtu), secret), identity)
		l.openFast(w, &q, &s, &birth{opts: o, id: id, route: route, nic: p.NIC.ID(), savedSyn: r.saved, echo: r.echo}, cookie)
		releaseSegment(&s)
		p.Release()
		return
	}
	releaseSegment(&s) // data in a SYN is not kept, as on Linux (RFC 9293 §3.10.7.2 would keep it): it will come again
	r.mu.Lock()
	r.request.Init(p.At, &s, &r.opts.conf.Conf, signedPath(pathOf(route, mtu), secret), identity)
	r.request.SynAck(p.At, &sc.out)
	if cookie != nil {
		cookie.Put(&sc.out.Options)
	}
	if !r.enter() {
		r.mu.Unlock()
		t.redeliver(w, p)
		return
	}
	r.mu.Unlock()
	t.replyHeaded(w, route, id, sc, o, headers)
	p.Release()
}

// DeliverError ignores errors: a listener has sent nothing.
func (l *listener) DeliverError(_ *stack.Work, e *stack.ICMPError) {
	e.Drop(l.proto.stack, tcpip.DropICMPNoFlow)
}

// establish makes an endpoint, locked, of the half-open connection q, which s completes, and queues it to
// be accepted. enter puts it into the demux. alive is false if that failed or nobody listens any more; the
// caller then abandons the endpoint, and otherwise unlocks it.
func (l *listener) establish(w *stack.Work, q *tcb.Request, s *tcb.Segment, b *birth) (e *Endpoint, alive bool, d tcpip.Drop) {
	t := l.proto
	e = l.child(b)
	d = q.Establish(e.lock.now, s, &e.tcb, &e.opts.conf.Conf)
	e.opened, e.running = true, true
	e.began = Beginning{b.nic, b.id.Remote.Addr().Is4(), s.TTL, s.TOS}
	if e.opts.headers != nil {
		e.reroute()
	}
	if b.replaces != nil {
		b.replaces.leave()
		e.entered = t.stack.Demux.Replace(b.id, b.replaces, e)
	} else {
		e.entered = t.stack.Demux.Insert(b.id, e) == tcpip.OK
	}
	if !e.entered || !l.hand(e, b.asked) {
		return e, false, d
	}
	t.counters.Tcp.PassiveOpens.Inc()
	w.Wake(t.stack, &l.e.waiters, waiter.Readable)
	return e, true, d
}

// child makes the endpoint of a new connection, locked, all but its machine.
func (l *listener) child(b *birth) *Endpoint {
	t := l.proto
	e := &Endpoint{proto: t, v6: l.e.v6 || b.asked != nil && b.id.Local.Addr().Is6()}
	e.lock.enter(t.clock)
	t.stack.Register(e)
	e.opts = l.inherited(b)
	e.device.Store(int32(e.opts.sock.BoundNIC))
	e.inheritFilter(l.e)
	e.id, e.hash, e.phase = b.id, t.stack.FlowHash(b.id), phaseConnected
	e.fixedAddr = l.fixedAddr
	if a := b.id.Remote.Addr(); a.Is6() && a.IsLinkLocalUnicast() {
		e.scope = b.nic
	}
	if b.savedSyn != nil {
		e.rarely().savedSyn = b.savedSyn
	}
	if e.opts.md5 != nil { // of the listener's keys it gets the one that counts, as on Linux
		o := *e.opts
		o.md5 = o.md5.only(b.id.Remote.Addr())
		e.opts = &o
		e.rekey()
	}
	e.setRoute(b.route)
	return e
}

// inherited returns the options of a new connection: as on Linux those that the listener has when the handshake is
// over, but for the priority of packets, IPv4 options, what only listeners use of fast open, and the NIC, which is that
// of its beginning.
func (l *listener) inherited(b *birth) *endpointOptions {
	if b.asked != nil {
		return b.opts
	}
	o, nic := l.opts.Load(), b.opts.sock.BoundNIC
	headers := o.headers.answering(b.echo)
	reflects := l.proto.config.Load().reflectTOS
	if !reflects && o.sock.Priority == 0 && o.sock.BoundNIC == nic && o.headers == nil && headers == nil && o.conf.fastOpen == 0 && o.conf.fastKeys == nil {
		return o
	}
	own := *o
	own.conf.fastOpen, own.conf.fastKeys = 0, nil
	own.sock.Priority, own.sock.BoundNIC, own.headers = 0, nic, headers
	if reflects {
		own.sock.TOS, own.sock.TrafficClass = b.opts.sock.TOS, b.opts.sock.TrafficClass
	}
	return &own
}

// reflecting returns the options with the traffic class of a SYN, without its mark (net.ipv4.tcp_reflect_tos).
func (o *endpointOptions) reflecting(p *stack.Packet) *endpointOptions {
	own := *o
	own.sock.TOS = int16(p.TOS &^ ecnMask)
	own.sock.TrafficClass = own.sock.TOS
	return &own
}

// birth is where a child comes from.
type birth struct {
	opts     *endpointOptions
	id       stack.FlowID
	route    *stack.Route
	nic      tcpip.NICID
	savedSyn []byte
	echo     []byte    // IPv4 options that answer the SYN's
	replaces *halfOpen // nil: made from a cookie
	asked    *Request  // who has asked for it; nil: it is for the accept queue
}

// finish unlocks or abandons what establish returned. No other lock is held.
func (e *Endpoint) finish(w *stack.Work, alive bool) {
	if alive {
		e.unlock(w)
		return
	}
	e.abandon(w)
}
