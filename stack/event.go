package stack

import (
	"context"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/seed963a8790/netstack/tcpip"
)

// EventKinds is a set of kinds of events.
type EventKinds uint32

// The kinds. An Event has one, a Subscription is for several.
const (
	// EventResync says that events were lost because the queue was full: Event.Lost of them, all older than what follows.
	// Who keeps a picture of the stack reads it anew. It comes to every subscription.
	EventResync EventKinds = 1 << iota

	EventNICAdded   // Event.NIC
	EventNICChanged // up, down or another MTU; Event.NIC
	EventNICRemoved // after its addresses and routes; Event.NIC

	EventAddressAdded   // Event.NIC, Event.Address
	EventAddressChanged // its state, as at the end of duplicate address detection; Event.NIC, Event.Address
	EventAddressRemoved // Event.NIC, Event.Address

	EventRouteAdded   // Event.Route
	EventRouteRemoved // Event.Route

	EventNeighbourChanged // new, in another state or with another link address; Event.NIC, Event.Neighbour
	EventNeighbourRemoved // Event.NIC, Event.Neighbour

	AllEvents = 1<<iota - 1
)

// Event tells of one change of a stack. Which of the fields have a value stands beside the kinds.
type Event struct {
	Kind EventKinds
	At   tcpip.Time

	NIC       NICState
	Address   Address
	Route     RouteEntry
	Neighbour Neighbour
	Lost      uint64 // EventResync
}

// NICState is a NIC in an Event, as it was then.
type NICState struct {
	ID   tcpip.NICID
	Name string
	Up   bool
	MTU  int // bytes
}

func (n *NIC) state() NICState { return NICState{n.id, n.name, n.Up(), n.MTU()} }

// Subscription is a queue of events, in the order in which things happened. Its methods are safe for concurrent use.
type Subscription struct {
	stack *Stack
	kinds EventKinds
	limit int
	told  func() // called with mu held when the queue was empty; nil for all but the logger's

	mu     sync.Mutex // a leaf
	queue  []Event
	lost   uint64 // in all
	closed bool
	signal chan struct{} // one entry: there may be something to find
}

// events are the subscriptions of a stack.
type events struct {
	list atomic.Pointer[[]*Subscription] // nil: none; changed under Stack.mu
	lost atomic.Uint64
}

// SubscribeOptions change Subscribe.
type SubscribeOptions struct {
	Queue tcpip.Opt[int] // events that may wait; unset: 1024
}

// Subscribe queues events of the given kinds from now on, until the Subscription or the stack is closed. Who subscribes
// first and reads the state afterwards misses nothing.
//
// A full queue is emptied, and EventResync stands at its head from then on: changes never wait for a subscriber.
//
// Errors: ErrInvalid for no kind or a queue below 1, ErrTooMany, ErrClosed.
func (s *Stack) Subscribe(kinds EventKinds, o SubscribeOptions) (*Subscription, error) {
	return s.subscribe(kinds, o.Queue.Or(eventQueue), nil)
}

func (s *Stack) subscribe(kinds EventKinds, queue int, told func()) (*Subscription, error) {
	if kinds&AllEvents == 0 || queue < 1 {
		return nil, tcpip.ErrInvalid
	}
	u := &Subscription{stack: s, kinds: kinds | EventResync, limit: queue, told: told, signal: make(chan struct{}, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*Subscription
	if old := s.events.list.Load(); old != nil {
		list = slices.Clone(*old)
	}
	switch {
	case s.closed.Load():
		return nil, tcpip.ErrClosed
	case len(list) >= s.limits.Subscriptions:
		return nil, tcpip.ErrTooMany
	}
	list = append(list, u)
	s.events.list.Store(&list)
	return u, nil
}

// Close ends the subscription. Next then returns what is queued, and ErrClosed.
func (u *Subscription) Close() {
	s := u.stack
	s.mu.Lock()
	if old := s.events.list.Load(); old != nil {
		list := slices.DeleteFunc(slices.Clone(*old), func(o *Subscription) bool { return o == u })
		if len(list) == 0 {
			s.events.list.Store(nil)
		} else {
			s.events.list.Store(&list)
		}
	}
	s.mu.Unlock()
	u.end()
}

func (u *Subscription) end() {
	u.mu.Lock()
	u.closed = true
	u.mu.Unlock()
	u.wake()
}

// wake has one waiting call look again.
func (u *Subscription) wake() {
	select {
	case u.signal <- struct{}{}:
	default:
	}
}

// closeSubscriptions ends them all, for the stack is closed.
func (s *Stack) closeSubscriptions() {
	s.mu.Lock()
	list := s.events.list.Swap(nil)
	s.mu.Unlock()
	if list != nil {
		for _, u := range *list {
			u.end()
		}
	}
}

// TryNext returns the next event, if there is one.
func (u *Subscription) TryNext() (Event, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.pop()
}

func (u *Subscription) pop() (Event, bool) {
	if len(u.queue) == 0 {
		return Event{}, false
	}
	e := u.queue[0]
	u.queue[0] = Event{}
	if u.queue = u.queue[1:]; len(u.queue) == 0 {
		u.queue = nil
	}
	return e, true
}

// Next returns the next event, and waits for it.
//
// Errors: ErrClosed once the subscription or the stack is closed and everything was returned; ctx's error.
func (u *Subscription) Next(ctx context.Context) (Event, error) {
	for {
		u.mu.Lock()
		e, ok := u.pop()
		more, closed := len(u.queue) > 0, u.closed
		u.mu.Unlock()
		if ok || closed {
			if more || closed {
				u.wake() // another call that waits
			}
			if !ok {
				return Event{}, tcpip.ErrClosed
			}
			return e, nil
		}
		select {
		case <-u.signal:
		case <-ctx.Done():
			return Event{}, ctx.Err()
		}
	}
}

// All walks the events as they come, until the subscription or the stack is closed or ctx is done.
func (u *Subscription) All(ctx context.Context) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		for {
			e, err := u.Next(ctx)
			if err != nil || !yield(e) {
				return
			}
		}
	}
}

// Lost returns how many events were lost.
func (u *Subscription) Lost() uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.lost
}

// wants reports whether anybody wants to be told of events of a kind.
func (v *events) wants(kinds EventKinds) bool {
	list := v.list.Load()
	return list != nil && slices.ContainsFunc(*list, func(u *Subscription) bool { return u.kinds&kinds != 0 })
}

// tell queues an event for those who want it. It may be called with locks held; subscriptions are leaves.
func (s *Stack) tell(e Event) {
	list := s.events.list.Load()
	if list == nil {
		return
	}
	for _, u := range *list {
		if u.kinds&e.Kind != 0 {
			if e.At == 0 {
				e.At = s.Now()
			}
			u.push(e)
		}
	}
}

func (u *Subscription) push(e Event) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return
	}
	if len(u.queue) >= u.limit {
		gone := uint64(len(u.queue))
		resync := Event{Kind: EventResync, At: e.At}
		if first := &u.queue[0]; first.Kind == EventResync {
			gone--
			resync.Lost = first.Lost
		}
		if u.limit == 1 { // room for no more than the Resync
			gone++
		}
		resync.Lost += gone
		u.lost += gone
		u.stack.events.lost.Add(gone)
		clear(u.queue)
		u.queue = append(u.queue[:0], resync)
		if u.limit == 1 {
			return
		}
	}
	u.queue = append(u.queue, e)
	if len(u.queue) == 1 && u.told != nil {
		u.told()
	}
	u.wake()
}
