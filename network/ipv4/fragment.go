package ipv4

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/frag"
	"github.com/seed963a8790/netstack/network/internal/shared"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// fragment sends p, whose front begins with its header, in fragments of at most mtu bytes (RFC 791 §3.2).
// The fragments share its payload. A fragment can be cut again. It takes p.
func (ip *Protocol) fragment(w *stack.Work, r *stack.Route, p *stack.Packet, mtu int) tcpip.Error {
	c := &ip.stack.Counters().Ip
	if p.Checksum == stack.ChecksumPartial {
		var one [1]*stack.Packet
		if _, drop := p.Cut(one[:0]); drop != tcpip.DropNone {
			c.FragFails.Inc()
			w.Drop(p, drop)
			return tcpip.ErrInvalid
		}
	}
	var first [header.IPv4MaxSize]byte
	size := p.NetworkLen()
	copy(first[:], p.Front()[:size])
	h := header.IPv4(first[:size])
	offset, last := h.FragmentOffset(), h.Flags()&header.IPv4MoreFragments == 0
	room := (mtu - size) &^ 7
	var scratch shared.Scratch
	payload, ok := shared.TakePayload(p, size, &scratch)
	if !ok || room <= 0 {
		payload.Release()
		c.FragFails.Inc()
		w.Drop(p, tcpip.DropNoMemory)
		return tcpip.ErrNoBuffers
	}
	for q := p; ; {
		n := min(room, payload.Len())
		payload.MoveTo(q, n)
		more := payload.Len() > 0 || !last
		flags := h.Flags() &^ header.IPv4MoreFragments
		if more {
			flags |= header.IPv4MoreFragments
		}
		h.SetFragment(flags, offset)
		h.SetTotalLength(uint16(size + n))
		h.UpdateChecksum()
		copy(q.Front(), h)
		q.SetNetwork(size)
		offset += n
		var next *stack.Packet
		if payload.Len() > 0 { // made before q is given away
			next = ip.stack.NewPacket()
			next.Prepend(size)
			shared.Like(next, q)
		}
		c.FragCreates.Inc()
		if err := r.Output(w, q); err != tcpip.OK {
			c.FragFails.Inc()
			payload.Release()
			if next != nil {
				next.Release()
			}
			return err
		}
		if next == nil {
			break
		}
		if q == p && size > header.IPv4Size {
			keepCopied(h)
		}
		q = next
	}
	c.FragOKs.Inc()
	return tcpip.OK
}

// keepCopied takes out of a header the options that stand in the first fragment only. (The header is on
// the caller's stack, where IPv4Options.KeepCopied would not leave it.)
func keepCopied(h header.IPv4) {
	b := h.Options()
	for at := 0; at+1 < len(b); {
		kind, n := header.IPv4OptionType(b[at]), 1
		if kind == header.IPv4OptEnd {
			return
		}
		if kind != header.IPv4OptNop {
			n = int(b[at+1])
		}
		if n < 1 || at+n > len(b) {
			return
		}
		for i := at; i < at+n && !kind.Copied(); i++ {
			b[i] = uint8(header.IPv4OptNop)
		}
		at += n
	}
}

// reassemble takes a fragment for us and returns the datagram if it is complete.
func (ip *Protocol) reassemble(w *stack.Work, p *stack.Packet, h header.IPv4) *stack.Packet {
	c := &ip.stack.Counters().Ip
	more, offset, size := h.Flags()&header.IPv4MoreFragments != 0, h.FragmentOffset(), h.HeaderLen()
	n := h.PayloadLength()
	// What filters look at has to be in the first fragment, and nothing may be put over it (RFC 1858 §3,
	// RFC 3128).
	if p.Proto == header.ProtocolTCP && (offset == 0 && n < header.TCPSize || offset == 8) {
		c.ReasmReqds.Inc()
		c.ReasmFails.Inc()
		p.Drop(tcpip.DropFragmentTiny)
		return nil
	}
	f := frag.Fragment{
		Key:    frag.Key{Src: p.Src, Dst: p.Dst, ID: uint32(h.ID()), Proto: uint8(p.Proto)},
		Offset: offset, More: more, ECN: h.TOS(), Head: h.Header(),
	}
	if size+offset+n > header.MaxPacket {
		c.ReasmReqds.Inc()
		c.ReasmFails.Inc()
		p.Drop(tcpip.DropFragmentBad)
		return nil
	}
	q, ce := ip.fragments.Add(w, p, size, &f)
	if q == nil {
		return nil
	}
	h = header.IPv4(q.Front())
	size = h.HeaderLen()
	if q.Len() > header.MaxPacket { // the first fragment had the longer header
		c.ReasmFails.Inc()
		q.Drop(tcpip.DropFragmentBad)
		return nil
	}
	q.SetNetwork(size)
	h.SetTotalLength(uint16(q.Len()))
	h.SetFragment(0, 0)
	if ce {
		h.SetTOS(h.TOS() | 3)
	}
	q.TTL, q.TOS = h.TTL(), h.TOS()
	h[:size].UpdateChecksum()
	return q
}

// timedOut tells the sender of a datagram that its fragments came too late (RFC 1122 §3.3.2). It borrows
// the first of them.
func (ip *Protocol) timedOut(w *stack.Work, p *stack.Packet) {
	h, drop := header.ParseIPv4Header(p.Front(), header.MaxPacket)
	if drop != tcpip.DropNone || p.NIC.Classify(p.Dst) != stack.DestinationLocal {
		return
	}
	p.SetNetwork(h.HeaderLen())
	p.Proto, p.TTL, p.TOS, p.Local = h.Protocol(), h.TTL(), h.TOS(), p.Dst
	ip.SendError(w, p, stack.ICMPReassemblyTimeout, 0)
}
