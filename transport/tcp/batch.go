package tcp

import (
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/tcpip"
)

// Batch is data on its way from one connection's receive queue to another's send queue, without a copy (Endpoint.Take,
// Endpoint.Give). Its zero value is empty. Whoever has taken something gives it or releases it. It is not safe for
// concurrent use.
type Batch struct {
	pieces [batchPieces]slab.Piece // pieces[head:tail]
	head   int
	tail   int
	bytes  int
}

// Len returns the bytes in b.
func (b *Batch) Len() int { return b.bytes }

// Release gives back what is in b.
func (b *Batch) Release() {
	releasePieces(b.pieces[b.head:b.tail])
	b.head, b.tail, b.bytes = 0, 0, 0
}

// next takes the first piece out.
func (b *Batch) next() (p slab.Piece) {
	p, b.pieces[b.head] = b.pieces[b.head], slab.Piece{}
	b.bytes -= p.Len()
	if b.head++; b.head == b.tail {
		b.head, b.tail = 0, 0
	}
	return p
}

// Take moves received data into b, which is empty: a super-segment's worth at most, up to the urgent mark. It is Read
// otherwise: at the end of the stream it takes nothing and returns no error.
//
// Errors: those of Read.
func (e *Endpoint) Take(b *Batch) (int, error) {
	w := e.begin()
	err := e.take(b)
	e.end(w)
	return b.bytes, err.Err()
}

func (e *Endpoint) take(b *Batch) tcpip.Error {
	switch {
	case e.closed:
		return tcpip.ErrClosed
	case e.phase == phaseListening:
		return tcpip.ErrNotConnected
	}
	if e.opened {
		for _, p := range e.tcb.Readable() {
			if b.tail == len(b.pieces) || b.bytes > 0 && b.bytes+p.Len() > slab.Large {
				break
			}
			b.pieces[b.tail] = p.Share() // which will be the only one
			b.tail++
			b.bytes += p.Len()
		}
		if e.consume(b.bytes); b.bytes > 0 {
			return tcpip.OK
		}
	}
	return e.unreadable()
}

// Give moves the front of b into the send queue, as much as has room there. It is Write otherwise, and never blocks.
//
// Errors: those of Write.
func (e *Endpoint) Give(b *Batch) (int, error) {
	w := e.begin()
	n, err := e.give(b)
	if n > 0 && (e.opts.sock.Timestamping != 0 || e.opts.sock.ZeroCopy) {
		e.wrote(&tcpip.WriteOptions{})
	}
	e.end(w)
	return n, err.Err()
}

func (e *Endpoint) give(b *Batch) (n int, err tcpip.Error) {
	if e.deferred && !e.closed && e.err == tcpip.OK && b.bytes > 0 { // this goes with the SYN
		p := &b.pieces[b.head]
		n, err = e.writeSyn(p.Bytes())
		p.TrimFront(n)
		if b.bytes -= n; p.Len() == 0 {
			done := b.next()
			done.Release()
		}
		return n, err
	}
	if err = e.mayWrite(); err != tcpip.OK {
		return 0, err
	}
	e.refresh()
	pool := &e.proto.stack.Slabs
	for b.head < b.tail {
		short := pool.Short()
		e.tcb.SetShort(short)
		if e.tcb.Space() == 0 || short && e.tcb.Starved() {
			break
		}
		p := b.next()
		n += p.Len()
		e.enqueue(p)
	}
	if n == 0 && b.bytes > 0 {
		return 0, tcpip.ErrWouldBlock
	}
	e.tcb.SetMore(e.lock.now, false)
	return n, tcpip.OK
}

// enqueue puts p, of another connection, into the send queue: as it is if it fills half its slab, so that the send queue
// costs no more than twice what it holds, and else as a copy, unless memory is short.
func (e *Endpoint) enqueue(p slab.Piece) {
	if 2*p.Len() < p.Cost() {
		if k := e.tcb.Append(e.lock.now, p.Bytes()); k > 0 {
			p.TrimFront(k)
		}
		if p.Len() > 0 {
			p = p.Compact(&e.proto.stack.Slabs)
		}
	}
	e.tcb.Give(e.lock.now, p)
}
