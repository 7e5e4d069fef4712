package tcb

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/tcpip"
)

var (
	adversarySeeds = flag.Int("adversary.seeds", 2000, "how many seeds TestAdversary runs")
	adversaryFirst = flag.Uint64("adversary.first", 3000, "the first of them; from the default on, every class is reached")
)

// What a fight may last. Then the users give up, and all memory must come back.
const (
	adversaryTime  = 2 * time.Hour
	adversarySteps = 8000
)

// adversary owns the wire between a pair, its clock, and the whims of its users. What it forges of the stream is what
// the stream has there: so the bytes that are read can be judged, and only where they end is in its hands. Its methods
// may be called on nil, which does nothing.
type adversary struct {
	r *rand.Rand

	tamper, forge, split, replay, whim, icmp float64 // how often, of segments or turns
	lies                                     uint    // the kinds of tampering
	stall, blackout                          float64
	leap                                     float64 // how often the clock goes on by seconds at once

	held  [2]tcpip.Time // what goes to a host waits until then
	dark  [2]tcpip.Time // or is dropped
	saved []Segment     // headers to be replayed

	hole int // wire segments of more bytes of data never arrive; 0: all may

	fast   bool
	cookie []byte
}

func newFight(seed uint64) *pair {
	p := newPair(seed | 1<<40)
	r := rand.New(rand.NewPCG(seed, 6))
	f := &adversary{r: r, lies: uint(r.Uint32())}
	p.foe = f
	for _, x := range []struct {
		v      *float64
		chance float64
		most   float64
	}{
		{&f.tamper, 0.5, 0.1}, {&f.forge, 0.3, 0.05}, {&f.split, 0.3, 0.3}, {&f.replay, 0.3, 0.05}, {&f.whim, 0.5, 0.02}, {&f.icmp, 0.2, 0.01},
		{&f.stall, 0.4, 0.02}, {&f.blackout, 0.4, 0.02}, {&f.leap, 0.2, 0.01},
	} {
		if f.chance(x.chance) {
			*x.v = r.Float64() * x.most
		}
	}
	if f.chance(0.2) {
		f.fast, f.cookie = true, make([]byte, 4+2*r.IntN(7))
	}
	if f.chance(0.1) {
		f.hole = 200 + r.IntN(1400)
	}
	for _, u := range p.host {
		u.toWrite %= 1 << 18
		u.conf.OOBInline = true
		u.conf.FRTO = f.chance(0.8)
		u.conf.Probing = MTUProbing(r.IntN(3))
		u.conf.Collapse = f.chance(0.7)
		u.conf.ThinLinear = f.chance(0.1)
		u.conf.Recovery = r.IntN(8)
		if f.chance(0.1) {
			u.conf.EarlyRetransmit = 0
		}
		if f.chance(0.1) {
			u.conf.UserTimeout = time.Duration(r.IntN(60)) * time.Second
		}
		if f.chance(0.1) {
			u.conf.MaxPacingRate = int64(1000 + r.IntN(1<<22))
		}
	}
	return p
}

func (f *adversary) chance(x float64) bool { return x > 0 && f.r.Float64() < x }

// drops reports whether s, which from sends, vanishes.
func (f *adversary) drops(p *pair, from int, s *Segment) bool {
	if f == nil {
		return false
	}
	if f.chance(f.blackout) {
		f.dark[from] = p.now.Add(time.Duration(f.r.Int64N(int64(4 * time.Second))))
	}
	return p.now < f.dark[from] || f.hole > 0 && s.Len > f.hole*max(s.Wire, 1)
}

// send puts g on the wire, after all that is done to it.
func (f *adversary) send(p *pair, g *flying) {
	if f == nil {
		p.push(g)
		return
	}
	if f.chance(f.stall) { // a delay for all that follows: timeouts that are spurious
		f.held[g.to] = p.now.Add(time.Duration(f.r.Int64N(int64(2 * time.Second))))
	}
	g.at = max(g.at, f.held[g.to])
	s := &g.seg
	s.At = g.at // though the clock may leap past it
	if f.chance(f.tamper) {
		f.change(p, s, p.host[g.to])
	}
	if len(f.saved) < 64 {
		h := *s
		h.Data, h.Len = nil, 0
		f.saved = append(f.saved, h)
	}
	if f.chance(f.forge) {
		p.push(&flying{at: g.at, to: g.to, seg: f.forgery(p, p.host[g.to])})
	}
	if f.chance(f.replay) {
		h := f.saved[f.r.IntN(len(f.saved))]
		p.push(&flying{at: g.at.Add(time.Duration(f.r.Int64N(int64(30 * time.Second)))), to: f.r.IntN(2), seg: h})
	}
	if s.Len > 1 && f.chance(f.split) { // at any byte, whatever the segments were
		n := 1 + f.r.IntN(s.Len-1)
		rear := *s
		rear.Seq, rear.Len, rear.Data = s.Seq.Add(n), s.Len-n, slicePieces(s.Data, n, s.Len-n)
		front := slicePieces(s.Data, 0, n)
		releaseAll(s.Data)
		s.Data, s.Len = front, n
		s.Flags &^= header.FIN | header.PSH
		s.Wire, rear.Wire = 1, max(rear.Wire-1, 1)
		p.push(&flying{at: g.at, to: g.to, seg: rear})
	}
	p.push(g)
}

// near is mostly small, sometimes large, and of either sign.
func (f *adversary) near() int { return f.r.IntN(1<<f.r.IntN(20)+1) - f.r.IntN(1<<f.r.IntN(20)+1) }

// change lies in one field, of the kinds that this adversary knows.
func (f *adversary) change(p *pair, s *Segment, to *user) {
	o := &s.Options
	t := &to.tcb
	kind := f.r.IntN(16)
	if f.lies>>kind&1 == 0 {
		return
	}
	switch kind {
	case 0:
		s.Ack = s.Ack.Add(f.near())
	case 1:
		s.Window = uint16(f.r.IntN(1 << f.r.IntN(17)))
	case 2:
		s.Window = 0
	case 3:
		o.TSVal += uint32(f.near())
	case 4:
		o.TSEcr += uint32(f.near())
	case 5:
		o.HasTimestamp = !o.HasTimestamp
	case 6, 7:
		o.NumSACK = uint8(f.r.IntN(5))
		for i := range o.Blocks() {
			o.SACK[i].Start = t.snd.una.Add(f.r.IntN(t.flight() + 1))
			o.SACK[i].End = o.SACK[i].Start.Add(f.r.IntN(t.flight() + 2))
		}
	case 8:
		o.NumSACK = 0
	case 9: // a duplicate
		o.NumSACK = 1
		o.SACK[0] = header.SACKBlock{Start: s.Ack.Add(-f.r.IntN(4000)), End: s.Ack}
	case 10:
		s.CE, s.ECT, s.Mark = s.Wire, true, markCE
	case 11:
		s.Flags ^= header.ECE | header.CWR
	case 12:
		if bit := header.TCPFlags(1 << f.r.IntN(8)); bit != header.SYN || s.Len == 0 { // the SYN would move the data
			s.Flags ^= bit
		}
	case 13:
		s.Urgent, s.Flags = uint16(f.r.IntN(2000)), s.Flags|header.URG
	case 14:
		o.MSS, o.WindowScale, o.SACKPermitted = uint16(f.r.IntN(3000)), uint8(f.r.IntN(20)), !o.SACKPermitted
	case 15: // the receiver takes back what it has reported: only the first segment is missing
		if n := t.board.recs.len(); n > 1 {
			o.NumSACK = 1
			o.SACK[0] = header.SACKBlock{Start: t.board.at(1).seq, End: t.snd.nxt}
			s.Ack = t.board.at(0).end
		}
	}
}

// forgery is a segment out of nothing, near what the receiver expects.
func (f *adversary) forgery(p *pair, to *user) Segment {
	t := &to.tcb
	s := Segment{Seq: t.rcv.nxt, Ack: t.snd.una, Wire: 1, Window: uint16(f.r.Uint32()), Flags: header.ACK}
	if f.chance(0.7) {
		s.Seq = s.Seq.Add(f.near())
	}
	if f.chance(0.5) {
		s.Ack = t.snd.nxt.Add(f.near())
	}
	switch f.r.IntN(8) {
	case 0:
		s.Flags = header.RST | header.TCPFlags(f.r.IntN(2))*header.ACK
	case 1:
		s.Flags = header.SYN
	case 2:
		s.Flags |= header.FIN
	case 3:
		s.Flags = header.TCPFlags(f.r.IntN(256))
	}
	s.Options.HasTimestamp = f.chance(0.8)
	s.Options.TSVal = t.rcv.tsRecent + uint32(f.near())
	s.Options.TSEcr = tsClock(p.now, t.id.TSOffset) - uint32(f.r.IntN(1000))
	if f.chance(0.5) && s.Flags&header.SYN == 0 {
		s.Len = 1 + f.r.IntN(1<<f.r.IntN(13))
		b, _ := p.pool.Get(s.Len)
		at := s.Seq
		fillPattern(b.Extend(s.Len), at)
		s.Data = []slab.Piece{b}
	}
	return s
}

// takesFast reports whether the host takes the data of the SYN s.
func (f *adversary) takesFast(s *Segment) bool {
	return f != nil && f.fast && s.Options.HasFastOpen && s.Len > 0 && f.chance(0.8)
}

// meddle is called for every step: the clock and the users have their whims.
func (f *adversary) meddle(p *pair) {
	if f == nil {
		return
	}
	if f.chance(f.leap) {
		p.now = p.now.Add(time.Duration(f.r.Int64N(int64(20 * time.Second))))
	}
	for _, u := range p.host {
		if !u.live || u.over {
			continue
		}
		t := &u.tcb
		if f.chance(f.icmp) {
			t.Unreachable(p.now, []tcpip.Error{tcpip.ErrMessageSize, tcpip.ErrHostUnreachable}[f.r.IntN(2)], 68+f.r.IntN(2000), t.snd.una.Add(f.near()))
		}
		if f.chance(f.whim) {
			f.will(p, u)
		}
	}
}

// will is what a user may want at any time.
func (f *adversary) will(p *pair, u *user) {
	t, c := &u.tcb, &u.conf
	switch f.r.IntN(12) {
	case 0:
		t.MarkUrgent(p.now)
	case 1:
		t.SetMore(p.now, f.chance(0.5))
	case 2:
		t.EndRecord(p.now)
	case 3:
		u.path.MTU = 296 + f.r.IntN(9000)
		t.SetPath(p.now, u.path)
	case 4:
		c.NoDelay, c.Cork = f.chance(0.5), f.chance(0.3)
		c.Congestion = Congestion(f.r.IntN(len(algorithms)))
		t.SetConf(p.now, c)
	case 5:
		c.UserTimeout = time.Duration(f.r.IntN(30)) * time.Second
		c.MaxPacingRate = int64(f.r.IntN(2)) * int64(10000+f.r.IntN(1<<22))
		t.SetConf(p.now, c)
	case 6:
		c.MaxSegment, c.WindowClamp = f.r.IntN(2)*(88+f.r.IntN(1400)), f.r.IntN(2)*(300+f.r.IntN(60000))
		t.SetConf(p.now, c)
	case 7:
		t.SetQuickAck(f.chance(0.5))
	case 8:
		if !u.shut {
			u.shut = true
			t.Shutdown(p.now, tcpip.ShutdownWrite)
		}
	case 9:
		t.Shutdown(p.now, tcpip.ShutdownRead)
	case 10:
		if !u.closed && f.chance(0.3) {
			u.shut, u.closed = true, true
			t.Close(p.now)
		}
	case 11:
		if !u.closed && f.chance(0.1) {
			u.shut, u.closed = true, true
			t.Abort(p.now)
		}
	}
}

// surrender ends a connection that would go on for long.
func (u *user) surrender() {
	if u.live && !u.over && u.tcb.State() != StateTimeWait {
		u.tcb.Abort(u.p.now)
		u.p.surrendered(u)
	}
	u.req = nil
}

func (p *pair) surrendered(u *user) {
	for u.tcb.Poll(p.now, &u.out) {
		releaseAll(u.out.Data)
	}
	u.closed, u.over = true, true
}

// noteOut, noteState and noteTimers count what a fight has reached.
func (p *pair) noteOut(u *user) {
	o := &u.out
	for s := o.Tallies; s != 0; {
		p.hits[tallyNames[s.Next()]]++
	}
	if o.Probe {
		p.hits["MTU probe"]++
	}
	if o.Flags&header.CWR != 0 && o.Len > 0 {
		p.hits["CWR"]++
	}
	if u.tcb.rec.phase == phaseRecovery && u.tcb.rec.prrOut > 0 {
		p.hits["PRR"]++
	}
}

func (p *pair) noteState(u *user) {
	for k, n := range u.tcb.TakeTallies() {
		if n > 0 {
			p.hits[tallyNames[Tally(k)]] += int(n)
		}
	}
	if f := u.tcb.fast; f != nil && (f.accepted || f.result.Accepted) {
		p.hits["fast open"]++
	}
}

func (p *pair) noteTimers(u *user) {
	if d := u.tcb.deadline[timerRexmit]; d != 0 && d <= p.now && u.tcb.pending == pendingReorder {
		p.hits["RACK timer"]++
	}
}

// tallyNames are those that TestAdversary asks for.
var tallyNames = map[Tally]string{
	TallyTimeouts: "RTO", TallyLossProbes: "TLP", TallySpuriousRTOs: "F-RTO undo", TallyDSACKUndo: "DSACK undo", TallyPartialUndo: "timestamps undo",
	TallySACKReneging: "reneging", TallyWinProbe: "window probe", TallyMTUPSuccess: "MTU probe arrived", TallyMTUPFail: "MTU probe lost",
	TallyLossProbeRecovery: "TLP recovery", TallyLostRetransmit: "lost retransmission", TallyRenoRecovery: "NewReno", TallyKeepAlive: "keep-alive",
	TallyAbortOnTimeout: "given up",
}

// Two machines, and somebody who owns the wire, the clock and the users. Whatever is done to them, what is read is what the
// stream has there, there is a deadline while something is outstanding, work is bounded, and all memory comes back.
func TestAdversary(t *testing.T) {
	hits := map[string]int{}
	failed := 0
	for seed := *adversaryFirst; seed < *adversaryFirst+uint64(*adversarySeeds); seed++ {
		p := newFight(seed)
		if err := fight(p); err != nil {
			t.Errorf("seed %d: %v", seed, err)
			if failed++; failed == 10 {
				t.Fatal("enough")
			}
		}
		for k, n := range p.hits {
			hits[k] += n
		}
	}
	for _, class := range []string{
		"RTO", "TLP", "RACK timer", "F-RTO undo", "DSACK undo", "timestamps undo", "PRR", "reneging", "zero window", "window probe", "paws", "challenge",
		"CWR", "fast open", "MTU probe", "MTU probe arrived", "TLP recovery", "lost retransmission", "NewReno", "keep-alive", "given up",
		"FIN-WAIT-1", "FIN-WAIT-2", "CLOSING", "TIME-WAIT", "CLOSE-WAIT", "LAST-ACK", "reset",
	} {
		if hits[class] == 0 {
			t.Errorf("no seed reached %q", class)
		}
	}
	t.Log(hits)
}

// fight plays p, and makes an error of a panic, so that it comes with its seed.
func fight(p *pair) (err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("panic: %v", x)
		}
	}()
	return p.run()
}
