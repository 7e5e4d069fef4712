package packet

import (
	"slices"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// MembershipKind says what a membership asks of a NIC (PACKET_MR_*).
type MembershipKind uint16

// The kinds. Others are kept too, as on Linux, and ask for nothing.
const (
	MemberMulticast    MembershipKind = 0 // frames to a group
	MemberPromiscuous  MembershipKind = 1 // frames to anybody
	MemberAllMulticast MembershipKind = 2 // frames to any group
	MemberUnicast      MembershipKind = 3 // frames to another station
)

// Membership is what a NIC is asked to receive beside its own frames.
type Membership struct {
	NIC  tcpip.NICID
	Kind MembershipKind
	Addr [8]byte
	Len  int // bytes of Addr that are one
}

type membership struct {
	Membership
	count int
}

// same reports whether the two are one membership.
func (m *Membership) same(o *Membership) bool {
	return m.NIC == o.NIC && m.Kind == o.Kind && m.Len == o.Len && (m.Len > len(m.Addr) || m.Addr == o.Addr)
}

// Join asks a NIC to receive more (PACKET_ADD_MEMBERSHIP). What was joined twice has to be left twice.
//
// Errors: ErrNoDevice, ErrInvalid for an address that is longer than the link's, or an address of another length for the
// kinds with one, ErrNoBuffers if there are too many, ErrClosed.
func (e *Endpoint) Join(m Membership) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := e.stack.NIC(m.NIC)
	switch {
	case e.closed:
		return tcpip.ErrClosed
	case m.NIC == 0 || n == nil:
		return tcpip.ErrNoDevice
	case m.Len > linkAddrLen(n):
		return tcpip.ErrInvalid
	case (m.Kind == MemberMulticast || m.Kind == MemberUnicast) && m.Len != linkAddrLen(n):
		return tcpip.ErrInvalid
	}
	for i := range e.members {
		if e.members[i].same(&m) {
			e.members[i].count++
			return nil
		}
	}
	if len(e.members) >= maxMemberships {
		return tcpip.ErrNoBuffers
	}
	if m.Kind == MemberPromiscuous {
		n.AddPromiscuous(1)
	}
	e.members = append(e.members, membership{m, 1})
	return nil
}

// Leave undoes a Join. One that there is none of is left without an error, as on Linux.
func (e *Endpoint) Leave(m Membership) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return tcpip.ErrClosed
	}
	for i := range e.members {
		if !e.members[i].same(&m) {
			continue
		}
		if e.members[i].count--; e.members[i].count == 0 {
			e.members[i].undo(e.stack)
			e.members = slices.Delete(e.members, i, i+1)
		}
		return nil
	}
	return nil
}

// undo takes back what a membership asked for.
func (m *membership) undo(s *stack.Stack) {
	if n := s.NIC(m.NIC); n != nil && m.Kind == MemberPromiscuous {
		n.AddPromiscuous(-1)
	}
}
