package transport

import (
	"sync"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Shape is how one datagram protocol differs from another. It is a constant.
type Shape struct {
	Kind tcpip.EndpointKinds

	// Proto4 and Proto6 are the protocol's numbers over IPv4 and IPv6; 0 where it does not speak that
	// family.
	Proto4, Proto6 header.Protocol

	// HeaderSize is the length of the transport header in bytes. UserHeader says that it is the first
	// part of what users write and read (ping); otherwise they see the payload alone (UDP).
	HeaderSize int
	UserHeader bool

	// RemotePort says that a flow has a remote port. Without one a connected endpoint still receives
	// from everybody, as Linux's ping sockets do.
	RemotePort bool
	// Corks lets several writes make one datagram.
	Corks bool
	// Share sets SO_REUSEADDR on new endpoints.
	Share bool
	// Unicast refuses to bind groups and broadcast addresses, but for IP_FREEBIND and IP_TRANSPARENT.
	Unicast bool

	// Check refuses what may not be written. nil accepts everything.
	Check func(b []byte, v6 bool) tcpip.Error
	// Encode completes the transport header, which the front of p begins with: HeaderSize bytes, which
	// are the user's or have no value yet. It sets the state of the checksum. noChecksum is the user's wish.
	Encode func(p *stack.Packet, flow stack.FlowID, noChecksum bool)

	// MIB returns the counters of a family.
	MIB func(c *stack.Counters, v6 bool) MIB
}

// MIB are the counters that the shell counts with. A nil counter is not counted.
type MIB struct {
	InDatagrams, OutDatagrams  *stack.Counter
	InErrors                   *stack.Counter // beside one of the next two
	RcvbufErrors, SndbufErrors *stack.Counter
}

// Protocol is what the datagram endpoints of one protocol in one stack share.
type Protocol struct {
	stack *stack.Stack
	shape *Shape
	mib   [2]MIB // of IPv4, of IPv6
	pool  sync.Pool

	mu          sync.Mutex // a leaf; guards the list of open endpoints
	first, last *Datagram
	closed      bool
}

// NewProtocol returns the shared part of a protocol of the given shape.
func NewProtocol(s *stack.Stack, shape *Shape) *Protocol {
	p := &Protocol{stack: s, shape: shape}
	none := new(stack.Counter)
	for v6 := range p.mib {
		m := shape.MIB(s.Counters(), v6 == 1)
		for _, c := range []**stack.Counter{&m.InDatagrams, &m.OutDatagrams, &m.InErrors, &m.RcvbufErrors, &m.SndbufErrors} {
			if *c == nil {
				*c = none
			}
		}
		p.mib[v6] = m
	}
	return p
}

// Stack returns the stack that the protocol belongs to.
func (p *Protocol) Stack() *stack.Stack { return p.stack }

// Close closes every endpoint that is open and keeps new ones from coming.
func (p *Protocol) Close(w *stack.Work) {
	p.mu.Lock()
	p.closed = true
	var open []*Datagram
	for d := p.first; d != nil; d = d.next {
		open = append(open, d)
	}
	p.mu.Unlock()
	for _, d := range open {
		d.close(w)
	}
}

func (p *Protocol) enter(d *Datagram) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	d.prev = p.last
	if p.last == nil {
		p.first = d
	} else {
		p.last.next = d
	}
	p.last = d
	return true
}

func (p *Protocol) leave(d *Datagram) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d.prev == nil {
		p.first = d.next
	} else {
		d.prev.next = d.next
	}
	if d.next == nil {
		p.last = d.prev
	} else {
		d.next.prev = d.prev
	}
	d.prev, d.next = nil, nil
}

// number returns the protocol's number in a family.
func (p *Protocol) number(v6 bool) header.Protocol {
	if v6 {
		return p.shape.Proto6
	}
	return p.shape.Proto4
}

// counters returns the MIB of a family.
func (p *Protocol) counters(v6 bool) *MIB {
	if v6 {
		return &p.mib[1]
	}
	return &p.mib[0]
}

// unrouted counts a destination that there is no way to.
func (p *Protocol) unrouted(v6 bool) {
	c := p.stack.Counters()
	if v6 {
		c.Ip6.OutNoRoutes.Inc()
	} else {
		c.Ip.OutNoRoutes.Inc()
	}
}
