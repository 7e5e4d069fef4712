package stack

import (
	"slices"
	"sync/atomic"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// ReuseGroup is what claims on one port share that were made with SO_REUSEPORT, for the same address and NIC: a BPF
// program that chooses among them (SO_ATTACH_REUSEPORT_CBPF). Its zero value chooses by hash. It is safe for concurrent
// use.
type ReuseGroup struct {
	program SocketFilter
	slots   atomic.Pointer[[]*reuseSlot] // the members by number; changed under the shard's mu, by replacing it
}

// reuseSlot is a member, and what stands of it in the table.
type reuseSlot struct {
	b *Binding
	c atomic.Pointer[claim]
}

func (g *ReuseGroup) list() []*reuseSlot {
	if l := g.slots.Load(); l != nil {
		return *l
	}
	return nil
}

// follow brings b's place in its group up to date with its claim, nil if it has none any more. Listeners are members
// while they listen. As on Linux the last member takes the number of one that leaves.
func (b *Binding) follow(c *claim) {
	g := b.Group
	if g == nil {
		return
	}
	list := g.list()
	i := slices.IndexFunc(list, func(s *reuseSlot) bool { return s.b == b })
	member := c != nil && (c.Proto != header.ProtocolTCP || c.Listening)
	switch {
	case member && i >= 0:
		list[i].c.Store(c)
	case member:
		s := &reuseSlot{b: b}
		s.c.Store(c)
		list = append(slices.Clip(list), s)
		g.slots.Store(&list)
	case i >= 0:
		list = slices.Clone(list)
		last := len(list) - 1
		list[i] = list[last]
		list = list[:last:last]
		g.slots.Store(&list)
	}
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
	list := g.list()
	i := g.program.Run(a.packet, a.packet.payloadAt(), a.packet.Link.Type)
	if uint64(i) >= uint64(len(list)) {
		return nil
	}
	if c := list[i].c.Load(); c.score(a) == score {
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
