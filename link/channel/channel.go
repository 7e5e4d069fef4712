// Package channel is a link whose other end is the program: it reads what the stack sends and injects
// what the stack shall receive, as packets or as bytes. It is for tests, and for tunnels.
package channel

import (
	"context"

	"github.com/seed963a8790/netstack/link/internal/outbox"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Options configure a Channel. The zero value carries bare IP packets of up to DefaultMTU bytes, real
// ones: cut and with finished checksums.
type Options struct {
	MTU      int // bytes; 0: DefaultMTU
	Capacity int // packets sent by the stack that wait to be read; 0: DefaultCapacity

	// Kind is the form of the packets. Over stack.LinkEthernet the addresses are in Packet.Link, not in
	// its bytes.
	Kind    stack.LinkKind
	Address tcpip.LinkAddr // stack.LinkEthernet: the station's

	// Offload and GSOMax say what the reader can cope with, as in stack.LinkInfo.
	Offload stack.Offload
	GSOMax  int
}

// Channel is a stack.Link. It is safe for concurrent use.
type Channel struct {
	info   stack.LinkInfo
	out    outbox.Outbox
	ready  chan struct{} // of capacity one: signalled while there is something in out
	closed chan struct{}
}

// New returns a channel link.
func New(o Options) *Channel {
	if o.MTU == 0 {
		o.MTU = DefaultMTU
	}
	if o.Capacity <= 0 {
		o.Capacity = DefaultCapacity
	}
	l := &Channel{
		info: stack.LinkInfo{
			Kind: o.Kind, Up: true, MTU: o.MTU, Address: o.Address, Queues: 1, Offload: o.Offload, GSOMax: o.GSOMax,
		},
		ready:  make(chan struct{}, 1),
		closed: make(chan struct{}),
	}
	l.out.Init(min(o.Capacity, maxCapacity), l.signal)
	return l
}

// Info describes the link.
func (l *Channel) Info() stack.LinkInfo { return l.info }

// Attach connects the link with r.
//
// Errors: ErrClosed after Close, ErrExists if the link is attached.
func (l *Channel) Attach(r stack.Receiver) error { return l.out.Attach(r) }

// Stack returns the stack that the link is attached to, nil if it is not.
func (l *Channel) Stack() *stack.Stack { return l.out.Stack() }

// Transmit queues as much of the batch as there is room for.
func (l *Channel) Transmit(w *stack.Work, queue int, batch []*stack.Packet) int {
	return l.out.Transmit(w, queue, batch)
}

func (l *Channel) signal() {
	select {
	case l.ready <- struct{}{}:
	default:
	}
}

// TryNext returns the oldest packet that the stack has sent, which is then the caller's to release, nil
// if there is none. Where the queue was full the stack sends again, in this call.
func (l *Channel) TryNext() *stack.Packet {
	var p [1]*stack.Packet
	l.out.Take(p[:])
	return p[0]
}

// Next waits for a packet that the stack has sent and returns it; it is then the caller's to release.
//
// Errors: ErrClosed after Close, and ctx's.
func (l *Channel) Next(ctx context.Context) (*stack.Packet, error) {
	for {
		if p := l.TryNext(); p != nil {
			return p, nil
		}
		select {
		case <-l.ready:
		case <-l.closed:
			return nil, tcpip.ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// C returns a channel that is signalled when TryNext may find a packet. A signal stays in it until it is
// received, and one stands for any number of packets.
func (l *Channel) C() <-chan struct{} { return l.ready }

// Read waits for a packet that the stack has sent, copies its bytes into b and returns their number. A
// packet that is longer than b is cut.
//
// Errors: ErrClosed after Close, and ctx's.
func (l *Channel) Read(ctx context.Context, b []byte) (int, error) {
	p, err := l.Next(ctx)
	if err != nil {
		return 0, err
	}
	n := p.CopyTo(b)
	p.Release()
	return n, nil
}

// Len returns how many packets wait to be read.
func (l *Channel) Len() int { return l.out.Len() }

// Inject makes the stack receive a copy of b, an IP packet as it comes off a wire.
//
// Errors: ErrClosed if the link is closed or not attached, ErrMessageSize if b is longer than any packet,
// ErrNoMemory if the stack's memory is spent.
func (l *Channel) Inject(b []byte) error {
	s := l.Stack()
	if s == nil {
		return tcpip.ErrClosed
	}
	if len(b) > maxInject {
		return tcpip.ErrMessageSize
	}
	p := s.NewPacketCopy(b)
	if p == nil {
		return tcpip.ErrNoMemory
	}
	p.EtherType = stack.EtherTypeOf(b)
	batch := [1]*stack.Packet{p}
	return l.InjectPackets(batch[:])
}

// InjectPackets makes the stack receive a batch, which it takes; the slice remains the caller's. The
// packets' fronts begin with the network header, and EtherType is set; they are made with the pools of
// Stack, or have been taken from another channel and are made Packet.Arrive.
//
// Errors: ErrClosed if the link is closed or not attached; the packets are then released.
func (l *Channel) InjectPackets(batch []*stack.Packet) error {
	r, ok := l.out.Enter()
	if !ok {
		for _, p := range batch {
			p.Release()
		}
		return tcpip.ErrClosed
	}
	defer l.out.Leave()
	r.Deliver(nil, batch)
	return nil
}

// Close detaches the link and drops what waits to be read.
func (l *Channel) Close() {
	if l.out.Close() {
		close(l.closed)
	}
}

// Wait returns when the link is closed and the last call into the stack has ended, or with ctx's error.
func (l *Channel) Wait(ctx context.Context) error { return l.out.Ended(ctx) }
