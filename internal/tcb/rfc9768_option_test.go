package tcb

import (
	"testing"
	"time"

	"github.com/seed963a8790/netstack/header"
)

func withOption(c *Conf) { c.ECN = ECNAccurate }

// optionConnected is an active open with accurate feedback whose SYN-ACK has options of its own.
func optionConnected(t *testing.T, options string, edit ...func(*Conf)) *trace {
	t.Helper()
	x := newTrace(t, append([]func(*Conf){withOption}, edit...)...)
	x.tcb.Connect(x.now)
	x.drain()
	x.recv("SYN|ACK|CWR seq=299 ack=100 mss=1000 sackok " + options)
	x.tcb.rcv.lastData, x.tcb.due.quick = x.now, 0
	return x
}

// RFC 9768 §3.2.3.2.1: no option in the SYN; one in the SYN-ACK, once, in the ACK of it, and in the first data.
func TestOptionInHandshake(t *testing.T) {
	x := optionConnected(t, "acc1=1,0,1")
	x.want("SYN|ECE|CWR|AE seq=99", "ACK|CWR seq=100 acc1=1;0;1")
	x.write(2000)
	x.want("ACK|ECE|AE seq=100 len=988 acc1=1;0;1", "ACK|ECE|AE seq=1088 len=1000", "PSH|ACK|ECE|AE seq=2088 len=12")
	if x.out.Options.AccECN.Has {
		t.Error("an option with nothing to say")
	}

	y, r := requested(t, "mss=1000", withOption)
	r.Init(y.now, y.parse("SYN|ECE|CWR|AE seq=299"), &y.conf, y.path, y.identity())
	r.SynAck(y.now, &y.out)
	if got := show(&y.out); !matches(got, "SYN|ACK|CWR seq=99 ack=300 acc1=1;0;1") {
		t.Error(got)
	}
	y.sleep(time.Second)
	if v := r.Advance(y.now, &y.out); v != VerdictReply || y.out.Options.AccECN.Has {
		t.Error("again with the option", v)
	}
	y.establish(r, "ACK|CWR seq=300 ack=100")
	if a := y.tcb.acc; !a.mute || a.failure() != FailSentOption {
		t.Error("it may be what was dropped, and goes on")
	}
}

// §3.2.3.3: bytes are counted by their marks, duplicates included; the order is such that what changes comes first. A change
// of the counter is told with the next scheduled acknowledgement; the first mark is acknowledged at once (§3.2.2.5.1).
func TestOptionCounts(t *testing.T) {
	x := optionConnected(t, "acc1=1,0,1")
	x.tcb.tun.earned = 1 << 20
	x.write(1)
	x.sent = nil
	x.recv("ACK|CWR|ECE|AE seq=300 ack=101 len=1000 mark=2") // its ACE is of no account here
	x.want()
	x.recv("ACK|CWR|ECE|AE seq=1300 ack=101 len=1000 mark=2")
	x.sleep(40 * time.Millisecond)
	x.want("ACK|ECE|AE ack=2300 acc0=2001;0;1")
	x.recv("ACK|CWR|ECE|AE seq=2300 ack=101 len=500 mark=1")
	x.want()
	x.sleep(40 * time.Millisecond)
	x.want("ACK|ECE|AE ack=2800 acc1=501;0;2001")
	x.recv("ACK|CWR|ECE|AE seq=2800 ack=101 len=500 mark=3")
	x.want("ACK|CWR|AE ack=3300 acc0=2001;500;501")
	x.recv("ACK|CWR|ECE|AE seq=2800 ack=101 len=500 mark=3") // again: two blocks and the option, in 40 bytes
	x.want("ACK|ECE|CWR|AE ack=3300 acc0=2001;1000;501 sack=2800-3300")
	if i := x.tcb.Info(x.now); i.ReceivedMarks != (MarkBytes{2000, 1000, 500}) || i.Marked != 2 {
		t.Error(i.ReceivedMarks, i.Marked)
	}
	x.read(3000)
}

// §3.2.3.3: two SACK blocks count for more than the option, which is cut from its end where that says all that is new.
func TestOptionBesideSACK(t *testing.T) {
	room := func(blocks int, told, now MarkBytes) header.AccECN {
		x := &TCB{acc: &accurate{}, conf: &Conf{ECNOption: ReportChanges}}
		x.acc.told, x.ecn.bytes = told, now
		x.opt.sack, x.count.dataOut, x.ooo.n = true, 1, int32(blocks)
		var o header.TCPOptions
		x.reportBytes(0, &o, header.TCPOptionSpace-timestampSize)
		return o.AccECN
	}
	for i, c := range []struct {
		blocks    int
		told, now MarkBytes
		want      header.AccECN
	}{
		{0, MarkBytes{}, MarkBytes{E0: 9}, header.AccECN{Has: true, Count: 3, Fields: [3]uint32{10, 0, 1}}},
		{1, MarkBytes{}, MarkBytes{E0: 9}, header.AccECN{Has: true, Count: 3, Fields: [3]uint32{10, 0, 1}}},
		{3, MarkBytes{E0: 5}, MarkBytes{E0: 9, CE: 1}, header.AccECN{Has: true, Count: 2, Fields: [3]uint32{10, 1, 1}}},
		{3, MarkBytes{E0: 9}, MarkBytes{E0: 9, CE: 1, E1: 4}, header.AccECN{Has: true, Count: 2, ECT1First: true, Fields: [3]uint32{5, 1, 10}}},
		{3, MarkBytes{}, MarkBytes{E0: 9, E1: 4}, header.AccECN{}},
		{0, MarkBytes{E0: 9}, MarkBytes{E0: 9}, header.AccECN{}},
	} {
		if got := room(c.blocks, c.told, c.now); got != c.want {
			t.Errorf("%d: %+v", i, got)
		}
	}
}

// §3.2.3.2.4: counters that begin with zero are not believed, ever.
func TestOptionZeroed(t *testing.T) {
	x := optionConnected(t, "acc1=0,0,0")
	x.sent = nil
	x.recv("ACK|ECE|AE seq=300 ack=100 acc0=1001,500,1")
	if i := x.tcb.Info(x.now); i.AccECNOption != OptionZeroed || i.AccECNFailure != FailReceivedOption || i.DeliveredMarks != (MarkBytes{}) {
		t.Error(i.AccECNOption, i.AccECNFailure, i.DeliveredMarks)
	}
}

// §3.2.3.1: counters are of 24 bits and go forward only; what is left out has not changed.
func TestOptionReports(t *testing.T) {
	x := optionConnected(t, "")
	x.sent = nil
	x.recv("ACK|ECE|AE seq=300 ack=100 acc0=1001")
	x.recv("ACK|ECE|AE seq=300 ack=100 acc1=21,500,801") // overtaken
	if i := x.tcb.Info(x.now); i.DeliveredMarks != (MarkBytes{E0: 1000, CE: 500, E1: 20}) || i.AccECNOption != OptionCounters {
		t.Error(i.DeliveredMarks, i.AccECNOption)
	}
	x.tcb.acc.peer.E0 = 1<<25 - 10
	x.recv("ACK|ECE|AE seq=300 ack=100 acc0=91")
	if got := x.tcb.acc.peer.E0; got != 1<<25+90 {
		t.Error(got)
	}
	y := optionConnected(t, "")
	y.recv("ACK|ECE|AE seq=300 ack=100 acc1=")
	if got := y.tcb.Info(y.now).AccECNOption; got != OptionEmpty {
		t.Error(got)
	}
}

// Appendix A.2.2: bytes tell how often ACE has wrapped.
func TestOptionTellsWraps(t *testing.T) {
	for _, c := range []struct {
		option string
		marked uint32
	}{{"acc0=1,0,1", 1}, {"acc0=1,900,1", 1}, {"acc0=1,8001,1", 9}, {"", 9}} {
		x := optionConnected(t, "acc1=1,0,1")
		x.write(9900)
		x.sent = nil
		x.recv("ACK|CWR|AE seq=300 ack=10000 " + c.option)
		if got := x.tcb.count.deliveredMarked; got != c.marked {
			t.Errorf("%q: %d", c.option, got)
		}
	}
}

// §3.2.3.2.2: where the first data is lost with the option, what is sent again has none, and nothing has later.
func TestOptionLost(t *testing.T) {
	x := optionConnected(t, "acc1=1,0,1")
	x.sent = nil
	x.write(100)
	x.want("PSH|ACK|ECE|AE seq=100 acc1=1;0;1")
	x.sleep(time.Second)
	if len(x.sent) == 0 || matches(x.sent[0], "PSH|ACK|ECE|AE acc1=1;0;1") {
		t.Error(x.sent)
	}
	x.recv("ACK|ECE|AE seq=300 ack=200 len=1000 mark=3")
	x.sleep(time.Second)
	for _, s := range x.sent {
		if matches(s, "ACK|CWR|AE ack=1300 acc0=1;1000;1") {
			t.Error(s)
		}
	}
	x.sent = nil
	x.read(1000)
	if f := x.tcb.acc.failure(); f != FailSentOption {
		t.Error(f)
	}
}

// What is refused below has its option when it goes out; with the option off there is none.
func TestOptionRefused(t *testing.T) {
	x := optionConnected(t, "acc1=1,0,1")
	x.write(1)
	x.recv("ACK|ECE|AE seq=300 ack=101")
	x.sent = nil
	x.refuse = true
	x.recv("ACK|ECE|AE seq=300 ack=101 len=1000 mark=3")
	x.refuse = false
	x.drain()
	x.want("ACK|CWR|AE ack=1300 acc1=1;1000;1")
	x.read(1000)
	y := optionConnected(t, "", func(c *Conf) { c.ECNOption = ReportNever })
	if matches(y.sent[1], "ACK|CWR acc1=1;0;1") {
		t.Error(y.sent)
	}
}
