package stack

import (
	"slices"
	"sync/atomic"

	"github.com/seed963a8790/netstack/tcpip"
)

// TapEvent says at which point a tap sees a packet.
type TapEvent uint8

// The points.
const (
	TapIn   TapEvent = iota // received, before anything was checked
	TapOut                  // about to be given to the link
	TapDrop                 // discarded, with the reason
)

// Tap is a function that sees packets.
type Tap struct {
	f func(TapEvent, *Packet, tcpip.Drop)
}

// AddTap makes f see every packet of the NIC until RemoveTap. f borrows the packet, whose checksum may be
// partial and which may be a super-segment; it runs in the middle of the packet's way, must not block and
// must not call the stack.
func (n *NIC) AddTap(f func(TapEvent, *Packet, tcpip.Drop)) *Tap {
	n.stack.mu.Lock()
	defer n.stack.mu.Unlock()
	return addTap(&n.taps, f)
}

// RemoveTap ends t. Calls of its function that have begun may still be running.
func (n *NIC) RemoveTap(t *Tap) {
	n.stack.mu.Lock()
	defer n.stack.mu.Unlock()
	removeTap(&n.taps, t)
}

func (n *NIC) tap(ev TapEvent, p *Packet, d tcpip.Drop) {
	if taps := n.taps.Load(); taps != nil {
		for _, t := range *taps {
			t.f(ev, p, d)
		}
	}
}

// AddDropTap makes f see everything that the stack discards, with the reason, until RemoveDropTap: on whichever NIC, and
// what is of no NIC as well. It is called as a NIC's tap is, as often as a reason is counted. For an ICMP error that
// concerns nobody the packet is the message that told of it; for a SYN that a program was asked about, its headers; for
// one that others get, too, the packet itself. It is nil where there is nothing to show: what arrived while memory
// was short, the fragments of a datagram that never got its first, an ICMP error that waited for its endpoint.
func (s *Stack) AddDropTap(f func(*Packet, tcpip.Drop)) *Tap {
	s.mu.Lock()
	defer s.mu.Unlock()
	return addTap(&s.dropTaps, func(_ TapEvent, p *Packet, d tcpip.Drop) { f(p, d) })
}

// RemoveDropTap ends t. Calls of its function that have begun may still be running.
func (s *Stack) RemoveDropTap(t *Tap) {
	s.mu.Lock()
	defer s.mu.Unlock()
	removeTap(&s.dropTaps, t)
}

// dropped shows what is discarded to who wants to see it, and counts the reason. It borrows p, which may be nil.
func (s *Stack) dropped(p *Packet, d tcpip.Drop) {
	if taps := s.dropTaps.Load(); taps != nil {
		for _, t := range *taps {
			t.f(TapDrop, p, d)
		}
	}
	s.counters.Drops[d].Inc()
}

// Lose counts what was discarded before it was a packet: b, which may be empty, is shown as a copy.
func (s *Stack) Lose(b []byte, d tcpip.Drop) {
	var p *Packet
	if len(b) > 0 && s.dropTaps.Load() != nil {
		if p = s.NewPacketCopy(b); p != nil {
			p.EtherType = EtherTypeOf(b)
			defer p.Release()
		}
	}
	s.dropped(p, d)
}

// Miss counts that somebody of s did not get p, which others may get and which it borrows.
func (s *Stack) Miss(p *Packet, d tcpip.Drop) { s.dropped(p, d) }

// Drop counts that nobody wants e, by the message that told of it.
func (e *ICMPError) Drop(s *Stack, d tcpip.Drop) { s.dropped(e.Packet, d) }

// Unknown drops an error about a packet of no flow that there is.
func (e *ICMPError) Unknown(s *Stack) {
	if e.Origin == tcpip.OriginICMP6 {
		s.counters.Icmp6.InErrors.Inc()
	} else {
		s.counters.Icmp.InErrors.Inc()
	}
	e.Drop(s, tcpip.DropICMPNoFlow)
}

// addTap adds a tap to a list, whose writers have a lock.
func addTap(list *atomic.Pointer[[]*Tap], f func(TapEvent, *Packet, tcpip.Drop)) *Tap {
	t := &Tap{f}
	var taps []*Tap
	if old := list.Load(); old != nil {
		taps = slices.Clone(*old)
	}
	taps = append(taps, t)
	list.Store(&taps)
	return t
}

// removeTap takes a tap off a list, whose writers have a lock.
func removeTap(list *atomic.Pointer[[]*Tap], t *Tap) {
	old := list.Load()
	if old == nil {
		return
	}
	taps := slices.DeleteFunc(slices.Clone(*old), func(o *Tap) bool { return o == t })
	if len(taps) == 0 {
		list.Store(nil)
		return
	}
	list.Store(&taps)
}
