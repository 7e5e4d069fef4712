package tcpip

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestManualClockStandsStill(t *testing.T) {
	c := NewManualClock()
	now := c.Now()
	require.NotZero(t, now)
	require.Equal(t, now, c.Now())
	require.False(t, c.Step(), "there is nothing to step to")
	require.Equal(t, now, c.Now())
	c.Advance(time.Second)
	require.Equal(t, now.Add(time.Second), c.Now())
	require.Equal(t, time.Date(2000, 1, 1, 0, 0, 1, 0, time.UTC), c.Wall(c.Now()))
}

// Timers run in the order of their deadlines and, among equals, in the order in which they were set.
func TestManualClockOrder(t *testing.T) {
	c := NewManualClock()
	start := c.Now()
	var got []string
	note := func(name string) func() {
		return func() { got = append(got, fmt.Sprintf("%s@%v", name, c.Now().Sub(start))) }
	}
	c.AfterFunc(2*time.Second, note("late"))
	c.AfterFunc(time.Second, note("a"))
	moved := c.AfterFunc(3*time.Second, note("moved"))
	c.AfterFunc(time.Second, note("b"))
	moved.Reset(time.Second) // set last, so behind b
	c.AfterFunc(time.Second, note("c"))
	c.Advance(5 * time.Second)
	require.Equal(t, []string{"a@1s", "b@1s", "moved@1s", "c@1s", "late@2s"}, got)
}

func TestManualClockTimerSetsTimer(t *testing.T) {
	c := NewManualClock()
	start := c.Now()
	var at []time.Duration
	var tick func()
	tick = func() {
		at = append(at, c.Now().Sub(start))
		if len(at) < 4 {
			c.AfterFunc(time.Second, tick)
		}
	}
	c.AfterFunc(0, tick)
	c.Advance(2500 * time.Millisecond)
	require.Equal(t, []time.Duration{0, time.Second, 2 * time.Second}, at)
	require.Equal(t, start.Add(3*time.Second), c.Next())
	require.True(t, c.Step())
	require.Equal(t, 3*time.Second, c.Now().Sub(start))
	require.Zero(t, c.Next())
}

func TestManualClockSettle(t *testing.T) {
	c := NewManualClock()
	start := c.Now()
	n := 0
	c.AfterFunc(-time.Hour, func() { // a deadline in the past is now
		n++
		c.AfterFunc(0, func() { n++ })
	})
	c.AfterFunc(1, func() { n = 100 })
	c.Settle()
	require.Equal(t, 2, n)
	require.Equal(t, start, c.Now())
}

func TestTimerStopAndReset(t *testing.T) {
	for name, run := range map[string]func(t *testing.T, c Clock, pass func(time.Duration)){
		"stop": func(t *testing.T, c Clock, pass func(time.Duration)) {
			var n atomic.Int32
			timer := c.AfterFunc(time.Second, func() { n.Add(1) })
			require.True(t, timer.Stop())
			require.False(t, timer.Stop())
			pass(2 * time.Second)
			require.Zero(t, n.Load())
		},
		"stop after": func(t *testing.T, c Clock, pass func(time.Duration)) {
			var n atomic.Int32
			timer := c.AfterFunc(time.Second, func() { n.Add(1) })
			pass(2 * time.Second)
			require.EqualValues(t, 1, n.Load())
			require.False(t, timer.Stop())
		},
		"reset": func(t *testing.T, c Clock, pass func(time.Duration)) {
			var n atomic.Int32
			timer := c.AfterFunc(time.Second, func() { n.Add(1) })
			timer.Reset(3 * time.Second)
			pass(2 * time.Second)
			require.Zero(t, n.Load())
			pass(2 * time.Second)
			require.EqualValues(t, 1, n.Load())
			timer.Reset(time.Second) // it has run, and runs again
			pass(2 * time.Second)
			require.EqualValues(t, 2, n.Load())
			require.True(t, func() bool { timer.Reset(time.Second); return timer.Stop() }())
		},
		"times": func(t *testing.T, c Clock, pass func(time.Duration)) {
			a := c.Now()
			wall := c.Wall(a)
			pass(time.Minute)
			b := c.Now()
			require.Equal(t, time.Minute, b.Sub(a))
			require.Equal(t, time.Minute, c.Wall(b).Sub(wall))
			require.NotZero(t, a)
		},
	} {
		t.Run(name+"/manual", func(t *testing.T) {
			c := NewManualClock()
			run(t, c, c.Advance)
		})
		t.Run(name+"/system", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				run(t, SystemClock(), func(d time.Duration) {
					time.Sleep(d)
					synctest.Wait()
				})
			})
		})
	}
}

// Against a list that is sorted stably: random setting, resetting and stopping fires the same timers in
// the same order.
func TestManualClockAgainstModel(t *testing.T) {
	type entry struct {
		id   int
		when Time
		set  int
	}
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		c := NewManualClock()
		var got, want []int
		var model []entry
		var timers []Timer
		sets := 0
		delay := func() time.Duration { return time.Duration(random.IntN(8)) }
		remove := func(id int) bool {
			n := len(model)
			model = slices.DeleteFunc(model, func(e entry) bool { return e.id == id })
			return len(model) < n
		}
		for range 200 {
			switch id := random.IntN(len(timers) + 1); {
			case id == len(timers):
				d := delay()
				timers = append(timers, c.AfterFunc(d, func() { got = append(got, id) }))
				sets++
				model = append(model, entry{id, c.Now().Add(d), sets})
			case random.IntN(3) == 0:
				require.Equal(t, remove(id), timers[id].Stop())
			default:
				d := delay()
				remove(id)
				timers[id].Reset(d)
				sets++
				model = append(model, entry{id, c.Now().Add(d), sets})
			}
			if random.IntN(4) == 0 {
				end := c.Now().Add(time.Duration(random.IntN(4)))
				slices.SortFunc(model, func(a, b entry) int {
					if a.when != b.when {
						return int(a.when - b.when)
					}
					return a.set - b.set
				})
				for len(model) > 0 && model[0].when <= end {
					want = append(want, model[0].id)
					model = model[1:]
				}
				c.Advance(end.Sub(c.Now()))
				require.Equal(t, want, got, "seed %d", seed)
			}
		}
	}
}

// Setting, stopping and moving may happen at once (for the race detector).
func TestManualClockConcurrent(t *testing.T) {
	c := NewManualClock()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				timer := c.AfterFunc(time.Millisecond, func() {})
				timer.Reset(2 * time.Millisecond)
				c.Advance(time.Millisecond)
				timer.Stop()
			}
		})
	}
	wg.Wait()
	c.Advance(time.Second)
	require.Zero(t, c.Next())
}

func TestEarliest(t *testing.T) {
	require.Equal(t, Time(0), Earliest(0, 0))
	require.Equal(t, Time(3), Earliest(3, 0))
	require.Equal(t, Time(3), Earliest(0, 3))
	require.Equal(t, Time(3), Earliest(3, 5))
	require.Equal(t, Time(3), Earliest(5, 3))
}

func ExampleManualClock() {
	c := NewManualClock()
	c.AfterFunc(2*time.Hour, func() { fmt.Println("two hours later:", c.Wall(c.Now()).Format(time.Kitchen)) })
	c.AfterFunc(time.Hour, func() { fmt.Println("one hour later") })
	c.Advance(3 * time.Hour)
	// Output:
	// one hour later
	// two hours later: 2:00AM
}
