package tcb

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// undo is all that building a segment changes, as it was before: taking the segment back is putting
// it back.
type undo struct {
	kind      undoKind
	snd       sendVars
	due       duty
	deadline  [numTimers]tcpip.Time
	adv       seq.Number
	acked     seq.Number
	dup       header.SACKBlock
	prrOut    int
	undoLeft  int
	firstRexm tcpip.Time
	count     sentCounters
	record    record
	pending   pending
	tlp       tlp
}

type undoKind uint8

const (
	undoNothing undoKind = iota
	undoState            // no record is concerned
	undoNew              // the last record is new
	undoResent           // record was sent again
)

// save remembers the state before a segment is built.
func (t *TCB) save(out *Out, kind undoKind, r record) {
	u := &out.undo
	u.kind, u.record = kind, r
	u.snd, u.due, u.deadline, u.count = t.snd, t.due, t.deadline, t.count.sentCounters
	u.adv, u.acked, u.dup, u.prrOut = t.rcv.adv, t.rcv.acked, t.ooo.dup, t.rec.prrOut
	u.pending, u.tlp, u.undoLeft, u.firstRexm = t.pending, t.tlp, t.rec.undoLeft, t.rec.firstRexm
}

// Refused takes back the segment that the last Poll built into out: whoever was to send it did not, and it
// counts neither as sent nor as lost. Nothing may have been called in between.
func (t *TCB) Refused(now tcpip.Time, out *Out) {
	u := &out.undo
	switch u.kind {
	case undoNothing:
		return
	case undoNew:
		for b := &t.board; b.recs.len() > 0 && u.snd.nxt.LessEq(b.recs.last().seq); {
			b.pop()
		}
		if t.search.probing && t.search.start == u.snd.nxt {
			t.search.probing = false
			t.cc.cwnd++
		}
	case undoResent:
		t.board.unsend(&u.record)
	}
	u.kind = undoNothing
	t.snd, t.due, t.deadline, t.count.sentCounters = u.snd, u.due, u.deadline, u.count
	t.rcv.adv, t.rcv.acked, t.ooo.dup, t.rec.prrOut = u.adv, u.acked, u.dup, u.prrOut
	t.pending, t.tlp, t.rec.undoLeft, t.rec.firstRexm = u.pending, u.tlp, u.undoLeft, u.firstRexm
	t.count.refused++
	if t.acc != nil {
		t.acc.owed, t.acc.ofACKs = true, t.acc.didACKs
	}
}
