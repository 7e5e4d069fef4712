// Package fault wraps a link and does it harm: loss, delay, jitter, duplication, reordering, corruption
// and a limited rate, each way its own, from a seed.
package fault

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed963a8790/netstack/internal/gate"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Faults are what befalls the packets of one direction. The zero value is a perfect wire. Probabilities
// lie between 0 and 1 and hold for each packet by itself.
type Faults struct {
	Hole      int // packets of more bytes vanish without a word: a black hole for path-MTU discovery; 0: none do
	Loss      float64
	Duplicate float64
	Corrupt   float64 // one random bit is flipped, in a private copy
	Reorder   float64 // the packet is held back by ReorderBy, and others overtake it

	Delay     time.Duration
	Jitter    time.Duration // on top of Delay, uniform up to this; it does not change the order
	ReorderBy time.Duration // 0: DefaultReorderBy

	Rate  int64 // bits per second, of packets without link headers; 0: no limit
	Queue int   // bytes that may wait for Rate; 0: DefaultQueue
}

// Stats count packets of one direction.
type Stats struct {
	Passed     uint64 // handed on, copies included
	Lost       uint64
	Duplicated uint64
	Corrupted  uint64
	Reordered  uint64
	Overflowed uint64 // no room in the queue of the rate, or in the wrapper
}

// Options configure a Fault.
type Options struct {
	Seed   uint64 // of both directions, which draw independently
	Tx, Rx Faults // packets that the stack sends, and receives
}

// Fault is a stack.Link. It works on real packets: it claims no offload, cuts super-segments that the
// lower link delivers and finishes their checksums before it harms them. Packets that it loses are
// counted as DropFault. Under a manual clock the same seed and traffic give the same harm.
//
// It belongs above link/ethernet, not beneath, where it could not tell what the frames hold.
type Fault struct {
	lower    stack.Link
	receiver atomic.Pointer[stack.Receiver]
	gate     *gate.Gate // of timer calls and deliveries

	mu     sync.Mutex // a leaf; guards what is below
	tx, rx way
	closed bool
	timer  tcpip.Timer // made on first use
	armed  tcpip.Time  // when it fires; 0: it does not
}

// New returns lower with faults. It owns lower from then on.
func New(lower stack.Link, o Options) *Fault {
	l := &Fault{lower: lower, gate: gate.New()}
	l.tx.init(o.Tx, o.Seed, 1)
	l.rx.init(o.Rx, o.Seed, 2)
	return l
}

// SetTx changes the faults of sent packets. It does not touch those under way.
func (l *Fault) SetTx(f Faults) { l.set(&l.tx, f) }

// SetRx changes the faults of received packets. It does not touch those under way.
func (l *Fault) SetRx(f Faults) { l.set(&l.rx, f) }

func (l *Fault) set(w *way, f Faults) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.faults = f
}

// Stats returns what has befallen sent and received packets so far.
func (l *Fault) Stats() (tx, rx Stats) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tx.stats, l.rx.stats
}

// Lower returns the link beneath.
func (l *Fault) Lower() stack.Link { return l.lower }

// Info describes the lower link, without offloads and with one queue.
func (l *Fault) Info() stack.LinkInfo {
	info := l.lower.Info()
	info.Offload, info.GSOMax, info.Queues = 0, 0, 1
	return info
}

// Attach connects the link with r.
//
// Errors: ErrClosed after Close, ErrExists if the link is attached, and those of the lower link.
func (l *Fault) Attach(r stack.Receiver) error {
	if l.gate.Closed() {
		return tcpip.ErrClosed
	}
	if !l.receiver.CompareAndSwap(nil, &r) {
		return tcpip.ErrExists
	}
	if err := l.lower.Attach((*upward)(l)); err != nil {
		l.receiver.Store(nil)
		return err
	}
	return nil
}

func (l *Fault) above() stack.Receiver { return *l.receiver.Load() }

// Transmit takes everything, unless the lower link has stopped and much is waiting for it.
func (l *Fault) Transmit(w *stack.Work, _ int, batch []*stack.Packet) int {
	if l.receiver.Load() == nil || !l.gate.Enter() {
		for _, p := range batch {
			p.Drop(tcpip.DropLinkDown)
		}
		return len(batch)
	}
	defer l.gate.Leave()
	now := l.above().Stack().Now()
	n := 0
	l.mu.Lock()
	for _, p := range batch {
		if l.tx.blocked && l.tx.due.len()+l.tx.waiting.len() >= maxHeld {
			l.tx.refused = true
			break
		}
		l.admit(&l.tx, now, p)
		n++
	}
	l.mu.Unlock()
	l.run(&l.tx, w)
	return n
}

// Close closes the lower link and drops what is under way.
func (l *Fault) Close() {
	if !l.gate.Close() {
		return
	}
	l.lower.Close()
	l.mu.Lock()
	l.closed = true
	if l.timer != nil {
		l.timer.Stop()
	}
	tx, rx := l.tx.take(), l.rx.take()
	l.mu.Unlock()
	for _, p := range tx {
		l.drop(&l.tx, p, tcpip.DropLinkDown)
	}
	for _, p := range rx {
		l.drop(&l.rx, p, tcpip.DropLinkDown)
	}
}

// Wait returns when the lower link and the last call of the timer have ended, or with ctx's error.
func (l *Fault) Wait(ctx context.Context) error {
	if err := l.lower.Wait(ctx); err != nil {
		return err
	}
	return l.gate.Wait(ctx)
}

// ObserveDrop tells the lower link, if it wants to know.
func (l *Fault) ObserveDrop(p *stack.Packet, d tcpip.Drop) {
	if o, ok := l.lower.(stack.DropObserver); ok {
		o.ObserveDrop(p, d)
	}
}

// upward is the Fault as the lower link sees it.
type upward Fault

func (u *upward) above() stack.Receiver                 { return (*Fault)(u).above() }
func (u *upward) LinkChanged(w *stack.Work)             { u.above().LinkChanged(w) }
func (u *upward) Stack() *stack.Stack                   { return u.above().Stack() }
func (u *upward) Dropped(p *stack.Packet, d tcpip.Drop) { u.above().Dropped(p, d) }

func (u *upward) Deliver(w *stack.Work, batch []*stack.Packet) {
	l := (*Fault)(u)
	if !l.gate.Enter() {
		for _, p := range batch {
			l.drop(&l.rx, p, tcpip.DropLinkDown)
		}
		return
	}
	defer l.gate.Leave()
	now := l.above().Stack().Now()
	var room [64]*stack.Packet
	for _, p := range batch {
		wire, d := p.Cut(room[:0])
		if d != tcpip.DropNone {
			l.drop(&l.rx, p, d)
			continue
		}
		l.mu.Lock()
		for _, q := range wire {
			l.admit(&l.rx, now, q)
		}
		l.mu.Unlock()
	}
	l.run(&l.rx, w)
}

// TxReady goes on with what the lower link had no room for.
func (u *upward) TxReady(w *stack.Work, _ int) {
	l := (*Fault)(u)
	if w == nil { // the lower link's Transmit is promised one
		w = u.Stack().Begin()
		defer w.End()
	}
	l.mu.Lock()
	l.tx.blocked, l.tx.ready = false, true
	l.mu.Unlock()
	l.run(&l.tx, w)
	l.mu.Lock()
	resume := l.tx.refused && !l.tx.blocked
	if resume {
		l.tx.refused = false
	}
	l.mu.Unlock()
	if resume {
		l.above().TxReady(w, 0)
	}
}
