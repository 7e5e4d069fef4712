package stack

import (
	"context"
	"slices"
	"sync/atomic"
)

// config is a snapshot of what packets are routed by. Readers load it once and use it without a lock;
// a writer copies it, changes the copy and publishes that.
type config struct {
	generation uint64 // grows with every change; cached routes compare it
	order      uint64 // counts addresses and routes that were added
	nics       []*NIC // in the order of their addition
	removed    []*NIC // whose links may still have goroutines
	addresses  addressTable
	routes     routeTable
	cache      *atomic.Pointer[routeSlots] // routes found in this snapshot
}

func newConfig() *config { return &config{generation: 1, cache: new(atomic.Pointer[routeSlots])} }

// change publishes a changed copy of the configuration, unless f fails. s.mu is held.
func (s *Stack) change(f func(*config) error) error {
	old := s.conf.Load()
	c := *old
	c.nics, c.removed = slices.Clone(c.nics), slices.Clone(c.removed)
	if err := f(&c); err != nil {
		return err
	}
	c.generation++
	c.cache = new(atomic.Pointer[routeSlots])
	s.conf.Store(&c)
	s.tellChanges(old, &c)
	return nil
}

// invalidate makes every cached route be looked up afresh.
func (s *Stack) invalidate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.change(func(*config) error { return nil })
}

// forget takes the NIC, its addresses and its routes out of the configuration. wait says that Wait is to
// wait for its link. Of the links that were removed before, those that have ended are forgotten, too.
func (n *NIC) forget(wait bool) {
	s := n.stack
	over, cancel := context.WithCancel(context.Background())
	cancel()
	var ended []*NIC
	for _, m := range s.removedNICs() {
		if m.link.Wait(over) == nil {
			ended = append(ended, m)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.change(func(c *config) error {
		c.nics = slices.DeleteFunc(c.nics, func(m *NIC) bool { return m == n })
		c.removed = slices.DeleteFunc(c.removed, func(m *NIC) bool { return slices.Contains(ended, m) })
		if wait {
			c.removed = append(c.removed, n)
		}
		c.addresses.forget(n)
		c.routes.forget(n)
		return nil
	})
}

func (s *Stack) removedNICs() []*NIC { return s.conf.Load().removed }
