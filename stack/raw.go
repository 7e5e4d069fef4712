package stack

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// NewRaw makes the protocol of raw endpoints for one stack (Options.Raw).
type NewRaw func(s *Stack) RawProtocol

// RawProtocol makes endpoints that send and receive packets of any IP protocol.
type RawProtocol interface {
	// NewEndpoint makes an endpoint of an IP protocol. A number above 255, which no packet has, receives
	// nothing.
	NewEndpoint(number uint16, netProto header.EtherType) (Endpoint, error)
	// Close closes every endpoint.
	Close(w *Work)
}

// UnknownTaker is a RawProtocol that may want packets that nobody else does.
type UnknownTaker interface {
	// TakeUnknown takes p, addressed to us and of a protocol that the stack lacks, or reports that it does not want it; p is then
	// the caller's still. No lock is held.
	TakeUnknown(w *Work, p *Packet) bool
}

// OfferUnknown offers p, which no protocol and no raw receiver wants, and reports whether it was taken.
func (s *Stack) OfferUnknown(w *Work, p *Packet) bool {
	t, ok := s.rawProtocol.(UnknownTaker)
	return ok && t.TakeUnknown(w, p)
}

// Raw returns the protocol of raw endpoints, nil if the stack has none.
func (s *Stack) Raw() RawProtocol { return s.rawProtocol }

// RawReceiver is shown what arrives for one IP protocol, beside its transport.
type RawReceiver interface {
	// ReceiveRaw is shown a packet to us, whose network header is validated and which is whole; what
	// lies behind that header is not validated. It borrows p, and says whether it took a copy. No lock is held.
	ReceiveRaw(w *Work, p *Packet) bool
	// ReceiveAlert is shown an IPv4 packet of the protocol that is to be forwarded and has a router alert (RFC
	// 2113). It borrows p, and says whether the packet is not to go on. No lock is held.
	ReceiveAlert(w *Work, p *Packet, value uint16) bool
	// ReceiveRawError is told of an ICMP error about a packet of the protocol, whoever has sent that, and
	// says whether it was for it. It borrows e. No lock is held.
	ReceiveRawError(w *Work, e *ICMPError) bool
}

// rawTable has the raw receivers of each protocol, in the order of their coming. A list is never changed,
// only replaced; it is nil where there is nobody.
type rawTable struct {
	mu    sync.Mutex // guards changes
	lists [256]atomic.Pointer[[]RawReceiver]
}

// AddRaw makes r see what arrives for a protocol.
//
// Errors: ErrNoBuffers if there are too many already.
func (s *Stack) AddRaw(proto header.Protocol, r RawReceiver) tcpip.Error {
	s.raw.mu.Lock()
	defer s.raw.mu.Unlock()
	var list []RawReceiver
	if old := s.raw.lists[proto].Load(); old != nil {
		list = slices.Clone(*old)
	}
	if len(list) >= s.limits.RawReceivers {
		return tcpip.ErrNoBuffers
	}
	list = append(list, r)
	s.raw.lists[proto].Store(&list)
	return tcpip.OK
}

// RemoveRaw undoes AddRaw. A packet that is being delivered may still reach r.
func (s *Stack) RemoveRaw(proto header.Protocol, r RawReceiver) {
	s.raw.mu.Lock()
	defer s.raw.mu.Unlock()
	old := s.raw.lists[proto].Load()
	if old == nil {
		return
	}
	list := slices.DeleteFunc(slices.Clone(*old), func(o RawReceiver) bool { return o == r })
	if len(list) == 0 {
		s.raw.lists[proto].Store(nil)
		return
	}
	s.raw.lists[proto].Store(&list)
}

// DeliverRaw shows p, addressed to us, to the raw receivers of its protocol and reports whether one took a
// copy. It borrows p. Network protocols call it before DeliverTransport.
func (s *Stack) DeliverRaw(w *Work, p *Packet) (taken bool) {
	list := s.raw.lists[p.Proto].Load()
	if list == nil {
		return false
	}
	p.Home()
	for _, r := range *list {
		if r.ReceiveRaw(w, p) {
			taken = true
		}
	}
	return taken
}

// DeliverAlert shows p, which is to be forwarded and has a router alert of a value, to raw receivers and reports whether
// one wants it to stay: over IPv4 those of its protocol (RFC 2113), over IPv6 those of none, as on Linux (RFC 2711). It
// borrows p.
func (s *Stack) DeliverAlert(w *Work, p *Packet, value uint16) (taken bool) {
	proto := p.Proto
	if p.EtherType == header.EtherTypeIPv6 {
		proto = header.Protocol(255)
	}
	list := s.raw.lists[proto].Load()
	if list == nil {
		return false
	}
	for _, r := range *list {
		if r.ReceiveAlert(w, p, value) {
			taken = true
		}
	}
	return taken
}

// deliverRawError is DeliverRaw for ICMP errors.
func (s *Stack) deliverRawError(w *Work, e *ICMPError) (taken bool) {
	list := s.raw.lists[e.Proto].Load()
	if list == nil {
		return false
	}
	for _, r := range *list {
		if r.ReceiveRawError(w, e) {
			taken = true
		}
	}
	return taken
}

// NewRawEndpoint makes a raw endpoint of an IP protocol, for IPv4 or IPv6 as netProto says.
//
// Errors: ErrProtocolNotSupported if the stack has no raw endpoints or lacks the network protocol, ErrClosed
// after Close.
func (s *Stack) NewRawEndpoint(number uint16, netProto header.EtherType) (Endpoint, error) {
	if s.rawProtocol == nil || s.Internet(netProto) == nil {
		return nil, tcpip.ErrProtocolNotSupported
	}
	if s.closed.Load() {
		return nil, tcpip.ErrClosed
	}
	return s.rawProtocol.NewEndpoint(number, netProto)
}
