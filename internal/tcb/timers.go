package tcb

import (
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// timer names one deadline.
type timer uint8

const (
	timerRexmit    timer = iota // RFC 6298
	timerPersist                // zero-window probes (RFC 9293 §3.8.6.1)
	timerDelAck                 // delayed acknowledgement (RFC 9293 §3.8.6.3)
	timerKeepAlive              // RFC 9293 §3.8.4
	timerCork                   // a corked segment waits no longer
	timerWait                   // the end of TIME-WAIT, or of an orphan's FIN-WAIT-2
	timerPace                   // paced data may leave
	timerSACK                   // what lies behind a gap is acknowledged
	timerTrim                   // gives back arrays that have been empty for a while

	numTimers
)

// onTimer is what each deadline does when it has passed. The deadline is cleared before.
var onTimer = [numTimers]func(*TCB, tcpip.Time){
	timerRexmit:    (*TCB).lossTimeout,
	timerPersist:   (*TCB).persistTimeout,
	timerDelAck:    (*TCB).delAckTimeout,
	timerKeepAlive: (*TCB).keepAliveTimeout,
	timerCork:      func(t *TCB, _ tcpip.Time) { t.due.probe, t.snd.unpushed = probeWindow, false },
	timerWait:      (*TCB).waitTimeout,
	timerPace:      func(*TCB, tcpip.Time) {}, // Poll looks again
	timerSACK:      func(t *TCB, _ tcpip.Time) { t.ackNow() },
	timerTrim:      (*TCB).trimTimeout,
}

const trimTime = time.Second

// Advance runs every deadline that has passed.
func (t *TCB) Advance(now tcpip.Time) {
	for i := range t.deadline {
		if d := t.deadline[i]; d != 0 && d <= now {
			t.deadline[i] = 0
			onTimer[i](t, now)
		}
	}
}

// Deadline returns when Advance is next needed; zero is never.
func (t *TCB) Deadline() tcpip.Time {
	var first tcpip.Time
	for _, d := range t.deadline {
		first = tcpip.Earliest(first, d)
	}
	return first
}

func (t *TCB) stopTimers() { t.deadline = [numTimers]tcpip.Time{timerTrim: t.deadline[timerTrim]} }

// lossTimeout is the end of the retransmission timer, whatever it was set for.
func (t *TCB) lossTimeout(now tcpip.Time) {
	what := t.pending
	switch what {
	case pendingProbe:
		t.probeTimeout(now)
	case pendingReorder:
		t.reorderTimeout(now)
	default:
		t.rexmitTimeout(now)
	}
}

// rexmitTimeout is the retransmission timeout (RFC 6298 §5.4–5.7, RFC 5681 §3.1).
func (t *TCB) rexmitTimeout(now tcpip.Time) {
	if t.flight() == 0 {
		return
	}
	if t.snd.retries == 0 {
		t.snd.since = t.board.recs.first().sent
	}
	if t.exhausted(now, t.snd.retries) {
		t.giveUp(now)
		return
	}
	child := t.FastChild()
	if !child || t.snd.retries == 1 { // of a child the first counts for little, as on Linux
		t.enterLoss(now)
	}
	if child {
		t.snd.synAckTimeouts++
		t.loseSyn() // what was sent behind it is no business of the timer's until the handshake is over
	}
	if synchronized.has(t.state) && t.snd.wnd > 0 && t.overdue(now, t.snd.retries, t.conf.BlackHoleRetries) {
		t.suspectBlackHole(now)
	}
	if t.snd.retries == 0 {
		t.count.timeoutSeries++
		if t.rec.lossSince == 0 {
			t.rec.lossSince = now
		}
	}
	t.snd.retries++
	t.count.timeouts++
	t.tally(TallyTimeouts, 1)
	t.search.probing = false // whatever becomes of it proves nothing now
	switch {
	case child: // what is behind it has a timeout of its own
	case t.state == StateSynSent && t.snd.retries <= t.conf.SynLinear: // as often again, as on Linux
	case t.conf.ThinLinear && t.snd.retries <= thinRetries && t.thin():
		t.rtt.settle(t.conf)
	default:
		t.rtt.backoff(t.conf)
	}
	t.setTimer(now, pendingRexmit, t.rexmitWait(now))
	t.due.rexmit = true
	t.due.newFirst = false
}

// thinRetries is how many timeouts in a row of a thin stream are not backed off.
const thinRetries = 6

// thin reports whether so little is in flight that losses of it show in timeouts only.
func (t *TCB) thin() bool {
	return t.state == StateEstablished && t.cc.ssthresh < infiniteSsthresh && t.board.segs <= dupThresh
}

// rexmitWait returns the time to the next timeout, which is not later than the end of TCP_USER_TIMEOUT.
func (t *TCB) rexmitWait(now tcpip.Time) time.Duration {
	rto := t.rtt.rto
	if t.FastChild() {
		rto = min(initialRTO<<t.snd.retries, t.conf.RTOMax)
	}
	if u := t.conf.UserTimeout; u > 0 && t.snd.retries > 0 {
		return min(rto, max(u-t.repairing(now), time.Millisecond))
	}
	return rto
}

// repairing returns how long ago the first retransmission was sent that is not known to have arrived.
func (t *TCB) repairing(now tcpip.Time) time.Duration {
	switch {
	case t.state == StateSynSent: // counts from the first SYN
		return now.Sub(t.snd.since)
	case t.rec.firstRexm == 0:
		return 0
	}
	return now.Sub(t.rec.firstRexm)
}

// exhausted reports whether a series of unanswered retransmissions or probes has lasted long enough
// to give the connection up, n of them having been sent: R2 of RFC 9293 §3.8.3 (MUST-20), for SYNs too (MUST-22). The
// user sets it (MUST-21).
func (t *TCB) exhausted(now tcpip.Time, n int) bool {
	if u := t.conf.UserTimeout; u > 0 {
		return n > 0 && t.repairing(now) >= u
	}
	switch {
	case t.state == StateSynSent:
		return n >= t.conf.SynRetries+t.conf.SynLinear ||
			n > 0 && now.Sub(t.snd.since) >= modelTimeout(t.conf.SynRetries, initialRTO, t.conf.RTOMax) // in which few are not even begun
	case t.FastChild():
		return n > t.conf.SynAckRetries // one more than other SYN-ACKs, as on Linux
	case !synchronized.has(t.state):
		return n >= t.conf.SynRetries
	case t.closed:
		return t.overdue(now, n, t.orphanRetries())
	case t.snd.wnd == 0: // the peer took its window back: what is sent again probes it (RFC 9293 §3.8.6, SHLD-17, MUST-35)
		patience := 2 * t.conf.RTOMax
		return now.Sub(t.rcv.last) > patience && now.Sub(t.snd.since) > patience
	}
	return t.overdue(now, n, t.conf.Retries)
}

// overdue reports whether n retransmissions have taken as long as bound of them would with the least timeout, which is
// how Linux counts them. There each timeout is longer by what its timers are coarse, 6 ms on average of a first, and
// that decides between two numbers.
func (t *TCB) overdue(now tcpip.Time, n, bound int) bool {
	late := 6 * time.Millisecond * (2<<min(n, 9) - 2)
	return n > 0 && t.repairing(now)+late >= modelTimeout(bound, t.conf.RTOMin, t.conf.RTOMax)
}

// orphanRetries is how much a connection without a user does to be rid of its last bytes; where nobody has said it less
// as soon as the timeout has grown to its limit.
func (t *TCB) orphanRetries() int {
	switch {
	case t.conf.OrphanRetries > 0:
		return t.conf.OrphanRetries
	case t.rtt.rto >= t.conf.RTOMax:
		return 0
	}
	return defaultOrphanRetries
}

// defaultOrphanRetries is what net.ipv4.tcp_orphan_retries at 0 means.
const defaultOrphanRetries = 8

// modelTimeout returns how long n retransmissions take with a timeout that starts at low, doubles
// and ends at high. Linux measures net.ipv4.tcp_retries2 in it.
func modelTimeout(n int, low, high time.Duration) time.Duration {
	var sum time.Duration
	for step := low; n >= 0; n-- {
		sum += step
		step = min(2*step, high)
	}
	return sum
}

// giveUp ends a connection whose peer no longer answers.
func (t *TCB) giveUp(now tcpip.Time) {
	err := tcpip.ErrTimedOut
	if t.soft != tcpip.OK {
		err = t.soft
	}
	t.tally(TallyAbortOnTimeout, 1)
	t.fail(now, err)
}

// persistTimeout asks for a zero-window probe, or for what part of a segment the window takes (RFC 9293 §3.8.6.1,
// MUST-36), and for the next after twice the time (SHLD-30).
func (t *TCB) persistTimeout(now tcpip.Time) {
	if t.flight() != 0 || t.end() == t.snd.nxt || !maySend.has(t.state) {
		return
	}
	if t.snd.closed == 0 {
		t.snd.closed = now
	}
	if t.probesExhausted(now) {
		t.giveUp(now)
		return
	}
	t.due.probe = probeWindow
	t.rtt.backoffs++
	t.deadline[timerPersist] = now.Add(t.persistWait(now))
}

// persistWait returns the time to the next probe, which is not later than the end of TCP_USER_TIMEOUT.
func (t *TCB) persistWait(now tcpip.Time) time.Duration {
	wait := t.rtt.persist(t.conf)
	if u := t.conf.UserTimeout; u > 0 && t.snd.closed != 0 {
		wait = min(wait, max(t.snd.closed.Add(u).Sub(now), timeoutMin))
	}
	return wait
}

// probesExhausted reports whether probes have gone unanswered for too long. Any answer starts the count anew, and so the
// peer may keep its window closed for ever (RFC 9293 §3.8.6.1, MUST-37).
func (t *TCB) probesExhausted(now tcpip.Time) bool {
	if u := t.conf.UserTimeout; u > 0 {
		return now.Sub(t.snd.closed) >= u
	}
	limit := t.conf.Retries
	if t.closed {
		limit = t.orphanRetries()
	}
	return t.snd.probes >= limit
}

// armPersist starts the persist timer for data that waits for the window: a retransmission timeout (RFC 9293 §3.8.6.1,
// SHLD-29).
func (t *TCB) armPersist(now tcpip.Time) {
	if t.deadline[timerPersist] == 0 {
		t.deadline[timerPersist] = now.Add(t.rtt.persist(t.conf))
	}
}

// armKeepAlive sets the keep-alive deadline, or clears it where it does not apply or the user does not want it (RFC 9293
// §3.8.4, MAY-5, MUST-24).
func (t *TCB) armKeepAlive(now tcpip.Time) {
	t.deadline[timerKeepAlive] = 0
	if t.conf.KeepAlive && states(StateEstablished, StateCloseWait, StateFinWait1, StateFinWait2).has(t.state) {
		t.deadline[timerKeepAlive] = now.Add(t.conf.KeepIdle)
	}
}

// keepAliveTimeout probes a silent peer (RFC 9293 §3.8.4) after TCP_KEEPIDLE without news or data in flight (MUST-26,
// MUST-27); only several probes without an answer end the connection (MUST-29). The deadline is lazy: traffic moves
// rcv.last, and only here is it looked at.
func (t *TCB) keepAliveTimeout(now tcpip.Time) {
	if !t.conf.KeepAlive || !synchronized.has(t.state) {
		return
	}
	if t.flight() != 0 || t.unsent() != 0 { // retransmission and persist watch over the peer
		t.deadline[timerKeepAlive] = now.Add(t.conf.KeepIdle)
		return
	}
	silent := now.Sub(t.rcv.last)
	if silent < t.conf.KeepIdle {
		t.deadline[timerKeepAlive] = t.rcv.last.Add(t.conf.KeepIdle)
		return
	}
	u := t.conf.UserTimeout
	if u > 0 && silent >= u && t.snd.probes > 0 || u == 0 && t.snd.probes >= t.conf.KeepCount {
		t.reset(now)
		t.giveUp(now)
		return
	}
	t.due.probe = probeKeepAlive
	t.deadline[timerKeepAlive] = now.Add(t.conf.KeepInterval)
}

// armFinWait2 bounds how long an orphan waits for the peer's FIN (TCP_LINGER2). kind is the RST that goes out where
// it waits not at all.
func (t *TCB) armFinWait2(now tcpip.Time, kind resetKind) {
	if !t.closed || t.state != StateFinWait2 {
		return
	}
	if t.conf.Linger2 < 0 {
		t.tally(TallyAbortOnLinger, 1)
		t.due = duty{reset: kind, resetSeq: t.snd.nxt}
		t.step(now, &onTerminate)
		return
	}
	t.deadline[timerWait] = now.Add(t.conf.Linger2)
	t.due.invalidAt = 0
	t.ooo.clear(false)
}

func (t *TCB) waitTimeout(now tcpip.Time) { t.step(now, &onTerminate) }

// trimTimeout gives back the arrays of empty queues. Until a connection has been quiet for a while
// they are kept, since it would only ask for them again.
func (t *TCB) trimTimeout(tcpip.Time) {
	t.sendQ.chunks.trim(0)
	t.board.recs.trim(0)
	t.ooo.parts.trim(0)
	t.recvQ.trim()
}

// armTrim is called where a queue may have become empty.
func (t *TCB) armTrim(now tcpip.Time) {
	if t.deadline[timerTrim] == 0 {
		t.deadline[timerTrim] = now.Add(trimTime)
	}
}
