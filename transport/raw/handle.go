package raw

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
)

// Handler asks a program what is to become of packets of protocols that the stack does not have and that no raw endpoint
// wants: GRE, ESP, SCTP and whatever else arrives.
type Handler struct {
	proto *protocol
	stack *stack.Stack
	nic   tcpip.NICID
	idle  time.Duration
	quota transport.Quota
	calls transport.Dispatcher[*Flow]

	mu          sync.Mutex // before quota's and calls'
	flows       map[key]*Flow
	first, last *Flow // the one that has been silent for longest comes first
	bytes       int   // cost of the first packets that wait
	alarm       transport.Alarm
	closed      bool

	handled, accepted, rejected, dropped, expired, absorbed atomic.Uint64
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
	h := &Handler{proto: r, stack: s, nic: o.NIC, idle: o.Timeout.Or(flowTimeout), flows: make(map[key]*Flow)}
	h.quota.Init(s.Clock(), &o, flowsMax)
	h.calls.Init(s.Clock(), &o, f, (*Flow).Drop)
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
	for h.first != nil {
		if p := h.forget(h.first); p != nil {
			waiting.Push(p)
		}
	}
	h.mu.Unlock()
	h.calls.Close()
	h.quota.Close()
	h.dropped.Add(uint64(waiting.Len()))
	decline(&waiting)
}

// Stats returns what the handler has seen. Handled, Accepted, Rejected, Dropped and Expired count flows, Absorbed counts packets.
func (h *Handler) Stats() transport.HandleStats {
	s := transport.HandleStats{
		Handled: h.handled.Load(), Accepted: h.accepted.Load(), Rejected: h.rejected.Load(),
		Dropped: h.dropped.Load(), Expired: h.expired.Load(), Absorbed: h.absorbed.Load(),
	}
	h.quota.Fill(&s)
	s.Waiting, s.Panics = h.calls.Waiting()
	return s
}

// TakeUnknown takes a packet that nobody wants, if there is a handler and it does (stack.UnknownTaker).
func (r *protocol) TakeUnknown(w *stack.Work, p *stack.Packet) bool {
	h := r.handler.Load()
	if h == nil || h.nic != 0 && h.nic != p.NIC.ID() || p.NIC.Classify(p.Dst) != stack.DestinationLocal {
		return false
	}
	h.mu.Lock()
	if f := h.flows[key{p.Proto, p.Src, p.Dst}]; f != nil {
		f.due = p.At.Add(h.idle)
		h.unlink(f)
		h.link(f)
		was, answer := f.verdict, f.rejection
		h.mu.Unlock()
		switch was {
		case pending:
			h.absorbed.Add(1)
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
	f := &Flow{Proto: p.Proto, Src: p.Src, Dst: p.Dst, NIC: p.NIC.ID(), handler: h, due: p.At.Add(h.idle)}
	if h.closed {
		return tcpip.DropEndpointClosed
	}
	p.Compact()
	f.cost = p.Cost()
	if h.bytes+f.cost > firstBytes {
		h.absorbed.Add(1)
		return tcpip.DropHandlerLimit
	}
	if !h.quota.Take(f.id(), f.NIC) {
		return tcpip.DropHandlerLimit
	}
	f.packet = p
	h.bytes += f.cost
	h.flows[f.key()] = f
	h.link(f)
	h.arm()
	h.handled.Add(1)
	h.calls.Add(f)
	return tcpip.DropNone
}

// link enters f as the one that has spoken last, unlink takes it out. mu is held.
func (h *Handler) link(f *Flow) {
	f.listed = true
	if f.prev = h.last; f.prev == nil {
		h.first = f
	} else {
		f.prev.next = f
	}
	h.last = f
}

func (h *Handler) unlink(f *Flow) {
	f.listed = false
	if f.prev == nil {
		h.first = f.next
	} else {
		f.prev.next = f.next
	}
	if f.next == nil {
		h.last = f.prev
	} else {
		f.next.prev = f.prev
	}
	f.prev, f.next = nil, nil
}

// forget ends a flow and returns its first packet if it has no answer. mu is held.
func (h *Handler) forget(f *Flow) *stack.Packet {
	if !f.listed {
		return nil
	}
	h.unlink(f)
	delete(h.flows, f.key())
	h.quota.Give(f.id())
	if h.first == nil { // an idle handler has no timer
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
	if h.first != nil {
		h.alarm.Set(h.stack, h.first.due, h.expire)
	}
}

// expire forgets the flows that have stopped.
func (h *Handler) expire() {
	now := h.stack.Now()
	var late stack.PacketList
	h.mu.Lock()
	h.alarm.Rang()
	for h.first != nil && h.first.due <= now {
		h.expired.Add(1)
		if p := h.forget(h.first); p != nil {
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
