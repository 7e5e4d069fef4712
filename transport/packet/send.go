package packet

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// WriteFrame sends b as one packet through the NIC that to names, or that the endpoint is bound to if to is nil. It
// copies. If there is a transmit ring, it sends what the user has put there instead of b, and returns its bytes.
// A Raw endpoint gives the link's header with it; for a Cooked one that is made of to's EtherType and Link.
//
// Errors: ErrNoAddress if there is no such NIC, ErrNetDown if it is down, ErrMessageSize if b is longer than the link
// carries, ErrInvalid if it is empty, has no room for its headers, or lacks a station to go to, ErrWouldBlock while the send buffer is full (a
// Writable event follows), ErrNoBuffers if the transmit queue or memory is, ErrClosed.
func (e *Endpoint) WriteFrame(b []byte, to *Address) (int, error) {
	w := e.stack.Begin()
	e.mu.Lock()
	n, err := e.write(w, b, to)
	e.mu.Unlock()
	w.End()
	if err != tcpip.OK {
		return 0, err
	}
	return n, nil
}

// Write is WriteFrame to the NIC of o.To, with its Port as EtherType; the zero FullAddress stands for what the endpoint
// is bound to.
func (e *Endpoint) Write(b []byte, o tcpip.WriteOptions) (int, error) {
	if o.To == (tcpip.FullAddress{}) {
		return e.WriteFrame(b, nil)
	}
	return e.WriteFrame(b, &Address{NIC: o.To.NIC, EtherType: header.EtherType(o.To.Port)})
}

func (e *Endpoint) write(w *stack.Work, b []byte, to *Address) (int, tcpip.Error) {
	if e.closed {
		return 0, tcpip.ErrClosed
	}
	var a Address
	if to != nil {
		a = *to
	} else {
		a.NIC, a.EtherType = e.nic, e.proto
	}
	n := e.stack.NIC(a.NIC)
	switch {
	case a.NIC == 0 || n == nil:
		return 0, tcpip.ErrNoAddress
	case !n.Up():
		return 0, tcpip.ErrNetDown
	}
	if r := e.queue.transmit(); r != nil {
		return e.sendRing(w, r, n, &a)
	}
	if to == nil && e.mode == Cooked && n.Info().Kind == stack.LinkEthernet {
		return 0, tcpip.ErrInvalid // there is no saying to whom
	}
	return len(b), e.send(w, n, b, &a)
}

// send builds the packet and hands it to the NIC.
func (e *Endpoint) send(w *stack.Work, n *stack.NIC, b []byte, a *Address) tcpip.Error {
	if e.sent.Load() >= int64(e.conf.SendBuffer) {
		return tcpip.ErrWouldBlock
	}
	var v header.VirtioNet
	vnet := e.options.VNetSize
	if vnet > 0 {
		var d tcpip.Drop
		if v, d = header.ParseVirtioNet(b, vnet); d != tcpip.DropNone {
			return tcpip.ErrInvalid
		}
		b = b[vnet:]
		if int(v.HeaderLen) > len(b) {
			return tcpip.ErrInvalid
		}
	}
	link := n.LinkHeaderLen()
	super := v.GSO.Kind() != header.VirtioGSONone
	if err := e.fits(n, b, link, super); err != tcpip.OK {
		return err
	}
	p := stack.LinkPart{Dst: a.Link, Src: n.Info().Address, Type: stack.PacketOutgoing}
	etherType := a.EtherType
	if e.mode == Raw && link > 0 {
		h := header.Ethernet(b[:link])
		p.Dst, p.Src, etherType = h.Dst(), h.Src(), h.Type()
		b = b[link:]
	} else if e.mode == Cooked {
		link = 0
	}
	if n.LinkHeaderLen() == 0 && (etherType == 0 || etherType == All) {
		etherType = stack.EtherTypeOf(b)
	}
	packet := e.stack.NewPacketCopy(b)
	if packet == nil {
		return tcpip.ErrNoBuffers
	}
	packet.EtherType, packet.Link, packet.Written = etherType, p, true
	packet.Mark, packet.Priority = uint32(e.conf.Mark), uint32(e.conf.Priority)
	if vnet > 0 {
		if err := settle(&v, packet, link); err != tcpip.OK {
			packet.Release()
			return err
		}
	}
	charge := packet.Cost()
	e.sent.Add(int64(charge))
	packet.SetOwner(e, charge)
	if !n.Enqueue(w, packet) {
		w.Drop(packet, tcpip.DropQueueFull)
		return tcpip.ErrNoBuffers
	}
	return tcpip.OK
}

// fits says whether b can be sent through n, whose link has a header of so many bytes.
func (e *Endpoint) fits(n *stack.NIC, b []byte, link int, super bool) tcpip.Error {
	room := n.MTU()
	if e.mode == Raw {
		room += link
		if link > 0 && len(b) >= link && binary.BigEndian.Uint16(b[link-2:]) == uint16(header.EtherTypeVLAN) {
			room += vlanSize
		}
	}
	switch {
	case len(b) > maxWrite, len(b) > room && !super:
		return tcpip.ErrMessageSize
	case e.mode == Raw && len(b) < link, len(b) == 0 && link == 0:
		return tcpip.ErrInvalid
	}
	return tcpip.OK
}
