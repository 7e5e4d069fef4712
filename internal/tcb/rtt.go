package tcb

import (
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// rtt estimates the round trip and the retransmission timeout (RFC 6298).
type rtt struct {
	srtt, rttvar time.Duration // zero until the first sample
	latest, min  time.Duration
	rto          time.Duration // backed off, if backoffs is not zero
	backoffs     uint8
}

const (
	initialRTO  = time.Second     // RFC 6298 §2.1
	fallbackRTO = 3 * time.Second // RFC 6298 §5.7
)

func (r *rtt) init() { *r = rtt{rto: initialRTO} }

// sample takes a measurement. By Karn's rule it is never of a segment that was retransmitted.
func (r *rtt) sample(d time.Duration, c *Conf) {
	d = max(d, time.Microsecond)
	r.latest = d
	if r.min == 0 || d < r.min {
		r.min = d
	}
	if r.srtt == 0 {
		r.srtt, r.rttvar = d, d/2
	} else {
		r.rttvar += ((r.srtt - d).Abs() - r.rttvar) / 4
		r.srtt += (d - r.srtt) / 8
	}
	r.settle(c)
}

// settle computes the timeout afresh, without backoff. The floor is on the variance, as on Linux.
func (r *rtt) settle(c *Conf) {
	r.backoffs = 0
	if r.srtt == 0 {
		return
	}
	r.rto = min(r.srtt+max(4*r.rttvar, c.RTOMin), c.RTOMax)
}

// backoff doubles the timeout (RFC 6298 §5.5).
func (r *rtt) backoff(c *Conf) {
	r.backoffs++
	r.rto = min(2*r.rto, c.RTOMax)
}

// persist returns the time to the next zero-window probe: the timeout, doubled for each before it.
func (r *rtt) persist(c *Conf) time.Duration {
	return min(max(r.rto, c.RTOMin)<<min(r.backoffs, 16), c.RTOMax)
}

// measure takes the samples that an acknowledgement arriving at at gives: of a segment that was sent
// once, at sent, or failing that of the timestamp that the peer echoes.
func (t *TCB) measure(at, sent tcpip.Time, s *Segment) {
	if sent != 0 {
		t.rtt.sample(at.Sub(sent), t.conf)
		return
	}
	if t.opt.timestamps && s.Options.HasTimestamp {
		if d, ok := echoed(at, t.born, t.id.TSOffset, s.Options.TSEcr); ok {
			t.rtt.sample(d, t.conf)
		}
	}
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
