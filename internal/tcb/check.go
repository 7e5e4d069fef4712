package tcb

import (
	"fmt"

	"github.com/seed963a8790/netstack/internal/seq"
)

// Check verifies the invariants of the machine. It is slow, and for tests.
func (t *TCB) Check() error {
	for _, c := range [...]struct {
		name string
		err  error
	}{
		{"send", t.checkSend()}, {"scoreboard", t.checkBoard()}, {"receive", t.checkReceive()}, {"timers", t.checkTimers()},
	} {
		if c.err != nil {
			return fmt.Errorf("%s in %v: %w", c.name, t.state, c.err)
		}
	}
	return nil
}

// failing returns the first of the named conditions that does not hold.
func failing(conditions ...condition) error {
	for _, c := range conditions {
		if !c.holds {
			return fmt.Errorf("not so: %s", c.name)
		}
	}
	return nil
}

type condition struct {
	name  string
	holds bool
}

func (t *TCB) checkSend() error {
	q := &t.sendQ
	cost, end := 0, q.end
	for i := q.chunks.len() - 1; i >= 0; i-- {
		c := q.chunks.at(i)
		cost += int(c.cost)
		if c.end() != end {
			return fmt.Errorf("chunk %d ends at %d, the next begins at %d", i, c.end(), end)
		}
		end = c.seq
	}
	open := t.state != StateClosed && t.state != StateTimeWait
	return failing(
		condition{"una <= nxt", t.snd.una.LessEq(t.snd.nxt)},
		condition{"nxt <= end", !open || t.state == StateSynSent && t.snd.nxt == t.snd.iss || t.snd.nxt.LessEq(t.end())},
		condition{"cost adds up", cost == q.cost},
		condition{"what is not acknowledged is there", !open || q.chunks.len() == 0 || end.LessEq(seq.Max(t.snd.una, t.snd.iss+1))},
		condition{"closed holds nothing", t.state != StateClosed || q.chunks.len() == 0 && t.board.recs.len() == 0 && t.ooo.parts.len() == 0},
		condition{"cwnd is at least a segment", t.cc.algorithm == nil || t.cc.cwnd >= 1},
	)
}

func (t *TCB) checkBoard() error {
	b := &t.board
	if t.state == StateClosed || t.state == StateTimeWait {
		return nil
	}
	var sum scoreboard
	at := t.snd.una
	for i := range b.recs.len() {
		r := b.recs.at(i)
		if r.seq != at || r.len() <= 0 || r.segs == 0 {
			return fmt.Errorf("record %d is [%d, %d) with %d segments, expected it at %d", i, r.seq, r.end, r.segs, at)
		}
		at = r.end
		sum.tally(r, +1)
		if r.flags&(recLost|recResent|recSacked) == recLost && r.seq.Less(b.rexmitFrom) {
			return fmt.Errorf("record %d is lost, before rexmitFrom", i)
		}
	}
	return failing(
		condition{"the records cover the flight", at == t.snd.nxt},
		condition{"segments add up", sum.segs == b.segs},
		condition{"sends are bounded", b.sends.len() <= 4*b.recs.len()+2*sendsSlack},
		condition{"sacked adds up", sum.sacked == b.sacked},
		condition{"lost adds up", sum.lost == b.lost},
		condition{"resent adds up", sum.resent == b.resent},
		condition{"pending adds up", sum.pending == b.pending},
	)
}

func (t *TCB) checkReceive() error {
	n, cost := 0, 0
	front := int(t.recvQ.front)
	for _, p := range t.recvQ.pieces[t.recvQ.head:] {
		n += p.Len()
		cost += charge(front + p.Len())
		front = 0
	}
	oooCost := 0
	at := t.rcv.nxt
	for i := range t.ooo.parts.len() {
		c := t.ooo.parts.at(i)
		oooCost += int(c.cost)
		if c.seq.Less(at) || i == 0 && c.seq == at || c.piece.Len() == 0 {
			return fmt.Errorf("early part %d at %d, after %d", i, c.seq, at)
		}
		at = c.end()
	}
	at = seq.Max(at, t.rcv.adv+1) // a FIN, which is no part, is reported too
	for _, b := range t.ooo.blocks[:t.ooo.n] {
		if t.state != StateClosed && (!t.rcv.nxt.Less(b.Start) || !b.Start.Less(b.End) || at.Less(b.End)) { // what a closed connection has left is for its RST to report
			return fmt.Errorf("SACK block [%d, %d) with rcv.nxt %d, data up to %d", b.Start, b.End, t.rcv.nxt, at)
		}
	}
	return failing(
		condition{"the bytes add up", n == t.recvQ.n},
		condition{"the charge adds up", cost == t.recvQ.cost},
		condition{"the early charge adds up", oooCost == t.ooo.cost},
		condition{"acked <= nxt", t.rcv.acked.LessEq(t.rcv.nxt)},
		condition{"nxt is at most one past the window", t.rcv.nxt.LessEq(t.rcv.adv + 1)},
		condition{"memory is bounded", t.held() <= 2*t.tun.receiveLimit+1<<17},
	)
}

func (t *TCB) checkTimers() error {
	switch {
	case t.state == StateClosed || t.state == StateTimeWait:
		return failing(condition{"TIME-WAIT ends", t.state == StateClosed || t.deadline[timerWait] != 0})
	case t.flight() > 0:
		return failing(condition{"retransmission is armed", t.deadline[timerRexmit] != 0})
	}
	return failing(
		condition{"the acknowledgement will be sent", !t.due.delayed || t.due.ack || t.deadline[timerDelAck] != 0},
		condition{"an orphan ends", !(t.closed && t.state == StateFinWait2) || t.deadline[timerWait] != 0},
	)
}
