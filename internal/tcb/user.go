package tcb

import (
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/tcpip"
)

// Write queues p for sending and takes it over, even where it fails. A small piece had better be
// offered to Append first.
//
// Errors: ErrWouldBlock if the send buffer is full, ErrPipe after Shutdown or Close, ErrNotConnected
// before Connect, and the connection's error once it has failed.
func (t *TCB) Write(now tcpip.Time, p slab.Piece) tcpip.Error {
	err := t.writeError()
	if err == tcpip.OK && t.Room() == 0 {
		err = tcpip.ErrWouldBlock
	}
	if err != tcpip.OK || p.Len() == 0 {
		p.Release()
		return err
	}
	t.noteLimited()
	if _, fresh := t.free(); fresh {
		t.beginGathering(now)
	}
	t.due.deferred = false
	t.sendQ.append(p)
	return tcpip.OK
}

// Append copies the front of b into the spare room behind the last byte queued, and returns how much
// it took: nothing if there is no such room. It reports no errors; Write does.
// Writes are gathered where they can
// (RFC 9293 §3.9.1.2, MAY-16, SHLD-27).
func (t *TCB) Append(now tcpip.Time, b []byte) int {
	spare := t.sendQ.spare()
	if len(b) == 0 || spare == 0 || t.writeError() != tcpip.OK {
		return 0
	}
	if spare < min(len(b), t.mss()) && t.unsent() == 0 { // a segment of its own had better be one piece
		return 0
	}
	t.noteLimited()
	t.due.deferred = false
	n, fresh := t.free()
	if fresh {
		t.beginGathering(now)
	}
	return t.sendQ.extend(b[:min(len(b), n)])
}

// beginGathering begins another super-segment.
func (t *TCB) beginGathering(now tcpip.Time) {
	t.sendQ.gather = t.sendQ.end
	t.restartAfterIdle(now)
}

// Space returns how many bytes of slabs the send buffer has room for; Give does not look whether there is any.
func (t *TCB) Space() int {
	if !mayWrite.has(t.state) || t.snd.fin {
		return 0
	}
	if n := t.tun.sendLimit - t.sendQ.used(t.snd.una); n > 0 && !t.tooMuchUnsent() {
		return n
	}
	t.tun.full = true
	return 0
}

// Give queues p, which another connection has received, for sending, and takes it over, even where it fails. What it
// shares with others is not written behind.
//
// Errors: those of Write but for ErrWouldBlock.
func (t *TCB) Give(now tcpip.Time, p slab.Piece) tcpip.Error {
	err := t.writeError()
	if err != tcpip.OK || p.Len() == 0 {
		p.Release()
		return err
	}
	t.noteLimited()
	t.beginGathering(now)
	t.due.deferred = false
	sole := p.Sole()
	t.sendQ.append(p)
	t.sendQ.chunks.last().sealed = !sole
	return tcpip.OK
}

func (t *TCB) writeError() tcpip.Error {
	switch {
	case t.err != tcpip.OK:
		return t.err
	case t.snd.fin:
		return tcpip.ErrPipe
	case t.state == StateClosed && !t.rcv.known:
		return tcpip.ErrNotConnected
	case !mayWrite.has(t.state):
		return tcpip.ErrPipe
	}
	return tcpip.OK
}

// SetMore says whether more data follows what was written (MSG_MORE): until it comes, and at most for
// 200 ms and until the peer acknowledges, a segment that is not full waits.
func (t *TCB) SetMore(now tcpip.Time, more bool) {
	t.snd.more, t.snd.unpushed = more, more
	t.notePushes(more)
}

// Uncork is told that TCP_CORK was taken off, whether or not it was on: what SetMore holds back no longer waits for it,
// nor what waits to become larger.
func (t *TCB) Uncork(tcpip.Time) { t.snd.more, t.due.deferred = false, false }

// EndRecord says that what was written last is not to share a segment with what follows (MSG_EOR). It is
// pushed, unless SetMore said before that more follows.
func (t *TCB) EndRecord(tcpip.Time) { t.sendQ.endRecord(t.snd.unpushed) }

// PushHeld sends what waits for more or for acknowledgements, once, as on Linux whenever TCP_NODELAY is set.
func (t *TCB) PushHeld(tcpip.Time) {
	t.due.deferred = false
	if t.unsent() > 0 {
		t.due.uncork = true
	}
}

// Readable returns what has been received in order and can be read next. It ends at the urgent mark, and passes
// over the urgent byte where it begins there. The pieces remain the machine's and are valid until the next call
// of any other method.
func (t *TCB) Readable() []slab.Piece {
	q := t.recvQ.pieces[t.recvQ.head:]
	u := &t.rcv.urgent
	if u.state == urgentNone {
		return q
	}
	if t.atHole() {
		return q[1:]
	}
	left := u.seq.Sub(t.copied())
	if left <= 0 {
		return q
	}
	for i := range q {
		if left <= 0 {
			return q[:i]
		}
		left -= q[i].Len()
	}
	return q
}

// ReadableLen returns the bytes received and not consumed, those behind the urgent mark included.
func (t *TCB) ReadableLen() int { return t.recvQ.n }

// AtEnd reports whether there is nothing to read and never will be.
func (t *TCB) AtEnd() bool {
	return t.recvQ.n == 0 && !mayReceive.has(t.state) && t.state != StateSynSent && t.state != StateSynRcvd
}

// Consume releases the first n bytes of Readable, and the urgent byte where that was passed over, and opens
// the window. To have read nothing because there is nothing but the urgent byte consumes that, too.
func (t *TCB) Consume(now tcpip.Time, n int) {
	if t.atHole() {
		n++
	}
	if n == 0 {
		return
	}
	first := min(n, t.recvQ.pieces[t.recvQ.head].Len())
	t.recvQ.consume(n)
	if t.recvQ.n == 0 {
		t.armTrim(now)
	}
	if u := &t.rcv.urgent; u.state != urgentNone && u.seq.Less(t.copied()) {
		u.state = urgentNone
	}
	if !mayReceive.has(t.state) {
		return
	}
	t.resizeReceive(now, first) // Linux looks at it with each buffer
	t.tun.taken += n - first
	t.windowOpened()
}

// Shutdown ends directions of the stream (RFC 9293 §3.6.1). The end for writing is a FIN behind what
// is queued. Reading is the shell's to refuse: as on Linux, the peer does not notice, unless it sends after
// both directions were ended.
//
// Errors: ErrNotConnected.
func (t *TCB) Shutdown(now tcpip.Time, d tcpip.Shutdown) tcpip.Error {
	if t.state == StateClosed {
		return tcpip.ErrNotConnected
	}
	t.deaf = t.deaf || d&tcpip.ShutdownRead != 0
	if d&tcpip.ShutdownWrite == 0 || t.snd.fin {
		return tcpip.OK
	}
	if t.state == StateSynSent {
		t.step(now, &onTerminate)
		return tcpip.OK
	}
	if t.FastChild() && !t.closed { // as measured
		t.fast.ending = true
		return tcpip.OK
	}
	t.finishWriting(now)
	return tcpip.OK
}

func (t *TCB) finishWriting(now tcpip.Time) {
	if !mayWrite.has(t.state) || t.snd.fin {
		return
	}
	t.snd.fin = true
	t.snd.more = false
	t.events |= EventWritable // a write fails at once
	t.step(now, &onClose)
}

// Close ends the user's part (RFC 9293 §3.10.4). Unread data or a linger time of zero make it a
// reset, as on Linux; otherwise what is queued is sent, and the orphan is given up after a while. Nothing is read after
// it (RFC 9293 §3.6.1, MAY-1, SHLD-3).
func (t *TCB) Close(now tcpip.Time) {
	if t.closed {
		return
	}
	unread := t.recvQ.n > 0
	t.closed = true
	t.recvQ.clear()
	switch linger, set := t.conf.Linger.Get(); {
	case t.state == StateClosed || t.state == StateTimeWait:
		return
	case t.state == StateSynSent:
		t.step(now, &onTerminate)
		return
	case unread:
		t.tally(TallyAbortOnClose, 1)
		t.reset(now)
		t.step(now, &onTerminate)
		return
	case set && linger == 0:
		t.tally(TallyAbortOnData, 1)
		t.Disconnect(now)
		return
	}
	t.deadline[timerKeepAlive] = 0
	if t.snd.fin {
		t.armFinWait2(now, resetConnection)
		return
	}
	t.finishWriting(now)
}

// Disconnect gives the connection up without an error: what was received and queued is lost, and a peer that
// has not heard of the end gets a RST, as with connect(2) to AF_UNSPEC. It returns what Linux then leaves pending:
// ErrConnReset, unless both sides were through with it.
func (t *TCB) Disconnect(now tcpip.Time) (err tcpip.Error) {
	t.closed = true
	t.recvQ.clear()
	if owesReset.has(t.state) || (t.state == StateClosing || t.state == StateLastAck) && t.end() != t.snd.nxt {
		t.reset(now)
		err = tcpip.ErrConnReset
	}
	if t.state == StateSynSent {
		err = tcpip.ErrConnReset
	}
	t.step(now, &onTerminate)
	return err
}

// owesReset are the states in which the peer must be told that the connection is given up.
var owesReset = states(StateSynRcvd, StateEstablished, StateFinWait1, StateFinWait2, StateCloseWait)

// Abort ends the connection with a RST (RFC 9293 §3.10.5).
func (t *TCB) Abort(now tcpip.Time) {
	t.closed = true
	t.recvQ.clear()
	if t.state == StateClosed {
		return
	}
	if t.state != StateSynSent && t.state != StateTimeWait {
		t.reset(now)
	}
	t.fail(now, tcpip.ErrConnAborted)
}

// reset asks for the RST that ends the connection.
func (t *TCB) reset(now tcpip.Time) {
	t.due = duty{reset: resetConnection}
}

// SetQuickAck is TCP_QUICKACK on a connection. Off, acknowledgements wait for answers to carry them; on, they do not
// until the connection answers, as on Linux, and one that waits for data which the user has read is sent.
func (t *TCB) SetQuickAck(on bool) {
	t.due.pingPong, t.due.answers = !on, 0
	if on && t.due.delayed && (t.recvQ.n == 0 || t.rcv.nxt.Sub(t.rcv.acked) > t.rcv.mss) {
		t.ackNow()
	}
}

// QuickAck reports whether acknowledgements wait for no answer.
func (t *TCB) QuickAck() bool { return !t.due.pingPong }

// SetConf says that the user has changed c, which replaces the Conf borrowed so far.
func (t *TCB) SetConf(now tcpip.Time, c *Conf) {
	t.conf = c
	if t.state == StateClosed {
		if !t.rcv.known {
			t.tun.init(t)
		}
		return
	}
	if t.cc.algorithm != &algorithms[c.Congestion] {
		t.cc.choose(c.Congestion)
		t.beginDCTCP()
	}
	t.tun.follow(c)
	t.tun.receiveLimit = c.ReceiveBuffer.Or(max(t.tun.receiveLimit, 2*c.ReceiveLow))
	t.tun.sendLimit = c.SendBuffer.Or(t.tun.sendLimit)
	t.tun.earned = min(t.tun.earned, t.fullWindow())
	t.cc.setMSS(t.mss())
	if c.KeepAlive != (t.deadline[timerKeepAlive] != 0) || c.KeepAlive && t.snd.probes == 0 {
		t.armKeepAlive(now)
	}
	if !t.paced() {
		t.snd.paced, t.deadline[timerPace] = 0, 0
	}
	if !c.Cork {
		t.due.uncork = false
	}
	t.noteWritable()
	t.events |= EventWritable
}
