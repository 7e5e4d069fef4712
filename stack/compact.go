package stack

// packetCost is what a Packet itself takes, in bytes.
const packetCost = 768

// Cost returns the bytes of memory that the packet keeps from being reused: what limits of queues count.
func (p *Packet) Cost() int {
	n := packetCost + p.store.Cost()
	for _, d := range p.data {
		n += d.Cost()
	}
	return n
}

// Compact moves what fills little of its slab into a smaller one. A packet that is going to wait in a
// queue goes through here.
func (p *Packet) Compact() {
	slabs := &p.stack.Slabs
	for i := range p.data {
		p.data[i] = p.data[i].Compact(slabs)
	}
	front := p.Front()
	if p.store.IsZero() || 2*(cloneHeadroom+len(front)) >= p.store.Cost() {
		return
	}
	piece, ok := slabs.Get(cloneHeadroom + len(front))
	if !ok {
		return
	}
	if piece.Cost() >= p.store.Cost() {
		piece.Release()
		return
	}
	piece.Reserve(cloneHeadroom)
	piece.Append(front)
	if p.net >= 0 {
		p.net += cloneHeadroom - p.off
	}
	if p.trans >= 0 {
		p.trans += cloneHeadroom - p.off
	}
	p.store.Release()
	p.store, p.buf = piece, piece.Storage()
	p.off, p.end = cloneHeadroom, cloneHeadroom+len(front)
}
