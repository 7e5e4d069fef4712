package raw

import (
	"net/netip"
	"sync"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
)

// Handler asks a program what is to become of packets of protocols that the stack does not have and that no raw endpoint
// wants: GRE, ESP, SCTP and whatever else arrives.
type Handler struct {
	handling transport.Handling[*Flow]
	proto    *protocol
	stack    *stack.Stack

	mu     sync.Mutex // before quota's and calls'
	flows  map[key]*Flow
	silent transport.Chain[Flow] // the one that has been silent for longest comes first
	bytes  int                   // cost of the first packets that wait
	alarm  transport.Alarm
	closed bool
}

// key is what packets of one flow have in common.
type key struct {
	proto    header.Protocol
	src, dst netip.Addr
}

// verdict is what has been decided about a flow.
type verdict uint8

const (
	pending verdict = iota
	accepted
	rejected
	dropped
)

// Handle has f called for the first packet between two hosts of each protocol that would be answered with protocol
// unreachable, until the Handler is closed. What f decides holds for the packets that follow, until they have stopped for
// o.Timeout: then the next is a first one again. While f has not answered, those that follow the first are dropped, and nobody is
// told anything.
//
// Errors: ErrExists if there is a handler, ErrProtocolNotSupported if the stack has no raw endpoints (stack.Options.Raw), or others'.
// ErrClosed.
func Handle(s *stack.Stack, o transport.HandleOptions, f func(*Flow)) (*Handler, error) {
	r, ok := s.Raw().(*protocol)
	if !ok {
		return nil, tcpip.ErrProtocolNotSupported
	}
	h := &Handler{proto: r, stack: s, flows: make(map[key]*Flow)}
	h.handling.Init(s.Clock(), &o, flowsMax, flowTimeout, f, (*Flow).Drop)
	if !r.handler.CompareAndSwap(nil, h) {
		return nil, tcpip.ErrExists
	}
	if r.closed.Load() { // Close may have looked for it before
		h.Close()
		return nil, tcpip.ErrClosed
	}
	return h, nil
}

// Close ends the handling and forgets all flows. Endpoints of those that were accepted stay.
func (h *Handler) Close() {
	h.proto.handler.CompareAndSwap(h, nil)
	var waiting stack.PacketList
	h.mu.Lock()
	h.closed = true
	h.alarm.Stop()
	for f := h.silent.First(); f != nil; f = h.silent.First() {
		if p := h.forget(f); p != nil {
			waiting.Push(p)
		}
	}
	h.mu.Unlock()
	h.handling.Close()
	h.handling.Dropped.Add(uint64(waiting.Len()))
	decline(&waiting)
}

// Stats returns what the handler has seen. Handled, Accepted, Rejected, Dropped and Expired count flows, Absorbed counts packets.
func (h *Handler) Stats() transport.HandleStats { return h.handling.Stats() }

// TakeUnknown takes a packet that nobody wants, if there is a handler and it does (stack.UnknownTaker).
func (r *protocol) TakeUnknown(w *stack.Work, p *stack.Packet) bool {
	h := r.handler.Load()
	if h == nil || !h.handling.Looks(p) || p.NIC.Classify(p.Dst) != stack.DestinationLocal {
		return false
	}
	h.mu.Lock()
	if f := h.flows[key{p.Proto, p.Src, p.Dst}]; f != nil {
		f.due = p.At.Add(h.handling.Limit)
		h.silent.Remove(&f.link)
		h.silent.Push(f, &f.link)
		was, answer := f.verdict, f.rejection
		h.mu.Unlock()
		switch was {
		case pending:
			h.handling.Absorbed.Add(1)
			p.Drop(tcpip.DropPending)
		case rejected:
			answer.Answer(w, h.stack, p)
			p.Drop(tcpip.DropDeclined)
		default:
			p.Drop(tcpip.DropDeclined)
		}
		return true
	}
	drop := h.enter(p)
	h.mu.Unlock()
	if drop != tcpip.DropNone {
		p.Drop(drop)
	}
	return true
}

// enter makes p the first packet of a flow, or says why not. mu is held.
func (h *Handler) enter(p *stack.Packet) tcpip.Drop {
	f := &Flow{Proto: p.Proto, Src: p.Src, Dst: p.Dst, NIC: p.NIC.ID(), handler: h, due: p.At.Add(h.handling.Limit)}
	if h.closed {
		return tcpip.DropEndpointClosed
	}
	p.Compact()
	f.cost = p.Cost()
	if h.bytes+f.cost > firstBytes {
		h.handling.Absorbed.Add(1)
		return tcpip.DropHandlerLimit
	}
	if !h.handling.Quota.Take(f.id(), f.NIC) {
		return tcpip.DropHandlerLimit
	}
	f.packet = p
	h.bytes += f.cost
	h.flows[f.key()] = f
	h.silent.Push(f, &f.link)
	h.arm()
	h.handling.Handled.Add(1)
	h.handling.Calls.Add(f)
	return tcpip.DropNone
}

// forget ends a flow and returns its first packet if it has no answer. mu is held.
func (h *Handler) forget(f *Flow) *stack.Packet {
	if !h.silent.Remove(&f.link) {
		return nil
	}
	delete(h.flows, f.key())
	h.handling.Quota.Give(f.id())
	if h.silent.First() == nil { // an idle handler has no timer
		h.alarm.Stop()
	}
	if f.verdict == pending {
		f.verdict = dropped
	}
	return h.take(f)
}

// take takes the first packet out; nil if somebody has. mu is held.
func (h *Handler) take(f *Flow) *stack.Packet {
	p := f.packet
	if p != nil {
		f.packet = nil
		h.bytes -= f.cost
	}
	return p
}

// arm sets the alarm for the first deadline. mu is held.
func (h *Handler) arm() {
	if f := h.silent.First(); f != nil {
		h.alarm.Set(h.stack, f.due, h.expire)
	}
}

// expire forgets the flows that have stopped.
func (h *Handler) expire() {
	now := h.stack.Now()
	var late stack.PacketList
	h.mu.Lock()
	h.alarm.Rang()
	for f := h.silent.First(); f != nil && f.due <= now; f = h.silent.First() {
		h.handling.Expired.Add(1)
		if p := h.forget(f); p != nil {
			late.Push(p)
		}
	}
	if !h.closed {
		h.arm()
	}
	h.mu.Unlock()
	decline(&late)
}

// decline drops what nobody wanted.
func decline(l *stack.PacketList) {
	for p := l.Pop(); p != nil; p = l.Pop() {
		p.Drop(tcpip.DropDeclined)
	}
}

var _ stack.UnknownTaker = (*protocol)(nil)
