// Package slab is where payload lives: pooled slabs of bytes, and Pieces of them that queues,
// packets and machines share without copying.
//
// A slab comes in one of three sizes. Its bytes are written once, by whoever took it from the pool,
// before the first Piece of it is shared; from then on they are read-only, except for the spare room
// at its end, which the owner of the last Piece may fill (Piece.Append).
package slab

import (
	"sync"
	"sync/atomic"
)

// The usable sizes of the classes in bytes, chosen for a header or a small datagram, for one
// Ethernet frame, and for the largest super-segment with its link header.
const (
	Small  = 256
	Medium = 2048
	Large  = 65536 + 256
)

var sizes = [...]int{Small, Medium, Large}

// Slab is a pooled run of bytes.
type Slab struct {
	refs  atomic.Int32
	fill  uint32 // bytes in use, counted from the front; only the last Piece's owner moves it
	class uint8
	home  *Pool
	buf   []byte
}

// Pool is the source of slabs of one stack. Its zero value is ready to use and has no limit. It is
// safe for concurrent use, and slabs find their way home from wherever they are released.
type Pool struct {
	limit   atomic.Int64 // bytes; 0 is no limit
	classes [len(sizes)]class
}

type class struct {
	live atomic.Int64
	pool sync.Pool
	_    [40]byte // keeps the counters of two classes off one cache line
}

// SetLimit bounds the bytes of live slabs; 0 removes the bound. Slabs already handed out stay.
func (p *Pool) SetLimit(bytes int64) { p.limit.Store(bytes) }

// Short reports whether more than seven eighths of the limit are out. What is kept for long then had better be less: the
// rest is for what passes through.
func (p *Pool) Short() bool {
	limit := p.limit.Load()
	return limit != 0 && p.Live() > limit-limit/8
}

// Live returns the bytes of all slabs that are handed out and not yet released.
func (p *Pool) Live() int64 {
	var n int64
	for i := range p.classes {
		n += p.classes[i].live.Load() * int64(sizes[i])
	}
	return n
}

// Get returns an empty Piece over a fresh slab with room for at least n bytes, n <= Large. The bytes
// are whatever was there before. ok is false, and the Piece zero, if the pool's limit is reached.
func (p *Pool) Get(n int) (_ Piece, ok bool) {
	c := classFor(n)
	cl := &p.classes[c]
	cl.live.Add(1)
	if limit := p.limit.Load(); limit != 0 && p.Live() > limit {
		cl.live.Add(-1)
		return Piece{}, false
	}
	return p.take(c), true
}

// GetAnyway is Get that does not look at the limit. It is for the little without which nothing would ever be given back,
// and whoever calls it bounds it.
func (p *Pool) GetAnyway(n int) Piece {
	c := classFor(n)
	p.classes[c].live.Add(1)
	return p.take(c)
}

// take returns an empty Piece over a slab of class c, which is counted already.
func (p *Pool) take(c uint8) Piece {
	cl := &p.classes[c]
	s, _ := cl.pool.Get().(*Slab)
	if s == nil {
		s = &Slab{class: c, home: p, buf: make([]byte, sizes[c])}
	}
	s.fill = 0
	s.refs.Store(1)
	return Piece{s: s}
}

func classFor(n int) uint8 {
	switch {
	case n <= Small:
		return 0
	case n <= Medium:
		return 1
	case n <= Large:
		return 2
	}
	panic("slab: Get of more than Large")
}

// Copy returns a Piece that holds a copy of b, len(b) <= Large, in the smallest class that fits.
func (p *Pool) Copy(b []byte) (_ Piece, ok bool) {
	q, ok := p.Get(len(b))
	if ok {
		q.Append(b)
	}
	return q, ok
}

func (s *Slab) release() {
	n := s.refs.Add(-1)
	if n > 0 {
		return
	}
	if n < 0 {
		panic("slab: released twice")
	}
	poison(s.buf)
	cl := &s.home.classes[s.class]
	cl.live.Add(-1)
	cl.pool.Put(s)
}
