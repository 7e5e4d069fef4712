package tcb

import "github.com/seed963a8790/netstack/internal/seq"

// pushes are the places in what is queued that are pushed though more was written behind them, in order.
type pushes struct{ at deque[seq.Number] }

// notePushes is told that a call has written up to the end of the queue, and whether the user has said that more follows.
// Linux fills buffers of as many whole segments as half of the largest window takes, and pushes a full one where more than
// that half was written since the last push.
func (t *TCB) notePushes(more bool) {
	end, half, last := t.sendQ.end, t.snd.maxWnd/2, &t.snd.pushed
	if end.Sub(*last) > half && !(t.snd.urgent && t.snd.up == end) { // urgent data is not pushed before its end
		goal := t.halfWindow(t.mss())
		for full := seq.Max(*last, t.snd.nxt).Add(goal); full.Less(end); full = full.Add(goal) {
			if full.Sub(*last) <= half {
				continue
			}
			if t.pushes == nil {
				t.pushes = new(pushes)
			}
			t.pushes.at.pushBack(full)
			*last = full
		}
	}
	if !more || end.Sub(*last) > half {
		*last = end
	}
}

// has reports whether the segment that ends at n is pushed. p may be nil.
func (p *pushes) has(n seq.Number) bool {
	if p == nil {
		return false
	}
	lo, hi := 0, p.at.len()
	for lo < hi {
		mid := (lo + hi) / 2
		if p.at.at(mid).Less(n) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo < p.at.len() && *p.at.at(lo) == n
}

// forget drops those that una acknowledges.
func (p *pushes) forget(una seq.Number) {
	for p != nil && p.at.len() > 0 && p.at.first().LessEq(una) {
		p.at.popFront()
	}
}

// halfWindow returns the payload of whole segments that half of the largest window takes, and one segment at least.
func (t *TCB) halfWindow(mss int) int {
	half := min(t.snd.maxWnd/2, t.path.MaxSegment)
	return max(half-half%mss, mss)
}
