package tcpip

import (
	"container/heap"
	"sync"
	"time"
)

// Clock is where a stack takes its time from. SystemClock is the ordinary one, ManualClock the one
// for simulations and tests. Both are safe for concurrent use.
type Clock interface {
	// Now returns the monotonic time; it never goes back and is never zero.
	Now() Time
	// Wall returns the time of day that belongs to t.
	Wall(t Time) time.Time
	// AfterFunc arranges for f to run once, d from now; d <= 0 means as soon as possible, but never
	// inside the call. f runs in a frame of its own: a new goroutine on the system clock, an event
	// of the loop on the manual one.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer is one pending call of Clock.AfterFunc.
type Timer interface {
	// Stop cancels the call and reports whether it was still pending.
	Stop() bool
	// Reset makes the call happen d from now, whether or not it has happened before.
	Reset(d time.Duration)
}

// SystemClock returns a clock over the standard library's, so that testing/synctest governs it too.
func SystemClock() Clock { return &systemClock{start: time.Now()} }

type systemClock struct{ start time.Time }

// The offset keeps zero, and times shortly before the start, free for "never" and for ages.
const systemOffset = Time(1 << 40)

func (c *systemClock) Now() Time             { return systemOffset + Time(time.Since(c.start)) }
func (c *systemClock) Wall(t Time) time.Time { return c.start.Add(time.Duration(t - systemOffset)) }

func (c *systemClock) AfterFunc(d time.Duration, f func()) Timer {
	return systemTimer{time.AfterFunc(max(d, 0), f)}
}

type systemTimer struct{ t *time.Timer }

func (t systemTimer) Stop() bool            { return t.t.Stop() }
func (t systemTimer) Reset(d time.Duration) { t.t.Reset(max(d, 0)) }

// ManualClock is a clock that stands still until it is told to move. Whoever moves it runs the
// timers, one after the other in its own goroutine, in the order of their deadlines and, where those
// are equal, in the order in which they were set. With it a network of stacks is repeatable.
type ManualClock struct {
	mu     sync.Mutex
	now    Time
	wall   time.Time // the time of day at now == manualStart
	events eventHeap
	set    uint64 // counts calls that set a timer; the tie-breaker
}

const manualStart = Time(1 << 40)

// NewManualClock returns a clock that stands at a fixed time of day, 2000-01-01 UTC.
func NewManualClock() *ManualClock {
	return &ManualClock{now: manualStart, wall: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)}
}

// Now returns the time at which the clock stands.
func (c *ManualClock) Now() Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Wall returns the time of day that belongs to t.
func (c *ManualClock) Wall(t Time) time.Time { return c.wall.Add(t.Sub(manualStart)) }

// AfterFunc arranges for f to run when the clock is moved to d from now or beyond.
func (c *ManualClock) AfterFunc(d time.Duration, f func()) Timer {
	t := &manualTimer{clock: c, f: f, index: -1}
	t.Reset(d)
	return t
}

// Step moves the clock to the next timer and runs it. It reports false, without moving, if no timer
// is set.
func (c *ManualClock) Step() bool { return c.step(1<<63 - 1) }

// Settle runs the timers that are due now, and those that they set for now, until none is left. It
// does not move the clock.
func (c *ManualClock) Settle() {
	now := c.Now()
	for c.step(now) {
	}
}

// Advance moves the clock by d and runs, each at its own time, every timer on the way.
func (c *ManualClock) Advance(d time.Duration) {
	end := c.Now().Add(d)
	for c.step(end) {
	}
	c.mu.Lock()
	c.now = max(c.now, end)
	c.mu.Unlock()
}

// Next returns the deadline of the next timer, or zero if none is set.
func (c *ManualClock) Next() Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.events) == 0 {
		return 0
	}
	return c.events[0].when
}

func (c *ManualClock) step(limit Time) bool {
	c.mu.Lock()
	if len(c.events) == 0 || c.events[0].when > limit {
		c.mu.Unlock()
		return false
	}
	t := heap.Pop(&c.events).(*manualTimer)
	c.now = max(c.now, t.when)
	c.mu.Unlock()
	t.f()
	return true
}

type manualTimer struct {
	clock *ManualClock
	f     func()
	when  Time
	set   uint64
	index int // in clock.events; -1 if not pending
}

func (t *manualTimer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	if t.index < 0 {
		return false
	}
	heap.Remove(&t.clock.events, t.index)
	return true
}

func (t *manualTimer) Reset(d time.Duration) {
	c := t.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	t.when = c.now.Add(max(d, 0))
	c.set++
	t.set = c.set
	if t.index >= 0 {
		heap.Fix(&c.events, t.index)
		return
	}
	heap.Push(&c.events, t)
}

type eventHeap []*manualTimer

func (h eventHeap) Len() int { return len(h) }

func (h eventHeap) Less(i, j int) bool {
	if h[i].when != h[j].when {
		return h[i].when < h[j].when
	}
	return h[i].set < h[j].set
}

func (h eventHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *eventHeap) Push(x any) {
	t := x.(*manualTimer)
	t.index = len(*h)
	*h = append(*h, t)
}

func (h *eventHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.index = -1
	return t
}
