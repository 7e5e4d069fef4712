package tcb

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/tcpip"
)

// trace drives one TCB by hand. We are at sequence number 100 when established, the peer is at 300.
// Segments are written as "FLAGS seq=n ack=n len=n win=n ts=val/ecr sack=a-b,c-d mss=n ws=n sackok urg=n";
// what an expectation does not mention is not looked at.
type trace struct {
	t    *testing.T
	tcb  TCB
	conf Conf
	path Path
	now  tcpip.Time
	pool slab.Pool
	sent []string
	out  Out
	drop tcpip.Drop
	all  Events // since the last look

	tallied [NumTallies]int // since the last look

	win    int // what recv announces if the text does not say
	refuse bool
}

const (
	ourISS   = 99
	peerISS  = 299
	traceNow = tcpip.Time(1 << 40)
	ourTS    = 1000 // our clock at traceNow
)

func traceConf() Conf {
	c := DefaultConf()
	c.Timestamps = tcpip.TimestampsOff
	c.NoDelay = true
	c.EarlyRetransmit = 0 // a tail loss probe would come before most timeouts; see rfc8985_test.go
	return c
}

func newTrace(t *testing.T, edit ...func(*Conf)) *trace {
	t.Helper()
	x := &trace{t: t, conf: traceConf(), now: traceNow, win: 65535, path: Path{MTU: 1500, NetHeader: 20, AdvMSS: 1460}}
	for _, e := range edit {
		e(&x.conf)
	}
	x.init()
	t.Cleanup(x.finish)
	return x
}

func (x *trace) init() {
	x.tcb.Init(x.now, &x.conf, x.path, x.identity())
}

func (x *trace) identity() Identity {
	at := traceNow
	return Identity{ISS: ourISS, TSOffset: ourTS - uint32(int64(at)/int64(time.Millisecond))}
}

// connected goes through an active open, in which the peer's SYN-ACK has the options of synAck.
func connected(t *testing.T, synAck string, edit ...func(*Conf)) *trace {
	t.Helper()
	x := newTrace(t, edit...)
	x.connect()
	x.recv("SYN|ACK seq=299 ack=100 " + synAck)
	x.want(StateEstablished, "ACK seq=100 ack=300")
	x.tcb.rcv.lastData = x.now // the quick acknowledgements of the start are over
	return x
}

// established is a connection without options but MSS and SACK.
func established(t *testing.T, edit ...func(*Conf)) *trace {
	t.Helper()
	return connected(t, "mss=1000 sackok", edit...)
}

func (x *trace) connect() {
	x.t.Helper()
	if err := x.tcb.Connect(x.now); err != tcpip.OK {
		x.t.Fatal(err)
	}
	x.drain()
	x.want(StateSynSent, "SYN seq=99")
}

// finish ends the test: no byte may remain.
func (x *trace) finish() {
	x.tcb.Abort(x.now)
	x.drain()
	if n := x.pool.Live(); n != 0 && !x.t.Failed() {
		x.t.Errorf("%d bytes of slabs are left", n)
	}
}

func (x *trace) drain() {
	x.t.Helper()
	for i := 0; x.tcb.Poll(x.now, &x.out); i++ {
		if i > 10000 {
			x.t.Fatal("Poll does not end")
		}
		text := show(&x.out)
		at := x.out.Seq
		if x.out.Flags&header.SYN != 0 {
			at++
		}
		for i := range x.out.Data {
			checkPattern(x.t, x.out.Data[i].Bytes(), at)
			at = at.Add(x.out.Data[i].Len())
			x.out.Data[i].Release()
		}
		if x.refuse {
			x.tcb.Refused(x.now, &x.out)
			break
		}
		x.sent = append(x.sent, text)
		for s := x.out.Tallies; s != 0; {
			x.tallied[s.Next()]++
		}
	}
	x.all |= x.tcb.TakeEvents()
	if x.all&EventTally != 0 {
		for k, n := range x.tcb.TakeTallies() {
			x.tallied[k] += int(n)
		}
	}
	x.check()
}

func (x *trace) check() {
	x.t.Helper()
	if err := x.tcb.Check(); err != nil {
		x.t.Fatal(err)
	}
}

// recv feeds the segment text, or several.
func (x *trace) recv(texts ...string) {
	x.t.Helper()
	for _, text := range texts {
		s := x.parse(text)
		x.drop = x.tcb.Segment(x.now, s)
		x.drain()
	}
}

func (x *trace) dropped(d tcpip.Drop) {
	x.t.Helper()
	if x.drop != d {
		x.t.Fatalf("dropped for %v, want %v", x.drop, d)
	}
}

// want compares what was sent since the last want, and the state, with what is given.
func (x *trace) want(expected ...any) {
	x.t.Helper()
	var texts []string
	for _, e := range expected {
		switch e := e.(type) {
		case State:
			if x.tcb.State() != e {
				x.t.Fatalf("state %v, want %v; sent %q", x.tcb.State(), e, x.sent)
			}
		case string:
			texts = append(texts, e)
		}
	}
	if len(texts) != len(x.sent) {
		x.t.Fatalf("sent %q, want %q", x.sent, texts)
	}
	for i, text := range texts {
		if !matches(x.sent[i], text) {
			x.t.Fatalf("segment %d is %q, want %q", i, x.sent[i], text)
		}
	}
	x.sent = x.sent[:0]
}

func matches(sent, want string) bool {
	have := strings.Fields(sent)
	for i, w := range strings.Fields(want) {
		if i == 0 && w != have[0] {
			return false
		}
		if i == 0 {
			continue
		}
		found := false
		for _, h := range have[1:] {
			found = found || h == w
		}
		if name, no := strings.CutPrefix(w, "no-"); no {
			found = true
			for _, h := range have[1:] {
				if h == name || strings.HasPrefix(h, name+"=") {
					return false
				}
			}
		}
		if !found {
			return false
		}
	}
	return true
}

func (x *trace) events(want Events) {
	x.t.Helper()
	if x.all&want != want {
		x.t.Fatalf("events %b lack %b", x.all, want&^x.all)
	}
	x.all = 0
}

// sleep lets d pass, and runs every deadline at its time.
func (x *trace) sleep(d time.Duration) {
	x.t.Helper()
	end := x.now.Add(d)
	for i := 0; ; i++ {
		next := x.tcb.Deadline()
		if next == 0 || next > end {
			break
		}
		x.now = max(x.now, next)
		x.tcb.Advance(x.now)
		x.drain()
		if i > 10000 {
			x.t.Fatal("deadlines do not end")
		}
	}
	x.now = end
	x.tcb.Advance(end)
	x.drain()
}

// write queues n bytes in one piece.
func (x *trace) write(n int) tcpip.Error {
	x.t.Helper()
	err := x.queue(n)
	x.drain()
	return err
}

func (x *trace) queue(n int) tcpip.Error {
	x.t.Helper()
	p, _ := x.pool.Get(n)
	fillPattern(p.Extend(n), x.tcb.sendQ.end)
	return x.tcb.Write(x.now, p)
}

// read takes n bytes, which must be there.
func (x *trace) read(n int) {
	x.t.Helper()
	if x.tcb.ReadableLen() < n {
		x.t.Fatalf("%d bytes readable, want %d", x.tcb.ReadableLen(), n)
	}
	at := x.tcb.rcv.nxt.Add(-x.tcb.ReadableLen())
	if peerDone.has(x.tcb.State()) {
		at--
	}
	left := n
	for _, p := range x.tcb.Readable() {
		k := min(left, p.Len())
		if x.tcb.rcv.urgent.state == urgentNone {
			checkPattern(x.t, p.Bytes()[:k], at)
		}
		at = at.Add(k)
		left -= k
	}
	x.tcb.Consume(x.now, n)
	x.drain()
}

func (x *trace) close()    { x.t.Helper(); x.tcb.Close(x.now); x.drain() }
func (x *trace) abort()    { x.t.Helper(); x.tcb.Abort(x.now); x.drain() }
func (x *trace) shutdown() { x.t.Helper(); x.tcb.Shutdown(x.now, tcpip.ShutdownWrite); x.drain() }

func (x *trace) set(edit func(*Conf)) {
	x.t.Helper()
	edit(&x.conf)
	x.tcb.SetConf(x.now, &x.conf)
	x.drain()
}

func (x *trace) failed(err tcpip.Error) {
	x.t.Helper()
	if x.tcb.Err() != err {
		x.t.Fatalf("error %v, want %v", x.tcb.Err(), err)
	}
}

func pattern(n seq.Number) byte { return byte(n*7 + n>>8) }

func fillPattern(b []byte, at seq.Number) {
	for i := range b {
		b[i] = pattern(at.Add(i))
	}
}

func checkPattern(t testing.TB, b []byte, at seq.Number) {
	t.Helper()
	for i := range b {
		if b[i] != pattern(at.Add(i)) {
			t.Fatalf("wrong byte at %d", at.Add(i))
		}
	}
}

func (x *trace) parse(text string) *Segment { return parseSegment(x.t, &x.pool, text, x.win) }

func parseSegment(t testing.TB, pool *slab.Pool, text string, win int) *Segment {
	t.Helper()
	fields := strings.Fields(text)
	s := &Segment{Window: uint16(win), Wire: 1}
	var ok bool
	if s.Flags, ok = header.ParseTCPFlags(fields[0]); !ok {
		t.Fatalf("bad flags in %q", text)
	}
	o := &s.Options
	for _, f := range fields[1:] {
		name, value, _ := strings.Cut(f, "=")
		n, _ := strconv.Atoi(value)
		switch name {
		case "seq":
			s.Seq = seq.Number(n)
		case "ack":
			s.Ack = seq.Number(n)
		case "win":
			s.Window = uint16(n)
		case "len":
			s.Len = n
		case "wire":
			s.Wire = n
		case "urg":
			s.Urgent = uint16(n)
		case "mss":
			o.HasMSS, o.MSS = true, uint16(n)
		case "ws":
			o.HasWindowScale, o.WindowScale = true, uint8(n)
		case "sackok":
			o.SACKPermitted = true
		case "fo":
			o.HasFastOpen, o.FastOpen = true, []byte(value)
		case "mark":
			s.Mark = uint8(n)
			s.ECT = true
			if n == markCE {
				s.CE = s.Wire
			}
		case "acc0", "acc1":
			o.AccECN = header.AccECN{Has: true, ECT1First: name == "acc1"}
			for v := range strings.SplitSeq(value, ",") {
				n, _ := strconv.Atoi(v)
				if value != "" {
					o.AccECN.Fields[o.AccECN.Count] = uint32(n)
					o.AccECN.Count++
				}
			}
		case "ts":
			o.HasTimestamp = true
			if _, err := fmt.Sscanf(value, "%d/%d", &o.TSVal, &o.TSEcr); err != nil {
				t.Fatal(text, err)
			}
		case "sack":
			for _, b := range strings.Split(value, ",") {
				var from, to uint32
				if _, err := fmt.Sscanf(b, "%d-%d", &from, &to); err != nil {
					t.Fatal(text, err)
				}
				o.SACK[o.NumSACK] = header.SACKBlock{Start: seq.Number(from), End: seq.Number(to)}
				o.NumSACK++
			}
		default:
			t.Fatalf("unknown %q in %q", f, text)
		}
	}
	for at := 0; at < s.Len; {
		n := min(s.Len-at, slab.Large)
		p, _ := pool.Get(n)
		first := s.Seq.Add(at)
		if s.Flags&header.SYN != 0 {
			first++
		}
		fillPattern(p.Extend(n), first)
		s.Data = append(s.Data, p)
		at += n
	}
	return s
}

func show(o *Out) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v seq=%d ack=%d win=%d", o.Flags, o.Seq, o.Ack, o.Window)
	if o.Len > 0 {
		fmt.Fprintf(&b, " len=%d", o.Len)
	}
	if o.Len > o.SegSize {
		fmt.Fprintf(&b, " by=%d", o.SegSize)
	}
	p := &o.Options
	if p.HasMSS {
		fmt.Fprintf(&b, " mss=%d", p.MSS)
	}
	if p.HasWindowScale {
		fmt.Fprintf(&b, " ws=%d", p.WindowScale)
	}
	if p.SACKPermitted {
		b.WriteString(" sackok")
	}
	if p.HasTimestamp {
		fmt.Fprintf(&b, " ts=%d/%d", p.TSVal, p.TSEcr)
	}
	if a := &p.AccECN; a.Has {
		fmt.Fprintf(&b, " acc%d=%s", map[bool]int{true: 1}[a.ECT1First], strings.Join(strings.Fields(strings.Trim(fmt.Sprint(a.Fields[:a.Count]), "[]")), ";"))
	}
	if p.HasFastOpen {
		fmt.Fprintf(&b, " fo=%s", p.FastOpen)
	}
	for i, s := range p.Blocks() {
		if b.WriteString(","); i == 0 {
			b.WriteString("\b sack=")
		}
		fmt.Fprintf(&b, "%d-%d", s.Start, s.End)
	}
	if o.Flags&header.URG != 0 {
		fmt.Fprintf(&b, " urg=%d", o.Urgent)
	}
	if o.Retransmit {
		b.WriteString(" again")
	}
	if o.ECT {
		b.WriteString(" ect")
	}
	if o.Probe {
		b.WriteString(" probe")
	}
	if o.Challenge {
		b.WriteString(" challenge")
	}
	return strings.ReplaceAll(b.String(), ",\b", "")
}
