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

// AddDropTap makes f see every packet that the stack discards, with the reason, until RemoveDropTap: on whichever NIC, and
// those of no NIC as well. It is called as a NIC's tap is. What is counted as dropped and no packet, such as a frame
// that a device could not take in, is counted alone.
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
