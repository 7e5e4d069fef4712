package transport

import (
	"net/netip"
	"sync"

	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// datagram is one received datagram, or one entry of the error queue. It comes from its protocol's pool
// and goes back there.
type datagram struct {
	next   *datagram
	pieces []slab.Piece
	array  [2]slab.Piece
	size   int // bytes in pieces
	charge int // against the queue's limit
	meta
	network slab.Piece         // the network header, if it had options or extension headers
	report  *tcpip.ErrorReport // on the error queue
	stamped bool               // an entry of the error queue with the time of a packet
	peeked  bool               // one without bytes that a peek has shown
}

// meta is what is known of a datagram beside its bytes.
type meta struct {
	from       netip.AddrPort
	dst, local netip.Addr
	at         tcpip.Time
	nic        tcpip.NICID
	ttl, tos   uint8
	seg        uint16 // bytes of each of several that came joined; 0: it is one
	tag
	drops uint32 // what the queue had refused before it
	arrived
}

func (p *Protocol) newDatagram() *datagram {
	e, _ := p.pool.Get().(*datagram)
	if e == nil {
		e = &datagram{}
		e.pieces = e.array[:0]
	}
	return e
}

// free gives a datagram and its bytes back.
func (p *Protocol) free(e *datagram) {
	for i := range e.pieces {
		e.pieces[i].Release()
	}
	e.network.Release()
	e.network = slab.Piece{}
	e.pieces = e.pieces[:0]
	if cap(e.pieces) > maxPieces {
		e.pieces = e.array[:0]
	}
	e.next, e.report, e.peeked, e.stamped = nil, nil, false, false
	e.size, e.charge = 0, 0
	e.meta = meta{}
	p.pool.Put(e)
}

// freeAll frees a list.
func (p *Protocol) freeAll(e *datagram) {
	for e != nil {
		next := e.next
		p.free(e)
		e = next
	}
}

// copyTo copies the datagram's bytes from one on, as far as there is room, into b and returns their number.
func (e *datagram) copyTo(b []byte, from int) (n int) {
	for i := range e.pieces {
		piece := e.pieces[i].Bytes()
		if from >= len(piece) {
			from -= len(piece)
			continue
		}
		n += copy(b[n:], piece[from:])
		from = 0
	}
	return n
}

// list is a queue of datagrams. Its zero value is empty.
type list struct{ head, tail *datagram }

func (l *list) push(e *datagram) {
	if l.tail == nil {
		l.head = e
	} else {
		l.tail.next = e
	}
	l.tail = e
}

func (l *list) pop() *datagram {
	e := l.head
	if e == nil {
		return nil
	}
	l.head = e.next
	if l.head == nil {
		l.tail = nil
	}
	e.next = nil
	return e
}

// queue is the receiving half of an endpoint: what waits to be read, and what delivery goes by. Its lock
// is a leaf.
type queue struct {
	mu      sync.Mutex
	data    list
	errors  list
	bytes   int             // charged, of both lists
	limit   int             // SO_RCVBUF
	peekAt  int             // SO_PEEK_OFF
	pathMTU *pathMTU        // for the next read; nil: there is none
	passed  stack.FlowCount // received
	drops   uint32          // what was refused, for SO_RXQ_OVFL
	zeros   int             // completions of WriteZeroCopy, owed and in errors; up to zeroCopyMax

	shut   tcpip.Shutdown
	closed bool
	groups Memberships // the endpoint's own
	all4   bool        // IP_MULTICAST_ALL
	all6   bool        // IPV6_MULTICAST_ALL
}

func (q *queue) readiness() (ev waiter.Events) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.data.head != nil {
		ev |= waiter.Readable
	}
	if q.errors.head != nil {
		ev |= waiter.Error
	}
	if q.shut&tcpip.ShutdownRead != 0 {
		ev |= waiter.Readable | waiter.ReadHangUp
	}
	if q.shut == tcpip.ShutdownRead|tcpip.ShutdownWrite || q.closed {
		ev |= waiter.HangUp
	}
	return ev
}

func (q *queue) configure(c *tcpip.SocketConf) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.limit, q.all4, q.all6 = c.ReceiveBuffer, c.MulticastAll, c.MulticastAll6
}

func (q *queue) shutdown(dir tcpip.Shutdown) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.shut = dir
}

// close frees everything and keeps more from coming.
func (q *queue) close(p *Protocol) {
	q.mu.Lock()
	data, errors := q.data, q.errors
	q.data, q.errors, q.bytes, q.closed, q.groups = list{}, list{}, 0, true, Memberships{}
	q.mu.Unlock()
	p.freeAll(data.head)
	p.freeAll(errors.head)
}

// admit queues e if there is room; a queue that is empty takes a datagram of any size.
func (q *queue) admit(e *datagram) tcpip.Drop {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return tcpip.DropEndpointClosed
	case q.bytes > 0 && q.bytes+e.charge > q.limit:
		q.drops++
		return tcpip.DropReceiveQueue
	}
	e.drops = q.drops
	q.bytes += e.charge
	q.data.push(e)
	q.count(e)
	return tcpip.DropNone
}

// starve refuses n datagrams while memory is short. It reports false, and refuses nothing, if the queue holds no more than
// it may all the same.
func (q *queue) starve(n int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.bytes < leastReceive {
		return false
	}
	q.drops += uint32(n)
	return true
}

// count counts e, which has been admitted. Joined datagrams count as those that they were.
func (q *queue) count(e *datagram) {
	q.passed.Bytes += uint64(e.size)
	q.passed.Packets++
	if e.seg != 0 {
		q.passed.Packets += uint64((e.size - 1) / int(e.seg))
	}
}

// admitMany queues e, a super-segment, as datagrams of seg bytes that share its slabs, as many as there is
// room for, and returns how many it had to leave out. e's pieces are gone then, and e is the caller's still.
//
// A slab is charged to the last datagram that has bytes in it. The queue is read in order, so the charge
// is given back when the slab is.
func (q *queue) admitMany(p *Protocol, e *datagram, seg int) (refused int, drop tcpip.Drop) {
	n := (e.size + seg - 1) / seg
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return n, tcpip.DropEndpointClosed
	}
	room := (q.limit - q.bytes - (e.charge - datagramCost)) / datagramCost
	admitted := min(n, max(room, 0))
	if admitted == 0 && q.bytes == 0 {
		admitted = 1
	}
	if admitted == 0 {
		q.drops += uint32(n)
		return n, tcpip.DropReceiveQueue
	}
	rest := e.pieces
	var c *datagram
	for i := range admitted {
		c = p.newDatagram()
		c.meta = e.meta
		c.drops = q.drops
		c.size = min(seg, e.size-i*seg)
		c.charge = datagramCost
		for need := c.size; need > 0; {
			head := &rest[0]
			if head.Len() > need {
				c.pieces = append(c.pieces, head.Slice(0, need))
				head.TrimFront(need)
				break
			}
			need -= head.Len()
			c.charge += head.Cost()
			c.pieces = append(c.pieces, *head)
			*head = slab.Piece{}
			rest = rest[1:]
		}
		q.bytes += c.charge
		q.data.push(c)
		q.count(c)
	}
	if admitted == n {
		return 0, tcpip.DropNone
	}
	if len(rest) > 0 {
		c.charge += rest[0].Cost() // its slab may be in use by c
		q.bytes += rest[0].Cost()
	}
	q.drops += uint32(n - admitted)
	return n - admitted, tcpip.DropReceiveQueue
}

// wants reports whether the endpoint asked for what source has sent to group and arrived on nic: it has joined the group
// there and its filter lets source through, or it has not joined it and has not said that it wants its own groups
// only.
func (q *queue) wants(group, source netip.Addr, nic tcpip.NICID) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	wanted, known := q.groups.wants(group, source, nic)
	return wanted || !known && (group.Is4() && q.all4 || group.Is6() && q.all6)
}
