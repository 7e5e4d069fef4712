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
	r, err := e.read(b, o.Flags)
	e.end(w)
	return r, err.Err()
}

func (e *Endpoint) read(b []byte, flags tcpip.ReadFlags) (r tcpip.Received, err tcpip.Error) {
	switch {
	case e.closed:
		return r, tcpip.ErrClosed
	case flags&tcpip.ReadError != 0:
		return e.readReport()
	case e.phase == phaseListening || !e.opened:
		return r, tcpip.ErrNotConnected
	case flags&tcpip.ReadUrgent != 0:
		return e.readUrgent(b)
	}
	for _, p := range e.tcb.Readable() {
		if r.Count == len(b) {
			break
		}
		r.Count += copy(b[r.Count:], p.Bytes())
	}
	r.Total = r.Count
	if flags&tcpip.ReadPeek == 0 {
		e.tcb.Consume(e.lock.now, r.Count)
	}
	if r.Count > 0 || len(b) == 0 && e.tcb.ReadableLen() > 0 {
		return r, tcpip.OK
	}
	if e.err == tcpip.ErrPipe { // a reset after the peer's FIN, which only writers and SO_ERROR are told of
		return r, tcpip.OK
	}
	if err = e.takeError(); err != tcpip.OK {
		return r, err
	}
	if e.noRead || e.tcb.AtEnd() {
		return r, tcpip.OK
	}
	return r, tcpip.ErrWouldBlock
}

func (e *Endpoint) readUrgent(b []byte) (r tcpip.Received, err tcpip.Error) {
	c, err := e.tcb.Urgent()
	if err == tcpip.OK && len(b) > 0 {
		b[0] = c
		r.Count, r.Total = 1, 1
	}
	return r, err
}

// readReport takes the oldest entry of the error queue.
func (e *Endpoint) readReport() (r tcpip.Received, err tcpip.Error) {
	if !e.hasReports() {
		return r, tcpip.ErrWouldBlock
	}
	q := &e.seldom.reports
	r.Control.Has = tcpip.HasError
	r.Control.Err = (*q)[0]
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
		n = e.tcb.ReadableLen()
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
