package udp

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
)

// Flow is a flow of datagrams that no endpoint wanted, and for which a program is to speak (Handle). One of Accept, Reject
// and Drop answers it, now or later and from any goroutine; only the first counts. What arrives meanwhile is kept, up to a
// few datagrams. A flow ends when its endpoint is closed, or by itself once it has been idle for as long as the handler's
// timeout: its endpoint is then closed.
type Flow struct {
	Src, Dst netip.AddrPort // of the first datagram: who speaks, and to whom
	NIC      tcpip.NICID    // where it arrived

	handler *Handler
	active  atomic.Int64 // when the last datagram passed, a tcpip.Time

	mu    sync.Mutex // taken before the handler's
	state flowState
	quote transport.Quote
	queue stack.PacketList // until the answer
	bytes int              // of payload in queue
	ep    *Endpoint
	timer tcpip.Timer

	link transport.Link[Flow] // in the handler's list, under its lock
}

type flowState uint8

const (
	flowPending flowState = iota
	flowAccepted
	flowOver
)

// AcceptOptions say how a Flow is accepted.
type AcceptOptions struct {
	Set []SetOption // options of its endpoint
}

// SetOption is an option with its value.
type SetOption struct {
	ID    tcpip.OptionID
	Value int
}

func (f *Flow) id() stack.FlowID {
	return stack.FlowID{Proto: header.ProtocolUDP, Local: f.Dst, Remote: f.Src}
}

// FullCone reports whether the flow is one of everything that its source sends.
func (f *Flow) FullCone() bool { return f.handler.cone }

// Accept returns the flow as an endpoint that speaks for Dst and is connected to Src, with what has arrived in its
// queue. Called again it returns the same. That of a full cone reads with each datagram whom it was for,
// as its sender (Received.From).
//
// Errors: ErrAddrNotAvailable if the way to Src leads through a NIC that may not send from Dst (Spoofing) and Dst is not
// ours, or another error of the route; what an option in o is refused with: after these the flow can still be rejected.
// ErrConnAborted once it is over.
func (f *Flow) Accept(o AcceptOptions) (*Endpoint, error) {
	f.mu.Lock()
	state, was := f.state, f.ep
	f.mu.Unlock()
	switch state {
	case flowAccepted:
		return was, nil
	case flowOver:
		return nil, tcpip.ErrConnAborted
	}
	netProto := header.EtherTypeIPv4
	if f.Src.Addr().Is6() {
		netProto = header.EtherTypeIPv6
	}
	made, err := f.handler.proto.NewEndpoint(netProto)
	if err != nil {
		return nil, err
	}
	e := made.(*Endpoint)
	if err := e.Adopt(f.id(), f.NIC, func() { f.closed() }); err != tcpip.OK {
		e.Close()
		return nil, err
	}
	for _, s := range o.Set {
		if err := e.SetOption(s.ID, s.Value); err != nil {
			e.Close()
			return nil, err
		}
	}
	w := f.handler.proto.stack.Begin()
	defer w.End()
	f.mu.Lock()
	if f.state != flowPending {
		state, was = f.state, f.ep
		f.mu.Unlock()
		e.Close()
		if state == flowAccepted {
			return was, nil
		}
		return nil, tcpip.ErrConnAborted
	}
	f.state, f.ep, f.quote = flowAccepted, e, transport.Quote{}
	for p := f.queue.Pop(); p != nil; p = f.queue.Pop() { // before any other, so with the lock held
		f.pass(w, e, p)
	}
	f.mu.Unlock()
	f.handler.handling.Accepted.Add(1)
	return e, nil
}

// Reject answers the first datagram with an ICMP error and ends the flow, which was not accepted.
func (f *Flow) Reject(with transport.Rejection) {
	f.mu.Lock()
	if f.state != flowPending {
		f.mu.Unlock()
		return
	}
	quote := f.quote
	queue := f.over()
	f.mu.Unlock()
	s := f.handler.proto.stack
	w := s.Begin()
	quote.Reject(w, s, with)
	declined(&queue)
	w.End()
	f.handler.handling.Rejected.Add(1)
}

// Drop ends the flow in silence, if it was not accepted.
func (f *Flow) Drop() {
	f.mu.Lock()
	if f.state != flowPending {
		f.mu.Unlock()
		return
	}
	queue := f.over()
	f.mu.Unlock()
	declined(&queue)
	f.handler.handling.Dropped.Add(1)
}

// WriteFrom sends a datagram to dst that comes from src, neither of which need be the flow's: an answer to a full cone by
// somebody that it has not asked. It does not wait; what finds a full transmit queue is lost.
//
// Errors: ErrMessageSize, ErrInvalid for addresses of two families or without ports, those of the route as for Accept,
// ErrNoBuffers, ErrConnAborted once the flow is over.
func (f *Flow) WriteFrom(b []byte, src, dst netip.AddrPort) (int, error) {
	f.mu.Lock()
	over := f.state == flowOver
	f.mu.Unlock()
	if over {
		return 0, tcpip.ErrConnAborted
	}
	f.Touch()
	u := f.handler.proto
	id := stack.FlowID{
		Proto:  header.ProtocolUDP,
		Local:  netip.AddrPortFrom(src.Addr().Unmap().WithZone(""), src.Port()),
		Remote: netip.AddrPortFrom(dst.Addr().Unmap().WithZone(""), dst.Port()),
	}
	w := u.stack.Begin()
	err := u.send(w, b, id, f.NIC)
	w.End()
	if err != tcpip.OK {
		return 0, err
	}
	return len(b), nil
}

// send sends one datagram of a flow that need not have an endpoint.
func (u *protocol) send(w *stack.Work, b []byte, id stack.FlowID, nic tcpip.NICID) tcpip.Error {
	local, remote := id.Local.Addr(), id.Remote.Addr()
	switch {
	case !local.IsValid() || !remote.IsValid() || local.Is4() != remote.Is4() || id.Local.Port() == 0 || id.Remote.Port() == 0:
		return tcpip.ErrInvalid
	case len(b) > maxPayload:
		return tcpip.ErrMessageSize
	}
	q := stack.RouteQuery{Destination: remote, Source: local}
	if remote.Is6() && remote.IsLinkLocalUnicast() {
		q.NIC = nic
	}
	r, err := u.stack.FindRoute(q)
	switch {
	case err != tcpip.OK:
		return err
	case r.Broadcast || r.Multicast:
		return tcpip.ErrAccess
	}
	p := u.stack.NewPacket()
	if p == nil {
		return tcpip.ErrNoBuffers
	}
	p.Prepend(header.UDPSize)
	p.SetTransport()
	if len(b) > 0 {
		data, ok := u.stack.Slabs.Get(len(b))
		if !ok {
			p.Release()
			return tcpip.ErrNoBuffers
		}
		data.Append(b)
		p.AppendData(data)
	}
	encode(p, id, false)
	p.Hash = u.stack.FlowHash(id)
	df, mtu := r.PMTUPolicy(tcpip.PMTUDont)
	mibOf(u.stack.Counters(), remote.Is6()).OutDatagrams.Inc()
	return r.Net.Send(w, r, p, &stack.SendOptions{Proto: header.ProtocolUDP, TTL: r.DefaultTTL(), DF: df, MTU: mtu})
}

// Touch counts as a datagram for the idle timeout.
func (f *Flow) Touch() { f.active.Store(int64(f.handler.proto.stack.Now())) }

// Deliver takes a datagram of the flow.
func (f *Flow) Deliver(w *stack.Work, p *stack.Packet) {
	f.active.Store(int64(p.At))
	f.mu.Lock()
	e := f.ep
	if f.state == flowAccepted {
		f.mu.Unlock()
		f.pass(w, e, p)
		return
	}
	drop := f.keep(p)
	f.mu.Unlock()
	if drop != tcpip.DropNone {
		f.handler.handling.Absorbed.Add(1)
		p.Drop(drop)
	}
}

// pass gives a datagram to the flow's endpoint.
func (f *Flow) pass(w *stack.Work, e *Endpoint, p *stack.Packet) {
	from := sender(p)
	if f.handler.cone {
		from = netip.AddrPortFrom(p.Dst, header.UDP(p.Transport()).DstPort())
	}
	e.Queue(w, p, from, len(p.Front())-len(p.Transport())+header.UDPSize)
}

// keep keeps a datagram until the answer, or says why not. mu is held.
func (f *Flow) keep(p *stack.Packet) tcpip.Drop {
	switch {
	case f.state != flowPending:
		return tcpip.DropEndpointClosed
	case f.queue.Len() >= pendingMax || f.queue.Len() > 0 && f.bytes+p.Len() > pendingBytes:
		return tcpip.DropPending
	}
	p.Compact()
	f.bytes += p.Len()
	f.queue.Push(p)
	return tcpip.DropNone
}

// DeliverError tells the endpoint of an ICMP error.
func (f *Flow) DeliverError(w *stack.Work, i *stack.ICMPError) {
	f.mu.Lock()
	e := f.ep
	f.mu.Unlock()
	if e == nil {
		i.Drop(f.handler.proto.stack, tcpip.DropICMPNoFlow)
		return
	}
	e.DeliverError(w, i)
}

// expire looks whether the flow has been idle for long enough, and ends it.
func (f *Flow) expire() {
	s := f.handler.proto.stack
	left := f.handler.handling.Limit - s.Now().Sub(tcpip.Time(f.active.Load()))
	if left > 0 {
		f.mu.Lock()
		if f.state != flowOver {
			f.timer.Reset(left)
		}
		f.mu.Unlock()
		return
	}
	f.end()
	f.handler.handling.Expired.Add(1)
}

// end ends the flow, and its endpoint, and returns how far it had come.
func (f *Flow) end() (was flowState) {
	f.mu.Lock()
	was = f.state
	e := f.ep
	var queue stack.PacketList
	if was == flowPending {
		queue = f.over()
	}
	f.mu.Unlock()
	declined(&queue)
	if was == flowAccepted {
		e.Close()  // which ends the flow,
		f.closed() // unless somebody had closed it before it was the flow's
	}
	return was
}

// closed takes note that the endpoint is. Its lock is held.
func (f *Flow) closed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state == flowAccepted {
		f.over()
	}
}

// over ends the flow and returns what has not been delivered. mu is held.
func (f *Flow) over() (queue stack.PacketList) {
	queue, f.queue = f.queue, stack.PacketList{}
	f.state, f.ep, f.quote = flowOver, nil, transport.Quote{}
	f.handler.leave(f)
	f.timer.Stop()
	return queue
}

// declined drops what nobody wanted.
func declined(l *stack.PacketList) {
	for p := l.Pop(); p != nil; p = l.Pop() {
		p.Drop(tcpip.DropDeclined)
	}
}

var _ stack.Receiving = (*Flow)(nil)
