package transport

import (
	"github.com/seed963a8790/netstack/tcpip"
)

// Read takes the oldest datagram into b. Of a longer one the rest is lost, and Received.Total says how
// long it was. With ReadPeek it stays in the queue; with ReadError the oldest entry of the error queue is
// taken instead: what is known of the packet that the error is about, From being its destination.
//
// After Shutdown(ShutdownRead) an empty queue reads as 0 bytes from nobody.
//
// Errors: a pending error, once and before any datagram, as on Linux; ErrWouldBlock if nothing is there
// (a Readable event follows), ErrClosed after Close.
func (d *Datagram) Read(b []byte, o tcpip.ReadOptions) (tcpip.Received, error) {
	if o.Flags&tcpip.ReadError != 0 {
		return d.readError(b, o.Flags)
	}
	if err := d.takeError(); err != tcpip.OK {
		return tcpip.Received{}, err
	}
	q := &d.queue
	q.mu.Lock()
	e := q.data.head
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
		return d.received(e, b), nil
	}
	q.data.pop()
	q.bytes -= e.charge
	q.mu.Unlock()
	d.proto.counters(e.dst.Is6()).InDatagrams.Inc()
	r := d.received(e, b)
	d.proto.free(e)
	return r, nil
}

// received copies a datagram to the user, with what the options ask for.
func (d *Datagram) received(e *datagram, b []byte) tcpip.Received {
	r := tcpip.Received{
		Count: e.copyTo(b),
		Total: e.size,
		From:  tcpip.FullAddress{NIC: e.nic, Addr: e.from.Addr(), Port: e.from.Port()},
	}
	if f := d.flags.Load(); f&(1<<modeShift4-1) != 0 {
		d.control(&r.Control, e, f)
	}
	return r
}

// control fills in what the flags ask for. Packet info of IPv4 is reported to whoever asked for that of
// either family, as on Linux; hops and class have an option for each.
func (d *Datagram) control(c *tcpip.Control, e *datagram, f uint32) {
	info, hops, class := flagInfo4|flagInfo6, flagTTL, flagTOS
	if e.dst.Is6() {
		info, hops, class = flagInfo6, flagHops, flagClass
	}
	if f&info != 0 {
		c.Has |= tcpip.HasPacketInfo
		c.PacketInfo = tcpip.PacketInfo{NIC: e.nic, Local: e.local, Destination: e.dst}
	}
	if f&hops != 0 {
		c.Has |= tcpip.HasHopLimit
		c.HopLimit = e.ttl
	}
	if f&class != 0 {
		c.Has |= tcpip.HasClass
		c.Class = e.tos
	}
	if f&flagTimestamp != 0 {
		c.Has |= tcpip.HasTimestamp
		c.Timestamp = e.at
	}
}
