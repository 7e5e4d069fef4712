package stack

import (
	"sync"
	"sync/atomic"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// ReuseGroup is what claims on one port share that were made with SO_REUSEPORT, for the same address and NIC: a BPF
// program that chooses among them (SO_ATTACH_REUSEPORT_CBPF). Its zero value chooses by hash. It is safe for concurrent
// use.
type ReuseGroup struct {
	program SocketFilter
	members atomic.Pointer[reuseList] // nil: none
	mu      sync.Mutex                // a leaf: who changes members
	moved   int                       // members that were copied when a list took another's place
}

// reuseList has members by their number. It is changed in place and read without a lock: who reads it may see a member
// that leaves, and the one that takes its number twice.
type reuseList struct {
	slots []atomic.Pointer[reuseSlot]
	used  atomic.Int32 // of slots
}

// reuseSlot is a member: its claim, nil if it is leaving.
type reuseSlot struct {
	c      atomic.Pointer[claim]
	group  *ReuseGroup
	number int // under the group's mu
}

// follow brings b's place in its group up to date with its claim, nil if it has none any more. Listeners are members
// while they listen.
func (b *Binding) follow(c *claim) {
	member := c != nil && b.Group != nil && (c.Proto != header.ProtocolTCP || c.Listening)
	if b.seat != nil && (!member || b.seat.group != b.Group) {
		b.seat.leave()
		b.seat = nil
	}
	switch {
	case !member:
	case b.seat != nil:
		b.seat.c.Store(c)
	default:
		b.seat = b.Group.join(c)
	}
}

// join makes a new last member, whose claim is c.
func (g *ReuseGroup) join(c *claim) *reuseSlot {
	g.mu.Lock()
	defer g.mu.Unlock()
	l, n := g.members.Load(), 0
	if l != nil {
		n = int(l.used.Load())
	}
	if l == nil || n == len(l.slots) {
		l = g.move(l, n, max(2*n, 1))
	}
	s := &reuseSlot{group: g, number: n}
	s.c.Store(c)
	l.slots[n].Store(s)
	l.used.Store(int32(n + 1))
	g.members.Store(l)
	return s
}

// leave takes s out. As on Linux the last member takes its number.
func (s *reuseSlot) leave() {
	g := s.group
	g.mu.Lock()
	defer g.mu.Unlock()
	s.c.Store(nil)
	l := g.members.Load()
	n := int(l.used.Load()) - 1
	last := l.slots[n].Load()
	l.slots[s.number].Store(last)
	last.number = s.number
	l.used.Store(int32(n))
	l.slots[n].Store(nil)
	switch {
	case n == 0:
		g.members.Store(nil)
	case len(l.slots) > holesKept && 4*n <= len(l.slots):
		g.members.Store(g.move(l, n, 2*n))
	}
}

// move returns a list of size slots with the first n members of another.
func (g *ReuseGroup) move(from *reuseList, n, size int) *reuseList {
	to := &reuseList{slots: make([]atomic.Pointer[reuseSlot], size)}
	for i := range n {
		to.slots[i].Store(from.slots[i].Load())
	}
	g.moved += n
	to.used.Store(int32(n))
	return to
}

// claimOf returns the claim of the member with a number, nil if there is none.
func (g *ReuseGroup) claimOf(number int) *claim {
	l := g.members.Load()
	if l == nil || uint64(number) >= uint64(l.used.Load()) {
		return nil
	}
	s := l.slots[number].Load()
	if s == nil {
		return nil
	}
	return s.c.Load()
}

// Attach sets the program, code as in SocketFilter.Attach. It sees a packet from behind its transport header on, and
// returns the number of a member, counted from 0 as they came; beyond the last the hash decides.
//
// Errors: ErrInvalid for a program that may not run.
func (g *ReuseGroup) Attach(code []byte) tcpip.Error { return g.program.Attach(code) }

// Detach takes the program away.
//
// Errors: ErrNotFound if there is none.
func (g *ReuseGroup) Detach() tcpip.Error { return g.program.Detach() }

// choose returns the member that the program chooses for a packet that best, with this score, is to get by the table
// alone; nil if there is none, or it would not get the packet either.
func (g *ReuseGroup) choose(a *arrival, score int) *claim {
	if g == nil || a.packet == nil || !g.program.On() {
		return nil
	}
	i := g.program.Run(a.packet, a.packet.payloadAt(), a.packet.Link.Type)
	if c := g.claimOf(int(i)); c != nil && c.score(a) == score {
		return c
	}
	return nil
}

// payloadAt returns where in the front the transport's payload begins.
func (p *Packet) payloadAt() int {
	at := len(p.Front()) - len(p.Transport())
	if p.Proto == header.ProtocolTCP {
		return at + header.TCP(p.Transport()).HeaderLen()
	}
	return at + header.UDPSize
}

// groupFor returns the group that c, with SO_REUSEPORT, is one of: that of claims that are there, else its own.
func (p *portClaims) groupFor(c *claim) *ReuseGroup {
	list := p.claimsOf()
	for i := list.len() - 1; i >= 0; i-- {
		if o := list.at(i); o != nil && o.Group != nil && o.ReusePort && o.local == c.local && o.NIC == c.NIC && o.V4 == c.V4 && o.V6 == c.V6 {
			return o.Group
		}
	}
	if c.Group != nil {
		return c.Group
	}
	return new(ReuseGroup)
}

// FindFor is Find for a packet whose transport header has been validated, which a group's program may look at.
func (d *Demux) FindFor(id FlowID, p *Packet, hash uint32) Receiving {
	k := keyOf(id)
	flows, h := d.flow(&k)
	if r, ok := flows.lookup(h, k); ok {
		return r
	}
	ports, pk, ph := d.port(id.Proto, id.Local.Port())
	c, _ := ports.lookup(ph, pk)
	if c == nil {
		return nil
	}
	a := arrivalOf(id, &k, p.NIC)
	a.packet = p
	if best := c.find(&a, hash); best != nil {
		return best.Receiver
	}
	return nil
}
