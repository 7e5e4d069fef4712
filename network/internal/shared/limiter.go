package shared

import (
	"net/netip"
	"sync"

	"github.com/seed963a8790/netstack/internal/ratelimit"
	"github.com/seed963a8790/netstack/stack"
)

// Limiter bounds the ICMP errors that a protocol sends, in all and to each host (RFC 1812 §4.3.2.8, RFC
// 4443 §2.4 f; BEHAVIOUR F4). It is safe for concurrent use.
type Limiter struct {
	stack *stack.Stack
	mu    sync.Mutex // a leaf
	all   ratelimit.Bucket
	hosts ratelimit.Hosts
}

// Init makes the limits those of Linux.
func (l *Limiter) Init(s *stack.Stack) {
	l.stack = s
	l.all.Init(ICMPRate, ICMPBurst)
	l.hosts.Init(ICMPHostInterval)
}

// Allow reports whether an error may be sent to a host. global and host count what it refuses; global may be
// nil.
func (l *Limiter) Allow(to netip.Addr, global, host *stack.Counter) bool {
	now, chance := l.stack.Now(), l.stack.Random().Uint32()
	hash := l.stack.FlowHash(stack.FlowID{Remote: netip.AddrPortFrom(to, 0)})
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.hosts.Allow(now, to, hash):
		host.Inc()
		return false
	case !l.all.Allow(now, chance):
		global.Inc()
		return false
	}
	return true
}
