package transport

import (
	"net/netip"

	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// Front returns how many bytes of p lie in front of its transport header, and makes sure that the n
// bytes of that header are in the front. ok is false if they are not there or memory is short.
func Front(p *stack.Packet, n int) (before int, ok bool) {
	before = len(p.Front()) - len(p.Transport())
	return before, len(p.Front()) >= before+n || p.Pull(before+n)
}

// Queue queues what p carries behind its first `front` bytes, which lie in its front, as a datagram from
// `from`; a super-segment as several. It takes p and does not copy payload, unless a copy is much smaller
// than the slabs that it lies in. What has no room is dropped and counted. It reports whether anything was queued.
func (d *Datagram) Queue(w *stack.Work, p *stack.Packet, from netip.AddrPort, front int) (admitted bool) {
	e := d.proto.newDatagram()
	e.meta = meta{from: from, dst: p.Dst, local: p.Local, at: p.At, ttl: p.TTL, tos: p.TOS, tag: tag{p.Mark, p.Priority}}
	d.keep(e, p)
	if d.filter.On() && !d.filtered(w, p, from, front) {
		d.proto.free(e)
		return false
	}
	size := p.Len() - front
	if !p.SplitFront(front) {
		d.proto.free(e)
		d.refuse(p, 1, tcpip.DropNoMemory)
		return false
	}
	seg := int(p.SegSize)
	e.size = size
	if p.NIC != nil {
		e.nic = p.NIC.ID()
		if p.Homed && p.Dst.Is4() && d.proto.shape.Kind == tcpip.KindPing {
			e.nic = d.loopback()
		}
	}
	e.pieces = p.TakeData(e.pieces)
	e.charge += datagramCost + compact(&d.proto.stack.Slabs, e)

	whole := seg == 0 || size <= seg || d.flags.Load()&flagJoin != 0
	var drop tcpip.Drop
	refused, n := 0, 1
	if !whole {
		n = (size + seg - 1) / seg
	}
	if d.proto.stack.Slabs.Short() && d.queue.starve(n) {
		d.proto.free(e)
		d.refuse(p, n, tcpip.DropNoMemory)
		return false
	}
	if whole {
		if size > seg {
			e.seg = uint16(seg)
		}
		if drop = d.queue.admit(e); drop != tcpip.DropNone {
			refused, n = 1, 0
		}
	} else {
		refused, drop = d.queue.admitMany(d.proto, e, seg)
		n -= refused
		d.proto.free(e)
		e = nil
	}
	if n > 0 {
		w.Wake(d.proto.stack, &d.waiters, waiter.Readable)
	}
	if drop == tcpip.DropNone {
		p.Release()
		return true
	}
	if e != nil {
		d.proto.free(e)
	}
	d.refuse(p, refused, drop)
	return n > 0
}

// loopback returns the NIC over which the stack talks to itself: where a ping says that an answer from there
// has arrived, unlike other sockets, as measured on Linux.
func (d *Datagram) loopback() tcpip.NICID {
	for _, n := range d.proto.stack.NICs() {
		if n.Up() && n.Info().Kind == stack.LinkLoopback {
			return n.ID()
		}
	}
	return 0
}

// refuse drops a packet that stands for n datagrams.
func (d *Datagram) refuse(p *stack.Packet, n int, drop tcpip.Drop) {
	m := d.proto.counters(p.Dst.Is6())
	m.InErrors.Add(uint64(n))
	if drop != tcpip.DropEndpointClosed {
		m.RcvbufErrors.Add(uint64(n))
	}
	p.Drop(drop)
}

// compact copies e's bytes into smaller slabs where those that it has are mostly empty, and returns what
// its slabs cost.
func compact(pool *slab.Pool, e *datagram) (cost int) {
	e.join()
	for i := range e.pieces {
		cost += e.pieces[i].Cost()
	}
	if cost <= 2*snug(e.size) {
		return cost
	}
	var few [4]slab.Piece
	was := append(few[:0], e.pieces...)
	e.pieces = e.pieces[:0]
	copied := 0
	for i := range was {
		for b := was[i].Bytes(); len(b) > 0; {
			if n := len(e.pieces); n > 0 {
				if m := e.pieces[n-1].Append(b); m > 0 {
					b = b[m:]
					copied += m
					continue
				}
			}
			piece, ok := pool.Get(chunk(e.size - copied))
			if !ok {
				for i := range e.pieces {
					e.pieces[i].Release()
				}
				e.pieces = append(e.pieces[:0], was...)
				return cost
			}
			e.pieces = append(e.pieces, piece)
		}
	}
	for i := range was {
		was[i].Release()
	}
	cost = 0
	for i := range e.pieces {
		cost += e.pieces[i].Cost()
	}
	return cost
}

// join makes one piece of neighbours that lie one behind the other in a slab, as the fragments of a datagram
// do that has not left the process.
func (e *datagram) join() {
	n := 0
	for i := 1; i < len(e.pieces); i++ {
		if e.pieces[n].Join(&e.pieces[i]) {
			continue
		}
		n++
		e.pieces[n] = e.pieces[i]
	}
	e.pieces = e.pieces[:min(n+1, len(e.pieces))]
}

// chunk returns how large a slab to take for the next of n bytes.
func chunk(n int) int {
	if n <= mediumUpTo {
		return min(n, slab.Medium)
	}
	return n
}

// snug returns what n bytes cost in slabs that chunk chooses.
func snug(n int) int {
	switch {
	case n <= slab.Small:
		return slab.Small
	case n <= mediumUpTo:
		return (n + slab.Medium - 1) / slab.Medium * slab.Medium
	}
	return slab.Large
}

// AcceptsNoChecksum reports whether the endpoint takes IPv6 datagrams without a checksum (UDP_NO_CHECK6_RX).
func (d *Datagram) AcceptsNoChecksum() bool { return d.flags.Load()&flagNoChecksum6 != 0 }

// Wants reports whether the endpoint takes what source has sent to a group and arrived on nic.
func (d *Datagram) Wants(group, source netip.Addr, nic tcpip.NICID) bool {
	return d.queue.wants(group, source, nic)
}
