package tcp

import (
	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// Readiness returns those conditions of mask, and of waiter.Always, that hold now, as poll(2) shows them
// for a TCP socket. It takes no lock.
func (e *Endpoint) Readiness(mask waiter.Events) waiter.Events {
	if l := e.listener.Load(); l != nil {
		if l.ready.Load() > 0 {
			return waiter.Readable & mask
		}
		return 0
	}
	return waiter.Events(e.ready.Load()) & (mask | waiter.Always)
}

// readiness computes what Readiness shows. The lock is held.
func (e *Endpoint) readiness() (ev waiter.Events) {
	if e.err != tcpip.OK || e.hasReports() {
		ev |= waiter.Error
	}
	if !e.running || e.shut == shutBoth {
		ev |= waiter.HangUp
	}
	if e.shut&tcpip.ShutdownRead != 0 {
		ev |= waiter.Readable | waiter.ReadHangUp
	}
	t := &e.tcb
	if e.running && (t.State() == tcb.StateSynSent || t.State() == tcb.StateSynRcvd && e.fast == nil) {
		if e.deferred {
			ev |= waiter.Writable
		}
		return ev
	}
	if !e.opened {
		if low := e.opts.conf.NotSentLow; low == 0 || e.seldom == nil || 2*e.seldom.notSent < low || e.shut&tcpip.ShutdownWrite != 0 {
			ev |= waiter.Writable
		}
		return ev
	}
	if !e.running || e.shut&tcpip.ShutdownWrite != 0 || t.Writable() {
		ev |= waiter.Writable
	}
	least := e.lowWater()
	if t.PassesOver() {
		least++
	}
	if n := t.ReadableLen(); n > 0 && n >= least {
		ev |= waiter.Readable
	}
	if t.UrgentReady() {
		ev |= waiter.Priority
	}
	return ev
}

// lowWater returns SO_RCVLOWAT, as far as the receive buffer can hold it.
func (e *Endpoint) lowWater() int {
	return min(e.opts.sock.ReceiveLowWater, max(e.opts.sock.ReceiveBuffer, e.tcb.ReceiveLimit())/2)
}
