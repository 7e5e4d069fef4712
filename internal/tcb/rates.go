package tcb

import (
	"time"

	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// rate measures what arrives at the peer, over one round trip after the other. One that ends with nothing
// in flight is followed by the next that begins with sending.
type rate struct {
	end       seq.Number // of the round trip, if running
	running   bool
	limited   bool // the congestion window held the sender back
	measured  bool
	appAlone  bool // the last measurement was of the application
	began     tcpip.Time
	bytes     int
	delivered int64 // bytes per second, of the last round trip
}

// begin starts a round trip with the sending of what ends at nxt.
func (r *rate) begin(now tcpip.Time, nxt seq.Number) {
	if !r.running {
		r.running, r.began, r.end, r.bytes, r.limited = true, now, nxt, 0, false
	}
}

// takeRate counts what an acknowledgement says has been delivered.
func (t *TCB) takeRate(now tcpip.Time, delivered int) {
	r := &t.rate
	if !r.running {
		return
	}
	r.bytes += delivered
	r.limited = r.limited || t.cc.limited
	if t.snd.una.Less(r.end) {
		return
	}
	took := max(now.Sub(r.began), time.Microsecond)
	if took < t.rtt.min { // acknowledgements that came together say nothing about the path
		r.running = t.flight() > 0
		return
	}
	r.delivered = int64(float64(r.bytes) * float64(time.Second) / float64(took))
	r.measured, r.appAlone = true, !r.limited
	if r.running = false; t.flight() > 0 {
		r.begin(now, t.snd.nxt)
	}
}

// chrono is a stop watch for why a sender takes its time: the sums of TCP_INFO's busy_time, rwnd_limited and
// sndbuf_limited. Time is charged to one of them.
type chrono struct {
	what  chronoKind
	since tcpip.Time
	spent [numChronos]time.Duration
}

type chronoKind uint8

const (
	chronoIdle   chronoKind = iota
	chronoBusy              // sending, or waiting for the congestion window
	chronoWindow            // waiting for the peer's window
	chronoBuffer            // waiting for the user, who finds the send buffer full

	numChronos
)

// turn says what the sender does from now on.
func (c *chrono) turn(now tcpip.Time, what chronoKind) {
	if c.what != what {
		c.spent[c.what] += now.Sub(c.since)
		c.what, c.since = what, now
	}
}

func (c *chrono) total(now tcpip.Time, what chronoKind) time.Duration {
	if c.what == what {
		return c.spent[what] + now.Sub(c.since)
	}
	return c.spent[what]
}

// watch is called where there is no more to send for the moment, and notes why.
func (t *TCB) watch(now tcpip.Time) {
	what := chronoBusy
	switch unsent := t.unsent(); {
	case unsent == 0 && t.sendQ.chunks.len() == 0:
		what = chronoIdle
	case unsent > 0 && t.windowRoom() < min(unsent, t.cc.mss) && maySend.has(t.state):
		what = chronoWindow
	case unsent == 0 && t.tun.full:
		what = chronoBuffer
	}
	t.chrono.turn(now, what)
}

// pacingRate returns the bytes per second of a sender that spreads its window over the round trip, with the
// factors of net.ipv4.tcp_pacing_ss_ratio and tcp_pacing_ca_ratio; 0 while the round trip is unknown.
func (t *TCB) pacingRate() int64 {
	if t.rtt.srtt <= 0 {
		return t.conf.MaxPacingRate
	}
	n := int64(max(t.cc.cwnd, t.flight()))
	if t.cc.cwnd < t.cc.ssthresh/2 {
		n *= 200
	} else {
		n *= 120
	}
	rate := int64(float64(n) / 100 * float64(time.Second) / float64(t.rtt.srtt))
	if m := t.conf.MaxPacingRate; m > 0 {
		rate = min(rate, m)
	}
	return rate
}

// fillRates tells of rates and times.
func (t *TCB) fillRates(now tcpip.Time, i *Info) {
	i.DeliveryRate, i.AppLimited = t.rate.delivered, t.rate.appAlone || !t.rate.measured
	i.PacingRate, i.MaxPacingRate = t.pacingRate(), t.conf.MaxPacingRate
	c := &t.chrono
	i.WindowLimited, i.BufferLimited = c.total(now, chronoWindow), c.total(now, chronoBuffer)
	i.BusyTime = c.total(now, chronoBusy) + i.WindowLimited + i.BufferLimited
	i.TimeoutRecoveries, i.TimeoutTime = t.count.timeoutSeries, t.rec.lost
	if t.rec.lossSince != 0 {
		i.TimeoutTime += now.Sub(t.rec.lossSince)
	}
}

// countSegments counts the segments in flight, which the sums of the scoreboard have in bytes.
func (t *TCB) countSegments(i *Info) {
	for k := range t.board.recs.len() {
		r := t.board.recs.at(k)
		n := int(r.segs)
		i.UnackedSegments += n
		switch {
		case r.flags&recSacked != 0:
			i.SackedSegments += n
			continue
		case r.flags&recLost != 0:
			i.LostSegments += n
		}
		if r.flags&recResent != 0 {
			i.RetransmittingSegments += n
		}
	}
	if !t.opt.sack {
		i.SackedSegments = t.rec.dupAcks
	}
}
