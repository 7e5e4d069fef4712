package tcb

import (
	"math"

	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// record is one transmission in flight: a range of the sequence space, SYN and FIN included, that was
// sent at once. A super-segment is one record, until an acknowledgement cuts it.
type record struct {
	seq, end seq.Number
	sent     tcpip.Time // when it was last sent
	segs     uint16     // segments on the wire
	flags    recordFlags
}

type recordFlags uint8

const (
	recSacked  recordFlags = 1 << iota // the peer has it, out of order
	recLost                            // taken for lost
	recResent                          // sent again since it was taken for lost, and in flight
	recRetrans                         // sent more than once: no RTT sample (Karn)
)

func (r *record) len() int { return r.end.Sub(r.seq) }

// scoreboard keeps what is in flight in sequence order (RFC 6675 §3). All its work is bounded by what
// changes: every record is appended, passed by the frontier of loss, retransmitted and removed once.
type scoreboard struct {
	recs deque[record]

	// Sequence numbers in records that have, of these, the flags in the name. Their sums make pipe.
	sacked int
	lost   int // lost, not sacked
	resent int // resent, not sacked

	// pending counts those that are lost and not sent again; none lies before rexmitFrom.
	pending    int
	rexmitFrom seq.Number

	// Records before judged have been judged lost or not. above counts the segments sacked behind it.
	judged seq.Number
	above  int

	highSacked seq.Number // end of the highest sacked record, if sacked is not zero
}

// dupThresh is how many segments must have arrived behind one for it to be lost (RFC 6675 §2).
const dupThresh = 3

// tally adds r to the sums, or with sign -1 takes it off.
func (b *scoreboard) tally(r *record, sign int) {
	n := sign * r.len()
	switch f := r.flags; {
	case f&recSacked != 0:
		b.sacked += n
	default:
		if f&recLost != 0 {
			b.lost += n
			if f&recResent == 0 {
				b.pending += n
			}
		}
		if f&recResent != 0 {
			b.resent += n
		}
	}
}

// mark changes the flags of r.
func (b *scoreboard) mark(r *record, set, clear recordFlags) {
	b.tally(r, -1)
	r.flags = r.flags&^clear | set
	b.tally(r, +1)
	if r.flags&(recLost|recResent|recSacked) == recLost && r.seq.Less(b.rexmitFrom) {
		b.rexmitFrom = r.seq
	}
}

// push appends what has just been sent for the first time.
func (b *scoreboard) push(r record) {
	if b.recs.len() == 0 {
		b.judged, b.rexmitFrom, b.above = r.seq, r.seq, 0
	}
	b.recs.pushBack(r)
}

// pop takes the last record back.
func (b *scoreboard) pop() {
	r := b.recs.popBack()
	b.tally(&r, -1)
	b.judged = seq.Min(b.judged, r.seq)
	b.rexmitFrom = seq.Min(b.rexmitFrom, r.seq)
}

// find returns the index of the record that holds n, or the number of records.
func (b *scoreboard) find(n seq.Number) int {
	lo, hi := 0, b.recs.len()
	for lo < hi {
		mid := (lo + hi) / 2
		if b.recs.at(mid).end.LessEq(n) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// split cuts the i-th record at n, which lies inside it.
func (b *scoreboard) split(i int, n seq.Number) {
	r := b.recs.at(i)
	front := *r
	whole := int(r.segs)
	front.end = n
	front.segs = uint16(max(whole*n.Sub(r.seq)/r.len(), 1))
	if r.flags&recSacked != 0 && b.judged.LessEq(r.seq) {
		b.above += max(int(front.segs)+1-whole, 0) // both parts count one at least
	}
	r.seq = n
	r.segs = uint16(max(whole-int(front.segs), 1))
	b.recs.insert(i, front)
}

// acked is what one acknowledgement says about the scoreboard.
type acked struct {
	delivered int        // sequence numbers that arrived: acknowledged or sacked for the first time
	first     tcpip.Time // when the earliest of those was sent, if it was sent only once
	last      tcpip.Time // and the latest
	sacked    int        // segments sacked for the first time
	retrans   bool       // covers a record that was sent more than once
	segs      int        // segments acknowledged cumulatively
	arrived   int        // segments that arrived: those of delivered
	late      bool       // a segment that was sent once arrived after others sent behind it
}

func (a *acked) add(r *record) {
	a.delivered += r.len()
	a.arrived += int(r.segs)
	if r.flags&recRetrans != 0 {
		a.retrans = true
		return
	}
	if a.first == 0 || r.sent < a.first {
		a.first = r.sent
	}
	a.last = max(a.last, r.sent)
}

// ack removes what lies before una.
func (b *scoreboard) ack(una seq.Number, a *acked) {
	for b.recs.len() > 0 {
		r := b.recs.first()
		if una.LessEq(r.seq) {
			break
		}
		if una.Less(r.end) { // a part of a super-segment
			b.split(0, una)
			r = b.recs.first()
		}
		a.segs += int(r.segs)
		if r.flags&recSacked == 0 {
			a.add(r)
			a.late = a.late || b.sacked > 0 && r.flags&recRetrans == 0 && r.seq.Less(b.highSacked)
		} else if b.judged.LessEq(r.seq) {
			b.above -= int(r.segs)
		}
		b.tally(r, -1)
		b.recs.popFront()
	}
	b.judged = seq.Max(b.judged, una)
	b.rexmitFrom = seq.Max(b.rexmitFrom, una)
}

// sack marks the range [from, to), which is in flight, as received. Only whole wire segments of mss
// bytes count, so that a hostile peer cannot cut records into crumbs.
func (b *scoreboard) sack(from, to seq.Number, mss int, a *acked) {
	for i := b.find(from); i < b.recs.len(); i++ {
		r := b.recs.at(i)
		if to.LessEq(r.seq) {
			return
		}
		if r.flags&recSacked != 0 {
			continue
		}
		if r.seq.Less(from) {
			n := (from.Sub(r.seq) + mss - 1) / mss * mss
			if n >= r.len() {
				continue
			}
			b.split(i, r.seq.Add(n))
			continue // the rear part is next
		}
		if to.Less(r.end) {
			n := to.Sub(r.seq) / mss * mss
			if n == 0 {
				return
			}
			b.split(i, r.seq.Add(n))
			r = b.recs.at(i)
		}
		if b.sacked == 0 || b.highSacked.Less(r.end) {
			b.highSacked = r.end
		}
		a.add(r)
		a.sacked += int(r.segs)
		if b.judged.LessEq(r.seq) {
			b.above += int(r.segs)
		}
		b.mark(r, recSacked, 0)
		if b.merge(i - 1) {
			i--
		}
		b.merge(i)
	}
}

// merge makes one record of the i-th and the next, if both are sacked, so that what has arrived behind a gap is passed
// in one step by the acknowledgements that report all of it again (BEHAVIOUR F12). It reports whether it did.
func (b *scoreboard) merge(i int) bool {
	if i < 0 || i+1 >= b.recs.len() {
		return false
	}
	l, r := b.recs.at(i), b.recs.at(i+1)
	if l.flags&r.flags&recSacked == 0 || b.judged.LessEq(l.seq) != b.judged.LessEq(r.seq) || int(l.segs)+int(r.segs) > math.MaxUint16 {
		return false
	}
	l.end = r.end
	l.segs += r.segs
	l.sent = max(l.sent, r.sent)
	l.flags |= r.flags & recRetrans
	b.recs.remove(i + 1)
	return true
}

// judge takes for lost every record behind which enough segments have arrived (IsLost of RFC 6675
// §4), and reports whether there were any.
func (b *scoreboard) judge() (lost bool) {
	if b.above < dupThresh {
		return false
	}
	for i := b.find(b.judged); b.above >= dupThresh && i < b.recs.len(); i++ {
		r := b.recs.at(i)
		switch {
		case r.flags&recSacked != 0:
			b.above -= int(r.segs)
		case r.flags&recLost == 0:
			b.mark(r, recLost, 0)
			lost = true
		}
		b.judged = r.end
		if b.merge(i - 1) { // both are judged now
			i--
		}
	}
	return lost
}

// loseFirst takes the first segment in flight for lost: what a duplicate or partial acknowledgement
// says where there is no SACK (RFC 6582).
func (b *scoreboard) loseFirst(mss int) {
	if b.recs.len() == 0 {
		return
	}
	if r := b.recs.first(); r.flags&(recSacked|recLost) == 0 {
		if r.len() > mss && r.segs > 1 {
			b.split(0, r.seq.Add(mss))
			r = b.recs.first()
		}
		b.mark(r, recLost, 0)
	}
}

// loseAll takes everything for lost that is not sacked, as a timeout does.
func (b *scoreboard) loseAll() {
	for i := range b.recs.len() {
		r := b.recs.at(i)
		if r.flags&recSacked == 0 {
			b.mark(r, recLost, recResent)
		}
	}
	if n := b.recs.len(); n > 0 {
		b.judged, b.above = b.recs.last().end, 0
		b.rexmitFrom = b.recs.first().seq
	}
}

// renege forgets what was sacked: the peer has thrown it away (RFC 2018 §8).
func (b *scoreboard) renege() {
	for i := range b.recs.len() {
		if r := b.recs.at(i); r.flags&recSacked != 0 {
			b.mark(r, 0, recSacked)
		}
	}
	b.above = 0
}

// next returns the index of the first record that is lost and not sent again.
func (b *scoreboard) next() (int, bool) {
	if b.pending == 0 {
		return 0, false
	}
	for i := b.find(b.rexmitFrom); i < b.recs.len(); i++ {
		r := b.recs.at(i)
		if r.flags&(recLost|recResent|recSacked) == recLost {
			b.rexmitFrom = r.seq
			return i, true
		}
	}
	return 0, false
}

func (b *scoreboard) at(i int) *record { return b.recs.at(i) }

// resendAt notes that the i-th record is sent again.
func (b *scoreboard) resendAt(i int, now tcpip.Time) {
	r := b.recs.at(i)
	b.mark(r, recResent|recRetrans, 0)
	r.sent = now
}

// unsend undoes resendAt for the record that was was before, or for that part of it that was sent.
func (b *scoreboard) unsend(was *record) {
	i := b.find(was.seq)
	r := b.recs.at(i)
	b.tally(r, -1)
	r.flags, r.sent = was.flags, was.sent
	b.tally(r, +1)
	b.rexmitFrom = seq.Min(b.rexmitFrom, r.seq)
}

func (b *scoreboard) clear() { *b = scoreboard{} }
