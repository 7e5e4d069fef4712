package tcb

import (
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/internal/slab"
)

// chunk is a Piece of the stream and the sequence number of its first byte.
type chunk struct {
	piece  slab.Piece
	seq    seq.Number
	cost   int32 // what it is accounted with, bytes
	last   bool  // of a record
	quiet  bool  // whose end is not pushed
	sealed bool  // somebody else may write behind it in its slab
}

func (c *chunk) end() seq.Number { return c.seq.Add(c.piece.Len()) }

// sendQueue holds what the user has written and the peer has not acknowledged.
type sendQueue struct {
	chunks deque[chunk]
	end    seq.Number // one after the last byte
	gather seq.Number // where the super-segment begins in which data gathers, if that is not sent yet
	cost   int        // bytes of the slabs
	ends   int        // chunks that end a record
}

func (q *sendQueue) append(p slab.Piece) {
	q.cost += p.Cost()
	q.chunks.pushBack(chunk{piece: p, seq: q.end, cost: int32(p.Cost())})
	q.end = q.end.Add(p.Len())
}

// spare returns how many bytes extend can take.
func (q *sendQueue) spare() int {
	if q.chunks.len() == 0 || q.closed() {
		return 0
	}
	return q.chunks.last().room()
}

// room returns how many bytes may be written behind c in its slab.
func (c *chunk) room() int {
	if c.sealed { // others have their eyes, and perhaps their hands, there
		return 0
	}
	return c.piece.Room()
}

// used returns the bytes of slabs in use: without the room left behind the last byte, and without what una
// acknowledges, though both are held.
func (q *sendQueue) used(una seq.Number) int {
	if q.chunks.len() == 0 {
		return 0
	}
	return max(q.cost-q.chunks.last().room()-max(una.Sub(q.chunks.first().seq), 0), 0)
}

// extend copies b behind the last byte, into room that its slab has to spare, and returns how much
// that was. Bytes that were sent are not touched.
func (q *sendQueue) extend(b []byte) int {
	n := q.chunks.last().piece.Append(b)
	q.end = q.end.Add(n)
	return n
}

// ack releases what lies wholly before una.
func (q *sendQueue) ack(una seq.Number) {
	for q.chunks.len() > 0 {
		c := q.chunks.first()
		if una.Less(c.end()) {
			return
		}
		q.cost -= int(c.cost)
		if c.last {
			q.ends--
		}
		c.piece.Release()
		q.chunks.popFront()
	}
}

// endRecord makes what was queued last the end of a record, which is not pushed if it is quiet.
func (q *sendQueue) endRecord(quiet bool) {
	if q.chunks.len() > 0 && !q.closed() {
		q.chunks.last().last, q.chunks.last().quiet = true, quiet
		q.ends++
	}
}

// closed reports whether what was queued last is the end of a record, and nothing joins it.
func (q *sendQueue) closed() bool { return q.chunks.len() > 0 && q.chunks.last().last }

// pushesAt reports whether a record ends at end and is pushed.
func (q *sendQueue) pushesAt(end seq.Number) bool {
	c := q.recordEnd(end - 1)
	return c != nil && c.end() == end && !c.quiet && end != q.end
}

// recordEnd returns the chunk that ends the record of the byte at from, nil if none does yet.
func (q *sendQueue) recordEnd(from seq.Number) *chunk {
	if q.ends == 0 {
		return nil
	}
	for i := range q.chunks.len() {
		if c := q.chunks.at(i); c.last && from.Less(c.end()) {
			return c
		}
	}
	return nil
}

// record returns how many bytes from from on are of one record.
func (q *sendQueue) record(from seq.Number) int {
	if c := q.recordEnd(from); c != nil {
		return c.end().Sub(from)
	}
	return q.end.Sub(from)
}

// endsAt reports whether a record ends at end.
func (q *sendQueue) endsAt(end seq.Number) bool {
	return q.ends > 0 && q.record(end-1) == 1 && end != q.end
}

// maxPieces bounds the pieces of one segment, where more than one wire segment is at hand.
const maxPieces = 64

// take appends to dst shares of up to n bytes from from on, and returns how many bytes they are.
// Beyond maxPieces it stops, though not before least bytes.
func (q *sendQueue) take(dst []slab.Piece, from seq.Number, n, least int) ([]slab.Piece, int) {
	lo, hi := 0, q.chunks.len()
	for lo < hi { // the last chunk that starts at or before from
		mid := (lo + hi) / 2
		if q.chunks.at(mid).seq.LessEq(from) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	got := 0
	for i := lo - 1; got < n; i++ {
		if len(dst) >= maxPieces && got >= least {
			break
		}
		c := q.chunks.at(i)
		off := from.Add(got).Sub(c.seq)
		k := min(c.piece.Len()-off, n-got)
		dst = append(dst, c.piece.Slice(off, off+k))
		got += k
	}
	return dst, got
}

func (q *sendQueue) clear() {
	for q.chunks.len() > 0 {
		c := q.chunks.popFront()
		c.piece.Release()
	}
	q.chunks.trim(0)
	q.cost, q.ends = 0, 0
}

// chargeRoom is what fits into the buffers that Linux takes for one frame, payload without options, bytes: classes of its
// allocator less what goes beside and in front of the payload. What is more goes into pages, behind as much as fits into
// the last.
var chargeRoom = [...]struct{ payload, buffer int }{{152, 576}, {600, 1024}, {1624, 2048}, {3672, 4096}, {7768, 8192}}

const (
	chargePages = 3672 // of a frame that is partly in pages, what is not; it is in a buffer of a page, too
	pageSize    = 4096
	chargeHead  = 256 // for the head of a buffer, and charged beside it
)

// charge returns what n bytes of payload that came in one frame are accounted with in a receive queue, bytes. It is
// what Linux charges on a TUN device, so that a program that sets SO_RCVBUF gets the same windows; a slab takes about
// as much.
func charge(n int) int {
	for _, c := range chargeRoom {
		if n <= c.payload {
			return c.buffer + chargeHead
		}
	}
	return pageSize + (n-chargePages+pageSize-1)/pageSize*pageSize + chargeHead
}

// chargeSpare returns how many bytes the buffer of n bytes of payload has room for behind them.
func chargeSpare(n int) int {
	for _, c := range chargeRoom {
		if n <= c.payload && n <= chargePages {
			return c.payload - n
		}
	}
	return 0
}

// receiveQueue holds what is ready for the user.
type receiveQueue struct {
	pieces []slab.Piece // pieces[head:]
	head   int
	n      int         // bytes
	cost   int         // charged
	front  int32       // bytes that were read of the first piece, and are charged until all are
	sealed bool        // the last piece ends at a mark and may not grow
	spare  *slab.Piece // the empty end of a large slab that has room for more; nil: there is none
}

func (q *receiveQueue) push(p slab.Piece) {
	q.n += p.Len()
	sealed := q.sealed
	q.sealed = false
	if 2*p.Len() < p.Cost() {
		if !sealed && q.join(p) {
			return
		}
		p = q.pack(p)
	}
	if len(q.pieces) == cap(q.pieces) && q.head > len(q.pieces)/2 {
		n := copy(q.pieces, q.pieces[q.head:])
		clear(q.pieces[n:])
		q.pieces, q.head = q.pieces[:n], 0
	}
	q.pieces = append(q.pieces, p)
	q.cost += charge(p.Len())
}

// join puts a small piece into its neighbour's spare room, if nobody else can see it: there it costs nothing.
func (q *receiveQueue) join(p slab.Piece) bool {
	last := len(q.pieces) - 1
	if last < q.head {
		return false
	}
	tail, full := &q.pieces[last], q.pieces[last].Len()
	if last == q.head {
		full += int(q.front)
	}
	if !tail.Sole() || tail.Room() < p.Len() || chargeSpare(full) < p.Len() {
		return false
	}
	tail.Append(p.Bytes())
	p.Release()
	return true
}

// pack returns a piece with the bytes of p that is to stay: where the slab of p is more than twice what p is charged with,
// as that of a frame of 9000 bytes is, in one that several such share. What memory is held is then at most twice what is
// charged, but for the first and the last slab.
func (q *receiveQueue) pack(p slab.Piece) slab.Piece {
	switch {
	case 2*charge(p.Len()) >= p.Cost():
		return p
	case q.spare != nil && q.spare.Room() > p.Len():
		end := *q.spare
		end.Append(p.Bytes())
		p.Release()
		*q.spare = end.Split(end.Len())
		p = end
	case p.Sole() && p.Room() > 0: // the next ones go into its slab
		q.unspare()
		end := p.Slice(p.Len(), p.Len())
		q.spare = &end
	default:
		return p
	}
	q.spare.Extend(1) // nobody else adds to the slab behind p
	q.spare.TrimFront(1)
	return p
}

// unspare gives the spare room back.
func (q *receiveQueue) unspare() {
	if q.spare != nil {
		q.spare.Release()
		q.spare = nil
	}
}

// consume releases the first n bytes.
func (q *receiveQueue) consume(n int) {
	q.n -= n
	for n > 0 {
		p := &q.pieces[q.head]
		if n < p.Len() {
			p.TrimFront(n)
			q.front += int32(n)
			return
		}
		q.cost -= charge(int(q.front) + p.Len())
		q.front = 0
		n -= p.Len()
		p.Release()
		q.head++
	}
	if q.head == len(q.pieces) {
		q.pieces, q.head = q.pieces[:0], 0
		q.unspare()
	}
}

// trim gives the array back if it is empty.
func (q *receiveQueue) trim() {
	if len(q.pieces) == 0 {
		q.pieces = nil
		q.unspare()
	}
}

func (q *receiveQueue) clear() {
	for i := q.head; i < len(q.pieces); i++ {
		q.pieces[i].Release()
	}
	q.unspare()
	*q = receiveQueue{}
}

// releaseAll releases pieces and forgets them.
func releaseAll(pieces []slab.Piece) {
	for i := range pieces {
		pieces[i].Release()
	}
}
