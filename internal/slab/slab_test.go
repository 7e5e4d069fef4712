package slab

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func get(t testing.TB, pool *Pool, n int) Piece {
	t.Helper()
	p, ok := pool.Get(n)
	require.True(t, ok)
	return p
}

func TestClasses(t *testing.T) {
	var pool Pool
	for _, c := range []struct{ n, cost int }{
		{0, Small}, {1, Small}, {Small, Small}, {Small + 1, Medium}, {1500, Medium}, {Medium, Medium},
		{Medium + 1, Large}, {65535, Large}, {Large, Large},
	} {
		p := get(t, &pool, c.n)
		require.Equal(t, c.cost, p.Cost(), "for %d bytes", c.n)
		require.Equal(t, c.cost, p.Room())
		require.Zero(t, p.Len())
		require.Equal(t, int64(c.cost), pool.Live())
		p.Release()
		require.True(t, p.IsZero())
		require.Zero(t, pool.Live())
	}
	require.Panics(t, func() { pool.Get(Large + 1) })
}

func TestLimit(t *testing.T) {
	var pool Pool
	pool.SetLimit(Medium + 2*Small)
	a, b, c := get(t, &pool, Medium), get(t, &pool, 1), get(t, &pool, 1)
	_, ok := pool.Get(1)
	require.False(t, ok, "the limit is reached")
	_, ok = pool.Copy([]byte("x"))
	require.False(t, ok)
	b.Release()
	_, ok = pool.Get(Medium)
	require.False(t, ok)
	d := get(t, &pool, 1)
	pool.SetLimit(0)
	e := get(t, &pool, Large)
	for _, p := range []*Piece{&a, &c, &d, &e} {
		p.Release()
	}
	require.Zero(t, pool.Live())
}

// Memory is short before it is spent, and what may not fail is given all the same.
func TestShort(t *testing.T) {
	var pool Pool
	require.False(t, pool.Short(), "without a limit")
	pool.SetLimit(16 * Small)
	var all []Piece
	for range 14 {
		all = append(all, get(t, &pool, 1))
	}
	require.False(t, pool.Short())
	all = append(all, get(t, &pool, 1), get(t, &pool, 1))
	require.True(t, pool.Short())
	_, ok := pool.Get(1)
	require.False(t, ok)
	all = append(all, pool.GetAnyway(Medium))
	require.Equal(t, Medium, all[16].Cost())
	require.EqualValues(t, 16*Small+Medium, pool.Live())
	for i := range all {
		all[i].Release()
	}
	require.Zero(t, pool.Live())
	require.False(t, pool.Short())
}

// The limit holds when many take at once.
func TestLimitConcurrent(t *testing.T) {
	var pool Pool
	const room = 10
	pool.SetLimit(room * Small)
	var held atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				var mine [3]Piece
				for i := range mine {
					p, ok := pool.Get(1)
					if !ok {
						continue
					}
					mine[i] = p
					if n := held.Add(1); n > room {
						t.Errorf("%d slabs are out, over the limit of %d", n, room)
					}
				}
				for i := range mine {
					if !mine[i].IsZero() {
						held.Add(-1)
						mine[i].Release()
					}
				}
			}
		})
	}
	wg.Wait()
	require.Zero(t, pool.Live())
}

func TestShareKeepsTheSlab(t *testing.T) {
	var pool Pool
	p, _ := pool.Copy([]byte("hello, world"))
	require.True(t, p.Sole())
	q := p.Slice(7, 12)
	require.False(t, p.Sole())
	require.Equal(t, "world", string(q.Bytes()))
	p.Release()
	require.True(t, q.Sole())
	require.Equal(t, int64(Small), pool.Live(), "a share keeps the whole slab")
	require.Equal(t, "world", string(q.Bytes()))
	q.Release()
	require.Zero(t, pool.Live())
}

func TestReleasedTwice(t *testing.T) {
	var pool Pool
	p := get(t, &pool, 1)
	copied := p
	p.Release()
	p.Release() // of the zero Piece: nothing
	require.Panics(t, func() { copied.Release() })
}

func TestZeroPiece(t *testing.T) {
	var p Piece
	require.True(t, p.IsZero())
	require.Nil(t, p.Bytes())
	require.Nil(t, p.Storage())
	require.Zero(t, p.Len()+p.Cost()+p.Room())
	require.False(t, p.Sole())
	require.True(t, p.Share().IsZero())
	var pool Pool
	require.True(t, p.Compact(&pool).IsZero())
	require.Zero(t, p.Append([]byte("x")))
	p.TrimFront(0)
	p.Truncate(0)
	p.Release()
}

func TestOutOfRangePanics(t *testing.T) {
	var pool Pool
	p, _ := pool.Copy([]byte("hello"))
	for name, f := range map[string]func(){
		"trim":     func() { p.TrimFront(6) },
		"negative": func() { p.TrimFront(-1) },
		"less":     func() { p.Extend(-1) },
		"truncate": func() { p.Truncate(6) },
		"extend":   func() { p.Extend(Small) },
		"prepend":  func() { p.Prepend(1) },
		"reserve":  func() { p.Reserve(1) },
		"slice":    func() { p.Slice(3, 6) },
		"backward": func() { p.Slice(3, 2) },
		"split":    func() { p.Split(6) },
	} {
		require.Panics(t, f, name)
		require.Equal(t, "hello", string(p.Bytes()), "%s changed the piece", name)
	}
	require.True(t, p.Sole(), "a failed call left a share behind")
	p.Release()
	require.Zero(t, pool.Live())
}

// Headers grow towards the front of the slab, data towards its end.
func TestHeadroom(t *testing.T) {
	var pool Pool
	p := get(t, &pool, 100)
	p.Reserve(20)
	require.Equal(t, 20, p.Headroom())
	require.Equal(t, Small-20, p.Room())
	p.Append([]byte("payload"))
	copy(p.Prepend(4), "udp ")
	copy(p.Prepend(3), "ip ")
	require.Equal(t, "ip udp payload", string(p.Bytes()))
	require.Equal(t, 13, p.Headroom())
	require.Len(t, p.Storage(), 27)
	p.TrimFront(7)
	require.Equal(t, "payload", string(p.Bytes()))
	require.Equal(t, 20, p.Headroom())
	p.Release()
}

// Only the piece that ends where the slab's used bytes end can append: others would write over it.
func TestAppendOnlyAtTheEnd(t *testing.T) {
	var pool Pool
	p, _ := pool.Copy([]byte("abcdef"))
	front := p.Slice(0, 3)
	require.Zero(t, front.Room())
	require.Zero(t, front.Append([]byte("X")))
	require.Equal(t, 1, p.Append([]byte("g")))
	back := p.Slice(4, 7)
	require.Equal(t, Small-7, back.Room())
	require.Equal(t, 1, back.Append([]byte("h")))
	require.Zero(t, p.Room(), "the end has moved on")
	require.Equal(t, "abcdefg", string(p.Bytes()))
	require.Equal(t, "efgh", string(back.Bytes()))
	cut := back.Split(2)
	require.Equal(t, "ef", string(back.Bytes()))
	require.Equal(t, "gh", string(cut.Bytes()))
	require.Zero(t, back.Append([]byte("X")))
	require.Equal(t, 1, cut.Append([]byte("i")))
	for _, q := range []*Piece{&p, &front, &back, &cut} {
		q.Release()
	}
	require.Zero(t, pool.Live())
}

func TestAppendStopsAtTheSlab(t *testing.T) {
	var pool Pool
	p := get(t, &pool, 1)
	require.Equal(t, Small, p.Append(make([]byte, Small+50)))
	require.Zero(t, p.Append([]byte("x")))
	require.Equal(t, Small, p.Len())
	p.Release()
}

// What a view shows must not reach into what stands behind it in the slab.
func TestBytesAreCapped(t *testing.T) {
	var pool Pool
	p, _ := pool.Copy([]byte("abcdef"))
	q := p.Slice(0, 3)
	_ = append(q.Bytes(), 'X')
	require.Equal(t, "abcdef", string(p.Bytes()))
	q.Release()
	p.Release()
}

func TestCompact(t *testing.T) {
	var pool Pool
	for _, c := range []struct{ n, class, cost int }{
		{10, Small, Small},     // small already
		{10, Medium, Small},    // wastes much
		{1000, Medium, Medium}, // does not fit a smaller one
		{1024, Medium, Medium}, // fills half
		{100, Large, Small},    //
		{1500, Large, Medium},  //
		{20000, Large, Large},  // does not fit a smaller one
		{Large / 2, Large, Large},
	} {
		p := get(t, &pool, c.class)
		want := pattern(c.n)
		p.Append(want)
		p = p.Compact(&pool)
		require.Equal(t, c.cost, p.Cost(), "%d bytes in %d", c.n, c.class)
		require.Equal(t, want, p.Bytes())
		require.Equal(t, int64(c.cost), pool.Live())
		p.Release()
	}
	p := get(t, &pool, Large)
	p.Append([]byte("x"))
	pool.SetLimit(1)
	p = p.Compact(&pool)
	require.Equal(t, Large, p.Cost(), "short of memory, it stays what it was")
	p.Release()
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// Shares of one slab are read while its spare room is filled (for the race detector).
func TestReadersWhileAppending(t *testing.T) {
	var pool Pool
	p, _ := pool.Copy([]byte("first"))
	var wg sync.WaitGroup
	for range 4 {
		q := p.Share()
		wg.Go(func() {
			for range 100 {
				if string(q.Bytes()) != "first" {
					t.Error("a share changed")
				}
			}
			q.Release()
		})
	}
	for range 100 {
		p.Append([]byte{1})
	}
	wg.Wait()
	p.Release()
	require.Zero(t, pool.Live())
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget")
	}
	var pool Pool
	data := pattern(1000)
	allocs := testing.AllocsPerRun(1000, func() {
		p, _ := pool.Copy(data)
		q := p.Split(500)
		p.Release()
		q.Release()
	})
	require.Less(t, allocs, 0.1) // a collection may empty the pool in between
}

func Example() {
	var pool Pool
	p, _ := pool.Get(1500)
	p.Reserve(40) // for headers
	p.Append([]byte("hello, world"))
	q := p.Split(7) // no byte is copied
	p.Release()
	fmt.Printf("%s, %d bytes live\n", q.Bytes(), pool.Live())
	q.Release()
	fmt.Printf("%d bytes live\n", pool.Live())
	// Output:
	// world, 2048 bytes live
	// 0 bytes live
}

func TestJoin(t *testing.T) {
	var pool Pool
	p, ok := pool.Copy([]byte("abcdef"))
	require.True(t, ok)
	a, b, c := p.Slice(0, 2), p.Slice(2, 4), p.Slice(4, 6)
	require.False(t, a.Join(&c), "not adjoining")
	require.True(t, a.Join(&b))
	require.True(t, b.IsZero())
	require.True(t, a.Join(&c))
	require.Equal(t, "abcdef", string(a.Bytes()))
	var zero Piece
	require.False(t, a.Join(&zero))
	require.False(t, zero.Join(&a))
	a.Release()
	p.Release()
	require.Zero(t, pool.Live())
}
