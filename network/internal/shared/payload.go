package shared

import (
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/stack"
)

// Payload is the bytes of a packet behind its headers, on their way into fragments, which share them.
type Payload struct {
	pieces []slab.Piece
	next   int // the first piece that is left
	len    int // bytes left
}

// Scratch is where a Payload's pieces are kept, on the caller's stack.
type Scratch [scratchPieces]slab.Piece

// TakePayload takes what lies behind the first n bytes of p's front. It reports false, and takes nothing, if
// memory is short.
func TakePayload(p *stack.Packet, n int, scratch *Scratch) (Payload, bool) {
	if !p.SplitFront(n) {
		return Payload{}, false
	}
	size := p.DataLen()
	return Payload{pieces: p.TakeData(scratch[:0]), len: size}, true
}

// Len returns how many bytes are left.
func (b *Payload) Len() int { return b.len }

// MoveTo moves the next n bytes, n <= Len, to the end of p.
func (b *Payload) MoveTo(p *stack.Packet, n int) {
	b.len -= n
	for n > 0 {
		d := &b.pieces[b.next]
		if d.Len() > n {
			rest := d.Split(n)
			p.AppendData(*d)
			*d = rest
			return
		}
		n -= d.Len()
		p.AppendData(*d)
		*d = slab.Piece{}
		b.next++
	}
}

// Release gives back what is left.
func (b *Payload) Release() {
	for i := b.next; i < len(b.pieces); i++ {
		b.pieces[i].Release()
	}
	b.pieces, b.next, b.len = nil, 0, 0
}

// Like makes q, a fragment of p, say of itself what p does.
func Like(q, p *stack.Packet) {
	q.NIC, q.EtherType, q.Src, q.Dst, q.Proto = p.NIC, p.EtherType, p.Src, p.Dst, p.Proto
	q.TTL, q.TOS, q.At, q.Forwarded, q.Hash = p.TTL, p.TOS, p.At, p.Forwarded, p.Hash
	q.Mark, q.Priority = p.Mark, p.Priority
}
