package stack

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/tcpip"
)

// offloadGSO is the ability to carry every kind of super-segment.
const offloadGSO = OffloadTSO4 | OffloadTSO6 | OffloadUSO

// fit returns the next packets of a batch as the link can carry them, and what is behind them:
// super-segments that it cannot carry are cut, and checksums that it does not finish are finished. Order
// is kept. What needs no work comes as a part of the batch, what does in the Work's scratch, which is
// valid until the next call; it holds about txBatch packets. What has been cut stays cut.
func (n *NIC) fit(w *Work, batch []*Packet) (ready, behind []*Packet) {
	info := n.info.Load()
	asItIs := 0
	for asItIs < len(batch) && info.carries(batch[asItIs]) {
		asItIs++
	}
	if asItIs > 0 {
		return batch[:asItIs], batch[asItIs:]
	}
	out := w.cut[:0]
	i := 0
	for i < len(batch) && len(out) < txBatch {
		p := batch[i]
		i++
		if info.carries(p) {
			out = append(out, p)
			continue
		}
		var d tcpip.Drop
		if out, d = p.fit(info.Offload, info.GSOMax, out); d != tcpip.DropNone {
			w.Drop(p, d)
		}
	}
	if len(out) < len(w.cut) {
		clear(w.cut[len(out):]) // of an earlier call
	}
	w.cut = out
	return out, batch[i:]
}

// carries reports whether the link surely takes p as it is.
func (info *LinkInfo) carries(p *Packet) bool {
	if p.SegSize == 0 {
		return p.Checksum != ChecksumPartial || info.Offload&OffloadChecksum != 0
	}
	return info.Offload&offloadGSO == offloadGSO && p.Checksum == ChecksumPartial && p.Len() <= info.GSOMax
}

// Cut appends to dst what p is on a wire without offloads: the packets that a super-segment stands for,
// or p itself, with finished checksums. It takes p unless it returns a reason why p cannot be cut. A
// packet that the network layer has not seen yet must begin with its network header.
func (p *Packet) Cut(dst []*Packet) ([]*Packet, tcpip.Drop) {
	if p.SegSize == 0 && p.Checksum != ChecksumPartial {
		return append(dst, p), tcpip.DropNone
	}
	return p.fit(0, 0, dst)
}

// fit appends to dst what p is on a link with the given abilities. It takes p unless it returns a reason
// why that cannot be.
func (p *Packet) fit(can Offload, gsoMax int, dst []*Packet) ([]*Packet, tcpip.Drop) {
	s, d := p.headers()
	if d != tcpip.DropNone {
		return dst, tcpip.DropBadOffload
	}
	if p.Len()-s.Payload <= int(p.SegSize) {
		p.SegSize, p.Segs = 0, 0
	}
	if p.SegSize > 0 && can&s.offload() != 0 && p.Len()-s.Network <= gsoMax {
		if p.Checksum != ChecksumPartial {
			p.setPseudo(&s)
		}
		return append(dst, p), tcpip.DropNone
	}
	if p.SegSize > 0 {
		return p.cut(&s, can&OffloadChecksum, dst)
	}
	if p.Checksum == ChecksumPartial && can&OffloadChecksum == 0 {
		p.finish(&s)
	}
	return append(dst, p), tcpip.DropNone
}

// offload returns the ability that a super-segment of this shape needs.
func (s *Headers) offload() Offload {
	switch {
	case s.Protocol == header.ProtocolUDP:
		return OffloadUSO
	case s.V6:
		return OffloadTSO6
	}
	return OffloadTSO4
}

// cut appends the segments of a super-segment to dst. p, whose headers begin the front, becomes the last
// of them and keeps owner and charge. The segments share its payload.
//
// Sequence numbers, lengths and IPv4 identifications advance (RFC 6864: but for the 0 that a sender
// gives to what cannot be fragmented); CWR is the first segment's alone (RFC 3168 §6.1.2), PSH and FIN
// are the last one's.
func (p *Packet) cut(s *Headers, checksums Offload, dst []*Packet) ([]*Packet, tcpip.Drop) {
	if s.Payload > frontRoom-cloneHeadroom {
		return dst, tcpip.DropHeaderChain
	}
	all := p.Len() - s.Payload
	if !p.SplitFront(s.Payload) {
		return dst, tcpip.DropNoMemory
	}
	size := int(p.SegSize)
	c := cutter{Headers: s, finish: checksums == 0}
	c.begin(p.Front())
	p.SegSize, p.Segs, p.CE = 0, 0, 0
	data, from := p.data, 0
	for at := 0; all-at > size; at += size {
		q := p.stack.NewPacket()
		copy(q.Prepend(s.Payload), p.buf[p.off:p.off+s.Payload])
		q.inherit(p)
		for need := size; need > 0; {
			d := &data[from]
			if d.Len() > need {
				q.AppendData(d.Slice(0, need))
				d.TrimFront(need)
				break
			}
			need -= d.Len()
			q.AppendData(*d)
			*d = slab.Piece{}
			from++
		}
		c.segment(q, at, all)
		dst = append(dst, q)
	}
	p.data = p.data[:copy(p.data, p.data[from:])]
	p.dataLen = (all-1)%size + 1
	c.segment(p, all-p.dataLen, all)
	return append(dst, p), tcpip.DropNone
}

// inherit makes q, whose front is a copy of p's, say of itself what p says.
func (q *Packet) inherit(p *Packet) {
	if p.net >= 0 {
		q.net = p.net - p.off + q.off
	}
	if p.trans >= 0 {
		q.trans = p.trans - p.off + q.off
	}
	q.hops, q.tapped, q.watched, q.NIC, q.EtherType, q.Link = p.hops, p.tapped, p.watched, p.NIC, p.EtherType, p.Link
	q.Src, q.Dst, q.Proto, q.TTL, q.TOS = p.Src, p.Dst, p.Proto, p.TTL, p.TOS
	q.At, q.Local, q.FragMax, q.Hash = p.At, p.Local, p.FragMax, p.Hash
	q.Mark, q.Priority = p.Mark, p.Priority
}

// cutter writes the headers of segments, all alike but for what advances.
type cutter struct {
	*Headers
	finish bool

	count   int
	fixedID bool
	id      uint16
	seq     uint32
	flags   header.TCPFlags
	urgent  int
}

const (
	firstOnly = header.CWR
	lastOnly  = header.FIN | header.PSH
)

// begin reads the super-segment's headers.
func (c *cutter) begin(f []byte) {
	if !c.V6 {
		ip := header.IPv4(f[c.Network:])
		c.id = ip.ID()
		c.fixedID = c.id == 0 && ip.Flags()&header.IPv4DontFragment != 0
	}
	if c.Protocol == header.ProtocolTCP {
		t := header.TCP(f[c.Transport:])
		c.seq, c.flags, c.urgent = uint32(t.Seq()), t.Flags(), int(t.Urgent())
	}
}

// segment writes the headers of the next segment, whose payload begins at byte at of all.
func (c *cutter) segment(p *Packet, at, all int) {
	f := p.Front()
	size := p.Len()
	if c.V6 {
		header.IPv6(f[c.Network:]).SetPayloadLength(uint16(size - c.Network - header.IPv6Size))
	} else {
		ip := header.IPv4(f[c.Network:])
		ip.SetTotalLength(uint16(size - c.Network))
		if !c.fixedID {
			ip.SetID(c.id + uint16(c.count))
		}
		ip.UpdateChecksum()
	}
	if c.Protocol == header.ProtocolUDP {
		header.UDP(f[c.Transport:]).SetLength(uint16(size - c.Transport))
	} else {
		flags := c.flags
		if at > 0 {
			flags &^= firstOnly
		}
		if at+p.dataLen < all {
			flags &^= lastOnly
		}
		t := header.TCP(f[c.Transport:])
		if flags&header.URG != 0 {
			if c.urgent <= at {
				flags &^= header.URG
			}
			t.SetUrgent(uint16(max(c.urgent-at, 0)))
		}
		binary.BigEndian.PutUint32(f[c.Transport+4:], c.seq+uint32(at))
		t.SetFlags(flags)
	}
	c.count++
	sum := c.pseudo(f, size-c.Transport)
	if !c.finish {
		binary.BigEndian.PutUint16(f[c.ChecksumAt():], sum.Fold())
		p.Checksum = ChecksumPartial
		return
	}
	binary.BigEndian.PutUint16(f[c.ChecksumAt():], 0)
	c.setChecksum(f, p.sum(sum, c.Transport).Checksum())
	p.Checksum = ChecksumUnverified
}

// FinishChecksum completes, in place, the partial checksum of b, a whole TCP or UDP packet that begins
// with its IPv4 or IPv6 header, as a tap must before it shows a packet. It reports whether it did.
func FinishChecksum(b []byte) bool {
	p := Packet{buf: b, end: len(b), net: -1, trans: -1}
	s, d := p.headers()
	if d != tcpip.DropNone {
		return false
	}
	binary.BigEndian.PutUint16(b[s.ChecksumAt():], 0)
	s.setChecksum(b, s.pseudo(b, len(b)-s.Transport).Add(b[s.Transport:]).Checksum())
	return true
}
