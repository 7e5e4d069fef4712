package tcb

import (
	"testing"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

func withDCTCP(c *Conf) { c.Congestion, c.ECN = DCTCP, ECNOff }

// dctcpConnected is an active open with DCTCP, after its ACK.
func dctcpConnected(t *testing.T) *trace {
	t.Helper()
	x := newTrace(t, withDCTCP)
	x.tcb.Connect(x.now)
	x.drain()
	x.want("SYN|ECE|CWR seq=99 ect")
	x.recv("SYN|ACK|ECE seq=299 ack=100 mss=1000 sackok")
	x.want(StateEstablished, "ACK ect")
	x.tcb.rcv.lastData = x.now
	return x
}

// RFC 8257 §3.6: DCTCP asks for ECN whatever the mode is, and every packet of it is ECN-capable: SYN, SYN-ACK, bare
// acknowledgements and what is sent again.
func TestDCTCPMarksAll(t *testing.T) {
	x := dctcpConnected(t)
	x.write(1000)
	x.want("PSH|ACK seq=100 ect")
	x.sleep(300 * time.Millisecond)
	x.want("PSH|ACK seq=100 again ect")
	x.recv("ACK seq=300 ack=1100")
	x.recv("ACK seq=300 ack=1100 len=10")
	x.sleep(time.Second)
	x.want("ACK ack=310 ect")
	x.read(10)

	y, r := requested(t, "mss=1000", withDCTCP)
	s := y.parse("SYN|ECE|CWR seq=299")
	s.ECT = true // which others take for a mistake
	r.Init(y.now, s, &y.conf, y.path, y.identity())
	r.SynAck(y.now, &y.out)
	if got := show(&y.out); !matches(got, "SYN|ACK|ECE seq=99 ack=300 ect") {
		t.Error(got)
	}
	c := y.conf
	if c.Congestion = Cubic; c.acceptsECN(s) {
		t.Error("CUBIC takes a SYN that is marked")
	}
}

// Without ECN it is Reno.
func TestDCTCPWithoutECN(t *testing.T) {
	x := newTrace(t, withDCTCP)
	x.tcb.Connect(x.now)
	x.drain()
	x.recv("SYN|ACK seq=299 ack=100 mss=1000 sackok")
	x.want("SYN|ECE|CWR ect", "ACK")
	if out := &x.out; out.ECT {
		t.Error("is marked")
	}
	if i, ok := x.tcb.DCTCP(); !ok || i.Enabled {
		t.Error(i, ok)
	}
	if got := x.tcb.cc.algorithm.ssthresh(&x.tcb, x.now); got != 5 {
		t.Error(got)
	}
}

// §3.2: when the marks change the acknowledgement that waits goes out as it would have been, and another at once;
// while they do not every second segment is acknowledged. CWR changes nothing.
func TestDCTCPReceiver(t *testing.T) {
	x := dctcpConnected(t)
	x.tcb.due.quick, x.tcb.tun.earned = 0, 1<<20
	x.recv("ACK seq=300 ack=100 len=1000")
	x.want()
	x.recvCE("ACK seq=1300 ack=100 len=1000")
	x.want("ACK ack=1300", "ACK|ECE ack=2300")
	x.recvCE("ACK seq=2300 ack=100 len=1000")
	x.want()
	x.recvCE("ACK|CWR seq=3300 ack=100 len=1000")
	x.want("ACK|ECE ack=4300")
	x.recvCE("ACK seq=4300 ack=100 len=1000")
	x.want()
	x.recv("ACK seq=5300 ack=100 len=1000")
	x.want("ACK|ECE ack=5300", "ACK ack=6300")
	x.recvCE("ACK seq=6300 ack=100") // no data: it means nothing
	if i, _ := x.tcb.DCTCP(); i.CE {
		t.Error("a bare acknowledgement counts")
	}
	x.read(6000)
}

// The window of the earlier acknowledgement ends where it was announced to, and what is refused is sent again as it was.
func TestDCTCPEarlier(t *testing.T) {
	x := dctcpConnected(t)
	x.tcb.due.quick, x.tcb.tun.earned = 0, 1<<20
	x.recv("ACK seq=300 ack=100 len=1000")
	edge := x.tcb.rcv.adv
	x.refuse = true
	x.recvCE("ACK seq=1300 ack=100 len=1000")
	x.refuse = false
	if !x.tcb.due.earlier {
		t.Fatal("is not to be sent")
	}
	if !x.tcb.Poll(x.now, &x.out) || x.out.Ack != 1300 || x.out.Flags&header.ECE != 0 || x.out.Ack.Add(int(x.out.Window)) != edge {
		t.Error(show(&x.out), edge)
	}
	x.drain()
	x.want("ACK|ECE ack=2300")
	x.read(2000)
}

// newDCTCP is a sender with a window in full use and a first observation window that has begun.
func newDCTCP(segments int) *TCB {
	x := newCC(DCTCP, segments)
	x.opt.ecn = true
	x.snd.una, x.snd.nxt = 1, 1
	x.beginDCTCP()
	return x
}

// dctcpRound acknowledges a window of n segments, of which the first marked ones are reported.
func dctcpRound(x *TCB, n, marked int) {
	x.snd.nxt += seq.Number(n * 1000)
	for i := range n {
		x.snd.una += 1000
		flags := ackAdvanced
		if i < marked {
			flags |= ackECE
		}
		dctcpAcked(x, flags, 1000)
	}
}

// §3.3: Alpha begins with 1, moves by a sixteenth to the share of the bytes that were marked, once per window, and the
// window shrinks by half of it.
func TestDCTCPAlpha(t *testing.T) {
	x := newDCTCP(100)
	if got := x.cc.algorithm.ssthresh(x, traceNow); got != 50 {
		t.Error(got)
	}
	dctcpRound(x, 1, 0) // WindowEnd was SND.UNA: the first acknowledgement ends a window
	if got := x.cc.dctcp.alpha; got != alphaOne*15/16 {
		t.Error(got)
	}
	for range 50 {
		dctcpRound(x, 10, 5)
	}
	if got := float64(x.cc.dctcp.alpha) / alphaOne; got < 0.48 || got > 0.54 {
		t.Error(got)
	}
	if got := x.cc.algorithm.ssthresh(x, traceNow); got < 73 || got > 76 {
		t.Error(got)
	}
	for range 300 {
		dctcpRound(x, 10, 0)
	}
	if got := x.cc.dctcp.alpha; got != 0 { // §4.2
		t.Error(got)
	}
	if got := x.cc.algorithm.ssthresh(x, traceNow); got != 100 {
		t.Error(got)
	}
	for range 300 {
		dctcpRound(x, 10, 10)
	}
	if i, _ := x.DCTCP(); i.Alpha < dctcpShown-1 {
		t.Error(i.Alpha)
	}
}

// With accurate feedback the segments that were reported count.
func TestDCTCPAccurate(t *testing.T) {
	x := newDCTCP(100)
	x.acc = &accurate{}
	for range 100 {
		x.count.deliveredMarked += 2
		dctcpRound(x, 8, 8)
	}
	if got := float64(x.cc.dctcp.alpha) / alphaOne; got < 0.22 || got > 0.28 {
		t.Error(got)
	}
}

// §3.5: a loss halves the window, whatever Alpha is, by fast recovery and by a timeout.
func TestDCTCPLoss(t *testing.T) {
	x := dctcpConnected(t)
	x.tcb.cc.dctcp.alpha = 0
	x.write(10000)
	x.recv("ACK seq=300 ack=100 sack=1100-2100", "ACK seq=300 ack=100 sack=1100-3100", "ACK seq=300 ack=100 sack=1100-4100")
	if x.tcb.rec.phase != phaseRecovery || x.tcb.cc.ssthresh != 5 {
		t.Error(x.tcb.rec.phase, x.tcb.cc.ssthresh)
	}
	x.recv("ACK seq=300 ack=10100")
	x.tcb.cc.ssthresh, x.tcb.cc.cwnd = infiniteSsthresh, 12
	x.write(10000)
	x.sleep(2 * time.Second)
	if x.tcb.rec.phase != phaseLoss || x.tcb.cc.ssthresh != 6 {
		t.Error(x.tcb.rec.phase, x.tcb.cc.ssthresh)
	}
	x.recv("ACK seq=300 ack=20100")
	x.sent = nil
}

// §3.3: marks reduce once per window, and the sender says so.
func TestDCTCPReducesOnce(t *testing.T) {
	x := dctcpConnected(t)
	x.tcb.cc.dctcp.alpha = alphaOne / 2
	x.write(10000)
	x.sent = nil
	x.recv("ACK|ECE seq=300 ack=1100", "ACK|ECE seq=300 ack=2100")
	if x.tcb.rec.phase != phaseCWR || x.tcb.cc.ssthresh != 8 { // 10 * (1 - (1/2*15/16+1/16)/2), and one more
		t.Error(x.tcb.rec.phase, x.tcb.cc.ssthresh)
	}
	x.recv("ACK seq=300 ack=10100")
	x.write(1000)
	x.want("PSH|ACK|CWR seq=10100")
}

// Two flows through a queue that marks beyond a few packets keep it short, fill the link and share it evenly; the same
// flows of CUBIC without marks fill the queue.
func TestDCTCPKeepsTheQueueShort(t *testing.T) {
	const rate, mark, room = 100e6, 20 * (1000 + goodputOverhead), 400_000
	flows := func(cc Congestion, mark int) (share, even float64, queue int) {
		var sum, samples int64
		const length, skip = 3 * time.Second, time.Second
		b := bottleneck{rate: rate, rtt: 2 * time.Millisecond, cc: cc, sack: true, queue: room, admit: func(now tcpip.Time, s *Segment, backlog int) {
			if now.Sub(traceNow) > skip && s.Len > 0 {
				sum, samples = sum+int64(backlog), samples+1
			}
			if s.ECT && backlog > mark {
				s.CE = s.Wire
			}
		}}
		n := b.together(2, length, skip)
		all := float64(n[0] + n[1])
		return all * 8 / rate / (length - skip).Seconds(), float64(min(n[0], n[1])) / all, int(sum / samples)
	}
	share, even, queue := flows(DCTCP, mark)
	t.Logf("DCTCP: %.3f of the link, %.2f of it the smaller, %d bytes wait", share, even, queue)
	if share < 0.9 || even < 0.35 || queue > 2*mark {
		t.Error(share, even, queue)
	}
	if _, _, queue := flows(Cubic, room); queue < room/2 {
		t.Error(queue)
	}
}
