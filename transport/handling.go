package transport

import (
	"sync/atomic"
	"time"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Handling is what every handler of other people's flows has: where it looks, what bounds it, its calls and its counters.
type Handling[T any] struct {
	Limit time.Duration // that a question waits for its answer, or a flow may be idle
	Quota Quota
	Calls Dispatcher[T]
	HandleCounts
	nic tcpip.NICID
}

// HandleCounts are what a handler counts itself; see HandleStats.
type HandleCounts struct{ Handled, Accepted, Rejected, Dropped, Expired, Absorbed atomic.Uint64 }

// Init makes h ready. most and limit are what counts where o does not say; abandon undoes what a handler that panics has left.
func (h *Handling[T]) Init(clock tcpip.Clock, o *HandleOptions, most int, limit time.Duration, handle, abandon func(T)) {
	h.nic, h.Limit = o.NIC, o.Timeout.Or(limit)
	h.Quota.Init(clock, o, most)
	h.Calls.Init(clock, o, handle, abandon)
}

// Looks reports whether p arrived where the handler looks.
func (h *Handling[T]) Looks(p *stack.Packet) bool { return h.nic == 0 || h.nic == p.NIC.ID() }

// Close forgets the calls that wait and keeps everything out.
func (h *Handling[T]) Close() {
	h.Calls.Close()
	h.Quota.Close()
}

// Stats returns what the handler has seen.
func (h *Handling[T]) Stats() HandleStats {
	s := HandleStats{
		Handled: h.Handled.Load(), Accepted: h.Accepted.Load(), Rejected: h.Rejected.Load(),
		Dropped: h.Dropped.Load(), Expired: h.Expired.Load(), Absorbed: h.Absorbed.Load(),
	}
	h.Quota.Fill(&s)
	s.Waiting, s.Panics = h.Calls.Waiting()
	return s
}

// Chain is a list whose entries have their links in themselves, in the order in which they were put in. Its zero value is
// empty; whoever has it has a lock.
type Chain[T any] struct{ first, last *Link[T] }

// Link is what an entry of a Chain has in itself.
type Link[T any] struct {
	next, prev *Link[T]
	of         *T // nil: it is in no list
}

// Push puts an entry in, which l is part of, behind all others.
func (c *Chain[T]) Push(entry *T, l *Link[T]) {
	l.of, l.prev = entry, c.last
	if c.last == nil {
		c.first = l
	} else {
		c.last.next = l
	}
	c.last = l
}

// Remove takes an entry out. It reports false if it was not in.
func (c *Chain[T]) Remove(l *Link[T]) bool {
	if l.of == nil {
		return false
	}
	if l.prev == nil {
		c.first = l.next
	} else {
		l.prev.next = l.next
	}
	if l.next == nil {
		c.last = l.prev
	} else {
		l.next.prev = l.prev
	}
	*l = Link[T]{}
	return true
}

// First returns the entry that has been in for longest, nil if there is none.
func (c *Chain[T]) First() *T {
	if c.first == nil {
		return nil
	}
	return c.first.of
}

// All returns the entries.
func (c *Chain[T]) All() (all []*T) {
	for l := c.first; l != nil; l = l.next {
		all = append(all, l.of)
	}
	return all
}
