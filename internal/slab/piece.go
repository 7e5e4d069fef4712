package slab

// Piece is a run of bytes inside a slab, and a share of its ownership: every Piece is released
// exactly once, or given away. The zero Piece is empty and owns nothing. A Piece is a plain value;
// copying it does not make a second share (Share does). It is not safe for concurrent use, but
// Pieces of one slab may be used by different goroutines.
type Piece struct {
	s      *Slab
	off, n uint32
}

// Bytes returns the bytes. They are read-only unless the caller has just taken the slab from the pool.
func (p Piece) Bytes() []byte {
	if p.s == nil {
		return nil
	}
	return p.s.buf[p.off : p.off+p.n : p.off+p.n]
}

// Len returns the number of bytes.
func (p Piece) Len() int { return int(p.n) }

// IsZero reports whether p is the zero Piece, which needs no release.
func (p Piece) IsZero() bool { return p.s == nil }

// Cost returns the size of the whole slab in bytes: what p keeps from being reused.
func (p Piece) Cost() int {
	if p.s == nil {
		return 0
	}
	return len(p.s.buf)
}

// Share returns a second Piece over the same bytes.
func (p Piece) Share() Piece {
	if p.s != nil {
		p.s.refs.Add(1)
	}
	return p
}

// Slice returns a second Piece over the bytes [from, to) of p.
func (p Piece) Slice(from, to int) Piece {
	_ = p.Bytes()[from:to] // panics where the range is wrong
	q := p.Share()
	q.off += uint32(from)
	q.n = uint32(to - from)
	return q
}

// TrimFront removes the first n bytes, n <= Len.
func (p *Piece) TrimFront(n int) {
	if uint32(n) > p.n {
		panic("slab: TrimFront beyond the piece")
	}
	p.off += uint32(n)
	p.n -= uint32(n)
}

// Truncate shortens p to its first n bytes, n <= Len.
func (p *Piece) Truncate(n int) {
	if uint32(n) > p.n {
		panic("slab: Truncate beyond the piece")
	}
	p.n = uint32(n)
}

// Split cuts p after n bytes, 0 <= n <= Len; p keeps the front, the rest is returned.
func (p *Piece) Split(n int) Piece {
	rest := p.Slice(n, p.Len())
	p.Truncate(n)
	return rest
}

// Join makes p longer by the bytes of q, and q zero, if these follow p's in the same slab, and reports
// whether it did.
func (p *Piece) Join(q *Piece) bool {
	if p.s == nil || p.s != q.s || p.off+p.n != q.off {
		return false
	}
	p.n += q.n
	q.Release()
	return true
}

// Room returns how many bytes Append can take: what is left of the slab behind p, if p ends where
// the slab's used bytes end.
func (p Piece) Room() int {
	if p.s == nil || p.off+p.n != p.s.fill {
		return 0
	}
	return len(p.s.buf) - int(p.s.fill)
}

// Append copies as much of b as there is room for behind p, makes p longer and returns how much that
// was. Only one goroutine may append to a slab; shares of the bytes already there may be read
// meanwhile.
func (p *Piece) Append(b []byte) int {
	n := copy(p.Extend(min(len(b), p.Room())), b)
	return n
}

// Extend makes p longer by n bytes, n <= Room, and returns them for the caller to fill.
func (p *Piece) Extend(n int) []byte {
	if uint(n) > uint(p.Room()) {
		panic("slab: Extend beyond the slab")
	}
	if n == 0 {
		return nil
	}
	from := p.off + p.n
	p.n += uint32(n)
	p.s.fill += uint32(n)
	return p.s.buf[from : from+uint32(n) : from+uint32(n)]
}

// Reserve moves the start of an empty Piece n bytes into its slab, leaving headroom.
func (p *Piece) Reserve(n int) {
	if p.n != 0 || p.s.fill != 0 {
		panic("slab: Reserve in a piece in use")
	}
	p.off = uint32(n)
	p.s.fill = uint32(n)
}

// Headroom returns how many bytes lie between the front of the slab and p.
func (p Piece) Headroom() int { return int(p.off) }

// Prepend makes p longer by n bytes at its front, n <= Headroom, and returns them. Only the sole
// owner of a slab may write in front of a Piece.
func (p *Piece) Prepend(n int) []byte {
	if uint32(n) > p.off {
		panic("slab: Prepend beyond the slab")
	}
	p.off -= uint32(n)
	p.n += uint32(n)
	return p.s.buf[p.off : p.off+uint32(n) : p.off+uint32(n)]
}

// Storage returns the slab's bytes from its start to the end of p, headroom included. Only the sole
// owner of a slab may write there.
func (p Piece) Storage() []byte {
	if p.s == nil {
		return nil
	}
	return p.s.buf[: p.off+p.n : p.off+p.n]
}

// Sole reports whether p is the only Piece of its slab.
func (p Piece) Sole() bool { return p.s != nil && p.s.refs.Load() == 1 }

// Release gives p up and makes it zero.
func (p *Piece) Release() {
	if p.s != nil {
		p.s.release()
		*p = Piece{}
	}
}

// Compact returns a Piece with the bytes of p that wastes less: p itself where it fills at least
// half of its slab or is Small already, and otherwise a copy in the smallest class that fits, with
// p released. What is going to stay in a queue goes through here.
func (p Piece) Compact(pool *Pool) Piece {
	if p.s == nil || p.s.class == 0 || 2*p.Len() >= len(p.s.buf) || classFor(p.Len()) == p.s.class {
		return p
	}
	q, ok := pool.Copy(p.Bytes())
	if !ok {
		return p
	}
	p.Release()
	return q
}
