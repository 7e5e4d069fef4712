package tcb

import (
	"strconv"
	"testing"
	"time"
	"unsafe"

	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/tcpip"
)

// RFC 9293 §3.8.6.3: one ACK for two full segments that are read, and none later than after 40 ms. Shows SHLD-18, SHLD-19,
// MUST-40. What is unread and makes the window shrink waits that long, or until a segment comes when the time is almost over.
func TestDelayedAck(t *testing.T) {
	x := established(t)
	x.tcb.tun.earned = 1 << 20 // while the window grows, the peer hears of it at once
	x.recv("ACK seq=300 ack=100 len=1000")
	x.read(1000)
	x.want()
	x.recv("ACK seq=1300 ack=100 len=1000")
	x.read(1000)
	x.want("ACK ack=2300")
	x.recv("ACK seq=2300 ack=100 len=1000")
	x.sleep(40*time.Millisecond - 1)
	x.want()
	x.sleep(1)
	x.want("ACK ack=3300")
	x.recv("ACK seq=3300 ack=100 len=1000")
	x.sleep(29 * time.Millisecond)
	x.recv("ACK seq=4300 ack=100 len=1000", "ACK seq=5300 ack=100 len=1000")
	x.want()
	x.sleep(time.Millisecond)
	x.recv("ACK seq=6300 ack=100 len=1000")
	x.want("ACK ack=7300")
	x.read(5000)
}

// What the peer's segments are taken for: the largest, or the last where two alike that were not the end of anything
// followed each other.
func TestPeerSegments(t *testing.T) {
	x := established(t)
	for _, c := range []struct {
		text string
		want int
	}{
		{"ACK len=1000", 1000}, {"ACK len=700", 1000}, {"ACK len=701", 1000}, {"ACK len=701", 701},
		{"PSH|ACK len=300", 701}, {"PSH|ACK len=300", 701}, {"ACK len=300", 701}, {"ACK len=300", 300},
		{"ACK len=50", 300}, {"ACK len=50", 300}, {"ACK len=3000 wire=3", 1000},
	} {
		x.recv(c.text + " ack=100 seq=" + itoa(x.tcb.rcv.nxt))
		x.read(x.tcb.ReadableLen())
		if x.tcb.rcv.mss != c.want {
			t.Errorf("after %s: %d, want %d", c.text, x.tcb.rcv.mss, c.want)
		}
	}
}

// A super-segment stands for several: it is acknowledged at once. Shows MUST-58.
func TestSuperSegmentAck(t *testing.T) {
	x := established(t)
	x.recv("ACK seq=300 ack=100 len=2000 wire=2")
	x.want("ACK ack=2300")
}

// The peer is in slow start at first: it gets an ACK for every segment.
func TestQuickAck(t *testing.T) {
	x := newTrace(t)
	x.connect()
	x.recv("SYN|ACK seq=299 ack=100 mss=1000")
	x.want("ACK")
	for i := range maxQuicks + 2 {
		x.recv("PSH|ACK seq=" + itoa(x.tcb.rcv.nxt) + " ack=100 len=100")
		if quick := len(x.sent) == 1; quick != (i < maxQuicks) {
			t.Fatalf("segment %d: %q", i, x.sent)
		}
		x.sent = nil
	}
	x.quickAck()
	x.want() // what waited waits on while it is not read
	x.read(1800)
	x.want("ACK") // and goes at once then
}

// Answers that follow requests carry the acknowledgement.
func TestPingPong(t *testing.T) {
	x := newTrace(t)
	x.connect()
	x.recv("SYN|ACK seq=299 ack=100 mss=1000")
	x.want("ACK")
	x.recv("PSH|ACK seq=300 ack=100 len=10")
	x.want("ACK ack=310")
	x.read(10)
	x.write(10)
	x.want("PSH|ACK seq=100 ack=310 len=10")
	x.recv("PSH|ACK seq=310 ack=110 len=10")
	x.read(10)
	x.want()
	x.write(10)
	x.want("PSH|ACK seq=110 ack=320 len=10")
}

// A reader that drains the queue makes the ACK due, if the data was pushed twice.
func TestAckOnRead(t *testing.T) {
	x := established(t)
	x.recv("PSH|ACK seq=300 ack=100 len=600", "PSH|ACK seq=900 ack=100 len=600")
	x.sent = nil
	x.read(1200)
	if x.tcb.due.delayed {
		t.Error("still delayed")
	}
}

// The window opens when it has doubled, not for every byte that is read; and it is never silly. Shows MUST-39.
func TestReceiverSWS(t *testing.T) {
	x := established(t, func(c *Conf) { c.ReceiveBuffer = tcpip.Set(20000) })
	x.sent = nil
	for x.tcb.rcv.adv.Sub(x.tcb.rcv.nxt) >= 1024 {
		x.recv("ACK seq=" + itoa(x.tcb.rcv.nxt) + " ack=100 len=1024") // of less, two share a slab
	}
	x.sleep(time.Second)
	x.sent = nil
	before := x.tcb.rcv.adv.Sub(x.tcb.rcv.nxt)
	if before > 1024 {
		t.Fatalf("window %d", before)
	}
	x.read(100)
	x.want()
	x.read(x.tcb.ReadableLen())
	if len(x.sent) != 1 {
		t.Errorf("%q", x.sent)
	}
	if after := x.tcb.rcv.adv.Sub(x.tcb.rcv.nxt); after < 2*before || after%1024 != 0 {
		t.Errorf("window %d, was %d", after, before)
	}
}

// A window that was not closed is announced again when reading has doubled it, and not before.
func TestWindowUpdate(t *testing.T) {
	x := established(t, func(c *Conf) { c.ReceiveBuffer = tcpip.Set(20000) })
	for x.tcb.rcv.adv.Sub(x.tcb.rcv.nxt) > 3000 {
		x.recv("ACK seq=" + itoa(x.tcb.rcv.nxt) + " ack=100 len=1024")
	}
	x.sleep(time.Second)
	x.sent = nil
	window := x.tcb.rcv.adv.Sub(x.tcb.rcv.nxt)
	for read := 0; len(x.sent) == 0; read += 100 {
		if read > 3*window {
			t.Fatalf("read %d with a window of %d, no update", read, window)
		}
		x.read(100)
	}
	if w := x.tcb.rcv.adv.Sub(x.tcb.rcv.nxt); w < 2*window {
		t.Errorf("announced %d, not twice %d", w, window)
	}
}

// fillWindow sends data until the window is closed.
func (x *trace) fillWindow() {
	for range 100 {
		if x.tcb.rcv.adv == x.tcb.rcv.nxt {
			return
		}
		x.recv("ACK seq=" + itoa(x.tcb.rcv.nxt) + " ack=100 len=60000 wire=2")
	}
	x.t.Fatal("the window does not close")
}

// What exceeds the window of a super-segment is cut off; into a closed one nothing goes. Shows MUST-66.
func TestWindowIsKept(t *testing.T) {
	x := established(t, func(c *Conf) { c.ReceiveBuffer = tcpip.Set(8192) })
	wnd := x.tcb.rcv.adv.Sub(x.tcb.rcv.nxt)
	x.recv("ACK seq=300 ack=100 len=60000 wire=2")
	if n := x.tcb.ReadableLen(); n != wnd {
		t.Fatalf("%d bytes for a window of %d", n, wnd)
	}
	x.fillWindow()
	x.sent = nil
	x.recv("ACK seq=" + itoa(x.tcb.rcv.nxt) + " ack=100 len=1")
	x.dropped(tcpip.DropZeroWindow)
	x.want("ACK ack=" + itoa(x.tcb.rcv.nxt))
	x.recv("ACK seq=" + itoa(x.tcb.rcv.nxt) + " ack=100") // but an ACK is heard
	x.dropped(tcpip.DropNone)
	x.read(wnd)
	if len(x.sent) != 1 {
		t.Errorf("no window update: %q", x.sent)
	}
}

// The memory held is at most twice the limit, whatever the size of the segments (DESIGN §3), but for what four large
// slabs have room for: jumbo frames are charged as on Linux, which has a size for each, and leave more of theirs empty.
func TestMemoryIsBounded(t *testing.T) {
	for _, size := range []int{1, 10, 100, 256, 500, 1448, 9000, 60000} {
		for _, gap := range []int{0, 1} { // in order; and each behind a gap
			x := established(t, func(c *Conf) { c.ReceiveBuffer = tcpip.Set(65536) })
			x.win = 1
			at := x.tcb.rcv.nxt + 0
			for range 3000 {
				at = at.Add(gap)
				x.recv("ACK seq=" + itoa(at) + " ack=100 len=" + itoa(seq.Number(size)))
				at = at.Add(size)
				if n := x.pool.Live(); n > 2*65536+2*slab.Large {
					t.Fatalf("segments of %d, gap %d: %d bytes held", size, gap, n)
				}
			}
			x.tcb.Consume(x.now, x.tcb.ReadableLen())
			x.finish()
		}
	}
}

// Overlapping segments are put together from what was there first. Shows SHLD-31.
func TestOverlap(t *testing.T) {
	x := established(t)
	x.recv("ACK seq=320 ack=100 len=10", "ACK seq=340 ack=100 len=10", "ACK seq=315 ack=100 len=40", "ACK seq=310 ack=100 len=10")
	x.recv("ACK seq=295 ack=100 len=30")
	if n := x.tcb.ReadableLen(); n != 55 {
		t.Fatalf("%d bytes", n)
	}
	x.read(55)
}

// Right-sizing: a reader that keeps up with a long path gets a window that fits it.
func TestReceiveTuning(t *testing.T) {
	x := connected(t, "mss=1460 ws=7 sackok ts=7/1000", withTimestamps)
	start := x.tcb.tun.receiveLimit
	ts := 8
	for range 20 {
		wnd := x.tcb.rcv.adv.Sub(x.tcb.rcv.nxt)
		for n := 0; n+1448 <= wnd; n += 1448 {
			x.recv("ACK seq=" + itoa(x.tcb.rcv.nxt) + " ack=100 len=1448 ts=" + itoa(seq.Number(ts)) + "/" + itoa(seq.Number(1000+50*max(ts-9, 0))))
			x.read(1448)
		}
		ts++
		x.sleep(50 * time.Millisecond)
	}
	if got := x.tcb.tun.receiveLimit; got < 8*start || got > x.conf.ReceiveBufferMax {
		t.Errorf("the limit is %d, began at %d", got, start)
	}
	x.sent = nil
}

// In one process there is no point in more than stays in the cache.
func TestSameHostIsModest(t *testing.T) {
	d := newDirect(t, pathSuper)
	for range 2000 {
		d.write(0, 1<<20)
		d.pump()
	}
	for i := range d.tcb {
		if u := d.tcb[i].tun; u.sendLimit > nearMax || u.receiveLimit > nearMax {
			t.Errorf("limits %d, %d", u.sendLimit, u.receiveLimit)
		}
	}
}

// An idle connection holds no buffer, and after a moment no timer.
func TestIdle(t *testing.T) {
	if n := unsafe.Sizeof(TCB{}); n > 1664 { // and the endpoint around it still fits 2 KB
		t.Errorf("a TCB has %d bytes", n)
	}
	if n := unsafe.Sizeof(Request{}); n > 160 {
		t.Errorf("a Request has %d bytes", n)
	}
	if n := unsafe.Sizeof(TimeWait{}); n > 80 {
		t.Errorf("a TimeWait has %d bytes", n)
	}
	x := established(t)
	x.write(5000)
	x.recv("ACK seq=310 ack=5100 len=10", "ACK seq=300 ack=5100 len=10")
	x.read(20)
	x.sleep(5 * time.Second)
	if x.tcb.Deadline() != 0 {
		t.Error("has a timer")
	}
	if x.tcb.sendQ.chunks.buf != nil || x.tcb.board.recs.buf != nil || x.tcb.ooo.parts.buf != nil || x.tcb.recvQ.pieces != nil {
		t.Error("has buffers")
	}
}

func (x *trace) quickAck() { x.t.Helper(); x.tcb.SetQuickAck(true); x.drain() }

// A segment that reaches beyond the window is taken as a whole while nothing waits to be read, and else refused; a FIN
// does not count.
func TestBeyondWindow(t *testing.T) {
	x := established(t, func(c *Conf) { c.ReceiveBuffer = tcpip.Set(4096) })
	x.recv("PSH|ACK seq=300 ack=100 len=10")
	x.sleep(50 * time.Millisecond)
	x.want("ACK ack=310")
	over := x.tcb.rcv.adv.Sub(x.tcb.rcv.nxt) + 1
	x.recv("PSH|ACK seq=310 ack=100 len=" + strconv.Itoa(over))
	x.dropped(tcpip.DropWindow)
	x.want("ACK ack=310")
	x.recv("RST seq=309") // no FIN has come
	x.want(StateEstablished)
	x.read(10)
	x.want()
	over = x.tcb.rcv.adv.Sub(x.tcb.rcv.nxt) + 1
	x.recv("FIN|PSH|ACK seq=310 ack=100 len=" + strconv.Itoa(over))
	x.dropped(tcpip.DropNone)
	x.want(StateCloseWait)
	x.recv("RST seq=" + strconv.Itoa(310+over)) // in the place of the FIN
	x.want(StateClosed)
}
