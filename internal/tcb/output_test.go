package tcb

import (
	"testing"
	"time"

	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

func nagle(c *Conf) { c.NoDelay = false }

// RFC 9293 §3.7.4 with Minshall's change: one small segment in flight, and never behind full ones.
// Shows SHLD-7, MUST-17.
func TestNagle(t *testing.T) {
	x := established(t, nagle)
	x.write(10)
	x.want("PSH|ACK seq=100 len=10")
	x.write(10)
	x.write(10)
	x.want()
	x.recv("ACK seq=300 ack=110")
	x.want("PSH|ACK seq=110 len=20")
	x.write(1500) // full segments go, the rest waits
	x.want("ACK seq=130 len=1000")
	x.recv("ACK seq=300 ack=130")
	x.want("PSH|ACK seq=1130 len=500") // the full one in flight does not hold it back
	x.write(1)
	x.want()
	x.set(func(c *Conf) { c.NoDelay = true })
	x.want("PSH|ACK seq=1630 len=1")
}

func TestNagleLetsFinPass(t *testing.T) {
	x := established(t, nagle)
	x.write(10)
	x.write(10)
	x.want("PSH|ACK seq=100 len=10")
	x.close()
	x.want("FIN|PSH|ACK seq=110 len=10")
}

// TCP_CORK: only full segments, until the timer of probes ends.
func TestCork(t *testing.T) {
	x := established(t, func(c *Conf) { c.Cork = true })
	x.write(1500)
	x.want("ACK seq=100 len=1000")
	x.sleep(199 * time.Millisecond)
	x.recv("ACK seq=300 ack=1100")
	x.want()
	x.sleep(x.tcb.rtt.rto - time.Millisecond) // it starts when nothing is in flight any more
	x.want()
	x.sleep(time.Millisecond)
	x.want("PSH|ACK seq=1100 len=500")
	x.recv("ACK seq=300 ack=1600")
	x.write(1)
	x.want()
	x.set(func(c *Conf) { c.Cork = false })
	x.want("PSH|ACK seq=1600 len=1")
}

// MSG_MORE corks one write. Shows MAY-16.
func TestMore(t *testing.T) {
	x := established(t)
	x.tcb.SetMore(x.now, true)
	x.write(10)
	x.want()
	x.tcb.SetMore(x.now, false)
	x.write(10)
	x.want("PSH|ACK seq=100 len=20")
}

// RFC 9293 §3.8.6.1: a closed window is probed, with a segment that lies before it (as Linux does).
// Shows MUST-36, SHLD-29, SHLD-30, MUST-37.
func TestZeroWindowProbe(t *testing.T) {
	x := established(t)
	x.write(10)
	x.recv("ACK seq=300 ack=110 win=0")
	x.sent = nil
	x.write(2000)
	x.want()
	for wait := 201 * time.Millisecond; wait < 100*time.Second; wait *= 2 {
		x.sleep(wait)
		x.want("ACK seq=109 ack=300")
		x.recv("ACK seq=300 ack=110 win=0") // alive: goes on for ever
	}
	x.recv("ACK seq=300 ack=110 win=5000")
	x.want("ACK seq=110 len=1000", "PSH|ACK seq=1110 len=1000")
}

func TestZeroWindowGiveUp(t *testing.T) {
	x := established(t, func(c *Conf) { c.Retries = 3 })
	x.write(10)
	x.recv("ACK seq=300 ack=110 win=0")
	x.sent = nil
	x.write(10)
	x.sleep(time.Minute)
	x.want(StateClosed, "ACK seq=109", "ACK seq=109", "ACK seq=109")
	x.failed(tcpip.ErrTimedOut)
}

// RFC 9293 §3.8.6.2.1: no small segments because the window is small, until the timer overrides it. Shows MUST-38.
func TestSenderSWS(t *testing.T) {
	x := established(t)
	x.write(10)
	x.recv("ACK seq=300 ack=110 win=600")
	x.sent = nil
	x.write(2000)
	x.want()
	x.sleep(201 * time.Millisecond)
	x.want("PSH|ACK seq=110 len=600")
}

// A window that the peer takes back: only the first segment is sent into it. Shows MUST-34, SHLD-16, MAY-7.
func TestShrunkWindow(t *testing.T) {
	x := established(t)
	x.write(3000)
	x.recv("ACK seq=301 ack=100 win=0")
	x.sent = nil
	x.sleep(201 * time.Millisecond)
	x.want("ACK seq=100 len=1000 again")
	x.recv("ACK seq=301 ack=1100 win=0")
	x.want("ACK seq=1100 len=1000 again")
	x.sleep(403 * time.Millisecond)
	x.want("ACK seq=1100 len=1000 again")
}

// MSG_EOR: records do not share a segment, and only the last waits for more.
func TestEndOfRecord(t *testing.T) {
	x := established(t, func(c *Conf) { c.Cork = true })
	x.queue(10)
	x.tcb.EndRecord(x.now)
	x.queue(20)
	x.tcb.EndRecord(x.now)
	x.write(5)
	x.want("PSH|ACK seq=100 len=10", "PSH|ACK seq=110 len=20")
	x.recv("ACK seq=300 ack=130")
	x.sleep(x.tcb.rtt.rto)
	x.want("PSH|ACK seq=130 len=5")
}

// The 4.2BSD urgent byte, sent. Shows MUST-30, MUST-62.
func TestUrgentSend(t *testing.T) {
	x := established(t)
	x.queue(10)
	x.tcb.MarkUrgent(x.now)
	x.write(5)
	x.want("PSH|ACK|URG seq=100 len=15 urg=10")
	x.write(5)
	x.want("PSH|ACK seq=115 len=5")
}

// And received: it leaves the stream, reading stops at the mark. Shows MUST-30, MUST-33.
func TestUrgentReceive(t *testing.T) {
	x := established(t)
	x.recv("PSH|ACK|URG seq=300 ack=100 len=10 urg=5") // the byte at 304
	x.events(EventUrgent | EventReadable)
	if b, err := x.tcb.Urgent(); b != pattern(304) || err != tcpip.OK {
		t.Error(b, err)
	}
	x.tcb.TakeUrgent()
	if _, err := x.tcb.Urgent(); err != tcpip.ErrInvalid {
		t.Error(err)
	}
	readable := func() (n int) {
		for _, p := range x.tcb.Readable() {
			n += p.Len()
		}
		return n
	}
	if n := readable(); n != 4 || x.tcb.AtMark() {
		t.Error(n)
	}
	x.tcb.Consume(x.now, 4)
	if n := readable(); n != 5 || !x.tcb.AtMark() {
		t.Error(n)
	}
	x.tcb.Consume(x.now, 5)
	if x.tcb.AtMark() {
		t.Error("still at the mark")
	}
}

func TestUrgentInline(t *testing.T) {
	x := established(t, func(c *Conf) { c.OOBInline = true })
	x.recv("URG|ACK seq=300 ack=100 urg=8") // announced first
	x.events(EventUrgent)
	x.recv("PSH|ACK seq=300 ack=100 len=10")
	x.tcb.Consume(x.now, 7)
	if !x.tcb.AtMark() {
		t.Error("not at the mark")
	}
	x.read(3)
	if _, err := x.tcb.Urgent(); err != tcpip.ErrInvalid {
		t.Error(err)
	}
}

// RFC 9293 §3.8.4: probes after the idle time, then a reset. Shows MAY-5, MUST-26, MUST-29, SHLD-12.
func TestKeepAlive(t *testing.T) {
	x := established(t, func(c *Conf) {
		c.KeepAlive, c.KeepIdle, c.KeepInterval, c.KeepCount = true, 10*time.Second, 2*time.Second, 3
	})
	x.sleep(10*time.Second - 1)
	x.want()
	x.sleep(1)
	x.want("ACK seq=99 ack=300 no-len")
	x.recv("ACK seq=300 ack=100") // alive
	x.sleep(10 * time.Second)
	x.want("ACK seq=99")
	x.sleep(4 * time.Second)
	x.want("ACK seq=99", "ACK seq=99")
	x.sleep(2 * time.Second)
	x.want(StateClosed, "RST|ACK seq=100")
	x.failed(tcpip.ErrTimedOut)
}

// Traffic puts the probe off, and the option can be switched at any time. Shows MUST-24, MUST-26.
func TestKeepAliveLazily(t *testing.T) {
	x := established(t)
	if d := x.tcb.Deadline(); d != 0 {
		t.Error("an idle connection has a timer")
	}
	x.set(func(c *Conf) { c.KeepAlive, c.KeepIdle = true, 10*time.Second })
	x.sleep(9 * time.Second)
	x.recv("ACK seq=300 ack=100 len=1")
	x.want("ACK ack=301") // at once, after such a silence
	x.sleep(9 * time.Second)
	x.want()
	x.sleep(time.Second)
	x.want("ACK seq=99")
	x.set(func(c *Conf) { c.KeepAlive = false })
	x.sleep(time.Hour)
	x.want()
}

// Refused puts everything back: the segment comes again, and nothing was counted.
func TestRefused(t *testing.T) {
	x := established(t)
	x.queue(2500)
	x.refuse = true
	before, deadline := x.tcb.count, x.tcb.deadline
	for range 5 {
		x.drain()
	}
	before.refused = x.tcb.count.refused
	if x.tcb.count != before || x.tcb.deadline != deadline || x.tcb.flight() != 0 {
		t.Errorf("%+v", x.tcb.count)
	}
	x.refuse = false
	x.drain()
	x.want("ACK seq=100 len=1000", "ACK seq=1100 len=1000", "PSH|ACK seq=2100 len=500")

	x.refuse = true
	x.sleep(201 * time.Millisecond) // a retransmission
	x.want()
	x.refuse = false
	x.drain()
	x.want("ACK seq=100 len=1000 again")

	x.refuse = true // an acknowledgement
	x.recv("ACK seq=310 ack=100 len=10")
	x.want()
	x.refuse = false
	x.drain()
	x.want("ACK ack=300 sack=310-320")
}

// B10: a "too big" lowers the MSS and resends at once; a forged one does nothing.
func TestPathMTU(t *testing.T) {
	x := connected(t, "mss=1460")
	x.write(2920)
	x.want("ACK len=1460", "PSH|ACK len=1460")
	for _, c := range []struct {
		mtu  int
		seq  uint32
		want tcpip.Drop
	}{{1300, 99, tcpip.DropICMPSequence}, {1300, 5000, tcpip.DropICMPSequence}, {1500, 100, tcpip.DropICMPBadMTU}} {
		if d := x.tcb.Unreachable(x.now, tcpip.ErrMessageSize, c.mtu, seq.Number(c.seq)); d != c.want {
			t.Error(d, c)
		}
	}
	x.tcb.Unreachable(x.now, tcpip.ErrMessageSize, 1300, 100)
	x.drain()
	x.want("ACK seq=100 len=1260 again", "ACK seq=1360 len=200 again", "ACK seq=1560 len=1260 again", "PSH|ACK seq=2820 len=200 again")
	if x.tcb.cc.ssthresh != infiniteSsthresh {
		t.Error("taken for congestion")
	}
	x.tcb.Unreachable(x.now, tcpip.ErrMessageSize, 40, 100) // F10: the floor
	x.drain()
	x.sent = nil
	x.recv("ACK seq=300 ack=3020")
	x.write(100)
	x.want("ACK len=48", "ACK len=48", "PSH|ACK len=4")
}

// ICMP errors are fatal only while the connection is being made. Shows MUST-54, MUST-56, SHLD-25.
func TestICMPErrors(t *testing.T) {
	x := newTrace(t)
	x.connect()
	x.tcb.Unreachable(x.now, tcpip.ErrHostUnreachable, 0, 99)
	x.drain()
	x.want(StateClosed)
	x.failed(tcpip.ErrHostUnreachable)

	x = established(t, func(c *Conf) { c.Retries = 2 })
	x.write(10)
	x.tcb.Unreachable(x.now, tcpip.ErrHostUnreachable, 0, 100)
	x.drain()
	x.want(StateEstablished, "PSH|ACK")
	x.events(EventSoftError)
	x.sleep(time.Minute)
	x.failed(tcpip.ErrHostUnreachable) // it explains the timeout
}

func TestNotSentLow(t *testing.T) {
	x := established(t, func(c *Conf) { c.NotSentLow, c.SendBuffer = 1000, tcpip.Set(1<<20) })
	for range 10 {
		x.write(1000)
	}
	x.write(499) // does not fit the congestion window
	if !x.tcb.Writable() {
		t.Error("499 bytes wait, not writable")
	}
	x.write(1)
	if x.tcb.Writable() || x.tcb.Room() == 0 { // half of it, as on Linux; but more is taken
		t.Error("500 bytes wait, writable or full")
	}
	x.write(1000)
	n := x.tcb.Room()
	if x.tcb.Writable() || n == 0 || n >= x.tcb.gatherGoal() { // it fills the last super-segment up
		t.Errorf("1500 bytes wait, writable or room for %d", n)
	}
	x.write(n)
	if x.tcb.Writable() || x.tcb.Room() != 0 {
		t.Error("a whole super-segment waits, writable")
	}
}

// Small writes share a slab, and what was sent is not touched.
func TestAppend(t *testing.T) {
	x := established(t, nagle)
	x.write(10)
	for range 10 {
		b := make([]byte, 20)
		fillPattern(b, x.tcb.sendQ.end)
		if n := x.tcb.Append(x.now, b); n != 20 {
			t.Fatal(n)
		}
		x.drain()
	}
	x.want("PSH|ACK seq=100 len=10")
	x.recv("ACK seq=300 ack=110")
	x.want("PSH|ACK seq=110 len=200")
	if n := x.tcb.sendQ.chunks.len(); n != 1 {
		t.Errorf("%d chunks", n)
	}
}

// Congestion control can be chosen per connection.
func TestChooseCongestion(t *testing.T) {
	x := established(t)
	x.set(func(c *Conf) { c.Congestion = Reno })
	if got := x.tcb.Info(x.now).Congestion; got != "reno" {
		t.Error(got)
	}
}
