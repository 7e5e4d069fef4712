// Package loopback is a link whose packets come straight back, in the frame that sent them. Nothing is
// copied, super-segments stay whole and checksums are never computed.
package loopback

import (
	"context"
	"runtime"
	"sync/atomic"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/gate"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// DefaultMTU is the MTU of a Loopback in bytes, Linux's.
const DefaultMTU = 65536

// Options configure a Loopback. The zero value is what a host has.
type Options struct {
	MTU int // bytes; 0: DefaultMTU
}

// Loopback is a stack.Link that delivers to its own receiver. It is safe for concurrent use.
type Loopback struct {
	info     stack.LinkInfo
	receiver atomic.Pointer[stack.Receiver]
	gate     *gate.Gate // of the calls into the receiver
}

// New returns a loopback link.
func New(o Options) *Loopback {
	if o.MTU == 0 {
		o.MTU = DefaultMTU
	}
	return &Loopback{
		gate: gate.New(),
		info: stack.LinkInfo{
			Kind:   stack.LinkLoopback,
			Up:     true,
			MTU:    o.MTU,
			Queues: runtime.GOMAXPROCS(0),
			Offload: stack.OffloadChecksum | stack.OffloadTSO4 | stack.OffloadTSO6 | stack.OffloadUSO |
				stack.OffloadReceive,
			GSOMax: header.MaxPacket,
		},
	}
}

// Info describes the link.
func (l *Loopback) Info() stack.LinkInfo { return l.info }

// Attach connects the link with r.
//
// Errors: ErrClosed after Close, ErrExists if the link is attached.
func (l *Loopback) Attach(r stack.Receiver) error {
	if l.gate.Closed() {
		return tcpip.ErrClosed
	}
	if !l.receiver.CompareAndSwap(nil, &r) {
		return tcpip.ErrExists
	}
	return nil
}

// Transmit delivers the batch. It takes everything.
func (l *Loopback) Transmit(w *stack.Work, _ int, batch []*stack.Packet) int {
	r := l.receiver.Load()
	if r == nil || !l.gate.Enter() {
		for _, p := range batch {
			p.Drop(tcpip.DropLinkDown)
		}
		return len(batch)
	}
	defer l.gate.Leave()
	for _, p := range batch {
		p.Arrive()
		p.Link.Type = stack.PacketHost
		if p.Written {
			if p.Link.Type = stack.PacketTypeOf(p.Link.Dst, tcpip.LinkAddr{}); p.Link.Type == stack.PacketBroadcast {
				p.Link.Type = stack.PacketMulticast // on Linux the loopback's broadcast address is zero too
			}
		}
	}
	(*r).Deliver(w, batch)
	return len(batch)
}

// Close detaches the link.
func (l *Loopback) Close() { l.gate.Close() }

// Wait returns when the link is closed and the last delivery has ended, or with ctx's error.
func (l *Loopback) Wait(ctx context.Context) error { return l.gate.Wait(ctx) }
