package linux

import (
	"sync"

	"github.com/seed963a8790/netstack/waiter"
)

// The operations of epoll_ctl(2) and the flags of struct epoll_event; its conditions are those of poll(2).
const (
	EPOLL_CTL_ADD = 1
	EPOLL_CTL_DEL = 2
	EPOLL_CTL_MOD = 3

	EPOLLET      = 1 << 31
	EPOLLONESHOT = 1 << 30
)

// Event is a struct epoll_event: conditions, and what the program has given to know the file by.
type Event struct {
	Events uint32
	Data   uint64
}

// Epoll is epoll(7) for sockets: a set of them, and a list of those that something has happened to. It is
// what a runtime needs below its own file descriptors, and shows how edges come of a waiter.Queue: an event puts the
// socket on the list, whatever was there before. It is safe for concurrent use, and no method blocks.
type Epoll struct {
	waiters waiter.Queue // of those who wait for the list to be non-empty
	run     waiter.Runner

	mu    sync.Mutex
	items map[*Socket]*epollItem
	first *epollItem // ready, in the order in which it happened
	last  *epollItem
}

// epollItem is one socket in the set.
type epollItem struct {
	set     *Epoll
	s       *Socket
	w       *waiter.Waiter
	mask    uint32 // conditions
	flags   uint32 // EPOLLET, EPOLLONESHOT
	data    uint64
	spent   bool // EPOLLONESHOT, and it has been reported
	gone    bool
	ready   bool // in the list
	waiting *epollItem
}

// NewEpoll is epoll_create1(2).
func NewEpoll() *Epoll { return &Epoll{items: map[*Socket]*epollItem{}} }

// Waiters is the queue that is told when Wait may have something to say.
func (e *Epoll) Waiters() *waiter.Queue { return &e.waiters }

// Ctl is epoll_ctl(2) for a socket.
//
// Errors: EEXIST for one that is there already, ENOENT for one that is not, EINVAL for another operation.
func (e *Epoll) Ctl(op int, s *Socket, ev Event) Errno {
	e.mu.Lock()
	it := e.items[s]
	switch {
	case op == EPOLL_CTL_ADD && it != nil:
		e.mu.Unlock()
		return EEXIST
	case op == EPOLL_CTL_ADD:
		it = &epollItem{set: e, s: s}
		e.items[s] = it
	case op != EPOLL_CTL_MOD && op != EPOLL_CTL_DEL:
		e.mu.Unlock()
		return EINVAL
	case it == nil:
		e.mu.Unlock()
		return ENOENT
	}
	was := it.w
	if op == EPOLL_CTL_DEL {
		it.drop()
		it.w = nil
	} else {
		it.mask, it.flags, it.data, it.spent = ev.Events&^(EPOLLET|EPOLLONESHOT), ev.Events&(EPOLLET|EPOLLONESHOT), ev.Data, false
		it.w = waiter.NewFunc(waiter.Events(it.mask)|waiter.Always, it.happened)
	}
	w := it.w
	e.mu.Unlock()
	if was != nil {
		s.Waiters().Unregister(was)
	}
	if w != nil {
		s.Waiters().Register(w)
		if s.Poll(ev.Events) != 0 { // it is ready already
			it.happened(0)
		}
	}
	return 0
}

// drop takes an item out of the set. The lock is held.
func (it *epollItem) drop() {
	it.gone = true
	delete(it.set.items, it.s)
}

// happened puts the item on the list.
func (it *epollItem) happened(waiter.Events) {
	e := it.set
	e.mu.Lock()
	told := !it.gone && !it.spent && !it.ready
	if told {
		e.push(it)
	}
	e.mu.Unlock()
	if told {
		e.run.Notify(&e.waiters, waiter.Readable)
	}
}

func (e *Epoll) push(it *epollItem) {
	it.ready, it.waiting = true, nil
	if e.last == nil {
		e.first = it
	} else {
		e.last.waiting = it
	}
	e.last = it
}

// Wait is epoll_wait(2) without waiting: it fills events with what holds and returns how many. A socket with
// EPOLLET is reported once for each time that something has happened to it since it was last reported; one without as
// long as it is ready; one with EPOLLONESHOT once until it is modified.
func (e *Epoll) Wait(events []Event) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	var again []*epollItem // which stay ready, behind those that were not looked at
	for e.first != nil && n < len(events) {
		it := e.first
		if e.first = it.waiting; e.first == nil {
			e.last = nil
		}
		it.ready, it.waiting = false, nil
		if it.gone || it.spent {
			continue
		}
		ev := it.s.Poll(it.mask)
		if ev == 0 {
			continue
		}
		events[n] = Event{ev, it.data}
		n++
		switch {
		case it.flags&EPOLLONESHOT != 0:
			it.spent = true
		case it.flags&EPOLLET == 0:
			again = append(again, it)
		}
	}
	for _, it := range again {
		e.push(it)
	}
	return n
}

// Forget takes a socket out that is about to be closed, as close(2) does. Doing so again does nothing.
func (e *Epoll) Forget(s *Socket) { _ = e.Ctl(EPOLL_CTL_DEL, s, Event{}) }

// Close empties the set.
func (e *Epoll) Close() {
	e.mu.Lock()
	var all []*epollItem
	for _, it := range e.items {
		all = append(all, it)
	}
	for _, it := range all {
		it.drop()
	}
	e.mu.Unlock()
	for _, it := range all {
		it.s.Waiters().Unregister(it.w)
	}
}
