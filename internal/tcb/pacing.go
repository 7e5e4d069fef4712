package tcb

import (
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// Pacing spreads data over time, at SO_MAX_PACING_RATE or the rate of the window where that is less. It is on only
// for connections that have the option: others pay one branch.

// pacedBurst is how much may leave at once: that of this time at the rate, but two segments always.
const pacedBurst = time.Millisecond

func (t *TCB) paced() bool { return t.conf.MaxPacingRate > 0 || t.cc.controls() }

// holdForPace reports whether data has to wait for its time, and sets the deadline that ends the wait.
func (t *TCB) holdForPace(now tcpip.Time) bool {
	if t.snd.paced <= now {
		return false
	}
	t.deadline[timerPace] = t.snd.paced
	return true
}

// pace moves the time at which the next data may leave: by as long as out, headers included, takes at the rate.
func (t *TCB) pace(now tcpip.Time, out *Out) {
	n := out.Len + segments(out.Len, max(out.SegSize, 1))*(t.path.NetHeader+header.TCPSize+out.Options.Size()+t.path.Options)
	rate := max(t.pacingRate(), 1)
	d := min(float64(n)/float64(rate)*float64(time.Second), float64(time.Hour))
	t.snd.paced = max(now, t.snd.paced).Add(time.Duration(d))
}
