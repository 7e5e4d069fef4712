package stack

import (
	"sync"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// claimIndex answers for a port with many claims what portClaims answers by looking at each of them, in a
// number of steps that does not depend on how many there are.
type claimIndex struct {
	mu     sync.RWMutex // a leaf; writers hold the shard's mu too
	groups [2]claimGroups
	tally  map[tallyKey]int
}

// claimGroups has the claims of one family, those together that cannot be told apart by a score.
type claimGroups struct {
	shapes [numScores]int // claims by shape
	groups map[groupKey]*claimGroup
}

// groupKey is what a claim of a shape asks for.
type groupKey struct {
	local, remote addr128
	remotePort    uint16
	nic           tcpip.NICID
	shape         uint8
}

// claimGroup has its claims in a list from the newest on, and those with SO_REUSEPORT in a row.
type claimGroup struct {
	newest  *claim
	sharing []*claim
}

// claimLinks is a claim's place in a group.
type claimLinks struct {
	newer, older *claim
	share        int // in sharing
}

func newClaimIndex() *claimIndex {
	x := &claimIndex{tally: make(map[tallyKey]int)}
	for i := range x.groups {
		x.groups[i].groups = make(map[groupKey]*claimGroup)
	}
	return x
}

func (c *claim) groupKey() groupKey {
	return groupKey{c.local, c.remote, c.Remote.Port(), c.NIC, c.shape}
}

// families returns which of claimIndex.groups c is in: IPv4's, IPv6's.
func (c *claim) families() [2]bool { return [2]bool{c.V4, c.V6} }

func (x *claimIndex) add(c *claim) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, k := range c.tallyKeys() {
		x.tally[k]++
	}
	if c.Proto == header.ProtocolTCP && !c.Listening {
		return
	}
	for i, in := range c.families() {
		if in {
			x.groups[i].add(c, i)
		}
	}
}

func (x *claimIndex) remove(c *claim) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, k := range c.tallyKeys() {
		if x.tally[k]--; x.tally[k] == 0 {
			delete(x.tally, k)
		}
	}
	if c.Proto == header.ProtocolTCP && !c.Listening {
		return
	}
	for i, in := range c.families() {
		if in {
			x.groups[i].remove(c, i)
		}
	}
}

// add puts c, of family i, in.
func (f *claimGroups) add(c *claim, i int) {
	k := c.groupKey()
	g := f.groups[k]
	if g == nil {
		g = new(claimGroup)
		f.groups[k] = g
	}
	c.links[i] = claimLinks{older: g.newest}
	if g.newest != nil {
		g.newest.links[i].newer = c
	}
	g.newest = c
	if c.ReusePort {
		c.links[i].share = len(g.sharing)
		g.sharing = append(g.sharing, c)
	}
	f.shapes[c.shape]++
}

// remove takes c out. Of those that share, the last takes its place, as on Linux.
func (f *claimGroups) remove(c *claim, i int) {
	k := c.groupKey()
	g, l := f.groups[k], &c.links[i]
	if l.newer != nil {
		l.newer.links[i].older = l.older
	} else {
		g.newest = l.older
	}
	if l.older != nil {
		l.older.links[i].newer = l.newer
	}
	if c.ReusePort {
		last := len(g.sharing) - 1
		moved := g.sharing[last]
		g.sharing[l.share], moved.links[i].share = moved, l.share
		g.sharing[last] = nil
		g.sharing = g.sharing[:last]
	}
	*l = claimLinks{}
	if g.newest == nil {
		delete(f.groups, k)
	}
	f.shapes[c.shape]--
}

// find tries the shapes that occur, the best first.
func (x *claimIndex) find(a *arrival, hash uint32) *claim {
	x.mu.RLock()
	defer x.mu.RUnlock()
	f := &x.groups[one(!a.v4)]
	for shape := numScores - 1; shape >= 0; shape-- {
		if f.shapes[shape] == 0 {
			continue
		}
		k := groupKey{shape: uint8(shape)}
		if shape&scoreLocal != 0 {
			k.local = a.local
		}
		if shape&scoreRemoteAddr != 0 {
			k.remote = a.remote
		}
		if shape&scoreRemotePort != 0 {
			k.remotePort = a.remotePort
		}
		if shape&scoreNIC != 0 {
			k.nic = a.nic
		}
		g := f.groups[k]
		if g == nil {
			continue
		}
		best := g.newest
		if best.ReusePort {
			if c := best.Group.choose(a, shape); c != nil {
				return c
			}
			best = g.sharing[uint64(hash)*uint64(len(g.sharing))>>32]
		}
		return best
	}
	return nil
}

// tallyKey names a set of claims that are alike to a newcomer: those of one or of all local addresses, of one
// or of all NICs, by families and class.
type tallyKey struct {
	local            addr128 // zero with one address: claims on any address
	nic              tcpip.NICID
	allAddr, allNICs bool
	families         uint8 // 1 IPv4, 2 IPv6, 3 both
	class            claimClass
}

func (c *claim) familySet() uint8 { return uint8(one(c.V4) | one(c.V6)<<1) }

// tallyKeys returns the sets that c belongs to.
func (c *claim) tallyKeys() [4]tallyKey {
	k := tallyKey{local: c.local, nic: c.NIC, families: c.familySet(), class: c.class()}
	anyNIC, anyAddr, all := k, k, k
	anyNIC.nic, anyNIC.allNICs = 0, true
	anyAddr.local, anyAddr.allAddr = addr128{}, true
	all.local, all.allAddr, all.nic, all.allNICs = addr128{}, true, 0, true
	return [4]tallyKey{k, anyNIC, anyAddr, all}
}

// conflict reports whether some claim stands in c's way. It looks at every set that overlaps with c.
func (x *claimIndex) conflict(c *claim, manners claimManners) bool {
	var addrs, nics [2]tallyKey // in each only the part it is named for is filled in
	addrs[0].local, addrs[1].local = c.local, addr128{}
	if c.local == (addr128{}) {
		addrs[0].allAddr, addrs[1].allAddr = true, true
	}
	nics[0].nic, nics[1].nic = c.NIC, 0
	if c.NIC == 0 {
		nics[0].allNICs, nics[1].allNICs = true, true
	}
	for families := uint8(1); families <= 3; families++ {
		if families&c.familySet() == 0 {
			continue
		}
		for class := range numClaimClasses {
			if manners == claimPolite && c.tolerates(class) {
				continue
			}
			for _, a := range addrs {
				for _, n := range nics {
					k := tallyKey{a.local, n.nic, a.allAddr, n.allNICs, families, class}
					if x.tally[k] > 0 {
						return true
					}
				}
			}
		}
	}
	return false
}
