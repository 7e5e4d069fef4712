// Package tunnel is a link in the shape that tunnels speak: a program reads what the stack sends, and writes what the
// stack shall receive, in batches of buffers of its own. It is what a TUN device is to a VPN's code, without a kernel.
//
// # Ownership
//
// Buffers are the caller's at all times: ReadPackets fills them and WritePackets copies out of them, and neither keeps
// anything of them when it returns. That copy is the only one between the caller's buffer and the stack's queues.
package tunnel

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/link/internal/outbox"
	"github.com/seed963a8790/netstack/link/internal/vnet"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Options configure a Tunnel. The zero value carries IP packets of up to DefaultMTU bytes, real ones: cut and with
// finished checksums.
type Options struct {
	MTU      int // bytes; 0: DefaultMTU
	Capacity int // packets sent by the stack that wait to be read; 0: DefaultCapacity

	// VirtioNet puts a virtio-net header of header.VirtioNetSize bytes, in the machine's byte order, in front of every packet,
	// in both directions, as TUN does with IFF_VNET_HDR. Packets may then be super-segments of up to 64 KB, and have
	// checksums that are not finished.
	VirtioNet bool
}

// Tunnel is a stack.Link. It is safe for concurrent use: any number of goroutines may read and write. Packets of one flow
// keep their order as long as one goroutine reads them, and one writes them.
type Tunnel struct {
	mtu     atomic.Int32
	vnet    int // bytes of the virtio-net header; 0: there is none
	out     outbox.Outbox
	batches sync.Pool // of *[BatchSize]*stack.Packet, empty ones
}

// New returns a tunnel.
func New(o Options) *Tunnel {
	if o.MTU <= 0 {
		o.MTU = DefaultMTU
	}
	if o.Capacity <= 0 {
		o.Capacity = DefaultCapacity
	}
	t := &Tunnel{}
	t.out.Init(min(o.Capacity, maxCapacity), nil)
	t.mtu.Store(int32(min(o.MTU, header.MaxPacket)))
	if o.VirtioNet {
		t.vnet = header.VirtioNetSize
	}
	return t
}

// Info describes the link.
func (t *Tunnel) Info() stack.LinkInfo {
	i := stack.LinkInfo{Kind: stack.LinkIP, Up: true, MTU: int(t.mtu.Load()), Queues: 1}
	if t.vnet > 0 {
		i.Offload = stack.OffloadChecksum | stack.OffloadTSO4 | stack.OffloadTSO6 | stack.OffloadUSO
		i.GSOMax = gsoMax
	}
	return i
}

// MTU returns the MTU, bytes.
func (t *Tunnel) MTU() int { return int(t.mtu.Load()) }

// SetMTU changes the MTU, which routes take up at once.
//
// Errors: ErrInvalid below 68 bytes (RFC 791) or above 65535.
func (t *Tunnel) SetMTU(mtu int) error {
	if mtu < 68 || mtu > header.MaxPacket {
		return tcpip.ErrInvalid
	}
	t.mtu.Store(int32(mtu))
	if r, ok := t.out.Enter(); ok {
		r.LinkChanged(nil)
		t.out.Leave()
	}
	return nil
}

// Attach connects the link with r.
//
// Errors: ErrClosed after Close, ErrExists if the link is attached.
func (t *Tunnel) Attach(r stack.Receiver) error { return t.out.Attach(r) }

// Transmit queues as much of the batch as there is room for.
func (t *Tunnel) Transmit(w *stack.Work, queue int, batch []*stack.Packet) int {
	return t.out.Transmit(w, queue, batch)
}

// ReadPackets waits until the stack has sent something, copies up to len(bufs) packets into bufs, the i-th to
// bufs[i][offset:], and returns their number; sizes[i] is the i-th's length. Len(sizes) must be at least len(bufs), and no buffer
// shorter than offset. A packet that is longer than the buffer it comes to is dropped, as too big, and not counted.
//
// Errors: ErrClosed after Close, ErrInvalid for bufs, sizes or an offset that do not go together.
func (t *Tunnel) ReadPackets(bufs [][]byte, sizes []int, offset int) (n int, err error) {
	if !fits(bufs, offset) || len(sizes) < len(bufs) {
		return 0, tcpip.ErrInvalid
	}
	if len(bufs) == 0 {
		return 0, nil
	}
	var batch [BatchSize]*stack.Packet
	for n == 0 {
		got := t.out.Wait(batch[:min(len(bufs), len(batch))])
		if got == 0 {
			return 0, tcpip.ErrClosed
		}
		for i, p := range batch[:got] {
			if size := t.read(p, bufs[n][offset:]); size > 0 {
				sizes[n] = size
				n++
			}
			batch[i] = nil
		}
	}
	return n, nil
}

// fits reports whether every buffer has the offset.
func fits(bufs [][]byte, offset int) bool {
	if offset < 0 {
		return false
	}
	for _, b := range bufs {
		if len(b) < offset {
			return false
		}
	}
	return true
}

// read copies p, which it takes, into b and returns its length, 0 if it cannot be.
func (t *Tunnel) read(p *stack.Packet, b []byte) int {
	n := t.vnet + p.Len()
	if n > len(b) {
		p.Drop(tcpip.DropTooBig)
		return 0
	}
	if t.vnet > 0 {
		v, drop := p.VirtioNet(0)
		if drop != tcpip.DropNone {
			p.Drop(drop)
			return 0
		}
		v.Encode(b, t.vnet)
	}
	p.CopyTo(b[t.vnet:])
	p.Release()
	return n
}

// WritePackets makes the stack receive packets: the i-th is bufs[i][offset:offset+sizes[i]], or, where sizes is nil,
// bufs[i][offset:]. It returns once the stack has dealt with them, and does not wait for anybody. What is not a good packet is dropped
// and counted by the stack, as if it had come off a wire; it counts as written.
//
// Errors: ErrClosed after Close and while no stack is attached, ErrInvalid for bufs, sizes or an offset that do not go together;
// nothing is written then.
func (t *Tunnel) WritePackets(bufs [][]byte, sizes []int, offset int) (n int, err error) {
	if !fits(bufs, offset) || sizes != nil && len(sizes) < len(bufs) {
		return 0, tcpip.ErrInvalid
	}
	for i := range bufs {
		if sizes != nil && (sizes[i] < 0 || sizes[i] > len(bufs[i])-offset) {
			return 0, tcpip.ErrInvalid
		}
	}
	r, ok := t.out.Enter()
	if !ok {
		return 0, tcpip.ErrClosed
	}
	defer t.out.Leave()
	batch, _ := t.batches.Get().(*[BatchSize]*stack.Packet)
	if batch == nil {
		batch = new([BatchSize]*stack.Packet)
	}
	defer t.batches.Put(batch)
	for n < len(bufs) {
		made := 0
		for ; n < len(bufs) && made < len(batch); n++ {
			b := bufs[n][offset:]
			if sizes != nil {
				b = b[:sizes[n]]
			}
			if p := t.packet(r, b); p != nil {
				batch[made] = p
				made++
			}
		}
		if made > 0 {
			r.Deliver(nil, batch[:made])
			clear(batch[:made])
		}
	}
	return n, nil
}

// packet makes a packet of b, nil if it was dropped.
func (t *Tunnel) packet(r stack.Receiver, b []byte) *stack.Packet {
	s := r.Stack()
	var v header.VirtioNet
	if t.vnet > 0 {
		var drop tcpip.Drop
		if v, drop = header.ParseVirtioNet(b, t.vnet); drop != tcpip.DropNone {
			s.Lose(b, drop)
			return nil
		}
		b = b[t.vnet:]
	}
	if len(b) > gsoMax {
		s.Lose(b[:gsoMax], tcpip.DropTooBig)
		return nil
	}
	p := load(s, b)
	if p == nil {
		s.Lose(nil, tcpip.DropNoMemory)
		return nil
	}
	p.EtherType = stack.EtherTypeOf(b)
	if t.vnet > 0 {
		if drop := vnet.Apply(&v, p, 0); drop != tcpip.DropNone {
			stack.DropReceived(r, p, drop)
			return nil
		}
	}
	return p
}

// load returns a packet with a copy of b, nil if memory is short.
func load(s *stack.Stack, b []byte) *stack.Packet {
	if len(b) <= flat {
		return s.NewPacketCopy(b)
	}
	p := s.NewPacketCopy(b[:headers])
	if p == nil {
		return nil
	}
	size := slab.Large
	if 2*len(b) < slab.Large {
		size = slab.Medium // of a large one most would lie waste
	}
	for b = b[headers:]; len(b) > 0; {
		n := min(len(b), size)
		data, ok := s.Slabs.Copy(b[:n])
		if !ok {
			p.Release()
			return nil
		}
		p.AppendData(data)
		b = b[n:]
	}
	return p
}

// Close detaches the link, drops what waits to be read, and ends the calls of ReadPackets that wait.
func (t *Tunnel) Close() { t.out.Close() }

// Wait returns when the link is closed and the last call into the stack has ended, or with ctx's error.
func (t *Tunnel) Wait(ctx context.Context) error { return t.out.Ended(ctx) }

var _ stack.Link = (*Tunnel)(nil)
