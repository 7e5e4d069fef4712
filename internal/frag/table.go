package frag

import (
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/tcpip"
)

// create makes a datagram that waits for its fragments.
func (t *Table) create(now tcpip.Time, k Key) *partial {
	var p *partial
	if n := len(t.free); n > 0 {
		p, t.free = t.free[n-1], t.free[:n-1]
	} else {
		p = new(partial)
	}
	src := t.sources[k.Src]
	if src == nil {
		if n := len(t.freeSources); n > 0 {
			src, t.freeSources = t.freeSources[n-1], t.freeSources[:n-1]
		} else {
			src = &source{own: list{which: listOwn}}
		}
		t.sources[k.Src] = src
	}
	*p = partial{key: k, from: src, deadline: now.Add(t.conf.Timeout), total: -1, spans: p.spans[:0]}
	t.index[k] = p
	t.all.push(p)
	src.own.push(p)
	t.charge(p, overhead)
	return p
}

// charge counts bytes that p keeps.
func (t *Table) charge(p *partial, bytes int) {
	p.cost += bytes
	p.from.memory += bytes
	t.memory += bytes
}

// empty releases p's pieces and returns how many fragments there were.
func (t *Table) empty(p *partial) (fragments int) {
	fragments = len(p.spans)
	p.head.Release()
	for i := range p.spans {
		s := &p.spans[i]
		s.piece.Release()
		for j := range s.more {
			s.more[j].Release()
		}
		s.more = nil
	}
	p.spans = p.spans[:0]
	t.charge(p, overhead-p.cost)
	return fragments
}

// kill empties a datagram and keeps it, so that what comes of it later dies too. It returns how many
// fragments were lost.
func (t *Table) kill(p *partial, why tcpip.Drop) int {
	p.dead = why
	return t.empty(p)
}

// take moves what p has into out.
func (t *Table) take(p *partial, out *Datagram) {
	data := out.Data[:0]
	*out = Datagram{
		Key: p.key, Arrived: p.arrived, Head: p.head, Len: p.have, Size: p.size, CE: p.ecn&(1<<3) != 0, Fragments: len(p.spans),
	}
	for i := range p.spans {
		s := &p.spans[i]
		if int(s.from) == out.Prefix {
			out.Prefix = int(s.to)
		}
		data = append(append(data, s.piece), s.more...)
		*s = span{}
	}
	out.Data = data
	p.spans = p.spans[:0]
	p.head = slab.Piece{}
}

// remove forgets p and releases what it has.
func (t *Table) remove(p *partial) {
	t.empty(p)
	t.charge(p, -p.cost)
	delete(t.index, p.key)
	t.all.remove(p)
	p.from.own.remove(p)
	if p.from.own.oldest == nil {
		delete(t.sources, p.key.Src)
		if len(t.freeSources) < maxKept {
			t.freeSources = append(t.freeSources, p.from)
		}
	}
	p.from = nil
	if len(t.free) < maxKept && cap(p.spans) <= maxKeptSpans {
		t.free = append(t.free, p)
	}
}

// evict removes the oldest datagrams until the bounds are kept: those of p's source if it has more than
// its share, else those of everybody. p itself goes last.
func (t *Table) evict(p *partial) (r Result) {
	src := p.from
	for src.memory > t.conf.SourceMemory && p.from != nil {
		r.Evicted += t.evictFrom(&src.own, p)
	}
	for t.memory > t.conf.Memory && p.from != nil {
		r.Evicted += t.evictFrom(&t.all, p)
	}
	return r
}

// evictFrom removes the oldest of l but p, or p if it is alone, and returns the fragments lost.
func (t *Table) evictFrom(l *list, p *partial) int {
	victim := l.oldest
	if victim == p && p.links[l.which].next != nil {
		victim = p.links[l.which].next
	}
	lost := len(victim.spans)
	t.remove(victim)
	return lost
}

// The two lists that a datagram is on.
const (
	listAll = iota
	listOwn
)

// list has datagrams in the order of their age.
type list struct {
	which          int
	oldest, newest *partial
}

type links struct{ prev, next *partial }

func (l *list) push(p *partial) {
	p.links[l.which] = links{prev: l.newest}
	if l.newest != nil {
		l.newest.links[l.which].next = p
	} else {
		l.oldest = p
	}
	l.newest = p
}

func (l *list) remove(p *partial) {
	k := p.links[l.which]
	if k.prev != nil {
		k.prev.links[l.which].next = k.next
	} else {
		l.oldest = k.next
	}
	if k.next != nil {
		k.next.links[l.which].prev = k.prev
	} else {
		l.newest = k.prev
	}
	p.links[l.which] = links{}
}
