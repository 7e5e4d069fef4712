package tcp

import (
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Connect starts the handshake with remote and returns ErrInProgress; Writable follows, and then
// LastError has the outcome. It behaves as connect(2) on a non-blocking socket: calling it again gives
// ErrAlreadyInProgress, nil once after it has succeeded, and then ErrAlreadyConnected; after a failure
// that error, once, and then a fresh attempt. The zero remote is AF_UNSPEC: it ends whatever there is, a
// connection with a RST, and leaves a socket that can be used again.
//
// Errors: ErrAddressFamily, ErrNetUnreachable, ErrHostUnreachable, ErrAddrNotAvailable if no local
// port is free, ErrAddrInUse if exactly this connection exists.
func (e *Endpoint) Connect(remote tcpip.FullAddress) error {
	w := e.begin()
	var queue []*Endpoint
	var err tcpip.Error
	switch {
	case e.closed:
		err = tcpip.ErrClosed
	case remote == tcpip.FullAddress{}:
		queue = e.disconnect(w)
	case e.phase == phaseUnconnected && e.proto.drain.active.Load():
		err = tcpip.ErrClosed
	default:
		err = e.connect(w, remote)
	}
	e.unlock(w)
	abandonAll(w, queue)
	w.End()
	return err.Err()
}

// Opens reports whether Connect would begin a connection, and so look at the address, rather than tell of one
// that was begun before.
func (e *Endpoint) Opens() bool {
	w := e.begin()
	opens := e.phase == phaseUnconnected && !e.running
	e.end(w)
	return opens
}

func (e *Endpoint) connect(w *stack.Work, remote tcpip.FullAddress) tcpip.Error {
	state := e.state()
	switch e.phase {
	case phaseListening, phaseConnected:
		return tcpip.ErrAlreadyConnected
	case phaseDisconnecting:
		return tcpip.ErrInvalid
	case phaseConnecting:
		if e.deferred {
			return tcpip.ErrAlreadyConnected
		}
		switch state {
		case tcb.StateSynSent, tcb.StateSynRcvd:
			return tcpip.ErrAlreadyInProgress
		case tcb.StateClosed:
			err := e.takeError()
			e.disconnect(w)
			if err == tcpip.OK {
				err = tcpip.ErrConnAborted
			}
			return err
		}
		e.phase = phaseConnected
		return tcpip.OK
	}
	if state != tcb.StateClosed {
		return tcpip.ErrAlreadyConnected
	}
	return e.open(remote, false)
}

// open begins a connection, from the address that the route has if none is bound (RFC 9293 §3.9.1.1, MUST-44); send says that data is at hand for fast open.
func (e *Endpoint) open(remote tcpip.FullAddress, send bool) tcpip.Error {
	to := remote.Addr.Unmap()
	switch {
	case !to.IsValid():
		to = netip.IPv4Unspecified()
		if e.v6 {
			to = netip.IPv6Unspecified()
		}
	case to.Is4() && e.v6 && e.opts.sock.V6Only:
		return tcpip.ErrNetUnreachable
	case to.Is6() && !e.v6:
		return tcpip.ErrAddressFamily
	}
	var bound netip.AddrPort
	if e.binding != nil {
		bound = netip.AddrPortFrom(e.binding.Local, e.binding.Port)
	} else if a := e.unplaced(); a.Addr.IsValid() && !a.Addr.IsUnspecified() {
		bound = netip.AddrPortFrom(a.Addr.Unmap().WithZone(""), 0)
	} else if e.fixedAddr { // what was accepted and disconnected keeps its listener's address, as on Linux
		bound = netip.AddrPortFrom(e.id.Local.Addr(), 0)
	}
	local := bound.Addr()
	anyOf4 := e.binding != nil && e.v6 && !e.binding.V6 && !local.IsValid() // ::ffff:0.0.0.0
	if anyOf4 && to.IsUnspecified() {
		to = netip.IPv4Unspecified()
	}
	if to.IsUnspecified() { // as everywhere in BSD's family: this host
		six := to.Is6() // which is always taken for loopback, over IPv4 from an address of IPv4
		if to = loopbackOf(to); local.IsValid() && local.Is4() {
			if to = local; six {
				to = loopbackOf(local)
			}
		}
	}
	if to.IsMulticast() { // RFC 9293 §3.9.1.1, MUST-46
		return tcpip.ErrNetUnreachable
	}
	if e.fixedAddr && e.id.Local.Addr().Is6() && to.Is4() { // also of what was accepted, as on Linux
		return tcpip.ErrNetUnreachable
	}
	if many := local.IsMulticast() || local == limitedBroadcast || e.proto.stack.DirectedBroadcast(local); many { // which is no source
		return tcpip.ErrAddrNotAvailable
	}
	if local.IsValid() && local.Is4() != to.Is4() || anyOf4 && to.Is6() {
		if _, err := e.proto.stack.FindRoute(stack.RouteQuery{Destination: to}); to.Is6() && err == tcpip.OK {
			return tcpip.ErrAddressFamily
		}
		return tcpip.ErrNetUnreachable
	}
	nic := e.opts.sock.BoundNIC
	if nic == 0 && to.Is6() && to.IsLinkLocalUnicast() {
		if nic = remote.NIC; nic == 0 {
			nic = e.scope
		}
		if nic == 0 {
			return tcpip.ErrInvalid
		}
		e.scope = nic
	}
	r, err := e.proto.stack.FindRoute(e.query(to, local, nic))
	if err == tcpip.ErrNoDevice && to.Is6() { // as on Linux
		err = tcpip.ErrNetUnreachable
	}
	if err != tcpip.OK {
		return err
	}
	if r.Broadcast || r.Multicast {
		return tcpip.ErrNetUnreachable
	}
	return e.start(r, bound.Port(), netip.AddrPortFrom(to, remote.Port), send)
}

// query asks for the way to a destination from an address, which may be zero, through a NIC, which may be 0.
func (e *Endpoint) query(to, from netip.Addr, nic tcpip.NICID) stack.RouteQuery {
	c := &e.opts.sock
	q := stack.RouteQuery{Destination: to, Source: from, NIC: nic, AnySource: e.anySource(), Taste: c.SourceTaste}
	if q.NIC == 0 {
		q.NIC = c.UnicastNIC4
		if to.Is6() {
			q.NIC = c.UnicastNIC6
		}
	}
	q.DontRoute = c.DontRoute && to.Is4()
	e.opts.headers.guide(&q)
	return q
}

func loopbackOf(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

// start enters the flow from a local port, to be chosen if it is 0, and sends the SYN. The route ends at the peer, or
// where a source route goes first.
func (e *Endpoint) start(r *stack.Route, from uint16, to netip.AddrPort, send bool) tcpip.Error {
	id := stack.FlowID{
		Proto:  header.ProtocolTCP,
		Local:  netip.AddrPortFrom(r.Local, from),
		Remote: to,
	}
	iss, err := e.enter(&id)
	if err != tcpip.OK {
		return err
	}
	now := e.lock.now
	e.id, e.entered = id, true
	e.hash = e.proto.stack.FlowHash(id)
	e.rekey()
	e.setRoute(r)
	e.pathless = false
	identity := e.proto.identity(id, now, e.opts.conf.Timestamps)
	identity.ISS = iss.Or(identity.ISS)
	e.err = tcpip.OK
	e.done, e.established = false, false
	e.tcb.Init(now, &e.opts.conf.Conf, e.path(), identity)
	e.opened, e.running = true, true
	e.phase = phaseConnecting
	e.proto.counters.Tcp.ActiveOpens.Inc()
	return e.launch(send)
}

// enter puts e into the demux for the flow id, choosing a port if there is none (RFC 6056 §3.3.4). A
// connection in TIME-WAIT gives its place up if that is safe; then its number comes back, above which
// the new one must begin.
func (e *Endpoint) enter(id *stack.FlowID) (iss tcpip.Opt[uint32], err tcpip.Error) {
	t := e.proto
	if id.Local.Port() != 0 {
		if err = t.stack.Demux.Insert(*id, e); err != tcpip.ErrAddrInUse {
			return iss, err
		}
		if next, ok := t.timeWaits.reuse(*id, e); ok {
			return tcpip.Set(next), tcpip.OK
		}
		return iss, tcpip.ErrAddrNotAvailable
	}
	if t.timeWaits.crowded() {
		if next, ok := t.timeWaits.reuseAny(id, e); ok {
			return tcpip.Set(next), tcpip.OK
		}
	}
	port, err := t.stack.Demux.ConnectPort(*id, e, uint32(e.opts.sock.PortRange))
	if err == tcpip.OK {
		id.Local = netip.AddrPortFrom(id.Local.Addr(), port)
		return iss, err
	}
	if next, ok := t.timeWaits.reuseAny(id, e); ok {
		return tcpip.Set(next), tcpip.OK
	}
	return iss, tcpip.ErrAddrNotAvailable
}
