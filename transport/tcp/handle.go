package tcp

import (
	"sync"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
)

// Handler asks a program what is to become of each SYN that no endpoint of the stack wants. On a NIC that accepts
// any destination (NICOptions.Promiscuous) and may send from any source (Spoofing) these are other people's connections.
type Handler struct {
	handling transport.Handling[*Request]
	proto    *Protocol
	hidden   *listener // of nobody: where the half-open connections of requests are

	mu         sync.Mutex               // a leaf
	unanswered transport.Chain[Request] // in the order of their deadlines
	alarm      transport.Alarm
	closed     bool
}

// Handle has f called for every SYN that no endpoint wants, until the Handler is closed. Endpoints come first: a
// listener, be it bound to every address, takes what it would have taken anyway.
//
// While f has not answered, the peer gets no answer; it sends its SYN again, which is absorbed. What is kept meanwhile is a
// small record, and no more of them than o says; SYN cookies have no place here, since what they would save is
// the very question. When the bounds are reached further SYNs are dropped, counted and told of; while the stack's memory is
// short (stack.Options.MaxMemory) they are dropped and counted.
//
// Errors: ErrExists if there is a handler, ErrProtocolNotSupported if the stack has no TCP, or another, ErrClosed.
func Handle(s *stack.Stack, o transport.HandleOptions, f func(*Request)) (*Handler, error) {
	t, ok := s.Transport(header.ProtocolTCP).(*Protocol)
	if !ok {
		return nil, tcpip.ErrProtocolNotSupported
	}
	h := &Handler{proto: t}
	h.hidden = &listener{e: &Endpoint{proto: t}, proto: t}
	h.hidden.opts.Store(t.config.Load().initial)
	h.handling.Init(t.clock, &o, requestsMax, requestTimeout, f, (*Request).Drop)
	if !t.handler.CompareAndSwap(nil, h) {
		return nil, tcpip.ErrExists
	}
	if t.closed.Load() || t.drain.active.Load() { // Close or Drain may have looked for it before
		h.Close()
		return nil, tcpip.ErrClosed
	}
	return h, nil
}

// Close ends the handling: requests without an answer are dropped, also those whose handshake is not over, and calls of
// Accept that wait end with ErrConnAborted. What was accepted stays. Calls of f that run are not waited for.
func (h *Handler) Close() {
	w := h.proto.stack.Begin()
	h.close()
	w.End()
}

func (h *Handler) close() {
	h.proto.handler.CompareAndSwap(h, nil)
	h.mu.Lock()
	h.closed = true
	h.alarm.Stop()
	all := h.unanswered.All()
	h.mu.Unlock()
	h.handling.Close()
	for _, r := range all {
		r.drop()
	}
	l := h.hidden
	l.mu.Lock()
	l.closed = true
	var half []*halfOpen
	for r := l.first; r != nil; r = r.next {
		half = append(half, r)
	}
	l.mu.Unlock()
	for _, r := range half {
		r.cancel()
	}
}

// Stats returns what the handler has seen.
func (h *Handler) Stats() transport.HandleStats { return h.handling.Stats() }

// wants reports whether p is a SYN for the handler.
func (h *Handler) wants(p *stack.Packet) bool {
	const all = header.SYN | header.ACK | header.RST | header.FIN
	return header.TCP(p.Transport()).Flags()&all == header.SYN && h.handling.Looks(p) &&
		p.NIC.Classify(p.Dst) == stack.DestinationLocal
}

// take makes a request of p if it is a SYN for the handler. It reports false, and p is the caller's still, if not. Where p
// opens a connection out of TIME-WAIT, iss is the number to begin with.
func (h *Handler) take(w *stack.Work, p *stack.Packet, id stack.FlowID, iss tcpip.Opt[uint32]) bool {
	if !h.wants(p) {
		return false
	}
	r := &Request{Src: id.Remote, Dst: id.Local, NIC: p.NIC.ID(), handler: h, iss: iss}
	if !r.read(p) {
		return false
	}
	if h.proto.stack.Slabs.Short() {
		p.Drop(tcpip.DropNoMemory)
		return true
	}
	if !h.handling.Quota.Take(id, r.NIC) {
		p.Drop(tcpip.DropHandlerLimit)
		return true
	}
	// Entered with its lock held: who finds it waits until it is complete.
	r.mu.Lock()
	if h.proto.stack.Demux.Insert(id, r) != tcpip.OK {
		r.state = requestOver
		r.mu.Unlock()
		h.handling.Quota.Give(id)
		h.proto.redeliver(w, p)
		return true
	}
	listed := h.list(r, p.At.Add(h.handling.Limit))
	r.mu.Unlock()
	if !listed {
		r.end(tcpip.ErrClosed)
		p.Drop(tcpip.DropEndpointClosed)
		return true
	}
	h.handling.Handled.Add(1)
	p.Release()
	h.handling.Calls.Add(r)
	return true
}

// list enters r among the unanswered. It reports false after Close. r.mu is held.
func (h *Handler) list(r *Request, due tcpip.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	r.due = due
	h.unanswered.Push(r, &r.link)
	h.arm()
	return true
}

// unlist takes r out. r.mu is held.
func (h *Handler) unlist(r *Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.unanswered.Remove(&r.link) && h.unanswered.First() == nil { // an idle handler has no timer
		h.alarm.Stop()
	}
}

// arm sets the alarm for the first deadline. mu is held.
func (h *Handler) arm() {
	if r := h.unanswered.First(); r != nil {
		h.alarm.Set(h.proto.stack, r.due, h.expire)
	}
}

// expire ends the requests that have waited too long.
func (h *Handler) expire() {
	w := h.proto.stack.Begin()
	now := h.proto.stack.Now()
	h.mu.Lock()
	h.alarm.Rang()
	for r := h.unanswered.First(); r != nil && r.due <= now && !h.closed; r = h.unanswered.First() {
		h.mu.Unlock()
		if r.expire() {
			h.handling.Expired.Add(1)
		} else { // it has just been answered
			h.unlist(r)
		}
		h.mu.Lock()
	}
	if !h.closed {
		h.arm()
	}
	h.mu.Unlock()
	w.End()
}
