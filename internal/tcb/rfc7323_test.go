package tcb

import (
	"testing"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

func withTimestamps(c *Conf) { c.Timestamps = tcpip.TimestampsOn }
func strict(c *Conf)         { c.Timestamps = tcpip.TimestampsStrict }

// stamped is an established connection with timestamps; the peer's clock stands at 7.
func stamped(t *testing.T, edit ...func(*Conf)) *trace {
	t.Helper()
	return connected(t, "mss=1460 sackok ts=7/1000", append([]func(*Conf){withTimestamps}, edit...)...)
}

// accepted goes through a passive open up to the ACK, with the options given.
func requested(t *testing.T, options string, edit ...func(*Conf)) (*trace, *Request) {
	t.Helper()
	x := newTrace(t, edit...)
	r := &Request{}
	r.Init(x.now, x.parse("SYN seq=299 "+options), &x.conf, x.path, x.identity())
	r.SynAck(x.now, &x.out)
	return x, r
}

// establish feeds the ACK to r, which must take it.
func (x *trace) establish(r *Request, text string) {
	x.t.Helper()
	s := x.parse(text)
	if v, d := r.Segment(x.now, s, &x.out); v != VerdictEstablish {
		x.t.Fatalf("%v, %v for %s", v, d, text)
	}
	x.drop = r.Establish(x.now, s, &x.tcb, &x.conf)
	x.drain()
}

func TestA1_AckWithoutTimestamp(t *testing.T) {
	x, r := requested(t, "mss=1460 sackok ts=7/0", withTimestamps)
	if got := show(&x.out); !matches(got, "SYN|ACK seq=99 ack=300 ts=1000/7") {
		t.Fatal(got)
	}
	x.establish(r, "ACK seq=300 ack=100")
	x.want(StateEstablished)
	x.events(EventConnected)
	x.sleep(time.Minute)
	x.want() // no SYN-ACK again
}

func TestA2_VariantsOfTheAck(t *testing.T) {
	x, r := requested(t, "mss=1460 ts=7/0", withTimestamps)
	x.establish(r, "ACK seq=300 ack=100 len=5")
	x.want(StateEstablished, "ACK ack=305 ts=1000/7")
	x.read(5)

	x, r = requested(t, "mss=1460 ts=7/0", withTimestamps)
	x.establish(r, "FIN|ACK seq=300 ack=100")
	x.want(StateCloseWait)
	x.sleep(delAckTick)
	x.want(StateCloseWait, "ACK ack=301")

	x, r = requested(t, "mss=1460 sackok ts=7/0", withTimestamps)
	x.establish(r, "ACK seq=305 ack=100 len=5") // the first data was overtaken
	x.want(StateEstablished, "ACK ack=300 sack=305-310")
	x.recv("ACK seq=300 ack=100 len=5")
	x.want("ACK ack=310")
	x.read(10)
}

func TestA3_OurTimestampsGoOn(t *testing.T) {
	x, r := requested(t, "mss=1460 sackok ts=7/0", withTimestamps)
	x.establish(r, "ACK seq=300 ack=100")
	x.now = x.now.Add(5 * time.Millisecond)
	x.write(10)
	x.want("PSH|ACK len=10 ts=1005/7")
	x.recv("ACK seq=300 ack=110 ts=9/1005")
	x.recv("ACK seq=300 ack=110") // changes nothing
	x.write(10)
	x.want("PSH|ACK len=10 ts=1005/9")
}

func TestA4_EveryKindOfSegment(t *testing.T) {
	x := stamped(t)
	x.recv("ACK seq=300 ack=100 len=5")
	x.sleep(time.Second)
	x.want("ACK ack=305")
	x.recv("ACK seq=304 ack=100") // keep-alive of 0 bytes
	x.want("ACK seq=100 ack=305")
	x.sleep(time.Second)
	x.recv("ACK seq=304 ack=100 len=1") // and of an old one
	x.want("ACK seq=100 ack=305")
	x.write(5)
	x.recv("ACK seq=305 ack=105")
	x.recv("FIN|ACK seq=305 ack=105")
	x.want(StateCloseWait, "PSH|ACK seq=100 len=5")
	x.shutdown()
	x.want(StateLastAck, "FIN|ACK seq=105 ack=306")
	x.recv("ACK seq=306 ack=106")
	x.want(StateClosed)

	x = stamped(t)
	x.recv("RST seq=300")
	x.want(StateClosed)
}

func TestA5_NoSampleFromZero(t *testing.T) {
	x := stamped(t)
	x.write(10)
	x.sleep(201 * time.Millisecond)
	x.want("PSH|ACK seq=100 len=10", "PSH|ACK seq=100 again")
	before := x.tcb.rtt
	x.sleep(10 * time.Millisecond)
	x.recv("ACK seq=300 ack=110 ts=9/0") // Karn: was sent twice, and nothing is echoed
	if x.tcb.rtt.srtt != before.srtt {
		t.Error("took a sample")
	}
	x.write(10)
	x.sleep(20 * time.Millisecond)
	x.recv("ACK seq=300 ack=120 ts=9/0") // sent once: that sample is good
	if x.tcb.rtt.srtt == before.srtt {
		t.Error("took no sample")
	}
	if x.tcb.rtt.rto < x.conf.RTOMin {
		t.Errorf("timeout of %v", x.tcb.rtt.rto)
	}
}

func TestA6_PAWS(t *testing.T) {
	x := stamped(t)
	x.recv("ACK seq=300 ack=100 len=5 ts=6/1000") // a tick is forgiven, as on Linux
	x.dropped(tcpip.DropNone)
	x.read(5)
	x.want("ACK seq=100 ack=305 ts=1000/7")
	x.sleep(50 * time.Millisecond)
	x.recv("ACK seq=300 ack=100 len=5 ts=5/1000")
	x.dropped(tcpip.DropPAWS)
	x.want("ACK seq=100 ack=305 ts=1050/7 sack=300-305") // an old duplicate is reported all the same
	x.recv("ACK seq=305 ack=100 len=5 ts=5/1000")
	x.dropped(tcpip.DropPAWS)
	x.want("ACK seq=100 ack=305 ts=1050/7")
	x.recv("RST seq=305 ts=5/1000") // RST is exempt
	x.want(StateClosed)

	x = stamped(t)
	x.sleep(24*24*time.Hour + time.Second)
	x.recv("ACK seq=300 ack=100 len=5 ts=6/1000") // TS.Recent has expired
	x.dropped(tcpip.DropNone)
	x.read(5)
}

func TestA7_ForeignEcho(t *testing.T) {
	x := stamped(t)
	x.write(10)
	x.sleep(201 * time.Millisecond)
	x.want("PSH|ACK", "PSH|ACK again")
	before := x.tcb.rtt.srtt
	x.recv("ACK seq=300 ack=110 ts=9/99999") // from the future
	if x.tcb.rtt.srtt != before {
		t.Error("took a sample from a timestamp that was never sent")
	}
}

func TestA9_StrictMode(t *testing.T) {
	x := stamped(t, strict)
	x.recv("ACK seq=300 ack=100 len=5")
	x.dropped(tcpip.DropNoTimestamp)
	x.want()
	if n := x.tcb.Info(x.now).NoTimestamp; n != 1 {
		t.Errorf("%d counted", n)
	}
	x.recv("ACK seq=300 ack=100 len=5 ts=8/1000")
	x.dropped(tcpip.DropNone)

	x, r := requested(t, "mss=1460 ts=7/0", strict)
	if v, d := r.Segment(x.now, x.parse("ACK seq=300 ack=100"), &x.out); v != VerdictDrop || d != tcpip.DropNoTimestamp {
		t.Error(v, d)
	}
}

func TestA10_NotNegotiated(t *testing.T) {
	x := established(t)
	x.recv("ACK seq=300 ack=100 len=5 ts=9/9")
	x.sleep(time.Second)
	x.want("ACK ack=305 no-ts")
	x.recv("ACK seq=305 ack=100 len=5 ts=1/1")
	x.dropped(tcpip.DropNone)
}

func TestA11_SynWithECN(t *testing.T) {
	x := newTrace(t)
	var r Request
	r.Init(x.now, x.parse("SYN|ECE|CWR seq=299"), &x.conf, x.path, x.identity())
	r.SynAck(x.now, &x.out)
	x.establish(&r, "ACK seq=300 ack=100")
	x.want(StateEstablished)
}

func TestA12_WrongAckKeepsTheSlot(t *testing.T) {
	x, r := requested(t, "mss=1460 ts=7/0", withTimestamps)
	v, d := r.Segment(x.now, x.parse("ACK seq=300 ack=95 ts=8/1000"), &x.out)
	if v != VerdictReply || d != tcpip.DropBadAck || !matches(show(&x.out), "RST seq=95") {
		t.Fatal(v, d, show(&x.out))
	}
	x.establish(r, "ACK seq=300 ack=100 ts=8/1000")
	x.want(StateEstablished)
}

// A dozen out-of-order pure ACKs are no attack.
func TestPAWSLetsReorderedAcksPass(t *testing.T) {
	x := stamped(t)
	x.recv("ACK seq=300 ack=100 len=5 ts=10/1000")
	x.recv("ACK seq=305 ack=100 ts=9/1000")
	x.dropped(tcpip.DropNone)
}

// TS.Recent follows only what begins at or before the last ACK sent (RFC 7323 §4.3).
func TestTSRecentUpdate(t *testing.T) {
	x := stamped(t)
	x.recv("ACK seq=310 ack=100 len=5 ts=20/1000")
	x.want("ACK ts=1000/7 sack=310-315")
	x.recv("ACK seq=300 ack=100 len=10 ts=15/1000")
	x.want("ACK ts=1000/15 ack=315")
}
