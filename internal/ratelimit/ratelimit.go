// Package ratelimit bounds how many ICMP errors are sent: a bucket of tokens for all of them, whose
// content is random, and one for each host that they go to. The buckets know no clock and no chance; they
// are told the time and a random number.
package ratelimit

import (
	"net/netip"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// Bucket is a bucket of tokens for everything that is sent. What is left in it cannot be counted from
// outside: a token costs 0, 1 or 2 of its credits, by chance, and 1 on average. A bucket that can be
// counted tells who fills it which ports are open (SAD DNS, CVE-2020-25705). It is not safe for concurrent
// use; the zero Bucket must be made ready with Init.
type Bucket struct {
	rate, burst int64
	credit      int64 // nanoseconds' worth: rate credits are a second
	stamp       tcpip.Time
}

// Init makes a full bucket of burst credits that regains rate credits a second. A rate of 0 or less
// allows nothing.
func (b *Bucket) Init(rate, burst int) {
	*b = Bucket{rate: int64(max(rate, 0)), burst: int64(max(burst, 0))}
}

// Allow reports whether there is a token now. chance is uniformly random; it decides what the token costs.
func (b *Bucket) Allow(now tcpip.Time, chance uint32) bool {
	const unit = int64(time.Second)
	if b.stamp.IsZero() {
		b.credit = b.burst * unit
	} else if passed := int64(min(now.Sub(b.stamp), time.Second)); passed > 0 {
		b.credit = min(b.credit+passed*b.rate, b.burst*unit)
	}
	b.stamp = now
	if b.rate == 0 || b.credit < unit {
		return false
	}
	b.credit -= int64(chance%3) * unit // at worst one credit is owed, so that the rate is exact
	return true
}

// Hosts is a table of buckets, one for each host. It is bounded: where it is full the host that was
// heard of the longest time ago is forgotten, of the few that share its place. It is not safe for
// concurrent use; the zero Hosts must be made ready with Init.
type Hosts struct {
	every time.Duration
	sets  []set // made on first use
}

type set [ways]host

type host struct {
	addr  netip.Addr
	stamp tcpip.Time
	time  time.Duration // tokens, as the time it took to earn them
}

// Init makes a table in which a host earns a token every so often, and keeps at most hostBurst. An
// interval of 0 or less allows everything.
func (h *Hosts) Init(every time.Duration) { *h = Hosts{every: every} }

// Allow reports whether there is a token for the host now. hash is that of its address under a secret key.
func (h *Hosts) Allow(now tcpip.Time, addr netip.Addr, hash uint32) bool {
	if h.every <= 0 {
		return true
	}
	if h.sets == nil {
		h.sets = make([]set, sets)
	}
	full := h.every * hostBurst
	s := &h.sets[hash%sets]
	oldest := 0
	for i := range s {
		e := &s[i]
		if e.addr == addr {
			e.time = min(e.time+now.Sub(e.stamp), full)
			e.stamp = now
			return e.take(h.every)
		}
		if e.stamp < s[oldest].stamp {
			oldest = i
		}
	}
	s[oldest] = host{addr: addr, stamp: now, time: full}
	return s[oldest].take(h.every)
}

func (e *host) take(every time.Duration) bool {
	if e.time < every {
		return false
	}
	e.time -= every
	return true
}
