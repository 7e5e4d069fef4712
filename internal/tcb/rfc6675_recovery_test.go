package tcb

import (
	"testing"
	"time"

	"github.com/seed963a8790/netstack/internal/seq"
)

// Three segments behind a gap make a loss, and half the window is used up before it is repaired.
func TestSACKRecovery(t *testing.T) {
	x := established(t)
	x.write(10000)
	x.sent = nil
	x.recv("ACK seq=300 ack=100 sack=1100-2100")
	x.recv("ACK seq=300 ack=100 sack=1100-3100")
	x.want()
	x.recv("ACK seq=300 ack=100 sack=1100-4100")
	x.want("ACK seq=100 len=1000 again")
	if x.tcb.rec.phase != phaseRecovery || x.tcb.cc.ssthresh != 7 {
		t.Errorf("%v, ssthresh %d", x.tcb.rec.phase, x.tcb.cc.ssthresh)
	}
	x.recv("ACK seq=300 ack=10100")
	x.want()
	if x.tcb.rec.phase != phaseOpen || x.tcb.cc.cwnd != 8 { // and grows for what was delivered
		t.Errorf("%v, cwnd %d", x.tcb.rec.phase, x.tcb.cc.cwnd)
	}
}

// Two holes are repaired in one round trip.
func TestTwoHoles(t *testing.T) {
	x := established(t)
	x.write(10000)
	x.sent = nil
	x.recv("ACK seq=300 ack=100 sack=1100-3100", "ACK seq=300 ack=100 sack=1100-3100,4100-5100")
	x.want("ACK seq=100 again")
	x.recv("ACK seq=300 ack=100 sack=1100-3100,4100-8100")
	x.want("ACK seq=3100 again")
	x.recv("ACK seq=300 ack=10100")
	if x.tcb.rec.phase != phaseOpen {
		t.Error(x.tcb.rec.phase)
	}
}

// Two segments behind a gap are reordering, no loss; limited transmit (RFC 3042) sends new data.
func TestLimitedTransmit(t *testing.T) {
	x := established(t)
	x.write(12000)
	if n := len(x.sent); n != 10 {
		t.Fatalf("%d segments", n)
	}
	x.sent = nil
	x.recv("ACK seq=300 ack=100 sack=1100-2100")
	x.want("ACK seq=10100 len=1000")
	x.recv("ACK seq=300 ack=100 sack=1100-3100")
	x.want("PSH|ACK seq=11100 len=1000")
	x.recv("ACK seq=300 ack=12100")
	if x.tcb.rec.phase != phaseOpen || x.tcb.count.retrans != 0 {
		t.Error("recovered what was not lost")
	}
}

// A super-segment is one record until a SACK block cuts it.
func TestSACKCutsSuperSegment(t *testing.T) {
	x := established(t)
	x.path.MaxSegment = 65535
	x.tcb.SetPath(x.now, x.path)
	x.write(10000)
	x.want("PSH|ACK seq=100 len=5000 by=1000", "PSH|ACK seq=5100 len=5000 by=1000") // half of the window at most
	x.recv("ACK seq=300 ack=100 sack=3100-6100")
	x.want("PSH|ACK seq=100 len=3000 again by=1000")
	x.recv("ACK seq=300 ack=1500 sack=3100-6100") // the peer may cut it anywhere
	x.want()
	x.recv("ACK seq=300 ack=10100")
	x.want()
}

// SACK blocks that cannot be are ignored.
func TestBadSACK(t *testing.T) {
	x := established(t)
	x.write(3000)
	x.sent = nil
	x.recv("ACK seq=300 ack=100 sack=5000-9000", "ACK seq=300 ack=100 sack=2100-1100", "ACK seq=300 ack=100 sack=1100-1100")
	x.want()
	if i := x.tcb.Info(x.now); i.Sacked != 0 || i.BadSACKs != 3 {
		t.Errorf("%+v", i)
	}
	x.recv("ACK seq=300 ack=100 sack=1101-1102,1200-1300") // crumbs: no whole segment
	if i := x.tcb.Info(x.now); i.Sacked != 0 || x.tcb.board.recs.len() != 3 {
		t.Errorf("%+v", i)
	}
}

// RFC 2883: a duplicate is reported, once.
func TestDSACK(t *testing.T) {
	x := established(t)
	x.recv("ACK seq=300 ack=100 len=10", "ACK seq=300 ack=100 len=10")
	x.want("ACK ack=310 sack=300-310")
	x.recv("ACK seq=320 ack=100 len=10")
	x.want("ACK ack=310 sack=320-330")
	x.recv("ACK seq=320 ack=100 len=10")
	x.want("ACK ack=310 sack=320-330,320-330")
	x.recv("ACK seq=310 ack=100 len=10")
	x.want("ACK ack=330 no-sack")
	x.read(30)
}

// RFC 2018 §4: the latest block comes first.
func TestSACKOrder(t *testing.T) {
	x := established(t, func(c *Conf) { c.CompressSACK = 0 })
	x.recv("ACK seq=310 ack=100 len=10", "ACK seq=330 ack=100 len=10", "ACK seq=350 ack=100 len=10", "ACK seq=370 ack=100 len=10", "ACK seq=390 ack=100 len=10")
	x.want("ACK sack=310-320", "ACK sack=330-340,310-320", "ACK sack=350-360,330-340,310-320",
		"ACK sack=370-380,350-360,330-340,310-320", "ACK sack=390-400,370-380,350-360,330-340")
	x.recv("ACK seq=320 ack=100 len=10")
	x.want("ACK sack=320-340,390-400,370-380,350-360") // what fell off the list is not found again
	x.recv("ACK seq=300 ack=100 len=10")
	x.want("ACK ack=340 sack=390-400,370-380,350-360")
	x.recv("ACK seq=340 ack=100 len=60") // covers all
	x.want("ACK ack=400")
	x.read(100)
}

// A lost retransmission is found by the timeout, which is not restarted by what else arrives.
func TestLostRetransmission(t *testing.T) {
	x := established(t)
	x.write(10000)
	x.sent = nil
	x.recv("ACK seq=300 ack=100 sack=1100-5100")
	x.want("ACK seq=100 again")
	x.sleep(210e6)
	x.want("ACK seq=100 again")
}

func noSACK(c *Conf) { c.SACK = false }

// RFC 6582: without SACK, one hole per round trip.
func TestNewReno(t *testing.T) {
	x := established(t, noSACK)
	x.write(10000)
	x.sent = nil
	x.recv("ACK seq=300 ack=100") // newer than the SYN-ACK by its number, and so a window update to Linux
	x.recv("ACK seq=300 ack=100", "ACK seq=300 ack=100")
	x.want()
	x.recv("ACK seq=300 ack=100")
	x.want("ACK seq=100 len=1000 again")
	x.recv("ACK seq=300 ack=3100") // partial: the next hole
	x.want("ACK seq=3100 len=1000 again")
	x.recv("ACK seq=300 ack=10100")
	x.want()
	if x.tcb.rec.phase != phaseRecovery { // duplicates of the same could not be told from those of a loss (§4)
		t.Error(x.tcb.rec.phase)
	}
	x.write(1000)
	x.recv("ACK seq=300 ack=11100")
	if x.tcb.rec.phase != phaseOpen {
		t.Error(x.tcb.rec.phase)
	}
	if n := x.tcb.count.fastRecoveries; n != 1 {
		t.Error(n)
	}
}

// RFC 6582 §3.2: duplicates caused by the retransmissions of a timeout do not start another recovery.
func TestNewRenoAfterTimeout(t *testing.T) {
	x := established(t, noSACK)
	x.write(5000)
	x.sleep(201e6)
	x.sent = nil
	x.recv("ACK seq=300 ack=1100", "ACK seq=300 ack=1100", "ACK seq=300 ack=1100", "ACK seq=300 ack=1100")
	if n := x.tcb.count.fastRecoveries; n != 0 {
		t.Error(n)
	}
}

// F10: cutting an acknowledgement into pieces does not open the window faster.
func TestAckSplitting(t *testing.T) {
	grow := func(step int) int {
		x := established(t)
		x.write(10000)
		for at := 100 + step; at <= 10100; at += step {
			x.recv("ACK seq=300 ack=" + itoa(seq.Number(at)))
		}
		return x.tcb.cc.cwnd
	}
	if whole, pieces := grow(1000), grow(10); pieces > whole {
		t.Errorf("cwnd %d for whole acknowledgements, %d for pieces", whole, pieces)
	}
}

// Behind a gap, later acknowledgements wait for one another, and go at once when the gap is filled.
func TestCompressedSACK(t *testing.T) {
	x := established(t)
	for i := range 6 {
		x.recv("ACK ack=100 len=10 seq=" + itoa(seq.Number(310+10*i)))
	}
	x.want("ACK sack=310-320", "ACK sack=310-330", "ACK sack=310-340")
	x.sleep(time.Millisecond)
	x.want("ACK sack=310-370")
	x.recv("ACK ack=100 len=10 seq=370")
	x.want()
	x.recv("ACK ack=100 len=10 seq=300")
	x.want("ACK ack=380 no-sack")
	x.sleep(time.Second)
	x.want()
	x.read(80)
}

// Small segments that are sent again are joined, behind what was sacked, too: the records move, and what is sent is what
// was lost.
func TestJoinedBehindSacked(t *testing.T) {
	x := established(t)
	x.tcb.cc.cwnd = 20
	for range 14 {
		x.write(100)
	}
	x.sent = x.sent[:0]
	x.sleep(10 * time.Millisecond)
	x.recv("ACK seq=300 ack=100 sack=200-500")
	x.want("PSH|ACK seq=100 len=100")
	x.sleep(10 * time.Millisecond)
	x.recv("ACK seq=300 ack=100 sack=1300-1500,200-500")
	x.want("PSH|ACK seq=500 len=800")
}

// A reduction that was a mistake is undone, and the threshold is then what the window in use was worth, as on Linux: three
// quarters of it, where an earlier threshold lies below.
func TestUndoneThreshold(t *testing.T) {
	for _, c := range []struct{ cwnd, ssthresh, want int }{{40, 10, 30}, {40, 35, 35}} {
		x := established(t)
		x.tcb.cc.cwnd, x.tcb.cc.ssthresh = c.cwnd, c.ssthresh
		x.write(5000)
		x.recv("ACK seq=300 ack=100 sack=1100-4100")
		if got := x.tcb.cc.ssthresh; got >= c.cwnd {
			t.Errorf("threshold %d in recovery", got)
		}
		x.recv("ACK seq=300 ack=5100 sack=100-1100")
		if cc := &x.tcb.cc; cc.cwnd != c.cwnd || cc.ssthresh != c.want {
			t.Errorf("window %d and threshold %d after the undo, not %d and %d", cc.cwnd, cc.ssthresh, c.cwnd, c.want)
		}
	}
}

// An acknowledgement that waits behind a gap has room for so many changes: the third block to change is said at once,
// where it is, and comes to the front afterwards, as on Linux. RFC 2018 §4 has the latest first.
func TestCrowdedSACK(t *testing.T) {
	x := established(t)
	x.tcb.rtt.srtt, x.tcb.tun.rtt = 100*time.Millisecond, 100*time.Millisecond
	x.tcb.due.quick = 0
	x.recv("ACK seq=1300 ack=100 len=100", "ACK seq=2300 ack=100 len=100", "ACK seq=3300 ack=100 len=100")
	x.want("ACK sack=1300-1400", "ACK sack=2300-2400,1300-1400", "ACK sack=3300-3400,2300-2400,1300-1400")
	x.recv("ACK seq=3400 ack=100 len=100", "ACK seq=2400 ack=100 len=100")
	x.want()
	x.recv("ACK seq=1400 ack=100 len=100")
	x.want("ACK sack=2300-2500,3300-3500,1300-1500")
	x.recv("ACK seq=3500 ack=100 len=100")
	x.sleep(10 * time.Millisecond)
	x.want("ACK sack=3300-3600,1300-1500,2300-2500")
}
