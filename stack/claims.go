package stack

import (
	"slices"
	"sync/atomic"

	"github.com/seed963a8790/netstack/header"
)

// portClaims is who has claims on one port of one protocol. It is changed under its shard's mu and read without.
type portClaims struct {
	claims atomic.Pointer[[]*claim] // the oldest first; the slice is never changed
	index  atomic.Pointer[claimIndex]
	flows  localCounts // flows in the demux with this local port
}

func (p *portClaims) list() []*claim {
	if l := p.claims.Load(); l != nil {
		return *l
	}
	return nil
}

func (p *portClaims) add(c *claim) {
	list := append(slices.Clip(p.list()), c)
	p.claims.Store(&list)
	x := p.index.Load()
	switch {
	case x != nil:
		x.add(c)
	case len(list) > claimsScanned:
		x = newClaimIndex()
		for _, m := range list {
			x.add(m)
		}
		p.index.Store(x)
	}
}

func (p *portClaims) remove(c *claim) {
	old := p.list()
	i := slices.Index(old, c)
	if i < 0 {
		return
	}
	list := slices.Delete(slices.Clone(old), i, i+1)
	p.claims.Store(&list)
	if x := p.index.Load(); x != nil {
		x.remove(c)
		if len(list) < claimsScanned/2 {
			p.index.Store(nil)
		}
	}
}

// find returns the claim that is to get a packet.
func (p *portClaims) find(a *arrival, hash uint32) *claim {
	if x := p.index.Load(); x != nil {
		return x.find(a, hash)
	}
	list := p.list()
	best, score, sharing := (*claim)(nil), -1, uint64(0)
	for _, c := range list {
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
	n := uint64(hash) * sharing >> 32
	for _, c := range list {
		if c.ReusePort && c.score(a) == score {
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
	if c.Proto == header.ProtocolTCP && (manners == claimAlone || !c.ReuseAddr) && p.flows.has(c.local) {
		return false // connections, those in TIME-WAIT included
	}
	return !p.conflict(c, manners)
}

// admitsListener reports whether c, already bound, may listen beside the others.
func (p *portClaims) admitsListener(c *claim) bool { return !p.conflict(c, claimPolite) }

func (p *portClaims) conflict(c *claim, manners claimManners) bool {
	if x := p.index.Load(); x != nil {
		return x.conflict(c, manners)
	}
	return slices.ContainsFunc(p.list(), func(o *claim) bool {
		return c.overlaps(o) && (manners == claimAlone || !c.tolerates(o.class()))
	})
}

// localCounts counts flows by local address; one address is the common case.
type localCounts struct {
	total int
	addr  addr128
	n     int             // of addr
	more  map[addr128]int // of the others
}

func (l *localCounts) add(a addr128) {
	l.total++
	switch {
	case l.n == 0 && l.more[a] == 0:
		l.addr, l.n = a, 1
	case l.addr == a && l.n > 0:
		l.n++
	default:
		if l.more == nil {
			l.more = make(map[addr128]int)
		}
		l.more[a]++
	}
}

func (l *localCounts) remove(a addr128) {
	l.total--
	if l.addr == a && l.n > 0 {
		l.n--
		return
	}
	if l.more[a]--; l.more[a] == 0 {
		delete(l.more, a)
	}
}

// has reports whether there is a flow from a, or from any address if a is zero.
func (l *localCounts) has(a addr128) bool {
	if a == (addr128{}) {
		return l.total > 0
	}
	return l.n > 0 && l.addr == a || l.more[a] > 0
}
