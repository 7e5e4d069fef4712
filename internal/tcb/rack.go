package tcb

import (
	"slices"
	"time"

	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// rack finds losses by time (RFC 8985): what was sent so long before something that has arrived that reordering does
// not explain it. The details are Linux's.
type rack struct {
	sent     tcpip.Time // of what has arrived, the last that was sent: when,
	end      seq.Number // and where it ends
	seen     uint32     // times that segments came out of order
	rtt      time.Duration
	advanced bool // there is news since the last search

	// The reordering window grows by steps when duplicates show that it was too short, and is forgotten after a
	// number of recoveries without (§6.2).
	steps, persist uint8
	duplicates     bool   // a duplicate was reported
	lastDelivered  uint32 // when steps changed last

	reordering int // segments that may overtake one before it is taken for lost
}

const (
	rackPersist  = 16 // recoveries
	rackMaxSteps = 255
	timeoutMin   = 2 * time.Millisecond // Linux's TCP_TIMEOUT_MIN_US: no timer is set shorter
)

func (k *rack) init(c *Conf) { *k = rack{steps: 1, reordering: c.Reordering} }

// sentAfter orders transmissions: by time, and those of one time by sequence.
func sentAfter(t1, t2 tcpip.Time, end1, end2 seq.Number) bool {
	return t1 > t2 || t1 == t2 && end2.Less(end1)
}

// rackAdvance learns from a transmission that has arrived.
func (t *TCB) rackAdvance(now tcpip.Time, retrans bool, end seq.Number, sent tcpip.Time) {
	k := &t.rack
	rtt := now.Sub(sent)
	if retrans && rtt+orderSlack < t.rtt.min {
		// It cannot have been the retransmission that arrived so soon.
		return
	}
	k.advanced, k.rtt = true, rtt
	if sentAfter(sent, k.sent, end, k.end) {
		k.sent, k.end = sent, end
	}
}

// window is the reordering window.
func (t *TCB) reorderWindow() time.Duration {
	k := &t.rack
	if k.seen == 0 {
		if t.rec.phase >= phaseRecovery {
			return 0
		}
		if t.sackedOut() >= k.reordering && t.conf.Recovery&RecoveryNoDupThresh == 0 {
			return 0
		}
	}
	return min(t.rtt.min/4*time.Duration(k.steps), t.rtt.srtt)
}

// rackDetect takes for lost what has not arrived for longer than the window, and returns when to look again; zero is
// not at all.
func (t *TCB) rackDetect(now tcpip.Time) (again time.Duration) {
	k, b := &t.rack, &t.board
	window := t.reorderWindow()
	remaining := func(sent tcpip.Time) time.Duration { return k.rtt + window - now.Sub(sent) }
	for b.sends.len() > 0 {
		s := b.sends.first()
		for i := b.find(seq.Max(s.seq, t.snd.una)); i < b.recs.len(); i++ {
			r := b.recs.at(i)
			if !r.seq.Less(s.end) {
				break
			}
			if !r.searched(s.at) {
				continue
			}
			if !sentAfter(k.sent, r.sent, k.end, r.end) {
				return 0
			}
			if remaining(r.sent) > 0 {
				s.seq = seq.Max(s.seq, r.seq)
				return remaining(t.lastSuspect(r.sent))
			}
			t.lose(r)
			r.flags |= recFound
		}
		b.sends.popFront()
	}
	return 0
}

// searched reports whether the transmission at at is the last of r, and r may be found lost.
func (r *record) searched(at tcpip.Time) bool {
	return r.sent == at && r.awaited()
}

// awaited reports whether r may be found lost.
func (r *record) awaited() bool {
	return r.flags&(recSacked|recFound) == 0 && r.flags&(recLost|recResent) != recLost
}

// lastSuspect returns when the last transmission was made that something sent later has overtaken; first is the
// first such. Stale ones at the end are passed over, as long as there are few.
func (t *TCB) lastSuspect(first tcpip.Time) tcpip.Time {
	k, b := &t.rack, &t.board
	lo, hi := 0, b.sends.len() // the first of after the last that has arrived
	for lo < hi {
		mid := (lo + hi) / 2
		if b.sends.at(mid).at <= k.sent {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	for n := lo - 1; n >= max(lo-suspectsLooked, 0); n-- {
		if s := b.sends.at(n); t.suspects(s) {
			return max(s.at, first)
		}
	}
	return first
}

// suspects reports whether something of a transmission has been overtaken: of a super-segment it may be a part.
func (t *TCB) suspects(s *send) bool {
	k, b := &t.rack, &t.board
	for i := b.find(seq.Max(s.seq, t.snd.una)); i < b.recs.len() && b.recs.at(i).seq.Less(s.end); i++ {
		if r := b.recs.at(i); r.searched(s.at) && sentAfter(k.sent, r.sent, k.end, r.end) {
			return true
		}
	}
	return false
}

// suspectsLooked bounds the work of one look.
const suspectsLooked = 16

// sortSends makes the list of transmissions anew.
func (b *scoreboard) sortSends() {
	all := make([]send, 0, b.recs.len())
	for i := range b.recs.len() {
		if r := b.recs.at(i); r.awaited() {
			all = append(all, send{r.seq, r.end, r.sent})
		}
	}
	slices.SortStableFunc(all, func(x, y send) int {
		switch {
		case x.at < y.at:
			return -1
		case x.at > y.at:
			return 1
		}
		return 0
	})
	b.sends = deque[send]{}
	for _, s := range all {
		b.sends.pushBack(s)
	}
}

// rackMarkLost looks for losses if there is news, and reports whether the timer is set to look again.
func (t *TCB) rackMarkLost(now tcpip.Time) bool {
	if !t.rack.advanced {
		return false
	}
	t.rack.advanced = false
	again := t.rackDetect(now)
	if again > 0 {
		t.setTimer(now, pendingReorder, again+timeoutMin)
	}
	return again > 0
}

// reorderTimeout is the timer of rackMarkLost.
func (t *TCB) reorderTimeout(now tcpip.Time) {
	before := t.pipe()
	t.rackDetect(now)
	if before != t.pipe() {
		t.due.repair = true
		if t.rec.phase != phaseRecovery && !(t.rec.phase < phaseCWR && t.probeLost()) {
			t.enterRecovery(now, false)
			if !t.cc.controls() {
				t.reduceWindow(1, 0, 0)
			}
		}
	}
	if t.pending != pendingRexmit || t.deadline[timerRexmit] == 0 {
		t.rearmRexmit(now)
	}
}

// updateReorderWindow adapts the window to duplicates that were reported, at most once per round trip.
func (t *TCB) updateReorderWindow(rs *rateSample) {
	k := &t.rack
	if t.conf.Recovery&RecoveryStaticWindow != 0 || !rs.known {
		return
	}
	if int32(rs.priorDelivered-k.lastDelivered) < 0 {
		k.duplicates = false
	}
	if k.duplicates {
		k.steps = uint8(min(int(k.steps)+1, rackMaxSteps))
		k.duplicates = false
		k.lastDelivered = t.count.delivered
		k.persist = rackPersist
	} else if k.persist == 0 {
		k.steps = 1
	}
}

// sawReordering notes that what begins at low arrived although later segments had: by as much reordering is possible.
// how is what it counts as.
func (t *TCB) sawReordering(low seq.Number, how Tally) {
	high := t.highestSacked()
	if !low.Less(high) {
		return
	}
	k, mss := &t.rack, max(t.cc.mss, 1)
	if n := high.Sub(low); n > k.reordering*mss {
		k.reordering = min((n+mss-1)/mss, t.conf.MaxReordering)
	}
	k.seen++
	t.tally(how, 1)
}
