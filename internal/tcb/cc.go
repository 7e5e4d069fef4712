package tcb

import (
	"time"

	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// cc is congestion control (RFC 5681): the window, and what the algorithm remembers. It counts bytes,
// so that it does not matter into how many pieces an acknowledgement is cut.
type cc struct {
	algorithm *algorithm
	mss       int
	cwnd      int        // bytes
	ssthresh  int        // bytes
	credit    int        // bytes acknowledged and not yet turned into window (RFC 3465)
	limited   bool       // the window has held the sender back in this round
	maxFlight int        // the most in flight in this round, bytes
	round     seq.Number // where this round ends

	cubic cubic
}

// algorithm is what congestion control algorithms differ in. The functions must not allocate.
type algorithm struct {
	name  string
	avoid func(c *cc, now tcpip.Time, acked int, srtt time.Duration) // grows cwnd in congestion avoidance
	react func(c *cc, now tcpip.Time) int                            // congestion: returns the new ssthresh
	reset func(c *cc, now tcpip.Time)                                // after a timeout or a pause
}

// algorithms by Conf.Congestion.
var algorithms = [...]algorithm{
	Cubic: {"cubic", cubicAvoid, cubicReact, cubicReset},
	Reno:  {"reno", renoAvoid, renoReact, func(*cc, tcpip.Time) {}},
}

const infiniteSsthresh = 1 << 30

func (c *cc) init(alg Congestion, mss, initialWindow int) {
	*c = cc{mss: mss, cwnd: initialWindow * mss, ssthresh: infiniteSsthresh}
	c.choose(alg)
}

// setMSS follows a change of the segment size. One segment always fits the window.
func (c *cc) setMSS(mss int) {
	c.mss = mss
	c.cwnd = max(c.cwnd, mss)
}

func (c *cc) choose(alg Congestion) {
	if int(alg) >= len(algorithms) {
		alg = Cubic
	}
	c.algorithm = &algorithms[alg]
	c.cubic = cubic{}
}

func (c *cc) slowStart() bool { return c.cwnd < c.ssthresh }

// onAck grows the window for acked bytes (RFC 5681 §3.1), if the window was what limited the sender
// (RFC 9293 §3.8.2, RFC 7661).
func (c *cc) onAck(now tcpip.Time, acked int, srtt time.Duration) {
	if !c.limited && !(c.slowStart() && c.cwnd < 2*c.maxFlight) {
		return
	}
	if c.slowStart() {
		grow := min(acked, c.ssthresh-c.cwnd)
		c.cwnd += grow
		if acked -= grow; acked == 0 {
			return
		}
	}
	c.algorithm.avoid(c, now, acked, srtt)
}

// onCongestion reduces ssthresh; what becomes of cwnd is recovery's matter.
func (c *cc) onCongestion(now tcpip.Time) {
	c.ssthresh = max(c.algorithm.react(c, now), 2*c.mss)
	c.credit = 0
}

// onIdle halves the window for each timeout that has passed without sending, down to the initial
// one (RFC 5681 §4.1, as Linux does it).
func (c *cc) onIdle(now tcpip.Time, idle, rto time.Duration, initialWindow int) {
	floor := min(initialWindow*c.mss, c.cwnd)
	c.ssthresh = max(c.ssthresh, c.cwnd*3/4)
	for idle -= rto; idle > 0 && c.cwnd > floor; idle -= rto {
		c.cwnd /= 2
	}
	c.cwnd = max(c.cwnd, floor)
	c.algorithm.reset(c, now)
}

// noteUse notes how much of the window the sender uses, once per round trip or when it is more than
// before; limited says that the window holds it back.
func (c *cc) noteUse(una, nxt seq.Number, flight int, limited bool) {
	if c.round.LessEq(una) || limited || !c.limited && flight > c.maxFlight {
		c.limited, c.maxFlight, c.round = limited, flight, nxt
	}
}
