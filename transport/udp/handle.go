package udp

import (
	"net/netip"
	"sync"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
)

// Mapping says which datagrams belong to one flow (RFC 4787 §4.1).
type Mapping uint8

// The mappings.
const (
	// Symmetric: those from one address and port to one other.
	Symmetric Mapping = iota
	// FullCone: all from one address and port, whomever they are for. It is endpoint-independent both ways: whoever
	// they were for, anybody may answer (Flow.WriteFrom).
	FullCone
)

// HandleOptions are those of any handler, and what is special about flows of datagrams.
type HandleOptions struct {
	transport.HandleOptions
	Mapping Mapping
}

// Handler asks a program what is to become of each flow of datagrams that no endpoint of the stack wants.
type Handler struct {
	handling transport.Handling[*Flow]
	proto    *protocol
	cone     bool

	mu     sync.Mutex               // taken after a flow's
	cones  map[netip.AddrPort]*Flow // FullCone: by source; never walked
	most   int                      // entries since the map was made
	flows  transport.Chain[Flow]
	closed bool
}

// Handle has f called for the first datagram of every flow that no endpoint wants, until the Handler is closed. Endpoints
// come first. Datagrams to groups and broadcast addresses are not handled.
//
// Errors: ErrExists if there is a handler, ErrProtocolNotSupported if the stack has no UDP, or another, ErrClosed.
func Handle(s *stack.Stack, o HandleOptions, f func(*Flow)) (*Handler, error) {
	u, ok := s.Transport(header.ProtocolUDP).(*protocol)
	if !ok {
		return nil, tcpip.ErrProtocolNotSupported
	}
	h := &Handler{proto: u, cone: o.Mapping == FullCone}
	if h.cone {
		h.cones = make(map[netip.AddrPort]*Flow)
	}
	h.handling.Init(s.Clock(), &o.HandleOptions, flowsMax, flowTimeout, f, (*Flow).Drop)
	if !u.handler.CompareAndSwap(nil, h) {
		return nil, tcpip.ErrExists
	}
	if u.closed.Load() { // Close may have looked for it before
		h.Close()
		return nil, tcpip.ErrClosed
	}
	return h, nil
}

// Close ends the handling and every flow; reads of their connections fail with net.ErrClosed.
func (h *Handler) Close() {
	w := h.proto.stack.Begin()
	h.close()
	w.End()
}

func (h *Handler) close() {
	h.proto.handler.CompareAndSwap(h, nil)
	h.mu.Lock()
	h.closed = true
	all := h.flows.All()
	h.mu.Unlock()
	h.handling.Close()
	for _, f := range all {
		if f.end() == flowPending {
			h.handling.Dropped.Add(1)
		}
	}
}

// Stats returns what the handler has seen.
func (h *Handler) Stats() transport.HandleStats { return h.handling.Stats() }

// take makes p the first datagram of a flow, or another of a cone. It reports false, and p is the caller's still, if p is
// not for the handler.
func (h *Handler) take(w *stack.Work, p *stack.Packet, id stack.FlowID) bool {
	if !h.handling.Looks(p) || p.NIC.Classify(p.Dst) != stack.DestinationLocal || id.Remote.Port() == 0 {
		return false
	}
	if h.cone {
		h.mu.Lock()
		f := h.cones[id.Remote]
		h.mu.Unlock()
		if f != nil {
			f.Deliver(w, p)
			return true
		}
	}
	if !h.handling.Quota.Take(id, p.NIC.ID()) {
		p.Drop(tcpip.DropHandlerLimit)
		return true
	}
	f := &Flow{Src: id.Remote, Dst: id.Local, NIC: p.NIC.ID(), handler: h, quote: transport.QuoteOf(p, quotedBytes)}
	f.active.Store(int64(p.At))
	f.mu.Lock()
	if !h.enter(f) {
		f.state = flowOver
		f.mu.Unlock()
		h.handling.Quota.Give(id)
		p.Drop(tcpip.DropEndpointClosed)
		return true
	}
	f.timer = h.proto.stack.Clock().AfterFunc(h.handling.Limit, f.expire)
	drop := f.keep(p)
	f.mu.Unlock()
	if drop != tcpip.DropNone {
		p.Drop(drop)
	}
	h.handling.Handled.Add(1)
	h.handling.Calls.Add(f)
	return true
}

// enter puts f where its datagrams find it. f.mu is held.
func (h *Handler) enter(f *Flow) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	if h.cone {
		if h.cones[f.Src] != nil {
			return false
		}
		h.cones[f.Src] = f
		h.most = max(h.most, len(h.cones))
	} else if h.proto.stack.Demux.Insert(f.id(), f) != tcpip.OK {
		return false
	}
	h.flows.Push(f, &f.link)
	return true
}

// leave undoes enter. f.mu is held.
func (h *Handler) leave(f *Flow) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cone {
		delete(h.cones, f.Src)
		if len(h.cones) == 0 && h.most > keptCones { // a map does not shrink
			h.cones, h.most = make(map[netip.AddrPort]*Flow), 0
		}
	} else {
		h.proto.stack.Demux.Remove(f.id(), f)
	}
	h.flows.Remove(&f.link)
	h.handling.Quota.Give(f.id())
}
