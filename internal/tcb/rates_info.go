package tcb

import (
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// pacingRate returns the bytes per second of a sender that spreads its window over the round trip, with the
// factors of net.ipv4.tcp_pacing_ss_ratio and tcp_pacing_ca_ratio; 0 while the round trip is unknown.
func (t *TCB) pacingRate() int64 {
	if a := t.cc.algorithm; a != nil && a.pacing != nil {
		return t.conf.limitPace(a.pacing(t))
	}
	if t.cc.pace == 0 {
		return t.conf.MaxPacingRate
	}
	return t.conf.limitPace(t.cc.pace)
}

// updatePace is called with each acknowledgement, and nowhere else, as on Linux.
func (t *TCB) updatePace() {
	if t.cc.algorithm.pacing != nil {
		return
	}
	rate := float64(max(t.cc.cwnd, t.board.segs)) * float64(t.cc.mss)
	if t.cc.cwnd < t.cc.ssthresh/2 {
		rate *= float64(t.conf.PaceSlowStart) / 100
	} else {
		rate *= float64(t.conf.PaceAvoidance) / 100
	}
	if t.rtt.srtt > 0 {
		rate *= float64(time.Second) / float64(t.rtt.srtt)
	} else { // so fast that it is no limit
		rate *= 8e6
	}
	t.cc.pace = int64(rate)
}

// limitPace bounds a rate by SO_MAX_PACING_RATE.
func (c *Conf) limitPace(rate int64) int64 {
	if m := c.MaxPacingRate; m > 0 {
		return min(rate, m)
	}
	return rate
}

// fillRates tells of rates and times.
func (t *TCB) fillRates(now tcpip.Time, i *Info) {
	i.DeliveryRate, i.AppLimited = t.rate.bytesPerSecond(t.cc.mss), t.rate.alone || t.rate.segs == 0
	i.PacingRate, i.MaxPacingRate = t.pacingRate(), t.conf.MaxPacingRate
	c := &t.chrono
	i.WindowLimited, i.BufferLimited = c.total(now, chronoWindow), c.total(now, chronoBuffer)
	i.BusyTime = c.total(now, chronoBusy) + i.WindowLimited + i.BufferLimited
	i.TimeoutRecoveries, i.TimeoutTime = t.count.timeoutSeries, t.rec.lost
	if t.rec.lossSince != 0 {
		i.TimeoutTime += now.Sub(t.rec.lossSince)
	}
}
