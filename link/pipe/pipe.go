// Package pipe is a pair of links in memory: what one end sends, the other delivers, in the same frame.
// Nothing is copied. Super-segments cross whole and checksums unfinished, as between two virtual
// machines on one host; either can be turned off, and then real packets cross, as on a wire.
package pipe

import (
	"context"
	"runtime"
	"sync/atomic"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/gate"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// DefaultMTU is the MTU of a pipe in bytes, Ethernet's.
const DefaultMTU = 1500

// Options configure a pipe. The zero value carries bare IP packets of up to DefaultMTU bytes with all
// offloads.
type Options struct {
	MTU    int // bytes; 0: DefaultMTU
	Queues int // transmit queues of each end; 0: GOMAXPROCS

	// NoGSO cuts super-segments before they cross.
	NoGSO bool
	// NoChecksum finishes checksums before packets cross, and has the receiver verify them. It
	// implies NoGSO, since a super-segment's checksum cannot be finished.
	NoChecksum bool

	// Kind is stack.LinkIP or stack.LinkEthernet. An Ethernet pipe resolves and filters addresses but
	// carries them beside the packet, not as a header in it.
	Kind stack.LinkKind
	// Addresses are the stations at the two ends of an Ethernet pipe; a zero one is made up, the same
	// in every pipe.
	Addresses [2]tcpip.LinkAddr
}

// Pipe is one end. It is safe for concurrent use.
type Pipe struct {
	info     stack.LinkInfo
	noSum    bool
	peer     *Pipe
	receiver atomic.Pointer[stack.Receiver]
	gate     *gate.Gate // of the calls into the receiver
}

// New returns the two ends of a pipe.
func New(o Options) (a, b *Pipe) {
	if o.MTU == 0 {
		o.MTU = DefaultMTU
	}
	if o.Queues == 0 {
		o.Queues = runtime.GOMAXPROCS(0)
	}
	info := stack.LinkInfo{Kind: o.Kind, Up: true, MTU: o.MTU, Queues: o.Queues}
	if !o.NoChecksum {
		info.Offload |= stack.OffloadChecksum
	}
	if !o.NoChecksum && !o.NoGSO {
		info.Offload |= stack.OffloadTSO4 | stack.OffloadTSO6 | stack.OffloadUSO | stack.OffloadReceive
		info.GSOMax = header.MaxPacket
	}
	var ends [2]*Pipe
	for i := range ends {
		ends[i] = &Pipe{info: info, noSum: o.NoChecksum, gate: gate.New()}
		if o.Kind == stack.LinkEthernet {
			ends[i].info.Address = o.Addresses[i]
			if o.Addresses[i].IsZero() {
				ends[i].info.Address = tcpip.LinkAddr{0x02, 0, 0, 0, 0, byte(i + 1)}
			}
		}
	}
	ends[0].peer, ends[1].peer = ends[1], ends[0]
	return ends[0], ends[1]
}

// Info describes the end. It is up until one of the two is closed.
func (l *Pipe) Info() stack.LinkInfo {
	info := l.info
	info.Up = !l.gate.Closed() && !l.peer.gate.Closed()
	return info
}

// Attach connects the end with r.
//
// Errors: ErrClosed after Close, ErrExists if the end is attached.
func (l *Pipe) Attach(r stack.Receiver) error {
	if l.gate.Closed() {
		return tcpip.ErrClosed
	}
	if !l.receiver.CompareAndSwap(nil, &r) {
		return tcpip.ErrExists
	}
	return nil
}

// Transmit delivers the batch at the other end. It takes everything; what the wire cannot carry is
// dropped.
func (l *Pipe) Transmit(w *stack.Work, _ int, batch []*stack.Packet) int {
	all := len(batch)
	to := l.peer
	r := to.receiver.Load()
	if l.gate.Closed() || r == nil || !to.gate.Enter() {
		for _, p := range batch {
			p.Drop(tcpip.DropLinkDown)
		}
		return all
	}
	defer to.gate.Leave()
	n := 0
	for _, p := range batch {
		if d := l.carry(p); d != tcpip.DropNone {
			p.Drop(d)
			continue
		}
		batch[n] = p
		n++
	}
	(*r).Deliver(w, batch[:n])
	return all
}

// carry makes p, which is not yet across, a packet that has arrived, or says why it cannot.
func (l *Pipe) carry(p *stack.Packet) tcpip.Drop {
	switch {
	case p.SegSize == 0:
		if p.Len() > l.info.MTU {
			return tcpip.DropTooBig
		}
	case l.info.GSOMax == 0, int(p.SegSize) >= l.info.MTU:
		return tcpip.DropTooBig
	}
	if l.noSum {
		if p.Checksum == stack.ChecksumPartial {
			return tcpip.DropBadOffload
		}
		p.Checksum = stack.ChecksumUnverified
	}
	p.Arrive()
	p.Link.Type = stack.PacketHost
	if l.info.Kind == stack.LinkEthernet {
		if p.Link.Src.IsZero() {
			p.Link.Src = l.info.Address
		}
		p.Link.Type = stack.PacketTypeOf(p.Link.Dst, l.peer.info.Address)
	}
	return tcpip.DropNone
}

// Close detaches the end. The other end goes down.
func (l *Pipe) Close() {
	if !l.gate.Close() {
		return
	}
	if r := l.peer.receiver.Load(); r != nil && l.peer.gate.Enter() {
		defer l.peer.gate.Leave()
		(*r).LinkChanged(nil)
	}
}

// Wait returns when the end is closed and the last delivery to it has ended, or with ctx's error.
func (l *Pipe) Wait(ctx context.Context) error { return l.gate.Wait(ctx) }
