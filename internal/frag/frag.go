// Package frag puts datagrams together from their fragments, for IPv4 (RFC 791 §3.2) and IPv6 (RFC 8200
// §4.5) alike: a machine without packets, clock or lock, bounded in memory.
package frag

import (
	"net/netip"
	"slices"
	"time"

	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/tcpip"
)

// Key names a datagram.
type Key struct {
	Src, Dst netip.Addr
	ID       uint32
	Proto    uint8       // IPv4 only (RFC 791 §3.2)
	NIC      tcpip.NICID // where it arrives, if its addresses mean something on one link only
}

// Fragment is one arriving fragment.
type Fragment struct {
	Key
	Arrived tcpip.NICID
	Offset  int  // of the data in the datagram, bytes; a multiple of 8
	More    bool // it is not the last
	ECN     uint8
	Size    int // bytes of the packet, headers included

	Head []byte       // the first fragment's: the headers for the datagram; copied
	Data []slab.Piece // borrowed until Add returns DropNone, and taken then
}

// Datagram is what came of one: complete, or lost. It owns its pieces.
type Datagram struct {
	Key
	Arrived   tcpip.NICID  // where the first fragment did
	Head      slab.Piece   // of the first fragment; zero if that never came
	Data      []slab.Piece // in order, from the beginning if there is a Head
	Len       int          // bytes of Data
	Prefix    int          // bytes of Data that are without a gap from the datagram's beginning
	Size      int          // bytes of the largest fragment, headers included
	CE        bool         // a fragment was marked, and so is the datagram (RFC 3168 §5.3)
	Fragments int
}

// Release gives back what the datagram holds.
func (d *Datagram) Release() {
	d.Head.Release()
	for i := range d.Data {
		d.Data[i].Release()
	}
	d.Data = d.Data[:0]
}

// Result says what became of a fragment and, because of it, of others.
type Result struct {
	Drop     tcpip.Drop // DropNone: kept, or part of a datagram that is complete now
	Complete bool
	Killed   int // earlier fragments of its datagram, lost for the same reason
	Evicted  int // fragments of older datagrams, lost to DropFragmentLimit
}

// Conf has a table's bounds.
type Conf struct {
	Memory       int // bytes of everything kept
	SourceMemory int // bytes of what is kept from one source
	Timeout      time.Duration
}

// Table is a set of incomplete datagrams. A zero Table must be made ready with Init. It is not safe for
// concurrent use.
type Table struct {
	conf    Conf
	pool    *slab.Pool
	index   map[Key]*partial
	sources map[netip.Addr]*source
	memory  int  // bytes kept
	all     list // by age, which is the order of deadlines too

	free        []*partial
	freeSources []*source
}

// source is one sender.
type source struct {
	memory int  // bytes kept
	own    list // its datagrams by age
}

// partial is an incomplete datagram, or the memory of one that was killed.
type partial struct {
	key      Key
	from     *source
	deadline tcpip.Time
	links    [2]links // in the list of all and in that of the source

	arrived tcpip.NICID
	head    slab.Piece
	spans   []span // in order; none overlaps another
	have    int    // bytes of the spans
	total   int    // bytes of the datagram; -1 until the last fragment has come
	size    int    // bytes of the largest fragment
	ecn     uint8  // the codepoints seen, a bit each
	cost    int    // bytes charged
	dead    tcpip.Drop
}

// span is a fragment's data: the bytes [from, to) of the datagram.
type span struct {
	from, to int32
	piece    slab.Piece
	more     []slab.Piece // behind piece, if the fragment came in several
}

// Init makes the table empty and ready. Fragments that would waste memory are copied into slabs of pool.
func (t *Table) Init(c Conf, pool *slab.Pool) {
	c.SourceMemory = min(c.SourceMemory, c.Memory)
	*t = Table{conf: c, pool: pool, index: make(map[Key]*partial), sources: make(map[netip.Addr]*source)}
	t.all.which = listAll
}

// Add takes a fragment, and fills out if that completes its datagram.
//
// A fragment that overlaps others kills its datagram, and those that come after it die with it until its
// time is over (RFC 5722 §4); so does one that contradicts the datagram's end, or its ECN marks (RFC 3168
// §5.3). An exact duplicate is dropped alone, as RFC 8200 §4.5 allows: DropOldData. Where memory is
// short the oldest datagrams go, of the same source if it has more than its share.
func (t *Table) Add(now tcpip.Time, f *Fragment, out *Datagram) Result {
	n := 0
	for _, d := range f.Data {
		n += d.Len()
	}
	end := f.Offset + n
	if n == 0 || f.Offset < 0 || f.Offset%8 != 0 || f.More && n%8 != 0 || end > maxLength {
		return Result{Drop: tcpip.DropFragmentBad}
	}
	p := t.index[f.Key]
	if p == nil {
		p = t.create(now, f.Key)
	}
	if p.dead != tcpip.DropNone {
		return Result{Drop: p.dead}
	}
	at, drop := p.place(f, end)
	switch {
	case drop == tcpip.DropFragmentBad || drop == tcpip.DropFragmentOverlap:
		killed := t.kill(p, drop)
		return Result{Drop: drop, Killed: killed}
	case drop != tcpip.DropNone:
		return Result{Drop: drop}
	}
	if f.Offset == 0 {
		head, ok := t.pool.Copy(f.Head)
		if !ok {
			if p.have == 0 {
				t.remove(p)
			}
			return Result{Drop: tcpip.DropNoMemory}
		}
		p.head, p.arrived = head, f.Arrived
		t.charge(p, head.Cost())
	}
	s := span{from: int32(f.Offset), to: int32(end), piece: f.Data[0].Compact(t.pool)}
	t.charge(p, s.piece.Cost())
	for _, d := range f.Data[1:] {
		d = d.Compact(t.pool)
		s.more = append(s.more, d)
		t.charge(p, d.Cost())
	}
	p.spans = slices.Insert(p.spans, at, s)
	p.have += n
	p.size = max(p.size, f.Size)
	p.ecn |= 1 << (f.ECN & 3)
	if !f.More {
		p.total = end
	}
	if p.have == p.total {
		t.take(p, out)
		t.remove(p)
		return Result{Complete: true}
	}
	return t.evict(p)
}

// place returns where among the spans f belongs, or what is wrong with it.
func (p *partial) place(f *Fragment, end int) (at int, drop tcpip.Drop) {
	n := len(p.spans)
	switch {
	case p.total >= 0 && (end > p.total || !f.More && end != p.total),
		!f.More && n > 0 && int(p.spans[n-1].to) > end:
		return 0, tcpip.DropFragmentBad
	}
	at, found := n, false
	if n > 0 && int(p.spans[n-1].to) > f.Offset { // not in order, as most come
		at, found = slices.BinarySearchFunc(p.spans, int32(f.Offset), func(s span, from int32) int { return int(s.from - from) })
	}
	switch {
	case found && int(p.spans[at].to) == end:
		return 0, tcpip.DropOldData
	case found,
		at > 0 && int(p.spans[at-1].to) > f.Offset,
		at < n && int(p.spans[at].from) < end:
		return 0, tcpip.DropFragmentOverlap
	case n >= maxFragments:
		return 0, tcpip.DropFragmentLimit
	}
	// A datagram is ECN-capable as a whole or not at all (RFC 3168 §5.3).
	if ecn := p.ecn | 1<<(f.ECN&3); ecn&1 != 0 && ecn != 1 {
		return 0, tcpip.DropFragmentBad
	}
	return at, tcpip.DropNone
}

// Deadline returns when Expire is next needed; zero means never.
func (t *Table) Deadline() tcpip.Time {
	if t.all.oldest == nil {
		return 0
	}
	return t.all.oldest.deadline
}

// Expire removes one datagram whose time is over, fills out with what there was of it, and reports
// whether there was one to tell of. Call it until it reports false.
func (t *Table) Expire(now tcpip.Time, out *Datagram) bool {
	for p := t.all.oldest; p != nil && p.deadline <= now; p = t.all.oldest {
		told := p.dead == tcpip.DropNone
		if told {
			t.take(p, out)
		}
		t.remove(p)
		if told {
			return true
		}
	}
	return false
}

// Clear forgets everything and returns how many fragments there were.
func (t *Table) Clear() (lost int) {
	for p := t.all.oldest; p != nil; p = t.all.oldest {
		lost += len(p.spans)
		t.remove(p)
	}
	return lost
}

// Len returns how many datagrams are incomplete, the killed ones included.
func (t *Table) Len() int { return len(t.index) }

// Memory returns the bytes that are charged to the table.
func (t *Table) Memory() int { return t.memory }
