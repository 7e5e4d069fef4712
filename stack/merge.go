package stack

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/checksum"
	"github.com/seed963a8790/netstack/internal/slab"
)

// merge joins the segments of a TCP stream that follow each other in a batch into super-segments, and
// returns the shorter batch, in place. Packets of one flow keep their order. What was merged was
// verified, and carries the sum of its pseudo-header as a super-segment that is sent does; cutting it
// gives back the segments that it was made of, bit by bit. Hence only what a cut can restore is merged:
// equal headers but for sequence, length, identification and checksum, equal sizes but for the last, PSH on
// the last alone. UDP is not merged: the sizes of datagrams mean something.
func merge(batch []*Packet) []*Packet {
	var m merger
	out := batch[:0]
	for _, p := range batch {
		if !m.add(p) {
			out = append(out, p)
		}
	}
	clear(batch[len(out):])
	for i := range m.flows {
		m.flows[i].end()
	}
	return out
}

// merger is the state of one batch.
type merger struct {
	flows [mergeFlows]merging
	last  int // where the previous packet was found: the likely place of the next
	evict int // whose turn it is to make room
}

// merging is the packet of one flow that segments are joined to. The zero value is a free place.
type merging struct {
	p        *Packet
	seg      segmentHeader
	size     int    // payload of the first segment: what every one but the last has
	next     uint32 // sequence number that follows
	id       uint16 // of the segment that joined last
	segs     int
	verified bool // the first segment's checksums were
	push     bool // the last one had PSH
}

// segmentHeader is what merging needs to know of a TCP segment.
type segmentHeader struct {
	f     []byte // the front, headers first
	v6    bool
	trans int
	hdr   int // where the payload begins
	data  int // bytes of payload
	flags header.TCPFlags
}

// parse fills h if p is a TCP segment whose headers are plain, whole and in the front.
func (h *segmentHeader) parse(p *Packet) bool {
	f := p.Front()
	if len(f) < header.IPv4Size+header.TCPSize {
		return false
	}
	switch p.EtherType {
	case header.EtherTypeIPv4:
		ip := header.IPv4(f)
		if f[0] != 0x45 || ip.Protocol() != header.ProtocolTCP || ip.IsFragment() || int(ip.TotalLength()) != p.Len() {
			return false
		}
		h.v6, h.trans = false, header.IPv4Size
	case header.EtherTypeIPv6:
		if len(f) < header.IPv6Size+header.TCPSize {
			return false
		}
		ip := header.IPv6(f)
		if f[0]>>4 != 6 || ip.NextHeader() != header.ProtocolTCP || header.IPv6Size+int(ip.PayloadLength()) != p.Len() {
			return false
		}
		h.v6, h.trans = true, header.IPv6Size
	default:
		return false
	}
	t := header.TCP(f[h.trans:])
	h.hdr = h.trans + t.HeaderLen()
	if h.hdr < h.trans+header.TCPSize || h.hdr > len(f) {
		return false
	}
	h.f, h.data, h.flags = f, p.Len()-h.hdr, t.Flags()
	return true
}

// sameFlow reports whether the addresses and ports are equal.
func (h *segmentHeader) sameFlow(g *segmentHeader) bool {
	if h.v6 != g.v6 || binary.NativeEndian.Uint32(h.f[h.trans:]) != binary.NativeEndian.Uint32(g.f[g.trans:]) {
		return false
	}
	if h.v6 {
		return [32]byte(h.f[8:40]) == [32]byte(g.f[8:40])
	}
	return binary.NativeEndian.Uint64(h.f[12:]) == binary.NativeEndian.Uint64(g.f[12:])
}

// alike reports whether everything that a cut copies to all segments is equal: all of the network header
// but lengths, identification and checksum; acknowledgment, window, urgent pointer and options.
func (h *segmentHeader) alike(g *segmentHeader) bool {
	if h.hdr != g.hdr {
		return false
	}
	a, b := h.f[:h.hdr], g.f[:g.hdr]
	if h.v6 {
		if [4]byte(a) != [4]byte(b) || a[7] != b[7] {
			return false
		}
	} else if a[1] != b[1] || a[6] != b[6] || a[7] != b[7] || a[8] != b[8] {
		return false
	}
	a, b = a[h.trans:], b[h.trans:]
	return [4]byte(a[8:12]) == [4]byte(b[8:12]) && [2]byte(a[14:16]) == [2]byte(b[14:16]) &&
		[2]byte(a[18:20]) == [2]byte(b[18:20]) && a[12] == b[12] && string(a[20:]) == string(b[20:])
}

// valid reports whether the segment's checksums are right, as far as that is not known already.
func (h *segmentHeader) valid(p *Packet) bool {
	if !h.v6 && checksum.Sum(h.f[:header.IPv4Size]) != 0xffff {
		return false
	}
	if p.Checksum == ChecksumUnverified {
		s := Headers{Transport: h.trans, Payload: h.hdr, V6: h.v6, Protocol: header.ProtocolTCP}
		if p.sum(s.pseudo(h.f, p.Len()-h.trans), h.trans).Checksum() != 0 {
			return false
		}
		p.Checksum = ChecksumVerified
	}
	return true
}

// add joins p to what it follows and reports true, or leaves it in the batch.
func (m *merger) add(p *Packet) bool {
	var h segmentHeader
	if !h.parse(p) {
		return false
	}
	g := m.find(&h)
	if !mergeable(p, &h) {
		if g != nil {
			g.end()
		}
		return false
	}
	if g != nil {
		if g.takes(p, &h) && g.join(p, &h) {
			return true
		}
		g.end()
	}
	if h.flags&header.PSH != 0 {
		return false
	}
	if g == nil {
		g = m.place()
	}
	*g = merging{
		p: p, seg: h, size: h.data, next: binary.BigEndian.Uint32(h.f[h.trans+4:]) + uint32(h.data),
		id: binary.BigEndian.Uint16(h.f[4:]), segs: 1,
	}
	return false
}

// mergeable reports whether a packet of a flow may begin or continue a super-segment at all.
func mergeable(p *Packet, h *segmentHeader) bool {
	return h.flags&^header.PSH == header.ACK && h.data > 0 && p.SegSize == 0 && p.Link.Type == PacketHost
}

// find returns the place of h's flow, nil if there is none.
func (m *merger) find(h *segmentHeader) *merging {
	if g := &m.flows[m.last]; g.p != nil && g.seg.sameFlow(h) {
		return g
	}
	for i := range m.flows {
		if g := &m.flows[i]; g.p != nil && g.seg.sameFlow(h) {
			m.last = i
			return g
		}
	}
	return nil
}

// place returns a free place, made free if need be.
func (m *merger) place() *merging {
	for i := range m.flows {
		if m.flows[i].p == nil {
			m.last = i
			return &m.flows[i]
		}
	}
	m.last = m.evict
	m.evict = (m.evict + 1) % mergeFlows
	g := &m.flows[m.last]
	g.end()
	return g
}

// takes reports whether p continues g.
func (g *merging) takes(p *Packet, h *segmentHeader) bool {
	if binary.BigEndian.Uint32(h.f[h.trans+4:]) != g.next || h.data > g.size || !g.seg.alike(h) ||
		g.p.Len()+h.data > header.MaxPacket || g.segs >= mergeSegments || len(g.p.data)+1+len(p.data) > maxKeptPieces {
		return false
	}
	if !h.v6 && !g.follows(h) || !h.valid(p) {
		return false
	}
	if !g.verified {
		if !g.seg.valid(g.p) {
			return false
		}
		g.verified = true
	}
	return true
}

// follows reports whether the IPv4 identification is the one that a cut would give: one more than the
// last, or 0 again in a flow that sends nothing else (RFC 6864 §4.1).
func (g *merging) follows(h *segmentHeader) bool {
	id := binary.BigEndian.Uint16(h.f[4:])
	if binary.BigEndian.Uint16(g.seg.f[4:]) == 0 && g.seg.f[6]&byte(header.IPv4DontFragment) != 0 {
		return id == 0
	}
	return id == g.id+1
}

// join appends p's payload, which g takes. It reports false, and takes nothing, if memory is short.
func (g *merging) join(p *Packet, h *segmentHeader) bool {
	if g.segs == 1 && !g.p.SplitFront(g.seg.hdr) || !p.SplitFront(h.hdr) {
		return false
	}
	for i := range p.data {
		g.p.appendJoined(p.data[i])
		p.data[i] = slab.Piece{}
	}
	p.data, p.dataLen = p.data[:0], 0
	g.segs++
	g.next += uint32(h.data)
	g.id = binary.BigEndian.Uint16(h.f[4:])
	g.push = h.flags&header.PSH != 0
	p.Release()
	if g.push || h.data < g.size {
		g.end()
	}
	return true
}

// end makes what was joined into a super-segment and frees the place.
func (g *merging) end() {
	p := g.p
	if p == nil {
		return
	}
	g.p = nil
	if g.segs == 1 {
		return
	}
	h := &g.seg
	s := Headers{Transport: h.trans, Payload: h.hdr, V6: h.v6, Protocol: header.ProtocolTCP}
	if g.push {
		h.f[h.trans+13] |= byte(header.PSH)
	}
	if h.v6 {
		header.IPv6(h.f).SetPayloadLength(uint16(p.Len() - header.IPv6Size))
	} else {
		ip := header.IPv4(h.f)
		ip.SetTotalLength(uint16(p.Len()))
		ip.UpdateChecksum()
	}
	p.SegSize, p.Segs = uint16(g.size), uint16(g.segs)
	if s.congested(h.f) {
		p.CE = p.Segs
	}
	p.setPseudo(&s)
}

// appendJoined is AppendData for a piece that may continue the last one in the same slab.
func (p *Packet) appendJoined(b slab.Piece) {
	n := b.Len()
	if len(p.data) > 0 && p.data[len(p.data)-1].Join(&b) {
		p.dataLen += n
		return
	}
	p.AppendData(b)
}
