package tcb

import (
	"testing"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// RFC 9293 §3.6 Figure 12, from the side that closes first.
func TestNormalClose(t *testing.T) {
	x := established(t)
	x.close()
	x.want(StateFinWait1, "FIN|ACK seq=100 ack=300")
	x.recv("ACK seq=300 ack=101")
	x.want(StateFinWait2)
	x.recv("FIN|ACK seq=300 ack=101")
	x.want(StateTimeWait, "ACK seq=101 ack=301")
	x.events(EventTimeWait | EventPeerFin)
	x.sleep(TimeWaitLength - 1)
	x.want(StateTimeWait)
	x.sleep(1)
	x.want(StateClosed)
	x.failed(tcpip.OK)
}

// The same, from the side that closes second.
func TestPassiveClose(t *testing.T) {
	x := established(t)
	x.tcb.rcv.lastData, x.tcb.due.ato = 0, 0 // no data has ever come
	x.recv("FIN|ACK seq=300 ack=100")
	x.sleep(delAckTick)
	x.want(StateCloseWait, "ACK seq=100 ack=301")
	x.recv("FIN|ACK seq=300 ack=100") // our ACK was lost
	x.want(StateCloseWait, "ACK seq=100 ack=301")
	x.write(10)
	x.want("PSH|ACK seq=100 len=10")
	x.close()
	x.want(StateLastAck, "FIN|ACK seq=110 ack=301")
	x.recv("ACK seq=301 ack=110")
	x.want(StateLastAck)
	x.recv("ACK seq=301 ack=111")
	x.want(StateClosed)
	x.failed(tcpip.OK)
}

// The FIN's acknowledgement waits for the next tick, so that who closes at once sends one segment.
func TestPassiveCloseAtOnce(t *testing.T) {
	x := established(t)
	x.tcb.rcv.lastData, x.tcb.due.ato = 0, 0 // no data has ever come
	x.recv("FIN|ACK seq=300 ack=100")
	x.close()
	x.want(StateLastAck, "FIN|ACK seq=100 ack=301")
}

// After data the FIN's acknowledgement waits a while for our own FIN to carry it.
func TestPassiveCloseAfterData(t *testing.T) {
	x := established(t)
	x.recv("FIN|PSH|ACK seq=300 ack=100 len=5")
	x.want(StateCloseWait)
	x.read(5)
	x.close()
	x.want(StateLastAck, "FIN|ACK seq=100 ack=306")

	x = established(t)
	x.recv("FIN|PSH|ACK seq=300 ack=100 len=5")
	x.sleep(delAckMin)
	x.want(StateCloseWait, "ACK seq=100 ack=306")
}

// RFC 9293 §3.6 Figure 13: both sides close at the same time.
func TestSimultaneousClose(t *testing.T) {
	x := established(t)
	x.close()
	x.want(StateFinWait1, "FIN|ACK seq=100 ack=300")
	x.recv("FIN|ACK seq=300 ack=100") // crossed ours in flight
	x.want(StateClosing, "ACK seq=101 ack=301")
	x.recv("ACK seq=301 ack=101")
	x.want(StateTimeWait)
	x.sleep(TimeWaitLength)
	x.want(StateClosed)
}

// The FIN that acknowledges ours goes from FIN-WAIT-1 straight to TIME-WAIT.
func TestFinAcksFin(t *testing.T) {
	x := established(t)
	x.close()
	x.want("FIN|ACK seq=100")
	x.recv("FIN|ACK seq=300 ack=101")
	x.want(StateTimeWait, "ACK seq=101 ack=301")
}

func TestFinRidesOnData(t *testing.T) {
	x := established(t)
	x.queue(1500)
	x.close()
	x.want(StateFinWait1, "ACK seq=100 len=1000", "FIN|PSH|ACK seq=1100 len=500")
	x.recv("ACK seq=300 ack=1601")
	x.want(StateFinWait2)
}

// A FIN is sent again like data, and carries the last bytes along.
func TestFinRetransmission(t *testing.T) {
	x := established(t)
	x.queue(10)
	x.close()
	x.want("FIN|PSH|ACK seq=100 len=10")
	x.recv("ACK seq=300 ack=110") // all but the FIN
	x.want(StateFinWait1)
	x.sleep(201 * time.Millisecond)
	x.want("FIN|PSH|ACK seq=110 again")
	x.recv("ACK seq=300 ack=111")
	x.want(StateFinWait2)
}

func TestFinOutOfOrder(t *testing.T) {
	x := established(t)
	x.recv("FIN|ACK seq=310 ack=100 len=10")
	x.want(StateEstablished, "ACK ack=300 sack=310-321")
	x.recv("ACK seq=300 ack=100 len=10")
	x.want(StateCloseWait, "ACK ack=321")
	x.read(20)
	if !x.tcb.AtEnd() {
		t.Error("not at the end")
	}
}

// A half-closed connection still receives.
func TestHalfClose(t *testing.T) {
	x := established(t)
	x.shutdown()
	x.want(StateFinWait1, "FIN|ACK seq=100")
	x.recv("ACK seq=300 ack=101 len=10", "FIN|ACK seq=310 ack=101 len=10")
	x.sleep(50 * time.Millisecond)
	x.want(StateTimeWait, "ACK seq=101 ack=321")
	x.read(20)
	if err := x.write(1); err != tcpip.ErrPipe {
		t.Error(err)
	}
}

// Linux: closing with unread data is a reset, since the data is lost. Shows MAY-1, SHLD-3.
func TestCloseWithUnreadData(t *testing.T) {
	x := established(t)
	x.recv("ACK seq=300 ack=100 len=10")
	x.close()
	x.want(StateClosed, "RST|ACK seq=100 ack=310")
}

// Linux: data for an orphan is answered with a reset. Shows SHLD-3.
func TestDataAfterClose(t *testing.T) {
	x := established(t)
	x.close()
	x.want("FIN|ACK seq=100")
	x.recv("ACK seq=300 ack=101 len=10")
	x.dropped(tcpip.DropAfterClose)
	x.want(StateClosed, "RST seq=101")
}

func TestLingerZero(t *testing.T) {
	x := established(t, func(c *Conf) { c.Linger = tcpip.Set(time.Duration(0)) })
	x.write(10)
	x.want("PSH|ACK len=10")
	x.close()
	x.want(StateClosed, "RST|ACK seq=110")
}

// TCP_LINGER2: an orphan waits for the peer's FIN for a while only.
func TestLinger2(t *testing.T) {
	x := established(t, func(c *Conf) { c.Linger2 = 5 * time.Second })
	x.close()
	x.recv("ACK seq=300 ack=101")
	x.want(StateFinWait2, "FIN|ACK seq=100")
	x.sleep(5*time.Second - 1)
	x.want(StateFinWait2)
	x.sleep(1)
	x.want(StateClosed)

	x = established(t, func(c *Conf) { c.Linger2 = -1 })
	x.close()
	x.recv("ACK seq=300 ack=101")
	x.want(StateClosed, "FIN|ACK seq=100", "RST seq=101")

	x = established(t) // no orphan: a half-closed connection may wait for ever
	x.shutdown()
	x.recv("ACK seq=300 ack=101")
	x.sleep(time.Hour)
	x.want(StateFinWait2, "FIN|ACK")
	x.close()
	x.sleep(time.Minute)
	x.want(StateClosed)
}

func TestCloseInSynSent(t *testing.T) {
	x := newTrace(t)
	x.connect()
	x.close()
	x.want(StateClosed)
}

// Close in SYN-RECEIVED waits for the handshake and sends its FIN then.
func TestCloseInSynRcvd(t *testing.T) {
	x := newTrace(t)
	x.connect()
	x.recv("SYN seq=299")
	x.want(StateSynRcvd, "SYN|ACK seq=99 ack=300")
	x.close()
	x.want(StateFinWait1)
	x.recv("ACK seq=300 ack=100")
	x.want("FIN|ACK seq=100 ack=300")
}

func TestAbort(t *testing.T) {
	x := established(t)
	x.recv("ACK seq=300 ack=100 len=10")
	x.write(10)
	x.want("PSH|ACK")
	x.abort()
	x.want(StateClosed, "RST|ACK seq=110 ack=310")
	x.failed(tcpip.ErrConnAborted)
}

// The last ACK is sent again when the FIN is, and TIME-WAIT starts again. Shows MUST-13.
func TestTimeWaitInTCB(t *testing.T) {
	x := established(t, func(c *Conf) { c.RFC1337 = true })
	x.close()
	x.recv("FIN|ACK seq=300 ack=101")
	x.want(StateTimeWait, "FIN|ACK", "ACK ack=301")
	x.sleep(30 * time.Second)
	x.recv("FIN|ACK seq=300 ack=101")
	x.dropped(tcpip.DropTimeWait)
	x.want(StateTimeWait, "ACK seq=101 ack=301")
	x.recv("RST seq=301") // RFC 1337
	x.sleep(31 * time.Second)
	x.want(StateTimeWait)
	x.sleep(30 * time.Second)
	x.want(StateClosed)
}

// An orphan that nobody answers is given up sooner than a connection with a user.
func TestOrphanRetries(t *testing.T) {
	x := established(t)
	x.close()
	x.sleep(10 * time.Minute)
	if x.tcb.State() != StateClosed {
		t.Fatalf("%v after %d segments", x.tcb.State(), len(x.sent))
	}
	if n := len(x.sent); n != 1+defaultOrphanRetries {
		t.Errorf("%d segments: %q", n, x.sent)
	}
}

// Shows MUST-12.
func TestResetInEveryState(t *testing.T) {
	reach := map[State]func(*trace){
		StateEstablished: func(x *trace) {},
		StateFinWait1:    func(x *trace) { x.shutdown() },
		StateFinWait2:    func(x *trace) { x.shutdown(); x.recv("ACK seq=300 ack=101") },
		StateCloseWait:   func(x *trace) { x.recv("FIN|ACK seq=300 ack=100") },
		StateClosing:     func(x *trace) { x.shutdown(); x.recv("FIN|ACK seq=300 ack=100") },
		StateLastAck:     func(x *trace) { x.recv("FIN|ACK seq=300 ack=100"); x.shutdown() },
	}
	for s, f := range reach {
		x := established(t)
		f(x)
		if x.tcb.State() != s {
			t.Fatalf("%v instead of %v", x.tcb.State(), s)
		}
		x.sent = nil
		at := x.tcb.rcv.nxt
		x.recv("RST seq=" + itoa(at))
		x.want(StateClosed)
		if s == StateCloseWait {
			x.failed(tcpip.ErrPipe)
		} else {
			x.failed(tcpip.ErrConnReset)
		}
	}
}
