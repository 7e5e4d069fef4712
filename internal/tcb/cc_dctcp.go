package tcb

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// dctcp is the memory of DCTCP (RFC 8257): both what the sender estimates and what the receiver owes. Without ECN a
// connection that has it is one of Reno's, as on Linux.
type dctcp struct {
	alpha  int        // DCTCP.Alpha, in 1/alphaOne
	acked  int        // DCTCP.BytesAcked
	marked int        // DCTCP.BytesMarked
	end    seq.Number // DCTCP.WindowEnd
	counts uint32     // with accurate feedback: segments that were reported when the window began

	// The acknowledgement that waited when the marks changed: up to where, and what it says (§3.2 figure 1).
	earlier     seq.Number
	earlierEcho bool
}

// RFC 8257 §3.3: the estimate begins with 1, so that the first mark halves the window; g is 1/16 (§4.2). alphaOne is
// finer than what Linux shows, 1024.
const (
	alphaOne      = 1 << 20
	dctcpGain     = 16
	dctcpShown    = 1024
	dctcpShownDiv = alphaOne / dctcpShown
)

// DCTCPInfo is what DCTCP says of itself.
type DCTCPInfo struct {
	Enabled       bool // ECN was agreed upon; or else it is Reno
	CE            bool // DCTCP.CE: the last data came marked
	Alpha         int  // share of the bytes that was marked lately, in 1/1024
	Marked, Acked int  // bytes in this window
}

// DCTCP returns what DCTCP knows, and whether the connection uses it.
func (t *TCB) DCTCP() (i DCTCPInfo, ok bool) {
	d := t.cc.dctcp
	if d == nil {
		return i, false
	}
	if !t.opt.ecn {
		return i, true
	}
	return DCTCPInfo{Enabled: true, CE: t.ecn.echo, Alpha: d.alpha / dctcpShownDiv, Marked: d.marked, Acked: d.acked}, true
}

// dctcpOf returns the state as long as DCTCP has a say.
func dctcpOf(t *TCB) *dctcp {
	if !t.opt.ecn {
		return nil
	}
	return t.cc.dctcp
}

// beginDCTCP starts the first observation window, if the algorithm is DCTCP: WindowEnd is SND.UNA (§3.3).
func (t *TCB) beginDCTCP() {
	if d := t.cc.dctcp; d != nil {
		*d = dctcp{alpha: alphaOne, end: t.snd.una, counts: t.count.deliveredMarked}
	}
}

// dctcpAcked takes an acknowledgement of n new bytes (§3.3, steps 1 to 8).
func dctcpAcked(t *TCB, flags ackFlags, n int) {
	d := dctcpOf(t)
	if d == nil || n <= 0 {
		return
	}
	d.acked += n
	switch {
	case t.acc != nil:
		d.marked = min(int(t.count.deliveredMarked-d.counts)*t.cc.mss, d.acked)
	case flags&ackECE != 0:
		d.marked += n
	}
	if t.snd.una.LessEq(d.end) {
		return
	}
	m := int(int64(d.marked) * alphaOne / int64(d.acked))
	less := d.alpha / dctcpGain
	if less == 0 { // or else it would never get down to zero (§4.2)
		less = d.alpha
	}
	d.alpha = min(d.alpha-less+m/dctcpGain, alphaOne)
	d.end, d.acked, d.marked, d.counts = t.snd.nxt, 0, 0, t.count.deliveredMarked
}

// dctcpSsthresh reduces by half of the share of marked bytes (§3.3, step 9).
func dctcpSsthresh(t *TCB, now tcpip.Time) int {
	d := dctcpOf(t)
	if d == nil {
		return renoSsthresh(t, now)
	}
	return max(t.cc.cwnd-int(int64(t.cc.cwnd)*int64(d.alpha)/(2*alphaOne)), 2)
}

// dctcpEvent answers a loss as others do, by half, whatever the marks say (§3.5).
func dctcpEvent(t *TCB, _ tcpip.Time, e ccEvent) {
	if c := &t.cc; e == eventLoss || e == eventEnterRecovery {
		c.ssthresh = min(c.ssthresh, max(c.prior/2, 2))
	}
}

// takeMark follows the marks of data (§3.2): each acknowledgement says by ECE whether what it newly acknowledges came
// marked. When that changes the acknowledgement that waits is sent as it would have been, and then another at once.
func (t *TCB) takeMark(s *Segment) {
	if s.Len == 0 || t.ecn.echo == (s.CE > 0) {
		return
	}
	if t.due.delayed && t.rcv.acked != t.rcv.nxt {
		d := t.cc.dctcp
		d.earlier, d.earlierEcho, t.due.earlier = t.rcv.nxt, t.ecn.echo, true
	}
	t.ecn.echo = s.CE > 0
	t.ackNow()
}

// sendEarlier sends the acknowledgement that waited when the marks changed, with the window's edge as it was announced.
func (t *TCB) sendEarlier(now tcpip.Time, out *Out) {
	d := t.cc.dctcp
	t.header(now, out)
	t.save(out, undoState, record{})
	out.Seq, out.Ack = t.snd.nxt, d.earlier
	out.Window = uint16(min(max(t.rcv.adv.Sub(d.earlier), 0)>>t.rcv.scale, 65535))
	if out.Flags &^= header.ECE; d.earlierEcho {
		out.Flags |= header.ECE
	}
	t.due.earlier = false
	t.count.segsOut++
}
