package tcb

import (
	"testing"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// RFC 9293 §3.5 Figure 6, from the active side.
func TestActiveOpen(t *testing.T) {
	x := newTrace(t, func(c *Conf) { c.Timestamps = tcpip.TimestampsOn })
	x.tcb.Connect(x.now)
	x.drain()
	x.want(StateSynSent, "SYN seq=99 ack=0 win=64240 mss=1460 ws=7 sackok ts=1000/0")
	x.recv("SYN|ACK seq=299 ack=100 mss=1460 ws=3 sackok ts=7/1000")
	x.want(StateEstablished, "ACK seq=100 ack=300 ts=1000/7 no-mss no-ws")
	x.events(EventConnected | EventWritable | EventState)
}

// RFC 9293 §3.5 Figure 7. Shows MUST-10.
func TestSimultaneousOpen(t *testing.T) {
	x := newTrace(t)
	x.connect()
	x.recv("SYN seq=299 mss=1000 sackok")
	x.want(StateSynRcvd, "SYN|ACK seq=99 ack=300 sackok mss=1460")
	x.recv("SYN|ACK seq=299 ack=100 mss=1000 sackok")
	x.want(StateEstablished, "ACK seq=100 ack=300 sack=299-300") // as Linux does
	x.write(10)
	x.want("PSH|ACK seq=100 ack=300 len=10")
}

// RFC 9293 §3.5 Figure 8: an old duplicate SYN-ACK is answered with a RST, and the open goes on.
func TestOldSynAck(t *testing.T) {
	x := newTrace(t)
	x.connect()
	x.recv("SYN|ACK seq=89 ack=91")
	x.dropped(tcpip.DropBadAck)
	x.want(StateSynSent, "RST seq=91")
	x.recv("SYN|ACK seq=299 ack=100")
	x.want(StateEstablished, "ACK seq=100 ack=300")
}

func TestRefusedConnection(t *testing.T) {
	x := newTrace(t)
	x.connect()
	x.recv("RST seq=0") // without ACK it proves nothing
	x.dropped(tcpip.DropBadReset)
	x.want(StateSynSent)
	x.recv("RST|ACK seq=0 ack=100")
	x.want(StateClosed)
	x.failed(tcpip.ErrConnRefused)
	x.events(EventClosed | EventError)
}

// The SYN is sent again after 1, 1, 1, 1 and then 1, 2, 4, ... seconds, tcp_syn_retries times, as on Linux.
// Shows MUST-22.
func TestSynRetransmission(t *testing.T) {
	x := newTrace(t)
	x.connect()
	for range 4 { // tcp_syn_linear_timeouts
		x.sleep(time.Second - 1)
		x.want()
		x.sleep(1)
		x.want(StateSynSent, "SYN seq=99 again")
	}
	for wait := time.Second; wait <= 32*time.Second; wait *= 2 {
		x.sleep(wait - 1)
		x.want()
		x.sleep(1)
		x.want(StateSynSent, "SYN seq=99 again")
	}
	x.sleep(64 * time.Second)
	x.want(StateClosed)
	x.failed(tcpip.ErrTimedOut)
}

// Data queued in SYN-SENT leaves with the handshake's last ACK.
func TestDataBeforeOpen(t *testing.T) {
	x := newTrace(t)
	x.connect()
	x.write(5)
	x.want()
	x.recv("SYN|ACK seq=299 ack=100 mss=1000")
	x.want(StateEstablished, "PSH|ACK seq=100 ack=300 len=5")
}

func TestDataOnSynAck(t *testing.T) {
	x := newTrace(t)
	x.connect()
	x.recv("SYN|ACK seq=299 ack=100 len=5")
	x.want(StateEstablished, "ACK seq=100 ack=300") // it was not taken, as on Linux, and comes again
	x.recv("ACK seq=300 ack=100 len=5")
	x.want("ACK seq=100 ack=305")
	x.tcb.Consume(x.now, 5)
}

// 1448 bytes of payload fit at MTU 1500 with timestamps: options are subtracted exactly. Shows MUST-16.
func TestMSSExact(t *testing.T) {
	x := connected(t, "mss=1460 sackok ts=7/1000", func(c *Conf) { c.Timestamps = tcpip.TimestampsOn })
	x.write(2000)
	x.want("ACK seq=100 len=1448", "PSH|ACK seq=1548 len=552")
	x.recv("ACK seq=301 ack=2100 len=1 ts=8/1000") // early: now SACK blocks take 12 bytes
	x.want("ACK sack=301-302")
	x.write(2000)
	x.want("ACK seq=2100 len=1436 sack=301-302", "PSH|ACK seq=3536 len=564")
}

// F10: a SYN cannot make us send crumbs.
func TestMSSFloor(t *testing.T) {
	x := connected(t, "mss=1")
	x.write(100)
	x.want("ACK len=48", "ACK len=48", "PSH|ACK len=4")
}

// Where the user wants it, the last ACK of the handshake waits for data to carry it, but for 200 ms at most.
func TestDeferredHandshakeAck(t *testing.T) {
	for _, write := range []bool{true, false} {
		x := newTrace(t, func(c *Conf) { c.DeferAccept = 1 })
		x.connect()
		x.recv("SYN|ACK seq=299 ack=100 mss=1000")
		x.want(StateEstablished)
		if write {
			x.write(10)
			x.want("PSH|ACK seq=100 ack=300 len=10")
			continue
		}
		x.sleep(200 * time.Millisecond)
		x.want("ACK seq=100 ack=300")
	}
}

// The timer of the SYN does not sleep through the end of the user's patience (TCP_USER_TIMEOUT).
func TestSynUserTimeout(t *testing.T) {
	x := newTrace(t, func(c *Conf) { c.UserTimeout = 1500 * time.Millisecond })
	x.connect()
	x.sleep(1499 * time.Millisecond)
	x.want(StateSynSent, "SYN seq=99")
	x.sleep(time.Millisecond)
	x.want(StateClosed)
	x.failed(tcpip.ErrTimedOut)
}
