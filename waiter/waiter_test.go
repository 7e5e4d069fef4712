package waiter

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func signalled(w *Waiter) bool {
	select {
	case <-w.C():
		return true
	default:
		return false
	}
}

func TestChannelGetsWhatItAskedFor(t *testing.T) {
	for _, c := range []struct {
		mask, event Events
		want        bool
	}{
		{Readable, Readable, true},
		{Readable, Writable, false},
		{Readable, Readable | Writable, true},
		{Writable, Error, true},  // as in poll(2), whether asked for or not
		{Writable, HangUp, true}, // likewise
		{Writable, ReadHangUp, false},
		{0, Error, true},
		{0, Readable | Writable | Priority | ReadHangUp, false},
		{All, Priority, true},
	} {
		var q Queue
		var r Runner
		w := NewChannel(c.mask)
		q.Register(w)
		r.Notify(&q, c.event)
		require.Equal(t, c.want, signalled(w), "mask %#x, event %#x", c.mask, c.event)
	}
}

// A signal stays until it is received, so that register, check, wait loses nothing; several are one.
func TestSignalStays(t *testing.T) {
	var q Queue
	var r Runner
	w := NewChannel(Readable)
	q.Register(w)
	r.Notify(&q, Readable)
	r.Notify(&q, Readable)
	require.True(t, signalled(w))
	require.False(t, signalled(w))
}

func TestSignal(t *testing.T) {
	w := NewChannel(Readable)
	w.Signal()
	w.Signal() // never blocks
	require.True(t, signalled(w))
	require.False(t, signalled(w))
}

// Every order of registering and unregistering three waiters leaves exactly the others in the queue.
func TestUnregisterAnyOrder(t *testing.T) {
	orders := [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}
	for _, order := range orders {
		var q Queue
		var r Runner
		ws := []*Waiter{NewChannel(Readable), NewChannel(Readable), NewChannel(Readable)}
		in := map[*Waiter]bool{}
		for _, w := range ws {
			q.Register(w)
			in[w] = true
		}
		for _, i := range order {
			q.Unregister(ws[i])
			q.Unregister(ws[i]) // of one that is not there: nothing
			in[ws[i]] = false
			r.Notify(&q, Readable)
			for j, w := range ws {
				require.Equal(t, in[w], signalled(w), "order %v, after %d, waiter %d", order, i, j)
			}
		}
		require.Zero(t, q.mask, "an empty queue asks for nothing")
		for _, w := range ws { // and they can come back
			q.Register(w)
		}
		r.Notify(&q, Readable)
		for _, w := range ws {
			require.True(t, signalled(w))
		}
	}
}

func TestUnregisterFromAnotherQueue(t *testing.T) {
	var a, b Queue
	var r Runner
	w := NewChannel(Readable)
	a.Register(w)
	b.Unregister(w)
	r.Notify(&a, Readable)
	require.True(t, signalled(w))
	require.Panics(t, func() { b.Register(w) }, "a Waiter is in one queue at a time")
	require.Panics(t, func() { a.Register(w) })
}

// After Unregister the mask shrinks to what the others ask for.
func TestMaskFollows(t *testing.T) {
	var q Queue
	r, w := NewChannel(Readable), NewChannel(Writable)
	q.Register(r)
	q.Register(w)
	require.Equal(t, Readable|Writable|Always, q.mask)
	q.Unregister(r)
	require.Equal(t, Writable|Always, q.mask)
}

func TestFunctionsRunInOrder(t *testing.T) {
	var a, b Queue
	var r Runner
	var got []string
	note := func(name string) func(Events) {
		return func(ev Events) { got = append(got, fmt.Sprintf("%s %#x", name, uint32(ev))) }
	}
	a.Register(NewFunc(Readable, note("a")))
	b.Register(NewFunc(Writable, note("b")))
	r.Notify(&a, Readable|Writable)
	r.Notify(&b, Readable)
	r.Notify(&b, Writable|HangUp)
	require.Equal(t, []string{"a 0x1", "b 0x14"}, got)
}

// A function may unregister its own Waiter, and register others.
func TestFunctionChangesItsQueue(t *testing.T) {
	var q Queue
	var r Runner
	calls, later := 0, 0
	second := NewFunc(Readable, func(Events) { later++ })
	var first *Waiter
	first = NewFunc(Readable, func(Events) {
		calls++
		q.Unregister(first)
		q.Register(second)
	})
	q.Register(first)
	r.Notify(&q, Readable)
	require.Equal(t, 1, calls)
	require.Zero(t, later)
	r.Notify(&q, Readable)
	require.Equal(t, 1, calls)
	require.Equal(t, 1, later)
}

// A function that notifies does not recurse: what it causes runs after it has returned, in the same
// Notify.
func TestFunctionNotifies(t *testing.T) {
	var a, b Queue
	var r Runner
	depth, deepest, rounds := 0, 0, 0
	a.Register(NewFunc(Readable, func(Events) {
		depth++
		deepest = max(deepest, depth)
		if rounds++; rounds < 5 {
			r.Notify(&b, Readable)
		}
		depth--
	}))
	b.Register(NewFunc(Readable, func(Events) {
		depth++
		deepest = max(deepest, depth)
		r.Notify(&a, Readable)
		depth--
	}))
	r.Notify(&a, Readable)
	require.Equal(t, 5, rounds)
	require.Equal(t, 1, deepest)
}

// Events that come while a function waits for its turn are joined.
func TestEventsJoin(t *testing.T) {
	var a, b Queue
	var r Runner
	var got []Events
	b.Register(NewFunc(Readable|Writable, func(ev Events) { got = append(got, ev) }))
	a.Register(NewFunc(Readable, func(Events) {
		r.Notify(&b, Readable)
		r.Notify(&b, Writable)
	}))
	r.Notify(&a, Readable)
	require.Equal(t, []Events{Readable | Writable}, got)
}

// A function that panics does not take the runner with it.
func TestFunctionPanics(t *testing.T) {
	var q Queue
	var r Runner
	w := NewFunc(Readable, func(Events) { panic("the user's") })
	q.Register(w)
	require.PanicsWithValue(t, "the user's", func() { r.Notify(&q, Readable) })
	q.Unregister(w)
	ran := false
	q.Register(NewFunc(Readable, func(Events) { ran = true }))
	r.Notify(&q, Readable)
	require.True(t, ran)
}

// Functions of one Runner never run at the same time, whoever notifies, and none is forgotten.
func TestOneAtATime(t *testing.T) {
	const queues, goroutines, rounds = 4, 8, 200
	var r Runner
	var qs [queues]Queue
	var running, overlaps atomic.Int32
	var runs [queues]atomic.Int64
	for i := range qs {
		qs[i].Register(NewFunc(Readable, func(Events) {
			if running.Add(1) != 1 {
				overlaps.Add(1)
			}
			runs[i].Add(1)
			running.Add(-1)
		}))
	}
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(g)))
			for range rounds {
				r.Notify(&qs[random.IntN(queues)], Readable)
			}
		})
	}
	wg.Wait()
	require.Zero(t, overlaps.Load())
	for i := range runs {
		require.NotZero(t, runs[i].Load())
		require.LessOrEqual(t, runs[i].Load(), int64(goroutines*rounds))
	}
	require.Nil(t, r.first)
	require.False(t, r.running)
}

// Register, check, wait: a consumer that follows the rule sees every state that a producer reaches.
func TestNothingIsLost(t *testing.T) {
	const items = 2000
	var q Queue
	var r Runner
	var ready atomic.Int64
	go func() {
		for range items {
			ready.Add(1)
			r.Notify(&q, Readable)
		}
	}()
	w := NewChannel(Readable)
	for taken := int64(0); taken < items; {
		if n := ready.Load(); n > taken {
			taken = n
			continue
		}
		q.Register(w)
		for ready.Load() == taken {
			<-w.C()
		}
		q.Unregister(w)
	}
}

// Registering, unregistering and notifying may happen at once (for the race detector).
func TestConcurrentChanges(t *testing.T) {
	var q Queue
	var r Runner
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			c, f := NewChannel(All), NewFunc(All, func(Events) {})
			for range 500 {
				q.Register(c)
				q.Register(f)
				r.Notify(&q, Readable|Writable)
				q.Unregister(f)
				q.Unregister(c)
			}
		})
	}
	wg.Wait()
	require.Nil(t, q.first)
	require.Zero(t, q.mask)
}

func TestNotifyAllocatesNothing(t *testing.T) {
	var q Queue
	var r Runner
	q.Register(NewChannel(Readable))
	q.Register(NewFunc(Readable, func(Events) {}))
	require.Zero(t, testing.AllocsPerRun(100, func() { r.Notify(&q, Readable) }))
}

func ExampleQueue() {
	var q Queue // the endpoint's
	var r Runner
	ready := false

	w := NewChannel(Readable)
	q.Register(w)
	defer q.Unregister(w)
	go func() { // the stack: make it true, then tell
		ready = true
		r.Notify(&q, Readable)
	}()
	<-w.C()
	fmt.Println("ready:", ready)
	// Output: ready: true
}

func ExampleNewFunc() {
	var q Queue
	var r Runner
	var w *Waiter
	w = NewFunc(Readable, func(ev Events) {
		fmt.Println("readable:", ev&Readable != 0)
		q.Unregister(w)
	})
	q.Register(w)
	r.Notify(&q, Readable)
	r.Notify(&q, Readable)
	// Output: readable: true
}
