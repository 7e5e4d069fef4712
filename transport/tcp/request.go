package tcp

import (
	"context"
	"net/netip"
	"sync"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
)

// Request is a SYN that no endpoint wanted, and for which a program is to speak (Handle). One of Accept, Reject and Drop
// answers it, now or later and from any goroutine; only the first counts, and to call them again changes nothing. Without an
// answer it ends by itself: by the handler's timeout, or if the peer gives up by a RST, or begins anew.
type Request struct {
	Src, Dst netip.AddrPort // of the SYN: who wants to be connected, and to where
	NIC      tcpip.NICID    // where it arrived
	Options  header.TCPOptions
	Window   uint16 // that the SYN announces, bytes
	TTL      uint8  // or hop limit, as it arrived

	handler *Handler
	seq     seq.Number
	flags   header.TCPFlags
	mark    uint8
	due     tcpip.Time
	iss     tcpip.Opt[uint32] // unset: as for any flow

	mu    sync.Mutex // taken after an endpoint's or a halfOpen's, before the handler's
	state requestState
	quote transport.Quote
	half  *halfOpen // while the handshake lasts
	ep    *Endpoint
	err   tcpip.Error
	done  chan struct{} // nil: nobody has asked for it

	link transport.Link[Request] // in the handler's list, under its lock
}

type requestState uint8

const (
	requestPending     requestState = iota
	requestAnswering                // the SYN-ACK was sent
	requestEstablished              // ep is there, or will be in an instant
	requestOver
)

// AcceptOptions say how a Request is accepted.
type AcceptOptions struct {
	// AtOnce gives the connection to the caller before the peer has completed the handshake, as with TCP Fast Open: what is
	// written leaves at once, to whoever the SYN claims to come from. If the handshake is never completed, reads and writes fail
	// with ErrTimedOut.
	AtOnce bool
	// Set are options of the connection, set before the SYN-ACK is sent.
	Set []SetOption
}

// SetOption is an option with its value.
type SetOption struct {
	ID    tcpip.OptionID
	Value int
}

// quotedBytes is how much of a SYN an ICMP error quotes: the ports, the sequence number, and the whole header.
const quotedBytes = header.TCPSize

// read fills r in. It reports false if p is not a SYN that anybody could answer. It borrows p.
func (r *Request) read(p *stack.Packet) bool {
	h := header.TCP(p.Transport())
	header.DecodeTCPOptions(h.Options(), &r.Options)
	if r.Options.MD5 != nil { // nobody has agreed upon a key
		return false
	}
	r.Options.FastOpen, r.Options.HasFastOpen = nil, false // it lies in p, and is for listeners
	r.seq, r.flags, r.Window, r.TTL, r.mark = h.Seq(), h.Flags(), h.Window(), p.TTL, p.TOS&3
	r.quote = transport.QuoteOf(p, quotedBytes)
	return true
}

// segment is the SYN, without its data: that is not kept, as on Linux, and will come again.
func (r *Request) segment(now tcpip.Time) tcb.Segment {
	return tcb.Segment{
		At: now, Seq: r.seq, Flags: r.flags, Window: r.Window, Options: r.Options, Wire: 1, Mark: r.mark, ECT: r.mark != 0, TTL: r.TTL,
	}
}

func (r *Request) id() stack.FlowID {
	return stack.FlowID{Proto: header.ProtocolTCP, Local: r.Dst, Remote: r.Src}
}

// Accept sends the SYN-ACK and returns the connection when the handshake is over, or at once where asked. A second call
// waits for, and returns, the same. If ctx ends first the request is reset and Accept returns ctx's error.
//
// Errors: ErrAddrNotAvailable if the way to the peer leads through a NIC that may not send from Dst (Spoofing) and Dst is not
// ours, or another error of the route; what an option in o is refused with; ErrTooMany if the stack has all the endpoints
// that it may (stack.Limits); and, for a request that was ended otherwise, ErrConnAborted after Reject, Drop or the
// handler's Close, ErrConnReset if the peer has given up, ErrTimedOut. After an error the request is over, but for those
// of options, routes and limits: it can still be rejected.
func (r *Request) Accept(ctx context.Context, o AcceptOptions) (*Endpoint, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := r.Answer(o); err != nil {
		return nil, err
	}
	select {
	case <-r.Done():
	case <-ctx.Done():
		w := r.handler.proto.stack.Begin()
		was := r.endReset(w, tcpip.ErrConnAborted)
		w.End()
		if was == requestAnswering {
			return nil, ctx.Err()
		}
		<-r.Done()
	}
	return r.Endpoint()
}

// Answer is Accept without waiting: Done tells when the handshake is over, and Endpoint how.
func (r *Request) Answer(o AcceptOptions) error {
	t := r.handler.proto
	w := t.stack.Begin()
	err := r.answer(w, &o)
	w.End()
	return err.Err()
}

func (r *Request) answer(w *stack.Work, a *AcceptOptions) tcpip.Error {
	t := r.handler.proto
	r.mu.Lock()
	state, err := r.state, r.err
	r.mu.Unlock()
	switch state {
	case requestAnswering, requestEstablished:
		return tcpip.OK
	case requestOver:
		return err
	}
	if t.stack.Full() {
		return tcpip.ErrTooMany
	}
	o, err := r.options(a)
	if err != tcpip.OK {
		return err
	}
	id := r.id()
	q := stack.RouteQuery{Destination: r.Src.Addr(), Source: r.Dst.Addr(), NIC: o.sock.BoundNIC}
	if a := r.Src.Addr(); q.NIC == 0 && a.Is6() && a.IsLinkLocalUnicast() {
		q.NIC = r.NIC
	}
	route, err := t.stack.FindRoute(q)
	if err != tcpip.OK {
		return err
	}
	now := t.stack.Now()
	s := r.segment(now)
	_, mtu := policy(route, &o.sock)
	b := birth{opts: o, id: id, route: route, nic: r.NIC, asked: r}
	var syn tcb.Request
	own := t.identity(id, now, o.conf.Timestamps)
	own.ISS = r.iss.Or(own.ISS)
	syn.Init(now, &s, &o.conf.Conf, pathOf(route, mtu), own)
	if a.AtOnce {
		return r.establish(w, &syn, &s, &b)
	}
	return r.begin(w, &syn, &b)
}

// options are those of the connection.
func (r *Request) options(a *AcceptOptions) (*endpointOptions, tcpip.Error) {
	t := r.handler.proto
	o := t.config.Load().initial
	if len(a.Set) == 0 {
		return o, tcpip.OK
	}
	e := &Endpoint{proto: t, v6: r.Dst.Addr().Is6(), opts: o} // a socket that nobody has, to set them
	for _, s := range a.Set {
		w := e.begin()
		err := e.setOption(s.ID, s.Value)
		e.end(w)
		if err != tcpip.OK {
			return nil, err
		}
	}
	return e.opts, tcpip.OK
}

// begin puts a half-open connection into r's place and sends the SYN-ACK.
func (r *Request) begin(w *stack.Work, syn *tcb.Request, b *birth) tcpip.Error {
	t := r.handler.proto
	sc := t.getScratch()
	defer t.putScratch(sc)
	h := &halfOpen{listener: r.handler.hidden, opts: b.opts, id: b.id, route: b.route, nic: b.nic, asked: r, request: *syn}
	h.mu.Lock()
	r.mu.Lock()
	if r.state != requestPending {
		over, err := r.state == requestOver, r.err
		r.mu.Unlock()
		h.mu.Unlock()
		if over {
			return err
		}
		return tcpip.OK
	}
	r.state, r.half = requestAnswering, h
	r.handler.unlist(r)
	r.mu.Unlock()
	h.request.SynAck(t.stack.Now(), &sc.out)
	if !h.enter() {
		h.over = true
		h.mu.Unlock()
		r.lost(tcpip.ErrConnAborted)
		return tcpip.ErrConnAborted
	}
	h.mu.Unlock()
	t.replyHeaded(w, b.route, b.id, sc, b.opts, nil)
	return tcpip.OK
}

// establish puts an endpoint into r's place, whose machine sends the SYN-ACK.
func (r *Request) establish(w *stack.Work, syn *tcb.Request, s *tcb.Segment, b *birth) tcpip.Error {
	t := r.handler.proto
	r.mu.Lock()
	if r.state != requestPending {
		over, err := r.state == requestOver, r.err
		r.mu.Unlock()
		if over {
			return err
		}
		return tcpip.OK
	}
	r.state = requestEstablished
	r.leave()
	r.mu.Unlock()
	l := r.handler.hidden
	e := l.child(b)
	e.fast = &fastChild{listener: l} // it may speak before the peer has confirmed
	l.mu.Lock()
	l.fast++
	l.mu.Unlock()
	syn.EstablishFast(e.lock.now, s, &e.tcb, &e.opts.conf.Conf, nil)
	e.opened, e.running = true, true
	e.entered = t.stack.Demux.Replace(b.id, r, e)
	e.running = e.entered // or else the stack is being closed
	t.counters.Tcp.PassiveOpens.Inc()
	r.handler.handling.Accepted.Add(1)
	if !e.entered {
		e.fast.resolve(e.lock.now, false)
	}
	e.finish(w, e.entered)
	if t.closed.Load() { // Close may have looked at the register before
		e.Abort()
	}
	r.mu.Lock()
	r.ep = e
	r.tell()
	r.mu.Unlock()
	return tcpip.OK
}

// Reject tells the peer that it is not wanted, by a RST or an ICMP error, and ends the request. A handshake that is under
// way is ended by a RST in either case; a connection that was accepted is not touched.
func (r *Request) Reject(with transport.Rejection) {
	t := r.handler.proto
	w := t.stack.Begin()
	defer w.End()
	if with != transport.RejectReset {
		r.mu.Lock()
		quote, pending := r.quote, r.state == requestPending
		r.mu.Unlock()
		if pending {
			if was, _ := r.end(tcpip.ErrConnAborted); was == requestPending {
				quote.Reject(w, t.stack, with)
				r.handler.handling.Rejected.Add(1)
			}
			return
		}
	}
	if r.endReset(w, tcpip.ErrConnAborted) <= requestAnswering {
		r.handler.handling.Rejected.Add(1)
	}
}

// Drop ends the request in silence. A connection that was accepted is not touched.
func (r *Request) Drop() {
	w := r.handler.proto.stack.Begin()
	r.drop()
	w.End()
}

func (r *Request) drop() {
	if was, _ := r.end(tcpip.ErrConnAborted); was <= requestAnswering {
		r.handler.handling.Dropped.Add(1)
	}
}

// Done is closed when the request is over, accepted or not.
func (r *Request) Done() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done == nil {
		r.done = make(chan struct{})
		if r.state == requestOver || r.ep != nil {
			close(r.done)
		}
	}
	return r.done
}

// Endpoint returns the connection, which is the caller's.
//
// Errors: ErrWouldBlock while the request is not over; and as Accept.
func (r *Request) Endpoint() (*Endpoint, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.ep != nil:
		return r.ep, nil
	case r.state == requestOver:
		return nil, r.err
	}
	return nil, tcpip.ErrWouldBlock
}

// end ends a request that has no connection, and returns how far it had come, and what there was of one.
func (r *Request) end(err tcpip.Error) (was requestState, half *halfOpen) {
	r.mu.Lock()
	was, half = r.state, r.half
	quote := r.quote
	if was <= requestAnswering {
		r.over(err)
	}
	r.mu.Unlock()
	if half != nil {
		half.cancel()
	}
	if was == requestPending && err == tcpip.ErrConnAborted {
		quote.Drop(r.handler.proto.stack, tcpip.DropDeclined)
	}
	return was, half
}

// expire ends a request that has no answer. It reports false if it has one.
func (r *Request) expire() bool {
	r.mu.Lock()
	if r.state != requestPending {
		r.mu.Unlock()
		return false
	}
	quote := r.quote
	r.over(tcpip.ErrTimedOut)
	r.mu.Unlock()
	quote.Drop(r.handler.proto.stack, tcpip.DropDeclined)
	return true
}

// endReset is end with a RST for the peer.
func (r *Request) endReset(w *stack.Work, err tcpip.Error) (was requestState) {
	t := r.handler.proto
	now := t.stack.Now()
	sc := t.getScratch()
	defer t.putScratch(sc)
	s := r.segment(now)
	was, half := r.end(err)
	if was > requestAnswering || !tcb.BuildReset(&s, &sc.out) || !t.resets.allow(now) {
		return was
	}
	if half != nil { // it has our number, and believes no other
		sc.out.Seq = seq.Number(half.request.ISS()) + 1
	}
	q := stack.RouteQuery{Destination: r.Src.Addr(), Source: r.Dst.Addr(), AnySource: true}
	if a := r.Src.Addr(); a.Is6() && a.IsLinkLocalUnicast() {
		q.NIC = r.NIC
	}
	if route, err := t.stack.FindRoute(q); err == tcpip.OK {
		t.reply(w, route, r.id(), sc, &t.config.Load().initial.sock)
	}
	return was
}

// over ends r. mu is held.
func (r *Request) over(err tcpip.Error) {
	if r.state == requestPending {
		r.handler.proto.stack.Demux.Remove(r.id(), r)
	}
	r.state, r.err = requestOver, err
	r.leave()
	r.tell()
}

// leave gives back what r holds. mu is held.
func (r *Request) leave() {
	r.handler.unlist(r)
	r.handler.handling.Quota.Give(r.id())
	r.half, r.quote = nil, transport.Quote{}
}

// tell wakes who waits. mu is held.
func (r *Request) tell() {
	if r.done != nil {
		close(r.done)
	}
}

// lost takes note that the half-open connection is gone.
func (r *Request) lost(err tcpip.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == requestAnswering {
		r.over(err)
	}
}

// arrived takes the connection. It reports false if nobody wants it any more. e's lock is held.
func (r *Request) arrived(e *Endpoint) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state != requestAnswering {
		return false
	}
	if r.handler.proto.closed.Load() { // Close may have looked at the register before
		r.over(tcpip.ErrConnAborted)
		return false
	}
	r.state, r.ep = requestEstablished, e
	r.leave()
	r.tell()
	r.handler.handling.Accepted.Add(1)
	return true
}

// Deliver takes a segment of a flow whose SYN has no answer yet. No lock is held.
func (r *Request) Deliver(w *stack.Work, p *stack.Packet) {
	t := r.handler.proto
	r.mu.Lock()
	pending := r.state == requestPending
	r.mu.Unlock()
	if !pending {
		t.redeliver(w, p)
		return
	}
	h := header.TCP(p.Transport())
	switch f := h.Flags(); {
	case f&header.RST != 0:
		if h.Seq() != r.seq+1 {
			p.Drop(tcpip.DropBadReset)
			return
		}
		r.end(tcpip.ErrConnReset)
		p.Release()
	case f&header.ACK != 0: // of what was never sent
		t.answerReset(w, p, r.id(), tcpip.DropBadAck)
	case f&header.SYN == 0:
		p.Drop(tcpip.DropNoAck)
	case f&header.FIN != 0:
		p.Drop(tcpip.DropBadFlags)
	case h.Seq() != r.seq: // another connection: the peer has forgotten this one
		r.end(tcpip.ErrConnReset)
		t.redeliver(w, p)
	default:
		r.handler.handling.Absorbed.Add(1)
		p.Drop(tcpip.DropPending)
	}
}

// DeliverError ignores errors: nothing was sent.
func (r *Request) DeliverError(_ *stack.Work, e *stack.ICMPError) {
	e.Drop(r.handler.proto.stack, tcpip.DropICMPNoFlow)
}
