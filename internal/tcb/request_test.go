package tcb

import (
	"math"
	"testing"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// says feeds text to r and compares the verdict, the reason and what is sent.
func (x *trace) says(r *Request, text string, v Verdict, d tcpip.Drop, reply string) {
	x.t.Helper()
	s := x.parse(text)
	gotV, gotD := r.Segment(x.now, s, &x.out)
	releaseAll(s.Data)
	if gotV != v || gotD != d {
		x.t.Fatalf("%s: verdict %v, %v; want %v, %v", text, gotV, gotD, v, d)
	}
	if v == VerdictReply && !matches(show(&x.out), reply) {
		x.t.Fatalf("%s: answered %q, want %q", text, show(&x.out), reply)
	}
}

// RFC 9293 §3.5 Figure 6, from the passive side.
func TestPassiveOpen(t *testing.T) {
	x, r := requested(t, "mss=1460 ws=3 sackok ts=7/0", withTimestamps)
	if got := show(&x.out); !matches(got, "SYN|ACK seq=99 ack=300 win=65160 mss=1460 ws=7 sackok ts=1000/7") { // 45 segments with timestamps
		t.Fatal(got)
	}
	x.now = x.now.Add(30 * time.Millisecond)
	x.establish(r, "ACK seq=300 ack=100 win=1000 ts=8/1000")
	x.want(StateEstablished)
	x.events(EventConnected)
	if i := x.tcb.Info(x.now); i.RTT != 30*time.Millisecond || i.SendWindow != 8000 || i.SendScale != 3 || i.ReceiveScale != 7 || i.SendMSS != 1448 {
		t.Errorf("%+v", i)
	}
}

// Options are only used if both ends want them. Shows MUST-14.
func TestNegotiation(t *testing.T) {
	x, r := requested(t, "mss=1460 ws=3 sackok ts=7/0", func(c *Conf) { c.SACK, c.Scaling = false, false })
	if got := show(&x.out); !matches(got, "SYN|ACK no-ws no-sackok no-ts") {
		t.Fatal(got)
	}
	x.establish(r, "ACK seq=300 ack=100 win=1000")
	if i := x.tcb.Info(x.now); i.Options != 0 || i.SendWindow != 1000 {
		t.Errorf("%+v", i)
	}
}

func TestSynAckRetransmission(t *testing.T) {
	x, r := requested(t, "mss=1460")
	for wait := time.Second; wait <= 16*time.Second; wait *= 2 {
		if d := r.Deadline().Sub(x.now); d != wait {
			t.Fatalf("waits %v, want %v", d, wait)
		}
		x.now = r.Deadline()
		if v := r.Advance(x.now, &x.out); v != VerdictReply || !matches(show(&x.out), "SYN|ACK seq=99 ack=300") {
			t.Fatal(v, show(&x.out))
		}
	}
	x.now = r.Deadline()
	if v := r.Advance(x.now, &x.out); v != VerdictRemove {
		t.Fatal(v)
	}
}

// RFC 5961 §3 and RFC 9293 §3.10.7.4 in SYN-RECEIVED.
func TestRequestSegments(t *testing.T) {
	x, r := requested(t, "mss=1460 ts=7/0", withTimestamps)
	x.says(r, "SYN seq=299 ts=7/0", VerdictReply, tcpip.DropNone, "SYN|ACK seq=99 ack=300")
	x.says(r, "SYN seq=299 ts=7/0", VerdictDrop, tcpip.DropRateLimited, "")
	x.sleep(time.Second)
	x.says(r, "ACK seq=300 ack=101", VerdictReply, tcpip.DropBadAck, "RST seq=101")
	x.says(r, "ACK seq=300 ack=100 ts=6/1000", VerdictReply, tcpip.DropPAWS, "ACK seq=100 ack=300 challenge")
	x.says(r, "ACK seq=90000 ack=100 ts=8/1000", VerdictDrop, tcpip.DropWindow, "")
	x.says(r, "RST seq=301", VerdictDrop, tcpip.DropBadReset, "")
	x.sleep(time.Second)
	x.says(r, "SYN seq=305 ts=8/1000", VerdictRefuse, tcpip.DropSynInWindow, "RST|ACK seq=0 ack=306")
	x.says(r, "PSH seq=300 ts=8/1000 len=5", VerdictDrop, tcpip.DropNoAck, "")
	x.says(r, "RST seq=300", VerdictRemove, tcpip.DropNone, "")
}

// TCP_DEFER_ACCEPT: the bare ACK does not do, data does.
func TestDeferAccept(t *testing.T) {
	x, r := requested(t, "mss=1460", func(c *Conf) { c.DeferAccept = 3 })
	x.says(r, "ACK seq=300 ack=100", VerdictDrop, tcpip.DropNone, "")
	if !r.Deferred() {
		t.Error("not deferred")
	}
	x.establish(r, "PSH|ACK seq=300 ack=100 len=5")
	x.want(StateEstablished, "ACK ack=305")
	x.read(5)
}

// The handshake took more than one SYN-ACK: no RTT sample without timestamps, and a small start.
func TestSynAckWasSentAgain(t *testing.T) {
	x, r := requested(t, "mss=1000")
	for range 2 {
		x.now = r.Deadline()
		r.Advance(x.now, &x.out)
	}
	x.establish(r, "ACK seq=300 ack=100")
	if x.tcb.rtt.srtt != 0 || x.tcb.rtt.rto != fallbackRTO || x.tcb.cc.cwnd != 1 {
		t.Errorf("%+v, cwnd %d", x.tcb.rtt, x.tcb.cc.cwnd)
	}
}

var (
	cookieKey   = [2]uint64{1, 2}
	cookieTuple = Tuple{1, 2, 3, 4, 5}
)

// cookie answers syn with a cookie and returns the request that the ACK makes of it.
func (x *trace) cookie(syn, ack string, later time.Duration) (Request, *Segment, tcpip.Drop) {
	x.t.Helper()
	k := NewCookies(cookieKey)
	offset := x.identity().TSOffset
	k.SynAck(x.now, x.parse(syn), &x.conf, x.path, cookieTuple, offset, &x.out)
	s := x.parse(ack)
	s.Ack = x.out.Seq + 1
	if s.Options.HasTimestamp {
		s.Options.TSEcr = x.out.Options.TSVal
	}
	x.now = x.now.Add(later)
	r, d := k.Request(x.now, s, &x.conf, x.path, cookieTuple, offset)
	return r, s, d
}

func (x *trace) establishCookie(r *Request, s *Segment) {
	x.t.Helper()
	if v, d := r.Segment(x.now, s, &x.out); v != VerdictEstablish {
		x.t.Fatal(v, d)
	}
	r.Establish(x.now, s, &x.tcb, &x.conf)
	x.drain()
}

// With timestamps a cookie keeps everything: MSS, scaling, SACK.
func TestCookie(t *testing.T) {
	x := newTrace(t, withTimestamps)
	r, s, d := x.cookie("SYN seq=299 mss=1460 ws=3 sackok ts=7/0", "ACK seq=300 win=1000 ts=8/0", time.Second)
	if d != tcpip.DropNone || !matches(show(&x.out), "SYN|ACK ack=300 mss=1460 ws=7 sackok") {
		t.Fatal(d, show(&x.out))
	}
	x.establishCookie(&r, s)
	i := x.tcb.Info(x.now)
	if i.State != StateEstablished || i.Options != InfoTimestamps|InfoSACK|InfoScaling || i.SendScale != 3 || i.SendWindow != 8000 || i.SendMSS != 1448 {
		t.Errorf("%+v", i)
	}
}

// A1–A3 on the cookie path: without the option in the ACK there are no timestamps, scaling or SACK.
func TestA3_CookieWithoutTimestamp(t *testing.T) {
	x := newTrace(t, withTimestamps)
	r, s, d := x.cookie("SYN seq=299 mss=1460 ws=3 sackok ts=7/0", "PSH|ACK seq=300 win=5000 len=5", 0)
	if d != tcpip.DropNone {
		t.Fatal(d)
	}
	x.establishCookie(&r, s)
	if i := x.tcb.Info(x.now); i.State != StateEstablished || i.Options != 0 || i.SendWindow != 5000 {
		t.Errorf("%+v", i)
	}
	x.read(5)
}

func TestCookieMSS(t *testing.T) {
	for mss, want := range map[string]int{"100": 536, "536": 536, "1459": 1440, "1460": 1460, "9000": 1460} {
		x := newTrace(t)
		r, _, d := x.cookie("SYN seq=299 mss="+mss, "ACK seq=300", 0)
		if d != tcpip.DropNone || int(r.mss) != want {
			t.Errorf("%s: %v, %d", mss, d, r.mss)
		}
	}
}

// A cookie is good for a minute or two, for its own connection, and cannot be guessed.
func TestBadCookie(t *testing.T) {
	x := newTrace(t)
	if _, _, d := x.cookie("SYN seq=299", "ACK seq=300", 59*time.Second); d != tcpip.DropNone {
		t.Error(d)
	}
	if _, _, d := x.cookie("SYN seq=299", "ACK seq=300", 2*time.Minute); d != tcpip.DropBadCookie {
		t.Error(d)
	}
	if _, _, d := x.cookie("SYN seq=299", "ACK seq=400", 0); d != tcpip.DropBadCookie {
		t.Error(d)
	}
	k := NewCookies(cookieKey)
	hits := 0
	for i := range 100_000 {
		s := &Segment{Seq: 300, Ack: seq.Number(i * 40_503), Flags: header.ACK}
		if _, d := k.Request(x.now, s, &x.conf, x.path, cookieTuple, 0); d == tcpip.DropNone {
			hits++
		}
	}
	if hits > 2 {
		t.Errorf("%d guesses of 100000 hit", hits)
	}
	if _, d := k.Request(x.now, x.parse("RST|ACK seq=300 ack=1"), &x.conf, x.path, cookieTuple, 0); d != tcpip.DropBadCookie {
		t.Error(d)
	}
}

// A cookie is good for the SYN that it answered alone: of a later segment of the connection that it made it says
// nothing, however many bytes went either way.
func TestCookieOfLaterSegments(t *testing.T) {
	for _, moved := range []int{1, 5, 14480, 1 << 20, 1 << 24, math.MaxInt32} {
		x := newTrace(t)
		k := NewCookies(cookieKey)
		k.SynAck(x.now, x.parse("SYN seq=299 mss=1460"), &x.conf, x.path, cookieTuple, 0, &x.out)
		s := &Segment{Seq: seq.Number(300).Add(moved), Ack: (x.out.Seq + 1).Add(moved), Flags: header.ACK}
		if _, d := k.Request(x.now, s, &x.conf, x.path, cookieTuple, 0); d != tcpip.DropBadCookie {
			t.Errorf("after %d bytes each way: %v", moved, d)
		}
	}
}

// RFC 9293 §3.10.7.1: the answer to a segment that belongs to nobody.
func TestBuildReset(t *testing.T) {
	x := newTrace(t)
	for text, want := range map[string]string{
		"SYN seq=10":              "RST|ACK seq=0 ack=11",
		"FIN seq=10 len=5":        "RST|ACK seq=0 ack=16",
		"ACK seq=10 ack=77 len=5": "RST seq=77 ack=0",
		"RST seq=10":              "",
	} {
		s := x.parse(text)
		if ok := BuildReset(s, &x.out); ok != (want != "") || ok && !matches(show(&x.out), want) {
			t.Errorf("%s: %v %s", text, ok, show(&x.out))
		}
		releaseAll(s.Data)
	}
}

// timeWaiting is a record of a connection that we closed: our next number is 101, the peer's 301.
func timeWaiting(t *testing.T) (*trace, *TimeWait) {
	x := stamped(t)
	x.close()
	x.recv("FIN|ACK seq=300 ack=101 ts=10/1000")
	x.want(StateTimeWait, "FIN|ACK", "ACK")
	w := x.tcb.TimeWait()
	return x, &w
}

func (x *trace) timeWaitSays(w *TimeWait, text string, v Verdict, reply string) {
	x.t.Helper()
	if got, _ := w.Segment(x.now, x.parse(text), &x.out); got != v {
		x.t.Fatalf("%s: verdict %v, want %v", text, got, v)
	}
	if v == VerdictReply && !matches(show(&x.out), reply) {
		x.t.Fatalf("%s: answered %q, want %q", text, show(&x.out), reply)
	}
}

func TestTimeWaitRecord(t *testing.T) {
	x, w := timeWaiting(t)
	if d := w.Deadline().Sub(x.now); d != TimeWaitLength {
		t.Error(d)
	}
	x.timeWaitSays(w, "FIN|ACK seq=300 ack=101 ts=10/1000", VerdictReply, "ACK seq=101 ack=301 ts=1000/10")
	x.timeWaitSays(w, "FIN|ACK seq=300 ack=101 ts=10/1000", VerdictReply, "ACK seq=101 ack=301 ts=1000/10")
	x.timeWaitSays(w, "ACK seq=300 ack=101 ts=10/1000", VerdictReply, "ACK seq=101 ack=301 ts=1000/10")
	x.timeWaitSays(w, "ACK seq=300 ack=101 ts=10/1000", VerdictDrop, "") // what takes no number gets one now and then
	x.sleep(time.Second)
	w.robust = true
	x.timeWaitSays(w, "RST seq=301", VerdictDrop, "") // RFC 1337
	w.robust = false
	x.timeWaitSays(w, "RST seq=302", VerdictDrop, "") // only the next number is believed
	x.timeWaitSays(w, "ACK seq=301 ack=101 ts=11/1000", VerdictDrop, "")
	if d := w.Deadline().Sub(x.now); d != TimeWaitLength {
		t.Error(d)
	}
	x.timeWaitSays(w, "ACK seq=301 ack=101 len=5 ts=11/1000", VerdictReply, "ACK seq=101 ack=301")
	x.timeWaitSays(w, "RST seq=301", VerdictRemove, "")
}

// RFC 6191: a SYN opens a new connection, if its timestamp or its number is newer. Shows MAY-2, SHLD-4.
func TestTimeWaitReuse(t *testing.T) {
	x, w := timeWaiting(t)
	x.timeWaitSays(w, "SYN seq=100 ts=9/0", VerdictReply, "ACK seq=101 ack=301")
	x.timeWaitSays(w, "SYN seq=100 ts=11/0", VerdictNew, "")
	x.timeWaitSays(w, "SYN seq=302", VerdictNew, "")
	x.sleep(time.Second)
	x.timeWaitSays(w, "SYN seq=301", VerdictReply, "ACK seq=101 ack=301")
	if iss := seq.Number(w.NextISS()); !seq.Number(101 + 65535).Less(iss) {
		t.Error(iss)
	}
}
