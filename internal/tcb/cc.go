package tcb

import (
	"time"

	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// cc is congestion control (RFC 5681): the window, in segments as on Linux, and what the algorithm remembers.
type cc struct {
	algorithm *algorithm
	mss       int // bytes of a full segment
	cwnd      int
	pace      int64 // bytes per second that the last acknowledgement allows, if the algorithm does not say; zero: none has come
	ssthresh  int
	credit    int // segments acknowledged and not yet turned into window

	// What there was before the last reduction, for its undoing.
	prior         int // the window when it began
	priorSsthresh int // the threshold; zero where it may not come back

	// Whether the window is used (RFC 7661, as Linux does it).
	limited bool       // it has held the sender back in this round
	round   seq.Number // where this round ends
	maxOut  int        // the most in flight in this round
	used    int        // the most in flight while the window was not what limits
	stamp   tcpip.Time // when it was last found in full use, or changed

	cubic cubic
	bbr   *bbr         // nil: not in use
	dctcp *dctcp       // nil: not in use
	plus  *hystartPlus // nil: slow start is without HyStart++
}

// algorithm is what congestion control algorithms differ in. The functions must not allocate.
type algorithm struct {
	name string
	// avoid grows the window in congestion avoidance, for acked segments.
	avoid func(t *TCB, now tcpip.Time, acked int)
	// ssthresh returns the threshold that congestion sets.
	ssthresh func(t *TCB, now tcpip.Time) int
	// restore returns the window after a reduction that was a mistake.
	restore func(t *TCB, now tcpip.Time) int
	// sample takes a measurement of the round trip of what an acknowledgement covers; nil if not wanted.
	sample func(t *TCB, now tcpip.Time, rtt time.Duration)
	// event tells of what else happens; nil if not wanted.
	event func(t *TCB, now tcpip.Time, e ccEvent)
	// control takes window and pacing rate over altogether; nil if not wanted.
	control func(t *TCB, now tcpip.Time, rs rateSample)
	// pacing returns the pacing rate, bytes per second, where there is a control.
	pacing func(t *TCB) int64
	// lost tells of what is taken for lost; nil if not wanted.
	lost func(t *TCB, r *record)
	// acked takes an acknowledgement of n new bytes, before recovery looks at it; nil if not wanted.
	acked func(t *TCB, flags ackFlags, n int)
	// marks says that the algorithm lives on marks: it asks for ECN whatever Conf.ECN says, and every segment, the
	// SYN included, is ECN-capable.
	marks bool
}

// ccEvent is what algorithms may want to know of.
type ccEvent uint8

const (
	eventStart         ccEvent = iota // sending begins again with nothing in flight
	eventRestart                      // and the window was reduced because of the pause
	eventLoss                         // a timeout has reduced the threshold
	eventEnterLoss                    // a timeout
	eventEnterRecovery                // fast recovery begins, and the threshold is reduced
)

// algorithms by Conf.Congestion.
var algorithms = [...]algorithm{
	Cubic: {name: "cubic", avoid: cubicAvoid, ssthresh: cubicSsthresh, restore: restorePrior, sample: cubicSample, event: cubicEvent},
	Reno:  {name: "reno", avoid: renoAvoid, ssthresh: renoSsthresh, restore: restorePrior, sample: renoSample},
	BBR:   {name: "bbr", ssthresh: bbrSsthresh, restore: bbrRestore, event: bbrEvent, control: bbrControl, pacing: bbrPacing, lost: bbrLost},
	DCTCP: {name: "dctcp", avoid: renoAvoid, ssthresh: dctcpSsthresh, restore: restorePrior, sample: renoSample, event: dctcpEvent,
		acked: dctcpAcked, marks: true},
}

const infiniteSsthresh = 1<<31 - 1

func (c *cc) init(alg Congestion, mss, initialWindow int) {
	*c = cc{mss: mss, cwnd: initialWindow, ssthresh: infiniteSsthresh}
	c.choose(alg)
}

// initCongestion begins congestion control of a connection that opens.
func (t *TCB) initCongestion(window int) {
	t.cc.init(t.conf.Congestion, t.mss(), window)
	t.beginDCTCP()
	if t.conf.HyStartPlus && !t.cc.controls() {
		t.cc.plus = &hystartPlus{}
	}
}

// setMSS follows a change of the segment size.
func (c *cc) setMSS(mss int) { c.mss = mss }

func (c *cc) choose(alg Congestion) {
	if int(alg) >= len(algorithms) {
		alg = Cubic
	}
	c.algorithm = &algorithms[alg]
	c.cubic, c.bbr, c.dctcp = cubic{}, nil, nil
	if alg == DCTCP {
		c.dctcp = &dctcp{alpha: alphaOne}
	}
}

func (c *cc) controls() bool { return c.algorithm != nil && c.algorithm.control != nil }

func (c *cc) event(t *TCB, now tcpip.Time, e ccEvent) {
	if f := c.algorithm.event; f != nil {
		f(t, now, e)
	}
}

// bytes returns the window in bytes.
func (c *cc) bytes() int { return c.cwnd * c.mss }

func (c *cc) slowStart() bool { return c.cwnd < c.ssthresh }

// slowStartGrow grows the window for acked segments up to the threshold, and returns those left over (RFC 5681 §3.1).
func (c *cc) slowStartGrow(acked int) int {
	grow := min(acked, c.ssthresh-c.cwnd)
	c.cwnd += grow
	return acked - grow
}

// additive adds one segment to the window for every per segments acknowledged.
func (c *cc) additive(per, acked int) {
	per = max(per, 1)
	if c.credit >= per { // per was larger then
		c.credit = 0
		c.cwnd++
	}
	c.credit += acked
	if c.credit >= per {
		n := c.credit / per
		c.credit -= n * per
		c.cwnd += n
	}
}

// inUse reports whether the window is what limits the sender, or in slow start may become so.
func (c *cc) inUse() bool { return c.limited || c.slowStart() && c.cwnd < 2*c.maxOut }

// control does what an acknowledgement means for the window: delivered segments have arrived, lost were found to be
// lost.
func (t *TCB) controlCongestion(now tcpip.Time, a *acked, delivered, lost int) {
	switch c := &t.cc; {
	case a.flags&ackSyn != 0 && c.controls(): // the handshake is no sample of the path's
	case c.controls():
		c.algorithm.control(t, now, a.rate)
	case t.inReduction():
		t.reduceWindow(delivered, lost, a.flags)
	case t.mayRaise(a):
		t.raise(now, delivered)
		c.stamp = now
	}
}

// raise grows the window for acked segments, if it is in use: up to the threshold by slow start (RFC 5681 §3.1), and
// beyond it as the algorithm has it.
func (t *TCB) raise(now tcpip.Time, acked int) {
	c := &t.cc
	if !c.inUse() {
		return
	}
	if c.slowStart() {
		if acked = t.slowStartGrow(acked); acked == 0 {
			return
		}
	}
	c.algorithm.avoid(t, now, acked)
}

// mayRaise reports whether an acknowledgement counts for growth: where much reordering was seen, not in order alone.
func (t *TCB) mayRaise(a *acked) bool {
	if t.rack.reordering > t.conf.Reordering {
		return a.flags&(ackData|ackSacked) != 0
	}
	return a.flags&ackData != 0
}

// validate follows how much of the window the sender uses, after it has sent what it could (RFC 7661, RFC 2861).
func (t *TCB) validate(now tcpip.Time, limited bool) {
	c, out := &t.cc, t.board.segs
	limited = limited || t.pipe() >= c.cwnd
	if c.round.LessEq(t.snd.una) || limited || !c.limited && out > c.maxOut {
		c.limited, c.maxOut, c.round = limited, out, t.snd.nxt
	}
	if c.inUse() {
		c.used, c.stamp = 0, now
		return
	}
	c.used = max(c.used, out)
	if t.conf.SlowStartAfterIdle && now.Sub(c.stamp) >= t.rtt.rto && !c.controls() {
		t.limitByUse(now)
	}
}

// limitByUse brings the window halfway to what the application uses of it.
func (t *TCB) limitByUse(now tcpip.Time) {
	c := &t.cc
	if t.rec.phase == phaseOpen && !t.tun.full {
		if used := max(c.used, t.initialWindow()); used < c.cwnd {
			c.ssthresh = t.currentSsthresh()
			c.cwnd = (c.cwnd + used) / 2
		}
		c.used = 0
	}
	c.stamp = now
}

// restartAfterIdle shrinks the window of a sender that has been silent: by half for each timeout that has passed, down
// to the initial one (RFC 5681 §4.1, as Linux does it).
func (t *TCB) restartAfterIdle(now tcpip.Time) {
	if t.board.segs > 0 || t.snd.lastData == 0 || !t.conf.SlowStartAfterIdle || t.cc.controls() {
		return
	}
	idle, c := now.Sub(t.snd.lastData), &t.cc
	if idle <= t.rtt.rto {
		return
	}
	floor := min(t.initialWindow(), c.cwnd)
	c.event(t, now, eventRestart)
	c.ssthresh = t.currentSsthresh()
	for idle -= t.rtt.rto; idle > 0 && c.cwnd > floor; idle -= t.rtt.rto {
		c.cwnd /= 2
	}
	c.cwnd = max(c.cwnd, floor)
	c.stamp, c.used = now, 0
}

// restorePrior is the window from before a reduction.
func restorePrior(t *TCB, _ tcpip.Time) int { return max(t.cc.cwnd, t.cc.prior) }
