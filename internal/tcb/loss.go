package tcb

import "github.com/seed963a8790/netstack/tcpip"

// enterLoss is what a retransmission timeout does (RFC 5681 §3.1, RFC 6675 §5.1, RFC 8985 §6.3).
func (t *TCB) enterLoss(now tcpip.Time) {
	r, b, c := &t.rec, &t.board, &t.cc
	fresh := r.phase < phaseRecovery
	if t.acc != nil && t.snd.una == t.snd.iss+1 { // the first data went with the option, and may have been lost because of it
		t.acc.mute = true
	}
	t.timeoutMarkLost(now)
	// One reduction per window: not for what a reduction already stands for, but again where the
	// repair itself was lost after it had made progress.
	if r.phase <= phaseDisorder || !t.snd.una.Less(r.point) || r.phase == phaseLoss && t.snd.retries == 0 {
		c.priorSsthresh = t.currentSsthresh()
		c.prior = c.cwnd
		c.ssthresh = c.algorithm.ssthresh(t, now)
		c.event(t, now, eventLoss)
		t.initUndo()
	}
	c.cwnd = t.pipe() + 1
	c.credit = 0
	c.stamp = now
	if r.phase <= phaseDisorder && t.sackedOut() >= t.conf.Reordering {
		t.rack.reordering = min(t.rack.reordering, t.conf.Reordering)
	}
	r.phase = phaseLoss
	c.event(t, now, eventEnterLoss)
	r.point = t.snd.nxt
	t.tlp.out = false
	t.due.cwr = t.opt.ecn && b.segs > 0
	r.frto = t.conf.FRTO && (fresh || t.snd.retries > 0) && !t.search.probing
}

// timeoutMarkLost takes everything for lost that is not sacked, but for what was sent just now; and all, where what is
// sacked was thrown away.
func (t *TCB) timeoutMarkLost(now tcpip.Time) {
	b := &t.board
	if b.recs.len() == 0 {
		return
	}
	reneged := b.recs.first().flags&recSacked != 0
	if reneged {
		b.renege()
		t.count.reneged++
		t.tally(TallySACKReneging, 1)
	} else if !t.opt.sack {
		t.settleDupAcks()
	}
	k := &t.rack
	for i := range b.recs.len() {
		r := b.recs.at(i)
		if i > 0 && t.opt.sack && !reneged && k.rtt-now.Sub(r.sent) > 0 {
			continue
		}
		t.lose(r)
	}
	b.rexmitFrom = b.recs.first().seq
}

// resendLarge sends again what no longer fits the path, without taking that for congestion (RFC 1191 §6.4, RFC 4821
// §7.6.2): the window stays, and so does what is sacked.
func (t *TCB) resendLarge() {
	b, r := &t.board, &t.rec
	mss, before := t.cc.mss, b.lost
	for i := range b.recs.len() {
		if x := b.recs.at(i); min(int(x.mss), x.len()) > mss {
			t.lose(x)
			t.due.repair = true
		}
	}
	if b.lost == before {
		return
	}
	if r.phase != phaseLoss {
		r.point = t.snd.nxt
		t.cc.ssthresh = t.currentSsthresh()
		t.cc.priorSsthresh, r.marked, r.frto = 0, false, false
		r.phase = phaseLoss
	}
}

// repairLoss moves the repair of a timeout on, after an acknowledgement: F-RTO (RFC 5682 §2.1, §3.1) and the end.
func (t *TCB) repairLoss(now tcpip.Time, a *acked, dups int) rexmit {
	r := &t.rec
	advanced := a.flags&ackAdvanced != 0
	recovered := !t.snd.una.Less(r.point)
	if advanced && t.undoLoss(now, false) {
		return rexmitNone
	}
	if r.frto {
		// Step 3.b: what was never sent again has arrived.
		if a.flags&ackOriginal != 0 && t.undoLoss(now, true) {
			return rexmitNone
		}
		if r.point.Less(t.snd.nxt) {
			if a.flags&ackSacked != 0 || dups > 0 {
				r.frto = false // step 3.a: it was no mistake
			}
		} else if advanced && !recovered {
			r.point = t.snd.nxt
			if t.snd.nxt.Less(t.end()) && t.windowRoom() > 0 { // step 2.b
				return rexmitNew
			}
			r.frto = false
		}
	}
	if recovered { // step 2.a and the first part of 3.a
		t.undoRecovery(now)
		return rexmitNone
	}
	if !t.opt.sack {
		if r.point.Less(t.snd.nxt) && dups > 0 {
			t.addDupAcks(dups, a.flags&ackECE != 0)
		} else if advanced {
			t.settleDupAcks()
		}
	}
	return rexmitLost
}

// endLossTime ends the measurement of how long timeouts take to repair.
func (t *TCB) endLossTime(now tcpip.Time) {
	if r := &t.rec; r.lossSince != 0 {
		r.lost += now.Sub(r.lossSince)
		r.lossSince = 0
	}
}
