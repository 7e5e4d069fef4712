package transport

import (
	"net/netip"

	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// Write sends b as one datagram to o.To, or to the peer. It copies. The NIC of an address counts only where
// the address is link-local, so that Received.From can be answered as it is. An endpoint that is not bound is
// bound to an ephemeral port. o.Control overrides, for this datagram, the NIC and the source (PacketInfo),
// the hop limit and the traffic class.
//
// A datagram larger than the path MTU is fragmented or refused as IP_MTU_DISCOVER says. One that a full
// transmit queue refuses is lost and counted, and reported as ErrNoBuffers only with IP_RECVERR, as on Linux.
//
// Errors: a pending error, once; ErrWouldBlock while the send buffer is full (a Writable event follows),
// ErrMessageSize, ErrDestinationRequired, ErrNetUnreachable and others if there is no route or the source
// is not ours, ErrAccess for a broadcast without SO_BROADCAST, ErrNoDevice for a NIC that is not there,
// ErrAddressFamily, ErrInvalid for port 0 and what the protocol may not send, ErrPipe after Shutdown,
// ErrNoBuffers if memory is short, or too many completions of WriteZeroCopy are owed or wait to be read, ErrNotSupported for urgent data, ErrClosed.
//
// With WriteMore, or UDP_CORK set, b is the beginning of a datagram, which the writes that follow add to and the
// first without either ends. The first decides on everything but the bytes. With UDP_SEGMENT, or
// Control.SegmentBy, b is many datagrams of that size.
func (d *Datagram) Write(b []byte, o tcpip.WriteOptions) (int, error) {
	w := d.proto.stack.Begin()
	d.mu.Lock()
	err := d.write(w, b, &o)
	d.mu.Unlock()
	w.End()
	if err != tcpip.OK {
		return 0, err
	}
	return len(b), nil
}

func (d *Datagram) write(w *stack.Work, b []byte, o *tcpip.WriteOptions) tcpip.Error {
	switch {
	case d.closed:
		return tcpip.ErrClosed
	case o.Flags&tcpip.WriteUrgent != 0:
		return tcpip.ErrNotSupported
	case d.corked != nil && d.raw == nil:
		return d.collect(w, b, o)
	}
	to, err := d.destination(&o.To)
	if err != tcpip.OK {
		return err
	}
	if o.Control.Has&tcpip.HasPacketInfo != 0 && o.To.Addr == any4 { // this host, by the address that is asked for
		if to.Addr = o.Control.PacketInfo.Local; !to.Addr.Is4() {
			to.Addr = d.thisHost(o.Control.PacketInfo.NIC)
		}
	}
	switch {
	case len(b) > maxWrite && to.Addr.Is4() && (d.raw == nil || !d.v6):
		return tcpip.ErrMessageSize
	case o.Control.Has&tcpip.HasHopLimit != 0 && o.Control.HopLimit == 0 && to.Addr.Is4() && (d.raw == nil || !d.v6):
		return tcpip.ErrInvalid
	}
	if d.raw != nil {
		if err := d.checkRaw(b, to.Addr); err != tcpip.OK {
			return err
		}
	}
	if d.proto.shape.Check != nil {
		if err := d.proto.shape.Check(b, to.Addr.Is6()); err != tcpip.OK {
			return err
		}
	}
	if err := d.autobind(); err != tcpip.OK {
		return err
	}
	mapped := d.raw != nil && d.v6 && to.Addr.Is4()
	if mapped { // an address of IPv6 like others, until a way to it is looked for
		to.Addr = netip.AddrFrom16(to.Addr.As16())
	}
	headers, err := d.headersFor(&o.Control, to.Addr.Is6())
	if err != tcpip.OK {
		return err
	}
	lasting := d.headers.lastingNIC()
	if d.raw != nil && o.To == (tcpip.FullAddress{}) { // which counts for what is sent by name alone, as measured on Linux
		lasting = 0
	}
	q, err := d.queryBy(to, lasting)
	if err != tcpip.OK {
		return err
	}
	fromFour := false // a source of IPv4 for IPv6, which FREEBIND lets pass until there is a way
	if o.Control.Has&tcpip.HasPacketInfo != 0 {
		if err := d.override(&q, zoneOf(to), &o.Control.PacketInfo); err != tcpip.OK {
			return err
		}
		source := plain(o.Control.PacketInfo.Local)
		if fromFour = q.AnySource && q.Destination.Is6() && d.proto.shape.Kind != tcpip.KindPing && source.Is4() && !source.IsUnspecified(); fromFour {
			q.Source = netip.Addr{}
		}
	}
	if o.To.Addr == any4 { // whatever was asked for: it does not leave the host, and comes in by loopback
		if q.NIC = 0; !to.Addr.IsLoopback() {
			if r, err := d.proto.stack.FindRoute(q); err == tcpip.OK && r.Loopback {
				q.NIC = r.NIC.ID()
			} else if lo, _, ok := d.proto.stack.LocalAddress(loopback4); ok { // a source that is nobody's (IP_TRANSPARENT)
				q.NIC = lo.ID()
			}
		}
	}
	if mapped || o.To.Addr == any6 && d.proto.shape.Kind == tcpip.KindPing { // to which there is no way, as on Linux
		return tcpip.ErrNetUnreachable
	}
	headers.guide(&q)
	q.DontRoute = q.DontRoute || o.Flags&tcpip.WriteDontRoute != 0 && q.Destination.Is4()
	if q.NIC != 0 {
		d.relax(&q, fromFour)
	}
	if d.proto.shape.Kind == tcpip.KindPing && needsZone(to.Addr) && q.NIC == 0 {
		return tcpip.ErrInvalid
	}
	r, err := d.route(q, to)
	if err != tcpip.OK {
		return err
	}
	if (d.estranged(to.Addr) || fromFour) && !q.Source.IsValid() {
		return tcpip.ErrAddressFamily
	}
	if r.Broadcast && !d.conf.Broadcast {
		return tcpip.ErrAccess
	}
	if d.pathless && d.looksForPath(r, o) {
		d.pathless = false
	}
	if o.Flags&tcpip.WriteProbe != 0 && (d.proto.shape.Kind != tcpip.KindPing || to.Addr.Is4()) { // of which ping over IPv6 knows nothing
		return tcpip.OK
	}
	if d.raw != nil && d.raw.header.Load() {
		return d.included(w, r, to, b, &o.Control)
	}
	if d.corked != nil { // the writes of a raw endpoint look for their way each, and over IPv4 the last one's is taken
		d.redirect(q, r, to)
		return d.collect(w, b, o)
	}
	segment := d.segmentBy(&o.Control)
	fits := d.plan(r, to, headers, &o.Control)
	if err := d.fit(w, &fits, to, d.wire(len(b)), segment); err != tcpip.OK {
		return err
	}
	if d.raw == nil { // whose writes leave a pending error to others, as measured on Linux
		if err := d.takeError(); err != tcpip.OK {
			return err
		}
	}
	if d.shut&tcpip.ShutdownWrite != 0 && d.raw == nil {
		return tcpip.ErrPipe
	}
	if d.sent.Load() >= int64(d.conf.SendBuffer) {
		return tcpip.ErrWouldBlock
	}
	d.mark(r, &o.Control)
	headers.put(&d.sendConf, to.Addr)
	d.label(&d.sendConf, &o.Control, to)
	d.sendConf.MTU = fits.packets(d.wire(len(b)))
	if d.corks(o) {
		d.corked = &cork{
			to: to, query: q, route: r, flow: d.flow(r, to), hash: d.cache.hash, conf: d.sendConf, fits: fits, segment: segment,
			hops: o.Control.Has&tcpip.HasHopLimit != 0, tag: d.tagFor(&o.Control, to.Addr.Is6()),
		}
		return d.collect(w, b, o)
	}
	d.sendConf.DF = fits.dontFragment(d.wire(len(b)))
	if segment > 0 {
		if err := d.segments(&fits, len(b), segment); err != tcpip.OK {
			return err
		}
	}
	if d.wish, err = d.wishFor(o); err != tcpip.OK {
		return err
	}
	d.tag = d.tagFor(&o.Control, to.Addr.Is6())
	return d.send(w, r, to, b, segment)
}

// wire returns the length of the transport header and the payload for n bytes written.
func (d *Datagram) wire(n int) int {
	if d.proto.shape.UserHeader {
		return n
	}
	return n + d.proto.shape.HeaderSize
}

// destination returns where a write to `to` goes.
func (d *Datagram) destination(to *tcpip.FullAddress) (tcpip.FullAddress, tcpip.Error) {
	if *to == (tcpip.FullAddress{}) {
		if d.peer == (tcpip.FullAddress{}) {
			return d.peer, tcpip.ErrDestinationRequired
		}
		return d.peer, tcpip.OK
	}
	if to.Port == 0 && d.proto.shape.RemotePort {
		return *to, tcpip.ErrInvalid
	}
	return d.target(*to)
}

// target brings an address given as destination into the form of the stack: unmapped, and with the
// unspecified address taken for this host, as on Linux.
func (d *Datagram) target(to tcpip.FullAddress) (tcpip.FullAddress, tcpip.Error) {
	to.Addr = plain(to.Addr)
	if !to.Addr.IsValid() {
		to.Addr = any4
		if d.v6 {
			to.Addr = any6
		}
	}
	if err := d.speaks(to.Addr); err != tcpip.OK {
		return to, err
	}
	if to.Addr.IsUnspecified() {
		local := loopback4
		if to.Addr.Is6() && !d.claim.source.Is4() && !d.anyOf4() {
			local = loopback6
		}
		if s := d.claim.source; s.Is4() && to.Addr.Is4() {
			local = s
		} else if to.Addr.Is4() {
			local = d.thisHost(d.conf.BoundNIC)
		}
		to.Addr = local
	}
	if d.anyOf4() && to.Addr.Is6() {
		return to, tcpip.ErrAddressFamily
	}
	return to, tcpip.OK
}

// anyOf4 reports whether an endpoint of IPv6 is bound to 0.0.0.0.
func (d *Datagram) anyOf4() bool {
	return d.claim.bound && d.v6 && !d.claim.fixed && !d.claim.base.V6
}

// thisHost returns what 0.0.0.0 means as a destination: the address of a device if one is chosen, else loopback.
func (d *Datagram) thisHost(nic tcpip.NICID) netip.Addr {
	if n := d.proto.stack.NIC(nic); n != nil {
		if a := n.PrimaryAddress(false, false); a.IsValid() {
			return a
		}
	}
	return loopback4
}

// estranged reports whether an IPv6 destination, to which there is a route, would be sent to from an IPv4 address.
func (d *Datagram) estranged(to netip.Addr) bool { return to.Is6() && d.claim.source.Is4() }

// query asks for the way to a destination, with what binding and options say of source and NIC.
func (d *Datagram) query(to tcpip.FullAddress) (stack.RouteQuery, tcpip.Error) {
	return d.queryBy(to, d.headers.lastingNIC())
}

// queryBy is query with another NIC in the place of SetSendNIC's.
func (d *Datagram) queryBy(to tcpip.FullAddress, lasting tcpip.NICID) (stack.RouteQuery, tcpip.Error) {
	v6 := to.Addr.Is6()
	q := stack.RouteQuery{
		Destination: to.Addr,
		NIC:         d.conf.BoundNIC,
		AnySource:   d.conf.Transparent || v6 && d.conf.FreeBind || !v6 && d.raw != nil && d.raw.header.Load(),
	}
	if s := d.claim.source; s.IsValid() {
		switch {
		case s.Is6() == v6:
			q.Source = s
		case v6: // see estranged
		case d.claim.fixed && d.raw != nil: // as Linux has it for what is bound to an address of IPv6
			q.Source = boundToSix
		case !d.claim.fixed: // chosen by an earlier Connect, for the other family
		default:
			return q, tcpip.ErrNetUnreachable
		}
	}
	if q.NIC == 0 {
		q.NIC = d.claim.binding.NIC
	}
	if zone := zoneOf(to); zone != 0 {
		if q.NIC != 0 && q.NIC != zone {
			return q, tcpip.ErrInvalid
		}
		q.NIC = zone
	}
	if q.NIC == 0 && v6 && lasting != 0 {
		switch {
		case d.proto.stack.NIC(lasting) != nil:
			q.NIC = lasting
		case !q.Source.IsValid() || !prefers(to.Addr): // with which a device is only preferred
			return q, tcpip.ErrNetUnreachable
		}
	}
	if to.Addr.IsMulticast() {
		if nic := d.conf.MulticastNIC4; q.NIC == 0 && !v6 {
			q.NIC = nic
		} else if q.NIC == 0 {
			q.NIC = d.conf.MulticastNIC6
		}
		if !v6 && !q.Source.IsValid() {
			q.Source = d.groupSource
		}
	} else if q.NIC == 0 {
		q.NIC = d.conf.UnicastNIC4
		if v6 {
			q.NIC = d.conf.UnicastNIC6
		}
	}
	q.Taste, q.DontRoute = d.conf.SourceTaste, d.conf.DontRoute && !v6
	return q, tcpip.OK
}

// override puts what the user said of one datagram into its query.
// The NIC is none other than an IPv6 destination's zone, and for pings none other than an option's: without one they
// go to no zone (as measured on Linux).
func (d *Datagram) override(q *stack.RouteQuery, zone tcpip.NICID, info *tcpip.PacketInfo) tcpip.Error {
	v6 := q.Destination.Is6()
	if v6 && d.proto.shape.Kind == tcpip.KindPing {
		if zone = q.NIC; zone == 0 && needsZone(q.Destination) {
			return tcpip.ErrInvalid
		}
	}
	source := plain(info.Local)
	if source.IsValid() && source.Is4() && !v6 {
		_, _, ours := d.proto.stack.LocalAddress(source)
		switch {
		case source.IsMulticast() || source == broadcast:
			return tcpip.ErrInvalid
		case !ours && !q.AnySource && !source.IsUnspecified():
			return tcpip.ErrNetUnreachable
		}
	}
	if info.NIC != 0 {
		if v6 && zone != 0 && zone != info.NIC {
			return tcpip.ErrInvalid
		}
		if v6 && d.conf.BoundNIC != 0 && d.conf.BoundNIC != info.NIC ||
			v6 && d.headers != nil && d.headers.nic != 0 && d.headers.nic != info.NIC {
			return tcpip.ErrInvalid
		}
		if d.proto.stack.NIC(info.NIC) == nil {
			return tcpip.ErrNoDevice
		}
		q.NIC = info.NIC
	}
	switch {
	case (!source.IsValid() || source.IsUnspecified()) && !v6: // not even the one that was bound to, as measured on Linux
		q.Source = netip.Addr{}
		return tcpip.OK
	case !source.IsValid() || source.IsUnspecified():
		return tcpip.OK
	case source.Is4() && v6 && q.AnySource: // see write
		return tcpip.OK
	case source.Is6() != v6 || source.IsMulticast() || source == broadcast:
		return tcpip.ErrInvalid
	}
	if v6 && !q.AnySource {
		nic, _, ours := d.proto.stack.LocalAddress(source)
		if !ours || source.IsLoopback() && q.NIC != 0 && nic != nil && q.NIC != nic.ID() { // which is of one device only
			return tcpip.ErrInvalid
		}
	}
	if v6 && d.proto.shape.Kind == tcpip.KindPing { // whose source a message does not choose, as measured on Linux
		return tcpip.OK
	}
	q.Source = source
	return tcpip.OK
}

// cache is the last route that was used. A connected endpoint has no other, and others mostly talk to
// one peer for a while.
type cache struct {
	query stack.RouteQuery
	port  uint16 // remote
	route *stack.Route
	hash  uint32 // of the flow
}

// route returns the way that q asks for.
func (d *Datagram) route(q stack.RouteQuery, to tcpip.FullAddress) (*stack.Route, tcpip.Error) {
	c := &d.cache
	if c.route != nil && c.port == to.Port && c.query == q && c.route.Valid() {
		return c.route, tcpip.OK
	}
	r, err := d.proto.stack.FindRoute(q)
	if err != tcpip.OK {
		c.route = nil
		if err == tcpip.ErrNoDevice && q.Destination.Is6() {
			err = tcpip.ErrNetUnreachable
		}
		if err == tcpip.ErrNetUnreachable {
			d.proto.unrouted(q.Destination.Is6())
		}
		if q.Source.IsValid() && err == tcpip.ErrAddrNotAvailable {
			err = tcpip.ErrNetUnreachable // a source that is not ours, as measured on Linux (BEHAVIOUR C4)
		}
		return nil, err
	}
	*c = cache{query: q, port: to.Port, route: r, hash: d.proto.stack.FlowHash(d.flow(r, to))}
	return r, tcpip.OK
}

// flow names the flow of a datagram along r.
func (d *Datagram) flow(r *stack.Route, to tcpip.FullAddress) stack.FlowID {
	id := stack.FlowID{
		Proto:  d.number(to.Addr.Is6()),
		Local:  netip.AddrPortFrom(r.Local, d.claim.binding.Port),
		Remote: netip.AddrPortFrom(to.Addr, to.Port),
	}
	if !d.proto.shape.RemotePort {
		id.Remote = netip.AddrPortFrom(to.Addr, 0)
	}
	return id
}

// mark decides on the fields of the network header that the user has a say in.
func (d *Datagram) mark(r *stack.Route, c *tcpip.Control) {
	o, conf := &d.sendConf, &d.conf
	v6 := r.Remote.Is6()
	class := conf.TOS
	if v6 {
		class = conf.TrafficClass
	}
	o.TTL, o.TOS = d.hops(r), uint8(class)
	if c.Has&tcpip.HasHopLimit != 0 {
		o.TTL = c.HopLimit
	}
	if c.Has&tcpip.HasClass != 0 {
		o.TOS = c.Class
	}
	o.HostOnly = r.Multicast && !v6 && o.TTL == 0
	o.NoHops = v6 && o.TTL == 0
	o.Proto = d.number(v6)
	loop := conf.MulticastLoop4
	if d.v6 { // for IPv4 packets too, as on Linux
		loop = conf.MulticastLoop6
	}
	o.NoLoop = r.Multicast && !loop
}

// hops returns the TTL or hop limit that the options choose.
func (d *Datagram) hops(r *stack.Route) uint8 {
	v6 := r.Remote.Is6()
	hops := d.conf.TTL
	switch {
	case r.Multicast && v6:
		hops = d.conf.MulticastHops
	case r.Multicast:
		hops = d.conf.MulticastTTL
	case v6:
		hops = d.conf.Hops
	}
	if hops < 0 {
		return r.DefaultTTL()
	}
	return uint8(hops)
}

// send builds the packet and hands it to the network protocol.
func (d *Datagram) send(w *stack.Work, r *stack.Route, to tcpip.FullAddress, b []byte, segment int) tcpip.Error {
	s, shape := d.proto.stack, d.proto.shape
	v6 := to.Addr.Is6()
	p := d.newPacket()
	if p == nil {
		d.proto.counters(v6).SndbufErrors.Inc()
		d.wish.tellZero(w, d)
		return tcpip.ErrNoBuffers
	}
	h := p.Prepend(shape.HeaderSize)
	p.SetTransport()
	if shape.UserHeader {
		b = b[copy(h, b):]
	}
	charge, ok := fill(&s.Slabs, p.AppendData, b)
	if !ok {
		p.Release()
		d.proto.counters(v6).SndbufErrors.Inc()
		d.wish.tellZero(w, d)
		return tcpip.ErrNoBuffers
	}
	p.Hash = d.cache.hash
	return d.launch(w, r, d.flow(r, to), p, charge, segment)
}

// launch completes the packet, whose transport header is the front, and hands it to the network protocol.
// charge is what its payload costs.
func (d *Datagram) launch(w *stack.Work, r *stack.Route, flow stack.FlowID, p *stack.Packet, charge, segment int) tcpip.Error {
	v6 := flow.Remote.Addr().Is6()
	if segment > 0 && p.DataLen() > segment {
		p.SegSize = uint16(segment)
	}
	if d.raw != nil {
		if err := d.encodeRaw(p, flow); err != tcpip.OK {
			p.Release()
			d.wish.tellZero(w, d)
			return err
		}
	} else {
		d.proto.shape.Encode(p, flow, d.noChecksum(v6))
	}

	charge += packetCost
	d.sent.Add(int64(charge))
	p.Mark, p.Priority = d.tag.mark, d.tag.priority
	var e *errand
	if d.wish != nil {
		e = &errand{wish: d.wish, datagram: d}
		p.SetOwner(e, charge)
		if d.wish.flags&stampsOfPackets != 0 {
			d.sendConf.Built = e.built
		}
	} else {
		p.SetOwner(d, charge)
	}
	bytes, packets := uint64(p.DataLen()), uint64(1)
	if seg := uint64(p.SegSize); seg != 0 {
		packets = (bytes + seg - 1) / seg
	}
	err := r.Net.Send(w, r, p, &d.sendConf)
	d.sendConf.Built, d.sendConf.Summed = nil, false
	if e != nil {
		e.refused = err != tcpip.OK // of which it hears at the end of the frame
	}
	switch {
	case err == tcpip.OK:
		d.proto.counters(v6).OutDatagrams.Inc()
		d.passed.Bytes += bytes
		d.passed.Packets += packets
	case err == tcpip.ErrNoBuffers:
		d.proto.counters(v6).SndbufErrors.Inc()
		if !d.reportsErrors(flow.Remote.Addr()) {
			return tcpip.OK
		}
	}
	return err
}

// fill copies b into slabs that it fills well, hands them to add and returns what they cost. ok is false
// if memory is short; what was added by then belongs to add's owner.
func fill(pool *slab.Pool, add func(slab.Piece), b []byte) (cost int, ok bool) {
	for len(b) > 0 {
		n := len(b)
		if n <= mediumUpTo {
			n = min(n, slab.Medium)
		}
		piece, ok := pool.Copy(b[:n])
		if !ok {
			return cost, false
		}
		add(piece)
		cost += piece.Cost()
		b = b[n:]
	}
	return cost, true
}

// Completed gives the room of packets back that have left. It is called by the frame that sent them.
func (d *Datagram) Completed(w *stack.Work, charge int) {
	left := d.sent.Add(-int64(charge))
	limit := d.sendLimit.Load()
	if 2*left < limit && 2*(left+int64(charge)) >= limit {
		w.Wake(d.proto.stack, &d.waiters, waiter.Writable)
	}
	if left == 0 && d.closing.Load() {
		d.finish()
	}
}
