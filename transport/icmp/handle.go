package icmp

import (
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
)

// EchoHandler asks a program what is to become of each echo request to somebody else: to an address that a NIC takes for
// ours (NICOptions.Promiscuous) and that is none of the stack's. Those to the stack's own are answered by the stack.
type EchoHandler struct {
	handling transport.Handling[*EchoRequest]
	protos   [2]*protocol // nil where the stack lacks it
	held     transport.Holder
}

// HandleEcho has f called for every echo request of either version to an address that is not ours, until the EchoHandler is
// closed. Without one the stack answers them all.
//
// While f has not answered, nobody gets an answer, and the request is kept; beyond what o allows (256 requests and 1 MB, where it
// does not say), further requests are dropped, counted and told of. Those without an answer are dropped after o.Timeout.
//
// Errors: ErrExists if there is a handler, ErrProtocolNotSupported if the stack has neither ICMP, ErrClosed.
func HandleEcho(s *stack.Stack, o transport.HandleOptions, f func(*EchoRequest)) (*EchoHandler, error) {
	h := new(EchoHandler)
	h.handling.Init(s.Clock(), &o, echoesMax, transport.HeldTimeout, f, (*EchoRequest).Drop)
	transport.HoldFor(&h.handling, s, &h.held)
	for i, number := range []header.Protocol{header.ProtocolICMPv4, header.ProtocolICMPv6} {
		h.protos[i], _ = s.Transport(number).(*protocol)
	}
	if h.protos == [2]*protocol{} {
		return nil, tcpip.ErrProtocolNotSupported
	}
	for _, c := range h.protos {
		switch {
		case c == nil:
		case !c.handler.CompareAndSwap(nil, h):
			h.Close()
			return nil, tcpip.ErrExists
		case c.closed.Load(): // Close may have looked for it before
			h.Close()
			return nil, tcpip.ErrClosed
		}
	}
	return h, nil
}

// Close ends the handling; requests without an answer are dropped. Calls of the handler that run are not waited for.
func (h *EchoHandler) Close() {
	for _, c := range h.protos {
		if c != nil {
			c.handler.CompareAndSwap(h, nil)
		}
	}
	h.handling.Close()
	h.held.Close()
}

// Stats returns what the handler has seen. Accepted counts the replies; Absorbed what the bound of bytes has kept out.
func (h *EchoHandler) Stats() transport.HandleStats { return h.handling.Stats() }

// EchoRequest is an echo request to somebody else, for whom a program is to speak. One of Reply, Reject and Drop answers it, now
// or later and from any goroutine; only the first counts.
type EchoRequest struct {
	Src, Dst     netip.Addr  // who asks, and whom
	NIC          tcpip.NICID // where it arrived
	ID, Sequence uint16
	TTL          uint8 // or hop limit, as it arrived

	proto *protocol
	held  transport.Held
}

// TakeEcho takes an echo request for the handler, if there is one and it wants it (stack.EchoTaker).
func (c *protocol) TakeEcho(_ *stack.Work, p *stack.Packet) bool {
	h := c.handler.Load()
	if h == nil || !h.handling.Looks(p) {
		return false
	}
	if _, _, ours := c.stack.LocalAddress(p.Dst); ours {
		return false
	}
	m := header.ICMPv4(p.Transport()) // an echo looks the same in both versions
	r := &EchoRequest{
		Src: p.Src, Dst: p.Dst, NIC: p.NIC.ID(), TTL: p.TTL, ID: m.ID(), Sequence: m.Sequence(), proto: c,
	}
	id := stack.FlowID{Proto: c.family.proto, Local: netip.AddrPortFrom(p.Dst, 0), Remote: netip.AddrPortFrom(p.Src, r.ID)}
	if h.held.Keep(&r.held, p, id) {
		h.handling.Calls.Add(r)
	}
	return true
}

// Data returns a copy of what the request carries behind the sequence number, nil once it is answered.
func (r *EchoRequest) Data() []byte { return r.held.Copy(header.ICMPv4Size) }

// Reply sends the reply, with the request's data, as the host that was asked would.
func (r *EchoRequest) Reply() {
	p := r.held.Accept()
	if p == nil {
		return
	}
	w := r.proto.stack.Begin()
	if ip := r.proto.stack.Internet(p.EtherType); ip != nil {
		ip.AnswerEcho(w, p)
	} else {
		p.Drop(tcpip.DropUnknownType)
	}
	w.End()
}

// Reject answers the request with an ICMP error.
func (r *EchoRequest) Reject(with transport.Rejection) { r.held.Reject(with) }

// Drop leaves the request without an answer.
func (r *EchoRequest) Drop() { r.held.Drop() }

var _ stack.EchoTaker = (*protocol)(nil)
