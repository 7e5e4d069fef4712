package raw

import (
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
)

// Flow is what one host sends to another of a protocol that nobody here speaks (Handle). One of Accept, Reject and Drop answers
// it, now or later and from any goroutine; only the first counts.
type Flow struct {
	Proto    header.Protocol
	Src, Dst netip.Addr
	NIC      tcpip.NICID // where the first packet arrived

	handler *Handler
	due     tcpip.Time // when it is forgotten

	// Under the handler's lock.
	verdict   verdict
	rejection transport.Rejection
	packet    *stack.Packet // the first, until the answer
	cost      int
	ep        *Endpoint
	link      transport.Link[Flow]
}

func (f *Flow) key() key { return key{f.Proto, f.Src, f.Dst} }

// id is what bounds count by.
func (f *Flow) id() stack.FlowID {
	return stack.FlowID{Proto: f.Proto, Local: netip.AddrPortFrom(f.Dst, 0), Remote: netip.AddrPortFrom(f.Src, 0)}
}

// Packet returns a copy of the first packet from its network header on, nil once the flow is answered.
func (f *Flow) Packet() []byte {
	h := f.handler
	h.mu.Lock()
	defer h.mu.Unlock()
	p := f.packet
	if p == nil {
		return nil
	}
	b := append(make([]byte, 0, len(p.Network())+p.DataLen()), p.Network()...)
	for _, d := range p.Data() {
		b = append(b, d.Bytes()...)
	}
	return b
}

// Accept returns the flow as a raw endpoint that speaks for Dst, is connected to Src, and has the first packet in its queue. It
// is the caller's to close; what arrives afterwards is a new flow. Called again Accept returns the same.
//
// Errors: ErrAddrNotAvailable if the way to Src leads through a NIC that may not send from Dst (Spoofing) and Dst is not ours, or
// another error of the route: after these the flow can still be rejected. ErrConnAborted once it is over.
func (f *Flow) Accept() (*Endpoint, error) {
	h := f.handler
	if e, err := f.answered(); e != nil || err != nil {
		return e, err
	}
	family, transparent := header.EtherTypeIPv4, tcpip.IP_TRANSPARENT
	if f.Src.Is6() {
		family, transparent = header.EtherTypeIPv6, tcpip.IPV6_TRANSPARENT
	}
	q := stack.RouteQuery{Destination: f.Src, Source: f.Dst}
	to := tcpip.FullAddress{Addr: f.Src}
	if f.Src.IsLinkLocalUnicast() && f.Src.Is6() {
		q.NIC, to.NIC = f.NIC, f.NIC
	}
	if _, err := h.stack.FindRoute(q); err != tcpip.OK {
		return nil, err
	}
	made, err := h.proto.NewEndpoint(uint16(f.Proto), family)
	if err != nil {
		return nil, err
	}
	e := made.(*Endpoint)
	for _, step := range []func() error{
		func() error { return e.SetOption(transparent, 1) },
		func() error { return e.Bind(tcpip.FullAddress{Addr: f.Dst, NIC: to.NIC}) },
		func() error { return e.Connect(to) },
	} {
		if err := step(); err != nil {
			e.Close()
			return nil, err
		}
	}
	for err := error(nil); err == nil; { // what came before it was connected is not the flow's
		_, err = e.Read(nil, tcpip.ReadOptions{})
	}
	h.mu.Lock()
	if f.verdict != pending {
		h.mu.Unlock()
		e.Close()
		return f.answered()
	}
	f.verdict, f.ep = accepted, e
	p := h.forget(f) // from now on packets find the endpoint
	h.mu.Unlock()
	h.handling.Accepted.Add(1)
	w := h.stack.Begin()
	e.ReceiveRaw(w, p)
	p.Release()
	w.End()
	return e, nil
}

// answered returns what has become of the flow; both are nil if it has no answer yet.
func (f *Flow) answered() (*Endpoint, error) {
	f.handler.mu.Lock()
	defer f.handler.mu.Unlock()
	switch f.verdict {
	case pending:
		return nil, nil
	case accepted:
		return f.ep, nil
	}
	return nil, tcpip.ErrConnAborted
}

// Reject answers the first packet, and those that follow, with an ICMP error.
func (f *Flow) Reject(with transport.Rejection) {
	if p := f.end(rejected, with); p != nil {
		f.handler.handling.Rejected.Add(1)
		w := f.handler.stack.Begin()
		with.Answer(w, f.handler.stack, p)
		p.Drop(tcpip.DropDeclined)
		w.End()
	}
}

// Drop drops the first packet, and those that follow, in silence.
func (f *Flow) Drop() {
	if p := f.end(dropped, 0); p != nil {
		f.handler.handling.Dropped.Add(1)
		p.Drop(tcpip.DropDeclined)
	}
}

// end gives a flow that has none its verdict, and returns the first packet.
func (f *Flow) end(v verdict, with transport.Rejection) *stack.Packet {
	f.handler.mu.Lock()
	defer f.handler.mu.Unlock()
	if f.verdict != pending {
		return nil
	}
	f.verdict, f.rejection = v, with
	return f.handler.take(f)
}
