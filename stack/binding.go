package stack

import (
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// Binding is a claim on a local port. After Bind only Rebind changes it.
type Binding struct {
	Proto                header.Protocol
	V4, V6               bool        // families it receives
	Local                netip.Addr  // zero or unspecified: any
	Port                 uint16      // 0 in Bind: choose
	Ports                uint32      // what Bind chooses from: the low 16 bits to the high ones; 0: the stack's range
	NIC                  tcpip.NICID // 0: any
	ReuseAddr, ReusePort bool
	Group                *ReuseGroup    // Bind sets it where ReusePort is set; before, what a group that it begins would be
	Listening            bool           // TCP: takes part in lookup only while listening
	Remote               netip.AddrPort // connected datagram endpoints; zero: any; with port 0: any port
	Receiver             Receiving

	claim *claim     // what stands in the table; guarded by the shard's mu
	seat  *reuseSlot // in a ReuseGroup; nil: none
}

// claim is a Binding as it stands in the table. It is never changed, only replaced.
type claim struct {
	Binding
	local, remote addr128
	shape         uint8 // its score for packets that match in all it asks for

	slot  int           // in the port's list; under the shard's mu
	links [2]claimLinks // in the index's groups by family; under the index's
}

// The parts of a score, in Linux's order: an exact local address beats everything, then a connected remote
// end, then a NIC, and an IPv4 endpoint beats one of IPv6 that takes IPv4 too.
const (
	scoreFamily     = 1
	scoreNIC        = 2
	scoreRemoteAddr = 4
	scoreRemotePort = 8
	scoreLocal      = 16
	numScores       = 32
)

func newClaim(b *Binding) *claim {
	c := &claim{Binding: *b}
	c.claim, c.seat = nil, nil
	if c.Local.IsValid() && c.Local.IsUnspecified() {
		c.Local = netip.Addr{}
	}
	if c.Local.IsValid() { // an address is of one family
		c.V4, c.V6 = c.V4 && c.Local.Is4(), c.V6 && c.Local.Is6()
	}
	c.local, c.remote = addr128From(c.Local), addr128From(c.Remote.Addr())
	c.shape = uint8(scoreLocal*one(c.Local.IsValid()) + scoreRemoteAddr*one(c.Remote.Addr().IsValid()) +
		scoreRemotePort*one(c.Remote.Port() != 0) + scoreNIC*one(c.NIC != 0) + scoreFamily*one(c.V4 && !c.V6))
	return c
}

// arrival is what claims are compared with.
type arrival struct {
	local, remote addr128
	remotePort    uint16
	nic           tcpip.NICID
	v4            bool
	packet        *Packet // what arrives, if it may be looked at
}

func arrivalOf(id FlowID, k *flowKey, nic *NIC) arrival {
	a := arrival{local: k.local, remote: k.remote, remotePort: id.Remote.Port(), v4: id.Local.Addr().Is4()}
	if nic != nil {
		a.nic = nic.id
	}
	return a
}

// score says how well c fits a packet, -1 if it does not. Between two claims that fit, the parts in which they
// differ are those that one of them leaves open, so the shape is the score.
func (c *claim) score(a *arrival) int {
	switch {
	case a.v4 && !c.V4, !a.v4 && !c.V6,
		c.Proto == header.ProtocolTCP && !c.Listening,
		c.shape&scoreLocal != 0 && c.local != a.local,
		c.shape&scoreRemoteAddr != 0 && c.remote != a.remote,
		c.shape&scoreRemotePort != 0 && c.Remote.Port() != a.remotePort,
		c.shape&scoreNIC != 0 && c.NIC != a.nic:
		return -1
	}
	return int(c.shape)
}

// overlaps reports whether c and o could get the same packet: they share a family, a NIC and an address. Then
// one may not be claimed while the other stands, unless it tolerates that.
func (c *claim) overlaps(o *claim) bool {
	return c.meets(o) && (c.NIC == 0 || o.NIC == 0 || c.NIC == o.NIC)
}

// claimClass is what a claim allows others; a set of bits.
type claimClass uint8

const (
	sharesAddr claimClass = 1 << iota // SO_REUSEADDR, and not listening
	sharesPort                        // SO_REUSEPORT
	numClaimClasses
)

func (c *claim) class() claimClass {
	return shareClass(c.ReuseAddr && !c.Listening, c.ReusePort)
}

func shareClass(addr, port bool) claimClass { return claimClass(one(addr) | one(port)<<1) }

// tolerates reports whether c may be claimed beside an overlapping claim of a class, as socket(7) has it: both
// have SO_REUSEADDR and the one that is there does not listen, or both have SO_REUSEPORT.
func (c *claim) tolerates(o claimClass) bool {
	return c.ReuseAddr && o&sharesAddr != 0 || c.ReusePort && o&sharesPort != 0
}

// Bind claims b's port. If it is 0, Bind chooses one at random (RFC 6056 §3.3.1) that nobody overlapping
// has, else one that may be shared.
//
// Errors: ErrAddrInUse if the port is taken, or none is free.
func (d *Demux) Bind(b *Binding) tcpip.Error {
	if b.Port != 0 {
		return d.bind(b, b.Port, claimLike)
	}
	low, n := d.stack.ports.within(b.Ports)
	for _, manners := range []claimManners{claimAlone, claimPolite} {
		for range portTries {
			if d.bind(b, low+uint16(d.stack.random.IntN(n)), manners) == tcpip.OK {
				return tcpip.OK
			}
		}
		for i, from := 0, d.stack.random.IntN(n); i < n; i++ {
			if d.bind(b, low+uint16((from+i)%n), manners) == tcpip.OK {
				return tcpip.OK
			}
		}
	}
	return tcpip.ErrAddrInUse
}

// claimManners says what a claim puts up with.
type claimManners uint8

const (
	claimPolite claimManners = iota // what the options of both sides allow
	claimLike                       // that, and those whose like has come before
	claimAlone                      // nobody
)

// bind claims one port for b, which changes only on success.
func (d *Demux) bind(b *Binding, port uint16, manners claimManners) tcpip.Error {
	c := newClaim(b)
	c.Port = port
	ports, k, h := d.port(b.Proto, port)
	ports.mu.Lock()
	defer ports.mu.Unlock()
	p, _ := ports.lookup(h, k)
	if p != nil && !p.admits(c, manners) {
		return tcpip.ErrAddrInUse
	}
	if p == nil {
		p = new(portClaims)
		ports.insert(&d.stack.keys.Flow, h, k, p, 0)
	}
	if c.ReusePort {
		c.Group = p.groupFor(c)
		b.Group = c.Group
	}
	p.memory.note(c)
	p.add(c)
	b.Port, b.claim = port, c
	b.follow(c)
	return tcpip.OK
}

// Rebind changes a claim in place: change alters a copy of b, and what results replaces b and the claim
// together. The protocol and the port stay. A listener is checked against others as in Bind; connecting and
// options are not, as on Linux.
//
// Errors: ErrAddrInUse, and then nothing has changed; ErrInvalid if b is not bound.
func (d *Demux) Rebind(b *Binding, change func(*Binding)) tcpip.Error {
	ports, k, h := d.port(b.Proto, b.Port)
	ports.mu.Lock()
	defer ports.mu.Unlock()
	p, _ := ports.lookup(h, k)
	if p == nil || b.claim == nil {
		return tcpip.ErrInvalid
	}
	fresh := *b
	change(&fresh)
	fresh.Proto, fresh.Port = b.Proto, b.Port
	c, old := newClaim(&fresh), b.claim
	p.remove(old)
	if c.Listening && !old.Listening && !p.admitsListener(c) {
		p.add(old)
		return tcpip.ErrAddrInUse
	}
	if c.Listening && !old.Listening {
		p.memory.note(c)
		if c.ReusePort {
			c.Group = p.groupFor(c)
			fresh.Group = c.Group
		}
	}
	p.add(c)
	fresh.seat = b.seat
	*b = fresh
	b.claim = c
	b.follow(c)
	return tcpip.OK
}

// Unbind gives the claim up. Doing so again does nothing.
func (d *Demux) Unbind(b *Binding) {
	ports, k, h := d.port(b.Proto, b.Port)
	ports.mu.Lock()
	defer ports.mu.Unlock()
	p, _ := ports.lookup(h, k)
	if p == nil || b.claim == nil {
		return
	}
	p.remove(b.claim)
	b.follow(nil)
	b.claim = nil
	d.tidy(ports, h, k, p)
}
