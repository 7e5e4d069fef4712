package tcp

import (
	"sync"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// lock is the one lock of an endpoint, and what gathers in front of it while it is held. Nothing
// outside this file touches its fields but now.
//
// A user's call waits for it (enter); a packet, a timer and a completion do not: they try (attempt),
// and failing that leave what they brought in the backlog or a mark, and try again. The holder lets
// go while it holds qmu and sees both empty. So of two things one is true when the second try fails:
// it ran before the holder took qmu to let go, and then the holder will find what was left; or it
// lost against somebody who is taking the lock, and who will find it. A failed TryLock orders nothing
// in Go's memory model; qmu does.
type lock struct {
	mu  sync.Mutex
	now tcpip.Time // of the frame that holds the lock; never goes back

	qmu     sync.Mutex // a leaf; guards what follows
	backlog stack.PacketList
	errors  []*stack.ICMPError // that came meanwhile; up to errorBacklog
	bytes   int                // slab bytes that came into the backlog since the lock was taken
	marks   marks
}

// marks is what a frame that did not get the lock asks of the holder.
type marks uint8

const (
	markTimer marks = 1 << iota // the timer has fired
	markPoll                    // there is room below, or nothing left there
	markError                   // there are ICMP errors
)

// enter takes the lock for a user's call and reads the clock.
func (l *lock) enter(clock tcpip.Clock) {
	l.mu.Lock()
	l.now = max(l.now, clock.Now())
}

// tryEnter takes the lock if nobody has it. at is the time of the frame.
func (l *lock) tryEnter(at tcpip.Time) bool {
	if !l.mu.TryLock() {
		return false
	}
	l.now = max(l.now, at)
	return true
}

// putOff leaves p in the backlog and tries again. It reports whether the caller now has the lock;
// if p did not fit, it remains the caller's and queued is false.
func (l *lock) putOff(p *stack.Packet, at tcpip.Time, limit int) (entered, queued bool) {
	l.qmu.Lock()
	cost := packetCost(p)
	if l.bytes+cost <= limit || l.bytes == 0 {
		l.bytes += cost
		l.backlog.Push(p)
		queued = true
	}
	l.qmu.Unlock()
	return l.tryEnter(at), queued
}

// putOffError is putOff for an ICMP error, which is copied. Of too many some are lost: they are not reliable anyway.
func (l *lock) putOffError(i *stack.ICMPError, at tcpip.Time) (entered, queued bool) {
	own := *i
	own.Quoted = append([]byte(nil), i.Quoted[:min(len(i.Quoted), maxQuoted)]...)
	own.QuotedPacket, own.Packet = nil, nil
	l.qmu.Lock()
	if queued = len(l.errors) < errorBacklog; queued {
		l.errors = append(l.errors, &own)
		l.marks |= markError
	}
	l.qmu.Unlock()
	return l.tryEnter(at), queued
}

// takeErrors returns the ICMP errors that came while the lock was held, which the caller has.
func (l *lock) takeErrors() []*stack.ICMPError {
	l.qmu.Lock()
	defer l.qmu.Unlock()
	all := l.errors
	l.errors = nil
	return all
}

// mark leaves a mark and tries again. It reports whether the caller now has the lock.
func (l *lock) mark(m marks, at tcpip.Time) (entered bool) {
	l.qmu.Lock()
	l.marks |= m
	l.qmu.Unlock()
	return l.tryEnter(at)
}

// leave gives the lock up, unless something has gathered: that is returned, the lock is still the
// caller's, and leave is to be called again. The count of bytes is reset only when the lock is given
// up: under a flood the holder gets away, and the rest is dropped.
func (l *lock) leave() (backlog stack.PacketList, m marks, left bool) {
	l.qmu.Lock()
	if l.backlog.Len() == 0 && l.marks == 0 {
		l.bytes = 0
		l.mu.Unlock()
		l.qmu.Unlock()
		return stack.PacketList{}, 0, true
	}
	backlog, m = l.backlog, l.marks
	l.backlog, l.marks = stack.PacketList{}, 0
	l.qmu.Unlock()
	return backlog, m, false
}

// Deliver takes a segment for e. No lock is held.
func (e *Endpoint) Deliver(w *stack.Work, p *stack.Packet) {
	if !e.passes(p) {
		return
	}
	if e.lock.tryEnter(p.At) {
		e.receive(w, p)
		e.unlock(w)
		return
	}
	entered, queued := e.lock.putOff(p, p.At, int(e.backlogLimit.Load()))
	if !queued {
		e.proto.counters.TcpExt.TCPBacklogDrop.Inc()
		p.Drop(tcpip.DropBacklog)
	}
	if entered {
		e.unlock(w)
	}
}

// Completed takes note that packets of e have left their transmit queue. No lock is held.
func (e *Endpoint) Completed(w *stack.Work, charge int) {
	left := int64(charge)
	for refused := e.refused.Load(); refused != 0; refused = e.refused.Load() {
		if n := min(refused, left); e.refused.CompareAndSwap(refused, refused-n) {
			left -= n
			break
		}
	}
	if left == 0 {
		return
	}
	e.below.Add(-left)
	if e.waitBelow.Load() {
		e.wakeUp(w, markPoll)
	}
}

// fire is what e's timer runs.
func (e *Endpoint) fire() {
	w := e.proto.stack.Begin()
	e.wakeUp(w, markTimer)
	w.End()
}

// wakeUp makes somebody look at e: this frame, or the one that holds the lock.
func (e *Endpoint) wakeUp(w *stack.Work, m marks) {
	if e.lock.mark(m, e.proto.stack.Now()) {
		e.unlock(w)
	}
}

// begin starts a frame with the lock taken, for a user's call; end finishes it.
func (e *Endpoint) begin() *stack.Work {
	w := e.proto.stack.Begin()
	e.lock.enter(e.proto.clock)
	return w
}

func (e *Endpoint) end(w *stack.Work) {
	e.unlock(w)
	w.End()
}

// unlock turns what was decided under the lock into effects, feeds what has gathered meanwhile, and
// gives the lock up. It is the only place where an endpoint acts on the world.
// All that waits is fed before anything is
// sent, and so one ACK answers it (RFC 9293 §3.10.7.4, MUST-58, MUST-59).
func (e *Endpoint) unlock(w *stack.Work) {
	var strays stack.PacketList
	for {
		e.settle(w)
		if e.draining {
			e.checkDrained()
		}
		if e.seldom != nil {
			for p := e.seldom.strays.Pop(); p != nil; p = e.seldom.strays.Pop() {
				strays.Push(p)
			}
		}
		backlog, m, left := e.lock.leave()
		if left {
			break
		}
		e.lock.now = max(e.lock.now, e.proto.stack.Now())
		if m&markTimer != 0 {
			e.armed = 0
		}
		if m&markPoll != 0 {
			e.retryAt = 0
		}
		for p := backlog.Pop(); p != nil; p = backlog.Pop() {
			e.receive(w, p)
		}
		if m&markError != 0 {
			for _, i := range e.lock.takeErrors() {
				e.receiveError(w, i)
			}
		}
	}
	for p := strays.Pop(); p != nil; p = strays.Pop() {
		e.proto.redeliver(w, p)
	}
}
