// Package gate counts calls that are under way, so that a thing which is being closed can let in no
// new ones and its closer can wait for the last to leave.
package gate

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
)

// Gate is open until Close. Make one with New. It is safe for concurrent use.
type Gate struct {
	n    atomic.Int64 // calls inside; plus closed once the gate is closed
	once sync.Once
	done chan struct{}
}

// closed is added to n by Close, so that n is negative from then on.
const closed = math.MinInt64 / 2

// New returns an open gate.
func New() *Gate { return &Gate{done: make(chan struct{})} }

// Enter begins a call and reports whether the gate lets it in. If so, Leave ends it.
func (g *Gate) Enter() bool {
	if g.n.Add(1) >= 0 {
		return true
	}
	g.Leave()
	return false
}

// Leave ends a call.
func (g *Gate) Leave() {
	if g.n.Add(-1) == closed {
		g.finish()
	}
}

// Close shuts the gate and reports whether it was open. It does not wait.
func (g *Gate) Close() bool {
	for {
		n := g.n.Load()
		if n < 0 {
			return false
		}
		if g.n.CompareAndSwap(n, n+closed) {
			if n == 0 {
				g.finish()
			}
			return true
		}
	}
}

// Closed reports whether Close was called.
func (g *Gate) Closed() bool { return g.n.Load() < 0 }

// Wait returns when the gate is closed and everybody has left, or with ctx's error.
func (g *Gate) Wait(ctx context.Context) error {
	select {
	case <-g.done:
		return nil
	default:
	}
	select {
	case <-g.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *Gate) finish() { g.once.Do(func() { close(g.done) }) }
