package packet

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// Watched takes note of a packet, which it borrows, unless another member of the fanout group is to have it.
func (e *Endpoint) Watched(w *stack.Work, p *stack.Packet, way stack.PacketType) {
	if g := e.fanout.Load(); g != nil {
		if e = g.choose(e, p, way); e == nil {
			return
		}
	}
	e.take(w, p, way)
}

// take filters a packet and queues a copy, or puts it into the ring.
func (e *Endpoint) take(w *stack.Work, p *stack.Packet, way stack.PacketType) {
	if way == stack.PacketOutgoing && e.flags.Load()&flagIgnoreOutgoing != 0 {
		return
	}
	link := 0
	if e.mode == Raw {
		link = p.NIC.LinkHeaderLen()
	}
	size := p.Len() + link
	keep := e.filter.KeepWay(p, -link, way)
	if keep == 0 {
		return // it goes its way; the filter did not want a copy
	}
	a := Address{NIC: p.NIC.ID(), EtherType: p.EtherType, Hardware: p.NIC.HardwareType(), Type: way,
		Link: p.Link.Src, LinkLen: linkAddrLen(p.NIC)}
	if e.queue.ring() != nil {
		e.enter(w, p, &a, link, size, keep)
		return
	}
	e.queueCopy(w, p, a, link, size, keep, e.prefix())
}

// prefix says whether what the user gets begins with the link's header.
func (e *Endpoint) prefix() stack.LinkPrefix { return stack.LinkPrefix(e.mode == Raw) }

// queueCopy queues a copy to be read.
func (e *Endpoint) queueCopy(w *stack.Work, p *stack.Packet, a Address, link, size, keep int, prefix stack.LinkPrefix) {
	drop := tcpip.DropReceiveQueue
	if !e.queue.full() {
		c := p.Copy(e.stack, keep, prefix)
		if c == nil {
			drop = tcpip.DropNoMemory
		} else if drop = e.queue.push(entry{p: c, from: a, link: link, size: size}); drop != tcpip.DropNone {
			c.Release()
		}
	}
	if drop != tcpip.DropNone {
		e.stack.Miss(p, drop)
		return
	}
	w.Wake(e.stack, &e.waiters, waiter.Readable)
}

// Frame describes a packet that was read.
type Frame struct {
	Count   int // bytes put into the caller's buffer
	Total   int // bytes of the packet as it was queued, with the virtio-net header if it has one
	From    Address
	Size    int           // bytes of the packet before the filter cut it
	Network int           // where its network header begins, counted from its first byte
	Status  uint32        // TP_STATUS_*
	Aux     bool          // PACKET_AUXDATA is on
	Control tcpip.Control // what the endpoint's options asked for
}

// Status bits of a packet (TP_STATUS_*).
const (
	StatusUser             = 1 << 0 // it is the user's
	StatusCopy             = 1 << 1 // cut in the ring, and to be read whole
	StatusLosing           = 1 << 2 // others found no room
	StatusChecksumNotReady = 1 << 3 // only the pseudo-header was summed
	StatusVLANValid        = 1 << 4
	StatusBlockTimeout     = 1 << 5 // of a block: it was handed over before it was full
	StatusChecksumValid    = 1 << 7
	StatusGSOTCP           = 1 << 8
	StatusTimeSoftware     = 1 << 29
)

// statusOf returns what the checksum and segments of p, which begins with so much link header, mean to a user who got it on the way
// given.
func statusOf(p *stack.Packet, link int, way stack.PacketType) uint32 {
	s := uint32(StatusUser)
	switch {
	case p.Checksum == stack.ChecksumPartial:
		s |= StatusChecksumNotReady
	case p.Checksum == stack.ChecksumVerified && way != stack.PacketOutgoing:
		s |= StatusChecksumValid
	}
	if p.SegSize > 0 {
		if h, d := p.Headers(link); d == tcpip.DropNone && h.Protocol == header.ProtocolTCP {
			s |= StatusGSOTCP
		}
	}
	return s
}

// ReadFrame takes the oldest packet into b. Of a longer one the rest is lost, and Total says how long it was. With
// ReadPeek it stays in the queue.
//
// Errors: a pending error, once and before any packet; ErrWouldBlock if nothing is there (a Readable event follows),
// ErrInvalid if b has no room for a virtio-net header, ErrClosed after Close.
func (e *Endpoint) ReadFrame(b []byte, o tcpip.ReadOptions) (Frame, error) {
	if o.Flags&tcpip.ReadError != 0 {
		return Frame{}, tcpip.ErrWouldBlock
	}
	if err := e.takeError(); err != tcpip.OK {
		return Frame{}, err
	}
	flags := e.flags.Load()
	vnet := int(flags >> vnetShift)
	if len(b) < vnet {
		if e.queue.next(o.Flags&tcpip.ReadPeek != 0, func(*entry) {}) {
			return Frame{}, tcpip.ErrInvalid
		}
		return Frame{}, tcpip.ErrWouldBlock
	}
	var f Frame
	found := e.queue.next(o.Flags&tcpip.ReadPeek != 0, func(n *entry) {
		p := n.p
		if vnet > 0 {
			v, _ := p.VirtioNet(n.link) // a program has cut what cannot be described
			v.Encode(b, vnet)
		}
		f = Frame{
			Count: vnet + p.CopyTo(b[vnet:]), Total: vnet + p.Len(), From: n.from, Size: n.size, Network: n.link,
			Status: statusOf(p, n.link, n.from.Type), Aux: flags&flagAuxData != 0,
		}
		e.control(&f.Control, n, flags)
	})
	if found {
		return f, nil
	}
	e.mu.Lock()
	closed := e.closed
	e.mu.Unlock()
	if closed {
		return Frame{}, tcpip.ErrClosed
	}
	return Frame{}, tcpip.ErrWouldBlock
}

// control fills in what the flags ask for.
func (e *Endpoint) control(c *tcpip.Control, n *entry, flags uint32) {
	if flags&flagTimestamp != 0 {
		c.Has |= tcpip.HasTimestamp
		c.Timestamp = n.p.At
	}
	if flags&flagDrops != 0 && n.lost != 0 {
		c.Has |= tcpip.HasDrops
		c.Rare().Drops = n.lost
	}
	if flags&flagMark != 0 {
		c.Has |= tcpip.HasMark
		c.Rare().Mark = n.p.Mark
	}
	if flags&flagPriority != 0 {
		c.Has |= tcpip.HasPriority
		c.Rare().Priority = n.p.Priority
	}
}

// Read is ReadFrame that tells of the sender only the NIC and, as Port, the EtherType.
func (e *Endpoint) Read(b []byte, o tcpip.ReadOptions) (tcpip.Received, error) {
	f, err := e.ReadFrame(b, o)
	if err != nil {
		return tcpip.Received{}, err
	}
	return tcpip.Received{Count: f.Count, Total: f.Total, Control: f.Control,
		From: tcpip.FullAddress{NIC: f.From.NIC, Port: uint16(f.From.EtherType)}}, nil
}
