package tcb

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/internal/slab"
)

// reassembly keeps what has arrived behind a gap, ordered and without overlaps, and remembers which
// ranges to report (RFC 2018 §4; RFC 9293 §3.10.7.4, SHLD-31).
type reassembly struct {
	parts deque[chunk]
	cost  int // charged

	blocks [4]header.SACKBlock // the latest first
	n      int32
	later  int32            // the block that belongs in front, where an acknowledgement has to show them as they were
	dup    header.SACKBlock // a duplicate to report once (RFC 2883); empty if none
}

// add keeps the data of s, as far as it is new.
func (q *reassembly) add(s *Segment) {
	from := s.Seq
	for i := range s.Data {
		n := s.Data[i].Len()
		q.addPiece(from, s.Data[i], i == 0)
		s.Data[i] = slab.Piece{}
		from = from.Add(n)
	}
	q.report(header.SACKBlock{Start: s.Seq, End: s.end()})
}

// extendDup adds a range to the duplicate that is to be reported, if it has to do with it: of several that a segment
// covers the first is told, as on Linux.
func (q *reassembly) extendDup(b header.SACKBlock) {
	d := &q.dup
	switch {
	case d.Start == d.End:
		*d = b
	case b.Start.LessEq(d.End) && d.Start.LessEq(b.End):
		d.Start, d.End = seq.Min(d.Start, b.Start), seq.Max(d.End, b.End)
	}
}

// addPiece keeps those bytes of p that are new. What is there already stays: that the later bytes
// might differ is their sender's fault. first says that the segment begins with p.
func (q *reassembly) addPiece(from seq.Number, p slab.Piece, first bool) {
	to := from.Add(p.Len())
	i := q.find(from)
	for ; from.Less(to); first = false {
		gap := to
		if i < q.parts.len() {
			c := q.parts.at(i)
			if c.seq.LessEq(from) {
				n := min(c.end().Sub(from), to.Sub(from))
				if dup := (header.SACKBlock{Start: from, End: from.Add(n)}); first {
					q.dup = dup
				} else {
					q.extendDup(dup)
				}
				p.TrimFront(n)
				from = from.Add(n)
				i++
				continue
			}
			gap = seq.Min(to, c.seq)
		}
		front := p
		if gap.Less(to) {
			front = p.Slice(0, gap.Sub(from))
			p.TrimFront(gap.Sub(from))
		} else {
			p = slab.Piece{}
		}
		cost := charge(front.Len())
		q.cost += cost
		q.parts.insert(i, chunk{piece: front, seq: from, cost: int32(cost)})
		from = gap
		i++
	}
	p.Release()
}

// find returns the index of the first part that ends after n.
func (q *reassembly) find(n seq.Number) int {
	lo, hi := 0, q.parts.len()
	for lo < hi {
		mid := (lo + hi) / 2
		if q.parts.at(mid).end().LessEq(n) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// sackExpected is how many blocks an acknowledgement is sure to have room for; Linux's TCP_SACK_BLOCKS_EXPECTED.
const sackExpected = 2

// crowds reports whether r changes more than an acknowledgement that waits can say: a block behind those that it has room
// for, or one more than there may be. The block is then made longer where it is, and comes to the front after that
// acknowledgement, as on Linux.
func (q *reassembly) crowds(r header.SACKBlock) bool {
	q.rotate()
	at, touched := int(q.n), 0
	for i, b := range q.blocks[:q.n] {
		if b.Start.LessEq(r.End) && r.Start.LessEq(b.End) {
			at, touched = i, touched+1
		}
	}
	if touched == 1 && at >= sackExpected {
		b := &q.blocks[at]
		b.Start, b.End = seq.Min(r.Start, b.Start), seq.Max(r.End, b.End)
		q.later = int32(at)
		return true
	}
	return touched == 0 && int(q.n) == len(q.blocks)
}

// rotate puts the block in front that was left where it was.
func (q *reassembly) rotate() {
	if i := q.later; i > 0 && i < q.n {
		b := q.blocks[i]
		copy(q.blocks[1:i+1], q.blocks[:i])
		q.blocks[0] = b
	}
	q.later = 0
}

// report puts the block that r belongs to in front of the others.
func (q *reassembly) report(r header.SACKBlock) {
	if q.later > 0 { // crowds has done it
		return
	}
	kept := 0
	for _, b := range q.blocks[:q.n] {
		if b.Start.LessEq(r.End) && r.Start.LessEq(b.End) {
			r.Start, r.End = seq.Min(r.Start, b.Start), seq.Max(r.End, b.End)
			continue
		}
		q.blocks[kept] = b
		kept++
	}
	kept = min(kept, len(q.blocks)-1)
	copy(q.blocks[1:kept+1], q.blocks[:kept])
	q.blocks[0] = r
	q.n = int32(kept) + 1
}

// forget removes the blocks that lie before nxt, which is acknowledged.
func (q *reassembly) forget(nxt seq.Number) {
	q.rotate()
	kept := 0
	for _, b := range q.blocks[:q.n] {
		if nxt.Less(b.Start) {
			q.blocks[kept] = b
			kept++
		}
	}
	q.n = int32(kept)
}

// prune drops parts from the far end until at most limit bytes are charged. The peer must send them
// again, which RFC 2018 §8 allows.
func (q *reassembly) prune(limit int) {
	q.rotate()
	for q.cost > limit && q.parts.len() > 0 {
		c := q.parts.popBack()
		q.cost -= int(c.cost)
		c.piece.Release()
		for i := range q.n {
			b := &q.blocks[i]
			b.Start, b.End = seq.Min(b.Start, c.seq), seq.Min(b.End, c.seq)
		}
	}
	kept := 0
	for _, b := range q.blocks[:q.n] {
		if b.Start.Less(b.End) {
			q.blocks[kept] = b
			kept++
		}
	}
	q.n = int32(kept)
}

// endsAt reports whether n is where the last of the blocks that are reported ends.
func (q *reassembly) endsAt(n seq.Number) bool {
	if q.n == 0 {
		return false
	}
	last := q.blocks[0].End
	for _, b := range q.blocks[1:q.n] {
		last = seq.Max(last, b.End)
	}
	return n == last
}

// clear drops everything; with reports the blocks stay, for one more acknowledgement.
func (q *reassembly) clear(reports bool) {
	for q.parts.len() > 0 {
		c := q.parts.popFront()
		c.piece.Release()
	}
	old := *q
	if *q = (reassembly{}); reports {
		q.blocks, q.n, q.dup = old.blocks, old.n, old.dup
	}
}

// fillGap delivers the parts that have come into order. What the segment before them has brought once more is a
// duplicate to report.
func (t *TCB) fillGap() {
	q := &t.ooo
	filled := t.rcv.nxt
	for q.parts.len() > 0 {
		c := q.parts.first()
		if t.rcv.nxt.Less(c.seq) {
			break
		}
		part := q.parts.popFront()
		q.cost -= int(part.cost)
		if part.seq.Less(filled) && t.opt.sack && !t.conf.NoDSACK {
			q.extendDup(header.SACKBlock{Start: part.seq, End: seq.Min(part.end(), filled)})
		}
		if old := t.rcv.nxt.Sub(part.seq); old >= part.piece.Len() {
			part.piece.Release()
			continue
		} else {
			part.piece.TrimFront(old)
		}
		t.deliver(part.piece)
	}
	t.rcv.adv = seq.Max(t.rcv.adv, t.rcv.nxt)
	if !t.endsLast() {
		q.forget(t.rcv.nxt)
	}
}

// noteDuplicate remembers that [from, to) arrived twice.
func (t *TCB) noteDuplicate(from, to seq.Number) {
	if t.opt.sack && !t.conf.NoDSACK && from.Less(to) {
		t.ooo.dup = header.SACKBlock{Start: from, End: to}
	}
}

// sackBlocks puts what there is to report into o, at most room bytes of options.
func (t *TCB) sackBlocks(o *header.TCPOptions, room int) {
	q := &t.ooo
	limit := min((room-sackBase)/sackSize, len(o.SACK))
	if !t.opt.sack || limit <= 0 {
		return
	}
	n := 0
	if q.dup.Start != q.dup.End && !t.conf.NoDSACK {
		o.SACK[0] = q.dup
		n = 1
	}
	n += copy(o.SACK[n:limit], q.blocks[:q.n])
	o.NumSACK = uint8(n)
}
