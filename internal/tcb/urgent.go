package tcb

import (
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/tcpip"
)

// urgent is the receiving side of Linux's one urgent byte (tcp(7)). The byte lies before the one that
// the urgent pointer names, as 4.2BSD had it.
type urgent struct {
	state urgentState
	byte  byte
	mark  bool       // left counts
	seq   seq.Number // of the urgent byte
	left  int        // bytes that can be read before the mark
}

type urgentState uint8

const (
	urgentNone    urgentState = iota
	urgentAwaited             // announced, not there yet
	urgentThere               // there, not read
	urgentRead
)

// announceUrgent is the sixth step of RFC 9293 §3.10.7.4.
func (t *TCB) announceUrgent(s *Segment) {
	if s.Urgent == 0 || !mayReceive.has(t.state) {
		return
	}
	at := s.Seq.Add(int(s.Urgent) - 1)
	u := &t.rcv.urgent
	if at.Less(t.rcv.nxt) || u.state != urgentNone && at.LessEq(u.seq) {
		return
	}
	u.state, u.seq = urgentAwaited, at
	t.events |= EventUrgent
}

// deliverUrgent delivers p, which starts at from, if the urgent byte is in it. Unless the user wants
// it inline it leaves the stream.
func (t *TCB) deliverUrgent(p slab.Piece, from seq.Number) bool {
	u := &t.rcv.urgent
	at := u.seq.Sub(from)
	if at < 0 || at >= p.Len() {
		return false
	}
	u.byte = p.Bytes()[at]
	u.state = urgentThere
	rest := p.Split(at)
	if !t.conf.OOBInline {
		rest.TrimFront(1)
	}
	if p.Len() > 0 {
		t.recvQ.push(p)
	} else {
		p.Release()
	}
	u.mark, u.left = true, t.recvQ.n
	t.recvQ.sealed = true
	if rest.Len() > 0 {
		t.recvQ.push(rest)
	} else {
		rest.Release()
	}
	return true
}

// AtMark reports whether the next byte to read is the one at the urgent mark (SIOCATMARK).
func (t *TCB) AtMark() bool { return t.rcv.urgent.mark && t.rcv.urgent.left == 0 }

// Urgent reads the urgent byte (MSG_OOB). Errors: ErrInvalid if there is none or it was read, or if it
// is in the stream; ErrWouldBlock if it was announced and is not there yet.
func (t *TCB) Urgent() (byte, tcpip.Error) {
	u := &t.rcv.urgent
	switch {
	case t.conf.OOBInline || u.state == urgentNone || u.state == urgentRead:
		return 0, tcpip.ErrInvalid
	case u.state == urgentAwaited:
		return 0, tcpip.ErrWouldBlock
	}
	u.state = urgentRead
	return u.byte, tcpip.OK
}

// MarkUrgent makes the last byte written the urgent one (MSG_OOB).
func (t *TCB) MarkUrgent(tcpip.Time) {
	if t.snd.una.Less(t.sendQ.end) {
		t.snd.urgent, t.snd.up = true, t.sendQ.end
	}
}

// urgentPointer returns the urgent pointer of a segment that starts at from, if it carries one.
func (t *TCB) urgentPointer(from seq.Number) (uint16, bool) {
	if !t.snd.urgent || t.snd.up.LessEq(from) {
		return 0, false
	}
	return uint16(min(t.snd.up.Sub(from), 65535)), true
}
