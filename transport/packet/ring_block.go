package packet

import (
	"encoding/binary"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// The header of a block (struct tpacket_block_desc), with the offsets of its fields, bytes.
const (
	blockHeader = 48
	blockAlign  = 8 // of packets, and of what is behind the header

	blockVersion, blockPrivate   = 0, 4
	blockStatus, blockPackets    = 8, 12
	blockFirst, blockLen         = 16, 20
	blockSequence                = 24
	blockTimeFirst, blockTimeEnd = 32, 40

	blockTimeout = 8 * time.Millisecond // Linux's for links of unknown speed
)

// blocks is a receive ring of version 3: packets lie one behind the other in a block, which is handed over when it is
// full or, if it has any, some time after the first of them. What it has is guarded by the queue's lock.
type blocks struct {
	e       *Endpoint
	ring    *receiveRing
	private int // bytes behind the header that are the user's
	hash    bool
	timeout time.Duration
	timer   tcpip.Timer

	current  int // the block that is being filled
	previous int // the one that was handed over last
	next     int // offset in it of the next packet
	last     int // offset of the last one
	packets  uint32
	sequence uint64
	frozen   bool // the block whose turn it is has not come back yet
	stopped  bool
}

func newBlocks(e *Endpoint, r *receiveRing, size *RingSize) *blocks {
	b := &blocks{e: e, ring: r, private: alignTo(int(size.Private), blockAlign), hash: size.Features&1 != 0, timeout: blockTimeout}
	if size.Timeout != 0 {
		b.timeout = time.Duration(size.Timeout) * time.Millisecond
	}
	b.previous = b.count() - 1
	b.open()
	return b
}

func (b *blocks) count() int { return len(b.ring.mem) / b.ring.block }

func (b *blocks) at(i int) []byte {
	return b.ring.mem[i*b.ring.block : (i+1)*b.ring.block : (i+1)*b.ring.block]
}

func (b *blocks) word(block []byte) *uint32 { return (*uint32)(unsafe.Pointer(&block[blockStatus])) }

func (b *blocks) readable() bool { return atomic.LoadUint32(b.word(b.at(b.previous))) != 0 }

// used is what the header and the user's part take of a block, bytes.
func (b *blocks) used() int { return blockHeader + b.private }

// open begins the current block.
func (b *blocks) open() {
	h := b.at(b.current)
	b.sequence++
	b.next, b.last, b.packets, b.frozen = b.used(), b.used(), 0, false
	binary.NativeEndian.PutUint32(h[blockVersion:], version3)
	binary.NativeEndian.PutUint32(h[blockPrivate:], blockHeader)
	binary.NativeEndian.PutUint32(h[blockPackets:], 0)
	binary.NativeEndian.PutUint32(h[blockFirst:], uint32(b.used()))
	binary.NativeEndian.PutUint32(h[blockLen:], uint32(b.used()))
	binary.NativeEndian.PutUint64(h[blockSequence:], b.sequence)
	b.stamp(h[blockTimeFirst:])
}

// stamp writes the time of now.
func (b *blocks) stamp(to []byte) {
	t := b.e.stack.Clock().Wall(b.e.stack.Now())
	binary.NativeEndian.PutUint32(to, uint32(t.Unix()))
	binary.NativeEndian.PutUint32(to[4:], uint32(t.Nanosecond()))
}

// hand gives the current block to the user and goes on to the next, which may not have come back.
func (b *blocks) hand(status uint32) {
	h := b.at(b.current)
	binary.NativeEndian.PutUint32(h[b.last:], 0) // tp_next_offset
	if b.packets > 0 {
		l := b.ring.layout
		copy(h[blockTimeEnd:], h[b.last+l.sec:b.last+l.sec+8])
	} else {
		b.stamp(h[blockTimeEnd:])
	}
	atomic.StoreUint32(b.word(h), StatusUser|status)
	b.previous, b.current = b.current, (b.current+1)%b.count()
	b.packets = 0
	if atomic.LoadUint32(b.word(b.at(b.current)))&StatusUser != 0 {
		b.frozen = true
		b.ring.freezes++
		return
	}
	b.open()
}

// enter puts a packet behind the others.
func (b *blocks) enter(a *arrival, mac, net int, losing bool) bool {
	if b.stopped {
		return false
	}
	if b.frozen {
		if atomic.LoadUint32(b.word(b.at(b.current)))&StatusUser != 0 {
			return false
		}
		b.open()
	}
	most := b.ring.block - b.used()
	if mac+a.snap > most {
		if a.snap = most - mac; a.snap < 0 {
			a.snap, a.vnet, mac = 0, 0, most
		}
	}
	n := alignTo(mac+a.snap, blockAlign)
	if b.next+n >= b.ring.block && b.packets > 0 {
		status := uint32(0)
		if losing {
			status = StatusLosing
		}
		if b.hand(status); b.frozen {
			return false
		}
	}
	if b.next+n > b.ring.block {
		return false
	}
	h := b.at(b.current)
	f := h[b.next : b.next+n]
	if a.snap > 0 {
		a.copyTo(f, mac)
	}
	b.ring.layout.describe(f, a.size, a.snap, mac, net, a.sec, a.frac, a.from)
	if b.hash {
		binary.NativeEndian.PutUint32(f[28:], a.p.Hash)
	}
	b.ring.setStatus(f, a.status)
	binary.NativeEndian.PutUint32(f, uint32(n))
	b.last, b.next = b.next, b.next+n
	b.packets++
	binary.NativeEndian.PutUint32(h[blockPackets:], b.packets)
	binary.NativeEndian.PutUint32(h[blockLen:], uint32(b.next))
	if b.packets == 1 {
		b.arm()
	}
	return true
}

// arm starts the timer for a block that has its first packet.
func (b *blocks) arm() {
	if b.timer == nil {
		b.timer = b.e.stack.Clock().AfterFunc(b.timeout, b.expire)
		return
	}
	b.timer.Reset(b.timeout)
}

// expire hands over a block that has packets.
func (b *blocks) expire() {
	w := b.e.stack.Begin()
	q := &b.e.queue
	q.mu.Lock()
	if !b.stopped && !b.frozen && b.packets > 0 {
		status := uint32(StatusBlockTimeout)
		if q.drops > 0 {
			status |= StatusLosing
		}
		b.hand(status)
		w.Wake(b.e.stack, &b.e.waiters, waiter.Readable)
	}
	q.mu.Unlock()
	w.End()
}

func (b *blocks) stop() {
	q := &b.e.queue
	q.mu.Lock()
	b.stopped = true
	timer := b.timer
	q.mu.Unlock()
	if timer != nil {
		timer.Stop()
	}
}
