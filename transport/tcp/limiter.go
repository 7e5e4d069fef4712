package tcp

import (
	"sync"
	"time"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// limiter bounds the rate of answers that anybody can provoke. What a second may spend is drawn anew
// each second, between a half and one and a half of the rate, so that nobody can count others' traffic
// by what is left of it (as with SAD DNS; Linux randomised its challenge ACKs for CVE-2016-5696).
type limiter struct {
	mu     sync.Mutex // a leaf
	random *stack.Random
	rate   int // per second, on average
	since  tcpip.Time
	left   int
}

func (l *limiter) init(r *stack.Random, rate int) { l.random, l.rate = r, rate }

// allow reports whether one more answer may be sent.
func (l *limiter) allow(now tcpip.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since == 0 || now.Sub(l.since) >= time.Second {
		l.since = now
		l.left = l.rate/2 + l.random.IntN(l.rate+1)
	}
	if l.left <= 0 {
		return false
	}
	l.left--
	return true
}

func (l *limiter) setRate(rate int) {
	l.mu.Lock()
	l.rate = rate
	l.mu.Unlock()
}
