package tcb

import (
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// Pacing spreads data over time, at SO_MAX_PACING_RATE or the rate of the window where that is less. It is on only
// for connections that have the option: others pay one branch.

func (t *TCB) paced() bool { return t.conf.MaxPacingRate > 0 || t.cc.controls() }

// holdForPace reports whether data has to wait for its time, and sets the deadline that ends the wait.
func (t *TCB) holdForPace(now tcpip.Time) bool {
	if t.snd.paced <= now {
		return false
	}
	t.deadline[timerPace] = t.snd.paced
	return true
}

// pace moves the time at which the next data may leave: by as long as the payload of out takes at the rate. The first
// segments of a connection are free, and what left late may be followed sooner, as Linux does it.
func (t *TCB) pace(now tcpip.Time, out *Out) {
	start := max(now, t.snd.paced)
	late := start.Sub(t.snd.paced)
	if t.snd.paced = start; t.count.dataOut+t.count.dataRetrans < unpacedSegments {
		return
	}
	d := time.Duration(min(float64(out.Len)/float64(max(t.pacingRate(), 1))*float64(time.Second), float64(time.Hour)))
	t.snd.paced = start.Add(d - min(d/2, late))
}

// unpacedSegments is how many segments of a connection are not paced.
const unpacedSegments = 10
