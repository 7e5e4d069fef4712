package tcb

import (
	"testing"

	"github.com/seed963a8790/netstack/tcpip"
)

// MSG_MORE with MSG_EOR: a record of its own that is not pushed.
func TestQuietRecord(t *testing.T) {
	x := established(t)
	x.queue(400)
	x.tcb.SetMore(x.now, true)
	x.tcb.EndRecord(x.now)
	x.drain()
	x.want()
	x.queue(400)
	x.tcb.SetMore(x.now, false)
	x.drain()
	x.want("ACK seq=100 len=400", "PSH|ACK seq=500 len=400")
}

// TCP_NODELAY on a corked socket sends what waits, and nothing later.
func TestPushHeld(t *testing.T) {
	x := established(t, func(c *Conf) { c.Cork = true })
	x.tcb.PushHeld(x.now) // nothing waits
	x.write(300)
	x.want()
	x.tcb.PushHeld(x.now)
	x.drain()
	x.want("PSH|ACK seq=100 len=300")
	x.write(300)
	x.want()
	x.recv("ACK seq=300 ack=400")
	x.want()
}

// The send buffer follows the window once a writer has found it full, by what a segment costs Linux.
func TestSendBufferGrows(t *testing.T) {
	x := established(t)
	const segment = 2048 + 256
	start := 2 * segment * x.conf.InitialWindow
	if n := x.tcb.SendLimit(); n != start {
		t.Errorf("%d at first, not %d", n, start)
	}
	x.write(10000)
	x.sent = nil
	x.recv("ACK seq=300 ack=10100")
	if n := x.tcb.SendLimit(); n != start || x.tcb.cc.cwnd != 20 {
		t.Errorf("%d though nobody wants more", n)
	}
	for x.tcb.Room() > 0 {
		x.queue(1000)
	}
	x.drain()
	x.sent = nil
	x.recv("ACK seq=300 ack=30100")
	if n := x.tcb.SendLimit(); n != 2*segment*x.tcb.cc.cwnd {
		t.Errorf("%d with a window of %d", n, x.tcb.cc.cwnd)
	}
}

// TCP_NOTSENT_LOWAT: a writer is told when what an acknowledgement let go has been sent.
func TestWritableAfterSending(t *testing.T) {
	x := established(t, func(c *Conf) { c.NotSentLow = 4000 })
	x.write(20000)
	if n := x.tcb.Room(); n >= x.tcb.gatherGoal() {
		t.Fatalf("room for %d, though too much is unsent", n)
	}
	x.tcb.tun.full = true // which is too little for somebody
	x.all = 0
	x.recv("ACK seq=300 ack=2100")
	if x.all&EventWritable != 0 {
		t.Errorf("writable with %d unsent", x.tcb.unsent())
	}
	x.recv("ACK seq=300 ack=10100")
	if x.all&EventWritable == 0 {
		t.Errorf("not writable with %d unsent", x.tcb.unsent())
	}
}

// Data gathers in super-segments of half the peer's window. Another one is begun while the limit is not reached; the last
// is filled up beyond it, and in the place of what of it can be sent.
func TestGathering(t *testing.T) {
	x := established(t, func(c *Conf) { c.SendBuffer = tcpip.Set(30000) })
	room := func(want int) {
		t.Helper()
		if got := x.tcb.Room(); got != want {
			t.Fatalf("room for %d, want %d", got, want)
		}
	}
	room(32000) // of 65535
	x.queue(500)
	room(31500)
	x.queue(31500)
	room(10000) // what the congestion window lets go
	x.drain()
	room(10000)
	x.queue(10000)
	room(0)
	if x.tcb.Append(x.now, make([]byte, 10)) != 0 || x.queue(10) != tcpip.ErrWouldBlock {
		t.Error("took more")
	}
	x.recv("ACK seq=300 ack=10100")
	room(20000)
	x.recv("ACK seq=300 ack=30100", "ACK seq=300 ack=40100")
	room(32000) // all is sent, and the limit not reached any more
}
