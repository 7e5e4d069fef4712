package stack

import (
	"sync/atomic"

	"github.com/seed963a8790/netstack/header"
)

// portClaims is who has claims on one port of one protocol. It is changed under its shard's mu and read without.
type portClaims struct {
	claims atomic.Pointer[claimList]
	index  atomic.Pointer[claimIndex]
	flows  localCounts // flows in the demux with this local port
	moved  int         // claims that were copied when a list took another's place
	memory claimMemory
}

func (p *portClaims) add(c *claim) {
	p.append(c)
	x := p.index.Load()
	switch {
	case x != nil:
		x.add(c)
	case p.count() > claimsScanned:
		x = newClaimIndex()
		for i, l := 0, p.claimsOf(); i < l.len(); i++ {
			if m := l.at(i); m != nil {
				x.add(m)
			}
		}
		p.index.Store(x)
	}
}

func (p *portClaims) remove(c *claim) {
	if !p.drop(c) {
		return
	}
	if x := p.index.Load(); x != nil {
		x.remove(c)
		if p.count() < claimsScanned/2 {
			p.index.Store(nil)
		}
	}
}

// find returns the claim that is to get a packet.
func (p *portClaims) find(a *arrival, hash uint32) *claim {
	if x := p.index.Load(); x != nil {
		return x.find(a, hash)
	}
	list := p.claimsOf()
	best, score, sharing := (*claim)(nil), -1, uint64(0)
	for i := range list.len() {
		c := list.at(i)
		if c == nil {
			continue
		}
		s := c.score(a)
		if s < 0 || s < score {
			continue
		}
		if s > score {
			sharing = 0
		}
		best, score = c, s
		sharing += uint64(one(c.ReusePort))
	}
	if best == nil || !best.ReusePort || sharing == 1 {
		return best
	}
	if c := best.Group.choose(a, score); c != nil {
		return c
	}
	n := uint64(hash) * sharing >> 32
	for i := range list.len() {
		if c := list.at(i); c != nil && c.ReusePort && c.score(a) == score {
			if n == 0 {
				return c
			}
			n--
		}
	}
	return best
}

// admits reports whether c may be claimed beside what is there.
func (p *portClaims) admits(c *claim, manners claimManners) bool {
	if manners == claimLike {
		if p.memory.admits(c) {
			return true
		}
		manners = claimPolite
	}
	if c.Proto == header.ProtocolTCP && p.flows.conflict(c, manners) {
		return false // connections, those in TIME-WAIT included
	}
	return !p.conflict(c, manners)
}

// admitsListener reports whether c, already bound, may listen beside the others.
func (p *portClaims) admitsListener(c *claim) bool {
	return p.memory.admits(c) || !p.conflict(c, claimPolite) && !p.flows.conflict(c, claimPolite)
}

func (p *portClaims) conflict(c *claim, manners claimManners) bool {
	if x := p.index.Load(); x != nil {
		return x.conflict(c, manners)
	}
	for i, l := 0, p.claimsOf(); i < l.len(); i++ {
		if o := l.at(i); o != nil && c.overlaps(o) && (manners == claimAlone || !c.tolerates(o.class())) {
			return true
		}
	}
	return false
}

// localCounts counts flows by what they allow others and by local address; one address is the common case.
type localCounts struct {
	total, four [numClaimClasses]int32 // all, and those of IPv4
	n           [numClaimClasses]int32 // of addr
	addr        addr128
	more        map[addr128]*[numClaimClasses]int32 // of the others
}

// of returns the counts of a, which fresh makes where there are none yet.
func (l *localCounts) of(a addr128, fresh bool) *[numClaimClasses]int32 {
	if l.addr == a && l.n != [numClaimClasses]int32{} {
		return &l.n
	}
	n := l.more[a]
	switch {
	case n != nil || !fresh:
	case l.n == [numClaimClasses]int32{}:
		l.addr, n = a, &l.n
	default:
		if l.more == nil {
			l.more = make(map[addr128]*[numClaimClasses]int32)
		}
		n = new([numClaimClasses]int32)
		l.more[a] = n
	}
	return n
}

func (l *localCounts) add(a addr128, c claimClass) { l.change(a, c, 1) }

func (l *localCounts) remove(a addr128, c claimClass) {
	l.change(a, c, -1)
	if n := l.more[a]; n != nil && *n == [numClaimClasses]int32{} {
		delete(l.more, a)
	}
}

func (l *localCounts) change(a addr128, c claimClass, by int32) {
	l.total[c] += by
	if a.four() {
		l.four[c] += by
	}
	l.of(a, true)[c] += by
}

// none reports whether there is no flow.
func (l *localCounts) none() bool { return l.total == [numClaimClasses]int32{} }

// conflict reports whether there is a flow from the address of c, or from any of its families if it has none, that c
// may not be claimed beside. As measured both must have set the same option, as among claims.
func (l *localCounts) conflict(c *claim, manners claimManners) bool {
	n := &l.total
	switch {
	case c.local != addr128{}:
		n = l.of(c.local, false)
	case c.V4 && !c.V6:
		n = &l.four
	}
	if n == nil {
		return false
	}
	for class, flows := range n {
		if flows > 0 && (manners == claimAlone || !c.tolerates(claimClass(class))) {
			return true
		}
	}
	return false
}
