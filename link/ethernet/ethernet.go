// Package ethernet frames the packets of a NIC for a link that carries bare Ethernet frames: a TAP
// device, or a pipe or channel between frame-speaking ends. It is the layer that knows the 14-byte header
// and nothing else: addresses are resolved by the stack above, and whom a frame is for is only noted, for
// the NIC to decide by.
package ethernet

import (
	"context"
	"crypto/rand"
	"sync/atomic"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Options configure an Ethernet.
type Options struct {
	// Address is the station's; zero means a random, locally administered one.
	Address tcpip.LinkAddr
	// MTU is the largest packet in a frame in bytes; 0: what the lower link's MTU leaves beside the
	// header.
	MTU int
}

// Ethernet is a stack.Link over another that carries frames. It passes the lower link's offloads on:
// super-segments and partial checksums are described relative to the headers of the packet, so a header
// in front does not disturb them. It is safe for concurrent use.
type Ethernet struct {
	lower    stack.Link
	address  tcpip.LinkAddr
	mtu      int
	receiver atomic.Pointer[stack.Receiver]
}

// New returns the framing of lower, which it owns from then on.
func New(lower stack.Link, o Options) *Ethernet {
	if o.Address.IsZero() {
		o.Address = randomAddress()
	}
	return &Ethernet{lower: lower, address: o.Address, mtu: o.MTU}
}

// randomAddress returns an individual, locally administered address (IEEE 802 §8.2).
func randomAddress() tcpip.LinkAddr {
	var a tcpip.LinkAddr
	_, _ = rand.Read(a[:]) // never fails
	a[0] = a[0]&^1 | 2
	return a
}

// Address returns the station's address.
func (l *Ethernet) Address() tcpip.LinkAddr { return l.address }

// Lower returns the link that carries the frames.
func (l *Ethernet) Lower() stack.Link { return l.lower }

// Info describes the link.
func (l *Ethernet) Info() stack.LinkInfo {
	info := l.lower.Info()
	info.Kind = stack.LinkEthernet
	info.Address = l.address
	info.MTU = max(info.MTU-header.EthernetSize, 0)
	if l.mtu != 0 && l.mtu < info.MTU {
		info.MTU = l.mtu
	}
	if info.GSOMax > 0 {
		info.GSOMax = max(info.GSOMax-header.EthernetSize, 0)
	}
	return info
}

// Attach connects the link with r.
//
// Errors: those of the lower link.
func (l *Ethernet) Attach(r stack.Receiver) error {
	if !l.receiver.CompareAndSwap(nil, &r) {
		return tcpip.ErrExists
	}
	if err := l.lower.Attach((*upward)(l)); err != nil {
		l.receiver.Store(nil)
		return err
	}
	return nil
}

// Transmit puts a header in front of each packet of the batch: from Packet.Link.Src, or the station, to
// Packet.Link.Dst. What the lower link does not take is given back without it.
func (l *Ethernet) Transmit(w *stack.Work, queue int, batch []*stack.Packet) int {
	for _, p := range batch {
		if p.Link.Src.IsZero() && !p.Written {
			p.Link.Src = l.address
		}
		f := header.EthernetFields{Dst: p.Link.Dst, Src: p.Link.Src, Type: p.EtherType}
		f.Encode(p.Prepend(header.EthernetSize))
	}
	n := l.lower.Transmit(w, queue, batch)
	for _, p := range batch[n:] {
		p.TrimFront(header.EthernetSize)
	}
	return n
}

// Close detaches and closes the lower link.
func (l *Ethernet) Close() { l.lower.Close() }

// Wait waits for the lower link.
func (l *Ethernet) Wait(ctx context.Context) error { return l.lower.Wait(ctx) }

// ObserveDrop tells the lower link, if it wants to know.
func (l *Ethernet) ObserveDrop(p *stack.Packet, d tcpip.Drop) {
	if o, ok := l.lower.(stack.DropObserver); ok {
		o.ObserveDrop(p, d)
	}
}

// upward is the Ethernet as the lower link sees it.
type upward Ethernet

func (u *upward) above() stack.Receiver { return *u.receiver.Load() }

func (u *upward) Deliver(w *stack.Work, batch []*stack.Packet) {
	r := u.above()
	n := 0
	for _, p := range batch {
		if d := u.strip(p); d != tcpip.DropNone {
			stack.DropReceived(r, p, d)
			continue
		}
		batch[n] = p
		n++
	}
	if n > 0 {
		r.Deliver(w, batch[:n])
	}
}

// strip takes the header off and notes what it said.
func (u *upward) strip(p *stack.Packet) tcpip.Drop {
	if len(p.Front()) < header.EthernetSize && !p.Pull(header.EthernetSize) {
		return tcpip.DropShort
	}
	h, d := header.ParseEthernet(p.Front())
	if d != tcpip.DropNone {
		return d
	}
	p.EtherType = h.Type()
	if p.EtherType < header.EtherTypeMin {
		return tcpip.DropUnknownType // IEEE 802.3 with LLC
	}
	p.Link = stack.LinkPart{Src: h.Src(), Dst: h.Dst(), Type: stack.PacketTypeOf(h.Dst(), u.address)}
	p.TrimFront(header.EthernetSize)
	return tcpip.DropNone
}

func (u *upward) TxReady(w *stack.Work, queue int)      { u.above().TxReady(w, queue) }
func (u *upward) LinkChanged(w *stack.Work)             { u.above().LinkChanged(w) }
func (u *upward) Stack() *stack.Stack                   { return u.above().Stack() }
func (u *upward) Dropped(p *stack.Packet, d tcpip.Drop) { u.above().Dropped(p, d) }
