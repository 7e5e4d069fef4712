package tcb

import (
	"cmp"
	"math"
	"math/bits"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/tcpip"
)

// tuning sizes the buffers and the window that is announced.
type tuning struct {
	sendLimit    int   // slab bytes
	receiveLimit int   // slab bytes
	synWindow    int   // bytes announced in the SYN, as far as its field goes
	clamp, asked int32 // TCP_WINDOW_CLAMP as far as it is in force, and as it was asked for; 0: none
	ratio        int16 // payload per charged byte of what arrives, in 1/256
	unclaimed    bool  // nobody has accepted the connection
	full         bool  // a writer has found no room
	short        bool  // memory is
	starved      bool  // a writer has found no memory, and nothing was acknowledged since
	reserve      bool  // nothing has said yet what payload costs, and a segment's room, or more, is kept back

	earned int // the largest window that what has arrived has earned, bytes: Linux's rcv_ssthresh

	// Dynamic right-sizing: how much the user has taken in the round trip that began at measuredAt,
	// and in the best one before.
	taken, space int
	measuredAt   tcpip.Time
	rtt          time.Duration // as the receiver sees it; zero if unknown
}

// Where tuning starts, Linux's tcp_rmem[1] and tcp_wmem[1]; and where it ends on a near path, one that never
// leaves the host or whose round trip is below nearRTT. With nearMax such a path is full; data in
// flight beyond that only leaves the processor's cache.
const (
	initialReceive = 131072
	initialSend    = 16384
	nearMax        = 1 << 20
	nearRTT        = 200 * time.Microsecond
)

func (u *tuning) init(t *TCB) {
	*u = tuning{
		receiveLimit: t.conf.ReceiveBuffer.Or(t.conf.receiveInitial()),
		sendLimit:    t.conf.SendBuffer.Or(min(cmp.Or(t.conf.SendBufferInitial, initialSend), t.conf.SendBufferMax)),
		ratio:        128,
	}
	u.synWindow = synWindow(t.conf, t.path, 0)
	u.space, u.earned = u.synWindow, u.synWindow
	u.follow(t.conf)
}

// receiveInitial is the size that the receive buffer begins with, slab bytes.
func (c *Conf) receiveInitial() int {
	return max(min(cmp.Or(c.ReceiveBufferInitial, initialReceive), c.ReceiveBufferMax), 2*c.ReceiveLow)
}

// synWindow returns the window of the SYN, whose field may not hold it, as on Linux: a multiple of the MSS, less the options that are known to be in every
// segment, where it can be.
func synWindow(c *Conf, p Path, options int) int { return windowOf(c, advMSS(p, c)-options) }

// windowOf is synWindow in segments of m bytes.
func windowOf(c *Conf, m int) int {
	limit := c.ReceiveBuffer.Or(c.receiveInitial())
	w := limit / 2
	if c.WindowClamp > 0 {
		w = min(w, c.WindowClamp)
	}
	if w > m {
		w -= w % m
	}
	if c.SignedWindow {
		return min(w, math.MaxInt16)
	}
	return w
}

// chooseScale returns the shift with which the largest window that tuning can reach is announced.
func chooseScale(c *Conf) uint8 {
	if !c.Scaling {
		return 0
	}
	space := c.ReceiveBufferMax
	if size, fixed := c.ReceiveBuffer.Get(); fixed {
		space = size / 2 // the other half is for what slabs cost
	}
	if c.WindowClamp > 0 {
		space = min(space, c.WindowClamp)
	}
	scale := uint8(0)
	for space > 65535 && scale < header.MaxWindowScale {
		space >>= 1
		scale++
	}
	return scale
}

// initialSpace is what a user is thought to take in a round trip at first, segments.
const initialSpace = 10

// follow takes a TCP_WINDOW_CLAMP that is new.
func (u *tuning) follow(c *Conf) {
	if int32(c.WindowClamp) != u.asked {
		u.clamp, u.asked = int32(c.WindowClamp), int32(c.WindowClamp)
	}
}

// opened starts tuning when the handshake is over.
func (u *tuning) opened(t *TCB, now tcpip.Time) {
	u.measuredAt = now
	u.reserve = t.conf.AppWindow > 0 && t.fullWindow() > 2*t.askedFor()
	u.earned = min(u.earned, t.fullWindow())
	u.space = min(u.synWindow, u.earned, initialSpace*t.askedFor()) // well below the window, or a user who takes all of it would not seem to take more
	u.growSend(t)
}

func (u *tuning) max(t *TCB, limit int) int {
	if t.near() {
		return min(limit, nearMax)
	}
	return limit
}

// near reports whether the peer is so near that a small window fills the path: on this host, or as the round
// trips say. The shortest alone may be of a path that is no longer, and the receiver's is known in milliseconds.
func (t *TCB) near() bool {
	r := &t.rtt
	return t.path.SameHost || r.min != 0 && r.min < nearRTT && max(r.srtt, t.tun.rtt) < 50*nearRTT
}

// growSend makes room for two congestion windows, one in flight and one to follow it, by what a segment costs Linux.
func (u *tuning) growSend(t *TCB) {
	if t.conf.SendBuffer.IsSet() || u.short {
		return
	}
	const overhead, head = 512, 256 // of a buffer of segments, bytes: within the power of two, and beside it
	segment := 1<<bits.Len(uint(max(t.opt.peerMSS, t.cc.mss)+overhead-1)) + head
	want := 2 * segment * max(t.cc.cwnd, t.initialWindow(), t.rack.reordering+1)
	u.sendLimit = max(u.sendLimit, min(want, u.max(t, t.conf.SendBufferMax)))
}

// held returns the bytes charged for what is received and not yet read.
func (t *TCB) held() int { return t.recvQ.cost + t.ooo.cost }

// Held returns what the data that nobody has read yet are charged with, those behind a gap among them, bytes.
func (t *TCB) Held() int { return t.held() }

func chargeAll(pieces []slab.Piece) (sum int) {
	for _, p := range pieces {
		sum += charge(p.Len())
	}
	return sum
}

// admit reports whether data that arrived in order can be kept. It lies in the window, so more than
// the limit is tolerated: if the segments are small, they cost more than the window foresaw.
func (t *TCB) admit(s *Segment) bool {
	cost := chargeAll(s.Data)
	limit := t.tun.bound(t.conf)
	if t.held()+cost > limit {
		t.ooo.prune(max(limit-t.recvQ.cost-cost, 0))
	}
	if t.tun.short {
		return t.held() < limit || t.recvQ.n == 0
	}
	return t.held()+cost <= 2*limit || t.recvQ.n == 0
}

// learn takes what payload costs, as segments say that are larger than all before, or than any should be, and moves what
// was earned with the window of an empty buffer, as Linux does: not above it, and not below the window that was announced
// either if there is room for more. TCP_WINDOW_CLAMP is then forgotten, as by Linux.
func (u *tuning) learn(t *TCB, ratio int) {
	if ratio == int(u.ratio) {
		return
	}
	before := t.fullWindow()
	u.ratio, u.reserve, u.clamp = int16(ratio), false, 0
	u.space = min(u.space, t.fullWindow())
	if full := t.fullWindow(); full < before {
		u.earned = min(u.earned, full)
	} else {
		u.earned = max(u.earned, min(t.lastWindow(), full))
	}
}

// chooseWindow returns the window that the free space allows, avoiding silly ones (RFC 9293
// §3.8.6.2.2, MUST-39); it may stay closed for ever (MAY-8). It does not look at what was announced before, except that an unscaled window only
// moves by whole segments. Where less than half is free, acknowledgements are no longer quick, as on Linux.
func (t *TCB) chooseWindow() int {
	full := t.fullWindow()
	free := t.freeWindow()
	if t.mayShrink() {
		free = free >> t.rcv.scale << t.rcv.scale
	}
	if clamp := int(t.tun.clamp); clamp > 0 {
		free = min(free, clamp)
	}
	mss := min(t.rcv.mss, full)
	if mss <= 0 {
		return 0
	}
	if free < full/2 {
		t.due.quick = 0 // the peer need not hurry
		if free < max(full/16, mss) {
			return 0
		}
	}
	if t.tun.short {
		t.tun.earned = min(t.tun.earned, shortWindow*int(t.opt.advMSS))
	}
	free = min(free, t.tun.earned)
	if t.rcv.scale > 0 {
		return alignUp(free, t.rcv.scale)
	}
	if t.conf.SignedWindow {
		free = min(free, math.MaxInt16)
	}
	last := t.lastWindow()
	switch {
	case last <= free-mss || last > free:
		return free - free%mss
	case mss == full && free > last+full/2:
		return free
	}
	return last
}

// lastWindow returns the window of the last acknowledgement, bytes.
func (t *TCB) lastWindow() int { return t.rcv.adv.Sub(t.rcv.acked) }

// earnWindow lets the window grow by what has arrived, up to what there is room for: twice the segment, and two full
// ones at least, so that it doubles in a round trip as the peer's slow start does. Small segments earn nothing: they
// cost too much.
func (t *TCB) earnWindow(s *Segment) {
	if s.Len < leastEarning || t.tun.short {
		return
	}
	room := min(t.freeWindow(), t.fullWindow()) - t.tun.earned
	if room <= 0 {
		return
	}
	more := t.earning(s)
	if more == 0 {
		return
	}
	t.tun.earned += min(room, max(more, 2*s.Len))
	t.due.quick |= 1 // and the peer hears of it
}

// earning returns how much a segment lets the window grow at least: two of the largest, if it costs no more than its
// payload accounts for, and else two such as it, while the window is as small a part of the largest as its payload is of
// what it costs. 0: nothing.
func (t *TCB) earning(s *Segment) int {
	share := t.tun.payload(charge(s.Len))
	if share <= s.Len || s.Wire > 1 {
		return 2 * t.askedFor()
	}
	share /= 2
	for window := t.tun.payload(t.conf.ReceiveBufferMax) / 2; t.tun.earned <= window; window /= 2 {
		if share <= s.Len {
			return 2 * t.rcv.mss
		}
		share /= 2
	}
	return 0
}

// leastEarning is the least segment that lets the window grow, bytes, as on Linux.
const leastEarning = 128

// freeWindow returns the window that the free part of the receive buffer allows.
func (t *TCB) freeWindow() int { return t.tun.payload(max(t.tun.receiveLimit-t.held(), 0)) }

// payload returns how much payload so many charged bytes are thought to hold.
func (u *tuning) payload(n int) int { return int(int64(n) * int64(u.ratio) / 256) }

// fullWindow returns the window that an empty receive buffer allows.
func (t *TCB) fullWindow() int {
	full := t.tun.payload(t.tun.receiveLimit)
	if mss := t.askedFor(); t.tun.reserve {
		most := max(full-full>>t.conf.AppWindow, min(full, 4*mss))
		full = min(most, max(full-mss, 2*mss))
	}
	if clamp := int(t.tun.clamp); clamp > 0 {
		full = min(full, clamp)
	}
	return full
}

func alignUp(n int, scale uint8) int { return (n + 1<<scale - 1) >> scale << scale }

// announce returns the window field of the next segment and moves rcv.adv, which goes back only where that is asked for
// (RFC 9293 §3.8.6, SHLD-14).
func (t *TCB) announce() uint16 {
	current := max(t.rcv.adv.Sub(t.rcv.nxt), 0)
	w := t.chooseWindow()
	if w < current && t.mayShrink() {
		t.rcv.adv = t.rcv.nxt.Add(w)
	} else if w < current {
		w = alignUp(current, t.rcv.scale)
	}
	w >>= t.rcv.scale
	t.rcv.adv = seq.Max(t.rcv.adv, t.rcv.nxt.Add(w<<t.rcv.scale)) // more than the field can say is held open, too, as on Linux
	return uint16(min(w, 65535))
}

// mayShrink reports whether the window may be taken back (RFC 7323 §2.4), which as on Linux only a scaled one is.
func (t *TCB) mayShrink() bool { return t.conf.ShrinkWindow && t.rcv.scale > 0 }

// windowOpened decides, after the user has read, whether the peer must hear of it at once: if the
// window has doubled, as on Linux, or if an acknowledgement waits that the reading makes due.
func (t *TCB) windowOpened() {
	current := t.rcv.adv.Sub(t.rcv.nxt)
	waiting := t.rcv.nxt.Sub(t.rcv.acked)
	if t.due.delayed {
		empty := t.recvQ.n == 0
		if waiting > t.rcv.mss || empty && (t.due.pushed > 1 || t.due.pushed > 0 && !t.due.pingPong) {
			t.ackNow()
			return
		}
	}
	if w := t.chooseWindow(); w > 0 && w >= 2*current {
		t.ackNow()
	}
}

// resizeReceive is dynamic right-sizing: the buffer shall hold twice what the user takes in a round
// trip, with room for that to grow.
func (t *TCB) resizeReceive(now tcpip.Time, n int) {
	u := &t.tun
	u.taken += n
	rtt := u.rtt
	if rtt == 0 {
		rtt = t.rtt.srtt
	}
	if rtt == 0 || now.Sub(u.measuredAt) < rtt {
		return
	}
	if u.taken > u.space {
		want := min(2*u.taken, t.conf.ReceiveBufferMax)
		t.growReceive(want + 2*scaled(want, u.taken-u.space, u.space))
		u.space = u.taken
	}
	u.taken, u.measuredAt = 0, now
}

// growReceive makes the receive buffer large enough for a window of so many bytes, and for what spans the gaps besides:
// the user cannot take that before they are filled. As on Linux it is left alone where its size was set.
func (t *TCB) growReceive(window int) {
	u := &t.tun
	if t.conf.ReceiveBuffer.IsSet() || t.conf.FixedReceive || u.short {
		return
	}
	if n := t.ooo.parts.len(); n > 0 {
		window += t.ooo.parts.at(n - 1).end().Sub(t.rcv.nxt)
	}
	limit := u.max(t, t.conf.ReceiveBufferMax)
	u.receiveLimit = max(u.receiveLimit, min(scaled(min(window, limit), 256, int(u.ratio)), limit))
}

// Accepted says that a user has the connection that a listener made.
func (t *TCB) Accepted() { t.tun.unclaimed = false }

// noteReceiverRTT learns the round trip from the timestamp that full segments of data echo.
func (t *TCB) noteReceiverRTT(s *Segment) {
	if !t.opt.timestamps || !s.Options.HasTimestamp || s.Len < t.rcv.mss || t.conf.ReceiveBuffer.IsSet() {
		return
	}
	d, ok := echoed(s.At, t.born, t.id.TSOffset, s.Options.TSEcr)
	switch {
	case !ok:
	case t.tun.rtt == 0 || d < t.tun.rtt:
		t.tun.rtt = d
	default:
		t.tun.rtt += (d - t.tun.rtt) / 8
	}
}

// Room returns how many bytes the send buffer has room for in one piece: there may be more behind them.
func (t *TCB) Room() int {
	if !mayWrite.has(t.state) || t.snd.fin {
		return 0
	}
	room, _ := t.free()
	if room == 0 {
		t.tun.full = true
	}
	return room
}

// free returns how many bytes the send buffer takes in one piece. As on Linux they gather in super-segments: while the
// limit is not reached, nor TCP_NOTSENT_LOWAT, another one may be begun (fresh), and the last is filled up even beyond
// them, also in the place of what can be sent of it now. The end of a record ends it, but only for TCP_NOTSENT_LOWAT: of
// its slab much may be lost that Linux would not have taken.
func (t *TCB) free() (n int, fresh bool) {
	goal := t.gatherGoal()
	from := seq.Max(t.sendQ.gather, t.snd.nxt)
	tail := t.sendQ.end.Sub(from)
	if tail >= goal {
		may := max(min((t.cc.cwnd-t.pipe())*t.cc.mss, t.windowRoom()), 0)
		tail = t.sendQ.end.Sub(seq.Max(from, t.snd.nxt.Add(may-may%t.cc.mss)))
	}
	switch {
	case tail > 0 && tail < goal && !(t.sendQ.closed() && t.tooMuchUnsent()):
		return goal - tail, false
	case t.sendQ.used(t.snd.una) < t.tun.sendLimit && !t.tooMuchUnsent():
		return goal, true
	}
	return 0, false
}

// gatherGoal returns the size of the super-segments in which data gathers: half the largest window of the peer at most, so
// that two fill it.
func (t *TCB) gatherGoal() int {
	n := gatherMax
	switch w := t.snd.maxWnd; {
	case w > defaultMSS:
		n = min(n, w/2)
	case w > 0:
		n = min(n, w)
	}
	return max(n-n%t.cc.mss, t.cc.mss)
}

// nextGathered returns the size of the super-segment that is to be sent next, or of what is left of it, at most. Each
// attempt to send it has made it as large as the congestion window lets it be.
func (t *TCB) nextGathered() int {
	n := t.gatherGoal()
	if gather := t.sendQ.gather; t.snd.nxt.Less(gather) {
		n = min(n, gather.Sub(t.snd.nxt))
	}
	grown := min(t.superLimit(t.cc.mss), max(t.cc.cwnd/2, 1)*t.cc.mss)
	return min(max(n, grown), t.sendQ.record(t.snd.nxt))
}

// gatherMax is how much data gathers in one super-segment at most, bytes: as measured, what Linux leaves of 64 KB.
const gatherMax = 65535 - 192

// SlabFor returns the size of the slab that is to take the next bytes, where there is room for so many: a large one only
// if they fill most of it, or if the send buffer holds so many that one which is not full makes no difference.
func (t *TCB) SlabFor(room int) int {
	if room < slab.Large*3/4 && t.tun.sendLimit < 4*slab.Large {
		return slab.Medium
	}
	return slab.Large
}

// Writable reports whether so much of the send buffer is free that a writer should be woken: a third,
// as on Linux.
func (t *TCB) Writable() bool {
	if !mayWrite.has(t.state) || t.snd.fin {
		return true // a write fails at once
	}
	used := t.sendQ.used(t.snd.una)
	return !t.tun.starved && !t.halfTooMuchUnsent() && t.tun.sendLimit-used >= used/2
}

// tooMuchUnsent is TCP_NOTSENT_LOWAT.
func (t *TCB) tooMuchUnsent() bool { return t.conf.NotSentLow > 0 && t.unsent() >= t.conf.NotSentLow }

// halfTooMuchUnsent is half of it, from which on a writer is not woken, as on Linux.
func (t *TCB) halfTooMuchUnsent() bool {
	return t.conf.NotSentLow > 0 && 2*t.unsent() >= t.conf.NotSentLow
}

// noteWritable follows the window with the send buffer, if a writer has found it full, and tells him.
func (t *TCB) noteWritable() {
	t.tun.starved = false
	if t.tun.full {
		t.tun.growSend(t)
		t.tellWritable()
	}
}

// tellWritable tells a writer who found the send buffer full of room for more.
func (t *TCB) tellWritable() {
	if t.tun.full && t.Writable() {
		t.tun.full = false
		t.events |= EventWritable
	}
}
