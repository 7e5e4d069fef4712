package stack

import (
	"slices"

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

// Tap is a function that sees every packet of a NIC.
type Tap struct {
	f func(TapEvent, *Packet, tcpip.Drop)
}

// AddTap makes f see every packet of the NIC until RemoveTap. f borrows the packet, whose checksum may be
// partial and which may be a super-segment; it runs in the middle of the packet's way, must not block and
// must not call the stack.
func (n *NIC) AddTap(f func(TapEvent, *Packet, tcpip.Drop)) *Tap {
	n.stack.mu.Lock()
	defer n.stack.mu.Unlock()
	t := &Tap{f}
	var taps []*Tap
	if old := n.taps.Load(); old != nil {
		taps = slices.Clone(*old)
	}
	taps = append(taps, t)
	n.taps.Store(&taps)
	return t
}

// RemoveTap ends t. Calls of its function that have begun may still be running.
func (n *NIC) RemoveTap(t *Tap) {
	n.stack.mu.Lock()
	defer n.stack.mu.Unlock()
	old := n.taps.Load()
	if old == nil {
		return
	}
	taps := slices.DeleteFunc(slices.Clone(*old), func(o *Tap) bool { return o == t })
	if len(taps) == 0 {
		n.taps.Store(nil)
		return
	}
	n.taps.Store(&taps)
}

func (n *NIC) tap(ev TapEvent, p *Packet, d tcpip.Drop) {
	if taps := n.taps.Load(); taps != nil {
		for _, t := range *taps {
			t.f(ev, p, d)
		}
	}
}
