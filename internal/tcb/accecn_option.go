package tcb

import (
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// MarkBytes counts bytes of payload by the mark of the packet that brought them (RFC 3168 §5).
type MarkBytes struct{ E0, CE, E1 uint32 }

// add counts s.
func (m *MarkBytes) add(s *Segment) {
	switch s.Mark {
	case ect0:
		m.E0 += uint32(s.Len)
	case ect1:
		m.E1 += uint32(s.Len)
	case markCE:
		m.CE += uint32(s.Len)
	}
}

// AccECNOption is what has been seen of the peer's options of accurate feedback, with the numbers of tcpi_accecn_opt_seen.
type AccECNOption uint8

// What may have been seen.
const (
	OptionNotSeen  AccECNOption = iota
	OptionEmpty                 // without counters
	OptionCounters              // with
	OptionZeroed                // the counters began with zero: somebody clears them, and they are not believed
)

// AccECNFailure says what does not get through, with the bits of tcpi_accecn_fail_mode.
type AccECNFailure uint8

// The bits.
const (
	_                  AccECNFailure = 1 << iota
	FailReceivedACE                  // the field in the peer's segments is cleared
	FailSentOption                   // our options may be what makes packets get lost
	FailReceivedOption               // the counters in the peer's options are cleared
)

// accurateOption is what a connection with accurate feedback remembers for the option (RFC 9768 §3.2.3).
type accurateOption struct {
	told     MarkBytes // what our last option has reported
	peer     MarkBytes // what the peer has: s.e0b, s.ceb and s.e1b less their initial values
	reported uint32    // bytes of peer.CE that no ACE field was held against yet
	seen     AccECNOption
	fresh    bool       // an option has come since an ACE field was looked at
	changed  uint8      // which counters had changed when our last option was sent, a bit for each
	toldAt   tcpip.Time // and when that was
	owed     bool       // the next segment has an option, changed or not
	mute     bool       // we send no options: they may be what makes packets get lost
}

// The counters begin with 1 where zero would not tell whether somebody has cleared them (§3.2.1).
var optionInitial = MarkBytes{E0: 1, E1: 1}

func (a *accurate) failure() (f AccECNFailure) {
	if a.bare {
		f |= FailReceivedACE
	}
	if a.mute {
		f |= FailSentOption
	}
	if a.seen == OptionZeroed {
		f |= FailReceivedOption
	}
	return f
}

// takeOption reads an option. initial says that it came in the handshake, where no counter of a peer's is zero
// (§3.2.3.2.4). A counter that goes back is an old one.
func (a *accurate) takeOption(o *header.AccECN, initial bool) {
	if !o.Has || a.seen == OptionZeroed {
		return
	}
	e0, has0 := o.E0()
	ce, hasCE := o.CE()
	e1, has1 := o.E1()
	if initial && (has0 && e0 == 0 || has1 && e1 == 0) {
		a.seen = OptionZeroed
		return
	}
	if a.seen = max(a.seen, OptionEmpty); o.Count > 0 {
		a.seen, a.fresh = OptionCounters, !initial
	}
	for _, c := range [...]struct {
		has     bool
		v       uint32
		initial uint32
		count   *uint32
	}{{has0, e0, optionInitial.E0, &a.peer.E0}, {hasCE, ce, optionInitial.CE, &a.peer.CE}, {has1, e1, optionInitial.E1, &a.peer.E1}} {
		if !c.has {
			continue
		}
		if more := int32((c.v-c.initial-*c.count)<<8) >> 8; more > 0 {
			*c.count += uint32(more)
			if c.count == &a.peer.CE {
				a.reported += uint32(more)
			}
		}
	}
}

// takeReported returns how many marked bytes the peer has reported since the last call, if it reports bytes at all.
func (a *accurate) takeReported() (bytes uint32, known bool) {
	bytes, known = a.reported, a.fresh
	a.reported, a.fresh = 0, false
	return bytes, known
}

// fullReport is an option with all three counters, those of ECT(1) first or of ECT(0).
func fullReport(m *MarkBytes, first1 bool) header.AccECN {
	e0, ce, e1 := (m.E0+optionInitial.E0)&header.AccECNMask, (m.CE+optionInitial.CE)&header.AccECNMask, (m.E1+optionInitial.E1)&header.AccECNMask
	if first1 {
		return header.AccECN{Has: true, Count: 3, ECT1First: true, Fields: [3]uint32{e1, ce, e0}}
	}
	return header.AccECN{Has: true, Count: 3, Fields: [3]uint32{e0, ce, e1}}
}

// reportBytes puts the option into o, which has room for so many bytes, and returns what it takes of it (§3.2.3.3). It goes
// with what a counter has changed for, as the recommended scheme has it, and besides with whatever acknowledges something
// new, and with all up to the first data (§3.2.3.2.1). SACK blocks, up to two, count for more; then what has changed must
// come first, so that the rest can be left out.
func (t *TCB) reportBytes(at tcpip.Time, o *header.TCPOptions, room int) int {
	a, now := t.acc, &t.ecn.bytes
	switch {
	case t.conf.ECNOption == ReportNever:
		return 0
	case (a.mute || t.snd.retries > 0) && t.conf.ECNOption != ReportAlways: // what is lost again and again had better go without
		return 0
	case a.owed, t.count.dataOut == 0:
	case t.conf.ECNOption == ReportSparing && !t.reportDue(at):
		return 0
	case t.rcv.acked != t.rcv.nxt, a.told != *now:
	default:
		return 0
	}
	if n := min(t.sackCount(), 2); n > 0 {
		room -= sackBase + n*sackSize
	}
	changed0, changed1 := now.E0 != a.told.E0, now.E1 != a.told.E1
	r := fullReport(now, changed1 && !changed0 || !changed0 && now.E0 == 0)
	if r.Size() > room {
		if r.Count--; r.Size() > room || changed0 && changed1 {
			return 0
		}
	}
	o.AccECN, a.toldAt = r, at
	return r.Size()
}

// reportDue reports whether a sparing sender has to say something: of a counter that had not changed when it last did, or
// because a part of a round trip has passed since (§3.2.3.3).
func (t *TCB) reportDue(at tcpip.Time) bool {
	a := t.acc
	if t.changedCounters()&^a.changed != 0 {
		return true
	}
	return a.told != t.ecn.bytes && t.conf.ECNBeacon > 0 && at.Sub(a.toldAt) >= t.rtt.srtt/time.Duration(t.conf.ECNBeacon)
}

// changedCounters are those that differ from what was reported, a bit for each.
func (t *TCB) changedCounters() (set uint8) {
	a, now := &t.acc.told, &t.ecn.bytes
	for i, changed := range [...]bool{a.E0 != now.E0, a.CE != now.CE, a.E1 != now.E1} {
		if changed {
			set |= 1 << i
		}
	}
	return set
}

// sackCount returns how many SACK blocks there are to report.
func (t *TCB) sackCount() int {
	if !t.opt.sack {
		return 0
	}
	n := int(t.ooo.n)
	if d := t.ooo.dup; d.Start != d.End && !t.conf.NoDSACK {
		n++
	}
	return n
}
