package tcp

import (
	"net/netip"
	"slices"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
)

// sentHeaders are what few connections put into the network headers of their segments. They are never changed, only
// replaced: endpoints share them with their options.
type sentHeaders struct {
	options    header.IPv4Sent
	extensions header.IPv6Sent
}

// SetIPOptions sets the IPv4 options of every segment from now on (IP_OPTIONS), which make the MSS smaller. A
// listener's are of no account: what it accepts answers with those that its SYN came with. It copies.
//
// Errors: ErrInvalid if they are malformed, ErrClosed.
func (e *Endpoint) SetIPOptions(b []byte) error {
	options, ok := header.CompileIPv4Options(b)
	if !ok {
		return tcpip.ErrInvalid
	}
	return e.changeHeaders(func(h *sentHeaders) { h.options = options }).Err()
}

// IPOptions returns the IPv4 options of segments, padded to four bytes.
func (e *Endpoint) IPOptions() []byte {
	w := e.begin()
	defer e.end(w)
	if h := e.opts.headers; h != nil {
		return slices.Clone(h.options.Bytes())
	}
	return nil
}

// SetExtension sets an IPv6 extension header of every segment from now on (RFC 3542 §4), which makes the MSS smaller;
// an empty b removes it. Accepted endpoints inherit it. It copies.
//
// Errors: ErrInvalid if it is malformed, or a routing header of a type that cannot be sent; ErrClosed.
func (e *Endpoint) SetExtension(kind transport.ExtensionKind, b []byte) error {
	b, ok := kind.Check(b)
	if !ok {
		return tcpip.ErrInvalid
	}
	return e.changeHeaders(func(h *sentHeaders) {
		*kind.Of(&h.extensions) = b
		e.pathless = true
	}).Err()
}

// Extension returns what SetExtension has set.
func (e *Endpoint) Extension(kind transport.ExtensionKind) []byte {
	w := e.begin()
	defer e.end(w)
	if h := e.opts.headers; h != nil {
		return slices.Clone(*kind.Of(&h.extensions))
	}
	return nil
}

// SetSendNIC takes the NIC of IPV6_PKTINFO, which counts for nothing on a stream, as measured on Linux.
//
// Errors: ErrInvalid if the endpoint is bound to another NIC, ErrClosed.
func (e *Endpoint) SetSendNIC(nic tcpip.NICID) error {
	w := e.begin()
	defer e.end(w)
	switch bound := e.opts.sock.BoundNIC; {
	case e.closed:
		return tcpip.ErrClosed
	case nic != 0 && bound != 0 && bound != nic:
		return tcpip.ErrInvalid
	}
	return nil
}

func (e *Endpoint) changeHeaders(change func(*sentHeaders)) tcpip.Error {
	w := e.begin()
	defer e.end(w)
	if e.closed {
		return tcpip.ErrClosed
	}
	var h sentHeaders
	if e.opts.headers != nil {
		h = *e.opts.headers
	}
	change(&h)
	o := *e.opts
	o.headers = h.orNil()
	e.configure(&o)
	if e.running {
		e.reroute()
	}
	return tcpip.OK
}

// orNil returns a pointer to a copy of h, nil if there is nothing in it.
func (h sentHeaders) orNil() *sentHeaders {
	x := &h.extensions
	if h.options.Len() == 0 && x.HopByHop == nil && x.RoutingOptions == nil && x.Routing == nil && x.Options == nil {
		return nil
	}
	return &h
}

// answering returns the headers of a connection that a listener with h accepts, echo being the IPv4 options that answer
// its SYN's. h may be nil.
func (h *sentHeaders) answering(echo []byte) *sentHeaders {
	if h == nil && len(echo) == 0 {
		return nil
	}
	var c sentHeaders
	if h != nil {
		c.extensions = h.extensions
	}
	c.options, _ = header.CompileIPv4Options(echo)
	return c.orNil()
}

// echoOf returns the IPv4 options that answer those of a received segment (RFC 1122 §3.2.2.6), nil if it has none.
func echoOf(p *stack.Packet) []byte {
	if p.Src.Is6() || len(p.Network()) <= header.IPv4Size {
		return nil
	}
	b, _ := header.EchoIPv4Options(header.IPv4(p.Network()))
	return b
}

// guide puts into a query what headers say of the way to its destination: a source route goes before everything (RFC 9293
// §3.9.2.1, MUST-51, MUST-52). h may be nil.
func (h *sentHeaders) guide(q *stack.RouteQuery) {
	if h == nil {
		return
	}
	hop := h.options.FirstHop()
	if q.Destination.Is6() {
		hop = h.extensions.FirstHop()
	}
	if hop.IsValid() {
		q.DontRoute = q.DontRoute || hop.Is4() && h.options.Strict
		q.Destination = hop
	}
}

// lengthen makes p the path of a connection whose segments have h, which may be nil. As on Linux all extension headers
// count, though destination options for a routing header are sent with one only. What is longer by headers is never
// left to others to cut.
func (h *sentHeaders) lengthen(p tcb.Path, remote netip.Addr) tcb.Path {
	if h == nil {
		return p
	}
	n := h.options.Len()
	if x := &h.extensions; remote.Is6() {
		n = len(x.HopByHop) + len(x.RoutingOptions) + len(x.Routing) + len(x.Options)
	}
	if n > 0 {
		p.NetHeader += n
		p.NetOptions, p.MaxSegment = n, 0
	}
	return p
}

// put makes o send a segment to `to` with the headers, and returns the room that they need in front. options is where
// those of IPv4 are kept until then. h may be nil.
func (h *sentHeaders) put(o *stack.SendOptions, to netip.Addr, options *header.IPv4Sent) (room int) {
	switch {
	case h == nil:
	case to.Is4():
		if h.options.Len() > 0 {
			*options = h.options.To(to)
			o.Options = options.Bytes()
		}
	case h.extensions.Len() > 0:
		o.Extensions, o.Final = &h.extensions, to
		return h.extensions.Len()
	}
	return 0
}
