package tcb

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed963a8790/netstack/internal/seq"
)

// RFC 4821 §7.7, BEHAVIOUR B10: a path that swallows full segments without a word. As many timeouts in a row as three take, and
// the base MSS is tried.
func TestBlackHole(t *testing.T) {
	x := connected(t, "mss=1460 sackok")
	x.write(3000)
	x.want("ACK seq=100 len=1460", "ACK seq=1560 len=1460", "PSH|ACK seq=3020 len=80")
	x.sleep(201 * time.Millisecond)
	x.want("ACK seq=100 len=1460 again")
	x.sleep(402 * time.Millisecond)
	x.want("ACK seq=100 len=1460 again")
	x.sleep(804 * time.Millisecond)
	x.want("ACK seq=100 len=1460 again")
	x.sleep(1608 * time.Millisecond)
	x.want("ACK seq=100 len=1460 again") // not yet: each of them has taken 200 ms at first, and nothing else
	x.sleep(3216 * time.Millisecond)
	x.want("ACK seq=100 len=1024 again")
	x.recv("ACK seq=300 ack=1124")
	x.want("ACK seq=1124 len=436 again", "ACK seq=1560 len=1024 again")
	x.recv("ACK seq=300 ack=2584")
	x.want("PSH|ACK seq=2584 len=516 again") // two records in one segment
	x.recv("ACK seq=300 ack=3100")
	if got := x.tcb.MSS(); got != 1024 {
		t.Error(got)
	}
	x.write(1025)
	x.want("ACK seq=3100 len=1024", "PSH|ACK seq=4124 len=1")
}

// What the base MSS does not get through is halved, down to a floor.
func TestBlackHoleNarrow(t *testing.T) {
	x := connected(t, "mss=1460")
	x.write(1460)
	x.want("PSH|ACK seq=100 len=1460")
	for _, n := range []int{1460, 1460, 1460, 1460, 1024, 512, 256, 128, 64, 48, 48} {
		x.sleep(x.tcb.rtt.rto)
		flags := "ACK"
		if n == 1460 {
			flags = "PSH|ACK"
		}
		x.want(flags + " seq=100 again len=" + strconv.Itoa(n))
	}
}

// IPv6 guarantees 1280 bytes: nothing smaller is tried (BEHAVIOUR B11).
func TestBlackHoleIPv6(t *testing.T) {
	x := newTrace(t)
	x.path = Path{MTU: 1500, MinMTU: 1280, NetHeader: 40, AdvMSS: 1440}
	x.init()
	x.connect()
	x.recv("SYN|ACK seq=299 ack=100 mss=1440 sackok")
	x.want(StateEstablished, "ACK seq=100 ack=300")
	x.write(1440)
	x.want("PSH|ACK len=1440")
	for range 8 {
		x.sleep(x.tcb.rtt.rto)
		x.sent = nil
	}
	if got := x.tcb.MSS(); got != 1220 {
		t.Error(got)
	}
}

// With net.ipv4.tcp_mtu_probing at 0 nothing is tried.
func TestBlackHoleOff(t *testing.T) {
	x := connected(t, "mss=1460", func(c *Conf) { c.Probing = ProbingOff })
	x.write(1460)
	x.want("PSH|ACK len=1460")
	for range 8 {
		x.sleep(x.tcb.rtt.rto)
		x.want("PSH|ACK seq=100 len=1460 again")
	}
}

// With 2 a connection searches from the start: a probe is one segment of a size between what is known to work and what
// is not, sent where its loss can be noticed. As on Linux the others are as large as the device takes until the first
// probe has arrived.
func TestProbingAlways(t *testing.T) {
	x := connected(t, "mss=1460 sackok", func(c *Conf) { c.Probing, c.InitialWindow = ProbingAlways, 20 })
	if got := x.tcb.MSS(); got != 1460 {
		t.Fatal(got)
	}
	x.queue(20000)
	x.drain()
	if !matches(x.sent[0], "ACK seq=100 len=1242 probe") { // (1064 + 1500 + 1) / 2, less 40
		t.Fatal(x.sent[0])
	}
	for _, s := range x.sent[1:] {
		if !matches(s, "ACK len=1460 no-probe") && !matches(s, "PSH|ACK no-probe") {
			t.Fatal(s)
		}
	}
	x.sent = nil
	x.recv("ACK seq=300 ack=1342")
	if got := x.tcb.MSS(); got != 1242 {
		t.Error(got)
	}
	x.sent = nil
}

// The loss of a probe is no sign of congestion (RFC 4821 §7.6.2): the bytes go again, and the window stays.
func TestProbeLost(t *testing.T) {
	x := connected(t, "mss=1460 sackok", func(c *Conf) { c.Probing, c.InitialWindow = ProbingAlways, 20 })
	x.queue(20000)
	x.drain()
	x.sent = nil
	before := x.tcb.cc.cwnd
	x.recv("ACK seq=300 ack=100 sack=1342-5722")
	if len(x.sent) == 0 || !matches(x.sent[0], "ACK seq=100 len=1242 again") {
		t.Fatalf("%q", x.sent)
	}
	x.sent = nil
	if x.tcb.cc.cwnd < before || x.tcb.cc.ssthresh != infiniteSsthresh || x.tcb.search.high != 1281 {
		t.Errorf("window %d, threshold %d, search below %d", x.tcb.cc.cwnd, x.tcb.cc.ssthresh, x.tcb.search.high)
	}
}

// A probe that is refused below was not sent.
func TestProbeRefused(t *testing.T) {
	x := connected(t, "mss=1460 sackok", func(c *Conf) { c.Probing, c.InitialWindow = ProbingAlways, 20 })
	x.refuse = true
	x.queue(20000)
	x.drain()
	if x.tcb.search.probing || x.tcb.flight() != 0 {
		t.Error("the probe counts as sent")
	}
	if x.tcb.cc.cwnd != 20 {
		t.Error(x.tcb.cc.cwnd)
	}
	x.refuse = false
	x.drain()
	if !matches(x.sent[0], "ACK seq=100 len=1242 probe") {
		t.Error(x.sent[0])
	}
	x.sent = nil
}

// The search finds any path: segments above its size vanish, all else is acknowledged.
func TestSearchConverges(t *testing.T) {
	for _, mtu := range []int{200, 576, 1064, 1065, 1280, 1400, 1499, 1500} {
		x := connected(t, "mss=1460 sackok ws=7", func(c *Conf) { c.InitialWindow = 20 })
		cut := mtu - 40
		got := seq.Number(100)
		start := x.now
		var early []seq.Number // ends of what arrived behind a gap, starts before them
		for sent := 0; sent < 400_000 && x.now.Sub(start) < time.Minute; {
			for x.tcb.unsent() < 60_000 && x.tcb.Room() > 0 {
				x.queue(10_000)
				sent += 10_000
			}
			x.drain()
			progress := false
			for _, s := range x.sent {
				p := parseSegment(t, &x.pool, stripped(s), 0)
				from, end := p.Seq, p.Seq.Add(p.Len)
				releaseAll(p.Data)
				if p.Len == 0 || p.Len > cut {
					continue
				}
				progress = true
				if from.LessEq(got) && got.Less(end) {
					got = end
					for again := true; again; {
						again = false
						for i := 0; i+1 < len(early); i += 2 {
							if early[i].LessEq(got) && got.Less(early[i+1]) {
								got, again = early[i+1], true
							}
						}
					}
				} else if got.Less(from) {
					early = append(early, from, end)
				}
			}
			x.sent = nil
			if !progress {
				x.sleep(max(x.tcb.Deadline().Sub(x.now), 0))
				continue
			}
			x.now = x.now.Add(10 * time.Millisecond)
			text := "ACK seq=300 win=60000 ack=" + strconv.Itoa(int(got))
			for i := len(early) - 2; i >= 0; i -= 2 {
				if got.Less(early[i]) {
					text += " sack=" + strconv.Itoa(int(early[i])) + "-" + strconv.Itoa(int(early[i+1]))
					break
				}
			}
			s := x.parse(text)
			x.tcb.Segment(x.now, s)
			x.check()
		}
		x.sent = nil
		want := min(mtu, 1500)
		if m := x.tcb.MSS() + 40; m > want || mtu >= 1064 && m < want-2*x.conf.ProbeThreshold || got == 100 {
			t.Errorf("a path of %d: segments for %d, %d bytes through in %v", mtu, m, got-100, x.now.Sub(start))
		}
	}
}

// stripped returns what show says without the words that parseSegment does not know.
func stripped(s string) string {
	var kept string
	for i, f := range strings.Fields(s) {
		switch {
		case i == 0:
			kept = f
		case len(f) > 4 && (f[:4] == "seq=" || f[:4] == "ack=" || f[:4] == "len="):
			kept += " " + f
		}
	}
	return kept
}
