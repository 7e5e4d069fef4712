package tcp

import (
	"net/netip"

	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// phase is how far a socket has come, as connect(2) sees it.
type phase uint8

const (
	phaseUnconnected phase = iota
	phaseListening
	phaseConnecting // Connect was called; its outcome was not told yet
	phaseConnected
	phaseDisconnecting // an attempt that had failed was shut down before anybody asked for its outcome
)

// shutBoth is the end of both directions.
const shutBoth = tcpip.ShutdownRead | tcpip.ShutdownWrite

// Shutdown ends one direction or both, as shutdown(2): ShutdownWrite sends FIN behind the queued data; of
// ShutdownRead the peer does not notice, unless it sends after both were ended. A listener that is shut down
// for reading listens no more, and an attempt to connect is called off. Without a connection the directions
// end all the same, which reads, writes and Readiness then show, as measured on Linux.
//
// Errors: ErrNotConnected.
func (e *Endpoint) Shutdown(d tcpip.Shutdown) error {
	w := e.begin()
	queue, err := e.shutdown(w, d)
	w.Wake(e.proto.stack, &e.waiters, waiter.All) // of the end for reading the machine knows nothing
	e.unlock(w)
	abandonAll(w, queue)
	w.End()
	return err.Err()
}

func (e *Endpoint) shutdown(w *stack.Work, d tcpip.Shutdown) (queue []*Endpoint, err tcpip.Error) {
	if e.closed {
		return nil, tcpip.ErrNotConnected
	}
	state := e.state()
	if e.phase == phaseConnecting { // as after the connect that would have told the outcome
		switch state {
		case tcb.StateSynSent, tcb.StateSynRcvd, tcb.StateClosed:
			e.phase = phaseDisconnecting
		default:
			e.phase = phaseConnected
		}
	}
	switch state {
	case tcb.StateListen:
		if d&tcpip.ShutdownRead != 0 {
			queue = e.disconnect(w)
		}
		return queue, tcpip.OK
	case tcb.StateSynSent:
		return e.disconnect(w), tcpip.OK
	case tcb.StateClosed:
		e.shut |= d
		return nil, tcpip.ErrNotConnected
	}
	e.shut |= d
	return nil, e.tcb.Shutdown(e.lock.now, d)
}

// disconnect makes e a socket without connection again, as connect(2) to AF_UNSPEC does: bound if the user has
// bound it, and with ErrConnReset pending if there was a connection, which the peer learns of by a RST. It
// returns what a listener had not accepted, which the caller abandons once it has given up the lock.
func (e *Endpoint) disconnect(w *stack.Work) (queue []*Endpoint) {
	if e.listener.Load() != nil {
		queue = e.unlisten()
	}
	e.leaveQueues()
	switch {
	case e.running:
		if err := e.tcb.Disconnect(e.lock.now); err != tcpip.OK {
			e.err = err
		}
		e.retryAt = 0
		e.transmit(w)
		ev := e.tcb.TakeEvents()
		if ev&tcb.EventTally != 0 {
			e.tally()
		}
		if ev&tcb.EventBroken != 0 {
			e.proto.counters.Tcp.EstabResets.Inc()
		}
		e.detach()
	case e.opened:
		e.tcb.Close(e.lock.now) // what nobody has read
	}
	e.opened, e.shut, e.done = false, 0, false
	e.phase = phaseUnconnected
	e.id.Remote = netip.AddrPort{}
	if !e.fixedAddr {
		e.id.Local = netip.AddrPortFrom(netip.Addr{}, e.id.Local.Port())
	}
	e.route = nil
	if e.binding == nil {
		e.scope = 0
	}
	w.Wake(e.proto.stack, &e.waiters, waiter.All)
	return queue
}

// leaveQueues keeps what Linux goes on to show as queued: what was, and the largest window and two more, by which
// the next connection's numbers are moved away from the last one's.
func (e *Endpoint) leaveQueues() {
	s := e.rarely()
	window := 0
	if e.opened {
		s.unacked, s.notSent, window = e.tcb.Unacked(), e.tcb.NotSent(), e.tcb.MaxWindow()
	}
	s.unacked += window + 2
	s.notSent += window + 2
}

// releasePort gives up a port that the user has not chosen, as Linux does when a connection or a listener is
// over. Its number is still shown.
func (e *Endpoint) releasePort() {
	if e.binding != nil && !e.fixedPort {
		e.proto.stack.Demux.Unbind(e.binding)
		e.binding = nil
	}
}
