package stack

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// The smallest path MTUs that are believed. What claims less is ignored on IPv6, where every link must carry
// as much (RFC 8200 §5); on IPv4 it is taken for the minimum and locked (Linux's min_pmtu; BEHAVIOUR B8).
const (
	minPathMTU4 = 552
	minPathMTU6 = 1280
)

// pathMTULifetime is how long a learnt path MTU holds (RFC 1191 §6.3, RFC 8201 §4; Linux's mtu_expires).
const pathMTULifetime = 10 * time.Minute

// pmtuCache holds what ICMP has taught of path MTUs, per destination and shared by all flows to it. It is
// bounded; a random entry makes room for a new one, so that an attacker cannot choose whose.
type pmtuCache struct {
	stack *Stack
	live  atomic.Int32 // entries: the packet path stops here while there are none
	// generation grows with every change; routes compare it with that of what they have kept.
	generation atomic.Uint32

	mu          sync.Mutex // a leaf
	index       map[netip.Addr]*pathMTU
	all         []*pathMTU // in no order, to choose from at random
	first, last *pathMTU   // in the order of expiry
	timer       tcpip.Timer
	closed      bool
}

type pathMTU struct {
	dst        netip.Addr
	mtu        int
	locked     bool
	expires    tcpip.Time
	slot       int // in all
	next, prev *pathMTU
}

func (c *pmtuCache) init(s *Stack) {
	c.stack = s
	c.index = make(map[netip.Addr]*pathMTU)
}

// LearnPathMTU notes a "too big" for dst that was found credible. It returns the path MTU that holds now,
// in bytes, and whether that is lower than before. A path MTU never grows but by expiry, and never exceeds
// the route's; 0 is returned if there is no route.
func (s *Stack) LearnPathMTU(dst netip.Addr, mtu int) (int, bool) {
	r, err := s.FindRoute(RouteQuery{Destination: dst, AnySource: true})
	if err != tcpip.OK {
		return 0, false
	}
	known, locked := r.PathMTU()
	if mtu < minPathMTU6 && dst.Is6() || r.Loopback {
		return known, false
	}
	low := mtu < minPathMTU4
	mtu = max(mtu, minPathMTU4)
	if locked || mtu >= r.mtu || mtu > known {
		return known, false
	}
	s.pmtu.set(dst, mtu, low, s.Now())
	return mtu, mtu < known || low
}

func (c *pmtuCache) set(dst netip.Addr, mtu int, locked bool, now tcpip.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	e := c.index[dst]
	if e != nil {
		c.remove(e)
	}
	if len(c.all) >= c.stack.limits.PathMTUs {
		c.remove(c.all[c.stack.random.IntN(len(c.all))])
	}
	e = &pathMTU{dst: dst, mtu: mtu, locked: locked, expires: now.Add(pathMTULifetime), slot: len(c.all)}
	c.index[dst] = e
	c.all = append(c.all, e)
	if e.prev = c.last; e.prev == nil {
		c.first = e
		c.arm(pathMTULifetime)
	} else {
		e.prev.next = e
	}
	c.last = e
	c.changed()
}

// remove takes e out. c.mu is held.
func (c *pmtuCache) remove(e *pathMTU) {
	delete(c.index, e.dst)
	end := len(c.all) - 1
	c.all[e.slot] = c.all[end]
	c.all[e.slot].slot = e.slot
	c.all[end] = nil
	c.all = c.all[:end]
	if e.prev == nil {
		c.first = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		c.last = e.prev
	} else {
		e.next.prev = e.prev
	}
	c.changed()
}

func (c *pmtuCache) changed() {
	c.live.Store(int32(len(c.all)))
	c.generation.Add(1)
}

func (c *pmtuCache) arm(d time.Duration) {
	if c.timer == nil {
		c.timer = c.stack.clock.AfterFunc(d, c.expire)
	} else {
		c.timer.Reset(d)
	}
}

// expire forgets what is too old, so that the path is probed again (BEHAVIOUR B9).
func (c *pmtuCache) expire() {
	now := c.stack.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.first != nil && c.first.expires <= now {
		c.remove(c.first)
	}
	if c.first != nil && !c.closed {
		c.arm(c.first.expires.Sub(now))
	}
}

func (c *pmtuCache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for c.first != nil {
		c.remove(c.first)
	}
	if c.timer != nil {
		c.timer.Stop()
	}
}

func (c *pmtuCache) get(dst netip.Addr) (mtu int, locked, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.index[dst]; e != nil {
		return e.mtu, e.locked, true
	}
	return 0, false, false
}

// PathMTU returns MTU, or what was learnt to be smaller. locked: the path claimed less than the minimum, so
// packets larger than the path must be let through without DF (BEHAVIOUR B8).
func (r *Route) PathMTU() (mtu int, locked bool) {
	c := &r.stack.pmtu
	if c.live.Load() == 0 {
		return r.mtu, false
	}
	const lockBit = 1 << 31
	generation := uint64(c.generation.Load())
	kept := r.cached.pmtu.Load() // the generation, the lock and the MTU
	if kept>>32 != generation || kept&(lockBit-1) == 0 {
		kept = generation<<32 | uint64(r.mtu)
		if learnt, locked, ok := c.get(r.Remote); ok && learnt <= r.mtu {
			kept = generation<<32 | uint64(learnt)
			if locked {
				kept |= lockBit
			}
		}
		r.cached.pmtu.Store(kept)
	}
	return int(kept & (lockBit - 1)), kept&lockBit != 0
}

// PMTUPolicy turns an endpoint's mode into the DF bit and the MTU, in bytes, to send with:
//
//	DONT       DF clear                    path MTU
//	WANT       DF set, clear where locked  path MTU
//	DO         DF set                      path MTU
//	PROBE      DF set                      the route's
//	INTERFACE  DF clear                    the route's
//	OMIT       DF clear                    the route's
//
// A packet larger than mtu is fragmented in the modes DONT, WANT and OMIT, and the sender then clears df; in the
// others it is ErrMessageSize. On IPv6 df means not to fragment.
func (r *Route) PMTUPolicy(m tcpip.PMTUMode) (df bool, mtu int) {
	row := pmtuPolicies[min(m, tcpip.PMTUOmit)]
	if !row.path {
		return row.df, r.mtu
	}
	mtu, locked := r.PathMTU()
	return row.df && !(locked && row.yields), mtu
}

var pmtuPolicies = [...]struct{ df, path, yields bool }{
	tcpip.PMTUDont:      {path: true},
	tcpip.PMTUWant:      {df: true, path: true, yields: true},
	tcpip.PMTUDo:        {df: true, path: true},
	tcpip.PMTUProbe:     {df: true},
	tcpip.PMTUInterface: {},
	tcpip.PMTUOmit:      {},
}
