package stack

import (
	"container/list"
	"context"
	"sync"
	"sync/atomic"
)

// endpoints is the register of endpoints that have not left the stack, in the order of their making.
type endpoints struct {
	mu    sync.Mutex // a leaf
	order list.List  // of Endpoint
	place map[Endpoint]*list.Element
	empty chan struct{} // closed when the last one leaves; nil if nobody waits
	n     atomic.Int64  // len(place), for Full
}

// Register counts an endpoint in until Unregister: Stack.Wait waits for it, and Stack.Endpoints has it.
func (s *Stack) Register(e Endpoint) {
	r := &s.endpoints
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.place == nil {
		r.place = make(map[Endpoint]*list.Element)
	}
	if r.place[e] == nil {
		r.place[e] = r.order.PushBack(e)
		r.n.Add(1)
	}
}

// Unregister counts an endpoint out, once its last frame and timer have ended. Doing so again does nothing.
func (s *Stack) Unregister(e Endpoint) {
	r := &s.endpoints
	r.mu.Lock()
	defer r.mu.Unlock()
	place := r.place[e]
	if place == nil {
		return
	}
	r.order.Remove(place)
	delete(r.place, e)
	r.n.Add(-1)
	if len(r.place) == 0 && r.empty != nil {
		close(r.empty)
		r.empty = nil
	}
}

// Full reports whether the stack has as many endpoints as Limits.Endpoints allows. Those that connections are given to
// count as well, and those that were closed and still send; listeners leave the peer's last ACK unheard meanwhile, so that
// it comes again.
func (s *Stack) Full() bool { return s.endpoints.n.Load() >= int64(s.limits.Endpoints) }

// Endpoints returns the endpoints that have not left the stack, in the order in which they were registered.
func (s *Stack) Endpoints() []Endpoint {
	r := &s.endpoints
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Endpoint, 0, len(r.place))
	for p := r.order.Front(); p != nil; p = p.Next() {
		all = append(all, p.Value.(Endpoint))
	}
	return all
}

func (e *endpoints) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.place)
}

// wait returns when the register is empty, or with ctx's error.
func (e *endpoints) wait(ctx context.Context) error {
	for {
		e.mu.Lock()
		if len(e.place) == 0 {
			e.mu.Unlock()
			return nil
		}
		if e.empty == nil {
			e.empty = make(chan struct{})
		}
		empty := e.empty
		e.mu.Unlock()
		select {
		case <-empty:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
