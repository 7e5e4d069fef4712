package packet

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// The versions of rings (TPACKET_V1 ... V3), which differ in the headers of frames.
const (
	version1 = 0
	version2 = 1
	version3 = 2 // whose receive ring hands over whole blocks
)

// layout is what differs between the versions, bytes: the size of a frame's header, and where in it its fields lie.
type layout struct {
	header             int
	status, size, snap int
	mac, net           int
	sec, fraction      int
	perSecond          int64 // of fraction
}

var layouts = [...]layout{
	version1: {header: 32, status: 0, size: 8, snap: 12, mac: 16, net: 18, sec: 20, fraction: 24, perSecond: 1e6},
	version2: {header: 32, status: 0, size: 4, snap: 8, mac: 12, net: 14, sec: 16, fraction: 20, perSecond: 1e9},
	version3: {header: 48, status: 20, size: 16, snap: 12, mac: 24, net: 26, sec: 4, fraction: 8, perSecond: 1e9},
}

const (
	addressSize  = 20 // struct sockaddr_ll, which follows the header
	ringAlign    = 16 // TPACKET_ALIGNMENT
	leastMacRoom = 16
)

func alignTo(n, to int) int { return (n + to - 1) / to * to }

// HeaderSize returns the size of a frame's header in a version (PACKET_HDRLEN), 0 for a version that is none.
func HeaderSize(version int) int {
	if version < 0 || version >= len(layouts) {
		return 0
	}
	return layouts[version].header
}

// room returns the bytes of header and address that a frame has at least (TPACKET_HDRLEN).
func (l *layout) room() int { return l.header + addressSize }

// RingSize is a struct tpacket_req3: the shape of a ring. With no Blocks the ring goes.
type RingSize struct {
	BlockSize, Blocks uint32 // bytes, and their number
	FrameSize, Frames uint32
	Timeout           uint32 // version 3: ms after which a block that has packets is handed over; 0: 8
	Private           uint32 // version 3: bytes of each block that are the user's
	Features          uint32 // version 3: TP_FT_REQ_FILL_RXHASH
}

// Direction says which of its two rings an endpoint uses.
type Direction uint8

// The directions.
const (
	Receive Direction = iota
	Transmit
)

// check says whether a ring of version v with reserved bytes in each frame can have this shape.
func (r *RingSize) check(dir Direction, v, reserved int) tcpip.Error {
	least := uint64(layouts[v].room()) + uint64(reserved)
	blocks := v == version3
	switch {
	case r.BlockSize == 0, r.BlockSize > 1<<31-1, r.BlockSize%pageSize != 0:
	case blocks && dir == Receive && uint64(r.BlockSize) < uint64(blockHeader)+uint64(alignTo(int(r.Private), blockAlign))+least:
	case blocks && dir == Transmit && (r.Timeout != 0 || r.Private != 0 || r.Features != 0):
	case uint64(r.FrameSize) < least, r.FrameSize%ringAlign != 0, r.BlockSize/r.FrameSize == 0:
	case uint64(r.BlockSize/r.FrameSize)*uint64(r.Blocks) != uint64(r.Frames):
	case uint64(r.BlockSize)*uint64(r.Blocks) > maxRing:
		return tcpip.ErrNoMemory
	default:
		return tcpip.OK
	}
	return tcpip.ErrInvalid
}

// SetRing makes a ring (PACKET_RX_RING, PACKET_TX_RING) in memory from alloc, which is asked for so many bytes, zero and
// aligned to 8; nil takes the process's own. While there is a receive ring, packets go there, and what waited to be read
// is dropped. The memory is shared with the user, who is free to write anything: that garbles frames, and no more.
//
// Errors: ErrInvalid for a shape that cannot be, ErrBusy if there is a ring already, ErrNoMemory if it is too large or
// alloc fails, ErrClosed.
func (e *Endpoint) SetRing(dir Direction, r RingSize, alloc func(bytes int) []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	q := &e.queue
	if e.closed {
		return tcpip.ErrClosed
	}
	if r.Blocks == 0 {
		if r.Frames != 0 {
			return tcpip.ErrInvalid
		}
		q.setRing(dir, nil, nil)
		return nil
	}
	if q.memory(dir) != nil {
		return tcpip.ErrBusy
	}
	v := e.options.Version
	if err := r.check(dir, v, e.options.Reserve); err != tcpip.OK {
		return err
	}
	n := int(r.BlockSize) * int(r.Blocks)
	if alloc == nil {
		alloc = func(n int) []byte { return make([]byte, n) }
	}
	mem := alloc(n)
	if len(mem) < n || uintptr(unsafe.Pointer(unsafe.SliceData(mem)))%8 != 0 {
		return tcpip.ErrNoMemory
	}
	f := frames{mem: mem[:n:n], layout: &layouts[v], size: int(r.FrameSize), perBlock: int(r.BlockSize / r.FrameSize),
		block: int(r.BlockSize), count: int(r.Frames)}
	if dir == Transmit {
		q.setRing(dir, nil, &transmitRing{frames: f})
		return nil
	}
	ring := &receiveRing{frames: f, reserve: e.options.Reserve}
	if v == version3 {
		ring.blocks = newBlocks(e, ring, &r)
	}
	q.setRing(dir, ring, nil)
	return nil
}

// Ring returns the memory of a ring, nil if there is none. It is shared: see SetRing.
func (e *Endpoint) Ring(dir Direction) []byte { return e.queue.memory(dir) }

func (q *queue) memory(dir Direction) []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case dir == Receive && q.rx != nil:
		return q.rx.mem
	case dir == Transmit && q.tx != nil:
		return q.tx.mem
	}
	return nil
}

// setRing puts a ring in its place and drops what waits to be read.
func (q *queue) setRing(dir Direction, rx *receiveRing, tx *transmitRing) {
	q.mu.Lock()
	var old *receiveRing
	var waiting []entry
	if dir == Receive {
		old, q.rx = q.rx, rx
		waiting = q.entries[q.first:]
		q.entries, q.first, q.bytes = nil, 0, 0
	} else {
		q.tx = tx
	}
	q.mu.Unlock()
	for i := range waiting {
		waiting[i].p.Release()
	}
	if old != nil {
		old.stop()
	}
}

func (q *queue) ring() *receiveRing {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.rx
}

func (q *queue) hasRing() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.rx != nil || q.tx != nil
}

// frames is the memory of a ring as frames, which do not cross blocks.
type frames struct {
	mem      []byte
	layout   *layout
	size     int // bytes of a frame
	block    int // bytes of a block
	perBlock int
	count    int
	head     int // whose turn it is
}

func (f *frames) at(i int) []byte {
	start := i/f.perBlock*f.block + i%f.perBlock*f.size
	return f.mem[start : start+f.size : start+f.size]
}

func (f *frames) next() {
	if f.head++; f.head == f.count {
		f.head = 0
	}
}

// status and setStatus pass a frame between the two sides: what one has written before, the other sees after. In
// version 1 it is an unsigned long.
func (f *frames) status(b []byte) uint32 {
	if f.layout.perSecond == 1e6 {
		return uint32(atomic.LoadUint64((*uint64)(unsafe.Pointer(&b[f.layout.status]))))
	}
	return atomic.LoadUint32((*uint32)(unsafe.Pointer(&b[f.layout.status])))
}

func (f *frames) setStatus(b []byte, v uint32) {
	if f.layout.perSecond == 1e6 {
		atomic.StoreUint64((*uint64)(unsafe.Pointer(&b[f.layout.status])), uint64(v))
		return
	}
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&b[f.layout.status])), v)
}

// describe fills in a frame's header but for its status, and the address behind it.
func (l *layout) describe(b []byte, size, snap, mac, net int, sec, fraction uint32, a *Address) {
	binary.NativeEndian.PutUint32(b[l.size:], uint32(size))
	binary.NativeEndian.PutUint32(b[l.snap:], uint32(snap))
	binary.NativeEndian.PutUint16(b[l.mac:], uint16(mac))
	binary.NativeEndian.PutUint16(b[l.net:], uint16(net))
	binary.NativeEndian.PutUint32(b[l.sec:], sec)
	binary.NativeEndian.PutUint32(b[l.fraction:], fraction)
	clear(b[max(l.fraction+4, l.net+2):l.header]) // no VLAN tag
	a.encode(b[l.header:])
}

// encode writes a as a struct sockaddr_ll.
func (a *Address) encode(b []byte) {
	b = b[:addressSize]
	clear(b)
	const family = 17 // AF_PACKET
	binary.NativeEndian.PutUint16(b, family)
	binary.BigEndian.PutUint16(b[2:], uint16(a.EtherType))
	binary.NativeEndian.PutUint32(b[4:], uint32(a.NIC))
	binary.NativeEndian.PutUint16(b[8:], a.Hardware)
	b[10], b[11] = byte(a.Type), byte(a.LinkLen)
	copy(b[12:], a.Link[:min(a.LinkLen, len(a.Link))])
}

// receiveRing is a ring that packets are put into.
type receiveRing struct {
	frames
	reserve int
	freezes uint32
	blocks  *blocks // version 3
}

// readable reports whether the user has not looked at what was put in last.
func (r *receiveRing) readable() bool {
	if r.blocks != nil {
		return r.blocks.readable()
	}
	return r.status(r.at((r.head+r.count-1)%r.count)) != 0
}

func (r *receiveRing) takeFreezes() uint32 {
	n := r.freezes
	r.freezes = 0
	return n
}

// stop ends the ring's timer.
func (r *receiveRing) stop() {
	if r.blocks != nil {
		r.blocks.stop()
	}
}

// arrival is a packet on its way into a ring.
type arrival struct {
	p         *stack.Packet
	from      *Address
	link      int // bytes of link header in front of p
	size      int // bytes of both
	snap      int // of which so many are kept
	vnet      int // bytes of virtio-net header in front of them
	status    uint32
	sec, frac uint32
}

// offsets returns where in a frame the packet and its network header begin.
func (r *receiveRing) offsets(mode Mode, a *arrival) (mac, net int) {
	if mode == Cooked {
		net = alignTo(r.layout.room(), ringAlign) + leastMacRoom + r.reserve
		return net, net
	}
	net = alignTo(r.layout.room()+max(a.link, leastMacRoom), ringAlign) + r.reserve + a.vnet
	return net - a.link, net
}

// copyTo writes the packet's first bytes, with its virtio-net header in front of them.
func (a *arrival) copyTo(frame []byte, mac int) {
	b := frame[mac : mac+a.snap]
	var link [32]byte
	n := copy(b, a.p.AppendLinkHeader(link[:0])[:a.link])
	a.p.CopyTo(b[n:])
	if a.vnet > 0 {
		v, _ := a.p.VirtioNet(0) // as above
		if v.Flags != 0 {
			v.ChecksumStart += uint16(a.link)
		}
		if v.GSO != 0 {
			v.HeaderLen += uint16(a.link)
		}
		v.Encode(frame[mac-a.vnet:], a.vnet)
	}
}

// enter puts a packet into the ring, or counts that it has no room.
func (e *Endpoint) enter(w *stack.Work, p *stack.Packet, from *Address, link, size, keep int) {
	a := arrival{p: p, from: from, link: link, size: size, snap: keep, status: statusOf(p, 0, from.Type)}
	if e.mode == Raw {
		a.vnet = int(e.flags.Load() >> vnetShift)
	}
	t := e.stack.Clock().Wall(p.At)
	q := &e.queue
	q.mu.Lock()
	r := q.rx
	if r == nil || q.closed { // meanwhile
		q.mu.Unlock()
		return
	}
	a.sec, a.frac = uint32(t.Unix()), uint32(int64(t.Nanosecond())*r.layout.perSecond/1e9)
	a.status |= StatusTimeSoftware
	mac, net := r.offsets(e.mode, &a)
	whole := false
	entered := net <= 0xffff
	if entered {
		if r.blocks != nil {
			entered = r.blocks.enter(&a, mac, net, q.drops > 0)
		} else {
			entered, whole = r.enter(&a, mac, net, q)
		}
	}
	switch {
	case !entered:
		q.drops++
		q.lost++
	case !whole: // else the copy counts
		q.packets++
	}
	q.mu.Unlock()
	if !entered {
		e.stack.Miss(p, tcpip.DropReceiveQueue)
		return
	}
	if whole {
		e.queueCopy(w, p, *from, link, size, keep, e.prefix())
	}
	w.Wake(e.stack, &e.waiters, waiter.Readable)
}

// enter fills the frame whose turn it is. whole says that it had to be cut and is to be queued too. q.mu is held.
func (r *receiveRing) enter(a *arrival, mac, net int, q *queue) (entered, whole bool) {
	f := r.at(r.head)
	if r.status(f) != 0 {
		return false, false
	}
	if mac+a.snap > r.size {
		whole = q.copyThreshold != 0 && q.bytes < q.limit
		if a.snap = r.size - mac; a.snap < 0 {
			a.snap, a.vnet = 0, 0
		}
	}
	r.next()
	if q.drops > 0 {
		a.status |= StatusLosing
	}
	if whole {
		a.status |= StatusCopy
	}
	if a.snap > 0 {
		a.copyTo(f, mac)
	}
	r.layout.describe(f, a.size, a.snap, mac, net, a.sec, a.frac, a.from)
	r.setStatus(f, a.status)
	return true, whole
}
