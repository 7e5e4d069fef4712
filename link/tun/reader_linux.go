package tun

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/link/internal/vnet"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// reader is what a queue reads into. A packet lands in two pieces: what an Ethernet frame holds in a slab
// of its own, which is handed on, and the rest of a super-segment in a large one, which is handed on only
// if it is well filled; else it is copied into smaller ones and used again.
type reader struct {
	up      stack.Receiver
	network int // offset of the network header
	vnet    int

	head, tail slab.Piece // whole; the packet begins headroom bytes into head
	iov        [2]unix.Iovec
	waste      [64]byte // where a packet goes that there is no memory for

	batch [readBatch]*stack.Packet
	n     int  // packets in batch
	dead  bool // the descriptor gives errors: the interface is gone
}

// headLen is the bytes of a packet that land in the reader's head.
const headLen = slab.Medium - headroom

// receive is the goroutine that reads a queue.
func (q *queue) receive(r stack.Receiver) {
	defer q.device.gate.Leave()
	d := &q.reader
	*d = reader{up: r, network: q.device.linkHeader(), vnet: q.device.vnet}
	defer func() {
		d.head.Release()
		d.tail.Release()
	}()
	read := d.readBatch
	for q.raw.Read(read) == nil {
		if d.n > 0 {
			r.Deliver(nil, d.batch[:d.n])
			clear(d.batch[:d.n])
		}
		if d.dead {
			q.device.gone.Store(true)
			r.LinkChanged(nil)
			return
		}
	}
}

// readBatch reads packets until there are none or the batch is full, and reports whether it is worth
// looking at the outcome.
func (d *reader) readBatch(fd uintptr) bool {
	d.n = 0
	for d.n < readBatch {
		if !d.scratch() {
			d.up.Stack().Lose(nil, tcpip.DropNoMemory)
		}
		n, _, errno := unix.Syscall(unix.SYS_READV, fd, uintptr(unsafe.Pointer(&d.iov[0])), 2)
		switch {
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			return d.n > 0
		case errno != 0 || n == 0:
			d.dead = true
			return true
		case !d.tail.IsZero():
			if p := d.packet(int(n)); p != nil {
				d.batch[d.n] = p
				d.n++
			}
		}
	}
	return true
}

// scratch sees to it that there is something to read into. It reports false if memory is short; then
// what is read is lost, since what is not read would stop the kernel's end for ever.
func (d *reader) scratch() bool {
	if !d.head.IsZero() && !d.tail.IsZero() {
		return true
	}
	pool := &d.up.Stack().Slabs
	if d.head.IsZero() {
		if p, ok := pool.Get(slab.Medium); ok {
			p.Reserve(headroom)
			p.Extend(headLen)
			d.head = p
			d.iov[0] = iovec(p.Storage()[headroom-d.vnet:])
		}
	}
	if d.tail.IsZero() {
		if p, ok := pool.Get(slab.Large); ok {
			p.Extend(slab.Large)
			d.tail = p
			d.iov[1] = iovec(p.Storage())
		}
	}
	if !d.head.IsZero() && !d.tail.IsZero() {
		return true
	}
	d.head.Release()
	d.tail.Release()
	d.iov = [2]unix.Iovec{iovec(d.waste[:]), iovec(d.waste[:])}
	return false
}

func iovec(b []byte) unix.Iovec {
	v := unix.Iovec{Base: &b[0]}
	v.SetLen(len(b))
	return v
}

// packet makes a packet of the n bytes that were read, or drops them.
func (d *reader) packet(n int) *stack.Packet {
	s := d.up.Stack()
	var v header.VirtioNet
	drop := tcpip.DropNone
	at := d.head.Storage()[headroom-d.vnet:]
	if n < d.vnet {
		drop = tcpip.DropShort
	} else if d.vnet > 0 {
		v, drop = header.ParseVirtioNet(at, d.vnet)
	}
	if drop != tcpip.DropNone {
		s.Lose(at[:min(n, len(at))], drop)
		return nil
	}
	p := d.take(s, n-d.vnet)
	if p == nil {
		s.Lose(nil, tcpip.DropNoMemory)
		return nil
	}
	if d.network == 0 {
		p.EtherType = stack.EtherTypeOf(p.Front())
	}
	if d.vnet > 0 {
		if drop := vnet.Apply(&v, p, d.network); drop != tcpip.DropNone {
			stack.DropReceived(d.up, p, drop)
			return nil
		}
	}
	return p
}

// take returns a packet with the n bytes that were read, nil if memory is short.
func (d *reader) take(s *stack.Stack, n int) *stack.Packet {
	b := d.head.Bytes()[:min(n, headLen)]
	switch {
	case n <= inlineMax:
		p := s.NewPacket()
		copy(p.Prepend(n), b)
		return p
	case n <= slab.Small-headroom:
		return s.NewPacketCopy(b)
	}
	head := d.head
	d.head = slab.Piece{}
	head.Truncate(len(b))
	p := s.NewPacketFrom(head)
	rest := n - len(b)
	if 2*rest >= slab.Large {
		d.tail.Truncate(rest)
		p.AppendData(d.tail)
		d.tail = slab.Piece{}
		return p
	}
	for b := d.tail.Bytes()[:rest]; len(b) > 0; {
		m := min(len(b), slab.Medium)
		piece, ok := s.Slabs.Copy(b[:m])
		if !ok {
			p.Release()
			return nil
		}
		p.AppendData(piece)
		b = b[m:]
	}
	return p
}
