package tcb

import (
	"math"
	"time"

	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// record is one transmission in flight: a range of the sequence space, SYN and FIN included, that was
// sent at once. A super-segment is one record, until an acknowledgement cuts it.
type record struct {
	seq, end seq.Number
	segs     uint16 // segments on the wire
	mss      uint16 // bytes of each but the last
	flags    recordFlags
	flight   uint16     // segments in flight after it was last sent, this one among them; at most maxFlight
	sent     tcpip.Time // when it was last sent
	tx       txState
}

type recordFlags uint8

// maxFlight bounds record.flight.
const maxFlight = math.MaxUint16

const (
	recSacked  recordFlags = 1 << iota // the peer has it, out of order
	recLost                            // taken for lost
	recResent                          // sent again since it was taken for lost, and in flight
	recRetrans                         // sent more than once: no RTT sample (Karn)
	recLimited                         // the sender had no more to send when this left
	recFound                           // RACK has found it lost, and looks at it again only once it is sent again, as on Linux
	recPush                            // its end was the end of what was written then
	recCut                             // one segment, whose front is acknowledged
)

func (r *record) len() int { return r.end.Sub(r.seq) }

// scoreboard keeps what is in flight in sequence order (RFC 6675 §3). All its work is bounded by what
// changes: every record is appended, retransmitted, found lost and removed once.
type scoreboard struct {
	recs deque[record]

	// Segments in flight, and those of them that have the flags in the name. Their sums make pipe.
	segs   int
	sacked int
	lost   int // lost, not sacked
	resent int // resent, not sacked

	// pending counts the segments that are lost and not sent again; none lies before rexmitFrom.
	pending    int
	rexmitFrom seq.Number

	highSacked seq.Number // end of the highest sacked record, if sacked is not zero

	sends deque[send] // what may still be found lost, in the order of sending (RFC 8985 §6.2)
}

// send is one transmission, for the search for losses. It is stale where the records of its range were since
// acknowledged, sacked, sent again, or taken for lost.
type send struct {
	seq, end seq.Number
	at       tcpip.Time
}

// dupThresh is how many segments must have arrived behind one for it to be lost (RFC 5681 §3.2), as long as no
// reordering has been seen.
const dupThresh = 3

// tally adds r to the sums, or with sign -1 takes it off.
func (b *scoreboard) tally(r *record, sign int) {
	n := sign * int(r.segs)
	b.segs += n
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
		b.rexmitFrom = r.seq
	}
	r.sent = b.order(r.sent, r.end)
	b.recs.pushBack(r)
	b.tally(&r, +1)
	b.sends.pushBack(send{r.seq, r.end, r.sent})
}

// orderSlack is more than what order moves times by.
const orderSlack = time.Microsecond

// order returns the time of a transmission that ends at end and is made at at, moved so far that it comes after the
// last one: by time, or by number where the times are equal (RFC 8985 §6.2). What is sent again in the instant in which
// something above it was sent would seem older otherwise.
func (b *scoreboard) order(at tcpip.Time, end seq.Number) tcpip.Time {
	if b.sends.len() == 0 {
		return at
	}
	last := b.sends.last()
	at = max(at, last.at)
	if at == last.at && !last.end.Less(end) {
		at++
	}
	return at
}

// pop takes the last record back.
func (b *scoreboard) pop() {
	r := b.recs.popBack()
	b.tally(&r, -1)
	b.rexmitFrom = seq.Min(b.rexmitFrom, r.seq)
	b.sends.popBack()
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
	b.tally(r, -1)
	front.end = n
	front.flags &^= recPush
	whole, mss := int(r.segs), max(int(r.mss), 1)
	front.segs = uint16(min(max((front.len()+mss-1)/mss, 1), max(whole-1, 1)))
	r.seq = n
	r.segs = uint16(max(whole-int(front.segs), 1))
	b.tally(r, +1)
	b.tally(&front, +1)
	b.recs.insert(i, front)
}

// trim takes the part of the first record off that una acknowledges, and returns how many whole segments that was.
func (b *scoreboard) trim(una seq.Number) int {
	r := b.recs.first()
	b.tally(r, -1)
	whole := int(r.segs)
	r.seq = una
	if whole > 1 {
		mss := max(int(r.mss), 1)
		r.segs = uint16(min(max((r.len()+mss-1)/mss, 1), whole))
	} else {
		r.flags |= recCut
	}
	b.tally(r, +1)
	return whole - int(r.segs)
}

// ack removes what lies before una, and says in a what there was.
func (b *scoreboard) ack(una seq.Number, high seq.Number, a *acked) {
	for b.recs.len() > 0 {
		r := b.recs.first()
		if una.LessEq(r.seq) {
			break
		}
		if una.Less(r.end) { // a part of a super-segment
			was := *r
			if n := b.trim(una); n > 0 {
				was.segs = uint16(n)
				a.take(&was, high)
			}
			break
		}
		a.take(r, high)
		b.tally(r, -1)
		b.recs.popFront()
	}
	if b.recs.len() == 0 {
		for b.sends.len() > 0 {
			b.sends.popBack()
		}
	} else {
		for b.sends.len() > 0 && b.sends.first().end.LessEq(una) {
			b.sends.popFront()
		}
	}
	b.rexmitFrom = seq.Max(b.rexmitFrom, una)
}

// sack marks the range [from, to), which is in flight, as received. Only whole segments and the rest at the end of a
// transmission count, so that a hostile peer cannot cut records into crumbs.
func (b *scoreboard) sack(from, to, high seq.Number, a *acked) {
	for i := b.find(from); i < b.recs.len(); i++ {
		r := b.recs.at(i)
		if to.LessEq(r.seq) {
			return
		}
		if r.flags&recSacked != 0 {
			continue
		}
		mss := max(int(r.mss), 1)
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
		b.sackOne(r, high, a)
		if b.merge(i - 1) {
			i--
		}
		b.merge(i)
	}
}

// sackOne notes that the peer has r.
func (b *scoreboard) sackOne(r *record, high seq.Number, a *acked) {
	a.arrive(r)
	clear := recordFlags(0)
	if r.flags&recResent != 0 {
		if r.flags&recLost != 0 { // otherwise its retransmission is believed to be in flight still
			clear = recLost | recResent
		}
	} else {
		if r.flags&recRetrans == 0 {
			if b.sacked > 0 && r.seq.Less(b.highSacked) {
				a.late(r.seq) // it was in a hole: reordering
			}
			if r.end.LessEq(high) {
				a.flags |= ackOriginal
			}
			if a.sackFirst == 0 {
				a.sackFirst = r.sent
			}
			a.sackLast = r.sent
		}
		clear = recLost
	}
	a.flags |= ackSacked
	if b.sacked == 0 || b.highSacked.Less(r.end) {
		b.highSacked = r.end
	}
	b.mark(r, recSacked, clear)
	r.tx.at = 0 // what it measured counts once
}

// merge makes one record of the i-th and the next, if both are sacked, so that what has arrived behind a gap is passed
// in one step by the acknowledgements that report all of it again (BEHAVIOUR F12). It reports whether it did.
func (b *scoreboard) merge(i int) bool {
	if i < 0 || i+1 >= b.recs.len() {
		return false
	}
	l, r := b.recs.at(i), b.recs.at(i+1)
	if l.flags&r.flags&recSacked == 0 || (l.flags^r.flags)&recResent != 0 || int(l.segs)+int(r.segs) > math.MaxUint16 {
		return false
	}
	l.end = r.end
	l.segs += r.segs
	l.sent = max(l.sent, r.sent)
	l.flags = l.flags&^recPush | r.flags&(recRetrans|recPush)
	b.recs.remove(i + 1)
	return true
}

// lose takes r for lost, and again if it was sent again since. It reports whether that was a retransmission.
func (b *scoreboard) lose(r *record) (again bool) {
	if r.flags&recSacked != 0 {
		return false
	}
	again = r.flags&(recLost|recResent) == recLost|recResent
	b.mark(r, recLost, recResent)
	return again
}

// loseFirst takes the first segment in flight for lost: what a duplicate or partial acknowledgement
// says where there is no SACK (RFC 6582). It returns how many segments are newly lost.
func (b *scoreboard) loseFirst(mss int) int {
	if b.recs.len() == 0 {
		return 0
	}
	r := b.recs.first()
	if r.flags&(recSacked|recLost) != 0 {
		return 0
	}
	if r.len() > mss && r.segs > 1 {
		b.split(0, r.seq.Add(mss))
		r = b.recs.first()
	}
	b.lose(r)
	return int(r.segs)
}

// loseAll takes everything for lost that is not sacked.
func (b *scoreboard) loseAll() {
	for i := range b.recs.len() {
		b.lose(b.recs.at(i))
	}
}

// unlose takes nothing for lost any more, and looks anew at all but what RACK had found.
func (b *scoreboard) unlose() {
	for i := range b.recs.len() {
		if r := b.recs.at(i); r.flags&recLost != 0 {
			b.mark(r, 0, recLost)
		}
	}
	b.sortSends()
}

// renege forgets what was sacked: the peer has thrown it away (RFC 2018 §8).
func (b *scoreboard) renege() {
	for i := range b.recs.len() {
		if r := b.recs.at(i); r.flags&recSacked != 0 {
			b.mark(r, 0, recSacked)
		}
	}
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

// resendAt notes that the i-th record is sent again; flags are those that it gets.
func (b *scoreboard) resendAt(i int, now tcpip.Time, flags recordFlags) {
	r := b.recs.at(i)
	b.mark(r, flags, recFound)
	r.sent = b.order(now, r.end)
	b.sends.pushBack(send{r.seq, r.end, r.sent})
	if b.sends.len() > 4*b.recs.len()+sendsSlack {
		b.sortSends()
	}
}

// sendsSlack is how many stale transmissions are kept before they are sorted out.
const sendsSlack = 256

// unsend undoes resendAt for the record that was was before, or for that part of it that was sent.
func (b *scoreboard) unsend(was *record) {
	i := b.find(was.seq)
	r := b.recs.at(i)
	b.tally(r, -1)
	r.flags, r.sent, r.tx = was.flags, was.sent, was.tx
	b.tally(r, +1)
	b.rexmitFrom = seq.Min(b.rexmitFrom, r.seq)
	if b.sends.len() > 0 && b.sends.last().seq == r.seq {
		b.sends.popBack()
	} else {
		b.sortSends()
	}
}

func (b *scoreboard) clear() { *b = scoreboard{} }
