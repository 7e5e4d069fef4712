package transport

import (
	"net/netip"
	"sync"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Quota bounds what strangers may hold, in total and per source, and tells of what it refuses.
type Quota struct {
	total, part int

	mu      sync.Mutex // a leaf
	n       int
	most    int                // sources since the map was made
	sources map[netip.Addr]int // never walked
	refused [2]uint64          // in total, of a source
	missed  uint64
	waiting int // refusals in hook
	tells   bool
	closed  bool
	hook    Dispatcher[Refusal]
}

// Init makes q ready; most is the bound where o does not say.
func (q *Quota) Init(clock tcpip.Clock, o *HandleOptions, most int) {
	q.total = max(o.Max.Or(most), 0)
	q.part = max(o.MaxPerSource.Or(max(q.total/4, 1)), 0)
	q.sources = make(map[netip.Addr]int)
	if q.tells = o.Refused != nil; q.tells {
		one := HandleOptions{Handlers: tcpip.Set(1), Panicked: o.Panicked}
		q.hook.Init(clock, &one, func(r Refusal) {
			q.mu.Lock()
			q.waiting--
			q.mu.Unlock()
			o.Refused(r)
		}, func(Refusal) {})
	}
}

// sourceOf returns what of a source's address counts as one.
func sourceOf(a netip.Addr) netip.Addr {
	if a.Is4() {
		return a
	}
	p, _ := a.WithZone("").Prefix(64)
	return p.Addr()
}

// Take takes a place for a flow of id that arrived on nic, or counts and reports that there is none.
func (q *Quota) Take(id stack.FlowID, nic tcpip.NICID) bool {
	src := sourceOf(id.Remote.Addr())
	q.mu.Lock()
	defer q.mu.Unlock()
	full, had := q.n >= q.total, q.sources[src] >= q.part
	if q.closed {
		return false
	}
	if !full && !had {
		q.n++
		q.sources[src]++
		q.most = max(q.most, len(q.sources))
		return true
	}
	if full {
		q.refused[0]++
	} else {
		q.refused[1]++
	}
	switch {
	case !q.tells:
	case q.waiting >= maxRefusals:
		q.missed++
	default:
		q.waiting++
		q.hook.Add(Refusal{Src: id.Remote, Dst: id.Local, NIC: nic, Source: !full, Missed: q.missed})
		q.missed = 0
	}
	return false
}

// Give gives the place of a flow of id back.
func (q *Quota) Give(id stack.FlowID) {
	src := sourceOf(id.Remote.Addr())
	q.mu.Lock()
	defer q.mu.Unlock()
	q.n--
	if q.sources[src]--; q.sources[src] == 0 {
		delete(q.sources, src)
	}
	if len(q.sources) == 0 && q.most > keptSources { // a map does not shrink
		q.sources, q.most = make(map[netip.Addr]int), 0
	}
}

// Fill puts what q knows into s.
func (q *Quota) Fill(s *HandleStats) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s.Open, s.RefusedTotal, s.RefusedSource = q.n, q.refused[0], q.refused[1]
}

// Close refuses everything from now on, in silence.
func (q *Quota) Close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.hook.Close()
}
