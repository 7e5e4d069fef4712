package stack

import "sync/atomic"

// claimList is the claims on a port in the order in which they came. It is changed under the shard's mu and read
// without: a claim that is given up leaves a hole, and only when it is full, or mostly holes, does another list take
// its place. So a claim more or less costs the same however many there are.
type claimList struct {
	slots []atomic.Pointer[claim] // nil: a hole
	used  atomic.Int32            // of slots

	live int // claims; under the shard's mu
}

// len returns how many slots may have a claim, at what is in one, nil for a hole. Both work on no list.
func (l *claimList) len() int {
	if l == nil {
		return 0
	}
	return int(l.used.Load())
}

func (l *claimList) at(i int) *claim { return l.slots[i].Load() }

// holesKept is up to how many slots a list is left alone however few of them are used.
const holesKept = 16

// claimsOf returns the list, nil if it is empty.
func (p *portClaims) claimsOf() *claimList { return p.claims.Load() }

// count returns the number of claims. The shard's mu is held, or an estimate will do.
func (p *portClaims) count() int {
	if l := p.claimsOf(); l != nil {
		return l.live
	}
	return 0
}

// append puts c at the end.
func (p *portClaims) append(c *claim) {
	l := p.claimsOf()
	if l == nil || l.len() == len(l.slots) {
		l = p.moveClaims(max(2*p.count(), 1))
	}
	n := l.len()
	c.slot = n
	l.slots[n].Store(c)
	l.used.Store(int32(n + 1))
	l.live++
	p.claims.Store(l)
}

// drop takes c out, and reports false if it is not there.
func (p *portClaims) drop(c *claim) bool {
	l := p.claimsOf()
	if l == nil || c.slot >= l.len() || l.at(c.slot) != c {
		return false
	}
	l.slots[c.slot].Store(nil)
	switch l.live--; {
	case l.live == 0:
		p.claims.Store(nil)
	case len(l.slots) > holesKept && 4*l.live <= len(l.slots):
		p.claims.Store(p.moveClaims(2 * l.live))
	}
	return true
}

// moveClaims returns a list of size slots with the claims that there are.
func (p *portClaims) moveClaims(size int) *claimList {
	to, from := &claimList{slots: make([]atomic.Pointer[claim], size)}, p.claimsOf()
	for i := range from.len() {
		if c := from.at(i); c != nil {
			c.slot = to.live
			to.slots[to.live].Store(c)
			to.live++
		}
	}
	p.moved += to.live
	to.used.Store(int32(to.live))
	return to
}
