package shared

import (
	"net/netip"
	"sync"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/mcast"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Membership is the shell of multicast group membership in one family: a machine with a timer for each NIC that is
// up and has groups or a querier. The stack bounds the NICs, and so the machines.
type Membership struct {
	stack  *stack.Stack
	family MembershipFamily

	mu     sync.Mutex // taken with an endpoint's lock held, and never held while sending
	byNIC  map[*stack.NIC]*member
	closed bool
}

// MembershipFamily is what differs between the families.
type MembershipFamily struct {
	V6 bool
	// Headers is the bytes that stand in front of a message on the wire.
	Headers int
	// Send sends a message. No lock is held.
	Send func(w *stack.Work, nic *stack.NIC, m *mcast.Message)
}

// member is a NIC with its machine. It is under Membership.mu.
type member struct {
	of    *Membership
	nic   *stack.NIC
	m     mcast.Machine
	timer tcpip.Timer
	gone  bool
}

// Init makes x ready.
func (x *Membership) Init(s *stack.Stack, f MembershipFamily) {
	x.stack, x.family, x.byNIC = s, f, map[*stack.NIC]*member{}
}

// Changed takes over what a NIC wants of a group.
func (x *Membership) Changed(nic *stack.NIC, group netip.Addr) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if e := x.member(nic); e != nil {
		e.m.Change(x.stack.Now(), group, nic.GroupFilter(group))
		e.arm()
	}
}

// Up begins when a NIC comes up, with all of its groups, and ends when it goes down.
func (x *Membership) Up(nic *stack.NIC, up bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !up {
		x.remove(nic)
	} else if len(nic.Groups()) > 0 {
		x.member(nic)
	}
}

// Configured takes over a NIC's options.
func (x *Membership) Configured(nic *stack.NIC) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if nic.GroupOptions().Silent {
		x.remove(nic)
	} else if e := x.member(nic); e != nil {
		e.m.Configure(x.conf(nic))
		e.arm()
	}
}

// Restart reports all groups of a NIC anew: now there is an address to do it from.
func (x *Membership) Restart(nic *stack.NIC) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if e := x.byNIC[nic]; e != nil {
		e.m.Restart(x.stack.Now())
		e.arm()
	}
}

// Query tells of a query. It borrows q.
func (x *Membership) Query(nic *stack.NIC, q *header.MulticastQuery) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if e := x.member(nic); e != nil {
		e.m.Query(x.stack.Now(), q)
		e.arm()
	}
}

// Heard tells of another listener's report of an old version.
func (x *Membership) Heard(nic *stack.NIC, group netip.Addr) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if e := x.byNIC[nic]; e != nil {
		e.m.Heard(x.stack.Now(), group)
	}
}

// Close ends all.
func (x *Membership) Close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closed = true
	for nic := range x.byNIC {
		x.remove(nic)
	}
}

// member returns the machine of a NIC that reports its groups, which it makes if need be; nil for another NIC.
// x.mu is held.
func (x *Membership) member(nic *stack.NIC) *member {
	if e := x.byNIC[nic]; e != nil {
		return e
	}
	if x.closed || !nic.Up() || nic.Info().Kind == stack.LinkLoopback || nic.GroupOptions().Silent {
		return nil
	}
	e := &member{of: x, nic: nic}
	x.byNIC[nic] = e
	e.m.Init(x.conf(nic))
	now := x.stack.Now()
	for _, g := range nic.Groups() {
		if g.Is6() == x.family.V6 {
			e.m.Change(now, g, nic.GroupFilter(g))
		}
	}
	e.arm()
	return e
}

func (x *Membership) conf(nic *stack.NIC) mcast.Conf {
	o := nic.GroupOptions()
	c := mcast.Conf{
		V6: x.family.V6, Version: o.IGMPVersion.Or(0), Robustness: o.IGMPRobustness.Or(mcast.DefaultRobustness),
		QuietLinkLocal: !o.LinkLocalReports.Or(true),
		Room:           nic.MTU() - x.family.Headers,
		Random:         func(limit time.Duration) time.Duration { return time.Duration(x.stack.Random().IntN(int(limit))) },
	}
	if c.V6 {
		c.Version, c.Robustness = o.MLDVersion.Or(0), o.MLDRobustness.Or(mcast.DefaultRobustness)
	}
	return c
}

// remove forgets a NIC.
func (x *Membership) remove(nic *stack.NIC) {
	e := x.byNIC[nic]
	if e == nil {
		return
	}
	delete(x.byNIC, nic)
	e.gone = true
	if e.timer != nil {
		e.timer.Stop()
	}
}

// arm sets the timer to the machine's deadline.
func (e *member) arm() {
	next := e.m.Deadline()
	if next.IsZero() {
		return
	}
	wait := next.Sub(e.of.stack.Now())
	if e.timer == nil {
		e.timer = e.of.stack.Clock().AfterFunc(wait, e.expire)
	} else {
		e.timer.Reset(wait)
	}
}

// expire sends what is due.
func (e *member) expire() {
	x := e.of
	w := x.stack.Begin()
	x.mu.Lock()
	var due []mcast.Message
	if !e.gone {
		e.m.Advance(x.stack.Now())
		var m mcast.Message
		for e.m.Poll(&m) {
			due = append(due, m)
		}
		e.arm()
	}
	x.mu.Unlock()
	for i := range due {
		x.family.Send(w, e.nic, &due[i])
	}
	w.End()
}
