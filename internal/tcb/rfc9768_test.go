package tcb

import (
	"testing"

	"github.com/seed963a8790/netstack/header"
)

func withAccurate(c *Conf) { c.ECN, c.ECNOption = ECNAccurate, ReportNever }

// The field ACE is AE, CWR and ECE, and nothing else changes with it.
func TestACE(t *testing.T) {
	for v := range uint8(8) {
		f := putACE(header.ACK|header.PSH|aceFlags, v)
		if getACE(f) != v || f&^aceFlags != header.ACK|header.PSH {
			t.Errorf("%d: %v", v, f)
		}
	}
	if putACE(0, 0b100) != header.AE || putACE(0, 0b010) != header.CWR || putACE(0, 0b001) != header.ECE {
		t.Error("the order is wrong")
	}
}

// RFC 9768 §3.1.2 table 2, from the client's side.
func TestAccurateAnswers(t *testing.T) {
	for flags, want := range map[string]struct{ ecn, accurate bool }{
		"SYN|ACK": {}, "SYN|ACK|ECE|CWR|AE": {}, "SYN|ACK|ECE": {ecn: true}, "SYN|ACK|ECE|AE": {true, true}, // §3.1.3
		"SYN|ACK|CWR": {true, true}, "SYN|ACK|CWR|ECE": {true, true}, "SYN|ACK|AE": {true, true}, "SYN|ACK|AE|CWR": {true, true},
	} {
		x := newTrace(t, withAccurate)
		x.tcb.Connect(x.now)
		x.drain()
		x.want("SYN|ECE|CWR|AE seq=99")
		x.recv(flags + " seq=299 ack=100 mss=1000")
		if got := x.tcb; got.opt.ecn != want.ecn || (got.acc != nil) != want.accurate {
			t.Errorf("%s: ecn %v, accurate %v", flags, got.opt.ecn, got.acc != nil)
		}
	}
}

// accurateConnected is an active open with accurate feedback, after its ACK.
func accurateConnected(t *testing.T) *trace {
	t.Helper()
	x := newTrace(t, withAccurate)
	x.tcb.Connect(x.now)
	x.drain()
	x.recv("SYN|ACK|CWR seq=299 ack=100 mss=1000 sackok")
	x.want("SYN|ECE|CWR|AE", "ACK|CWR seq=100 ack=300")
	x.tcb.rcv.lastData = x.now
	return x
}

// RFC 9768 §3.2.2.5.2 and appendix A.2.1: what wraps is taken for the worst that fits, and only news counts.
func TestAccurateWrap(t *testing.T) {
	x := accurateConnected(t)
	x.write(10000)
	x.want("ACK|ECE|AE", "ACK|ECE|AE", "ACK|ECE|AE", "ACK|ECE|AE", "ACK|ECE|AE", "ACK|ECE|AE", "ACK|ECE|AE", "ACK|ECE|AE", "ACK|ECE|AE", "PSH|ACK|ECE|AE")
	x.recv("ACK|CWR|AE seq=300 ack=1100") // 6: one mark
	if x.tcb.acc.out != 6 {
		t.Error(x.tcb.acc.out)
	}
	x.recv("ACK|ECE|AE seq=300 ack=1100") // 5: an old one
	if x.tcb.acc.out != 6 {
		t.Error(x.tcb.acc.out)
	}
	x.recv("ACK|ECE|CWR|AE seq=300 ack=10100") // 7, for nine segments: one mark, or nine
	if x.tcb.acc.out != 15 || x.tcb.count.deliveredMarked != 10 {
		t.Error(x.tcb.acc.out, x.tcb.count.deliveredMarked)
	}
}

// What is refused below says the same when it goes out, the handshake's field included.
func TestAccurateRefused(t *testing.T) {
	x := newTrace(t, withAccurate)
	x.tcb.Connect(x.now)
	x.drain()
	x.refuse = true
	x.recv("SYN|ACK|CWR seq=299 ack=100 mss=1000 sackok")
	x.refuse = false
	x.drain()
	x.want("SYN|ECE|CWR|AE", "ACK|CWR seq=100 ack=300")
}

// An ACK of marked ACKs has no SACK blocks (§3.2.2.5.1), and none either when it goes out again after it was refused below.
func TestAccurateAckOfAcksRefused(t *testing.T) {
	x := accurateConnected(t)
	x.recv("ACK|ECE|AE seq=400 ack=100 len=100") // behind a gap
	x.want("ACK|ECE|AE ack=300 sack=400-500")
	x.recv("ACK|ECE|AE seq=300 ack=100 mark=3", "ACK|ECE|AE seq=300 ack=100 mark=3")
	x.want()
	x.refuse = true
	x.recv("ACK|ECE|AE seq=300 ack=100 mark=3")
	x.refuse, x.sent = false, nil
	x.drain()
	x.want("ACK ack=300 no-sack")
}
