package tcb

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// accurate is what a connection with accurate ECN feedback counts (RFC 9768): every segment after the handshake says in
// three bits how many marked packets have come. Connections without have none.
type accurate struct {
	in, out  uint32 // marked packets: r.cep, that we have received, and s.cep, that the peer has
	syn      uint8  // how the peer's last SYN, or SYN-ACK, came, as an ACE field
	capable  bool   // our SYN, or SYN-ACK, was marked as ECN-capable
	client   bool   // we have asked for it
	third    bool   // the next segment of the peer may say how our SYN-ACK came (§3.2.2.1)
	first    bool   // nothing has come since the handshake
	markedIn bool   // a marked SYN-ACK is among in
	bare     bool   // the peer's field is cleared: it is not believed, and packets are not marked as ECN-capable any more
	plain    bool   // nor are they here, but the field is believed
	ofACKs   bool   // the next ACK tells of marks on ACKs, and has no SACK blocks (§3.2.2.5.1)
	didACKs  bool   // the last one did
	prev     uint8  // mark of the packet before
	untold   int    // marked packets since our last ACK
	sent     uint32 // delivered segments when out was last brought up to date

	accurateOption
}

// The field ACE is AE, CWR and ECE, from the highest bit on (§3.2.2). It counts from 5, so that it differs from a field
// that somebody clears.
const (
	aceFlags   = header.AE | header.CWR | header.ECE
	aceMask    = 7
	aceInitial = 5
)

// ECN codepoints of the IP header (RFC 3168 §5).
const (
	notECT = 0
	ect1   = 1
	ect0   = 2
	markCE = 3
)

// The fields of a SYN that ask for ECN without accurate feedback, and for none (§3.1.2 table 2). All others ask for it:
// one now, the rest in days to come (§3.1.3).
const (
	aceNothing = 0b000
	aceClassic = 0b011
)

// aceOfMark is how the mark of a SYN or SYN-ACK is told in the handshake (§3.1.2 table 2, §3.2.2.1 table 3).
var aceOfMark = [4]uint8{notECT: 0b010, ect1: 0b011, ect0: 0b100, markCE: 0b110}

// markOfACE is the way back; ok says that the field tells of a mark.
var markOfACE = [8]struct {
	mark uint8
	ok   bool
}{0b010: {notECT, true}, 0b011: {ect1, true}, 0b100: {ect0, true}, 0b110: {markCE, true}}

// answers says what a SYN-ACK's field means to who has sent the SYN of §3.1.1 (§3.1.2 table 2; 101 is §3.1.3's).
var answers = [8]struct{ ecn, accurate bool }{
	0b001: {ecn: true},
	0b010: {true, true}, 0b011: {true, true}, 0b100: {true, true}, 0b101: {true, true}, 0b110: {true, true},
}

func putACE(f header.TCPFlags, v uint8) header.TCPFlags {
	f &^= aceFlags
	for i, bit := range [...]header.TCPFlags{header.ECE, header.CWR, header.AE} {
		if v>>i&1 != 0 {
			f |= bit
		}
	}
	return f
}

func getACE(f header.TCPFlags) (v uint8) {
	for i, bit := range [...]header.TCPFlags{header.ECE, header.CWR, header.AE} {
		if f&bit != 0 {
			v |= 1 << i
		}
	}
	return v
}

// newAccurate begins the counters of a connection (§3.2.1); mark is that of the peer's SYN or SYN-ACK, and capable says
// that ours was marked as ECN-capable. The mark of a SYN is not counted: the SYN-ACK tells it (§3.2.2.2).
func newAccurate(mark uint8, capable bool) *accurate {
	return &accurate{in: aceInitial, out: aceInitial, syn: aceOfMark[mark&3], prev: mark & 3, capable: capable}
}

// answeredAccurate takes the SYN-ACK that answers a SYN with all three flags (§3.1.2).
func (t *TCB) answeredAccurate(s *Segment) {
	ace := getACE(s.Flags)
	t.opt.ecn = answers[ace].ecn
	if !answers[ace].accurate {
		return
	}
	t.acc = newAccurate(s.Mark, t.conf.marks())
	t.acc.client, t.acc.first = true, true
	t.acc.takeAnswer(s)
	t.acc.takeOption(&s.Options.AccECN, true)
	t.acc.compare(ace)
	t.due.third = true
}

// crossedAccurate takes a SYN that crosses ours: it is answered as if we had not sent one (§3.1.2).
func (t *TCB) crossedAccurate(s *Segment) {
	switch ace := getACE(s.Flags); {
	case ace == aceNothing:
		t.opt.ecn = false
	case ace != aceClassic:
		t.acc = newAccurate(s.Mark, t.conf.marks())
		t.acc.first = true
	}
}

// takeAnswer reads how a SYN-ACK came. However often it comes, one mark counts (§3.2.2.2).
func (a *accurate) takeAnswer(s *Segment) {
	a.syn = aceOfMark[s.Mark&3]
	if s.Mark&3 == markCE && !a.markedIn {
		a.markedIn = true
		a.in++
	}
}

// answeredAgain has the ACK of a SYN-ACK that comes again say how it came (§3.2.2.1).
func (t *TCB) answeredAgain(s *Segment) {
	if a := t.acc; a != nil && a.client && t.due.challenge && s.Flags&header.ACK != 0 && s.Seq == t.rcv.irs && answers[getACE(s.Flags)].accurate {
		a.takeAnswer(s)
		t.due.third = true
	}
}

// compare holds how our SYN, or SYN-ACK, has come against how it was sent. What the network may not do to it, it may do to
// other packets: they are not marked as ECN-capable any more (§3.2.2.3; RFC 3168 §18).
func (a *accurate) compare(ace uint8) {
	if m := markOfACE[ace]; m.ok && a.capable == (m.mark == notECT) {
		a.plain = true
	}
}

// mayMark reports whether packets are marked as ECN-capable.
func (a *accurate) mayMark() bool { return !a.bare && !a.plain }

// takeThird reads the field of the bare ACK of our SYN-ACK (§3.2.2.1 table 4). It reports whether that came marked.
func (a *accurate) takeThird(ace uint8) (marked bool) {
	a.compare(ace)
	switch ace {
	case 0: // somebody clears it, or the peer is not in this mode (note 1)
		a.bare = true
	case aceOfMark[markCE]:
		a.out++
		return true
	}
	return false
}

// handshakeMarked answers a mark on our SYN or SYN-ACK: the first window is reduced (§3.2.2.2).
func (t *TCB) handshakeMarked(now tcpip.Time) {
	t.count.deliveredMarked++
	t.enterCWR(now)
	if t.board.segs == 0 { // nothing in flight whose end would be waited for
		t.endReduction(now)
		t.rec.phase = phaseOpen
	}
}

// takeAccurate reads what s says of marks: on the way to us in the IP header, on the way to the peer in ACE. advanced
// says that s acknowledges something new: any other field may be an old one.
func (t *TCB) takeAccurate(now tcpip.Time, s *Segment, advanced bool) {
	a := t.acc
	t.ecn.seen = t.ecn.seen || s.ECT
	t.tellMarks(s)
	if o := &s.Options.AccECN; o.Has {
		a.takeOption(o, a.third)
	}
	ace := getACE(s.Flags)
	if third, first := a.third, a.first; third || first {
		a.third, a.first = false, false
		switch {
		case third && s.Len == 0 && s.Options.NumSACK == 0:
			a.sent = t.count.delivered
			if a.takeThird(ace) {
				t.handshakeMarked(now)
			}
			return
		case ace == 0: // somebody clears it (§3.2.2.4)
			a.bare = true
		}
	}
	arrived := t.count.delivered - a.sent
	if !advanced || a.bare {
		return
	}
	a.sent = t.count.delivered
	marked := (uint32(ace) - a.out) & aceMask
	switch bytes, known := a.takeReported(); {
	case known: // how often it has wrapped shows in the bytes (appendix A.2.2)
		for marked*uint32(t.cc.mss) < bytes && marked+aceMask+1 <= arrived {
			marked += aceMask + 1
		}
	case marked > 0 && arrived > aceMask: // it may have wrapped: the worst that fits (appendix A.2.1)
		marked = arrived - (arrived-marked)&aceMask
	}
	if marked == 0 {
		return
	}
	a.out += marked
	t.count.deliveredMarked += marked
}

// After how many marks they are told at once (§3.2.2.5.1): with data to acknowledge, and without, where ACKs of ACKs must
// not keep each other going.
const (
	marksWithData = 2
	marksWithout  = 3
)

// tellMarks counts the marks of s, and has the peer told in time: of the first mark on data after none, and before the
// field can wrap (§3.2.2.5.1).
func (t *TCB) tellMarks(s *Segment) {
	a := t.acc
	marked := s.CE > 0
	if marked {
		a.in += uint32(s.CE)
		a.untold += s.CE
		switch {
		case s.Len > 0 && (a.prev != markCE || a.untold >= marksWithData), t.rcv.acked != t.rcv.nxt && a.untold >= marksWithData:
			t.ackNow()
		case s.Len == 0 && a.untold >= marksWithout:
			a.ofACKs = !t.due.ack
			t.ackNow()
		}
	}
	a.prev = s.Mark & 3
}
