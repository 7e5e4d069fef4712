package tcb

import "testing"

func withECN(c *Conf) { c.ECN = ECNOn }

// recvCE is recv of a segment that was marked on the way.
func (x *trace) recvCE(text string) {
	x.t.Helper()
	s := x.parse(text)
	s.CE, s.ECT, s.Mark = 1, true, markCE
	x.drop = x.tcb.Segment(x.now, s)
	x.drain()
}

func ecnConnected(t *testing.T) *trace {
	t.Helper()
	x := newTrace(t, withECN)
	x.tcb.Connect(x.now)
	x.drain()
	x.want("SYN|ECE|CWR seq=99")
	x.recv("SYN|ACK|ECE seq=299 ack=100 mss=1000 sackok")
	x.want(StateEstablished, "ACK")
	x.tcb.rcv.lastData = x.now
	return x
}

// RFC 3168 §6.1.1: the SYN asks, the SYN-ACK answers; anything else means no. Shows SHLD-8.
func TestECNNegotiation(t *testing.T) {
	ecnConnected(t)
	for _, flags := range []string{"SYN|ACK", "SYN|ACK|ECE|CWR", "SYN|ACK|CWR"} {
		x := newTrace(t, withECN)
		x.tcb.Connect(x.now)
		x.drain()
		x.recv(flags + " seq=299 ack=100")
		if x.tcb.opt.ecn {
			t.Errorf("%s means yes", flags)
		}
	}
	x, r := requested(t, "mss=1000", withECN)
	r.Init(x.now, x.parse("SYN|ECE|CWR seq=299"), &x.conf, x.path, x.identity())
	r.SynAck(x.now, &x.out)
	if got := show(&x.out); !matches(got, "SYN|ACK|ECE seq=99 ack=300") {
		t.Error(got)
	}
	x.establish(r, "ACK seq=300 ack=100")
	if x.tcb.Info(x.now).Options&InfoECN == 0 {
		t.Error("not negotiated")
	}
}

// The SYN that is sent again asks no more.
func TestECNFallback(t *testing.T) {
	x := newTrace(t, withECN)
	x.tcb.Connect(x.now)
	x.drain()
	x.sleep(1e9)
	x.want("SYN|ECE|CWR", "SYN again")
}

// §6.1.3: marks are echoed until the peer says that it slowed down.
func TestECNReceiver(t *testing.T) {
	x := ecnConnected(t)
	x.recvCE("ACK seq=300 ack=100 len=10")
	x.want("ACK|ECE ack=310")
	x.recv("ACK seq=310 ack=100 len=10")
	x.want("ACK|ECE ack=320")
	x.recv("ACK|CWR seq=320 ack=100 len=10")
	x.sleep(1e9)
	x.want("ACK ack=330")
	x.read(30)
}

// §6.1.2: the sender slows down once per window, and says so on new data. Shows SHLD-8.
func TestECNSender(t *testing.T) {
	x := ecnConnected(t)
	x.write(10000)
	if !matches(x.sent[0], "ACK seq=100 ect") {
		t.Error("data is not marked ECN-capable")
	}
	x.sent = nil
	x.recv("ACK|ECE seq=300 ack=1100", "ACK|ECE seq=300 ack=2100")
	if x.tcb.rec.phase != phaseCWR || x.tcb.cc.ssthresh != 7 {
		t.Errorf("phase %d, threshold %d", x.tcb.rec.phase, x.tcb.cc.ssthresh)
	}
	before := x.tcb.cc.ssthresh
	x.recv("ACK|ECE seq=300 ack=3100")
	if x.tcb.cc.ssthresh != before {
		t.Error("slowed down twice in a window")
	}
	x.recv("ACK seq=300 ack=10100")
	if w := x.tcb.cc.cwnd; w > 8 {
		t.Errorf("cwnd %d", w)
	}
	x.write(2000)
	x.want("ACK|CWR seq=10100", "PSH|ACK seq=11100")
}
