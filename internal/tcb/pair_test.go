package tcb

import (
	"container/heap"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/tcpip"
)

var (
	pairSeeds = flag.Int("pair.seeds", 300, "how many seeds TestPair runs")
	pairFirst = flag.Uint64("pair.first", 0, "the first of them")
)

// pair is two machines and the wire between them, all decided by one seed.
type pair struct {
	seed uint64
	r    *rand.Rand
	now  tcpip.Time
	pool slab.Pool
	host [2]*user
	wire wire
	hits map[string]int

	loss, dup, reorder, inject, refuse, strip float64
	delay, jitter                             time.Duration
	bandwidth                                 int // bytes per second; 0 is infinite
	free                                      [2]tcpip.Time
	foe                                       *adversary // nil: the wire is bad, and not evil
}

// user is one end: a machine and a program that writes, reads and closes.
type user struct {
	p    *pair
	id   int
	conf Conf
	path Path
	tcb  TCB
	live bool     // tcb is in use
	req  *Request // half open
	over bool     // TIME-WAIT or gone

	toWrite  int
	wrote    int
	read     int
	slow     bool // reads rarely
	nextRead tcpip.Time
	shut     bool
	closed   bool
	abortAt  int // bytes written when it aborts; 0 is never
	out      Out
}

// flying is a segment on the wire.
type flying struct {
	at  tcpip.Time
	n   int
	to  int
	seg Segment
}

type wire struct {
	q []*flying
	n int
}

func (w *wire) Len() int { return len(w.q) }
func (w *wire) Less(i, j int) bool {
	a, b := w.q[i], w.q[j]
	return a.at < b.at || a.at == b.at && a.n < b.n
}
func (w *wire) Swap(i, j int) { w.q[i], w.q[j] = w.q[j], w.q[i] }
func (w *wire) Push(x any)    { w.q = append(w.q, x.(*flying)) }
func (w *wire) Pop() any {
	x := w.q[len(w.q)-1]
	w.q = w.q[:len(w.q)-1]
	return x
}

func (p *pair) chance(f float64) bool { return p.r.Float64() < f }

func newPair(seed uint64) *pair {
	p := &pair{seed: seed, r: rand.New(rand.NewPCG(seed, 1)), now: traceNow, hits: map[string]int{}}
	if p.chance(0.7) {
		p.loss = p.r.Float64() * 0.15
	}
	if p.chance(0.5) {
		p.dup = p.r.Float64() * 0.1
	}
	if p.chance(0.5) {
		p.reorder = p.r.Float64() * 0.2
	}
	if p.chance(0.3) {
		p.inject = 0.02
	}
	if p.chance(0.3) {
		p.refuse = 0.05
	}
	if p.chance(0.2) {
		p.strip = 0.1
	}
	p.delay = time.Duration(p.r.IntN(100_000)) * time.Microsecond
	p.jitter = time.Duration(p.r.IntN(50_000)) * time.Microsecond
	if p.chance(0.5) {
		p.bandwidth = 100_000 << p.r.IntN(10)
	}
	for i := range p.host {
		u := &user{p: p, id: i, conf: DefaultConf()}
		c := &u.conf
		c.NoDelay = p.chance(0.5)
		c.Cork = p.chance(0.1)
		c.NoQuickAck = p.chance(0.1)
		c.SACK = p.chance(0.8)
		c.ECN = ECNMode(p.r.IntN(int(ECNAccurateAccept) + 1))
		c.Scaling = p.chance(0.8)
		c.KeepAlive = true // or a lost RST would leave the other end waiting for ever
		c.KeepIdle = time.Duration(1+p.r.IntN(100)) * time.Second
		if p.chance(0.2) {
			c.Timestamps = tcpip.TimestampsOff
		}
		if p.chance(0.3) {
			c.Congestion = Congestion(1 + p.r.IntN(len(algorithms)-1))
		}
		if p.chance(0.3) {
			c.ReceiveBuffer = tcpip.Set(4096 << p.r.IntN(6))
		}
		if p.chance(0.3) {
			c.SendBuffer = tcpip.Set(4096 << p.r.IntN(6))
		}
		u.path = Path{MTU: []int{576, 1500, 9000, 65535}[p.r.IntN(4)], NetHeader: 20}
		u.path.AdvMSS = u.path.MTU - 40
		if p.chance(0.5) {
			u.path.MaxSegment = 65535
		}
		u.path.SameHost = p.chance(0.2)
		u.toWrite = p.r.IntN(1 << p.r.IntN(21))
		u.slow = p.chance(0.3)
		if p.chance(0.1) {
			u.abortAt = 1 + p.r.IntN(u.toWrite+1)
		}
		p.host[i] = u
	}
	mtu := min(p.host[0].path.MTU, p.host[1].path.MTU)
	for _, u := range p.host {
		u.path.MTU = mtu
	}
	return p
}

func (u *user) identity() Identity {
	id := Identity{ISS: u.p.r.Uint32(), TSOffset: u.p.r.Uint32()}
	if u.p.chance(0.3) { // the numbers wrap during the connection
		id.ISS = -uint32(u.p.r.IntN(1 << 18))
		id.TSOffset = -tsClock(u.p.now, uint32(u.p.r.IntN(10_000)))
	}
	return id
}

func (u *user) connect() {
	u.tcb.Init(u.p.now, &u.conf, u.path, u.identity())
	u.live = true
	if f := u.p.foe; f != nil && f.fast {
		u.tcb.ConnectFast(u.p.now, NewFastCookie(f.cookie), true, 1460, 1<<16)
		return
	}
	u.tcb.Connect(u.p.now)
}

// run plays the seed to its end. It returns an error where an invariant breaks.
func (p *pair) run() error {
	p.host[0].connect()
	if p.foe == nil && p.chance(0.1) {
		p.host[1].connect() // simultaneous open
	}
	end := p.now.Add(48 * time.Hour) // a lossy path and timeouts of two minutes take their time
	for step := 0; ; step++ {
		for _, u := range p.host {
			if err := u.turn(); err != nil {
				return fmt.Errorf("step %d: %w", step, err)
			}
		}
		next := p.next()
		if p.host[0].over && (p.host[1].over || !p.host[1].live && next == 0) {
			break
		}
		if next == 0 {
			return fmt.Errorf("step %d: nothing will ever happen: %v, %v", step, p.host[0], p.host[1])
		}
		if p.foe != nil && (next > p.now.Add(adversaryTime) || p.now > traceNow.Add(adversaryTime) || step > adversarySteps) {
			for _, u := range p.host {
				u.surrender()
			}
			break
		}
		if next > end || step > 3_000_000 {
			return fmt.Errorf("no end: %v, %v", p.host[0], p.host[1])
		}
		p.now = max(p.now, next)
		p.foe.meddle(p)
		for p.wire.Len() > 0 && p.wire.q[0].at <= p.now {
			f := heap.Pop(&p.wire).(*flying)
			p.host[f.to].deliver(&f.seg)
		}
		for _, u := range p.host {
			u.advance()
		}
	}
	for p.wire.Len() > 0 {
		f := heap.Pop(&p.wire).(*flying)
		releaseAll(f.seg.Data)
	}
	for _, u := range p.host {
		if u.live {
			p.collect(u)
			u.tcb.recvQ.clear()
			if u.tcb.State() == StateTimeWait {
				u.tcb.Advance(p.now.Add(2 * TimeWaitLength))
			}
		}
	}
	if n := p.pool.Live(); n != 0 {
		return fmt.Errorf("%d bytes of slabs are left: %v, %v", n, p.host[0], p.host[1])
	}
	a, b := p.host[0], p.host[1]
	if p.foe != nil {
		return nil
	}
	if b.live && a.tcb.Err() == tcpip.OK && b.tcb.Err() == tcpip.OK && (a.read != b.wrote || b.read != a.wrote) {
		return fmt.Errorf("bytes are missing: %v, %v", a, b)
	}
	return nil
}

func (u *user) String() string {
	return fmt.Sprintf("{%v %v wrote %d/%d read %d shut %v closed %v readable %d due %+v snd %+v deadline %v}", u.tcb.State(), u.tcb.Err(), u.wrote,
		u.toWrite, u.read, u.shut, u.closed, u.tcb.ReadableLen(), u.tcb.due, u.tcb.snd, u.tcb.Deadline())
}

func (p *pair) collect(u *user) {
	i := u.tcb.Info(p.now)
	for name, n := range map[string]uint32{
		"timeout": i.Timeouts, "fast recovery": i.FastRecoveries, "duplicate ack": i.DuplicateAcks, "out of order": i.OutOfOrder,
		"paws": i.PAWS, "no timestamp": i.NoTimestamp, "challenge": i.Challenges, "zero window": i.ZeroWindows, "probe": i.ProbesSent,
		"dsack": i.DuplicateSACKs, "marked": i.Marked, "refused": i.Refused,
	} {
		p.hits[name] += int(n)
	}
	if i.State == StateTimeWait {
		p.hits["time-wait"]++
	}
	if u.tcb.Err() == tcpip.ErrConnReset {
		p.hits["reset"]++
	}
}

func (p *pair) next() (at tcpip.Time) {
	if p.wire.Len() > 0 {
		at = p.wire.q[0].at
	}
	for _, u := range p.host {
		if u.live && !u.over {
			at = tcpip.Earliest(at, u.tcb.Deadline())
		}
		if u.req != nil {
			at = tcpip.Earliest(at, u.req.Deadline())
		}
		if u.slow && u.live && !u.over {
			at = tcpip.Earliest(at, u.nextRead)
		}
	}
	return at
}

// turn lets the user act and the machine send.
func (u *user) turn() error {
	if !u.live || u.over {
		return nil
	}
	for {
		acted := u.act()
		if err := u.flush(); err != nil {
			return err
		}
		if !acted {
			break
		}
	}
	t := &u.tcb
	if s := t.State(); s == StateClosed || s == StateTimeWait && u.closed {
		u.over = u.over || u.closed
		if s == StateClosed && !u.closed && t.ReadableLen() == 0 {
			t.Close(u.p.now)
			u.closed, u.over = true, true
		}
	}
	u.p.hits[t.State().String()]++
	if t.State() != StateClosed && t.Deadline() == 0 && (t.flight() > 0 || t.unsent() > 0 || t.due.delayed) {
		return fmt.Errorf("user %d: no deadline in spite of outstanding data: %v", u.id, u)
	}
	return nil
}

// act does one thing that the program wants, and reports whether there was one.
func (u *user) act() bool {
	p, t := u.p, &u.tcb
	if n := t.ReadableLen(); n > 0 && (!u.slow || p.now >= u.nextRead || t.State() == StateClosed) {
		n = 1 + p.r.IntN(n)
		at := t.rcv.nxt.Add(-t.ReadableLen())
		if t.GotFin() {
			at--
		}
		left := n
		for _, b := range t.Readable() {
			k := min(left, b.Len())
			for i, c := range b.Bytes()[:k] {
				if c != pattern(at.Add(i)) {
					panic(fmt.Sprintf("seed %d user %d: wrong byte at %d, rcv %+v", p.seed, u.id, at.Add(i), t.rcv))
				}
			}
			at, left = at.Add(k), left-k
		}
		t.Consume(p.now, n)
		u.read += n
		u.nextRead = p.now.Add(time.Duration(p.r.IntN(1000)) * time.Millisecond)
		return true
	}
	if u.slow && u.nextRead <= p.now {
		u.nextRead = 0
	}
	if u.wrote < u.toWrite && !u.shut && mayWrite.has(t.State()) {
		room := t.Room()
		if room > 0 {
			n := min(1+p.r.IntN(1<<p.r.IntN(17)), u.toWrite-u.wrote, room, slab.Large)
			if spare := min(t.sendQ.spare(), n); spare > 0 && p.chance(0.8) {
				b := make([]byte, spare)
				fillPattern(b, t.sendQ.end)
				u.wrote += t.Append(p.now, b)
				return true
			}
			b, _ := p.pool.Get(n)
			fillPattern(b.Extend(n), t.sendQ.end)
			if t.Write(p.now, b) == tcpip.OK {
				u.wrote += n
			}
			if u.abortAt > 0 && u.wrote >= u.abortAt && !u.closed {
				t.Abort(p.now)
				u.closed = true
			}
			return true
		}
	}
	if u.wrote >= u.toWrite && !u.shut && t.State() != StateSynSent {
		u.shut = true
		t.Shutdown(p.now, tcpip.ShutdownWrite)
		return true
	}
	if u.shut && !u.closed && (t.AtEnd() || t.State() == StateClosed) {
		u.closed = true
		t.Close(p.now)
		return true
	}
	return false
}

// flush polls the machine dry.
func (u *user) flush() error {
	p, t := u.p, &u.tcb
	for i := 0; ; i++ {
		if i > 100_000 {
			return fmt.Errorf("user %d: Poll does not end: %v", u.id, u)
		}
		if !t.Poll(p.now, &u.out) {
			break
		}
		p.noteOut(u)
		if p.chance(p.refuse) {
			releaseAll(u.out.Data)
			t.Refused(p.now, &u.out)
			if err := t.Check(); err != nil {
				return fmt.Errorf("user %d, after Refused: %w", u.id, err)
			}
			continue
		}
		u.send(&u.out)
	}
	t.TakeEvents()
	p.noteState(u)
	if err := t.Check(); err != nil {
		return fmt.Errorf("user %d: %w", u.id, err)
	}
	return nil
}

// send puts o on the wire, whole or cut into segments.
func (u *user) send(o *Out) {
	base := Segment{Seq: o.Seq, Ack: o.Ack, Flags: o.Flags, Window: o.Window, Urgent: o.Urgent, Options: o.Options, Wire: 1, ECT: o.ECT}
	if o.ECT {
		base.Mark = ect0
	}
	if o.Len == 0 {
		u.p.fly(u.id, base)
		return
	}
	step := o.Len
	if o.Len > o.SegSize && u.p.chance(0.5) {
		step = o.SegSize
	}
	for at := 0; at < o.Len; at += step {
		s := base
		s.Seq = o.Seq.Add(at)
		s.Len = min(step, o.Len-at)
		s.Wire = segments(s.Len, o.SegSize)
		s.Data = slicePieces(o.Data, at, s.Len)
		if at+s.Len < o.Len {
			s.Flags &^= header.FIN | header.PSH
		}
		u.p.fly(u.id, s)
	}
	releaseAll(o.Data)
}

func slicePieces(pieces []slab.Piece, from, n int) (out []slab.Piece) {
	for _, p := range pieces {
		if from >= p.Len() {
			from -= p.Len()
			continue
		}
		k := min(p.Len()-from, n)
		if k > 0 {
			out = append(out, p.Slice(from, from+k))
		}
		n -= k
		from = 0
	}
	return out
}

func (p *pair) fly(from int, s Segment) {
	copies := 1
	if p.chance(p.dup) {
		copies = 2
	}
	at := p.now
	if p.bandwidth > 0 {
		p.free[from] = max(p.free[from], p.now).Add(time.Duration(s.Len+40) * time.Second / time.Duration(p.bandwidth))
		at = p.free[from]
	}
	for c := range copies {
		if p.chance(p.loss) || p.foe.drops(p, from, &s) {
			continue
		}
		g := s
		g.Data = slicePieces(s.Data, 0, s.Len)
		if g.ECT && p.chance(0.1) {
			g.CE, g.Mark = 1, markCE
		}
		if p.chance(p.strip) && s.Flags&header.SYN == 0 {
			g.Options.HasTimestamp = false
		}
		when := at.Add(p.delay)
		if p.chance(p.reorder) {
			when = when.Add(time.Duration(p.r.Int64N(int64(p.jitter) + 1)))
		}
		if c > 0 {
			when = when.Add(time.Duration(p.r.Int64N(int64(3 * time.Second))))
		}
		p.foe.send(p, &flying{at: when, to: 1 - from, seg: g})
	}
	releaseAll(s.Data)
	if p.chance(p.inject) { // somebody guesses
		g := Segment{Seq: s.Seq.Add(1 + p.r.IntN(1000)), Ack: s.Ack, Wire: 1, Window: 1000}
		g.Flags = []header.TCPFlags{header.RST, header.SYN, header.ACK, header.SYN | header.ACK}[p.r.IntN(4)]
		if g.Flags == header.ACK {
			g.Ack += seq.Number(1 << 30)
		}
		p.push(&flying{at: at.Add(p.delay), to: 1 - from, seg: g})
	}
}

func (p *pair) push(f *flying) {
	p.wire.n++
	f.n = p.wire.n
	heap.Push(&p.wire, f)
}

func (u *user) deliver(s *Segment) {
	p := u.p
	switch {
	case u.live && !u.over:
		u.tcb.Segment(p.now, s)
		return
	case u.live && u.tcb.State() == StateTimeWait:
		w := u.tcb.TimeWait()
		if v, _ := w.Segment(p.now, s, &u.out); v == VerdictReply {
			u.send(&u.out)
		}
		return
	}
	defer func() { releaseAll(s.Data) }()
	if u.req == nil {
		switch {
		case !u.live && s.Flags&(header.SYN|header.ACK|header.RST) == header.SYN:
			u.req = &Request{}
			u.req.Init(p.now, s, &u.conf, u.path, u.identity())
			if p.foe.takesFast(s) {
				u.live = true
				cookie := NewFastCookie(p.foe.cookie)
				u.req.EstablishFast(p.now, s, &u.tcb, &u.conf, &cookie)
				u.req, s.Data = nil, nil
				return
			}
			u.req.SynAck(p.now, &u.out)
			u.send(&u.out)
		case BuildReset(s, &u.out):
			u.send(&u.out)
		}
		return
	}
	switch v, _ := u.req.Segment(p.now, s, &u.out); v {
	case VerdictReply:
		u.send(&u.out)
	case VerdictRemove:
		u.req = nil
	case VerdictEstablish:
		u.live = true
		u.req.Establish(p.now, s, &u.tcb, &u.conf)
		u.req = nil
		s.Data = nil
	}
}

func (u *user) advance() {
	if u.live && !u.over {
		u.p.noteTimers(u)
		u.tcb.Advance(u.p.now)
	}
	if u.req != nil {
		switch u.req.Advance(u.p.now, &u.out) {
		case VerdictReply:
			u.send(&u.out)
		case VerdictRemove:
			u.req = nil
			u.over = true
		}
	}
}

// Two machines over a bad wire. Whatever happens, what is read is a prefix of what was written, both
// ends come to an end, and no memory is left.
func TestPair(t *testing.T) {
	hits := map[string]int{}
	failed := 0
	for seed := *pairFirst; seed < *pairFirst+uint64(*pairSeeds); seed++ {
		p := newPair(seed)
		if err := p.run(); err != nil {
			if t.Errorf("seed %d: %v", seed, err); failed == 10 {
				t.Fatal("enough")
			}
			failed++
		}
		for k, n := range p.hits {
			hits[k] += n
		}
	}
	for _, class := range []string{
		"timeout", "fast recovery", "duplicate ack", "out of order", "paws", "no timestamp", "challenge", "zero window", "probe",
		"dsack", "marked", "refused", "time-wait", "reset", "CLOSE-WAIT", "LAST-ACK", "CLOSING", "FIN-WAIT-1", "FIN-WAIT-2", "SYN-RECEIVED",
	} {
		if hits[class] == 0 {
			t.Errorf("no seed reached %q", class)
		}
	}
	t.Log(hits)
}
