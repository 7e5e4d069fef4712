package tcb

import (
	"time"

	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// rate estimates how fast what is sent arrives, as draft-cheng-iccrg-delivery-rate-estimation has it: over the time
// from the sending of a segment to its acknowledgement, what was delivered in that time.
type rate struct {
	deliveredAt tcpip.Time // the last acknowledgement
	firstSent   tcpip.Time // when the segment was sent that was acknowledged last

	// The last estimate that was not limited by the application, or is larger.
	segs     int
	interval time.Duration
	alone    bool // it was limited by the application

	limited uint32 // count.delivered that ends a time in which there was not enough to send; zero is none
}

// txState is what a segment remembers of the time it was sent.
type txState struct {
	at        tcpip.Time // rate.deliveredAt then; zero once it has been used
	first     tcpip.Time // rate.firstSent then
	delivered uint32
	lost      uint32 // count.lost then
}

// rateSample is what one acknowledgement says of the rate.
type rateSample struct {
	known          bool // something was acknowledged that tells
	priorDelivered uint32
	priorAt        tcpip.Time
	sent           tcpip.Time // of the last sent of what is acknowledged
	end            seq.Number
	sendInterval   time.Duration
	limited        bool
	retrans        bool
	priorLost      uint32
	sentFlight     int // segments in flight when it was sent

	delivered int // segments in the interval
	interval  time.Duration
	rtt       time.Duration // negative: not measured
	acked     int           // segments that this acknowledgement says to have arrived
	lost      int           // and those it shows to be lost
	lostSince int           // segments lost in the interval
}

// stampRate is called for everything that is sent, before it is counted as in flight.
func (t *TCB) stampRate(now tcpip.Time) (tx txState, limited recordFlags) {
	k := &t.rate
	if t.board.segs == 0 || k.deliveredAt == 0 && t.FastChild() { // whose SYN-ACK is no data
		k.firstSent, k.deliveredAt = now, now
	}
	if k.limited != 0 {
		limited = recLimited
	}
	return txState{at: k.deliveredAt, first: k.firstSent, delivered: t.count.delivered, lost: t.count.lost}, limited
}

// flightWith returns record.flight of what is about to be sent, which has segs segments.
func (t *TCB) flightWith(segs int) uint16 { return uint16(min(t.pipe()+segs, maxFlight)) }

// take learns from a record that has arrived.
func (s *rateSample) take(t *TCB, r *record) {
	if r.tx.at == 0 || s.known && !sentAfter(r.sent, s.sent, r.end, s.end) {
		return
	}
	*s = rateSample{
		known: true, priorDelivered: r.tx.delivered, priorAt: r.tx.at, sent: r.sent, end: r.end,
		sendInterval: r.sent.Sub(r.tx.first), limited: r.flags&recLimited != 0, retrans: r.flags&recRetrans != 0,
		priorLost: r.tx.lost, sentFlight: int(r.flight),
	}
	t.rate.firstSent = r.sent
}

// takeRate completes the sample of an acknowledgement that arrived at at.
func (t *TCB) takeRate(at tcpip.Time, s *rateSample, delivered, lost int) {
	k := &t.rate
	if k.limited != 0 && int32(t.count.delivered-k.limited) > 0 {
		k.limited = 0
	}
	if delivered > 0 {
		k.deliveredAt = at
	}
	s.acked, s.lost = delivered, lost
	if !s.known {
		return
	}
	s.delivered, s.lostSince = int(t.count.delivered-s.priorDelivered), int(t.count.lost-s.priorLost)
	s.interval = max(s.sendInterval, at.Sub(s.priorAt), time.Microsecond)
	if s.interval < t.rtt.min { // acknowledgements that came together say nothing about the path
		s.interval = 0
		return
	}
	if !s.limited || int64(s.delivered)*int64(k.interval) >= int64(k.segs)*int64(s.interval) {
		k.segs, k.interval, k.alone = s.delivered, s.interval, s.limited
	}
}

// noteLimited is called before what the user writes is queued: if there was no more to send and the window would have taken more, what
// was in flight before says nothing about the path.
func (t *TCB) noteLimited() {
	if t.unsent() < t.cc.mss && t.pipe() < t.cc.cwnd && t.board.lost <= t.board.resent {
		t.rate.limited = max(t.count.delivered+uint32(t.pipe()), 1)
	}
}

// bytesPerSecond is the last estimate.
func (k *rate) bytesPerSecond(mss int) int64 {
	if k.interval <= 0 {
		return 0
	}
	return int64(float64(k.segs) * float64(mss) * float64(time.Second) / float64(k.interval))
}
