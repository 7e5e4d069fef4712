package packetdrill

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/packetdrill/peer"
)

// Recorder writes scripts of what a system does with a peer of chance: the settings, the calls of the user, the ACKs of
// the peer, what the system sends and what TCP_INFO says after each ACK. Whatever it writes it has played.
type Recorder struct {
	Conf Conf
	Make func(Conf) (System, error)
	// Grid is what times are rounded to, Linger how long the system may take to answer, and Slack by how much what
	// happens at once may be late: zero all for one that runs in virtual time.
	Grid, Linger, Slack time.Duration
}

const (
	maxRecorded = 250 // events of a script
	firstStamp  = 100 // the first timestamp of the system, in scripts
)

// Record returns the script that a profile and a seed lead to.
//
// Errors: a profile that is not there; a system that cannot be made or does not do what a script says that it just did,
// as a kernel on a machine that was busy.
func (rec *Recorder) Record(profile string, seed uint64) (text string, err error) {
	p, err := newPlan(profile, seed)
	if err != nil {
		return "", err
	}
	t := take{Recorder: rec, plan: p}
	t.text.WriteString(p.head())
	script, err := Parse(profile, t.text.String(), nil)
	if err != nil {
		return "", err
	}
	c := rec.Conf
	if err := c.Configure(script.Options); err != nil {
		return "", err
	}
	if t.run, err = newRun(script, c, rec.Make); err != nil {
		return "", err
	}
	defer t.run.end(&Result{})
	skip, err := t.run.guard(0, func() {
		for _, command := range script.Init {
			t.run.command(command)
		}
		t.run.last = t.run.system.Now()
		t.begin = t.run.last
		t.record(seed)
	})
	if skip != "" {
		err = skipped(skip)
	}
	return t.text.String(), err
}

// take is one recording.
type take struct {
	*Recorder
	plan   plan
	run    *Run
	peer   *peer.Peer
	begin  time.Duration
	text   strings.Builder
	events int
	fd     int              // the connection's label
	closed bool             // the socket was
	reset  bool             // the connection was
	known  map[string]int64 // of TCP_INFO: what was written last
}

// record opens the connection and goes on from one thing to happen to the next.
func (t *take) record(seed uint64) {
	t.open()
	t.peer = peer.New(t.plan.peer, seed)
	system, acts := t.run.system, t.plan.acts
	start := system.Now()
	end := start + t.plan.length
	for t.events < maxRecorded && !t.reset {
		until := end
		if at, ok := t.peer.Next(); ok {
			until = min(until, t.begin+at)
		}
		if len(acts) > 0 {
			until = min(until, start+acts[0].at)
		}
		if t.sent(until) {
			continue
		}
		now := system.Now()
		switch {
		case now >= end:
			return
		case len(acts) > 0 && now >= start+acts[0].at:
			t.call(fmt.Sprintf(acts[0].call, t.fd))
			t.answers()
			acts = acts[1:]
		default:
			if a, ok := t.peer.Due(now - t.begin); ok {
				t.play(now, t.ackText(a))
				t.answers()
				t.assert()
			}
		}
	}
}

// answers writes down what the system sends at once.
func (t *take) answers() {
	for t.sent(t.run.system.Now() + t.Linger) {
	}
}

// open makes the connection.
func (t *take) open() {
	p := &t.plan
	t.fd = 3
	t.call("socket(..., SOCK_STREAM, IPPROTO_TCP)")
	for _, o := range p.options {
		t.call("setsockopt(3, " + o + ")")
	}
	if p.active {
		t.call("fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK)")
		t.call("connect(3, ..., ...)")
		t.sent(t.run.system.Now() + patience)
		t.wait(p.peer.RTT)
		t.play(t.run.system.Now(), "< "+p.synFlags(true)+" 0:0(0) ack 1 win 65535 <"+p.synOptions(t.stamps(firstStamp))+">")
		t.sent(t.run.system.Now() + patience)
	} else {
		t.fd = 4
		t.call("setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4)")
		t.call("bind(3, ..., ...)")
		t.call("listen(3, 5)")
		t.play(t.run.system.Now(), "< "+p.synFlags(false)+" 0:0(0) win 65535 <"+p.synOptions(t.stamps(0))+">")
		t.sent(t.run.system.Now() + patience)
		t.wait(p.peer.RTT)
		t.play(t.run.system.Now(), t.ackText(peer.Ack{Ack: 1, Window: p.peer.Window >> p.peer.Scale, Stamp: t.now(), Ecr: firstStamp}))
		t.call("accept(3, ..., ...)")
		if p.nonblocking {
			t.call("fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK)")
		}
	}
	for _, o := range p.later {
		t.call(fmt.Sprintf("setsockopt(%d, %s)", t.fd, o))
	}
}

// stamps is the peer's timestamp option; now is its clock.
func (t *take) stamps(ecr uint32) string { return fmt.Sprintf("TS val %d ecr %d", t.now(), ecr) }

func (t *take) now() uint32 { return peer.Stamp(t.run.system.Now() - t.begin) }

// wait lets time pass.
func (t *take) wait(d time.Duration) {
	until := t.run.system.Now() + d
	t.run.system.Wait(until, func() bool { return t.run.system.Now() >= until })
}

// ackText is the line of an ACK.
func (t *take) ackText(a peer.Ack) string {
	flags := "."
	if a.Echo {
		flags = ".E"
	}
	var options []string
	if t.plan.peer.Stamps {
		options = append(options, fmt.Sprintf("nop,nop,TS val %d ecr %d", a.Stamp, a.Ecr))
	}
	if len(a.Blocks) > 0 {
		s := "nop,nop,sack"
		for _, b := range a.Blocks {
			s += fmt.Sprintf(" %d:%d", b.Left, b.Right)
		}
		options = append(options, s)
	}
	s := fmt.Sprintf("< %s 1:1(0) ack %d win %d", flags, a.Ack, a.Window)
	if len(options) > 0 {
		s += " <" + strings.Join(options, ",") + ">"
	}
	return s
}

// sent waits for a segment, writes it down and lets the peer know. It reports whether there was one.
func (t *take) sent(until time.Duration) bool {
	r := t.run
	h, w, f := r.next(until)
	if h == nil {
		return false
	}
	flags := w.tcp.Flags()
	if flags&header.SYN != 0 && !f.localKnown {
		f.localLive, f.localKnown = uint32(w.tcp.Seq()), true
	}
	s := t.segment(f, &w)
	front, back := f.segmentText(w.tcp)
	r.held = h
	t.play(h.at, "> "+w.ecnText()+front+back)
	t.reset = flags&header.RST != 0
	if t.peer != nil {
		t.peer.Sent(h.at-t.begin, s)
	}
	return true
}

// segment is what the peer sees of a segment.
func (t *take) segment(f *flow, w *wire) (s peer.Segment) {
	h := w.tcp
	s.Seq = f.scriptLocal(uint32(h.Seq()))
	s.End = s.Seq + uint32(len(h.Payload()))
	if h.Flags()&header.FIN != 0 {
		s.End++
	}
	s.CE, s.ECT, s.CWR = w.tos&3 == uint8(CE), w.tos&3 != 0, h.Flags()&header.CWR != 0
	live, _ := splitOptions(h.Options())
	for _, o := range live {
		if o[0] == kindTimestamp && len(o) == 10 {
			v := binary.BigEndian.Uint32(o[2:])
			if f.stamps == nil {
				f.stamps, f.stampScript, f.stampLive = map[uint32]uint32{}, firstStamp, v
			}
			s.Stamp, s.HasStamp = f.scriptStamp(v), true
		}
	}
	return s
}

// call makes a call of the user and writes down what it returns.
func (t *take) call(text string) {
	if t.closed {
		return
	}
	t.closed = strings.HasPrefix(text, "close(")
	r := t.run
	t.playResult(r.system.Now(), text+" = ...", func() string {
		if r.returned.errno != 0 {
			return text + " = -1 " + errnoName(r.returned.errno)
		}
		if strings.HasPrefix(text, "socket(") || strings.HasPrefix(text, "accept(") { // a label
			label := int64(3 + len(r.fds))
			r.label(label, int(r.returned.value))
			return fmt.Sprint(text, " = ", label)
		}
		return fmt.Sprint(text, " = ", r.returned.value)
	})
}

// play plays a line and writes it down.
func (t *take) play(at time.Duration, text string) {
	t.playResult(at, text, func() string { return text })
}

func (t *take) playResult(at time.Duration, text string, result func() string) {
	r := t.run
	base := r.last
	if r.lastIn && strings.HasPrefix(text, "<") {
		base = r.lastAt
	}
	gap := max(at-base, 0)
	switch grid := max(t.Grid, time.Microsecond); {
	case strings.HasPrefix(text, ">"):
		gap = gap.Round(grid)
	case gap <= t.Slack: // at once
		gap = 0
	default: // what is missing is waited for
		gap = (gap + grid - 1) / grid * grid
	}
	when := "+" + strings.TrimPrefix(strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.6f", gap.Seconds()), "0"), "."), "0")
	if when == "+" {
		when = "+0"
	}
	s, err := Parse(r.script.Name, when+" "+text, nil)
	if err != nil {
		scriptFail("%v", err)
	}
	r.event(&s.Events[0], t.begin)
	fmt.Fprintf(&t.text, "%8s %s\n", when, result())
	t.events++
}

// asserted are the fields of TCP_INFO that are written down when they have changed.
var asserted = []string{
	"state", "ca_state", "retransmits", "backoff", "probes", "unacked", "sacked", "lost", "retrans", "snd_cwnd", "snd_ssthresh", "reordering",
	"reord_seen", "total_retrans", "delivered", "delivered_ce", "dsack_dups", "notsent_bytes", "snd_mss", "snd_wnd", "bytes_acked",
}

// assert writes down what has changed in TCP_INFO.
func (t *take) assert() {
	if t.closed || t.reset {
		return
	}
	t.run.infoFrom = nil
	var list []string
	now := map[string]int64{}
	for _, name := range asserted {
		v, ok := t.run.lookup("tcpi_" + name)
		if !ok {
			continue
		}
		n := v.(int64)
		now[name] = n
		if n != t.known[name] { // 0 at first
			list = append(list, fmt.Sprintf("assert tcpi_%s == %d, tcpi_%s", name, n, name))
		}
	}
	t.known = now
	if len(list) > 0 {
		t.play(t.run.system.Now(), "%{ "+strings.Join(list, "\n            ")+" }%")
	}
}
