package fault

import (
	"math/rand/v2"
	"time"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// way is one direction.
type way struct {
	faults Faults
	stats  Stats
	random *rand.Rand

	busy    tcpip.Time      // when the last packet is through the bottleneck
	last    tcpip.Time      // when the last packet in order is due
	waiting heap            // packets that are not due yet
	due     fifo            // packets that are, in order
	running bool            // a frame is handing on
	lost    []*stack.Packet // to drop, once the lock is released

	// Sent packets only.
	blocked bool // the lower link did not take everything
	ready   bool // TxReady came while a frame was handing on
	refused bool // Transmit did not take everything
}

func (w *way) init(f Faults, seed, stream uint64) {
	w.faults = f
	w.random = rand.New(rand.NewPCG(seed, stream))
}

// chance draws, unless the answer is known.
func (w *way) chance(p float64) bool { return p > 0 && w.random.Float64() < p }

// admit decides about p, which it takes. l.mu is held.
func (l *Fault) admit(w *way, now tcpip.Time, p *stack.Packet) {
	f := &w.faults
	if l.closed || w.due.len()+w.waiting.len() >= maxHeld {
		w.stats.Overflowed++
		w.lost = append(w.lost, p)
		return
	}
	at := now
	if f.Rate > 0 {
		start := max(now, w.busy)
		queue := f.Queue
		if queue == 0 {
			queue = DefaultQueue
		}
		n := p.Len()
		if start.Sub(now) > transmission(queue-n, f.Rate) {
			w.stats.Overflowed++
			w.lost = append(w.lost, p)
			return
		}
		w.busy = start.Add(transmission(n, f.Rate))
		at = w.busy
	}
	if f.Hole > 0 && p.Len() > f.Hole || w.chance(f.Loss) {
		w.stats.Lost++
		w.lost = append(w.lost, p)
		return
	}
	at = at.Add(f.Delay)
	if f.Jitter > 0 {
		at = at.Add(time.Duration(w.random.Int64N(int64(f.Jitter) + 1)))
	}
	if w.chance(f.Reorder) {
		w.stats.Reordered++
		by := f.ReorderBy
		if by == 0 {
			by = DefaultReorderBy
		}
		at = max(at, w.last).Add(by)
	} else {
		at = max(at, w.last)
		w.last = at
	}
	var twin *stack.Packet
	if w.chance(f.Duplicate) {
		if twin = p.Clone(p.Stack()); twin != nil {
			w.stats.Duplicated++
		}
	}
	if w.chance(f.Corrupt) {
		if q := w.corrupt(p); q != nil {
			w.stats.Corrupted++
			p.Release()
			p = q
		}
	}
	w.put(now, at, p)
	if twin != nil {
		w.put(now, at, twin)
	}
}

// transmission returns how long n bytes take at rate bits per second.
func transmission(n int, rate int64) time.Duration {
	return time.Duration(float64(n) * 8 * float64(time.Second) / float64(rate))
}

// corrupt returns a copy of p with one bit flipped, nil if memory is short.
func (w *way) corrupt(p *stack.Packet) *stack.Packet {
	q := p.Flat()
	if q == nil || q.Len() == 0 {
		return q
	}
	bit := w.random.IntN(8 * q.Len())
	q.Front()[bit/8] ^= 1 << (bit % 8)
	q.Checksum = stack.ChecksumUnverified
	return q
}

// put files a packet under the time at which it is due.
func (w *way) put(now, at tcpip.Time, p *stack.Packet) {
	if at <= now && w.waiting.len() == 0 {
		w.due.push(p)
		return
	}
	w.waiting.push(at, p)
}

// take returns everything that is under way, and forgets it.
func (w *way) take() []*stack.Packet {
	all := append([]*stack.Packet(nil), w.due.all()...)
	w.due = fifo{}
	for w.waiting.len() > 0 {
		all = append(all, w.waiting.pop())
	}
	return all
}

// run hands on what is due, in order, and sets the timer for the rest. One frame does so at a time; what
// others add meanwhile it hands on too.
func (l *Fault) run(way *way, w *stack.Work) {
	l.mu.Lock()
	if way.running {
		l.mu.Unlock()
		return
	}
	way.running = true
	var batch [64]*stack.Packet
	for {
		now := l.above().Stack().Now()
		for way.waiting.len() > 0 && way.waiting.first() <= now {
			way.due.push(way.waiting.pop())
		}
		lost := way.lost
		way.lost = nil
		n := 0
		if !way.blocked {
			n = way.due.take(batch[:])
		}
		if n == 0 && len(lost) == 0 {
			way.lost = lost
			break
		}
		way.ready = false
		l.mu.Unlock()
		for _, p := range lost {
			l.drop(way, p, tcpip.DropFault)
		}
		taken := l.hand(way, w, batch[:n])
		l.mu.Lock()
		way.lost = recycle(way.lost, lost)
		way.stats.Passed += uint64(taken)
		if taken < n {
			way.due.putBack(batch[taken:n])
			way.blocked = !way.ready
		}
	}
	way.running = false
	var dead []*stack.Packet
	if l.closed {
		dead = way.take()
	}
	l.arm()
	l.mu.Unlock()
	for _, p := range dead {
		l.drop(way, p, tcpip.DropLinkDown)
	}
}

// recycle keeps the storage of used for what comes, if nothing came meanwhile.
func recycle(now, used []*stack.Packet) []*stack.Packet {
	if now != nil {
		return now
	}
	clear(used)
	return used[:0]
}

// hand gives a batch on and returns how much was taken.
func (l *Fault) hand(way *way, w *stack.Work, batch []*stack.Packet) int {
	switch {
	case len(batch) == 0:
		return 0
	case way == &l.tx:
		return l.lower.Transmit(w, 0, batch)
	}
	n := len(batch)
	l.above().Deliver(w, batch)
	return n
}

func (l *Fault) drop(way *way, p *stack.Packet, d tcpip.Drop) {
	if way == &l.tx {
		p.Drop(d)
		return
	}
	stack.DropReceived(l.above(), p, d)
}

// arm sets the timer for the packet that is due next. l.mu is held.
func (l *Fault) arm() {
	next := tcpip.Earliest(l.tx.next(), l.rx.next())
	if l.closed || next.IsZero() || next == l.armed {
		return
	}
	l.armed = next
	clock := l.above().Stack().Clock()
	d := next.Sub(clock.Now())
	if l.timer == nil {
		l.timer = clock.AfterFunc(d, l.fire)
		return
	}
	l.timer.Reset(d)
}

// next returns when the next packet is due that nobody is about to hand on, zero if there is none.
func (w *way) next() tcpip.Time {
	if w.running || w.waiting.len() == 0 {
		return 0
	}
	return w.waiting.first()
}

// fire is the timer's frame.
func (l *Fault) fire() {
	if !l.gate.Enter() {
		return
	}
	defer l.gate.Leave()
	l.mu.Lock()
	l.armed = 0
	l.mu.Unlock()
	w := l.above().Stack().Begin()
	l.run(&l.rx, w)
	l.run(&l.tx, w)
	w.End()
}
