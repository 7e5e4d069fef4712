package tcb

import (
	"strconv"
	"testing"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// SO_MAX_PACING_RATE: with 100,000 bytes a second a segment of 1,000 bytes leaves every 10 ms, once ten have left,
// whatever the window would let through.
func TestPacing(t *testing.T) {
	x := established(t, func(c *Conf) { c.MaxPacingRate = 100_000 })
	x.tcb.count.dataOut = unpacedSegments
	x.tcb.rtt.sample(time.Millisecond, &x.conf, 0, 0)
	x.write(3000)
	x.want("ACK seq=100 len=1000")
	x.tcb.snd.paced = x.now.Add(10 * time.Millisecond) // the pause before the first has earned something
	x.sleep(9 * time.Millisecond)
	x.want()
	x.sleep(time.Millisecond)
	x.want("ACK seq=1100 len=1000")
	x.sleep(10 * time.Millisecond)
	x.want("PSH|ACK seq=2100 len=1000")
	x.recv("ACK seq=300 ack=3100")
	x.sleep(time.Second) // a pause earns half of a segment's time, no more
	x.write(3000)
	x.want("ACK seq=3100 len=1000")
	x.sleep(5 * time.Millisecond)
	x.want("ACK seq=4100 len=1000")
	x.sleep(9 * time.Millisecond)
	x.want()
}

// Super-segments are no longer than a millisecond at the rate, but two segments always.
func TestPacingSuperSegments(t *testing.T) {
	x := established(t, func(c *Conf) { c.MaxPacingRate = 5_000_000 })
	x.tcb.count.dataOut = unpacedSegments
	x.path.MaxSegment = 65535
	x.tcb.SetPath(x.now, x.path)
	x.tcb.rtt.sample(time.Millisecond, &x.conf, 0, 0)
	x.write(9000)
	x.want("PSH|ACK seq=100 len=4000 by=1000")
	x.set(func(c *Conf) { c.MaxPacingRate = 1 })
	x.recv("ACK seq=300 ack=4100")
	x.sleep(2 * time.Millisecond)
	x.want("PSH|ACK seq=4100 len=2000 by=1000")
}

// What is refused below was not sent, and its time is not up.
func TestPacingRefused(t *testing.T) {
	x := established(t, func(c *Conf) { c.MaxPacingRate = 100_000 })
	x.refuse = true
	x.write(1000)
	x.refuse = false
	x.drain()
	x.want("PSH|ACK seq=100 len=1000")
}

// Turned off, nothing waits any more, and no timer is left.
func TestPacingOff(t *testing.T) {
	x := established(t, func(c *Conf) { c.MaxPacingRate = 1000 })
	x.tcb.count.dataOut = unpacedSegments
	x.write(3000)
	x.want("ACK seq=100 len=1000")
	x.set(func(c *Conf) { c.MaxPacingRate = 0 })
	x.want("ACK seq=1100 len=1000", "PSH|ACK seq=2100 len=1000")
	if x.tcb.deadline[timerPace] != 0 {
		t.Error("the timer is set")
	}
}

// Over a second no more leaves than the rate allows, retransmissions included.
func TestPacingRate(t *testing.T) {
	for _, rate := range []int64{20_000, 100_000, 1_000_000} {
		x := established(t, func(c *Conf) { c.MaxPacingRate, c.SendBuffer = rate, tcpip.Set(1<<22) })
		sent, start := 0, x.now
		una := 100
		for x.now.Sub(start) < time.Second {
			for x.tcb.unsent() < 20_000 && x.tcb.Room() > 0 {
				x.queue(5000)
			}
			for x.tcb.Poll(x.now, &x.out) {
				if x.out.Len > 0 {
					sent += x.out.Len
					una = int(x.out.Seq) + x.out.Len
				}
				releaseAll(x.out.Data)
			}
			x.recv("ACK seq=300 win=65535 ack=" + strconv.Itoa(una))
			for _, s := range x.sent {
				p := parseSegment(t, &x.pool, stripped(s), 0)
				if p.Len > 0 {
					sent += p.Len
					una = int(p.Seq) + p.Len
				}
				releaseAll(p.Data)
			}
			x.sent = nil
			x.now = max(min(x.tcb.Deadline(), x.now.Add(50*time.Millisecond)), x.now.Add(time.Millisecond))
			x.tcb.Advance(x.now)
		}
		if limit := int(rate) + 1000*(unpacedSegments+1); sent > limit || sent < int(rate)*9/10-1000 {
			t.Errorf("%d bytes left at a rate of %d", sent, rate)
		}
	}
}

// TCP_THIN_LINEAR_TIMEOUTS: six timeouts of a stream with few segments in flight are not backed off.
func TestThinLinearTimeouts(t *testing.T) {
	x := established(t, func(c *Conf) { c.ThinLinear = true })
	x.write(10)
	x.want("PSH|ACK")
	for range 7 { // the seventh, too, waits for one timeout
		x.sleep(201 * time.Millisecond)
		x.want("PSH|ACK seq=100 len=10 again")
	}
	x.sleep(300 * time.Millisecond)
	x.want()
	x.sleep(102 * time.Millisecond)
	x.want("PSH|ACK seq=100 len=10 again")
}

// A stream with four segments in flight is not thin.
func TestThickTimeouts(t *testing.T) {
	x := established(t, func(c *Conf) { c.ThinLinear = true })
	x.write(4000)
	x.sent = nil
	x.sleep(201 * time.Millisecond)
	x.want("ACK seq=100 len=1000 again")
	x.sleep(300 * time.Millisecond)
	x.want()
}

// TCP_DELACK_MAX_US bounds how long an acknowledgement waits.
func TestDelAckMax(t *testing.T) {
	x := established(t, func(c *Conf) { c.DelAckMax = 8 * time.Millisecond })
	x.recv("ACK seq=300 ack=100 len=10")
	x.want()
	x.sleep(8 * time.Millisecond)
	x.want("ACK ack=310")
}

// The figures of TCP_INFO that nothing else uses.
func TestInfoFigures(t *testing.T) {
	x := established(t)
	x.tcb.rtt.min, x.tcb.rate = 10*time.Millisecond, rate{limited: 1} // the handshake has taken no time
	x.write(5000)
	x.sent = nil
	x.sleep(10 * time.Millisecond)
	x.recv("ACK seq=300 ack=2100", "ACK seq=300 ack=2100 sack=3100-4100")
	i := x.tcb.Info(x.now)
	if i.UnackedSegments != 3 || i.Sacked != 1 || i.Delivered != 4 || i.NotSent != 0 || i.BusyTime != 10*time.Millisecond {
		t.Errorf("%+v", i)
	}
	x.recv("ACK seq=300 ack=5100") // the gap fills without anything being sent again
	i = x.tcb.Info(x.now)
	if i.ReorderSeen != 1 || i.Delivered != 6 || i.DeliveryRate != 500_000 || i.UnackedSegments != 0 || !i.AppLimited {
		t.Errorf("%+v", i)
	}
	x.recv("ACK seq=300 ack=5100 win=0")
	x.write(10)
	x.sleep(100 * time.Millisecond)
	x.recv("ACK seq=300 ack=5100 win=1000")
	x.sent = nil
	if i = x.tcb.Info(x.now); i.WindowLimited != 100*time.Millisecond {
		t.Errorf("%v limited by the window", i.WindowLimited)
	}
	x.sleep(x.tcb.rtt.rto)
	x.recv("ACK seq=300 ack=5110")
	x.sent = nil
	if i = x.tcb.Info(x.now); i.Timeouts != 1 || i.TimeoutRecoveries != 1 || i.DataSegmentsOut != 7 || i.BytesSent != 5020 {
		t.Errorf("%+v", i)
	}
}

// TCP_MAXSEG counts in the handshake only, as on Linux.
func TestMaxSegLate(t *testing.T) {
	x := established(t)
	x.set(func(c *Conf) { c.MaxSegment = 500 })
	x.write(1000)
	x.want("PSH|ACK len=1000")
	y := connected(t, "mss=1000", func(c *Conf) { c.MaxSegment = 500 })
	y.write(600)
	y.want("ACK len=500", "PSH|ACK len=100")
}
