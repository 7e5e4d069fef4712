package tcp

import (
	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/tcpip"
)

// Read takes received bytes into b: as many as there are, up to the urgent mark. At the end of the stream,
// and after ShutdownRead, it returns 0 bytes and no error.
//
// Errors: ErrWouldBlock if nothing is there (a Readable event follows), ErrNotConnected, ErrClosed after
// Close, and the connection's error, once, if it failed. With ReadUrgent: ErrInvalid if there is no
// urgent byte. With ReadError: ErrWouldBlock if the error queue is empty.
func (e *Endpoint) Read(b []byte, o tcpip.ReadOptions) (tcpip.Received, error) {
	w := e.begin()
	start := e.tcb.Copied()
	r, err := e.read(b, o.Flags)
	if e.opts.arrivals && err == tcpip.OK {
		e.tellArrival(&r, start, o.Flags)
	}
	if e.opts.conf.inq && err == tcpip.OK && o.Flags&tcpip.ReadError == 0 {
		r.Control.Has |= tcpip.HasUnread
		r.Control.Rare().Unread = e.inq()
	}
	e.end(w)
	return r, err.Err()
}

func (e *Endpoint) read(b []byte, flags tcpip.ReadFlags) (r tcpip.Received, err tcpip.Error) {
	switch {
	case e.closed:
		return r, tcpip.ErrClosed
	case flags&tcpip.ReadError != 0:
		return e.readReport(b)
	case e.phase == phaseListening:
		return r, tcpip.ErrNotConnected
	case flags&tcpip.ReadUrgent != 0:
		return e.readUrgent(b, flags)
	}
	if e.opened {
		if e.readData(b, flags, &r); r.Count > 0 || len(b) == 0 && e.tcb.ReadableLen() > e.peeksFrom(flags) {
			return r, tcpip.OK
		}
	}
	return r, e.unreadable()
}

// unreadable is what a read finds that finds no data: OK is the end of the stream.
func (e *Endpoint) unreadable() tcpip.Error {
	switch {
	case e.done: // of what came after the peer's end only writers and SO_ERROR are told
		return tcpip.OK
	case e.err != tcpip.OK:
		return e.takeError()
	case e.shut&tcpip.ShutdownRead != 0:
		return tcpip.OK
	case !e.running:
		return tcpip.ErrNotConnected
	}
	return tcpip.ErrWouldBlock
}

// inq is what TCP_INQ reports. The peer's FIN counts, so that the program reads on to the end.
func (e *Endpoint) inq() int {
	if !e.opened {
		return 0
	}
	n := e.tcb.ReadableLen()
	if e.tcb.GotFin() {
		n++
	}
	return n
}

// readData takes what is there, up to the urgent mark; what only looks begins where SO_PEEK_OFF says.
func (e *Endpoint) readData(b []byte, flags tcpip.ReadFlags, r *tcpip.Received) {
	if len(b) == 0 {
		return
	}
	skip := e.peeksFrom(flags)
	for _, p := range e.tcb.Readable() {
		if r.Count == len(b) {
			break
		}
		from := min(skip, p.Len())
		skip -= from
		n := min(p.Len()-from, len(b)-r.Count)
		if flags&tcpip.ReadDiscard == 0 {
			copy(b[r.Count:], p.Bytes()[from:from+n])
		}
		r.Count += n
	}
	r.Total = r.Count
	if flags&tcpip.ReadPeek == 0 {
		e.consume(r.Count)
	} else {
		e.movePeek(r.Count)
	}
}

// consume gives back the first n bytes that can be read.
func (e *Endpoint) consume(n int) {
	e.tcb.SetShort(e.proto.stack.Slabs.Short())
	e.tcb.Consume(e.lock.now, n)
	e.movePeek(-n)
}

// movePeek moves SO_PEEK_OFF, where it is in use.
func (e *Endpoint) movePeek(n int) {
	if at := e.opts.sock.PeekOffset; at >= 0 && n != 0 {
		own := *e.opts
		own.sock.PeekOffset = max(at+n, 0)
		e.configure(&own)
	}
}

// peeksFrom returns how much a read passes over: what only looks begins at SO_PEEK_OFF.
func (e *Endpoint) peeksFrom(flags tcpip.ReadFlags) int {
	if flags&tcpip.ReadPeek == 0 {
		return 0
	}
	return max(e.opts.sock.PeekOffset, 0)
}

// readUrgent is MSG_OOB.
func (e *Endpoint) readUrgent(b []byte, flags tcpip.ReadFlags) (r tcpip.Received, err tcpip.Error) {
	if !e.opened {
		return r, tcpip.ErrInvalid
	}
	c, err := e.tcb.Urgent()
	switch {
	case err == tcpip.ErrInvalid:
		return r, err
	case !e.running && !e.done:
		return r, tcpip.ErrNotConnected
	case err == tcpip.ErrWouldBlock && e.shut&tcpip.ShutdownRead != 0:
		return r, tcpip.OK
	case err != tcpip.OK:
		return r, err
	}
	if r.Total = 1; len(b) > 0 {
		r.Count = 1
		if flags&tcpip.ReadDiscard == 0 {
			b[0] = c
		}
	}
	if flags&tcpip.ReadPeek == 0 {
		e.tcb.TakeUrgent()
	}
	return r, tcpip.OK
}

// readReport takes the oldest entry of the error queue.
func (e *Endpoint) readReport(b []byte) (r tcpip.Received, err tcpip.Error) {
	if !e.hasReports() {
		return r, tcpip.ErrWouldBlock
	}
	q := &e.seldom.reports
	r.Control.Has = tcpip.HasError
	r.Control.Rare().Err = (*q)[0].ErrorReport
	if at := (*q)[0].at; at != 0 && e.opts.sock.Timestamping&tcpip.TimestampReport != 0 {
		r.Control.Has |= tcpip.HasTimestamping
		r.Control.Timestamp = at
	}
	if to := (*q)[0].to; to.IsValid() {
		r.From = tcpip.FullAddress{NIC: e.scope, Addr: to.Addr(), Port: to.Port()}
		e.err = tcpip.OK // it is told
	}
	r.Total = len((*q)[0].quoted)
	r.Count = copy(b, (*q)[0].quoted)
	e.seldom.reported -= (*q)[0].cost()
	if *q = (*q)[1:]; len(*q) == 0 {
		*q = nil
	}
	return r, tcpip.OK
}

func (e *Endpoint) hasReports() bool { return e.seldom != nil && len(e.seldom.reports) > 0 }

// AtMark reports whether the next byte to read is the one at the urgent mark (SIOCATMARK).
func (e *Endpoint) AtMark() bool {
	w := e.begin()
	at := e.opened && e.tcb.AtMark()
	e.end(w)
	return at
}

// Unread returns the bytes that can be read at once (FIONREAD).
func (e *Endpoint) Unread() int {
	w := e.begin()
	n := 0
	if e.opened {
		n = e.tcb.Unread()
	}
	e.end(w)
	return n
}

// State returns the state of the connection, by RFC 9293 §3.3.2.
func (e *Endpoint) State() State {
	w := e.begin()
	s := e.state()
	e.end(w)
	return s
}

// State is a state of a connection, with Linux's number.
type State = tcb.State

// The states.
const (
	StateEstablished = tcb.StateEstablished
	StateSynSent     = tcb.StateSynSent
	StateSynRcvd     = tcb.StateSynRcvd
	StateFinWait1    = tcb.StateFinWait1
	StateFinWait2    = tcb.StateFinWait2
	StateTimeWait    = tcb.StateTimeWait
	StateClosed      = tcb.StateClosed
	StateCloseWait   = tcb.StateCloseWait
	StateLastAck     = tcb.StateLastAck
	StateListen      = tcb.StateListen
	StateClosing     = tcb.StateClosing
)

func (e *Endpoint) state() State {
	switch {
	case e.phase == phaseListening:
		return tcb.StateListen
	case !e.running: // a record may stand in TIME-WAIT for it
		return tcb.StateClosed
	}
	return e.tcb.State()
}
