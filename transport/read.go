package transport

import (
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip"
)

// Read takes the oldest datagram into b. Of a longer one the rest is lost, and Received.Total says how
// long it was. With ReadPeek it stays in the queue; with ReadError the oldest entry of the error queue is
// taken instead, as on Linux even with ReadPeek: what is known of the packet that the error is about, From
// being its destination.
//
// After Shutdown(ShutdownRead) an empty queue reads as 0 bytes from nobody.
//
// Errors: a pending error, once and before any datagram, as on Linux; ErrWouldBlock if nothing is there
// (a Readable event follows), ErrClosed after Close.
func (d *Datagram) Read(b []byte, o tcpip.ReadOptions) (tcpip.Received, error) {
	if o.Flags&tcpip.ReadError != 0 {
		return d.readError(b)
	}
	if d.flags.Load()&flagPathMTU != 0 {
		if r, ok := d.takePathMTU(); ok {
			return r, nil
		}
	}
	if err := d.takeError(); err != tcpip.OK {
		return tcpip.Received{}, err
	}
	q := &d.queue
	q.mu.Lock()
	e, skip := q.data.head, 0
	if o.Flags&tcpip.ReadPeek != 0 {
		e, skip = q.peek()
	}
	if e == nil {
		shut, closed := q.shut&tcpip.ShutdownRead != 0, q.closed
		q.mu.Unlock()
		switch {
		case closed:
			return tcpip.Received{}, tcpip.ErrClosed
		case shut:
			return tcpip.Received{}, nil
		}
		return tcpip.Received{}, tcpip.ErrWouldBlock
	}
	if o.Flags&tcpip.ReadPeek != 0 {
		defer q.mu.Unlock()
		r := d.received(e, b, skip, o.Flags)
		q.peekOn(moved(o.Flags, r.Count, e.size))
		return r, nil
	}
	q.data.pop()
	q.bytes -= e.charge
	q.peekOn(-moved(o.Flags, min(e.size, len(b)), e.size))
	q.mu.Unlock()
	d.proto.counters(e.dst.Is6()).InDatagrams.Inc()
	if d.arrival.Load() >= 0 {
		d.arrival.Store(int64(e.at))
	}
	r := d.received(e, b, 0, o.Flags)
	d.proto.free(e)
	return r, nil
}

// moved returns by how much SO_PEEK_OFF moves: what the call returns.
func moved(f tcpip.ReadFlags, copied, size int) int {
	if f&tcpip.ReadWhole != 0 {
		return size
	}
	return copied
}

// received copies a datagram to the user, with what the options ask for.
func (d *Datagram) received(e *datagram, b []byte, skip int, flags tcpip.ReadFlags) tcpip.Received {
	r := tcpip.Received{
		Count:   e.copyTo(b, skip),
		Total:   e.size,
		Skipped: skip,
		From:    tcpip.FullAddress{NIC: e.nic, Addr: e.from.Addr(), Port: e.from.Port()},
	}
	if f := d.flags.Load(); f&(1<<modeShift4-1) != 0 {
		if d.proto.shape.Kind == tcpip.KindUDP && e.size > summedAtOnce && (r.Count == e.size || flags&tcpip.ReadPeek != 0) {
			f &^= flagSum // Linux has no sum of what it verifies while copying
		}
		d.control(&r.Control, e, f)
		if f&flagJoin != 0 {
			r.SegmentBy = int(e.seg)
		}
	}
	return r
}

// control fills in what the flags ask for. Packet info of IPv4 is reported to whoever asked for that of
// either family, as on Linux; hops and class have an option for each.
func (d *Datagram) control(c *tcpip.Control, e *datagram, f uint64) {
	info, hops, class := flagInfo4|flagInfo6, flagTTL, flagTOS
	if e.dst.Is6() {
		info, hops, class = flagInfo6|flagOldInfo, flagHops|flagOldHops, flagClass
	}
	if f&flagsOfHeaders != 0 {
		d.tellHeaders(c, e, f)
	}
	if f&info != 0 {
		c.Has |= tcpip.HasPacketInfo
		c.PacketInfo = tcpip.PacketInfo{NIC: e.nic, Local: e.local, Destination: e.dst}
		if e.unasked && e.dst.Is4() { // as measured on Linux
			c.PacketInfo.NIC, c.PacketInfo.Local = 0, netip.IPv4Unspecified()
		}
	}
	if f&hops != 0 {
		c.Has |= tcpip.HasHopLimit
		c.HopLimit = e.ttl
	}
	if f&class != 0 {
		c.Has |= tcpip.HasClass
		c.Class = e.tos
	}
	if f&flagDrops != 0 && e.drops != 0 {
		c.Has |= tcpip.HasDrops
		c.Rare().Drops = e.drops
	}
	if f&(flagTimestamp|flagStamping|flagMark|flagPriority) == 0 {
		return
	}
	if f&flagTimestamp != 0 {
		c.Has |= tcpip.HasTimestamp
		c.Timestamp = e.at
	}
	if f&flagStamping != 0 {
		c.Has |= tcpip.HasTimestamping
		c.Timestamp = e.at
	}
	if e.report != nil { // which has no tags
		return
	}
	if f&flagMark != 0 {
		c.Has |= tcpip.HasMark
		c.Rare().Mark = e.mark
	}
	if f&flagPriority != 0 {
		c.Has |= tcpip.HasPriority
		c.Rare().Priority = e.priority
	}
}
