package packet

import (
	"sync"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// entry is one packet that waits to be read.
type entry struct {
	p    *stack.Packet // as the user sees it, cut
	from Address
	link int    // bytes of link header at p's front
	size int    // bytes before it was cut
	lost uint32 // what the queue had refused by then
}

// queue is the receiving half of an endpoint. Its lock is a leaf.
type queue struct {
	mu      sync.Mutex
	entries []entry // entries[first:] wait
	first   int
	bytes   int // charged
	limit   int // SO_RCVBUF
	closed  bool

	packets, drops uint32 // since the last Statistics
	lost           uint32 // refused since the endpoint was made

	copyThreshold int
	rx            *receiveRing
	tx            *transmitRing
}

func (q *queue) configure(limit, copyThreshold int) {
	q.mu.Lock()
	q.limit, q.copyThreshold = limit, copyThreshold
	q.mu.Unlock()
}

func (q *queue) readable() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.first < len(q.entries) || q.rx != nil && q.rx.readable()
}

// full counts a packet that has no room, and reports whether that is so.
func (q *queue) full() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.bytes >= q.limit {
		q.drops++
		q.lost++
		return true
	}
	return false
}

// push queues e, whose packet it takes.
func (q *queue) push(e entry) tcpip.Drop {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return tcpip.DropEndpointClosed
	}
	e.lost = q.lost
	q.packets++
	q.bytes += e.p.Cost()
	if q.first > 0 && len(q.entries) == cap(q.entries) {
		n := copy(q.entries, q.entries[q.first:])
		clear(q.entries[n:])
		q.entries, q.first = q.entries[:n], 0
	}
	q.entries = append(q.entries, e)
	return tcpip.DropNone
}

// next returns the oldest entry, and takes it out unless it is only looked at: then f is called with the lock held.
func (q *queue) next(peek bool, f func(*entry)) bool {
	q.mu.Lock()
	if q.first == len(q.entries) {
		q.mu.Unlock()
		return false
	}
	if peek {
		defer q.mu.Unlock()
		f(&q.entries[q.first])
		return true
	}
	e := q.entries[q.first]
	q.entries[q.first] = entry{}
	if q.first++; q.first == len(q.entries) {
		q.entries, q.first = q.entries[:0], 0
	}
	q.bytes -= e.p.Cost()
	q.mu.Unlock()
	f(&e)
	e.p.Release()
	return true
}

// close frees everything and keeps more from coming.
func (q *queue) close() {
	q.mu.Lock()
	all := q.entries[q.first:]
	q.entries, q.first, q.bytes, q.closed = nil, 0, 0, true
	rx := q.rx
	q.rx, q.tx = nil, nil
	q.mu.Unlock()
	for i := range all {
		all[i].p.Release()
	}
	if rx != nil {
		rx.stop()
	}
}

// Statistics are what PACKET_STATISTICS tells: how many packets the endpoint was to get since the last time, how many
// of them found no room, and how often a ring of blocks had none free.
type Statistics struct{ Packets, Drops, Freezes uint32 }

// Statistics returns the counts and resets them.
func (e *Endpoint) Statistics() Statistics {
	q := &e.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	s := Statistics{Packets: q.packets + q.drops, Drops: q.drops}
	q.packets, q.drops = 0, 0
	if q.rx != nil {
		s.Freezes = q.rx.takeFreezes()
	}
	return s
}

// Unread returns the bytes of the packet that a read would return, 0 if there is none.
func (e *Endpoint) Unread() int {
	q := &e.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.first == len(q.entries) {
		return 0
	}
	return q.entries[q.first].p.Len()
}

// Unsent returns the bytes of memory that sent packets still hold.
func (e *Endpoint) Unsent() int { return int(max(e.sent.Load(), 0)) }
