package tcp

import (
	"time"

	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// settle turns what the machine wants into effects. The lock is held.
func (e *Endpoint) settle(w *stack.Work) {
	if e.running {
		if d := e.tcb.Deadline(); d != 0 && d <= e.lock.now {
			before := e.tcb.Retries()
			e.tcb.Advance(e.lock.now)
			if e.tcb.FastActive() {
				e.watchFast(before)
			}
			if n := e.tcb.Retries(); n > before && n >= suspectRetries && e.route != nil {
				e.route.Suspect(w) // the neighbour may have gone (BEHAVIOUR E4; RFC 9293 §3.8.3, MUST-20)
			}
		}
		e.transmit(w)
		if e.seldom != nil && e.seldom.stamps != nil && !e.closed {
			e.tellAcked(w)
		}
		if ev := e.tcb.TakeEvents(); ev != 0 {
			e.react(w, ev)
			if !e.running && e.seldom != nil && e.seldom.stamps != nil && !e.closed {
				e.tellAcked(w) // it ended with an error, perhaps
			}
		}
	}
	if e.running {
		e.arm()
		if e.closed {
			return
		}
	} else if e.closed {
		e.leaveStack()
		return
	}
	e.publish()
}

// wakes says what the waiters are told of each event.
var wakes = [...]struct {
	event tcb.Events
	wake  waiter.Events
}{
	{tcb.EventReadable, waiter.Readable},
	{tcb.EventPeerFin, waiter.Readable | waiter.Writable | waiter.ReadHangUp}, // whoever waits looks again, as on Linux
	{tcb.EventWritable, waiter.Writable},
	{tcb.EventConnected, waiter.Writable},
	{tcb.EventUrgent, waiter.Priority},
	{tcb.EventError, waiter.Readable | waiter.Writable | waiter.Error},
	{tcb.EventTimeWait, waiter.Readable | waiter.Writable | waiter.ReadHangUp | waiter.HangUp},
	{tcb.EventClosed, waiter.Readable | waiter.Writable | waiter.ReadHangUp | waiter.HangUp},
}

// react does what the machine's events ask of the shell.
func (e *Endpoint) react(w *stack.Work, ev tcb.Events) {
	if ev&tcb.EventTally != 0 {
		e.tally()
	}
	if !e.closed {
		var wake waiter.Events
		for i := range wakes {
			if ev&wakes[i].event != 0 {
				wake |= wakes[i].wake
			}
		}
		if ev&tcb.EventError != 0 {
			e.err = e.tcb.Err()
		}
		if ev&tcb.EventPeerFin != 0 {
			e.done = true
			e.shut |= tcpip.ShutdownRead
		}
		if ev&tcb.EventSoftError != 0 && e.reportsErrors() {
			e.err = e.tcb.SoftError()
			wake |= waiter.Error
		}
		w.Wake(e.proto.stack, &e.waiters, wake)
	}
	if ev&tcb.EventFastOpen != 0 {
		e.fastAnswered()
	}
	if ev&tcb.EventConnected != 0 {
		e.established = true
		if e.fast != nil {
			e.fast.resolve(e.lock.now, false)
		}
		if e.shut&tcpip.ShutdownWrite != 0 && e.tcb.Crossed() && !e.closed { // as Linux remembers a shutdown that it has refused
			e.tcb.Shutdown(e.lock.now, e.shut)
			e.transmit(w)
		}
	}
	if ev&tcb.EventBroken != 0 {
		e.proto.counters.Tcp.EstabResets.Inc()
	}
	switch {
	case ev&tcb.EventClosed != 0:
		e.detach()
	case ev&tcb.EventTimeWait != 0:
		e.enterTimeWait()
		e.detach()
	}
}

// detach ends the connection for the shell: nothing finds e any more, and nothing happens to it.
func (e *Endpoint) detach() {
	e.running, e.deferred = false, false
	e.shut = shutBoth
	if e.fast != nil {
		e.fast.resolve(e.lock.now, e.tcb.Err() == tcpip.ErrConnReset)
	}
	if e.entered {
		e.entered = false
		e.proto.stack.Demux.Remove(e.id, e)
	}
	e.releasePort()
	if e.orphan {
		e.orphan = false
		e.proto.orphans.Add(-1)
	}
	e.retryAt = 0
	e.stopTimer()
	if e.tcb.Err() != tcpip.OK && !e.established {
		e.proto.counters.Tcp.AttemptFails.Inc()
	}
}

// stopTimer stops the timer, unless it is firing: then it will come by.
func (e *Endpoint) stopTimer() {
	if e.timer != nil && e.armed != 0 && e.timer.Stop() {
		e.armed = 0
	}
	if e.armed == 0 {
		e.timer = nil
	}
}

// leaveStack takes a closed endpoint out of the stack once nothing of it is left below or in a timer.
func (e *Endpoint) leaveStack() {
	if e.gone {
		return
	}
	if e.binding != nil {
		e.proto.stack.Demux.Unbind(e.binding)
		e.binding = nil
	}
	if e.stopTimer(); e.armed != 0 {
		return
	}
	if e.below.Load() != 0 {
		e.waitBelow.Store(true)
		if e.below.Load() != 0 {
			return
		}
	}
	e.gone = true
	e.route = nil
	e.proto.stack.Unregister(e)
	if e.seldom != nil && e.seldom.done != nil {
		close(e.seldom.done)
	}
}

// arm sees to it that the timer fires no later than the machine's deadline. If it is set to fire
// earlier it is left alone: firing in vain is cheaper than being set anew for every segment.
func (e *Endpoint) arm() {
	d := tcpip.Earliest(e.tcb.Deadline(), e.retryAt)
	if d == 0 {
		if e.armed == 0 {
			e.timer = nil // an idle connection has none
		}
		return
	}
	if e.armed != 0 && e.armed <= d {
		return
	}
	e.armed = d
	if e.timer == nil {
		e.timer = e.proto.clock.AfterFunc(d.Sub(e.lock.now), e.fire)
		return
	}
	e.timer.Reset(d.Sub(e.lock.now))
}

// transmit polls the machine until it is dry or enough is below.
func (e *Endpoint) transmit(w *stack.Work) {
	if e.lock.now < e.retryAt || e.deferred {
		return
	}
	e.retryAt = 0
	if e.waitBelow.Load() {
		e.waitBelow.Store(false)
	}
	// Before the first segment is built: what a new path changes must not come between it and Refused.
	routed := e.route.Valid() && e.lock.now.Sub(e.pathAt) <= pathRefresh || e.reroute()
	sc := e.proto.getScratch()
	for e.poll(sc) {
		if !e.send(w, sc, routed) {
			e.tcb.Refused(e.lock.now, &sc.out)
			e.retryAt = e.lock.now.Add(refusedRetry)
			e.waitBelow.Store(true)
			break
		}
	}
	e.proto.putScratch(sc)
}

// refusedRetry is how long a connection waits after a refusal, if no completion comes before.
const refusedRetry = 10 * time.Millisecond

// poll asks the machine for the next segment. Data must fit the transmit budget, as with Linux's TCP
// small queues: at most a millisecond's worth at the connection's rate lies below, but two
// super-segments may. Acknowledgements are exempt.
func (e *Endpoint) poll(sc *scratch) bool {
	if below := e.below.Load(); below >= minTransmit && below >= e.budget() {
		e.waitBelow.Store(true)
		if e.below.Load() == below {
			return e.tcb.PollAck(e.lock.now, &sc.out)
		}
	}
	return e.tcb.Poll(e.lock.now, &sc.out)
}

// budget returns how many bytes may lie below.
func (e *Endpoint) budget() int64 {
	return min(max(e.tcb.Rate()/1000, minTransmit), maxTransmit)
}

// publish makes Readiness see the state. The lock is held.
func (e *Endpoint) publish() {
	if ev := uint32(e.readiness()); ev != e.ready.Load() {
		e.ready.Store(ev)
	}
	e.setBacklogLimit()
}
