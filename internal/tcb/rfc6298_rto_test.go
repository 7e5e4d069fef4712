package tcb

import (
	"testing"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// Shows MUST-19, MUST-20, SHLD-11.
func TestRTOBackoffAndGiveUp(t *testing.T) {
	x := established(t, func(c *Conf) { c.Retries = 5 })
	x.write(10)
	x.want("PSH|ACK seq=100 len=10")
	for wait := 201 * time.Millisecond; wait < 5*time.Second; wait *= 2 {
		x.sleep(wait)
		x.want("PSH|ACK seq=100 len=10 again")
	}
	x.sleep(time.Minute)
	x.want(StateClosed)
	x.failed(tcpip.ErrTimedOut)
}

// The floor is on the variance: 100 ms of round trip give 100 + 200 at least (Linux).
func TestRTOEstimate(t *testing.T) {
	var r rtt
	c := DefaultConf()
	r.init()
	r.sample(100*time.Millisecond, &c, 1, 1)
	if r.srtt != 100*time.Millisecond || r.mdev != 50*time.Millisecond || r.rto != 300*time.Millisecond {
		t.Error(r)
	}
	for range 100 {
		r.sample(100*time.Millisecond, &c, 1, 1)
	}
	if r.rto != 300*time.Millisecond {
		t.Error(r)
	}
	for range 30 {
		r.backoff(&c)
	}
	if r.rto != c.RTOMax {
		t.Error(r)
	}
}

// A timeout takes everything for lost: slow start from one segment.
func TestTimeoutRecovery(t *testing.T) {
	x := established(t)
	x.write(5000)
	x.want("ACK", "ACK", "ACK", "ACK", "PSH|ACK")
	x.sleep(201 * time.Millisecond)
	x.want("ACK seq=100 len=1000 again")
	x.recv("ACK seq=300 ack=1100")
	x.want("ACK seq=1100 len=1000 again", "ACK seq=2100 len=1000 again")
	x.recv("ACK seq=300 ack=5100")
	x.want()
	if x.tcb.rec.phase != phaseOpen {
		t.Error(x.tcb.rec.phase)
	}
	if i := x.tcb.Info(x.now); i.Timeouts != 1 || i.TotalRetransmits != 3 || i.Ssthresh != 7 {
		t.Errorf("%+v", i)
	}
}

// What was sacked before the timeout is not sent again.
func TestTimeoutKeepsSACK(t *testing.T) {
	x := established(t)
	x.write(4000)
	x.recv("ACK seq=300 ack=100 sack=1100-2100")
	x.sent = nil
	x.sleep(210 * time.Millisecond)
	x.want("ACK seq=100 again", "ACK seq=100 again") // by time (RFC 8985), and then by the timeout
	x.recv("ACK seq=300 ack=2100")
	x.want("ACK seq=2100 len=1000 again", "PSH|ACK seq=3100 len=1000 again")
}

// RFC 2018 §8: the peer may throw sacked data away; after a timeout we believe only acknowledgements.
func TestReneging(t *testing.T) {
	x := established(t)
	x.write(3000)
	x.recv("ACK seq=300 ack=100 sack=1100-3100")
	x.recv("ACK seq=300 ack=1100") // and now it has only the first
	x.sent = nil
	x.sleep(201 * time.Millisecond)
	x.want("ACK seq=1100 len=1000 again")
	x.recv("ACK seq=300 ack=2100")
	x.want("PSH|ACK seq=2100 len=1000 again")
	x.recv("ACK seq=300 ack=3100")
	if n := x.tcb.Info(x.now).Reneged; n != 1 {
		t.Error(n)
	}
}

// Karn: a segment that was sent twice gives no sample, and the timeout stays backed off. Shows MUST-18.
func TestKarn(t *testing.T) {
	x := established(t)
	x.write(10)
	x.sleep(201 * time.Millisecond)
	rto := x.tcb.rtt.rto
	x.recv("ACK seq=300 ack=110")
	if x.tcb.rtt.rto != rto {
		t.Errorf("timeout %v, was %v", x.tcb.rtt.rto, rto)
	}
	x.write(10)
	x.recv("ACK seq=300 ack=120")
	if x.tcb.rtt.rto >= rto {
		t.Errorf("timeout %v, was %v", x.tcb.rtt.rto, rto)
	}
}

// The SYN was sent again: without timestamps the timeout falls back to 3 s (RFC 6298 §5.7).
func TestFallbackRTO(t *testing.T) {
	x := newTrace(t)
	x.connect()
	x.sleep(time.Second)
	x.want("SYN again")
	x.recv("SYN|ACK seq=299 ack=100 mss=1000")
	if x.tcb.rtt.rto != fallbackRTO {
		t.Error(x.tcb.rtt.rto)
	}
}

// TCP_USER_TIMEOUT replaces the number of retries. Shows MUST-21.
func TestUserTimeout(t *testing.T) {
	x := established(t, func(c *Conf) { c.UserTimeout = 3 * time.Second })
	x.write(10)
	x.sleep(2900 * time.Millisecond)
	if x.tcb.State() != StateEstablished {
		t.Fatal("gave up too early")
	}
	x.sleep(4 * time.Second)
	x.failed(tcpip.ErrTimedOut)
}

// After a pause the window starts small again (RFC 5681 §4.1).
func TestIdleRestart(t *testing.T) {
	x := established(t)
	for range 20 {
		n := x.tcb.cc.cwnd
		x.write(min(n*1000, 16000))
		x.recv("ACK seq=300 ack=" + itoa(x.tcb.snd.nxt))
	}
	grown := x.tcb.cc.cwnd
	if grown <= 10 {
		t.Fatalf("did not grow: %d", grown)
	}
	x.sleep(time.Minute)
	x.write(10)
	if got := x.tcb.cc.cwnd; got != 10 {
		t.Errorf("cwnd %d after a pause, was %d", got, grown)
	}
}

// A timeout takes for lost what is old, and not what has just been sent: that may still arrive.
func TestTimeoutSparesTheYoung(t *testing.T) {
	x := established(t)
	x.write(2000)
	x.tcb.rack.rtt = 100 * time.Millisecond
	x.sleep(150 * time.Millisecond)
	x.write(1000)
	x.sleep(51 * time.Millisecond)
	if b := &x.tcb.board; b.lost != 2 || b.segs != 3 {
		t.Errorf("%d of %d segments are lost", b.lost, b.segs)
	}
}

// RFC 5681 §3.1: where a repair that has made progress times out, the threshold falls again.
func TestTimeoutInRepair(t *testing.T) {
	x := established(t)
	x.write(10000)
	x.sleep(201 * time.Millisecond)
	first := x.tcb.cc.ssthresh
	x.recv("ACK seq=300 ack=1100")
	x.tcb.cc.cwnd = 4
	x.sleep(2 * time.Second)
	if n := x.tcb.count.timeouts; n < 2 || x.tcb.cc.ssthresh >= first {
		t.Errorf("%d timeouts, the threshold was %d and is %d", n, first, x.tcb.cc.ssthresh)
	}
}

// A round trip that falls raises the variance only a little, as on Linux.
func TestFallingRoundTrip(t *testing.T) {
	c := DefaultConf()
	r := rtt{srtt: 100 * time.Millisecond, mdev: 10 * time.Millisecond}
	r.sample(20*time.Millisecond, &c, 1, 1)
	if r.mdev > 13*time.Millisecond || r.srtt != 90*time.Millisecond {
		t.Errorf("%v, give or take %v", r.srtt, r.mdev)
	}
}

// Far below the origin CUBIC grows by half in a round trip at most.
func TestCubicSlope(t *testing.T) {
	q := cubic{epoch: traceNow, origin: 1000, lastMax: 1000}
	q.update(traceNow.Add(time.Second), 10, 1)
	if q.per != 2 {
		t.Errorf("a segment for %d acknowledged", q.per)
	}
}

// More duplicates than retransmissions are not of our making: nothing has arrived for them.
func TestForeignDuplicates(t *testing.T) {
	x := established(t)
	x.write(2000)
	x.recv("ACK seq=300 ack=1100")
	before := x.tcb.count.delivered
	x.recv("ACK seq=300 ack=1100 sack=100-1100")
	if n := x.tcb.count.delivered; n != before {
		t.Errorf("%d delivered, were %d", n, before)
	}
}
