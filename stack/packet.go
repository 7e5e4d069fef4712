package stack

import (
	"github.com/seed963a8790/netstack/header"
	"net/netip"

	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/tcpip"
)

// Packet is one packet on its way through a stack: a private front, which holds the headers and
// grows towards the link, and payload in pieces that may share read-only slabs with queues. A TCP or
// UDP packet may be a super-segment that stands for several on the wire.
//
// A packet has one owner at a time. Passing it to a function gives it away, unless that function's
// comment says that it borrows; the last owner calls Release, once.
type Packet struct {
	next *Packet // in the one list that the packet is on

	buf      []byte // storage of the front: inline, or a slab's from its beginning
	off, end int    // the front is buf[off:end]
	store    slab.Piece
	data     []slab.Piece
	dataLen  int

	net, trans int // start of the network and the transport header in buf

	stack   *Stack // whose pools it came from
	hops    uint8  // in-memory links crossed
	tapped  bool   // taps have seen it leave
	watched bool   // watchers have
	owner   Owner
	charge  int

	// What the link knows, or needs to know.
	NIC       *NIC // received: where it arrived; sent: where it leaves
	EtherType header.EtherType
	Link      LinkPart

	// What the network layer has parsed, or has decided.
	Src, Dst netip.Addr
	Proto    header.Protocol // transport protocol
	TTL, TOS uint8           // hop limit, traffic class
	At       tcpip.Time      // arrival
	Local    netip.Addr      // received: the unicast address of ours that stands for Dst
	FragMax  uint16          // received in fragments: the largest one's bytes

	Forwarded bool // passing through: received here and sent on
	Written   bool // by a packet socket, header and all; Linux knows no route of such a packet even on a loopback
	Homed     bool // came over loopback, to an address of NIC
	ByDevice  bool // sent by a loopback NIC that was asked for, and so to sockets it comes in by that one
	Astray    bool // not addressed to this host, but routed to it, by a loopback NIC: who listens gets it, as on Linux
	Looped    bool // sent here and given back to this stack as a member of the group (Work.Loop)
	// Redelivered is how often a transport gave it to the demux again because its endpoint had gone.
	Redelivered uint8

	// Segmentation and checksum state, see GSO and Checksum.
	Checksum Checksum
	SegSize  uint16 // super-segment: payload bytes per wire segment; 0 otherwise
	Segs     uint16 // received: wire segments this one stands for; 0 counts as 1
	CE       uint16 // how many of them carried CE

	Hash uint32 // of the flow, keyed; pins it to a transmit queue
	// Mark and Priority are the sender's (SO_MARK, SO_PRIORITY), as far as the packet stays inside the process.
	Mark, Priority uint32

	dataArray [4]slab.Piece
	inline    [frontRoom]byte
}

// LinkPart is what a link layer with addresses puts on a packet.
type LinkPart struct {
	Src, Dst tcpip.LinkAddr
	Type     PacketType
}

// PacketType says to whom the link's frame was addressed, with the numbers of Linux's sll_pkttype.
type PacketType uint8

// The types.
const (
	PacketHost PacketType = iota
	PacketBroadcast
	PacketMulticast
	PacketOtherHost
	PacketOutgoing
)

// Checksum is the state of the transport checksum of a packet.
type Checksum uint8

// The states.
const (
	// ChecksumUnverified: the field is complete, as it is on a wire; a receiver must check it.
	ChecksumUnverified Checksum = iota
	// ChecksumVerified: the field is complete and was found right.
	ChecksumVerified
	// ChecksumPartial: the field holds the sum of the pseudo-header, and whoever puts the packet on a
	// wire finishes it. The packet has not left trusted memory, so a receiver need not check it.
	ChecksumPartial
)

// Owner is told when packets that it sent have left the transmit queue.
type Owner interface {
	// Completed reports that packets with a sum of charges of charge have been taken by the link or
	// dropped. Every charge is reported exactly once, whatever becomes of the packet and whether or
	// not Send returned an error; once per batch and owner, with no lock held.
	Completed(w *Work, charge int)
}

// NewPacket returns an empty packet with FrontRoom bytes of headroom.
func (s *Stack) NewPacket() *Packet {
	p, _ := s.packets.Get().(*Packet)
	if p == nil {
		p = &Packet{stack: s}
		p.data = p.dataArray[:0]
	}
	p.buf = p.inline[:]
	p.off, p.end = frontRoom, frontRoom
	p.net, p.trans = -1, -1
	s.livePackets.Add(1)
	return p
}

// NewPacketRoom is NewPacket with n bytes of headroom beside FrontRoom's. It returns nil if memory is short.
func (s *Stack) NewPacketRoom(n int) *Packet {
	if n == 0 {
		return s.NewPacket()
	}
	piece, ok := s.Slabs.Get(n + frontRoom)
	if !ok {
		return nil
	}
	piece.Extend(n + frontRoom) // so that what Prepend makes of it can be split off again
	p := s.NewPacketFrom(piece)
	p.TrimFront(n + frontRoom)
	return p
}

// NewPacketFrom returns a packet whose front is the bytes of b, with b's headroom in front of them.
// It takes b, which must be the only Piece of its slab.
func (s *Stack) NewPacketFrom(b slab.Piece) *Packet {
	p := s.NewPacket()
	p.store = b
	p.buf = b.Storage()
	p.off, p.end = b.Headroom(), b.Headroom()+b.Len()
	return p
}

// NewPacketCopy returns a packet whose front is a copy of b, or nil if memory is short or b is
// longer than any packet can be.
func (s *Stack) NewPacketCopy(b []byte) *Packet {
	if len(b)+frontRoom/2 > slab.Large {
		return nil
	}
	piece, ok := s.Slabs.Get(len(b) + frontRoom/2)
	if !ok {
		return nil
	}
	piece.Reserve(frontRoom / 2)
	piece.Append(b)
	return s.NewPacketFrom(piece)
}

// Release gives the packet and its payload back.
func (p *Packet) Release() {
	p.DropData()
	p.store.Release()
	s := p.stack
	data := p.data[:0]
	if cap(data) > maxKeptPieces {
		data = p.dataArray[:0]
	}
	p.reset(data)
	s.livePackets.Add(-1)
	s.packets.Put(p)
}

// reset clears everything but the inline bytes, which are never zeroed.
func (p *Packet) reset(data []slab.Piece) {
	if p.next != nil {
		panic("stack: Release of a packet that is on a list")
	}
	if p.owner != nil {
		panic("stack: Release of a packet whose owner waits for its completion")
	}
	p.buf, p.data, p.NIC = nil, data, nil
	p.charge, p.tapped, p.hops, p.EtherType, p.Link = 0, false, 0, 0, LinkPart{}
	p.Src, p.Dst, p.Local = netip.Addr{}, netip.Addr{}, netip.Addr{}
	p.Proto, p.TTL, p.TOS, p.At, p.FragMax = 0, 0, 0, 0, 0
	p.Homed, p.ByDevice, p.Astray = false, false, false
	p.Forwarded, p.Looped, p.Redelivered, p.Written, p.watched = false, false, 0, false, false
	p.Checksum, p.SegSize, p.Segs, p.CE, p.Hash = 0, 0, 0, 0, 0
	p.Mark, p.Priority = 0, 0
}

// Stack returns the stack that the packet was made by.
func (p *Packet) Stack() *Stack { return p.stack }

// SetOwner makes o hear of the packet's completion; charge is what Completed will add up. From then on
// the packet ends in a link, or through Work.Drop.
func (p *Packet) SetOwner(o Owner, charge int) { p.owner, p.charge = o, charge }

// TakeOwner moves the owner and the charge of from, which has been cut or copied, to p.
func (p *Packet) TakeOwner(from *Packet) {
	p.owner, p.charge = from.owner, from.charge
	from.owner, from.charge = nil, 0
}

// Len returns the bytes of front and payload.
func (p *Packet) Len() int { return p.end - p.off + p.dataLen }

// Front returns the contiguous bytes at the front, which the packet's owner may change.
func (p *Packet) Front() []byte { return p.buf[p.off:p.end:p.end] }

// Data returns the payload behind the front. The pieces stay the packet's and are read-only.
func (p *Packet) Data() []slab.Piece { return p.data }

// DataLen returns the bytes of Data.
func (p *Packet) DataLen() int { return p.dataLen }

// AppendData adds b, which it takes, to the end of the payload.
func (p *Packet) AppendData(b slab.Piece) {
	p.data = append(p.data, b)
	p.dataLen += b.Len()
}

// TakeData appends the payload's pieces to dst, to whose owner they go, and leaves none.
func (p *Packet) TakeData(dst []slab.Piece) []slab.Piece {
	dst = append(dst, p.data...)
	p.data, p.dataLen = p.data[:0], 0
	return dst
}

// DropData releases the payload.
func (p *Packet) DropData() {
	for i := range p.data {
		p.data[i].Release()
	}
	p.data, p.dataLen = p.data[:0], 0
}

// Prepend makes the front longer by n bytes, n <= FrontRoom, and returns them for the caller to fill.
func (p *Packet) Prepend(n int) []byte {
	if n > p.off {
		p.refront(n)
	}
	p.off -= n
	return p.buf[p.off : p.off+n : p.off+n]
}

// refront moves the front to where there is room for n more bytes: its headers into the inline
// array, anything longer into the payload.
func (p *Packet) refront(n int) {
	keep := p.end - p.off
	if p.store.IsZero() {
		panic("stack: Prepend beyond FrontRoom")
	}
	if keep+n > frontRoom {
		keep = 0
	}
	net, trans := p.net-p.off, p.trans-p.off
	from := p.buf[p.off : p.off+keep]
	p.SplitFront(keep) // of a slab: takes no memory
	p.off = frontRoom - keep
	copy(p.inline[p.off:], from)
	p.buf, p.end = p.inline[:], frontRoom
	p.store.Release()
	p.net, p.trans = net+p.off, trans+p.off
}

// TrimFront removes n bytes, n <= len(Front).
func (p *Packet) TrimFront(n int) {
	if n > p.end-p.off {
		panic("stack: TrimFront beyond the front")
	}
	p.off += n
}

// SplitFront leaves n bytes in the front, n <= len(Front), and makes the rest of it the beginning of
// the payload. It reports false, and changes nothing, if that takes memory and memory is short, which can
// only be if the front was never in a slab.
func (p *Packet) SplitFront(n int) bool {
	rest := p.end - p.off - n
	switch {
	case rest < 0:
		panic("stack: SplitFront beyond the front")
	case rest == 0:
		return true
	}
	var piece slab.Piece
	if p.store.IsZero() { // inline: a few bytes behind a header that was pulled too far
		var ok bool
		if piece, ok = p.stack.Slabs.Copy(p.buf[p.end-rest : p.end]); !ok {
			return false
		}
	} else {
		at := p.end - rest - p.store.Headroom()
		piece = p.store.Slice(at, at+rest)
	}
	p.end -= rest
	p.data = append(p.data, slab.Piece{})
	copy(p.data[1:], p.data)
	p.data[0] = piece
	p.dataLen += piece.Len()
	return true
}

// Pull makes the front at least n bytes long by moving payload into it. It reports false, and changes
// nothing, if the packet has fewer bytes or memory is short.
func (p *Packet) Pull(n int) bool {
	have := p.end - p.off
	if have >= n {
		return true
	}
	if p.Len() < n || n+frontRoom > slab.Large {
		return false
	}
	piece, ok := p.stack.Slabs.Get(n + frontRoom)
	if !ok {
		return false
	}
	piece.Reserve(frontRoom)
	piece.Append(p.Front())
	for need := n - have; need > 0; {
		d := &p.data[0]
		m := min(need, d.Len())
		piece.Append(d.Bytes()[:m])
		d.TrimFront(m)
		need -= m
		p.dataLen -= m
		if d.Len() == 0 {
			d.Release()
			p.data = append(p.data[:0], p.data[1:]...)
		}
	}
	p.store.Release()
	if p.net >= 0 {
		p.net += frontRoom - p.off
	}
	if p.trans >= 0 {
		p.trans += frontRoom - p.off
	}
	p.store = piece
	p.buf = piece.Storage()
	p.off, p.end = frontRoom, frontRoom+n
	return true
}

// Truncate cuts the packet to its first n bytes, n <= Len.
func (p *Packet) Truncate(n int) {
	if front := p.end - p.off; n <= front {
		p.end = p.off + n
		p.DropData()
		return
	}
	cut := p.Len() - n
	for cut > 0 {
		last := &p.data[len(p.data)-1]
		m := min(cut, last.Len())
		last.Truncate(last.Len() - m)
		cut -= m
		p.dataLen -= m
		if last.Len() == 0 {
			last.Release()
			p.data = p.data[:len(p.data)-1]
		}
	}
}

// SetNetwork says that the network header begins here, at the start of the front, and the transport
// header n bytes behind.
func (p *Packet) SetNetwork(n int) { p.net, p.trans = p.off, p.off+n }

// SetTransport says that the transport header begins here, at the start of the front.
func (p *Packet) SetTransport() { p.trans = p.off }

// Network returns the front from the network header on.
func (p *Packet) Network() []byte { return p.buf[p.net:p.end:p.end] }

// NetworkLen returns the bytes between the network and the transport header.
func (p *Packet) NetworkLen() int { return p.trans - p.net }

// Transport returns the front from the transport header on.
func (p *Packet) Transport() []byte { return p.buf[p.trans:p.end:p.end] }

// TransportLen returns the bytes from the transport header to the end of the packet.
func (p *Packet) TransportLen() int { return p.end - p.trans + p.dataLen }

// HasTransport reports whether a transport header was found or made.
func (p *Packet) HasTransport() bool { return p.trans >= 0 }

// CopyTo copies the packet's bytes, as far as there is room, into b and returns their number.
func (p *Packet) CopyTo(b []byte) int {
	n := copy(b, p.Front())
	for _, d := range p.data {
		n += copy(b[n:], d.Bytes())
	}
	return n
}

// Clone returns a packet with a copy of the front's headers and shares of the payload, in s's pools,
// or nil if memory is short. It borrows p. The clone has no owner to complete to.
func (p *Packet) Clone(s *Stack) *Packet {
	headers := p.end - p.off
	if !p.store.IsZero() && headers > frontRoom/2 && p.trans >= p.off {
		headers = min(headers, p.trans-p.off+maxTransportHeader)
	}
	c := s.NewPacket()
	if headers <= frontRoom-cloneHeadroom {
		c.off = frontRoom - headers
		copy(c.buf[c.off:], p.buf[p.off:p.off+headers])
	} else {
		piece, ok := s.Slabs.Get(cloneHeadroom + headers)
		if !ok {
			c.Release()
			return nil
		}
		piece.Reserve(cloneHeadroom)
		piece.Append(p.buf[p.off : p.off+headers])
		c.store, c.buf = piece, piece.Storage()
		c.off, c.end = cloneHeadroom, cloneHeadroom+headers
	}
	if rest := p.end - p.off - headers; rest > 0 {
		at := p.off + headers - p.store.Headroom()
		c.AppendData(p.store.Slice(at, at+rest))
	}
	for _, d := range p.data {
		c.AppendData(d.Share())
	}
	if p.net >= 0 {
		c.net = p.net - p.off + c.off
	}
	if p.trans >= 0 {
		c.trans = p.trans - p.off + c.off
	}
	c.hops, c.NIC, c.EtherType, c.Link = p.hops, p.NIC, p.EtherType, p.Link
	c.Src, c.Dst, c.Proto, c.TTL, c.TOS = p.Src, p.Dst, p.Proto, p.TTL, p.TOS
	c.At, c.Local, c.FragMax = p.At, p.Local, p.FragMax
	c.Checksum, c.SegSize, c.Segs, c.CE, c.Hash = p.Checksum, p.SegSize, p.Segs, p.CE, p.Hash
	c.Mark, c.Priority = p.Mark, p.Priority
	return c
}

// WireLen returns the bytes of the largest packet on the wire that p stands for, from the start of
// its front: its own length, or, of a super-segment, headers and one segment.
func (p *Packet) WireLen(transportHeader int) int {
	if p.SegSize == 0 {
		return p.Len()
	}
	return min(p.Len(), p.trans-p.off+transportHeader+int(p.SegSize))
}

// packetList is a queue of packets linked through next. Its zero value is empty.
type packetList struct {
	head, tail *Packet
	n          int
}

func (l *packetList) push(p *Packet) {
	if l.tail == nil {
		l.head = p
	} else {
		l.tail.next = p
	}
	l.tail = p
	l.n++
}

func (l *packetList) pushFront(p *Packet) {
	p.next = l.head
	l.head = p
	if l.tail == nil {
		l.tail = p
	}
	l.n++
}

func (l *packetList) pop() *Packet {
	p := l.head
	if p == nil {
		return nil
	}
	l.head = p.next
	if l.head == nil {
		l.tail = nil
	}
	p.next = nil
	l.n--
	return p
}

// PacketList is a queue of packets for protocols to keep packets in. Its zero value is empty; it is
// not safe for concurrent use.
type PacketList struct{ l packetList }

// Push adds p, which it takes, at the end.
func (l *PacketList) Push(p *Packet) { l.l.push(p) }

// Pop removes and returns the first packet, nil if there is none.
func (l *PacketList) Pop() *Packet { return l.l.pop() }

// First returns the first packet without removing it, nil if there is none.
func (l *PacketList) First() *Packet { return l.l.head }

// Len returns the number of packets.
func (l *PacketList) Len() int { return l.l.n }

// Release gives every packet back.
func (l *PacketList) Release() {
	for p := l.Pop(); p != nil; p = l.Pop() {
		p.Release()
	}
}
