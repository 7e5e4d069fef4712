package ipv6

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/frag"
	"github.com/seed963a8790/netstack/network/internal/shared"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// fragment sends p in fragments of at most mtu bytes (RFC 8200 §4.5). p's front begins with the n bytes of headers
// that are in every one of them. The fragments share its payload; their identification is random (RFC 7739
// §5.2). It takes p.
func (ip *Protocol) fragment(w *stack.Work, r *stack.Route, p *stack.Packet, n, mtu int) tcpip.Error {
	c := &ip.stack.Counters().Ip6
	if p.Checksum == stack.ChecksumPartial {
		var one [1]*stack.Packet
		if _, drop := p.Cut(one[:0]); drop != tcpip.DropNone {
			c.FragFails.Inc()
			w.Drop(p, drop)
			return tcpip.ErrInvalid
		}
	}
	var short [header.IPv6Size]byte
	first := append(short[:0], p.Front()[:n]...)
	h := header.IPv6(first)
	nextAt := nextHeaderIn(h)
	fragment := header.IPv6Fragment{Next: header.Protocol(h[nextAt]), ID: ip.stack.Random().Uint32()}
	h[nextAt] = uint8(header.ProtocolFragment)
	headers := n + header.IPv6FragmentSize
	room := (mtu - headers) &^ 7
	var scratch shared.Scratch
	payload, ok := shared.TakePayload(p, n, &scratch)
	if !ok || room <= 0 {
		payload.Release()
		c.FragFails.Inc()
		w.Drop(p, tcpip.DropNoMemory)
		return tcpip.ErrNoBuffers
	}
	p.TrimFront(n)
	for q := p; ; {
		size := min(room, payload.Len())
		payload.MoveTo(q, size)
		fragment.More = payload.Len() > 0
		b := q.Prepend(headers)
		h.SetPayloadLength(uint16(headers - header.IPv6Size + size))
		fragment.Encode(b[copy(b, h):])
		q.SetNetwork(headers)
		fragment.Offset += size
		var next *stack.Packet
		if fragment.More { // made before q is given away
			if next = ip.stack.NewPacketRoom(n - header.IPv6Size); next == nil {
				c.FragFails.Inc()
				payload.Release()
				w.Drop(q, tcpip.DropNoMemory)
				return tcpip.ErrNoBuffers
			}
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
		q = next
	}
	c.FragOKs.Inc()
	return tcpip.OK
}

// nextHeaderIn returns the offset of the byte that names what follows the headers h, an IPv6 header and those
// behind it.
func nextHeaderIn(h header.IPv6) int {
	at := 6
	for next := header.IPv6Size; next < len(h); {
		at = next
		next += 8 + 8*int(h[next+1])
	}
	return at
}

// reassemble takes a fragment for us, whose headers are good, and returns the datagram if it is complete, with
// c moved on to what lies behind the fragment header.
func (ip *Protocol) reassemble(w *stack.Work, p *stack.Packet, c *header.IPv6Chain) *stack.Packet {
	n := &ip.stack.Counters().Ip6
	f := &c.Fragment
	at := f.DataAt()
	length := p.Len() - at
	var problem header.IPv6Problem
	switch {
	case f.More && length%8 != 0:
		problem = header.IPv6Problem{Report: header.ReportUnicast, Code: header.ICMPv6ErroneousField, Pointer: payloadLengthAt}
	case f.At-header.IPv6Size+f.Offset+length > header.MaxPacket:
		problem = header.IPv6Problem{Report: header.ReportUnicast, Code: header.ICMPv6ErroneousField, Pointer: uint32(f.At + 2)}
	}
	if problem.Report != header.ReportNever {
		n.ReasmReqds.Inc()
		n.ReasmFails.Inc()
		ip.sendProblem(w, p, problem)
		p.Drop(tcpip.DropFragmentBad)
		return nil
	}
	piece := frag.Fragment{
		Key: frag.Key{Src: p.Src, Dst: p.Dst, ID: f.ID}, Offset: f.Offset, More: f.More, ECN: p.TOS,
	}
	if p.Src.IsLinkLocalUnicast() || p.Dst.IsLinkLocalUnicast() || p.Dst.IsMulticast() {
		piece.NIC = p.NIC.ID()
	}
	if f.Offset == 0 {
		piece.Head = p.Front()[:f.At]
		piece.Head[f.NextAt] = uint8(f.Next) // the datagram has no fragment header
	}
	chain := *f
	q, ce := ip.fragments.Add(w, p, at, &piece)
	if q == nil {
		return nil
	}
	q.Pull(min(q.Len(), maxHeaders))
	return ip.whole(w, q, &chain, c, ce)
}

const payloadLengthAt = 4 // offset of the Payload Length field

// whole makes a reassembled packet out of q, whose front is the first fragment's headers with the datagram
// behind them, and walks its headers.
func (ip *Protocol) whole(w *stack.Work, q *stack.Packet, f *header.IPv6Fragment, c *header.IPv6Chain, ce bool) *stack.Packet {
	h := header.IPv6(q.Front())
	if q.Len()-header.IPv6Size > header.MaxPacket { // the first fragment had the longer headers
		ip.stack.Counters().Ip6.ReasmFails.Inc()
		q.Drop(tcpip.DropFragmentBad)
		return nil
	}
	h.SetPayloadLength(uint16(q.Len() - header.IPv6Size))
	if ce {
		h.SetTrafficClass(h.TrafficClass() | 3)
	}
	q.TTL, q.TOS = h.HopLimit(), h.TrafficClass()
	q.SetNetwork(header.IPv6Size)
	drop := h.WalkExt(c)
	if drop == tcpip.DropNone && c.Fragment.Present() { // one inside the other
		c.Problem, drop = header.IPv6Problem{}, tcpip.DropBadExtHeader
	}
	if drop != tcpip.DropNone {
		ip.badHeaders(w, q, c, drop)
		return nil
	}
	c.Fragment = *f // neighbour discovery has to know that there was one
	return q
}

// timedOut tells the sender of a datagram that its fragments came too late (RFC 8200 §4.5). It borrows
// what came before the first gap.
func (ip *Protocol) timedOut(w *stack.Work, p *stack.Packet) {
	if len(p.Front()) < header.IPv6Size || p.NIC.Classify(p.Dst) != stack.DestinationLocal {
		return
	}
	h := header.IPv6(p.Front())
	binary.BigEndian.PutUint16(h[payloadLengthAt:], uint16(p.Len()-header.IPv6Size))
	p.SetNetwork(header.IPv6Size)
	p.Proto, p.TTL, p.TOS, p.Local = h.NextHeader(), h.HopLimit(), h.TrafficClass(), p.Dst
	ip.SendError(w, p, stack.ICMPReassemblyTimeout, 0)
}
