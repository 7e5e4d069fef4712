package tcb

import (
	"time"

	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// rtt estimates the round trip and the retransmission timeout (RFC 6298, with Linux's variance: its largest value of
// a round trip counts at once and fades from one round trip to the next).
type rtt struct {
	srtt, mdev  time.Duration // smoothed round trip and mean deviation; zero until the first sample
	rttvar      time.Duration // what is added for the timeout, at least RTOMin
	mdevMax     time.Duration // largest mdev of this round trip
	end         seq.Number    // of this round trip
	backoffs    uint8
	latest, min time.Duration
	shortest    [3]shortRTT   // of the last MinRTTWindow
	rto         time.Duration // backed off, if backoffs is not zero
}

const (
	initialRTO  = time.Second     // RFC 6298 §2.1
	fallbackRTO = 3 * time.Second // RFC 6298 §5.7
)

func (r *rtt) init() { *r = rtt{rto: initialRTO} }

// sample takes a measurement. By Karn's rule it is never of a segment that was retransmitted.
// (RFC 9293 §3.8.1, MUST-18)
func (r *rtt) sample(d time.Duration, c *Conf, una, nxt seq.Number) {
	d = max(d, time.Microsecond)
	r.latest = d
	if r.srtt == 0 {
		r.srtt, r.mdev = d, d/2
		r.rttvar = max(2*d, c.RTOMin)
		r.mdevMax, r.end = r.rttvar, nxt
		r.settle(c)
		return
	}
	off := d - r.srtt
	r.srtt += off / 8
	if off < 0 {
		// A round trip that falls would raise the variance: that is damped.
		if off = -off - r.mdev; off > 0 {
			off /= 8
		}
	} else {
		off -= r.mdev
	}
	r.mdev += off / 4
	if 4*r.mdev > r.mdevMax {
		r.mdevMax = 4 * r.mdev
		r.rttvar = max(r.rttvar, r.mdevMax)
	}
	if r.end.Less(una) {
		if r.mdevMax < r.rttvar {
			r.rttvar -= (r.rttvar - r.mdevMax) / 4
		}
		r.end, r.mdevMax = nxt, c.RTOMin
	}
	r.settle(c)
}

// shortRTT is a round trip that was short, with the time when it was measured: what of either fits 32 bits is enough.
type shortRTT struct{ ms, us uint32 }

// noteMin follows the shortest round trip of the last while. It keeps the best, the best since then, and the best since
// that, so that one is at hand when the best is too old; of a quarter and of half of the while each has to be one, as on
// Linux.
func (r *rtt) noteMin(d, window time.Duration, now tcpip.Time) {
	s := shortRTT{tsClock(now, 0), uint32(min(max(d, time.Microsecond), time.Hour) / time.Microsecond)}
	b, long := &r.shortest, uint32(window/time.Millisecond)
	switch {
	case r.min == 0 || s.us <= b[0].us || s.ms-b[2].ms > long:
		*b = [3]shortRTT{s, s, s}
	case s.us <= b[1].us:
		b[1], b[2] = s, s
	case s.us <= b[2].us:
		b[2] = s
	}
	switch age := s.ms - b[0].ms; {
	case age > long:
		b[0], b[1], b[2] = b[1], b[2], s
		if s.ms-b[0].ms > long {
			b[0], b[1] = b[1], b[2]
		}
	case b[1].ms == b[0].ms && age > long/4:
		b[1], b[2] = s, s
	case b[2].ms == b[1].ms && age > long/2:
		b[2] = s
	}
	r.min = time.Duration(b[0].us) * time.Microsecond
}

// settle computes the timeout afresh, without backoff.
func (r *rtt) settle(c *Conf) {
	r.backoffs = 0
	if r.srtt == 0 {
		return
	}
	r.rto = min(r.srtt+max(r.rttvar, c.RTOMin), c.RTOMax)
}

// backoff doubles the timeout (RFC 6298 §5.5; RFC 9293 §3.8.2, MUST-19).
func (r *rtt) backoff(c *Conf) {
	r.backoffs++
	r.rto = min(2*r.rto, c.RTOMax)
}

// persist returns the time to the next zero-window probe: the timeout, doubled for each before it.
func (r *rtt) persist(c *Conf) time.Duration {
	return min(max(r.rto, c.RTOMin)<<min(r.backoffs, 16), c.RTOMax)
}

// measure takes the samples that an acknowledgement arriving at at gives: of what it acknowledges in order and of
// what it reports behind a gap, none of which was sent twice, or failing that of the timestamp that the peer echoes.
// It reports whether there was one.
func (t *TCB) measure(at tcpip.Time, a *acked, s *Segment) bool {
	if a.timed {
		return a.measured
	}
	a.timed = true
	sample, shortest := time.Duration(-1), time.Duration(-1)
	if a.sackFirst != 0 {
		sample, shortest = at.Sub(a.sackFirst), at.Sub(a.sackLast)
		a.sackRTT = sample
	}
	if a.first != 0 && a.flags&ackRetrans == 0 {
		sample = at.Sub(a.first)
		if a.sackFirst == 0 {
			shortest = at.Sub(a.last)
		}
	}
	if sample < 0 && a.flags&(ackData|ackSyn) != 0 && t.opt.timestamps && s.Options.HasTimestamp {
		if d, ok := echoed(at, t.born, t.id.TSOffset, s.Options.TSEcr); ok {
			sample, shortest = d, d
		}
	}
	a.rtt = shortest
	if sample < 0 {
		return false
	}
	t.rtt.noteMin((max(shortest, 0) + time.Microsecond - 1).Truncate(time.Microsecond), t.conf.MinRTTWindow, at) // order may have moved what was sent by less
	t.rtt.sample(sample, t.conf, t.snd.una, t.snd.nxt)
	a.measured = true
	return true
}

// echoed returns the age of a timestamp that came back, if it is one that can have been sent since
// born.
func echoed(at, born tcpip.Time, offset, ecr uint32) (time.Duration, bool) {
	if ecr == 0 {
		return 0, false
	}
	age := tsClock(at, offset) - ecr
	d := time.Duration(age) * time.Millisecond
	if d > at.Sub(born)+time.Millisecond {
		return 0, false
	}
	return max(d, time.Millisecond), true
}
