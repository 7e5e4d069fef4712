package tcb

import (
	"github.com/seed963a8790/netstack/header"
)

// accurate is what a connection with accurate ECN feedback counts (RFC 9768): every segment after the handshake says in
// three bits how many marked packets have come. Connections without have none.
type accurate struct {
	in, out uint32 // marked packets: r.cep, that we have received, and s.cep, that the peer has
	syn     uint8  // how the peer's SYN, or SYN-ACK, came, as an ACE field
	third   bool   // the next segment of the peer may say so of ours (§3.2.2.1)
	bare    bool   // packets are not marked as ECN-capable any more: the field does not get through
	sent    uint32 // delivered segments when out was last brought up to date

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

// aceOfMark is how the mark of a SYN or SYN-ACK is told in the handshake (§3.1.1 table 2, §3.2.2.1 table 3).
var aceOfMark = [4]uint8{notECT: 0b010, ect1: 0b011, ect0: 0b100, markCE: 0b110}

// answers says what a SYN-ACK's field means to who has sent the SYN of §3.1.1 (table 2).
var answers = [8]struct{ ecn, accurate bool }{
	0b001: {ecn: true}, 0b101: {ecn: true},
	0b010: {true, true}, 0b011: {true, true}, 0b100: {true, true}, 0b110: {true, true},
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

// newAccurate begins the counters of a connection; mark is that of the peer's SYN or SYN-ACK.
func newAccurate(mark uint8) *accurate {
	a := &accurate{in: aceInitial, out: aceInitial, syn: aceOfMark[mark&3]}
	if mark == markCE {
		a.in++
	}
	return a
}

// answeredAccurate takes the SYN-ACK that answers a SYN with all three flags (§3.1.2).
func (t *TCB) answeredAccurate(s *Segment) {
	ace := getACE(s.Flags)
	t.opt.ecn = answers[ace].ecn
	if !answers[ace].accurate {
		return
	}
	t.acc = newAccurate(s.Mark)
	t.acc.takeOption(&s.Options.AccECN, true)
	if ace == aceOfMark[markCE] {
		t.acc.out++
	}
	t.due.third = true
}

// takeAccurate reads what s says of marks: on the way to us in the IP header, on the way to the peer in ACE. advanced
// says that s acknowledges something new: any other field may be an old one.
func (t *TCB) takeAccurate(s *Segment, advanced bool) {
	a := t.acc
	t.ecn.seen = t.ecn.seen || s.ECT
	if s.CE > 0 {
		a.in += uint32(s.CE)
		if s.Len > 0 { // §3.2.2.5.1: the peer is told before the field can wrap
			t.ackNow()
		}
	}
	if s.Len > 0 && s.Mark != notECT {
		if a.last != notECT && a.last != s.Mark { // §3.2.3.3: change-triggered
			t.ackNow()
		}
		a.last = s.Mark
	}
	if o := &s.Options.AccECN; o.Has {
		a.takeOption(o, a.third)
	}
	ace := getACE(s.Flags)
	if a.third {
		a.third = false
		switch ace {
		case 0: // somebody clears it (§3.2.2.1 table 4)
			a.bare = true
		case aceOfMark[markCE]:
			a.out++
			fallthrough
		case aceOfMark[notECT], aceOfMark[ect1], aceOfMark[ect0]:
			a.sent = t.count.delivered
			return
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
