package tcb

import (
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/tcpip"
)

// urgent is the receiving side of Linux's one urgent byte (tcp(7)). The byte lies before the one that
// the urgent pointer names, as 4.2BSD had it. It stays in the stream, between two pieces of its own;
// whether a read passes over it is decided by OOBInline when it comes to it, as on Linux.
type urgent struct {
	state urgentState
	byte  byte
	seq   seq.Number // of the urgent byte
}

type urgentState uint8

const (
	urgentNone    urgentState = iota
	urgentAwaited             // announced, not there yet
	urgentThere               // there, not read
	urgentRead                // read out of line, and still in the stream
)

// copied returns the sequence number of the next byte to be read.
func (t *TCB) copied() seq.Number {
	at := t.rcv.nxt.Add(-t.recvQ.n)
	if t.rcv.ended {
		at--
	}
	return at
}

// announceUrgent is the sixth step of RFC 9293 §3.10.7.4. A newer mark makes an older byte, if nobody has read
// it yet, one of the stream, unless it is the next to be read: then it is lost.
// Each tells the
// user (RFC 9293 §3.8.5, MUST-30, MUST-32), even where no data is taken (§3.4, MUST-66).
func (t *TCB) announceUrgent(s *Segment) {
	at := s.Seq.Add(max(int(s.Urgent)-1, 0))
	if t.conf.UrgentLast {
		at = s.Seq.Add(int(s.Urgent))
	}
	u := &t.rcv.urgent
	if at.Less(t.rcv.nxt) || u.state != urgentNone && at.LessEq(u.seq) {
		return
	}
	if t.atHole() {
		t.recvQ.consume(1)
	}
	u.state, u.seq = urgentAwaited, at
	t.events |= EventUrgent
	if n := at.Sub(s.Seq); n < s.Len { // it is here, though perhaps behind a gap
		u.state, u.byte = urgentThere, byteAt(s.Data, n)
	}
}

// byteAt returns the n-th byte of pieces, which have more.
func byteAt(pieces []slab.Piece, n int) byte {
	for i := range pieces {
		if n < pieces[i].Len() {
			return pieces[i].Bytes()[n]
		}
		n -= pieces[i].Len()
	}
	return 0
}

// deliverUrgent delivers p, which starts at from, if the urgent byte is in it: in up to three pieces.
func (t *TCB) deliverUrgent(p slab.Piece, from seq.Number) bool {
	u := &t.rcv.urgent
	at := u.seq.Sub(from)
	if at < 0 || at >= p.Len() {
		return false
	}
	if u.state == urgentAwaited {
		u.state, u.byte = urgentThere, p.Bytes()[at]
		t.events |= EventUrgent
	}
	rest := p.Split(at)
	after := rest.Split(1)
	for i, part := range [...]slab.Piece{p, rest, after} {
		if part.Len() == 0 {
			part.Release()
			continue
		}
		if i > 0 {
			t.recvQ.sealed = true
		}
		t.recvQ.push(part)
	}
	if after.Len() == 0 {
		t.recvQ.sealed = true
	}
	return true
}

// atHole reports whether the next byte is the urgent one and reads pass over it.
func (t *TCB) atHole() bool {
	u := &t.rcv.urgent
	return (u.state == urgentThere || u.state == urgentRead) && !t.conf.OOBInline && t.recvQ.n > 0 && u.seq == t.copied()
}

// AtMark reports whether the next byte to read is the one at the urgent mark (SIOCATMARK), which every read stops at
// (RFC 9293 §3.8.5, MUST-33).
func (t *TCB) AtMark() bool {
	return t.rcv.urgent.state != urgentNone && t.rcv.urgent.seq == t.copied()
}

// Unread returns what SIOCINQ says can be read: up to the mark, if the urgent byte is out of line.
func (t *TCB) Unread() int {
	u := &t.rcv.urgent
	if left := u.seq.Sub(t.copied()); u.state != urgentNone && !t.conf.OOBInline && left >= 0 && u.seq.Less(t.rcv.nxt) {
		return left
	}
	return t.recvQ.n
}

// Urgent shows the urgent byte (MSG_OOB); TakeUrgent makes it one that was read. Errors: ErrInvalid if there is
// none or it was read, or if it is in the stream; ErrWouldBlock if it was announced and is not there yet.
func (t *TCB) Urgent() (byte, tcpip.Error) {
	u := &t.rcv.urgent
	switch {
	case t.conf.OOBInline || u.state == urgentNone || u.state == urgentRead:
		return 0, tcpip.ErrInvalid
	case u.state == urgentAwaited:
		return 0, tcpip.ErrWouldBlock
	}
	return u.byte, tcpip.OK
}

// TakeUrgent follows Urgent where the byte is not to be shown again.
func (t *TCB) TakeUrgent() {
	if t.rcv.urgent.state == urgentThere {
		t.rcv.urgent.state = urgentRead
	}
}

// MarkUrgent makes the last byte written the urgent one (MSG_OOB; RFC 9293 §3.8.5, MUST-30).
func (t *TCB) MarkUrgent(tcpip.Time) {
	if t.snd.una.Less(t.sendQ.end) {
		t.snd.urgent, t.snd.up = true, t.sendQ.end
	}
}

// urgentPointer returns the urgent pointer of a segment that starts at from, if it carries one: to the octet behind the
// urgent data (RFC 9293 §3.8.5, MUST-62), or as far as 16 bits reach (MUST-31).
func (t *TCB) urgentPointer(from seq.Number) (uint16, bool) {
	if !t.snd.urgent || t.snd.up.LessEq(from) {
		return 0, false
	}
	return uint16(min(t.snd.up.Sub(from), 65535)), true
}
