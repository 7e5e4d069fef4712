package linux

import (
	"sync"

	"github.com/seed963a8790/netstack/stack"
)

// register knows which socket an endpoint belongs to, and numbers sockets. It is bounded by the number of
// endpoints, which the runtime's limit of files bounds.
type register struct {
	mu    sync.Mutex // a leaf
	of    map[stack.Endpoint]*Socket
	count uint64
}

func (r *register) add(s *Socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil {
		r.of = map[stack.Endpoint]*Socket{}
	}
	r.count++
	s.inode = r.count
	r.of[s.ep] = s
}

func (r *register) remove(s *Socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.of, s.ep)
}

// socket returns the socket over an endpoint, nil if it was closed, or never was one.
func (r *register) socket(ep stack.Endpoint) *Socket {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.of[ep]
}
