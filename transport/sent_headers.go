package transport

import (
	"net/netip"
	"slices"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// sentHeaders is what few endpoints put into the network headers of what they send. It is never changed, only
// replaced.
type sentHeaders struct {
	options    header.IPv4Sent
	extensions header.IPv6Sent
	nic        tcpip.NICID // for IPv6; 0: the route's
	label      uint32      // of a connected IPv6 endpoint; 0: none in particular
}

// SetIPOptions sets the IPv4 options of what is sent from now on (IP_OPTIONS): none, or what CompileIPv4Options
// makes of b. It copies.
//
// Errors: ErrInvalid if they are malformed, ErrClosed.
func (d *Datagram) SetIPOptions(b []byte) error {
	options, ok := header.CompileIPv4Options(b)
	if !ok {
		return tcpip.ErrInvalid
	}
	return d.changeHeaders(func(h *sentHeaders) { h.options = options }).Err()
}

// IPOptions returns what SetIPOptions has set, padded to four bytes.
func (d *Datagram) IPOptions() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.headers == nil {
		return nil
	}
	return slices.Clone(d.headers.options.Bytes())
}

// An ExtensionKind is one of the IPv6 extension headers that an endpoint can send, in their order.
type ExtensionKind uint8

// The kinds.
const (
	ExtensionHopByHop       ExtensionKind = iota
	ExtensionRoutingOptions               // destination options in front of the routing header
	ExtensionRouting
	ExtensionOptions // destination options
)

// Of returns where x has the header of a kind.
func (k ExtensionKind) Of(x *header.IPv6Sent) *[]byte {
	return [...]*[]byte{&x.HopByHop, &x.RoutingOptions, &x.Routing, &x.Options}[k&3]
}

// Check returns a copy of the header at the front of b if it is a good one of the kind, nil if b is empty.
func (k ExtensionKind) Check(b []byte) (h []byte, ok bool) {
	switch {
	case len(b) == 0:
		return nil, true
	case k == ExtensionRouting:
		h, ok = header.CheckIPv6Routing(b)
	default:
		h, ok = header.CheckIPv6Extension(b)
	}
	return slices.Clone(h), ok
}

// SetExtension sets an extension header of what is sent over IPv6 from now on (RFC 3542 §4); an empty b removes it.
// It copies. Ping endpoints keep it and do not send it, as on Linux.
//
// Errors: ErrInvalid if it is malformed, or a routing header of a type that cannot be sent; ErrClosed.
func (d *Datagram) SetExtension(kind ExtensionKind, b []byte) error {
	b, ok := kind.Check(b)
	if !ok {
		return tcpip.ErrInvalid
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.changeHeadersLocked(func(h *sentHeaders) { *kind.Of(&h.extensions) = b })
	d.pathless = d.pathless || err == tcpip.OK
	return err.Err()
}

// Extension returns what SetExtension has set.
func (d *Datagram) Extension(kind ExtensionKind) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.headers == nil {
		return nil
	}
	return slices.Clone(*kind.Of(&d.headers.extensions))
}

// SetSendNIC sets the NIC of what is sent over IPv6, where neither binding nor Control.PacketInfo says another; 0
// undoes it (IPV6_PKTINFO, whose address counts for nothing, as measured on Linux).
//
// Errors: ErrInvalid if the endpoint is bound to another NIC, ErrClosed.
func (d *Datagram) SetSendNIC(nic tcpip.NICID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if nic != 0 && d.conf.BoundNIC != 0 && d.conf.BoundNIC != nic {
		return tcpip.ErrInvalid
	}
	return d.changeHeadersLocked(func(h *sentHeaders) { h.nic = nic }).Err()
}

// SetFlowLabel sets the flow label of what is sent over IPv6 to the peer; 0 leaves it to the stack.
func (d *Datagram) SetFlowLabel(label uint32) error {
	return d.changeHeaders(func(h *sentHeaders) { h.label = label & 0xfffff }).Err()
}

func (d *Datagram) changeHeaders(change func(*sentHeaders)) tcpip.Error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changeHeadersLocked(change)
}

func (d *Datagram) changeHeadersLocked(change func(*sentHeaders)) tcpip.Error {
	if d.closed {
		return tcpip.ErrClosed
	}
	var h sentHeaders
	if d.headers != nil {
		h = *d.headers
	}
	change(&h)
	d.headers = &h
	return tcpip.OK
}

// headersFor returns the headers of one datagram, nil if there is nothing about them: those of the endpoint, or,
// as on Linux, all of those that come with the datagram.
func (d *Datagram) headersFor(c *tcpip.Control, v6 bool) (*sentHeaders, tcpip.Error) {
	h := d.headers
	if h == nil && c.Has&(tcpip.HasOptions|tcpip.HasExtensions) == 0 {
		return nil, tcpip.OK
	}
	switch {
	case v6 && c.Has&tcpip.HasExtensions != 0:
		h = h.copy()
		h.extensions = header.IPv6Sent{}
		for kind, b := range [...][]byte{c.HopOpts, c.RoutingOpts, c.Routing, c.DestOpts} {
			if b == nil {
				continue
			}
			b, ok := header.CutIPv6Extension(b)
			if ok && ExtensionKind(kind) == ExtensionRouting {
				b, ok = header.CheckIPv6Routing(b)
			}
			if !ok {
				return nil, tcpip.ErrInvalid
			}
			*ExtensionKind(kind).Of(&h.extensions) = slices.Clone(b) // it may be corked
		}
	case !v6 && c.Has&tcpip.HasOptions != 0:
		options, ok := header.CompileIPv4Options(c.Options)
		if !ok {
			return nil, tcpip.ErrInvalid
		}
		h = h.copy()
		h.options = options
	}
	if h != nil && v6 && d.proto.shape.Kind == tcpip.KindPing && h.extensions.Len() > 0 {
		h = h.copy()
		h.extensions = header.IPv6Sent{}
	}
	return h, tcpip.OK
}

// copy returns h's fields to be changed. h may be nil.
func (h *sentHeaders) copy() *sentHeaders {
	c := new(sentHeaders)
	if h != nil {
		*c = *h
	}
	return c
}

// firstHop returns where a source route sends a packet first, the zero Addr if there is none.
func (h *sentHeaders) firstHop(v6 bool) netip.Addr {
	switch {
	case h == nil:
		return netip.Addr{}
	case v6:
		return h.extensions.FirstHop()
	}
	return h.options.FirstHop()
}

// size returns what is added to the network header, bytes.
func (h *sentHeaders) size(v6 bool) int {
	switch {
	case h == nil:
		return 0
	case v6:
		return h.extensions.Len()
	}
	return h.options.Len()
}

// put makes o send a datagram to `to` with the headers.
func (h *sentHeaders) put(o *stack.SendOptions, to netip.Addr) {
	o.Options, o.Extensions = nil, nil
	switch {
	case h == nil:
	case to.Is4():
		if h.options.Len() > 0 {
			options := h.options.To(to)
			o.Options = options.Bytes()
		}
	case h.extensions.Len() > 0:
		o.Extensions, o.Final = &h.extensions, to
	}
}

// guide puts into a query what headers say of the way to its destination.
func (h *sentHeaders) guide(q *stack.RouteQuery) {
	if h == nil {
		return
	}
	if hop := h.firstHop(q.Destination.Is6()); hop.IsValid() {
		q.DontRoute = q.DontRoute || hop.Is4() && h.options.Strict
		q.Destination = hop
	}
}

// label decides on the flow label of a datagram: the one that came with it, else the peer's, else the stack's.
func (d *Datagram) label(o *stack.SendOptions, c *tcpip.Control, to tcpip.FullAddress) {
	o.FlowLabel, o.NoFlowLabel = 0, !d.conf.AutoFlowLabel
	switch {
	case c.Has&tcpip.HasFlowInfo != 0:
		o.FlowLabel = c.FlowInfo & 0xfffff
	case d.headers != nil && to == d.peer:
		o.FlowLabel = d.headers.label
	}
}

// lastingNIC returns what SetSendNIC has set. h may be nil.
func (h *sentHeaders) lastingNIC() tcpip.NICID {
	if h == nil {
		return 0
	}
	return h.nic
}

// relax takes the NIC out of a query that finds no way through it: over IPv6 a datagram with a source of its own
// only prefers a NIC that the endpoint is not bound to, as measured on Linux. fromFour: one of IPv4, which is not in q.
func (d *Datagram) relax(q *stack.RouteQuery, fromFour bool) {
	dst := q.Destination
	if !prefers(dst) || !q.Source.IsValid() && !d.estranged(dst) && !fromFour ||
		q.NIC == d.conf.BoundNIC || q.NIC == d.claim.binding.NIC {
		return
	}
	if _, err := d.proto.stack.FindRoute(*q); err == tcpip.ErrNetUnreachable {
		q.NIC = 0
	}
}

// prefers reports whether a device is only preferred for what is sent to dst with a source.
func prefers(dst netip.Addr) bool {
	return dst.Is6() && !dst.IsMulticast() && !dst.IsLoopback() && !needsZone(dst)
}

// newPacket returns a packet with room for the headers of what is being sent, nil if memory is short.
func (d *Datagram) newPacket() *stack.Packet {
	if x := d.sendConf.Extensions; x != nil {
		return d.proto.stack.NewPacketRoom(x.Len())
	}
	return d.proto.stack.NewPacket()
}
