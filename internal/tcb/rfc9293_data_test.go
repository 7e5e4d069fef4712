package tcb

import (
	"testing"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// RFC 9293 §3.1: the window is a number without sign, and scaled it needs 30 bits. Shows MUST-1, REC-1.
func TestWindowIsUnsigned(t *testing.T) {
	x := established(t, func(c *Conf) { c.InitialWindow = 100 })
	x.recv("ACK seq=300 ack=100 win=65535")
	x.queue(40000)
	x.write(30000)
	if n := x.tcb.flight(); n != 65000 { // whole segments of it
		t.Errorf("%d bytes for a window of 65535", n)
	}
	x = connected(t, "mss=1000 ws=14")
	x.recv("ACK seq=300 ack=100 win=65535")
	if x.tcb.snd.wnd != 65535<<14 {
		t.Error(x.tcb.snd.wnd)
	}
}

// RFC 9293 §3.8.6: a connection whose peer has taken its window back, and answers, lasts; one whose peer is silent does
// not. Shows SHLD-17, MUST-35, MUST-34.
func TestShrunkWindowLasts(t *testing.T) {
	x := established(t, func(c *Conf) { c.Retries = 3 })
	x.write(3000)
	x.recv("ACK seq=301 ack=100 win=0")
	x.sent = nil
	for range 20 {
		x.sleep(x.tcb.rtt.rto)
		x.want(StateEstablished, "ACK seq=100 len=1000 again")
		x.recv("ACK seq=301 ack=100 win=0")
	}
	x.sent = nil
	x.sleep(10 * time.Minute)
	if x.tcb.State() != StateClosed {
		t.Errorf("%v after %d segments without an answer", x.tcb.State(), len(x.sent))
	}
	x.failed(tcpip.ErrTimedOut)
}

// An orphan is not kept alive by a closed window.
func TestShrunkWindowOrphan(t *testing.T) {
	x := established(t)
	x.write(3000)
	x.recv("ACK seq=301 ack=100 win=0")
	x.close()
	for range defaultOrphanRetries {
		x.sleep(x.tcb.rtt.rto)
		x.recv("ACK seq=301 ack=100 win=0")
	}
	x.sleep(x.tcb.rtt.rto)
	if x.tcb.State() != StateClosed {
		t.Error(x.tcb.State())
	}
}

// RFC 9293 §3.4: our window is closed, and RST, URG and ACK count nevertheless. Shows MUST-66, MAY-8.
func TestClosedWindowHears(t *testing.T) {
	x := established(t, func(c *Conf) { c.ReceiveBuffer = tcpip.Set(8192) })
	x.fillWindow()
	at := itoa(x.tcb.rcv.nxt)
	x.sent = nil
	x.sleep(time.Hour)
	x.recv("ACK seq=" + at + " ack=100 len=1")
	x.want("ACK ack=" + at + " win=0")
	x.events(EventReadable)
	x.recv("ACK|URG seq=" + at + " ack=100 urg=10")
	x.events(EventUrgent)
	x.recv("RST seq=" + at)
	x.want(StateClosed)
	x.failed(tcpip.ErrConnReset)
}

// RFC 9293 §3.5.3: what a RST carries does not make it less of one. Shows SHLD-2.
func TestResetWithData(t *testing.T) {
	x := established(t)
	x.recv("RST seq=300 len=20")
	x.want(StateClosed)
	x.failed(tcpip.ErrConnReset)
	if n := x.tcb.ReadableLen(); n != 0 {
		t.Errorf("%d bytes of it can be read", n)
	}
}

// RFC 9293 §3.8.5: urgent data as long as one likes: every segment of it points to its end, or as far as 16 bits
// reach. Shows MUST-31, MUST-62.
func TestUrgentOfAnyLength(t *testing.T) {
	x := established(t, func(c *Conf) { c.InitialWindow = 100 })
	x.recv("ACK seq=300 ack=100 win=65535")
	x.queue(40000)
	x.queue(40000)
	x.tcb.MarkUrgent(x.now)
	x.drain()
	first := x.sent[0]
	x.sent = nil
	x.recv("ACK seq=300 ack=60100 win=65535")
	last := x.sent[len(x.sent)-1]
	if !matches(first, "ACK|URG seq=100 len=1000 urg=65535") || !matches(last, "PSH|ACK|URG seq=79100 len=1000 urg=1000") {
		t.Error(first, last)
	}
}
