package tcp

import (
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/tcpip"
)

// Write queues b, or as much of it as the send buffer takes, and returns how much that was. It copies: b
// is the caller's again when Write returns. It never blocks.
//
// Errors: ErrWouldBlock if the send buffer is full, or the stack's memory short and SendBufferMin used (a Writable event
// follows), ErrPipe after ShutdownWrite and after the connection has ended, ErrClosed after Close, the connection's
// error, once, if it failed, and with WriteZeroCopy ErrNoBuffers while too many completions are owed or wait to be read.
//
// Small writes wait while a segment that was not full is unacknowledged (Nagle's algorithm with
// Minshall's change, RFC 9293 §3.7.4) unless TCP_NODELAY is set.
func (e *Endpoint) Write(b []byte, o tcpip.WriteOptions) (int, error) {
	w := e.begin()
	if o.Flags&tcpip.WriteZeroCopy != 0 && len(b) > 0 && e.opts.sock.ZeroCopy && !e.mayZeroCopy() {
		e.end(w)
		return 0, tcpip.ErrNoBuffers
	}
	n, err := e.write(b, o.Flags)
	if n > 0 && (e.opts.sock.Timestamping != 0 || e.opts.sock.ZeroCopy || o.Control.Has != 0) {
		e.wrote(&o)
	}
	e.end(w)
	return n, err.Err()
}

func (e *Endpoint) write(b []byte, flags tcpip.WriteFlags) (n int, err tcpip.Error) {
	if e.deferred && !e.closed && e.err == tcpip.OK {
		return e.writeSyn(b)
	}
	if err = e.mayWrite(); err != tcpip.OK {
		return 0, err
	}
	now := e.lock.now
	e.refresh()
	for n < len(b) {
		if k := e.tcb.Append(now, b[n:]); k > 0 {
			n += k
			continue
		}
		room := min(e.tcb.Room(), len(b)-n)
		if room == 0 {
			break
		}
		p, ok := e.slab(min(e.tcb.SlabFor(room), len(b)-n)) // of which the next super-segment takes the rest
		if !ok {
			break
		}
		k := p.Append(b[n : n+room])
		if err = e.tcb.Write(now, p); err != tcpip.OK {
			break
		}
		n += k
	}
	if n > 0 && flags&tcpip.WriteUrgent != 0 {
		e.tcb.MarkUrgent(now)
	}
	if len(b) > 0 || flags&tcpip.WriteMore != 0 { // nothing pushes nothing
		e.tcb.SetMore(now, flags&tcpip.WriteMore != 0)
	}
	switch {
	case n > 0 || len(b) == 0:
		if n > 0 && flags&tcpip.WriteEndOfRecord != 0 {
			e.tcb.EndRecord(now)
		}
		return n, tcpip.OK
	case err != tcpip.OK:
		return 0, err
	}
	return 0, tcpip.ErrWouldBlock
}

// refresh looks the way to the peer up where it has changed since the last write.
func (e *Endpoint) refresh() {
	if e.stale {
		e.stale = false
		e.reroute()
	}
}

// slab takes n bytes for the send queue, or less where memory is short. ok is false if the connection has had its part
// then.
func (e *Endpoint) slab(n int) (p slab.Piece, ok bool) {
	pool := &e.proto.stack.Slabs
	short := pool.Short()
	e.tcb.SetShort(short)
	if !short {
		if p, ok = pool.Get(n); ok {
			return p, true
		}
		e.tcb.SetShort(true)
	}
	if e.tcb.Starved() {
		return slab.Piece{}, false
	}
	return pool.GetAnyway(min(n, slab.Medium)), true
}

// mayWrite reports why nothing can be written, however much room there is.
func (e *Endpoint) mayWrite() tcpip.Error {
	if e.closed {
		return tcpip.ErrClosed
	}
	state := e.state()
	switch {
	case e.err != tcpip.OK:
		return e.takeError()
	case state == tcb.StateSynSent || state == tcb.StateSynRcvd && e.fast == nil: // sendmsg waits for the connection
		return tcpip.ErrWouldBlock
	case state != tcb.StateEstablished && state != tcb.StateCloseWait && state != tcb.StateSynRcvd, e.shut&tcpip.ShutdownWrite != 0:
		return tcpip.ErrPipe
	}
	return tcpip.OK
}

// Unsent returns what was written, the end included, and not acknowledged (SIOCOUTQ). NotSent is what of it has not
// been sent once (SIOCOUTQNSD).
func (e *Endpoint) Unsent() int {
	unacked, _ := e.queued()
	return unacked
}

// NotSent: see Unsent.
func (e *Endpoint) NotSent() int {
	_, notSent := e.queued()
	return notSent
}

// Memory returns what the data that nobody has read yet are charged, what was written and is not acknowledged, bytes,
// and how many segments found no room (SO_MEMINFO), which a stream does not count.
func (e *Endpoint) Memory() (received, sent, drops int) {
	w := e.begin()
	if e.opened {
		received, sent = e.tcb.Held(), e.tcb.Unacked()
	}
	e.end(w)
	return received, sent, 0
}

func (e *Endpoint) queued() (unacked, notSent int) {
	w := e.begin()
	switch {
	case e.opened:
		unacked, notSent = e.tcb.Unacked(), e.tcb.NotSent()
	case e.seldom != nil:
		unacked, notSent = e.seldom.unacked, e.seldom.notSent
	}
	e.end(w)
	return unacked, notSent
}
