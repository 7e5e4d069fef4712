package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip"
)

const start = tcpip.Time(1 << 40)

func TestBucketRate(t *testing.T) {
	var b Bucket
	b.Init(1000, 50)
	r := rand.New(rand.NewPCG(1, 2))
	n := 0
	for at := start; at < start.Add(10*time.Second); at += tcpip.Time(100 * time.Microsecond) {
		if b.Allow(at, r.Uint32()) {
			n++
		}
	}
	require.InDelta(t, 10_000, n, 500)
}

// BEHAVIOUR F4: how many tokens a full bucket has is not the same every time.
func TestBucketIsRandom(t *testing.T) {
	seen := map[int]bool{}
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		var b Bucket
		b.Init(1000, 50)
		n := 0
		for b.Allow(start, r.Uint32()) {
			n++
		}
		require.GreaterOrEqual(t, n, 25)
		seen[n] = true
	}
	require.Greater(t, len(seen), 10)
}

func TestBucketIdle(t *testing.T) {
	var b Bucket
	b.Init(1000, 50)
	for b.Allow(start, 1) {
	}
	n := 0
	for b.Allow(start.Add(time.Hour), 1) {
		n++
	}
	require.Equal(t, 50, n, "an hour fills it to the burst and not beyond")
	require.False(t, b.Allow(start.Add(time.Minute), 1), "time that goes back earns nothing")
	b.Init(0, 50)
	require.False(t, b.Allow(start, 0))
}

func TestHosts(t *testing.T) {
	var h Hosts
	h.Init(time.Second)
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	drain := func(at tcpip.Time, a netip.Addr) (n int) {
		for h.Allow(at, a, 7) {
			n++
		}
		return n
	}
	require.Equal(t, 6, drain(start, a))
	require.Equal(t, 6, drain(start, b), "one host's flood is not another's")
	require.Equal(t, 0, drain(start.Add(999*time.Millisecond), a))
	require.Equal(t, 1, drain(start.Add(time.Second), a))
	require.Equal(t, 6, drain(start.Add(time.Hour), a))
	h.Init(0)
	require.True(t, h.Allow(start, a, 1))
}

func TestHostsForgetTheOldest(t *testing.T) {
	var h Hosts
	h.Init(time.Second)
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	for i := range ways {
		for h.Allow(start.Add(time.Duration(i)), addr(i), 0) {
		}
	}
	require.True(t, h.Allow(start.Add(ways), addr(ways), 0), "a new host finds a place")
	require.False(t, h.Allow(start.Add(ways), addr(1), 0), "the second oldest is remembered")
	require.True(t, h.Allow(start.Add(ways), addr(0), 0), "the oldest is not")
}

func Example() {
	var b Bucket
	b.Init(1000, 3)
	for range 5 {
		fmt.Print(b.Allow(start, 1), " ")
	}
	fmt.Println()
	// Output: true true true false false
}
