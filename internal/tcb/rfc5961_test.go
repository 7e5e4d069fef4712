package tcb

import (
	"strconv"
	"testing"
	"time"

	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

func itoa(n seq.Number) string { return strconv.Itoa(int(n)) }

// RFC 5961 §3.2: only a RST that hits rcv.nxt is believed; one in the window is challenged.
func TestBlindReset(t *testing.T) {
	x := established(t)
	x.recv("RST seq=301")
	x.dropped(tcpip.DropBadReset)
	x.want(StateEstablished, "ACK seq=100 ack=300 challenge")
	x.sleep(InvalidInterval)
	x.recv("RST seq=100000") // outside
	x.dropped(tcpip.DropBadReset)
	x.want(StateEstablished)
	x.recv("RST seq=299")
	x.want(StateEstablished)
	x.recv("RST seq=300")
	x.want(StateClosed)
	x.failed(tcpip.ErrConnReset)
}

// RFC 5961 §4.2: a SYN is challenged, wherever it lies.
func TestBlindSyn(t *testing.T) {
	for _, at := range []string{"299", "300", "301", "100000"} {
		x := established(t)
		x.recv("SYN seq=" + at)
		x.dropped(tcpip.DropSynInWindow)
		x.want(StateEstablished, "ACK seq=100 ack=300 challenge")
	}
}

// RFC 5961 §5.2: the ACK is checked before the data is taken. Shows MAY-12.
func TestBlindData(t *testing.T) {
	x := established(t)
	x.recv("ACK seq=300 ack=101 len=5") // acknowledges what was never sent
	x.dropped(tcpip.DropBadAck)
	x.want("ACK seq=100 ack=300 challenge")
	x.sleep(time.Second)
	x.recv("ACK seq=300 ack=4294900000 len=5") // older than a window
	x.dropped(tcpip.DropBadAck)
	x.want("ACK seq=100 ack=300 challenge")
	x.sleep(time.Second)
	x.recv("ACK seq=300 ack=90 len=5") // older than all that was ever acknowledged
	x.dropped(tcpip.DropBadAck)
	x.want("ACK seq=100 ack=300 challenge")
	x.write(20)
	x.recv("ACK seq=300 ack=120")
	x.recv("ACK|PSH seq=300 ack=105 len=5") // old, but possible
	x.dropped(tcpip.DropNone)
	x.read(5)
}

// RFC 5961 §7: answers are limited.
func TestChallengeBudget(t *testing.T) {
	x := established(t)
	for range 100 {
		x.recv("SYN seq=300", "RST seq=400", "ACK seq=300 ack=5000")
	}
	x.want("ACK challenge")
	x.sleep(InvalidInterval)
	x.recv("SYN seq=300")
	x.want("ACK challenge")
}

func TestNoAckFlag(t *testing.T) {
	x := established(t)
	x.recv("PSH seq=300 len=5")
	x.dropped(tcpip.DropNoAck)
	x.want()
}

// Out of the window: an ACK says where we are (RFC 9293 §3.10.7.4); nothing is taken.
func TestOutsideWindow(t *testing.T) {
	x := established(t)
	x.recv("ACK seq=200 ack=100 len=50")
	x.dropped(tcpip.DropOldData)
	x.want("ACK seq=100 ack=300")
	x.recv("ACK seq=90000 ack=100 len=50")
	x.dropped(tcpip.DropWindow)
	x.want("ACK seq=100 ack=300")
	if n := x.tcb.ReadableLen(); n != 0 {
		t.Errorf("%d bytes taken", n)
	}
}

// A RST at the end of the last block that we report is believed too, as on Linux.
func TestResetBehindGap(t *testing.T) {
	x := established(t)
	x.recv("ACK seq=310 ack=100 len=10", "ACK seq=330 ack=100 len=10", "ACK seq=311 ack=100 len=5")
	x.recv("RST seq=320") // the end of one that is not the last
	x.want(StateEstablished, "ACK", "ACK", "ACK", "ACK ack=300 challenge")
	x.recv("RST seq=340")
	x.want(StateClosed)
}
