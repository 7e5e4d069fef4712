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
// that error, once, and then a fresh attempt.
//
// Errors: ErrAddressFamily, ErrNetUnreachable, ErrHostUnreachable, ErrAddrNotAvailable if no local
// port is free, ErrAddrInUse if exactly this connection exists.
func (e *Endpoint) Connect(remote tcpip.FullAddress) error {
	w := e.begin()
	err := e.connect(remote)
	e.end(w)
	return err.Err()
}

func (e *Endpoint) connect(remote tcpip.FullAddress) tcpip.Error {
	switch {
	case e.closed:
		return tcpip.ErrClosed
	case e.phase == phaseListening || e.phase == phaseConnected:
		return tcpip.ErrAlreadyConnected
	case e.phase == phaseConnecting:
		switch e.tcb.State() {
		case tcb.StateSynSent, tcb.StateSynRcvd:
			return tcpip.ErrAlreadyInProgress
		case tcb.StateClosed:
			e.phase = phaseUnconnected
			if err := e.takeError(); err != tcpip.OK {
				return err
			}
			return tcpip.ErrConnAborted
		}
		e.phase = phaseConnected
		return tcpip.OK
	}
	return e.open(remote)
}

// open begins a connection.
func (e *Endpoint) open(remote tcpip.FullAddress) tcpip.Error {
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
	}
	local := bound.Addr()
	if to.IsUnspecified() { // as everywhere in BSD's family: this host
		if to = loopbackOf(to); local.IsValid() {
			to = local
		}
	}
	if local.IsValid() && local.Is4() != to.Is4() {
		return tcpip.ErrNetUnreachable
	}
	if to.IsMulticast() || remote.Port == 0 {
		return refusedDestination(to, remote.Port)
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
	r, err := e.proto.stack.FindRoute(stack.RouteQuery{Destination: to, Source: local, NIC: nic, AnySource: e.anySource()})
	if err != tcpip.OK {
		return err
	}
	if r.Broadcast || r.Multicast {
		return tcpip.ErrNetUnreachable
	}
	return e.start(r, bound.Port(), remote.Port)
}

func loopbackOf(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

// refusedDestination returns what connecting to a group or to port 0 gives.
func refusedDestination(to netip.Addr, port uint16) tcpip.Error {
	if to.IsMulticast() {
		return tcpip.ErrNetUnreachable
	}
	return tcpip.ErrConnRefused
}

// start enters the flow from a local port, to be chosen if it is 0, to a remote one and sends the SYN.
func (e *Endpoint) start(r *stack.Route, from, to uint16) tcpip.Error {
	id := stack.FlowID{
		Proto:  header.ProtocolTCP,
		Local:  netip.AddrPortFrom(r.Local, from),
		Remote: netip.AddrPortFrom(r.Remote, to),
	}
	iss, err := e.enter(&id)
	if err != tcpip.OK {
		return err
	}
	now := e.lock.now
	e.id, e.entered = id, true
	e.hash = e.proto.stack.FlowHash(id)
	e.setRoute(r)
	identity := e.proto.identity(id, now, e.opts.conf.Timestamps)
	identity.ISS = iss.Or(identity.ISS)
	e.err = tcpip.OK
	e.noRead, e.established = false, false
	if e.opened {
		e.tcb.Close(now) // what an earlier attempt has received and nobody has read
	}
	e.tcb.Init(now, &e.opts.conf.Conf, e.path(), identity)
	e.opened, e.running = true, true
	e.phase = phaseConnecting
	e.tcb.Connect(now)
	e.proto.counters.Tcp.ActiveOpens.Inc()
	return tcpip.ErrInProgress
}

// enter puts e into the demux for the flow id, choosing a port if there is none (RFC 6056 §3.3.5). A
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
	port, err := t.stack.Demux.ConnectPort(*id, e)
	if err == tcpip.OK {
		id.Local = netip.AddrPortFrom(id.Local.Addr(), port)
		return iss, err
	}
	if next, ok := t.timeWaits.reuseAny(id, e); ok {
		return tcpip.Set(next), tcpip.OK
	}
	return iss, tcpip.ErrAddrNotAvailable
}
