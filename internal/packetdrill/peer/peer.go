// Package peer is the other end of a recorded connection: a receiver of data, and the path to it, that lose, reorder,
// mark, delay and withhold by chance. It is a machine: it has no clock, sends nothing, and a seed decides all it does.
package peer

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"time"
)

// Grid is what the times of a peer's doings are whole multiples of: what is at one time is closer together, in real time
// too, than the millisecond below which Linux waits for more to send.
const Grid = 2 * time.Millisecond

// Plan is what a peer and the path to it are like. The zero Plan is a path without delay to a receiver with no window;
// chances are between 0 and 1, each drawn for every segment or ACK anew.
type Plan struct {
	RTT time.Duration
	// Of the way there: segments are lost, Burst of them in a row at most; come later than those behind; come twice;
	// get CE if they are ECN-capable.
	Loss, Reorder, Duplicate, Mark float64
	Burst                          int
	Calm                           time.Duration // when the path stops to do so; 0: never
	// Of the way back: ACKs are lost, come twice, or come behind later ones.
	AckLoss, AckDuplicate, AckLate float64

	Every   int           // in-order segments to an ACK
	Delay   time.Duration // how long an ACK waits for them; 0: not at all
	Split   float64       // chance that an ACK of half of what came in goes before it
	Batch   time.Duration // ACKs arrive together at multiples of it; 0: one by one
	Thin    bool          // and of those that arrive together only the last does
	Renege  time.Duration // when data out of order is thrown away; 0: never
	SACK    bool
	DSACK   bool
	Stamps  bool
	First   uint32        // the timestamp of the SYN of the system under test
	Window  uint32        // bytes of the receive buffer
	Scale   uint8         // of the windows that it advertises
	Read    time.Duration // how often the user reads; 0: at once
	ReadMax uint32        // bytes that a read takes
	MSS     uint32        // by how much a window must open for an ACK that says so
}

// Segment is one that the system under test has sent, in sequence numbers of the script.
type Segment struct {
	Seq, End uint32 // a FIN counts
	ECT, CE  bool
	CWR      bool
	Stamp    uint32
	HasStamp bool
}

// Ack is one that arrives at the system under test.
type Ack struct {
	Ack    uint32
	Window uint32 // as in the header
	Blocks []Block
	Stamp  uint32 // with Ecr the timestamp option, if Plan.Stamps
	Ecr    uint32
	Echo   bool // ECE
}

// Block is a range of sequence numbers.
type Block struct{ Left, Right uint32 }

// Peer is a receiver and its path. It is used from one goroutine.
type Peer struct {
	plan  Plan
	rand  *rand.Rand
	queue queue
	count int
	burst int // segments still to lose

	next    uint32  // the sequence number that is expected
	read    uint32  // what the user has taken
	edge    uint32  // the right edge of the window that was advertised
	ahead   []Block // data out of order, ascending
	recent  []Block // the same, the block that changed last first
	stamp   uint32  // to be echoed
	echo    bool
	pending int  // segments that wait for an ACK
	reading bool // a read is scheduled
}

// firstStamp is what the peer's timestamps begin with; they count milliseconds.
const firstStamp = 5000

// New returns a peer whose next byte is 1. What it does follows from the seed and from what it is told.
func New(plan Plan, seed uint64) *Peer {
	plan.Every = max(plan.Every, 1)
	return &Peer{plan: plan, rand: rand.New(rand.NewPCG(seed, 2)), next: 1, read: 1, edge: 1 + plan.Window, stamp: plan.First}
}

// Stamp returns the timestamp of a time.
func Stamp(now time.Duration) uint32 { return firstStamp + uint32(now/time.Millisecond) }

// Sent tells of a segment that the system under test has sent.
func (p *Peer) Sent(now time.Duration, s Segment) {
	calm := p.plan.Calm > 0 && now >= p.plan.Calm
	if p.burst > 0 {
		p.burst--
		return
	}
	if !calm && p.chance(p.plan.Loss) {
		p.burst = p.rand.IntN(max(p.plan.Burst, 1))
		return
	}
	at := now + p.plan.RTT/2
	if !calm && p.chance(p.plan.Reorder) {
		at += time.Duration(p.rand.Int64N(int64(p.plan.RTT/2) + 1))
	}
	s.CE = s.CE || s.ECT && !calm && p.chance(p.plan.Mark)
	p.push(at, event{kind: arrival, segment: s})
	if !calm && p.chance(p.plan.Duplicate) {
		p.push(at+2*Grid, event{kind: arrival, segment: s})
	}
}

func (p *Peer) chance(of float64) bool { return of > 0 && p.rand.Float64() < of }

// Next returns when Due has something to do; ok is false if never.
func (p *Peer) Next() (at time.Duration, ok bool) {
	if len(p.queue) == 0 {
		return 0, false
	}
	return p.queue[0].at, true
}

// Due does what there is to do until now, up to an ACK that arrives; ok is false if there is none.
func (p *Peer) Due(now time.Duration) (a Ack, ok bool) {
	for len(p.queue) > 0 && p.queue[0].at <= now {
		e := heap.Pop(&p.queue).(event)
		switch e.kind {
		case arrival:
			p.arrive(e.at, e.segment)
		case delayed:
			if p.pending > 0 && p.next == e.segment.End {
				p.ack(e.at, nil)
			}
		case reading:
			p.reads(e.at)
		case delivery:
			if p.plan.Thin && p.more(e.at) {
				continue
			}
			return e.ack, true
		}
	}
	return a, false
}

// more reports whether another ACK arrives at the same time.
func (p *Peer) more(at time.Duration) bool {
	return slices.ContainsFunc(p.queue, func(e event) bool { return e.kind == delivery && e.at == at })
}

// arrive receives a segment (RFC 9293 §3.10.7.4, RFC 2018 §4, RFC 2883 §4).
func (p *Peer) arrive(now time.Duration, s Segment) {
	p.echo = p.echo && !s.CWR || s.CE
	switch {
	case s.Seq == s.End && !before(s.Seq, p.next):
		return // an acknowledgement
	case s.Seq == s.End, before(p.edge, s.End): // a probe, or what does not fit
		p.ack(now, nil)
		return
	}
	if p.plan.Renege > 0 && now >= p.plan.Renege && len(p.ahead) > 0 {
		p.ahead, p.recent, p.plan.Renege = nil, nil, 0
	}
	if s.HasStamp && !before(p.next, s.Seq) {
		p.stamp = max(p.stamp, s.Stamp)
	}
	if double, ok := p.held(s); ok {
		p.ack(now, double)
		return
	}
	was := p.next
	gap := len(p.ahead) > 0
	p.insert(Block{later(s.Seq, p.next), s.End})
	if p.plan.Read == 0 {
		p.read = p.next
	} else if p.next != was && !p.reading {
		p.reading = true
		p.push(now+p.plan.Read, event{kind: reading})
	}
	if p.pending++; p.plan.Delay > 0 && p.pending < p.plan.Every && !gap && len(p.ahead) == 0 && !s.CE {
		p.push(now+p.plan.Delay, event{kind: delayed, segment: Segment{End: p.next}})
		return
	}
	if half := was + (p.next-was)/2; half != was && p.chance(p.plan.Split) {
		next := p.next
		p.next = half
		p.ack(now, nil)
		p.next = next
	}
	p.ack(now, nil)
}

// held returns what a segment brings that is here already, if all of it is.
func (p *Peer) held(s Segment) (double []Block, ok bool) {
	ok = !before(p.next, s.End)
	for _, b := range p.ahead {
		ok = ok || !before(s.Seq, b.Left) && !before(b.Right, s.End)
	}
	if ok && p.plan.DSACK {
		double = []Block{{s.Seq, s.End}}
	}
	return double, ok
}

// insert adds data and moves next over what has no gap any more.
func (p *Peer) insert(b Block) {
	rest := p.ahead[:0:0]
	for _, x := range p.ahead { // RFC 2018 §4: the block that the newest segment is in comes first
		if before(x.Right, b.Left) || before(b.Right, x.Left) {
			rest = append(rest, x)
			continue
		}
		if before(x.Left, b.Left) {
			b.Left = x.Left
		}
		b.Right = later(b.Right, x.Right)
	}
	p.recent = slices.DeleteFunc(p.recent, func(x Block) bool { return !slices.Contains(rest, x) })
	if b.Left == p.next {
		p.next = b.Right
	} else {
		rest = append(rest, b)
		p.recent = slices.Insert(p.recent, 0, b)
	}
	p.ahead = rest
}

// reads takes data out of the buffer and tells the sender if that gives it much more room (RFC 9293 §3.8.6.2.2).
func (p *Peer) reads(now time.Duration) {
	p.reading = false
	p.read += min(p.next-p.read, p.plan.ReadMax)
	if p.read != p.next {
		p.reading = true
		p.push(now+p.plan.Read, event{kind: reading})
	}
	if open := p.read + p.plan.Window; open-p.edge >= min(2*p.plan.MSS, p.plan.Window/2) {
		p.ack(now, nil)
	}
}

// ack sends an ACK of what is here.
func (p *Peer) ack(now time.Duration, double []Block) {
	p.pending = 0
	edge := later(p.edge, p.next+p.plan.Window)
	if before(p.read, p.next) { // the user has not taken all
		edge = later(p.edge, p.read+p.plan.Window)
	}
	a := Ack{Ack: p.next, Window: min((edge-p.next)>>p.plan.Scale, 0xffff), Echo: p.echo, Stamp: Stamp(now), Ecr: p.stamp}
	p.edge = later(p.edge, p.next+a.Window<<p.plan.Scale)
	if p.plan.SACK {
		a.Blocks = append(double, p.recent...)
		most := 4
		if p.plan.Stamps {
			most = 3
		}
		a.Blocks = a.Blocks[:min(len(a.Blocks), most)]
	}
	if p.chance(p.plan.AckLoss) {
		return
	}
	at := now + p.plan.RTT/2
	if p.chance(p.plan.AckLate) {
		at += time.Duration(p.rand.Int64N(int64(p.plan.RTT/2) + 1))
	}
	if p.plan.Batch > 0 {
		at = (at + p.plan.Batch - 1) / p.plan.Batch * p.plan.Batch
	}
	p.push(at, event{kind: delivery, ack: a})
	if p.chance(p.plan.AckDuplicate) {
		p.push(at+Grid, event{kind: delivery, ack: a})
	}
}

// before reports whether a comes before b in sequence space, later which of both comes later.
func before(a, b uint32) bool { return int32(a-b) < 0 }

func later(a, b uint32) uint32 {
	if before(a, b) {
		return b
	}
	return a
}
