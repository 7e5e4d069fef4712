package stack

import (
	"context"
	"sync/atomic"

	"github.com/seed963a8790/netstack/tcpip"
)

// Drainer is a transport protocol whose connections take time to end.
type Drainer interface {
	// Drain lets no new connections come, and ends those that there are as far as their users' part goes. It calls done,
	// once and perhaps at once, when their peers have acknowledged everything. done does not block and may be called
	// with an endpoint locked.
	Drain(w *Work, done func())
}

// ending is how far a stack has come on its way to its end.
type ending struct {
	draining atomic.Bool   // Shutdown was called
	drained  chan struct{} // made by Shutdown, under Stack.mu; closed when every Drainer is done
	flushed  chan struct{} // one entry: a transmit queue has run dry, or is gone
	over     chan struct{} // closed when Close has done its part
}

// Close ends the stack at once: it resets all connections, detaches and closes all links and frees everything. It does
// not wait and may be called more than once; Wait waits.
func (s *Stack) Close() { s.close(func(w *Work) { s.closeTransports(w); s.closeNICs(w) }) }

// CloseSilently is Close without a word to anybody: the links go first, and what the protocols have to say then finds
// none.
func (s *Stack) CloseSilently() { s.close(func(w *Work) { s.closeNICs(w); s.closeTransports(w) }) }

func (s *Stack) close(parts func(w *Work)) {
	s.mu.Lock() // a NIC that is being added is there by now, or will not be
	before := s.closed.Swap(true)
	s.mu.Unlock()
	if before {
		return
	}
	w := s.Begin()
	parts(w)
	for _, n := range s.networks {
		n.Close()
	}
	s.pmtu.close()
	w.End()
	s.closeSubscriptions()
	s.journal.close()
	s.ending.dry()
	close(s.ending.over)
}

func (s *Stack) closeTransports(w *Work) {
	for _, t := range s.transports {
		if t != nil {
			t.Close(w)
		}
	}
	if s.rawProtocol != nil {
		s.rawProtocol.Close(w)
	}
	w.run() // let the resets leave
}

func (s *Stack) closeNICs(w *Work) {
	s.closeWatches(w)
	for _, n := range s.NICs() {
		n.remove(w)
	}
}

// Shutdown ends the stack without cutting anybody off. Listeners and handlers of flows end, new endpoints are refused,
// and connections send what they have and then FIN, as Shutdown(ShutdownWrite) has it; they can still be read. When the
// peers have acknowledged everything and the transmit queues are dry, the stack is closed: a peer that has not ended its
// own half by then learns by a RST, behind all data, that nobody listens any more. Shutdown then returns with everything
// over, as Wait does.
//
// It may be called more than once, and together with Close, which ends it early.
//
// Errors: ctx's, if that comes first; then the stack has been closed all the same, what was not acknowledged is lost,
// and Wait is the caller's.
func (s *Stack) Shutdown(ctx context.Context) error {
	s.drain()
	err := s.ending.wait(ctx, s)
	s.Close()
	if err != nil {
		return err
	}
	return s.Wait(ctx)
}

// drain begins to end the connections, unless somebody else has.
func (s *Stack) drain() {
	s.mu.Lock()
	first := s.ending.drained == nil
	if first {
		s.ending.drained = make(chan struct{})
		s.ending.draining.Store(true)
	}
	s.mu.Unlock()
	if !first {
		return
	}
	left := new(atomic.Int64)
	done := func() {
		if left.Add(-1) == 0 {
			close(s.ending.drained)
		}
	}
	left.Store(1)
	w := s.Begin()
	for _, t := range s.transports {
		if d, ok := t.(Drainer); ok {
			left.Add(1)
			d.Drain(w, done)
		}
	}
	w.End()
	done()
}

// wait returns when the connections are over and nothing waits for a link, or with ctx's error.
func (e *ending) wait(ctx context.Context, s *Stack) error {
	if err := await(ctx, e.drained); err != nil {
		return err
	}
	defer e.dry() // for another that waits
	for s.queued() > 0 {
		if err := await(ctx, e.flushed); err != nil {
			return err
		}
	}
	return nil
}

// await returns when c is closed or has an entry, and otherwise ctx's error, even if ctx is done already.
func await(ctx context.Context, c <-chan struct{}) error {
	select {
	case <-c:
		return nil
	default:
	}
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// queued returns the packets that wait for links that are up.
func (s *Stack) queued() (n int) {
	for _, nic := range s.NICs() {
		for _, q := range nic.queues {
			n += q.len()
		}
	}
	return n
}

// dry has who waits for transmit queues look again.
func (e *ending) dry() {
	select {
	case e.flushed <- struct{}{}:
	default:
	}
}

// Wait returns when, after Close, the last goroutine of the stack's links and endpoints has ended, or
// with ctx's error.
func (s *Stack) Wait(ctx context.Context) error {
	if s.closed.Load() { // by another, perhaps, that has not come to its end
		if err := await(ctx, s.ending.over); err != nil {
			return err
		}
	}
	for _, n := range s.removedNICs() {
		if err := n.link.Wait(ctx); err != nil {
			return err
		}
	}
	if err := s.journal.wait(ctx); err != nil {
		return err
	}
	return s.endpoints.wait(ctx)
}

// refuses returns the error of new endpoints: OK while the stack is open and has not all that it may.
func (s *Stack) refuses() tcpip.Error {
	switch {
	case s.closed.Load() || s.ending.draining.Load():
		return tcpip.ErrClosed
	case s.Full():
		return tcpip.ErrTooMany
	}
	return tcpip.OK
}
